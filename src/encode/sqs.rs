//! `sqs`: messages of Amazon SQS for SendMessageBatch, each with as many lines as it holds.
//!
//! A message is text, so what is compressed is in base64; a few characters of Unicode are not allowed and replaced.

use super::object::string;
use super::pack::{Envelope, Pack, base64};
use super::{Format, Frame, Options};
use crate::digest::sha256_hex;
use crate::process::Identity;
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
    encoder: |options| Box::new(Pack::new(options, Box::new(Sqs::new(options)), PACK_BYTES)),
    ..Format::PLAIN
};

/// What a message is filled up to: 256 KiB are what every queue takes.
const PACK_BYTES: usize = 256_000;

/// What the names of queues end with that keep an order.
const FIFO: &str = ".fifo";

/// The queue.
struct Sqs {
    /// What stands before account and name in its URL.
    base: String,
    /// Its name, with the account before it if the owner said it.
    queue: String,
    /// The account, if it is needed and known.
    account: String,
    /// Whether messages are compressed.
    gzip: bool,
}

impl Sqs {
    /// A queue whose account may not be known yet.
    fn new(options: &Options) -> Self {
        let [base, queue] = options.place.clone();
        Self {
            base,
            queue,
            account: String::new(),
            gzip: options.gzip_inside,
        }
    }
}

impl Envelope for Sqs {
    fn identify(&mut self, identity: &Identity) {
        if let (Some(account), false) = (&identity.account_id, self.queue.contains('/')) {
            self.account = [account, "/"].concat();
        }
    }

    fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"QueueUrl\":");
        string(
            out,
            &[&*self.base, "/", &self.account, &self.queue].concat(),
        );
        out.extend_from_slice(b",\"Entries\":[");
    }

    fn write(&self, number: usize, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"Id\":");
        string(out, &number.to_string());
        out.extend_from_slice(b",\"MessageBody\":");
        if self.gzip {
            base64(bytes, out);
        } else {
            // It was text before it was packed.
            let text = String::from_utf8_lossy(bytes);
            string(out, &text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
        }
        if self.queue.ends_with(FIFO) {
            // What one environment logs keeps its order, and a message that is sent again is recognised.
            out.extend_from_slice(b",\"MessageGroupId\":");
            string(out, time::environment());
            out.extend_from_slice(b",\"MessageDeduplicationId\":");
            string(out, &sha256_hex(bytes));
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Encode;

    fn written(queue: &str, account: Option<&str>, gzip_inside: bool) -> String {
        let options = Options {
            place: ["https://sqs".into(), queue.into()],
            gzip_inside,
            ..Options::default()
        };
        let mut pack = Pack::new(&options, Box::new(Sqs::new(&options)), PACK_BYTES);
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
