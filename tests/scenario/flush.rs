//! When records are sent, and how long an invocation is held for it.

use crate::harness::{PATIENCE, Scenario};
use crate::lambda::Outcome;
use crate::lambda::function::Invocation;
use crate::model;
use crate::noise;
use crate::sink::Sink;
use crate::sink::absent::{Refusing, Unaccepting};
use crate::sink::script::{Deed, Reply, Script};
use std::time::Duration;

/// The texts that were acknowledged.
fn said(sink: &Sink) -> Vec<String> {
    model::records(sink)
        .into_iter()
        .filter_map(|record| record.message)
        .collect()
}

#[test]
fn end_ships_an_invocation_before_it_lets_it_go() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("FLUSH", "end").start();
    for number in 0..5 {
        let report = run.invoke(&Invocation::line(format!("line {number}")).works_ms(40));
        // The process stands still now: what is here was sent while it was held.
        assert!(
            said(&sink).contains(&format!("line {number}")),
            "{:?}",
            said(&sink)
        );
        let done = model::records(&sink).iter().any(|record| {
            record.kind == "platform.runtimeDone" && record.says().contains(&report.request_id)
        });
        assert!(done, "it did not wait for the runtime's end");
    }
    run.finish_conserved(&sink);
}

#[test]
fn end_holds_no_longer_than_the_telemetry_takes() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("FLUSH", "end").alone().start();
    let mut holds: Vec<Duration> = (0..21)
        .map(|_| run.invoke(&Invocation::lines(3)).hold)
        .collect();
    holds.sort();
    // 25 ms of the platform's buffering; the rest is ours and must be little.
    assert!(holds[10] < Duration::from_millis(45), "{holds:?}");
    run.finish_conserved(&sink);
}

#[test]
fn an_end_that_is_told_before_the_event_is_seen_is_not_waited_for() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "2000")
        .start();
    for number in 0..3 {
        let text = format!("line {number}");
        let report = run.invoke(&Invocation::line(text.clone()).event_comes_last());
        assert!(said(&sink).contains(&text), "{:?}", said(&sink));
        // Waiting for an end that came already would take the whole budget.
        assert!(report.hold < Duration::from_millis(1_000), "{report:?}");
    }
    run.finish_conserved(&sink);
}

#[test]
fn end_waits_once_for_a_runtime_done_that_is_lost_and_then_trusts_no_more() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "200")
        .lambda(|setup| setup.timeout = Duration::from_millis(1_500))
        .start();
    // Nobody can tell a lost end from a function that works on: what is left is the function's deadline.
    let mut long = 0;
    for _ in 0..5 {
        let report = run
            .lambda
            .invoke(&Invocation::line("one").loses_runtime_done());
        assert_eq!(report.outcome, Outcome::Finished);
        eprintln!("held {:?}", report.hold);
        long += u32::from(report.hold > Duration::from_millis(450));
    }
    assert!(long <= 1, "{long} invocations were held to the deadline");
    let last = run.invoke(&Invocation::line("found again").works_ms(20));
    assert!(last.hold < Duration::from_millis(200), "{:?}", last.hold);
    run.finish_conserved(&sink);
}

#[test]
fn a_lost_end_is_awaited_as_long_as_the_past_makes_likely_and_not_to_the_deadline() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "500")
        .lambda(|setup| setup.timeout = Duration::from_secs(30))
        .start();
    let lost = Invocation::line("its end is lost").loses_runtime_done();
    // Two seconds at least, and the budget; where a busy machine told one of the ends before it too late, that is not trusted.
    let mut holds = Vec::new();
    let awaited = (0..4).any(|_| {
        for _ in 0..4 {
            run.invoke(&Invocation::line("short").works_ms(20));
        }
        let report = run.lambda.invoke(&lost);
        assert_eq!(report.outcome, Outcome::Finished);
        holds.push(report.hold);
        let most = noise::at_worst(Duration::from_millis(3_000));
        assert!(report.hold < most, "{holds:?}");
        report.hold >= Duration::from_millis(2_450)
    });
    assert!(awaited, "{holds:?}");
    // What it printed went out while it was thought to run.
    assert!(said(&sink).contains(&"its end is lost".to_owned()));
    // And the stream is not trusted again before it tells an end.
    let again = run.invoke(&lost);
    assert!(
        again.hold < noise::at_worst(Duration::from_millis(900)),
        "{:?}",
        again.hold
    );
    // A busy machine may tell that end too late once more, but not each time.
    let trusted = (0..4).any(|number| {
        run.invoke(&Invocation::line("found again").works_ms(20));
        let last = format!("last {number}");
        run.invoke(&Invocation::line(&last).works_ms(900));
        said(&sink).contains(&last)
    });
    assert!(trusted, "{:?}", said(&sink));
    run.finish_conserved(&sink);
}

#[test]
fn a_function_that_takes_longer_than_ever_is_let_go_once_and_held_again() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "500")
        .lambda(|setup| setup.timeout = Duration::from_secs(30))
        .start();
    for _ in 0..4 {
        run.invoke(&Invocation::line("short").works_ms(20));
    }
    let long = |text: &str| {
        Invocation::line("early")
            .works_ms(3_200)
            .print(text.to_owned())
    };
    let first = run.invoke(&long("late"));
    assert!(
        first.hold < noise::at_worst(Duration::from_millis(20)),
        "{:?}",
        first.hold
    );
    assert!(said(&sink).contains(&"early".to_owned()));
    assert!(
        !said(&sink).contains(&"late".to_owned()),
        "it was not let go, so this shows nothing"
    );
    // Its end came with the thaw, and says how long it took.
    run.invoke(&long("in time"));
    let said = said(&sink);
    assert!(said.contains(&"late".to_owned()));
    assert!(said.contains(&"in time".to_owned()), "{said:?}");
    run.finish_conserved(&sink);
}

#[test]
fn a_request_that_is_tried_again_is_held_for_its_own_end() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("TELEMETRY_TIMEOUT_MS", "200")
        .unfrozen()
        .start();
    // So often that the last ones are not held, and their ends are told after the next one's event.
    let ids: Vec<String> = (0..12)
        .map(|_| run.invoke(&Invocation::line("often")).request_id)
        .collect();
    // Long enough after it for a second try of the platform, and for `adaptive` to hold again.
    run.lambda.stays_in_next(Duration::from_millis(5_500));
    let again = Invocation::line("again").works_ms(200).print("its last");
    let again = again.retries(&ids[10]);
    let report = run.invoke(&again);
    assert!(
        said(&sink).contains(&"its last".to_owned()),
        "it was let go after {:?}",
        report.hold
    );
    run.finish_conserved(&sink);
}

#[test]
fn telemetry_whose_times_cannot_be_is_heeded_all_the_same() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .alone()
        .lambda(|setup| setup.time_behind = Duration::from_secs(3_600))
        .start();
    let invocation = Invocation::line("played again").works_ms(20);
    for number in 0..6 {
        let report = run.invoke(&invocation);
        let limit = noise::at_worst(Duration::from_millis(250));
        assert!(report.hold < limit, "{number}: {:?}", report.hold);
    }
    // One that takes longer than the first ones made likely is known to, and held.
    run.invoke(&Invocation::silent().works_ms(2_600));
    run.invoke(&Invocation::silent().works_ms(2_600).print("its last"));
    assert!(said(&sink).contains(&"its last".to_owned()));
    run.finish_conserved(&sink);
}

#[test]
fn end_works_on_the_logs_api_too() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("API", "logs")
        .option("FLUSH", "end")
        .start();
    run.invoke(&Invocation::line("hello"));
    assert!(said(&sink).contains(&"hello".to_owned()));
    run.finish_conserved(&sink);
}

#[test]
fn next_holds_nothing_and_ships_with_the_next_invocation() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "next")
        .alone()
        .start();
    let first = run.invoke(&Invocation::line("one"));
    assert!(
        first.hold < noise::at_worst(Duration::from_millis(20)),
        "{:?}",
        first.hold
    );
    let second = run.invoke(&Invocation::line("two").works_ms(150));
    assert!(second.hold < Duration::from_millis(20), "{:?}", second.hold);
    assert!(said(&sink).contains(&"one".to_owned()), "{:?}", said(&sink));
    run.finish_conserved(&sink);
}

#[test]
fn periodic_ships_while_a_long_invocation_runs() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "periodic:100")
        .start();
    let report = run.invoke(&Invocation::line("early").works_ms(700).print("late"));
    let sent = sink.received().into_iter().find(|request| {
        model::records_of(request)
            .iter()
            .any(|record| record.says() == "early")
    });
    assert!(
        sent.is_some_and(|request| request.at < report.runtime_done),
        "it was sent only after the invocation"
    );
    run.finish_conserved(&sink);
}

#[test]
fn a_managed_instance_is_shipped_by_time() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).managed().start();
    run.lambda.invoke_together(&[
        Invocation::line("one").works_ms(20),
        Invocation::line("two"),
    ]);
    assert!(
        model::wait_records(&sink, 4, PATIENCE),
        "nothing came without an event"
    );
    run.finish_conserved(&sink);
}

#[test]
fn a_managed_instance_is_shipped_by_size() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .managed()
        .option("FLUSH", "periodic:60000")
        .option("BATCH_RECORDS", "500")
        .start();
    run.lambda
        .invoke_together(&[Invocation::silent().burst(2_000, 80)]);
    assert!(
        model::wait_records(&sink, 1_500, PATIENCE),
        "full batches waited for the clock"
    );
    run.finish_conserved(&sink);
}

/// Destinations that never answer in time.
fn absent() -> Vec<(&'static str, String, Box<dyn std::any::Any>)> {
    let mut all: Vec<(&'static str, String, Box<dyn std::any::Any>)> = Vec::new();
    for (name, reply) in [
        ("hanging", Reply::hang()),
        ("slow", Reply::ok().after_ms(3_000)),
        (
            "dripping",
            Reply {
                deed: Deed::Drip(Duration::from_millis(400)),
                ..Reply::ok().body("0123456789")
            },
        ),
        ("failing", Reply::status(500)),
        ("resetting", Reply::deed(Deed::ResetInBody(10))),
        ("closing", Reply::deed(Deed::CloseBeforeAnswer)),
    ] {
        let sink = Sink::new(Script::always(reply));
        all.push((name, sink.url("/logs"), Box::new(sink)));
    }
    let refusing = Refusing::new();
    all.push(("refusing", refusing.url("/logs"), Box::new(refusing)));
    let unaccepting = Unaccepting::new();
    all.push((
        "unaccepting",
        unaccepting.url("/logs"),
        Box::new(unaccepting),
    ));
    all
}

#[test]
fn the_budget_is_kept_whatever_the_destination_does() {
    for (name, url, _held) in absent() {
        // Every way to be absent is met while the invocation is held; the rest is the same code for all.
        let ways: &[(&str, &str)] = match name {
            "hanging" => &[
                ("end", "150"),
                ("end", "600"),
                ("next", "150"),
                ("periodic:100", "150"),
            ],
            "failing" => &[("end", "150"), ("end", "600")],
            "unaccepting" => &[("end", "150"), ("next", "150")],
            _ => &[("end", "150")],
        };
        for (strategy, budget) in ways {
            eprintln!("{name}, {strategy}, {budget} ms");
            let mut run = Scenario::to(&url)
                .option("FLUSH", strategy)
                .option("FLUSH_BUDGET_MS", budget)
                .lambda(|setup| setup.shutdown_limit = Duration::from_millis(500))
                .alone()
                .start();
            for work in [0, 30] {
                let held = run.invoke(&Invocation::lines(3).works_ms(work)).hold;
                let free = *strategy == "end" || held < Duration::from_millis(20);
                assert!(free, "{strategy} held {held:?}");
            }
            run.finish();
        }
    }
}

#[test]
fn a_function_s_own_deadline_comes_before_the_budget() {
    let sink = Sink::new(Script::always(Reply::hang()));
    let mut run = Scenario::with(&sink)
        .option("FLUSH_BUDGET_MS", "5000")
        .lambda(|setup| setup.timeout = Duration::from_millis(900))
        .start();
    // Outcome `Finished` says that it was let go before the function's timeout.
    run.invoke(&Invocation::line("one"));
    run.invoke(&Invocation::line("two").works_ms(300));
    run.finish();
}

#[test]
fn a_silent_function_whose_records_nobody_wants_sends_nothing() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("TYPES", "function").start();
    for _ in 0..3 {
        run.invoke(&Invocation::silent());
    }
    run.finish();
    assert_eq!(sink.received().len(), 0);
}

#[test]
fn a_burst_of_five_thousand_lines_arrives_whole() {
    for strategy in ["end", "next", "periodic:50"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option("FLUSH", strategy).start();
        run.invoke(&Invocation::silent().burst(5_000, 150));
        run.invoke(&Invocation::silent().burst(5_000, 150));
        run.finish_conserved(&sink);
    }
}

#[test]
fn shutdown_with_a_hanging_destination_is_in_time() {
    for strategy in ["end", "next"] {
        let sink = Sink::new(Script::always(Reply::hang()));
        let mut run = Scenario::with(&sink)
            .option("FLUSH", strategy)
            .option("FLUSH_BUDGET_MS", "100")
            .start();
        run.invoke(&Invocation::lines(10));
        let ended = run.shutdown();
        assert!(
            ended.took < Duration::from_millis(2_000),
            "{:?}",
            ended.took
        );
        run.finish();
    }
}
