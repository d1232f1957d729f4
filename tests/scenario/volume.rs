//! How much of it there may be, and what it costs.

use crate::harness::{PATIENCE, Scenario, ships};
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::Sink;
use std::collections::HashSet;
use std::time::Duration;

/// A batch of 1,000 events of 190 bytes, numbered from `first`.
fn batch(first: usize) -> Vec<u8> {
    let events: Vec<String> = (first..first + 1_000)
        .map(|number| {
            let head = r#"{"time":"2026-11-22T16:42:10.110Z","type":"function","record":""#;
            let text = format!("record {number:07} ");
            let fill = "abcdefghij klmnop,".repeat(8);
            let room = 190 - head.len() - text.len() - 4;
            format!("{head}{text}{}\\n\"}}", &fill[..room])
        })
        .collect();
    assert_eq!(events[0].len(), 190);
    format!("[{}]", events.join(",")).into_bytes()
}

#[test]
fn a_hundred_thousand_records_arrive_once_each_within_the_memory() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FORMAT", "ndjson")
        .option("FLUSH", "periodic:20")
        .unfrozen()
        .start();
    let mut sender = run.lambda.sender();
    for number in 0..100 {
        let answer = sender.post("POST", "/", &batch(number * 1_000)).unwrap();
        assert_eq!(answer.status, 200, "batch {number}");
    }
    assert!(
        model::wait_records(&sink, 100_000, Duration::from_secs(60)),
        "{}",
        run.printed()
    );
    run.invoke(&Invocation::silent());
    run.finish();
    let numbers: Vec<String> = model::records(&sink)
        .into_iter()
        .filter(|record| record.kind == "function")
        .filter_map(|record| record.message)
        .map(|text| text[7..14].to_owned())
        .collect();
    assert_eq!(numbers.len(), 100_000);
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 100_000);
    assert!(numbers.is_sorted(), "out of order");
    model::assert_unique_ids(&model::records(&sink));
}

#[test]
fn idle_it_needs_little() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    let init = run.init().clone();
    run.invoke(&Invocation::lines(3));
    run.finish_conserved(&sink);
    assert!(init.vitals.threads > 0);
    if ships() {
        let limit = 2_500_000;
        assert!(
            init.vitals.resident <= limit,
            "{} bytes resident when idle",
            init.vitals.resident
        );
    }
}

/// A thread without a name has that of the thread that made it, so a name that stands here once must be there once.
#[test]
fn every_thread_is_named_for_what_it_does() {
    let sinks = [Sink::ok(), Sink::ok()];
    let mut run = Scenario::with(&sinks[0])
        .option("ENDPOINT_2", &sinks[1].url("/second"))
        .option("FLUSH", "end")
        .unfrozen()
        .start();
    for number in 0..3 {
        let answer = run
            .lambda
            .sender()
            .post("POST", "/", &batch(number * 1_000));
        assert_eq!(answer.unwrap().status, 200, "batch {number}");
    }
    run.invoke(&Invocation::lines(3));
    let names = run.lambda.thread_names();
    let (own, receive): (Vec<_>, Vec<_>) = names.iter().partition(|name| *name != "receive");
    // The first asks for events, the others have a destination each.
    assert_eq!(own, ["brooklet", "flush", "flush-2"], "{names:?}");
    // Ours, and those that the listener's library makes for them.
    assert!((1..=10).contains(&receive.len()), "{names:?}");
    run.finish();
}

#[test]
fn two_hundred_invocations_leave_nothing_behind() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("FLUSH", "end").start();
    let mut early = None;
    for number in 0..200 {
        let report = run.invoke(&Invocation::lines(5));
        if number == 50 {
            early = Some((report.vitals, run.lambda.open_files()));
        }
    }
    let late = (
        run.reports().last().unwrap().vitals,
        run.lambda.open_files(),
    );
    let early = early.unwrap();
    let grown = format!("{early:?} grew to {late:?}");
    eprintln!("{grown}");
    if ships() {
        assert!(late.0.resident <= early.0.resident + 200_000, "{grown}");
    }
    // tiny_http lets idle threads go and makes new ones.
    assert!(late.0.threads <= early.0.threads + 4, "{grown}");
    assert!(late.1 <= early.1, "{grown}");
    // What the platform tells comes in batches; each invocation was sent before it was let go.
    assert!(sink.received().len() >= 200);
    assert!(
        sink.connections() <= 2,
        "{} connections",
        sink.connections()
    );
    run.finish_conserved(&sink);
}

#[test]
fn a_flood_while_the_destination_hangs_keeps_to_the_memory() {
    use crate::sink::script::{Reply, Script};
    let sink = Sink::new(Script::always(Reply::hang()));
    let mut run = Scenario::with(&sink)
        .option("FLUSH_BUDGET_MS", "100")
        .unfrozen()
        .start();
    let mut sender = run.lambda.sender();
    for number in 0..60 {
        let answer = sender.post("POST", "/", &batch(number * 1_000)).unwrap();
        assert_eq!(answer.status, 200, "batch {number}");
    }
    run.invoke(&Invocation::silent());
    run.finish();
    // What it could not keep is told, and the memory has been asserted by `finish`.
    assert!(
        run.lambda.wait_printed(PATIENCE, "drop"),
        "{}",
        run.printed()
    );
}

#[test]
fn an_answer_without_measure_keeps_to_the_memory() {
    use crate::sink::script::{Reply, Script};
    const BYTES: usize = 48 * 1024 * 1024;
    let item = r#"{"create":{"status":429,"error":{"reason":"x"}}},"#;
    let items = format!(
        r#"{{"errors":true,"items":[{}"#,
        item.repeat(BYTES / item.len())
    );
    // What is read, what is only quoted, and a head without end.
    for (format, status, body, head) in [
        ("elasticsearch", 200, items.as_str(), 0),
        ("ndjson", 400, items.as_str(), 0),
        ("ndjson", 503, items.as_str(), 0),
        ("ndjson", 200, "", BYTES / 64),
    ] {
        let mut reply = Reply::status(status).body(body);
        let fields = (0..head).map(|at| (format!("x-{at}"), "y".repeat(50)));
        reply.headers.extend(fields);
        let sink = Sink::new(Script::first([reply]));
        let mut run = Scenario::to(&sink.url("/index"))
            .option("FORMAT", format)
            .option("FLUSH_BUDGET_MS", "300")
            .start();
        run.invoke(&Invocation::lines(10));
        run.invoke(&Invocation::line("after it"));
        run.finish();
        assert!(
            sink.received().len() > 1,
            "{format} {status}: nothing came after it"
        );
    }
}
