//! `mcp-tether check`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{ConnectionArgs, LogArgs, SignInArgs};
use crate::limits;

/// Arguments of `mcp-tether check`.
#[derive(Debug, Args)]
#[command(
    override_usage = "mcp-tether check [OPTIONS] <URL>\n       mcp-tether check [OPTIONS] --config <FILE>",
    after_help = "\
Examples:
  mcp-tether check https://mcp.example.com/mcp
  mcp-tether check https://mcp.example.com/mcp --json | jq .steps
  mcp-tether check https://mcp.example.com/mcp --quiet && echo it works
  mcp-tether check --config ~/.cursor/mcp.json
  mcp-tether check --config .vscode/mcp.json --server linear --json
  mcp-tether check https://mcp.example.com/mcp --watch 30s

With --config, the exit code is that of the servers that do not work: the first
of 1, 4, 3, 8, 5."
)]
pub struct CheckArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Signing in.
    #[command(flatten)]
    pub sign_in: SignInArgs,

    /// Check every remote server in this configuration file of a client, side by side
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = "Connection",
        conflicts_with_all = ["url", "header", "watch", "login"]
    )]
    pub config: Option<PathBuf>,

    /// Only the server of this name in the file (repeatable)
    #[arg(
        long,
        value_name = "NAME",
        requires = "config",
        conflicts_with = "url",
        help_heading = "Connection"
    )]
    pub server: Vec<String>,

    /// One JSON object on stdout, and one line on stderr if something failed
    #[arg(long, conflicts_with = "quiet", help_heading = "Output")]
    pub json: bool,

    /// Nothing on stdout; the exit code tells
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    /// How long all of it may take; with --config, each server
    ///
    /// Ending the session may take 0.4 s more; the time for a --login does not count.
    #[arg(long, value_name = "DURATION", help_heading = "Limits", default_value_t = format!("{}s", limits::CHECK_TIMEOUT.as_secs()))]
    pub timeout: String,

    /// Check again after this time, until Ctrl-C, and say what has changed
    #[arg(long, value_name = "DURATION", conflicts_with = "login", help_heading = "Output")]
    pub watch: Option<String>,

    /// Sign in with the browser where that is needed; otherwise no browser is ever opened
    #[arg(long, help_heading = "Sign-in")]
    pub login: bool,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}
