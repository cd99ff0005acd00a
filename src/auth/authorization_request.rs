//! The URL that the browser is sent to (OAuth 2.1, section 4.1.1; RFC 7636; RFC 8707).

use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope, basic::BasicClient,
};
use url::Url;

use super::client::host;
use super::metadata::ServerMetadata;
use super::parameters;
use crate::secret::Secret;

/// Bytes of randomness in `state`.
const STATE_BYTES: u32 = 32;

/// What an authorization request says.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The authorization endpoint. What its query has of its own is kept.
    pub endpoint: &'a Url,
    /// `client_id`.
    pub client_id: &'a str,
    /// `redirect_uri`, byte for byte.
    pub redirect_uri: &'a str,
    /// `scope`, as it is to be sent.
    pub scope: Option<&'a str>,
    /// `resource`, as it is to be sent.
    pub resource: Option<&'a str>,
    /// The thumbprint of the key that the code is to be bound to (RFC 9449, section 10).
    pub dpop_jkt: Option<&'a str>,
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
    let mut bare = request.endpoint.clone();
    bare.set_query(None);
    // RFC 6749, section 3.1, allows none.
    bare.set_fragment(None);
    let client = BasicClient::new(ClientId::new(request.client_id.to_owned()))
        .set_auth_uri(AuthUrl::from_url(bare))
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
    if let Some(jkt) = request.dpop_jkt {
        made = made.add_extra_param("dpop_jkt", jkt);
    }
    for (name, value) in request.params {
        made = made.add_extra_param(name, value);
    }
    if parameters::needs_consent(request.endpoint, request.scope, request.params) {
        made = made.add_extra_param("prompt", "consent");
    }
    let (mut url, state) = made.url();
    // No parameter may be there twice (RFC 6749, section 3.1).
    let sent: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    for (name, value) in request.endpoint.query_pairs() {
        if !sent.iter().any(|sent| *sent == name) {
            url.query_pairs_mut().append_pair(&name, &value);
        }
    }
    Ok(Prepared {
        url,
        state: Secret::new(state.into_secret()),
        verifier: Secret::new(verifier.into_secret()),
    })
}

/// Why PKCE cannot be relied on (2026-07-28, basic/authorization/security-considerations,
/// "Authorization Code Protection").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// It says which methods it knows, and S256 is not among them.
    #[error("{host} does not support PKCE with S256, without which a sign-in is not safe")]
    Unsupported {
        /// The authorization server.
        host: String,
    },
    /// It does not say.
    #[error(
        "{host} does not say that it supports PKCE (code_challenge_methods_supported); if you know that it does, use --allow-missing-pkce-metadata"
    )]
    Unknown {
        /// The authorization server.
        host: String,
    },
}

/// Whether the authorization server supports PKCE with S256.
///
/// # Errors
/// If it does not, or does not say so and that is not allowed.
pub fn check_pkce(metadata: &ServerMetadata, allow_missing: bool) -> Result<(), PkceError> {
    match &metadata.code_challenge_methods_supported {
        Some(methods) if methods.iter().any(|method| method == "S256") => Ok(()),
        Some(_) => Err(PkceError::Unsupported { host: host(metadata) }),
        None if allow_missing => Ok(()),
        None => Err(PkceError::Unknown { host: host(metadata) }),
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
            dpop_jkt: Some("fake-thumbprint"),
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
            ("dpop_jkt", "fake-thumbprint"),
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

    fn pairs(
        endpoint: &str,
        scope: Option<&str>,
        params: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let params: Vec<(String, String)> =
            params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let request = AuthorizationRequest {
            endpoint: &Url::parse(endpoint).unwrap(),
            client_id: "fake-client",
            redirect_uri: "http://127.0.0.1:20123/callback",
            scope,
            resource: None,
            dpop_jkt: None,
            params: &params,
        };
        let url = prepare(&request).unwrap().url;
        assert_eq!(url.fragment(), None);
        url.query_pairs().into_owned().collect()
    }

    fn values<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn no_parameter_is_there_twice() {
        let endpoint = "https://as.example/a?client_id=other&p=%2F+1&audience=x&scope=y#f";
        let pairs = pairs(endpoint, Some("a"), &[("audience", "mine")]);
        assert_eq!(values(&pairs, "client_id"), ["fake-client"]);
        assert_eq!(values(&pairs, "audience"), ["mine"]);
        assert_eq!(values(&pairs, "scope"), ["a"]);
        assert_eq!(values(&pairs, "p"), ["/ 1"]);
    }

    #[test]
    fn offline_access_needs_consent() {
        let asked = |endpoint: &str, scope, params: &[(&str, &str)]| {
            values(&pairs(endpoint, scope, params), "prompt").join(",")
        };
        let oidc = "https://as.example/a";
        assert_eq!(asked(oidc, Some("a offline_access"), &[]), "consent");
        assert_eq!(asked(oidc, Some("a offline_access"), &[("prompt", "login")]), "login");
        assert_eq!(asked(oidc, Some("a offline_access2"), &[]), "");
        assert_eq!(asked(oidc, None, &[]), "");
        let entra = "https://login.microsoftonline.com/common/oauth2/v2.0/authorize";
        assert_eq!(asked(entra, Some("a offline_access"), &[]), "");
    }

    #[test]
    fn pkce_has_to_be_supported() {
        let with = |methods: Option<&[&str]>| ServerMetadata {
            code_challenge_methods_supported: methods
                .map(|m| m.iter().map(ToString::to_string).collect()),
            issuer: "https://as.example/tenant".into(),
            ..ServerMetadata::default()
        };
        let host = || "as.example".to_owned();
        let unsupported = || Err(PkceError::Unsupported { host: host() });
        assert_eq!(check_pkce(&with(Some(&["plain", "S256"])), false), Ok(()));
        assert_eq!(check_pkce(&with(Some(&["plain"])), true), unsupported());
        assert_eq!(check_pkce(&with(Some(&[])), true), unsupported());
        assert_eq!(check_pkce(&with(None), false), Err(PkceError::Unknown { host: host() }));
        assert!(
            PkceError::Unknown { host: host() }
                .to_string()
                .contains("--allow-missing-pkce-metadata")
        );
        assert_eq!(check_pkce(&with(None), true), Ok(()));
    }
}
