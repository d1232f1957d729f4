//! The scenarios: first the local Lambda itself, then the product from its birth to its limits.

mod bad_input;
mod books;
mod cadence;
mod command_line;
mod configuration;
mod delivery;
mod emulator;
mod flush;
mod freeze;
#[cfg(feature = "fault")]
mod isolation;
mod lifecycle;
mod losses;
mod matrix;
mod outage;
mod receive;
mod refusal;
mod replay;
mod soak;
mod volume;
