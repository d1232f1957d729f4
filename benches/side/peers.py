"""Builds what a registry provides to be measured beside brooklet: two crates for the same job.

It must change nothing in them, and must leave brooklet's own lock alone.
"""

import glob
import os
import platform
import shutil
import subprocess
import sys

OTEL = "opentelemetry-lambda-extension"
OTEL_VERSION = "0.2.0"
FORWARDER = "forwarder"


def run(command, **more):
    """Runs a build; its words go to stderr."""
    print("benches/run: " + " ".join(command), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr, **more)


def forwarder(root, out):
    """The `lambda-extension` crate's forwarder, on musl if this machine can; returns its path and how it was built."""
    folder = os.path.join(root, "benches", "peers", "forwarder")
    target_dir = os.path.join(out, "peers")
    environment = dict(os.environ, CARGO_TARGET_DIR=target_dir)
    environment.pop("RUSTFLAGS", None)
    target = {"aarch64": "aarch64", "arm64": "aarch64"}.get(platform.machine(), "x86_64") + "-unknown-linux-musl"
    for cargo, tools in ways(environment):
        try:
            command = [tools, "zigbuild", "--release", "--locked", "--target", target, "-Zbuild-std=std,panic_abort"]
            more = dict(environment, RUSTC_BOOTSTRAP="1", RUSTFLAGS="-C link-self-contained=no", CARGO=cargo)
            more["RUSTC"] = os.path.join(os.path.dirname(cargo), "rustc")
            run(command, cwd=folder, env=more)
            return os.path.join(target_dir, target, "release", FORWARDER), "static, on musl"
        except subprocess.CalledProcessError:
            continue
    run(["cargo", "build", "--release", "--locked"], cwd=folder, env=environment)
    return os.path.join(target_dir, "release", FORWARDER), "on this machine's C library"


def ways(environment):
    """The cargos whose toolchain has the source of std, each with the cargo-zigbuild that build.sh has fetched."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "brooklet")
    tools = sorted(glob.glob(os.path.join(cache, "zig-*-zigbuild-*", "bin", "cargo-zigbuild")))
    if not tools:
        return
    home = os.path.join(os.path.dirname(os.path.dirname(tools[-1])), "ziglang", "zig")
    environment.update(CARGO_ZIGBUILD_ZIG_PATH=home, CARGO_ZIGBUILD_CACHE_DIR=cache)
    environment["ZIG_GLOBAL_CACHE_DIR"] = os.path.join(cache, "zig")
    asked = subprocess.run(["rustc", "--print", "sysroot"], stdout=subprocess.PIPE, text=True)
    for sysroot in (asked.stdout.strip(), "/usr"):
        if os.path.isfile(os.path.join(sysroot, "lib/rustlib/src/rust/library/std/Cargo.toml")):
            yield os.path.join(sysroot, "bin", "cargo"), tools[-1]


def otel(out):
    """The crate `opentelemetry-lambda-extension`, as its author locked it; returns its path."""
    root = os.path.join(out, "otel")
    binary = os.path.join(root, "bin", OTEL)
    if not os.path.isfile(binary):
        command = ["cargo", "install", OTEL, "--version", OTEL_VERSION, "--locked", "--root", root]
        run(command + ["--target-dir", os.path.join(out, "peers")], cwd=out)
    # As it would ship: nobody puts symbols into a layer.
    stripped = binary + "-stripped"
    if not os.path.isfile(stripped):
        shutil.copy(binary, stripped)
        if shutil.which("strip"):
            run(["strip", stripped])
    return stripped
