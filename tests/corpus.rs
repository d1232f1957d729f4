//! The lines of `tests/data/lines`, as their README tells how to read them.
//!
//! It must not judge anything; what a line must become stands beside it.

use std::path::PathBuf;

/// A line, and what it must become.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its file and its line there.
    pub(crate) place: String,
    /// Its level; `None` if any will do, `Some("none")` if there must be none.
    pub(crate) level: Option<String>,
    /// The line itself.
    pub(crate) line: String,
    /// The JSON it becomes, if it is no text.
    pub(crate) record: Option<String>,
    /// Its text.
    pub(crate) message: Message,
}

/// What stands in the field `message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// This.
    Is(String),
    /// Nothing: there is no such field.
    Absent,
    /// It is not judged.
    Any,
}

/// The visible signs for what cannot be seen.
fn unseen(text: &str) -> String {
    text.replace('␉', "\t")
        .replace('␊', "\n")
        .replace('␍', "\r")
        .replace('␛', "\u{1b}")
}

/// Every case of every file.
pub(crate) fn all() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/lines");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the lines are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&file).expect("text");
        for (number, row) in text.lines().enumerate() {
            read(&mut cases, row, format!("{name}:{}", number + 1));
        }
    }
    cases
}

/// Reads a row: a comment, a new case, or more about the last one.
fn read(cases: &mut Vec<Case>, row: &str, place: String) {
    if row.starts_with('#') || row.is_empty() {
        return;
    }
    if let Some(more) = row.strip_prefix("      ") {
        let case = cases.last_mut().expect("a case comes first");
        if let Some(record) = more.strip_prefix("record: ") {
            let same = record == "=";
            case.record = Some(if same {
                case.line.clone()
            } else {
                unseen(record)
            });
            case.message = Message::Absent;
        } else if let Some(message) = more.strip_prefix("message: ") {
            case.message = match message {
                "?" => Message::Any,
                text => Message::Is(unseen(text)),
            };
        } else {
            panic!("{place}: {row}");
        }
        return;
    }
    let (level, line) = row
        .split_once(" | ")
        .unwrap_or_else(|| panic!("{place}: {row}"));
    let line = unseen(line);
    cases.push(Case {
        place,
        level: Some(level.trim().to_owned()).filter(|level| level != "any"),
        message: Message::Is(line.clone()),
        line,
        record: None,
    });
}
