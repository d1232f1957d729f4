//! References to secrets among the options: which there are, whose they are, and what becomes of a destination once they are known.
//!
//! Until then something stands in their place that nobody can mistake for the owner's.
//! A secret's value must never be shown: what is wrong with one is said in fixed words.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::lanes::Reach;
use super::{Config, Environment, OPTIONS, Opt, PREFIX, Settings, lanes, values};
use crate::aws::sigv4::encoded;
use crate::flush::{Late, Made};
use crate::http;
use crate::link::Found;
use crate::secrets::{self, MARK, Reference};

/// What a value is where it is used.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A URL.
    Url,
    /// A header's value, or a part of one.
    Text,
    /// Headers, each of which may hold a reference, behind a word or not.
    Headers,
    /// What records are made with.
    Shape(&'static Opt),
}

/// Options of a destination that cannot wait: what is subscribed to, and what records wait in.
const EARLY: [&str; 3] = ["FORMAT", "TYPES", "BUFFER_BYTES"];

/// Variables whose values are URLs.
static URLS: [&str; 5] = [
    "BROOKLET_ENDPOINT",
    "BROOKLET_FALLBACK_ENDPOINT",
    "BROOKLET_PROXY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
];

/// Variables whose values are headers.
static HEADERS: [&str; 3] = [
    "BROOKLET_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
];

/// Variables whose values are keys.
static KEYS: [&str; 5] = [
    "BROOKLET_API_KEY",
    "AXIOM_TOKEN",
    "DD_API_KEY",
    "LIBHONEY_API_KEY",
    "NEW_RELIC_LICENSE_KEY",
];

/// What a value holds that may hold a reference.
const MARKS: [&str; 3] = ["ssm:", "arn:", "arn%"];

/// What the value of a variable is, if it may be a reference.
fn kind(environment: &Environment, name: &str) -> Option<Kind> {
    let numbered = name.rsplit_once('_');
    let numbered = numbered.and_then(|(name, number)| Some((name, number.parse().ok()?)));
    let (name, number) = numbered.unwrap_or((name, 1));
    // The options of a destination that is none are read by nobody.
    if number != 1 && !lanes::exists(environment, number) {
        return None;
    }
    if URLS.contains(&name) {
        return Some(Kind::Url);
    }
    if HEADERS.contains(&name) {
        return Some(Kind::Headers);
    }
    if KEYS.contains(&name) {
        return Some(Kind::Text);
    }
    let name = name.strip_prefix(PREFIX)?;
    let option = OPTIONS.iter().find(|option| option.name == name)?;
    let waits = option.reach != Reach::Environment && !EARLY.contains(&name);
    waits.then_some(Kind::Shape(option))
}

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

/// A reference in a variable.
#[derive(Debug)]
struct Use {
    /// The variable.
    name: String,
    /// What its value is.
    kind: Kind,
    /// The reference.
    reference: Reference,
    /// What stands in its place as long as the secret is not known; nothing where that would be taken for a value.
    placeholder: String,
}

impl Use {
    /// Whether a destination's records are made with it.
    fn is_shape(&self, destination: usize, environment: &Environment) -> bool {
        let Kind::Shape(option) = self.kind else {
            return false;
        };
        let (name, _) = lanes::source(environment, option.name, option.reach, destination);
        // The first destination's masks where there is a slip in what another one's does.
        let is_first = || self.name == lanes::variable(option.name, 1);
        // A secret with a slip in it is refused as a whole.
        let is_plain = environment.get(&name).and_then(reference).is_none();
        let is_protected = is_plain && lanes::is_protected(environment, option, &name);
        name == self.name || (is_protected && is_first())
    }

    /// What a problem says of it, if records are made with it.
    fn told<'a>(&self, problem: &'a str) -> Option<&'a str> {
        let told = problem.strip_prefix(&*self.name);
        told.filter(|_| matches!(self.kind, Kind::Shape(_)))
    }

    /// The value of its variable with the secret in its place.
    fn value(&self, secret: &str, environment: &Environment) -> Result<String, String> {
        let is_header = matches!(self.kind, Kind::Text | Kind::Headers);
        let wrong = if secret.is_empty() {
            "it is empty"
        } else if matches!(self.kind, Kind::Url) && http::usable_url(secret).is_err() {
            "it is no URL that can be called"
        } else if is_header && !http::usable_header("x", secret) {
            "it holds a character that no header can"
        } else if matches!(self.kind, Kind::Headers) {
            let headers = environment.get(&self.name).unwrap_or_default();
            return Ok(headers.replace(&*self.placeholder, &encoded(secret, "")));
        } else {
            return Ok(secret.to_owned());
        };
        Err(format!("{}: {wrong}", self.reference.text()))
    }
}

/// The references among the options, each time that they stand there.
#[derive(Debug)]
pub(super) struct References(Vec<Use>);

impl References {
    /// Finds them, and puts placeholders in their place.
    pub(super) fn find(environment: &Environment) -> (Self, Cow<'_, Environment>) {
        let (mut uses, mut placed) = (Vec::new(), Cow::Borrowed(environment));
        for (name, value) in environment.all() {
            // Most have none, and the function waits for this.
            if !MARKS.iter().any(|mark| value.contains(mark)) {
                continue;
            }
            let Some(kind) = kind(environment, name) else {
                continue;
            };
            let mut whole = String::new();
            let is_list = matches!(kind, Kind::Headers);
            let parts = if is_list { usize::MAX } else { 1 };
            for (at, part) in value.splitn(parts, ',').enumerate() {
                if at > 0 {
                    whole.push(',');
                }
                let Some((before, reference)) = split(part, kind) else {
                    whole.push_str(part);
                    continue;
                };
                let mut placeholder = String::new();
                if !matches!(kind, Kind::Shape(_)) {
                    // The end keeps 1 from being found in 11.
                    placeholder = format!("{PLACEHOLDER}{}x", uses.len());
                }
                whole.push_str(&before);
                whole.push_str(&placeholder);
                uses.push(Use {
                    name: name.to_owned(),
                    kind,
                    reference,
                    placeholder,
                });
            }
            placed.to_mut().replace(name, whole);
        }
        (Self(uses), placed)
    }

    /// The variables that a destination's records are made with and whose values are secrets.
    pub(super) fn shapes(&self, destination: usize, environment: &Environment) -> Vec<String> {
        let mut names = Vec::new();
        for one in &self.0 {
            if one.is_shape(destination, environment) {
                names.push(one.name.clone());
            }
        }
        names
    }

    /// Whether a problem is only that an option whose value is a secret seems not to be set.
    pub(super) fn is_missed(&self, problem: &str) -> bool {
        let mut told = self.0.iter().filter_map(|one| one.told(problem));
        told.any(|told| told.starts_with(" is not set"))
    }

    /// Keeps back what lanes cannot have yet, and says how it is made.
    pub(super) fn keep_all_back(
        &self,
        config: &mut Config,
        max_age: Duration,
        environment: &Environment,
    ) {
        if self.0.is_empty() {
            return;
        }
        for lane in &mut config.lanes {
            let options = &mut lane.flush.lane;
            let to = &options.destination;
            let fallback = options.fallback.as_ref();
            let fallback = fallback.map_or("", |it| &it.destination.url);
            let proxy = to.http.proxy.as_deref().unwrap_or_default();
            // The fallback's too; headers are the destination's alone.
            let is_fallback_secret = is_secret(fallback) || is_secret(proxy);
            let mut texts = [&*to.url, fallback, proxy].concat();
            for (_, value) in &to.headers {
                texts.push_str(value);
            }
            let (Self(mut needed), placed) = Self::find(environment);
            let mut shapes = false;
            needed.retain(|one| {
                let is_shape = one.is_shape(lane.destination, environment);
                let is_sent = !one.placeholder.is_empty() && texts.contains(&one.placeholder);
                let needs = is_shape || is_sent;
                shapes |= is_shape;
                if needs && !config.references.contains(&one.reference) {
                    config.references.push(one.reference.clone());
                }
                needs
            });
            if needed.is_empty() {
                continue;
            }
            if is_fallback_secret {
                options.fallback = None;
            }
            let maker = Maker {
                needed,
                destination: lane.destination,
                format: options.format.name,
                environment: placed.into_owned(),
            };
            options.late = Some(Late {
                max_age,
                shapes,
                make: Box::new(move |found| maker.make(found)),
            });
        }
    }
}

/// What stands before a reference, and the reference, in a value or in one of several headers; `None` if there is none.
fn split(part: &str, kind: Kind) -> Option<(String, Reference)> {
    let before = match kind {
        Kind::Headers => {
            let (name, value) = values::pair(part.trim())?;
            let (word, last) = value.rsplit_once(' ').unwrap_or(("", &value));
            let space = if word.is_empty() { "" } else { "%20" };
            let before = [&*name, "=", &encoded(word, ""), space].concat();
            return Some((before, reference(last)?));
        }
        Kind::Url => "http://",
        Kind::Text | Kind::Shape(_) => "",
    };
    Some((before.to_owned(), reference(part)?))
}

/// Makes what depends on secrets.
struct Maker {
    /// The references whose secrets must have been found.
    needed: Vec<Use>,
    /// The destination's number.
    destination: usize,
    /// The format that records wait in.
    format: &'static str,
    /// The variables with placeholders; another destination's stay.
    environment: Environment,
}

impl Maker {
    /// Reads the options again, with the secrets in their places.
    fn make(&self, found: &Found) -> Result<Box<Made>, String> {
        let (mut environment, mut hidden) = (self.environment.clone(), Vec::new());
        for one in &self.needed {
            let secret = found.value(one.reference.text())?.trim();
            let value = one.value(secret, &environment)?;
            environment.replace(&one.name, value);
            hide(secret, &mut hidden);
        }
        // One secret may begin with another one.
        hidden.sort_unstable_by_key(|part| Reverse(part.len()));
        let (settings, mut problems) = lanes::settings(&environment);
        let mut config = super::build(settings, &environment, &mut problems);
        // What is wrong with a secret is not for everybody's eyes.
        for one in &self.needed {
            let mut told = problems.iter().filter_map(|it| one.told(&it.what));
            if told.any(|told| told.starts_with([' ', ':'])) {
                let name = &one.name;
                return Err(format!("the secret in {name} is none of its values"));
            }
        }
        while let Some(lane) = config.as_mut().ok().and_then(|config| config.lanes.pop()) {
            if lane.destination != self.destination {
                continue;
            }
            let mut flush = lane.flush;
            let format = flush.lane.format.name;
            if format != self.format {
                let option = lanes::variable("FORMAT", self.destination);
                return Err(format!(
                    "the endpoint is a secret, and so {option} must say {format}"
                ));
            }
            if let Some(fallback) = &mut flush.lane.fallback {
                fallback.destination.hidden.extend_from_slice(&hidden);
            }
            flush.lane.destination.hidden.extend_from_slice(&hidden);
            return Ok(Box::new((flush, lane.identity)));
        }
        Err("there is no endpoint any more".to_owned())
    }
}

/// Adds what must not be shown of a secret, the longest first: of a list also its parts and their values, of a URL also the path and its parts, which servers repeat by themselves.
fn hide(secret: &str, hidden: &mut Vec<String>) {
    let mut hide = |part: &str| hidden.push(part.trim().to_owned());
    hide(secret);
    for part in secret.split(',') {
        hide(part);
        let (_, own) = part.split_once('=').unwrap_or_default();
        hide(own);
    }
    if http::usable_url(secret).is_ok() {
        let http::Target { path, .. } = http::Target::of(secret);
        hide(path);
        hide(path.trim_matches('/'));
        path.split('/').for_each(hide);
    }
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
    fn a_vendors_key_goes_to_a_secret_address_that_is_the_vendors_and_to_no_other() {
        let (lane, references, told) = loaded(&[
            ("BROOKLET_ENDPOINT_2", "ssm:/address"),
            ("BROOKLET_FORMAT_2", "datadog"),
            ("DD_API_KEY", "ssm:/key"),
        ]);
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(references, ["ssm:/address", "ssm:/key"]);
        for (address, expected) in [
            ("https://http-intake.logs.datadoghq.com", Some("gold")),
            ("https://h/x", None),
        ] {
            let values = [("ssm:/address", address), ("ssm:/key", "gold")];
            let (made, _) = made(&lane, &values).expect("all are there");
            let mut headers = made.lane.destination.headers.iter();
            let key = headers.find(|(name, _)| name == "dd-api-key");
            assert_eq!(key.map(|(_, key)| key.as_str()), expected, "{address}");
        }
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
        let hidden = [
            "x=%41,y", "x=%41", "%41", "c", "c", "k", "k", "y", "", "", "",
        ];
        let (_, told) = to.hidden.split_at(to.hidden.len() - hidden.len());
        let lengths = |texts: &[String]| texts.iter().map(String::len).collect::<Vec<_>>();
        assert_eq!(lengths(told), hidden.map(str::len), "the longest first");
        let mut told = told.to_vec();
        told.sort_by_key(|text| (Reverse(text.len()), text.clone()));
        assert_eq!(told, hidden);
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
