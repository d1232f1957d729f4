//! The flush thread and its lane's secrets: asking for them, learning them, and waiting for them where somebody waits for what is sent.
//!
//! It must not hold anybody beyond a deadline, nor ask before a snapshot is taken.

use std::time::Duration;

use super::Flusher;
use crate::link::Found;
use crate::time::Deadline;

impl Flusher {
    /// Asks for the lane's secrets if it is time; nothing is asked for before a snapshot is taken.
    pub(super) fn ask(&mut self) {
        if self.is_unborn() {
            return;
        }
        if let Some(seen) = self.lane.ask() {
            self.link.ask(seen);
        }
    }

    /// What is left until a secret that bodies wait for is asked for again: an invocation may be long and silent.
    pub(super) fn until_asked(&self) -> Option<Duration> {
        let waits = !self.early.is_empty() && !self.is_unborn();
        waits.then(|| self.lane.until_asked()).flatten()
    }

    /// Secrets were fetched: what was kept waiting for them goes beside whatever runs.
    pub(super) fn learn(&mut self, found: &Found) {
        let Some((made, waited)) = self.lane.learn(found) else {
            return;
        };
        let (mut options, mut identity) = *made;
        if self.lane.keys.shape_records() {
            self.intake.release(&mut self.lane, &self.stats);
            self.intake.exchange(&mut options.process);
            std::mem::swap(&mut self.identity.tags, &mut identity.tags);
        }
        self.lane.turn_to(options.lane);
        self.lane.identify(&self.identity);
        self.late |= waited;
        self.take_early();
    }

    /// Waits for secrets that are on their way, if there is something to send.
    pub(super) fn await_keys(&mut self, deadline: Deadline) {
        self.ask();
        while (self.lane.waiting() > 0 || !self.early.is_empty())
            && self.lane.awaits_keys()
            && !deadline.has_passed()
        {
            let Some(found) = self.link.found(deadline.left()) else {
                return;
            };
            self.learn(&found);
        }
    }

    /// The end has come: waits for secrets without which no record can be made, as one that was missing may be there by now.
    pub(super) fn await_shape(&mut self, deadline: Deadline) {
        if self.lane.keys.are_shaping() {
            self.lane.breaker.lift();
            self.await_keys(deadline);
            while let Some((body, events)) = self.next_early() {
                self.drop_late(body, events);
            }
        }
    }

    /// Sends all that waits while somebody waits for it, for secrets too: those that the destination does not take any more are read again.
    pub(super) fn send_all(&mut self, deadline: Deadline) {
        for _ in 0..2 {
            self.await_keys(deadline);
            self.lane.send_all(deadline);
            if self.lane.has_keys() {
                return;
            }
        }
    }
}
