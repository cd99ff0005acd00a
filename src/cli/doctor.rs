//! `mcp-tether doctor`.

use clap::Args;

use crate::limits;

/// Arguments of `mcp-tether doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-tether doctor
  mcp-tether doctor https://mcp.example.com/mcp
  mcp-tether doctor --json | jq '.findings[] | select(.verdict == \"problem\")'

The exit code is 1 if there is a problem.")]
pub struct DoctorArgs {
    /// A server whose clock is compared with this machine's; without one nothing is connected to
    pub url: Option<String>,

    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// How long that server may take
    #[arg(long, value_name = "DURATION", help_heading = "Limits", default_value_t = format!("{}s", limits::DOCTOR_TIMEOUT.as_secs()))]
    pub timeout: String,
}
