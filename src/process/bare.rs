//! The bare path: what a function logs, with nothing read out of it and nothing added; only with the feature `bare`, which no release has.
//!
//! `benches/run` measures what levels and enrichment cost beside it. It must not do anything that a program could do without.

use super::Record;
use crate::parse::{self, Event};

/// The record of an event with its time, its type and its text, or else its JSON.
#[must_use]
pub fn record<'a>(event: &'a Event<'_>) -> Record<'a> {
    let inside = parse::inside(event.record);
    Record {
        timestamp: event.time,
        kind: &event.kind,
        message: inside,
        record: Some(event.record).filter(|_| inside.is_none()),
        extra: &event.extra,
        ..Record::default()
    }
}
