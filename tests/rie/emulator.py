"""Starts and stops the emulator with the layer in it, invokes the function and reads what the emulator tells.

It must not judge: cases do. Its own limits are the emulator's: a line above 64 KiB kills the emulator's reader, a
burst above about 250 kB or a listener that takes more than its batch interval to answer makes it stop for good.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import layer
import sandbox

MANAGED, STANDARD = "managed", "standard"
PROGRAM = "/var/rie"
INVOKE = ("127.0.0.1", 8080)
RUNTIME_API = "127.0.0.1:9001"
# Seconds that anything of the emulator's may take on a busy machine; nothing waits that long when all is well.
PATIENCE = 20
GAVE_UP = b"previous batch hasn't processed yet"
# What the emulator says of every byte it moves; left out where its lines are shown.
CHATTER = (b"operation completed", b"processing event in", b"InvokeRouter:", b"Runtime response", b"DEBUG] (rapid) A",
           b"condition", b"invoke flow barriers", b"set renderer", b"Raptor current state")
# The managed mode answers so while the function's worker is on its way back from the last request.
BUSY = "Runtime.Unavailable"
# How the managed mode tells of an ended process.
ENDED = re.compile(
    rb"EvType:process_termination Name:(\S+) Cause:(\w+) Signo:(\S+) ExitStatus:(\S+)"
)


class GaveUp(Exception):
    """The emulator dropped a batch and stopped for good, as it does when one is due before the last was answered."""


def printable(line):
    """A line of anybody's bytes as text that no terminal acts on."""
    return "".join(sign if sign.isprintable() else "\\u%04x" % ord(sign) for sign in line.decode(errors="replace"))


class Emulator:
    """A running emulator; use it in a with statement."""

    def __init__(self, parts, program, mode, start="launcher", name="brooklet", **variables):
        self.mode = mode
        self.lines = []
        self.gave_up = False
        self.changed = threading.Condition()
        sandbox.empty("/opt")
        for leftover in ("/var/exits",):
            if os.path.exists(leftover):
                os.unlink(leftover)
        layer.install(parts, start, name)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "function.py"), "rb") as file:
            shebang = b"#!%s -IS\n" % sys.executable.encode()
            function = shebang + file.read()
        if "AWS_LAMBDA_EXEC_WRAPPER" in variables:
            # The emulator leaves the variable to the runtime, and runtimes have this in their bootstrap.
            layer.write("/opt/function", 0o755, function)
            function = b'#!/bin/sh\nexec "$AWS_LAMBDA_EXEC_WRAPPER" /opt/function "two words" ""\n'
        layer.write("/opt/bootstrap", 0o755, function)
        layer.write(PROGRAM, 0o755, program)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "AWS_LAMBDA_FUNCTION_NAME": "demo",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
            "AWS_REGION": "eu-central-1",
        }
        command = [PROGRAM, "--log-level", "debug", "--runtime-interface-emulator-address", "%s:%d" % INVOKE]
        command += ["--runtime-api-address", RUNTIME_API]
        if mode == MANAGED:
            environment["AWS_LAMBDA_MAX_CONCURRENCY"] = "2"
        else:
            command.append("/opt/bootstrap")
        environment.update(variables)
        self.process = subprocess.Popen(
            command, env=environment, cwd="/var/task", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.readers = [
            threading.Thread(target=self.read, args=(pipe,), daemon=True)
            for pipe in (self.process.stdout, self.process.stderr)
        ]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, _):
        sandbox.end_all()
        # The killed child is collected already; this only tells Popen so.
        self.process.poll()
        for reader in self.readers:
            reader.join(PATIENCE)
        if self.gave_up and kind is not None:
            raise GaveUp("the emulator dropped a batch because the one before was still being answered") from problem
        if kind is not None and issubclass(kind, AssertionError):
            told = [line[:200] for line in self.lines if not any(word in line for word in CHATTER)][-30:]
            tail = "\n".join(printable(line) for line in told)
            raise AssertionError("%s\n--- the emulator's last lines\n%s" % (problem, tail)) from problem

    def read(self, pipe):
        """The body of a reader thread."""
        for line in iter(pipe.readline, b""):
            with self.changed:
                self.lines.append(line.rstrip(b"\n"))
                self.gave_up = self.gave_up or GAVE_UP in line
                self.changed.notify_all()
        pipe.close()

    def wait(self, what, true, seconds=PATIENCE):
        """Waits until `true(lines)` holds, looking again with every line the emulator prints."""
        end = time.monotonic() + seconds
        with self.changed:
            while not true(self.lines):
                assert not self.gave_up, "the emulator gave up"
                left = end - time.monotonic()
                assert left > 0, "not seen within %d s: %s" % (seconds, what)
                self.changed.wait(left)

    def ready(self):
        """Waits until an invocation would be taken."""
        text = b"Received Init Success" if self.mode == MANAGED else b"Runtime API Server listening"
        self.wait("the emulator is ready", lambda lines: any(text in line for line in lines))
        end = time.monotonic() + PATIENCE
        while True:
            # The standard mode does not tell when its invoke port is open, so knock.
            try:
                socket.create_connection(INVOKE, timeout=1).close()
                return self
            except ConnectionRefusedError:
                assert time.monotonic() < end, "the emulator does not listen on %s:%d" % INVOKE
                time.sleep(0.01)

    def invoke(self, out=(), err=(), then="answer", tell=()):
        """Invokes the function; returns status, the answer's text and how long it took in seconds."""
        body = json.dumps({"out": list(out), "err": list(err), "then": then, "tell": list(tell)})
        end = time.monotonic() + PATIENCE
        while True:
            connection = http.client.HTTPConnection(*INVOKE, timeout=PATIENCE)
            started = time.monotonic()
            connection.request("POST", "/2015-03-31/functions/function/invocations", body)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            connection.close()
            seconds = time.monotonic() - started
            if self.mode == STANDARD or BUSY not in text or time.monotonic() > end:
                return answer.status, text, seconds
            # Nothing was run, and nothing tells when a worker is back: ask again.
            time.sleep(0.002)

    def terminate(self):
        """Sends the signal that makes it shut down, and waits for its end; returns the seconds that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.ended()
        return time.monotonic() - started

    def ended(self):
        """Waits for the emulator's own end."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError("the emulator did not end within %d s" % PATIENCE) from None

    def has(self, text):
        """Whether the emulator has printed this text."""
        with self.changed:
            return any(text.encode() in line for line in self.lines)

    def count(self, pattern):
        """In how many of the emulator's lines the pattern is found."""
        with self.changed:
            return sum(1 for line in self.lines if re.search(pattern.encode(), line))

    def own(self):
        """What brooklet wrote to its stderr, line by line."""
        with self.changed:
            return [line.decode(errors="replace") for line in self.lines if line.startswith(b"brooklet: ")]

    def ends(self, name="brooklet"):
        """How the processes of our extension ended in managed mode: pairs of cause and exit status or signal."""
        with self.changed:
            found = [ENDED.search(line) for line in self.lines]
        return [
            (match[2].decode(), (match[4] if match[2] == b"exited" else match[3]).decode())
            for match in found if match and match[1].decode() == "extension-" + name
        ]
