//! Sessions with the server: one for each set of capabilities that requests declare.

use super::envelope::{Envelope, Refusal, Signature};
use super::incoming::{self, Initialized};
use super::log_level::Level;
use super::subscriptions::Subscriptions;
use super::{Action, Alarm, Asked, Link, ModernClient, Place, outgoing};
use crate::era::revisions::named;
use crate::era::{Era, UNSUPPORTED_VERSION};
use crate::json;
use crate::jsonrpc::{Id, Kind, Message, member};
use crate::limits::{MAX_LINKS, OWN_REQUEST_TIMEOUT};

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// What its `initialize` declared.
    pub(super) signature: Signature,
    /// The revision that the request was written in which opened it.
    version: String,
    /// When a request last chose it: a number that only grows.
    used: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// `initialize` is unanswered. The client's own requests wait, so that its limit bounds them.
    Opening(Vec<Waiting>),
    Ready(Box<Ready>),
}

/// What is known of an open session.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) about: Initialized,
    pub(super) level: Level,
    pub(super) subscriptions: Subscriptions,
}

/// A request that waits for its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Call(u64),
    Listen(u64),
    Discover(Id),
}

impl Session {
    pub(super) fn ready(&self) -> Option<&Ready> {
        match &self.state {
            State::Ready(ready) => Some(ready),
            State::Opening(_) => None,
        }
    }

    pub(super) fn ready_mut(&mut self) -> Option<&mut Ready> {
        match &mut self.state {
            State::Ready(ready) => Some(ready),
            State::Opening(_) => None,
        }
    }

    /// A request was taken back before the session was open.
    pub(super) fn forget(&mut self, gone: &Waiting) {
        if let State::Opening(waiting) = &mut self.state {
            waiting.retain(|one| one != gone);
        }
    }
}

impl ModernClient {
    /// The session that a request with this envelope belongs to; opens one where there is none.
    pub(super) fn session_for(&mut self, envelope: &Envelope, actions: &mut Vec<Action>) -> Link {
        let used = self.number();
        let same = |session: &Session| session.signature == envelope.signature;
        let link = match self.sessions.iter().find(|(_, session)| same(session)) {
            Some((link, _)) => *link,
            None => match self.room(envelope, actions) {
                Some(next_best) => next_best,
                None => return self.open_session(envelope, used, actions),
            },
        };
        if let Some(session) = self.sessions.get_mut(&link) {
            session.used = used;
        }
        link
    }

    /// Makes room for one more session. Where every session is in use, it names the one that suits
    /// the request best.
    fn room(&mut self, envelope: &Envelope, actions: &mut Vec<Action>) -> Option<Link> {
        if self.sessions.len() < MAX_LINKS {
            return None;
        }
        let idle = self.sessions.iter().filter(|(link, _)| self.is_idle(**link));
        if let Some(link) = idle.min_by_key(|(_, session)| session.used).map(|(link, _)| *link) {
            self.close(link, actions);
            return None;
        }
        let distance = |session: &Session| session.signature.distance(&envelope.signature);
        let best = self.sessions.iter().min_by_key(|(_, session)| distance(session));
        log::warn!("{MAX_LINKS} sets of capabilities are in use; a session is shared");
        best.map(|(link, _)| *link)
    }

    fn is_idle(&self, link: Link) -> bool {
        self.sessions.get(&link).is_some_and(|session| session.ready().is_some())
            && self.calls.values().all(|call| call.link != link)
            && self.listens.values().all(|listen| listen.link != link)
    }

    fn close(&mut self, link: Link, actions: &mut Vec<Action>) {
        self.sessions.remove(&link);
        self.asked.retain(|_, asked| asked.link() != link);
        let of_link = [Alarm::Quiet(link), Alarm::Overdue(link)];
        self.alarms.retain(|_, alarm| !of_link.contains(alarm));
        actions.push(Action::Close(link));
    }

    fn open_session(&mut self, envelope: &Envelope, used: u64, actions: &mut Vec<Action>) -> Link {
        let link = Link(self.links);
        self.links += 1;
        let session = Session {
            signature: envelope.signature.clone(),
            version: envelope.version.clone(),
            used,
            state: State::Opening(Vec::new()),
        };
        self.sessions.insert(link, session);
        let number = self.number();
        self.asked.insert(number, Asked::Initialize(link));
        let id = outgoing::wire_id(number);
        actions.push(Action::ToServer(link, outgoing::initialize(&id, envelope)));
        link
    }

    /// Gives the server a request of our own, whose answer is not waited for for ever.
    pub(super) fn ask(&mut self, asked: Asked, params: &str, actions: &mut Vec<Action>) {
        let (link, method) = (asked.link(), asked.method());
        let number = self.wake_after(OWN_REQUEST_TIMEOUT, Alarm::Overdue(link), actions);
        self.asked.insert(number, asked);
        let request = outgoing::own(&outgoing::wire_id(number), method, params);
        actions.push(Action::ToServer(link, request));
    }

    /// Lets a request go on as soon as its session is open.
    pub(super) fn begin(&mut self, one: Waiting, link: Link, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        match (&mut session.state, one) {
            (State::Opening(waiting), one) => waiting.push(one),
            (State::Ready(ready), Waiting::Discover(id)) => {
                actions.push(Action::Answer(incoming::result(&id, &ready.about.discovered)));
                self.open.remove(&id.key());
            }
            (State::Ready(_), Waiting::Call(number)) => self.send(number, actions),
            (State::Ready(_), Waiting::Listen(number)) => self.subscribe_all(number, actions),
        }
    }

    /// The answer to `initialize`.
    pub(super) fn initialized(&mut self, link: Link, message: &Message, actions: &mut Vec<Action>) {
        let about = match self.understood(link, message) {
            Ok(about) => about,
            Err(refusal) => return self.not_opened(link, message, refusal, actions),
        };
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let ready = Box::new(Ready {
            about,
            level: Level::default(),
            subscriptions: Subscriptions::default(),
        });
        let before = std::mem::replace(&mut session.state, State::Ready(ready));
        let State::Opening(waiting) = before else { return };
        let (discover, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|one| matches!(one, Waiting::Discover(_)));
        // What only asks about the server need not wait for anything more.
        for one in discover {
            self.begin(one, link, actions);
        }
        let initialized = member::notification("notifications/initialized");
        actions.push(Action::ToServer(link, initialized));
        for one in others {
            self.begin(one, link, actions);
        }
    }

    /// Reads the answer to `initialize`.
    ///
    /// # Errors
    /// Why it opens no session; `None` where the answer is itself the error.
    fn understood(&self, link: Link, message: &Message) -> Result<Initialized, Option<Refusal>> {
        if matches!(message.kind(), Kind::Response { error: true, .. }) {
            return Err(None);
        }
        let version = member::lookup_string(message.bytes(), &["result", "protocolVersion"]);
        let known = version.as_deref().and_then(named).filter(|known| known.era == Era::Legacy);
        let about = known.and_then(|_| Initialized::read(message));
        about.ok_or_else(|| {
            let text = match &version {
                Some(version) => format!(
                    "the server speaks MCP {} only, which mcp-tether does not know",
                    crate::secret::truncate(version, 20)
                ),
                None => "the server's answer to initialize names no version of MCP".to_owned(),
            };
            let requested = self.sessions.get(&link).map(|session| session.version.clone());
            // No revision would do: the list of supported ones is empty.
            let data = json!({"supported": [], "requested": requested.unwrap_or_default()});
            Some(Refusal::new(UNSUPPORTED_VERSION, text).with(data))
        })
    }

    /// Every request that waited gets the error; the next one tries again on a new link.
    fn not_opened(
        &mut self,
        link: Link,
        message: &Message,
        refusal: Option<Refusal>,
        actions: &mut Vec<Action>,
    ) {
        let session = self.sessions.remove(&link);
        let waiting = match session.map(|session| session.state) {
            Some(State::Opening(waiting)) => waiting,
            _ => Vec::new(),
        };
        for one in waiting {
            let id = match one {
                Waiting::Call(number) => self.calls.remove(&number).and_then(|call| call.client()),
                Waiting::Listen(number) => self.listens.remove(&number).map(|listen| listen.id),
                Waiting::Discover(id) => Some(id),
            };
            let Some(id) = id else { continue };
            self.open.remove(&id.key());
            let error = match &refusal {
                Some(refusal) => refusal.response(&id),
                None => incoming::response(message, &id, "initialize", None),
            };
            actions.push(Action::Answer(error));
        }
        self.close(link, actions);
    }

    /// A `server/discover` that waits for its session was taken back.
    pub(super) fn forget_discover(&mut self, link: Link, id: &Id) {
        if let Some(Session { state: State::Opening(waiting), .. }) = self.sessions.get_mut(&link) {
            waiting
                .retain(|one| !matches!(one, Waiting::Discover(other) if other.key() == id.key()));
        }
    }

    /// Where a request with this id is, which is over now.
    pub(super) fn leave(&mut self, id: &Id) -> Option<Place> {
        self.open.remove(&id.key())
    }
}

impl Asked {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Asked::Initialize(_) => "initialize",
            Asked::Level(_) => "logging/setLevel",
            Asked::Subscribe(..) => "resources/subscribe",
            Asked::Unsubscribe(..) => "resources/unsubscribe",
        }
    }

    pub(super) fn link(&self) -> Link {
        match self {
            Asked::Initialize(link)
            | Asked::Level(link)
            | Asked::Subscribe(link, _)
            | Asked::Unsubscribe(link, _) => *link,
        }
    }
}
