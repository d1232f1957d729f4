//! The fields of OpenTelemetry's messages as bytes: protobuf, or the JSON that protobuf messages have.
//!
//! It knows how a field is written and not which ones there are; JSON itself is read in [`value`](super::value).

use std::borrow::Cow;

use super::super::object;
use super::value;
use crate::parse;
use crate::process::Record;

/// A field of a message: its number in protobuf, and its name in JSON with quotes and colon.
#[derive(Debug)]
pub(super) struct Field(pub(super) u8, pub(super) &'static str);

/// Protobuf's kinds of values: a number, eight bytes, and bytes with their length before them.
const VARINT: u8 = 0;
/// Eight bytes.
const FIXED64: u8 = 1;
/// A length and so many bytes.
const BYTES: u8 = 2;

/// Of a name with a value.
const KEY: Field = Field(1, "\"key\":");
/// Of a name with a value.
const VALUE: Field = Field(2, "\"value\":");
/// Of a value.
const STRING: Field = Field(1, "\"stringValue\":");
/// Of a value.
const BOOL: Field = Field(2, "\"boolValue\":");
/// Of a value.
const INT: Field = Field(3, "\"intValue\":");
/// Of a value.
const DOUBLE: Field = Field(4, "\"doubleValue\":");
/// Of a value: several without names.
pub(super) const ARRAY: Field = Field(5, "\"arrayValue\":");
/// Of a value: several with names.
pub(super) const FIELDS: Field = Field(6, "\"kvlistValue\":");
/// Of several values: each.
pub(super) const VALUES: Field = Field(1, "\"values\":");

/// What a value may be.
#[derive(Debug)]
pub(super) enum Any<'a> {
    /// Nothing: `null`.
    Empty,
    /// The inside of a JSON string without escapes.
    Clean(&'a str),
    /// The inside of a JSON string.
    Text(&'a str),
    /// Plain text.
    Plain(&'a str),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number, and its JSON.
    Double(f64, &'a str),
    /// JSON.
    Json(&'a str),
    /// Names and JSON.
    Fields(&'a [(Cow<'a, str>, Cow<'a, str>)]),
    /// A record's id.
    Id(&'a Record<'a>),
}

/// Where a message that is being written began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(usize);

/// Writes fields.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    /// JSON instead of protobuf.
    json: bool,
    /// Where they go.
    out: &'a mut Vec<u8>,
}

impl<'a> Wire<'a> {
    /// Writes behind what is there.
    pub(super) fn new(json: bool, out: &'a mut Vec<u8>) -> Self {
        Self { json, out }
    }

    /// Bytes as they are.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// What stands before a field's value in JSON.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn name(&mut self, field: &Field) {
        self.comma();
        self.copy(field.1.as_bytes());
    }

    /// A comma in JSON, but before the first of an object or a list.
    #[inline(always)]
    fn comma(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    /// What stands before a field's value in protobuf.
    fn tag(&mut self, field: &Field, kind: u8) {
        self.out.push(field.0 << 3 | kind);
    }

    /// A number in protobuf.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.out.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.out.push(number.to_le_bytes()[0]);
    }

    /// What stands before a field of so many bytes in protobuf.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn begin(&mut self, field: &Field, bytes: usize) {
        self.tag(field, BYTES);
        self.varint(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Begins a message that stands for itself in JSON.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn open_first(&mut self, field: &Field) -> Mark {
        if self.json {
            self.out.push(b'{');
        } else {
            self.begin(field, 0);
        }
        Mark(self.out.len())
    }

    /// Begins a message that is an element of a list.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn open_item(&mut self, field: &Field) -> Mark {
        if self.json {
            self.comma();
        }
        self.open_first(field)
    }

    /// Begins a message that is a field.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn open(&mut self, field: &Field) -> Mark {
        if self.json {
            self.name(field);
        }
        self.open_first(field)
    }

    /// Ends a message.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn close(&mut self, Mark(from): Mark) {
        if self.json {
            self.out.push(b'}');
            return;
        }
        // One byte was left for the length; most messages need no more.
        let end = self.out.len();
        let mut rest = end - from;
        let more = length(rest) - 1;
        if more > 0 {
            self.out.resize(end + more, 0);
            self.out.copy_within(from..end, from + more);
        }
        for byte in self.out.iter_mut().skip(from - 1).take(more) {
            *byte = low_bits(rest) | 0x80;
            rest >>= 7;
        }
        if let Some(last) = self.out.get_mut(from - 1 + more) {
            *last = low_bits(rest);
        }
    }

    /// Begins a list.
    pub(super) fn list(&mut self, field: &Field) {
        if self.json {
            self.name(field);
            self.out.push(b'[');
        }
    }

    /// Ends a list.
    pub(super) fn end_list(&mut self) {
        if self.json {
            self.out.push(b']');
        }
    }

    /// A time, if there is one.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn nanoseconds(&mut self, field: &Field, ns: u64) {
        if ns == 0 {
            return;
        }
        if self.json {
            self.name(field);
            self.out.push(b'"');
            // Whole milliseconds, as nearly all are, in fewer divisions.
            if ns.is_multiple_of(1_000_000) {
                object::decimal(self.out, ns / 1_000_000);
                self.copy(b"000000");
            } else {
                object::decimal(self.out, ns);
            }
            self.out.push(b'"');
        } else {
            self.tag(field, FIXED64);
            self.copy(&ns.to_le_bytes());
        }
    }

    /// A small number.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn number(&mut self, field: &Field, number: u8) {
        if self.json {
            self.name(field);
            object::decimal(self.out, u64::from(number));
        } else {
            self.tag(field, VARINT);
            self.varint(u64::from(number));
        }
    }

    /// A trace's or a span's id.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn id(&mut self, field: &Field, id: &[u8]) {
        if !self.json {
            self.begin(field, id.len());
            return self.copy(id);
        }
        self.name(field);
        let digit = |half: u8| {
            if half < 10 {
                b'0' + half
            } else {
                b'a' - 10 + half
            }
        };
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(id) {
            if let [high, low] = pair {
                (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
            }
        }
        self.out.push(b'"');
        self.copy(text.get(..2 * id.len()).unwrap_or_default());
        self.out.push(b'"');
    }

    /// The inside of a JSON string.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn text(&mut self, field: &Field, inside: &str) {
        if self.json {
            self.name(field);
            self.out.push(b'"');
            self.copy(inside.as_bytes());
            self.out.push(b'"');
        } else if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
            self.begin(field, inside.len());
            self.copy(inside.as_bytes());
        } else {
            let mark = self.open_first(field);
            parse::plain_to(inside, &mut |piece| self.copy(piece.as_bytes()));
            self.close(mark);
        }
    }

    /// Plain text.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn plain(&mut self, field: &Field, text: &str) {
        if self.json {
            self.name(field);
            object::string(self.out, text);
        } else {
            self.begin(field, text.len());
            self.copy(text.as_bytes());
        }
    }

    /// A value.
    pub(super) fn value(&mut self, field: &Field, value: &Any<'_>) {
        let message = self.open(field);
        self.any(value);
        self.close(message);
    }

    /// One of several values with names; a name that no JSON need escape.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn pair(&mut self, list: &Field, key: &str, value: &Any<'_>) {
        match value {
            Any::Text(inside) | Any::Clean(inside) if self.json => self.text_pair(key, inside),
            _ if self.json || !self.short_pair(list, key, value) => {
                self.long_pair(list, key, value);
            }
            _ => {}
        }
    }

    /// A name with a text in JSON, in as few pieces as there are.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn text_pair(&mut self, key: &str, inside: &str) {
        self.comma();
        for piece in [
            "{\"key\":\"",
            key,
            "\",\"value\":{\"stringValue\":\"",
            inside,
            "\"}}",
        ] {
            self.copy(piece.as_bytes());
        }
    }

    /// The same for any name, as the inside of a JSON string.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn long_pair(&mut self, list: &Field, key: &str, value: &Any<'_>) {
        let marks = self.open_pair(list, key);
        self.any(value);
        self.close_pair(marks);
    }

    /// Writes a pair whose lengths are known and take a byte each, as nearly all do; `false` if it is not such.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn short_pair(&mut self, list: &Field, key: &str, value: &Any<'_>) -> bool {
        let (tag, byte, text) = match *value {
            Any::Text(text) if memchr::memchr(b'\\', text.as_bytes()).is_none() => {
                (STRING.0 << 3 | BYTES, text.len(), text)
            }
            Any::Clean(text) | Any::Plain(text) => (STRING.0 << 3 | BYTES, text.len(), text),
            Any::Bool(truth) => (BOOL.0 << 3 | VARINT, usize::from(truth), ""),
            Any::Int(number @ 0..=127) => (
                INT.0 << 3 | VARINT,
                usize::try_from(number).unwrap_or(0),
                "",
            ),
            _ => return false,
        };
        let bytes = key.len() + text.len() + 6;
        if bytes > 0x7f || key.is_empty() {
            return false;
        }
        let small = |number: usize| u8::try_from(number).unwrap_or(0);
        let before = [
            list.0 << 3 | BYTES,
            small(bytes),
            KEY.0 << 3 | BYTES,
            small(key.len()),
        ];
        let between = [
            VALUE.0 << 3 | BYTES,
            small(text.len() + 2),
            tag,
            small(byte),
        ];
        for piece in [&before[..], key.as_bytes(), &between[..], text.as_bytes()] {
            self.copy(piece);
        }
        true
    }

    /// Begins a pair; its value comes next.
    pub(super) fn open_pair(&mut self, list: &Field, key: &str) -> [Mark; 2] {
        if self.json {
            self.comma();
            self.copy(b"{\"key\":\"");
            self.copy(key.as_bytes());
            self.copy(b"\",\"value\":{");
            return [Mark(0); 2];
        }
        let item = self.open_first(list);
        // Protobuf leaves out what is as good as nothing.
        if !key.is_empty() {
            self.text(&KEY, key);
        }
        [item, self.open_first(&VALUE)]
    }

    /// Ends a pair.
    pub(super) fn close_pair(&mut self, [item, value]: [Mark; 2]) {
        if self.json {
            return self.copy(b"}}");
        }
        self.close(value);
        self.close(item);
    }

    /// What is in a value.
    pub(super) fn any(&mut self, value: &Any<'_>) {
        match value {
            Any::Empty => {}
            Any::Clean(text) if !self.json => self.plain(&STRING, text),
            Any::Clean(inside) | Any::Text(inside) => self.text(&STRING, inside),
            Any::Plain(text) => self.plain(&STRING, text),
            Any::Bool(truth) if self.json => {
                self.name(&BOOL);
                self.copy(if *truth { b"true" } else { b"false" });
            }
            Any::Bool(truth) => {
                self.tag(&BOOL, VARINT);
                self.out.push(u8::from(*truth));
            }
            Any::Int(number) if self.json => {
                self.name(&INT);
                self.copy(if *number < 0 { b"\"-" } else { b"\"" });
                object::decimal(self.out, number.unsigned_abs());
                self.out.push(b'"');
            }
            Any::Int(number) => {
                self.tag(&INT, VARINT);
                self.varint(number.cast_unsigned());
            }
            Any::Double(_, json) if self.json => {
                self.name(&DOUBLE);
                self.copy(json.as_bytes());
            }
            Any::Double(number, _) => {
                self.tag(&DOUBLE, FIXED64);
                self.copy(&number.to_le_bytes());
            }
            Any::Json(json) => value::write(self, json),
            Any::Fields(fields) => {
                let message = self.open(&FIELDS);
                self.list(&VALUES);
                for (name, json) in *fields {
                    let mut key = String::new();
                    parse::escape(&mut key, name);
                    self.long_pair(&VALUES, &key, &Any::Json(json));
                }
                self.end_list();
                self.close(message);
            }
            Any::Id(record) => {
                let mark = if self.json {
                    self.name(&STRING);
                    self.out.push(b'"');
                    None
                } else {
                    Some(self.open_first(&STRING))
                };
                object::record_id(self.out, record);
                match mark {
                    Some(mark) => self.close(mark),
                    None => self.out.push(b'"'),
                }
            }
        }
    }
}

/// The seven lowest bits of a number.
fn low_bits(number: usize) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

/// The bytes that a number takes in protobuf.
pub(super) fn length(number: usize) -> usize {
    let mut bytes = 1;
    let mut rest = number >> 7;
    while rest > 0 {
        bytes += 1;
        rest >>= 7;
    }
    bytes
}
