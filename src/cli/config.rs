//! `mcp-tether config`: the file with servers by name.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// Commands about the file with servers by name.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  mcp-tether config edit
  mcp-tether config list")]
pub enum ConfigCommand {
    /// See whether the file is as it should be, and which servers are in it
    ///
    /// Every mistake is said with its line and column, and the exit code is 1 if there is one.
    #[command(after_help = "\
Examples:
  mcp-tether config check
  mcp-tether config check ./config.toml --json | jq .problems")]
    Check(CheckFileArgs),
    /// The servers in the file, and where they are
    #[command(after_help = "\
Examples:
  mcp-tether config list
  mcp-tether config list --json | jq -r '.servers[].name'")]
    List(ListServersArgs),
    /// Open the file in $VISUAL or $EDITOR, and check it afterwards
    ///
    /// If there is none yet, it is made from a template, readable by you alone.
    #[command(after_help = "\
Examples:
  mcp-tether config edit
  VISUAL='code --wait' mcp-tether config edit")]
    Edit,
    /// Print where the file is, or would be
    #[command(after_help = "\
Examples:
  mcp-tether config path
  cat \"$(mcp-tether config path)\"")]
    Path,
    /// Print the JSON schema of the file, for editors
    #[command(after_help = "\
Examples:
  mcp-tether config schema > config.schema.json")]
    Schema,
}

/// Arguments of `mcp-tether config check`.
#[derive(Debug, Args)]
pub struct CheckFileArgs {
    /// Another file than the one that is used
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Arguments of `mcp-tether config list`.
#[derive(Debug, Args)]
pub struct ListServersArgs {
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl ConfigCommand {
    /// Whether what went wrong is to be said in JSON.
    pub fn json(&self) -> bool {
        match self {
            ConfigCommand::Check(args) => args.json,
            ConfigCommand::List(args) => args.json,
            ConfigCommand::Edit | ConfigCommand::Path | ConfigCommand::Schema => false,
        }
    }
}
