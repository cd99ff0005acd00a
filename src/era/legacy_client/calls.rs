//! The requests of the client that the server has, or that wait for input of the client.

use std::collections::HashMap;
use std::mem;

use super::incoming::{self, Outcome};
use super::input_required::{self, Ask, NOT_SHOWN};
use super::link_ids::Owner;
use super::{Turn, outgoing};
use crate::era::revisions::MAY_NEED_INPUT;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{Id, IdKey, Kind, Message, member};
use crate::limits::{
    INPUT_PAUSE, INPUT_PAUSE_MAX, INPUT_TIMEOUT, MAX_INPUT_BYTES, MAX_INPUT_ROUNDS,
};
use crate::secret::{neutralise, truncate};

/// Every request of the client that went to the server and has no answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<IdKey, Call>,
    /// Which request a question to the client belongs to, and its place in the round.
    questions: HashMap<IdKey, (IdKey, usize)>,
    timers: HashMap<u64, IdKey>,
    /// The client cannot answer any more.
    ended: bool,
}

/// One request.
#[derive(Debug)]
struct Call {
    id: Id,
    method: Box<str>,
    /// Kept where it may have to be sent again.
    request: Option<Message>,
    stage: Stage,
    rounds: u32,
    /// URLs that the client agreed to visit, by the ids that it has for them, as JSON text.
    visits: Vec<String>,
}

#[derive(Debug)]
enum Stage {
    /// The server has it, under this id.
    Sent(Id),
    /// The client is being asked.
    Asking(Round),
    /// The server wants it again, and asks nothing. The JSON text of its state.
    Pausing { token: u64, state: Option<String> },
}

/// The questions of one `input_required`.
#[derive(Debug)]
struct Round {
    slots: Vec<Slot>,
    state: Option<String>,
    /// Of the time that it may take; none where nothing is asked.
    token: Option<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Slot {
    /// The server's name for the question, with its quotes.
    name: String,
    ask: Ask,
    visit: Option<String>,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// The client has the question, under this id.
    Open(Id),
    /// The JSON text for the server.
    Given(String),
}

impl Calls {
    /// Sends a request of the client to the server.
    pub fn send(&mut self, message: &Message, id: &Id, method: &str, turn: &mut Turn<'_>) {
        let key = id.key();
        let link_id = turn.ids.claim(Some(id), Owner::Call(key.clone()));
        let bytes = outgoing::request(message, &link_id, turn);
        turn.for_server(bytes);
        let call = Call {
            id: id.clone(),
            method: method.into(),
            request: MAY_NEED_INPUT.contains(&method).then(|| message.clone()),
            stage: Stage::Sent(link_id),
            rounds: 0,
            visits: Vec::new(),
        };
        self.open.insert(key, call);
    }

    /// The server has answered the request with this id of the client.
    pub fn answered(&mut self, key: &IdKey, response: &Message, turn: &mut Turn<'_>) {
        let Some(call) = self.open.get(key) else { return };
        if matches!(response.kind(), Kind::Response { error: true, .. }) {
            let bytes = response.with_id(&call.id);
            self.close(key, turn);
            turn.answer(bytes);
            return;
        }
        match incoming::outcome(response, turn.client) {
            Outcome::Complete => {
                let bytes = incoming::answer(response, &call.method, &call.id);
                self.complete(key, bytes, turn);
            }
            Outcome::Task => {
                let bytes = response.with_id(&call.id);
                self.complete(key, bytes, turn);
            }
            Outcome::InputRequired(result) => {
                if let Err(failure) = self.ask(key, result, turn) {
                    self.fail(key, &failure, turn);
                }
            }
            Outcome::Unrecognized(failure) => self.fail(key, &failure, turn),
        }
    }

    /// The client takes a request back. Tells whether there was one.
    pub fn cancelled(&mut self, key: &IdKey, message: &Message, turn: &mut Turn<'_>) -> bool {
        let Some(call) = self.close(key, turn) else { return false };
        if let Stage::Sent(link_id) = &call.stage {
            turn.ids.cancelled(link_id);
            turn.for_server(outgoing::cancelled(message, link_id));
        }
        true
    }

    /// The client has answered a question. Answers to none that is open are dropped.
    pub fn replied(&mut self, id: &Id, response: &Message, turn: &mut Turn<'_>) {
        let Some((key, place)) = self.questions.remove(&id.key()) else {
            log::debug!("dropped an answer of the client to no open question: {id}");
            return;
        };
        match self.fill(&key, place, response) {
            Ok(true) => self.retry(&key, turn),
            Ok(false) => {}
            Err(failure) => self.fail(&key, &failure, turn),
        }
    }

    /// Whether a request waits for the time of this token.
    pub fn awaits(&self, token: u64) -> bool {
        self.timers.contains_key(&token)
    }

    /// The time of a token has come. Tells whether it was of a request.
    pub fn wake(&mut self, token: u64, turn: &mut Turn<'_>) -> bool {
        let Some(key) = self.timers.remove(&token) else { return false };
        match self.open.get(&key).map(|call| &call.stage) {
            Some(Stage::Pausing { .. }) => self.retry(&key, turn),
            Some(Stage::Asking(_)) => {
                let message = format!(
                    "the client did not answer the server's questions within {} s",
                    INPUT_TIMEOUT.as_secs()
                );
                self.fail(&key, &Failure::new(FailureKind::Timeout, message), turn);
            }
            Some(Stage::Sent(_)) | None => {}
        }
        true
    }

    /// Fails the requests that wait for the client. Those that the server has go on.
    pub fn fail_rounds(&mut self, failure: &Failure, turn: &mut Turn<'_>) {
        let waiting = |call: &Call| !matches!(call.stage, Stage::Sent(_));
        let keys = self.open.iter().filter(|(_, call)| waiting(call)).map(|(key, _)| key.clone());
        for key in keys.collect::<Vec<_>>() {
            self.fail(&key, failure, turn);
        }
    }

    /// The client is gone: what needs input of it fails from now on.
    pub fn end(&mut self, turn: &mut Turn<'_>) {
        self.ended = true;
        self.fail_rounds(&gone(), turn);
    }

    /// Starts a round: asks the client what the server asks, all at once.
    fn ask(&mut self, key: &IdKey, result: &str, turn: &mut Turn<'_>) -> Result<(), Failure> {
        let Some(call) = self.open.get_mut(key) else { return Ok(()) };
        if call.request.is_none() {
            let message =
                format!("the server asked for input for {}, which takes none", call.method);
            return Err(Failure::new(FailureKind::InvalidResponse, message));
        }
        if self.ended {
            return Err(gone());
        }
        call.rounds += 1;
        if call.rounds > MAX_INPUT_ROUNDS {
            let message =
                format!("the server asked for input {MAX_INPUT_ROUNDS} times without an answer");
            return Err(Failure::new(FailureKind::InvalidResponse, message));
        }
        let input = input_required::read(result, turn.client)?;
        let state = input.state.map(str::to_owned);
        if input.questions.is_empty() {
            let pause = INPUT_PAUSE.saturating_mul(1 << (call.rounds - 1).min(16));
            let token = turn.wake(pause.min(INPUT_PAUSE_MAX));
            self.timers.insert(token, key.clone());
            call.stage = Stage::Pausing { token, state };
            return Ok(());
        }
        let mut slots = Vec::with_capacity(input.questions.len());
        for (place, question) in input.questions.iter().enumerate() {
            let mut slot = Slot {
                name: question.name.to_owned(),
                ask: question.ask,
                visit: None,
                answer: Answer::Given(NOT_SHOWN.to_owned()),
            };
            if question.ask != Ask::Unseen {
                let id = turn.ids.own();
                turn.for_client(question.request(&id, turn.client));
                self.questions.insert(id.key(), (key.clone(), place));
                slot.visit = question.visit(&id);
                slot.answer = Answer::Open(id);
            }
            slots.push(slot);
        }
        let bytes = state.as_ref().map_or(0, String::len);
        let mut round = Round { slots, state, token: None, bytes };
        if round.is_settled() {
            call.stage = Stage::Asking(round);
            self.retry(key, turn);
            return Ok(());
        }
        let token = turn.wake(INPUT_TIMEOUT);
        self.timers.insert(token, key.clone());
        round.token = Some(token);
        call.stage = Stage::Asking(round);
        Ok(())
    }

    /// Puts an answer of the client in its place. Tells whether it was the last one.
    fn fill(&mut self, key: &IdKey, place: usize, response: &Message) -> Result<bool, Failure> {
        let Some(call) = self.open.get_mut(key) else { return Ok(false) };
        let Stage::Asking(round) = &mut call.stage else { return Ok(false) };
        let Some(slot) = round.slots.get_mut(place) else { return Ok(false) };
        let error = matches!(response.kind(), Kind::Response { error: true, .. });
        let answer = match (error, slot.ask) {
            (false, _) => member::lookup(response.bytes(), &["result"]).unwrap_or("{}"),
            (true, Ask::Form | Ask::Url) => {
                log::warn!("the client failed to show what the server asks; told as cancelled");
                NOT_SHOWN
            }
            (true, ask) => return Err(refused(ask, response)),
        };
        let accepted = || member::lookup(answer.as_bytes(), &["action"]) == Some(r#""accept""#);
        if let Some(visit) = slot.visit.take().filter(|_| accepted()) {
            call.visits.push(visit);
        }
        round.bytes += answer.len();
        if round.bytes > MAX_INPUT_BYTES {
            let message =
                format!("the answers to the server's questions are over {MAX_INPUT_BYTES} bytes");
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        slot.answer = Answer::Given(answer.to_owned());
        Ok(round.is_settled())
    }

    /// Sends the request again, with what the server asked for, under a new id.
    fn retry(&mut self, key: &IdKey, turn: &mut Turn<'_>) {
        let Some(call) = self.open.get_mut(key) else { return };
        let Some(request) = call.request.clone() else { return };
        let link_id = turn.ids.claim(None, Owner::Call(key.clone()));
        let stage = mem::replace(&mut call.stage, Stage::Sent(link_id.clone()));
        let (responses, state) = match stage {
            Stage::Asking(round) => {
                self.forget(round.token);
                (Some(round.responses()), round.state)
            }
            Stage::Pausing { token, state } => {
                self.forget(Some(token));
                (None, state)
            }
            Stage::Sent(_) => (None, None),
        };
        let input = outgoing::Input { responses: responses.as_deref(), state: state.as_deref() };
        let bytes = outgoing::retry(&request, &link_id, &input, turn);
        turn.for_server(bytes);
    }

    fn complete(&mut self, key: &IdKey, answer: bytes::Bytes, turn: &mut Turn<'_>) {
        let Some(call) = self.close(key, turn) else { return };
        turn.answer(answer);
        for visit in &call.visits {
            turn.for_client(input_required::completed(visit));
        }
    }

    fn fail(&mut self, key: &IdKey, failure: &Failure, turn: &mut Turn<'_>) {
        if let Some(call) = self.close(key, turn) {
            turn.answer(failure.response(&call.id));
        }
    }

    /// Takes out a request, and takes back what the client is still being asked for it.
    fn close(&mut self, key: &IdKey, turn: &mut Turn<'_>) -> Option<Call> {
        let call = self.open.remove(key)?;
        match &call.stage {
            Stage::Sent(_) => {}
            Stage::Pausing { token, .. } => self.forget(Some(*token)),
            Stage::Asking(round) => {
                self.forget(round.token);
                for slot in &round.slots {
                    let Answer::Open(id) = &slot.answer else { continue };
                    // Not there: it was just answered, with what ends the round.
                    if self.questions.remove(&id.key()).is_some() {
                        let reason = "the request that needed it is over";
                        turn.for_client(member::cancelled(id, reason));
                    }
                }
            }
        }
        Some(call)
    }

    fn forget(&mut self, token: Option<u64>) {
        if let Some(token) = token {
            self.timers.remove(&token);
        }
    }
}

impl Round {
    fn is_settled(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.answer, Answer::Given(_)))
    }

    /// The JSON text of `inputResponses`.
    fn responses(&self) -> String {
        let given = self.slots.iter().filter_map(|slot| match &slot.answer {
            Answer::Given(answer) => Some(format!("{}:{answer}", slot.name)),
            Answer::Open(_) => None,
        });
        format!("{{{}}}", given.collect::<Vec<_>>().join(","))
    }
}

fn gone() -> Failure {
    Failure::new(
        FailureKind::ShuttingDown,
        "the client can no longer be asked what the server needs",
    )
}

/// What is said of a question that the client answered with an error.
fn refused(ask: Ask, response: &Message) -> Failure {
    let said = member::lookup_string(response.bytes(), &["error", "message"]).unwrap_or_default();
    let said = truncate(&neutralise(&said), 80);
    let message = format!("the server needs {}, which the client refused: {said}", ask.method());
    Failure::new(FailureKind::NoInput, message)
}
