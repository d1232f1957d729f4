"""Reads the layer as Lambda unpacks it, and puts it into /opt as a case wants it.

It must not build or repair anything: what is wrong with a layer is the finding.
"""

import os
import stat
import zipfile

LAUNCHER = "extensions/brooklet"
BINARY = "brooklet/brooklet"
WRAPPER = "brooklet/wrapper"
ELF = b"\x7fELF"

# Stands in the launcher's place where the emulator does not say how the extension ended.
RECORDER = b"""#!/bin/sh
/opt/brooklet/brooklet --name "${0##*/}"
code=$?
echo $code >>/var/exits
exit $code
"""


def read(path):
    """The layer's files: name to mode and bytes. Modes other than 755 and strangers in extensions/ end the run."""
    parts = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                parts[info.filename] = (info.external_attr >> 16 & 0o7777, archive.read(info))
    if parts.get(LAUNCHER, (0, b""))[1].startswith(ELF):
        # Built with --direct: the binary is the extension. The cases want it by its other name as well.
        parts.setdefault(BINARY, parts[LAUNCHER])
    for name in (LAUNCHER, BINARY, WRAPPER):
        if name not in parts:
            raise SystemExit("rie: the layer %s has no %s; it holds %s" % (path, name, ", ".join(sorted(parts))))
        if parts[name][0] != 0o755:
            raise SystemExit("rie: the layer's %s has mode %o, not 755" % (name, parts[name][0]))
    strangers = [name for name in parts if name.startswith("extensions/") and name != LAUNCHER]
    if strangers:
        raise SystemExit("rie: Lambda would start these files of the layer as extensions: %s" % ", ".join(strangers))
    return parts


def install(parts, start, name):
    """Unpacks the layer into /opt. `start` is how: "launcher" as the layer says, "direct" or "recorder"."""
    for part, (mode, content) in parts.items():
        if part == LAUNCHER:
            part = "extensions/" + name
            content = {"launcher": content, "direct": parts[BINARY][1], "recorder": RECORDER}[start]
        write(os.path.join("/opt", part), mode, content)


def write(path, mode, content):
    """Writes one file with a mode that no umask changes, and the folders above it."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    # A folder made under a strict umask would hide the layer from the emulator's user.
    folder = os.path.dirname(path)
    while folder not in ("/opt", "/var", "/"):
        os.chmod(folder, stat.S_IMODE(os.stat(folder).st_mode) | 0o755)
        folder = os.path.dirname(folder)
