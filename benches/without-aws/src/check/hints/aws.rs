//! In the place of `src/check/hints/aws.rs`: no hints.

use super::Hint;

/// No format.
pub(super) const AWS: &str = "aws";

/// No rows.
pub(super) const ROWS: &[Hint] = &[];
