//! Requests of the server (2025-11-25, client): each becomes a question of a call of the client that
//! may be answered with `input_required`, or is answered here.
//!
//! A request that comes on the response stream of a call belongs to that call (2025-11-25,
//! basic/transports, "Sending Messages to the Server"), and to no other. Of one that comes on a
//! stream for all, the protocol does not say to which it belongs. Any open call of the session can
//! carry it to the client, because the answer goes back under the server's own id. The one that
//! carries questions already is preferred, then the oldest that waits for its answer, then the oldest
//! that waits for the client, whose next round it goes into.

use std::cmp::Reverse;

use super::calls::{Call, Phase};
use super::envelope::Declared;
use super::incoming::INTERNAL_ERROR;
use super::{Action, Link, ModernClient, outgoing};
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{INVALID_PARAMS, Id, METHOD_NOT_FOUND, Message, member};
use crate::limits::{MAX_PARKED_BYTES, MAX_QUESTIONS};

/// One thing that the client is to be asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Its name in `inputRequests`.
    pub(super) key: String,
    /// The server's request; none where the question came with an error response.
    pub(super) from: Option<Id>,
    /// The number of the request that it was asked for, where that is known.
    pub(super) during: Option<u64>,
    /// What to ask for.
    pub(super) need: Need,
    /// The parameters in the shape of 2026-07-28, as JSON.
    pub(super) params: Option<String>,
    /// The client has it.
    pub(super) handed: bool,
}

/// What a client must have declared to be asked a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Roots,
    Sampling,
    SamplingWithTools,
    Form,
    Url,
}

impl Need {
    /// What a request of the server needs, and its parameters for the client.
    ///
    /// # Errors
    /// What is wrong with the request: a code and a text.
    fn of(method: &str, message: &Message) -> Result<(Need, Option<String>), (i32, &'static str)> {
        let has = |name| member::lookup(message.bytes(), &["params", name]).is_some();
        let params = member::lookup(message.bytes(), &["params"]);
        let need = match method {
            "roots/list" => Need::Roots,
            "sampling/createMessage" if has("tools") || has("toolChoice") => {
                Need::SamplingWithTools
            }
            "sampling/createMessage" => Need::Sampling,
            "elicitation/create" => {
                let mode = member::lookup_string(message.bytes(), &["params", "mode"]);
                match mode.as_deref() {
                    None | Some("form") => Need::Form,
                    Some("url") => Need::Url,
                    Some(_) => return Err((INVALID_PARAMS, "this mode of elicitation is unknown")),
                }
            }
            _ => return Err((METHOD_NOT_FOUND, "the client does not know this method")),
        };
        let converted = params.map(|params| converted(params).ok_or("params must be an object"));
        match converted.transpose() {
            Ok(None) if need != Need::Roots => Err((INVALID_PARAMS, "params are missing")),
            Ok(params) => Ok((need, params)),
            Err(text) => Err((INVALID_PARAMS, text)),
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Need::Roots => "roots/list",
            Need::Sampling | Need::SamplingWithTools => "sampling/createMessage",
            Need::Form | Need::Url => "elicitation/create",
        }
    }

    /// How a client refuses that declared less (2025-11-25, client, "Error Handling").
    fn refusal(self, declared: Declared) -> (i32, &'static str) {
        let elicitation = declared.form || declared.url;
        match self {
            Need::Roots => (METHOD_NOT_FOUND, "the client has not declared roots"),
            Need::SamplingWithTools if declared.sampling => {
                (INVALID_PARAMS, "the client has not declared sampling with tools")
            }
            Need::Sampling | Need::SamplingWithTools => {
                (METHOD_NOT_FOUND, "the client has not declared sampling")
            }
            Need::Form | Need::Url if elicitation => {
                (INVALID_PARAMS, "the client has not declared this mode of elicitation")
            }
            Need::Form | Need::Url => (METHOD_NOT_FOUND, "the client has not declared elicitation"),
        }
    }
}

/// As [`converted`], for an elicitation that can only be of mode `url`.
pub(super) fn converted_visit(params: &str) -> Option<String> {
    let patch = Patch::new().default_to(&["mode"], r#""url""#).remove(&["elicitationId"]);
    let bytes = patch.apply(params.as_bytes())?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The parameters of a question without what 2026-07-28 does not have: tasks, ids of elicitations,
/// and progress, which a client cannot report on a question.
pub(super) fn converted(params: &str) -> Option<String> {
    let patch = Patch::new()
        .remove(&["task"])
        .remove(&["elicitationId"])
        .remove(&["_meta", "progressToken"])
        .prune(&["_meta"]);
    let bytes = patch.apply(params.as_bytes())?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Declared {
    pub(super) fn allows(self, need: Need) -> bool {
        match need {
            Need::Roots => self.roots,
            Need::Sampling => self.sampling,
            Need::SamplingWithTools => self.sampling_tools,
            Need::Form => self.form,
            Need::Url => self.url,
        }
    }
}

impl ModernClient {
    /// A request of the server: answers it, or asks the client.
    pub(super) fn server_request(
        &mut self,
        link: Link,
        id: &Id,
        method: &str,
        message: &Message,
        during: Option<u64>,
        actions: &mut Vec<Action>,
    ) {
        if method == "ping" {
            return actions.push(Action::ToServer(link, outgoing::answer(id, "{}")));
        }
        match Need::of(method, message) {
            Ok((need, params)) => {
                let key = format!("q{}", self.number());
                let from = Some(id.clone());
                let question = Question { key, from, during, need, params, handed: false };
                self.pose(link, question, actions);
            }
            Err((code, text)) => {
                let error = member::error_response(id, code, text, None);
                actions.push(Action::ToServer(link, error));
            }
        }
    }

    /// Gives a question to a call that can carry it to the client.
    fn pose(&mut self, link: Link, question: Question, actions: &mut Vec<Action>) {
        let carries = |number: u64, call: &Call| {
            question.during.is_none_or(|during| during == number)
                && call.link == link
                && call.may_be_asked()
                && call.questions.len() < MAX_QUESTIONS
        };
        let rank = |call: &Call| match call.phase {
            Phase::Gathering { .. } => 0,
            Phase::Open(_) => 1,
            Phase::Parked { .. } => 2,
        };
        let calls = self.calls.iter().filter(|(n, call)| carries(**n, call));
        let able = calls.clone().filter(|(_, call)| call.declared.allows(question.need));
        let Some(number) = able.min_by_key(|(n, call)| (rank(call), **n)).map(|(n, _)| *n) else {
            let of_session = self.sessions.get(&link).map(|s| s.signature.declared);
            let of_call = calls.map(|(_, call)| call.declared).next();
            let declared = of_call.or(of_session).unwrap_or_default();
            let (code, text) = if declared.allows(question.need) {
                let text = "the client can be asked only while a request of its that may wait \
                            for input is open";
                (METHOD_NOT_FOUND, text)
            } else {
                question.need.refusal(declared)
            };
            return refuse(link, &question, code, text, actions);
        };
        let size = question.params.as_ref().map_or(0, String::len);
        let kept = self.kept_bytes();
        if kept > 0 && kept + size > MAX_PARKED_BYTES {
            let text = "too much is waiting for the client already";
            return refuse(link, &question, INTERNAL_ERROR, text, actions);
        }
        if let Some(call) = self.calls.get_mut(&number) {
            call.questions.push(question);
        }
        self.gather(number, actions);
    }

    /// The call is over that these questions were given to; another may have caused them.
    pub(super) fn ask_elsewhere(
        &mut self,
        link: Link,
        questions: Vec<Question>,
        actions: &mut Vec<Action>,
    ) {
        for question in questions {
            if question.handed || question.during.is_some() {
                let text = "the request that this was asked for is over";
                refuse(link, &question, INTERNAL_ERROR, text, actions);
            } else {
                self.pose(link, question, actions);
            }
        }
    }

    /// Takes out the questions of a call that the client must not be asked, because its last
    /// request declares less than the one before.
    pub(super) fn refuse_undeclared(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let (link, declared) = (call.link, call.declared);
        call.questions.retain(|question| {
            let allowed = declared.allows(question.need);
            if !allowed {
                let (code, text) = question.need.refusal(declared);
                refuse(link, question, code, text, actions);
            }
            allowed
        });
    }

    /// The server takes a question back. An answer that still comes reaches nobody.
    pub(super) fn withdraw(&mut self, link: Link, id: &Id) {
        let key = id.key();
        let asked = |question: &Question| question.from.as_ref().is_some_and(|id| id.key() == key);
        let calls = self.calls.values_mut().filter(|call| call.link == link);
        for call in calls {
            let Some(place) = call.questions.iter().position(asked) else { continue };
            call.questions.remove(place);
            if let Phase::Gathering { id, alarm } = &call.phase
                && call.questions.is_empty()
            {
                self.alarms.remove(alarm);
                call.phase = Phase::Open(id.clone());
            }
            return;
        }
    }

    /// Bytes of questions and early results that wait for the client.
    fn kept_bytes(&self) -> usize {
        let of_call = |call: &Call| {
            let questions = call.questions.iter().filter_map(|question| question.params.as_ref());
            let result = call.result.as_ref().map_or(0, |result| result.bytes().len());
            questions.map(String::len).sum::<usize>() + result
        };
        self.calls.values().map(of_call).sum()
    }

    /// Gives up parked calls that have their result until the rest is within [`MAX_PARKED_BYTES`].
    pub(super) fn keep_within_bytes(&mut self, actions: &mut Vec<Action>) {
        while self.kept_bytes() > MAX_PARKED_BYTES {
            let kept = || self.calls.iter().filter(|(_, call)| call.result.is_some());
            // The one that came last is the last to go, and may be too large alone.
            if kept().count() < 2 {
                return;
            }
            let Some(oldest) = kept().min_by_key(|(n, _)| **n).map(|(n, _)| *n) else { return };
            self.give_up(oldest, actions);
        }
    }

    /// Gives up the call that is parked longest, where there are more than `most`.
    pub(super) fn keep_parked(&mut self, most: usize, actions: &mut Vec<Action>) {
        let parked = self.calls.iter().filter_map(|(number, call)| match call.phase {
            Phase::Parked { alarm, .. } => Some((Reverse(alarm), *number)),
            _ => None,
        });
        let (count, oldest) = (parked.clone().count(), parked.max());
        if count > most
            && let Some((_, number)) = oldest
        {
            log::warn!("{most} calls wait for answers of the client; the oldest is given up");
            self.give_up(number, actions);
        }
    }
}

/// Answers a question with an error.
fn refuse(link: Link, question: &Question, code: i32, text: &str, actions: &mut Vec<Action>) {
    if let Some(id) = &question.from {
        actions.push(Action::ToServer(link, member::error_response(id, code, text, None)));
    }
}
