//! The invocation that the main thread holds until its records are sent: when they are, and when it is let go.
//!
//! It must not hold anybody beyond a deadline.

use std::time::Duration;

use super::Flusher;
use crate::link::Report;
use crate::time::Deadline;

/// A send that an invocation waits for is over so much before the invocation is let go: the environment may be frozen right after that.
const LET_GO: Duration = Duration::from_millis(10);

/// An invocation that the main thread holds until its records are sent.
#[derive(Debug)]
pub(super) struct Held {
    /// The request's id.
    pub(super) request_id: String,
    /// When the main thread stops waiting at the latest.
    pub(super) until: Deadline,
}

impl Flusher {
    /// Flushes for an invocation if the runtime is done with it, or else goes on holding it.
    pub(super) fn flush_or_hold(&mut self, held: Held) {
        let mut all = self.done.iter();
        let done = all.find(|done| done.request_id == held.request_id);
        match done.map(|done| done.done_ms) {
            Some(done_ms) => self.flush_held(held, done_ms),
            None => self.held = Some(held),
        }
    }

    /// Flushes if the invocation that is held is over.
    pub(super) fn flush_if_done(&mut self) {
        if let Some(held) = self.held.take() {
            self.flush_or_hold(held);
        }
    }

    /// Sends what belongs to the invocation that is held, and lets it go.
    pub(super) fn flush_held(&mut self, held: Held, done_ms: u64) {
        let budget = self.budget;
        let budget = budget.saturating_sub(LET_GO.min(budget / 4));
        let deadline = held.until.earlier(Deadline::since(done_ms, budget));
        // Kept where a panic finds it.
        self.held = Some(held);
        self.intake.release(&mut self.lane, &self.stats);
        self.publish();
        // It may have failed since the invocation began.
        if !self.lane.is_paused() {
            self.send_all(deadline);
            self.lane.was_waited_for(deadline.has_passed());
        }
        self.let_go();
    }

    /// Tells the main thread that it need not wait.
    pub(super) fn let_go(&mut self) {
        if let Some(Held { request_id, .. }) = self.held.take() {
            self.link.report(Report::Flushed { request_id });
        }
    }

    /// Forgets the invocation that was held; in vain, if it was for secrets without which nothing can be read.
    pub(super) fn forget_held(&mut self) {
        if self.held.take().is_some() && self.lane.keys.are_shaping() {
            self.lane.was_waited_for(true);
        }
    }

    /// Whether not even the end of an invocation can be read, and will not be soon.
    pub(super) fn cannot_be_read(&self) -> bool {
        self.lane.keys.are_shaping() && !self.lane.may_be_shaped_soon()
    }

    /// Lets an invocation go whose end cannot be read: there is nothing to hold it for.
    pub(super) fn let_go_unread(&mut self, request_id: String) {
        self.late = true;
        self.link.report(Report::Flushed { request_id });
    }
}
