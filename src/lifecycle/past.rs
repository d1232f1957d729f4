//! What past invocations tell the main thread: when they came, how long they ran, and whether their ends can be trusted to be told.
//!
//! It must not wait and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::cadence::History;

/// Invocations whose ends may still be told; more than one only where ends are told late.
const OPEN_MAX: usize = 4;

/// What past invocations tell.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// When they began, and how long they ran.
    pub(super) history: History,
    /// Invocations in a row that were held without a word from the stream.
    pub(super) silent: u32,
    /// An end was awaited in vain: until one is told in time again the stream cannot be trusted to tell it.
    pub(super) mistrusted: bool,
    /// The last invocations whose ends were not told yet, oldest first; at most [`OPEN_MAX`].
    open: VecDeque<Open>,
    /// The last request whose end was told before its event was seen.
    ended_before: Option<String>,
}

/// An invocation whose end was not told yet. Times are in milliseconds since 1970.
#[derive(Debug)]
struct Open {
    /// The request's id.
    request_id: String,
    /// When its event was seen.
    began_ms: u64,
    /// When it times out, if that is known.
    deadline_ms: u64,
    /// When nobody waited for its end any more; 0 while somebody does.
    let_go_ms: u64,
}

impl Past {
    /// An invocation begins; `None`: the platform does not say when it times out.
    pub(super) fn began(&mut self, request_id: &str, now_ms: u64, deadline_ms: Option<u64>) {
        self.history.began(now_ms);
        if self.ended_before.take().as_deref() == Some(request_id) {
            self.history.ran(Duration::ZERO);
        }
        // A request that is tried again has the same id.
        self.open.retain(|open| open.request_id != request_id);
        if self.open.len() >= OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back(Open {
            request_id: request_id.to_owned(),
            began_ms: now_ms,
            deadline_ms: deadline_ms.unwrap_or(u64::MAX),
            let_go_ms: 0,
        });
    }

    /// The last invocation's end is not awaited any more.
    pub(super) fn let_go(&mut self, now_ms: u64) {
        if let Some(last) = self.open.back_mut().filter(|last| last.let_go_ms == 0) {
            last.let_go_ms = now_ms;
        }
    }

    /// The end of an invocation was told: it was at this time.
    pub(super) fn ended(&mut self, request_id: &str, told_ms: u64) {
        let mut open = self.open.iter();
        let at = open.position(|open| open.request_id == request_id);
        let Some(one) = at.and_then(|at| self.open.remove(at)) else {
            self.ended_before = Some(request_id.to_owned());
            return;
        };
        // One that was over while its end was still awaited was told too late.
        if told_ms >= one.let_go_ms {
            self.mistrusted = false;
        }
        // A fast one ends before its event is seen; none ends after its deadline, but a clock may be set.
        if told_ms <= one.deadline_ms {
            let ran_ms = told_ms.saturating_sub(one.began_ms);
            self.history.ran(Duration::from_millis(ran_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cadence;

    /// A past of three short invocations.
    fn short() -> Past {
        let mut past = Past::default();
        for id in ["one", "two", "three"] {
            past.began(id, 1_000, Some(60_000));
            past.ended(id, 1_010);
        }
        past
    }

    /// How long an end is awaited, in milliseconds.
    fn awaited(past: &Past) -> Option<u128> {
        let patience = cadence::patience(&past.history, Duration::ZERO);
        patience.map(|wait| wait.as_millis())
    }

    #[test]
    fn one_that_works_on_is_learned_from_and_trusted() {
        let mut past = short();
        assert_eq!(awaited(&past), Some(2_000));
        past.began("slow", 10_000, Some(60_000));
        past.let_go(12_000);
        past.mistrusted = true;
        past.began("the next", 14_000, Some(64_000));
        past.ended("slow", 13_000);
        assert!(!past.mistrusted);
        assert_eq!(awaited(&past), Some(12_000));
    }

    #[test]
    fn an_end_that_is_told_too_late_is_no_reason_to_trust() {
        let mut past = short();
        past.began("late", 10_000, Some(60_000));
        past.let_go(12_000);
        past.mistrusted = true;
        past.ended("late", 10_020);
        assert!(past.mistrusted);
        // Told while it was awaited.
        past.began("in time", 20_000, Some(60_000));
        past.ended("in time", 20_020);
        assert!(!past.mistrusted);
    }

    #[test]
    fn one_that_ends_before_its_event_is_seen_is_a_short_one() {
        let mut past = Past::default();
        for id in ["one", "two", "three"] {
            assert_eq!(awaited(&past), None);
            past.ended(id, 1_000);
            past.began(id, 1_010, Some(60_000));
        }
        assert_eq!(awaited(&past), Some(2_000));
    }

    #[test]
    fn what_cannot_be_is_not_learned() {
        let mut past = short();
        past.began("clock set", 10_000, Some(60_000));
        past.ended("clock set", 70_000);
        past.began("another", 10_000, Some(60_000));
        past.ended("nobody's", 50_000);
        past.began("told twice", 10_000, Some(60_000));
        past.ended("told twice", 9_990);
        past.ended("told twice", 50_000);
        assert_eq!(awaited(&past), Some(2_000));
    }

    #[test]
    fn only_the_last_invocations_are_remembered() {
        let mut past = short();
        for number in 0..100 {
            past.began(&format!("lost {number}"), 10_000, None);
            past.let_go(10_000);
        }
        assert_eq!(past.open.len(), OPEN_MAX);
        past.ended("lost 0", 59_000);
        assert_eq!(awaited(&past), Some(2_000));
        past.ended("lost 99", 59_000);
        assert_eq!(awaited(&past), Some(196_000));
    }
}
