//! Several destinations: which there are, which variable tells each of its options, and what its flush thread is told.
//!
//! An option of the second to the fourth destination is the variable with its number behind: `BROOKLET_ENDPOINT_2`.
//! It must not mix two of them: what one is told, its key above all, is no other's.

use super::values::Pair;
use super::{
    ENDPOINT, Environment, OPTIONS, Opt, PREFIX, Problem, Settings, bulk, nearest, place, values,
    vendor,
};
use crate::aws;
use crate::diag::DESTINATIONS_MAX;
use crate::encode::{self, Format};
use crate::flush::{self, Fallback, LaneOptions};
use crate::http;
use crate::process::{Identity, Redact};
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
    let mut others = Vec::new();
    for number in 2..=DESTINATIONS_MAX {
        if exists(environment, number) {
            let settings = super::settings(environment, number, &mut problems);
            others.push((number, settings));
        }
    }
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

/// Whether a destination's own value needs that [protection], whatever the first destination's value is.
pub(super) fn is_protected(environment: &Environment, option: &Opt, own: &str) -> bool {
    let value = environment.get(own).filter(|_| option.name == "REDACT");
    value.is_some_and(|value| !Redact::parse(value).1.is_empty())
}

/// Whether a destination after the first is there.
pub(super) fn exists(environment: &Environment, destination: usize) -> bool {
    environment
        .get(&variable("ENDPOINT", destination))
        .is_some()
}

/// What is wrong with a variable's name, if anything.
fn misnamed(environment: &Environment, variable: &str) -> Option<String> {
    let unknown = |name| Some(format!("is not an option{}; see --help", meant(name)));
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
    // The wrapper's: what stands behind it is the owner's.
    if name.starts_with("RUNTIME_ENV_") {
        return None;
    }
    if reach(name).is_some() {
        return None;
    }
    let Some((option, number)) = name.rsplit_once('_') else {
        return unknown(name);
    };
    let (Some(reach), Ok(number)) = (reach(option), number.parse::<usize>()) else {
        return unknown(name);
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

/// The variable that was probably meant by one that is none, as a question; empty if none is near.
fn meant(name: &str) -> String {
    let (word, number) = match name.char_indices().next_back() {
        Some((at, last)) if last.is_ascii_digit() => {
            let word = name.get(..at).unwrap_or_default().trim_end_matches('_');
            (word, name.get(at..).and_then(|digit| digit.parse().ok()))
        }
        _ => (name, None),
    };
    let names: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
    let Some(option) = nearest::nearest(word, &names) else {
        return String::new();
    };
    let number = number.filter(|number| {
        (1..=DESTINATIONS_MAX).contains(number) && reach(option) != Some(Reach::Environment)
    });
    let meant = variable(option, number.unwrap_or(1));
    format!(" (did you mean {meant}?)")
}

/// What a flush thread is told; `None` without an endpoint.
pub(super) fn flush_options(
    destination: usize,
    settings: Settings,
    identity: &Identity,
    http: http::Options,
    aws: &aws::Options,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<flush::Options> {
    let format = settings.format();
    let given = settings.endpoint.clone()?;
    let mut encode = settings.encode.clone();
    let whole = |given: &str, what: &str, encode: &_, problems: &mut _| {
        let url = vendor::url(given, format, encode, identity);
        let index = variable("INDEX", destination);
        bulk::url(&url, format, encode, (&index, what), problems)
    };
    let gzip = settings.gzip.unwrap_or(true);
    let mut to = called(&given, format, &settings.success, http);
    to.method = settings.method;
    to.gzip = gzip && format.gzip;
    if format.scheme {
        let endpoint = variable("ENDPOINT", destination);
        encode.gzip_inside = settings.gzip == Some(true) && !format.gzip;
        encode.place = match place::call(&given, format, &mut to, aws, environment) {
            Ok(names) => names,
            Err(why) => {
                let given = http::shown_url(&given);
                problems.push(Problem::of(format!("{endpoint} is {given:?}: {why}")));
                return None;
            }
        };
        for (name, is_set) in [
            ("FORMAT", settings.format.is_some()),
            ("API_KEY", settings.api_key.is_some()),
        ] {
            if is_set {
                let name = variable(name, destination);
                problems.push(Problem::of(format!(
                    "{name} means nothing where {endpoint} is a place in AWS"
                )));
            }
        }
    } else {
        // What OpenTelemetry's variables name is the whole URL.
        if !settings.exact {
            to.url = whole(&given, "endpoint", &encode, problems);
        }
        to.headers.extend(key(&settings, format));
    }
    let has_key = to.headers.len() > 1;
    for (name, value) in format.headers {
        to.headers.push(http::header(name, value));
    }
    // The owner's own headers win over ours, but for those that a signature is made of.
    let ours = |name: &str| format.scheme && place::is_of_signature(name);
    let own = &settings.headers;
    let is = |name: &str| own.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    to.headers.retain(|(name, _)| ours(name) || !is(name));
    if !format.scheme && !has_key && !is("authorization") {
        to.aws = place::signed(&to.url, aws);
    }
    for (name, value) in own {
        if ours(name) {
            let headers = variable("HEADERS", destination);
            problems.push(Problem::of(format!(
                "{headers}: {name} is the signature's where the endpoint is a place in AWS"
            )));
        } else {
            to.headers.push((name.clone(), value.clone()));
        }
    }
    let fallback = settings.fallback.as_deref().and_then(|url| {
        let same = !format.scheme && encode::of_scheme(url).is_none();
        let whole = same.then(|| whole(url, "fallback", &encode, problems));
        let url = whole.as_deref().unwrap_or(url);
        let fallback = fallback(url, format, &encode, &to, gzip, aws, environment);
        if let Err(why) = &fallback {
            let name = variable("FALLBACK_ENDPOINT", destination);
            let url = http::shown_url(url);
            problems.push(Problem::of(format!("{name} is {url:?}: {why}")));
        }
        fallback.ok()
    });
    let batch_bytes = settings.batch_bytes.unwrap_or(format.batch_bytes);
    Some(flush::Options {
        strategy: settings.strategy,
        budget: settings.budget,
        process: settings.process(environment),
        snapshot: environment.is_snapshot(),
        lane: LaneOptions {
            format,
            encode,
            // What a service of AWS takes at once is no matter of taste.
            batch_bytes: if format.scheme {
                batch_bytes.min(format.batch_bytes)
            } else {
                batch_bytes
            },
            batch_records: settings.batch_records.unwrap_or(format.batch_records),
            buffer_bytes: settings.buffer_bytes,
            late: None,
            fallback,
            destination: to,
        },
    })
}

/// What is told of every destination and fallback.
fn called(url: &str, format: &Format, success: &[u16], http: http::Options) -> send::Options {
    send::Options {
        url: url.to_owned(),
        headers: vec![http::header("content-type", format.content_type)],
        reader: send::reader(format.name),
        success: success.to_vec(),
        method: http::Verb::Post,
        gzip: false,
        hidden: user(url),
        aws: None,
        http,
    }
}

/// What must not be shown of a URL's user, the longest first: user and password, as they are sent, and the password alone.
fn user(url: &str) -> Vec<String> {
    let authority = url.split('/').nth(2).unwrap_or_default();
    let (user, _) = authority.rsplit_once('@').unwrap_or_default();
    let decoded = values::percent_decoded(user).unwrap_or_default();
    let mut hidden = Vec::new();
    for user in [user, &decoded] {
        let (_, password) = user.split_once(':').unwrap_or_default();
        let sent = http::basic(user).split_off("Basic ".len());
        for part in [&*sent, user, password] {
            hidden.push(part.to_owned());
        }
    }
    hidden
}

/// The header with the owner's key, if there is one.
fn key(settings: &Settings, format: &Format) -> Option<Pair> {
    let key = settings.api_key.as_ref()?;
    let (name, before) = match &settings.key_header {
        Some((name, before)) => (name.as_str(), before.as_str()),
        None => format.key_header,
    };
    let basic = format.basic && settings.key_header.is_none() && key.contains(':');
    let value = if basic {
        http::basic(key)
    } else {
        format!("{before}{key}")
    };
    Some((name.to_owned(), value))
}

/// What is told of a fallback: neither the key nor the owner's headers, which are the destination's.
fn fallback(
    url: &str,
    format: &'static Format,
    encode: &encode::Options,
    destination: &send::Options,
    gzip: bool,
    aws: &aws::Options,
    environment: &Environment,
) -> Result<Fallback, String> {
    let scheme = encode::of_scheme(url);
    let is_bucket = scheme.is_some_and(|scheme| scheme.name == encode::BUCKET.name);
    let format = match scheme {
        Some(same) if same.name == format.name => same,
        Some(_) if !is_bucket => {
            return Err("it must be http(s)://, s3:// or of the same kind as the endpoint".into());
        }
        _ => encode::unwrapped(format),
    };
    let gzip = destination.gzip || (gzip && is_bucket);
    let mut encode = encode.clone();
    let http = destination.http.clone();
    let mut to = called(url, format, &destination.success, http);
    to.method = destination.method;
    to.gzip = gzip;
    match scheme {
        Some(scheme) => encode.place = place::call(url, scheme, &mut to, aws, environment)?,
        // A method of the destination's own is no wish of the owner's.
        None if destination.aws.is_some() => to.method = http::Verb::Post,
        None => {}
    }
    Ok(Fallback {
        format,
        encode,
        destination: to,
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
