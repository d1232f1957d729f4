"""One Lambda environment around the binary: as much of the Extensions and Telemetry API as one batch needs.

It hands over one batch and ends. How Lambda itself behaves is the business of other tests.
"""

import http.client
import http.server
import json
import os
import queue
import subprocess
import threading
import urllib.parse

SECONDS = 20


class Api:
    """The APIs on a free port, in a thread; use it in a with statement."""

    def __init__(self):
        self.events, self.listener = queue.Queue(), queue.Queue()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers every call that an extension makes."""

            protocol_version = "HTTP/1.1"

            def handle_any(self):
                """Registers, subscribes, or waits for the next event."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = "OK"
                if self.path.endswith("/register"):
                    answer = {"functionName": "orders", "functionVersion": "$LATEST", "accountId": "123456789012"}
                elif self.path.endswith("/telemetry"):
                    api.listener.put(urllib.parse.urlsplit(json.loads(body)["destination"]["URI"]).port)
                elif self.path.endswith("/next"):
                    answer = api.events.get()
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Lambda-Extension-Identifier", "00000000-0000-4000-8000-000000000000")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = handle_any

            def log_message(self, *words):
                """Says nothing: the terminal belongs to the cases."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def run(binary, events, variables):
    """Runs the binary with these variables for one batch of events; returns what it wrote to stderr."""
    with Api() as api:
        variables = {
            "PATH": os.environ.get("PATH", ""),
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % api.server.server_address[1],
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
