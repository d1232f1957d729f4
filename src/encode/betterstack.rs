//! `betterstack`: an array of objects, their time as `dt`.

use super::Format;
use super::object::{Object, Style};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "betterstack",
    batch_bytes: 10 * 1024 * 1024,
    // With the brackets around it.
    record_bytes: 10 * 1024 * 1024 - 2,
    hosts: &["*.betterstackdata.com", "in.logs.betterstack.com"],
    encoder: |_| {
        Box::new(Object::styled(Style {
            names: &[("timestamp", "dt")],
            timed: true,
            ..Style::PLAIN
        }))
    },
    ..Format::PLAIN
};
