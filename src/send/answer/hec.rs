//! What Splunk's HTTP event collector answers: a code, and for bad data the number of the event where it stopped.
//!
//! The collector stores as it reads, so what stands before that event is stored.
//! It must not judge what the status judges: only a code that says more than its status is read.

use super::{Fate, Reading};
use crate::error::excerpt;
use crate::parse::Fields;

/// Invalid data format.
const BAD_DATA: u16 = 6;

/// The codes whose event number says which one is bad: no data that can be read, no event, an empty one, bad indexed fields.
///
/// The number counts from 0, and only what stands before it is stored: so answered Splunk Enterprise 10.4.3 and Splunk Cloud 10.5 to three events of which one was bad.
/// The number of [`BAD_INDEX`] counts from 1 there, and is not used.
const BAD_EVENT: [u16; 4] = [BAD_DATA, 12, 13, 15];

/// Incorrect index: no other event of ours would fare better.
const BAD_INDEX: u16 = 7;

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], records: usize) -> Reading {
    let fields = Fields::of(std::str::from_utf8(body).unwrap_or_default());
    let Some(code) = fields.get("code").and_then(|it| it.parse::<u16>().ok()) else {
        return Reading::Nothing;
    };
    // The event where it stopped.
    let stopped = fields.get("invalid-event-number");
    let stopped = stopped.and_then(|it| it.parse::<usize>().ok());
    let fate = |at: usize| match (code, stopped) {
        (code, Some(bad)) if BAD_EVENT.contains(&code) && at < bad => Fate::Delivered,
        (code, Some(bad)) if BAD_EVENT.contains(&code) && at > bad => Fate::Again,
        (8 | 9 | 18..=20 | 23 | 26 | 27, _) => Fate::Again,
        _ => Fate::Refused,
    };
    let told = match (status, code) {
        (200 | 400, code) if BAD_EVENT.contains(&code) => stopped.is_none_or(|bad| bad < records),
        (400, BAD_INDEX) => true,
        // A success that is none, as something between may answer; 0, 24, 25 and what is not known yet are successes.
        (200, code) => matches!(code, 1..=16 | 18..=23 | 26 | 27),
        _ => false,
    };
    // What is bad without a number is searched for.
    if !told || (status == 400 && BAD_EVENT.contains(&code) && stopped.is_none()) {
        return Reading::Nothing;
    }
    Reading::Items {
        fates: (0..records).map(fate).collect(),
        why: format!("{status}: {}", excerpt(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::Fate::{Again, Delivered, Refused};
    use super::*;

    #[test]
    fn a_code_says_more_than_its_status() {
        let bad = r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#;
        for (status, body, expected) in [
            (400, bad, Some([Delivered, Refused, Again])),
            (200, bad, Some([Delivered, Refused, Again])),
            (
                400,
                r#"{"text":"…","code":6,"invalid-event-number":0}"#,
                Some([Refused, Again, Again]),
            ),
            (
                400,
                r#"{"text":"…","code":6,"invalid-event-number":3}"#,
                None,
            ),
            (400, r#"{"text":"…","code":6}"#, None),
            (
                400,
                r#"{"text":"…","code":7,"invalid-event-number":1}"#,
                Some([Refused; 3]),
            ),
            (
                400,
                r#"{"text":"…","code":12,"invalid-event-number":0}"#,
                Some([Refused, Again, Again]),
            ),
            (
                400,
                r#"{"text":"…","code":13,"invalid-event-number":2}"#,
                Some([Delivered, Delivered, Refused]),
            ),
            (
                400,
                r#"{"text":"…","code":15,"invalid-event-number":1}"#,
                Some([Delivered, Refused, Again]),
            ),
            (400, r#"{"text":"…","code":15}"#, None),
            (400, r#"{"text":"…","code":14}"#, None),
            (200, r#"{"text":"Success","code":0}"#, None),
            (200, r#"{"text":"…","code":24}"#, None),
            (200, r#"{"text":"…","code":25}"#, None),
            (200, r#"{"text":"…","code":99}"#, None),
            (
                200,
                r#"{"text":"Server is busy","code":9}"#,
                Some([Again; 3]),
            ),
            (
                200,
                r#"{"text":"Invalid token","code":4}"#,
                Some([Refused; 3]),
            ),
            (200, r#"{"text":"…","code":6}"#, Some([Refused; 3])),
            (503, r#"{"text":"Server is busy","code":9}"#, None),
            (403, r#"{"text":"Invalid token","code":4}"#, None),
            (200, "OK", None),
            (200, "{}", None),
        ] {
            let read = match read(status, body.as_bytes(), 3) {
                Reading::Items { fates, .. } => Some(fates),
                _ => None,
            };
            assert_eq!(
                read,
                expected.map(|fates| fates.to_vec()),
                "{status} {body}"
            );
        }
    }
}
