//! Several destinations: which there are, which variable tells each of its options, and what its flush thread is told.
//!
//! An option of the second to the fourth destination is the variable with its number behind: `BROOKLET_ENDPOINT_2`.
//! It must not mix two of them: what one is told, its key above all, is no other's.

use super::values::Pair;
use super::{Environment, OPTIONS, PREFIX, Problem, Settings, bulk, place, vendor};
use crate::diag::DESTINATIONS_MAX;
use crate::flush::{self, LaneOptions};
use crate::http;
use crate::process::Identity;
use crate::send;

/// What an option's value holds for, where there are several destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The whole program: it has no number.
    Environment,
    /// One destination: another one's is its default where none is set.
    Own,
    /// One destination: another one's is the first one's where none is set.
    Inherited,
}

/// What was configured for all destinations.
pub(super) struct All {
    /// The first destination's, and that of the whole program.
    pub(super) first: Settings,
    /// The other ones', with their numbers.
    pub(super) others: Vec<(usize, Settings)>,
}

/// Reads every option of every destination.
pub(super) fn settings(environment: &Environment) -> (All, Vec<Problem>) {
    let mut problems = Vec::new();
    let first = super::settings(environment, 1, &mut problems);
    let others = (2..=DESTINATIONS_MAX)
        .filter(|number| exists(environment, *number))
        .map(|number| {
            let settings = super::settings(environment, number, &mut problems);
            (number, settings)
        })
        .collect();
    let misnamed = environment.names(PREFIX).filter_map(|name| {
        Some(Problem {
            what: format!("{name} {}", misnamed(environment, name)?),
            taken: String::new(),
        })
    });
    problems.extend(misnamed);
    (All { first, others }, problems)
}

/// The variable that tells an option of a destination.
pub(super) fn variable(option: &str, destination: usize) -> String {
    match destination {
        1 => format!("{PREFIX}{option}"),
        number => format!("{PREFIX}{option}_{number}"),
    }
}

/// The variable that an option of a destination is read from, and whether what is wrong with it is to be told for this destination.
pub(super) fn source(
    environment: &Environment,
    option: &str,
    reach: Reach,
    destination: usize,
) -> (String, bool) {
    let own = variable(option, destination);
    let shared = match reach {
        Reach::Own => false,
        Reach::Environment => true,
        Reach::Inherited => environment.get(&own).is_none(),
    };
    if shared {
        (variable(option, 1), destination == 1)
    } else {
        (own, true)
    }
}

/// Whether a destination after the first is there.
fn exists(environment: &Environment, destination: usize) -> bool {
    environment
        .get(&variable("ENDPOINT", destination))
        .is_some()
}

/// What is wrong with a variable's name, if anything.
fn misnamed(environment: &Environment, name: &str) -> Option<String> {
    const UNKNOWN: &str = "is not an option; see --help";
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let reach = |name: &str| {
        let option = OPTIONS.iter().find(|option| option.name == name);
        option.map(|option| option.reach)
    };
    if reach(name).is_some() {
        return None;
    }
    let Some((option, number)) = name.rsplit_once('_') else {
        return Some(UNKNOWN.to_owned());
    };
    let (Some(reach), Ok(number)) = (reach(option), number.parse::<usize>()) else {
        return Some(UNKNOWN.to_owned());
    };
    if reach == Reach::Environment {
        return Some(format!(
            "is not an option: {PREFIX}{option} holds for all destinations"
        ));
    }
    // `02` would be read by nobody.
    if !(2..=DESTINATIONS_MAX).any(|known| name == format!("{option}_{known}")) {
        return Some(format!(
            "is not an option: the destinations after the first have the numbers 2 to {DESTINATIONS_MAX}"
        ));
    }
    let endpoint = variable("ENDPOINT", number);
    (!exists(environment, number)).then(|| format!("means nothing without {endpoint}"))
}

/// What a flush thread is told; `None` without an endpoint.
pub(super) fn flush_options(
    destination: usize,
    settings: Settings,
    identity: &Identity,
    http: &http::Options,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<flush::Options> {
    let format = settings.format();
    let process = settings.process(environment);
    let aws_options = super::aws(environment);
    let url = settings.endpoint.clone()?;
    let mut encode = settings.encode.clone();
    let content_type = ("content-type".to_owned(), format.content_type.to_owned());
    let mut headers = vec![content_type.clone()];
    let (mut aws, mut method) = (None, settings.method);
    // What OpenTelemetry's variables name is the whole URL.
    let url = if settings.exact {
        url
    } else if format.scheme {
        let endpoint = variable("ENDPOINT", destination);
        let mut problem = |what: String| {
            let taken = String::new();
            problems.push(Problem { what, taken });
        };
        if settings.format.is_some() || settings.api_key.is_some() {
            problem(format!(
                "{endpoint} is a place in AWS, which has a format and signatures of its own: {} and {} mean nothing",
                variable("FORMAT", destination),
                variable("API_KEY", destination)
            ));
        }
        let extension = if settings.gzip == Some(false) {
            ".ndjson"
        } else {
            ".ndjson.gz"
        };
        let place = place::place(&url, extension, &aws_options, environment);
        let place = match place {
            Ok(place) => place,
            Err(why) => {
                problem(format!("{endpoint} is {:?}: {why}", http::shown_url(&url)));
                return None;
            }
        };
        encode.place = place.names;
        encode.gzip_inside = settings.gzip == Some(true) && !format.gzip;
        aws = Some(place.aws);
        match place::operation(format.name) {
            Some((service, operation)) => headers = crate::aws::headers(service, operation),
            None => method = http::Verb::Put,
        }
        place.url
    } else {
        let url = vendor::url(&url, format, &encode, identity);
        let index = variable("INDEX", destination);
        bulk::url(&url, format, &encode, &index, problems)
    };
    if let Some(key) = settings.api_key.filter(|_| !format.scheme) {
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
        let same = |(own, _): &Pair| own.eq_ignore_ascii_case(name);
        !settings.headers.iter().any(same)
    });
    headers.extend(settings.headers);
    let has_key = headers.iter().any(|(name, _)| {
        let key_header = settings.key_header.as_ref().map(|(name, _)| name.as_str());
        name.eq_ignore_ascii_case("authorization") || key_header == Some(name)
    });
    if aws.is_none() && !has_key {
        aws = place::signed(&url, &aws_options);
    }
    let gzip = settings.gzip.unwrap_or(true) && format.gzip;
    // What a service takes at once is no matter of taste.
    let bytes_max = if format.scheme {
        format.batch_bytes
    } else {
        usize::MAX
    };
    Some(flush::Options {
        strategy: settings.strategy,
        budget: settings.budget,
        process,
        snapshot: environment.is_snapshot(),
        lane: LaneOptions {
            format,
            encode,
            batch_bytes: settings
                .batch_bytes
                .unwrap_or(format.batch_bytes)
                .min(bytes_max),
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
                aws: None,
                http: http.clone(),
            }),
            destination: send::Options {
                url,
                headers,
                reader: send::reader(format.name),
                success: settings.success,
                method,
                gzip,
                aws,
                http: http.clone(),
            },
        },
    })
}

/// What is to be known of several destinations, one Markdown sentence each.
#[must_use]
pub fn destinations_help() -> [String; 3] {
    let names = |reach: Reach| {
        let options = OPTIONS.iter().filter(|option| option.reach == reach);
        let names: Vec<String> = options
            .filter(|option| option.name != "ENDPOINT")
            .map(|option| format!("`{}`", option.name))
            .collect();
        names.join(", ")
    };
    [
        format!(
            "`{PREFIX}ENDPOINT_2` to `{PREFIX}ENDPOINT_{DESTINATIONS_MAX}` add destinations, each with its own {} under the same number (`{PREFIX}FORMAT_2`), whose defaults are the table's.",
            names(Reach::Own)
        ),
        format!(
            "{} may have the number too, and are the first destination's where they have none.",
            names(Reach::Inherited)
        ),
        "All other options hold for all destinations.".to_owned(),
    ]
}
