//! The platform's own events: the line that users of CloudWatch know, and how grave each is.
//!
//! The numbers stay in the record as they came; nothing is computed here but the rounding of the line.

use std::fmt::Write;

use super::Level;
use crate::parse::Fields;

/// How every type of the platform's begins.
pub(super) const PREFIX: &str = "platform.";

/// Whether a status tells of something that went wrong.
pub(super) fn failed(fields: &Fields<'_>) -> bool {
    fields
        .inside("status")
        .is_some_and(|status| status != "success")
}

/// The level of a platform event, by AWS's own table for CloudWatch; `None` for a type that nobody knows.
pub(super) fn level(kind: &str, fields: &Fields<'_>) -> Option<Level> {
    let good = |level| if failed(fields) { Level::Warn } else { level };
    let level = match kind.strip_prefix(PREFIX)? {
        "start" | "end" | "extension" | "telemetrySubscription" | "logsSubscription" => Level::Info,
        "report" | "restoreReport" => good(Level::Info),
        "runtimeDone" | "initRuntimeDone" | "restoreRuntimeDone" => good(Level::Debug),
        "initReport" => good(match fields.inside("initializationType") {
            Some("on-demand") => Level::Debug,
            _ => Level::Info,
        }),
        "initStart" | "restoreStart" => match fields.get("runtimeVersion") {
            Some(_) => Level::Info,
            None => Level::Debug,
        },
        "logsDropped" => Level::Warn,
        "fault" => Level::Error,
        _ => return None,
    };
    Some(level)
}

/// Writes the line of a platform event as the inside of a JSON string; a type that nobody knows has none.
pub(super) fn line(kind: &str, fields: &Fields<'_>, out: &mut String) {
    out.clear();
    let mut line = Line { out, fields };
    match kind.strip_prefix(PREFIX).unwrap_or_default() {
        "start" => {
            line.text("START RequestId: ", "requestId");
            line.text(" Version: ", "version");
        }
        // The Telemetry API has no `platform.end`; this is where CloudWatch writes it.
        "end" | "runtimeDone" => line.text("END RequestId: ", "requestId"),
        "report" => {
            line.text("REPORT RequestId: ", "requestId");
            line.metrics();
            line.bad_status();
        }
        "initStart" => line.runtime("INIT_START"),
        "restoreStart" => line.runtime("RESTORE_START"),
        "initReport" => {
            line.word("INIT_REPORT");
            line.time(" Init Duration: ", "durationMs");
            line.text("\\tPhase: ", "phase");
            line.status("\\tStatus: ");
        }
        "restoreReport" => {
            line.word("RESTORE_REPORT");
            line.time(" Restore Duration: ", "durationMs");
            line.bad_status();
        }
        "initRuntimeDone" => {
            line.word("INIT_RUNTIME_DONE");
            line.status(" Status: ");
        }
        "restoreRuntimeDone" => {
            line.word("RESTORE_RUNTIME_DONE");
            line.status(" Status: ");
        }
        "extension" => line.named("EXTENSION", "\\tEvents: ", "events"),
        "telemetrySubscription" => line.named("TELEMETRY", "\\tTypes: ", "types"),
        "logsSubscription" => line.named("LOGS", "\\tTypes: ", "types"),
        "logsDropped" => {
            line.word("LOGS_DROPPED");
            line.number(" Records: ", "droppedRecords", "");
            line.number("\\tBytes: ", "droppedBytes", "");
            line.text("\\tReason: ", "reason");
        }
        _ => {}
    }
}

/// A line that is being written.
struct Line<'a, 'f> {
    /// The inside of a JSON string.
    out: &'a mut String,
    /// The event's fields.
    fields: &'a Fields<'f>,
}

impl Line<'_, '_> {
    /// Writes a word.
    fn word(&mut self, word: &str) {
        self.out.push_str(word);
    }

    /// Writes a field of text behind its label, if there is one.
    fn text(&mut self, label: &str, name: &str) {
        if let Some(value) = self.fields.inside(name) {
            self.word(label);
            self.word(value);
        }
    }

    /// Writes a number as it came, without decimals that say nothing.
    fn number(&mut self, label: &str, name: &str, unit: &str) {
        Self::figure(self.out, self.fields, [label, name, unit]);
    }

    /// The same, from any object.
    fn figure(out: &mut String, fields: &Fields<'_>, [label, name, unit]: [&str; 3]) {
        let number = |value: &&str| value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if let Some(value) = fields.get(name).filter(number) {
            out.push_str(label);
            out.push_str(value.strip_suffix(".0").unwrap_or(value));
            out.push_str(unit);
        }
    }

    /// Writes a time of the metrics with two decimals.
    fn time(&mut self, label: &str, name: &str) {
        let metrics = self.fields.object("metrics");
        Self::milliseconds(self.out, &metrics, label, name);
    }

    /// The same, from the metrics.
    fn milliseconds(out: &mut String, metrics: &Fields<'_>, label: &str, name: &str) {
        if let Some(time) = metrics.hundredths(name) {
            // Writing into memory cannot fail.
            write!(out, "{label}{}.{:02} ms", time / 100, time % 100).unwrap_or(());
        }
    }

    /// Writes the figures of a report, in CloudWatch's order.
    fn metrics(&mut self) {
        let metrics = self.fields.object("metrics");
        let out = &mut *self.out;
        Self::milliseconds(out, &metrics, "\\tDuration: ", "durationMs");
        for figure in [
            ["\\tBilled Duration: ", "billedDurationMs", " ms"],
            ["\\tMemory Size: ", "memorySizeMB", " MB"],
            ["\\tMax Memory Used: ", "maxMemoryUsedMB", " MB"],
        ] {
            Self::figure(out, &metrics, figure);
        }
        Self::milliseconds(out, &metrics, "\\tInit Duration: ", "initDurationMs");
        Self::milliseconds(out, &metrics, "\\tRestore Duration: ", "restoreDurationMs");
        let billed = [
            "\\tBilled Restore Duration: ",
            "billedRestoreDurationMs",
            " ms",
        ];
        Self::figure(out, &metrics, billed);
    }

    /// Writes the status, and the kind of error.
    fn status(&mut self, label: &str) {
        self.text(label, "status");
        self.text("\\tError Type: ", "errorType");
    }

    /// Writes a status that is not success, as CloudWatch does.
    fn bad_status(&mut self) {
        if failed(self.fields) {
            self.status("\\tStatus: ");
        }
    }

    /// Writes the line of a start.
    fn runtime(&mut self, word: &str) {
        self.word(word);
        self.text(" Runtime Version: ", "runtimeVersion");
        self.text("\\tRuntime Version ARN: ", "runtimeVersionArn");
    }

    /// Writes the line of an extension.
    fn named(&mut self, word: &str, label: &str, list: &str) {
        self.word(word);
        self.text("\\tName: ", "name");
        self.text("\\tState: ", "state");
        if let Some(items) = self.fields.get(list) {
            self.word(label);
            // The names hold no escapes; a list of anything else is not the platform's.
            for (at, item) in items.split('"').enumerate() {
                match item.trim() {
                    "," => self.word(", "),
                    other if at == 0 || !other.contains('\\') => self.word(other),
                    _ => {}
                }
            }
            self.text("\\tError Type: ", "errorType");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, record: &str, expected_level: Option<Level>, expected: &str) {
        let fields = Fields::of(record);
        assert_eq!(level(kind, &fields), expected_level, "{kind} {record}");
        let mut out = String::new();
        line(kind, &fields, &mut out);
        assert_eq!(out, expected, "{kind} {record}");
    }

    #[test]
    fn the_lines_that_users_of_cloudwatch_know() {
        check(
            "platform.start",
            r#"{"requestId":"r-1","version":"$LATEST"}"#,
            Some(Level::Info),
            "START RequestId: r-1 Version: $LATEST",
        );
        check(
            "platform.runtimeDone",
            r#"{"requestId":"r-1","status":"timeout"}"#,
            Some(Level::Warn),
            "END RequestId: r-1",
        );
        check(
            "platform.report",
            r#"{"requestId":"r-1","status":"success","metrics":{"durationMs":2.5,"billedDurationMs":3,"memorySizeMB":128,"maxMemoryUsedMB":67,"initDurationMs":174.055}}"#,
            Some(Level::Info),
            r"REPORT RequestId: r-1\tDuration: 2.50 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 67 MB\tInit Duration: 174.06 ms",
        );
        check(
            "platform.report",
            r#"{"requestId":"r-1","status":"error","errorType":"Runtime.ExitError","metrics":{"durationMs":2598.0,"billedDurationMs":2600.0}}"#,
            Some(Level::Warn),
            r"REPORT RequestId: r-1\tDuration: 2598.00 ms\tBilled Duration: 2600 ms\tStatus: error\tError Type: Runtime.ExitError",
        );
        check(
            "platform.initStart",
            r#"{"runtimeVersion":"nodejs:18.v28","runtimeVersionArn":"arn:x"}"#,
            Some(Level::Info),
            r"INIT_START Runtime Version: nodejs:18.v28\tRuntime Version ARN: arn:x",
        );
        check("platform.initStart", "{}", Some(Level::Debug), "INIT_START");
        check(
            "platform.initReport",
            r#"{"initializationType":"on-demand","phase":"init","status":"timeout","metrics":{"durationMs":10000.1}}"#,
            Some(Level::Warn),
            r"INIT_REPORT Init Duration: 10000.10 ms\tPhase: init\tStatus: timeout",
        );
        check(
            "platform.restoreReport",
            r#"{"status":"success","metrics":{"durationMs":150.5}}"#,
            Some(Level::Info),
            "RESTORE_REPORT Restore Duration: 150.50 ms",
        );
        check(
            "platform.extension",
            r#"{"name":"brooklet","state":"Ready","events":["INVOKE", "SHUTDOWN"]}"#,
            Some(Level::Info),
            r"EXTENSION\tName: brooklet\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        );
        check(
            "platform.telemetrySubscription",
            r#"{"name":"x","state":"Subscribed","types":["platform"]}"#,
            Some(Level::Info),
            r"TELEMETRY\tName: x\tState: Subscribed\tTypes: [platform]",
        );
        check(
            "platform.logsDropped",
            r#"{"droppedBytes":34,"droppedRecords":12,"reason":"slow"}"#,
            Some(Level::Warn),
            r"LOGS_DROPPED Records: 12\tBytes: 34\tReason: slow",
        );
        check("platform.new", "{}", None, "");
    }
}
