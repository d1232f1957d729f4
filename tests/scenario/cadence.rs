//! When records leave: `adaptive`, long invocations, and what each strategy costs at its best.

use super::books::{self, LOG_LEVEL, WHOLE};
use crate::harness::{PATIENCE, Run, Scenario};
use crate::lambda::function::Invocation;
use crate::model;
use crate::noise;
use crate::sink::Sink;
use std::time::{Duration, Instant};

/// Invokes, and says whether the records were there when it was let go, and how long it was held.
fn invoke(run: &mut Run, sink: &Sink, text: &str) -> (bool, Duration) {
    let hold = run.invoke(&Invocation::line(text).works_ms(30)).hold;
    (model::has(sink, text), hold)
}

#[test]
fn adaptive_goes_from_end_to_next_and_back() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("LOG_LEVEL", LOG_LEVEL)
        .alone()
        .start();
    for number in 1..=7 {
        let (there, _) = invoke(&mut run, &sink, &format!("few {number}"));
        assert!(there, "invocation {number} was let go too early");
    }
    for number in 8..=12 {
        let (_, hold) = invoke(&mut run, &sink, &format!("frequent {number}"));
        assert!(
            hold <= noise::free(),
            "invocation {number} was held {hold:?}"
        );
    }
    // What waited goes out beside the next one.
    assert!(model::has(&sink, "frequent 11"));
    run.lambda.stays_in_next(Duration::from_millis(3_200));
    let (there, _) = invoke(&mut run, &sink, "sparse");
    assert!(
        there && model::has(&sink, "frequent 12"),
        "it is not back at `end`"
    );
    run.finish();
    books::close(&run, Some(&sink), WHOLE);
}

#[test]
fn a_long_invocation_is_shipped_while_it_runs() {
    for strategy in ["adaptive", "end", "next"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option("FLUSH", strategy).start();
        let report = run.invoke(&Invocation::line("early").works_ms(1_800).print("late"));
        let sent = sink.received().into_iter().find(|request| {
            let records = model::records_of(request);
            records.iter().any(|record| record.says() == "early")
        });
        let sent = sent.unwrap_or_else(|| panic!("{strategy}: nothing came"));
        let age = sent.at - report.began;
        assert!(
            age < Duration::from_millis(1_400) && sent.at < report.runtime_done,
            "{strategy}: sent after {age:?}"
        );
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_timeout_loses_nothing_of_a_long_invocation() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .lambda(|setup| setup.timeout = Duration::from_millis(1_500))
        .start();
    run.invoke(
        &Invocation::line("early")
            .works_ms(1_200)
            .print("late")
            .times_out(),
    );
    let before = sink.received().into_iter().any(|request| {
        let records = model::records_of(&request);
        let early = records.iter().any(|record| record.says() == "early");
        let late = records.iter().any(|record| record.says() == "late");
        early && !late
    });
    assert!(before, "nothing was sent before the timeout");
    run.invoke(&Invocation::line("after it"));
    run.finish_conserved(&sink);
}

/// The middle one.
fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

/// When the batch with a request's end had been taken, and how long the requests after it took until they were answered.
fn arrival_and_round_trip(run: &Run, sink: &Sink, id: &str) -> (Instant, Duration) {
    let done = |event: &crate::lambda::telemetry::Event| {
        event.kind == "platform.runtimeDone" && event.record.contains(id)
    };
    // The local Lambda notes a batch when it has heard the answer, which may be after the invocation was let go.
    let patience = Instant::now() + PATIENCE;
    let batch = loop {
        let told = run.lambda.deliveries();
        let found = told.into_iter().rfind(|one| one.events.iter().any(done));
        if let Some(batch) = found {
            break batch;
        }
        assert!(Instant::now() < patience, "the end was not told");
        std::thread::yield_now();
    };
    let arrived = batch.sent + batch.latency;
    let request = sink.received().pop().expect("it was sent");
    (arrived, request.answered.unwrap() - request.at)
}

#[test]
fn end_adds_two_milliseconds_to_the_telemetry_and_one_round_trip() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("FLUSH", "end").alone().start();
    let mut added = Vec::new();
    for _ in 0..31 {
        let report = run.invoke(&Invocation::lines(3).works_ms(5));
        let (arrived, round_trip) = arrival_and_round_trip(&run, &sink, &report.request_id);
        let released = report.runtime_done + report.hold;
        added.push(released.saturating_duration_since(arrived + round_trip));
    }
    run.finish_conserved(&sink);
    let added = median(added);
    eprintln!("end adds {added:?}");
    assert!(
        added <= noise::as_a_rule(Duration::from_millis(2)),
        "end adds {added:?}"
    );
}

#[test]
fn next_holds_one_millisecond() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "next")
        .alone()
        .start();
    let holds = (0..31).map(|number| run.invoke(&Invocation::lines(number % 4)).hold);
    let hold = median(holds.collect());
    run.finish_conserved(&sink);
    eprintln!("next holds {hold:?}");
    assert!(
        hold <= noise::as_a_rule(Duration::from_millis(1)),
        "next holds {hold:?}"
    );
}
