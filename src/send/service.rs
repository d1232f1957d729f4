//! What is particular about a destination in AWS: requests that are signed, an object's name, a log stream that is made when it is not there.
//!
//! It must not decide what an answer means for records.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::aws::endpoint::LOGS;
use crate::aws::{self, Signer, Signing, sigv4};
use crate::digest::sha256_hex;
use crate::http::{Answer, Client, Failure, Request};
use crate::parse;
use crate::time;

/// What a destination in AWS is told.
#[derive(Debug)]
pub struct Options {
    /// How requests are signed.
    pub signing: Signing,
    /// What there is to do besides.
    pub duty: Duty,
}

/// What there is to do besides signing.
#[derive(Debug)]
pub enum Duty {
    /// Nothing.
    None,
    /// Each payload is an object under a name of its own, behind the URL.
    Object {
        /// What the objects of a day are told apart by besides: the function's name.
        function: String,
        /// What a name ends with, such as `.ndjson.gz`.
        extension: String,
    },
    /// The log group and the stream are made when they are not there.
    Stream {
        /// The group.
        group: String,
        /// The stream.
        stream: String,
    },
}

/// The numbers of objects, which no two destinations of this process may share.
static OBJECTS: AtomicU64 = AtomicU64::new(1);

/// The part of a destination that is particular about AWS.
#[derive(Debug)]
pub(super) struct Service {
    /// Signs requests.
    signer: Signer,
    /// What there is to do besides.
    duty: Duty,
    /// The name of the object that is being sent, or was sent last.
    name: String,
    /// The hash of that one's payload, if it is to be sent again and may have become an object without our knowing; else empty.
    unsure: String,
}

impl Service {
    /// That of a destination that has not been called.
    pub(super) fn new(options: Options) -> Self {
        Self {
            signer: Signer::new(options.signing),
            duty: options.duty,
            name: String::new(),
            unsure: String::new(),
        }
    }

    /// A payload begins: its name is fixed, so that a try after the first replaces what that one left.
    pub(super) fn begin(&mut self, payload: &[u8]) {
        let Duty::Object {
            function,
            extension,
        } = &self.duty
        else {
            return;
        };
        if !self.unsure.is_empty() && sha256_hex(payload) == self.unsure {
            return;
        }
        // The name is another payload's from here on.
        self.unsure.clear();
        let now = time::rfc3339(time::epoch_ms());
        // 2026-11-22T10:…: day and hour.
        let hour = parse::cut(&now, 13).replace(['-', 'T'], "/");
        let number = OBJECTS.fetch_add(1, Ordering::Relaxed);
        self.name = format!(
            "{hour}/{}/{}-{number:06}{extension}",
            sigv4::encoded(function, ""),
            time::environment()
        );
    }

    /// The payload is over; one that is to be sent again keeps its name, as it may be there.
    pub(super) fn end(&mut self, payload: &[u8], again: bool) {
        self.unsure.clear();
        if again && !self.name.is_empty() {
            self.unsure = sha256_hex(payload);
        }
    }

    /// Where a payload goes.
    pub(super) fn url(&self, url: &str) -> String {
        [url, &self.name].concat()
    }

    /// Makes a request, and once more if a stream had to be made for it.
    pub(super) fn call(
        &mut self,
        client: &Client,
        request: &Request<'_>,
    ) -> Result<Answer, Failure> {
        let mut step = Step::Send;
        loop {
            let result = self.ask(client, request, step);
            let (Ok(answer), Duty::Stream { .. }) = (&result, &self.duty) else {
                return result;
            };
            let name = aws::error_name(answer);
            let is_missing = answer.status == 400 && name == "ResourceNotFoundException";
            // Another environment may have been faster.
            let is_made = answer.status == 200 || name == "ResourceAlreadyExistsException";
            step = match step {
                Step::Send if is_missing => Step::Stream,
                Step::Stream if is_missing => Step::Group,
                Step::Group if is_made => Step::StreamAgain,
                Step::Stream | Step::StreamAgain if is_made => Step::SendAgain,
                // Not every host of the service knows at once of what was made; the records must not be refused for it.
                _ if is_missing => {
                    return Err(Failure {
                        timed_out: false,
                        sent: false,
                        why: "the log group or stream was made, and is not there yet".to_owned(),
                    });
                }
                _ => return result,
            };
        }
    }

    /// Takes one step.
    fn ask(
        &mut self,
        client: &Client,
        request: &Request<'_>,
        step: Step,
    ) -> Result<Answer, Failure> {
        let (Some(operation), Duty::Stream { group, stream }) = (step.operation(), &self.duty)
        else {
            return self.signer.call(client, request);
        };
        say!(Info, "{operation}: the log group or stream is not there");
        let stream = (step != Step::Group).then_some(stream);
        self.signer.call(
            client,
            &Request {
                headers: &aws::headers(&LOGS, operation),
                body: names(group, stream).as_bytes(),
                ..*request
            },
        )
    }
}

/// What a request to a log stream takes, in this order: the stream is made if it is missing, and its group only if that fails for want of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The records are sent.
    Send,
    /// The stream is made.
    Stream,
    /// Its group is made.
    Group,
    /// The stream is made in it.
    StreamAgain,
    /// The records are sent to what was made.
    SendAgain,
}

impl Step {
    /// The operation that makes something.
    fn operation(self) -> Option<&'static str> {
        match self {
            Self::Send | Self::SendAgain => None,
            Self::Stream | Self::StreamAgain => Some("CreateLogStream"),
            Self::Group => Some("CreateLogGroup"),
        }
    }
}

/// What is to be made: a group, or a stream in it.
fn names(group: &str, stream: Option<&String>) -> String {
    let mut out = "{\"logGroupName\":\"".to_owned();
    parse::escape(&mut out, group);
    if let Some(stream) = stream {
        out.push_str("\",\"logStreamName\":\"");
        parse::escape(&mut out, stream);
    }
    out.push_str("\"}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn service(duty: Duty) -> Service {
        let signing = Signing {
            source: Arc::default(),
            region: "r".into(),
            service: "s3",
        };
        Service::new(Options { signing, duty })
    }

    #[test]
    fn an_object_keeps_its_name_until_it_is_known_to_be_there() {
        let mut service = service(Duty::Object {
            function: "a b".into(),
            extension: ".ndjson".into(),
        });
        let mut name = |payload: &[u8], again| {
            service.begin(payload);
            let url = service.url("https://b/");
            service.end(payload, again);
            url
        };
        let first = name(b"one", true);
        let parts: Vec<&str> = first.split('/').skip(7).collect();
        assert!(
            matches!(parts.as_slice(), ["a%20b", name] if name.ends_with(".ndjson")),
            "{first}"
        );
        assert_eq!(name(b"one", true), first, "the same again");
        assert_eq!(name(b"one", false), first, "and once more");
        let second = name(b"one", true);
        assert_ne!(second, first, "it arrived: this is another one");
        assert_ne!(
            name(b"two", true),
            second,
            "other records are another object"
        );
        // A panic leaves out the end of one that is being sent.
        service.begin(b"three");
        let third = service.url("https://b/");
        service.begin(b"two");
        assert_ne!(service.url("https://b/"), third, "not another one's name");
    }

    #[test]
    fn nothing_else_has_a_name() {
        let mut service = service(Duty::None);
        service.begin(b"x");
        assert_eq!(service.url("https://h/"), "https://h/");
        service.end(b"x", true);
        assert!(service.unsure.is_empty());
    }
}
