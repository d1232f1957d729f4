#!/usr/bin/env python3
"""Starts real runtimes through the wrapper of the layer, with command lines as Lambda's managed runtimes have them.

It must not know what a runtime is besides: a program that gets its arguments, its environment and its signals.

    tests/wrapper.py            every case
    tests/wrapper.py WORD ...   the cases whose name holds one of the words

The layer is $BROOKLET_LAYER, a zip as build.sh makes it; without it, dist/brooklet-<this machine>.zip.
A runtime that this machine does not have is named at the end, and fails the run where $BROOKLET_RUNTIMES is "all".
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, name) for name in ("rie", "shared")]

import layer  # noqa: E402
import program as tests  # noqa: E402
from parameters import Parameters  # noqa: E402

SECONDS = 60
SECRET = "of gold, \"quoted\", ä\n"

# Each program tells what it was started with as one line of JSON, says when it gets SIGTERM, and ends with 7.
# The signal may come as soon as the line can be read: in the middle of print, which python does not let a handler call
# again, or just before a signal would be waited for; so the handler writes for itself, and the signal is also a byte.
PYTHON = """
import json, os, signal, sys
def end(*_):
    os.write(1, b"terminated\\n")
    os._exit(7)
came, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGTERM, end)
told = {"arguments": sys.argv[1:], "hooked": getattr(sys, "hooked", None), "pid": os.getpid()}
names = ("KEY", "PLAIN", "ADDED", "BAD", "PYTHONPATH")
print(json.dumps({**told, **{name: os.environ.get(name) for name in names}}), flush=True)
while True:
    os.read(came, 1)
"""
NODE = """
process.on('SIGTERM', () => { console.log('terminated'); process.exit(7); });
const told = {arguments: process.argv.slice(2), hooked: globalThis.hooked ?? null, pid: process.pid};
for (const name of ['KEY', 'PLAIN', 'ADDED', 'BAD', 'NODE_OPTIONS']) told[name] = process.env[name] ?? null;
console.log(JSON.stringify(told));
setInterval(() => {}, 1000);
"""
JAVA = """
import sun.misc.Signal;
public class Main {
    static String quoted(String text) {
        if (text == null) return "null";
        StringBuilder out = new StringBuilder("\\"");
        for (char c : text.toCharArray()) out.append(String.format("\\\\u%04x", (int) c));
        return out.append('"').toString();
    }
    public static void main(String[] arguments) throws Exception {
        Signal.handle(new Signal("TERM"), s -> { System.out.println("terminated"); System.exit(7); });
        StringBuilder out = new StringBuilder("{\\"arguments\\":[");
        for (int at = 0; at < arguments.length; at++) out.append(at > 0 ? "," : "").append(quoted(arguments[at]));
        out.append("],\\"hooked\\":").append(quoted(System.getProperty("hooked")));
        out.append(",\\"pid\\":").append(ProcessHandle.current().pid());
        for (String name : new String[] {"KEY", "PLAIN", "ADDED", "BAD", "JAVA_TOOL_OPTIONS"})
            out.append(",\\"").append(name).append("\\":").append(quoted(System.getenv(name)));
        System.out.println(out.append("}"));
        Thread.sleep(3600000);
    }
}
"""


class Missing(Exception):
    """This machine lacks what a case needs; the text says what."""


class Bench:
    """The layer, unpacked, and a folder of its own for a case."""

    def __init__(self, opt):
        self.wrapper = os.path.join(opt, "brooklet", "wrapper")

    def start(self, command, variables):
        """Starts a runtime's command line the way Lambda does where AWS_LAMBDA_EXEC_WRAPPER is set."""
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "AWS_LAMBDA_EXEC_WRAPPER": self.wrapper}
        return subprocess.Popen(
            [self.wrapper] + command, env={**base, **variables}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def program(name):
    """The path of a program of this machine."""
    if name == "python3":
        return sys.executable
    path = shutil.which(name)
    if path is None:
        raise Missing("no %s on this machine (on Debian: nodejs, default-jdk-headless)" % name)
    return os.path.realpath(path)


def whole_life(bench, command, hook):
    """A runtime starts with its secrets and its hook, keeps its arguments and its process, gets its signal, ends as it ends."""
    name, before, added, hooked = hook
    arguments = ["handler.main", "two words", "", "ä"]
    with Parameters(key=SECRET) as service:
        variables = service.function(
            KEY="secret:ssm:/key", BAD="secret:ssm:/nobody", PLAIN="as it was", BROOKLET_RUNTIME_ENV_ADDED="for it alone",
            **{"BROOKLET_RUNTIME_ENV_" + name: added}, **({name: before} if before else {}),
        )
        process = bench.start(command + arguments, variables)
        try:
            line = process.stdout.readline().decode()
            assert line, process.communicate(timeout=SECONDS)[1].decode()
            told = json.loads(line)
            process.send_signal(signal.SIGTERM)
            rest, said = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            process.wait()
        assert len(service.calls) == 1, service.calls
    expected = {
        "arguments": arguments, "hooked": "yes", "pid": process.pid, "KEY": SECRET, "PLAIN": "as it was",
        "ADDED": "for it alone", "BAD": "secret:ssm:/nobody", name: hooked,
    }
    assert told == expected, "%s\nis not\n%s" % (told, expected)
    assert rest == b"terminated\n" and process.returncode == 7, "%r %r %s" % (rest, process.returncode, said.decode())
    lines = [line for line in said.decode().splitlines() if not line.startswith("Picked up JAVA_TOOL_OPTIONS")]
    assert lines == ["brooklet: error: BAD: ssm:/nobody: there is no such parameter"], said.decode()
    assert "gold" not in said.decode(), "a secret was printed"


def written(folder, name, text):
    """A file with this text; its path."""
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def python(bench, folder):
    """python3, as /var/lang/bin/python3.12 /var/runtime/bootstrap.py; a module is attached by PYTHONPATH."""
    os.mkdir(os.path.join(folder, "hook"))
    written(folder, "hook/sitecustomize.py", "import sys\nsys.hooked = 'yes'\n")
    hook = os.path.join(folder, "hook")
    command = [program("python3"), written(folder, "bootstrap.py", PYTHON)]
    whole_life(bench, command, ("PYTHONPATH", "/var/runtime", hook, "/var/runtime:" + hook))


def node(bench, folder):
    """node with the options of Lambda's bootstrap; a module is attached by NODE_OPTIONS."""
    hook = "--require " + written(folder, "hook.js", "globalThis.hooked = 'yes';\n")
    command = [program("node"), "--expose-gc", "--max-semi-space-size=6", "--max-old-space-size=112"]
    command.append(written(folder, "index.mjs", NODE))
    whole_life(bench, command, ("NODE_OPTIONS", "--no-warnings", hook, "--no-warnings " + hook))


def java(bench, folder):
    """java with the options of Lambda's bootstrap; a property stands for an agent in JAVA_TOOL_OPTIONS."""
    command = [program("java"), "-XX:MaxHeapSize=112m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    if b"jdk.compiler" not in subprocess.run([command[0], "--list-modules"], stdout=subprocess.PIPE).stdout:
        raise Missing("this machine's java cannot run a source file (on Debian: default-jdk-headless)")
    # Without this a Java of before 18 takes arguments as the system's language says.
    command += ["-Dfile.encoding=UTF-8", written(folder, "Main.java", JAVA)]
    whole_life(bench, command, ("JAVA_TOOL_OPTIONS", "-Done=1", "-Dhooked=yes", "-Done=1 -Dhooked=yes"))


def strict(bench, folder):
    """A runtime that must not start without its secret does not, and says so; with it, it does."""
    command = [program("python3"), "-c", "print('started')"]
    with Parameters(key=SECRET) as service:
        for name, starts in (("key", True), ("nobody", False)):
            variables = service.function(KEY="secret:ssm:/" + name, BROOKLET_WRAPPER_STRICT="true")
            process = bench.start(command, variables)
            out, said = process.communicate(timeout=SECONDS)
            assert (out == b"started\n") == starts and (process.returncode == 0) == starts, (out, said)
            assert (b"BROOKLET_WRAPPER_STRICT" in said) != starts, said


def chained(bench, folder):
    """Another layer's wrapper, a script of python, gets the same arguments and a prepared environment."""
    other = written(folder, "other", "#!%s\nimport os, sys\nos.environ['OTHER'] = 'was here'\nos.execv(sys.argv[1], sys.argv[1:])\n" % program("python3"))
    os.chmod(other, 0o755)
    code = "import os, sys; print(os.environ['KEY'], os.environ['OTHER'], sys.argv[1:]); sys.exit(3)"
    with Parameters(key="plain") as service:
        variables = service.function(KEY="secret:ssm:/key", BROOKLET_WRAPPER_NEXT=other)
        process = bench.start([program("python3"), "-c", code, "a b", ""], variables)
        out, said = process.communicate(timeout=SECONDS)
    assert (out, said, process.returncode) == (b"plain was here ['a b', '']\n", b"", 3), (out, said)


CASES = [python, node, java, strict, chained]


def main(words):
    """Runs the cases; the exit code says whether all passed."""
    shown = tests.helps(words, __doc__)
    if shown is not None:
        return shown
    path = tests.layer("wrapper")
    picked = tests.picked("wrapper", CASES, words)
    failed, missing = 0, []
    with tempfile.TemporaryDirectory() as opt:
        for part, (mode, content) in layer.read(path).items():
            layer.write(os.path.join(opt, part), mode, content)
        for case in picked:
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                try:
                    problem = tests.problem_of(lambda: case(Bench(opt), folder), Missing)
                except Missing as lack:
                    missing.append("%s: %s" % (case.__name__, lack))
                    print("  SKIPPED %s" % missing[-1], flush=True)
                    continue
            failed += tests.tell(case, started, problem)
    print("wrapper: %d passed, %d failed, %d SKIPPED" % (len(picked) - failed - len(missing), failed, len(missing)))
    for lack in missing:
        print("wrapper: NOT TESTED: %s" % lack)
    return 1 if failed or (missing and os.environ.get("BROOKLET_RUNTIMES") == "all") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
