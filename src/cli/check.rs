//! `mcp-tether check`.

use clap::Args;

use super::{ConnectionArgs, LogArgs, SignInArgs};
use crate::limits;

/// Arguments of `mcp-tether check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-tether check https://mcp.example.com/mcp
  mcp-tether check https://mcp.example.com/mcp --json | jq .steps
  mcp-tether check https://mcp.example.com/mcp --quiet && echo it works

Exit codes: 0 it works, 1 usage, 3 authorization needed or refused, 4 unreachable,
5 the server answered with an error, 8 what it sent is not as the protocol wants it.")]
pub struct CheckArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Signing in.
    #[command(flatten)]
    pub sign_in: SignInArgs,

    /// One JSON object on stdout, and one line on stderr if something failed
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,

    /// Nothing on stdout; the exit code tells
    #[arg(short, long)]
    pub quiet: bool,

    /// How long all of it may take
    #[arg(long, value_name = "DURATION", default_value_t = format!("{}s", limits::CHECK_TIMEOUT.as_secs()))]
    pub timeout: String,

    /// Check again after this time, until Ctrl-C, and say what has changed
    #[arg(long, value_name = "DURATION", conflicts_with = "login")]
    pub watch: Option<String>,

    /// Sign in with the browser where that is needed; otherwise no browser is ever opened
    #[arg(long)]
    pub login: bool,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}
