//! The log: stderr, and a file if asked for. Never stdout.
//!
//! Lines are written by a thread of their own from a bounded queue: a client that does not read our
//! stderr must not stop the bridge. What does not fit is counted and dropped.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::limits::LOG_QUEUE_LINES;

/// Ends the log: what is queued is written, within a limit.
#[derive(Debug)]
pub struct Log {
    queue: mpsc::SyncSender<Line>,
}

enum Line {
    Text(String),
    End(mpsc::Sender<()>),
}

/// Starts the log. `verbosity` 0 shows incidents, 1 decisions, 2 everything.
///
/// # Errors
/// If the file cannot be opened or the system gives no thread.
pub fn start(verbosity: u8, file: Option<&Path>) -> io::Result<Log> {
    let file =
        file.map(|path| OpenOptions::new().append(true).create(true).open(path)).transpose()?;
    let (queue, lines) = mpsc::sync_channel(LOG_QUEUE_LINES);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = dropped.clone();
    std::thread::Builder::new().name("log".into()).spawn(move || write(&lines, file, &counter))?;
    let level = match verbosity {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let layer = Lines { queue: queue.clone(), dropped, verbose: verbosity > 0 };
    // It fails only if a log was started before, whose lines then go there.
    let _ = tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(layer.with_filter(level)),
    );
    Ok(Log { queue })
}

impl Log {
    /// Waits until everything so far is written, at most `limit`.
    pub fn end(&self, limit: Duration) {
        let (done, ended) = mpsc::channel();
        if self.queue.try_send(Line::End(done)).is_ok() {
            // A stderr that nobody reads ends by the limit.
            let _ = ended.recv_timeout(limit);
        }
    }
}

fn write(lines: &mpsc::Receiver<Line>, mut file: Option<File>, dropped: &AtomicU64) {
    // Where neither stderr nor the file can be written there is nobody left to tell.
    let mut put = |text: &str| {
        let stamp = httpdate::fmt_http_date(SystemTime::now());
        if let Some(file) = &mut file {
            let _ = file.write_all(format!("{stamp} {text}\n").as_bytes());
        }
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    };
    while let Ok(line) = lines.recv() {
        match line {
            Line::Text(text) => put(&text),
            Line::End(done) => {
                let _ = done.send(());
            }
        }
        let missed = dropped.swap(0, Ordering::Relaxed);
        if missed > 0 {
            put(&format!(
                "mcp-tether: {missed} log lines were dropped because stderr was not read"
            ));
        }
    }
}

/// Formats our own events; those of libraries only at the highest verbosity.
struct Lines {
    queue: mpsc::SyncSender<Line>,
    dropped: Arc<AtomicU64>,
    verbose: bool,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        // Libraries may log headers and bodies, which may be secret; they never speak here.
        if !target.starts_with("mcp_tether") {
            return;
        }
        let mut text = String::from("mcp-tether: ");
        if self.verbose && *event.metadata().level() > Level::INFO {
            let module = target.strip_prefix("mcp_tether::").unwrap_or(target);
            text = format!("mcp-tether: [{module}] ");
        }
        event.record(&mut Message(&mut text));
        let text = crate::secret::neutralise(&text);
        if self.queue.try_send(Line::Text(text)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
