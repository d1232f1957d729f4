//! In the place of `src/config/place.rs`: no URL names a place in AWS, and no host takes signatures.

use super::Environment;
use crate::aws::Options;
use crate::encode::Format;
use crate::send;
use crate::send::service;

pub(super) fn usable(_: &str) -> Result<(), String> {
    Err("it is no URL".to_owned())
}

pub(super) fn call(
    _: &str,
    _: &Format,
    _: &mut send::Options,
    _: &Options,
    _: &Environment,
) -> Result<[String; 2], String> {
    Ok(Default::default())
}

pub(super) fn signed(_: &str, _: &Options) -> Option<service::Options> {
    None
}

pub(super) fn is_of_signature(_: &str) -> bool {
    false
}
