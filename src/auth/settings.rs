//! What a person can set about signing in.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::browser::Environment;
use super::callback::CallbackSettings;
use super::client::Identity;
use super::jws::Algorithm;
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

/// Whether tokens are bound to a key (RFC 9449, DPoP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Where a server offers or demands it.
    #[default]
    Auto,
    /// Always; a token that is not bound is refused.
    Always,
    /// Never.
    Never,
}

impl Dpop {
    /// Whether what is bound to a key, or not, may be used.
    pub fn admits(self, bound: bool) -> bool {
        match self {
            Dpop::Auto => true,
            Dpop::Always => bound,
            Dpop::Never => !bound,
        }
    }
}

/// Where a client's secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSecret {
    /// Here.
    Value(Secret),
    /// In the keyring, under this name.
    Keyring(String),
    /// The text of a file, read for each sign-in.
    File(PathBuf),
}

/// Where a secret is. What is not in this process is looked up each time it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Value(Secret),
    /// The text of a file, which somebody may replace.
    File(PathBuf),
    /// In the keyring, under this name.
    Keyring(String),
    /// What a program prints; the first word is the program. It runs without a shell.
    Command(Vec<String>),
}

/// How a token is obtained without a person at the authorization server (`--grant`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unattended {
    /// The grant.
    pub grant: Grant,
    /// `--token-endpoint`, for authorization servers without metadata.
    pub token_endpoint: Option<Url>,
    /// `--private-key`, which proves who we are (`private_key_jwt`).
    pub key: Option<Source>,
    /// `--signing-alg`.
    pub algorithm: Option<Algorithm>,
}

/// What a token is given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// For being the client (RFC 6749, section 4.4).
    ClientCredentials,
    /// For an assertion of somebody whom the authorization server trusts (RFC 7523, section 2.1).
    JwtBearer {
        /// `--assertion`.
        assertion: Source,
    },
    /// For an assertion that a company's identity provider gives for the id token of a person (the
    /// enterprise-managed authorization extension).
    Enterprise(Box<IdentityProvider>),
}

/// The identity provider of a company, and who we are there. It has an issuer or a token endpoint, and
/// an issuer where a person signs in at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    /// `--idp-issuer`.
    pub issuer: Option<Issuer>,
    /// `--idp-authorization-endpoint`, in the place of what its metadata say.
    pub authorization_endpoint: Option<Url>,
    /// `--idp-token-endpoint`, in the place of what its metadata say.
    pub token_endpoint: Option<Url>,
    /// `--idp-client-id`.
    pub client_id: String,
    /// `--idp-client-secret`.
    pub client_secret: Option<Source>,
    /// `--idp-id-token`; without it a person signs in.
    pub id_token: Option<Source>,
    /// `--idp-scope`.
    pub scope: Option<String>,
}

/// An issuer identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Byte for byte as it was given, which is how it is compared.
    pub name: String,
    /// The same as a URL.
    pub url: Url,
}

/// Signing in for an id token, in the place of the right to use a server (OpenID Connect Core 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenId {
    /// Where.
    pub provider: Box<IdentityProvider>,
    /// See [`IdentityProvider::issuer`].
    pub issuer: Issuer,
    /// The MCP server that it is done for, which a person names to sign in.
    pub server: Url,
}

impl Unattended {
    /// The places that the person has named. They may be on a private network.
    pub fn places(&self) -> impl Iterator<Item = &Url> {
        let idp = match &self.grant {
            Grant::Enterprise(idp) => Some(idp.places()),
            Grant::ClientCredentials | Grant::JwtBearer { .. } => None,
        };
        self.token_endpoint.iter().chain(idp.into_iter().flatten())
    }

    /// Whether a person signs in all the same, at the identity provider.
    pub fn needs_a_person(&self) -> bool {
        matches!(&self.grant, Grant::Enterprise(idp) if idp.id_token.is_none())
    }
}

impl IdentityProvider {
    /// The places that the person has named.
    pub fn places(&self) -> impl Iterator<Item = &Url> {
        let issuer = self.issuer.as_ref().map(|issuer| &issuer.url);
        issuer.into_iter().chain(&self.authorization_endpoint).chain(&self.token_endpoint)
    }
}

impl Grant {
    /// The value of `--grant`.
    pub fn name(&self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client-credentials",
            Grant::JwtBearer { .. } => "jwt-bearer",
            Grant::Enterprise(_) => "enterprise",
        }
    }

    /// The identifier of the MCP extension that it is, where there is one.
    pub fn extension(&self) -> Option<&'static str> {
        match self {
            Grant::ClientCredentials => Some("io.modelcontextprotocol/oauth-client-credentials"),
            Grant::Enterprise(_) => {
                Some("io.modelcontextprotocol/enterprise-managed-authorization")
            }
            // There is none yet.
            Grant::JwtBearer { .. } => None,
        }
    }
}

/// How to sign in to one server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to do at all.
    pub mode: Mode,
    /// The MCP endpoint.
    pub server: Url,
    /// What a person types for it, where that is a name of theirs.
    pub called: Option<String>,
    /// `--profile`.
    pub profile: String,
    /// Who we are at an authorization server. The secret of a given client is in
    /// [`Settings::client_secret`].
    pub identity: Identity,
    /// The secret of a given client.
    pub client_secret: Option<ClientSecret>,
    /// How a token is obtained without a person; none where a person signs in.
    pub unattended: Option<Unattended>,
    /// Whether it is about an id token of an identity provider.
    pub openid: Option<OpenId>,
    /// The file of an administrator that says so, if one does.
    pub managed: Option<PathBuf>,
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
    /// `--dpop`.
    pub dpop: Dpop,
    /// `--use-id-token`.
    pub use_id_token: bool,
    /// `--callback-url`, `--callback-bind`.
    pub callback: CallbackSettings,
    /// `--auth-success-url`: the page after a sign-in that went well, in the place of ours.
    pub success_url: Option<Url>,
    /// What is known about opening a browser; none with `--no-browser`.
    pub browser: Option<Environment>,
    /// `--device-code`: sign in with a code on another device in any case.
    pub device_code: bool,
    /// How long a person may take.
    pub auth_timeout: Duration,
}
