//! What comes from outside and is not as it should be: nothing of it may cost more than itself.

use crate::harness::{PATIENCE, Run, Scenario};
use crate::lambda::api;
use crate::lambda::function::Invocation;
use crate::lambda::setup::{Call, Fault};
use crate::model::{self, Record};
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::time::Duration;

/// A batch of these elements.
fn batch(elements: &[&str]) -> String {
    format!("[{}]", elements.join(","))
}

/// A function event with this record.
fn event(record: &str) -> String {
    format!(r#"{{"time":"2026-11-22T16:42:10.110Z","type":"function","record":{record}}}"#)
}

/// Posts a body to the listener, which takes everything.
fn post(run: &Run, body: &[u8]) {
    assert_eq!(
        run.lambda.sender().post("POST", "/", body).unwrap().status,
        200,
        "{}",
        run.printed()
    );
}

/// The delivered function records.
fn functions(sink: &Sink) -> Vec<Record> {
    model::records(sink)
        .into_iter()
        .filter(|record| record.kind == "function")
        .collect()
}

/// Posts bodies, then lets the function print a line: that line and whatever was good must arrive.
fn survive(bodies: &[Vec<u8>], good: &[&str], told: &[&str]) {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    for body in bodies {
        post(&run, body);
    }
    run.invoke(&Invocation::line("the function goes on"));
    run.finish();
    let mut said: Vec<String> = functions(&sink)
        .iter()
        .map(|record| record.says().to_owned())
        .collect();
    let mut expected: Vec<String> = good.iter().map(|one| (*one).to_owned()).collect();
    expected.push("the function goes on".to_owned());
    said.sort();
    expected.sort();
    assert_eq!(said, expected, "{}", run.printed());
    let stderr = run.stderr().join("\n");
    for word in told {
        assert!(stderr.contains(word), "{word} is not in {stderr:?}");
    }
}

#[test]
fn a_body_that_is_not_json_is_counted_and_named() {
    let bodies: Vec<Vec<u8>> = ["", "hello", "[", "{}", "null", "[{\"time\":", "\u{0}\u{0}"]
        .iter()
        .map(|body| body.as_bytes().to_vec())
        .collect();
    survive(&bodies, &[], &["brooklet: warn: "]);
    survive(&[vec![0xff, 0xfe, 0x80, 0x00]], &[], &["brooklet: warn: "]);
}

#[test]
fn one_unreadable_event_does_not_cost_its_batch() {
    let bad = [
        "1",
        "null",
        "\"text\"",
        "[]",
        "{}",
        "{\"time\":1,\"type\":2,\"record\":3}",
        "{\"type\":\"function\"}",
        "{\"time\":{},\"type\":\"function\",\"record\":\"x\"}",
    ];
    for element in bad {
        let (first, last) = (event("\"first\""), event("\"last\""));
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).unfrozen().start();
        post(&run, batch(&[&first, element, &last]).as_bytes());
        run.invoke(&Invocation::silent());
        run.finish();
        let said: Vec<String> = functions(&sink)
            .iter()
            .map(|record| record.says().to_owned())
            .collect();
        for wanted in ["first", "last"] {
            assert_eq!(
                said.iter().filter(|one| *one == wanted).count(),
                1,
                "{element} cost {wanted}: {said:?}"
            );
        }
    }
}

#[test]
fn what_comes_before_a_broken_end_is_kept() {
    let good = event("\"good\"");
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    post(&run, format!("[{good},{good},{{\"time\":\"20").as_bytes());
    run.invoke(&Invocation::line("after"));
    run.finish();
    assert!(
        functions(&sink)
            .iter()
            .any(|record| record.says() == "after")
    );
    assert!(!run.stderr().is_empty(), "the loss is not told");
}

#[test]
fn unknown_types_and_fields_pass_through() {
    let body = r#"[{"time":"2030-01-01T00:00:00.5Z","type":"platform.tomorrow","record":{"a":1},"new":[{}],"more":null},
                   {"record":"fields in another order\n","type":"function","time":"2030-01-01T00:00:00Z"}]"#;
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    post(&run, body.as_bytes());
    run.invoke(&Invocation::silent());
    run.finish();
    let records = model::records(&sink);
    let tomorrow = records
        .iter()
        .find(|record| record.kind == "platform.tomorrow")
        .unwrap();
    assert_eq!(
        tomorrow.extra.as_deref(),
        Some(r#"{"new":[{}],"more":null}"#)
    );
    assert_eq!(
        (tomorrow.says(), tomorrow.timestamp.as_str()),
        (r#"{"a":1}"#, "2030-01-01T00:00:00.5Z")
    );
    assert_eq!(functions(&sink)[0].says(), "fields in another order");
}

#[test]
fn times_are_passed_on_as_given() {
    let times = [
        "2026-11-22T16:42:10Z",
        "2026-11-22T16:42:10.1Z",
        "2026-11-22T16:42:10.110Z",
        "2026-11-22T16:42:10.123456Z",
        "2026-11-22T16:42:10.123456789Z",
        "2022-08-02T12:01:23:521Z",
        "2026-11-22T16:42:10.110+02:00",
        "yesterday",
        "",
    ];
    let events: Vec<String> = times
        .iter()
        .map(|time| format!(r#"{{"time":"{time}","type":"function","record":"x\n"}}"#))
        .collect();
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    post(&run, format!("[{}]", events.join(",")).as_bytes());
    run.invoke(&Invocation::silent());
    run.finish();
    let shipped: Vec<String> = functions(&sink)
        .into_iter()
        .map(|record| record.timestamp)
        .collect();
    assert_eq!(shipped, times);
}

#[test]
fn odd_texts_arrive_as_they_were() {
    // Raw JSON strings, and what they say.
    let texts = [
        (r#""NUL \u0000 in the middle""#, "NUL \u{0} in the middle"),
        (r#""\u001b[31mred\u001b[0m""#, "\u{1b}[31mred\u{1b}[0m"),
        (r#""carriage\rreturn""#, "carriage\rreturn"),
        (r#""\ud83e\udd80 pair""#, "\u{1f980} pair"),
        (r#""lone \ud83e end""#, "lone \u{fffd} end"),
        (r#""\udd80\ud83e swapped""#, "\u{fffd}\u{fffd} swapped"),
        (r#""slash \/ and \u002f""#, "slash / and /"),
        (
            r#""delete \u007f, line \u2028 and \u2029""#,
            "delete \u{7f}, line \u{2028} and \u{2029}",
        ),
        (r#""\\u0000 is no escape""#, "\\u0000 is no escape"),
    ];
    for format in ["json", "ndjson"] {
        let events: Vec<String> = texts.iter().map(|(json, _)| event(json)).collect();
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("FORMAT", format)
            .unfrozen()
            .start();
        post(&run, format!("[{}]", events.join(",")).as_bytes());
        run.invoke(&Invocation::silent());
        run.finish();
        let shipped: Vec<String> = functions(&sink)
            .iter()
            .map(|record| record.says().to_owned())
            .collect();
        let expected: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
        assert_eq!(shipped, expected, "{format}");
    }
}

#[test]
fn lines_of_a_megabyte_arrive() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    run.invoke(
        &Invocation::line("x".repeat(1_000_000))
            .print("short")
            .print("y".repeat(1_000_000)),
    );
    run.finish_conserved(&sink);
}

#[test]
fn a_body_of_ten_megabytes_is_named_and_costs_nothing_else() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    let body = format!("[{}]", event(&format!("\"{}\"", "z".repeat(10_000_000))));
    post(&run, body.as_bytes());
    post(&run, batch(&[&event("\"small\"")]).as_bytes());
    run.invoke(&Invocation::line("after"));
    run.finish();
    let said: Vec<String> = functions(&sink)
        .iter()
        .map(|record| record.says().to_owned())
        .collect();
    assert_eq!(said, ["small", "after"]);
    assert!(!run.stderr().is_empty(), "the loss is not told");
}

#[test]
fn a_sender_that_stops_half_way_costs_only_its_own_batch() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    let whole = batch(&[&event("\"half\"")]);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        whole.len()
    );
    let mut half = run.lambda.sender();
    half.write(head.as_bytes()).unwrap();
    half.write(&whole.as_bytes()[..20]).unwrap();
    half.half_close().unwrap();
    let mut gone = run.lambda.sender();
    gone.write(head.as_bytes()).unwrap();
    drop(gone);
    // A whole request before the writing side is closed is a whole request.
    let mut whole_then_closed = run.lambda.sender();
    whole_then_closed.write(head.as_bytes()).unwrap();
    whole_then_closed
        .write(whole.replace("half", "done").as_bytes())
        .unwrap();
    whole_then_closed.half_close().unwrap();
    assert_eq!(whole_then_closed.answer().unwrap().status, 200);
    run.invoke(&Invocation::line("after"));
    run.finish();
    let said: Vec<String> = functions(&sink)
        .iter()
        .map(|record| record.says().to_owned())
        .collect();
    assert_eq!(said, ["done", "after"]);
}

#[test]
fn a_request_that_is_none_stops_nobody() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    for bytes in [
        &b"\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DELETE /x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n[]",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"\x16\x03\x01\x00\xff\x01",
        b"POST / HTTP/9.9\r\n\r\n",
    ] {
        let mut sender = run.lambda.sender();
        sender.write(bytes).unwrap();
        sender.half_close().unwrap();
        // Any answer, or none, will do; that it comes to an end is what counts.
        let _whatever = sender.answer();
    }
    run.invoke(&Invocation::line("after"));
    run.finish();
    assert!(
        functions(&sink)
            .iter()
            .any(|record| record.says() == "after")
    );
}

#[test]
fn a_deep_record_does_not_break_the_stack() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    post(
        &run,
        batch(&[&event("\"before\""), &event(&deep), &event("\"behind\"")]).as_bytes(),
    );
    run.invoke(&Invocation::line("after"));
    run.finish();
    assert!(
        functions(&sink)
            .iter()
            .any(|record| record.says() == "after")
    );
}

#[test]
fn answers_that_make_no_sense_are_lived_with() {
    let html = "<html><body>Sign in</body></html>";
    let sink = Sink::new(Script::first([
        Reply::ok().header("Content-Type", "text/html").body(html),
        Reply::ok().body(vec![b'x'; 8_000_000]),
        Reply::deed(Deed::HalfBody).body(vec![b'y'; 1_000]),
        Reply::status(204).body(""),
        Reply::ok().body([0xff, 0x00, 0xfe]).closing(),
        Reply::status(999),
    ]));
    let mut run = Scenario::with(&sink).start();
    for _ in 0..8 {
        run.invoke(&Invocation::line("hello"));
    }
    run.finish();
    let said = functions(&sink).len();
    // Five of eight are certain: where an answer is cut its status counts, though the sink could not write it to its end, and the odd status is the destination's doubt.
    assert!(said >= 5, "{said} of 8 arrived; {}", run.printed());
}

#[test]
fn a_next_that_fails_once_is_asked_again() {
    for status in [403, 500, 0] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .fault(Fault::once(Call::Next, status))
            .start();
        run.invoke(&Invocation::line("hello"));
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_next_that_fails_between_invocations_is_asked_again() {
    for status in [403, 500] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .fault(Fault::once(Call::Next, status).after(1).times(2))
            .start();
        run.invoke(&Invocation::line("one"));
        run.invoke(&Invocation::line("two"));
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_next_that_fails_for_ever_neither_ends_the_process_nor_spins() {
    for status in [403, 500] {
        let sink = Sink::ok();
        let (mut run, _) = Scenario::with(&sink)
            .fault(Fault::always(Call::Next, status))
            .lambda(|setup| setup.init_limit = Duration::from_secs(2))
            .start_failing();
        assert_eq!(run.lambda.exited(), None, "{}", run.printed());
        let asked = run.lambda.calls_to(api::NEXT).len();
        assert!(
            (2..=100).contains(&asked),
            "asked {asked} times in two seconds"
        );
        let told = run
            .stderr()
            .iter()
            .filter(|line| line.contains(&status.to_string()))
            .count();
        assert!((1..=10).contains(&told), "{}", run.printed());
        run.no_harm_so_far();
        run.lambda.kill();
    }
}

#[test]
fn an_event_nobody_knows_is_passed_over() {
    for body in [
        "{}",
        "not json",
        "[]",
        r#"{"eventType":"DANCE","deadlineMs":1}"#,
        "",
    ] {
        let sink = Sink::ok();
        let mut fault = Fault::once(Call::Next, 200);
        fault.body = Some(body.to_owned());
        let mut run = Scenario::with(&sink).fault(fault).start();
        run.invoke(&Invocation::line("hello"));
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_register_answer_that_makes_no_sense_is_lived_with() {
    for body in ["", "OK", "[]", "{\"functionName\":7}"] {
        let sink = Sink::ok();
        let mut fault = Fault::once(Call::Register, 200);
        fault.body = Some(body.to_owned());
        // Without an identifier nothing else can be asked for: it says so and ends.
        let (run, _) = Scenario::with(&sink).fault(fault).start_failing();
        assert!(run.lambda.wait_exit(PATIENCE).is_some(), "{body:?}");
        assert!(!run.stderr().is_empty(), "{body:?}");
        run.no_harm_so_far();
    }
}

#[test]
fn a_crowd_of_idle_connections_stops_nobody() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().threads(80).start();
    // More connections than anybody needs, all of them idle.
    let idle: Vec<_> = (0..60).map(|_| run.lambda.sender()).collect();
    run.invoke(&Invocation::lines(3));
    assert!(model::wait_records(&sink, 3, PATIENCE));
    drop(idle);
    run.finish_conserved(&sink);
}
