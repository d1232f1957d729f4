//! Sampling: whole invocations by their id, the same everywhere, and what is always kept.

use super::feed::{FORMATS, Fed, Told, done, event, feed, feed_to, json, line, report, start};
use crate::harness::Scenario;
use crate::sink::Sink;
use std::collections::BTreeSet;

/// Requests of one table.
const REQUESTS: usize = 2_400;

/// The request id of a number; the numbers are spread over the digits as those of real ids are.
fn id(number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4cdb-a46b-{number:012x}",
        mixed >> 32,
        mixed & 0xffff
    )
}

/// The events of one request: start, two lines, its end, its report.
fn request(number: usize) -> Vec<Told> {
    let id = id(number);
    vec![
        start(&id),
        line("one"),
        json(r#"{"level":"info","message":"two"}"#),
        done(&id, "success"),
        report(&id, "success"),
    ]
}

/// Events of one request.
const EACH: usize = 5;

/// What came of a plain population with this fraction.
fn population(format: &str, fraction: &str, offset: usize) -> Fed {
    let requests: Vec<usize> = (0..REQUESTS).map(|number| number + offset).collect();
    let batches: Vec<Vec<Told>> = requests
        .chunks(400)
        .map(|chunk| chunk.iter().flat_map(|number| request(*number)).collect())
        .collect();
    feed(format, &[("BROOKLET_SAMPLE", fraction)], &batches)
}

/// The requests whose line of this place was kept.
fn kept(fed: &Fed, place: usize) -> BTreeSet<usize> {
    let kept = fed.kept();
    kept.into_iter()
        .filter(|number| number % EACH == place)
        .map(|number| number / EACH)
        .collect()
}

#[test]
fn whole_invocations_are_kept_and_every_process_keeps_the_same_ones() {
    let mut before: Option<BTreeSet<usize>> = None;
    for fraction in [0.05, 0.1, 0.5] {
        let (first, second) = (
            population("json", &fraction.to_string(), 0),
            population("ndjson", &fraction.to_string(), 0),
        );
        let chosen = kept(&first, 0);
        assert_eq!(chosen, kept(&second, 0), "two processes do not agree");
        for place in [1, 2, 3] {
            assert_eq!(kept(&first, place), chosen, "an invocation was cut in two");
        }
        assert_eq!(kept(&first, 4).len(), REQUESTS, "a report is always kept");
        // Five standard deviations of the binomial distribution.
        let (expected, spread) = (
            REQUESTS as f64 * fraction,
            5.0 * (REQUESTS as f64 * fraction * (1.0 - fraction)).sqrt(),
        );
        let got = chosen.len() as f64;
        assert!(
            (got - expected).abs() <= spread,
            "{got} of {REQUESTS} at {fraction}"
        );
        // A larger fraction keeps what a smaller one does.
        if let Some(before) = before {
            assert!(before.is_subset(&chosen), "{fraction}");
        }
        before = Some(chosen);
        assert_eq!(
            first.stats["filtered"],
            (4 * REQUESTS - 4 * got as usize) as u64
        );
    }
}

/// The fraction a record says it was kept with.
fn fraction(fed: &Fed, number: usize) -> Option<f64> {
    let fields = fed.fields(number)?;
    Some(
        fields
            .get("sample")
            .expect("a sampled stream says so")
            .parse()
            .expect("a number"),
    )
}

#[test]
fn the_fraction_on_each_record_scales_the_counts_back() {
    // Every fourth request has an error between its lines; its id is as likely to be chosen as any.
    let mut events = Vec::new();
    for number in 0..REQUESTS {
        let id = id(number);
        let middle = if number % 4 == 0 {
            line("[ERROR] boom")
        } else {
            line("[INFO] fine")
        };
        events.push(vec![
            start(&id),
            line("before"),
            middle,
            line("after"),
            report(&id, "success"),
        ]);
    }
    let batches: Vec<Vec<Told>> = events.chunks(400).map(<[_]>::concat).collect();
    let fed = feed("json", &[("BROOKLET_SAMPLE", "0.2")], &batches);
    for place in 0..EACH {
        let numbers = (0..REQUESTS).map(|request| request * EACH + place);
        let estimate: f64 = numbers
            .filter_map(|number| fraction(&fed, number))
            .map(|kept| 1.0 / kept)
            .sum();
        let total = REQUESTS as f64;
        let spread = 5.0 * (total * 0.8 / 0.2).sqrt();
        assert!(
            (estimate - total).abs() <= spread,
            "place {place}: {estimate} of {total}"
        );
    }
    for request in (0..REQUESTS).step_by(4) {
        for place in [2, 3, 4] {
            let kept = fraction(&fed, request * EACH + place);
            assert_eq!(
                kept,
                Some(1.0),
                "what follows an error is kept for certain, whoever it is"
            );
        }
    }
}

/// Requests that this fraction does not choose.
fn unchosen() -> Vec<usize> {
    let fed = population("json", "0.1", 0);
    let chosen = kept(&fed, 0);
    (0..REQUESTS)
        .filter(|number| !chosen.contains(number))
        .collect()
}

#[test]
fn an_invocation_that_turns_out_bad_is_kept_from_then_on() {
    let ids: Vec<String> = unchosen().into_iter().map(id).collect();
    let bad: [fn(&str) -> Told; 7] = [
        |_| line("[ERROR]\tx\ty\tboom"),
        |_| line("[CRITICAL] boom"),
        |_| json(r#"{"level":"error","message":"boom"}"#),
        |_| json(r#"{"level":60}"#),
        |id| done(id, "error"),
        |id| done(id, "timeout"),
        |id| report(id, "failure"),
    ];
    let good: [fn(&str) -> Told; 4] = [
        |_| line("[WARNING] hm"),
        |_| line("ERRORS: 0"),
        |id| done(id, "success"),
        |_| json(r#"{"message":"error"}"#),
    ];
    for format in FORMATS {
        let (mut events, mut expected) = (Vec::new(), Vec::new());
        for (number, turn) in bad.iter().chain(&good).enumerate() {
            let id = &ids[number];
            let at = events.len();
            events.extend([
                start(id),
                line("before"),
                turn(id),
                line("after"),
                json(r#"{"late":true}"#),
            ]);
            if number < bad.len() {
                expected.extend([at + 2, at + 3, at + 4]);
            }
        }
        let fed = feed(format, &[("BROOKLET_SAMPLE", "0.1")], &[events]);
        assert_eq!(fed.kept(), expected);
        for number in fed.kept() {
            assert_eq!(fraction(&fed, number), Some(1.0));
        }
    }
}

#[test]
fn requests_side_by_side_are_told_apart() {
    let ids: Vec<String> = unchosen().into_iter().take(2).map(id).collect();
    let of = |id: &str, level: &str| {
        json(format!(
            r#"{{"requestId":"{id}","level":"{level}","message":"x"}}"#
        ))
    };
    let events = vec![
        start(&ids[0]),
        start(&ids[1]),
        of(&ids[0], "info"),
        of(&ids[1], "info"),
        of(&ids[0], "error"),
        of(&ids[1], "info"),
        of(&ids[0], "info"),
        // Of nobody that is known.
        line("text"),
        report(&ids[0], "success"),
        report(&ids[1], "success"),
    ];
    let fed = feed_to(
        Sink::ok(),
        Scenario::managed,
        "json",
        &[("BROOKLET_SAMPLE", "0.1")],
        &[events],
    );
    assert_eq!(fed.kept(), [4, 6, 7, 8, 9]);
    for number in fed.kept() {
        assert_eq!(fraction(&fed, number), Some(1.0));
    }
}

#[test]
fn what_belongs_to_no_request_is_kept_and_the_field_is_there_only_when_sampling() {
    let events = vec![
        line("in init"),
        event("extension", r#""x\n""#),
        event("platform.logsDropped", r#"{"droppedRecords":0}"#),
    ];
    let fed = feed(
        "json",
        &[("BROOKLET_SAMPLE", "0.01")],
        std::slice::from_ref(&events),
    );
    assert_eq!(fed.kept(), [0, 1, 2]);
    assert_eq!(
        fed.shown(0).as_deref(),
        Some(r#"{"message":"in init","sample":1}"#)
    );
    for whole in ["1", "1.0"] {
        let fed = feed(
            "json",
            &[("BROOKLET_SAMPLE", whole)],
            std::slice::from_ref(&events),
        );
        assert_eq!(fed.shown(0).as_deref(), Some(r#"{"message":"in init"}"#));
    }
}

#[test]
fn nothing_but_the_bad_is_kept_with_a_fraction_of_nothing() {
    let fed = feed(
        "json",
        &[("BROOKLET_SAMPLE", "0")],
        &[request(0), request(1)],
    );
    assert_eq!(fed.kept(), [4, 9], "{:?}", fed.stderr());
}

#[test]
fn a_fraction_that_is_none_is_named_and_everything_is_kept() {
    for bad in ["1.5", "-0.1", "half", "NaN", "10%"] {
        let fed = feed("json", &[("BROOKLET_SAMPLE", bad)], &[request(0)]);
        assert_eq!(fed.kept(), [0, 1, 2, 3, 4], "{bad}");
        assert!(
            fed.tells(&["BROOKLET_SAMPLE", bad]),
            "{bad}: {:?}",
            fed.stderr()
        );
    }
}

#[test]
fn a_chosen_request_says_the_fraction() {
    let fed = population("json", "0.1", 0);
    let first = kept(&fed, 0).into_iter().next().expect("one is chosen");
    let at = first * EACH;
    let tail = format!(r#""request_id":"{}","sample":0.1}}"#, id(first));
    assert_eq!(
        fed.shown(at + 1),
        Some(format!(r#"{{"message":"one",{tail}"#))
    );
    let report = fed.shown(at + 4).expect("a report");
    assert!(report.ends_with(r#""sample":1}"#), "{report}");
}
