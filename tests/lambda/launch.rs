//! The extension's process as Lambda starts it: which file, with which environment.
//!
//! Must not know any phase.

use super::process::{Change, Process};
use super::setup::{InitializationType, Launch, Setup};
use super::shape::Fact;
use super::{Lambda, Past};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Lambda {
    /// Starts the process.
    pub(super) fn launch(&mut self) {
        let program = match &self.setup.launch {
            Launch::Nobody => return,
            Launch::Direct { binary, name } => {
                let program = self.directory.join("extensions").join(name);
                if !program.exists() {
                    // Not a copy: a file just written cannot be started while another thread forks.
                    std::fs::hard_link(binary, &program)
                        .or_else(|_| std::os::unix::fs::symlink(binary, &program))
                        .expect("the binary can be linked");
                }
                program
            }
            Launch::Layer { opt } => only_file(&opt.join("extensions")),
        };
        let api = Arc::clone(&self.api);
        let number = self.processes;
        let told = move |change| match change {
            Change::Line(text) => {
                let (hub, current) = {
                    let state = api.lock();
                    (Arc::clone(&state.hub), state.extension.process)
                };
                if current == number {
                    hub.tell(Fact::ExtensionLine(text));
                }
            }
            Change::Exited(exit) => api.change(|state| {
                if state.extension.process == number {
                    state.extension.exit = Some(exit);
                }
            }),
        };
        let env = environment(&self.setup, &self.api.address());
        let process = Process::start(&program, &self.directory, &env, told);
        self.process =
            Some(process.unwrap_or_else(|error| {
                panic!("{} cannot be started: {error}", program.display())
            }));
    }

    /// Puts a process that has ended aside.
    pub(super) fn retire(&mut self) {
        let hub = self.hub();
        hub.close();
        let printed = self
            .process
            .as_ref()
            .map(Process::printed)
            .unwrap_or_default();
        self.past.push(Past {
            deliveries: hub.deliveries(),
            printed,
            vitals: self.vitals(),
        });
        self.process = None;
    }
}

/// The name Lambda launches, which is the name it must register by.
pub(super) fn file_name(launch: &Launch) -> String {
    match launch {
        Launch::Direct { name, .. } => name.clone(),
        Launch::Layer { opt } => only_file(&opt.join("extensions"))
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        Launch::Nobody => "nobody".to_owned(),
    }
}

/// Lambda starts every file here; ours must be the only one.
fn only_file(directory: &Path) -> PathBuf {
    let files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    match files.as_slice() {
        [file] => file.clone(),
        other => panic!("{} holds {other:?}, not one file", directory.display()),
    }
}

/// The environment of an extension's process.
fn environment(setup: &Setup, api: &str) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = [
        ("AWS_LAMBDA_RUNTIME_API", api),
        ("AWS_LAMBDA_FUNCTION_NAME", setup.function_name.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        (
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            setup.initialization.word(),
        ),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("TZ", ":UTC"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    env.push((
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(),
        setup.memory_mb.to_string(),
    ));
    let credentials = match setup.initialization {
        InitializationType::SnapStart => vec![
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("http://{api}/2021-04-23/credentials"),
            ),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                "container-token".to_owned(),
            ),
        ],
        _ => vec![
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00".to_owned()),
            (
                "AWS_SECRET_ACCESS_KEY",
                "an-example-of-a-secret-key".to_owned(),
            ),
            (
                "AWS_SESSION_TOKEN",
                "an-example-of-a-session-token".to_owned(),
            ),
        ],
    };
    env.extend(
        credentials
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    if setup.managed() {
        let more = [
            ("AWS_LAMBDA_LOG_FORMAT", "json"),
            ("LANG", "en_US.UTF-8"),
            (
                "LD_LIBRARY_PATH",
                "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
            ),
            (
                "PATH",
                "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            ),
        ];
        env.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    env.extend(
        setup
            .env
            .iter()
            .filter(|(name, _)| !name.starts_with('_'))
            .cloned(),
    );
    env
}
