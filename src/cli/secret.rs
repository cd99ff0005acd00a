//! Secrets by name.

use clap::{Args, Subcommand};

use super::sign_in::StoreChoice;

/// `mcp-tether secret …`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  mcp-tether secret set api-key
  mcp-tether https://mcp.example.com/mcp -H 'X-Api-Key: keyring:api-key'")]
pub enum SecretCommand {
    /// Keep a secret, which is read from stdin
    ///
    /// On a terminal it is asked for and not shown. It never stands on a command line, where everybody on the
    /// machine could read it.
    #[command(after_help = "\
Examples:
  mcp-tether secret set api-key
  op read op://vault/mcp/token | mcp-tether secret set token --store file")]
    Set(SetArgs),
    /// The names of the secrets that are kept
    #[command(after_help = "\
Examples:
  mcp-tether secret list
  mcp-tether secret list --json | jq -r '.secrets[].name'")]
    List(ListArgs),
    /// Forget a secret
    #[command(after_help = "\
Examples:
  mcp-tether secret rm api-key")]
    Rm(RmArgs),
}

/// Which store.
#[derive(Debug, Args)]
pub struct SecretStoreArgs {
    /// Where it is kept
    #[arg(
        long,
        value_enum,
        value_name = "STORE",
        default_value = "auto",
        help_heading = "Sign-in"
    )]
    pub store: StoreChoice,
}

/// Arguments of `mcp-tether secret set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// What it is called behind keyring:
    pub name: String,

    /// Which store.
    #[command(flatten)]
    pub store: SecretStoreArgs,
}

/// Arguments of `mcp-tether secret list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Arguments of `mcp-tether secret rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// What it is called
    pub name: String,

    /// Which store.
    #[command(flatten)]
    pub store: SecretStoreArgs,
}
