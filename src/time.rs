//! The only reader of clocks, and the only place that sleeps.
//!
//! Lambda freezes the whole process between invocations, and whether the monotonic clock counts a freeze is not promised.
//! So a [`Deadline`] watches both clocks and passes with whichever is first: a freeze that only the wall clock saw ends it, and a wall clock set back cannot stretch it.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 by the wall clock; 0 if the clock is before that.
#[must_use]
pub fn epoch_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// A point in time at which something must be over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// By the wall clock, in milliseconds since 1970.
    wall_ms: u64,
    /// The same moment by the monotonic clock.
    monotonic: Instant,
}

impl Deadline {
    /// The deadline that is `wait` from now.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        // A wait beyond a year is as good as none, and cannot overflow either clock.
        let wait = wait.min(Duration::from_secs(365 * 24 * 3600));
        Self {
            wall_ms: epoch_ms().saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            monotonic: Instant::now() + wait,
        }
    }

    /// The deadline at a time of the wall clock, in milliseconds since 1970; a time gone by is a deadline that has passed.
    #[must_use]
    pub fn at_epoch_ms(at: u64) -> Self {
        Self::after(Duration::from_millis(at.saturating_sub(epoch_ms())))
    }

    /// The deadline that is `wait` after a time of the wall clock, in milliseconds since 1970, and never later than `wait` from now, whatever became of the clock since.
    #[must_use]
    pub fn since(at: u64, wait: Duration) -> Self {
        let whole = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self::at_epoch_ms(at.saturating_add(whole)).earlier(Self::after(wait))
    }

    /// The earlier of two deadlines.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        if other.left() < self.left() {
            other
        } else {
            self
        }
    }

    /// The later of two deadlines.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        if other.left() > self.left() {
            other
        } else {
            self
        }
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        let wall = Duration::from_millis(self.wall_ms.saturating_sub(epoch_ms()));
        wall.min(self.monotonic.saturating_duration_since(Instant::now()))
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.left().is_zero()
    }
}

/// Measures how long something took, in time that the process was awake for.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A number that differs from call to call and between environments, for jitter; not for secrets.
#[must_use]
pub fn chance() -> u64 {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()) ^ since.as_secs());
    // Spreads the low bits, which are all that differ between two close calls.
    nanos.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

/// A name that no other environment has: 16 hex digits from the system's random source, read anew at each call.
fn unique() -> String {
    let mut bytes = [0_u8; 8];
    let read = std::fs::File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut bytes));
    let number = match read {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Without the device, time and process tell environments apart well enough.
        Err(_) => chance() ^ u64::from(std::process::id()).rotate_left(40),
    };
    format!("{number:016x}")
}

/// This environment's own such name, made at the first call: one that is restored from a snapshot must not ask for it before.
#[must_use]
pub fn environment() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(unique)
}

/// The time of an HTTP date, in milliseconds since 1970, if it is one.
#[must_use]
pub fn http_date_ms(text: &str) -> Option<u64> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// Sleeps.
pub fn sleep(wait: Duration) {
    std::thread::sleep(wait);
}

/// A time as RFC 3339 text in UTC with milliseconds, as the platform writes it: `2026-11-22T10:00:00.123Z`.
#[must_use]
pub fn rfc3339(epoch_ms: u64) -> String {
    let (days, ms) = (epoch_ms / 86_400_000, epoch_ms % 86_400_000);
    // Civil date from a day number, after Howard Hinnant's `civil_from_days`; own code instead of a date crate.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// The time of RFC 3339 text in UTC, in milliseconds since 1970, its fraction of up to nine digits; `None` if it is not one.
#[must_use]
pub fn rfc3339_ms(text: &str) -> Option<u64> {
    rfc3339_ns(text).map(|ns| ns / 1_000_000)
}

/// The same in nanoseconds since 1970, of which 64 bits reach to the year 2554.
#[must_use]
#[cfg_attr(brooklet_hot, optimize(speed))]
pub fn rfc3339_ns(text: &str) -> Option<u64> {
    // Every byte in its place, and none looked for.
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        rest @ ..,
    ] = text.as_bytes()
    else {
        return None;
    };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2, fraction @ .., b'Z'] = rest else {
        return None;
    };
    // What is no digit is told at the end, once for all.
    let mut sound = true;
    let mut number = |tens: &u8, ones: &u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        sound &= (tens < 10) & (ones < 10);
        u64::from(tens) * 10 + u64::from(ones)
    };
    let (year, month) = (number(y1, y2) * 100 + number(y3, y4), number(mo1, mo2));
    let (day, hour) = (number(d1, d2), number(h1, h2));
    let (minute, second) = (number(mi1, mi2), number(s1, s2));
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let sound = sound
        && year >= 1970
        && (1..=12).contains(&month)
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second.
        && second <= 60;
    let mut ns = 0;
    match fraction {
        _ if !sound => return None,
        [] => {}
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            let mut one = 1_000_000_000;
            for digit in digits {
                if !digit.is_ascii_digit() {
                    return None;
                }
                one /= 10;
                ns += u64::from(digit - b'0') * one;
            }
        }
        _ => return None,
    }
    // Day number from a civil date, after Howard Hinnant's `days_from_civil`, the counterpart of the one above.
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y / 400, y % 400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = (era * 146_097 + doe).checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_runs_out_and_stays_out() {
        let passed = Deadline::at_epoch_ms(676_051);
        assert!(passed.has_passed());
        assert_eq!(passed.left(), Duration::ZERO);
        let ahead = Deadline::after(Duration::from_secs(3600));
        assert!(!ahead.has_passed());
        assert!(ahead.left() > Duration::from_secs(3590));
        assert!(ahead.earlier(passed).has_passed());
        assert!(passed.earlier(ahead).has_passed());
        assert!(!Deadline::after(Duration::MAX).has_passed());
        assert!(!Deadline::at_epoch_ms(u64::MAX).has_passed());
        let second = Duration::from_secs(1);
        assert!(Deadline::since(epoch_ms() - 2_000, second).has_passed());
        // A clock that was set back by an hour.
        assert!(Deadline::since(epoch_ms() + 3_600_000, second).left() <= second);
    }

    #[test]
    fn whichever_clock_is_first_ends_a_deadline() {
        let set_back = Deadline {
            wall_ms: u64::MAX,
            monotonic: Instant::now(),
        };
        assert!(set_back.has_passed());
        let frozen = Deadline {
            wall_ms: epoch_ms().saturating_sub(1),
            monotonic: Instant::now() + Duration::from_secs(60),
        };
        assert!(frozen.has_passed());
    }

    #[test]
    fn http_dates_are_read() {
        let at = "Sun, 22 Nov 2026 16:42:17 GMT";
        assert_eq!(http_date_ms(at), Some(1_795_365_737_000));
        assert_eq!(http_date_ms("tomorrow"), None);
    }

    #[test]
    fn rfc3339_knows_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_365_739_261, "2026-11-22T16:42:19.261Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
            assert_eq!(rfc3339_ms(text), Some(ms));
        }
    }

    #[test]
    fn times_are_read_in_any_fraction_and_nothing_else_is() {
        for (text, ms) in [
            ("2026-11-22T16:42:19Z", 1_795_365_739_000),
            ("2026-11-22T16:42:19.2Z", 1_795_365_739_200),
            ("2026-11-22T16:42:19.26149Z", 1_795_365_739_261),
            ("2026-11-22T16:42:19.261999999Z", 1_795_365_739_261),
            ("2016-12-31T23:59:60.500Z", 1_483_228_800_500),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ] {
            assert_eq!(rfc3339_ms(text), Some(ms), "{text}");
        }
        for bad in [
            "",
            "2022-08-02T12:01:23:521Z",
            "2026-11-22T16:42:19.Z",
            "2026-11-22T16:42:19",
            "2026-11-22T16:42:19+01:00",
            "2026-13-22T16:42:19Z",
            "2026-11-22 16:42:19Z",
            "1969-11-22T16:42:19Z",
            "1970-01-00T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-22T16:42:19.1234567890Z",
            "٢٠٢٦-11-22T16:42:19Z",
        ] {
            assert_eq!(rfc3339_ms(bad), None, "{bad}");
        }
    }
}
