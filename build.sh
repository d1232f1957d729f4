#!/usr/bin/env bash
# Builds brooklet's static binary and its Lambda layer; `--help` is the manual.
# It must not touch the user's python, and the same commit must give the same bytes, wherever the clone lies.
set -euo pipefail

usage() {
  cat <<'END'
usage: ./build.sh [x86_64|arm64|all] [--direct|--fault|--bare]
       ./build.sh demo

Builds the static binary dist/<arch>/brooklet and the layer dist/brooklet-<arch>.zip; without an architecture,
this machine's. The layer holds, all of mode 755:

  extensions/brooklet   the launcher, a shell script of one line
  brooklet/brooklet     the binary
  brooklet/wrapper      the entry of the wrapper mode (AWS_LAMBDA_EXEC_WRAPPER=/opt/brooklet/wrapper)

The same tree lies unzipped in dist/<arch>/layer, to be copied into container images.

  --direct   puts the binary itself at extensions/brooklet and nowhere else: for container images that have no
             shell, and a millisecond faster. brooklet/wrapper finds it there; being a script, it still needs a shell.
  --fault    builds dist/<arch>/brooklet-fault alone, the same program with panics on purpose: the tests of isolation
             need it, and nobody else.
  --bare     builds dist/<arch>/brooklet-bare alone, which ships what a function logs with nothing added: benches/run
             measures brooklet beside it.
  demo       builds this machine's layer and shows it at work in a local Lambda.

It takes Rust 1.88 or newer (stable will do), python3 with pip, and a network for the first run. What else it needs
it fetches once into ${XDG_CACHE_HOME:-~/.cache}/brooklet, which all clones share: zig, as the linker and C compiler
of both architectures, and cargo-zigbuild, both from PyPI. Where no `cc` is installed, zig also serves as that.

Rust's standard library for the static targets comes from the first of these that works:
  1. source: built from the rust-src of the active toolchain, installed already or added now with
     `rustup component add`, given 60 seconds; or from that of nightly;
  2. source: built from Debian's rust-web-src with its rustc-web and cargo-web, which root gets installed by apt;
  3. prebuilt: installed already, or added now with `rustup target add`, given 60 seconds.
Built from source it is built for size: the layer's zip is a quarter smaller, and only so is it within its limits. The
same commit gives the same bytes for the same compiler and the same choice here.

environment:
  BUILD_STD=source|prebuilt   considers only 1 and 2, or only 3
  CARGO_TARGET_DIR            where cargo builds, instead of target/
END
}

say() { printf 'build.sh: %s\n' "$*" >&2; }
die() {
  say "error: $1"
  shift
  [ $# = 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# ---- what to do ----

arch='' direct='' feature='' demo=''
for word; do
  case $word in
    x86_64 | arm64 | all | demo)
      [ -z "$arch$demo" ] || { usage >&2; exit 2; }
      if [ "$word" = demo ]; then demo=yes; else arch=$word; fi
      ;;
    --direct) direct=yes ;;
    --fault | --bare) feature=${word#--} ;;
    -h | --help) usage; exit 0 ;;
    *) say "error: unknown argument: $word"; usage >&2; exit 2 ;;
  esac
done
[ -z "$demo" ] || [ -z "$direct$feature" ] || { usage >&2; exit 2; }
case ${BUILD_STD:=auto} in auto | prebuilt | source) ;; *) die "BUILD_STD is '$BUILD_STD': take prebuilt or source" ;; esac

case $(uname -m) in
  x86_64 | amd64) host=x86_64 ;;
  aarch64 | arm64) host=arm64 ;;
  *) host='' ;;
esac
[ -n "$arch" ] || arch=${host:?this machine is neither x86_64 nor arm64: name an architecture}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
target_dir=${CARGO_TARGET_DIR:-$repo/target}
case $target_dir in /*) ;; *) target_dir=$PWD/$target_dir ;; esac
cargo_home=${CARGO_HOME:-$HOME/.cargo}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/brooklet
mkdir -p "$cache"
cd "$repo"

# ---- what it needs ----

# Installs Debian packages where that is possible and takes nothing away; false where it is not.
apt_updated=''
apt_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  say "installing with apt-get: $*"
  export DEBIAN_FRONTEND=noninteractive
  [ -n "$apt_updated" ] || apt-get update -qq >&2 || return 1
  apt_updated=yes
  apt-get install -qq -y --no-remove --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" >&2
}

command -v python3 >/dev/null || apt_install python3 python3-pip || die "python3 is missing" \
  "install python3 and its pip (on Debian: apt-get install python3 python3-pip)"

zig_version=0.17.1 zigbuild_version=0.24.0 zopfli_version=0.4.3
tools=$cache/zig-$zig_version-zigbuild-$zigbuild_version-zopfli-$zopfli_version-$(uname -m)
if [ ! -d "$tools" ]; then
  pip=''
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then pip=$python && break; fi
  done
  if [ -z "$pip" ]; then
    apt_install python3-pip || die "python3 has no pip" "install it (on Debian: apt-get install python3-pip)"
    pip=/usr/bin/python3
  fi
  say "fetching zig $zig_version and cargo-zigbuild $zigbuild_version from PyPI (once, about 90 MB) into $tools"
  # Beside the final place, so that the last step is a rename: another clone may be doing the same now.
  fresh=$(mktemp -d "$cache/tools-XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  fetch() {
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore "$pip" -m pip install --quiet --no-input \
      --disable-pip-version-check --no-compile --no-deps --only-binary=:all: --target "$fresh" "$@"
  }
  fetch "ziglang==$zig_version" "cargo-zigbuild==$zigbuild_version" ||
    die "cannot fetch zig and cargo-zigbuild" "they are the packages ziglang and cargo-zigbuild of PyPI;" \
      "pip has to reach it, directly or through the index it is configured for"
  # There is none for an old python; the layer is built all the same.
  fetch "zopfli==$zopfli_version" || say "no zopfli for this python: the layer's zip gets 3% larger than it need be"
  chmod 755 "$fresh"
  mv "$fresh" "$tools" 2>/dev/null || [ -d "$tools" ]
  rm -rf "$fresh"
  trap - EXIT
fi
export CARGO_ZIGBUILD_ZIG_PATH=$tools/ziglang/zig CARGO_ZIGBUILD_CACHE_DIR=$cache ZIG_GLOBAL_CACHE_DIR=$cache/zig

# A machine without a C compiler has zig as one: at the end of the PATH, an installed compiler comes first. It is told
# a target in clang's words, which are not zig's; it is always this machine.
for name in cc ar; do
  script=$(printf '%s\n' '#!/bin/sh' 'for word; do' '  shift' \
    '  case $word in --target=*) ;; *) set -- "$@" "$word" ;; esac' 'done' "exec '$tools/ziglang/zig' $name \"\$@\"")
  [ "$(cat "$cache/fallback/$name" 2>/dev/null)" != "$script" ] || continue
  mkdir -p "$cache/fallback"
  printf '%s\n' "$script" >"$cache/fallback/.$name.$$"
  chmod 755 "$cache/fallback/.$name.$$"
  mv -f "$cache/fallback/.$name.$$" "$cache/fallback/$name"
done
PATH=$PATH:$cache/fallback

# ---- where the standard library comes from ----

wanted=$(sed -n 's/^rust-version = "\([0-9]*\.[0-9]*\)"$/\1/p' Cargo.toml)

# The toolchain in a directory is new enough.
suits() {
  local version
  version=$("$1/bin/rustc" --version 2>/dev/null | cut -d' ' -f2) && [ -x "$1/bin/cargo" ] || return 1
  version=${version%%-*}
  local minor=${version#*.}
  [ "${version%%.*}" -gt "${wanted%%.*}" ] || [ "${minor%%.*}" -ge "${wanted#*.}" ]
}
has_std() { compgen -G "$1/lib/rustlib/$2/lib/libstd-*.rlib" >/dev/null; }
has_source() { [ -f "$1/lib/rustlib/src/rust/library/std/Cargo.toml" ]; }

# The user's own Rust, if it is there and new enough: a directory with bin/rustc and bin/cargo.
own=$("${RUSTC:-rustc}" --print sysroot 2>/dev/null) && suits "$own" || own=''

# Adds something with rustup. Where its servers cannot be reached it hangs, so it gets a limit, and is not asked again
# for a day.
rustup_add() {
  local seconds=60 stamp=$cache/rustup-did-not-answer
  command -v rustup >/dev/null || return 1
  if [ "$BUILD_STD" != prebuilt ] && [ -n "$(find "$stamp" -mtime -1 2>/dev/null)" ]; then
    say "not asking rustup for $3: it did not answer within the last day (to ask again, remove $stamp)"
    return 1
  fi
  say "rustup $* (at most $seconds seconds)"
  # Not `timeout`: not every machine has it, and what rustup starts must go with it.
  if python3 - "$seconds" rustup "$@" <<'END'
import os, signal, subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
try:
    sys.exit(child.wait(int(sys.argv[1])))
except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGKILL)
    sys.exit("build.sh: rustup did not answer in time")
END
  then
    rm -f "$stamp"
  else
    : >"$stamp"
    return 1
  fi
}

# Sets `sysroot` (the toolchain to build with), `std` (prebuilt or source) and `origin` (in words) for a target.
choose_std() {
  local target=$1 nightly ways=()
  if [ "$BUILD_STD" != prebuilt ]; then
    std=source
    if [ -n "$own" ] && { has_source "$own" || rustup_add component add rust-src; } && has_source "$own"; then
      sysroot=$own origin='source (rust-src of the active toolchain)'
      return
    fi
    nightly=$(RUSTUP_AUTO_INSTALL=0 rustup run nightly rustc --print sysroot 2>/dev/null || true)
    if [ -n "$nightly" ] && suits "$nightly" && has_source "$nightly"; then
      sysroot=$nightly origin='source (rust-src of nightly)'
      return
    fi
    if ! suits /usr || ! has_source /usr; then
      apt_install rustc-web cargo-web rust-web-src || true
    fi
    if suits /usr && has_source /usr; then
      sysroot=/usr origin="source (Debian's rust-web-src)"
      return
    fi
  fi
  if [ "$BUILD_STD" != source ] && [ -n "$own" ]; then
    has_std "$own" "$target" || rustup_add target add "$target" || true
    if has_std "$own" "$target"; then
      sysroot=$own std=prebuilt origin='prebuilt'
      [ "$BUILD_STD" = prebuilt ] ||
        say "no source of the standard library is to be had, so the layer gets a third larger than it need be"
      return
    fi
  fi
  [ "$BUILD_STD" = prebuilt ] || ways+=(
    "  with rustup: rustup component add rust-src"
    "  on Debian:   apt-get install rustc-web cargo-web rust-web-src ($wanted or newer)"
  )
  [ "$BUILD_STD" = source ] || ways+=("  with rustup: rustup target add $target")
  die "there is no standard library for $target" \
    "looked for, and could not add by itself, each of these; any one of them will do:" "${ways[@]}"
}

# ---- building ----

# What rustc runs to link: zig's lld as `zig cc` would run it, with what `zig cc` does not pass on.
linker() {
  cat <<'END'
#!/usr/bin/env python3
import os, struct, subprocess, sys, tempfile

zig, cache = os.environ["CARGO_ZIGBUILD_ZIG_PATH"], os.environ["CARGO_ZIGBUILD_CACHE_DIR"]
words = sys.argv[1:]
inputs = [word for word in words if word.endswith((".o", ".a", ".rlib"))]
output = words[words.index("-o") + 1]
arch = "x86_64" if "x86_64-unknown-linux-musl" in output else "aarch64"

# An empty program tells which of its own parts zig links, and how. Asked there, it names them relative to its cache.
with tempfile.TemporaryDirectory(prefix="link-", dir=cache) as probe:
    here = os.path.basename(probe)
    with open(os.path.join(probe, "empty.c"), "w") as file:
        file.write("int main(void) { return 0; }\n")
    asked = subprocess.run(
        [zig, "cc", "-v", "-target", arch + "-linux-musl", "-fno-sanitize=all", "-fno-unwind-tables", "-static", "-g",
         "-nodefaultlibs", here + "/empty.c", "-lunwind", "-lc", "-o", here + "/empty"],
        cwd=cache, env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": "zig", "ZIG_LOCAL_CACHE_DIR": "zig"},
        stderr=subprocess.PIPE, text=True)
lines = [line.split()[1:] for line in asked.stderr.splitlines() if line.startswith("ld.lld ") and "/libc.a" in line]
if asked.returncode or len(lines) != 1:
    sys.exit("zig does not tell how it links:\n" + asked.stderr)
command = [zig, "ld.lld"]
for word in lines[0]:
    if word.endswith("/empty.o"):
        command += inputs
    else:
        command.append(output if word == here + "/empty" else word)

# The same code once; like beside like, so that it packs better.
command += ["--gc-sections", "--strip-all", "--icf=all", "--bp-compression-sort=both"]
# Without its tables, ring's C has these under the one name only, and its Rust calls both.
ring = [os.path.basename(word) for word in inputs if "libring-" in word]
with open("Cargo.lock") as file:
    lock = file.read().split("[[package]]\n")
version = [package.split('"')[3] for package in lock if package.startswith('name = "ring"\n')][0].replace(".", "_")
same = [("p256_point_mul_base_vartime", "p256_point_mul_base")]
if arch == "x86_64":
    same.append(("x25519_scalar_mult_adx", "x25519_scalar_mult_generic_masked"))
command += [f"--defsym=ring_core_{version}__{name}=ring_core_{version}__{other}" for name, other in same]
# The sorted index of the unwind tables is put behind all that the program needs, to be cut off.
with tempfile.NamedTemporaryFile("w", suffix=".ld") as last:
    last.write("SECTIONS { .eh_frame_hdr : { *(.eh_frame_hdr) } } INSERT AFTER .bss;")
    last.flush()
    linked = subprocess.run([*command, "-T", last.name], cwd=cache)
if linked.returncode:
    sys.exit(linked.returncode)

# All that stays of it is a head that says "none" and where the tables are; a panic searches the tables themselves, a
# matter of milliseconds. It takes 34 kB of the binary, and 20 kB of the zip.
with open(output, "r+b") as file:
    data = bytearray(file.read())

    def word(at):
        return struct.unpack_from("<Q", data, at)[0]

    segments = range(word(32), word(32) + 56 * data[56], 56)
    sections = range(word(40), word(40) + 64 * data[60], 64)
    index = next(at for at in segments if data[at:at + 4] == b"\x50\xe5\x74\x64")
    begin, address, size = word(index + 8), word(index + 16), word(index + 32)
    end = max(word(at + 8) + word(at + 32) for at in segments if word(at + 8) < begin)
    # Its segment's row goes unused, and so the head can be there: that is in memory anyway.
    row = next(at for at in segments if word(at + 8) == begin)
    there = word(segments[0] + 16) - word(segments[0] + 8) + row + 8
    tables = struct.unpack_from("<l", data, begin + 4)[0] + address - there
    struct.pack_into("<8x4Bl40x", data, row, 1, data[begin + 1], 0xFF, 0xFF, tables)
    struct.pack_into("<5Q", data, index + 8, row + 8, there, there, 8, 8)
    cut = (begin + size - end) // 8 * 8
    for at in sections:
        if word(at + 24) == begin:
            struct.pack_into("<3Q", data, at + 16, there, row + 8, 8)
        elif word(at + 24) > begin:
            struct.pack_into("<Q", data, at + 24, word(at + 24) - cut)
    struct.pack_into("<Q", data, 40, word(40) - cut)
    del data[end:end + cut]
    file.seek(0)
    file.write(data)
    file.truncate()
END
}

# One architecture: the binary and its layer.
build() {
  local arch=$1 target flags=() options=() binary linker name=brooklet
  case $arch in
    x86_64) target=x86_64-unknown-linux-musl ;;
    arm64) target=aarch64-unknown-linux-musl ;;
  esac
  choose_std "$target"
  say "building $arch with $("$sysroot/bin/rustc" --version | cut -d' ' -f1-2), standard library: $origin"

  # No path of this machine may get into the binary. Of two that match, rustc takes the last one.
  flags=(
    "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"
    "--remap-path-prefix=$cargo_home=/cargo"
    "--remap-path-prefix=$repo=/brooklet"
    "--remap-path-prefix=$target_dir=/target"
    # zig brings the start files and musl.
    -Clink-self-contained=no
  )
  # zig links no position-independent program here, so the code need not be such: 8 kB less of zip on x86_64.
  # On arm64 it is 1.5 kB more.
  [ "$arch" != x86_64 ] || flags+=(-Crelocation-model=static)
  if [ "$std" = source ]; then
    # By its sum, as cargo does not see that a linker changed.
    linker=$target_dir/$std/link-$(linker | cksum | cut -d' ' -f1)
    flags+=(
      # A panic's line names file and line, no more; derived Debug names the variant and leaves out what is in it.
      -Zlocation-detail=file,line -Zfmt-debug=shallow
      # What every record goes through is built for speed, where `optimize(speed)` says so, which stable Rust has not.
      --cfg=brooklet_hot
      "-Clinker=$linker"
    )
    # What cannot panic needs no unwind table, and has one because the target says so.
    flags+=(-Cllvm-args=-force-remove-attribute=uwtable)
    # Each push that moves the stack pointer costs a line in the unwind tables where nothing else points to the frame,
    # and where arguments are pushed each call that may panic costs one. On arm64 the first would be 2 kB more.
    [ "$arch" != x86_64 ] || flags+=(-Cforce-frame-pointers=yes -Cllvm-args=-no-x86-call-frame-opt)
    options=(-Zbuild-std=std,panic_unwind -Zbuild-std-features=optimize_for_size,panic-unwind)
  fi
  if [ -n "$feature" ]; then
    name=brooklet-$feature
    options+=(--features "$feature")
  fi
  (
    # Flags of the user's own would change the bytes.
    unset RUSTFLAGS CARGO_BUILD_RUSTFLAGS CFLAGS CPPFLAGS CXXFLAGS LDFLAGS
    [ "$std" = prebuilt ] || export RUSTC_BOOTSTRAP=1
    export CARGO=$sysroot/bin/cargo RUSTC=$sysroot/bin/rustc
    # A directory for each way: cargo remembers there what rustc said of a target, and rustc says more of it under
    # RUSTC_BOOTSTRAP. In a shared one the bytes would depend on who asked first.
    export CARGO_TARGET_DIR=$target_dir/$std
    if [ "$std" = source ]; then
      # ring without its tables of precomputed points, 178 kB that no compressor makes smaller: the way it is built for
      # every other processor. A handshake takes 0.2 ms longer. The other half of this is in the linker.
      export CFLAGS=-DOPENSSL_SMALL
      mkdir -p "$CARGO_TARGET_DIR"
      linker >"$linker.$$"
      chmod 755 "$linker.$$"
      mv -f "$linker.$$" "$linker"
    fi
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf '%s' "${flags[*]}")
    export CARGO_ENCODED_RUSTFLAGS
    "$tools/bin/cargo-zigbuild" zigbuild --release --locked --bin brooklet --target "$target" ${options[@]+"${options[@]}"}
  ) || die "the build for $arch failed: see above"

  binary=$target_dir/$std/$target/release/brooklet
  # Not written in place: a running copy would keep that from working.
  mkdir -p "dist/$arch"
  cp "$binary" "dist/$arch/.$name"
  chmod 755 "dist/$arch/.$name"
  mv -f "dist/$arch/.$name" "dist/$arch/$name"
  [ -n "$feature" ] || pack "$arch"
}

# The layer and the closing lines. Order, times, modes and level are fixed, so that the bytes are.
pack() {
  python3 - "$1" "$origin" "$tools" ${direct:+direct} <<'END'
import hashlib, os, shutil, struct, sys, zlib

arch, origin, direct = sys.argv[1], sys.argv[2], len(sys.argv) > 4
sys.path.append(sys.argv[3])
try:
    from zopfli.zlib import compress
except ImportError:
    compress = lambda data: zlib.compress(data, 9)
binary, layer = f"dist/{arch}/brooklet", f"dist/brooklet-{arch}.zip"


def content(path):
    with open(path, "rb") as file:
        return file.read()


program, wrapper = content(binary), content("extensions/wrapper")
if direct:
    beside, there = b"binary=${0%/*}/brooklet\n", b"binary=${0%/*}/../extensions/brooklet\n"
    assert wrapper.count(beside) == 1, "extensions/wrapper names the binary in another way than build.sh thinks"
    members = {"brooklet/wrapper": wrapper.replace(beside, there), "extensions/brooklet": program}
else:
    launcher = content("extensions/brooklet")
    members = {"brooklet/brooklet": program, "brooklet/wrapper": wrapper, "extensions/brooklet": launcher}
# Python's own zipfile takes no compressor but its own.
files = index = b""
for name, data in members.items():
    # Without zlib's frame of 2 and 4 bytes it is bare deflate.
    packed = compress(data)[2:-4]
    # Version 2.0, no flags, deflate, 1980-01-01 00:00.
    common = struct.pack("<5H3L2H", 20, 0, 8, 0, 0x21, zlib.crc32(data), len(packed), len(data), len(name), 0)
    # Made on Unix, which gives the mode its meaning.
    index += b"PK\1\2" + bytes([20, 3]) + common + struct.pack("<3H2L", 0, 0, 0, 0o100755 << 16, len(files)) + name.encode()
    files += b"PK\3\4" + common + name.encode() + packed
end = struct.pack("<4H2LH", 0, 0, len(members), len(members), len(index), len(files), 0)
with open(layer + ".new", "wb") as file:
    file.write(files + index + b"PK\5\6" + end)
os.replace(layer + ".new", layer)

# The same tree unzipped, for container images.
tree = f"dist/{arch}/layer"
shutil.rmtree(tree, ignore_errors=True)
for name, data in members.items():
    path = os.path.join(tree, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o755)

print(f"{arch}: standard library {origin}" + (", direct layer" if direct else ""))
for path in binary, layer:
    data = content(path)
    print(f"  {path:<26} {len(data):>9,} bytes  sha256 {hashlib.sha256(data).hexdigest()}")
END
}

if [ -z "$demo" ]; then
  case $arch in all) archs='x86_64 arm64' ;; *) archs=$arch ;; esac
  for each in $archs; do build "$each"; done
  exit
fi

build "$host"
layer=$(mktemp -d)
trap 'rm -rf "$layer"' EXIT
python3 - "dist/brooklet-$host.zip" "$layer" <<'END'
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        os.chmod(archive.extract(entry, sys.argv[2]), entry.external_attr >> 16)
END
[ -n "$own" ] || own=$sysroot
say "building the local Lambda"
CARGO_TARGET_DIR=$target_dir RUSTC=$own/bin/rustc "$own/bin/cargo" run --quiet --locked --example local -- --opt "$layer"
