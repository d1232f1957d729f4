//! gzip (RFC 1952) of a payload, with one compressor that is used again and again.
//!
//! flate2's own gzip writer makes a new compressor for each stream, which costs 300 kB of fresh memory each time; the ten bytes of header and eight of trailer are ours instead.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Level 1: of miniz_oxide's levels it takes a quarter of the time of level 3 and loses little on log lines.
const LEVEL: u32 = 1;

/// Deflate, no name, no time, unknown system: the same input gives the same bytes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// How much is put out at a time.
const ROOM_BYTES: usize = 8 * 1024;

/// Compresses payloads.
#[derive(Debug)]
pub struct Gzip {
    /// The compressor.
    deflate: Compress,
    /// Where it puts out: all that a vector has spare it would zero each time.
    room: Vec<u8>,
}

impl Gzip {
    /// A compressor; it takes its memory now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::new(LEVEL), false),
            room: vec![0; ROOM_BYTES],
        }
    }

    /// Replaces `out` by the gzip stream of the pieces; `false` if the compressor failed.
    #[must_use]
    pub fn compress(&mut self, pieces: &mut dyn Iterator<Item = &[u8]>, out: &mut Vec<u8>) -> bool {
        self.deflate.reset();
        out.clear();
        out.extend_from_slice(&HEADER);
        let mut crc = Crc::new();
        for piece in pieces {
            crc.update(piece);
            let begin = self.deflate.total_in();
            let mut rest = piece;
            while !rest.is_empty() {
                if self.step(rest, FlushCompress::None, out).is_none() {
                    return false;
                }
                let read = usize::try_from(self.deflate.total_in() - begin).unwrap_or(usize::MAX);
                rest = piece.get(read..).unwrap_or_default();
            }
        }
        loop {
            match self.step(&[], FlushCompress::Finish, out) {
                Some(Status::StreamEnd) => break,
                Some(Status::Ok | Status::BufError) => {}
                None => return false,
            }
        }
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        true
    }

    /// Compresses as much of the input as there is room for; `None` if the compressor failed.
    fn step(&mut self, input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> Option<Status> {
        let before = self.deflate.total_out();
        let status = self.deflate.compress(input, &mut self.room, flush).ok()?;
        let written = usize::try_from(self.deflate.total_out() - before).ok()?;
        out.extend_from_slice(self.room.get(..written)?);
        Some(status)
    }
}

impl Default for Gzip {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_reader_gets_back_what_went_in_every_time() {
        let mut gzip = Gzip::new();
        let mut out = Vec::new();
        let noise: Vec<u8> = (0..200_000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        for pieces in [
            vec![],
            vec![&b""[..]],
            vec![&b"hello "[..], b"world"],
            vec![&noise[..], b"between", &noise[..]],
        ] {
            assert!(gzip.compress(&mut pieces.iter().copied(), &mut out));
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&out[..])
                .read_to_end(&mut back)
                .expect("a gzip stream");
            assert_eq!(back, pieces.concat());
        }
    }
}
