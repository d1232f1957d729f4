//! A connection, plain or TLS, that sends a request in as few writes as its buffer allows.
//!
//! ureq sends head and body in two writes: for a small request that wakes the server twice, and under TLS makes two records.
//! Here what is written stays in the output buffer until that is nearly full or the answer is awaited.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::time::Duration as Wait;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::link::Hurry;
use crate::time::{Deadline, Stopwatch};

/// With less room than this the output buffer is sent: ureq must find room for a whole request line or header.
const ROOM_BYTES: usize = 2 * 1024;

/// What bytes go through.
pub(super) trait Stream: Read + Write + Send + Sync + 'static {
    /// Whether it is TLS.
    const TLS: bool;

    /// The socket below it.
    fn socket(&mut self) -> &mut TransportAdapter;
}

impl Stream for TransportAdapter {
    const TLS: bool = false;

    fn socket(&mut self) -> &mut TransportAdapter {
        self
    }
}

/// What is left of a timeout.
pub(super) fn less(timeout: NextTimeout, watch: Stopwatch) -> NextTimeout {
    let mut left = timeout;
    if let Wait::Exact(after) = timeout.after {
        // Zero would mean "no time set" to a socket; the least is a millisecond.
        let after = after.saturating_sub(watch.elapsed());
        left.after = Wait::Exact(after.max(Duration::from_millis(1)));
    }
    left
}

/// What a connection watches and tells, shared by all of a client's.
#[derive(Debug, Clone)]
pub(super) struct Signs {
    /// Breaks off waiting; without it nothing does.
    pub(super) hurry: Option<Hurry>,
    /// Whether anything of the request went out.
    sent: Arc<AtomicBool>,
    /// When the request must be over, in milliseconds on `watch`: ureq gives a proxy's CONNECT the whole of its time once more.
    until_ms: Arc<AtomicU64>,
    /// What `until_ms` is told by.
    watch: Stopwatch,
}

impl Default for Signs {
    fn default() -> Self {
        Self {
            hurry: None,
            sent: Arc::default(),
            until_ms: Arc::new(AtomicU64::new(u64::MAX)),
            watch: Stopwatch::start(),
        }
    }
}

impl Signs {
    /// Watches what breaks off waiting.
    pub(super) fn new(hurry: Hurry) -> Self {
        Self {
            hurry: Some(hurry),
            ..Self::default()
        }
    }

    /// A request begins.
    pub(super) fn begin(&self, deadline: Option<Deadline>) {
        self.sent.store(false, Ordering::Release);
        let until = deadline.map_or(u64::MAX, |deadline| {
            let until = self.watch.elapsed().saturating_add(deadline.left());
            u64::try_from(until.as_millis()).unwrap_or(u64::MAX)
        });
        self.until_ms.store(until, Ordering::Release);
    }

    /// A timeout that does not go beyond the request's own.
    pub(super) fn clipped(&self, timeout: NextTimeout) -> NextTimeout {
        let mut clipped = timeout;
        let until = self.until_ms.load(Ordering::Acquire);
        if let Wait::Exact(after) = timeout.after
            && until != u64::MAX
        {
            let left = Duration::from_millis(until).saturating_sub(self.watch.elapsed());
            // Zero would mean "no time set" to a socket; the least is a millisecond.
            clipped.after = Wait::Exact(after.min(left.max(Duration::from_millis(1))));
        }
        clipped
    }

    /// Whether anything of it went out.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }
}

/// The connection.
pub(super) struct Gathered<S> {
    /// What bytes go through.
    stream: S,
    /// ureq's buffers.
    buffers: LazyBuffers,
    /// Bytes at the beginning of the output buffer that are not sent yet.
    held: usize,
    /// The other side took no more of the request; it may have said why before.
    cut: bool,
    /// What it watches and tells.
    signs: Signs,
}

impl<S> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl<S: Stream> Gathered<S> {
    /// A connection with nothing held yet, and buffers of the sizes that are configured.
    pub(super) fn new(stream: S, details: &ConnectionDetails<'_>, signs: &Signs) -> Self {
        let (input, output) = (
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Self {
            stream,
            buffers: LazyBuffers::new(input, output),
            held: 0,
            cut: false,
            signs: signs.clone(),
        }
    }

    /// Sends what is held.
    fn send(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        if held == 0 || self.cut {
            return Ok(());
        }
        self.signs.sent.store(true, Ordering::Release);
        let timeout = self.signs.clipped(timeout);
        self.stream.socket().set_timeout(timeout);
        let output = self.buffers.output().get(..held).unwrap_or_default();
        let written = self.stream.write_all(output);
        match written.and_then(|()| self.stream.flush()) {
            Ok(()) => Ok(()),
            // Some servers answer before they have read all, 413 above all, and close.
            Err(why)
                if matches!(
                    why.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                self.cut = true;
                Ok(())
            }
            Err(why) => Err(why.into()),
        }
    }
}

impl<S: Stream> Transport for Gathered<S> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.held += amount;
        if self.output().len() >= ROOM_BYTES {
            return Ok(());
        }
        self.send(timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = self.signs.clipped(timeout);
        self.send(timeout)?;
        self.stream.socket().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        if amount == 0 && self.cut {
            return Err(Error::Io(ErrorKind::ConnectionReset.into()));
        }
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        !self.cut && self.stream.socket().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        S::TLS
    }
}

impl<S: Stream> Buffers for Gathered<S> {
    fn output(&mut self) -> &mut [u8] {
        let held = self.held;
        self.buffers.output().get_mut(held..).unwrap_or_default()
    }

    fn input(&self) -> &[u8] {
        self.buffers.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.buffers.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.buffers.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.buffers.input_consume(amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let held = self.held;
        let (tmp, output) = self.buffers.tmp_and_output();
        (tmp, output.get_mut(held..).unwrap_or_default())
    }

    fn can_use_input(&self) -> bool {
        self.buffers.can_use_input()
    }
}
