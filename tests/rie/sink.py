"""The destination: records every request that brooklet sends, and reads it with a strict model of its own.

It answers 200 at once to everything; destinations that misbehave are the business of other tests.
"""

import gzip
import json
import re
import threading
import time

import loopback

# Every field a record may have; one that is not here is a mistake of the product or a change to be made here.
FIELDS = {
    "timestamp", "type", "level", "message", "record", "request_id", "trace_id", "tenant_id", "cold_start",
    "function_name", "function_version", "function_arn", "function_memory_mb", "region", "account_id", "record_id",
    "tags", "sample", "service_name", "extra",
}
LEVELS = {"trace", "debug", "info", "warn", "error", "fatal"}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Request:
    """One request as it came."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def records(self):
        """The records in the body; an AssertionError says what is not as promised."""
        kind = self.headers.get("Content-Type", "")
        body = self.body
        assert self.method == "POST", "the sink got a %s" % self.method
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        else:
            assert "Content-Encoding" not in self.headers, self.headers["Content-Encoding"]
        text = body.decode("utf-8")
        if kind == "application/json":
            records = json.loads(text)
            assert isinstance(records, list), "the body is not a JSON array: %.200s" % text
        elif kind == "application/x-ndjson":
            assert text.endswith("\n"), "the last line is not ended: %.200r" % text[-200:]
            records = [json.loads(line) for line in text[:-1].split("\n")]
        else:
            raise AssertionError("unexpected Content-Type %r" % kind)
        assert records, "an empty payload was sent"
        for record in records:
            check(record)
        return records


def check(record):
    """What holds for every record."""
    assert isinstance(record, dict), "a record is not an object: %r" % (record,)
    unknown = set(record) - FIELDS
    assert not unknown, "unknown fields %s in %r" % (sorted(unknown), record)
    for name in ("timestamp", "type", "record_id"):
        assert record.get(name), "no %s in %r" % (name, record)
    assert TIME.match(record["timestamp"]), "timestamp %r" % record["timestamp"]
    assert "message" in record or "record" in record, "neither message nor record in %r" % (record,)
    assert record.get("level", "info") in LEVELS, "level %r" % record["level"]


def line(text):
    """A line as it is compared: one that is a JSON object by what it holds, any other as it is written."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else text


class Sink(loopback.Service):
    """The server; use it in a with statement."""

    def __init__(self):
        self.requests = []
        self.changed = threading.Condition()
        sink = self

        class Handler(loopback.Handler):
            """Keeps what comes and says 200."""

            def handle_any(self):
                """Reads the body, by length or in chunks."""
                if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                    body = b""
                    while True:
                        size = int(self.rfile.readline().split(b";")[0], 16)
                        body += self.rfile.read(size)
                        self.rfile.readline()
                        if size == 0:
                            break
                else:
                    body = self.body()
                with sink.changed:
                    sink.requests.append(Request(self.command, self.path, self.headers, body))
                    sink.changed.notify_all()
                self.answer(b"ok")

            do_GET = do_POST = do_PUT = handle_any

        super().__init__(Handler)

    @property
    def url(self):
        """Where it listens."""
        return "http://%s/logs?from=test" % self.address

    def records(self):
        """All records so far, in the order they came."""
        with self.changed:
            requests = list(self.requests)
        return [record for request in requests for record in request.records()]

    def messages(self, kind="function"):
        """The lines of one type so far: a message alone, or the JSON object that a line was, with its own message beside it."""
        found = []
        for record in self.records():
            if record["type"] == kind:
                if "record" in record:
                    assert record.get("message") == record["record"].get("message"), "message of %r" % (record,)
                    found.append(line(json.dumps(record["record"])))
                else:
                    assert isinstance(record.get("message"), str), "no message in %r" % (record,)
                    found.append(record["message"])
        return found

    def wait(self, what, true, seconds=20):
        """Waits until `true()` holds, looking again with every request; the failure says what was waited for."""
        end = time.monotonic() + seconds
        with self.changed:
            while not true():
                left = end - time.monotonic()
                came = len(self.requests)
                assert left > 0, "not at the sink within %d s: %s (%d requests came)" % (seconds, what, came)
                self.changed.wait(left)

    def wait_quiet(self, quiet, seconds):
        """Waits until no request has come for `quiet` seconds, which a loop never reaches."""
        end = time.monotonic() + seconds
        with self.changed:
            while self.changed.wait(quiet):
                assert time.monotonic() < end, "still sending after %d s: %d requests" % (seconds, len(self.requests))
