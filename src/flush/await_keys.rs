//! The flush thread and its lane's secrets: asking for them, learning them, and waiting for them where somebody waits for what is sent.
//!
//! It must not hold anybody beyond a deadline, nor ask before a snapshot is taken.

use super::Flusher;
use crate::link::Found;
use crate::time::Deadline;

impl Flusher {
    /// Asks for the lane's secrets if it is time; nothing is asked for before a snapshot is taken.
    pub(super) fn ask(&mut self) {
        if self.options.snapshot && self.invoked.is_empty() && self.ending.is_none() {
            return;
        }
        if let Some(seen) = self.lane.ask() {
            self.link.ask(seen);
        }
    }

    /// Secrets were fetched: what was kept waiting for them goes beside whatever runs.
    pub(super) fn learn(&mut self, found: &Found) {
        self.late |= self.lane.learn(found, &self.identity);
    }

    /// Waits for secrets that are on their way, if there is something to send.
    pub(super) fn await_keys(&mut self, deadline: Deadline) {
        self.ask();
        while self.lane.waiting() > 0 && self.lane.awaits_keys() && !deadline.has_passed() {
            let Some(found) = self.link.found(deadline.left()) else {
                return;
            };
            self.learn(&found);
        }
    }

    /// Sends all that waits while somebody waits for it, for secrets too: those that the destination does not take any more are read again.
    pub(super) fn send_all(&mut self, deadline: Deadline) {
        self.await_keys(deadline);
        self.lane.send_all(deadline);
        if !self.lane.has_keys() {
            self.await_keys(deadline);
            self.lane.send_all(deadline);
        }
    }
}
