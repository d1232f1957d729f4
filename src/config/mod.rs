//! The environment to a [`Config`]: first [`Settings`], as given and checked as text, then what the stages use.
//!
//! A bad value never fails the function: it is named once, with what was given and what is taken instead.

mod bulk;
mod environment;
mod options;
mod otel;
mod values;
mod vendor;

use std::fmt;
use std::time::Duration;

pub use environment::{Environment, arguments};
pub use options::{OPTIONS, Opt, PREFIX, Show};

use crate::cadence::Strategy;
use crate::diag;
use crate::encode::{self, Format};
use crate::flush::{self, LaneOptions};
use crate::http;
use crate::lambda::{Api, Buffering};
use crate::process::{self, Identity, Level, Pattern, Redact, Sample, Select, Types};
use crate::send;

/// What was configured: each field is the value of the option of its name, or its default.
#[derive(Debug)]
#[allow(missing_docs, reason = "OPTIONS says what each is")]
#[allow(clippy::missing_docs_in_private_items, reason = "OPTIONS says it")]
pub struct Settings {
    endpoint: Option<String>,
    /// Whether the endpoint is called as it is, even if it has no path.
    exact: bool,
    format: Option<&'static Format>,
    key_header: Option<values::Pair>,
    method: http::Verb,
    success: Vec<u16>,
    encode: encode::Options,
    api_key: Option<String>,
    headers: Vec<values::Pair>,
    types: Types,
    min_level: Option<Level>,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    sample: Option<Sample>,
    redact: Redact,
    drop_fields: String,
    keep_fields: String,
    multiline: Option<Pattern>,
    tags: Vec<values::Pair>,
    strategy: Strategy,
    budget: Duration,
    fallback: Option<String>,
    buffer_bytes: usize,
    batch_bytes: Option<usize>,
    batch_records: Option<usize>,
    gzip: bool,
    api: Api,
    telemetry_timeout_ms: u32,
    port: u16,
    proxy: Option<String>,
    ca_file: Option<String>,
    log_level: diag::Level,
    enabled: bool,
    /// What is wrong with parts of the option that was read last; the other parts are taken.
    bad_parts: Vec<String>,
}

impl Settings {
    /// Every option's default.
    fn default_values() -> Self {
        Self {
            endpoint: None,
            exact: false,
            format: None,
            key_header: None,
            method: http::Verb::Post,
            success: Vec::new(),
            encode: encode::Options::default(),
            api_key: None,
            headers: Vec::new(),
            types: Types::default(),
            min_level: None,
            include: Vec::new(),
            exclude: Vec::new(),
            sample: None,
            redact: Redact::default(),
            drop_fields: String::new(),
            keep_fields: String::new(),
            multiline: None,
            tags: Vec::new(),
            strategy: Strategy::Adaptive,
            budget: Duration::from_millis(1000),
            fallback: None,
            buffer_bytes: 4 * 1024 * 1024,
            batch_bytes: None,
            batch_records: None,
            gzip: true,
            api: Api::Auto,
            telemetry_timeout_ms: 25,
            port: 21_077,
            proxy: None,
            ca_file: None,
            log_level: diag::Level::Warn,
            enabled: true,
            bad_parts: Vec::new(),
        }
    }
}

impl Settings {
    /// The format: as configured, or as the endpoint's host tells.
    fn format(&self) -> &'static Format {
        let told = || encode::of_host(&http::host(self.endpoint.as_deref()?)?);
        self.format.or_else(told).unwrap_or(encode::DEFAULT)
    }

    /// What process is told.
    fn process(&self, environment: &Environment) -> process::Options {
        process::Options {
            select: Select {
                types: self.types,
                min_level: self.min_level,
                include: self.include.clone(),
                exclude: self.exclude.clone(),
            },
            sample: self.sample.clone(),
            redact: self.redact.clone(),
            fields: process::Fields::parse(&self.drop_fields, &self.keep_fields),
            multiline: self.multiline.clone(),
            concurrent: environment.is_concurrent(),
        }
    }
}

/// A value that could not be taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The option, what was given, and what is wrong with it.
    what: String,
    /// What is taken instead; empty if nothing is.
    taken: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.taken.is_empty() {
            return Ok(());
        }
        write!(f, "; taken instead: {}", self.taken)
    }
}

/// Why nothing is shipped.
#[derive(Debug, PartialEq, Eq)]
pub enum Inert {
    /// The owner wants it so, and wants to hear nothing.
    Disabled,
    /// Something is missing or wrong; says what.
    Because(String),
}

/// What every part is told.
#[derive(Debug)]
pub struct Config {
    /// The listener's port.
    pub port: u16,
    /// Which API to subscribe to.
    pub api: Api,
    /// What to subscribe to.
    pub types: Vec<&'static str>,
    /// How the platform gathers it.
    pub buffering: Buffering,
    /// Who logs, as far as the environment tells.
    pub identity: Identity,
    /// What the flush thread is told.
    pub flush: flush::Options,
}

/// The option without which nothing is shipped.
const ENDPOINT: &str = "BROOKLET_ENDPOINT";

/// OpenTelemetry's variable for attributes of what logs.
const OTEL_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// The platform's events in a batch: its own least, so that batches stay small and come early.
const BATCH_ITEMS: u32 = 1000;

/// The platform's bytes in a batch: its own least.
const BATCH_BYTES: u32 = 262_144;

/// Reads the configuration, and names every value that could not be taken.
pub fn load(environment: &Environment) -> (Result<Config, Inert>, Vec<Problem>) {
    let (settings, mut problems) = settings(environment);
    if !settings.enabled {
        diag::set_level(None);
        return (Err(Inert::Disabled), Vec::new());
    }
    diag::set_level(Some(settings.log_level));
    let config = build(settings, environment, &mut problems);
    (config, problems)
}

/// What a dry run is told: everything up to the record, and nothing of where it goes.
#[derive(Debug)]
pub struct DryRun {
    /// How records are written.
    pub format: &'static Format,
    /// What the encoder is told.
    pub encode: encode::Options,
    /// What process is told.
    pub process: process::Options,
    /// Who logs, as far as the environment tells.
    pub identity: Identity,
}

/// Reads the configuration for a dry run, which needs no endpoint.
#[must_use]
pub fn dry_run(environment: &Environment) -> (DryRun, Vec<Problem>) {
    let (settings, mut problems) = settings(environment);
    diag::set_level(Some(settings.log_level));
    let dry_run = DryRun {
        format: settings.format(),
        encode: settings.encode.clone(),
        identity: identity(environment, &settings, &mut problems),
        process: settings.process(environment),
    };
    (dry_run, problems)
}

/// Reads every option.
fn settings(environment: &Environment) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default_values();
    let mut problems = Vec::new();
    for option in OPTIONS {
        let name = format!("{PREFIX}{}", option.name);
        let Some(value) = environment.get(&name) else {
            continue;
        };
        if let Err(why) = (option.parse)(value, &mut settings) {
            let given = match option.show {
                Show::Whole => format!("{value:?}"),
                Show::Address => format!("{:?}", http::shown_url(value)),
                Show::Never => "a value that is not shown".to_owned(),
            };
            problems.push(Problem {
                what: format!("{name} is {given}: {why}"),
                taken: option.default.replace('`', ""),
            });
        }
        problems.extend(settings.bad_parts.drain(..).map(|why| Problem {
            what: format!("{name}: {why}"),
            taken: "its other parts".to_owned(),
        }));
    }
    vendor::fill(&mut settings, environment);
    let known = |name: &str| {
        OPTIONS
            .iter()
            .any(|option| name.strip_prefix(PREFIX) == Some(option.name))
    };
    for name in environment.names(PREFIX).filter(|name| !known(name)) {
        problems.push(Problem {
            what: format!("{name} is not an option; see --help"),
            taken: String::new(),
        });
    }
    otel::apply(environment, &mut settings, &mut problems);
    (settings, problems)
}

/// Makes the configuration of every part.
fn build(
    settings: Settings,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Result<Config, Inert> {
    let format = settings.format();
    let identity = identity(environment, &settings, problems);
    let process = settings.process(environment);
    let Some(url) = settings.endpoint else {
        // Its problem is the reason, and needs no line of its own.
        let at = problems
            .iter()
            .position(|problem| problem.what.starts_with(ENDPOINT));
        let why = at.map_or_else(
            || format!("{ENDPOINT} is not set"),
            |at| problems.remove(at).what,
        );
        return Err(Inert::Because(why));
    };
    // What OpenTelemetry's variables name is the whole URL.
    let url = if settings.exact {
        url
    } else {
        let url = vendor::url(&url, format, &settings.encode, &identity);
        bulk::url(&url, format, &settings.encode, problems)
    };
    let content_type = ("content-type".to_owned(), format.content_type.to_owned());
    let mut headers = vec![content_type.clone()];
    if let Some(key) = settings.api_key {
        let (name, before) = match &settings.key_header {
            Some((name, before)) => (name.as_str(), before.as_str()),
            None => format.key_header,
        };
        let basic = format.basic && settings.key_header.is_none() && key.contains(':');
        let value = if basic {
            http::basic(&key)
        } else {
            format!("{before}{key}")
        };
        headers.push((name.to_owned(), value));
    }
    for (name, value) in format.headers {
        headers.push(((*name).to_owned(), (*value).to_owned()));
    }
    // The owner's own headers win over ours.
    headers.retain(|(name, _)| {
        let same = |(own, _): &values::Pair| own.eq_ignore_ascii_case(name);
        !settings.headers.iter().any(same)
    });
    headers.extend(settings.headers);
    let http = http::Options {
        proxy: settings.proxy,
        ca_pem: settings
            .ca_file
            .and_then(|path| certificates(&path, problems)),
    };
    let gathered = Duration::from_millis(u64::from(settings.telemetry_timeout_ms));
    let holds = matches!(settings.strategy, Strategy::End | Strategy::Adaptive);
    let waits = holds && !environment.is_concurrent() && !settings.budget.is_zero();
    if waits && gathered >= settings.budget {
        problems.push(Problem {
            what: format!(
                "{PREFIX}TELEMETRY_TIMEOUT_MS is {}, which is not less than {PREFIX}FLUSH_BUDGET_MS: an invocation's records come too late for it to be held for them",
                settings.telemetry_timeout_ms
            ),
            taken: String::new(),
        });
    }
    let types = settings.types;
    let gzip = settings.gzip && format.gzip;
    Ok(Config {
        port: settings.port,
        api: settings.api,
        types: subscribed(types),
        buffering: Buffering {
            max_items: BATCH_ITEMS,
            max_bytes: BATCH_BYTES,
            timeout_ms: settings.telemetry_timeout_ms,
        },
        identity,
        flush: flush::Options {
            strategy: settings.strategy,
            budget: settings.budget,
            process,
            snapshot: environment.is_snapshot(),
            lane: LaneOptions {
                format,
                encode: settings.encode,
                batch_bytes: settings.batch_bytes.unwrap_or(format.batch_bytes),
                batch_records: settings.batch_records.unwrap_or(format.batch_records),
                buffer_bytes: settings.buffer_bytes,
                fallback: settings.fallback.map(|url| send::Options {
                    url,
                    // Neither the key nor the owner's headers: they are the destination's.
                    headers: vec![content_type],
                    reader: send::reader(format.name),
                    success: settings.success.clone(),
                    method: settings.method,
                    gzip,
                    http: http.clone(),
                }),
                destination: send::Options {
                    url,
                    headers,
                    reader: send::reader(format.name),
                    success: settings.success,
                    method: settings.method,
                    gzip,
                    http,
                },
            },
        },
    })
}

/// What is subscribed to: platform events always, as they tell which request a line belongs to and when it is over; they are filtered afterwards if they are not wanted.
fn subscribed(types: Types) -> Vec<&'static str> {
    [
        (true, "platform"),
        (types.function, "function"),
        (types.extension, "extension"),
    ]
    .into_iter()
    .filter_map(|(wanted, name)| wanted.then_some(name))
    .collect()
}

/// Reads the file of certificates; one that cannot be used is a problem and is left out.
fn certificates(path: &str, problems: &mut Vec<Problem>) -> Option<Vec<u8>> {
    let read = std::fs::read(path).map_err(|why| why.to_string());
    let checked = read.and_then(|pem| http::usable_certificates(&pem).map(|()| pem));
    match checked {
        Ok(pem) => Some(pem),
        Err(why) => {
            problems.push(Problem {
                what: format!("{PREFIX}CA_FILE is {path:?}: {why}"),
                taken: "none".to_owned(),
            });
            None
        }
    }
}

/// Who logs, as far as the environment tells.
///
/// OpenTelemetry's resource attributes are tags, but for the service's name; an owner's tag of the same name wins.
fn identity(
    environment: &Environment,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Identity {
    let mut tags = settings.tags.clone();
    let text = |name: &str| environment.get(name).map(ToOwned::to_owned);
    let mut service_name = None;
    if let Some(value) = environment.get(OTEL_ATTRIBUTES) {
        let (attributes, bad) = values::pairs(value);
        problems.extend(bad.into_iter().map(|why| Problem {
            what: format!("{OTEL_ATTRIBUTES}: {why}"),
            taken: "its other parts".to_owned(),
        }));
        for (name, value) in attributes {
            if name == "service.name" {
                service_name = Some(value);
            } else if tags.iter().all(|(known, _)| *known != name) {
                tags.push((name, value));
            }
        }
    }
    Identity {
        service_name: vendor::service(settings, environment)
            .or_else(|| text("OTEL_SERVICE_NAME"))
            .or(service_name),
        function_name: text("AWS_LAMBDA_FUNCTION_NAME"),
        function_version: text("AWS_LAMBDA_FUNCTION_VERSION"),
        function_arn: None,
        function_memory_mb: environment
            .get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
            .and_then(|mb| mb.parse().ok()),
        region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
        account_id: None,
        tags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> (Result<Config, Inert>, Vec<String>) {
        let environment = Environment::of(variables);
        let (settings, mut problems) = settings(&environment);
        let config = build(settings, &environment, &mut problems);
        let told = problems.iter().map(ToString::to_string).collect();
        (config, told)
    }

    #[test]
    fn every_default_is_what_the_table_says() {
        for option in OPTIONS {
            let mut settings = Settings::default_values();
            let before = format!("{settings:?}");
            let value = option.default.trim_matches('`');
            let given = format!("`{value}`");
            if given == option.default {
                (option.parse)(value, &mut settings).expect(option.name);
                assert_eq!(format!("{settings:?}"), before, "{}", option.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_helped() {
        for (at, option) in OPTIONS.iter().enumerate() {
            let later = OPTIONS.iter().skip(at + 1);
            assert!(later.into_iter().all(|other| other.name != option.name));
            assert!(option.help.ends_with('.'), "{}", option.name);
            assert!(!option.help.contains('|'), "a table cell: {}", option.name);
        }
    }

    #[test]
    fn bad_values_are_named_and_defaults_taken() {
        let (config, told) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_FLUSH", "sometimes"),
            ("BROOKLET_PORT", "9001"),
            ("BROOKLET_HEADERS", "secret"),
            ("BROOKLET_TYPO", "x"),
        ]);
        let config = config.expect("usable");
        assert_eq!(config.port, 21_077);
        assert_eq!(config.flush.strategy, Strategy::Adaptive);
        assert_eq!(
            told,
            [
                "BROOKLET_HEADERS: must be name=value,name=value, and part 1 is not; taken instead: its other parts",
                "BROOKLET_FLUSH is \"sometimes\": must be adaptive, end, next or periodic:<ms>; taken instead: adaptive",
                "BROOKLET_PORT is \"9001\": must be a port from 0 to 65535, and not the platform's own 9001; taken instead: 21077",
                "BROOKLET_TYPO is not an option; see --help",
            ]
        );
    }

    #[test]
    fn without_an_endpoint_it_is_inert_and_says_which() {
        let because = |text: &str| Inert::Because(text.to_owned());
        let (config, told) = check(&[]);
        assert_eq!(
            config.expect_err("inert"),
            because("BROOKLET_ENDPOINT is not set")
        );
        assert!(told.is_empty());
        let (config, told) = check(&[("BROOKLET_ENDPOINT", "nowhere")]);
        assert_eq!(
            config.expect_err("inert"),
            because("BROOKLET_ENDPOINT is \"nowhere\": it must begin with http:// or https://")
        );
        assert!(told.is_empty());
    }

    #[test]
    fn a_budget_that_telemetry_never_meets_is_named() {
        let endpoint = ("BROOKLET_ENDPOINT", "http://h/");
        let late = ("BROOKLET_TELEMETRY_TIMEOUT_MS", "1000");
        let (_, told) = check(&[endpoint, late]);
        assert_eq!(told.len(), 1, "{told:?}");
        let (_, told) = check(&[endpoint, late, ("BROOKLET_FLUSH", "next")]);
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn the_owners_headers_win() {
        let (config, _) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_API_KEY", "k"),
            ("BROOKLET_HEADERS", "Content-Type=text/plain,x=1"),
        ]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            config.expect("usable").flush.lane.destination.headers,
            [
                pair("authorization", "Bearer k"),
                pair("Content-Type", "text/plain"),
                pair("x", "1")
            ]
        );
    }

    #[test]
    fn platform_events_are_always_subscribed_to() {
        let (config, _) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_TYPES", "function"),
        ]);
        let config = config.expect("usable");
        assert_eq!(config.types, ["platform", "function"]);
        assert!(!config.flush.process.select.types.platform);
    }
}
