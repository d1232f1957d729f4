//! The scenarios: first the local Lambda itself, then the product from its birth to its limits.

pub(crate) mod aws;
mod bad_input;
pub(crate) mod books;
mod cadence;
pub(crate) mod command_line;
mod configuration;
mod delivery;
mod emulator;
mod enrich;
pub(crate) mod feed;
mod fields;
mod flush;
mod freeze;
mod hurry;
#[cfg(feature = "fault")]
mod isolation;
mod lanes;
mod levels;
mod lifecycle;
mod losses;
mod matrix;
mod multiline;
mod outage;
mod platform;
mod receive;
mod redact;
mod refusal;
mod replay;
mod sample;
mod secret_options;
mod secrets;
mod select;
mod soak;
mod synthetic;
mod unwrap;
mod volume;
mod wrap;
