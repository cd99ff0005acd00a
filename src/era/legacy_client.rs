//! A legacy client in front of a modern server.
//!
//! The client opens with `initialize` and then expects a session: log levels, subscriptions,
//! requests of the server. The modern server knows none of that; every request says for itself what
//! it needs (2026-07-28, basic/versioning). [`LegacyClient`] keeps for the client what would be the
//! session.
//!
//! * `initialize`: the handshake, from what `server/discover` said.
//! * `outgoing`: requests get `params._meta`.
//! * `incoming`: results lose what only modern clients know.
//! * `calls`, `input_required`: what the server asks during a request becomes requests to the client.
//! * `subscriptions`: one `subscriptions/listen` for all that the client wants to hear of.

mod calls;
mod incoming;
mod initialize;
mod input_required;
mod link_ids;
mod outgoing;
mod peers;
mod subscriptions;

use std::time::Duration;

use bytes::Bytes;

pub use initialize::discover_request;

use self::calls::Calls;
use self::link_ids::{LinkIds, Owner};
use self::peers::{Client, Server, quoted};
use self::subscriptions::Subscriptions;
use super::revisions::LOG_LEVELS;
use super::{Action, Adapter, Link};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{INVALID_PARAMS, Id, Kind, METHOD_NOT_FOUND, Message, member};

/// The only link.
const LINK: Link = Link(0);

/// The adapter for a client of 2024-11-05 to 2025-11-25 in front of a server of 2026-07-28.
///
/// What it keeps is bounded: the requests of the client by the bridge's ledger, everything else by
/// `limits`.
#[derive(Debug)]
pub struct LegacyClient {
    client: Client,
    server: Server,
    /// The level of log messages that the client set, as JSON text.
    level: Option<String>,
    ids: LinkIds,
    calls: Calls,
    subscriptions: Subscriptions,
}

/// One turn of the adapter: what is known, and what is to be done.
struct Turn<'a> {
    client: &'a Client,
    server: &'a Server,
    level: Option<&'a str>,
    ids: &'a mut LinkIds,
    actions: &'a mut Vec<Action>,
}

impl LegacyClient {
    /// An adapter between the client that sent `initialize` and the server that answered
    /// `server/discover` with `discovered`, the JSON text of its `result`.
    ///
    /// `initialize` is answered, unless it is `answered` already (while somebody signed in). A client
    /// that never sends one is served as well: it has declared nothing, and nothing is waited for
    /// before its subscriptions.
    pub fn open(
        initialize: Option<&Message>,
        discovered: &str,
        answered: bool,
        actions: &mut Vec<Action>,
    ) -> LegacyClient {
        let server = Server::new(discovered);
        let mut adapter = LegacyClient {
            client: Client::new(initialize),
            subscriptions: Subscriptions::new(server.lists),
            server,
            level: None,
            ids: LinkIds::default(),
            calls: Calls::default(),
        };
        match initialize.and_then(Message::id) {
            Some(id) if !answered => adapter.greet(id, actions),
            Some(_) => {}
            None => {
                let (_, subscriptions, mut turn) = adapter.turn(actions);
                subscriptions.start(&mut turn);
            }
        }
        adapter
    }

    fn turn<'a>(
        &'a mut self,
        actions: &'a mut Vec<Action>,
    ) -> (&'a mut Calls, &'a mut Subscriptions, Turn<'a>) {
        let turn = Turn {
            client: &self.client,
            server: &self.server,
            level: self.level.as_deref(),
            ids: &mut self.ids,
            actions,
        };
        (&mut self.calls, &mut self.subscriptions, turn)
    }

    fn greet(&self, id: &Id, actions: &mut Vec<Action>) {
        actions.push(Action::Answer(initialize::answer(id, &self.client, &self.server)));
    }

    /// The client starts over. What the server is working on goes on; what waits for the client,
    /// which has forgotten it, fails.
    fn restart(&mut self, initialize: &Message, id: &Id, actions: &mut Vec<Action>) {
        let failure =
            Failure::new(FailureKind::SessionLost, "the client initialized anew meanwhile");
        let (calls, subscriptions, mut turn) = self.turn(actions);
        calls.fail_rounds(&failure, &mut turn);
        subscriptions.end(&failure, &mut turn);
        self.client = Client::new(Some(initialize));
        self.level = None;
        self.subscriptions = Subscriptions::new(self.server.lists);
        self.greet(id, actions);
    }

    fn request(&mut self, message: &Message, id: &Id, method: &str, actions: &mut Vec<Action>) {
        if method == "initialize" {
            return self.restart(message, id, actions);
        }
        if method == "logging/setLevel" {
            let answer = self.set_level(message, id);
            return actions.push(Action::Answer(answer));
        }
        let (calls, subscriptions, mut turn) = self.turn(actions);
        match method {
            "ping" => turn.answer(result(id, "{}")),
            "resources/subscribe" => subscriptions.subscribe(id, message, &mut turn),
            "resources/unsubscribe" => subscriptions.unsubscribe(id, message, &mut turn),
            // Its stream would have to be told apart from ours, and its client has no use for it.
            "subscriptions/listen" => turn.answer(absent(id, method)),
            _ => calls.send(message, id, method, &mut turn),
        }
    }

    /// `logging/setLevel` (2025-11-25, server/utilities/logging): what every request then carries.
    fn set_level(&mut self, message: &Message, id: &Id) -> Bytes {
        if !self.server.logging {
            return absent(id, "logging/setLevel");
        }
        let level = member::lookup_string(message.bytes(), &["params", "level"]);
        let Some(level) = level.filter(|level| LOG_LEVELS.contains(&level.as_str())) else {
            let levels = LOG_LEVELS.join(", ");
            let message = format!("\"level\" must be one of {levels}");
            return member::error_response(id, INVALID_PARAMS, &message, None);
        };
        self.level = Some(quoted(&level));
        result(id, "{}")
    }

    fn notification(&mut self, message: &Message, method: &str, actions: &mut Vec<Action>) {
        let (calls, subscriptions, mut turn) = self.turn(actions);
        match method {
            "notifications/initialized" => subscriptions.start(&mut turn),
            "notifications/cancelled" => {
                let Some(id) = id_at(message, &["params", "requestId"]) else { return };
                let key = id.key();
                if !calls.cancelled(&key, message, &mut turn) {
                    subscriptions.cancelled(&key, &mut turn);
                }
            }
            // Modern servers take no notifications of clients (2026-07-28, basic/transports,
            // "Streamable HTTP").
            _ => log::debug!("kept a notification of the client from the server: {method}"),
        }
    }
}

impl Adapter for LegacyClient {
    fn take_from_client(&mut self, message: &Message, actions: &mut Vec<Action>) {
        match message.kind() {
            Kind::Request { id, method } => self.request(message, id, method, actions),
            Kind::Notification { method } => self.notification(message, method, actions),
            Kind::Response { id, .. } => {
                let (calls, _, mut turn) = self.turn(actions);
                calls.replied(id, message, &mut turn);
            }
        }
    }

    fn take_from_server(
        &mut self,
        _: Link,
        message: &Message,
        _: Option<&Id>,
        actions: &mut Vec<Action>,
    ) {
        let (calls, subscriptions, mut turn) = self.turn(actions);
        match message.kind() {
            Kind::Response { id, .. } => {
                let key = id.key();
                match turn.ids.answered(&key) {
                    Some(Owner::Call(call)) => calls.answered(&call, message, &mut turn),
                    Some(Owner::Listen) => subscriptions.ended(&key, Some(message), &mut turn),
                    None => log::debug!("dropped an answer to no open request: {id}"),
                }
            }
            Kind::Notification { method } => match &**method {
                "notifications/subscriptions/acknowledged" => {
                    subscriptions.acknowledged(message, &mut turn);
                }
                "notifications/cancelled" => {
                    // Only for streams of ours; for the client it would mean a question.
                    let id = id_at(message, &["params", "requestId"]);
                    if let Some(key) = id.map(|id| id.key()).filter(|key| turn.ids.listens(key)) {
                        turn.ids.answered(&key);
                        subscriptions.ended(&key, None, &mut turn);
                    }
                }
                _ => subscriptions.notified(message, method, &mut turn),
            },
            Kind::Request { method, .. } => {
                log::warn!("dropped a request of a server whose revision has none: {method}");
            }
        }
    }

    fn wake(&mut self, token: u64, actions: &mut Vec<Action>) {
        let (calls, subscriptions, mut turn) = self.turn(actions);
        if !calls.wake(token, &mut turn) {
            subscriptions.wake(token, &mut turn);
        }
    }

    fn awaits(&self, token: u64) -> bool {
        self.calls.awaits(token) || self.subscriptions.awaits(token)
    }

    fn end(&mut self, actions: &mut Vec<Action>) {
        let (calls, subscriptions, mut turn) = self.turn(actions);
        calls.end(&mut turn);
        let failure = Failure::new(FailureKind::ShuttingDown, "the bridge is ending");
        subscriptions.end(&failure, &mut turn);
    }
}

impl Turn<'_> {
    fn for_client(&mut self, message: Bytes) {
        self.actions.push(Action::ToClient(message));
    }

    fn for_server(&mut self, message: Bytes) {
        self.actions.push(Action::ToServer(LINK, message));
    }

    fn answer(&mut self, response: Bytes) {
        self.actions.push(Action::Answer(response));
    }

    /// Asks for a wake. Returns its token.
    fn wake(&mut self, time: Duration) -> u64 {
        let token = self.ids.number();
        self.actions.push(Action::Wake(time, token));
        token
    }
}

/// The response with this result, which is JSON text.
fn result(id: &Id, result: &str) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// The answer to a request that the server did not offer to answer.
fn absent(id: &Id, method: &str) -> Bytes {
    let message = format!("Method not found: the server does not offer {method}");
    member::error_response(id, METHOD_NOT_FOUND, &message, None)
}

/// The id that stands at a path.
fn id_at(message: &Message, path: &[&str]) -> Option<Id> {
    member::lookup(message.bytes(), path)
        .and_then(|raw| Id::from_raw(Bytes::copy_from_slice(raw.as_bytes())))
}

#[cfg(test)]
mod tests;
