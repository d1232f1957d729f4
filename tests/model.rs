//! The tests' own strict model of the formats `json` and `ndjson`, and what must be conserved.
//!
//! It knows the record only as the README tells it: every field it does not know, every type it does
//! not expect is a failure. The product's own types must never be used here.

use crate::lambda::telemetry::Event;
use crate::sink::{Received, Sink};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// One delivered record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The event's time.
    pub(crate) timestamp: String,
    /// The event's type.
    pub(crate) kind: String,
    /// How grave it is: one of six words.
    pub(crate) level: Option<String>,
    /// The text of a string record, the text that a JSON record carries, or a platform event's line.
    pub(crate) message: Option<String>,
    /// A record that is not text: JSON, as it was written.
    pub(crate) record: Option<String>,
    /// The fraction of its like that is kept: JSON, a number above 0 and at most 1.
    pub(crate) sample: Option<String>,
    /// The fields that hold strings, by name.
    pub(crate) texts: BTreeMap<String, String>,
    /// Whether it belongs to the environment's first invocation.
    pub(crate) cold_start: Option<bool>,
    /// The function's memory.
    pub(crate) function_memory_mb: Option<u64>,
    /// Fields of the event that nobody knows: JSON.
    pub(crate) extra: Option<String>,
    /// The owner's tags.
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

impl Record {
    /// A field that holds a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The record's own id.
    pub(crate) fn id(&self) -> &str {
        self.text("record_id").unwrap_or_default()
    }

    /// What it says: its text, or its JSON where it has no text.
    pub(crate) fn says(&self) -> &str {
        self.message
            .as_deref()
            .or(self.record.as_deref())
            .unwrap_or_default()
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> &str {
        self.record.as_deref().unwrap_or_default()
    }

    /// Whether its text or its JSON holds this.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let holds = |field: &Option<String>| field.as_ref().is_some_and(|it| it.contains(text));
        holds(&self.message) || holds(&self.record)
    }
}

/// The fields that hold a string and may be left out.
const TEXTS: [&str; 10] = [
    "request_id",
    "trace_id",
    "tenant_id",
    "function_name",
    "function_version",
    "function_arn",
    "region",
    "account_id",
    "record_id",
    "service_name",
];

/// The words a level may be.
pub(crate) const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

/// An object's fields in order, repeated names included.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Fields<'de>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key::<&'de RawValue>()? {
                    fields.push((Cow::Owned(string(name.get())), map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

/// An object's fields in order, as names and JSON.
pub(crate) fn fields(json: &str) -> Vec<(String, String)> {
    let Fields(fields) = serde_json::from_str(json)
        .unwrap_or_else(|error| panic!("not an object: {error}: {json:.300}"));
    let owned =
        |(name, value): (Cow<'_, str>, &RawValue)| (name.into_owned(), value.get().to_owned());
    fields.into_iter().map(owned).collect()
}

/// The text of a JSON string. A lone surrogate, which no string can hold, becomes U+FFFD.
pub(crate) fn string(json: &str) -> String {
    if let Ok(text) = serde_json::from_str(json) {
        return text;
    }
    let inner = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("not a JSON string: {json:.200}"));
    let (mut units, mut characters) = (Vec::new(), inner.chars());
    while let Some(character) = characters.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            continue;
        }
        let code: u16 = match characters.next() {
            Some('n') => 10,
            Some('r') => 13,
            Some('t') => 9,
            Some('b') => 8,
            Some('f') => 12,
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                u16::from_str_radix(&digits, 16)
                    .unwrap_or_else(|_| panic!("not an escape: \\u{digits}"))
            }
            Some(other @ ('"' | '\\' | '/')) => other as u16,
            other => panic!("not an escape: {other:?}"),
        };
        units.push(code);
    }
    String::from_utf16_lossy(&units)
}

/// Reads one record.
pub(crate) fn record(json: &str) -> Record {
    let fields: Fields<'_> = serde_json::from_str(json)
        .unwrap_or_else(|error| panic!("a record is not an object: {error}: {json:.300}"));
    let mut names = HashSet::new();
    let mut one = Record {
        timestamp: String::new(),
        kind: String::new(),
        level: None,
        message: None,
        record: None,
        sample: None,
        texts: BTreeMap::new(),
        cold_start: None,
        function_memory_mb: None,
        extra: None,
        tags: None,
    };
    for (name, value) in &fields.0 {
        assert!(
            names.insert(name.clone()),
            "the field {name} is there twice: {json:.300}"
        );
        let value = value.get();
        match name.as_ref() {
            "timestamp" => one.timestamp = string(value),
            "type" => one.kind = string(value),
            "level" => {
                let word = string(value);
                assert!(LEVELS.contains(&word.as_str()), "a level: {json:.300}");
                one.level = Some(word);
            }
            "sample" => {
                let fraction: f64 = typed(name, value);
                assert!(fraction > 0.0 && fraction <= 1.0, "a fraction: {json:.300}");
                one.sample = Some(value.to_owned());
            }
            "message" => one.message = Some(string(value)),
            "record" => {
                assert!(
                    !value.starts_with('"'),
                    "a string is a message, not a record: {json:.300}"
                );
                one.record = Some(value.to_owned());
            }
            "extra" => {
                assert!(value.starts_with('{'), "extra holds fields: {json:.300}");
                one.extra = Some(value.to_owned());
            }
            "cold_start" => one.cold_start = Some(typed(name, value)),
            "function_memory_mb" => one.function_memory_mb = Some(typed(name, value)),
            "tags" => one.tags = Some(typed(name, value)),
            text if TEXTS.contains(&text) => {
                one.texts.insert(text.to_owned(), string(value));
            }
            other => panic!("the field {other} is not a record's: {json:.300}"),
        }
    }
    assert!(!one.kind.is_empty(), "a record has a type: {json:.300}");
    assert!(!one.id().is_empty(), "a record has an id: {json:.300}");
    assert!(
        one.message.is_some() || one.record.is_some(),
        "a message, a record or both: {json:.300}"
    );
    one
}

fn typed<'a, T: Deserialize<'a>>(name: &str, value: &'a str) -> T {
    serde_json::from_str(value).unwrap_or_else(|error| panic!("{name} is {value}: {error}"))
}

/// The records of a request, by what its headers say of the body.
pub(crate) fn records_of(request: &Received) -> Vec<Record> {
    let body = String::from_utf8(request.body()).expect("a payload is UTF-8");
    pieces(request, &body).into_iter().map(record).collect()
}

/// The JSON text of each record of a payload.
pub(crate) fn pieces<'a>(request: &Received, body: &'a str) -> Vec<&'a str> {
    match request.header("content-type") {
        Some("application/json") => {
            let values: Vec<&RawValue> = serde_json::from_str(body).unwrap_or_else(|error| {
                panic!("a payload is not a JSON array: {error}: {body:.300}")
            });
            values.into_iter().map(RawValue::get).collect()
        }
        Some("application/x-ndjson") => {
            let lines = body
                .strip_suffix('\n')
                .expect("every line of a payload is ended");
            lines.split('\n').collect()
        }
        other => panic!("content type {other:?}"),
    }
}

/// Whether a record that says this was acknowledged.
pub(crate) fn has(sink: &Sink, text: &str) -> bool {
    records(sink).iter().any(|one| one.says() == text)
}

/// The records of every request that was acknowledged, in order, without brooklet's own.
pub(crate) fn records(sink: &Sink) -> Vec<Record> {
    acknowledged(sink, false)
}

/// The types of the records that brooklet writes itself while it runs.
pub(crate) const OWN: [&str; 6] = [
    "brooklet.stats",
    "brooklet.dead_letter",
    "brooklet.timeout",
    "brooklet.out_of_memory",
    "brooklet.crash",
    "brooklet.init_failure",
];

/// brooklet's own records of every request that was acknowledged, in order.
pub(crate) fn own_records(sink: &Sink) -> Vec<Record> {
    acknowledged(sink, true)
}

/// The records of every request that was acknowledged: brooklet's own, or the others.
fn acknowledged(sink: &Sink, own: bool) -> Vec<Record> {
    sink.received()
        .iter()
        .filter(|request| request.acknowledged())
        .flat_map(|request| records_of(request))
        .filter(|record| OWN.contains(&record.kind.as_str()) == own)
        .collect()
}

/// The counters of the last `brooklet.stats` record that was acknowledged, if there is one.
pub(crate) fn stats(sink: &Sink) -> Option<HashMap<String, u64>> {
    let last = own_records(sink)
        .into_iter()
        .rfind(|record| record.kind == "brooklet.stats")?;
    Some(serde_json::from_str(last.json()).expect("counters"))
}

/// Every record is accounted for: what came and what brooklet wrote itself is what was delivered, left out, lost by name, or still waits.
pub(crate) fn assert_accounts(stats: &HashMap<String, u64>) {
    let sum = |names: &[&str]| -> u64 { names.iter().map(|name| stats[*name]).sum() };
    assert_eq!(
        sum(&["received", "own"]),
        sum(&[
            "delivered",
            "filtered",
            "joined",
            "unreadable",
            "refused",
            "dead_lettered",
            "dropped_by_buffer",
            "dropped_at_shutdown",
            "waiting",
        ]),
        "{stats:?}"
    );
}

/// Waits until so many records are acknowledged; whether they are.
pub(crate) fn wait_records(sink: &Sink, count: usize, limit: Duration) -> bool {
    let known: RefCell<HashMap<usize, usize>> = RefCell::default();
    sink.wait(limit, |received: &[Arc<Received>]| {
        let mut known = known.borrow_mut();
        for (number, request) in received
            .iter()
            .enumerate()
            .filter(|(_, request)| request.acknowledged())
        {
            known.entry(number).or_insert_with(|| {
                let body = String::from_utf8(request.body()).unwrap_or_default();
                pieces(request, &body).len()
            });
        }
        known.values().sum::<usize>() >= count
    })
}

/// What a record must say of an event: its text, or its JSON, which may be that of one document inside a text.
pub(crate) fn expectation(event: &Event) -> String {
    let Event { time, kind, record } = event;
    let logged = matches!(kind.as_str(), "function" | "extension");
    if !record.starts_with('"') {
        let json = if logged {
            opened(record)
        } else {
            record.clone()
        };
        return format!("{time} {kind} json {}", compact(&json));
    }
    let text = string(record);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match document(text).filter(|_| logged) {
        Some(json) => format!("{time} {kind} json {}", compact(&opened(json))),
        None => format!("{time} {kind} text {text}"),
    }
}

/// The one JSON object that a line is, as a whole or behind the prefix of a managed runtime.
fn document(line: &str) -> Option<&str> {
    let time = |word: &str| word.ends_with('Z') && word.starts_with(|c: char| c.is_ascii_digit());
    let parts: Vec<&str> = line.splitn(4, '\t').collect();
    let rest = match parts.as_slice() {
        [at, _, level, rest] if time(at) && !level.is_empty() => rest,
        [level, at, _, rest] if time(at) && level.starts_with('[') => rest,
        _ => line,
    };
    let json = rest.trim();
    let parsed = serde_json::from_str::<&RawValue>(json);
    (json.starts_with('{') && parsed.is_ok()).then_some(json)
}

/// A JSON record with its `message` opened, if that is a string which holds one JSON object.
fn opened(json: &str) -> String {
    let fields = serde_json::from_str::<Fields<'_>>(json);
    let Some(Fields(fields)) = fields.ok().filter(|_| json.starts_with('{')) else {
        return json.to_owned();
    };
    let mut out = json.to_owned();
    for (name, value) in &fields {
        let raw = value.get();
        if name == "message" && raw.starts_with('"') {
            let text = string(raw);
            let inner = text.trim();
            if inner.starts_with('{') && serde_json::from_str::<&RawValue>(inner).is_ok() {
                out = out.replacen(raw, inner, 1);
            }
        }
    }
    out
}

/// What a record says.
pub(crate) fn statement(record: &Record) -> String {
    let Record {
        timestamp, kind, ..
    } = record;
    match &record.record {
        Some(json) => format!("{timestamp} {kind} json {}", compact(json)),
        None => format!("{timestamp} {kind} text {}", record.says()),
    }
}

/// JSON without the white space between its tokens: a line of NDJSON cannot keep line breaks.
pub(crate) fn compact(json: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(json.len()), false, false);
    for character in json.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_string = character == '"';
        }
        out.push(character);
    }
    out
}

/// Every event became exactly one record that says what it said, in the order of the events.
pub(crate) fn assert_conserved(events: &[Event], records: &[Record]) {
    let told: Vec<String> = events.iter().map(expectation).collect();
    let shipped: Vec<String> = records.iter().map(statement).collect();
    if told != shipped {
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for one in &told {
            *counts.entry(one).or_default() += 1;
        }
        for one in &shipped {
            *counts.entry(one).or_default() -= 1;
        }
        let named = |wanted: &dyn Fn(i64) -> bool| -> Vec<&str> {
            let mut list: Vec<&str> = counts
                .iter()
                .filter(|(_, count)| wanted(**count))
                .map(|(one, _)| *one)
                .collect();
            list.sort_unstable();
            list
        };
        let (lost, extra) = (named(&|count| count > 0), named(&|count| count < 0));
        assert!(
            lost.is_empty() && extra.is_empty(),
            "{} events, {} records; {} lost: {:#?}; {} too many: {:#?}",
            told.len(),
            shipped.len(),
            lost.len(),
            lost.iter()
                .take(5)
                .map(|one| format!("{one:.200}"))
                .collect::<Vec<_>>(),
            extra.len(),
            extra
                .iter()
                .take(5)
                .map(|one| format!("{one:.200}"))
                .collect::<Vec<_>>(),
        );
        let at = told
            .iter()
            .zip(&shipped)
            .position(|(one, other)| one != other)
            .unwrap_or(0);
        panic!(
            "out of order at {at}: {:.200} before {:.200}",
            shipped[at], told[at]
        );
    }
    assert_unique_ids(records);
}

/// No two records have the same id.
pub(crate) fn assert_unique_ids(records: &[Record]) {
    let mut ids = HashSet::new();
    for record in records {
        assert!(
            ids.insert(record.id()),
            "the id {} is there twice",
            record.id()
        );
    }
}
