"""The private machine that a run happens in: own mounts, own network with only loopback, own process ids.

It makes /opt and /var ours alone, as the emulator's paths are fixed, and knows nothing of Lambda.
Nothing in it may act on the machine outside: `enter` refuses to run anywhere else than in a fresh process namespace.
"""

import errno
import fcntl
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys

# The emulator starts functions and extensions of Managed Instances as this user and group.
UID, GID = 993, 990
# These two are hidden by ours, so that nothing we need later may live below them.
HIDDEN = ("/opt", "/var")


class Unavailable(Exception):
    """There can be no such machine here; the text says what is missing."""


def command():
    """The words that run python inside a new namespace; a script and its arguments are to follow."""
    if shutil.which("unshare") is None:
        raise Unavailable("the program unshare is missing (on Debian: apt-get install util-linux)")
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        # A plain --map-root-user knows one user only, and the emulator must become another one.
        words[1:1] = ["--map-root-user", "--map-auto"]
    trial = subprocess.run(
        words + ["true"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if trial.returncode != 0:
        text = trial.stdout.decode(errors="replace").strip()
        if os.geteuid() != 0:
            raise Unavailable(
                "cannot make a private namespace as an ordinary user (%s): run this as root, or install newuidmap (on"
                " Debian: apt-get install uidmap), give the user a range of at least 1000 in /etc/subuid and"
                " /etc/subgid, and allow unprivileged user namespaces" % text
            )
        raise Unavailable(
            "cannot make a private namespace as root (%s): this machine lacks CAP_SYS_ADMIN; in a container, start"
            " it with --privileged" % text
        )
    return words + [python(), "-B"]


def python():
    """A python that every user may run and that is still there when /opt and /var are ours."""
    refused = []
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3"):
        if not path or not os.access(path, os.X_OK):
            continue
        answer = subprocess.run(
            [path, "-c", "import os, sys\nfor file in sys.executable, os.__file__: print(os.path.realpath(file))"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
        ).stdout.decode().split("\n")
        if len(answer) >= 2 and all(open_to_all(file) for file in answer[:2]):
            return path
        refused.append(path)
    raise Unavailable(
        "the test function runs as user %d and needs a python3 that everybody may read and that is not below %s;"
        " found only %s (on Debian: apt-get install python3)" % (UID, " or ".join(HIDDEN), ", ".join(refused) or "none")
    )


def open_to_all(path):
    """Whether any user may read the file and it does not lie below what we hide."""
    if any(path.startswith(folder + "/") for folder in HIDDEN):
        return False
    if not os.path.isfile(path) or not os.stat(path).st_mode & stat.S_IROTH:
        return False
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
    return True


def enter():
    """Makes the new namespace usable: loopback up, an empty /opt, an empty /var with the function's folder."""
    if os.getpid() != 1:
        raise SystemExit("rie: --inside is for the script itself: it hides /opt and ends every process around it")
    loopback_up()
    for folder in HIDDEN:
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,exec", "brooklet-test", folder], check=True)
    os.makedirs("/var/task")


def loopback_up():
    """Does what `ip link set lo up` does, for machines without that program."""
    get, put, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, get, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack("16sh22x", answer)[1]
        fcntl.ioctl(any_socket, put, struct.pack("16sh22x", b"lo", flags | up))


def empty(folder):
    """Removes what is in one of the folders that `enter` made."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def end_all():
    """Ends every process of the namespace but this one, and collects them, so that no case meets the one before."""
    if os.getpid() != 1:
        raise SystemExit("rie: refusing to end processes outside of the private namespace")
    try:
        os.kill(-1, signal.SIGKILL)
    except OSError as problem:
        if problem.errno != errno.ESRCH:
            raise
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def resident_peak(name):
    """The highest resident memory, in kB, of the running processes of that name; None if there is none."""
    peaks = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/status" % pid) as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        except OSError:
            continue
        if status.get("Name") == name and "VmHWM" in status:
            peaks.append(int(status["VmHWM"].split()[0]))
    return max(peaks) if peaks else None
