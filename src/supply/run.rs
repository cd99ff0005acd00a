//! Running a command that prints something secret, within limits of time and size.

use std::io;
use std::process::{ExitStatus, Stdio};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::output::{self, OutputError};
use super::words;
use crate::limits::{
    COMMAND_STDERR_REST, MAX_COMMAND_OUTPUT, MAX_COMMAND_STDERR, MAX_LOGGED_TEXT,
    SECRET_COMMAND_TIMEOUT,
};
use crate::platform;
use crate::secret::wiped::Wiped;
use crate::secret::{Redactor, Secret};

/// What a command did that it should not have. Never shows what it printed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is not there, or may not be run.
    #[error("could not be started: {0}")]
    Start(io::Error),
    /// The operating system.
    #[error("could not be read: {0}")]
    Read(io::Error),
    /// It did not end.
    #[error("did not end within {} s and was killed", SECRET_COMMAND_TIMEOUT.as_secs())]
    TimedOut,
    /// It printed without end.
    #[error("printed more than {} KiB and was killed", .0 >> 10)]
    TooMuch(usize),
    /// It says that it failed.
    #[error("failed ({0}); run it by hand to see why, or look into the log")]
    Failed(ExitStatus),
    /// What it printed.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The same, where no headers were expected.
    #[error("printed no text")]
    NoText,
}

/// A child with all that it has started, killed when this is dropped before it has ended.
struct Running {
    child: Child,
    leader: Option<u32>,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended
            && let Some(leader) = self.leader
        {
            platform::kill_group(leader);
        }
    }
}

/// Runs it and reads its headers. Every value is known to `redactor` from then on.
///
/// # Errors
/// See [`RunError`].
pub async fn headers(command: &super::Command, redactor: &Redactor) -> Result<HeaderMap, RunError> {
    let read = |bytes: &[u8]| {
        let headers =
            output::parse(bytes, command.reserved).inspect_err(|_| learn(bytes, redactor))?;
        for value in headers.values() {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            redactor.learn_header(Secret::new(text));
        }
        Ok(headers)
    };
    printed(&command.words, MAX_COMMAND_OUTPUT, redactor, read).await
}

/// Runs it and has what it printed, up to `limit` bytes, read by `read`, which makes its secrets known to
/// `redactor`. It has no stdin, and what it says on stderr goes into our log.
///
/// # Errors
/// See [`RunError`].
pub async fn printed<T>(
    words: &[String],
    limit: usize,
    redactor: &Redactor,
    read: impl FnOnce(&[u8]) -> Result<T, RunError>,
) -> Result<T, RunError> {
    let program = words::shown(words);
    let mut running = start(words).map_err(RunError::Start)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let mut said = Vec::new();
    let outcome = {
        // What it may have left in the background may go on with stderr, not with stdout.
        let work = async {
            let printed = all(stdout, limit);
            let listening = listen(stderr, &mut said);
            let waiting = running.child.wait();
            tokio::pin!(printed, listening, waiting);
            let mut heard = false;
            let mut bytes = None;
            loop {
                tokio::select! {
                    read = &mut printed, if bytes.is_none() => bytes = Some(read?),
                    () = &mut listening, if !heard => heard = true,
                    status = &mut waiting, if bytes.is_some() => {
                        if !heard {
                            let _ = timeout(COMMAND_STDERR_REST, &mut listening).await;
                        }
                        break Ok((status.map_err(RunError::Read)?, bytes.unwrap_or_default()));
                    }
                }
            }
        };
        timeout(SECRET_COMMAND_TIMEOUT, work).await.unwrap_or(Err(RunError::TimedOut))
    };
    let outcome = outcome.and_then(|(status, bytes)| {
        running.ended = true;
        if status.success() {
            read(&bytes)
        } else {
            // What it says may have parts of what it printed.
            learn(&bytes, redactor);
            Err(RunError::Failed(status))
        }
    });
    if matches!(outcome, Err(RunError::TimedOut | RunError::TooMuch(_) | RunError::Read(_))) {
        // What it printed is not known as a whole, and may be in what it says.
        said.clear();
    }
    for line in String::from_utf8_lossy(&said).lines().filter(|line| !line.trim().is_empty()) {
        let line = redactor.clean(line, MAX_LOGGED_TEXT);
        match &outcome {
            Ok(_) => log::debug!("{program} says: {line}"),
            Err(_) => log::warn!("{program} says: {line}"),
        }
    }
    outcome
}

fn start(words: &[String]) -> io::Result<Running> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // So that all of it can be killed, and what the terminal sends us does not reach it.
    #[cfg(unix)]
    command.process_group(0);
    let child = command.spawn()?;
    Ok(Running { leader: child.id(), child, ended: false })
}

/// All that it prints.
async fn all(from: Option<impl AsyncRead + Unpin>, limit: usize) -> Result<Wiped, RunError> {
    let mut bytes = Wiped::new(Vec::with_capacity(limit + 64));
    if let Some(from) = from {
        let mut from = from.take(limit as u64 + 1);
        from.read_to_end(&mut bytes).await.map_err(RunError::Read)?;
    }
    if bytes.len() > limit { Err(RunError::TooMuch(limit)) } else { Ok(bytes) }
}

/// Keeps the beginning of what it says, and reads the rest so that it does not wait for us.
async fn listen(from: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut part = [0; 1024];
    while let Ok(read @ 1..) = from.read(&mut part).await {
        let room = MAX_COMMAND_STDERR.saturating_sub(said.len());
        said.extend_from_slice(&part[..read.min(room)]);
    }
}

/// What it printed is secret, whether it is a header or not.
fn learn(bytes: &[u8], redactor: &Redactor) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(crate::limits::MAX_COMMAND_HEADERS) {
        let value = line.split_once(':').map_or(line, |(_, value)| value).trim();
        redactor.learn_header(Secret::new(value.to_owned()));
    }
}
