#!/usr/bin/env python3
"""Judges the payloads of `otlp` and `otlp-json` with OpenTelemetry's own message classes and with an agent that takes them.

What the real binary makes of known and of random events is decoded, compared with the events, and written again by the
classes: the bytes must be the same. It fetches the classes and the agent once, and needs no other network.
It must not judge by a model of its own: tests/formats/otlp.rs does.

    tests/otlp.py           every case
    tests/otlp.py WORD ...  the cases whose name holds one of the words

The binary is $BROOKLET_BINARY; without it, dist/<this machine>/brooklet.
"""

import base64
import gzip
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, name) for name in ("otlp", "rie", "shared")]

import environment  # noqa: E402
import fetch  # noqa: E402
import program  # noqa: E402
import sink  # noqa: E402
import wheels  # noqa: E402

FORMATS = {"otlp": "application/x-protobuf", "otlp-json": "application/json"}
SECONDS = 20


class Bench:
    """What every case needs."""

    def __init__(self, binary, folder):
        self.binary, self.agent = binary, fetch.agent(folder)
        from google.protobuf import json_format
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

        self.json_format, self.Request = json_format, logs_service_pb2.ExportLogsServiceRequest

    def decode(self, format, body):
        """A payload as the official message; JSON may hold nothing that the message does not know."""
        message = self.Request()
        if format == "otlp":
            message.ParseFromString(body)
            assert message.SerializeToString(deterministic=True) == body, "the classes write it in other bytes"
            return message
        tree = json.loads(body)
        for log in tree["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
            # Ids are hex in OpenTelemetry's JSON, and base64 in that of protobuf.
            for name in ("traceId", "spanId"):
                if name in log:
                    log[name] = base64.b64encode(bytes.fromhex(log[name])).decode()
        return self.json_format.ParseDict(tree, message, ignore_unknown_fields=False)

    def deliver(self, format, events, **variables):
        """The one payload that the binary sends for a batch, as the official message, without what differs between runs."""
        with sink.Sink() as there:
            said = environment.run(
                self.binary, events, {"BROOKLET_ENDPOINT": there.url, "BROOKLET_FORMAT": format, **variables}
            )
            requests = there.requests
        assert len(requests) == 1, "%d requests\n%s" % (len(requests), said)
        request = requests[0]
        assert request.headers["Content-Type"] == FORMATS[format], request.headers["Content-Type"]
        body = request.body
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        message = self.decode(format, body)
        assert len(message.resource_logs) == 1 and len(message.resource_logs[0].scope_logs) == 1, "one of each"
        logs = records(message)
        # Its own counters come last.
        assert attributes(logs[-1])["type"] == "brooklet.stats", logs[-1]
        del message.resource_logs[0].scope_logs[0].log_records[-1]
        last = 0
        for log in records(message):
            assert log.observed_time_unix_nano > 0, log
            log.observed_time_unix_nano = 0
            for attribute in log.attributes:
                if attribute.key == "log.record.uid":
                    # The event's place in the stream, of which not every event became a record.
                    number = int(attribute.value.string_value.rpartition("-")[2])
                    assert number > last, attribute
                    attribute.value.string_value, last = "id-%d" % number, number
        assert last >= len(records(message)), "records without an id"
        return message


def records(message):
    """The log records of a payload."""
    return message.resource_logs[0].scope_logs[0].log_records


def plain(value):
    """A value as python has it; whole numbers beyond 64 bits stay text."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if kind == "array_value":
        return [plain(one) for one in inner.values]
    if kind == "kvlist_value":
        return {one.key: plain(one.value) for one in inner.values}
    return inner


def attributes(log):
    """A record's attributes by name."""
    return {one.key: plain(one.value) for one in log.attributes}


def read(name, mode="r"):
    """A file of the expected payloads."""
    with open(os.path.join(HERE, "data", "expect", name), mode) as file:
        return file.read()


def random_value(chance, depth):
    """Some JSON value."""
    kind = chance.randrange(6 if depth == 0 else 9)
    if kind == 0:
        return chance.choice([True, False, None])
    if kind == 1:
        return chance.choice([0, -1, 127, 128, 2**63 - 1, -(2**63), chance.randrange(10**15)])
    if kind == 2:
        return chance.choice([0.5, -1e-7, 1.7976931348623157e308, 5e-324, chance.random() * 10 ** chance.randrange(20)])
    if kind < 6:
        text = "".join(chance.choice('ab\n\t"\\/é☃😀\x00\x7f{}[]:, ') for _ in range(chance.randrange(9)))
        return text * chance.choice([1, 1, 1, 60, 600])
    if kind < 8:
        return [random_value(chance, depth - 1) for _ in range(chance.randrange(5))]
    return random_object(chance, depth - 1)


def random_object(chance, depth):
    """Some JSON object."""
    return {"%d%s" % (n, chance.choice(["", "é", '"', ".x"])): random_value(chance, depth) for n in range(chance.randrange(6))}


def events_of(logged):
    """A function's events that logged these records."""
    time_of = "2026-11-22T10:%02d:%02d.%03dZ"
    return [
        {"time": time_of % (n // 60000 % 60, n // 1000 % 60, n % 1000), "type": "function", "record": record}
        for n, record in enumerate(logged)
    ]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


# ---- the cases ----


def the_expected_payloads_are_what_the_classes_read(bench):
    """The payloads in the repository, which hold the same records in both encodings."""
    first = bench.decode("otlp", read("otlp/payload.pb", "rb"))
    second = bench.decode("otlp-json", read("otlp-json/payload.json"))
    for message in (first, second):
        for log in records(message):
            for attribute in log.attributes:
                if attribute.key == "log.record.uid":
                    attribute.value.string_value = "id" + attribute.value.string_value[-2:]
    assert first == second, "they differ"
    assert len(records(first)) == len(json.loads(read("events.json"))), "records are missing"


def shared_events_are_equal_in_both_encodings(bench):
    """The shared events through the binary, with all that is known of the function."""
    events = json.loads(read("events.json"))
    tags = {"BROOKLET_TAGS": "team=a%20b", "OTEL_SERVICE_NAME": "shop", "BROOKLET_SAMPLE": "0.5"}
    first, second = (bench.deliver(format, events, **tags) for format in FORMATS)
    assert first == second, "they differ"
    resource = {one.key: plain(one.value) for one in first.resource_logs[0].resource.attributes}
    assert resource == {
        "service.name": "shop",
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "eu-central-1",
        "cloud.account.id": "123456789012",
        "faas.name": "orders",
        "faas.version": "$LATEST",
        "faas.max_memory": 134217728,
        "team": "a b",
    }, resource
    log = [one for one in records(first) if one.trace_id][0]
    assert log.trace_id.hex() == "6352a70e1e2c502e358361800241fd45", log.trace_id.hex()
    assert log.span_id.hex() == "35465b3a9e2f7c6a", log.span_id.hex()


def random_json_survives(bench):
    """Random records come back as they were, in both encodings."""
    chance = random.Random(2026)
    logged = [random_object(chance, 6) for _ in range(300)]
    room = {"BROOKLET_BATCH_BYTES": "67108864", "BROOKLET_BUFFER_BYTES": "67108864"}
    both = [bench.deliver(format, events_of(logged), **room) for format in FORMATS]
    assert both[0] == both[1], "they differ"
    for log, record in zip(records(both[0]), logged, strict=True):
        assert plain(log.body) == record, "%r became %r" % (record, plain(log.body))


def what_is_deep_can_be_read(bench):
    """No reader's limit on messages in one another is met, however deep a record is, wherever it stands."""
    deep = 1
    for level in range(120):
        deep = {"a": deep} if level % 3 else [deep]
    objects = 1
    for _ in range(120):
        objects = {"a": objects}
    events = events_of([deep, objects])
    events.append({"time": "2026-11-22T11:00:00Z", "type": "platform.new", "record": objects, "extra": objects})
    both = [bench.deliver(format, events) for format in FORMATS]
    assert both[0] == both[1], "they differ"


def an_agent_takes_and_prints_them(bench):
    """The agent answers 200 to both encodings, with and without gzip, and prints every record."""
    for format in FORMATS:
        for compression in ("gzip", "none"):
            port = free_port()
            command = [bench.agent, "start", "--otlp-http-endpoint", "127.0.0.1:%d" % port]
            command += ["--otlp-grpc-endpoint", "127.0.0.1:%d" % free_port(), "--exporter", "blackhole"]
            command += ["--debug-log", "logs", "--debug-log-verbosity", "detailed"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            printed = []
            reader = threading.Thread(target=lambda: printed.extend(process.stdout), daemon=True)
            reader.start()
            try:
                listening(port)
                variables = {
                    "BROOKLET_ENDPOINT": "http://127.0.0.1:%d" % port,
                    "BROOKLET_FORMAT": format,
                    "BROOKLET_COMPRESSION": compression,
                }
                text = read("events.json")
                if format == "otlp-json":
                    # The agent still has opentelemetry-rust's bug 3598: it refuses a payload with an empty value.
                    text = text.replace("null", "0")
                events = json.loads(text) + events_of([{"n": n} for n in range(100)])
                said = environment.run(bench.binary, events, variables)
            finally:
                process.terminate()
                process.wait()
            reader.join(SECONDS)
            text = b"".join(printed).decode(errors="replace")
            count = text.count("LogRecord #")
            assert "delivered, status 200" in said, said
            assert count == len(events) + 1, "%s %s: %d of %d printed\n%s\n%s" % (
                format, compression, count, len(events) + 1, said[-2000:], text[-3000:]
            )
            for words in ("6352a70e1e2c502e358361800241fd45", "faas.invocation_id", "service.name", "slow", "snowman"):
                assert words in text, "%s %s: %s is not printed\n%s" % (format, compression, words, text[-3000:])


def listening(port):
    """Waits until somebody listens on a port."""
    end = time.monotonic() + SECONDS
    while True:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, "the agent does not listen"
        # Nothing tells when it does.
        time.sleep(0.02)


CASES = [
    the_expected_payloads_are_what_the_classes_read,
    shared_events_are_equal_in_both_encodings,
    random_json_survives,
    what_is_deep_can_be_read,
    an_agent_takes_and_prints_them,
]


def main(words):
    """Runs the cases; the exit code says whether all passed."""
    shown = program.helps(words, __doc__)
    if shown is not None:
        return shown
    binary = program.binary("otlp")
    try:
        bench = Bench(binary, fetch.packages())
    except wheels.Unavailable as problem:
        sys.exit("otlp: %s" % problem)
    picked = program.picked("otlp", CASES, words)
    failed = 0
    for case in picked:
        started = time.monotonic()
        failed += program.tell(case, started, program.problem_of(lambda: case(bench)))
    print("otlp: %d passed, %d failed" % (len(picked) - failed, failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
