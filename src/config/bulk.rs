//! The URL of `_bulk`: the path that Elasticsearch and OpenSearch fix behind an index, and the query that keeps their answers short.
//!
//! It must not take anything away from what the owner wrote.

use super::{Problem, references};
use crate::encode::{self, Format};

/// What the path ends with.
const END: &str = "/_bulk";

/// The name in the query that says which parts of an answer are wanted.
const FILTER: &str = "filter_path=";

/// The parts that are read.
const WANTED: &str = "errors,items.*.status,items.*.error";

/// The URL to call, and a problem if nothing names an index, neither this variable nor the path of what this word says; any other format's stays as it is.
pub(super) fn url(
    given: &str,
    format: &Format,
    encode: &encode::Options,
    (variable, what): (&str, &str),
    problems: &mut Vec<Problem>,
) -> String {
    if format.name != "elasticsearch" {
        return given.to_owned();
    }
    let sent = given.split('#').next().unwrap_or_default();
    let (path, own) = sent.split_once('?').unwrap_or((sent, ""));
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(END).unwrap_or(path);
    // Nothing but scheme and host is left.
    let is_known = !references::is_secret(given);
    if is_known && path.matches('/').count() < 3 && encode.index.is_none() {
        problems.push(Problem {
            what: format!(
                "{variable} is not set, and the {what}'s path names no index either: every record will be refused"
            ),
            taken: String::new(),
        });
    }
    let and = if own.is_empty() { "" } else { "&" };
    if own.contains(FILTER) {
        format!("{path}{END}?{own}")
    } else {
        format!("{path}{END}?{own}{and}{FILTER}{WANTED}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_owner_did_not_write_is_completed() {
        let filter = "filter_path=errors,items.*.status,items.*.error";
        for (given, completed, named) in [
            ("https://h", "https://h/_bulk?FILTER", false),
            ("https://h:9200/", "https://h:9200/_bulk?FILTER", false),
            ("https://h/_bulk", "https://h/_bulk?FILTER", false),
            ("https://h/i", "https://h/i/_bulk?FILTER", true),
            ("https://h/p/i/_bulk/#x", "https://h/p/i/_bulk?FILTER", true),
            (
                "https://h/i?pipeline=p",
                "https://h/i/_bulk?pipeline=p&FILTER",
                true,
            ),
            (
                "https://h/i?filter_path=errors",
                "https://h/i/_bulk?filter_path=errors",
                true,
            ),
        ] {
            let mut problems = Vec::new();
            let format = encode::format("elasticsearch").expect("a format");
            let mut options = encode::Options::default();
            let read = url(
                given,
                format,
                &options,
                ("INDEX", "endpoint"),
                &mut problems,
            );
            assert_eq!(read, completed.replace("FILTER", filter), "{given}");
            assert_eq!(problems.is_empty(), named, "{given}");
            options.index = Some("i".into());
            problems.clear();
            assert_eq!(
                url(
                    given,
                    format,
                    &options,
                    ("INDEX", "endpoint"),
                    &mut problems
                ),
                read
            );
            assert!(problems.is_empty(), "{given}");
        }
        let json = encode::format("json").expect("a format");
        let (options, mut problems) = (encode::Options::default(), Vec::new());
        assert_eq!(
            url(
                "https://h",
                json,
                &options,
                ("INDEX", "endpoint"),
                &mut problems
            ),
            "https://h"
        );
        assert!(problems.is_empty());
    }
}
