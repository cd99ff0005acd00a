//! Signing a person in at the identity provider of their company, for the id token that it then
//! vouches with (the enterprise-managed authorization extension, section 3).
//!
//! It is an authorizer of its own, whose server is the identity provider: the browser, a code on another
//! device, a paste, one tab on the whole machine, renewal by one process at a time are those of every
//! sign-in. Its record has the id token, and the time until which that is good. Its key knows nothing of
//! the MCP server, so that all servers behind the same identity provider share it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::authorizer::Authorizer;
use crate::auth::client::Identity;
use crate::auth::discovery::{Discovered, openid_metadata};
use crate::auth::error::AuthError;
use crate::auth::held::{is_expired, now};
use crate::auth::metadata::{ResourceProofs, ServerMetadata};
use crate::auth::openid::{self, Expected};
use crate::auth::refresh;
use crate::auth::scope;
use crate::auth::settings::{
    ClientSecret, Dpop, Grant, OpenId, ResourceParameter, Settings, Source,
};
use crate::auth::shared::{Login, Want};
use crate::auth::token::TokenError;
use crate::http::client::Settings as Connection;
use crate::secret::Redactor;
use crate::store::{Store, TokenRecord};

/// Who signs people in at their company, where that is what the grant needs. What `login` tells of is
/// theirs as well.
pub(in crate::auth) fn company(
    settings: &Settings,
    connection: &Connection,
    store: Option<&Store>,
    redactor: &Arc<Redactor>,
    login: &watch::Sender<Login>,
) -> Option<Arc<Authorizer>> {
    let Grant::Enterprise(provider) = &settings.unattended.as_ref()?.grant else { return None };
    if provider.id_token.is_some() {
        return None;
    }
    let issuer = provider.issuer.clone()?;
    let mut server = issuer.url.clone();
    server.set_fragment(Some(&format!("{MARK}{}", provider.client_id)));
    let client_secret = provider.client_secret.clone().and_then(|secret| match secret {
        Source::Value(value) => Some(ClientSecret::Value(value)),
        Source::Keyring(name) => Some(ClientSecret::Keyring(name)),
        Source::File(path) => Some(ClientSecret::File(path)),
        // No such reference is taken for it.
        Source::Command(_) => None,
    });
    let openid = OpenId { provider: provider.clone(), issuer, server: settings.server.clone() };
    let settings = Settings {
        server,
        identity: Identity {
            given: Some((provider.client_id.clone(), None)),
            auth: None,
            basic: false,
            metadata_url: None,
            name: settings.identity.name.clone(),
            members: serde_json::Map::new(),
        },
        client_secret,
        unattended: None,
        openid: Some(openid),
        managed: None,
        scope: None,
        resource: ResourceParameter::Omitted,
        token_params: Vec::new(),
        // The nonce protects the code as well (RFC 9700, section 2.1.1), and many do not say.
        allow_missing_pkce_metadata: true,
        dpop: Dpop::Never,
        use_id_token: false,
        ..settings.clone()
    };
    // Who somebody is concerns the server that it was configured for.
    let withholds_cert = connection.client_cert.is_some();
    let connection = Connection { client_cert: None, withholds_cert, ..connection.clone() };
    let (store, redactor, login) = (store.cloned(), redactor.clone(), login.clone());
    Some(Arc::new(Authorizer::with(settings, &connection, store, redactor, login, None)))
}

/// Begins the fragment of the name of such a sign-in.
const MARK: &str = "identity-provider-of-";

/// Whether this is the name of a sign-in at an identity provider, in place of a server's URL.
pub fn is_identity_provider(server: &str) -> bool {
    server.split_once('#').is_some_and(|(_, fragment)| fragment.starts_with(MARK))
}

impl Authorizer {
    /// The id token of the person, in a record that is good for a while; renewed without them if need be.
    /// None where they have to sign in.
    ///
    /// # Errors
    /// What will pass, and what the store says.
    pub(super) async fn vouched(self: &Arc<Self>) -> Result<Option<TokenRecord>, AuthError> {
        let _flight = self.flight.lock().await;
        self.load().await;
        let held = self.held().record().filter(|record| !is_expired(record, now()));
        if held.is_none() && self.store.is_some() {
            // Somebody may have signed in for another server.
            self.adopt(&Want::default()).await?;
        }
        let Some(record) = self.held().record() else { return Ok(None) };
        if self.held().is_due() {
            self.renewed_with(&record).await?;
        }
        Ok(self.held().record().filter(|record| !is_expired(record, now())))
    }

    /// The same in the place of one that the identity provider has refused.
    pub(super) async fn vouched_again(
        self: &Arc<Self>,
        refused: &TokenRecord,
    ) -> Result<Option<TokenRecord>, AuthError> {
        let _flight = self.flight.lock().await;
        let differs = |record: &TokenRecord| record.id_token != refused.id_token;
        let held = self.held().record();
        if let Some(record) = held.filter(|record| !differs(record)) {
            self.renewed_with(&record).await?;
        }
        Ok(self.held().record().filter(|record| differs(record) && !is_expired(record, now())))
    }

    /// Renews with the refresh token, where there is one.
    async fn renewed_with(self: &Arc<Self>, record: &TokenRecord) -> Result<(), AuthError> {
        if record.refresh_token.is_none() {
            return Ok(());
        }
        match refresh::refresh(self, record).await {
            Err(error) if error.transient().is_some() && is_expired(record, now()) => Err(error),
            Err(error) => {
                log::info!("the sign-in at {} could not be renewed: {error}", self.host());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Signs the person in at their `company`, and obtains what is wanted with that.
    pub(in crate::auth) async fn sign_in_at(
        &self,
        company: &Arc<Authorizer>,
        want: &Want,
    ) -> Result<(), AuthError> {
        let found = company.provider().await?;
        let given = company.settings.openid.as_ref().and_then(|o| o.provider.scope.as_deref());
        let scope = scope::choose(given, Some("openid"), None, &found.metadata);
        let theirs = Want {
            refused: company.held().record().map(|record| record.access_token),
            scope,
            discovered: Some(found),
            by_hand: want.by_hand,
            person: want.person.clone(),
            ..Want::default()
        };
        company.sign_in(&theirs).await?;
        // Nobody is waited for any more.
        self.login.send_replace(Login::Preparing);
        self.granted(want).await
    }

    /// The identity provider, as it describes itself or as the person does.
    async fn provider(&self) -> Result<Discovered, AuthError> {
        let Some(OpenId { provider, issuer, .. }) = &self.settings.openid else {
            return Err(AuthError::Unusable("this is no identity provider".into()));
        };
        let (there, token) = (&provider.authorization_endpoint, &provider.token_endpoint);
        let mut metadata = match (there, token) {
            (Some(_), Some(_)) => {
                ServerMetadata { issuer: issuer.name.clone(), ..ServerMetadata::default() }
            }
            _ => openid_metadata(&self.web, &issuer.name).await?,
        };
        for (given, found) in
            [(there, &mut metadata.authorization_endpoint), (token, &mut metadata.token_endpoint)]
        {
            if let Some(given) = given {
                *found = Some(given.to_string());
            }
        }
        Ok(Discovered {
            resource: self.settings.server.to_string(),
            scopes: None,
            metadata,
            dpop: ResourceProofs::Unknown,
            from_metadata: false,
        })
    }

    /// A record that was just obtained or renewed, checked and with the time of its id token where that
    /// is what it is about.
    ///
    /// # Errors
    /// If the id token is not what it has to be.
    pub(in crate::auth) fn identified(
        &self,
        record: TokenRecord,
        nonce: Option<&str>,
        old: Option<&TokenRecord>,
    ) -> Result<TokenRecord, AuthError> {
        let Some(OpenId { issuer, .. }) = &self.settings.openid else { return Ok(record) };
        if old.is_some_and(|old| old.id_token == record.id_token) {
            // The answer had none (OpenID Connect Core 1.0, section 12.2): a person has to come.
            let expires_at = old.and_then(|old| old.expires_at);
            return Ok(TokenRecord { refresh_token: None, expires_at, ..record });
        }
        let subject = old.and_then(|old| old.id_token.as_ref()).and_then(openid::subject);
        let expected = Expected {
            issuer: &issuer.name,
            client_id: &record.client.client_id,
            nonce,
            subject: subject.as_deref(),
            now: record.obtained_at,
        };
        let identity = openid::check(record.id_token.as_ref(), &expected).map_err(|error| {
            AuthError::from(TokenError::Invalid { host: self.host(), reason: error.to_string() })
        })?;
        let expires_at = Some(record.obtained_at.saturating_add(identity.life));
        Ok(TokenRecord { expires_at, ..record })
    }
}
