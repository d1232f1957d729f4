//! `--help`, `--version`, `--check`: what a person at a prompt sees.

use crate::harness::binary;
use crate::model;
use crate::sink::absent::Refusing;
use crate::sink::script::{Reply, Script};
use crate::sink::{Sink, tls};
use std::process::Command;
use std::time::{Duration, Instant};

/// What a run of the binary left behind.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the binary with these arguments and nothing but these variables.
fn run(arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    let output = Command::new(binary())
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let ran = Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// `--check` with these options.
fn check(options: &[(&str, &str)]) -> Ran {
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
