//! The only writer to stderr: our own log lines.
//!
//! One line each, `brooklet: <level>: <text>`.
//! Lambda sends our stderr to CloudWatch, and back to us if `extension` telemetry is subscribed, so each call site is limited for each destination: [`LINES_MAX`] lines in [`WINDOW_MS`], after which it is silent and later says how many lines it withheld.
//! A line of a thread that works for a destination after the first one, or does something on its behalf, names it.
//! A line must not hold a record's text or a secret.

use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::time;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Records are lost or the extension is inert.
    Error = 1,
    /// Something is not as it should be, and nothing is lost yet.
    Warn = 2,
    /// What the extension does, once in its life.
    Info = 3,
    /// What the extension does in each invocation.
    Debug = 4,
}

impl Level {
    /// The word used in lines and in `BROOKLET_LOG_LEVEL`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// How every line of ours begins; a line that does so is ours when it comes back as telemetry.
pub const PREFIX: &str = "brooklet: ";

/// Lines that one call site may print in one window.
const LINES_MAX: u32 = 5;

/// The window, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// The least grave level that is printed; 0: nothing is.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Warn as u8);

/// Sets the level up to which lines are printed; `None` prints nothing at all.
pub fn set_level(level: Option<Level>) {
    LEVEL.store(level.map_or(0, |level| level as u8), Ordering::Relaxed);
}

/// Destinations that there may be.
pub const DESTINATIONS_MAX: usize = 4;

thread_local! {
    /// The destination that this thread works for.
    static DESTINATION: Cell<usize> = const { Cell::new(1) };
}

/// Says which destination, from 1, this thread works for.
pub fn works_for(destination: usize) {
    DESTINATION.set(destination);
}

/// The destination, from 1, that this thread works for.
#[must_use]
pub fn destination() -> usize {
    DESTINATION.get()
}

/// Does something for a destination that this thread does not work for: its lines name that one, and are limited with that one's.
pub fn on_behalf_of<T>(destination: usize, work: impl FnOnce() -> T) -> T {
    let own = DESTINATION.replace(destination);
    let done = work();
    DESTINATION.set(own);
    done
}

/// What a line about a destination begins with: nothing where it is the first.
struct About(usize);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 | 1 => Ok(()),
            number => write!(f, "destination {number}: "),
        }
    }
}

/// One call site's limiter, for each destination.
#[derive(Debug, Default)]
pub struct Site([Window; DESTINATIONS_MAX]);

impl Site {
    /// A call site that has printed nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { Window::new() }; DESTINATIONS_MAX])
    }
}

/// What one call site has printed lately.
#[derive(Debug, Default)]
struct Window {
    /// When the window began, in milliseconds since 1970.
    since_ms: AtomicU64,
    /// Lines asked for in this window.
    lines: AtomicU32,
}

impl Window {
    /// Nothing printed yet.
    const fn new() -> Self {
        Self {
            since_ms: AtomicU64::new(0),
            lines: AtomicU32::new(0),
        }
    }

    /// Whether a line may be printed now, and if so how many were withheld before it.
    fn admit(&self, now_ms: u64) -> Option<u32> {
        // A clock set back opens a new window rather than closing this one for long.
        let age = now_ms.checked_sub(self.since_ms.load(Ordering::Relaxed));
        if age.is_none_or(|age| age >= WINDOW_MS) {
            self.since_ms.store(now_ms, Ordering::Relaxed);
            let before = self.lines.swap(1, Ordering::Relaxed);
            return Some(before.saturating_sub(LINES_MAX));
        }
        (self.lines.fetch_add(1, Ordering::Relaxed) < LINES_MAX).then_some(0)
    }
}

/// Prints one line; use the macro [`say!`](crate::say).
pub fn print(site: &Site, level: Level, text: fmt::Arguments<'_>) {
    if level as u8 > LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let destination = destination();
    let window = site.0.get(destination.saturating_sub(1));
    let Some(withheld) = window.and_then(|window| window.admit(time::epoch_ms())) else {
        return;
    };
    let more = if withheld > 0 {
        format!(" ({withheld} such lines were withheld)")
    } else {
        String::new()
    };
    let about = About(destination);
    write_line(&format!("{PREFIX}{}: {about}{text}{more}", level.word()));
}

/// Prints one line that is said once in the life of the process, and so is not limited; use [`say_once!`](crate::say_once).
pub fn print_once(level: Level, text: fmt::Arguments<'_>) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        write_line(&format!("{PREFIX}{}: {text}", level.word()));
    }
}

/// Writes text as it is, with a line end, in one call so that lines of two threads do not mix.
fn write_line(line: &str) {
    let whole = format!("{line}\n");
    // Nobody is left to tell when stderr itself fails.
    std::io::stderr().write_all(whole.as_bytes()).unwrap_or(());
}

/// Keeps panics of our threads to one line of ours; they are caught and counted elsewhere.
pub fn install_panic_line() {
    std::panic::set_hook(Box::new(|info| {
        static SITE: Site = Site::new();
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        match info.location() {
            Some(at) => print(
                &SITE,
                Level::Error,
                format_args!("panic in thread {name} at {}:{}", at.file(), at.line()),
            ),
            None => print(&SITE, Level::Error, format_args!("panic in thread {name}")),
        }
    }));
}

/// Prints one line to our stderr: `say!(Warn, "text {}", value)`.
#[macro_export]
macro_rules! say {
    ($level:ident, $($text:tt)+) => {{
        static SITE: $crate::diag::Site = $crate::diag::Site::new();
        $crate::diag::print(&SITE, $crate::diag::Level::$level, format_args!($($text)+));
    }};
}

/// Prints one line that is said once in the life of the process: `say_once!(Warn, "text {}", value)`.
#[macro_export]
macro_rules! say_once {
    ($level:ident, $($text:tt)+) => {
        $crate::diag::print_once($crate::diag::Level::$level, format_args!($($text)+))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_limited_and_says_what_it_withheld() {
        let site = Window::new();
        let t0 = 1_000_000;
        for _ in 0..LINES_MAX {
            assert_eq!(site.admit(t0), Some(0));
        }
        assert_eq!(site.admit(t0 + 1), None);
        assert_eq!(site.admit(t0 + WINDOW_MS - 1), None);
        assert_eq!(site.admit(t0 + WINDOW_MS), Some(2));
        assert_eq!(site.admit(t0 + WINDOW_MS + 1), Some(0));
    }

    #[test]
    fn a_clock_set_back_does_not_silence_a_site() {
        let site = Window::new();
        for _ in 0..LINES_MAX + 1 {
            site.admit(9_000_000);
        }
        assert!(site.admit(1_000).is_some());
    }
}
