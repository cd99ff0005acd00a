//! Becoming known to an authorization server: dynamic client registration (RFC 7591).

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::client::{DEVICE_CODE, authentication, host, preferred_method};
use super::metadata::ServerMetadata;
use super::token_endpoint::excerpt;
use super::web::{Answer, Web};
use crate::error::Failure;
use crate::json;
use crate::limits::MAX_LOGGED_TEXT;
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{ClientAuth, ClientRecord};

/// Why there is no registration.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistrationError {
    /// It may succeed later.
    #[error("{0}")]
    Transient(Failure),
    /// It was refused.
    #[error(
        "client registration refused (HTTP {status}{said}) by {host}; use --client-id with one that is approved there for {redirect_uri}"
    )]
    Refused {
        /// The authorization server.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What it said, with a colon before it.
        said: String,
        /// What to register.
        redirect_uri: String,
    },
    /// Its URL cannot be used.
    #[error("{host} cannot register clients: {reason}; use --client-id with one registered there")]
    Unusable {
        /// The authorization server.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// What it answered is no registration.
    #[error(
        "{host} answered the client registration with {what}; use --client-id with a client that is registered there"
    )]
    Invalid {
        /// The authorization server.
        host: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// What is registered.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The one redirect URI, or [`DEVICE_CODE`] for sign-ins with a code and nothing else.
    pub redirect_uri: &'a str,
    /// `client_name`.
    pub name: &'a str,
    /// `scope`.
    pub scope: Option<&'a str>,
    /// `dpop_bound_access_tokens` (RFC 9449, section 5.2).
    pub bound: bool,
    /// What the person says, which goes before all of it.
    pub members: &'a Map<String, Value>,
}

/// Registers a native application.
///
/// # Errors
/// See [`RegistrationError`].
pub async fn register(
    web: &Web,
    metadata: &ServerMetadata,
    wanted: &Wanted<'_>,
) -> Result<ClientRecord, RegistrationError> {
    let Wanted { redirect_uri, name, scope, bound, members } = *wanted;
    let host = host(metadata);
    let invalid = |what| RegistrationError::Invalid { host: host.clone(), what };
    let endpoint = metadata.registration_endpoint.as_deref().unwrap_or_default();
    let endpoint = web.check(endpoint).map_err(|failure| RegistrationError::Unusable {
        host: host.clone(),
        reason: failure.message,
    })?;
    let method = preferred_method(metadata);
    let mut request = json!({
        "client_name": name,
        "redirect_uris": [redirect_uri],
        "application_type": application_type(redirect_uri),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        METHOD: method,
    });
    if bound {
        request[BOUND] = true.into();
    }
    let by_code = redirect_uri == DEVICE_CODE;
    if by_code {
        request["grant_types"] = json!([DEVICE_CODE, "refresh_token"]);
        (request["redirect_uris"], request["response_types"]) = (json!([]), json!([]));
    }
    let scope = scope.and_then(|scope| registrable(scope, metadata));
    if let Some(scope) = &scope {
        request["scope"] = scope.as_str().into();
    }
    if let Some(request) = request.as_object_mut() {
        request.extend(members.clone());
    }
    let has_scope = request.get("scope").is_some();
    let send = async |request: &Value| {
        let body = Bytes::from(request.to_string());
        let answer = web.post(&endpoint, "application/json", HeaderMap::new(), body).await;
        answer.map_err(|failure| match failure.is_lasting() {
            true => RegistrationError::Unusable { host: host.clone(), reason: failure.message },
            false => RegistrationError::Transient(failure),
        })
    };
    let mut answer = send(&request).await?;
    if answer.status == StatusCode::BAD_REQUEST && (has_scope || by_code || bound) {
        // Scopes of a resource need not be the server's own, and without any it may give all. A
        // client gets bound tokens by its proofs, whatever it is registered for.
        if let Some(members) = request.as_object_mut() {
            members.remove("scope");
            members.remove(BOUND);
        }
        if by_code {
            // Some want the members that are of no use here.
            request["grant_types"] = json!([DEVICE_CODE, "authorization_code", "refresh_token"]);
            request["redirect_uris"] = json!([UNUSED_REDIRECT_URI]);
            request["response_types"] = json!(["code"]);
        }
        answer = send(&request).await?;
    }
    if answer.is_transient() {
        let failure = answer.failure(&endpoint, web.redactor());
        return Err(RegistrationError::Transient(failure));
    }
    if !answer.status.is_success() {
        return Err(RegistrationError::Refused {
            host,
            status: answer.status.as_u16(),
            said: said(&answer, web),
            redirect_uri: redirect_uri.to_owned(),
        });
    }
    let answered: Map<String, Value> =
        serde_json::from_slice(&answer.body).map_err(|_| invalid("something that is no JSON"))?;
    let text = |name: &str| answered.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let client_id = match answered.get("client_id") {
        Some(Value::Number(id)) => id.to_string(),
        _ => text("client_id").ok_or_else(|| invalid("no client_id"))?.to_owned(),
    };
    let client_secret = text("client_secret").map(|secret| Secret::new(secret.to_owned()));
    if let Some(secret) = &client_secret {
        web.redactor().learn(secret.clone());
    }
    // What the server says counts. Where it says nothing, it did not make a secret for nothing.
    let auth = match (text(METHOD), &client_secret) {
        (_, None) | (Some("none"), _) => ClientAuth::None,
        (Some("client_secret_post"), _) => ClientAuth::ClientSecretPost,
        (Some("client_secret_basic"), _) => ClientAuth::ClientSecretBasic,
        _ => match members.get(METHOD).and_then(Value::as_str) {
            Some("client_secret_post") => ClientAuth::ClientSecretPost,
            Some("client_secret_basic") => ClientAuth::ClientSecretBasic,
            _ => authentication(metadata, true),
        },
    };
    let client_secret = client_secret.filter(|_| auth != ClientAuth::None);
    let expires_at = answered.get("client_secret_expires_at").and_then(seconds);
    Ok(ClientRecord {
        version: VERSION,
        issuer: metadata.issuer.clone(),
        client_id,
        secret_expires_at: expires_at.filter(|at| *at != 0 && client_secret.is_some()),
        client_secret,
        auth,
        redirect_uri: redirect_uri.to_owned(),
        registered: true,
        other: Map::new(),
    })
}

const BOUND: &str = "dpop_bound_access_tokens";
const METHOD: &str = "token_endpoint_auth_method";

/// Registered where a redirect URI is demanded that is never used.
const UNUSED_REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// OpenID Connect Dynamic Client Registration 1.0, section 2: native clients are called back on
/// loopback, web clients by https.
fn application_type(redirect_uri: &str) -> &'static str {
    if redirect_uri.starts_with("https:") { "web" } else { "native" }
}

/// Unix seconds, as a number or a string.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The scopes to register for: those that the authorization server lists, if it lists any. Some
/// refuse a client that names others, such as those of a resource.
fn registrable(scope: &str, metadata: &ServerMetadata) -> Option<String> {
    let Some(listed) = &metadata.scopes_supported else { return Some(scope.to_owned()) };
    let known = scope.split_ascii_whitespace().filter(|name| listed.iter().any(|l| l == name));
    let known: Vec<&str> = known.collect();
    (!known.is_empty()).then(|| known.join(" "))
}

/// What a refusal says: a JSON error, or the beginning of a text.
fn said(answer: &Answer, web: &Web) -> String {
    let text = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) => {
            let names = ["error", "error_description", "message"];
            let all: Vec<&str> = names.iter().filter_map(|name| value[name].as_str()).collect();
            web.redactor().clean(&all.join(", "), MAX_LOGGED_TEXT)
        }
        Err(_) => excerpt(&answer.body, web.redactor()),
    };
    if text.is_empty() { text } else { format!(": {text}") }
}

#[cfg(test)]
mod tests;
