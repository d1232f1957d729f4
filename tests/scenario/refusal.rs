//! What a destination refuses for good: the culprit is found, dropped or put aside, and blocks nothing.

use super::books::{self, Book, LOG_LEVEL, Promise, WHOLE};
use crate::harness::{Run, Scenario};
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script, tastes};
use std::time::Duration;

/// 422 for what it does not like.
fn understands(body: &[u8]) -> u16 {
    if tastes(body) == 400 { 422 } else { 200 }
}

/// 413 for more than 3,000 bytes.
fn weighs(body: &[u8]) -> u16 {
    if body.len() > 3_000 { 413 } else { 200 }
}

fn judging(judge: fn(&[u8]) -> u16) -> Script {
    Script::always(Reply::deed(Deed::Judge(judge)).body("no, thank you"))
}

/// A scenario whose books can be closed.
fn scenario(sink: &Sink) -> Scenario {
    Scenario::with(sink)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
}

/// Lines of which some are poison.
fn lines(count: usize, poison: &[usize]) -> Invocation {
    (0..count).fold(Invocation::silent(), |invocation, number| {
        if poison.contains(&number) {
            invocation.print(format!("poison {number}"))
        } else {
            invocation.print(format!("line {number}"))
        }
    })
}

/// What is missing but for poison.
fn innocent(book: &Book) -> Vec<String> {
    let mut missing = book.missing();
    missing.retain(|one| !one.contains("poison"));
    missing
}

/// How many lines of standard error hold a text.
fn told(run: &Run, text: &str) -> usize {
    let lines = run.stderr();
    lines.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn the_culprit_is_found_dropped_named_once_and_never_sent_again() {
    for judge in [tastes as fn(&[u8]) -> u16, understands] {
        for culprit in [0, 57, 199] {
            let sink = Sink::new(judging(judge));
            let mut run = scenario(&sink).start();
            run.invoke(&lines(200, &[culprit]));
            let requests = sink.received().len();
            // Each halving may find the other half clean, and is begun again behind it.
            assert!(requests <= 45, "{requests} requests");
            run.invoke(&Invocation::line("after it"));
            run.finish();
            let book = &books::close(&run, Some(&sink), WHOLE)[0];
            assert_eq!(book.counters["refused"], 1, "{:?}", book.counters);
            assert_eq!(innocent(book), Vec::<String>::new());
            assert_eq!(book.missing().len(), 1);
            let sizes: Vec<usize> = books::requests_with(&sink, "poison")
                .iter()
                .map(|(_, records)| *records)
                .collect();
            assert_eq!(sizes.last(), Some(&1), "{sizes:?}");
            assert_eq!(sizes.iter().filter(|size| **size == 1).count(), 1);
            assert_eq!(told(&run, "refused 1 records"), 1, "{}", run.printed());
        }
    }
}

#[test]
fn several_culprits_are_found_one_by_one() {
    let sink = Sink::new(judging(tastes));
    let mut run = scenario(&sink).start();
    run.invoke(&lines(200, &[20, 60, 61, 140, 199]));
    run.invoke(&Invocation::line("after them"));
    run.finish();
    let book = &books::close(&run, Some(&sink), WHOLE)[0];
    assert_eq!(book.counters["refused"], 5, "{:?}", book.counters);
    assert_eq!(innocent(book), Vec::<String>::new());
}

#[test]
fn culprits_in_a_row_cost_no_innocent() {
    for row in [4, 16] {
        let sink = Sink::new(judging(tastes));
        let poison: Vec<usize> = (50..50 + row).collect();
        let mut run = scenario(&sink).start();
        run.invoke(&lines(200, &poison));
        let requests = sink.received().len();
        assert!(requests <= 45, "{requests} requests");
        run.invoke(&Invocation::line("after them"));
        run.finish();
        let book = &books::close(&run, Some(&sink), WHOLE)[0];
        assert_eq!(book.count("refused"), row as u64, "{:?}", book.counters);
        assert_eq!(innocent(book), Vec::<String>::new());
    }
}

#[test]
fn a_culprit_is_found_although_no_invocation_has_time_for_the_whole_search() {
    // An answer takes 60 ms and an invocation is held 200: three tries at most, while 256 records take nine.
    let sink = Sink::new(Script::always(
        Reply::deed(Deed::Judge(tastes)).after_ms(60),
    ));
    let mut run = scenario(&sink).option("FLUSH_BUDGET_MS", "200").start();
    run.invoke(&lines(250, &[0]));
    for number in 0..25 {
        run.invoke(&Invocation::line(format!("after it {number}")));
    }
    run.finish();
    let promise = Promise {
        heard: false,
        last_whole: true,
    };
    let book = &books::close(&run, Some(&sink), promise)[0];
    assert_eq!(book.counters["refused"], 1, "{:?}", book.counters);
    assert_eq!(innocent(book), Vec::<String>::new());
}

#[test]
fn a_payload_that_is_too_large_is_split_and_one_record_that_is_too_large_is_dropped() {
    let sink = Sink::new(judging(weighs));
    let mut run = scenario(&sink).option("COMPRESSION", "none").start();
    run.invoke(
        &Invocation::lines(30)
            .print(format!("giant {}", "x".repeat(5_000)))
            .print("behind the giant"),
    );
    run.invoke(&Invocation::line("after it"));
    run.finish();
    let book = &books::close(&run, Some(&sink), WHOLE)[0];
    assert_eq!(book.counters["refused"], 1, "{:?}", book.counters);
    let missing = book.missing();
    assert_eq!(missing.len(), 1);
    assert!(missing[0].contains("giant xxx"), "{:.100}", missing[0]);
    assert_eq!(told(&run, "one record is too large"), 1);
    let alone = books::requests_with(&sink, "giant xxx");
    assert_eq!(alone.iter().filter(|(_, records)| *records == 1).count(), 1);
}

#[test]
fn a_limit_that_was_met_is_remembered() {
    let sink = Sink::new(judging(weighs));
    let mut run = scenario(&sink).option("COMPRESSION", "none").start();
    run.invoke(&Invocation::lines(200));
    let received = sink.received();
    let refused = received.iter().filter(|one| !one.acknowledged()).count();
    let taken = received.len() - refused;
    assert!(refused <= 8 + taken / 3, "{refused} refused, {taken} taken");
    run.finish();
    let book = &books::close(&run, Some(&sink), WHOLE)[0];
    assert_eq!(book.missing(), Vec::<String>::new());
}

#[test]
fn what_the_endpoint_holds_is_not_repeated() {
    let echo = Reply::status(404).body("Cannot POST /logs?token=s3cr3t-value");
    let sink = Sink::new(Script::always(echo));
    let url = format!("{}?token=s3cr3t-value", sink.url("/logs"));
    let mut run = Scenario::to(&url).option("FLUSH", "end").start();
    run.invoke(&Invocation::line("one"));
    run.finish();
    assert!(
        told(&run, "Cannot POST /logs?token=***") > 0,
        "{}",
        run.printed()
    );
    assert_eq!(told(&run, "s3cr3t"), 0);
}

#[test]
fn a_destination_that_refuses_everything_costs_few_requests() {
    // A wrong key, not a wrong record: there is nothing to search for.
    for status in [401, 403, 404] {
        let sink = Sink::new(Script::always(Reply::status(status)));
        let mut run = scenario(&sink).start();
        for _ in 0..3 {
            run.invoke(&Invocation::lines(100));
        }
        run.finish();
        let requests = sink.received().len();
        assert!(requests <= 8, "{requests} requests for {status}");
        let promise = Promise {
            heard: true,
            last_whole: true,
        };
        let book = &books::close(&run, Some(&sink), promise)[0];
        assert_eq!(book.counters["delivered"], 0);
    }
    // 400 for everything is searched a few times, then believed.
    let sink = Sink::new(Script::always(Reply::status(400)));
    let mut run = scenario(&sink).start();
    for _ in 0..3 {
        run.invoke(&Invocation::lines(500));
    }
    run.finish();
    let requests = sink.received().len();
    assert!(requests <= 45, "{requests} requests");
    books::close(&run, Some(&sink), WHOLE);
}

/// The dead letters of a fallback: each marker's reason and how many records stand behind it.
pub(crate) fn letters(fallback: &Sink) -> Vec<(String, usize)> {
    let mut letters = Vec::new();
    for request in fallback.received() {
        if !request.acknowledged() {
            continue;
        }
        let records = model::records_of(&request);
        assert_eq!(records[0].kind, "brooklet.dead_letter");
        let marker: serde_json::Value = serde_json::from_str(records[0].json()).unwrap();
        assert_eq!(marker["records"], records.len() - 1);
        let rest = &records[1..];
        assert!(rest.iter().all(|one| one.kind != "brooklet.dead_letter"));
        letters.push((
            marker["reason"].as_str().unwrap().to_owned(),
            records.len() - 1,
        ));
    }
    letters
}

/// Neither key nor headers of the destination reach the fallback.
fn assert_no_secrets(fallback: &Sink) {
    for request in fallback.received() {
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("x-secret"), None);
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
}

fn with_fallback(sink: &Sink, fallback: &Sink) -> Scenario {
    scenario(sink)
        .option("FALLBACK_ENDPOINT", &fallback.url("/dead"))
        .option("API_KEY", "k-123")
        .option("HEADERS", "X-Secret=s-456")
}

#[test]
fn what_is_refused_goes_to_the_fallback_with_the_reason() {
    let (sink, fallback) = (Sink::new(judging(tastes)), Sink::ok());
    let mut run = with_fallback(&sink, &fallback).start();
    run.invoke(&lines(100, &[33]));
    run.invoke(&Invocation::line("after it"));
    run.finish();
    let book = &books::close(&run, Some(&sink), WHOLE)[0];
    assert_eq!(book.counters["dead_lettered"], 1, "{:?}", book.counters);
    assert_eq!(book.counters["refused"], 0, "{:?}", book.counters);
    assert_eq!(innocent(book), Vec::<String>::new());
    let letters = letters(&fallback);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].0.starts_with("400"), "{letters:?}");
    assert!(letters[0].0.contains("no, thank you"), "{letters:?}");
    assert_eq!(model::records(&fallback)[0].says(), "poison 33");
    assert_no_secrets(&fallback);
    assert!(
        sink.received()
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer k-123"))
    );
}

#[test]
fn what_is_left_at_the_end_goes_to_the_fallback() {
    for (name, reply) in [
        ("failing", Reply::status(500)),
        ("hanging", Reply::hang()),
        ("closing", Reply::deed(Deed::CloseBeforeAnswer)),
    ] {
        eprintln!("{name}");
        let (sink, fallback) = (Sink::new(Script::always(reply)), Sink::ok());
        let mut run = with_fallback(&sink, &fallback)
            .option("FLUSH_BUDGET_MS", "100")
            .start();
        for _ in 0..4 {
            run.invoke(&Invocation::lines(10));
        }
        run.finish();
        let book = &books::open(&run, Some(&fallback))[0];
        books::assert_adds_up(book);
        assert_eq!(book.missing(), Vec::<String>::new());
        assert_eq!(
            book.counters["dropped_at_shutdown"], 0,
            "{:?}",
            book.counters
        );
        assert_eq!(
            book.counters["dead_lettered"],
            book.taken.len() as u64 + book.counters["own"]
        );
        assert!(letters(&fallback).iter().all(|(why, _)| !why.is_empty()));
        assert_no_secrets(&fallback);
    }
}

#[test]
fn what_would_overflow_goes_to_the_fallback_in_time() {
    let (sink, fallback) = (Sink::new(Script::always(Reply::status(500))), Sink::ok());
    let mut run = with_fallback(&sink, &fallback)
        .option("FLUSH_BUDGET_MS", "100")
        .option("BUFFER_BYTES", "65536")
        .start();
    for _ in 0..10 {
        run.invoke(&Invocation::lines(40).works_ms(40));
    }
    run.finish();
    let book = &books::open(&run, Some(&fallback))[0];
    books::assert_adds_up(book);
    assert_eq!(book.counters["dropped_by_buffer"], 0, "{:?}", book.counters);
    assert_eq!(book.missing(), Vec::<String>::new());
}

#[test]
fn a_fallback_that_is_away_too_costs_nothing_but_its_records() {
    for reply in [Reply::hang(), Reply::status(500), Reply::status(400)] {
        let sink = Sink::new(judging(tastes));
        let fallback = Sink::new(Script::always(reply));
        let mut run = with_fallback(&sink, &fallback)
            .option("FLUSH_BUDGET_MS", "200")
            .lambda(|setup| setup.shutdown_limit = Duration::from_millis(1_200))
            .alone()
            .start();
        run.invoke(&lines(20, &[3]));
        run.invoke(&Invocation::line("after it").works_ms(100));
        run.invoke(&Invocation::line("and again"));
        run.finish();
        let book = &books::close(&run, Some(&sink), WHOLE)[0];
        assert_eq!(book.counters["refused"], 1, "{:?}", book.counters);
        assert_eq!(book.counters["dead_lettered"], 0);
        assert_eq!(innocent(book), Vec::<String>::new());
    }
}
