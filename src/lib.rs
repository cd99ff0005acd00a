//! mcp-tether: a bridge between stdio MCP clients and remote MCP servers.
//!
//! The map, from the outside in; each module only knows those below it:
//!
//! * [`cli`], [`config`]: what was typed, and what it means.
//! * [`command`]: what a person can ask for.
//! * [`bridge`]: the life of every request between the client and the server.
//! * [`era`]: translating between the two eras of the protocol.
//! * [`trace`]: what goes over stdio and the wire, a JSON line each (`--trace`).
//! * [`transport`]: carrying a message to a remote endpoint, and what comes back.
//! * [`stdio`]: stdin and stdout.
//! * [`auth`]: the right to send a request: OAuth. [`store`]: where it is kept.
//! * [`foreign`]: the sign-ins that other bridges have stored.
//! * [`supply`]: headers whose value is in a file, in the store, or in what a command prints.
//! * [`aws`]: requests signed with AWS credentials, in the place of that.
//! * [`cache`]: what can be found out again.
//! * [`clients`]: the configuration files of MCP clients, and the servers in them.
//! * [`http`]: the only door to the network.
//! * [`jsonrpc`]: messages as bytes with a head.
//! * [`error`], [`limits`], [`secret`], [`logging`], [`platform`], [`random`], [`clock`], [`tasks`], [`order`], [`mod@json`]: what all of them need.
//! * `demo`: a small MCP server to try the bridge with (feature `demo`).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod auth;
pub mod aws;
pub mod bridge;
pub mod cache;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod command;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod era;
pub mod error;
pub mod foreign;
pub mod http;
pub mod json;
pub mod jsonrpc;
pub mod limits;
pub mod logging;
pub mod order;
pub mod platform;
pub mod random;
pub mod secret;
pub mod shape;
pub mod stdio;
pub mod store;
pub mod supply;
pub mod tasks;
pub mod trace;
pub mod transport;
