//! What a person can ask for. The bridge is the default.
//!
//! * `check`: whether a server works.
//! * `client`: asking a server something; `arguments`: of a tool, from words; `text`: for people.
//! * `login`, `logout`, `status`: signing in and out.
//! * `tryout`: the demo's round trip.
//! * `remote`: what commands share that speak with one server; `peer`: a small MCP client.
//! * `outcome`: exit codes, and what is said when something failed.

mod arguments;
mod check;
mod client;
mod login;
mod logout;
pub mod outcome;
pub mod peer;
mod remote;
mod status;
mod text;
#[cfg(feature = "demo")]
mod tryout;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use self::remote::{Remote, start_log};
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
use crate::store::{Choice, Store, StoreError};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates, keys, trusted roots.
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
    /// The operating system.
    #[error("the operating system refused: {0}")]
    System(#[from] io::Error),
    /// The credential store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nowhere to keep anything.
    #[error("there is no folder for credentials; set HOME or MCP_TETHER_HOME")]
    NoHome,
    /// The demo server.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
}

/// Does what was typed, from the runtime to the end of the log. What goes wrong is said on stderr.
///
/// Everything asynchronous is behind this, in this crate: a crate that only polls a future gets a
/// copy of all the code in it.
#[inline(never)]
pub fn enter(cli: Cli) -> ExitCode {
    let mut log = None;
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
    let code = outcome.unwrap_or_else(|error| {
        // There is nobody to tell that this cannot be printed.
        let _ = writeln!(io::stderr(), "mcp-tether: {error}");
        ExitCode::Usage
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
        Some(Command::Check(args)) => check::run(&args, &env, log).await,
        Some(Command::Login(args)) => login::run(&args, &env, log).await,
        Some(Command::Logout(args)) => logout::run(&args, &env, log).await,
        Some(Command::Auth(AuthCommand::Status(args))) => status::run(&args, &env).await,
        Some(Command::Client(command)) => client::run(&command, &env, log).await,
        None => relay(&cli.bridge, &env, log).await,
    }
}

async fn relay(
    args: &BridgeArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, log)?;
    let Config { target, bridge } = Config::resolve(args, env)?;
    let redactor = target.redactor.clone();
    let remote = Remote::new(target, bridge.max_message, KEYRING_TIMEOUT)?;
    let server = remote.authorizer.name().0.to_owned();
    let verdict = Verdict::new(bridge.protocol, remote.cache.clone(), server);
    let access = Access::new(remote.authorizer, remote.cache);
    let (input, output) = (io::stdin(), platform::stdout()?);
    Ok(bridge::run(remote.endpoint, access, verdict, bridge, redactor, input, output).await?)
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
