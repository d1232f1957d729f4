#!/usr/bin/env python3
"""Ships to services of AWS as moto imitates them, with every signature recomputed, and reads everything back with AWS's own SDK.

It fetches moto and the SDK once, and needs no other network.

    tests/aws.py           every case
    tests/aws.py WORD ...  the cases whose name holds one of the words

The binary is $BROOKLET_BINARY; without it, dist/<this machine>/brooklet.
Each module of tests/aws/ that has a list CASES adds its cases; each is called with a Bench.
"""

import importlib
import os
import platform
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, name) for name in ("aws", "otlp", "rie")]

import environment  # noqa: E402
import fetch  # noqa: E402
import server  # noqa: E402

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
# In the order in which they are passed.
MODULES = ["destinations", "signed", "references"]


class Bench:
    """What every case needs: the binary, and the services."""

    def __init__(self, binary, services):
        self.binary, self.services = binary, services

    def run(self, events, **variables):
        """Runs the binary for one batch of events in a function with the right key; returns what it wrote to stderr."""
        return environment.run(self.binary, events, self.services.function(**variables))


def main(words):
    """Runs the cases; the exit code says whether all passed."""
    if any(word.startswith("-") for word in words):
        print(__doc__)
        return 0 if words[0] in ("-h", "--help") else 2
    arch = ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    binary = os.environ.get("BROOKLET_BINARY") or os.path.join(HERE, "..", "dist", arch, "brooklet")
    if not os.path.isfile(binary):
        sys.exit("aws: no binary at %s: build one with ./build.sh %s, or name one in BROOKLET_BINARY" % (binary, arch))
    try:
        folder = fetch.packages()
    except fetch.Unavailable as problem:
        sys.exit("aws: %s" % problem)
    cases = [case for name in MODULES for case in importlib.import_module(name).CASES]
    picked = [case for case in cases if not words or any(word in case.__name__ for word in words)]
    if not picked:
        sys.exit("aws: no case is named like %s" % " or ".join(words))
    failed = 0
    with tempfile.TemporaryFile() as log, server.Server(folder, log) as services:
        bench = Bench(os.path.abspath(binary), services)
        for case in picked:
            started, problem = time.monotonic(), None
            try:
                case(bench)
            except AssertionError as failure:
                problem = str(failure)[:8000]
            except Exception:
                problem = traceback.format_exc()
            failed += problem is not None
            print("  %s %s (%.1f s)" % ("FAILED" if problem else "ok    ", case.__name__, time.monotonic() - started))
            if problem:
                log.seek(max(0, log.tell() - 1000))
                problem += "\nmoto said: " + log.read().decode(errors="replace")
                print("\n".join("         " + line for line in problem.splitlines()))
            sys.stdout.flush()
    print("aws: %d passed, %d failed" % (len(picked) - failed, failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
