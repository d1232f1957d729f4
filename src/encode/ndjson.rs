//! `ndjson`: one flat JSON object a line, each line ended.

use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "ndjson",
    content_type: "application/x-ndjson",
    frame: Frame::LINES,
    ..Format::PLAIN
};
