//! What is typically wrong when a vendor does not take a probe, told from its answer.
//!
//! It never claims to know: a row is the usual mistake behind a status and a word. A new format adds its rows to [`HINTS`].

use crate::encode;
use crate::send::Outcome;

/// One usual mistake.
struct Hint {
    /// The format; empty for every one.
    format: &'static str,
    /// The statuses.
    statuses: &'static [u16],
    /// Words of the answer, of which one must be there, in lower case; none if the status is enough.
    words: &'static [&'static str],
    /// What is to be done.
    hint: &'static str,
}

/// The usual mistakes, of which the first that fits is told: of a format, the more exact before the less; those of every format last.
const HINTS: &[Hint] = &[
    of(
        "datadog",
        &[403],
        &[],
        "the key is none of this site's: BROOKLET_API_KEY takes an API key, not an application key, and DD_SITE or the endpoint must be the site of the account (datadoghq.com, datadoghq.eu, us3, us5, ap1, ap2, ddog-gov.com)",
    ),
    of(
        "datadog",
        &[400, 401],
        &[],
        "is BROOKLET_API_KEY or DD_API_KEY set, and is the endpoint https://http-intake.logs.<site>?",
    ),
    of(
        "newrelic",
        &[401, 403],
        &[],
        "BROOKLET_API_KEY takes the license (ingest) key, not a user key; accounts of the EU need log-api.eu.newrelic.com",
    ),
    of(
        "honeycomb",
        &[401],
        &[],
        "BROOKLET_API_KEY takes an ingest key of the environment; teams of the EU need api.eu1.honeycomb.io",
    ),
    of(
        "honeycomb",
        &[403, 404],
        &[],
        "may the key create datasets, and is the path /1/batch/<dataset>?",
    ),
    of(
        "axiom",
        &[401, 403],
        &[],
        "BROOKLET_API_KEY takes an API token (xaat-…) that may ingest into this dataset; organizations of the EU need api.eu.axiom.co",
    ),
    of(
        "axiom",
        &[404, 405],
        &[],
        "does the dataset exist? Set BROOKLET_INDEX, or write the path /v1/datasets/<dataset>/ingest into the endpoint",
    ),
    of(
        "betterstack",
        &[401, 403],
        &[],
        "BROOKLET_API_KEY takes the source token, and the endpoint is the ingesting host of the same source",
    ),
    of("betterstack", &[402], &[], "the plan's quota is used up"),
    of(
        "coralogix",
        &[401, 403],
        &[],
        "BROOKLET_API_KEY takes a Send-Your-Data key of the account whose domain is in the endpoint (https://ingress.<domain>)",
    ),
    of(
        "dynatrace",
        &[401],
        &[],
        "BROOKLET_API_KEY takes an access token (dt0c01.…), sent as Api-Token and not as Bearer; an API key of another environment is not known here",
    ),
    of(
        "dynatrace",
        &[403],
        &[],
        "the token needs the scope logs.ingest",
    ),
    of(
        "dynatrace",
        &[404],
        &[],
        "the endpoint is https://<environment>.live.dynatrace.com, not the .apps. address; an ActiveGate has /e/<environment>/api/v2/logs/ingest",
    ),
    of(
        "dynatrace",
        &[200, 400],
        &["out of correct time range"],
        "records older than 24 hours are not taken",
    ),
    of(
        "victorialogs",
        &[400],
        &[],
        "does the query name _msg_field, _time_field and _stream_fields? Tenants go into the headers AccountID and ProjectID",
    ),
    of("victorialogs", &[404], &[], "the path is /insert/jsonline"),
    of(
        "splunk",
        &[401],
        &[],
        "BROOKLET_API_KEY takes the token alone: it is sent as Authorization: Splunk <token>, not as Bearer",
    ),
    of(
        "splunk",
        &[403],
        &["\"code\":1,", "disabled"],
        "the token, or the event collector as a whole, is disabled",
    ),
    of(
        "splunk",
        &[403],
        &[],
        "the token is not known here: is it this instance's own?",
    ),
    of(
        "splunk",
        &[400],
        &["\"code\":7", "incorrect index"],
        "the token may not write into this index: set BROOKLET_INDEX to one that it may, or leave it out",
    ),
    of(
        "splunk",
        &[400],
        &["\"code\":10", "\"code\":11", "channel"],
        "the token wants acknowledgement: switch that off, or send a channel with BROOKLET_HEADERS=X-Splunk-Request-Channel=<uuid>",
    ),
    of(
        "splunk",
        &[404],
        &[],
        "is this the event collector's port (8088, for Splunk Cloud http-inputs-<stack>.splunkcloud.com), and not the one of the web pages?",
    ),
    of(
        "elasticsearch",
        &[401],
        &[],
        "BROOKLET_API_KEY takes the encoded API key (id and key in base64), sent as ApiKey and not as Bearer; a user and a password are given as user:password",
    ),
    of(
        "elasticsearch",
        &[200, 201, 403],
        &["security_exception", "unauthorized", "authorization"],
        "the key may not write into this index: it needs create_doc, and auto_configure where the index is yet to be made",
    ),
    of(
        "elasticsearch",
        &[200, 201, 404],
        &["index_not_found", "no such index"],
        "the index does not exist and must not be made by writing: name one in the endpoint's path",
    ),
    of(
        "elasticsearch",
        &[200, 201, 400],
        &["data_stream", "data stream", "op_type"],
        "a data stream's name follows <type>-<dataset>-<namespace>, such as logs-lambda-default",
    ),
    of(
        "loki",
        &[401],
        &[],
        "Grafana Cloud wants user and token, as BROOKLET_API_KEY=user:token; a Loki of your own with tenants wants BROOKLET_HEADERS=X-Scope-OrgID=<tenant>",
    ),
    of(
        "loki",
        &[400],
        &["no org id"],
        "this Loki has tenants: set BROOKLET_HEADERS=X-Scope-OrgID=<tenant>",
    ),
    of(
        "loki",
        &[400],
        &["structured metadata"],
        "structured metadata is switched off here: it needs schema v13 and allow_structured_metadata",
    ),
    of(
        "loki",
        &[400],
        &["label"],
        "too many labels or a wrong name: see BROOKLET_LABELS",
    ),
    of("loki", &[404], &[], "the path is /loki/api/v1/push"),
    of(
        "otlp",
        &[400, 415],
        &[],
        "some receivers take protobuf alone or JSON alone: the formats are otlp and otlp-json",
    ),
    of(
        "otlp",
        &[401, 403],
        &[],
        "the vendor's own header for the key goes into OTEL_EXPORTER_OTLP_HEADERS or BROOKLET_HEADERS",
    ),
    of(
        "otlp",
        &[404, 405],
        &[],
        "the path of logs is /v1/logs, behind the vendor's own if it has one",
    ),
    of("s3", REFUSED, &["nosuchbucket"], "there is no such bucket"),
    of(
        "s3",
        REFUSED,
        &[
            "redirect",
            "authorizationheadermalformed",
            "illegallocation",
        ],
        "the bucket is in another region: write it behind the endpoint, as s3://bucket/prefix?region=eu-west-1",
    ),
    of(
        "s3",
        REFUSED,
        &["accessdenied"],
        "the role needs s3:PutObject on the bucket's objects, and kms:GenerateDataKey where a key of your own encrypts them",
    ),
    of(
        "firehose",
        REFUSED,
        DENIED,
        "the role needs firehose:PutRecordBatch on the stream",
    ),
    of(
        "kinesis",
        REFUSED,
        DENIED,
        "the role needs kinesis:PutRecords on the stream, and kms:GenerateDataKey where a key of your own encrypts it",
    ),
    of(
        "sqs",
        REFUSED,
        DENIED,
        "the role needs sqs:SendMessage on the queue, and kms:GenerateDataKey where a key of your own encrypts it",
    ),
    of(
        "cloudwatch",
        REFUSED,
        DENIED,
        "the role needs logs:PutLogEvents, and logs:CreateLogStream and logs:CreateLogGroup where they are to be made",
    ),
    of(
        AWS,
        REFUSED,
        &["notfound", "doesnotexist", "nonexistent"],
        "there is none of that name in this region and account: for another region write ?region=eu-west-1 behind it, or give its ARN",
    ),
    of(
        AWS,
        REFUSED,
        &["signature", "malformed"],
        "the secret key is not this key's, or something on the way changes requests",
    ),
    of(
        AWS,
        REFUSED,
        &["expired"],
        "the credentials expired: get new ones; in Lambda the next environment has them",
    ),
    of(
        AWS,
        REFUSED,
        &["token", "unrecognizedclient", "invalidaccesskeyid"],
        "the key is not known in this partition, or goes with another AWS_SESSION_TOKEN",
    ),
    of(
        AWS,
        &[403],
        &[],
        "the role, or a policy of the other side, does not allow it",
    ),
    of(
        "",
        &[401, 403],
        &[],
        "the key is missing, wrong or of another account: BROOKLET_API_KEY, or BROOKLET_HEADERS where the header is another one",
    ),
    of(
        "",
        &[404, 405],
        &[],
        "the host answers, but not at this path or not to this method: is the endpoint whole?",
    ),
    of(
        "",
        &[415],
        &[],
        "the destination does not take this content type or compression: try BROOKLET_COMPRESSION=none or another BROOKLET_FORMAT",
    ),
    of(
        "",
        &[301, 302, 303, 307, 308],
        &[],
        "a redirect is not followed: set the endpoint to where it points",
    ),
    of(
        "",
        &[407],
        &[],
        "the proxy wants a user and a password: BROOKLET_PROXY=http://user:password@host:port",
    ),
];

/// The format of rows for every service of AWS.
const AWS: &str = "aws";

/// How services of AWS refuse: their JSON says it of the records, with whatever status.
const REFUSED: &[u16] = &[200, 301, 400, 403, 404];

/// What they say of somebody who may not.
const DENIED: &[&str] = &["accessdenied", "not authorized"];

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
            (*status, answer)
        }
        // Only an answer that says that all is well tells of single records.
        Outcome::Partly { why, .. } => (200, why),
        Outcome::TooLarge | Outcome::Later { .. } => return None,
    };
    let answer = answer.to_ascii_lowercase();
    let fits = |row: &&Hint| {
        // `otlp-json` makes the mistakes of `otlp`.
        let family = format.split('-').next() == Some(row.format)
            || (row.format == AWS && encode::format(format).is_some_and(|format| format.scheme));
        (row.format.is_empty() || family)
            && row.statuses.contains(&status)
            && (row.words.is_empty() || row.words.iter().any(|word| answer.contains(word)))
    };
    HINTS.iter().find(fits).map(|row| row.hint)
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
        ] {
            let told = of_refusal(format, status, answer);
            let told = told.unwrap_or_else(|| panic!("{format} {status}: nothing"));
            assert!(told.contains(expected), "{format} {status}: {told}");
        }
        assert_eq!(of_refusal("json", 400, "no"), None);
        assert_eq!(of_refusal("json", 422, "no"), None);
    }

    #[test]
    fn every_row_can_be_reached() {
        for (at, row) in HINTS.iter().enumerate() {
            assert!(!row.statuses.is_empty(), "{}", row.hint);
            for word in row.words {
                assert_eq!(*word, word.to_ascii_lowercase());
            }
            let hides = |earlier: &&Hint| {
                earlier.format == row.format
                    && earlier.words.is_empty()
                    && row.statuses.iter().all(|s| earlier.statuses.contains(s))
            };
            let hidden = HINTS.iter().take(at).find(hides);
            assert!(hidden.is_none(), "hidden: {}", row.hint);
        }
    }
}
