//! The owner's own patterns: a regular expression behind a cheap test that most lines fail.
//!
//! The cheap test may let a line pass that does not match, and must never stop one that does.
//! This file must not know what a pattern is for.

mod window;

use std::ops::Range;

use regex_lite::{Regex, RegexBuilder};
use window::Window;

/// Bytes that a pattern may have.
const LENGTH_MAX: usize = 2048;

/// Bytes that a compiled pattern may take: the time of a search is its size times the text's length.
const COMPILED_MAX: usize = 128 * 1024;

/// Groups within groups.
const NESTING_MAX: u32 = 32;

/// Characters of a pattern that a reason repeats.
const SHOWN_MAX: usize = 60;

/// A regular expression that can be searched for.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The whole expression.
    regex: Regex,
    /// What every match holds, if that could be told.
    window: Option<Window>,
}

impl Pattern {
    /// Reads a pattern, or says in a few words what is wrong with it.
    pub fn new(text: &str, ignore_case: bool) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err("is too long".to_owned());
        }
        let regex = RegexBuilder::new(text)
            .case_insensitive(ignore_case)
            .size_limit(COMPILED_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            regex,
            window: Window::of(text, ignore_case),
        })
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Whether the pattern matches anywhere.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.begin(text, 0)
            .is_some_and(|begin| self.regex.is_match_at(text, begin))
    }

    /// The first match that begins at `from` or behind it; what stands before `from` is still seen by `^` and `\b`.
    #[must_use]
    pub fn find_at(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let begin = self.begin(text, from)?;
        self.regex.find_at(text, begin).map(|found| found.range())
    }

    /// Where the expression itself must begin to search, if it need be asked at all.
    fn begin(&self, text: &str, from: usize) -> Option<usize> {
        match &self.window {
            Some(window) => window.begin(text.as_bytes(), from),
            None => (from <= text.len()).then_some(from),
        }
    }
}

/// Reads an option that is one bare pattern or a list of `/pattern/` and `/pattern/i`.
///
/// Gives the patterns that can be used, and what is wrong with each other one.
#[must_use]
pub fn list(value: &str) -> (Vec<Pattern>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let value = value.trim();
    if value.is_empty() {
        return (good, bad);
    }
    let items = slashed(value).unwrap_or_else(|| vec![(value, value, false)]);
    for (shown, text, ignore_case) in items {
        match Pattern::new(text, ignore_case) {
            Ok(pattern) => good.push(pattern),
            Err(why) => bad.push(reason(shown, &why)),
        }
    }
    (good, bad)
}

/// The items of a list, each as it was given and as pattern and flag; `None` if the value is no such list as a whole.
fn slashed(value: &str) -> Option<Vec<(&str, &str, bool)>> {
    let mut items = Vec::new();
    let mut rest = value;
    loop {
        let (text, ignore_case, behind) = item(rest)?;
        let shown = rest.get(..rest.len() - behind.len()).unwrap_or(rest);
        items.push((shown, text, ignore_case));
        let Some(next) = behind.strip_prefix(',') else {
            return Some(items);
        };
        rest = next.trim_start();
    }
}

/// Takes `/pattern/` or `/pattern/i` off the front: the pattern, whether case is ignored, and what is behind.
///
/// It ends at a slash (without a backslash before it) that a comma or the end follows.
pub(super) fn item(text: &str) -> Option<(&str, bool, &str)> {
    let inside = text.strip_prefix('/')?;
    let mut escaped = false;
    for (at, byte) in inside.bytes().enumerate() {
        if byte == b'/' && !escaped {
            let behind = inside.get(at + 1..).unwrap_or_default();
            let (ignore_case, rest) = match behind.strip_prefix('i') {
                Some(rest) => (true, rest),
                None => (false, behind),
            };
            if rest.is_empty() || rest.starts_with(',') {
                return Some((inside.get(..at)?, ignore_case, rest));
            }
        }
        escaped = byte == b'\\' && !escaped;
    }
    None
}

/// A reason in one line: what was given, cut short, and what is wrong with it.
pub(super) fn reason(given: &str, why: &str) -> String {
    let mut line = String::from("'");
    for (at, c) in given.chars().enumerate() {
        if at == SHOWN_MAX {
            line.push('…');
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line.push_str("': ");
    line.push_str(why);
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn shown(value: &str) -> (Vec<String>, Vec<String>) {
        let (good, bad) = list(value);
        let texts = good.iter().map(|p| p.as_str().to_owned());
        (texts.collect(), bad)
    }

    #[test]
    fn a_value_is_a_list_as_a_whole_or_one_pattern() {
        for (value, expected) in [
            ("", &[][..]),
            ("error", &["error"]),
            ("/error/", &["error"]),
            (" /error/i ", &["error"]),
            ("/a/,/b/i,/c,d/", &["a", "b", "c,d"]),
            ("/a/, /b/", &["a", "b"]),
            ("/a/b/", &["a/b"]),
            ("/a/b", &["/a/b"]),
            ("/a/,b", &["/a/,b"]),
            ("a,/b/", &["a,/b/"]),
            (r"/a\/,b/", &[r"a\/,b"]),
            ("/usr/bin", &["/usr/bin"]),
            ("/x/ii", &["/x/ii"]),
            ("/", &["/"]),
        ] {
            assert_eq!(
                shown(value),
                (expected.iter().map(|t| (*t).to_owned()).collect(), vec![]),
                "{value}"
            );
        }
        let (good, _) = list("/ERROR/i,/Warn/");
        assert!(good[0].is_match("an error"));
        assert!(!good[1].is_match("warn"));
    }

    #[test]
    fn a_bad_pattern_is_named_and_the_others_work() {
        let (good, bad) = shown("/a(/,/b/,/[/i");
        assert_eq!(good, ["b"]);
        assert_eq!(
            bad,
            [
                "'/a(/': found open group without closing ')'",
                "'/[/i': found unclosed character class"
            ]
        );
        for value in [
            "(?=a)",
            "a{100}{100}{100}",
            &"(".repeat(3_000),
            &format!("{}a{}", "(".repeat(40), ")".repeat(40)),
            "\n[",
            "é*\\",
        ] {
            let (good, bad) = shown(value);
            assert!(good.is_empty(), "{value}");
            assert!(bad[0].starts_with('\''), "{bad:?}");
            assert!(
                bad[0].chars().count() < 200 && !bad[0].contains('\n'),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn every_match_is_found_in_turn() {
        let pattern = Pattern::new(r"\bab+", false).expect("a pattern");
        let text = "ab xab abb";
        assert_eq!(pattern.find_at(text, 0), Some(0..2));
        assert_eq!(pattern.find_at(text, 2), Some(7..10));
        assert_eq!(pattern.find_at(text, 8), None);
        assert_eq!(pattern.find_at(text, 99), None);
    }
}
