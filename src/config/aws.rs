//! What the environment tells of AWS: region, where keys come from, where services are.
//!
//! It reads the standard variables under their own names; of ours there is one, which wins over them.

use std::sync::Arc;

use super::{Environment, PREFIX};
use crate::aws::Options;
use crate::aws::credentials::{self, Credentials, Source};
use crate::aws::endpoint::Endpoints;
use crate::http;

/// The standard variable for endpoints, and what the names of those for single services begin with.
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Reads what is told of AWS; what cannot be used counts as not told.
#[must_use]
pub fn aws(environment: &Environment) -> Options {
    let text = |name: &str| environment.text(name);
    let url = |name: &str| text(name).filter(|url| http::usable_url(url).is_ok());
    let is = |name: &str| {
        let value = environment.get(name);
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    let ours = url(&format!("{PREFIX}AWS_ENDPOINT_URL"));
    let mut endpoints = Endpoints {
        fips: is("AWS_USE_FIPS_ENDPOINT"),
        dual_stack: is("AWS_USE_DUALSTACK_ENDPOINT"),
        ..Endpoints::default()
    };
    if ours.is_some() {
        endpoints.all = ours;
    } else if !is("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        endpoints.all = url(ENDPOINT_URL);
        for name in environment.names(ENDPOINT_URL) {
            let service = name.strip_prefix(ENDPOINT_URL);
            let service = service.and_then(|service| service.strip_prefix('_'));
            if let (Some(service), Some(url)) = (service, url(name)) {
                endpoints.own.push((service.to_owned(), url));
            }
        }
    }
    Options {
        region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
        source: Arc::new(source(environment)),
        endpoints,
    }
}

/// Where keys come from.
fn source(environment: &Environment) -> Source {
    let text = |name: &str| environment.text(name);
    let keys = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"));
    if let (Some(key_id), Some(secret)) = keys {
        return Source::Environment(Arc::new(Credentials {
            key_id,
            secret,
            token: text("AWS_SESSION_TOKEN"),
            expires_ms: None,
        }));
    }
    let url = text("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    match url.filter(|url| credentials::usable_source(url).is_ok()) {
        Some(url) => Source::Endpoint {
            url,
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
                &[("AWS_ENDPOINT_URL", "nowhere")],
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
