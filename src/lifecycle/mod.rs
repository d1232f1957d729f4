//! The main loop: register, subscribe, and ask for the next event for as long as the environment lives.
//!
//! Nothing here may end the process before SHUTDOWN, but a registration that is refused: then there is no extension to be.
//! It waits for the flush threads in two places, [`hold`] and [`finish`], and stops waiting by itself.

mod finish;
mod hold;
mod past;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use self::hold::Flushing;
use self::past::Past;
use crate::config::{self, Config, Environment, Lane};
use crate::diag;
use crate::error::Error;
use crate::flush::Flusher;
use crate::lambda::{Event, Lambda, Registration, Shutdown, Subscribed, Subscription};
use crate::link::{self, FlushEnd};
use crate::process::Identity;
use crate::receive::Listener;
use crate::secrets;
use crate::stats::{Account, Stats};
use crate::time;

/// The first pause after a `next` that was not answered, and the longest.
const NEXT_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Runs the extension until SHUTDOWN.
///
/// # Errors
/// If this process cannot be an extension at all: no address of the API, or registration refused.
pub fn run(name: &str, environment: &Environment) -> Result<(), Error> {
    let mut lambda = Lambda::new(environment.runtime_api()?)?;
    // The runtime does not start before every extension has registered, so everything else comes after.
    let registration = lambda.register(name, !environment.is_concurrent())?;
    diag::install_panic_line();
    // Those of the main thread and of the first destination.
    let stats = Arc::new(Stats::default());
    let caught = catch_unwind(AssertUnwindSafe(|| {
        set_up(&lambda, environment, &registration, &stats)
    }));
    let flushing = caught.unwrap_or_else(|_| {
        stats.panics.add(1);
        None
    });
    let shutdown = events(&lambda, flushing.as_ref(), &stats);
    say_once!(Info, "SHUTDOWN: {}", shutdown.reason);
    if let Some(flushing) = &flushing {
        flushing.finish(&shutdown);
    }
    match &flushing {
        Some(flushing) if flushing.accounts.len() > 1 => {
            for account in &flushing.accounts {
                let which = format!(" on destination {}", account.destination);
                account_for(&account.stats, &which);
            }
        }
        _ => account_for(&stats, ""),
    }
    Ok(())
}

/// Tells a destination's counters; `which` names it where there are others.
fn account_for(stats: &Stats, which: &str) {
    let counters = stats.each().collect::<Vec<_>>();
    say_once!(Debug, "counters{which}: {counters:?}");
    if let Some(losses) = stats.losses() {
        say_once!(Error, "lost{which}: {losses}");
    }
}

/// Reads the configuration and starts the other threads; `None`: stay inert.
fn set_up(
    lambda: &Lambda,
    environment: &Environment,
    registration: &Registration,
    stats: &Arc<Stats>,
) -> Option<Flushing> {
    let (config, problems) = config::load(environment);
    for problem in &problems {
        say_once!(Warn, "{problem}");
    }
    let config = match config {
        Ok(config) => config,
        Err(config::Inert::Disabled) => return None,
        Err(config::Inert::Because(why)) => {
            say_once!(Error, "inert, no logs are shipped: {why}");
            return None;
        }
    };
    match start(lambda, config, registration, stats) {
        Ok(flushing) => flushing,
        Err(why) => {
            say_once!(Error, "inert, no logs are shipped: {why}");
            None
        }
    }
}

/// Subscribes, and starts the other threads.
///
/// The socket listens before the platform is told of it, which is all that it needs; the threads start when everything that delays the function is done, but for that of the secrets, which has the longest way.
fn start(
    lambda: &Lambda,
    config: Config,
    registration: &Registration,
    stats: &Arc<Stats>,
) -> Result<Option<Flushing>, Error> {
    let listener = Listener::bind(config.port)?;
    let (receive_end, mut flush_ends, main_end) = link::channels(config.lanes.len());
    if !config.references.is_empty() {
        let (references, options) = (config.references, config.secrets);
        let end = link::keys(&mut flush_ends, &main_end);
        // Nothing is asked for before a snapshot is taken.
        let at_once = config.lanes.iter().all(|lane| !lane.flush.snapshot);
        let stats = Arc::clone(stats);
        let work = move || secrets::keep(&options, &references, at_once, &end, &stats);
        if let Err(why) = spawn("secrets", Box::new(work)) {
            say_once!(Error, "{why}");
        }
    }
    let subscription = Subscription {
        api: config.api,
        types: config.types,
        buffering: config.buffering,
        port: listener.port(),
    };
    match lambda.subscribe(&subscription)? {
        Subscribed::Yes(way) => {
            say_once!(Info, "{way}: done, port {}", listener.port());
        }
        Subscribed::NotSupported => {
            say_once!(Warn, "telemetry is not supported here: no logs are shipped");
            return Ok(None);
        }
    }
    let accounts: Vec<Account> = config
        .lanes
        .iter()
        .enumerate()
        .map(|(at, lane)| Account {
            destination: lane.destination,
            stats: if at == 0 {
                Arc::clone(stats)
            } else {
                Arc::default()
            },
        })
        .collect();
    let flushing = Flushing {
        link: main_end,
        accounts: accounts.clone(),
        strategy: config.strategy,
        budget: config.budget,
    };
    let mut workers = VecDeque::new();
    for ((mut lane, link), account) in config.lanes.into_iter().zip(flush_ends).zip(&accounts) {
        identify(&mut lane.identity, registration);
        let stats = Arc::clone(&account.stats);
        workers.push_back(Worker { lane, link, stats });
    }
    let Some(first) = workers.pop_front() else {
        return Ok(None);
    };
    // One thread is started here, and the rest by it, while the main thread asks for the first event.
    let name = first.name();
    let work = move || match listener.serve(receive_end, accounts) {
        Ok(()) => {
            for other in workers {
                let name = other.name();
                if let Err(why) = spawn(&name, Box::new(move || other.run())) {
                    say_once!(Error, "{why}");
                }
            }
            first.run();
        }
        Err(why) => say_once!(Error, "inert, no logs are shipped: {why}"),
    };
    spawn(&name, Box::new(work))?;
    Ok(Some(flushing))
}

/// Starts a thread.
fn spawn(name: &str, work: Box<dyn FnOnce() + Send>) -> Result<(), Error> {
    let started = link::spawn(name, None, work);
    started.map(|_| ()).map_err(|why| Error::Resource {
        what: format!("the thread {name}"),
        why: why.to_string(),
    })
}

/// What a flush thread begins with.
struct Worker {
    /// What was configured.
    lane: Lane,
    /// The way in and out.
    link: FlushEnd,
    /// What is counted.
    stats: Arc<Stats>,
}

impl Worker {
    /// The thread's name.
    fn name(&self) -> String {
        match self.lane.destination {
            1 => "flush".to_owned(),
            number => format!("flush-{number}"),
        }
    }

    /// Does the thread's work.
    fn run(self) {
        let Self { lane, link, stats } = self;
        diag::works_for(lane.destination);
        Flusher::new(lane.flush, lane.identity, link, stats).run();
    }
}

/// Adds what registration tells of who logs.
fn identify(identity: &mut Identity, registration: &Registration) {
    let Registration {
        function_name,
        function_version,
        account_id,
        ..
    } = registration;
    for (known, told) in [
        (&mut identity.function_name, function_name),
        (&mut identity.function_version, function_version),
        (&mut identity.account_id, account_id),
    ] {
        if told.is_some() {
            known.clone_from(told);
        }
    }
}

/// Asks for events until SHUTDOWN.
fn events(lambda: &Lambda, flushing: Option<&Flushing>, stats: &Stats) -> Shutdown {
    let mut pause = NEXT_PAUSES.0;
    let mut past = Past::default();
    loop {
        match lambda.next() {
            Ok(Event::Invoke {
                deadline_ms,
                request_id,
                function_arn,
            }) => {
                pause = NEXT_PAUSES.0;
                if let Some(flushing) = flushing {
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        flushing.invocation(deadline_ms, &request_id, &function_arn, &mut past);
                    }));
                    if caught.is_err() {
                        stats.panics.add(1);
                    }
                }
            }
            Ok(Event::Shutdown(shutdown)) => return shutdown,
            Ok(Event::Unknown(kind)) => {
                say!(Warn, "next: an event of the unknown type {kind:?}");
                time::sleep(pause);
                pause = (pause * 2).min(NEXT_PAUSES.1);
            }
            Err(why) => {
                // Ending now would fail the function, so it goes on asking.
                say!(Error, "{why}");
                time::sleep(pause);
                pause = (pause * 2).min(NEXT_PAUSES.1);
            }
        }
    }
}
