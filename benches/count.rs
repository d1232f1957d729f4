//! What is counted of the pure stages: `count <path> <rounds>` takes a batch of a thousand records through a path so often.
//!
//! It measures nothing itself. `benches/counts` runs it under valgrind with two numbers of rounds, and the difference is what a record costs: of instructions under callgrind, of allocations under memcheck.
//! What every run does once, as to read the batch, is in both and so in neither.

#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::missing_docs_in_private_items, reason = "a bench")]

mod input;

use brooklet::buffer::Buffer;
use brooklet::encode;
use brooklet::gzip::Gzip;
use brooklet::process::{self, Options, Scratch, Stream};
use input::{events, identity, lines, logged, objects};
use std::hint::black_box;

/// Larger than a batch.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, path, rounds, ..] = &words[..] else {
        // `cargo test --benches` and the like run it without words.
        return;
    };
    let Ok(rounds) = rounds.parse() else {
        return;
    };
    match path.as_str() {
        "parse" => parse(rounds),
        "gzip" => gzip(rounds),
        path => match path.split_once('-') {
            Some(("text", format)) => ship(rounds, &lines(), format),
            Some(("json", format)) => ship(rounds, &objects(), format),
            Some(("real", format)) => ship(rounds, &logged(), format),
            _ => {}
        },
    }
}

/// Reads every event.
fn parse(rounds: usize) {
    let text = lines();
    for _ in 0..rounds {
        black_box(
            events(black_box(&text))
                .map(|event| event.record.len())
                .sum::<usize>(),
        );
    }
}

/// Every record's way from a batch into the buffer.
fn ship(rounds: usize, text: &str, format: &str) {
    let format = encode::format(format).expect("a format");
    let mut encoder = (format.encoder)(&encode::Options::default());
    encoder.identify(&identity());
    let (mut stream, mut scratch) = (Stream::new("e".into()), Scratch::default());
    let (options, mut buffer) = (Options::default(), Buffer::new(BUFFER_BYTES));
    for _ in 0..rounds {
        for mut event in events(black_box(text)) {
            if let (Ok(record), _) =
                process::process(&mut event, &options, &mut stream, &mut scratch)
            {
                buffer.push(|out| encoder.encode(&record, out));
            }
        }
        let records = black_box(buffer.records());
        buffer.release(records);
    }
}

/// Compresses a payload of a thousand records as the product does.
fn gzip(rounds: usize) {
    let payload = input::payload("ndjson", &lines());
    let (mut gzip, mut out) = (Gzip::new(), Vec::with_capacity(payload.len()));
    for _ in 0..rounds {
        let mut pieces = std::iter::once(black_box(&*payload));
        assert!(gzip.compress(&mut pieces, &mut out), "it failed");
        black_box(&out);
    }
}
