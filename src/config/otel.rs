//! OpenTelemetry's own variables for an exporter of logs, for a function that is configured for OpenTelemetry already.
//!
//! They count only where `BROOKLET_ENDPOINT` is not set: headers for one destination must not reach another.

use super::problem::other_parts;
use super::{ENDPOINT, PREFIX, Problem, Settings, values};
use crate::config::Environment;
use crate::encode::{self, Format};
use crate::http;

/// What every variable begins with.
const EXPORTER: &str = "OTEL_EXPORTER_OTLP_";

/// Takes the destination from these variables, if none is set otherwise.
pub(super) fn apply(
    environment: &Environment,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    let own = |name: &str| environment.get(&format!("{PREFIX}{name}")).is_some();
    if environment.get(ENDPOINT).is_some() || settings.format.is_some_and(|format| !is_otlp(format))
    {
        return;
    }
    let Some((name, endpoint)) = variable(environment, "ENDPOINT") else {
        return;
    };
    if let Err(why) = http::usable_url(endpoint) {
        let given = http::shown_url(endpoint);
        return problems.push(problem(&format!("{name} is {given:?}"), &why, "none"));
    }
    settings.exact = name.contains("LOGS");
    settings.endpoint = Some(if settings.exact {
        endpoint.to_owned()
    } else {
        logs_of(endpoint)
    });
    settings.format = settings.format.or_else(|| protocol(environment, problems));
    if let Some((name, value)) = variable(environment, "HEADERS") {
        let (headers, bad) = values::headers(value);
        let taken = other_parts(!headers.is_empty());
        for why in bad {
            problems.push(problem(&name, &why, taken));
        }
        for (name, value) in headers {
            let same = |(known, _): &values::Pair| known.eq_ignore_ascii_case(&name);
            if !settings.headers.iter().any(same) {
                settings.headers.push((name, value));
            }
        }
    }
    if let Some((name, value)) =
        variable(environment, "COMPRESSION").filter(|_| !own("COMPRESSION"))
    {
        match values::word(value, &[("gzip", true), ("none", false)]) {
            Ok(gzip) => settings.gzip = Some(gzip),
            Err(why) => problems.push(problem(&format!("{name} is {value:?}"), &why, "gzip")),
        }
    }
    if let Some((name, path)) = variable(environment, "CERTIFICATE").filter(|_| !own("CA_FILE")) {
        let read = std::fs::read(path).map_err(|why| why.to_string());
        match read.and_then(|pem| http::usable_certificates(&pem)) {
            Ok(()) => settings.ca_file = Some(path.to_owned()),
            Err(why) => problems.push(problem(&format!("{name} is {path:?}"), &why, "none")),
        }
    }
    if let Some((name, _)) = variable(environment, "CLIENT_CERTIFICATE") {
        problems.push(problem(
            &name,
            "a certificate of our own is never shown",
            "none",
        ));
    }
}

/// A variable for logs alone, or else the one for everything; its name and its value.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<(String, &'a str)> {
    let names = [
        format!("{EXPORTER}LOGS_{name}"),
        format!("{EXPORTER}{name}"),
    ];
    names
        .into_iter()
        .find_map(|name| environment.get(&name).map(|value| (name, value)))
}

/// The format of the protocol that is wanted.
fn protocol(environment: &Environment, problems: &mut Vec<Problem>) -> Option<&'static Format> {
    let (name, value) = variable(environment, "PROTOCOL").unwrap_or_default();
    let format = match value {
        "" | "http/protobuf" => "otlp",
        "http/json" => "otlp-json",
        _ => {
            let why = "must be http/protobuf or http/json";
            problems.push(problem(
                &format!("{name} is {value:?}"),
                why,
                "http/protobuf",
            ));
            "otlp"
        }
    };
    encode::format(format)
}

/// Whether a format is OpenTelemetry's.
fn is_otlp(format: &Format) -> bool {
    format.name.starts_with("otlp")
}

/// Where logs go below an endpoint for everything.
fn logs_of(base: &str) -> String {
    let (base, query) = base.split_at(base.find(['?', '#']).unwrap_or(base.len()));
    let query = query.split('#').next().unwrap_or_default();
    format!("{}/v1/logs{query}", base.trim_end_matches('/'))
}

/// A value that cannot be taken.
fn problem(what: &str, why: &str, taken: &str) -> Problem {
    Problem {
        what: format!("{what}: {why}"),
        taken: taken.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, lanes};
    use super::*;

    fn check(variables: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
        let environment = Environment::of(variables);
        let (settings, mut problems) = lanes::settings(&environment);
        let config = super::super::build(settings, &environment, &mut problems);
        let told = problems.iter().map(ToString::to_string).collect();
        (config.ok(), told)
    }

    /// Format and URL, with no problem.
    fn destination(variables: &[(&str, &str)]) -> Option<(&'static str, String)> {
        let (config, told) = check(variables);
        assert!(told.is_empty(), "{told:?}");
        let lane = config?.lanes.remove(0).flush.lane;
        Some((lane.format.name, lane.destination.url))
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318");
    const LOGS: (&str, &str) = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://l:4318");

    #[test]
    fn the_endpoint_for_logs_is_taken_as_it_is_and_the_other_gets_a_path() {
        for (url, expected) in [
            ("http://h:4318", "http://h:4318/v1/logs"),
            ("http://h:4318/", "http://h:4318/v1/logs"),
            ("https://h/otlp/?a=b#c", "https://h/otlp/v1/logs?a=b"),
        ] {
            let found = destination(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
            assert_eq!(found, Some(("otlp", expected.to_owned())));
        }
        for url in ["http://l:4318", "http://l/", "http://l/a?b"] {
            let logs = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", url);
            assert_eq!(destination(&[BASE, logs]), Some(("otlp", url.to_owned())));
        }
    }

    #[test]
    fn our_own_endpoint_and_another_format_come_first() {
        let ours = ("BROOKLET_ENDPOINT", "http://b");
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "secret=1");
        let (config, _) = check(&[BASE, ours, headers]);
        let lane = config.expect("usable").lanes.remove(0).flush.lane;
        assert_eq!(
            (lane.format.name, &*lane.destination.url),
            ("json", "http://b")
        );
        assert_eq!(lane.destination.headers.len(), 1);
        let otlp = ("BROOKLET_FORMAT", "otlp");
        let completed = Some(("otlp", "http://b/v1/logs".to_owned()));
        assert_eq!(destination(&[LOGS, ours, otlp]), completed);
        assert_eq!(destination(&[BASE, ("BROOKLET_FORMAT", "ndjson")]), None);
        let json = ("BROOKLET_FORMAT", "otlp-json");
        let found = destination(&[BASE, json]).expect("usable");
        assert_eq!(found.0, "otlp-json");
    }

    #[test]
    fn the_variables_for_logs_win_over_those_for_everything() {
        let (config, told) = check(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "b=2%20,X=y"),
            ("BROOKLET_HEADERS", "x=ours"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ]);
        assert!(told.is_empty(), "{told:?}");
        let lane = config.expect("usable").lanes.remove(0).flush.lane;
        assert_eq!(lane.format.name, "otlp-json");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            pair("content-type", "application/json"),
            pair("x", "ours"),
            pair("b", "2 "),
        ];
        assert_eq!(lane.destination.headers, headers);
        assert!(!lane.destination.gzip);
    }

    #[test]
    fn its_certificates_are_trusted_by_its_destination_alone() {
        let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/ca.pem");
        let trust = |variable: &str| {
            let second = ("BROOKLET_ENDPOINT_2", "https://h2/");
            let (config, told) = check(&[BASE, (variable, pem), second]);
            assert!(told.is_empty(), "{told:?}");
            let trusts = |lane: &crate::config::Lane| {
                let http = &lane.flush.lane.destination.http;
                http.ca_pem.is_some()
            };
            let lanes = config.expect("usable").lanes;
            lanes.iter().map(trusts).collect::<Vec<_>>()
        };
        assert_eq!(trust("OTEL_EXPORTER_OTLP_CERTIFICATE"), [true, false]);
        assert_eq!(trust("BROOKLET_CA_FILE"), [true, true]);
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let (config, told) = check(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "br"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/c.pem"),
        ]);
        let lane = config.expect("usable").lanes.remove(0).flush.lane;
        assert_eq!(lane.format.name, "otlp");
        assert!(lane.destination.gzip);
        assert_eq!(
            told,
            [
                "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\": must be http/protobuf or http/json; taken instead: http/protobuf",
                "OTEL_EXPORTER_OTLP_HEADERS: must be name=value,name=value, and part 1 is not; taken instead: none",
                "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION is \"br\": must be one of gzip, none; taken instead: gzip",
                "OTEL_EXPORTER_OTLP_CERTIFICATE is \"/nowhere.pem\": No such file or directory (os error 2); taken instead: none",
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: a certificate of our own is never shown; taken instead: none",
            ]
        );
        let (config, told) = check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "h:4318")]);
        assert!(config.is_none());
        assert_eq!(told.len(), 1, "{told:?}");
    }
}
