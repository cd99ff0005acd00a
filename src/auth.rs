//! The right to send a request: OAuth 2.1 as the MCP specification profiles it.
//!
//! * [`authorizer`]: a header for a request; [`answer`]: what to do when it was refused. With `held`,
//!   the record in memory; `refresh`; [`shared`], one sign-in for everybody who waits for it.
//! * `grant`: tokens that need nobody: client credentials, workload identity, enterprises.
//!   `grant::company`: a person who signs in at the identity provider of their company; [`openid`]: what
//!   its id token says (pure).
//! * `credential`: what a request is sent with; [`dpop`]: proofs that whoever sends a token has its
//!   key (pure), which `prover` makes.
//! * `sign_in`: the sign-in with the browser, and who leads it; `flow`: one authorization code flow.
//! * [`challenge`]: `WWW-Authenticate` (pure). [`metadata`]: discovery documents (pure).
//! * [`discovery`]: from a challenge to an authorization server.
//! * [`client`]: who we are at an authorization server; [`registration`]: becoming known to it;
//!   `identity`: both, with what is stored; `given`: where what a person gives belongs.
//! * [`scope`], [`parameters`]: what is asked for (pure).
//! * [`authorization_request`], [`authorization_response`]: to the browser and back (pure).
//! * [`pasted`]: what a person brings in the browser's place (pure); [`person`]: they;
//!   `awaited`: whichever of them is first.
//! * `device`: the sign-in with a code on another device; `device_endpoint`: its requests, with
//!   [`device_answer`] and [`polling`] (pure).
//! * [`callback`]: the loopback listener; [`page`]: what the browser shows; [`browser`]: opening it.
//! * [`token`]: the token endpoint: exchange, refresh, revocation; [`token_answer`]: what
//!   real ones answer (pure); `token_endpoint`: one endpoint, as the oauth2 crate speaks to it.
//! * [`jws`]: signing tokens of our own.
//! * [`logout`]: revoking and deleting. `import`: taking over the sign-in of another bridge.
//! * [`survey`]: everything that discovery sees, for people.
//! * [`web`]: requests of this module, within its rules.
//! * [`settings`]: what a person can set. [`error`]: why there is no right to send a request.
//!
//! Knows the network and the credential store, and nothing of the bridge.

pub mod answer;
pub mod authorization_request;
pub mod authorization_response;
pub mod authorizer;
mod awaited;
pub mod browser;
pub mod callback;
pub mod challenge;
pub mod client;
mod credential;
mod device;
pub mod device_answer;
mod device_endpoint;
pub mod discovery;
pub mod dpop;
pub mod error;
mod flow;
mod given;
mod grant;
mod held;
mod identity;
mod import;
pub mod jws;
pub mod logout;
pub mod metadata;
pub mod openid;
pub mod page;
pub mod parameters;
pub mod pasted;
pub mod person;
pub mod polling;
mod prover;
mod refresh;
pub mod registration;
pub mod scope;
pub mod settings;
pub mod shared;
mod sign_in;
pub mod survey;
pub mod token;
pub mod token_answer;
mod token_endpoint;
pub mod web;

pub use answer::{Asking, Progress, Refused};
pub use authorizer::Authorizer;
pub use credential::Credential;
pub use error::AuthError;
pub use grant::is_identity_provider;
pub use settings::Settings;
pub use shared::Login;

use crate::store::{ClientKey, ClientRecord};

/// The key that a registration is stored under.
fn client_key(client: &ClientRecord, profile: &str) -> ClientKey {
    ClientKey::new(&client.issuer, &client.redirect_uri, profile)
}
