//! The wrapper mode: prepares the runtime's environment, and starts the runtime in this process's place.
//!
//! Lambda runs it as `AWS_LAMBDA_EXEC_WRAPPER` with the runtime's own command line behind it.
//! It must end by starting the runtime, whatever happened before, unless the owner asked it to be strict.
//! The runtime does not start before: where there is nothing to fetch it must neither read the configuration nor start a thread.

mod plan;

use std::convert::Infallible;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd;

use self::plan::{NEXT, Plan, STRICT};
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
    let mut plan = Plan::of(config::variables());
    let (strict, next) = (plan.strict, plan.next.take());
    if let Some(odd) = &plan.odd {
        say_once!(
            Warn,
            "{STRICT} is {odd:?}: must be one of true, false, 1, 0; taken instead: false"
        );
    }
    let (changes, missing) = prepare(plan);
    for line in &missing {
        say_once!(Error, "{line}");
    }
    if strict && !missing.is_empty() {
        return Error::Environment(format!(
            "{STRICT} is true: the runtime is not started without its secrets"
        ));
    }
    if let Some(next) = next {
        // It gets what Lambda gave us; if it is this file again, that one starts the runtime.
        let why = start(&next, command, &changes, Some(NEXT));
        say_once!(Error, "{NEXT}: {why}; the runtime starts without it");
    }
    let why = start(program, arguments, &changes, None);
    if strict || changes.is_empty() {
        return why;
    }
    // It may be that its environment got too large.
    say_once!(Error, "{why}; it is tried without what was to be set");
    start(program, arguments, &[], None)
}

/// Becomes a program, with these changes to the environment and without a variable; returns only if that failed.
///
/// What is ignored, blocked or open is the program's as it was ours, but for SIGPIPE, which is at its default.
fn start(
    program: &OsStr,
    arguments: &[OsString],
    changes: &[(OsString, OsString)],
    without: Option<&str>,
) -> Error {
    let Err(why) = replace(program, arguments, changes, without);
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
    changes: &[(OsString, OsString)],
    without: Option<&str>,
) -> io::Result<Infallible> {
    let file = CString::new(program.as_bytes())?;
    let mut words = vec![file.clone()];
    for argument in arguments {
        words.push(CString::new(argument.as_bytes())?);
    }
    // Rust's start ignores it, and what is ignored stays so.
    sigpipe::reset();
    if changes.is_empty() && without.is_none() {
        return Ok(unistd::execvp(&file, &words)?);
    }
    let mut variables = Vec::new();
    for (name, value) in config::variables() {
        let stays = changes.iter().all(|(changed, _)| *changed != name);
        if stays && without.is_none_or(|without| name != without) {
            variables.push(variable(&name, &value)?);
        }
    }
    for (name, value) in changes {
        variables.push(variable(name, value)?);
    }
    Ok(unistd::execvpe(&file, &words, &variables)?)
}

/// A variable as the system has it.
fn variable(name: &OsStr, value: &OsStr) -> Result<CString, NulError> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// What is changed in the runtime's environment, and a line for each secret that is missing; a panic costs the secrets, or at worst all of it.
fn prepare(plan: Plan) -> (Vec<(OsString, OsString)>, Vec<String>) {
    let references = plan.references();
    let mut found = Found::default();
    if !references.is_empty() {
        diag::install_panic_line();
        // What is no secret is set all the same.
        found = catch_unwind(|| fetch(&references)).unwrap_or_default();
    }
    let changes = AssertUnwindSafe(|| {
        plan.changes(&|reference| found.value(reference.text()).map(ToOwned::to_owned))
    });
    let caught = catch_unwind(changes);
    caught.unwrap_or_else(|_| (Vec::new(), vec!["no secret could be set".to_owned()]))
}

/// Fetches the secrets.
fn fetch(references: &[Reference]) -> Found {
    let options = config::secrets(&Environment::read());
    secrets::fetch(&options, references, &Hurry::default())
}
