//! Bytes to borrowed events; the only reader of telemetry JSON.
//!
//! An [`Event`] holds slices of the body: nothing is allocated for a record.
//! One event that cannot be read costs itself and nothing else: the scan finds its end and goes on.
//! This file must not interpret a record: what it means is the business of `process`.

mod facts;
mod fields;
mod scan;
mod surrogates;
mod text;

use std::borrow::Cow;

pub use facts::{Facts, facts, object};
pub use fields::{Fields, elements, members};
use scan::Scan;
pub use surrogates::clean;
pub use text::{cut, cut_inside, escape, inside, plain, plain_to};

/// One element of a telemetry batch, as the Telemetry and Logs API write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's `time`, as JSON text (a string with its quotes), if it has one.
    pub time: Option<&'a str>,
    /// The event's `type`, such as `function` or `platform.start`.
    pub kind: Cow<'a, str>,
    /// The event's `record`, as JSON text; `null` if it has none.
    pub record: &'a str,
    /// What the record says, if it is an object.
    pub facts: Facts<'a>,
    /// Fields beside `time`, `type` and `record`, as name and JSON text: the platform may add some.
    pub extra: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The whole event, if an escape of a surrogate stands in it, which may want [cleaning](Event::clean).
    pub surrogates: Option<&'a str>,
}

impl Event<'_> {
    /// The event, read again from `room`, where every escape of half a surrogate pair is replaced; `None` if none stands in it.
    ///
    /// Strict readers refuse a whole payload for one such escape, and cannot show it anyway.
    #[must_use]
    pub fn clean<'b>(&self, room: &'b mut String) -> Option<Event<'b>> {
        let text = self.surrogates?;
        *room = format!("[{text}]");
        clean(room);
        match batch(room).next() {
            Some(Item::Event(event)) => Some(event),
            Some(Item::Unreadable) | None => None,
        }
    }
}

/// What a batch holds, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event.
    Event(Event<'a>),
    /// Something that is not an event, or the rest of a body that is not an array.
    Unreadable,
}

/// A body as text, every byte that is none replaced.
#[must_use]
pub fn text(body: &[u8]) -> Cow<'_, str> {
    // What replaces looks at one character after the other, and there is hardly ever anything to replace.
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

/// The items of a body, counted and not looked into.
#[must_use]
pub fn count(body: &[u8]) -> usize {
    batch(&text(body)).count()
}

/// Reads a batch.
#[must_use]
pub fn batch(text: &str) -> Batch<'_> {
    let mut scan = Scan::new(text);
    let state = if scan.skip(b'[') {
        State::First
    } else if scan.is_over() {
        // An empty body holds nothing; anything else that is not an array is one thing that cannot be read.
        State::Over
    } else {
        State::NotAnArray
    };
    Batch { scan, state }
}

/// The items of a batch.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// What is not read yet.
    scan: Scan<'a>,
    /// Where in the array it begins.
    state: State,
}

/// Where in the array the rest begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Behind the opening bracket.
    First,
    /// Behind an element.
    Next,
    /// Not in an array at all.
    NotAnArray,
    /// Behind the array.
    Over,
}

impl<'a> Iterator for Batch<'a> {
    type Item = Item<'a>;

    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn next(&mut self) -> Option<Item<'a>> {
        match self.state {
            State::Over => return None,
            State::NotAnArray => {
                self.state = State::Over;
                return Some(Item::Unreadable);
            }
            State::First | State::Next => {}
        }
        let scan = &mut self.scan;
        if scan.is_over() || (self.state == State::Next && scan.skip(b',') && scan.is_over()) {
            // The closing bracket is missing: the body was cut short between two elements.
            self.state = State::Over;
            return Some(Item::Unreadable);
        }
        self.state = State::Next;
        if scan.skip(b']') {
            self.state = State::Over;
            return None;
        }
        let from = scan.at();
        if let Some(event) = event(scan) {
            return Some(Item::Event(event));
        }
        scan.go_to(from);
        scan.go_to(from + end_of_element(scan.rest()));
        if scan.rest().is_empty() {
            self.state = State::Over;
        }
        Some(Item::Unreadable)
    }
}

/// Where an element that could not be read ends: at the comma or bracket that closes it, by brackets and quotes alone.
fn end_of_element(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b']' | b',' if depth == 0 && at > 0 => return at,
            b']' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Fields that an event may have beside those that are known; the platform adds few, and an event with more is none of its.
const EXTRA_MAX: usize = 64;

/// Takes the time and the type of an event that begins as the platform writes it, up to the value of its record; `None` for any other, of which something may be taken.
#[inline(always)]
fn usual<'a>(scan: &mut Scan<'a>) -> Option<(&'a str, Cow<'a, str>)> {
    scan.skip_all(b"{\"time\":").then_some(())?;
    let from = scan.at();
    scan.string()?;
    let time = scan.since(from);
    scan.skip_all(b",\"type\":").then_some(())?;
    let kind = scan.string()?.plain();
    scan.skip_all(b",\"record\":").then_some(())?;
    scan.space();
    Some((time, kind))
}

/// Takes an event.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn event<'a>(scan: &mut Scan<'a>) -> Option<Event<'a>> {
    let (mut time, mut kind, mut extra, mut first) = (None, None, Vec::new(), true);
    let (mut record, mut facts) = ("null", Facts::default());
    let from = scan.at();
    scan.forget_surrogates();
    if let Some((its_time, its_kind)) = usual(scan) {
        (time, kind, first) = (Some(its_time), Some(its_kind), false);
        (record, facts) = facts::value(scan)?;
    } else {
        scan.go_to(from);
        scan.open()?;
    }
    while let Some(name) = scan.name(first)? {
        first = false;
        let name = name.plain();
        match &*name {
            "time" => time = Some(scan.value()?),
            "type" => kind = Some(scan.string()?.plain()),
            "record" => (record, facts) = facts::value(scan)?,
            _ if extra.len() >= EXTRA_MAX => return None,
            _ => {
                let value = Cow::Borrowed(scan.value()?);
                // As with a known one, the last of a name counts.
                match extra.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, last)) => *last = value,
                    None => extra.push((name, value)),
                }
            }
        }
    }
    // A time that is no text is passed on with what is not known, so that every `timestamp` is text.
    let time = match time {
        Some(value) if !value.starts_with('"') => {
            extra.push((Cow::Borrowed("time"), Cow::Borrowed(value)));
            None
        }
        other => other,
    };
    Some(Event {
        time,
        // An empty type tells as little as none.
        kind: kind.filter(|kind: &Cow<'_, str>| !kind.is_empty())?,
        record,
        facts,
        extra,
        surrogates: scan.met_surrogate().then(|| scan.since(from)),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "an expectation that fails must stop a test where it stands"
    )]

    use super::*;

    /// The records of the readable events, `!` for each unreadable item.
    fn check(body: &str, expected: &[&str]) {
        let seen: Vec<String> = batch(body)
            .map(|item| match item {
                Item::Event(event) => event.record.to_owned(),
                Item::Unreadable => "!".to_owned(),
            })
            .collect();
        assert_eq!(seen, expected, "{body}");
    }

    #[test]
    fn an_event_borrows_from_the_body() {
        let body = r#"[{"time":"2022-10-12T00:03:50.000Z","type":"function","record":"a\nb","new":{"x":1}}]"#;
        let Some(Item::Event(event)) = batch(body).next() else {
            panic!("not read");
        };
        assert_eq!(event.time, Some("\"2022-10-12T00:03:50.000Z\""));
        assert!(matches!(event.kind, Cow::Borrowed("function")));
        assert_eq!(event.record, r#""a\nb""#);
        assert_eq!(
            event.extra,
            [(Cow::Borrowed("new"), Cow::Borrowed(r#"{"x":1}"#))]
        );
    }

    #[test]
    fn of_a_field_that_is_there_twice_the_last_counts() {
        let body = r#"[{"type":"x","type":"function","new":1,"other":2,"n\u0065w":3}]"#;
        let Some(Item::Event(event)) = batch(body).next() else {
            panic!("not read");
        };
        assert_eq!(event.kind, "function");
        let pair = |name, value| (Cow::Borrowed(name), Cow::Borrowed(value));
        assert_eq!(event.extra, [pair("new", "3"), pair("other", "2")]);
    }

    #[test]
    fn a_time_that_is_no_text_is_passed_on_as_it_came() {
        let Some(Item::Event(event)) = batch(r#"[{"time":7,"type":"function"}]"#).next() else {
            panic!("not read");
        };
        assert_eq!(event.time, None);
        assert_eq!(event.extra, [(Cow::Borrowed("time"), Cow::Borrowed("7"))]);
    }

    #[test]
    fn a_record_may_be_any_value_or_missing() {
        check(
            r#" [ {"type":"a","record":1.50} , {"type":"a","record":[1, 2]},{"type":"a","record":null},{"type":"a"},
               {"record":{"k":true},"type":"a","time":7} ] "#,
            &["1.50", "[1, 2]", "null", "null", r#"{"k":true}"#],
        );
        check("[]", &[]);
        check("  ", &[]);
    }

    #[test]
    fn one_unreadable_event_costs_itself_alone() {
        let good = r#"{"type":"f","record":"ok"}"#;
        for bad in [
            "42",
            "null",
            "\"text\"",
            "[1,[2,\"]\"]]",
            "{}",
            r#"{"record":"no type"}"#,
            r#"{"type":7,"record":"x"}"#,
            r#"{"type":"","record":"x"}"#,
            r#"{"type":"f","record":}"#,
            r#"{"type":"f","record":"bad \x escape, with ] and }"}"#,
            "{\"type\":\"f\",\"record\":\"raw\u{0}control\"}",
            r#"{"type" "f"}"#,
            "nonsense",
        ] {
            check(
                &format!("[{good},{bad},{good}]"),
                &["\"ok\"", "!", "\"ok\""],
            );
            check(&format!("[{bad},{good}]"), &["!", "\"ok\""]);
            check(&format!("[{good},{bad}]"), &["\"ok\"", "!"]);
        }
    }

    #[test]
    fn what_is_no_array_or_is_cut_short_counts_once() {
        check("nonsense", &["!"]);
        check(r#"{"type":"f","record":"x"}"#, &["!"]);
        check(r#"[{"type":"f","record":"x"}"#, &["\"x\"", "!"]);
        check(
            r#"[{"type":"f","record":"x"},{"type":"f","rec"#,
            &["\"x\"", "!"],
        );
        check("[", &["!"]);
        // Behind the closing bracket nothing is looked at.
        check(r#"[{"type":"f","record":"x"}]]]]"#, &["\"x\""]);
        check("[,,]", &["!"]);
    }

    #[test]
    fn deep_nesting_neither_recurses_nor_costs_the_rest() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"[{deep},{{"type":"f","record":"ok"}}]"#);
        check(&body, &["!", "\"ok\""]);
        let record = format!(r#"[{{"type":"f","record":{deep}}},{{"type":"f","record":"ok"}}]"#);
        check(&record, &[&deep, "\"ok\""]);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        assert_eq!(text(b"[\xff]"), "[\u{fffd}]");
    }

    #[test]
    fn an_event_is_read_again_where_half_a_pair_stands_in_it() {
        let body = r#"[{"time":"\ud800","type":"a\udfff","record":{"\ud83d":["\ud83d\ude00"],"level":"x\udead"},"new\ud801":"\\ud802"},
            {"type":"whole","record":"\ud83d\ude00"},{"type":"text","record":"\\ud83d \u001b"}]"#;
        let shown = |event: &Event<'_>| format!("{event:?}");
        let mut seen = Vec::new();
        for item in batch(body) {
            let Item::Event(event) = item else {
                panic!("unreadable")
            };
            let (met, before) = (event.surrogates.is_some(), shown(&event));
            let mut room = String::new();
            let event = event.clean(&mut room).unwrap_or(event);
            seen.push((met, before == shown(&event)));
            if seen.len() == 1 {
                assert_eq!(event.time, Some(r#""\ufffd""#));
                assert_eq!(event.kind, "a\u{fffd}");
                assert_eq!(
                    event.record,
                    r#"{"\ufffd":["\ud83d\ude00"],"level":"x\ufffd"}"#
                );
                assert_eq!(
                    event.facts.level.is_some(),
                    facts(event.record).level.is_some()
                );
                let extra: Vec<_> = event.extra.iter().map(|(k, v)| (&**k, &**v)).collect();
                assert_eq!(extra, [("new\u{fffd}", r#""\\ud802""#)]);
            }
        }
        // A whole pair is looked at too, and the same comes of it; `\\ud83d` is a backslash and text.
        assert_eq!(seen[0], (true, false));
        assert!(seen[1].0);
        assert_eq!(seen[2], (false, true));
    }

    /// Events as serde reads them, which says what JSON is.
    mod model {
        use std::borrow::Cow;
        use std::fmt;

        use serde::Deserialize;
        use serde::de::{Deserializer, Error, MapAccess, Visitor};
        use serde_json::value::RawValue;

        /// `time`, `type`, `record` and all others.
        #[derive(Debug, PartialEq)]
        pub(super) struct Model<'a>(
            pub(super) Option<&'a str>,
            pub(super) String,
            pub(super) &'a str,
            pub(super) Vec<(String, &'a str)>,
        );

        impl<'de: 'a, 'a> Deserialize<'de> for Model<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(Reader)
            }
        }

        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Model<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a telemetry event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Model<'de>, A::Error> {
                let (mut time, mut kind, mut record, mut extra) = (None, None, "null", Vec::new());
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    match &*name {
                        "time" => time = Some(map.next_value::<&RawValue>()?.get()),
                        "type" => kind = Some(map.next_value::<String>()?),
                        "record" => record = map.next_value::<&RawValue>()?.get(),
                        _ => {
                            let value = map.next_value::<&RawValue>()?.get();
                            // Where a name stands first, the last of its values counts.
                            let mut known = extra.iter_mut();
                            match known.find(|(known, _): &&mut (String, &str)| *known == *name) {
                                Some(last) => last.1 = value,
                                None => extra.push((name.into_owned(), value)),
                            }
                        }
                    }
                }
                if let Some(value) = time.take_if(|value| !value.starts_with('"')) {
                    extra.push(("time".to_owned(), value));
                }
                let kind = kind.filter(|kind: &String| !kind.is_empty());
                let kind = kind.ok_or_else(|| Error::missing_field("type"))?;
                Ok(Model(time, kind, record, extra))
            }
        }

        /// The event that a text begins with, and where it ends.
        pub(super) fn read(text: &str) -> Option<(Model<'_>, usize)> {
            let mut values = serde_json::Deserializer::from_str(text).into_iter();
            let event = values.next()?.ok()?;
            Some((event, values.byte_offset()))
        }
    }

    #[test]
    fn an_event_is_what_another_reader_takes_for_one() {
        const PIECES: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            " ",
            "\n",
            "\t",
            "7",
            "-",
            "\"type\":\"g\",",
            "\"new\":8,",
            "\"time\":7,",
            "\"re\\u0063ord\":[1],",
            ",\"x\\n\":{}",
            "null",
            "\\u00e9",
            "\u{1}",
            "é",
        ];
        let whole = [
            r#"{"time":"2022-10-12T00:03:50.000Z","type":"function","record":"a\nb \u00e9"}"#,
            r#" { "record" : {"level":"INFO","requestId":"r","n":[1,{"a":-1.5e3}]} , "typ\u0065" : "f\t" , "new":{"x":1} } ,"#,
            r#"{"type":"platform.start","record":{"tracing":{"value":"Root=1"}},"record":{"msg":"m"}}"#,
        ];
        let mut seed = 11_u64;
        let mut below = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).expect("small") % below
        };
        let mut sound = 0;
        for round in 0..200_000 {
            let mut text = whole[round % whole.len()].to_owned();
            for _ in 0..below(3) {
                let cut = |text: &str, at: usize| {
                    (at..).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
                };
                let from = cut(&text, below(text.len()));
                let to = cut(&text, (from + below(8)).min(text.len()));
                let to = if below(2) == 0 { from } else { to };
                let piece = if below(3) == 0 {
                    ""
                } else {
                    PIECES[below(PIECES.len())]
                };
                text.replace_range(from..to, piece);
            }
            let mut scan = Scan::new(&text);
            let seen = event(&mut scan).map(|event| {
                assert_eq!(event.facts, super::facts(event.record));
                let extra = event.extra.iter();
                let extra = extra.map(|(name, value)| {
                    let Cow::Borrowed(value) = *value else {
                        panic!("copied");
                    };
                    (name.clone().into_owned(), value)
                });
                let event = model::Model(
                    event.time,
                    event.kind.into_owned(),
                    event.record,
                    extra.collect(),
                );
                (event, scan.at())
            });
            sound += usize::from(seen.is_some());
            assert_eq!(seen, model::read(&text), "{text:?}");
        }
        assert!(sound > 80_000, "{sound}");
    }
}
