//! The two eras of MCP, and translating between them.
//!
//! *Legacy* revisions open with `initialize` and keep sessions; *modern* ones are stateless
//! (2026-07-28, basic/versioning). Which era the server is of is found out by asking
//! ([`detect`]); which the client is of shows in its first message ([`Era::of_client`]). Where both are
//! the same, nothing of this module is in the path but [`headers`].
//!
//! * [`revisions`]: what is known about each revision, as data.
//! * [`detect`]: what the answer to `server/discover` says about a server.
//! * [`lists`]: the lists that a server may announce changes of, as data.
//! * [`headers`]: the HTTP headers that mirror a modern request.
//! * [`legacy_client`]: a legacy client in front of a modern server.
//! * [`modern_client`]: a modern client in front of a legacy server.
//!
//! Pure: no I/O, no clock, no runtime. The two adapters are state machines behind [`Adapter`]; the
//! bridge carries out what they ask for.

pub mod detect;
pub mod headers;
pub mod legacy_client;
pub mod lists;
pub mod modern_client;
pub mod revisions;

use std::time::Duration;

use bytes::Bytes;

use crate::jsonrpc::{Id, Kind, Message, member};

/// The generation of the protocol that one side speaks (2026-07-28, basic/versioning,
/// "Terminology").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// A session is opened with `initialize`: 2025-11-25 and earlier.
    Legacy,
    /// Every request carries its version and capabilities: 2026-07-28 and later.
    Modern,
}

/// `_meta` key of the revision that a request is written in (2026-07-28, basic, "`_meta`").
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of the client's name and version.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// `_meta` key of the client's capabilities.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` key of the lowest level of log messages that a request asks for.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// `_meta` key of the server's name and version in a result.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// `_meta` key of the `subscriptions/listen` request that a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// Headers and body disagree (2026-07-28, basic, "Error Codes").
pub const HEADER_MISMATCH: i32 = -32020;
/// A request needs a capability that the client has not declared.
pub const MISSING_CAPABILITY: i32 = -32021;
/// The server does not speak the revision of a request.
pub const UNSUPPORTED_VERSION: i32 = -32022;

impl Era {
    /// The era of the client that wrote `first`, the first message of a connection: modern if it
    /// carries per-request metadata, whatever its method, or asks `server/discover`.
    pub fn of_client(first: &Message) -> Era {
        let Kind::Request { method, .. } = first.kind() else { return Era::Legacy };
        let modern = &**method == "server/discover"
            || member::lookup(first.bytes(), &["params", "_meta", PROTOCOL_VERSION]).is_some();
        if modern { Era::Modern } else { Era::Legacy }
    }
}

/// One conversation of an adapter with the server. What is behind it speaks the server's era: it
/// repeats, resumes and signs in as it does for a client of that era, and answers every request that
/// it is given exactly once, if need be with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(pub u32);

/// What an adapter wants done. Actions are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this to the client: a notification, or a request.
    ToClient(Bytes),
    /// Answer a request of the client: a response with the id as the client wrote it.
    Answer(Bytes),
    /// Give this message to the server. A link comes into being with its first message.
    ToServer(Link, Bytes),
    /// End a link: its session is deleted, its streams are closed, nothing more comes from it.
    Close(Link),
    /// Call [`Adapter::wake`] with this token after this time.
    Wake(Duration, u64),
}

/// A translation between a client of one era and a server of the other: messages and time in,
/// actions out.
///
/// Every request of the client is answered by exactly one [`Action::Answer`], now or later, unless
/// the client takes it back with `notifications/cancelled`.
pub trait Adapter: Send {
    /// A message from the client. Requests are unanswered and their ids unique among the
    /// unanswered ones.
    fn take_from_client(&mut self, message: &Message, actions: &mut Vec<Action>);

    /// A message that came over a link: a response to a request that was given to it (its id as it
    /// was given), a notification, or a request of a legacy server. `during` is the id, as it was
    /// given, of the request on whose response stream it came; none where it came on a stream that is
    /// for all of them.
    fn take_from_server(
        &mut self,
        link: Link,
        message: &Message,
        during: Option<&Id>,
        actions: &mut Vec<Action>,
    );

    /// The time of a [`Action::Wake`] has come. Tokens that no longer mean anything are ignored.
    fn wake(&mut self, token: u64, actions: &mut Vec<Action>);

    /// Whether the time of this token still means something.
    fn awaits(&self, token: u64) -> bool;

    /// The client is gone, or the bridge ends: what is still open on purpose (subscriptions) is
    /// ended in good order.
    fn end(&mut self, actions: &mut Vec<Action>);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Source;

    #[test]
    fn the_first_message_shows_the_era_of_the_client() {
        for (text, era) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#,
                Era::Legacy,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#, Era::Modern),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
                Era::Modern,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
                Era::Modern,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":1}}}"#,
                Era::Legacy,
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Era::Legacy),
        ] {
            let message =
                Message::parse(Bytes::from_static(text.as_bytes()), Source::Client).unwrap();
            assert_eq!(Era::of_client(&message), era, "{text}");
        }
    }
}
