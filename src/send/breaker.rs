//! Leaves a destination alone after failures, for a growing pause in which no invocation waits for it.
//!
//! Nothing else must decide whether the destination is tried.

use std::time::Duration;

use super::retry;
use crate::time::Deadline;

/// The pause after the first failure.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Failures after which pauses are about half as long as they get.
const LONG_FAILURES: u32 = 8;

/// One destination's breaker.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// While this runs the destination is left alone.
    pause: Option<Deadline>,
}

impl Breaker {
    /// Whether the destination may be tried now; after a pause one try decides.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.pause.is_none_or(|pause| pause.has_passed())
    }

    /// Whether the destination failed and has not answered well since.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether it failed so often that its pauses are long.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.failures >= LONG_FAILURES
    }

    /// Ends the pause, and forgets nothing.
    pub fn lift(&mut self) {
        self.pause = None;
    }

    /// What is left of the pause.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.left())
    }

    /// The destination answered as it should.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = None;
    }

    /// The destination failed; `asked` is the pause that it asked for itself, `chance` any number.
    pub fn failed(&mut self, asked: Option<Duration>, chance: u64) {
        self.failures = self.failures.saturating_add(1);
        let pause = pause(self.failures, chance).max(asked.unwrap_or_default().min(PAUSE_MAX));
        self.pause = Some(Deadline::after(pause));
    }
}

/// The pause after so many failures.
fn pause(failures: u32, chance: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    retry::jittered(
        PAUSE_MIN
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(PAUSE_MAX),
        chance,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        for (failures, full) in [
            (1, 250),
            (2, 500),
            (5, 4000),
            (9, 60_000),
            (u32::MAX, 60_000),
        ] {
            for chance in [0, 77, u64::MAX] {
                let wait = pause(failures, chance).as_millis();
                assert!((full / 2..=full).contains(&wait), "{failures}: {wait}");
            }
        }
    }

    #[test]
    fn a_failure_closes_it_and_a_success_opens_it() {
        let mut breaker = Breaker::default();
        assert!(breaker.allows());
        breaker.failed(None, 0);
        assert!(!breaker.allows());
        breaker.failed(Some(Duration::from_secs(3600)), 0);
        assert!(breaker.left() > Duration::from_secs(50));
        assert!(breaker.left() <= PAUSE_MAX);
        assert!(breaker.has_failed());
        breaker.lift();
        assert!(breaker.allows() && breaker.has_failed());
        breaker.succeeded();
        assert!(breaker.allows());
        assert!(!breaker.has_failed());
        assert_eq!(breaker.left(), Duration::ZERO);
    }
}
