//! `firehose`: records of Amazon Data Firehose for PutRecordBatch, each with as many lines as it holds.

use super::object::string;
use super::pack::{Envelope, Pack, base64};
use super::{Format, Frame};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "firehose",
    content_type: "application/x-amz-json-1.1",
    frame: Frame::LINES,
    record_bytes: RECORD_BYTES,
    gzip: false,
    scheme: true,
    encoder: |options| Pack::boxed(options, &ENVELOPE),
    ..Format::PLAIN
};

/// A record holds 1000 KiB before base64, and a call 4 MiB; it is billed in steps of 5 KB, so the larger the better.
const RECORD_BYTES: usize = 1_000_000;

/// What stands around the records.
const ENVELOPE: Envelope = Envelope {
    begin: |place, out| {
        let [stream, _] = &place.names;
        out.extend_from_slice(b"{\"DeliveryStreamName\":");
        string(out, stream);
        out.extend_from_slice(b",\"Records\":[");
    },
    write: |_, _, bytes, out| {
        out.extend_from_slice(b"{\"Data\":");
        base64(bytes, out);
        out.push(b'}');
    },
    bytes_max: RECORD_BYTES,
};
