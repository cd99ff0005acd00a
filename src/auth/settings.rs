//! What a person can set about signing in.

use std::time::Duration;

use url::Url;

use super::browser::Environment;
use super::callback::CallbackSettings;
use super::client::Identity;
use crate::secret::Secret;

/// What to do when a server asks for authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sign in with the browser where nothing stored helps.
    Interactive,
    /// Use and refresh what is stored (`--auth stored`).
    Stored,
    /// Nothing: an `Authorization` header is configured.
    Configured,
    /// Nothing (`--auth none`).
    Off,
}

/// What is sent as `resource` (RFC 8707).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceParameter {
    /// What the protected resource metadata says, byte for byte.
    AsPublished,
    /// Nothing (`--resource none`).
    Omitted,
    /// A value of the person's (`--resource`).
    Given(String),
}

/// Where a client's secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSecret {
    /// Here.
    Value(Secret),
    /// In the keyring, under this name.
    Keyring(String),
}

/// How to sign in to one server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to do at all.
    pub mode: Mode,
    /// The MCP endpoint.
    pub server: Url,
    /// `--profile`.
    pub profile: String,
    /// Who we are at an authorization server. The secret of a given client is in
    /// [`Settings::client_secret`].
    pub identity: Identity,
    /// The secret of a given client.
    pub client_secret: Option<ClientSecret>,
    /// `--scope`.
    pub scope: Option<String>,
    /// `--resource`.
    pub resource: ResourceParameter,
    /// `--auth-param`.
    pub auth_params: Vec<(String, String)>,
    /// `--token-param`.
    pub token_params: Vec<(String, String)>,
    /// `--allow-missing-pkce-metadata`.
    pub allow_missing_pkce_metadata: bool,
    /// `--allow-http`.
    pub allow_http: bool,
    /// `--use-id-token`.
    pub use_id_token: bool,
    /// `--callback-url`, `--callback-bind`.
    pub callback: CallbackSettings,
    /// What is known about opening a browser; none with `--no-browser`.
    pub browser: Option<Environment>,
    /// How long a person may take.
    pub auth_timeout: Duration,
}
