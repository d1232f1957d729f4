//! The sample function as a script: what it prints, how long it takes, how it ends.
//!
//! Plain data; the local Lambda plays it.

use std::time::Duration;

/// One thing the function does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// It prints a line; the log format decides what becomes of it.
    Print(String),
    /// Its log holds this JSON value, whatever the log format.
    Record(String),
    /// It prints so many lines as fast as it can, each so many bytes wide.
    Burst {
        /// How many.
        lines: usize,
        /// The width of each.
        width: usize,
    },
    /// It works for a while.
    Work(Duration),
}

/// How an invocation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an answer.
    Success,
    /// The handler failed, the runtime goes on.
    Error,
    /// It runs past the function's timeout; the environment is reset.
    Timeout,
    /// The runtime's process dies; the environment is reset.
    Crash,
}

/// One invocation of the function.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    /// What it does, in order.
    pub(crate) steps: Vec<Step>,
    /// How it ends.
    pub(crate) ending: Ending,
    /// Lines that reach the stream only after the runtime is done with the request.
    pub(crate) late: Vec<String>,
    /// Whether `platform.runtimeDone` goes missing, as it does at times.
    pub(crate) without_runtime_done: bool,
    /// Whether `platform.report` goes missing, so that SHUTDOWN alone tells how it ended.
    pub(crate) without_report: bool,
    /// Whether the INVOKE event is answered after all telemetry of the invocation.
    pub(crate) event_last: bool,
    /// The request's id, where it is one that was there before.
    pub(crate) request_id: Option<String>,
}

impl Invocation {
    /// A function that prints nothing and answers at once.
    pub(crate) fn silent() -> Self {
        Self {
            steps: Vec::new(),
            ending: Ending::Success,
            late: Vec::new(),
            without_runtime_done: false,
            without_report: false,
            event_last: false,
            request_id: None,
        }
    }

    /// A function that prints one line.
    pub(crate) fn line(text: impl Into<String>) -> Self {
        Self::silent().print(text)
    }

    /// A function that prints `count` short lines that say their number.
    pub(crate) fn lines(count: usize) -> Self {
        let mut it = Self::silent();
        for number in 1..=count {
            it = it.print(format!("line {number} of {count}"));
        }
        it
    }

    /// Prints a line more.
    pub(crate) fn print(mut self, text: impl Into<String>) -> Self {
        self.steps.push(Step::Print(text.into()));
        self
    }

    /// Logs a JSON value as it stands.
    pub(crate) fn record(mut self, json: impl Into<String>) -> Self {
        self.steps.push(Step::Record(json.into()));
        self
    }

    /// Prints `lines` lines of `width` bytes as fast as it can.
    pub(crate) fn burst(mut self, lines: usize, width: usize) -> Self {
        self.steps.push(Step::Burst { lines, width });
        self
    }

    /// Works for so long.
    pub(crate) fn works_ms(mut self, millis: u64) -> Self {
        self.steps.push(Step::Work(Duration::from_millis(millis)));
        self
    }

    /// Prints a line that arrives only after the runtime is done.
    pub(crate) fn print_late(mut self, text: impl Into<String>) -> Self {
        self.late.push(text.into());
        self
    }

    /// Fails in its handler.
    pub(crate) fn fails(mut self) -> Self {
        self.ending = Ending::Error;
        self
    }

    /// Never ends by itself.
    pub(crate) fn times_out(mut self) -> Self {
        self.ending = Ending::Timeout;
        self
    }

    /// Kills its runtime.
    pub(crate) fn crashes(mut self) -> Self {
        self.ending = Ending::Crash;
        self
    }

    /// Its `platform.runtimeDone` is never sent.
    pub(crate) fn loses_runtime_done(mut self) -> Self {
        self.without_runtime_done = true;
        self
    }

    /// Its INVOKE event is only seen when its telemetry was handed over, end included.
    pub(crate) fn event_comes_last(mut self) -> Self {
        self.event_last = true;
        self
    }

    /// It is another try of this request.
    pub(crate) fn retries(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    /// Its `platform.report` is never sent.
    pub(crate) fn loses_report(mut self) -> Self {
        self.without_report = true;
        self
    }
}
