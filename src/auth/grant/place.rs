//! Where a token is asked for: the authorization server, as discovery finds it or as the person says,
//! and who we are there.

use super::request::Form;
use super::source;
use crate::auth::authorizer::Authorizer;
use crate::auth::client::{given_authentication, host};
use crate::auth::discovery::discover_unattended;
use crate::auth::error::AuthError;
use crate::auth::flow::RESOURCE_REFUSED;
use crate::auth::given;
use crate::auth::metadata::{ResourceProofs, ServerMetadata, canonical};
use crate::auth::scope;
use crate::auth::settings::{Grant, ResourceParameter, Unattended};
use crate::auth::shared::Want;
use crate::limits::MAX_EXCERPT;
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{ClientAuth, ClientRecord};

/// See the module.
pub(super) struct Place {
    /// The authorization server, byte for byte as it names itself; without metadata its token
    /// endpoint.
    pub issuer: String,
    pub token_endpoint: String,
    pub revocation_endpoint: Option<String>,
    /// None with `--token-endpoint`.
    pub metadata: Option<ServerMetadata>,
    /// What the token is for.
    pub resource: String,
    pub resource_parameter: Option<String>,
    /// This authorization server has refused it, now or before.
    pub resource_refused: bool,
    pub scope: Option<String>,
    /// What the metadata of the MCP server says of tokens that are bound to a key.
    pub dpop: ResourceProofs,
    /// `--token-param`.
    params: Vec<(String, String)>,
}

impl Place {
    /// What every request has.
    pub fn form(&self, grant: &str) -> Form {
        self.form_without_scope(grant).with_some("scope", self.scope.as_deref())
    }

    pub fn form_without_scope(&self, grant: &str) -> Form {
        let form = Form::new(grant).with_some("resource", self.resource_parameter.as_deref());
        self.params.iter().fold(form, |form, (name, value)| form.with(name, value))
    }

    /// From now on without `resource`, which this authorization server refuses. `false` if it was not
    /// sent, or the person insists on it.
    pub fn drop_resource(&mut self, auth: &Authorizer) -> bool {
        let dropped = auth.settings.resource == ResourceParameter::AsPublished
            && self.resource_parameter.take().is_some();
        self.resource_refused |= dropped;
        dropped
    }
}

impl Authorizer {
    /// Where to ask for what is wanted.
    pub(super) async fn place(
        &self,
        unattended: &Unattended,
        want: &Want,
    ) -> Result<Place, AuthError> {
        let settings = &self.settings;
        let before = self.held().record();
        let (found, resource, scopes, dpop) = match &unattended.token_endpoint {
            Some(_) => (None, canonical(&settings.server), None, ResourceProofs::Unknown),
            None => {
                let known = before.as_ref().map(|record| record.issuer.as_str());
                let found = discover_unattended(&self.web, &want.challenge, known).await?;
                (Some(found.metadata), found.resource, found.scopes, found.dpop)
            }
        };
        // Nobody is offline who was never there: what the server lists adds nothing.
        let chosen = || {
            scope::choose(
                settings.scope.as_deref(),
                want.challenge.scope.as_deref(),
                scopes.as_deref(),
                &ServerMetadata::default(),
            )
        };
        let scope = want.scope.clone().or_else(chosen);
        let (issuer, token_endpoint) = match (&unattended.token_endpoint, &found) {
            (Some(endpoint), _) => (endpoint.to_string(), Some(endpoint.to_string())),
            (None, Some(found)) => (found.issuer.clone(), found.token_endpoint.clone()),
            (None, None) => (String::new(), None),
        };
        let Some(token_endpoint) = token_endpoint else {
            let issuer = self.redactor.clean(&issuer, MAX_EXCERPT);
            return Err(AuthError::Unusable(format!("{issuer} names no token endpoint")));
        };
        // Not whatever was left out last time: that may have been the person's wish.
        let resource_refused = before.is_some_and(|record| {
            record.issuer == issuer && record.other.contains_key(RESOURCE_REFUSED)
        });
        let resource_parameter = match &settings.resource {
            ResourceParameter::Given(value) => Some(value.clone()),
            ResourceParameter::AsPublished if !resource_refused => Some(resource.clone()),
            _ => None,
        };
        Ok(Place {
            issuer,
            token_endpoint,
            revocation_endpoint: found.as_ref().and_then(|found| found.revocation_endpoint.clone()),
            metadata: found,
            resource,
            resource_parameter,
            resource_refused,
            scope,
            dpop,
            params: settings.token_params.clone(),
        })
    }

    /// Who we are there, and how we prove it.
    pub(super) async fn client_at(
        &self,
        place: &Place,
        unattended: &Unattended,
    ) -> Result<ClientRecord, AuthError> {
        let id =
            self.settings.identity.given.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
        given::check(self, &id, &place.issuer).await?;
        let secret = if id.is_empty() || unattended.key.is_some() {
            None
        } else {
            given::secret(self).await?
        };
        let none = ServerMetadata::default();
        let metadata = place.metadata.as_ref().unwrap_or(&none);
        let certificate =
            !id.is_empty() && self.web.has_certificate() && takes_certificates(metadata);
        let auth = match (&unattended.key, &secret) {
            (Some(_), _) => ClientAuth::PrivateKeyJwt,
            (None, Some(_)) => given_authentication(&self.settings.identity, metadata, true),
            (None, None) if certificate => ClientAuth::TlsClientAuth,
            (None, None) => ClientAuth::None,
        };
        if auth == ClientAuth::None && unattended.grant == Grant::ClientCredentials {
            return Err(AuthError::Unusable(format!(
                "{} takes no client certificate; use --client-secret or --private-key",
                host(metadata)
            )));
        }
        Ok(ClientRecord {
            version: VERSION,
            issuer: place.issuer.clone(),
            client_id: id,
            client_secret: secret,
            auth,
            redirect_uri: String::new(),
            registered: false,
            secret_expires_at: None,
            other: serde_json::Map::new(),
        })
    }

    /// What proves who we are with a key.
    pub(super) async fn key(&self, unattended: &Unattended) -> Result<Option<Secret>, AuthError> {
        match &unattended.key {
            Some(key) => source::read(key, "--private-key", self).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Whether clients may prove who they are with a certificate (RFC 8705). Without metadata nobody
/// knows.
fn takes_certificates(metadata: &ServerMetadata) -> bool {
    let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
    let names = ["tls_client_auth", "self_signed_tls_client_auth"];
    methods.is_none_or(|all| all.iter().any(|method| names.contains(&method.as_str())))
}
