//! Where to connect and how.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// `--transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Streamable HTTP, or HTTP+SSE where the server refuses that
    #[value(alias = "http-first")]
    Auto,
    /// Streamable HTTP
    #[value(aliases = ["http-only", "streamable-http"])]
    Http,
    /// The deprecated HTTP+SSE of 2024-11-05
    #[value(alias = "sse-only")]
    Sse,
    /// HTTP+SSE, or Streamable HTTP where the server refuses that
    SseFirst,
}

/// Arguments of every command that connects to a server.
#[derive(Clone, Debug, Args)]
pub struct ConnectionArgs {
    /// The MCP endpoint to connect to (https, or http on this machine), or its name in mcp-tether config
    #[arg(required = true, value_hint = ValueHint::Url)]
    pub url: Option<String>,

    /// The name that stood for it, if it was one of our configuration file.
    #[arg(skip)]
    pub called: Option<String>,

    /// A header for every request, as "Name: value" (repeatable)
    ///
    /// "Name:value" means the same and survives clients that split arguments at spaces. ${VARIABLE} is
    /// replaced by that environment variable, so that a secret need not stand on the command line. For
    /// the same reason the value may be env:VARIABLE, file:PATH or keyring:NAME (see mcp-tether secret),
    /// behind "Bearer " or another scheme in an Authorization header; literal:VALUE is taken as it is.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = "Connection")]
    pub header: Vec<String>,

    /// A file with such headers, one a line; # begins a comment (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Connection", hide_short_help = true)]
    pub header_file: Vec<PathBuf>,

    /// A command that prints headers for every request, as lines "Name: value" or a JSON object
    ///
    /// It is run without a shell before the first request, and once more when the server answers 401. There is
    /// no OAuth then, unless --oauth is given.
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, help_heading = "Connection")]
    pub header_command: Option<String>,

    /// How long what it prints is good for; without it until the server answers 401
    #[arg(
        long,
        value_name = "DURATION",
        requires = "header_command",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub header_command_ttl: Option<String>,

    /// How the server is spoken to
    #[arg(
        long,
        value_enum,
        value_name = "TRANSPORT",
        default_value = "auto",
        help_heading = "Connection"
    )]
    pub transport: Transport,

    /// Allow http:// to other machines; everything is readable on the way
    #[arg(long, help_heading = "Connection")]
    pub allow_http: bool,

    /// The era of the server
    ///
    /// Legacy servers keep a session (revisions up to 2025-11-25), modern ones do not (from
    /// 2026-07-28). By default the server is asked, and what it says is kept for the next time.
    #[arg(long, value_enum, value_name = "ERA", default_value_t = ProtocolArg::Auto, help_heading = "Connection")]
    pub protocol: ProtocolArg,

    /// Limit for establishing a connection, TLS included
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub connect_timeout: String,

    /// Connect by IPv4 only
    #[arg(long, help_heading = "Connection", hide_short_help = true)]
    pub ipv4: bool,

    /// Do not keep cookies that the server sets
    #[arg(long, help_heading = "Connection", hide_short_help = true)]
    pub no_cookies: bool,

    /// PEM file with further trusted certificate authorities (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Connection", hide_short_help = true)]
    pub ca_cert: Vec<PathBuf>,

    /// PEM file with a client certificate, for servers that ask for one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Connection", hide_short_help = true)]
    pub client_cert: Option<PathBuf>,

    /// PEM file with its private key; may be left out if it is in the same file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "client_cert", help_heading = "Connection", hide_short_help = true)]
    pub client_key: Option<PathBuf>,
}

/// What `--protocol` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// The server is asked.
    #[default]
    Auto,
    /// 2025-11-25 and earlier.
    Legacy,
    /// 2026-07-28 and later.
    Modern,
}
