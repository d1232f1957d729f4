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
    encoder: |options| {
        let [stream, _] = options.place.clone();
        Box::new(Pack::new(
            options,
            Box::new(Firehose { stream }),
            RECORD_BYTES,
        ))
    },
    ..Format::PLAIN
};

/// A record holds 1000 KiB before base64, and a call 4 MiB; it is billed in steps of 5 KB, so the larger the better.
const RECORD_BYTES: usize = 1_000_000;

/// The stream.
struct Firehose {
    /// Its name.
    stream: String,
}

impl Envelope for Firehose {
    fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"DeliveryStreamName\":");
        string(out, &self.stream);
        out.extend_from_slice(b",\"Records\":[");
    }

    fn write(&self, _number: usize, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"Data\":");
        base64(bytes, out);
        out.push(b'}');
    }
}
