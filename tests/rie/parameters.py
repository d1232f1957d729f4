"""Parameter Store on the loopback, as far as one kind of call goes: it hands out parameters by name.

It must not check signatures: tests/aws.py does.
"""

import http.server
import json
import threading


class Parameters:
    """The service with these parameters; use it in a with statement."""

    def __init__(self, **kept):
        self.kept = {"/" + name: value for name, value in kept.items()}
        self.calls = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers GetParameters and refuses anything else."""

            protocol_version = "HTTP/1.1"

            def do_POST(self):
                """One call."""
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                signed = self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=")
                asked = self.headers["X-Amz-Target"] == "AmazonSSM.GetParameters" and body["WithDecryption"] and signed
                service.calls.append(body)
                found = [
                    {"Name": name, "Value": service.kept[name]} for name in body["Names"] if name in service.kept
                ]
                missing = [name for name in body["Names"] if name not in service.kept]
                data = json.dumps({"Parameters": found, "InvalidParameters": missing}).encode()
                self.send_response(200 if asked else 400)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

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

    def function(self, **variables):
        """The variables of a function that can call it."""
        return {
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "an-example-of-a-secret-key",
            "AWS_SESSION_TOKEN": "an-example-of-a-session-token",
            "BROOKLET_AWS_ENDPOINT_URL": "http://127.0.0.1:%d" % self.server.server_address[1],
            **variables,
        }
