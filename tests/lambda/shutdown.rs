//! SHUTDOWN: the event, the last telemetry, the process's end, by itself or not.
//!
//! Must not leave a process behind.

use super::api::State;
use super::process::Exit;
use super::{Lambda, ShutdownReport, clock};
use std::time::{Duration, Instant, SystemTime};

impl Lambda {
    /// Ends the environment: SHUTDOWN with `spindown`, then whatever is left of the process.
    pub(crate) fn shutdown(&mut self) -> ShutdownReport {
        self.shutdown_because("spindown")
    }

    /// Ends the environment for this reason.
    pub(crate) fn shutdown_because(&mut self, reason: &str) -> ShutdownReport {
        if !self.setup.managed() {
            // What waits must not go out between the thaw and the event.
            self.hub()
                .not_before(Instant::now() + self.setup.last_delivery);
        }
        self.thaw();
        self.end_process(reason)
    }

    /// Sends SHUTDOWN, waits for the process within the phase's limit, kills it after that.
    pub(super) fn end_process(&mut self, reason: &str) -> ShutdownReport {
        let began = Instant::now();
        let until = began + self.setup.shutdown_limit;
        let deadline_ms = clock::epoch_ms(SystemTime::now() + self.setup.shutdown_limit);
        let hub = self.hub();
        if self.setup.managed() {
            hub.flush();
            hub.drained(Duration::from_secs(1));
        } else {
            self.pass(self.setup.runtime_exit, until);
            hub.not_before(Instant::now() + self.setup.last_delivery);
            hub.flush();
        }
        let wanted = self.api.lock().extension.wants("SHUTDOWN");
        let told = Instant::now();
        hub.end();
        if wanted {
            let reason = if self.setup.reasons_in_capitals {
                reason.to_uppercase()
            } else {
                reason.to_owned()
            };
            let event = format!(
                r#"{{"eventType":"SHUTDOWN","shutdownReason":"{reason}","deadlineMs":{deadline_ms}}}"#
            );
            self.api.change(|state| state.extension.event = Some(event));
        }
        let exit = match (&self.process, wanted) {
            (Some(process), true) => process.exit(until.saturating_duration_since(Instant::now())),
            (Some(process), false) => process.ended(),
            (None, _) => {
                // A thread of the test has gone when it has taken the event and asks no more.
                let gone = |state: &State| state.extension.event.is_none();
                self.api.wait_until(until, gone).then_some(Exit::Code(0))
            }
        };
        let took = told.elapsed();
        if let (Some(process), None) = (&self.process, exit) {
            process.kill();
            process.exit(Duration::from_secs(5));
        }
        let vitals = self.vitals();
        self.alive = false;
        ShutdownReport { took, exit, vitals }
    }

    /// Ends the process without a word, as when a host dies.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = &self.process {
            process.thaw();
            process.kill();
            process.exit(Duration::from_secs(5));
        }
        self.alive = false;
    }
}
