//! The flush thread: takes bodies through parse and process into the lane, and says when the lane sends.
//!
//! It owns all it touches and talks through `link` alone.
//! It must not wait for anything but the link and the destination, and never longer for the destination than the deadline it was given.

mod await_keys;
mod deliver;
mod early;
mod hold;
mod intake;
mod keys;
mod lane;
mod shutdown;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use keys::{Late, Made, Make};
pub use lane::{Fallback, Options as LaneOptions};

use self::hold::Held;
use self::intake::Intake;
use self::lane::Lane;
use crate::cadence::{self, Strategy};
use crate::fault;
use crate::link::{Body, FlushEnd, Invocation, Order, Report, Wake};
use crate::parse::{self, Event, Item};
use crate::process::{self, Identity, Signal};
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// What the flush thread is told by the configuration.
#[derive(Debug)]
pub struct Options {
    /// When to send.
    pub strategy: Strategy,
    /// The longest that sending may hold an invocation.
    pub budget: Duration,
    /// Whether this environment may be restored from a snapshot, so that nothing unique may be made before the first invocation.
    pub snapshot: bool,
    /// What process is told.
    pub process: process::Options,
    /// What the lane is told.
    pub lane: LaneOptions,
}

/// The longest that sending may take when no invocation waits for it, unless the budget is longer.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// The platform hands over an event at most this long after it happened, unless the environment was frozen meanwhile, in milliseconds.
const DONE_AGE_MS: u64 = 60_000;

/// Requests that are remembered as done.
const DONE_MAX: usize = 16;

/// A request that the runtime is done with. Times are in milliseconds since 1970.
#[derive(Debug)]
struct Done {
    /// The request's id.
    request_id: String,
    /// When it was done, as far as it counts for the budget.
    done_ms: u64,
    /// When it was done as the platform says.
    told_ms: u64,
}

/// The flush thread's state.
#[allow(missing_debug_implementations, reason = "it holds records")]
pub struct Flusher {
    /// When to send.
    strategy: Strategy,
    /// The longest that sending may hold an invocation.
    budget: Duration,
    /// Whether this environment may be restored from a snapshot.
    snapshot: bool,
    /// Whether requests overlap.
    concurrent: bool,
    /// Who logs, as far as known.
    identity: Identity,
    /// The way in and out.
    link: FlushEnd,
    /// What is counted.
    stats: Arc<Stats>,
    /// What turns events into records.
    intake: Intake,
    /// Batches that must wait for the first invocation, or for secrets, each with its events.
    early: VecDeque<(Body, usize)>,
    /// The events in all of them.
    aside: usize,
    /// Events before the body in hand that there was no room for.
    skipped: u64,
    /// Where records go.
    lane: Lane,
    /// The invocation that is held.
    held: Option<Held>,
    /// The last requests that were done; a fast one is done before its INVOKE event is seen.
    done: VecDeque<Done>,
    /// The request of the last INVOKE event; empty before the first.
    invoked: String,
    /// When that event was seen, in milliseconds since 1970.
    invoked_ms: u64,
    /// When this was made, in milliseconds since 1970: no invocation ended before.
    born_ms: u64,
    /// How long it may run, in milliseconds, if that is known.
    limit_ms: Option<u64>,
    /// The runtime works on that request, as far as known.
    running: bool,
    /// What waits is sent beside the invocation rather than at its end.
    beside: bool,
    /// Something waits that no invocation will be held for.
    late: bool,
    /// The last request that began and was not reported yet.
    unreported: Option<String>,
    /// When the oldest record that waits is due, while that counts.
    due: Option<Deadline>,
    /// When the last send must be over, once the environment ends.
    ending: Option<Deadline>,
    /// What woke the thread, until it is dealt with: a panic must not lose it.
    wake: Option<Wake>,
}

impl Flusher {
    /// A flusher that has seen nothing.
    #[must_use]
    pub fn new(options: Options, identity: Identity, link: FlushEnd, stats: Arc<Stats>) -> Self {
        let Options {
            strategy,
            budget,
            snapshot,
            process,
            lane,
        } = options;
        let mut lane = Lane::new(lane, Arc::clone(&stats), link.hurry());
        lane.identify(&identity);
        Self {
            strategy,
            budget,
            snapshot,
            concurrent: process.concurrent,
            intake: Intake::new(process),
            identity,
            link,
            stats,
            early: VecDeque::new(),
            aside: 0,
            skipped: 0,
            lane,
            held: None,
            done: VecDeque::new(),
            invoked: String::new(),
            invoked_ms: 0,
            born_ms: time::epoch_ms(),
            limit_ms: None,
            running: false,
            beside: false,
            late: false,
            unreported: None,
            due: None,
            ending: None,
            wake: None,
        }
    }

    /// Does the thread's work until SHUTDOWN.
    pub fn run(mut self) {
        while self.turn() {}
    }

    /// One turn of the thread; `false` when it is over. A panic costs what was in hand and nothing else.
    fn turn(&mut self) -> bool {
        self.ask();
        self.wake = Some(self.link.wait(self.until_due()));
        let caught = catch_unwind(AssertUnwindSafe(|| self.deal_with_wake()));
        let goes_on = caught.unwrap_or_else(|_| self.mend());
        self.publish();
        goes_on
    }

    /// How long there is nothing to do, if nothing comes.
    fn until_due(&self) -> Option<Duration> {
        let due = self.due.map(|due| due.left());
        [due, self.until_asked()].into_iter().flatten().min()
    }

    /// Puts right what a panic left; `false` when the thread is over.
    fn mend(&mut self) -> bool {
        self.stats.panics.add(1);
        self.stats.unreadable.add(self.intake.lost());
        // Whoever waits must not wait for what the panic cut short.
        self.let_go();
        match self.wake.take() {
            Some(Wake::Body(body)) => {
                self.count_lost(&body, 0, 0);
                self.link.done(body);
            }
            // The end comes once, so it is tried again.
            Some(Wake::Order(Order::Shutdown { deadline, reason })) => {
                self.shut_down_or_report(deadline, &reason);
            }
            Some(Wake::Order(Order::Invoke(_) | Order::Learn(_)) | Wake::Time | Wake::Gone)
            | None => {}
        }
        self.ending.is_none()
    }

    /// Lets the main thread see how the lane is.
    fn publish(&self) {
        self.link
            .publish(self.lane.is_crowded(), self.lane.is_paused());
    }

    /// Deals with what woke the thread.
    fn deal_with_wake(&mut self) -> bool {
        fault::point("flush");
        match self.wake.take() {
            Some(Wake::Body(body)) => self.take_with_all_that_waits(body),
            Some(Wake::Order(Order::Invoke(invocation))) => self.invocation_began(invocation),
            Some(Wake::Order(Order::Shutdown { deadline, reason })) => {
                self.shut_down_or_report(deadline, &reason);
                return false;
            }
            Some(Wake::Order(Order::Learn(found))) => {
                self.learn(&found);
                self.flush_if_done();
            }
            Some(Wake::Time) | None => {}
            Some(Wake::Gone) => return false,
        }
        self.send_what_is_due();
        true
    }

    /// An INVOKE event was seen.
    fn invocation_began(&mut self, invocation: Invocation) {
        if self.identity.learn_arn(&invocation.function_arn) {
            self.lane.identify(&self.identity);
        }
        // Whoever was held for an earlier invocation is not any more.
        self.forget_held();
        // A request that is tried again in the same environment has the same id.
        let before = std::mem::replace(&mut self.invoked, invocation.request_id.clone());
        let (began_ms, now_ms) = (invocation.began_ms, time::epoch_ms());
        self.invoked_ms = began_ms;
        self.done.retain(|done| {
            done.request_id != before && !cadence::is_of_earlier_try(done.told_ms, began_ms, now_ms)
        });
        self.running = self.done.iter().all(|done| done.request_id != self.invoked);
        self.limit_ms = invocation.limit_ms;
        self.intake.limit(invocation.limit_ms, &mut self.lane);
        self.beside = invocation.send_now;
        self.late |= invocation.send_now;
        // Time that the environment was frozen does not count.
        if !self.counts_always() {
            self.due = None;
        }
        self.take_early();
        let Some(until) = invocation.hold else {
            return;
        };
        if self.cannot_be_read() {
            return self.let_go_unread(invocation.request_id);
        }
        // The stream may have been faster than the event, and its report was for nobody then.
        // If it told of the end too there is no end to be awaited, least of all by the lanes that are busy.
        if self.running && self.unreported.as_deref() == Some(&*invocation.request_id) {
            self.link.report(Report::Started {
                request_id: invocation.request_id.clone(),
            });
        }
        let held = Held {
            request_id: invocation.request_id,
            until,
        };
        self.flush_or_hold(held);
    }

    /// Takes a body and every other one that has come meanwhile, and flushes if the invocation that is held is over.
    fn take_with_all_that_waits(&mut self, first: Body) {
        let mut next = Some(first);
        while let Some(body) = next {
            self.take(body);
            next = self.next_body();
        }
        self.flush_if_done();
    }

    /// Takes one body through parse and process into the lane.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn take(&mut self, body: Body) {
        if self.must_wait() {
            return self.put_aside(body);
        }
        let received_ms = body.received_ms;
        self.skipped = body.skipped;
        self.link.begin(&body, self.stats.received.get());
        self.link.lies_aside(self.aside);
        let (mut read, mut taken) = (0, 0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            fault::point("parse");
            let text = parse::text(&body.bytes);
            for item in parse::batch(&text) {
                if self.stats.is_settled() {
                    return;
                }
                read += 1;
                self.stats.received.add(1);
                self.take_item(item, received_ms);
                taken += 1;
                // Once the end has come nothing can be done.
                if self.lane.can_be_relieved() && !self.beside_deadline().has_passed() {
                    self.relieve_lane();
                }
            }
            self.relieve_lane();
        }));
        if caught.is_err() {
            self.stats.panics.add(1);
            self.stats.unreadable.add(self.intake.lost());
            self.count_lost(&body, read, taken);
        }
        // Else the main thread counts what is left of it.
        if !self.stats.is_settled() {
            self.link.done(body);
        }
    }

    /// A batch that has come already, if any that is still to be taken.
    fn next_body(&mut self) -> Option<Body> {
        let settled = self.stats.is_settled();
        if settled { None } else { self.link.next_body() }
    }

    /// Sends or puts aside what would not fit, while more is taken in.
    fn relieve_lane(&mut self) {
        // At the end everything is sent at once, when all has come; unless it does not fit.
        if self.lane.is_due() && (self.ending.is_none() || self.lane.is_crowded()) {
            self.publish();
            self.lane.send_full(self.beside_deadline());
        }
        if self.lane.is_crowded() {
            self.publish();
            self.lane.relieve(self.beside_deadline());
        }
    }

    /// Takes one item of a batch.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn take_item(&mut self, item: Item<'_>, received_ms: u64) {
        let Item::Event(mut event) = item else {
            self.stats.unreadable.add(1);
            self.link.lost();
            say!(Warn, "an event of a batch could not be read");
            return;
        };
        self.stats.parsed.step();
        let mut room = String::new();
        match event.clean(&mut room) {
            Some(mut clean) => self.take_event(&mut clean, received_ms),
            None => self.take_event(&mut event, received_ms),
        }
    }

    /// Takes one event of a batch.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn take_event(&mut self, event: &mut Event<'_>, received_ms: u64) {
        let number = self.stats.received.get().saturating_add(self.skipped);
        let time = event.time;
        let signal = self
            .intake
            .take(event, number, received_ms, &mut self.lane, &self.stats);
        if let Some(signal) = signal {
            self.heed(signal, time, received_ms);
        }
    }

    /// Heeds what the stream says of an invocation.
    fn heed(&mut self, signal: Signal<'_>, time: Option<&str>, received_ms: u64) {
        match signal {
            Signal::Started(id) => {
                self.done.retain(|done| done.request_id != id);
                self.unreported = Some(id.to_owned());
                self.link.report(Report::Started {
                    request_id: id.to_owned(),
                });
            }
            Signal::RuntimeDone(id) => {
                // The platform's clock is ours; a time that cannot be is replaced by the batch's: one before this environment was there, or one to come.
                let lived = self.born_ms..=received_ms;
                let told_ms = time
                    .and_then(|time| time::rfc3339_ms(time.trim_matches('"')))
                    .filter(|at| lived.contains(at))
                    .unwrap_or(received_ms);
                let plausible = received_ms.saturating_sub(DONE_AGE_MS)..=received_ms;
                let done_ms = Some(told_ms).filter(|at| plausible.contains(at));
                let done_ms = done_ms.unwrap_or(received_ms);
                self.link.report(Report::RuntimeDone {
                    request_id: id.to_owned(),
                    done_ms,
                    told_ms,
                });
                let of_this = id == self.invoked;
                let of_earlier_try =
                    cadence::is_of_earlier_try(told_ms, self.invoked_ms, received_ms);
                if of_this && !of_earlier_try {
                    self.running = false;
                } else {
                    // The end of a request before this one came with the thaw: its records would wait for another invocation.
                    self.late |= self.beside;
                }
                if of_this && of_earlier_try {
                    return;
                }
                if self.done.len() >= DONE_MAX {
                    self.done.pop_front();
                }
                self.done.push_back(Done {
                    request_id: id.to_owned(),
                    done_ms,
                    told_ms,
                });
            }
            Signal::Reported(id) => {
                if self.unreported.as_deref() == Some(id) {
                    self.unreported = None;
                }
            }
            Signal::Dropped(records) => {
                let records = usize::try_from(records).unwrap_or(usize::MAX);
                self.stats.dropped_by_platform.add(records);
                say!(Error, "the platform dropped {records} records");
                self.link.lost();
            }
        }
    }

    /// When sending must be over that no invocation waits for: in time for the one that is held to keep its budget.
    fn beside_deadline(&self) -> Deadline {
        if let Some(ending) = self.ending {
            return ending;
        }
        match &self.held {
            Some(held) if !held.until.has_passed() => {
                held.until.earlier(Deadline::after(self.budget))
            }
            Some(_) | None => Deadline::after(SEND_WAIT.max(self.budget)),
        }
    }

    /// Whether a record's age counts even while no invocation runs.
    fn counts_always(&self) -> bool {
        self.concurrent || matches!(self.strategy, Strategy::Periodic(_))
    }

    /// Sends what is late or old enough, beside whatever runs.
    fn send_what_is_due(&mut self) {
        let deadline = self.beside_deadline();
        self.relieve_lane();
        if !self.intake.is_fresh() {
            self.lane.tell(false, self.intake.held());
        }
        let old = self.due.is_some_and(|due| due.has_passed());
        if std::mem::take(&mut self.late) || old {
            self.due = None;
            self.intake.release(&mut self.lane, &self.stats);
            self.publish();
            self.lane.send_all(deadline);
        }
        // It failed while the invocation runs: what is tried from now on is tried beside it.
        if self.lane.is_paused() {
            self.let_go();
        }
        let waiting = self.lane.waiting() + self.intake.held();
        if waiting == 0 || !(self.running || self.counts_always()) {
            self.due = None;
        } else if self.due.is_none() {
            let age = cadence::age_max(self.strategy);
            self.due = Some(Deadline::after(age.max(self.lane.pause_left())));
        }
    }
}
