//! `datadog`: entries of the v2 intake, with the tags, host and attributes that its own extension sets.

use super::{Case, Common, Object, Payload, check, object};
use crate::model;
use std::collections::BTreeMap;

pub(super) const CASE: Case = Case {
    format: "datadog",
    extension: "json",
    options: &[],
    unit_ns: 1_000_000,
    fills_message: true,
    read,
};

fn read(payload: &Payload) -> Vec<Common> {
    let entries = payload.elements().into_iter();
    entries.map(|json| entry(&json)).collect()
}

fn entry(json: &str) -> Common {
    let mut it = Object::of(json);
    let text = it.must("message");
    let time_ns = it.number("timestamp").expect("a time") * 1_000_000;
    let level = it.text("status");
    assert_eq!(it.must("ddsource"), "lambda");
    let mut tags = ddtags(&it.must("ddtags"));
    let arn = it.must("hostname");
    let service = it.must("service");
    let mut lambda = Object::of(&it.json("lambda").expect("what its panels look for"));
    assert_eq!(lambda.must("arn"), arn);
    let request_id = lambda.text("request_id");
    lambda.end();
    let kind = it.must("type");
    let mut record = it.json("record").map(|json| model::compact(&json));
    let mut message = Some(text.clone());
    let is_object = || {
        text.starts_with('{') && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok()
    };
    if !kind.starts_with("platform.") && is_object() {
        assert_eq!(record, None, "the text is the record");
        let fields: BTreeMap<String, String> = model::fields(&text).into_iter().collect();
        let named = fields.get("message").or_else(|| fields.get("msg"));
        let named = named.filter(|json| json.starts_with('"'));
        message = named.map(|json| model::string(json));
        record = Some(model::compact(&text));
    }
    let one = Common {
        time_ns,
        kind,
        level,
        message,
        record,
        request_id,
        trace_id: it.text("trace_id"),
        tenant_id: it.text("tenant_id"),
        cold_start: it.truth("cold_start"),
        sample: it.json("sample"),
        record_id: it.must("record_id"),
        extra: it.json("extra").map(|json| model::compact(&json)),
        function_name: tags.remove("functionname"),
        function_version: Some(
            tags.remove("executedversion")
                .unwrap_or_else(|| "$LATEST".to_owned()),
        ),
        function_arn: Some(arn),
        function_memory_mb: tags.remove("memorysize").map(|mb| mb.parse().expect("MB")),
        region: tags.remove("region"),
        account_id: tags.remove("account_id"),
        service_name: tags.remove("service"),
        tags: BTreeMap::new(),
    };
    assert_eq!(tags.remove("resource"), one.function_name);
    assert_eq!(tags.remove("aws_account"), one.account_id);
    assert_eq!(Some(service), one.service_name);
    it.end();
    Common { tags, ..one }
}

/// `name:value,name:value`.
fn ddtags(text: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for tag in text.split(',') {
        // A tag need not have a value.
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        assert!(!name.is_empty(), "{text}");
        let before = tags.insert(name.to_owned(), value.to_owned());
        assert_eq!(before, None, "{name} is there twice: {text}");
    }
    tags
}

#[test]
fn it_says_what_the_events_say() {
    check(&CASE);
}

#[test]
fn its_own_variables_name_service_environment_version_and_key() {
    let options = [
        ("BROOKLET_SOURCE", "custom"),
        ("BROOKLET_TAGS", "team=a,b=c%2Cd"),
        ("DD_API_KEY", "dd-key"),
        ("DD_SERVICE", "checkout"),
        ("DD_ENV", "staging"),
        ("DD_VERSION", "1.2"),
        ("DD_TAGS", "layer:api,team:theirs env:dev"),
    ];
    let payload = super::payload("datadog", &options);
    assert_eq!(payload.request.header("dd-api-key"), Some("dd-key"));
    assert_eq!(payload.request.header("authorization"), None);
    for json in payload.elements() {
        let fields: BTreeMap<String, String> = model::fields(&json).into_iter().collect();
        assert_eq!(fields["service"], "\"checkout\"");
        assert_eq!(fields["ddsource"], "\"custom\"");
        let mut tags = ddtags(&model::string(&fields["ddtags"]));
        for (name, value) in [
            ("service", "checkout"),
            ("env", "staging"),
            ("version", "1.2"),
            ("team", "a"),
            ("layer", "api"),
            ("b", "c_d"),
        ] {
            assert_eq!(tags.remove(name).as_deref(), Some(value), "{name}");
        }
    }
}

#[test]
fn an_object_is_put_together_again() {
    let fields = [
        ("a".to_owned(), "[1, 2]".to_owned()),
        ("b\"".to_owned(), "\"x y\"".to_owned()),
    ];
    assert_eq!(object(&fields), r#"{"a":[1,2],"b\"":"x y"}"#);
}
