//! The client's side: stdin and stdout, their only owner.
//!
//! * [`lines`]: bytes into lines, with a size limit (pure).
//! * [`queue`]: a channel bounded by bytes.
//! * [`reader`]: the thread that reads stdin.
//! * [`writer`]: the thread that writes stdout.
//!
//! Both streams block, so that each has a thread of its own; the rest of the bridge only sees the
//! bounded queues, and a client that does not read or write stops nothing but its own direction.

pub mod lines;
pub mod queue;
pub mod reader;
pub mod writer;
