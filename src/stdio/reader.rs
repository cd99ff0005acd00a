//! The thread that reads stdin.

use std::io::Read;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::lines::{self, Line};
use super::queue::{self, Receiver};
use super::tap::{OptionalTap, Side};
use crate::limits::STDIN_QUEUE_BYTES;

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

/// Reads `input` to its end on a thread of its own. A read error counts as the end, because a client
/// whose pipe broke is gone. Lines have at most `limit` bytes.
///
/// The thread cannot be stopped while it waits for input; leave the process instead.
///
/// `tap` sees every line.
///
/// # Errors
/// If the operating system gives no thread.
pub fn spawn(
    input: impl Read + Send + 'static,
    limit: usize,
    tap: OptionalTap,
) -> std::io::Result<Input> {
    let (sender, receiver) = queue::queue(STDIN_QUEUE_BYTES);
    let (ending, ended) = watch::channel(false);
    let runtime = Handle::current();
    thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut input = input;
        let mut piece = vec![0; PIECE];
        let mut lines = lines::Lines::new(limit);
        let send = |line: Line| {
            let text = match &line {
                Line::Text(text) => text,
                Line::TooLong { prefix } => prefix,
            };
            let size = text.len();
            if let Some(tap) = &tap {
                tap.message(Side::Client, text);
            }
            runtime.block_on(sender.send(line, size)).is_ok()
        };
        loop {
            match input.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    lines.feed(&piece[..count]);
                    while let Some(line) = lines.next_line() {
                        if !send(line) {
                            return;
                        }
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        ending.send_replace(true);
        if let Some(line) = lines.finish() {
            send(line);
        }
    })?;
    Ok(Input { lines: receiver, ended })
}
