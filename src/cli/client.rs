//! Commands that ask a server something, as a client of their own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConnectionArgs, LogArgs, SignInArgs};

/// Commands that ask a server something.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// What a server is and offers: capabilities, instructions, tools, resources, prompts
    #[command(after_help = "Example:\n  mcp-tether inspect https://mcp.example.com/mcp")]
    Inspect(InspectArgs),
    /// List the tools of a server, with their arguments
    #[command(after_help = "Examples:
  mcp-tether tools https://mcp.example.com/mcp
  mcp-tether tools https://mcp.example.com/mcp search --json | jq '.tools[].inputSchema'")]
    Tools(ListArgs),
    /// List the resources of a server, and the templates for more
    Resources(ListArgs),
    /// List the prompts of a server, with their arguments
    Prompts(ListArgs),
    /// Call a tool
    #[command(after_help = "\
Arguments:
  name=value      as the tool's schema wants it: a number, a boolean, a text
  name:=json      JSON, byte for byte
  name=@FILE      a text from a file; name:=@FILE JSON from a file
  @FILE, -        all arguments as one JSON object, from a file or stdin

Examples:
  mcp-tether call https://mcp.example.com/mcp add a=1 b=2
  mcp-tether call https://mcp.example.com/mcp search query='red shoes' filter:='{\"size\":[42]}'
  echo '{\"query\":\"shoes\"}' | mcp-tether call https://mcp.example.com/mcp search - --json")]
    Call(CallArgs),
    /// Read a resource
    #[command(after_help = "Examples:
  mcp-tether read https://mcp.example.com/mcp file:///readme.md
  mcp-tether read https://mcp.example.com/mcp img://logo > logo.png")]
    Read(ReadArgs),
    /// Get a prompt
    #[command(
        after_help = "Example:\n  mcp-tether prompt https://mcp.example.com/mcp review language=rust"
    )]
    Prompt(PromptArgs),
    /// Ask for completions of an argument
    #[command(after_help = "Examples:
  mcp-tether complete https://mcp.example.com/mcp --prompt review language=ru
  mcp-tether complete https://mcp.example.com/mcp --template 'repo://{owner}/{name}' name=te owner=me")]
    Complete(CompleteArgs),
    /// Print the notifications of a server as they come
    #[command(after_help = "Examples:
  mcp-tether listen https://mcp.example.com/mcp
  mcp-tether listen https://mcp.example.com/mcp --subscribe file:///log --count 1")]
    Listen(ListenArgs),
    /// Send one request, and print the reply alone
    #[command(after_help = "Examples:
  mcp-tether raw https://mcp.example.com/mcp tools/list
  mcp-tether raw https://mcp.example.com/mcp tools/call '{\"name\":\"add\",\"arguments\":{\"a\":1}}'")]
    Raw(RawArgs),
    /// Measure how long a server takes to answer
    #[command(after_help = "Example:\n  mcp-tether ping https://mcp.example.com/mcp --count 10")]
    Ping(PingArgs),
}

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputArg {
    /// For people
    Text,
    /// The result, as the server sent it
    Json,
    /// The whole JSON-RPC response
    Raw,
}

/// What all of these commands take.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Signing in.
    #[command(flatten)]
    pub sign_in: SignInArgs,

    /// What is printed
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "text",
        help_heading = "Output",
        conflicts_with = "json"
    )]
    pub output: OutputArg,

    /// The same as --output json
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// How long each request may take, the first one with signing in; by default 5m for a request
    #[arg(long, value_name = "DURATION", help_heading = "Connection")]
    pub timeout: Option<String>,

    /// A folder that the server may know of (repeatable); without one it is told of none
    #[arg(long, value_name = "FOLDER", help_heading = "Connection")]
    pub roots: Vec<PathBuf>,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `mcp-tether inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `mcp-tether tools`, `resources` and `prompts`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// Only the one of this name
    pub name: Option<String>,
}

/// Arguments of `mcp-tether call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// The name of the tool
    pub tool: String,

    /// name=value, name:=json, name=@FILE, @FILE or -
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,

    /// Do not hold the arguments against the tool's schema
    #[arg(long)]
    pub no_check: bool,

    /// Write images, audio and other binary contents to files in this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// Arguments of `mcp-tether read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// The URI of the resource
    pub uri: String,

    /// Write binary contents to files in this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// Arguments of `mcp-tether prompt`.
#[derive(Debug, Args)]
pub struct PromptArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// The name of the prompt
    pub prompt: String,

    /// name=value, name=@FILE, @FILE or -
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,

    /// Do not hold the arguments against what the prompt declares
    #[arg(long)]
    pub no_check: bool,

    /// Write images, audio and other binary contents to files in this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// Arguments of `mcp-tether complete`.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// The prompt whose argument it is
    #[arg(long, value_name = "NAME", required_unless_present = "template")]
    pub prompt: Option<String>,

    /// The resource template whose variable it is
    #[arg(long, value_name = "URI TEMPLATE", conflicts_with = "prompt")]
    pub template: Option<String>,

    /// The argument and the beginning of its value, as name=value; then others that are known
    #[arg(value_name = "NAME=VALUE", required = true)]
    pub arguments: Vec<String>,
}

/// Arguments of `mcp-tether listen`.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// Subscribe to a resource (repeatable)
    #[arg(long, value_name = "URI")]
    pub subscribe: Vec<String>,

    /// Ask for log messages of this level and above
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<String>,

    /// End after so many notifications
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "DURATION")]
    pub duration: Option<String>,
}

/// Arguments of `mcp-tether raw`.
#[derive(Debug, Args)]
pub struct RawArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// The method; one that begins with notifications/ is sent without waiting for an answer
    pub method: String,

    /// The parameters: a JSON object, @FILE, or - for stdin
    #[arg(value_name = "JSON")]
    pub params: Option<String>,
}

/// Arguments of `mcp-tether ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// How many requests
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,

    /// The time from one to the next
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub interval: String,
}

impl ClientCommand {
    /// What all of them take.
    pub fn common(&self) -> &ClientArgs {
        match self {
            ClientCommand::Inspect(args) => &args.client,
            ClientCommand::Tools(args)
            | ClientCommand::Resources(args)
            | ClientCommand::Prompts(args) => &args.client,
            ClientCommand::Call(args) => &args.client,
            ClientCommand::Read(args) => &args.client,
            ClientCommand::Prompt(args) => &args.client,
            ClientCommand::Complete(args) => &args.client,
            ClientCommand::Listen(args) => &args.client,
            ClientCommand::Raw(args) => &args.client,
            ClientCommand::Ping(args) => &args.client,
        }
    }
}
