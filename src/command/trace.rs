//! `mcp-tether trace`: reading what `--trace` has written.
//!
//! * `source`: the files of a trace, one after the other, and what is written meanwhile.
//! * `show`: blocks in the order of time; `context`: what they belong to; `filter`: which of them;
//!   `block`: how they look; `pretty`: JSON for people.
//! * `curl`, `quote`: a command for a shell. `har`: for browsers. `report`: a page.

mod block;
mod context;
mod curl;
mod filter;
mod har;
mod pretty;
mod quote;
mod report;
mod show;
mod source;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use self::source::Source;
use super::CommandError;
use crate::cli::trace::{ExportArgs, TraceCommand};
use crate::config::Env;
use crate::error::ExitCode;
use crate::platform;
use crate::secret::neutralise_lines;
use crate::trace::join::Joined;
use crate::trace::read::Passed;
use crate::trace::record::FORMAT;

/// Why a trace cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// stdout.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// There is no record in it.
    #[error("{} is no trace: nothing in it is a record. --trace FILE writes one", .0.display())]
    NoTrace(PathBuf),
    /// The number of an exchange.
    #[error("there is no exchange {n} in {}{known}", path.display())]
    NoExchange {
        /// What was asked for.
        n: u64,
        /// The file.
        path: PathBuf,
        /// Those that there are.
        known: String,
    },
    /// A filter.
    #[error("{flag}: {reason}")]
    Filter {
        /// The option.
        flag: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Does what was typed.
pub(super) async fn run(command: &TraceCommand, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let done = match command {
        TraceCommand::Show(args) => show::run(args, env).await,
        TraceCommand::Curl(args) => curl::run(args),
        TraceCommand::Har(args) => export(args, har::text),
        TraceCommand::Report(args) => export(args, report::page),
    };
    match done {
        Ok(()) => Ok(ExitCode::Success),
        Err(TraceError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::OutputClosed)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads all of a trace and writes it in another form.
fn export(args: &ExportArgs, form: fn(&Joined) -> String) -> Result<(), TraceError> {
    let joined = load(&args.file)?;
    if joined.left_out + joined.emptied > 0 {
        warn(&format!(
            "{} is too large: {} records and {} bodies are left out",
            args.file.display(),
            joined.left_out,
            joined.emptied
        ));
    }
    let text = form(&joined);
    match &args.output {
        None => write(&text),
        Some(path) => write_file(path, text.as_bytes())
            .map_err(|source| TraceError::Write { path: path.clone(), source }),
    }
}

/// All of a trace, joined.
fn load(path: &Path) -> Result<Joined, TraceError> {
    let failed = |source| TraceError::Read { path: path.to_owned(), source };
    let mut source = Source::open(path).map_err(failed)?;
    let mut joined = Joined::default();
    let mut any = false;
    while let Some(read) = source.next_record().map_err(failed)? {
        any = true;
        joined.take(read);
    }
    if let Some(read) = source.finish() {
        any = true;
        joined.take(read);
    }
    if !any {
        return Err(TraceError::NoTrace(path.to_owned()));
    }
    tell_passed(path, source.passed());
    if joined.runs.iter().any(|run| run.format > FORMAT) {
        warn(&format!("{} was written by a newer version; some may be missing", path.display()));
    }
    Ok(joined)
}

/// Says what could not be read.
fn tell_passed(path: &Path, passed: Passed) {
    let lines = |count: u64| if count == 1 { "1 line" } else { "lines" };
    for (count, what) in [
        (passed.broken, "no record, or cut off"),
        (passed.unknown, "of a type that this version does not know"),
        (passed.long, "too long"),
    ] {
        if count > 0 {
            let number = if count == 1 { String::new() } else { format!("{count} ") };
            let (lines, is) = (lines(count), if count == 1 { "is" } else { "are" });
            warn(&format!("{number}{lines} of {} {is} {what}; passed over", path.display()));
        }
    }
}

/// Says something that does not keep the command from its work.
fn warn(text: &str) {
    // There is nobody to tell that this cannot be printed.
    let _ = writeln!(io::stderr(), "mcp-tether: {}", neutralise_lines(text));
}

/// Writes a file that, where it is new, its owner alone can read, as the trace itself.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

/// Writes to stdout.
fn write(text: &str) -> Result<(), TraceError> {
    let mut stdout = platform::stdout()?;
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
