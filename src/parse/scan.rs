//! JSON (RFC 8259), read in one pass that checks it and finds where its parts end; nothing is copied and no tree is built.
//!
//! It lends the text of names and values and never says what they mean.
//! Objects and lists may lie in one another as deep as they like: nothing here calls itself.

use std::borrow::Cow;

use super::{surrogates, text};

/// A place in JSON text. What reads on gives `None` where the text is no JSON, and must not be used again then.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    /// The whole text.
    text: &'a str,
    /// What is not read yet begins here.
    at: usize,
    /// Whether an escape of a surrogate was met.
    surrogate: bool,
}

/// A string as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    /// What stands between its quotes.
    inside: &'a str,
    /// Whether there are escapes in it.
    escaped: bool,
}

impl<'a> Quoted<'a> {
    /// What stands between its quotes.
    pub(super) fn inside(self) -> &'a str {
        self.inside
    }

    /// The string as plain text.
    pub(super) fn plain(self) -> Cow<'a, str> {
        if self.escaped {
            text::plain(self.inside)
        } else {
            Cow::Borrowed(self.inside)
        }
    }
}

impl<'a> Scan<'a> {
    /// The beginning of a text, behind white space.
    pub(super) fn new(text: &'a str) -> Self {
        let mut scan = Self {
            text,
            at: 0,
            surrogate: false,
        };
        scan.space();
        scan
    }

    /// How much is read.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Forgets that an escape of a surrogate was met.
    pub(super) fn forget_surrogates(&mut self) {
        self.surrogate = false;
    }

    /// Whether an escape of a surrogate was met since that was forgotten.
    pub(super) fn met_surrogate(&self) -> bool {
        self.surrogate
    }

    /// Goes on at a place.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// What was read from a place on.
    pub(super) fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// Whether there is nothing more but white space.
    pub(super) fn is_over(&mut self) -> bool {
        self.space();
        self.at >= self.text.len()
    }

    /// The next byte.
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over a byte if it comes next.
    #[inline(always)]
    pub(super) fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over these bytes if they come next.
    #[inline(always)]
    pub(super) fn skip_all<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let rest = self.text.as_bytes().get(self.at..);
        let found = rest.and_then(<[u8]>::first_chunk) == Some(bytes);
        self.at += if found { N } else { 0 };
        found
    }

    /// Passes over white space.
    #[inline(always)]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether an object begins here.
    #[inline(always)]
    pub(super) fn is_object(&self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Goes into the object that begins here.
    pub(super) fn open(&mut self) -> Option<()> {
        self.skip(b'{').then_some(())
    }

    /// The name of the next member, whose value comes next then, or nothing behind the object's end; `first` if it is the one behind the brace.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn name(&mut self, first: bool) -> Option<Option<Quoted<'a>>> {
        self.space();
        if self.skip(b'}') {
            return Some(None);
        }
        if !first {
            if !self.skip(b',') {
                return None;
            }
            self.space();
        }
        self.key().map(Some)
    }

    /// Takes a name and the colon behind it.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn key(&mut self) -> Option<Quoted<'a>> {
        let name = self.string()?;
        self.space();
        self.skip(b':').then_some(())?;
        self.space();
        Some(name)
    }

    /// Takes a string.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn string(&mut self) -> Option<Quoted<'a>> {
        if !self.skip(b'"') {
            return None;
        }
        let from = self.at;
        let mut rest = self.text.as_bytes().get(from..)?;
        let mut escaped = false;
        loop {
            let behind = match plain_run(rest) {
                [b'"', behind @ ..] => {
                    let end = self.text.len() - behind.len() - 1;
                    self.at = end + 1;
                    let inside = self.text.get(from..end)?;
                    return Some(Quoted { inside, escaped });
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    behind @ ..,
                ] => behind,
                [b'\\', b'u', a, b, c, d, behind @ ..]
                    if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) =>
                {
                    self.surrogate |= surrogates::is_surrogate([*a, *b, *c, *d]);
                    behind
                }
                // A control character, an escape that is none, or the end of the text.
                _ => return None,
            };
            (rest, escaped) = (behind, true);
        }
    }

    /// Takes any value and gives back its text.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let from = self.at;
        if self.peek() == Some(b'"') {
            self.string()?;
            return Some(self.since(from));
        }
        let mut nest = Nest::default();
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' => {
                    self.at += 1;
                    self.space();
                    if !self.skip(b'}') {
                        self.key()?;
                        nest.push(true);
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if !self.skip(b']') {
                        nest.push(false);
                        continue;
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.number()?,
            }
            // Behind a value: what it is in goes on or ends.
            loop {
                let Some(object) = nest.top() else {
                    return Some(self.since(from));
                };
                self.space();
                if self.skip(b',') {
                    self.space();
                    if object {
                        self.key()?;
                    }
                    break;
                }
                self.skip(if object { b'}' } else { b']' }).then_some(())?;
                nest.pop();
            }
        }
    }

    /// Takes a word.
    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += word.len();
        rest.starts_with(word.as_bytes()).then_some(())
    }

    /// Takes a number.
    fn number(&mut self) -> Option<()> {
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Some(())
    }

    /// Takes one digit or more.
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }
}

/// The objects and lists that a value is in, a bit for each.
#[derive(Debug, Default)]
struct Nest {
    /// How many there are.
    depth: usize,
    /// The innermost ones, up to 64: one is an object, zero a list.
    bits: u64,
    /// All others, 64 in each; hardly ever used.
    outer: Vec<u64>,
}

impl Nest {
    /// Goes into an object or a list.
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    /// Whether the innermost one is an object; `None` if there is none.
    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }

    /// Goes out of the innermost one.
    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.bits >>= 1;
        if self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or(0);
        }
    }
}

/// Passes over what stands for itself in a string: neither a quote, nor a backslash, nor a control character.
#[inline(always)]
fn plain_run(bytes: &[u8]) -> &[u8] {
    /// A word with one in each byte.
    const ONES: u64 = u64::MAX / 255;
    // In each byte of a word at once: what is smaller than what is taken away borrows its highest bit.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        // With this bit turned over, the quote stands right behind the control characters, and what stood there does not.
        let quote_or_control = below(word ^ (ONES * 2), 0x21);
        let backslash = below(word ^ (ONES * 0x5c), 1);
        let found = (quote_or_control | backslash) & (ONES * 0x80);
        if found != 0 {
            // The first one is never found where there is none; behind it the borrow may have gone astray.
            let before = found.trailing_zeros() / 8;
            return rest
                .get(usize::try_from(before).unwrap_or(0)..)
                .unwrap_or_default();
        }
        rest = behind;
    }
    while let [0x20..=0x21 | 0x23..=0x5b | 0x5d.., behind @ ..] = rest {
        rest = behind;
    }
    rest
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "an expectation that fails must stop a test where it stands"
    )]

    use serde::de::IgnoredAny;
    use serde_json::value::RawValue;

    use super::*;

    /// The members of an object, if it is one and nothing else.
    fn members(text: &str) -> Option<Vec<(String, String)>> {
        let mut scan = Scan::new(text);
        let mut members = Vec::new();
        scan.open()?;
        while let Some(name) = scan.name(members.is_empty())? {
            members.push((name.plain().into_owned(), scan.value()?.to_owned()));
        }
        scan.is_over().then_some(members)
    }

    #[test]
    fn members_are_lent_one_level_deep() {
        let json = "{ \"a\" : \"x\\\"}\" ,\n\"b\":{\"c\":[1,{\"d\":\"]\"}]},\"\\u0063\\\"\":-1.5e3 ,\"e\":[ ],\"f\":null}";
        let expected = [
            ("a", "\"x\\\"}\""),
            ("b", "{\"c\":[1,{\"d\":\"]\"}]}"),
            ("c\"", "-1.5e3"),
            ("e", "[ ]"),
            ("f", "null"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(members(json).expect("JSON"), expected);
        for end in 0..json.len() {
            assert_eq!(members(json.get(..end).unwrap_or_default()), None);
        }
        for empty in ["{}", " { } "] {
            assert_eq!(members(empty), Some(Vec::new()));
        }
        for other in ["[1]", "\"{\"", "7", "", "{} {}", "{,}", "{\"a\":1,}"] {
            assert_eq!(members(other), None, "{other}");
        }
    }

    #[test]
    fn what_ends_a_run_is_found_wherever_it_stands() {
        let plain: Vec<u8> = (0x20..=0xff)
            .filter(|byte| !matches!(byte, b'"' | b'\\'))
            .collect();
        for byte in &plain {
            assert_eq!(plain_run(&[*byte; 17]), b"");
        }
        for from in 0..plain.len() {
            for len in 0..20.min(plain.len() - from) {
                for special in (0..=0x1f).chain(*b"\"\\") {
                    let rest = [&[special], &plain[..from]].concat();
                    let text = [&plain[from..from + len], &rest[..]].concat();
                    assert_eq!(plain_run(&text), rest);
                }
            }
        }
    }

    #[test]
    fn it_takes_what_another_reader_takes_and_nothing_else() {
        const PIECES: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\":",
            "\"\\u00e9\\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\ud83d\"",
            "\"é\"",
            "\"\t\"",
            "\"\u{1f}\"",
            "\"",
            "\\",
            "0",
            "-0",
            "01",
            "1.50",
            "1.",
            ".5",
            "-",
            "1e5",
            "1E-7",
            "1e",
            "2e+",
            "true",
            "tru",
            "null",
            "false",
            "falsey",
            " ",
            "\n",
            "\r\t",
            "\u{b}",
            "\u{a0}",
            "[]",
            "{}",
            "\"x\"",
            ",\"b\":{",
            "[[",
            "]]",
            "x",
        ];
        let mut seed = 7_u64;
        let mut below = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).expect("small") % below
        };
        let whole = concat!(
            r#"{"a":[1,-2.5e+7,{"b":"c\"\\\u00e9","d":[[],{}]}],"e":{"f":null,"g":true},"h":"é\n","#,
            "\"i\" : [ 0 , false ] }"
        );
        let mut sound = 0;
        for round in 0..300_000 {
            let text: String = if round % 2 == 0 {
                (0..1 + below(6))
                    .map(|_| PIECES[below(PIECES.len())])
                    .collect()
            } else {
                // Sound JSON with one piece put in, or a part taken out.
                let cut = |at: usize| (at..).find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
                let from = cut(below(whole.len()));
                let to = match round % 4 {
                    1 => from,
                    _ => cut((from + below(4)).min(whole.len())),
                };
                let piece = if below(3) == 0 {
                    ""
                } else {
                    PIECES[below(PIECES.len())]
                };
                [&whole[..from], piece, whole.get(to..).unwrap_or_default()].concat()
            };
            let expected = serde_json::from_str::<&RawValue>(&text)
                .ok()
                .map(RawValue::get);
            let mut scan = Scan::new(&text);
            let seen = scan.value().filter(|_| scan.is_over());
            assert_eq!(seen, expected, "{text:?}");
            sound += usize::from(seen.is_some());
        }
        assert!(sound > 30_000, "{sound}");
    }

    #[test]
    fn any_depth_is_read() {
        for depth in [1, 63, 64, 65, 127, 128, 129, 1000, 100_000] {
            let object = |at: usize| at.is_multiple_of(3);
            let open: String = (0..depth)
                .map(|at| if object(at) { "{\"a\":" } else { "[" })
                .collect();
            let close: String = (0..depth)
                .rev()
                .map(|at| if object(at) { "}" } else { "]" })
                .collect();
            let text = format!("{open}7{close}");
            assert_eq!(Scan::new(&text).value(), Some(&*text));
            serde_json::from_str::<IgnoredAny>(&text).expect("JSON");
            let text = format!("{open}7,{close}");
            assert_eq!(Scan::new(&text).value(), None);
        }
    }
}
