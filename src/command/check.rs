//! `mcp-tether check`: whether the bridge would work, step by step, and if not, why.
//!
//! * [`report`]: what was found; as JSON it is described by docs/check.schema.json.
//! * [`walk`]: going through the steps. [`session`]: those behind the handshake.
//! * [`table`]: the report for people.

mod report;
mod session;
mod table;
mod walk;

use std::sync::OnceLock;

use tokio::time::timeout;

use super::outcome::tell;
use super::remote::{start_log, start_quiet_log};
use super::{CommandError, say};
use crate::auth::settings::Mode;
use crate::cli::check::CheckArgs;
use crate::config::{self, Config, Env};
use crate::error::ExitCode;
use crate::limits::DELETE_TIMEOUT;
use crate::logging::Log;
use crate::platform::{self, Signals};

/// Goes through all steps and says what it found.
pub(super) async fn run(
    args: &CheckArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    if args.login {
        // The sign-in URL has to be seen.
        start_log(&args.log, log)?;
    } else {
        start_quiet_log(&args.log, log)?;
    }
    let mut config = Config::of_command(&args.connection, &args.sign_in, env)?;
    let limit = config::duration("--timeout", &args.timeout)?;
    let mode = &mut config.target.sign_in.settings.mode;
    if *mode == Mode::Interactive && !args.login {
        *mode = Mode::Stored;
    }
    let proxied = walk::is_proxied(&config.target.url, env);
    let mut signals = Signals::install()?;
    let open = OnceLock::new();
    let report = tokio::select! {
        report = walk::walk(config, limit, args.login, proxied, &open) => report?,
        signal = signals.recv() => {
            if let Some(bridge) = open.get() {
                let _ = timeout(DELETE_TIMEOUT, bridge.end()).await;
            }
            return Ok(ExitCode::Signal(signal));
        }
    };
    let code = report.exit_code();
    if args.json {
        say(&report.json().to_string())?;
        if let Some(failure) = report.failure() {
            tell(failure.kind.name(), failure, code, true);
        }
    } else if !args.quiet {
        let terminal = platform::terminal_width();
        let width = env("COLUMNS").and_then(|columns| columns.parse().ok());
        let width = width.or(terminal).unwrap_or(80);
        let plain = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = terminal.is_some() && !plain && env("TERM").as_deref() != Some("dumb");
        say(&table::text(&report, width, colour))?;
    }
    Ok(code)
}
