//! The extension's process as Lambda runs it: started with an environment of its own, frozen, ended.
//!
//! One thread waits for its changes of state, one reads its memory, two read what it prints.
//! Must not know the APIs.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// One line the process printed.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    /// When it was read.
    pub(crate) at: Instant,
    /// Whether it was standard error.
    pub(crate) stderr: bool,
    /// The line without its newline.
    pub(crate) text: String,
}

/// What `/proc` tells of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    /// Resident now, in bytes.
    pub(crate) resident: u64,
    /// Resident at most so far, in bytes.
    pub(crate) peak: u64,
    /// Threads now.
    pub(crate) threads: u64,
    /// Threads at most, as far as they were seen.
    pub(crate) most_threads: u64,
    /// Processor time used, in milliseconds.
    pub(crate) cpu_ms: u64,
}

/// What the starter of a process is told.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// It printed a line.
    Line(String),
    /// It ended.
    Exited(Exit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Running,
    Stopped,
    Exited(Exit),
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    printed: Vec<Printed>,
    open_outputs: u32,
    vitals: Vitals,
    frozen: Vec<(Instant, Option<Instant>)>,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no thread panics with the process's lock")
    }
}

/// A process and what is known of it.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// When it was started.
    pub(crate) started: Instant,
    shared: Arc<Shared>,
}

impl Process {
    /// Starts a program with exactly this environment; `told` hears of every line and of the end.
    pub(crate) fn start(
        program: &Path,
        directory: &Path,
        env: &[(String, String)],
        told: impl Fn(Change) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg0(program)
            .current_dir(directory)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                mode: Mode::Running,
                printed: Vec::new(),
                open_outputs: 2,
                vitals: Vitals::default(),
                frozen: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let told: Arc<dyn Fn(Change) + Send + Sync> = Arc::new(told);
        let outputs: [(Option<Box<dyn Read + Send>>, bool); 2] = [
            (
                child
                    .stdout
                    .take()
                    .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
                false,
            ),
            (
                child
                    .stderr
                    .take()
                    .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
                true,
            ),
        ];
        for (pipe, stderr) in outputs {
            let (shared, told) = (Arc::clone(&shared), Arc::clone(&told));
            let pipe = pipe.expect("both outputs are piped");
            spawn("output", move || {
                read_lines(pipe, stderr, &shared, &told);
            });
        }
        let watched = Arc::clone(&shared);
        spawn("waiter", move || {
            let exit = await_exit(pid, &watched);
            told(Change::Exited(exit));
        });
        let sampled = Arc::clone(&shared);
        spawn("vitals", move || sample(pid, &sampled));
        Ok(Self {
            pid,
            started,
            shared,
        })
    }

    /// Stops it, and waits until it stands still.
    pub(crate) fn freeze(&self) {
        let mut inner = self.shared.lock();
        if inner.mode != Mode::Running {
            return;
        }
        let at = Instant::now();
        if kill_process(self.pid, Signal::STOP).is_err() {
            return;
        }
        inner = self
            .shared
            .changed
            .wait_while(inner, |inner| inner.mode == Mode::Running)
            .expect("no thread panics with the process's lock");
        inner.frozen.push((at, None));
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        let mut inner = self.shared.lock();
        if inner.mode != Mode::Stopped {
            return;
        }
        inner.mode = Mode::Running;
        if let Some((_, end)) = inner.frozen.last_mut() {
            *end = Some(Instant::now());
        }
        let _ended_meanwhile = kill_process(self.pid, Signal::CONT);
        drop(inner);
        self.shared.changed.notify_all();
    }

    /// Kills it; a process that ended is left alone.
    pub(crate) fn kill(&self) {
        let inner = self.shared.lock();
        if !matches!(inner.mode, Mode::Exited(_)) {
            let _ended_meanwhile = kill_process(self.pid, Signal::KILL);
        }
    }

    /// Waits until it has ended and everything it printed is read.
    pub(crate) fn exit(&self, limit: Duration) -> Option<Exit> {
        let (inner, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), limit, |inner| {
                !matches!(inner.mode, Mode::Exited(_)) || inner.open_outputs > 0
            })
            .expect("no thread panics with the process's lock");
        match inner.mode {
            Mode::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&self) -> Option<Exit> {
        match self.shared.lock().mode {
            Mode::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> Vec<Printed> {
        self.shared.lock().printed.clone()
    }

    /// Waits until it has printed a line that satisfies a condition.
    pub(crate) fn wait_printed(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> bool {
        let (inner, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), limit, |inner| {
                inner.open_outputs > 0 && !inner.printed.iter().any(|line| wanted(&line.text))
            })
            .expect("no thread panics with the process's lock");
        inner.printed.iter().any(|line| wanted(&line.text))
    }

    /// The kernel's letter for the state of each of its threads: `T` is one that was stopped.
    pub(crate) fn states(&self) -> Vec<char> {
        let tasks = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        let Ok(tasks) = std::fs::read_dir(tasks) else {
            return Vec::new();
        };
        tasks
            .filter_map(|task| {
                let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
                stat.rsplit(") ").next()?.chars().next()
            })
            .collect()
    }

    /// The names of its threads, sorted.
    pub(crate) fn thread_names(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        let mut names: Vec<String> = std::fs::read_dir(tasks)
            .into_iter()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .map(|name| name.trim_end().to_owned())
            .collect();
        names.sort();
        names
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        let files = format!("/proc/{}/fd", self.pid.as_raw_nonzero());
        std::fs::read_dir(files).map_or(0, Iterator::count)
    }

    /// When it stood still.
    pub(crate) fn frozen(&self) -> Vec<(Instant, Option<Instant>)> {
        self.shared.lock().frozen.clone()
    }

    /// Reads its memory, threads and processor time now; the last known ones once it has ended.
    pub(crate) fn vitals(&self) -> Vitals {
        let mut inner = self.shared.lock();
        let runs = !matches!(inner.mode, Mode::Exited(_));
        if let (true, Some(vitals)) = (runs, read_vitals(self.pid, inner.vitals)) {
            inner.vitals = vitals;
        }
        inner.vitals
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a thread starts");
}

fn read_lines(
    pipe: impl Read,
    stderr: bool,
    shared: &Shared,
    told: &Arc<dyn Fn(Change) + Send + Sync>,
) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        line.clear();
        shared.lock().printed.push(Printed {
            at: Instant::now(),
            stderr,
            text: text.clone(),
        });
        shared.changed.notify_all();
        told(Change::Line(text));
    }
    shared.lock().open_outputs -= 1;
    shared.changed.notify_all();
}

/// Follows the changes of state until the end. Nobody else waits for this process.
fn await_exit(pid: Pid, shared: &Shared) -> Exit {
    loop {
        let mode = match waitpid(Some(pid), WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => Mode::Stopped,
            Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Mode::Exited(Exit::Code(code)),
                (None, Some(signal)) => Mode::Exited(Exit::Signal(signal)),
                (None, None) => continue,
            },
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => Mode::Exited(Exit::Signal(-1)),
        };
        shared.lock().mode = mode;
        shared.changed.notify_all();
        if let Mode::Exited(exit) = mode {
            return exit;
        }
    }
}

/// Reads the vitals every few milliseconds while it runs: the kernel forgets them with the process.
fn sample(pid: Pid, shared: &Shared) {
    let mut inner = shared.lock();
    loop {
        match inner.mode {
            Mode::Exited(_) => return,
            Mode::Stopped => {
                inner = shared
                    .changed
                    .wait(inner)
                    .expect("no thread panics with the process's lock");
            }
            Mode::Running => {
                if let Some(vitals) = read_vitals(pid, inner.vitals) {
                    inner.vitals = vitals;
                }
                inner = shared
                    .changed
                    .wait_timeout(inner, Duration::from_millis(5))
                    .expect("no thread panics with the process's lock")
                    .0;
            }
        }
    }
}

fn read_vitals(pid: Pid, before: Vitals) -> Option<Vitals> {
    let pid = pid.as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let threads = field("Threads:")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ').skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Vitals {
        // A process about to end has no memory any more: that is no reading.
        resident: field("VmRSS:")? * 1_024,
        peak: field("VmHWM:")? * 1_024,
        threads,
        most_threads: before.most_threads.max(threads),
        cpu_ms: ticks * 10,
    })
}
