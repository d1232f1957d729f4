//! The closing account: what was printed against what arrived, and what it cost.
//!
//! Must not be lenient: a record that is missing, doubled or out of order is told.

use crate::lambda::Lambda;
use crate::lambda::shape::Fact;
use crate::receiver::{self, Record};
use crate::screen::{Screen, counted, grouped};
use crate::sink::Sink;
use crate::watch::text_of;
use std::io;
use std::time::Duration;

/// What the account is made of.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// From exec to the first request for an event.
    pub(crate) start: Duration,
    /// How long each invocation was held.
    pub(crate) held: Vec<Duration>,
    /// The binary's size in bytes.
    pub(crate) binary: u64,
    /// The environment that has ended.
    pub(crate) lambda: &'a Lambda,
    /// The receiver.
    pub(crate) sink: &'a Sink,
}

impl Summary<'_> {
    /// Shows it; whether everything arrived once and in order.
    pub(crate) fn show(&self, screen: &mut Screen) -> io::Result<bool> {
        let requests = self.sink.received();
        let (lines, others): (Vec<Record>, Vec<Record>) = requests
            .iter()
            .filter(|request| request.acknowledged())
            .filter_map(|request| receiver::records(request))
            .flatten()
            .partition(|record| record.kind == "function");
        if let Some(record) = lines.iter().find(|record| record.invoked) {
            screen.title("One record as it arrived")?;
            screen.json(&record.whole)?;
        }

        screen.title("Summary")?;
        let printed = self.printed();
        let shipped: Vec<String> = lines.into_iter().map(|record| record.says).collect();
        let events = self.lambda.events_taken();
        let platform = events.iter().filter(|event| event.kind != "function");
        let platform = platform.count();
        // brooklet's own account of what it did comes beside them.
        let (own, others): (Vec<Record>, Vec<Record>) = others
            .into_iter()
            .partition(|record| record.kind == "brooklet.stats");
        let (same_lines, same_events) = (printed == shipped, others.len() == platform);
        screen.fact("the function printed", &counted(printed.len(), "line"))?;
        screen.fact(
            "the receiver got",
            &format!(
                "{}{}",
                counted(shipped.len(), "line"),
                verdict(same_lines, ": all of them, once, in order")
            ),
        )?;
        screen.fact("Lambda told of its own", &counted(platform, "event"))?;
        screen.fact(
            "the receiver got",
            &format!(
                "{}{}",
                counted(others.len(), "event"),
                verdict(same_events, ": all of them")
            ),
        )?;
        screen.fact("and of brooklet itself", &counted(own.len(), "account"))?;
        screen.fact("requests", &grouped(requests.len() as u64))?;
        let held: Vec<String> = self.held.iter().map(|held| millis(*held)).collect();
        screen.fact(
            "held per invocation",
            &format!("{} ms after the function's end", held.join(", ")),
        )?;
        screen.fact(
            "",
            "up to 25 ms of each is Lambda, gathering telemetry to hand over",
        )?;
        screen.fact(
            "start",
            &format!(
                "{} ms from exec to asking for the first event",
                millis(self.start)
            ),
        )?;
        screen.fact("binary", &format!("{} bytes", grouped(self.binary)))?;
        let peak = self.lambda.peak() / 10_000;
        screen.fact(
            "peak memory",
            &format!("{}.{:02} MB", peak / 100, peak % 100),
        )?;
        let own = self.lambda.printed();
        if own.is_empty() {
            screen.fact("brooklet's own messages", "none: nothing was wrong")?;
        } else {
            screen.fact("brooklet's own messages", &counted(own.len(), "line"))?;
        }
        for line in &own {
            screen.fact("", &line.text)?;
        }

        let dropped = self.lambda.dropped();
        if dropped > 0 {
            screen.fact("DROPPED by Lambda", &grouped(dropped))?;
        }
        if !same_lines {
            listed(screen, "NOT received", &left_over(&printed, &shipped))?;
            listed(screen, "NEVER printed", &left_over(&shipped, &printed))?;
        }
        Ok(same_lines && same_events && dropped == 0)
    }

    /// Every line the function printed, in order.
    fn printed(&self) -> Vec<String> {
        let told = self.lambda.told();
        let lines = told.iter().filter_map(|(_, fact)| match fact {
            Fact::Function(line) => Some(text_of(line)),
            _ => None,
        });
        lines.collect()
    }
}

/// What is said of two counts.
fn verdict(same: bool, well: &str) -> &str {
    if same { well } else { ": NOT THE SAME" }
}

/// What is in the one and not in the other, each as often as it is missing there.
fn left_over<'a>(one: &'a [String], other: &[String]) -> Vec<&'a String> {
    let mut other: Vec<&String> = other.iter().collect();
    let mut left = Vec::new();
    for line in one {
        match other.iter().position(|known| *known == line) {
            Some(at) => {
                other.swap_remove(at);
            }
            None => left.push(line),
        }
    }
    left
}

/// The first few lines of a list, if there are any.
fn listed(screen: &mut Screen, name: &str, lines: &[&String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    screen.fact(name, &counted(lines.len(), "line"))?;
    lines
        .iter()
        .take(5)
        .try_for_each(|line| screen.fact("", line))
}

/// Milliseconds with one decimal.
fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}
