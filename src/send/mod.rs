//! Delivers one payload to a destination, within a deadline.
//!
//! A delivery's result is a value, an [`Outcome`]: what becomes of the records is decided by the flush thread alone.

mod answer;
mod breaker;
mod outcome;
pub mod retry;
pub mod service;
mod shaped;

use std::fmt;
use std::time::Duration;

pub use answer::{Fate, Reader, Reading, reader};
pub use breaker::Breaker;
pub use outcome::Outcome;
pub use shaped::Shaped;

use self::retry::{Verdict, retry_after, verdict};
use self::service::Service;
use crate::encode::LEFT_OUT;
use crate::error::{Error, excerpt, hide};
use crate::gzip::Gzip;
use crate::http::{self, Answer, Client, Request, Verb};
use crate::link::{HURRY_SLICE, Hurry};
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// Where payloads go and how.
pub struct Options {
    /// The URL, scheme to query.
    pub url: String,
    /// Header names and values, the content type among them; may hold secrets.
    pub headers: Vec<(String, String)>,
    /// Reads what an answer says of single records.
    pub reader: Reader,
    /// Statuses that say that a payload was taken, where not every 2xx does.
    pub success: Vec<u16>,
    /// The method.
    pub method: Verb,
    /// Whether payloads are compressed with gzip.
    pub gzip: bool,
    /// What of all this must not be shown, besides headers and the URL's query.
    pub hidden: Vec<String>,
    /// What is particular about it, if it is in AWS.
    pub aws: Option<service::Options>,
    /// Proxy and certificates.
    pub http: http::Options,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and a URL's query may hold secrets.
        f.debug_struct("Options")
            .field("headers", &self.headers.len())
            .field("gzip", &self.gzip)
            .finish_non_exhaustive()
    }
}

/// A destination that payloads are delivered to.
pub struct Destination {
    /// Where and how.
    options: Options,
    /// Breaks off waiting for an answer.
    hurry: Hurry,
    /// Keeps the connections; made at the first delivery, so that nothing is set up before it is needed.
    client: Option<Client>,
    /// The compressor; made at the first delivery.
    gzip: Option<Gzip>,
    /// Signs, where that is wanted.
    service: Option<Service>,
    /// The payload's bytes as they go out where they are compressed or signed, used again for each.
    payload: Vec<u8>,
    /// The connection that is kept has carried a whole exchange.
    proven: bool,
    /// When it was used last, in milliseconds since 1970.
    used_ms: u64,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload holds records.
        f.debug_struct("Destination")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What is to be delivered.
#[derive(Debug)]
pub struct Payload<'a, P> {
    /// How many records it holds.
    pub records: usize,
    /// What stands before the first.
    pub head: &'a [u8],
    /// Their bytes.
    pub pieces: P,
    /// What stands behind the last.
    pub tail: &'a [u8],
    /// For each record the number of what the destination judges it by, if it is not the record itself.
    pub places: &'a [usize],
}

/// A connection that was not used for so long is not used again, in milliseconds.
const CONNECTION_AGE_MS: u64 = 4_000;

/// Secrets are searched for in so much of an answer's beginning, in bytes: what is shown of it, and a long one that begins there.
const ANSWER_BYTES_SEARCHED: usize = 8 * 1024;

/// A payload buffer larger than this is given back when there is rest, in bytes.
const PAYLOAD_KEPT_BYTES: usize = 512 * 1024;

impl Destination {
    /// A destination that has not been called.
    #[must_use]
    pub fn new(mut options: Options, hurry: Hurry) -> Self {
        // An encoding of the owner's own is not for us to change.
        let own = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-encoding");
        options.gzip &= !options.headers.iter().any(own);
        if options.gzip {
            let encoding = http::header("content-encoding", "gzip");
            options.headers.push(encoding);
        }
        Self {
            service: options.aws.take().map(Service::new),
            options,
            hurry,
            client: None,
            gzip: None,
            payload: Vec::new(),
            proven: false,
            used_ms: 0,
        }
    }

    /// Whether this is its address.
    #[must_use]
    pub fn is_at(&self, url: &str) -> bool {
        self.options.url == url
    }

    /// Sends one payload, and again on what may pass, until the deadline.
    pub fn send<'a>(
        &mut self,
        payload: Payload<'a, impl Iterator<Item = &'a [u8]>>,
        deadline: Deadline,
        stats: &Stats,
    ) -> Outcome {
        self.drop_stale_connections();
        let (records, places) = (payload.records, payload.places);
        let all: Vec<&[u8]> = std::iter::once(payload.head)
            .chain(payload.pieces)
            .chain(std::iter::once(payload.tail))
            .collect();
        if let Err(why) = self.prepare(&all) {
            return Outcome::Later {
                why: why.to_string(),
                status: None,
                asked: None,
                may_have_arrived: false,
            };
        }
        if let Some(service) = &mut self.service {
            service.begin(&self.payload);
        }
        let outcome = self.tries(&all, Judged { records, places }, deadline, stats);
        if let Some(service) = &mut self.service {
            service.end(&self.payload, matches!(outcome, Outcome::Later { .. }));
        }
        self.used_ms = time::epoch_ms();
        outcome
    }

    /// Gives memory back: nothing is sent for a while.
    pub fn rest(&mut self) {
        if self.payload.capacity() > PAYLOAD_KEPT_BYTES {
            self.payload = Vec::new();
        }
    }

    /// Makes the payload ready to be sent; what is neither compressed nor signed stays where it is.
    fn prepare(&mut self, all: &[&[u8]]) -> Result<(), Error> {
        if self.client.is_none() {
            self.client = Some(Client::outbound(&self.options.http, &self.hurry)?);
        }
        if self.options.gzip {
            let gzip = self.gzip.get_or_insert_default();
            if !gzip.compress(&mut all.iter().copied(), &mut self.payload) {
                return Err(Error::Resource {
                    what: "gzip".into(),
                    why: "the compressor failed".into(),
                });
            }
        } else if self.service.is_some() {
            self.payload.clear();
            all.iter()
                .for_each(|piece| self.payload.extend_from_slice(piece));
        }
        Ok(())
    }

    /// After a pause, which may have been a freeze, nobody knows whether the other side still has our connections.
    fn drop_stale_connections(&mut self) {
        // A clock set back is as good a reason as a long time.
        let age_ms = time::epoch_ms().checked_sub(self.used_ms);
        if age_ms.is_none_or(|age| age > CONNECTION_AGE_MS) {
            self.forget_connections();
        }
    }

    /// Makes the next request open a connection of its own.
    fn forget_connections(&mut self) {
        self.proven = false;
        if let Some(client) = &mut self.client {
            client.forget_connections();
        }
    }

    /// Tries until there is a verdict that stands.
    fn tries(
        &mut self,
        all: &[&[u8]],
        judged: Judged<'_>,
        deadline: Deadline,
        stats: &Stats,
    ) -> Outcome {
        let records = judged.records;
        let mut tries = 0;
        let mut may_have_arrived = false;
        loop {
            tries += 1;
            if may_have_arrived {
                stats.resent.add(records);
            }
            let (why, status, asked) = match self.once(all, deadline) {
                Ok(answer) => match self.judge(&answer, judged) {
                    (Verdict::Delivered, reading) => {
                        self.proven = true;
                        return self.taken(&answer, reading, records);
                    }
                    (_, reading @ Reading::Items { .. }) => {
                        return self.taken(&answer, reading, records);
                    }
                    (Verdict::TooLarge, _) => return Outcome::TooLarge,
                    (Verdict::Refused, _) => {
                        return Outcome::Refused {
                            status: answer.status,
                            answer: self.refusal(&answer),
                        };
                    }
                    (Verdict::Later, _) => {
                        let asked = answer.header("retry-after").and_then(|value| {
                            retry_after(value, time::epoch_ms(), time::http_date_ms)
                        });
                        let text = self.shown(&answer.body);
                        let why = format!("it answered {}: {text}", answer.status);
                        (why, Some(answer.status), asked)
                    }
                },
                Err(failure) => {
                    may_have_arrived |= failure.sent;
                    // A connection that was good may have died of age: a fresh one is no other try.
                    if self.proven && !failure.timed_out {
                        self.forget_connections();
                        tries -= 1;
                        continue;
                    }
                    self.forget_connections();
                    (failure.why, None, None)
                }
            };
            let wait = asked.unwrap_or_else(|| retry::backoff(tries, time::chance()));
            // A try that has no time left would only fail, and holds whoever waits for it.
            if tries >= retry::TRIES_MAX || wait >= deadline.left() || !self.pause(wait) {
                return Outcome::Later {
                    why,
                    status,
                    asked,
                    may_have_arrived,
                };
            }
            stats.retried.add(1);
        }
    }

    /// Waits before another try; `false` as soon as nobody should wait any more.
    fn pause(&self, wait: Duration) -> bool {
        let end = Deadline::after(wait);
        while !self.hurry.is_on() {
            let left = end.left();
            if left.is_zero() {
                return true;
            }
            time::sleep(left.min(HURRY_SLICE));
        }
        false
    }

    /// Judges an answer, and reads what it says of the records.
    fn judge(&self, answer: &Answer, judged: Judged<'_>) -> (Verdict, Reading) {
        let verdict = self.verdict(answer.status);
        match self.read(answer, judged) {
            Reading::All(verdict) => (verdict, Reading::Nothing),
            reading => (verdict, reading),
        }
    }

    /// Judges a status; the owner may know which ones say that all is well.
    fn verdict(&self, status: u16) -> Verdict {
        match (verdict(status), self.options.success.is_empty()) {
            (judged, true) => judged,
            _ if self.options.success.contains(&status) => Verdict::Delivered,
            (Verdict::Delivered, false) => Verdict::Refused,
            (judged, false) => judged,
        }
    }

    /// What an answer says of the records; one that tells of more or fewer than there were says nothing.
    fn read(&self, answer: &Answer, judged: Judged<'_>) -> Reading {
        let count = judged.count();
        match (self.options.reader)(answer.status, &answer.body, count) {
            Reading::Items { fates, .. } if fates.len() != count => Reading::Nothing,
            Reading::Items { fates, why } => Reading::Items {
                fates: judged.fates(fates),
                why,
            },
            // All is well with what was in the payload.
            Reading::Nothing if judged.places.contains(&LEFT_OUT) && answer.status == 200 => {
                Reading::Items {
                    fates: judged.fates(vec![Fate::Delivered; count]),
                    why: "more than a day of records".to_owned(),
                }
            }
            reading => reading,
        }
    }

    /// What became of a payload that was taken, at least in part.
    fn taken(&self, answer: &Answer, reading: Reading, records: usize) -> Outcome {
        match reading {
            Reading::Items { fates, why } if fates.iter().any(|f| *f != Fate::Delivered) => {
                Outcome::Partly {
                    fates,
                    why: self.shown(why.as_bytes()),
                }
            }
            Reading::Refused {
                records: refused,
                why,
            } => {
                let why = self.shown(why.as_bytes());
                Outcome::Delivered {
                    status: answer.status,
                    odd: (refused == 0).then(|| format!("a warning: {why}")),
                    answer: why,
                    refused: refused.min(records),
                }
            }
            Reading::Items { .. } | Reading::All(_) | Reading::Nothing => Outcome::Delivered {
                status: answer.status,
                answer: self.shown(&answer.body),
                odd: odd(answer),
                refused: 0,
            },
        }
    }

    /// What a refusal says: where a redirect points, or the answer's beginning.
    fn refusal(&self, answer: &Answer) -> String {
        match answer.header("location") {
            Some(location) if (300..400).contains(&answer.status) => {
                let shown = http::shown_url(location);
                format!("it redirects to {}", self.shown(shown.as_bytes()))
            }
            Some(_) | None => self.shown(&answer.body),
        }
    }

    /// The beginning of a foreign answer, fit to be printed; what is secret goes before it is cut, or else a part of it would stay.
    fn shown(&self, answer: &[u8]) -> String {
        let head = answer.get(..ANSWER_BYTES_SEARCHED).unwrap_or(answer);
        let text = self.without_secrets(&String::from_utf8_lossy(head));
        excerpt(text.as_bytes())
    }

    /// A foreign answer without the values of our headers and of our URL's query, and other secrets, which it may repeat.
    fn without_secrets(&self, answer: &str) -> String {
        let mut text = answer.to_owned();
        for hidden in &self.options.hidden {
            text = hide(text, hidden);
        }
        let query = self
            .options
            .url
            .split_once('?')
            .map_or("", |(_, query)| query);
        for pair in query.split('&') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            text = hide(text, value);
        }
        for (name, value) in &self.options.headers {
            if name.starts_with("content-") {
                continue;
            }
            // A scheme such as `Bearer` before the secret is none.
            let secret = value.rsplit(' ').next().unwrap_or_default();
            for hidden in [value.as_str(), secret] {
                text = hide(text, hidden);
            }
        }
        text
    }

    /// Tries once.
    fn once(&mut self, all: &[&[u8]], deadline: Deadline) -> Result<Answer, http::Failure> {
        let Some(client) = &self.client else {
            return Err(http::Failure {
                timed_out: false,
                sent: false,
                why: "there is no client".into(),
            });
        };
        let request = Request {
            method: self.options.method,
            url: &self.options.url,
            headers: &self.options.headers,
            body: &self.payload,
            deadline: Some(deadline),
        };
        match &mut self.service {
            None if self.options.gzip => client.call(&request),
            None => client.call_with(&request, all),
            Some(service) => {
                let url = service.url(request.url);
                service.call(
                    client,
                    &Request {
                        url: &url,
                        ..request
                    },
                )
            }
        }
    }
}

/// The records of a payload, and what the destination judges them by.
#[derive(Debug, Clone, Copy)]
struct Judged<'a> {
    /// How many there are.
    records: usize,
    /// The number of what each is judged by, if it is not the record itself.
    places: &'a [usize],
}

impl Judged<'_> {
    /// How many the destination sees.
    fn count(self) -> usize {
        let seen = self.places.iter().filter(|place| **place != LEFT_OUT);
        match seen.max() {
            Some(last) => last.saturating_add(1),
            None => self.records,
        }
    }

    /// What becomes of each record by what becomes of what the destination sees; of what it did not see nothing became yet.
    fn fates(self, seen: Vec<Fate>) -> Vec<Fate> {
        if self.places.is_empty() {
            return seen;
        }
        let fate = |place: &usize| seen.get(*place).copied().unwrap_or(Fate::Left);
        self.places.iter().map(fate).collect()
    }
}

/// What is odd about an answer that says all is well.
fn odd(answer: &Answer) -> Option<String> {
    let html = answer
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("text/html"));
    (html && !answer.body.is_empty()).then(|| "an HTML page: is the endpoint right?".to_owned())
}
