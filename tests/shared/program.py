"""What each of the Python test programs does alike: it finds what is under test, picks cases, and tells what became of each.

It must not know what a case checks.
"""

import os
import platform
import sys
import time
import traceback

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
DIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "dist")


def helps(words, text):
    """The exit code where the words ask for help or are not understood, and the help is shown; otherwise None."""
    if not any(word.startswith("-") for word in words):
        return None
    print(text)
    return 0 if words[0] in ("-h", "--help") else 2


def under_test(program, variable, what, name):
    """The path of what is under test, or a message that says how to get one; `%s` in its name below dist is the machine's."""
    arch = ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    path = os.environ.get(variable) or os.path.join(DIST, name % arch)
    if not os.path.isfile(path):
        sys.exit("%s: no %s at %s: build one with ./build.sh %s, or name one in %s" % (program, what, path, arch, variable))
    return os.path.abspath(path)


def binary(program):
    """The path of the binary under test."""
    return under_test(program, "BROOKLET_BINARY", "binary", os.path.join("%s", "brooklet"))


def layer(program):
    """The path of the layer under test."""
    return under_test(program, "BROOKLET_LAYER", "layer", "brooklet-%s.zip")


def picked(program, cases, words):
    """The cases whose name holds one of the words; all of them without words."""
    found = [case for case in cases if not words or any(word in case.__name__ for word in words)]
    if not found:
        sys.exit("%s: no case is named like %s" % (program, " or ".join(words)))
    return found


def problem_of(run, passed_on=()):
    """Does a case's work; None, or the text of the failure, but for those exceptions that are passed on."""
    try:
        run()
    except passed_on:
        raise
    except AssertionError as failure:
        return str(failure)[:8000]
    except Exception:
        return traceback.format_exc()
    return None


def tell(case, started, problem):
    """Tells what became of a case that started then; 1 if it failed."""
    print("  %s %s (%.1f s)" % ("FAILED" if problem is not None else "ok    ", case.__name__, time.monotonic() - started))
    if problem:
        print("\n".join("         " + line for line in problem.splitlines()))
    sys.stdout.flush()
    return int(problem is not None)
