//! `honeycomb`: an array of events, each a time, a sample rate and flat data.
//!
//! A dataset keeps what is nested as text unless its owner wants otherwise, so the first level of keys is unfolded here.

use super::object::{Object, Style, braces, decimal, rfc3339};
use super::{Encode, Format};
use crate::process::{Identity, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "honeycomb",
    key_header: ("x-honeycomb-team", ""),
    batch_bytes: 5_000_000,
    record_bytes: 1_000_000,
    hosts: &["api.honeycomb.io", "api.*.honeycomb.io"],
    encoder: |_| {
        Box::new(Honeycomb(Object::styled(Style {
            names: &[("timestamp", ""), ("service_name", "service.name")],
            flat: true,
            ..Style::PLAIN
        })))
    },
    ..Format::PLAIN
};

/// Writes events.
#[derive(Debug)]
struct Honeycomb(Object);

impl Encode for Honeycomb {
    fn identify(&mut self, identity: &Identity) {
        self.0.identify(identity);
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(b",\"time\":");
        rfc3339(out, record);
        if let Some(rate) = record.sample.and_then(rate) {
            out.extend_from_slice(b",\"samplerate\":");
            decimal(out, rate);
        }
        out.extend_from_slice(b",\"data\":");
        self.0.encode(record, out);
        braces(out, from);
    }
}

/// One in how many is kept, if so large a fraction is; as near as a whole number comes.
fn rate(fraction: &str) -> Option<u64> {
    let Some(digits) = fraction.strip_prefix("0.") else {
        return (fraction == "1").then_some(1);
    };
    let kept: u64 = digits.parse().ok()?;
    let all = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
    (all + kept / 2).checked_div(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_one_in_so_many() {
        for (fraction, expected) in [
            ("1", Some(1)),
            ("0.5", Some(2)),
            ("0.625", Some(2)),
            ("0.7", Some(1)),
            ("0.1", Some(10)),
            ("0.3", Some(3)),
            ("0.000000001", Some(1_000_000_000)),
            ("0", None),
            ("0.0", None),
            ("x", None),
        ] {
            assert_eq!(rate(fraction), expected, "{fraction}");
        }
    }
}
