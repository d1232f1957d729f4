//! What a destination's answer says of single records: one file for each kind of answer.
//!
//! A status of 200 may hide a failure, and a failure may hide that most was taken.
//! Nothing here decides what becomes of a record; an answer that cannot be read says nothing.

use super::retry::Verdict;
use crate::parse::elements;

mod aws;
mod axiom;
mod bulk;
mod dynatrace;
mod hec;
mod honeycomb;
mod loki;
mod otlp;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was taken, or was there already.
    Delivered,
    /// It may be sent again.
    Again,
    /// It was not in the payload, and may be sent at once.
    Left,
    /// It will never be taken.
    Refused,
}

/// What an answer says of the records.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing: the status stands for all of them.
    Nothing,
    /// What the status does not say of all of them.
    All(Verdict),
    /// What became of each, in the payload's order, and what it says of the first one that was not taken.
    Items {
        /// One for each record.
        fates: Vec<Fate>,
        /// In the destination's words.
        why: String,
    },
    /// So many were not taken and never will be, and it does not say which; none of them: it took all and warns.
    Refused {
        /// How many.
        records: usize,
        /// In the destination's words.
        why: String,
    },
}

/// Reads an answer: its status, its body, and the number of records in the payload.
pub type Reader = fn(u16, &[u8], usize) -> Reading;

/// The reader for a format's answers.
#[must_use]
pub fn reader(format: &str) -> Reader {
    match format {
        "axiom" => axiom::read,
        "dynatrace" => dynatrace::read,
        "honeycomb" => honeycomb::read,
        "elasticsearch" => bulk::read,
        "cloudwatch" => aws::events,
        "firehose" | "kinesis" => aws::records,
        "loki" => loki::read,
        "s3" => aws::read,
        "splunk" => hec::read,
        "sqs" => aws::messages,
        "otlp" | "otlp-json" => otlp::read,
        _ => |_, _, _| Reading::Nothing,
    }
}
