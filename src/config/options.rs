//! `OPTIONS`: the one table of every variable.
//!
//! Parsing, `--help`, README's table and its test come from these rows, in this order.

use std::time::Duration;

use super::Settings;
use super::values::{self, Parsed};
use crate::cadence::Strategy;
use crate::lambda::Api;

/// One variable.
#[derive(Debug)]
pub struct Opt {
    /// The variable, without the prefix `BROOKLET_`.
    pub name: &'static str,
    /// The default, in words.
    pub default: &'static str,
    /// What it does, in one Markdown line.
    pub help: &'static str,
    /// Whether its value must never be printed.
    pub secret: bool,
    /// Reads a value into the settings.
    pub parse: fn(&str, &mut Settings) -> Parsed<()>,
}

/// The prefix of every variable.
pub const PREFIX: &str = "BROOKLET_";

/// Every variable.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "ENDPOINT",
        default: "none: inert",
        help: "Where logs go: `http://…` or `https://…`.",
        // A query may hold a token.
        secret: true,
        parse: |value, settings| values::url(value).map(|url| settings.endpoint = Some(url)),
    },
    Opt {
        name: "FORMAT",
        default: "`json`",
        help: "How they are written: `json` (one array of objects a request) or `ndjson` (one object a line).",
        secret: false,
        parse: |value, settings| values::format(value).map(|format| settings.format = format),
    },
    Opt {
        name: "API_KEY",
        default: "none",
        help: "Goes into the header that the format's vendor expects; `Authorization: Bearer …` for the plain formats.",
        secret: true,
        parse: |value, settings| values::key(value).map(|key| settings.api_key = Some(key)),
    },
    Opt {
        name: "HEADERS",
        default: "none",
        help: "More headers, as `name=value,name=value`; values percent-encoded.",
        secret: true,
        parse: |value, settings| values::headers(value).map(|headers| settings.headers = headers),
    },
    Opt {
        name: "TYPES",
        default: "`platform,function`",
        help: "Which of `platform`, `function` and `extension` telemetry is shipped.",
        secret: false,
        parse: |value, settings| values::types(value).map(|types| settings.types = types),
    },
    Opt {
        name: "TAGS",
        default: "none",
        help: "`name=value,…` put on every record; values percent-encoded.",
        secret: false,
        parse: |value, settings| values::pairs(value).map(|tags| settings.tags = tags),
    },
    Opt {
        name: "FLUSH",
        default: "`end`",
        help: "When logs are sent: `end` (before the invocation is over), `next` (while the next one runs), `periodic:<ms>` (at that age).",
        secret: false,
        parse: |value, settings| strategy(value).map(|strategy| settings.strategy = strategy),
    },
    Opt {
        name: "FLUSH_BUDGET_MS",
        default: "`1000`",
        help: "The longest that sending ever holds an invocation, 0 to 60000 ms.",
        secret: false,
        parse: |value, settings| {
            values::number(value, 0, 60_000)
                .map(|ms| settings.budget = Duration::from_millis(u64::from(ms)))
        },
    },
    Opt {
        name: "BUFFER_BYTES",
        default: "`4194304`",
        help: "The most that waits in memory to be sent, 65536 to 268435456 bytes; over it the oldest records are dropped and counted.",
        secret: false,
        parse: |value, settings| {
            values::size(value, 65_536, 268_435_456).map(|bytes| settings.buffer_bytes = bytes)
        },
    },
    Opt {
        name: "BATCH_BYTES",
        default: "the format's (`1048576`)",
        help: "The largest payload before compression, 1024 to 67108864 bytes.",
        secret: false,
        parse: |value, settings| {
            values::size(value, 1024, 67_108_864).map(|bytes| settings.batch_bytes = Some(bytes))
        },
    },
    Opt {
        name: "BATCH_RECORDS",
        default: "the format's (`10000`)",
        help: "The most records in a payload, 1 to 1000000.",
        secret: false,
        parse: |value, settings| {
            values::size(value, 1, 1_000_000).map(|records| settings.batch_records = Some(records))
        },
    },
    Opt {
        name: "COMPRESSION",
        default: "`gzip`",
        help: "`gzip` or `none`.",
        secret: false,
        parse: |value, settings| {
            values::word(value, &[("gzip", true), ("none", false)]).map(|gzip| settings.gzip = gzip)
        },
    },
    Opt {
        name: "API",
        default: "`auto`",
        help: "The API to subscribe to: `telemetry`, `logs`, or `auto`, the newest that the platform knows.",
        secret: false,
        parse: |value, settings| {
            let words = [
                ("auto", Api::Auto),
                ("telemetry", Api::Telemetry),
                ("logs", Api::Logs),
            ];
            values::word(value, &words).map(|api| settings.api = api)
        },
    },
    Opt {
        name: "TELEMETRY_TIMEOUT_MS",
        default: "`25`",
        help: "How long the platform gathers lines before it hands them over, 25 to 30000 ms.",
        secret: false,
        parse: |value, settings| {
            values::number(value, 25, 30_000).map(|ms| settings.telemetry_timeout_ms = ms)
        },
    },
    Opt {
        name: "PORT",
        default: "`21077`",
        help: "The port that the platform's batches come in on; if it is taken, any free one.",
        secret: false,
        parse: |value, settings| values::port(value).map(|port| settings.port = port),
    },
    Opt {
        name: "PROXY",
        default: "none",
        help: "A proxy for the destination alone, as `http://[user:password@]host:port`.",
        secret: true,
        parse: |value, settings| values::url(value).map(|url| settings.proxy = Some(url)),
    },
    Opt {
        name: "CA_FILE",
        default: "none",
        help: "A PEM file of certificates to trust beside the bundled roots.",
        secret: false,
        parse: |value, settings| {
            settings.ca_file = Some(value.to_owned());
            Ok(())
        },
    },
    Opt {
        name: "LOG_LEVEL",
        default: "`warn`",
        help: "What brooklet itself says on stderr: `error`, `warn`, `info`, `debug`.",
        secret: false,
        parse: |value, settings| values::level(value).map(|level| settings.log_level = level),
    },
    Opt {
        name: "ENABLED",
        default: "`true`",
        help: "`false`: register, subscribe to nothing, stay inert and silent.",
        secret: false,
        parse: |value, settings| {
            let words = [("true", true), ("false", false), ("1", true), ("0", false)];
            values::word(value, &words).map(|enabled| settings.enabled = enabled)
        },
    },
];

/// Reads `BROOKLET_FLUSH`.
fn strategy(value: &str) -> Parsed<Strategy> {
    if let Some(ms) = value.strip_prefix("periodic:") {
        let ms = values::number(ms, 1, 3_600_000)?;
        return Ok(Strategy::Periodic(Duration::from_millis(u64::from(ms))));
    }
    values::word(value, &[("end", Strategy::End), ("next", Strategy::Next)])
        .map_err(|_| "must be end, next or periodic:<ms>".to_owned())
}
