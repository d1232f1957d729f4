//! JSON inside records: one structured record whose keys survive, whatever they are, and the text it carries.

use super::feed::{Row, check, event, json, line, quote};

/// A table's row: a document as the whole of a record, in both log formats, becomes this.
fn both(document: &str, expected: &'static str) -> [Row<'static>; 2] {
    [
        (line(document), Some(expected)),
        (json(document), Some(expected)),
    ]
}

#[test]
fn a_document_becomes_the_record_and_keeps_every_key() {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (document, expected) in [
        (r#"{"a":1}"#, r#"{"record":{"a":1}}"#),
        (r#"{}"#, r#"{"record":{}}"#),
        // Its text is lifted, and stays.
        (
            r#"{"message":"hi","a":1}"#,
            r#"{"message":"hi","record":{"message":"hi","a":1}}"#,
        ),
        (
            r#"{"msg":"hi"}"#,
            r#"{"message":"hi","record":{"msg":"hi"}}"#,
        ),
        (
            r#"{"msg":"two","message":"one"}"#,
            r#"{"message":"one","record":{"msg":"two","message":"one"}}"#,
        ),
        (
            r#"{"message":""}"#,
            r#"{"message":"","record":{"message":""}}"#,
        ),
        (r#"{"message":17}"#, r#"{"record":{"message":17}}"#),
        (
            r#"{"message":null,"msg":["x"]}"#,
            r#"{"record":{"message":null,"msg":["x"]}}"#,
        ),
        (
            r#"{"message":{"message":"in an object"}}"#,
            r#"{"message":"in an object","record":{"message":{"message":"in an object"}}}"#,
        ),
        // Keys that are also ours.
        (
            r#"{"record":1,"type":"t","timestamp":2,"tags":[],"sample":9,"cold_start":"x","record_id":"y","extra":{},"service_name":3,"brooklet.stats":{}}"#,
            r#"{"record":{"record":1,"type":"t","timestamp":2,"tags":[],"sample":9,"cold_start":"x","record_id":"y","extra":{},"service_name":3,"brooklet.stats":{}}}"#,
        ),
        // Keys nobody expects: twice the same, empty, dotted, escaped, not ASCII.
        (
            r#"{"a":1,"a":2,"":{"":[]},"b.c":{"d.e":0}}"#,
            r#"{"record":{"a":1,"a":2,"":{"":[]},"b.c":{"d.e":0}}}"#,
        ),
        (
            r#"{"\u0061\n\"":"\u00e9\ud83d\ude00","ключ":"日本"}"#,
            r#"{"record":{"\u0061\n\"":"\u00e9\ud83d\ude00","ключ":"日本"}}"#,
        ),
        // Numbers as they were written.
        (
            r#"{"big":123456789012345678901234567890,"small":1.50e-300,"minus":-0,"exact":0.1000}"#,
            r#"{"record":{"big":123456789012345678901234567890,"small":1.50e-300,"minus":-0,"exact":0.1000}}"#,
        ),
        // Deep.
        (
            r#"{"a":[[[[[[[[{"b":[{"c":{"d":[1,2,{"e":"f"}]}}]}]]]]]]]]}"#,
            r#"{"record":{"a":[[[[[[[[{"b":[{"c":{"d":[1,2,{"e":"f"}]}}]}]]]]]]]]}}"#,
        ),
    ] {
        rows.extend(both(document, expected));
    }
    check(&[], &rows);
}

#[test]
fn a_level_and_a_request_are_read_from_the_document() {
    let rows: Vec<Row<'_>> = [
        both(
            r#"{"timestamp":"2024-05-20T16:29:45.009Z","level":"WARN","requestId":"r7","message":"slow"}"#,
            r#"{"level":"warn","message":"slow","record":{"timestamp":"2024-05-20T16:29:45.009Z","level":"WARN","requestId":"r7","message":"slow"},"request_id":"r7"}"#,
        ),
        both(
            r#"{"severity":"ERROR","AWSRequestId":"r8"}"#,
            r#"{"level":"error","record":{"severity":"ERROR","AWSRequestId":"r8"},"request_id":"r8"}"#,
        ),
    ]
    .concat();
    check(&[], &rows);
}

#[test]
fn a_document_behind_a_runtime_s_prefix_becomes_the_record() {
    let at = "2024-05-20T16:29:45.009Z";
    let id = "4b142fc3-17b8-4cdb-a46b-a8dbe7918715";
    let mut rows: Vec<Row<'_>> = Vec::new();
    for prefix in [
        format!("{at}\t{id}\tWARN\t"),
        format!("{at}\tundefined\tWARN\t"),
        format!("[WARNING]\t{at}\t{id}\t"),
        format!("[WARNING]\t{at}\t\t"),
        format!("{at}\t{id}\twarn\t"),
    ] {
        for (document, expected) in [
            (r#"{"a":1}"#, r#"{"level":"warn","record":{"a":1}}"#),
            (
                r#"{"level":50,"msg":"hi"}"#,
                r#"{"level":"error","message":"hi","record":{"level":50,"msg":"hi"}}"#,
            ),
            (
                "{\n  \"a\": \"b\\n\\u00e9\",\n  \"c\": [\n    1\n  ]\n}",
                r#"{"level":"warn","record":{"a":"b\n\u00e9","c":[1]}}"#,
            ),
            (
                r#"{"quote":"\"","back":"\\","slash":"\/"}"#,
                r#"{"level":"warn","record":{"quote":"\"","back":"\\","slash":"\/"}}"#,
            ),
        ] {
            rows.push((line(&format!("{prefix}{document}")), Some(expected)));
        }
    }
    check(&[], &rows);
}

#[test]
fn what_is_not_one_document_stays_a_text() {
    let mut texts = Vec::new();
    for text in [
        r#"{"a":1} and more"#,
        r#"{"a":1}{"b":2}"#,
        r#"{"a":1"#,
        r#"{"a":}"#,
        r#"{'a':1}"#,
        r#"{a:1}"#,
        r#"{"a":01}"#,
        r#"[{"a":1}]"#,
        r#""a""#,
        "17",
        "null",
        r#"order {"a":1}"#,
        "{",
        "}",
        "{}}",
    ] {
        texts.push((text.to_owned(), format!(r#"{{"message":{}}}"#, quote(text))));
    }
    let rows: Vec<Row<'_>> = texts
        .iter()
        .map(|(text, expected)| (line(text), Some(expected.as_str())))
        .collect();
    check(&[], &rows);
}

#[test]
fn a_document_inside_the_wrapper_s_text_is_opened_in_place() {
    let wrapper = |message: &str| {
        format!(
            r#"{{"timestamp":"2024-05-20T16:29:45.009Z","level":"INFO","requestId":"r7","message":{},"tenant":1}}"#,
            quote(message)
        )
    };
    let expected = |record: &str, message: &str| {
        format!(
            r#"{{"level":"info",{message}"record":{{"timestamp":"2024-05-20T16:29:45.009Z","level":"INFO","requestId":"r7","message":{record},"tenant":1}},"request_id":"r7"}}"#
        )
    };
    let mut table = Vec::new();
    for (inner, text) in [
        (r#"{"order":17,"paid":true}"#, ""),
        (
            r#"{"order":17,"message":"stored \"it\""}"#,
            r#""message":"stored \"it\"","#,
        ),
        (
            r#"{"msg":"stored","deep":{"a":[1,"\n",{"b":"\\"}]}}"#,
            r#""message":"stored","#,
        ),
        (r#"{"a":1,"a":2,"big":12345678901234567890123}"#, ""),
        (r#"{"ключ":"日本😀"}"#, ""),
    ] {
        table.push((json(wrapper(inner)), expected(inner, text)));
    }
    // What is no document is the text itself.
    for text in [
        "plain",
        r#"{"a":1} and more"#,
        r#"[{"a":1}]"#,
        r#"{"a":"#,
        "",
    ] {
        table.push((
            json(wrapper(text)),
            expected(&quote(text), &format!(r#""message":{},"#, quote(text))),
        ));
    }
    let rows: Vec<Row<'_>> = table
        .iter()
        .map(|(event, expected)| (event.clone(), Some(expected.as_str())))
        .collect();
    check(&[], &rows);
}

#[test]
fn values_that_are_neither_text_nor_objects_stay_what_they_are() {
    check(
        &[],
        &[
            (json("17"), Some(r#"{"record":17}"#)),
            (json("null"), Some(r#"{"record":null}"#)),
            (json("true"), Some(r#"{"record":true}"#)),
            (
                json(r#"["{\"level\":\"error\"}",{"level":"error"}]"#),
                Some(r#"{"record":["{\"level\":\"error\"}",{"level":"error"}]}"#),
            ),
            (json(r#""""#), Some(r#"{"message":""}"#)),
            (
                event("extension", r#""{\"level\":\"error\",\"a\":1}\n""#),
                Some(r#"{"level":"error","record":{"level":"error","a":1}}"#),
            ),
            (
                event("platform.fault", r#""{\"a\":1}""#),
                Some(r#"{"level":"error","message":"{\"a\":1}"}"#),
            ),
        ],
    );
}

#[test]
fn fields_of_the_event_that_nobody_knows_are_kept() {
    check(
        &[],
        &[(
            line(r#"{"a":1}"#)
                .and("shard", r#"{"n":[1, 2]}"#)
                .and("b", "null"),
            Some(r#"{"record":{"a":1},"extra":{"shard":{"n":[1,2]},"b":null}}"#),
        )],
    );
}
