//! Every loss is told: to the destination, on standard error, and in the end.

use super::books::{self, LOG_LEVEL};
use crate::harness::Scenario;
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script, tastes};
use std::collections::HashMap;
use std::time::Duration;

/// The counters of each `brooklet.stats` that was acknowledged, in order.
fn stats(sink: &Sink) -> Vec<HashMap<String, u64>> {
    model::own_records(sink)
        .iter()
        .filter(|record| record.kind == "brooklet.stats")
        .map(|record| serde_json::from_str(record.json()).expect("counters"))
        .collect()
}

/// A batch of one event.
fn batch(kind: &str, record: &str) -> Vec<u8> {
    format!(r#"[{{"time":"2026-11-22T16:42:10.110Z","type":"{kind}","record":{record}}}]"#)
        .into_bytes()
}

#[test]
fn the_counters_end_the_stream() {
    for strategy in ["end", "next", "periodic:50"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option("FLUSH", strategy).start();
        for _ in 0..3 {
            run.invoke(&Invocation::lines(3));
        }
        run.finish_conserved(&sink);
        let all = stats(&sink);
        assert_eq!(all.len(), 1, "without a loss there is one at the end");
        let (last, records) = (&all[0], model::records(&sink).len() as u64);
        assert_eq!(last["received"], records);
        assert_eq!(last["delivered"] + last["waiting"], records + 1);
        let request = sink.received().into_iter().rfind(|one| one.acknowledged());
        let ended = model::records_of(&request.unwrap());
        assert_eq!(ended.last().unwrap().kind, "brooklet.stats");
        assert!(
            !run.stderr().iter().any(|line| line.contains("lost")),
            "{}",
            run.printed()
        );
    }
}

#[test]
fn a_loss_is_told_while_the_function_lives_on() {
    let sink = Sink::new(Script::always(Reply::deed(Deed::Judge(tastes))));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    run.invoke(&Invocation::line("poison"));
    run.invoke(&Invocation::line("two").works_ms(40));
    let told = stats(&sink);
    assert_eq!(told.len(), 1, "{}", run.printed());
    assert_eq!((told[0]["refused"], told[0]["ended"]), (1, 0));
    model::assert_accounts(&told[0]);
    // No new loss, no new record, but at the end.
    run.invoke(&Invocation::line("three").works_ms(40));
    assert_eq!(stats(&sink).len(), 1);
    run.finish();
    assert_eq!(stats(&sink).len(), 2);
    assert_eq!(stats(&sink)[1]["ended"], 1);
    let book = &books::open(&run, Some(&sink))[0];
    books::assert_adds_up(book);
}

#[test]
fn what_the_platform_dropped_is_counted() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    let mut sender = run.lambda.sender();
    for _ in 0..2 {
        let notice = batch(
            "platform.logsDropped",
            r#"{"droppedRecords":7,"droppedBytes":1234,"reason":"slow"}"#,
        );
        assert_eq!(sender.post("POST", "/", &notice).unwrap().status, 200);
    }
    run.invoke(&Invocation::line("one").works_ms(40));
    run.finish();
    let told = run.stderr();
    assert!(
        told.iter()
            .any(|line| line.ends_with("lost: dropped_by_platform=14")),
        "{}",
        run.printed()
    );
    let last = stats(&sink).pop().expect("counters");
    assert_eq!(last["dropped_by_platform"], 14);
    model::assert_accounts(&last);
}

#[test]
fn batches_that_cannot_be_read_are_told_of_by_a_record_with_an_id() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("TYPES", "function")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    let mut sender = run.lambda.sender();
    let answer = sender.post("POST", "/", b"[{\"time\":1,").unwrap();
    assert_eq!(answer.status, 200);
    run.finish();
    let last = stats(&sink).pop().expect("counters");
    assert!(last["unreadable"] >= 1);
    model::assert_accounts(&last);
    for record in model::own_records(&sink) {
        let id = record.id();
        assert!(id.contains("-own-") && id.len() > 20, "{id} is no id");
    }
}

#[test]
fn a_batch_that_comes_while_the_last_records_are_sent_is_not_lost_silently() {
    let sink = Sink::new(Script::first([Reply::ok(), Reply::hang()]));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    run.invoke(&Invocation::line("one"));
    let mut sender = run.lambda.sender();
    let answer = std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            // The last request is under way, and hangs.
            let hangs = |received: &[std::sync::Arc<crate::sink::Received>]| received.len() > 1;
            assert!(sink.wait(Duration::from_secs(5), hangs));
            sender.post("POST", "/", &batch("function", r#""too late\n""#))
        });
        run.shutdown();
        late.join().expect("no panic")
    });
    run.finish();
    let book = &books::open(&run, Some(&sink))[0];
    let taken = book.taken.len() as u64;
    let acknowledged = u64::from(answer.is_ok_and(|answer| answer.status == 200));
    assert_eq!(
        book.counters["received"],
        taken + acknowledged,
        "{:?}, {}",
        book.counters,
        run.printed()
    );
}
