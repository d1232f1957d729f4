//! The server side of the Extensions, Telemetry and Logs APIs.
//!
//! One thread a connection, each kept until the peer closes it, every call recorded. What it answers
//! stands in `answers.rs`. Must not run any phase: it only answers and notes.

use super::setup::Setup;
use super::telemetry::Hub;
use crate::wire::{self, Headers};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// One call an extension made.
#[derive(Clone, Debug)]
pub(crate) struct ApiCall {
    /// When its head was read.
    pub(crate) at: Instant,
    /// Which process made it, from 1.
    pub(crate) process: u32,
    /// The method.
    pub(crate) method: String,
    /// The path, the prefix of the API's address taken off.
    pub(crate) path: String,
    /// The header fields.
    pub(crate) headers: Headers,
    /// The body.
    pub(crate) body: String,
    /// Which of the server's connections carried it, from 1.
    pub(crate) connection: u64,
    /// The answer's status once it was given.
    pub(crate) status: Option<u16>,
}

impl ApiCall {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        wire::header(&self.headers, name)
    }
}

/// The paths.
pub(crate) const REGISTER: &str = "/2020-01-01/extension/register";
/// See [`REGISTER`].
pub(crate) const NEXT: &str = "/2020-01-01/extension/event/next";
/// See [`REGISTER`].
pub(crate) const INIT_ERROR: &str = "/2020-01-01/extension/init/error";
/// See [`REGISTER`].
pub(crate) const EXIT_ERROR: &str = "/2020-01-01/extension/exit/error";
/// See [`REGISTER`].
pub(crate) const TELEMETRY: &str = "/2022-07-01/telemetry";
/// See [`REGISTER`].
pub(crate) const LOGS: &str = "/2020-08-15/logs";

/// What is known of the extension's process that runs now.
#[derive(Debug)]
pub(crate) struct Extension {
    /// Its number, from 1.
    pub(crate) process: u32,
    /// The file name Lambda launched.
    pub(crate) file_name: String,
    /// The name it registered.
    pub(crate) name: String,
    /// The identifier it was given.
    pub(crate) identifier: Option<String>,
    /// The events it registered for.
    pub(crate) events: Vec<String>,
    /// When it registered.
    pub(crate) registered: Option<Instant>,
    /// When it subscribed.
    pub(crate) subscribed: Option<Instant>,
    /// Whether a listener stood at the subscribed port at that moment.
    pub(crate) listened_when_subscribing: bool,
    /// Every time it asked for the next event.
    pub(crate) asked: Vec<Instant>,
    /// How many events it was given.
    pub(crate) given: usize,
    /// The event it is to be given.
    pub(crate) event: Option<String>,
    /// When the last event was given.
    pub(crate) given_at: Option<Instant>,
    /// Whether it reported a fatal error.
    pub(crate) reported_error: Option<String>,
    /// How it ended.
    pub(crate) exit: Option<super::process::Exit>,
}

impl Extension {
    pub(crate) fn new(process: u32, file_name: String) -> Self {
        Self {
            process,
            file_name,
            name: String::new(),
            identifier: None,
            events: Vec::new(),
            registered: None,
            subscribed: None,
            listened_when_subscribing: false,
            asked: Vec::new(),
            given: 0,
            event: None,
            given_at: None,
            reported_error: None,
            exit: None,
        }
    }

    /// Whether it registered for an event.
    pub(crate) fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|one| one == event)
    }

    /// Whether it waits for its next event.
    pub(crate) fn waits(&self) -> bool {
        self.asked.len() > self.given
    }
}

/// What the server and the phases share.
#[derive(Debug)]
pub(crate) struct State {
    /// The extension.
    pub(crate) extension: Extension,
    /// The dispatcher of its telemetry.
    pub(crate) hub: Arc<Hub>,
    /// Whether init is over: nobody may register or subscribe any more.
    pub(crate) init_over: bool,
    /// Every call so far.
    pub(crate) calls: Vec<ApiCall>,
    /// How often each fault was met.
    pub(super) met: Vec<usize>,
    connections: HashMap<u64, TcpStream>,
    pub(super) closed: bool,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Api {
    pub(super) setup: Arc<Setup>,
    state: Mutex<State>,
    pub(super) changed: Condvar,
    port: u16,
}

/// An answer in the making.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) headers: Headers,
    pub(super) content_type: &'static str,
}

impl Reply {
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            headers: Vec::new(),
            content_type: "application/json",
        }
    }

    pub(super) fn refused(status: u16, kind: &str, message: &str) -> Self {
        Self::json(
            status,
            format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{kind}\"}}\n"),
        )
    }

    pub(super) fn not_found() -> Self {
        Self {
            content_type: "text/plain; charset=utf-8",
            ..Self::json(404, "404 page not found\n")
        }
    }
}

impl Api {
    /// A server on a free port of the loopback.
    pub(crate) fn start(
        setup: Arc<Setup>,
        extension: Extension,
        hub: Arc<Hub>,
    ) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let api = Arc::new(Self {
            state: Mutex::new(State {
                extension,
                hub,
                init_over: false,
                calls: Vec::new(),
                met: vec![0; setup.faults.len()],
                connections: HashMap::new(),
                closed: false,
            }),
            setup,
            changed: Condvar::new(),
            port: listener.local_addr()?.port(),
        });
        let server = Arc::clone(&api);
        std::thread::Builder::new()
            .name("api".into())
            .spawn(move || server.accept(&listener))?;
        Ok(api)
    }

    /// What `AWS_LAMBDA_RUNTIME_API` says.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}{}", self.port, self.setup.path_prefix)
    }

    /// The shared state.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics with the API's lock")
    }

    /// Changes the shared state and wakes whoever waits for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until a condition holds or an instant has come; whether it holds.
    pub(crate) fn wait_until(
        &self,
        until: Instant,
        mut condition: impl FnMut(&State) -> bool,
    ) -> bool {
        let limit = until.saturating_duration_since(Instant::now());
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| !condition(state))
            .expect("no thread panics with the API's lock");
        condition(&state)
    }

    /// Ends the server and every connection.
    pub(crate) fn close(&self) {
        let connections = self.change(|state| {
            state.closed = true;
            std::mem::take(&mut state.connections)
        });
        for connection in connections.values() {
            let _closed_already = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _closed_already = TcpStream::connect(("127.0.0.1", self.port));
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut number = 0;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            number += 1;
            {
                let mut state = self.lock();
                if state.closed {
                    return;
                }
                if let Ok(copy) = stream.try_clone() {
                    state.connections.insert(number, copy);
                }
            }
            let server = Arc::clone(self);
            let serve = move || {
                let _peer_went_away = server.serve(stream, number);
                // The last handle: only now the peer sees the end.
                server.lock().connections.remove(&number);
            };
            std::thread::Builder::new()
                .name("api-call".into())
                .spawn(serve)
                .expect("a thread starts");
        }
    }

    fn serve(&self, stream: TcpStream, connection: u64) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(head) = wire::read_request_head(&mut reader)? {
            let at = Instant::now();
            let body = wire::read_body(&mut reader, wire::request_framing(&head.headers)?)?;
            let path = head
                .target
                .strip_prefix(self.setup.path_prefix.as_str())
                .unwrap_or("outside the prefix");
            let index = self.change(|state| {
                state.calls.push(ApiCall {
                    at,
                    process: state.extension.process,
                    method: head.method.clone(),
                    path: path.to_owned(),
                    headers: head.headers.clone(),
                    body: String::from_utf8_lossy(&body).into_owned(),
                    connection,
                    status: None,
                });
                state.calls.len() - 1
            });
            let Some(reply) = self.answer(index, at) else {
                reader.get_ref().shutdown(Shutdown::Both)?;
                return Ok(());
            };
            self.change(|state| state.calls[index].status = Some(reply.status));
            self.write(reader.get_mut(), &reply)?;
            if self.setup.manners.close {
                reader.get_ref().shutdown(Shutdown::Write)?;
                return Ok(());
            }
        }
        Ok(())
    }

    fn write(&self, stream: &mut TcpStream, reply: &Reply) -> io::Result<()> {
        let manners = self.setup.manners;
        let mut headers = Vec::new();
        if !manners.untyped {
            headers.push(("Content-Type".to_owned(), reply.content_type.to_owned()));
        }
        headers.extend(reply.headers.iter().cloned());
        if manners.close {
            headers.push(("Connection".to_owned(), "close".to_owned()));
        }
        let body = if manners.chunked {
            headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            wire::chunked(reply.body.as_bytes(), 32)
        } else {
            headers.push(("Content-Length".to_owned(), reply.body.len().to_string()));
            reply.body.clone().into_bytes()
        };
        if manners.lower_case {
            for (name, _) in &mut headers {
                name.make_ascii_lowercase();
            }
        }
        let first = format!("HTTP/1.1 {} {}", reply.status, wire::reason(reply.status));
        wire::write_message(stream, &first, &headers, &body)
    }
}
