//! The configurations of clients.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use super::BridgeArgs;

/// The clients whose configurations are known.
pub const CLIENT_IDS: [&str; 20] = [
    "amp",
    "claude-code",
    "claude-desktop",
    "cline",
    "codex",
    "continue",
    "copilot-cli",
    "cursor",
    "gemini",
    "goose",
    "jetbrains",
    "junie",
    "kiro",
    "lm-studio",
    "opencode",
    "roo-code",
    "vscode",
    "warp",
    "windsurf",
    "zed",
];

/// Arguments of `mcp-tether install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-tether install https://mcp.example.com/mcp --client claude-desktop
  mcp-tether install https://mcp.example.com/mcp --client cursor --project
  mcp-tether install https://mcp.example.com/mcp --client codex --name work \\
    -H 'Authorization: Bearer keyring:work-token'
  mcp-tether install https://mcp.example.com/mcp --client zed --dry-run
  mcp-tether install linear --client cursor")]
pub struct InstallArgs {
    /// The bridge's own arguments, which go into the entry.
    #[command(flatten)]
    pub bridge: BridgeArgs,

    /// Which file.
    #[command(flatten)]
    pub place: PlaceArgs,

    /// What the entry is called; by default after the server's host
    #[arg(long, value_name = "NAME", help_heading = "Client")]
    pub name: Option<String>,

    /// Replace an entry of that name, and make a file for a client that does not seem to be here
    #[arg(long, help_heading = "Client")]
    pub force: bool,

    /// Only print the entry, to be pasted
    #[arg(long, conflicts_with_all = ["dry_run", "force"], help_heading = "Output")]
    pub print: bool,

    /// Only show what would change
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,

    /// All words, as they were read.
    #[arg(skip)]
    pub words: Vec<OsString>,

    /// The same as they were typed, if the name of a server is among them: of what stands in our own file nothing
    /// goes into another.
    #[arg(skip)]
    pub typed: Option<Vec<OsString>>,
}

/// Arguments of `mcp-tether uninstall`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-tether uninstall example --client cursor
  mcp-tether uninstall example --client vscode --project --dry-run")]
pub struct UninstallArgs {
    /// What the entry is called
    pub name: String,

    /// Which file.
    #[command(flatten)]
    pub place: PlaceArgs,

    /// Take it out even if it does not start mcp-tether
    #[arg(long, help_heading = "Client")]
    pub force: bool,

    /// Only show what would change
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
}

/// Which file of which client.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The client
    #[arg(long, value_name = "CLIENT", value_parser = PossibleValuesParser::new(CLIENT_IDS), help_heading = "Client")]
    pub client: String,

    /// Its file for the project in this folder, rather than the one for you
    #[arg(long, help_heading = "Client")]
    pub project: bool,
}

/// Arguments of `mcp-tether migrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-tether migrate
  mcp-tether migrate --client claude-desktop --dry-run
  mcp-tether migrate --config ~/.cursor/mcp.json --yes")]
pub struct MigrateArgs {
    /// The files of this client only
    #[arg(long, value_name = "CLIENT", value_parser = PossibleValuesParser::new(CLIENT_IDS), help_heading = "Client")]
    pub client: Option<String>,

    /// This file only
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "client", help_heading = "Client")]
    pub config: Option<PathBuf>,

    /// Do not ask
    #[arg(short, long, help_heading = "Client")]
    pub yes: bool,

    /// Only show what would change
    #[arg(long, conflicts_with = "yes", help_heading = "Output")]
    pub dry_run: bool,
}

/// Arguments of `mcp-tether clients`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-tether clients
  mcp-tether clients --json | jq -r '.servers[].url' | sort -u")]
pub struct ClientsArgs {
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
