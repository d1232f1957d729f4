//! Secrets in the options that records are made with: nothing is made without them, and nothing of them is shown.

use super::books::{self, LOG_LEVEL};
use super::command_line;
use super::secrets::{aws, empty, parameters, with};
use crate::harness::{PATIENCE, Run, Scenario};
use crate::lambda::function::Invocation;
use crate::model::{self, Record};
use crate::sink::Sink;
use crate::sink::absent::Refusing;
use crate::sink::script::{Deed, Reply, Script};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::Duration;

/// What masks, and is a secret itself.
const PATTERN: &str = "number=/N-[0-9]+/";

/// What is masked.
const MASKED: &str = "N-20345";

/// Parameter Store with all secrets.
fn store(question: &[u8]) -> (u16, String) {
    let all = [
        ("/tags", "team=boats,of=oak"),
        ("/redact", PATTERN),
        ("/level", "oak"),
    ];
    parameters(question, &all)
}

/// A function whose tags and masks are secrets.
fn scenario(sink: &Sink, store: &Sink) -> Scenario {
    with(sink, store)
        .option("TAGS", "ssm:/tags")
        .option("REDACT", "secret:ssm:/redact")
}

/// A line that is to be masked.
fn line() -> Invocation {
    Invocation::line(format!("order {MASKED} came"))
}

/// The line as it is shipped, with its tags.
fn is_made(record: &Record) -> bool {
    let tags = record.tags.as_ref();
    let team = tags.and_then(|tags| tags.get("team"));
    record.says() == "order [redacted:number] came" && team.is_some_and(|team| team == "boats")
}

/// Nothing was shown or shipped of what is to be neither.
fn assert_kept(run: &Run, sinks: &[&Sink]) {
    let printed = run.printed();
    for hidden in ["boats", "oak", "[0-9]"] {
        assert!(!printed.contains(hidden), "{printed}");
    }
    for sink in sinks {
        assert!(books::requests_with(sink, MASKED).is_empty(), "{printed}");
    }
}

#[test]
fn records_are_made_with_secrets_and_none_before_they_are_there() {
    let slow = Reply::deed(Deed::Answer(store)).after_ms(200);
    let store = Sink::new(Script::always(slow));
    let (sink, other) = (Sink::ok(), Sink::ok());
    let mut run = scenario(&sink, &store)
        .option("ENDPOINT_2", &other.url("/logs"))
        .option("TAGS_2", "own=1")
        .option("REDACT_2", "email")
        .start();
    let to_next = run.init().to_next;
    assert!(to_next < Duration::from_millis(150), "{to_next:?}");
    for _ in 0..3 {
        run.invoke(&line());
    }
    let first: Vec<Record> = model::records(&sink);
    assert!(
        first.iter().filter(|record| is_made(record)).count() >= 1,
        "not while they were held: {}",
        run.printed()
    );
    run.finish();
    let made = model::records(&sink);
    let events = run.lambda.events_taken();
    model::assert_conserved(&events, &model::records(&other));
    let of_events = made
        .iter()
        .filter(|record| !record.kind.starts_with("brooklet."));
    assert_eq!(of_events.count(), events.len());
    let tagged = |record: &&Record| {
        let tags = record.tags.as_ref().expect("all have them");
        tags.get("of").is_some_and(|of| of == "oak")
    };
    assert_eq!(made.iter().filter(tagged).count(), made.len());
    assert_eq!(made.iter().filter(|record| is_made(record)).count(), 3);
    assert_eq!(books::requests_with(&other, MASKED).len(), 3);
    assert_eq!(store.received().len(), 1);
    assert_kept(&run, &[&sink]);
}

#[test]
fn without_them_nothing_is_made_and_nobody_is_held() {
    let store = Sink::new(aws(empty));
    let (sink, fallback) = (Sink::ok(), Sink::ok());
    let mut run = scenario(&sink, &store)
        .option("FALLBACK_ENDPOINT", &fallback.url("/rest"))
        .start();
    let told = "ssm:/redact: there is no such parameter";
    assert!(run.lambda.wait_printed(PATIENCE, told), "{}", run.printed());
    for _ in 0..3 {
        let report = run.invoke(&line());
        assert!(
            report.hold < Duration::from_millis(200),
            "{:?}",
            report.hold
        );
    }
    run.finish();
    assert!(sink.received().is_empty());
    let counters = books::counters(&run.stderr());
    assert_eq!(counters["received"], counters["dropped_at_shutdown"]);
    assert!(counters["received"] > 9, "{counters:?}");
    assert_kept(&run, &[&sink, &fallback]);
}

#[test]
fn what_waited_is_made_when_they_come() {
    let store_sink = Sink::new(aws(empty));
    let sink = Sink::ok();
    let mut run = scenario(&sink, &store_sink).start();
    let told = "nothing is sent, and records wait";
    assert!(run.lambda.wait_printed(PATIENCE, told), "{}", run.printed());
    run.invoke(&line());
    store_sink.set(aws(store));
    let (mut rounds, mut all) = (0, false);
    while !all && rounds < 200 {
        run.invoke(&line().works_ms(30));
        all = model::wait_records(&sink, 5, Duration::ZERO);
        rounds += 1;
    }
    assert!(all, "{}", run.printed());
    run.finish();
    let made = model::records(&sink);
    let lines = made.iter().filter(|record| is_made(record)).count();
    assert_eq!(lines, rounds + 1);
    assert_kept(&run, &[&sink]);
}

#[test]
fn one_that_comes_with_the_end_is_in_time() {
    let slow = Reply::deed(Deed::Answer(store)).after_ms(300);
    let store = Sink::new(Script::always(slow));
    let sink = Sink::ok();
    let mut run = scenario(&sink, &store)
        .option("FLUSH_BUDGET_MS", "0")
        .start();
    run.invoke(&line());
    run.finish();
    let made = model::records(&sink);
    assert!(made.iter().any(is_made), "{}", run.printed());
    assert_kept(&run, &[&sink]);
}

#[test]
fn a_value_that_is_none_is_named_and_not_shown() {
    let store = Sink::new(aws(store));
    let sink = Sink::ok();
    let mut run = scenario(&sink, &store)
        .option("MIN_LEVEL", "ssm:/level")
        .start();
    let told = "the secret in BROOKLET_MIN_LEVEL is none of its values";
    assert!(run.lambda.wait_printed(PATIENCE, told), "{}", run.printed());
    run.invoke(&line());
    run.finish();
    assert!(sink.received().is_empty());
    assert_kept(&run, &[&sink]);
}

#[test]
fn they_are_asked_for_beside_the_subscription() {
    /// What each side has seen: the question, and the subscription.
    static SEEN: (Mutex<(bool, bool)>, Condvar) = (Mutex::new((false, false)), Condvar::new());
    /// Waits until the other side is there, as both do.
    fn meet(mine: fn(&mut (bool, bool)) -> &mut bool) {
        let (seen, told) = &SEEN;
        let mut seen = seen.lock().expect("no panic");
        *mine(&mut seen) = true;
        told.notify_all();
        let waited = told.wait_timeout_while(seen, PATIENCE, |seen| !(seen.0 && seen.1));
        assert!(
            !waited.expect("no panic").1.timed_out(),
            "one after the other"
        );
    }
    fn answer(question: &[u8]) -> (u16, String) {
        meet(|seen| &mut seen.0);
        store(question)
    }
    let store = Sink::new(aws(answer));
    let sink = Sink::ok();
    let mut run = scenario(&sink, &store)
        .lambda(|setup| setup.before_subscribed = || meet(|seen| &mut seen.1))
        .start();
    run.invoke(&line());
    run.finish();
    assert!(
        model::records(&sink).iter().any(is_made),
        "{}",
        run.printed()
    );
    assert_eq!(store.received().len(), 1);
}

#[test]
fn no_part_of_an_address_is_shown() {
    fn address(question: &[u8]) -> (u16, String) {
        let url = ADDRESS.get().expect("it is set before");
        parameters(question, &[("/url", url)])
    }
    static ADDRESS: OnceLock<String> = OnceLock::new();
    let sink = Sink::ok();
    let url = sink.url("/hook").replace("://", "://someone:oak%2Dword@");
    ADDRESS.get_or_init(|| url);
    let store = Sink::new(aws(address));
    let mut run = Scenario::to("ssm:/url")
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .option("AWS_ENDPOINT_URL", &store.url(""))
        .start();
    let basic = BASE64_STANDARD.encode("someone:oak-word");
    let raw = BASE64_STANDARD.encode("someone:oak%2Dword");
    let told = ["oak-word", "oak%2Dword", &basic, &raw].map(|it| format!("no {it} here"));
    sink.set(Script::first(told.map(|it| Reply::status(500).body(it))));
    run.invoke(&Invocation::lines(3));
    for _ in 0..3 {
        run.invoke(&Invocation::lines(1));
    }
    run.finish();
    let printed = run.printed();
    assert!(printed.contains("no *** here"), "{printed}");
    for part in ["oak", &*basic, &*raw] {
        assert!(!printed.contains(part), "{printed}");
    }
}

#[test]
fn check_names_the_service_that_is_not_there_and_hints() {
    let away = Refusing::new();
    for (reference, service) in [
        ("ssm:/tags", "ssm"),
        (
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf",
            "secretsmanager",
        ),
    ] {
        let options = |url: &str| {
            command_line::check(&[
                ("BROOKLET_ENDPOINT", "http://127.0.0.1:9"),
                ("BROOKLET_API_KEY", reference),
                ("BROOKLET_AWS_ENDPOINT_URL", url),
                ("BROOKLET_SECRETS_BUDGET_MS", "100"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "key"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
            ])
        };
        let hint = |ran: &command_line::Ran| {
            let hint = ran.stdout.lines().find(|line| line.starts_with("hint"));
            hint.map(ToOwned::to_owned).unwrap_or_default()
        };
        let ran = options(&away.url(""));
        let named = format!("{service} at {}: ", away.url(""));
        assert!(ran.stdout.contains(&named), "{ran:?}");
        assert!(hint(&ran).contains("VPC"), "{ran:?}");
        let denied = r#"{"__type":"AccessDeniedException","Message":"x is not authorized"}"#;
        let denied = Sink::new(Script::always(Reply::status(400).body(denied)));
        let ran = options(&denied.url(""));
        assert!(hint(&ran).contains(&format!("{service}:Get")), "{ran:?}");
    }
}

#[test]
fn check_uses_them_and_shows_none() {
    let store = Sink::new(aws(store));
    let sink = Sink::ok();
    let options = [
        ("BROOKLET_ENDPOINT", &*sink.url("/logs")),
        ("BROOKLET_TAGS", "ssm:/tags"),
        ("BROOKLET_REDACT", "ssm:/redact"),
        ("BROOKLET_AWS_ENDPOINT_URL", &*store.url("")),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let ran = command_line::check(&options);
    assert_eq!(ran.code, 0, "{ran:?}");
    let tags = model::records(&sink)
        .remove(0)
        .tags
        .expect("they are there");
    assert_eq!(tags["team"], "boats");
    let lines = command_line::check_lines(&options, &format!("order {MASKED}\n"));
    let told = "BROOKLET_REDACT is not read here, and counts as not set";
    assert!(lines.stdout.contains(told), "{lines:?}");
    assert_eq!(lines.code, 0, "{lines:?}");
    for ran in [ran, lines] {
        assert!(!format!("{ran:?}").contains("boats"), "{ran:?}");
    }
}
