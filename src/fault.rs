//! Panics on purpose, for the tests of isolation; compiled only with the feature `fault`, which no release has.
//!
//! `BROOKLET_FAULT=<stage>:<n>` makes the n-th pass through that stage panic, once; `<stage>@<destination>:<n>` counts only the passes of that destination's thread.

/// Arms the fault that a value like `parse:3` names.
#[cfg(feature = "fault")]
pub fn arm(value: &str) {
    use std::sync::atomic::Ordering;
    if let Some((stage, nth)) = value.split_once(':') {
        let nth = nth.parse().unwrap_or(1);
        let (stage, destination) = stage.split_once('@').unwrap_or((stage, "0"));
        armed::DESTINATION.store(destination.parse().unwrap_or(0), Ordering::Relaxed);
        let armed = armed::STAGE.set(stage.to_owned()).is_ok();
        armed::LEFT.store(if armed { nth } else { 0 }, Ordering::Relaxed);
    }
}

/// What is armed.
#[cfg(feature = "fault")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicUsize;

    /// The stage.
    pub(super) static STAGE: OnceLock<String> = OnceLock::new();
    /// The destination whose thread is meant; 0 for any.
    pub(super) static DESTINATION: AtomicUsize = AtomicUsize::new(0);
    /// Passes until the panic; 0 when there is none to come.
    pub(super) static LEFT: AtomicUsize = AtomicUsize::new(0);
}

/// A pass through a stage.
#[cfg(feature = "fault")]
#[allow(clippy::panic, reason = "this is what it is for")]
pub fn point(stage: &str) {
    use std::sync::atomic::Ordering;
    if armed::STAGE.get().is_none_or(|armed| armed != stage) {
        return;
    }
    let destination = armed::DESTINATION.load(Ordering::Relaxed);
    if destination != 0 && destination != crate::diag::destination() {
        return;
    }
    let count_down = |left: usize| left.checked_sub(1);
    let before = armed::LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down);
    assert!(before != Ok(1), "a fault on purpose in {stage}");
}

/// Nothing, in every release.
#[cfg(not(feature = "fault"))]
#[inline(always)]
pub fn point(_: &str) {}
