//! The client's side: stdin and stdout, their only owner.
//!
//! * [`lines`]: bytes into lines, with a size limit (pure).
//! * [`queue`]: a channel bounded by bytes.
//! * [`reader`]: reading stdin.
//! * [`tap`]: letting somebody see every message.
//! * [`writer`]: the thread that writes stdout.
//!
//! Both streams may block, so that each has a thread of its own; the rest of the bridge only sees the
//! bounded queues, and a client that does not read or write stops nothing but its own direction. Where the system
//! promises not to wait, stdin is read without the thread (docs/decisions/0034), and so is an answer written that is
//! alone (docs/decisions/0027).

pub mod lines;
pub mod queue;
pub mod reader;
pub mod tap;
pub mod writer;

use std::io::{Read, Write};

use crate::platform::at_once::{Arriving, AtOnce};

/// The two streams of a process, and who sees what goes over them.
pub struct Streams<R, W> {
    /// What the client writes.
    pub input: R,
    /// The same, for reads that the runtime waits for, where there are such.
    pub arriving: Option<Arriving>,
    /// What the client reads.
    pub output: W,
    /// The same, for writes that do not wait, where there are such.
    pub at_once: Option<AtOnce>,
    /// Sees both.
    pub tap: tap::OptionalTap,
}

impl<R: Read + Send + 'static, W: Write + Send + 'static> Streams<R, W> {
    /// Starts to read the one and to write the other. Lines of input have at most `limit` bytes.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn spawn(self, limit: usize) -> std::io::Result<(reader::Input, writer::Outbox)> {
        let input = reader::spawn(self.input, self.arriving, limit, self.tap.clone())?;
        Ok((input, writer::Outbox::spawn(self.output, self.at_once, self.tap)?))
    }
}
