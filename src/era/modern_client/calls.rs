//! A request of the client that the server answers: from its arrival to its answer.

use bytes::Bytes;

use super::envelope::{Declared, Envelope};
use super::incoming::{self, INTERNAL_ERROR};
use super::questions::Question;
use super::sessions::Waiting;
use super::{Action, Alarm, Link, ModernClient, Place, outgoing};
use crate::era::revisions::MAY_NEED_INPUT;
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{Id, IdKey, Message, member};

/// One call. Its number makes the id that the server knows it by.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) link: Link,
    pub(super) method: Box<str>,
    /// What the request is about (`name` or `uri`), which a retry must be about as well.
    pub(super) target: Option<String>,
    /// What the client can be asked, as its last request for this call says.
    pub(super) declared: Declared,
    /// The log level that its last request asks for.
    pub(super) level: Option<usize>,
    /// The request, while it waits to be sent.
    pub(super) unsent: Option<Bytes>,
    pub(super) phase: Phase,
    /// Questions of the server that the client has not answered, in their order.
    pub(super) questions: Vec<Question>,
    /// The answer, where it came while the call was parked.
    pub(super) result: Option<Message>,
    /// The progress token that the server has.
    token: Option<IdKey>,
    /// The progress token of the client's last request for this call, as JSON.
    client_token: Option<String>,
}

/// How things stand between the client and a call.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request with this id waits for the answer.
    Open(Id),
    /// As above, and there is a first question; others may follow it at once.
    Gathering {
        /// The id of the request.
        id: Id,
        /// The end of it.
        alarm: u64,
    },
    /// The client was told to send the request again with the answers.
    Parked {
        /// What it must show then.
        state: String,
        /// The end of our patience.
        alarm: u64,
        /// The server has answered with the questions; the retry is a new call.
        again: bool,
    },
}

impl Call {
    /// The id of the client's request that waits for an answer.
    pub(super) fn client(&self) -> Option<Id> {
        match &self.phase {
            Phase::Open(id) | Phase::Gathering { id, .. } => Some(id.clone()),
            Phase::Parked { .. } => None,
        }
    }

    /// Whether the server may still ask something for it.
    pub(super) fn may_be_asked(&self) -> bool {
        MAY_NEED_INPUT.contains(&&*self.method)
            && self.unsent.is_none()
            && self.result.is_none()
            && !matches!(self.phase, Phase::Parked { again: true, .. })
    }

    /// The alarm that is set for its phase.
    fn alarm(&self) -> Option<u64> {
        match self.phase {
            Phase::Open(_) => None,
            Phase::Gathering { alarm, .. } | Phase::Parked { alarm, .. } => Some(alarm),
        }
    }

    /// A retry brings its own token.
    pub(super) fn renew_token(&mut self, message: &Message) {
        self.client_token = progress_token(message);
    }
}

/// What a request is about, where a retry of it must be about the same.
pub(super) fn target(method: &str, message: &Message) -> Option<String> {
    let name = if method == "resources/read" { "uri" } else { "name" };
    member::lookup_string(message.bytes(), &["params", name])
}

fn progress_token(message: &Message) -> Option<String> {
    let path = ["params", "_meta", "progressToken"];
    member::lookup(message.bytes(), &path).filter(|raw| *raw != "null").map(str::to_owned)
}

fn token_key(raw: &str) -> Option<IdKey> {
    Id::from_raw(Bytes::copy_from_slice(raw.as_bytes())).map(|token| token.key())
}

impl ModernClient {
    /// Takes a request that the server is to answer; `link` is the session where it has one already.
    pub(super) fn call(
        &mut self,
        message: &Message,
        id: &Id,
        method: &str,
        envelope: &Envelope,
        link: Option<Link>,
        actions: &mut Vec<Action>,
    ) {
        let link = link
            .filter(|link| self.sessions.contains_key(link))
            .unwrap_or_else(|| self.session_for(envelope, actions));
        let number = self.number();
        let wire_id = outgoing::wire_id(number);
        let client_token = progress_token(message);
        let mut token = client_token.as_deref().and_then(token_key);
        // A client may use the token of a parked call again; for the server that call is still open.
        let clash = token.is_some()
            && self.calls.values().any(|call| call.link == link && call.token == token);
        if clash {
            token = token_key(&wire_id);
        }
        let may_need_input = MAY_NEED_INPUT.contains(&method);
        let unsent =
            outgoing::request(message, &wire_id, clash.then_some(&wire_id), may_need_input);
        let call = Call {
            link,
            method: method.into(),
            target: may_need_input.then(|| target(method, message)).flatten(),
            declared: envelope.signature.declared,
            level: envelope.level,
            unsent: Some(unsent),
            phase: Phase::Open(id.clone()),
            questions: Vec::new(),
            result: None,
            token,
            client_token,
        };
        self.calls.insert(number, call);
        self.open.insert(id.key(), Place::Call(number));
        self.begin(Waiting::Call(number), link, actions);
    }

    /// Sends a call, or lets it wait for the log level that it needs.
    pub(super) fn send(&mut self, number: u64, actions: &mut Vec<Action>) {
        if self.waits_for_level(number, actions) {
            return;
        }
        if let Some(call) = self.calls.get_mut(&number)
            && let Some(request) = call.unsent.take()
        {
            actions.push(Action::ToServer(call.link, request));
        }
    }

    /// The server's answer to a call.
    pub(super) fn answered(&mut self, number: u64, message: &Message, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.get_mut(&number).filter(|call| call.unsent.is_none()) else {
            return;
        };
        match &call.phase {
            Phase::Open(_) | Phase::Gathering { .. } => self.finish(number, message, actions),
            Phase::Parked { again: true, .. } => {}
            Phase::Parked { .. } => {
                if call.result.is_none() {
                    call.result = Some(message.clone());
                    // What was not handed to the client may belong to another call.
                    let (handed, others) = call.questions.drain(..).partition(|q| q.handed);
                    call.questions = handed;
                    let link = call.link;
                    self.ask_elsewhere(link, others, actions);
                    self.keep_within_bytes(actions);
                }
            }
        }
    }

    /// Answers the client's request with what the server answered.
    pub(super) fn finish(&mut self, number: u64, message: &Message, actions: &mut Vec<Action>) {
        if self.visit_first(number, message, actions) {
            return;
        }
        let Some(call) = self.remove(number) else { return };
        let Some(id) = call.client() else { return };
        self.open.remove(&id.key());
        let info = self.server_info(call.link);
        actions.push(Action::Answer(incoming::response(message, &id, &call.method, info)));
        self.ask_elsewhere(call.link, call.questions, actions);
        self.quiet_later(call.link, actions);
    }

    /// Takes a call out of the table, with its alarm and its state.
    pub(super) fn remove(&mut self, number: u64) -> Option<Call> {
        let call = self.calls.remove(&number)?;
        self.settle(&call);
        Some(call)
    }

    /// Its phase is over: no alarm and no state means it any more.
    pub(super) fn settle(&mut self, call: &Call) {
        if let Some(alarm) = call.alarm() {
            self.alarms.remove(&alarm);
        }
        if let Phase::Parked { state, .. } = &call.phase {
            self.states.remove(state);
        }
    }

    /// The client takes a request back.
    pub(super) fn cancel(&mut self, id: &Id, message: &Message, actions: &mut Vec<Action>) {
        match self.leave(id) {
            Some(Place::Discover(link)) => self.forget_discover(link, id),
            Some(Place::Listen(number)) => self.stop_listening(number, actions),
            Some(Place::Call(number)) => {
                let Some(call) = self.remove(number) else { return };
                if call.unsent.is_some() {
                    // The server need not hear of a request that it does not have.
                    self.no_longer_waits(number, call.link);
                    return;
                }
                let notice = outgoing::cancelled(message, &outgoing::wire_id(number));
                actions.push(Action::ToServer(call.link, notice));
                self.refuse_all(&call, actions);
                self.quiet_later(call.link, actions);
            }
            None => {}
        }
    }

    /// Tells the server that nobody answers what it asked for this call.
    pub(super) fn refuse_all(&self, call: &Call, actions: &mut Vec<Action>) {
        for question in &call.questions {
            let Some(id) = &question.from else { continue };
            let text = "the client took back or gave up the request that this was asked for";
            let error = member::error_response(id, INTERNAL_ERROR, text, None);
            actions.push(Action::ToServer(call.link, error));
        }
    }

    /// Progress of a call goes to the request that waits for it, under that request's token.
    pub(super) fn progress(&self, link: Link, message: &Message, actions: &mut Vec<Action>) {
        let path = ["params", "progressToken"];
        let Some(key) = member::lookup(message.bytes(), &path).and_then(token_key) else { return };
        let call = self.calls.values().find(|call| {
            call.link == link && call.token.as_ref() == Some(&key) && call.client().is_some()
        });
        let Some(wanted) = call.and_then(|call| call.client_token.as_deref()) else { return };
        let notification = if token_key(wanted) == Some(key) {
            message.bytes().clone()
        } else {
            let patch = Patch::new().set(&path, wanted);
            patch.apply(message.bytes()).unwrap_or_else(|| message.bytes().clone())
        };
        actions.push(Action::ToClient(notification));
    }

    /// The time for gathering questions is over.
    pub(super) fn gathered(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        if let Phase::Gathering { id, .. } = &call.phase {
            let id = id.clone();
            call.phase = Phase::Open(id);
            self.hand_over(number, actions);
        }
    }

    /// Begins to gather questions for a call, if that is the next thing to do.
    pub(super) fn gather(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(Phase::Open(id)) = self.calls.get(&number).map(|call| &call.phase) else { return };
        let id = id.clone();
        let time = crate::limits::QUESTIONS_GATHERED;
        let alarm = self.wake_after(time, Alarm::Gathered(number), actions);
        if let Some(call) = self.calls.get_mut(&number) {
            call.phase = Phase::Gathering { id, alarm };
        }
    }
}
