//! Wall-clock times as the platform writes them.
//!
//! Must not be used by a test to wait: that is what the condition variables are for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
pub(crate) fn epoch_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_millis() as u64
}

/// `2026-11-22T16:42:10.110Z` with `digits` digits of a second's fraction.
pub(crate) fn rfc3339(time: SystemTime, digits: usize) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    // Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let nanos = format!("{:09}", since.subsec_nanos());
    let fraction = match digits {
        0 => String::new(),
        _ => format!(".{}", &nanos[..digits.min(9)]),
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn times_are_written_as_the_platform_writes_them() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_365_730_110);
        assert_eq!(rfc3339(at, 3), "2026-11-22T16:42:10.110Z");
        assert_eq!(rfc3339(at, 0), "2026-11-22T16:42:10Z");
        assert_eq!(rfc3339(UNIX_EPOCH, 9), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            rfc3339(UNIX_EPOCH + Duration::from_secs(951_782_400), 3),
            "2000-02-29T00:00:00.000Z"
        );
    }
}
