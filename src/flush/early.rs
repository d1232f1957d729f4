//! Bodies that are not taken, or not whole: put aside until something is there that they wait for, or lost and counted.
//!
//! It must not look into one that waits.

use super::Flusher;
use crate::link::Body;
use crate::parse;

impl Flusher {
    /// Whether bodies are only put aside: for the first invocation after a snapshot, or for secrets without which no record can be made.
    pub(super) fn must_wait(&self) -> bool {
        let unborn = self.snapshot && self.invoked.is_empty() && self.ending.is_none();
        unborn || self.lane.keys.are_shaping()
    }

    /// Puts a body aside, and lets the main thread see how much lies there: it must be counted if this thread does not come to its end.
    pub(super) fn put_aside(&mut self, body: Body) {
        self.aside = self.aside.saturating_add(parse::count(&body.bytes));
        self.early.push_back(body);
        self.link.put_aside(self.aside);
    }

    /// The oldest body that was put aside.
    pub(super) fn next_early(&mut self) -> Option<Body> {
        let body = self.early.pop_front()?;
        self.aside = self.aside.saturating_sub(parse::count(&body.bytes));
        self.link.put_aside(self.aside);
        Some(body)
    }

    /// Takes the bodies that were put aside, if they need not wait any more.
    pub(super) fn take_early(&mut self) {
        while !self.must_wait()
            && let Some(body) = self.next_early()
        {
            self.take(body);
        }
    }

    /// Counts a body that nothing can be made of any more.
    pub(super) fn drop_late(&mut self, body: Body) {
        let late = parse::count(&body.bytes);
        self.stats.received.add(late);
        self.stats.dropped_at_shutdown.add(late);
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
