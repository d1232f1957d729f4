//! Calls to services of AWS: keys, signatures (SigV4), endpoints, and the names of errors.
//!
//! It must not decide what an error means for records: that is for `send`.
//! A request is signed anew for each try; a clock that is wrong and keys that expired are put right once.

pub mod credentials;
pub mod endpoint;
pub mod sigv4;

use std::sync::Arc;

use self::credentials::{Credentials, Keychain, Source};
use self::endpoint::{Endpoints, Service};
use crate::digest::sha256_hex;
use crate::error::{excerpt, hide};
use crate::http::{self, Answer, Client, Failure, Request, Verb, header};
use crate::parse::{self, Fields};
use crate::time::{self, Deadline};

/// What the environment tells of AWS.
#[derive(Debug, Default)]
pub struct Options {
    /// The region, if it is known.
    pub region: Option<String>,
    /// Where keys come from.
    pub source: Arc<Source>,
    /// Where services are.
    pub endpoints: Endpoints,
}

impl Options {
    /// How requests to a service in a region are signed.
    #[must_use]
    pub fn signing(&self, service: &'static str, region: &str) -> Signing {
        Signing {
            source: Arc::clone(&self.source),
            region: region.to_owned(),
            service,
        }
    }
}

/// How requests to one service in one region are signed.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Where keys come from.
    pub source: Arc<Source>,
    /// The region.
    pub region: String,
    /// The service's signing name.
    pub service: &'static str,
}

impl Signing {
    /// A request's headers, and those of its signature.
    fn signed(
        &self,
        request: &Request<'_>,
        keys: &Credentials,
        now_ms: u64,
    ) -> Vec<(String, String)> {
        let Self {
            region, service, ..
        } = self;
        let target = http::Target::of(request.url);
        let timestamp = timestamp(now_ms);
        let payload = sha256_hex(request.body);
        let is_hashed = HASHED.contains(service);
        let mut headers = request.headers.to_vec();
        for (name, value) in &[
            ("host", target.authority),
            ("x-amz-date", &*timestamp),
            ("x-amz-security-token", keys.token.as_deref().unwrap_or("")),
            (
                "x-amz-content-sha256",
                if is_hashed { &payload } else { "" },
            ),
        ] {
            if !value.is_empty() {
                headers.push(header(name, value));
            }
        }
        for (name, _) in &mut headers {
            name.make_ascii_lowercase();
        }
        // Whatever stands between may change others.
        let mut signed = Vec::new();
        for (name, value) in &headers {
            if matches!(&**name, "host" | "content-type") || name.starts_with("x-amz-") {
                sigv4::insert(&mut signed, (name, value));
            }
        }
        let authorization = sigv4::authorization(
            &sigv4::Request {
                method: request.method.name(),
                path: target.path,
                query: target.query,
                headers: &signed,
                payload: &payload,
                encode_path: *service != "s3",
            },
            &sigv4::Scope {
                timestamp: &timestamp,
                region,
                service,
            },
            &keys.key_id,
            &keys.secret,
        );
        headers.push(header("authorization", &authorization));
        headers
    }
}

/// Signs and makes requests.
#[derive(Debug)]
pub struct Signer {
    /// What a signature holds for.
    signing: Signing,
    /// The keys.
    keychain: Keychain,
    /// What is to be added to our clock so that it is the service's, in milliseconds.
    skew_ms: i64,
    /// The time that the last signature told, in milliseconds since 1970.
    signed_ms: u64,
}

/// A clock that is further off than this is taken for the reason why a signature is not accepted, in milliseconds; services allow 5 to 15 minutes.
const SKEW_MIN_MS: u64 = 2 * 60_000;

/// Parts of the names of errors that tell of keys that are not good any more.
const KEYS: [&str; 5] = [
    "ExpiredToken",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidToken",
];

/// Parts of the names of errors that tell of a signature, whose time may be wrong.
const CLOCK: [&str; 5] = [
    "RequestTimeTooSkewed",
    "RequestExpired",
    "RequestInTheFuture",
    "InvalidSignature",
    "SignatureDoesNotMatch",
];

/// The services that must be told the hash of the body.
const HASHED: [&str; 2] = ["s3", "aoss"];

impl Signer {
    /// A signer that has no keys yet.
    #[must_use]
    pub fn new(signing: Signing) -> Self {
        Self {
            keychain: Keychain::new(Arc::clone(&signing.source)),
            signing,
            skew_ms: 0,
            signed_ms: 0,
        }
    }

    /// Makes one request; a second time if the first is refused for a reason that can be put right: our clock, a freeze after the signature, or keys that expired.
    ///
    /// # Errors
    /// When there is no whole answer, or there are no keys.
    pub fn call(&mut self, client: &Client, request: &Request<'_>) -> Result<Answer, Failure> {
        let answer = self.once(client, request);
        match &answer {
            Ok(refused) if (400..500).contains(&refused.status) && self.put_right(refused) => {
                self.once(client, request)
            }
            _ => answer,
        }
    }

    /// Signs and makes one request.
    fn once(&mut self, client: &Client, request: &Request<'_>) -> Result<Answer, Failure> {
        let keys = self.keychain.keys(now_ms(self.skew_ms), request.deadline);
        let keys = keys.map_err(|why| Failure {
            timed_out: false,
            sent: false,
            why: format!("no AWS credentials: {why}"),
        })?;
        self.signed_ms = now_ms(self.skew_ms);
        let headers = self.signing.signed(request, keys, self.signed_ms);
        let mut answer = client.call(&Request {
            headers: &headers,
            ..*request
        });
        // A service that does not accept a signature says what it would have signed, which holds the token.
        if let (Ok(answer), Some(token)) = (&mut answer, &keys.token)
            && answer.status >= 400
        {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            answer.body = hide(text, token).into_bytes();
        }
        answer
    }

    /// Puts right why a request was refused, if that can be; whether it is worth another try.
    fn put_right(&mut self, answer: &Answer) -> bool {
        let name = error_name(answer);
        if holds(name, &KEYS) {
            return self.keychain.forget();
        }
        let theirs = answer.header("date").filter(|_| holds(name, &CLOCK));
        let theirs = theirs.and_then(time::http_date_ms);
        theirs.is_some_and(|theirs| self.redate(theirs))
    }

    /// Takes the service's time for ours, if that explains why a signature is not accepted; whether it does.
    fn redate(&mut self, theirs: u64) -> bool {
        if theirs.abs_diff(self.signed_ms) <= SKEW_MIN_MS {
            return false;
        }
        // Signed before a freeze and sent after it: the clock is right by now.
        if theirs.abs_diff(now_ms(self.skew_ms)) <= SKEW_MIN_MS {
            return true;
        }
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        self.skew_ms = signed(theirs).saturating_sub(signed(time::epoch_ms()));
        say!(
            Warn,
            "the clock of this environment is {} s off; signatures are dated by {}'s",
            self.skew_ms / 1000,
            self.signing.service
        );
        true
    }
}

/// The time of a service whose clock is so far ahead of ours, in milliseconds since 1970.
fn now_ms(skew_ms: i64) -> u64 {
    time::epoch_ms().saturating_add_signed(skew_ms)
}

/// A time as signatures write it: `20150830T123600Z`.
fn timestamp(epoch_ms: u64) -> String {
    let digits = time::rfc3339(epoch_ms).replace(['-', ':'], "");
    [parse::cut(&digits, 15), "Z"].concat()
}

/// Whether the name of an error holds one of some parts.
#[must_use]
pub fn holds(name: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| name.contains(part))
}

/// The name of the error in an answer, without what stands before and behind it: `ThrottlingException`, `NoSuchBucket`; empty if there is none.
#[must_use]
pub fn error_name(answer: &Answer) -> &str {
    match error_in(&answer.body) {
        "" => bare(answer.header("x-amzn-errortype").unwrap_or_default()),
        name => name,
    }
}

/// The same from the body alone: JSON's `__type`, or `Code` of S3's XML.
#[must_use]
pub fn error_in(body: &[u8]) -> &str {
    bare(told(body, ["__type", "code"], "<Code>").unwrap_or_default())
}

/// A name without its namespace (`com.amazonaws…#Name`) and without what follows a colon.
fn bare(name: &str) -> &str {
    let name = name.rsplit('#').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().trim()
}

/// What an error says besides its name, fit to be printed: JSON's `message`, or `Message` of XML.
fn error_message(body: &[u8]) -> String {
    let message = told(body, ["message", "Message"], "<Message>").map(parse::plain);
    excerpt(message.as_deref().map_or(body, str::as_bytes))
}

/// What a body says under one of two names of JSON, or behind a tag of XML.
fn told<'a>(body: &'a [u8], names: [&str; 2], tag: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let fields = Fields::of(text);
    let json = names.iter().find_map(|name| fields.inside(name));
    json.or_else(|| Some(text.split_once(tag)?.1.split_once('<')?.0))
}

/// An answer that is no success in words: its status, the error's name and what it says besides.
#[must_use]
pub fn refusal(status: u16, name: &str, body: &[u8]) -> String {
    format!("{status} {name}: {}", error_message(body))
}

/// What an answer says of one of several items: the names of the fields with the error's name and its message.
#[must_use]
pub fn item_error(item: &Fields<'_>, name: &str, message: &str) -> String {
    let text = |field| item.inside(field).unwrap_or_default();
    [text(name), ": ", &parse::plain(text(message))].concat()
}

/// Why a call had no success.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The status, if the service answered.
    pub status: Option<u16>,
    /// The error's name; empty if it has none.
    pub name: String,
    /// What happened, in words that may be printed.
    pub why: String,
}

/// One service that is called in AWS's JSON protocol.
#[derive(Debug)]
pub struct Api {
    /// Which.
    service: &'static Service,
    /// Where.
    url: String,
    /// How it is signed.
    signer: Signer,
}

impl Api {
    /// The service in a region.
    #[must_use]
    pub fn new(service: &'static Service, region: &str, options: &Options) -> Self {
        Self {
            service,
            url: options.endpoints.url(service, region),
            signer: Signer::new(options.signing(service.name, region)),
        }
    }

    /// Calls an operation with JSON; gives back the JSON of its answer.
    ///
    /// # Errors
    /// If it is not answered with 200.
    pub fn call(
        &mut self,
        client: &Client,
        operation: &str,
        body: &[u8],
        deadline: Deadline,
    ) -> Result<Vec<u8>, Refusal> {
        let headers = headers(self.service, operation);
        let url = [&self.url, "/"].concat();
        let answer = self.signer.call(
            client,
            &Request {
                method: Verb::Post,
                url: &url,
                headers: &headers,
                body,
                deadline: Some(deadline),
            },
        );
        let answer = match answer {
            Ok(answer) if answer.status == 200 => return Ok(answer.body),
            Ok(answer) => answer,
            Err(failure) => {
                let (name, url) = (self.service.name, http::shown_url(&self.url));
                return Err(Refusal {
                    why: format!("{name} at {url}: {}", failure.why),
                    ..Refusal::default()
                });
            }
        };
        let name = error_name(&answer);
        Err(Refusal {
            status: Some(answer.status),
            why: refusal(answer.status, name, &answer.body),
            name: name.to_owned(),
        })
    }
}

/// The headers of a call in AWS's JSON protocol, besides those of its signature.
#[must_use]
pub fn headers(service: &Service, operation: &str) -> Vec<(String, String)> {
    let target = [service.target, ".", operation].concat();
    vec![
        header("content-type", service.content_type),
        header("x-amz-target", &target),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_error_is_found_wherever_it_stands() {
        for (body, name, message) in [
            (
                r#"{"__type":"com.amazonaws.kinesis.v20131202#ResourceNotFoundException","message":"Stream x under account 1 not found."}"#,
                "ResourceNotFoundException",
                "Stream x under account 1 not found.",
            ),
            (
                r#"{"__type":"ThrottlingException","Message":"Rate \"exceeded\""}"#,
                "ThrottlingException",
                "Rate \"exceeded\"",
            ),
            (
                "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>It is not there</Message></Error>",
                "NoSuchBucket",
                "It is not there",
            ),
            ("<html>no", "", "<html>no"),
            ("", "", ""),
        ] {
            assert_eq!(error_in(body.as_bytes()), name, "{body}");
            assert_eq!(error_message(body.as_bytes()), message);
        }
        assert_eq!(
            bare("ValidationException:http://internal.amazon.com/coral/x/"),
            "ValidationException"
        );
    }

    #[test]
    fn a_signature_that_is_too_old_is_made_again() {
        const HOUR_MS: u64 = 3_600_000;
        let now_ms = time::epoch_ms();
        // How long ago it was signed, how far the service is ahead, and what is done about it.
        for (ago_ms, ahead_ms, again, skewed) in [
            (0, 0, false, false),
            (0, HOUR_MS, true, true),
            (HOUR_MS, 0, true, false),
            (HOUR_MS, HOUR_MS, true, true),
        ] {
            let mut signer = Signer::new(Signing {
                source: Arc::default(),
                region: "r".into(),
                service: "s3",
            });
            signer.signed_ms = now_ms - ago_ms;
            assert_eq!(
                signer.redate(now_ms + ahead_ms),
                again,
                "{ago_ms} {ahead_ms}"
            );
            assert_eq!(signer.skew_ms != 0, skewed, "{ago_ms} {ahead_ms}");
        }
    }

    #[test]
    fn a_time_is_written_without_its_dashes() {
        assert_eq!(timestamp(1_440_938_160_999), "20150830T123600Z");
    }

    #[test]
    fn the_headers_of_a_request_are_signed_with_it() {
        let signing = Signing {
            source: Arc::default(),
            region: "us-east-1".into(),
            service: "logs",
        };
        let keys = Credentials {
            key_id: "AKIDEXAMPLE".into(),
            secret: "secret".into(),
            token: Some("session".into()),
            expires_ms: None,
        };
        let headers = signing.signed(
            &Request {
                method: Verb::Post,
                url: "http://127.0.0.1:5005/a?b",
                headers: &headers(&endpoint::LOGS, "PutLogEvents"),
                body: b"{}",
                deadline: None,
            },
            &keys,
            1_440_938_160_999,
        );
        let of = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        assert_eq!(of("host"), "127.0.0.1:5005");
        assert_eq!(of("x-amz-date"), "20150830T123600Z");
        assert_eq!(of("x-amz-target"), "Logs_20140328.PutLogEvents");
        assert_eq!(of("x-amz-security-token"), "session");
        assert_eq!(of("x-amz-content-sha256"), "");
        let authorization = of("authorization");
        assert!(authorization.contains(
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"
        ));
        assert!(!authorization.contains("secret"), "{authorization}");
    }
}
