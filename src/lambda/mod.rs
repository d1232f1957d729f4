//! The Extensions, Telemetry and Logs API of this environment, as a client.
//!
//! Sources: AWS's "Lambda Extensions API", "Lambda Telemetry API" and "Lambda Logs API" references.
//! This folder must not decide what to do about a refusal: it says what was answered.

mod next;
mod register;
mod subscribe;

pub use next::{Event, Shutdown};
pub use register::Registration;
pub use subscribe::{Api, Buffering, Subscribed, Subscription};

use crate::error::{Error, excerpt};
use crate::http::{Answer, Client, Request, Verb};
use crate::time::Deadline;

/// A registered extension's way to the Lambda APIs.
#[derive(Debug)]
pub struct Lambda {
    /// Keeps the one connection.
    client: Client,
    /// `http://` and the address, without a slash at its end; the address may hold a path.
    base: String,
    /// The headers that say who calls; empty before registration.
    identity: Vec<(String, String)>,
}

impl Lambda {
    /// A client that has not called yet; `address` is the value of `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    /// If the address cannot be part of a URL.
    pub fn new(address: &str) -> Result<Self, Error> {
        let base = format!("http://{}", address.trim_end_matches('/'));
        crate::http::usable_url(&base).map_err(|why| {
            Error::Environment(format!(
                "AWS_LAMBDA_RUNTIME_API is {address:?}, which is not an address: {why}"
            ))
        })?;
        Ok(Self {
            client: Client::local(),
            base,
            identity: Vec::new(),
        })
    }

    /// Makes a call as this extension; `deadline` is for every call but `next`, which waits as long as it takes.
    fn call(
        &self,
        call: &'static str,
        method: Verb,
        path: &str,
        body: &str,
        deadline: Option<Deadline>,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.base);
        let request = Request {
            method,
            url: &url,
            headers: &self.identity,
            body: body.as_bytes(),
            deadline,
        };
        self.client.call(&request).map_err(|failure| Error::Call {
            call,
            why: failure.why,
        })
    }
}

/// An answer's error, for a status that is one.
fn refused(call: &'static str, answer: &Answer) -> Error {
    Error::Status {
        call,
        status: answer.status,
        answer: excerpt(&answer.body),
    }
}
