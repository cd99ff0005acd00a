//! What can be typed: clap types only, without behaviour. [`crate::config`] gives them meaning.
//!
//! * [`check`]: looking at a server.
//! * [`client`]: the commands that ask a server something.
//! * [`compat`]: the flags of other bridges, mapped to ours.
//! * [`config`]: the file with servers by name. [`named`]: what such a name takes the place of.
//! * [`connection`]: where to connect and how, the same for every command that connects.
//! * [`doctor`]: looking at this machine.
//! * [`aws`]: signing requests with AWS credentials.
//! * [`grant`]: signing in without a person.
//! * [`install`]: the configurations of clients.
//! * [`generated`]: what is made of these types: completions for shells, manual pages.
//! * [`mistakes`]: what is said when it cannot be read.
//! * [`secret`]: secrets by name.
//! * [`shape`]: what of a server a client gets to see.
//! * [`sign_in`]: signing in, and the commands about it.
//! * [`trace`]: reading traces.

pub mod aws;
pub mod check;
pub mod client;
pub mod compat;
pub mod config;
pub mod connection;
pub mod doctor;
pub mod generated;
pub mod grant;
pub mod install;
pub mod mistakes;
pub mod named;
pub mod secret;
pub mod shape;
pub mod sign_in;
pub mod trace;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};

pub use check::CheckArgs;
pub use client::ClientCommand;
pub use config::ConfigCommand;
pub use connection::{ConnectionArgs, ProtocolArg};
pub use doctor::DoctorArgs;
pub use install::{ClientsArgs, InstallArgs, MigrateArgs, UninstallArgs};
pub use secret::SecretCommand;
pub use sign_in::{AuthCommand, LoginArgs, LogoutArgs, SignInArgs};
pub use trace::TraceCommand;

use crate::limits;

/// A bridge between stdio MCP clients and remote MCP servers.
///
/// Reads JSON-RPC messages from stdin, one a line, relays each to the MCP endpoint at URL, and writes what
/// comes back to stdout. Errors and the log go to stderr. The commands below use the same options and
/// the same sign-in as the bridge.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    max_term_width = 100,
    after_help = "\
Examples:
  mcp-tether install https://mcp.example.com/mcp --client claude-desktop
  mcp-tether https://mcp.example.com/mcp
  mcp-tether https://mcp.example.com/mcp -H 'Authorization: Bearer ${TOKEN}'
  mcp-tether check https://mcp.example.com/mcp
  mcp-tether call https://mcp.example.com/mcp search query=shoes
  mcp-tether config edit && mcp-tether linear

In a client's configuration:
  { \"mcpServers\": { \"example\": {
      \"command\": \"mcp-tether\", \"args\": [\"https://mcp.example.com/mcp\"] } } }"
)]
pub struct Cli {
    /// A command, in place of the bridge.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The bridge's arguments.
    #[command(flatten)]
    pub bridge: BridgeArgs,
}

impl Cli {
    /// Whether what went wrong is to be said in JSON.
    pub fn json(&self) -> bool {
        match &self.command {
            Some(Command::Check(args)) => args.json,
            Some(Command::Doctor(args)) => args.json,
            Some(Command::Clients(args)) => args.json,
            Some(Command::Auth(AuthCommand::Status(args))) => args.json,
            Some(Command::Secret(SecretCommand::List(args))) => args.json,
            Some(Command::Config(command)) => command.json(),
            Some(Command::Client(command)) => {
                let args = command.common();
                args.json || args.output != client::OutputArg::Text
            }
            _ => false,
        }
    }
}

/// Commands other than the bridge.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a server into the configuration of a client
    ///
    /// The entry starts this program with the URL and the flags that are given here. Everything else in the file
    /// stays as it is, and what was there before is kept beside it. A secret is never written: name one that
    /// mcp-tether secret keeps.
    Install(Box<InstallArgs>),
    /// Take a server out of the configuration of a client
    Uninstall(UninstallArgs),
    /// Make entries of mcp-remote and mcp-stdio start mcp-tether instead
    ///
    /// In the configurations of all clients that are found, or in one. The difference is shown first, and each file
    /// asked about.
    Migrate(MigrateArgs),
    /// The remote servers in the configurations of all clients
    Clients(ClientsArgs),
    /// See whether a server works, step by step, and if not, why
    ///
    /// Goes the whole way once, as the bridge would: name, connection, TLS, HTTP, authorization, era,
    /// handshake, lists, stream, end of the session. Opens no browser without --login.
    Check(Box<CheckArgs>),
    /// See whether this machine has what is needed, and what the clients on it are set to
    Doctor(DoctorArgs),
    /// Sign in to a server in the browser, now
    ///
    /// Signs in even if there is a sign-in already, and makes sure that the server accepts the outcome.
    #[command(after_help = "\
Examples:
  mcp-tether login https://mcp.example.com/mcp
  mcp-tether login https://mcp.example.com/mcp --profile work
  mcp-tether login https://mcp.example.com/mcp --device-code
  mcp-tether login https://mcp.example.com/mcp --silent || echo not signed in")]
    Login(Box<LoginArgs>),
    /// Forget the sign-in to a server, and have its tokens revoked
    ///
    /// They are revoked where the authorization server offers that (RFC 7009), and deleted in any case.
    #[command(after_help = "\
Examples:
  mcp-tether logout https://mcp.example.com/mcp
  mcp-tether logout --all")]
    Logout(Box<LogoutArgs>),
    /// What is stored about sign-ins
    #[command(subcommand, after_help = "Examples:\n  mcp-tether auth status")]
    Auth(AuthCommand),
    /// Keep secrets under names, for --header, --client-secret and other flags
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Servers by name, with all that belongs to them, in one file
    ///
    /// A name from it can stand wherever a URL can: mcp-tether NAME, mcp-tether call NAME TOOL.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Read what --trace has written
    #[command(
        subcommand,
        after_help = "Examples:\n  mcp-tether trace show run.jsonl\n  mcp-tether trace report run.jsonl -o run.html"
    )]
    Trace(TraceCommand),
    /// Ask a server something.
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Print the script that makes a shell complete commands, flags and values
    #[command(after_help = "\
Examples:
  echo 'eval \"$(mcp-tether completions bash)\"' >> ~/.bashrc
  mcp-tether completions zsh > ~/.zfunc/_mcp-tether
  mcp-tether completions fish > ~/.config/fish/completions/mcp-tether.fish
  mcp-tether completions powershell | Out-String | Invoke-Expression
  mcp-tether completions elvish >> ~/.config/elvish/rc.elv

For zsh, in ~/.zshrc in front of compinit:
  fpath+=~/.zfunc")]
    Completions(generated::CompletionsArgs),
    /// Print the manual page, or write a page for each command
    #[command(after_help = "\
Examples:
  mcp-tether man | man -l -
  mcp-tether man --dir ~/.local/share/man/man1 && man mcp-tether-call")]
    Man(generated::ManArgs),
    /// Serve a small MCP server on loopback to try the bridge with
    ///
    /// At http://127.0.0.1:3917/mcp until Ctrl-C. Its tools have no effect outside its memory.
    #[command(after_help = "\
Examples:
  mcp-tether demo
  mcp-tether demo --try
  mcp-tether demo --port 0 --fault drop-streams --fault unavailable=3")]
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
}

/// Arguments of `mcp-tether demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = crate::demo::DEFAULT_PORT, help_heading = "Demo")]
    pub port: u16,
    /// Start the server, a bridge in front of it and a small client, show what they say, and end
    #[arg(long = "try", help_heading = "Demo")]
    pub try_out: bool,
    /// Misbehave on purpose (repeatable): drop-streams, close-streams, forget-sessions=N,
    /// unavailable=N, no-get, json-only
    ///
    /// drop-streams cuts every response stream once, close-streams closes each after its first event,
    /// forget-sessions=N forgets all sessions after every N requests, unavailable=N answers every Nth
    /// POST with 503, no-get has no standalone stream, json-only answers without streams.
    #[arg(long, value_name = "FAULT", help_heading = "Demo")]
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
    ///
    /// Clients give up on it sooner than a person signs in. Other requests wait for the sign-in.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "20s",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
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

    /// Ping the server after this time without a request, so that nobody ends the session; 30s without a value
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30s",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub keep_alive: Option<String>,

    /// What the client gets to see.
    #[command(flatten)]
    pub shape: shape::ShapeArgs,

    /// Say nothing on stderr but errors
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Logging")]
    pub quiet: bool,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The log, and the trace.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Say more on stderr; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    pub verbose: u8,

    /// Append the log to a file as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Logging")]
    pub log_file: Option<PathBuf>,

    /// Write every message and every HTTP exchange to a file, without secrets; see mcp-tether trace
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Logging")]
    pub trace: Option<PathBuf>,

    /// Size of the trace's two files together: FILE, and FILE.1 for what came before
    #[arg(long, value_name = "SIZE", default_value_t = format!("{}MiB", limits::TRACE_MAX_SIZE >> 20), help_heading = "Logging", hide_short_help = true)]
    pub trace_max_size: String,
}

/// Below every long help and in every manual page.
const EXIT_CODES: &str = "\
Exit codes:
  0      all requests are answered, or the command is done
  1      the command line is wrong, or something unexpected failed
  3      authorization is needed or was refused
  4      the server cannot be reached, or is in trouble (429, 5xx)
  5      the server or a tool of it answered with an error
  6      the bridge ended while requests were unanswered
  7      nobody reads stdout any more
  8      what the server sent is not as the protocol wants it
  128+n  ended by signal n";

/// What can be typed.
pub fn command() -> clap::Command {
    explained(Cli::command().bin_name("mcp-tether"))
}

/// The same command with all that its long help has.
fn explained(command: clap::Command) -> clap::Command {
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_long_help(format!("{below}\n\n{EXIT_CODES}")).mut_subcommands(explained)
}

/// The words with the flags of other bridges made ours. The first word is the program itself.
pub fn translated(words: &[OsString]) -> Vec<OsString> {
    compat::translated(words, &command())
}

/// What was typed. The first word is the program itself.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub fn parse(words: &[OsString]) -> Result<Cli, clap::Error> {
    if let Some(cli) = bridge_alone(words) {
        return Ok(cli);
    }
    let command = command();
    let words = &compat::translated(words, &command);
    if let Some(mistake) = mistakes::mistyped(&command, words) {
        return Err(mistake);
    }
    let mut cli = Cli::from_arg_matches(&command.try_get_matches_from(words)?)?;
    if let Some(Command::Install(args)) = &mut cli.command {
        words.clone_into(&mut args.words);
    }
    Ok(cli)
}

/// The bridge's flags whose value is the path of a file.
pub fn path_flags() -> Vec<String> {
    let is_path = |flag: &&clap::Arg| flag.get_value_hint() == ValueHint::FilePath;
    let command = Cli::command();
    let flags = command.get_arguments().filter(is_path).filter_map(clap::Arg::get_long);
    flags.map(|flag| format!("--{flag}")).collect()
}

/// What can be typed behind a URL.
#[derive(Parser)]
struct BridgeAlone {
    #[command(flatten)]
    bridge: BridgeArgs,
}

/// The bridge to a URL that comes first, if nothing is wrong: it runs for weeks, and need not begin by making the
/// tree of all commands. Whatever is wrong is for that tree to say.
fn bridge_alone(words: &[OsString]) -> Option<Cli> {
    words.get(1)?.to_str()?.split_once("://")?;
    let command = BridgeAlone::command();
    let words = compat::translated(words, &command);
    let matches = command.try_get_matches_from(words).ok()?;
    let BridgeAlone { bridge } = BridgeAlone::from_arg_matches(&matches).ok()?;
    Some(Cli { command: None, bridge })
}

/// The bridge's arguments among the words behind `mcp-tether` in a client's configuration.
///
/// # Errors
/// What is wrong with them, without a value.
pub fn bridge_arguments(words: &[String]) -> Result<BridgeArgs, String> {
    let words: Vec<OsString> = std::iter::once("mcp-tether")
        .chain(words.iter().map(String::as_str))
        .map(Into::into)
        .collect();
    let command = command();
    let words = compat::translated(&words, &command);
    match Cli::try_parse_from(words) {
        Ok(Cli { command: None, bridge }) => Ok(bridge),
        Ok(_) => Err("it starts another command than the bridge".into()),
        Err(error) => Err(mistakes::reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Under these flags are grouped.
    const HEADINGS: [&str; 9] = [
        "Connection",
        "Sign-in",
        "Request",
        "Filters",
        "Client",
        "Output",
        "Limits",
        "Logging",
        "Demo",
    ];

    /// Every command, with the words that it is called by.
    fn all(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let mut found = vec![(words.to_owned(), command.clone())];
        for command in command.get_subcommands() {
            found.extend(all(command, &format!("{words} {}", command.get_name())));
        }
        found
    }

    #[test]
    fn every_command_has_an_example() {
        for (words, command) in all(&command(), "mcp-tether") {
            let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) =
                below.split_once("Examples:\n").unwrap_or_else(|| panic!("{words}"));
            let examples = examples.split("\n\n").next().unwrap();
            // That of a command that has others is one of theirs.
            let called = if words == "mcp-tether" { "mcp-tether https://" } else { &words };
            assert!(examples.contains(called), "{words} is not in its examples:\n{examples}");
            for line in examples.lines() {
                assert!(line.starts_with("  ") && line.len() <= 80, "{words}: {line}");
            }
            let about = command.get_about().unwrap().to_string();
            assert!(!about.ends_with('.') && about.len() < 90, "{words}: {about}");
            let long = command.get_after_long_help().unwrap().to_string();
            assert!(long.starts_with(&below) && long.ends_with(EXIT_CODES), "{words}");
        }
    }

    #[test]
    fn every_flag_has_help_and_a_heading() {
        let mut seen = 0;
        for (words, command) in all(&command(), "mcp-tether") {
            for arg in command.get_arguments() {
                let name = format!("{words} {}", arg.get_id());
                let help = arg.get_help().unwrap_or_else(|| panic!("{name}")).to_string();
                assert!(!help.ends_with('.') && help.len() < 120, "{name}: {help}");
                let heading = arg.get_help_heading();
                if arg.is_positional() {
                    assert_eq!(heading, None, "{name}");
                } else {
                    assert!(heading.is_some_and(|heading| HEADINGS.contains(&heading)), "{name}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 300, "{seen}");
    }

    #[test]
    fn the_tree_is_sound() {
        command().debug_assert();
    }

    /// Who reads a client's configuration has to know which words are values.
    #[test]
    fn flags_with_a_value_are_known_to_the_reader_of_configurations() {
        let command = Cli::command();
        let mut typed: Vec<String> = Vec::new();
        for flag in command
            .get_arguments()
            .filter(|flag| flag.get_action().takes_values() && !flag.is_require_equals_set())
        {
            typed.extend(flag.get_long().map(|long| format!("--{long}")));
            typed.extend(flag.get_short().map(|short| format!("-{short}")));
        }
        typed.sort();
        assert_eq!(typed, crate::clients::arguments::OURS);
        assert_eq!(named::commands(), crate::clients::arguments::COMMANDS);
    }
}
