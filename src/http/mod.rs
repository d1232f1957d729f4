//! One HTTP request and its answer; the only user of ureq.
//!
//! It must not decide what an answer means, and must not try twice: that is for `lambda` and `send`.
//! Every answer is read to its end, up to a limit, so that its connection can be used again.

mod connect;
mod gather;
mod provider;
mod socket;
mod tls;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use ureq::config::Config;
use ureq::http::{self, HeaderMap, Method, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, SendBody};

use self::connect::{Connect, Unresolved};
use self::gather::Signs;
use crate::error::Error;
use crate::link::Hurry;
use crate::time::Deadline;

/// The most of an answer that is read, in bytes; what is beyond is left unread and costs the connection.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The most that an answer's headers may take, in bytes.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// What a client is for.
#[derive(Clone, Default)]
pub struct Options {
    /// A proxy for every request, as `http://[user:password@]host:port`.
    pub proxy: Option<String>,
    /// Root certificates to trust beside the bundled ones, as PEM text.
    pub ca_pem: Option<Vec<u8>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's address may hold a password.
        f.debug_struct("Options")
            .field("proxy", &self.proxy.is_some())
            .field("ca_pem", &self.ca_pem.is_some())
            .finish()
    }
}

/// Keeps connections and makes requests.
pub struct Client {
    /// ureq's pool and configuration.
    agent: Agent,
    /// TLS, kept when the connections are forgotten, so that its sessions can be resumed.
    tls: Option<Arc<tls::Wrapper>>,
    /// What a connection watches and tells.
    signs: Signs,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the configuration is shown: a proxy's address may hold a password.
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A request.
pub struct Request<'a> {
    /// `GET`, `POST` or `PUT`.
    pub method: Verb,
    /// Where to; must hold scheme and host, see [`usable_url`].
    pub url: &'a str,
    /// Header names and values.
    pub headers: &'a [(String, String)],
    /// The body; a `GET` has none.
    pub body: &'a [u8],
    /// When to give up, from name resolution to the answer's last byte; `None`: never.
    pub deadline: Option<Deadline>,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers, query and body may hold secrets.
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &shown_url(self.url))
            .finish_non_exhaustive()
    }
}

/// A header as a request takes it.
#[must_use]
pub fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The methods we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

impl Verb {
    /// The method as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// What a request's first lines say of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The header `host`: with the port if the URL has one, without user and password.
    pub authority: &'a str,
    /// The path; a slash at least.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: &'a str,
}

impl<'a> Target<'a> {
    /// That of a URL that can be called.
    #[must_use]
    pub fn of(url: &'a str) -> Self {
        let sent = url.split('#').next().unwrap_or_default();
        let (sent, query) = sent.split_once('?').unwrap_or((sent, ""));
        let (_, rest) = sent.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self {
            authority: authority.rsplit('@').next().unwrap_or_default(),
            path: if path.is_empty() { "/" } else { path },
            query,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    headers: HeaderMap,
    /// The body's beginning, at most [`ANSWER_BYTES_MAX`].
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether time ran out.
    pub timed_out: bool,
    /// Whether the request may have arrived all the same.
    pub sent: bool,
    /// What happened, in words; names no header and no secret.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Client {
    /// A client for the Lambda APIs of this environment: no TLS, no proxy whatever the environment says, small buffers.
    #[must_use]
    pub fn local() -> Self {
        let config = config()
            .input_buffer_size(4 * 1024)
            .output_buffer_size(4 * 1024);
        Self {
            agent: Agent::with_parts(
                config.build(),
                Connect::new(None, Signs::default()),
                Unresolved,
            ),
            tls: None,
            signs: Signs::default(),
        }
    }

    /// A client for a destination.
    ///
    /// # Errors
    /// If the proxy's address or the certificates cannot be read.
    pub fn outbound(options: &Options, hurry: &Hurry) -> Result<Self, Error> {
        let proxy = match &options.proxy {
            None => None,
            Some(url) => Some(ureq::Proxy::new(url).map_err(|why| Error::Resource {
                what: "the proxy's address".into(),
                why: why.to_string(),
            })?),
        };
        let config = config()
            .proxy(proxy)
            .input_buffer_size(16 * 1024)
            .output_buffer_size(32 * 1024);
        let pem = options.ca_pem.as_deref();
        let roots = pem.map_or(Ok(Vec::new()), tls::extra_roots);
        let roots = roots.map_err(|why| Error::Resource {
            what: "the CA file".into(),
            why,
        })?;
        let tls = Some(Arc::new(tls::Wrapper::new(roots)));
        let signs = Signs::new(hurry.clone());
        Ok(Self {
            agent: outbound_agent(config.build(), tls.clone(), signs.clone()),
            tls,
            signs,
        })
    }

    /// Closes the connections that are kept, so that the next request opens one.
    pub fn forget_connections(&mut self) {
        self.agent = outbound_agent(
            self.agent.config().clone(),
            self.tls.clone(),
            self.signs.clone(),
        );
    }

    /// Makes one request.
    ///
    /// # Errors
    /// When there is no whole answer, whatever the reason.
    pub fn call(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        self.call_with(request, &[request.body])
    }

    /// Makes a request whose body lies in pieces, which are not put together first; its own body is not looked at.
    ///
    /// # Errors
    /// When there is no whole answer, whatever the reason.
    pub fn call_with(&self, request: &Request<'_>, body: &[&[u8]]) -> Result<Answer, Failure> {
        let method = match request.method {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
        };
        let mut builder = http::Request::builder().method(method).uri(request.url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        self.signs.begin(request.deadline);
        let answer = if request.method == Verb::Get {
            let ready = builder.body(()).map_err(|why| unusable(&why))?;
            self.agent.run(self.timed(ready, request.deadline))
        } else {
            // A reader's length is not known without it.
            let bytes: usize = body.iter().map(|piece| piece.len()).sum();
            builder = builder.header(http::header::CONTENT_LENGTH, bytes);
            let mut pieces = Pieces(body.iter().map(|piece| Cursor::new(*piece)).collect());
            let ready = builder
                .body(SendBody::from_reader(&mut pieces))
                .map_err(|why| unusable(&why))?;
            self.agent.run(self.timed(ready, request.deadline))
        };
        let answer = answer.map_err(|why| failure(&why, self.signs.is_sent()))?;
        let (parts, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        // The status says it all; a body that stalls only costs its connection, and what came of it is kept.
        let whole = body.as_reader().take(limit).read_to_end(&mut bytes);
        if whole.is_err() {
            say!(Debug, "the answer's body broke off");
        }
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes,
        })
    }

    /// Puts the deadline on a request.
    fn timed<B: ureq::AsSendBody>(
        &self,
        request: http::Request<B>,
        deadline: Option<Deadline>,
    ) -> http::Request<B> {
        let Some(deadline) = deadline else {
            return request;
        };
        self.agent
            .configure_request(request)
            .timeout_global(Some(deadline.left()))
            .build()
    }
}

/// What is not read yet of a body in pieces.
struct Pieces<'a>(VecDeque<Cursor<&'a [u8]>>);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let (Some(piece), Some(room)) = (self.0.front_mut(), out.get_mut(filled..)) {
            if room.is_empty() {
                break;
            }
            match piece.read(room)? {
                0 => {
                    self.0.pop_front();
                }
                read => filled += read,
            }
        }
        Ok(filled)
    }
}

/// An agent without connections, for a destination.
fn outbound_agent(config: Config, tls: Option<Arc<tls::Wrapper>>, signs: Signs) -> Agent {
    let chain = ().chain(ConnectProxyConnector::default()).chain(Connect::new(tls, signs));
    Agent::with_parts(config, chain, Unresolved)
}

/// What both kinds of client have in common.
fn config() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    Config::builder()
        // Without this, ureq takes a proxy from the environment.
        .proxy(None)
        // A destination explains itself in the body of a 4xx.
        .http_status_as_error(false)
        // A redirected POST would lose its body.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEADER_BYTES_MAX)
        .user_agent(concat!("brooklet/", env!("CARGO_PKG_VERSION")))
        .accept("*/*")
        .max_idle_connections(2)
        .max_idle_connections_per_host(1)
}

/// Whether a URL can be called at all.
///
/// # Errors
/// What is wrong with it, in words.
pub fn usable_url(url: &str) -> Result<(), String> {
    if !url.contains("://") {
        return Err("it must begin with http:// or https://".into());
    }
    let uri: Uri = url.parse().map_err(|why| format!("not a URL: {why}"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return Err(format!("scheme {other}: is not supported")),
        None => return Err("it must begin with http:// or https://".into()),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("it names no host".into());
    }
    // A port that is no number from 1 to 65535 would silently be the scheme's own.
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let port = match host_and_port.rsplit_once(']') {
        Some((_, behind)) => behind.strip_prefix(':'),
        None => host_and_port.rsplit_once(':').map(|(_, port)| port),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err("its port is not a number from 1 to 65535".into());
    }
    Ok(())
}

/// A URL as it may be printed: without the user, the password and the query that it may hold.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = match path.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), path),
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{path}")
}

/// A URL's host, in lower case; `None` if it has none.
#[must_use]
pub fn host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.host().map(str::to_ascii_lowercase)
}

/// Whether a URL holds a user, whom HTTP's basic authentication is for.
#[must_use]
pub fn has_user(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    uri.is_some_and(|uri| uri.authority().is_some_and(|it| it.as_str().contains('@')))
}

/// A URL with this path, if it has none of its own.
#[must_use]
pub fn with_path(url: &str, path: &str) -> String {
    let parsed: Option<Uri> = url.parse().ok();
    let bare = parsed.is_some_and(|uri| uri.path().trim_matches('/').is_empty());
    if path.is_empty() || !bare {
        return url.to_owned();
    }
    let (before, query) = match url.find(['?', '#']) {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    // What follows a number sign is never sent.
    let query = query.split('#').next().unwrap_or_default();
    format!("{}{path}{query}", before.trim_end_matches('/'))
}

/// The value of the header `authorization` for `user:password`.
#[must_use]
pub fn basic(user_and_password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(user_and_password))
}

/// Whether PEM text holds certificates that can be trusted.
///
/// # Errors
/// What is wrong with it, in words.
pub fn usable_certificates(pem: &[u8]) -> Result<(), String> {
    tls::extra_roots(pem).map(|_| ())
}

/// Whether a header's name and value can be sent at all.
#[must_use]
pub fn usable_header(name: &str, value: &str) -> bool {
    http::HeaderName::from_bytes(name.as_bytes()).is_ok()
        && http::HeaderValue::from_str(value).is_ok()
}

/// A request that cannot be made.
fn unusable(why: &http::Error) -> Failure {
    Failure {
        timed_out: false,
        sent: false,
        why: format!("the request cannot be made: {why}"),
    }
}

/// A request that got no answer.
fn failure(error: &ureq::Error, sent: bool) -> Failure {
    let (timed_out, why) = match error {
        ureq::Error::Timeout(_) => (true, "no answer in time".to_owned()),
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => {
            (true, "no answer in time".to_owned())
        }
        ureq::Error::Io(io) => (false, io.to_string()),
        ureq::Error::HostNotFound => (false, "the host's name does not resolve".to_owned()),
        other => (false, other.to_string()),
    };
    Failure {
        timed_out,
        sent,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_completed_where_there_is_none() {
        for (url, expected) in [
            ("https://h", "https://h/v1/logs"),
            ("https://h/", "https://h/v1/logs"),
            ("https://h:4318?a=b", "https://h:4318/v1/logs?a=b"),
            ("https://h/own", "https://h/own"),
            ("https://h/own/?x", "https://h/own/?x"),
        ] {
            assert_eq!(with_path(url, "/v1/logs"), expected);
            assert_eq!(with_path(url, ""), url);
        }
        assert_eq!(
            host("https://u:p@LOGS.example.com:1/x").as_deref(),
            Some("logs.example.com")
        );
        assert_eq!(host("nowhere"), Some("nowhere".to_owned()));
    }

    #[test]
    fn a_url_is_taken_apart_as_a_request_says_it() {
        for (url, authority, path, query) in [
            ("https://u:p@h:1/a%20b?c=d/?#e?", "h:1", "/a%20b", "c=d/?"),
            ("http://[::1]:9", "[::1]:9", "/", ""),
            ("http://h?q", "h", "/", "q"),
        ] {
            let target = Target {
                authority,
                path,
                query,
            };
            assert_eq!(Target::of(url), target);
        }
    }

    #[test]
    fn urls_are_checked_before_they_are_called() {
        for good in [
            "http://h/p?q=1",
            "https://1.2.3.4:8443",
            "http://[::1]:9/",
            "http://[::1]/",
            "http://u:p@h/",
        ] {
            assert_eq!(usable_url(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("ftp://h/", "scheme ftp: is not supported"),
            ("h/path", "it must begin with http:// or https://"),
            ("/path", "it must begin with http:// or https://"),
            ("http://", "not a URL"),
            ("http://a b", "not a URL"),
            ("http://h:99999/", "its port is not"),
            ("http://h:0/", "its port is not"),
            ("http://u:p@h:/", "its port is not"),
            ("http://[::1]:70000/", "its port is not"),
            ("", "it must begin with http:// or https://"),
        ] {
            let told = usable_url(bad).expect_err(bad);
            assert!(told.starts_with(why), "{bad}: {told}");
        }
    }

    #[test]
    fn nothing_secret_of_a_url_is_shown() {
        for (url, shown) in [
            ("http://u:p@h:1/x@y?token=t", "http://h:1/x@y"),
            ("https://h/x#f", "https://h/x"),
            ("http://u@h", "http://h"),
            ("u:p@h", "h"),
            ("?", ""),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn headers_are_checked_before_they_are_sent() {
        assert!(usable_header("x-key", "v w"));
        assert!(!usable_header("x key", "v"));
        assert!(!usable_header("x-key", "a\nb"));
        assert!(!usable_header("", "v"));
    }

    #[test]
    fn a_client_shows_nothing_of_its_configuration() {
        let options = Options {
            proxy: Some("http://user:secret@proxy:3128".into()),
            ca_pem: None,
        };
        let client = Client::outbound(&options, &Hurry::default()).expect("a client");
        assert_eq!(format!("{client:?}"), "Client { .. }");
    }
}
