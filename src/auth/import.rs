//! Taking over the sign-in of another bridge: it is bound to the authorization server that the MCP server
//! names now, and refused if it is from another one.

use serde_json::Map;

use super::authorizer::Authorizer;
use super::challenge::Challenge;
use super::client::{self, Choice, authentication};
use super::discovery::discover;
use super::error::AuthError;
use super::given;
use super::held::{is_expired, now};
use super::metadata::ServerMetadata;
use super::settings::ResourceParameter;
use super::shared::Want;
use super::{client_key, openid};
use crate::foreign::{Resource, SignIn};
use crate::limits::MAX_EXCERPT;
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{ClientAuth, ClientRecord, RecordKey, TokenRecord};

impl Authorizer {
    /// Stores a sign-in of another bridge as one of ours, without using it: `challenge` is what the server
    /// answers to a request without authorization. Gives what is stored.
    ///
    /// # Errors
    /// Why it cannot be taken over, or discovery fails.
    pub async fn take_over(
        &self,
        challenge: &Challenge,
        theirs: &SignIn,
    ) -> Result<TokenRecord, AuthError> {
        let refuse = |text: String| AuthError::Unusable(text);
        for secret in
            [Some(&theirs.access_token), theirs.refresh_token.as_ref(), theirs.id_token.as_ref()]
        {
            secret.into_iter().for_each(|secret| self.redactor.learn(secret.clone()));
        }
        let settings = &self.settings;
        if settings.unattended.is_some() {
            return Err(refuse("with --grant nothing needs to be taken over".into()));
        }
        if theirs.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(refuse("its access token is bound to a key that is in no file".into()));
        }
        let store = self.store()?;
        let (server, profile) = self.name();
        if store.entry(server, profile)?.is_some() {
            let text = "there is a sign-in already; use mcp-tether logout, or another --profile";
            return Err(refuse(text.into()));
        }
        let found = discover(&self.web, challenge, theirs.issuer.as_deref()).await?;
        self.same_issuer(theirs, &found.metadata)?;
        let client = self.their_client(theirs, &found.metadata).await?;
        let Some(token_endpoint) = found.metadata.token_endpoint.clone() else {
            return Err(refuse("the authorization server names no token endpoint".into()));
        };
        let resource_parameter = match (&settings.resource, &theirs.resource) {
            (ResourceParameter::Given(value), _)
            | (ResourceParameter::AsPublished, Resource::Given(value)) => Some(value.clone()),
            (ResourceParameter::Omitted, _) | (_, Resource::Omitted) => None,
            (ResourceParameter::AsPublished, Resource::Unsaid) => Some(found.resource.clone()),
        };
        let record = TokenRecord {
            version: VERSION,
            server: server.to_owned(),
            profile: profile.to_owned(),
            resource: found.resource,
            resource_parameter,
            issuer: found.metadata.issuer,
            client,
            token_endpoint,
            revocation_endpoint: found.metadata.revocation_endpoint,
            requested_scope: theirs.requested_scope.clone(),
            scope: theirs.scope.clone(),
            grant: None,
            access_token: theirs.access_token.clone(),
            refresh_token: theirs.refresh_token.clone(),
            id_token: theirs.id_token.clone(),
            obtained_at: now(),
            expires_at: theirs.expires_at,
            dpop: None,
            other: Map::new(),
        };
        if is_expired(&record, now()) && record.refresh_token.is_none() {
            let text = "its access token has expired, and there is no refresh token; sign in again";
            return Err(refuse(text.into()));
        }
        if !self.fits(&record, &Want::default()) {
            return Err(refuse("it is not what --scope, --dpop or --client-id ask for".into()));
        }
        let key =
            RecordKey::new(&record.resource, &record.issuer, &record.client.client_id, profile);
        let lock = store.lock(&key).await?;
        store.write_token(lock, &record).await?;
        let key = client_key(&record.client, profile);
        if record.client.registered
            && !record.client.redirect_uri.is_empty()
            && store.client(&key).await?.is_none()
        {
            store.write_client(&key, &record.client).await?;
        }
        given::bind(self, &record.client).await?;
        Ok(record)
    }

    /// Every authorization server that the files name has to be the one that the MCP server names.
    fn same_issuer(&self, theirs: &SignIn, metadata: &ServerMetadata) -> Result<(), AuthError> {
        let client = theirs.client.as_ref().and_then(|client| client.issuer.clone());
        let id_token = theirs.id_token.as_ref().and_then(openid::issuer);
        let mut said = [theirs.issuer.clone(), client, id_token].into_iter().flatten();
        let Some(other) = said.find(|issuer| *issuer != metadata.issuer) else { return Ok(()) };
        let shown = |issuer: &str| self.redactor.clean(issuer, MAX_EXCERPT);
        Err(AuthError::Unusable(format!(
            "it is from {}, but the server names {} now; sign in again",
            shown(&other),
            shown(&metadata.issuer)
        )))
    }

    /// The client that the tokens are for.
    async fn their_client(
        &self,
        theirs: &SignIn,
        metadata: &ServerMetadata,
    ) -> Result<ClientRecord, AuthError> {
        let refuse = |text: &str| AuthError::Unusable(text.to_owned());
        let mut identity = self.settings.identity.clone();
        if let Some((id, secret)) = &mut identity.given {
            if theirs.client.as_ref().is_some_and(|client| client.id != *id) {
                return Err(refuse("it is of another client than the one that is given"));
            }
            given::check(self, id, &metadata.issuer).await?;
            *secret = given::secret(self).await?;
        } else if let Some(client) = &theirs.client {
            let expired = client.secret_expires_at.is_some_and(|at| at <= now());
            if expired && client.secret.is_some() {
                return Err(refuse("the secret of its client has expired; sign in again"));
            }
            let document = identity.metadata_url.as_ref() == Some(&client.id);
            let auth = authenticated(client.method.as_deref(), client.secret.as_ref(), metadata);
            if let Some(secret) = &client.secret {
                self.redactor.learn(secret.clone());
            }
            return Ok(ClientRecord {
                version: VERSION,
                issuer: metadata.issuer.clone(),
                client_id: client.id.clone(),
                client_secret: client.secret.clone().filter(|_| auth != ClientAuth::None),
                auth,
                redirect_uri: client.redirect_uri.clone().unwrap_or_default(),
                registered: !document,
                secret_expires_at: client.secret_expires_at,
                other: Map::new(),
            });
        }
        match client::choose(&identity, metadata, "", None, now()) {
            Choice::Use(client) => Ok(client),
            Choice::Register | Choice::Impossible(_) => Err(refuse(
                "no file says which client it is of; name that with --client-id or --client-info",
            )),
        }
    }
}

/// How the client has authenticated so far.
fn authenticated(
    method: Option<&str>,
    secret: Option<&Secret>,
    metadata: &ServerMetadata,
) -> ClientAuth {
    match (method, secret) {
        (_, None) | (Some("none"), _) => ClientAuth::None,
        (Some("client_secret_post"), _) => ClientAuth::ClientSecretPost,
        (Some("client_secret_basic"), _) => ClientAuth::ClientSecretBasic,
        _ => authentication(metadata, true),
    }
}
