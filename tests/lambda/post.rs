//! How a batch reaches the extension's listener: one HTTP request over a connection that is kept.
//!
//! Must not decide when; that is the dispatcher's business.

use super::clock;
use super::telemetry::{Event, Subscription};
use crate::wire;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

/// How a batch travels.
#[derive(Clone, Debug)]
pub(crate) struct Carriage {
    /// Post to `/` whatever was subscribed.
    pub(crate) to_root: bool,
    /// In chunks.
    pub(crate) chunked: bool,
    /// `POST` or `PUT`.
    pub(crate) method: &'static str,
    /// How often a batch not taken is sent again.
    pub(crate) redeliveries: u32,
    /// Digits of the fraction in `time`.
    pub(crate) fraction_digits: usize,
    /// How far `time` lies behind.
    pub(crate) time_behind: Duration,
}

impl Carriage {
    /// The `time` of what happens now.
    pub(crate) fn time(&self) -> String {
        clock::rfc3339(SystemTime::now() - self.time_behind, self.fraction_digits)
    }
}

/// A batch's body.
pub(crate) fn batch(events: &[Event]) -> Vec<u8> {
    let mut body = String::with_capacity(
        events
            .iter()
            .map(|event| event.record.len() + 80)
            .sum::<usize>()
            + 2,
    );
    body.push('[');
    for (number, event) in events.iter().enumerate() {
        if number > 0 {
            body.push(',');
        }
        body.push_str(&event.json());
    }
    body.push(']');
    body.into_bytes()
}

/// A kept connection to the listener.
pub(super) type Connection = BufReader<TcpStream>;

/// Posts once, over the kept connection where there is one; a kept one that proves dead is replaced.
pub(super) fn post(
    line: &mut Option<Connection>,
    connections: &mut u64,
    subscription: &Subscription,
    carriage: &Carriage,
    body: &[u8],
) -> Result<u16, String> {
    let path = if carriage.to_root {
        "/"
    } else {
        subscription.path.as_str()
    };
    let kept = line.is_some();
    match post_once(line, connections, subscription.port, path, carriage, body) {
        Err(_) if kept => {
            *line = None;
            post_once(line, connections, subscription.port, path, carriage, body)
        }
        result => result,
    }
    .map_err(|error| {
        *line = None;
        error.to_string()
    })
}

fn post_once(
    line: &mut Option<Connection>,
    connections: &mut u64,
    port: u16,
    path: &str,
    carriage: &Carriage,
    body: &[u8],
) -> io::Result<u16> {
    let connection = match line {
        Some(connection) => connection,
        None => {
            *connections += 1;
            line.insert(connect(port)?)
        }
    };
    let (framing, body) = if carriage.chunked {
        (
            ("Transfer-Encoding", "chunked".to_owned()),
            &wire::chunked(body, 4_096)[..],
        )
    } else {
        (("Content-Length", body.len().to_string()), body)
    };
    let headers = [
        ("Host".to_owned(), format!("sandbox.localdomain:{port}")),
        ("User-Agent".to_owned(), "Go-http-client/1.1".to_owned()),
        (framing.0.to_owned(), framing.1),
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Accept-Encoding".to_owned(), "gzip".to_owned()),
    ];
    let first = format!("{} {path} HTTP/1.1", carriage.method);
    wire::write_message(connection.get_mut(), &first, &headers, body)?;
    let answer = wire::read_answer(connection)?;
    if wire::header(&answer.headers, "connection")
        .is_some_and(|word| word.eq_ignore_ascii_case("close"))
    {
        *line = None;
    }
    Ok(answer.status)
}

/// A connection to the listener, by address: nothing here resolves `sandbox.localdomain`.
pub(crate) fn connect(port: u16) -> io::Result<Connection> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(BufReader::new(stream))
}

/// Sends bytes as they stand to the listener, over a connection of its own.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: BufReader<TcpStream>,
}

impl Sender {
    /// Connects.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        Ok(Self {
            stream: connect(port)?,
        })
    }

    /// Writes some bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more will come, and goes on listening.
    pub(crate) fn half_close(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(std::net::Shutdown::Write)
    }

    /// Reads the answer.
    pub(crate) fn answer(&mut self) -> io::Result<wire::Answer> {
        wire::read_answer(&mut self.stream)
    }

    /// Posts a whole body and reads the answer.
    pub(crate) fn post(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> io::Result<wire::Answer> {
        let headers = [
            ("Host".to_owned(), "sandbox.localdomain".to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Content-Length".to_owned(), body.len().to_string()),
        ];
        wire::write_message(
            self.stream.get_mut(),
            &format!("{method} {path} HTTP/1.1"),
            &headers,
            body,
        )?;
        self.answer()
    }
}
