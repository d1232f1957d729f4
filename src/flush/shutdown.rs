//! The end of the environment: takes what still comes, sends it for the last time, and tells what is lost.
//!
//! It must be over by the deadline that it is given, whatever the destination does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::Flusher;
use crate::link::{Order, Report, Wake};
use crate::parse;
use crate::process::End;
use crate::time::Deadline;

/// After SHUTDOWN the platform's last report comes this late at most.
const LAST_REPORT_WAIT: Duration = Duration::from_millis(300);

/// After SHUTDOWN, when no report is awaited: the platform may still gather lines for its shortest time.
const LAST_LINES_WAIT: Duration = Duration::from_millis(50);

/// Of the time until the end, this part is kept for sending.
const LAST_SEND_SHARE: u32 = 2;

impl Flusher {
    /// Ends, and says so even if that panics.
    pub(super) fn shut_down_or_report(&mut self, deadline: Deadline, reason: &str) {
        let caught = catch_unwind(AssertUnwindSafe(|| self.shut_down(deadline, reason)));
        if caught.is_err() {
            self.stats.panics.add(1);
            if self.stats.settles() {
                let held = self.intake.held() + self.intake.lost();
                self.stats
                    .dropped_at_shutdown
                    .add(self.lane.waiting() + held);
            }
            self.link.report(Report::Finished);
        }
    }

    /// The environment ends: take what still comes, send it, and tell what is lost.
    fn shut_down(&mut self, deadline: Deadline, reason: &str) {
        self.ending = Some(deadline);
        self.stats.ended.add(1);
        // The last try is worth waiting for.
        self.link.hurry().set(false);
        self.take_early();
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
                Wake::Order(Order::Learn(found)) => self.learn(&found),
                Wake::Order(_) | Wake::Time => {}
                Wake::Gone => break,
            }
        }
        while let Some(body) = self.next_body() {
            self.take(body);
        }
        self.await_shape(Deadline::after(deadline.left() / LAST_SEND_SHARE));
        self.intake.release(&mut self.lane, &self.stats);
        let end = End {
            reason,
            invoked: &self.invoked,
            running: self.running,
            limit_ms: self.limit_ms,
        };
        self.intake.end(end, &mut self.lane);
        // Where nothing was to be shipped and nothing was lost there is nothing to tell.
        if self.stats.encoded.get() > 0 || self.stats.lost() > 0 {
            self.lane.tell(true, 0);
        }
        self.publish();
        if !self.lane.keys.are_needless() {
            // What a secret is missing for, or what is refused for one, is worth asking for it once more.
            self.lane.breaker.lift();
            self.send_all(Deadline::after(deadline.left() / LAST_SEND_SHARE));
            if self.lane.waiting() > 0 && self.lane.awaits_keys() {
                say!(
                    Error,
                    "the destination's secrets did not come before the end"
                );
            }
        }
        self.lane.finish(deadline);
        // What came meanwhile is too late.
        while let Some(body) = self.link.next_body() {
            let events = parse::count(&body.bytes);
            self.drop_late(body, events);
        }
        self.link.report(Report::Finished);
    }
}
