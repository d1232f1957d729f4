//! A record to bytes: one trait, one table, one file per format.
//!
//! A format turns one record into one self-contained fragment, so that payloads are cut, and partly sent again, without encoding twice.
//! A format opens nothing and knows no URL.

mod axiom;
mod betterstack;
mod cloudwatch;
mod coralogix;
mod cut;
mod datadog;
mod dynatrace;
mod elasticsearch;
mod firehose;
mod honeycomb;
mod ids;
mod json;
mod kinesis;
mod loki;
mod names;
mod ndjson;
mod newrelic;
mod object;
mod otlp;
mod pack;
mod quote;
mod room;
mod s3;
mod splunk;
mod sqs;
mod victorialogs;
mod walk;

use std::fmt;

pub use cut::within;

use crate::process::{Identity, Record};

/// What an encoder is told by the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// `BROOKLET_LABELS`: names of record fields, for formats that index few of them.
    pub labels: Vec<String>,
    /// `BROOKLET_INDEX`: where records go inside the destination, for formats whose URL does not say it.
    pub index: Option<String>,
    /// `BROOKLET_SOURCE`: what the destination calls the kind of source.
    pub source: Option<String>,
    /// `BROOKLET_FIELD_NAMES`: what a record's fields are called, where they are not to have their own names.
    pub names: Vec<(String, String)>,
    /// What a format names that is its service's own: a stream; the URL of all queues and a queue; a group and its stream.
    pub place: [String; 2],
    /// Whether `BROOKLET_COMPRESSION` asks for gzip where nobody would expect it: inside of records.
    pub gzip_inside: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            labels: ["service_name", "function_name", "region"]
                .map(ToOwned::to_owned)
                .to_vec(),
            index: None,
            source: None,
            names: Vec::new(),
            place: Default::default(),
            gzip_inside: false,
        }
    }
}

/// How records are written for a destination.
pub trait Encode: fmt::Debug + Send {
    /// Tells who logs; called before the first record and whenever more is known.
    fn identify(&mut self, identity: &Identity);

    /// Appends one fragment: self-contained, without the separator.
    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>);

    /// Writes what stands before and behind a payload's fragments, which take `bytes` bytes with the separators between them.
    fn surround(&self, frame: &Frame, _bytes: usize, head: &mut Vec<u8>, tail: &mut Vec<u8>) {
        head.extend_from_slice(frame.head.as_bytes());
        tail.extend_from_slice(frame.tail.as_bytes());
    }

    /// The most bytes that a payload of at most so many has beside its fragments and their separators, and the most that each fragment adds.
    fn beside(&self, frame: &Frame, bytes_max: usize) -> (usize, usize) {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        self.surround(frame, bytes_max, &mut head, &mut tail);
        (head.len() + tail.len(), 0)
    }

    /// Puts a payload together from its fragments where it is more than one behind the other; `false` if it is not.
    ///
    /// Where the destination does not judge the fragments one by one in their order, `places` gets for each fragment the number of what it judges, or [`LEFT_OUT`].
    fn gather(
        &self,
        _fragments: &mut dyn Iterator<Item = &[u8]>,
        _out: &mut Vec<u8>,
        _places: &mut Vec<usize>,
    ) -> bool {
        false
    }
}

/// The place of a fragment that the payload does not hold, and that is to be sent later.
pub const LEFT_OUT: usize = usize::MAX;

/// One row of [`FORMATS`]: everything about a format that is not the writing of a record.
#[derive(Debug)]
pub struct Format {
    /// The word in `BROOKLET_FORMAT`.
    pub name: &'static str,
    /// The payload's `Content-Type`.
    pub content_type: &'static str,
    /// What stands before the first fragment, between two, and behind the last.
    pub frame: Frame,
    /// The header that carries `BROOKLET_API_KEY`, and what stands before the key in it.
    pub key_header: (&'static str, &'static str),
    /// Further headers that the destination wants.
    pub headers: &'static [(&'static str, &'static str)],
    /// The largest payload in bytes, before compression, if nothing else is configured.
    pub batch_bytes: usize,
    /// The most records in a payload, if nothing else is configured.
    pub batch_records: usize,
    /// The largest record in bytes; a larger one is cut, with a mark.
    pub record_bytes: usize,
    /// Whether the destination takes gzip.
    pub gzip: bool,
    /// The vendor's hosts, so that the endpoint alone tells the format; `*` stands for any letters, or none.
    pub hosts: &'static [&'static str],
    /// The path that the vendor fixes, for an endpoint that has none; empty if there is none to complete.
    pub path: &'static str,
    /// Whether a key that is `user:password` goes as such, in the header of HTTP's basic authentication.
    pub basic: bool,
    /// Whether nothing but the scheme of the endpoint's URL chooses it, which is its name: a service of AWS.
    pub scheme: bool,
    /// Whether the same payload twice is there once, so that one that may have arrived is sent again as it was.
    pub replaces: bool,
    /// Makes the encoder.
    pub encoder: fn(&Options) -> Box<dyn Encode>,
}

impl Format {
    /// What a row need not say.
    const PLAIN: Self = Self {
        name: "",
        content_type: "application/json",
        frame: Frame {
            head: "[",
            separator: ",",
            tail: "]",
        },
        key_header: ("authorization", "Bearer "),
        headers: &[],
        batch_bytes: 1024 * 1024,
        batch_records: 10_000,
        record_bytes: usize::MAX,
        gzip: true,
        hosts: &[],
        path: "",
        basic: false,
        scheme: false,
        replaces: false,
        encoder: |options| Box::new(object::Object::new(options)),
    };
}

impl Format {
    /// Whether a host, in lower case, is the vendor's.
    fn is_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| is_like(host, pattern))
    }
}

/// Whether a host is what a pattern with `*` stands for.
fn is_like(host: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let (Some(mut rest), last) = (host.strip_prefix(first), parts.next_back()) else {
        return false;
    };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// What makes fragments a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Before the first fragment.
    pub head: &'static str,
    /// Between two fragments.
    pub separator: &'static str,
    /// Behind the last fragment.
    pub tail: &'static str,
}

impl Frame {
    /// One fragment a line, each line ended.
    const LINES: Self = Self {
        head: "",
        separator: "\n",
        tail: "\n",
    };
}

/// Every format.
pub const FORMATS: &[Format] = &[
    json::FORMAT,
    ndjson::FORMAT,
    otlp::PROTOBUF,
    otlp::JSON,
    datadog::FORMAT,
    newrelic::FORMAT,
    honeycomb::FORMAT,
    axiom::FORMAT,
    betterstack::FORMAT,
    coralogix::FORMAT,
    dynatrace::FORMAT,
    victorialogs::FORMAT,
    loki::FORMAT,
    splunk::FORMAT,
    elasticsearch::FORMAT,
    s3::FORMAT,
    firehose::FORMAT,
    kinesis::FORMAT,
    sqs::FORMAT,
    cloudwatch::FORMAT,
];

/// The format where none is configured.
pub const DEFAULT: &Format = &json::FORMAT;

/// The format that a host tells.
#[must_use]
pub fn of_host(host: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.is_host(host))
}

/// The format that the scheme of a URL tells.
#[must_use]
pub fn of_scheme(url: &str) -> Option<&'static Format> {
    let (scheme, _) = url.split_once("://")?;
    format(scheme).filter(|format| format.scheme)
}

/// The format of objects in a bucket, which takes everything.
pub const BUCKET: &Format = &s3::FORMAT;

/// The format of the same fragments outside of AWS.
#[must_use]
pub fn unwrapped(format: &'static Format) -> &'static Format {
    let lines = format.frame == Frame::LINES;
    match format.scheme {
        true if lines => self::format(ndjson::FORMAT.name).unwrap_or(DEFAULT),
        true => DEFAULT,
        false => format,
    }
}

/// The format whose fragments show people what the payloads of a format hold: another one where those are not text.
#[must_use]
pub fn shown(written: &'static Format) -> &'static Format {
    match written.name {
        "otlp" => &otlp::JSON,
        _ => written,
    }
}

/// The format of a name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, host, expected) in [
            ("api.x.io", "api.x.io", true),
            ("api.x.io", "api.x.io.evil", false),
            ("api.*.x.io", "api.eu.x.io", true),
            ("api.*.x.io", "api.x.io", false),
            ("api.*.x.io", "apix.eu.x.io", false),
            ("*.x.io", "a.b.x.io", true),
            ("*.x.io", "x.io", false),
            ("*.x.io", "a.x.io.evil", false),
            ("otlp*", "otlp", true),
            ("otlp*", "otlp-eu.x", true),
            ("otlp*", "an-otlp", false),
            (
                "logs.*.amazonaws.com*",
                "logs.eu-west-1.amazonaws.com",
                true,
            ),
            ("logs.*.amazonaws.com*", "logs.eu.amazonaws.com.cn", true),
            ("in.*coralogix*", "in.eu2.coralogix.com", true),
            ("in.*coralogix*", "in.coralogix.in", true),
            ("in.*coralogix*", "in.com", false),
            ("*a*a", "a", false),
            ("*a*a", "aa", true),
        ] {
            assert_eq!(is_like(host, pattern), expected, "{host} {pattern}");
        }
    }
}
