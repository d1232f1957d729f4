//! The one error type.
//!
//! A delivery's result is not an error but a value (`send::Outcome`); this type is for what stops a step.
//! It must not hold a secret: whoever builds one passes text that may be printed.

use std::fmt;

/// Why a step could not be done.
#[derive(Debug)]
pub enum Error {
    /// Something that Lambda sets, or a start argument, is missing or cannot be used.
    Environment(String),
    /// A call to one of the Lambda APIs got no answer.
    Call {
        /// The call, such as `register`.
        call: &'static str,
        /// What the client said.
        why: String,
    },
    /// A call to one of the Lambda APIs was answered with a status that stops it.
    Status {
        /// The call, such as `register`.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer, at most [`ANSWER_CHARS_MAX`] characters.
        answer: String,
    },
    /// An answer could not be read.
    Answer {
        /// The call, such as `register`.
        call: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A file, socket or thread could not be had.
    Resource {
        /// What was wanted.
        what: String,
        /// What the system said.
        why: String,
    },
}

/// The longest piece of a foreign answer that is kept for a message, in characters.
pub const ANSWER_CHARS_MAX: usize = 300;

/// The beginning of a foreign answer, in one line and without control characters, fit to be printed.
#[must_use]
pub fn excerpt(answer: &[u8]) -> String {
    let head = answer.get(..ANSWER_CHARS_MAX * 4).unwrap_or(answer);
    let text = String::from_utf8_lossy(head);
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == ANSWER_CHARS_MAX {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// A secret that is shorter than this is too likely to be part of any text.
const SECRET_CHARS_MIN: usize = 4;

/// A foreign answer without a secret, which it may repeat.
#[must_use]
pub fn hide(answer: String, secret: &str) -> String {
    if secret.len() < SECRET_CHARS_MIN {
        return answer;
    }
    answer.replace(secret, "***")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(what) => f.write_str(what),
            Self::Call { call, why } => write!(f, "{call}: no answer: {why}"),
            Self::Status {
                call,
                status,
                answer,
            } => write!(f, "{call}: answered {status}: {answer}"),
            Self::Answer { call, why } => write!(f, "{call}: cannot read the answer: {why}"),
            Self::Resource { what, why } => write!(f, "{what}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_prints_one_line() {
        let all = [
            (Error::Environment("X is not set".into()), "X is not set"),
            (
                Error::Call {
                    call: "next",
                    why: "connection refused".into(),
                },
                "next: no answer: connection refused",
            ),
            (
                Error::Status {
                    call: "register",
                    status: 403,
                    answer: "closed".into(),
                },
                "register: answered 403: closed",
            ),
            (
                Error::Answer {
                    call: "next",
                    why: "not JSON".into(),
                },
                "next: cannot read the answer: not JSON",
            ),
            (
                Error::Resource {
                    what: "the listener".into(),
                    why: "in use".into(),
                },
                "the listener: in use",
            ),
        ];
        for (error, text) in all {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn the_type_stays_small() {
        assert!(size_of::<Error>() <= 56, "{}", size_of::<Error>());
    }

    #[test]
    fn an_excerpt_is_one_short_printable_line() {
        assert_eq!(excerpt(b" a\r\nb\0c "), "a  b c");
        assert_eq!(excerpt(&[0xff, b'x']), "\u{fffd}x");
        let long = excerpt("é".repeat(5000).as_bytes());
        assert_eq!(long.chars().count(), ANSWER_CHARS_MAX + 1);
        assert!(long.ends_with('…'));
    }
}
