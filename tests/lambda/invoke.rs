//! INVOKE: the event, the function's script, the runtime's end, what the extension holds.
//!
//! Must not wait for anything beyond the invocation's deadline.

use super::function::{Ending, Invocation, Step};
use super::setup::{LogFormat, Setup};
use super::shape::{Fact, Line, Status};
use super::{InvocationReport, Lambda, Outcome, clock, millis, success};
use std::time::{Duration, Instant, SystemTime};

impl Lambda {
    /// Runs one invocation to its end. An environment that was reset is started again first.
    pub(crate) fn invoke(&mut self, invocation: &Invocation) -> InvocationReport {
        if !self.alive {
            let result = self.init_phase("invoke");
            assert!(
                result.is_ok(),
                "the environment did not start again: {result:?}"
            );
        }
        self.thaw();
        self.restore();
        let began = Instant::now();
        let deadline = began + self.setup.timeout;
        let deadline_ms = clock::epoch_ms(SystemTime::now() + self.setup.timeout);
        self.invocations += 1;
        let again = invocation.request_id.clone();
        let request_id = again.unwrap_or_else(|| request_id(self.invocations));
        let hub = self.hub();
        hub.tell(Fact::Start {
            request_id: request_id.clone(),
        });
        let subscribed = !self.setup.managed() && self.api.lock().extension.wants("INVOKE");
        let event = invoke_event(&self.setup, &request_id, deadline_ms);
        let tell_event = |lambda: &Self| {
            if subscribed {
                let event = Some(event.clone());
                lambda.api.change(|state| state.extension.event = event);
            }
        };
        if !invocation.event_last {
            tell_event(self);
        }
        self.play(invocation, deadline);
        // The runtime is done, or dead, or out of time.
        let runtime_done = Instant::now();
        let duration_ms = millis(runtime_done - began).min(millis(self.setup.timeout));
        let (status, reset) = match invocation.ending {
            Ending::Timeout => (
                Status {
                    word: "timeout",
                    error_type: None,
                },
                Some("timeout"),
            ),
            Ending::Crash => (
                Status {
                    word: "error",
                    error_type: Some("Runtime.ExitError"),
                },
                Some("failure"),
            ),
            Ending::Error => (
                Status {
                    word: "error",
                    error_type: Some("Function.Unhandled"),
                },
                None,
            ),
            Ending::Success => (success(), None),
        };
        if !invocation.without_runtime_done {
            hub.tell(Fact::RuntimeDone {
                request_id: request_id.clone(),
                status: status.clone(),
                duration_ms,
                produced_bytes: 2,
            });
        }
        for text in &invocation.late {
            hub.tell(Fact::Function(self.line(text.clone())));
        }
        if invocation.event_last {
            hub.drained(deadline.saturating_duration_since(Instant::now()));
            tell_event(self);
        }
        let mut outcome = match reset {
            Some("timeout") => Outcome::FunctionTimedOut,
            Some(_) => Outcome::FunctionCrashed,
            None => Outcome::Finished,
        };
        let mut reset = reset;
        if reset.is_none() && subscribed {
            self.api.wait_until(deadline, |state| {
                (state.extension.event.is_none() && state.extension.waits())
                    || state.extension.exit.is_some()
            });
        }
        let hold = self.held_since(runtime_done);
        if reset.is_none() {
            let (exit, waits) = {
                let state = self.api.lock();
                (
                    state.extension.exit,
                    state.extension.event.is_none() && state.extension.waits(),
                )
            };
            if let Some(exit) = exit {
                outcome = Outcome::ExtensionCrashed(exit);
                reset = Some("failure");
            } else if subscribed && !waits {
                outcome = Outcome::HeldToTimeout;
                reset = Some("timeout");
            }
        }
        let vitals = self.vitals();
        let report = Fact::Report {
            request_id: request_id.clone(),
            status: if outcome == Outcome::HeldToTimeout {
                Status {
                    word: "timeout",
                    error_type: None,
                }
            } else {
                status
            },
            duration_ms,
            init_ms: self.init_ms.take(),
            restore_ms: self.restore_ms.take(),
            overhead_ms: millis(hold),
        };
        if !invocation.without_report {
            hub.tell(report);
        }
        match reset {
            Some(reason) => {
                self.end_process(reason);
            }
            None => self.freeze(),
        }
        InvocationReport {
            request_id,
            outcome,
            began,
            runtime_done,
            hold,
            vitals,
        }
    }

    /// Runs invocations side by side, as Managed Instances do; their events interleave.
    pub(crate) fn invoke_together(&mut self, invocations: &[Invocation]) -> Vec<String> {
        assert!(
            self.setup.managed(),
            "only Managed Instances run invocations side by side"
        );
        let first = self.invocations + 1;
        self.invocations += invocations.len() as u64;
        let this = &*self;
        std::thread::scope(|scope| {
            let running: Vec<_> = invocations
                .iter()
                .zip(first..)
                .map(|(invocation, number)| {
                    scope.spawn(move || this.run_managed(invocation, number))
                })
                .collect();
            running
                .into_iter()
                .map(|one| one.join().expect("an invocation does not panic"))
                .collect()
        })
    }

    fn run_managed(&self, invocation: &Invocation, number: u64) -> String {
        let request_id = request_id(number);
        let began = Instant::now();
        let hub = self.hub();
        hub.tell(Fact::Start {
            request_id: request_id.clone(),
        });
        self.play(invocation, began + self.setup.timeout);
        let status = match invocation.ending {
            Ending::Success => success(),
            Ending::Timeout => Status {
                word: "timeout",
                error_type: Some("Runtime.InvokeTimeout"),
            },
            Ending::Error | Ending::Crash => Status {
                word: "error",
                error_type: Some("Runtime.Unknown"),
            },
        };
        hub.tell(Fact::Report {
            request_id: request_id.clone(),
            status,
            duration_ms: millis(began.elapsed()),
            init_ms: None,
            restore_ms: None,
            overhead_ms: 0.0,
        });
        for text in &invocation.late {
            hub.tell(Fact::Function(self.line(text.clone())));
        }
        request_id
    }

    /// Plays a function's steps; none lasts beyond the deadline.
    fn play(&self, invocation: &Invocation, deadline: Instant) {
        let hub = self.hub();
        for step in &invocation.steps {
            if Instant::now() >= deadline {
                return;
            }
            match step {
                Step::Print(text) => hub.tell(Fact::Function(self.line(text.clone()))),
                Step::Record(json) => hub.tell(Fact::Function(Line::Value(json.clone()))),
                Step::Burst { lines, width } => {
                    for number in 1..=*lines {
                        let text = format!("{number:07} of {lines} ");
                        let fill = "-".repeat(width.saturating_sub(text.len()));
                        hub.tell(Fact::Function(self.line(text + &fill)));
                    }
                }
                Step::Work(duration) => self.pass(*duration, deadline),
            }
        }
        if invocation.ending == Ending::Timeout {
            self.pass(self.setup.timeout, deadline);
        }
    }

    /// Lets time pass, but not beyond `until` nor beyond the end of the process.
    pub(super) fn pass(&self, duration: Duration, until: Instant) {
        if !duration.is_zero() {
            let end = until.min(Instant::now() + duration);
            self.api
                .wait_until(end, |state| state.extension.exit.is_some());
        }
    }

    /// A line of the function under its log format.
    pub(super) fn line(&self, text: String) -> Line {
        match self.setup.log_format {
            LogFormat::Text => Line::Text(text),
            LogFormat::Json => Line::Json {
                text,
                time: clock::rfc3339(SystemTime::now(), 3),
            },
        }
    }

    /// From `since` to the extension's last request for an event.
    fn held_since(&self, since: Instant) -> Duration {
        let state = self.api.lock();
        match state.extension.asked.last() {
            Some(at) if state.extension.waits() => at.saturating_duration_since(since),
            _ if self.setup.managed() || !state.extension.wants("INVOKE") => Duration::ZERO,
            _ => since.elapsed(),
        }
    }
}

/// A request id that tells its number.
fn request_id(number: u64) -> String {
    format!("3da1f2dc-3222-475e-9205-{number:012}")
}

/// The trace header of every invocation.
pub(crate) const TRACE: &str =
    "Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Parent=2be948a625588e32;Sampled=1";

fn invoke_event(setup: &Setup, request_id: &str, deadline_ms: u64) -> String {
    let tracing = if setup.tracing {
        format!(r#","tracing":{{"type":"X-Amzn-Trace-Id","value":"{TRACE}"}}"#)
    } else {
        String::new()
    };
    format!(
        r#"{{"eventType":"INVOKE","deadlineMs":{deadline_ms},"requestId":"{request_id}","invokedFunctionArn":"{}"{tracing}}}"#,
        setup.arn()
    )
}
