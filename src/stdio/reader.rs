//! The thread that reads stdin.

use std::io::Read;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::lines::{Line, Lines};
use super::queue::{self, Receiver};
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

/// Reads `input` to its end on a thread of its own. A read error counts as the end, because a client
/// whose pipe broke is gone. Lines have at most `limit` bytes.
///
/// The thread cannot be stopped while it waits for input; leave the process instead.
///
/// # Errors
/// If the operating system gives no thread.
pub fn spawn(input: impl Read + Send + 'static, limit: usize) -> std::io::Result<Input> {
    let (sender, receiver) = queue::queue(STDIN_QUEUE_BYTES);
    let (ending, ended) = watch::channel(false);
    let runtime = Handle::current();
    thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut input = input;
        let mut piece = vec![0; PIECE];
        let mut lines = Lines::new(limit);
        let send = |line: Line| {
            let size = match &line {
                Line::Text(text) => text.len(),
                Line::TooLong { prefix } => prefix.len(),
            };
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
