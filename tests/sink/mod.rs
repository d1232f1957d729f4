//! Scripted destinations on the loopback: they record every request and answer as they are told.
//!
//! Plain and TLS, and the ways a destination can be absent: a port that refuses, one that never
//! accepts. Must not know any of the product's formats; what a body means is the model's business.

pub(crate) mod absent;
pub(crate) mod place;
pub(crate) mod proxy;
pub(crate) mod script;
pub(crate) mod tls;

use crate::wire::{self, Framing, Headers};
use rustix::net::sockopt::set_socket_linger;
use script::{Deed, Reply, Script};
use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One request a sink got, whole or in part.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The method.
    pub(crate) method: String,
    /// The request target.
    pub(crate) target: String,
    /// The header fields.
    pub(crate) headers: Headers,
    /// The body as it came.
    pub(crate) raw: Vec<u8>,
    /// Whether all of it came.
    pub(crate) complete: bool,
    /// Which of the sink's connections carried it, from 1.
    pub(crate) connection: u64,
    /// When the head had been read.
    pub(crate) at: Instant,
    /// When the body had been read.
    pub(crate) read: Instant,
    /// When the whole answer had been written.
    pub(crate) answered: Option<Instant>,
    /// The status it was answered with; `None` as long as there is none.
    pub(crate) status: Option<u16>,
}

impl Received {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        wire::header(&self.headers, name)
    }

    /// The body with its content coding taken off.
    pub(crate) fn body(&self) -> Vec<u8> {
        match self.header("content-encoding") {
            Some("gzip") => {
                let mut body = Vec::with_capacity(self.raw.len() * 8);
                flate2::read::MultiGzDecoder::new(self.raw.as_slice())
                    .read_to_end(&mut body)
                    .expect("a body that says gzip is gzip");
                body
            }
            Some(other) => panic!("content coding {other}"),
            None => self.raw.clone(),
        }
    }

    /// Whether it was answered with a 2xx to the last byte.
    pub(crate) fn acknowledged(&self) -> bool {
        self.answered.is_some() && matches!(self.status, Some(200..=299))
    }
}

#[derive(Debug)]
struct Inner {
    first: VecDeque<Reply>,
    then: Reply,
    received: Vec<Arc<Received>>,
    connections: u64,
    writing: usize,
    open: HashMap<u64, TcpStream>,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no thread panics with the sink's lock")
    }
}

/// A destination that records and answers.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// A sink that answers `200 OK` to everything.
    pub(crate) fn ok() -> Self {
        Self::new(Script::always(Reply::ok()))
    }

    /// A sink that follows a script.
    pub(crate) fn new(script: Script) -> Self {
        Self::start(script, None)
    }

    /// The same behind TLS, with a certificate of the test authority for `localhost`,
    /// `sandbox.localdomain` and 127.0.0.1.
    pub(crate) fn tls(script: Script) -> Self {
        Self::start(script, Some(tls::server()))
    }

    fn start(script: Script, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                first: script.first.into(),
                then: script.then,
                received: Vec::new(),
                connections: 0,
                writing: 0,
                open: HashMap::new(),
                closed: false,
            }),
            changed: Condvar::new(),
            tls,
        });
        let server = Arc::clone(&shared);
        spawn("sink", move || accept(&listener, &server));
        Self { address, shared }
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Changes what it answers from now on.
    pub(crate) fn set(&self, script: Script) {
        let mut inner = self.shared.lock();
        inner.first = script.first.into();
        inner.then = script.then;
    }

    /// Every request so far. An answer that is just being written is waited for: whoever has read it
    /// may be gone before it is noted here.
    pub(crate) fn received(&self) -> Vec<Arc<Received>> {
        let (inner, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), Duration::from_secs(5), |inner| {
                inner.writing > 0
            })
            .expect("no thread panics with the sink's lock");
        inner.received.clone()
    }

    /// Closes every connection, with a RST behind the end.
    pub(crate) fn cut(&self) {
        let open = std::mem::take(&mut self.shared.lock().open);
        for stream in open.values() {
            let _closed_already = set_socket_linger(stream, Some(Duration::ZERO));
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// Waits until the requests so far satisfy a condition; whether they do.
    pub(crate) fn wait(&self, limit: Duration, enough: impl Fn(&[Arc<Received>]) -> bool) -> bool {
        let (inner, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), limit, |inner| !enough(&inner.received))
            .expect("no thread panics with the sink's lock");
        enough(&inner.received)
    }

    /// Waits until it has read so many requests.
    pub(crate) fn wait_requests(&self, count: usize, limit: Duration) -> bool {
        self.wait(limit, |received| {
            received.iter().filter(|one| one.complete).count() >= count
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let open = {
            let mut inner = self.shared.lock();
            inner.closed = true;
            std::mem::take(&mut inner.open)
        };
        self.shared.changed.notify_all();
        for stream in open.values() {
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _closed_already = TcpStream::connect(self.address);
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a thread starts");
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let number = {
            let mut inner = shared.lock();
            if inner.closed {
                return;
            }
            inner.connections += 1;
            let number = inner.connections;
            if let Ok(copy) = stream.try_clone() {
                inner.open.insert(number, copy);
            }
            number
        };
        let shared = Arc::clone(shared);
        spawn("sink-connection", move || {
            let _peer_went_away = serve(stream, number, &shared);
            // The last handle: only now the peer sees the end.
            shared.lock().open.remove(&number);
            shared.changed.notify_all();
        });
    }
}

fn serve(stream: TcpStream, number: u64, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let under = stream.try_clone()?;
    match &shared.tls {
        None => talk(BufReader::new(stream), &under, number, shared),
        Some(config) => {
            let session =
                rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            talk(
                BufReader::new(rustls::StreamOwned::new(session, stream)),
                &under,
                number,
                shared,
            )
        }
    }
}

fn talk<S: Read + Write>(
    mut reader: BufReader<S>,
    under: &TcpStream,
    number: u64,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    while let Some(head) = wire::read_request_head(&mut reader)? {
        let at = Instant::now();
        let reply = {
            let mut inner = shared.lock();
            inner
                .first
                .pop_front()
                .unwrap_or_else(|| inner.then.clone())
        };
        if head
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("expect"))
        {
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            reader.get_mut().flush()?;
        }
        let framing = wire::request_framing(&head.headers)?;
        let (raw, complete) = match reply.deed {
            Deed::ResetAfterHead => (Vec::new(), false),
            Deed::ResetInBody(bytes) => {
                let bytes = match framing {
                    Framing::Length(length) => bytes.min(length / 2),
                    _ => bytes,
                };
                let mut part = vec![0; bytes];
                reader.read_exact(&mut part)?;
                (part, false)
            }
            _ => (wire::read_body(&mut reader, framing)?, true),
        };
        let index = {
            let mut inner = shared.lock();
            inner.received.push(Arc::new(Received {
                method: head.method,
                target: head.target,
                headers: head.headers,
                raw,
                complete,
                connection: number,
                at,
                read: Instant::now(),
                answered: None,
                status: None,
            }));
            inner.received.len() - 1
        };
        shared.changed.notify_all();
        let reply = match reply.deed {
            Deed::Judge(judge) => {
                let request = Arc::clone(&shared.lock().received[index]);
                Reply {
                    status: judge(&request.body()),
                    ..reply
                }
            }
            Deed::Answer(answer) => {
                let request = Arc::clone(&shared.lock().received[index]);
                let (status, body) = answer(&request.body());
                Reply { status, ..reply }.body(body)
            }
            _ => reply,
        };
        if !reply.delay.is_zero() && !pause(shared, reply.delay) {
            return Ok(());
        }
        let first = format!("HTTP/1.1 {} {}", reply.status, wire::reason(reply.status));
        let mut headers = reply.headers.clone();
        if reply.status != 204 {
            headers.push(("Content-Length".to_owned(), reply.body.len().to_string()));
        }
        if reply.close {
            headers.push(("Connection".to_owned(), "close".to_owned()));
        }
        match reply.deed {
            Deed::Respond | Deed::Judge(_) | Deed::Answer(_) => {}
            Deed::Hang => {
                // Until the sink or the peer goes away.
                return reader.read_exact(&mut [0]);
            }
            Deed::ResetAfterHead | Deed::ResetInBody(_) | Deed::ResetBeforeAnswer => {
                return reset(under, reader);
            }
            Deed::CloseBeforeAnswer => return Ok(()),
            Deed::HalfHead => {
                reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Le")?;
                return reader.get_mut().flush();
            }
            Deed::HalfBody => {
                let half = &reply.body[..reply.body.len() / 2];
                return wire::write_message(reader.get_mut(), &first, &headers, half);
            }
            Deed::Drip(every) => {
                wire::write_message(reader.get_mut(), &first, &headers, &[])?;
                for byte in &reply.body {
                    if !pause(shared, every) {
                        return Ok(());
                    }
                    reader.get_mut().write_all(&[*byte])?;
                    reader.get_mut().flush()?;
                }
                mark(shared, index, reply.status);
                continue;
            }
        }
        shared.lock().writing += 1;
        let written = wire::write_message(reader.get_mut(), &first, &headers, &reply.body);
        if written.is_ok() {
            mark(shared, index, reply.status);
        }
        shared.lock().writing -= 1;
        shared.changed.notify_all();
        written?;
        if reply.close {
            return Ok(());
        }
    }
    Ok(())
}

/// Notes that a request has its whole answer.
fn mark(shared: &Shared, index: usize, status: u16) {
    let mut inner = shared.lock();
    let one = Arc::make_mut(&mut inner.received[index]);
    one.answered = Some(Instant::now());
    one.status = Some(status);
    drop(inner);
    shared.changed.notify_all();
}

/// Lets time pass; false when the sink went away meanwhile.
fn pause(shared: &Shared, duration: Duration) -> bool {
    let (inner, _) = shared
        .changed
        .wait_timeout_while(shared.lock(), duration, |inner| !inner.closed)
        .expect("no thread panics with the sink's lock");
    !inner.closed
}

/// Closes with a RST instead of a FIN.
fn reset<S>(under: &TcpStream, reader: BufReader<S>) -> io::Result<()> {
    set_socket_linger(under, Some(Duration::ZERO))?;
    drop(reader);
    Ok(())
}
