//! How a lane sends: one payload after the other, what is refused searched for and put aside, what was taken in part sorted out.
//!
//! It must not decide when: that is the flush thread's business.

use std::fmt::Write;
use std::time::Duration;

use super::lane::{Lane, now_as_json};
use crate::buffer::Batch;
use crate::fault;
use crate::parse;
use crate::process::Record;
use crate::send::{Fate, Outcome, Shaped};
use crate::time::{self, Deadline, Stopwatch};

/// Records in a row that are refused one by one before more and more are given up at once: then it is not a record that the destination does not like.
const CULPRITS_MAX: u32 = 16;

/// The longest that a payload for the fallback may take.
const FALLBACK_WAIT: Duration = Duration::from_secs(2);

/// A send that took so much longer than it might was frozen on its way.
const FROZEN_MIN: Duration = Duration::from_millis(500);

impl Lane {
    /// Puts what does not fit much longer aside, if there is a fallback and the destination is away.
    pub(super) fn relieve(&mut self, deadline: Deadline) {
        while self.is_crowded() && self.is_away() && self.fallback.is_some() {
            let batch = self.next_batch(self.batch_records);
            if !self.put_aside(batch, "not delivered in time", deadline) {
                break;
            }
        }
        if self.is_away() {
            self.rest();
        }
    }

    /// Sends full payloads; where more follow, they want the same memory again at once.
    pub(super) fn send_full(&mut self, deadline: Deadline) {
        while self.is_due() && !deadline.has_passed() {
            if !self.send_one(deadline) {
                return self.rest();
            }
        }
    }

    /// Sends all that waits, if the destination may be tried.
    pub(super) fn send_all(&mut self, deadline: Deadline) {
        while self.waiting() > 0 && self.breaker.allows() && !deadline.has_passed() {
            if !self.send_one(deadline) {
                break;
            }
        }
        self.rest();
    }

    /// Gives back the memory that only sending takes.
    fn rest(&mut self) {
        self.buffer.rest();
        self.way.destination.rest();
        if let Some(fallback) = &mut self.fallback {
            fallback.destination.rest();
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
            let batch = self.next_batch(self.batch_records);
            if !self.put_aside(batch, "not delivered before the end", deadline) {
                break;
            }
        }
        // The main thread may have lost patience just now, and counted the same records.
        if self.stats.settles() {
            self.stats.dropped_at_shutdown.add(self.waiting());
        }
    }

    /// The next payload, with what its format puts around the records within the limit.
    fn next_batch(&self, records_max: usize) -> Batch {
        let (beside, each) = self.beside();
        let bytes = self.bytes_max.saturating_sub(beside);
        // What may be there already is sent as it was, to be replaced by itself.
        let as_it_was = self.way.format.replaces && self.unsure > 0;
        let most = if as_it_was { self.unsure } else { usize::MAX };
        self.buffer.batch(bytes, each, records_max.min(most))
    }

    /// What a payload has beside its records, and what each of them adds, in bytes.
    fn beside(&self) -> (usize, usize) {
        let frame = &self.way.format.frame;
        self.way.encoder.beside(frame, self.batch_bytes)
    }

    /// Sends one payload; `false` if it still waits.
    fn send_one(&mut self, deadline: Deadline) -> bool {
        fault::point("send");
        if !self.keys.admit() {
            return false;
        }
        while !deadline.has_passed() {
            let batch = self.next_batch(self.records_max);
            let outcome = self.attempt(batch, deadline);
            say!(Debug, "{} records: {outcome}", batch.records);
            match outcome {
                Outcome::Delivered {
                    status,
                    answer,
                    odd,
                    refused,
                } => {
                    self.breaker.succeeded();
                    self.culprits = 0;
                    self.release(batch.records);
                    self.stats.delivered.add(batch.records - refused);
                    self.stats.refused.add(refused);
                    if refused > 0 {
                        say!(
                            Error,
                            "the destination answered {status} and refused {refused} of {} records: {answer}",
                            batch.records
                        );
                    }
                    // What was too large once may not be for ever, so it is felt for in small steps.
                    let (beside, each) = self.beside();
                    if beside + each * batch.records + batch.bytes > self.bytes_max / 2 {
                        let more = self.bytes_max.saturating_add(self.bytes_max / 8 + 1);
                        self.bytes_max = more.min(self.batch_bytes);
                    }
                    if let Some(odd) = odd {
                        say!(Warn, "the destination answered {status} with {odd}");
                    }
                    return true;
                }
                Outcome::Partly { fates, why } => {
                    return self.taken_in_part(batch, &fates, &why, deadline);
                }
                Outcome::Later {
                    why,
                    asked,
                    may_have_arrived,
                    ..
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
                Outcome::Refused {
                    status: status @ (401 | 403),
                    answer,
                } if self.keys.doubt() => {
                    say!(
                        Warn,
                        "the destination answered {status}, and its secrets are read again: {answer}"
                    );
                    return false;
                }
                Outcome::TooLarge if batch.records > 1 => {
                    // Only the records become fewer.
                    let (beside, each) = self.beside();
                    self.bytes_max = beside + (each * batch.records + batch.bytes) / 2;
                }
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

    /// The destination took some records of a payload: the others are sent again or refused; `false` if some still wait.
    fn taken_in_part(
        &mut self,
        batch: Batch,
        fates: &[Fate],
        why: &str,
        deadline: Deadline,
    ) -> bool {
        let of = |fate| fates.iter().filter(|known| **known == fate).count();
        let (delivered, again, refused) = (of(Fate::Delivered), of(Fate::Again), of(Fate::Refused));
        let is = |at: usize, fate| fates.get(at) == Some(&fate);
        // What is refused comes to the front, where it can be put aside.
        let ranks: [&dyn Fn(usize) -> bool; 2] = [&|at| is(at, Fate::Refused), &|at| {
            is(at, Fate::Again) || is(at, Fate::Left)
        }];
        self.buffer.keep(batch, ranks);
        self.unsure = 0;
        self.aside = None;
        self.stats.delivered.add(delivered);
        if refused > 0 {
            let culprits = self.buffer.batch(usize::MAX, 0, refused);
            self.refuse(culprits, why, deadline);
        }
        // What was refused stood in the way of the others: they are sent at once, unless one culprit follows another.
        let in_the_way = refused > 0 && self.culprits < CULPRITS_MAX;
        self.culprits = self.culprits.saturating_add(u32::from(refused > 0));
        if again == 0 || in_the_way {
            self.breaker.succeeded();
            return true;
        }
        say!(
            Warn,
            "the destination took {delivered} of {} records and wants {again} again: {why}",
            batch.records
        );
        self.stats.retried.add(1);
        self.breaker.failed(None, time::chance());
        false
    }

    /// Sends a payload to the destination.
    fn attempt(&mut self, batch: Batch, deadline: Deadline) -> Outcome {
        let (allowed, watch) = (deadline.left(), Stopwatch::start());
        let began_ms = time::epoch_ms();
        self.stats.resent.add(self.unsure.min(batch.records));
        let shaped = Shaped::of(
            &*self.way.encoder,
            &self.way.format.frame,
            &self.buffer,
            batch,
            None,
        );
        let outcome = self
            .way
            .destination
            .send(shaped.payload(), deadline, &self.stats);
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
        self.aside = None;
        self.unsure = self.unsure.saturating_sub(records);
        let more = self.records_max.saturating_mul(2);
        self.records_max = more.min(self.batch_records);
    }

    /// Sends a payload to the fallback, behind a record that says why; `false` if it is not there or does not take it.
    fn put_aside(&mut self, batch: Batch, why: &str, deadline: Deadline) -> bool {
        if self.fallback.is_none() || !self.fallback_breaker.allows() {
            return false;
        }
        let before = self.aside.take().filter(|it| it.0 <= batch.records);
        let again = before.is_some();
        let (records, marker) =
            before.unwrap_or_else(|| (batch.records, self.marker(batch.records, why)));
        let batch = self.buffer.batch(usize::MAX, 0, records);
        let Some(fallback) = &mut self.fallback else {
            return false;
        };
        let frame = &fallback.format.frame;
        let shaped = Shaped::of(
            &*fallback.encoder,
            frame,
            &self.buffer,
            batch,
            Some(&marker),
        );
        let deadline = deadline.earlier(Deadline::after(FALLBACK_WAIT));
        let to = &mut fallback.destination;
        match to.send(shaped.payload(), deadline, &self.stats) {
            Outcome::Delivered { .. } => {
                self.fallback_breaker.succeeded();
                self.release(batch.records);
                self.stats.dead_lettered.add(batch.records);
                true
            }
            outcome => {
                if again || outcome.is_unsure() {
                    self.aside = Some((records, marker));
                }
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

    /// The record that says why so many records are put aside.
    fn marker(&mut self, records: usize, why: &str) -> Vec<u8> {
        let mut marker = Vec::new();
        let mut reason = String::from("{\"reason\":\"");
        parse::escape(&mut reason, why);
        // Writing into memory cannot fail.
        write!(reason, "\",\"records\":{records}}}").unwrap_or(());
        self.stats.marked.add(1);
        let timestamp = now_as_json();
        let own = Record {
            kind: "brooklet.dead_letter",
            record: Some(&reason),
            timestamp: Some(&timestamp),
            received_ms: time::epoch_ms(),
            environment: &self.environment,
            sequence: self.stats.own.get() + self.stats.marked.get(),
            ..Record::default()
        };
        self.way.encoder.encode(&own, &mut marker);
        marker
    }
}
