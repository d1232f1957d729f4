//! A value that could not be taken: what is said of it.
//!
//! It must not hold a secret: what was given is shown by the rules of its option alone.

use std::fmt;

/// A value that could not be taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The option, what was given, and what is wrong with it.
    pub(super) what: String,
    /// What is taken instead; empty if nothing is.
    pub(super) taken: String,
}

impl Problem {
    /// One that leaves nothing to be taken.
    pub(super) fn of(what: String) -> Self {
        Self {
            what,
            taken: String::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.taken.is_empty() {
            return Ok(());
        }
        write!(f, "; taken instead: {}", self.taken)
    }
}

/// What is taken of a value no part of which is good.
pub(super) const NOTHING: &str = "none";

/// What is taken of a value some parts of which are bad.
pub(super) fn other_parts(are_there: bool) -> &'static str {
    if are_there {
        "its other parts"
    } else {
        NOTHING
    }
}
