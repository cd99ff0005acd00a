//! Where to connect and how.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `--transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Streamable HTTP, or HTTP+SSE where the server refuses that
    Auto,
    /// Streamable HTTP
    Http,
    /// The deprecated HTTP+SSE of 2024-11-05
    Sse,
}

/// Arguments of every command that connects to a server.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    /// The MCP endpoint to connect to (https, or http on this machine)
    #[arg(required = true)]
    pub url: Option<String>,

    /// A header for every request, as "Name: value" or "Name:value" (repeatable). ${VARIABLE} is
    /// replaced by that environment variable
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = "Connection")]
    pub header: Vec<String>,

    /// How the server is spoken to
    #[arg(
        long,
        value_enum,
        value_name = "TRANSPORT",
        default_value = "auto",
        help_heading = "Connection"
    )]
    pub transport: Transport,

    /// Allow http:// to other machines: everything is readable on the way
    #[arg(long, help_heading = "Connection")]
    pub allow_http: bool,

    /// Which revisions the server speaks: those that keep a session (legacy, up to 2025-11-25), the
    /// stateless ones (modern, from 2026-07-28), or whichever it says when it is asked
    #[arg(long, value_enum, default_value_t = ProtocolArg::Auto, help_heading = "Connection")]
    pub protocol: ProtocolArg,

    /// Limit for establishing a connection, TLS included
    #[arg(long, value_name = "DURATION", default_value = "10s", help_heading = "Connection")]
    pub connect_timeout: String,

    /// Connect by IPv4 only
    #[arg(long, help_heading = "Connection")]
    pub ipv4: bool,

    /// Do not keep cookies that the server sets
    #[arg(long, help_heading = "Connection")]
    pub no_cookies: bool,

    /// PEM file with further trusted certificate authorities (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca_cert: Vec<PathBuf>,

    /// PEM file with a client certificate, for servers that ask for one
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub client_cert: Option<PathBuf>,

    /// PEM file with its private key; may be left out if it is in the same file
    #[arg(long, value_name = "FILE", requires = "client_cert", help_heading = "Connection")]
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
