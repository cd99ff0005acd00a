//! The real binary over real pipes against real HTTP servers, a module per subject.
//!
//! [`support`] has the harness. Whatever a test does not script, a well-behaved MCP server answers,
//! and it holds every request against the protocol.

mod support;

mod check;
mod client_commands;
mod clients;
mod completions;
mod config_file;
#[cfg(unix)]
#[cfg(target_os = "linux")]
mod container;
mod credentials;
mod demo;
mod dependencies_page;
mod doctor;
mod dpop;
mod dpop_grants;
mod ending;
mod era_detection;
mod era_hostile;
mod era_hostile_modern;
mod era_legacy_client;
mod era_modern_client;
#[cfg(unix)]
mod era_sign_in;
mod era_stateless;
mod era_subscriptions;
mod exactly_once;
mod fault_connections;
mod fault_injection;
mod fault_schedules;
mod faults;
#[cfg(unix)]
mod forms;
mod fuzzing;
#[cfg(unix)]
mod grants;
mod grants_bound;
#[cfg(unix)]
mod grants_idp;
#[cfg(unix)]
mod grants_login;
#[cfg(unix)]
mod grants_managed;
mod handshake;
#[cfg(unix)]
mod hardening;
mod help;
mod hostile;
#[cfg(unix)]
mod hostile_suite;
mod http;
mod http_sse;
mod http_sse_fallback;
mod http_sse_lost;
#[cfg(unix)]
mod http_sse_sign_in;
#[cfg(target_os = "linux")]
mod import;
mod keyring;
mod listen;
mod logging;
mod memory;
mod migrating;
mod modules;
mod mtls;
mod ordering;
mod peer;
#[cfg(unix)]
mod provider_quirks;
mod proxy;
#[cfg(unix)]
mod repl;
mod resume;
mod retry_after;
mod secrets;
mod security_page;
mod sessions;
#[cfg(unix)]
mod shaping;
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
mod sign_in_device;
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
mod sign_in_terminal;
#[cfg(unix)]
mod sign_in_waiting;
#[cfg(all(unix, feature = "aws"))]
mod sigv4;
mod soak;
mod stdio;
mod streams;
#[cfg(unix)]
mod terminal_text;
mod tls;
mod trace;
mod trace_read;
mod transparency;
mod usage;
