//! Atomic counters, one for each thing that can happen to a record, and for each destination its own.
//!
//! They are shared between the threads and only ever grow; relaxed order is enough, as nothing is decided by them but who counts what is left at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the counter.
    pub fn add(&self, n: usize) {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        // What the stream says it dropped may be any number.
        let sum = |count: u64| Some(count.saturating_add(n));
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum)
            .unwrap_or_default();
    }

    /// Adds one to a counter that no other thread adds to, without the lock on memory that [`add`](Self::add) takes.
    pub fn step(&self) {
        self.0
            .store(self.get().saturating_add(1), Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares [`Stats`] and its list of names from one table.
macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident),+ $(,)?) => {
        /// Every counter.
        #[derive(Debug, Default)]
        pub struct Stats {
            $($(#[$doc])+ pub $name: Counter,)+
            /// Somebody has counted what is left at the end.
            settled: AtomicBool,
        }

        impl Stats {
            /// Every counter's name and value, in the order of the flow.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.get())),+].into_iter()
            }
        }
    };
}

counters! {
    /// Events that came with the platform's batches, readable or not.
    received,
    /// Events that were read.
    parsed,
    /// Events, or whole bodies without a readable array, that could not be read.
    unreadable,
    /// Records left out because the configuration says so.
    filtered,
    /// Events that became part of the record before them (`BROOKLET_MULTILINE`).
    joined,
    /// Records in which something was masked.
    redacted,
    /// Records written into the buffer.
    encoded,
    /// Records that were cut because the destination takes none so large.
    truncated,
    /// Records that the destination took.
    delivered,
    /// Records that brooklet itself wrote: what it received and these make up all that it must account for.
    own,
    /// Tries after a first one.
    retried,
    /// Records of payloads that were sent again although the try before may have arrived: the destination may have them twice.
    resent,
    /// Records that the destination refused for good.
    refused,
    /// Records that went to the fallback instead of the destination.
    dead_lettered,
    /// Payloads that went to the fallback, each behind a record that says why.
    marked,
    /// Records pushed out of a full buffer, oldest first, or larger than it.
    dropped_by_buffer,
    /// Records that were still waiting when the environment ended.
    dropped_at_shutdown,
    /// Batches that were larger than the listener takes.
    bodies_too_large,
    /// Batches that found no room between the listener and the flush thread.
    bodies_without_room,
    /// Batches whose sender stopped before their end.
    bodies_cut_short,
    /// Records that the platform itself says it dropped (`platform.logsDropped`).
    dropped_by_platform,
    /// Panics of a worker thread, each caught.
    panics,
    /// SHUTDOWN events that the flush thread dealt with, of which there is one.
    ended,
}

/// A destination's counters.
#[derive(Debug, Clone)]
pub struct Account {
    /// The destination's number, from 1.
    pub destination: usize,
    /// What is counted.
    pub stats: Arc<Stats>,
}

/// The counters that tell of records that are lost.
const LOSSES: [&str; 9] = [
    "unreadable",
    "refused",
    "dropped_by_buffer",
    "dropped_at_shutdown",
    "bodies_too_large",
    "bodies_without_room",
    "bodies_cut_short",
    "dropped_by_platform",
    "panics",
];

/// The counters that tell what became of a record.
const ENDS: [&str; 8] = [
    "unreadable",
    "filtered",
    "joined",
    "delivered",
    "refused",
    "dead_lettered",
    "dropped_by_buffer",
    "dropped_at_shutdown",
];

impl Stats {
    /// Records of which nothing has become yet: they wait, or are in a thread's hand.
    #[must_use]
    pub fn open(&self) -> u64 {
        let all = self.received.get().saturating_add(self.own.get());
        let ended = self.each().filter(|(name, _)| ENDS.contains(name));
        ended.fold(all, |open, (_, value)| open.saturating_sub(value))
    }

    /// Whether the caller is the first who is to count what is left at the end; nobody else may, or it would be counted twice.
    #[must_use]
    pub fn settles(&self) -> bool {
        !self.settled.swap(true, Ordering::AcqRel)
    }

    /// Whether somebody is counting what is left: nothing may be taken any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// The sum of all losses.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let losses = self.each().filter(|(name, _)| LOSSES.contains(name));
        losses.fold(0, |sum: u64, (_, value)| sum.saturating_add(value))
    }

    /// The counters that tell of a loss and are not zero, as `name=value`, or nothing if there was no loss.
    #[must_use]
    pub fn losses(&self) -> Option<String> {
        let mut text = String::new();
        for (name, value) in self.each() {
            if value > 0 && LOSSES.contains(&name) {
                let separator = if text.is_empty() { "" } else { " " };
                text = format!("{text}{separator}{name}={value}");
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_losses_are_told_as_losses() {
        let stats = Stats::default();
        stats.received.add(5);
        stats.delivered.add(4);
        stats.retried.add(2);
        assert_eq!(stats.losses(), None);
        stats.refused.add(1);
        stats.dropped_by_platform.add(7);
        assert_eq!(
            stats.losses().as_deref(),
            Some("refused=1 dropped_by_platform=7")
        );
    }

    #[test]
    fn what_is_left_is_counted_by_one_alone() {
        let stats = Stats::default();
        assert!(stats.settles());
        assert!(!stats.settles());
    }

    #[test]
    fn a_record_is_open_until_it_is_known_what_became_of_it() {
        let stats = Stats::default();
        stats.received.add(10);
        stats.own.add(1);
        stats.parsed.add(10);
        stats.encoded.add(9);
        assert_eq!(stats.open(), 11);
        for counter in [
            &stats.unreadable,
            &stats.filtered,
            &stats.joined,
            &stats.delivered,
            &stats.refused,
            &stats.dead_lettered,
            &stats.dropped_by_buffer,
            &stats.dropped_at_shutdown,
        ] {
            counter.add(1);
        }
        assert_eq!(stats.open(), 3);
        stats.delivered.add(3);
        assert_eq!(stats.open(), 0);
    }

    #[test]
    fn every_loss_named_is_a_counter() {
        let stats = Stats::default();
        for counter in [
            &stats.unreadable,
            &stats.refused,
            &stats.dropped_by_buffer,
            &stats.dropped_at_shutdown,
            &stats.bodies_too_large,
            &stats.bodies_without_room,
            &stats.bodies_cut_short,
            &stats.dropped_by_platform,
            &stats.panics,
        ] {
            counter.add(1);
        }
        let told = stats.losses().map_or(0, |text| text.split(' ').count());
        assert_eq!(told, 9);
    }
}
