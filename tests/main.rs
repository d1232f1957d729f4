//! The black-box tests: the real binary in a local Lambda, delivering to scripted sinks.
//!
//! One test program, so that it links once and every scenario shares the emulator. `BROOKLET_BINARY`
//! names the binary under test; without it, it is the one cargo built, whose memory is not judged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an expectation that fails must stop a test where it stands"
)]
#![allow(
    clippy::print_stderr,
    reason = "a test of many cases says which one it is at; it is shown only with a failure"
)]
#![allow(
    clippy::missing_docs_in_private_items,
    reason = "a test's name is its sentence"
)]

mod corpus;
mod formats;
mod harness;
#[allow(
    dead_code,
    reason = "the example uses what the tests do not, and the other way round"
)]
mod lambda;
mod model;
mod noise;
mod options;
mod scenario;
#[allow(
    dead_code,
    reason = "the example uses what the tests do not, and the other way round"
)]
mod sink;
mod tidy;
mod wire;
