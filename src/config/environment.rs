//! The only reader of the environment and of the command line.
//!
//! It must not interpret an option: it hands out text.

use std::env::VarsOs;
use std::ffi::OsString;

use crate::error::Error;

/// The names that this program looks at begin with one of these.
const PREFIXES: [&str; 8] = [
    "BROOKLET_",
    "AWS_",
    "OTEL_",
    "AXIOM_",
    "DD_",
    "HONEYCOMB_API_KEY",
    "LIBHONEY_",
    "NEW_RELIC_LICENSE_KEY",
];

/// The variables of this process that concern us.
#[derive(Clone, Default)]
pub struct Environment {
    /// Names and values.
    variables: Vec<(String, String)>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        let names = self.variables.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Environment {
    /// Reads the environment; bytes that are not UTF-8 are replaced, as every value we use is text.
    #[must_use]
    pub fn read() -> Self {
        let mut variables = Vec::new();
        for (name, value) in self::variables() {
            if let Ok(name) = name.into_string()
                && PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            {
                variables.push((name, value.to_string_lossy().into_owned()));
            }
        }
        Self { variables }
    }

    /// An environment made of names and values, for tests and tools.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            variables: variables.iter().map(owned).collect(),
        }
    }

    /// Puts another value in the place of a variable's.
    pub(super) fn replace(&mut self, name: &str, value: String) {
        for (known, old) in &mut self.variables {
            if known == name {
                old.clone_from(&value);
            }
        }
    }

    /// Names and values, spaces around these taken off.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (&**name, value.trim()))
    }

    /// A variable's value, spaces around it taken off; one that is empty is as good as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The same as text of its own.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(ToOwned::to_owned)
    }

    /// Names that begin so.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(move |name| name.starts_with(prefix))
    }

    /// The region.
    pub(super) fn region(&self) -> Option<&str> {
        let region = self.get("AWS_REGION");
        region.or_else(|| self.get("AWS_DEFAULT_REGION"))
    }

    /// The address of the Extensions API.
    ///
    /// # Errors
    /// If Lambda did not set it: then this is not Lambda.
    pub fn runtime_api(&self) -> Result<&str, Error> {
        self.get("AWS_LAMBDA_RUNTIME_API").ok_or_else(|| {
            Error::Environment(
                "AWS_LAMBDA_RUNTIME_API is not set: Lambda starts this program as an extension; try --help or --check"
                    .into(),
            )
        })
    }

    /// Whether this environment is restored from a snapshot that was taken after INIT: SnapStart.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.get("AWS_LAMBDA_INITIALIZATION_TYPE") == Some("snap-start")
    }

    /// Whether requests overlap in this environment: Lambda Managed Instances.
    #[must_use]
    pub fn is_concurrent(&self) -> bool {
        self.get("AWS_LAMBDA_INITIALIZATION_TYPE") == Some("lambda-managed-instances")
    }
}

/// Every variable of this process, bytes as they are, for the process that takes its place.
#[must_use]
pub fn variables() -> VarsOs {
    std::env::vars_os()
}

/// The command line: what we were started as, and the arguments.
#[must_use]
pub fn arguments() -> (OsString, Vec<OsString>) {
    let mut all = std::env::args_os();
    (all.next().unwrap_or_default(), all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_as_good_as_none() {
        let environment = Environment::of(&[("BROOKLET_A", " x "), ("BROOKLET_B", " ")]);
        assert_eq!(environment.get("BROOKLET_A"), Some("x"));
        assert_eq!(environment.get("BROOKLET_B"), None);
        assert_eq!(environment.get("BROOKLET_C"), None);
    }

    #[test]
    fn values_are_not_shown() {
        let environment = Environment::of(&[("BROOKLET_API_KEY", "secret")]);
        assert_eq!(format!("{environment:?}"), r#"["BROOKLET_API_KEY"]"#);
    }
}
