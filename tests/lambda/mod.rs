//! The local Lambda: an emulator of what an external extension sees of AWS Lambda.
//!
//! It starts the extension the way Lambda does, plays the Extensions, Telemetry and Logs APIs to it,
//! runs a scripted function, and measures everything.
//!
//! # What it imitates, and after which source
//!
//! - **The process**: a file of an `extensions` directory, started with the environment that AWS's
//!   "Using Lambda environment variables" page and AWS's runtime interface emulator (RIE) give an
//!   extension: no `_…` variables, no `LAMBDA_TASK_ROOT`, no `PATH` on default functions.
//! - **INIT** (Extensions API page): the runtime starts when the extension has registered; init ends
//!   when the runtime and the extension have asked for their next event; then nobody may register or
//!   subscribe any more. Ten seconds.
//! - **INVOKE**: `platform.start`, the function's lines, `platform.runtimeDone`; the phase ends when
//!   the extension, if it registered for INVOKE, asks again. `platform.report` is made after that, so
//!   it is delivered in the next invocation or at shutdown (RIE; elastic/apm-aws-lambda#347).
//! - **SHUTDOWN**: two seconds, the event's `deadlineMs` says what is left, then SIGKILL. The last
//!   telemetry comes some milliseconds after the event (5 to 40 were reported by Elastic).
//! - **Reset**: a timeout or a crash is followed by a shutdown with that reason and a new process.
//! - **Freeze**: SIGSTOP once the runtime and the extension wait, SIGCONT at the next event; no
//!   telemetry moves in between. Never on Managed Instances.
//! - **Telemetry** (Telemetry API and Logs API pages, RIE): `maxItems`, `maxBytes`, `timeoutMs`; one
//!   POST at a time over a kept connection; init events replayed to a late subscriber; a batch that is
//!   not taken is dropped and told as `platform.logsDropped`; shapes by API, schema and log format.
//! - **Managed Instances** (RIE's managed mode): SHUTDOWN alone, schema 2025-01-29 alone, no Logs API,
//!   no `runtimeDone`, no freeze, invocations side by side, telemetry flushed before SHUTDOWN.
//! - **Refusals**: the statuses and error types of the RIE, and whatever a test asks for.
//!
//! # What a green run does not prove
//!
//! - That AWS behaves so today: nothing here was compared with AWS itself.
//! - Name resolution of `sandbox.localdomain`: batches go to 127.0.0.1.
//! - Time and memory on Lambda's own machines and at its processor shares.
//! - What a real freeze does to connections: the kernel keeps them alive here, a paused virtual
//!   machine's peers do not.
//! - The platform's retries of refused batches, which no public source describes.
//! - Other extensions beside ours, user ids and the read-only file system.

mod answers;
pub(crate) mod api;
pub(crate) mod clock;
pub(crate) mod function;
mod init;
mod invoke;
mod launch;
pub(crate) mod post;
pub(crate) mod process;
pub(crate) mod report;
mod seen;
pub(crate) mod setup;
pub(crate) mod shape;
mod shutdown;
pub(crate) mod telemetry;

use api::{Api, Extension};
pub(crate) use invoke::TRACE;
use post::Carriage;
use process::{Printed, Process, Vitals};
pub(crate) use report::{InitFailure, InitReport, InvocationReport, Outcome, ShutdownReport};
use setup::{InitializationType, Setup};
use shape::{Status, World};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use telemetry::{Delivery, Hub};

/// A local Lambda with one function and one extension.
#[derive(Debug)]
pub(crate) struct Lambda {
    setup: Arc<Setup>,
    api: Arc<Api>,
    directory: PathBuf,
    process: Option<Process>,
    processes: u32,
    invocations: u64,
    init_started: Instant,
    restored: bool,
    init_ms: Option<f64>,
    restore_ms: Option<f64>,
    alive: bool,
    /// What earlier processes printed and were sent.
    past: Vec<Past>,
}

/// What is left of a process that was replaced.
#[derive(Debug)]
struct Past {
    deliveries: Vec<Delivery>,
    printed: Vec<Printed>,
    vitals: Vitals,
}

/// Numbers the temporary directories of one test program.
static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

impl Lambda {
    /// A local Lambda whose init has not begun.
    pub(crate) fn new(setup: Setup) -> Self {
        let setup = Arc::new(setup);
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("brooklet-lambda-{}-{number}", std::process::id()));
        std::fs::create_dir_all(directory.join("extensions"))
            .expect("the temporary directory can be written");
        let hub = Hub::start(world(&setup, "init"), carriage(&setup));
        let api = Api::start(
            Arc::clone(&setup),
            Extension::new(1, launch::file_name(&setup.launch)),
            hub,
        )
        .expect("the loopback has a free port");
        Self {
            setup,
            api,
            directory,
            process: None,
            processes: 0,
            invocations: 0,
            init_started: Instant::now(),
            restored: false,
            init_ms: None,
            restore_ms: None,
            alive: false,
            past: Vec::new(),
        }
    }

    /// What it was made of.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What `AWS_LAMBDA_RUNTIME_API` says.
    pub(crate) fn address(&self) -> String {
        self.api.address()
    }

    /// Stops the environment: nothing moves until the next event.
    pub(crate) fn freeze(&self) {
        if self.setup.freezes() {
            self.hub().pause(true);
            if let Some(process) = &self.process {
                process.freeze();
            }
        }
    }

    /// Lets the environment go on.
    pub(crate) fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
        self.hub().pause(false);
    }

    fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.api.lock().hub)
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.kill();
        self.hub().close();
        self.api.close();
        let _left_for_the_system = std::fs::remove_dir_all(&self.directory);
    }
}

fn success() -> Status {
    Status {
        word: "success",
        error_type: None,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn world(setup: &Setup, phase: &'static str) -> World {
    World {
        initialization: setup.initialization.word(),
        phase: if setup.initialization == InitializationType::SnapStart {
            "snap-start"
        } else {
            phase
        },
        function_name: setup.function_name.clone(),
        arn: setup.arn(),
        memory_mb: setup.memory_mb,
        managed: setup.managed(),
        trace: setup.tracing.then(|| TRACE.to_owned()),
        tenant: setup.tenant.clone(),
    }
}

fn carriage(setup: &Setup) -> Carriage {
    Carriage {
        to_root: setup.deliver_to_root,
        chunked: setup.deliver_chunked,
        method: setup.deliver_method,
        redeliveries: setup.redeliveries,
        fraction_digits: setup.fraction_digits,
        time_behind: setup.time_behind,
    }
}
