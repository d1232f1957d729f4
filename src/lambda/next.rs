//! `GET /2020-01-01/extension/event/next`: says that we are ready, and waits for what comes.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Lambda, refused};
use crate::error::Error;
use crate::http::Verb;

/// What Lambda wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// An invocation began.
    Invoke {
        /// When the function times out, in milliseconds since 1970, if that was told.
        deadline_ms: Option<u64>,
        /// The request's id; empty if none was told.
        request_id: String,
        /// The function's ARN as invoked; empty if none was told.
        function_arn: String,
    },
    /// The environment ends.
    Shutdown(Shutdown),
    /// Something that Lambda may add one day.
    Unknown(String),
}

/// The end of the environment.
#[derive(Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// When the process is killed, in milliseconds since 1970, if that was told.
    pub deadline_ms: Option<u64>,
    /// Why, in lower case: `spindown`, `timeout`, `failure`, or what an emulator says.
    pub reason: String,
}

/// A time before this, September 2001, is not one: emulators send 0, and the documentation 676051.
const EPOCH_MS_MIN: u64 = 1_000_000_000_000;

/// The answer as it comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Answered<'a> {
    /// `INVOKE` or `SHUTDOWN`.
    event_type: String,
    /// Both events have one; kept as text, so that no reader of floating-point numbers comes into the binary.
    #[serde(borrow)]
    deadline_ms: Option<&'a RawValue>,
    /// INVOKE.
    request_id: String,
    /// INVOKE.
    invoked_function_arn: String,
    /// SHUTDOWN.
    shutdown_reason: String,
}

impl Lambda {
    /// Waits for the next event, for hours if need be: the process may be frozen meanwhile, so there is no timeout.
    ///
    /// # Errors
    /// If there is no answer, a refusal, or an answer that is no event.
    pub fn next(&self) -> Result<Event, Error> {
        let call = "next";
        let path = "/2020-01-01/extension/event/next";
        let answer = self.call(call, Verb::Get, path, "", None)?;
        if answer.status != 200 {
            return Err(refused(call, &answer));
        }
        read(&answer.body).map_err(|why| Error::Answer {
            call,
            why: why.to_string(),
        })
    }
}

/// Reads an event.
fn read(body: &[u8]) -> Result<Event, serde_json::Error> {
    let told: Answered<'_> = serde_json::from_slice(body)?;
    let deadline_ms = told
        .deadline_ms
        .and_then(|number| number.get().parse().ok())
        .filter(|at| *at >= EPOCH_MS_MIN);
    Ok(match told.event_type.to_ascii_uppercase().as_str() {
        "INVOKE" => Event::Invoke {
            deadline_ms,
            request_id: told.request_id,
            function_arn: told.invoked_function_arn,
        },
        "SHUTDOWN" => Event::Shutdown(Shutdown {
            deadline_ms,
            reason: told.shutdown_reason.to_ascii_lowercase(),
        }),
        _ => Event::Unknown(told.event_type),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whatever_is_missing() {
        for (body, expected) in [
            (
                r#"{"eventType":"INVOKE","deadlineMs":1646394703586,"requestId":"r","invokedFunctionArn":"arn","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"},"new":[]}"#,
                Event::Invoke {
                    deadline_ms: Some(1_646_394_703_586),
                    request_id: "r".into(),
                    function_arn: "arn".into(),
                },
            ),
            (
                r#"{"eventType":"INVOKE","deadlineMs":0}"#,
                Event::Invoke {
                    deadline_ms: None,
                    request_id: String::new(),
                    function_arn: String::new(),
                },
            ),
            (
                r#"{"eventType":"SHUTDOWN","shutdownReason":"SPINDOWN","deadlineMs":676051}"#,
                Event::Shutdown(Shutdown {
                    deadline_ms: None,
                    reason: "spindown".into(),
                }),
            ),
            (r#"{"eventType":"PAUSE"}"#, Event::Unknown("PAUSE".into())),
        ] {
            assert_eq!(read(body.as_bytes()).expect(body), expected);
        }
        assert!(read(b"<html>").is_err());
    }
}
