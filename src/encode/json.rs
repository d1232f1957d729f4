//! `json`: one JSON array of flat objects.

use super::Format;

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "json",
    ..Format::PLAIN
};
