//! What a person can ask for. The bridge is the default.
//!
//! * `check`: whether a server works. `entry`: from a client's configuration to what is checked.
//! * `client`: asking a server something; `arguments`: of a tool, from words; `text`: for people.
//! * `repl`: asking one thing after the other.
//! * `config`: the file with servers by name. `typed`: such a name in place of a URL.
//! * `doctor`: whether this machine has what is needed.
//! * `login`, `logout`, `status`: signing in and out. `import`: the sign-ins of other bridges.
//!   `secret`: secrets by name.
//! * `install`: the configurations of clients.
//! * `generate`: completions for shells, manual pages.
//! * `trace`: reading traces.
//! * `tryout`: the demo's round trip.
//! * `remote`: what commands share that speak with one server; `peer`: a small MCP client.
//! * `outcome`: exit codes, and what is said when something failed.

mod arguments;
mod check;
mod client;
mod config;
mod doctor;
mod entry;
mod generate;
mod import;
mod install;
mod login;
mod logout;
pub mod outcome;
pub mod peer;
mod remote;
mod repl;
mod secret;
mod status;
mod text;
mod trace;
#[cfg(feature = "demo")]
mod tryout;
pub mod typed;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use self::remote::{Remote, start_log, start_trace};
use crate::bridge;
use crate::bridge::access::Access;
use crate::bridge::verdict::Verdict;
use crate::cli::{AuthCommand, BridgeArgs, Cli, Command};
use crate::config::{Config, ConfigError, Env, Places};
use crate::error::ExitCode;
use crate::http::SetupError;
use crate::limits::{FLUSH_TIMEOUT, KEYRING_TIMEOUT};
use crate::logging::Log;
use crate::platform;
use crate::secret::shown;
use crate::stdio::Streams;
use crate::store::{Choice, Store, StoreError};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates and keys.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The log file.
    #[error("--log-file: cannot write {}: {source}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The trace.
    #[error("--trace: cannot write {}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A manual page.
    #[error("--dir: cannot write {}: {source}", path.display())]
    Page {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system.
    #[error("the operating system refused: {0}")]
    System(#[from] io::Error),
    /// The credential store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret by name.
    #[error(transparent)]
    Secret(#[from] secret::SecretError),
    /// There is nowhere to keep anything.
    #[error("there is no folder for credentials; set HOME or MCP_TETHER_HOME")]
    NoHome,
    /// A client's configuration.
    #[error(transparent)]
    Entries(#[from] check::entries::EntriesError),
    /// A client's configuration that is to be changed.
    #[error(transparent)]
    Install(#[from] install::InstallError),
    /// Our own file.
    #[error(transparent)]
    ConfigFile(#[from] config::ConfigFileError),
    /// A trace that is read.
    #[error(transparent)]
    ReadTrace(#[from] trace::TraceError),
    /// The demo server.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
}

/// The first thing to be done, before a secret is read.
pub fn protect() {
    platform::memory::protect();
}

/// Does what was typed, from the runtime to the end of the log. What goes wrong is said on stderr.
///
/// Everything asynchronous is behind this, in this crate: a crate that only polls a future gets a
/// copy of all the code in it.
#[inline(never)]
pub fn enter(typed: typed::Typed) -> ExitCode {
    let typed::Typed { cli, origin } = typed;
    let mut log = None;
    let json = cli.json();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::from)
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(cli, &mut log));
            // A name look-up may be under way on a thread that cannot be stopped.
            runtime.shutdown_background();
            outcome
        });
    let code = outcome.unwrap_or_else(|error| match error {
        CommandError::System(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::OutputClosed
        }
        CommandError::System(_) | CommandError::Store(_) => {
            outcome::refuse("system", &error.to_string(), json)
        }
        error => outcome::refuse("usage", &origin.explain(&error.to_string()), json),
    });
    if let Some(log) = log {
        log.end(FLUSH_TIMEOUT);
    }
    code
}

/// Does what was typed. The log, once started, is put into `log`, for the caller to end.
///
/// # Errors
/// Everything that keeps the command from starting; what happens later is its own to report.
async fn run(cli: Cli, log: &mut Option<Log>) -> Result<ExitCode, CommandError> {
    let env = |name: &str| std::env::var(name).ok();
    match cli.command {
        #[cfg(feature = "demo")]
        Some(Command::Demo(args)) => demo(args).await,
        Some(Command::Install(args)) => install::run(&args, &env),
        Some(Command::Uninstall(args)) => install::take_out(&args, &env),
        Some(Command::Migrate(args)) => install::migrate::run(&args, &env),
        Some(Command::Clients(args)) => install::listing::run(&args, &env),
        Some(Command::Check(args)) => check::run(&args, &env, log).await,
        Some(Command::Doctor(args)) => doctor::run(&args, &env).await,
        Some(Command::Login(args)) => login::run(&args, &env, log).await,
        Some(Command::Logout(args)) => logout::run(&args, &env, log).await,
        Some(Command::Auth(AuthCommand::Status(args))) => status::run(&args, &env).await,
        Some(Command::Auth(AuthCommand::Import(args))) => import::run(&args, &env, log).await,
        Some(Command::Secret(command)) => secret::run(&command, &env).await,
        Some(Command::Config(command)) => config::run(&command, &env),
        Some(Command::Trace(command)) => trace::run(&command, &env).await,
        Some(Command::Client(command)) => client::run(*command, &env, log).await,
        Some(Command::Completions(args)) => generate::completions(&args),
        Some(Command::Man(args)) => generate::man(&args),
        None => relay(&cli.bridge, &env, log).await,
    }
}

async fn relay(
    args: &BridgeArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, args.quiet, log)?;
    let Config { mut target, bridge, shape } = Config::resolve(args, env)?;
    let trace = start_trace(&args.log, log, "bridge", &shown(&target.url))?;
    target.record(trace.as_ref());
    let tap = target.tap.clone();
    let redactor = target.redactor.clone();
    let remote = Remote::new(target, bridge.max_message, KEYRING_TIMEOUT)?;
    let server = remote.authorizer.name().0.to_owned();
    let verdict = Verdict::new(bridge.protocol, remote.cache.clone(), server);
    let access = Access::new(remote.authorizer, remote.supplier, remote.cache);
    let output = platform::stdout()?;
    let streams = Streams {
        input: io::stdin(),
        arriving: platform::at_once::stdin(),
        output,
        at_once: platform::at_once::stdout(),
        tap,
    };
    Ok(bridge::run(remote.endpoint, access, verdict, bridge, shape, redactor, streams).await?)
}

/// One line for the person or script that gave the command. Only commands do so, never the bridge.
fn say(text: &str) -> io::Result<()> {
    let mut stdout = platform::stdout()?;
    stdout.write_all(format!("{text}\n").as_bytes())?;
    stdout.flush()
}

fn stores(
    places: Option<Places>,
    choice: Choice,
    patience: Duration,
) -> Result<Store, CommandError> {
    let places = places.ok_or(CommandError::NoHome)?;
    Ok(Store::new(places, choice, patience))
}

#[cfg(feature = "demo")]
async fn demo(args: crate::cli::DemoArgs) -> Result<ExitCode, CommandError> {
    let options = crate::demo::DemoOptions { port: args.port, faults: args.fault };
    if args.try_out {
        return tryout::run(crate::demo::DemoOptions { port: 0, ..options }).await;
    }
    crate::demo::run(options, |_| {}).await?;
    Ok(ExitCode::Success)
}
