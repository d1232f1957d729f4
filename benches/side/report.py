"""Writes what was measured: RESULTS.md and the chart's rows.

It must not measure, and must name nothing of the machine but what its numbers depend on.
"""

import os
import platform
import statistics
import subprocess
import time
import zipfile

import chart
from chart import number


def quartiles(values):
    """The median with the quartiles around it."""
    values = sorted(values)
    low, high = values[len(values) // 4], values[(3 * len(values)) // 4 - (len(values) % 4 == 0)]
    return "%s (%s–%s)" % (number(statistics.median(values)), number(low), number(high))


def median(runs, what):
    """The median of a number of the runs."""
    return statistics.median(run[what] for run in runs)


def of(runs, what, scale=1.0):
    """The same with its quartiles."""
    return quartiles([run[what] * scale for run in runs])


def table(head, rows):
    """A Markdown table; the first column is text."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def machine():
    """What the numbers depend on."""
    model, memory = platform.machine(), "?"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = "%.0f GB" % (int(file.readline().split()[1]) / 1e6)
    rustc = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True).stdout.split()[1:2]
    return "%s, %d processors, %s of memory, Linux %s, rustc %s" % (
        model,
        os.cpu_count(),
        memory,
        platform.release().split("-")[0],
        "".join(rustc),
    )


def revision(root):
    """The commit that was measured, with a sign if the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True).stdout.strip() or "unknown"


def zipped(path):
    """The bytes of a binary in a zip of its own."""
    target = path + ".zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(path, os.path.basename(path))
    return os.path.getsize(target)


NAMES = {
    "brooklet": "brooklet",
    "forwarder": "`lambda-extension` 1.1.1, a forwarder of 25 lines",
    "otel": "`opentelemetry-lambda-extension` 0.2.0",
    "floor": "C floor",
}
SHORT = {"brooklet": "brooklet", "forwarder": "lambda-extension", "otel": "opentelemetry-lambda-extension"}


def beside(found):
    """The rows of the first table, and the chart's panels."""
    rows, panels = [], {"zip": [], "start": [], "idle": [], "peak": [], "cpu": []}
    for name in ("brooklet", "forwarder", "otel"):
        if name not in found["tools"]:
            continue
        binary, layer = os.path.getsize(found["tools"][name]), found["layers"][name]
        begin = found["start"][name]["wall"]
        idle = found["idle"][name]
        load = found["ingest"].get("brooklet none made" if name == "brooklet" else name + " none made")
        packed = found["ingest"].get("brooklet gzip made") if name == "brooklet" else None
        row = [NAMES[name], "%.2f MB" % (binary / 1e6), "%.2f MB" % (layer / 1e6), quartiles(begin), of(idle, "idle_rss_kb", 1.024e-3)]
        row.append(" / ".join(number(median(runs, "peak_rss_kb") * 1.024e-3) for runs in (load, packed) if runs) or "–")
        row.append(" / ".join(number(median(runs, "cpu_ms")) for runs in (load, packed) if runs) or "–")
        row.append(len(median_threads(load or idle)))
        rows.append(row)
        own = name == "brooklet"
        panels["zip"].append((SHORT[name], layer / 1e6, own))
        panels["start"].append((SHORT[name], statistics.median(begin), own))
        panels["idle"].append((SHORT[name], median(idle, "idle_rss_kb") * 1.024e-3, own))
        for label, runs in ((", gzip" if packed else "", packed or load), (", no gzip", load if packed else None)):
            if runs:
                panels["peak"].append((SHORT[name] + label, median(runs, "peak_rss_kb") * 1.024e-3, own))
                panels["cpu"].append((SHORT[name] + label, median(runs, "cpu_ms"), own))
    floor = ("C floor: no TLS, nothing shipped", "%.2f MB" % (os.path.getsize(found["tools"]["floor"]) / 1e6), "–")
    rows.append((*floor, quartiles(found["start"]["C floor, musl"]["wall"]), of(found["idle"]["floor"], "idle_rss_kb", 1.024e-3), "–", "–", 1))
    titles = [
        ("zip", "Layer, zipped", "MB"),
        ("start", "From exec to the first `next`", "ms"),
        ("idle", "Memory when idle", "MB"),
        ("peak", "Memory at most, over 100,000 records in one invocation", "MB"),
        ("cpu", "Processor time for these 100,000 records", "ms"),
    ]
    return rows, [(title.replace("`", ""), unit, panels[key]) for key, title, unit in titles]


def median_threads(runs):
    """The names of the threads, of the run that had most."""
    return sorted(max((run["threads"] for run in runs), key=len))


def targets(found):
    """What is aimed at, what it is here, and whether that is enough."""
    ingest, start = found["ingest"], found["start"]
    floor = statistics.median(start["C floor, musl"]["wall"])
    libc = statistics.median(start["C floor, glibc"]["wall"])
    own = statistics.median(start["brooklet"]["wall"])

    def cpu(name):
        return median(ingest[name], "cpu_ms")

    growth = cpu("growth 10") / cpu("growth 1")
    peaks = [median(ingest[name], "peak_rss_kb") * 1.024e-3 for name in ("growth 1", "growth 10")]
    rows = [
        ("layer, zipped", "≤ 1.0 MB", "%.2f MB" % (found["layers"]["brooklet"] / 1e6), found["layers"]["brooklet"] <= 1e6),
        ("binary", "≤ 2.0 MB", "%.2f MB" % (os.path.getsize(found["tools"]["brooklet"]) / 1e6), os.path.getsize(found["tools"]["brooklet"]) <= 2e6),
        ("exec to `next`", "≤ 2 × the C floor", "%.2f × on musl, %.2f × on glibc" % (own / floor, own / libc), own / floor <= 2),
        ("memory idle", "≤ 1.8 MB", "%.2f MB" % (median(found["idle"]["brooklet"], "idle_rss_kb") * 1.024e-3), median(found["idle"]["brooklet"], "idle_rss_kb") * 1.024e-3 <= 1.8),
        ("memory peak, gzip", "≤ 8 MB", "%.2f MB" % peaks[0], peaks[0] <= 8),
        ("CPU, no gzip", "≤ 70 ms", "%.1f ms" % cpu("brooklet none made"), cpu("brooklet none made") <= 70),
        ("CPU, no gzip, above the copy floor", "≤ 40 ms", "%.1f ms" % (cpu("brooklet none made") - cpu("floor none made")), cpu("brooklet none made") - cpu("floor none made") <= 40),
        ("CPU, gzip", "≤ 80 ms", "%.1f ms" % cpu("brooklet gzip made"), cpu("brooklet gzip made") <= 80),
        *enrichment(cpu),
        format_row(found),
        ("hold in `end`", "≤ 1 ms", "%.2f ms" % statistics.median(found["hold"]["brooklet"]["held_ms"]), statistics.median(found["hold"]["brooklet"]["held_ms"]) <= 1),
        ("10 times the records: CPU", "9 to 11 times", "%.2f times" % growth, 9 <= growth <= 11),
        ("10 times the records: memory", "the same (± 10%)", "%.2f MB, %.2f MB" % tuple(peaks), peaks[1] <= peaks[0] * 1.1),
    ]
    if "forwarder" in start:
        other = statistics.median(start["forwarder"]["wall"])
        rows.insert(3, ("exec to `next`, beside the `lambda-extension` forwarder", "below it", "%.2f × of it" % (own / other), own < other))
    return table(("what", "aim", "here", ""), [(*row[:3], "yes" if row[3] else "**no**") for row in rows])


def enrichment(cpu):
    """What levels and enrichment cost beside the bare path: rows of the targets."""
    rows = []
    for compression, label in (("gzip", "gzip"), ("none", "no gzip")):
        ratios = [cpu("brooklet %s %s" % (compression, corpus)) / cpu("bare %s %s" % (compression, corpus)) for corpus in ("made", "json")]
        rows.append(("levels and enrichment, CPU in all, " + label, "≤ 1.5 × the bare path", "%.2f × for text, %.2f × for JSON" % tuple(ratios), max(ratios) <= 1.5))
    return rows


def format_ratios(found):
    """How much each format takes beside `ndjson`: the medians' ratios by format, in the order of the columns."""
    columns = [("gzip", "made"), ("gzip", "json"), ("none", "made"), ("none", "json")]
    cpu = {key: median(runs, "cpu_ms") for key, runs in found["formats"].items()}
    names = dict.fromkeys(name for _, _, name in cpu)
    return {name: [cpu[(*column, name)] / cpu[(*column, "ndjson")] for column in columns] for name in names}


def format_row(found):
    """The most that a format takes beside `ndjson`: a row of the targets."""
    ratios = format_ratios(found)
    worst = max(ratios, key=lambda name: max(ratios[name]))
    most = max(ratios[worst])
    return ("any format over plain HTTP, CPU in all", "≤ 1.5 × `ndjson`", "at most %.2f ×: `%s`" % (most, worst), most <= 1.5)


def ingest_table(found):
    """The load in numbers."""
    rows = []
    for name, runs in found["ingest"].items():
        program, compression, corpus = (name.split() + [""])[:3]
        if program == "growth":
            continue
        label = {"brooklet": "brooklet", "bare": "brooklet, bare", "floor": "copy floor", "forwarder": "forwarder"}[program]
        rows.append((
            corpus,
            label + (", gzip" if compression == "gzip" else ""),
            of(runs, "cpu_ms"),
            "%d + %d" % (median(runs, "user_ms"), median(runs, "system_ms")),
            "–" if program == "floor" else of(runs, "peak_rss_kb", 1.024e-3),
            of(runs, "sent_ms"),
            "%.1f MB in %d" % (median(runs, "bytes") / 1e6, median(runs, "requests")),
        ))
    rows.sort(key=lambda row: (row[0], "gzip" in row[1]))
    head = ("lines", "program", "CPU, ms", "user + system with the start, ms", "memory at most, MB", "until all is sent, ms", "sent")
    return table(head, rows)


def fleet_table(found):
    """What the destination sees of a fleet, and of one of 10,000."""
    rows = []
    for name, strategy, result in found["fleet"]:
        steady, begin, many = result["steady"], result["start"], 10000 / result["environments"]
        rows.append((
            name,
            "`%s`" % strategy,
            result["environments"],
            "%.0f" % (result["invocations"] / steady["seconds"]),
            "%.1f" % (steady["requests"] / steady["seconds"]),
            "%.2f" % (steady["connections"] / steady["seconds"]),
            begin["most_connections_a_second"],
            result["most_open"],
            "%s" % format(round(many * steady["requests"] / steady["seconds"], -1 if many > 9 else 0), ",.0f"),
            "%s" % format(round(many * steady["connections"] / steady["seconds"], -1 if many > 9 else 0), ",.0f"),
        ))
    head = ("fleet", "`BROOKLET_FLUSH`", "environments", "invocations/s", "requests/s", "new connections/s", "most in a second, at the start", "open at most", "10,000: requests/s", "10,000: new connections/s")
    return table(head, rows)


def text(found, root):
    """RESULTS.md."""
    rows, panels = beside(found)
    ingest, wrote = found["ingest"], found["wrote"]
    start_rows = [(NAMES.get(name, name), quartiles(times["wall"]), quartiles(times["cpu"])) for name, times in found["start"].items()]
    held = [(NAMES[name], "–" if name != "brooklet" else quartiles(times["held_ms"]), quartiles(times["sent_ms"])) for name, times in found["hold"].items()]
    growth = [(n, of(ingest["growth " + n], "cpu_ms"), of(ingest["growth " + n], "peak_rss_kb", 1.024e-3)) for n in ("1", "10")]
    growth = [("100,000" if n == "1" else "1,000,000", cpu, peak) for n, cpu, peak in growth]
    threads = median_threads(ingest["brooklet gzip made"])
    names = ["`%s`%s" % (name, "" if threads.count(name) == 1 else " %d times" % threads.count(name)) for name in sorted(set(threads))]
    packed = {corpus: wrote["gzip " + corpus]["unpacked"] / wrote["gzip " + corpus]["sent"] for corpus in ("made", "real")}
    quick = "" if not found["quick"] else "\n**This is a quick run, of few rounds, that shows that the benches work. Its times mean nothing.**\n"
    parts = ["""# What was measured
%s
Written by `benches/run` in %d minutes on %s, of commit `%s`; `benches/README.md` says how each number comes about.

Machine: %s.
Everything is on its loopback, over plain HTTP.
A number with two others in brackets is the median with the quartiles; the runs of all programs are interleaved.
`./build.sh && benches/run` repeats it on another machine: it wants Linux, Rust, python3, a C compiler and a network for the peers' crates.

![the numbers as bars](chart.svg)

## Side by side
""" % (quick, found["minutes"], time.strftime("%Y-%m-%d"), revision(root), machine())]
    parts.append(table(("program", "binary", "zip", "exec to `next`, ms", "memory idle, MB", "memory at most, MB", "CPU for 100,000 records, ms", "threads"), rows))
    parts.append("\nTwo numbers with a slash are without and with gzip.")
    if "forwarder" in found["tools"]:
        parts.append("""The forwarder (`benches/peers/forwarder`, %s) sends what it gets as it gets it, a request a batch: no gzip, no request id, no level, no buffer, no retry.
Neither of the two has done anything for TLS when it is idle: both do so when they send, and here nothing asks for it.
The other crate subscribes to platform events alone, so it is given no load.""" % found["forwarder_built"])
    parts.append("\n## What is aimed at\n")
    parts.append(targets(found))
    parts.append("""
## Start

From exec to the first `GET …/event/next`, in milliseconds.
""")
    parts.append(table(("program", "time", "CPU"), start_rows))
    parts.append("""
## Load

100,000 records in 100 batches of 1000 in one invocation, posted one after the other as fast as they are taken.
`made` are lines as one function writes them, %.0f bytes each with their event; `real` are the lines of `tests/data/lines`, %.0f bytes on average, in an order by chance.
gzip packs the first %.0f to 1 and the second %.0f to 1.
CPU is user and system time from the first `next` to the end of the process, SHUTDOWN included.
The copy floor reads the same POSTs and writes the same bytes to the destination, and does nothing between.
`json` are the records of a JSON logger, %.0f bytes each.
The bare path (`./build.sh --bare`) ships time, type and text of what a function logs, with nothing read out of it and nothing added.
That every record arrives is checked by its id in the run before the first, and by the number of lines in all that are not compressed.
""" % (found["sizes"]["made"], found["sizes"]["real"], packed["made"], packed["real"], found["sizes"]["json"]))
    parts.append(ingest_table(found))
    parts.append("""
## Formats

The same load in each format, beside `ndjson`: the CPU of a record's whole way, with the defaults (gzip) and without gzip.
The destination's answers are empty.
""")
    rows = [("`%s`" % name, *("%.2f" % ratio for ratio in ratios)) for name, ratios in format_ratios(found).items()]
    parts.append(table(("format", "text", "JSON", "text, no gzip", "JSON, no gzip"), rows))
    parts.append("""
## Growth

The same lines with gzip, once and ten times in one invocation.
""")
    parts.append(table(("records", "CPU, ms", "memory at most, MB"), growth))
    parts.append("""
## Hold

Invocations of five lines with `BROOKLET_FLUSH=end` and a destination that answers at once, in milliseconds from the moment that the batch with `platform.runtimeDone` is handed over.
""")
    parts.append(table(("program", "until it asks for the next event", "until the destination has the last request"), held))
    if "forwarder" in found["hold"]:
        parts.append("\nThe forwarder asks for the next event at once, before its records are sent, so that a freeze cuts them.")
    parts.append("""
## Threads

%d under load: %s.
""" % (len(threads), ", ".join(names)))
    if found["dependencies"]:
        own, *other = found["dependencies"]
        beside_it = ", %d into the forwarder" % other[0] if other else ""
        parts.append("## Dependencies\n\n%d crates are linked into brooklet%s.\n" % (own, beside_it))
    if found["counts"]:
        parts.append("## Counts\n\nWhat a record costs in the pure stages, counted by valgrind; `benches/counts` holds these numbers in `.ci/run`.\n")
        parts.append(found["counts"])
    parts.append("""
## A fleet

Real processes, each frozen between its invocations, which come by chance; what one destination sees of them.
An invocation takes 100 ms and writes 10 lines.
All environments start within one second.
The last two columns are the same for 10,000 environments, in proportion; the first rows show that it is one.
""")
    parts.append(fleet_table(found))
    if found["stages"]:
        parts.append("""
## Stages

What a thousand records take in each pure stage, so that microseconds are nanoseconds of a record (`cargo bench --bench stages`).

```text
%s
```
""" % found["stages"])
    return "\n".join(parts).rstrip() + "\n", chart.draw(panels)
