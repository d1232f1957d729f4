"""What the Python tests answer over HTTP with: a server on a free port of the loopback, in a thread.

It must not know what is asked: each of its handlers does.
"""

import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps connections, and says nothing: the terminal belongs to the cases."""

    protocol_version = "HTTP/1.1"

    def body(self):
        """The request's body, of the length that it tells."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, body, status=200, **headers):
        """Answers; a header's name has _ for -."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Says nothing."""


class Service:
    """The server; use it in a with statement."""

    def __init__(self, handler):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
