//! Masks what must not leave the process: built-in kinds of secrets and the owner's own patterns.
//!
//! What comes out holds no match of any rule; if masking piece by piece cannot bring that about, the whole text is masked.
//! This stage must not allocate for text that holds nothing to mask, and must not touch the keys of JSON.

pub(super) mod bytes;
mod kinds;
mod numbers;

use std::borrow::Cow;
use std::ops::Range;

use bytes::{at, skip_space, string_end};

use super::pattern::{self, Pattern};
use crate::parse;

/// Finds the first match at or behind a place.
type Scan = fn(&str, usize) -> Option<Range<usize>>;

/// The built-in kinds, by name.
const KINDS: [(&str, Scan); 7] = [
    ("email", kinds::email),
    ("card", numbers::card),
    ("jwt", kinds::jwt),
    ("aws-key", kinds::aws_key),
    ("ip", numbers::ip),
    ("bearer", kinds::bearer),
    ("phone", numbers::phone),
];

/// How often the rules are applied until none matches any more: masking one match can bring about another.
const ROUNDS: usize = 4;

/// Characters that a rule's own name may have.
const NAME_MAX: usize = 32;

/// Rules, in the order of the option.
#[derive(Debug, Clone, Default)]
pub struct Redact {
    /// The rules.
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone)]
struct Rule {
    /// Its name, for counts and `--check`.
    name: String,
    /// What stands in place of a match.
    mask: String,
    /// What it matches.
    what: What,
}

/// What a rule matches.
#[derive(Debug, Clone)]
enum What {
    /// A built-in kind.
    Kind(Scan),
    /// A pattern of the owner's own.
    Own(Pattern),
}

/// How often each rule matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks {
    /// One count for each rule that was reached so far.
    counts: Vec<u32>,
}

impl Masks {
    /// Forgets every match.
    pub fn reset(&mut self) {
        self.counts.fill(0);
    }

    /// All matches.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The matches of a rule, by its place in [`Redact::names`].
    #[must_use]
    pub fn of(&self, rule: usize) -> u32 {
        self.counts.get(rule).copied().unwrap_or(0)
    }

    /// Counts a match.
    fn add(&mut self, rule: usize) {
        if self.counts.len() <= rule {
            self.counts.resize(rule + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(rule) {
            *count = count.saturating_add(1);
        }
    }
}

impl Rule {
    /// The first match at or behind a place that is not empty.
    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let pattern = match &self.what {
            What::Kind(scan) => return scan(text, from),
            What::Own(pattern) => pattern,
        };
        let mut from = from;
        loop {
            let found = pattern.find_at(text, from)?;
            if !found.is_empty() {
                return Some(found);
            }
            from = found.end + text.get(found.end..)?.chars().next()?.len_utf8();
        }
    }

    /// The text with a mask in place of each match; `None` if there is none.
    fn mask(&self, at: usize, text: &str, masks: &mut Masks) -> Option<String> {
        let mut found = self.find(text, 0)?;
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        loop {
            out.push_str(text.get(copied..found.start).unwrap_or_default());
            out.push_str(&self.mask);
            copied = found.end;
            masks.add(at);
            match self.find(text, copied) {
                Some(next) => found = next,
                None => break,
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Some(out)
    }
}

impl Redact {
    /// Reads the option: names of kinds, `/pattern/`, `/pattern/i` and `name=/pattern/`, with commas between them.
    ///
    /// What cannot be used is left out and named in a reason; the rest holds.
    #[must_use]
    pub fn parse(value: &str) -> (Self, Vec<String>) {
        let mut redact = Self::default();
        let mut reasons = Vec::new();
        let mut rest = value.trim();
        while !rest.is_empty() {
            let (name, slashed) = match rest.split_once('/') {
                Some(("", _)) => ("", Some(rest)),
                Some((before, _)) => match before.strip_suffix('=') {
                    Some(name) if !name.contains(',') => (name, rest.get(before.len()..)),
                    _ => ("", None),
                },
                None => ("", None),
            };
            let own = slashed.and_then(pattern::item);
            let behind = match own {
                Some((_, _, behind)) => behind,
                None => rest.find(',').and_then(|at| rest.get(at..)).unwrap_or(""),
            };
            let given = rest.get(..rest.len() - behind.len()).unwrap_or(rest).trim();
            let rule = match own {
                Some((text, ignore_case, _)) => own_rule(name.trim(), text, ignore_case),
                None if slashed.is_some() => Err("has no closing slash".to_owned()),
                None => kind(given),
            };
            match rule {
                Ok(rule) => redact.rules.push(rule),
                // An empty part is a comma too many.
                Err(_) if given.is_empty() => {}
                Err(why) => reasons.push(pattern::reason(given, &why)),
            }
            rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
        }
        redact.choose_masks();
        (redact, reasons)
    }

    /// Gives each rule a mask that no rule matches.
    fn choose_masks(&mut self) {
        let clear =
            |rules: &[Rule], mask: &str| rules.iter().all(|rule| rule.find(mask, 0).is_none());
        let stars = if clear(&self.rules, "***") { "***" } else { "" };
        for at in 0..self.rules.len() {
            let mask = self.rules.get(at).map_or("", |rule| rule.mask.as_str());
            if !clear(&self.rules, mask)
                && let Some(rule) = self.rules.get_mut(at)
            {
                rule.mask = stars.to_owned();
            }
        }
    }

    /// Whether there is nothing to mask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules' names, in order; an own pattern without a name has its text.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// Masks plain text; `None` if nothing matched.
    pub fn text(&self, plain: &str, masks: &mut Masks) -> Option<String> {
        let mut done: Option<String> = None;
        let mut last = "";
        for _ in 0..ROUNDS {
            let mut changed = false;
            for (at, rule) in self.rules.iter().enumerate() {
                if let Some(masked) = rule.mask(at, done.as_deref().unwrap_or(plain), masks) {
                    done = Some(masked);
                    last = &rule.mask;
                    changed = true;
                }
            }
            if !changed {
                return done;
            }
        }
        Some(last.to_owned())
    }

    /// Masks the inside of a JSON string, escapes as they came; gives the inside of a JSON string.
    pub fn text_inside(&self, inside: &str, masks: &mut Masks) -> Option<String> {
        let plain = parse::plain(inside);
        let masked = self.text(&plain, masks)?;
        if matches!(plain, Cow::Borrowed(_)) {
            // Neither the text nor a mask holds anything to escape.
            return Some(masked);
        }
        let mut escaped = String::with_capacity(inside.len());
        parse::escape(&mut escaped, &masked);
        Some(escaped)
    }

    /// Masks the string values, never the keys, in valid JSON; everything else stays byte for byte.
    pub fn json(&self, json: &str, masks: &mut Masks) -> Option<String> {
        let bytes = json.as_bytes();
        let mut out = String::new();
        let (mut copied, mut place) = (0, 0);
        while let Some(found) = bytes
            .get(place..)
            .and_then(|rest| memchr::memchr(b'"', rest))
        {
            let begin = place + found + 1;
            let end = string_end(bytes, begin);
            place = end + 1;
            // Only a key has a colon behind it.
            if at(bytes, skip_space(bytes, place)) == b':' {
                continue;
            }
            if let Some(masked) = self.text_inside(json.get(begin..end).unwrap_or_default(), masks)
            {
                out.push_str(json.get(copied..begin).unwrap_or_default());
                out.push_str(&masked);
                copied = end;
            }
        }
        if copied == 0 {
            return None;
        }
        out.push_str(json.get(copied..).unwrap_or_default());
        Some(out)
    }
}

/// The rule of a built-in kind.
fn kind(given: &str) -> Result<Rule, String> {
    let known = |(name, _): &&(&str, Scan)| name.eq_ignore_ascii_case(given);
    match KINDS.iter().find(known) {
        Some((name, scan)) => Ok(Rule {
            name: (*name).to_owned(),
            mask: mask(name),
            what: What::Kind(*scan),
        }),
        None => {
            let names = KINDS.map(|(name, _)| name).join(", ");
            Err(["must be one of ", &names, ", /pattern/ or name=/pattern/"].concat())
        }
    }
}

/// The rule of an own pattern; `name` is empty if it has none.
fn own_rule(name: &str, text: &str, ignore_case: bool) -> Result<Rule, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.len() > NAME_MAX || !name.bytes().all(plain) {
        return Err("a name is up to 32 letters, digits, '-', '_' and '.'".to_owned());
    }
    let pattern = Pattern::new(text, ignore_case)?;
    // What matches nothing at all would match everywhere, or at every border of a word.
    let empty = |text: &&str| {
        pattern
            .find_at(text, 0)
            .is_some_and(|found| found.is_empty())
    };
    if ["", "a", "-"].iter().any(empty) {
        return Err("matches the empty text".to_owned());
    }
    Ok(Rule {
        name: if name.is_empty() { text } else { name }.to_owned(),
        mask: mask(name),
        what: What::Own(pattern),
    })
}

/// What stands in place of a match.
fn mask(name: &str) -> String {
    if name.is_empty() {
        "[redacted]".to_owned()
    } else {
        ["[redacted:", name, "]"].concat()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
    // Every number, key and token here is an example of its owner's documentation or made up.

    use super::*;

    fn all() -> Redact {
        let (redact, reasons) = Redact::parse("email,card,jwt,aws-key,ip,bearer,phone");
        assert!(reasons.is_empty(), "{reasons:?}");
        redact
    }

    /// Masks by one rule, and looks whether the others would have done the same to the whole.
    fn check(rules: &str, given: &str, expected: &str) {
        let (redact, reasons) = Redact::parse(rules);
        assert!(reasons.is_empty(), "{reasons:?}");
        let mut masks = Masks::default();
        let out = redact.text(given, &mut masks);
        assert_eq!(out.as_deref().unwrap_or(given), expected, "{rules} {given}");
        assert_eq!(out.is_some(), masks.total() > 0, "{rules} {given}");
    }

    #[test]
    fn email() {
        for (given, expected) in [
            ("from a.b+c@example.com to", "from # to"),
            ("<j@x.co>, o'brien@example.ie.", "<#>, #."),
            ("'john@example.com'", "'#'"),
            ("https://user:pass@host.example.com/x", "https://user:#/x"),
            ("müller@exämple.de", "#"),
            ("连接 user@example.com，失败", "连接 #，失败"),
            ("→user@example.com…", "→#…"),
            ("“user@example.com”", "“#”"),
            ("a@b.com@c.org", "#@c.org"),
            ("x@sub.sub2.example.museum,y@z.io", "#,#"),
            ("a@b.xn--p1ai x", "# x"),
            ("a@b.com-c", "#-c"),
            ("a@b.com.", "#."),
            ("a@b.com:8080", "#:8080"),
            (
                "user@localhost lodash@4.17.21 @scope/pkg x@y @b.com a@.com a@b..c",
                "user@localhost lodash@4.17.21 @scope/pkg x@y @b.com a@.com a@b..c",
            ),
            ("git+ssh://git@github.com/a", "git+ssh://#/a"),
            ("a@b.c", "a@b.c"),
            ("@", "@"),
            ("", ""),
        ] {
            check("email", given, &expected.replace('#', "[redacted:email]"));
        }
    }

    #[test]
    fn card() {
        for (given, expected) in [
            ("card 4111111111111111 ok", "card # ok"),
            ("4111 1111 1111 1111", "#"),
            ("4111-1111-1111-1111,", "#,"),
            ("4111.1111.1111.1111", "#"),
            ("5500005555555559 2223003122003222", "# #"),
            ("378282246310005 3782 822463 10005", "# #"),
            ("3056 930902 5904", "#"),
            ("30569309025904", "#"),
            ("6304 0000 0000 0000 00", "#"),
            ("card_4111111111111111", "card_#"),
            ("卡4111111111111111号", "卡#号"),
            ("12 4111 1111 1111 1111 9999", "12 # 9999"),
            ("order 77 4111-1111-1111-1111", "order 77 #"),
            ("4222222222222", "#"),
            ("4111111111111112", "4111111111111112"),
            (
                "a4111111111111111 4111111111111111b",
                "a4111111111111111 4111111111111111b",
            ),
            ("0.4111111111111111", "0.4111111111111111"),
            ("4111  1111 1111 1111", "4111  1111 1111 1111"),
            (
                "9111111111111111 1111111111111111",
                "9111111111111111 1111111111111111",
            ),
            ("41111111111111111111", "41111111111111111111"),
        ] {
            check("card", given, &expected.replace('#', "[redacted:card]"));
        }
    }

    #[test]
    fn a_card_is_found_among_other_groups() {
        let mut random = Random(3);
        for _ in 0..20_000 {
            let mut line = String::new();
            for _ in 0..random.below(4) {
                line += &format!(
                    "{:04}{}",
                    random.below(10_000),
                    random.one(&[" ", "-", "."])
                );
            }
            let card = random.one(&[
                "4111 1111 1111 1111",
                "5500-0055-5555-5559",
                "3782 822463 10005",
            ]);
            line += card;
            for _ in 0..random.below(3) {
                line += &format!("{}{:04}", random.one(&[" ", "-"]), random.below(10_000));
            }
            let (redact, _) = Redact::parse("card");
            let out = redact.text(&line, &mut Masks::default()).expect("masked");
            assert!(!out.contains(&card[5..]), "{line} {out}");
        }
    }

    #[test]
    fn jwt() {
        let signed =
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
        let encrypted = "eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT";
        let direct = "eyJhbGciOiJkaXIifQ..48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT";
        for (given, expected) in [
            (format!("token={signed}"), "token=#"),
            (format!("\"{signed}\", {encrypted}."), "\"#\", #."),
            (format!("{direct} x"), "# x"),
            (
                "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0. end".to_owned(),
                "# end",
            ),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0".to_owned(), "#"),
            ("eyJhbGciOiJIUzI1NiJ9..dozjgNryP4J3".to_owned(), "#"),
            (
                "eyJhbGciOiJIUzI1NiJ9 eyJ eyJ. eyJhbGciOiJIUzI1NiJ9... J eJ".to_owned(),
                "eyJhbGciOiJIUzI1NiJ9 eyJ eyJ. eyJhbGciOiJIUzI1NiJ9... J eJ",
            ),
        ] {
            check("jwt", &given, &expected.replace('#', "[redacted:jwt]"));
        }
    }

    #[test]
    fn aws_key() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for (given, expected) in [
            (
                "id AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE".to_owned(),
                "id #, #",
            ),
            ("/AROAIOSFODNN7EXAMPLE:x".to_owned(), "/#:x"),
            (
                format!("AWS_SECRET_ACCESS_KEY={secret}"),
                "AWS_SECRET_ACCESS_KEY=#",
            ),
            (format!("\"{secret}\"."), "\"#\"."),
            (format!("AKIAIOSFODNN7EXAMPLE:{secret} x"), "#:# x"),
            (
                "XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLEX AKIAIOSFODNN7EXAMPL akiaiosfodnn7example"
                    .to_owned(),
                "XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLEX AKIAIOSFODNN7EXAMPL akiaiosfodnn7example",
            ),
            (
                format!("{secret}a {secret}= x{secret}"),
                &format!("{secret}a {secret}= x{secret}"),
            ),
            (
                "da39a3ee5e6b4b0d3255bfef95601890afd80709 DA39a3ee5e6b4b0d3255bfef95601890afd80709"
                    .to_owned(),
                "da39a3ee5e6b4b0d3255bfef95601890afd80709 DA39a3ee5e6b4b0d3255bfef95601890afd80709",
            ),
        ] {
            check(
                "aws-key",
                &given,
                &expected.replace('#', "[redacted:aws-key]"),
            );
        }
    }

    #[test]
    fn ip() {
        for (given, expected) in [
            (
                "from 10.0.0.1:8080 and 192.168.1.254.",
                "from #:8080 and #.",
            ),
            ("[2001:db8::1]:443", "[#]:443"),
            ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "#"),
            ("::1 ::ffff:10.0.0.1 fe80::1%eth0", "# # #%eth0"),
            ("address:2001:db8::1", "address:#"),
            ("fe80::1: refused", "#: refused"),
            (
                "host/127.0.0.1 10.0.0.0/8 http://10.1.2.3/x",
                "host/# #/8 http://#/x",
            ),
            ("error:10.0.0.1", "error:#"),
            ("10.0.0.1-10.0.0.9", "#-#"),
            ("ip=10.0.0.1,10.0.0.2", "ip=#,#"),
            (
                "256.1.1.1 1.2.3 1.2.3.4.5 v1.2.3.4 1.2.3.4x .1.2.3.4",
                "256.1.1.1 1.2.3 1.2.3.4.5 v1.2.3.4 1.2.3.4x .1.2.3.4",
            ),
            (
                "Chrome/120.0.0.0 Safari/537.36",
                "Chrome/120.0.0.0 Safari/537.36",
            ),
            (
                "12:34:56 12:34:56.789 :: a::b std::fs::read std::net::Ipv6Addr d::f() e::a1()",
                "12:34:56 12:34:56.789 :: a::b std::fs::read std::net::Ipv6Addr d::f() e::a1()",
            ),
            (
                "<T>::a1 ::error:: crate::add::b2",
                "<T>::a1 ::error:: crate::add::b2",
            ),
            ("00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e"),
            ("....:::::....", "....:::::...."),
        ] {
            check("ip", given, &expected.replace('#', "[redacted:ip]"));
        }
    }

    #[test]
    fn bearer() {
        for (given, expected) in [
            (
                "Authorization: Bearer abc.DEF-123==",
                "Authorization: Bearer #",
            ),
            ("bearer  a/b+c~d_e;", "bearer  #;"),
            ("BEARER abcdef, Bearer ghijkl", "BEARER #, Bearer #"),
            (
                "Bearer short; forbearer abcdefg; Bearer: abcdefg; bearerabcdefg",
                "Bearer short; forbearer abcdefg; Bearer: abcdefg; bearerabcdefg",
            ),
        ] {
            check("bearer", given, &expected.replace('#', "[redacted:bearer]"));
        }
    }

    #[test]
    fn phone() {
        for (given, expected) in [
            ("call +1 (555) 123-4567 now", "call # now"),
            ("+15551234567,+44 20 7946 0958", "#,#"),
            ("tel:+49-30-901820", "tel:#"),
            ("+49 (0)30 901820.", "#."),
            ("(555) 123-4567 (555)123-4567 555-123-4567", "# # #"),
            ("555.123.4567 x", "# x"),
            ("call 555 123 4567", "call #"),
            ("1-555-123-4567 1 (555) 123-4567", "# #"),
            ("phone=555-123-4567&x", "phone=#&x"),
            (
                "+123456 +1234567890123456 +0200 1+15551234567",
                "+123456 +1234567890123456 +0200 1+15551234567",
            ),
            (
                "555-1234 5551234567 055-123-4567 555-123-45678 2024-555-123-4567",
                "555-1234 5551234567 055-123-4567 555-123-45678 2024-555-123-4567",
            ),
            (
                "2024-01-15 13:55:36 +1000 2024",
                "2024-01-15 13:55:36 +1000 2024",
            ),
            ("10 200 345 1234 7", "10 200 345 1234 7"),
        ] {
            check("phone", given, &expected.replace('#', "[redacted:phone]"));
        }
    }

    #[test]
    fn what_logs_are_full_of_is_left_alone() {
        for line in [
            "6f7f0961-f3f7-4c5b-8d6e-1d5a5b5c5d5e 41111111-1111-1111-1111-111111111111",
            "2024-01-15T13:55:36.123Z 2024-01-15 13:55:36,123 2024-01-15T13:55:36+02:00 15/Jan/2024:13:55:36 +0000",
            "1700000000 1700000000123 1700000000123456 1700000000123456789 1700000000.123456",
            "arn:aws:lambda:eu-west-1:123456789012:function:checkout:17",
            "arn:aws:iam::123456789012:role/service-role/checkout-role-4fz8wq",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "REPORT RequestId: 6f7f0961-f3f7-4c5b-8d6e-1d5a5b5c5d5e\tDuration: 1024.17 ms\tBilled Duration: 1025 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 345.67 ms",
            "START RequestId: 6f7f0961-f3f7-4c5b-8d6e-1d5a5b5c5d5e Version: $LATEST",
            "INIT_START Runtime Version: nodejs:20.v42\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:da57c20c4b965d5b75540f6865a35fc8030358e33ec44ecfed33e90901a27a72",
            "version 1.2.3 v20.11.1 1.2.3-beta.4+build.567 4.17.21 react@18.2.0 python3.12 10.0.19045",
            "/var/task/node_modules/@aws-sdk/client-dynamodb/dist-cjs/index.js:1234:56 /opt/Python3/lib/site/Packages/abc/De",
            "at Object.<anonymous> (/var/task/index.js:12:34) File \"/var/task/app.py\", line 42",
            "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
            "order 4711-0815 invoice 2024-000123 customer 100045 sku AB-1234-5678 order=20240115-000042",
            "std::collections::HashMap core::fmt::Display MyApp::Order::create Foo::Bar.new(1)",
            "x-amz-cf-id: 8Yj_2V1kO-mXl3w5zD0qg4hP7fT9sKcR x-amzn-requestid: 6f7f0961-f3f7-4c5b-8d6e-1d5a5b5c5d5e",
            "GET /users/1234567890/orders?page=2&size=50 HTTP/1.1 200 5123 12 ms",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "took 0.30000000000000004 s, 3.14159265358979 rad, 1e+10, -73.98765432, 99.99%, $1,234.56",
            "@Override @media 12px@2x",
            "2024/01/15 13:55:36 [error] 123#456: *789 upstream timed out (110: Connection timed out)",
            "the bearer of the token failed; Bearer",
            "",
        ] {
            assert_eq!(all().text(line, &mut Masks::default()), None, "{line}");
        }
    }

    #[test]
    fn own_patterns_names_and_reasons() {
        check("/pass=\\S+/", "a pass=x b", "a [redacted] b");
        check(
            "/PASS/i,id=/\\d+/",
            "a pass 12",
            "a [redacted] [redacted:id]",
        );
        check("/a,b/,email", "a,b a@b.com", "[redacted] [redacted:email]");
        check(
            " EMAIL , iban=/\\bDE\\d{20}\\b/ ",
            "DE12345678901234567890 a@b.com",
            "[redacted:iban] [redacted:email]",
        );
        // `$` matches the empty text only behind a match.
        check("/x+|y$/", "axxy", "a[redacted][redacted]");
        let (redact, reasons) =
            Redact::parse("email,nope,/a*/,/\\b/,/(/,name=/x/,b d=/x/,ip,,//,/open");
        assert_eq!(redact.names().collect::<Vec<_>>(), ["email", "name", "ip"]);
        assert_eq!(
            reasons,
            [
                "'nope': must be one of email, card, jwt, aws-key, ip, bearer, phone, /pattern/ or name=/pattern/",
                "'/a*/': matches the empty text",
                "'/\\b/': matches the empty text",
                "'/(/': found open group without closing ')'",
                "'b d=/x/': a name is up to 32 letters, digits, '-', '_' and '.'",
                "'//': matches the empty text",
                "'/open': has no closing slash",
            ]
        );
        assert!(Redact::default().is_empty() && Redact::parse(" , ").0.is_empty());
        assert_eq!(
            Redact::default().text("a@b.com", &mut Masks::default()),
            None
        );
    }

    #[test]
    fn a_mask_that_would_match_is_another_one() {
        check("/red/", "a red b", "a *** b");
        check("/./", "abc", "");
        check("/[a-z*]/", "a1b", "1");
        check("email,/email/i", "a@b.com Email", "*** [redacted]");
        // A match that masking brings about again and again takes the whole text along.
        check("/x\\[?/,/y\\]?/", "ax by", "a[redacted] b[redacted]");
        check("/a.?/", "b[", "b[");
        check("w=/\\w+ \\[redacted/,/k+/", "kk", "[redacted]");
        let (redact, _) = Redact::parse("/.\\[redacted\\]/,/k/");
        assert_eq!(
            redact.text("xk", &mut Masks::default()).as_deref(),
            Some("[redacted]")
        );
    }

    #[test]
    fn masks_are_counted_by_rule_and_reset() {
        let (redact, _) = Redact::parse("email,ip,x=/x/");
        let mut masks = Masks::default();
        redact.text("a@b.com c@d.com 10.0.0.1", &mut masks);
        assert_eq!(
            [masks.of(0), masks.of(1), masks.of(2), masks.total()],
            [2, 1, 0, 3]
        );
        masks.reset();
        assert_eq!(masks.total(), 0);
    }

    #[test]
    fn json_is_masked_in_its_values_alone() {
        for (given, expected) in [
            (
                r#"{"a@b.com":"a@b.com","n":1.50,"o":{"x":["10.0.0.1",null,"ok"]}}"#,
                r##"{"a@b.com":"#email","n":1.50,"o":{"x":["#ip",null,"ok"]}}"##,
            ),
            (
                r#"{ "a" : "x\ty a@b.com \u00e9" , "b\"":"\u00e9" }"#,
                r##"{ "a" : "x\ty #email é" , "b\"":"\u00e9" }"##,
            ),
            (r#""\u0061\u0040b.com""#, r##""#email""##),
            (r#""\ud83d\ude00a@b.com\n""#, r##""😀#email\n""##),
            (r#"["{\"e\":\"a@b.com\"}"]"#, r##"["{\"e\":\"#email\"}"]"##),
            (r#"["C:\\","a@b.com"]"#, r##"["C:\\","#email"]"##),
            (
                r#"{"a":"na@b.com\nb@c.org"}"#,
                r##"{"a":"#email\n#email"}"##,
            ),
        ] {
            let expected = expected
                .replace("#email", "[redacted:email]")
                .replace("#ip", "[redacted:ip]");
            assert_eq!(
                all().json(given, &mut Masks::default()),
                Some(expected),
                "{given}"
            );
        }
        for given in [
            r#"{"a@b.com" : 1}"#,
            "{}",
            "17",
            r#"{"a":"b\nc"}"#,
            r#""""#,
            "",
            "\"",
        ] {
            assert_eq!(all().json(given, &mut Masks::default()), None, "{given}");
        }
        assert_eq!(
            all()
                .text_inside(r"\na@b.com\t", &mut Masks::default())
                .as_deref(),
            Some(r"\n[redacted:email]\t")
        );
        assert_eq!(all().text_inside(r"\nx", &mut Masks::default()), None);
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{}\"a@b.com\"{}", "[".repeat(100_000), "]".repeat(100_000));
        let out = all().json(&deep, &mut Masks::default()).expect("masked");
        assert_eq!(out, deep.replace("a@b.com", "[redacted:email]"));
    }

    #[test]
    fn no_line_takes_long() {
        let redact = all();
        for piece in [
            "a@",
            ":",
            ".",
            "::",
            "1.",
            "a:",
            "eyJ",
            "eyJaaaaaaa.",
            "AKIA",
            "4111 ",
            "+",
            "(",
            "1 (",
            "b",
            "Bearer ",
            "a.",
            "@a.",
            "1",
            "f:",
            "1:1:",
            "J.",
            "'a",
        ] {
            let line = piece.repeat(50_000 / piece.len());
            let out = redact.text(&line, &mut Masks::default());
            assert!(out.is_none_or(|out| out.len() < 20 * line.len()));
        }
    }

    /// A small generator, the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, below: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).expect("small") % below
        }

        fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
            of[self.below(of.len())]
        }
    }

    /// Pieces of secrets, whole ones, and what stands between them.
    const PIECES: &[&str] = &[
        "a@b.com",
        "@",
        "x",
        ".com",
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111",
        "1111",
        "822463",
        "10005",
        "3782",
        " ",
        " ",
        "-",
        ".",
        ":",
        "::",
        "1",
        "10.0.0.1",
        "10.",
        "0.1",
        "2001:db8::1",
        "fe80",
        "eyJhbGciOiJub25lIn0",
        "eyJzdWIi",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "wJalrXUtnFEMI/K7MDEN",
        "G/bPxRfiCYEXAMPLEKEY",
        "Bearer ",
        "bearer",
        "abcdef",
        "=",
        "+1 555 123 4567",
        "+",
        "(555) ",
        "555-",
        "123-4567",
        "é",
        "😀",
        "\"",
        "\\",
        "\n",
        "\t",
        "'",
        "[",
        "]",
        "redacted",
        "*",
        "/",
        "_",
        "123",
        "secret",
        "\u{1}",
    ];

    const RULES: &[&str] = &[
        "email",
        "card",
        "jwt",
        "aws-key",
        "ip",
        "bearer",
        "phone",
        "email,card,jwt,aws-key,ip,bearer,phone",
        "phone,bearer,ip,aws-key,jwt,card,email",
        "/secret.?/,email",
        "/\\d+/",
        "/redacted/,card",
        "/./",
        "/[a-z]+ ?/i,ip",
        "/.\\[redacted/,phone",
        "id=/\\b\\d{3}\\b/,/x|é/,email",
        "/\\*+/,/e/",
        "/a.*c/,jwt",
        "/\\]./,/\\d/",
        "/^.|.$/,/d/",
    ];

    #[test]
    fn after_redaction_no_rule_matches() {
        let mut random = Random(11);
        let (mut changed, rounds) = (0, 3_000);
        for rules in RULES {
            let (redact, reasons) = Redact::parse(rules);
            assert!(reasons.is_empty(), "{reasons:?}");
            let mut masks = Masks::default();
            for _ in 0..rounds {
                let count = 1 + random.below(9);
                let line: String = (0..count).map(|_| random.one(PIECES)).collect();
                masks.reset();
                let out = redact.text(&line, &mut masks);
                assert_eq!(out.is_some(), masks.total() > 0);
                changed += usize::from(out.is_some());
                let out = out.unwrap_or_else(|| line.clone());
                for rule in &redact.rules {
                    assert_eq!(rule.find(&out, 0), None, "{rules} {line:?} {out:?}");
                    // Wherever the search begins: a scanner must not hide behind its place.
                    for from in (0..out.len()).filter(|from| out.is_char_boundary(*from)) {
                        if matches!(rule.what, What::Own(_)) {
                            assert_eq!(
                                rule.find(&out, from),
                                None,
                                "{rules} {line:?} {out:?} {from}"
                            );
                        }
                    }
                }
                assert_eq!(redact.text(&out, &mut masks), None);
            }
        }
        assert!(changed > RULES.len() * rounds / 4, "{changed}");
    }

    #[test]
    fn json_stays_json_with_its_keys_and_all_that_did_not_match() {
        let mut random = Random(5);
        let (mut changed, mut kept) = (0, 0);
        for round in 0..20_000 {
            let (redact, _) = Redact::parse(RULES[round % RULES.len()]);
            let mut masks = Masks::default();
            let mut members = Vec::new();
            for _ in 0..random.below(5) {
                let (key, text) = (quoted(&mut random), quoted(&mut random));
                let value = match random.below(4) {
                    0 => "1.50e+3".to_owned(),
                    1 => format!("[ {text},{{{key}: null}}]"),
                    _ => text,
                };
                members.push((key, value));
            }
            let write = |members: &[(String, String)]| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!(" {key} : {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            };
            let json = write(&members);
            let out = redact.json(&json, &mut masks);
            changed += usize::from(out.is_some());
            let out = out.unwrap_or_else(|| json.clone());
            serde_json::from_str::<serde_json::Value>(&out).expect("still valid");
            // Each value alone comes to the same, and one without a match stays byte for byte.
            for (_, value) in &mut members {
                match redact.json(value, &mut masks) {
                    Some(masked) => *value = masked,
                    None => kept += 1,
                }
            }
            assert_eq!(out, write(&members), "{json}");
            assert_eq!(redact.json(&out, &mut masks), None, "{json}");
        }
        assert!(changed > 3_000 && kept > 3_000, "{changed} {kept}");
    }

    /// A JSON string of pieces, some characters written as escapes.
    fn quoted(random: &mut Random) -> String {
        let mut out = String::from("\"");
        for _ in 0..random.below(5) {
            for c in random.one(PIECES).chars() {
                if random.below(6) == 0 {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out += &format!("\\u{unit:04x}");
                    }
                } else {
                    let text = serde_json::to_string(&c).expect("a string");
                    out += &text[1..text.len() - 1];
                }
            }
        }
        out.push('"');
        out
    }
}
