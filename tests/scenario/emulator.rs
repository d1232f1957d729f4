//! The local Lambda itself, played to by a small extension on a thread of the test.
//!
//! What these tests hold is that the emulator does what its doc says; nothing here is the product's.

use crate::lambda::function::Invocation;
use crate::lambda::process::{Exit, Process};
use crate::lambda::setup::{Call, Fault, InitializationType, Launch, LogFormat, Setup};
use crate::lambda::telemetry::Event;
use crate::lambda::{InitFailure, Lambda, Outcome, api};
use crate::wire;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// A client of the APIs over one kept connection.
struct Client {
    stream: BufReader<TcpStream>,
    prefix: String,
    identifier: String,
}

impl Client {
    fn connect(address: &str) -> Self {
        let (authority, prefix) = address.split_at(address.find('/').unwrap_or(address.len()));
        let stream = TcpStream::connect(authority).unwrap();
        Self {
            stream: BufReader::new(stream),
            prefix: prefix.to_owned(),
            identifier: String::new(),
        }
    }

    fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> wire::Answer {
        let mut all: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.push(("Host".to_owned(), "api".to_owned()));
        all.push(("Content-Length".to_owned(), body.len().to_string()));
        let first = format!("{method} {}{path} HTTP/1.1", self.prefix);
        wire::write_message(self.stream.get_mut(), &first, &all, body.as_bytes()).unwrap();
        wire::read_answer(&mut self.stream).unwrap()
    }

    fn register(&mut self, name: &str, events: &str) -> wire::Answer {
        let headers = [
            ("Lambda-Extension-Name", name),
            ("Lambda-Extension-Accept-Feature", "accountId"),
        ];
        let answer = self.call(
            "POST",
            api::REGISTER,
            &headers,
            &format!(r#"{{"events":[{events}]}}"#),
        );
        if let Some(identifier) = wire::header(&answer.headers, "Lambda-Extension-Identifier") {
            self.identifier = identifier.to_owned();
        }
        answer
    }

    fn identified(&mut self, method: &str, path: &str, body: &str) -> wire::Answer {
        let identifier = self.identifier.clone();
        self.call(
            method,
            path,
            &[("Lambda-Extension-Identifier", &identifier)],
            body,
        )
    }

    fn next(&mut self) -> String {
        let answer = self.identified("GET", api::NEXT, "");
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    fn subscribe(&mut self, path: &str, schema: &str, port: u16) -> wire::Answer {
        self.identified("PUT", path, &subscription(schema, port))
    }
}

fn subscription(schema: &str, port: u16) -> String {
    format!(
        r#"{{"schemaVersion":"{schema}","types":["platform","function"],"buffering":{{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}},"destination":{{"protocol":"HTTP","URI":"http://sandbox.localdomain:{port}/in"}}}}"#
    )
}

/// A listener that answers every batch with `status` and passes it on.
fn listener(status: u16) -> (u16, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (out, batches) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let out: Sender<(String, Vec<u8>)> = out.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Ok(Some(head)) = wire::read_request_head(&mut reader) {
                    let Ok(body) =
                        wire::read_body(&mut reader, wire::request_framing(&head.headers).unwrap())
                    else {
                        return;
                    };
                    if out.send((head.target, body)).is_err() {
                        return;
                    }
                    let answer = format!(
                        "HTTP/1.1 {status} {}\r\nContent-Length: 0\r\n\r\n",
                        wire::reason(status)
                    );
                    reader.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (port, batches)
}

fn setup() -> Setup {
    Setup::new(Launch::Nobody)
}

/// An extension that asks for one event after the other until SHUTDOWN; tells each.
fn obedient(
    address: String,
    port: u16,
    path: &'static str,
    schema: &'static str,
    events: &'static str,
) -> Receiver<String> {
    let (out, told) = channel();
    std::thread::spawn(move || {
        let mut client = Client::connect(&address);
        assert_eq!(client.register("nobody", events).status, 200);
        assert_eq!(client.subscribe(path, schema, port).status, 200);
        loop {
            let event = client.next();
            let last = event.contains("SHUTDOWN");
            if out.send(event).is_err() || last {
                return;
            }
        }
    });
    told
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

const BOTH: &str = r#""INVOKE","SHUTDOWN""#;
const SOON: Duration = Duration::from_secs(5);

#[test]
fn an_environment_lives_through_init_invocations_and_shutdown() {
    let (port, _batches) = listener(200);
    let init_duration = Duration::from_millis(50);
    let mut lambda = Lambda::new(Setup {
        freeze: false,
        init_duration,
        ..setup()
    });
    let told = obedient(lambda.address(), port, api::TELEMETRY, "2025-01-29", BOTH);
    let init = lambda.init().unwrap();
    assert!(init.to_subscribe.is_some());
    assert!(lambda.extension(|extension| extension.listened_when_subscribing));
    let report = lambda.invoke(&Invocation::line("hello").print("world"));
    assert_eq!(report.outcome, Outcome::Finished);
    assert!(
        report.hold < Duration::from_millis(200),
        "{:?}",
        report.hold
    );
    let event = told.recv_timeout(SOON).unwrap();
    assert!(
        event.contains(&report.request_id) && event.contains("\"deadlineMs\":1"),
        "{event}"
    );
    assert_eq!(lambda.shutdown().exit, Some(Exit::Code(0)));
    assert!(told.recv_timeout(SOON).unwrap().contains("spindown"));
    assert!(lambda.drained(SOON));
    assert_eq!(
        kinds(&lambda.events_taken()),
        [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.initRuntimeDone",
            "platform.extension",
            "platform.initReport",
            "platform.start",
            "function",
            "function",
            "platform.runtimeDone",
            "platform.report",
        ]
    );
    assert_eq!(
        lambda
            .deliveries()
            .iter()
            .map(|delivery| delivery.connection)
            .max(),
        Some(1),
        "one kept connection"
    );
}

#[test]
fn the_report_of_an_invocation_comes_in_the_next_one() {
    let (port, _batches) = listener(200);
    let mut lambda = Lambda::new(setup());
    let _told = obedient(lambda.address(), port, api::TELEMETRY, "2025-01-29", BOTH);
    lambda.init().unwrap();
    let first = lambda.invoke(&Invocation::silent());
    assert!(!lambda.wait_deliveries(Duration::from_millis(60), |all| {
        all.iter()
            .flat_map(|delivery| &delivery.events)
            .any(|event| event.kind == "platform.report")
    }));
    lambda.invoke(&Invocation::silent().works_ms(60));
    let reports: Vec<Event> = lambda
        .events_taken()
        .into_iter()
        .filter(|event| event.kind == "platform.report")
        .collect();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].record.contains(&first.request_id));
    assert!(
        reports[0].record.contains("initDurationMs"),
        "{}",
        reports[0].record
    );
    lambda.shutdown();
    assert!(lambda.drained(SOON));
    assert_eq!(
        lambda
            .events_taken()
            .iter()
            .filter(|event| event.kind == "platform.report")
            .count(),
        2
    );
}

#[test]
fn the_logs_api_has_shapes_of_its_own() {
    let (port, _batches) = listener(200);
    let mut lambda = Lambda::new(Setup {
        freeze: false,
        log_format: LogFormat::Json,
        ..setup()
    });
    let _told = obedient(lambda.address(), port, api::LOGS, "2021-03-18", BOTH);
    lambda.init().unwrap();
    lambda.invoke(&Invocation::line(r#"{"a":1}"#).crashes());
    assert!(lambda.drained(SOON));
    let events = lambda.events_taken();
    for kind in [
        "platform.logsSubscription",
        "platform.runtimeDone",
        "platform.end",
        "platform.report",
        "platform.fault",
    ] {
        assert!(
            kinds(&events).contains(&kind),
            "{kind} in {:?}",
            kinds(&events)
        );
    }
    assert!(!kinds(&events).contains(&"platform.initStart"));
    let line = events
        .iter()
        .find(|event| event.kind == "function")
        .unwrap();
    assert_eq!(line.record, r#""{\"a\":1}\n""#);
}

#[test]
fn json_logs_are_objects_where_the_schema_has_them() {
    for (schema, object) in [
        ("2025-01-29", true),
        ("2022-12-13", true),
        ("2022-07-01", false),
    ] {
        let (port, _batches) = listener(200);
        let mut lambda = Lambda::new(Setup {
            freeze: false,
            log_format: LogFormat::Json,
            ..setup()
        });
        let _told = obedient(lambda.address(), port, api::TELEMETRY, schema, BOTH);
        lambda.init().unwrap();
        lambda.invoke(&Invocation::line(r#"{"a":1}"#).print("plain"));
        assert!(lambda.drained(SOON));
        let lines: Vec<Event> = lambda
            .events_taken()
            .into_iter()
            .filter(|event| event.kind == "function")
            .collect();
        assert_eq!(
            lines[0].record == r#"{"a":1}"#,
            object,
            "{schema}: {}",
            lines[0].record
        );
        assert_eq!(
            lines[1].record.starts_with(r#"{"timestamp":"#),
            object,
            "{schema}: {}",
            lines[1].record
        );
    }
}

#[test]
fn managed_instances_refuse_what_they_do_not_have() {
    let (port, _batches) = listener(200);
    let mut lambda = Lambda::new(Setup {
        initialization: InitializationType::ManagedInstances,
        ..setup()
    });
    let address = lambda.address();
    let (out, told) = channel();
    std::thread::spawn(move || {
        let mut client = Client::connect(&address);
        let refused = client.register("nobody", BOTH);
        let accepted = client.register("nobody", r#""SHUTDOWN""#);
        let logs = client.subscribe(api::LOGS, "2021-03-18", port);
        let old = client.subscribe(api::TELEMETRY, "2022-12-13", port);
        let new = client.subscribe(api::TELEMETRY, "2025-01-29", port);
        out.send([refused, accepted, logs, old, new].map(|answer| answer.status))
            .unwrap();
        client.next();
    });
    lambda.init().unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap(), [403, 200, 404, 400, 200]);
    lambda.invoke_together(&[Invocation::line("one"), Invocation::line("two")]);
    assert_eq!(lambda.shutdown().exit, Some(Exit::Code(0)));
    let events = lambda.events_taken();
    assert_eq!(
        events
            .iter()
            .filter(|event| event.kind == "platform.report")
            .count(),
        2
    );
    assert!(!kinds(&events).contains(&"platform.runtimeDone"));
    assert!(
        !events
            .iter()
            .any(|event| event.record.contains("billedDurationMs"))
    );
}

#[test]
fn what_a_listener_does_not_take_is_dropped_and_told() {
    let (port, _batches) = listener(500);
    let mut lambda = Lambda::new(Setup {
        freeze: false,
        ..setup()
    });
    let _told = obedient(lambda.address(), port, api::TELEMETRY, "2025-01-29", BOTH);
    lambda.init().unwrap();
    lambda.invoke(&Invocation::lines(3));
    assert!(lambda.wait_deliveries(SOON, |all| {
        all.iter()
            .flat_map(|delivery| &delivery.events)
            .any(|event| event.kind == "platform.logsDropped")
    }));
    assert!(lambda.dropped() > 0);
    assert_eq!(lambda.events_taken(), []);
}

#[test]
fn a_batch_is_cut_by_the_subscription_s_limits() {
    let (port, batches) = listener(200);
    let mut lambda = Lambda::new(Setup {
        freeze: false,
        ..setup()
    });
    let _told = obedient(lambda.address(), port, api::TELEMETRY, "2025-01-29", BOTH);
    lambda.init().unwrap();
    lambda.invoke(&Invocation::silent().burst(2_500, 40));
    assert!(lambda.drained(SOON));
    let sizes: Vec<usize> = lambda
        .deliveries()
        .iter()
        .map(|delivery| delivery.events.len())
        .collect();
    assert!(sizes.iter().all(|size| *size <= 1_000), "{sizes:?}");
    assert!(sizes.contains(&1_000), "{sizes:?}");
    let (path, body) = batches.recv_timeout(SOON).unwrap();
    assert_eq!(path, "/in");
    let first: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(first[0]["type"], "platform.initStart");
}

#[test]
fn the_apis_refuse_as_the_platform_does() {
    let (port, _batches) = listener(200);
    let mut lambda = Lambda::new(Setup {
        path_prefix: "/.rt".to_owned(),
        ..setup()
    });
    let address = lambda.address();
    let (out, told) = channel();
    std::thread::spawn(move || {
        let mut client = Client::connect(&address);
        let mut seen = Vec::new();
        let mut note = |answer: wire::Answer| {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            seen.push((
                answer.status,
                body["errorType"].as_str().unwrap_or_default().to_owned(),
            ));
        };
        note(client.identified("GET", api::NEXT, ""));
        note(client.call("POST", api::REGISTER, &[], r#"{"events":[]}"#));
        note(client.register("somebody", BOTH));
        note(client.register("nobody", r#""SLEEP""#));
        note(client.register("nobody", BOTH));
        note(client.register("nobody", BOTH));
        note(client.identified(
            "PUT",
            api::TELEMETRY,
            &subscription("2025-01-29", port).replace("[\"platform\",\"function\"]", "[]"),
        ));
        note(client.identified(
            "PUT",
            api::TELEMETRY,
            &subscription("2025-01-29", port).replace("25}", "24}"),
        ));
        note(client.identified("PUT", api::TELEMETRY, &subscription("2025-01-29", 9_001)));
        note(client.subscribe(api::TELEMETRY, "2025-01-29", port));
        note(client.subscribe(api::LOGS, "2021-03-18", port));
        note(client.identified("PUT", "/2025-01-29/telemetry", ""));
        out.send(seen).unwrap();
        client.next();
        let late = client.subscribe(api::TELEMETRY, "2025-01-29", port);
        assert_eq!(late.status, 403);
        client.next();
    });
    lambda.init().unwrap();
    let seen = told.recv_timeout(SOON).unwrap();
    let expected = [
        (403, "Extension.UnknownExtensionIdentifier"),
        (403, "Extension.InvalidExtensionName"),
        (403, "Extension.InvalidEventType"),
        (403, "Extension.InvalidEventType"),
        (200, ""),
        (403, "Extension.InvalidExtensionState"),
        (400, "ValidationError"),
        (400, "ValidationError"),
        (400, "ValidationError"),
        (200, ""),
        (400, "Logs.ValidationError"),
        (404, ""),
    ];
    let seen: Vec<(u16, &str)> = seen
        .iter()
        .map(|(status, kind)| (*status, kind.as_str()))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(
        lambda.invoke(&Invocation::silent()).outcome,
        Outcome::Finished
    );
}

#[test]
fn a_fault_is_met_as_often_as_it_was_asked_for() {
    let faults = vec![
        Fault::once(Call::Register, 500),
        Fault::always(Call::TelemetrySchema("2025-01-29"), 400),
    ];
    let (port, _batches) = listener(200);
    let mut lambda = Lambda::new(Setup { faults, ..setup() });
    let address = lambda.address();
    std::thread::spawn(move || {
        let mut client = Client::connect(&address);
        let statuses = [
            client.register("nobody", BOTH).status,
            client.register("nobody", BOTH).status,
            client.subscribe(api::TELEMETRY, "2025-01-29", port).status,
            client.subscribe(api::TELEMETRY, "2025-01-29", port).status,
            client.subscribe(api::TELEMETRY, "2022-12-13", port).status,
        ];
        assert_eq!(statuses, [500, 200, 400, 400, 200]);
        client.next();
    });
    lambda.init().unwrap();
    let statuses: Vec<u16> = lambda
        .calls()
        .iter()
        .filter_map(|call| call.status)
        .collect();
    assert_eq!(statuses, [500, 200, 400, 400, 200]);
}

/// A program that says a number more every few milliseconds.
fn heartbeat() -> Process {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/heartbeat");
    let process = Process::start(&program, &std::env::temp_dir(), &[], |_| ()).unwrap();
    assert!(process.wait_printed(SOON, |line| line == "3"));
    process
}

/// The last number a heartbeat said.
fn beat(process: &Process) -> u64 {
    process.printed().last().unwrap().text.parse().unwrap()
}

/// Whether a heartbeat says a number above this one within a time in which it would say many.
fn beats_on(process: &Process, from: u64) -> bool {
    process.wait_printed(Duration::from_millis(200), |line| {
        line.parse::<u64>().unwrap() > from
    })
}

#[test]
fn a_frozen_process_stands_still_until_it_is_thawed() {
    let process = heartbeat();
    let running = beat(&process);
    assert!(beats_on(&process, running + 3), "it beats on its own");
    for _ in 0..3 {
        process.freeze();
        assert_eq!(process.states(), ['T']);
        let cpu = process.vitals().cpu_ms;
        // What it said before it was stopped may still be in the pipe; all of it is read meanwhile.
        process.wait_printed(Duration::from_millis(100), |_| false);
        let heard = beat(&process);
        assert!(!beats_on(&process, heard), "frozen at {heard}, it beat on");
        assert_eq!(process.states(), ['T']);
        assert_eq!(process.vitals().cpu_ms, cpu);
        process.thaw();
        assert!(!process.states().contains(&'T'));
        assert!(beats_on(&process, heard), "thawed, it does not beat");
    }
    let frozen = process.frozen();
    assert_eq!(frozen.len(), 3);
    for (from, until) in frozen {
        assert!(until.unwrap() - from >= Duration::from_millis(200));
    }
}

#[test]
fn a_process_can_be_killed_while_it_is_frozen() {
    let process = heartbeat();
    process.freeze();
    assert_eq!(process.states(), ['T']);
    process.kill();
    assert_eq!(process.exit(SOON), Some(Exit::Signal(9)));
    assert!(process.states().is_empty());
    // Neither is an error, as an environment may be ended at any time.
    process.thaw();
    process.freeze();
    assert_eq!(process.ended(), Some(Exit::Signal(9)));
}

#[test]
fn a_process_that_ends_in_init_is_told_with_its_code_and_its_words() {
    let mut lambda = Lambda::new(Setup {
        launch: Launch::Direct {
            binary: "/bin/sleep".into(),
            name: "sleep".to_owned(),
        },
        ..setup()
    });
    // Without an argument it ends at once, which is an init that failed.
    assert_eq!(
        lambda.init().unwrap_err(),
        InitFailure::Exited(Exit::Code(1))
    );
    assert_eq!(lambda.wait_exit(SOON), Some(Exit::Code(1)));
    assert!(
        lambda
            .printed()
            .iter()
            .any(|line| line.stderr && line.text.contains("operand"))
    );
}

#[test]
fn an_extension_that_is_slow_to_ask_holds_the_invocation() {
    let mut lambda = Lambda::new(Setup {
        timeout: Duration::from_millis(400),
        ..setup()
    });
    let address = lambda.address();
    std::thread::spawn(move || {
        let mut client = Client::connect(&address);
        client.register("nobody", BOTH);
        client.next();
        // What the extension is busy with.
        std::thread::park_timeout(Duration::from_millis(120));
        client.next();
        std::thread::park_timeout(Duration::from_millis(600));
    });
    lambda.init().unwrap();
    let held = lambda.invoke(&Invocation::silent());
    assert_eq!(held.outcome, Outcome::Finished);
    assert!(
        (100..300).contains(&held.hold.as_millis()),
        "{:?}",
        held.hold
    );
    let before = Instant::now();
    let lost = lambda.invoke(&Invocation::silent());
    assert_eq!(lost.outcome, Outcome::HeldToTimeout);
    assert!(before.elapsed() >= Duration::from_millis(400));
}
