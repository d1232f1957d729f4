//! What the stream itself tells about a record: request, trace, tenant, cold start, and an id that stays the same over a resend.
//!
//! Never wrong: what is not known is left out.

use super::sample::{Remembered, WHOLE};
use super::synthetic::{End, Incident, Watch};
use super::{Dropped, Level, Masks, Options, Record, Signal};
use crate::parse::{Event, Facts, Fields};

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
    /// What OpenTelemetry calls the service, if the owner named it.
    pub service_name: Option<String>,
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
    /// The `Parent` of its tracing header; empty if it has none.
    span_id: String,
    /// Its tenant; empty if it has none.
    tenant_id: String,
    /// It is the environment's first.
    is_first: bool,
    /// The runtime is done with it.
    done: bool,
}

/// Whose an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// No request is known.
    Nobody,
    /// The request that the stream is at.
    Current,
    /// The request that it names itself.
    Own,
}

impl Current {
    /// The request that an event belongs to, which names this one itself.
    fn id<'a>(&'a self, owner: Owner, own: Option<&'a str>) -> Option<&'a str> {
        match owner {
            Owner::Nobody => None,
            Owner::Current => known(&self.request_id),
            Owner::Own => own,
        }
    }
}

/// What was seen of the stream so far.
#[derive(Debug)]
pub struct Stream {
    /// The environment's part of every record id.
    environment: String,
    /// The number of the event in hand: its record's own part of the id.
    sequence: u64,
    /// The number of the next one, if it is told.
    next: Option<u64>,
    /// The request of the latest `platform.start`.
    current: Current,
    /// Requests that it was at, and so the number of the one that it is at.
    begun: u64,
    /// The environment's first request; empty before it.
    first: String,
    /// The last requests that began.
    started: Remembered,
    /// Requests that are kept whole, as something failed in them.
    pub(super) failed: Remembered,
    /// What looks for deaths that nobody logs.
    pub(super) watch: Watch,
}

impl Stream {
    /// A stream that begins; `environment` is unique among all environments.
    #[must_use]
    pub fn new(environment: String) -> Self {
        Self {
            environment,
            sequence: 0,
            next: None,
            current: Current::default(),
            begun: 0,
            first: String::new(),
            started: Remembered::default(),
            failed: Remembered::default(),
            watch: Watch::default(),
        }
    }

    /// Tells the number of the next event, which else is one more than that of the last.
    ///
    /// Events are numbered as they come, shipped or not, so that one has the same id wherever it goes.
    pub fn number(&mut self, number: u64) {
        self.next = Some(number);
    }

    /// The next event is in hand.
    pub(super) fn begin_event(&mut self) {
        self.sequence = self.next.take().unwrap_or(self.sequence + 1);
    }

    /// Tells how long the invocation that begins may run, in milliseconds.
    pub fn limit(&mut self, limit_ms: Option<u64>) {
        self.watch.limit(limit_ms);
    }

    /// Tells that the environment ends.
    pub fn end(&mut self, end: End<'_>) {
        self.watch.end(end);
    }

    /// What nobody logged and was found since the last call, masked.
    pub fn incident(&mut self, options: &Options) -> Option<Incident> {
        let mut incident = self.watch.next()?;
        let (redact, masks) = (&options.redact, &mut Masks::default());
        if !redact.is_empty() {
            let record = redact.json(&incident.record, masks);
            incident.record = record.unwrap_or(incident.record);
            let request_id = redact.text_inside(&incident.request_id, masks);
            incident.request_id = request_id.unwrap_or(incident.request_id);
        }
        Some(incident)
    }

    /// Takes notice of an event of the platform's, shipped or not.
    pub(super) fn observe<'a>(
        &mut self,
        event: &Event<'a>,
        facts: &Facts<'a>,
        fields: &Fields<'a>,
        options: &Options,
    ) -> Option<Signal<'a>> {
        // The Logs API tells of a death in text.
        if event.kind == "platform.fault" {
            self.watch.fault(&self.current.request_id, event.record);
        } else {
            self.watch.observe(&event.kind, fields);
        }
        match &*event.kind {
            "platform.start" => {
                let id = facts.request_id.unwrap_or_default();
                if self.first.is_empty() {
                    id.clone_into(&mut self.first);
                }
                self.started.add(id);
                if !options.concurrent {
                    self.begun += 1;
                    self.current.done = false;
                    id.clone_into(&mut self.current.request_id);
                    self.current.is_first = self.first == id;
                    // Both are the caller's own text.
                    let masked = |text| options.redact.text_inside(text, &mut Masks::default());
                    let header = facts.trace.unwrap_or_default();
                    let new = masked(header);
                    let shown = new.as_deref().unwrap_or(header);
                    trace_root(shown).clone_into(&mut self.current.trace_id);
                    trace_parent(shown).clone_into(&mut self.current.span_id);
                    let tenant = facts.tenant_id.unwrap_or_default();
                    let new = masked(tenant);
                    new.as_deref()
                        .unwrap_or(tenant)
                        .clone_into(&mut self.current.tenant_id);
                }
                facts.request_id.map(Signal::Started)
            }
            "platform.runtimeDone" => {
                self.current.done |= facts.request_id == known(&self.current.request_id);
                facts.request_id.map(Signal::RuntimeDone)
            }
            // The runtime begins anew, so what comes now is not of the request that it ended with.
            "platform.initStart" if self.current.done => {
                self.current = Current::default();
                None
            }
            "platform.report" => facts.request_id.map(Signal::Reported),
            "platform.logsDropped" => Some(Signal::Dropped(facts.dropped_records)),
            _ => None,
        }
    }

    /// Whether an event's invocation is kept, and the fraction of such records that is; `failed`: it tells of something that went wrong.
    pub(super) fn sample<'a>(
        &mut self,
        kind: &str,
        (owner, own): (Owner, Option<&str>),
        failed: bool,
        options: &'a Options,
    ) -> Result<Option<&'a str>, Dropped<'a>> {
        let Some(sample) = &options.sample else {
            return Ok(None);
        };
        let Some(request_id) = self.current.id(owner, own) else {
            return Ok(Some(WHOLE));
        };
        if failed {
            self.failed.add(request_id);
        }
        if kind == "platform.report" || self.failed.has(request_id) {
            return Ok(Some(WHOLE));
        }
        if sample.keeps(request_id) {
            Ok(Some(sample.fraction()))
        } else {
            Err(Dropped::Sample)
        }
    }

    /// Remembers what a function logged, in case its request dies; it must be masked already.
    pub(super) fn remember(
        &mut self,
        (owner, own): (Owner, Option<&str>),
        message: Option<&str>,
        record: Option<&str>,
    ) {
        let request_id = self.current.id(owner, own);
        self.watch
            .line(request_id.unwrap_or_default(), message, record);
    }

    /// Adds what the stream knows to the record of an event, which has these facts.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn enrich<'a>(
        &'a self,
        record: &mut Record<'a>,
        of: (Owner, Option<&str>),
        facts: &Facts<'a>,
    ) {
        self.tell_of(of, facts.request_id, record);
        record.environment = &self.environment;
        record.sequence = self.sequence;
        if let Some(header) = facts.trace {
            record.trace_id = known(trace_root(header)).or(record.trace_id);
            record.span_id = known(trace_parent(header));
            record.invocation = 0;
        }
        if facts.tenant_id.is_some() {
            record.tenant_id = facts.tenant_id;
            record.invocation = 0;
        }
    }

    /// The record of something that nobody logged.
    #[must_use]
    pub fn incident_record<'a>(&'a self, incident: &'a Incident, options: &Options) -> Record<'a> {
        let mut record = Record {
            kind: incident.kind,
            level: Some(Level::Error),
            message: Some(&incident.message),
            record: Some(&incident.record),
            sample: options.sample.as_ref().map(|_| WHOLE),
            ..Record::default()
        };
        let own = known(&incident.request_id);
        let owner = match own {
            Some(id) if id == self.current.request_id => Owner::Current,
            Some(_) => Owner::Own,
            None => Owner::Nobody,
        };
        self.tell_of((owner, own), own, &mut record);
        // It is shipped under another environment than what was logged.
        record.invocation = 0;
        record
    }

    /// Adds all that the stream knows of a request to a record of it; `shown` is what the record names itself, masked.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn tell_of<'a>(
        &'a self,
        (owner, own): (Owner, Option<&str>),
        shown: Option<&'a str>,
        record: &mut Record<'a>,
    ) {
        let current = &self.current;
        record.request_id = current.id(owner, shown);
        record.cold_start = match owner {
            Owner::Current => Some(current.is_first),
            Owner::Own => known(&self.first).map(|first| Some(first) == own),
            // Before the first request everything belongs to the cold start.
            Owner::Nobody => self.first.is_empty().then_some(true),
        };
        if owner == Owner::Current {
            record.trace_id = known(&current.trace_id);
            record.span_id = known(&current.span_id);
            record.tenant_id = known(&current.tenant_id);
            record.invocation = self.begun;
        }
    }

    /// Whose an event is that names this request itself.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn owner(&self, kind: &str, own: Option<&str>, options: &Options) -> Owner {
        let current = known(&self.current.request_id);
        let (Some(current), false) = (current, options.concurrent) else {
            let id = own.filter(|id| id.len() <= ID_MAX);
            return id.map_or(Owner::Nobody, |_| Owner::Own);
        };
        match (kind, own) {
            // What a function calls `requestId` may be that of another service, of which the stream knows nothing.
            ("function", Some(id)) if !is_same(id, current) && self.started.has(id) => Owner::Own,
            // The Logs API's word of a death is a text.
            ("function" | "platform.fault", _) => Owner::Current,
            // Extensions log outside of any request, and the platform tells which one it means.
            (_, Some(id)) if is_same(id, current) => Owner::Current,
            (_, Some(_)) => Owner::Own,
            (_, None) => Owner::Nobody,
        }
    }
}

/// Whether two ids are the same.
fn is_same(one: &str, other: &str) -> bool {
    // Eight bytes at a time, as the library that is linked compares one after the other.
    let (words, rest) = one.as_bytes().as_chunks::<8>();
    let (others, other_rest) = other.as_bytes().as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let mut pairs = words.iter().zip(others);
    one.len() == other.len()
        && pairs.all(|(one, other)| word(one) == word(other))
        && rest == other_rest
}

/// The bytes of a request's id; a longer one is something else.
const ID_MAX: usize = 128;

/// Text that is not empty.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The `Root` of an X-Ray tracing header (`Root=1-…;Parent=…;Sampled=1`); empty if there is none.
#[must_use]
pub fn trace_root(header: &str) -> &str {
    part(header, "Root=")
}

/// The `Parent` of an X-Ray tracing header; empty if there is none.
fn trace_parent(header: &str) -> &str {
    let parent = part(header, "Parent=");
    // One that is masked in part is none.
    let whole = parent.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { parent } else { "" }
}

/// A part of a tracing header.
fn part<'a>(header: &'a str, name: &str) -> &'a str {
    header
        .split(';')
        .find_map(|part| part.trim().strip_prefix(name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{Redact, Scratch, Select, Types, process};
    use super::*;
    use crate::parse;

    #[test]
    fn the_root_of_a_tracing_header() {
        assert_eq!(trace_root("Root=1-a-b;Parent=c;Sampled=1"), "1-a-b");
        assert_eq!(trace_root("Parent=c; Root=1-a-b"), "1-a-b");
        assert_eq!(trace_root("Parent=c"), "");
        assert_eq!(trace_parent("Root=1-a-b;Parent=c;Sampled=1"), "c");
        assert_eq!(trace_parent("Root=1-a-b"), "");
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

    fn options(concurrent: bool) -> Options {
        Options {
            select: Select {
                types: Types {
                    platform: true,
                    function: true,
                    extension: true,
                },
                ..Select::default()
            },
            concurrent,
            ..Options::default()
        }
    }

    /// What is told of each record of a batch, in one stream.
    fn told<T>(batch: &str, options: &Options, tell: impl Fn(&Record<'_>) -> T) -> Vec<T> {
        let (mut stream, mut scratch) = (Stream::new("e".into()), Scratch::default());
        let all = parse::batch(batch).map(|item| {
            let parse::Item::Event(mut event) = item else {
                panic!("unreadable");
            };
            let (record, _) = process(&mut event, options, &mut stream, &mut scratch);
            tell(&record.expect("everything is kept"))
        });
        all.collect()
    }

    fn rows(batch: &str, concurrent: bool) -> Vec<Row> {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        told(batch, &options(concurrent), |record| {
            (
                owned(record.request_id),
                owned(record.trace_id),
                owned(record.tenant_id),
                record.cold_start,
            )
        })
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
        {"type":"function","record":{"requestId":"of a gateway"}},
        {"type":"platform.runtimeDone","record":{"requestId":"r2"}},
        {"type":"platform.initStart","record":{"phase":"invoke"}},
        {"type":"function","record":"in init again"}]"#;

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
                row("r2", "", "", Some(false)),
                row("", "", "", None),
                row("", "", "", None),
            ]
        );
    }

    #[test]
    fn a_masked_id_hides_no_cold_start() {
        let batch = r#"[
            {"type":"platform.start","record":{"requestId":"r1"}},
            {"type":"platform.start","record":{"requestId":"r2"}},
            {"type":"function","record":"{\"requestId\":\"r1\",\"message\":\"late\"}"},
            {"type":"function","record":{"requestId":"r1","message":"late"}},
            {"type":"function","record":"{\"requestId\":\"r2\",\"message\":\"now\"}"}]"#;
        for pattern in ["", "x=/r1|r2/", "x=/.requestId.:.[^\"]*.,/"] {
            let options = Options {
                redact: Redact::parse(pattern).0,
                ..options(false)
            };
            let seen = told(batch, &options, |record| record.cold_start);
            let [first, rest] = [true, false].map(Some);
            assert_eq!(seen, [first, rest, first, first, rest], "{pattern}");
        }
    }

    #[test]
    fn only_what_the_stream_tells_of_a_request_has_its_number() {
        for (concurrent, expected) in [
            (false, [0, 0, 0, 1, 0, 1, 2, 0, 0, 2, 2, 0, 0]),
            (true, [0; 13]),
        ] {
            let seen = told(TWO_REQUESTS, &options(concurrent), |record| {
                record.invocation
            });
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn the_span_goes_with_its_request_and_is_left_out_where_it_is_masked() {
        let batch = r#"[
            {"type":"platform.start","record":{"requestId":"r1","tracing":{"value":"Root=1-a;Parent=53995c3f42cd8ad8;Sampled=1"}}},
            {"type":"function","record":"of r1"},
            {"type":"extension","record":"of nobody"},
            {"type":"platform.start","record":{"requestId":"r2"}},
            {"type":"function","record":"of r2"}]"#;
        let span = Some("53995c3f42cd8ad8");
        for (pattern, expected) in [
            ("", [span, span, None, None, None]),
            ("x=/53995/", [None; 5]),
        ] {
            let options = Options {
                redact: Redact::parse(pattern).0,
                ..options(false)
            };
            let seen = told(batch, &options, |record| record.span_id.map(str::to_owned));
            assert_eq!(seen, expected.map(|span| span.map(str::to_owned)));
        }
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
            [
                "",
                "",
                "r1",
                "",
                "",
                "r1",
                "r2",
                "r1",
                "r1",
                "of a gateway",
                "r2",
                "",
                ""
            ]
            .map(some)
        );
    }
}
