//! One token request, with what proves who we are.

use url::Url;

use super::place::Place;
use super::{Obstacle, assertion};
use crate::auth::authorizer::Authorizer;
use crate::auth::error::AuthError;
use crate::auth::prover::Prover;
use crate::auth::settings::Unattended;
use crate::auth::token::Tokens;
use crate::auth::token_endpoint::Endpoint;
use crate::store::{ClientAuth, ClientRecord};

/// RFC 7523, section 2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The parameters of a request.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub fn new(grant: &str) -> Form {
        Form(Vec::new()).with("grant_type", grant)
    }

    pub fn with(mut self, name: &str, value: &str) -> Form {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn with_some(self, name: &str, value: Option<&str>) -> Form {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub fn pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

impl Authorizer {
    /// Sends a request to the authorization server of the MCP server.
    pub(super) async fn request(
        &self,
        unattended: &Unattended,
        place: &Place,
        client: &ClientRecord,
        prover: Option<&Prover>,
        mut form: Form,
    ) -> Result<Tokens, Obstacle> {
        let mut url = place.token_endpoint.clone();
        match client.auth {
            ClientAuth::None
            | ClientAuth::ClientSecretPost
            | ClientAuth::ClientSecretBasic
            | ClientAuth::TlsClientAuth => {}
            ClientAuth::PrivateKeyJwt => {
                let key = self.key(unattended).await?.ok_or_else(|| {
                    AuthError::Unusable("--private-key is needed for this client".into())
                })?;
                let metadata = place.metadata.as_ref();
                let listed = metadata
                    .and_then(|m| m.token_endpoint_auth_signing_alg_values_supported.as_deref());
                let (id, wanted) = (&client.client_id, unattended.algorithm);
                let proof = assertion::sign(&key, wanted, listed, id, &place.issuer)
                    .map_err(|e| AuthError::Unusable(format!("--private-key: {e}")))?;
                self.redactor.learn(proof.clone());
                form = form
                    .with("client_assertion_type", ASSERTION_TYPE)
                    .with("client_assertion", proof.expose());
            }
        }
        let metadata = place.metadata.as_ref();
        // However a client proves who it is, its tokens may be bound to its certificate.
        let binds = metadata.is_some_and(|metadata| self.web.binds_to_certificate(metadata));
        if binds || client.auth == ClientAuth::TlsClientAuth {
            url = metadata.and_then(|m| m.mtls_token_endpoint.clone()).unwrap_or(url);
            if let Ok(place) = Url::parse(&url) {
                self.web.identify_at(&place);
            }
        }
        let endpoint = Endpoint::new(&self.web, client, &url).map_err(Obstacle::Server)?;
        let endpoint = endpoint.proving(prover.map(|prover| self.proof(prover)));
        let granted = endpoint.ask(client, form.pairs()).await.map_err(Obstacle::Server)?;
        endpoint.bearer(granted).map_err(Obstacle::Server)
    }
}
