//! What became of a payload: a value, and what it looks like in a line.
//!
//! What is done about it is not decided here.

use std::fmt;
use std::time::Duration;

use super::Fate;

/// What became of a payload.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination took it.
    Delivered {
        /// The status.
        status: u16,
        /// The beginning of the answer.
        answer: String,
        /// What is odd about the answer, if anything.
        odd: Option<String>,
        /// Records that it nevertheless did not take and does not name.
        refused: usize,
    },
    /// The destination took some records and says which.
    Partly {
        /// What became of each record.
        fates: Vec<Fate>,
        /// What it says of the first one that it did not take.
        why: String,
    },
    /// It could not be delivered now; says why, and how long the destination asks to be left alone.
    Later {
        /// What happened, in words.
        why: String,
        /// The status, if it answered.
        status: Option<u16>,
        /// From `Retry-After`.
        asked: Option<Duration>,
        /// The request went out and no answer came back, so that it may have arrived.
        may_have_arrived: bool,
    },
    /// The destination says that it is too large.
    TooLarge,
    /// The destination will never take it.
    Refused {
        /// The status.
        status: u16,
        /// The beginning of the answer.
        answer: String,
    },
}

impl Outcome {
    /// Whether nobody knows if it arrived.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        matches!(
            self,
            Self::Later {
                may_have_arrived: true,
                ..
            }
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, status, answer) = match self {
            Self::Delivered { status, answer, .. } => ("delivered", status, answer),
            Self::Refused { status, answer } => ("refused", status, answer),
            Self::TooLarge => return f.write_str("refused as too large, status 413"),
            Self::Partly { fates, why } => {
                let of = |fate| fates.iter().filter(|known| **known == fate).count();
                return write!(
                    f,
                    "{} delivered, {} to be sent again, {} refused: {why}",
                    of(Fate::Delivered),
                    of(Fate::Again) + of(Fate::Left),
                    of(Fate::Refused)
                );
            }
            Self::Later { why, .. } => return write!(f, "not delivered: {why}"),
        };
        write!(f, "{what}, status {status}")?;
        if answer.is_empty() {
            return Ok(());
        }
        write!(f, ": {answer}")
    }
}
