//! `OPTIONS`: the one table of every variable.
//!
//! Parsing, `--help`, README's table and its test come from these rows, in this order.

use std::time::Duration;

use super::lanes::Reach;
use super::rows::{self, Opt, Show};
use super::values;
use crate::http::Verb;
use crate::lambda::Api;
use crate::process::{Level, Redact, Sample, pattern};

/// The prefix of every variable.
pub const PREFIX: &str = "BROOKLET_";

/// Every variable.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "ENDPOINT",
        default: "none: inert",
        help: "Where logs go: `http://…`, `https://…`, or a place in AWS: `s3://bucket/prefix`, `firehose://stream`, `kinesis://stream`, `sqs://queue`, `cloudwatch://group/stream`.",
        show: Show::Address,
        reach: Reach::Own,
        parse: |value, settings| values::endpoint(value).map(|url| settings.endpoint = Some(url)),
    },
    Opt {
        name: "FORMAT",
        default: "what the endpoint's host tells, or `json`",
        help: "How they are written: `json` (one array of objects a request), `ndjson` (one object a line), or in a vendor's way; see the table of destinations.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| values::format(value).map(|format| settings.format = Some(format)),
    },
    Opt {
        name: "API_KEY",
        default: "none",
        help: "Goes into the header that the format's vendor expects; `Authorization: Bearer …` for the plain formats.",
        show: Show::Never,
        reach: Reach::Own,
        parse: |value, settings| values::key(value).map(|key| settings.api_key = Some(key)),
    },
    Opt {
        name: "HEADERS",
        default: "none",
        help: "More headers, as `name=value,name=value`; values percent-encoded.",
        show: Show::Never,
        reach: Reach::Own,
        parse: |value, settings| {
            settings.headers = settings.parts(values::headers(value));
            Ok(())
        },
    },
    Opt {
        name: "KEY_HEADER",
        default: "the format's",
        help: "The header that carries the key, as `name`, or as `name=prefix` for one that has a word before the key.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            values::key_header(value).map(|header| settings.key_header = Some(header))
        },
    },
    Opt {
        name: "METHOD",
        default: "`POST`",
        help: "The method of a request: `POST` or `PUT`.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            let words = [("POST", Verb::Post), ("PUT", Verb::Put)];
            values::word(value, &words).map(|method| settings.method = method)
        },
    },
    Opt {
        name: "SUCCESS",
        default: "every 2xx",
        help: "The statuses that say that records were taken, as `200,202`, for a destination that answers 2xx otherwise too.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| values::statuses(value).map(|codes| settings.success = codes),
    },
    Opt {
        name: "FIELD_NAMES",
        default: "none",
        help: "Other names for a record's fields in `json` and `ndjson`, as `timestamp=ts,message=msg`; a field with an empty name is left out.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            settings.encode.names = settings.parts(values::pairs(value));
            Ok(())
        },
    },
    Opt {
        name: "LABELS",
        default: "`service_name,function_name,region`",
        help: "For `loki`: the record fields and tags that are labels; all others are structured metadata.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            let labels = value.split(',').map(str::trim).filter(|l| !l.is_empty());
            settings.encode.labels = labels.map(ToOwned::to_owned).collect();
            Ok(())
        },
    },
    Opt {
        name: "INDEX",
        default: "the destination's",
        help: "Where records go inside the destination: the index of `splunk` and `elasticsearch`, the dataset of `axiom` and `honeycomb` if the endpoint has no path, the application of `coralogix`.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            settings.encode.index = Some(value.to_owned());
            Ok(())
        },
    },
    Opt {
        name: "SOURCE",
        default: "the format's",
        help: "What the destination calls the kind of source: `ddsource`, `sourcetype` and the like.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            settings.encode.source = Some(value.to_owned());
            Ok(())
        },
    },
    Opt {
        name: "FALLBACK_ENDPOINT",
        default: "none",
        help: "Where records go that the destination refused or did not take in time, in the same format, behind a record `brooklet.dead_letter` that says why; `s3://bucket/prefix` too. What was for AWS is `ndjson` elsewhere.",
        show: Show::Address,
        reach: Reach::Own,
        parse: |value, settings| values::endpoint(value).map(|url| settings.fallback = Some(url)),
    },
    Opt {
        name: "TYPES",
        default: "`platform,function`",
        help: "Which of `platform`, `function` and `extension` telemetry is shipped.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| values::types(value).map(|types| settings.types = types),
    },
    Opt {
        name: "MIN_LEVEL",
        default: "`trace`",
        help: "Lines of functions and extensions below this level are dropped: `trace`, `debug`, `info`, `warn`, `error`, `fatal`; a line whose level is not known is kept.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            values::record_level(value)
                .map(|level| settings.min_level = Some(level).filter(|l| *l > Level::Trace))
        },
    },
    Opt {
        name: "INCLUDE",
        default: "none",
        help: "A regular expression, or several as `/one/,/two/i`: only records that one of them matches are shipped. It is applied to the message and to JSON as written.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            settings.include = settings.parts(pattern::list(value));
            Ok(())
        },
    },
    Opt {
        name: "EXCLUDE",
        default: "none",
        help: "The same for records that are not shipped.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            settings.exclude = settings.parts(pattern::list(value));
            Ok(())
        },
    },
    Opt {
        name: "SAMPLE",
        default: "`1`",
        help: "The fraction of invocations that is shipped, 0 to 1, each as a whole and by a hash of its request id; what follows an error, and every report of the platform's, is always shipped.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| Sample::parse(value).map(|sample| settings.sample = sample),
    },
    Opt {
        name: "REDACT",
        default: "none",
        help: "What is masked, in text and in the strings of JSON: `email`, `card`, `jwt`, `aws-key`, `ip`, `bearer`, `phone`, and own patterns as `/regex/`, `/regex/i` or `name=/regex/`. It becomes `[redacted:name]`. In a record that is JSON a pattern sees each string alone, and neither keys nor numbers.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            (settings.redact, settings.bad_parts) = Redact::parse(value);
            settings.has_good_parts = settings.redact.names().next().is_some();
            Ok(())
        },
    },
    Opt {
        name: "DROP_FIELDS",
        default: "none",
        help: "Keys that the JSON records of functions and extensions lose, as `a,b.c`: a dot leads into an object. Fields that are read out of them, such as `request_id`, stay.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            value.clone_into(&mut settings.drop_fields);
            Ok(())
        },
    },
    Opt {
        name: "KEEP_FIELDS",
        default: "none",
        help: "The only keys that they keep.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            value.clone_into(&mut settings.keep_fields);
            Ok(())
        },
    },
    Opt {
        name: "MULTILINE",
        default: "none",
        help: "A regular expression that first lines match: a function's lines of text that do not are joined to the one before them, up to 1000 lines and 256 KiB.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            let (mut first, bad) = pattern::list(value);
            if let (Some(first), 0) = (first.pop(), first.len()) {
                settings.multiline = Some(first);
                return Ok(());
            }
            Err(bad
                .into_iter()
                .next()
                .unwrap_or_else(|| "must be one pattern".to_owned()))
        },
    },
    Opt {
        name: "TAGS",
        default: "none",
        help: "`name=value,…` put on every record; values percent-encoded. `OTEL_RESOURCE_ATTRIBUTES` is added, and `OTEL_SERVICE_NAME` is the field `service_name`.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            settings.tags = settings.parts(values::pairs(value));
            Ok(())
        },
    },
    Opt {
        name: "FLUSH",
        default: "`adaptive`",
        help: "When logs are sent: `end` (before the invocation is over), `next` (while the next one runs), `adaptive` (`end` while invocations are few or sparse, `next` while they come often), `periodic:<ms>` (at that age).",
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| {
            values::strategy(value).map(|strategy| settings.strategy = strategy)
        },
    },
    Opt {
        name: "FLUSH_BUDGET_MS",
        default: "`1000`",
        help: "The longest that sending ever holds an invocation, 0 to 60000 ms; with 0 nothing is held.",
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| {
            values::number(value, 0, 60_000)
                .map(|ms| settings.budget = Duration::from_millis(u64::from(ms)))
        },
    },
    Opt {
        name: "BUFFER_BYTES",
        default: "`4194304`",
        help: "The most that waits in memory to be sent, 65536 to 268435456 bytes; over it the oldest records are dropped and counted.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            values::size(value, 65_536, 268_435_456).map(|bytes| settings.buffer_bytes = bytes)
        },
    },
    Opt {
        name: "BATCH_BYTES",
        default: "the format's (`1048576`)",
        help: "The largest payload before compression, 1024 to 67108864 bytes.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            values::size(value, 1024, 67_108_864).map(|bytes| settings.batch_bytes = Some(bytes))
        },
    },
    Opt {
        name: "BATCH_RECORDS",
        default: "the format's (`10000`)",
        help: "The most records in a payload, 1 to 1000000.",
        show: Show::Whole,
        reach: Reach::Own,
        parse: |value, settings| {
            values::size(value, 1, 1_000_000).map(|records| settings.batch_records = Some(records))
        },
    },
    Opt {
        name: "COMPRESSION",
        default: "`gzip` where the destination takes it",
        help: "`gzip` or `none`; where it is set to `gzip`, the records of `firehose://`, `kinesis://` and `sqs://` are compressed one by one, the latter in base64.",
        show: Show::Whole,
        reach: Reach::Inherited,
        parse: |value, settings| {
            values::word(value, &[("gzip", true), ("none", false)])
                .map(|gzip| settings.gzip = Some(gzip))
        },
    },
    Opt {
        name: "API",
        default: "`auto`",
        help: "The API to subscribe to: `telemetry`, `logs`, or `auto`, the newest that the platform knows.",
        show: Show::Whole,
        reach: Reach::Environment,
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
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| {
            values::number(value, 25, 30_000).map(|ms| settings.telemetry_timeout_ms = ms)
        },
    },
    Opt {
        name: "PORT",
        default: "`21077`",
        help: "The port that the platform's batches come in on; if it is taken, any free one.",
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| values::port(value).map(|port| settings.port = port),
    },
    Opt {
        name: "PROXY",
        default: "none",
        help: "A proxy for the destination alone, as `http://[user:password@]host:port`; it must allow CONNECT to the destination's port.",
        show: Show::Address,
        reach: Reach::Environment,
        parse: |value, settings| values::url(value).map(|url| settings.proxy = Some(url)),
    },
    Opt {
        name: "CA_FILE",
        default: "none",
        help: "A PEM file of certificates to trust beside the bundled roots.",
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| {
            settings.ca_file = Some(value.to_owned());
            Ok(())
        },
    },
    Opt {
        name: "AWS_ENDPOINT_URL",
        default: "the service's own",
        help: "Where services of AWS are called instead, such as a VPC endpoint; the standard `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` work too.",
        show: Show::Address,
        reach: Reach::Environment,
        // `aws.rs` takes it, as secrets are needed before options are read.
        parse: |value, _| values::url(value).map(|_| ()),
    },
    rows::SECRETS_BUDGET_MS,
    rows::SECRETS_MAX_AGE_S,
    rows::RUNTIME_ENV,
    rows::WRAPPER_NEXT,
    rows::WRAPPER_STRICT,
    Opt {
        name: "LOG_LEVEL",
        default: "`warn`",
        help: "What brooklet itself says on stderr: `error`, `warn`, `info`, `debug`.",
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| values::level(value).map(|level| settings.log_level = level),
    },
    Opt {
        name: "ENABLED",
        default: "`true`",
        help: "`false`: register, subscribe to nothing, stay inert and silent.",
        show: Show::Whole,
        reach: Reach::Environment,
        parse: |value, settings| values::switch(value).map(|enabled| settings.enabled = enabled),
    },
];
