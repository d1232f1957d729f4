//! `splunk`: events of the HTTP event collector, as Splunk documents them, and its answers by code.

use super::living::{feed_living, texts};
use super::{Case, Common, Object, Payload, check, feed, payload, tags};
use crate::model;
use crate::scenario::feed::{Told, line};
use crate::sink::Sink;
use crate::sink::script::{Reply, Script};

/// Seconds with three or nine decimals, in nanoseconds.
fn seconds(json: &str) -> u64 {
    let (whole, part) = json.split_once('.').expect("a time has decimals");
    assert!(matches!(part.len(), 3 | 9), "{json}");
    let whole: u64 = whole.parse().expect("seconds");
    let part: u64 = format!("{part:0<9}").parse().expect("decimals");
    whole * 1_000_000_000 + part
}

/// An event, which must be of this index.
fn event(json: &str, index: Option<&str>) -> Common {
    let mut whole = Object::of(json);
    let mut read = Common {
        time_ns: seconds(&whole.json("time").expect("a time")),
        ..Common::default()
    };
    let (host, source) = (whole.text("host"), whole.text("source"));
    assert_eq!(whole.must("sourcetype"), "_json");
    assert_eq!(whole.text("index").as_deref(), index);
    let mut event = Object::of(&whole.json("event").expect("an event"));
    read.kind = event.must("type");
    read.level = event.text("level");
    read.message = event.text("message");
    read.record = event.json("record").map(|json| model::compact(&json));
    read.sample = event.json("sample");
    read.extra = event.json("extra").map(|json| model::compact(&json));
    read.tags = event
        .json("tags")
        .map_or_else(Default::default, |json| tags(&json));
    event.end();
    // Whatever is in here must be a string: nothing but `text` is called.
    let mut fields = Object::of(&whole.json("fields").expect("fields"));
    whole.end();
    read.record_id = fields.must("record_id");
    read.request_id = fields.text("request_id");
    read.trace_id = fields.text("trace_id");
    read.tenant_id = fields.text("tenant_id");
    let truth = |text: String| text.parse().expect("true or false");
    read.cold_start = fields.text("cold_start").map(truth);
    read.function_name = fields.text("function_name");
    read.function_version = fields.text("function_version");
    read.function_arn = fields.text("function_arn");
    let number = |text: String| text.parse().expect("a number");
    read.function_memory_mb = fields.text("function_memory_mb").map(number);
    read.region = fields.text("region");
    read.account_id = fields.text("account_id");
    read.service_name = fields.text("service_name");
    fields.end();
    assert_eq!(host, read.function_name);
    let named = read.function_arn.as_ref().or(read.function_name.as_ref());
    assert_eq!(source.as_ref(), named);
    read
}

fn read(payload: &Payload) -> Vec<Common> {
    payload
        .text()
        .split('\n')
        .map(|json| event(json, None))
        .collect()
}

pub(super) const CASE: Case = Case {
    format: "splunk",
    extension: "json",
    options: &[("BROOKLET_API_KEY", "0b1e")],
    unit_ns: 1,
    fills_message: false,
    read,
};

/// Lines of a function that say their number.
fn lines(count: usize) -> Vec<Told> {
    (0..count).map(|number| line(&number.to_string())).collect()
}

/// A collector that answers so first, and then takes everything.
fn collector(replies: impl IntoIterator<Item = (u16, &'static str)>) -> Sink {
    let replies = replies
        .into_iter()
        .map(|(status, body)| Reply::status(status).body(body));
    Sink::new(Script {
        first: replies.collect(),
        then: Reply::ok().body(r#"{"text":"Success","code":0}"#),
    })
}

#[test]
fn splunk_says_what_the_events_say() {
    let payload = check(&CASE);
    let header = |name| payload.request.header(name);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("content-encoding"), Some("gzip"));
    assert_eq!(header("authorization"), Some("Splunk 0b1e"));
}

#[test]
fn splunk_takes_an_index_and_a_source_type() {
    let options = [
        ("BROOKLET_INDEX", "main \"x\""),
        ("BROOKLET_SOURCE", "_json"),
    ];
    let payload = payload("splunk", &options);
    for json in payload.text().split('\n') {
        event(json, Some("main \"x\""));
    }
}

#[test]
fn splunk_completes_a_bare_endpoint_and_keeps_to_limits() {
    let sink = collector([]);
    let endpoint = sink.url("");
    let long = format!("{}{}", "a\"\t".repeat(200_000), "end");
    let mut events = lines(10);
    events.push(line(&long));
    let options = [
        ("BROOKLET_ENDPOINT", endpoint.as_str()),
        ("BROOKLET_BATCH_RECORDS", "4"),
    ];
    let fed = feed(sink, "splunk", &options, &[events]);
    assert_eq!(fed.count("truncated"), 1);
    let texts = texts(&fed.sink, read);
    let sizes: Vec<usize> = fed
        .sink
        .received()
        .iter()
        .map(|one| one.body().split(|b| *b == b'\n').count())
        .collect();
    assert!(sizes.iter().all(|size| *size <= 4), "{sizes:?}");
    for request in fed.sink.received() {
        assert_eq!(request.target, "/services/collector/event");
        assert_eq!(request.header("authorization"), None);
        assert!(request.body().len() <= 1_048_576);
    }
    let all = texts.concat();
    assert_eq!(all.len(), 11);
    let cut = all.last().expect("the long one");
    assert!(
        cut.ends_with("\"… [truncated]")
            || cut.ends_with("a… [truncated]")
            || cut.ends_with("\t… [truncated]"),
        "{}",
        &cut[cut.len() - 40..]
    );
    assert!(cut.len() > 300_000, "{}", cut.len());
}

#[test]
fn splunk_cuts_payloads_by_bytes() {
    let sink = collector([]);
    let fed = feed(
        sink,
        "splunk",
        &[("BROOKLET_BATCH_BYTES", "2000")],
        &[lines(20)],
    );
    let requests = fed.sink.received();
    assert!(requests.len() > 5, "{}", requests.len());
    assert!(requests.iter().all(|one| one.body().len() <= 2000));
    assert_eq!(texts(&fed.sink, read).concat().len(), 20);
}

#[test]
fn splunk_stores_what_stands_before_a_bad_event() {
    // The number counts from 0: so Splunk Enterprise 10.4 and Splunk Cloud 10.5 say of the second of three events.
    for body in [
        r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#,
        r#"{"text":"Event field is required","code":12,"invalid-event-number":1}"#,
        r#"{"text":"Event field cannot be blank","code":13,"invalid-event-number":1}"#,
        r#"{"text":"Error in handling indexed fields","code":15,"invalid-event-number":1}"#,
    ] {
        let fed = feed_living(collector([(400, body)]), "splunk", &[], &lines(4), 4, 1);
        let texts = texts(&fed.sink, read);
        assert_eq!(texts[0], ["0", "1", "2", "3"]);
        assert_eq!(texts[1..].concat(), ["2", "3"], "{body}");
        assert_eq!(fed.count("refused"), 1, "{body}");
        assert_eq!(fed.count("resent"), 0, "{body}");
        let (word, _) = body[9..].split_once('"').expect("its text");
        let told = fed.tells(&["refused 1 records", word]);
        assert!(told, "{}", fed.run.printed());
    }
}

#[test]
fn splunk_loses_nothing_behind_a_bad_event_at_the_end() {
    let bad = (
        400,
        r#"{"text":"Invalid data format","code":6,"invalid-event-number":0}"#,
    );
    let fed = feed(collector([bad, bad]), "splunk", &[], &[lines(4)]);
    assert_eq!(
        texts(&fed.sink, read)[1..].last().expect("more"),
        &["2", "3"]
    );
    assert_eq!(
        (fed.count("refused"), fed.count("dropped_at_shutdown")),
        (2, 0)
    );
}

#[test]
fn splunk_is_asked_again_when_it_is_busy() {
    let busy = r#"{"text":"Server is busy","code":9}"#;
    for (replies, retried) in [
        (vec![(503, busy)], 1),
        (
            vec![
                (429, r#"{"text":"Queue is at capacity","code":26}"#),
                (500, ""),
            ],
            2,
        ),
        // What only its body says ends the try, and the next one is the last.
        (vec![(200, busy)], 1),
    ] {
        let count = replies.len();
        let fed = feed_living(collector(replies), "splunk", &[], &lines(4), 4, count);
        assert_eq!(fed.count("refused") + fed.count("dropped_at_shutdown"), 0);
        assert_eq!(fed.count("retried"), retried);
        let texts = texts(&fed.sink, read);
        assert_eq!(texts[count][..4], ["0", "1", "2", "3"]);
    }
}

#[test]
fn splunk_refuses_an_index_for_all_records_at_once() {
    let index = (
        400,
        r#"{"text":"Incorrect index","code":7,"invalid-event-number":1}"#,
    );
    let fed = feed_living(collector([index]), "splunk", &[], &lines(4), 4, 1);
    assert_eq!(fed.count("refused"), 4);
    assert!(fed.tells(&["Incorrect index"]));
    assert_eq!(texts(&fed.sink, read)[1..].concat(), [""; 0]);
    // A nearly full queue is none.
    let full = (200, r#"{"text":"Queue is approaching capacity","code":24}"#);
    let fed = feed_living(collector([full]), "splunk", &[], &lines(4), 4, 1);
    assert_eq!((fed.count("refused"), fed.count("retried")), (0, 0));
}

#[test]
fn splunk_gets_smaller_payloads_where_one_is_too_large() {
    let fed = feed_living(collector([(413, "")]), "splunk", &[], &lines(4), 4, 1);
    assert_eq!(fed.count("refused"), 0);
    let texts = texts(&fed.sink, read);
    assert_eq!(texts[0].len(), 4);
    assert_eq!(texts[1..].concat(), ["0", "1", "2", "3"]);
    assert!(texts[1].len() < 4);
}
