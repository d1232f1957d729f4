//! `brooklet --check`: validates the configuration, sends one probe record the way every record goes, and prints what the destination said.

mod lines;

use std::fmt::Write;
use std::time::Duration;

use crate::config::{self, Config, Environment, Inert};
use crate::http;
use crate::link::Hurry;
use crate::process::Record;
use crate::send::{Destination, Outcome, Payload};
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
    let delivered = probe(config, &mut report);
    Verdict {
        good: delivered && problems.is_empty(),
        report,
    }
}

/// Sends the probe; whether it was delivered.
fn probe(config: Config, report: &mut String) -> bool {
    let options = config.flush.lane;
    let url = &options.destination.url;
    line(report, "endpoint", &http::shown_url(url));
    line(report, "format", options.format.name);
    let names: Vec<&str> = options
        .destination
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    line(report, "headers", &names.join(", "));
    let compression = if options.destination.gzip {
        "gzip"
    } else {
        "none"
    };
    line(report, "compression", compression);
    let fragment = fragment(&config.identity, options.format.encoder);
    line(report, "record", &String::from_utf8_lossy(&fragment));
    let mut destination = Destination::new(options.destination, Hurry::default());
    let payload = Payload {
        records: 1,
        pieces: std::iter::once(fragment.as_slice()),
    };
    let stats = Stats::default();
    let outcome = destination.send(payload, Deadline::after(PROBE_WAIT), &stats);
    let good = matches!(outcome, Outcome::Delivered { odd: None, .. });
    line(report, "result", &outcome.to_string());
    if let Outcome::Delivered { odd: Some(odd), .. } = outcome {
        line(
            report,
            "but",
            &format!("that is {odd}: is the endpoint right?"),
        );
    }
    if stats.retried.get() > 0 {
        line(report, "tries", &(stats.retried.get() + 1).to_string());
    }
    good
}

/// The probe record as a fragment.
fn fragment(
    identity: &crate::process::Identity,
    encoder: fn() -> Box<dyn crate::encode::Encode>,
) -> Vec<u8> {
    let mut encoder = encoder();
    encoder.identify(identity);
    let timestamp = format!("\"{}\"", time::rfc3339(time::epoch_ms()));
    let mut fragment = Vec::new();
    encoder.encode(
        &Record {
            timestamp: Some(&timestamp),
            kind: "brooklet.check",
            message: Some(PROBE_TEXT),
            environment: &time::unique(),
            ..Record::default()
        },
        &mut fragment,
    );
    fragment
}

/// Adds a line.
fn line(report: &mut String, name: &str, value: &str) {
    // Writing into memory cannot fail.
    writeln!(report, "{name:<12} {value}").unwrap_or(());
}
