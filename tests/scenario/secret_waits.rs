//! What waits for a secret that records are made with: its memory, its time and its count; and what is shown of a destination that is made of secrets.
//!
//! It must not look at what the secret does once it is there: `secret_options.rs` does.

use super::books;
use super::command_line;
use super::secrets::{self, empty, parameters, with};
use crate::harness::{PATIENCE, Scenario};
use crate::lambda::function::Invocation;
use crate::model;
use crate::noise;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::time::Duration;

/// Parameter Store with all secrets.
fn store(question: &[u8]) -> (u16, String) {
    let all = [
        ("/tags", "team=boats,of=oak"),
        (
            "/url",
            "https://search-oakhost.eu-west-1.es.amazonaws.com/oakpath/_bulk",
        ),
        ("/index", "oakindex"),
        ("/header", "x-oakheader"),
    ];
    parameters(question, &all)
}

/// A place for one of them.
fn place(answer: fn(&[u8]) -> (u16, String), after_ms: u64) -> Sink {
    let reply = Reply::deed(Deed::Answer(answer)).after_ms(after_ms);
    Sink::new(Script::always(reply))
}

/// A function whose tags are a secret.
fn scenario(sink: &Sink, store: &Sink) -> Scenario {
    with(sink, store).option("TAGS", "ssm:/tags")
}

/// A batch of events of about so many bytes each.
fn batch(events: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    let event =
        format!(r#"{{"time":"2026-11-22T16:42:10.110Z","type":"function","record":"{text}"}}"#);
    format!("[{}]", vec![event; events].join(","))
}

#[test]
fn many_small_batches_take_no_more_memory_than_is_promised() {
    const BATCHES: usize = 3_000;
    const GROWTH_BYTES: u64 = 8 * 1024 * 1024;
    let (store, sink) = (place(empty, 0), Sink::ok());
    let mut run = scenario(&sink, &store).unfrozen().start();
    assert!(
        run.lambda.wait_printed(PATIENCE, "no such parameter"),
        "{}",
        run.printed()
    );
    let before = run.invoke(&Invocation::silent()).vitals.resident;
    let mut sender = run.lambda.sender();
    let batch = batch(1, 200);
    for _ in 0..BATCHES {
        let answer = sender.post("POST", "/", batch.as_bytes()).expect("taken");
        assert_eq!(answer.status, 200);
    }
    let after = run.invoke(&Invocation::silent()).vitals.resident;
    assert!(after < before + GROWTH_BYTES, "{before} and {after} bytes");
    run.shutdown();
}

#[test]
fn nobody_is_held_twice_for_what_cannot_be_read() {
    let (store, sink) = (place(store, 4_500), Sink::ok());
    let mut run = scenario(&sink, &store)
        .option("SECRETS_BUDGET_MS", "20000")
        .start();
    // The secret might have come in time.
    run.invoke(&Invocation::line("a line"));
    for _ in 0..3 {
        let report = run.invoke(&Invocation::line("a line"));
        let limit = noise::at_worst(Duration::from_millis(250));
        assert!(report.hold < limit, "{:?}", report.hold);
    }
    run.shutdown();
    let printed = run.printed();
    assert!(!printed.contains("not held for it any more"), "{printed}");
}

#[test]
fn what_is_missing_is_asked_for_again_in_a_long_silence() {
    let (services, sink) = (place(empty, 0), Sink::ok());
    let mut run = scenario(&sink, &services).unfrozen().start();
    let told = "no such parameter";
    assert!(run.lambda.wait_printed(PATIENCE, told), "{}", run.printed());
    run.invoke(&Invocation::line("a line"));
    // Asked for again as the invocation began, or soon after it: the pause is longer than what comes of it.
    services.set(secrets::aws(store));
    assert!(
        model::wait_records(&sink, 5, PATIENCE),
        "nothing woke it: {}",
        run.printed()
    );
    run.finish_conserved(&sink);
}

#[test]
fn what_lies_aside_is_counted_where_its_end_does_not_come() {
    const BATCHES: u64 = 17;
    let store = place(store, 300);
    let sink = Sink::new(Script::always(Reply::hang()));
    let mut run = scenario(&sink, &store)
        .option("FLUSH_BUDGET_MS", "0")
        .unfrozen()
        .start();
    let mut sender = run.lambda.sender();
    let batch = batch(1_000, 100);
    for _ in 0..BATCHES {
        let answer = sender.post("POST", "/", batch.as_bytes()).expect("taken");
        assert_eq!(answer.status, 200);
    }
    run.shutdown();
    let counters = books::counters(&run.stderr());
    assert!(counters["received"] >= BATCHES * 1_000, "{counters:?}");
}

#[test]
fn a_value_of_a_list_that_is_a_secret_is_not_repeated() {
    let store = place(store, 0);
    let refusal = Reply::status(400).body("field tags.team: boats is too long");
    let sink = Sink::new(Script::always(refusal));
    let mut run = scenario(&sink, &store).start();
    run.invoke(&Invocation::lines(3));
    run.invoke(&Invocation::lines(3));
    run.shutdown();
    let printed = run.printed();
    assert!(printed.contains("tags.team: ***"), "{printed}");
    assert!(!printed.contains("boats"), "{printed}");
}

#[test]
fn check_shows_nothing_of_a_destination_that_is_made_of_secrets() {
    let store = place(store, 0);
    let answer = r#"{"errors":false,"items":[{"create":{"status":201}}]}"#;
    let sink = Sink::new(Script::always(Reply::status(200).body(answer)));
    let store_url = store.url("");
    let base = [
        ("BROOKLET_FORMAT", "elasticsearch"),
        ("BROOKLET_AWS_ENDPOINT_URL", &*store_url),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let url = sink.url("");
    for (more, is_good) in [
        (
            vec![
                ("BROOKLET_ENDPOINT", "ssm:/url"),
                ("BROOKLET_PROXY", "http://127.0.0.1:9"),
            ],
            false,
        ),
        (
            vec![
                ("BROOKLET_ENDPOINT", &*url),
                ("BROOKLET_INDEX", "ssm:/index"),
                ("BROOKLET_API_KEY", "k"),
                ("BROOKLET_KEY_HEADER", "ssm:/header"),
            ],
            true,
        ),
    ] {
        let options: Vec<(&str, &str)> = base.into_iter().chain(more).collect();
        let ran = command_line::check(&options);
        let shown = format!("{ran:?}");
        assert!(!shown.contains("oak"), "{shown}");
        assert!(!shown.contains("names no index"), "{shown}");
        assert_eq!(ran.code == 0, is_good, "{shown}");
    }
}
