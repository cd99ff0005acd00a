//! What a session is: the headers it adds, and what has to be repeated to make it anew.
//!
//! *Fresh → Ready → (Lost → Ready …)*. Who sends takes a [`Snapshot`] first and shows it when the
//! server refused the session: if the session has changed since, there is nothing to do but to send
//! again, and if making a new one failed since, the failure is shared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::era::lists::LISTS;
use crate::era::revisions;
use crate::error::Failure;
use crate::jsonrpc::{Id, Message, member};
use crate::limits::MAX_SUBSCRIPTIONS;
use crate::transport::{Channel, SessionHeaders};

/// The session of one bridge with its server.
#[derive(Debug, Default)]
pub struct Session {
    /// Held for writing while a new session is made, so that senders wait.
    gate: RwLock<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts sessions; 0 before the first.
    generation: u64,
    /// Counts attempts to make a new session.
    attempts: u64,
    /// Counts handshakes of the client.
    handshakes: u64,
    /// Why the last attempt failed, until one succeeds.
    lost: Option<Failure>,
    /// No session is made any more.
    ended: bool,
    headers: SessionHeaders,
    /// The session that came with the response to `initialize` while its answer is still to come, and
    /// its generation.
    offered: Vec<(u64, HeaderValue)>,
    /// The stream that the next session is established on, with HTTP+SSE.
    channel: Option<Arc<Channel>>,
    handshake: Handshake,
}

/// What a new session is made of.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    /// The client's `initialize` request.
    pub initialize: Option<Message>,
    /// The client's `notifications/initialized`, once sent.
    pub initialized: Option<Bytes>,
    /// The last `logging/setLevel` request.
    pub log_level: Option<Message>,
    /// The last `resources/subscribe` request of each resource still subscribed to.
    pub subscriptions: BTreeMap<String, Message>,
    /// The notifications that the server declared it may send when a list changes.
    pub list_changed: Vec<&'static str>,
    /// The session that has it.
    pub initialized_in: u64,
    /// The client has an answer to `initialize` that is not the server's.
    pub provisional: bool,
}

/// The session at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which session.
    pub generation: u64,
    /// Its headers.
    pub headers: SessionHeaders,
    /// Whether it is known to be lost.
    pub lost: bool,
    attempts: u64,
}

/// What has happened since a snapshot was taken.
#[derive(Debug)]
pub enum Since {
    /// Nothing: the session is still the refused one.
    Nothing,
    /// There is a newer session.
    Renewed,
    /// A newer attempt failed.
    Failed(Failure),
}

impl Session {
    /// The session, once nobody is making a new one.
    pub async fn current(&self) -> Snapshot {
        let _open = self.gate.read().await;
        self.snapshot()
    }

    /// The session at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot {
            generation: state.generation,
            headers: state.headers.clone(),
            lost: state.lost.is_some(),
            attempts: state.attempts,
        }
    }

    /// Makes senders wait. Taken by whoever makes a new session.
    pub async fn close_gate(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// What has happened since `earlier`.
    pub fn since(&self, earlier: &Snapshot) -> Since {
        let state = self.state();
        match &state.lost {
            Some(failure) if state.attempts > earlier.attempts => Since::Failed(failure.clone()),
            _ if state.generation > earlier.generation => Since::Renewed,
            _ => Since::Nothing,
        }
    }

    /// A handshake of the client begins: whatever was before is no longer wanted. Returns the
    /// headers of the session that it leaves behind, if there was one.
    pub fn begin(&self, initialize: &Message) -> Option<SessionHeaders> {
        let mut state = self.state();
        state.handshake =
            Handshake { initialize: Some(initialize.clone()), ..Handshake::default() };
        state.lost = None;
        state.channel = None;
        state.handshakes += 1;
        // Whoever is refused in the old session has nothing to make anew.
        state.generation += 1;
        let left = std::mem::take(&mut state.headers);
        left.session.is_some().then_some(left)
    }

    /// The response to `initialize` has begun, and brings a session. Each that is not established is taken back by
    /// [`Session::disowned`] or [`Session::withdraw`].
    pub fn offered(&self, generation: u64, session: HeaderValue) {
        self.state().offered.push((generation, session));
    }

    /// Takes back the sessions that were offered and whose `initialize` has no answer yet: nobody will have them. Their
    /// numbers are not used again: the client may yet answer what the server asked in them.
    pub fn withdraw(&self) -> Vec<SessionHeaders> {
        let mut state = self.state();
        let offered = std::mem::take(&mut state.offered);
        offered
            .into_iter()
            .map(|(of, session)| {
                state.generation = state.generation.max(of);
                SessionHeaders { session: Some(session), ..SessionHeaders::default() }
            })
            .collect()
    }

    /// Nobody takes this session, which was offered. Whether the caller is to end it: whoever has taken it back, or has
    /// established it, does so otherwise.
    pub fn disowned(&self, session: &HeaderValue) -> bool {
        let mut state = self.state();
        let Some(at) = state.offered.iter().position(|(_, offered)| offered == session) else {
            return false;
        };
        let (of, _) = state.offered.swap_remove(at);
        // As in `withdraw`.
        state.generation = state.generation.max(of);
        true
    }

    /// The headers for a response to a request that the server made in the session `generation`: it
    /// may have done so before it answered `initialize`.
    pub fn headers_in(&self, generation: Option<u64>, now: &Snapshot) -> SessionHeaders {
        let state = self.state();
        let offered = state.offered.iter().rev().find(|(of, _)| generation == Some(*of));
        match offered {
            Some((of, session)) if *of > now.generation => {
                SessionHeaders { session: Some(session.clone()), ..now.headers.clone() }
            }
            _ => now.headers.clone(),
        }
    }

    /// The server has answered `initialize` with `result` (the whole response) and, in the header
    /// section that came with it, `session`.
    pub fn establish(&self, response: &Message, session: Option<HeaderValue>) -> Snapshot {
        let version = member::lookup_string(response.bytes(), &["result", "protocolVersion"]);
        {
            let mut state = self.state();
            state.generation += 1;
            state.lost = None;
            // After the end it is for whoever takes it back to end it.
            if !state.ended {
                state.offered.retain(|(_, offered)| Some(offered) != session.as_ref());
            }
            let channel = state.channel.take();
            // HTTP+SSE is older than the header; its servers want it only where they know of it.
            let version = version.filter(|version| {
                channel.is_none() || revisions::named(version).is_some_and(|r| r.version_header)
            });
            let version = version.and_then(|version| HeaderValue::try_from(version).ok());
            state.headers =
                SessionHeaders { session, version, channel, ..SessionHeaders::default() };
            state.handshake.list_changed = list_changed(response);
            state.handshake.provisional = false;
        }
        self.snapshot()
    }

    /// The client gets `response` as the answer to `initialize`, but there is no session yet: to be
    /// made, as if it was lost, with `reason` for whoever cannot wait.
    pub fn provisional(&self, response: &Message, reason: &Failure) -> Snapshot {
        {
            let mut state = self.state();
            state.lost = Some(reason.clone());
            state.handshake.list_changed = list_changed(response);
            state.handshake.provisional = true;
        }
        self.snapshot()
    }

    /// There is nothing to be made: the server keeps no session, or a translation keeps its own.
    pub fn is_elsewhere(&self) -> Snapshot {
        {
            let mut state = self.state();
            state.generation += 1;
            state.lost = None;
            state.headers = SessionHeaders::default();
            state.handshake.provisional = false;
        }
        self.snapshot()
    }

    /// The server has taken `initialized` in this session. Of one that is over that means nothing.
    pub fn initialized(&self, generation: u64) {
        let mut state = self.state();
        if state.generation == generation {
            state.handshake.initialized_in = generation;
        }
    }

    /// Whether this is the session that there is.
    pub fn is_current(&self, generation: u64) -> bool {
        let state = self.state();
        !state.ended && state.lost.is_none() && state.generation == generation
    }

    /// Whether a request, word for word, has set up what the client wants now.
    pub fn wants(&self, request: &Message) -> bool {
        let handshake = &self.state().handshake;
        let mut wanted = handshake.log_level.iter().chain(handshake.subscriptions.values());
        wanted.any(|wanted| wanted.bytes() == request.bytes())
    }

    /// Whether the server has taken `initialized` in this session.
    pub fn is_initialized(&self, generation: u64) -> bool {
        self.state().handshake.initialized_in == generation
    }

    /// Whether the client's session is still to be made.
    pub fn is_provisional(&self) -> bool {
        self.state().handshake.provisional
    }

    /// The client's `initialize` request.
    pub fn initialize(&self) -> Option<Message> {
        self.state().handshake.initialize.clone()
    }

    /// The client's `notifications/initialized`.
    pub fn confirmation(&self) -> Option<Bytes> {
        self.state().handshake.initialized.clone()
    }

    /// How many handshakes the client has begun.
    pub fn handshakes(&self) -> u64 {
        self.state().handshakes
    }

    /// An attempt to make a new session begins.
    pub fn attempt(&self) -> Handshake {
        let mut state = self.state();
        state.attempts += 1;
        state.handshake.clone()
    }

    /// The end: no session is made any more. Returns the headers of the last one.
    pub fn end(&self) -> SessionHeaders {
        let mut state = self.state();
        state.ended = true;
        state.headers.clone()
    }

    /// Whether no session is made any more.
    pub fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// The attempt failed.
    pub fn failed(&self, failure: &Failure) {
        self.state().lost = Some(failure.clone());
    }

    /// The next session will be one over this stream.
    pub fn over(&self, channel: Arc<Channel>) {
        self.state().channel = Some(channel);
    }

    /// Session `generation` is over, because its stream is. Tells whether it was the current one.
    pub fn lose(&self, generation: u64, failure: &Failure) -> bool {
        let mut state = self.state();
        let current = state.generation == generation;
        if current {
            state.lost.get_or_insert_with(|| failure.clone());
        }
        current
    }

    /// Remembers what of a message must be repeated in a new session.
    pub fn remember(&self, message: &Message) {
        let uri = || member::lookup_string(message.bytes(), &["params", "uri"]);
        match message.method() {
            Some("notifications/initialized") => {
                self.state().handshake.initialized = Some(message.bytes().clone());
            }
            Some("logging/setLevel") => self.state().handshake.log_level = Some(message.clone()),
            Some("resources/subscribe") => {
                if let Some(uri) = uri() {
                    let mut state = self.state();
                    let subscriptions = &mut state.handshake.subscriptions;
                    if subscriptions.len() < MAX_SUBSCRIPTIONS || subscriptions.contains_key(&uri) {
                        subscriptions.insert(uri, message.clone());
                    }
                }
            }
            Some("resources/unsubscribe") => {
                if let Some(uri) = uri() {
                    self.state().handshake.subscriptions.remove(&uri);
                }
            }
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The notifications about lists that an answer to `initialize` promises.
fn list_changed(response: &Message) -> Vec<&'static str> {
    let declared = |capability: &str| {
        member::is_true(response.bytes(), &["result", "capabilities", capability, "listChanged"])
    };
    let promised = LISTS.into_iter().filter(|list| declared(list.capability));
    promised.map(|list| list.notification).collect()
}

/// Whether a refusal with `status` and `body` of a request that carried a session id means that the
/// server no longer knows the session.
///
/// The specification says 404; real servers also say 400 with a text about the session. A JSON-RPC
/// error that names the request is the server's answer, unless it has one of the codes that servers
/// use for sessions and says so.
pub fn means_lost(status: u16, body: &[u8], request: Option<&Message>) -> bool {
    let said = member::lookup_string(body, &["error", "message"])
        .unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned())
        .to_ascii_lowercase();
    let about_session = LOST_TEXTS.iter().any(|text| said.contains(text));
    if names_request(body, request) {
        let code = member::lookup(body, &["error", "code"]);
        return matches!(status, 400 | 404)
            && matches!(code, Some("-32000" | "-32001"))
            && about_session;
    }
    status == 404 || (status == 400 && about_session)
}

/// Whether a body has the id of `request`: then it is the answer to it.
pub fn names_request(body: &[u8], request: Option<&Message>) -> bool {
    let id = member::lookup(body, &["id"])
        .and_then(|raw| Id::from_raw(Bytes::copy_from_slice(raw.as_bytes())));
    id.is_some_and(|id| {
        request.and_then(Message::id).is_some_and(|request| request.key() == id.key())
    })
}

/// What servers say about a session that they do not know.
const LOST_TEXTS: [&str; 14] = [
    "session not found",
    "session expired",
    "session has expired",
    "session terminated",
    "session closed",
    "unknown session",
    "invalid session",
    "no valid session",
    "valid session id",
    "missing session",
    "no session",
    "session id",
    "session-id",
    "not initialized",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use crate::jsonrpc::Source;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Source::Client).unwrap()
    }

    #[test]
    fn what_the_client_wants_no_longer_is_not_set_up() {
        let request = |method: &str, params: &str| {
            let text = r#"{"jsonrpc":"2.0","id":9,"method":"M","params":P}"#;
            message(&text.replace('M', method).replace('P', params))
        };
        let subscribe =
            |uri: &str| request("resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#));
        let level = |level: &str| request("logging/setLevel", &format!(r#"{{"level":"{level}"}}"#));
        let session = Session::default();
        session.state().handshake = Handshake {
            log_level: Some(level("error")),
            subscriptions: [("a:/2".to_owned(), subscribe("a:/2"))].into(),
            ..Handshake::default()
        };
        for (request, wanted) in [
            (subscribe("a:/1"), false),
            (subscribe("a:/2"), true),
            (level("debug"), false),
            (level("error"), true),
        ] {
            assert_eq!(session.wants(&request), wanted, "{request:?}");
        }
    }

    #[test]
    fn what_is_late_changes_nothing_in_the_next_session() {
        let session = Session::default();
        let answer = message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        let first = session.establish(&answer, None).generation;
        let second = session.establish(&answer, None).generation;
        session.initialized(second);
        session.initialized(first);
        assert!(session.is_initialized(second) && session.is_current(second));
        assert!(!session.is_current(first));
    }

    #[test]
    fn lost_sessions_are_recognised() {
        let call = message(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#);
        for (status, body, lost) in [
            (404, "", true),
            (404, "Not Found", true),
            (
                404,
                r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}"#,
                true,
            ),
            (
                404,
                r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Unknown method"},"id":7}"#,
                false,
            ),
            (
                404,
                r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Unknown method"},"id":null}"#,
                true,
            ),
            (
                400,
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
                true,
            ),
            (
                400,
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#,
                true,
            ),
            (400, "Invalid or missing session ID", true),
            (400, r#"{"error":{"message":"Unsupported protocol version"}}"#, false),
            (
                400,
                r#"{"id":7.0,"error":{"code":-32602,"message":"Unknown browser session 'abc'"}}"#,
                false,
            ),
            (404, r#"{"id":7,"error":{"code":-32602,"message":"Unknown session 'abc'"}}"#, false),
            (400, r#"{"id":7,"error":{"code":-32000,"message":"Session not found"}}"#, true),
            (400, "this browser session is busy", false),
            (401, "session", false),
            (403, "session", false),
            (500, "session", false),
        ] {
            assert_eq!(means_lost(status, body.as_bytes(), Some(&call)), lost, "{status} {body}");
        }
    }

    #[test]
    fn a_handshake_collects_what_a_new_session_needs() {
        let session = Session::default();
        assert!(
            session.begin(&message(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#)).is_none()
        );
        let answer = message(
            r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"prompts":{"listChanged":false},"resources":{}}}}"#,
        );
        let snapshot = session.establish(&answer, Some(HeaderValue::from_static("s-1")));
        assert_eq!(snapshot.generation, 2);
        assert_eq!(snapshot.headers.version.as_ref().unwrap(), "2025-06-18");
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}"#,
            r#"{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#,
            r#"{"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"a:/2"}}"#,
            r#"{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe","params":{"uri":"a:/1"}}"#,
        ] {
            session.remember(&message(text));
        }
        let handshake = session.attempt();
        assert!(handshake.initialized.is_some() && handshake.log_level.is_some());
        assert_eq!(handshake.subscriptions.keys().collect::<Vec<_>>(), ["a:/2"]);
        assert_eq!(handshake.list_changed, ["notifications/tools/list_changed"]);
        let again = session.begin(&message(r#"{"jsonrpc":"2.0","id":9,"method":"initialize"}"#));
        assert_eq!(again.unwrap().session.unwrap(), "s-1");
        assert_eq!(session.snapshot().headers, SessionHeaders::default());
    }

    #[test]
    fn losers_share_one_outcome() {
        let session = Session::default();
        let refused = session.snapshot();
        assert!(matches!(session.since(&refused), Since::Nothing));
        session.attempt();
        session.failed(&Failure::new(FailureKind::Connect, "down"));
        assert!(matches!(session.since(&refused), Since::Failed(_)));
        let later = session.snapshot();
        assert!(later.lost && matches!(session.since(&later), Since::Nothing));
        session.attempt();
        session.establish(&message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), None);
        assert!(matches!(session.since(&refused), Since::Renewed));
        assert!(matches!(session.since(&later), Since::Renewed));
    }
}
