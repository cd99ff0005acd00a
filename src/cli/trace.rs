//! `mcp-tether trace`: reading what `--trace` has written.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Commands that read a trace.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Show a trace on the terminal, a block for each message and exchange
    #[command(after_help = "Examples:
  mcp-tether trace show run.jsonl --bodies none
  mcp-tether trace show run.jsonl --errors
  mcp-tether trace show run.jsonl --method 'tools/*' --only http --full
  mcp-tether trace show run.jsonl --follow
  mcp-tether trace show run.jsonl --exchange 3 --json | jq .")]
    Show(Box<ShowArgs>),
    /// Write an HTTP exchange as a curl command, with placeholders for secrets
    #[command(after_help = "\
Examples:
  mcp-tether trace curl run.jsonl 3
  export TOKEN=fake-token; mcp-tether trace curl run.jsonl 3 | sh")]
    Curl(CurlArgs),
    /// Export the HTTP exchanges as HAR 1.2, for a browser's network panel
    #[command(after_help = "Examples:\n  mcp-tether trace har run.jsonl -o run.har")]
    Har(ExportArgs),
    /// Write one self-contained HTML page: timeline, latencies, errors, search
    #[command(after_help = "Examples:\n  mcp-tether trace report run.jsonl -o report.html")]
    Report(ExportArgs),
}

/// Arguments of `mcp-tether trace show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The trace; - is stdin
    pub file: PathBuf,

    /// Only what is about this JSON-RPC method (* and ? stand for others)
    #[arg(long, value_name = "METHOD", help_heading = "Filters")]
    pub method: Option<String>,
    /// Only what went wrong, and the requests that it answers
    #[arg(long, help_heading = "Filters")]
    pub errors: bool,
    /// Only the HTTP exchange with this number
    #[arg(long, value_name = "N", help_heading = "Filters")]
    pub exchange: Option<u64>,
    /// Only what is about the request with this JSON-RPC id
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    pub id: Option<String>,
    /// Only these kinds (repeatable)
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', help_heading = "Filters")]
    pub only: Vec<KindArg>,
    /// Only from this time after the beginning, such as 1.5 or 2m
    #[arg(long, value_name = "DURATION", help_heading = "Filters")]
    pub since: Option<String>,
    /// Only up to this time after the beginning
    #[arg(long, value_name = "DURATION", help_heading = "Filters")]
    pub until: Option<String>,
    /// Only what contains this text, in either case
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    pub grep: Option<String>,

    /// How much of headers and bodies is shown: none (a line each), short or full
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value = "short",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub bodies: BodiesArg,
    /// The same as --bodies full
    #[arg(long, conflicts_with = "bodies", help_heading = "Output")]
    pub full: bool,
    /// Go on as more is written, also into a new file, until Ctrl-C
    #[arg(short, long, help_heading = "Output")]
    pub follow: bool,
    /// The records as they are, a line each
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// `--only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// HTTP exchanges
    Http,
    /// Messages between the client and the bridge
    Stdio,
    /// What the bridge said
    Notes,
    /// Signing in
    Auth,
}

/// `--bodies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BodiesArg {
    /// A line for each block
    None,
    /// The beginning
    Short,
    /// All of it
    Full,
}

/// Arguments of `mcp-tether trace curl`.
#[derive(Debug, Args)]
pub struct CurlArgs {
    /// The trace; - is stdin
    pub file: PathBuf,
    /// The number of the exchange, as `trace show` has it
    #[arg(value_name = "N")]
    pub exchange: u64,
}

/// Arguments of `mcp-tether trace har` and `trace report`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The trace; - is stdin
    pub file: PathBuf,
    /// Where to write it, instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
}
