//! A run of bytes that every match of a pattern holds, read off the pattern's text.
//!
//! It must be right rather than tight: what is not surely required is left out, and what is not understood ends the run.
//! It must not judge a pattern: only what the engine has accepted comes here.

/// A set of ASCII bytes, one bit each.
type Set = u128;

/// Elements that a run may have.
const LENGTH_MAX: usize = 24;

/// Bytes that stand next to each other in every match, each one of a set.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// The sets, in order; never empty.
    sets: Vec<Set>,
    /// The element that is searched for first.
    anchor: usize,
    /// The anchor's bytes, if it has one or two.
    bytes: Option<(u8, u8)>,
    /// Whether a match begins with the run, so that the search can begin there.
    first: bool,
}

impl Window {
    /// The best run of a pattern that the engine has accepted.
    pub(super) fn of(pattern: &str, ignore_case: bool) -> Option<Self> {
        let mut reader = Reader {
            rest: pattern,
            ignore_case,
            run: Vec::new(),
            at_start: true,
            run_first: true,
            best: None,
        };
        reader.read()?;
        reader.end_run();
        let (sets, first) = reader.best?;
        let (anchor, set) = sets
            .iter()
            .copied()
            .enumerate()
            .min_by_key(|(_, set)| commonness(*set))?;
        let low = u8::try_from(set.trailing_zeros()).ok()?;
        let high = u8::try_from(127_u32.checked_sub(set.leading_zeros())?).ok()?;
        Some(Self {
            bytes: (set.count_ones() <= 2).then_some((low, high)),
            sets,
            anchor,
            first,
        })
    }

    /// Where a search from a place on must begin; `None` if there is no match from there on.
    pub(super) fn begin(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from + self.anchor;
        loop {
            let rest = text.get(at..)?;
            at += match self.bytes {
                Some((one, other)) if one == other => memchr::memchr(one, rest),
                Some((one, other)) => memchr::memchr2(one, other, rest),
                None => {
                    let set = self.sets.get(self.anchor)?;
                    rest.iter().position(|byte| holds(*set, *byte))
                }
            }?;
            let run = text.get(at - self.anchor..)?;
            if run.len() < self.sets.len() {
                return None;
            }
            if self.sets.iter().zip(run).all(|(set, b)| holds(*set, *b)) {
                return Some(if self.first { at - self.anchor } else { from });
            }
            at += 1;
        }
    }
}

/// Whether a byte is in a set.
fn holds(set: Set, byte: u8) -> bool {
    byte < 128 && set >> byte & 1 == 1
}

/// The set of one byte.
fn single(byte: u8) -> Set {
    1 << (byte & 127)
}

/// The set of a range.
fn range(low: u8, high: u8) -> Set {
    (low..=high).fold(0, |set, byte| set | single(byte))
}

/// How many of a log's bytes a set may hold, by a rough count of what logs are made of.
fn commonness(set: Set) -> u32 {
    let mut sum = 0;
    for byte in 0..128 {
        if holds(set, byte) {
            sum += match byte {
                b' ' | b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' => 60,
                b'0'..=b'9' => 30,
                b'a'..=b'z' | b'"' | b',' | b'-' | b'.' | b':' => 20,
                b'A'..=b'Z' | b'/' | b'=' | b'_' => 8,
                _ => 3,
            };
        }
    }
    sum
}

/// Reads a pattern's text.
struct Reader<'a> {
    /// What is not read yet.
    rest: &'a str,
    /// Whether letters match in both cases.
    ignore_case: bool,
    /// The run that is being read.
    run: Vec<Set>,
    /// Whether nothing that takes up text was read yet.
    at_start: bool,
    /// Whether the run that is being read is the beginning of every match.
    run_first: bool,
    /// The best run so far, and whether it is the beginning of every match.
    best: Option<(Vec<Set>, bool)>,
}

/// What an element of a pattern takes up.
enum Element {
    /// No text at all, such as `^`.
    Nothing,
    /// One byte of a set.
    One(Set),
    /// Anything.
    Any,
}

impl Reader<'_> {
    /// Reads the whole pattern; `None` if it has alternatives at its top or is not understood.
    fn read(&mut self) -> Option<()> {
        while let Some(c) = self.take() {
            let element = match c {
                '|' => return None,
                '^' | '$' => Element::Nothing,
                '(' => {
                    self.group()?;
                    Element::Any
                }
                '[' => self.class()?,
                '\\' => self.escape()?,
                '.' => Element::Any,
                c => self.literal(c),
            };
            self.repeat(element)?;
        }
        Some(())
    }

    /// The next character.
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Takes a character, if it is next.
    fn take_if(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes everything up to a character and that character.
    fn take_past(&mut self, c: char) -> Option<&str> {
        let (before, behind) = self.rest.split_once(c)?;
        self.rest = behind;
        Some(before)
    }

    /// A character that stands for itself.
    fn literal(&self, c: char) -> Element {
        match u8::try_from(c) {
            Ok(byte) if byte < 128 => Element::One(self.folded(single(byte))),
            _ => Element::Any,
        }
    }

    /// A set with both cases of its letters, if case is ignored.
    fn folded(&self, set: Set) -> Set {
        let upper = range(b'A', b'Z');
        if self.ignore_case {
            set | (set & upper) << 32 | (set >> 32 & upper)
        } else {
            set
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<Element> {
        let c = self.take()?;
        Some(match c {
            'A' | 'z' | 'B' | '<' | '>' => Element::Nothing,
            'b' => {
                // `\b{start}` is one assertion; `\b{2}` is one that is repeated, which comes to the same.
                if self.take_if('{') {
                    self.take_past('}')?;
                }
                Element::Nothing
            }
            'x' | 'u' | 'U' => {
                if self.take_if('{') {
                    self.take_past('}')?;
                } else {
                    let digits = match c {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    self.rest = self.rest.get(digits..)?;
                }
                Element::Any
            }
            'd' => Element::One(range(b'0', b'9')),
            'w' => Element::One(word()),
            's' => Element::One(range(b'\t', b'\r') | single(b' ')),
            'n' => Element::One(single(b'\n')),
            'r' => Element::One(single(b'\r')),
            't' => Element::One(single(b'\t')),
            c if c.is_ascii_punctuation() => self.literal(c),
            _ => Element::Any,
        })
    }

    /// What stands between square brackets; the first is read already.
    fn class(&mut self) -> Option<Element> {
        let mut known = !self.take_if('^');
        let mut set = 0;
        let mut empty = true;
        while self.take_if('-') {
            set |= single(b'-');
            empty = false;
        }
        if empty && self.take_if(']') {
            set |= single(b']');
        }
        loop {
            let mut low = None;
            match self.take()? {
                ']' => break,
                '[' => {
                    // `[:alpha:]` is all that the engine accepts here.
                    self.take_past(']')?;
                    known = false;
                    continue;
                }
                '\\' => match self.escape()? {
                    Element::One(escaped) => {
                        set |= escaped;
                        low = (escaped.count_ones() == 1).then(|| escaped.trailing_zeros());
                    }
                    Element::Nothing | Element::Any => known = false,
                },
                c if c.is_ascii() => {
                    low = Some(u32::from(c));
                    set |= 1 << u32::from(c);
                }
                _ => known = false,
            }
            // A range; a minus before the closing bracket is one that stands for itself.
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.take();
                let high = self.take()?;
                let low = low.and_then(|low| u8::try_from(low).ok());
                match (low, u8::try_from(high)) {
                    (Some(low), Ok(high)) if high.is_ascii_alphanumeric() => {
                        set |= range(low, high);
                    }
                    _ => {
                        if high == '\\' {
                            self.escape()?;
                        }
                        known = false;
                    }
                }
            }
        }
        Some(if known && set != 0 {
            Element::One(self.folded(set))
        } else {
            Element::Any
        })
    }

    /// Passes over a group; its opening bracket is read already.
    fn group(&mut self) -> Option<()> {
        self.open()?;
        let mut depth = 1;
        while depth > 0 {
            match self.take()? {
                '\\' => {
                    self.take()?;
                }
                '[' => {
                    self.class()?;
                }
                '(' => {
                    self.open()?;
                    depth += 1;
                }
                ')' => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }

    /// Looks at what an opening bracket opens: a flag changes how the rest is to be read (`x`) or what it matches (`i`).
    fn open(&self) -> Option<()> {
        let plain = match self.rest.strip_prefix('?') {
            Some(rest) => rest.starts_with([':', '<', 'P']),
            None => true,
        };
        plain.then_some(())
    }

    /// Adds an element to the run, as often as it surely stands there.
    fn repeat(&mut self, element: Element) -> Option<()> {
        let (mut least, mut most) = (1_usize, true);
        let mut quantifiers = 0;
        loop {
            if self.take_if('?') || self.take_if('*') {
                (least, most) = (0, false);
            } else if self.take_if('+') {
                (least, most) = (1, false);
            } else if self.take_if('{') {
                let inside = self.take_past('}')?;
                let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
                most = low == high;
                least = low.trim().parse().unwrap_or(0);
                most &= least > 0;
            } else {
                break;
            }
            self.take_if('?');
            quantifiers += 1;
        }
        if quantifiers > 1 {
            // `(a{2})?` may be written `a{2}{0,1}`.
            (least, most) = (0, false);
        }
        match element {
            Element::Nothing => return Some(()),
            Element::One(set) => {
                for _ in 0..least.min(LENGTH_MAX) {
                    self.push(set);
                }
                if !most || least > LENGTH_MAX {
                    self.end_run();
                    if least > 0 {
                        // What comes behind `a+` stands next to its last `a`.
                        self.push(set);
                    }
                }
            }
            Element::Any => self.end_run(),
        }
        Some(())
    }

    /// Adds one byte to the run.
    fn push(&mut self, set: Set) {
        if self.run.is_empty() {
            self.run_first = self.at_start;
        }
        self.at_start = false;
        if self.run.len() < LENGTH_MAX {
            self.run.push(set);
        } else {
            self.end_run();
            self.run_first = false;
            self.run.push(set);
        }
    }

    /// Ends the run, and keeps it if it is the best.
    fn end_run(&mut self) {
        self.at_start = false;
        let run = std::mem::take(&mut self.run);
        let best = self.best.as_ref().map_or(0, |(best, _)| worth(best));
        if worth(&run) > best {
            self.best = Some((run, self.run_first));
        }
    }
}

/// The bytes of `\w`.
fn word() -> Set {
    range(b'0', b'9') | range(b'A', b'Z') | range(b'a', b'z') | single(b'_')
}

/// How much a run tells: each element the more, the fewer bytes it may be.
fn worth(run: &[Set]) -> u32 {
    run.iter()
        .map(|set| 8_u32.saturating_sub(set.count_ones().max(1).ilog2()))
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use regex_lite::RegexBuilder;

    use super::*;

    /// The run of a pattern: a byte that stands alone as itself, anything else as `?`; `^` before it if matches begin with it.
    fn shown(pattern: &str) -> String {
        let Some(window) = Window::of(pattern, false) else {
            return "none".to_owned();
        };
        let mut text = String::from(if window.first { "^" } else { "" });
        for set in &window.sets {
            text.push(match set.count_ones() {
                1 => char::from(u8::try_from(set.trailing_zeros()).expect("ASCII")),
                10 => '0',
                _ => '?',
            });
        }
        text
    }

    #[test]
    fn a_table_of_runs() {
        for (pattern, expected) in [
            ("error", "^error"),
            (r"\bpassword=\S+", "^password="),
            (r"\b\d{3}-\d{2}-\d{4}\b", "^000-00-0000"),
            (r"(a|b)secret", "secret"),
            ("a|b", "none"),
            ("(a|b)", "none"),
            ("(?i)abc", "none"),
            ("x(?i:abc)yz", "none"),
            ("x(?:abc)yz", "yz"),
            ("x?yz", "yz"),
            ("x*?yz", "yz"),
            ("xy+z", "^xy"),
            ("ab+cde", "bcde"),
            ("x{0}yz", "yz"),
            ("x{2}yz", "^xxyz"),
            ("x{2,3}yz", "xyz"),
            ("x{2}{0,1}yz", "yz"),
            ("x{2}?yz", "^xxyz"),
            ("x??yz", "yz"),
            (r"\x41bc", "bc"),
            (r"\u{41}bc", "bc"),
            (r"\.\/", "^./"),
            (r"\(?\d{3}\)? ab", " ab"),
            ("[a-c]x", "^?x"),
            ("[^a]x", "x"),
            ("[]a]x", "^?x"),
            ("[[:alpha:]-]x", "x"),
            ("[a-]x", "^?x"),
            (r"[\]]x", "^]x"),
            ("müller", "ller"),
            ("^abc$", "^abc"),
            ("(?P<n>a)bc", "bc"),
            (r"\b{start}ab", "^ab"),
            (".*", "none"),
            ("", "none"),
        ] {
            assert_eq!(shown(pattern), expected, "{pattern}");
        }
    }

    /// Patterns put together at random, and texts made of the same letters: the window never stops a match.
    #[test]
    fn a_window_never_stops_a_match() {
        const PARTS: &[&str] = &[
            "a",
            "b",
            "ab",
            "-",
            "1",
            "é",
            ".",
            r"\d",
            r"\w",
            r"\s",
            r"\b",
            r"\B",
            "^",
            "$",
            "[ab]",
            "[^a]",
            "[a-c]",
            "[]a]",
            "[-b]",
            "[b-]",
            r"[\d-]",
            r"[\w]",
            r"[^\]a]",
            "[[:digit:]]",
            "[[:alpha:]-]",
            "[é-ü]",
            r"\x61",
            r"\x{61}",
            r"\u0061",
            r"\.",
            r"\-",
            "(",
            "(?:",
            "(?i:",
            "(?x: a # )\n",
            "(?P<n>",
            ")",
            ")",
            ")",
            "|",
            "?",
            "*",
            "+",
            "{2}",
            "{0,1}",
            "{1,2}",
            "{2,}",
            "{0}",
            "{ 1 , 2 }",
            "+?",
            "??",
            "(?i)",
            "(?s)",
            "(?x)",
            " ",
            "A",
            "K",
            r"\n",
            r"[\-a]",
            "[ -~]",
            "[+--]",
            r"[a\x62]",
        ];
        const TEXTS: &[&str] = &[
            "a", "b", "c", "A", "B", "-", "1", "2", "é", "ü", ".", " ", "\n", "ab", "]", "k", "K",
            "\u{212a}",
        ];
        let mut seed = 1_u64;
        let mut next = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).expect("small") % below
        };
        let (mut patterns, mut windows, mut matches) = (0, 0, 0);
        for _ in 0..120_000 {
            let count = 1 + next(7);
            let pattern: String = (0..count).map(|_| PARTS[next(PARTS.len())]).collect();
            let ignore_case = next(3) == 0;
            let Ok(regex) = RegexBuilder::new(&pattern)
                .case_insensitive(ignore_case)
                .build()
            else {
                continue;
            };
            patterns += 1;
            let Some(window) = Window::of(&pattern, ignore_case) else {
                continue;
            };
            windows += 1;
            for _ in 0..12 {
                let count = next(9);
                let text: String = (0..count).map(|_| TEXTS[next(TEXTS.len())]).collect();
                let mut from = 0;
                loop {
                    let plain = regex.find_at(&text, from).map(|m| m.range());
                    let quick = window.begin(text.as_bytes(), from);
                    let seen = quick
                        .and_then(|begin| regex.find_at(&text, begin))
                        .map(|m| m.range());
                    assert_eq!(seen, plain, "{pattern:?} {ignore_case} {text:?} {from}");
                    matches += usize::from(plain.is_some());
                    from += 1;
                    while !text.is_char_boundary(from) && from < text.len() {
                        from += 1;
                    }
                    if from > text.len() {
                        break;
                    }
                }
            }
        }
        assert!(
            patterns > 10_000 && windows > 5_000 && matches > 20_000,
            "{patterns} {windows} {matches}"
        );
    }
}
