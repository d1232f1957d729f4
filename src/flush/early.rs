//! Bodies that are not taken, or not whole: put aside until something is there that they wait for, or lost and counted.
//!
//! It must not look into one that waits.

use super::Flusher;
use crate::link::Body;
use crate::parse;

impl Flusher {
    /// Whether a snapshot may still be taken: nothing is made and nothing is asked for before it.
    pub(super) fn is_unborn(&self) -> bool {
        self.snapshot && self.invoked.is_empty() && self.ending.is_none()
    }

    /// Whether bodies are only put aside: for the first invocation after a snapshot, or for secrets without which no record can be made.
    pub(super) fn must_wait(&self) -> bool {
        self.is_unborn() || self.lane.keys.are_shaping()
    }

    /// Puts a body aside, and lets the main thread see how much lies there: it must be counted if this thread does not come to its end.
    pub(super) fn put_aside(&mut self, body: Body) {
        let events = parse::count(&body.bytes);
        self.aside = self.aside.saturating_add(events);
        self.early.push_back((body, events));
        // First counted there, and then no more in hand.
        self.link.lies_aside(self.aside);
        self.link.put_aside();
    }

    /// The oldest body that was put aside, with its events; it counts as one of them until it is begun with or dropped.
    pub(super) fn next_early(&mut self) -> Option<(Body, usize)> {
        let (body, events) = self.early.pop_front()?;
        self.aside = self.aside.saturating_sub(events);
        Some((body, events))
    }

    /// Takes the bodies that were put aside, if they need not wait any more.
    pub(super) fn take_early(&mut self) {
        while !self.must_wait()
            && !self.stats.is_settled()
            && let Some((body, _)) = self.next_early()
        {
            self.take(body);
        }
    }

    /// Counts a body that nothing can be made of any more, by its events.
    pub(super) fn drop_late(&mut self, body: Body, late: usize) {
        self.stats.received.add(late);
        self.stats.dropped_at_shutdown.add(late);
        self.link.lies_aside(self.aside);
        self.link.done(body);
    }

    /// Counts what a panic kept from being taken out of a body.
    pub(super) fn count_lost(&mut self, body: &Body, read: usize, taken: usize) {
        self.link.lost();
        let all = parse::count(&body.bytes);
        self.stats.received.add(all.saturating_sub(read));
        self.stats.unreadable.add(all.saturating_sub(taken));
    }
}
