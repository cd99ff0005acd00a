//! `mcp-tether check --config FILE`: every remote server in a client's configuration, side by side.
//!
//! Each has a redactor, a report and a time limit of its own, so that one can neither show the secrets
//! of another nor keep it waiting.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::board::Board;
use super::report::{Report, milliseconds};
use super::{Shape, summary, walk};
use crate::bridge::Attached;
use crate::cli::check::CheckArgs;
use crate::clients::places::owner;
use crate::clients::{BridgeKind, Client, FileError, Kind, Server, load};
use crate::command::entry::{self, Trouble};
use crate::command::{CommandError, outcome, say};
use crate::config::Env;
use crate::error::{ExitCode, Failure, FailureKind};
use crate::json;
use crate::limits::{CHECKS_AT_ONCE, DELETE_TIMEOUT};
use crate::order;
use crate::platform::Signals;
use crate::secret::{harmless, shown};
use crate::trace::Trace;

/// Why a file cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// It cannot be read.
    #[error("--config {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: FileError,
    },
    /// It is another kind of file.
    #[error("--config {}: there are no MCP servers in it; is it a client's configuration?", path.display())]
    NoServers {
        /// The file.
        path: PathBuf,
    },
    /// There is no such server.
    #[error("--server {name}: there is no such server in {}; it has {known}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

/// What became of one server of the file.
pub(super) struct Checked {
    /// Its name, harmless to show.
    pub name: String,
    /// The folder that it is for.
    pub project: Option<String>,
    /// What it is: `mcp-tether`, `mcp-remote`, `mcp-stdio`, `http`, `sse` or `stdio`.
    pub kind: &'static str,
    /// How it ended.
    pub end: End,
    /// What of the entry was left out of account.
    pub notes: Vec<String>,
}

/// How the check of one server ended.
pub(super) enum End {
    /// It was checked.
    Report(Box<Report>),
    /// The entry leads nowhere.
    Trouble(Failure),
    /// It was not to be checked.
    Skipped(String),
}

/// All servers of a file.
pub(super) struct Checks {
    /// The file, as it was typed.
    pub file: String,
    /// Whose it is.
    pub client: Option<&'static Client>,
    /// In the order of the file.
    pub servers: Vec<Checked>,
    /// How long it took.
    pub took: Duration,
}

/// Checks them and says what it found.
pub(super) async fn run(
    args: &CheckArgs,
    path: &Path,
    env: Env<'_>,
    limit: Duration,
    trace: Option<&Trace>,
) -> Result<ExitCode, CommandError> {
    let client = owner(path);
    let servers = chosen(path, client, &args.server)?;
    let mut signals = Signals::install()?;
    let open: Vec<OnceLock<Attached>> = servers.iter().map(|_| OnceLock::new()).collect();
    let started = Instant::now();
    let board = Board::new(servers.len(), !args.quiet);
    let checks = servers.iter().zip(&open).enumerate().map(|(number, (server, open))| {
        let board = &board;
        async move {
            board.begin(number, &harmless(&server.name));
            let checked = one(args, server, env, limit, trace, open).await;
            board.end(number);
            (number, checked)
        }
    });
    let all = stream::iter(checks).buffer_unordered(CHECKS_AT_ONCE).collect::<Vec<_>>();
    let mut checked = tokio::select! {
        checked = all => checked,
        signal = signals.recv() => {
            let ends = open.iter().filter_map(OnceLock::get).map(Attached::end);
            let _ = timeout(DELETE_TIMEOUT, join_all(ends)).await;
            return Ok(ExitCode::Signal(signal));
        }
    };
    drop(board);
    order::sort_by_key(&mut checked, |(number, _)| *number);
    let checked = checked.into_iter().map(|(_, checked)| checked).collect();
    let file = harmless(&path.display().to_string());
    let checks = Checks { file, client, servers: checked, took: started.elapsed() };
    show(args, env, &checks)?;
    Ok(checks.exit_code())
}

/// The servers that are meant: all remote ones, or those of these names.
fn chosen(
    path: &Path,
    client: Option<&'static Client>,
    names: &[String],
) -> Result<Vec<Server>, EntriesError> {
    let path = || path.to_owned();
    let found = load(&path(), client)
        .map_err(|reason| EntriesError::Unreadable { path: path(), reason })?
        .ok_or_else(|| EntriesError::NoServers { path: path() })?;
    for name in names {
        if !found.iter().any(|server| server.name == *name) {
            let mut known: Vec<_> = found.iter().map(|server| harmless(&server.name)).collect();
            known.dedup();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(EntriesError::Unknown { path: path(), name: harmless(name), known });
        }
    }
    let wanted = |server: &Server| {
        if names.is_empty() {
            !matches!(server.kind, Kind::Local(_))
        } else {
            names.contains(&server.name)
        }
    };
    Ok(found.into_iter().filter(wanted).collect())
}

async fn one(
    args: &CheckArgs,
    server: &Server,
    env: Env<'_>,
    limit: Duration,
    trace: Option<&Trace>,
    open: &OnceLock<Attached>,
) -> Checked {
    let mut notes = Vec::new();
    let end = match (&server.kind, server.disabled) {
        (Kind::Local(launched), _) => {
            let program = harmless(&launched.program);
            End::Skipped(format!(
                "{program} is started on this machine; only remote servers are checked"
            ))
        }
        // Who names it wants to know.
        (_, true) if args.server.is_empty() => End::Skipped("it is switched off".to_owned()),
        _ => match entry::resolve(server, &args.connection, &args.sign_in, env) {
            Err(Trouble { cause, next, .. }) => End::Trouble(usage(&cause, &next)),
            Ok(mut ready) => {
                notes = ready.notes;
                ready.config.target.record(trace);
                let url = ready.config.target.url.clone();
                let proxied = walk::is_proxied(&url, env);
                match walk::walk(ready.config, limit, false, proxied, open).await {
                    Ok(mut report) => {
                        if !is_ours(server) && report.exit_code() == ExitCode::Unauthorized {
                            // Its own sign-in is not ours to see.
                            let next = format!(
                                "sign in with mcp-tether login {} to see more, unless the client \
                                 is signed in itself",
                                shown(&url)
                            );
                            report.advise(&next);
                        }
                        End::Report(Box::new(report))
                    }
                    Err(error) => {
                        End::Trouble(usage(&error.to_string(), "correct the configuration file"))
                    }
                }
            }
        },
    };
    let name = harmless(&server.name);
    let project = server.project.as_deref().map(harmless);
    Checked { name, project, kind: server.kind_name(), end, notes }
}

fn is_ours(server: &Server) -> bool {
    matches!(&server.kind, Kind::Bridge(bridge) if bridge.kind == BridgeKind::Ours)
}

fn usage(cause: &str, next: &str) -> Failure {
    let text = if cause.contains("; ") { cause.to_owned() } else { format!("{cause}; {next}") };
    Failure::new(FailureKind::Internal, harmless(&text))
}

fn show(args: &CheckArgs, env: Env<'_>, checks: &Checks) -> Result<(), CommandError> {
    if args.quiet {
        return Ok(());
    }
    if !args.json {
        let Shape { width, colour } = Shape::of_stdout(env);
        return Ok(say(&summary::text(checks, width, colour))?);
    }
    say(&checks.json().to_string())?;
    if let Some(worst) = checks.worst() {
        outcome::line_on_stderr(&json!({ "error": worst.error() }).to_string());
    }
    Ok(())
}

/// How much a failure is in the way of the others: what has to be corrected here first, then what lies
/// nearest.
fn rank(code: ExitCode) -> u8 {
    match code {
        ExitCode::Success => 0,
        ExitCode::Refused => 1,
        ExitCode::Protocol => 2,
        ExitCode::Unauthorized => 3,
        ExitCode::Unreachable => 4,
        _ => 5,
    }
}

impl Checks {
    /// The first of those that ended worst, if any failed.
    fn worst(&self) -> Option<&Checked> {
        let failed = self.servers.iter().filter(|server| server.failure().is_some());
        failed.rev().max_by_key(|server| rank(server.exit_code()))
    }

    fn exit_code(&self) -> ExitCode {
        self.worst().map_or(ExitCode::Success, Checked::exit_code)
    }

    /// For programs: docs/check.schema.json.
    fn json(&self) -> Value {
        let warned = self.servers.iter().any(|server| server.result() == "warning");
        let result = match self.worst() {
            Some(_) => "failed",
            None if warned => "warning",
            None => "ok",
        };
        let mut out = json!({
            "config": self.file,
            "result": result,
            "exitCode": self.exit_code().code(),
            "milliseconds": milliseconds(self.took),
            "servers": self.servers.iter().map(Checked::json).collect::<Vec<_>>(),
        });
        if let Some(client) = self.client {
            out["client"] = json!(client.id);
        }
        if let Some(worst) = self.worst() {
            out["error"] = worst.error();
        }
        out
    }
}

impl Checked {
    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.end {
            End::Report(report) => report.failure(),
            End::Trouble(failure) => Some(failure),
            End::Skipped(_) => None,
        }
    }

    fn exit_code(&self) -> ExitCode {
        match &self.end {
            End::Report(report) => report.exit_code(),
            End::Trouble(_) => ExitCode::Usage,
            End::Skipped(_) => ExitCode::Success,
        }
    }

    /// `ok`, `warning`, `failed` or `skipped`.
    pub(super) fn result(&self) -> &'static str {
        match &self.end {
            End::Report(report) => report.result(),
            End::Trouble(_) => "failed",
            End::Skipped(_) => "skipped",
        }
    }

    fn error(&self) -> Value {
        let Some(failure) = self.failure() else { return Value::Null };
        let kind = match &self.end {
            End::Trouble(_) => "usage",
            _ => failure.kind.name(),
        };
        let mut error = outcome::error(kind, failure, self.exit_code());
        error["server"] = json!(self.name);
        error
    }

    fn json(&self) -> Value {
        let mut out = json!({ "name": self.name, "kind": self.kind, "result": self.result() });
        if let Some(project) = &self.project {
            out["project"] = json!(project);
        }
        if !self.notes.is_empty() {
            out["notes"] = json!(self.notes);
        }
        match &self.end {
            End::Report(report) => out["check"] = report.json(),
            End::Trouble(_) => out["error"] = self.error(),
            End::Skipped(why) => out["detail"] = json!(why),
        }
        out
    }
}
