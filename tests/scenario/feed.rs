//! Events of a test's own, handed to the real binary as batches, and what came of each.
//!
//! A table of input and expected output needs no function that runs: the events are posted to the listener, the
//! environment ends, and each delivered record is found again by the time of its event. Must not know what a step does.

use crate::harness::{PATIENCE, Run, Scenario};
use crate::model::{self, Record};
use crate::sink::Sink;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU16, Ordering};

/// The plain formats, each of which every table goes through.
pub(crate) const FORMATS: [&str; 2] = ["json", "ndjson"];

/// Fields that are the same for every record of an environment, or that only say which event it was.
const IDENTITY: [&str; 12] = [
    "type",
    "timestamp",
    "cold_start",
    "record_id",
    "function_name",
    "function_version",
    "function_arn",
    "function_memory_mb",
    "region",
    "account_id",
    "service_name",
    "tags",
];

/// An event without its time: its type, and its record as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    kind: String,
    record: String,
    more: String,
}

/// An event.
pub(crate) fn event(kind: &str, record: impl Into<String>) -> Told {
    Told {
        kind: kind.to_owned(),
        record: record.into(),
        more: String::new(),
    }
}

/// A line of the function, text log format.
pub(crate) fn line(text: &str) -> Told {
    event("function", quote(&format!("{text}\n")))
}

/// A record of the function that is JSON.
pub(crate) fn json(record: impl Into<String>) -> Told {
    event("function", record)
}

/// What the JSON log format makes of a line: an object stays one, text is wrapped.
pub(crate) fn wrapped(text: &str) -> String {
    let parsed = serde_json::from_str::<&serde_json::value::RawValue>(text);
    if text.starts_with('{') && parsed.is_ok() {
        return text.to_owned();
    }
    format!(
        r#"{{"timestamp":"2031-01-01T00:00:00.000Z","level":"INFO","message":{}}}"#,
        quote(text)
    )
}

/// `platform.start` of a request.
pub(crate) fn start(id: &str) -> Told {
    event(
        "platform.start",
        format!(r#"{{"requestId":"{id}","version":"$LATEST"}}"#),
    )
}

/// `platform.runtimeDone` of a request.
pub(crate) fn done(id: &str, status: &str) -> Told {
    event(
        "platform.runtimeDone",
        format!(
            r#"{{"requestId":"{id}","status":"{status}","metrics":{{"durationMs":12.5,"producedBytes":2}}}}"#
        ),
    )
}

/// `platform.report` of a request.
pub(crate) fn report(id: &str, status: &str) -> Told {
    event(
        "platform.report",
        format!(
            r#"{{"requestId":"{id}","status":"{status}","metrics":{{"durationMs":12.5,"billedDurationMs":13,"memorySizeMB":128,"maxMemoryUsedMB":33}}}}"#
        ),
    )
}

impl Told {
    /// With a field of the event that nobody knows.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.more = format!("{},{}:{value}", self.more, quote(name));
        self
    }

    /// The event as an element of a batch.
    pub(crate) fn json(&self, number: usize) -> String {
        format!(
            r#"{{"time":"{}","type":"{}","record":{}{}}}"#,
            time(number),
            self.kind,
            self.record,
            self.more
        )
    }
}

/// A string as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// The time of an event by its number, unlike any of the emulator's.
pub(crate) fn time(number: usize) -> String {
    let (seconds, millis) = (number / 1_000, number % 1_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!(
        "2031-05-20T{hours:02}:{minutes:02}:{:02}.{millis:03}Z",
        seconds % 60
    )
}

/// What came of the events.
#[derive(Debug)]
pub(crate) struct Fed {
    /// The run, which is over.
    pub(crate) run: Run,
    /// The destination.
    pub(crate) sink: Sink,
    /// Every record of ours, as it was written, by the number of its event.
    by_number: BTreeMap<usize, String>,
    /// brooklet's own records but for `brooklet.stats`: as read, and as written.
    pub(crate) own: Vec<(Record, String)>,
    /// The last counters.
    pub(crate) stats: HashMap<String, u64>,
}

/// Feeds batches of events to the binary with these options, under one format.
pub(crate) fn feed(format: &str, options: &[(&str, &str)], batches: &[Vec<Told>]) -> Fed {
    feed_to(Sink::ok(), |it| it, format, options, batches)
}

/// The same with a scenario changed.
pub(crate) fn feed_to(
    sink: Sink,
    change: impl FnOnce(Scenario) -> Scenario,
    format: &str,
    options: &[(&str, &str)],
    batches: &[Vec<Told>],
) -> Fed {
    let scenario = change(scenario(&sink, format, options));
    feed_until("spindown", sink, scenario, batches)
}

/// The listener's port of the next feed: what comes too late for one must never reach another.
static PORT: AtomicU16 = AtomicU16::new(24_000);

/// A scenario with these options.
pub(crate) fn scenario(sink: &Sink, format: &str, options: &[(&str, &str)]) -> Scenario {
    let scenario = Scenario::with(sink)
        .option("FORMAT", format)
        .option("TYPES", "platform,function,extension")
        .option("PORT", &PORT.fetch_add(1, Ordering::Relaxed).to_string())
        .unfrozen()
        // What is fed is not about the end's limit, and a busy machine needs its time.
        .lambda(|setup| setup.shutdown_limit = PATIENCE);
    with(scenario, options)
}

/// The same with these options too; those without our prefix are any variables.
pub(crate) fn with(scenario: Scenario, options: &[(&str, &str)]) -> Scenario {
    options.iter().fold(scenario, |scenario, (name, value)| {
        match name.strip_prefix("BROOKLET_") {
            Some(name) => scenario.option(name, value),
            None => scenario.env(name, value),
        }
    })
}

/// Posts batches to the listener, their events numbered throughout; says how many events these were.
pub(crate) fn post(run: &Run, batches: &[Vec<Told>]) -> usize {
    let mut sender = run.lambda.sender();
    let mut number = 0;
    for batch in batches {
        let mut elements = Vec::new();
        for told in batch {
            elements.push(told.json(number));
            number += 1;
        }
        let body = format!("[{}]", elements.join(","));
        let answer = sender.post("POST", "/", body.as_bytes()).expect("answered");
        assert_eq!(answer.status, 200);
    }
    number
}

/// Feeds batches to a scenario whose environment ends for this reason.
pub(crate) fn feed_until(
    reason: &str,
    sink: Sink,
    scenario: Scenario,
    batches: &[Vec<Told>],
) -> Fed {
    let mut run = scenario.start();
    assert!(run.lambda.drained(PATIENCE), "init was not delivered");
    let count = post(&run, batches);
    run.shutdown_because(reason);
    run.finish();
    let (by_number, own) = sort(&sink, count);
    // Where nothing was delivered, nobody asked for counters either.
    let stats = model::stats(&sink).unwrap_or_default();
    if !stats.is_empty() {
        model::assert_accounts(&stats);
    }
    Fed {
        run,
        sink,
        by_number,
        own,
        stats,
    }
}

/// The acknowledged records: ours by number, and brooklet's own.
fn sort(sink: &Sink, count: usize) -> (BTreeMap<usize, String>, Vec<(Record, String)>) {
    let numbers: HashMap<String, usize> = (0..count).map(|number| (time(number), number)).collect();
    let (mut by_number, mut own) = (BTreeMap::new(), Vec::new());
    for request in sink.received() {
        if !request.acknowledged() {
            continue;
        }
        let body = String::from_utf8(request.body()).expect("a payload is UTF-8");
        let read = model::records_of(&request);
        let written = model::pieces(&request, &body);
        for (record, json) in read.into_iter().zip(written) {
            if model::OWN.contains(&record.kind.as_str()) {
                if record.kind != "brooklet.stats" {
                    own.push((record, json.to_owned()));
                }
            } else if let Some(number) = numbers.get(&record.timestamp) {
                let before = by_number.insert(*number, json.to_owned());
                assert_eq!(before, None, "an event became two records");
            }
        }
    }
    (by_number, own)
}

impl Fed {
    /// The record of an event, its identity left out, as it was written; `None` if there is none.
    pub(crate) fn shown(&self, number: usize) -> Option<String> {
        self.by_number
            .get(&number)
            .map(|json| without(json, &IDENTITY))
    }

    /// The record of an event with all of its fields but these.
    pub(crate) fn whole(&self, number: usize, hidden: &[&str]) -> Option<String> {
        self.by_number
            .get(&number)
            .map(|json| without(json, hidden))
    }

    /// A record's fields by name, as JSON.
    pub(crate) fn fields(&self, number: usize) -> Option<BTreeMap<String, String>> {
        let json = self.by_number.get(&number)?;
        Some(model::fields(json).into_iter().collect())
    }

    /// Which events became records.
    pub(crate) fn kept(&self) -> Vec<usize> {
        self.by_number.keys().copied().collect()
    }

    /// The lines of standard error.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.run.stderr()
    }

    /// Whether a line of standard error holds all of this.
    pub(crate) fn tells(&self, parts: &[&str]) -> bool {
        self.run.tells(parts)
    }
}

/// An object without some of its fields, the others in their order; white space between tokens does not count.
pub(crate) fn without(json: &str, hidden: &[&str]) -> String {
    let shown = model::fields(json);
    let shown = shown
        .iter()
        .filter(|(name, _)| !hidden.contains(&name.as_str()))
        .map(|(name, value)| format!("{}:{}", quote(name), model::compact(value)));
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

/// Compares what came of each event with what a table says of it; all differences are shown at once.
pub(crate) fn assert_table(fed: &Fed, expected: &[Option<String>], what: &str) {
    let mut wrong = Vec::new();
    for (number, expected) in expected.iter().enumerate() {
        let shown = fed.shown(number);
        if shown != *expected {
            wrong.push(format!(
                "event {number}\n    expected {}\n    got      {}",
                expected.as_deref().unwrap_or("nothing"),
                shown.as_deref().unwrap_or("nothing")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{what}: {} of {} differ:\n{}\n{}",
        wrong.len(),
        expected.len(),
        wrong.join("\n"),
        fed.run.printed()
    );
}

/// One row of a table: an event, and its record without its identity, or nothing.
pub(crate) type Row<'a> = (Told, Option<&'a str>);

/// Feeds a table under both formats and compares.
pub(crate) fn check(options: &[(&str, &str)], rows: &[Row<'_>]) -> Vec<Fed> {
    let mut all = Vec::new();
    for format in FORMATS {
        let events = rows.iter().map(|(event, _)| event.clone()).collect();
        let fed = feed(format, options, &[events]);
        let expected: Vec<Option<String>> = rows
            .iter()
            .map(|(_, expected)| expected.map(str::to_owned))
            .collect();
        assert_table(&fed, &expected, &format!("{format}, {options:?}"));
        all.push(fed);
    }
    all
}
