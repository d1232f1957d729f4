//! Lines that are one record: the stack trace of a runtime whose output is cut at every line end.
//!
//! It joins the text lines of a function within one request, and holds one record until it knows that it is whole.
//! It must not hold more than its bounds, and must not join what was not cut.

use super::Pattern;
use super::content;
use super::platform;
use crate::parse::{self, Event, Facts};

/// The lines of a record.
const LINES_MAX: usize = 1000;

/// The bytes of a record.
const BYTES_MAX: usize = 256 * 1024;

/// What is to become of an event. Whatever is not [`Offer::Join`] ends the record that is held, if `ends`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It goes its way.
    Pass {
        /// The record that is held goes before it.
        ends: bool,
    },
    /// It begins a record; the one that is held goes before it.
    Hold,
    /// It belongs to the record that is held.
    Join,
}

/// A record that may not be whole yet.
#[derive(Debug)]
pub struct Held {
    /// The time of its first line, as JSON text.
    time: Option<String>,
    /// The record: a JSON string, its last quote missing.
    text: String,
    /// Its lines.
    lines: usize,
}

impl Held {
    /// The event that it makes.
    pub fn event(&mut self) -> Event<'_> {
        self.text.push('"');
        Event {
            time: self.time.as_deref(),
            kind: "function".into(),
            record: &self.text,
            facts: Facts::default(),
            extra: Vec::new(),
            surrogates: None,
        }
    }
}

/// Joins lines.
#[derive(Debug)]
pub struct Multiline {
    /// What a first line looks like.
    first: Option<Pattern>,
    /// The record that may go on.
    held: Option<Held>,
}

impl Multiline {
    /// Joins lines to the one before them that looks like a first one; without a pattern nothing is joined.
    #[must_use]
    pub fn new(first: Option<Pattern>) -> Self {
        Self { first, held: None }
    }

    /// What is to become of an event; it is still the caller's.
    #[must_use]
    pub fn offer(&self, event: &Event<'_>) -> Offer {
        let Some(first) = &self.first else {
            return Offer::Pass { ends: false };
        };
        if event.kind != "function" {
            let ends = event.kind.starts_with(platform::PREFIX);
            return Offer::Pass { ends };
        }
        let line = content::line(event.record).filter(|_| event.extra.is_empty());
        let Some(line) = line else {
            return Offer::Pass { ends: true };
        };
        if first.is_match(&parse::plain(line)) {
            return Offer::Hold;
        }
        match &self.held {
            Some(held) if held.lines < LINES_MAX && held.text.len() + line.len() < BYTES_MAX => {
                Offer::Join
            }
            // The rest of a record that was too long, or that was sent before it was whole, is one of its own.
            Some(_) | None => Offer::Hold,
        }
    }

    /// Takes an event in that [`Multiline::offer`] wants.
    pub fn take(&mut self, event: &Event<'_>) {
        let line = content::line(event.record).unwrap_or_default();
        match &mut self.held {
            Some(held) => {
                held.text.push_str("\\n");
                held.text.push_str(line);
                held.lines += 1;
            }
            None => {
                self.held = Some(Held {
                    time: event.time.map(ToOwned::to_owned),
                    text: format!("\"{line}"),
                    lines: 1,
                });
            }
        }
    }

    /// Whether a record is held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Lets go of the record that is held.
    pub fn release(&mut self) -> Option<Held> {
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of some lines (`!` for a platform event, `?` for JSON), each first line beginning with a capital.
    fn joined(lines: &[&str]) -> Vec<String> {
        let mut multiline = Multiline::new(Some(Pattern::new("^[A-Z]", false).expect("a pattern")));
        let mut records = Vec::new();
        for line in lines {
            let record = match *line {
                "?" => "{}".to_owned(),
                line => format!("\"{line}\\n\""),
            };
            let event = Event {
                time: Some("\"t\""),
                kind: if *line == "!" {
                    "platform.report"
                } else {
                    "function"
                }
                .into(),
                record: &record,
                facts: Facts::default(),
                extra: Vec::new(),
                surrogates: None,
            };
            let offer = multiline.offer(&event);
            if matches!(offer, Offer::Hold | Offer::Pass { ends: true })
                && let Some(mut held) = multiline.release()
            {
                records.push(held.event().record.to_owned());
            }
            match offer {
                Offer::Pass { .. } => records.push(record),
                Offer::Hold | Offer::Join => multiline.take(&event),
            }
        }
        records.extend(
            multiline
                .release()
                .map(|mut held| held.event().record.to_owned()),
        );
        records
    }

    #[test]
    fn lines_are_joined_to_the_first_one_before_them() {
        assert_eq!(
            joined(&[
                "  lost", "Error", "  at a", "  at b", "Next", "!", "  at c", "  at d", "Last",
                "?", "One"
            ]),
            [
                r#""  lost""#,
                r#""Error\n  at a\n  at b""#,
                r#""Next""#,
                r#""!\n""#,
                r#""  at c\n  at d""#,
                r#""Last""#,
                "{}",
                r#""One""#,
            ]
        );
    }

    #[test]
    fn a_record_is_bounded_in_lines_and_bytes() {
        let many: Vec<&str> = std::iter::once("First")
            .chain(std::iter::repeat_n("x", 2500))
            .collect();
        let records = joined(&many);
        assert_eq!(records.len(), 3);
        let long = "x".repeat(100_000);
        let records = joined(&["First", &long, &long, &long]);
        assert_eq!(records.len(), 2);
        assert!(records.iter().all(|record| record.len() < BYTES_MAX + 4));
    }

    #[test]
    fn without_a_pattern_everything_passes() {
        let event = Event {
            time: None,
            kind: "function".into(),
            record: "\"A\"",
            facts: Facts::default(),
            extra: Vec::new(),
            surrogates: None,
        };
        assert_eq!(
            Multiline::new(None).offer(&event),
            Offer::Pass { ends: false }
        );
    }
}
