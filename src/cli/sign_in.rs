//! Signing in, and the commands about it.

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::aws::AwsArgs;
use super::grant::GrantArgs;
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

/// `--dpop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DpopChoice {
    /// Where the server or its authorization server offers or demands it
    Auto,
    /// Refuse tokens that are not bound
    Always,
    /// Do not ask for it
    Never,
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
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Where credentials are kept
    #[arg(
        long,
        value_enum,
        value_name = "STORE",
        default_value = "auto",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub store: StoreChoice,

    /// Keeps several accounts on one server apart
    #[arg(long, value_name = "NAME", default_value = "default", help_heading = "Sign-in")]
    pub profile: String,
}

/// How to sign in.
#[derive(Clone, Debug, Args)]
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
    ///
    /// Without it a refusal is reported as that header being refused.
    #[arg(long, help_heading = "Sign-in", hide_short_help = true)]
    pub oauth: bool,

    /// The id of a client that is registered at the authorization server
    #[arg(long, value_name = "ID", help_heading = "Sign-in")]
    pub client_id: Option<String>,

    /// Its secret, as env:NAME, file:PATH or keyring:NAME
    ///
    /// Never the secret itself, which the list of processes would show to everybody on the machine.
    /// MCP_TETHER_CLIENT_SECRET is read as well.
    #[arg(long, value_name = "REFERENCE", requires = "client_id", help_heading = "Sign-in")]
    pub client_secret: Option<String>,

    /// Both as JSON, or as a file with it (RFC 7591, section 3.2.1)
    ///
    /// client_id, client_secret and token_endpoint_auth_method count; ${NAME} in them stands for an environment
    /// variable. A secret that is typed here can be read by everybody on the machine.
    #[arg(
        long,
        value_name = "JSON|@FILE",
        conflicts_with_all = ["client_id", "client_secret"],
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub client_info: Option<String>,

    /// Members of the request to register a client, as JSON or as a file with it (RFC 7591, section 2)
    ///
    /// They go before ours, but for redirect_uris. scope is asked for too, where there is no --scope, and
    /// token_endpoint_auth_method also holds for a client that is given.
    #[arg(long, value_name = "JSON|@FILE", help_heading = "Sign-in", hide_short_help = true)]
    pub client_metadata: Option<String>,

    /// https URL of a Client ID Metadata Document, for servers that support them
    #[arg(long, value_name = "URL", help_heading = "Sign-in", hide_short_help = true)]
    pub client_metadata_url: Option<String>,

    /// The name to register under at an authorization server
    #[arg(
        long,
        value_name = "NAME",
        default_value = "mcp-tether",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub client_name: String,

    /// Scopes to ask for, separated by spaces
    ///
    /// By default those that the server asks for, else those that its metadata lists, else none.
    #[arg(long, value_name = "SCOPES", help_heading = "Sign-in")]
    pub scope: Option<String>,

    /// The resource to ask for (RFC 8707), or "none" to name none; by default what the server says
    #[arg(long, value_name = "URI", help_heading = "Sign-in", hide_short_help = true)]
    pub resource: Option<String>,

    /// A further parameter for the authorization request, as name=value (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Sign-in", hide_short_help = true)]
    pub auth_param: Vec<String>,

    /// A further parameter for token requests, as name=value (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Sign-in", hide_short_help = true)]
    pub token_param: Vec<String>,

    /// Accept an authorization server that does not say that it supports PKCE
    ///
    /// One that says that it does not is always refused.
    #[arg(long, help_heading = "Sign-in", hide_short_help = true)]
    pub allow_missing_pkce_metadata: bool,

    /// Bind tokens to a key of this machine (DPoP, RFC 9449), so that nobody else can use them
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub dpop: DpopChoice,

    /// Send the id token in place of the access token
    #[arg(long, help_heading = "Sign-in", hide_short_help = true)]
    pub use_id_token: bool,

    /// The redirect URI, exactly as it is registered at the authorization server
    ///
    /// The port 0 stands for any that is free.
    #[arg(long, value_name = "URL", help_heading = "Sign-in", hide_short_help = true)]
    pub callback_url: Option<String>,

    /// The address to listen on for the callback, for containers; by default this machine only
    #[arg(long, value_name = "ADDRESS[:PORT]", help_heading = "Sign-in", hide_short_help = true)]
    pub callback_bind: Option<String>,

    /// The page that the browser is sent to after a sign-in that went well, in the place of ours
    ///
    /// https, or http on this machine or with --allow-http, without user, query and fragment. It is asked for
    /// as it is, with nothing of the sign-in behind it.
    #[arg(long, value_name = "URL", help_heading = "Sign-in", hide_short_help = true)]
    pub auth_success_url: Option<String>,

    /// Sign in with a code that is entered in any browser, on any device (RFC 8628)
    ///
    /// Done without being asked for where no browser can be opened and the authorization server offers
    /// it.
    #[arg(long, help_heading = "Sign-in")]
    pub device_code: bool,

    /// Only print the sign-in URL
    ///
    /// It is printed to stderr in any case. BROWSER names what opens it otherwise. On a terminal, login
    /// also takes the address that the browser ends up at, for a browser on another machine.
    #[arg(long, help_heading = "Sign-in")]
    pub no_browser: bool,

    /// How long a person may take to sign in
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub auth_timeout: String,

    /// Without a person.
    #[command(flatten)]
    pub grant: GrantArgs,

    /// Without OAuth.
    #[command(flatten)]
    pub aws: AwsArgs,

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
    #[arg(long, help_heading = "Sign-in")]
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
    #[arg(long, conflicts_with = "url", help_heading = "Sign-in")]
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
    #[command(after_help = "\
Examples:
  mcp-tether auth status
  mcp-tether auth status https://mcp.example.com/mcp --json | jq .signIns")]
    Status(StatusArgs),
    /// Take over sign-ins of mcp-remote and mcp-stdio, so that nobody has to sign in again
    ///
    /// Looks for the sign-in to URL, or with --all for those to the servers that the clients on this machine name,
    /// in ~/.mcp-auth (MCP_REMOTE_CONFIG_DIR) and ~/.config/mcp-stdio. Give the flags that the other bridge has,
    /// because mcp-remote tells its sign-ins apart by them. Nothing is deleted there.
    #[command(after_help = "\
Examples:
  mcp-tether auth import https://mcp.example.com/mcp
  mcp-tether auth import https://mcp.example.com/mcp --header 'X-Tenant: blue'
  mcp-tether auth import --all --yes")]
    Import(Box<ImportArgs>),
}

/// Arguments of `mcp-tether auth import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to sign in.
    #[command(flatten)]
    pub sign_in: SignInArgs,

    /// Every server that a client on this machine names, or that mcp-stdio has signed in to
    #[arg(long, conflicts_with = "url", help_heading = "Sign-in")]
    pub all: bool,

    /// Do not ask
    #[arg(short, long, help_heading = "Sign-in")]
    pub yes: bool,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `mcp-tether auth status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this server
    #[arg(value_hint = ValueHint::Url)]
    pub url: Option<String>,

    /// Only this profile
    #[arg(long, value_name = "NAME", help_heading = "Sign-in")]
    pub profile: Option<String>,

    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Where credentials are kept
    #[arg(
        long,
        value_enum,
        value_name = "STORE",
        default_value = "auto",
        help_heading = "Sign-in"
    )]
    pub store: StoreChoice,
}
