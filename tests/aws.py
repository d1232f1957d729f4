#!/usr/bin/env python3
"""Ships to services of AWS as moto imitates them, with every signature recomputed, and reads everything back with AWS's own SDK.

It fetches moto and the SDK once, and needs no other network. It must not know what a case checks.

    tests/aws.py           every case
    tests/aws.py WORD ...  the cases whose name holds one of the words

The binary is $BROOKLET_BINARY; without it, dist/<this machine>/brooklet.
Each module of tests/aws/ that has a list CASES adds its cases; each is called with a Bench.
"""

import importlib
import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, name) for name in ("aws", "otlp", "rie", "shared")]

import environment  # noqa: E402
import fetch  # noqa: E402
import program  # noqa: E402
import server  # noqa: E402
import wheels  # noqa: E402

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
    shown = program.helps(words, __doc__)
    if shown is not None:
        return shown
    binary = program.binary("aws")
    try:
        folder = fetch.packages()
    except wheels.Unavailable as problem:
        sys.exit("aws: %s" % problem)
    cases = [case for name in MODULES for case in importlib.import_module(name).CASES]
    picked = program.picked("aws", cases, words)
    failed = 0
    with tempfile.TemporaryFile() as log, server.Server(folder, log) as services:
        bench = Bench(binary, services)
        for case in picked:
            started = time.monotonic()
            problem = program.problem_of(lambda: case(bench))
            if problem is not None:
                log.seek(max(0, log.tell() - 1000))
                problem += "\nmoto said: " + log.read().decode(errors="replace")
            failed += program.tell(case, started, problem)
    print("aws: %d passed, %d failed" % (len(picked) - failed, failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
