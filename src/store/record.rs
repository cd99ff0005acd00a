//! What is kept. Formats have a version; members that this release does not know are kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;

/// The version of the formats that this release writes.
pub const VERSION: u32 = 1;

/// How a client proves itself at the token endpoint (RFC 7591, section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// A public client: its id alone.
    #[default]
    None,
    /// `client_secret_post`.
    ClientSecretPost,
    /// `client_secret_basic`.
    ClientSecretBasic,
    /// `private_key_jwt` (RFC 7523, section 2.2). The key is not kept.
    PrivateKeyJwt,
    /// `tls_client_auth`: the certificate of the connection (RFC 8705). It is not kept.
    TlsClientAuth,
}

/// A client at one authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// See [`VERSION`].
    pub version: u32,
    /// The authorization server that knows it.
    pub issuer: String,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// `token_endpoint_auth_method`.
    #[serde(default)]
    pub auth: ClientAuth,
    /// The redirect URI it was registered with.
    pub redirect_uri: String,
    /// Whether it was registered by us (RFC 7591), and may be registered anew.
    #[serde(default)]
    pub registered: bool,
    /// `client_secret_expires_at`, in Unix seconds; none if it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_expires_at: Option<u64>,
    /// Members of later releases.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The key that tokens are bound to (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The private key: PKCS #8 in base64url.
    pub key: Secret,
    /// Whether the access token is bound to it; otherwise only the refresh token may be.
    #[serde(default)]
    pub bound: bool,
    /// Whether the resource wants the access token as a Bearer token all the same.
    #[serde(default)]
    pub bearer: bool,
}

/// What one sign-in has brought: one record for each (resource, issuer, client, profile).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// See [`VERSION`].
    pub version: u32,
    /// The MCP endpoint it was obtained for.
    pub server: String,
    /// `--profile`.
    pub profile: String,
    /// The resource, byte for byte as the protected resource metadata names it (RFC 9728).
    pub resource: String,
    /// What is sent as `resource` (RFC 8707); none for servers that refuse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_parameter: Option<String>,
    /// The authorization server.
    pub issuer: String,
    /// The client.
    pub client: ClientRecord,
    /// `token_endpoint`.
    pub token_endpoint: String,
    /// `revocation_endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// The scope that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_scope: Option<String>,
    /// The scope that was granted, as far as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `--grant`; none where a person has signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The id token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
    /// When it was obtained, in Unix seconds.
    pub obtained_at: u64,
    /// When the access token expires, in Unix seconds; none if the server did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The key of the tokens, where they are bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<Binding>,
    /// Members of later releases.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A code that was given out for a sign-in on another device (RFC 8628, section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// What the token endpoint is asked with.
    pub device_code: Secret,
    /// What the person enters.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// When both expire, in Unix seconds.
    pub expires_at: u64,
    /// Seconds between two questions.
    pub interval: u64,
}

/// A sign-in under way: what another process needs to go on waiting for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// See [`VERSION`].
    pub version: u32,
    /// The URL that the browser was sent to.
    pub url: String,
    /// `state`.
    pub state: Secret,
    /// The PKCE code verifier (RFC 7636).
    pub verifier: Secret,
    /// When the browser was opened, in Unix seconds.
    pub opened_at: u64,
    /// What the authorization server says of itself, as its metadata document (RFC 8414).
    pub metadata: Value,
    /// The client.
    pub client: ClientRecord,
    /// See [`TokenRecord::resource`].
    pub resource: String,
    /// See [`TokenRecord::resource_parameter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_parameter: Option<String>,
    /// The scope that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The code that is waited for, where the person signs in with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceRecord>,
    /// See [`TokenRecord::dpop`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<Binding>,
    /// Members of later releases.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
