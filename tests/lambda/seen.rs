//! What a local Lambda saw: calls, deliveries, lines, memory, and waiting for them.
//!
//! Must not change anything.

use super::Lambda;
use super::api::{self, Extension, State};
use super::post::Sender;
use super::process::{Exit, Printed, Process, Vitals};
use super::shape::Fact;
use super::telemetry::{self, Delivery, Event};
use std::time::{Duration, Instant};

impl Lambda {
    /// Memory, threads and processor time of the process now.
    pub(crate) fn vitals(&self) -> Vitals {
        self.process
            .as_ref()
            .map(Process::vitals)
            .unwrap_or_default()
    }

    /// The most memory any process of this Lambda had.
    pub(crate) fn peak(&self) -> u64 {
        self.past
            .iter()
            .map(|past| past.vitals.peak)
            .chain([self.vitals().peak])
            .max()
            .unwrap_or(0)
    }

    /// Every call of the APIs.
    pub(crate) fn calls(&self) -> Vec<api::ApiCall> {
        self.api.lock().calls.clone()
    }

    /// The calls to one path.
    pub(crate) fn calls_to(&self, path: &str) -> Vec<api::ApiCall> {
        self.calls()
            .into_iter()
            .filter(|call| call.path == path)
            .collect()
    }

    /// Waits until the calls so far satisfy a condition.
    pub(crate) fn wait_calls(
        &self,
        limit: Duration,
        enough: impl Fn(&[api::ApiCall]) -> bool,
    ) -> bool {
        self.api.wait_until(Instant::now() + limit, |state| {
            enough(&state.calls) || state.extension.exit.is_some()
        });
        enough(&self.api.lock().calls)
    }

    /// Waits for `limit`, and less if the extension ends or asks for an event again meanwhile:
    /// whether it did neither.
    pub(crate) fn stays_in_next(&self, limit: Duration) -> bool {
        let asked = self
            .api
            .lock()
            .calls
            .iter()
            .filter(|call| call.path == api::NEXT)
            .count();
        let moved = |state: &State| {
            state.extension.exit.is_some()
                || state
                    .calls
                    .iter()
                    .filter(|call| call.path == api::NEXT)
                    .count()
                    != asked
        };
        !self.api.wait_until(Instant::now() + limit, moved)
    }

    /// How the process ended, if it did.
    pub(crate) fn exited(&self) -> Option<Exit> {
        self.api.lock().extension.exit
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait_exit(&self, limit: Duration) -> Option<Exit> {
        self.process
            .as_ref()
            .and_then(|process| process.exit(limit))
    }

    /// What is known of the extension.
    pub(crate) fn extension<T>(&self, read: impl FnOnce(&Extension) -> T) -> T {
        read(&self.api.lock().extension)
    }

    /// Everything that happened in the environment of the current process, and when.
    pub(crate) fn told(&self) -> Vec<(Instant, Fact)> {
        self.hub().told()
    }

    /// When each POST of telemetry to the current process began, and how many events it had.
    pub(crate) fn posts(&self) -> Vec<(Instant, usize)> {
        self.hub().posts()
    }

    /// Every POST of telemetry that is over, of earlier processes first.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let mut all: Vec<Delivery> = self
            .past
            .iter()
            .flat_map(|past| past.deliveries.clone())
            .collect();
        all.extend(self.hub().deliveries());
        all
    }

    /// What each process was sent and what it printed, the current one last.
    pub(crate) fn processes(&self) -> Vec<(Vec<Delivery>, Vec<Printed>)> {
        let past = self.past.iter();
        let mut all: Vec<_> = past
            .map(|past| (past.deliveries.clone(), past.printed.clone()))
            .collect();
        let printed = self.process.as_ref().map(Process::printed);
        all.push((self.hub().deliveries(), printed.unwrap_or_default()));
        all
    }

    /// Every event of a batch the listener took, in order.
    pub(crate) fn events_taken(&self) -> Vec<Event> {
        self.deliveries()
            .into_iter()
            .filter(Delivery::taken)
            .flat_map(|delivery| delivery.events)
            .collect()
    }

    /// How many events the platform dropped because the listener did not take them.
    pub(crate) fn dropped(&self) -> u64 {
        self.hub().dropped()
    }

    /// Waits until the deliveries to the current process satisfy a condition.
    pub(crate) fn wait_deliveries(
        &self,
        limit: Duration,
        enough: impl Fn(&[Delivery]) -> bool,
    ) -> bool {
        self.hub().wait(limit, enough)
    }

    /// Waits until no telemetry waits and none is under way.
    pub(crate) fn drained(&self, limit: Duration) -> bool {
        self.hub().drained(limit)
    }

    /// What the extension subscribed to.
    pub(crate) fn subscription(&self) -> Option<telemetry::Subscription> {
        self.hub().subscription()
    }

    /// Lines the extension printed, of earlier processes first.
    pub(crate) fn printed(&self) -> Vec<Printed> {
        let mut all: Vec<Printed> = self
            .past
            .iter()
            .flat_map(|past| past.printed.clone())
            .collect();
        all.extend(
            self.process
                .as_ref()
                .map(Process::printed)
                .unwrap_or_default(),
        );
        all
    }

    /// Waits until the extension has printed a line with this text.
    pub(crate) fn wait_printed(&self, limit: Duration, text: &str) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.wait_printed(limit, |line| line.contains(text)))
    }

    /// The kernel's letter for the state of each thread of the process.
    pub(crate) fn states(&self) -> Vec<char> {
        self.process
            .as_ref()
            .map(Process::states)
            .unwrap_or_default()
    }

    /// The names of the process's threads, sorted.
    pub(crate) fn thread_names(&self) -> Vec<String> {
        self.process
            .as_ref()
            .map(Process::thread_names)
            .unwrap_or_default()
    }

    /// How many files and sockets the process has open.
    pub(crate) fn open_files(&self) -> usize {
        self.process.as_ref().map_or(0, Process::open_files)
    }

    /// When the process stood still.
    pub(crate) fn frozen(&self) -> Vec<(Instant, Option<Instant>)> {
        self.process
            .as_ref()
            .map(Process::frozen)
            .unwrap_or_default()
    }

    /// A connection of a test's own to the extension's listener.
    pub(crate) fn sender(&self) -> Sender {
        let port = self
            .subscription()
            .expect("the extension has subscribed")
            .port;
        Sender::connect(port).expect("the extension's listener accepts")
    }
}
