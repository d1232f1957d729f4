//! When to flush and how long to wait for an invocation's end, as pure functions of the strategy, the past invocations, the time and what waits.
//!
//! It reads no clock and sends nothing.

use std::time::Duration;

/// `BROOKLET_FLUSH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// `End` while invocations are few or sparse, `Next` while they come often.
    Adaptive,
    /// Hold each invocation until its records are sent: nothing is late, and each invocation pays for it.
    End,
    /// Send while the next invocation runs: no invocation pays, and the last records wait for the next one or the end.
    Next,
    /// Send at an age, and hold nothing.
    Periodic(Duration),
}

/// Invocations that must have come before they can be called frequent.
const FREQUENT_MIN: usize = 8;

/// They are frequent when so many of them began within this time, in milliseconds: one a second.
const FREQUENT_MS: u64 = 8_000;

/// A pause longer than this ends it, in milliseconds: the last records would have waited that long.
const PAUSE_MAX_MS: u64 = 3_000;

/// The age at which records are sent while an invocation runs on, so that a timeout or a kill loses little; on Managed Instances nothing else says when.
const AGE_MAX: Duration = Duration::from_secs(1);

/// Invocations whose durations are remembered.
const DURATIONS_MAX: usize = 8;

/// With fewer durations than these nothing can be said of the next one.
const DURATIONS_MIN: usize = 3;

/// An invocation is believed to run so many times as long as the longest that is remembered.
const LONGER: u32 = 4;

/// An invocation is always believed to run this long.
const RUNS_MIN: Duration = Duration::from_secs(2);

/// When the last invocations began, and how long they ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Milliseconds since 1970, oldest first; at most [`FREQUENT_MIN`].
    began_ms: Vec<u64>,
    /// Durations, oldest first; at most [`DURATIONS_MAX`].
    ran: Vec<Duration>,
}

impl History {
    /// An invocation began.
    pub fn began(&mut self, now_ms: u64) {
        if self.began_ms.len() >= FREQUENT_MIN {
            self.began_ms.remove(0);
        }
        self.began_ms.push(now_ms);
    }

    /// An invocation ran so long.
    pub fn ran(&mut self, duration: Duration) {
        if self.ran.len() >= DURATIONS_MAX {
            self.ran.remove(0);
        }
        self.ran.push(duration);
    }

    /// Whether invocations come often, seen from the one that began last.
    fn is_frequent(&self) -> bool {
        let [first, .., before, last] = self.began_ms.as_slice() else {
            return false;
        };
        // A clock set back tells nothing, and so is no reason to be late.
        let within = |from: u64, ms: u64| last.checked_sub(from).is_some_and(|gap| gap <= ms);
        self.began_ms.len() >= FREQUENT_MIN
            && within(*first, FREQUENT_MS)
            && within(*before, PAUSE_MAX_MS)
    }
}

/// What waits to be sent, and whether it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The buffer is more than half full.
    pub crowded: bool,
    /// The destination is left alone after failures.
    pub paused: bool,
}

/// What to do when an invocation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Ask for the next event only when this invocation's records are sent.
    pub hold: bool,
    /// Send what waits from before, while the invocation runs.
    pub send_now: bool,
}

/// What to do when an invocation begins that is in the history already.
#[must_use]
pub fn on_invoke(strategy: Strategy, history: &History, waiting: Waiting) -> Plan {
    let plan = match strategy {
        Strategy::End => Plan {
            hold: true,
            // The last report came with this invocation, and goes out with its records.
            send_now: false,
        },
        Strategy::Next => Plan {
            hold: false,
            send_now: true,
        },
        Strategy::Periodic(_) => Plan {
            hold: false,
            send_now: false,
        },
        Strategy::Adaptive => {
            let next = history.is_frequent() && !waiting.crowded;
            Plan {
                hold: !next,
                send_now: next,
            }
        }
    };
    if waiting.paused {
        // Nobody waits for a destination that is away; when its pause is over one try is made beside the invocation.
        return Plan {
            hold: false,
            send_now: true,
        };
    }
    plan
}

/// The age at which the oldest record that waits is sent, whatever else happens.
#[must_use]
pub fn age_max(strategy: Strategy) -> Duration {
    match strategy {
        Strategy::Periodic(age) => age,
        Strategy::Adaptive | Strategy::End | Strategy::Next => AGE_MAX,
    }
}

/// How long after its beginning the end of an invocation is still awaited; `None`: as long as it may run.
///
/// An end that was lost without a word looks like a function that works on, silently, and only what it did before tells them apart.
/// Waiting in vain costs the function's time up to its timeout; letting one go that works on only makes its last records late, and what it took is then known.
#[must_use]
pub fn patience(history: &History, budget: Duration) -> Option<Duration> {
    if history.ran.len() < DURATIONS_MIN {
        return None;
    }
    let longest = history.ran.iter().max()?;
    let runs = longest.saturating_mul(LONGER).max(RUNS_MIN);
    Some(runs.saturating_add(budget))
}

/// The platform tries a request again after a minute, with the same id; an event is never seen so long after its invocation ended, in milliseconds.
const TRIED_AGAIN_MS: u64 = 5_000;

/// Whether the end of a request is that of an earlier try of it than the one whose event was seen then, all in milliseconds since 1970.
#[must_use]
pub fn is_of_earlier_try(ended_ms: u64, began_ms: u64, now_ms: u64) -> bool {
    // A clock that was set back since tells nothing.
    ended_ms.saturating_add(TRIED_AGAIN_MS) < began_ms && began_ms <= now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Waiting = Waiting {
        crowded: false,
        paused: false,
    };
    const HOLD: Plan = Plan {
        hold: true,
        send_now: false,
    };
    const SEND: Plan = Plan {
        hold: false,
        send_now: true,
    };
    const NEITHER: Plan = Plan {
        hold: false,
        send_now: false,
    };

    /// A history whose invocations began so many milliseconds after each other.
    fn history(gaps: &[i64]) -> History {
        let mut now = 1_800_000_000_000_u64;
        let mut history = History::default();
        for gap in gaps {
            now = now.saturating_add_signed(*gap);
            history.began(now);
        }
        history
    }

    #[test]
    fn adaptive_holds_while_few_or_sparse_and_not_while_frequent() {
        let crowded = Waiting {
            crowded: true,
            ..CALM
        };
        for (what, gaps, waiting, expected) in [
            ("the first of an environment", &[0][..], CALM, HOLD),
            ("few", &[0, 10, 10, 10, 10, 10, 10], CALM, HOLD),
            ("frequent", &[0, 10, 10, 10, 10, 10, 10, 10], CALM, SEND),
            (
                "one a second",
                &[0, 1100, 1100, 1100, 1100, 1100, 1100, 1100],
                CALM,
                SEND,
            ),
            (
                "sparser",
                &[0, 1200, 1200, 1200, 1200, 1200, 1200, 1200],
                CALM,
                HOLD,
            ),
            (
                "after a pause",
                &[0, 10, 10, 10, 10, 10, 10, 3001],
                CALM,
                HOLD,
            ),
            (
                "two after it",
                &[0, 10, 10, 10, 10, 10, 10, 3001, 10],
                CALM,
                SEND,
            ),
            (
                "minutes apart",
                &[0, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000],
                CALM,
                HOLD,
            ),
            (
                "old ones do not count",
                &[0, 90_000, 10, 10, 10, 10, 10, 10, 10],
                CALM,
                SEND,
            ),
            (
                "a clock set back",
                &[0, 10, 10, 10, 10, 10, 10, -5000],
                CALM,
                HOLD,
            ),
            (
                "frequent and crowded",
                &[0, 10, 10, 10, 10, 10, 10, 10],
                crowded,
                HOLD,
            ),
        ] {
            let plan = on_invoke(Strategy::Adaptive, &history(gaps), waiting);
            assert_eq!(plan, expected, "{what}");
        }
    }

    #[test]
    fn the_other_strategies_do_not_look_at_the_past() {
        let age = Duration::from_millis(7);
        for gaps in [&[0][..], &[0, 1, 1, 1, 1, 1, 1, 1, 1]] {
            for (strategy, expected) in [
                (Strategy::End, HOLD),
                (Strategy::Next, SEND),
                (Strategy::Periodic(age), NEITHER),
            ] {
                assert_eq!(on_invoke(strategy, &history(gaps), CALM), expected);
            }
        }
        assert_eq!(age_max(Strategy::Periodic(age)), age);
        assert_eq!(age_max(Strategy::Adaptive), AGE_MAX);
    }

    #[test]
    fn nobody_waits_for_a_destination_that_is_away() {
        let paused = Waiting {
            paused: true,
            ..CALM
        };
        let age = Duration::from_millis(7);
        for strategy in [
            Strategy::Adaptive,
            Strategy::End,
            Strategy::Next,
            Strategy::Periodic(age),
        ] {
            assert_eq!(on_invoke(strategy, &history(&[0]), paused), SEND);
        }
    }

    #[test]
    fn only_the_last_invocations_are_remembered() {
        let long = history(&[1; 1000]);
        assert_eq!(long.began_ms.len(), FREQUENT_MIN);
    }

    #[test]
    fn an_end_is_awaited_as_long_as_the_past_makes_likely() {
        let ms = Duration::from_millis;
        for (what, ran, budget, expected) in [
            ("the first of an environment", &[][..], 1000, None),
            ("too few to say", &[10, 10], 1000, None),
            ("short ones", &[10, 20, 30], 1000, Some(3000)),
            ("short ones, no budget", &[0, 0, 0], 0, Some(2000)),
            ("as long as the least", &[500, 1, 1], 200, Some(2200)),
            ("longer ones", &[10, 501, 10], 200, Some(2204)),
            ("the longest counts", &[60_000, 10, 10], 1000, Some(241_000)),
            (
                "it is forgotten",
                &[60_000, 10, 10, 10, 10, 10, 10, 10, 10],
                1000,
                Some(3000),
            ),
            (
                "beyond every clock",
                &[u64::MAX, u64::MAX, u64::MAX],
                u64::MAX,
                Some(u64::MAX),
            ),
        ] {
            let mut history = History::default();
            for one in ran {
                history.ran(ms(*one));
            }
            let awaited = patience(&history, ms(budget));
            let in_ms = awaited.map(|one| u64::try_from(one.as_millis()).unwrap_or(u64::MAX));
            assert_eq!(in_ms, expected, "{what}");
            assert!(history.ran.len() <= DURATIONS_MAX, "{what}");
        }
    }

    #[test]
    fn an_end_that_is_too_old_is_of_an_earlier_try() {
        for (ended_ms, began_ms, now_ms, expected) in [
            (100_000, 99_000, 100_025, false),
            // Before its event was seen.
            (100_000, 100_050, 100_050, false),
            (100_000, 105_000, 105_000, false),
            (100_000, 105_001, 105_001, true),
            (100_000, 160_000, 160_010, true),
            // A clock set back while it ran.
            (100_000, 160_000, 100_025, false),
            (u64::MAX, 160_000, 160_010, false),
        ] {
            assert_eq!(
                is_of_earlier_try(ended_ms, began_ms, now_ms),
                expected,
                "{ended_ms} {began_ms} {now_ms}"
            );
        }
    }
}
