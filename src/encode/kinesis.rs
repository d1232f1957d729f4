//! `kinesis`: records of Amazon Kinesis Data Streams for PutRecords, each with as many lines as it holds.

use super::object::string;
use super::pack::{Envelope, Pack, base64};
use super::{Format, Frame};
use crate::digest::sha256_hex;

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "kinesis",
    content_type: "application/x-amz-json-1.1",
    frame: Frame::LINES,
    // A stream takes 1 MiB, the partition key included, unless its owner lets it take more.
    record_bytes: 1_000_000,
    gzip: false,
    scheme: true,
    encoder: |options| {
        let [stream, _] = options.place.clone();
        Box::new(Pack::new(options, Box::new(Kinesis { stream }), PACK_BYTES))
    },
    ..Format::PLAIN
};

/// What a record is filled up to: ten of the 25 KB that are billed as one, and a quarter of what a shard takes in a second.
const PACK_BYTES: usize = 250_000;

/// The stream.
struct Kinesis {
    /// Its name or its ARN.
    stream: String,
}

impl Envelope for Kinesis {
    fn begin(&self, out: &mut Vec<u8>) {
        let name: &[u8] = if self.stream.starts_with("arn:") {
            b"{\"StreamARN\":"
        } else {
            b"{\"StreamName\":"
        };
        out.extend_from_slice(name);
        string(out, &self.stream);
        out.extend_from_slice(b",\"Records\":[");
    }

    fn write(&self, _number: usize, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"Data\":");
        base64(bytes, out);
        // By chance as far as shards are concerned, and the same when it is sent again.
        let key = sha256_hex(bytes);
        out.extend_from_slice(b",\"PartitionKey\":");
        string(out, key.get(..16).unwrap_or_default());
        out.push(b'}');
    }
}
