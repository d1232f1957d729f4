//! The environment to a [`Config`]: first [`Settings`], as given and checked as text, then what the stages use.
//!
//! A bad value never fails the function: it is named once, with what was given and what is taken instead.

mod aws;
mod bulk;
mod dry_run;
mod environment;
mod lanes;
mod nearest;
mod options;
mod otel;
mod place;
mod problem;
mod references;
mod rows;
mod values;
mod vendor;

use std::sync::Arc;
use std::time::Duration;

pub use aws::aws;
pub use dry_run::{DryRun, dry_run};
pub use environment::{Environment, arguments, variables};
use lanes::All;
pub use lanes::{Reach, destinations_help, of_destination};
pub use options::{OPTIONS, PREFIX};
pub use problem::Problem;
use problem::{NOTHING, other_parts};
use references::References;
pub use references::{is_secret, secrets};
pub use rows::{Opt, Show};
pub use values::switch;
pub use vendor::unread_key;

use crate::cadence::Strategy;
use crate::diag;
use crate::encode::{self, Format};
use crate::flush;
use crate::http;
use crate::lambda::{Api, Buffering};
use crate::process::{self, Identity, Level, Pattern, Redact, Sample, Select, Types};
use crate::secrets::{self, Reference};

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
    gzip: Option<bool>,
    api: Api,
    telemetry_timeout_ms: u32,
    port: u16,
    proxy: Option<String>,
    ca_file: Option<String>,
    log_level: diag::Level,
    enabled: bool,
    secrets_budget: Duration,
    secrets_age: Duration,
    /// What is wrong with parts of the option that was read last; the other parts are taken.
    bad_parts: Vec<String>,
    /// Whether it has other parts.
    has_good_parts: bool,
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
            gzip: None,
            api: Api::Auto,
            telemetry_timeout_ms: 25,
            port: 21_077,
            proxy: None,
            ca_file: None,
            log_level: diag::Level::Warn,
            enabled: true,
            secrets_budget: Duration::from_secs(5),
            secrets_age: Duration::from_secs(3600),
            bad_parts: Vec::new(),
            has_good_parts: false,
        }
    }

    /// Keeps what is wrong with some parts of an option's value; hands out the good ones.
    fn parts<T>(&mut self, (good, bad): (Vec<T>, Vec<String>)) -> Vec<T> {
        (self.has_good_parts, self.bad_parts) = (!good.is_empty(), bad);
        good
    }
}

impl Settings {
    /// The format: as configured, or as the endpoint's host tells.
    fn format(&self) -> &'static Format {
        let endpoint = self.endpoint.as_deref();
        let told = || encode::of_host(&http::host(endpoint?)?);
        let scheme = endpoint.and_then(encode::of_scheme);
        scheme
            .or(self.format)
            .or_else(told)
            .unwrap_or(encode::DEFAULT)
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
    /// When to send.
    pub strategy: Strategy,
    /// The longest that sending may hold an invocation.
    pub budget: Duration,
    /// The destinations; at least one.
    pub lanes: Vec<Lane>,
    /// The secrets that they need, each once.
    pub references: Vec<Reference>,
    /// How these are fetched.
    pub secrets: Arc<secrets::Options>,
}

/// What is told for one destination.
#[derive(Debug)]
pub struct Lane {
    /// Its number, from 1.
    pub destination: usize,
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
    let (references, placed) = References::find(environment);
    let (settings, mut problems) = lanes::settings(&placed);
    if !settings.first.enabled {
        diag::set_level(None);
        return (Err(Inert::Disabled), Vec::new());
    }
    diag::set_level(Some(settings.first.log_level));
    let age = settings.first.secrets_age;
    let mut config = build(settings, &placed, &mut problems);
    if let Ok(config) = &mut config {
        references.keep_all_back(config, age, environment);
    }
    // What is not known yet is set all the same.
    let is_missed = |problem: &Problem| references.is_missed(&problem.what);
    while let Some(at) = problems.iter().position(is_missed) {
        problems.remove(at);
    }
    (config, problems)
}

/// Reads every option of a destination.
fn settings(
    environment: &Environment,
    destination: usize,
    problems: &mut Vec<Problem>,
) -> Settings {
    let mut settings = Settings::default_values();
    for option in OPTIONS {
        let (name, told) = lanes::source(environment, option.name, option.reach, destination);
        let Some(value) = environment.get(&name) else {
            continue;
        };
        let parsed = match references::misplaced(value) {
            Some(why) => Err(why),
            None => (option.parse)(value, &mut settings),
        };
        let bad_parts = std::mem::take(&mut settings.bad_parts);
        if !told {
            continue;
        }
        if let Err(why) = parsed {
            let given = match option.show {
                Show::Whole => format!("{value:?}"),
                Show::Address => format!("{:?}", http::shown_url(value)),
                Show::Never => "a value that is not shown".to_owned(),
            };
            problems.push(Problem {
                what: format!("{name} is {given}: {why}"),
                // Without one of several destinations the others still ship.
                taken: option.default.replace('`', "").replace(": inert", ""),
            });
        }
        let mut taken = other_parts(settings.has_good_parts).to_owned();
        if let Some(first) = lanes::protection(environment, option, &name, &bad_parts) {
            // Read a moment ago, and what is wrong with it is told for the first destination.
            let _known = (option.parse)(&format!("{first},{value}"), &mut settings);
            settings.bad_parts.clear();
            let masks = "what the first destination's masks";
            taken = match &*taken {
                NOTHING => masks.to_owned(),
                other => format!("{other}, and {masks}"),
            };
        }
        problems.extend(bad_parts.into_iter().map(|why| Problem {
            what: format!("{name}: {why}"),
            taken: taken.clone(),
        }));
    }
    vendor::fill(&mut settings, environment, destination);
    if destination == 1 {
        otel::apply(environment, &mut settings, problems);
    }
    settings
}

/// Makes the configuration of every part.
fn build(
    settings: All,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Result<Config, Inert> {
    let All { first, mut others } = settings;
    let ca_file = first.ca_file.clone();
    let ca_pem = ca_file.as_deref();
    let ca_pem = ca_pem.and_then(|path| certificates(path, problems));
    let secrets = references::options(&first, ca_pem.clone(), environment);
    let (strategy, budget) = (first.strategy, first.budget);
    let (api, port, timeout_ms) = (first.api, first.port, first.telemetry_timeout_ms);
    let (mut lanes, mut types) = (Vec::new(), NO_TYPES);
    others.insert(0, (1, first));
    for (destination, settings) in others {
        let identity = identity(environment, &settings, destination, problems);
        let wanted = settings.types;
        let http = http::Options {
            proxy: settings.proxy.clone(),
            // What OpenTelemetry's variable names is trusted by its destination alone.
            ca_pem: ca_pem.clone().filter(|_| settings.ca_file == ca_file),
        };
        if let Some(flush) = lanes::flush_options(
            destination,
            settings,
            &identity,
            http,
            &secrets.aws,
            environment,
            problems,
        ) {
            types.platform |= wanted.platform;
            types.function |= wanted.function;
            types.extension |= wanted.extension;
            lanes.push(Lane {
                destination,
                identity,
                flush,
            });
        }
    }
    if lanes.is_empty() {
        // Its problem is the reason, and needs no line of its own.
        let at = problems
            .iter()
            .position(|problem| problem.what.starts_with(&format!("{ENDPOINT} is ")));
        let why = at.map_or_else(
            || vendor::no_endpoint(environment),
            |at| problems.remove(at).what,
        );
        return Err(Inert::Because(why));
    }
    let gathered = Duration::from_millis(u64::from(timeout_ms));
    let holds = matches!(strategy, Strategy::End | Strategy::Adaptive);
    let waits = holds && !environment.is_concurrent() && !budget.is_zero();
    if waits && gathered >= budget {
        problems.push(Problem {
            what: format!(
                "{PREFIX}TELEMETRY_TIMEOUT_MS is {timeout_ms}, which is not less than {PREFIX}FLUSH_BUDGET_MS: an invocation's records come too late for it to be held for them"
            ),
            taken: String::new(),
        });
    }
    Ok(Config {
        port,
        api,
        types: subscribed(types),
        buffering: Buffering {
            max_items: BATCH_ITEMS,
            max_bytes: BATCH_BYTES,
            timeout_ms,
        },
        strategy,
        budget,
        lanes,
        references: Vec::new(),
        secrets,
    })
}

/// No type of telemetry.
const NO_TYPES: Types = Types {
    platform: false,
    function: false,
    extension: false,
};

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
    destination: usize,
    problems: &mut Vec<Problem>,
) -> Identity {
    let mut tags = settings.tags.clone();
    let text = |name: &str| environment.text(name);
    let mut service_name = None;
    if let Some(value) = environment.get(OTEL_ATTRIBUTES) {
        let (attributes, bad) = values::pairs(value);
        let taken = other_parts(!attributes.is_empty());
        // They are every destination's, and told once.
        let bad = bad.into_iter().filter(|_| destination == 1);
        problems.extend(bad.map(|why| Problem {
            what: format!("{OTEL_ATTRIBUTES}: {why}"),
            taken: taken.to_owned(),
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
        region: environment.region().map(ToOwned::to_owned),
        account_id: None,
        tags,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "a test fails where it indexes in vain"
    )]

    use super::*;

    fn check(variables: &[(&str, &str)]) -> (Result<Config, Inert>, Vec<String>) {
        let environment = Environment::of(variables);
        let (settings, mut problems) = lanes::settings(&environment);
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
            ("BROOKLET_COMPRESION", "x"),
        ]);
        let config = config.expect("usable");
        assert_eq!(config.port, 21_077);
        assert_eq!(config.strategy, Strategy::Adaptive);
        assert_eq!(
            told,
            [
                "BROOKLET_HEADERS: must be name=value,name=value, and part 1 is not; taken instead: none",
                "BROOKLET_FLUSH is \"sometimes\": must be adaptive, end, next or periodic:<ms>; taken instead: adaptive",
                "BROOKLET_PORT is \"9001\": must be a port from 0 to 65535, and not the platform's own 9001; taken instead: 21077",
                "BROOKLET_TYPO is not an option; see --help",
                "BROOKLET_COMPRESION is not an option (did you mean BROOKLET_COMPRESSION?); see --help",
            ]
        );
    }

    #[test]
    fn without_an_endpoint_it_is_inert_and_says_which() {
        let because = |text: &str| Inert::Because(text.to_owned());
        let (config, told) = check(&[]);
        assert_eq!(
            config.expect_err("inert"),
            because(
                "BROOKLET_ENDPOINT is not set: it says where logs go, as https://host/path or s3://bucket"
            )
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
            config.expect("usable").lanes[0]
                .flush
                .lane
                .destination
                .headers,
            [
                pair("authorization", "Bearer k"),
                pair("Content-Type", "text/plain"),
                pair("x", "1")
            ]
        );
    }

    /// What each destination is told of something.
    fn each<T>(config: &Config, what: impl Fn(&Lane) -> T) -> Vec<(usize, T)> {
        let lanes = config.lanes.iter();
        lanes.map(|lane| (lane.destination, what(lane))).collect()
    }

    #[test]
    fn a_destination_has_its_own_options_and_inherits_what_protects() {
        let (config, told) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_API_KEY", "first"),
            ("BROOKLET_FORMAT", "ndjson"),
            ("BROOKLET_TYPES", "extension"),
            ("BROOKLET_MIN_LEVEL", "error"),
            ("BROOKLET_BATCH_RECORDS", "7"),
            ("BROOKLET_REDACT", "email"),
            ("BROOKLET_TAGS", "a=1"),
            ("BROOKLET_COMPRESSION", "none"),
            ("BROOKLET_FLUSH_BUDGET_MS", "77"),
            ("BROOKLET_ENDPOINT_2", "http://h2/"),
            ("BROOKLET_ENDPOINT_4", "http://h4/"),
            ("BROOKLET_API_KEY_4", "fourth"),
            ("BROOKLET_REDACT_4", "card"),
            ("BROOKLET_COMPRESSION_4", "gzip"),
        ]);
        assert_eq!(told, Vec::<String>::new());
        let config = config.expect("usable");
        let key = |lane: &Lane| {
            let headers = &lane.flush.lane.destination.headers;
            headers.get(1).map(|(_, value)| value.clone())
        };
        assert_eq!(
            each(&config, key),
            [
                (1, Some("Bearer first".to_owned())),
                (2, None),
                (4, Some("Bearer fourth".to_owned()))
            ]
        );
        let own = |lane: &Lane| {
            let lane = &lane.flush.lane;
            (lane.format.name, lane.batch_records)
        };
        assert_eq!(
            each(&config, own),
            [
                (1, ("ndjson", 7)),
                (2, ("json", 10_000)),
                (4, ("json", 10_000))
            ]
        );
        let level = |lane: &Lane| lane.flush.process.select.min_level.is_some();
        assert_eq!(each(&config, level), [(1, true), (2, false), (4, false)]);
        let masks = |lane: &Lane| {
            let names = lane.flush.process.redact.names();
            names.map(ToOwned::to_owned).collect::<Vec<_>>().join(",")
        };
        assert_eq!(
            each(&config, masks),
            [1, 2, 4].map(|n| (n, if n == 4 { "card" } else { "email" }.to_owned()))
        );
        let gzip = |lane: &Lane| lane.flush.lane.destination.gzip;
        assert_eq!(each(&config, gzip), [(1, false), (2, false), (4, true)]);
        let tagged = |lane: &Lane| lane.identity.tags.len();
        assert_eq!(each(&config, tagged), [(1, 1), (2, 1), (4, 1)]);
        let budget = |lane: &Lane| lane.flush.budget.as_millis();
        assert_eq!(each(&config, budget), [(1, 77), (2, 77), (4, 77)]);
        assert_eq!(config.types, ["platform", "function", "extension"]);
    }

    #[test]
    fn a_slip_waits_for_the_secret_that_masks_in_its_place() {
        for (own, needed) in [
            ("card,emial", Some("ssm:/redact")),
            ("card,email", None),
            ("ssm:/own", Some("ssm:/own")),
        ] {
            let environment = Environment::of(&[
                ("BROOKLET_ENDPOINT", "http://h/"),
                ("BROOKLET_REDACT", "ssm:/redact"),
                ("BROOKLET_ENDPOINT_2", "http://h2/"),
                ("BROOKLET_REDACT_2", own),
            ]);
            let (config, _) = load(&environment);
            let lanes = config.expect("usable").lanes;
            let late = lanes.last().and_then(|lane| lane.flush.lane.late.as_ref());
            assert_eq!(late.is_some_and(|late| late.shapes), needed.is_some());
            if let Some((late, needed)) = late.zip(needed) {
                let values = vec![(needed.to_owned(), Ok("card".to_owned()))];
                let found = crate::link::Found { number: 1, values };
                assert!((late.make)(&found).is_ok(), "{own} needs nothing else");
            }
        }
    }

    #[test]
    fn a_slip_in_what_a_destination_masks_unmasks_nothing() {
        let (config, told) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_REDACT", "email"),
            ("BROOKLET_ENDPOINT_2", "http://h2/"),
            ("BROOKLET_REDACT_2", "card,emial"),
        ]);
        let redact = |lane: &Lane| {
            let names = lane.flush.process.redact.names();
            names.map(ToOwned::to_owned).collect::<Vec<_>>().join(",")
        };
        assert_eq!(
            each(&config.expect("usable"), redact),
            [(1, "email".to_owned()), (2, "email,card".to_owned())]
        );
        let [told] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(
            told.starts_with("BROOKLET_REDACT_2:") && told.contains("emial"),
            "{told}"
        );
    }

    #[test]
    fn other_parts_are_told_of_where_there_are_some() {
        let masks = "what the first destination's masks";
        for (name, given, taken) in [
            ("BROOKLET_HEADERS", "secret", "none"),
            ("BROOKLET_HEADERS", "a=1,secret", "its other parts"),
            ("BROOKLET_HEADERS", "a\u{1}=1", "none"),
            ("BROOKLET_TAGS", "secret,", "none"),
            ("BROOKLET_FIELD_NAMES", "a", "none"),
            ("BROOKLET_INCLUDE", "(", "none"),
            ("BROOKLET_EXCLUDE", "/(/,/a/", "its other parts"),
            ("BROOKLET_REDACT", "emial", "none"),
            ("BROOKLET_REDACT", "emial,card", "its other parts"),
            ("BROOKLET_REDACT_2", "emial", masks),
            ("OTEL_RESOURCE_ATTRIBUTES", "a", "none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a,b=1", "its other parts"),
        ] {
            let (config, told) = check(
                &[
                    ("BROOKLET_ENDPOINT", "http://h/"),
                    ("BROOKLET_ENDPOINT_2", "http://h2/"),
                    // What masks in the first one.
                    ("BROOKLET_REDACT", "jwt"),
                    (name, given),
                ]
                .into_iter()
                .filter(|(known, value)| *known != name || *value == given)
                .collect::<Vec<_>>(),
            );
            assert!(config.is_ok());
            let [told] = &told[..] else {
                panic!("{name}={given}: {told:?}");
            };
            let end = format!("; taken instead: {taken}");
            assert!(told.ends_with(&end), "{name}={given}: {told}");
        }
    }

    #[test]
    fn a_bad_destination_is_named_and_the_others_stay() {
        let (config, told) = check(&[
            ("BROOKLET_ENDPOINT", "nowhere"),
            ("BROOKLET_REDACT", "bogus"),
            ("BROOKLET_ENDPOINT_2", "http://h/"),
            ("BROOKLET_ENDPOINT_3", "ftp://h/"),
            ("BROOKLET_TYPES_3", "extension"),
        ]);
        let config = config.expect("usable");
        assert_eq!(each(&config, |_| ()), [(2, ())]);
        assert_eq!(config.types, ["platform", "function"]);
        assert_eq!(told.len(), 3, "each once: {told:?}");
        for (line, name) in told.iter().zip(["ENDPOINT is", "REDACT:", "ENDPOINT_3 is"]) {
            assert!(line.starts_with(&format!("{PREFIX}{name}")), "{told:?}");
            assert!(!line.contains("inert"), "the others ship: {told:?}");
        }
        let (config, told) = check(&[("BROOKLET_ENDPOINT_2", "http://h/")]);
        assert_eq!(config.expect("usable").lanes.len(), 1);
        assert!(told.is_empty(), "there need be no first one: {told:?}");
        let (config, told) = check(&[
            ("BROOKLET_ENDPOINT_2", "http://h/"),
            ("BROOKLET_FORMAT", "loki"),
            ("BROOKLET_TAGS", "a=b"),
        ]);
        assert_eq!(config.expect("usable").lanes.len(), 1);
        assert_eq!(
            told,
            ["BROOKLET_FORMAT means nothing without BROOKLET_ENDPOINT"]
        );
    }

    #[test]
    fn a_fallback_gets_the_path_that_the_destination_would_get() {
        let fallback = |format: &str, url: &str| {
            let (config, told) = check(&[
                ("BROOKLET_ENDPOINT", "http://h/own"),
                ("BROOKLET_FORMAT", format),
                ("BROOKLET_FALLBACK_ENDPOINT", url),
            ]);
            let lane = config.expect("usable").lanes.remove(0).flush.lane;
            (lane.fallback.expect("a fallback").destination.url, told)
        };
        for (format, url, expected) in [
            ("datadog", "http://f", "http://f/api/v2/logs"),
            ("datadog", "http://f/other", "http://f/other"),
            ("loki", "http://f:3100/", "http://f:3100/loki/api/v1/push"),
            ("otlp", "http://f", "http://f/v1/logs"),
            ("json", "http://f", "http://f"),
        ] {
            assert_eq!(fallback(format, url), (expected.to_owned(), Vec::new()));
        }
        let (url, told) = fallback("elasticsearch", "http://f/logs");
        assert!(url.starts_with("http://f/logs/_bulk?"), "{url}");
        assert!(told.is_empty(), "{told:?}");
        let (_, told) = fallback("elasticsearch", "http://f");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("the fallback's path names no index"),
            "{told:?}"
        );
    }

    #[test]
    fn a_number_that_means_nothing_is_named() {
        let (_, told) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_ENDPOINT_2", "http://h/"),
            ("BROOKLET_PORT_2", "1"),
            ("BROOKLET_FORMAT_3", "json"),
            ("BROOKLET_INDEX_3", "ssm:/index"),
            ("BROOKLET_FORMAT_5", "json"),
            ("BROOKLET_FORMAT_02", "json"),
            ("BROOKLET_NOTHING_2", "x"),
            // What is empty is not set.
            ("BROOKLET_ENDPOINT_4", ""),
            ("BROOKLET_API_KEY_4", " "),
        ]);
        let numbers = "is not an option: the destinations after the first have the numbers 2 to 4";
        assert_eq!(
            told,
            [
                "BROOKLET_PORT_2 is not an option: BROOKLET_PORT holds for all destinations",
                "BROOKLET_FORMAT_3 means nothing without BROOKLET_ENDPOINT_3",
                "BROOKLET_INDEX_3 means nothing without BROOKLET_ENDPOINT_3",
                &format!("BROOKLET_FORMAT_5 {numbers}"),
                &format!("BROOKLET_FORMAT_02 {numbers}"),
                "BROOKLET_NOTHING_2 is not an option; see --help",
            ]
        );
    }

    #[test]
    fn a_name_or_a_word_that_is_nearly_right_is_asked_about() {
        let endpoint = ("BROOKLET_ENDPOINT", "http://h/");
        let second = ("BROOKLET_ENDPOINT_2", "http://h/");
        for (name, given, expected) in [
            ("ENDPIONT", "x", "BROOKLET_ENDPOINT"),
            ("endpoint", "x", "BROOKLET_ENDPOINT"),
            ("ENDPIONT_2", "x", "BROOKLET_ENDPOINT_2"),
            ("ENDPOINT2", "x", "BROOKLET_ENDPOINT_2"),
            ("COMPRESION_2", "gzip", "BROOKLET_COMPRESSION_2"),
            ("LOGLEVEL_2", "warn", "BROOKLET_LOG_LEVEL"),
            ("FORMAT9", "json", "BROOKLET_FORMAT"),
            ("SAMPLE_RATE", "0.1", "BROOKLET_SAMPLE"),
            ("RUNTIME_ENV", "x", "BROOKLET_RUNTIME_ENV_<NAME>"),
            ("FORMAT", "new-relic", "newrelic"),
            ("FORMAT_2", "elastic", "elasticsearch"),
            ("COMPRESSION", "gizp", "gzip"),
            ("FLUSH", "adaptative", "adaptive"),
            ("FLUSH", "periodic", "periodic:<ms>"),
            ("MIN_LEVEL", "warning", "warn"),
            ("LOG_LEVEL", "err", "error"),
            ("TYPES", "platform, functions", "function"),
            ("METHOD", "pot", "POST"),
            ("API", "log", "logs"),
            ("ENABLED", "flase", "false"),
        ] {
            let name = format!("{PREFIX}{name}");
            let (_, told) = check(&[endpoint, second, (&name, given)]);
            let [told] = &told[..] else {
                panic!("{name}={given}: {told:?}");
            };
            let question = format!("(did you mean {expected}?)");
            assert!(told.contains(&question), "{name}={given}: {told}");
        }
        for (name, given) in [
            ("BROOKLET_TOKEN", "x"),
            ("BROOKLET_API_TOKEN", "x"),
            ("BROOKLET_FORMAT", "xml"),
            ("BROOKLET_FLUSH", "sometimes"),
            ("BROOKLET_FLUSH", "periodic:soon"),
            ("BROOKLET_TYPES", "metrics"),
        ] {
            let (_, told) = check(&[endpoint, (name, given)]);
            assert!(!told.concat().contains("mean"), "{name}={given}: {told:?}");
            assert_eq!(told.len(), 1, "{name}={given}: {told:?}");
        }
    }

    #[test]
    fn a_text_names_the_variables_of_its_destination() {
        let text = "set BROOKLET_API_KEY, BROOKLET_HEADERS=a=b or BROOKLET_CA_FILE";
        assert_eq!(of_destination(text, 1), text);
        assert_eq!(
            of_destination(text, 3),
            "set BROOKLET_API_KEY_3, BROOKLET_HEADERS_3=a=b or BROOKLET_CA_FILE"
        );
        assert_eq!(of_destination("BROOKLET_INDEX", 2), "BROOKLET_INDEX_2");
        assert_eq!(of_destination("nothing", 2), "nothing");
    }

    #[test]
    fn platform_events_are_always_subscribed_to() {
        let (config, _) = check(&[
            ("BROOKLET_ENDPOINT", "http://h/"),
            ("BROOKLET_TYPES", "function"),
        ]);
        let config = config.expect("usable");
        assert_eq!(config.types, ["platform", "function"]);
        assert!(!config.lanes[0].flush.process.select.types.platform);
    }
}
