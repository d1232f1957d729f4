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
use crate::error::Error;
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

/// Requests that are done and whose INVOKE event was not seen yet.
const EARLY_MAX: usize = 16;

/// Starts the flush thread.
///
/// # Errors
/// If the thread cannot be started.
pub fn start(
    options: Options,
    identity: Identity,
    environment: String,
    link: FlushEnd,
    stats: Arc<Stats>,
) -> Result<(), Error> {
    let mut flusher = Flusher::new(options, identity, environment, link, stats);
    std::thread::Builder::new()
        .name("flush".to_owned())
        .spawn(move || while flusher.turn() {})
        .map(|_| ())
        .map_err(|why| Error::Resource {
            what: "the flush thread".into(),
            why: why.to_string(),
        })
}

/// An invocation that the main thread holds until its records are sent.
#[derive(Debug)]
struct Held {
    /// The request's id.
    request_id: String,
    /// When the main thread stops waiting at the latest.
    until: Deadline,
}

/// The flush thread's state.
struct Flusher {
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
    /// Requests that were done before their INVOKE event was seen, with the time their batch came.
    early: VecDeque<(String, u64)>,
    /// The last request that began and was not reported yet.
    unreported: Option<String>,
    /// When the oldest record that waits is due, where records are sent by age.
    due: Option<Deadline>,
}

impl Flusher {
    /// A flusher that has seen nothing.
    fn new(
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
            early: VecDeque::new(),
            unreported: None,
            due: None,
            options,
        }
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
        if cadence::on_invoke(self.options.strategy).send_now {
            self.send_all(Deadline::after(SEND_WAIT));
        }
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
        let early = self.early.iter().find(|(id, _)| *id == held.request_id);
        match early.map(|(_, received_ms)| *received_ms) {
            Some(received_ms) => self.flush_held(held, received_ms),
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
        let Some(held) = self.held.take() else {
            return;
        };
        let done = self.early.iter().find(|(id, _)| *id == held.request_id);
        match done.map(|(_, received_ms)| *received_ms) {
            Some(received_ms) => self.flush_held(held, received_ms),
            None => self.held = Some(held),
        }
    }

    /// Sends what belongs to the invocation that is held, and lets it go.
    fn flush_held(&mut self, held: Held, received_ms: u64) {
        let budget = u64::try_from(self.options.budget.as_millis()).unwrap_or(u64::MAX);
        let by_budget = Deadline::at_epoch_ms(received_ms.saturating_add(budget));
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
            self.heed(signal, received_ms);
        }
    }

    /// Heeds what the stream says of an invocation.
    fn heed(&mut self, signal: Signal<'_>, received_ms: u64) {
        match signal {
            Signal::Started(id) => {
                self.unreported = Some(id.clone().into_owned());
                self.link.report(Report::Started {
                    request_id: id.into_owned(),
                });
            }
            Signal::RuntimeDone(id) => {
                self.link.report(Report::RuntimeDone {
                    request_id: id.clone().into_owned(),
                    received_ms,
                });
                if self.early.len() >= EARLY_MAX {
                    self.early.pop_front();
                }
                self.early.push_back((id.into_owned(), received_ms));
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

    /// Sends what is old enough.
    fn send_what_is_due(&mut self) {
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
            say!(Debug, "{} records: {outcome:?}", batch.records);
            match outcome {
                Outcome::Delivered { status, odd } => {
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
