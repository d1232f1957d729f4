//! Delivers one payload to a destination, within a deadline.
//!
//! A delivery's result is a value, an [`Outcome`]: what becomes of the records is decided by the flush thread alone.

mod breaker;
mod gzip;
pub mod retry;

use std::fmt;
use std::time::Duration;

pub use breaker::Breaker;

use self::gzip::Gzip;
use self::retry::{Verdict, retry_after, verdict};
use crate::encode::Frame;
use crate::error::{Error, excerpt};
use crate::http::{self, Answer, Client, Request, Verb};
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// Where payloads go and how.
#[derive(Clone)]
pub struct Options {
    /// The URL, scheme to query.
    pub url: String,
    /// Header names and values, the content type among them; may hold secrets.
    pub headers: Vec<(String, String)>,
    /// What makes fragments a payload.
    pub frame: Frame,
    /// Whether payloads are compressed with gzip.
    pub gzip: bool,
    /// Proxy and certificates.
    pub http: http::Options,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and a URL's query may hold secrets.
        f.debug_struct("Options")
            .field("headers", &self.headers.len())
            .field("frame", &self.frame)
            .field("gzip", &self.gzip)
            .finish_non_exhaustive()
    }
}

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
        odd: Option<&'static str>,
    },
    /// It could not be delivered now; says why, and how long the destination asks to be left alone.
    Later {
        /// What happened, in words.
        why: String,
        /// From `Retry-After`.
        asked: Option<Duration>,
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, status, answer) = match self {
            Self::Delivered { status, answer, .. } => ("delivered", status, answer),
            Self::Refused { status, answer } => ("refused", status, answer),
            Self::TooLarge => return f.write_str("refused as too large, status 413"),
            Self::Later { why, .. } => return write!(f, "not delivered: {why}"),
        };
        write!(f, "{what}, status {status}")?;
        if answer.is_empty() {
            return Ok(());
        }
        write!(f, ": {answer}")
    }
}

/// A destination that payloads are delivered to.
#[derive(Debug)]
pub struct Destination {
    /// Where and how.
    options: Options,
    /// Keeps the connections; made at the first delivery, so that nothing is set up before it is needed.
    client: Option<Client>,
    /// The compressor; made at the first delivery.
    gzip: Option<Gzip>,
    /// The payload's bytes as they go out, used again for each.
    payload: Vec<u8>,
}

/// A payload buffer larger than this is given back after use, in bytes.
const PAYLOAD_KEPT_BYTES: usize = 512 * 1024;

impl Destination {
    /// A destination that has not been called.
    #[must_use]
    pub fn new(mut options: Options) -> Self {
        if options.gzip {
            let encoding = ("content-encoding".to_owned(), "gzip".to_owned());
            options.headers.push(encoding);
        }
        Self {
            options,
            client: None,
            gzip: None,
            payload: Vec::new(),
        }
    }

    /// Sends one payload, and again on what may pass, until the deadline.
    pub fn send<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        deadline: Deadline,
        stats: &Stats,
    ) -> Outcome {
        if let Err(why) = self.prepare(pieces) {
            return Outcome::Later {
                why: why.to_string(),
                asked: None,
            };
        }
        let outcome = self.tries(deadline, stats);
        if self.payload.capacity() > PAYLOAD_KEPT_BYTES {
            self.payload = Vec::new();
        }
        outcome
    }

    /// Puts the payload together.
    fn prepare<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Result<(), Error> {
        if self.client.is_none() {
            self.client = Some(Client::outbound(&self.options.http)?);
        }
        let Frame { head, tail, .. } = self.options.frame;
        let all = std::iter::once(head.as_bytes())
            .chain(pieces)
            .chain(std::iter::once(tail.as_bytes()));
        if self.options.gzip {
            let gzip = self.gzip.get_or_insert_default();
            if !gzip.compress(all, &mut self.payload) {
                return Err(Error::Resource {
                    what: "gzip".into(),
                    why: "the compressor failed".into(),
                });
            }
        } else {
            self.payload.clear();
            all.for_each(|piece| self.payload.extend_from_slice(piece));
        }
        Ok(())
    }

    /// Tries until there is a verdict that stands.
    fn tries(&self, deadline: Deadline, stats: &Stats) -> Outcome {
        let mut tries = 0;
        loop {
            tries += 1;
            let (why, asked) = match self.once(deadline) {
                Ok(answer) => match verdict(answer.status) {
                    Verdict::Delivered => {
                        return Outcome::Delivered {
                            status: answer.status,
                            answer: excerpt(&answer.body),
                            odd: odd(&answer),
                        };
                    }
                    Verdict::TooLarge => return Outcome::TooLarge,
                    Verdict::Refused => {
                        return Outcome::Refused {
                            status: answer.status,
                            answer: refusal(&answer),
                        };
                    }
                    Verdict::Later => {
                        let asked = answer.header("retry-after").and_then(|value| {
                            retry_after(value, time::epoch_ms(), time::http_date_ms)
                        });
                        let text = excerpt(&answer.body);
                        (format!("it answered {}: {text}", answer.status), asked)
                    }
                },
                Err(failure) => (failure.why, None),
            };
            let wait = asked.unwrap_or_else(|| retry::backoff(tries, time::chance()));
            // A try that has no time left would only fail, and holds whoever waits for it.
            if tries >= retry::TRIES_MAX || wait >= deadline.left() {
                return Outcome::Later { why, asked };
            }
            time::sleep(wait);
            stats.retried.add(1);
        }
    }

    /// Tries once.
    fn once(&self, deadline: Deadline) -> Result<Answer, http::Failure> {
        let Some(client) = &self.client else {
            return Err(http::Failure {
                timed_out: false,
                why: "there is no client".into(),
            });
        };
        client.call(&Request {
            method: Verb::Post,
            url: &self.options.url,
            headers: &self.options.headers,
            body: &self.payload,
            deadline: Some(deadline),
        })
    }
}

/// What a refusal says: where a redirect points, or the answer's beginning.
fn refusal(answer: &Answer) -> String {
    match answer.header("location") {
        Some(location) if (300..400).contains(&answer.status) => {
            format!("it redirects to {}", excerpt(location.as_bytes()))
        }
        Some(_) | None => excerpt(&answer.body),
    }
}

/// What is odd about an answer that says all is well.
fn odd(answer: &Answer) -> Option<&'static str> {
    let html = answer
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("text/html"));
    html.then_some("an HTML page")
}
