//! What the environment tells of AWS: region, where keys come from, where services are.
//!
//! It reads the standard variables under their own names; of ours there is one, which wins over them.

use std::sync::Arc;

use super::{Environment, PREFIX};
use crate::aws::Options;
use crate::aws::credentials::{self, Credentials, Source};
use crate::aws::endpoint::Endpoints;
use crate::http;

/// The standard variable for endpoints, and what the names of those for single services begin with; ours ends with it.
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Reads what is told of AWS; what cannot be used counts as not told.
#[must_use]
pub fn aws(environment: &Environment) -> Options {
    let is = |name: &str| {
        let value = environment.get(name);
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    let ignores = is("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    let mut endpoints = Endpoints {
        fips: is("AWS_USE_FIPS_ENDPOINT"),
        dual_stack: is("AWS_USE_DUALSTACK_ENDPOINT"),
        ..Endpoints::default()
    };
    let (mut ours, mut all) = (None, None);
    for (name, url) in environment.all() {
        let Some((before, service)) = name.split_once(ENDPOINT_URL) else {
            continue;
        };
        if http::usable_url(url).is_err() || (before.is_empty() && ignores) {
            continue;
        }
        match (before, service) {
            (PREFIX, "") => ours = Some(url),
            ("", "") => all = Some(url),
            ("", service) => {
                if let Some(service) = service.strip_prefix('_') {
                    endpoints.own.push((service.to_owned(), url.to_owned()));
                }
            }
            _ => {}
        }
    }
    if ours.is_some() {
        endpoints.own.clear();
    }
    endpoints.all = ours.or(all).map(ToOwned::to_owned);
    Options {
        region: environment.region().map(ToOwned::to_owned),
        source: Arc::new(source(environment)),
        endpoints,
    }
}

/// Where keys come from.
fn source(environment: &Environment) -> Source {
    let text = |name: &str| environment.text(name);
    let key_id = environment.get("AWS_ACCESS_KEY_ID");
    let secret = environment.get("AWS_SECRET_ACCESS_KEY");
    if let (Some(key_id), Some(secret)) = (key_id, secret) {
        return Source::Environment(Arc::new(Credentials {
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
            token: text("AWS_SESSION_TOKEN"),
            expires_ms: None,
        }));
    }
    let url = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    match url.filter(|url| credentials::usable_source(url).is_ok()) {
        Some(url) => Source::Endpoint {
            url: url.to_owned(),
            token: text("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            token_file: text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        },
        None => Source::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::endpoint::{S3, SQS};

    #[test]
    fn our_own_endpoint_wins_then_the_services_then_the_general_one() {
        let all = ("AWS_ENDPOINT_URL", "http://all/");
        let own = ("AWS_ENDPOINT_URL_SQS", "http://queue");
        let ours = ("BROOKLET_AWS_ENDPOINT_URL", "http://ours");
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        for (variables, s3, sqs) in [
            (&[all, own][..], "http://all", "http://queue"),
            (&[all, own, ours], "http://ours", "http://ours"),
            (&[all, own, ignore, ours], "http://ours", "http://ours"),
            (
                &[all, own, ignore],
                "https://s3.r.amazonaws.com",
                "https://sqs.r.amazonaws.com",
            ),
            (
                &[
                    ("AWS_ENDPOINT_URL", "nowhere"),
                    ("AWS_ENDPOINT_URL__SQS", "http://slip"),
                    ("AWS_ENDPOINT_URLSQS", "http://slip"),
                ][..],
                "https://s3.r.amazonaws.com",
                "https://sqs.r.amazonaws.com",
            ),
        ] {
            let endpoints = aws(&Environment::of(variables)).endpoints;
            assert_eq!(endpoints.url(&S3, "r"), s3, "{variables:?}");
            assert_eq!(endpoints.url(&SQS, "r"), sqs, "{variables:?}");
        }
    }

    #[test]
    fn keys_of_the_environment_win_over_an_endpoint() {
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let near = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/c");
        let far = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/");
        for (variables, expected) in [
            (&[keys[0], keys[1], near][..], "Environment"),
            (&[keys[0], near], "Endpoint"),
            (&[far], "None"),
        ] {
            let source = aws(&Environment::of(variables)).source;
            assert_eq!(format!("{source:?}"), expected);
        }
    }
}
