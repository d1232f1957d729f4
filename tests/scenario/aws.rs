//! Places in AWS played by scripted sinks: partial failures, throttling, what is made when it is missing, names that
//! stay, clocks and keys that are put right.
//!
//! Signatures themselves are checked by `tests/aws.py`; here only what they say they hold for.

use super::books;
use super::feed::quote;
use crate::harness::{PATIENCE, Run, Scenario, binary};
use crate::lambda::function::Invocation;
use crate::lambda::setup::InitializationType;
use crate::model::{self, Record};
use crate::sink::script::{Deed, Reply, Script};
use crate::sink::{Received, Sink};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The key of the local Lambda.
const KEY: &str = "ASIAEXAMPLEEXAMPLE00";

/// One call of AWS's JSON protocol, as a strict reader of its documentation understands it.
pub(crate) struct Call {
    /// The operation.
    pub(crate) operation: String,
    /// The strings beside the list.
    pub(crate) names: BTreeMap<String, String>,
    /// What each element of the list holds.
    pub(crate) items: Vec<Vec<Record>>,
}

/// The part of a signature's scope that says so: key, day, region or service.
fn scope(request: &Received) -> (String, String, String, String) {
    let header = request.header("authorization").expect("it is signed");
    let rest = header
        .strip_prefix("AWS4-HMAC-SHA256 Credential=")
        .unwrap_or_else(|| panic!("{header}"));
    let (credential, rest) = rest.split_once(", SignedHeaders=").expect("headers");
    let (names, signature) = rest.split_once(", Signature=").expect("a signature");
    assert!(names.split(';').is_sorted(), "{names}");
    for name in ["host", "x-amz-date"] {
        assert!(names.split(';').any(|one| one == name), "{names}");
    }
    assert!(
        signature.len() == 64 && signature.bytes().all(|b| b.is_ascii_hexdigit()),
        "{signature}"
    );
    let parts: Vec<&str> = credential.split('/').collect();
    let [key, day, region, service, "aws4_request"] = parts.as_slice() else {
        panic!("{credential}");
    };
    let date = request.header("x-amz-date").expect("a date");
    assert!(date.starts_with(day) && date.ends_with('Z') && date.len() == 16);
    (
        (*key).to_owned(),
        date.to_owned(),
        (*region).to_owned(),
        (*service).to_owned(),
    )
}

/// Reads a call.
pub(crate) fn call(request: &Received) -> Call {
    let (_, _, _, service) = scope(request);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/")
    );
    let target = request.header("x-amz-target").expect("a target");
    let (version, operation) = target.split_once('.').expect("an operation");
    let expected = match service.as_str() {
        "firehose" => "Firehose_20150804",
        "kinesis" => "Kinesis_20131202",
        "logs" => "Logs_20140328",
        "sqs" => "AmazonSQS",
        other => panic!("{other}"),
    };
    assert_eq!(version, expected);
    let json = if service == "sqs" { "0" } else { "1" };
    let content_type = format!("application/x-amz-json-1.{json}");
    assert_eq!(request.header("content-type"), Some(&*content_type));
    assert_eq!(request.header("content-encoding"), None);
    let (names, items) = envelope(&service, &request.raw);
    Call {
        operation: operation.to_owned(),
        names,
        items,
    }
}

/// Reads what a service is called with: the names in it, and the records of each item.
pub(crate) fn envelope(service: &str, body: &[u8]) -> (BTreeMap<String, String>, Vec<Vec<Record>>) {
    let body = String::from_utf8(body.to_vec()).expect("JSON");
    let (mut names, mut items) = (BTreeMap::new(), Vec::new());
    for (name, value) in model::fields(&body) {
        if value.starts_with('"') {
            names.insert(name, model::string(&value));
            continue;
        }
        let elements: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(&value).expect("a list");
        for element in elements {
            let fields: HashMap<String, String> =
                model::fields(element.get()).into_iter().collect();
            items.push(match name.as_str() {
                "Records" => {
                    let data = BASE64_STANDARD.decode(model::string(&fields["Data"]));
                    let key = fields.get("PartitionKey").map(|key| model::string(key));
                    assert_eq!(key.is_some(), service == "kinesis");
                    lines(&String::from_utf8(data.expect("base64")).expect("text"))
                }
                "Entries" => {
                    assert_eq!(model::string(&fields["Id"]), items.len().to_string());
                    lines(&model::string(&fields["MessageBody"]))
                }
                "logEvents" => vec![model::record(&model::string(&fields["message"]))],
                other => panic!("{other}"),
            });
        }
    }
    (names, items)
}

/// The records of NDJSON.
fn lines(text: &str) -> Vec<Record> {
    let text = text.strip_suffix('\n').expect("every line is ended");
    text.split('\n').map(model::record).collect()
}

/// A function that ships to a place which the sink plays.
pub(crate) fn scenario(sink: &Sink, endpoint: &str) -> Scenario {
    Scenario::to(endpoint)
        .option("AWS_ENDPOINT_URL", &sink.url(""))
        .option("LOG_LEVEL", books::LOG_LEVEL)
        .option("FLUSH", "end")
}

/// Lines of so many characters each.
pub(crate) fn long_lines(count: usize, bytes: usize) -> Invocation {
    (0..count).fold(Invocation::silent(), |invocation, number| {
        invocation.print(format!("line {number} {}", "x".repeat(bytes)))
    })
}

/// The number of a line of [`long_lines`].
fn number(record: &Record) -> Option<usize> {
    let text = record.message.as_deref()?.strip_prefix("line ")?;
    text.split(' ').next()?.parse().ok()
}

/// The lines of records, by their numbers.
pub(crate) fn numbers<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<usize> {
    records.into_iter().filter_map(number).collect()
}

/// The last counters; everything is accounted for.
pub(crate) fn counters(run: &Run) -> books::Counters {
    let counters = books::counters(&run.stderr());
    books::assert_balance(&counters);
    counters
}

/// Everything that a sink took is well, and so many elements there are.
pub(crate) fn all_well(body: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(body);
    let count = text.matches("\"Data\":").count() + text.matches("\"Id\":").count();
    if text.contains("\"Entries\":") {
        let taken: Vec<String> = (0..count)
            .map(|id| format!(r#"{{"Id":"{id}","MessageId":"m"}}"#))
            .collect();
        return (200, format!(r#"{{"Successful":[{}]}}"#, taken.join(",")));
    }
    let answer = r#"{"FailedPutCount":0,"FailedRecordCount":0}"#;
    (200, answer.to_owned())
}

/// These answers first, and then all is well.
pub(crate) fn then_well(first: Vec<Reply>) -> Script {
    Script {
        first,
        then: Reply::deed(Deed::Answer(all_well)),
    }
}

/// An error of AWS's JSON protocol.
fn error(status: u16, name: &str, message: &str) -> Reply {
    let body = format!(
        r#"{{"__type":"com.amazonaws.x#{name}","message":{}}}"#,
        quote(message)
    );
    Reply::status(status)
        .header("Content-Type", "application/x-amz-json-1.1")
        .body(body)
}

#[test]
fn the_records_that_failed_are_sent_again_and_no_other_line_with_them() {
    let kinesis = r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1","ShardId":"s"},{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"},{"SequenceNumber":"2","ShardId":"s"}]}"#;
    let sqs = r#"{"Successful":[{"Id":"0"},{"Id":"2"}],"Failed":[{"Id":"1","SenderFault":false,"Code":"InternalError","Message":"Rate exceeded"}]}"#;
    for (endpoint, answer) in [("kinesis://s", kinesis), ("sqs://q", sqs)] {
        let sink = Sink::new(then_well(vec![Reply::status(200).body(answer)]));
        let mut run = scenario(&sink, endpoint)
            .option("TYPES", "function")
            .start();
        // Two lines fill a record, so that five need three.
        run.invoke(&long_lines(5, 100_000));
        assert!(sink.wait_requests(1, PATIENCE));
        run.finish();
        let calls: Vec<Call> = sink.received().iter().map(|one| call(one)).collect();
        let first: Vec<Vec<usize>> = calls[0].items.iter().map(numbers).collect();
        assert_eq!(first, [vec![0, 1], vec![2, 3], vec![4]], "{endpoint}");
        let later: Vec<&Record> = calls[1..]
            .iter()
            .flat_map(|one| &one.items)
            .flatten()
            .collect();
        assert_eq!(numbers(later.iter().copied()), [2, 3], "{endpoint}");
        assert!(run.tells(&["warn", "wants 2 again", "Rate exceeded"]));
        let counters = counters(&run);
        let told = ["refused", "dropped_at_shutdown", "resent"].map(|name| counters[name]);
        assert_eq!(told, [0, 0, 0], "{counters:?}");
    }
}

#[test]
fn a_record_that_is_refused_costs_its_lines_and_blocks_nothing() {
    let firehose = r#"{"FailedPutCount":1,"RequestResponses":[{"ErrorCode":"Other","ErrorMessage":"never"},{"RecordId":"a"}]}"#;
    let sqs = r#"{"Failed":[{"Id":"0","SenderFault":true,"Code":"InvalidMessageContents","Message":"never"}],"Successful":[{"Id":"1"},{"Id":"2"}]}"#;
    // A record of Firehose holds nine such lines, a message two.
    for (endpoint, answer, lines, lost) in
        [("firehose://s", firehose, 10, 9), ("sqs://q", sqs, 5, 2)]
    {
        let sink = Sink::new(then_well(vec![Reply::status(200).body(answer)]));
        let mut run = scenario(&sink, endpoint)
            .option("TYPES", "function")
            .start();
        run.invoke(&long_lines(lines, 100_000));
        run.finish();
        let counters = counters(&run);
        assert_eq!(
            counters["refused"],
            lost,
            "{endpoint}: {counters:?}; {}",
            run.printed()
        );
        assert!(run.tells(&["error", &format!("refused {lost} records"), "never"]));
        assert_eq!(counters["dropped_at_shutdown"], 0, "{counters:?}");
    }
}

#[test]
fn throttling_is_waited_out_although_it_is_a_400() {
    for (endpoint, name) in [
        ("firehose://s", "ServiceUnavailableException"),
        ("kinesis://s", "ProvisionedThroughputExceededException"),
        ("sqs://q", "RequestThrottled"),
        ("cloudwatch://g/s", "ThrottlingException"),
    ] {
        let sink = Sink::new(then_well(vec![
            error(400, name, "slow down"),
            error(400, name, "slow down"),
        ]));
        let mut run = scenario(&sink, endpoint).start();
        run.invoke(&long_lines(3, 1));
        run.finish();
        let calls: Vec<Call> = sink
            .received()
            .iter()
            .take(3)
            .map(|one| call(one))
            .collect();
        let texts = calls.iter().map(|one| numbers(one.items.iter().flatten()));
        assert_eq!(
            texts.collect::<Vec<_>>(),
            vec![vec![0, 1, 2]; 3],
            "{endpoint}"
        );
        let counters = counters(&run);
        assert_eq!(counters["refused"], 0, "{endpoint}: {counters:?}");
        assert_eq!(counters["retried"], 2, "{endpoint}: {counters:?}");
    }
}

#[test]
fn what_nobody_may_is_said_and_not_searched_for() {
    let denied =
        "User: arn:aws:sts::1:assumed-role/f is not authorized to perform: firehose:PutRecordBatch";
    let sink = Sink::new(Script::always(error(400, "AccessDeniedException", denied)));
    let mut run = scenario(&sink, "firehose://s").start();
    run.invoke(&long_lines(8, 1));
    run.finish();
    assert!(run.tells(&["error", "AccessDeniedException", "firehose:PutRecordBatch"]));
    let whole = sink
        .received()
        .iter()
        .map(|one| call(one).items.len())
        .max();
    assert_eq!(whole, Some(1));
    assert!(
        sink.received().len() <= 2,
        "one payload each: {}",
        run.printed()
    );
    let counters = counters(&run);
    assert_eq!(counters["delivered"], 0);
    assert_eq!(counters["dropped_at_shutdown"], 0, "{counters:?}");
}

#[test]
fn a_stream_that_is_missing_is_made_and_a_group_too() {
    let missing = || {
        error(
            400,
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        )
    };
    let made = || Reply::status(200);
    let exists = || error(400, "ResourceAlreadyExistsException", "it is there");
    for (answers, operations) in [
        (
            vec![missing(), made()],
            vec!["PutLogEvents", "CreateLogStream", "PutLogEvents"],
        ),
        (
            vec![missing(), exists()],
            vec!["PutLogEvents", "CreateLogStream", "PutLogEvents"],
        ),
        (
            vec![missing(), missing(), exists(), made()],
            vec![
                "PutLogEvents",
                "CreateLogStream",
                "CreateLogGroup",
                "CreateLogStream",
                "PutLogEvents",
            ],
        ),
        // Not every host of the service knows at once of what was made.
        (
            vec![missing(), missing(), made(), missing()],
            vec![
                "PutLogEvents",
                "CreateLogStream",
                "CreateLogGroup",
                "CreateLogStream",
                "PutLogEvents",
            ],
        ),
        (
            vec![missing(), made(), missing()],
            vec![
                "PutLogEvents",
                "CreateLogStream",
                "PutLogEvents",
                "PutLogEvents",
            ],
        ),
    ] {
        let sink = Sink::new(Script::first(answers));
        let mut run = scenario(&sink, "cloudwatch:///my/gro\"up/stream").start();
        run.invoke(&long_lines(2, 1));
        run.finish();
        let calls: Vec<Call> = sink.received().iter().map(|one| call(one)).collect();
        let did: Vec<&str> = calls.iter().map(|one| one.operation.as_str()).collect();
        assert!(did.starts_with(&operations), "{did:?}; {}", run.printed());
        for one in &calls {
            assert_eq!(one.names["logGroupName"], "/my/gro\"up");
            let stream = one.names.get("logStreamName").map(String::as_str);
            assert_eq!(
                stream,
                (one.operation != "CreateLogGroup").then_some("stream")
            );
        }
        let last = calls
            .iter()
            .rfind(|one| numbers(one.items.iter().flatten()) == [0, 1]);
        assert!(last.is_some(), "the lines came");
        assert_eq!(counters(&run)["refused"], 0);
    }
    let denied = error(
        400,
        "AccessDeniedException",
        "not authorized to perform: logs:CreateLogStream",
    );
    let sink = Sink::new(Script {
        first: vec![missing()],
        then: denied,
    });
    let mut run = scenario(&sink, "cloudwatch://g/s").start();
    run.invoke(&long_lines(1, 1));
    run.finish();
    assert!(
        run.tells(&["error", "logs:CreateLogStream"]),
        "{}",
        run.printed()
    );
}

/// Refuses events of 2020 as too old and those of 2100 as too new, as PutLogEvents does; a call must be in order and span a day.
fn judge_times(body: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(body);
    let times: Vec<u64> = text
        .split("{\"timestamp\":")
        .skip(1)
        .map(|event| event.split(',').next().unwrap().parse().unwrap())
        .collect();
    if !times.is_sorted() || times[times.len() - 1] - times[0] >= 86_400_000 {
        return (400, r#"{"__type":"InvalidParameterException"}"#.to_owned());
    }
    let old = times.iter().filter(|at| **at < 1_700_000_000_000).count();
    let new = times.iter().position(|at| *at > 4_000_000_000_000);
    let mut info = Vec::new();
    if old > 0 {
        info.push(format!("\"tooOldLogEventEndIndex\":{old}"));
    }
    if let Some(new) = new {
        info.push(format!("\"tooNewLogEventStartIndex\":{new}"));
    }
    let info = info.join(",");
    (200, format!(r#"{{"rejectedLogEventsInfo":{{{info}}}}}"#))
}

#[test]
fn log_events_go_in_order_and_a_day_at_a_time() {
    let sink = Sink::new(Script::always(Reply::deed(Deed::Answer(judge_times))));
    let mut run = scenario(&sink, "cloudwatch://g/s")
        .option("FLUSH", "periodic:3600000")
        .option("TELEMETRY_TIMEOUT_MS", "30000")
        .unfrozen()
        .start();
    let event = |time: &str, text: &str| {
        format!(r#"{{"time":"{time}","type":"function","record":"{text}"}}"#)
    };
    let events = [
        event("2031-05-20T10:00:00.500Z", "third"),
        event("2031-05-20T10:00:00.250Z", "first"),
        event("2031-05-20T10:00:00.250Z", "second"),
        event("2020-01-01T00:00:00Z", "old"),
        event("2100-01-01T00:00:00Z", "new"),
        event("2020-01-01T00:00:00Z", "old too"),
        event("2031-05-22T10:00:00Z", "days later"),
    ];
    let body = format!("[{}]", events.join(","));
    let answer = run.lambda.sender().post("POST", "/", body.as_bytes());
    assert_eq!(answer.expect("answered").status, 200);
    run.finish();
    let calls: Vec<Call> = sink.received().iter().map(|one| call(one)).collect();
    let texts: Vec<Vec<&str>> = calls
        .iter()
        .map(|one| {
            let records = one.items.iter().flatten();
            let own = records.filter(|record| record.kind == "function");
            own.filter_map(|record| record.message.as_deref()).collect()
        })
        .filter(|texts: &Vec<&str>| !texts.is_empty())
        .collect();
    assert_eq!(
        texts,
        [
            vec!["old", "old too"],
            vec!["first", "second", "third"],
            vec!["days later"],
            vec!["new"]
        ],
        "{}",
        run.printed()
    );
    let counters = counters(&run);
    assert_eq!(counters["refused"], 3, "{counters:?}");
    assert_eq!(
        counters["retried"], 0,
        "none of it is a failure: {counters:?}"
    );
}

/// The objects that a bucket holds in the end: the last body under each name that was read whole.
pub(crate) fn objects(sink: &Sink) -> BTreeMap<String, Arc<Received>> {
    let all = sink.received().into_iter().filter(|one| one.complete);
    all.map(|one| {
        assert_eq!(one.method, "PUT");
        let (_, _, _, service) = scope(&one);
        assert_eq!(service, "s3");
        let hash = one.header("x-amz-content-sha256").expect("a hash");
        assert_eq!(hash, brooklet::digest::sha256_hex(&one.raw));
        (one.target.clone(), one)
    })
    .collect()
}

#[test]
fn an_object_that_may_be_there_is_replaced_by_itself() {
    // Every try of the first invocation is stored, and its answer lost.
    let lost = || Reply::deed(Deed::ResetBeforeAnswer);
    let sink = Sink::new(Script::first((0..3).map(|_| lost())));
    let mut run = scenario(&sink, "s3://bucket/logs").start();
    run.invoke(&long_lines(3, 1));
    for _ in 0..3 {
        run.invoke(&Invocation::silent().print("more"));
    }
    run.finish();
    let received = sink.received();
    let first = &received[0].target;
    assert!(first.starts_with("/bucket/logs/20"), "{first}");
    let same: Vec<_> = received.iter().filter(|one| one.target == *first).collect();
    assert!(same.len() >= 4, "three tries, and one that was answered");
    assert!(
        same.iter().all(|one| one.raw == received[0].raw),
        "the same again"
    );
    let objects = objects(&sink);
    let mut ids: Vec<String> = objects
        .values()
        .flat_map(|one| model::records_of(one))
        .map(|record| record.id().to_owned())
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "no record is in two objects");
    let counters = counters(&run);
    assert_eq!(counters["delivered"], all as u64, "{counters:?}");
}

#[test]
fn a_bucket_that_is_busy_is_tried_again_under_the_same_name() {
    let busy = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let sink = Sink::new(Script::first([Reply::status(503).body(busy)]));
    let mut run = scenario(&sink, "s3://bucket").start();
    run.invoke(&long_lines(3, 1));
    run.finish();
    let received = sink.received();
    assert_eq!(received[0].target, received[1].target);
    assert_eq!(received[0].raw, received[1].raw);
    let names: std::collections::HashSet<_> =
        received[1..].iter().map(|one| one.target.clone()).collect();
    assert_eq!(
        names.len(),
        received.len() - 1,
        "each other one has its own"
    );
    counters(&run);
}

/// Seconds since 1970 of a signature's time.
fn seconds(date: &str) -> u64 {
    let (day, time) = date.split_at(8);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &time[1..3],
        &time[3..5],
        &time[5..7]
    );
    crate::formats::nanoseconds(&text) / 1_000_000_000
}

#[test]
fn a_clock_that_is_off_is_corrected_once_by_the_services() {
    let skewed = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>";
    // Whatever the day, this is years ahead.
    let refused = Reply::status(403)
        .header("Date", "Wed, 21 Oct 2037 07:28:00 GMT")
        .body(skewed);
    let sink = Sink::new(Script::first([refused]));
    let mut run = scenario(&sink, "s3://bucket").start();
    run.invoke(&long_lines(3, 1));
    run.invoke(&long_lines(1, 1));
    run.finish();
    let dates: Vec<u64> = sink
        .received()
        .iter()
        .map(|one| seconds(&scope(one).1))
        .collect();
    let theirs = 2_139_722_880;
    assert!(dates[0] < theirs - 86_400, "{dates:?}");
    for date in &dates[1..] {
        assert!((theirs..theirs + 120).contains(date), "{dates:?}");
    }
    let received = sink.received();
    assert_eq!(received[0].target, received[1].target);
    assert!(run.tells(&["warn", "the clock of this environment is"]));
    let told = counters(&run);
    assert_eq!((told["refused"], told["retried"]), (0, 0), "{told:?}");
    // One that stays is no reason to go on for ever.
    let always = Reply::status(403)
        .header("Date", "Wed, 21 Oct 2037 07:28:00 GMT")
        .body(skewed);
    let sink = Sink::new(Script::always(always));
    let mut run = scenario(&sink, "s3://bucket").start();
    run.invoke(&long_lines(3, 1));
    run.finish();
    assert!(run.tells(&["error", "RequestTimeTooSkewed"]));
    let told = counters(&run);
    assert_eq!(told["delivered"], 0, "{told:?}");
}

/// What hands out keys, each under its own name.
fn keys(name: &str) -> Reply {
    Reply::status(200).body(format!(
        r#"{{"AccessKeyId":"{name}","SecretAccessKey":"secret-of-{name}","Token":"token\/of-{name}","Expiration":"2037-01-01T00:00:00Z"}}"#
    ))
}

#[test]
fn keys_that_expired_are_read_again() {
    let hands_out = Sink::new(Script {
        first: vec![keys("ASIAFIRST")],
        then: keys("ASIASECOND"),
    });
    let expired = || {
        error(
            400,
            "ExpiredTokenException",
            "The security token token/of-ASIAFIRST included in the request is expired",
        )
    };
    let sink = Sink::new(then_well(vec![expired()]));
    let mut run = scenario(&sink, "kinesis://s")
        .initialized(InitializationType::SnapStart)
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &hands_out.url("/creds"),
        )
        .start();
    assert_eq!(hands_out.connections(), 0, "not before the snapshot");
    run.invoke(&long_lines(1, 1));
    run.invoke(&long_lines(1, 1));
    run.finish();
    let asked = hands_out.received();
    assert_eq!(asked.len(), 2, "once, and once again");
    for one in &asked {
        assert_eq!(
            (one.method.as_str(), one.target.as_str()),
            ("GET", "/creds")
        );
        assert_eq!(one.header("authorization"), Some("container-token"));
    }
    let used: Vec<(String, String)> = sink
        .received()
        .iter()
        .map(|one| {
            let token = one.header("x-amz-security-token").expect("a token");
            (scope(one).0, token.to_owned())
        })
        .collect();
    let pair = |name: &str| (name.to_owned(), format!("token/of-{name}"));
    assert_eq!(used[0], pair("ASIAFIRST"));
    assert!(
        used[1..].iter().all(|one| *one == pair("ASIASECOND")),
        "{used:?}"
    );
    let told = counters(&run);
    assert_eq!((told["refused"], told["retried"]), (0, 0), "{told:?}");
    let printed = run.printed();
    for secret in ["secret-of", "token/of", "container-token"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    // The keys of the environment are the only ones there are.
    let sink = Sink::new(Script::always(expired()));
    let mut run = scenario(&sink, "kinesis://s").start();
    run.invoke(&long_lines(1, 1));
    run.finish();
    assert!(run.tells(&["error", "ExpiredTokenException"]));
    assert!(sink.received().iter().all(|one| scope(one).0 == KEY));
    counters(&run);
}

#[test]
fn keys_that_cannot_be_had_cost_nothing_but_the_records() {
    let hands_out = Sink::new(Script::always(Reply::status(500)));
    let sink = Sink::ok();
    let mut run = scenario(&sink, "s3://bucket")
        .initialized(InitializationType::SnapStart)
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &hands_out.url("/"))
        .start();
    run.invoke(&long_lines(1, 1));
    run.finish();
    assert!(sink.received().is_empty());
    assert!(run.tells(&["warn", "no AWS credentials", "answered 500"]));
    assert!(counters(&run)["dropped_at_shutdown"] > 0);
}

#[test]
fn a_service_is_called_where_the_owner_says() {
    let [ours, own, all] = [(); 3].map(|()| Sink::new(then_well(Vec::new())));
    for (variables, expected) in [
        (
            vec![
                ("AWS_ENDPOINT_URL", &all),
                ("AWS_ENDPOINT_URL_SQS", &own),
                ("BROOKLET_AWS_ENDPOINT_URL", &ours),
            ],
            &ours,
        ),
        (
            vec![("AWS_ENDPOINT_URL", &all), ("AWS_ENDPOINT_URL_SQS", &own)],
            &own,
        ),
        (
            vec![("AWS_ENDPOINT_URL", &all), ("AWS_ENDPOINT_URL_S3", &own)],
            &all,
        ),
    ] {
        let before: Vec<usize> = [&ours, &own, &all]
            .map(|sink| sink.received().len())
            .to_vec();
        let mut run = Scenario::to("sqs://q?region=us-west-2").option("FLUSH", "end");
        for (name, sink) in &variables {
            run = run.env(name, &sink.url("/vpc/"));
        }
        let mut run = run.start();
        run.invoke(&long_lines(1, 1));
        run.finish();
        for (sink, before) in [&ours, &own, &all].into_iter().zip(before) {
            let new = &sink.received()[before..];
            assert_eq!(
                !new.is_empty(),
                std::ptr::eq(sink, expected),
                "{variables:?}"
            );
            for one in new {
                let (_, _, region, service) = scope(one);
                assert_eq!((&*region, &*service), ("us-west-2", "sqs"));
                assert_eq!(one.target, "/vpc/");
                let body = String::from_utf8_lossy(&one.raw);
                let queue = format!("{{\"QueueUrl\":\"{}/123456789012/q\"", sink.url("/vpc"));
                assert!(body.starts_with(&queue), "{body:.200}");
            }
        }
    }
}

/// What `--check` says of a place that the sink plays, and its exit code.
fn check(sink: &Sink, endpoint: &str) -> (Option<i32>, String) {
    let done = Command::new(binary())
        .arg("--check")
        .env_clear()
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", "secret-key")
        .env("AWS_SESSION_TOKEN", "session-token")
        .env("BROOKLET_ENDPOINT", endpoint)
        .env("BROOKLET_AWS_ENDPOINT_URL", sink.url(""))
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let told = String::from_utf8(done.stdout).expect("text");
    for secret in ["secret-key", "session-token"] {
        assert!(!told.contains(secret), "{told}");
    }
    (done.status.code(), told)
}

#[test]
fn a_header_that_a_signature_is_made_of_is_not_the_owners() {
    let sink = Sink::ok();
    let mut run = scenario(&sink, "s3://bucket")
        .option(
            "HEADERS",
            "Authorization=Bearer%20mine,x-amz-date=1,x-amz-storage-class=STANDARD_IA",
        )
        .start();
    run.invoke(&Invocation::line("hello"));
    run.finish();
    let request = sink.received().remove(0);
    let authorization = request.header("authorization").expect("a signature");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 "),
        "{authorization}"
    );
    assert!(
        authorization.contains("x-amz-storage-class"),
        "{authorization}"
    );
    assert_ne!(request.header("x-amz-date"), Some("1"));
    assert_eq!(request.header("x-amz-storage-class"), Some("STANDARD_IA"));
    let named = |name: &str| {
        let line = format!("{name} is the signature's");
        run.stderr().iter().any(|told| told.contains(&line))
    };
    assert!(
        named("Authorization") && named("x-amz-date"),
        "{}",
        run.printed()
    );
    assert!(!run.printed().contains("mine"));
}

#[test]
fn check_explains_the_usual_mistakes() {
    let denied = "User: arn:aws:sts::1:assumed-role/r/f is not authorized";
    let echo = "The Canonical String should have been 'POST x-amz-security-token:session-token'";
    let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'eu-central-1' is wrong; expecting 'us-east-1'</Message></Error>";
    for (endpoint, reply, words) in [
        (
            "firehose://s",
            error(400, "AccessDeniedException", denied),
            "firehose:PutRecordBatch",
        ),
        (
            "kinesis://s",
            error(400, "AccessDeniedException", denied),
            "kinesis:PutRecords",
        ),
        (
            "sqs://q",
            error(403, "AccessDenied", denied),
            "sqs:SendMessage",
        ),
        (
            "cloudwatch://g/s",
            error(400, "AccessDeniedException", denied),
            "logs:PutLogEvents",
        ),
        (
            "s3://b",
            Reply::status(403).body("<Error><Code>AccessDenied</Code></Error>"),
            "s3:PutObject",
        ),
        (
            "s3://b",
            Reply::status(404).body("<Error><Code>NoSuchBucket</Code></Error>"),
            "no such bucket",
        ),
        ("s3://b", Reply::status(400).body(region), "?region="),
        (
            "kinesis://s",
            error(400, "ResourceNotFoundException", "no"),
            "none of that name",
        ),
        (
            "sqs://q",
            error(403, "InvalidSignatureException", echo),
            "secret key",
        ),
    ] {
        let sink = Sink::new(Script::always(reply));
        let (code, told) = check(&sink, endpoint);
        assert_eq!(code, Some(1), "{told}");
        let hint = told.lines().find(|line| line.starts_with("hint"));
        assert!(
            hint.is_some_and(|hint| hint.contains(words)),
            "{endpoint}: {told}"
        );
    }
    let sink = Sink::new(then_well(Vec::new()));
    let (code, told) = check(&sink, "firehose://s");
    assert_eq!(code, Some(0), "{told}");
    for (endpoint, called, name) in [
        ("firehose://s", "firehose in eu-central-1", "s"),
        (
            "kinesis://arn:aws:kinesis:us-east-1:1:stream/k",
            "kinesis in us-east-1",
            "arn:aws:kinesis:us-east-1:1:stream/k",
        ),
        (
            "cloudwatch:///aws/lambda/f/new/stream",
            "logs in eu-central-1",
            "/aws/lambda/f/new, stream",
        ),
    ] {
        let (_, told) = check(&sink, endpoint);
        let is = |name: &str, value: String| {
            let line = format!("{name:<12} {value}");
            assert!(told.lines().any(|one| one == line), "{line}: {told}");
        };
        is("service", format!("{called} at {}", sink.url("/")));
        is("place", name.to_owned());
    }
    let (code, told) = check(&Sink::ok(), "firehose://s");
    assert_eq!(code, Some(1), "an answer that is none: {told}");
    for (bad, words) in [
        ("s3://", "it must be s3://bucket/prefix"),
        ("cloudwatch://group", "cloudwatch://group/stream"),
        ("firehose://a?x=y", "maybe with ?region=<region>"),
        ("S3://bucket", "is not supported"),
    ] {
        let (code, told) = check(&sink, bad);
        assert_eq!(code, Some(1));
        assert!(
            told.contains("BROOKLET_ENDPOINT is") && told.contains(words),
            "{told}"
        );
    }
}

/// The lines of a payload that is a bucket's or a web server's.
fn plain_numbers(request: &Received) -> Vec<usize> {
    numbers(&model::records_of(request))
}

#[test]
fn what_a_place_refuses_goes_to_a_web_server_or_a_bucket() {
    let denied = || Script::always(error(400, "AccessDeniedException", "no"));
    for endpoint in ["sqs://q", "firehose://s"] {
        let (sink, aside) = (Sink::new(denied()), Sink::ok());
        let mut run = scenario(&sink, endpoint)
            .option("FALLBACK_ENDPOINT", &aside.url("/aside"))
            .start();
        run.invoke(&long_lines(3, 1));
        run.finish();
        let received = aside.received();
        let one = received
            .iter()
            .find(|one| !plain_numbers(one).is_empty())
            .expect("lines");
        assert_eq!(
            (one.method.as_str(), one.target.as_str()),
            ("POST", "/aside")
        );
        assert_eq!(one.header("authorization"), None);
        assert_eq!(plain_numbers(one), [0, 1, 2]);
        assert_eq!(model::records_of(one)[0].kind, "brooklet.dead_letter");
        assert_eq!(counters(&run)["refused"], 0);
    }
    // Both are the one sink: what is no call of the service's is an object.
    let sink = Sink::new(Script::always(Reply::deed(Deed::Answer(|body| {
        let text = String::from_utf8_lossy(body);
        if text.starts_with("{\"DeliveryStreamName\"") {
            let denied = r#"{"__type":"AccessDeniedException"}"#;
            return (400, denied.to_owned());
        }
        (200, String::new())
    }))));
    let mut run = scenario(&sink, "firehose://s")
        .option("FALLBACK_ENDPOINT", "s3://bucket/aside")
        .start();
    run.invoke(&long_lines(3, 1));
    run.finish();
    let received = sink.received();
    let put = received
        .iter()
        .find(|one| one.method == "PUT" && !plain_numbers(one).is_empty());
    let put = put.expect("an object");
    assert!(put.target.starts_with("/bucket/aside/20") && put.target.ends_with(".ndjson.gz"));
    assert_eq!(plain_numbers(put), [0, 1, 2]);
    assert_eq!(scope(put).3, "s3");
    assert_eq!(counters(&run)["refused"], 0);
}

#[test]
fn a_web_servers_dead_letters_can_be_objects() {
    let (sink, bucket) = (Sink::new(Script::always(Reply::status(403))), Sink::ok());
    let mut run = Scenario::with(&sink)
        .option("AWS_ENDPOINT_URL", &bucket.url(""))
        .option("LOG_LEVEL", books::LOG_LEVEL)
        .option("FLUSH", "end")
        .option("COMPRESSION", "none")
        .option("FALLBACK_ENDPOINT", "s3://bucket")
        .start();
    run.invoke(&long_lines(3, 1));
    run.finish();
    let received = bucket.received();
    let all: Vec<usize> = received.iter().flat_map(|one| plain_numbers(one)).collect();
    assert_eq!(all, [0, 1, 2]);
    assert!(received.iter().all(|one| one.target.ends_with(".json")));
    counters(&run);
}

#[test]
fn keys_that_expire_soon_are_read_again_and_used_as_long_as_there_are_no_others() {
    let soon = brooklet::time::rfc3339(brooklet::time::epoch_ms() + 120_000);
    let keys = |name: &str| {
        Reply::status(200).body(format!(
            r#"{{"AccessKeyId":"{name}","SecretAccessKey":"s","Token":"t-{name}","Expiration":"{soon}"}}"#
        ))
    };
    let file = std::env::temp_dir().join(format!("brooklet-token-{}", std::process::id()));
    std::fs::write(&file, "first-token\n").unwrap();
    let hands_out = Sink::new(Script {
        first: vec![keys("ASIAFIRST")],
        then: Reply::status(503),
    });
    let sink = Sink::new(then_well(Vec::new()));
    let mut run = scenario(&sink, "kinesis://s")
        .option("TYPES", "function")
        .initialized(InitializationType::SnapStart)
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &hands_out.url("/creds"),
        )
        .env(
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            file.to_str().unwrap(),
        )
        .start();
    run.invoke(&long_lines(1, 1));
    assert!(sink.wait_requests(1, PATIENCE), "{}", run.printed());
    std::fs::write(&file, "second-token").unwrap();
    run.invoke(&long_lines(1, 1));
    assert!(sink.wait_requests(2, PATIENCE), "{}", run.printed());
    hands_out.set(Script::always(keys("ASIASECOND")));
    run.invoke(&long_lines(1, 1));
    assert!(sink.wait_requests(3, PATIENCE), "{}", run.printed());
    run.finish();
    std::fs::remove_file(&file).unwrap();
    let used: Vec<String> = sink.received().iter().map(|one| scope(one).0).collect();
    assert_eq!(used[..3], ["ASIAFIRST", "ASIAFIRST", "ASIASECOND"]);
    let asked = hands_out.received();
    let tokens = asked.iter().filter_map(|one| one.header("authorization"));
    let tokens: Vec<&str> = tokens.collect();
    assert_eq!(tokens[..2], ["first-token", "second-token"]);
    assert!(run.tells(&["warn", "expire soon are kept", "503"]));
    let told = counters(&run);
    assert_eq!(
        (told["refused"], told["dropped_at_shutdown"]),
        (0, 0),
        "{told:?}"
    );
}
