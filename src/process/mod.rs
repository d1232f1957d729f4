//! Between an event and a record: keeps or drops, and adds what the stream itself tells.
//!
//! The order is fixed: select, then enrich; a record that is dropped is never looked into further.
//! This stage must not write bytes of any format, and must not allocate for a record.

mod enrich;
mod select;

use std::borrow::Cow;

pub use enrich::{Identity, Stream, trace_root};
pub use select::Types;

use crate::parse::Event;

/// What process is told by the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The types of telemetry that are shipped.
    pub types: Types,
    /// Whether requests overlap in this environment (Managed Instances), so that only a record itself knows its request.
    pub concurrent: bool,
}

/// What an event carries and we ship.
#[derive(Debug)]
pub struct Record<'a> {
    /// The event's time, as JSON text.
    pub timestamp: Option<&'a str>,
    /// The event's type.
    pub kind: &'a str,
    /// What was logged.
    pub content: Content<'a>,
    /// The request it belongs to.
    pub request_id: Option<&'a str>,
    /// The X-Ray trace it belongs to: the `Root` of the tracing header.
    pub trace_id: Option<&'a str>,
    /// The tenant whose request it belongs to.
    pub tenant_id: Option<&'a str>,
    /// Whether it belongs to the environment's first invocation, if that is known.
    pub cold_start: Option<bool>,
    /// The environment's part of the record's id.
    pub environment: &'a str,
    /// The record's own part of its id.
    pub sequence: u64,
    /// Fields of the event that this program does not know, as name and JSON text.
    pub extra: &'a [(Cow<'a, str>, &'a str)],
}

/// What was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A line of text: the inside of a JSON string, escapes as they came, without its one trailing line end.
    Text(&'a str),
    /// Any other JSON value, as it came.
    Json(&'a str),
}

/// What an event tells about the invocations themselves.
#[derive(Debug, PartialEq, Eq)]
pub enum Signal<'a> {
    /// A request began.
    Started(Cow<'a, str>),
    /// The runtime is done with a request.
    RuntimeDone(Cow<'a, str>),
    /// The platform's report on a request, its last event, has come.
    Reported(Cow<'a, str>),
    /// The platform dropped this many records.
    Dropped(u64),
}

/// Takes an event through the stage.
///
/// The signal is read from every platform event, also from one that is not shipped.
/// The record borrows from the event and from the stream's state.
pub fn process<'a, 'body>(
    event: &'a Event<'body>,
    options: &Options,
    stream: &'a mut Stream,
) -> (Option<Record<'a>>, Option<Signal<'body>>) {
    let (facts, signal) = stream.observe(event, options);
    if !select::keeps(event, options) {
        return (None, signal);
    }
    (Some(stream.enrich(event, facts, options)), signal)
}
