//! `brooklet --check < lines.txt`: what each sample line becomes: kept or dropped and by which rule, masked how, the final record.
//!
//! Nothing is sent, and no endpoint is needed; every line goes the way that it goes in Lambda.

use std::borrow::Cow;
use std::fmt::Write;

use super::line;
use crate::config::{self, DryRun, Environment};
use crate::encode::{self, Encode};
use crate::parse::{self, Event, Facts, Item};
use crate::process::{self, Dropped, Multiline, Offer, Record, Scratch, Stream};

/// What a record is part of, in the ids that are shown.
const ENVIRONMENT: &str = "check";

/// Shows what lines become.
pub(super) fn run(environment: &Environment, text: &str) -> super::Verdict {
    let (dry_runs, problems) = config::dry_run(environment);
    let mut report = String::new();
    for problem in &problems {
        line(&mut report, "option", &problem.to_string());
    }
    let several = dry_runs.len() > 1;
    for dry_run in dry_runs {
        if several {
            line(&mut report, "destination", &dry_run.destination.to_string());
        }
        for name in &dry_run.secrets {
            let told = format!("{name} is not read here, and counts as not set");
            line(&mut report, "secret", &told);
        }
        report = show_all(dry_run, text, report);
    }
    super::Verdict {
        good: problems.is_empty(),
        report,
    }
}

/// Adds to the report what the lines become for a destination.
fn show_all(dry_run: DryRun, text: &str, report: String) -> String {
    let mut encoder = (encode::shown(dry_run.format).encoder)(&dry_run.encode);
    encoder.identify(&dry_run.identity);
    let mut shown = Shown {
        multiline: Multiline::new(dry_run.process.multiline.clone()),
        held: Vec::new(),
        stream: Stream::new(ENVIRONMENT.to_owned()),
        scratch: Scratch::default(),
        encoder,
        dry_run,
        report,
    };
    for (at, text) in text.lines().enumerate() {
        let mut text = text.to_owned();
        parse::clean(&mut text);
        shown.take_line(at + 1, &text);
    }
    shown.release();
    shown.report
}

/// What shows lines.
struct Shown {
    /// What was configured.
    dry_run: DryRun,
    /// Joins lines.
    multiline: Multiline,
    /// The numbers of the lines of the record that is held.
    held: Vec<usize>,
    /// The stream that the lines are.
    stream: Stream,
    /// Memory for what is rewritten.
    scratch: Scratch,
    /// Writes records.
    encoder: Box<dyn Encode>,
    /// What to print.
    report: String,
}

impl Shown {
    /// Takes a line: a telemetry event or a batch of them as Lambda sends them, or else a line that a function prints.
    fn take_line(&mut self, number: usize, text: &str) {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return;
        }
        let batch = match trimmed.as_bytes().first() {
            Some(b'{') => Cow::Owned(format!("[{trimmed}]")),
            _ => Cow::Borrowed(trimmed),
        };
        let items: Vec<Item<'_>> = parse::batch(&batch).collect();
        let is_event = |item: &Item<'_>| {
            matches!(item, Item::Event(event) if event.record != "null"
                && (event.kind.starts_with("platform.") || event.kind == "function" || event.kind == "extension"))
        };
        if !items.is_empty() && items.iter().all(is_event) {
            for item in items {
                if let Item::Event(mut event) = item {
                    self.take(number, &mut event);
                }
            }
            return;
        }
        let mut record = String::from("\"");
        parse::escape(&mut record, text);
        record.push('"');
        let mut event = Event {
            time: None,
            kind: Cow::Borrowed("function"),
            record: &record,
            facts: Facts::default(),
            extra: Vec::new(),
            surrogates: None,
        };
        self.take(number, &mut event);
    }

    /// Takes an event.
    fn take(&mut self, number: usize, event: &mut Event<'_>) {
        match self.multiline.offer(event) {
            Offer::Pass { ends } => {
                if ends {
                    self.release();
                }
                return self.show(&number.to_string(), event);
            }
            Offer::Hold => self.release(),
            Offer::Join => {}
        }
        self.multiline.take(event);
        self.held.push(number);
    }

    /// Shows the record that is held.
    fn release(&mut self) {
        if let Some(mut held) = self.multiline.release() {
            let mut numbers = self
                .held
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            if let (Some(last), true) = (self.held.last(), self.held.len() > 1) {
                // Writing into memory cannot fail.
                write!(numbers, "-{last}").unwrap_or(());
            }
            self.held.clear();
            self.show(&numbers, &mut held.event());
        }
    }

    /// Shows what becomes of an event.
    fn show(&mut self, numbers: &str, event: &mut Event<'_>) {
        let Self {
            dry_run,
            stream,
            scratch,
            encoder,
            report,
            ..
        } = self;
        let options = &dry_run.process;
        let number = format!("line {numbers}");
        let (record, _) = process::process(event, options, stream, scratch);
        match record {
            Err(why) => {
                let rule = rule(why, dry_run.destination);
                line(report, &number, &format!("dropped by {rule}"));
            }
            Ok(record) => {
                let mut fragment = Vec::new();
                encoder.encode(&record, &mut fragment);
                let kept = match (record.sample, record.request_id) {
                    (Some(_), None) => config::of_destination(
                        "kept: BROOKLET_SAMPLE goes by the request id, and it has none",
                        dry_run.destination,
                    ),
                    _ => "kept".to_owned(),
                };
                line(report, &number, &kept);
                let names = options.redact.names().enumerate();
                for (name, times) in names.map(|(at, name)| (name, scratch.masks.of(at))) {
                    if times > 0 {
                        line(report, "  masked", &format!("{name}: {times}"));
                    }
                }
                line(report, "  record", &String::from_utf8_lossy(&fragment));
            }
        }
        while let Some(incident) = stream.incident(options) {
            let record = Record {
                environment: ENVIRONMENT,
                ..stream.incident_record(&incident, options)
            };
            let mut fragment = Vec::new();
            encoder.encode(&record, &mut fragment);
            line(report, "  adds", &String::from_utf8_lossy(&fragment));
        }
    }
}

/// The rule that drops a record.
fn rule(why: Dropped<'_>, destination: usize) -> String {
    let (option, what) = match why {
        Dropped::Own => return "being a line of brooklet's own".to_owned(),
        Dropped::Type => ("BROOKLET_TYPES", String::new()),
        Dropped::Level(level) => (
            "BROOKLET_MIN_LEVEL",
            format!(": its level is {}", level.word()),
        ),
        Dropped::Include => ("BROOKLET_INCLUDE", ": nothing matches".to_owned()),
        Dropped::Exclude(pattern) => ("BROOKLET_EXCLUDE", format!(": {pattern}")),
        Dropped::Sample => ("BROOKLET_SAMPLE", String::new()),
    };
    config::of_destination(option, destination) + &what
}
