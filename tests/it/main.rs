//! The real binary over real pipes against real HTTP servers, a module per subject.
//!
//! [`support`] has the harness. Whatever a test does not script, a well-behaved MCP server answers,
//! and it holds every request against the protocol.

mod support;

mod check;
mod client_commands;
mod demo;
mod ending;
mod era_detection;
mod era_hostile;
mod era_hostile_modern;
mod era_legacy_client;
mod era_modern_client;
#[cfg(unix)]
mod era_sign_in;
mod era_subscriptions;
mod exactly_once;
mod faults;
mod handshake;
mod hostile;
mod http;
mod http_sse;
mod http_sse_fallback;
mod http_sse_lost;
#[cfg(unix)]
mod http_sse_sign_in;
#[cfg(target_os = "linux")]
mod keyring;
mod listen;
mod logging;
mod memory;
mod modules;
mod ordering;
#[cfg(unix)]
mod provider_quirks;
mod proxy;
mod resume;
mod retry_after;
mod secrets;
mod sessions;
#[cfg(unix)]
mod sign_in;
#[cfg(unix)]
mod sign_in_browser;
#[cfg(unix)]
mod sign_in_callback;
#[cfg(unix)]
mod sign_in_client;
#[cfg(unix)]
mod sign_in_commands;
#[cfg(unix)]
mod sign_in_discovery;
#[cfg(unix)]
mod sign_in_flow;
#[cfg(unix)]
mod sign_in_hostile;
#[cfg(unix)]
mod sign_in_refresh;
#[cfg(unix)]
mod sign_in_secrets;
#[cfg(unix)]
mod sign_in_waiting;
mod stdio;
mod streams;
mod tls;
mod transparency;
mod usage;
