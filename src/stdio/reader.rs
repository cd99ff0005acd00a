//! Reading stdin.

use std::io::Read;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::lines::{self, Line};
use super::queue::{self, Receiver};
use super::tap::{OptionalTap, Side};
use crate::limits::STDIN_QUEUE_BYTES;
use crate::platform::at_once::Arriving;
use crate::tasks;

/// Bytes asked for in one read: the size of a pipe on Linux.
const PIECE: usize = 64 << 10;

/// What comes from stdin.
#[derive(Debug)]
pub struct Input {
    /// The lines. The queue closes behind the last one.
    pub lines: Receiver<Line>,
    ended: watch::Receiver<bool>,
}

impl Input {
    /// Returns when the end of input has been read, even if lines before it still wait in the queue.
    pub async fn ended(&mut self) {
        // A thread that died has read all it will read.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

/// Where the lines of a simulated client come from.
#[cfg(feature = "simulation")]
#[derive(Debug)]
pub struct Lines {
    queue: queue::Sender<Line>,
    ending: watch::Sender<bool>,
}

#[cfg(feature = "simulation")]
impl Lines {
    /// Queues a line. Waits for room, as the thread does. `false` once nobody takes any.
    pub async fn send(&self, text: bytes::Bytes) -> bool {
        let size = text.len();
        self.queue.send(Line::Text(text.into()), size).await.is_ok()
    }

    /// The end of input.
    pub fn end(self) {
        self.ending.send_replace(true);
    }
}

/// Input without a thread: that of a simulated client.
#[cfg(feature = "simulation")]
pub fn simulated() -> (Lines, Input) {
    let (queue, lines) = queue::queue(STDIN_QUEUE_BYTES);
    let (ending, ended) = watch::channel(false);
    (Lines { queue, ending }, Input { lines, ended })
}

/// Reads stdin to its end: `arriving` in the runtime where the system has that (docs/decisions/0034), `input` on a
/// thread of its own where not. A read error counts as the end, because a client whose pipe broke is gone. Lines have
/// at most `limit` bytes.
///
/// The thread cannot be stopped while it waits for input; leave the process instead.
///
/// `tap` sees every line.
///
/// # Errors
/// If the operating system gives no thread.
pub fn spawn(
    input: impl Read + Send + 'static,
    arriving: Option<Arriving>,
    limit: usize,
    tap: OptionalTap,
) -> std::io::Result<Input> {
    let (queue, lines) = queue::queue(STDIN_QUEUE_BYTES);
    let (ending, ended) = watch::channel(false);
    let intake = Intake { lines: lines::Lines::new(limit), queue, ending, tap };
    match arriving {
        Some(arriving) => {
            tasks::spawn(async move {
                if let Some(intake) = intake.read_all(arriving).await
                    && let Err(error) = on_thread(input, intake)
                {
                    log::error!("stdin cannot be read: {error}");
                }
            });
        }
        None => on_thread(input, intake)?,
    }
    Ok(Input { lines, ended })
}

fn on_thread(mut input: impl Read + Send + 'static, mut intake: Intake) -> std::io::Result<()> {
    let runtime = Handle::current();
    tasks::thread("stdin", move || {
        let mut piece = vec![0; PIECE];
        loop {
            match input.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    if !runtime.block_on(intake.take(&piece[..count])) {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        runtime.block_on(intake.end());
    })?;
    Ok(())
}

/// From pieces of input to queued lines.
struct Intake {
    lines: lines::Lines,
    queue: queue::Sender<Line>,
    ending: watch::Sender<bool>,
    tap: OptionalTap,
}

impl Intake {
    /// Reads until the end. Gives itself back where the system refuses to read that way.
    async fn read_all(mut self, arriving: Arriving) -> Option<Intake> {
        let mut piece = vec![0; PIECE];
        loop {
            match arriving.read(&mut piece).await {
                Some(0) => break,
                Some(count) => {
                    if !self.take(&piece[..count]).await {
                        return None;
                    }
                }
                None => return Some(self),
            }
        }
        self.end().await;
        None
    }

    /// Queues the lines that are complete. Waits for room. `false` once nobody takes any.
    async fn take(&mut self, piece: &[u8]) -> bool {
        self.lines.feed(piece);
        while let Some(line) = self.lines.next_line() {
            if !self.send(line).await {
                return false;
            }
        }
        true
    }

    /// The end of input.
    async fn end(mut self) {
        self.ending.send_replace(true);
        if let Some(line) = self.lines.finish() {
            self.send(line).await;
        }
    }

    async fn send(&self, line: Line) -> bool {
        let text = match &line {
            Line::Text(text) => text,
            Line::TooLong { prefix } => prefix,
        };
        let size = text.len();
        if let Some(tap) = &self.tap {
            tap.message(Side::Client, text);
        }
        self.queue.send(line, size).await.is_ok()
    }
}
