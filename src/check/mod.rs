//! `brooklet --check`: validates the configuration, sends one probe record the way every record goes, and prints what the destination said.

mod hints;
mod lines;

use std::fmt::Write;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::config::{self, Environment, Inert, Lane};
use crate::encode::{self, Encode};
use crate::http;
use crate::link::{Found, Hurry};
use crate::process::{Level, Record};
use crate::secrets;
use crate::send::{Destination, Outcome, Shaped};
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// How long the probe may take.
const PROBE_WAIT: Duration = Duration::from_secs(10);

/// What the probe says.
const PROBE_TEXT: &str = "brooklet --check: a probe record";

/// What was found.
#[derive(Debug)]
pub struct Verdict {
    /// Whether everything is as it should be.
    pub good: bool,
    /// What to print.
    pub report: String,
}

/// Checks the configuration of the environment: with sample lines what each becomes, without any by a probe.
#[must_use]
pub fn run(environment: &Environment, sample: &str) -> Verdict {
    if !sample.trim().is_empty() {
        return lines::run(environment, sample);
    }
    let (config, problems) = config::load(environment);
    let mut report = String::new();
    for problem in &problems {
        line(&mut report, "option", &problem.to_string());
    }
    let config = match config {
        Ok(config) => config,
        Err(inert) => {
            let (good, why) = match inert {
                Inert::Disabled => (true, "inert: BROOKLET_ENABLED is false".to_owned()),
                Inert::Because(why) => (false, format!("inert: {why}")),
            };
            line(&mut report, "result", &why);
            return Verdict { good, report };
        }
    };
    let several = config.lanes.len() > 1;
    let mut delivered = true;
    let found = secrets::fetch(&config.secrets, &config.references, &Hurry::default());
    for reference in &config.references {
        let (told, hint) = match found.value(reference.text()) {
            Ok(_) => ([reference.text(), ": read"].concat(), None),
            Err(why) => {
                let hint = hints::of_secret(&why);
                (why, hint)
            }
        };
        line(&mut report, "secret", &told);
        if let Some(hint) = hint {
            line(&mut report, "hint", hint);
        }
    }
    for lane in config.lanes {
        if several {
            line(&mut report, "destination", &lane.destination.to_string());
        }
        let unread = config::unread_key(environment, &lane);
        if let Some(unread) = unread {
            line(&mut report, "note", &format!("no key is sent; {unread}"));
        }
        delivered &= probe(lane, &found, &mut report);
    }
    Verdict {
        good: delivered && problems.is_empty(),
        report,
    }
}

/// Sends the probe; whether it was delivered.
fn probe(mut lane: Lane, found: &Found, report: &mut String) -> bool {
    let mut options = lane.flush.lane;
    let now_ms = time::epoch_ms();
    // Before any secret is in it.
    let mut readable = (encode::shown(options.format).encoder)(&options.encode);
    readable.identify(&lane.identity);
    let mut record = Vec::new();
    write_probe(&mut *readable, now_ms, &mut record);
    let url = &options.destination.url;
    let is_secret = config::is_secret(url);
    if is_secret {
        line(report, "endpoint", "a secret");
    } else {
        line(report, "endpoint", &http::shown_url(url));
    }
    let mut names = String::new();
    for (name, _) in &options.destination.headers {
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(name);
    }
    if let Some(late) = &options.late {
        match (late.make)(found) {
            Ok(made) => {
                let (flush, identity) = *made;
                (options, lane.identity) = (flush.lane, identity);
            }
            Err(why) => {
                line(report, "result", &format!("nothing can be sent: {why}"));
                return false;
            }
        }
    }
    if let Some(aws) = options.destination.aws.as_ref().filter(|_| !is_secret) {
        let (service, region) = (aws.signing.service, &aws.signing.region);
        let url = http::shown_url(&options.destination.url);
        line(
            report,
            "service",
            &format!("{service} in {region} at {url}"),
        );
        let [place, more] = &options.encode.place;
        let comma = if more.is_empty() { "" } else { ", " };
        if !place.is_empty() {
            line(report, "place", &[place, comma, more].concat());
        }
    }
    line(report, "format", options.format.name);
    line(report, "headers", &names);
    let compression = if options.destination.gzip {
        "gzip"
    } else {
        "none"
    };
    line(report, "compression", compression);
    let mut encoder = (options.format.encoder)(&options.encode);
    encoder.identify(&lane.identity);
    let mut buffer = Buffer::new(usize::MAX);
    let separator = options.format.frame.separator;
    buffer.push(|out| {
        write_probe(&mut *encoder, now_ms, out);
        out.extend_from_slice(separator.as_bytes());
    });
    let batch = buffer.batch(usize::MAX, 0, 1);
    line(report, "record", &excerpt(&record));
    let mut destination = Destination::new(options.destination, Hurry::default());
    let shaped = Shaped::of(&*encoder, &options.format.frame, &buffer, batch, None);
    let stats = Stats::default();
    let outcome = destination.send(shaped.payload(), Deadline::after(PROBE_WAIT), &stats);
    let good = matches!(
        outcome,
        Outcome::Delivered {
            odd: None,
            refused: 0,
            ..
        }
    );
    line(report, "result", &outcome.to_string());
    if let Some(hint) = hints::hint(options.format.name, &outcome).filter(|_| !good) {
        line(
            report,
            "hint",
            &config::of_destination(hint, lane.destination),
        );
    }
    if let Outcome::Delivered { odd: Some(odd), .. } = outcome {
        line(report, "but", &format!("that is {odd}"));
    }
    if stats.retried.get() > 0 {
        line(report, "tries", &(stats.retried.get() + 1).to_string());
    }
    good
}

/// Writes the probe record as a fragment, the same one in each format.
fn write_probe(encoder: &mut dyn Encode, now_ms: u64, out: &mut Vec<u8>) {
    let timestamp = format!("\"{}\"", time::rfc3339(now_ms));
    encoder.encode(
        &Record {
            timestamp: Some(&timestamp),
            received_ms: now_ms,
            kind: "brooklet.check",
            level: Some(Level::Info),
            message: Some(PROBE_TEXT),
            environment: time::environment(),
            ..Record::default()
        },
        out,
    );
}

/// A fragment as text; one that is not text is shown as far as it is.
fn excerpt(fragment: &[u8]) -> String {
    let text = String::from_utf8_lossy(fragment);
    text.chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}

/// Adds a line.
fn line(report: &mut String, name: &str, value: &str) {
    // Writing into memory cannot fail.
    writeln!(report, "{name:<12} {value}").unwrap_or(());
}
