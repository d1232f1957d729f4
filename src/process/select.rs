//! Which events are shipped: by type, by level, by what they say.
//!
//! It only tells; nothing is changed and nothing is counted here.

use super::{Content, Level, Pattern};
use crate::diag;
use crate::parse::{self, Event};

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

impl Default for Types {
    fn default() -> Self {
        Self {
            platform: true,
            function: true,
            extension: false,
        }
    }
}

/// What is shipped.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// The types.
    pub types: Types,
    /// Lines below this level are dropped, if their level is known.
    pub min_level: Option<Level>,
    /// If there are any, one of these must match.
    pub include: Vec<Pattern>,
    /// None of these may match.
    pub exclude: Vec<Pattern>,
}

/// Why a record is not shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped<'a> {
    /// Its type is not wanted.
    Type,
    /// It is one of our own lines, which would come back for ever.
    Own,
    /// Its level is below the least one.
    Level(Level),
    /// Nothing that must match does.
    Include,
    /// This matches.
    Exclude(&'a str),
    /// Its invocation is not among those that are kept.
    Sample,
}

impl Select {
    /// Looks at an event's type alone; an unknown type is shipped.
    pub(super) fn by_type(&self, event: &Event<'_>) -> Result<(), Dropped<'_>> {
        let wanted = match &*event.kind {
            "function" => self.types.function,
            "extension" if is_ours(event.record) => return Err(Dropped::Own),
            "extension" => self.types.extension,
            kind if kind.starts_with(super::platform::PREFIX) => self.types.platform,
            _ => true,
        };
        if wanted { Ok(()) } else { Err(Dropped::Type) }
    }

    /// Looks at what a record holds; the platform's own events have no least level.
    pub(super) fn by_content(
        &self,
        content: &Content<'_>,
        platform: bool,
    ) -> Result<(), Dropped<'_>> {
        if let (Some(level), Some(min), false) = (content.level, self.min_level, platform)
            && level < min
        {
            return Err(Dropped::Level(level));
        }
        if self.include.is_empty() && self.exclude.is_empty() {
            return Ok(());
        }
        let message = content.message.map(parse::plain);
        let matches = |pattern: &&Pattern| {
            let texts = [message.as_deref(), content.record];
            texts
                .into_iter()
                .flatten()
                .any(|text| pattern.is_match(text))
        };
        if !self.include.is_empty() && !self.include.iter().any(|pattern| matches(&pattern)) {
            return Err(Dropped::Include);
        }
        match self.exclude.iter().find(matches) {
            Some(pattern) => Err(Dropped::Exclude(pattern.as_str())),
            None => Ok(()),
        }
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
    use crate::parse::Facts;

    fn select(types: [bool; 3]) -> Select {
        let [platform, function, extension] = types;
        Select {
            types: Types {
                platform,
                function,
                extension,
            },
            ..Select::default()
        }
    }

    fn check(kind: &str, record: &str, types: [bool; 3], expected: bool) {
        let event = Event {
            time: None,
            kind: Cow::Borrowed(kind),
            record,
            facts: Facts::default(),
            extra: Vec::new(),
            surrogates: None,
        };
        let kept = select(types).by_type(&event).is_ok();
        assert_eq!(kept, expected, "{kind} {record}");
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

    /// Whether text with a level is kept.
    fn keeps(select: &Select, level: Option<Level>, message: &str, record: Option<&str>) -> bool {
        let content = Content {
            message: Some(message),
            record,
            level,
            ..Content::default()
        };
        select.by_content(&content, false).is_ok()
    }

    #[test]
    fn only_a_level_that_is_known_to_be_below_is_dropped() {
        let mut select = select([true; 3]);
        select.min_level = Some(Level::Warn);
        for (level, expected) in [
            (Some(Level::Info), false),
            (Some(Level::Warn), true),
            (Some(Level::Fatal), true),
            (None, true),
        ] {
            assert_eq!(keeps(&select, level, "x", None), expected, "{level:?}");
        }
        let content = Content {
            level: Some(Level::Debug),
            ..Content::default()
        };
        assert!(select.by_content(&content, true).is_ok());
    }

    #[test]
    fn patterns_see_plain_text_and_json_as_written() {
        let pattern = |text| Pattern::new(text, false).expect("a pattern");
        let mut select = select([true; 3]);
        select.include = vec![pattern("a\tb"), pattern(r#""k":1"#)];
        select.exclude = vec![pattern("secret"), pattern("^x$")];
        for (message, record, expected) in [
            (r"a\tb", None, true),
            ("a b", None, false),
            ("z", Some(r#"{"k":1}"#), true),
            (r"a\tb secret", None, false),
            ("x", Some(r#"{"k":1}"#), false),
        ] {
            assert_eq!(keeps(&select, None, message, record), expected, "{message}");
        }
    }
}
