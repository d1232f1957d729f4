//! The fields of OpenTelemetry's messages as bytes: protobuf, or the JSON that protobuf messages have.
//!
//! It knows how a field is written and not which ones there are; JSON itself is read in [`value`](super::value).

mod pair;

use std::borrow::Cow;

use super::super::object;
use super::super::quote::text;
use super::super::room::{Room, digits};
use super::{hex, value};
use crate::parse;

/// A field of a message: its number in protobuf, and what stands before its value in JSON, with a comma.
#[derive(Debug)]
pub(super) struct Field(pub(super) u8, pub(super) &'static str);

/// Protobuf's kinds of values: a number, eight bytes, and bytes with their length before them.
const VARINT: u8 = 0;
/// Eight bytes.
const FIXED64: u8 = 1;
/// A length and so many bytes.
const BYTES: u8 = 2;

/// Of a name with a value.
const KEY: Field = Field(1, ",\"key\":");
/// Of a name with a value.
const VALUE: Field = Field(2, ",\"value\":");
/// Of a value.
const STRING: Field = Field(1, ",\"stringValue\":");
/// Of a value.
const BOOL: Field = Field(2, ",\"boolValue\":");
/// Of a value.
const INT: Field = Field(3, ",\"intValue\":");
/// Of a value.
const DOUBLE: Field = Field(4, ",\"doubleValue\":");
/// Of a value: several without names.
const ARRAY: Field = Field(5, ",\"arrayValue\":");
/// Of a value: several with names.
const FIELDS: Field = Field(6, ",\"kvlistValue\":");
/// Of several values: each.
pub(super) const VALUES: Field = Field(1, ",\"values\":");

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
}

/// Where a message that is being written began, and the bytes that were left for its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(usize, usize);

/// Writes fields.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    /// JSON instead of protobuf.
    json: bool,
    /// Where they go.
    room: Room<'a>,
}

impl<'a> Wire<'a> {
    /// Writes behind what is there.
    pub(super) fn new(json: bool, out: &'a mut Vec<u8>) -> Self {
        let room = Room::new(out);
        Self { json, room }
    }

    /// Bytes as they are.
    #[inline(always)]
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.room.copy(bytes);
    }

    /// A field that was written before, alone; in JSON with a comma.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn part(&mut self, field: &[u8]) {
        if self.json {
            self.item(field);
        } else {
            self.copy(field);
        }
    }

    /// What stands before a field's value in JSON.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn name(&mut self, field: &Field) {
        self.item(field.1.as_bytes());
    }

    /// What begins with a comma in JSON, without it where it is the first of an object or a list.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn item(&mut self, text: &[u8]) {
        let first = matches!(self.room.last(), None | Some(b'{' | b'['));
        self.copy(text.get(usize::from(first)..).unwrap_or_default());
    }

    /// What stands before a field's value in protobuf.
    fn tag(&mut self, field: &Field, kind: u8) {
        self.room.put([field.0 << 3 | kind]);
    }

    /// A number in protobuf.
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.room.put([number.to_le_bytes()[0] | 0x80]);
            number >>= 7;
        }
        self.room.put([number.to_le_bytes()[0]]);
    }

    /// What stands before a field of so many bytes in protobuf.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn begin(&mut self, field: &Field, bytes: usize) {
        self.tag(field, BYTES);
        self.varint(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Begins a message that stands for itself in JSON, and takes about so many bytes in protobuf.
    pub(super) fn open_first(&mut self, field: &Field, bytes: usize) -> Mark {
        if self.json {
            self.room.put(*b"{");
            return Mark(0, 0);
        }
        let wide = length(bytes);
        let mut head = [0; 12];
        head[0] = field.0 << 3 | BYTES;
        self.room.put(head);
        self.room.back(11 - wide);
        Mark(self.room.at(), wide)
    }

    /// Begins a message that is an element of a list.
    pub(super) fn open_item(&mut self, field: &Field) -> Mark {
        if self.json {
            self.item(b",");
        }
        self.open_first(field, 0)
    }

    /// Begins a message that is a field.
    pub(super) fn open(&mut self, field: &Field, bytes: usize) -> Mark {
        if self.json {
            self.name(field);
        }
        self.open_first(field, bytes)
    }

    /// Begins the values that are all of a value, with names or without, which take about so many bytes in protobuf.
    pub(super) fn open_values(&mut self, names: bool, bytes: usize) -> Mark {
        match (self.json, names) {
            (false, true) => return self.open_first(&FIELDS, bytes),
            (false, false) => return self.open_first(&ARRAY, bytes),
            (true, true) => self.copy(b"\"kvlistValue\":{\"values\":["),
            (true, false) => self.copy(b"\"arrayValue\":{\"values\":["),
        }
        Mark(0, 0)
    }

    /// Ends them.
    pub(super) fn close_values(&mut self, mark: Mark) {
        if self.json {
            return self.room.put(*b"]}");
        }
        self.close(mark);
    }

    /// Ends a message.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn close(&mut self, Mark(from, left): Mark) {
        if self.json {
            return self.room.put(*b"}");
        }
        let bytes = self.room.at() - from;
        if left == 1 && bytes <= 0x7f {
            self.room.set(from - 1, small(bytes));
        } else if left == 2 && (0x80..=0x3fff).contains(&bytes) {
            self.room.set(from - 2, small(bytes) | 0x80);
            self.room.set(from - 1, small(bytes >> 7));
        } else {
            self.close_long(from, left, bytes);
        }
    }

    /// Ends a message of so many bytes whose length may take others than were left for it.
    #[inline(never)]
    fn close_long(&mut self, from: usize, left: usize, bytes: usize) {
        let wide = length(bytes);
        if wide != left {
            self.room.shift(from, from - left + wide);
        }
        let mut rest = bytes;
        for at in 1..=wide {
            let more = if at < wide { 0x80 } else { 0 };
            self.room
                .set(from - left + at - 1, small(rest & 0x7f) | more);
            rest >>= 7;
        }
    }

    /// Begins a list.
    pub(super) fn list(&mut self, field: &Field) {
        if self.json {
            self.name(field);
            self.copy(b"[");
        }
    }

    /// Ends a list.
    pub(super) fn end_list(&mut self) {
        if self.json {
            self.copy(b"]");
        }
    }

    /// A time, if there is one; the field's name has the first quote.
    pub(super) fn nanoseconds(&mut self, field: &Field, ns: u64) {
        if ns == 0 {
            return;
        }
        if !self.json {
            self.tag(field, FIXED64);
            return self.room.put(ns.to_le_bytes());
        }
        self.name(field);
        // Whole milliseconds, as nearly all are, in fewer divisions.
        if ns.is_multiple_of(1_000_000) {
            self.decimal(ns / 1_000_000);
            self.copy(b"000000\"");
        } else {
            self.decimal(ns);
            self.copy(b"\"");
        }
    }

    /// A number in decimal.
    fn decimal(&mut self, number: u64) {
        let (digits, from) = digits(number);
        self.copy(digits.get(from..).unwrap_or_default());
    }

    /// A small number.
    pub(super) fn number(&mut self, field: &Field, number: u8) {
        if self.json {
            self.name(field);
            self.decimal(u64::from(number));
        } else {
            self.tag(field, VARINT);
            self.varint(u64::from(number));
        }
    }

    /// A trace's or a span's id, eight digits a word; the field's name has the first quote.
    pub(super) fn id(&mut self, field: &Field, digits: &[u64]) {
        if self.json {
            self.name(field);
            for eight in digits {
                self.room.put(eight.to_be_bytes());
            }
            self.copy(b"\"");
        } else {
            self.begin(field, 4 * digits.len());
            for eight in digits {
                self.room.put(hex::bytes(*eight));
            }
        }
    }

    /// The inside of a JSON string.
    pub(super) fn text(&mut self, field: &Field, inside: &str) {
        if self.json {
            self.name(field);
            self.copy(b"\"");
            self.copy(inside.as_bytes());
            self.copy(b"\"");
        } else if !is_escaped(inside) {
            self.begin(field, inside.len());
            self.copy(inside.as_bytes());
        } else {
            let mark = self.open_first(field, inside.len());
            text(&mut self.room, inside);
            self.close(mark);
        }
    }

    /// Plain text.
    pub(super) fn plain(&mut self, field: &Field, text: &str) {
        if self.json {
            self.name(field);
            let mut quoted = Vec::new();
            object::string(&mut quoted, text);
            self.copy(&quoted);
        } else {
            self.begin(field, text.len());
            self.copy(text.as_bytes());
        }
    }

    /// A value; the field's name has the brace.
    pub(super) fn value(&mut self, field: &Field, value: &Any<'_>) {
        let bytes = match value {
            // As it is without escapes, with what stands before it.
            Any::Text(text) => 1 + length(text.len()) + text.len(),
            // As nearly all are.
            Any::Json(json) if json.len() > 0x7f => json.len(),
            _ => 0,
        };
        let message = if self.json {
            self.name(field);
            Mark(0, 0)
        } else {
            self.open_first(field, bytes)
        };
        self.any(value);
        self.close(message);
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
                self.copy(&[u8::from(*truth)]);
            }
            Any::Int(number) if self.json => {
                self.name(&INT);
                self.copy(if *number < 0 { b"\"-" } else { b"\"" });
                self.decimal(number.unsigned_abs());
                self.copy(b"\"");
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
                let message = self.open_values(true, 0);
                for (name, json) in *fields {
                    let mut key = String::new();
                    parse::escape(&mut key, name);
                    self.long_pair(&VALUES, &key, &Any::Json(json));
                }
                self.close_values(message);
            }
        }
    }
}

/// Whether there are escapes in the inside of a JSON string.
#[inline(never)]
fn is_escaped(inside: &str) -> bool {
    memchr::memchr(b'\\', inside.as_bytes()).is_some()
}

/// A number of which one byte is enough.
fn small(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

/// The bytes that a number takes in protobuf.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn length(number: usize) -> usize {
    let mut bytes = 1;
    let mut rest = number >> 7;
    while rest > 0 {
        bytes += 1;
        rest >>= 7;
    }
    bytes
}
