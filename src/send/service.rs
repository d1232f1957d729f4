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
    /// The name of the object that is being sent.
    name: String,
    /// The hash of the payload that is to be sent again, and that may have become an object without our knowing; and its name.
    unsure: Option<(String, String)>,
}

impl Service {
    /// That of a destination that has not been called.
    pub(super) fn new(options: Options) -> Self {
        Self {
            signer: Signer::new(options.signing),
            duty: options.duty,
            name: String::new(),
            unsure: None,
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
        if let Some((hash, name)) = self.unsure.take()
            && sha256_hex(payload) == hash
        {
            self.name = name;
            return;
        }
        let now = time::rfc3339(time::epoch_ms());
        // 2026-11-22T10:…: day and hour.
        let hour = now.get(..13).unwrap_or_default().replace(['-', 'T'], "/");
        let number = OBJECTS.fetch_add(1, Ordering::Relaxed);
        self.name = format!(
            "{hour}/{}/{}-{number:06}{extension}",
            sigv4::encoded(function, ""),
            time::environment()
        );
    }

    /// The payload is over; one that is to be sent again keeps its name, as it may be there.
    pub(super) fn end(&mut self, payload: &[u8], again: bool) {
        if again && !self.name.is_empty() {
            self.unsure = Some((sha256_hex(payload), std::mem::take(&mut self.name)));
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
        let answer = self.signer.call(client, request)?;
        let Duty::Stream { group, stream } = &self.duty else {
            return Ok(answer);
        };
        if !is_missing(&answer) {
            return Ok(answer);
        }
        let (mut of_group, mut of_stream) = (String::new(), String::new());
        parse::escape(&mut of_group, group);
        parse::escape(&mut of_stream, stream);
        let of_group = ["{\"logGroupName\":\"", &of_group, "\""].concat();
        let of_stream = [&of_group, ",\"logStreamName\":\"", &of_stream, "\"}"].concat();
        let of_group_alone = [&of_group, "}"].concat();
        let mut made = answer;
        for (operation, body) in [
            ("CreateLogStream", &of_stream),
            ("CreateLogGroup", &of_group_alone),
            ("CreateLogStream", &of_stream),
        ] {
            say!(Info, "{operation}: the log group or stream is not there");
            let headers = aws::headers(&LOGS, operation);
            made = self.signer.call(
                client,
                &Request {
                    headers: &headers,
                    body: body.as_bytes(),
                    ..*request
                },
            )?;
            // The group is only made for a stream that misses it, and the stream then once more.
            let goes_on = if operation == "CreateLogGroup" {
                is_made(&made)
            } else {
                is_missing(&made)
            };
            if !goes_on {
                break;
            }
        }
        if is_made(&made) {
            made = self.signer.call(client, request)?;
        }
        if is_missing(&made) {
            // Not every host of the service knows at once of what was made; the records must not be refused for it.
            return Err(Failure {
                timed_out: false,
                sent: false,
                why: "the log group or stream was made, and is not there yet".to_owned(),
            });
        }
        Ok(made)
    }
}

/// Whether an answer says that the group or the stream is not there.
fn is_missing(answer: &Answer) -> bool {
    answer.status == 400
        && aws::error_name(answer).is_some_and(|name| name == "ResourceNotFoundException")
}

/// Whether it is there now; another environment may have been faster.
fn is_made(answer: &Answer) -> bool {
    let exists =
        || aws::error_name(answer).is_some_and(|name| name == "ResourceAlreadyExistsException");
    answer.status == 200 || exists()
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
    }

    #[test]
    fn nothing_else_has_a_name() {
        let mut service = service(Duty::None);
        service.begin(b"x");
        assert_eq!(service.url("https://h/"), "https://h/");
        service.end(b"x", true);
        assert!(service.unsure.is_none());
    }
}
