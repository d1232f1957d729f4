//! INIT: the process, its registration, the runtime, the first request for an event.
//!
//! Must not run an invocation; the first one waits until this is over.

use super::api::{Extension, State};
use super::process::Vitals;
use super::setup::InitializationType;
use super::shape::Fact;
use super::telemetry::Hub;
use super::{InitFailure, InitReport, Lambda, carriage, launch, millis, success, world};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Lambda {
    /// Starts the environment: process, register, runtime, first `next`.
    pub(crate) fn init(&mut self) -> Result<InitReport, InitFailure> {
        self.init_phase("init")
    }

    pub(super) fn init_phase(&mut self, phase: &'static str) -> Result<InitReport, InitFailure> {
        self.processes += 1;
        if self.processes > 1 {
            self.retire();
            let hub = Hub::start(world(&self.setup, phase), carriage(&self.setup));
            let extension = Extension::new(self.processes, launch::file_name(&self.setup.launch));
            self.api.change(|state| {
                state.extension = extension;
                state.hub = hub;
                state.init_over = false;
            });
        }
        self.alive = true;
        let began = Instant::now();
        self.init_started = began;
        let until = began + self.setup.init_limit;
        self.hub().tell(Fact::InitStart);
        self.launch();
        let started = self
            .process
            .as_ref()
            .map_or(began, |process| process.started);
        self.wait_for_init(until, |state| state.extension.registered.is_some())?;
        // The runtime starts only now: every extension has registered.
        for line in self.setup.init_lines.clone() {
            self.hub().tell(Fact::Function(self.line(line)));
        }
        self.pass(self.setup.init_duration, until);
        self.hub().tell(Fact::InitRuntimeDone(success()));
        self.wait_for_init(until, |state| state.extension.waits())?;
        let (extension, hub) = self.api.change(|state| {
            state.init_over = true;
            (
                (state.extension.name.clone(), state.extension.events.clone()),
                Arc::clone(&state.hub),
            )
        });
        hub.tell(Fact::Extension {
            name: extension.0,
            state: "Ready",
            events: extension.1,
        });
        let duration_ms = millis(began.elapsed());
        hub.tell(Fact::InitReport {
            status: success(),
            duration_ms,
        });
        hub.end_init();
        self.init_ms = Some(duration_ms);
        let report = {
            let state = self.api.lock();
            let since = |at: Instant| at.saturating_duration_since(started);
            InitReport {
                started,
                to_register: state.extension.registered.map_or(Duration::ZERO, since),
                to_subscribe: state.extension.subscribed.map(since),
                to_next: state
                    .extension
                    .asked
                    .first()
                    .copied()
                    .map_or(Duration::ZERO, since),
                vitals: Vitals::default(),
            }
        };
        let report = InitReport {
            vitals: self.vitals(),
            ..report
        };
        // On demand the first invocation waits already; otherwise the environment freezes here.
        if self.setup.initialization != InitializationType::OnDemand {
            self.freeze();
        }
        Ok(report)
    }

    fn wait_for_init(
        &mut self,
        until: Instant,
        condition: impl Fn(&State) -> bool,
    ) -> Result<(), InitFailure> {
        self.api.wait_until(until, |state| {
            condition(state)
                || state.extension.exit.is_some()
                || state.extension.reported_error.is_some()
        });
        let (met, exit, reported) = {
            let state = self.api.lock();
            (
                condition(&state),
                state.extension.exit,
                state.extension.reported_error.clone(),
            )
        };
        let failure = match (reported, exit, met) {
            (Some(kind), _, _) => InitFailure::Reported(kind),
            (None, Some(exit), _) => InitFailure::Exited(exit),
            (None, None, false) => InitFailure::TooSlow,
            (None, None, true) => return Ok(()),
        };
        self.alive = false;
        Err(failure)
    }

    /// The first event of an environment that came from a snapshot.
    pub(super) fn restore(&mut self) {
        if self.setup.initialization == InitializationType::SnapStart && !self.restored {
            self.restored = true;
            let hub = self.hub();
            hub.tell(Fact::RestoreStart);
            hub.tell(Fact::RestoreRuntimeDone);
            hub.tell(Fact::RestoreReport { duration_ms: 12.5 });
            self.init_ms = None;
            self.restore_ms = Some(12.5);
        }
    }
}
