//! References to secrets among the options: which there are, whose they are, and what becomes of a destination once they are known.
//!
//! Until then something stands in their place that nobody can mistake for the owner's.
//! A secret's value must never be shown: what is wrong with one is said in fixed words.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, Environment, PREFIX, Settings, lanes, values};
use crate::aws::sigv4::encoded;
use crate::diag::DESTINATIONS_MAX;
use crate::flush::{LaneOptions, Late, Ways};
use crate::http;
use crate::link::Found;
use crate::process::Identity;
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
}

/// Options that may be references: those that say where records go and with what key.
const OPTIONS: [(&str, Kind); 4] = [
    ("ENDPOINT", Kind::Url),
    ("FALLBACK_ENDPOINT", Kind::Url),
    ("API_KEY", Kind::Text),
    ("HEADERS", Kind::Headers),
];

/// Other variables that may be.
const OTHERS: [(&str, Kind); 6] = [
    ("BROOKLET_PROXY", Kind::Url),
    ("DD_API_KEY", Kind::Text),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", Kind::Url),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", Kind::Url),
    ("OTEL_EXPORTER_OTLP_HEADERS", Kind::Headers),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", Kind::Headers),
];

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
pub fn secrets(environment: &Environment) -> secrets::Options {
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
) -> secrets::Options {
    secrets::Options {
        aws: super::aws(environment),
        // The proxy is the destinations'.
        http: http::Options {
            proxy: None,
            ca_pem,
        },
        budget: settings.secrets_budget,
    }
}

/// The references among the options.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    /// Each once.
    pub(super) all: Vec<Reference>,
}

impl References {
    /// Finds them, and puts placeholders in their place.
    pub(super) fn find(environment: &Environment) -> (Self, Cow<'_, Environment>) {
        let mut found = Self::default();
        let rewritten = rewrite(environment, &mut |reference, kind| {
            let at = found.all.iter().position(|known| known == reference);
            let at = at.unwrap_or_else(|| {
                found.all.push(reference.clone());
                found.all.len() - 1
            });
            Ok(placeholder(at, kind))
        });
        // A placeholder is fit for every use.
        let rewritten = rewritten.unwrap_or(Cow::Borrowed(environment));
        (found, rewritten)
    }

    /// The references that a lane needs.
    fn of(&self, lane: &LaneOptions) -> Vec<Reference> {
        let fallback = lane.fallback.as_ref().map(|it| &it.destination);
        let ways = [Some(&lane.destination), fallback];
        let texts: Vec<&str> = ways
            .into_iter()
            .flatten()
            .flat_map(|way| {
                let headers = way.headers.iter().map(|(_, value)| value.as_str());
                let proxy = way.http.proxy.as_deref();
                headers.chain([&*way.url]).chain(proxy)
            })
            .collect();
        let needed = self.all.iter().enumerate().filter(|(at, _)| {
            let placeholder = placeholder(*at, Kind::Text);
            texts.iter().any(|text| text.contains(&placeholder))
        });
        needed.map(|(_, reference)| reference.clone()).collect()
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
            let needed = self.of(options);
            if needed.is_empty() {
                continue;
            }
            for reference in &needed {
                if !config.references.contains(reference) {
                    config.references.push(reference.clone());
                }
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
                destination: lane.destination,
                format: options.format.name,
                environment: environment.clone(),
                identity: lane.identity.clone(),
                ca_pem: options.destination.http.ca_pem.clone(),
            };
            options.late = Some(Late {
                make: Arc::new(move |found| maker.make(found)),
                max_age,
            });
        }
    }
}

/// Makes what depends on secrets.
struct Maker {
    /// The references that must have been found.
    needed: Vec<Reference>,
    /// The destination's number.
    destination: usize,
    /// The format that records wait in.
    format: &'static str,
    /// The variables as the owner set them.
    environment: Environment,
    /// Who logs.
    identity: Identity,
    /// Certificates, which are read already.
    ca_pem: Option<Vec<u8>>,
}

impl Maker {
    /// Reads the options again, with the secrets in their places.
    fn make(&self, found: &Found) -> Result<Ways, String> {
        let mut hidden = Vec::new();
        for reference in &self.needed {
            hidden.extend(shapes(found.value(reference.text())?.trim()));
        }
        let environment = rewrite(&self.environment, &mut |reference, kind| {
            // Another destination's may be missing.
            let needed = self.needed.contains(reference);
            let value = found.value(reference.text()).ok().filter(|_| needed);
            value.map_or_else(
                || Ok(placeholder(0, kind)),
                |value| usable(reference, value.trim(), kind),
            )
        })?;
        let unheard = &mut Vec::new();
        let settings = super::settings(&environment, self.destination, unheard);
        let format = settings.format().name;
        if format != self.format {
            let option = lanes::variable("FORMAT", self.destination);
            return Err(format!(
                "the endpoint is a secret, and so {option} must say {format}"
            ));
        }
        let http = http::Options {
            proxy: settings.proxy.clone(),
            ca_pem: self.ca_pem.clone(),
        };
        let options = lanes::flush_options(
            self.destination,
            settings,
            &self.identity,
            http,
            &environment,
            unheard,
        );
        let Some(options) = options else {
            return Err("there is no endpoint any more".to_owned());
        };
        let (mut destination, mut fallback) = (options.lane.destination, options.lane.fallback);
        if let Some(fallback) = &mut fallback {
            fallback.destination.hidden.clone_from(&hidden);
        }
        destination.hidden = hidden;
        Ok((destination, fallback))
    }
}

/// What must not be shown of a secret, the longest first: of a URL also the path and its parts, which servers repeat by themselves.
fn shapes(value: &str) -> Vec<String> {
    let mut shapes = vec![value.to_owned()];
    if http::usable_url(value).is_ok() {
        let http::Target { path, .. } = http::Target::of(value);
        shapes.extend([path, path.trim_matches('/')].map(ToOwned::to_owned));
        shapes.extend(path.split('/').map(ToOwned::to_owned));
    }
    shapes
}

/// What stands in a reference's place as long as its secret is not known.
fn placeholder(at: usize, kind: Kind) -> String {
    let scheme = if kind == Kind::Url { "http://" } else { "" };
    // The end keeps 1 from being found in 11.
    format!("{scheme}{PLACEHOLDER}{at}x")
}

/// A secret as it can be used, or what is wrong with it.
fn usable(reference: &Reference, value: &str, kind: Kind) -> Result<String, String> {
    let wrong = if value.is_empty() {
        "it is empty"
    } else if kind == Kind::Url && http::usable_url(value).is_err() {
        "it is no URL that can be called"
    } else if kind != Kind::Url && !http::usable_header("x", value) {
        "it holds a character that no header can"
    } else {
        return Ok(value.to_owned());
    };
    Err(format!("{}: {wrong}", reference.text()))
}

/// Puts a value in the place of each reference.
fn rewrite<'a>(
    environment: &'a Environment,
    value_of: &mut dyn FnMut(&Reference, Kind) -> Result<String, String>,
) -> Result<Cow<'a, Environment>, String> {
    let mut rewritten = Cow::Borrowed(environment);
    let own = OPTIONS.iter().flat_map(|(option, kind)| {
        (1..=DESTINATIONS_MAX).map(move |number| (lanes::variable(option, number), *kind))
    });
    let others = OTHERS
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), *kind));
    for (name, kind) in own.chain(others) {
        let Some(given) = environment.get(&name) else {
            continue;
        };
        let value = if kind == Kind::Headers {
            headers(given, value_of)?
        } else {
            match reference(given) {
                Some(reference) => Some(value_of(&reference, kind)?),
                None => None,
            }
        };
        if let Some(value) = value {
            rewritten.to_mut().replace(&name, value);
        }
    }
    Ok(rewritten)
}

/// Headers with a value in the place of each reference; `None` if they hold none.
fn headers(
    given: &str,
    value_of: &mut dyn FnMut(&Reference, Kind) -> Result<String, String>,
) -> Result<Option<String>, String> {
    // Most hold nothing that could be one.
    if !given.contains("ssm:") && !given.contains("arn:") && !given.contains("arn%") {
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
        let value = value_of(&reference, Kind::Headers)?;
        let space = if word.is_empty() { "" } else { " " };
        let whole = encoded(&format!("{word}{space}{value}"), "");
        parts.push(format!("{name}={whole}"));
    }
    Ok(any.then(|| parts.join(",")))
}

/// What is wrong with a reference in an option that cannot be one.
pub(super) fn misplaced(value: &str) -> Option<String> {
    reference(value)?;
    let names: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
    Some(format!(
        "a reference can stand only in {} and {PREFIX}PROXY",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn made(lane: &LaneOptions, values: &[(&str, &str)]) -> Result<Ways, String> {
        let late = lane.late.as_ref().expect("it needs secrets");
        (late.make)(&found(values))
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
        let (to, fallback) = made(
            &lane,
            &[("ssm:/key", "k\n"), (&key, "x=%41,y"), ("ssm:/c", " c ")],
        )
        .expect("all are there");
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
        assert_eq!(to.hidden, ["k", "x=%41,y", "c"]);
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
        let (to, fallback) = made(&lane, &good).expect("all are there");
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
    fn an_option_that_cannot_be_a_reference_says_so() {
        let (lane, _, told) = loaded(&[
            ("BROOKLET_ENDPOINT", "http://h"),
            ("BROOKLET_INDEX", "ssm:/index"),
        ]);
        assert!(lane.late.is_none() && lane.encode.index.is_none());
        assert_eq!(
            told,
            [
                "BROOKLET_INDEX is \"ssm:/index\": a reference can stand only in ENDPOINT, FALLBACK_ENDPOINT, API_KEY, HEADERS and BROOKLET_PROXY; taken instead: the destination's"
            ]
        );
    }
}
