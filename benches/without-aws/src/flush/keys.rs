//! In the place of `src/flush/keys.rs`: a lane has no secrets.

use std::time::Duration;

use super::Options;
use crate::link::Found;
use crate::process::Identity;

/// What a flush thread is told.
pub type Made = (Options, Identity);

/// Nobody makes it.
pub type Make = dyn Fn(&Found) -> Result<Box<Made>, String> + Send;

/// Nothing of this type can be.
pub struct Late {
    /// Nobody calls it.
    pub make: Box<Make>,
    /// What makes it so.
    pub never: Never,
}

impl std::fmt::Debug for Late {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.never {}
    }
}

/// Nothing of this type can be.
#[derive(Debug)]
pub enum Never {}

pub(super) enum Learned {
    Nothing,
    Made(Box<Made>, bool),
    Missing(String),
    Kept(String),
}

pub(super) struct Keys;

impl Keys {
    pub(super) fn new(_: Option<Late>) -> Self {
        Self
    }

    pub(super) fn are_needless(&self) -> bool {
        true
    }

    pub(super) fn shape_records(&self) -> bool {
        false
    }

    pub(super) fn are_shaping(&self) -> bool {
        false
    }

    pub(super) fn are_there(&self) -> bool {
        true
    }

    pub(super) fn admit(&mut self) -> bool {
        true
    }

    pub(super) fn are_awaited(&self) -> bool {
        false
    }

    pub(super) fn ask(&mut self, _: bool) -> Option<u64> {
        None
    }

    pub(super) fn until_asked(&self, _: Duration) -> Option<Duration> {
        None
    }

    pub(super) fn doubt(&mut self) -> bool {
        false
    }

    pub(super) fn learn(&mut self, _: &Found) -> Learned {
        Learned::Nothing
    }
}
