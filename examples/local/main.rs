//! The demonstration: the layer in a local Lambda, told as it happens.
//!
//! `cargo run --example local -- --opt <unpacked layer>` starts the layer as Lambda would, invokes a
//! small function, and shows what the function printed and what an embedded receiver got.
//! It must not need a network, an account, or anything but the layer; it is no test, but it fails
//! like one when a record is missing.

#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_docs_in_private_items,
    reason = "it is the tests' own, and held to their lints"
)]
#[path = "../../tests/lambda/mod.rs"]
mod lambda;
mod receiver;
mod screen;
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_docs_in_private_items,
    reason = "it is the tests' own, and held to their lints"
)]
#[path = "../../tests/sink/mod.rs"]
mod sink;
mod story;
mod summary;
mod watch;
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_docs_in_private_items,
    reason = "it is the tests' own, and held to their lints"
)]
#[path = "../../tests/wire.rs"]
mod wire;

use lambda::process::Exit;
use lambda::setup::{Launch, Setup};
use lambda::{InitFailure, Lambda, Outcome};
use screen::Screen;
use sink::Sink;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use watch::Watch;

/// How long the environment stands still between two invocations.
const FROZEN: Duration = Duration::from_millis(300);

/// What the one argument must look like.
const USAGE: &str = "usage: cargo run --example local -- --opt <directory of an unpacked layer>";

/// Why there is nothing to see, or nothing good.
#[derive(Debug)]
enum Failure {
    /// The arguments or the layer are not what they must be.
    Input(String),
    /// Something went wrong in the local Lambda; what brooklet printed is told with it.
    Run(String, Vec<String>),
    /// Not every record arrived; the summary has said so.
    Records,
    /// Nobody reads what is written here.
    Screen(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Screen(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(what) => write!(out, "{what}"),
            Self::Run(what, printed) => {
                write!(out, "{what}")?;
                if printed.is_empty() {
                    return write!(out, "; brooklet printed nothing");
                }
                write!(out, "; brooklet printed:")?;
                printed
                    .iter()
                    .try_for_each(|line| write!(out, "\n  {line}"))
            }
            Self::Records => write!(out, "not every record arrived once and in order, see above"),
            Self::Screen(error) => write!(out, "the output cannot be written: {error}"),
        }
    }
}

fn main() -> ExitCode {
    // The local Lambda is a test's: what it cannot do, it says with a panic.
    std::panic::set_hook(Box::new(|panic| {
        let _told = Screen::open().failure(&panic.to_string());
    }));
    let mut screen = Screen::open();
    let Err(failure) = opt().and_then(|opt| run(&opt, &mut screen)) else {
        return ExitCode::SUCCESS;
    };
    // Without a screen there is nobody left to tell.
    let _told = screen.failure(&failure.to_string());
    ExitCode::from(if matches!(failure, Failure::Input(_)) {
        2
    } else {
        1
    })
}

/// The directory that stands for `/opt`, from the arguments.
fn opt() -> Result<PathBuf, Failure> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [option, opt] if option == "--opt" => Ok(PathBuf::from(opt)),
        _ => Err(Failure::Input(USAGE.to_owned())),
    }
}

/// The binary of an unpacked layer, which must have one file for Lambda to start.
fn binary(opt: &Path) -> Result<PathBuf, Failure> {
    let extensions = opt.join("extensions");
    let wrong = |why: &str| {
        Failure::Input(format!(
            "{}: {why}; it must hold the one file that Lambda starts\n{USAGE}",
            extensions.display()
        ))
    };
    let entries = std::fs::read_dir(&extensions).map_err(|error| wrong(&error.to_string()))?;
    let files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    let [started] = files.as_slice() else {
        return Err(wrong(&format!("{} files", files.len())));
    };
    let beside = opt.join("brooklet/brooklet");
    // A layer made with --direct has nothing but the binary itself.
    Ok(if beside.is_file() {
        beside
    } else {
        started.clone()
    })
}

/// The whole demonstration.
fn run(opt: &Path, screen: &mut Screen) -> Result<(), Failure> {
    let binary = binary(opt)?;
    let sink = Sink::ok();
    let mut setup = Setup::new(Launch::Layer {
        opt: opt.to_owned(),
    });
    let endpoint = ("BROOKLET_ENDPOINT".to_owned(), sink.url("/logs"));
    let with = format!("{}={}", endpoint.0, endpoint.1);
    setup.env = vec![endpoint];
    setup.init_lines = story::INIT.map(str::to_owned).to_vec();
    setup.init_duration = story::INIT_DURATION;

    screen.opening()?;
    let mut lambda = Lambda::new(setup);
    let init = lambda.init().map_err(|failure| {
        let what = match failure {
            InitFailure::Exited(exit) => format!("the layer's process ended in init ({exit:?})"),
            InitFailure::Reported(kind) => format!("the layer reported {kind} in init"),
            InitFailure::TooSlow => "the layer did not become ready in init".to_owned(),
        };
        Failure::Run(what, printed(&lambda))
    })?;
    let mut watch = Watch::new(init.started, &with);
    screen.title("Start")?;
    watch.show(&lambda, &sink, screen)?;

    let scenes = story::scenes();
    let mut held = Vec::new();
    for (number, scene) in (1..).zip(&scenes) {
        if number > 1 {
            stand_still(&lambda)?;
        }
        let report = lambda.invoke(&scene.invocation);
        let count = scenes.len();
        screen.title(&format!("Invocation {number} of {count}: {}", scene.title))?;
        screen.note(scene.note)?;
        held.push(report.hold);
        watch.released(report.hold);
        watch.show(&lambda, &sink, screen)?;
        if report.outcome != Outcome::Finished {
            let what = format!("invocation {number} ended as {:?}", report.outcome);
            return Err(Failure::Run(what, printed(&lambda)));
        }
    }
    stand_still(&lambda)?;

    let end = lambda.shutdown();
    screen.title("Shutdown")?;
    watch.ended(&lambda, &end);
    watch.show(&lambda, &sink, screen)?;
    if end.exit != Some(Exit::Code(0)) {
        let what = match end.exit {
            Some(exit) => format!("after SHUTDOWN the process ended with {exit:?}"),
            None => format!(
                "the process did not end within {} ms of SHUTDOWN",
                end.took.as_millis()
            ),
        };
        return Err(Failure::Run(what, printed(&lambda)));
    }

    let whole = summary::Summary {
        start: init.to_next,
        held,
        binary: std::fs::metadata(&binary).map_or(0, |file| file.len()),
        lambda: &lambda,
        sink: &sink,
    };
    if whole.show(screen)? {
        Ok(())
    } else {
        Err(Failure::Records)
    }
}

/// Lets time pass over the frozen environment; nothing in it may move meanwhile.
fn stand_still(lambda: &Lambda) -> Result<(), Failure> {
    let before = lambda.vitals().cpu_ms;
    let rested = lambda.stays_in_next(FROZEN);
    let stopped = lambda.states().iter().all(|state| *state == 'T');
    if rested && stopped && lambda.vitals().cpu_ms == before {
        return Ok(());
    }
    let what = "the process moved while it was frozen".to_owned();
    Err(Failure::Run(what, printed(lambda)))
}

/// The lines brooklet itself printed.
fn printed(lambda: &Lambda) -> Vec<String> {
    lambda.printed().into_iter().map(|line| line.text).collect()
}
