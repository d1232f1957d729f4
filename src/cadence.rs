//! When to flush, as a pure function of the strategy, the past invocations, the time and what waits.
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

/// When the last invocations began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Milliseconds since 1970, oldest first; at most [`FREQUENT_MIN`].
    began_ms: Vec<u64>,
}

impl History {
    /// An invocation began.
    pub fn began(&mut self, now_ms: u64) {
        if self.began_ms.len() >= FREQUENT_MIN {
            self.began_ms.remove(0);
        }
        self.began_ms.push(now_ms);
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
}
