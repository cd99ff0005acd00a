//! The client's `resources/subscribe` and `resources/unsubscribe`.

use bytes::Bytes;

use super::filter::Filter;
use super::{Subscriptions, Turn};
use crate::era::legacy_client::{absent, result};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{INVALID_PARAMS, Id, IdKey, Message, member};
use crate::limits::MAX_SUBSCRIPTIONS;

/// A `resources/subscribe` without an answer.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Its id, as the client spells it.
    pub id: Id,
    /// The resource.
    pub uri: String,
    /// The generation that will answer it; none yet where the pending stream does not have the URI.
    pub generation: Option<u64>,
}

impl Waiter {
    /// Its answer where the server acknowledged the subscription.
    pub fn subscribed(&self) -> Bytes {
        result(&self.id, "{}")
    }

    /// Its answer where the server did not.
    pub fn refused(&self) -> Bytes {
        let message = "the server does not offer a subscription to this resource";
        member::error_response(&self.id, INVALID_PARAMS, message, None)
    }
}

impl Subscriptions {
    /// `resources/subscribe` (2025-11-25, server/resources, "Subscriptions"): answered when the
    /// server has acknowledged a stream with this URI.
    pub fn subscribe(&mut self, id: &Id, message: &Message, turn: &mut Turn<'_>) {
        let Some((uri, spelled)) = subject(id, "resources/subscribe", message, turn) else {
            return;
        };
        let resources = &mut self.wanted.resources;
        if self.ended {
            let failure = Failure::new(FailureKind::ShuttingDown, "the bridge is ending");
            return turn.answer(failure.response(id));
        }
        if !resources.contains_key(&uri) && resources.len() >= MAX_SUBSCRIPTIONS {
            let message = format!("over {MAX_SUBSCRIPTIONS} subscriptions; unsubscribe from some");
            return turn.answer(Failure::new(FailureKind::Overloaded, message).response(id));
        }
        self.started = true;
        resources.insert(uri.clone(), spelled);
        self.left.remove(&uri);
        let has = |filter: &Filter| filter.resources.contains_key(&uri);
        let soon = self.pending.as_ref().filter(|pending| has(&pending.filter));
        let now = self.current.as_ref().is_some_and(|current| has(&current.filter));
        if now && (soon.is_some() || self.pending.is_none()) {
            return turn.answer(result(id, "{}"));
        }
        let generation = soon.filter(|pending| !pending.overdue).map(|pending| pending.generation);
        self.waiters.push(Waiter { id: id.clone(), uri, generation });
        if generation.is_none() {
            self.refresh(turn);
        }
    }

    /// `resources/unsubscribe`: answered at once.
    pub fn unsubscribe(&mut self, id: &Id, message: &Message, turn: &mut Turn<'_>) {
        let Some((uri, _)) = subject(id, "resources/unsubscribe", message, turn) else { return };
        // What waits for a stream that will not be asked for has been as good as subscribed.
        for waiter in self.take_waiters(|waiter| waiter.generation.is_none() && waiter.uri == uri) {
            turn.answer(waiter.subscribed());
        }
        turn.answer(result(id, "{}"));
        if self.wanted.resources.remove(&uri).is_some() {
            if self.left.len() >= MAX_SUBSCRIPTIONS {
                self.left.clear();
            }
            self.left.insert(uri);
            let mut held = std::mem::take(&mut self.held);
            held.retain(|change| self.is_wanted(change));
            self.held = held;
            self.refresh(turn);
        }
    }

    /// The client takes back its `resources/subscribe` with this id, if it is unanswered.
    pub fn cancelled(&mut self, key: &IdKey, turn: &mut Turn<'_>) {
        for waiter in self.take_waiters(|waiter| waiter.id.key() == *key) {
            let has = |filter: &Filter| filter.resources.contains_key(&waiter.uri);
            let subscribed = self.current.as_ref().is_some_and(|current| has(&current.filter));
            if !subscribed && self.waiters.iter().all(|other| other.uri != waiter.uri) {
                self.wanted.resources.remove(&waiter.uri);
                self.refresh(turn);
            }
        }
    }

    /// Takes out the requests that are to be answered now.
    pub(super) fn take_waiters(&mut self, which: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        self.waiters.extract_if(.., |waiter| which(waiter)).collect()
    }
}

/// The URI that a request is about, and its JSON text; or the request is answered with what is
/// wrong.
fn subject(
    id: &Id,
    method: &str,
    message: &Message,
    turn: &mut Turn<'_>,
) -> Option<(String, String)> {
    if !turn.server.subscribe {
        turn.answer(absent(id, method));
        return None;
    }
    let spelled = member::lookup(message.bytes(), &["params", "uri"]);
    let subject =
        spelled.and_then(|text| Some((serde_json::from_str(text).ok()?, text.to_owned())));
    if subject.is_none() {
        let message = "\"uri\" must be a string";
        turn.answer(member::error_response(id, INVALID_PARAMS, message, None));
    }
    subject
}
