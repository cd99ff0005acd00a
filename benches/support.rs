//! The parts of the end-to-end benchmark.
//!
//! `wire` holds the bytes of every message, shared by all sides; `server` is the loopback server
//! (a process of its own); `direct` is the client without a bridge; `stdio` starts the bridge and
//! drives its pipes; `start` measures the start; `measure` holds the other measurements; `process`
//! reads what the kernel knows of a process; `report` compares with the targets and prints.
//!
//! Side by side with other bridges: `contender` knows how each is started, `side` is what all ways have in
//! common, `signed_in` leaves a sign-in in their stores, `field` holds the measurements, `growth` fits lines to
//! them, `goals` is what is asked of them, `about` tells where they are from, and `page` and `picture` write what was
//! found. `tally` counts what a program does, `counts` compares that with before.

#![allow(dead_code, reason = "each benchmark uses some of the parts")]

pub mod about;
pub mod contender;
pub mod counts;
pub mod direct;
pub mod field;
pub mod goals;
pub mod growth;
pub mod measure;
pub mod page;
pub mod picture;
pub mod process;
pub mod report;
pub mod server;
pub mod side;
pub mod signed_in;
pub mod start;
pub mod stdio;
pub mod tally;
pub mod wire;

/// An error of the benchmark; the text is all that is needed of it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
