//! How late this machine wakes a thread: the reference that limits of a few milliseconds are measured against.
//!
//! A machine that is busy with something else wakes everybody late, and no millisecond of that is brooklet's.
//! It must not excuse what is late on a machine that has time: there its measure is a fraction of a millisecond.

use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long the meter sleeps at a time.
const BEAT: Duration = Duration::from_millis(1);
/// How long what was measured counts.
const MEMORY: Duration = Duration::from_secs(5);
/// Threads that an invocation's end wakes one after the other: receiver, flush, sink, flush, main, the local Lambda.
const WAKES: u32 = 6;

/// When a thread was woken, and how late.
type Wakes = Mutex<VecDeque<(Instant, Duration)>>;

/// The meter, which runs from the first call on.
fn wakes() -> &'static Wakes {
    static WAKES: OnceLock<&'static Wakes> = OnceLock::new();
    WAKES.get_or_init(|| {
        let wakes: &Wakes = Box::leak(Box::default());
        std::thread::spawn(|| measure(wakes));
        wakes
    })
}

/// Sleeps and wakes for ever.
fn measure(wakes: &Wakes) {
    loop {
        let began = Instant::now();
        std::thread::sleep(BEAT);
        let now = Instant::now();
        let late = now.duration_since(began).saturating_sub(BEAT);
        let mut wakes = wakes.lock().unwrap_or_else(PoisonError::into_inner);
        while wakes.front().is_some_and(|(at, _)| now - *at > MEMORY) {
            wakes.pop_front();
        }
        wakes.push_back((now, late));
    }
}

/// Begins to measure, so that there is something to compare with.
pub(crate) fn listen() {
    wakes();
}

/// The limit, and what this machine's lateness of the last seconds may have added to it at worst.
pub(crate) fn at_worst(limit: Duration) -> Duration {
    limit + WAKES * lateness(|all| all.iter().max().copied())
}

/// An invocation that nobody holds is over so soon.
pub(crate) fn free() -> Duration {
    at_worst(Duration::from_millis(5))
}

/// The limit, and what this machine's lateness may have added to it as a rule.
pub(crate) fn as_a_rule(limit: Duration) -> Duration {
    let middle = |all: &mut Vec<Duration>| {
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    };
    limit + WAKES * lateness(middle)
}

/// One of the latenesses, without the tenth of a millisecond that every sleep has.
fn lateness(pick: impl Fn(&mut Vec<Duration>) -> Option<Duration>) -> Duration {
    let wakes = wakes().lock().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<Duration> = wakes.iter().map(|(_, late)| *late).collect();
    drop(wakes);
    pick(&mut all)
        .unwrap_or_default()
        .saturating_sub(Duration::from_micros(200))
}
