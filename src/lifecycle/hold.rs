//! An invocation: what is asked of each lane, and how long the next event is not asked for.
//!
//! One budget holds for all lanes together, and a lane that nobody should wait for is not waited for, whatever the others do.

use std::time::Duration;

use super::past::Past;
use crate::cadence::{self, Waiting};
use crate::fault;
use crate::link::{Invocation, MainEnd, Order, Ordered, Report};
use crate::stats::Account;
use crate::time::{self, Deadline};

/// An invocation is let go this long before it would time out.
const INVOKE_MARGIN: Duration = Duration::from_millis(100);

/// A batch that was taken is answered within so much at most, where the machine has time for it.
const ANSWERS_TAKE: Duration = Duration::from_millis(2);

/// How often it is seen whether it is.
const ANSWERS_LOOK: Duration = Duration::from_micros(100);

/// Invocations that are held without a word from the stream before it is taken to be dead.
const SILENT_MAX: u32 = 3;

/// An INVOKE event comes so much later than the invocation began at most, in milliseconds.
const EVENT_TAKES_MS: u64 = 100;

/// The main thread's view of the flush threads.
pub(super) struct Flushing {
    /// The way to them.
    pub(super) link: MainEnd,
    /// The counters of each lane of the link.
    pub(super) accounts: Vec<Account>,
    /// When they send.
    pub(super) strategy: cadence::Strategy,
    /// The longest hold.
    pub(super) budget: Duration,
}

impl Flushing {
    /// Deals with an invocation, and returns when the next event may be asked for.
    pub(super) fn invocation(
        &self,
        deadline_ms: Option<u64>,
        request_id: &str,
        function_arn: &str,
        past: &mut Past,
    ) {
        let limit = deadline_ms.map(|at| {
            let margin = u64::try_from(INVOKE_MARGIN.as_millis()).unwrap_or(0);
            Deadline::at_epoch_ms(at.saturating_sub(margin))
        });
        fault::point("main");
        // Reports on invocations before this one show that the stream is alive, and how long they ran.
        let mut alive = false;
        for report in self.link.past_reports() {
            alive = true;
            if let Report::RuntimeDone {
                request_id,
                told_ms,
                ..
            } = report
            {
                past.ended(&request_id, told_ms);
            }
        }
        let silent = !alive && past.silent >= SILENT_MAX;
        let began_ms = time::epoch_ms();
        past.began(request_id, began_ms, deadline_ms);
        // Without time to hold, or a name to wait for, what waits can only be sent beside.
        let may_hold = !silent && !request_id.is_empty() && !self.budget.is_zero();
        // Without a deadline the budget alone must do.
        let until = limit.unwrap_or_else(|| Deadline::after(self.budget));
        let mut awaited = Vec::new();
        for (number, lane) in self.link.lanes.iter().enumerate() {
            let waiting = Waiting {
                crowded: lane.backlog.is_crowded(),
                paused: lane.backlog.is_paused(),
            };
            let plan = cadence::on_invoke(self.strategy, &past.history, waiting);
            let holds = plan.hold && may_hold;
            let invocation = Invocation {
                request_id: request_id.to_owned(),
                began_ms,
                function_arn: function_arn.to_owned(),
                limit_ms: deadline_ms.map(|at| limit_ms(at, time::epoch_ms())),
                hold: holds.then_some(until),
                send_now: !holds && (plan.send_now || plan.hold),
            };
            if lane.order(Order::Invoke(invocation)) == Ordered::Yes && holds {
                awaited.push(number);
            }
        }
        if !awaited.is_empty() {
            self.hold(request_id, awaited, until, past);
            self.await_answers();
        }
        past.let_go(time::epoch_ms());
    }

    /// Waits until the platform has its answer to every batch that came whole, at most [`ANSWERS_TAKE`].
    ///
    /// A batch's records may be sent before the thread that took it gets its turn again; frozen in between, the answer comes after the thaw, and the platform may have handed the batch over once more.
    fn await_answers(&self) {
        let deadline = Deadline::after(ANSWERS_TAKE);
        while !self.link.answers.are_given() && !deadline.has_passed() {
            time::sleep(ANSWERS_LOOK);
        }
    }

    /// Waits until the awaited lanes have sent what belongs to a request, or until there is no good reason to wait.
    ///
    /// The end of a request is awaited as long as its function is believed to run, see [`cadence::patience`], but only once the stream has told of its start; after that no longer than the budget.
    /// An end that is lost without a word cannot be told from a function that works on without one: nothing else is sent then, and the platform invokes nobody before this extension asks for the next event.
    /// Every lane reads the same stream, so whichever tells first is believed.
    fn hold(&self, request_id: &str, mut awaited: Vec<usize>, until: Deadline, past: &mut Past) {
        // When the end is not awaited any more.
        let mut ends = until;
        let mut release = until.earlier(Deadline::after(self.budget));
        let (began_ms, mut heard) = (time::epoch_ms(), false);
        // The lane that told of the end: another one may tell of the start only now.
        let mut ended_by = None;
        loop {
            let doubt = self.doubt(&awaited, began_ms, until);
            let wait = release.earlier(doubt).left().min(self.budget);
            let report = self.link.report(wait);
            heard |= report.is_some();
            match report {
                Some((lane, Report::Started { request_id: id }))
                    if id == request_id
                        && !past.mistrusted
                        && ended_by.is_none_or(|by| by == lane) =>
                {
                    // What came before this one in the stream counts too.
                    let patience = cadence::patience(&past.history, self.budget);
                    ends = patience
                        .map_or(until, |wait| until.earlier(Deadline::since(began_ms, wait)));
                    release = ends;
                    ended_by = None;
                }
                Some((
                    lane,
                    Report::RuntimeDone {
                        request_id: id,
                        done_ms,
                        told_ms,
                    },
                )) if id == request_id
                    && !cadence::is_of_earlier_try(told_ms, began_ms, time::epoch_ms()) =>
                {
                    past.ended(&id, told_ms);
                    release = until.earlier(Deadline::since(done_ms, self.budget));
                    ended_by = ended_by.or(Some(lane));
                }
                Some((lane, Report::Flushed { request_id: id })) if id == request_id => {
                    awaited.retain(|one| *one != lane);
                    if awaited.is_empty() {
                        past.silent = 0;
                        return;
                    }
                }
                // That of one that was let go before it.
                Some((
                    _,
                    Report::RuntimeDone {
                        request_id: id,
                        told_ms,
                        ..
                    },
                )) if id != request_id => past.ended(&id, told_ms),
                Some(_) => {}
                // What there was to doubt may be over since.
                None if release.has_passed()
                    || self.doubt(&awaited, began_ms, until).has_passed() =>
                {
                    past.mistrusted |= ended_by.is_none() && ends.has_passed();
                    past.silent = if heard { 0 } else { past.silent + 1 };
                    if past.silent == SILENT_MAX {
                        say!(
                            Warn,
                            "no telemetry comes: invocations are not held for it any more"
                        );
                    }
                    say!(Debug, "request {request_id} is not waited for any longer");
                    return;
                }
                None => {}
            }
        }
    }

    /// When there is no good reason left to wait for any of these lanes: what one lost since then, or what has come for it and is not looked at yet, may be the end that is awaited.
    fn doubt(&self, awaited: &[usize], began_ms: u64, until: Deadline) -> Deadline {
        let lanes = awaited.iter().filter_map(|lane| self.link.lanes.get(*lane));
        let doubts = lanes.map(|lane| {
            let lost_ms = Some(lane.backlog.lost_ms()).filter(|at| *at >= began_ms);
            let unseen_ms = lane.backlog.waiting_since_ms();
            [lost_ms, unseen_ms]
                .into_iter()
                .flatten()
                .map(|at| Deadline::since(at, self.budget))
                .fold(until, Deadline::earlier)
        });
        doubts.reduce(Deadline::later).unwrap_or(until)
    }
}

/// How long an invocation may run that times out then; its event takes a moment to come, and limits are whole seconds.
fn limit_ms(deadline_ms: u64, now_ms: u64) -> u64 {
    let left = deadline_ms.saturating_sub(now_ms);
    let second = left.div_ceil(1000) * 1000;
    if second - left <= EVENT_TAKES_MS {
        second
    } else {
        left
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cadence::Strategy;
    use crate::link::{self, Body};

    #[test]
    fn what_was_looked_at_meanwhile_is_no_reason_to_doubt() {
        const BUDGET: Duration = Duration::from_millis(100);
        let (receive, mut flush, main) = link::channels(1);
        let mut lane = flush.remove(0);
        let flushing = Flushing {
            link: main,
            accounts: Vec::new(),
            strategy: Strategy::End,
            budget: BUDGET,
        };
        let body = Body {
            bytes: Arc::new(Vec::new()),
            received_ms: time::epoch_ms(),
            skipped: 0,
        };
        receive.put(body, Duration::ZERO, |_, _| 0);
        let works = std::thread::spawn(move || {
            let body = lane.next_body().expect("it waits");
            let request_id = "r".to_owned();
            lane.report(Report::Started { request_id });
            // It looks on for a while.
            time::sleep(BUDGET / 4);
            lane.done(body);
            time::sleep(BUDGET * 3);
            let request_id = "r".to_owned();
            lane.report(Report::Flushed { request_id });
        });
        let until = Deadline::after(BUDGET * 50);
        let works_on = Deadline::after(BUDGET * 3);
        flushing.hold("r", vec![0], until, &mut Past::default());
        assert!(works_on.has_passed() && !until.has_passed());
        works.join().expect("no panic");
    }
}
