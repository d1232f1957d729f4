//! What a local Lambda is like: the kind of function, the API's manners, its failures.
//!
//! Plain data; nothing here does anything.

use std::path::PathBuf;
use std::time::Duration;

/// How the environment came to be (`AWS_LAMBDA_INITIALIZATION_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitializationType {
    /// A default function, started by its first invocation.
    OnDemand,
    /// Started ahead of its first invocation, frozen until then.
    ProvisionedConcurrency,
    /// Restored from a snapshot before its first invocation.
    SnapStart,
    /// Lambda Managed Instances: many invocations at once, never frozen.
    ManagedInstances,
}

impl InitializationType {
    /// The word of the environment variable and of the init events.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
            Self::ManagedInstances => "lambda-managed-instances",
        }
    }
}

/// The function's log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Every record is a string.
    Text,
    /// Records are objects, where the schema has them.
    Json,
}

/// What plays the extension.
#[derive(Clone, Debug)]
pub(crate) enum Launch {
    /// This binary itself, as a file of an `extensions` directory made for it.
    Direct {
        /// The program.
        binary: PathBuf,
        /// Its file name there.
        name: String,
    },
    /// An unpacked layer: whatever file is in its `extensions` directory.
    Layer {
        /// The directory that stands for `/opt`.
        opt: PathBuf,
    },
    /// Nothing: a thread of the test plays the extension.
    Nobody,
}

/// One call of the APIs, as far as a fault needs to name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST …/extension/register`
    Register,
    /// `PUT …/telemetry` with any schema.
    Telemetry,
    /// `PUT …/telemetry` with this schema.
    TelemetrySchema(&'static str),
    /// `PUT …/logs`
    Logs,
    /// `GET …/extension/event/next`
    Next,
}

/// An answer that is given instead of the right one.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Which call.
    pub(crate) call: Call,
    /// How many of these calls are answered rightly before.
    pub(crate) skip: usize,
    /// How many are answered wrongly then.
    pub(crate) times: usize,
    /// With this status; 0 closes the connection without an answer.
    pub(crate) status: u16,
    /// And this body; `None` takes the platform's own for that status.
    pub(crate) body: Option<String>,
}

impl Fault {
    /// Answers the first such call with `status`.
    pub(crate) fn once(call: Call, status: u16) -> Self {
        Self {
            call,
            skip: 0,
            times: 1,
            status,
            body: None,
        }
    }

    /// Answers every such call with `status`.
    pub(crate) fn always(call: Call, status: u16) -> Self {
        Self {
            times: usize::MAX,
            ..Self::once(call, status)
        }
    }

    /// Lets the first `skip` calls through.
    pub(crate) fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Lasts for `times` calls.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}

/// How the APIs write their answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// Header names in lower case.
    pub(crate) lower_case: bool,
    /// Bodies in chunks instead of with a length.
    pub(crate) chunked: bool,
    /// `Connection: close` after every answer.
    pub(crate) close: bool,
    /// No `Content-Type`.
    pub(crate) untyped: bool,
}

/// Everything about one local Lambda.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// What plays the extension.
    pub(crate) launch: Launch,
    /// How the environment came to be.
    pub(crate) initialization: InitializationType,
    /// The function's log format.
    pub(crate) log_format: LogFormat,
    /// Whether the process is stopped while nothing runs; never on Managed Instances.
    pub(crate) freeze: bool,
    /// The function's name.
    pub(crate) function_name: String,
    /// The function's timeout.
    pub(crate) timeout: Duration,
    /// The function's memory.
    pub(crate) memory_mb: u32,
    /// The customer's variables.
    pub(crate) env: Vec<(String, String)>,
    /// What stands between host:port and the API's path, such as `/.rt`.
    pub(crate) path_prefix: String,
    /// How answers are written.
    pub(crate) manners: Manners,
    /// What goes wrong.
    pub(crate) faults: Vec<Fault>,
    /// Whether register tells the account where it is asked for.
    pub(crate) account_id: Option<String>,
    /// Fields in the register answer that no document mentions.
    pub(crate) extra_register_fields: bool,
    /// Whether INVOKE carries a trace header.
    pub(crate) tracing: bool,
    /// The tenant of every invocation.
    pub(crate) tenant: Option<String>,
    /// Post telemetry to `/` whatever path was subscribed, as the managed mode of AWS's emulator does.
    pub(crate) deliver_to_root: bool,
    /// Send telemetry bodies in chunks.
    pub(crate) deliver_chunked: bool,
    /// Deliver with this method; the Logs API lets a subscriber ask for PUT.
    pub(crate) deliver_method: &'static str,
    /// How often a batch that was not taken is sent again before it is dropped.
    pub(crate) redeliveries: u32,
    /// How long the function's own init takes.
    pub(crate) init_duration: Duration,
    /// What the function prints while it is initialised.
    pub(crate) init_lines: Vec<String>,
    /// How long after SHUTDOWN the last telemetry is delivered (5 to 40 ms were seen).
    pub(crate) last_delivery: Duration,
    /// How much of the shutdown phase the runtime takes before the extension is told.
    pub(crate) runtime_exit: Duration,
    /// The whole shutdown phase.
    pub(crate) shutdown_limit: Duration,
    /// What a subscription's answer waits for.
    pub(crate) before_subscribed: fn(),
    /// The whole init phase.
    pub(crate) init_limit: Duration,
    /// What the platform sends on platform events' `time`: digits of the fraction.
    pub(crate) fraction_digits: usize,
    /// How far `time` lies behind, as of telemetry that is played again; zero in Lambda.
    pub(crate) time_behind: Duration,
    /// Whether SHUTDOWN's reason is written in capitals, as AWS documents it, or as it was seen.
    pub(crate) reasons_in_capitals: bool,
}

impl Setup {
    /// A default function of 128 MB with a timeout of 10 s, frozen between invocations.
    pub(crate) fn new(launch: Launch) -> Self {
        Self {
            launch,
            initialization: InitializationType::OnDemand,
            log_format: LogFormat::Text,
            freeze: true,
            function_name: "orders".to_owned(),
            timeout: Duration::from_secs(10),
            memory_mb: 128,
            env: Vec::new(),
            path_prefix: String::new(),
            manners: Manners::default(),
            faults: Vec::new(),
            account_id: Some("123456789012".to_owned()),
            extra_register_fields: false,
            tracing: true,
            tenant: None,
            deliver_to_root: false,
            deliver_chunked: false,
            deliver_method: "POST",
            redeliveries: 0,
            init_duration: Duration::ZERO,
            init_lines: Vec::new(),
            last_delivery: Duration::from_millis(20),
            runtime_exit: Duration::ZERO,
            shutdown_limit: Duration::from_millis(2_000),
            before_subscribed: || (),
            init_limit: Duration::from_secs(10),
            fraction_digits: 3,
            time_behind: Duration::ZERO,
            reasons_in_capitals: false,
        }
    }

    /// Whether this is a Managed Instance.
    pub(crate) fn managed(&self) -> bool {
        self.initialization == InitializationType::ManagedInstances
    }

    /// Whether the process is stopped while nothing runs.
    pub(crate) fn freezes(&self) -> bool {
        self.freeze && !self.managed()
    }

    /// The ARN the function is invoked by.
    pub(crate) fn arn(&self) -> String {
        format!(
            "arn:aws:lambda:eu-central-1:123456789012:function:{}",
            self.function_name
        )
    }
}
