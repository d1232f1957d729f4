//! `elasticsearch`: `_bulk` as Elasticsearch and OpenSearch document it, and an emulator of its answers, which is as strict.

use super::living::{feed_living, payload_of, texts};
use super::{Case, Common, Object, Payload, check, feed, nanoseconds, payload, tags};
use crate::harness;
use crate::model;
use crate::scenario::feed::{Told, line};
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};

/// An action, which must be of this index; its id.
fn action(json: &str, index: Option<&str>) -> String {
    let mut whole = Object::of(json);
    let mut create = Object::of(&whole.json("create").expect("nothing but create"));
    whole.end();
    let id = create.must("_id");
    assert_eq!(create.text("_index").as_deref(), index);
    create.end();
    assert!(!id.is_empty() && id.len() <= 512, "{id}");
    id
}

/// The keys of all objects in JSON, as they stand between the quotes.
fn keys(json: &str) -> Vec<&str> {
    let (mut keys, mut rest) = (Vec::new(), json);
    while let Some(from) = rest.find('"') {
        let inside = &rest[from + 1..];
        let mut escaped = false;
        let end = inside.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.expect("a string ends");
        rest = &inside[end + 1..];
        if rest.trim_start().starts_with(':') {
            keys.push(&inside[..end]);
        }
    }
    keys
}

/// A document.
fn document(json: &str, id: String) -> Common {
    assert!(!keys(json).contains(&""), "no mapping takes it: {json}");
    let mut whole = Object::of(json);
    let mut read = Common {
        record_id: id,
        time_ns: nanoseconds(&whole.must("@timestamp")),
        kind: whole.must("type"),
        level: whole.text("log.level"),
        message: whole.text("message"),
        // What had no name has one here.
        record: whole
            .json("record")
            .map(|json| model::compact(&json).replace(r#""(empty)":"#, r#""":"#)),
        request_id: whole.text("faas.execution"),
        trace_id: whole.text("trace.id"),
        tenant_id: whole.text("tenant_id"),
        cold_start: whole.truth("faas.coldstart"),
        sample: whole.json("sample"),
        extra: whole.json("extra").map(|json| model::compact(&json)),
        function_name: whole.text("faas.name"),
        function_version: whole.text("faas.version"),
        function_arn: whole.text("faas.id"),
        function_memory_mb: whole.number("function_memory_mb"),
        region: whole.text("cloud.region"),
        account_id: whole.text("cloud.account.id"),
        service_name: whole.text("service.name"),
        tags: whole
            .json("labels")
            .map_or_else(Default::default, |json| tags(&json)),
    };
    whole.end();
    if let Some(record) = &read.record {
        assert!(record.starts_with('{'), "a mapping of objects: {record}");
    }
    // An array is written as text.
    if let Some(text) = read.message.clone()
        && text.starts_with('[')
        && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok()
    {
        read.record = Some(model::compact(&text));
        read.message = None;
    }
    read
}

fn pairs(payload: &Payload, index: Option<&str>) -> Vec<Common> {
    let lines = payload.lines();
    assert_eq!(lines.len() % 2, 0, "an action and a document each");
    let pairs = lines.chunks(2);
    pairs
        .map(|pair| document(pair[1], action(pair[0], index)))
        .collect()
}

fn read(payload: &Payload) -> Vec<Common> {
    pairs(payload, None)
}

pub(super) const CASE: Case = Case {
    format: "elasticsearch",
    extension: "ndjson",
    options: &[("BROOKLET_API_KEY", "a2V5")],
    unit_ns: 1,
    fills_message: false,
    read,
};

/// What a text deserves: its status, and what is answered beside it.
type Fate = fn(&str) -> (u16, &'static str);

/// An answer of `_bulk`, an item for each document.
fn answer(body: &[u8], fate: Fate) -> (u16, String) {
    let text = std::str::from_utf8(body).expect("UTF-8");
    let whole = text.strip_suffix('\n').expect("the last line is ended");
    let lines: Vec<&str> = whole.split('\n').collect();
    let (mut items, mut errors) = (Vec::new(), false);
    for pair in lines.chunks(2) {
        action(pair[0], None);
        let message = Object::of(pair[1])
            .all("")
            .into_iter()
            .find(|(name, _)| name == "message");
        let message = message.map(|(_, json)| model::string(&json));
        let (status, error) = fate(message.as_deref().unwrap_or_default());
        errors |= status >= 300;
        items.push(format!(r#"{{"create":{{"status":{status}{error}}}}}"#));
    }
    let items = items.join(",");
    (200, format!(r#"{{"errors":{errors},"items":[{items}]}}"#))
}

fn all_created(body: &[u8]) -> (u16, String) {
    answer(body, |_| (201, ""))
}

fn all_there(body: &[u8]) -> (u16, String) {
    let conflict = r#","error":{"type":"version_conflict_engine_exception","reason":"[x]: version conflict, document already exists"}"#;
    assert!(conflict.len() < 200);
    answer(body, |_| {
        (
            409,
            r#","error":{"type":"version_conflict_engine_exception","reason":"[x]: version conflict, document already exists"}"#,
        )
    })
}

fn mixed(body: &[u8]) -> (u16, String) {
    answer(body, |text| match text {
        "1" => (
            400,
            r#","error":{"type":"document_parsing_exception","reason":"[1:2] object mapping"}"#,
        ),
        "2" => (
            429,
            r#","error":{"type":"es_rejected_execution_exception"}"#,
        ),
        "3" => (503, r#","error":{"type":"unavailable_shards_exception"}"#),
        "4" => (
            409,
            r#","error":{"type":"version_conflict_engine_exception"}"#,
        ),
        _ => (201, ""),
    })
}

fn throttled(body: &[u8]) -> (u16, String) {
    answer(body, |text| match text {
        "2" => (
            429,
            r#","error":{"type":"es_rejected_execution_exception"}"#,
        ),
        _ => (201, ""),
    })
}

/// An answer by a function of the body.
fn by(answer: fn(&[u8]) -> (u16, String)) -> Reply {
    Reply::deed(Deed::Answer(answer))
}

/// A cluster that answers so first, and then creates everything.
fn cluster(first: impl IntoIterator<Item = Reply>) -> Sink {
    Sink::new(Script {
        first: first.into_iter().collect(),
        then: by(all_created),
    })
}

/// Lines of a function that say their number.
fn lines(count: usize) -> Vec<Told> {
    (0..count).map(|number| line(&number.to_string())).collect()
}

/// What is appended to a query.
const FILTER: &str = "filter_path=errors,items.*.status,items.*.error";

#[test]
fn elasticsearch_says_what_the_events_say() {
    let payload = check(&CASE);
    let header = |name| payload.request.header(name);
    assert_eq!(header("content-type"), Some("application/x-ndjson"));
    assert_eq!(header("content-encoding"), Some("gzip"));
    assert_eq!(header("authorization"), Some("ApiKey a2V5"));
    assert_eq!(payload.request.target, format!("/logs/_bulk?{FILTER}"));
}

#[test]
fn elasticsearch_takes_an_index_and_a_password() {
    let options = [
        ("BROOKLET_INDEX", "logs-lambda-default"),
        ("BROOKLET_API_KEY", "elastic:pass:word"),
    ];
    let payload = payload("elasticsearch", &options);
    let given = payload.request.header("authorization");
    assert_eq!(given, Some("Basic ZWxhc3RpYzpwYXNzOndvcmQ="));
    let read = pairs(&payload, Some("logs-lambda-default"));
    assert_eq!(read.len(), super::events().len());
}

#[test]
fn elasticsearch_completes_paths_and_queries() {
    for (path, expected) in [
        ("", format!("/_bulk?{FILTER}")),
        ("/", format!("/_bulk?{FILTER}")),
        ("/my-index/", format!("/my-index/_bulk?{FILTER}")),
        (
            "/my-index/_bulk?pipeline=p",
            format!("/my-index/_bulk?pipeline=p&{FILTER}"),
        ),
        (
            "/a/_bulk?filter_path=errors,items",
            "/a/_bulk?filter_path=errors,items".to_owned(),
        ),
    ] {
        let sink = cluster([]);
        let endpoint = sink.url(path);
        let fed = feed(
            sink,
            "elasticsearch",
            &[("BROOKLET_ENDPOINT", &endpoint)],
            &[lines(1)],
        );
        for request in fed.sink.received() {
            assert_eq!(request.target, expected, "{path}");
        }
        let warned = fed.tells(&["BROOKLET_INDEX is not set"]);
        assert_eq!(warned, path.len() < 2, "{path}: {}", fed.run.printed());
        assert!(!fed.tells(&["is the endpoint right"]));
    }
}

#[test]
fn elasticsearch_check_names_a_missing_index() {
    let sink = cluster([]);
    for (path, index, code) in [("", "", 1), ("", "logs", 0), ("/logs", "", 0)] {
        let mut command = std::process::Command::new(harness::binary());
        command
            .arg("--check")
            .env_clear()
            .env("BROOKLET_ENDPOINT", sink.url(path))
            .env("BROOKLET_FORMAT", "elasticsearch")
            .stdin(std::process::Stdio::null());
        if !index.is_empty() {
            command.env("BROOKLET_INDEX", index);
        }
        // The emulator knows no index.
        sink.set(Script::always(Reply::ok().body(r#"{"errors":false}"#)));
        let told = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&told.stdout);
        assert_eq!(told.status.code(), Some(code), "{text}");
        assert_eq!(
            text.contains("BROOKLET_INDEX is not set"),
            code == 1,
            "{text}"
        );
    }
}

#[test]
fn elasticsearch_keeps_to_limits() {
    let fed = feed(
        cluster([]),
        "elasticsearch",
        &[("BROOKLET_BATCH_RECORDS", "3")],
        &[lines(10)],
    );
    for request in fed.sink.received() {
        assert!(read(&payload_of(&request)).len() <= 3);
    }
    assert_eq!(texts(&fed.sink, read).concat().len(), 10);
    let fed = feed(
        cluster([]),
        "elasticsearch",
        &[("BROOKLET_BATCH_BYTES", "2000")],
        &[lines(20)],
    );
    let requests = fed.sink.received();
    assert!(requests.len() > 3 && requests.iter().all(|one| one.body().len() <= 2000));
    assert_eq!(texts(&fed.sink, read).concat().len(), 20);
}

#[test]
fn elasticsearch_judges_each_document() {
    let fed = feed_living(cluster([by(mixed)]), "elasticsearch", &[], &lines(6), 6, 1);
    let texts = texts(&fed.sink, read);
    assert_eq!(texts[0].concat(), "012345");
    // Refused once, throttled and unavailable again; what was there already is delivered.
    assert_eq!(texts[1..].concat(), ["2", "3"]);
    assert_eq!(
        (fed.count("refused"), fed.count("dropped_at_shutdown")),
        (1, 0)
    );
    assert!(fed.tells(&[
        "refused 1 records",
        "document_parsing_exception",
        "object mapping"
    ]));
}

#[test]
fn elasticsearch_gets_throttled_documents_again() {
    let fed = feed_living(
        cluster([by(throttled)]),
        "elasticsearch",
        &[],
        &lines(4),
        4,
        1,
    );
    assert_eq!(texts(&fed.sink, read)[1..].concat(), ["2"]);
    assert_eq!((fed.count("refused"), fed.count("retried")), (0, 1));
    assert!(fed.tells(&["took 3 of 4 records", "es_rejected_execution_exception"]));
}

#[test]
fn elasticsearch_knows_what_it_was_sent_before() {
    // The answer is lost on its way.
    let first = [Reply::deed(Deed::ResetBeforeAnswer), by(all_there)];
    let fed = feed_living(cluster(first), "elasticsearch", &[], &lines(4), 4, 2);
    let ids = |at: usize| -> Vec<String> {
        let request = &fed.sink.received()[at];
        read(&payload_of(request))
            .into_iter()
            .map(|one| one.record_id)
            .collect()
    };
    assert_eq!(ids(0), ids(1));
    assert_eq!((fed.count("refused"), fed.count("resent")), (0, 4));
    assert_eq!(texts(&fed.sink, read)[2..].concat(), [""; 0]);
}

#[test]
fn elasticsearch_is_asked_again_and_gets_smaller_payloads() {
    let fed = feed_living(
        cluster([Reply::status(429), Reply::status(503)]),
        "elasticsearch",
        &[],
        &lines(4),
        4,
        3,
    );
    assert_eq!((fed.count("retried"), fed.count("refused")), (2, 0));
    let fed = feed_living(
        cluster([Reply::status(413)]),
        "elasticsearch",
        &[],
        &lines(4),
        4,
        2,
    );
    let texts = texts(&fed.sink, read);
    assert_eq!(texts[0].len(), 4);
    assert_eq!(texts[1..].concat(), ["0", "1", "2", "3"]);
}

#[test]
fn elasticsearch_answers_that_bulk_never_gives_are_told_of() {
    for (body, odd, refused) in [
        (r#"{"tagline":"You Know, for Search"}"#, true, 0),
        (r#"{"took":1,"errors":false,"items":[]}"#, false, 0),
        // Errors that are named nowhere are no delivery.
        (r#"{"errors":true}"#, false, 4),
    ] {
        let sink = cluster([Reply::ok().body(body)]);
        let fed = feed_living(sink, "elasticsearch", &[], &lines(4), 4, 1);
        assert_eq!(fed.count("refused"), refused, "{body}");
        let warned = fed.tells(&["no answer of _bulk", "is the endpoint right"]);
        assert_eq!(warned, odd, "{body}: {}", fed.run.printed());
    }
}

#[test]
fn elasticsearch_is_told_by_its_host() {
    // Nothing listens there; only the format is asked for.
    for host in [
        "x.eu-west-1.es.amazonaws.com",
        "x.es.eu-west-1.aws.found.io",
    ] {
        let told = std::process::Command::new(harness::binary())
            .arg("--check")
            .env_clear()
            .env("BROOKLET_ENDPOINT", format!("https://{host}/logs"))
            .env("BROOKLET_PROXY", "http://127.0.0.1:9")
            .stdin(std::process::Stdio::null())
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&told.stdout);
        assert!(text.contains("elasticsearch"), "{text}");
        assert!(
            text.contains(&format!("https://{host}/logs/_bulk")),
            "{text}"
        );
    }
}
