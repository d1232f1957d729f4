"""Brings moto, which answers as services of AWS do, and AWS's own SDK, into a cache that every clone shares.

It must not install anything for the user's python.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ["moto[s3,ssm]==5.2.5", "boto3==1.44.5", "flask==3.1.3", "flask-cors==6.0.5"]
# They have 20 MB; a package index that does not answer must not hold the tests for ever.
PIP_SECONDS = 300


class Unavailable(Exception):
    """They cannot be had; the text says what to do about it."""


def packages():
    """The folder with the packages, fetched if the cache does not hold it yet; they become importable."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    tag = "cp%d%d-%s" % (sys.version_info[0], sys.version_info[1], platform.machine())
    folder = os.path.join(cache, "brooklet", "moto-5.2.5-boto3-1.44.5-%s" % tag)
    if not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        # Beside the final place, so that the last step is a rename: another clone may be doing the same now.
        work = tempfile.mkdtemp(prefix="aws-", dir=os.path.dirname(folder))
        try:
            print("aws: fetching %s (once, 20 MB)" % ", ".join(PACKAGES), flush=True)
            install(work)
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


def install(folder):
    """Installs the packages and what they depend on with this python's pip."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
    command += ["--only-binary=:all:", "--target", folder] + PACKAGES
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
            " index\n%s" % (", ".join(PACKAGES), platform.python_version(), problem)
        )
