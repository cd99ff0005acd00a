//! A modern client in front of a legacy server (2026-07-28, basic/versioning, "Compatibility
//! Matrix").
//!
//! To the client this is a stateless server that knows `server/discover`, `subscriptions/listen` and
//! `input_required`. Each link is a session of a legacy server, opened by `initialize` with the
//! capabilities that the first request for it declared; a request that declares others gets another
//! session.
//!
//! * `envelope`: what a request says in `_meta`, and which requests may share a session.
//! * `sessions`: opening sessions, choosing one, closing an idle one; `server/discover`.
//! * `calls`: a request from its arrival to its answer; cancellation; progress.
//! * `questions`: requests of the server, which become questions of a client's call.
//! * `rounds`: asking the client with `input_required`, and its retry.
//! * `subscriptions`, `listens`: `resources/subscribe`, and `subscriptions/listen` on top of it.
//! * `log_level`: one level for each request on one level for the session.
//! * `outgoing`, `incoming`: how messages look on the other side.

mod calls;
mod envelope;
mod incoming;
mod listens;
mod log_level;
mod outgoing;
mod questions;
mod rounds;
mod sessions;
mod subscriptions;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::revisions::MAY_NEED_INPUT;
use super::{Action, Adapter, Link};
use crate::json;
use crate::jsonrpc::{Id, IdKey, Kind, METHOD_NOT_FOUND, Message, member};
use calls::Call;
use envelope::{Envelope, Refusal, supported};
use listens::Listen;
use sessions::{Session, Waiting};

/// Requests of legacy revisions that 2026-07-28 no longer has (changelog).
const REMOVED: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// The adapter for a modern client and a legacy server.
///
/// A link opens with an `initialize` request and goes on with `notifications/initialized`, as a
/// legacy client would; what is behind it may therefore treat it as one. At most
/// [`MAX_LINKS`](crate::limits::MAX_LINKS) are open at once. Requests of the client wait in the
/// adapter only while `initialize` or `logging/setLevel` is unanswered.
#[derive(Debug)]
pub struct ModernClient {
    /// Makes states of `input_required` results hard to guess.
    seed: u64,
    /// The last number given to anything.
    last: u64,
    sessions: BTreeMap<Link, Session>,
    /// Links that have been opened, the next one's number.
    links: u32,
    /// The client's unanswered requests, by id.
    open: HashMap<IdKey, Place>,
    /// By number, so that the oldest comes first.
    calls: BTreeMap<u64, Call>,
    listens: BTreeMap<u64, Listen>,
    /// Requests of our own that the server has not answered, by number.
    asked: HashMap<u64, Asked>,
    /// Calls that wait for a retry, by the state that it must show.
    states: HashMap<String, u64>,
    alarms: HashMap<u64, Alarm>,
}

/// Where a request of the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Call(u64),
    Listen(u64),
    /// `server/discover`, waiting for the session.
    Discover(Link),
}

/// A request of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Initialize(Link),
    Level(Link),
    Subscribe(Link, String),
    Unsubscribe(Link, String),
}

/// What is to be done when a time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alarm {
    /// The questions of this call have been gathered.
    Gathered(u64),
    /// Nobody sent this call again.
    Expired(u64),
    /// Nobody may want log messages any more.
    Quiet(Link),
    /// Our own request, whose number is that of the alarm, is unanswered.
    Overdue(Link),
}

impl ModernClient {
    /// An adapter that has seen nothing. `seed` should be random: it goes into the states of
    /// `input_required` results, so that one of them says nothing about the next.
    pub fn new(seed: u64) -> ModernClient {
        ModernClient {
            seed,
            last: 0,
            sessions: BTreeMap::new(),
            links: 0,
            open: HashMap::new(),
            calls: BTreeMap::new(),
            listens: BTreeMap::new(),
            asked: HashMap::new(),
            states: HashMap::new(),
            alarms: HashMap::new(),
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A `requestState` that was never used before.
    fn state(&mut self) -> String {
        let number = self.number();
        let mut hasher = DefaultHasher::new();
        (self.seed, number).hash(&mut hasher);
        format!("{number:x}-{:016x}", hasher.finish())
    }

    fn wake_after(&mut self, time: Duration, alarm: Alarm, actions: &mut Vec<Action>) -> u64 {
        let token = self.number();
        self.alarms.insert(token, alarm);
        actions.push(Action::Wake(time, token));
        token
    }

    fn server_info(&self, link: Link) -> Option<&str> {
        self.sessions.get(&link)?.ready()?.about.server_info.as_deref()
    }

    fn request(&mut self, message: &Message, id: &Id, method: &str, actions: &mut Vec<Action>) {
        if let Err(refusal) = self.take(message, id, method, actions) {
            actions.push(Action::Answer(refusal.response(id)));
        }
    }

    /// Takes a request of the client on its way.
    ///
    /// # Errors
    /// Why it has none.
    fn take(
        &mut self,
        message: &Message,
        id: &Id,
        method: &str,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        if REMOVED.contains(&method) {
            let text = format!(
                "{method} does not exist in MCP {}, which this client began with",
                supported().join(", ")
            );
            let data = json!({ "supported": supported() });
            return Err(Refusal::new(METHOD_NOT_FOUND, text).with(data));
        }
        let envelope = Envelope::read(message)?;
        match method {
            "server/discover" => {
                let link = self.session_for(&envelope, actions);
                self.open.insert(id.key(), Place::Discover(link));
                self.begin(Waiting::Discover(id.clone()), link, actions);
            }
            "subscriptions/listen" => self.listen(message, id, &envelope, actions)?,
            _ if MAY_NEED_INPUT.contains(&method) && rounds::is_retry(message) => {
                self.retry(message, id, method, &envelope, actions)?;
            }
            _ => self.call(message, id, method, &envelope, None, actions),
        }
        Ok(())
    }

    fn response(&mut self, link: Link, message: &Message, actions: &mut Vec<Action>) {
        let Some(number) = message.id().and_then(outgoing::number_of) else { return };
        let Some(asked) = self.asked.remove(&number) else {
            return self.answered(number, message, actions);
        };
        self.alarms.remove(&number);
        let granted = matches!(message.kind(), Kind::Response { error: false, .. });
        match asked {
            Asked::Initialize(_) => self.initialized(link, message, actions),
            Asked::Level(_) => self.level_set(link, actions),
            Asked::Subscribe(_, uri) => self.subscribed(link, &uri, granted, actions),
            Asked::Unsubscribe(_, uri) => self.unsubscribed(link, &uri, actions),
        }
    }

    /// The server has not answered a request of our own: it counts as refused.
    fn overdue(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(asked) = self.asked.remove(&number) else { return };
        let link = asked.link();
        log::warn!("the server does not answer {}", asked.method());
        if let Some(id) = Id::from_raw(outgoing::wire_id(number).into()) {
            let notice = member::cancelled(&id, "it took too long");
            actions.push(Action::ToServer(link, notice));
        }
        match asked {
            // Whoever carries out our actions answers it in time.
            Asked::Initialize(_) => {}
            Asked::Level(_) => self.level_set(link, actions),
            Asked::Subscribe(_, uri) => {
                self.refuse_queued(link, actions);
                self.subscribed(link, &uri, false, actions);
            }
            Asked::Unsubscribe(_, uri) => self.unsubscribed(link, &uri, actions),
        }
    }

    fn notification(
        &mut self,
        link: Link,
        method: &str,
        message: &Message,
        during: Option<u64>,
        actions: &mut Vec<Action>,
    ) {
        match method {
            "notifications/progress" => self.progress(link, message, actions),
            "notifications/message" => self.logged(link, message, during, actions),
            member::CANCELLED => {
                if let Some(id) = message.takes_back() {
                    self.withdraw(link, &id);
                }
            }
            _ if listens::is_announcement(method) => {
                self.announce(link, method, message, actions);
            }
            // Nothing else may reach a client that has not asked for it (basic/transports/stdio,
            // "Receiving Messages"); the others speak of things that 2026-07-28 does not have.
            _ => log::debug!("a notification of a legacy server has no modern form; dropped"),
        }
    }
}

impl Adapter for ModernClient {
    fn take_from_client(&mut self, message: &Message, actions: &mut Vec<Action>) {
        match message.kind() {
            Kind::Request { id, method } => self.request(message, id, method, actions),
            Kind::Notification { method } if &**method == member::CANCELLED => {
                if let Some(id) = message.takes_back() {
                    self.cancel(&id, message, actions);
                }
            }
            // 2026-07-28 has no other notification of a client, and no response.
            Kind::Notification { .. } | Kind::Response { .. } => {
                log::debug!("a modern client sent what is not for a server; dropped");
            }
        }
    }

    fn take_from_server(
        &mut self,
        link: Link,
        message: &Message,
        during: Option<&Id>,
        actions: &mut Vec<Action>,
    ) {
        let during = during.and_then(outgoing::number_of);
        if !self.sessions.contains_key(&link) {
            return;
        }
        match message.kind() {
            Kind::Request { id, method } => {
                self.server_request(link, id, method, message, during, actions);
            }
            Kind::Notification { method } => {
                self.notification(link, method, message, during, actions);
            }
            Kind::Response { .. } => self.response(link, message, actions),
        }
    }

    fn wake(&mut self, token: u64, actions: &mut Vec<Action>) {
        match self.alarms.remove(&token) {
            Some(Alarm::Gathered(call)) => self.gathered(call, actions),
            Some(Alarm::Expired(call)) => {
                log::debug!("a call whose questions nobody answered is given up");
                self.give_up(call, actions);
            }
            Some(Alarm::Quiet(link)) => self.quiet(link, actions),
            Some(Alarm::Overdue(_)) => self.overdue(token, actions),
            None => {}
        }
    }

    fn awaits(&self, token: u64) -> bool {
        self.alarms.contains_key(&token)
    }

    fn end(&mut self, actions: &mut Vec<Action>) {
        self.close_listens(actions);
    }
}

#[cfg(test)]
mod tests;
