//! The right to send a request: OAuth 2.1 as the MCP specification profiles it.
//!
//! * [`authorizer`]: a header for a request, and what to do when it was refused. With `held`, the
//!   record in memory; `refresh`; [`shared`], one sign-in for everybody who waits for it.
//! * `sign_in`: the sign-in with the browser; `flow`: one authorization code flow.
//! * [`challenge`]: `WWW-Authenticate` (pure). [`metadata`]: discovery documents (pure).
//! * [`discovery`]: from a challenge to an authorization server.
//! * [`client`]: who we are at an authorization server; [`registration`]: becoming known to it.
//! * [`scope`], [`parameters`]: what is asked for (pure).
//! * [`authorization_request`], [`authorization_response`]: to the browser and back (pure).
//! * [`callback`]: the loopback listener; [`page`]: what the browser shows; [`browser`]: opening it.
//! * [`token`]: the token endpoint: exchange, refresh, revocation; [`token_answer`]: what
//!   real ones answer (pure); `token_endpoint`: one endpoint, as the oauth2 crate speaks to it.
//! * [`logout`]: revoking and deleting.
//! * [`survey`]: everything that discovery sees, for people.
//! * [`web`]: requests of this module, within its rules.
//! * [`settings`]: what a person can set. [`error`]: why there is no right to send a request.
//!
//! Knows the network and the credential store, and nothing of the bridge.

pub mod authorization_request;
pub mod authorization_response;
pub mod authorizer;
pub mod browser;
pub mod callback;
pub mod challenge;
pub mod client;
pub mod discovery;
pub mod error;
mod flow;
mod held;
pub mod logout;
pub mod metadata;
pub mod page;
pub mod parameters;
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

pub use authorizer::{Asking, Authorizer, Credential, Progress, Refused};
pub use error::AuthError;
pub use settings::Settings;
pub use shared::Login;

use crate::store::{ClientKey, ClientRecord};

/// The key that a registration is stored under.
fn client_key(client: &ClientRecord, profile: &str) -> ClientKey {
    ClientKey::new(&client.issuer, &client.redirect_uri, profile)
}
