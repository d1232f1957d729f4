//! `s3`: an object of lines, as `ndjson` writes them.

use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "s3",
    content_type: "application/x-ndjson",
    frame: Frame::LINES,
    // Every object is billed, and whoever reads them wants few.
    batch_bytes: 4 * 1024 * 1024,
    batch_records: 100_000,
    scheme: true,
    replaces: true,
    ..Format::PLAIN
};
