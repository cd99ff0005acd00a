//! One endpoint of an authorization server, as the oauth2 crate speaks to it.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
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
use url::Url;

use super::token::{TokenError, Tokens};
use super::token_answer::{self, Unreadable};
use super::web::{Answer, Web};
use crate::error::Failure;
use crate::limits::{MAX_EXCERPT, MAX_LOGGED_TEXT};
use crate::secret::Secret;
use crate::store::{ClientAuth, ClientRecord};

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) type OAuthClient<HasRevocation = EndpointNotSet> = oauth2::Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    HasRevocation,
    EndpointSet,
>;

/// One endpoint of an authorization server.
pub(super) struct Endpoint<'a> {
    web: &'a Web,
    pub url: Url,
}

/// What the oauth2 crate sends its requests through.
pub(super) struct Door<'a>(pub &'a Endpoint<'a>, pub Purpose);

/// What an endpoint is spoken to for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Tokens.
    Tokens,
    /// The end of one.
    Revocation,
}

impl<'c> AsyncHttpClient<'c> for Door<'_> {
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, SendError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        match self.1 {
            Purpose::Tokens => Box::pin(self.0.send(request)),
            Purpose::Revocation => Box::pin(self.0.send_revocation(request)),
        }
    }
}

/// Why there is no answer to be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("{0}")]
    Failure(Failure),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreadable(String),
}

impl<'a> Endpoint<'a> {
    pub fn new(web: &'a Web, client: &ClientRecord, url: &str) -> Result<Endpoint<'a>, TokenError> {
        if let Some(secret) = &client.client_secret {
            web.redactor().learn(secret.clone());
        }
        let url = web.check(url).map_err(|failure| TokenError::Invalid {
            host: web.redactor().clean(&client.issuer, MAX_EXCERPT),
            reason: failure.message,
        })?;
        Ok(Endpoint { web, url })
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

    async fn post(&self, request: HttpRequest) -> Result<Answer, SendError> {
        let (parts, body) = request.into_parts();
        let mut headers = HeaderMap::new();
        for name in [http::header::AUTHORIZATION, http::header::ACCEPT] {
            if let Some(value) = parts.headers.get(&name) {
                let mut value = value.clone();
                value.set_sensitive(name == http::header::AUTHORIZATION);
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

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let answer = self.post(request).await?;
        let form = answer.content_type() == FORM;
        match token_answer::normalise(answer.status.as_u16(), form, &answer.body) {
            Ok((status, body)) => {
                let mut response = HttpResponse::new(body);
                *response.status_mut() = status;
                Ok(response)
            }
            Err(Unreadable) if answer.status.is_success() => {
                Err(SendError::Unreadable(self.excerpt(&answer.body)))
            }
            Err(Unreadable) => Err(SendError::Refused(format!(
                "HTTP {} {}",
                answer.status.as_u16(),
                self.excerpt(&answer.body)
            ))),
        }
    }

    /// The body of a successful revocation means nothing (RFC 7009, section 2.2).
    async fn send_revocation(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let answer = self.post(request).await?;
        if answer.status.is_success() {
            return Ok(HttpResponse::new(b"{}".to_vec()));
        }
        Err(SendError::Refused(format!(
            "HTTP {} {}",
            answer.status.as_u16(),
            self.excerpt(&answer.body)
        )))
    }

    pub fn tokens<T: ErrorResponse>(
        &self,
        answer: Result<Granted, RequestTokenError<SendError, T>>,
    ) -> Result<Tokens, TokenError> {
        let granted = answer.map_err(|error| self.error(error))?;
        if !granted.token_type.as_ref().eq_ignore_ascii_case("bearer") {
            let shown = self.web.redactor().clean(granted.token_type.as_ref(), MAX_EXCERPT);
            return Err(self.invalid(format!("the token type {shown} is not Bearer")));
        }
        let secret = |text: &String| {
            let secret = Secret::new(text.clone());
            self.web.redactor().learn(secret.clone());
            secret
        };
        Ok(Tokens {
            access_token: secret(granted.access_token.secret()),
            refresh_token: granted.refresh_token.as_ref().map(|token| secret(token.secret())),
            id_token: granted.id_token.as_ref().map(secret),
            expires_in: granted.expires_in,
            scope: granted.scope,
        })
    }

    pub fn error<T: ErrorResponse>(&self, error: RequestTokenError<SendError, T>) -> TokenError {
        let host = self.host();
        match error {
            RequestTokenError::Request(SendError::Failure(failure)) => {
                TokenError::Transient(failure)
            }
            RequestTokenError::Request(SendError::Refused(description)) => {
                TokenError::Refused { host, code: "it gave no reason".into(), description }
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
            RequestTokenError::Parse(error, _) => {
                self.invalid(format!("{} is missing or wrong", error.path()))
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

    fn excerpt(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
        let said = self.web.redactor().clean(&text, MAX_EXCERPT);
        if said.is_empty() { "an empty body".into() } else { format!("\u{201c}{said}\u{201d}") }
    }
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
