//! A destination with its encoder, buffer and breaker: what becomes of a record once it is worth shipping.
//!
//! Nothing else decides what is sent, sent again, split, dropped or put aside, and each of it is counted here.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::buffer::{Batch, Buffer};
use crate::encode::{Encode, Format};
use crate::fault;
use crate::link::{Gauge, Hurry};
use crate::process::{Identity, Record, Stream};
use crate::send::{self, Breaker, Destination, Outcome, Payload};
use crate::stats::Stats;
use crate::time::{self, Deadline, Stopwatch};

/// What a lane is told by the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The format of payloads.
    pub format: &'static Format,
    /// A payload's bytes, before compression.
    pub batch_bytes: usize,
    /// A payload's records.
    pub batch_records: usize,
    /// What may wait, in bytes.
    pub buffer_bytes: usize,
    /// Where payloads go.
    pub destination: send::Options,
    /// Where they go if that destination does not take them.
    pub fallback: Option<send::Options>,
}

/// Records in a row that are refused one by one before more and more are given up at once: then it is not a record that the destination does not like.
const CULPRITS_MAX: u32 = 16;

/// The longest that a payload for the fallback may take.
const FALLBACK_WAIT: Duration = Duration::from_secs(2);

/// A send that took so much longer than it might was frozen on its way.
const FROZEN_MIN: Duration = Duration::from_millis(500);

/// The least time between two records of our own on losses, in milliseconds.
const TOLD_MS: u64 = 10_000;

/// The lane.
pub(super) struct Lane {
    /// What was configured.
    options: Options,
    /// What is counted.
    stats: Arc<Stats>,
    /// Where others see how many records wait.
    shown: Gauge,
    /// Writes records.
    encoder: Box<dyn Encode>,
    /// What waits.
    buffer: Buffer,
    /// Where it goes.
    destination: Destination,
    /// Whether it goes.
    breaker: Breaker,
    /// Where it goes otherwise.
    fallback: Option<Destination>,
    /// Whether it goes there.
    fallback_breaker: Breaker,
    /// A payload's records, fewer while a refused one is searched for: half as many after a refusal, twice as many after a delivery.
    records_max: usize,
    /// A payload's bytes, fewer where the destination said that one was too large.
    bytes_max: usize,
    /// Whether an invocation waits for this destination: not for a while after it used up all the time in vain, even if it takes what is sent beside.
    patience: Breaker,
    /// Records at the front of the buffer that may have arrived, although no answer came.
    unsure: usize,
    /// Records refused one by one since the last delivery.
    culprits: u32,
    /// The last try was cut by a freeze, so that the next one must be waited for.
    cut: bool,
    /// The environment's part of the ids of our own records; empty before it is known.
    environment: String,
    /// Losses that a record of ours has told of.
    told: u64,
    /// When it did, in milliseconds since 1970.
    told_ms: u64,
}

impl Lane {
    /// A lane that has sent nothing.
    pub(super) fn new(options: Options, stats: Arc<Stats>, shown: Gauge, hurry: &Hurry) -> Self {
        Self {
            stats,
            shown,
            encoder: (options.format.encoder)(),
            buffer: Buffer::new(options.buffer_bytes),
            destination: Destination::new(options.destination.clone(), hurry.clone()),
            breaker: Breaker::default(),
            fallback: options
                .fallback
                .clone()
                .map(|fallback| Destination::new(fallback, hurry.clone())),
            fallback_breaker: Breaker::default(),
            records_max: options.batch_records,
            bytes_max: options.batch_bytes,
            patience: Breaker::default(),
            unsure: 0,
            culprits: 0,
            cut: false,
            environment: String::new(),
            told: 0,
            told_ms: 0,
            options,
        }
    }

    /// Begins the stream of this environment, under a name that no other environment has.
    pub(super) fn begin(&mut self) -> Stream {
        let environment = time::unique();
        self.environment = format!("{environment}-own");
        Stream::new(environment)
    }

    /// Lets others see how many records wait.
    pub(super) fn show_waiting(&self) {
        self.shown.set(self.waiting());
    }

    /// Tells who logs.
    pub(super) fn identify(&mut self, identity: &Identity) {
        self.encoder.identify(identity);
    }

    /// Records that wait.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.records()
    }

    /// Whether the buffer is more than half full.
    pub(super) fn is_crowded(&self) -> bool {
        self.buffer.bytes() > self.options.buffer_bytes / 2
    }

    /// Whether nobody should wait for this destination: it is away, or was not worth the wait lately.
    pub(super) fn is_paused(&self) -> bool {
        self.is_away() || !self.patience.allows()
    }

    /// Whether the destination failed, and has not been seen well since.
    fn is_away(&self) -> bool {
        self.breaker.has_failed() && !(self.cut && self.breaker.is_long())
    }

    /// An invocation was held for this destination, in vain if that took all the time there was.
    pub(super) fn was_waited_for(&mut self, in_vain: bool) {
        if in_vain {
            self.patience.failed(None, time::chance());
        } else {
            self.patience.succeeded();
        }
    }

    /// What is left of the pause in which the destination is left alone.
    pub(super) fn pause_left(&self) -> Duration {
        self.breaker.left()
    }

    /// Whether a payload is full and may be sent.
    pub(super) fn is_due(&self) -> bool {
        // A buffer smaller than a payload must not have to overflow first.
        let bytes = self.bytes_max.min(self.options.buffer_bytes / 2);
        let full =
            self.buffer.bytes() >= bytes || self.buffer.records() >= self.options.batch_records;
        full && self.breaker.allows()
    }

    /// Whether the buffer is more than half full and something can be done about it.
    pub(super) fn can_be_relieved(&self) -> bool {
        let aside = self.is_away() && self.fallback.is_some() && self.fallback_breaker.allows();
        self.is_crowded() && (self.is_due() || aside)
    }

    /// Puts a record into the buffer.
    pub(super) fn push(&mut self, record: &Record<'_>) {
        fault::point("encode");
        let Self {
            options,
            encoder,
            buffer,
            stats,
            unsure,
            ..
        } = self;
        let separator = options.format.frame.separator;
        let dropped = buffer.push(|out| {
            encoder.encode(record, out);
            out.extend_from_slice(separator.as_bytes());
        });
        stats.encoded.add(1);
        if dropped > 0 {
            stats.dropped_by_buffer.add(dropped);
            *unsure = unsure.saturating_sub(dropped);
            say!(Error, "the buffer is full: the oldest records are dropped");
        }
    }

    /// Puts what does not fit much longer aside, if there is a fallback and the destination is away.
    pub(super) fn relieve(&mut self, deadline: Deadline) {
        while self.is_crowded() && self.is_away() && self.fallback.is_some() {
            let batch = self.next_batch(self.options.batch_records);
            if !self.put_aside(batch, "not delivered in time", deadline) {
                return;
            }
        }
    }

    /// Sends full payloads.
    pub(super) fn send_full(&mut self, deadline: Deadline) {
        while self.is_due() && !deadline.has_passed() {
            if !self.send_one(deadline) {
                return;
            }
        }
    }

    /// Sends all that waits, if the destination may be tried.
    pub(super) fn send_all(&mut self, deadline: Deadline) {
        while self.waiting() > 0 && self.breaker.allows() && !deadline.has_passed() {
            if !self.send_one(deadline) {
                return;
            }
        }
    }

    /// Sends all that waits for the last time; what then still waits is put aside or lost.
    pub(super) fn finish(&mut self, deadline: Deadline) {
        // A pause is no reason not to make the last try, unless the fallback needs the time.
        let share = if self.fallback.is_some() {
            Deadline::after(deadline.left() / 2)
        } else {
            deadline
        };
        self.breaker.lift();
        self.fallback_breaker.lift();
        self.send_all(share.earlier(deadline));
        while self.fallback.is_some() && self.waiting() > 0 && !deadline.has_passed() {
            let batch = self.next_batch(self.options.batch_records);
            if !self.put_aside(batch, "not delivered before the end", deadline) {
                break;
            }
        }
        self.stats.dropped_at_shutdown.add(self.waiting());
    }

    /// The next payload.
    fn next_batch(&self, records_max: usize) -> Batch {
        self.buffer.batch(self.bytes_max, records_max)
    }

    /// Sends one payload; `false` if it still waits.
    fn send_one(&mut self, deadline: Deadline) -> bool {
        fault::point("send");
        while !deadline.has_passed() {
            let batch = self.next_batch(self.records_max);
            let outcome = self.attempt(batch, deadline);
            say!(Debug, "{} records: {outcome}", batch.records);
            match outcome {
                Outcome::Delivered { status, odd, .. } => {
                    self.breaker.succeeded();
                    self.culprits = 0;
                    self.release(batch.records);
                    self.stats.delivered.add(batch.records);
                    // What was too large once may not be for ever, so it is felt for in small steps.
                    if batch.bytes > self.bytes_max / 2 {
                        let more = self.bytes_max.saturating_add(self.bytes_max / 8 + 1);
                        self.bytes_max = more.min(self.options.batch_bytes);
                    }
                    if let Some(odd) = odd {
                        say!(
                            Warn,
                            "the destination answered {status} with {odd}: is the endpoint right?"
                        );
                    }
                    return true;
                }
                Outcome::Later {
                    why,
                    asked,
                    may_have_arrived,
                } => {
                    if may_have_arrived {
                        self.unsure = self.unsure.max(batch.records);
                    }
                    self.breaker.failed(asked, time::chance());
                    say!(
                        Warn,
                        "{} records were not delivered and are kept for later: {why}",
                        batch.records
                    );
                    return false;
                }
                Outcome::TooLarge if batch.records > 1 => self.bytes_max = batch.bytes / 2,
                Outcome::TooLarge => {
                    self.refuse(batch, "413: one record is too large", deadline);
                    return true;
                }
                Outcome::Refused { status, answer } => {
                    let searched = matches!(status, 400 | 422) && self.culprits < CULPRITS_MAX;
                    if searched && batch.records > 1 {
                        say!(
                            Warn,
                            "the destination refused one of {} records: {status}: {answer}; looking for it",
                            batch.records
                        );
                        self.records_max = batch.records / 2;
                        continue;
                    }
                    self.culprits = self.culprits.saturating_add(1);
                    self.refuse(batch, &format!("{status}: {answer}"), deadline);
                    if searched {
                        // What is like it often stands beside it.
                        self.records_max = 1;
                    }
                    return true;
                }
            }
        }
        false
    }

    /// Sends a payload to the destination.
    fn attempt(&mut self, batch: Batch, deadline: Deadline) -> Outcome {
        let (allowed, watch) = (deadline.left(), Stopwatch::start());
        let began_ms = time::epoch_ms();
        let pieces = self
            .buffer
            .pieces(batch, self.options.format.frame.separator);
        self.stats.resent.add(self.unsure.min(batch.records));
        let payload = Payload {
            records: batch.records,
            pieces,
        };
        let outcome = self.destination.send(payload, deadline, &self.stats);
        let wall = Duration::from_millis(time::epoch_ms().saturating_sub(began_ms));
        let late = wall.max(watch.elapsed()) > allowed + FROZEN_MIN;
        self.cut = late && matches!(outcome, Outcome::Later { .. });
        outcome
    }

    /// What the destination refused for good goes to the fallback, or is dropped.
    fn refuse(&mut self, batch: Batch, why: &str, deadline: Deadline) {
        // It answered, so it is there.
        self.breaker.succeeded();
        let records = batch.records;
        say!(Error, "the destination refused {records} records: {why}");
        if !self.put_aside(batch, why, deadline) {
            self.release(records);
            self.stats.refused.add(records);
        }
    }

    /// Takes records out of the buffer.
    fn release(&mut self, records: usize) {
        self.buffer.release(records);
        self.show_waiting();
        self.unsure = self.unsure.saturating_sub(records);
        let more = self.records_max.saturating_mul(2);
        self.records_max = more.min(self.options.batch_records);
    }

    /// Sends a payload to the fallback, behind a record that says why; `false` if it is not there or does not take it.
    fn put_aside(&mut self, batch: Batch, why: &str, deadline: Deadline) -> bool {
        let Some(fallback) = &mut self.fallback else {
            return false;
        };
        if !self.fallback_breaker.allows() {
            return false;
        }
        let frame = self.options.format.frame;
        let mut marker = Vec::new();
        let mut reason = String::from("{\"reason\":");
        quote(&mut reason, why);
        // Writing into memory cannot fail.
        write!(reason, ",\"records\":{}}}", batch.records).unwrap_or(());
        self.stats.marked.add(1);
        let timestamp = now_as_json();
        let own = Record {
            kind: "brooklet.dead_letter",
            record: Some(&reason),
            timestamp: Some(&timestamp),
            environment: &self.environment,
            sequence: self.stats.own.get() + self.stats.marked.get(),
            ..Record::default()
        };
        self.encoder.encode(&own, &mut marker);
        marker.extend_from_slice(frame.separator.as_bytes());
        let pieces = self.buffer.pieces(batch, frame.separator);
        let payload = Payload {
            records: batch.records,
            pieces: std::iter::once(marker.as_slice()).chain(pieces),
        };
        let deadline = deadline.earlier(Deadline::after(FALLBACK_WAIT));
        match fallback.send(payload, deadline, &self.stats) {
            Outcome::Delivered { .. } => {
                self.fallback_breaker.succeeded();
                self.release(batch.records);
                self.stats.dead_lettered.add(batch.records);
                true
            }
            outcome => {
                self.fallback_breaker.failed(None, time::chance());
                say!(
                    Error,
                    "the fallback did not take {} records: {outcome}",
                    batch.records
                );
                false
            }
        }
    }

    /// Puts a record of our own into the buffer.
    pub(super) fn push_own(&mut self, record: Record<'_>) {
        let (timestamp, environment) = (now_as_json(), self.environment.clone());
        self.push(&Record {
            timestamp: Some(&timestamp),
            environment: &environment,
            sequence: self.stats.own.get() + self.stats.marked.get() + 1,
            ..record
        });
        self.stats.own.add(1);
    }

    /// Tells of every counter, if there is a new loss to tell of or this is the `last` time; `held` records wait to be whole.
    pub(super) fn tell(&mut self, last: bool, held: usize) {
        let (losses, now_ms) = (self.stats.lost(), time::epoch_ms());
        let quiet = now_ms.abs_diff(self.told_ms) < TOLD_MS;
        if !last && (losses == self.told || quiet) {
            return;
        }
        (self.told, self.told_ms) = (losses, now_ms);
        let mut counters = String::from("{");
        for (name, value) in self.stats.each() {
            // Writing into memory cannot fail.
            let value = value + u64::from(name == "own");
            write!(counters, "\"{name}\":{value},").unwrap_or(());
        }
        write!(counters, "\"waiting\":{}}}", self.waiting() + 1 + held).unwrap_or(());
        self.push_own(Record {
            kind: "brooklet.stats",
            record: Some(&counters),
            ..Record::default()
        });
    }
}

/// The time as JSON text.
fn now_as_json() -> String {
    format!("\"{}\"", time::rfc3339(time::epoch_ms()))
}

/// Writes a JSON string.
fn quote(out: &mut String, text: &str) {
    // A string can always be written.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}
