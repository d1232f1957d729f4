//! What is to become of the runtime's environment: which variables want a secret, which are set, what is started.
//!
//! Pure: it reads no environment, asks nobody and starts nothing.
//! Names and values are whatever bytes the system has; only what is ours must be text.

use std::ffi::{CStr, CString};

use crate::config;
use crate::link::Found;
use crate::secrets::{MARK, Reference};

/// What every variable of brooklet's own begins with.
const OWN: &[u8] = b"BROOKLET_";

/// What a variable begins with that sets the one named behind it.
const SET: &[u8] = b"BROOKLET_RUNTIME_ENV_";

/// The variable that names the wrapper to start in the runtime's place.
pub(super) const NEXT: &str = "BROOKLET_WRAPPER_NEXT";

/// The variable that says whether the runtime may start without a secret.
pub(super) const STRICT: &str = "BROOKLET_WRAPPER_STRICT";

/// Variables that are lists, to which something is added rather than put in their place, and what stands between two parts.
const LISTS: [(&str, &str); 4] = [
    ("NODE_OPTIONS", " "),
    ("JAVA_TOOL_OPTIONS", " "),
    ("PYTHONPATH", ":"),
    ("DOTNET_STARTUP_HOOKS", ":"),
];

/// What the system takes as text, made of these parts, of which none may hold a zero byte; all that it gave us is so.
pub(super) fn text(parts: &[&[u8]]) -> CString {
    CString::new(parts.concat()).unwrap_or_default()
}

/// The name and the value of a variable, which is `name=value`.
fn split(variable: &CStr) -> (&[u8], &[u8]) {
    let bytes = variable.to_bytes();
    let at = memchr::memchr(b'=', bytes).unwrap_or(bytes.len());
    let (name, rest) = bytes.split_at_checked(at).unwrap_or_default();
    (name, rest.get(1..).unwrap_or_default())
}

/// Where a variable stands, if it is set.
pub(super) fn at(variables: &[CString], name: &[u8]) -> Option<usize> {
    variables.iter().position(|it| split(it).0 == name)
}

/// The value of a variable; empty if it is not set.
pub(super) fn value<'a>(variables: &'a [CString], name: &[u8]) -> &'a [u8] {
    let found = at(variables, name).and_then(|at| variables.get(at));
    found.map(|it| split(it).1).unwrap_or_default()
}

/// Whether the runtime must not start without a secret.
///
/// # Errors
/// What stands there instead, and what is wrong with that.
pub(super) fn strict(variables: &[CString]) -> Result<bool, String> {
    let value = String::from_utf8_lossy(value(variables, STRICT.as_bytes()));
    match value.trim() {
        "" => Ok(false),
        value => config::switch(value).map_err(|why| format!("is {value:?}: {why}")),
    }
}

/// The references of all variables.
pub(super) fn references(variables: &[CString]) -> Vec<Reference> {
    let mut found = Vec::new();
    for variable in variables {
        let (name, value) = split(variable);
        if target(name).is_some()
            && let Some(reference) = reference(value)
        {
            found.push(reference);
        }
    }
    found
}

/// Makes the runtime's variables of those that were given, which they are yet; gives back a line for each that stays without its secret.
pub(super) fn change(given: &[CString], changed: &mut Vec<CString>, found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    // What stands for a secret has become it when something is added to it.
    for own in [false, true] {
        for variable in given {
            let (name, value) = split(variable);
            if is_own(name) != own || !(own || wants(value)) {
                continue;
            }
            let Some(target) = target(name) else {
                continue;
            };
            let secret = match secret(value, found) {
                Ok(secret) => secret,
                Err(why) => {
                    lines.push([&String::from_utf8_lossy(name), ": ", &*why].concat());
                    continue;
                }
            };
            let before = self::value(changed, target);
            let list = LISTS.iter().find(|(list, _)| list.as_bytes() == target);
            let (before, between) = match list {
                Some((_, between)) if !before.is_empty() && !wants(before) => (before, *between),
                _ => (&[][..], ""),
            };
            let new = text(&[target, b"=", before, between.as_bytes(), secret]);
            match at(changed, target).and_then(|at| changed.get_mut(at)) {
                Some(old) => *old = new,
                None => changed.push(new),
            }
        }
    }
    lines
}

/// Whether a variable is brooklet's own.
fn is_own(name: &[u8]) -> bool {
    name.starts_with(OWN)
}

/// The variable of the runtime's process that one is or sets, if any.
fn target(name: &[u8]) -> Option<&[u8]> {
    match name.strip_prefix(SET) {
        Some(set) => Some(set).filter(|set| !set.is_empty()),
        None => Some(name).filter(|name| !is_own(name)),
    }
}

/// Whether a value stands for a secret.
fn wants(value: &[u8]) -> bool {
    value.starts_with(MARK.as_bytes())
}

/// The reference in a value that stands for a secret.
fn reference(value: &[u8]) -> Option<Reference> {
    Reference::read(std::str::from_utf8(value).ok()?.strip_prefix(MARK)?)
}

/// The secret that a value stands for; any other value as it is.
fn secret<'a>(value: &'a [u8], found: &'a Found) -> Result<&'a [u8], String> {
    if !wants(value) {
        return Ok(value);
    }
    let reference = reference(value).ok_or("no reference stands behind secret:")?;
    let secret = found.value(reference.text())?;
    // No environment can hold it.
    if secret.contains('\0') {
        return Err([reference.text(), ": it holds a zero byte"].concat());
    }
    Ok(secret.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(variables: &[(&str, &str)]) -> Vec<CString> {
        let owned = |(name, value): &(&str, &str)| text(&[name.as_bytes(), b"=", value.as_bytes()]);
        variables.iter().map(owned).collect()
    }

    /// The changed variables where every secret is its reference in capitals, but for those that end in `gone` or `zero`; and the lines.
    fn changed(given: &[CString]) -> (Vec<CString>, Vec<String>) {
        let mut found = Found::default();
        for reference in references(given) {
            let value = match reference.text() {
                text if text.ends_with("gone") => Err("it is gone".to_owned()),
                text if text.ends_with("zero") => Ok("a\0b".to_owned()),
                text => Ok(text.to_uppercase()),
            };
            found.values.push((reference.text().to_owned(), value));
        }
        let mut changed = given.to_vec();
        let lines = change(given, &mut changed, &found);
        (changed, lines)
    }

    /// The changes, and the lines.
    fn changes(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let given = plan(variables);
        let (mut changed, lines) = changed(&given);
        for variable in &given {
            let name = split(variable).0;
            let times = changed.iter().filter(|it| split(it).0 == name).count();
            assert_eq!(times, 1, "{variable:?}");
        }
        changed.retain(|variable| !given.contains(variable));
        changed.sort();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let changes = changed
            .iter()
            .map(|it| (text(split(it).0), text(split(it).1)));
        (changes.collect(), lines)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn nothing_to_do_is_nothing_done() {
        let plan = plan(&[
            ("A", "b"),
            ("NODE_OPTIONS", "x"),
            ("BROOKLET_ENDPOINT", "secret:ssm:/a"),
        ]);
        assert!(references(&plan).is_empty() && value(&plan, NEXT.as_bytes()).is_empty());
        assert_eq!(strict(&plan), Ok(false));
        let (changed, lines) = changed(&plan);
        assert!(changed == plan && lines.is_empty());
    }

    #[test]
    fn what_stands_for_a_secret_becomes_it() {
        let variables = [
            ("KEY", "secret:ssm:/key"),
            ("SAME", "secret:ssm:/key"),
            ("PLAIN", "ssm:/key"),
            ("INSIDE", "x secret:ssm:/key"),
            ("BROOKLET_RUNTIME_ENV_OTHER", "secret:ssm:/other"),
            ("BROOKLET_API_KEY", "secret:ssm:/ours"),
        ];
        assert_eq!(references(&plan(&variables)).len(), 3);
        let expected = pairs(&[
            ("KEY", "SSM:/KEY"),
            ("OTHER", "SSM:/OTHER"),
            ("SAME", "SSM:/KEY"),
        ]);
        assert_eq!(changes(&variables), (expected, Vec::new()));
    }

    #[test]
    fn what_cannot_be_had_is_named_and_stays() {
        let (changes, lines) = changes(&[
            ("A", "secret:ssm:/gone"),
            ("B", "secret:of mine"),
            ("C", "secret:ssm:/zero"),
            ("BROOKLET_RUNTIME_ENV_D", "secret:ssm:/d-gone"),
            ("E", "secret:ssm:/e"),
        ]);
        assert_eq!(changes, pairs(&[("E", "SSM:/E")]));
        let expected = [
            "A: ssm:/gone: it is gone",
            "B: no reference stands behind secret:",
            "C: ssm:/zero: it holds a zero byte",
            "BROOKLET_RUNTIME_ENV_D: ssm:/d-gone: it is gone",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn lists_are_added_to_and_others_replaced() {
        let (changes, lines) = changes(&[
            ("NODE_OPTIONS", "--a"),
            ("PYTHONPATH", "/var/runtime"),
            ("DOTNET_STARTUP_HOOKS", ""),
            ("JAVA_TOOL_OPTIONS", "secret:ssm:/-dkey"),
            ("PLAIN", "before"),
            ("BROOKLET_RUNTIME_ENV_NODE_OPTIONS", "--b"),
            ("BROOKLET_RUNTIME_ENV_PYTHONPATH", "/opt/python"),
            ("BROOKLET_RUNTIME_ENV_DOTNET_STARTUP_HOOKS", "/opt/a.dll"),
            (
                "BROOKLET_RUNTIME_ENV_JAVA_TOOL_OPTIONS",
                "-javaagent:/opt/a.jar",
            ),
            ("BROOKLET_RUNTIME_ENV_PLAIN", "after"),
            ("BROOKLET_RUNTIME_ENV_EMPTY", ""),
            ("BROOKLET_RUNTIME_ENV_", "nobody"),
        ]);
        let expected = pairs(&[
            ("DOTNET_STARTUP_HOOKS", "/opt/a.dll"),
            ("EMPTY", ""),
            ("JAVA_TOOL_OPTIONS", "SSM:/-DKEY -javaagent:/opt/a.jar"),
            ("NODE_OPTIONS", "--a --b"),
            ("PLAIN", "after"),
            ("PYTHONPATH", "/var/runtime:/opt/python"),
        ]);
        assert_eq!((changes, lines), (expected, Vec::new()));
    }

    #[test]
    fn the_words_of_the_switches() {
        for (value, expected) in [
            ("true", Ok(true)),
            (" TRUE ", Ok(true)),
            ("1", Ok(true)),
            ("false", Ok(false)),
            ("0", Ok(false)),
            ("", Ok(false)),
            (
                " Yes",
                Err("is \"Yes\": must be one of true, false, 1, 0".to_owned()),
            ),
        ] {
            assert_eq!(strict(&plan(&[(STRICT, value)])), expected, "{value}");
        }
        let next = NEXT.as_bytes();
        assert_eq!(value(&plan(&[(NEXT, "")]), next), b"");
        assert_eq!(value(&plan(&[(NEXT, "/opt/other")]), next), b"/opt/other");
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let variables = [
            text(&[b"N\xff=secret:\xff"]),
            text(&[b"BROOKLET_RUNTIME_ENV_\xfe=v\xfd"]),
            text(&[b"PYTHONPATH=/\xfc"]),
            text(&[b"BROOKLET_RUNTIME_ENV_PYTHONPATH=/\xfb"]),
        ];
        let (changed, lines) = changed(&variables);
        let set = text(&[b"\xfe=v\xfd"]);
        let list = text(&[b"PYTHONPATH=/\xfc:/\xfb"]);
        let [wanting, sets, _, adds] = variables;
        assert!(references(std::slice::from_ref(&wanting)).is_empty());
        assert_eq!(changed, [wanting, sets, list, adds, set]);
        assert_eq!(lines, ["N\u{fffd}: no reference stands behind secret:"]);
    }
}
