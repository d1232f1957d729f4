//! References to secrets among the options: which there are, whose they are, and what becomes of a destination once they are known.
//!
//! Until then something stands in their place that nobody can mistake for the owner's.
//! A secret's value must never be shown: what is wrong with one is said in fixed words.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::lanes::Reach;
use super::{Config, Environment, Lane, OPTIONS, Opt, PREFIX, Settings, Show, lanes, values};
use crate::aws::sigv4::encoded;
use crate::diag::DESTINATIONS_MAX;
use crate::flush::{Late, Made};
use crate::http;
use crate::link::Found;
use crate::secrets::{self, MARK, Reference};
use crate::send;

/// What a value is where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A URL.
    Url,
    /// A header's value, or a part of one.
    Text,
    /// Headers, each of which may hold a reference, behind a word or not.
    Headers,
    /// What records are made with.
    Shape,
}

/// Options of a destination that cannot wait: what is subscribed to, and what records wait in.
const EARLY: [&str; 3] = ["FORMAT", "TYPES", "BUFFER_BYTES"];

/// What the values of an option are, if they may be references: every option of a destination, and of those of the whole program the proxy.
fn kind(option: &Opt) -> Option<Kind> {
    match option.name {
        "PROXY" => Some(Kind::Url),
        name if option.reach == Reach::Environment || EARLY.contains(&name) => None,
        "API_KEY" => Some(Kind::Text),
        "HEADERS" => Some(Kind::Headers),
        _ if option.show == Show::Address => Some(Kind::Url),
        _ => Some(Kind::Shape),
    }
}

/// Variables of others that may be.
const OTHERS: [(&str, Kind); 8] = [
    ("AXIOM_TOKEN", Kind::Text),
    ("DD_API_KEY", Kind::Text),
    ("LIBHONEY_API_KEY", Kind::Text),
    ("NEW_RELIC_LICENSE_KEY", Kind::Text),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", Kind::Url),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", Kind::Url),
    ("OTEL_EXPORTER_OTLP_HEADERS", Kind::Headers),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", Kind::Headers),
];

/// What a value holds that may hold a reference.
const MARKS: [&str; 3] = ["ssm:", "arn:", "arn%"];

/// What a placeholder begins with.
const PLACEHOLDER: &str = "brooklet-secret-";

/// The reference that a value is, if it is one.
pub(super) fn reference(value: &str) -> Option<Reference> {
    Reference::read(value.strip_prefix(MARK).unwrap_or(value))
}

/// Whether a URL is only known once its secret is.
#[must_use]
pub fn is_secret(url: &str) -> bool {
    url.contains(PLACEHOLDER)
}

/// How secrets are fetched; problems are the extension's to tell.
#[must_use]
pub fn secrets(environment: &Environment) -> Arc<secrets::Options> {
    let unheard = &mut Vec::new();
    let settings = super::settings(environment, 1, unheard);
    let ca_file = settings.ca_file.as_deref();
    let ca_pem = ca_file.and_then(|path| super::certificates(path, unheard));
    options(&settings, ca_pem, environment)
}

/// How secrets are fetched, with the certificates that were read.
pub(super) fn options(
    settings: &Settings,
    ca_pem: Option<Vec<u8>>,
    environment: &Environment,
) -> Arc<secrets::Options> {
    Arc::new(secrets::Options {
        aws: super::aws(environment),
        // The proxy is the destinations'.
        http: http::Options {
            proxy: None,
            ca_pem,
        },
        budget: settings.secrets_budget,
    })
}

/// The references among the options.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    /// Each once.
    all: Vec<Reference>,
    /// The variables whose values records are made with, and where theirs stands among all.
    shapes: Vec<(String, usize)>,
}

impl References {
    /// Finds them, and puts placeholders in their place.
    pub(super) fn find(environment: &Environment) -> (Self, Cow<'_, Environment>) {
        let mut found = Self::default();
        let rewritten = rewrite(environment, &mut |reference, kind, name| {
            let at = found.all.iter().position(|known| known == reference);
            let at = at.unwrap_or_else(|| {
                found.all.push(reference.clone());
                found.all.len() - 1
            });
            if kind == Kind::Shape {
                found.shapes.push((name.to_owned(), at));
            }
            Ok(placeholder(at, kind))
        });
        // A placeholder is fit for every use.
        let rewritten = rewritten.unwrap_or(Cow::Borrowed(environment));
        (found, rewritten)
    }

    /// The variables that a destination's records are made with and whose values are secrets.
    pub(super) fn shapes(&self, destination: usize, environment: &Environment) -> Vec<String> {
        let mut read = Vec::new();
        for option in OPTIONS.iter().filter(|_| !self.shapes.is_empty()) {
            let (name, _) = lanes::source(environment, option.name, option.reach, destination);
            let is_shape = |name: &str| self.shapes.iter().any(|(known, _)| known == name);
            let first = lanes::variable(option.name, 1);
            let protects = is_shape(&first) && lanes::is_protected(environment, option, &name);
            if is_shape(&name) {
                read.push(name);
            } else if protects {
                read.push(first);
            }
        }
        read
    }

    /// Whether a problem is only that an option whose value is a secret seems not to be set.
    pub(super) fn is_missed(&self, problem: &str) -> bool {
        let mut names = self.shapes.iter().map(|(name, _)| name.as_str());
        names.any(|name| {
            problem
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(" is not set"))
        })
    }

    /// Keeps back what lanes cannot have yet, and says how it is made.
    pub(super) fn keep_all_back(
        &self,
        config: &mut Config,
        max_age: Duration,
        environment: &Environment,
    ) {
        for lane in &mut config.lanes {
            let options = &mut lane.flush.lane;
            let shapes = self.shapes(lane.destination, environment);
            let fallback = options.fallback.as_ref().map(|it| &it.destination);
            let needs = |at: usize| {
                let placeholder = placeholder(at, Kind::Text);
                let is_in = |way: &send::Options| {
                    let proxy = way.http.proxy.as_deref().unwrap_or_default();
                    let of_headers = |(_, value): &(String, String)| value.contains(&placeholder);
                    way.url.contains(&placeholder)
                        || proxy.contains(&placeholder)
                        || way.headers.iter().any(of_headers)
                };
                is_in(&options.destination)
                    || fallback.is_some_and(is_in)
                    || self
                        .shapes
                        .iter()
                        .any(|(name, shape)| *shape == at && shapes.contains(name))
            };
            let mut needed = Vec::new();
            for (at, reference) in self.all.iter().enumerate() {
                if !needs(at) {
                    continue;
                }
                needed.push(reference.clone());
                if !config.references.contains(reference) {
                    config.references.push(reference.clone());
                }
            }
            if needed.is_empty() {
                continue;
            }
            let secret = |way: &send::Options| {
                is_secret(&way.url) || way.http.proxy.as_deref().is_some_and(is_secret)
            };
            options.fallback = options
                .fallback
                .take()
                .filter(|it| !secret(&it.destination));
            let maker = Maker {
                needed,
                shapes,
                destination: lane.destination,
                format: options.format.name,
                environment: environment.clone(),
            };
            options.late = Some(Late {
                max_age,
                shapes: !maker.shapes.is_empty(),
                make: Box::new(move |found| maker.make(found)),
            });
        }
    }
}

/// Makes what depends on secrets.
struct Maker {
    /// The references that must have been found.
    needed: Vec<Reference>,
    /// The variables that records are made with.
    shapes: Vec<String>,
    /// The destination's number.
    destination: usize,
    /// The format that records wait in.
    format: &'static str,
    /// The variables as the owner set them.
    environment: Environment,
}

impl Maker {
    /// Reads the options again, with the secrets in their places.
    fn make(&self, found: &Found) -> Result<Box<Made>, String> {
        let mut hidden = Vec::new();
        for reference in &self.needed {
            hidden.extend(shapes(found.value(reference.text())?.trim()));
        }
        let environment = rewrite(&self.environment, &mut |reference, kind, _| {
            // Another destination's may be missing.
            let needed = self.needed.contains(reference);
            let value = found.value(reference.text()).ok().filter(|_| needed);
            value.map_or_else(
                || Ok(placeholder(0, kind)),
                |value| usable(reference, value.trim(), kind),
            )
        })?;
        let (settings, mut problems) = lanes::settings(&environment);
        let config = super::build(settings, &environment, &mut problems);
        // What is wrong with a secret is not for everybody's eyes.
        let is_wrong = |name: &&String| {
            let mut told = problems
                .iter()
                .filter_map(|problem| problem.what.strip_prefix(&**name));
            told.any(|rest| rest.starts_with([' ', ':']))
        };
        if let Some(name) = self.shapes.iter().find(is_wrong) {
            return Err(format!("the secret in {name} is none of its values"));
        }
        let lanes = config.map_or_else(|_| Vec::new(), |config| config.lanes);
        let mut lanes = lanes.into_iter();
        let Some(Lane {
            mut flush,
            identity,
            ..
        }) = lanes.find(|lane| lane.destination == self.destination)
        else {
            return Err("there is no endpoint any more".to_owned());
        };
        let format = flush.lane.format.name;
        if format != self.format {
            let option = lanes::variable("FORMAT", self.destination);
            return Err(format!(
                "the endpoint is a secret, and so {option} must say {format}"
            ));
        }
        if let Some(fallback) = &mut flush.lane.fallback {
            fallback.destination.hidden.extend(hidden.clone());
        }
        flush.lane.destination.hidden.extend(hidden);
        Ok(Box::new((flush, identity)))
    }
}

/// What must not be shown of a secret, the longest first: of a list also its parts and their values, of a URL also the path and its parts, which servers repeat by themselves.
fn shapes(value: &str) -> Vec<String> {
    let mut shapes = vec![value.to_owned()];
    if value.contains(',') || value.contains('=') {
        for part in value.split(',') {
            shapes.push(part.trim().to_owned());
            if let Some((_, own)) = part.split_once('=') {
                shapes.push(own.trim().to_owned());
            }
        }
    }
    if http::usable_url(value).is_ok() {
        let http::Target { path, .. } = http::Target::of(value);
        shapes.push(path.to_owned());
        shapes.push(path.trim_matches('/').to_owned());
        for part in path.split('/') {
            shapes.push(part.to_owned());
        }
    }
    shapes
}

/// What must not be shown of a URL's user, the longest first: user and password, as they are sent, and the password alone.
pub(super) fn user(url: &str) -> Vec<String> {
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

/// What stands in a reference's place as long as its secret is not known; nothing where that would be taken for a value.
fn placeholder(at: usize, kind: Kind) -> String {
    let scheme = match kind {
        Kind::Url => "http://",
        Kind::Text | Kind::Headers => "",
        Kind::Shape => return String::new(),
    };
    // The end keeps 1 from being found in 11.
    format!("{scheme}{PLACEHOLDER}{at}x")
}

/// A secret as it can be used, or what is wrong with it.
fn usable(reference: &Reference, value: &str, kind: Kind) -> Result<String, String> {
    let wrong = if value.is_empty() {
        "it is empty"
    } else if kind == Kind::Url && http::usable_url(value).is_err() {
        "it is no URL that can be called"
    } else if matches!(kind, Kind::Text | Kind::Headers) && !http::usable_header("x", value) {
        "it holds a character that no header can"
    } else {
        return Ok(value.to_owned());
    };
    Err(format!("{}: {wrong}", reference.text()))
}

/// What a reference becomes in a variable.
type Becomes<'a> = dyn FnMut(&Reference, Kind, &str) -> Result<String, String> + 'a;

/// Puts a value in the place of each reference.
fn rewrite<'a>(
    environment: &'a Environment,
    value_of: &mut Becomes<'_>,
) -> Result<Cow<'a, Environment>, String> {
    let mut rewritten = Cow::Borrowed(environment);
    // Most have none, and the function waits for this.
    if !environment.holds(&MARKS) {
        return Ok(rewritten);
    }
    let mut rewrite = |name: &str, kind| {
        let Some(given) = environment.get(name) else {
            return Ok(());
        };
        let value = if kind == Kind::Headers {
            headers(given, &mut |reference| value_of(reference, kind, name))?
        } else {
            match reference(given) {
                Some(reference) => Some(value_of(&reference, kind, name)?),
                None => None,
            }
        };
        if let Some(value) = value {
            rewritten.to_mut().replace(name, value);
        }
        Ok::<(), String>(())
    };
    for option in OPTIONS {
        if let Some(kind) = kind(option) {
            // The others' options are read by nobody.
            let known = |number: &usize| *number == 1 || lanes::exists(environment, *number);
            for number in (1..=DESTINATIONS_MAX).filter(known) {
                rewrite(&lanes::variable(option.name, number), kind)?;
            }
        }
    }
    for (name, kind) in OTHERS {
        rewrite(name, kind)?;
    }
    Ok(rewritten)
}

/// Headers with a value in the place of each reference; `None` if they hold none.
fn headers(
    given: &str,
    value_of: &mut dyn FnMut(&Reference) -> Result<String, String>,
) -> Result<Option<String>, String> {
    if !MARKS.iter().any(|mark| given.contains(mark)) {
        return Ok(None);
    }
    let (mut parts, mut any) = (Vec::new(), false);
    for part in given.split(',') {
        let (pairs, _) = values::pairs(part);
        let held = pairs.first().and_then(|(name, value)| {
            let (word, last) = value.rsplit_once(' ').unwrap_or(("", value));
            Some((name, word, reference(last)?))
        });
        let Some((name, word, reference)) = held else {
            parts.push(part.to_owned());
            continue;
        };
        any = true;
        let value = value_of(&reference)?;
        let space = if word.is_empty() { "" } else { " " };
        let whole = encoded(&[word, space, &value].concat(), "");
        parts.push([name, "=", &whole].concat());
    }
    Ok(any.then(|| parts.join(",")))
}

/// What is wrong with a reference in an option that cannot be one.
pub(super) fn misplaced(value: &str) -> Option<String> {
    reference(value)?;
    let early = EARLY.join(", ");
    Some(format!(
        "it is needed before secrets are there; the options of a destination can be references, but for {early}, and {PREFIX}PROXY"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flush::LaneOptions;

    const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-AbCdEf";

    /// The first lane of these variables, and the references of all.
    fn loaded(variables: &[(&str, &str)]) -> (LaneOptions, Vec<String>, Vec<String>) {
        let (config, problems) = super::super::load(&Environment::of(variables));
        let mut config = config.expect("usable");
        let texts = config.references.iter().map(|it| it.text().to_owned());
        let (texts, told) = (texts.collect(), problems.iter().map(ToString::to_string));
        (config.lanes.remove(0).flush.lane, texts, told.collect())
    }

    fn found(values: &[(&str, &str)]) -> Found {
        let owned = |(text, value): &(&str, &str)| ((*text).to_owned(), Ok((*value).to_owned()));
        Found {
            number: 1,
            values: values.iter().map(owned).collect(),
        }
    }

    /// What a lane becomes, or why it does not.
    fn made(lane: &LaneOptions, values: &[(&str, &str)]) -> Result<Made, String> {
        let late = lane.late.as_ref().expect("it needs secrets");
        (late.make)(&found(values)).map(|made| *made)
    }

    #[test]
    fn without_references_nothing_is_kept_back() {
        let (lane, references, told) = loaded(&[
            ("BROOKLET_ENDPOINT", "https://h"),
            ("BROOKLET_API_KEY", "key"),
            ("BROOKLET_HEADERS", "x=arn:aws:s3:::bucket"),
        ]);
        assert!(lane.late.is_none() && references.is_empty() && told.is_empty());
    }

    #[test]
    fn each_part_gets_its_own_value() {
        let headers = format!("a=1%2C2,b=Token%20{SECRET}#k%2Cl,c=ssm:/c");
        let (lane, references, told) = loaded(&[
            ("BROOKLET_ENDPOINT", "https://h/x"),
            ("BROOKLET_API_KEY", "secret:ssm:/key"),
            ("BROOKLET_HEADERS", &headers),
            ("BROOKLET_FALLBACK_ENDPOINT", "https://f"),
        ]);
        assert!(told.is_empty() && lane.fallback.is_some(), "{told:?}");
        let key = format!("{SECRET}#k,l");
        assert_eq!(references, ["ssm:/key", &key, "ssm:/c"]);
        let values = [("ssm:/key", "k\n"), (&key, "x=%41,y"), ("ssm:/c", " c ")];
        let (made, _) = made(&lane, &values).expect("all are there");
        let (to, fallback) = (made.lane.destination, made.lane.fallback);
        let header = |name: &str| {
            let found = to.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("a", "1,2"),
            ("b", "Token x=%41,y"),
            ("c", "c"),
        ] {
            assert_eq!(header(name), Some(value), "{name}");
        }
        assert_eq!(to.url, "https://h/x");
        let hidden = ["k", "x=%41,y", "x=%41", "%41", "y", "c"];
        assert!(to.hidden.ends_with(&hidden.map(str::to_owned)));
        let fallback = fallback.expect("it is still there").destination;
        assert_eq!(fallback.hidden, to.hidden);
        assert!(
            fallback
                .headers
                .iter()
                .all(|(name, _)| name == "content-type")
        );
    }

    #[test]
    fn addresses_are_kept_back_until_they_are_known() {
        let (lane, references, told) = loaded(&[
            ("BROOKLET_ENDPOINT", "ssm:/url"),
            ("BROOKLET_FALLBACK_ENDPOINT", "ssm:/other"),
            ("BROOKLET_PROXY", "ssm:/proxy"),
        ]);
        assert!(
            told.is_empty() && is_secret(&lane.destination.url),
            "{told:?}"
        );
        assert!(lane.fallback.is_none());
        assert_eq!(references.len(), 3);
        let good = [
            ("ssm:/url", "https://u:p@h/hook?t=1"),
            ("ssm:/other", "http://f"),
            ("ssm:/proxy", "http://p:3128"),
        ];
        let (flush, _) = made(&lane, &good).expect("all are there");
        let (to, fallback) = (flush.lane.destination, flush.lane.fallback);
        assert_eq!(to.url, "https://u:p@h/hook?t=1");
        assert_eq!(to.http.proxy.as_deref(), Some("http://p:3128"));
        assert_eq!(
            fallback.map(|it| it.destination.url).as_deref(),
            Some("http://f")
        );
        for (bad, why) in [
            ("gold", "ssm:/url: it is no URL that can be called"),
            ("gold:pass@h", "ssm:/url: it is no URL that can be called"),
            ("s3://gold", "ssm:/url: it is no URL that can be called"),
            (" \n", "ssm:/url: it is empty"),
            (
                "https://http-intake.logs.datadoghq.eu",
                "the endpoint is a secret, and so BROOKLET_FORMAT must say datadog",
            ),
        ] {
            let values = [("ssm:/url", bad), good[1], good[2]];
            let told = made(&lane, &values).map(|_| ());
            assert_eq!(told, Err(why.to_owned()), "{bad}");
        }
        let told = made(&lane, &good[..2]).map(|_| ());
        assert_eq!(told, Err("ssm:/proxy: it could not be fetched".to_owned()));
    }

    #[test]
    fn a_destination_needs_its_own_secrets_alone() {
        let variables = [
            ("BROOKLET_ENDPOINT", "http://one"),
            ("BROOKLET_API_KEY", "ssm:/one"),
            ("BROOKLET_ENDPOINT_2", "http://two"),
            ("BROOKLET_API_KEY_2", "ssm:/two"),
            ("BROOKLET_API_KEY_3", "ssm:/nobody"),
        ];
        let (config, _) = super::super::load(&Environment::of(&variables));
        let config = config.expect("usable");
        assert_eq!(config.references.len(), 2, "there is no third");
        for (lane, text) in config.lanes.iter().zip(["ssm:/one", "ssm:/two"]) {
            let lane = &lane.flush.lane;
            assert!(made(lane, &[(text, "x")]).is_ok());
            assert!(made(lane, &[("ssm:/nobody", "x")]).is_err());
        }
    }

    #[test]
    fn what_records_are_made_with_may_be_references() {
        let (config, told) = super::super::load(&Environment::of(&[
            ("BROOKLET_ENDPOINT", "http://one"),
            ("BROOKLET_TAGS", "ssm:/tags"),
            ("BROOKLET_MIN_LEVEL", "ssm:/level"),
            ("BROOKLET_BATCH_RECORDS", "ssm:/records"),
            ("BROOKLET_ENDPOINT_2", "http://two"),
            ("BROOKLET_TAGS_2", "own=1"),
            ("BROOKLET_ENDPOINT_4", "http://four"),
        ]));
        assert_eq!(told, []);
        let mut config = config.expect("usable");
        let mut lanes = config.lanes.drain(..).map(|lane| lane.flush.lane);
        let (first, second, fourth) = (lanes.next(), lanes.next(), lanes.next());
        assert!(second.is_some_and(|lane| lane.late.is_none()));
        // It has the first one's tags.
        let fourth = fourth.expect("it is there");
        let (_, identity) = made(&fourth, &[("ssm:/tags", "a=1")]).expect("its only secret");
        assert_eq!(identity.tags, [("a".to_owned(), "1".to_owned())]);
        let first = first.expect("it is there");
        assert!(first.late.as_ref().is_some_and(|late| late.shapes));
        let good = [
            ("ssm:/tags", "team=boats,of=gold"),
            ("ssm:/level", "warn"),
            ("ssm:/records", "7"),
        ];
        let (flush, identity) = made(&first, &good).expect("all are there");
        assert_eq!(flush.lane.batch_records, 7);
        assert!(flush.process.select.min_level.is_some());
        assert_eq!(identity.tags.len(), 2);
        let bad = [good[0], ("ssm:/level", "gold"), good[2]];
        let told = made(&first, &bad).map(|_| ());
        let why = "the secret in BROOKLET_MIN_LEVEL is none of its values";
        assert_eq!(told, Err(why.to_owned()));
    }

    #[test]
    fn an_option_that_cannot_be_a_reference_says_so() {
        let (lane, _, told) = loaded(&[
            ("BROOKLET_ENDPOINT", "http://h"),
            ("BROOKLET_TYPES", "ssm:/types"),
        ]);
        assert!(lane.late.is_none());
        assert_eq!(
            told,
            [
                "BROOKLET_TYPES is \"ssm:/types\": it is needed before secrets are there; the options of a destination can be references, but for FORMAT, TYPES, BUFFER_BYTES, and BROOKLET_PROXY; taken instead: platform,function"
            ]
        );
    }
}
