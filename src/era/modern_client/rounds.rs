//! Rounds of questions: `input_required` to the client, and the retry that brings the answers
//! (2026-07-28, basic/patterns/mrtr).
//!
//! The call stays open on the server meanwhile. The state that the client must show on its retry is a
//! name for it, good once, and only for the same method and the same tool, prompt or resource.

use super::calls::{Call, Phase, target};
use super::envelope::{Envelope, Refusal};
use super::incoming::{self, URL_ELICITATION_REQUIRED};
use super::questions::{Need, Question, converted_visit};
use super::{Action, Alarm, ModernClient, Place, outgoing};
use crate::era::revisions::MAY_NEED_INPUT;
use crate::json;
use crate::jsonrpc::splice::{elements, members};
use crate::jsonrpc::{INVALID_PARAMS, Id, Kind, Message, member};
use crate::limits::{MAX_PARKED_CALLS, MAX_QUESTIONS, PARKED_CALL};

/// The JSON text of a member of `params`, where it is not null.
fn param<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    member::lookup(message.bytes(), &["params", name]).filter(|text| *text != "null")
}

/// Whether a request is the retry of one that was answered with `input_required`.
pub(super) fn is_retry(message: &Message) -> bool {
    ["requestState", "inputResponses"].iter().any(|name| param(message, name).is_some())
}

impl ModernClient {
    /// Answers the request of a call with its questions. It goes on as it was if there is none that
    /// the client can be asked.
    pub(super) fn hand_over(&mut self, number: u64, actions: &mut Vec<Action>) {
        self.refuse_undeclared(number, actions);
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Phase::Open(id) = &call.phase else { return };
        if call.questions.is_empty() {
            return;
        }
        let id = id.clone();
        self.park(number, &id, false, actions);
    }

    fn park(&mut self, number: u64, id: &Id, again: bool, actions: &mut Vec<Action>) {
        let Some(link) = self.calls.get(&number).map(|call| call.link) else { return };
        let state = self.state();
        let alarm = self.wake_after(PARKED_CALL, Alarm::Expired(number), actions);
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.phase = Phase::Parked { state: state.clone(), alarm, again };
        let mut requests = String::from("{");
        for question in &mut call.questions {
            question.handed = true;
            let comma = if requests.len() > 1 { "," } else { "" };
            let (key, method) = (&question.key, question.need.method());
            requests.push_str(&format!(r#"{comma}"{key}":{{"method":"{method}""#));
            if let Some(params) = &question.params {
                requests.push_str(r#","params":"#);
                requests.push_str(params);
            }
            requests.push('}');
        }
        requests.push('}');
        let info = self.server_info(link);
        let answer = incoming::input_required(id, &requests, &state, info);
        actions.push(Action::Answer(answer));
        self.open.remove(&id.key());
        self.states.insert(state, number);
        self.keep_parked(MAX_PARKED_CALLS, actions);
        self.quiet_later(link, actions);
    }

    /// A request that brings answers.
    ///
    /// # Errors
    /// -32602 where it fits no call that waits for it, or its answers are none.
    pub(super) fn retry(
        &mut self,
        message: &Message,
        id: &Id,
        method: &str,
        envelope: &Envelope,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let number = self.retried(message, method)?;
        let responses = match param(message, "inputResponses") {
            None => Vec::new(),
            Some(text) => members(text).ok_or_else(|| bad("inputResponses must be an object"))?,
        };
        let given: Vec<(&str, &str)> =
            responses.iter().map(|response| (&*response.key, response.value)).collect();
        if given.iter().any(|(_, value)| !value.starts_with('{')) {
            return Err(bad("each of inputResponses must be an object"));
        }
        // From here on the state is used up.
        let Some(mut call) = self.remove(number) else { return Ok(()) };
        let again = matches!(call.phase, Phase::Parked { again: true, .. });
        call.phase = Phase::Open(id.clone());
        call.declared = envelope.signature.declared;
        call.level = envelope.level;
        call.renew_token(message);
        if again {
            let link = call.link;
            if self.visited(number, call, id, &given, actions)? {
                self.call(message, id, method, envelope, Some(link), actions);
            }
            return Ok(());
        }
        let link = call.link;
        let result = call.result.take();
        let questions = std::mem::take(&mut call.questions);
        self.calls.insert(number, call);
        self.open.insert(id.key(), Place::Call(number));
        self.tune(link, actions);
        let mut open = Vec::new();
        for question in questions {
            let response = given.iter().rfind(|(key, _)| *key == question.key);
            match (response, &question.from) {
                (Some((_, result)), Some(from)) if question.handed => {
                    actions.push(Action::ToServer(link, outgoing::answer(from, result)));
                }
                _ => open.push(question),
            }
        }
        if let Some(call) = self.calls.get_mut(&number) {
            call.questions = open;
        }
        match result {
            Some(result) => self.finish(number, &result, actions),
            // What is still open, or was asked meanwhile, makes the next round.
            None => self.hand_over(number, actions),
        }
        Ok(())
    }

    /// The call that a retry is for.
    fn retried(&self, message: &Message, method: &str) -> Result<u64, Refusal> {
        let Some(state) = param(message, "requestState") else {
            return Err(bad("inputResponses need the requestState that came with the questions"));
        };
        let state: String =
            serde_json::from_str(state).map_err(|_| bad("requestState must be a string"))?;
        let known = self.states.get(&state).and_then(|n| Some((*n, self.calls.get(n)?)));
        let Some((number, call)) = known else {
            return Err(bad(
                "this requestState is unknown, expired or was used before; send the request anew without it",
            ));
        };
        if *call.method != *method || call.target != target(method, message) {
            return Err(bad("this requestState belongs to another request"));
        }
        Ok(number)
    }

    /// The server refused a call until the user has visited a URL (2025-11-25, client/elicitation,
    /// "URL Elicitation Required Error"). Answers the client, and tells whether it did.
    pub(super) fn visit_first(
        &mut self,
        number: u64,
        message: &Message,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(call) = self.calls.get(&number) else { return false };
        let may = MAY_NEED_INPUT.contains(&&*call.method);
        let refused = matches!(message.kind(), Kind::Response { error: true, .. })
            && incoming::error_code(message) == Some(URL_ELICITATION_REQUIRED);
        let Some(id) = call.client().filter(|_| may && refused) else { return false };
        let params = visits(message);
        if params.is_empty() {
            return false;
        }
        let allowed = call.declared.url;
        let Some(mut call) = self.remove(number) else { return false };
        let link = call.link;
        let others = std::mem::take(&mut call.questions);
        if allowed {
            call.questions = params.into_iter().map(|params| self.visit(params)).collect();
            self.calls.insert(number, call);
            self.park(number, &id, true, actions);
        } else {
            self.open.remove(&id.key());
            let text = "the server wants the user to visit a URL first, which needs elicitation of mode url";
            let refusal = incoming::missing_capability(text, json!({"elicitation": {"url": {}}}));
            actions.push(Action::Answer(refusal.response(&id)));
            self.quiet_later(link, actions);
        }
        self.ask_elsewhere(link, others, actions);
        true
    }

    fn visit(&mut self, params: String) -> Question {
        let key = format!("q{}", self.number());
        Question {
            key,
            from: None,
            during: None,
            need: Need::Url,
            params: Some(params),
            handed: false,
        }
    }

    /// A retry says what became of the URLs. Tells whether the request may go to the server once
    /// more, because the user agreed to all of them; those that nothing was said about are asked again.
    ///
    /// # Errors
    /// Where the user declined one, or can no longer be asked.
    fn visited(
        &mut self,
        number: u64,
        mut call: Call,
        id: &Id,
        given: &[(&str, &str)],
        actions: &mut Vec<Action>,
    ) -> Result<bool, Refusal> {
        let action = |question: &Question| {
            let response = given.iter().rfind(|(key, _)| *key == question.key);
            response.map(|(_, text)| member::lookup_string(text.as_bytes(), &["action"]))
        };
        let declined = |question: &Question| {
            action(question).is_some_and(|action| action.as_deref() != Some("accept"))
        };
        if call.questions.iter().any(declined) {
            return Err(bad(
                "the server answers only after a visit to its URL, which was declined",
            ));
        }
        call.questions.retain(|question| action(question).is_none());
        if call.questions.is_empty() {
            return Ok(true);
        }
        if !call.declared.url {
            return Err(bad("the request no longer declares elicitation of mode url"));
        }
        self.calls.insert(number, call);
        self.park(number, id, true, actions);
        Ok(false)
    }

    /// Ends a parked call that nobody sends again.
    pub(super) fn give_up(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(call) = self.remove(number) else { return };
        let unfinished =
            call.result.is_none() && !matches!(call.phase, Phase::Parked { again: true, .. });
        if unfinished && let Some(id) = Id::from_raw(outgoing::wire_id(number).into()) {
            let notice = member::cancelled(&id, "the client did not answer the questions");
            actions.push(Action::ToServer(call.link, notice));
        }
        self.refuse_all(&call, actions);
    }
}

/// The parameters of the elicitations in a `URLElicitationRequiredError`; none if there are too many.
fn visits(message: &Message) -> Vec<String> {
    let list = member::lookup(message.bytes(), &["error", "data", "elicitations"]);
    let list = list.and_then(elements).unwrap_or_default();
    let params: Vec<String> = list.into_iter().filter_map(converted_visit).collect();
    if params.len() > MAX_QUESTIONS { Vec::new() } else { params }
}

fn bad(text: &str) -> Refusal {
    Refusal::new(INVALID_PARAMS, text)
}
