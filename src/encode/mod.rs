//! A record to bytes: one trait, one table, one file per format.
//!
//! A format turns one record into one self-contained fragment, so that payloads are cut, and partly sent again, without encoding twice.
//! A format opens nothing and knows no URL.

mod json;
mod ndjson;
mod object;

use std::fmt;

use crate::process::{Identity, Record};

/// How records are written for a destination.
pub trait Encode: fmt::Debug + Send {
    /// Tells who logs; called before the first record and whenever more is known.
    fn identify(&mut self, identity: &Identity);

    /// Appends one fragment.
    fn encode(&self, record: &Record<'_>, out: &mut Vec<u8>);
}

/// One row of [`FORMATS`]: everything about a format that is not the writing of a record.
#[derive(Debug)]
pub struct Format {
    /// The word in `BROOKLET_FORMAT`.
    pub name: &'static str,
    /// The payload's `Content-Type`.
    pub content_type: &'static str,
    /// What stands before the first fragment, between two, and behind the last.
    pub frame: Frame,
    /// The header that carries `BROOKLET_API_KEY`, and what stands before the key in it.
    pub key_header: (&'static str, &'static str),
    /// The largest payload in bytes, before compression, if nothing else is configured.
    pub batch_bytes: usize,
    /// The most records in a payload, if nothing else is configured.
    pub batch_records: usize,
    /// Makes the encoder.
    pub encoder: fn() -> Box<dyn Encode>,
}

/// What makes fragments a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Before the first fragment.
    pub head: &'static str,
    /// Between two fragments.
    pub separator: &'static str,
    /// Behind the last fragment.
    pub tail: &'static str,
}

/// Every format.
pub const FORMATS: &[Format] = &[json::FORMAT, ndjson::FORMAT];

/// The format where none is configured.
pub const DEFAULT: &Format = &json::FORMAT;

/// The format of a name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
