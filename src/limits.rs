//! Every bound on foreign input and on waiting, with its reason.
//!
//! Values that a person can change have their flag named here; the rest are fixed. Nothing in the
//! bridge grows or waits without one of these.

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

/// Notifications and responses that a translation may have on their way to a server at once: at least
/// one for each request of the client in flight, so that handing one over never waits.
pub const MAX_TRANSLATED_IN_FLIGHT: usize = 4096;

/// Requests that a translation may have at a server at once: those of the client, as many that it has
/// just taken back, those that wait for input, and subscriptions.
pub const MAX_LINK_REQUESTS: usize = 2 * MAX_REQUESTS_IN_FLIGHT;

/// Times that an adapter asked for and that mean nothing any more are forgotten beyond this many.
pub const STALE_TIMERS: usize = 1024;

/// How long a server is known to be modern without being asked again.
pub const MODERN_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The same for a legacy one: shorter, because servers move in the other direction.
pub const LEGACY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer to `server/discover`, by which a server shows its era; then it has said nothing, and the
/// client's own message goes out. With it `initialize` has less than a minute.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(8);

/// Pages of `tools/list` that are read to correct the headers of a call.
pub const MAX_LIST_PAGES: usize = 32;

/// All of those pages together.
pub const RELIST_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Bytes of an error response that are read to explain it.
pub const MAX_ERROR_BODY: usize = 64 << 10;

/// Characters in the `message` of an error that we make: what a client shows in one place.
pub const MAX_ERROR_MESSAGE: usize = 200;

/// Bytes of a `Mcp-Session-Id` or of an SSE event id. Longer ones are not kept, because they would
/// be sent back as a header with every request.
pub const MAX_HEADER_TOKEN: usize = 4 << 10;

/// Bytes of the address in an `endpoint` event: it is sent with every message, and servers take no
/// longer request lines.
pub const MAX_POST_ADDRESS: usize = 4 << 10;

/// Cookies kept for the server, in bytes of the `Cookie` header that they make.
pub const MAX_COOKIE_HEADER: usize = 16 << 10;

/// Redirects followed for one request.
pub const MAX_REDIRECTS: usize = 5;

/// Connections kept open without a request. Idle ones are cheap, and as many as a burst needed
/// are likely to be needed again.
pub const MAX_IDLE_CONNECTIONS: usize = 128;

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

/// The HTTP status of a notification or response: later messages stop waiting for it after this.
pub const BARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// A notification or response that waits for earlier messages leaves after this all the same: a
/// request may wait for a free HTTP/2 stream, which a response of the client may have to end. Longer
/// than [`INITIALIZE_TIMEOUT`].
pub const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a request's response has not begun, a later notification or response leaves this long after
/// it: more than a server needs to read one connection before another.
pub const HEAD_START: Duration = Duration::from_millis(250);

/// One notification or response, however slow the server is; then it counts as not delivered.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// The body of an error response, which only has to be explained.
pub const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The response headers of the standalone GET: later messages stop waiting for it after this.
pub const LISTEN_HEAD_START: Duration = Duration::from_millis(500);

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

/// Requests in flight at the end of stdin, or at a signal, may finish within this
/// (`--drain-timeout`).
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The `DELETE` that ends the session.
pub const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

/// Writing what is still queued for stdout and the log at the very end.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Log lines that wait for stderr; further ones are counted and dropped, because a client that
/// does not read our stderr must not stop the bridge.
pub const LOG_QUEUE_LINES: usize = 1024;

/// Characters of a response body that are quoted in an error.
pub const MAX_EXCERPT: usize = 90;

/// Characters of one foreign text in a log line.
pub const MAX_LOGGED_TEXT: usize = 300;

/// One request to an authorization server or for a metadata document, its body included.
pub const OAUTH_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a metadata document or of an answer of an authorization server.
pub const MAX_OAUTH_BODY: usize = 1 << 20;

/// Finding the authorization server, all requests together.
pub const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Hosts that connections are kept to while signing in; then all of them are forgotten.
pub const MAX_OAUTH_CLIENTS: usize = 8;

/// Discovery documents that are remembered for people to see. Five issuers have fifteen places.
pub const MAX_RECORDED_DOCUMENTS: usize = 32;

/// How long a whole check of a server may take, unless somebody says otherwise. Long enough for a
/// server that starts when it is asked.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// What the end of a check may take beyond its limit: the session is ended in that time.
pub const CHECK_GRACE: Duration = Duration::from_millis(400);

/// How long a check waits for the answer to the standalone GET. Servers that hold it back until there
/// is an event are not wrong.
pub const CHECK_STREAM: Duration = Duration::from_secs(2);

/// Authorization servers of one resource that are tried.
pub const MAX_AUTHORIZATION_SERVERS: usize = 5;

/// Bytes of the `WWW-Authenticate` fields of one response; what is beyond is not read.
pub const MAX_CHALLENGE: usize = 16 << 10;

/// Times one request is sent again after a challenge: a stored token that was refused, a refreshed
/// one, one with more scope. Then the refusal is reported.
pub const MAX_CHALLENGES: usize = 3;

/// Interactive step-ups of one process within [`TAB_INTERVAL`], each for another set of scopes, so
/// that a server that always wants more cannot keep people busy.
pub const MAX_STEP_UPS: usize = 2;

/// How long a person may take to sign in (`--auth-timeout`).
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(300);

/// `initialize` is answered by us when signing in takes longer (`--initialize-deadline`): below the
/// 30 s of the less patient clients. Requests wait this long where no browser could be opened.
pub const INITIALIZE_DEADLINE: Duration = Duration::from_secs(20);

/// One tab for each server within this, on the whole machine, unless a person runs `login`.
pub const TAB_INTERVAL: Duration = Duration::from_secs(600);

/// What starting the browser may take before it counts as started.
pub const BROWSER_TIMEOUT: Duration = Duration::from_secs(5);

/// Times that the port of a process which has died is tried.
pub const RESUME_ATTEMPTS: u32 = 5;

/// Connections to the callback listener that are served at once.
pub const MAX_CALLBACK_CONNECTIONS: usize = 16;

/// Bytes of the head of one request to the callback listener. Authorization codes of some
/// providers have kilobytes.
pub const MAX_CALLBACK_HEAD: usize = 32 << 10;

/// One connection to the callback listener, from its start to the end of the page.
pub const CALLBACK_CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the browser waits for the page that says how the sign-in ended: the exchange of the code
/// with a few attempts; the answer after this does not depend on it.
pub const CALLBACK_PAGE_TIMEOUT: Duration = Duration::from_secs(45);

/// The pause after a connection that could not be accepted.
pub const CALLBACK_ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Characters of one text on a page in the browser.
pub const MAX_PAGE_TEXT: usize = 500;

/// Fallback ports for the callback beside the preferred one; then the system chooses.
pub const CALLBACK_PORTS: u16 = 4;

/// An access token is refreshed when it has less than this left, or less than a tenth of its life,
/// whichever is shorter.
pub const REFRESH_MARGIN: Duration = Duration::from_secs(60);

/// Attempts to refresh, or to exchange a code, when the authorization server is in trouble.
pub const REFRESH_ATTEMPTS: u32 = 3;

/// After a refresh that failed, none is tried before a request for this long.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(5);

/// One call to the OS keyring, the first included: a bus that never answers must not stop anything.
pub const KEYRING_TIMEOUT: Duration = Duration::from_secs(2);

/// The same where a person is there to unlock it (`login` by hand).
pub const KEYRING_PATIENCE: Duration = Duration::from_secs(60);

/// Bytes in one item of the Windows Credential Manager (`CRED_MAX_CREDENTIAL_BLOB_SIZE`).
pub const KEYRING_ITEM_BYTES: usize = 2560;

/// Items that one record is split into at most.
pub const KEYRING_PARTS: usize = 64;

/// Bytes of a stored record or cached result that are read.
pub const MAX_STORED: usize = 1 << 20;

/// Waiting for the lock of a record: longer than a refresh takes with all its attempts.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a lock, or the sign-in of another process, is looked at.
pub const LOCK_POLL: Duration = Duration::from_millis(100);

/// Tabs for one server within [`TAB_INTERVAL`] where the one before has been answered, or each is
/// for something else: another authorization server, or more scope.
pub const MAX_TABS: u32 = 3;

/// After a sign-in that failed, requests get the same error for this long, instead of each trying
/// again.
pub const SIGN_IN_PAUSE: Duration = Duration::from_secs(60);

/// Attempts to read a record that another process is writing.
pub const KEYRING_READS: usize = 3;

/// Servers with a record that are listed.
pub const MAX_STORED_SERVERS: usize = 10_000;

/// Tools whose arguments are mirrored into headers that are remembered. Beyond it the tools of
/// earlier listings are forgotten first; further ones are called without these headers.
pub const MAX_MIRRORED_TOOLS: usize = 1024;

/// Arguments of one tool that are mirrored: each is a header of every call. A tool with more is
/// left out, because a call with only some of them would be refused.
pub const MAX_MIRRORED_ARGUMENTS: usize = 64;

/// Bytes of the name of one tool that is remembered, and of the names and places of its headers.
pub const MAX_MIRRORED_NAMES: usize = 16 << 10;

/// Bytes of one mirrored value as a header. Servers that take more in one header are rare.
pub const MAX_MIRRORED_VALUE: usize = 64 << 10;

/// How deep a schema with annotations may be nested, in JSON. People write single digits.
pub const MAX_SCHEMA_DEPTH: usize = 64;

/// Bytes that are read to find the annotations of one tool, a part again for each schema around it.
/// Schemas with annotations are small; the largest ever seen without have some 100 KB.
pub const MAX_SCHEMA_READ: usize = 4 << 20;

/// Versions of a server that are named in an error, and characters of each.
pub const MAX_NAMED_VERSIONS: usize = 8;
/// See [`MAX_NAMED_VERSIONS`].
pub const MAX_VERSION_NAME: usize = 32;
/// Times that a server may ask for input before one request is answered: more steps than any form
/// that a person fills in, few enough that a server which never has enough is noticed.
pub const MAX_INPUT_ROUNDS: u32 = 32;

/// Questions that a server may ask at once. Each is a dialog for a person, or a call of a model.
pub const MAX_INPUT_QUESTIONS: usize = 32;

/// Bytes kept of one round of questions: the server's state and the client's answers. Answers of a
/// model may hold a few images.
pub const MAX_INPUT_BYTES: usize = 16 << 20;

/// How long the client may take for one round of questions: a person who reads, decides, and signs
/// in somewhere.
pub const INPUT_TIMEOUT: Duration = Duration::from_secs(600);

/// The first pause where a server wants a request again and asks nothing; it doubles to
/// [`INPUT_PAUSE_MAX`], so that all rounds together last about as long as [`INPUT_TIMEOUT`].
pub const INPUT_PAUSE: Duration = Duration::from_millis(500);
/// See [`INPUT_PAUSE`].
pub const INPUT_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The acknowledgement of `subscriptions/listen`: clients wait for it after `resources/subscribe`,
/// many of them for no more than 60 s.
pub const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long notifications of two streams for the same subscriptions are compared after the second
/// one was acknowledged: longer than the old one takes to end, too short to be noticed.
pub const OVERLAP: Duration = Duration::from_millis(300);

/// Notifications of changes that are held back while one stream replaces another; beyond it they
/// are passed on, some of them perhaps twice.
pub const MAX_HELD_CHANGES: usize = 1024;

/// The same in bytes.
pub const MAX_HELD_BYTES: usize = 1 << 20;

/// Ids of requests that were taken back, and are not used again before their answer has come; it may
/// never come.
pub const MAX_CANCELLED_IDS: usize = 1024;
/// Sessions that one modern client has with a legacy server, one for each set of capabilities that it
/// declares. A client has one set, hosts of several agents a few.
pub const MAX_LINKS: usize = 4;

/// How long a first question of a legacy server waits for others, which then reach the client in the
/// same round. Servers that ask several things at once do so without a pause.
pub const QUESTIONS_GATHERED: Duration = Duration::from_millis(5);

/// Questions of a legacy server that wait for the client at one call.
pub const MAX_QUESTIONS: usize = 32;

/// Calls that stay open on a legacy server while the client answers questions, or forgets to; beyond
/// it the oldest is given up.
pub const MAX_PARKED_CALLS: usize = 64;

/// How long the client, and the person before it, may take to answer the questions of one round.
pub const PARKED_CALL: Duration = Duration::from_secs(600);

/// Bytes of questions and of early results that wait for a client to send its request again. One of
/// them may exceed it alone.
pub const MAX_PARKED_BYTES: usize = 64 << 20;

/// The answer to a request of our own to a legacy server, for which requests of the client wait: a
/// new log level, a subscription to a resource. Clients give up after 60 s.
pub const OWN_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Notifications that wait for the acknowledgement of their subscription. Each is a hint to read
/// again, so that one for each thing is enough.
pub const MAX_EARLY_NOTIFICATIONS: usize = 64;

/// How long a legacy server may go on logging after the last request that asked for it: calls come in
/// rows, and each change of the level is a request.
pub const LOG_LEVEL_KEPT: Duration = Duration::from_secs(30);

/// Pages of one list that a command fetches. A server that gives more is going in circles.
pub const MAX_PAGES: usize = 1000;

/// How long a request of a command may take without `--timeout`: longer than most tools, shorter than
/// patience.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
