//! `dynatrace`: an array of objects with `content`, `timestamp`, `severity` and flat attributes.
//!
//! Attributes have the names of its semantic dictionary; an X-Ray trace is none of its traces, so it is not `trace_id`.

use super::Format;
use super::object::{Object, Style};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "dynatrace",
    content_type: "application/json; charset=utf-8",
    key_header: ("authorization", "Api-Token "),
    batch_bytes: 10_000_000,
    batch_records: 50_000,
    // With the brackets around it.
    record_bytes: 10_000_000 - 2,
    hosts: &["*.live.dynatrace.com"],
    path: "/api/v2/logs/ingest",
    encoder: |_| {
        Box::new(Object::styled(Style {
            names: &[
                ("message", "content"),
                ("level", "severity"),
                ("request_id", "faas.invocation_id"),
                ("trace_id", "aws.xray.trace_id"),
                ("cold_start", "faas.coldstart"),
                ("function_name", "faas.name"),
                ("function_version", "faas.version"),
                ("function_arn", "aws.arn"),
                ("region", "aws.region"),
                ("account_id", "aws.account.id"),
                ("service_name", "service.name"),
            ],
            timed: true,
            told: true,
            flat: true,
        }))
    },
    ..Format::PLAIN
};
