//! What a scenario needs: the binary under test in a local Lambda, and the absence of harm.
//!
//! A test reads as setup, action, expectation; `Run::finish` asserts what must hold in every one.
//! Must not hide a wait: everything waits for an event, with a limit.

use crate::lambda::function::{Ending, Invocation};
use crate::lambda::process::Exit;
use crate::lambda::setup::{Fault, InitializationType, Launch, LogFormat, Setup};
use crate::lambda::telemetry::Delivery;
use crate::lambda::{
    InitFailure, InitReport, InvocationReport, Lambda, Outcome, ShutdownReport, api,
};
use crate::model;
use crate::noise;
use crate::sink::Sink;
use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a loaded machine may add to a hold in tests that do not measure it.
const SLACK: Duration = Duration::from_millis(500);

/// The latest after SHUTDOWN that the platform was seen to send; who ends without later telemetry does no harm.
const LAST_TELEMETRY: Duration = Duration::from_millis(40);

/// The memory no scenario may exceed with the release binary.
pub(crate) const MEMORY: u64 = 12 * 1024 * 1024;

/// The threads no scenario may exceed.
pub(crate) const THREADS: u64 = 24;

/// The binary under test: `BROOKLET_BINARY`, else what cargo built beside the tests.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("BROOKLET_BINARY").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_brooklet")),
        PathBuf::from,
    )
}

/// Whether the binary under test is the one that ships, so that its memory counts.
pub(crate) fn ships() -> bool {
    std::env::var_os("BROOKLET_BINARY").is_some()
}

/// Tests that measure time run alone; all others share.
static QUIET: RwLock<()> = RwLock::new(());

#[derive(Debug)]
enum Quiet {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

/// A scenario in the making.
#[derive(Debug)]
pub(crate) struct Scenario {
    setup: Setup,
    alone: bool,
    budget: Duration,
    slack: Duration,
    memory: u64,
    threads: u64,
    refusals: bool,
    layer: Option<Layer>,
}

impl Scenario {
    /// The binary launched directly, with nothing configured.
    pub(crate) fn bare() -> Self {
        let setup = Setup::new(Launch::Direct {
            binary: binary(),
            name: "brooklet".to_owned(),
        });
        Self {
            setup,
            alone: false,
            budget: Duration::from_millis(1_000),
            slack: SLACK,
            memory: MEMORY,
            threads: THREADS,
            refusals: false,
            layer: None,
        }
    }

    /// The binary with this endpoint.
    pub(crate) fn to(endpoint: &str) -> Self {
        Self::bare().option("ENDPOINT", endpoint)
    }

    /// The binary with this sink as its destination.
    pub(crate) fn with(sink: &Sink) -> Self {
        Self::to(&sink.url("/logs"))
    }

    /// Sets `BROOKLET_<name>`.
    pub(crate) fn option(self, name: &str, value: &str) -> Self {
        let scenario = self.env(&format!("BROOKLET_{name}"), value);
        match (name, value.parse()) {
            ("FLUSH_BUDGET_MS", Ok(millis)) => scenario.budget(millis),
            _ => scenario,
        }
    }

    /// Sets any variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.setup.env.retain(|(known, _)| known != name);
        self.setup.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn budget(mut self, millis: u64) -> Self {
        self.budget = Duration::from_millis(millis);
        self
    }

    /// Runs while no other scenario does, and allows a hold of the budget and 20 ms, no more.
    pub(crate) fn alone(mut self) -> Self {
        self.alone = true;
        self.slack = Duration::from_millis(20);
        self
    }

    /// Changes the local Lambda.
    pub(crate) fn lambda(mut self, change: impl FnOnce(&mut Setup)) -> Self {
        change(&mut self.setup);
        self
    }

    /// Logs in JSON.
    pub(crate) fn json_logs(self) -> Self {
        self.lambda(|setup| setup.log_format = LogFormat::Json)
    }

    /// A Managed Instance.
    pub(crate) fn managed(self) -> Self {
        self.initialized(InitializationType::ManagedInstances)
            .json_logs()
    }

    /// Another way to come to be.
    pub(crate) fn initialized(self, how: InitializationType) -> Self {
        self.lambda(|setup| setup.initialization = how)
    }

    /// Never frozen.
    pub(crate) fn unfrozen(self) -> Self {
        self.lambda(|setup| setup.freeze = false)
    }

    /// An API that answers wrongly; refused calls are then expected.
    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.refusals = true;
        self.setup.faults.push(fault);
        self
    }

    /// The launcher and the binary as the layer holds them, the launcher under this name.
    pub(crate) fn in_layer(mut self, name: &str) -> Self {
        let layer = Layer::make(name);
        self.setup.launch = Launch::Layer {
            opt: layer.opt.clone(),
        };
        self.layer = Some(layer);
        self
    }

    /// The binary itself under this name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.setup.launch = Launch::Direct {
            binary: binary(),
            name: name.to_owned(),
        };
        self
    }

    /// Allows more threads, for a test that brings its own crowd.
    pub(crate) fn threads(mut self, threads: u64) -> Self {
        self.threads = threads;
        self
    }

    /// Allows more memory, for a test with more than one destination's share.
    pub(crate) fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Starts the environment.
    pub(crate) fn start(self) -> Run {
        let (run, result) = self.begin();
        match result {
            Ok(init) => Run {
                init: Some(init),
                ..run
            },
            Err(failure) => panic!("init failed: {failure:?}; {}", run.printed()),
        }
    }

    /// Starts an environment whose init must fail.
    pub(crate) fn start_failing(self) -> (Run, InitFailure) {
        let (run, result) = self.begin();
        match result {
            Ok(_) => panic!("init went well"),
            Err(failure) => (run, failure),
        }
    }

    fn begin(self) -> (Run, Result<InitReport, InitFailure>) {
        noise::listen();
        let quiet = if self.alone {
            Quiet::Alone {
                _guard: QUIET
                    .write()
                    .unwrap_or_else(|poisoned| poisoned.into_inner()),
            }
        } else {
            Quiet::Shared {
                _guard: QUIET
                    .read()
                    .unwrap_or_else(|poisoned| poisoned.into_inner()),
            }
        };
        let mut lambda = Lambda::new(self.setup);
        let result = lambda.init();
        let run = Run {
            lambda,
            init: None,
            reports: Vec::new(),
            ended: None,
            budget: self.budget,
            slack: self.slack,
            memory: self.memory,
            threads: self.threads,
            refusals: self.refusals,
            _layer: self.layer,
            quiet: Some(quiet),
        };
        (run, result)
    }
}

/// A scenario under way.
#[derive(Debug)]
pub(crate) struct Run {
    /// The local Lambda.
    pub(crate) lambda: Lambda,
    init: Option<InitReport>,
    reports: Vec<InvocationReport>,
    ended: Option<ShutdownReport>,
    budget: Duration,
    slack: Duration,
    memory: u64,
    threads: u64,
    refusals: bool,
    _layer: Option<Layer>,
    quiet: Option<Quiet>,
}

impl Run {
    /// How init went.
    pub(crate) fn init(&self) -> &InitReport {
        self.init.as_ref().expect("init went well")
    }

    /// Invokes the function; it must go as it was written, and the hold must keep to the budget.
    pub(crate) fn invoke(&mut self, invocation: &Invocation) -> InvocationReport {
        let report = self.lambda.invoke(invocation);
        let expected = match invocation.ending {
            Ending::Success | Ending::Error => Outcome::Finished,
            Ending::Timeout => Outcome::FunctionTimedOut,
            Ending::Crash => Outcome::FunctionCrashed,
        };
        assert_eq!(report.outcome, expected, "{}", self.printed());
        let most = noise::at_worst(self.budget + self.slack);
        // What a reset takes belongs to the shutdown, not to the hold.
        if report.outcome == Outcome::Finished {
            assert!(
                report.hold <= most,
                "held {:?}, budget {:?}; {}",
                report.hold,
                self.budget,
                self.printed()
            );
        }
        self.reports.push(report.clone());
        report
    }

    /// Every invocation so far.
    pub(crate) fn reports(&self) -> &[InvocationReport] {
        &self.reports
    }

    /// Ends the environment.
    pub(crate) fn shutdown(&mut self) -> ShutdownReport {
        self.shutdown_because("spindown")
    }

    /// Ends the environment for this reason.
    pub(crate) fn shutdown_because(&mut self, reason: &str) -> ShutdownReport {
        let report = self.lambda.shutdown_because(reason);
        self.ended = Some(report.clone());
        report
    }

    /// What the process printed, for a failure's text.
    pub(crate) fn printed(&self) -> String {
        let lines: Vec<String> = self
            .lambda
            .printed()
            .into_iter()
            .map(|line| line.text)
            .collect();
        format!("it printed {lines:#?}")
    }

    /// The lines of its standard error.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.lambda
            .printed()
            .into_iter()
            .filter(|line| line.stderr)
            .map(|line| line.text)
            .collect()
    }

    /// Whether a line of standard error holds all of this.
    pub(crate) fn tells(&self, parts: &[&str]) -> bool {
        let lines = self.stderr();
        lines
            .iter()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    }

    /// Ends the environment if that has not been done, and asserts that no harm was done:
    /// it left when it was told to, with code 0, and not before; it printed no panic; it took every
    /// batch; it kept to its memory and threads; it reported no error to the platform.
    pub(crate) fn finish(&mut self) {
        assert_eq!(
            self.lambda.exited().filter(|_| self.ended.is_none()),
            None,
            "it ended early; {}",
            self.printed()
        );
        if self.ended.is_none() {
            self.shutdown();
        }
        let ended = self.ended.clone().expect("it was shut down");
        let printed = self.printed();
        assert_eq!(ended.exit, Some(Exit::Code(0)), "after SHUTDOWN; {printed}");
        self.no_harm_so_far();
        // A second scenario of the same test must not wait for the first.
        self.quiet = None;
    }

    /// Finishes, and asserts that the sink acknowledged each event the listener took exactly once and in order.
    pub(crate) fn finish_conserved(&mut self, sink: &Sink) {
        self.finish();
        model::assert_conserved(&self.lambda.events_taken(), &model::records(sink));
        if let Some(stats) = model::stats(sink) {
            model::assert_accounts(&stats);
        }
    }

    /// What `finish` asserts besides the end, for scenarios that cannot end in good order.
    pub(crate) fn no_harm_so_far(&self) {
        let printed = self.printed();
        assert!(
            !printed.contains("panicked") && !printed.contains("RUST_BACKTRACE"),
            "{printed}"
        );
        for line in self.stderr() {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            assert!(
                matches!(words.as_slice(), ["brooklet:", "error:" | "warn:" | "info:" | "debug:", text] if !text.is_empty()),
                "a line of standard error has its own form: {line:?}"
            );
        }
        let refused: Vec<_> = self
            .lambda
            .deliveries()
            .into_iter()
            .filter(|delivery| delivery.result != Ok(200) && !came_too_late(delivery))
            .map(|delivery| (delivery.result, delivery.events.len(), delivery.since_end))
            .collect();
        assert!(
            refused.is_empty(),
            "batches were not taken: {refused:?}; {printed}"
        );
        for path in [api::INIT_ERROR, api::EXIT_ERROR] {
            assert!(
                self.lambda.calls_to(path).is_empty(),
                "an error report fails the function; {printed}"
            );
        }
        if !self.refusals {
            let wrong: Vec<_> = self
                .lambda
                .calls()
                .into_iter()
                .filter(|call| call.status.is_some_and(|status| status != 200))
                .map(|call| (call.method, call.path, call.status, call.body))
                .collect();
            assert!(wrong.is_empty(), "calls were refused: {wrong:?}");
        }
        let threads = self.lambda.vitals().most_threads;
        assert!(threads <= self.threads, "{threads} threads");
        if ships() {
            let peak = self.lambda.peak();
            assert!(
                peak <= self.memory,
                "{peak} bytes of memory, {} allowed",
                self.memory
            );
        }
    }
}

/// Whether nobody was there any more to take a batch, and nobody had to be: this machine sent it later than any platform would.
fn came_too_late(delivery: &Delivery) -> bool {
    let late = |since: Duration| noise::at_worst(since) > LAST_TELEMETRY;
    delivery.result.is_err() && delivery.since_end.is_some_and(late)
}

/// An unpacked layer in a directory of its own.
#[derive(Debug)]
struct Layer {
    opt: PathBuf,
}

impl Layer {
    fn make(name: &str) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let opt =
            std::env::temp_dir().join(format!("brooklet-opt-{}-{number}", std::process::id()));
        for part in ["extensions", "brooklet"] {
            std::fs::create_dir_all(opt.join(part))
                .expect("the temporary directory can be written");
        }
        // Links, not copies: a file just written cannot be started while another thread forks.
        link(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("extensions/brooklet"),
            &opt.join("extensions").join(name),
        );
        link(&binary(), &opt.join("brooklet/brooklet"));
        Self { opt }
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _left_for_the_system = std::fs::remove_dir_all(&self.opt);
    }
}

fn link(from: &Path, to: &Path) {
    std::fs::hard_link(from, to)
        .or_else(|_| std::os::unix::fs::symlink(from, to))
        .unwrap_or_else(|error| panic!("{} cannot be linked: {error}", from.display()));
}
