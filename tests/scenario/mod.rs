//! The scenarios: first the local Lambda itself, then the product from its birth to its limits.

mod bad_input;
mod command_line;
mod configuration;
mod delivery;
mod emulator;
mod flush;
mod lifecycle;
mod receive;
mod replay;
mod volume;
