"""One Lambda environment around the binary: as much of the Extensions and Telemetry API as one batch needs.

It hands over one batch and ends. How Lambda itself behaves is the business of other tests.
"""

import http.client
import json
import os
import queue
import subprocess
import urllib.parse

import loopback

SECONDS = 20


class Api(loopback.Service):
    """The APIs; use it in a with statement."""

    def __init__(self):
        self.events, self.listener = queue.Queue(), queue.Queue()
        api = self

        class Handler(loopback.Handler):
            """Answers every call that an extension makes."""

            def handle_any(self):
                """Registers, subscribes, or waits for the next event."""
                body = self.body()
                answer = "OK"
                if self.path.endswith("/register"):
                    answer = {"functionName": "orders", "functionVersion": "$LATEST", "accountId": "123456789012"}
                elif self.path.endswith("/telemetry"):
                    api.listener.put(urllib.parse.urlsplit(json.loads(body)["destination"]["URI"]).port)
                elif self.path.endswith("/next"):
                    answer = api.events.get()
                identity = "00000000-0000-4000-8000-000000000000"
                self.answer(
                    json.dumps(answer).encode(), Lambda_Extension_Identifier=identity, Content_Type="application/json"
                )

            do_GET = do_POST = do_PUT = handle_any

        super().__init__(Handler)


def run(binary, events, variables):
    """Runs the binary with these variables for one batch of events; returns what it wrote to stderr."""
    with Api() as api:
        variables = {
            "PATH": os.environ.get("PATH", ""),
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "orders",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_REGION": "eu-central-1",
            "BROOKLET_PORT": "0",
            "BROOKLET_LOG_LEVEL": "debug",
            # One payload, when it ends.
            "BROOKLET_FLUSH": "periodic:3600000",
            **variables,
        }
        process = subprocess.Popen([binary], env=variables, stderr=subprocess.PIPE)
        try:
            port = api.listener.get(timeout=SECONDS)
            caller = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            caller.request("POST", "/", json.dumps(events, ensure_ascii=False).encode())
            status = caller.getresponse().status
            assert status == 200, "the listener answered %d" % status
            api.events.put({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 4102444800000})
            said = process.communicate(timeout=SECONDS)[1].decode()
            assert process.returncode == 0, "it ended with %d:\n%s" % (process.returncode, said)
            return said
        finally:
            process.kill()
            process.wait()
