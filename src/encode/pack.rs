//! Lines packed into larger records, for services that bill and limit by record: what is inside is NDJSON.
//!
//! A record is filled with whole lines up to a size that every stream takes; a line that is larger by itself has one for itself.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::object::Object;
use super::{Encode, Options};
use crate::gzip::Gzip;
use crate::process::{Identity, Record};

/// How a service wants its records.
pub(super) trait Envelope: Send {
    /// What the service is told besides; called whenever more is known.
    fn identify(&mut self, _identity: &Identity) {}

    /// Writes what stands before the first record.
    fn begin(&self, out: &mut Vec<u8>);

    /// Writes a record of this number, which holds these bytes.
    fn write(&self, number: usize, bytes: &[u8], out: &mut Vec<u8>);
}

/// Writes lines, and packs them.
pub(super) struct Pack {
    /// Writes a line.
    object: Object,
    /// What stands around the records.
    envelope: Box<dyn Envelope>,
    /// What a record holds, in bytes, before compression.
    bytes_max: usize,
    /// Whether records are compressed.
    gzip: bool,
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pack")
    }
}

impl Pack {
    /// An encoder whose records hold so many bytes.
    pub(super) fn new(options: &Options, envelope: Box<dyn Envelope>, bytes_max: usize) -> Self {
        Self {
            object: Object::new(options),
            envelope,
            bytes_max,
            gzip: options.gzip_inside,
        }
    }

    /// Writes a record that is full, and empties it.
    fn finish(
        &self,
        number: usize,
        lines: &mut Vec<u8>,
        gzip: &mut Option<Gzip>,
        out: &mut Vec<u8>,
    ) {
        if number > 0 {
            out.push(b',');
        }
        let mut packed = Vec::new();
        let compressed = gzip
            .as_mut()
            .is_some_and(|gzip| gzip.compress(&mut std::iter::once(&**lines), &mut packed));
        let bytes = if compressed { &packed } else { &*lines };
        self.envelope.write(number, bytes, out);
        lines.clear();
    }
}

impl Encode for Pack {
    fn identify(&mut self, identity: &Identity) {
        self.object.identify(identity);
        self.envelope.identify(identity);
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        self.object.encode(record, out);
    }

    fn gather(
        &self,
        fragments: &mut dyn Iterator<Item = &[u8]>,
        out: &mut Vec<u8>,
        places: &mut Vec<usize>,
    ) -> bool {
        // It takes much memory, and few ask for it.
        let mut gzip = self.gzip.then(Gzip::new);
        self.envelope.begin(out);
        let (mut lines, mut number) = (Vec::new(), 0);
        for fragment in fragments {
            if !lines.is_empty() && lines.len() + fragment.len() >= self.bytes_max {
                self.finish(number, &mut lines, &mut gzip, out);
                number += 1;
            }
            lines.extend_from_slice(fragment);
            lines.push(b'\n');
            places.push(number);
        }
        self.finish(number, &mut lines, &mut gzip, out);
        out.extend_from_slice(b"]}");
        true
    }
}

/// Writes bytes in base64, in quotes.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let from = out.len();
    out.resize(from + bytes.len().div_ceil(3) * 4, 0);
    let room = out.get_mut(from..).unwrap_or_default();
    // The room is exactly what it takes.
    BASE64_STANDARD.encode_slice(bytes, room).unwrap_or(0);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Envelope for Plain {
        fn begin(&self, out: &mut Vec<u8>) {
            out.push(b'[');
        }

        fn write(&self, number: usize, bytes: &[u8], out: &mut Vec<u8>) {
            out.extend_from_slice(number.to_string().as_bytes());
            base64(bytes, out);
        }
    }

    #[test]
    fn records_are_filled_with_whole_lines() {
        let pack = Pack::new(&Options::default(), Box::new(Plain), 8);
        let (mut out, mut places) = (Vec::new(), Vec::new());
        let lines = [&b"abc"[..], b"def", b"g", b"longer than it", b"h"];
        assert!(pack.gather(&mut lines.into_iter(), &mut out, &mut places));
        assert_eq!(places, [0, 0, 1, 2, 3]);
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "[0\"YWJjCmRlZgo=\",1\"Zwo=\",2\"bG9uZ2VyIHRoYW4gaXQK\",3\"aAo=\"]}"
        );
    }
}
