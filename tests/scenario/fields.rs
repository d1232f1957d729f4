//! Fields of JSON records that are dropped or kept by name: `BROOKLET_DROP_FIELDS` and `BROOKLET_KEEP_FIELDS`.

use super::feed::{Row, check, event, json, line, quote, wrapped};

/// Checks tables of a document and what is left of it, in both log formats.
fn left(options: &[(&str, &str)], table: &[(&str, &str)]) {
    let expected: Vec<String> = table
        .iter()
        .map(|(_, left)| format!(r#"{{"record":{left}}}"#))
        .collect();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for ((document, _), expected) in table.iter().zip(&expected) {
        rows.push((line(document), Some(expected)));
        rows.push((json(*document), Some(expected)));
        rows.push((event("extension", *document), Some(expected)));
    }
    check(options, &rows);
}

#[test]
fn named_fields_are_dropped_wherever_their_path_leads() {
    left(
        &[(
            "BROOKLET_DROP_FIELDS",
            "password,user.email,a.b.c,items.secret",
        )],
        &[
            (r#"{"x":1,"password":"p","y":2}"#, r#"{"x":1,"y":2}"#),
            (r#"{"password":"p"}"#, "{}"),
            (r#"{"password":{"deep":["p"]}}"#, "{}"),
            (r#"{"x":1,"password":"p"}"#, r#"{"x":1}"#),
            // Only where the path begins.
            (
                r#"{"user":{"password":"p"}}"#,
                r#"{"user":{"password":"p"}}"#,
            ),
            (
                r#"{"user":{"email":"e","name":"n"},"email":"e"}"#,
                r#"{"user":{"name":"n"},"email":"e"}"#,
            ),
            (r#"{"user":{"email":"e"}}"#, r#"{"user":{}}"#),
            // A key may hold the dots itself.
            (
                r#"{"user.email":"e","user.name":"n"}"#,
                r#"{"user.name":"n"}"#,
            ),
            (
                r#"{"a.b":{"c":1,"d":2},"a":{"b.c":3,"b":{"c":4,"e":5}}}"#,
                r#"{"a.b":{"d":2},"a":{"b":{"e":5}}}"#,
            ),
            // An array is passed through.
            (
                r#"{"items":[{"secret":1,"n":1},{"n":2},3,[{"secret":4}]]}"#,
                r#"{"items":[{"n":1},{"n":2},3,[{}]]}"#,
            ),
            // Every one of them, in any spelling.
            (
                r#"{"a":1,"password":"x","a":2,"password":"y"}"#,
                r#"{"a":1,"a":2}"#,
            ),
            (
                r#"{"pass\u0077ord":"p","x":"password"}"#,
                r#"{"x":"password"}"#,
            ),
            (r#"{"Password":"p"}"#, r#"{"Password":"p"}"#),
            // What is not an object on the way stays.
            (
                r#"{"user":"email","a":{"b":7}}"#,
                r#"{"user":"email","a":{"b":7}}"#,
            ),
            (
                r#"{"n":1.50e300,"s":"\u00e9\"","e":[]}"#,
                r#"{"n":1.50e300,"s":"\u00e9\"","e":[]}"#,
            ),
        ],
    );
}

#[test]
fn only_named_fields_are_kept_with_what_is_around_them() {
    left(
        &[("BROOKLET_KEEP_FIELDS", "order,user.id,a.b.c,items.n")],
        &[
            (
                r#"{"order":{"id":17,"x":[1]},"x":1}"#,
                r#"{"order":{"id":17,"x":[1]}}"#,
            ),
            (r#"{"x":1}"#, "{}"),
            (
                r#"{"user":{"id":7,"email":"e"},"id":8}"#,
                r#"{"user":{"id":7}}"#,
            ),
            (r#"{"user.id":7,"user.email":"e"}"#, r#"{"user.id":7}"#),
            (
                r#"{"a":{"b":{"c":1,"d":2},"e":3},"a.b":{"c":4}}"#,
                r#"{"a":{"b":{"c":1}},"a.b":{"c":4}}"#,
            ),
            (
                r#"{"items":[{"n":1,"x":2},{"x":3}]}"#,
                r#"{"items":[{"n":1}]}"#,
            ),
            (
                r#"{"order":1,"order":2,"\u006frder":3}"#,
                r#"{"order":1,"order":2,"\u006frder":3}"#,
            ),
        ],
    );
}

#[test]
fn what_is_kept_may_lose_a_part() {
    left(
        &[
            ("BROOKLET_KEEP_FIELDS", "user"),
            ("BROOKLET_DROP_FIELDS", "user.email"),
        ],
        &[(
            r#"{"user":{"id":7,"email":"e"},"x":1}"#,
            r#"{"user":{"id":7}}"#,
        )],
    );
}

#[test]
fn a_dropped_text_is_nowhere_and_a_level_was_read_before() {
    check(
        &[("BROOKLET_DROP_FIELDS", "message,level")],
        &[
            (
                json(r#"{"level":"warn","message":"secret","a":1}"#),
                Some(r#"{"level":"warn","record":{"a":1}}"#),
            ),
            (
                line(r#"{"level":"warn","message":"secret","a":1}"#),
                Some(r#"{"level":"warn","record":{"a":1}}"#),
            ),
        ],
    );
}

#[test]
fn an_opened_document_is_part_of_the_record() {
    let record = wrapped("{ not JSON").replace(
        &quote("{ not JSON"),
        &quote(r#"{"password":"p","order":17}"#),
    );
    check(
        &[("BROOKLET_DROP_FIELDS", "message.password,timestamp")],
        &[(
            json(record),
            Some(r#"{"level":"info","record":{"level":"INFO","message":{"order":17}}}"#),
        )],
    );
}

#[test]
fn only_what_the_function_and_extensions_log_as_json_is_touched() {
    check(
        &[
            ("BROOKLET_DROP_FIELDS", "requestId,metrics,name"),
            ("BROOKLET_KEEP_FIELDS", "nothing"),
        ],
        &[
            (
                event(
                    "platform.report",
                    r#"{"requestId":"r1","status":"success","metrics":{"durationMs":1.5}}"#,
                ),
                Some(
                    r#"{"level":"info","message":"REPORT RequestId: r1\tDuration: 1.50 ms","record":{"requestId":"r1","status":"success","metrics":{"durationMs":1.5}},"request_id":"r1"}"#,
                ),
            ),
            (
                line("name=requestId"),
                Some(r#"{"message":"name=requestId"}"#),
            ),
            (json(r#"[{"name":1}]"#), Some(r#"{"record":[{"name":1}]}"#)),
            (json("17"), Some(r#"{"record":17}"#)),
        ],
    );
}

#[test]
fn a_text_that_is_not_kept_is_nowhere() {
    for (keep, expected) in [
        ("order", r#"{"level":"warn","record":{"order":1}}"#),
        (
            "order,message",
            r#"{"level":"warn","message":"said","record":{"message":"said","order":1}}"#,
        ),
    ] {
        let document = r#"{"level":"warn","message":"said","order":1}"#;
        check(
            &[("BROOKLET_KEEP_FIELDS", keep)],
            &[
                (json(document), Some(expected)),
                (line(document), Some(expected)),
            ],
        );
    }
}

/// A document with a secret this deep.
fn deep(levels: usize, secret: &str) -> String {
    format!(
        "{}{secret}{}",
        r#"{"a":["#.repeat(levels),
        "]}".repeat(levels)
    )
}

#[test]
fn depth_hides_nothing() {
    for levels in [50, 100, 1_000] {
        let plain = deep(levels, r#"{"password":"ann@example.com","x":1}"#);
        let path = ["a"; 3].join(".") + ".nothing";
        for options in [
            &[("BROOKLET_REDACT", "email")][..],
            &[
                ("BROOKLET_REDACT", "email"),
                ("BROOKLET_DROP_FIELDS", path.as_str()),
            ][..],
        ] {
            let masked = plain.replace("ann@example.com", "[redacted:email]");
            let expected = format!(r#"{{"record":{masked}}}"#);
            check(
                options,
                &[
                    (json(plain.as_str()), Some(&expected)),
                    (line(&plain), Some(&expected)),
                ],
            );
        }
    }
}
