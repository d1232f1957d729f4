//! Places in AWS: what the envelopes hold is what `ndjson` says of the same events.

use super::{Common, common, expected, payload_at};
use super::{Payload, plain};
use crate::model::Record;
use crate::scenario::aws::{call, envelope};
use crate::sink::Sink;

/// A record in common form, with `ENV` for the environment's part of its id.
fn named(record: &Record) -> Common {
    let mut common = common(record);
    let (_, number) = common
        .record_id
        .rsplit_once('-')
        .expect("an id ends in a number");
    common.record_id = format!("ENV-{number}");
    common
}

/// The records in an envelope of this service, whatever their times.
pub(super) fn read(service: &str, payload: &Payload) -> Vec<Common> {
    let (_, items) = envelope(service, &payload.body);
    plain::at_any_time(items.into_iter().flatten())
}

#[test]
fn every_envelope_holds_what_ndjson_says() {
    let expected = expected();
    for endpoint in ["firehose://s", "kinesis://s", "sqs://q", "cloudwatch://g/s"] {
        let sink = Sink::ok();
        let options = [
            ("BROOKLET_ENDPOINT", endpoint),
            ("BROOKLET_AWS_ENDPOINT_URL", &*sink.url("")),
        ];
        let payload = payload_at(&sink, "", &options);
        let mut read: Vec<Common> = call(&payload.request)
            .items
            .iter()
            .flatten()
            .map(named)
            .collect();
        // CloudWatch wants them in the order of their times.
        let number = |one: &Common| one.record_id["ENV-".len()..].parse::<u64>().unwrap();
        read.sort_by_key(number);
        assert_eq!(read, expected, "{endpoint}");
    }
}

#[test]
fn an_object_is_what_ndjson_says() {
    let sink = Sink::ok();
    let options = [
        ("BROOKLET_ENDPOINT", "s3://bucket"),
        ("BROOKLET_AWS_ENDPOINT_URL", &*sink.url("")),
    ];
    let payload = payload_at(&sink, "", &options);
    let plain = super::payload("ndjson", &[]);
    assert_eq!(payload.text(), plain.text());
    assert_eq!(
        payload.request.header("content-type"),
        Some("application/x-ndjson")
    );
    assert_eq!(payload.request.header("content-encoding"), Some("gzip"));
}
