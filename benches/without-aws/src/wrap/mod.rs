//! In the place of `src/wrap/mod.rs`: there is no wrapper.

use std::ffi::OsString;

use crate::error::Error;

/// Says so.
#[must_use]
pub fn run(_: &[OsString]) -> Error {
    Error::Environment("--wrapper".into())
}
