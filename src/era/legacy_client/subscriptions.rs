//! One `subscriptions/listen` for all that a legacy client hears of without asking.
//!
//! Earlier revisions send `list_changed` to everybody, and `resources/updated` after
//! `resources/subscribe`. A modern server sends them on a stream with a filter (2026-07-28,
//! basic/patterns/subscriptions), which is not changed but replaced: the new stream is opened, and
//! the old one is closed when the server has acknowledged the new one. Until then, and for a
//! moment after, notifications of both are held and each change is passed on once. A stream that the
//! server ends is opened again after a pause; what may have changed meanwhile is announced.

mod filter;
mod held;
mod requests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;

use self::filter::Filter;
use self::held::{Change, Held};
use self::requests::Waiter;
use super::link_ids::Owner;
use super::{Turn, id_at, incoming, outgoing};
use crate::era::SUBSCRIPTION_ID;
use crate::era::lists::LISTS;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{
    INVALID_PARAMS, INVALID_REQUEST, Id, IdKey, METHOD_NOT_FOUND, Message, member,
};
use crate::limits::{
    ACKNOWLEDGEMENT_TIMEOUT, BACKOFF_FIRST, BACKOFF_MAX, OVERLAP, RECONNECT_AT_ONCE,
    STREAM_WORTHWHILE,
};

/// The subscriptions of one client.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// What the client should hear of.
    wanted: Filter,
    /// Resources that the client has unsubscribed from: a stream of the time before may still tell of
    /// them.
    left: BTreeSet<String>,
    /// The client is ready for notifications.
    started: bool,
    ended: bool,
    /// The stream that the server acknowledged last.
    current: Option<Stream>,
    /// The stream that is to take its place.
    pending: Option<Pending>,
    /// The filter has changed since the pending stream was asked for.
    changed: bool,
    waiters: Vec<Waiter>,
    held: Held,
    /// Generations whose overlap is not over, in order.
    overlaps: Vec<u64>,
    /// What may have changed while there was no stream, with the notification that says so.
    missed: Vec<(Change, Bytes)>,
    /// Streams in a row that came to nothing.
    fruitless: u32,
    timers: HashMap<u64, Timer>,
    generation: u64,
}

#[derive(Debug)]
struct Stream {
    id: Id,
    generation: u64,
    /// What was asked for and granted.
    filter: Filter,
}

#[derive(Debug)]
struct Pending {
    id: Id,
    generation: u64,
    filter: Filter,
    /// Its time is over, but nobody waited for it.
    overdue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Acknowledgement(u64),
    Overlap(u64),
    Reopen,
    Worthwhile(u64),
}

impl Subscriptions {
    /// Subscriptions to a server that announces changes of these lists.
    pub fn new(lists: [bool; LISTS.len()]) -> Subscriptions {
        Subscriptions {
            wanted: Filter { lists, resources: BTreeMap::new() },
            left: BTreeSet::new(),
            started: false,
            ended: false,
            current: None,
            pending: None,
            changed: false,
            waiters: Vec::new(),
            held: Held::default(),
            overlaps: Vec::new(),
            missed: Vec::new(),
            fruitless: 0,
            timers: HashMap::new(),
            generation: 0,
        }
    }

    /// The client is ready for notifications.
    pub fn start(&mut self, turn: &mut Turn<'_>) {
        if !self.started && !self.ended {
            self.started = true;
            self.refresh(turn);
        }
    }

    /// `notifications/subscriptions/acknowledged`: the pending stream takes the place of the current
    /// one.
    pub fn acknowledged(&mut self, message: &Message, turn: &mut Turn<'_>) {
        let id = id_at(message, &["params", "_meta", SUBSCRIPTION_ID]).map(|id| id.key());
        let meant = |pending: &mut Pending| id.is_none_or(|key| key == pending.id.key());
        // The acknowledgement of a stream that the engine opened again says nothing new.
        let Some(pending) = self.pending.take_if(meant) else { return };
        let Pending { id, generation, filter: asked, .. } = pending;
        self.forget(Timer::Acknowledgement(generation));
        self.time(STREAM_WORTHWHILE, Timer::Worthwhile(generation), turn);
        if let Some(old) = self.current.take() {
            self.forget(Timer::Worthwhile(old.generation));
            close(&old.id, turn);
            self.overlaps.push(generation);
            self.time(OVERLAP, Timer::Overlap(generation), turn);
        }
        let granted = Filter::granted(message);
        for waiter in self.take_waiters(|waiter| waiter.generation == Some(generation)) {
            let granted = granted.resources.contains_key(&waiter.uri);
            turn.answer(if granted { waiter.subscribed() } else { waiter.refused() });
        }
        let mut filter = asked;
        filter.resources.retain(|uri, _| {
            let kept = granted.resources.contains_key(uri);
            if !kept {
                log::warn!("the server does not offer a subscription to a resource");
                self.wanted.resources.remove(uri);
            }
            kept
        });
        for (wanted, granted) in filter.lists.iter_mut().zip(granted.lists) {
            *wanted &= granted;
        }
        self.current = Some(Stream { id, generation, filter });
        for (change, notification) in std::mem::take(&mut self.missed) {
            let gone = matches!(&change, Change::Resource(uri) if !self.wants(uri));
            if !gone {
                self.deliver(change, notification, turn);
            }
        }
        if self.changed {
            self.refresh(turn);
        }
    }

    /// A notification of the server, on a stream of ours or during a request.
    pub fn notified(&mut self, message: &Message, method: &str, turn: &mut Turn<'_>) {
        let notification = incoming::notification(message);
        match Change::of(method, message) {
            Some(change) => self.deliver(change, notification, turn),
            None => turn.for_client(notification),
        }
    }

    /// A stream is over: with this response to its `subscriptions/listen`, or torn down without.
    pub fn ended(&mut self, key: &IdKey, response: Option<&Message>, turn: &mut Turn<'_>) {
        let lasting = response.is_some_and(is_lasting);
        if let Some(pending) = self.pending.take_if(|pending| pending.id.key() == *key) {
            let refusal = response.filter(|r| member::lookup(r.bytes(), &["error"]).is_some());
            let failure = Failure::new(
                FailureKind::InvalidResponse,
                "the server ended the subscription before it acknowledged it",
            );
            let answer = |id: &Id| {
                refusal.map_or_else(|| failure.response(id), |refusal| refusal.with_id(id))
            };
            return self.failed(&pending, lasting, &answer, turn);
        }
        let Some(stream) = self.current.take_if(|stream| stream.id.key() == *key) else { return };
        self.forget(Timer::Worthwhile(stream.generation));
        self.remember(&stream.filter);
        match self.pending.as_ref().map(|pending| pending.generation) {
            // Its acknowledgement ends the gap.
            Some(generation) => self.hold_no_longer(generation, turn),
            None if lasting => log::warn!("the server does not go on with subscriptions"),
            None => self.reopen_later(turn),
        }
    }

    /// Whether something waits for the time of this token.
    pub fn awaits(&self, token: u64) -> bool {
        self.timers.contains_key(&token)
    }

    /// The time of a token has come.
    pub fn wake(&mut self, token: u64, turn: &mut Turn<'_>) {
        let Some(timer) = self.timers.remove(&token) else { return };
        match timer {
            Timer::Acknowledgement(generation) => self.unacknowledged(generation, turn),
            Timer::Overlap(generation) => {
                self.overlaps.retain(|overlap| *overlap != generation);
                self.release(generation, turn);
            }
            Timer::Reopen => self.refresh(turn),
            Timer::Worthwhile(_) => self.fruitless = 0,
        }
    }

    /// Ends the streams, and fails whoever waits for one.
    pub fn end(&mut self, failure: &Failure, turn: &mut Turn<'_>) {
        self.ended = true;
        self.timers.clear();
        let pending = self.pending.take().map(|pending| pending.id);
        for id in self.current.take().map(|stream| stream.id).into_iter().chain(pending) {
            close(&id, turn);
        }
        for waiter in self.take_waiters(|_| true) {
            turn.answer(failure.response(&waiter.id));
        }
    }

    /// Makes the streams fit what is wanted; where one is pending, as soon as it is decided.
    fn refresh(&mut self, turn: &mut Turn<'_>) {
        if !self.started || self.ended {
            return;
        }
        if let Some(pending) = self.pending.take_if(|pending| pending.overdue) {
            close(&pending.id, turn);
        }
        self.changed = self.pending.is_some();
        if self.changed {
            return;
        }
        self.forget(Timer::Reopen);
        if self.wanted.is_empty() {
            if let Some(stream) = self.current.take() {
                self.forget(Timer::Worthwhile(stream.generation));
                close(&stream.id, turn);
            }
            return;
        }
        let same =
            |stream: &Stream| stream.filter.resources.keys().eq(self.wanted.resources.keys());
        if !self.current.as_ref().is_some_and(same) {
            return self.open(turn);
        }
        // Taken back and wanted again before the streams could change: still subscribed.
        for waiter in self.take_waiters(|_| true) {
            turn.answer(waiter.subscribed());
        }
    }

    fn open(&mut self, turn: &mut Turn<'_>) {
        self.generation += 1;
        let generation = self.generation;
        let filter = self.wanted.clone();
        let id = turn.ids.claim(None, Owner::Listen);
        let request = outgoing::listen(&id, &filter.json(), turn);
        turn.for_server(request);
        for waiter in &mut self.waiters {
            waiter.generation = Some(generation);
        }
        self.time(ACKNOWLEDGEMENT_TIMEOUT, Timer::Acknowledgement(generation), turn);
        self.pending = Some(Pending { id, generation, filter, overdue: false });
    }

    /// The pending stream was not acknowledged in time. One that nobody waits for may take longer:
    /// perhaps somebody signs in.
    fn unacknowledged(&mut self, generation: u64, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.take_if(|pending| pending.generation == generation) else {
            return;
        };
        let awaited = self.waiters.iter().any(|waiter| waiter.generation == Some(generation));
        if self.current.is_none() && !awaited {
            self.pending = Some(Pending { overdue: true, ..pending });
            if !self.waiters.is_empty() {
                self.refresh(turn);
            }
            return;
        }
        close(&pending.id, turn);
        let message = format!(
            "the server did not acknowledge the subscription within {} s",
            ACKNOWLEDGEMENT_TIMEOUT.as_secs()
        );
        let failure = Failure::new(FailureKind::Timeout, message);
        self.failed(&pending, false, &|id| failure.response(id), turn);
    }

    /// The pending stream came to nothing. What the client had before goes on.
    fn failed(
        &mut self,
        pending: &Pending,
        lasting: bool,
        answer: &dyn Fn(&Id) -> Bytes,
        turn: &mut Turn<'_>,
    ) {
        let generation = pending.generation;
        self.forget(Timer::Acknowledgement(generation));
        for waiter in self.take_waiters(|waiter| waiter.generation == Some(generation)) {
            self.wanted.resources.remove(&waiter.uri);
            turn.answer(answer(&waiter.id));
        }
        self.hold_no_longer(generation, turn);
        if self.changed || (self.current.is_none() && self.wanted != pending.filter) {
            self.changed = false;
            self.refresh(turn);
        } else if self.current.is_none() && lasting {
            log::warn!("the server refuses subscriptions; changes will not be announced");
        } else if self.current.is_none() {
            self.reopen_later(turn);
        }
    }

    /// Passes a notification of a change on, or holds it while two streams may bring it.
    fn deliver(&mut self, change: Change, notification: Bytes, turn: &mut Turn<'_>) {
        if !self.is_wanted(&change) {
            // The stream that it came on is older than the client's last word.
            return;
        }
        let replacing = self.pending.as_ref().filter(|_| self.current.is_some());
        let overlap = replacing.map(|pending| pending.generation);
        let Some(generation) = overlap.or(self.overlaps.last().copied()) else {
            return turn.for_client(notification);
        };
        for notification in self.held.hold(generation, change, notification) {
            turn.for_client(notification);
        }
    }

    /// The stream of this generation takes the place of none after all.
    fn hold_no_longer(&mut self, generation: u64, turn: &mut Turn<'_>) {
        match self.overlaps.last() {
            Some(overlap) => self.held.move_back(generation, *overlap),
            None => self.release(generation, turn),
        }
    }

    fn release(&mut self, generation: u64, turn: &mut Turn<'_>) {
        for notification in self.held.release(generation) {
            turn.for_client(notification);
        }
    }

    /// A stream with this filter is gone: whatever it would have told may have happened.
    fn remember(&mut self, filter: &Filter) {
        let lists = LISTS.iter().enumerate().filter(|(at, _)| filter.lists[*at]);
        let lists =
            lists.map(|(at, list)| (Change::List(at), member::notification(list.notification)));
        let resources = filter.resources.iter().map(|(uri, spelled)| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":{spelled}}}}}"#
            );
            (Change::Resource(uri.clone()), Bytes::from(text))
        });
        for missed in lists.chain(resources) {
            if !self.missed.iter().any(|(change, _)| *change == missed.0) {
                self.missed.push(missed);
            }
        }
    }

    fn reopen_later(&mut self, turn: &mut Turn<'_>) {
        if self.wanted.is_empty() || self.ended {
            return;
        }
        let pause = match self.fruitless {
            0 => RECONNECT_AT_ONCE,
            n => BACKOFF_FIRST.saturating_mul(1 << (n - 1).min(16)).min(BACKOFF_MAX),
        };
        self.fruitless = self.fruitless.saturating_add(1);
        self.time(pause, Timer::Reopen, turn);
    }

    fn wants(&self, uri: &str) -> bool {
        self.wanted.resources.contains_key(uri)
    }

    /// Whether the client has not taken back what this is about. It may be a part of something else
    /// that the client has subscribed to (2025-11-25, server/resources, "Subscriptions").
    fn is_wanted(&self, change: &Change) -> bool {
        match change {
            Change::Resource(uri) if self.left.contains(uri) => {
                self.wanted.resources.keys().any(|wanted| uri.starts_with(wanted.as_str()))
            }
            _ => true,
        }
    }

    fn time(&mut self, time: Duration, timer: Timer, turn: &mut Turn<'_>) {
        self.timers.insert(turn.wake(time), timer);
    }

    fn forget(&mut self, timer: Timer) {
        self.timers.retain(|_, other| *other != timer);
    }
}

/// Ends a stream of ours.
fn close(id: &Id, turn: &mut Turn<'_>) {
    turn.ids.cancelled(id);
    turn.for_server(member::cancelled(id, "the subscriptions have changed"));
}

/// Whether the same request would be refused again: the server does not know it, or the HTTP status
/// says so.
fn is_lasting(response: &Message) -> bool {
    let number = |path: &[&str]| {
        member::lookup(response.bytes(), path).and_then(|text| text.parse::<i32>().ok())
    };
    let status = number(&["error", "data", "status"]);
    let waits = [408, 425, 429];
    match number(&["error", "code"]) {
        Some(METHOD_NOT_FOUND | INVALID_PARAMS | INVALID_REQUEST) => true,
        Some(code) if (-31099..=-31000).contains(&code) => {
            status.is_some_and(|status| (400..500).contains(&status) && !waits.contains(&status))
        }
        _ => false,
    }
}
