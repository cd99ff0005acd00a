//! What people get to see: errors, logs, traces.

use std::time::Duration;

/// Characters in the `message` of an error that we make: what a client shows in one place.
pub const MAX_ERROR_MESSAGE: usize = 200;

/// What a trace shows of one message, body or event, in bytes.
pub const TRACE_MAX_CONTENT: usize = 256 << 10;

/// What is read beyond that to find a secret that begins before it: more than a token has.
pub const TRACE_CONTENT_MARGIN: usize = 16 << 10;

/// Bytes that wait for the file of a trace; what comes beyond is counted and left out, because a disk
/// that is slow must not stop the bridge.
pub const TRACE_QUEUE_BYTES: usize = 16 << 20;

/// Exchanges that a trace knows the body of before it has ended. The oldest is given up for a new one.
pub const TRACE_MAX_EXCHANGES: usize = 4096;

/// The files of a trace together (`--trace-max-size`).
pub const TRACE_MAX_SIZE: usize = 64 << 20;

/// The least that can be asked for: one record has to fit into each of the files.
pub const TRACE_MIN_SIZE: usize = 4 << 20;

/// Log lines that wait for stderr; further ones are counted and dropped, because a client that
/// does not read our stderr must not stop the bridge.
pub const LOG_QUEUE_LINES: usize = 1024;

/// The file of a log and the one before it together. As for a trace; a log that a bridge writes for months has to end
/// somewhere.
pub const LOG_MAX_SIZE: u64 = 64 << 20;

/// Characters of a response body that are quoted in an error.
pub const MAX_EXCERPT: usize = 90;

/// Characters of one foreign text in a log line.
pub const MAX_LOGGED_TEXT: usize = 300;

/// Bytes of a line of a trace that is read. Bodies are cut when they are written, far below this.
pub const MAX_TRACE_LINE: usize = 16 << 20;

/// Records that `trace har` and `trace report` hold, about 1 KiB each without bodies.
pub const MAX_TRACE_RECORDS: usize = 1_000_000;

/// Bytes of records that they hold with their bodies; those of later ones are left out.
pub const MAX_TRACE_HELD: usize = 256 << 20;

/// Exchanges, and requests without an answer, that `trace show` remembers at once. More than can be
/// open: 1024 of the client, streams, and what a cut file leaves open for ever.
pub const MAX_TRACE_OPEN: usize = 4096;

/// Bytes of the same.
pub const MAX_TRACE_OPEN_BYTES: usize = 64 << 20;

/// How often `trace show --follow` looks for more: at once for a person, nothing for a processor.
pub const FOLLOW_PAUSE: Duration = Duration::from_millis(200);

/// Messages, exchanges and notes in a report: more than anybody looks at, and a page still opens at once.
pub const MAX_REPORT_ITEMS: usize = 50_000;

/// Bytes of one body in a report.
pub const MAX_REPORT_BODY: usize = 128 << 10;

/// Bytes of all bodies in a report: what a browser reads in a blink.
pub const MAX_REPORT_BODIES: usize = 24 << 20;
