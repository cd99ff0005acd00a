//! `--trace FILE`: what goes over stdio and over the wire, a JSON line each, without secrets.
//!
//! * [`record`]: what a line says, for the writer and for the commands that read traces.
//! * [`redact`]: what may be seen (pure).
//! * [`recorder`]: what happens, made into records.
//! * [`sink`]: the file.
//! * [`switch`]: turning it on and off.
//! * [`read`]: lines of a trace, one after the other; [`join`]: what belongs together.
//! * [`moment`] has dates.
//!
//! Who sees something only puts it into a queue; a thread of its own does the rest. A message never
//! waits for that: what comes faster than it can be written is counted and left out.

pub mod join;
pub mod moment;
pub mod read;
pub mod record;
pub mod recorder;
pub mod redact;
pub mod sink;
pub mod switch;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use log::Level;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use url::Url;

use self::record::{FORMAT, From, Missed, Record, Start};
use self::recorder::Recorder;
use self::redact::Redaction;
use self::sink::Sink;
use crate::error::Failure;
use crate::http::observe::{Observer, Seen};
use crate::limits::{TRACE_CONTENT_MARGIN, TRACE_MAX_CONTENT, TRACE_QUEUE_BYTES};
use crate::logging::Listener;
use crate::secret::Redactor;
use crate::stdio::tap::{Side, Tap};
use crate::tasks;

/// What an event in the queue stands for beside its bytes.
const EVENT_SIZE: usize = 256;

/// A trace that is being written. Clones write to the same file.
#[derive(Clone)]
pub struct Trace(Arc<Shared>);

struct Shared {
    /// Locked from reading the clock to queueing, so that a trace is in the order of time.
    queue: Mutex<mpsc::UnboundedSender<Event>>,
    /// Bytes in the queue.
    queued: AtomicUsize,
    missed: AtomicU64,
    exchanges: AtomicU64,
    begun: Instant,
}

/// Something that happened.
pub(super) struct Event {
    /// Milliseconds since the run began.
    t: f64,
    size: usize,
    what: What,
}

/// What happened.
pub(super) enum What {
    Message { from: From, body: Body, redactor: Arc<Redactor> },
    Request { n: u64, request: Box<Request> },
    Sent { n: u64 },
    Response { n: u64, status: StatusCode, version: Version, headers: HeaderMap },
    Piece { n: u64, piece: Body, gap: bool },
    End { n: u64 },
    Closed { n: u64 },
    Broken { n: u64, failure: Failure },
    Failed { n: u64, failure: Failure },
    Note { level: Level, module: String, text: String },
    Flush(tasks::Giver<()>),
}

/// A request that is about to be sent.
pub(super) struct Request {
    signs_in: bool,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Body>,
    redactor: Arc<Redactor>,
}

/// Bytes, or the first of them.
pub(super) struct Body {
    bytes: Bytes,
    length: u64,
}

impl Body {
    /// Holds on to large buffers for no longer than it takes to copy what is shown of them.
    fn of(bytes: &Bytes) -> Body {
        let shown = TRACE_MAX_CONTENT + TRACE_CONTENT_MARGIN;
        let length = bytes.len() as u64;
        if bytes.len() <= shown {
            return Body { bytes: bytes.clone(), length };
        }
        Body { bytes: Bytes::copy_from_slice(&bytes[..shown]), length }
    }
}

impl Trace {
    /// Begins a trace in `file`, which has at most `max` bytes together with the one it is rotated to.
    ///
    /// # Errors
    /// If the file cannot be written or the system gives no thread.
    pub fn start(file: &Path, max: u64, command: &str, server: &str) -> io::Result<Trace> {
        let (run, key) = (crate::random::number(), crate::random::key());
        let start = Start {
            format: FORMAT,
            time: rfc3339(SystemTime::now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            server: server.to_owned(),
            run: format!("{run:016x}"),
            continues: false,
        };
        let begun = Instant::now();
        let sink = Sink::open(file, max, start)?;
        if sink.path() != file {
            let (asked, used) = (file.display(), sink.path().display());
            log::warn!("another process writes to {asked}; the trace goes to {used}");
        }
        let (queue, events) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            queued: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            begun,
        });
        let recorder = Recorder::new(Redaction::new(key));
        let counters = Arc::downgrade(&shared);
        tasks::thread("trace", move || {
            let take = |event: &Event| {
                let Some(shared) = counters.upgrade() else { return 0 };
                shared.queued.fetch_sub(event.size, Ordering::Relaxed);
                shared.missed.swap(0, Ordering::Relaxed)
            };
            write(events, take, recorder, sink);
        })?;
        Ok(Trace(shared))
    }

    /// The same trace for those whose secrets `redactor` knows.
    pub fn watch(&self, redactor: Arc<Redactor>) -> Watch {
        Watch { trace: self.clone(), redactor }
    }

    /// Queues an event, which stands for `bytes` bytes of content. Whether there was room.
    fn put(&self, bytes: usize, what: What) -> bool {
        let size = bytes + EVENT_SIZE;
        let shared = &self.0;
        if shared.queued.fetch_add(size, Ordering::Relaxed) + size > TRACE_QUEUE_BYTES {
            shared.queued.fetch_sub(size, Ordering::Relaxed);
            shared.missed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.queue(size, what)
    }

    /// Queues an event for which there is room.
    fn queue(&self, size: usize, what: What) -> bool {
        let shared = &self.0;
        let queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let t = shared.begun.elapsed().as_micros() as f64 / 1000.0;
        // The thread ends before us only when the file cannot be written any more, and has said so.
        queue.send(Event { t, size, what }).is_ok()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

/// The thread: everything that happens goes into the file, which is written out whenever there is a
/// pause. `take` is told what is taken from the queue and tells how many events had no room in it.
fn write(
    mut events: mpsc::UnboundedReceiver<Event>,
    take: impl Fn(&Event) -> u64,
    mut recorder: Recorder,
    mut sink: Sink,
) {
    let mut records = Vec::new();
    while let Some(event) = events.blocking_recv() {
        let mut next = Some(event);
        let mut outcome = Ok(());
        while let Some(event) = next {
            let missed = take(&event);
            if missed > 0 {
                records.push(Record::Missed(Missed { t: event.t, records: missed }));
            }
            let done = match event.what {
                What::Flush(done) => Some(done),
                _ => {
                    recorder.record(event, &mut records);
                    None
                }
            };
            for record in records.drain(..) {
                outcome = outcome.and_then(|()| sink.put(&record));
            }
            if let Some(done) = done {
                outcome = outcome.and_then(|()| sink.flush());
                done.give(());
            }
            if outcome.is_err() {
                break;
            }
            next = events.try_recv().ok();
        }
        if let Err(error) = outcome.and_then(|()| sink.flush()) {
            let file = sink.path().display();
            log::error!("the trace ends here, because {file} cannot be written: {error}");
            return;
        }
    }
}

/// A trace, and who knows the secrets of what is seen. Give it to what is to be traced.
#[derive(Clone, Debug)]
pub struct Watch {
    trace: Trace,
    redactor: Arc<Redactor>,
}

impl Tap for Watch {
    fn message(&self, side: Side, message: &Bytes) {
        let from = match side {
            Side::Client => From::Client,
            Side::Bridge => From::Bridge,
        };
        let body = Body::of(message);
        let redactor = self.redactor.clone();
        self.trace.put(body.bytes.len(), What::Message { from, body, redactor });
    }
}

impl Observer for Watch {
    fn next_exchange(&self) -> u64 {
        self.trace.0.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn see(&self, n: u64, seen: Seen<'_>) -> bool {
        let (size, what) = match seen {
            Seen::Request { signs_in, method, url, headers, body, redactor } => {
                let (method, url, headers) = (method.clone(), url.clone(), headers.clone());
                let (body, redactor) = (body.map(Body::of), redactor.clone());
                let size =
                    body.as_ref().map_or(0, |body| body.bytes.len()) + header_bytes(&headers);
                let request = Request { signs_in, method, url, headers, body, redactor };
                (size, What::Request { n, request: Box::new(request) })
            }
            Seen::Sent => (0, What::Sent { n }),
            Seen::Response { status, version, headers } => {
                let headers = headers.clone();
                (header_bytes(&headers), What::Response { n, status, version, headers })
            }
            Seen::Piece { piece, gap } => {
                let piece = Body { bytes: piece.clone(), length: piece.len() as u64 };
                (piece.bytes.len(), What::Piece { n, piece, gap })
            }
            Seen::End => (0, What::End { n }),
            Seen::Closed => (0, What::Closed { n }),
            Seen::Broken(failure) => (0, What::Broken { n, failure: failure.clone() }),
            Seen::Failed(failure) => (0, What::Failed { n, failure: failure.clone() }),
        };
        self.trace.put(size, what)
    }
}

impl Listener for Trace {
    fn heard(&self, level: Level, module: &str, text: &str) {
        let (module, text) = (module.to_owned(), text.to_owned());
        self.put(text.len(), What::Note { level, module, text });
    }

    fn end(&self, limit: Duration) {
        let (done, ended) = tasks::handover();
        // Also behind a full queue.
        if self.queue(0, What::Flush(done)) {
            // A disk that hangs ends by the limit.
            let _ = ended.take(limit);
        }
    }
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// A time as RFC 3339 has it, in UTC, to the millisecond.
pub fn rfc3339(time: SystemTime) -> String {
    let milliseconds = OffsetDateTime::from(time).unix_timestamp_nanos() / 1_000_000;
    moment::format(i64::try_from(milliseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_no_room_is_counted_and_the_end_is_written_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t");
        let trace = Trace::start(&file, 4 << 20, "bridge", "").unwrap();
        let watch = trace.watch(Arc::default());
        watch.message(Side::Client, &Bytes::from_static(b"1"));
        trace.end(Duration::from_secs(60));
        trace.0.queued.fetch_add(TRACE_QUEUE_BYTES, Ordering::Relaxed);
        watch.message(Side::Client, &Bytes::from_static(b"2"));
        watch.message(Side::Client, &Bytes::from_static(b"3"));
        trace.end(Duration::from_secs(60));
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains(r#""json":1"#) && lines[2].contains(r#""records":2"#), "{text}");
    }
}
