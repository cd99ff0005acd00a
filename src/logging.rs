//! The log: stderr, and a file if asked for. Never stdout.
//!
//! Each is written by a thread of its own from a bounded queue: a client that does not read our
//! stderr must not stop the bridge. What does not fit is counted and dropped. `file`: the file, which has a limit.

mod file;

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use log::{Level, LevelFilter, Metadata, Record};
use tokio::sync::mpsc;

use crate::limits::{LOG_MAX_SIZE, LOG_QUEUE_LINES};
use crate::tasks;

/// Ends the log: what is queued is written, within a limit.
pub struct Log {
    sinks: Vec<mpsc::Sender<Line>>,
    listener: Arc<OnceLock<Box<dyn Listener>>>,
}

/// Writes down elsewhere what is logged: incidents and decisions, whatever stderr gets.
pub trait Listener: Send + Sync {
    /// `module` says `text`, which holds no secret. Must not block.
    fn heard(&self, level: Level, module: &str, text: &str);

    /// Writes out what it has, at most for `limit`.
    fn end(&self, limit: Duration);
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// 0 shows incidents, 1 decisions, 2 every message.
    pub shown: u8,
    /// Only errors are shown.
    pub quiet: bool,
    /// Whether there will be a [`Listener`].
    pub heard: bool,
}

#[derive(Debug)]
enum Line {
    Text(String),
    End(tasks::Giver<()>),
}

/// Starts the log.
///
/// # Errors
/// If the file cannot be opened or the system gives no thread.
pub fn start(verbosity: Verbosity, file: Option<&Path>) -> io::Result<Log> {
    start_with(verbosity, file, None)
}

/// The same for a command that says itself what went wrong: without `verbosity` stderr gets only what
/// the module `told` says, by its whole path.
///
/// # Errors
/// As [`start`].
pub fn start_quietly(
    verbosity: Verbosity,
    file: Option<&Path>,
    told: &'static str,
) -> io::Result<Log> {
    start_with(verbosity, file, (verbosity.shown == 0).then_some(told))
}

fn start_with(
    verbosity: Verbosity,
    file: Option<&Path>,
    only: Option<&'static str>,
) -> io::Result<Log> {
    let file = file.map(|path| file::File::open(path, LOG_MAX_SIZE)).transpose()?;
    let dropped = Arc::new(AtomicU64::new(0));
    let mut sinks = Vec::new();
    // Each has a thread and a queue of its own: a file is still written when nobody reads stderr.
    let counter = dropped.clone();
    sinks.push(sink("log", move |text| {
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
        let missed = counter.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let text =
                format!("mcp-tether: {missed} log lines were dropped: stderr was not read\n");
            let _ = io::stderr().write_all(text.as_bytes());
        }
    })?);
    if let Some(mut file) = file {
        sinks.push(sink("log file", move |text| {
            let stamp = httpdate::fmt_http_date(SystemTime::now());
            let _ = file.put(&format!("{stamp} {text}\n"));
        })?);
    }
    let shown = match verbosity.shown {
        _ if verbosity.quiet => LevelFilter::Error,
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let listener = Arc::new(OnceLock::new());
    let relay = Relay { sinks: sinks.clone(), dropped, shown, only, listener: listener.clone() };
    // It fails only if a log was started before, whose lines then go there.
    if log::set_boxed_logger(Box::new(relay)).is_ok() {
        log::set_max_level(if verbosity.heard { shown.max(LevelFilter::Debug) } else { shown });
    }
    Ok(Log { sinks, listener })
}

impl Log {
    /// From here on `listener` hears what is logged. Only the first one ever does.
    pub fn attach(&self, listener: Box<dyn Listener>) {
        let _ = self.listener.set(listener);
    }

    /// Waits until everything so far is written, at most `limit`.
    pub fn end(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let ends: Vec<_> = self
            .sinks
            .iter()
            .filter_map(|sink| {
                let (done, ended) = tasks::handover();
                sink.try_send(Line::End(done)).is_ok().then_some(ended)
            })
            .collect();
        if let Some(listener) = self.listener.get() {
            listener.end(limit);
        }
        for ended in ends {
            // A stderr that nobody reads ends by the limit.
            let _ = ended.take(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// A thread that writes lines with `put`. Where they cannot be written there is nobody left to tell.
fn sink(name: &str, mut put: impl FnMut(&str) + Send + 'static) -> io::Result<mpsc::Sender<Line>> {
    let (queue, mut lines) = mpsc::channel(LOG_QUEUE_LINES);
    tasks::thread(name, move || {
        while let Some(line) = lines.blocking_recv() {
            match line {
                Line::Text(text) => put(&text),
                Line::End(done) => done.give(()),
            }
        }
    })?;
    Ok(queue)
}

/// Formats our own events and hands them to the sinks. Libraries may log headers and bodies, which
/// may be secret; they never speak here.
struct Relay {
    sinks: Vec<mpsc::Sender<Line>>,
    dropped: Arc<AtomicU64>,
    /// What goes to the sinks.
    shown: LevelFilter,
    /// The only module that speaks to stderr, if not all do.
    only: Option<&'static str>,
    listener: Arc<OnceLock<Box<dyn Listener>>>,
}

impl log::Log for Relay {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("mcp_tether")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (target, level) = (record.target(), record.level());
        let module = target.strip_prefix("mcp_tether::").unwrap_or(target);
        let text = crate::secret::neutralise(&record.args().to_string());
        if let Some(listener) = self.listener.get()
            && level <= Level::Debug
        {
            listener.heard(level, module, &text);
        }
        if level > self.shown {
            return;
        }
        let text = if self.shown > LevelFilter::Info && level > Level::Info {
            format!("mcp-tether: [{module}] {text}")
        } else {
            format!("mcp-tether: {text}")
        };
        let untold = self.only.is_some_and(|module| !target.starts_with(module));
        for (at, sink) in self.sinks.iter().enumerate().skip(usize::from(untold)) {
            let full = sink.try_send(Line::Text(text.clone())).is_err();
            if full && at == 0 {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {}
}
