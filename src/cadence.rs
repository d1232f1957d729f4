//! When to flush, as a pure function of the strategy and what is known.
//!
//! It reads no clock and sends nothing.

use std::time::Duration;

/// `BROOKLET_FLUSH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Hold each invocation until its records are sent: nothing is late, and each invocation pays for it.
    End,
    /// Send while the next invocation runs: no invocation pays, and the last records wait for the next one or the end.
    Next,
    /// As `Next`, but at most once in a while; also while an invocation runs.
    Periodic(Duration),
}

/// The age at which records are sent on Managed Instances, where nothing else says when.
pub const CONCURRENT_AGE: Duration = Duration::from_secs(1);

/// What to do when an invocation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Ask for the next event only when this invocation's records are sent.
    pub hold: bool,
    /// Send what waits from before, while the invocation runs.
    pub send_now: bool,
}

/// What to do when an invocation begins.
#[must_use]
pub fn on_invoke(strategy: Strategy) -> Plan {
    match strategy {
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
    }
}

/// The age at which the oldest record that waits is sent, whatever else happens; `None`: no age.
#[must_use]
pub fn age_max(strategy: Strategy, concurrent: bool) -> Option<Duration> {
    match (strategy, concurrent) {
        (Strategy::Periodic(age), _) => Some(age),
        (Strategy::End | Strategy::Next, true) => Some(CONCURRENT_AGE),
        (Strategy::End | Strategy::Next, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_has_one_plan() {
        let age = Duration::from_millis(7);
        for (strategy, hold, send_now, frozen_age, concurrent_age) in [
            (Strategy::End, true, false, None, Some(CONCURRENT_AGE)),
            (Strategy::Next, false, true, None, Some(CONCURRENT_AGE)),
            (Strategy::Periodic(age), false, false, Some(age), Some(age)),
        ] {
            assert_eq!(on_invoke(strategy), Plan { hold, send_now });
            assert_eq!(age_max(strategy, false), frozen_age);
            assert_eq!(age_max(strategy, true), concurrent_age);
        }
    }
}
