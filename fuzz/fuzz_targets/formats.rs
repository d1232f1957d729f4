//! Arbitrary bytes to events, through every encoder, to the strict readers of `tests/formats/`.
//!
//! With `cargo install cargo-fuzz` and the stable compiler, in the repository's root:
//! `cargo fuzz run --sanitizer none formats -- -max_len=2000 -max_total_time=60`
//!
//! What is run is `run` of `tests/formats/fuzz.rs`, which `cargo test fuzz` runs as well, with bytes by chance.
//! A finding becomes a named test beside the code that was wrong.

#![no_main]
#![allow(dead_code, unused_imports, reason = "the tests' modules hold more than this target uses")]

#[path = "../../tests/corpus.rs"]
mod corpus;
#[path = "../../tests/formats/mod.rs"]
mod formats;
#[path = "../../tests/harness.rs"]
mod harness;
#[path = "../../tests/lambda/mod.rs"]
mod lambda;
#[path = "../../tests/model.rs"]
mod model;
#[path = "../../tests/noise.rs"]
mod noise;
#[path = "../../tests/scenario/mod.rs"]
mod scenario;
#[path = "../../tests/sink/mod.rs"]
mod sink;
#[path = "../../tests/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::fuzz::run(data));
