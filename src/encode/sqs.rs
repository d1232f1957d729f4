//! `sqs`: messages of Amazon SQS for SendMessageBatch, each with as many lines as it holds.
//!
//! A message is text, so what is compressed is in base64; a few characters of Unicode are not allowed and replaced.

use super::object::{decimal, string};
use super::pack::{Envelope, Pack, base64};
use super::{Format, Frame};
use crate::digest::sha256_hex;
use crate::time;

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "sqs",
    content_type: "application/x-amz-json-1.0",
    frame: Frame::LINES,
    // The messages of a batch hold 1 MiB together, and there are ten at most: each is more than half full on average.
    batch_bytes: 1_000_000,
    record_bytes: PACK_BYTES,
    gzip: false,
    scheme: true,
    // Of the messages of a FIFO queue, which takes each once.
    replaces: true,
    encoder: |options| Pack::boxed(options, &ENVELOPE),
    ..Format::PLAIN
};

/// What a message is filled up to: 256 KiB are what every queue takes.
const PACK_BYTES: usize = 256_000;

/// What the names of queues end with that keep an order.
const FIFO: &str = ".fifo";

/// What stands around the records: the name of the queue may have the account before it.
const ENVELOPE: Envelope = Envelope {
    begin: |place, out| {
        let [base, queue] = &place.names;
        let account = place.account.as_deref().filter(|_| !queue.contains('/'));
        let slash = if account.is_some() { "/" } else { "" };
        let url = [base, "/", account.unwrap_or_default(), slash, queue].concat();
        out.extend_from_slice(b"{\"QueueUrl\":");
        string(out, &url);
        out.extend_from_slice(b",\"Entries\":[");
    },
    write: |place, number, bytes, out| {
        let [_, queue] = &place.names;
        out.extend_from_slice(b"{\"Id\":\"");
        decimal(out, u64::try_from(number).unwrap_or(u64::MAX));
        out.extend_from_slice(b"\",\"MessageBody\":");
        if place.gzip {
            base64(bytes, out);
        } else {
            // It was text before it was packed.
            let text = String::from_utf8_lossy(bytes);
            string(out, &text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
        }
        if queue.ends_with(FIFO) {
            // What one environment logs keeps its order, and a message that is sent again is recognised.
            out.extend_from_slice(b",\"MessageGroupId\":");
            string(out, time::environment());
            out.extend_from_slice(b",\"MessageDeduplicationId\":");
            string(out, &sha256_hex(bytes));
        }
        out.push(b'}');
    },
    bytes_max: PACK_BYTES,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Options;
    use crate::process::Identity;

    fn written(queue: &str, account: Option<&str>, gzip_inside: bool) -> String {
        let options = Options {
            place: ["https://sqs".into(), queue.into()],
            gzip_inside,
            ..Options::default()
        };
        let mut pack = Pack::boxed(&options, &ENVELOPE);
        pack.identify(&Identity {
            account_id: account.map(ToOwned::to_owned),
            ..Identity::default()
        });
        let (mut out, mut places) = (Vec::new(), Vec::new());
        let lines = ["{\"a\":\"\u{ffff}\"}".as_bytes(), b"{}"];
        assert!(pack.gather(&mut lines.into_iter(), &mut out, &mut places));
        assert_eq!(places, [0, 0]);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_message_holds_lines() {
        let message = r#""Entries":[{"Id":"0","MessageBody":"{\"a\":\"�\"}\n{}\n"}]}"#;
        for (queue, account, url) in [
            ("q", Some("1"), "https://sqs/1/q"),
            ("2/q", Some("1"), "https://sqs/2/q"),
            ("q", None, "https://sqs/q"),
        ] {
            let expected = format!("{{\"QueueUrl\":\"{url}\",{message}");
            assert_eq!(written(queue, account, false), expected);
        }
        assert!(written("q", None, true).contains(r#""MessageBody":"H4sI"#));
        let fifo = written("q.fifo", None, false);
        assert!(
            fifo.contains("\"MessageGroupId\":\"")
                && fifo.contains("\"MessageDeduplicationId\":\"")
        );
    }
}
