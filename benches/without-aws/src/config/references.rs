//! In the place of `src/config/references.rs`: no value is a reference.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, Environment, Settings, values};
use crate::http;

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
    Arc::new(crate::secrets::Options {
        aws: super::aws(environment),
    })
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

/// What must not be shown of a URL's user, the longest first: user and password, as they are sent, and the password alone.
pub(super) fn user(url: &str) -> Vec<String> {
    let authority = url.split('/').nth(2).unwrap_or_default();
    let (user, _) = authority.rsplit_once('@').unwrap_or_default();
    let decoded = values::percent_decoded(user).unwrap_or_default();
    let mut hidden = Vec::new();
    for user in [user, &decoded] {
        let (_, password) = user.split_once(':').unwrap_or_default();
        let sent = http::basic(user).split_off("Basic ".len());
        for part in [&*sent, user, password] {
            hidden.push(part.to_owned());
        }
    }
    hidden
}

pub(super) fn misplaced(_: &str) -> Option<String> {
    None
}
