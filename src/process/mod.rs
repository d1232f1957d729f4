//! Between an event and a record: keeps or drops, masks, and adds what the stream itself tells.
//!
//! The order is fixed: select, sample, redact, enrich; what is dropped is never looked into further.
//! This stage must not write bytes of any format, and must not allocate for a record that it only passes on.

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

/// What process is told by the configuration.
#[derive(Debug, Clone)]
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
    /// The tenant whose request it belongs to.
    pub tenant_id: Option<&'a str>,
    /// Whether it belongs to the environment's first invocation, if that is known.
    pub cold_start: Option<bool>,
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
    /// The ids: request, trace, tenant.
    ids: [Option<String>; 3],
}

/// Takes an event through the stage.
///
/// The signal is read from every platform event, also from one that is not shipped.
/// The record borrows from the event, the stream's state and the scratch.
pub fn process<'a, 'body>(
    event: &'a mut Event<'body>,
    options: &'a Options,
    stream: &'a mut Stream,
    scratch: &'a mut Scratch,
) -> (Result<Record<'a>, Dropped<'a>>, Option<Signal<'body>>) {
    let raw = event.record;
    let facts = parse::facts(raw);
    let is_platform = event.kind.starts_with(platform::PREFIX);
    let (mut signal, mut failed) = (None, false);
    let Scratch {
        document,
        line,
        rewritten,
        masks,
    } = scratch;
    let fields = is_platform.then(|| parse::Fields::of(raw));
    if let Some(fields) = &fields {
        signal = stream.observe(event, &facts, fields, options);
        failed = platform::failed(fields);
    }
    if let Err(dropped) = options.select.by_type(event) {
        return (Err(dropped), signal);
    }
    let content = match &fields {
        Some(fields) => {
            platform::line(&event.kind, fields, line);
            Content {
                // The Logs API of old wrote some of these as text.
                message: content::line(raw)
                    .or_else(|| Some(line.as_str()).filter(|line| !line.is_empty())),
                record: Some(raw).filter(|raw| !raw.starts_with('"')),
                level: platform::level(&event.kind, fields),
                facts,
            }
        }
        None => content::read(raw, facts, document),
    };
    failed |= content.level >= Some(Level::Error);
    let kept = stream.sample(&event.kind, &content.facts, failed, options);
    if let Err(dropped) = options.select.by_content(&content, is_platform) {
        return (Err(dropped), signal);
    }
    masks.reset();
    let Rewritten {
        message: new_message,
        record: new_record,
        ids: [new_request, new_trace, new_tenant],
    } = rewritten;
    let (message, record) = rewrite(
        &content,
        is_platform,
        options,
        masks,
        new_message,
        new_record,
    );
    let facts = content.facts;
    // What led to a death is worth knowing even where it is not kept.
    stream.remember(&event.kind, &facts, message, record, options);
    let sample = match kept {
        Ok(sample) => sample,
        Err(dropped) => return (Err(dropped), signal),
    };
    if !options.redact.is_empty() {
        for (_, value) in &mut event.extra {
            if let Some(masked) = options.redact.json(value, masks) {
                *value = Cow::Owned(masked);
            }
        }
    }
    let enriched = stream.enrich(event, &facts, options);
    let record = Record {
        level: content.level,
        message,
        record,
        request_id: masked(enriched.request_id, options, masks, new_request),
        trace_id: masked(enriched.trace_id, options, masks, new_trace),
        tenant_id: masked(enriched.tenant_id, options, masks, new_tenant),
        sample,
        ..enriched
    };
    (Ok(record), signal)
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
    if options.redact.is_empty() {
        return id;
    }
    *new = id.and_then(|id| options.redact.text_inside(id, masks));
    new.as_deref().or(id)
}
