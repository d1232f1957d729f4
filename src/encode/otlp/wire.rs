//! The fields of OpenTelemetry's messages as bytes: protobuf, or the JSON that protobuf messages have.
//!
//! It knows how a field is written and not which ones there are; JSON itself is read in [`value`](super::value).

use std::borrow::Cow;

use super::super::object;
use super::super::quote::text;
use super::super::room::{Room, digits, lend, store};
use super::super::walk::Quoted;
use super::{hex, value};
use crate::parse;

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
const ARRAY: Field = Field(5, "\"arrayValue\":");
/// Of a value: several with names.
const FIELDS: Field = Field(6, "\"kvlistValue\":");
/// Of several values: each.
pub(super) const VALUES: Field = Field(1, "\"values\":");

/// What a name with a text takes in JSON where protobuf has lengths of one byte for it, and what is put behind it.
const TEXT_PAIR_BYTES: usize = 0x7f + 38 + 16;

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

    /// A field that was written before, alone.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn part(&mut self, field: &[u8]) {
        if self.json {
            self.comma();
        }
        self.copy(field);
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
        if !matches!(self.room.last(), None | Some(b'{' | b'[')) {
            self.room.put(*b",");
        }
    }

    /// What stands before a field's value in protobuf.
    #[inline(always)]
    fn tag(&mut self, field: &Field, kind: u8) {
        self.room.put([field.0 << 3 | kind]);
    }

    /// A number in protobuf.
    #[cfg_attr(brooklet_hot, optimize(speed))]
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
    #[cfg_attr(brooklet_hot, optimize(speed))]
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
            self.comma();
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
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn open_values(&mut self, names: bool, bytes: usize) -> Mark {
        match (self.json, names) {
            (false, true) => return self.open_first(&FIELDS, bytes),
            (false, false) => return self.open_first(&ARRAY, bytes),
            (true, true) => self.room.put(*b"\"kvlistValue\":{\"values\":["),
            (true, false) => self.room.put(*b"\"arrayValue\":{\"values\":["),
        }
        Mark(0, 0)
    }

    /// Ends them.
    #[inline(always)]
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
            self.room.put(*b"[");
        }
    }

    /// Ends a list.
    pub(super) fn end_list(&mut self) {
        if self.json {
            self.room.put(*b"]");
        }
    }

    /// A time, if there is one.
    #[cfg_attr(brooklet_hot, optimize(speed))]
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
        let whole = ns.is_multiple_of(1_000_000);
        let (digits, from) = digits(if whole { ns / 1_000_000 } else { ns });
        let Some(room) = self.room.next::<48>() else {
            return;
        };
        room[0] = b'"';
        store(room, 1, digits);
        room.copy_within(1 + from..21, 1);
        let at = 21 - from;
        store(room, at, *b"000000\"");
        let at = if whole { at + 7 } else { at + 1 };
        store(room, at - 1, *b"\"");
        self.room.take(at);
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

    /// A trace's or a span's id, eight digits a word.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn id(&mut self, field: &Field, digits: &[u64]) {
        if self.json {
            self.name(field);
            self.room.put(*b"\"");
            for eight in digits {
                self.room.put(eight.to_be_bytes());
            }
            self.room.put(*b"\"");
        } else {
            self.begin(field, 4 * digits.len());
            for eight in digits {
                self.room.put(hex::bytes(*eight));
            }
        }
    }

    /// The inside of a JSON string.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn text(&mut self, field: &Field, inside: &str) {
        if self.json {
            self.name(field);
            self.room.put(*b"\"");
            self.copy(inside.as_bytes());
            self.room.put(*b"\"");
        } else if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
            self.begin(field, inside.len());
            self.copy(inside.as_bytes());
        } else {
            let mark = self.open_first(field, inside.len());
            text(&mut self.room, inside);
            self.close(mark);
        }
    }

    /// Plain text.
    #[cfg_attr(brooklet_hot, optimize(speed))]
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

    /// A value.
    pub(super) fn value(&mut self, field: &Field, value: &Any<'_>) {
        let bytes = match value {
            // As it is without escapes, with what stands before it.
            Any::Text(text) => 1 + length(text.len()) + text.len(),
            // As nearly all are.
            Any::Json(json) if json.len() > 0x7f => json.len(),
            _ => 0,
        };
        let message = self.open(field, bytes);
        self.any(value);
        self.close(message);
    }

    /// One of several values with names; a name that no JSON need escape.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn pair(&mut self, list: &Field, key: &str, value: &Any<'_>) {
        let text = match *value {
            Any::Clean(text) => Some(text),
            Any::Text(text) if self.json => Some(text),
            Any::Plain(text) if !self.json => Some(text),
            Any::Text(text) if memchr::memchr(b'\\', text.as_bytes()).is_none() => Some(text),
            _ => None,
        };
        let begun = text.filter(|text| self.begin_text(list, key, text.len()));
        if let Some(text) = begun {
            self.copy(text.as_bytes());
            self.end_text();
        } else if !self.short_pair(list, key, value) {
            self.long_pair(list, key, value);
        }
    }

    /// A name with a text, both read just now: what most JSON is.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn text_pair(&mut self, key: Quoted<'_>, text: Quoted<'_>) {
        let (key_bytes, text_bytes) = (key.count(), text.count());
        let bytes = key_bytes + text_bytes + 6;
        if bytes > 0x7f || key_bytes == 0 || !(self.json || key.plain && text.plain) {
            return self.long_pair(&VALUES, key.inside(), &value::text(text));
        }
        let comma = self.json && !matches!(self.room.last(), None | Some(b'{' | b'['));
        let Some(room) = self.room.next::<TEXT_PAIR_BYTES>() else {
            return;
        };
        let at = if self.json {
            room[0] = b',';
            let from = usize::from(comma);
            store(room, from, *b"{\"key\":\"");
            let at = lend(room, from + 8, key.rest(), key_bytes);
            store(room, at, *b"\",\"value\":{\"stringValue\":\"");
            let at = lend(room, at + 26, text.rest(), text_bytes);
            store(room, at, *b"\"}}");
            at + 3
        } else {
            let (item, name) = (VALUES.0 << 3 | BYTES, KEY.0 << 3 | BYTES);
            store(room, 0, [item, small(bytes), name, small(key_bytes)]);
            let at = lend(room, 4, key.rest(), key_bytes);
            let (value, string) = (VALUE.0 << 3 | BYTES, STRING.0 << 3 | BYTES);
            store(
                room,
                at,
                [value, small(text_bytes + 2), string, small(text_bytes)],
            );
            lend(room, at + 4, text.rest(), text_bytes)
        };
        self.room.take(at);
    }

    /// Begins a pair whose value is text of so many bytes, which comes next; `false` if it would take more than its lengths have here.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn begin_text(&mut self, list: &Field, key: &str, bytes: usize) -> bool {
        if self.json {
            self.comma();
            self.room.put(*b"{\"key\":\"");
            self.copy(key.as_bytes());
            self.room.put(*b"\",\"value\":{\"stringValue\":\"");
            return true;
        }
        self.short(list, key, [STRING.0 << 3 | BYTES, small(bytes)], bytes)
    }

    /// Ends such a pair.
    #[inline(always)]
    pub(super) fn end_text(&mut self) {
        if self.json {
            self.room.put(*b"\"}}");
        }
    }

    /// The same where what [`begin_text`](Self::begin_text) writes for no bytes was written before.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn begin_known(&mut self, head: &[u8], bytes: usize) -> bool {
        if self.json {
            self.comma();
            self.copy(head);
            return true;
        }
        let all = head.len() + bytes - 2;
        if all > 0x7f {
            return false;
        }
        let from = self.room.at();
        self.copy(head);
        let end = self.room.at();
        self.room.set(from + 1, small(all));
        self.room.set(end - 3, small(bytes + 2));
        self.room.set(end - 1, small(bytes));
        true
    }

    /// A pair whose beginning was written before and whose value is the inside of a JSON string.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn known(&mut self, list: &Field, (key, head): (&str, &[u8]), inside: &str) {
        let plain = self.json || memchr::memchr(b'\\', inside.as_bytes()).is_none();
        if plain && self.begin_known(head, inside.len()) {
            self.copy(inside.as_bytes());
            self.end_text();
        } else {
            self.long_pair(list, key, &Any::Text(inside));
        }
    }

    /// The same of a record's id, which has two parts.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn uid(&mut self, list: &Field, (key, head): (&str, &[u8]), parts: (&str, u64)) {
        let (environment, sequence) = parts;
        let (digits, from) = digits(sequence);
        let digits = digits.get(from..).unwrap_or_default();
        if self.begin_known(head, environment.len() + 1 + digits.len()) {
            self.copy(environment.as_bytes());
            self.room.put(*b"-");
            self.copy(digits);
            self.end_text();
        } else {
            let id = format!("{environment}-{sequence}");
            self.long_pair(list, key, &Any::Clean(&id));
        }
    }

    /// The same for any name, as the inside of a JSON string.
    pub(super) fn long_pair(&mut self, list: &Field, key: &str, value: &Any<'_>) {
        let marks = self.open_pair(list, key);
        self.any(value);
        self.close_pair(marks);
    }

    /// Writes a pair whose lengths take a byte each and whose value is a number, as nearly all are; `false` if it is not such.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn short_pair(&mut self, list: &Field, key: &str, value: &Any<'_>) -> bool {
        let (field, mut rest) = match *value {
            Any::Bool(truth) => (&BOOL, u64::from(truth)),
            Any::Int(number) => (&INT, number.cast_unsigned()),
            _ => return false,
        };
        if self.json {
            let Any::Int(0..) = value else {
                return false;
            };
            self.comma();
            self.room.put(*b"{\"key\":\"");
            self.copy(key.as_bytes());
            self.room.put(*b"\",\"value\":{\"intValue\":\"");
            self.decimal(rest);
            self.room.put(*b"\"}}");
            return true;
        }
        let (mut bytes, mut count) = ([0; 10], 0);
        for byte in &mut bytes {
            *byte = rest.to_le_bytes()[0] | 0x80;
            count += 1;
            rest >>= 7;
            if rest == 0 {
                *byte &= 0x7f;
                break;
            }
        }
        let [first, more @ ..] = bytes;
        let begun = self.short(list, key, [field.0 << 3 | VARINT, first], count - 1);
        if begun && count > 1 {
            if let Some(place) = self.room.next() {
                *place = more;
            }
            self.room.take(count - 1);
        }
        begun
    }

    /// Writes a pair in protobuf up to the first two bytes of its value, behind which come so many; `false` if that is too much.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn short(&mut self, list: &Field, key: &str, [tag, first]: [u8; 2], more: usize) -> bool {
        let bytes = key.len() + more + 6;
        // Protobuf leaves out what is as good as nothing.
        if bytes > 0x7f || key.is_empty() {
            return false;
        }
        let (item, name) = (list.0 << 3 | BYTES, KEY.0 << 3 | BYTES);
        self.room.put([item, small(bytes), name, small(key.len())]);
        self.copy(key.as_bytes());
        self.room
            .put([VALUE.0 << 3 | BYTES, small(more + 2), tag, first]);
        true
    }

    /// Begins a pair; its value comes next.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn open_pair(&mut self, list: &Field, key: &str) -> [Mark; 2] {
        if self.json {
            self.comma();
            self.room.put(*b"{\"key\":\"");
            self.copy(key.as_bytes());
            self.room.put(*b"\",\"value\":{");
            return [Mark(0, 0); 2];
        }
        let item = Mark(self.room.at() + 2, 1);
        let is_short = key.len() <= 0x7f && memchr::memchr(b'\\', key.as_bytes()).is_none();
        if is_short && !key.is_empty() {
            let (list, name) = (list.0 << 3 | BYTES, KEY.0 << 3 | BYTES);
            self.room.put([list, 0, name, small(key.len())]);
            self.copy(key.as_bytes());
        } else {
            self.room.put([list.0 << 3 | BYTES, 0]);
            // Protobuf leaves out what is as good as nothing.
            if !key.is_empty() {
                self.text(&KEY, key);
            }
        }
        self.room.put([VALUE.0 << 3 | BYTES, 0]);
        [item, Mark(self.room.at(), 1)]
    }

    /// Ends a pair.
    pub(super) fn close_pair(&mut self, [item, value]: [Mark; 2]) {
        if self.json {
            return self.room.put(*b"}}");
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
                self.room.put([u8::from(*truth)]);
            }
            Any::Int(number) if self.json => {
                self.name(&INT);
                self.copy(if *number < 0 { b"\"-" } else { b"\"" });
                self.decimal(number.unsigned_abs());
                self.room.put(*b"\"");
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
                self.room.put(number.to_le_bytes());
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
