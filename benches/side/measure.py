"""Runs the benches' programs, interleaved, and gathers what they print.

It must not write anything for people: report.py does.
"""

import gzip
import json
import os
import re
import subprocess
import sys

# What Lambda gives an extension.
LAMBDA = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": ":UTC",
    "LANG": "en_US.UTF-8",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
RECORDS = 100000
# Their batches, and the two that begin and end the invocation.
POSTS = 102
SECONDS = 300


class Failed(Exception):
    """A run that cannot be used; the text says why."""


def say(text):
    """Tells whoever waits what is going on."""
    print("benches/run: " + text, file=sys.stderr, flush=True)


def words(variables):
    """Variables as options."""
    return [word for name, value in {**LAMBDA, **variables}.items() for word in ("-e", "%s=%s" % (name, value))]


def call(program, options, variables, command):
    """One run of a program that prints one JSON object."""
    line = [program] + options + words(variables) + command
    ran = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    if ran.returncode:
        raise Failed("%s: %s" % (" ".join(command), ran.stderr.strip()[-500:]))
    return json.loads(ran.stdout)


def interleaved(cases, rounds):
    """Runs each case once a round, each round beginning with another; returns the runs of each."""
    runs = {name: [] for name in cases}
    names = list(cases)
    for number in range(-1, rounds):
        for turn in range(len(names)):
            name = names[(turn + number) % len(names)]
            result = cases[name]()
            # The first round warms caches and counts for nothing.
            if number >= 0:
                runs[name].append(result)
        say("round %d of %d" % (number + 1, rounds))
    return runs


def brooklet(compression, **more):
    """brooklet's variables; everything that is not named here is the default."""
    return {
        "BROOKLET_ENDPOINT": "http://{sink}/in",
        "BROOKLET_FORMAT": "ndjson",
        "BROOKLET_COMPRESSION": compression,
        **more,
    }


def arrived(path):
    """The records of functions in a file of recorded bodies, every one counted by its own id, and all bytes unpacked."""
    ids, size = set(), 0
    with open(path, "rb") as file:
        while head := file.readline():
            encoding, length = head.split()
            body = file.read(int(length))
            if encoding == b"gzip":
                body = gzip.decompress(body)
            size += len(body)
            ids.update(re.findall(rb'"type":"function".*?"record_id":"([^"]+)"', body))
    return len(ids), size


def ingest(tools, data, rounds, growth_rounds):
    """The load, for brooklet, its bare path, the copy floor and the forwarder; returns the runs, and what brooklet wrote."""
    load, cases, wrote = tools["load"], {}, {}

    def case(options, variables, command, lines=0):
        def one():
            result = call(load, ["-s"] + options, variables, command)
            if lines and result["lines"] < lines:
                raise Failed("%s delivered %d of %d lines" % (command[0], result["lines"], lines))
            return result

        return one

    for corpus in ("made", "real"):
        batches = ["-b", os.path.join(data, corpus)]
        for compression in ("none", "gzip"):
            name = compression + " " + corpus
            bodies = os.path.join(data, "bodies-%s-%s" % (corpus, compression))
            recorded = call(load, ["-s", "-o", bodies] + batches, brooklet(compression), [tools["brooklet"]])
            count, size = arrived(bodies)
            if count != RECORDS:
                raise Failed("brooklet delivered %d of %d records (%s)" % (count, RECORDS, name))
            wrote[name] = {"sent": recorded["bytes"], "unpacked": size, "requests": recorded["requests"]}
            floor = {"FLOOR_SINK": "{sink}", "FLOOR_BODIES": bodies, "FLOOR_POSTS": str(POSTS)}
            lines = RECORDS if compression == "none" else 0
            cases["brooklet " + name] = case(batches, brooklet(compression), [tools["brooklet"]], lines)
            cases["floor " + name] = case(batches, floor, [tools["copy"]], lines)
        if "forwarder" in tools:
            forward = {"FORWARDER_ENDPOINT": "http://{sink}/in"}
            cases["forwarder none " + corpus] = case(batches, forward, [tools["forwarder"]], RECORDS)
    for corpus in ("made", "json"):
        for compression in ("none", "gzip"):
            for program in ("bare",) + ("brooklet",) * (corpus == "json"):
                name = "%s %s %s" % (program, compression, corpus)
                lines = RECORDS if compression == "none" else 0
                cases[name] = case(["-b", os.path.join(data, corpus)], brooklet(compression), [tools[program]], lines)
    runs = interleaved(cases, rounds)
    say("growth")
    once = ["-b", os.path.join(data, "made")]
    both = {
        "growth 1": case(once, brooklet("gzip"), [tools["brooklet"]]),
        "growth 10": case(["-t", "10"] + once, brooklet("gzip"), [tools["brooklet"]]),
    }
    runs.update(interleaved(both, growth_rounds))
    return runs, wrote


# What is signed has an address of its own kind, and is another thing to measure.
FORMATS = (
    "ndjson json otlp otlp-json loki splunk elasticsearch datadog newrelic honeycomb axiom betterstack coralogix"
    " dynatrace victorialogs"
).split()


def formats(tools, data, rounds):
    """The load in each format that is sent over plain HTTP; returns the runs by compression, lines and format."""
    cases = {}
    for compression in ("gzip", "none"):
        for corpus in ("made", "json"):
            for name in FORMATS:
                variables = brooklet(compression, BROOKLET_FORMAT=name)
                line = ["-s", "-b", os.path.join(data, corpus)], variables, [tools["brooklet"]]
                cases[compression, corpus, name] = lambda line=line: call(tools["load"], *line)
    return interleaved(cases, rounds)


def hold(tools, data, rounds, invocations):
    """Invocations one after the other; returns all their times."""
    options = ["-s", "-i", str(invocations), "-b", os.path.join(data, "few")]
    ending = brooklet("gzip", BROOKLET_FLUSH="end")
    cases = {"brooklet": lambda: call(tools["load"], options, ending, [tools["brooklet"]])}
    if "forwarder" in tools:
        forward = {"FORWARDER_ENDPOINT": "http://{sink}/in"}
        cases["forwarder"] = lambda: call(tools["load"], options, forward, [tools["forwarder"]])
    runs = interleaved(cases, rounds)
    # The first of each run opens the connection.
    return {name: {what: [t for run in of for t in run[what][1:]] for what in ("held_ms", "sent_ms")} for name, of in runs.items()}


def start(root, tools, out, rounds):
    """Exec to the first GET next; returns the label, the wall times and the processor times of each command."""
    raw = os.path.join(out, "start.raw")
    command = [os.path.join(root, "benches", "start"), "-n", str(rounds), "-r", raw]
    for name, value in (
        ("FORWARDER_ENDPOINT", "http://127.0.0.1:9/"),
        ("LAMBDA_OTEL_EXPORTER_ENDPOINT", "http://127.0.0.1:9"),
        ("LAMBDA_OTEL_EXPORTER_PROTOCOL", "http"),
    ):
        command += ["-e", "%s=%s" % (name, value)]
    labels = ["C floor, musl", "C floor, glibc", "brooklet", "brooklet, by the launcher"]
    for peer in ("forwarder", "otel"):
        if peer in tools:
            command += ["--", tools[peer]]
            labels.append(peer)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, BROOKLET_BINARY=tools["brooklet"]))
    times = {label: {"wall": [], "cpu": []} for label in labels}
    with open(raw, encoding="ascii") as file:
        for line in file:
            _, which, wall, cpu = line.split()
            times[labels[int(which)]]["wall"].append(float(wall))
            times[labels[int(which)]]["cpu"].append(float(cpu))
    return times


def idle(tools, rounds):
    """Memory and threads 300 ms after the first GET next."""
    variables = {
        "FORWARDER_ENDPOINT": "http://{sink}/in",
        "LAMBDA_OTEL_EXPORTER_ENDPOINT": "http://{sink}",
        "LAMBDA_OTEL_EXPORTER_PROTOCOL": "http",
        **brooklet("gzip"),
    }
    names = [name for name in ("brooklet", "forwarder", "otel", "floor") if name in tools]
    return interleaved({name: lambda name=name: call(tools["load"], ["-s"], variables, [tools[name]]) for name in names}, rounds)


def fleet(tools, cases):
    """Runs of the fleet; each case is a name, options and brooklet's strategy."""
    results = []
    for name, options, strategy in cases:
        say("fleet: " + name)
        result = call(tools["fleet"], options, brooklet("gzip", BROOKLET_FLUSH=strategy), [tools["brooklet"]])
        if result["failed"]:
            raise Failed("%d of the fleet's processes failed" % result["failed"])
        results.append((name, strategy, result))
    return results


def stages(root, quick):
    """divan's table of the pure stages."""
    command = ["cargo", "bench", "--locked", "--bench", "stages", "--"]
    command += ["--sample-count", "3", "--sample-size", "1"] if quick else []
    ran = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True, text=True)
    return ran.stdout.strip()


def counts(root):
    """The table of counts, if this machine has what it takes."""
    command = [os.path.join(root, "benches", "counts"), "--table"]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
