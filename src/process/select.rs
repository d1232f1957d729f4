//! Which events are shipped.

use super::Options;
use crate::diag;
use crate::parse::Event;

/// The types of telemetry, as the subscription names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types {
    /// `platform.*` events.
    pub platform: bool,
    /// The function's own lines.
    pub function: bool,
    /// Lines of extensions, ours left out.
    pub extension: bool,
}

/// Whether an event is shipped; an unknown type of event is.
pub(super) fn keeps(event: &Event<'_>, options: &Options) -> bool {
    match &*event.kind {
        "function" => options.types.function,
        // Our own lines would come back for ever if each caused another one.
        "extension" => options.types.extension && !is_ours(event.record),
        kind if kind.starts_with("platform.") => options.types.platform,
        _ => true,
    }
}

/// Whether an extension's line is one of our own.
fn is_ours(record: &str) -> bool {
    record
        .strip_prefix('"')
        .is_some_and(|text| text.starts_with(diag::PREFIX))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn check(kind: &str, record: &str, types: [bool; 3], expected: bool) {
        let event = Event {
            time: None,
            kind: Cow::Borrowed(kind),
            record,
            extra: Vec::new(),
        };
        let [platform, function, extension] = types;
        let options = Options {
            types: Types {
                platform,
                function,
                extension,
            },
            concurrent: false,
        };
        assert_eq!(keeps(&event, &options), expected, "{kind} {record}");
    }

    #[test]
    fn types_are_selected_and_unknown_ones_kept() {
        for on in [true, false] {
            check("platform.start", "{}", [on, !on, !on], on);
            check("function", "\"x\"", [!on, on, !on], on);
            check("extension", "\"x\"", [!on, !on, on], on);
            check("something.new", "\"x\"", [on, on, on], true);
        }
    }

    #[test]
    fn our_own_lines_never_come_back() {
        let all = [true; 3];
        check("extension", "\"brooklet: warn: x\\n\"", all, false);
        check("extension", "\"other: brooklet: warn\"", all, true);
        check("function", "\"brooklet: warn: x\"", all, true);
    }
}
