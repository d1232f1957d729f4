//! The listener of the platform's telemetry batches; the only user of tiny_http.
//!
//! It takes a POST or PUT on any path, puts the body on the channel as it is and answers 200 whatever it holds: an unanswered batch makes the platform drop the next one, and a refused one comes again for ever.
//! It must never parse what anybody takes; the events of a batch that is dropped are counted, not looked into.
//!
//! Invariant: at least one thread waits for the next request while another one reads a body, so that a slow sender stops nobody else; at most [`THREADS_MAX`] threads do so, and as many slow senders do stop the rest.
//! tiny_http bounds neither a request's line nor its headers; only what runs in the same environment can reach it, and that shares its memory anyway.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tiny_http::{Method, Response, Server, StatusCode};

use crate::diag;
use crate::error::Error;
use crate::fault;
use crate::link::{self, Body, ReceiveEnd};
use crate::parse;
use crate::stats::{Account, Counter, Stats};
use crate::time::{self, Stopwatch};

/// The largest body that is taken, in bytes; a batch of the largest size that can be subscribed for is about half of it.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a body waits for room before it is counted as lost; the platform waits meanwhile.
const ROOM_WAIT: Duration = Duration::from_millis(200);

/// Buffers are made of such sizes, in bytes, so that one that was made for a body is large enough for one of nearly its size.
const ROOM_STEP: usize = 4 * 1024;

/// Smaller buffers are made of the very size that is asked for, in bytes.
const ROUNDED_BYTES_MIN: usize = 64 * 1024;

/// Threads that read bodies, the waiting one included.
const THREADS_MAX: usize = 8;

/// The pause before a listener that died is built again.
const REBUILD_PAUSE: Duration = Duration::from_millis(20);

/// A body that is promised to be larger than this is not touched at all, and its connection is left open until the process ends: tiny_http takes memory for all that is missing as soon as such a request is dropped or its body ends early, and fails to get it by aborting.
const PROMISE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A socket that listens; what comes waits in the kernel until it is [served](Listener::serve).
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    socket: TcpListener,
    /// The port it is bound to.
    port: u16,
}

/// What the receive threads share.
struct Shared {
    /// Where bodies go.
    link: ReceiveEnd,
    /// What is counted, for each lane of the link.
    accounts: Vec<Account>,
    /// The port that is advertised; a listener that is built again must have the same.
    port: u16,
}

impl Shared {
    /// Counts a loss for every destination, and tells whoever waits for the stream of it.
    fn lose(&self, counter: impl Fn(&Stats) -> &Counter) {
        for account in &self.accounts {
            counter(&account.stats).add(1);
        }
        self.link.lost();
    }

    /// Hands a body to every lane, and counts it where there is no room for it.
    fn put(&self, body: Body) {
        let bytes = body.bytes.len();
        self.link.put(body, ROOM_WAIT, |lane, body| {
            if let Some(account) = self.accounts.get(lane) {
                account.stats.bodies_without_room.add(1);
                diag::on_behalf_of(account.destination, || {
                    say!(
                        Error,
                        "a batch of {bytes} bytes was dropped: too much waits to be sent"
                    );
                });
            }
            parse::count(&body.bytes)
        });
    }
}

/// One life of the listener.
struct Life {
    /// tiny_http's server.
    server: Server,
    /// Threads that wait for a request of it.
    idle: AtomicUsize,
    /// Threads of it in all.
    threads: AtomicUsize,
    /// Whether some thread builds the next one already.
    over: AtomicBool,
}

impl Listener {
    /// Listens on `0.0.0.0:port`, or on any free port if that one is taken.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn bind(port: u16) -> Result<Self, Error> {
        let socket = bind(port).or_else(|why| {
            say!(Info, "port {port} cannot be had ({why}), taking a free one");
            bind(0).map_err(|why| refuse("a port to listen on", &why))
        })?;
        let address = socket
            .local_addr()
            .map_err(|why| refuse("the listener's port", &why))?;
        Ok(Self {
            socket,
            port: address.port(),
        })
    }

    /// The port that the platform is to be told of.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the receive threads; there is one account for each lane of the link.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn serve(self, link: ReceiveEnd, accounts: Vec<Account>) -> Result<(), Error> {
        let Self { socket, port } = self;
        let shared = Arc::new(Shared {
            link,
            accounts,
            port,
        });
        let first = move || {
            let life = serve(socket).map_or_else(|_| rebuild(port), Arc::new);
            guard(&shared, life);
        };
        link::spawn(THREAD, None, Box::new(first))
            .map(|_| ())
            .map_err(|why| refuse("the receive thread", &why))
    }
}

/// Opens the socket.
fn bind(port: u16) -> std::io::Result<TcpListener> {
    // All addresses: the platform reaches us under one that differs between its versions.
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
}

/// Starts tiny_http on a socket.
fn serve(listener: TcpListener) -> Result<Life, Error> {
    let server =
        Server::from_listener(listener, None).map_err(|why| refuse("the listener", &why))?;
    Ok(Life {
        server,
        idle: AtomicUsize::new(0),
        threads: AtomicUsize::new(1),
        over: AtomicBool::new(false),
    })
}

/// An error of this file.
fn refuse(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Resource {
        what: what.to_owned(),
        why: why.to_string(),
    }
}

/// The threads' name.
const THREAD: &str = "receive";

/// Starts one more receive thread, if one can be started.
fn spawn_another(shared: &Arc<Shared>, life: &Arc<Life>) {
    let (shared, life) = (Arc::clone(shared), Arc::clone(life));
    life.threads.fetch_add(1, Ordering::AcqRel);
    let counted = Arc::clone(&life);
    let work = move || guard(&shared, life);
    if link::spawn(THREAD, None, Box::new(work)).is_err() {
        counted.threads.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs a receive thread, and again after a panic.
fn guard(shared: &Arc<Shared>, mut life: Arc<Life>) {
    loop {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            receive(shared, &mut life);
        }));
        if caught.is_ok() {
            life.threads.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        shared.lose(|stats| &stats.panics);
    }
}

/// Receives until this thread is one too many.
fn receive(shared: &Arc<Shared>, life: &mut Arc<Life>) {
    loop {
        if life.idle.fetch_add(1, Ordering::AcqRel) >= 2 {
            life.idle.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let request = life.server.recv();
        let waiting = life.idle.fetch_sub(1, Ordering::AcqRel) - 1;
        match request {
            Ok(request) => {
                if waiting == 0 && life.threads.load(Ordering::Acquire) < THREADS_MAX {
                    // Without another thread this one still serves, only one request after the other.
                    spawn_another(shared, life);
                }
                take(request, shared);
            }
            Err(why) => {
                // The others stay where they are, as connections that were made before still bring requests there.
                if life.over.swap(true, Ordering::AcqRel) {
                    continue;
                }
                say!(Warn, "the listener stopped ({why}), building it again");
                life.threads.fetch_sub(1, Ordering::AcqRel);
                *life = rebuild(shared.port);
            }
        }
    }
}

/// Builds the listener again, on the same port, for as long as it takes.
fn rebuild(port: u16) -> Arc<Life> {
    loop {
        time::sleep(REBUILD_PAUSE);
        match bind(port)
            .map_err(|why| refuse("the port", &why))
            .and_then(serve)
        {
            Ok(life) => return Arc::new(life),
            Err(why) => {
                say!(Warn, "the listener cannot be built again yet: {why}");
            }
        }
    }
}

/// Takes one request's body and answers it.
fn take(mut request: tiny_http::Request, shared: &Shared) {
    fault::point("receive");
    let promised = request.body_length();
    let expected = promised.unwrap_or(0);
    if expected > PROMISE_BYTES_MAX {
        shared.lose(|stats| &stats.bodies_too_large);
        say!(
            Error,
            "a batch was dropped: its sender promised {expected} bytes"
        );
        // See PROMISE_BYTES_MAX.
        std::mem::forget(request);
        return;
    }
    if !matches!(request.method(), Method::Post | Method::Put) {
        return answer(request, 405);
    }
    let watch = Stopwatch::start();
    let mut bytes = shared.link.buffer();
    let end = read(request.as_reader(), expected, &mut bytes);
    let owed = shared.link.owes_answer();
    say!(
        Debug,
        "received {} bytes in {:?}",
        bytes.len(),
        watch.elapsed()
    );
    let whole = promised.is_none_or(|promised| promised == end.read);
    if end.read > BODY_BYTES_MAX {
        shared.lose(|stats| &stats.bodies_too_large);
        say!(
            Error,
            "a batch of {} bytes was dropped: the limit is {BODY_BYTES_MAX}",
            end.read
        );
    } else if !whole || end.broken {
        shared.lose(|stats| &stats.bodies_cut_short);
        say!(
            Error,
            "a batch was dropped: its sender stopped after {} bytes",
            end.read
        );
    } else if !bytes.is_empty() {
        shared.put(Body {
            bytes: Arc::new(bytes),
            received_ms: time::epoch_ms(),
            skipped: 0,
        });
    }
    answer(request, 200);
    drop(owed);
}

/// Answers without a body; whether it arrives is the sender's business.
fn answer(request: tiny_http::Request, status: u16) {
    let empty = Response::new(
        StatusCode(status),
        Vec::new(),
        std::io::empty(),
        Some(0),
        None,
    );
    request.respond(empty).unwrap_or(());
}

/// How reading a body ended.
struct End {
    /// Bytes that came.
    read: usize,
    /// Whether the connection failed.
    broken: bool,
}

/// Reads a body of about so many bytes to its end, in the place of what was in the buffer, and keeps what is within the limit.
fn read(body: &mut dyn Read, expected: usize, bytes: &mut Vec<u8>) -> End {
    let mut end = End {
        read: 0,
        broken: false,
    };
    let expected = expected.min(BODY_BYTES_MAX);
    if bytes.capacity() < expected {
        // A small one may have to wait for long among many, and takes no more than it needs.
        let room = if expected < ROUNDED_BYTES_MIN {
            expected
        } else {
            expected.next_multiple_of(ROOM_STEP)
        };
        *bytes = vec![0; room];
    }
    // What was in the buffer is written over as it is: to clear it first would take as long as to read.
    bytes.resize(expected, 0);
    while let Some(room @ [_, ..]) = bytes.get_mut(end.read..)
        && !end.broken
    {
        match body.read(room) {
            Ok(0) => break,
            Ok(more) => end.read = end.read.saturating_add(more),
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => end.broken = true,
        }
    }
    bytes.truncate(end.read);
    // One that nothing was promised of.
    if end.read == expected {
        let left = u64::try_from(BODY_BYTES_MAX - expected).unwrap_or(0);
        end.broken |= body.take(left).read_to_end(bytes).is_err();
        end.read = bytes.len();
    }
    // The rest must be read too, or the sender would not listen to an answer.
    let mut rest = [0_u8; 4096];
    while !end.broken && end.read >= BODY_BYTES_MAX {
        match body.read(&mut rest) {
            Ok(0) => break,
            Ok(more) => end.read = end.read.saturating_add(more),
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => end.broken = true,
        }
    }
    end
}
