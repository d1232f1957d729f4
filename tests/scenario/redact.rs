//! What is masked: the built-in kinds, patterns of the owner's own, and that nothing leaves unmasked by any way.

use super::feed::{self, FORMATS, Row, Told, check, event, feed, json, line, quote, start};
use crate::corpus;
use crate::harness::Scenario;
use crate::lambda::function::Invocation;
use crate::lambda::post::Sender;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script, tastes};
use std::time::Duration;

/// Every built-in name.
const BUILT_IN: &str = "email,card,jwt,aws-key,ip,bearer,phone";

/// The signed token of the JWT specification's introduction, shortened.
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

/// A text, and the same masked, under one name.
fn masked() -> Vec<(&'static str, String, String)> {
    let mut all = Vec::new();
    let mut add = |name: &'static str, text: &str, secret: &str| {
        let mask = format!("[redacted:{name}]");
        all.push((name, text.to_owned(), text.replace(secret, &mask)));
    };
    for secret in [
        "ann@example.com",
        "Ann.B_C+tag@mail.example.co.uk",
        "a@b.io",
        "o'neil@example.org",
    ] {
        // The local part may hold an apostrophe; then what stands before it may stay.
        let whole = if secret.starts_with("o'") {
            "neil@example.org"
        } else {
            secret
        };
        add("email", &format!("mail to {whole}, please"), whole);
        add("email", whole, whole);
        add("email", &format!("<{whole}>"), whole);
    }
    for secret in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "378282246310005",
        "3782 822463 10005",
        "5555555555554444",
        "6011111111111117",
        "30569309025904",
    ] {
        add("card", &format!("paid with {secret}."), secret);
        add("card", secret, secret);
    }
    add("jwt", &format!("token={JWT}&x=1"), JWT);
    add("jwt", JWT, JWT);
    for secret in ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"] {
        add("aws-key", &format!("key {secret} used"), secret);
        add("aws-key", &format!("\"{secret}\""), secret);
    }
    for secret in [
        "203.0.113.7",
        "10.0.0.255",
        "2001:db8::8a2e:370:7334",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fe80::1",
    ] {
        add("ip", &format!("from {secret} today"), secret);
    }
    add("ip", "203.0.113.7:8080", "203.0.113.7");
    for secret in ["+49 30 901820", "+1 415-555-2671", "+14155552671"] {
        add("phone", &format!("call {secret}, please"), secret);
    }
    all
}

/// Texts that a name must leave alone.
const INNOCENT: [(&str, &str); 26] = [
    ("email", "a @ b"),
    ("email", "@example.com"),
    ("email", "user@"),
    ("email", "npm install left-pad@1.3.0"),
    ("card", "4111111111111112"),
    ("card", "order 1234567890123456"),
    ("card", "2024-05-20T16:29:45.009Z"),
    ("card", "4b142fc3-17b8-4cdb-a46b-a8dbe7918715"),
    ("card", "4111 1111"),
    ("jwt", "eyJ.eyJ.x"),
    ("jwt", "a.b.c"),
    ("aws-key", "AKIA"),
    ("aws-key", "AKIAIOSFODNN7EXAMPLEANDMUCHMORE"),
    ("aws-key", "akiaiosfodnn7example"),
    ("ip", "version 1.2.3"),
    ("ip", "1.2.3.4.5.6"),
    ("ip", "256.300.1.1"),
    ("ip", "at 16:29:45"),
    ("ip", "my_app::db: x"),
    ("bearer", "the bearer of bad news"),
    ("bearer", "Bearer"),
    ("phone", "2024-05-20T16:29:45.009Z"),
    ("phone", "Duration: 102.25 ms\tBilled Duration: 103 ms"),
    ("phone", "order 1234567890123456789"),
    ("phone", "4b142fc3-17b8-4cdb-a46b-a8dbe7918715"),
    ("phone", "port 8080, pid 12"),
];

#[test]
fn every_built_in_masks_its_kind_in_text_and_json_and_nothing_else() {
    let all = masked();
    for name in BUILT_IN.split(',') {
        let of_name = |table: &[(&str, String, String)]| -> Vec<(String, String)> {
            table
                .iter()
                .filter(|row| row.0 == name)
                .map(|row| (row.1.clone(), row.2.clone()))
                .collect()
        };
        let mut table = of_name(&all);
        let innocent = INNOCENT.iter().filter(|row| row.0 == name);
        table.extend(innocent.map(|(_, text)| ((*text).to_owned(), (*text).to_owned())));
        let mut rows: Vec<(Told, String)> = Vec::new();
        for (text, after) in &table {
            rows.push((line(text), format!(r#"{{"message":{}}}"#, quote(after))));
            // At any depth, and never in a key.
            let deep = |text: &str| {
                format!(
                    r#"{{"a":[1,{{"b":{}}}],{}:true}}"#,
                    quote(text),
                    quote(&table[0].0)
                )
            };
            rows.push((json(deep(text)), format!(r#"{{"record":{}}}"#, deep(after))));
            let lifted = |text: &str| format!(r#"{{"message":{}}}"#, quote(text));
            rows.push((
                json(lifted(text)),
                format!(
                    r#"{{"message":{},"record":{}}}"#,
                    quote(after),
                    lifted(after)
                ),
            ));
            rows.push((
                json(format!("[{}]", quote(text))),
                format!(r#"{{"record":[{}]}}"#, quote(after)),
            ));
            rows.push((
                line("x").and("more", &quote(text)),
                format!(r#"{{"message":"x","extra":{{"more":{}}}}}"#, quote(after)),
            ));
        }
        let shown: Vec<Row<'_>> = rows
            .iter()
            .map(|(event, expected)| (event.clone(), Some(expected.as_str())))
            .collect();
        let changed = table.iter().filter(|(text, after)| text != after).count() as u64;
        for fed in check(&[("BROOKLET_REDACT", name)], &shown) {
            assert_eq!(
                fed.stats["redacted"],
                5 * changed,
                "{name}: {:?}",
                fed.stats
            );
        }
    }
}

#[test]
fn a_bearer_s_token_is_masked_with_or_without_its_word() {
    for secret in ["abc.def-123_456~+/==", "0123456789abcdef"] {
        for text in [
            format!("Authorization: Bearer {secret}"),
            format!("authorization: bearer {secret}"),
            format!("curl -H 'Authorization: Bearer {secret}' https://example.com"),
        ] {
            let events = vec![
                line(&text),
                json(format!(
                    r#"{{"headers":{{"Authorization":{}}}}}"#,
                    quote(&text)
                )),
            ];
            let fed = feed("json", &[("BROOKLET_REDACT", "bearer")], &[events]);
            for number in [0, 1] {
                let shown = fed.shown(number).expect("a record");
                assert!(
                    !shown.contains(secret) && shown.contains("[redacted:bearer]"),
                    "{shown}"
                );
            }
            let after = fed.shown(0).expect("a record");
            assert!(
                !text.contains("curl") || after.contains("https://example.com"),
                "{after}"
            );
        }
    }
}

#[test]
fn own_patterns_have_their_names_their_flags_and_their_commas() {
    let options = [(
        "BROOKLET_REDACT",
        r"/sk-[a-z0-9]{3,}/,/top secret/i,order=/ord-\d+/,path=/\/home\/[a-z]+/i,email",
    )];
    for fed in check(
        &options,
        &[
            (
                line("key sk-abc123 and sk-x"),
                Some(r#"{"message":"key [redacted] and sk-x"}"#),
            ),
            (
                line("this is Top SECRET"),
                Some(r#"{"message":"this is [redacted]"}"#),
            ),
            (
                line("ord-17 ord-18"),
                Some(r#"{"message":"[redacted:order] [redacted:order]"}"#),
            ),
            (
                line("in /HOME/ann"),
                Some(r#"{"message":"in [redacted:path]"}"#),
            ),
            (
                line("ann@example.com"),
                Some(r#"{"message":"[redacted:email]"}"#),
            ),
            (line("nothing"), Some(r#"{"message":"nothing"}"#)),
        ],
    ) {
        assert_eq!(fed.stats["redacted"], 5, "{:?}", fed.stats);
    }
}

#[test]
fn a_pattern_that_is_none_is_named_and_the_others_work() {
    for bad in ["/(/", "iban", "name=/[/", "x=y"] {
        let list = format!("email,{bad},/s3cret/");
        let fed = feed(
            "json",
            &[("BROOKLET_REDACT", &list)],
            &[vec![line("ann@example.com s3cret (x)")]],
        );
        assert_eq!(
            fed.shown(0).as_deref(),
            Some(r#"{"message":"[redacted:email] [redacted] (x)"}"#),
            "{bad}"
        );
        let named = fed
            .stderr()
            .iter()
            .filter(|line| line.contains("BROOKLET_REDACT"))
            .count();
        assert_eq!(named, 1, "{bad}: {:?}", fed.stderr());
    }
}

#[test]
fn escapes_neither_hide_a_secret_nor_break_the_json_around_it() {
    check(
        &[(
            "BROOKLET_REDACT",
            r#"email,/pass"word/,/two\nlines/,/back\\slash/,tab=/\tx/"#,
        )],
        &[
            // The letter of an escape is no part of an address.
            (
                event(
                    "function",
                    r#""to:\nann@example.com\tand\\bob@example.com""#,
                ),
                Some(r#"{"message":"to:\n[redacted:email]\tand\\[redacted:email]"}"#),
            ),
            // An escape is the character it stands for.
            (
                event("function", r#""ann\u0040example.com""#),
                Some(r#"{"message":"[redacted:email]"}"#),
            ),
            (
                json(r#"{"a":"\u0061nn@example\u002ecom!"}"#),
                Some(r#"{"record":{"a":"[redacted:email]!"}}"#),
            ),
            (
                event("function", r#""a pass\"word.""#),
                Some(r#"{"message":"a [redacted]."}"#),
            ),
            (
                json(r#"{"a":["pass\u0022word"],"b":"pass"}"#),
                Some(r#"{"record":{"a":["[redacted]"],"b":"pass"}}"#),
            ),
            (
                event("function", r#""two\nlines\n""#),
                Some(r#"{"message":"[redacted]"}"#),
            ),
            (
                event("function", r#""back\\slash""#),
                Some(r#"{"message":"[redacted]"}"#),
            ),
            (
                event("function", r#""a\tx""#),
                Some(r#"{"message":"a[redacted:tab]"}"#),
            ),
            // What is not masked is written as it came.
            (
                json(r#"{"a":"\u00e9\/ann@example.com","b":"\u00e9\/"}"#),
                None,
            ),
        ]
        .into_iter()
        .filter(|(_, expected)| expected.is_some())
        .collect::<Vec<_>>(),
    );
    let fed = feed(
        "json",
        &[("BROOKLET_REDACT", "email")],
        &[vec![json(
            r#"{"a":"\u00e9\/ann@example.com","b":"\u00e9\/","n":1.50}"#,
        )]],
    );
    let shown: serde_json::Value =
        serde_json::from_str(&fed.shown(0).expect("a record")).expect("JSON");
    assert_eq!(shown["record"]["a"], "\u{e9}/[redacted:email]");
    assert!(
        fed.shown(0)
            .expect("a record")
            .contains(r#""b":"\u00e9\/","n":1.50"#)
    );
}

#[test]
fn lifted_fields_are_masked_with_the_record() {
    let start = event(
        "platform.start",
        r#"{"requestId":"r1","version":"$LATEST","tenantId":"ann@example.com"}"#,
    );
    let own =
        json(r#"{"tenantId":"bob@example.com","requestId":"carl@example.com","message":"m"}"#);
    for format in FORMATS {
        let fed = feed(
            format,
            &[("BROOKLET_REDACT", "email")],
            &[vec![start.clone(), line("x"), own.clone()]],
        );
        for number in 0..3 {
            let shown = fed.shown(number).expect("a record");
            assert!(!shown.contains("@example.com"), "{shown}");
            assert!(
                shown.contains(r#""tenant_id":"[redacted:email]""#),
                "{shown}"
            );
        }
    }
}

#[test]
fn the_json_of_every_logger_stays_json_and_keeps_its_keys() {
    let cases = corpus::all();
    // Whatever the patterns hit, and they hit much: digits, letters, quotes' neighbours.
    let patterns = r"d=/[0-9]+/,/[aeiou]/i,/\\/,/\x22/,/[\t\n]/";
    for format in FORMATS {
        let makes = [line as fn(&str) -> Told, |text| json(feed::wrapped(text))];
        for (make, events_are_lines) in makes.into_iter().zip([true, false]) {
            let events: Vec<Told> = cases.iter().map(|case| make(&case.line)).collect();
            let plain = feed(format, &[], std::slice::from_ref(&events));
            let fed = feed(format, &[("BROOKLET_REDACT", patterns)], &[events]);
            for (number, case) in cases.iter().enumerate() {
                let (before, after) = (plain.fields(number), fed.fields(number));
                let (before, after) = (before.expect("a record"), after.expect("a record"));
                // A line of text is masked as text: where that spoils the JSON in it, it stays text.
                let is_line = events_are_lines && before.contains_key("record");
                if is_line && !after.contains_key("record") {
                    assert!(after.contains_key("message"), "{case:?}");
                    continue;
                }
                assert_eq!(
                    before.keys().collect::<Vec<_>>(),
                    after.keys().collect::<Vec<_>>(),
                    "{case:?}"
                );
                assert_eq!(
                    before.get("level"),
                    after.get("level"),
                    "the level is read before: {case:?}"
                );
                let keys = |json: &str| -> Vec<String> {
                    if !json.starts_with('{') {
                        return Vec::new();
                    }
                    model::fields(json)
                        .into_iter()
                        .map(|(name, _)| name)
                        .collect()
                };
                if let (Some(before), Some(after)) = (before.get("record"), after.get("record")) {
                    assert_eq!(keys(before), keys(after), "{}", case.place);
                }
                let text = after
                    .get("message")
                    .map(|raw| model::string(raw))
                    .unwrap_or_default();
                let bare = text.replace("[redacted:d]", "").replace("[redacted]", "");
                let left = bare
                    .chars()
                    .any(|c| "0123456789aeiouAEIOU\\\"\t\n".contains(c));
                assert!(!left, "{}: {text:?}", case.place);
            }
        }
    }
}

/// Secrets of every kind, in everything a function can log.
const SECRETS: [&str; 6] = [
    "ann@example.com",
    "4111111111111111",
    "AKIAIOSFODNN7EXAMPLE",
    "203.0.113.77",
    JWT,
    "s3cr3t-17",
];

/// A function that logs each secret in each way.
fn careless(mut it: Invocation) -> Invocation {
    for secret in SECRETS {
        it = it
            .print(format!("{secret} in a text"))
            .print(format!("2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tERROR\t{{\"a\":\"{secret}\"}}"))
            .print(format!("poison with {secret}"))
            .record(format!(r#"{{"level":"error","message":"{secret} lifted","deep":[{{"x":"{secret}"}}]}}"#))
            .record(format!(r#"{{"message":"{{\"inner\":\"{secret}\"}}"}}"#))
            .print(format!("\tat {secret}"));
    }
    it
}

#[test]
fn nothing_leaves_unmasked_by_any_way() {
    for format in FORMATS {
        for json_logs in [false, true] {
            let fallback = Sink::ok();
            // Retries first, then a destination that finds a culprit and says what it was sent.
            let sink = Sink::new(Script {
                first: vec![
                    Reply::status(500).body("no"),
                    Reply::deed(Deed::ResetBeforeAnswer),
                ],
                then: Reply::deed(Deed::Judge(tastes)).body("I do not like this"),
            });
            let mut scenario = Scenario::with(&sink)
                .option("FORMAT", format)
                .option("FLUSH", "end")
                .option("FALLBACK_ENDPOINT", &fallback.url("/dead"))
                .option("LOG_LEVEL", "debug")
                .option("MULTILINE", r"^\S")
                .option("REDACT", &format!(r"{BUILT_IN},/s3cr3t-\d+/"))
                .lambda(|setup| setup.timeout = Duration::from_millis(400));
            if json_logs {
                scenario = scenario.json_logs();
            }
            let mut run = scenario.start();
            run.invoke(&careless(Invocation::silent()));
            run.invoke(&careless(Invocation::silent()).times_out());
            run.invoke(&careless(Invocation::silent()).crashes());
            run.invoke(&careless(Invocation::silent()).fails());
            run.lambda.thaw();
            unreadable(&mut run.lambda.sender());
            run.finish();
            let mut seen = 0;
            for request in sink.received().iter().chain(&fallback.received()) {
                let body = if request.complete {
                    request.body()
                } else {
                    request.raw.clone()
                };
                let text =
                    String::from_utf8_lossy(&body).into_owned() + &format!("{:?}", request.headers);
                assert_clean(&text);
                seen += text.matches("[redacted").count();
            }
            assert!(seen > 100, "{seen} masks");
            assert!(
                !fallback.received().is_empty(),
                "nothing went to the fallback"
            );
            for printed in run.lambda.printed() {
                assert_clean(&printed.text);
            }
            let kinds: Vec<String> = model::own_records(&sink)
                .into_iter()
                .map(|one| one.kind)
                .collect();
            for kind in ["brooklet.timeout", "brooklet.crash"] {
                let elsewhere = model::own_records(&fallback)
                    .iter()
                    .any(|one| one.kind == kind);
                assert!(
                    elsewhere || kinds.iter().any(|one| one == kind),
                    "{kind} is not there: {kinds:?}"
                );
            }
        }
    }
}

/// Batches with secrets that cannot be read.
fn unreadable(sender: &mut Sender) {
    for body in [
        format!(
            r#"[{{"time":"T","type":"function","record":"{}"#,
            SECRETS[0]
        ),
        format!(r#"[{{"type":17,"record":"{}"}}]"#, SECRETS[0]),
        format!("{} is no batch", SECRETS[0]),
    ] {
        assert_eq!(
            sender
                .post("POST", "/", body.as_bytes())
                .expect("answered")
                .status,
            200
        );
    }
}

/// Holds no secret.
fn assert_clean(text: &str) {
    for secret in SECRETS {
        assert!(
            !text.contains(secret),
            "{secret} left the process: {text:.2000}"
        );
    }
}

#[test]
fn tables_without_patterns_are_not_touched() {
    let events: Vec<Told> = SECRETS
        .iter()
        .map(|secret| line(secret))
        .chain([start("r1")])
        .collect();
    let fed = feed("json", &[], &[events]);
    assert_eq!(
        fed.shown(0).as_deref(),
        Some(r#"{"message":"ann@example.com"}"#)
    );
    assert_eq!(fed.stats["redacted"], 0);
}

#[test]
fn a_pattern_that_matches_nothing_at_all_harms_nothing() {
    for pattern in ["/x*/", "/^/", "/$/", r"/\b/", "/()/"] {
        let fed = feed(
            "json",
            &[("BROOKLET_REDACT", pattern)],
            &[vec![line("ab cd"), json(r#"{"a":"b","c":""}"#)]],
        );
        for (number, parts) in [(0, ["a", "b", "c", "d"]), (1, ["\"a\"", "b", "\"c\"", "{"])] {
            let shown = fed.shown(number).expect("a record");
            assert!(
                parts.iter().all(|part| shown.contains(part)),
                "{pattern}: {shown}"
            );
        }
    }
}
