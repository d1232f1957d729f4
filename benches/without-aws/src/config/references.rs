//! In the place of `src/config/references.rs`: no value is a reference.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, Environment, Settings};

/// None is.
#[must_use]
pub fn is_secret(_: &str) -> bool {
    false
}

pub(super) fn options(
    _: &Settings,
    _: Option<Vec<u8>>,
    environment: &Environment,
) -> Arc<crate::secrets::Options> {
    secrets(environment)
}

/// Nothing is told.
#[must_use]
pub fn secrets(environment: &Environment) -> Arc<crate::secrets::Options> {
    Arc::new(crate::secrets::Options {
        aws: super::aws(environment),
    })
}

/// There are none.
#[derive(Debug, Clone, Default)]
pub(super) struct References;

impl References {
    pub(super) fn find(environment: &Environment) -> (Self, Cow<'_, Environment>) {
        (Self, Cow::Borrowed(environment))
    }

    pub(super) fn shapes(&self, _: usize, _: &Environment) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn is_missed(&self, _: &str) -> bool {
        false
    }

    pub(super) fn keep_all_back(&self, _: &mut Config, _: Duration, _: &Environment) {}
}

pub(super) fn misplaced(_: &str) -> Option<String> {
    None
}
