//! Where keys come from: the environment, or under SnapStart the endpoint of the environment that hands them out, again and again.
//!
//! Nothing here prints a key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::http::{Client, Request, Verb, header};
use crate::parse::{self, Fields};
use crate::time::{self, Deadline};

/// A key.
pub struct Credentials {
    /// Its name.
    pub key_id: String,
    /// The secret.
    pub secret: String,
    /// What goes with a key that does not last, as those of Lambda.
    pub token: Option<String>,
    /// When it expires, in milliseconds since 1970, if that is known.
    pub expires_ms: Option<u64>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Where keys come from.
#[derive(Default)]
pub enum Source {
    /// From nowhere.
    #[default]
    None,
    /// `AWS_ACCESS_KEY_ID` and those beside it, which stay what they were when the process began.
    Environment(Arc<Credentials>),
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    Endpoint {
        /// The URL.
        url: String,
        /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`: what goes into the header `authorization`.
        token: Option<String>,
        /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: the file that says it, which may change.
        token_file: Option<String>,
    },
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Environment(_) => "Environment",
            Self::Endpoint { .. } => "Endpoint",
        })
    }
}

/// Keys are read again so long before they expire, in milliseconds.
const EXPIRES_SOON_MS: u64 = 5 * 60_000;

/// The longest that reading them may take.
const READ_WAIT: Duration = Duration::from_secs(2);

/// The hosts, besides this one itself, that hand out keys without TLS: those of ECS and EKS.
const HOSTS: [&str; 5] = [
    "localhost",
    "[::1]",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
];

/// Whether keys may be asked for at a URL: what answers there is trusted, and the token goes there.
///
/// # Errors
/// What is wrong with it, in words.
pub fn usable_source(url: &str) -> Result<(), String> {
    crate::http::usable_url(url)?;
    let host = crate::http::host(url).unwrap_or_default();
    let near = host.starts_with("127.") || HOSTS.contains(&&*host);
    if near && url.starts_with("http://") {
        Ok(())
    } else {
        Err("it must be http:// on this machine".to_owned())
    }
}

/// The keys that are used now.
#[derive(Debug)]
pub struct Keychain {
    /// Where they come from.
    source: Arc<Source>,
    /// The ones that are known, or why there are none.
    known: Result<Arc<Credentials>, String>,
}

impl Keychain {
    /// A keychain that has read nothing yet.
    #[must_use]
    pub fn new(source: Arc<Source>) -> Self {
        let known = match &*source {
            Source::Environment(keys) => Ok(Arc::clone(keys)),
            _ => Err(
                "neither AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set"
                    .to_owned(),
            ),
        };
        Self { source, known }
    }

    /// Keys that are good now, read if need be; ones that expire soon are used if no newer ones can be had.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub fn keys(&mut self, now_ms: u64, deadline: Option<Deadline>) -> Result<&Credentials, &str> {
        let left_ms = self.known.as_ref().map_or(0, |keys| {
            let expires_ms = keys.expires_ms.unwrap_or(u64::MAX);
            expires_ms.saturating_sub(now_ms)
        });
        if let Source::Endpoint {
            url,
            token,
            token_file,
        } = &*self.source
            && left_ms <= EXPIRES_SOON_MS
        {
            let wait = Deadline::after(READ_WAIT);
            let deadline = deadline.map_or(wait, |deadline| deadline.earlier(wait));
            match read(url, token, token_file, deadline) {
                Err(why) if left_ms > 0 => {
                    say!(Warn, "AWS credentials that expire soon are kept: {why}");
                }
                known => self.known = known,
            }
        }
        match &self.known {
            Ok(keys) => Ok(keys),
            Err(why) => Err(why),
        }
    }

    /// A service says that the keys are not good any more; whether others can be had.
    pub fn forget(&mut self) -> bool {
        let can_be_read = matches!(*self.source, Source::Endpoint { .. });
        if can_be_read {
            self.known = Err(String::new());
        }
        can_be_read
    }
}

/// Asks the endpoint.
fn read(
    url: &str,
    token: &Option<String>,
    token_file: &Option<String>,
    deadline: Deadline,
) -> Result<Arc<Credentials>, String> {
    let mut headers = Vec::new();
    if let Some(path) = token_file {
        match std::fs::read(path.as_str()) {
            Ok(text) => {
                let token = String::from_utf8_lossy(&text);
                headers.push(header("authorization", token.trim()));
            }
            Err(why) => return Err(format!("the file of their token: {why}")),
        }
    } else if let Some(token) = token {
        headers.push(header("authorization", token));
    }
    let answer = Client::local().call(&Request {
        method: Verb::Get,
        url,
        headers: &headers,
        body: &[],
        deadline: Some(deadline),
    });
    let why = match answer {
        Ok(answer) => {
            let body = std::str::from_utf8(&answer.body).unwrap_or_default();
            match told(&Fields::of(body)) {
                Some(keys) => return Ok(Arc::new(keys)),
                None => format!("it answered {} without a key", answer.status),
            }
        }
        Err(failure) => failure.why,
    };
    Err(format!("their endpoint: {why}"))
}

/// The key in an answer.
fn told(fields: &Fields<'_>) -> Option<Credentials> {
    let text = |name| Some(parse::plain(fields.inside(name)?).into_owned());
    Some(Credentials {
        key_id: text("AccessKeyId")?,
        secret: text("SecretAccessKey")?,
        token: text("Token"),
        expires_ms: text("Expiration").and_then(|at| time::rfc3339_ms(&at)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_on_this_machine_alone() {
        for good in [
            "http://127.0.0.1:9001/creds",
            "http://localhost/x",
            "http://169.254.170.23/v1/credentials",
            "http://[::1]:80/",
        ] {
            assert_eq!(usable_source(good), Ok(()), "{good}");
        }
        for bad in [
            "http://example.com/",
            "https://127.0.0.1/",
            "http://localhost.example.com/",
            "/v2/credentials",
        ] {
            assert!(usable_source(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = Credentials {
            key_id: "AKIDEXAMPLE".into(),
            secret: "secret".into(),
            token: Some("token".into()),
            expires_ms: None,
        };
        let keys = Arc::new(keys);
        let mut keychain = Keychain::new(Source::Environment(Arc::clone(&keys)).into());
        let shown = format!("{keys:?} {keychain:?}");
        for hidden in ["AKID", "secret", "token"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(!keychain.forget(), "there are no others");
    }

    #[test]
    fn without_a_source_there_are_no_keys() {
        let mut keychain = Keychain::new(Arc::default());
        let why = keychain.keys(0, None);
        assert!(why.is_err_and(|why| why.contains("AWS_ACCESS_KEY_ID")));
    }
}
