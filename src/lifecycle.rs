//! The main loop: register, subscribe, and ask for the next event for as long as the environment lives.
//!
//! Nothing here may end the process before SHUTDOWN, but a registration that is refused: then there is no extension to be.
//! It waits for the flush thread in one place, [`hold`], and stops waiting by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::cadence::{self, History, Waiting};
use crate::config::{self, Config, Environment};
use crate::diag;
use crate::error::Error;
use crate::fault;
use crate::flush::Flusher;
use crate::lambda::{Event, Lambda, Registration, Shutdown, Subscribed, Subscription};
use crate::link::{self, Invocation, MainEnd, Order, Report};
use crate::parse;
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

/// Invocations that are held without a word from the stream before it is taken to be dead.
const SILENT_MAX: u32 = 3;

/// What the flush thread does when SHUTDOWN comes may take this long more.
const PATIENCE: Duration = Duration::from_millis(600);

/// The flush thread is to be over so much earlier, to give its account.
const LAST_WORD: Duration = Duration::from_millis(50);

/// The first pause after a `next` that was not answered, and the longest.
const NEXT_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// An INVOKE event comes so much later than the invocation began at most, in milliseconds.
const EVENT_TAKES_MS: u64 = 100;

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
    let caught = catch_unwind(AssertUnwindSafe(|| {
        set_up(&lambda, environment, registration, &stats)
    }));
    let flushing = caught.unwrap_or_else(|_| {
        stats.panics.add(1);
        None
    });
    let shutdown = events(&lambda, flushing.as_ref(), &stats);
    say_once!(Info, "SHUTDOWN: {}", shutdown.reason);
    if let Some(flushing) = &flushing {
        flushing.finish(&shutdown, &stats);
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
        Ok(()) => Flusher::new(config.flush, identity, flush_end, stats).run(),
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
                        flushing.invocation(deadline_ms, request_id, function_arn, &mut past);
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

/// What past invocations tell.
#[derive(Debug, Default)]
struct Past {
    /// When they began.
    history: History,
    /// Invocations in a row that were held without a word from the stream.
    silent: u32,
    /// The last request whose end was awaited in vain: until another one's is told the stream cannot be trusted to tell it.
    missed: Option<String>,
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
        past: &mut Past,
    ) {
        let limit = deadline_ms.map(|at| {
            let margin = u64::try_from(INVOKE_MARGIN.as_millis()).unwrap_or(0);
            Deadline::at_epoch_ms(at.saturating_sub(margin))
        });
        fault::point("main");
        past.history.began(time::epoch_ms());
        let waiting = Waiting {
            crowded: self.link.backlog.is_crowded(),
            paused: self.link.backlog.is_paused(),
        };
        let plan = cadence::on_invoke(self.strategy, &past.history, waiting);
        // Without time to hold, or a name to wait for, what waits can only be sent beside.
        // Reports on invocations before this one are of no use but to show that the stream is alive.
        let silent = self.link.is_silent() && past.silent >= SILENT_MAX;
        let holds = plan.hold && !silent && !request_id.is_empty() && !self.budget.is_zero();
        // Without a deadline the budget alone must do.
        let until = limit.unwrap_or_else(|| Deadline::after(self.budget));
        let invocation = Invocation {
            request_id: request_id.clone(),
            function_arn,
            limit_ms: deadline_ms.map(|at| limit_ms(at, time::epoch_ms())),
            hold: holds.then_some(until),
            send_now: !holds && (plan.send_now || plan.hold),
        };
        if self.link.order(Order::Invoke(invocation)) && holds {
            self.hold(&request_id, until, past);
        }
    }

    /// Waits until the flush thread has sent what belongs to a request, or until there is no good reason to wait.
    ///
    /// The end of a request is awaited as long as the function may run, but only once the stream has told of its start; after that no longer than the budget.
    fn hold(&self, request_id: &str, until: Deadline, past: &mut Past) {
        let mut release = until.earlier(Deadline::after(self.budget));
        let (began_ms, mut heard) = (time::epoch_ms(), false);
        loop {
            // What was lost meanwhile, or has come and is not looked at yet, may be the end that is awaited.
            let lost_ms = Some(self.link.backlog.lost_ms()).filter(|at| *at >= began_ms);
            let unseen_ms = self.link.backlog.waiting_since_ms();
            let doubt = [lost_ms, unseen_ms]
                .into_iter()
                .flatten()
                .map(|at| Deadline::since(at, self.budget))
                .fold(until, Deadline::earlier);
            let wait = release.earlier(doubt).left().min(self.budget);
            let report = self.link.report(wait);
            heard |= report.is_some();
            match report {
                Some(Report::Started { request_id: id })
                    if id == request_id && past.missed.is_none() =>
                {
                    release = until;
                }
                Some(Report::RuntimeDone {
                    request_id: id,
                    done_ms,
                }) if id == request_id => {
                    past.missed = None;
                    release = until.earlier(Deadline::since(done_ms, self.budget));
                }
                Some(Report::Flushed { request_id: id }) if id == request_id => {
                    past.silent = 0;
                    return;
                }
                Some(Report::RuntimeDone { request_id: id, .. }) => {
                    // The end of one that was let go before it: ends are told again.
                    past.missed = past.missed.take().filter(|missed| *missed == id);
                }
                Some(_) => {}
                None if release.has_passed() || doubt.has_passed() => {
                    if until.has_passed() {
                        past.missed = Some(request_id.to_owned());
                    }
                    past.silent = if heard { 0 } else { past.silent + 1 };
                    if past.silent == SILENT_MAX {
                        say!(
                            Warn,
                            "no telemetry comes: invocations are not held for it any more"
                        );
                    }
                    say!(Debug, "request {request_id} is not waited for any longer");
                    return;
                }
                None => {}
            }
        }
    }

    /// Breaks off what the flush thread waits for, if it does not come to its last order soon: that was given more time than there is now.
    fn hurry_if_busy(&self, deadline: Deadline) {
        let patience = Deadline::after(PATIENCE.min(deadline.left() / 2));
        while !self.link.orders_are_taken() {
            if patience.has_passed() {
                let hurry = self.link.backlog.hurry();
                hurry.set(true);
                // It may have come to it just now, and its last try is to be waited for.
                if self.link.orders_are_taken() {
                    hurry.set(false);
                }
                return;
            }
            time::sleep(Duration::from_millis(2));
        }
    }

    /// Lets the flush thread send what is left, and waits for it as long as the environment lives.
    fn finish(&self, shutdown: &Shutdown, stats: &Stats) {
        let deadline = shutdown.deadline_ms.map_or_else(
            || Deadline::after(SHUTDOWN_WAIT),
            |at| Deadline::at_epoch_ms(at.saturating_sub(millis(SHUTDOWN_MARGIN))),
        );
        self.link.forget_reports();
        let order = Order::Shutdown {
            deadline: Deadline::after(deadline.left().saturating_sub(LAST_WORD)),
            reason: shutdown.reason.clone(),
        };
        if self.link.order_within(order, deadline) {
            self.hurry_if_busy(deadline);
            while let Some(report) = self.link.report(deadline.left()) {
                if matches!(report, Report::Finished) {
                    // What came behind its back.
                    return self.count_left(stats);
                }
            }
        }
        // The flush thread is still at it, so its own account will not come in time.
        let in_hand = self.link.backlog.events_in_hand();
        stats.received.add(in_hand);
        let waiting = self.link.backlog.waiting();
        stats.dropped_at_shutdown.add(waiting + in_hand);
        self.count_left(stats);
        say!(Error, "the last records could not be sent in time");
    }

    /// Counts what nobody will look into any more.
    fn count_left(&self, stats: &Stats) {
        while let Some(mut body) = self.link.left_body() {
            let left = parse::count(&mut body.bytes);
            stats.received.add(left);
            stats.dropped_at_shutdown.add(left);
        }
    }
}

/// How long an invocation may run that times out then; its event takes a moment to come, and limits are whole seconds.
fn limit_ms(deadline_ms: u64, now_ms: u64) -> u64 {
    let left = deadline_ms.saturating_sub(now_ms);
    let second = left.div_ceil(1000) * 1000;
    if second - left <= EVENT_TAKES_MS {
        second
    } else {
        left
    }
}

/// A time in whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
