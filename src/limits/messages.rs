//! Messages, and what waits on their way.

use std::time::Duration;

/// Largest message, in bytes, on stdin, in a JSON body or in one SSE event (`--max-message-size`).
pub const MAX_MESSAGE_SIZE: usize = 64 << 20;

/// How much of an over-long stdin line is kept, in bytes, to find the id that its error is for.
pub const SALVAGE_PREFIX: usize = 1 << 10;

/// Members that one JSON-RPC batch may have. 2025-03-26 names no limit; real batches are tiny.
pub const MAX_BATCH: usize = 10_000;

/// Client requests that may be unanswered at once. Each may hold a socket, so that this also keeps
/// a runaway client from using up the file descriptors.
pub const MAX_REQUESTS_IN_FLIGHT: usize = 1024;

/// Client notifications and responses that may be on their way at once; stdin waits beyond that.
pub const MAX_NOTIFICATIONS_IN_FLIGHT: usize = 64;

/// Server requests whose session is remembered so that a late answer never reaches a new session.
pub const MAX_SERVER_REQUESTS: usize = 1024;

/// Resource subscriptions that are repeated after a lost session.
pub const MAX_SUBSCRIPTIONS: usize = 1024;

/// Bytes of messages read from stdin that wait for the router. One message may exceed it alone.
pub const STDIN_QUEUE_BYTES: usize = 1 << 20;

/// Bytes of messages that wait for stdout; beyond it the network is not read.
/// One message may exceed it alone.
pub const STDOUT_QUEUE_BYTES: usize = 1 << 20;

/// Bytes of notifications that wait for a command to look at them. As for stdout.
pub const NOTIFICATION_QUEUE_BYTES: usize = 1 << 20;

/// Messages in each of the two stdio queues.
pub const STDIO_QUEUE_MESSAGES: usize = 4096;

/// The memory of a message of at least this size is kept for a moment, to be used again.
pub const SPARE_BUFFER_MIN: usize = 1 << 20;

/// How long it is kept.
pub const SPARE_BUFFER_KEPT: Duration = Duration::from_secs(1);

/// Memory for the work on requests (7 KB each) that is kept for the next ones.
pub const SPARE_WORKSPACES: usize = 32;

/// A message of at least this size is checked while it arrives, as far as it is made of long strings.
pub const SIEVE_MIN: usize = 64 << 10;

/// Bytes of such a message, without the inside of long strings, of which a copy is made for that. One with more is
/// checked when it is complete.
pub const MAX_SKELETON: usize = 256 << 10;

/// Bytes of a string that stay in the copy: more than any member name has that we look for, were it all escapes.
pub const SKELETON_STRING: usize = 64;

/// The HTTP status of a notification or response: later messages stop waiting for it after this.
pub const BARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// A notification or response that waits for earlier messages leaves after this all the same: a
/// request may wait for a free HTTP/2 stream, which a response of the client may have to end. Longer
/// than [`INITIALIZE_TIMEOUT`](super::INITIALIZE_TIMEOUT).
pub const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a request's response has not begun, a later notification or response leaves this long after
/// it: more than a server needs to read one connection before another.
pub const HEAD_START: Duration = Duration::from_millis(250);

/// One notification or response, however slow the server is; then it counts as not delivered.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// The response headers of the standalone GET: later messages stop waiting for it after this.
pub const LISTEN_HEAD_START: Duration = Duration::from_millis(500);

/// Requests in flight at the end of stdin, or at a signal, may finish within this
/// (`--drain-timeout`).
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The `DELETE` that ends the session.
pub const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

/// Writing what is still queued for stdout and the log at the very end.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Tools of which the bridge keeps whether they are read-only; calls of further ones are refused.
pub const MAX_SHAPED_TOOLS: usize = 10_000;

/// Pages that are put together to one list. The cursor behind the last one stays in it.
pub const MAX_MERGED_PAGES: usize = 1000;

/// The shortest time between two pings of ours.
pub const PING_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How long the answer to one may take.
pub const PING_TIMEOUT: Duration = Duration::from_secs(30);
