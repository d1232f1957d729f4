//! Fragments to a payload: what a format puts before, between and behind them.
//!
//! Nothing is copied where the fragments stand one behind the other.

use super::Payload;
use crate::buffer::{Batch, Buffer};
use crate::encode::{Encode, Frame};

/// A payload as its format wants it.
#[allow(missing_debug_implementations, reason = "it holds records")]
pub struct Shaped<'a> {
    /// What stands before the fragments.
    head: Vec<u8>,
    /// A fragment before those of the batch, with a separator.
    first: Vec<u8>,
    /// The fragments as they wait.
    buffer: &'a Buffer,
    /// Which of them; none if they were gathered into the head.
    batch: Batch,
    /// What stands between them.
    separator: &'static str,
    /// What stands behind them.
    tail: Vec<u8>,
    /// How many records.
    records: usize,
    /// What the destination judges each of them by, if it is not the record itself.
    places: Vec<usize>,
}

impl<'a> Shaped<'a> {
    /// Shapes a batch, with one fragment before it if there is one.
    #[must_use]
    pub fn of(
        encoder: &dyn Encode,
        frame: &Frame,
        buffer: &'a Buffer,
        batch: Batch,
        first: Option<&[u8]>,
    ) -> Self {
        let mut shaped = Self {
            head: Vec::new(),
            first: Vec::new(),
            buffer,
            batch,
            separator: frame.separator,
            tail: Vec::new(),
            records: batch.records,
            places: Vec::new(),
        };
        let mut fragments = first
            .into_iter()
            .chain(buffer.fragments(batch, frame.separator));
        if encoder.gather(&mut fragments, &mut shaped.head, &mut shaped.places) {
            shaped.batch = Batch {
                records: 0,
                bytes: 0,
            };
            // What stands before them is not theirs.
            shaped
                .places
                .drain(..usize::from(first.is_some()).min(shaped.places.len()));
            return shaped;
        }
        if let Some(first) = first {
            shaped.first.extend_from_slice(first);
            shaped.first.extend_from_slice(frame.separator.as_bytes());
        }
        let bytes = (shaped.first.len() + batch.bytes).saturating_sub(frame.separator.len());
        encoder.surround(frame, bytes, &mut shaped.head, &mut shaped.tail);
        shaped
    }

    /// The payload.
    pub fn payload(&self) -> Payload<'_, impl Iterator<Item = &[u8]>> {
        let pieces = self.buffer.pieces(self.batch, self.separator);
        Payload {
            records: self.records,
            head: &self.head,
            pieces: std::iter::once(self.first.as_slice()).chain(pieces),
            tail: &self.tail,
            places: &self.places,
        }
    }
}
