//! What is typically wrong when a vendor does not take a probe, told from its answer.
//!
//! It never claims to know: a row is the usual mistake behind a status and a word. A new format adds its rows to `vendors.rs`.

mod any;
mod aws;
mod vendors;

use crate::encode;
use crate::send::Outcome;

/// The format of rows for secrets.
const SECRET: &str = "secret";

/// One usual mistake.
struct Hint {
    /// The format; empty for every one.
    format: &'static str,
    /// The statuses; none if there was no answer.
    statuses: &'static [u16],
    /// Words of the answer, of which one must be there, in lower case; none if the status is enough.
    words: &'static [&'static str],
    /// What is to be done.
    hint: &'static str,
}

/// The usual mistakes, of which the first that fits is told.
fn rows() -> impl Iterator<Item = &'static Hint> {
    let tables = [any::FIRST, vendors::ROWS, aws::ROWS, any::LAST];
    tables.into_iter().flatten()
}

/// A row of the table.
const fn of(
    format: &'static str,
    statuses: &'static [u16],
    words: &'static [&'static str],
    hint: &'static str,
) -> Hint {
    Hint {
        format,
        statuses,
        words,
        hint,
    }
}

/// What is typically wrong behind an outcome.
pub(super) fn hint(format: &str, outcome: &Outcome) -> Option<&'static str> {
    let (status, answer) = match outcome {
        Outcome::Delivered { status, answer, .. } | Outcome::Refused { status, answer } => {
            (Some(*status), answer)
        }
        // What tells of single records says that all is well, or begins with its status.
        Outcome::Partly { why, .. } => {
            let told = why
                .split_once(": ")
                .and_then(|(status, _)| status.parse().ok());
            (told.or(Some(200)), why)
        }
        Outcome::Later { status, why, .. } => (*status, why),
        Outcome::TooLarge => return None,
    };
    find(format, status, answer)
}

/// What is typically wrong where a service does not give a secret, by what is told of it.
pub(super) fn of_secret(told: &str) -> Option<&'static str> {
    find(SECRET, None, told)
}

/// The first row that fits.
fn find(format: &str, status: Option<u16>, answer: &str) -> Option<&'static str> {
    let answer = answer.to_ascii_lowercase();
    let fits = |row: &&Hint| {
        // `otlp-json` makes the mistakes of `otlp`.
        let family = format.split('-').next() == Some(row.format)
            || (row.format == aws::AWS
                && encode::format(format).is_some_and(|format| format.scheme));
        (row.format.is_empty() || family)
            && status.map_or(row.statuses.is_empty(), |it| row.statuses.contains(&it))
            && (row.words.is_empty() || row.words.iter().any(|word| answer.contains(word)))
    };
    rows().find(fits).map(|row| row.hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_refusal(format: &str, status: u16, answer: &str) -> Option<&'static str> {
        let answer = answer.to_owned();
        hint(format, &Outcome::Refused { status, answer })
    }

    #[test]
    fn the_usual_mistake_is_told() {
        for (format, status, answer, expected) in [
            (
                "datadog",
                403,
                r#"{"errors":[{"status":"403","title":"Forbidden"}]}"#,
                "DD_SITE",
            ),
            ("newrelic", 403, "", "license"),
            (
                "dynatrace",
                401,
                "Token Authentication failed",
                "not as Bearer",
            ),
            ("dynatrace", 403, "", "logs.ingest"),
            ("axiom", 404, "", "BROOKLET_INDEX"),
            (
                "splunk",
                401,
                r#"{"text":"Invalid authorization","code":3}"#,
                "Splunk <token>",
            ),
            (
                "splunk",
                403,
                r#"{"text":"Token disabled","code":1}"#,
                "disabled",
            ),
            (
                "splunk",
                403,
                r#"{"text":"Invalid token","code":4}"#,
                "own?",
            ),
            (
                "splunk",
                400,
                r#"{"text":"Incorrect index","code":7,"invalid-event-number":1}"#,
                "BROOKLET_INDEX",
            ),
            ("elasticsearch", 401, "", "ApiKey"),
            ("loki", 401, "no org id", "X-Scope-OrgID"),
            ("loki", 400, "entry with too many labels", "BROOKLET_LABELS"),
            ("otlp", 404, "", "/v1/logs"),
            ("otlp-json", 415, "", "protobuf"),
            ("s3", 404, "<Code>NoSuchBucket</Code>", "no such bucket"),
            ("s3", 301, "PermanentRedirect", "?region="),
            ("sqs", 403, "AccessDenied", "sqs:SendMessage"),
            ("firehose", 400, "ExpiredTokenException", "expired"),
            ("kinesis", 403, "", "policy"),
            ("json", 401, "", "BROOKLET_API_KEY"),
            ("json", 301, "", "redirect"),
            ("honeycomb", 415, "", "COMPRESSION"),
            (
                "datadog",
                400,
                "The plain HTTP request was sent to HTTPS port",
                "https://",
            ),
            (
                "splunk",
                400,
                r#"{"text":"Data channel is missing.","code":28}"#,
                "acknowledgement",
            ),
            (
                "loki",
                401,
                "authentication error: legacy auth cannot be upgraded because the host is not found",
                "another stack",
            ),
            (
                "elasticsearch",
                403,
                "User: anonymous is not authorized to perform: es:ESHttpPost",
                "access policy",
            ),
            (
                "elasticsearch",
                200,
                r#"{"type":"security_exception","reason":"action is unauthorized"}"#,
                "create_doc",
            ),
            (
                "elasticsearch",
                200,
                r#"{"type":"es_rejected_execution_exception"}"#,
                "write queue",
            ),
            (
                "elasticsearch",
                200,
                r#"{"type":"index_not_found_exception","reason":"no such index [logs]"}"#,
                "does not exist",
            ),
        ] {
            let told = of_refusal(format, status, answer);
            let told = told.unwrap_or_else(|| panic!("{format} {status}: nothing"));
            assert!(told.contains(expected), "{format} {status}: {told}");
        }
        assert_eq!(of_refusal("json", 400, "no"), None);
        assert_eq!(of_refusal("json", 422, "no"), None);
    }

    #[test]
    fn what_may_pass_is_explained_too() {
        for (format, status, why, expected) in [
            ("json", Some(429), "it answered 429: slow down", "quota"),
            ("datadog", Some(503), "it answered 503: ", "down or starts"),
            (
                "splunk",
                Some(503),
                r#"it answered 503: {"text":"Server is busy","code":9}"#,
                "queues",
            ),
            (
                "loki",
                Some(429),
                "it answered 429: Maximum active stream limit exceeded",
                "BROOKLET_LABELS",
            ),
            ("loki", Some(429), "it answered 429: rate limit", "quota"),
            (
                "elasticsearch",
                Some(429),
                "it answered 429: disk usage exceeded flood-stage watermark",
                "disks",
            ),
            ("elasticsearch", Some(503), "it answered 503: ", "no master"),
            (
                "otlp-json",
                None,
                "protocol: http parse fail: invalid HTTP version",
                "4317",
            ),
            (
                "json",
                None,
                "protocol: http parse fail: invalid HTTP version",
                "https://",
            ),
            (
                "json",
                None,
                "the host's name does not resolve",
                "spelled right",
            ),
            (
                "splunk",
                None,
                "Connection refused (os error 111)",
                "Splunk 8088",
            ),
            ("json", None, "Peer disconnected", "hangs up"),
            (
                "json",
                None,
                "Connection reset by peer (os error 104)",
                "hangs up",
            ),
            (
                "json",
                None,
                "received corrupt message of type InvalidContentType",
                "http://",
            ),
            (
                "json",
                None,
                "invalid peer certificate: UnknownIssuer",
                "BROOKLET_CA_FILE",
            ),
            (
                "json",
                None,
                "CONNECT proxy failed: proxy server responded 400/400",
                "CONNECT",
            ),
            ("json", None, "no answer in time", "firewall"),
        ] {
            let outcome = Outcome::Later {
                why: why.to_owned(),
                status,
                asked: None,
                may_have_arrived: false,
            };
            let told = hint(format, &outcome).unwrap_or_else(|| panic!("{why}: nothing"));
            assert!(told.contains(expected), "{format} {why}: {told}");
        }
    }

    #[test]
    fn every_row_can_be_reached() {
        for (at, row) in rows().enumerate() {
            let is_bare = row.statuses.is_empty() && row.words.is_empty();
            assert!(!is_bare, "{}", row.hint);
            for word in row.words {
                assert_eq!(*word, word.to_ascii_lowercase());
            }
            let hides = |earlier: &&Hint| {
                earlier.format == row.format
                    && earlier.words.is_empty()
                    && !row.statuses.is_empty()
                    && row.statuses.iter().all(|s| earlier.statuses.contains(s))
            };
            let hidden = rows().take(at).find(hides);
            assert!(hidden.is_none(), "hidden: {}", row.hint);
        }
    }
}
