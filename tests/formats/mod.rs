//! Every format against one shared set of events: the whole payload, and what a strict reader makes of it.
//!
//! The payload of the real binary lies under `tests/data/expect/<format>/`; with `BROOKLET_EXPECT=write` it is written
//! instead of compared. Each format's reader (one file each) knows it only from its destination's documentation; it must
//! not use the product's types. What it reads is compared with what `ndjson` says of the same events.

mod arbitrary;
mod aws;
mod coralogix;
mod datadog;
mod elasticsearch;
pub(crate) mod fuzz;
mod honeycomb;
mod living;
mod loki;
mod newrelic;
mod otlp;
mod plain;
mod renamed;
mod splunk;
mod vendors;

use crate::harness::{PATIENCE, Run};
use crate::lambda::function::Invocation;
use crate::lambda::telemetry::Event;
use crate::model;
use crate::scenario::books;
use crate::scenario::feed::{self, Told};
use crate::sink::{Received, Sink};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every destination is told of a record, whatever it calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Common {
    /// The event's time, in nanoseconds since 1970, as far as the format tells it.
    pub(crate) time_ns: u64,
    /// The event's type.
    pub(crate) kind: String,
    /// How grave it is: one of `model::LEVELS`.
    pub(crate) level: Option<String>,
    /// The text.
    pub(crate) message: Option<String>,
    /// The JSON, without white space between its tokens.
    pub(crate) record: Option<String>,
    /// The request.
    pub(crate) request_id: Option<String>,
    /// The trace.
    pub(crate) trace_id: Option<String>,
    /// The tenant.
    pub(crate) tenant_id: Option<String>,
    /// Whether it belongs to the environment's first invocation.
    pub(crate) cold_start: Option<bool>,
    /// The fraction of its like that is kept, as a JSON number.
    pub(crate) sample: Option<String>,
    /// Its id, the environment's part as `ENV`.
    pub(crate) record_id: String,
    /// Fields of the event that nobody knows: JSON, without white space between its tokens.
    pub(crate) extra: Option<String>,
    /// The function's name.
    pub(crate) function_name: Option<String>,
    /// Its version.
    pub(crate) function_version: Option<String>,
    /// Its ARN.
    pub(crate) function_arn: Option<String>,
    /// Its memory in MB.
    pub(crate) function_memory_mb: Option<u64>,
    /// The region.
    pub(crate) region: Option<String>,
    /// The account.
    pub(crate) account_id: Option<String>,
    /// The service.
    pub(crate) service_name: Option<String>,
    /// The owner's tags.
    pub(crate) tags: BTreeMap<String, String>,
}

/// How a format is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) format: &'static str,
    /// What the file of its payload ends in.
    pub(crate) extension: &'static str,
    /// Options besides the format and `SHARED`.
    pub(crate) options: &'static [(&'static str, &'static str)],
    /// The unit of its times, in nanoseconds.
    pub(crate) unit_ns: u64,
    /// Whether it needs a message, so that one that has none says its JSON.
    pub(crate) fills_message: bool,
    /// Reads a payload; panics on whatever it does not know. The environment's part of ids is `ENV` already.
    pub(crate) read: fn(&Payload) -> Vec<Common>,
}

/// A payload as the sink got it.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The request.
    pub(crate) request: Arc<Received>,
    /// Its body without its content coding, and with `ENV` for the environment's part of each record's id
    /// (repeated to the same length in a format that is not text).
    pub(crate) body: Vec<u8>,
}

impl Payload {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a payload is UTF-8")
    }

    /// Its lines, each ended.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let lines = self.text().strip_suffix('\n');
        lines.expect("every line is ended").split('\n').collect()
    }

    /// The elements of the array that it is, as JSON.
    pub(crate) fn elements(&self) -> Vec<String> {
        elements(self.text())
    }
}

/// What every format is told besides: a service, tags that need escapes, and a fraction of which the events' request is part.
const SHARED: [(&str, &str); 3] = [
    ("OTEL_SERVICE_NAME", "shop"),
    ("BROOKLET_TAGS", "team=a%20%22b%22,env=prod"),
    ("BROOKLET_SAMPLE", "0.625"),
];

/// The length of the environment's part of a record's id.
const ENVIRONMENT: usize = 16;

/// The shared events, each as it is posted.
pub(crate) fn events() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/expect/events.json");
    elements(&std::fs::read_to_string(path).expect("the shared events are there"))
}

/// The elements of an array, as JSON.
pub(crate) fn elements(json: &str) -> Vec<String> {
    let values: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("no array: {error}: {json:.300}"));
    values.iter().map(|one| one.get().to_owned()).collect()
}

/// The payload of the shared events alone.
///
/// The local Lambda keeps its own events back until the end, and a payload holds as many records as there are events.
pub(crate) fn payload(format: &str, options: &[(&str, &str)]) -> Payload {
    payload_at(&Sink::ok(), format, options)
}

/// The same at a sink of the caller's.
pub(crate) fn payload_at(sink: &Sink, format: &str, options: &[(&str, &str)]) -> Payload {
    let events = events();
    let count = events.len().to_string();
    let mut all = SHARED.to_vec();
    all.extend([
        ("BROOKLET_FLUSH", "periodic:3600000"),
        ("BROOKLET_TELEMETRY_TIMEOUT_MS", "30000"),
        ("BROOKLET_BATCH_RECORDS", count.as_str()),
    ]);
    all.extend(options);
    let mut run = feed::scenario(sink, format, &all).start();
    // Only an invocation tells the function's ARN.
    run.invoke(&Invocation::silent());
    let body = format!("[{}]", events.join(","));
    let answer = run.lambda.sender().post("POST", "/", body.as_bytes());
    assert_eq!(answer.expect("answered").status, 200);
    assert!(sink.wait_requests(1, PATIENCE), "{}", run.printed());
    let request = Arc::clone(&sink.received()[0]);
    run.finish();
    let mut body = request.body();
    normalise(&mut body);
    Payload { request, body }
}

/// Writes `ENV` for the environment's part of each record's id: 16 hex digits before a dash and a digit.
fn normalise(body: &mut Vec<u8>) {
    let binary = std::str::from_utf8(body).is_err();
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut at = 0;
    while let Some(window) = body.get(at..at + ENVIRONMENT + 2) {
        let (id, behind) = window.split_at(ENVIRONMENT);
        let begins = at == 0 || !body.get(at - 1).is_some_and(hex);
        if begins && id.iter().all(hex) && behind[0] == b'-' && behind[1].is_ascii_digit() {
            let placeholder: &[u8] = if binary { b"ENVENVENVENVENVE" } else { b"ENV" };
            body.splice(at..at + ENVIRONMENT, placeholder.iter().copied());
        }
        at += 1;
    }
}

/// The file of a format's payload.
fn file(case: &Case) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(
        "tests/data/expect/{}/payload.{}",
        case.format, case.extension
    ))
}

/// Compares a payload with its file, or writes it there.
fn assert_file(case: &Case, payload: &Payload) {
    let file = file(case);
    if std::env::var("BROOKLET_EXPECT").is_ok_and(|word| word == "write") {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("it can be made");
        std::fs::write(&file, &payload.body).expect("it can be written");
    }
    let expected = std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; see this module's doc", file.display()));
    if expected == payload.body {
        return;
    }
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let same = expected.iter().zip(&payload.body);
    let at = same.take_while(|(one, other)| one == other).count();
    let around = |bytes: &[u8]| lossy(&bytes[at.saturating_sub(80)..bytes.len().min(at + 120)]);
    panic!(
        "{}: the payload differs at byte {at}:\n expected …{}…\n got      …{}…",
        case.format,
        around(&expected),
        around(&payload.body)
    );
}

/// What a plain record says, in common form.
fn common(record: &model::Record) -> Common {
    let text = |name: &str| record.text(name).map(str::to_owned);
    Common {
        time_ns: nanoseconds(&record.timestamp),
        kind: record.kind.clone(),
        level: record.level.clone(),
        message: record.message.clone(),
        record: record.record.as_deref().map(model::compact),
        request_id: text("request_id"),
        trace_id: text("trace_id"),
        tenant_id: text("tenant_id"),
        cold_start: record.cold_start,
        sample: record.sample.clone(),
        record_id: record.id().to_owned(),
        extra: record.extra.as_deref().map(model::compact),
        function_name: text("function_name"),
        function_version: text("function_version"),
        function_arn: text("function_arn"),
        function_memory_mb: record.function_memory_mb,
        region: text("region"),
        account_id: text("account_id"),
        service_name: text("service_name"),
        tags: record.tags.clone().unwrap_or_default(),
    }
}

/// What the events must become: what `ndjson` says of them, which is what they say themselves.
pub(crate) fn expected() -> Vec<Common> {
    let plain = payload("ndjson", &[]);
    let records = plain::records(&plain);
    let told: Vec<Event> = events().iter().map(|json| event(json)).collect();
    model::assert_conserved(&told, &records);
    records.iter().map(common).collect()
}

/// An event as the model wants it.
fn event(json: &str) -> Event {
    let fields: HashMap<String, String> = model::fields(json).into_iter().collect();
    Event {
        time: model::string(&fields["time"]),
        kind: model::string(&fields["type"]),
        record: fields["record"].clone(),
    }
}

/// Nanoseconds since 1970 of RFC 3339 text in UTC.
pub(crate) fn nanoseconds(text: &str) -> u64 {
    let seconds: String = text.chars().take(19).collect();
    let fraction = text[19..].strip_suffix('Z').expect("a time in UTC");
    let digits = match fraction.strip_prefix('.') {
        Some(digits) => digits,
        None => {
            assert_eq!(fraction, "", "a fraction begins with a dot: {text}");
            ""
        }
    };
    assert!(digits.len() <= 9, "{text}");
    let part = |from: usize, to: usize| -> u64 { seconds[from..to].parse().expect("a number") };
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let days_of = |month: u64| match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let years: u64 = (1970..year).map(|y| if leap(y) { 366 } else { 365 }).sum();
    let days = years + (1..month).map(days_of).sum::<u64>() + day - 1;
    let seconds = days * 86_400 + part(11, 13) * 3_600 + part(14, 16) * 60 + part(17, 19);
    let nanos: u64 = format!("{digits:0<9}").parse().expect("a fraction");
    seconds * 1_000_000_000 + nanos
}

/// Runs a format over the shared events: its payload is the one in its file, and says what they say.
pub(crate) fn check(case: &Case) -> Payload {
    let payload = payload(case.format, case.options);
    assert_file(case, &payload);
    let read = (case.read)(&payload);
    let mut expected = expected();
    for one in &mut expected {
        one.time_ns -= one.time_ns % case.unit_ns;
        if case.fills_message && one.message.is_none() {
            one.message.clone_from(&one.record);
        }
    }
    assert_eq!(read.len(), expected.len(), "{}: records", case.format);
    for (number, (read, expected)) in read.iter().zip(&expected).enumerate() {
        assert_eq!(read, expected, "{}: record {number}", case.format);
    }
    payload
}

/// An object that is read field by field in the order in which it must hold them.
#[derive(Debug)]
pub(crate) struct Object {
    left: VecDeque<(String, String)>,
    whole: String,
}

impl Object {
    /// An object whose names differ.
    pub(crate) fn of(json: &str) -> Self {
        let left = VecDeque::from(model::fields(json));
        let names: std::collections::HashSet<_> = left.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), left.len(), "a name is there twice: {json}");
        Self {
            whole: json.to_owned(),
            left,
        }
    }

    /// The next field's JSON, if that is its name.
    pub(crate) fn json(&mut self, name: &str) -> Option<String> {
        let (next, _) = self.left.front()?;
        if next != name {
            return None;
        }
        self.left.pop_front().map(|(_, value)| value)
    }

    /// The same for a string.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let json = self.json(name)?;
        assert!(json.starts_with('"'), "{name} is {json}: {}", self.whole);
        Some(model::string(&json))
    }

    /// The same for a string that must be there.
    pub(crate) fn must(&mut self, name: &str) -> String {
        self.text(name)
            .unwrap_or_else(|| panic!("no {name} where it belongs: {}", self.whole))
    }

    /// The same for a whole number.
    pub(crate) fn number(&mut self, name: &str) -> Option<u64> {
        let json = self.json(name)?;
        let number = json.parse();
        Some(number.unwrap_or_else(|_| panic!("{name} is {json}: {}", self.whole)))
    }

    /// The same for true or false.
    pub(crate) fn truth(&mut self, name: &str) -> Option<bool> {
        let json = self.json(name)?;
        let truth = json.parse();
        Some(truth.unwrap_or_else(|_| panic!("{name} is {json}: {}", self.whole)))
    }

    /// The next fields whose names begin with this, without it.
    pub(crate) fn all(&mut self, prefix: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        while let Some((name, _)) = self.left.front()
            && let Some(rest) = name.strip_prefix(prefix)
        {
            let rest = rest.to_owned();
            found.extend(self.left.pop_front().map(|(_, value)| (rest, value)));
        }
        found
    }

    /// Nothing else is there.
    pub(crate) fn end(self) {
        assert!(
            self.left.is_empty(),
            "unknown or out of order: {:?} in {}",
            self.left,
            self.whole
        );
    }
}

/// An object of strings.
pub(crate) fn tags(json: &str) -> BTreeMap<String, String> {
    let fields = model::fields(json).into_iter();
    fields
        .map(|(name, value)| (name, model::string(&value)))
        .collect()
}

/// An object of these fields, as JSON.
pub(crate) fn object(fields: &[(String, String)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}:{}", feed::quote(name), model::compact(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// What became of events of a test's own.
#[derive(Debug)]
pub(crate) struct Fed {
    /// The run, which is over.
    pub(crate) run: Run,
    /// The destination.
    pub(crate) sink: Sink,
    /// The last counters.
    pub(crate) counters: HashMap<String, u64>,
}

impl Fed {
    /// Ends the run and closes the books: every record is accounted for.
    fn close(mut run: Run, sink: Sink) -> Self {
        run.finish();
        let counters = books::counters(&run.stderr());
        books::assert_balance(&counters);
        Self {
            run,
            sink,
            counters: counters.0,
        }
    }

    /// A counter.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counters[name]
    }

    /// Everything that was shipped was delivered; what brooklet itself printed is not shipped.
    pub(crate) fn assert_whole(&self) {
        let all = self.count("received") + self.count("own");
        let fine = self.count("delivered") + self.count("filtered");
        assert_eq!(fine, all, "{:?}", self.counters);
    }

    /// Whether a line of standard error holds all of this.
    pub(crate) fn tells(&self, parts: &[&str]) -> bool {
        self.run.tells(parts)
    }
}

/// Feeds batches of events to the binary with these options, and closes the books: every record is accounted for.
///
/// The local Lambda's own events come at the end, behind all others.
pub(crate) fn feed(
    sink: Sink,
    format: &str,
    options: &[(&str, &str)],
    batches: &[Vec<Told>],
) -> Fed {
    let scenario = feed::scenario(&sink, format, &[])
        .option("LOG_LEVEL", "debug")
        .option("FLUSH", "periodic:3600000")
        .option("TELEMETRY_TIMEOUT_MS", "30000");
    let run = feed::with(scenario, options).start();
    feed::post(&run, batches);
    Fed::close(run, sink)
}
