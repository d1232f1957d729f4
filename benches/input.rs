//! What goes through the stages in the benches: batches of a thousand records.
//!
//! It must measure nothing.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench takes what it needs of it"
)]
#![allow(clippy::indexing_slicing, reason = "a bench")]

use brooklet::encode;
use brooklet::parse::{self, Event, Item};
use brooklet::process::{self, Identity, Options, Scratch, Stream};

/// The records of an iteration.
pub(crate) const RECORDS: usize = 1000;

/// A batch of lines as a Node function writes them, 190 bytes each with their event.
pub(crate) fn lines() -> String {
    batch(|n| {
        format!(
            r#""2026-11-22T10:00:00.{:03}Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tINFO\torder {n} received: 3 items, 47.11 EUR\n""#,
            n % 1000
        )
    })
}

/// A batch of lines of 200 bytes without anything to mask.
pub(crate) fn long_lines() -> String {
    batch(|n| {
        let text = "the quick brown fox jumps over the lazy dog and the order is on its way to the customer ".repeat(2);
        format!(r#""order {n}: {text} 2026-11-22 x""#)
    })
}

/// A batch of the records of a JSON logger.
pub(crate) fn objects() -> String {
    batch(|n| {
        format!(
            r#"{{"timestamp":"2026-11-22T10:00:00.123Z","level":"INFO","requestId":"4b142fc3-17b8-4cdb-a46b-a8dbe7918715","message":"order {n} received","customer":{{"id":4711,"mail":"a.b@example.com"}}}}"#
        )
    })
}

/// A batch of function events.
fn batch(record: impl Fn(usize) -> String) -> String {
    let events: Vec<String> = (0..RECORDS)
        .map(|n| {
            format!(
                r#"{{"time":"2026-11-22T10:00:00.123Z","type":"function","record":{}}}"#,
                record(n)
            )
        })
        .collect();
    let start = r#"{"time":"2026-11-22T10:00:00.000Z","type":"platform.start","record":{"requestId":"4b142fc3-17b8-4cdb-a46b-a8dbe7918715","version":"$LATEST","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Sampled=1"}}}"#;
    format!("[{start},{}]", events.join(","))
}

/// The readable events of a batch.
pub(crate) fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    parse::batch(text).filter_map(|item| match item {
        Item::Event(event) => Some(event),
        Item::Unreadable => None,
    })
}

/// Lines of real loggers, as `tests/data/lines/README.md` tells how they are written down.
const LOGGED: &[&str] = &[
    include_str!("../tests/data/lines/dotnet.txt"),
    include_str!("../tests/data/lines/go.txt"),
    include_str!("../tests/data/lines/java.txt"),
    include_str!("../tests/data/lines/node.txt"),
    include_str!("../tests/data/lines/none.txt"),
    include_str!("../tests/data/lines/php.txt"),
    include_str!("../tests/data/lines/python.txt"),
    include_str!("../tests/data/lines/ruby.txt"),
    include_str!("../tests/data/lines/rust.txt"),
    include_str!("../tests/data/lines/shell.txt"),
];

/// A batch of the lines of real loggers, which repeat themselves less than made ones.
pub(crate) fn logged() -> String {
    let texts: Vec<String> = LOGGED
        .iter()
        .flat_map(|file| file.lines())
        .filter(|row| !row.starts_with(['#', ' ']))
        .filter_map(|row| row.split_once(" | "))
        .map(|(_, line)| {
            let line = line
                .replace('␉', "\t")
                .replace('␊', "\n")
                .replace('␍', "\r")
                .replace('␛', "\u{1b}");
            serde_json::to_string(&line).expect("a string")
        })
        .collect();
    // A step that meets all of them, in another order than they are written in.
    batch(|n| texts[n * 131 % texts.len()].clone())
}

/// Who logs.
pub(crate) fn identity() -> Identity {
    Identity {
        function_name: Some("orders".into()),
        function_version: Some("$LATEST".into()),
        region: Some("eu-central-1".into()),
        account_id: Some("123456789012".into()),
        ..Identity::default()
    }
}

/// A batch as a payload of a format, without what stands before and behind it.
pub(crate) fn payload(format: &str, text: &str) -> Vec<u8> {
    let format = encode::format(format).expect("a format");
    let mut encoder = (format.encoder)(&encode::Options::default());
    encoder.identify(&identity());
    let (mut stream, mut scratch) = (Stream::new("e".into()), Scratch::default());
    let (options, mut out) = (Options::default(), Vec::new());
    for mut event in events(text) {
        if let (Ok(record), _) = process::process(&mut event, &options, &mut stream, &mut scratch) {
            encoder.encode(&record, &mut out);
            out.push(b'\n');
        }
    }
    out
}
