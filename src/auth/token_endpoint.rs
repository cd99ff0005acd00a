//! How requests get to an endpoint of an authorization server, and what comes back: the oauth2 crate
//! writes and reads them, [`Web`] carries them, [`token_answer`] makes what real servers send into
//! what the crate expects.

use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
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

use super::device_answer;
use super::dpop;
use super::held::now;
use super::prover::Prover;
use super::token::{TokenError, Tokens};
use super::token_answer::{self, Unreadable};
use super::web::{Answer, Web};
use crate::error::Failure;
use crate::http::Sign;
use crate::limits::{MAX_EXCERPT, MAX_LOGGED_TEXT};
use crate::secret::{Redactor, Secret};
use crate::store::{ClientAuth, ClientRecord};

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The type of a token that goes into `Authorization: Bearer`, by any of its names; Slack calls it
/// after its owner.
const BEARER: [&str; 3] = ["bearer", "user", "bot"];

const NO_TOKEN: &str = "there is no access token in its answer";

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
    proof: Option<Proof<'a>>,
}

/// What tokens are to be bound to (RFC 9449, section 5).
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// Proves that we have the key.
    pub prover: &'a Prover,
    /// Whether tokens that are not bound to it are refused.
    pub insists: bool,
}

/// What the oauth2 crate sends its requests through.
pub(super) struct Door<'a>(pub &'a Endpoint<'a>, pub Purpose);

#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Tokens,
    Revocation,
    /// The device authorization endpoint.
    Device,
    /// Tokens, for a code that may not have been entered yet.
    Poll,
    /// Tokens, for a grant whose request may be good for one use: what proves who we are, and the
    /// assertion that it is given for.
    Grant,
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
    Clock(String),
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
        Ok(Endpoint { web, url, proof: None })
    }

    /// With a proof in every request.
    pub fn proving(self, proof: Option<Proof<'a>>) -> Endpoint<'a> {
        Endpoint { proof, ..self }
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
            _ => AuthType::RequestBody,
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
        let answer = self.post(request, purpose).await?;
        if matches!(purpose, Purpose::Revocation) && answer.status.is_success() {
            // What else it says means nothing (RFC 7009, section 2.2).
            return Ok(HttpResponse::new(b"{}".to_vec()));
        }
        let form = answer.content_type() == FORM;
        let normalise = match purpose {
            Purpose::Device => device_answer::normalise,
            _ => token_answer::normalise,
        };
        match normalise(answer.status.as_u16(), form, &answer.body) {
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

    async fn post(&self, request: HttpRequest, purpose: Purpose) -> Result<Answer, SendError> {
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
        let body = Bytes::from(body);
        let mut answer = self.post_once(&headers, &body).await?;
        if self.proof.is_some() {
            let wants_nonce =
                token_answer::error_code(&answer.body).as_deref() == Some(dpop::USE_NONCE);
            let again = !matches!(purpose, Purpose::Grant);
            if again && wants_nonce && answer.headers.contains_key(dpop::NONCE) {
                // Once: the nonce was taken down, and the next proof has it.
                answer = self.post_once(&headers, &body).await?;
            }
            if token_answer::error_code(&answer.body).as_deref() == Some(dpop::INVALID_PROOF)
                && let Some(trouble) =
                    dpop::clock_trouble(dpop::clock_ahead(&answer.headers, now()))
            {
                return Err(SendError::Clock(trouble));
            }
        }
        let form = answer.content_type() == FORM;
        if matches!(purpose, Purpose::Poll) && token_answer::is_about_a_code(form, &answer.body) {
            return Ok(answer);
        }
        if answer.is_transient() || token_answer::is_transient(&answer.body) {
            let failure = answer.failure(&self.url, self.web.redactor());
            return Err(SendError::Failure(failure));
        }
        Ok(answer)
    }

    async fn post_once(&self, headers: &HeaderMap, body: &Bytes) -> Result<Answer, SendError> {
        let sign = self.proof.map(|proof| proof.prover as &dyn Sign);
        let answer = self.web.post_signed(&self.url, FORM, headers.clone(), body.clone(), sign);
        answer.await.map_err(SendError::Failure)
    }

    /// What an answer has granted.
    pub fn tokens<T: ErrorResponse>(
        &self,
        answer: Result<Granted, RequestTokenError<SendError, T>>,
    ) -> Result<Tokens, TokenError> {
        self.bearer(answer.map_err(|error| self.error(error))?)
    }

    /// Sends the form of a grant that the crate has no words for, with what proves who `client` is. It is
    /// sent once: that a nonce is wanted is told by [`TokenError::wants_nonce`].
    pub async fn ask(
        &self,
        client: &ClientRecord,
        form: Vec<(String, String)>,
    ) -> Result<Granted, TokenError> {
        self.ask_for(Purpose::Grant, client, form).await
    }

    /// The same for another purpose.
    pub async fn ask_for(
        &self,
        purpose: Purpose,
        client: &ClientRecord,
        mut form: Vec<(String, String)>,
    ) -> Result<Granted, TokenError> {
        let authorization = authenticate(client, &mut form);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = HttpRequest::new(form.into_bytes());
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let error = |error| self.error::<BasicErrorResponse>(error);
        let answer = self.send(request, purpose).await;
        let answer = answer.map_err(|failed| error(RequestTokenError::Request(failed)))?;
        if answer.status().is_success() {
            return serde_json::from_slice(answer.body())
                .map_err(|_| self.invalid(NO_TOKEN.into()));
        }
        // It is what `normalise` has made of it.
        match serde_json::from_slice(answer.body()) {
            Ok(response) => Err(error(RequestTokenError::ServerResponse(response))),
            Err(_) => Err(self.invalid(NO_TOKEN.into())),
        }
    }

    /// What a token exchange (RFC 8693) has given, if it is of this type: another one would be for
    /// somebody else.
    pub fn exchanged(&self, granted: &Granted, wanted: &str) -> Result<Secret, TokenError> {
        let token = Secret::new(granted.access_token.secret().clone());
        self.learn(&token);
        let found = granted.issued_token_type.as_deref().unwrap_or("a token of an unnamed type");
        if found == wanted {
            return Ok(token);
        }
        let found = self.web.redactor().clean(found, MAX_EXCERPT);
        Err(self.invalid(format!("it gives {found} in place of {wanted}")))
    }

    /// What was granted, if it goes into `Authorization: Bearer`.
    pub fn bearer(&self, granted: Granted) -> Result<Tokens, TokenError> {
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
            bound: self.proof.is_some() && granted.token_type.as_ref() == "dpop",
        };
        let kind = granted.token_type.as_ref();
        if self.proof.is_some_and(|proof| proof.insists) && !tokens.bound {
            let reason = "it does not bind tokens to a key, which --dpop always demands";
            return Err(self.invalid(reason.into()));
        }
        if !tokens.bound && !BEARER.contains(&kind) {
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
            RequestTokenError::Request(SendError::Clock(trouble)) => {
                TokenError::Clock { host, trouble }
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
            RequestTokenError::Parse(..) => self.invalid(NO_TOKEN.into()),
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

/// Says who we are, in the form or by the header that is returned (RFC 6749, section 2.3.1). What proves
/// it otherwise is the caller's.
fn authenticate(client: &ClientRecord, form: &mut Vec<(String, String)>) -> Option<HeaderValue> {
    let id = client.client_id.as_str();
    let secret = client.client_secret.as_ref().filter(|_| client.auth != ClientAuth::None);
    let mut add = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
    match (client.auth, secret) {
        // The id is in the assertion (RFC 7523, section 3).
        (ClientAuth::PrivateKeyJwt, _) => {}
        (ClientAuth::ClientSecretBasic, Some(secret)) => return Some(basic(id, secret.expose())),
        // Nobody in particular.
        _ if id.is_empty() => {}
        (_, secret) => {
            add("client_id", id);
            if let Some(secret) = secret {
                add("client_secret", secret.expose());
            }
        }
    }
    None
}

/// `client_secret_basic`.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let value = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    // Base64 is made of what a header can carry.
    HeaderValue::try_from(format!("Basic {value}")).unwrap_or(HeaderValue::from_static("Basic"))
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
    #[serde(default)]
    issued_token_type: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_basic_credential_are_encoded_first() {
        let expected = STANDARD.encode("id+with+space:fake%3Asecret");
        assert_eq!(basic("id with space", "fake:secret"), format!("Basic {expected}"));
    }
}
