//! What a dry run is told: the options up to the record.
//!
//! It must need no endpoint, and ask for no secret.

use super::lanes::{self, All};
use super::references::References;
use super::{Environment, Problem, identity};
use crate::diag;
use crate::encode::{self, Format};
use crate::process::{self, Identity};

/// What a dry run is told for one destination: everything up to the record, and nothing of where it goes.
#[derive(Debug)]
pub struct DryRun {
    /// Its number, from 1.
    pub destination: usize,
    /// How records are written.
    pub format: &'static Format,
    /// What the encoder is told.
    pub encode: encode::Options,
    /// What process is told.
    pub process: process::Options,
    /// Who logs, as far as the environment tells.
    pub identity: Identity,
    /// The variables whose values are secrets, and whose defaults stand here.
    pub secrets: Vec<String>,
}

/// Reads the configuration for a dry run, which needs no endpoint.
#[must_use]
pub fn dry_run(environment: &Environment) -> (Vec<DryRun>, Vec<Problem>) {
    let (references, placed) = References::find(environment);
    let (given, environment) = (environment, &*placed);
    let (All { first, mut others }, mut problems) = lanes::settings(environment);
    diag::set_level(Some(first.log_level));
    // Beside others it needs one to be a destination.
    let has_first = first.endpoint.is_some() || others.is_empty();
    let mut dry_runs = Vec::new();
    others.insert(0, (1, first));
    for (destination, settings) in &others {
        dry_runs.push(DryRun {
            destination: *destination,
            format: settings.format(),
            encode: settings.encode.clone(),
            identity: identity(environment, settings, *destination, &mut problems),
            process: settings.process(environment),
            secrets: references.shapes(*destination, given),
        });
    }
    if !has_first {
        dry_runs.remove(0);
    }
    (dry_runs, problems)
}
