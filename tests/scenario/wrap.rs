//! The wrapper: the program that Lambda's runtime is, started by us with what it is to find, and nothing of ours left.
//!
//! Ordinary programs stand for the runtime here; real runtimes are the matter of `tests/wrapper.py`.

use super::secrets::{DOCUMENT, GOLD, TEXT, aws, first};
use crate::harness::binary;
use crate::sink::Sink;
use crate::sink::script::{Deed, Reply, Script};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How the runtime is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// As without us.
    Itself,
    /// By the binary.
    Wrapper,
    /// By the script of the layer.
    Script,
}

/// The layer's folder `brooklet`: script and binary.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make() -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("brooklet-wrapper-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("extensions/wrapper");
        std::os::unix::fs::symlink(script, folder.join("wrapper")).unwrap();
        std::os::unix::fs::symlink(binary(), folder.join("brooklet")).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_for_the_system = std::fs::remove_dir_all(&self.0);
    }
}

/// The command that starts this one.
fn command(by: By, folder: &Folder, runtime: &[&OsStr]) -> Command {
    let mut command = match by {
        By::Itself => Command::new(runtime[0]),
        By::Wrapper => Command::new(binary()),
        By::Script => Command::new(folder.0.join("wrapper")),
    };
    match by {
        By::Itself => command.args(&runtime[1..]),
        By::Wrapper => command.arg("--wrapper").args(runtime),
        By::Script => command.args(runtime),
    };
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

/// Runs a shell's line in the runtime's place, with these variables.
fn shell(by: By, line: &str, env: &[(&str, &str)]) -> Output {
    let runtime = ["/bin/sh", "-c", line, "first", "two words", ""].map(OsStr::new);
    let output = command(by, &Folder::make(), &runtime)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains(GOLD) && !told.contains("panicked"), "{told}");
    output
}

/// The environment of a runtime that is started so, and what was said on stderr.
fn environment(by: By, env: &[(&str, &str)]) -> (BTreeMap<String, String>, String) {
    let output = shell(by, "exec env -0", env);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text
        .split_terminator('\0')
        .map(|pair| pair.split_once('=').unwrap());
    let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (owned.collect(), String::from_utf8(output.stderr).unwrap())
}

/// A function's own variables, and what it needs to call the services.
fn function<'a>(services: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret-key"),
        ("BROOKLET_AWS_ENDPOINT_URL", services),
        ("BROOKLET_SECRETS_BUDGET_MS", "1000"),
    ];
    [&own[..], more].concat()
}

/// What differs from one environment to another.
fn changes(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    assert!(
        before.keys().all(|name| after.contains_key(name)),
        "{after:?}"
    );
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value));
    changed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[test]
fn with_nothing_to_do_the_runtime_starts_as_if_we_were_not_there() {
    let services = Sink::new(aws(first));
    let url = services.url("");
    let env = function(
        &url,
        &[
            ("PLAIN", "value"),
            ("REFERENCE", TEXT),
            ("NODE_OPTIONS", "--enable-source-maps"),
            ("BROOKLET_API_KEY", "ssm:/logs/key"),
            ("BROOKLET_FORMAT", "bogus"),
            ("EMPTY", ""),
        ],
    );
    let line = r#"env -0; printf '<%s>' "$0" "$@"; readlink /proc/$$/exe; ls /proc/$$/fd; echo err >&2; exit 7"#;
    let plain = shell(By::Itself, line, &env);
    assert_eq!(plain.status.code(), Some(7));
    for by in [By::Wrapper, By::Script] {
        let wrapped = shell(by, line, &env);
        assert_eq!(wrapped.status, plain.status, "{by:?}");
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let mut parts: Vec<String> = text.split('\0').map(ToOwned::to_owned).collect();
            // A shell in between sets its own.
            parts.retain(|part| {
                !["PWD=", "SHLVL=", "_=", "OLDPWD="]
                    .iter()
                    .any(|own| part.starts_with(own))
            });
            parts
        };
        assert_eq!(text(&wrapped.stdout), text(&plain.stdout), "{by:?}");
        assert_eq!(text(&wrapped.stderr), ["err\n"], "{by:?}");
    }
    assert_eq!(services.connections(), 0, "there was nothing to fetch");
    // What is blocked, ignored and caught; a shell blocks some while it starts another program.
    let line = "exec grep -E '^(Sig[BIC]|Shd|Threads|NoNewPrivs)' /proc/self/status";
    let plain = shell(By::Itself, line, &[]).stdout;
    assert!(plain.len() > 60);
    for by in [By::Wrapper, By::Script] {
        assert_eq!(shell(by, line, &[]).stdout, plain, "{by:?}");
    }
}

#[test]
fn no_process_of_ours_stays_and_signals_reach_the_runtime() {
    for by in [By::Wrapper, By::Script] {
        let runtime = ["/bin/sh", "-c", "echo $$; exec sleep 60"].map(OsStr::new);
        let folder = Folder::make();
        let mut child = command(by, &folder, &runtime)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
        assert_eq!(line.trim(), child.id().to_string(), "{by:?}");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(15)), "{by:?}");
    }
}

#[test]
fn bytes_that_are_no_text_reach_the_runtime_as_they_are() {
    let odd = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let line = odd(b"printf '<%s>' \"$0\" \"$@\" \"$LIST\"");
    let runtime = [
        odd(b"/bin/sh"),
        odd(b"-c"),
        line,
        odd(b"a\xff"),
        odd(b"\xc3"),
        odd(b"\xf0\x9f"),
    ];
    let runtime: Vec<&OsStr> = runtime.iter().map(OsString::as_os_str).collect();
    for by in [By::Wrapper, By::Script] {
        let output = command(by, &Folder::make(), &runtime)
            .env(odd(b"ODD\xfe"), odd(b"\xfd"))
            .env("SECRET", odd(b"secret:\xfc"))
            .env("LIST", odd(b"before\xfb"))
            .env("BROOKLET_RUNTIME_ENV_LIST", odd(b"after\xfa"))
            .env(odd(b"BROOKLET_RUNTIME_ENV_\xf9"), "x")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            output.stdout, b"<a\xff><\xc3><\xf0\x9f><after\xfa>",
            "{by:?}"
        );
        let told = "brooklet: error: SECRET: no reference stands behind secret:\n";
        assert_eq!(String::from_utf8_lossy(&output.stderr), told);
        assert!(!output.stderr.contains(&0xfc));
    }
}

#[test]
fn the_functions_secrets_are_there_before_it_starts() {
    let services = Sink::new(aws(first));
    let url = services.url("");
    let document = format!("secret:{DOCUMENT}");
    let (user, key) = (format!("{document}#user"), format!("{document}#deep.key"));
    let text = format!("secret:{TEXT}");
    let env = function(
        &url,
        &[
            ("TOKEN", &text),
            ("USER_NAME", &user),
            ("USER_KEY", &key),
            ("WHOLE", &document),
            ("PARAMETER", "secret:ssm:/logs/key"),
            ("LINE", "secret:ssm:/logs/line-end"),
            ("BROOKLET_RUNTIME_ENV_ADDED", "secret:ssm:/logs/key"),
            ("BROOKLET_API_KEY", "secret:ssm:/ours"),
            ("PLAIN", "arn:aws:secretsmanager:is:not:secret:asked-for"),
        ],
    );
    let (before, _) = environment(By::Itself, &env);
    let (after, told) = environment(By::Wrapper, &env);
    assert_eq!(told, "");
    let expected = [
        ("TOKEN", format!("text-1-{GOLD}")),
        ("USER_NAME", "me".to_owned()),
        ("USER_KEY", format!("document-1-{GOLD}")),
        (
            "WHOLE",
            format!(r#"{{"user":"me","deep":{{"key":"document-1-{GOLD}"}}}}"#),
        ),
        ("PARAMETER", format!("parameter-1-{GOLD}")),
        // As it is, to the last byte.
        ("LINE", format!("line-1-{GOLD}\n")),
        ("ADDED", format!("parameter-1-{GOLD}")),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(changes(&before, &after), BTreeMap::from(expected));
    let mut asked: Vec<String> = services
        .received()
        .iter()
        .filter_map(|request| request.header("x-amz-target").map(ToOwned::to_owned))
        .collect();
    asked.sort();
    assert_eq!(
        asked,
        [
            "AmazonSSM.GetParameters",
            "secretsmanager.BatchGetSecretValue"
        ]
    );
}

#[test]
fn variables_are_set_for_the_runtime_alone_and_lists_grow() {
    let env = [
        ("NODE_OPTIONS", "--a"),
        ("PYTHONPATH", "/var/runtime"),
        ("PLAIN", "before"),
        ("BROOKLET_RUNTIME_ENV_NODE_OPTIONS", "--require /opt/b.js"),
        ("BROOKLET_RUNTIME_ENV_PYTHONPATH", "/opt/python"),
        (
            "BROOKLET_RUNTIME_ENV_JAVA_TOOL_OPTIONS",
            "-javaagent:/opt/a.jar",
        ),
        ("BROOKLET_RUNTIME_ENV_DOTNET_STARTUP_HOOKS", "/opt/a.dll"),
        ("BROOKLET_RUNTIME_ENV_PLAIN", "after"),
    ];
    let (before, _) = environment(By::Itself, &env);
    let (after, told) = environment(By::Wrapper, &env);
    assert_eq!(told, "");
    let expected = [
        ("NODE_OPTIONS", "--a --require /opt/b.js"),
        ("PYTHONPATH", "/var/runtime:/opt/python"),
        ("JAVA_TOOL_OPTIONS", "-javaagent:/opt/a.jar"),
        ("DOTNET_STARTUP_HOOKS", "/opt/a.dll"),
        ("PLAIN", "after"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(changes(&before, &after), BTreeMap::from(expected));
}

#[test]
fn a_missing_secret_is_one_line_and_the_runtime_starts_unless_it_must_not() {
    let services = Sink::new(aws(first));
    let url = services.url("");
    let gone = format!("secret:{TEXT}-gone");
    let missing = [
        ("GOOD", "secret:ssm:/logs/key"),
        ("BAD", "secret:ssm:/nobody"),
        ("WORSE", &gone),
    ];
    let env = function(&url, &missing);
    let (before, _) = environment(By::Itself, &env);
    let (after, told) = environment(By::Wrapper, &env);
    let good = ("GOOD".to_owned(), format!("parameter-1-{GOLD}"));
    assert_eq!(changes(&before, &after), BTreeMap::from([good]));
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(
        lines[0].contains("BAD: ssm:/nobody: there is no such parameter"),
        "{told}"
    );
    assert!(
        lines[1].contains("WORSE") && lines[1].contains("ResourceNotFoundException"),
        "{told}"
    );
    // What is neither is named, and fails nothing.
    for (strict, starts, named) in [
        ("false", true, false),
        ("yes", true, true),
        ("true", false, true),
        ("1", false, true),
    ] {
        let env = [&env[..], &[("BROOKLET_WRAPPER_STRICT", strict)]].concat();
        let output = shell(By::Script, "echo started", &env);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.stdout == b"started\n", starts, "{told}");
        assert_eq!(output.status.success(), starts, "{told}");
        assert_eq!(told.contains("BROOKLET_WRAPPER_STRICT"), named, "{told}");
        assert!(told.contains("BAD") && told.contains("WORSE"), "{told}");
    }
    let env = function(
        &url,
        &[
            ("GOOD", "secret:ssm:/logs/key"),
            ("BROOKLET_WRAPPER_STRICT", "true"),
        ],
    );
    let output = shell(By::Script, "echo started", &env);
    assert_eq!(output.stdout, b"started\n", "{output:?}");
}

#[test]
fn services_that_fail_or_hang_hold_the_runtime_for_the_budget_at_most() {
    for (what, reply) in [
        ("hang", Reply::hang()),
        ("error", Reply::status(500)),
        ("reset", Reply::deed(Deed::ResetBeforeAnswer)),
        (
            "half",
            Reply::status(200).body(format!("{{\"SecretString\":\"{GOLD}")),
        ),
    ] {
        let services = Sink::new(Script::always(reply));
        let (url, text) = (services.url(""), format!("secret:{TEXT}"));
        let env = function(&url, &[("TOKEN", &text), ("OTHER", "secret:ssm:/logs/key")]);
        let began = Instant::now();
        let (after, told) = environment(By::Wrapper, &env);
        assert!(
            began.elapsed() < Duration::from_millis(2_500),
            "{what}: {:?}",
            began.elapsed()
        );
        assert_eq!(after["TOKEN"], text, "{what}");
        assert_eq!(told.lines().count(), 2, "{what}: {told}");
        assert!(
            told.contains("TOKEN: ") && told.contains("OTHER: "),
            "{what}: {told}"
        );
    }
}

#[test]
fn another_wrapper_gets_the_same_arguments_and_environment() {
    let folder = Folder::make();
    let next = folder.0.join("next");
    let script = "#!/bin/sh\nprintf 'next<%s>' \"$@\"\nexec \"$@\"\n";
    std::fs::write(&next, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&next, mode).unwrap();
    let line = "echo; echo \"$ADDED ${BROOKLET_WRAPPER_NEXT-none}\"; exit 5";
    let env = [
        ("BROOKLET_WRAPPER_NEXT", next.to_str().unwrap()),
        ("BROOKLET_RUNTIME_ENV_ADDED", "added"),
    ];
    for by in [By::Wrapper, By::Script] {
        let output = shell(by, line, &env);
        let expected = format!(
            "next</bin/sh>next<-c>next<{line}>next<first>next<two words>next<>\nadded none\n"
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{output:?}"
        );
        assert_eq!((output.status.code(), output.stderr), (Some(5), Vec::new()));
    }
    // One that cannot be started, and one that would start itself for ever.
    let own = folder.0.join("wrapper");
    for (next, said) in [("/nowhere/wrapper", true), (own.to_str().unwrap(), false)] {
        let output = shell(By::Script, "exit 5", &[("BROOKLET_WRAPPER_NEXT", next)]);
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            told.contains("BROOKLET_WRAPPER_NEXT: --wrapper: /nowhere"),
            said,
            "{told}"
        );
        assert_eq!(told.is_empty(), !said, "{told}");
    }
}

#[test]
fn a_runtime_that_is_not_there_is_named() {
    let runtime = ["/nowhere/python3", "x"].map(OsStr::new);
    for env in [&[][..], &[("BROOKLET_RUNTIME_ENV_A", "b")]] {
        let output = command(By::Wrapper, &Folder::make(), &runtime)
            .envs(env.iter().copied())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("/nowhere/python3: No such file"), "{told}");
    }
}
