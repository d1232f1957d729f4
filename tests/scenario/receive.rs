//! The listener: what it takes, where, and how fast it answers.

use crate::harness::{PATIENCE, Scenario};
use crate::lambda::function::Invocation;
use crate::lambda::post::Sender;
use crate::model;
use crate::sink::Sink;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A batch of one function line.
fn one_line(text: &str) -> String {
    format!(r#"[{{"time":"2026-11-22T16:42:10.110Z","type":"function","record":"{text}\n"}}]"#)
}

#[test]
fn batches_are_taken_by_any_method_on_any_path_in_any_framing() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    let mut sender = run.lambda.sender();
    for (method, path) in [
        ("POST", "/"),
        ("PUT", "/"),
        ("POST", "/a/b?c=d"),
        ("PUT", "/in"),
    ] {
        let text = format!("{method} {path}");
        assert_eq!(
            sender
                .post(method, path, one_line(&text).as_bytes())
                .unwrap()
                .status,
            200
        );
    }
    let chunked = crate::wire::chunked(one_line("chunked").as_bytes(), 7);
    sender
        .write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    sender.write(&chunked).unwrap();
    assert_eq!(sender.answer().unwrap().status, 200);
    run.invoke(&Invocation::silent());
    run.finish();
    let mut said: Vec<String> = model::records(&sink)
        .into_iter()
        .filter(|record| record.kind == "function")
        .filter_map(|record| record.message)
        .collect();
    said.sort();
    assert_eq!(
        said,
        ["POST /", "POST /a/b?c=d", "PUT /", "PUT /in", "chunked"]
    );
}

#[test]
fn the_platform_may_put_and_chunk_and_drop_the_path() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .lambda(|setup| {
            setup.deliver_method = "PUT";
            setup.deliver_chunked = true;
            setup.deliver_to_root = true;
            setup.fraction_digits = 9;
        })
        .start();
    run.invoke(&Invocation::lines(20));
    run.finish_conserved(&sink);
}

#[test]
fn a_port_that_is_taken_is_replaced_by_a_free_one_that_is_advertised() {
    let taken = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("PORT", &port.to_string())
        .start();
    let advertised = run.lambda.subscription().unwrap().port;
    assert_ne!(advertised, port);
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
}

#[test]
fn a_port_that_is_free_is_taken_on_every_address() {
    let port = TcpListener::bind(("0.0.0.0", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("PORT", &port.to_string())
        .start();
    let uri = run.lambda.calls()[1].json()["destination"]["URI"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        uri == format!("http://sandbox.localdomain:{port}")
            || uri == format!("http://sandbox.localdomain:{port}/"),
        "{uri}"
    );
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    assert!(
        table.contains(&format!(" 00000000:{port:04X} 00000000:0000 0A")),
        "it listens on one address only"
    );
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
}

#[test]
fn an_answer_takes_milliseconds_whatever_the_destination_does() {
    use crate::sink::script::{Reply, Script};
    let sink = Sink::new(Script::always(Reply::hang()));
    let mut run = Scenario::with(&sink)
        .option("FLUSH_BUDGET_MS", "100")
        .unfrozen()
        .alone()
        .start();
    let mut sender = run.lambda.sender();
    run.invoke(&Invocation::lines(3));
    let body = one_line("while the destination hangs");
    for _ in 0..20 {
        let at = Instant::now();
        assert_eq!(
            sender.post("POST", "/", body.as_bytes()).unwrap().status,
            200
        );
        assert!(
            at.elapsed() < Duration::from_millis(50),
            "{:?}",
            at.elapsed()
        );
    }
    for delivery in run
        .lambda
        .deliveries()
        .iter()
        .filter(|delivery| !delivery.across_freeze)
    {
        assert!(
            delivery.latency < Duration::from_millis(50),
            "{:?}",
            delivery.latency
        );
    }
    run.finish();
}

#[test]
fn the_platform_s_connection_is_kept() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    for _ in 0..5 {
        run.invoke(&Invocation::lines(2));
    }
    run.finish_conserved(&sink);
    let connections = run
        .lambda
        .deliveries()
        .iter()
        .map(|delivery| delivery.connection)
        .max();
    assert_eq!(connections, Some(1));
}

#[test]
fn a_sender_that_stalls_stops_nobody_else() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    let port = run.lambda.subscription().unwrap().port;
    let mut stalled: Vec<Sender> = (0..3).map(|_| Sender::connect(port).unwrap()).collect();
    for (number, sender) in stalled.iter_mut().enumerate() {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n[",
            1_000 + number
        );
        sender.write(head.as_bytes()).unwrap();
    }
    let mut idle = Sender::connect(port).unwrap();
    idle.write(b"POST / HT").unwrap();
    run.invoke(&Invocation::lines(3));
    assert!(model::wait_records(&sink, 3, PATIENCE));
    drop(stalled);
    run.invoke(&Invocation::line("after"));
    run.finish_conserved(&sink);
}
