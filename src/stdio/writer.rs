//! The thread that writes stdout: one message a line, and nothing else.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::{oneshot, watch};

use super::queue::{self, Queued, Receiver, Room, Sender};
use super::tap::{OptionalTap, Side};
use crate::jsonrpc::Id;
use crate::jsonrpc::framing::one_line;
use crate::limits::STDOUT_QUEUE_BYTES;
use crate::platform::at_once::AtOnce;
use crate::tasks;

/// Small messages are gathered up to this many bytes into one write.
const GATHERED: usize = 64 << 10;

/// Messages taken from the queue at once.
const TAKEN: usize = 256;

enum Item {
    Message {
        line: Bytes,
        /// The request on whose response stream it came. Boxed, because only links know it.
        during: Option<Box<Id>>,
    },
    /// Answered when everything before it has been written.
    Flush(Option<oneshot::Sender<()>>),
}

/// A line of so many bytes goes into a pipe whole or not at all (POSIX, `PIPE_BUF`).
const AT_ONCE: usize = 4096 - 1;

/// The way to stdout. Clones share one queue and one thread.
#[derive(Clone)]
pub struct Outbox {
    queue: Sender<Item>,
    at_once: Option<Arc<AtOnce>>,
    closed: watch::Receiver<bool>,
}

/// A message that has room in the queue.
pub struct Reserved<'a> {
    line: Bytes,
    during: Option<Box<Id>>,
    room: Room<'a, Item>,
    at_once: Option<&'a AtOnce>,
}

impl Reserved<'_> {
    /// Sends it.
    pub fn send(self) {
        self.room.put(Item::Message { line: self.line, during: self.during });
    }

    /// Sends it, without waking the thread if there is room for it now: for a message after which none is expected
    /// soon. Others are better gathered.
    pub fn send_at_once(mut self) {
        if let Some(at_once) = self.at_once
            && self.line.len() <= AT_ONCE
            && self.room.is_alone()
        {
            let written = at_once.write_line(&self.line);
            if written > self.line.len() {
                return;
            }
            // The thread writes the rest, if only the end of the line.
            self.line.advance(written);
        }
        self.send();
    }
}

/// stdout was closed by the client.
#[derive(Debug, PartialEq, Eq)]
pub struct OutputClosed;

impl Outbox {
    /// Starts the thread that writes to `output`, which `at_once` is too. `tap` sees every message before it is
    /// written.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn spawn(
        output: impl Write + Send + 'static,
        at_once: Option<AtOnce>,
        tap: OptionalTap,
    ) -> io::Result<Outbox> {
        // What sees messages sees them whole, and in the thread.
        let at_once = at_once.filter(|_| tap.is_none()).map(Arc::new);
        let (queue, receiver) = queue::queue(STDOUT_QUEUE_BYTES);
        let (closing, closed) = watch::channel(false);
        tasks::thread("stdout", move || {
            if write_all(output, receiver, &tap).is_err() {
                closing.send_replace(true);
            }
        })?;
        Ok(Outbox { queue, at_once, closed })
    }

    /// A queue of the same size without a thread: what is sent comes out of the other half.
    pub fn channel(tap: OptionalTap) -> (Outbox, Inbox) {
        let (queue, receiver) = queue::queue(STDOUT_QUEUE_BYTES);
        // Nobody writes, so that no write can fail: the sender may go at once.
        let (_, closed) = watch::channel(false);
        (Outbox { queue, at_once: None, closed }, Inbox { receiver, tap })
    }

    /// Queues a message, which must be valid JSON, as one line. Waits while the client does not
    /// read.
    ///
    /// # Errors
    /// [`OutputClosed`] if nobody reads any more.
    pub async fn send(&self, message: Bytes) -> Result<(), OutputClosed> {
        self.reserve(message).await.map(Reserved::send)
    }

    /// The same for a message that came on the response stream of the request `during`, which the
    /// other half of an [`Outbox::channel`] wants to know.
    ///
    /// # Errors
    /// [`OutputClosed`] if nobody reads any more.
    pub async fn send_during(&self, message: Bytes, during: Id) -> Result<(), OutputClosed> {
        let reserved = self.reserve(message).await?;
        Reserved { during: Some(Box::new(during)), ..reserved }.send();
        Ok(())
    }

    /// Waits for room for a message, which must be valid JSON, without sending it yet: what is
    /// decided after the wait happens in one step with the sending.
    ///
    /// # Errors
    /// [`OutputClosed`] if nobody reads any more.
    pub async fn reserve(&self, message: Bytes) -> Result<Reserved<'_>, OutputClosed> {
        let line = one_line(message);
        let room = self.queue.reserve(line.len()).await.map_err(|_| OutputClosed)?;
        Ok(Reserved { line, during: None, room, at_once: self.at_once.as_deref() })
    }

    /// Waits until everything queued so far has been written.
    ///
    /// # Errors
    /// [`OutputClosed`] if nobody reads any more.
    pub async fn flush(&self) -> Result<(), OutputClosed> {
        let (done, written) = oneshot::channel();
        self.queue.send(Item::Flush(Some(done)), 1).await.map_err(|_| OutputClosed)?;
        written.await.map_err(|_| OutputClosed)
    }

    /// Returns when a write has failed.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        if closed.wait_for(|closed| *closed).await.is_err() {
            // The thread ended without an error: that is the end of the process.
            std::future::pending::<()>().await;
        }
    }
}

/// The other half of an [`Outbox::channel`].
pub struct Inbox {
    receiver: Receiver<Item>,
    tap: OptionalTap,
}

impl Inbox {
    /// The next message, with the request on whose response stream it came if it has one; `None` when
    /// all outboxes are gone. Room in the queue is given back when this returns.
    pub async fn next(&mut self) -> Option<(Bytes, Option<Box<Id>>)> {
        loop {
            match self.receiver.recv().await?.value {
                Item::Message { line, during } => {
                    if let Some(tap) = &self.tap {
                        tap.message(Side::Bridge, &line);
                    }
                    return Some((line, during));
                }
                // Nobody waits any more when the process is in a hurry to end.
                Item::Flush(done) => drop(done.map(|done| done.send(()))),
            }
        }
    }
}

fn write_all(
    mut output: impl Write,
    mut receiver: Receiver<Item>,
    tap: &OptionalTap,
) -> io::Result<()> {
    let mut taken: Vec<Queued<Item>> = Vec::with_capacity(TAKEN);
    let mut gathered: Vec<u8> = Vec::with_capacity(GATHERED);
    while receiver.blocking_recv_many(&mut taken, TAKEN) > 0 {
        for queued in &mut taken {
            if let (Some(tap), Item::Message { line, .. }) = (tap, &queued.value) {
                tap.message(Side::Bridge, line);
            }
            match &mut queued.value {
                Item::Message { line, .. } if line.len() >= GATHERED => {
                    output.write_all(&gathered)?;
                    gathered.clear();
                    output.write_all(line)?;
                    gathered.push(b'\n');
                    // It may be as large as all other memory of the process.
                    *line = Bytes::new();
                }
                Item::Message { line, .. } => {
                    if gathered.len() + line.len() >= GATHERED {
                        output.write_all(&gathered)?;
                        gathered.clear();
                    }
                    gathered.extend_from_slice(line);
                    gathered.push(b'\n');
                }
                Item::Flush(done) => {
                    output.write_all(&gathered)?;
                    gathered.clear();
                    output.flush()?;
                    if let Some(done) = done.take() {
                        // Nobody waits any more when the process is in a hurry to end.
                        let _ = done.send(());
                    }
                }
            }
        }
        output.write_all(&gathered)?;
        gathered.clear();
        output.flush()?;
        // Only now: room that is free says that everything before it has been written.
        taken.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn order_is_kept_between_small_and_large() {
        let output = Shared::default();
        let outbox = Outbox::spawn(output.clone(), None, None).unwrap();
        let large = format!("\"{}\"", "x".repeat(GATHERED));
        for message in ["1", &large, "2", "{\n}", &large, "3"] {
            outbox.send(Bytes::copy_from_slice(message.as_bytes())).await.unwrap();
        }
        outbox.flush().await.unwrap();
        let written = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, format!("1\n{large}\n2\n{{ }}\n{large}\n3\n"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn at_once_or_not_every_byte_is_written_once_and_in_order() {
        use std::io::Read;

        let (mut reader, writer) = std::io::pipe().unwrap();
        let at_once = AtOnce::of(&writer);
        let outbox = Outbox::spawn(writer, at_once, None).unwrap();
        let message = |n: u32| format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(n as usize % 5000));
        let last = 400;
        let reading = std::thread::spawn(move || {
            // Slower than what is written, so that the pipe is full now and then.
            let (mut all, mut piece) = (Vec::new(), [0; 3000]);
            loop {
                match reader.read(&mut piece).unwrap() {
                    0 => return String::from_utf8(all).unwrap(),
                    taken => all.extend_from_slice(&piece[..taken]),
                }
                std::thread::yield_now();
            }
        });
        let mut expected = String::new();
        for n in 0..last {
            let text = message(n * 37);
            expected += &text;
            expected.push('\n');
            let reserved = outbox.reserve(Bytes::from(text)).await.unwrap();
            if n % 3 == 0 { reserved.send() } else { reserved.send_at_once() }
        }
        outbox.flush().await.unwrap();
        drop(outbox);
        assert_eq!(reading.join().unwrap(), expected);
    }

    #[tokio::test]
    async fn the_other_half_of_a_channel_learns_where_a_message_came_from() {
        let (outbox, mut inbox) = Outbox::channel(None);
        let id = Id::from_raw(Bytes::from_static(b"7")).unwrap();
        outbox.send(Bytes::from_static(b"1")).await.unwrap();
        outbox.send_during(Bytes::from_static(b"2"), id.clone()).await.unwrap();
        drop(outbox);
        assert_eq!(inbox.next().await, Some((Bytes::from_static(b"1"), None)));
        assert_eq!(inbox.next().await, Some((Bytes::from_static(b"2"), Some(Box::new(id)))));
        assert_eq!(inbox.next().await, None);
    }

    #[tokio::test]
    async fn a_broken_pipe_is_reported() {
        let outbox = Outbox::spawn(Broken, None, None).unwrap();
        outbox.send(Bytes::from_static(b"1")).await.unwrap();
        outbox.closed().await;
        assert_eq!(outbox.flush().await, Err(OutputClosed));
    }
}
