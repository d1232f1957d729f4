//! What an answer's status means, and how long to wait before another try.
//!
//! Pure: it reads no clock and sends nothing.

use std::time::Duration;

/// Tries of one payload in one flush.
pub const TRIES_MAX: u32 = 3;

/// The wait before the second try; each later one is four times as long.
const BACKOFF_MS: u64 = 100;

/// What a status means for the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Delivered,
    /// It may be taken later: 408, 429 and 5xx.
    Later,
    /// It is too large: 413.
    TooLarge,
    /// It will never be taken.
    Refused,
}

/// Judges a status.
#[must_use]
pub fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        413 => Verdict::TooLarge,
        408 | 429 | 500..=599 => Verdict::Later,
        _ => Verdict::Refused,
    }
}

/// The wait before a try (the second is 1): half of it fixed, half by chance, so that many environments do not come back at once.
///
/// `chance` is any number.
#[must_use]
pub fn backoff(tries: u32, chance: u64) -> Duration {
    let full = BACKOFF_MS.saturating_mul(4_u64.saturating_pow(tries.saturating_sub(1).min(8)));
    jittered(Duration::from_millis(full), chance)
}

/// A wait of half to the whole of `full`.
#[must_use]
pub fn jittered(full: Duration, chance: u64) -> Duration {
    let half = full / 2;
    let span_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_millis(chance % (span_ms + 1))
}

/// The wait that a `Retry-After` header asks for; `now_ms` in milliseconds since 1970, `date_ms` reads an HTTP date into the same.
#[must_use]
pub fn retry_after(
    value: &str,
    now_ms: u64,
    date_ms: impl Fn(&str) -> Option<u64>,
) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = date_ms(value)?;
    Some(Duration::from_millis(at.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_verdict() {
        for (statuses, expected) in [
            (&[200, 202, 204, 206][..], Verdict::Delivered),
            (&[408, 429, 500, 502, 503, 504, 599], Verdict::Later),
            (&[413], Verdict::TooLarge),
            (
                &[
                    301, 302, 307, 400, 401, 403, 404, 405, 415, 422, 100, 0, 600,
                ],
                Verdict::Refused,
            ),
        ] {
            for status in statuses {
                assert_eq!(verdict(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn waits_grow_and_vary_within_bounds() {
        for (tries, full) in [(1, 100), (2, 400), (3, 1600)] {
            for chance in [0, 1, 49, 12_345_678, u64::MAX] {
                let wait = backoff(tries, chance).as_millis();
                assert!(
                    (full / 2..=full).contains(&wait),
                    "{tries} {chance}: {wait}"
                );
            }
        }
        assert!(backoff(u32::MAX, u64::MAX) < Duration::from_secs(3600 * 24));
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        let date = |text: &str| (text == "date").then_some(10_000);
        assert_eq!(retry_after("7", 0, date), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(" 0 ", 0, date), Some(Duration::ZERO));
        assert_eq!(
            retry_after("date", 4_000, date),
            Some(Duration::from_secs(6))
        );
        assert_eq!(retry_after("date", 11_000, date), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", 0, date), None);
        assert_eq!(retry_after("-1", 0, date), None);
    }
}
