//! What can be typed: clap types only, without behaviour. [`crate::config`] gives them meaning.
//!
//! * [`check`]: looking at a server.
//! * [`client`]: the commands that ask a server something.
//! * [`connection`]: where to connect and how, the same for every command that connects.
//! * [`sign_in`]: signing in, and the commands about it.

pub mod check;
pub mod client;
pub mod connection;
pub mod sign_in;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

pub use check::CheckArgs;
pub use client::ClientCommand;
pub use connection::{ConnectionArgs, ProtocolArg};
pub use sign_in::{AuthCommand, LoginArgs, LogoutArgs, SignInArgs};

use crate::limits;

/// A bridge between stdio MCP clients and remote MCP servers.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    max_term_width = 100,
    after_help = "\
Examples:
  mcp-tether https://mcp.example.com/mcp
  mcp-tether https://mcp.example.com/mcp --header 'Authorization: Bearer ${TOKEN}'

In a client's configuration:
  { \"mcpServers\": { \"example\": { \"command\": \"mcp-tether\", \"args\": [\"https://mcp.example.com/mcp\"] } } }

From a shell:
  mcp-tether inspect https://mcp.example.com/mcp
  mcp-tether call https://mcp.example.com/mcp search query=shoes

Exit codes: 0 all answered or done, 1 usage, 3 authorization needed or refused, 4 unreachable,
5 the server or a tool answered with an error, 6 requests left unanswered by the server, 7 stdout
closed, 8 the server breaks the protocol, 128+n ended by a signal."
)]
pub struct Cli {
    /// A command, in place of the bridge.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The bridge's arguments.
    #[command(flatten)]
    pub bridge: BridgeArgs,
}

/// Commands other than the bridge.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See whether a server works, step by step, and if not, why
    Check(Box<CheckArgs>),
    /// Sign in to a server in the browser, now
    Login(Box<LoginArgs>),
    /// Forget the sign-in to a server; its tokens are revoked where the server offers that
    Logout(LogoutArgs),
    /// What is stored about sign-ins
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Ask a server something.
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Serve a small MCP server on loopback to try the bridge with
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
}

/// Arguments of `mcp-tether demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = crate::demo::DEFAULT_PORT)]
    pub port: u16,
    /// Start the server, a bridge in front of it and a small client, show what they say, and end
    #[arg(long = "try")]
    pub try_out: bool,
    /// Misbehave on purpose (repeatable): drop-streams, close-streams, forget-sessions=N,
    /// unavailable=N, no-get, json-only
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<crate::demo::Fault>,
}

/// Arguments of the bridge.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// Where to connect and how.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Signing in.
    #[command(flatten)]
    pub sign_in: SignInArgs,

    /// How long initialize may wait for a sign-in before we answer it for the server
    #[arg(long, value_name = "DURATION", default_value = "20s", help_heading = "Sign-in")]
    pub initialize_deadline: String,

    /// Largest message in either direction, in bytes, KiB, MiB or GiB
    #[arg(long, value_name = "SIZE", default_value_t = format!("{}MiB", limits::MAX_MESSAGE_SIZE >> 20), help_heading = "Limits")]
    pub max_message_size: String,

    /// How long requests in flight may take after stdin has ended
    #[arg(long, value_name = "DURATION", default_value = "5s", help_heading = "Limits")]
    pub drain_timeout: String,

    /// How long a response stream that is being resumed may make no progress
    #[arg(long, value_name = "DURATION", default_value = "5m", help_heading = "Limits")]
    pub resume_timeout: String,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The log.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Say more on stderr; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    pub verbose: u8,

    /// Append the log to a file as well
    #[arg(long, value_name = "FILE", help_heading = "Logging")]
    pub log_file: Option<PathBuf>,
}

/// What is wrong with the arguments, for stderr. Values are left out: a client that splits arguments
/// at spaces makes an argument of what was meant to be a secret.
pub fn explain(error: &clap::Error) -> String {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) if text.starts_with('-') || text.starts_with('<') => {
            let end = text.find('=').unwrap_or(text.len());
            Some(text[..end].to_owned())
        }
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let mut text = error.kind().as_str().unwrap_or("the arguments are wrong").to_owned();
    if let Some(name) = named(ContextKind::InvalidArg) {
        text = format!("{text}: {name}");
    }
    format!(
        "mcp-tether: {text}\nA header is one argument, for example --header Name:value. \
         For all options see mcp-tether --help."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_flags_and_show_no_values() {
        for (args, shown) in [
            (
                &["--header", "Authorization:", "Bearer", "fake-secret", "https://h.example/"][..],
                "argument",
            ),
            (&["https://h.example/", "--fake-flag=fake-secret"], "--fake-flag"),
            (&["https://h.example/", "--client-key", "fake-secret"], "--client-cert"),
            (&[], "<URL>"),
            (&["demo", "--port", "fake-secret"], "--port"),
        ] {
            let error = Cli::try_parse_from([&["mcp-tether"], args].concat()).unwrap_err();
            let text = explain(&error);
            assert!(text.contains(shown) && !text.contains("fake-secret"), "{text}");
        }
    }
}
