//! What the identity provider of a company gives for the id token of a person: an assertion for the
//! authorization server of an MCP server (RFC 8693; the enterprise-managed authorization extension,
//! section 4).
//!
//! Who the person is was found out before, by `company` or by whatever has obtained the id token.

use super::place::Place;
use super::request::Form;
use super::{Obstacle, source};
use crate::auth::authorizer::Authorizer;
use crate::auth::client::authentication;
use crate::auth::discovery::openid_metadata;
use crate::auth::error::AuthError;
use crate::auth::flow::is_recent;
use crate::auth::given;
use crate::auth::settings::{IdentityProvider, ResourceParameter};
use crate::auth::token_endpoint::Endpoint;
use crate::auth::web::Web;
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{ClientAuth, ClientRecord, TokenRecord};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// The Identity Assertion JWT Authorization Grant.
pub(super) const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

impl Authorizer {
    /// An assertion for one request.
    pub(super) async fn identity_assertion(
        &self,
        idp: &IdentityProvider,
        place: &Place,
    ) -> Result<Secret, Obstacle> {
        let Some(company) = &self.company else {
            let (client, endpoint, id_token) = self.given(idp).await?;
            return self.exchange_at(&self.web, &client, &endpoint, &id_token, place).await;
        };
        let needs_login = || AuthError::NeedsLogin { host: self.host(), server: self.shown() };
        let record = company.vouched().await?.ok_or_else(needs_login)?;
        let refused = match self.exchange_record(company, &record, place).await {
            Err(Obstacle::IdentityProvider(error)) if error.is_invalid_grant() => error,
            outcome => return outcome,
        };
        // It may have ended before its time.
        match company.vouched_again(&record).await? {
            Some(record) => self.exchange_record(company, &record, place).await,
            // Signing in once more would not help.
            None if is_recent(record.obtained_at) => Err(Obstacle::IdentityProvider(refused)),
            None => Err(needs_login().into()),
        }
    }

    /// The id token that was given, and where and as whom it is exchanged.
    async fn given(
        &self,
        idp: &IdentityProvider,
    ) -> Result<(ClientRecord, String, Secret), Obstacle> {
        let none = || AuthError::Unusable("--idp-id-token: there is none".into());
        let id_token = idp.id_token.as_ref().ok_or_else(none)?;
        let id_token = source::token(id_token, "--idp-id-token", self).await?;
        let secret = match &idp.client_secret {
            Some(secret) => Some(source::read(secret, "--idp-client-secret", self).await?),
            None => None,
        };
        let (endpoint, auth) = match (&idp.token_endpoint, &idp.issuer) {
            (Some(endpoint), _) => (endpoint.to_string(), ClientAuth::ClientSecretPost),
            (None, None) => (String::new(), ClientAuth::None),
            (None, Some(issuer)) => {
                let found = openid_metadata(&self.web, &issuer.name).await;
                let found = found.map_err(AuthError::from)?;
                let auth = authentication(&found, secret.is_some());
                // It is there, or the metadata would not have been used.
                (found.token_endpoint.unwrap_or_default(), auth)
            }
        };
        let client = ClientRecord {
            version: VERSION,
            issuer: endpoint.clone(),
            client_id: idp.client_id.clone(),
            auth,
            client_secret: secret,
            redirect_uri: String::new(),
            registered: false,
            secret_expires_at: None,
            other: serde_json::Map::new(),
        };
        Ok((client, endpoint, id_token))
    }

    async fn exchange_record(
        &self,
        company: &Authorizer,
        record: &TokenRecord,
        place: &Place,
    ) -> Result<Secret, Obstacle> {
        let none = || AuthError::Unusable("the stored sign-in has no id token".into());
        let id_token = record.id_token.as_ref().ok_or_else(none)?;
        let client = given::current(company, &record.client).await?;
        self.exchange_at(&company.web, &client, &record.token_endpoint, id_token, place).await
    }

    async fn exchange_at(
        &self,
        web: &Web,
        client: &ClientRecord,
        endpoint: &str,
        id_token: &Secret,
        place: &Place,
    ) -> Result<Secret, Obstacle> {
        // It has to be there, whatever the authorization server thinks of it.
        let resource = match &self.settings.resource {
            ResourceParameter::Given(value) => value,
            ResourceParameter::AsPublished | ResourceParameter::Omitted => &place.resource,
        };
        let form = Form::new(TOKEN_EXCHANGE)
            .with("requested_token_type", ID_JAG)
            .with("audience", &place.issuer)
            .with("resource", resource)
            .with_some("scope", place.scope.as_deref())
            .with("subject_token", id_token.expose())
            .with("subject_token_type", ID_TOKEN);
        let endpoint = Endpoint::new(web, client, endpoint).map_err(Obstacle::IdentityProvider)?;
        let granted = endpoint.ask(client, form.pairs()).await;
        let granted = granted.map_err(Obstacle::IdentityProvider)?;
        endpoint.exchanged(&granted, ID_JAG).map_err(Obstacle::IdentityProvider)
    }
}
