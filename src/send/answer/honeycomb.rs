//! `honeycomb`: one status for each event, in the payload's order.

use super::{Fate, Reading, elements};
use crate::parse::{self, Fields};

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], _records: usize) -> Reading {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let items = elements(text).filter(|_| (200..300).contains(&status));
    let (mut fates, mut why) = (Vec::new(), String::new());
    for item in items.unwrap_or_default() {
        let item = Fields::of(item);
        let Some(Ok(status)) = item.get("status").map(str::parse) else {
            return Reading::Nothing;
        };
        let fate = match status {
            200_u16..=299 => Fate::Delivered,
            408 | 429 | 500..=599 => Fate::Again,
            _ => Fate::Refused,
        };
        if fate != Fate::Delivered && why.is_empty() {
            let error = item.inside("error").unwrap_or_default();
            why = [&status.to_string(), " ", &parse::plain(error)].concat();
        }
        fates.push(fate);
    }
    if fates.is_empty() {
        return Reading::Nothing;
    }
    Reading::Items { fates, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_a_fate() {
        let body = br#"[{"status":202},{"status":400,"error":"too many \"columns\""},{"status":429,"error":"rate"},{"status":500}]"#;
        assert_eq!(
            read(200, body, 4),
            Reading::Items {
                fates: vec![Fate::Delivered, Fate::Refused, Fate::Again, Fate::Again],
                why: "400 too many \"columns\"".to_owned(),
            }
        );
    }

    #[test]
    fn anything_else_says_nothing() {
        for (status, body) in [
            (200, &b""[..]),
            (200, b"{}"),
            (200, b"[1]"),
            (401, br#"[{"status":202}]"#),
            (
                400,
                br#"{"error":"unknown API key - check your credentials"}"#,
            ),
        ] {
            assert_eq!(read(status, body, 1), Reading::Nothing);
        }
    }
}
