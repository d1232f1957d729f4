#!/usr/bin/env python3
"""Runs the layer against AWS's own Lambda emulator: real Telemetry API batches, no docker, no network.

It finds the layer, fetches the emulator once, enters a private namespace and runs the cases of rie/cases.py.
It must not know what a case checks, and must leave nothing behind but the emulator in the cache.

    tests/rie.py            every case
    tests/rie.py WORD ...   the cases whose name holds one of the words
    tests/rie.py --list     their names

The layer is $BROOKLET_LAYER, a zip as build.sh makes it; without it, dist/brooklet-<this machine>.zip.
"""

import os
import platform
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, name) for name in ("rie", "shared")]

import cases  # noqa: E402
import emulator  # noqa: E402
import fetch  # noqa: E402
import layer  # noqa: E402
import program as tests  # noqa: E402
import sandbox  # noqa: E402

# The emulator stops for good when a batch is due while the one before is still being answered. A busy machine can
# cause that as well as a slow listener, so a case gets this many tries, and every lost one is shown.
TRIES = 5


def chosen(words):
    """The cases whose name holds one of the words; all of them without words."""
    return [case for case in cases.CASES if not words or any(word in case.__name__ for word in words)]


def outside(words):
    """Prepares all that needs the machine as it is, then runs this script again inside the namespace."""
    machine = platform.machine().lower()
    arch = tests.ARCHITECTURES.get(machine)
    if sys.platform != "linux" or arch is None:
        sys.exit("rie: the emulator runs on Linux on x86_64 and arm64, not on %s %s" % (sys.platform, machine))
    if not chosen(words):
        sys.exit("rie: no case is named like %s; --list shows the names" % " or ".join(words))
    path = tests.layer("rie")
    try:
        inner = sandbox.command()
        program = fetch.emulator(arch)
    except (fetch.Unavailable, sandbox.Unavailable) as problem:
        sys.exit("rie: %s" % problem)
    print("rie: layer %s, emulator of aws-sam-cli %s" % (os.path.relpath(path), fetch.VERSION), flush=True)
    os.execvp(inner[0], inner + [os.path.abspath(__file__), "--inside", path, program] + words)


def attempt(case, parts, program):
    """Runs one case until the emulator does not give up; returns None or the text of the failure."""
    for left in reversed(range(TRIES)):
        try:
            return tests.problem_of(lambda: case(parts, program), emulator.GaveUp)
        except emulator.GaveUp as problem:
            if left == 0:
                return "%s, in each of %d tries" % (problem, TRIES)
            print("  again  %s: %s" % (case.__name__, problem), flush=True)
        finally:
            sandbox.end_all()
    return None


def inside(path, program, words):
    """Runs the cases; the exit code says whether all passed."""
    parts = layer.read(path)
    with open(program, "rb") as file:
        program = file.read()
    sandbox.enter()
    failed = 0
    picked = chosen(words)
    for case in picked:
        started = time.monotonic()
        failed += tests.tell(case, started, attempt(case, parts, program))
    print("rie: %d passed, %d failed" % (len(picked) - failed, failed), flush=True)
    return 1 if failed else 0


def main(words):
    """Chooses between the two halves of the run."""
    if words[:1] == ["--inside"]:
        return inside(words[1], words[2], words[3:])
    if words[:1] == ["--list"]:
        for case in cases.CASES:
            print("%-45s %s" % (case.__name__, (case.__doc__ or "").split("\n")[0]))
        return 0
    shown = tests.helps(words, __doc__)
    return outside(words) if shown is None else shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
