//! What a freeze does to connections, requests and everything that an environment must have for itself.

use super::books::{self, LOG_LEVEL, Promise, WHOLE};
use crate::harness::{PATIENCE, Scenario};
use crate::lambda::function::Invocation;
use crate::lambda::setup::InitializationType;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::time::Duration;

/// Some answers were not heard.
const UNHEARD: Promise = Promise {
    heard: false,
    last_whole: true,
};

#[test]
fn a_connection_that_died_in_the_freeze_costs_no_failed_try() {
    for strategy in ["end", "next"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("FLUSH", strategy)
            .option("FLUSH_BUDGET_MS", "400")
            .option("LOG_LEVEL", LOG_LEVEL)
            .start();
        for number in 0..6 {
            let report = run.invoke(&Invocation::line(format!("line {number}")).works_ms(80));
            let quick = report.hold < Duration::from_millis(150);
            assert!(quick, "invocation {number} was held {:?}", report.hold);
            sink.cut();
        }
        assert!(model::has(&sink, "line 4"));
        run.finish();
        let book = &books::close(&run, Some(&sink), WHOLE)[0];
        assert_eq!(book.counters["retried"], 0, "{:?}", book.counters);
        assert!(sink.connections() >= 5, "{}", sink.connections());
        let failures = book
            .lines
            .iter()
            .filter(|line| line.contains("cannot be reached"));
        assert_eq!(failures.count(), 0, "{:#?}", book.lines);
    }
}

#[test]
fn a_kept_connection_that_breaks_under_a_request_costs_no_failed_try() {
    for deed in [
        Deed::ResetBeforeAnswer,
        Deed::CloseBeforeAnswer,
        Deed::ResetAfterHead,
        Deed::ResetInBody(40),
    ] {
        eprintln!("{deed:?}");
        // The first request opens the connection, the second one finds it dead.
        let sink = Sink::new(Script::first([Reply::ok(), Reply::deed(deed.clone())]));
        let mut run = Scenario::with(&sink)
            .option("FLUSH", "end")
            .option("FLUSH_BUDGET_MS", "400")
            .option("LOG_LEVEL", LOG_LEVEL)
            .start();
        run.invoke(&Invocation::line("one"));
        run.invoke(&Invocation::line("two"));
        assert!(model::has(&sink, "two"), "{}", run.printed());
        run.finish();
        let book = &books::close(&run, Some(&sink), WHOLE)[0];
        assert_eq!(book.counters["retried"], 0, "{:?}", book.counters);
        assert!(book.counters["resent"] > 0, "{:?}", book.counters);
        let received = sink.received();
        assert_eq!(received[0].connection, received[1].connection);
        assert_ne!(received[1].connection, received[2].connection);
        if received[1].complete {
            assert_eq!(received[1].raw, received[2].raw, "another payload");
        }
    }
}

#[test]
fn after_a_long_freeze_a_connection_is_not_used_again() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("FLUSH", "end").start();
    run.invoke(&Invocation::line("one"));
    run.invoke(&Invocation::line("two"));
    assert_eq!(sink.connections(), 1);
    run.lambda.stays_in_next(Duration::from_millis(4_200));
    run.invoke(&Invocation::line("three"));
    assert!(model::has(&sink, "three"));
    assert_eq!(sink.connections(), 2);
    run.finish_conserved(&sink);
}

#[test]
fn an_answer_that_came_during_the_freeze_is_heard() {
    let sink = Sink::new(Script::always(Reply::ok().after_ms(150)));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "next")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    for number in 0..4 {
        // Its own telemetry comes after it, so what is sent beside it is under way when it is frozen.
        run.invoke(&Invocation::line(format!("line {number}")).works_ms(60));
        run.lambda.stays_in_next(Duration::from_millis(400));
    }
    run.finish();
    let book = &books::close(&run, Some(&sink), WHOLE)[0];
    assert_eq!(book.counters["resent"], 0, "{:?}", book.counters);
    assert_eq!(book.missing(), Vec::<String>::new());
}

#[test]
fn a_request_that_was_cut_by_the_freeze_comes_again_with_the_same_ids() {
    // The answer would come, but the environment stands still for longer than any request may take.
    let sink = Sink::new(Script::first([Reply::ok(), Reply::ok().after_ms(6_000)]));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "next")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    run.invoke(&Invocation::line("one"));
    run.invoke(&Invocation::line("two").works_ms(60));
    run.invoke(&Invocation::line("three").works_ms(60));
    assert_eq!(sink.received().len(), 2, "{}", run.printed());
    run.lambda.stays_in_next(Duration::from_millis(5_700));
    run.invoke(&Invocation::line("four").works_ms(200));
    run.invoke(&Invocation::line("five").works_ms(200));
    assert!(model::has(&sink, "two"));
    run.finish();
    let book = &books::close(&run, Some(&sink), UNHEARD)[0];
    assert_eq!(book.missing(), Vec::<String>::new());
    let held_twice = book.doubled();
    assert!(held_twice > 0, "the cut request was acknowledged too");
    assert!(
        book.counters["resent"] >= held_twice as u64,
        "{:?}",
        book.counters
    );
}

#[test]
fn a_snapshot_holds_no_connection_and_no_identity() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .initialized(InitializationType::SnapStart)
        .lambda(|setup| {
            // Init events come in while init goes on.
            setup.init_duration = Duration::from_millis(200);
            setup.init_lines = vec!["from init".to_owned()];
        })
        .start();
    let taken = run.lambda.events_taken().len();
    assert!(taken > 0, "nothing came before the snapshot");
    assert_eq!(sink.connections(), 0, "connected before the snapshot");
    run.lambda.stays_in_next(Duration::from_millis(100));
    run.invoke(&Invocation::line("restored").works_ms(40));
    assert!(model::has(&sink, "from init"), "{}", run.printed());
    assert!(model::has(&sink, "restored"));
    run.invoke(&Invocation::line("again"));
    run.finish();
    books::close(&run, Some(&sink), WHOLE);
    let arns = model::records(&sink)
        .iter()
        .filter(|record| record.text("function_arn").is_some())
        .count();
    assert_eq!(
        arns,
        model::records(&sink).len(),
        "made before the first event"
    );
}

#[test]
fn a_restored_environment_that_is_never_invoked_still_ships_its_init() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("LOG_LEVEL", LOG_LEVEL)
        .initialized(InitializationType::SnapStart)
        .lambda(|setup| setup.init_lines = vec!["from init".to_owned()])
        .start();
    run.finish();
    assert!(model::wait_records(&sink, 1, PATIENCE), "{}", run.printed());
    books::close(&run, Some(&sink), WHOLE);
    assert!(model::has(&sink, "from init"));
}
