//! In the place of `src/secrets/mod.rs`: there are no secrets.

use std::sync::Arc;

use crate::aws::endpoint;
use crate::link::{Found, Hurry, KeepEnd};
use crate::stats::Stats;

/// Nothing is told.
#[derive(Debug)]
pub struct Options {
    /// Nothing either.
    pub aws: crate::aws::Options,
}

/// Nothing of this type can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {}

impl Service {
    /// Nobody.
    #[must_use]
    pub fn row(self) -> &'static endpoint::Service {
        match self {}
    }
}

/// Nothing of this type can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Nobody.
    pub service: Service,
}

impl Reference {
    /// Nothing.
    #[must_use]
    pub fn text(&self) -> &str {
        match self.service {}
    }
}

/// Finds nothing.
#[must_use]
pub fn fetch(_: &Arc<Options>, _: &[Reference], _: &Hurry) -> Found {
    Found::default()
}

/// Keeps nothing.
pub fn keep(_: &Arc<Options>, _: &[Reference], _: bool, _: &KeepEnd, _: &Stats) {}
