//! SHUTDOWN as the main thread sees it: every lane sends what is left at the same time, and what cannot be sent any more is counted.
//!
//! It must be over before the process is killed, whatever the lanes do.

use std::time::Duration;

use super::hold::Flushing;
use crate::diag;
use crate::lambda::Shutdown;
use crate::link::{LaneEnd, Order, Ordered, Report};
use crate::parse;
use crate::stats::Stats;
use crate::time::Deadline;

/// Sending is over this long before the process would be killed.
const SHUTDOWN_MARGIN: Duration = Duration::from_millis(150);

/// The time for SHUTDOWN where the platform does not say; Lambda allows two seconds, part of which is gone.
const SHUTDOWN_WAIT: Duration = Duration::from_millis(1200);

/// What a flush thread does when SHUTDOWN comes may take this long more.
const PATIENCE: Duration = Duration::from_millis(600);

/// A flush thread is to be over so much earlier, to give its account.
const LAST_WORD: Duration = Duration::from_millis(50);

/// How often it is seen whether a lane has come to its last order.
const LOOK: Duration = Duration::from_millis(2);

/// How far a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has no room for the order.
    Untold,
    /// It has the order, and may not have come to it.
    Told,
    /// It was told to break off what it waits for.
    Hurried,
    /// It is over, or there never was a thread.
    Over,
}

impl Flushing {
    /// Lets the flush threads send what is left, and waits for them as long as the environment lives.
    pub(super) fn finish(&self, shutdown: &Shutdown) {
        let deadline = shutdown.deadline_ms.map_or_else(
            || Deadline::after(SHUTDOWN_WAIT),
            |at| Deadline::at_epoch_ms(at.saturating_sub(millis(SHUTDOWN_MARGIN))),
        );
        self.link.forget_reports();
        let last = Deadline::after(deadline.left().saturating_sub(LAST_WORD));
        let patience = Deadline::after(PATIENCE.min(deadline.left() / 2));
        let mut states = vec![State::Untold; self.link.lanes.len()];
        let mut finished = vec![false; states.len()];
        while !deadline.has_passed() {
            let mut busy = false;
            for (state, lane) in states.iter_mut().zip(&self.link.lanes) {
                *state = advance(*state, lane, last, &shutdown.reason, patience);
                busy |=
                    *state == State::Untold || (*state == State::Told && !lane.orders_are_taken());
            }
            if states.iter().all(|state| *state == State::Over) {
                break;
            }
            let wait = deadline.left();
            let wait = if busy { wait.min(LOOK) } else { wait };
            match self.link.report(wait) {
                Some((lane, Report::Finished)) => {
                    if let (Some(state), Some(over)) =
                        (states.get_mut(lane), finished.get_mut(lane))
                    {
                        (*state, *over) = (State::Over, true);
                    }
                }
                Some(_) => {}
                // In time or not, nobody is left to report.
                None if !busy => break,
                None => {}
            }
        }
        for ((lane, account), finished) in self.link.lanes.iter().zip(&self.accounts).zip(finished)
        {
            count_rest(lane, &account.stats, finished);
            if !finished {
                diag::on_behalf_of(account.destination, || {
                    say!(Error, "the last records could not be sent in time");
                });
            }
        }
    }
}

/// Gives a lane its last order, and breaks off what it waits for if it does not come to it soon: that was given more time than there is now.
fn advance(
    state: State,
    lane: &LaneEnd,
    deadline: Deadline,
    reason: &str,
    patience: Deadline,
) -> State {
    let state = match state {
        State::Untold => {
            let reason = reason.to_owned();
            match lane.order(Order::Shutdown { deadline, reason }) {
                Ordered::Yes => State::Told,
                Ordered::Full => State::Untold,
                Ordered::Gone => State::Over,
            }
        }
        other => other,
    };
    let waits = matches!(state, State::Untold | State::Told) && !lane.orders_are_taken();
    if !waits || !patience.has_passed() {
        return state;
    }
    let hurry = lane.backlog.hurry();
    hurry.set(true);
    // It may have come to it just now, and its last try is to be waited for.
    if lane.orders_are_taken() {
        hurry.set(false);
    }
    match state {
        State::Untold => State::Untold,
        _ => State::Hurried,
    }
}

/// Counts what a lane will not look into any more; one that is still at it cannot give its own account in time.
fn count_rest(lane: &LaneEnd, stats: &Stats, finished: bool) {
    // It may have come to its own account just now.
    let settles = !finished && stats.settles();
    if !finished {
        let (hand, aside) = (lane.body_in_hand(), lane.backlog.events_aside());
        let rest = hand.map_or(0, |(body, before)| {
            let read = stats.received.get().saturating_sub(before);
            let read = usize::try_from(read).unwrap_or(usize::MAX);
            parse::count(&body.bytes).saturating_sub(read)
        });
        stats.received.add(rest + aside);
        if settles {
            let open = usize::try_from(stats.open()).unwrap_or(usize::MAX);
            stats.dropped_at_shutdown.add(open);
        }
    }
    while let Some(body) = lane.left_body() {
        let left = parse::count(&body.bytes);
        stats.received.add(left);
        stats.dropped_at_shutdown.add(left);
    }
}

/// A time in whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
