//! What was measured of each phase.
//!
//! Plain data; the phases fill it.

use super::process::{Exit, Vitals};
use std::time::{Duration, Instant};

/// How an init went.
#[derive(Clone, Debug)]
pub(crate) struct InitReport {
    /// When the process was started.
    pub(crate) started: Instant,
    /// From there to its register call.
    pub(crate) to_register: Duration,
    /// From there to its subscription, if it subscribed.
    pub(crate) to_subscribe: Option<Duration>,
    /// From there to its first request for an event.
    pub(crate) to_next: Duration,
    /// Its memory and threads when init was over.
    pub(crate) vitals: Vitals,
}

/// How an init failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InitFailure {
    /// The process ended.
    Exited(Exit),
    /// It reported an error of this type.
    Reported(String),
    /// It did not register or did not ask for an event in time.
    TooSlow,
}

/// How an invocation went, as the platform sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everybody was done in time.
    Finished,
    /// The function ran past its timeout.
    FunctionTimedOut,
    /// The function's runtime died.
    FunctionCrashed,
    /// The function was done, the extension was not, and the time was up.
    HeldToTimeout,
    /// The extension's process ended.
    ExtensionCrashed(Exit),
}

/// What was measured of an invocation.
#[derive(Clone, Debug)]
pub(crate) struct InvocationReport {
    /// Its id.
    pub(crate) request_id: String,
    /// How it went.
    pub(crate) outcome: Outcome,
    /// When it began.
    pub(crate) began: Instant,
    /// When the runtime was done.
    pub(crate) runtime_done: Instant,
    /// How long the extension kept the environment after that.
    pub(crate) hold: Duration,
    /// Memory and threads at its end.
    pub(crate) vitals: Vitals,
}

/// How a shutdown went.
#[derive(Clone, Debug)]
pub(crate) struct ShutdownReport {
    /// From the event to the end of the process.
    pub(crate) took: Duration,
    /// How it ended by itself; `None` when it had to be killed.
    pub(crate) exit: Option<Exit>,
    /// Memory at the end.
    pub(crate) vitals: Vitals,
}
