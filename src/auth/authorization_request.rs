//! The URL that the browser is sent to (OAuth 2.1, section 4.1.1; RFC 7636; RFC 8707).

use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope, basic::BasicClient,
};
use url::Url;

use super::metadata::ServerMetadata;
use crate::secret::Secret;

/// Bytes of randomness in `state`.
const STATE_BYTES: u32 = 32;

/// What an authorization request says.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The authorization endpoint. A query that it has is kept.
    pub endpoint: &'a Url,
    /// `client_id`.
    pub client_id: &'a str,
    /// `redirect_uri`, byte for byte.
    pub redirect_uri: &'a str,
    /// `scope`, as it is to be sent.
    pub scope: Option<&'a str>,
    /// `resource`, as it is to be sent.
    pub resource: Option<&'a str>,
    /// Further parameters.
    pub params: &'a [(String, String)],
}

/// An authorization request, and what is needed to make sense of the answer.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Where to send the browser.
    pub url: Url,
    /// `state`: 256 bits.
    pub state: Secret,
    /// The PKCE code verifier.
    pub verifier: Secret,
}

/// Makes a request with a `state` and a PKCE S256 challenge of its own.
///
/// # Errors
/// If the redirect URI is no URL.
pub fn prepare(request: &AuthorizationRequest<'_>) -> Result<Prepared, url::ParseError> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let client = BasicClient::new(ClientId::new(request.client_id.to_owned()))
        .set_auth_uri(AuthUrl::from_url(request.endpoint.clone()))
        .set_redirect_uri(RedirectUrl::new(request.redirect_uri.to_owned())?);
    let mut made = client
        .authorize_url(|| CsrfToken::new_random_len(STATE_BYTES))
        .set_pkce_challenge(challenge);
    if let Some(scope) = request.scope {
        made = made.add_scope(Scope::new(scope.to_owned()));
    }
    if let Some(resource) = request.resource {
        made = made.add_extra_param("resource", resource);
    }
    for (name, value) in request.params {
        made = made.add_extra_param(name, value);
    }
    let (url, state) = made.url();
    Ok(Prepared {
        url,
        state: Secret::new(state.secret().clone()),
        verifier: Secret::new(verifier.secret().clone()),
    })
}

/// Why PKCE cannot be relied on (2026-07-28, basic/authorization/security-considerations,
/// "Authorization Code Protection").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// It says which methods it knows, and S256 is not among them.
    #[error(
        "the authorization server does not support PKCE with S256, without which a sign-in is not safe"
    )]
    Unsupported,
    /// It does not say.
    #[error(
        "the authorization server does not say that it supports PKCE (code_challenge_methods_supported); if you trust it, use --allow-missing-pkce-metadata"
    )]
    Unknown,
}

/// Whether the authorization server supports PKCE with S256.
///
/// # Errors
/// If it does not, or does not say so and that is not allowed.
pub fn check_pkce(metadata: &ServerMetadata, allow_missing: bool) -> Result<(), PkceError> {
    match &metadata.code_challenge_methods_supported {
        Some(methods) if methods.iter().any(|method| method == "S256") => Ok(()),
        Some(_) => Err(PkceError::Unsupported),
        None if allow_missing => Ok(()),
        None => Err(PkceError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_url_says_what_was_asked_for() {
        let endpoint = Url::parse("https://as.example/authorize?tenant=1").unwrap();
        let params = [("audience".to_owned(), "a&b".to_owned())];
        let request = AuthorizationRequest {
            endpoint: &endpoint,
            client_id: "fake client",
            redirect_uri: "http://127.0.0.1:20123/callback",
            scope: Some("a  b"),
            resource: Some("https://h.example:1"),
            params: &params,
        };
        let (first, second) = (prepare(&request).unwrap(), prepare(&request).unwrap());
        let query: HashMap<String, String> = first.url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("tenant", "1"),
            ("response_type", "code"),
            ("client_id", "fake client"),
            ("redirect_uri", "http://127.0.0.1:20123/callback"),
            ("scope", "a  b"),
            ("resource", "https://h.example:1"),
            ("audience", "a&b"),
            ("code_challenge_method", "S256"),
            ("state", first.state.expose()),
        ] {
            assert_eq!(query[name], value);
        }
        // 32 bytes in base64url.
        assert_eq!(first.state.expose().len(), 43);
        assert!(first.verifier.expose().len() >= 43);
        assert_ne!(first.state, second.state);
        assert_ne!(first.verifier, second.verifier);
        assert!(!first.url.as_str().contains(first.verifier.expose()));
    }

    #[test]
    fn pkce_has_to_be_supported() {
        let with = |methods: Option<&[&str]>| ServerMetadata {
            code_challenge_methods_supported: methods
                .map(|m| m.iter().map(ToString::to_string).collect()),
            ..ServerMetadata::default()
        };
        assert_eq!(check_pkce(&with(Some(&["plain", "S256"])), false), Ok(()));
        assert_eq!(check_pkce(&with(Some(&["plain"])), true), Err(PkceError::Unsupported));
        assert_eq!(check_pkce(&with(Some(&[])), true), Err(PkceError::Unsupported));
        assert_eq!(check_pkce(&with(None), false), Err(PkceError::Unknown));
        assert_eq!(check_pkce(&with(None), true), Ok(()));
    }
}
