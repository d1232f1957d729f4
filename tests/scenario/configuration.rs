//! Options as an owner gives them: good, bad, absent, secret.

use super::command_line::check;
use crate::harness::Scenario;
use crate::lambda::api;
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Reply, Script};
use std::time::Duration;

/// Options with a value that is not one, and the value that is taken instead.
const BAD: [(&str, &str, &str); 14] = [
    ("FORMAT", "xml", "json"),
    ("FLUSH", "sometimes", ""),
    ("FLUSH", "periodic:soon", ""),
    ("FLUSH_BUDGET_MS", "fast", "1000"),
    ("BUFFER_BYTES", "-1", "4194304"),
    ("BATCH_BYTES", "1MB", "1048576"),
    ("BATCH_RECORDS", "many", "10000"),
    ("COMPRESSION", "zip", "gzip"),
    ("API", "soap", "auto"),
    ("PORT", "70000", "21077"),
    ("LOG_LEVEL", "loud", "warn"),
    ("ENABLED", "perhaps", "true"),
    ("TELEMETRY_TIMEOUT_MS", "5", "25"),
    ("TYPES", "platform,metrics", "platform,function"),
];

#[test]
fn a_bad_value_is_named_once_with_what_is_taken_and_nothing_else_changes() {
    for (name, given, taken) in BAD {
        eprintln!("{name}={given}");
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option(name, given).start();
        run.invoke(&Invocation::lines(2));
        run.invoke(&Invocation::lines(2));
        run.finish_conserved(&sink);
        let stderr = run.stderr();
        assert_eq!(stderr.len(), 1, "{name}={given}: {stderr:#?}");
        for part in [
            format!("BROOKLET_{name}"),
            given.to_owned(),
            taken.to_owned(),
        ] {
            assert!(
                stderr[0].contains(&part),
                "{part} is not in {:?}",
                stderr[0]
            );
        }
    }
}

#[test]
fn all_bad_values_are_named_together() {
    let sink = Sink::ok();
    let mut scenario = Scenario::with(&sink);
    for (name, given, _) in BAD.iter().filter(|(_, given, _)| *given != "sometimes") {
        scenario = scenario.option(name, given);
    }
    let mut run = scenario.start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
    let said = run.stderr().join("\n");
    for (name, given, _) in BAD.iter().filter(|(_, given, _)| *given != "sometimes") {
        assert!(said.contains(&format!("BROOKLET_{name}")), "{name}: {said}");
        assert!(said.contains(given), "{given}: {said}");
    }
}

#[test]
fn a_variable_that_is_nearly_an_option_is_asked_about() {
    for (name, meant) in [
        ("BROOKLET_COMPRESION", "BROOKLET_COMPRESSION"),
        ("BROOKLET_ENDPIONT_2", "BROOKLET_ENDPOINT_2"),
    ] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).env(name, "x").start();
        run.invoke(&Invocation::lines(2));
        run.finish_conserved(&sink);
        let [said] = &run.stderr()[..] else {
            panic!("{}", run.printed());
        };
        let question = format!("did you mean {meant}?");
        assert!(said.contains(name) && said.contains(&question), "{said}");
        let endpoint = sink.url("/logs");
        let ran = check(&[("BROOKLET_ENDPOINT", &endpoint), (name, "x")]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains(&question), "{ran:?}");
    }
}

#[test]
fn pairs_that_cannot_be_read_are_named() {
    for (name, given) in [
        ("HEADERS", "no-value"),
        ("TAGS", "no-value"),
        ("HEADERS", "bad name=x"),
        ("PROXY", "ftp://x"),
    ] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option(name, given).start();
        run.invoke(&Invocation::lines(2));
        run.finish_conserved(&sink);
        let stderr = run.stderr();
        assert_eq!(stderr.len(), 1, "{name}={given}: {stderr:#?}");
        assert!(
            stderr[0].contains(&format!("BROOKLET_{name}")),
            "{stderr:?}"
        );
    }
}

#[test]
fn a_certificate_file_that_is_not_one_is_named() {
    for file in ["/nonexistent/ca.pem", "/etc/hostname"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option("CA_FILE", file).start();
        run.invoke(&Invocation::lines(2));
        eprintln!("{file}: {}", run.printed());
        run.finish_conserved(&sink);
        assert_eq!(run.stderr().len(), 1, "{}", run.printed());
        assert!(
            run.stderr()[0].contains("BROOKLET_CA_FILE"),
            "{}",
            run.printed()
        );
    }
}

#[test]
fn an_endpoint_that_is_none_is_named_and_leaves_it_inert() {
    for endpoint in ["not a url", "ftp://127.0.0.1/", "http://"] {
        let mut run = Scenario::to(endpoint).start();
        run.invoke(&Invocation::lines(2));
        run.finish();
        assert_eq!(run.stderr().len(), 1, "{}", run.printed());
        assert!(
            run.stderr()[0].contains("BROOKLET_ENDPOINT"),
            "{}",
            run.printed()
        );
    }
}

#[test]
fn without_an_endpoint_it_is_inert_and_says_so_in_one_line() {
    for scenario in [Scenario::bare(), Scenario::to("")] {
        let mut run = scenario.alone().start();
        for _ in 0..3 {
            let report = run.invoke(&Invocation::lines(2));
            assert!(report.hold < Duration::from_millis(20), "{:?}", report.hold);
        }
        run.finish();
        assert_eq!(run.stderr().len(), 1, "{}", run.printed());
        assert!(
            run.stderr()[0].contains("BROOKLET_ENDPOINT"),
            "{}",
            run.printed()
        );
        assert!(run.lambda.calls_to(api::TELEMETRY).is_empty());
    }
}

#[test]
fn a_vendors_key_alone_is_told_what_it_needs() {
    for (key, format) in [
        ("DD_API_KEY", "datadog"),
        ("NEW_RELIC_LICENSE_KEY", "newrelic"),
        ("LIBHONEY_API_KEY", "honeycomb"),
        ("HONEYCOMB_API_KEY", "honeycomb"),
        ("AXIOM_TOKEN", "axiom"),
    ] {
        let mut run = Scenario::bare().alone().env(key, "key-of-gold").start();
        run.invoke(&Invocation::lines(2));
        run.finish();
        let [said] = &run.stderr()[..] else {
            panic!("{}", run.printed());
        };
        let ran = check(&[(key, "key-of-gold")]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let format = format!("BROOKLET_FORMAT={format}");
        for told in [said, &ran.stdout] {
            for part in ["BROOKLET_ENDPOINT is not set", key, &format] {
                assert!(told.contains(part), "{part} is not in {told}");
            }
            assert!(!told.contains("of-gold"), "{told}");
        }
    }
}

#[test]
fn check_says_that_a_vendors_key_is_not_sent() {
    let sink = Sink::ok();
    let endpoint = sink.url("/logs");
    let to_sink = ("BROOKLET_ENDPOINT", &*endpoint);
    let key = ("DD_API_KEY", "key-of-gold");
    let note = "DD_API_KEY is read with BROOKLET_FORMAT=datadog";
    for (more, noted) in [
        (("BROOKLET_FORMAT", "ndjson"), true),
        (("BROOKLET_FORMAT", "datadog"), false),
        (("BROOKLET_API_KEY", "own"), false),
        (("BROOKLET_HEADERS", "x-key=own"), false),
    ] {
        let ran = check(&[to_sink, key, more]);
        assert_eq!(ran.code, 0, "it is no mistake: {ran:?}");
        assert_eq!(ran.stdout.contains(note), noted, "{more:?}: {ran:?}");
        assert!(!ran.stdout.contains("of-gold"), "{ran:?}");
    }
    assert_eq!(sink.received().len(), 4);
}

#[test]
fn disabled_it_is_inert_and_silent() {
    for word in ["false", "FALSE", "0"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("ENABLED", word)
            .option("FORMAT", "xml")
            .start();
        run.invoke(&Invocation::lines(2));
        run.finish();
        assert!(run.lambda.printed().is_empty(), "{}", run.printed());
        let paths: Vec<String> = run
            .lambda
            .calls()
            .into_iter()
            .map(|call| call.path)
            .collect();
        assert_eq!(paths, [api::REGISTER, api::NEXT, api::NEXT,]);
        assert_eq!(sink.received().len(), 0);
    }
}

#[test]
fn a_working_extension_says_nothing() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
    assert!(run.lambda.printed().is_empty(), "{}", run.printed());
}

#[test]
fn secrets_are_never_printed() {
    let sink = Sink::new(Script::first([
        Reply::status(500),
        Reply::status(401).body("no"),
    ]));
    let mut run = Scenario::with(&sink)
        .option("LOG_LEVEL", "debug")
        .option("API_KEY", "key-of-gold")
        .option("HEADERS", "X-Token=token-of-gold,X-Other=other%20of%20gold")
        .start();
    run.invoke(&Invocation::lines(2));
    run.invoke(&Invocation::lines(2));
    run.finish();
    let printed = run.printed();
    assert!(
        printed.contains("debug"),
        "it has nothing to say at debug: {printed}"
    );
    for secret in [
        "of-gold",
        "of%20gold",
        "of gold",
        "an-example-of-a-secret-key",
        "an-example-of-a-session-token",
    ] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn a_secret_in_a_bad_value_is_not_printed_either() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("HEADERS", "X-Token:token-of-gold")
        .option("API_KEY", "key\nof-gold")
        .start();
    run.invoke(&Invocation::lines(2));
    run.finish();
    assert!(!run.printed().contains("of-gold"), "{}", run.printed());
}

#[test]
fn levels_choose_what_is_said() {
    let lines = |level: &str| {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("LOG_LEVEL", level)
            .option("FORMAT", "xml")
            .start();
        run.invoke(&Invocation::lines(2));
        run.finish_conserved(&sink);
        run.stderr()
    };
    assert!(lines("error").is_empty(), "{:?}", lines("error"));
    assert_eq!(lines("warn").len(), 1);
    let debug = lines("debug");
    assert!(
        debug
            .iter()
            .any(|line| line.starts_with("brooklet: debug: ")),
        "{debug:?}"
    );
    assert!(debug.len() > lines("info").len());
}

#[test]
fn the_buffer_has_a_limit_and_what_it_loses_is_told() {
    let sink = Sink::new(Script::always(Reply::hang()));
    let mut run = Scenario::with(&sink)
        .option("BUFFER_BYTES", "65536")
        .option("FLUSH_BUDGET_MS", "50")
        .unfrozen()
        .start();
    for _ in 0..3 {
        run.invoke(&Invocation::silent().burst(1_000, 200));
    }
    sink.set(Script::always(Reply::ok()));
    run.finish();
    let said = run.stderr().join("\n");
    assert!(said.contains("drop"), "{said}");
    model::assert_unique_ids(&model::records(&sink));
}
