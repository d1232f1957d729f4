//! What each pure stage costs for a record, beside the bare path: `cargo bench --bench stages`.
//!
//! The bare path reads a batch and writes each record with nothing but its time, type and text.
//! One iteration takes [`RECORDS`](input::RECORDS) records, so that a figure divided by that is one record's; compare figures of one run only.

#![allow(missing_docs, reason = "a bench")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    reason = "a bench"
)]

mod input;

use brooklet::aws::sigv4::{self, Request, Scope};
use brooklet::digest;
use brooklet::encode;
use brooklet::process::{
    self, Fields, Multiline, Options, Pattern, Redact, Sample, Scratch, Stream, bare,
};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use flate2::{Compress, Compression, FlushCompress};
use input::{RECORDS, events, identity, lines, logged, long_lines, objects};

fn main() {
    divan::main();
}

/// Runs a batch through parse, process and encode.
fn run(bencher: Bencher<'_, '_>, text: &str, options: &Options) {
    run_as("ndjson", bencher, text, options);
}

/// The same in a format.
fn run_as(format: &str, bencher: Bencher<'_, '_>, text: &str, options: &Options) {
    let mut encoder = (encode::format(format).unwrap().encoder)(&encode::Options::default());
    encoder.identify(&identity());
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
fn run_bare(bencher: Bencher<'_, '_>, text: &str) {
    let mut encoder = (encode::format("ndjson").unwrap().encoder)(&encode::Options::default());
    let mut out = Vec::new();
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(move || {
            out.clear();
            for event in events(text) {
                encoder.encode(&bare::record(&event), &mut out);
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
    run_bare(bencher, &lines());
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
    run_bare(bencher, &objects());
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

#[divan::bench]
fn real_0_parse(bencher: Bencher<'_, '_>) {
    read(bencher, &logged());
}

#[divan::bench]
fn real_2_enriched(bencher: Bencher<'_, '_>) {
    run(bencher, &logged(), &Options::default());
}

/// A payload of a thousand records, compressed with a compressor that is used again.
fn gzip(bencher: Bencher<'_, '_>, text: &str, level: u32) {
    let payload = input::payload("ndjson", text);
    let mut compress = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(payload.len());
    bencher
        .counter(BytesCount::new(payload.len()))
        .bench_local(move || {
            compress.reset();
            out.clear();
            compress
                .compress_vec(&payload, &mut out, FlushCompress::Finish)
                .unwrap();
            out.len()
        });
}

/// The levels; the product takes the first.
const LEVELS: [u32; 4] = [1, 2, 3, 6];

#[divan::bench(args = LEVELS)]
fn text_9_gzip(bencher: Bencher<'_, '_>, level: u32) {
    gzip(bencher, &lines(), level);
}

#[divan::bench(args = LEVELS)]
fn real_9_gzip(bencher: Bencher<'_, '_>, level: u32) {
    gzip(bencher, &logged(), level);
}

/// A signature, with the day's key made anew each time: one a request.
#[divan::bench]
fn sigv4_signature(bencher: Bencher<'_, '_>) {
    let headers = [
        ("host", "firehose.eu-central-1.amazonaws.com"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "Firehose_20150804.PutRecordBatch"),
        ("x-amz-date", "20261122T100000Z"),
        (
            "x-amz-security-token",
            "IQoJb3JpZ2luX2VjEJr//////////wEaDGV1LWNlbnRyYWwtMSJHMEUCIQ",
        ),
    ];
    let payload = digest::sha256_hex(b"{}");
    let scope = Scope {
        timestamp: "20261122T100000Z",
        region: "eu-central-1",
        service: "firehose",
    };
    bencher.bench_local(|| {
        let request = Request {
            method: "POST",
            path: "/",
            query: "",
            headers: divan::black_box(&headers),
            payload: &payload,
            encode_path: true,
        };
        sigv4::authorization(
            &request,
            &scope,
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        )
    });
}

/// What is signed of a payload of a thousand records: the hash of all of it.
#[divan::bench]
fn sigv4_payload(bencher: Bencher<'_, '_>) {
    let payload = input::payload("ndjson", &lines());
    bencher
        .counter(BytesCount::new(payload.len()))
        .bench_local(|| digest::sha256_hex(divan::black_box(&payload)));
}
