//! The main loop: register, subscribe, and ask for the next event for as long as the environment lives.
//!
//! Nothing here may end the process before SHUTDOWN, but a registration that is refused: then there is no extension to be.
//! It waits for the flush thread in one place, [`hold`], and stops waiting by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::cadence;
use crate::config::{self, Config, Environment};
use crate::diag;
use crate::error::Error;
use crate::flush::Flusher;
use crate::lambda::{Event, Lambda, Registration, Shutdown, Subscribed, Subscription};
use crate::link::{self, Invocation, MainEnd, Order, Report};
use crate::process::Identity;
use crate::receive::Listener;
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// An invocation is let go this long before it would time out.
const INVOKE_MARGIN: Duration = Duration::from_millis(100);

/// Sending is over this long before the process would be killed.
const SHUTDOWN_MARGIN: Duration = Duration::from_millis(150);

/// The time for SHUTDOWN where the platform does not say; Lambda allows two seconds, part of which is gone.
const SHUTDOWN_WAIT: Duration = Duration::from_millis(1200);

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
    let stats = Arc::new(Stats::default());
    let flushing = set_up(&lambda, environment, registration, &stats);
    let shutdown = events(&lambda, flushing.as_ref());
    say_once!(Info, "SHUTDOWN: {}", shutdown.reason);
    if let Some(flushing) = &flushing {
        flushing.finish(&shutdown);
    }
    say_once!(Debug, "counters: {:?}", stats.each().collect::<Vec<_>>());
    if let Some(losses) = stats.losses() {
        say_once!(Error, "lost: {losses}");
    }
    Ok(())
}

/// Reads the configuration and starts the other threads; `None`: stay inert.
fn set_up(
    lambda: &Lambda,
    environment: &Environment,
    registration: Registration,
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
/// The socket listens before the platform is told of it, which is all that it needs; the threads start when everything that delays the function is done.
fn start(
    lambda: &Lambda,
    config: Config,
    registration: Registration,
    stats: &Arc<Stats>,
) -> Result<Option<Flushing>, Error> {
    let listener = Listener::bind(config.port)?;
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
    let (receive_end, flush_end, main_end) = link::channels();
    let flushing = Flushing {
        link: main_end,
        strategy: config.flush.strategy,
        budget: config.flush.budget,
    };
    let identity = identify(config.identity, registration);
    let stats = Arc::clone(stats);
    // One thread is started here, and the rest by it, while the main thread asks for the first event.
    let work = move || match listener.serve(receive_end, Arc::clone(&stats)) {
        Ok(()) => Flusher::new(config.flush, identity, time::unique(), flush_end, stats).run(),
        Err(why) => say_once!(Error, "inert, no logs are shipped: {why}"),
    };
    std::thread::Builder::new()
        .name("flush".to_owned())
        .spawn(work)
        .map_err(|why| Error::Resource {
            what: "the flush thread".into(),
            why: why.to_string(),
        })?;
    Ok(Some(flushing))
}

/// Who logs, as far as registration and the environment tell.
fn identify(mut identity: Identity, registration: Registration) -> Identity {
    identity.function_name = registration.function_name.or(identity.function_name);
    identity.function_version = registration.function_version.or(identity.function_version);
    identity.account_id = registration.account_id.or(identity.account_id);
    identity
}

/// Asks for events until SHUTDOWN.
fn events(lambda: &Lambda, flushing: Option<&Flushing>) -> Shutdown {
    let mut pause = NEXT_PAUSES.0;
    let mut trust = Trust::default();
    loop {
        match lambda.next() {
            Ok(Event::Invoke {
                deadline_ms,
                request_id,
                function_arn,
            }) => {
                pause = NEXT_PAUSES.0;
                if let Some(flushing) = flushing {
                    flushing.invocation(deadline_ms, request_id, function_arn, &mut trust);
                }
            }
            Ok(Event::Shutdown(shutdown)) => return shutdown,
            Ok(Event::Unknown(kind)) => {
                say!(Warn, "next: an event of the unknown type {kind:?}");
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

/// Whether the stream can be trusted to tell the end of a request.
#[derive(Debug, Default)]
struct Trust {
    /// A request's end was awaited in vain.
    missed: bool,
}

/// The main thread's view of the flush thread.
struct Flushing {
    /// The way to it.
    link: MainEnd,
    /// When it sends.
    strategy: cadence::Strategy,
    /// The longest hold.
    budget: Duration,
}

impl Flushing {
    /// Deals with an invocation, and returns when the next event may be asked for.
    fn invocation(
        &self,
        deadline_ms: Option<u64>,
        request_id: String,
        function_arn: String,
        trust: &mut Trust,
    ) {
        let limit = deadline_ms.map(|at| {
            let margin = u64::try_from(INVOKE_MARGIN.as_millis()).unwrap_or(0);
            Deadline::at_epoch_ms(at.saturating_sub(margin))
        });
        let holds = cadence::on_invoke(self.strategy).hold && !request_id.is_empty();
        // Without a deadline the budget alone must do.
        let until = limit.unwrap_or_else(|| Deadline::after(self.budget));
        self.link.forget_reports();
        let invocation = Invocation {
            request_id: request_id.clone(),
            function_arn,
            hold: holds.then_some(until),
        };
        if self.link.order(Order::Invoke(invocation)) && holds {
            self.hold(&request_id, until, trust);
        }
    }

    /// Waits until the flush thread has sent what belongs to a request, or until there is no good reason to wait.
    ///
    /// The end of a request is awaited as long as the function may run, but only once the stream has told of its start; after that no longer than the budget.
    fn hold(&self, request_id: &str, until: Deadline, trust: &mut Trust) {
        let mut release = until.earlier(Deadline::after(self.budget));
        loop {
            // Something came and is not looked at yet: it may be the end that is awaited.
            let unseen = self.link.backlog.waiting_since_ms().map_or(until, |since| {
                Deadline::at_epoch_ms(since.saturating_add(millis(self.budget)))
            });
            let wait = release.earlier(unseen).left().min(self.budget);
            let report = self.link.report(wait);
            match report {
                Some(Report::Started { request_id: id }) if id == request_id && !trust.missed => {
                    release = until;
                }
                Some(Report::RuntimeDone {
                    request_id: id,
                    done_ms,
                }) if id == request_id => {
                    trust.missed = false;
                    let by_budget = done_ms.saturating_add(millis(self.budget));
                    release = until.earlier(Deadline::at_epoch_ms(by_budget));
                }
                Some(Report::Gap) => {
                    release = release.earlier(Deadline::after(self.budget));
                }
                Some(Report::Flushed { request_id: id }) if id == request_id => return,
                Some(_) => {}
                None if release.has_passed() || unseen.has_passed() => {
                    trust.missed |= until.has_passed();
                    say!(Debug, "request {request_id} is not waited for any longer");
                    return;
                }
                None => {}
            }
        }
    }

    /// Lets the flush thread send what is left, and waits for it as long as the environment lives.
    fn finish(&self, shutdown: &Shutdown) {
        let deadline = shutdown.deadline_ms.map_or_else(
            || Deadline::after(SHUTDOWN_WAIT),
            |at| Deadline::at_epoch_ms(at.saturating_sub(millis(SHUTDOWN_MARGIN))),
        );
        self.link.forget_reports();
        if !self.link.order(Order::Shutdown { deadline }) {
            say!(Error, "the flush thread does not take orders");
            return;
        }
        while let Some(report) = self.link.report(deadline.left()) {
            if matches!(report, Report::Finished) {
                return;
            }
        }
        say!(Error, "the last records could not be sent in time");
    }
}

/// A time in whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
