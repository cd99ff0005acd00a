//! The right to send a request: OAuth 2.1 as the MCP specification profiles it.
//!
//! * [`challenge`]: `WWW-Authenticate` (pure). [`metadata`]: discovery documents (pure).
//! * [`discovery`]: from a challenge to an authorization server.
//! * [`client`]: who we are at an authorization server; [`registration`]: becoming known to it.
//! * [`token`]: the token endpoint: exchange, refresh, revocation.
//! * [`callback`]: the loopback listener; [`page`]: what the browser shows; [`browser`]: opening it.
//! * [`web`]: requests of this module, within its rules.
//!
//! Knows the network and the credential store, and nothing of the bridge.

pub mod metadata;
pub mod web;
