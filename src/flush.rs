//! The flush thread: takes bodies through parse, process and encode into the buffer, and payloads out of it.
//!
//! It owns all it touches and talks through `link` alone.
//! It must not wait for anything but the link and the destination, and never longer for the destination than the deadline it was given.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::cadence::{self, Strategy};
use crate::encode::{Encode, Format};
use crate::link::{Body, FlushEnd, Invocation, Order, Report, Wake};
use crate::parse::{self, Item};
use crate::process::{self, Identity, Signal, Stream};
use crate::send::{self, Breaker, Destination, Outcome};
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// What the flush thread is told by the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// When to send.
    pub strategy: Strategy,
    /// The longest that sending may hold an invocation.
    pub budget: Duration,
    /// What process is told.
    pub process: process::Options,
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
}

/// The longest that one payload may take when no invocation waits for it.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// After SHUTDOWN the platform's last report comes this late at most.
const LAST_REPORT_WAIT: Duration = Duration::from_millis(300);

/// After SHUTDOWN, when no report is awaited: the platform may still gather lines for its shortest time.
const LAST_LINES_WAIT: Duration = Duration::from_millis(50);

/// Of the time until the end, this is kept for sending.
const LAST_SEND_SHARE: u32 = 2;

/// The platform hands over an event at most this long after it happened, unless the environment was frozen meanwhile, in milliseconds.
const DONE_AGE_MS: u64 = 60_000;

/// Requests that are remembered as done.
const DONE_MAX: usize = 16;

/// An invocation that the main thread holds until its records are sent.
#[derive(Debug)]
struct Held {
    /// The request's id.
    request_id: String,
    /// When the main thread stops waiting at the latest.
    until: Deadline,
}

/// The flush thread's state.
pub struct Flusher {
    /// What was configured.
    options: Options,
    /// Who logs, as far as known.
    identity: Identity,
    /// The way in and out.
    link: FlushEnd,
    /// What is counted.
    stats: Arc<Stats>,
    /// What was seen of the stream.
    stream: Stream,
    /// Writes records.
    encoder: Box<dyn Encode>,
    /// What waits.
    buffer: Buffer,
    /// Where it goes.
    destination: Destination,
    /// Whether it goes.
    breaker: Breaker,
    /// The invocation that is held.
    held: Option<Held>,
    /// The last requests that were done, and when, in milliseconds since 1970; a fast one is done before its INVOKE event is seen.
    done: VecDeque<(String, u64)>,
    /// The request of the last INVOKE event.
    invoked: String,
    /// Records of a request before that one have come whole, and wait.
    late: bool,
    /// The last request that began and was not reported yet.
    unreported: Option<String>,
    /// When the oldest record that waits is due, where records are sent by age.
    due: Option<Deadline>,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Records are nobody's to see.
        f.debug_struct("Flusher")
            .field("records", &self.buffer.records())
            .finish_non_exhaustive()
    }
}

impl Flusher {
    /// A flusher that has seen nothing; `environment` is a name that no other environment has.
    #[must_use]
    pub fn new(
        options: Options,
        identity: Identity,
        environment: String,
        link: FlushEnd,
        stats: Arc<Stats>,
    ) -> Self {
        let mut encoder = (options.format.encoder)();
        encoder.identify(&identity);
        Self {
            identity,
            link,
            stats,
            stream: Stream::new(environment),
            encoder,
            buffer: Buffer::new(options.buffer_bytes),
            destination: Destination::new(options.destination.clone()),
            breaker: Breaker::default(),
            held: None,
            done: VecDeque::new(),
            invoked: String::new(),
            late: false,
            unreported: None,
            due: None,
            options,
        }
    }

    /// Does the thread's work until SHUTDOWN.
    pub fn run(mut self) {
        while self.turn() {}
    }

    /// One turn of the thread; `false` when it is over. A panic costs what was in hand and nothing else.
    fn turn(&mut self) -> bool {
        let wake = self.link.wait(self.due.map(|due| due.left()));
        match catch_unwind(AssertUnwindSafe(|| self.deal_with(wake))) {
            Ok(goes_on) => goes_on,
            Err(_) => {
                self.stats.panics.add(1);
                true
            }
        }
    }

    /// Deals with what woke the thread.
    fn deal_with(&mut self, wake: Wake) -> bool {
        match wake {
            Wake::Body(body) => self.take_with_all_that_waits(body),
            Wake::Order(Order::Invoke(invocation)) => self.invocation_began(invocation),
            Wake::Order(Order::Shutdown { deadline }) => {
                self.shut_down(deadline);
                return false;
            }
            Wake::Time => {}
            Wake::Gone => return false,
        }
        self.send_what_is_due();
        true
    }

    /// An INVOKE event was seen.
    fn invocation_began(&mut self, invocation: Invocation) {
        if self.identity.learn_arn(&invocation.function_arn) {
            self.encoder.identify(&self.identity);
        }
        self.invoked.clone_from(&invocation.request_id);
        self.late |= cadence::on_invoke(self.options.strategy).send_now;
        let Some(until) = invocation.hold else {
            return;
        };
        let held = Held {
            request_id: invocation.request_id,
            until,
        };
        // While the destination is left alone nobody waits for it.
        if !self.breaker.allows() {
            return self.let_go(held);
        }
        self.flush_or_hold(held);
    }

    /// Flushes for an invocation if the runtime is done with it, or else goes on holding it.
    fn flush_or_hold(&mut self, held: Held) {
        let done = self.done.iter().find(|(id, _)| *id == held.request_id);
        match done.map(|(_, done_ms)| *done_ms) {
            Some(done_ms) => self.flush_held(held, done_ms),
            None => self.held = Some(held),
        }
    }

    /// Takes a body and every other one that has come meanwhile, and flushes if the invocation that is held is over.
    fn take_with_all_that_waits(&mut self, first: Body) {
        let mut next = Some(first);
        while let Some(body) = next {
            self.take(body);
            next = self.link.next_body();
        }
        if let Some(held) = self.held.take() {
            self.flush_or_hold(held);
        }
    }

    /// Sends what belongs to the invocation that is held, and lets it go.
    fn flush_held(&mut self, held: Held, done_ms: u64) {
        let budget = u64::try_from(self.options.budget.as_millis()).unwrap_or(u64::MAX);
        let by_budget = Deadline::at_epoch_ms(done_ms.saturating_add(budget));
        self.send_all(held.until.earlier(by_budget));
        self.let_go(held);
    }

    /// Tells the main thread that it need not wait.
    fn let_go(&mut self, held: Held) {
        self.link.report(Report::Flushed {
            request_id: held.request_id,
        });
    }

    /// Takes one body through parse, process and encode into the buffer.
    fn take(&mut self, mut body: Body) {
        let mut read = 0;
        let received_ms = body.received_ms;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let text = parse::clean(&mut body.bytes);
            for item in parse::batch(&text) {
                read += 1;
                self.take_item(&item, received_ms);
                self.send_full_batches();
            }
        }));
        if caught.is_err() {
            self.stats.panics.add(1);
            self.count_lost(&body, read);
        }
        self.link.done(body);
    }

    /// Counts the events of a body that a panic kept from being read, the one that caused it included.
    fn count_lost(&self, body: &Body, read: usize) {
        let mut bytes = body.bytes.clone();
        let lost = parse::batch(&parse::clean(&mut bytes))
            .skip(read.saturating_sub(1))
            .count();
        self.stats.unreadable.add(lost);
        self.stats.received.add(lost.saturating_sub(1));
    }

    /// Takes one item of a batch.
    fn take_item(&mut self, item: &Item<'_>, received_ms: u64) {
        self.stats.received.add(1);
        let Item::Event(event) = item else {
            self.stats.unreadable.add(1);
            say!(Warn, "an event of a batch could not be read");
            return;
        };
        self.stats.parsed.add(1);
        let Self {
            options,
            stream,
            buffer,
            encoder,
            stats,
            ..
        } = self;
        let (record, signal) = process::process(event, &options.process, stream);
        match record {
            None => stats.filtered.add(1),
            Some(record) => {
                let separator = options.format.frame.separator;
                let dropped = buffer.push(|out| {
                    encoder.encode(&record, out);
                    out.extend_from_slice(separator.as_bytes());
                });
                stats.encoded.add(1);
                if dropped > 0 {
                    stats.dropped_by_buffer.add(dropped);
                    say!(Error, "the buffer is full: the oldest records are dropped");
                }
            }
        }
        if let Some(signal) = signal {
            self.heed(signal, event.time, received_ms);
        }
    }

    /// Heeds what the stream says of an invocation.
    fn heed(&mut self, signal: Signal<'_>, time: Option<&str>, received_ms: u64) {
        match signal {
            Signal::Started(id) => {
                self.unreported = Some(id.clone().into_owned());
                self.link.report(Report::Started {
                    request_id: id.into_owned(),
                });
            }
            Signal::RuntimeDone(id) => {
                // The platform's clock is ours; a time that cannot be is replaced by the batch's.
                let done_ms = time
                    .and_then(|time| time::rfc3339_ms(time.trim_matches('"')))
                    .filter(|at| {
                        (received_ms.saturating_sub(DONE_AGE_MS)..=received_ms).contains(at)
                    })
                    .unwrap_or(received_ms);
                self.link.report(Report::RuntimeDone {
                    request_id: id.clone().into_owned(),
                    done_ms,
                });
                // The end of a request before this one came with the thaw: its records would wait for another invocation.
                let sends_now = cadence::on_invoke(self.options.strategy).send_now;
                self.late |= sends_now && *id != *self.invoked;
                if self.done.len() >= DONE_MAX {
                    self.done.pop_front();
                }
                self.done.push_back((id.into_owned(), done_ms));
            }
            Signal::Reported(id) => {
                if self.unreported.as_deref() == Some(&*id) {
                    self.unreported = None;
                }
            }
            Signal::Dropped(records) => {
                let records = usize::try_from(records).unwrap_or(usize::MAX);
                self.stats.dropped_by_platform.add(records);
                say!(Error, "the platform dropped {records} records");
                self.link.report(Report::Gap);
            }
        }
    }

    /// Sends while there is more than a payload's worth.
    fn send_full_batches(&mut self) {
        while self.is_full() && self.breaker.allows() {
            let mut deadline = Deadline::after(SEND_WAIT);
            if let Some(held) = &self.held {
                deadline = held.until.earlier(Deadline::after(self.options.budget));
            }
            if !self.send_one(deadline) {
                return;
            }
        }
    }

    /// Whether a payload is full.
    fn is_full(&self) -> bool {
        self.buffer.bytes() >= self.options.batch_bytes
            || self.buffer.records() >= self.options.batch_records
    }

    /// Sends what is late or old enough, while nobody waits for it.
    fn send_what_is_due(&mut self) {
        if std::mem::take(&mut self.late) {
            self.send_all(Deadline::after(SEND_WAIT));
        }
        let concurrent = self.options.process.concurrent;
        let Some(age) = cadence::age_max(self.options.strategy, concurrent) else {
            return;
        };
        if self.due.is_some_and(|due| due.has_passed()) {
            self.due = None;
            self.send_all(Deadline::after(SEND_WAIT));
        }
        if self.buffer.records() == 0 {
            self.due = None;
        } else if self.due.is_none() {
            self.due = Some(Deadline::after(age.max(self.breaker.left())));
        }
    }

    /// Sends all that waits, if the destination may be tried.
    fn send_all(&mut self, deadline: Deadline) {
        while self.buffer.records() > 0 && self.breaker.allows() && !deadline.has_passed() {
            if !self.send_one(deadline) {
                return;
            }
        }
    }

    /// Sends one payload; `false` if it still waits.
    fn send_one(&mut self, deadline: Deadline) -> bool {
        let mut records_max = self.options.batch_records;
        loop {
            let batch = self.buffer.batch(self.options.batch_bytes, records_max);
            let separator = self.options.format.frame.separator;
            let pieces = self.buffer.pieces(batch, separator);
            let outcome = self.destination.send(pieces, deadline, &self.stats);
            say!(Debug, "{} records: {outcome}", batch.records);
            match outcome {
                Outcome::Delivered { status, odd, .. } => {
                    self.breaker.succeeded();
                    self.buffer.release(batch.records);
                    self.stats.delivered.add(batch.records);
                    if let Some(odd) = odd {
                        say!(
                            Warn,
                            "the destination answered {status} with {odd}: is the endpoint right?"
                        );
                    }
                    return true;
                }
                Outcome::Later { why, asked } => {
                    self.breaker.failed(asked, time::chance());
                    say!(Warn, "the destination cannot be reached: {why}");
                    return false;
                }
                Outcome::TooLarge if batch.records > 1 => {
                    records_max = batch.records / 2;
                }
                Outcome::TooLarge => {
                    self.refuse(batch.records, "413: one record is too large");
                    return true;
                }
                Outcome::Refused { status, answer } => {
                    self.refuse(batch.records, &format!("{status}: {answer}"));
                    return true;
                }
            }
        }
    }

    /// Drops what the destination refused for good.
    fn refuse(&mut self, records: usize, why: &str) {
        self.breaker.succeeded();
        self.buffer.release(records);
        self.stats.refused.add(records);
        say!(Error, "the destination refused {records} records: {why}");
    }

    /// The environment ends: take what still comes, send it, and tell what is lost.
    fn shut_down(&mut self, deadline: Deadline) {
        let share = Deadline::after(deadline.left() / LAST_SEND_SHARE);
        let report = share.earlier(Deadline::after(LAST_REPORT_WAIT));
        let mut lines = share.earlier(Deadline::after(LAST_LINES_WAIT));
        loop {
            let until = if self.unreported.is_some() {
                report
            } else {
                lines
            };
            if until.has_passed() {
                break;
            }
            match self.link.wait(Some(until.left())) {
                Wake::Body(body) => {
                    self.take(body);
                    lines = report.earlier(Deadline::after(LAST_LINES_WAIT));
                }
                Wake::Order(_) | Wake::Time => {}
                Wake::Gone => break,
            }
        }
        // This is the last try, so a pause is no reason not to make it.
        self.breaker.succeeded();
        self.send_all(deadline);
        self.stats.dropped_at_shutdown.add(self.buffer.records());
        self.link.report(Report::Finished);
    }
}
