//! What of a server a client gets to see.

use clap::Args;

/// Arguments of the bridge.
#[derive(Clone, Debug, Default, Args)]
pub struct ShapeArgs {
    /// Show only tools whose name fits this pattern, such as "get_*" (repeatable)
    ///
    /// All others are in no list, and calls of them are refused without asking the server.
    #[arg(long, value_name = "PATTERN", help_heading = "Filters", hide_short_help = true)]
    pub allow_tool: Vec<String>,

    /// Hide tools whose name fits this pattern, in upper or lower case (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Filters")]
    pub deny_tool: Vec<String>,

    /// Hide tools that do not say of themselves that they change nothing
    ///
    /// What counts is readOnlyHint among a tool's annotations, which is the server's word.
    #[arg(long, help_heading = "Filters")]
    pub read_only: bool,

    /// The name by which the server introduces itself to the client
    #[arg(long, value_name = "NAME", help_heading = "Filters", hide_short_help = true)]
    pub rename_server: Option<String>,

    /// Put lists together that come in pages, for clients that read the first page only
    #[arg(long, help_heading = "Filters", hide_short_help = true)]
    pub merge_pages: bool,
}
