//! Which records are shipped by what they say: `BROOKLET_INCLUDE` and `BROOKLET_EXCLUDE`.

use super::feed::{self, FORMATS, Told, event, feed, json, line, report, start};
use crate::model;

/// What the patterns below choose from.
fn events() -> Vec<Told> {
    vec![
        line("GET /health 200"),                                    // 0
        line("GET /orders 500 ERROR"),                              // 1
        line("caf\u{e9} \"quoted\" \\ back\ttab"),                  // 2
        json(r#"{"level":"info","path":"/health","status":200}"#),  // 3
        json(r#"{"message":"GET \/orders","order":{"id":17}}"#),    // 4
        line(r#"{"message":"a document","order":17}"#),             // 5
        start("r1"),                                                // 6
        report("r1", "success"),                                    // 7
        event("extension", r#""GET /health from an extension\n""#), // 8
        json(r#"["health", 17]"#),                                  // 9
    ]
}

#[test]
fn patterns_choose_by_text_and_by_json_as_it_was_written() {
    for (include, exclude, expected) in [
        ("", "", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9][..]),
        // A bare pattern.
        ("health", "", &[0, 3, 8, 9]),
        ("", "health", &[1, 2, 4, 5, 6, 7]),
        ("^GET /health", "", &[0, 8]),
        // In any case, and not.
        ("error", "", &[]),
        ("/error/i", "", &[1]),
        // Several: one is enough.
        (r"/orders 500/,/^START/", "", &[1, 6]),
        ("", "/^GET/,/^START/,/REPORT/i", &[2, 3, 5, 9]),
        // A comma and a slash inside a pattern.
        (r"/\/orders? [0-9]{1,3}/", "", &[1]),
        // The text is the decoded one.
        ("caf\u{e9} \"quoted\" \\\\ back\\ttab$", "", &[2]),
        (r"^GET /orders$", "", &[4]),
        // The JSON is the written one.
        (r#""order":17"#, "", &[5]),
        (r#""path":"/health","status":200\}$"#, "", &[3]),
        (r#""id":17"#, "", &[4]),
        // Platform events by their lines, and by their JSON.
        ("^REPORT RequestId: r1\\tDuration: 12\\.50 ms", "", &[7]),
        (r#""durationMs":12.5"#, "", &[7]),
        // Both: what is left out is left out.
        ("GET", "health", &[1, 4]),
        ("nothing says this", "", &[]),
        ("", ".", &[]),
    ] {
        for format in FORMATS {
            let options: Vec<(&str, &str)> =
                [("BROOKLET_INCLUDE", include), ("BROOKLET_EXCLUDE", exclude)]
                    .into_iter()
                    .filter(|(_, value)| !value.is_empty())
                    .collect();
            let fed = feed(format, &options, &[events()]);
            assert_eq!(
                fed.kept(),
                expected,
                "include {include:?}, exclude {exclude:?}"
            );
            let ours = (events().len() - expected.len()) as u64;
            // The emulator's own events of init are chosen from too.
            let filtered = fed.stats.get("filtered");
            assert!(
                filtered.is_none_or(|filtered| *filtered >= ours),
                "{:?}",
                fed.stats
            );
            assert!(fed.stderr().is_empty(), "{:?}", fed.stderr());
        }
    }
}

#[test]
fn what_is_left_out_still_tells_what_the_others_need() {
    let events = vec![start("r1"), line("of r1"), json(r#"{"other":1}"#)];
    let fed = feed("json", &[("BROOKLET_EXCLUDE", "^START")], &[events]);
    assert_eq!(fed.shown(0), None);
    assert_eq!(
        fed.shown(1).as_deref(),
        Some(r#"{"message":"of r1","request_id":"r1"}"#)
    );
    assert_eq!(
        fed.shown(2).as_deref(),
        Some(r#"{"record":{"other":1},"request_id":"r1"}"#)
    );
}

#[test]
fn a_bad_pattern_is_named_and_filters_nothing_and_the_others_work() {
    for name in ["BROOKLET_INCLUDE", "BROOKLET_EXCLUDE"] {
        // Alone it is as if it were not there.
        for bad in ["(", "/[z-a]/", "/a/,/(?P</", "/a/,/(b{1000}){1000}/"] {
            let fed = feed("json", &[(name, bad)], &[vec![line("a"), line("b")]]);
            let good = bad.contains("/a/");
            let expected: &[usize] = match (good, name) {
                (false, _) => &[0, 1],
                (true, "BROOKLET_INCLUDE") => &[0],
                (true, _) => &[1],
            };
            assert_eq!(fed.kept(), expected, "{name}={bad}");
            assert!(fed.tells(&[name]), "{:?}", fed.stderr());
            let named = fed
                .stderr()
                .iter()
                .filter(|line| line.contains(name))
                .count();
            assert_eq!(named, 1, "it is named once: {:?}", fed.stderr());
        }
    }
}

#[test]
fn brooklet_s_own_records_are_not_chosen_from() {
    let fed = feed(
        "json",
        &[("BROOKLET_EXCLUDE", ".")],
        &[vec![start("r1"), line("x"), feed::done("r1", "timeout")]],
    );
    assert_eq!(fed.kept(), [0_usize; 0]);
    let kinds: Vec<&str> = fed
        .own
        .iter()
        .map(|(record, _)| record.kind.as_str())
        .collect();
    assert_eq!(kinds, ["brooklet.timeout"]);
    assert!(model::stats(&fed.sink).is_some());
}

#[test]
fn types_are_chosen_before_anything_else() {
    for (types, expected) in [
        ("platform", &[6, 7][..]),
        ("function", &[0, 1, 2, 3, 4, 5, 9]),
        ("extension", &[8]),
    ] {
        let fed = feed("json", &[("BROOKLET_TYPES", types)], &[events()]);
        assert_eq!(fed.kept(), expected, "{types}");
    }
}
