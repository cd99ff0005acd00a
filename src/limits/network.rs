//! Connections, responses and streams.

use std::time::Duration;

/// Bytes of an error response that are read to explain it.
pub const MAX_ERROR_BODY: usize = 64 << 10;

/// Bytes of a `Mcp-Session-Id` or of an SSE event id. Longer ones are not kept, because they would
/// be sent back as a header with every request.
pub const MAX_HEADER_TOKEN: usize = 4 << 10;

/// Bytes of the address in an `endpoint` event: it is sent with every message, and servers take no
/// longer request lines.
pub const MAX_POST_ADDRESS: usize = 4 << 10;

/// Cookies kept for the server, in bytes of the `Cookie` header that they make.
pub const MAX_COOKIE_HEADER: usize = 16 << 10;

/// Header fields of one response by HTTP/1.1. Servers behind several proxies have some thirty.
pub const MAX_RESPONSE_FIELDS: usize = 100;

/// Bytes of the header fields of one response by HTTP/2, as RFC 9113 counts them (section 6.5.2). By HTTP/1.1 the HTTP
/// library gives up at some 400 KiB.
pub const MAX_RESPONSE_HEAD: u32 = 16 << 10;

/// Redirects followed for one request.
pub const MAX_REDIRECTS: usize = 5;

/// Connections kept open without a request. Idle ones are cheap, and as many as a burst needed
/// are likely to be needed again.
pub const MAX_IDLE_CONNECTIONS: usize = 512;

/// How long an https connection is kept without a request: below the 60 s of common load balancers.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(55);

/// The same for http: below the 5 s of common application servers, which are spoken to directly
/// there. A request that meets a connection which its server is just closing fails, and must not be
/// sent again; a new connection to a machine nearby costs next to nothing.
pub const IDLE_PLAIN_CONNECTION: Duration = Duration::from_secs(4);

/// Establishing a connection, TLS included (`--connect-timeout`).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence on a connection before the operating system or HTTP/2 asks whether the peer is alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long an HTTP/2 keep-alive question may go unanswered before the connection counts as dead.
pub const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(30);

/// How long sent bytes may go unacknowledged before the connection counts as dead, where the system
/// lets us say so. A machine that wakes up finds out within this time; a live server that is slow to
/// read must not run into it.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(120);

/// The answer to `initialize`. Common clients give up after 60 s; ours must come before that.
pub const INITIALIZE_TIMEOUT: Duration = Duration::from_secs(50);

/// The body of an error response, which only has to be explained.
pub const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// One step of a re-initialisation (`initialize`, `initialized`, state): as long as a server start.
pub const RECOVERY_STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// Subscriptions that are repeated side by side in a new session.
pub const REPEATED_AT_ONCE: usize = 16;

/// The stream of an HTTP+SSE server, from its response to its `endpoint` event, which the server has
/// ready; and the whole of finding out whether a server speaks HTTP+SSE, while the client waits.
pub const ENDPOINT_EVENT_TIMEOUT: Duration = Duration::from_secs(10);

/// A response stream that makes no progress while it is being resumed (`--resume-timeout`).
pub const RESUME_TIMEOUT: Duration = Duration::from_secs(300);

/// Bounds of the server's `retry` field: below is a hot loop, above is as good as never.
pub const RETRY_MIN: Duration = Duration::from_millis(100);
/// See [`RETRY_MIN`].
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// The pause after a first, unexplained end of a stream: long enough not to be a hot loop, short
/// enough not to be noticed.
pub const RECONNECT_AT_ONCE: Duration = Duration::from_millis(200);

/// A resumed response stream that stays open this long is alive, whatever it brings.
pub const STREAM_ALIVE: Duration = Duration::from_secs(10);

/// A standalone stream that stays open this long was worth opening, whatever it brings.
pub const STREAM_WORTHWHILE: Duration = Duration::from_secs(30);

/// The last attempt to resume a stream gets at least this long.
pub const LAST_CHANCE: Duration = Duration::from_secs(10);

/// First and longest pause between reconnections when the server names none.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// See [`BACKOFF_FIRST`].
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Longest `Retry-After` that is waited out; a longer one is reported to the client.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// How long a response stream may stay open after its answer has arrived.
pub const LINGER: Duration = Duration::from_secs(10);

/// Bytes of a file with certificates that `doctor` looks at. All authorities of the web have a quarter of
/// a megabyte.
pub const MAX_CERTIFICATES: usize = 16 << 20;
