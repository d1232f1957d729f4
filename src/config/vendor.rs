//! What vendors fix: the variables of their own that are honoured, and the part of a URL that depends on more than the vendor.
//!
//! Our own options win over every one of them.

use super::{ENDPOINT, Environment, Lane, PREFIX, Settings, is_secret, values};
use crate::aws::sigv4::encoded;
use crate::encode::{self, Format};
use crate::flush::LaneOptions;
use crate::http;
use crate::process::Identity;

/// The variables in which a vendor's own extension finds what our options leave open.
struct Own {
    /// The format of which they are.
    format: &'static str,
    /// The key.
    key: &'static str,
    /// Where in the destination records go; empty if there is none.
    index: &'static str,
    /// Where the destination is, and what it is where the variable is not set; a site is the end of a host.
    endpoint: (&'static str, &'static str),
}

/// The vendors whose variables are read.
const OWN: [Own; 4] = [
    Own {
        format: DATADOG,
        key: "DD_API_KEY",
        index: "",
        endpoint: ("DD_SITE", "datadoghq.com"),
    },
    Own {
        format: NEW_RELIC,
        key: "NEW_RELIC_LICENSE_KEY",
        index: "",
        endpoint: ("", "https://log-api.newrelic.com"),
    },
    Own {
        format: HONEYCOMB,
        key: "LIBHONEY_API_KEY",
        index: "LIBHONEY_DATASET",
        endpoint: ("LIBHONEY_API_HOST", "https://api.honeycomb.io"),
    },
    Own {
        format: "axiom",
        key: "AXIOM_TOKEN",
        index: "AXIOM_DATASET",
        endpoint: ("AXIOM_URL", "https://api.axiom.co"),
    },
];

/// Where Honeycomb's other tools find the key, which is not read.
const HONEYCOMB_KEY: &str = "HONEYCOMB_API_KEY";

/// The format of Datadog.
const DATADOG: &str = "datadog";

/// The format of New Relic.
const NEW_RELIC: &str = "newrelic";

/// The format of Honeycomb.
const HONEYCOMB: &str = "honeycomb";

/// Where New Relic is for the keys of the EU, which begin with these letters.
const NEW_RELIC_EU: (&str, &str) = ("eu", "https://log-api.eu.newrelic.com");

/// What a dataset is called where nothing has a name.
const UNNAMED: &str = "lambda";

/// Whether records go to Datadog, whose variables then count.
fn is_datadog(settings: &Settings) -> bool {
    settings.format().name == DATADOG
}

/// Whether the endpoint is the vendor's own, whose format is used, or a secret, which may be: a key that is one too is then fetched with it.
fn is_vendors_host(settings: &Settings) -> bool {
    if settings.endpoint.as_deref().is_some_and(is_secret) {
        return true;
    }
    let host = settings.endpoint.as_deref().and_then(http::host);
    let format = host.and_then(|host| encode::of_host(&host));
    format.is_some_and(|format| format.name == settings.format().name)
}

/// Takes from the vendor's variables what our options leave open; the endpoint is only the first destination's, and the key no other's unless that is the vendor too.
pub(super) fn fill(settings: &mut Settings, environment: &Environment, destination: usize) {
    let format = settings.format().name;
    let Some(own) = OWN.iter().find(|own| own.format == format) else {
        return;
    };
    // Where another destination only writes as the vendor wants it, somebody else may read it.
    if settings.api_key.is_none() && (destination == 1 || is_vendors_host(settings)) {
        let key = environment.get(own.key);
        settings.api_key = key.and_then(|key| values::key(key).ok());
    }
    if settings.encode.index.is_none() {
        let index = environment.get(own.index);
        settings.encode.index = index.map(ToOwned::to_owned);
    }
    if destination == 1 && environment.get(ENDPOINT).is_none() {
        let (variable, default) = own.endpoint;
        let told = environment.get(variable).unwrap_or(default);
        let (eu, eu_endpoint) = NEW_RELIC_EU;
        let is_eu = settings
            .api_key
            .as_ref()
            .is_some_and(|key| key.starts_with(eu));
        settings.endpoint = match format {
            DATADOG => values::url(&format!("https://http-intake.logs.{told}")),
            NEW_RELIC if is_eu => values::url(eu_endpoint),
            _ => values::url(told),
        }
        .ok();
    }
    if format == DATADOG {
        datadog_tags(settings, environment);
    }
}

/// What is to be set for a vendor's key that is there, where a destination of this format gets none, and where logs then go without an endpoint.
fn unread(environment: &Environment, format: &str) -> Option<(String, String)> {
    let is_set = |own: &&Own| own.format != format && environment.get(own.key).is_some();
    let (key, how, own) = match OWN.iter().find(is_set) {
        Some(own) => (own.key, "is read", own),
        None => (
            environment.get(HONEYCOMB_KEY).map(|_| HONEYCOMB_KEY)?,
            "goes into BROOKLET_API_KEY,",
            OWN.iter().find(|own| own.format == HONEYCOMB)?,
        ),
    };
    let what = format!("{key} {how} with {PREFIX}FORMAT={}", own.format);
    let told = match own.endpoint {
        ("", default) => format!("{default} then"),
        (variable, default) => format!("{variable} then, or {default}"),
    };
    Some((what, told))
}

/// What is said where there is no endpoint at all.
pub(super) fn no_endpoint(environment: &Environment) -> String {
    match unread(environment, "") {
        Some((what, told)) => format!("{ENDPOINT} is not set; {what}, and the endpoint is {told}"),
        None => format!(
            "{ENDPOINT} is not set: it says where logs go, as https://host/path or s3://bucket"
        ),
    }
}

/// What is to be said where the first destination gets no key although a vendor's is set.
#[must_use]
pub fn unread_key(environment: &Environment, lane: &Lane) -> Option<String> {
    let LaneOptions {
        destination: to,
        format,
        ..
    } = &lane.flush.lane;
    // Beside the type of the content and what the format wants.
    let has_key = to.aws.is_some() || to.headers.len() > 1 + format.headers.len();
    let (what, _) = unread(environment, format.name)?;
    (lane.destination == 1 && !has_key).then_some(what)
}

/// Adds the tags of Datadog's variables whose names are not taken: the owner's come first, and `DD_ENV` before `DD_TAGS`.
fn datadog_tags(settings: &mut Settings, environment: &Environment) {
    let tags = environment.get("DD_TAGS").unwrap_or_default();
    let tags = tags.split([',', ' ']).filter(|tag| !tag.is_empty());
    // A tag need not have a value.
    let tags = tags.map(|tag| tag.split_once(':').unwrap_or((tag, "")));
    let tags: Vec<(&str, &str)> = tags.filter(|(name, _)| !name.is_empty()).collect();
    let named = [("DD_ENV", "env"), ("DD_VERSION", "version")];
    let named = named.map(|(variable, name)| Some((name, environment.get(variable)?)));
    let named: Vec<(&str, &str)> = named.into_iter().flatten().collect();
    for group in [named, tags] {
        let is_free = |(name, _): &(&str, &str)| settings.tags.iter().all(|(own, _)| own != name);
        // One name may have several values there.
        let free: Vec<(&str, &str)> = group.into_iter().filter(is_free).collect();
        let owned = free
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        settings.tags.extend(owned);
    }
}

/// What the vendor's own variable calls the service.
pub(super) fn service(settings: &Settings, environment: &Environment) -> Option<String> {
    let named = environment.text("DD_SERVICE");
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
        HONEYCOMB => {
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
    fn a_key_that_nothing_reads_yet_is_told_with_what_it_needs() {
        for (format, key, expected) in [
            (
                "",
                "DD_API_KEY",
                "DD_API_KEY is read with BROOKLET_FORMAT=datadog|DD_SITE then, or datadoghq.com",
            ),
            (
                "json",
                "NEW_RELIC_LICENSE_KEY",
                "NEW_RELIC_LICENSE_KEY is read with BROOKLET_FORMAT=newrelic|https://log-api.newrelic.com then",
            ),
            (
                "honeycomb",
                "HONEYCOMB_API_KEY",
                "HONEYCOMB_API_KEY goes into BROOKLET_API_KEY, with BROOKLET_FORMAT=honeycomb|LIBHONEY_API_HOST then, or https://api.honeycomb.io",
            ),
            ("axiom", "AXIOM_TOKEN", ""),
            ("", "DD_SITE", ""),
        ] {
            let environment = Environment::of(&[(key, "k")]);
            let told = unread(&environment, format);
            let told = told.map(|(what, endpoint)| format!("{what}|{endpoint}"));
            assert_eq!(told.unwrap_or_default(), expected, "{format} {key}");
        }
    }

    /// The endpoint, key and index for these variables.
    fn taken(variables: &[(&str, &str)]) -> [Option<String>; 3] {
        let environment = Environment::of(variables);
        let settings = super::super::settings(&environment, 1, &mut Vec::new());
        [settings.endpoint, settings.api_key, settings.encode.index]
    }

    #[test]
    fn what_a_vendors_own_extension_reads_is_read_where_ours_say_nothing() {
        for (format, variables, expected) in [
            (
                "newrelic",
                &[("NEW_RELIC_LICENSE_KEY", "0123NRAL")][..],
                ["https://log-api.newrelic.com", "0123NRAL", ""],
            ),
            (
                "newrelic",
                &[("NEW_RELIC_LICENSE_KEY", "eu01xxNRAL")],
                ["https://log-api.eu.newrelic.com", "eu01xxNRAL", ""],
            ),
            (
                "honeycomb",
                &[("LIBHONEY_API_KEY", "k"), ("LIBHONEY_DATASET", "d")],
                ["https://api.honeycomb.io", "k", "d"],
            ),
            (
                "honeycomb",
                &[
                    ("LIBHONEY_API_HOST", "https://api.eu1.honeycomb.io"),
                    ("LIBHONEY_API_KEY", "k"),
                    ("LIBHONEY_DATASET", "d"),
                    ("BROOKLET_API_KEY", "ours"),
                    ("BROOKLET_INDEX", "mine"),
                ],
                ["https://api.eu1.honeycomb.io", "ours", "mine"],
            ),
            (
                "axiom",
                &[("AXIOM_TOKEN", "xaat-1"), ("AXIOM_DATASET", "logs")],
                ["https://api.axiom.co", "xaat-1", "logs"],
            ),
            (
                "axiom",
                &[
                    ("AXIOM_TOKEN", "xaat-1"),
                    ("BROOKLET_ENDPOINT", "https://h"),
                ],
                ["https://h", "xaat-1", ""],
            ),
            ("ndjson", &[("AXIOM_TOKEN", "xaat-1")], ["", "", ""]),
        ] {
            let all = [variables, &[("BROOKLET_FORMAT", format)]].concat();
            let found = taken(&all).map(Option::unwrap_or_default);
            assert_eq!(found, expected, "{format}");
        }
    }

    #[test]
    fn datadogs_tags_are_added_and_never_replace_ours() {
        let environment = Environment::of(&[
            ("BROOKLET_FORMAT", "datadog"),
            ("BROOKLET_TAGS", "team=ours"),
            ("DD_ENV", "prod"),
            (
                "DD_TAGS",
                "team:theirs,layer:api layer:a:b,,env:dev :x bare",
            ),
        ]);
        let settings = super::super::settings(&environment, 1, &mut Vec::new());
        let tags: Vec<(&str, &str)> = settings.tags.iter().map(|(n, v)| (&**n, &**v)).collect();
        let expected = [
            ("team", "ours"),
            ("env", "prod"),
            ("layer", "api"),
            ("layer", "a:b"),
            ("bare", ""),
        ];
        assert_eq!(tags, expected);
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

    #[test]
    fn datadogs_key_reaches_no_other_destination_that_is_not_datadog() {
        for (endpoint, format, key) in [
            ("https://http-intake.logs.datadoghq.com", "", Some("key")),
            ("http://collector:8080", "datadog", None),
            ("http://collector:8080", "json", None),
        ] {
            let environment = Environment::of(&[
                ("DD_API_KEY", "key"),
                ("BROOKLET_ENDPOINT_2", endpoint),
                ("BROOKLET_FORMAT_2", format),
            ]);
            let settings = super::super::settings(&environment, 2, &mut Vec::new());
            assert_eq!(settings.api_key.as_deref(), key, "{endpoint} {format}");
        }
    }
}
