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
pub(super) struct Envelope {
    /// Writes what stands before the first record.
    pub(super) begin: fn(&Place, &mut Vec<u8>),
    /// Writes a record of this number, which holds these bytes.
    pub(super) write: fn(&Place, usize, &[u8], &mut Vec<u8>),
    /// What a record holds, in bytes, before compression.
    pub(super) bytes_max: usize,
}

/// Where records go, and how.
pub(super) struct Place {
    /// What the configuration names: a stream; the URL of all queues and a queue.
    pub(super) names: [String; 2],
    /// The function's account, once it is known.
    pub(super) account: Option<String>,
    /// Whether records are compressed.
    pub(super) gzip: bool,
}

/// Writes lines, and packs them.
pub(super) struct Pack {
    /// Writes a line.
    object: Object,
    /// Where they go.
    place: Place,
    /// What stands around the records.
    envelope: &'static Envelope,
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pack")
    }
}

impl Pack {
    /// An encoder for a service.
    pub(super) fn boxed(options: &Options, envelope: &'static Envelope) -> Box<dyn Encode> {
        Box::new(Self {
            object: Object::new(options),
            place: Place {
                names: options.place.clone(),
                account: None,
                gzip: options.gzip_inside,
            },
            envelope,
        })
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
        let bytes = if let Some(gzip) = gzip
            && gzip.compress(&mut [&**lines].iter().copied(), &mut packed)
        {
            &packed
        } else {
            &*lines
        };
        (self.envelope.write)(&self.place, number, bytes, out);
        lines.clear();
    }
}

impl Encode for Pack {
    fn identify(&mut self, identity: &Identity) {
        self.object.identify(identity);
        self.place.account.clone_from(&identity.account_id);
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
        let mut gzip = self.place.gzip.then(Gzip::new);
        (self.envelope.begin)(&self.place, out);
        let (mut lines, mut number) = (Vec::new(), 0);
        for fragment in fragments {
            if !lines.is_empty() && lines.len() + fragment.len() >= self.envelope.bytes_max {
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

    const PLAIN: Envelope = Envelope {
        begin: |_, out| out.push(b'['),
        write: |_, number, bytes, out| {
            out.extend_from_slice(number.to_string().as_bytes());
            base64(bytes, out);
        },
        bytes_max: 8,
    };

    #[test]
    fn records_are_filled_with_whole_lines() {
        let pack = Pack::boxed(&Options::default(), &PLAIN);
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
