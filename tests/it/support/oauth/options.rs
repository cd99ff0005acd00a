//! Every way in which real servers differ. The defaults are a server as the specification wants it.

use std::time::Duration;

use serde_json::{Value, json};

use super::proofs::Proofs;
use crate::support::{Reply, Request};

/// Where `resource` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the authorization endpoint.
    Authorize,
    /// At the token endpoint.
    Token,
}

/// The `iss` of authorization responses (RFC 9207).
#[derive(Clone, Debug)]
pub enum Iss {
    /// The issuer.
    Right,
    /// None.
    Missing,
    /// Something else.
    Other(String),
}

/// Which requests need a token.
pub type Guard = fn(&Request) -> bool;

/// How a token response is sent.
pub type Dress = fn(Value) -> Reply;

/// See the module.
pub struct Options {
    // The MCP server.
    /// Which requests need a token.
    pub guards: Guard,
    /// The `WWW-Authenticate` of a 401; `None` makes the usual one.
    pub challenge: Option<Vec<String>>,
    /// Whether the usual one has `resource_metadata`.
    pub hint: bool,
    /// The `scope` of the usual one.
    pub challenge_scope: Option<&'static str>,
    /// Requests of this kind need this scope, else 403 `insufficient_scope`.
    pub needs_scope: Option<(&'static str, &'static str)>,
    /// The path of the protected resource metadata, if there is any.
    pub prm: Option<&'static str>,
    /// Its `resource`, if not the endpoint's URL.
    pub resource: Option<String>,
    /// Its `authorization_servers`, if not the issuer alone.
    pub issuers: Option<Vec<String>>,
    /// Its `scopes_supported`.
    pub resource_scopes: Option<Vec<&'static str>>,

    // The authorization server.
    /// Whether it is at the MCP server's own origin, as in 2025-03-26.
    pub at_mcp: bool,
    /// The path of the issuer.
    pub path: &'static str,
    /// The path of its metadata, if there is any.
    pub metadata_at: Option<&'static str>,
    /// Members of its metadata that differ; `null` removes one.
    pub metadata: Value,
    /// Whether it registers clients.
    pub registers: bool,
    /// Members of the registration response that differ; `null` removes one.
    pub registered: Value,
    /// Clients known without registration, with their secrets.
    pub clients: Vec<(&'static str, Option<&'static str>)>,
    /// Clients that prove who they are with a key on P-256: the point that is its public half.
    pub keys: Vec<(&'static str, Vec<u8>)>,
    /// Whether grants that need nobody are known.
    pub unattended: bool,
    /// Assertions of others that are good.
    pub assertions: Vec<&'static str>,
    /// The only redirect URI that is accepted, if there is just one.
    pub redirect_uri: Option<&'static str>,
    /// Whether it gives out codes for other devices, and how.
    pub device: Option<super::device::Codes>,
    /// `iss`.
    pub iss: Iss,
    /// The person says no: the `error` and `error_description` that come back.
    pub refuses: Option<(&'static str, &'static str)>,
    /// Where `resource` is refused, with what `error` and `error_description`.
    pub refuses_resource: Option<(At, &'static str, &'static str)>,
    /// `expires_in`.
    pub expires_in: Value,
    /// How long a token response takes.
    pub token_delay: Duration,
    /// Whether it gives refresh tokens.
    pub refreshes: bool,
    /// Whether a refresh token is good for one use; a second one revokes the family.
    pub rotates: bool,
    /// Whether a refresh response has a refresh token.
    pub repeats_refresh_token: bool,
    /// Members of token responses that differ; `null` removes one.
    pub tokens: Value,
    /// How token responses are sent.
    pub dress: Dress,
    /// Proofs of possession.
    pub proofs: Proofs,
    /// Whether the access tokens that it gives are accepted by the MCP server.
    pub useful: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            guards: |_| true,
            challenge: None,
            hint: true,
            challenge_scope: None,
            needs_scope: None,
            prm: Some("/.well-known/oauth-protected-resource/mcp"),
            resource: None,
            issuers: None,
            resource_scopes: None,
            at_mcp: false,
            path: "",
            metadata_at: Some("/.well-known/oauth-authorization-server"),
            metadata: json!({}),
            registers: true,
            registered: json!({}),
            clients: Vec::new(),
            keys: Vec::new(),
            unattended: true,
            assertions: Vec::new(),
            redirect_uri: None,
            device: None,
            iss: Iss::Right,
            refuses: None,
            refuses_resource: None,
            expires_in: json!(3600),
            token_delay: Duration::ZERO,
            refreshes: true,
            rotates: true,
            repeats_refresh_token: true,
            tokens: json!({}),
            dress: |body| Reply::json(body.to_string()),
            proofs: Proofs::default(),
            useful: true,
        }
    }
}

/// `base` with the members of `changes`; `null` removes one.
pub fn patched(mut base: Value, changes: &Value) -> Value {
    let members = base.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    base
}
