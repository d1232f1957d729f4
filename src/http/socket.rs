//! A TCP connection for ureq: connecting, sending and receiving end with the request's time, and soon after nobody waits for the answer any more.
//!
//! ureq's own can be told before it waits how long it may; here [`Hurry`] breaks off what is under way.
//! No address is kept: after a freeze it may be stale.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::time::Duration as Wait;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use crate::link::{self, HURRY_SLICE, Hurry};
use crate::time::Stopwatch;

/// The most addresses of a host that are tried.
const ADDRS_MAX: usize = 8;

/// The least that a wait may be: zero would mean "no time set" to a socket.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// A connection.
pub(super) struct Socket {
    /// The socket.
    stream: TcpStream,
    /// ureq's buffers.
    buffers: LazyBuffers,
    /// Breaks off waiting; without it nothing does.
    hurry: Option<Hurry>,
    /// How long the socket waits for bytes to come, as it was told last.
    read_wait: Option<Duration>,
    /// How long it waits for room for bytes to go, as it was told last.
    write_wait: Option<Duration>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Socket {
    /// Resolves a host's name and connects to the first of its addresses that answers.
    ///
    /// Neither can be broken off, so both are done in a thread that is left behind; it ends with the request's time at the latest, but for a resolver that takes longer.
    ///
    /// # Errors
    /// If there is no connection within the time, or nobody waits for it any more.
    pub(super) fn connect(
        host: &str,
        port: u16,
        timeout: NextTimeout,
        hurry: Option<&Hurry>,
        buffers: LazyBuffers,
    ) -> Result<Self, Error> {
        let wait = exact(timeout);
        let (name, numeric) = (host.to_owned(), host.parse::<std::net::IpAddr>().is_ok());
        let open = move || open(&name, port, wait);
        let stream = match wait {
            // Connecting to an address keeps its time by itself.
            Some(wait) if hurry.is_some() || !numeric => {
                let never = Hurry::default();
                link::within("connect", wait, hurry.unwrap_or(&never), open)
                    .ok_or(Error::Timeout(timeout.reason))?
            }
            Some(_) | None => open(),
        }?;
        Ok(Self {
            stream,
            buffers,
            hurry: hurry.cloned(),
            read_wait: None,
            write_wait: None,
        })
    }
}

/// A host's addresses one after the other: each is given half of the time that is left, the last all of it.
fn open(host: &str, port: u16, wait: Option<Duration>) -> Result<TcpStream, Error> {
    let watch = Stopwatch::start();
    let addrs: Vec<SocketAddr> = match host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        // A name that does not resolve comes as one of many unclear texts of the C library.
        Err(_) => (host, port)
            .to_socket_addrs()
            .map_err(|_| Error::HostNotFound)?
            .take(ADDRS_MAX)
            .collect(),
    };
    let mut failed = Error::HostNotFound;
    let mut behind = addrs.len();
    for addr in addrs {
        behind -= 1;
        let stream = match wait {
            None => TcpStream::connect(addr),
            Some(wait) => {
                let left = wait.saturating_sub(watch.elapsed());
                let share = if behind == 0 { left } else { left / 2 };
                TcpStream::connect_timeout(&addr, share.max(WAIT_MIN))
            }
        };
        match stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream),
            Err(why) => failed = why.into(),
        }
    }
    Err(failed)
}

/// A timeout as a time, if it is one.
fn exact(timeout: NextTimeout) -> Option<Duration> {
    match timeout.after {
        Wait::Exact(after) => Some(after),
        Wait::NotHappening => None,
    }
}

/// Cuts a wait into slices, after each of which it is seen whether anybody still waits.
struct Slices<'a> {
    /// The whole of it.
    timeout: NextTimeout,
    /// Breaks it off.
    hurry: Option<&'a Hurry>,
    /// Since it began.
    watch: Stopwatch,
    /// There was one already.
    begun: bool,
}

impl<'a> Slices<'a> {
    /// Begins a wait.
    fn of(timeout: NextTimeout, hurry: Option<&'a Hurry>) -> Self {
        Self {
            timeout,
            hurry,
            watch: Stopwatch::start(),
            begun: false,
        }
    }

    /// The next slice; `None`: there is no end to it.
    fn next(&mut self) -> Result<Option<Duration>, Error> {
        let over = Error::Timeout(self.timeout.reason);
        let hurried = self.hurry.is_some_and(Hurry::is_on);
        if std::mem::replace(&mut self.begun, true) && hurried {
            return Err(over);
        }
        let left = exact(self.timeout).map(|after| after.saturating_sub(self.watch.elapsed()));
        match (left, self.hurry) {
            (Some(left), _) if left.is_zero() => Err(over),
            (Some(left), Some(_)) => Ok(Some(left.clamp(WAIT_MIN, HURRY_SLICE))),
            (None, Some(_)) => Ok(Some(HURRY_SLICE)),
            (left, None) => Ok(left.map(|left| left.max(WAIT_MIN))),
        }
    }
}

/// Whether a read or write that failed so may be tried once more in the next slice.
fn goes_on(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut slices = Slices::of(timeout, self.hurry.as_ref());
        let mut sent = 0;
        while sent < amount {
            let slice = slices.next()?;
            if slice != self.write_wait {
                self.stream.set_write_timeout(slice)?;
                self.write_wait = slice;
            }
            let rest = self.buffers.output().get(sent..amount).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(0) => return Err(Error::Io(ErrorKind::WriteZero.into())),
                Ok(written) => sent += written,
                Err(why) if goes_on(&why) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let mut slices = Slices::of(timeout, self.hurry.as_ref());
        loop {
            let slice = slices.next()?;
            if slice != self.read_wait {
                self.stream.set_read_timeout(slice)?;
                self.read_wait = slice;
            }
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(why) if goes_on(&why) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Bytes that nobody asked for are as bad as an end.
        let probed = self.stream.set_nonblocking(true).and_then(|()| {
            let quiet = match self.stream.peek(&mut [0]) {
                Err(why) => why.kind() == ErrorKind::WouldBlock,
                Ok(_) => false,
            };
            self.stream.set_nonblocking(false).map(|()| quiet)
        });
        probed.unwrap_or(false)
    }
}
