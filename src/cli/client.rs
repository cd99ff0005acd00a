//! Commands that ask a server something, as a client of their own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{ConnectionArgs, LogArgs, SignInArgs};

/// Commands that ask a server something.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// What a server is and offers: capabilities, instructions, tools, resources, prompts
    ///
    /// Every list is fetched with all its pages. With --json it is one object with the members
    /// revision, era, transport, server (the result of initialize), and one for each list.
    #[command(after_help = "\
Examples:
  mcp-tether inspect https://mcp.example.com/mcp
  mcp-tether inspect https://mcp.example.com/mcp --json | jq .server")]
    Inspect(ClientArgs),
    /// List the tools of a server, with their arguments
    #[command(after_help = "\
Examples:
  mcp-tether tools https://mcp.example.com/mcp
  mcp-tether tools https://mcp.example.com/mcp search
  mcp-tether tools https://mcp.example.com/mcp --json | jq -r '.tools[].name'")]
    Tools(At<ListArgs>),
    /// List the resources of a server, and the templates for more
    #[command(after_help = "\
Examples:
  mcp-tether resources https://mcp.example.com/mcp
  mcp-tether resources https://mcp.example.com/mcp --json | jq .resources")]
    Resources(At<ListArgs>),
    /// List the prompts of a server, with their arguments
    #[command(after_help = "\
Examples:
  mcp-tether prompts https://mcp.example.com/mcp
  mcp-tether prompts https://mcp.example.com/mcp review --json")]
    Prompts(At<ListArgs>),
    /// Call a tool
    ///
    /// Its arguments are read as its schema wants them, and what does not fit is said before anything
    /// is called. A tool that says that it failed is exit code 5, with its result on stdout.
    #[command(after_help = "\
How arguments are written:
  name=value      as the tool's schema wants it: a number, a boolean, a text
  name:=json      JSON, byte for byte
  name=@FILE      a text from a file; name:=@FILE JSON from a file
  @FILE, -        all arguments as one JSON object, from a file or stdin

Examples:
  mcp-tether call https://mcp.example.com/mcp add a=1 b=2
  mcp-tether call https://mcp.example.com/mcp search filter:='{\"size\":[42]}'
  mcp-tether call https://mcp.example.com/mcp draw what='a cat' --save .
  mcp-tether call https://mcp.example.com/mcp add - --json < numbers.json")]
    Call(At<CallArgs>),
    /// Read a resource
    ///
    /// A single binary one goes into a pipe as it is; on a terminal it is only described.
    #[command(after_help = "\
Examples:
  mcp-tether read https://mcp.example.com/mcp file:///readme.md
  mcp-tether read https://mcp.example.com/mcp img://logo > logo.png")]
    Read(At<ReadArgs>),
    /// Get a prompt
    #[command(after_help = "\
Examples:
  mcp-tether prompt https://mcp.example.com/mcp review language=rust
  mcp-tether prompt https://mcp.example.com/mcp review code=@main.rs --json")]
    Prompt(At<PromptArgs>),
    /// Ask for completions of an argument
    #[command(after_help = "\
Examples:
  mcp-tether complete https://mcp.example.com/mcp --prompt review language=ru
  mcp-tether complete https://mcp.example.com/mcp \\
    --template 'repo://{owner}/{name}' name=te owner=me")]
    Complete(At<CompleteArgs>),
    /// Print the notifications of a server as they come
    ///
    /// One a line, until it is interrupted or one of the limits is reached.
    #[command(after_help = "\
Examples:
  mcp-tether listen https://mcp.example.com/mcp
  mcp-tether listen https://mcp.example.com/mcp --level debug --json
  mcp-tether listen https://mcp.example.com/mcp --subscribe file:///a --count 1")]
    Listen(At<ListenArgs>),
    /// Send one request, and print the reply alone
    ///
    /// It goes out after the handshake, as it is written. A method that begins with notifications/ gets
    /// no answer.
    #[command(after_help = "\
Examples:
  mcp-tether raw https://mcp.example.com/mcp tools/list
  mcp-tether raw https://mcp.example.com/mcp tools/call '{\"name\":\"now\"}'
  mcp-tether raw https://mcp.example.com/mcp tools/call @call.json --output raw")]
    Raw(At<RawArgs>),
    /// Measure how long a server takes to answer
    ///
    /// By ping, or by server/discover at a modern server, which knows no ping.
    #[command(after_help = "\
Examples:
  mcp-tether ping https://mcp.example.com/mcp
  mcp-tether ping https://mcp.example.com/mcp --count 100 --interval 50ms")]
    Ping(At<PingArgs>),
    /// Ask a server one thing after the other, interactively or from a script on stdin
    #[command(after_help = "\
Commands are those above without the URL, and begin with : where they are about the session itself;
:help lists them. Tab completes, Ctrl-C takes a running request back, Ctrl-D ends.

Examples:
  mcp-tether repl https://mcp.example.com/mcp
  printf 'add a=1 b=2\\nping\\n' | mcp-tether repl https://mcp.example.com/mcp")]
    Repl(ClientArgs),
}

/// What is asked, without where.
#[derive(Debug)]
pub enum Ask {
    /// Everything that a server says of itself.
    Inspect,
    /// Its tools.
    Tools(ListArgs),
    /// Its resources and templates.
    Resources(ListArgs),
    /// Its prompts.
    Prompts(ListArgs),
    /// A call of a tool.
    Call(CallArgs),
    /// A resource.
    Read(ReadArgs),
    /// A prompt.
    Prompt(PromptArgs),
    /// Completions.
    Complete(CompleteArgs),
    /// Notifications.
    Listen(ListenArgs),
    /// One request as it was typed.
    Raw(RawArgs),
    /// How long it takes to answer.
    Ping(PingArgs),
    /// One thing after the other.
    Repl,
}

/// A server, and what it is asked.
#[derive(Debug, Args)]
pub struct At<T: Args> {
    /// What all take.
    #[command(flatten)]
    pub client: ClientArgs,

    /// What is asked.
    #[command(flatten)]
    pub what: T,
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

/// `--images`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImagesArg {
    /// By what the terminal says of itself
    Auto,
    /// The kitty graphics protocol
    Kitty,
    /// The inline images of iTerm2
    Iterm,
    /// Not at all
    Never,
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

    /// Show pictures on the terminal: auto, if it says that it can; kitty, iterm or never
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value = "auto",
        help_heading = "Output",
        hide_possible_values = true
    )]
    pub images: ImagesArg,

    /// How long each request may take; by default 5m
    ///
    /// Set, it also limits the handshake, with signing in.
    #[arg(long, value_name = "DURATION", help_heading = "Limits")]
    pub timeout: Option<String>,

    /// A folder that the server may know of (repeatable); without one it is told of none
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Request", hide_short_help = true)]
    pub roots: Vec<PathBuf>,

    /// Answer what the server asks (sampling, elicitation, roots) from a JSON file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Request")]
    pub answers: Option<PathBuf>,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `mcp-tether tools`, `resources` and `prompts`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only the one of this name
    pub name: Option<String>,
}

/// Arguments of `mcp-tether call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The name of the tool
    pub tool: String,

    /// name=value, name:=json, name=@FILE, @FILE or -
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,

    /// Do not hold the arguments against the tool's schema
    #[arg(long, help_heading = "Request")]
    pub no_check: bool,

    /// Write images, audio and other binary contents to files in this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// Arguments of `mcp-tether read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// The URI of the resource
    pub uri: String,

    /// Write binary contents to files in this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// Arguments of `mcp-tether prompt`.
#[derive(Debug, Args)]
pub struct PromptArgs {
    /// The name of the prompt
    pub prompt: String,

    /// name=value, name=@FILE, @FILE or -
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,

    /// Do not hold the arguments against what the prompt declares
    #[arg(long, help_heading = "Request")]
    pub no_check: bool,

    /// Write images, audio and other binary contents to files in this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// Arguments of `mcp-tether complete`.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// The prompt whose argument it is
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "template",
        help_heading = "Request"
    )]
    pub prompt: Option<String>,

    /// The resource template whose variable it is
    #[arg(long, value_name = "URI TEMPLATE", conflicts_with = "prompt", help_heading = "Request")]
    pub template: Option<String>,

    /// The argument and the beginning of its value, as name=value; then others that are known
    #[arg(value_name = "NAME=VALUE", required = true)]
    pub arguments: Vec<String>,
}

/// Arguments of `mcp-tether listen`.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// Subscribe to a resource (repeatable)
    #[arg(long, value_name = "URI", help_heading = "Request")]
    pub subscribe: Vec<String>,

    /// Ask for log messages of this level and above
    #[arg(
        long,
        value_name = "LEVEL",
        value_parser = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"],
        help_heading = "Request"
    )]
    pub level: Option<String>,

    /// End after so many notifications
    #[arg(long, value_name = "NUMBER", help_heading = "Limits")]
    pub count: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "DURATION", help_heading = "Limits")]
    pub duration: Option<String>,
}

/// Arguments of `mcp-tether raw`.
#[derive(Debug, Args)]
pub struct RawArgs {
    /// The method; one that begins with notifications/ is sent without waiting for an answer
    pub method: String,

    /// The parameters: a JSON object, @FILE, or - for stdin
    #[arg(value_name = "JSON")]
    pub params: Option<String>,
}

/// Arguments of `mcp-tether ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// How many requests
    #[arg(long, value_name = "NUMBER", default_value_t = 4, help_heading = "Request", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,

    /// The time from one to the next
    #[arg(long, value_name = "DURATION", default_value = "1s", help_heading = "Request")]
    pub interval: String,
}

impl ClientCommand {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            ClientCommand::Inspect(_) => "inspect",
            ClientCommand::Tools(_) => "tools",
            ClientCommand::Resources(_) => "resources",
            ClientCommand::Prompts(_) => "prompts",
            ClientCommand::Call(_) => "call",
            ClientCommand::Read(_) => "read",
            ClientCommand::Prompt(_) => "prompt",
            ClientCommand::Complete(_) => "complete",
            ClientCommand::Listen(_) => "listen",
            ClientCommand::Raw(_) => "raw",
            ClientCommand::Ping(_) => "ping",
            ClientCommand::Repl(_) => "repl",
        }
    }

    /// The server, and what it is asked.
    pub fn into_parts(self) -> (ClientArgs, Ask) {
        match self {
            ClientCommand::Inspect(client) => (client, Ask::Inspect),
            ClientCommand::Tools(At { client, what }) => (client, Ask::Tools(what)),
            ClientCommand::Resources(At { client, what }) => (client, Ask::Resources(what)),
            ClientCommand::Prompts(At { client, what }) => (client, Ask::Prompts(what)),
            ClientCommand::Call(At { client, what }) => (client, Ask::Call(what)),
            ClientCommand::Read(At { client, what }) => (client, Ask::Read(what)),
            ClientCommand::Prompt(At { client, what }) => (client, Ask::Prompt(what)),
            ClientCommand::Complete(At { client, what }) => (client, Ask::Complete(what)),
            ClientCommand::Listen(At { client, what }) => (client, Ask::Listen(what)),
            ClientCommand::Raw(At { client, what }) => (client, Ask::Raw(what)),
            ClientCommand::Ping(At { client, what }) => (client, Ask::Ping(what)),
            ClientCommand::Repl(client) => (client, Ask::Repl),
        }
    }

    /// What all of them take.
    pub fn common(&self) -> &ClientArgs {
        match self {
            ClientCommand::Inspect(client) | ClientCommand::Repl(client) => client,
            ClientCommand::Tools(at)
            | ClientCommand::Resources(at)
            | ClientCommand::Prompts(at) => &at.client,
            ClientCommand::Call(at) => &at.client,
            ClientCommand::Read(at) => &at.client,
            ClientCommand::Prompt(at) => &at.client,
            ClientCommand::Complete(at) => &at.client,
            ClientCommand::Listen(at) => &at.client,
            ClientCommand::Raw(at) => &at.client,
            ClientCommand::Ping(at) => &at.client,
        }
    }

    /// The same, to be changed.
    pub fn common_mut(&mut self) -> &mut ClientArgs {
        match self {
            ClientCommand::Inspect(client) | ClientCommand::Repl(client) => client,
            ClientCommand::Tools(at)
            | ClientCommand::Resources(at)
            | ClientCommand::Prompts(at) => &mut at.client,
            ClientCommand::Call(at) => &mut at.client,
            ClientCommand::Read(at) => &mut at.client,
            ClientCommand::Prompt(at) => &mut at.client,
            ClientCommand::Complete(at) => &mut at.client,
            ClientCommand::Listen(at) => &mut at.client,
            ClientCommand::Raw(at) => &mut at.client,
            ClientCommand::Ping(at) => &mut at.client,
        }
    }
}
