//! A destination as an endpoint names it, there or not: a scripted sink, a port that refuses, a name that nobody knows.
//!
//! Must not decide which one a test wants.

use super::Sink;
use super::absent::Refusing;
use super::script::Script;

/// A destination, and what keeps it alive.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where it is, or is not.
    pub(crate) url: String,
    /// What is there, if anything is.
    pub(crate) sink: Option<Sink>,
    _refusing: Option<Refusing>,
}

impl Place {
    /// A sink that does this.
    pub(crate) fn scripted(script: Script) -> Self {
        let sink = Sink::new(script);
        Self {
            url: sink.url("/logs"),
            sink: Some(sink),
            _refusing: None,
        }
    }

    /// A port that is closed.
    pub(crate) fn refusing() -> Self {
        let refusing = Refusing::new();
        Self {
            url: refusing.url("/logs"),
            sink: None,
            _refusing: Some(refusing),
        }
    }

    /// A host whose name does not resolve.
    pub(crate) fn unresolvable() -> Self {
        Self {
            url: "http://no-such-host.invalid/logs".to_owned(),
            sink: None,
            _refusing: None,
        }
    }
}
