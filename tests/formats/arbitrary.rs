//! Bytes to telemetry: whatever the bytes are, a batch of odd events, and odd options to ship them with.
//!
//! It writes JSON as text, sound or not, so that nothing stands between the oddity and the product.
//! The same bytes always make the same; where there are none left, everything is the first of its kind.

/// Chance that comes from bytes.
pub(crate) struct Source<'a> {
    /// What is left of them.
    data: &'a [u8],
}

/// What strings are made of, as it stands between the quotes; the last few are no JSON.
const PIECES: &[&str] = &[
    "a",
    "",
    "word ",
    "é",
    "日本",
    "😀",
    "\u{2028}",
    "\u{7f}",
    "\u{feff}",
    "\u{fffd}",
    r"\n",
    r"\r\n",
    r"\t",
    r#"\""#,
    r"\\",
    r"\/",
    r"\b",
    r"\f",
    r"\u0000",
    r"\u001f",
    r"\u00e9",
    r"\u2028",
    r"\ud83d\ude00",
    r"\ud83d",
    r"\ude00",
    r"\uDBFF\uD800",
    r"\\ud83d",
    "{",
    "}",
    "[1,",
    "]",
    ",",
    ":",
    "'",
    "%41",
    r#"{\"message\":\"in\",\"a\":[1]}"#,
    r#"{\"message\":\"{\\\"b\\\":2}\",\"\":{}}"#,
    r"2026-11-22T10:00:00.000Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tERROR\t",
    "[WARN] ",
    "Task timed out after 3.00 seconds",
    "mail@example.com",
    "4111 1111 1111 1111",
    "… [truncated]",
    "\t",
    "\u{1}",
    r"\x",
    r"\u12",
];

/// Numbers, the last few of which are none.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "1.50",
    "1e400",
    "-1E-400",
    "1E+5",
    "0.1e2",
    "30",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345678901234567890.5",
    "01",
    "1.",
    "NaN",
    "--1",
];

/// The names of fields.
const NAMES: &[&str] = &[
    "message",
    "a",
    "level",
    "msg",
    "",
    "severity",
    "timestamp",
    "time",
    "type",
    "record",
    "record_id",
    "requestId",
    "AWSRequestId",
    "tenantId",
    "traceId",
    "spanId",
    "tracing",
    "value",
    "log",
    "log.level",
    "a.b",
    ".",
    "é",
    r#"q\""#,
    r"\u0061",
    r"\ud83d",
    r"\n",
    "service_name",
    "@timestamp",
    "droppedRecords",
    "metrics",
    "durationMs",
    "status",
    "errorType",
    "initType",
    "phase",
];

/// The types of events.
const KINDS: &[&str] = &[
    "function",
    "extension",
    "platform.start",
    "platform.runtimeDone",
    "platform.report",
    "platform.initStart",
    "platform.initRuntimeDone",
    "platform.initReport",
    "platform.restoreStart",
    "platform.restoreReport",
    "platform.extension",
    "platform.telemetrySubscription",
    "platform.logsDropped",
    "platform.fault",
    "platform.end",
    "platform.new",
    "platform.",
    "odd",
    "Function",
    r"o\u0064d\n",
    "日本",
];

/// Times, as JSON.
const TIMES: &[&str] = &[
    r#""2026-11-22T10:00:00.123Z""#,
    r#""2026-11-22T10:00:00Z""#,
    r#""2026-11-22T10:00:00.123456789Z""#,
    r#""2026-11-22T10:00:00.1234567890123Z""#,
    r#""2026-11-22T10:00:00.Z""#,
    r#""2026-11-22T10:00:00+02:00""#,
    r#""2026-11-22t10:00:00z""#,
    r#""2026-11-22 10:00:00Z""#,
    r#""2026-02-31T10:00:00Z""#,
    r#""2026-11-22T23:59:60Z""#,
    r#""1970-01-01T00:00:00Z""#,
    r#""0001-01-01T00:00:00Z""#,
    r#""2261-11-22T10:00:00Z""#,
    r#""9999-12-31T23:59:59.999Z""#,
    r#""2026-11-22T10:00:00.123\u005a""#,
    r#""""#,
    r#""soon""#,
    "1795365739261",
    "null",
    "{}",
];

/// What stands between two tokens.
const SPACES: &[&str] = &["", "", "", " ", "\n", "\r\n", "\t", "  \n "];

/// The longest string of one piece, in bytes.
const RUN_BYTES_MAX: usize = 64 * 1024;

impl<'a> Source<'a> {
    /// Chance from these bytes.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    /// A number below this one, which is at most 256.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        let Some((first, rest)) = self.data.split_first() else {
            return 0;
        };
        self.data = rest;
        usize::from(*first) % most
    }

    /// One of several.
    pub(crate) fn one<'b, T: ?Sized>(&mut self, of: &[&'b T]) -> &'b T {
        of[self.below(of.len())]
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// Whether there is anything left.
    fn is_over(&self) -> bool {
        self.data.is_empty()
    }

    /// Writes white space.
    fn space(&mut self, out: &mut String) {
        out.push_str(self.one(SPACES));
    }

    /// Writes a string, mostly a short one.
    fn string(&mut self, out: &mut String) {
        out.push('"');
        for _ in 0..self.below(6) {
            // What is no JSON costs the whole event, so it is rare.
            let all = if self.once_in(12) { 0 } else { 4 };
            let piece = self.one(&PIECES[..PIECES.len() - all]);
            let times = match self.below(16) {
                15 => 1 << self.below(15),
                14 => 20,
                _ => 1,
            };
            let most = RUN_BYTES_MAX / piece.len().max(1);
            (0..times.min(most)).for_each(|_| out.push_str(piece));
        }
        out.push('"');
    }

    /// Writes any value.
    fn value(&mut self, out: &mut String, depth: usize) {
        match self.below(12) {
            0..=3 => self.string(out),
            4 => {
                let all = if self.once_in(12) { 0 } else { 4 };
                out.push_str(self.one(&NUMBERS[..NUMBERS.len() - all]));
            }
            5 => out.push_str(self.one(&["true", "false", "null", "True", "nul"])),
            6 if depth == 0 => {
                let (open, close) =
                    [("[", "]"), (r#"{"a":"#, "}"), ("[{\"\":", "}]")][self.below(3)];
                let times = 1 << self.below(12);
                out.push_str(&open.repeat(times));
                out.push('1');
                out.push_str(&close.repeat(times));
            }
            7 | 8 if depth < 5 => {
                out.push('[');
                for at in 0..self.below(4) {
                    if at > 0 {
                        out.push(',');
                    }
                    self.space(out);
                    self.value(out, depth + 1);
                }
                out.push(']');
            }
            9..=11 if depth < 5 => self.object(out, depth),
            _ => out.push_str("{}"),
        }
    }

    /// Writes an object, in which a name may be there twice.
    fn object(&mut self, out: &mut String, depth: usize) {
        let fields = match self.below(24) {
            23 => self.below(256),
            few => few % 6,
        };
        out.push('{');
        for at in 0..fields {
            if at > 0 {
                out.push(',');
            }
            self.space(out);
            if self.once_in(4) {
                self.string(out);
            } else {
                out.push('"');
                out.push_str(self.one(NAMES));
                out.push('"');
            }
            self.space(out);
            out.push(':');
            self.space(out);
            self.value(out, depth + 1);
        }
        self.space(out);
        out.push('}');
    }

    /// Writes an event.
    fn event(&mut self, out: &mut String) {
        if self.once_in(32) {
            return self.value(out, 0);
        }
        out.push('{');
        if !self.once_in(16) {
            out.push_str("\"time\":");
            if self.once_in(16) {
                self.value(out, 0);
            } else {
                // Most times are sound.
                let all = if self.once_in(3) { TIMES.len() } else { 1 };
                out.push_str(self.one(&TIMES[..all]));
            }
            out.push(',');
        }
        self.space(out);
        out.push_str("\"type\":\"");
        let all = if self.once_in(2) { KINDS.len() } else { 1 };
        out.push_str(self.one(&KINDS[..all]));
        out.push('"');
        while self.once_in(8) {
            out.push(',');
            self.string(out);
            out.push(':');
            self.value(out, 1);
        }
        if !self.once_in(32) {
            out.push_str(",\"record\":");
            self.space(out);
            match self.below(3) {
                0 => self.string(out),
                1 => self.object(out, 0),
                _ => self.value(out, 0),
            }
        }
        self.space(out);
        out.push('}');
    }

    /// A batch of events; at most 64.
    pub(crate) fn batch(&mut self) -> String {
        let mut out = String::from("[");
        for at in 0..64 {
            if at > 0 {
                out.push(',');
            }
            self.space(&mut out);
            self.event(&mut out);
            if self.is_over() {
                break;
            }
        }
        out.push(']');
        out
    }
}
