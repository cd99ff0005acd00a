//! The real binary over real pipes against real HTTP servers, a module per subject.
//!
//! [`support`] has the harness. Whatever a test does not script, a well-behaved MCP server answers,
//! and it holds every request against the protocol.

mod support;

mod demo;
mod ending;
mod exactly_once;
mod faults;
mod handshake;
mod hostile;
mod http;
mod listen;
mod logging;
mod memory;
mod modules;
mod ordering;
mod proxy;
mod resume;
mod retry_after;
mod secrets;
mod sessions;
mod stdio;
mod streams;
mod tls;
mod transparency;
mod usage;
