//! How grave a record is: six levels, read from what the loggers of the managed runtimes write.
//!
//! It never guesses: text without a logger's own mark has no level.
//! It must not change a record: the logger's own word stays where it is.

use super::token::{self, Kind};

/// How grave a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The finest detail.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// The ordinary course of things.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
    /// The process cannot go on.
    Fatal,
}

impl Level {
    /// Every level, the least grave first.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Fatal,
    ];

    /// Its one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// The words of loggers that stand for a level wherever a level is expected, in lower case.
const WORDS: &[(&str, Level)] = &[
    ("info", Level::Info),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("warning", Level::Warn),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
    ("fatal", Level::Fatal),
    ("critical", Level::Fatal),
    ("severe", Level::Error),
    ("information", Level::Info),
    // Serilog and zerolog.
    ("inf", Level::Info),
    ("err", Level::Error),
    ("wrn", Level::Warn),
    ("dbg", Level::Debug),
    ("trc", Level::Trace),
    ("ftl", Level::Fatal),
    ("vrb", Level::Trace),
    // .NET.
    ("dbug", Level::Debug),
    ("trce", Level::Trace),
    ("crit", Level::Fatal),
    ("eror", Level::Error),
];

/// Words that are a level only where nothing else can stand, such as the value of the key `level`: in text they are words.
const VALUES: &[(&str, Level)] = &[
    ("fail", Level::Error),
    ("panic", Level::Fatal),
    ("dpanic", Level::Fatal),
    ("pnc", Level::Fatal),
    ("alert", Level::Fatal),
    ("emerg", Level::Fatal),
    ("emergency", Level::Fatal),
    ("notice", Level::Info),
    ("success", Level::Info),
    ("informational", Level::Info),
    ("http", Level::Debug),
    ("verbose", Level::Debug),
    ("silly", Level::Trace),
    ("fine", Level::Debug),
    ("config", Level::Debug),
    ("finer", Level::Trace),
    ("finest", Level::Trace),
];

/// A word of a table, in any case.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn find(table: &[(&str, Level)], word: &[u8]) -> Option<Level> {
    let known = |(name, _): &&(&str, Level)| {
        // A letter in any case becomes the small one, and nothing else does.
        let mut bytes = name.bytes().zip(word);
        name.len() == word.len() && bytes.all(|(small, byte)| small == byte | 0x20)
    };
    table.iter().find(known).map(|(_, level)| *level)
}

/// The level that the value of a key `level` means: a word in any case, or a number.
#[must_use]
pub(super) fn of_value(value: &str) -> Option<Level> {
    let value = value.as_bytes().trim_ascii();
    if value.first().is_some_and(u8::is_ascii_digit) {
        return of_number(value);
    }
    of_word_value(value)
}

/// A word where nothing but a level can stand; Go's slog writes what lies between two levels as `WARN+1`.
fn of_word_value(value: &[u8]) -> Option<Level> {
    let word = value.split(|byte| matches!(byte, b'+' | b'-')).next()?;
    find(WORDS, word).or_else(|| find(VALUES, word))
}

/// A number: tens of bunyan and pino from 10 (trace) to 60 (fatal), hundreds of Monolog from 100 (debug) to 600; what lies between belongs to the one below it.
fn of_number(digits: &[u8]) -> Option<Level> {
    let number: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match number {
        10..20 => Some(Level::Trace),
        20..30 | 100..200 => Some(Level::Debug),
        30..40 | 200..300 => Some(Level::Info),
        40..50 | 300..400 => Some(Level::Warn),
        50..60 | 400..500 => Some(Level::Error),
        60..100 | 500..=600 => Some(Level::Fatal),
        _ => None,
    }
}

/// Whether a word is written in capitals.
fn is_capital(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_uppercase)
}

/// A level that stands in text in capitals.
fn capitals(word: &[u8]) -> Option<Level> {
    if is_capital(word) {
        find(WORDS, word)
    } else {
        None
    }
}

/// The bytes of a line that are looked at.
const LOOK_MAX: usize = 200;

/// The tokens up to a level that are looked at: time, request, thread, logger.
const TOKENS_MAX: usize = 8;

/// The pairs up to a level that are looked at.
const PAIRS_MAX: usize = 6;

/// The level that a line's own logger wrote at its beginning; `inside` is the inside of a JSON string.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn of_text(inside: &str) -> Option<Level> {
    let bytes = inside.as_bytes();
    if let Some(level) = of_node(bytes) {
        return Some(level);
    }
    let head = bytes.get(..LOOK_MAX).unwrap_or(bytes);
    match memchr::memchr(b'\\', head) {
        None => of_line(head),
        Some(first) => of_field(head, first).or_else(|| {
            let mut line = [0; LOOK_MAX];
            let read = plain_beginning(head, first, &mut line);
            of_line(line.get(..read).unwrap_or_default())
        }),
    }
}

/// The third field of what Node writes in an invocation, where the time and the request are as long as in every other one.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn of_node(bytes: &[u8]) -> Option<Level> {
    /// Where the tabs behind the time and the request stand.
    const TABS: [usize; 2] = [24, 62];
    /// The longest word.
    const WORD_MAX: usize = 6;
    let is_tab = |at: usize| bytes.get(at..at + 2) == Some(b"\\t");
    if !TABS.into_iter().all(is_tab) || !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let third = bytes.get(64..64 + WORD_MAX)?;
    let end = third.iter().position(|byte| *byte == b'\\')?;
    find(WORDS, third.get(..end)?)
}

/// The third field of what Node and .NET write, `time`, request and level with a tab behind each, without looking at anything else.
fn of_field(head: &[u8], first: usize) -> Option<Level> {
    let behind = head.get(first..)?.strip_prefix(b"\\t")?;
    if !head.first()?.is_ascii_digit() {
        return None;
    }
    let second = memchr::memchr(b'\\', behind)?;
    let third = behind.get(second..)?.strip_prefix(b"\\t")?;
    let word = third.get(..memchr::memchr(b'\\', third)?)?;
    find(WORDS, word)
}

/// Copies the beginning of a line without its escapes, of which the first is known, and its colours; gives back how much.
fn plain_beginning(head: &[u8], first: usize, line: &mut [u8; LOOK_MAX]) -> usize {
    let mut written = 0;
    let mut rest = head;
    let mut run = Some(first);
    while let Some((plain, escape)) = rest.split_at_checked(run.unwrap_or(rest.len())) {
        if let Some(place) = line.get_mut(written..written + plain.len()) {
            place.copy_from_slice(plain);
            written += plain.len();
        }
        let (byte, behind) = match escape {
            [b'\\', b't', behind @ ..] => (b'\t', behind),
            [b'\\', b'n' | b'r', behind @ ..] => (b'\n', behind),
            [b'\\', b'u', b'0', b'0', b'1', b'b' | b'B', behind @ ..] => {
                rest = behind_colour(behind);
                run = memchr::memchr(b'\\', rest);
                continue;
            }
            // No level is written in an escape.
            [b'\\', b'u', _, _, _, _, behind @ ..] => (b'?', behind),
            [b'\\', other, behind @ ..] => (*other, behind),
            _ => break,
        };
        if let Some(place) = line.get_mut(written) {
            *place = byte;
            written += 1;
        }
        rest = behind;
        run = memchr::memchr(b'\\', rest);
    }
    written
}

/// What stands behind the rest of an ANSI colour, `[32m`.
fn behind_colour(rest: &[u8]) -> &[u8] {
    let Some(inside) = rest.strip_prefix(b"[") else {
        return rest;
    };
    let end = inside
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b';'));
    match end.and_then(|end| inside.get(end..)) {
        Some([b'm', behind @ ..]) => behind,
        _ => rest,
    }
}

/// The level at the beginning of plain text.
fn of_line(line: &[u8]) -> Option<Level> {
    let line = line.trim_ascii_start();
    match line.first()? {
        b'[' => of_brackets(line),
        b'0'..=b'9' => of_tokens(line, false),
        b'A'..=b'Z' | b'a'..=b'z' | b'@' => of_word(line),
        _ => None,
    }
}

/// `[ERROR] text`, `[2024-05-20T16:29:45Z INFO  crate] text`, `[main] INFO logger - text`.
fn of_brackets(line: &[u8]) -> Option<Level> {
    let end = line.iter().position(|byte| *byte == b']')?;
    let within = line.get(1..end)?.trim_ascii();
    if let Some(level) = find(WORDS, within) {
        return Some(level);
    }
    let behind = line.get(end + 1..)?;
    if within.first()?.is_ascii_digit() {
        return of_tokens(within, false).or_else(|| of_tokens(behind, true));
    }
    of_tokens(behind, true)
}

/// A level among the first tokens, which are otherwise times, requests, threads and signs; `known` if a logger's mark stood before them.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn of_tokens(line: &[u8], known: bool) -> Option<Level> {
    let (mut rest, mut tabs, mut pipes) = (line, false, false);
    // Most lines have none of them.
    if memchr::memchr3(b'\n', b'\t', b'|', line).is_some() {
        let end = memchr::memchr(b'\n', line).unwrap_or(line.len());
        rest = line.get(..end)?;
        (tabs, pipes) = (rest.contains(&b'\t'), rest.contains(&b'|'));
    }
    let (mut known, mut dash, mut named) = (known, false, false);
    for _ in 0..TOKENS_MAX {
        let (token, kind) = token::next(&mut rest)?;
        let bare = match token {
            [b'[' | b'(', bare @ ..] => bare,
            _ => token,
        };
        let marked = bare.len() < token.len() || token.ends_with(b":");
        let mut word = bare;
        while let [head @ .., last] = word
            && !last.is_ascii_alphanumeric()
        {
            word = head;
        }
        if known && !named {
            let capital = || {
                let may_be = (pipes || marked) && is_capital(word);
                may_be.then(|| find(VALUES, word)).flatten()
            };
            let level = if tabs || marked {
                find(WORDS, word).or_else(|| find(VALUES, word).filter(|_| tabs))
            } else {
                capitals(word)
            };
            // Monolog: `app.ERROR:`.
            let channel = || {
                let at = word.iter().rposition(|byte| *byte == b'.')?;
                of_word_value(word.get(at + 1..).filter(|word| is_capital(word))?)
            };
            let level = level
                .or_else(capital)
                .or_else(|| marked.then(channel).flatten());
            if level.is_some() {
                return level;
            }
        }
        let sign = token == b"-";
        if named {
            // Python: `time - logger - LEVEL - text`; a word behind a dash without another one is text.
            if !sign {
                return None;
            }
            named = false;
        } else if !Kind::of_word(word, token, &kind).is_time(known) && !is_beside(token, &kind) {
            if !dash {
                return None;
            }
            named = true;
        }
        (known, dash) = (true, sign);
    }
    None
}

/// What loggers write between the time and the level: a request id, a thread in brackets, a sign.
fn is_beside(token: &[u8], kind: &Kind) -> bool {
    let id = token.len() == 36 && kind.is_id();
    let word = matches!(token, b"undefined" | b"main" | b"AM" | b"PM" | b"UTC");
    id || kind.is_sign() || word || token.starts_with(b"[") || token.ends_with(b"]")
}

/// A line that begins with a word.
fn of_word(line: &[u8]) -> Option<Level> {
    let end = line
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric())
        .unwrap_or(line.len());
    let (word, behind) = line.split_at_checked(end)?;
    match (word, behind) {
        // Ruby's Logger: `I, [2024-05-20T16:29:45.009123 #8]  INFO -- : text`.
        ([letter @ (b'D' | b'I' | b'W' | b'E' | b'F')], [b',', b' ', b'[', ..]) => {
            letter_of(*letter)
        }
        // klog and glog: `E0520 16:29:45.009123       1 main.go:10] text`.
        ([letter @ (b'I' | b'W' | b'E' | b'F'), digits @ ..], [b' ', b'0'..=b'9', ..])
            if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) =>
        {
            letter_of(*letter)
        }
        // `INFO:root:text`, `fail: logger[0]`, `Error: text`, `SEVERE: text`.
        (_, [b':', ..]) => of_colon(word),
        // logfmt: `time=… level=INFO msg=…`.
        (_, [b'=' | b'.' | b'_', ..]) => of_pairs(line),
        // java.util.logging writes its level on the second line.
        (_, [b' ', b'0'..=b'9', ..]) if is_month(word) => {
            let second = line.split(|byte| *byte == b'\n').nth(1)?;
            let colon = second.iter().position(|byte| *byte == b':')?;
            of_colon(second.get(..colon)?)
        }
        // logrus on a terminal: `INFO[0000] text`.
        (_, [b'[', b'0'..=b'9', ..]) => capitals(word),
        // tracing without a time: `INFO crate: text`.
        (_, [b' ' | b'\t', ..]) if word.len() <= 5 && word.len() > 3 => capitals(word),
        _ => None,
    }
}

/// One letter for a level.
fn letter_of(letter: u8) -> Option<Level> {
    match letter {
        b'D' => Some(Level::Debug),
        b'I' => Some(Level::Info),
        b'W' => Some(Level::Warn),
        b'E' => Some(Level::Error),
        b'F' => Some(Level::Fatal),
        _ => None,
    }
}

/// A level with a colon behind it; those that are everyday words only as their loggers write them.
fn of_colon(word: &[u8]) -> Option<Level> {
    find(WORDS, word)
        .or_else(|| find(VALUES, word).filter(|_| is_capital(word)))
        .or_else(|| (word == b"fail").then_some(Level::Error))
}

/// The level of a line of `name=value` pairs; it ends where something else stands.
fn of_pairs(line: &[u8]) -> Option<Level> {
    let mut rest = line;
    for _ in 0..PAIRS_MAX {
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@');
        let end = rest.iter().position(|byte| !is_name(byte))?;
        let (name, behind) = rest.split_at_checked(end)?;
        let behind = behind.strip_prefix(b"=")?;
        let (value, behind) = match behind.strip_prefix(b"\"") {
            Some(quoted) => {
                quoted.split_at_checked(quoted.iter().position(|byte| *byte == b'"')?)?
            }
            None => {
                let end = behind.iter().position(u8::is_ascii_whitespace);
                behind.split_at_checked(end.unwrap_or(behind.len()))?
            }
        };
        if matches!(name, b"level" | b"lvl" | b"severity") {
            return of_word_value(value);
        }
        rest = behind
            .strip_prefix(b"\"")
            .unwrap_or(behind)
            .trim_ascii_start();
    }
    None
}

/// The short name of a month.
fn is_month(word: &[u8]) -> bool {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    word.len() == 3 && MONTHS.chunks(3).any(|month| month == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, Option<Level>)]) {
        for (line, expected) in lines {
            assert_eq!(of_text(line), *expected, "{line}");
        }
    }

    #[test]
    fn what_the_managed_runtimes_write() {
        check(&[
            (
                r"2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tINFO\tENV",
                Some(Level::Info),
            ),
            (
                r"2024-05-20T16:29:45.009Z\tundefined\tERROR\tUncaught Exception \t{}",
                Some(Level::Error),
            ),
            (
                r"2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tfail\tx",
                Some(Level::Error),
            ),
            (
                r"[WARNING]\t2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tx",
                Some(Level::Warn),
            ),
            (
                r"[ERROR] ValueError: x\nTraceback (most recent call last):",
                Some(Level::Error),
            ),
            (
                "2020-08-31 08:52:33 4b142fc3-17b8-4cdb-a46b-a8dbe7918715 INFO  Handler:30 - x",
                Some(Level::Info),
            ),
            (
                "16:29:45.009 [main] DEBUG com.example.App - x",
                Some(Level::Debug),
            ),
            (
                "2024-05-20 16:29:45,009 [main] ERROR com.example.App - x",
                Some(Level::Error),
            ),
            (
                r"May 20, 2024 4:29:45 PM com.x.Foo handle\nSEVERE: x",
                Some(Level::Error),
            ),
            ("SEVERE: x", Some(Level::Error)),
            ("[main] INFO com.x.Foo - x", Some(Level::Info)),
            (
                "I, [2024-05-20T16:29:45.009123 #8]  INFO -- : x",
                Some(Level::Info),
            ),
            (
                "F, [2024-05-20T16:29:45.009123 #8] FATAL -- x: y",
                Some(Level::Fatal),
            ),
            ("2024/05/20 16:29:45 INFO hello key=val", Some(Level::Info)),
            (
                "time=2024-05-20T16:29:45.009Z level=WARN msg=x",
                Some(Level::Warn),
            ),
            (r#"ts=1 lvl=\"eror\" msg=x"#, Some(Level::Error)),
            (
                r"2024-05-20T16:29:45.009Z\terror\tmain/main.go:10\tx",
                Some(Level::Error),
            ),
            (
                "2024-05-20T16:29:45.009123Z  WARN crate::module: x",
                Some(Level::Warn),
            ),
            (
                r"\u001b[2m2024-05-20T16:29:45.009123Z\u001b[0m \u001b[32m INFO\u001b[0m \u001b[2mcrate\u001b[0m: x",
                Some(Level::Info),
            ),
            (" INFO crate: x", Some(Level::Info)),
            ("[2024-05-20T16:29:45Z ERROR crate] x", Some(Level::Error)),
            (
                "[2024-05-20T16:29:45.009+00:00] app.CRITICAL: x",
                Some(Level::Fatal),
            ),
            ("fail: Namespace.Class[0]", Some(Level::Error)),
            ("INFO:root:x", Some(Level::Info)),
            (
                "E0520 16:29:45.009123       1 main.go:10] x",
                Some(Level::Error),
            ),
            (
                "2024-05-20 16:29:45.009 | SUCCESS  | a:b:1 - x",
                Some(Level::Info),
            ),
            (
                "2024-05-20 16:29:45.009 | WARNING  | a:b:1 - x",
                Some(Level::Warn),
            ),
            ("2024-05-20 16:29:45 [info     ] x", Some(Level::Info)),
            ("Error: boom", Some(Level::Error)),
        ]);
    }

    #[test]
    fn text_without_a_loggers_mark_has_no_level() {
        check(&[
            ("order 4711: received", None),
            ("Info desk is open", None),
            ("error rate is 0", None),
            ("WARNING_COUNT=3", None),
            ("GET /x?level=error HTTP/1.1", None),
            ("2024/05/20 16:29:45 hello INFO", None),
            ("2024-05-20T16:29:45Z error processing", None),
            ("[object Object]", None),
            ("fatality", None),
            ("fine: all is well", None),
            ("I, the undersigned", None),
            ("May 20 was warm", None),
            ("4711", None),
            ("", None),
            ("[", None),
            (r"\", None),
            (r"\u00", None),
            ("é", None),
        ]);
    }

    #[test]
    fn the_value_of_a_key_may_be_any_word_or_number() {
        for (value, expected) in [
            ("INFO", Some(Level::Info)),
            ("Warning", Some(Level::Warn)),
            ("notice", Some(Level::Info)),
            ("10", Some(Level::Trace)),
            ("35", Some(Level::Info)),
            ("60", Some(Level::Fatal)),
            ("7", None),
            ("30.5", None),
            ("loud", None),
            ("", None),
        ] {
            assert_eq!(of_value(value), expected, "{value}");
        }
    }

    #[test]
    fn a_long_line_is_looked_at_no_further_than_its_beginning() {
        let line = format!("time=1 {} level=error", "x".repeat(500));
        assert_eq!(of_text(&line), None);
    }

    #[test]
    fn tokens_are_read_as_by_the_book() {
        const PIECES: &[&str] = &[
            "2024-05-20T16:29:45.009Z",
            "2024/05/20",
            "16:29:45,009",
            "4711",
            "8",
            "PM",
            "UTC",
            "main",
            "undefined",
            "4b142fc3-17b8-4cdb-a46b-a8dbe7918715",
            "4b142fc3-17b8-4cdb-a46b-a8dbe791871x",
            "[main]",
            "[2024-05-20",
            "(7)",
            "INFO",
            "info",
            "[WARN]",
            "(error",
            "notice",
            "NOTICE",
            "NOTICE:",
            "[fine]",
            "app.ERROR:",
            "app.error:",
            "app.ERROR",
            "logger",
            "com.x.Foo",
            "-",
            "--",
            "|",
            "||",
            ":",
            "]",
            "[",
            "T",
            "é",
            "\u{1}",
            "WARN+1",
            "FAIL",
            "x]",
            "DEBUG]:",
            "",
        ];
        const GAPS: &[&str] = &[
            " ", " ", " ", " ", "  ", "\t", "|", " | ", "\n", "\r", "\u{b}", "\u{c}", "",
        ];
        let mut seed = 5_u64;
        let mut one = |from: &[&'static str]| -> &'static str {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).expect("small") % from.len();
            from.get(at).expect("one of them")
        };
        let mut found = 0;
        for round in 0..200_000 {
            let line: String = (0..round % 10)
                .flat_map(|_| [one(PIECES), one(GAPS)])
                .collect();
            for known in [false, true] {
                let level = of_tokens(line.as_bytes(), known);
                assert_eq!(level, slow_of_tokens(line.as_bytes(), known), "{line:?}");
                found += usize::from(level.is_some());
            }
        }
        assert!(found > 20_000, "{found}");
    }

    /// The same by the book, as it was first written: token by token, each looked at as often as it takes.
    fn slow_of_tokens(line: &[u8], known: bool) -> Option<Level> {
        let first_line = line.split(|byte| *byte == b'\n').next()?;
        let (tabs, pipes) = (first_line.contains(&b'\t'), first_line.contains(&b'|'));
        let tokens = first_line
            .split(|byte| byte.is_ascii_whitespace() || *byte == b'|')
            .filter(|token| !token.is_empty());
        let (mut known, mut dash, mut named) = (known, false, false);
        for token in tokens.take(TOKENS_MAX) {
            let bare = token
                .strip_prefix(b"[")
                .or_else(|| token.strip_prefix(b"("))
                .unwrap_or(token);
            let marked = bare.len() < token.len() || token.ends_with(b":");
            let end = bare
                .iter()
                .rposition(|byte| byte.is_ascii_alphanumeric())
                .map_or(0, |at| at + 1);
            let word = bare.get(..end).unwrap_or_default();
            if known && !named {
                let capital =
                    || find(VALUES, word).filter(|_| is_capital(word) && (pipes || marked));
                let level = if tabs || marked {
                    find(WORDS, word).or_else(|| find(VALUES, word).filter(|_| tabs))
                } else {
                    capitals(word)
                };
                // Monolog: `app.ERROR:`.
                let channel = || {
                    let at = word.iter().rposition(|byte| *byte == b'.')?;
                    let level = word
                        .get(at + 1..)
                        .filter(|word| is_capital(word) && marked)?;
                    of_word_value(level)
                };
                if let Some(level) = level.or_else(capital).or_else(channel) {
                    return Some(level);
                }
            }
            let sign = token == b"-";
            if named {
                // Python: `time - logger - LEVEL - text`; a word behind a dash without another one is text.
                if !sign {
                    return None;
                }
                named = false;
            } else if !slow_is_time(word, known) && !slow_is_beside(token) {
                if !dash {
                    return None;
                }
                named = true;
            }
            (known, dash) = (true, sign);
        }
        None
    }

    /// A time or a date; behind one also a number.
    fn slow_is_time(word: &[u8], known: bool) -> bool {
        let digits = word.iter().any(u8::is_ascii_digit);
        let signs = word
            .iter()
            .any(|byte| matches!(byte, b'-' | b':' | b'/' | b'.'));
        let rest = word.iter().all(|byte| {
            matches!(
                byte,
                b'0'..=b'9'
                    | b'-'
                    | b':'
                    | b'/'
                    | b'.'
                    | b','
                    | b'+'
                    | b'T'
                    | b'Z'
                    | b'A'
                    | b'P'
                    | b'M'
            )
        });
        digits && rest && (signs || known)
    }

    /// What loggers write between the time and the level: a request id, a thread in brackets, a sign.
    fn slow_is_beside(token: &[u8]) -> bool {
        let id = token.len() == 36
            && token
                .iter()
                .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
        let sign = token.iter().all(u8::is_ascii_punctuation);
        let word = matches!(token, b"undefined" | b"main" | b"AM" | b"PM" | b"UTC");
        id || sign || word || token.starts_with(b"[") || token.ends_with(b"]")
    }
}
