//! `axiom`: one object a line, its time as `_time`.
//!
//! A dataset takes few hundred fields, so a function's own JSON stays under the one field `record`, which can be a map field.

use super::object::{Object, Style};
use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "axiom",
    content_type: "application/x-ndjson",
    frame: Frame::LINES,
    batch_records: 10_000,
    // A field's value; the record is little more than its one long field.
    record_bytes: 1_000_000,
    hosts: &["api.axiom.co", "api.*.axiom.co"],
    encoder: |_| {
        Box::new(Object::styled(Style {
            names: &[("timestamp", "_time")],
            timed: true,
            ..Style::PLAIN
        }))
    },
    ..Format::PLAIN
};
