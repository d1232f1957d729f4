//! What is to become of the runtime's environment: which variables want a secret, which are set, what is started.
//!
//! Pure: it reads no environment, asks nobody and starts nothing.
//! Names and values are whatever bytes the system has; only what is ours must be text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

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
const LISTS: [(&str, u8); 4] = [
    ("NODE_OPTIONS", b' '),
    ("JAVA_TOOL_OPTIONS", b' '),
    ("PYTHONPATH", b':'),
    ("DOTNET_STARTUP_HOOKS", b':'),
];

/// A name and a value.
type Variable = (OsString, OsString);

/// What is to be done before the runtime starts.
#[allow(missing_debug_implementations, reason = "values may be secrets")]
#[derive(Default)]
pub(super) struct Plan {
    /// The function's variables that want a secret, as they are.
    wanting: Vec<Variable>,
    /// What is set in the runtime's process.
    sets: Vec<Variable>,
    /// The lists as they are.
    lists: Vec<Variable>,
    /// What is started in the runtime's place.
    pub(super) next: Option<OsString>,
    /// Whether the runtime must not start without a secret.
    pub(super) strict: bool,
    /// What stands there instead of whether it must not, if that is neither.
    pub(super) odd: Option<String>,
}

impl Plan {
    /// Reads the function's variables.
    pub(super) fn of(variables: impl Iterator<Item = Variable>) -> Self {
        let mut plan = Self::default();
        for (name, value) in variables {
            let bytes = name.as_bytes();
            if let Some(set) = bytes.strip_prefix(SET) {
                if !set.is_empty() {
                    plan.sets.push((OsString::from_vec(set.to_vec()), value));
                }
            } else if name == NEXT {
                plan.next = Some(value).filter(|value| !value.is_empty());
            } else if name == STRICT {
                let value = value.as_bytes().trim_ascii();
                plan.strict = value.eq_ignore_ascii_case(b"true") || value == b"1";
                let no = [&b"false"[..], b"0", b""];
                if !plan.strict && !no.contains(&&*value.to_ascii_lowercase()) {
                    plan.odd = Some(String::from_utf8_lossy(value).into_owned());
                }
            } else if !bytes.starts_with(OWN) {
                if wants(&value) {
                    plan.wanting.push((name, value));
                } else if separator(&name).is_some() {
                    plan.lists.push((name, value));
                }
            }
        }
        plan
    }

    /// The references of all variables, each once.
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        for (_, value) in self.wanting.iter().chain(&self.sets) {
            if let Some(reference) = reference(value)
                && !found.contains(&reference)
            {
                found.push(reference);
            }
        }
        found
    }

    /// What is changed in the runtime's environment, given what was found; and a line for each variable that stays without its secret.
    pub(super) fn changes(
        self,
        found: &dyn Fn(&Reference) -> Result<String, String>,
    ) -> (Vec<Variable>, Vec<String>) {
        let mut lines = Vec::new();
        let mut value = |name: &OsStr, set: &'static str, given: OsString| {
            if !wants(&given) {
                return Some(given);
            }
            let found = match reference(&given) {
                None => Err("no reference stands behind secret:".to_owned()),
                Some(reference) => found(&reference).and_then(|value| {
                    // No environment can hold it.
                    let whole = !value.contains('\0');
                    whole
                        .then_some(value)
                        .ok_or_else(|| format!("{}: it holds a zero byte", reference.text()))
                }),
            };
            found
                .map_err(|why| lines.push(format!("{set}{}: {why}", name.to_string_lossy())))
                .ok()
                .map(OsString::from)
        };
        let mut changes: Vec<Variable> = Vec::new();
        for (name, given) in self.wanting {
            if let Some(value) = value(&name, "", given) {
                changes.push((name, value));
            }
        }
        for (name, given) in self.sets {
            let Some(value) = value(&name, "BROOKLET_RUNTIME_ENV_", given) else {
                continue;
            };
            let before = changes.iter().position(|(known, _)| *known == name);
            let before = before.map(|at| changes.swap_remove(at));
            let value = match separator(&name) {
                Some(separator) => {
                    let is = self.lists.iter().find(|(known, _)| *known == name);
                    let is = before.as_ref().or(is).map(|(_, value)| value.as_os_str());
                    appended(is.unwrap_or_default(), separator, &value)
                }
                None => value,
            };
            changes.push((name, value));
        }
        (changes, lines)
    }
}

/// Whether a value stands for a secret.
fn wants(value: &OsStr) -> bool {
    value.as_bytes().starts_with(MARK.as_bytes())
}

/// The reference in a value that stands for a secret.
fn reference(value: &OsStr) -> Option<Reference> {
    Reference::read(value.to_str()?.strip_prefix(MARK)?)
}

/// What stands between the parts of a list; `None` for a variable that is none.
fn separator(name: &OsStr) -> Option<u8> {
    let list = LISTS.iter().find(|(list, _)| name == *list);
    list.map(|(_, separator)| *separator)
}

/// A list with one more part.
fn appended(list: &OsStr, separator: u8, part: &OsStr) -> OsString {
    if list.is_empty() {
        return part.to_owned();
    }
    let bytes = [list.as_bytes(), &[separator], part.as_bytes()].concat();
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(variables: &[(&str, &str)]) -> Plan {
        let owned = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Plan::of(owned)
    }

    /// The changes where every secret is its reference in capitals, but for those that end in `gone` or `zero`.
    fn changed(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let (mut changes, lines) = plan(variables).changes(&|reference| match reference.text() {
            text if text.ends_with("gone") => Err(format!("{text}: it is gone")),
            text if text.ends_with("zero") => Ok("a\0b".to_owned()),
            text => Ok(text.to_uppercase()),
        });
        changes.sort();
        let text = |text: OsString| text.into_string().expect("text");
        let changes = changes.into_iter();
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
        assert!(plan.references().is_empty() && plan.next.is_none() && !plan.strict);
        let (changes, lines) = plan.changes(&|_| Ok(String::new()));
        assert!(changes.is_empty() && lines.is_empty());
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
        assert_eq!(plan(&variables).references().len(), 2);
        let expected = pairs(&[
            ("KEY", "SSM:/KEY"),
            ("OTHER", "SSM:/OTHER"),
            ("SAME", "SSM:/KEY"),
        ]);
        assert_eq!(changed(&variables), (expected, Vec::new()));
    }

    #[test]
    fn what_cannot_be_had_is_named_and_stays() {
        let (changes, lines) = changed(&[
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
        let (changes, lines) = changed(&[
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
        for (value, strict) in [
            ("true", true),
            (" TRUE ", true),
            ("1", true),
            ("false", false),
            ("", false),
        ] {
            assert_eq!(plan(&[(STRICT, value)]).strict, strict, "{value}");
        }
        assert_eq!(plan(&[(NEXT, "")]).next, None);
        assert_eq!(
            plan(&[(NEXT, "/opt/other")]).next,
            Some("/opt/other".into())
        );
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
        let plan = Plan::of(variables.into_iter());
        assert!(plan.references().is_empty());
        let (changes, lines) = plan.changes(&|_| Ok(String::new()));
        let expected = [
            (bytes(b"\xfe"), bytes(b"v\xfd")),
            (bytes(b"PYTHONPATH"), bytes(b"/\xfc:/\xfb")),
        ];
        assert_eq!(changes, expected);
        assert_eq!(lines, ["N\u{fffd}: no reference stands behind secret:"]);
    }
}
