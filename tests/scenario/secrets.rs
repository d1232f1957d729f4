//! Secrets by reference: fetched beside everything else, used where they belong, shown nowhere.
//!
//! A scripted sink plays both services; that signatures are right is shown by `tests/aws.py`.

use super::books::{self, LOG_LEVEL, Promise, WHOLE};
use super::command_line;
use crate::harness::{PATIENCE, Run, Scenario};
use crate::lambda::function::Invocation;
use crate::lambda::process::Exit;
use crate::lambda::setup::InitializationType;
use crate::model;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::time::Duration;

/// A secret that is text.
pub(crate) const TEXT: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:text-AbCdEf";

/// A secret that is a document, without what the service adds to its name.
pub(crate) const DOCUMENT: &str =
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:document";

/// Whatever else is shown, this is not: every secret's value holds it.
pub(crate) const GOLD: &str = "of-gold";

/// The budget of a fetch where the services are bad.
const BUDGET: &str = "300";

/// The ids that a question holds.
fn ids(question: &str, name: &str) -> Vec<String> {
    let fields = model::fields(question);
    let json = fields.iter().find(|(known, _)| known == name);
    let list = json.map_or("[]", |(_, json)| json);
    serde_json::from_str(list).expect("a list of names")
}

/// What is kept under an id, as the text of a JSON string; `version` tells one time from another.
fn kept(id: &str, version: u32) -> Option<String> {
    match id {
        TEXT => Some(format!("text-{version}-{GOLD}")),
        DOCUMENT => Some(format!(
            r#"{{\"user\":\"me\",\"deep\":{{\"key\":\"document-{version}-{GOLD}\"}}}}"#
        )),
        "/logs/key" => Some(format!("parameter-{version}-{GOLD}")),
        "/logs/line-end" => Some(format!(r"line-{version}-{GOLD}\n")),
        "/logs/two-lines" => Some(format!(r"two\n{GOLD}")),
        _ => None,
    }
}

/// The services, which know these secrets in a version.
fn services(question: &[u8], version: u32) -> (u16, String) {
    let question = std::str::from_utf8(question).expect("text");
    if question.contains("\"Names\"") {
        assert!(question.contains("\"WithDecryption\":true"), "{question}");
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in ids(question, "Names") {
            match kept(&name, version) {
                Some(value) => found.push(format!(
                    r#"{{"ARN":"arn:aws:ssm:x:1:parameter{name}","Name":"{name}","Type":"SecureString","Value":"{value}","Version":1}}"#
                )),
                None => missing.push(format!("\"{name}\"")),
            }
        }
        let (found, missing) = (found.join(","), missing.join(","));
        let answer = format!(r#"{{"InvalidParameters":[{missing}],"Parameters":[{found}]}}"#);
        return (200, answer);
    }
    let entry = |id: &str, value: &str| {
        let added = if id == DOCUMENT { "-123456" } else { "" };
        format!(r#"{{"ARN":"{id}{added}","Name":"x","SecretString":"{value}"}}"#)
    };
    if question.contains("\"SecretIdList\"") {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for id in ids(question, "SecretIdList") {
            match kept(&id, version) {
                Some(value) => found.push(entry(&id, &value)),
                None => missing.push(format!(
                    r#"{{"SecretId":"{id}","ErrorCode":"ResourceNotFoundException","Message":"it is not there"}}"#
                )),
            }
        }
        let (found, missing) = (found.join(","), missing.join(","));
        return (
            200,
            format!(r#"{{"Errors":[{missing}],"SecretValues":[{found}]}}"#),
        );
    }
    let fields = model::fields(question);
    let id = model::string(&fields[0].1);
    match kept(&id, version) {
        Some(value) => (200, entry(&id, &value)),
        None => (
            400,
            r#"{"__type":"ResourceNotFoundException","Message":"it is not there"}"#.to_owned(),
        ),
    }
}

/// The first version.
pub(crate) fn first(question: &[u8]) -> (u16, String) {
    services(question, 1)
}

/// The second version.
fn second(question: &[u8]) -> (u16, String) {
    services(question, 2)
}

/// Whoever asks for several secrets, or for a document, is refused.
fn grudging(question: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(question);
    if text.contains("SecretIdList") || text.contains(DOCUMENT) {
        let answer = r#"{"__type":"com.amazonaws#AccessDeniedException","Message":"User x is not authorized to perform y"}"#;
        return (400, answer.to_owned());
    }
    first(question)
}

/// Parameter Store with these parameters and no others.
pub(crate) fn parameters(question: &[u8], all: &[(&str, &str)]) -> (u16, String) {
    let question = std::str::from_utf8(question).expect("text");
    let asked = ids(question, "Names");
    let found: Vec<String> = all
        .iter()
        .filter(|(name, _)| asked.iter().any(|asked| asked == name))
        .map(|(name, value)| format!(r#"{{"Name":"{name}","Value":"{value}"}}"#))
        .collect();
    (200, format!(r#"{{"Parameters":[{}]}}"#, found.join(",")))
}

/// Parameter Store that has nothing.
pub(crate) fn empty(question: &[u8]) -> (u16, String) {
    parameters(question, &[])
}

/// The services.
pub(crate) fn aws(answer: fn(&[u8]) -> (u16, String)) -> Script {
    Script::always(Reply::deed(Deed::Answer(answer)))
}

/// A scenario with these services and everything shown that is ever shown.
pub(crate) fn with(sink: &Sink, aws: &Sink) -> Scenario {
    Scenario::with(sink)
        .option("FLUSH", "end")
        .option("LOG_LEVEL", LOG_LEVEL)
        .option("AWS_ENDPOINT_URL", &aws.url(""))
}

/// Nothing of a secret was printed, and nothing of one is in a record.
fn assert_kept(run: &Run, sinks: &[&Sink]) {
    let printed = run.printed();
    assert!(!printed.contains(GOLD), "{printed}");
    for sink in sinks {
        for request in sink.received() {
            let body = String::from_utf8_lossy(&request.body()).into_owned();
            assert!(!body.contains(GOLD), "{body}");
        }
    }
}

/// The values of a header in all requests.
fn headers(sink: &Sink, name: &str) -> Vec<String> {
    let received = sink.received();
    let values = received.iter().map(|request| request.header(name));
    values
        .map(|value| value.unwrap_or("none").to_owned())
        .collect()
}

/// The operations that were asked for.
fn operations(aws: &Sink) -> Vec<String> {
    let mut names: Vec<String> = headers(aws, "x-amz-target");
    names.sort();
    names
}

#[test]
fn three_secrets_of_four_destinations_take_a_call_of_each_service() {
    let aws = Sink::new(aws(first));
    let sinks: Vec<Sink> = (0..4).map(|_| Sink::ok()).collect();
    let mut scenario = with(&sinks[0], &aws).option("API_KEY", TEXT);
    for (number, sink) in (2..).zip(&sinks[1..]) {
        scenario = scenario.option(&format!("ENDPOINT_{number}"), &sink.url("/logs"));
    }
    let mut run = scenario
        .option("API_KEY_2", &format!("{DOCUMENT}#deep.key"))
        .option("HEADERS_2", &format!("x-plain=1,x-user={DOCUMENT}#user"))
        .option("API_KEY_3", "secret:ssm:/logs/key")
        .option(
            "HEADERS_3",
            &format!("x-key=Token%20ssm:/logs/line-end,x-same={TEXT}"),
        )
        .threads(40)
        .memory(24 * 1024 * 1024)
        .start();
    assert!(aws.wait_requests(2, PATIENCE), "{}", run.printed());
    for _ in 0..3 {
        run.invoke(&Invocation::lines(3));
    }
    run.finish();
    assert_eq!(
        operations(&aws),
        [
            "AmazonSSM.GetParameters",
            "secretsmanager.BatchGetSecretValue"
        ]
    );
    for (number, sink) in (1..).zip(&sinks) {
        books::close_of(&run, Some(sink), WHOLE, Some(number));
        model::assert_conserved(&run.lambda.events_taken(), &model::records(sink));
    }
    for (at, name, value) in [
        (0, "authorization", format!("Bearer text-1-{GOLD}")),
        (1, "authorization", format!("Bearer document-1-{GOLD}")),
        (1, "x-user", "me".to_owned()),
        (1, "x-plain", "1".to_owned()),
        (2, "authorization", format!("Bearer parameter-1-{GOLD}")),
        (2, "x-key", format!("Token line-1-{GOLD}")),
        (2, "x-same", format!("text-1-{GOLD}")),
        (3, "authorization", "none".to_owned()),
    ] {
        let sent = headers(&sinks[at], name);
        assert!(
            !sent.is_empty() && sent.iter().all(|one| *one == value),
            "{sent:?}"
        );
    }
    assert_kept(&run, &sinks.iter().collect::<Vec<_>>());
}

#[test]
fn init_does_not_wait_and_the_first_invocation_does_within_its_budget() {
    let slow = Reply::deed(Deed::Answer(first)).after_ms(400);
    let aws = Sink::new(Script::always(slow));
    let sink = Sink::ok();
    let mut run = with(&sink, &aws).option("API_KEY", TEXT).start();
    let to_next = run.init().to_next;
    assert!(to_next < Duration::from_millis(300), "{to_next:?}");
    run.invoke(&Invocation::line("first"));
    let said: Vec<String> = model::records(&sink)
        .iter()
        .map(|it| it.says().to_owned())
        .collect();
    assert!(
        said.contains(&"first".to_owned()),
        "{said:?}; {}",
        run.printed()
    );
    run.finish_conserved(&sink);
    assert_kept(&run, &[&sink]);
}

#[test]
fn what_cannot_be_had_is_named_and_only_that_destination_waits_for_it() {
    let services = Sink::new(aws(grudging));
    let (sink, other) = (Sink::ok(), Sink::ok());
    let mut run = with(&sink, &services)
        .option("API_KEY", TEXT)
        .option("ENDPOINT_2", &other.url("/logs"))
        .option("API_KEY_2", &format!("{DOCUMENT}#deep.key"))
        .memory(16 * 1024 * 1024)
        .start();
    // The batch, and then each by itself.
    assert!(services.wait_requests(3, PATIENCE), "{}", run.printed());
    let told = "destination 2: nothing is sent";
    assert!(run.lambda.wait_printed(PATIENCE, told), "{}", run.printed());
    for _ in 0..2 {
        run.invoke(&Invocation::lines(3));
    }
    assert!(!model::records(&sink).is_empty());
    assert!(other.received().is_empty());
    let stderr = run.stderr();
    let line = stderr.iter().find(|line| line.contains(told)).unwrap();
    for part in [
        DOCUMENT,
        "AccessDeniedException",
        "is not authorized to perform y",
    ] {
        assert!(line.contains(part), "{line}");
    }
    // Somebody allowed it.
    services.set(aws(first));
    let (mut rounds, mut all) = (0, false);
    while !all && rounds < 200 {
        run.invoke(&Invocation::line("again").works_ms(30));
        all = model::wait_records(&other, 8, Duration::ZERO);
        rounds += 1;
    }
    assert!(all, "{}", run.printed());
    run.finish();
    for (number, sink) in [(1, &sink), (2, &other)] {
        books::close_of(&run, Some(sink), WHOLE, Some(number));
        model::assert_conserved(&run.lambda.events_taken(), &model::records(sink));
    }
    assert_kept(&run, &[&sink, &other]);
}

#[test]
fn services_that_fail_or_hang_cost_nobody_anything_but_the_records() {
    for (what, reply) in [
        ("hang", Reply::hang()),
        (
            "error",
            Reply::status(500).body("{\"__type\":\"InternalServiceError\"}"),
        ),
        ("reset", Reply::deed(Deed::ResetBeforeAnswer)),
        ("nonsense", Reply::status(200).body("<html>")),
        (
            "half",
            Reply::status(200).body(format!("{{\"SecretString\":\"{GOLD}")),
        ),
        ("drip", Reply::deed(Deed::Drip(Duration::from_millis(100)))),
    ] {
        eprintln!("{what}");
        let aws = Sink::new(Script::always(reply));
        let sink = Sink::ok();
        let mut run = with(&sink, &aws)
            .option("API_KEY", TEXT)
            .option("SECRETS_BUDGET_MS", BUDGET)
            .start();
        let told = "nothing is sent, and records wait";
        assert!(run.lambda.wait_printed(PATIENCE, told), "{}", run.printed());
        run.invoke(&Invocation::lines(2));
        let report = run.invoke(&Invocation::lines(2));
        assert!(
            report.hold < Duration::from_millis(200),
            "{what}: {:?}",
            report.hold
        );
        run.finish();
        assert!(sink.received().is_empty(), "{what}");
        assert!(
            run.printed().contains("dropped_at_shutdown"),
            "{}",
            run.printed()
        );
        assert_kept(&run, &[]);
    }
}

#[test]
fn an_end_before_the_secrets_come_is_in_time_and_says_so() {
    let services = Sink::new(Script::always(Reply::hang()));
    let (sink, fallback) = (Sink::ok(), Sink::ok());
    let mut run = with(&sink, &services)
        .option("SECRETS_BUDGET_MS", "60000")
        .option("API_KEY", TEXT)
        .option("FALLBACK_ENDPOINT", &fallback.url("/f"))
        .start();
    run.invoke(&Invocation::line("one"));
    let ended = run.shutdown();
    let told = run.printed();
    assert_eq!(ended.exit, Some(Exit::Code(0)), "{told}");
    let why = "the destination's secrets did not come before the end";
    assert!(told.contains(why), "{told}");
    assert!(sink.received().is_empty());
    assert_eq!(fallback.received().len(), 1, "{told}");
}

#[test]
fn a_fallback_needs_no_secret() {
    let aws = Sink::new(aws(first));
    let (sink, fallback) = (Sink::ok(), Sink::ok());
    let mut run = with(&sink, &aws)
        .option("API_KEY", "ssm:/nobody")
        .option("FALLBACK_ENDPOINT", &fallback.url("/rest"))
        .start();
    run.invoke(&Invocation::line("kept"));
    run.finish();
    assert!(sink.received().is_empty());
    let kept = model::records(&fallback);
    assert!(
        kept.iter().any(|record| record.says() == "kept"),
        "{}",
        run.printed()
    );
    assert!(
        run.printed()
            .contains("ssm:/nobody: there is no such parameter")
    );
    assert_eq!(headers(&fallback, "authorization")[0], "none");
}

#[test]
fn a_secret_that_was_changed_is_read_again_and_nothing_is_lost() {
    for status in [401, 403] {
        let services = Sink::new(aws(first));
        let sink = Sink::ok();
        let mut run = with(&sink, &services).option("API_KEY", TEXT).start();
        run.invoke(&Invocation::lines(2));
        services.set(aws(second));
        let refusal = format!("the key text-1-{GOLD} is old");
        sink.set(Script::first([Reply::status(status).body(refusal)]));
        run.invoke(&Invocation::line("turned"));
        let said: Vec<String> = model::records(&sink)
            .iter()
            .map(|it| it.says().to_owned())
            .collect();
        assert!(
            said.contains(&"turned".to_owned()),
            "not in the same hold: {}",
            run.printed()
        );
        run.finish();
        books::close(&run, Some(&sink), WHOLE);
        model::assert_conserved(&run.lambda.events_taken(), &model::records(&sink));
        assert_eq!(services.received().len(), 2, "{}", run.printed());
        let keys = headers(&sink, "authorization");
        assert_eq!(keys.first(), Some(&format!("Bearer text-1-{GOLD}")));
        assert_eq!(keys.last(), Some(&format!("Bearer text-2-{GOLD}")));
        assert!(
            run.printed().contains("the key *** is old"),
            "{}",
            run.printed()
        );
        assert_kept(&run, &[&sink]);
    }
}

#[test]
fn what_is_too_large_is_known_still_after_a_secret_was_read_again() {
    fn weighs(body: &[u8]) -> u16 {
        if body.len() > 5_000 { 413 } else { 200 }
    }
    let services = Sink::new(aws(first));
    let judge = Reply::deed(Deed::Judge(weighs));
    let sink = Sink::new(Script::always(judge.clone()));
    let mut run = with(&sink, &services).option("API_KEY", TEXT).start();
    let refused = |status| {
        let received = sink.received();
        let answers = received.iter().map(|request| request.status);
        answers.filter(|one| *one == Some(status)).count()
    };
    run.invoke(&Invocation::lines(200));
    let learned = refused(413);
    assert!(learned > 3, "{learned}");
    sink.set(Script {
        first: vec![Reply::status(403)],
        then: judge,
    });
    run.invoke(&Invocation::lines(200));
    assert_eq!((refused(403), services.received().len()), (1, 2));
    let again = refused(413) - learned;
    // It feels its way up by an eighth at a time.
    assert!(again < learned, "{again} after {learned}");
    run.finish_conserved(&sink);
}

#[test]
fn a_refusal_that_stays_is_believed_and_the_services_are_not_asked_each_time() {
    let aws = Sink::new(aws(first));
    let sink = Sink::new(Script::always(Reply::status(403).body("no")));
    let mut run = with(&sink, &aws).option("API_KEY", TEXT).start();
    for _ in 0..6 {
        run.invoke(&Invocation::lines(2));
    }
    run.finish();
    assert_eq!(aws.received().len(), 2, "{}", run.printed());
    let promise = Promise {
        heard: true,
        last_whole: false,
    };
    let book = books::close(&run, Some(&sink), promise).remove(0);
    assert!(book.count("refused") > 10, "{:?}", book.counters);
}

#[test]
fn old_secrets_are_read_again_and_kept_where_that_fails() {
    let services = Sink::new(aws(first));
    let sink = Sink::ok();
    let mut run = with(&sink, &services)
        .option("API_KEY", TEXT)
        .option("SECRETS_MAX_AGE_S", "1")
        .option("SECRETS_BUDGET_MS", BUDGET)
        .start();
    run.invoke(&Invocation::line("first"));
    services.set(aws(second));
    let fresh = format!("Bearer text-2-{GOLD}");
    let mut rounds = 0;
    while headers(&sink, "authorization").last() != Some(&fresh) && rounds < 500 {
        run.invoke(&Invocation::line("again").works_ms(20));
        rounds += 1;
    }
    assert_eq!(
        headers(&sink, "authorization").last(),
        Some(&fresh),
        "{}",
        run.printed()
    );
    services.set(Script::always(
        Reply::status(400).body("{\"__type\":\"AccessDeniedException\"}"),
    ));
    let told = "could not be read again, and the old one is kept";
    let mut rounds = 0;
    while !run.printed().contains(told) && rounds < 500 {
        run.invoke(&Invocation::line("again").works_ms(20));
        rounds += 1;
    }
    assert!(run.printed().contains(told), "{}", run.printed());
    run.finish_conserved(&sink);
    assert_eq!(headers(&sink, "authorization").last(), Some(&fresh));
    assert_kept(&run, &[&sink]);
}

#[test]
fn nothing_is_fetched_before_a_snapshot() {
    let aws = Sink::new(aws(first));
    let sink = Sink::ok();
    let mut run = with(&sink, &aws)
        .option("API_KEY", "ssm:/logs/key")
        .initialized(InitializationType::SnapStart)
        // These keys come from an endpoint, which the local Lambda has not.
        .env("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00")
        .env("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret-key")
        .start();
    run.lambda.stays_in_next(Duration::from_millis(100));
    assert_eq!(aws.connections(), 0, "connected before the snapshot");
    run.invoke(&Invocation::line("restored").works_ms(40));
    run.finish_conserved(&sink);
    assert_eq!(aws.received().len(), 1);
}

#[test]
fn an_endpoint_may_be_a_secret_and_is_not_shown() {
    fn address(question: &[u8]) -> (u16, String) {
        let url = ADDRESS.get().expect("it is set before");
        parameters(question, &[("/url", url)])
    }
    static ADDRESS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let sink = Sink::ok();
    let url = ADDRESS.get_or_init(|| sink.url(&format!("/hook/{GOLD}?token=query-{GOLD}")));
    let services = Sink::new(aws(address));
    let mut run = Scenario::to("ssm:/url")
        .option("LOG_LEVEL", LOG_LEVEL)
        .option("AWS_ENDPOINT_URL", &services.url(""))
        .start();
    let refusals = [
        format!("no {url} here"),
        format!("Cannot POST /hook/{GOLD}"),
        format!("Invalid token {GOLD}"),
    ];
    sink.set(Script::first(
        refusals.map(|told| Reply::status(500).body(told)),
    ));
    run.invoke(&Invocation::lines(3));
    let away = Reply::status(307).header("Location", &format!("https://h/hook/{GOLD}"));
    sink.set(Script::first([away]));
    run.invoke(&Invocation::lines(3));
    run.finish();
    assert!(
        run.printed().contains("Invalid token ***"),
        "{}",
        run.printed()
    );
    assert_kept(&run, &[&sink]);
    let ran = command_line::check(&[
        ("BROOKLET_ENDPOINT", "ssm:/url"),
        ("BROOKLET_AWS_ENDPOINT_URL", &services.url("")),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("endpoint     a secret"), "{ran:?}");
    assert!(!format!("{ran:?}").contains(GOLD), "{ran:?}");
}

#[test]
fn an_answer_that_is_cut_shows_no_part_of_a_secret() {
    let sink = Sink::ok();
    let services = Sink::new(aws(first));
    let mut run = with(&sink, &services)
        .option("API_KEY", "ssm:/logs/key")
        .option("HEADERS", "x-other=plain-and-secret")
        .start();
    for secret in [&format!("parameter-1-{GOLD}"), "plain-and-secret"] {
        let told = format!("{}{secret}", "x".repeat(293));
        for status in [422, 500] {
            sink.set(Script::first([Reply::status(status).body(told.clone())]));
            run.invoke(&Invocation::lines(1));
        }
    }
    run.finish();
    let printed = run.printed();
    assert!(printed.contains("xx***"), "{printed}");
    let shown = printed.contains("xpar") || printed.contains("xpla");
    assert!(!shown, "{printed}");
}

#[test]
fn check_says_which_were_read_and_no_value() {
    let aws = Sink::new(aws(first));
    let sink = Sink::new(Script::first([
        Reply::status(200).body(format!("thanks for text-1-{GOLD}"))
    ]));
    let variables = |key: &'static str| {
        command_line::check(&[
            ("BROOKLET_ENDPOINT", &sink.url("/logs")),
            ("BROOKLET_API_KEY", key),
            ("BROOKLET_AWS_ENDPOINT_URL", &aws.url("")),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ])
    };
    for (key, code, told) in [
        (TEXT, 0, format!("{TEXT}: read")),
        ("ssm:/logs/key", 0, "ssm:/logs/key: read".to_owned()),
        (
            "ssm:/nobody",
            1,
            "ssm:/nobody: there is no such parameter".to_owned(),
        ),
        (
            "ssm:/logs/key#user",
            1,
            "ssm:/logs/key#user: it is no JSON object".to_owned(),
        ),
        (
            "ssm:/logs/two-lines",
            1,
            "ssm:/logs/two-lines: it holds a character that no header can".to_owned(),
        ),
    ] {
        let ran = variables(key);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stdout.contains(&told), "{told} is not in {ran:?}");
        assert!(!format!("{ran:?}").contains(GOLD), "{ran:?}");
    }
}

#[test]
fn a_reference_where_none_can_be_is_named() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("TYPES", "ssm:/types").start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
    let stderr = run.stderr();
    assert_eq!(stderr.len(), 1, "{stderr:#?}");
    for part in ["BROOKLET_TYPES", "ssm:/types", "FORMAT", "PROXY"] {
        assert!(stderr[0].contains(part), "{stderr:#?}");
    }
}
