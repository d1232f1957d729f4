//! The wrapper mode: prepares the runtime's environment, and starts the runtime in this process's place.
//!
//! Lambda runs it as `AWS_LAMBDA_EXEC_WRAPPER` with the runtime's own command line behind it.
//! It must end by starting the runtime, whatever happened before, unless the owner asked it to be strict.
//! The runtime does not start before: where there is nothing to fetch it must neither read the configuration nor start a thread.

mod plan;

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::catch_unwind;

use nix::unistd;

use self::plan::{NEXT, STRICT, Variable};
use crate::config::{self, Environment};
use crate::diag;
use crate::error::Error;
use crate::link::{Found, Hurry};
use crate::secrets::{self, Reference};

/// Becomes the command; returns only if that failed, or if it must not.
#[must_use]
pub fn run(command: &[OsString]) -> Error {
    let Some((program, arguments)) = command.split_first() else {
        return Error::Environment(
            "--wrapper: no command to start; Lambda puts the runtime's own command line there"
                .into(),
        );
    };
    let given = config::variables();
    let strict = plan::strict(&given).unwrap_or_else(|odd| {
        say_once!(
            Warn,
            "{STRICT} is {odd:?}: must be one of true, false, 1, 0; taken instead: false"
        );
        false
    });
    let (variables, missing) = prepare(&given);
    for line in &missing {
        say_once!(Error, "{line}");
    }
    if strict && !missing.is_empty() {
        return Error::Environment(format!(
            "{STRICT} is true: the runtime is not started without its secrets"
        ));
    }
    let next = plan::value(&given, NEXT);
    if !next.is_empty() {
        // It gets what Lambda gave us; if it is this file again, that one starts the runtime.
        let why = start(next, command, &variables, NEXT);
        say_once!(Error, "{NEXT}: {why}; the runtime starts without it");
    }
    let why = start(program, arguments, &variables, "");
    if strict || variables == given {
        return why;
    }
    // It may be that its environment got too large.
    say_once!(Error, "{why}; it is tried without what was to be set");
    start(program, arguments, &given, "")
}

/// Becomes a program, with these variables but for one; returns only if that failed.
///
/// What is ignored, blocked or open is the program's as it was ours, but for SIGPIPE, which is at its default.
fn start(program: &OsStr, arguments: &[OsString], variables: &[Variable], without: &str) -> Error {
    let Err(why) = replace(program, arguments, variables, without);
    Error::Resource {
        what: format!("--wrapper: {}", program.to_string_lossy()),
        why: why.to_string(),
    }
}

/// The same; a program without a slash in its name is looked for in the `PATH` that is ours.
///
/// std's `Command` could do it too, and takes 20 kB for it.
fn replace(
    program: &OsStr,
    arguments: &[OsString],
    variables: &[Variable],
    without: &str,
) -> io::Result<Infallible> {
    let mut words = vec![CString::new(program.as_bytes())?];
    for argument in arguments {
        words.push(CString::new(argument.as_bytes())?);
    }
    let mut environment = Vec::new();
    for (name, value) in variables {
        if name != without {
            let variable = [name.as_bytes(), b"=", value.as_bytes()].concat();
            environment.push(CString::new(variable)?);
        }
    }
    // Rust's start ignores it, and what is ignored stays so.
    sigpipe::reset();
    let file = CString::new(program.as_bytes())?;
    // What nix knows of the reason, std knows too, and without another table of names.
    unistd::execvpe(&file, &words, &environment).map_err(|_| io::Error::last_os_error())
}

/// The variables for the runtime, and a line for each secret that is missing; a panic costs the secrets, or at worst all that was to be set.
fn prepare(given: &[Variable]) -> (Vec<Variable>, Vec<String>) {
    let references = plan::references(given);
    let mut found = Found::default();
    if !references.is_empty() {
        diag::install_panic_line();
        // What is no secret is set all the same.
        found = catch_unwind(|| fetch(&references)).unwrap_or_default();
    }
    let changed = || {
        plan::changed(given, &|reference| {
            found.value(reference.text()).map(ToOwned::to_owned)
        })
    };
    catch_unwind(changed)
        .unwrap_or_else(|_| (given.to_vec(), vec!["no secret could be set".to_owned()]))
}

/// Fetches the secrets.
fn fetch(references: &[Reference]) -> Found {
    let options = config::secrets(&Environment::read());
    secrets::fetch(&options, references, &Hurry::default())
}
