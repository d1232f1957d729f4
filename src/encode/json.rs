//! `json`: one JSON array of flat objects.

use super::object::Object;
use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "json",
    content_type: "application/json",
    frame: Frame {
        head: "[",
        separator: ",",
        tail: "]",
    },
    key_header: ("authorization", "Bearer "),
    batch_bytes: 1024 * 1024,
    batch_records: 10_000,
    encoder: || Box::new(Object::default()),
};
