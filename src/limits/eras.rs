//! Finding out the era of a server, and translating.

use std::time::Duration;

use super::MAX_REQUESTS_IN_FLIGHT;

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
