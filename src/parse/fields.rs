//! The fields of one JSON object, for records that are few: the platform's own.
//!
//! It reads one level and lends JSON text; it must not be used for every line, as it allocates.

use std::borrow::Cow;

use super::scan::Scan;
use super::text;

/// Names and values of an object, in their order.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads an object that is valid JSON; anything else has no fields.
    #[must_use]
    pub fn of(json: &'a str) -> Self {
        Self::read(json).unwrap_or_default()
    }

    /// Reads an object.
    fn read(json: &'a str) -> Option<Self> {
        let (mut fields, mut scan) = (Vec::new(), Scan::new(json));
        scan.open()?;
        while let Some(name) = scan.name(fields.is_empty())? {
            fields.push((name.plain(), scan.value()?));
        }
        scan.is_over().then_some(Self(fields))
    }

    /// The JSON text of a field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// A field that is a string and not empty, as the inside of a JSON string.
    #[must_use]
    pub fn inside(&self, name: &str) -> Option<&'a str> {
        text::inside(self.get(name)?).filter(|inside| !inside.is_empty())
    }

    /// The fields of a field that is an object.
    #[must_use]
    pub fn object(&self, name: &str) -> Self {
        self.get(name).map_or_else(Self::default, Self::of)
    }

    /// A field that is a number, in hundredths, rounded; `None` if it is negative or written with an exponent.
    #[must_use]
    pub fn hundredths(&self, name: &str) -> Option<u64> {
        let number = self.get(name)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let whole: u64 = whole.parse().ok()?;
        if !part.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let digit = |at: usize| part.as_bytes().get(at).map_or(0, |d| u64::from(d - b'0'));
        let round = u64::from(digit(2) >= 5);
        whole
            .checked_mul(100)?
            .checked_add(digit(0) * 10 + digit(1) + round)
    }
}

/// The JSON text of each element of a list; `None` if it is no valid one.
#[must_use]
pub fn elements(json: &str) -> Option<Vec<&str>> {
    let (mut elements, mut scan) = (Vec::new(), Scan::new(json));
    scan.skip(b'[').then_some(())?;
    scan.space();
    while !scan.skip(b']') {
        if !elements.is_empty() {
            scan.skip(b',').then_some(())?;
            scan.space();
        }
        elements.push(scan.value()?);
        scan.space();
    }
    scan.is_over().then_some(elements)
}

/// Lends each member of an object, the inside of its name as it was written and the text of its value; `false` if it is no object.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub fn members<'a>(json: &'a str, take: &mut dyn FnMut(&'a str, &'a str)) -> bool {
    let (mut scan, mut first) = (Scan::new(json), true);
    let mut each = || {
        scan.open()?;
        while let Some(name) = scan.name(std::mem::take(&mut first))? {
            take(name.inside(), scan.value()?);
        }
        Some(())
    };
    each().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_one_level_deep() {
        let fields = Fields::of(r#"{"a":"x\ty","b":{"c":1.5},"d":"","e":7}"#);
        assert_eq!(fields.inside("a"), Some(r"x\ty"));
        assert_eq!(fields.inside("d"), None);
        assert_eq!(fields.inside("e"), None);
        assert_eq!(fields.get("b"), Some(r#"{"c":1.5}"#));
        assert_eq!(fields.object("b").hundredths("c"), Some(150));
        assert_eq!(fields.object("a").get("c"), None);
        assert_eq!(Fields::of(" {\"a\":1} ").get("a"), Some("1"));
        for none in ["[1]", "{\"a\":1", "{\"a\":1} or so"] {
            assert_eq!(Fields::of(none).get("a"), None, "{none}");
        }
    }

    #[test]
    fn the_elements_of_a_list_are_lent() {
        let text = " [ {\"b\":[1,{}]} ,[], 7,\"]\" ] ";
        let expected = vec!["{\"b\":[1,{}]}", "[]", "7", "\"]\""];
        assert_eq!(elements(text), Some(expected));
        assert_eq!(elements("[ ]"), Some(Vec::new()));
        for none in [
            "", "{}", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]2", "\"[]\"",
        ] {
            assert_eq!(elements(none), None, "{none}");
        }
    }

    #[test]
    fn numbers_are_rounded_to_hundredths() {
        for (number, expected) in [
            ("174.055", Some(17406)),
            ("174.054", Some(17405)),
            ("2598.0", Some(259_800)),
            ("12", Some(1200)),
            ("0.999", Some(100)),
            ("-1", None),
            ("1e3", None),
            ("1.5e3", None),
            ("true", None),
            ("99999999999999999999", None),
        ] {
            let json = format!(r#"{{"n":{number}}}"#);
            assert_eq!(Fields::of(&json).hundredths("n"), expected, "{number}");
        }
    }
}
