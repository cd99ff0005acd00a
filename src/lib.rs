//! mcp-tether: a bridge between stdio MCP clients and remote MCP servers.
//!
//! The map, from the outside in; each module only knows those below it:
//!
//! * [`cli`], [`config`]: what was typed, and what it means.
//! * [`command`]: what a person can ask for.
//! * [`bridge`]: the life of every request between the client and the server.
//! * [`era`]: translating between the two eras of the protocol.
//! * [`transport`]: carrying a message to a remote endpoint, and what comes back.
//! * [`stdio`]: stdin and stdout.
//! * [`auth`]: the right to send a request: OAuth. [`store`]: where it is kept.
//! * [`cache`]: what can be found out again.
//! * [`http`]: the only door to the network.
//! * [`jsonrpc`]: messages as bytes with a head.
//! * [`error`], [`limits`], [`secret`], [`logging`], [`platform`], [`random`]: what all of them need.
//! * `demo`: a small MCP server to try the bridge with (feature `demo`).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod auth;
pub mod bridge;
pub mod cache;
pub mod cli;
pub mod command;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod era;
pub mod error;
pub mod http;
pub mod jsonrpc;
pub mod limits;
pub mod logging;
pub mod platform;
pub mod random;
pub mod secret;
pub mod stdio;
pub mod store;
pub mod transport;
