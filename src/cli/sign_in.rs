//! Signing in, and the commands about it.

use clap::{Args, Subcommand, ValueEnum};

use super::{ConnectionArgs, LogArgs};

/// `--auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Open the browser when the server asks for authorization
    Interactive,
    /// Use and refresh what is stored; never open a browser
    Stored,
    /// No OAuth
    None,
}

/// `--store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreChoice {
    /// The keyring of the operating system, or a file where there is none
    Auto,
    /// The keyring or nothing
    Keyring,
    /// A file that only you can read
    File,
}

/// Which stored sign-in is meant.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Where credentials are kept
    #[arg(
        long,
        value_enum,
        value_name = "STORE",
        default_value = "auto",
        help_heading = "Sign-in"
    )]
    pub store: StoreChoice,

    /// Keeps several accounts on one server apart
    #[arg(long, value_name = "NAME", default_value = "default", help_heading = "Sign-in")]
    pub profile: String,
}

/// How to sign in.
#[derive(Debug, Args)]
pub struct SignInArgs {
    /// What to do when the server asks for authorization
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        default_value = "interactive",
        help_heading = "Sign-in"
    )]
    pub auth: AuthMode,

    /// Use OAuth although an Authorization header is configured
    #[arg(long, help_heading = "Sign-in")]
    pub oauth: bool,

    /// The id of a client that is registered at the authorization server
    #[arg(long, value_name = "ID", help_heading = "Sign-in")]
    pub client_id: Option<String>,

    /// Its secret, as env:NAME, file:PATH or keyring:NAME; also read from MCP_TETHER_CLIENT_SECRET
    #[arg(long, value_name = "REFERENCE", requires = "client_id", help_heading = "Sign-in")]
    pub client_secret: Option<String>,

    /// https URL of a Client ID Metadata Document, for servers that support them
    #[arg(long, value_name = "URL", help_heading = "Sign-in")]
    pub client_metadata_url: Option<String>,

    /// The name to register under at an authorization server
    #[arg(long, value_name = "NAME", default_value = "mcp-tether", help_heading = "Sign-in")]
    pub client_name: String,

    /// Scopes to ask for, separated by spaces, in place of what the server asks for
    #[arg(long, value_name = "SCOPES", help_heading = "Sign-in")]
    pub scope: Option<String>,

    /// The resource to ask for (RFC 8707), or "none" to name none; by default what the server says
    #[arg(long, value_name = "URI", help_heading = "Sign-in")]
    pub resource: Option<String>,

    /// A further parameter for the authorization request, as name=value (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Sign-in")]
    pub auth_param: Vec<String>,

    /// A further parameter for token requests, as name=value (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Sign-in")]
    pub token_param: Vec<String>,

    /// Accept an authorization server that does not say that it supports PKCE
    #[arg(long, help_heading = "Sign-in")]
    pub allow_missing_pkce_metadata: bool,

    /// Send the id token in place of the access token
    #[arg(long, help_heading = "Sign-in")]
    pub use_id_token: bool,

    /// The redirect URI, exactly as it is registered at the authorization server
    #[arg(long, value_name = "URL", help_heading = "Sign-in")]
    pub callback_url: Option<String>,

    /// The address to listen on for the callback, for containers; by default this machine only
    #[arg(long, value_name = "ADDRESS[:PORT]", help_heading = "Sign-in")]
    pub callback_bind: Option<String>,

    /// Only print the sign-in URL
    #[arg(long, help_heading = "Sign-in")]
    pub no_browser: bool,

    /// How long a person may take to sign in
    #[arg(long, value_name = "DURATION", default_value = "5m", help_heading = "Sign-in")]
    pub auth_timeout: String,

    /// Which stored sign-in.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Arguments of `mcp-tether login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to sign in.
    #[command(flatten)]
    pub sign_in: SignInArgs,

    /// Use and refresh what is stored; fail where a browser would be needed
    #[arg(long)]
    pub silent: bool,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `mcp-tether logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Every server and profile
    #[arg(long, conflicts_with = "url")]
    pub all: bool,

    /// Which stored sign-in.
    #[command(flatten)]
    pub store: StoreArgs,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `mcp-tether auth …`.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Issuer, client, scopes, expiry and store of each sign-in; never a secret
    Status(StatusArgs),
}

/// Arguments of `mcp-tether auth status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this server
    pub url: Option<String>,

    /// Only this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,

    /// Where credentials are kept
    #[arg(long, value_enum, value_name = "STORE", default_value = "auto")]
    pub store: StoreChoice,
}
