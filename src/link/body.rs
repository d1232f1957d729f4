//! A telemetry batch on its way from the listener to a lane.
//!
//! It must not be looked into here.

use std::sync::Arc;

/// One telemetry batch as it came.
#[derive(Debug, Clone)]
pub struct Body {
    /// The request's body, which lanes share: whoever changes it must be the last that holds it.
    pub bytes: Arc<Vec<u8>>,
    /// When it had come whole, in milliseconds since 1970.
    pub received_ms: u64,
    /// Events of bodies before it that its lane had no room for: they have numbers too, or what comes after them would have others in each lane.
    pub skipped: u64,
}

/// What a body takes of the backlog at least, in bytes: a small one is more than its bytes, and many of them wait while an environment is yet to be restored.
pub(super) const ROOM_MIN: usize = 256;

impl Body {
    /// What it takes of the backlog, in bytes.
    pub(super) fn room(&self) -> usize {
        self.bytes.capacity().max(ROOM_MIN)
    }
}
