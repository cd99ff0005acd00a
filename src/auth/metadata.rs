//! Discovery documents: reading them, and where they are (pure).

use serde::{Deserialize, Serialize};

/// What an authorization server says of itself (RFC 8414, section 2; OpenID Connect Discovery 1.0,
/// section 3). URLs stay the strings that they are in the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerMetadata {
    /// Its identifier, compared byte for byte.
    pub issuer: String,
    /// Where the person is sent.
    pub authorization_endpoint: Option<String>,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: Option<String>,
    /// Dynamic client registration (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// Token revocation (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Every scope it knows.
    pub scopes_supported: Option<Vec<String>>,
    /// PKCE methods (RFC 7636).
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Client authentication at the token endpoint; absent means `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether `client_id` may be the URL of a Client ID Metadata Document.
    pub client_id_metadata_document_supported: bool,
    /// Whether authorization responses carry `iss` (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
}
