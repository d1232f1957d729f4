//! Drops fields of JSON objects, or keeps only some, by their paths.
//!
//! What stays stays byte for byte: nothing is read into a tree and written again.
//! It must not recurse deeper than the longest path and a fixed number of arrays.

use std::borrow::Cow;
use std::ops::Range;

use super::redact::bytes::{at, run, skip_space, string_end};
use crate::parse;

/// Arrays within arrays that a path goes through; what lies deeper counts as dropped, and as not kept.
const ARRAYS_MAX: usize = 32;

/// Objects within objects that a path goes through, with the same consequence.
const OBJECTS_MAX: usize = 64;

/// Which fields leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Paths of fields that are dropped.
    drop: Vec<String>,
    /// Paths of fields beside which everything is dropped; empty if everything is kept.
    keep: Vec<String>,
}

impl Fields {
    /// Reads the two options, each a list of dotted paths with commas between them.
    #[must_use]
    pub fn parse(drop: &str, keep: &str) -> Self {
        Self {
            drop: paths(drop),
            keep: paths(keep),
        }
    }

    /// Whether everything stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.keep.is_empty()
    }

    /// A valid JSON object without what is dropped; `None` if nothing is, or if it is no object.
    #[must_use]
    pub fn apply(&self, json: &str) -> Option<String> {
        let begin = skip_space(json.as_bytes(), 0);
        if self.is_empty() || at(json.as_bytes(), begin) != b'{' {
            return None;
        }
        let drop: Vec<&str> = self.drop.iter().map(String::as_str).collect();
        let keep: Vec<&str> = self.keep.iter().map(String::as_str).collect();
        let mut walk = Walk {
            json,
            cuts: Vec::new(),
            arrays: 0,
            objects: 0,
        };
        walk.value(begin, &drop, (!keep.is_empty()).then_some(&keep));
        if walk.cuts.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(json.len());
        let mut copied = 0;
        for cut in walk.cuts {
            out.push_str(json.get(copied..cut.start).unwrap_or_default());
            copied = cut.end;
        }
        out.push_str(json.get(copied..).unwrap_or_default());
        Some(out)
    }
}

/// The paths of a list.
fn paths(list: &str) -> Vec<String> {
    let parts = list.split(',').map(str::trim);
    let named = parts.filter(|path| !path.is_empty());
    named.map(ToOwned::to_owned).collect()
}

/// What paths say of a key: that it is meant itself, or the rest of each path that goes through it.
fn below<'a>(paths: &[&'a str], key: &str) -> Option<Vec<&'a str>> {
    let mut rests = Vec::new();
    for path in paths {
        match path.strip_prefix(key) {
            Some("") => return None,
            Some(rest) => rests.extend(rest.strip_prefix('.')),
            None => {}
        }
    }
    Some(rests)
}

/// A walk through JSON text.
struct Walk<'a> {
    /// The text.
    json: &'a str,
    /// What is cut out of it, in order.
    cuts: Vec<Range<usize>>,
    /// Arrays that the walk is in.
    arrays: usize,
    /// Objects that the walk is in.
    objects: usize,
}

impl Walk<'_> {
    /// Walks through a value; tells where it ends and whether it stays.
    fn value(&mut self, begin: usize, drop: &[&str], keep: Option<&[&str]>) -> (usize, bool) {
        let bytes = self.json.as_bytes();
        if drop.is_empty() && keep.is_none() {
            return (end_of_value(bytes, begin), true);
        }
        let level = match at(bytes, begin) {
            b'{' => &mut self.objects,
            b'[' => &mut self.arrays,
            // A path goes on where there is nothing to go on.
            _ => return (end_of_value(bytes, begin), keep.is_none()),
        };
        *level += 1;
        let walked = if self.arrays > ARRAYS_MAX || self.objects > OBJECTS_MAX {
            (end_of_value(bytes, begin), false)
        } else {
            self.members(begin, drop, keep)
        };
        match at(bytes, begin) {
            b'{' => self.objects -= 1,
            _ => self.arrays -= 1,
        }
        walked
    }

    /// Walks through the members of an object or the elements of an array.
    fn members(&mut self, open: usize, drop: &[&str], keep: Option<&[&str]>) -> (usize, bool) {
        let bytes = self.json.as_bytes();
        let mark = self.cuts.len();
        let (mut begin, mut any) = (open + 1, false);
        loop {
            let first = skip_space(bytes, begin);
            if matches!(at(bytes, first), b'}' | b']' | 0) {
                return (first + 1, keep.is_none());
            }
            let before = self.cuts.len();
            let (end, stays) = if at(bytes, open) == b'{' {
                self.member(first, drop, keep)
            } else {
                self.value(first, drop, keep)
            };
            let behind = skip_space(bytes, end);
            let more = at(bytes, behind) == b',';
            if stays {
                any = true;
            } else {
                // A member goes with the comma before it, or with the one behind it if none before it stays.
                self.cuts.truncate(before);
                self.cuts.push(match (any, more) {
                    (true, _) => begin - 1..end,
                    (false, true) => begin..behind + 1,
                    (false, false) => begin..end,
                });
            }
            if !more {
                if !any {
                    self.cuts.truncate(mark);
                    self.cuts.push(open + 1..behind);
                }
                return (behind + 1, any || keep.is_none());
            }
            begin = behind + 1;
        }
    }

    /// Walks through a key and its value.
    fn member(&mut self, begin: usize, drop: &[&str], keep: Option<&[&str]>) -> (usize, bool) {
        let bytes = self.json.as_bytes();
        let end = string_end(bytes, begin + 1);
        let key = key(self.json, begin..end + 1);
        let colon = skip_space(bytes, end + 1);
        let value = skip_space(bytes, colon + 1);
        let gone = || (end_of_value(bytes, value), false);
        let Some(drop) = below(drop, &key) else {
            return gone();
        };
        match keep.map(|keep| below(keep, &key)) {
            None | Some(None) => self.value(value, &drop, None),
            Some(Some(rests)) if rests.is_empty() => gone(),
            Some(Some(rests)) => self.value(value, &drop, Some(&rests)),
        }
    }
}

/// A key, decoded.
fn key(json: &str, quoted: Range<usize>) -> Cow<'_, str> {
    parse::plain(
        json.get(quoted.start + 1..quoted.end - 1)
            .unwrap_or_default(),
    )
}

/// Where a value ends.
fn end_of_value(bytes: &[u8], begin: usize) -> usize {
    let (mut place, mut depth) = (begin, 0_usize);
    loop {
        place = match at(bytes, place) {
            b'"' => string_end(bytes, place + 1) + 1,
            b'{' | b'[' => {
                depth += 1;
                place + 1
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                place + 1
            }
            _ => run(bytes, place, |b| {
                !matches!(
                    b,
                    b'"' | b'{' | b'[' | b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r'
                )
            })
            .max(place + usize::from(depth > 0)),
        };
        if depth == 0 || place >= bytes.len() {
            return place;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_table_of_paths() {
        let json = r#"{"a":1,"b":{"c":"x","d":[{"c":2,"e":1.50},{"e":3},7]},"log.level":"info","log":{"level":"warn","n":null}}"#;
        for (drop, keep, expected) in [
            (
                "a",
                "",
                r#"{"b":{"c":"x","d":[{"c":2,"e":1.50},{"e":3},7]},"log.level":"info","log":{"level":"warn","n":null}}"#,
            ),
            (
                "log.level",
                "",
                r#"{"a":1,"b":{"c":"x","d":[{"c":2,"e":1.50},{"e":3},7]},"log":{"n":null}}"#,
            ),
            (
                "b.d.e, log",
                "",
                r#"{"a":1,"b":{"c":"x","d":[{"c":2},{},7]},"log.level":"info"}"#,
            ),
            (
                "b.c,a",
                "",
                r#"{"b":{"d":[{"c":2,"e":1.50},{"e":3},7]},"log.level":"info","log":{"level":"warn","n":null}}"#,
            ),
            ("", "a", r#"{"a":1}"#),
            (
                "",
                "log.level",
                r#"{"log.level":"info","log":{"level":"warn"}}"#,
            ),
            ("", "b.d.c", r#"{"b":{"d":[{"c":2}]}}"#),
            ("", "b.d.e,a", r#"{"a":1,"b":{"d":[{"e":1.50},{"e":3}]}}"#),
            (
                "",
                "b,b.c",
                r#"{"b":{"c":"x","d":[{"c":2,"e":1.50},{"e":3},7]}}"#,
            ),
            ("b.d", "b", r#"{"b":{"c":"x"}}"#),
            ("b.c", "b.c", "{}"),
            ("log,b,a", "a.x", "{}"),
            ("", "nothing", "{}"),
            ("", "a.deeper", "{}"),
            ("a,b,log,log.level", "", "{}"),
        ] {
            let out = Fields::parse(drop, keep).apply(json);
            assert_eq!(out.as_deref(), Some(expected), "{drop} | {keep}");
        }
    }

    #[test]
    fn nothing_changed_is_nothing_copied() {
        for (drop, keep, json) in [
            ("x,a.x,b.c.d", "", r#"{"a":1,"b":{"c":[1]}}"#),
            ("", "a,b", r#"{"a":1,"b":2}"#),
            ("a", "", "[{\"a\":1}]"),
            ("a", "a", "\"a\""),
            ("", "", r#"{"a":1}"#),
            (" , ", ",", r#"{"a":1}"#),
            ("a", "a", "{}"),
        ] {
            assert_eq!(
                Fields::parse(drop, keep).apply(json),
                None,
                "{drop} | {keep}"
            );
        }
    }

    #[test]
    fn what_stays_stays_as_it_came() {
        for (drop, keep, json, expected) in [
            (
                "a",
                "",
                r#" { "a" : 1 , "b" : 1e+5 } "#,
                r#" { "b" : 1e+5 } "#,
            ),
            (
                "b",
                "",
                "{\n \"a\": \"\\u00e9\",\n \"b\": 2\n}",
                "{\n \"a\": \"\\u00e9\"\n}",
            ),
            ("b", "", r#"{"a":1,"b":2,"a":3,"b":4}"#, r#"{"a":1,"a":3}"#),
            (
                "é.x",
                "",
                r#"{"\u00e9":{"x":1,"y":"\"}"}}"#,
                r#"{"\u00e9":{"y":"\"}"}}"#,
            ),
            (
                "a.b",
                "",
                r#"{"a":[[{"b":1},{"c":1}]]}"#,
                r#"{"a":[[{},{"c":1}]]}"#,
            ),
            (
                "",
                "a..b",
                r#"{"a":{"":{"b":1,"c":1}},"d":1}"#,
                r#"{"a":{"":{"b":1}}}"#,
            ),
        ] {
            let out = Fields::parse(drop, keep).apply(json);
            assert_eq!(out.as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            format!(
                r#"{{"k":1,"a":{}{{"b":1}}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        let keeps = Fields::parse("", "a.b");
        assert_eq!(
            keeps.apply(&nested(32)),
            Some(nested(32).replace(r#""k":1,"#, ""))
        );
        assert_eq!(keeps.apply(&nested(33)).as_deref(), Some("{}"));
        assert_eq!(keeps.apply(&nested(100_000)).as_deref(), Some("{}"));
        let drops = Fields::parse("a.b", "");
        assert_eq!(
            drops.apply(&nested(32)),
            Some(nested(32).replace(r#""b":1"#, ""))
        );
        let deep = drops.apply(&nested(100_000)).expect("dropped");
        assert!(!deep.contains("\"b\""));
        assert!(deep.len() < 100);
        let objects = format!("{}1{}", r#"{"":"#.repeat(10_000), "}".repeat(10_000));
        let dots = ".".repeat(9_998) + "x";
        assert_eq!(
            Fields::parse("", &dots).apply(&objects).as_deref(),
            Some("{}")
        );
    }

    #[test]
    fn text_that_is_no_json_neither_panics_nor_hangs() {
        let json = r#"{"a":[{"b":"x\"y"},1.5],"c":{"d":null}}"#;
        for end in 0..json.len() {
            for (drop, keep) in [("a.b", ""), ("", "c.d"), ("c", "a")] {
                let fields = Fields::parse(drop, keep);
                let broken = format!("{}]{}", &json[..end], &json[end..]);
                for text in [&json[..end], &broken] {
                    let out = fields.apply(text).unwrap_or_default();
                    assert!(out.len() <= text.len());
                }
            }
        }
    }

    /// Random JSON: dropping what serde_json would drop from its own tree gives the same tree.
    #[test]
    fn agrees_with_a_tree() {
        let mut seed = 7_u64;
        let mut next = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..5_000 {
            let json = object(&mut next, 0);
            let path =
                ["a", "b", "a.b", "b.a", "a.b.c", "c.c"][usize::try_from(next(6)).expect("small")];
            let mut tree: serde_json::Value = serde_json::from_str(&json).expect("valid");
            drop_in(&mut tree, path);
            let out = Fields::parse(path, "")
                .apply(&json)
                .unwrap_or_else(|| json.clone());
            let seen: serde_json::Value = serde_json::from_str(&out).expect("still valid");
            assert_eq!(seen, tree, "{path} {json}");
            let kept = Fields::parse("", path)
                .apply(&json)
                .unwrap_or_else(|| json.clone());
            let kept: serde_json::Value = serde_json::from_str(&kept).expect("still valid");
            let mut expected: serde_json::Value = serde_json::from_str(&json).expect("valid");
            keep_in(&mut expected, path);
            assert_eq!(kept, expected, "{path} {json}");
        }
    }

    fn object(next: &mut impl FnMut(u64) -> u64, depth: u64) -> String {
        let mut members = Vec::new();
        for key in ["a", "b", "c", "a.b"] {
            if next(3) > 0 {
                members.push(format!(" \"{key}\" : {} ", value(next, depth + 1)));
            }
        }
        format!("{{{}}}", members.join(","))
    }

    fn value(next: &mut impl FnMut(u64) -> u64, depth: u64) -> String {
        match next(if depth > 3 { 3 } else { 6 }) {
            0 => "1".to_owned(),
            1 => r#""x\"{[,""#.to_owned(),
            2 => "[ ]".to_owned(),
            3 => format!("[{} , {}]", value(next, depth + 1), object(next, depth + 1)),
            _ => object(next, depth),
        }
    }

    fn drop_in(tree: &mut serde_json::Value, path: &str) {
        match tree {
            serde_json::Value::Array(items) => {
                items.iter_mut().for_each(|item| drop_in(item, path))
            }
            serde_json::Value::Object(map) => {
                map.remove(path);
                for (key, value) in map.iter_mut() {
                    if let Some(rest) = path.strip_prefix(&format!("{key}.")) {
                        drop_in(value, rest);
                    }
                }
            }
            _ => {}
        }
    }

    fn keep_in(tree: &mut serde_json::Value, path: &str) -> bool {
        match tree {
            serde_json::Value::Array(items) => {
                items.retain_mut(|item| keep_in(item, path));
                !items.is_empty()
            }
            serde_json::Value::Object(map) => {
                map.retain(|key, value| {
                    key == path
                        || path
                            .strip_prefix(&format!("{key}."))
                            .is_some_and(|rest| keep_in(value, rest))
                });
                !map.is_empty()
            }
            _ => false,
        }
    }
}
