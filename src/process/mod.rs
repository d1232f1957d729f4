//! Between an event and a record: keeps or drops, masks, and adds what the stream itself tells.
//!
//! The order is fixed: select, sample, redact, enrich; what is dropped is never looked into further.
//! This stage must not write bytes of any format, and must not allocate for a record that it only passes on.

pub mod bare;
mod content;
mod enrich;
mod fields;
mod level;
mod multiline;
pub mod pattern;
mod platform;
mod redact;
mod sample;
mod select;
mod synthetic;
mod token;

use std::borrow::Cow;

use self::content::Content;
pub use self::enrich::{Identity, Stream, trace_root};
pub use self::fields::Fields;
pub use self::level::Level;
pub use self::multiline::{Multiline, Offer};
pub use self::pattern::Pattern;
pub use self::redact::{Masks, Redact};
pub use self::sample::Sample;
pub use self::select::{Dropped, Select, Types};
pub use self::synthetic::End;
use crate::parse::{self, Event};

/// What process is told by the configuration; by default everything is shipped as it comes, but for the lines of extensions.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is shipped.
    pub select: Select,
    /// The fraction of invocations that is kept, if not all are.
    pub sample: Option<Sample>,
    /// What is masked.
    pub redact: Redact,
    /// The keys that JSON records lose.
    pub fields: Fields,
    /// The first line of a record that has several.
    pub multiline: Option<Pattern>,
    /// Whether requests overlap in this environment (Managed Instances), so that only a record itself knows its request.
    pub concurrent: bool,
}

/// What an event carries and we ship. Message and ids are the insides of JSON strings, escapes as they came.
#[derive(Debug, Default)]
pub struct Record<'a> {
    /// The event's time, as JSON text.
    pub timestamp: Option<&'a str>,
    /// When it came, in milliseconds since 1970, for destinations that want a time of every record.
    pub received_ms: u64,
    /// The event's type.
    pub kind: &'a str,
    /// How grave it is, if its logger said so.
    pub level: Option<Level>,
    /// The text, without its one trailing line end.
    pub message: Option<&'a str>,
    /// What was logged if it is JSON but no text, as it came.
    pub record: Option<&'a str>,
    /// The request it belongs to.
    pub request_id: Option<&'a str>,
    /// The X-Ray trace it belongs to: the `Root` of the tracing header.
    pub trace_id: Option<&'a str>,
    /// The span of that trace in which it was called: the `Parent` of the tracing header.
    pub span_id: Option<&'a str>,
    /// The tenant whose request it belongs to.
    pub tenant_id: Option<&'a str>,
    /// Whether it belongs to the environment's first invocation, if that is known.
    pub cold_start: Option<bool>,
    /// The number of the request, where all that is told of it here is told by the stream: request, trace, span, tenant and cold start of another record with this number are the same; 0 where it is not.
    pub invocation: u64,
    /// The fraction of such records that are kept, as a JSON number, where not all are.
    pub sample: Option<&'a str>,
    /// The environment's part of the record's id.
    pub environment: &'a str,
    /// The record's own part of its id.
    pub sequence: u64,
    /// Fields of the event that this program does not know, as name and JSON text.
    pub extra: &'a [(Cow<'a, str>, Cow<'a, str>)],
}

/// What an event tells about the invocations themselves.
#[derive(Debug, PartialEq, Eq)]
pub enum Signal<'a> {
    /// A request began.
    Started(&'a str),
    /// The runtime is done with a request.
    RuntimeDone(&'a str),
    /// The platform's report on a request, its last event, has come.
    Reported(&'a str),
    /// The platform dropped this many records.
    Dropped(u64),
}

/// Memory for what must be rewritten, used again for every record.
#[derive(Debug, Default)]
pub struct Scratch {
    /// JSON that was unwrapped.
    document: String,
    /// The line that it was found in, masked.
    masked_line: String,
    /// JSON that was unwrapped from that.
    reopened: String,
    /// The line of a platform event.
    line: String,
    /// What redaction and the choice of fields left of a record.
    rewritten: Rewritten,
    /// How often each rule masked something in the last record.
    pub masks: Masks,
}

/// What redaction and the choice of fields left of a record.
#[derive(Debug, Default)]
struct Rewritten {
    /// The text.
    message: Option<String>,
    /// The JSON.
    record: Option<String>,
    /// The ids: request, tracing header, trace, tenant.
    ids: [Option<String>; 4],
}

/// Takes an event through the stage.
///
/// The signal is read from every platform event, also from one that is not shipped.
/// The record borrows from the event, the stream's state and the scratch.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub fn process<'a, 'body>(
    event: &'a mut Event<'body>,
    options: &'a Options,
    stream: &'a mut Stream,
    scratch: &'a mut Scratch,
) -> (Result<Record<'a>, Dropped<'a>>, Option<Signal<'body>>) {
    stream.begin_event();
    if cfg!(feature = "bare") && event.kind == "function" {
        return (Ok(bare::record(event)), None);
    }
    let raw = event.record;
    let facts = event.facts;
    let is_platform = event.kind.starts_with(platform::PREFIX);
    let (mut signal, mut failed) = (None, false);
    let Scratch {
        document,
        masked_line,
        reopened,
        line,
        rewritten,
        masks,
    } = scratch;
    let fields = is_platform.then(|| parse::Fields::of(raw));
    if let Some(fields) = &fields {
        signal = stream.observe(event, &facts, fields, options);
        failed = platform::failed(fields);
    }
    let wanted = options.select.by_type(event);
    if let (Err(dropped), false) = (wanted, is_platform) {
        return (Err(dropped), None);
    }
    let mut content = match &fields {
        Some(fields) => {
            platform::line(&event.kind, fields, line);
            Content {
                // The Logs API of old wrote some of these as text.
                message: content::line(raw)
                    .or_else(|| Some(line.as_str()).filter(|line| !line.is_empty())),
                record: Some(raw).filter(|raw| !raw.starts_with('"')),
                level: platform::level(&event.kind, fields),
                facts,
                line: None,
            }
        }
        None => content::read(raw, facts, document),
    };
    failed |= content.level >= Some(Level::Error);
    // An invocation that failed is known even where the event that tells it is not shipped.
    let own = content.facts.request_id;
    let owner = stream.owner(&event.kind, own, options);
    let sampled = stream.sample(&event.kind, (owner, own), failed, options);
    let selected = wanted.and_then(|()| options.select.by_content(&content, is_platform));
    if let Err(dropped @ (Dropped::Type | Dropped::Exclude(_))) = selected {
        return (Err(dropped), signal);
    }
    masks.reset();
    let level = content.level;
    if let Some(line) = mask_line(&content, options, masks) {
        *masked_line = line;
        content = content::text(masked_line, reopened);
    }
    let Rewritten {
        message: new_message,
        record: new_record,
        ids: [new_request, new_header, new_trace, new_tenant],
    } = rewritten;
    let (message, record) = rewrite(
        &content,
        is_platform,
        options,
        masks,
        new_message,
        new_record,
    );
    let mut facts = content.facts;
    // What led to a death is worth knowing even where it is not shipped.
    if event.kind == "function" {
        stream.remember((owner, facts.request_id), message, record);
    }
    let sample = match selected.and(sampled) {
        Ok(sample) => sample,
        Err(dropped) => return (Err(dropped), signal),
    };
    if !options.redact.is_empty() {
        for (_, value) in &mut event.extra {
            if let Some(masked) = options.redact.json(value, masks) {
                *value = Cow::Owned(masked);
            }
        }
        facts.trace = masked(facts.trace, options, masks, new_header);
    }
    let mut record = Record {
        timestamp: event.time,
        kind: &event.kind,
        level,
        message,
        record,
        sample,
        extra: &event.extra,
        ..Record::default()
    };
    stream.enrich(&mut record, (owner, own), &facts);
    if !options.redact.is_empty() {
        record.request_id = masked(record.request_id, options, masks, new_request);
        record.trace_id = masked(record.trace_id, options, masks, new_trace);
        record.tenant_id = masked(record.tenant_id, options, masks, new_tenant);
        // A span is no use with a part of its id masked.
        let whole = |id: &&str| options.redact.text_inside(id, masks).is_none();
        record.span_id = record.span_id.filter(whole);
    }
    (Ok(record), signal)
}

/// Masks a line that JSON was found in as the text that it is, as a pattern may see more in it than in the strings of the JSON.
fn mask_line(content: &Content<'_>, options: &Options, masks: &mut Masks) -> Option<String> {
    let line = content.line.filter(|_| !options.redact.is_empty())?;
    options.redact.text_inside(line, masks)
}

/// Masks what is to be masked and takes out the keys that are not wanted; gives back what the record then holds.
fn rewrite<'a>(
    content: &Content<'a>,
    is_platform: bool,
    options: &Options,
    masks: &mut Masks,
    new_message: &'a mut Option<String>,
    new_record: &'a mut Option<String>,
) -> (Option<&'a str>, Option<&'a str>) {
    let (redact, fields) = (&options.redact, &options.fields);
    let by_fields = !is_platform && !fields.is_empty();
    if redact.is_empty() && !by_fields {
        return (content.message, content.record);
    }
    *new_record = content.record.and_then(|record| redact.json(record, masks));
    if by_fields
        && let Some(record) = new_record.as_deref().or(content.record)
        && let Some(chosen) = fields.apply(record)
    {
        *new_record = Some(chosen);
    }
    let new_record = new_record.as_deref();
    let message = match new_record {
        // The text of a JSON record is part of it.
        Some(record) if !is_platform => content::message(&parse::facts(record)),
        _ if !is_platform && content.record.is_some() => content.message,
        _ => {
            *new_message = content
                .message
                .and_then(|message| redact.text_inside(message, masks));
            new_message.as_deref().or(content.message)
        }
    };
    (message, new_record.or(content.record))
}

/// An id that the record carries beside its content, masked like it.
fn masked<'a>(
    id: Option<&'a str>,
    options: &Options,
    masks: &mut Masks,
    new: &'a mut Option<String>,
) -> Option<&'a str> {
    *new = id.and_then(|id| options.redact.text_inside(id, masks));
    new.as_deref().or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options that ship everything, changed.
    fn options(change: impl FnOnce(&mut Options)) -> Options {
        let mut options = Options {
            select: Select {
                types: Types {
                    platform: true,
                    function: true,
                    extension: true,
                },
                ..Select::default()
            },
            ..Options::default()
        };
        change(&mut options);
        options
    }

    /// `message|record|trace_id` of each event of a batch, `-` for one that is dropped.
    fn shipped(batch: &str, options: &Options) -> Vec<String> {
        let (mut stream, mut scratch) = (Stream::new("e".into()), Scratch::default());
        let mut seen = Vec::new();
        for item in parse::batch(batch) {
            let parse::Item::Event(mut event) = item else {
                panic!("unreadable");
            };
            let (record, _) = process(&mut event, options, &mut stream, &mut scratch);
            seen.push(record.map_or_else(
                |_| "-".to_owned(),
                |record| {
                    [record.message, record.record, record.trace_id]
                        .map(Option::unwrap_or_default)
                        .join("|")
                },
            ));
        }
        seen
    }

    #[test]
    fn a_line_is_masked_as_text_before_it_is_json() {
        let options = options(|options| {
            (options.redact, _) = Redact::parse(r#"card,/"password":"[^"]*"/,/secret=\w+/"#);
        });
        let batch = r#"[
            {"type":"function","record":"{\"card\":4111111111111111,\"a\":1}"},
            {"type":"function","record":"{\"password\":\"x\",\"a\":1}"},
            {"type":"function","record":"{\"a\":\"secret=x\",\"message\":\"m\"}"},
            {"type":"function","record":"{\"a\":\"4111 1111 1111 1111\"}"}]"#;
        assert_eq!(
            shipped(batch, &options),
            [
                r#"{\"card\":[redacted:card],\"a\":1}||"#,
                r#"{[redacted],\"a\":1}||"#,
                r#"m|{"a":"[redacted]","message":"m"}|"#,
                r#"|{"a":"[redacted:card]"}|"#,
            ]
        );
    }

    #[test]
    fn a_tracing_header_is_masked_before_its_root_is_read() {
        let options = options(|options| {
            (options.redact, _) = Redact::parse("/Root=[^;]*/");
        });
        let batch = r#"[
            {"type":"platform.start","record":{"requestId":"r","tracing":{"value":"Root=1-a;Sampled=1"}}},
            {"type":"function","record":"x"}]"#;
        assert!(
            shipped(batch, &options)
                .iter()
                .all(|line| line.ends_with('|'))
        );
    }

    #[test]
    fn a_failure_is_known_even_where_its_event_is_not_shipped() {
        let options = options(|options| {
            options.select.types.platform = false;
            options.sample = Sample::parse("0").expect("a fraction");
        });
        let batch = r#"[
            {"type":"platform.start","record":{"requestId":"r"}},
            {"type":"function","record":"before"},
            {"type":"platform.runtimeDone","record":{"requestId":"r","status":"timeout"}},
            {"type":"function","record":"after"}]"#;
        assert_eq!(shipped(batch, &options), ["-", "-", "-", "after||"]);
    }
}
