//! `mcp-tether config`: the file with servers by name. `edit`: changing it.

mod edit;

use std::path::{Path, PathBuf};

use serde_json::Value;
use url::Url;

use super::{CommandError, outcome, say};
use crate::cli::ConfigCommand;
use crate::config::Env;
use crate::config::file::read::{Problem, Server};
use crate::config::file::{self, FileError, Named, schema};
use crate::error::ExitCode;
use crate::json;
use crate::secret::{harmless, shown};

/// Why there is nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// Nobody knows where it is.
    #[error("there is no folder for a configuration; set HOME, or MCP_TETHER_CONFIG to a file")]
    Nowhere,
    /// It is not there.
    #[error("there is no {}; mcp-tether config edit makes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file that was named is not there.
    #[error("there is no {}", path.display())]
    NoSuchFile {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It cannot be made.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// It cannot be shown to anybody.
    #[error("{0}")]
    Editor(String),
}

/// Does what was typed.
pub(super) fn run(command: &ConfigCommand, env: Env<'_>) -> Result<ExitCode, CommandError> {
    match command {
        ConfigCommand::Check(args) => {
            let path = args.file.clone().map_or_else(|| usual(env), Ok)?;
            let missing = |path: PathBuf| match args.file {
                Some(_) => ConfigFileError::NoSuchFile { path },
                None => ConfigFileError::Missing { path },
            };
            let named = load(&path, env)?.ok_or_else(|| missing(path))?;
            check(&named, args.json)
        }
        ConfigCommand::List(args) => list(env, args.json),
        ConfigCommand::Edit => edit::run(env),
        ConfigCommand::Path => {
            say(&usual(env)?.display().to_string())?;
            Ok(ExitCode::Success)
        }
        ConfigCommand::Schema => {
            say(schema::schema().trim_end())?;
            Ok(ExitCode::Success)
        }
    }
}

fn usual(env: Env<'_>) -> Result<PathBuf, ConfigFileError> {
    file::path(env).ok_or(ConfigFileError::Nowhere)
}

fn load(path: &Path, env: Env<'_>) -> Result<Option<Named>, ConfigFileError> {
    Ok(file::load(path, env)?)
}

/// Says what is in a file, and what is wrong with it.
fn check(named: &Named, json: bool) -> Result<ExitCode, CommandError> {
    let problems = &named.contents.problems;
    let code = if problems.is_empty() { ExitCode::Success } else { ExitCode::Usage };
    let path = harmless(&named.path.display().to_string());
    if json {
        let report = json!({
            "file": path,
            "result": if problems.is_empty() { "ok" } else { "failed" },
            "exitCode": code.code(),
            "servers": servers(named),
            "problems": problems.iter().map(problem).collect::<Vec<_>>(),
        });
        say(&report.to_string())?;
        if let Some(first) = problems.first() {
            outcome::refuse("usage", &located(&path, first), true);
        }
        return Ok(code);
    }
    for problem in problems {
        outcome::line_on_stderr(&located(&path, problem));
    }
    let names: Vec<String> = named.names().map(harmless).collect();
    say(&match names.len() {
        0 => format!("{path}: no servers"),
        1 => format!("{path}: 1 server: {}", names[0]),
        count => format!("{path}: {count} servers: {}", names.join(", ")),
    })?;
    Ok(code)
}

/// As compilers say it, so that editors find the place.
fn located(path: &str, problem: &Problem) -> String {
    let Problem { line, column, server, text } = problem;
    let server = server.as_deref().map(|server| format!("{}: ", harmless(server)));
    format!("{path}:{line}:{column}: {}{text}", server.unwrap_or_default())
}

fn problem(problem: &Problem) -> Value {
    let mut out =
        json!({ "line": problem.line, "column": problem.column, "message": problem.text });
    if let Some(server) = &problem.server {
        out["server"] = json!(harmless(server));
    }
    out
}

/// The address without what may be secret in it.
fn address(server: &Server) -> Option<String> {
    server.url.as_deref().and_then(|url| Url::parse(url).ok()).map(|url| shown(&url))
}

fn servers(named: &Named) -> Vec<Value> {
    let one = |server: &Server| json!({ "name": harmless(&server.name), "url": address(server), "line": server.line });
    named.contents.servers.iter().map(one).collect()
}

/// Says which servers there are.
fn list(env: Env<'_>, json: bool) -> Result<ExitCode, CommandError> {
    let path = usual(env)?;
    let named = load(&path, env)?;
    let shown_path = harmless(&path.display().to_string());
    if json {
        let servers = named.as_ref().map(servers).unwrap_or_default();
        say(&json!({ "file": shown_path, "servers": servers }).to_string())?;
        return Ok(ExitCode::Success);
    }
    let Some(named) = named else {
        say(&format!("no servers: {shown_path} is not there; mcp-tether config edit makes it"))?;
        return Ok(ExitCode::Success);
    };
    let all = &named.contents.servers;
    let width = all.iter().map(|server| server.name.chars().count()).max().unwrap_or(0);
    for server in all {
        let wrong = named.server(&server.name).is_err();
        let wrong = if wrong { "  (mcp-tether config check says what is wrong)" } else { "" };
        let url = address(server).unwrap_or_else(|| "-".to_owned());
        say(&format!("{:width$}  {url}{wrong}", harmless(&server.name)))?;
    }
    if all.is_empty() {
        say(&format!("no servers in {shown_path}"))?;
    }
    Ok(ExitCode::Success)
}
