//! Carrying out what an adapter asks for, where the client and the server are of different eras.
//!
//! The adapter is a state machine that knows the protocol and nothing else. Towards the server it has
//! links: bridges of their own, which speak the server's era, keep its sessions, resume its streams
//! and answer every request that they are given. What they would write to stdout comes here. Events
//! are taken one at a time, each with everything that follows from it, so that the order of messages
//! is that of the adapter's actions; while the client does not read, nothing is taken.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Mutex, watch};

use super::Bridge;
use super::exchange::is_read_only;
use super::ledger::Ticket;
use super::order::Place;
use super::timers::Timers;
use crate::era::{Action, Adapter, Era, Link};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{Kind, Message, Source, member};
use crate::limits::{MAX_ERROR_MESSAGE, MAX_LOGGED_TEXT};
use crate::stdio::writer::{Inbox, Outbox};
use crate::tasks;

/// One adapter and its links.
pub struct Translation {
    /// The era of the server.
    server: Era,
    adapter: Mutex<Box<dyn Adapter>>,
    /// None once the translation is closed.
    links: std::sync::Mutex<Option<BTreeMap<Link, Arc<Bridge>>>>,
    client: Weak<Bridge>,
    state: watch::Sender<State>,
    timers: Timers,
}

/// How far a translation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The server has not answered anything yet.
    Fresh,
    /// It has.
    Proven,
    /// The server is of the other era after all.
    Wrong {
        /// Nothing was carried out before that was found.
        fresh: bool,
    },
}

/// How a request ended in here.
#[derive(Debug)]
pub enum Seen {
    /// It is answered or taken back.
    Through,
    /// It has to go another way: the server is of the other era after all.
    Again,
    /// The same, but it may have been carried out.
    Lost(Failure),
}

/// By which a link tells that the server is of the other era after all.
#[derive(Clone)]
pub struct Alarm(watch::Sender<State>);

impl Alarm {
    /// It is.
    pub fn raise(&self) {
        self.0.send_if_modified(|state| {
            let fresh = *state == State::Fresh;
            let news = !matches!(state, State::Wrong { .. });
            if news {
                *state = State::Wrong { fresh };
            }
            news
        });
    }
}

impl Translation {
    /// An adapter in front of a server of the era `server`, for the client of `bridge`.
    pub fn new(bridge: &Arc<Bridge>, server: Era, adapter: Box<dyn Adapter>) -> Arc<Translation> {
        let state = match server {
            // It has answered `server/discover`, and may work on any request without a word.
            Era::Modern => State::Proven,
            Era::Legacy => State::Fresh,
        };
        Arc::new(Translation {
            server,
            adapter: Mutex::new(adapter),
            links: std::sync::Mutex::new(Some(BTreeMap::new())),
            client: Arc::downgrade(bridge),
            state: watch::channel(state).0,
            timers: Timers::default(),
        })
    }

    /// Carries out what the adapter asked for when it was made. Nothing else may have happened.
    pub async fn begin(self: &Arc<Self>, actions: Vec<Action>) {
        let _adapter = self.adapter.lock().await;
        self.carry_out(actions).await;
    }

    /// Sees a request of the client through.
    pub async fn request(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        place: &Place,
    ) -> Seen {
        if !ticket.is_open() {
            return Seen::Through;
        }
        let mut state = self.state.subscribe();
        if matches!(*state.borrow(), State::Wrong { .. }) {
            // Nobody has seen it yet.
            return Seen::Again;
        }
        // From here on it is the adapter that can take it back.
        ticket.set_sent(true);
        self.take(message).await;
        if message.method() != Some("initialize") {
            place.left();
        }
        let wrong = state.wait_for(|state| matches!(state, State::Wrong { .. }));
        let fresh = tokio::select! {
            biased;
            () = ticket.closed() => return Seen::Through,
            // The sender lives as long as `self`.
            state = wrong => matches!(state.as_deref(), Ok(State::Wrong { fresh: true })),
        };
        if fresh || is_read_only(ticket.method()) {
            return Seen::Again;
        }
        let text = "the server was replaced by one of another revision; the request may or may not have been carried out";
        Seen::Lost(Failure::new(FailureKind::SessionLost, text))
    }

    /// Takes a message of the client.
    pub async fn take(self: &Arc<Self>, message: &Message) {
        self.event(|adapter, actions| adapter.take_from_client(message, actions)).await;
    }

    /// Whether the server has answered something.
    pub fn is_proven(&self) -> bool {
        *self.state.borrow() == State::Proven
    }

    /// By which this translation is told that it is wrong.
    pub fn alarm(&self) -> Alarm {
        Alarm(self.state.clone())
    }

    /// Ends what is open on purpose, in good order.
    pub async fn end(self: &Arc<Self>) {
        self.event(|adapter, actions| adapter.end(actions)).await;
    }

    /// Closes all links. No new one is opened after that.
    pub async fn close(&self) {
        let links = self.open_links().take().unwrap_or_default();
        // Whoever keeps the time notices.
        self.timers.set(Duration::ZERO, u64::MAX);
        join_all(links.values().map(|link| link.close())).await;
    }

    /// The era of the server.
    pub fn server(&self) -> Era {
        self.server
    }

    /// The bridges to the server.
    pub fn links(&self) -> Vec<Arc<Bridge>> {
        self.open_links().iter().flat_map(BTreeMap::values).cloned().collect()
    }

    async fn event(self: &Arc<Self>, event: impl FnOnce(&mut dyn Adapter, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        let mut adapter = self.adapter.lock().await;
        event(&mut **adapter, &mut actions);
        self.carry_out(actions).await;
        self.timers.sweep(|token| adapter.awaits(token));
        drop(adapter);
    }

    async fn carry_out(self: &Arc<Self>, actions: Vec<Action>) {
        let Some(client) = self.client.upgrade() else { return };
        for action in actions {
            match action {
                Action::ToClient(message) => client.to_client(message).await,
                Action::Answer(response) => self.answer(&client, response).await,
                // A link takes whatever it is given without waiting: nothing here waits for the
                // server, which may itself wait for this to go on.
                Action::ToServer(link, message) => {
                    if let Some(link) = self.link(&client, link) {
                        link.hand(message).await;
                    }
                }
                Action::Close(link) => {
                    let closed = self.open_links().as_mut().and_then(|links| links.remove(&link));
                    if let Some(link) = closed {
                        client.see_off(async move { link.close().await });
                    }
                }
                Action::Wake(after, token) => {
                    if self.timers.set(after, token) {
                        tasks::spawn(self.clone().keep_time());
                    }
                }
            }
        }
    }

    /// Wakes the adapter at the times that it asked for. Boxed: what follows from an event may lead
    /// back here.
    fn keep_time(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move {
            while self.open_links().is_some() {
                let token = self.timers.next().await;
                self.event(|adapter, actions| adapter.wake(token, actions)).await;
            }
        }
        .boxed()
    }

    async fn answer(&self, client: &Arc<Bridge>, response: Bytes) {
        if matches!(*self.state.borrow(), State::Wrong { .. }) {
            // What is unanswered goes another way.
            return;
        }
        match Message::parse(self.cleaned(client, response), Source::Server) {
            Ok(response) => {
                client.remember_introduction(&response);
                if !client.ledger.answer(&response).await {
                    log::debug!("an answer for a request that wants none any more");
                }
            }
            // The request is answered by whoever waits for it, at the end at the latest.
            Err(error) => {
                let text = client.redactor.clean(&error.to_string(), MAX_LOGGED_TEXT);
                log::error!("a translated answer is {text}");
            }
        }
    }

    /// A failure of ours, in which adapters quote what the server said, without secrets.
    fn cleaned(&self, client: &Bridge, response: Bytes) -> Bytes {
        let code = member::lookup(&response, &["error", "code"]).and_then(|code| code.parse().ok());
        if !code.is_some_and(|code: i32| (-31099..=-31000).contains(&code)) {
            return response;
        }
        let said = member::lookup_string(&response, &["error", "message"]).unwrap_or_default();
        let clean = client.redactor.clean(&said, MAX_ERROR_MESSAGE);
        if clean == said {
            return response;
        }
        let clean = serde_json::Value::from(clean).to_string();
        Patch::new().set(&["error", "message"], clean).apply(&response).unwrap_or(response)
    }

    /// The bridge of a link, made with its first message; none where the translation is closed.
    fn link(self: &Arc<Self>, client: &Arc<Bridge>, link: Link) -> Option<Arc<Bridge>> {
        let mut links = self.open_links();
        let links = links.as_mut()?;
        if let Some(bridge) = links.get(&link) {
            return Some(bridge.clone());
        }
        let (outbox, inbox) = Outbox::channel(None);
        let bridge = client.linked(self.server, outbox, self.alarm());
        bridge.presume_transport();
        links.insert(link, bridge.clone());
        tasks::spawn(self.clone().read(link, inbox));
        Some(bridge)
    }

    /// Takes what the server says over a link, until it is closed.
    fn read(self: Arc<Self>, link: Link, inbox: Inbox) -> BoxFuture<'static, ()> {
        self.read_all(link, inbox).boxed()
    }

    async fn read_all(self: Arc<Self>, link: Link, mut inbox: Inbox) {
        while let Some((bytes, during)) = inbox.next().await {
            // It was a message when it was queued.
            let Ok(message) = Message::parse(bytes, Source::Server) else { continue };
            if !self.open_links().as_ref().is_some_and(|links| links.contains_key(&link)) {
                return;
            }
            if matches!(message.kind(), Kind::Response { error: false, .. }) {
                self.state.send_if_modified(|state| {
                    let first = *state == State::Fresh;
                    if first {
                        *state = State::Proven;
                    }
                    first
                });
            }
            let during = during.as_deref();
            self.event(|adapter, actions| {
                adapter.take_from_server(link, &message, during, actions);
            })
            .await;
        }
    }

    fn open_links(&self) -> std::sync::MutexGuard<'_, Option<BTreeMap<Link, Arc<Bridge>>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bridge {
    /// Keeps an answer to `initialize` that an adapter made, for when the server cannot be asked.
    fn remember_introduction(&self, response: &Message) {
        let Kind::Response { id, error: false } = response.kind() else { return };
        if self.ledger.find(id).is_some_and(|ticket| ticket.method() == "initialize")
            && let Some(initialize) = self.session.initialize()
        {
            self.access.remember(&initialize, response, &self.redactor);
        }
    }

    /// Takes a message that a translation gives to its link. Boxed, because a link is a bridge too.
    fn hand(self: Arc<Self>, message: Bytes) -> BoxFuture<'static, ()> {
        async move { self.take_message(message.into()).await }.boxed()
    }
}
