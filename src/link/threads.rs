//! How threads are started: each with a name, and, where what it does knows no timeout, so that it can be left behind.
//!
//! It must not know what they do.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::Hurry;
use crate::time::Deadline;

/// Starts a thread, with a stack of so many bytes or the usual one; the work is boxed as the code for each kind of it would take 3 kB.
///
/// # Errors
/// What the system says.
pub fn spawn(
    name: &str,
    stack_bytes: Option<usize>,
    work: Box<dyn FnOnce() + Send>,
) -> std::io::Result<JoinHandle<()>> {
    let mut builder = std::thread::Builder::new().name(name.to_owned());
    if let Some(bytes) = stack_bytes {
        builder = builder.stack_size(bytes);
    }
    builder.spawn(work)
}

/// Does something that knows no timeout in a thread of its own, and waits for it at most so long.
///
/// The thread is left behind when it is late, or when `hurry` is on; whatever it then finds is dropped.
/// What it finds takes no channel, as the code for each kind of one takes 5 kB.
#[must_use]
pub fn within<T: Send + Sync + 'static>(
    thread: &str,
    wait: Duration,
    hurry: &Hurry,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let found = Arc::new(OnceLock::new());
    let (over_in, over_out) = bounded::<()>(1);
    let place = Arc::clone(&found);
    let work = move || {
        place.set(work()).unwrap_or(());
        over_in.send(()).unwrap_or(());
    };
    let thread = spawn(thread, Some(256 * 1024), Box::new(work)).ok()?;
    let deadline = Deadline::after(wait);
    loop {
        match over_out.recv_timeout(deadline.left().min(HURRY_SLICE)) {
            // After a panic nothing is found.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if !deadline.has_passed() && !hurry.is_on() => {}
            Err(RecvTimeoutError::Timeout) => return None,
        }
    }
    // It is at its end, and holds the place until it is there.
    thread.join().ok()?;
    Arc::into_inner(found)?.into_inner()
}

/// How soon it is seen that nobody waits any more.
pub const HURRY_SLICE: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_work_is_left_behind() {
        assert_eq!(
            within("quick", Duration::from_secs(60), &Hurry::default(), || 7),
            Some(7)
        );
        let (release, blocked) = bounded::<()>(0);
        let late = within(
            "late",
            Duration::from_millis(1),
            &Hurry::default(),
            move || {
                blocked.recv().unwrap_or(());
            },
        );
        assert_eq!(late, None);
        drop(release);
    }
}
