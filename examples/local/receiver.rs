//! What the embedded receiver makes of a request: its records.
//!
//! It reads JSON as any destination would. Must not use the product's own types.

use crate::sink::Received;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields of a record that are looked at.
#[derive(Debug, Deserialize)]
struct Fields {
    /// The event's type.
    #[serde(rename = "type")]
    kind: String,
    /// A record's text, or that of its JSON.
    message: Option<String>,
    /// A record that is no text.
    record: Option<Box<RawValue>>,
    /// The invocation.
    request_id: Option<String>,
}

/// One record as it arrived.
#[derive(Debug)]
pub(crate) struct Record {
    /// The type: `function`, `platform.start`, ...
    pub(crate) kind: String,
    /// The JSON it carries, or its text.
    pub(crate) says: String,
    /// Whether it tells its invocation.
    pub(crate) invoked: bool,
    /// All of it.
    pub(crate) whole: String,
}

/// The records of a request; `None` where its body is not an array of them.
pub(crate) fn records(request: &Received) -> Option<Vec<Record>> {
    let body = request.body();
    let values: Vec<&RawValue> = serde_json::from_slice(&body).ok()?;
    values
        .into_iter()
        .map(|value| {
            let fields: Fields = serde_json::from_str(value.get()).ok()?;
            let is_platform = fields.kind.starts_with("platform.");
            Some(Record {
                kind: fields.kind,
                says: match (fields.record, fields.message) {
                    // A platform event is best read as the line that it has.
                    (Some(_), Some(message)) if is_platform => message,
                    (Some(record), _) => record.get().to_owned(),
                    (None, message) => message?,
                },
                invoked: fields.request_id.is_some(),
                whole: value.get().to_owned(),
            })
        })
        .collect()
}
