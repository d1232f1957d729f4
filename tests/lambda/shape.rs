//! Facts of an environment's life, and the shape each API and schema version gives them.
//!
//! After the tables of AWS's "Telemetry API Event schema reference" and "Logs API" pages; the order
//! of fields is that of the samples printed there. Must not know when or whether anything is sent.

/// Which stream a subscriber asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Telemetry API: records are strings even where the log format is JSON.
    Telemetry20220701,
    /// Telemetry API.
    Telemetry20221213,
    /// Telemetry API, the only one on Managed Instances.
    Telemetry20250129,
    /// Logs API without `platform.runtimeDone`.
    Logs20200815,
    /// Logs API.
    Logs20210318,
}

impl Schema {
    /// The Telemetry API's `schemaVersion`.
    pub(crate) fn telemetry(version: &str) -> Option<Self> {
        match version {
            "2022-07-01" => Some(Self::Telemetry20220701),
            "2022-12-13" => Some(Self::Telemetry20221213),
            "2025-01-29" => Some(Self::Telemetry20250129),
            _ => None,
        }
    }

    /// The Logs API's `schemaVersion`, which may be left out.
    pub(crate) fn logs(version: Option<&str>) -> Option<Self> {
        match version {
            None | Some("2020-08-15") => Some(Self::Logs20200815),
            Some("2021-03-18") => Some(Self::Logs20210318),
            Some(_) => None,
        }
    }

    /// Whether it is one of the Logs API's.
    pub(crate) fn is_logs(self) -> bool {
        matches!(self, Self::Logs20200815 | Self::Logs20210318)
    }

    /// Whether a record may be an object.
    pub(crate) fn has_objects(self) -> bool {
        matches!(self, Self::Telemetry20221213 | Self::Telemetry20250129)
    }
}

/// What a function's log holds.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// A text log: always a string, with its newline.
    Text(String),
    /// A JSON log: a line that may be an object, and when it was printed.
    Json {
        /// The line.
        text: String,
        /// When.
        time: String,
    },
    /// This JSON value as it stands.
    Value(String),
}

/// How an invocation or an init ended, in the stream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// `success`, `error`, `failure`, `timeout`.
    pub(crate) word: &'static str,
    /// The type of the error, where there is one.
    pub(crate) error_type: Option<&'static str>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// Init began.
    InitStart,
    /// The runtime finished its init.
    InitRuntimeDone(Status),
    /// Init is over.
    InitReport {
        /// How it went.
        status: Status,
        /// How long it took.
        duration_ms: f64,
    },
    /// A restore began.
    RestoreStart,
    /// The runtime is restored.
    RestoreRuntimeDone,
    /// The restore is over.
    RestoreReport {
        /// How long it took.
        duration_ms: f64,
    },
    /// An extension changed its state.
    Extension {
        /// Its name.
        name: String,
        /// The state.
        state: &'static str,
        /// The events it registered for.
        events: Vec<String>,
    },
    /// An extension subscribed.
    Subscription {
        /// Its name.
        name: String,
        /// The types it subscribed to.
        types: Vec<String>,
    },
    /// An invocation began.
    Start {
        /// Its id.
        request_id: String,
    },
    /// The function logged.
    Function(Line),
    /// An extension printed a line.
    ExtensionLine(String),
    /// The runtime asked for its next event.
    RuntimeDone {
        /// Of this request.
        request_id: String,
        /// How it went.
        status: Status,
        /// How long it took.
        duration_ms: f64,
        /// How many bytes the answer has.
        produced_bytes: u64,
    },
    /// Everybody is done with the request.
    Report {
        /// Which.
        request_id: String,
        /// How it went.
        status: Status,
        /// How long it took.
        duration_ms: f64,
        /// How long the environment's init took, in its first report.
        init_ms: Option<f64>,
        /// How long the restore took, in the first report after it.
        restore_ms: Option<f64>,
        /// How long the extensions took after the runtime.
        overhead_ms: f64,
    },
    /// The platform could not deliver.
    LogsDropped {
        /// How many.
        records: u64,
        /// Of how many bytes.
        bytes: u64,
    },
}

impl Fact {
    /// Which of the subscription's `types` it belongs to.
    pub(crate) fn stream(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::ExtensionLine(_) => "extension",
            _ => "platform",
        }
    }

    /// Whether it belongs to the init phase, and so is replayed to a late subscriber.
    pub(crate) fn of_init(&self) -> bool {
        !matches!(
            self,
            Self::Start { .. } | Self::RuntimeDone { .. } | Self::Report { .. }
        )
    }
}

/// What the shape of every event depends on.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// `on-demand`, …
    pub(crate) initialization: &'static str,
    /// `init`, or `invoke` when init runs again inside an invocation.
    pub(crate) phase: &'static str,
    /// The function's name.
    pub(crate) function_name: String,
    /// The ARN it is invoked by.
    pub(crate) arn: String,
    /// Its memory.
    pub(crate) memory_mb: u32,
    /// Whether this is a Managed Instance.
    pub(crate) managed: bool,
    /// The trace header of the invocations.
    pub(crate) trace: Option<String>,
    /// The tenant of the invocations.
    pub(crate) tenant: Option<String>,
}

/// A string as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A list of strings as JSON.
fn quote_all(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}

/// `"status":…` and, where there is one, `"errorType":…`.
fn status_fields(status: &Status) -> String {
    match status.error_type {
        Some(kind) => format!(r#""status":"{}","errorType":"{kind}""#, status.word),
        None => format!(r#""status":"{}""#, status.word),
    }
}

/// The events, as `type` and `record`, that a subscriber of `schema` sees of a fact.
pub(crate) fn shape(fact: &Fact, schema: Schema, world: &World) -> Vec<(&'static str, String)> {
    let logs = schema.is_logs();
    let initialization = world.initialization;
    let phase = world.phase;
    let trace = world.trace.as_ref().map_or(String::new(), |value| {
        format!(
            r#","tracing":{{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":{}}}"#,
            quote(value)
        )
    });
    let tenant = world
        .tenant
        .as_ref()
        .map_or(String::new(), |id| format!(r#","tenantId":{}"#, quote(id)));
    let one = |kind, record: String| vec![(kind, record)];
    match fact {
        Fact::InitStart if logs => Vec::new(),
        Fact::InitStart => one(
            "platform.initStart",
            format!(
                r#"{{"initializationType":"{initialization}","phase":"{phase}","runtimeVersion":"provided:al2023.v100","runtimeVersionArn":"arn:aws:lambda:eu-central-1::runtime:0f1e","functionName":{},"functionVersion":"$LATEST","instanceId":"2026/11/22/[$LATEST]5a1c","instanceMaxMemory":{}}}"#,
                quote(&world.function_name),
                u64::from(world.memory_mb) * 1_048_576,
            ),
        ),
        Fact::InitRuntimeDone(status) => one(
            "platform.initRuntimeDone",
            format!(
                r#"{{"initializationType":"{initialization}","phase":"{phase}",{}}}"#,
                status_fields(status)
            ),
        ),
        Fact::InitReport {
            status,
            duration_ms,
        } => one(
            "platform.initReport",
            format!(
                r#"{{"initializationType":"{initialization}","phase":"{phase}",{},"metrics":{{"durationMs":{duration_ms:.3}}}}}"#,
                status_fields(status)
            ),
        ),
        Fact::RestoreStart if logs => one("platform.restoreStart", "{}".to_owned()),
        Fact::RestoreStart => one(
            "platform.restoreStart",
            format!(
                r#"{{"functionName":{},"functionVersion":"1","instanceMaxMemory":"{}","runtimeVersion":"java:21.v30","runtimeVersionArn":{{}}}}"#,
                quote(&world.function_name),
                world.memory_mb,
            ),
        ),
        Fact::RestoreRuntimeDone if logs => Vec::new(),
        Fact::RestoreRuntimeDone => one(
            "platform.restoreRuntimeDone",
            r#"{"status":"success"}"#.to_owned(),
        ),
        Fact::RestoreReport { duration_ms } => one(
            "platform.restoreReport",
            format!(r#"{{"status":"success","metrics":{{"durationMs":{duration_ms:.3}}}}}"#),
        ),
        Fact::Extension {
            name,
            state,
            events,
        } => one(
            "platform.extension",
            format!(
                r#"{{"name":{},"state":"{state}","events":{}}}"#,
                quote(name),
                quote_all(events)
            ),
        ),
        Fact::Subscription { name, types } => one(
            if logs {
                "platform.logsSubscription"
            } else {
                "platform.telemetrySubscription"
            },
            format!(
                r#"{{"name":{},"state":"Subscribed","types":{}}}"#,
                quote(name),
                quote_all(types)
            ),
        ),
        Fact::Start { request_id } if logs => one(
            "platform.start",
            format!(r#"{{"requestId":"{request_id}","version":"$LATEST"}}"#),
        ),
        Fact::Start { request_id } => one(
            "platform.start",
            format!(
                r#"{{"requestId":"{request_id}","functionArn":{},"version":"$LATEST"{trace}{tenant}}}"#,
                quote(&world.arn)
            ),
        ),
        Fact::Function(line) => one("function", function_record(line, schema)),
        Fact::ExtensionLine(text) => one("extension", quote(&format!("{text}\n"))),
        Fact::RuntimeDone { .. } if world.managed || schema == Schema::Logs20200815 => Vec::new(),
        Fact::RuntimeDone {
            request_id, status, ..
        } if logs => {
            // The Logs API knows three words; an error is a failure there.
            let word = if status.word == "error" {
                "failure"
            } else {
                status.word
            };
            one(
                "platform.runtimeDone",
                format!(r#"{{"requestId":"{request_id}","status":"{word}"}}"#),
            )
        }
        Fact::RuntimeDone {
            request_id,
            status,
            duration_ms,
            produced_bytes,
        } => one(
            "platform.runtimeDone",
            format!(
                r#"{{"requestId":"{request_id}",{},"metrics":{{"durationMs":{duration_ms:.3},"producedBytes":{produced_bytes}}}{trace}{tenant}}}"#,
                status_fields(status)
            ),
        ),
        Fact::Report {
            request_id,
            status,
            duration_ms,
            ..
        } if world.managed => one(
            "platform.report",
            format!(
                r#"{{"requestId":"{request_id}",{},"metrics":{{"durationMs":{duration_ms:.3}}}{tenant}}}"#,
                status_fields(status)
            ),
        ),
        Fact::Report {
            request_id,
            status,
            duration_ms,
            init_ms,
            restore_ms,
            overhead_ms,
        } => {
            let billed = duration_ms.ceil();
            let init = init_ms.map_or(String::new(), |ms| format!(r#","initDurationMs":{ms:.3}"#));
            let restore = restore_ms.map_or(String::new(), |ms| {
                format!(r#","restoreDurationMs":{ms:.3}"#)
            });
            let metrics = format!(
                r#""metrics":{{"durationMs":{duration_ms:.3},"billedDurationMs":{billed:.0},"memorySizeMB":{},"maxMemoryUsedMB":33{init}{restore}}}"#,
                world.memory_mb
            );
            if !logs {
                return one(
                    "platform.report",
                    format!(
                        r#"{{"requestId":"{request_id}",{},{metrics},"spans":[{{"name":"extensionOverhead","start":"2026-11-22T16:42:10.110Z","durationMs":{overhead_ms:.3}}}]{trace}{tenant}}}"#,
                        status_fields(status)
                    ),
                );
            }
            let mut events = vec![
                ("platform.end", format!(r#"{{"requestId":"{request_id}"}}"#)),
                (
                    "platform.report",
                    format!(r#"{{"requestId":"{request_id}",{metrics}}}"#),
                ),
            ];
            if let Some(kind) = status
                .error_type
                .filter(|kind| !kind.starts_with("Function."))
            {
                let text = format!(
                    "RequestId: {request_id} Status: {}\tErrorType: {kind}",
                    status.word
                );
                events.push(("platform.fault", quote(&text)));
            }
            events
        }
        Fact::LogsDropped { records, bytes } => one(
            "platform.logsDropped",
            format!(
                r#"{{"droppedBytes":{bytes},"droppedRecords":{records},"reason":"Some logs were dropped because the downstream consumer is slower than the logs production rate"}}"#
            ),
        ),
    }
}

/// A function's record: string or object, by log format and schema.
fn function_record(line: &Line, schema: Schema) -> String {
    match line {
        Line::Value(json) => json.clone(),
        Line::Text(text) => quote(&format!("{text}\n")),
        Line::Json { text, .. } if !schema.has_objects() => quote(&format!("{text}\n")),
        Line::Json { text, .. }
            if text.starts_with('{')
                && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() =>
        {
            text.clone()
        }
        Line::Json { text, time } => {
            format!(
                r#"{{"timestamp":"{time}","level":"INFO","message":{}}}"#,
                quote(text)
            )
        }
    }
}
