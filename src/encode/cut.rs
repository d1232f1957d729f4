//! A record within a destination's limit: one that is too large is cut, with a mark.
//!
//! It must not know a format: it only writes a record again until it fits.

use super::Encode;
use crate::parse;
use crate::process::Record;

/// What a record that was cut ends with.
const MARK: &str = "… [truncated]";

/// The longest type of a record that is stripped of all that it can do without, in bytes.
const KIND_BYTES_MAX: usize = 256;

/// Appends a record's fragment, of `bytes_max` bytes at most; whether it had to be cut.
///
/// Its text is cut, and JSON becomes text, as it would not be JSON any more.
/// Where that is not enough, whatever else came with it is left out: its time, its ids, and fields that nobody knows.
pub fn within(
    encoder: &mut dyn Encode,
    record: &Record<'_>,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> bool {
    let from = out.len();
    encoder.encode(record, out);
    if out.len() - from <= bytes_max {
        return false;
    }
    let mut text = String::new();
    match record.record {
        // What a JSON record says is in it.
        Some(json) => parse::escape(&mut text, json),
        None => text.push_str(record.message.unwrap_or_default()),
    }
    if shorten(encoder, record, &text, bytes_max, from, out) {
        return true;
    }
    let stripped = Record {
        received_ms: record.received_ms,
        kind: parse::cut(record.kind, KIND_BYTES_MAX),
        level: record.level,
        cold_start: record.cold_start,
        sample: record.sample,
        environment: record.environment,
        sequence: record.sequence,
        ..Record::default()
    };
    shorten(encoder, &stripped, &text, bytes_max, from, out);
    true
}

/// Writes a record that stands from there on again, with the beginning of a text, the inside of a JSON string; whether it fits.
fn shorten(
    encoder: &mut dyn Encode,
    record: &Record<'_>,
    text: &str,
    bytes_max: usize,
    from: usize,
    out: &mut Vec<u8>,
) -> bool {
    let mut left = text.len().min(bytes_max);
    // How often a format writes an escape is its own business, so the first cut may not be enough.
    loop {
        let mut cut = parse::cut_inside(text, left).to_owned();
        cut.push_str(MARK);
        out.truncate(from);
        encoder.encode(
            &Record {
                message: Some(&cut),
                record: None,
                ..*record
            },
            out,
        );
        let excess = (out.len() - from).saturating_sub(bytes_max);
        if excess == 0 || left == 0 {
            return excess == 0;
        }
        left = left.saturating_sub(excess);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::encode::{FORMATS, Options};

    #[test]
    fn whatever_a_record_is_large_in_it_is_cut() {
        let large = "x".repeat(300_000);
        let json = format!("{{\"a\":\"{large}\"}}");
        let time = format!("\"{large}\"");
        let extra = [(Cow::Borrowed("new"), Cow::Borrowed(json.as_str()))];
        let plain = || Record {
            kind: "function",
            message: Some("text"),
            ..Record::default()
        };
        let cases = [
            (plain(), false),
            (
                Record {
                    message: Some(&large),
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    record: Some(&json),
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    timestamp: Some(&time),
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    kind: &large,
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    request_id: Some(&large),
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    trace_id: Some(&large),
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    tenant_id: Some(&large),
                    ..plain()
                },
                true,
            ),
            (
                Record {
                    extra: &extra,
                    ..plain()
                },
                true,
            ),
        ];
        for format in FORMATS {
            let mut encoder = (format.encoder)(&Options::default());
            for (at, (record, is_large)) in cases.iter().enumerate() {
                let mut out = b"before".to_vec();
                let cut = within(&mut *encoder, record, 100_000, &mut out);
                let text = String::from_utf8_lossy(&out);
                assert!(
                    out.len() <= 100_006,
                    "{} {at}: {} bytes",
                    format.name,
                    out.len()
                );
                assert!(cut || out.len() < 3_000, "{} {at}", format.name);
                assert!(!cut || *is_large, "{} {at}", format.name);
                assert_eq!(
                    cut,
                    text.contains(MARK),
                    "{} {at}: {text:.200}",
                    format.name
                );
                assert!(text.starts_with("before"));
            }
        }
    }
}
