//! SHUTDOWN while a lane waits for a destination: whatever it waits for is broken off, so that the fallback gets the records in time.
//!
//! What is sent beside an invocation may take five seconds, which is more than SHUTDOWN allows for all.

use super::books::{self, LOG_LEVEL};
use super::refusal::letters;
use crate::harness::Scenario;
use crate::lambda::function::Invocation;
use crate::sink::Sink;
use crate::sink::absent::{Mute, Unaccepting};
use crate::sink::proxy::Proxy;
use crate::sink::script::{Reply, Script};
use std::time::Duration;

/// Lives until SHUTDOWN comes while a lane waits for its destination, and asserts that nothing is lost.
fn shut_down_while_it_waits(scenario: Scenario) {
    shut_down_with(scenario, 10);
}

/// The same with so many lines to be sent.
fn shut_down_with(scenario: Scenario, lines: usize) {
    let fallback = Sink::ok();
    let mut run = scenario
        .option("FALLBACK_ENDPOINT", &fallback.url("/dead"))
        .option("FLUSH", "periodic:250")
        .option("COMPRESSION", "none")
        .option("LOG_LEVEL", LOG_LEVEL)
        .lambda(|setup| setup.shutdown_limit = Duration::from_millis(1_500))
        .start();
    run.invoke(&Invocation::silent().burst(lines, 300).works_ms(500));
    assert!(fallback.received().is_empty(), "it did not wait");
    let ended = run.shutdown();
    assert!(ended.took < Duration::from_millis(1_500), "{ended:?}");
    run.finish();
    let book = &books::open(&run, Some(&fallback))[0];
    books::assert_adds_up(book);
    let told = &book.counters;
    assert_eq!(book.missing().len(), 0, "{told:?}");
    assert_eq!(told["dropped_at_shutdown"], 0, "{told:?}");
    let all = book.taken.len() as u64 + told["own"];
    assert_eq!(told["dead_lettered"], all, "{told:?}");
    let letters = letters(&fallback);
    let marked = letters
        .iter()
        .all(|(why, _)| why == "not delivered before the end");
    assert!(marked && !letters.is_empty(), "{letters:?}");
}

#[test]
fn a_connect_that_hangs_is_broken_off() {
    let unaccepting = Unaccepting::new();
    shut_down_while_it_waits(Scenario::to(&unaccepting.url("/logs")));
}

#[test]
fn a_tls_handshake_that_is_not_answered_is_broken_off() {
    let mute = Mute::new();
    shut_down_while_it_waits(Scenario::to(&mute.url("https", "/logs")));
}

#[test]
fn a_tls_handshake_behind_a_proxy_is_broken_off() {
    let (mute, proxy) = (Mute::new(), Proxy::start());
    let scenario = Scenario::to(&mute.url("https", "/logs")).option("PROXY", &proxy.url());
    shut_down_while_it_waits(scenario);
    assert!(proxy.asked().len() >= 2, "{:?}", proxy.asked());
}

#[test]
fn a_connect_that_the_proxy_does_not_answer_is_broken_off() {
    for scheme in ["http", "https"] {
        let mute = Mute::new();
        let target = mute.url("", "").replace("://", "");
        let proxy = Proxy::mute_to(&target);
        let scenario = Scenario::to(&mute.url(scheme, "/logs")).option("PROXY", &proxy.url());
        shut_down_while_it_waits(scenario);
        assert!(proxy.asked().iter().any(|one| one.target == target));
    }
}

#[test]
fn a_request_that_is_not_read_is_broken_off() {
    let mute = Mute::new();
    // In one payload, and more than fits into the sockets' buffers.
    let scenario = Scenario::to(&mute.url("http", "/logs"))
        .option("BUFFER_BYTES", "33554432")
        .option("BATCH_BYTES", "16777216")
        .option("BATCH_RECORDS", "100000")
        .memory(64 * 1024 * 1024);
    shut_down_with(scenario, 8_000);
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for() {
    let sink = Sink::new(Script::always(Reply::hang()));
    shut_down_while_it_waits(Scenario::with(&sink));
}

#[test]
fn a_pause_that_the_destination_asked_for_is_broken_off() {
    let busy = Reply::status(429).header("Retry-After", "4");
    let sink = Sink::new(Script::always(busy));
    shut_down_while_it_waits(Scenario::with(&sink));
}
