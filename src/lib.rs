//! brooklet ships an AWS Lambda function's logs to wherever its owner wants them.
//!
//! It is an external Lambda extension without an async runtime.
//! Three kinds of thread work together, and talk through the channels of [`link`] alone:
//! the main thread asks Lambda for events ([`lifecycle`]),
//! the receive threads take the platform's telemetry batches ([`receive`]),
//! and for each destination a flush thread turns them into payloads and sends them ([`flush`]).
//! Where a key is a reference one more fetches it ([`secrets`]).
//!
//! The modules are listed in the order in which data flows, and each imports only what stands above it:
//! words, pure stages, edges, wiring.

// The build that saves bytes spends some on what every record goes through; build.sh alone asks for it.
#![cfg_attr(brooklet_hot, feature(optimize_attribute))]
#![cfg_attr(test, allow(clippy::panic, reason = "a test fails by panicking"))]

// Words: what everything else speaks in.

pub mod error;

pub mod time;

#[macro_use]
pub mod diag;

pub mod fault;

pub mod link;

pub mod stats;

// Pure stages: no socket, no clock, no environment.

pub mod digest;

pub mod gzip;

pub mod parse;

pub mod process;

pub mod encode;

pub mod buffer;

pub mod cadence;

// Edges: sockets.

pub mod http;

pub mod aws;

pub mod lambda;

pub mod receive;

pub mod send;

pub mod secrets;

// Wiring: what is connected to what.

pub mod flush;

pub mod config;

pub mod lifecycle;

pub mod wrap;

pub mod check;
