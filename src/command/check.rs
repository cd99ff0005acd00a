//! `mcp-tether check`: whether the bridge would work, step by step, and if not, why.
//!
//! * [`report`]: what was found; as JSON it is described by docs/check.schema.json.
//! * [`walk`]: going through the steps. [`session`]: those behind the handshake.
//! * [`table`]: the report for people.
//! * [`entries`]: all servers in a client's configuration; [`summary`]: what was found, for people;
//!   [`board`]: how far it is.

mod board;
pub mod entries;
mod report;
mod session;
mod summary;
pub(super) mod table;
pub(super) mod walk;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tokio::time::{sleep, timeout};

use self::report::Report;
use super::outcome::tell;
use super::remote::{start_log, start_quiet_log, start_trace};
use super::{CommandError, say};
use crate::auth::settings::Mode;
use crate::bridge::Attached;
use crate::cli::check::CheckArgs;
use crate::config::{self, Config, Env};
use crate::error::ExitCode;
use crate::limits::DELETE_TIMEOUT;
use crate::logging::Log;
use crate::platform::{self, Signals};
use crate::secret::shown;
use crate::trace::Trace;

/// Goes through all steps and says what it found.
pub(super) async fn run(
    args: &CheckArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    if args.login {
        // The sign-in URL has to be seen.
        start_log(&args.log, false, log)?;
    } else {
        start_quiet_log(&args.log, log)?;
    }
    let limit = config::duration("--timeout", &args.timeout)?;
    if let Some(file) = &args.config {
        let trace = start_trace(&args.log, log, "check", "")?;
        return entries::run(args, file, env, limit, trace.as_ref()).await;
    }
    let every = args.watch.as_deref().map(|text| config::duration("--watch", text)).transpose()?;
    let mut signals = Signals::install()?;
    let server = config::server_url(args.connection.url.as_deref().unwrap_or_default(), true);
    let server = server.map_or_else(|_| String::new(), |url| shown(&url));
    let trace = start_trace(&args.log, log, "check", &server)?;
    let mut before = None;
    loop {
        let open = OnceLock::new();
        let report = tokio::select! {
            report = once(args, env, limit, trace.as_ref(), &open) => report?,
            signal = signals.recv() => {
                if let Some(bridge) = open.get() {
                    let _ = timeout(DELETE_TIMEOUT, bridge.end()).await;
                }
                return Ok(ExitCode::Signal(signal));
            }
        };
        show(args, env, &report, before.as_ref())?;
        let Some(every) = every else { return Ok(report.exit_code()) };
        before = Some(report);
        tokio::select! {
            () = sleep(every) => {}
            signal = signals.recv() => return Ok(ExitCode::Signal(signal)),
        }
    }
}

/// One check.
async fn once(
    args: &CheckArgs,
    env: Env<'_>,
    limit: Duration,
    trace: Option<&Trace>,
    open: &OnceLock<Attached>,
) -> Result<Report, CommandError> {
    let mut config = Config::of_command(&args.connection, &args.sign_in, env)?;
    config.target.record(trace);
    let mode = &mut config.target.sign_in.settings.mode;
    if *mode == Mode::Interactive && !args.login {
        *mode = Mode::Stored;
    }
    let proxied = walk::is_proxied(&config.target.url, env);
    walk::walk(config, limit, args.login, proxied, open).await
}

/// Says what was found; after an earlier check only what has changed since.
fn show(
    args: &CheckArgs,
    env: Env<'_>,
    report: &Report,
    before: Option<&Report>,
) -> Result<(), CommandError> {
    let changes = before.map(|before| report.changes(before));
    if args.quiet || changes.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    if args.json {
        say(&report.json().to_string())?;
        if let Some(failure) = report.failure() {
            tell(failure.kind.name(), failure, report.exit_code(), true);
        }
        return Ok(());
    }
    if let Some(changes) = changes {
        let now = httpdate::fmt_http_date(SystemTime::now());
        for step in changes {
            say(&format!("{now}  {}: {}, {}", step.name, step.verdict.name(), step.detail))?;
        }
        return Ok(());
    }
    let Shape { width, colour } = Shape::of_stdout(env);
    Ok(say(&table::text(report, width, colour))?)
}

/// How text for people is laid out.
pub(super) struct Shape {
    pub width: usize,
    pub colour: bool,
}

impl Shape {
    pub(super) fn of_stdout(env: Env<'_>) -> Shape {
        let terminal =
            platform::stdout_is_terminal().then(|| platform::terminal_width().unwrap_or(80));
        let width = env("COLUMNS").and_then(|columns| columns.parse().ok());
        let plain = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = terminal.is_some() && !plain && env("TERM").as_deref() != Some("dumb");
        Shape { width: width.or(terminal).unwrap_or(80), colour }
    }
}
