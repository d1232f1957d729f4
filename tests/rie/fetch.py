"""Brings AWS's Lambda emulator: one member of the aws-sam-cli wheel, kept in a cache that every clone shares.

It must not install anything for the user's python, and must not hand out a file whose digest is not the expected one.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

VERSION = "1.170.0"
SHA256 = {
    "x86_64": "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5",
    "arm64": "ec2e5d09633d853834c008b1ef264bf834b258a94d551d2b2074966494b39a21",
}
MEMBER = "samcli/local/rapid/aws-lambda-rie-%s"
# The wheel has 8 MB; a package index that does not answer must not hold the tests for ever.
PIP_SECONDS = 300


class Unavailable(Exception):
    """The emulator cannot be had; the text says what to do about it."""


def emulator(arch):
    """The path of the emulator's binary, fetched if the cache does not hold it yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(cache, "brooklet")
    path = os.path.join(folder, "aws-lambda-rie-%s-%s" % (VERSION, arch))
    if digest(path) == SHA256[arch]:
        return path
    os.makedirs(folder, exist_ok=True)
    # Beside the final place, so that the last step is a rename: another clone may be doing the same now.
    work = tempfile.mkdtemp(prefix="rie-", dir=folder)
    try:
        print("rie: fetching aws-sam-cli %s for its emulator (once, 8 MB)" % VERSION, flush=True)
        binary = os.path.join(work, "rie")
        with zipfile.ZipFile(wheel(work)) as archive, open(binary, "wb") as out:
            shutil.copyfileobj(archive.open(MEMBER % arch), out)
        if digest(binary) != SHA256[arch]:
            raise Unavailable("the emulator in aws-sam-cli %s has an unexpected sha256, %s" % (VERSION, digest(binary)))
        os.chmod(binary, 0o755)
        os.replace(binary, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return path


def wheel(folder):
    """Downloads the wheel, and nothing it depends on, with whichever pip there is."""
    tried = []
    for pip in ([sys.executable, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"], ["pip"]):
        command = pip + ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        command += ["--dest", folder, "aws-sam-cli==" + VERSION]
        try:
            subprocess.run(command, check=True, timeout=PIP_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except FileNotFoundError:
            continue
        except subprocess.TimeoutExpired:
            tried.append("%s: no answer within %d s" % (" ".join(pip), PIP_SECONDS))
        except subprocess.CalledProcessError as problem:
            tried.append("%s: %s" % (" ".join(pip), problem.output.decode(errors="replace").strip()[-400:]))
        found = [name for name in os.listdir(folder) if name.endswith(".whl")]
        if found:
            return os.path.join(folder, found[0])
    raise Unavailable(
        "cannot fetch aws-sam-cli %s for python %s: it takes pip (on Debian: apt-get install python3-pip) and a"
        " reachable package index\n%s" % (VERSION, platform.python_version(), "\n".join(tried))
    )


def digest(path):
    """The sha256 of a file; None if there is no such file."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
