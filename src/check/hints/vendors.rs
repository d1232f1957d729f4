//! The usual mistakes with vendors, told from how each answers.
//!
//! Of a format the more exact come before the less.

use super::{Hint, of};

/// What an Elasticsearch that may take the same later says.
const BUSY_CLUSTER: &str =
    "the cluster is there and takes nothing for now: its write queue is full, or it has no master";

/// The rows.
pub(super) const ROWS: &[Hint] = &[
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
        &[429, 503],
        &[],
        "the collector is there and takes nothing for now: its queues are full, or it starts or stops; code 9 also means that the token's indexers are not reached",
    ),
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
        &["\"code\":10,", "\"code\":11,", "\"code\":28,", "channel"],
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
        &[403],
        &["not authorized to perform", "security token"],
        "the Amazon domain's access policy does not let this caller in: give a user of the domain's own as BROOKLET_API_KEY=user:password",
    ),
    of(
        "elasticsearch",
        &[200, 429, 403],
        &["flood-stage", "flood stage", "read-only"],
        "the index is closed for writing, as the cluster's disks are nearly full",
    ),
    of(
        "elasticsearch",
        &[200],
        &["es_rejected", "unavailable_shards"],
        BUSY_CLUSTER,
    ),
    of("elasticsearch", &[429, 503], &[], BUSY_CLUSTER),
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
        &["host is not found"],
        "the user belongs to another stack of Grafana Cloud: the endpoint's host is the one on that stack's page",
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
        "loki",
        &[429],
        &["stream"],
        "too many streams, or too much for one: see BROOKLET_LABELS, each set of whose values is one",
    ),
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
        &[],
        &["http parse", "disconnected"],
        "is this the port of OTLP over HTTP (4318), and not that of gRPC (4317)? A port for TLS wants https://",
    ),
    of(
        "otlp",
        &[404, 405],
        &[],
        "the path of logs is /v1/logs, behind the vendor's own if it has one",
    ),
];
