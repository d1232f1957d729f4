"""Writes the telemetry that the ingest bench posts: 100 batches of 1000 records each, the same bytes in every run.

It must know nothing of what is measured with them.
"""

import json
import os
import random

BATCHES, RECORDS = 100, 1000
REQUEST = "4b142fc3-17b8-4cdb-a46b-a8dbe7918715"
# White space that tests/data/lines shows with a sign.
SIGNS = {"␉": "\t", "␊": "\n", "␍": "\r", "␛": "\x1b"}


def made(numbers, at):
    """The record of a function on Node, whose event has about 190 bytes; numbers differ, words do not."""
    number = made.count = made.count + 1
    text = "%s\t%s\tINFO\torder %06d received: %d items, %d.%02d EUR, prepaid\n"
    words = (stamp(at), REQUEST, number, numbers.randrange(1, 30), numbers.randrange(5, 1000), numbers.randrange(100))
    return text % words


made.count = 0


def logger(numbers, _at):
    """The record of a JSON logger in Lambda's own JSON log format."""
    number = logger.count = logger.count + 1
    return {
        "timestamp": "2026-11-22T10:00:00.123Z",
        "level": "INFO",
        "requestId": REQUEST,
        "message": "order %06d received" % number,
        "customer": {"id": numbers.randrange(10000), "mail": "a.b@example.com"},
    }


logger.count = 0


def logged(lines):
    """Records of real loggers, all of them in an order by chance and then all of them again."""
    order = random.Random(7)

    def record(_numbers, _at):
        if not record.left:
            record.left = list(lines)
            order.shuffle(record.left)
        return record.left.pop()

    record.left = []
    return record


def real_lines(folder):
    """The lines of tests/data/lines, as its README tells how to read them."""
    lines = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".txt"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8", newline="\n") as file:
            for row in file.read().split("\n"):
                if row and row[0] not in "# ":
                    line = row.split(" | ", 1)[1]
                    lines.append("".join(SIGNS.get(sign, sign) for sign in line))
    return lines


def stamp(ms):
    """A time of a day in November 2026 as the platform writes it."""
    return "2026-11-22T%02d:%02d:%02d.%03dZ" % (ms // 3600000, ms // 60000 % 60, ms // 1000 % 60, ms % 1000)


def write(path, record, batches=BATCHES, records=RECORDS):
    """Writes a file of batches as load.c reads it; returns how many bytes of events a record has on average."""
    numbers, at, total = random.Random(11), 36000000, 0
    with open(path + ".new", "wb") as file:
        for _ in range(batches):
            events = []
            for _ in range(records):
                at += numbers.randrange(3)
                event = {"time": stamp(at), "type": "function", "record": record(numbers, at)}
                events.append(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
            body = ("[" + ",".join(events) + "]").encode()
            file.write(b"%d\n" % len(body) + body)
            total += len(body) - 1 - records
    os.replace(path + ".new", path)
    return total / (batches * records)


def write_all(folder, lines):
    """The files: lines that one function makes, lines of real loggers, JSON of one logger, and a batch of a small invocation."""
    sizes = {}
    for name, record, shape in (
        ("made", made, ()),
        ("real", logged(real_lines(lines)), ()),
        ("json", logger, ()),
        ("few", made, (1, 5)),
    ):
        sizes[name] = write(os.path.join(folder, name), record, *shape)
    return sizes
