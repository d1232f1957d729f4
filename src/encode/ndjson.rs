//! `ndjson`: one flat JSON object a line, each line ended.

use super::object::Object;
use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "ndjson",
    content_type: "application/x-ndjson",
    frame: Frame {
        head: "",
        separator: "\n",
        tail: "\n",
    },
    key_header: ("authorization", "Bearer "),
    batch_bytes: 1024 * 1024,
    batch_records: 10_000,
    encoder: || Box::new(Object::default()),
};
