//! What Loki answers: a status of its own says that it takes nothing from this tenant for now.
//!
//! It must not read a 400: some lines of that payload may have been stored, but Loki does not say which.
//! They are sent again while the bad one is searched for, and an identical line is stored once.

use super::{Fate, Reading};
use crate::error::excerpt;

/// The status of a tenant whose ingestion is blocked: a 2xx, so that clients do not come again, and nothing was stored.
const BLOCKED: u16 = 260;

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], records: usize) -> Reading {
    if status != BLOCKED {
        return Reading::Nothing;
    }
    Reading::Items {
        fates: vec![Fate::Refused; records],
        why: format!("{BLOCKED}: {}", excerpt(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_tenant_stores_nothing() {
        assert_eq!(
            read(260, b"ingestion blocked for user fake\n", 2),
            Reading::Items {
                fates: vec![Fate::Refused; 2],
                why: "260: ingestion blocked for user fake".into(),
            }
        );
        for status in [200, 204, 400, 429] {
            assert_eq!(read(status, b"", 2), Reading::Nothing);
        }
    }
}
