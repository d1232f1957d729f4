//! What the threads see of each other besides what travels on the channels: how much waits for a lane, since when, and how it is.
//!
//! Numbers and flags that one thread sets and others read; nobody waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::time;

/// Bytes of bodies that may wait for a flush thread; one body larger than this is taken when nothing else waits.
pub const BACKLOG_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What is on its way: how many bytes wait between the receive threads and the flush thread, since when, and how the lane is.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Bytes of the bodies that were put in and not yet taken out.
    bytes: AtomicUsize,
    /// When the oldest body that waits was put in, in milliseconds since 1970; 0 if none waits.
    since_ms: AtomicU64,
    /// The destination's buffer is more than half full.
    crowded: AtomicBool,
    /// The destination is left alone after failures.
    paused: AtomicBool,
    /// Events that the lane had counted when it began with the body in its hand.
    before_hand: AtomicU64,
    /// Events of the bodies that the flush thread has put aside.
    aside: AtomicUsize,
    /// When something of the stream was lost last, in milliseconds since 1970.
    lost_ms: AtomicU64,
    /// A body waited for room in vain, and the backlog has not been seen half empty since.
    stuck: AtomicBool,
    /// The environment ends: whoever waits for an answer should not.
    hurry: Hurry,
}

/// How many batches were taken that the platform has no answer to yet.
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<AtomicUsize>);

impl Answers {
    /// One more, until what is returned is dropped.
    #[must_use]
    pub fn owed(&self) -> Owed {
        self.0.fetch_add(1, Ordering::AcqRel);
        Owed(self.clone())
    }

    /// Whether all were given.
    #[must_use]
    pub fn are_given(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// An answer that is owed, and given when this is dropped, by a panic too.
#[derive(Debug)]
pub struct Owed(Answers);

impl Drop for Owed {
    fn drop(&mut self) {
        let Answers(owed) = &self.0;
        owed.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Breaks off waiting for a destination's answer.
#[derive(Debug, Clone, Default)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// Whether to break off.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks to break off, or no longer to.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Release);
    }
}

impl Backlog {
    /// Takes room for a body, if there is any.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        self.bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                let sum = held.saturating_add(bytes);
                (held == 0 || sum <= BACKLOG_BYTES_MAX).then_some(sum)
            })
            .is_ok()
    }

    /// Gives room back.
    pub(super) fn release(&self, bytes: usize) {
        // Never below zero: whatever is released was reserved.
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// A body that came then begins to wait; only the first one that waits sets the time.
    pub(super) fn begins_to_wait(&self, since_ms: u64) {
        let since_ms = since_ms.max(1);
        self.since_ms
            .compare_exchange(0, since_ms, Ordering::AcqRel, Ordering::Acquire)
            .unwrap_or_default();
    }

    /// The oldest body that waits came then; 0 if none waits.
    pub(super) fn waits_since(&self, since_ms: u64) {
        self.since_ms.store(since_ms, Ordering::Release);
    }

    /// Something of the stream is lost now.
    pub(super) fn lost(&self) {
        self.lost_ms.store(time::epoch_ms(), Ordering::Release);
    }

    /// Whether it is at most half full.
    pub(super) fn is_relaxed(&self) -> bool {
        self.bytes.load(Ordering::Acquire) <= BACKLOG_BYTES_MAX / 2
    }

    /// Whether a body waited for room in vain, and the backlog has not been seen half empty since.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// Remembers that a body waited for room in vain, or forgets it.
    pub(super) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Release);
    }

    /// How the lane is.
    pub(super) fn publish(&self, crowded: bool, paused: bool) {
        self.crowded.store(crowded, Ordering::Release);
        self.paused.store(paused, Ordering::Release);
    }

    /// So many events were counted when the body in hand was begun with.
    pub(super) fn set_before_hand(&self, events: u64) {
        self.before_hand.store(events, Ordering::Release);
    }

    /// Tells of the events that are put aside.
    pub(super) fn set_aside(&self, events: usize) {
        self.aside.store(events, Ordering::Release);
    }

    /// Whether the destination's buffer is more than half full.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Acquire)
    }

    /// Whether the destination is left alone after failures.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Events that had been counted when the body in hand was begun with.
    #[must_use]
    pub(super) fn before_hand(&self) -> u64 {
        self.before_hand.load(Ordering::Acquire)
    }

    /// Events of the bodies that the flush thread has put aside.
    #[must_use]
    pub fn events_aside(&self) -> usize {
        self.aside.load(Ordering::Acquire)
    }

    /// When something of the stream was lost last, in milliseconds since 1970; 0 if nothing was.
    #[must_use]
    pub fn lost_ms(&self) -> u64 {
        self.lost_ms.load(Ordering::Acquire)
    }

    /// What breaks off waiting for an answer.
    #[must_use]
    pub fn hurry(&self) -> &Hurry {
        &self.hurry
    }

    /// Since when a body waits for the flush thread, in milliseconds since 1970.
    #[must_use]
    pub fn waiting_since_ms(&self) -> Option<u64> {
        match self.since_ms.load(Ordering::Acquire) {
            0 => None,
            since => Some(since),
        }
    }
}
