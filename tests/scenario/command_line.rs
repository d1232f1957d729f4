//! `--help`, `--version`, `--check`: what a person at a prompt sees.

use super::feed;
use crate::harness::binary;
use crate::model;
use crate::sink::absent::Refusing;
use crate::sink::script::{Reply, Script};
use crate::sink::{Sink, tls};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary with these arguments and nothing but these variables.
fn run(arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    let output = Command::new(binary())
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    ran(output)
}

/// What a run left behind.
fn ran(output: Output) -> Ran {
    let ran = Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// `--check` with these options.
pub(crate) fn check(options: &[(&str, &str)]) -> Ran {
    run(&["--check"], options)
}

#[test]
fn help_names_every_option_and_every_mode() {
    for word in ["--help", "-h"] {
        let ran = run(&[word], &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.stderr, "");
        for name in [
            "ENDPOINT",
            "FORMAT",
            "HEADERS",
            "API_KEY",
            "TYPES",
            "FLUSH",
            "FLUSH_BUDGET_MS",
            "BUFFER_BYTES",
            "BATCH_BYTES",
            "BATCH_RECORDS",
            "COMPRESSION",
            "API",
            "PORT",
            "PROXY",
            "CA_FILE",
            "LOG_LEVEL",
            "ENABLED",
            "TELEMETRY_TIMEOUT_MS",
            "TAGS",
            "MIN_LEVEL",
            "INCLUDE",
            "EXCLUDE",
            "SAMPLE",
            "REDACT",
            "DROP_FIELDS",
            "KEEP_FIELDS",
            "MULTILINE",
        ] {
            assert!(
                ran.stdout.contains(&format!("BROOKLET_{name} "))
                    || ran.stdout.contains(&format!("BROOKLET_{name}\n")),
                "{name}"
            );
        }
        for mode in ["--check", "--version", "--help"] {
            assert!(ran.stdout.contains(mode), "{mode}");
        }
        let widest = ran.stdout.lines().map(str::len).max().unwrap();
        assert!(widest <= 120, "a line of {widest} columns");
    }
}

#[test]
fn version_is_the_crate_s() {
    let ran = run(&["--version"], &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        ran.stdout,
        format!("brooklet {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn an_argument_nobody_knows_is_named() {
    let ran = run(&["--chekc"], &[]);
    assert_ne!(ran.code, 0);
    assert!(
        ran.stderr.contains("--chekc") && ran.stderr.contains("--help"),
        "{ran:?}"
    );
}

#[test]
fn outside_lambda_it_says_where_it_belongs() {
    let ran = run(&[], &[]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("AWS_LAMBDA_RUNTIME_API"), "{ran:?}");
}

#[test]
fn check_sends_one_record_and_tells_what_was_said() {
    for format in ["json", "ndjson"] {
        let sink = Sink::ok();
        let ran = check(&[
            ("BROOKLET_ENDPOINT", &sink.url("/logs")),
            ("BROOKLET_FORMAT", format),
            ("BROOKLET_API_KEY", "key-of-gold"),
        ]);
        assert_eq!(ran.code, 0, "{ran:?}");
        for part in [sink.url("/logs").as_str(), format, "200"] {
            assert!(ran.stdout.contains(part), "{part} is not in {ran:?}");
        }
        assert!(!format!("{ran:?}").contains("of-gold"));
        assert_eq!(sink.received().len(), 1);
        assert_eq!(model::records(&sink).len(), 1);
        assert_eq!(
            sink.received()[0].header("authorization"),
            Some("Bearer key-of-gold")
        );
    }
}

#[test]
fn check_works_over_tls() {
    let sink = Sink::tls(Script::always(Reply::ok()));
    let ca = tls::file("ca.pem");
    let options = [
        ("BROOKLET_ENDPOINT", sink.url("/logs")),
        ("BROOKLET_CA_FILE", ca.to_string_lossy().into_owned()),
    ];
    let options: Vec<(&str, &str)> = options
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(check(&options).code, 0);
    let ran = check(&options[..1]);
    assert_eq!(ran.code, 1);
    assert!(format!("{ran:?}").contains("certificate"), "{ran:?}");
}

#[test]
fn check_fails_where_the_destination_does_and_shows_its_words() {
    let sink = Sink::new(Script::always(
        Reply::status(401).body("the token is not known here"),
    ));
    let ran = check(&[("BROOKLET_ENDPOINT", &sink.url("/logs"))]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        all.contains("401") && all.contains("the token is not known here"),
        "{ran:?}"
    );

    let refusing = Refusing::new();
    let ran = check(&[("BROOKLET_ENDPOINT", &refusing.url("/logs"))]);
    assert_eq!(ran.code, 1);
    assert!(
        format!("{ran:?}").to_lowercase().contains("refused"),
        "{ran:?}"
    );
}

#[test]
fn check_fails_on_a_bad_option_and_names_it() {
    let sink = Sink::ok();
    let ran = check(&[
        ("BROOKLET_ENDPOINT", &sink.url("/logs")),
        ("BROOKLET_FORMAT", "xml"),
        ("BROOKLET_PORT", "x"),
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let all = format!("{}{}", ran.stdout, ran.stderr);
    for part in ["BROOKLET_FORMAT", "xml", "BROOKLET_PORT"] {
        assert!(all.contains(part), "{part} is not in {ran:?}");
    }
}

#[test]
fn check_fails_without_an_endpoint() {
    let ran = check(&[]);
    assert_eq!(ran.code, 1);
    assert!(format!("{ran:?}").contains("BROOKLET_ENDPOINT"), "{ran:?}");
}

#[test]
fn check_gives_up_on_a_destination_that_hangs() {
    let sink = Sink::new(Script::always(Reply::hang()));
    let at = Instant::now();
    let ran = check(&[("BROOKLET_ENDPOINT", &sink.url("/logs"))]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(at.elapsed() < Duration::from_secs(30), "{:?}", at.elapsed());
}

/// `--check` with these options, and lines on its standard input.
pub(crate) fn check_lines(options: &[(&str, &str)], lines: &str) -> Ran {
    let mut child = Command::new(binary())
        .arg("--check")
        .env_clear()
        .envs(options.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have left already, having refused its options.
    let _left_already = stdin.write_all(lines.as_bytes());
    drop(stdin);
    ran(child.wait_with_output().unwrap())
}

/// A check whose standard input is open and silent, once it has said that it waits for its end.
fn waiting_check(url: &str) -> (Child, ChildStdin) {
    let mut child = Command::new(binary())
        .arg("--check")
        .env_clear()
        .env("BROOKLET_ENDPOINT", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stderr = child.stderr.take().unwrap();
    BufReader::new(stderr).read_line(&mut said).unwrap();
    assert!(
        said.contains("standard input") && said.contains("</dev/null"),
        "{said}"
    );
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

#[test]
fn check_says_what_it_waits_for_where_its_input_is_silent() {
    let sink = Sink::ok();
    let url = sink.url("/logs");
    // A writer that is slow is one all the same.
    let (child, mut stdin) = waiting_check(&url);
    stdin.write_all(b"late\n").unwrap();
    drop(stdin);
    let slow = ran(child.wait_with_output().unwrap());
    assert_eq!(slow.code, 0, "{slow:?}");
    assert_eq!(
        final_records(&slow),
        [r#"{"type":"function","message":"late"}"#]
    );
    assert_eq!(sink.received().len(), 0, "a probe was sent all the same");
    // And one that writes nothing leaves no lines.
    let (child, stdin) = waiting_check(&url);
    drop(stdin);
    assert_eq!(ran(child.wait_with_output().unwrap()).code, 0);
    assert_eq!(sink.received().len(), 1);
    // Where nobody waits nothing is said.
    assert_eq!(check(&[("BROOKLET_ENDPOINT", &url)]).stderr, "");
}

/// The final records that a check shows, without their ids and their identity.
fn final_records(ran: &Ran) -> Vec<String> {
    let shown = ran.stdout.lines().filter_map(|line| {
        let at = line.find("{\"type\":")?;
        let hidden = ["record_id", "timestamp", "cold_start"];
        Some(feed::without(&line[at..], &hidden))
    });
    shown.collect()
}

/// A sink, which must not be asked, and the option that names it.
fn unasked() -> (Sink, String) {
    let sink = Sink::ok();
    let url = sink.url("/logs");
    (sink, url)
}

#[test]
fn check_shows_what_becomes_of_lines() {
    let (sink, url) = unasked();
    let lines = concat!(
        "2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tERROR\tboom\n",
        "{\"level\":30,\"msg\":\"hi\"}\n",
        "plain\r\n",
        "\n",
        "the last line has no end",
    );
    for format in ["json", "ndjson"] {
        let options = [
            ("BROOKLET_ENDPOINT", url.as_str()),
            ("BROOKLET_FORMAT", format),
        ];
        let ran = check_lines(&options, lines);
        assert_eq!(ran.code, 0, "{ran:?}");
        let records = final_records(&ran);
        for expected in [
            r#"{"type":"function","level":"error","message":"2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tERROR\tboom"}"#,
            r#"{"type":"function","level":"info","message":"hi","record":{"level":30,"msg":"hi"}}"#,
            r#"{"type":"function","message":"plain"}"#,
            r#"{"type":"function","message":"the last line has no end"}"#,
        ] {
            assert!(
                records.iter().any(|record| record == expected),
                "{expected} is not in {records:#?}\n{ran:?}"
            );
        }
        assert!(ran.stdout.matches("kept").count() >= 4, "{ran:?}");
        assert!(!ran.stdout.contains("dropped"), "{ran:?}");
    }
    assert_eq!(sink.received().len(), 0, "the endpoint was asked");
}

#[test]
fn check_names_the_rule_that_drops_a_line() {
    let (sink, url) = unasked();
    let dropped = "[DEBUG] GET /health";
    for (name, value, more) in [
        ("BROOKLET_MIN_LEVEL", "info", "debug"),
        ("BROOKLET_EXCLUDE", "/nothing/,/health$/", "health$"),
        ("BROOKLET_INCLUDE", "orders", ""),
        ("BROOKLET_TYPES", "platform", ""),
    ] {
        let ran = check_lines(
            &[("BROOKLET_ENDPOINT", &url), (name, value)],
            &format!("{dropped}\n"),
        );
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("dropped"), "{name}: {ran:?}");
        assert!(
            ran.stdout.contains(name) && ran.stdout.contains(more),
            "{name}: {ran:?}"
        );
        assert_eq!(final_records(&ran), Vec::<String>::new(), "{name}: {ran:?}");
    }
    assert_eq!(sink.received().len(), 0);
}

#[test]
fn check_shows_masks_and_fields() {
    let (sink, url) = unasked();
    let options = [
        ("BROOKLET_ENDPOINT", url.as_str()),
        ("BROOKLET_REDACT", "email,order=/ord-[0-9]+/"),
        ("BROOKLET_DROP_FIELDS", "password"),
    ];
    let ran = check_lines(
        &options,
        "ann@example.com bought ord-17\n{\"password\":\"p\",\"to\":\"ann@example.com\"}\nnothing\n",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        final_records(&ran),
        [
            r#"{"type":"function","message":"[redacted:email] bought [redacted:order]"}"#,
            r#"{"type":"function","record":{"to":"[redacted:email]"}}"#,
            r#"{"type":"function","message":"nothing"}"#,
        ],
        "{ran:?}"
    );
    let names = ran
        .stdout
        .lines()
        .filter(|line| !line.contains("{\"type\":"));
    let names: String = names.collect::<Vec<_>>().join("\n");
    assert!(
        names.contains("email") && names.contains("order"),
        "the masks are not named: {ran:?}"
    );
    assert_eq!(sink.received().len(), 0);
}

#[test]
fn check_takes_events_and_batches_as_lines() {
    let (sink, url) = unasked();
    let start = r#"{"time":"2031-05-20T00:00:00.000Z","type":"platform.start","record":{"requestId":"r1","version":"$LATEST"}}"#;
    let of_r1 = r#"{"time":"2031-05-20T00:00:00.001Z","type":"function","record":"of r1\n"}"#;
    let done = r#"{"time":"2031-05-20T00:00:00.002Z","type":"platform.runtimeDone","record":{"requestId":"r1","status":"timeout"}}"#;
    for lines in [
        format!("{start}\n{of_r1}\n{done}\n"),
        format!("[{start},{of_r1},{done}]\n"),
    ] {
        let ran = check_lines(&[("BROOKLET_ENDPOINT", &url)], &lines);
        assert_eq!(ran.code, 0, "{ran:?}");
        let records = final_records(&ran);
        assert_eq!(
            records[..3],
            [
                r#"{"type":"platform.start","level":"info","message":"START RequestId: r1 Version: $LATEST","record":{"requestId":"r1","version":"$LATEST"},"request_id":"r1"}"#,
                r#"{"type":"function","message":"of r1","request_id":"r1"}"#,
                r#"{"type":"platform.runtimeDone","level":"warn","message":"END RequestId: r1","record":{"requestId":"r1","status":"timeout"},"request_id":"r1"}"#,
            ],
            "{ran:?}"
        );
    }
    assert_eq!(sink.received().len(), 0);
}

#[test]
fn check_joins_lines_and_samples_them_as_a_function_s() {
    let (_sink, url) = unasked();
    let options = [
        ("BROOKLET_ENDPOINT", url.as_str()),
        ("BROOKLET_MULTILINE", r"^\S"),
        ("BROOKLET_SAMPLE", "0"),
    ];
    let ran = check_lines(&options, "boom\n\tat a\nnext\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        final_records(&ran),
        [
            r#"{"type":"function","message":"boom\n\tat a","sample":1}"#,
            r#"{"type":"function","message":"next","sample":1}"#,
        ],
        "{ran:?}"
    );
}

#[test]
fn check_says_that_a_line_of_no_request_is_not_sampled() {
    let (_sink, url) = unasked();
    let id = "4b142fc3-17b8-4cdb-a46b-a8dbe7918715";
    let started = format!(
        r#"{{"time":"2031-05-20T00:00:00.000Z","type":"platform.start","record":{{"requestId":"{id}","version":"1"}}}}"#
    );
    let own = format!(r#"{{"requestId":"{id}","message":"its own"}}"#);
    let told = "kept: BROOKLET_SAMPLE goes by the request id, and it has none";
    let dropped = "dropped by BROOKLET_SAMPLE";
    for (lines, sample, expected) in [
        ("plain\n".to_owned(), "0", told),
        ("plain\n".to_owned(), "1", "kept"),
        (format!("{own}\n"), "0", dropped),
        (format!("{started}\nplain\n"), "0", dropped),
        (format!("{started}\nplain\n"), "0.999999999", "kept"),
    ] {
        let options = [
            ("BROOKLET_ENDPOINT", url.as_str()),
            ("BROOKLET_SAMPLE", sample),
        ];
        let ran = check_lines(&options, &lines);
        let last = ran.stdout.lines().rfind(|line| line.starts_with("line "));
        let (_, what) = last.expect("a line").split_at(13);
        assert_eq!(what, expected, "{lines}{sample}: {ran:?}");
    }
    let second = [("BROOKLET_ENDPOINT_2", &*url), ("BROOKLET_SAMPLE_2", "0.5")];
    let ran = check_lines(&second, "plain\n");
    assert!(ran.stdout.contains(": BROOKLET_SAMPLE_2 goes"), "{ran:?}");
}

#[test]
fn check_of_lines_fails_on_a_bad_pattern_and_names_it() {
    let (sink, url) = unasked();
    for (name, value, part) in [
        ("BROOKLET_INCLUDE", "(", "("),
        ("BROOKLET_EXCLUDE", "/a/,/[z-a]/", "[z-a]"),
        ("BROOKLET_REDACT", "email,iban", "iban"),
        ("BROOKLET_MULTILINE", "(?P<", "(?P<"),
        ("BROOKLET_SAMPLE", "2", "2"),
        ("BROOKLET_MIN_LEVEL", "loud", "loud"),
    ] {
        for lines in ["x y\n", ""] {
            let ran = check_lines(&[("BROOKLET_ENDPOINT", &url), (name, value)], lines);
            assert_eq!(ran.code, 1, "{name}: {ran:?}");
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(all.contains(name) && all.contains(part), "{name}: {ran:?}");
            if !lines.is_empty() {
                assert_eq!(
                    final_records(&ran).len(),
                    1,
                    "the line is still shown: {ran:?}"
                );
            }
        }
    }
    // Without lines it is the check it always was.
    assert_eq!(sink.received().len(), 6);
}

#[test]
fn check_without_lines_sends_its_probe() {
    let sink = Sink::ok();
    let url = sink.url("/logs");
    let options = [("BROOKLET_ENDPOINT", url.as_str())];
    assert_eq!(check_lines(&options, "").code, 0);
    assert_eq!(
        sink.received().len(),
        1,
        "an empty standard input holds no lines"
    );
    let ran = check(&options);
    assert_eq!(ran.code, 0);
    assert_eq!(sink.received().len(), 2, "nor does /dev/null");
    // What it shows is what was sent, so that it can be looked for.
    let shown = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("record "));
    let sent = sink.received().pop().expect("the probe").body();
    let sent = String::from_utf8(sent).expect("JSON");
    assert_eq!(sent, format!("[{}]", shown.expect("the record").trim()));
}
