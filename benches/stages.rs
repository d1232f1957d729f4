//! What each pure stage costs for a record, beside the bare path: `cargo bench --bench stages`.
//!
//! The bare path reads a batch and writes each record with nothing but its time, type and text.
//! One iteration takes [`RECORDS`] records, so that a figure divided by that is one record's; compare figures of one run only.

#![allow(missing_docs, reason = "a bench")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    reason = "a bench"
)]

use brooklet::encode;
use brooklet::parse::{self, Event, Item};
use brooklet::process::{
    self, Fields, Identity, Multiline, Options, Pattern, Record, Redact, Sample, Scratch, Stream,
};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// The records of an iteration.
const RECORDS: usize = 1000;

/// A batch of lines as a Node function writes them, 190 bytes each with their event.
fn lines() -> String {
    batch(|n| {
        format!(
            r#""2026-11-22T10:00:00.{:03}Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tINFO\torder {n} received: 3 items, 47.11 EUR\n""#,
            n % 1000
        )
    })
}

/// A batch of lines of 200 bytes without anything to mask.
fn long_lines() -> String {
    batch(|n| {
        let text = "the quick brown fox jumps over the lazy dog and the order is on its way to the customer ".repeat(2);
        format!(r#""order {n}: {text} 2026-11-22 x""#)
    })
}

/// A batch of the records of a JSON logger.
fn objects() -> String {
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
fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    parse::batch(text).filter_map(|item| match item {
        Item::Event(event) => Some(event),
        Item::Unreadable => None,
    })
}

/// Runs a batch through parse, process and encode.
fn run(bencher: Bencher<'_, '_>, text: &str, options: &Options) {
    run_as("ndjson", bencher, text, options);
}

/// The same in a format.
fn run_as(format: &str, bencher: Bencher<'_, '_>, text: &str, options: &Options) {
    let mut encoder = (encode::format(format).unwrap().encoder)(&encode::Options::default());
    encoder.identify(&Identity {
        function_name: Some("orders".into()),
        function_version: Some("$LATEST".into()),
        region: Some("eu-central-1".into()),
        account_id: Some("123456789012".into()),
        ..Identity::default()
    });
    let (mut stream, mut scratch) = (Stream::new("e".into()), Scratch::default());
    let mut multiline = Multiline::new(options.multiline.clone());
    let mut out = Vec::new();
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(move || {
            out.clear();
            for mut event in events(text) {
                if options.multiline.is_some() {
                    divan::black_box(multiline.offer(&event));
                    multiline.release();
                }
                let (record, _) = process::process(&mut event, options, &mut stream, &mut scratch);
                if let Ok(record) = record {
                    encoder.encode(&record, &mut out);
                }
            }
            out.len()
        });
}

/// Runs a batch through parse alone.
fn read(bencher: Bencher<'_, '_>, text: &str) {
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| events(text).map(|event| event.record.len()).sum::<usize>());
}

/// Runs a batch through parse and encode, with nothing between them.
fn bare(bencher: Bencher<'_, '_>, text: &str) {
    let encoder = (encode::format("ndjson").unwrap().encoder)(&encode::Options::default());
    let mut out = Vec::new();
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(move || {
            out.clear();
            for event in events(text) {
                let inside = parse::inside(event.record);
                let record = Record {
                    timestamp: event.time,
                    kind: &event.kind,
                    message: inside,
                    record: Some(event.record).filter(|_| inside.is_none()),
                    extra: &event.extra,
                    ..Record::default()
                };
                encoder.encode(&record, &mut out);
            }
            out.len()
        });
}

/// Options with one thing changed.
fn with(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

fn redact(rules: &str) -> Options {
    with(|options| {
        let (redact, bad) = Redact::parse(rules);
        assert!(bad.is_empty(), "{bad:?}");
        options.redact = redact;
    })
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text, false).unwrap()
}

#[divan::bench]
fn text_0_parse(bencher: Bencher<'_, '_>) {
    read(bencher, &lines());
}

#[divan::bench]
fn text_1_bare(bencher: Bencher<'_, '_>) {
    bare(bencher, &lines());
}

#[divan::bench]
fn text_2_enriched(bencher: Bencher<'_, '_>) {
    run(bencher, &lines(), &Options::default());
}

#[divan::bench]
fn text_3_sample(bencher: Bencher<'_, '_>) {
    let options = with(|options| options.sample = Sample::parse("0.999999").unwrap());
    run(bencher, &lines(), &options);
}

#[divan::bench(args = ["order", r"\d+\.\d\d EUR", r"\bo[rd]{2}er\b"])]
fn text_3_include(bencher: Bencher<'_, '_>, text: &str) {
    let options = with(|options| options.select.include = vec![pattern(text)]);
    run(bencher, &lines(), &options);
}

#[divan::bench(args = ["health", r"\d{3}-\d{2}-\d{4}"])]
fn text_3_exclude(bencher: Bencher<'_, '_>, text: &str) {
    let options = with(|options| options.select.exclude = vec![pattern(text)]);
    run(bencher, &lines(), &options);
}

#[divan::bench]
fn text_3_multiline(bencher: Bencher<'_, '_>) {
    let options = with(|options| options.multiline = Some(pattern("^20")));
    run(bencher, &lines(), &options);
}

#[divan::bench]
fn json_0_parse(bencher: Bencher<'_, '_>) {
    read(bencher, &objects());
}

#[divan::bench]
fn json_1_bare(bencher: Bencher<'_, '_>) {
    bare(bencher, &objects());
}

#[divan::bench]
fn json_2_enriched(bencher: Bencher<'_, '_>) {
    run(bencher, &objects(), &Options::default());
}

#[divan::bench]
fn json_3_drop_fields(bencher: Bencher<'_, '_>) {
    let options = with(|options| options.fields = Fields::parse("customer.mail", ""));
    run(bencher, &objects(), &options);
}

#[divan::bench]
fn json_3_redact_email_that_is_there(bencher: Bencher<'_, '_>) {
    run(bencher, &objects(), &redact("email"));
}

#[divan::bench]
fn long_2_enriched(bencher: Bencher<'_, '_>) {
    run(bencher, &long_lines(), &Options::default());
}

#[divan::bench(args = ["email", "card", "jwt", "aws-key", "ip", "bearer", "phone", "/password=\\S+/", r"/\b\d{3}-\d{2}-\d{4}\b/"])]
fn long_3_redact(bencher: Bencher<'_, '_>, rule: &str) {
    run(bencher, &long_lines(), &redact(rule));
}

/// Seven built-in rules and three of the owner's: above 100,000 lines a second means below 10 ms an iteration.
#[divan::bench]
fn long_4_redact_by_ten_rules(bencher: Bencher<'_, '_>) {
    let rules = r"email,card,jwt,aws-key,ip,bearer,phone,/password=\S+/,/session-[0-9a-f]+/,iban=/\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b/";
    run(bencher, &long_lines(), &redact(rules));
}

/// The names of all formats.
fn formats() -> impl Iterator<Item = &'static str> {
    encode::FORMATS.iter().map(|format| format.name)
}

#[divan::bench(args = formats())]
fn text_9_format(bencher: Bencher<'_, '_>, format: &str) {
    run_as(format, bencher, &lines(), &Options::default());
}

#[divan::bench(args = formats())]
fn json_9_format(bencher: Bencher<'_, '_>, format: &str) {
    run_as(format, bencher, &objects(), &Options::default());
}
