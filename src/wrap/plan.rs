//! What is to become of the runtime's environment: which variables want a secret, which are set, what is started.
//!
//! Pure: it reads no environment, asks nobody and starts nothing.
//! Names and values are whatever bytes the system has; only what is ours must be text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

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

/// A name and a value.
pub(super) type Variable = (OsString, OsString);

/// The value of a variable; empty if it is not set.
pub(super) fn value<'a>(variables: &'a [Variable], name: &str) -> &'a OsStr {
    let found = variables.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| &**value).unwrap_or_default()
}

/// Whether the runtime must not start without a secret.
///
/// # Errors
/// What stands there instead, if it is neither yes nor no.
pub(super) fn strict(variables: &[Variable]) -> Result<bool, String> {
    let value = value(variables, STRICT).as_bytes().trim_ascii();
    let is = |word: &&[u8]| value.eq_ignore_ascii_case(word);
    if [&b"true"[..], b"1"].iter().any(is) {
        Ok(true)
    } else if [&b"false"[..], b"0", b""].iter().any(is) {
        Ok(false)
    } else {
        Err(String::from_utf8_lossy(value).into_owned())
    }
}

/// The references of all variables, each once.
pub(super) fn references(variables: &[Variable]) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    for (name, value) in variables {
        if (set(name).is_some() || !is_own(name))
            && let Some(reference) = reference(value)
            && !found.contains(&reference)
        {
            found.push(reference);
        }
    }
    found
}

/// The variables for the runtime's process, given what was found; and a line for each that stays without its secret.
pub(super) fn changed(
    variables: &[Variable],
    found: &dyn Fn(&Reference) -> Result<String, String>,
) -> (Vec<Variable>, Vec<String>) {
    let (mut changed, mut lines) = (variables.to_vec(), Vec::new());
    let mut secret = |name: &OsStr, value: &OsStr| {
        let kept = secret(value, found);
        if let Err(why) = &kept {
            lines.push(format!("{}: {why}", name.to_string_lossy()));
        }
        kept.ok()
    };
    for (name, value) in &mut changed {
        if !is_own(name)
            && wants(value)
            && let Some(secret) = secret(name, value)
        {
            *value = secret;
        }
    }
    for (name, value) in variables {
        let Some(set) = set(name) else {
            continue;
        };
        let Some(value) = secret(name, value) else {
            continue;
        };
        match changed.iter_mut().find(|(known, _)| known == set) {
            None => changed.push((set.to_owned(), value)),
            Some((_, old)) => match separator(set) {
                Some(separator) if !old.is_empty() && !wants(old) => {
                    old.push(separator);
                    old.push(value);
                }
                _ => *old = value,
            },
        }
    }
    (changed, lines)
}

/// Whether a variable is brooklet's own.
fn is_own(name: &OsStr) -> bool {
    name.as_bytes().starts_with(OWN)
}

/// The variable of the runtime's process that one sets, if it does.
fn set(name: &OsStr) -> Option<&OsStr> {
    let set = name.as_bytes().strip_prefix(SET)?;
    (!set.is_empty()).then(|| OsStr::from_bytes(set))
}

/// Whether a value stands for a secret.
fn wants(value: &OsStr) -> bool {
    value.as_bytes().starts_with(MARK.as_bytes())
}

/// The reference in a value that stands for a secret.
fn reference(value: &OsStr) -> Option<Reference> {
    Reference::read(value.to_str()?.strip_prefix(MARK)?)
}

/// The secret that a value stands for; any other value as it is.
fn secret(
    value: &OsStr,
    found: &dyn Fn(&Reference) -> Result<String, String>,
) -> Result<OsString, String> {
    if !wants(value) {
        return Ok(value.to_owned());
    }
    let reference = reference(value).ok_or("no reference stands behind secret:")?;
    let secret = found(&reference)?;
    // No environment can hold it.
    if secret.contains('\0') {
        return Err(format!("{}: it holds a zero byte", reference.text()));
    }
    Ok(secret.into())
}

/// What stands between the parts of a list; `None` for a variable that is none.
fn separator(name: &OsStr) -> Option<&'static str> {
    let list = LISTS.iter().find(|(list, _)| name == *list);
    list.map(|(_, separator)| *separator)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn plan(variables: &[(&str, &str)]) -> Vec<Variable> {
        let owned = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        owned.collect()
    }

    /// The changes where every secret is its reference in capitals, but for those that end in `gone` or `zero`.
    fn changes(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let given = plan(variables);
        let (mut changed, lines) = changed(&given, &|reference| match reference.text() {
            text if text.ends_with("gone") => Err(format!("{text}: it is gone")),
            text if text.ends_with("zero") => Ok("a\0b".to_owned()),
            text => Ok(text.to_uppercase()),
        });
        for (name, _) in &given {
            let times = changed.iter().filter(|(known, _)| known == name).count();
            assert_eq!(times, 1, "{}", name.display());
        }
        changed.retain(|variable| !given.contains(variable));
        changed.sort();
        let text = |text: OsString| text.into_string().expect("text");
        let changes = changed.into_iter();
        (
            changes
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            lines,
        )
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
        assert!(references(&plan).is_empty() && value(&plan, NEXT).is_empty());
        assert_eq!(strict(&plan), Ok(false));
        let (changed, lines) = changed(&plan, &|_| Ok(String::new()));
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
        assert_eq!(references(&plan(&variables)).len(), 2);
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
            (" Yes", Err("Yes".to_owned())),
        ] {
            assert_eq!(strict(&plan(&[(STRICT, value)])), expected, "{value}");
        }
        assert_eq!(value(&plan(&[(NEXT, "")]), NEXT), "");
        assert_eq!(value(&plan(&[(NEXT, "/opt/other")]), NEXT), "/opt/other");
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let variables = [
            (bytes(b"N\xff"), bytes(b"secret:\xff")),
            (bytes(b"BROOKLET_RUNTIME_ENV_\xfe"), bytes(b"v\xfd")),
            (bytes(b"PYTHONPATH"), bytes(b"/\xfc")),
            (bytes(b"BROOKLET_RUNTIME_ENV_PYTHONPATH"), bytes(b"/\xfb")),
        ];
        let (changed, lines) = changed(&variables, &|_| Ok(String::new()));
        let set = (bytes(b"\xfe"), bytes(b"v\xfd"));
        let list = (bytes(b"PYTHONPATH"), bytes(b"/\xfc:/\xfb"));
        let [wanting, sets, _, adds] = variables;
        assert!(references(std::slice::from_ref(&wanting)).is_empty());
        assert_eq!(changed, [wanting, sets, list, adds, set]);
        assert_eq!(lines, ["N\u{fffd}: no reference stands behind secret:"]);
    }
}
