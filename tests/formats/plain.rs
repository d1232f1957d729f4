//! `json` and `ndjson`: flat objects under our own names, read by the tests' model.

use super::{Case, Common, Payload, check, common};
use crate::model::{self, Record};

/// The records of a payload.
pub(super) fn records(payload: &Payload) -> Vec<Record> {
    let pieces = model::pieces(&payload.request, payload.text());
    pieces.into_iter().map(model::record).collect()
}

/// The same in common form but for the time, which may be any text.
pub(super) fn read_at_any_time(payload: &Payload) -> Vec<Common> {
    at_any_time(records(payload).into_iter())
}

/// The same of records.
pub(super) fn at_any_time(records: impl Iterator<Item = Record>) -> Vec<Common> {
    let settled = records.map(|record| Record {
        timestamp: "1970-01-01T00:00:00Z".to_owned(),
        ..record
    });
    settled.map(|record| common(&record)).collect()
}

fn read(payload: &Payload) -> Vec<Common> {
    records(payload).iter().map(common).collect()
}

const JSON: Case = Case {
    format: "json",
    extension: "json",
    options: &[],
    unit_ns: 1,
    fills_message: false,
    read,
};

#[test]
fn json_says_what_the_events_say() {
    let payload = check(&JSON);
    assert_eq!(
        payload.request.header("content-type"),
        Some("application/json")
    );
}

#[test]
fn ndjson_says_what_the_events_say() {
    let payload = check(&Case {
        format: "ndjson",
        extension: "ndjson",
        ..JSON
    });
    assert_eq!(
        payload.request.header("content-type"),
        Some("application/x-ndjson")
    );
}
