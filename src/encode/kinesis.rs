//! `kinesis`: records of Amazon Kinesis Data Streams for PutRecords, each with as many lines as it holds.

use super::object::string;
use super::pack::{Envelope, Pack, base64};
use super::{Format, Frame};
use crate::digest::sha256_hex;
use crate::parse;

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "kinesis",
    content_type: "application/x-amz-json-1.1",
    frame: Frame::LINES,
    // A stream takes 1 MiB, the partition key included, unless its owner lets it take more.
    record_bytes: 1_000_000,
    gzip: false,
    scheme: true,
    encoder: |options| Pack::boxed(options, &ENVELOPE),
    ..Format::PLAIN
};

/// What stands around the records.
const ENVELOPE: Envelope = Envelope {
    begin: |place, out| {
        let [stream, _] = &place.names;
        let name: &[u8] = if stream.starts_with("arn:") {
            b"{\"StreamARN\":"
        } else {
            b"{\"StreamName\":"
        };
        out.extend_from_slice(name);
        string(out, stream);
        out.extend_from_slice(b",\"Records\":[");
    },
    write: |_, _, bytes, out| {
        out.extend_from_slice(b"{\"Data\":");
        base64(bytes, out);
        // By chance as far as shards are concerned, and the same when it is sent again.
        let key = sha256_hex(bytes);
        out.extend_from_slice(b",\"PartitionKey\":");
        string(out, parse::cut(&key, 16));
        out.push(b'}');
    },
    // Ten of the 25 KB that are billed as one, and a quarter of what a shard takes in a second.
    bytes_max: 250_000,
};
