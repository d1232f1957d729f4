//! `axiom`: how many events were not taken, and why the first was not.

use super::{Reading, elements};
use crate::parse::{self, Fields};

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], _records: usize) -> Reading {
    let answer = Fields::of(std::str::from_utf8(body).unwrap_or_default());
    let failed = answer.get("failed").and_then(|number| number.parse().ok());
    let Some(records @ 1..) = failed.filter(|_| (200..300).contains(&status)) else {
        return Reading::Nothing;
    };
    let failures = answer.get("failures").and_then(elements);
    let first = failures.and_then(|all| all.first().map(|one| Fields::of(one)));
    let why = first.and_then(|first| first.inside("error"));
    Reading::Refused {
        records,
        why: why.map_or_else(String::new, |error| parse::plain(error).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_found() {
        let body = br#"{"ingested":1,"failed":2,"failures":[{"timestamp":"2026-11-22T10:00:00Z","error":"field limit"},{"error":"x"}],"processedBytes":9,"blocksCreated":0,"walLength":2}"#;
        assert_eq!(
            read(200, body, 3),
            Reading::Refused {
                records: 2,
                why: "field limit".to_owned()
            }
        );
        assert_eq!(
            read(200, br#"{"failed":1}"#, 1),
            Reading::Refused {
                records: 1,
                why: String::new()
            }
        );
    }

    #[test]
    fn anything_else_says_nothing() {
        for (status, body) in [
            (200, &br#"{"ingested":3,"failed":0,"failures":[]}"#[..]),
            (200, b""),
            (200, b"[]"),
            (200, br#"{"failed":-1}"#),
            (403, br#"{"failed":1}"#),
        ] {
            assert_eq!(read(status, body, 3), Reading::Nothing);
        }
    }
}
