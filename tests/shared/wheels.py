"""Brings packages of Python into a cache that every clone shares.

It must not install anything for the user's python.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile

# A package index that does not answer must not hold the tests for ever.
PIP_SECONDS = 300


class Unavailable(Exception):
    """They cannot be had; the text says what to do about it."""


def bring(program, name, packages, megabytes, options=()):
    """The folder with the packages, fetched if the cache does not hold it yet; they become importable."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    tag = "cp%d%d-%s" % (sys.version_info[0], sys.version_info[1], platform.machine())
    folder = os.path.join(cache, "brooklet", "%s-%s" % (name, tag))
    if not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        # Beside the final place, so that the last step is a rename: another clone may be doing the same now.
        work = tempfile.mkdtemp(prefix=program + "-", dir=os.path.dirname(folder))
        try:
            print("%s: fetching %s (once, %d MB)" % (program, ", ".join(packages), megabytes), flush=True)
            install(work, packages, options)
            os.chmod(work, 0o755)
            try:
                os.rename(work, folder)
            except OSError:
                if not os.path.isdir(folder):
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    sys.path.insert(0, folder)
    return folder


def install(folder, packages, options):
    """Installs the packages with this python's pip."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
    command += [*options, "--only-binary=:all:", "--target", folder, *packages]
    own = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    try:
        done = subprocess.run(
            command, timeout=PIP_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **own}
        )
        problem = done.stdout.decode(errors="replace").strip()[-400:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = "no answer within %d s" % PIP_SECONDS
    if problem:
        raise Unavailable(
            "cannot fetch %s for python %s: it takes pip (on Debian: apt-get install python3-pip) and a reachable package"
            " index\n%s" % (", ".join(packages), platform.python_version(), problem)
        )
