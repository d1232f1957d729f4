//! Several destinations at once: each gets what it asks for, and none notices what becomes of another.
//!
//! Must not look into what one destination alone does; that is the matter of the other scenarios.

use super::books::{self, Book, LOG_LEVEL, Promise, WHOLE};
use super::matrix::{self, Target};
use crate::harness::{MEMORY, PATIENCE, Run, Scenario, binary, ships};
use crate::lambda::InvocationReport;
use crate::lambda::function::Invocation;
use crate::lambda::setup::InitializationType;
use crate::model::{self, Record};
use crate::noise;
use crate::sink::place::Place;
use crate::sink::script::{Deed, Reply, Script};
use crate::sink::{Received, Sink};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The budget where a destination is bad.
const BUDGET_MS: u64 = 300;

/// Sets an option of a destination.
fn of(scenario: Scenario, destination: usize, name: &str, value: &str) -> Scenario {
    match destination {
        1 => scenario.option(name, value),
        number => scenario.option(&format!("{name}_{number}"), value),
    }
}

/// A scenario with these endpoints, the first one's number being 1.
fn to(endpoints: &[&str]) -> Scenario {
    let scenario = Scenario::bare().option("LOG_LEVEL", LOG_LEVEL);
    (1..)
        .zip(endpoints)
        .fold(scenario, |scenario, (number, url)| {
            of(scenario, number, "ENDPOINT", url)
        })
}

/// A scenario with these sinks.
fn with(sinks: &[Sink]) -> Scenario {
    let urls: Vec<String> = sinks.iter().map(|sink| sink.url("/logs")).collect();
    to(&urls.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Closes the books of one destination, which is healthy.
fn close(run: &Run, sink: &Sink, destination: usize) -> Book {
    books::close_of(run, Some(sink), WHOLE, Some(destination)).remove(0)
}

/// The ids of the function's records by what they say.
fn ids(sink: &Sink) -> BTreeMap<String, String> {
    model::records(sink)
        .iter()
        .map(|record| (model::statement(record), record.id().to_owned()))
        .collect()
}

/// What the function's records say.
fn said(sink: &Sink) -> Vec<String> {
    model::records(sink)
        .iter()
        .filter(|record| record.kind == "function")
        .map(|record| record.says().to_owned())
        .collect()
}

#[test]
fn two_and_four_destinations_get_everything_under_the_same_ids() {
    for (count, strategy) in [(2, "end"), (4, "end"), (2, "next"), (4, "periodic:30")] {
        let sinks: Vec<Sink> = (0..count).map(|_| Sink::ok()).collect();
        let mut run = with(&sinks)
            .option("FLUSH", strategy)
            .memory(MEMORY + 8 * 1024 * 1024)
            .start();
        for _ in 0..4 {
            run.invoke(&Invocation::lines(5).works_ms(20));
        }
        run.invoke(&Invocation::silent().burst(3_000, 200));
        run.finish();
        for (number, sink) in (1..).zip(&sinks) {
            close(&run, sink, number);
            model::assert_conserved(&run.lambda.events_taken(), &model::records(sink));
            assert_eq!(ids(sink), ids(&sinks[0]), "{count}, {strategy}");
        }
    }
}

#[test]
fn an_invocation_waits_for_all_destinations() {
    let sinks = [
        Sink::ok(),
        Sink::new(Script::always(Reply::ok().after_ms(150))),
    ];
    let mut run = with(&sinks).option("FLUSH", "end").alone().start();
    for number in 0..3 {
        let report = run.invoke(&Invocation::line(format!("line {number}")));
        assert!(
            report.hold >= Duration::from_millis(150),
            "{:?}",
            report.hold
        );
        for sink in &sinks {
            assert!(said(sink).contains(&format!("line {number}")));
        }
    }
    run.finish();
}

#[test]
fn each_has_its_own_format_selection_key_and_headers() {
    let sinks: Vec<Sink> = (0..3).map(|_| Sink::ok()).collect();
    let mut run = with(&sinks)
        .option("FLUSH", "end")
        .option("API_KEY", "key-of-one")
        .option("HEADERS", "x-one=1")
        .option("FORMAT_2", "ndjson")
        .option("API_KEY_2", "key-of-two")
        .option("HEADERS_2", "x-two=2")
        .option("TYPES_2", "function")
        .option("MIN_LEVEL_2", "error")
        .option("COMPRESSION_2", "none")
        .option("EXCLUDE_3", "secret")
        .option("TYPES_3", "function")
        .option("BATCH_RECORDS_3", "1")
        .json_logs()
        .start();
    run.invoke(
        &Invocation::silent()
            .record(r#"{"level":"info","message":"all is well"}"#)
            .record(r#"{"level":"error","message":"it is not"}"#)
            .record(r#"{"level":"warn","message":"a secret"}"#),
    );
    run.finish();
    let words = |sink: &Sink| -> BTreeSet<String> { said(sink).into_iter().collect() };
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(
        words(&sinks[0]),
        set(&["a secret", "all is well", "it is not"])
    );
    assert_eq!(words(&sinks[1]), set(&["it is not"]));
    assert_eq!(words(&sinks[2]), set(&["all is well", "it is not"]));
    let headers = [
        ("application/json", Some("Bearer key-of-one"), "gzip"),
        ("application/x-ndjson", Some("Bearer key-of-two"), ""),
        ("application/json", None, "gzip"),
    ];
    for ((number, sink), (content_type, key, coding)) in (1..).zip(&sinks).zip(headers) {
        for request in sink.received() {
            let told = |name: &str| request.header(name);
            assert_eq!(told("content-type"), Some(content_type));
            assert_eq!(told("authorization"), key);
            assert_eq!(told("content-encoding").unwrap_or_default(), coding);
            assert_eq!(told("x-one").is_some(), number == 1);
            assert_eq!(told("x-two").is_some(), number == 2);
        }
        books::assert_adds_up(&books::open_of(&run, Some(sink), Some(number)).remove(0));
    }
    // What is shipped to several has one id, whatever was left out before it.
    let first = ids(&sinks[0]);
    for sink in &sinks[1..] {
        let own = ids(sink);
        assert!(!own.is_empty());
        assert!(own.iter().all(|(text, id)| first.get(text) == Some(id)));
    }
    assert!(sinks[2].received().len() >= 3, "a payload holds one record");
}

#[test]
fn the_subscription_is_what_any_of_them_wants() {
    let sinks = [Sink::ok(), Sink::ok()];
    let mut run = with(&sinks)
        .option("TYPES", "platform")
        .option("TYPES_2", "extension")
        .start();
    let subscribed = run.lambda.subscription().expect("it subscribed").types;
    assert_eq!(subscribed, ["platform", "extension"]);
    run.finish();
}

#[test]
fn what_protects_and_names_is_inherited_until_it_is_said_otherwise() {
    let sinks: Vec<Sink> = (0..3).map(|_| Sink::ok()).collect();
    let mut run = with(&sinks)
        .option("FLUSH", "end")
        .option("REDACT", "email")
        .option("TAGS", "team=red")
        .option("MULTILINE", "^[A-Z]")
        .option("REDACT_3", "/l[a-z]+e/")
        .option("TAGS_3", "team=blue")
        .start();
    run.invoke(
        &Invocation::line("Mail from a@example.com")
            .print("  the last line")
            .print("Next"),
    );
    run.finish();
    let masked = "Mail from [redacted:email]\n  the last line";
    for (sink, first, team) in [
        (&sinks[0], masked, "red"),
        (&sinks[1], masked, "red"),
        (
            &sinks[2],
            "Mail from a@example.com\n  the last [redacted]",
            "blue",
        ),
    ] {
        assert_eq!(said(sink), [first, "Next"]);
        for record in model::records(sink) {
            let tags = record.tags.expect("every record has the tags");
            assert_eq!(tags["team"], team);
        }
    }
    let numbers = |sink: &Sink| -> Vec<String> {
        let records = model::records(sink);
        records.iter().map(|one| one.id().to_owned()).collect()
    };
    assert_eq!(numbers(&sinks[0]), numbers(&sinks[1]));
    assert_eq!(numbers(&sinks[0]), numbers(&sinks[2]));
}

#[test]
fn an_escape_that_no_reader_takes_is_replaced_for_all_of_them() {
    let sinks = [Sink::ok(), Sink::ok()];
    let mut run = with(&sinks).option("FLUSH", "end").json_logs().start();
    let invocation = Invocation::silent()
        .record(r#"{"message":"half \ud83d of it"}"#)
        .record(r#"{"message":"\ud83d\ude00 whole"}"#);
    for _ in 0..5 {
        run.invoke(&invocation);
    }
    run.finish();
    for sink in &sinks {
        let said = said(sink);
        let half = said.iter().filter(|text| *text == "half \u{fffd} of it");
        assert_eq!(half.count(), 5);
        assert_eq!(said.len(), 10);
    }
}

#[test]
fn a_fallback_is_that_of_its_own_destination() {
    let refusing = || Sink::new(Script::always(Reply::status(403)));
    let sinks = [refusing(), refusing()];
    let aside = Sink::ok();
    let mut run = with(&sinks)
        .option("FLUSH", "end")
        .option("FALLBACK_ENDPOINT_2", &aside.url("/aside"))
        .option("API_KEY_2", "key-of-two")
        .start();
    run.invoke(&Invocation::lines(3));
    run.finish();
    assert_eq!(said(&aside).len(), 3);
    for request in aside.received() {
        assert_eq!(request.header("authorization"), None);
    }
    let first = books::open_of(&run, None, Some(1)).remove(0);
    let second = books::open_of(&run, None, Some(2)).remove(0);
    for book in [&first, &second] {
        books::assert_adds_up(book);
    }
    assert_eq!(
        (first.count("dead_lettered"), second.count("refused")),
        (0, 0)
    );
    assert!(first.count("refused") >= 3 && second.count("dead_lettered") >= 3);
    // Lines about the second one name it, and those about the first one do not.
    let refused = run
        .stderr()
        .into_iter()
        .filter(|line| line.contains("the destination refused"));
    let (named, unnamed): (Vec<String>, Vec<String>) =
        refused.partition(|line| line.contains("destination 2: "));
    assert!(!named.is_empty() && !unnamed.is_empty());
}

/// What is wrong with one of two destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Hanging,
    Refusing,
    Resetting,
    /// 429 for ever.
    Throttling,
    /// 429 twice.
    ThrottlingAtFirst,
    /// 500 for ever.
    Failing,
    /// Five failures.
    FailingAtFirst,
    Poisoned,
    Slow,
    Unresolvable,
    Flapping,
}

/// What stands here for a fault of the matrix: a new one there wants one here.
fn of_matrix(target: Target) -> Option<Fault> {
    match target {
        Target::Healthy => None,
        Target::Slow => Some(Fault::Slow),
        Target::Hanging => Some(Fault::Hanging),
        Target::Refusing => Some(Fault::Refusing),
        Target::Resetting => Some(Fault::Resetting),
        Target::Throttling => Some(Fault::ThrottlingAtFirst),
        Target::Failing => Some(Fault::FailingAtFirst),
        Target::Poisoned => Some(Fault::Poisoned),
        Target::Flapping => Some(Fault::Flapping),
        Target::Unresolvable => Some(Fault::Unresolvable),
    }
}

/// 400 as long as a record that says `line 2` is there.
fn tastes(body: &[u8]) -> u16 {
    let found = body.windows(7).any(|window| window == b"line 2 ");
    if found { 400 } else { 200 }
}

impl Fault {
    /// It never takes anything, so that soon nobody is held for it.
    fn is_dead(self) -> bool {
        !matches!(
            self,
            Self::Slow
                | Self::Poisoned
                | Self::Flapping
                | Self::ThrottlingAtFirst
                | Self::FailingAtFirst
        )
    }

    /// A destination of which this is so.
    fn place(self) -> Place {
        let script = match self {
            Self::Hanging => Script::always(Reply::hang()),
            Self::Slow => Script::always(Reply::ok().after_ms(3 * BUDGET_MS)),
            Self::Resetting => Script::always(Reply::deed(Deed::ResetInBody(60))),
            Self::Throttling => Script::always(Reply::status(429).header("Retry-After", "1")),
            Self::Failing => Script::always(Reply::status(500)),
            Self::ThrottlingAtFirst => {
                let throttled = || Reply::status(429).header("Retry-After", "1");
                Script::first([throttled(), throttled()])
            }
            Self::FailingAtFirst => Script::first([500, 503, 500, 502, 500].map(Reply::status)),
            Self::Poisoned => Script::always(Reply::deed(Deed::Judge(tastes))),
            Self::Flapping => {
                let bad = || {
                    [
                        Reply::status(500),
                        Reply::deed(Deed::ResetInBody(60)),
                        Reply::deed(Deed::CloseBeforeAnswer),
                    ]
                };
                let pairs = bad().into_iter().chain(bad());
                Script::first(pairs.flat_map(|bad| [bad, Reply::ok()]))
            }
            Self::Refusing => return Place::refusing(),
            Self::Unresolvable => return Place::unresolvable(),
        };
        Place::scripted(script)
    }
}

/// The invocations beside a fault, and how long each was held.
fn live(run: &mut Run) -> Vec<InvocationReport> {
    let mut reports = Vec::new();
    for work in [0, 30, 0, 30, 0, 350, 0, 30] {
        reports.push(run.invoke(&Invocation::lines(3).works_ms(work).print("last")));
    }
    reports
}

/// When the request was acknowledged that holds the last line of each invocation, after the runtime was done.
fn delays(sink: &Sink, reports: &[InvocationReport]) -> Vec<Duration> {
    let requests: Vec<(Arc<Received>, Vec<Record>)> = sink
        .received()
        .into_iter()
        .map(|request| {
            let records = model::records_of(&request);
            (request, records)
        })
        .collect();
    let delay = |report: &InvocationReport| {
        let holds = |records: &Vec<Record>| {
            records.iter().any(|record| {
                record.says() == "last" && record.text("request_id") == Some(&report.request_id)
            })
        };
        let found = requests.iter().find(|(_, records)| holds(records));
        let answered = found.and_then(|(request, _)| request.answered);
        let answered = answered.expect("every invocation was acknowledged");
        answered.saturating_duration_since(report.runtime_done)
    };
    reports.iter().map(delay).collect()
}

/// A good destination beside a bad one, the good one first or second.
fn beside(fault: Fault) {
    // What it is like without.
    let alone = Sink::ok();
    let mut run = Scenario::with(&alone)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    live(&mut run);
    run.finish();
    let expected = books::close(&run, Some(&alone), WHOLE).remove(0);
    for (good, bad) in [(1, 2), (2, 1)] {
        eprintln!("{fault:?} as destination {bad}");
        let sink = Sink::ok();
        let place = fault.place();
        let urls = if good == 1 {
            [sink.url("/logs"), place.url.clone()]
        } else {
            [place.url.clone(), sink.url("/logs")]
        };
        let mut run = to(&[&urls[0], &urls[1]])
            .option("FLUSH", "end")
            .option("FLUSH_BUDGET_MS", &BUDGET_MS.to_string())
            .alone()
            .start();
        // No hold exceeds the budget: that is asserted of every invocation.
        let reports = live(&mut run);
        let holds: Vec<Duration> = reports.iter().map(|report| report.hold).collect();
        if fault.is_dead() {
            let late = &holds[3..];
            let most = Duration::from_millis(120);
            assert!(late.iter().all(|hold| *hold <= most), "{holds:?}");
        }
        run.finish();
        let book = close(&run, &sink, good);
        model::assert_conserved(&run.lambda.events_taken(), &model::records(&sink));
        for name in book.counters.names() {
            assert_eq!(book.count(name), expected.count(name), "{name}");
        }
        let delays = delays(&sink, &reports);
        let most = Duration::from_millis(120);
        assert!(delays.iter().all(|delay| *delay <= most), "{delays:?}");
        // The bad one's books close too.
        let promise = Promise {
            heard: fault != Fault::Slow,
            last_whole: false,
        };
        let other = books::close_of(&run, place.sink.as_ref(), promise, Some(bad)).remove(0);
        assert_eq!(other.count("panics"), 0);
        match fault {
            Fault::Poisoned => assert_eq!(other.count("refused"), 8),
            Fault::Flapping | Fault::ThrottlingAtFirst | Fault::FailingAtFirst => {
                assert!(other.count("delivered") > 0);
                assert_eq!(other.count("refused"), 0);
            }
            Fault::Slow => {}
            _ => {
                assert_eq!(other.count("delivered"), 0);
                let named = format!("lost on destination {bad}: ");
                assert!(run.stderr().iter().any(|line| line.contains(&named)));
            }
        }
    }
}

#[test]
fn beside_a_hanging_one() {
    beside(Fault::Hanging);
}

#[test]
fn beside_a_refusing_one() {
    beside(Fault::Refusing);
}

#[test]
fn beside_a_resetting_one() {
    beside(Fault::Resetting);
}

#[test]
fn beside_a_throttling_one() {
    beside(Fault::Throttling);
}

#[test]
fn beside_one_that_throttles_at_first() {
    beside(of_matrix(Target::Throttling).expect("a fault"));
}

#[test]
fn beside_one_that_fails_at_first() {
    beside(of_matrix(Target::Failing).expect("a fault"));
}

#[test]
fn beside_a_failing_one() {
    beside(Fault::Failing);
}

#[test]
fn beside_one_that_refuses_a_record() {
    beside(Fault::Poisoned);
}

#[test]
fn beside_a_slow_one() {
    beside(Fault::Slow);
}

#[test]
fn beside_one_whose_name_does_not_resolve() {
    beside(Fault::Unresolvable);
}

#[test]
fn beside_a_flapping_one() {
    beside(Fault::Flapping);
}

#[test]
fn an_event_behind_its_telemetry_waits_no_longer_for_one_that_hangs() {
    for hanging in [0, 1] {
        let sinks = [Sink::ok(), Sink::ok()];
        let mut run = with(&sinks)
            .option("FLUSH", "adaptive")
            .option("FLUSH_BUDGET_MS", "300")
            .start();
        // So often that they are not held.
        for _ in 0..10 {
            run.invoke(&Invocation::lines(1));
        }
        // The next one comes so late that it is held again.
        run.invoke(&Invocation::lines(1).works_ms(3_200));
        sinks[hanging].set(Script::always(Reply::hang()));
        // Its end is known before its event, and what it logged is sent beside; its hold must keep to the budget.
        run.invoke(&Invocation::lines(1).event_comes_last());
        run.finish();
    }
}

#[test]
fn without_a_hold_no_fault_of_the_matrix_holds_anything_or_costs_the_other() {
    for fault in matrix::TARGETS.into_iter().filter_map(of_matrix) {
        eprintln!("{fault:?}");
        let place = fault.place();
        let sink = Sink::ok();
        let mut run = to(&[&place.url, &sink.url("/logs")])
            .option("FLUSH", "next")
            .option("FLUSH_BUDGET_MS", "300")
            .alone()
            .start();
        for report in live(&mut run) {
            assert!(report.hold <= noise::free(), "{fault:?}: {:?}", report.hold);
        }
        run.finish();
        let book = close(&run, &sink, 2);
        assert_eq!(book.count("retried") + book.count("resent"), 0, "{fault:?}");
        model::assert_conserved(&run.lambda.events_taken(), &model::records(&sink));
        let bad = books::open_of(&run, place.sink.as_ref(), Some(1)).remove(0);
        books::assert_adds_up(&bad);
        assert_eq!(bad.count("panics"), 0);
    }
}

#[test]
fn without_a_hold_a_bad_one_holds_nothing_either() {
    for strategy in ["next", "periodic:50"] {
        let sinks = [Sink::new(Script::always(Reply::hang())), Sink::ok()];
        let mut run = with(&sinks)
            .option("FLUSH", strategy)
            .option("FLUSH_BUDGET_MS", "300")
            .alone()
            .start();
        for report in live(&mut run) {
            assert!(report.hold <= noise::free(), "{:?}", report.hold);
        }
        run.finish();
        close(&run, &sinks[1], 2);
        model::assert_conserved(&run.lambda.events_taken(), &model::records(&sinks[1]));
    }
}

/// A batch of 1,000 events of about 250 bytes, numbered from `first`.
fn batch(first: usize) -> Vec<u8> {
    let events: Vec<String> = (first..first + 1_000)
        .map(|number| {
            let fill = "abcdefghij klmnop,".repeat(10);
            format!(
                r#"{{"time":"2026-11-22T16:42:10.110Z","type":"function","record":"record {number:07} {fill}\n"}}"#
            )
        })
        .collect();
    format!("[{}]", events.join(",")).into_bytes()
}

#[test]
fn a_flood_costs_the_hanging_one_its_records_and_the_other_none() {
    const BATCHES: usize = 80;
    for (good, bad) in [(0, 1), (1, 0)] {
        let sinks = [0, 1].map(|number| {
            let reply = if number == bad {
                Reply::hang()
            } else {
                Reply::ok()
            };
            Sink::new(Script::always(reply))
        });
        let mut run = with(&sinks)
            .option("FLUSH", "periodic:20")
            .option("FLUSH_BUDGET_MS", "5000")
            .unfrozen()
            .alone()
            // A second destination's backlog, buffer and payload.
            .memory(MEMORY + 10 * 1024 * 1024)
            .start();
        let mut sender = run.lambda.sender();
        let mut slow = Vec::new();
        for number in 0..BATCHES {
            let began = std::time::Instant::now();
            let answer = sender.post("POST", "/", &batch(number * 1_000)).unwrap();
            assert_eq!(answer.status, 200, "batch {number}");
            let took = began.elapsed();
            assert!(
                took < noise::at_worst(Duration::from_millis(300)),
                "{took:?}"
            );
            if took > noise::at_worst(Duration::from_millis(100)) {
                slow.push((number, took));
            }
        }
        assert!(slow.len() <= 1, "the full one is waited for once: {slow:?}");
        let all = BATCHES * 1_000;
        assert!(
            model::wait_records(&sinks[good], all, Duration::from_secs(30)),
            "{}",
            run.printed()
        );
        run.invoke(&Invocation::silent());
        run.finish();
        let numbers = said(&sinks[good]);
        assert_eq!(numbers.len(), all);
        assert!(numbers.is_sorted(), "out of order");
        let printed = run.printed();
        let count = |destination: usize, name: &str| {
            let book = books::open_of(&run, None, Some(destination)).remove(0);
            book.count(name)
        };
        assert_eq!(count(good + 1, "bodies_without_room"), 0, "{printed}");
        assert!(count(bad + 1, "bodies_without_room") > 0, "{printed}");
        eprintln!("peak {} bytes", run.lambda.peak());
    }
}

#[test]
fn a_batch_that_one_had_no_room_for_changes_no_id_of_what_it_gets_later() {
    let slow = Reply::ok().after_ms(1_500);
    let sinks = [Sink::ok(), Sink::new(Script::first([slow]))];
    let mut run = with(&sinks)
        .option("FLUSH", "periodic:20")
        .option("FLUSH_BUDGET_MS", "5000")
        .unfrozen()
        .memory(u64::MAX)
        .start();
    let mut sender = run.lambda.sender();
    for number in 0..40 {
        let answer = sender.post("POST", "/", &batch(number * 1_000)).unwrap();
        assert_eq!(answer.status, 200, "batch {number}");
    }
    assert!(
        model::wait_records(&sinks[1], 5_000, Duration::from_secs(30)),
        "{}",
        run.printed()
    );
    let answer = sender.post("POST", "/", &batch(40_000)).unwrap();
    assert_eq!(answer.status, 200);
    run.invoke(&Invocation::silent());
    run.finish();
    let book = books::open_of(&run, None, Some(2)).remove(0);
    assert!(book.count("bodies_without_room") > 0, "{}", run.printed());
    let (whole, rest) = (ids(&sinks[0]), ids(&sinks[1]));
    assert!(rest.keys().any(|text| text.contains("record 0040999 ")));
    let differ = rest
        .iter()
        .filter(|(text, id)| whole.get(*text) != Some(id));
    assert_eq!(differ.count(), 0, "of {}", rest.len());
}

#[test]
fn lines_on_what_one_loses_withhold_none_on_what_another_loses() {
    let sinks = [Sink::ok(), Sink::new(Script::always(Reply::hang()))];
    let mut run = with(&sinks)
        .option("FLUSH", "periodic:20")
        .option("FLUSH_BUDGET_MS", "5000")
        .unfrozen()
        .memory(u64::MAX)
        .start();
    let mut sender = run.lambda.sender();
    let dropped = |run: &Run, about: &str| {
        let head = format!("brooklet: error: {about}a batch of ");
        let lines = run.stderr();
        lines.iter().filter(|line| line.starts_with(&head)).count()
    };
    for number in 0..30 {
        sender.post("POST", "/", &batch(number * 1_000)).unwrap();
    }
    assert!(model::wait_records(
        &sinks[0],
        30_000,
        Duration::from_secs(30)
    ));
    assert_eq!(dropped(&run, "destination 2: "), 5, "{}", run.printed());
    assert_eq!(dropped(&run, ""), 0);
    sinks[0].set(Script::always(Reply::hang()));
    for number in 30..60 {
        sender.post("POST", "/", &batch(number * 1_000)).unwrap();
    }
    assert_eq!(dropped(&run, ""), 5, "{}", run.printed());
    run.shutdown();
}

#[test]
fn the_last_records_reach_one_while_another_hangs() {
    for hanging in [0, 1] {
        let sinks = [0, 1].map(|number| {
            let reply = if number == hanging {
                Reply::hang()
            } else {
                Reply::ok()
            };
            Sink::new(Script::always(reply))
        });
        let mut run = with(&sinks).option("FLUSH", "periodic:3600000").start();
        run.invoke(&Invocation::lines(3));
        let ended = run.shutdown();
        assert!(
            ended.took < Duration::from_millis(2_000),
            "{:?}",
            ended.took
        );
        run.finish();
        let well = 1 - hanging;
        close(&run, &sinks[well], well + 1);
        model::assert_conserved(&run.lambda.events_taken(), &model::records(&sinks[well]));
        let book = books::open_of(&run, None, Some(hanging + 1)).remove(0);
        books::assert_adds_up(&book);
        assert!(book.count("dropped_at_shutdown") > 0);
    }
}

#[test]
fn one_that_takes_no_order_any_more_does_not_keep_the_others_from_the_last_one() {
    let sinks = [Sink::new(Script::always(Reply::hang())), Sink::ok()];
    let mut run = with(&sinks)
        .option("FLUSH", "next")
        .option("FLUSH_BUDGET_MS", "5000")
        .start();
    // More than its orders' channel takes.
    for number in 0..40 {
        run.invoke(&Invocation::line(format!("line {number}")));
    }
    let ended = run.shutdown();
    assert!(
        ended.took < Duration::from_millis(2_000),
        "{:?}",
        ended.took
    );
    run.finish();
    close(&run, &sinks[1], 2);
    model::assert_conserved(&run.lambda.events_taken(), &model::records(&sinks[1]));
    books::assert_adds_up(&books::open_of(&run, None, Some(1)).remove(0));
}

#[test]
fn a_managed_instance_ships_to_both() {
    let sinks = [Sink::ok(), Sink::new(Script::always(Reply::hang()))];
    let mut run = with(&sinks).managed().start();
    for _ in 0..5 {
        run.lambda
            .invoke_together(&[Invocation::lines(3), Invocation::lines(4)]);
    }
    run.finish();
    close(&run, &sinks[0], 1);
    model::assert_conserved(&run.lambda.events_taken(), &model::records(&sinks[0]));
    books::assert_adds_up(&books::open_of(&run, None, Some(2)).remove(0));
}

#[test]
fn a_snapshot_holds_no_identity_and_all_get_the_same_one() {
    let sinks = [Sink::ok(), Sink::ok()];
    let mut run = with(&sinks)
        .option("FLUSH", "end")
        .initialized(InitializationType::SnapStart)
        .lambda(|setup| {
            setup.init_duration = Duration::from_millis(200);
            setup.init_lines = vec!["from init".to_owned()];
        })
        .start();
    for sink in &sinks {
        assert_eq!(sink.connections(), 0, "connected before the snapshot");
    }
    run.invoke(&Invocation::line("restored").works_ms(40));
    run.finish();
    for (number, sink) in (1..).zip(&sinks) {
        close(&run, sink, number);
    }
    assert!(said(&sinks[0]).contains(&"from init".to_owned()));
    assert_eq!(ids(&sinks[0]), ids(&sinks[1]));
}

#[test]
fn a_bad_endpoint_is_named_and_the_others_ship() {
    let sink = Sink::ok();
    for (first, second) in [
        ("nowhere".to_owned(), sink.url("/logs")),
        (sink.url("/logs"), "nowhere".to_owned()),
    ] {
        let mut run = to(&[&first, &second]).option("FLUSH", "end").start();
        run.invoke(&Invocation::line("shipped"));
        run.finish();
        let bad = if first == "nowhere" {
            "BROOKLET_ENDPOINT"
        } else {
            "BROOKLET_ENDPOINT_2"
        };
        let named = format!("brooklet: warn: {bad} is \"nowhere\"");
        let lines = run.stderr();
        let named = lines.iter().filter(|line| line.starts_with(&named));
        assert_eq!(named.count(), 1, "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("inert, no logs")));
    }
    assert_eq!(said(&sink), ["shipped", "shipped"]);
}

/// What a destination costs at most: when nothing was sent yet, when little was, and at a time over 20,000 records of 250 bytes.
const LANE_MEMORY: [u64; 3] = [150_000, 750_000, 4_000_000];

#[test]
fn a_destination_more_costs_a_bounded_memory() {
    let cost = |count: usize| -> [u64; 3] {
        let sinks: Vec<Sink> = (0..count).map(|_| Sink::ok()).collect();
        let mut run = with(&sinks)
            .option("FLUSH", "periodic:20")
            .unfrozen()
            .alone()
            .memory(MEMORY + 16 * 1024 * 1024)
            .start();
        let fresh = run.init().vitals.resident;
        run.invoke(&Invocation::lines(3));
        for sink in &sinks {
            assert!(model::wait_records(sink, 3, PATIENCE));
        }
        let used = run.lambda.vitals().resident;
        let mut sender = run.lambda.sender();
        for number in 0..20 {
            let body = batch(number * 1_000);
            let answer = sender.post("POST", "/", &body).expect("answered");
            assert_eq!(answer.status, 200);
        }
        for sink in &sinks {
            assert!(model::wait_records(sink, 20_003, PATIENCE));
        }
        let peak = run.lambda.peak();
        run.finish();
        [fresh, used, peak]
    };
    let (one, four) = (cost(1), cost(4));
    let told = format!("{one:?} bytes with one, {four:?} with four");
    eprintln!("{told}");
    for ((one, four), most) in one.into_iter().zip(four).zip(LANE_MEMORY) {
        assert!(!ships() || four <= one + 3 * most, "{told}");
    }
}

/// What `--check` prints, with these options and these lines on stdin.
fn check(options: &[(&str, &str)], lines: &str) -> (bool, String) {
    use std::io::Write;
    let mut child = Command::new(binary())
        .arg("--check")
        .env_clear()
        .envs(options.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it has a stdin");
    stdin.write_all(lines.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.success(), text)
}

#[test]
fn check_probes_each_destination_and_tells_of_each() {
    let (well, bad) = (Sink::ok(), Sink::new(Script::always(Reply::status(403))));
    let urls = [well.url("/one"), bad.url("/two")];
    let mut options = vec![
        ("BROOKLET_ENDPOINT", urls[0].as_str()),
        ("BROOKLET_ENDPOINT_2", urls[1].as_str()),
        ("BROOKLET_FORMAT_2", "ndjson"),
        ("BROOKLET_EXCLUDE_2", "noise"),
    ];
    let (good, text) = check(&options, "");
    assert!(!good, "one of them refuses: {text}");
    let blocks: Vec<&str> = text.split("destination ").skip(1).collect();
    assert_eq!(blocks.len(), 2, "{text}");
    assert!(blocks[0].trim_start().starts_with('1') && blocks[0].contains("/one"));
    assert!(blocks[0].contains("delivered, status 200"), "{text}");
    assert!(blocks[1].trim_start().starts_with('2') && blocks[1].contains("/two"));
    assert!(blocks[1].contains("ndjson") && blocks[1].contains("refused, status 403"));
    assert!(blocks[1].contains("BROOKLET_API_KEY_2, or BROOKLET_HEADERS_2"));
    assert_eq!((well.received().len(), bad.received().len()), (1, 1));
    bad.set(Script::always(Reply::ok()));
    assert!(check(&options, "").0);
    let (good, text) = check(&options, "noise\n");
    assert!(good);
    assert_eq!(text.matches("kept").count(), 1, "{text}");
    assert!(text.contains("dropped by BROOKLET_EXCLUDE_2: "), "{text}");
    // There is no first one to tell of.
    let (good, text) = check(&options[1..], "noise\n");
    assert!(good && !text.contains("kept"), "{text}");
    // Without a first one it ships, and so all is well.
    let (good, text) = check(&options[1..2], "");
    assert!(good && text.contains("delivered, status 200"), "{text}");
    assert!(!text.contains("option "), "{text}");
    // With one destination there is nothing to tell apart.
    options.truncate(1);
    assert!(!check(&options, "").1.contains("destination"));
}

#[cfg(feature = "fault")]
#[test]
fn a_panic_for_one_destination_costs_the_other_nothing() {
    use crate::lambda::setup::Launch;
    let built = std::env::var_os("BROOKLET_FAULT_BINARY");
    let faulty: std::path::PathBuf =
        built.map_or_else(|| env!("CARGO_BIN_EXE_brooklet").into(), Into::into);
    for stage in ["parse", "process", "encode", "flush", "send"] {
        for (bad, nth) in [(1, 2), (2, 2), (1, 5), (2, 5)] {
            eprintln!("{stage} of destination {bad}, pass {nth}");
            let sinks = [Sink::ok(), Sink::ok()];
            let binary = faulty.clone();
            let mut run = with(&sinks)
                .option("FLUSH", "end")
                .option("FLUSH_BUDGET_MS", "300")
                .option("FAULT", &format!("{stage}@{bad}:{nth}"))
                .memory(u64::MAX)
                .lambda(|setup| {
                    setup.launch = Launch::Direct {
                        binary,
                        name: "brooklet".to_owned(),
                    };
                })
                .start();
            for number in 0..5 {
                run.invoke(&Invocation::line(format!("line {number}")).works_ms(40));
            }
            run.shutdown();
            let good = 3 - bad;
            let book = close(&run, &sinks[good - 1], good);
            assert_eq!(book.count("panics"), 0);
            model::assert_conserved(
                &run.lambda.events_taken(),
                &model::records(&sinks[good - 1]),
            );
            let other = books::open_of(&run, None, Some(bad)).remove(0);
            books::assert_adds_up(&other);
            assert_eq!(other.count("panics"), 1, "{}", run.printed());
            assert!(said(&sinks[bad - 1]).contains(&"line 4".to_owned()));
            // What both have is the same, whatever the panic cost.
            let (whole, rest) = (ids(&sinks[good - 1]), ids(&sinks[bad - 1]));
            assert!(rest.iter().all(|(text, id)| whole.get(text) == Some(id)));
        }
    }
}
