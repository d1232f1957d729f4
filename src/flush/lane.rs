//! A destination with its encoder, buffer and breaker: what becomes of a record once it is worth shipping.
//!
//! Nothing else decides what is sent, sent again, split, dropped or put aside, and each of it is counted here.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{Keys, Late, Learned, Made};
use crate::buffer::Buffer;
use crate::diag;
use crate::encode::{self, Encode, Format};
use crate::fault;
use crate::link::{Found, Hurry};
use crate::process::{Identity, Record, Stream};
use crate::send::{self, Breaker, Destination};
use crate::stats::Stats;
use crate::time;

/// What a lane is told by the configuration.
#[derive(Debug)]
pub struct Options {
    /// The format of payloads.
    pub format: &'static Format,
    /// What its encoder is told.
    pub encode: encode::Options,
    /// A payload's bytes, before compression.
    pub batch_bytes: usize,
    /// A payload's records.
    pub batch_records: usize,
    /// What may wait, in bytes.
    pub buffer_bytes: usize,
    /// Where payloads go.
    pub destination: send::Options,
    /// Where they go if that destination does not take them.
    pub fallback: Option<Fallback>,
    /// What of both is only known once secrets are.
    pub late: Option<Late>,
}

/// Where payloads go that a destination does not take.
#[derive(Debug)]
pub struct Fallback {
    /// The format, whose fragments are the destination's.
    pub format: &'static Format,
    /// What its encoder is told.
    pub encode: encode::Options,
    /// Where they go.
    pub destination: send::Options,
}

/// How records are written, and where they go.
pub(super) struct Way {
    /// The format of payloads.
    pub(super) format: &'static Format,
    /// Writes records.
    pub(super) encoder: Box<dyn Encode>,
    /// Where they go.
    pub(super) destination: Destination,
}

impl Way {
    /// One that nothing went yet.
    fn new(
        format: &'static Format,
        encode: encode::Options,
        destination: send::Options,
        hurry: &Hurry,
    ) -> Self {
        Self {
            format,
            encoder: (format.encoder)(&encode),
            destination: Destination::new(destination, hurry.clone()),
        }
    }
}

/// The least time between two records of our own on losses, in milliseconds.
const TOLD_MS: u64 = 10_000;

/// The lane.
pub(super) struct Lane {
    /// A payload's bytes as configured, before compression.
    pub(super) batch_bytes: usize,
    /// A payload's records as configured.
    pub(super) batch_records: usize,
    /// What may wait, in bytes.
    buffer_bytes: usize,
    /// What is counted.
    pub(super) stats: Arc<Stats>,
    /// Where records go.
    pub(super) way: Way,
    /// What waits.
    pub(super) buffer: Buffer,
    /// The secrets without which it does not go.
    pub(super) keys: Keys,
    /// Breaks off waiting for an answer.
    hurry: Hurry,
    /// Whether it goes.
    pub(super) breaker: Breaker,
    /// Where it goes otherwise.
    pub(super) fallback: Option<Way>,
    /// Whether it goes there.
    pub(super) fallback_breaker: Breaker,
    /// A payload's records, fewer while a refused one is searched for: half as many after a refusal, twice as many after a delivery.
    pub(super) records_max: usize,
    /// A payload's bytes, fewer where the destination said that one was too large.
    pub(super) bytes_max: usize,
    /// Whether an invocation waits for this destination: not for a while after it used up all the time in vain, even if it takes what is sent beside.
    pub(super) patience: Breaker,
    /// Records at the front of the buffer that may have arrived, although no answer came.
    pub(super) unsure: usize,
    /// Records at the front of the buffer that the fallback may have, although no answer came, and the record that stands before them: the same is sent again.
    pub(super) aside: Option<(usize, Vec<u8>)>,
    /// Records refused one by one since the last delivery.
    pub(super) culprits: u32,
    /// The last try was cut by a freeze, so that the next one must be waited for.
    pub(super) cut: bool,
    /// The environment's part of the ids of our own records; empty before it is known.
    pub(super) environment: String,
    /// Losses that a record of ours has told of.
    pub(super) told: u64,
    /// When it did, in milliseconds since 1970.
    pub(super) told_ms: u64,
}

impl Lane {
    /// A lane that has sent nothing.
    pub(super) fn new(options: Options, stats: Arc<Stats>, hurry: Hurry) -> Self {
        let Options {
            format,
            encode,
            batch_bytes,
            batch_records,
            buffer_bytes,
            destination,
            fallback,
            late,
        } = options;
        Self {
            stats,
            way: Way::new(format, encode, destination, &hurry),
            fallback: fallback.map(|it| Way::new(it.format, it.encode, it.destination, &hurry)),
            batch_bytes,
            batch_records,
            buffer_bytes,
            buffer: Buffer::new(buffer_bytes),
            breaker: Breaker::default(),
            fallback_breaker: Breaker::default(),
            records_max: batch_records,
            bytes_max: batch_bytes,
            patience: Breaker::default(),
            unsure: 0,
            aside: None,
            culprits: 0,
            cut: false,
            environment: String::new(),
            told: 0,
            told_ms: 0,
            keys: Keys::new(late),
            hurry,
        }
    }

    /// The number to ask for secrets with, if it is time to ask.
    pub(super) fn ask(&mut self) -> Option<u64> {
        self.keys.ask(self.breaker.allows())
    }

    /// What is left until secrets that are not there are asked for again.
    pub(super) fn until_asked(&self) -> Option<Duration> {
        self.keys.until_asked(self.breaker.left())
    }

    /// Whether it has the secrets without which nothing can be sent.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.are_there()
    }

    /// Whether it is about to get them.
    pub(super) fn awaits_keys(&self) -> bool {
        self.keys.are_awaited()
    }

    /// Secrets were fetched; what is told from now on, and whether records waited for them that can be sent now.
    pub(super) fn learn(&mut self, found: &Found) -> Option<(Box<Made>, bool)> {
        match self.keys.learn(found) {
            Learned::Nothing => None,
            Learned::Made(made, waited) => {
                say!(Info, "the destination's secrets were read");
                if waited {
                    self.breaker.succeeded();
                }
                Some((made, waited))
            }
            Learned::Missing(why) => {
                self.breaker.failed(None, time::chance());
                say!(
                    Error,
                    "nothing is sent, and records wait, without a secret: {why}"
                );
                None
            }
            Learned::Kept(why) => {
                say!(
                    Warn,
                    "a secret could not be read again, and the old one is kept: {why}"
                );
                None
            }
        }
    }

    /// Takes what is made with secrets; the buffer and the format of what waits in it stay.
    pub(super) fn turn_to(&mut self, options: Options) {
        let Options {
            format,
            encode,
            destination,
            fallback,
            ..
        } = options;
        let (bytes, records) = (options.batch_bytes, options.batch_records);
        // What the destination showed to be too much is too much for it still.
        let is_same = self.way.destination.is_at(&destination.url)
            && (self.batch_bytes, self.batch_records) == (bytes, records);
        if !is_same {
            (self.batch_bytes, self.bytes_max) = (bytes, bytes);
            (self.batch_records, self.records_max) = (records, records);
        }
        self.way = Way::new(format, encode, destination, &self.hurry);
        self.fallback =
            fallback.map(|it| Way::new(it.format, it.encode, it.destination, &self.hurry));
    }

    /// Begins the stream of this environment, under a name that no other environment has.
    pub(super) fn begin(&mut self) -> Stream {
        let environment = time::environment();
        // Each destination is told other things, and two may be one place.
        self.environment = match diag::destination() {
            1 => format!("{environment}-own"),
            number => format!("{environment}-own{number}"),
        };
        Stream::new(environment.to_owned())
    }

    /// Tells who logs.
    pub(super) fn identify(&mut self, identity: &Identity) {
        if cfg!(feature = "bare") {
            return;
        }
        self.way.encoder.identify(identity);
        if let Some(fallback) = &mut self.fallback {
            fallback.encoder.identify(identity);
        }
    }

    /// Records that wait.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.records()
    }

    /// Whether the buffer is more than half full.
    pub(super) fn is_crowded(&self) -> bool {
        self.buffer.bytes() > self.buffer_bytes / 2
    }

    /// Whether nobody should wait for this destination: it is away, or was not worth the wait lately.
    pub(super) fn is_paused(&self) -> bool {
        self.is_away() || !self.patience.allows()
    }

    /// Whether the destination failed, and has not been seen well since.
    pub(super) fn is_away(&self) -> bool {
        self.breaker.has_failed() && !(self.cut && self.breaker.is_long())
    }

    /// Whether the secrets without which no record can be made are worth waiting for.
    pub(super) fn may_be_shaped_soon(&self) -> bool {
        self.awaits_keys() && !self.is_paused()
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
        let bytes = self.bytes_max.min(self.buffer_bytes / 2);
        let full = self.buffer.bytes() >= bytes || self.buffer.records() >= self.batch_records;
        full && self.has_keys() && self.breaker.allows()
    }

    /// Whether the buffer is more than half full and something can be done about it.
    pub(super) fn can_be_relieved(&self) -> bool {
        let aside = self.is_away() && self.fallback.is_some() && self.fallback_breaker.allows();
        self.is_crowded() && (self.is_due() || aside)
    }

    /// Puts a record into the buffer.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn push(&mut self, record: &Record<'_>) {
        fault::point("encode");
        let Self {
            way,
            buffer,
            stats,
            unsure,
            aside,
            ..
        } = self;
        let Format {
            frame,
            record_bytes,
            ..
        } = way.format;
        let dropped = buffer.push(|out| {
            if encode::within(&mut *way.encoder, record, *record_bytes, out) {
                stats.truncated.add(1);
            }
            out.extend_from_slice(frame.separator.as_bytes());
        });
        stats.encoded.step();
        if dropped > 0 {
            stats.dropped_by_buffer.add(dropped);
            *unsure = unsure.saturating_sub(dropped);
            *aside = None;
            say!(Error, "the buffer is full: the oldest records are dropped");
        }
    }

    /// Puts a record of our own into the buffer.
    pub(super) fn push_own(&mut self, record: Record<'_>) {
        let (timestamp, environment) = (now_as_json(), self.environment.clone());
        self.push(&Record {
            timestamp: Some(&timestamp),
            received_ms: time::epoch_ms(),
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
pub(super) fn now_as_json() -> String {
    format!("\"{}\"", time::rfc3339(time::epoch_ms()))
}
