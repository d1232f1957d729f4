//! What is sent to AWS a second time: the same bytes under the same name, so that nothing is there twice.

use super::aws::{all_well, call, counters, long_lines, numbers, objects, scenario, then_well};
use super::books;
use crate::harness::Scenario;
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::collections::HashSet;

/// A request that arrives, and whose answer is lost.
fn lost() -> Reply {
    Reply::deed(Deed::ResetBeforeAnswer)
}

#[test]
fn a_dead_letter_that_may_be_there_is_replaced_by_itself() {
    let sink = Sink::new(Script::always(Reply::status(403).body("no")));
    let bucket = Sink::new(Script::first((0..4).map(|_| lost())));
    let mut run = Scenario::with(&sink)
        .option("AWS_ENDPOINT_URL", &bucket.url(""))
        .option("LOG_LEVEL", books::LOG_LEVEL)
        .option("FLUSH", "end")
        .option("FALLBACK_ENDPOINT", "s3://bucket/rest")
        .start();
    // It is refused and cannot be put aside: what the fallback does not take is lost, unless it waits.
    sink.set(Script::always(Reply::status(503)));
    run.invoke(&long_lines(40, 100_000));
    for _ in 0..4 {
        run.invoke(&long_lines(2, 10).works_ms(200));
    }
    run.finish();
    let received = bucket.received();
    assert!(received.len() > 4, "{}", run.printed());
    let first = &received[0];
    let same: Vec<_> = received
        .iter()
        .filter(|one| one.target == first.target)
        .collect();
    assert!(same.len() > 4, "an answer came at last");
    assert!(
        same.iter().all(|one| one.raw == first.raw),
        "the same again"
    );
    let mut ids = HashSet::new();
    for object in objects(&bucket).values() {
        for record in model::records_of(object) {
            assert!(ids.insert(record.id().to_owned()), "{} twice", record.id());
        }
    }
    counters(&run);
}

#[test]
fn a_fifo_queue_gets_the_same_messages_again() {
    let queue = Sink::new(then_well((0..3).map(|_| lost()).collect()));
    let mut run = scenario(&queue, "sqs://q.fifo").start();
    run.invoke(&long_lines(3, 1));
    for _ in 0..3 {
        run.invoke(&Invocation::silent().print("more"));
    }
    run.finish();
    let received = queue.received();
    let ids = |at: usize| {
        let body = String::from_utf8_lossy(&received[at].raw).into_owned();
        let ids: Vec<String> = body
            .split("\"MessageDeduplicationId\":\"")
            .skip(1)
            .map(|rest| rest[..64].to_owned())
            .collect();
        ids
    };
    let first = ids(0);
    assert_eq!(first.len(), 1);
    let mut seen: HashSet<String> = HashSet::new();
    let mut lines = Vec::new();
    for (at, request) in received.iter().enumerate() {
        let call = call(request);
        for (id, records) in ids(at).into_iter().zip(&call.items) {
            // The queue takes each once.
            if seen.insert(id) {
                lines.extend(numbers(records));
            }
        }
    }
    assert_eq!(lines, [0, 1, 2], "each line is in one message");
    assert!((1..4).all(|at| ids(at)[0] == first[0]));
    let counters = counters(&run);
    assert_eq!(counters["refused"], 0, "{counters:?}");
    let (status, _) = all_well(&received[0].raw);
    assert_eq!(status, 200);
}

#[test]
fn an_upload_that_was_damaged_on_its_way_is_made_again() {
    for name in [
        "IncompleteBody",
        "BadDigest",
        "RequestTimeout",
        "XAmzContentSHA256Mismatch",
    ] {
        let told = format!("<Error><Code>{name}</Code><Message>again</Message></Error>");
        let bucket = Sink::new(Script::first([Reply::status(400).body(told)]));
        let mut run = scenario(&bucket, "s3://bucket").start();
        run.invoke(&long_lines(3, 1));
        run.finish();
        let received = bucket.received();
        assert_eq!(received[0].target, received[1].target, "{name}");
        assert_eq!(received[0].raw, received[1].raw, "{name}");
        assert_eq!(counters(&run)["refused"], 0, "{name}");
    }
}
