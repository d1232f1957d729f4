//! Arbitrary records through every encoder: each payload is well-formed, in order, and within its limits.
//!
//! [`run`] is what both drive: the test below with bytes by chance, and the target in `fuzz/` with bytes that libFuzzer finds.
//! `BROOKLET_FUZZ_SEED=<number>` repeats a run of the test, `BROOKLET_FUZZ_ROUNDS=<number>` makes it longer.
//! The product's stages are called here one after the other, as its flush thread does; the judges are the formats' own readers.

use super::arbitrary::Source;
use super::{Case, Common, Payload};
use super::{
    aws, coralogix, datadog, elasticsearch, honeycomb, loki, newrelic, otlp, plain, renamed, splunk,
};
use crate::sink::Received;
use brooklet::buffer::{Batch, Buffer};
use brooklet::encode::{self, Encode, FORMATS, Format, Options};
use brooklet::parse::{self, Event, Item};
use brooklet::process::{
    self, Fields, Identity, Level, Multiline, Offer, Pattern, Record, Redact, Sample, Scratch,
    Stream,
};
use brooklet::send::Shaped;
use std::sync::Arc;
use std::time::Instant;

/// Rounds of the test: some seconds.
const ROUNDS: usize = 150;

/// The most bytes of a round.
const BYTES_MAX: usize = 1_500;

/// When every event came, in milliseconds since 1970.
const RECEIVED_MS: u64 = 1_795_365_739_261;

/// The environment's part of each record's id.
const ENVIRONMENT: &str = "0123456789abcdef";

/// What is known of a record, so that it is recognised.
#[derive(Debug)]
struct Known {
    /// Its id.
    id: String,
    /// Its type.
    kind: String,
    /// How grave it is.
    level: Option<&'static str>,
}

/// One destination.
struct Lane {
    format: &'static Format,
    encoder: Box<dyn Encode>,
    buffer: Buffer,
    /// The most bytes of a record, of a payload, and the most records of a payload.
    most: (usize, usize, usize),
}

/// The reader of each format.
fn reader(format: &str) -> fn(&Payload) -> Vec<Common> {
    let case: Case = match format {
        "json" | "ndjson" | "s3" => return plain::read_at_any_time,
        "otlp" => otlp::PROTOBUF,
        "otlp-json" => otlp::JSON,
        "datadog" => datadog::CASE,
        "newrelic" => newrelic::CASE,
        "honeycomb" => honeycomb::CASE,
        "axiom" => renamed::AXIOM,
        "betterstack" => renamed::BETTERSTACK,
        "coralogix" => coralogix::CASE,
        "dynatrace" => renamed::DYNATRACE_CASE,
        "victorialogs" => renamed::VICTORIALOGS,
        "loki" => return loki::read_streams,
        "splunk" => splunk::CASE,
        "elasticsearch" => elasticsearch::CASE,
        "firehose" => return |payload| aws::read("firehose", payload),
        "kinesis" => return |payload| aws::read("kinesis", payload),
        "sqs" => return |payload| aws::read("sqs", payload),
        "cloudwatch" => return |payload| aws::read("logs", payload),
        other => panic!("{other} has no reader here"),
    };
    case.read
}

/// What process is told.
fn options(source: &mut Source<'_>) -> process::Options {
    let redact = source.one(&[
        "",
        "email,card,ip",
        "/a+/,x=/[^a]/i",
        "jwt,phone,bearer,/\\\\/",
    ]);
    let (drop, keep) =
        [("", ""), ("a,a.b", ""), ("", "message,a"), ("message", "")][source.below(4)];
    let mut options = process::Options {
        redact: Redact::parse(redact).0,
        fields: Fields::parse(drop, keep),
        concurrent: source.once_in(4),
        ..process::Options::default()
    };
    options.select.types.extension = true;
    if source.once_in(4) {
        options.sample = Sample::parse("0.625").expect("a fraction");
    }
    if source.once_in(4) {
        options.multiline = Some(Pattern::new("^[a{]", false).expect("a pattern"));
    }
    options
}

/// What the encoders are told.
fn encode_options(source: &mut Source<'_>) -> Options {
    let labels: &[&str] = [
        &["service_name", "function_name", "region"][..],
        &["type", "level", "never_heard_of"],
        &[
            "request_id",
            "trace_id",
            "tenant_id",
            "cold_start",
            "sample",
            "team",
        ],
        &[],
    ][source.below(4)];
    Options {
        labels: labels.iter().map(ToString::to_string).collect(),
        ..Options::default()
    }
}

/// Who logs; the readers want all of it but for the tags.
fn identity(source: &mut Source<'_>) -> Identity {
    let text = |text: &str| Some(text.to_owned());
    let mut tags = vec![("team".to_owned(), "a \"b\"\n\\".to_owned())];
    if source.once_in(2) {
        tags.push(("stage".to_owned(), "é".repeat(source.below(200))));
    }
    if source.once_in(4) {
        tags.clear();
    }
    Identity {
        function_name: text("orders"),
        function_version: text("$LATEST"),
        function_arn: text("arn:aws:lambda:eu-west-1:123456789012:function:orders"),
        function_memory_mb: Some(128),
        region: text("eu-west-1"),
        account_id: text("123456789012"),
        service_name: text("shop"),
        tags,
    }
}

/// Every destination, with limits of its own or smaller ones.
fn lanes(source: &mut Source<'_>) -> Vec<Lane> {
    let (encode, identity) = (encode_options(source), identity(source));
    let record = [usize::MAX, 4_096, 20_000][source.below(3)];
    let bytes = [None, Some(1_024), Some(9_000), Some(70_000)][source.below(4)];
    let records = [None, Some(1), Some(3)][source.below(3)];
    let lane = |format: &'static Format| {
        let mut encoder = (format.encoder)(&encode);
        encoder.identify(&identity);
        Lane {
            format,
            encoder,
            buffer: Buffer::new(usize::MAX),
            most: (
                format.record_bytes.min(record),
                bytes.unwrap_or(format.batch_bytes),
                records.unwrap_or(format.batch_records),
            ),
        }
    };
    FORMATS.iter().map(lane).collect()
}

impl Lane {
    /// Takes a record, as the product's lane does.
    fn push(&mut self, record: &Record<'_>) {
        let (most, separator) = (self.most.0, self.format.frame.separator);
        let encoder = &mut *self.encoder;
        self.buffer.push(|out| {
            let before = out.len();
            encode::within(encoder, record, most, out);
            let bytes = out.len() - before;
            let name = self.format.name;
            assert!(
                bytes <= most,
                "{name}: a record of {bytes} bytes: {record:.300?}"
            );
            out.extend_from_slice(separator.as_bytes());
        });
    }

    /// Sends all payloads to their judge.
    fn send(mut self, known: &[Known]) {
        let (name, frame) = (self.format.name, &self.format.frame);
        let (record_max, bytes_max, records_max) = self.most;
        let mut known = known;
        while self.buffer.records() > 0 {
            let (beside, each) = self.encoder.beside(frame, bytes_max);
            let room = bytes_max.saturating_sub(beside);
            let batch = self.buffer.batch(room, each, records_max);
            let body = self.body(batch);
            let alone = batch.records == 1 && record_max.saturating_add(beside + each) > bytes_max;
            // What AWS takes is counted without base64 and without escapes, which double a text of quotes alone, and
            // without what stands around each item.
            let most = match name {
                "sqs" | "cloudwatch" => bytes_max * 2 + 200 * batch.records,
                _ if self.format.scheme => bytes_max / 3 * 4 + 200 * batch.records,
                _ => bytes_max,
            };
            assert!(
                body.len() <= most || alone,
                "{name}: {} records are {} bytes and may be {bytes_max}",
                batch.records,
                body.len()
            );
            assert!(
                (1..=records_max).contains(&batch.records),
                "{name}: {}",
                batch.records
            );
            let mut read = reader(name)(&self.payload(body));
            let (here, rest) = known.split_at(batch.records);
            known = rest;
            if matches!(name, "loki" | "cloudwatch") {
                // Its streams stand one behind the other, or events in the order of their times; each in itself is in order.
                let place = |one: &Common| here.iter().position(|known| known.id == one.record_id);
                read.sort_by_key(place);
            }
            // A call of CloudWatch spans a day at most, and leaves the others to the next.
            let is_there = |one: &&Known| {
                name != "cloudwatch" || read.iter().any(|read| read.record_id == one.id)
            };
            let here: Vec<&Known> = here.iter().filter(is_there).collect();
            assert!(!here.is_empty(), "{name}: nothing was taken");
            assert_eq!(read.len(), here.len(), "{name}: records");
            for (one, known) in read.iter().zip(here) {
                assert_eq!(one.record_id, known.id, "{name}: order");
                // A long type is cut where it is a label, or in the way.
                assert!(known.kind.starts_with(&one.kind), "{name}: {known:?}");
                assert_eq!(one.level.as_deref(), known.level, "{name}: {known:?}");
            }
            self.buffer.release(batch.records);
        }
        assert!(known.is_empty(), "{name}: a record is missing");
    }

    /// The bytes of a payload.
    fn body(&self, batch: Batch) -> Vec<u8> {
        let frame = &self.format.frame;
        let shaped = Shaped::of(&*self.encoder, frame, &self.buffer, batch, None);
        let payload = shaped.payload();
        let mut body = payload.head.to_vec();
        payload
            .pieces
            .for_each(|piece| body.extend_from_slice(piece));
        body.extend_from_slice(payload.tail);
        body
    }

    /// A body as a sink would have got it.
    fn payload(&self, body: Vec<u8>) -> Payload {
        let now = Instant::now();
        let request = Received {
            method: "POST".to_owned(),
            target: "/".to_owned(),
            headers: vec![(
                "content-type".to_owned(),
                self.format.content_type.to_owned(),
            )],
            raw: Vec::new(),
            complete: true,
            connection: 1,
            at: now,
            read: now,
            answered: None,
            status: None,
        };
        Payload {
            request: Arc::new(request),
            body,
        }
    }
}

/// What turns events into records.
struct Intake {
    options: process::Options,
    stream: Stream,
    scratch: Scratch,
    lanes: Vec<Lane>,
    known: Vec<Known>,
}

impl Intake {
    /// Takes an event through process into every lane, and ships what nobody logged.
    fn ship(&mut self, event: &mut Event<'_>) {
        let Self {
            options,
            stream,
            scratch,
            lanes,
            known,
        } = self;
        let mut push = |mut record: Record<'_>| {
            if record.environment.is_empty() {
                (record.environment, record.sequence) = ("own", known.len() as u64);
            }
            record.received_ms = RECEIVED_MS;
            known.push(Known {
                id: format!("{}-{}", record.environment, record.sequence),
                kind: record.kind.to_owned(),
                level: record.level.map(Level::word),
            });
            lanes.iter_mut().for_each(|lane| lane.push(&record));
        };
        if let (Ok(record), _) = process::process(event, options, stream, scratch) {
            push(record);
        }
        while let Some(incident) = stream.incident(options) {
            push(Record {
                environment: "",
                ..stream.incident_record(&incident, options)
            });
        }
    }
}

/// Takes whatever these bytes make through every stage and every format.
pub(crate) fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut intake = Intake {
        options: options(&mut source),
        stream: Stream::new(ENVIRONMENT.to_owned()),
        scratch: Scratch::default(),
        lanes: lanes(&mut source),
        known: Vec::new(),
    };
    let mut body = source.batch().into_bytes();
    if source.once_in(16) {
        // Cut short, and no UTF-8.
        body.truncate(body.len() / 2);
        body.push(0xff);
    }
    let text = parse::text(&body);
    let mut multiline = Multiline::new(intake.options.multiline.clone());
    for item in parse::batch(&text) {
        let Item::Event(event) = item else {
            continue;
        };
        let mut room = String::new();
        let mut event = event.clean(&mut room).unwrap_or(event);
        let offer = multiline.offer(&event);
        if !matches!(offer, Offer::Join | Offer::Pass { ends: false })
            && let Some(mut held) = multiline.release()
        {
            intake.ship(&mut held.event());
        }
        match offer {
            Offer::Pass { .. } => intake.ship(&mut event),
            Offer::Hold | Offer::Join => multiline.take(&event),
        }
    }
    if let Some(mut held) = multiline.release() {
        intake.ship(&mut held.event());
    }
    for lane in intake.lanes {
        lane.send(&intake.known);
    }
}

/// Chance, the same for the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// So many bytes at most.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.next() as usize % most;
        std::iter::repeat_with(|| self.next() as u8)
            .take(count)
            .collect()
    }
}

/// A number that the environment may tell.
fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn arbitrary_records_are_well_formed_and_within_limits_in_every_format() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let chosen = since.map_or(1, |since| since.as_nanos() as u64 % 1_000_000_000);
    let seed = told("BROOKLET_FUZZ_SEED").unwrap_or(chosen);
    let rounds = told("BROOKLET_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    eprintln!("BROOKLET_FUZZ_SEED={seed}");
    let mut chance = Chance(seed);
    for round in 0..rounds {
        let data = chance.bytes(BYTES_MAX);
        let outcome = std::panic::catch_unwind(|| run(&data));
        assert!(outcome.is_ok(), "round {round}, BROOKLET_FUZZ_SEED={seed}");
    }
}
