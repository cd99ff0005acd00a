//! The ledger: a request enters once and leaves once.
//!
//! One table from the value of a request's id to its state. Only the ledger writes responses to
//! stdout. Whether an entry leaves and its response is queued is one step under one lock, so that
//! an answer can neither be lost nor doubled, wherever a task is dropped.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::error::Failure;
use crate::jsonrpc::{Id, IdKey, Message};
use crate::limits::MAX_SERVER_REQUESTS;
use crate::order;
use crate::random;
use crate::shape::Shape;
use crate::stdio::writer::Outbox;

/// Every request of the client that has no answer yet.
pub struct Ledger {
    table: Mutex<Table>,
    emptied: Notify,
    outbox: Outbox,
    limit: usize,
    /// How answers are changed for the client.
    shape: Option<Arc<Shape>>,
}

#[derive(Default)]
struct Table {
    open: HashMap<IdKey, Ticket>,
    /// How many of them are ours.
    own: usize,
    /// How many of the client have entered, ever.
    entered: u64,
    /// The same of all.
    serial: u64,
    /// Requests of the server that have no response, oldest first.
    asked: VecDeque<Asked>,
}

impl Table {
    /// Takes out this request, if it is there.
    fn take(&mut self, ticket: &Ticket) -> bool {
        match self.open.entry(ticket.0.key.clone()) {
            MapEntry::Occupied(entry) if entry.get().is(ticket) => {
                entry.remove();
                self.own -= usize::from(ticket.is_own());
                true
            }
            _ => false,
        }
    }

    /// All that are open, in the order in which they entered.
    fn in_order(&self) -> Vec<Ticket> {
        let mut open: Vec<Ticket> = self.open.values().cloned().collect();
        order::sort_by_key(&mut open, |ticket| ticket.0.serial);
        open
    }

    fn clients(&self) -> usize {
        self.open.len() - self.own
    }
}

/// A request of the server.
struct Asked {
    id: Id,
    key: IdKey,
    session: u64,
    /// The session is over: a response must reach nobody.
    stale: bool,
}

/// One open request. Clones are the same request.
#[derive(Clone)]
pub struct Ticket(Arc<Request>);

struct Request {
    id: Id,
    key: IdKey,
    method: Box<str>,
    /// When it entered, among the others.
    serial: u64,
    open: AtomicBool,
    /// The server has it, or may have.
    sent: AtomicBool,
    /// Nobody wants the answer any more.
    cancelled: AtomicBool,
    closed: Notify,
    /// Of a request of ours: who waits for the answer.
    asker: Option<Mutex<Option<oneshot::Sender<Bytes>>>>,
}

/// Why a request cannot enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A request with this id is open.
    Duplicate,
    /// As many requests are open as may be.
    Full,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.method, self.0.id)
    }
}

impl Ticket {
    /// Whether the request still has no answer.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire)
    }

    /// Whether the client took it back before it was answered.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Returns when the client has taken the request back.
    pub async fn cancelled(&self) {
        self.closed().await;
        if !self.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Its id, as the client spells it.
    pub fn id(&self) -> &Id {
        &self.0.id
    }

    /// Whether the server has the request, as far as can be told.
    pub fn is_sent(&self) -> bool {
        self.0.sent.load(Ordering::Acquire)
    }

    /// The request was handed to a connection, or was refused and waits.
    pub fn set_sent(&self, sent: bool) {
        self.0.sent.store(sent, Ordering::Release);
    }

    /// Returns when the request has been answered or cancelled.
    pub async fn closed(&self) {
        loop {
            let closed = self.0.closed.notified();
            if !self.is_open() {
                return;
            }
            closed.await;
        }
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// Whether it is a request of ours, of which the client knows nothing.
    pub fn is_own(&self) -> bool {
        self.0.asker.is_some()
    }

    /// Whether `other` is the same request, not only one with the same id.
    pub fn is(&self, other: &Ticket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether `id` means this request.
    pub fn is_for(&self, id: &Id) -> bool {
        id.key() == self.0.key
    }
}

impl Ledger {
    /// An empty ledger for so many requests at once that writes to `outbox`.
    pub fn new(outbox: Outbox, limit: usize) -> Ledger {
        Ledger { table: Mutex::default(), emptied: Notify::new(), outbox, limit, shape: None }
    }

    /// Answers are changed in this way before the client gets them.
    #[must_use]
    pub fn shaped(self, shape: Option<Arc<Shape>>) -> Ledger {
        Ledger { shape, ..self }
    }

    /// Enters a request.
    ///
    /// # Errors
    /// [`Refused`], and the request is not in the ledger.
    pub fn open(&self, id: &Id, method: &str) -> Result<Ticket, Refused> {
        self.enter(id, method, None)
    }

    /// Enters a request of ours, under an id that no client uses. Its answer, or the error in its place, goes
    /// to whoever waits; nothing waits for it at the end.
    ///
    /// # Errors
    /// [`Refused::Full`].
    pub fn open_own(&self, method: &str) -> Result<(Ticket, oneshot::Receiver<Bytes>), Refused> {
        let (asker, answer) = oneshot::channel();
        let text = format!("\"mcp-tether-{:016x}\"", random::number());
        let id = Id::from_raw(Bytes::from(text)).unwrap_or(Id::NULL);
        self.enter(&id, method, Some(Mutex::new(Some(asker)))).map(|ticket| (ticket, answer))
    }

    fn enter(
        &self,
        id: &Id,
        method: &str,
        asker: Option<Mutex<Option<oneshot::Sender<Bytes>>>>,
    ) -> Result<Ticket, Refused> {
        let mut table = self.table();
        if table.open.len() >= self.limit {
            return Err(Refused::Full);
        }
        let own = asker.is_some();
        let serial = table.serial;
        let ticket = match table.open.entry(id.key()) {
            MapEntry::Occupied(_) => return Err(Refused::Duplicate),
            MapEntry::Vacant(slot) => {
                let ticket = Ticket(Arc::new(Request {
                    id: id.clone(),
                    key: slot.key().clone(),
                    method: method.into(),
                    serial,
                    open: AtomicBool::new(true),
                    sent: AtomicBool::new(false),
                    cancelled: AtomicBool::new(false),
                    closed: Notify::new(),
                    asker,
                }));
                slot.insert(ticket).clone()
            }
        };
        table.serial += 1;
        table.own += usize::from(own);
        table.entered += u64::from(!own);
        Ok(ticket)
    }

    /// Answers the request that a response of the server is for, in the client's own spelling of
    /// the id. `false` if there is none: it was answered before, cancelled, or never asked.
    pub async fn answer(&self, response: &Message) -> bool {
        let Some(id) = response.id() else {
            return false;
        };
        let key = id.key();
        let Some(ticket) = self.table().open.get(&key).cloned() else {
            return false;
        };
        let mut answer = response.with_id(&ticket.0.id);
        if let Some(shape) = self.shape.as_ref().filter(|_| !ticket.is_own()) {
            answer = shape.answer(ticket.method(), answer);
        }
        self.close(&ticket, answer).await
    }

    /// Answers a request with an error of ours, unless it has an answer. Tells whether it was open.
    pub async fn fail(&self, ticket: &Ticket, failure: &Failure) -> bool {
        if !ticket.is_open() {
            return false;
        }
        self.close(ticket, failure.response(&ticket.0.id)).await
    }

    /// Takes out the request that the client no longer wants an answer to.
    pub fn cancel(&self, id: &Id) {
        let ticket = self.find(id);
        if let Some(ticket) = ticket.filter(|ticket| self.table().take(ticket)) {
            ticket.0.cancelled.store(true, Ordering::Release);
            self.shut(&ticket);
        }
    }

    /// Takes out every request.
    pub fn cancel_all(&self) {
        let open = self.table().in_order();
        open.iter().for_each(|ticket| self.cancel(ticket.id()));
    }

    /// The ticket of the open request with this id.
    pub fn find(&self, id: &Id) -> Option<Ticket> {
        self.table().open.get(&id.key()).cloned()
    }

    /// Returns when no request of the client is open.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Fails every open request, in the order in which they were asked. Returns how many of the client there were.
    pub async fn fail_all(&self, failure: &Failure) -> usize {
        let open = self.table().in_order();
        let mut count = 0;
        for ticket in open {
            count += usize::from(self.fail(&ticket, failure).await && !ticket.is_own());
        }
        count
    }

    /// The open requests with this method.
    pub fn open_with(&self, method: &str) -> Vec<Ticket> {
        let mut open = self.table().in_order();
        open.retain(|ticket| ticket.method() == method);
        open
    }

    /// How many requests of the client are open.
    pub fn count(&self) -> usize {
        self.table().clients()
    }

    /// How many requests of the client there have been.
    pub fn entered(&self) -> u64 {
        self.table().entered
    }

    /// Remembers which session a request of the server came from; the oldest are forgotten beyond
    /// [`MAX_SERVER_REQUESTS`].
    pub fn server_request(&self, id: &Id, session: u64) {
        let mut table = self.table();
        if table.asked.len() == MAX_SERVER_REQUESTS {
            table.asked.pop_front();
        }
        table.asked.push_back(Asked { id: id.clone(), key: id.key(), session, stale: false });
    }

    /// The server takes a request back.
    pub fn server_cancelled(&self, id: &Id, session: u64) {
        let key = id.key();
        self.table().asked.retain(|asked| asked.key != key || asked.session != session);
    }

    /// The session that a response of the client belongs to, if its request is remembered: `current`
    /// if that has such a request, because ids begin anew with every session.
    pub fn server_response(&self, id: &Id, current: u64) -> Option<u64> {
        let key = id.key();
        let mut table = self.table();
        let of = |asked: &Asked| asked.key == key;
        let place = table
            .asked
            .iter()
            .position(|asked| of(asked) && asked.session >= current)
            .or_else(|| table.asked.iter().position(of))?;
        table.asked.remove(place).map(|asked| asked.session)
    }

    /// The sessions before `current` are over. Returns the requests that the client need not answer
    /// any more, each once.
    pub fn server_requests_before(&self, current: u64) -> Vec<Id> {
        let mut table = self.table();
        let ended = table.asked.iter_mut().filter(|asked| asked.session < current && !asked.stale);
        ended
            .map(|asked| {
                asked.stale = true;
                asked.id.clone()
            })
            .collect()
    }

    async fn close(&self, ticket: &Ticket, response: Bytes) -> bool {
        if let Some(asker) = &ticket.0.asker {
            let asker = asker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if !self.table().take(ticket) {
                return false;
            }
            if let Some(asker) = asker {
                // Who does not wait any more does not want it.
                let _ = asker.send(response);
            }
            self.shut(ticket);
            return true;
        }
        let Ok(room) = self.outbox.reserve(response).await else {
            // Nobody reads any more; the process is about to end.
            return false;
        };
        {
            let mut table = self.table();
            if !table.take(ticket) {
                return false;
            }
            if table.open.is_empty() {
                // The client waits for this alone.
                room.send_at_once();
            } else {
                room.send();
            }
        }
        self.shut(ticket);
        true
    }

    fn shut(&self, ticket: &Ticket) {
        ticket.0.open.store(false, Ordering::Release);
        ticket.0.closed.notify_waiters();
        if self.count() == 0 {
            self.emptied.notify_waiters();
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
