//! `dynatrace`: 204 where all were taken, 200 with a sentence where some were not.

use super::Reading;

/// What stands behind the number of those that were not taken.
const NOT_TAKEN: &str = " events were not ingested";

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], _records: usize) -> Reading {
    let text = String::from_utf8_lossy(body);
    // 204 has no body, so there is nothing to search.
    let Some((before, _)) = text.split_once(NOT_TAKEN).filter(|_| status == 200) else {
        return Reading::Nothing;
    };
    let number = before.rsplit(|c: char| !c.is_ascii_digit()).next();
    Reading::Refused {
        // It says that there are some.
        records: number.and_then(|digits| digits.parse().ok()).unwrap_or(1),
        why: text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_is_counted() {
        let told = |text: &str| match read(200, text.as_bytes(), 9) {
            Reading::Refused { records, why } => {
                assert_eq!(why, text);
                Some(records)
            }
            _ => None,
        };
        let of = |text: &str| format!(r#"{{"details":{{"code":200,"message":"{text}"}}}}"#);
        assert_eq!(
            told(&of(
                "2 events were not ingested because of timestamp out of correct time range."
            )),
            Some(2)
        );
        assert_eq!(told(&of("Some events were not ingested.")), Some(1));
        assert_eq!(told(&of("1 events' content was trimmed.")), None);
        assert_eq!(read(204, b"", 9), Reading::Nothing);
        assert_eq!(
            read(400, of("2 events were not ingested").as_bytes(), 9),
            Reading::Nothing
        );
    }
}
