//! `PUT /2022-07-01/telemetry` and `PUT /2020-08-15/logs`: asks for the stream.
//!
//! The newest schema is tried first; an answer 400 or 404 means that this platform is older than it, and the next one is tried.

use std::time::Duration;

use super::{Lambda, refused};
use crate::error::Error;
use crate::http::Verb;
use crate::time::Deadline;

/// How long one subscription may take; it is part of the cold start.
const SUBSCRIBE_WAIT: Duration = Duration::from_secs(2);

/// Which API may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// The newest that the platform knows.
    Auto,
    /// The Telemetry API alone.
    Telemetry,
    /// The Logs API alone.
    Logs,
}

/// How the platform gathers events before it delivers them; all limits are the platform's own.
#[derive(Debug, Clone, Copy)]
pub struct Buffering {
    /// Events in a batch, 1,000 to 10,000.
    pub max_items: u32,
    /// Bytes of records in a batch, 262,144 to 1,048,576; a body may be twice that and what the envelopes add.
    pub max_bytes: u32,
    /// The oldest event's age, 25 to 30,000 ms.
    pub timeout_ms: u32,
}

/// What is asked for.
#[derive(Debug)]
pub struct Subscription {
    /// Which API.
    pub api: Api,
    /// Types of telemetry: `platform`, `function`, `extension`.
    pub types: Vec<&'static str>,
    /// How it is gathered.
    pub buffering: Buffering,
    /// The port we listen on.
    pub port: u16,
}

/// How a subscription ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// The stream will come; says by which call.
    Yes(&'static str),
    /// The platform says that it has no such stream, as emulators do.
    NotSupported,
}

/// The ways to subscribe: API, path, schema and what the call is called in messages, newest first.
const WAYS: [(Api, &str, &str, &str); 3] = [
    (
        Api::Telemetry,
        "/2022-07-01/telemetry",
        "2025-01-29",
        "subscribe to the Telemetry API, schema 2025-01-29",
    ),
    (
        Api::Telemetry,
        "/2022-07-01/telemetry",
        "2022-12-13",
        "subscribe to the Telemetry API, schema 2022-12-13",
    ),
    (
        Api::Logs,
        "/2020-08-15/logs",
        "2021-03-18",
        "subscribe to the Logs API, schema 2021-03-18",
    ),
];

impl Lambda {
    /// Subscribes; the listener must be up already.
    ///
    /// # Errors
    /// The last refusal, if every way was refused, or whatever else stood in the way.
    pub fn subscribe(&self, subscription: &Subscription) -> Result<Subscribed, Error> {
        let mut last = None;
        for (api, path, schema, call) in WAYS {
            if subscription.api != Api::Auto && subscription.api != api {
                continue;
            }
            let body = body(subscription, schema);
            let deadline = Deadline::after(SUBSCRIBE_WAIT);
            let answer = self.call(call, Verb::Put, path, &body, Some(deadline))?;
            match answer.status {
                200 => return Ok(Subscribed::Yes(call)),
                202 => return Ok(Subscribed::NotSupported),
                400 | 404 => last = Some(refused(call, &answer)),
                _ => return Err(refused(call, &answer)),
            }
        }
        Err(last.unwrap_or_else(|| Error::Answer {
            call: "subscribe",
            why: "there was none".into(),
        }))
    }
}

/// The request's body; every buffering field is explicit, as the two APIs' documented defaults differ.
fn body(subscription: &Subscription, schema: &str) -> String {
    let types: Vec<String> = subscription
        .types
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    let Buffering {
        max_items,
        max_bytes,
        timeout_ms,
    } = subscription.buffering;
    format!(
        r#"{{"schemaVersion":"{schema}","types":[{}],"buffering":{{"maxItems":{max_items},"maxBytes":{max_bytes},"timeoutMs":{timeout_ms}}},"destination":{{"protocol":"HTTP","URI":"http://sandbox.localdomain:{}"}}}}"#,
        types.join(","),
        subscription.port
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_the_api_documents() {
        let subscription = Subscription {
            api: Api::Auto,
            types: vec!["platform", "function"],
            buffering: Buffering {
                max_items: 1000,
                max_bytes: 262_144,
                timeout_ms: 25,
            },
            port: 21_077,
        };
        assert_eq!(
            body(&subscription, "2025-01-29"),
            concat!(
                r#"{"schemaVersion":"2025-01-29","types":["platform","function"],"#,
                r#""buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},"#,
                r#""destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:21077"}}"#
            )
        );
    }
}
