//! Several destinations: which there are, which variable tells each of its options, and what its flush thread is told.
//!
//! An option of the second to the fourth destination is the variable with its number behind: `BROOKLET_ENDPOINT_2`.
//! It must not mix two of them: what one is told, its key above all, is no other's.

use super::values::Pair;
use super::{ENDPOINT, Environment, OPTIONS, Opt, PREFIX, Problem, Settings, bulk, vendor};
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
    let others: Vec<(usize, Settings)> = (2..=DESTINATIONS_MAX)
        .filter(|number| exists(environment, *number))
        .map(|number| {
            let settings = super::settings(environment, number, &mut problems);
            (number, settings)
        })
        .collect();
    let has_first = first.endpoint.is_some() || environment.get(ENDPOINT).is_some();
    let alone = |name: &str| {
        let is_first = |option: &Opt| variable(option.name, 1) == name;
        let own = OPTIONS.iter().filter(|option| option.reach == Reach::Own);
        let told = !has_first && !others.is_empty() && own.into_iter().any(is_first);
        told.then(|| format!("means nothing without {ENDPOINT}"))
    };
    let misnamed = environment.names(PREFIX).filter_map(|name| {
        let why = misnamed(environment, name).or_else(|| alone(name))?;
        Some(Problem {
            what: format!("{name} {why}"),
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

/// A text that names the first destination's variables, with those of another one.
#[must_use]
pub fn of_destination(text: &str, destination: usize) -> String {
    let mut parts = text.split(PREFIX);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let (name, behind) = part.split_at(end.unwrap_or(part.len()));
        let number = match reach(name) {
            None | Some(Reach::Environment) => 1,
            Some(Reach::Own | Reach::Inherited) => destination,
        };
        out.push_str(&variable(name, number));
        out.push_str(behind);
    }
    out
}

/// What an option's value holds for, if there is one of this name.
fn reach(name: &str) -> Option<Reach> {
    let option = OPTIONS.iter().find(|option| option.name == name);
    option.map(|option| option.reach)
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

/// The first destination's value of what masks, where a destination's own value has a bad part: a slip of the pen must not unmask what would be masked without the variable.
pub(super) fn protection<'a>(
    environment: &'a Environment,
    option: &Opt,
    own: &str,
    bad_parts: &[String],
) -> Option<&'a str> {
    let first = variable(option.name, 1);
    let inherits = option.name == "REDACT" && own != first && !bad_parts.is_empty();
    environment.get(&first).filter(|_| inherits)
}

/// Whether a destination after the first is there.
fn exists(environment: &Environment, destination: usize) -> bool {
    environment
        .get(&variable("ENDPOINT", destination))
        .is_some()
}

/// What is wrong with a variable's name, if anything.
fn misnamed(environment: &Environment, variable: &str) -> Option<String> {
    const UNKNOWN: &str = "is not an option; see --help";
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
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
    // An empty value is as good as none, as of a deployment that leaves a destination out.
    let means_nothing = environment.get(variable).is_some() && !exists(environment, number);
    let endpoint = self::variable("ENDPOINT", number);
    means_nothing.then(|| format!("means nothing without {endpoint}"))
}

/// What a flush thread is told; `None` without an endpoint.
pub(super) fn flush_options(
    destination: usize,
    settings: Settings,
    identity: &Identity,
    http: http::Options,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<flush::Options> {
    let format = settings.format();
    let process = settings.process(environment);
    let url = settings.endpoint?;
    let mut whole = |given: &str, what: &str| {
        let url = vendor::url(given, format, &settings.encode, identity);
        let index = variable("INDEX", destination);
        bulk::url(&url, format, &settings.encode, (&index, what), problems)
    };
    // What OpenTelemetry's variables name is the whole URL.
    let url = if settings.exact {
        url
    } else {
        whole(&url, "endpoint")
    };
    let fallback = settings.fallback.map(|url| whole(&url, "fallback"));
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
        let same = |(own, _): &Pair| own.eq_ignore_ascii_case(name);
        !settings.headers.iter().any(same)
    });
    headers.extend(settings.headers);
    let gzip = settings.gzip && format.gzip;
    Some(flush::Options {
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
            fallback: fallback.map(|url| send::Options {
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
