//! The wrapper mode: starts the runtime in this process's place.
//!
//! Lambda runs it as `AWS_LAMBDA_EXEC_WRAPPER` with the runtime's own command line behind it.
//! It must end by starting the runtime, whatever happened before.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::Error;

/// Becomes the command; returns only if that failed.
#[must_use]
pub fn run(command: &[OsString]) -> Error {
    let Some((program, arguments)) = command.split_first() else {
        return Error::Environment(
            "--wrapper: no command to start; Lambda puts the runtime's own command line there"
                .into(),
        );
    };
    let why = Command::new(program).args(arguments).exec();
    Error::Resource {
        what: format!("--wrapper: {}", program.to_string_lossy()),
        why: why.to_string(),
    }
}
