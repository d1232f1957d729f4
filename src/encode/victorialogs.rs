//! `victorialogs`: one object a line; the query says which fields are time, text and stream.
//!
//! It flattens objects itself, and wants a text of every record.

use super::object::{Object, Style};
use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "victorialogs",
    content_type: "application/stream+json",
    frame: Frame::LINES,
    // Longer lines are passed over in silence.
    record_bytes: 256 * 1024,
    path: "/insert/jsonline",
    encoder: |_| {
        Box::new(Object::styled(Style {
            timed: true,
            told: true,
            ..Style::PLAIN
        }))
    },
    ..Format::PLAIN
};
