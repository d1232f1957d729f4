//! A connection, plain or TLS, that sends a request in as few writes as its buffer allows.
//!
//! ureq sends head and body in two writes: for a small request that wakes the server twice, and under TLS makes two records.
//! Here what is written stays in the output buffer until that is nearly full or the answer is awaited.

use std::fmt;
use std::io::{Read, Write};

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

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

/// The connection.
pub(super) struct Gathered<S> {
    /// What bytes go through.
    stream: S,
    /// ureq's buffers.
    buffers: LazyBuffers,
    /// Bytes at the beginning of the output buffer that are not sent yet.
    held: usize,
}

impl<S> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl<S: Stream> Gathered<S> {
    /// A connection with nothing held yet, and buffers of the sizes that are configured.
    pub(super) fn new(stream: S, details: &ConnectionDetails<'_>) -> Self {
        let (input, output) = (
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Self {
            stream,
            buffers: LazyBuffers::new(input, output),
            held: 0,
        }
    }

    /// Sends what is held.
    fn send(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        if held == 0 {
            return Ok(());
        }
        self.stream.socket().set_timeout(timeout);
        let output = self.buffers.output().get(..held).unwrap_or_default();
        self.stream.write_all(output)?;
        self.stream.flush()?;
        Ok(())
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
        self.send(timeout)?;
        self.stream.socket().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.socket().get_mut().is_open()
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
