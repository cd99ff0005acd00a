//! What a person can ask for. The bridge is the default.

#[cfg(feature = "demo")]
mod tryout;

use std::io;
use std::path::PathBuf;

use crate::bridge;
#[cfg(feature = "demo")]
use crate::cli::Command;
use crate::cli::{BridgeArgs, Cli};
use crate::config::{Config, ConfigError};
use crate::error::ExitCode;
use crate::http::{Http, SetupError};
use crate::logging::{self, Log};
use crate::platform;
use crate::transport::Endpoint;

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
    /// The demo server.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
}

/// Does what was typed. The log, once started, is put into `log`, for the caller to end.
///
/// # Errors
/// Everything that keeps the command from starting; what happens later is its own to report.
pub async fn run(cli: Cli, log: &mut Option<Log>) -> Result<ExitCode, CommandError> {
    match cli.command {
        #[cfg(feature = "demo")]
        Some(Command::Demo(args)) => demo(args).await,
        #[cfg(not(feature = "demo"))]
        Some(command) => match command {},
        None => relay(&cli.bridge, log).await,
    }
}

async fn relay(args: &BridgeArgs, log: &mut Option<Log>) -> Result<ExitCode, CommandError> {
    let log_file = args.log_file.as_deref();
    let started = logging::start(args.verbose, log_file);
    *log = Some(started.map_err(|source| match log_file {
        Some(path) => CommandError::Log { path: path.into(), source },
        None => source.into(),
    })?);
    std::panic::set_hook(Box::new(|panic| {
        // Only where: the message could hold anything.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("internal error at {place}");
    }));
    let config = Config::resolve(args, &|name| std::env::var(name).ok())?;
    crate::http::client::install_crypto_provider();
    let http = Http::new(&config.connection, &config.url, config.redactor.clone())?;
    let endpoint = Endpoint::new(
        http,
        config.url,
        config.headers,
        config.bridge.max_message,
        config.redactor.clone(),
    );
    let output = platform::stdout()?;
    Ok(bridge::run(endpoint, config.bridge, config.redactor, io::stdin(), output).await?)
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
