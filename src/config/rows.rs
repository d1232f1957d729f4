//! What a row of `OPTIONS` is, and its rows for secrets and for the wrapper.

use std::time::Duration;

use super::Settings;
use super::lanes::Reach;
use super::values::{self, Parsed};

/// One variable.
#[derive(Debug)]
pub struct Opt {
    /// The variable, without the prefix `BROOKLET_`.
    pub name: &'static str,
    /// The default, in words.
    pub default: &'static str,
    /// What it does, in one Markdown line.
    pub help: &'static str,
    /// How much of its value may be printed.
    pub show: Show,
    /// What its value holds for.
    pub reach: Reach,
    /// Reads a value into the settings.
    pub parse: fn(&str, &mut Settings) -> Parsed<()>,
}

/// How much of a value may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// All of it.
    Whole,
    /// A URL, without the user, the password and the query that it may hold.
    Address,
    /// Nothing: it is a secret or may hold one.
    Never,
}

/// How long secrets may take.
pub(super) const SECRETS_BUDGET_MS: Opt = Opt {
    name: "SECRETS_BUDGET_MS",
    default: "`5000`",
    help: "The longest that reading secrets may take, 100 to 60000 ms; the function waits for it in the wrapper, and never for the extension.",
    show: Show::Whole,
    reach: Reach::Environment,
    parse: |value, settings| {
        values::number(value, 100, 60_000).map(|ms| {
            settings.secrets_budget = Duration::from_millis(u64::from(ms));
        })
    },
};

/// How old they get.
pub(super) const SECRETS_MAX_AGE_S: Opt = Opt {
    name: "SECRETS_MAX_AGE_S",
    default: "`3600`",
    help: "The age at which the extension reads its secrets again, 1 to 604800 s; it does so as well where a destination answers 401 or 403.",
    show: Show::Whole,
    reach: Reach::Environment,
    parse: |value, settings| {
        values::number(value, 1, 604_800).map(|seconds| {
            settings.secrets_age = Duration::from_secs(u64::from(seconds));
        })
    },
};

/// What the wrapper sets.
pub(super) const RUNTIME_ENV: Opt = Opt {
    name: "RUNTIME_ENV_<NAME>",
    default: "none",
    help: "For the wrapper: sets the variable `<NAME>` in the runtime's process alone; adds to it if it is `NODE_OPTIONS`, `JAVA_TOOL_OPTIONS`, `PYTHONPATH` or `DOTNET_STARTUP_HOOKS`.",
    show: Show::Never,
    reach: Reach::Environment,
    // No variable has this name; the wrapper reads those that begin so.
    parse: |_, _| Ok(()),
};

/// What the wrapper starts.
pub(super) const WRAPPER_NEXT: Opt = Opt {
    name: "WRAPPER_NEXT",
    default: "none",
    help: "For the wrapper: the wrapper of another layer, which is started in the runtime's place with the same arguments.",
    show: Show::Whole,
    reach: Reach::Environment,
    parse: |_, _| Ok(()),
};

/// Whether the wrapper insists.
pub(super) const WRAPPER_STRICT: Opt = Opt {
    name: "WRAPPER_STRICT",
    default: "`false`",
    help: "For the wrapper: `true`: the runtime is not started where a secret of the function is missing.",
    show: Show::Whole,
    reach: Reach::Environment,
    // The wrapper reads it by itself, as it reads no other option.
    parse: |value, _| values::switch(value).map(|_| ()),
};
