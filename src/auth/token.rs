//! The token endpoint: exchanging a code, refreshing, and revoking (RFC 6749, sections 4.1.3 and 6;
//! RFC 7009). `token_endpoint` carries the requests.

use std::borrow::Cow;
use std::time::Duration;

use oauth2::{
    AccessToken, AuthorizationCode, PkceCodeVerifier, RedirectUrl, RefreshToken, RevocationUrl,
    Scope, StandardRevocableToken,
};

use tokio::time::sleep;

use super::dpop;
use super::token_answer;
pub use super::token_endpoint::Proof;
use super::token_endpoint::{Door, Endpoint, Purpose};
use super::web::Web;
use crate::error::Failure;
use crate::limits::{BACKOFF_FIRST, REFRESH_ATTEMPTS, RETRY_AFTER_MAX};
use crate::secret::Secret;
use crate::store::ClientRecord;

/// What a token endpoint has granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, where there is a new one.
    pub refresh_token: Option<Secret>,
    /// The id token.
    pub id_token: Option<Secret>,
    /// How long the access token lives, in seconds.
    pub expires_in: Option<u64>,
    /// The scope, where it is not what was asked for.
    pub scope: Option<String>,
    /// Whether the access token is bound to the key of the proof (`token_type` DPoP).
    pub bound: bool,
}

/// Why a token endpoint granted nothing. The texts hold no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// It may do so later: no connection, 429, 5xx, `temporarily_unavailable`.
    #[error("{0}")]
    Transient(Failure),
    /// It refused (RFC 6749, section 5.2).
    #[error("{host} refused: {code}{}", described(.description))]
    Refused {
        /// Which authorization server.
        host: String,
        /// `error`.
        code: String,
        /// `error_description`, or what else it said.
        description: String,
    },
    /// The proof was refused because of the time.
    #[error("{host} refuses the proof of this machine's key (DPoP): {trouble}")]
    Clock {
        /// Which authorization server.
        host: String,
        /// What is wrong with the clock, and the next step.
        trouble: String,
    },
    /// Its URL cannot be used, or what it answered is no token response.
    #[error("{host} cannot be used: {reason}; its operator has to look at it")]
    Invalid {
        /// Which authorization server.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

fn described(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" (\u{201c}{text}\u{201d})") }
}

/// `invalid_grant`, and what GitHub and Slack say in its place.
const GRANT_ERRORS: &[&str] = &[
    "invalid_grant",
    "bad_refresh_token",
    "bad_verification_code",
    "invalid_code",
    "invalid_refresh_token",
];

/// `invalid_client`, and what GitHub and Slack say in its place.
const CLIENT_ERRORS: &[&str] = &[
    "invalid_client",
    "unauthorized_client",
    "incorrect_client_credentials",
    "invalid_client_id",
    "bad_client_secret",
];

impl TokenError {
    /// The grant itself is dead: a code that was used, a refresh token that was revoked.
    pub fn is_invalid_grant(&self) -> bool {
        self.is(GRANT_ERRORS)
    }

    /// The authorization server does not know the client, or no longer.
    pub fn is_invalid_client(&self) -> bool {
        self.is(CLIENT_ERRORS)
    }

    /// It is the `resource` parameter that is not liked (RFC 8707, section 2, and Entra).
    pub fn rejects_resource(&self) -> bool {
        matches!(self, TokenError::Refused { code, description, .. }
            if token_answer::rejects_resource(code, description))
    }

    /// The proof of a key lacks the nonce that is wanted now (RFC 9449, section 8).
    pub fn wants_nonce(&self) -> bool {
        self.is(&[dpop::USE_NONCE])
    }

    fn is(&self, codes: &[&str]) -> bool {
        matches!(self, TokenError::Refused { code, .. } if codes.contains(&code.as_str()))
    }
}

/// Attempts at a request that fails for passing reasons: [`REFRESH_ATTEMPTS`], with pauses between
/// them, or those that the server asks for, up to [`RETRY_AFTER_MAX`].
#[derive(Debug)]
pub struct Patience {
    attempts: u32,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { attempts: 1, pause: BACKOFF_FIRST / 2 }
    }
}

impl Patience {
    /// Whether the request should be sent again after this outcome; waits first, if so.
    pub async fn again(&mut self, outcome: &Result<Tokens, TokenError>) -> bool {
        let Err(TokenError::Transient(failure)) = outcome else { return false };
        let wait = failure.retry_after.unwrap_or(self.pause);
        if self.attempts >= REFRESH_ATTEMPTS || wait > RETRY_AFTER_MAX {
            return false;
        }
        log::debug!("trying again: {failure}");
        sleep(wait).await;
        self.attempts += 1;
        self.pause *= 2;
        true
    }
}

/// The parameters of a code exchange beside the code.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The PKCE verifier.
    pub verifier: &'a Secret,
    /// The redirect URI of the authorization request.
    pub redirect_uri: &'a str,
    /// `resource` (RFC 8707).
    pub resource: Option<&'a str>,
    /// What the person adds.
    pub params: &'a [(String, String)],
    /// What the tokens are bound to.
    pub proof: Option<Proof<'a>>,
}

/// The parameters of a refresh beside the refresh token, which are those of the exchange.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// `scope`.
    pub scope: Option<&'a str>,
    /// `resource` (RFC 8707).
    pub resource: Option<&'a str>,
    /// What the person adds.
    pub params: &'a [(String, String)],
    /// What the tokens are bound to.
    pub proof: Option<Proof<'a>>,
}

/// Exchanges a code for tokens.
///
/// # Errors
/// See [`TokenError`].
pub async fn exchange(
    web: &Web,
    client: &ClientRecord,
    token_endpoint: &str,
    code: &Secret,
    with: Exchange<'_>,
) -> Result<Tokens, TokenError> {
    let endpoint = Endpoint::new(web, client, token_endpoint)?.proving(with.proof);
    endpoint.learn(code);
    endpoint.learn(with.verifier);
    let redirect_uri = RedirectUrl::new(with.redirect_uri.to_owned())
        .map_err(|error| endpoint.invalid(format!("redirect URI: {error}")))?;
    let oauth = endpoint.client(client)?;
    let mut request = oauth
        .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(with.verifier.expose().to_owned()))
        .set_redirect_uri(Cow::Owned(redirect_uri));
    for (name, value) in extra(with.resource, with.params) {
        request = request.add_extra_param(name, value);
    }
    let answer = request.request_async(&Door(&endpoint, Purpose::Tokens)).await;
    endpoint.tokens(answer)
}

/// Refreshes, authenticating as in the exchange.
///
/// # Errors
/// See [`TokenError`].
pub async fn refresh(
    web: &Web,
    client: &ClientRecord,
    token_endpoint: &str,
    refresh_token: &Secret,
    with: Again<'_>,
) -> Result<Tokens, TokenError> {
    let endpoint = Endpoint::new(web, client, token_endpoint)?.proving(with.proof);
    endpoint.learn(refresh_token);
    let token = RefreshToken::new(refresh_token.expose().to_owned());
    let oauth = endpoint.client(client)?;
    let mut request = oauth.exchange_refresh_token(&token);
    // As one: joined anew it might not be what was asked for, byte for byte.
    if let Some(scope) = with.scope.filter(|scope| !scope.is_empty()) {
        request = request.add_scope(Scope::new(scope.to_owned()));
    }
    for (name, value) in extra(with.resource, with.params) {
        request = request.add_extra_param(name, value);
    }
    let answer = request.request_async(&Door(&endpoint, Purpose::Tokens)).await;
    endpoint.tokens(answer)
}

/// Revokes a token. `hint` is `access_token` or `refresh_token`.
///
/// # Errors
/// See [`TokenError`].
pub async fn revoke(
    web: &Web,
    client: &ClientRecord,
    revocation_endpoint: &str,
    token: &Secret,
    hint: &str,
) -> Result<(), TokenError> {
    let endpoint = Endpoint::new(web, client, revocation_endpoint)?;
    endpoint.learn(token);
    // The crate wants https. Where to send it is not its business, and what is http was accepted by
    // `Web::check`, on loopback or on purpose.
    let mut url = endpoint.url.clone();
    let _ = url.set_scheme("https");
    let url = RevocationUrl::from_url(url);
    let oauth = endpoint.client(client)?.set_revocation_url(url);
    let value = token.expose().to_owned();
    let revocable = match hint {
        "refresh_token" => StandardRevocableToken::from(RefreshToken::new(value)),
        _ => StandardRevocableToken::from(AccessToken::new(value)),
    };
    let request =
        oauth.revoke_token(revocable).map_err(|error| endpoint.invalid(error.to_string()))?;
    match request.request_async(&Door(&endpoint, Purpose::Revocation)).await {
        Ok(()) => Ok(()),
        Err(error) => Err(endpoint.error(error)),
    }
}

/// `resource` and what the person adds.
fn extra<'a>(
    resource: Option<&'a str>,
    params: &'a [(String, String)],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let given = params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    resource.map(|resource| ("resource", resource)).into_iter().chain(given)
}

#[cfg(test)]
pub(super) mod tests;
