//! A panic in each stage: caught, counted, told once, and the function goes on.
//!
//! It needs a binary with the feature `fault`, which no release has, so it does not look at `BROOKLET_BINARY`:
//! `BROOKLET_FAULT_BINARY` names what `./build.sh --fault` made, and without it the one that cargo builds is taken:
//! `cargo test --features fault --test brooklet isolation`.

use super::books::{self, Book, LOG_LEVEL};
use super::secrets::{aws, first};
use crate::harness::{Run, Scenario};
use crate::lambda::function::Invocation;
use crate::lambda::process::Exit;
use crate::lambda::setup::Launch;
use crate::model;
use crate::sink::Sink;
use std::collections::HashMap;
use std::time::Duration;

/// The secrets of this destination come from both services, so that one is fetched beside the other.
fn with_secrets(sink: &Sink, services: &Sink, nth: usize) -> Scenario {
    faulty(sink, "secrets", nth)
        .option("FLUSH", "end")
        .option("AWS_ENDPOINT_URL", &services.url(""))
        .option("API_KEY", super::secrets::TEXT)
        .option("HEADERS", "x-key=ssm:/logs/key")
}

/// The binary with faults.
fn binary() -> std::path::PathBuf {
    let built = std::env::var_os("BROOKLET_FAULT_BINARY");
    built.map_or_else(|| env!("CARGO_BIN_EXE_brooklet").into(), Into::into)
}

/// A scenario with a fault at the n-th pass through a stage.
fn faulty(sink: &Sink, stage: &str, nth: usize) -> Scenario {
    Scenario::with(sink)
        .option("FAULT", &format!("{stage}:{nth}"))
        .option("LOG_LEVEL", LOG_LEVEL)
        .lambda(|setup| {
            setup.launch = Launch::Direct {
                binary: binary(),
                name: "brooklet".to_owned(),
            };
        })
}

/// How many lines tell of a panic.
fn panics_told(run: &Run) -> usize {
    let lines = run.stderr();
    lines
        .iter()
        .filter(|line| line.contains("panic in"))
        .count()
}

/// Ends it, and asserts that it left in good order; a panic while a batch was taken in may have cost that batch.
fn finish(run: &mut Run) -> Book {
    let ended = run.shutdown();
    assert_eq!(ended.exit, Some(Exit::Code(0)), "{}", run.printed());
    assert!(
        ended.took < Duration::from_millis(1_500),
        "{:?}",
        ended.took
    );
    let book = books::open(run, None).remove(0);
    books::assert_adds_up(&book);
    book
}

/// Whatever was handed over and did not arrive is named, and nothing arrived twice.
fn assert_accounted(sink: &Sink, book: &Book) {
    let mut balance: HashMap<String, i64> = HashMap::new();
    for event in &book.taken {
        *balance.entry(model::expectation(event)).or_default() += 1;
    }
    let records = model::records(sink);
    for record in &records {
        *balance.entry(model::statement(record)).or_default() -= 1;
    }
    let extra: Vec<_> = balance.iter().filter(|(_, count)| **count < 0).collect();
    assert!(extra.is_empty(), "{extra:?}");
    model::assert_unique_ids(&records);
    let missing = (book.taken.len() - records.len()) as u64;
    let named: u64 = [
        "unreadable",
        "refused",
        "dropped_by_buffer",
        "dropped_at_shutdown",
    ]
    .iter()
    .map(|name| book.counters[name])
    .sum();
    assert_eq!(missing, named, "{missing} missing: {:?}", book.counters);
    let stats = model::stats(sink).expect("the losses are told to the destination");
    assert_eq!(stats["panics"], 1);
    model::assert_accounts(&stats);
}

/// The function is invoked five times with a fault in a stage.
fn goes_on(stage: &str, nth: usize, strategy: &str) {
    eprintln!("{stage}, pass {nth}, {strategy}");
    let sink = Sink::ok();
    let mut run = faulty(&sink, stage, nth)
        .option("FLUSH", strategy)
        .option("FLUSH_BUDGET_MS", "300")
        .start();
    for number in 0..5 {
        run.invoke(&Invocation::line(format!("line {number}")).works_ms(40));
    }
    let book = finish(&mut run);
    assert_eq!(book.counters["panics"], 1, "{:?}", book.counters);
    assert_eq!(panics_told(&run), 1, "{}", run.printed());
    assert_accounted(&sink, &book);
    let said = |text: &str| model::records(&sink).iter().any(|one| one.says() == text);
    assert!(said("line 4"), "it does not go on; {}", run.printed());
}

#[test]
fn a_panic_while_a_batch_is_received_costs_that_batch() {
    for nth in [1, 3] {
        goes_on("receive", nth, "end");
    }
}

#[test]
fn a_panic_while_a_batch_is_read_costs_that_batch() {
    for nth in [1, 3] {
        goes_on("parse", nth, "end");
    }
}

#[test]
fn a_panic_while_a_record_is_processed_costs_no_other_batch() {
    for nth in [1, 7] {
        goes_on("process", nth, "end");
    }
}

#[test]
fn a_panic_while_a_record_is_encoded_costs_no_other_batch() {
    for nth in [1, 7] {
        goes_on("encode", nth, "end");
    }
}

#[test]
fn a_panic_while_the_flush_thread_wakes_costs_what_woke_it() {
    for nth in 1..=6 {
        goes_on("flush", nth, "end");
    }
}

#[test]
fn a_panic_while_a_payload_is_sent_costs_nothing() {
    for strategy in ["end", "next", "periodic:20"] {
        for nth in [1, 3] {
            goes_on("send", nth, strategy);
        }
    }
}

#[test]
fn a_panic_in_the_main_thread_costs_nothing() {
    for strategy in ["end", "next"] {
        for nth in [1, 3] {
            goes_on("main", nth, strategy);
        }
    }
}

/// Nothing is sent before SHUTDOWN, and the fault is met after it.
fn at_the_end(stage: &str, nth: usize) {
    eprintln!("{stage}, pass {nth}, at SHUTDOWN");
    let sink = Sink::ok();
    let mut run = faulty(&sink, stage, nth)
        .option("FLUSH", "periodic:3600000")
        .start();
    run.invoke(&Invocation::line("one").works_ms(40));
    let book = finish(&mut run);
    assert_eq!(book.counters["panics"], 1, "{:?}", book.counters);
    assert_eq!(panics_told(&run), 1, "{}", run.printed());
    let named: u64 = ["unreadable", "dropped_at_shutdown"]
        .iter()
        .map(|name| book.counters[name])
        .sum();
    let missing = book.taken.len() - model::records(&sink).len();
    assert!(
        missing as u64 <= named,
        "{missing} records went without a word: {:?}",
        book.counters
    );
}

#[test]
fn a_panic_in_the_last_send_is_no_silent_loss() {
    at_the_end("send", 1);
}

#[test]
fn a_panic_while_the_last_counters_are_written_is_no_silent_loss() {
    // init (5 events), start, the line, runtimeDone and report come before.
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "periodic:3600000")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    run.invoke(&Invocation::line("one").works_ms(40));
    run.finish();
    let encoded = books::open(&run, None)[0].counters["encoded"];
    at_the_end("encode", encoded as usize);
}

#[test]
fn a_panic_while_secrets_are_fetched_costs_one_try() {
    for nth in [1, 2] {
        let services = Sink::new(aws(first));
        let sink = Sink::ok();
        let mut run = with_secrets(&sink, &services, nth).start();
        let mut rounds = 0;
        while sink.received().is_empty() && rounds < 200 {
            run.invoke(&Invocation::line("again").works_ms(20));
            rounds += 1;
        }
        let book = finish(&mut run);
        assert_accounted(&sink, &book);
        assert_eq!(panics_told(&run), 1, "{}", run.printed());
        assert!(
            run.printed().contains("it could not be fetched"),
            "{}",
            run.printed()
        );
        assert!(!model::records(&sink).is_empty(), "{}", run.printed());
    }
}

#[test]
fn a_panic_in_the_wrapper_costs_the_secrets_that_it_fetched() {
    let services = Sink::new(aws(first));
    let text = format!("secret:{}", super::secrets::TEXT);
    for nth in [1, 2] {
        let output = std::process::Command::new(binary())
            .args(["--wrapper", "/bin/sh", "-c", "echo \"$A $B $C\"; exit 7"])
            .env_clear()
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("BROOKLET_AWS_ENDPOINT_URL", services.url(""))
            .env("BROOKLET_FAULT", format!("secrets:{nth}"))
            .env("A", &text)
            .env("B", "secret:ssm:/logs/key")
            .env("BROOKLET_RUNTIME_ENV_C", "plain")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let held: Vec<&str> = told.trim_end().split(' ').collect();
        assert_eq!(held.len(), 3, "{told}");
        assert_eq!(held[2], "plain", "what is no secret is set all the same");
        let kept = [&*text, "secret:ssm:/logs/key"];
        let missing = (0..2).filter(|at| held[*at] == kept[*at]).count();
        assert!(missing >= 1, "{told}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            said.matches("it could not be fetched").count(),
            missing,
            "{said}"
        );
    }
}
