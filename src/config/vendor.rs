//! What vendors fix: the variables of their own that are honoured, and the part of a URL that depends on more than the vendor.
//!
//! Our own options win over every one of them.

use super::{ENDPOINT, Environment, Settings, values};
use crate::aws::sigv4::encoded;
use crate::encode::{self, Format};
use crate::http;
use crate::process::Identity;

/// The site where Datadog's own variable names none.
const DATADOG_SITE: &str = "datadoghq.com";

/// What a dataset is called where nothing has a name.
const UNNAMED: &str = "lambda";

/// Whether records go to Datadog, whose variables then count.
fn is_datadog(settings: &Settings) -> bool {
    settings.format().name == "datadog"
}

/// Takes from the vendor's variables what our options leave open; the site is only the first destination's.
pub(super) fn fill(settings: &mut Settings, environment: &Environment, destination: usize) {
    if !is_datadog(settings) {
        return;
    }
    if destination == 1 && environment.get(ENDPOINT).is_none() {
        let site = environment.get("DD_SITE").unwrap_or(DATADOG_SITE);
        settings.endpoint = values::url(&format!("https://http-intake.logs.{site}")).ok();
    }
    if settings.api_key.is_none() {
        let key = environment.get("DD_API_KEY");
        settings.api_key = key.and_then(|key| values::key(key).ok());
    }
    for (variable, tag) in [("DD_ENV", "env"), ("DD_VERSION", "version")] {
        if let Some(value) = environment.get(variable)
            && settings.tags.iter().all(|(known, _)| known != tag)
        {
            settings.tags.push((tag.to_owned(), value.to_owned()));
        }
    }
}

/// What the vendor's own variable calls the service.
pub(super) fn service(settings: &Settings, environment: &Environment) -> Option<String> {
    let named = environment.get("DD_SERVICE").map(ToOwned::to_owned);
    named.filter(|_| is_datadog(settings))
}

/// A destination's URL with the path, and the query, that it must have and that the owner did not write.
pub(super) fn url(
    given: &str,
    format: &Format,
    encode: &encode::Options,
    identity: &Identity,
) -> String {
    let index = encode.index.as_deref();
    match format.name {
        "honeycomb" => {
            let known = [&identity.service_name, &identity.function_name];
            let known = || known.into_iter().find_map(|name| name.as_deref());
            let dataset = index.or_else(known).unwrap_or(UNNAMED);
            http::with_path(given, &format!("/1/batch/{}", encoded(dataset, "")))
        }
        "axiom" => {
            let path = index.map(|index| format!("/v1/datasets/{}/ingest", encoded(index, "")));
            http::with_path(given, &path.unwrap_or_default())
        }
        "victorialogs" => {
            let mut url = http::with_path(given, format.path);
            if !url.contains('?') && url.ends_with(format.path) {
                url.push_str("?_msg_field=message&_time_field=timestamp&_stream_fields=");
                let labels: Vec<String> = encode.labels.iter().map(|l| encoded(l, "")).collect();
                url.push_str(&labels.join(","));
            }
            url
        }
        _ => http::with_path(given, format.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(format: &str, given: &str, index: Option<&str>) -> String {
        let encode = encode::Options {
            index: index.map(ToOwned::to_owned),
            ..encode::Options::default()
        };
        let identity = Identity {
            function_name: Some("checkout".into()),
            ..Identity::default()
        };
        let format = encode::format(format).expect("a format");
        url(given, format, &encode, &identity)
    }

    #[test]
    fn what_the_owner_did_not_write_is_completed() {
        let streams = "_msg_field=message&_time_field=timestamp&_stream_fields=service_name,function_name,region";
        for (format, given, index, expected) in [
            (
                "honeycomb",
                "https://h",
                None,
                "https://h/1/batch/checkout".to_owned(),
            ),
            (
                "honeycomb",
                "https://h/",
                Some("a b/ü"),
                "https://h/1/batch/a%20b%2F%C3%BC".to_owned(),
            ),
            (
                "honeycomb",
                "https://h/1/batch/x",
                Some("y"),
                "https://h/1/batch/x".to_owned(),
            ),
            (
                "axiom",
                "https://h",
                Some("logs"),
                "https://h/v1/datasets/logs/ingest".to_owned(),
            ),
            ("axiom", "https://h", None, "https://h".to_owned()),
            (
                "axiom",
                "https://h/v1/ingest/x",
                Some("logs"),
                "https://h/v1/ingest/x".to_owned(),
            ),
            (
                "victorialogs",
                "http://h:9428",
                None,
                format!("http://h:9428/insert/jsonline?{streams}"),
            ),
            (
                "victorialogs",
                "http://h/insert/jsonline",
                None,
                format!("http://h/insert/jsonline?{streams}"),
            ),
            (
                "victorialogs",
                "http://h/insert/jsonline?a=b",
                None,
                "http://h/insert/jsonline?a=b".to_owned(),
            ),
            (
                "victorialogs",
                "http://h/proxy",
                None,
                "http://h/proxy".to_owned(),
            ),
            (
                "datadog",
                "https://h",
                None,
                "https://h/api/v2/logs".to_owned(),
            ),
            ("newrelic", "https://h", None, "https://h/log/v1".to_owned()),
            ("json", "https://h", Some("x"), "https://h".to_owned()),
        ] {
            assert_eq!(
                completed(format, given, index),
                expected,
                "{format} {given}"
            );
        }
    }

    #[test]
    fn datadogs_variables_count_for_datadog_alone() {
        let own = [
            ("DD_SITE", "datadoghq.eu"),
            ("DD_API_KEY", "key"),
            ("DD_SERVICE", "shop"),
            ("DD_ENV", "prod"),
            ("DD_VERSION", "7"),
        ];
        let read = |more: &[(&str, &str)]| {
            let variables = [&own[..], more].concat();
            let environment = Environment::of(&variables);
            let settings = super::super::settings(&environment, 1, &mut Vec::new());
            let service = service(&settings, &environment);
            (settings, service)
        };
        let (settings, service) = read(&[("BROOKLET_FORMAT", "datadog")]);
        let endpoint = "https://http-intake.logs.datadoghq.eu";
        assert_eq!(settings.endpoint.as_deref(), Some(endpoint));
        assert_eq!(settings.api_key.as_deref(), Some("key"));
        assert_eq!(service.as_deref(), Some("shop"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(settings.tags, [pair("env", "prod"), pair("version", "7")]);
        let (settings, service) = read(&[
            (
                "BROOKLET_ENDPOINT",
                "https://http-intake.logs.us5.datadoghq.com",
            ),
            ("BROOKLET_API_KEY", "own"),
            ("BROOKLET_TAGS", "env=dev"),
        ]);
        assert_eq!(settings.api_key.as_deref(), Some("own"));
        assert_eq!(service.as_deref(), Some("shop"));
        assert_eq!(settings.tags, [pair("env", "dev"), pair("version", "7")]);
        let (settings, service) = read(&[("BROOKLET_ENDPOINT", "https://example.com")]);
        assert_eq!((settings.api_key, service), (None, None));
        assert!(settings.tags.is_empty());
        let (settings, _) = read(&[("BROOKLET_FORMAT", "datadog"), ("BROOKLET_ENDPOINT", "x")]);
        assert_eq!(settings.endpoint, None, "a bad endpoint is not replaced");
    }
}
