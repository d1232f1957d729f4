//! A destination that is away: what it costs an invocation, when it is tried again, what is lost of it.

use super::books::{self, LOG_LEVEL, Promise, WHOLE};
use crate::harness::{Run, Scenario, binary};
use crate::lambda::function::Invocation;
use crate::lambda::setup::Launch;
use crate::model;
use crate::noise;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A directory that stands for `/opt`, whose extension is the binary in a world where no name is ever answered for:
/// the only name server is an address kept for documentation. `None` where a user may not make such a world.
struct Silence {
    opt: PathBuf,
}

impl Silence {
    fn make() -> Option<Self> {
        let opt = std::env::temp_dir().join(format!("brooklet-silence-{}", std::process::id()));
        let resolver = opt.join("resolv.conf");
        let launcher = opt.join("extensions/brooklet");
        std::fs::create_dir_all(opt.join("extensions")).expect("a directory can be made");
        std::fs::write(&resolver, "nameserver 192.0.2.1\n").expect("a file can be written");
        let inner = format!(
            "mount --bind {} /etc/resolv.conf && exec {} --name brooklet",
            resolver.display(),
            binary().display()
        );
        let script = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin:/usr/sbin:/sbin\nexport PATH\nexec unshare -rm sh -c '{inner}'\n"
        );
        std::fs::write(&launcher, script).expect("a file can be written");
        make_executable(&launcher);
        let probe = format!("mount --bind {} /etc/resolv.conf", resolver.display());
        let works = Command::new("unshare")
            .args(["-rm", "sh", "-c", &probe])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        works.then_some(Self { opt })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _left_for_the_system = std::fs::remove_dir_all(&self.opt);
    }
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
        .expect("a file's mode can be set");
}

#[test]
fn the_budget_is_kept_while_a_name_is_looked_up_in_vain() {
    let silence = Silence::make();
    if silence.is_none() {
        eprintln!("no world without names can be made here: the name fails at once instead");
    }
    let mut scenario = Scenario::to("http://logs.example.invalid/x")
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "250")
        .option("LOG_LEVEL", LOG_LEVEL)
        .alone();
    if let Some(silence) = &silence {
        let opt = silence.opt.clone();
        scenario = scenario.lambda(|setup| setup.launch = Launch::Layer { opt });
    }
    let mut run = scenario.start();
    let mut holds = Vec::new();
    for number in 0..8 {
        // What waits is tried beside these, and each try may hang in a thread of its own.
        holds.push(run.invoke(&Invocation::lines(2).works_ms(40 * number)).hold);
    }
    assert!(
        holds[2..].iter().all(|hold| *hold <= noise::free()),
        "{holds:?}"
    );
    run.finish();
    let book = &books::close(&run, None, WHOLE)[0];
    assert_eq!(book.counters["delivered"], 0);
}

#[test]
fn after_the_breaker_has_opened_nobody_is_held() {
    for strategy in ["end", "adaptive"] {
        let sink = Sink::new(Script::always(Reply::hang()));
        let mut run = Scenario::with(&sink)
            .option("FLUSH", strategy)
            .option("FLUSH_BUDGET_MS", "300")
            .lambda(|setup| setup.shutdown_limit = Duration::from_millis(800))
            .alone()
            .start();
        let first = run.invoke(&Invocation::line("one")).hold;
        assert!(first >= Duration::from_millis(250), "{first:?}");
        let mut later = Vec::new();
        for work in [0, 0, 50, 0, 300, 0, 0, 10, 0, 0] {
            later.push(run.invoke(&Invocation::lines(3).works_ms(work)).hold);
        }
        assert!(later.iter().all(|hold| *hold <= noise::free()), "{later:?}");
        run.finish();
    }
}

#[test]
fn a_destination_that_is_too_slow_is_waited_for_ever_more_seldom() {
    let drip = Reply {
        deed: Deed::Drip(Duration::from_millis(400)),
        ..Reply::ok().body("0123456789")
    };
    // Each takes what is sent beside an invocation, so the breaker never stays open.
    for (name, reply) in [("slow", Reply::ok().after_ms(250)), ("dripping", drip)] {
        let sink = Sink::new(Script::always(reply));
        let mut run = Scenario::with(&sink)
            .option("FLUSH", "end")
            .option("FLUSH_BUDGET_MS", "150")
            .lambda(|setup| setup.shutdown_limit = Duration::from_millis(800))
            .alone()
            .start();
        let invocation = Invocation::lines(3).works_ms(300);
        let holds: Vec<_> = (0..20).map(|_| run.invoke(&invocation).hold).collect();
        let held = holds.iter().filter(|hold| **hold > noise::free()).count();
        assert!(held <= 6, "{name}: {holds:?}");
        run.finish();
    }
}

#[test]
fn an_outage_that_begins_within_a_long_invocation_does_not_hold_it() {
    let sink = Sink::new(Script::always(Reply::hang()));
    for work in [2_000, 2_800] {
        let mut run = Scenario::with(&sink)
            .option("FLUSH", "end")
            .option("FLUSH_BUDGET_MS", "600")
            .lambda(|setup| setup.shutdown_limit = Duration::from_millis(800))
            .alone()
            .start();
        // What is tried after a second fails, and is tried again while it runs.
        let long = Invocation::line("early").works_ms(work).print("late");
        let hold = run.invoke(&long).hold;
        assert!(hold <= noise::free(), "{work}: {hold:?}");
        run.finish();
    }
}

#[test]
fn a_freeze_after_every_invocation_does_not_keep_the_breaker_from_opening() {
    // Each try is under way when the main thread lets go, so the freeze may cut each of them.
    let sink = Sink::new(Script::always(Reply::hang()));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "200")
        .lambda(|setup| setup.shutdown_limit = Duration::from_millis(800))
        .alone()
        .start();
    let mut holds = Vec::new();
    for _ in 0..8 {
        holds.push(run.invoke(&Invocation::lines(3)).hold);
        run.lambda.stays_in_next(Duration::from_millis(750));
    }
    let held = holds.iter().filter(|hold| **hold > noise::free()).count();
    assert!(held <= 2, "{holds:?}");
    run.finish();
}

/// When tries began: requests that come closer than the shortest pause belong to one try and its retries.
fn pauses(sink: &Sink, tries: usize) -> Vec<Duration> {
    let received = sink.received();
    received
        .chunks(tries)
        .zip(received.chunks(tries).skip(1))
        .filter_map(|(before, after)| {
            let last = before.last()?.answered?;
            Some(after.first()?.at.saturating_duration_since(last))
        })
        .collect()
}

#[test]
fn pauses_grow_while_it_stays_away() {
    let sink = Sink::new(Script::always(Reply::status(500)));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "periodic:20")
        .lambda(|setup| setup.timeout = Duration::from_secs(20))
        .start();
    run.invoke(&Invocation::line("one").works_ms(7_000).print("last"));
    let pauses = pauses(&sink, 3);
    assert!(pauses.len() >= 3, "{pauses:?}");
    for (pause, full_ms) in pauses.iter().zip([250, 500, 1_000, 2_000, 4_000]) {
        let least = Duration::from_millis(full_ms / 2 - 5);
        let most = Duration::from_millis(full_ms + 300);
        assert!((least..=most).contains(pause), "{pauses:?}");
    }
    run.finish();
}

#[test]
fn a_destination_that_is_back_is_found_by_one_probe_beside_an_invocation() {
    let sink = Sink::new(Script::always(Reply::status(503)));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "300")
        .option("LOG_LEVEL", LOG_LEVEL)
        .alone()
        .start();
    run.invoke(&Invocation::line("lost time"));
    sink.set(Script::always(Reply::ok()));
    let before = sink.received().len();
    // Longer than the first pause: the probe is made while it works, and nobody waits for it.
    let probed = loop {
        let report = run.invoke(&Invocation::line("meanwhile").works_ms(200));
        assert!(
            report.hold <= noise::free() + Duration::from_millis(45),
            "{report:?}"
        );
        let received = sink.received();
        if received.len() > before {
            break received[before].clone();
        }
        assert!(run.reports().len() < 10, "it is never tried again");
    };
    let beside = run.reports().last().unwrap();
    assert!(
        probed.at >= beside.began && probed.at <= beside.runtime_done + noise::free(),
        "the probe was not beside an invocation"
    );
    run.invoke(&Invocation::line("held again"));
    assert!(model::has(&sink, "held again"), "`end` is not back");
    run.finish();
    books::close(&run, Some(&sink), WHOLE);
}

/// Goes through an outage of some invocations, and some after it.
fn outage(run: &mut Run, sink: &Sink, away: Script) {
    run.invoke(&Invocation::lines(20));
    sink.set(away);
    for number in 0..15 {
        run.invoke(&Invocation::lines(40).works_ms(15 * (number % 3)));
    }
    sink.set(Script::always(Reply::ok()));
    for _ in 0..5 {
        run.invoke(&Invocation::lines(20).works_ms(30));
    }
}

#[test]
fn an_outage_shorter_than_the_buffer_loses_and_doubles_nothing() {
    for (name, reply) in [
        ("failing", Reply::status(500)),
        ("overloaded", Reply::status(503).header("Retry-After", "1")),
        ("resetting", Reply::deed(Deed::ResetInBody(100))),
        ("closing", Reply::status(502).closing()),
    ] {
        for strategy in ["end", "next", "periodic:30", "adaptive"] {
            eprintln!("{name}, {strategy}");
            let sink = Sink::ok();
            let mut run = Scenario::with(&sink)
                .option("FLUSH", strategy)
                .option("FLUSH_BUDGET_MS", "150")
                .option("LOG_LEVEL", LOG_LEVEL)
                .start();
            outage(&mut run, &sink, Script::always(reply.clone()));
            run.finish();
            let book = &books::close(&run, Some(&sink), WHOLE)[0];
            assert_eq!(book.missing(), Vec::<String>::new());
        }
    }
}

/// Numbers as the first and last of each row without a gap.
fn pieces(numbers: &[usize]) -> Vec<(usize, usize)> {
    let rows = numbers.chunk_by(|one, next| one + 1 == *next);
    rows.map(|row| (row[0], row[row.len() - 1])).collect()
}

#[test]
fn an_outage_longer_than_the_buffer_costs_the_oldest_records() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "150")
        .option("BUFFER_BYTES", "65536")
        .option("BATCH_BYTES", "16384")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    outage(&mut run, &sink, Script::always(Reply::status(500)));
    run.finish();
    let promise = Promise {
        heard: true,
        last_whole: false,
    };
    let book = &books::close(&run, Some(&sink), promise)[0];
    let mut lost: Vec<usize> = (1..=book.taken.len()).collect();
    let arrived = book.arrived();
    lost.retain(|number| !arrived.contains(number));
    assert!(!lost.is_empty(), "the outage was too short");
    assert_eq!(
        lost.last().unwrap() - lost[0] + 1,
        lost.len(),
        "what was lost is not one piece: {:?}, {}",
        pieces(&lost),
        run.printed()
    );
    assert!(lost[0] > 20, "what was delivered before was not lost");
    assert!(book.taken.len() - lost.last().unwrap() > 50);
    let own = book.counters["dropped_by_buffer"] as usize - lost.len();
    assert!(own <= 1, "{:?}", book.counters);
}

#[test]
fn a_destination_that_asks_for_peace_gets_it() {
    let sink = Sink::new(Script::always(
        Reply::status(429).header("Retry-After", "2"),
    ));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "200")
        .option("LOG_LEVEL", LOG_LEVEL)
        .alone()
        .start();
    run.invoke(&Invocation::line("one"));
    assert_eq!(sink.received().len(), 1, "{}", run.printed());
    let asked = sink.received()[0].answered.unwrap();
    sink.set(Script::always(Reply::ok()));
    while asked.elapsed() < Duration::from_millis(1_700) {
        let report = run.invoke(&Invocation::line("meanwhile").works_ms(100));
        assert!(report.hold <= noise::free(), "{report:?}");
    }
    assert_eq!(sink.received().len(), 1, "it was not left alone");
    let patience = Instant::now() + Duration::from_secs(3);
    while sink.received().len() < 2 && Instant::now() < patience {
        run.invoke(&Invocation::line("meanwhile").works_ms(100));
    }
    assert!(sink.received()[1].at - asked >= Duration::from_millis(1_990));
    run.finish();
    books::close(&run, Some(&sink), WHOLE);
}

#[test]
fn a_payload_that_ran_out_of_its_invocation_s_time_is_no_reason_to_open_the_breaker_for_long() {
    // It takes 120 ms an answer: well within the budget for one payload, not for four.
    let sink = Sink::new(Script::always(Reply::ok().after_ms(120)));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "end")
        .option("FLUSH_BUDGET_MS", "300")
        .option("BATCH_RECORDS", "50")
        .option("LOG_LEVEL", LOG_LEVEL)
        .start();
    run.invoke(&Invocation::lines(200));
    for _ in 0..6 {
        run.invoke(&Invocation::lines(3).works_ms(200));
    }
    run.finish();
    let promise = Promise {
        heard: false,
        last_whole: true,
    };
    let book = &books::close(&run, Some(&sink), promise)[0];
    assert_eq!(book.missing(), Vec::<String>::new());
}

#[test]
fn a_pause_that_was_asked_for_does_not_outlast_the_environment() {
    let sink = Sink::new(Script::always(
        Reply::status(429).header("Retry-After", "3"),
    ));
    let aside = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("FLUSH", "next")
        .option("FALLBACK_ENDPOINT", &aside.url("/aside"))
        .start();
    run.invoke(&Invocation::lines(3));
    run.invoke(&Invocation::lines(3).works_ms(100));
    run.finish();
    assert!(
        sink.received().len() >= 2,
        "it was tried, and once more at the end"
    );
    let lines = model::records(&aside);
    let lines = lines.iter().filter(|record| record.kind == "function");
    assert_eq!(lines.count(), 6, "{}", run.printed());
}
