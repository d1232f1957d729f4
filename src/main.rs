//! The program: chooses the mode and turns its result into an exit code.
//!
//! Exit codes: 0 after SHUTDOWN or when all is well, 1 when this process cannot be an extension or a check failed, 2 for a command line that is not understood.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brooklet::config::{self, Environment, OPTIONS, PREFIX};
use brooklet::{check, lifecycle, link, say, time, wrap};

/// How the program was started.
#[derive(Debug, PartialEq, Eq)]
enum Mode {
    /// By Lambda, as an extension of this name.
    Extension(String),
    /// By Lambda, in place of the runtime, with the runtime's command line.
    Wrapper(Vec<OsString>),
    /// By a person.
    Check,
    /// By a person.
    Help,
    /// By a person.
    Version,
    /// By a mistake.
    Unknown(String),
}

fn main() -> ExitCode {
    let (program, arguments) = config::arguments();
    #[cfg(feature = "fault")]
    if let Some(value) = Environment::read().get("BROOKLET_FAULT") {
        brooklet::fault::arm(value);
    }
    match mode(&program, arguments) {
        Mode::Extension(name) => match lifecycle::run(&name, &Environment::read()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                say!(Error, "{why}");
                ExitCode::FAILURE
            }
        },
        Mode::Wrapper(command) => {
            let why = wrap::run(&command);
            say!(Error, "{why}");
            ExitCode::FAILURE
        }
        Mode::Check => {
            let verdict = check::run(&Environment::read(), &sample());
            show(&verdict.report);
            ExitCode::from(u8::from(!verdict.good))
        }
        Mode::Help => {
            show(&help());
            ExitCode::SUCCESS
        }
        Mode::Version => {
            show(concat!("brooklet ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        Mode::Unknown(argument) => {
            say!(Error, "{argument:?} is not understood; try --help");
            ExitCode::from(2)
        }
    }
}

/// The most that is read of sample lines, in bytes.
const SAMPLE_MAX: u64 = 16 * 1024 * 1024;

/// How long stdin is read before it is said that it is: who left it open waits for us as we do for them.
const QUIET: Duration = Duration::from_secs(1);

/// The sample lines on stdin, up to its end; nothing if that is a terminal or cannot be read.
///
/// A probe is sent only where there are no lines, so it must not be guessed from a silence that there are none.
fn sample() -> String {
    let stdin = std::io::stdin();
    let mut bytes = Vec::new();
    if !stdin.is_terminal() {
        let is_read = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_read);
        let watch = move || {
            time::sleep(QUIET);
            if !seen.load(Ordering::Relaxed) {
                say!(
                    Warn,
                    "--check reads sample lines from standard input until its end; for a probe instead: brooklet --check </dev/null"
                );
            }
        };
        // Without the thread nothing is said; without a stdin there are no lines.
        let _watcher = link::spawn("stdin", None, Box::new(watch));
        stdin.take(SAMPLE_MAX).read_to_end(&mut bytes).unwrap_or(0);
        is_read.store(true, Ordering::Relaxed);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads the command line.
fn mode(program: &OsStr, mut arguments: Vec<OsString>) -> Mode {
    let lossy = |text: &OsStr| text.to_string_lossy().into_owned();
    let first = arguments.first().map(|first| lossy(first));
    match (first.as_deref(), arguments.len()) {
        // Lambda matches the registered name against the file that it launched.
        (None, _) => Mode::Extension(
            Path::new(program)
                .file_name()
                .map_or_else(String::new, lossy),
        ),
        (Some("--name"), 2) => {
            Mode::Extension(arguments.pop().map_or_else(String::new, |n| lossy(&n)))
        }
        (Some("--wrapper"), _) => Mode::Wrapper(arguments.split_off(1)),
        (Some("--check"), 1) => Mode::Check,
        (Some("--help" | "-h"), 1) => Mode::Help,
        (Some("--version" | "-V"), 1) => Mode::Version,
        (Some(first), 1) => Mode::Unknown(first.to_owned()),
        (Some(first), _) => Mode::Unknown(format!("{first} …")),
    }
}

/// What `--help` prints.
fn help() -> String {
    let mut text = String::from(concat!(
        "brooklet ",
        env!("CARGO_PKG_VERSION"),
        ": an AWS Lambda extension that ships a function's logs to wherever you want them.\n",
        "\n",
        "Lambda starts it from a layer; environment variables of the function alone configure it.\n",
        "\n",
        "  brooklet --check      validate the variables, send a probe, print what the destination said;\n",
        "                        with log lines on stdin: show what each becomes, and send nothing;\n",
        "                        a stdin that is no terminal is read to its end: </dev/null has no lines\n",
        "  brooklet --version    print the version\n",
        "  brooklet --help       print this\n",
        "\n",
        "Only Lambda uses these:\n",
        "  brooklet [--name <file name>]           run as the extension launched under this name\n",
        "  brooklet --wrapper <command> [<arg>…]   run as AWS_LAMBDA_EXEC_WRAPPER: start the runtime\n",
        "\n",
        "Variables. A bad value never fails the function: it is named and the default is taken.\n",
    ));
    text.push('\n');
    for sentence in config::destinations_help() {
        wrapped(&mut text, &sentence.replace('`', ""));
    }
    for option in OPTIONS {
        let help = option.help.replace('`', "");
        let default = option.default.replace('`', "");
        // Writing into memory cannot fail.
        writeln!(text, "\n  {PREFIX}{} (default: {default})", option.name).unwrap_or(());
        wrapped(&mut text, &help);
    }
    text
}

/// The widest line of `--help`, in characters.
const COLUMNS: usize = 100;

/// Adds a text in indented lines of at most [`COLUMNS`].
fn wrapped(out: &mut String, text: &str) {
    const INDENT: &str = "     ";
    let mut width = 0;
    for word in text.split(' ') {
        if width + 1 + word.chars().count() > COLUMNS {
            out.push('\n');
            width = 0;
        }
        if width == 0 {
            out.push_str(INDENT);
            width = INDENT.len();
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.chars().count();
    }
    out.push('\n');
}

/// Writes to stdout; a reader that went away is no error of ours.
fn show(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).unwrap_or(());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, arguments: &[&str], expected: Mode) {
        let arguments = arguments.iter().map(OsString::from).collect();
        assert_eq!(mode(OsStr::new(program), arguments), expected);
    }

    #[test]
    fn the_command_line_chooses_the_mode() {
        let extension = |name: &str| Mode::Extension(name.into());
        check("/opt/extensions/brooklet", &[], extension("brooklet"));
        check(
            "/opt/brooklet/brooklet",
            &["--name", "other"],
            extension("other"),
        );
        check(
            "b",
            &["--wrapper", "python3", "--check"],
            Mode::Wrapper(vec!["python3".into(), "--check".into()]),
        );
        check("b", &["--check"], Mode::Check);
        check("b", &["-h"], Mode::Help);
        check("b", &["--version"], Mode::Version);
        check("b", &["--name"], Mode::Unknown("--name".into()));
        check("b", &["--help", "me"], Mode::Unknown("--help …".into()));
    }

    #[test]
    fn help_names_every_option() {
        let help = help();
        for option in OPTIONS {
            assert!(help.contains(option.name));
        }
        assert!(!help.contains('`'));
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(COLUMNS), "{widest:?}");
    }
}
