//! In the place of `src/send/service.rs`: there is no destination in AWS.

use crate::http::{Answer, Client, Failure, Request};

/// Nothing of this type can be.
#[derive(Debug)]
pub struct Options {
    /// Nobody reads it.
    pub signing: crate::aws::Signing,
    /// What makes it so.
    pub never: Never,
}

/// Nothing of this type can be.
#[derive(Debug)]
pub enum Never {}

/// Nothing of this type can be.
#[derive(Debug)]
pub(super) enum Service {}

impl Service {
    pub(super) fn new(options: Options) -> Self {
        match options.never {}
    }

    pub(super) fn begin(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(super) fn end(&mut self, _: &[u8], _: bool) {
        match *self {}
    }

    pub(super) fn url(&self, _: &str) -> String {
        match *self {}
    }

    pub(super) fn call(&mut self, _: &Client, _: &Request<'_>) -> Result<Answer, Failure> {
        match *self {}
    }
}
