//! What nobody logs: a timeout, an out-of-memory kill, a crash of the runtime, an init that failed.
//!
//! Each is told once, from whatever tells of it first; a crash waits for the platform's report, whose figures tell whether memory was the cause.
//! It must not call an error that the function itself handled a crash.

use std::collections::VecDeque;
use std::fmt::Write;

use super::sample::Remembered;
use crate::parse::{self, Fields};

/// Something that nobody logged.
#[derive(Debug, PartialEq, Eq)]
pub struct Incident {
    /// The type of its record.
    pub kind: &'static str,
    /// The request it ended; empty if there was none.
    pub request_id: String,
    /// What happened, in a sentence, as the inside of a JSON string.
    pub message: String,
    /// What is known of it, as JSON.
    pub record: String,
}

/// How an environment ends, as the SHUTDOWN event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End<'a> {
    /// The reason, such as `spindown`, `timeout` or `failure`.
    pub reason: &'a str,
    /// The request of the last INVOKE event; empty if there was none.
    pub invoked: &'a str,
    /// Whether its end was not seen.
    pub running: bool,
    /// The longest that it might run, in milliseconds, if that is known.
    pub limit_ms: Option<u64>,
}

/// The kind of error that means that memory was short.
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";

/// Kinds of error that mean that a process died.
const CRASHES: [&str; 6] = [
    "Runtime.ExitError",
    OUT_OF_MEMORY,
    "Runtime.Unknown",
    "Extension.Crash",
    "Extension.ExitError",
    "Sandbox.Failure",
];

/// Kinds of error that mean that time was up.
const TIMEOUTS: [&str; 3] = [
    "Runtime.InvokeTimeout",
    "Sandbox.Timeout",
    "Sandbox.Timedout",
];

/// The last lines of a request that are told.
const LINES_MAX: usize = 10;

/// The lines that are remembered: on Managed Instances those of several requests stand between each other.
const REMEMBERED_MAX: usize = 20;

/// The bytes of a line that are remembered.
const LINE_BYTES_MAX: usize = 256;

/// A death that the platform's report is awaited for.
#[derive(Debug, Default)]
struct Suspicion {
    /// The request; empty for an init.
    request_id: String,
    /// What is known, as the fields of a JSON object, each with a comma behind it.
    known: String,
    /// The kind of error, as the platform tells it.
    error_type: String,
}

/// Watches the stream for what nobody logs.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The last lines, each with its request and masked.
    lines: VecDeque<(String, String)>,
    /// Requests whose end was told.
    told: Remembered,
    /// A crash that waits for its report.
    crash: Option<Suspicion>,
    /// A failed init that waits for its report.
    init: Option<Suspicion>,
    /// Whether the init is behind us: it was reported, or a request began.
    init_over: bool,
    /// Whether the failure of this init was told.
    init_told: bool,
    /// Requests that began and were not reported, for the end of an environment where they overlap.
    under_way: Remembered,
    /// The longest that the current invocation may run, in milliseconds.
    limit_ms: Option<u64>,
    /// What was found and not fetched.
    found: VecDeque<Incident>,
}

impl Watch {
    /// Remembers what a request logged: its text, or else its JSON; it must be masked already.
    pub(super) fn line(&mut self, request_id: &str, message: Option<&str>, record: Option<&str>) {
        let (mut id, mut line) = if self.lines.len() < REMEMBERED_MAX {
            Default::default()
        } else {
            self.lines.pop_front().unwrap_or_default()
        };
        request_id.clone_into(&mut id);
        line.clear();
        match (message, record) {
            (Some(inside), _) => line.push_str(parse::cut_inside(inside, LINE_BYTES_MAX)),
            (None, Some(json)) => {
                parse::escape(&mut line, parse::cut(json, LINE_BYTES_MAX));
            }
            (None, None) => {}
        }
        self.lines.push_back((id, line));
    }

    /// Tells how long the current invocation may run.
    pub(super) fn limit(&mut self, limit_ms: Option<u64>) {
        self.limit_ms = limit_ms;
    }

    /// What was found.
    pub(super) fn next(&mut self) -> Option<Incident> {
        self.found.pop_front()
    }

    /// Takes notice of an event of the platform's.
    pub(super) fn observe(&mut self, kind: &str, fields: &Fields<'_>) {
        let status = fields.inside("status").unwrap_or("success");
        let error_type = fields.inside("errorType").unwrap_or_default();
        let request_id = fields.inside("requestId").unwrap_or_default();
        let timed_out = status == "timeout" || TIMEOUTS.contains(&error_type);
        // The Logs API calls an error that was handled a failure too, and tells of a death in another event.
        let crashed = CRASHES.contains(&error_type);
        // A report may come behind the next request's start; when that is over too it will not come.
        let other = |crash: &Suspicion| crash.request_id != request_id;
        if kind == "platform.runtimeDone" && self.crash.as_ref().is_some_and(other) {
            self.settle();
        }
        if kind == "platform.report" {
            self.under_way.forget(request_id);
        }
        match kind {
            "platform.initStart" | "platform.restoreStart" => {
                (self.init, self.init_over, self.init_told) = (None, false, false);
            }
            "platform.initRuntimeDone" | "platform.restoreRuntimeDone" if status != "success" => {
                self.init = Some(Suspicion::of("", fields));
            }
            "platform.initReport" | "platform.restoreReport" => {
                let suspicion = self.init.take();
                if status != "success" || suspicion.is_some() {
                    let mut suspicion = suspicion.unwrap_or_else(|| Suspicion::of("", fields));
                    suspicion.figures(fields);
                    let timed_out = timed_out || TIMEOUTS.contains(&&*suspicion.error_type);
                    self.init_failed(suspicion, timed_out);
                }
                self.init_over = true;
            }
            "platform.start" => {
                self.settle_init();
                self.init_over = true;
                // A request that is tried again has the same id, and may die again.
                self.told.forget(request_id);
                self.under_way.add(request_id);
            }
            "platform.runtimeDone" | "platform.report" if timed_out => {
                let mut suspicion = Suspicion::of(request_id, fields);
                suspicion.figures(fields);
                let duration = fields.object("metrics").hundredths("durationMs");
                self.timed_out(suspicion, duration);
            }
            "platform.runtimeDone" if crashed => {
                self.crash = Some(Suspicion::of(request_id, fields))
            }
            "platform.report" => {
                let awaited = self.crash.take_if(|crash| crash.request_id == request_id);
                if crashed || awaited.is_some() {
                    let mut suspicion =
                        awaited.unwrap_or_else(|| Suspicion::of(request_id, fields));
                    suspicion.figures(fields);
                    let metrics = fields.object("metrics");
                    let size = metrics.hundredths("memorySizeMB");
                    let used = metrics.hundredths("maxMemoryUsedMB");
                    let by_memory = suspicion.error_type == OUT_OF_MEMORY;
                    self.crashed(
                        suspicion,
                        size.filter(|size| by_memory || used >= Some(*size)),
                    );
                }
            }
            _ => {}
        }
    }

    /// Takes notice of the Logs API's word of a death, a text.
    pub(super) fn fault(&mut self, request_id: &str, text: &str) {
        let found = CRASHES.iter().find(|kind| text.contains(*kind));
        if let (Some(kind), None) = (found, &self.crash) {
            let record = format!("{{\"status\":\"error\",\"errorType\":\"{kind}\"}}");
            self.crash = Some(Suspicion::of(request_id, &Fields::of(&record)));
        }
    }

    /// Takes notice of the environment's end.
    pub(super) fn end(&mut self, end: End<'_>) {
        self.settle();
        let reason = end.reason.to_ascii_lowercase();
        let untold = end.running && !self.told.has(end.invoked);
        let mut suspicion = Suspicion {
            request_id: end.invoked.to_owned(),
            ..Suspicion::default()
        };
        suspicion.text("reason", &reason);
        match &*reason {
            "timeout" if untold => {
                self.limit_ms = end.limit_ms.or(self.limit_ms);
                self.timed_out(suspicion, None);
            }
            "failure" if untold => self.crashed(suspicion, None),
            "failure" if end.invoked.is_empty() && !self.init_over && !self.init_told => {
                self.init_failed(suspicion, false);
            }
            // Where requests overlap no INVOKE event tells which ones it took.
            "failure" if end.invoked.is_empty() && !self.under_way.is_empty() => {
                self.crashed(suspicion, None);
            }
            _ => {}
        }
    }

    /// Tells what waited for a report that will not come.
    fn settle(&mut self) {
        self.settle_init();
        if let Some(crash) = self.crash.take() {
            self.crashed(crash, None);
        }
    }

    /// Tells of an init whose report will not come.
    fn settle_init(&mut self) {
        if let Some(init) = self.init.take() {
            self.init_failed(init, false);
        }
    }

    /// Tells of a timeout; `duration` is how long it ran, in hundredths of a millisecond.
    fn timed_out(&mut self, mut suspicion: Suspicion, duration: Option<u64>) {
        if let Some(limit) = self.limit_ms {
            suspicion.number("limit_ms", limit);
        }
        let ran_ms = self
            .limit_ms
            .or_else(|| duration.map(|hundredths| hundredths / 100));
        let after = ran_ms.map_or_else(String::new, |ms| {
            format!(" after {}.{:02} seconds", ms / 1000, ms % 1000 / 10)
        });
        self.tell(
            "brooklet.timeout",
            suspicion,
            &format!("Task timed out{after}"),
        );
    }

    /// Tells of a crash, or of the memory limit that was its cause, in hundredths of a MB.
    fn crashed(&mut self, mut suspicion: Suspicion, memory: Option<u64>) {
        if memory.is_none() && suspicion.error_type != OUT_OF_MEMORY {
            let what = if suspicion.request_id.is_empty() {
                "The environment failed"
            } else {
                "The runtime crashed"
            };
            let message = suspicion.described(what);
            return self.tell("brooklet.crash", suspicion, &message);
        }
        let mut message = "The runtime was killed: out of memory".to_owned();
        if let Some(memory) = memory {
            suspicion.number("limit_mb", memory / 100);
            // Writing into memory cannot fail.
            write!(message, ", of which it has {} MB", memory / 100).unwrap_or(());
        }
        self.tell("brooklet.out_of_memory", suspicion, &message);
    }

    /// Tells of an init that failed or took too long.
    fn init_failed(&mut self, suspicion: Suspicion, timed_out: bool) {
        if std::mem::replace(&mut self.init_told, true) {
            return;
        }
        let what = if timed_out {
            "The init took too long"
        } else {
            "The init failed"
        };
        let message = suspicion.described(what);
        self.tell("brooklet.init_failure", suspicion, &message);
    }

    /// Makes the incident, once for a request.
    fn tell(&mut self, kind: &'static str, suspicion: Suspicion, message: &str) {
        let Suspicion {
            request_id, known, ..
        } = suspicion;
        if !request_id.is_empty() && !self.told.add(&request_id) {
            return;
        }
        let mut record = format!("{{{known}\"last_lines\":[");
        let of_request = |(id, _): &&(String, String)| *id == request_id;
        let behind = self.lines.iter().filter(of_request).count();
        let lines = self.lines.iter().filter(of_request);
        for (at, (_, line)) in lines.skip(behind.saturating_sub(LINES_MAX)).enumerate() {
            let separator = if at == 0 { "" } else { "," };
            // Writing into memory cannot fail.
            write!(record, "{separator}\"{line}\"").unwrap_or(());
        }
        record.push_str("]}");
        self.found.push_back(Incident {
            kind,
            request_id,
            message: message.to_owned(),
            record,
        });
    }
}

impl Suspicion {
    /// What an event tells of a death.
    fn of(request_id: &str, fields: &Fields<'_>) -> Self {
        let mut suspicion = Self {
            request_id: request_id.to_owned(),
            ..Self::default()
        };
        for (name, field) in [
            ("status", "status"),
            ("error_type", "errorType"),
            ("phase", "phase"),
        ] {
            if let Some(value) = fields.inside(field) {
                suspicion.text(name, value);
            }
        }
        fields
            .inside("errorType")
            .unwrap_or_default()
            .clone_into(&mut suspicion.error_type);
        suspicion
    }

    /// Adds the figures of a report.
    fn figures(&mut self, fields: &Fields<'_>) {
        let metrics = fields.object("metrics");
        for (name, field) in [
            ("duration_ms", "durationMs"),
            ("memory_size_mb", "memorySizeMB"),
            ("max_memory_used_mb", "maxMemoryUsedMB"),
        ] {
            if let Some(value) = metrics.get(field) {
                self.raw(name, value);
            }
        }
    }

    /// What happened, and the kind of error.
    fn described(&self, what: &str) -> String {
        if self.error_type.is_empty() {
            what.to_owned()
        } else {
            format!("{what}: {}", self.error_type)
        }
    }

    /// Adds a fact that is the inside of a JSON string.
    fn text(&mut self, name: &str, inside: &str) {
        self.raw(name, &format!("\"{inside}\""));
    }

    /// Adds a number.
    fn number(&mut self, name: &str, value: u64) {
        self.raw(name, &value.to_string());
    }

    /// Adds a fact that is JSON.
    fn raw(&mut self, name: &str, value: &str) {
        // Writing into memory cannot fail.
        write!(self.known, "\"{name}\":{value},").unwrap_or(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A platform event, as type and record.
    type Seen = (&'static str, &'static str);

    /// The incidents of some events, as `type request message record`.
    fn found(watch: &mut Watch, events: &[Seen]) -> Vec<String> {
        for (kind, record) in events {
            watch.observe(kind, &Fields::of(record));
        }
        std::iter::from_fn(|| watch.next())
            .map(|i| format!("{} {} {} {}", i.kind, i.request_id, i.message, i.record))
            .collect()
    }

    const START: Seen = ("platform.start", r#"{"requestId":"r"}"#);

    fn end(reason: &str, invoked: &'static str, running: bool) -> Vec<String> {
        let mut watch = Watch::default();
        watch.line("r", Some("a"), None);
        watch.end(End {
            reason,
            invoked,
            running,
            limit_ms: Some(3000),
        });
        found(&mut watch, &[])
    }

    #[test]
    fn a_timeout_is_told_once_with_its_limit_and_last_lines() {
        let mut watch = Watch::default();
        watch.limit(Some(3000));
        for n in 0..30 {
            watch.line("r", Some(&format!("line {n}")), None);
            watch.line(if n < 26 { "other" } else { "r" }, Some("x"), None);
        }
        let done = (
            "platform.runtimeDone",
            r#"{"requestId":"r","status":"timeout","metrics":{"durationMs":3000.0}}"#,
        );
        let report = ("platform.report", r#"{"requestId":"r","status":"timeout"}"#);
        assert_eq!(
            found(&mut watch, &[START, done, report]),
            [
                r#"brooklet.timeout r Task timed out after 3.00 seconds {"status":"timeout","duration_ms":3000.0,"limit_ms":3000,"last_lines":["line 24","line 25","line 26","x","line 27","x","line 28","x","line 29","x"]}"#
            ]
        );
    }

    #[test]
    fn memory_figures_tell_a_kill_from_a_crash() {
        let done = (
            "platform.runtimeDone",
            r#"{"requestId":"r","status":"error","errorType":"Runtime.ExitError"}"#,
        );
        let full = (
            "platform.report",
            r#"{"requestId":"r","status":"error","errorType":"Runtime.ExitError","metrics":{"durationMs":12.5,"memorySizeMB":128,"maxMemoryUsedMB":128}}"#,
        );
        assert_eq!(
            found(&mut Watch::default(), &[START, done, full]),
            [
                r#"brooklet.out_of_memory r The runtime was killed: out of memory, of which it has 128 MB {"status":"error","error_type":"Runtime.ExitError","duration_ms":12.5,"memory_size_mb":128,"max_memory_used_mb":128,"limit_mb":128,"last_lines":[]}"#
            ]
        );
        let half = (
            "platform.report",
            r#"{"requestId":"r","metrics":{"memorySizeMB":128,"maxMemoryUsedMB":64}}"#,
        );
        let crash = r#"brooklet.crash r The runtime crashed: Runtime.ExitError {"status":"error","error_type":"Runtime.ExitError",""#;
        let seen = found(&mut Watch::default(), &[START, done, half]);
        assert!(
            seen.len() == 1 && seen.iter().all(|line| line.starts_with(crash)),
            "{seen:?}"
        );
        // The report may come late, and is not waited for beyond the next request's end.
        let next = ("platform.start", r#"{"requestId":"s"}"#);
        let next_done = (
            "platform.runtimeDone",
            r#"{"requestId":"s","status":"success"}"#,
        );
        let mut watch = Watch::default();
        assert_eq!(
            found(&mut watch, &[START, done, next]),
            Vec::<String>::new()
        );
        assert!(
            found(&mut watch, &[full])
                .concat()
                .contains("out_of_memory")
        );
        let mut watch = Watch::default();
        assert_eq!(found(&mut watch, &[START, done, next, next_done]).len(), 1);
        // The same request may be tried again, and die again.
        let mut watch = Watch::default();
        assert_eq!(
            found(&mut watch, &[START, done, half, START, done, half]).len(),
            2
        );
    }

    #[test]
    fn an_error_that_was_handled_is_none_of_ours() {
        let done = (
            "platform.runtimeDone",
            r#"{"requestId":"r","status":"error","errorType":"Function.ValueError"}"#,
        );
        let report = (
            "platform.report",
            r#"{"requestId":"r","status":"error","errorType":"Function.ValueError","metrics":{"memorySizeMB":128,"maxMemoryUsedMB":128}}"#,
        );
        assert_eq!(
            found(&mut Watch::default(), &[START, done, report]),
            Vec::<String>::new()
        );
        let bare = (
            "platform.runtimeDone",
            r#"{"requestId":"r","status":"error"}"#,
        );
        assert_eq!(
            found(&mut Watch::default(), &[START, bare]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_failed_init_is_told_once_for_each_phase() {
        let begin = ("platform.initStart", r#"{"phase":"init"}"#);
        let done = (
            "platform.initRuntimeDone",
            r#"{"phase":"init","status":"error","errorType":"Runtime.InitError"}"#,
        );
        let report = (
            "platform.initReport",
            r#"{"phase":"init","status":"error","metrics":{"durationMs":7.25}}"#,
        );
        let told = r#"brooklet.init_failure  The init failed: Runtime.InitError {"status":"error","error_type":"Runtime.InitError","phase":"init","duration_ms":7.25,"last_lines":[]}"#;
        let mut watch = Watch::default();
        assert_eq!(found(&mut watch, &[begin, done, report]), [told]);
        assert_eq!(found(&mut watch, &[begin, done, report, report]), [told]);
        let restored = (
            "platform.restoreReport",
            r#"{"status":"timeout","errorType":"Sandbox.Timedout"}"#,
        );
        assert_eq!(found(&mut Watch::default(), &[restored]).len(), 1);
        let late = (
            "platform.initReport",
            r#"{"phase":"init","status":"timeout"}"#,
        );
        let seen = found(&mut Watch::default(), &[begin, late]);
        assert!(
            seen.iter().all(|line| line.contains("took too long")) && seen.len() == 1,
            "{seen:?}"
        );
    }

    #[test]
    fn the_end_tells_what_nothing_else_did() {
        let told = |reason, invoked, running| {
            end(reason, invoked, running)
                .iter()
                .map(|line| line.split(' ').next().map(ToOwned::to_owned))
                .collect::<Vec<_>>()
        };
        let one = |kind: &str| vec![Some(kind.to_owned())];
        assert_eq!(
            end("TIMEOUT", "r", true),
            [
                r#"brooklet.timeout r Task timed out after 3.00 seconds {"reason":"timeout","limit_ms":3000,"last_lines":["a"]}"#
            ]
        );
        assert_eq!(told("failure", "r", true), one("brooklet.crash"));
        assert_eq!(told("failure", "", false), one("brooklet.init_failure"));
        // Where requests overlap there is no INVOKE event: one that was begun and not reported was under way.
        let good = ("platform.initReport", r#"{"status":"success"}"#);
        for (events, expected) in [(&[good][..], false), (&[good, START], true)] {
            let mut watch = Watch::default();
            assert_eq!(found(&mut watch, events), Vec::<String>::new());
            watch.end(End {
                reason: "failure",
                invoked: "",
                running: false,
                limit_ms: None,
            });
            let told = found(&mut watch, &[]).concat();
            assert_eq!(told.starts_with("brooklet.crash"), expected, "{told}");
        }
        for (reason, invoked, running) in [
            ("spindown", "r", true),
            ("timeout", "r", false),
            ("failure", "r", false),
        ] {
            assert_eq!(told(reason, invoked, running), []);
        }
    }
}
