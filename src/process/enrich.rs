//! What the stream itself tells about a record: request, trace, tenant, cold start, and an id that stays the same over a resend.
//!
//! Never wrong: what is not known is left out.

use std::borrow::Cow;

use super::{Content, Options, Record, Signal};
use crate::parse::{self, Event, Facts};

/// Who logs: the same for every record of an environment, known bit by bit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The function's name.
    pub function_name: Option<String>,
    /// The function's version, such as `$LATEST`.
    pub function_version: Option<String>,
    /// The function's ARN as invoked; known from the first INVOKE event on.
    pub function_arn: Option<String>,
    /// The memory the function is configured with, in MB.
    pub function_memory_mb: Option<u32>,
    /// The AWS region.
    pub region: Option<String>,
    /// The AWS account.
    pub account_id: Option<String>,
    /// The owner's own names and values, put on every record.
    pub tags: Vec<(String, String)>,
}

impl Identity {
    /// Learns the ARN, and the account from it where registration did not tell; `true` if anything is new.
    pub fn learn_arn(&mut self, arn: &str) -> bool {
        if arn.is_empty() || self.function_arn.as_deref() == Some(arn) {
            return false;
        }
        self.function_arn = Some(arn.to_owned());
        // arn:partition:lambda:region:account:function:name[:qualifier]
        let mut parts = arn.split(':').skip(3).filter(|part| !part.is_empty());
        let (region, account) = (parts.next(), parts.next());
        self.region = self.region.take().or_else(|| region.map(ToOwned::to_owned));
        self.account_id = self
            .account_id
            .take()
            .or_else(|| account.map(ToOwned::to_owned));
        true
    }
}

/// The request that the stream is at.
#[derive(Debug, Default)]
struct Current {
    /// Its id; empty before the first.
    request_id: String,
    /// The `Root` of its tracing header; empty if it has none.
    trace_id: String,
    /// Its tenant; empty if it has none.
    tenant_id: String,
}

/// What was seen of the stream so far.
#[derive(Debug)]
pub struct Stream {
    /// The environment's part of every record id.
    environment: String,
    /// The last record's own part.
    sequence: u64,
    /// The request of the latest `platform.start`.
    current: Current,
    /// The environment's first request; empty before it.
    first: String,
}

impl Stream {
    /// A stream that begins; `environment` is unique among all environments.
    #[must_use]
    pub fn new(environment: String) -> Self {
        Self {
            environment,
            sequence: 0,
            current: Current::default(),
            first: String::new(),
        }
    }

    /// Takes notice of an event, shipped or not.
    pub(super) fn observe<'a>(
        &mut self,
        event: &Event<'a>,
        options: &Options,
    ) -> (Facts<'a>, Option<Signal<'a>>) {
        let facts = parse::facts(event.record);
        let signal = match &*event.kind {
            "platform.start" => {
                let id = facts.request_id.as_deref().unwrap_or_default();
                if self.first.is_empty() {
                    id.clone_into(&mut self.first);
                }
                if !options.concurrent {
                    id.clone_into(&mut self.current.request_id);
                    let trace = facts.trace.as_deref().map_or("", trace_root);
                    trace.clone_into(&mut self.current.trace_id);
                    let tenant = facts.tenant_id.as_deref().unwrap_or_default();
                    tenant.clone_into(&mut self.current.tenant_id);
                }
                facts.request_id.clone().map(Signal::Started)
            }
            "platform.runtimeDone" => facts.request_id.clone().map(Signal::RuntimeDone),
            "platform.report" => facts.request_id.clone().map(Signal::Reported),
            "platform.logsDropped" => Some(Signal::Dropped(facts.dropped_records)),
            _ => None,
        };
        (facts, signal)
    }

    /// Makes the record of an event that is shipped.
    pub(super) fn enrich<'a, 'body>(
        &'a mut self,
        event: &'a Event<'body>,
        facts: Facts<'body>,
        options: &Options,
    ) -> Record<'a> {
        self.sequence += 1;
        let own_id = borrowed(facts.request_id);
        let current = &self.current;
        // Extensions log outside of any request; everything else belongs to the request that the stream is at.
        let from_stream = !options.concurrent && event.kind != "extension";
        let request_id = own_id.or_else(|| known(&current.request_id).filter(|_| from_stream));
        let is_current = request_id.is_some() && request_id == known(&current.request_id);
        let cold_start = match request_id {
            Some(id) => known(&self.first).map(|first| first == id),
            // Before the first request everything belongs to the cold start.
            None => self.first.is_empty().then_some(true),
        };
        Record {
            timestamp: event.time,
            kind: &event.kind,
            content: content(event.record),
            request_id,
            trace_id: borrowed(facts.trace)
                .map(trace_root)
                .and_then(known)
                .or_else(|| known(&current.trace_id).filter(|_| is_current)),
            tenant_id: borrowed(facts.tenant_id)
                .or_else(|| known(&current.tenant_id).filter(|_| is_current)),
            cold_start,
            environment: &self.environment,
            sequence: self.sequence,
            extra: &event.extra,
        }
    }
}

/// Text that is not empty.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A fact that needs no copy; ids hold no escapes, and one that does is left out rather than copied for each record.
fn borrowed(fact: Option<Cow<'_, str>>) -> Option<&str> {
    match fact {
        Some(Cow::Borrowed(text)) => Some(text),
        Some(Cow::Owned(_)) | None => None,
    }
}

/// The `Root` of an X-Ray tracing header (`Root=1-…;Parent=…;Sampled=1`); empty if there is none.
#[must_use]
pub fn trace_root(header: &str) -> &str {
    header
        .split(';')
        .find_map(|part| part.trim().strip_prefix("Root="))
        .unwrap_or_default()
}

/// A record's content: a string without its quotes and its one trailing line end, or any other value as it is.
fn content(record: &str) -> Content<'_> {
    let Some(inside) = record
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Content::Json(record);
    };
    let line = without_escape(inside, 'n');
    Content::Text(if line.len() < inside.len() {
        without_escape(line, 'r')
    } else {
        line
    })
}

/// The inside of a JSON string without a trailing `\n` (or another one-letter escape), told from a backslash and a letter.
fn without_escape(inside: &str, letter: char) -> &str {
    let Some(head) = inside.strip_suffix(letter) else {
        return inside;
    };
    let backslashes = head.bytes().rev().take_while(|b| *b == b'\\').count();
    if backslashes % 2 == 1 {
        head.strip_suffix('\\').unwrap_or(head)
    } else {
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Types, process};
    use super::*;

    const TYPES: Types = Types {
        platform: true,
        function: true,
        extension: true,
    };

    #[test]
    fn a_line_loses_one_line_end_and_nothing_else() {
        for (record, expected) in [
            (r#""a\n""#, Content::Text("a")),
            (r#""a\r\n""#, Content::Text("a")),
            (r#""a\n\n""#, Content::Text(r"a\n")),
            (r#""a""#, Content::Text("a")),
            (r#""a\\n""#, Content::Text(r"a\\n")),
            (r#""a\\\n""#, Content::Text(r"a\\")),
            (r#""\n""#, Content::Text("")),
            (r#""""#, Content::Text("")),
            (r#""a\r""#, Content::Text(r"a\r")),
            (r#""n""#, Content::Text("n")),
            ("17", Content::Json("17")),
            (r#"{"a":"b\n"}"#, Content::Json(r#"{"a":"b\n"}"#)),
        ] {
            assert_eq!(content(record), expected, "{record}");
        }
    }

    #[test]
    fn the_root_of_a_tracing_header() {
        assert_eq!(trace_root("Root=1-a-b;Parent=c;Sampled=1"), "1-a-b");
        assert_eq!(trace_root("Parent=c; Root=1-a-b"), "1-a-b");
        assert_eq!(trace_root("Parent=c"), "");
    }

    #[test]
    fn an_arn_tells_region_and_account() {
        let mut identity = Identity::default();
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:alias";
        assert!(identity.learn_arn(arn));
        assert!(!identity.learn_arn(arn));
        assert_eq!(identity.region.as_deref(), Some("eu-west-1"));
        assert_eq!(identity.account_id.as_deref(), Some("123456789012"));
        let mut told = Identity {
            account_id: Some("1".into()),
            ..Identity::default()
        };
        assert!(told.learn_arn(arn));
        assert_eq!(told.account_id.as_deref(), Some("1"));
        assert!(!told.learn_arn(""));
    }

    /// `(request_id, trace_id, tenant_id, cold_start)` of each record of a batch.
    type Row = (Option<String>, Option<String>, Option<String>, Option<bool>);

    fn rows(batch: &str, concurrent: bool) -> Vec<Row> {
        let options = Options {
            types: TYPES,
            concurrent,
        };
        let mut stream = Stream::new("e".into());
        let mut rows = Vec::new();
        for item in parse::batch(batch) {
            let parse::Item::Event(event) = item else {
                panic!("unreadable");
            };
            let (record, _) = process(&event, &options, &mut stream);
            let record = record.expect("everything is kept");
            let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
            rows.push((
                owned(record.request_id),
                owned(record.trace_id),
                owned(record.tenant_id),
                record.cold_start,
            ));
        }
        rows
    }

    fn row(id: &str, trace: &str, tenant: &str, cold: Option<bool>) -> Row {
        let some = |text: &str| known(text).map(ToOwned::to_owned);
        (some(id), some(trace), some(tenant), cold)
    }

    const TWO_REQUESTS: &str = r#"[
        {"type":"platform.initStart","record":{}},
        {"type":"function","record":"in init"},
        {"type":"platform.start","record":{"requestId":"r1","tenantId":"t1","tracing":{"value":"Root=1-a;Sampled=1"}}},
        {"type":"function","record":"of r1"},
        {"type":"extension","record":"of nobody"},
        {"type":"platform.runtimeDone","record":{"requestId":"r1"}},
        {"type":"platform.start","record":{"requestId":"r2"}},
        {"type":"platform.report","record":{"requestId":"r1"}},
        {"type":"function","record":{"requestId":"r1","message":"late"}},
        {"type":"function","record":"of r2"}]"#;

    #[test]
    fn text_lines_belong_to_the_request_that_the_stream_is_at() {
        assert_eq!(
            rows(TWO_REQUESTS, false),
            [
                row("", "", "", Some(true)),
                row("", "", "", Some(true)),
                row("r1", "1-a", "t1", Some(true)),
                row("r1", "1-a", "t1", Some(true)),
                row("", "", "", None),
                row("r1", "1-a", "t1", Some(true)),
                row("r2", "", "", Some(false)),
                row("r1", "", "", Some(true)),
                row("r1", "", "", Some(true)),
                row("r2", "", "", Some(false)),
            ]
        );
    }

    #[test]
    fn where_requests_overlap_only_a_record_knows_its_own() {
        let seen: Vec<_> = rows(TWO_REQUESTS, true)
            .into_iter()
            .map(|row| row.0)
            .collect();
        let some = |id: &str| known(id).map(ToOwned::to_owned);
        assert_eq!(
            seen,
            ["", "", "r1", "", "", "r1", "r2", "r1", "r1", ""].map(some)
        );
    }
}
