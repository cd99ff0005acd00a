//! How requests get to an endpoint of an authorization server, and what comes back: the oauth2 crate
//! writes and reads them, [`Web`] carries them, [`token_answer`] makes what real servers send into
//! what the crate expects.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ErrorResponse, HttpRequest, HttpResponse, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use super::token::{TokenError, Tokens};
use super::token_answer::{self, Unreadable};
use super::web::{Answer, Web};
use crate::error::Failure;
use crate::limits::{MAX_EXCERPT, MAX_LOGGED_TEXT};
use crate::secret::{Redactor, Secret};
use crate::store::{ClientAuth, ClientRecord};

const FORM: &str = "application/x-www-form-urlencoded";

/// The type of a token that goes into `Authorization: Bearer`, by any of its names; Slack calls it
/// after its owner.
const BEARER: [&str; 3] = ["bearer", "user", "bot"];

pub(super) type OAuthClient = oauth2::Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// One endpoint of an authorization server.
pub(super) struct Endpoint<'a> {
    web: &'a Web,
    /// Where it is.
    pub url: Url,
}

/// What the oauth2 crate sends its requests through.
pub(super) struct Door<'a>(pub &'a Endpoint<'a>, pub Purpose);

#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Tokens,
    Revocation,
}

impl<'c> AsyncHttpClient<'c> for Door<'_> {
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, SendError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.0.send(request, self.1))
    }
}

/// Why there is no answer to be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("{0}")]
    Failure(Failure),
    #[error("{code}")]
    Refused { code: String, description: String },
    #[error("{0}")]
    Unreadable(String),
}

impl<'a> Endpoint<'a> {
    /// At `url`, for `client`.
    pub fn new(web: &'a Web, client: &ClientRecord, url: &str) -> Result<Endpoint<'a>, TokenError> {
        if let Some(secret) = &client.client_secret {
            learn(web.redactor(), secret);
        }
        let url = web.check(url).map_err(|failure| TokenError::Invalid {
            host: web.redactor().clean(&client.issuer, MAX_EXCERPT),
            reason: failure.message,
        })?;
        Ok(Endpoint { web, url })
    }

    /// Makes sure that a secret which is about to be sent is recognised if it comes back.
    pub fn learn(&self, secret: &Secret) {
        learn(self.web.redactor(), secret);
    }

    pub fn client(&self, client: &ClientRecord) -> Result<OAuthClient, TokenError> {
        let url =
            TokenUrl::new(self.url.to_string()).map_err(|error| self.invalid(error.to_string()))?;
        let mut oauth =
            oauth2::Client::new(ClientId::new(client.client_id.clone())).set_token_uri(url);
        // Without a secret the crate sends the id alone in either way.
        oauth = oauth.set_auth_type(match client.auth {
            ClientAuth::ClientSecretBasic => AuthType::BasicAuth,
            ClientAuth::ClientSecretPost | ClientAuth::None => AuthType::RequestBody,
        });
        if let (Some(secret), true) = (&client.client_secret, client.auth != ClientAuth::None) {
            oauth = oauth.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        Ok(oauth)
    }

    async fn send(
        &self,
        request: HttpRequest,
        purpose: Purpose,
    ) -> Result<HttpResponse, SendError> {
        let answer = self.post(request).await?;
        if matches!(purpose, Purpose::Revocation) && answer.status.is_success() {
            // What else it says means nothing (RFC 7009, section 2.2).
            return Ok(HttpResponse::new(b"{}".to_vec()));
        }
        let form = answer.content_type() == FORM;
        match token_answer::normalise(answer.status.as_u16(), form, &answer.body) {
            Ok((status, body)) => {
                let mut response = HttpResponse::new(body);
                *response.status_mut() = status;
                Ok(response)
            }
            // There may be a token in it, which nobody would recognise: it is not quoted.
            Err(Unreadable) if answer.status.is_success() => {
                let kind = self.web.redactor().clean(&answer.content_type(), MAX_EXCERPT);
                let kind = if kind.is_empty() { "an unnamed type".into() } else { kind };
                Err(SendError::Unreadable(format!(
                    "its answer is neither JSON nor a form, but {kind}"
                )))
            }
            Err(Unreadable) => Err(SendError::Refused {
                code: format!("HTTP {}", answer.status.as_u16()),
                description: excerpt(&answer.body, self.web.redactor()),
            }),
        }
    }

    async fn post(&self, request: HttpRequest) -> Result<Answer, SendError> {
        let (parts, body) = request.into_parts();
        let mut headers = HeaderMap::new();
        for name in [header::AUTHORIZATION, header::ACCEPT] {
            if let Some(value) = parts.headers.get(&name) {
                let mut value = value.clone();
                if name == header::AUTHORIZATION {
                    value.set_sensitive(true);
                    let text = value.to_str().unwrap_or_default();
                    let credential = text.split_once(' ').map_or(text, |(_, rest)| rest);
                    self.web.redactor().learn(Secret::new(credential.to_owned()));
                }
                headers.insert(name, value);
            }
        }
        let answer = self.web.post(&self.url, FORM, headers, Bytes::from(body)).await;
        let answer = answer.map_err(SendError::Failure)?;
        if answer.is_transient() || token_answer::is_transient(&answer.body) {
            let failure = answer.failure(&self.url, self.web.redactor());
            return Err(SendError::Failure(failure));
        }
        Ok(answer)
    }

    /// What an answer has granted.
    pub fn tokens<T: ErrorResponse>(
        &self,
        answer: Result<Granted, RequestTokenError<SendError, T>>,
    ) -> Result<Tokens, TokenError> {
        let granted = answer.map_err(|error| self.error(error))?;
        let secret = |text: &String| {
            let secret = Secret::new(text.clone());
            self.learn(&secret);
            secret
        };
        let tokens = Tokens {
            access_token: secret(granted.access_token.secret()),
            refresh_token: granted.refresh_token.as_ref().map(|token| secret(token.secret())),
            id_token: granted.id_token.as_ref().map(secret),
            expires_in: granted.expires_in,
            scope: granted.scope,
        };
        let kind = granted.token_type.as_ref();
        if !BEARER.contains(&kind) {
            let shown = self.web.redactor().clean(kind, MAX_EXCERPT);
            return Err(self.invalid(format!("the token type {shown} is not Bearer")));
        }
        // RFC 6749, appendix A.12, without the space that a header value cannot carry safely.
        if !tokens.access_token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.invalid("the access token cannot be sent in a header".into()));
        }
        Ok(tokens)
    }

    pub fn error<T: ErrorResponse>(&self, error: RequestTokenError<SendError, T>) -> TokenError {
        let host = self.host();
        match error {
            RequestTokenError::Request(SendError::Failure(failure)) if failure.is_lasting() => {
                self.invalid(failure.message)
            }
            RequestTokenError::Request(SendError::Failure(failure)) => {
                TokenError::Transient(failure)
            }
            RequestTokenError::Request(SendError::Refused { code, description }) => {
                TokenError::Refused { host, code, description }
            }
            RequestTokenError::Request(SendError::Unreadable(reason)) => self.invalid(reason),
            RequestTokenError::ServerResponse(response) => {
                let text = serde_json::to_value(&response).unwrap_or_default();
                let said = |name: &str, limit| {
                    self.web.redactor().clean(text[name].as_str().unwrap_or_default(), limit)
                };
                TokenError::Refused {
                    host,
                    code: said("error", MAX_EXCERPT),
                    description: said("error_description", MAX_LOGGED_TEXT),
                }
            }
            // It is the only member that has to be there.
            RequestTokenError::Parse(..) => {
                self.invalid("there is no access token in its answer".into())
            }
            RequestTokenError::Other(text) => {
                self.invalid(self.web.redactor().clean(&text, MAX_EXCERPT))
            }
        }
    }

    pub fn invalid(&self, reason: String) -> TokenError {
        TokenError::Invalid { host: self.host(), reason }
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or("the authorization server").to_owned()
    }
}

/// A server that quotes the request may quote it as it was sent, which is form-encoded.
fn learn(redactor: &Redactor, secret: &Secret) {
    let encoded: String = form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
    if encoded != secret.expose() {
        redactor.learn(Secret::new(encoded));
    }
    redactor.learn(secret.clone());
}

/// The beginning of a text; a page is not worth quoting.
pub(super) fn excerpt(body: &[u8], redactor: &Redactor) -> String {
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with('<') {
        return String::new();
    }
    redactor.clean(&text, MAX_EXCERPT)
}

/// A token response as [`token_answer::normalise`] writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Granted {
    access_token: AccessToken,
    token_type: BasicTokenType,
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    id_token: Option<String>,
    scope: Option<String>,
}

impl TokenResponse for Granted {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}
