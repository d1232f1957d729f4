//! What a lane needs secrets for, and how it stands with them: awaited, there, doubted, or not to be had.
//!
//! It decides when they are asked for; it never waits, and never decides what becomes of records.

use std::fmt;
use std::time::Duration;

use super::Options;
use crate::link::Found;
use crate::process::Identity;
use crate::time::{self, Deadline};

/// What a flush thread is told, and who logs as far as the configuration tells.
pub type Made = (Options, Identity);

/// Makes what depends on secrets of what was found; fails with the reason, which holds no secret.
pub type Make = dyn Fn(&Found) -> Result<Box<Made>, String> + Send;

/// What depends on secrets.
pub struct Late {
    /// Makes it.
    pub make: Box<Make>,
    /// The age at which secrets are read again, in whole seconds.
    pub max_age: Duration,
    /// Not even a record can be made without them.
    pub shapes: bool,
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").finish_non_exhaustive()
    }
}

/// The least time between two readings that refusals of the destination cause.
const DOUBT_WAIT: Duration = Duration::from_secs(15);

/// After a reading that failed, the next one for the sake of age comes so much later at the earliest, in milliseconds.
const AGE_AGAIN_MS: u64 = 60_000;

/// An answer that takes so long is asked for again, which costs nothing where it is still on its way.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How a lane stands with its secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has them, or needs none.
    There,
    /// They were never had.
    Awaited,
    /// The destination refused them; they are read again before anything else is sent.
    Doubted,
    /// They cannot be had now.
    Missing,
}

/// What a lane learned from an answer.
pub(super) enum Learned {
    /// Nothing that it did not know.
    Nothing,
    /// What is told from now on; whether records were kept waiting for it.
    Made(Box<Made>, bool),
    /// They cannot be had, and nothing can be sent.
    Missing(String),
    /// They could not be read again; the old ones are kept.
    Kept(String),
}

/// A lane's secrets.
pub(super) struct Keys {
    /// What depends on them; `None`: nothing.
    late: Option<Late>,
    /// How it stands.
    state: State,
    /// An answer is to come, and it is asked for again if there is none by then: one may get lost in a panic.
    asked: Option<Deadline>,
    /// A payload was held back.
    wanted: bool,
    /// They were never had, and without them no record can be made.
    unshaped: bool,
    /// The number of the last answer.
    seen: u64,
    /// When they are to be read again for their age, in milliseconds since 1970.
    old_ms: u64,
    /// Until then a refusal is no reason to read them again.
    trusted: Option<Deadline>,
}

impl Keys {
    /// Nothing is asked yet.
    pub(super) fn new(late: Option<Late>) -> Self {
        let state = if late.is_some() {
            State::Awaited
        } else {
            State::There
        };
        Self {
            unshaped: late.as_ref().is_some_and(|late| late.shapes),
            late,
            state,
            asked: None,
            wanted: false,
            seen: 0,
            old_ms: u64::MAX,
            trusted: None,
        }
    }

    /// Whether nothing depends on any.
    pub(super) fn are_needless(&self) -> bool {
        self.late.is_none()
    }

    /// Whether records are made with them.
    pub(super) fn shape_records(&self) -> bool {
        self.late.as_ref().is_some_and(|late| late.shapes)
    }

    /// Whether no record can be made yet.
    pub(super) fn are_shaping(&self) -> bool {
        self.unshaped
    }

    /// Whether payloads can be sent.
    pub(super) fn are_there(&self) -> bool {
        self.state == State::There
    }

    /// The same, for one that is about to be sent: if it cannot, it goes as soon as they are there.
    pub(super) fn admit(&mut self) -> bool {
        self.wanted |= !self.are_there();
        self.are_there()
    }

    /// Whether an answer is to come that decides whether payloads can be sent.
    pub(super) fn are_awaited(&self) -> bool {
        self.asked.is_some() && !self.are_there()
    }

    /// The number to ask with, if it is time to ask; `again` tells whether what is missing may be asked for now.
    pub(super) fn ask(&mut self, again: bool) -> Option<u64> {
        let waits = self.asked.is_some_and(|until| !until.has_passed());
        if self.late.is_none() || waits {
            return None;
        }
        let wanted = match self.state {
            State::There => time::epoch_ms() >= self.old_ms,
            State::Awaited | State::Doubted => true,
            State::Missing => again,
        };
        if wanted {
            self.asked = Some(Deadline::after(ANSWER_WAIT));
        }
        wanted.then_some(self.seen)
    }

    /// What is left until those that are not there are asked for again, where what is missing may be after so long.
    pub(super) fn until_asked(&self, pause: Duration) -> Option<Duration> {
        let answered = self.asked.map(|until| until.left());
        let asks = self.late.is_some() && !self.are_there();
        asks.then(|| answered.unwrap_or(pause))
    }

    /// The destination refused what it was sent, which may be for its secrets; whether they are read again before that is believed.
    pub(super) fn doubt(&mut self) -> bool {
        let trusted = self.trusted.is_some_and(|until| !until.has_passed());
        if self.late.is_none() || trusted {
            return false;
        }
        self.state = State::Doubted;
        self.wanted = true;
        true
    }

    /// Takes an answer.
    pub(super) fn learn(&mut self, found: &Found) -> Learned {
        let Some(late) = &self.late else {
            return Learned::Nothing;
        };
        if found.number <= self.seen {
            return Learned::Nothing;
        }
        self.seen = found.number;
        // What another lane asked for is as good, but what was read before a doubt does not end it.
        if self.state == State::Doubted && self.asked.is_none() {
            return Learned::Nothing;
        }
        self.asked = None;
        let now_ms = time::epoch_ms();
        match (late.make)(found) {
            Ok(made) => {
                let age_ms = late.max_age.as_secs().saturating_mul(1000);
                self.old_ms = now_ms.saturating_add(age_ms);
                let kept = std::mem::take(&mut self.wanted) || self.state == State::Missing;
                self.unshaped = false;
                if self.state == State::Doubted {
                    self.trusted = Some(Deadline::after(DOUBT_WAIT));
                }
                self.state = State::There;
                Learned::Made(made, kept)
            }
            Err(why) if self.state == State::There => {
                self.old_ms = now_ms.saturating_add(AGE_AGAIN_MS);
                Learned::Kept(why)
            }
            Err(why) => {
                self.state = State::Missing;
                Learned::Missing(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cadence::Strategy;
    use crate::flush::LaneOptions;
    use crate::{encode, http, process, send};

    fn options() -> Options {
        let format = encode::DEFAULT;
        let destination = send::Options {
            url: "http://h".into(),
            headers: Vec::new(),
            reader: send::reader(format.name),
            success: Vec::new(),
            method: http::Verb::Post,
            gzip: false,
            hidden: Vec::new(),
            aws: None,
            http: http::Options::default(),
        };
        Options {
            strategy: Strategy::End,
            budget: Duration::ZERO,
            snapshot: false,
            process: process::Options::default(),
            lane: LaneOptions {
                format,
                encode: encode::Options::default(),
                batch_bytes: 0,
                batch_records: 0,
                buffer_bytes: 0,
                destination,
                fallback: None,
                late: None,
            },
        }
    }

    fn keys(max_age: Duration) -> Keys {
        let make = |found: &Found| {
            found.value("ssm:/key")?;
            Ok(Box::new((options(), Identity::default())))
        };
        Keys::new(Some(Late {
            make: Box::new(make),
            max_age,
            shapes: true,
        }))
    }

    fn found(number: u64, value: Result<&str, &str>) -> Found {
        let value = value.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
        Found {
            number,
            values: vec![("ssm:/key".to_owned(), value)],
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_lane_without_references_never_asks() {
        let mut keys = Keys::new(None);
        assert!(keys.are_there() && !keys.are_awaited());
        assert_eq!(keys.ask(true), None);
        assert!(!keys.doubt());
        assert!(matches!(keys.learn(&found(1, Ok("x"))), Learned::Nothing));
    }

    #[test]
    fn they_are_asked_for_once_and_then_there() {
        let mut keys = keys(HOUR);
        assert!(!keys.are_there() && !keys.are_awaited());
        assert_eq!(keys.ask(true), Some(0));
        assert_eq!(keys.ask(true), None);
        assert!(keys.are_awaited() && keys.are_shaping());
        let learned = keys.learn(&found(1, Ok("gold")));
        assert!(matches!(learned, Learned::Made(_, false)));
        assert!(!keys.are_shaping() && keys.shape_records());
        assert!(keys.are_there() && keys.admit() && !keys.are_awaited());
        assert!(matches!(
            keys.learn(&found(1, Ok("gold"))),
            Learned::Nothing
        ));
        assert_eq!(keys.ask(true), None);
    }

    #[test]
    fn what_is_missing_is_asked_for_again_when_it_may_be() {
        let mut keys = keys(HOUR);
        assert_eq!(keys.ask(true), Some(0));
        let learned = keys.learn(&found(1, Err("denied")));
        assert!(matches!(learned, Learned::Missing(why) if why == "ssm:/key: denied"));
        assert!(keys.are_shaping());
        assert!(!keys.are_there() && !keys.are_awaited());
        assert_eq!(keys.ask(false), None);
        assert_eq!(keys.ask(true), Some(1));
        let learned = keys.learn(&found(2, Ok("gold")));
        assert!(matches!(learned, Learned::Made(_, true)));
    }

    #[test]
    fn what_is_not_there_is_asked_for_again_after_its_answer_or_the_pause() {
        let (mut keys, pause) = (keys(HOUR), Duration::from_millis(70));
        assert_eq!(keys.until_asked(pause), Some(pause));
        assert_eq!(keys.ask(true), Some(0));
        assert!(
            keys.until_asked(pause) > Some(pause),
            "an answer is to come"
        );
        keys.learn(&found(1, Err("denied")));
        assert_eq!(keys.until_asked(pause), Some(pause));
        assert_eq!(keys.ask(true), Some(1));
        keys.learn(&found(2, Ok("gold")));
        assert_eq!(keys.until_asked(pause), None);
        assert_eq!(Keys::new(None).until_asked(pause), None);
    }

    #[test]
    fn what_was_held_back_goes_when_they_come() {
        let mut keys = keys(HOUR);
        assert_eq!(keys.ask(true), Some(0));
        assert!(!keys.admit());
        let learned = keys.learn(&found(1, Ok("gold")));
        assert!(matches!(learned, Learned::Made(_, true)));
    }

    #[test]
    fn a_refusal_is_doubted_once_in_a_while() {
        let mut keys = keys(HOUR);
        assert_eq!(keys.ask(true), Some(0));
        keys.learn(&found(1, Ok("old")));
        assert!(keys.doubt());
        assert!(!keys.are_there());
        assert_eq!(keys.ask(false), Some(1));
        let learned = keys.learn(&found(2, Ok("new")));
        assert!(matches!(learned, Learned::Made(_, true)));
        assert!(!keys.doubt(), "they were just read");
        assert!(keys.are_there());
    }

    #[test]
    fn old_ones_are_read_again_and_kept_where_that_fails() {
        let mut keys = keys(Duration::ZERO);
        assert_eq!(keys.ask(true), Some(0));
        keys.learn(&found(1, Ok("old")));
        assert_eq!(keys.ask(false), Some(1));
        assert!(keys.are_there(), "they are good while new ones come");
        let learned = keys.learn(&found(2, Err("denied")));
        assert!(matches!(learned, Learned::Kept(_)));
        assert!(keys.are_there());
        assert_eq!(keys.ask(true), None, "not at once");
    }
}
