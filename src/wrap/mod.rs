//! The wrapper mode: prepares the runtime's environment, and starts the runtime in this process's place.
//!
//! Lambda runs it as `AWS_LAMBDA_EXEC_WRAPPER` with the runtime's own command line behind it.
//! It must end by starting the runtime, whatever happened before, unless the owner asked it to be strict.
//! The runtime does not start before: where there is nothing to fetch it must neither read the configuration nor start a thread.

mod plan;

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd;

use self::plan::{NEXT, STRICT};
use crate::config::{self, Environment};
use crate::diag;
use crate::error::Error;
use crate::link::{Found, Hurry};
use crate::secrets::{self, Reference};

/// Becomes the command; returns only if that failed, or if it must not.
#[must_use]
pub fn run(command: &[OsString]) -> Error {
    Error::Environment(prepare_and_start(command))
}

/// The same; gives back why it failed.
fn prepare_and_start(command: &[OsString]) -> String {
    if command.is_empty() {
        return "--wrapper: no command to start; Lambda puts the runtime's own command line there"
            .to_owned();
    }
    let given = variables();
    let strict = plan::strict(&given).unwrap_or_else(|why| {
        say_once!(Warn, "{STRICT} {why}; taken instead: false");
        false
    });
    let (mut variables, missing) = prepare(&given);
    for line in &missing {
        say_once!(Error, "{line}");
    }
    if strict && !missing.is_empty() {
        let what = " is true: the runtime is not started without its secrets";
        return [STRICT, what].concat();
    }
    // The wrapper of another layer, and behind it the runtime's own command line, which it gets.
    let next = plan::value(&given, NEXT.as_bytes());
    let mut words = vec![plan::text(&[next])];
    for word in command {
        words.push(plan::text(&[word.as_bytes()]));
    }
    let runtime = words.get(1..).unwrap_or_default();
    let is_same = variables == given;
    if let Some(at) = plan::at(&variables, NEXT.as_bytes()).filter(|_| !next.is_empty()) {
        // It gets what Lambda gave us; if it is this file again, that one starts the runtime.
        let without = variables.swap_remove(at);
        let why = start(&words, &variables);
        say_once!(Error, "{NEXT}: {why}; the runtime starts without it");
        variables.push(without);
    }
    let why = start(runtime, &variables);
    if strict || is_same {
        return why;
    }
    // It may be that its environment got too large.
    say_once!(Error, "{why}; it is tried without what was to be set");
    start(runtime, &given)
}

/// Every variable of this process.
fn variables() -> Vec<CString> {
    let mut variables = Vec::new();
    for (name, value) in config::variables() {
        variables.push(plan::text(&[name.as_bytes(), b"=", value.as_bytes()]));
    }
    variables
}

/// Becomes the program that is the first of these words, with all of them and these variables; returns only if that failed.
///
/// A program without a slash in its name is looked for in the `PATH` that is ours.
/// What is ignored, blocked or open is the program's as it was ours, but for SIGPIPE, which is at its default.
/// std's `Command` could do it too, and takes 20 kB for it.
fn start(words: &[CString], variables: &[CString]) -> String {
    // Rust's start ignores it, and what is ignored stays so.
    sigpipe::reset();
    let program = words.first().map(|it| &**it).unwrap_or_default();
    let Err(_) = unistd::execvpe(program, words, variables);
    // What nix knows of the reason, std knows too, and without another table of names.
    let why = io::Error::last_os_error();
    format!("--wrapper: {}: {why}", program.to_string_lossy())
}

/// The variables for the runtime, and a line for each secret that is missing; a panic costs the secrets, or at worst all that was to be set.
fn prepare(given: &[CString]) -> (Vec<CString>, Vec<String>) {
    let references = plan::references(given);
    // What is no secret is set all the same.
    for references in [&*references, &[]] {
        let mut changed = given.to_vec();
        let change = || plan::change(given, &mut changed, &fetch(references));
        if let Ok(missing) = catch_unwind(AssertUnwindSafe(change)) {
            return (changed, missing);
        }
    }
    (given.to_vec(), vec!["no secret could be set".to_owned()])
}

/// Fetches the secrets.
fn fetch(references: &[Reference]) -> Found {
    if references.is_empty() {
        return Found::default();
    }
    diag::install_panic_line();
    let options = config::secrets(&Environment::read());
    secrets::fetch(&options, references, &Hurry::default())
}
