//! A long life: 2,000 invocations with faults by chance, from a seed that is printed.
//!
//! `BROOKLET_SOAK_SEED=<number>` repeats the choices of a run; times are the machine's own. Four environments live side by
//! side, one for each strategy, and each has 500 invocations. What is asserted is what holds whatever happens: no
//! invocation is held beyond the budget, the books close, memory and threads do not grow.

use super::books::{self, LOG_LEVEL, Promise};
use crate::harness::{Run, Scenario, ships};
use crate::lambda::Outcome;
use crate::lambda::function::{Ending, Invocation};
use crate::lambda::process::{Exit, Vitals};
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script, tastes};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Invocations of each environment.
const INVOCATIONS: usize = 500;

/// The budget of each invocation.
const BUDGET_MS: u64 = 150;

/// What four environments at once on a busy machine may add to a hold.
const GRACE: Duration = Duration::from_millis(100);

/// Chance, the same for the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a destination does for a while; well half of the time.
fn mood(chance: &mut Chance) -> (&'static str, Script) {
    let well = || Reply::deed(Deed::Judge(tastes));
    if chance.once_in(20) {
        let bad = || Reply::status(502).closing();
        let first = (0..8).map(|number| if number % 2 == 0 { bad() } else { well() });
        return (
            "flapping",
            Script {
                first: first.collect(),
                then: well(),
            },
        );
    }
    let (name, reply) = match chance.below(18) {
        0 => ("hanging", Reply::hang()),
        1 => ("slow", Reply::ok().after_ms(2 * BUDGET_MS)),
        2 => ("slowish", well().after_ms(BUDGET_MS / 3)),
        3 => ("failing", Reply::status(500)),
        4 => ("overloaded", Reply::status(503).header("Retry-After", "1")),
        5 => ("throttling", Reply::status(429).header("Retry-After", "0")),
        6 => ("resetting", Reply::deed(Deed::ResetInBody(50))),
        7 => ("deaf", Reply::deed(Deed::ResetBeforeAnswer)),
        8 => ("closing", Reply::deed(Deed::CloseBeforeAnswer)),
        _ => ("well", well()),
    };
    (name, Script::always(reply))
}

/// What the function does this time.
fn deed(chance: &mut Chance, number: usize) -> Invocation {
    let mut it = Invocation::silent();
    for line in 0..chance.below(6) {
        it = it.print(format!("invocation {number}, line {line}"));
    }
    if chance.once_in(40) {
        it = it.burst(chance.below(1_500) as usize, 120);
    }
    if chance.once_in(60) {
        it = it.print(format!("poison {number}"));
    }
    if chance.once_in(3) {
        it = it.works_ms(chance.below(60)).print("at last");
    }
    if chance.once_in(25) {
        it = it.print_late("too late");
    }
    match chance.below(150) {
        0 => it.times_out(),
        1 => it.crashes(),
        2..10 => it.fails(),
        _ => it,
    }
}

/// How one environment's life went.
struct Life {
    /// The longest hold.
    longest: Duration,
    /// Memory and threads when it was warm, and at the end, of the last process.
    vitals: Vec<Vitals>,
}

/// Lives through 500 invocations.
fn live(strategy: &str, seed: u64, port: u16) -> Life {
    let mut chance = Chance(seed);
    let sink = Sink::new(Script::always(Reply::deed(Deed::Judge(tastes))));
    let mut run = Scenario::with(&sink)
        .option("FLUSH", strategy)
        .option("FLUSH_BUDGET_MS", &BUDGET_MS.to_string())
        .option("BUFFER_BYTES", "1000000")
        .option("BATCH_BYTES", "200000")
        .option("LOG_LEVEL", LOG_LEVEL)
        .option("PORT", &port.to_string())
        .lambda(|setup| setup.timeout = Duration::from_millis(500))
        .start();
    let mut life = Life {
        longest: Duration::ZERO,
        vitals: Vec::new(),
    };
    let mut mood_name = "well";
    for number in 0..INVOCATIONS {
        if chance.once_in(8) {
            let (name, script) = mood(&mut chance);
            sink.set(script);
            mood_name = name;
        }
        if number + 10 == INVOCATIONS {
            sink.set(Script::always(Reply::deed(Deed::Judge(tastes))));
            mood_name = "well for good";
        }
        let mut invocation = deed(&mut chance, number);
        if number + 1 == INVOCATIONS {
            invocation.ending = Ending::Success;
        }
        let report = run.invoke(&invocation);
        if report.outcome == Outcome::Finished {
            let most = Duration::from_millis(BUDGET_MS) + GRACE;
            assert!(
                report.hold <= most,
                "{strategy}, invocation {number} held {:?} while the destination is {mood_name}",
                report.hold
            );
            life.longest = life.longest.max(report.hold);
            life.vitals.push(report.vitals);
        } else {
            assert_eq!(run.lambda.wait_exit(Duration::ZERO), Some(Exit::Code(0)));
            assert!(run.lambda.drained(Duration::from_secs(2)));
            life.vitals.clear();
        }
        if chance.once_in(60) {
            run.lambda
                .stays_in_next(Duration::from_millis(100 + chance.below(1_000)));
        }
    }
    run.finish();
    close(&run, &sink, strategy);
    life
}

/// Closes the books of every process.
fn close(run: &Run, sink: &Sink, strategy: &str) {
    let promise = Promise {
        heard: false,
        last_whole: false,
    };
    let books = books::close(run, Some(sink), promise);
    let sum = |name: &str| -> u64 { books.iter().map(|book| book.counters[name]).sum() };
    eprintln!(
        "{strategy}: {} processes, received {}, delivered {}, refused {}, resent {}, dropped {} and {}",
        books.len(),
        sum("received"),
        sum("delivered"),
        sum("refused"),
        sum("resent"),
        sum("dropped_by_buffer"),
        sum("dropped_at_shutdown"),
    );
    assert_eq!(sum("panics"), 0);
    // How much depends on the faults that chance has sent; that all is accounted for does not.
    assert!(
        sum("delivered") > sum("received") / 10,
        "the destination was seldom away, and got little"
    );
}

#[test]
fn two_thousand_invocations_with_faults_by_chance() {
    let seed = std::env::var("BROOKLET_SOAK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(1, |since| since.as_nanos() as u64 % 1_000_000_000)
        });
    eprintln!("BROOKLET_SOAK_SEED={seed}");
    let lives: Vec<(&str, Life)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..)
            .zip(["end", "next", "periodic:50", "adaptive"])
            .map(|(number, strategy)| {
                let port = 21_900 + number;
                let seed = seed ^ (u64::from(number) << 40);
                (strategy, scope.spawn(move || live(strategy, seed, port)))
            })
            .collect();
        running
            .into_iter()
            .map(|(strategy, life)| {
                let life = life.join();
                (
                    strategy,
                    life.unwrap_or_else(|_| panic!("{strategy} failed; BROOKLET_SOAK_SEED={seed}")),
                )
            })
            .collect()
    });
    for (strategy, life) in lives {
        let last = life.vitals.last().expect("the last invocation is well");
        eprintln!("{strategy}: longest hold {:?}, {last:?}", life.longest);
        assert!(last.threads <= 16, "{strategy}: {last:?}");
        // A buffer of 1 MB, what waits to be read, and what one payload takes.
        if ships() {
            assert!(last.resident <= 10_000_000, "{strategy}: {last:?}");
        }
    }
}
