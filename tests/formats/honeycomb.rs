//! `honeycomb`: events of the batch API, their data flat; an answer has a status for each of them.

use super::{Case, Common, Object, Payload, check, feed, nanoseconds, object};
use crate::scenario::feed::line;
use crate::sink::Sink;
use crate::sink::script::{Reply, Script};

pub(super) const CASE: Case = Case {
    format: "honeycomb",
    extension: "json",
    options: &[],
    unit_ns: 1,
    fills_message: false,
    read,
};

fn read(payload: &Payload) -> Vec<Common> {
    let events = payload.elements().into_iter();
    events.map(|json| event(&json)).collect()
}

fn event(json: &str) -> Common {
    let mut event = Object::of(json);
    let time_ns = nanoseconds(&event.must("time"));
    let rate = event.number("samplerate");
    let mut it = Object::of(&event.json("data").expect("data"));
    event.end();
    let kind = it.must("type");
    let level = it.text("level");
    let message = it.text("message");
    let structure = it.json("record").or_else(|| {
        let keys = it.all("record.");
        (!keys.is_empty()).then(|| object(&keys))
    });
    let one = Common {
        time_ns,
        kind,
        level,
        message,
        record: structure,
        request_id: it.text("request_id"),
        trace_id: it.text("trace_id"),
        tenant_id: it.text("tenant_id"),
        cold_start: it.truth("cold_start"),
        sample: it.json("sample"),
        record_id: it.must("record_id"),
        extra: Some(it.all("extra."))
            .filter(|all| !all.is_empty())
            .map(|all| object(&all)),
        function_name: it.text("function_name"),
        function_version: it.text("function_version"),
        function_arn: it.text("function_arn"),
        function_memory_mb: it.number("function_memory_mb"),
        region: it.text("region"),
        account_id: it.text("account_id"),
        service_name: it.text("service.name"),
        tags: super::tags(&object(&it.all("tags."))),
    };
    it.end();
    let expected = one.sample.as_deref().map(|fraction| match fraction {
        "1" => 1,
        "0.625" => 2,
        other => panic!("a fraction that nobody asked for: {other}"),
    });
    assert_eq!(rate, expected, "one in how many is kept");
    one
}

#[test]
fn it_says_what_the_events_say() {
    check(&CASE);
}

#[test]
fn only_what_may_be_sent_again_is_sent_again() {
    let answer = r#"[{"status":202},{"status":429,"error":"rate limited"},{"status":400,"error":"Event has too many columns."},{"status":202},{"status":500}]"#;
    let sink = Sink::new(Script::first([Reply::status(200).body(answer)]));
    let five = (0..5).map(|n| line(&format!("line {n}"))).collect();
    let fed = feed(
        sink,
        "honeycomb",
        &[("BROOKLET_BATCH_RECORDS", "5")],
        &[five],
    );
    let said = |at: usize| -> Vec<String> {
        let body = fed.sink.received()[at].body();
        let events = super::elements(std::str::from_utf8(&body).unwrap());
        let said = events.iter().filter_map(|json| event_text(json));
        said.filter(|text| text.starts_with("line ")).collect()
    };
    assert_eq!(said(0).len(), 5);
    assert_eq!(said(1), ["line 1", "line 4"]);
    assert_eq!(fed.count("refused"), 1, "{:?}", fed.counters);
    assert_eq!(fed.count("dropped_at_shutdown"), 0);
    assert!(
        fed.tells(&["error: ", "refused 1 records", "429 rate limited"]),
        "{:?}",
        fed.run.stderr()
    );
}

fn event_text(json: &str) -> Option<String> {
    let mut event = Object::of(json);
    let _time = event.must("time");
    let _rate = event.number("samplerate");
    let mut data = Object::of(&event.json("data").expect("data"));
    let _kind = data.must("type");
    let _level = data.text("level");
    data.text("message")
}
