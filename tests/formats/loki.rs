//! `loki`: the push API as Loki documents it: streams of labels, nanosecond strings, metadata of strings.

use super::living::{feed_living, payload_of, texts};
use super::{Case, Common, Object, Payload, check, elements, expected, feed, payload};
use crate::model;
use crate::scenario::feed::{Told, json, line};
use crate::sink::Sink;
use crate::sink::script::{Reply, Script};
use std::collections::BTreeMap;

/// A stream's labels, by their names.
type Labels = BTreeMap<String, String>;

/// A set of labels that Loki takes.
fn labels(json: &str) -> Labels {
    let labels: Labels = model::fields(json)
        .into_iter()
        .map(|(name, value)| (name, model::string(&value)))
        .collect();
    assert!(!labels.is_empty() && labels.len() <= 15, "{json}");
    for (name, value) in &labels {
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(
            name.chars().all(sound) && !name.starts_with(|c: char| c.is_ascii_digit()),
            "{name}"
        );
        assert!(!value.is_empty() && value.len() <= 2048, "{name}={value}");
    }
    labels
}

/// An entry of a stream.
fn entry(json: &str, labels: &Labels) -> Common {
    let parts = elements(json);
    assert_eq!(parts.len(), 3, "{json}");
    let time = model::string(&parts[0]);
    assert!(
        (1..=19).contains(&time.len()) && time.bytes().all(|byte| byte.is_ascii_digit()),
        "{time}"
    );
    let line = model::string(&parts[1]);
    assert!(line.len() <= 256 * 1024);
    let mut labels = labels.clone();
    // Whatever is in here must be a string: nothing but `text` is called.
    let mut metadata = Object::of(&parts[2]);
    let mut read = Common {
        time_ns: time.parse().expect("nanoseconds"),
        record_id: metadata.must("record_id"),
        ..Common::default()
    };
    let mut fact = |metadata: &mut Object, name: &str| {
        let label = labels.remove(name);
        let told = metadata.text(name);
        assert!(label.is_none() || told.is_none(), "{name} is there twice");
        label.or(told)
    };
    read.kind = fact(&mut metadata, "type").expect("a type");
    read.level = fact(&mut metadata, "level");
    read.request_id = fact(&mut metadata, "request_id");
    read.trace_id = fact(&mut metadata, "trace_id");
    read.tenant_id = fact(&mut metadata, "tenant_id");
    read.cold_start = fact(&mut metadata, "cold_start").map(|text| text.parse().expect("a truth"));
    read.sample = fact(&mut metadata, "sample");
    let beside = metadata.text("record");
    read.extra = metadata.text("extra").map(|json| model::compact(&json));
    read.function_name = fact(&mut metadata, "function_name");
    read.function_version = fact(&mut metadata, "function_version");
    read.function_arn = fact(&mut metadata, "function_arn");
    let number = |text: String| text.parse().expect("a number");
    read.function_memory_mb = fact(&mut metadata, "function_memory_mb").map(number);
    read.region = fact(&mut metadata, "region");
    read.account_id = fact(&mut metadata, "account_id");
    read.service_name = fact(&mut metadata, "service_name");
    for (name, value) in metadata.all("tags_") {
        read.tags.insert(name, model::string(&value));
    }
    metadata.end();
    // Labels that are no facts of ours are tags.
    read.tags.extend(labels);
    let is_json = line.starts_with(['{', '['])
        && serde_json::from_str::<&serde_json::value::RawValue>(&line).is_ok();
    if let Some(json) = beside {
        read.message = Some(line);
        read.record = Some(model::compact(&json));
    } else if is_json {
        // The text of JSON is part of it.
        let fields = if line.starts_with('{') {
            model::fields(&line)
        } else {
            Vec::new()
        };
        let text = fields
            .iter()
            .find(|(name, _)| name == "message" || name == "msg");
        let text = text.filter(|(_, json)| read.kind == "function" && json.starts_with('"'));
        read.message = text.map(|(_, json)| model::string(json));
        read.record = Some(model::compact(&line));
    } else {
        read.message = Some(line);
    }
    read
}

/// The streams of a payload, each with its labels.
fn streams(payload: &Payload) -> Vec<(Labels, Vec<Common>)> {
    let mut whole = Object::of(payload.text());
    let all = elements(&whole.json("streams").expect("streams"));
    whole.end();
    assert!(!all.is_empty());
    let mut read: Vec<(Labels, Vec<Common>)> = Vec::new();
    for json in all {
        let mut stream = Object::of(&json);
        let labels = labels(&stream.json("stream").expect("labels"));
        let values = elements(&stream.json("values").expect("values"));
        stream.end();
        assert!(!values.is_empty());
        assert!(
            read.iter().all(|(known, _)| *known != labels),
            "a stream is there twice"
        );
        // Loki's own name for what has no label is no fact.
        let mut own = labels.clone();
        own.retain(|name, value| !(name == "service_name" && value == "unknown_service"));
        let entries = values.iter().map(|json| entry(json, &own)).collect();
        read.push((labels, entries));
    }
    read
}

/// A record's number.
fn number(record: &Common) -> u64 {
    let number = record.record_id.rsplit('-').next().expect("a number");
    number.parse().expect("a number")
}

/// The records of a payload, whatever their labels: one stream behind the other.
pub(super) fn read_streams(payload: &Payload) -> Vec<Common> {
    let streams = streams(payload).into_iter();
    streams.flat_map(|(_, entries)| entries).collect()
}

/// The records of a payload whose labels are all the same.
fn read(payload: &Payload) -> Vec<Common> {
    let streams = streams(payload);
    assert_eq!(streams.len(), 1);
    streams
        .into_iter()
        .flat_map(|(_, entries)| entries)
        .collect()
}

const CASE: Case = Case {
    format: "loki",
    extension: "json",
    options: &[
        ("BROOKLET_API_KEY", "1234:glc_token"),
        ("BROOKLET_HEADERS", "X-Scope-OrgID=team-a"),
    ],
    unit_ns: 1,
    fills_message: false,
    read,
};

/// Lines of a function that say their number.
fn lines(count: usize) -> Vec<Told> {
    (0..count).map(|number| line(&number.to_string())).collect()
}

/// A Loki that answers so first, and then takes everything.
fn loki(first: impl IntoIterator<Item = Reply>) -> Sink {
    Sink::new(Script {
        first: first.into_iter().collect(),
        then: Reply::status(204),
    })
}

#[test]
fn loki_says_what_the_events_say() {
    let payload = check(&CASE);
    let header = |name| payload.request.header(name);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("content-encoding"), Some("gzip"));
    assert_eq!(header("authorization"), Some("Basic MTIzNDpnbGNfdG9rZW4="));
    assert_eq!(header("x-scope-orgid"), Some("team-a"));
    let (labels, _) = &streams(&payload)[0];
    let names: Vec<&str> = labels.keys().map(String::as_str).collect();
    assert_eq!(names, ["function_name", "region", "service_name"]);
}

#[test]
fn loki_groups_records_by_labels_of_their_own() {
    let options = [
        (
            "BROOKLET_LABELS",
            "level, type,env,service_name,never_heard_of",
        ),
        ("BROOKLET_API_KEY", "token"),
    ];
    let payload = payload("loki", &options);
    assert_eq!(
        payload.request.header("authorization"),
        Some("Bearer token")
    );
    let streams = streams(&payload);
    assert!(streams.len() > 4, "{streams:?}");
    let mut all = Vec::new();
    for (labels, records) in streams {
        assert_eq!(labels["env"], "prod");
        assert_eq!(labels["service_name"], "shop");
        let kinds: Vec<&str> = records.iter().map(|record| record.kind.as_str()).collect();
        assert!(
            kinds.iter().all(|kind| *kind == labels["type"]),
            "{kinds:?}"
        );
        let numbers: Vec<u64> = records.iter().map(number).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
        all.extend(records);
    }
    all.sort_by_key(number);
    assert_eq!(all, expected());
}

#[test]
fn loki_gets_a_label_where_none_is_known() {
    let payload = payload("loki", &[("BROOKLET_LABELS", "never_heard_of")]);
    let streams = streams(&payload);
    let unknown = ("service_name".to_owned(), "unknown_service".to_owned());
    assert_eq!(streams[0].0, BTreeMap::from([unknown]));
    // The service is known, and metadata.
    assert_eq!(streams[0].1[0].service_name.as_deref(), Some("shop"));
}

#[test]
fn loki_completes_a_bare_endpoint_and_keeps_to_limits() {
    let sink = loki([]);
    let endpoint = sink.url("/");
    let mut events = lines(10);
    let long = "\\\"x\u{1b}".repeat(100_000);
    events.push(line(&long));
    events.push(json(format!(
        r#"{{"message":"m","a":"{}"}}"#,
        "b".repeat(300_000)
    )));
    let options = [
        ("BROOKLET_ENDPOINT", endpoint.as_str()),
        ("BROOKLET_BATCH_RECORDS", "4"),
    ];
    let fed = feed(sink, "loki", &options, &[events]);
    assert_eq!(fed.count("truncated"), 2);
    for request in fed.sink.received() {
        assert_eq!(request.target, "/loki/api/v1/push");
        assert_eq!(request.header("authorization"), None);
        // The reader holds every line against Loki's limit.
        assert!(read(&payload_of(&request)).len() <= 4);
    }
    let all = texts(&fed.sink, read).concat();
    assert_eq!(all.len(), 12);
    for cut in &all[10..] {
        assert!(cut.ends_with("… [truncated]"));
    }
    assert!(all[11].starts_with(r#"{"message":"m","a":"bbb"#));
}

#[test]
fn loki_payloads_are_cut_by_bytes() {
    for labels in ["region", "level"] {
        let options = [
            ("BROOKLET_BATCH_BYTES", "2000"),
            ("BROOKLET_LABELS", labels),
        ];
        let fed = feed(loki([]), "loki", &options, &[lines(20)]);
        let requests = fed.sink.received();
        assert!(requests.len() > 3, "{}", requests.len());
        // What stands around the entries is no part of the limit.
        assert!(requests.iter().all(|one| one.body().len() <= 2200));
    }
}

#[test]
fn loki_is_asked_again_and_gets_smaller_payloads() {
    let limited = Reply::status(429).body("Ingestion rate limit exceeded for user fake");
    let fed = feed_living(
        loki([limited, Reply::status(500)]),
        "loki",
        &[],
        &lines(4),
        4,
        3,
    );
    assert_eq!((fed.count("retried"), fed.count("refused")), (2, 0));
    let fed = feed_living(loki([Reply::status(413)]), "loki", &[], &lines(4), 4, 2);
    let texts = texts(&fed.sink, read);
    assert_eq!(texts[0].len(), 4);
    assert_eq!(texts[1..].concat(), ["0", "1", "2", "3"]);
}

/// Loki's answer to a line that it does not take, which stands behind those that it stored.
fn refuses_one(body: &[u8]) -> u16 {
    let bad = body.windows(5).any(|part| part == br#"",{"r"#)
        && body.windows(9).any(|part| part == br#","poison""#);
    if bad { 400 } else { 204 }
}

#[test]
fn loki_has_one_bad_line_searched_for() {
    let sink = Sink::new(Script::always(Reply::deed(
        crate::sink::script::Deed::Judge(refuses_one),
    )));
    let mut events = lines(3);
    events.push(line("poison"));
    let fed = feed_living(sink, "loki", &[], &events, 4, 2);
    assert_eq!(fed.count("refused"), 1);
    let taken: Vec<String> = fed
        .sink
        .received()
        .iter()
        .filter(|request| request.acknowledged())
        .flat_map(|request| read(&payload_of(request)))
        .filter(|record| record.kind == "function")
        .filter_map(|record| record.message)
        .collect();
    assert_eq!(taken, ["0", "1", "2"]);
}

#[test]
fn loki_says_that_a_tenant_is_blocked() {
    let blocked = Reply::status(260).body("ingestion blocked for user fake until '2027-01-01'");
    let fed = feed_living(loki([blocked]), "loki", &[], &lines(4), 4, 1);
    assert_eq!(fed.count("refused"), 4);
    assert!(fed.tells(&["refused 4 records", "260", "ingestion blocked"]));
}
