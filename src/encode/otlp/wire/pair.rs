//! Names with values, which most of a record are: in as few pieces as what is known of them allows.
//!
//! It must write the same bytes whichever way a pair takes.

use super::super::super::room::{digits, lend, store};
use super::super::super::walk::Quoted;
use super::super::value;
use super::{
    Any, BOOL, BYTES, Field, INT, KEY, Mark, STRING, VALUE, VALUES, VARINT, Wire, is_escaped, small,
};

/// What a name with a text takes in JSON where protobuf has lengths of one byte for it, and what is put behind it.
const TEXT_PAIR_BYTES: usize = 0x7f + 38 + 16;

impl Wire<'_> {
    /// One of several values with names; a name that no JSON need escape.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(in super::super) fn pair(&mut self, list: &Field, key: &str, value: &Any<'_>) {
        let text = match *value {
            Any::Clean(text) => Some(text),
            Any::Text(text) if self.json => Some(text),
            Any::Plain(text) if !self.json => Some(text),
            Any::Text(text) if !is_escaped(text) => Some(text),
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
    pub(in super::super) fn text_pair(&mut self, key: Quoted<'_>, text: Quoted<'_>) {
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
            from + 8
        } else {
            let (item, name) = (VALUES.0 << 3 | BYTES, KEY.0 << 3 | BYTES);
            store(room, 0, [item, small(bytes), name, small(key_bytes)]);
            4
        };
        let mut at = lend(room, at, key.rest(), key_bytes);
        if self.json {
            store(room, at, *b"\",\"value\":{\"stringValue\":\"");
            at += 26;
        } else {
            let (value, string) = (VALUE.0 << 3 | BYTES, STRING.0 << 3 | BYTES);
            store(
                room,
                at,
                [value, small(text_bytes + 2), string, small(text_bytes)],
            );
            at += 4;
        }
        at = lend(room, at, text.rest(), text_bytes);
        if self.json {
            store(room, at, *b"\"}}");
            at += 3;
        }
        self.room.take(at);
    }

    /// Begins a pair whose value is text of so many bytes, which comes next; `false` if it would take more than its lengths have here.
    pub(in super::super) fn begin_text(&mut self, list: &Field, key: &str, bytes: usize) -> bool {
        if self.json {
            self.item(b",{\"key\":\"");
            self.copy(key.as_bytes());
            self.copy(b"\",\"value\":{\"stringValue\":\"");
            return true;
        }
        self.short(list, key, [STRING.0 << 3 | BYTES, small(bytes)], bytes)
    }

    /// Ends such a pair.
    pub(in super::super) fn end_text(&mut self) {
        if self.json {
            self.room.put(*b"\"}}");
        }
    }

    /// The same where what [`begin_text`](Self::begin_text) writes for no bytes was written before.
    fn begin_known(&mut self, head: &[u8], bytes: usize) -> bool {
        if self.json {
            self.item(head);
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
    pub(in super::super) fn known(
        &mut self,
        list: &Field,
        (key, head): (&str, &[u8]),
        inside: &str,
    ) {
        let plain = self.json || !is_escaped(inside);
        if plain && self.begin_known(head, inside.len()) {
            self.copy(inside.as_bytes());
            self.end_text();
        } else {
            self.long_pair(list, key, &Any::Text(inside));
        }
    }

    /// The same of a record's id, which has two parts.
    pub(in super::super) fn uid(
        &mut self,
        list: &Field,
        (key, head): (&str, &[u8]),
        parts: (&str, u64),
    ) {
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
    pub(in super::super) fn long_pair(&mut self, list: &Field, key: &str, value: &Any<'_>) {
        let marks = self.open_pair(list, key);
        self.any(value);
        self.close_pair(marks);
    }

    /// Writes a pair whose lengths take a byte each and whose value is a number, as nearly all are; `false` if it is not such.
    #[inline(never)]
    fn short_pair(&mut self, list: &Field, key: &str, value: &Any<'_>) -> bool {
        let (field, mut rest) = match *value {
            Any::Bool(truth) => (&BOOL, u64::from(truth)),
            Any::Int(number) => (&INT, number.cast_unsigned()),
            _ => return false,
        };
        if self.json {
            if matches!(value, Any::Int(..0)) {
                return false;
            }
            self.item(b",{\"key\":\"");
            self.copy(key.as_bytes());
            match value {
                Any::Bool(true) => self.copy(b"\",\"value\":{\"boolValue\":true}}"),
                Any::Bool(_) => self.copy(b"\",\"value\":{\"boolValue\":false}}"),
                _ => {
                    self.copy(b"\",\"value\":{\"intValue\":\"");
                    self.decimal(rest);
                    self.copy(b"\"}}");
                }
            }
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
    #[inline(never)]
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
    pub(in super::super) fn open_pair(&mut self, list: &Field, key: &str) -> [Mark; 2] {
        if self.json {
            self.item(b",{\"key\":\"");
            self.copy(key.as_bytes());
            self.copy(b"\",\"value\":{");
            return [Mark(0, 0); 2];
        }
        let item = Mark(self.room.at() + 2, 1);
        let is_short = key.len() <= 0x7f && !is_escaped(key);
        if is_short && !key.is_empty() {
            let (list, name) = (list.0 << 3 | BYTES, KEY.0 << 3 | BYTES);
            self.copy(&[list, 0, name, small(key.len())]);
            self.copy(key.as_bytes());
        } else {
            self.copy(&[list.0 << 3 | BYTES, 0]);
            // Protobuf leaves out what is as good as nothing.
            if !key.is_empty() {
                self.text(&KEY, key);
            }
        }
        self.copy(&[VALUE.0 << 3 | BYTES, 0]);
        [item, Mark(self.room.at(), 1)]
    }

    /// Ends a pair.
    pub(in super::super) fn close_pair(&mut self, [item, value]: [Mark; 2]) {
        if self.json {
            return self.room.put(*b"}}");
        }
        self.close(value);
        self.close(item);
    }
}
