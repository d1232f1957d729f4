//! What a receiver of OpenTelemetry's protocol answers: how many records it rejected, in protobuf or in JSON.
//!
//! Which records it does not say, and what it rejected must never be sent again.

use super::{Fate, Reading};
use crate::error::excerpt;
use crate::parse;

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], records: usize) -> Reading {
    match status {
        200..=299 => {}
        // All other failures may pass by the protocol's words, or are refusals by their status.
        408 | 500 | 501 | 505..=599 => {
            return Reading::Items {
                fates: vec![Fate::Refused; records],
                why: format!("{status}: {}", excerpt(body)),
            };
        }
        _ => return Reading::Nothing,
    }
    let (rejected, why) = protobuf(body).or_else(|| json(body)).unwrap_or_default();
    if rejected == 0 && why.is_empty() {
        return Reading::Nothing;
    }
    Reading::Refused {
        records: usize::try_from(rejected).unwrap_or(usize::MAX),
        why,
    }
}

/// Reads `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"…"}}`.
fn json(body: &[u8]) -> Option<(u64, String)> {
    let text = std::str::from_utf8(body).ok()?;
    let partial = parse::Fields::of(text).object("partialSuccess");
    // A 64-bit number is text in this JSON, but not everybody knows.
    let rejected = partial.get("rejectedLogRecords").unwrap_or_default();
    let rejected = rejected.trim_matches('"').parse().unwrap_or(0);
    let why = partial.inside("errorMessage").unwrap_or_default();
    Some((rejected, parse::plain(why).into_owned()))
}

/// Reads the same as protobuf; `None` if it is none.
fn protobuf(body: &[u8]) -> Option<(u64, String)> {
    let (mut rejected, mut why) = (0, String::new());
    let mut answer = body;
    while !answer.is_empty() {
        let (number, _, mut partial) = field(&mut answer)?;
        while number == 1 && !partial.is_empty() {
            match field(&mut partial)? {
                // Rejecting less than none is nonsense.
                (1, value, []) => rejected = i64::try_from(value).map_or(0, i64::unsigned_abs),
                (2, _, text) => why = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    Some((rejected, why))
}

/// Takes a field: its number, and its value as a number or as bytes.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, u64, &'a [u8])> {
    let tag = varint(rest)?;
    let (value, bytes) = match tag & 7 {
        0 => (varint(rest)?, 0),
        1 => (0, 8),
        2 => (0, usize::try_from(varint(rest)?).ok()?),
        5 => (0, 4),
        _ => return None,
    };
    let (bytes, behind) = rest.split_at_checked(bytes)?;
    *rest = behind;
    (tag >> 3 > 0).then_some((tag >> 3, value, bytes))
}

/// Takes a number.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(records: usize, why: &str) -> Reading {
        Reading::Refused {
            records,
            why: why.to_owned(),
        }
    }

    #[test]
    fn a_partial_success_is_read_in_both_encodings() {
        for (body, expected) in [
            (&b""[..], Reading::Nothing),
            (b"{}", Reading::Nothing),
            (b"\x0a\x00", Reading::Nothing),
            (b"\x0a\x02\x08\x00", Reading::Nothing),
            (b"\x0a\x07\x08\x03\x12\x03why", refused(3, "why")),
            (b"\x0a\x05\x12\x03why", refused(0, "why")),
            (b"\x0a\x03\x08\xac\x02", refused(300, "")),
            (
                b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                Reading::Nothing,
            ),
            // Fields of a later version.
            (b"\x12\x01x\x1d\x01\x02\x03\x04\x0a\x04\x18\x07\x08\x01", refused(1, "")),
            (
                b"{\"partialSuccess\":{\"rejectedLogRecords\":\"3\",\"errorMessage\":\"w\\u0068y\"}}",
                refused(3, "why"),
            ),
            (b"\n {\"partialSuccess\":{\"rejectedLogRecords\":3}}", refused(3, "")),
            (b"{\"partialSuccess\":{\"errorMessage\":\"why\"}}", refused(0, "why")),
            (b"{\"partialSuccess\":{\"rejectedLogRecords\":\"-3\"}}", Reading::Nothing),
            (b"{\"partialSuccess\":null}", Reading::Nothing),
            (b"<html>", Reading::Nothing),
            (b"OK", Reading::Nothing),
            (b"\x0a\xff", Reading::Nothing),
            (b"\x0a\x05\x12\x09why", Reading::Nothing),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Reading::Nothing),
        ] {
            assert_eq!(read(200, body, 9), expected, "{body:?}");
        }
    }

    #[test]
    fn only_four_failures_may_be_tried_again() {
        for status in [429, 502, 503, 504, 400, 401, 404, 413] {
            assert_eq!(read(status, b"no", 2), Reading::Nothing, "{status}");
        }
        for status in [408, 500, 501, 505, 599] {
            let Reading::Items { fates, why } = read(status, b"no", 2) else {
                panic!("{status}");
            };
            assert_eq!(fates, [Fate::Refused; 2]);
            assert_eq!(why, format!("{status}: no"));
        }
    }
}
