"""The cases: what a function prints and what must be found at the sink, in the emulator's two modes.

Each is a function of the layer's files and the emulator's binary; it passes or raises AssertionError.
A case never repeats what the product's own tests hold alone: it is here because AWS's side of it is AWS's code.
"""

import collections
import concurrent.futures
import json
import os
import uuid

import sandbox
from emulator import MANAGED, PATIENCE, STANDARD, Emulator
from parameters import Parameters
from sink import Sink, line

# What the function writes when it starts, before any request.
STARTING = ["function starts, on stdout", "function starts, on stderr"]
# The most resident memory with default options, in kB: a budget of the project.
MEMORY = 12 * 1024
# An invocation held for a whole flush budget takes 1 s; one that is not held takes a few milliseconds.
HELD = 0.5
NO_TELEMETRY = "telemetry"


def lines(token):
    """One invocation's lines for stdout and for stderr, each unlike any other line of the run."""
    out = [
        "%s plain text" % token,
        "%s äöü ß 水 🚣 \u2028 \ufeff several bytes a character" % token,
        '%s "quotes" \\backslashes\\ \\u0041 </tags> & \ttabs' % token,
        "%s \x1b[31mcolours\x1b[0m, NUL \x00, bell \x07, delete \x7f" % token,
        "  %s spaces around  " % token,
        json.dumps({"level": "INFO", "requestId": "<request id>", "message": "%s json" % token, "deep": {"a": [1.50]}}),
        json.dumps(["%s a JSON array" % token]),
        json.dumps("%s a JSON string" % token),
        '{"%s": looks like JSON' % token,
        "",
        "%s %s" % (token, "long " * 8000),
    ]
    err = [
        "%s on stderr" % token,
        "[ERROR] %s Traceback (most recent call last):" % token,
        json.dumps({"level": "error", "message": "%s json on stderr, 水" % token}, ensure_ascii=False),
    ]
    return out, err


def burst(token):
    """Three hundred lines at once, as much as the emulator bears."""
    return ["%s line %03d %s" % (token, number, "x" * 150) for number in range(300)]


def invoke_all(rie, rounds):
    """Invokes once a round, two at a time, as the mode allows; returns all lines written and the request ids."""
    written, requests = [], []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (out, err), (status, text, _) in zip(rounds, pool.map(lambda lines: rie.invoke(*lines), rounds)):
            assert status == 200, "an invocation was answered %d %s" % (status, text)
            request = json.loads(text)["request"]
            requests.append(request)
            written += [line.replace("<request id>", request) for line in out + err]
    return written, requests


def same_lines(sink, written):
    """Every line at the sink exactly once, and nothing else of the function."""
    wanted, found = collections.Counter(map(line, written)), collections.Counter(sink.messages())
    lost, more = wanted - found, found - wanted
    assert not lost and not more, "%d lines lost, %d too many of %d; lost: %.400s; too many: %.400s" % (
        sum(lost.values()), sum(more.values()), len(written), list(lost)[:4], list(more)[:4],
    )


def wait_for_lines(sink, written):
    """Waits until as many function records came as lines were written."""
    try:
        sink.wait("%d function lines" % len(written), lambda: len(sink.messages()) >= len(written))
    except AssertionError:
        same_lines(sink, written)
        raise


def platform_records(sink, kind):
    """The records of one platform event type, each a JSON object as it came."""
    found = [record for record in sink.records() if record["type"] == kind]
    for record in found:
        assert isinstance(record.get("record"), dict), "no object in record: %r" % (record,)
    return found


def platform_complete(sink, requests):
    """The platform events of a whole life: one each for the init, one each for every request."""
    for kind in (
        "platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.extension",
        "platform.telemetrySubscription",
    ):
        count = len(platform_records(sink, kind))
        assert count == 1, "%d records of type %s" % (count, kind)
    for kind in ("platform.start", "platform.report"):
        found = platform_records(sink, kind)
        told = sorted(record["record"]["requestId"] for record in found)
        assert told == sorted(requests), "%s of %s, not of %s" % (kind, told, sorted(requests))
        for record in found:
            assert record.get("request_id") == record["record"]["requestId"], "request_id in %r" % (record,)


def same_identity(sink, **more):
    """Who the function is, on every record, and record ids that never repeat."""
    records = sink.records()
    known = dict(
        function_name="demo", function_version="$LATEST", region="eu-central-1", account_id="123456789012",
        function_memory_mb=512, **more
    )
    for record in records:
        told = {name: record.get(name) for name in known}
        assert told == known, "%r is not %r in %r" % (told, known, record)
    ids = collections.Counter(record["record_id"] for record in records)
    assert len(ids) == len(records), "record ids repeat: %s" % ids.most_common(3)


def small():
    """The extension's memory is within its budget; asked while it runs."""
    peak = sandbox.resident_peak("brooklet")
    assert peak is not None, "no process called brooklet is running"
    assert peak <= MEMORY, "brooklet took %d kB" % peak


def ended_well(rie, seconds, name="brooklet"):
    """The extension ended by itself with status 0 and in time, and had nothing to say."""
    assert rie.ends(name) == [("exited", "0")], "the extension ended %s" % (rie.ends(name),)
    assert seconds < 2.5, "the shutdown took %.1f s" % seconds


def quiet(rie):
    """A run in which all went well has no line of ours, and never the trace of a panic."""
    assert rie.own() == [], "brooklet wrote %s" % rie.own()
    assert not rie.has("panicked at"), "a panic"


def whole_life(parts, program, start, **variables):
    """A whole life on Managed Instances: every line exactly once, the platform's events, a clean end."""
    with Sink() as sink:
        variables.setdefault("BROOKLET_ENDPOINT", sink.url)
        with Emulator(parts, program, MANAGED, start, **variables) as rie:
            rie.ready()
            rounds = [lines(uuid.uuid4().hex) for _ in range(6)] + [(burst(uuid.uuid4().hex), [])]
            written, requests = invoke_all(rie, rounds)
            written += STARTING
            wait_for_lines(sink, written)
            small()
            seconds = rie.terminate()
            same_lines(sink, written)
            platform_complete(sink, requests)
            quiet(rie)
            ended_well(rie, seconds)
            return sink.requests, sink


def managed_launcher(parts, program):
    """Managed Instances, by the launcher, JSON and gzip: every line exactly once."""
    requests, sink = whole_life(parts, program, "launcher", BROOKLET_TAGS="team=boats,stage=täst")
    same_identity(sink, tags={"team": "boats", "stage": "täst"})
    for request in requests:
        assert request.path == "/logs?from=test", request.path
        assert request.headers["Content-Type"] == "application/json", request.headers["Content-Type"]
        assert request.headers["Content-Encoding"] == "gzip", request.headers["Content-Encoding"]


def managed_direct(parts, program):
    """Managed Instances, the binary itself as the extension, NDJSON without gzip, a key and headers."""
    requests, sink = whole_life(
        parts, program, "direct", BROOKLET_FORMAT="ndjson", BROOKLET_COMPRESSION="none",
        BROOKLET_API_KEY="sesame", BROOKLET_HEADERS="X-Team=boats,X-Odd=a%2Cb%3Dc",
    )
    same_identity(sink)
    for request in requests:
        wanted = {
            "Content-Type": "application/x-ndjson", "Content-Encoding": None, "Authorization": "Bearer sesame",
            "X-Team": "boats", "X-Odd": "a,b=c",
        }
        sent = {name: request.headers[name] for name in wanted}
        assert sent == wanted, sent


def managed_shutdown_drains(parts, program):
    """Managed Instances: what no clock has sent yet is sent at SHUTDOWN, and the name is the launched file's."""
    with Sink() as sink, Emulator(
        parts, program, MANAGED, name="our-logs", BROOKLET_ENDPOINT=sink.url, BROOKLET_FLUSH="periodic:60000"
    ) as rie:
        rie.ready()
        written, requests = invoke_all(rie, [lines(uuid.uuid4().hex) for _ in range(3)])
        # The emulator prints a line before it hands it on; one not printed yet could be lost by the emulator itself.
        wanted = collections.Counter(line.encode() for line in written)
        rie.wait("the emulator read all lines", lambda seen: not wanted - collections.Counter(seen))
        seconds = rie.terminate()
        same_lines(sink, written + STARTING)
        platform_complete(sink, requests)
        names = {record["record"]["name"] for record in platform_records(sink, "platform.extension")}
        assert names == {"our-logs"}, "registered as %s" % names
        quiet(rie)
        ended_well(rie, seconds, "our-logs")


def managed_init_failure(parts, program):
    """Managed Instances: the last words of a function that cannot start arrive, and the extension ends well."""
    words = "%s the database is gone" % uuid.uuid4().hex
    # So long an interval that nothing comes before the emulator's last flush, right before SHUTDOWN.
    with Sink() as sink, Emulator(
        parts, program, MANAGED, BROOKLET_ENDPOINT=sink.url, BROOKLET_TELEMETRY_TIMEOUT_MS="5000", FUNCTION_FAILS=words
    ) as rie:
        rie.ended()
        same_lines(sink, STARTING + [words])
        # Not initReport: the emulator makes it while it flushes, and it may miss the last batch.
        assert len(platform_records(sink, "platform.initStart")) == 1, "no platform.initStart"
        quiet(rie)
        ended_well(rie, 0)


def managed_own_lines(parts, program):
    """Managed Instances, type extension too, all of our own lines on: they come back to us and make no loop."""
    with Sink() as sink, Emulator(
        parts, program, MANAGED, BROOKLET_ENDPOINT=sink.url, BROOKLET_TYPES="platform,function,extension",
        BROOKLET_LOG_LEVEL="debug",
    ) as rie:
        rie.ready()
        written, _ = invoke_all(rie, [lines(uuid.uuid4().hex)])
        wait_for_lines(sink, written + STARTING)
        sink.wait_quiet(2, PATIENCE)
        seconds = rie.terminate()
        same_lines(sink, written + STARTING)
        assert not rie.has("panicked at"), "a panic"
        ended_well(rie, seconds)


def managed_logs_api(parts, program):
    """Managed Instances with the Logs API pinned, which answers 404 there: one line, and the function works."""
    with Sink() as sink, Emulator(parts, program, MANAGED, BROOKLET_ENDPOINT=sink.url, BROOKLET_API="logs") as rie:
        rie.ready()
        invoke_all(rie, [lines(uuid.uuid4().hex) for _ in range(2)])
        seconds = rie.terminate()
        one_line(rie, "404")
        ended_well(rie, seconds)
        assert not sink.requests, "something was sent"


def managed_disabled(parts, program):
    """Managed Instances, switched off: the function works, we say nothing and send nothing."""
    with Sink() as sink, Emulator(parts, program, MANAGED, BROOKLET_ENDPOINT=sink.url, BROOKLET_ENABLED="false") as rie:
        rie.ready()
        invoke_all(rie, [lines(uuid.uuid4().hex) for _ in range(2)])
        seconds = rie.terminate()
        quiet(rie)
        ended_well(rie, seconds)
        assert not sink.requests, "something was sent"


def one_line(rie, word, lives=1):
    """Each life of the extension wrote one line to stderr, and that line holds the word."""
    own = rie.own()
    assert len(own) == lives, "%d lines of ours in %d lives: %s" % (len(own), lives, own)
    for line in own:
        assert word in line.lower(), "%r does not say %r" % (line, word)
    assert not rie.has("panicked at"), "a panic"


def lives(rie):
    """How many times the emulator has taken a registration of ours."""
    return rie.count(r"External agent brooklet \(.*registered, subscribed to \[INVOKE SHUTDOWN\]")


def not_blamed(rie):
    """The emulator has nothing to say against the extension."""
    count = rie.count(r"Extension\.(Crash|ExitError|InitError|LaunchError)|Process extension-brooklet\S* exited")
    assert count == 0, "the emulator blames the extension %d times" % count


def answered(rie, **event):
    """One invocation that must be answered; returns its seconds."""
    status, text, seconds = rie.invoke(**event)
    assert status == 200 and "request" in text, "an invocation was answered %d %s" % (status, text)
    return seconds


def standard(parts, program, start, word=NO_TELEMETRY, **variables):
    """A life in standard mode, where both subscriptions are answered 202, that must not be noticed but for a line."""
    with Sink() as sink:
        variables.setdefault("BROOKLET_ENDPOINT", sink.url)
        with Emulator(parts, program, STANDARD, start, **variables) as rie:
            rie.ready()
            out, err = lines(uuid.uuid4().hex)
            answered(rie, out=out, err=err)
            warm = [answered(rie, out=["again"]) for _ in range(4)]
            # Without telemetry there is nothing to wait for; the best of four, for the machine may be busy.
            assert min(warm) < HELD, "invocations were held: %s" % ["%.3f s" % seconds for seconds in warm]
            assert lives(rie) == 1, "%d lives" % lives(rie)
            seconds = rie.terminate()
            not_blamed(rie)
            if word is None:
                quiet(rie)
            else:
                one_line(rie, word)
            if start == "recorder":
                assert exits() == ["0"], "the extension ended with %s" % exits()
            assert seconds < PATIENCE, "the shutdown took %.1f s" % seconds
            assert not sink.requests, "something was sent"


def exits():
    """The exit codes that the recording launcher has written down."""
    if not os.path.exists("/var/exits"):
        return []
    with open("/var/exits") as file:
        return file.read().split()


def standard_launcher(parts, program):
    """Standard mode, by the launcher: 202 to both subscriptions, the function works, one line."""
    standard(parts, program, "launcher")


def standard_direct(parts, program):
    """Standard mode, the binary itself as the extension: the same."""
    standard(parts, program, "direct")


def standard_exit_code(parts, program):
    """Standard mode, the exit code recorded: 0 after SHUTDOWN."""
    standard(parts, program, "recorder")


def standard_telemetry_pinned(parts, program):
    """Standard mode with the Telemetry API pinned: the same."""
    standard(parts, program, "recorder", BROOKLET_API="telemetry")


def standard_logs_pinned(parts, program):
    """Standard mode with the Logs API pinned: the same."""
    standard(parts, program, "recorder", BROOKLET_API="logs")


def standard_no_endpoint(parts, program):
    """Standard mode without an endpoint: one line that says so, and the function works."""
    standard(parts, program, "recorder", "endpoint", BROOKLET_ENDPOINT="")


def standard_disabled(parts, program):
    """Standard mode, switched off: the function works and we say nothing."""
    standard(parts, program, "recorder", None, BROOKLET_ENABLED="false")


def after_reset(parts, program, then, expected, **variables):
    """One invocation ends badly; the emulator ends the extension and starts a fresh one, and all goes on."""
    with Sink() as sink, Emulator(parts, program, STANDARD, "recorder", BROOKLET_ENDPOINT=sink.url, **variables) as rie:
        rie.ready()
        answered(rie)
        for number in (1, 2):
            _, text, _ = rie.invoke(out=["about to end badly"], then=then)
            assert expected in text, "answered %s" % text
            answered(rie)
            assert exits() == ["0"] * number, "the extension ended with %s" % exits()
        assert lives(rie) == 3, "%d lives" % lives(rie)
        rie.terminate()
        not_blamed(rie)
        one_line(rie, NO_TELEMETRY, 3)
        assert exits() == ["0"] * 3, "the extension ended with %s" % exits()
        assert not sink.requests, "something was sent"


def standard_timeout(parts, program):
    """Standard mode: SHUTDOWN with the reason Timeout, then a fresh start, twice."""
    after_reset(parts, program, "hang", "timed out", AWS_LAMBDA_FUNCTION_TIMEOUT="2")


def standard_crash(parts, program):
    """Standard mode: SHUTDOWN with the reason ReleaseFail after the runtime's exit, then a fresh start, twice."""
    after_reset(parts, program, "exit", "Runtime.ExitError")


def wrapped(service, **variables):
    """The variables of a function that starts through the wrapper, one of them a secret."""
    return service.function(
        AWS_LAMBDA_EXEC_WRAPPER="/opt/brooklet/wrapper", KEY="secret:ssm:/key", BROOKLET_RUNTIME_ENV_ADDED="for it alone",
        PLAIN="as it was", **variables,
    )


def told_by_function(rie):
    """The function's own variables, as it has them."""
    status, text, _ = rie.invoke(tell=["KEY", "ADDED", "PLAIN", "BROOKLET_API_KEY"])
    assert status == 200, "an invocation was answered %d %s" % (status, text)
    told = json.loads(text)
    del told["request"]
    wanted = {"KEY": "of gold", "ADDED": "for it alone", "PLAIN": "as it was", "BROOKLET_API_KEY": "ssm:/ours"}
    assert told == wanted, told


def managed_wrapper(parts, program):
    """Managed Instances: the function starts through the wrapper with its secret, the extension reads its own beside."""
    with Sink() as sink, Parameters(key="of gold", ours="of silver") as service, Emulator(
        parts, program, MANAGED, **wrapped(service, BROOKLET_ENDPOINT=sink.url, BROOKLET_API_KEY="ssm:/ours")
    ) as rie:
        rie.ready()
        told_by_function(rie)
        written, _ = invoke_all(rie, [lines(uuid.uuid4().hex) for _ in range(3)])
        wait_for_lines(sink, written + STARTING)
        seconds = rie.terminate()
        same_lines(sink, written + STARTING)
        quiet(rie)
        ended_well(rie, seconds)
        keys = {request.headers["Authorization"] for request in sink.requests}
        assert keys == {"Bearer of silver"}, keys
        asked = [name for body in service.calls for name in body["Names"]]
        assert sorted(set(asked)) == ["/key", "/ours"], asked


def standard_wrapper(parts, program):
    """Standard mode: the function starts through the wrapper with its secret, and ends and starts again as it did."""
    with Parameters(key="of gold") as service, Emulator(
        parts, program, STANDARD, **wrapped(service, BROOKLET_ENABLED="false", BROOKLET_API_KEY="ssm:/ours")
    ) as rie:
        rie.ready()
        told_by_function(rie)
        status, text, _ = rie.invoke(then="exit")
        assert "exit status 3" in text, "answered %d %s" % (status, text)
        told_by_function(rie)
        rie.terminate()
        not_blamed(rie)
        quiet(rie)


def standard_wrapper_missing(parts, program):
    """Standard mode: a secret that is not there is one line and the function works; with STRICT it does not start."""
    for strict in ("false", "true"):
        with Parameters() as service, Emulator(
            parts, program, STANDARD, **wrapped(service, BROOKLET_ENABLED="false", BROOKLET_WRAPPER_STRICT=strict)
        ) as rie:
            rie.ready()
            status, text, _ = rie.invoke(tell=["KEY"])
            own = rie.own()
            assert "KEY: ssm:/key: there is no such parameter" in own[0], own
            if strict == "false":
                assert status == 200 and json.loads(text)["KEY"] == "secret:ssm:/key", text
                assert len(own) == 1, own
            else:
                assert status != 200, "answered %d %s" % (status, text)
                assert rie.has("exited: exit status 1"), "it did not end with 1"
                assert "BROOKLET_WRAPPER_STRICT" in own[1], own


CASES = [
    managed_launcher, managed_direct, managed_shutdown_drains, managed_init_failure, managed_own_lines,
    managed_logs_api, managed_disabled,
    standard_launcher, standard_direct, standard_exit_code, standard_telemetry_pinned, standard_logs_pinned,
    standard_no_endpoint, standard_disabled, standard_timeout, standard_crash,
    managed_wrapper, standard_wrapper, standard_wrapper_missing,
]
