//! What happens to a message from the server.

use bytes::Bytes;
use http::HeaderValue;
use tokio::time::{Instant, timeout_at};

use super::Bridge;
use super::http_sse::Replays;
use super::ledger::Ticket;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{Id, Invalid, Kind, Message, Received, Source, batch, member, salvage};
use crate::limits::{MAX_EXCERPT, MAX_LOGGED_TEXT};
use crate::transport::reply::Body;
use crate::transport::sse::Item;
use crate::transport::{Content, Reply};

/// Whose response body a message comes from.
#[derive(Debug, Default)]
pub struct Context<'a> {
    /// The session it belongs to.
    pub generation: u64,
    /// The request that it answers; none for what comes outside of one.
    pub during: Option<&'a Ticket>,
    /// The client's `initialize`, if this is its response.
    pub opening: Option<Opening<'a>>,
    /// A request that the bridge repeats on its own: its answer is not for the client.
    pub replayed: Option<&'a Id>,
    /// The answer to it, once there.
    pub replay_answer: Option<Message>,
    /// The same where many are under way, on the stream of HTTP+SSE.
    pub replays: Option<&'a Replays>,
    /// A `tools/list` of a modern server, whose tools are looked at.
    pub listed: Option<Listing<'a>>,
    /// What the last thing that was no message means for a request that gets no answer.
    pub invalid: Option<Failure>,
}

/// A `tools/list` of the client.
#[derive(Debug)]
pub struct Listing<'a> {
    /// The request.
    pub ticket: &'a Ticket,
    /// It asks for the beginning of the list.
    pub first: bool,
}

/// What is needed when the answer to `initialize` comes.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The request.
    pub ticket: &'a Ticket,
    /// `Mcp-Session-Id` of the response that carries the answer.
    pub session: Option<HeaderValue>,
    /// When it was sent.
    pub started: Instant,
}

impl Bridge {
    /// Relays an item of an event stream.
    pub(super) async fn receive_item(&self, item: Item, context: &mut Context<'_>) {
        match item {
            Item::Event(event) if !event.is_message() => {
                log::debug!("event of another type passed over");
            }
            // The priming event of 2025-11-25 carries an id and no data.
            Item::Event(event) if event.data.is_empty() => {}
            Item::Event(event) => {
                let mut outcome = self.receive(event.data.clone(), context).await;
                if outcome.is_err() && std::str::from_utf8(&event.data).is_err() {
                    // As the standard decodes it: what is no UTF-8 becomes U+FFFD.
                    let decoded = String::from_utf8_lossy(&event.data).into_owned();
                    outcome = self.receive(Bytes::from(decoded).into(), context).await;
                }
                if let Err(error) = outcome {
                    let text = self.redactor.clean(&error.to_string(), MAX_LOGGED_TEXT);
                    log::warn!("the server sent an event that is {text}");
                    let text = format!(
                        "the response stream carried no answer, but something that is {text}"
                    );
                    let failure = Failure::new(FailureKind::InvalidResponse, text);
                    context.invalid = Some(failure.at(&self.endpoint.shown()));
                }
            }
            Item::TooLarge { prefix } => {
                let id = salvage::salvage_id(&prefix);
                self.too_large(id, context).await;
            }
        }
    }

    /// Relays the last item of a stream that ended without the blank line behind it. What is not
    /// whole JSON was cut off and is dropped. Where the stream can be resumed, only an answer is
    /// taken, because the server will send the event again. Tells whether something was relayed.
    pub(super) async fn receive_last(
        &self,
        item: Item,
        resumable: bool,
        context: &mut Context<'_>,
    ) -> bool {
        let event = match item {
            Item::Event(event) if event.is_message() => event,
            Item::Event(_) => return false,
            Item::TooLarge { .. } => {
                self.receive_item(item, context).await;
                return false;
            }
        };
        let is_answer = || {
            let message = Message::of(event.data.clone(), Source::Server);
            message.is_ok_and(|message| matches!(message.kind(), Kind::Response { .. }))
        };
        if resumable && !is_answer() {
            return false;
        }
        self.receive(event.data, context).await.is_ok()
    }

    /// Relays what is in the body of a response, until its end, the answer to a repeated request,
    /// or `end`. Only the network is waited for that long, never the client.
    pub(super) async fn relay_body(
        &self,
        mut reply: Reply,
        end: Instant,
        context: &mut Context<'_>,
    ) {
        if reply.content() != Content::Events {
            if let Ok(Ok(Body::Whole(body))) = timeout_at(end, reply.read()).await
                && !body.is_empty()
            {
                // Anything that is no message (`{}`, `null`, `{"result":{}}`) is politeness.
                let _ = self.receive(body, context).await;
            }
            return;
        }
        let mut stream = reply.into_events(Bytes::new());
        loop {
            while let Some(item) = stream.buffered() {
                self.receive_item(item, context).await;
            }
            if context.replay_answer.is_some() {
                return;
            }
            match timeout_at(end, stream.wait()).await {
                Ok(Ok(true)) => {}
                _ => break,
            }
        }
        if let Some(item) = stream.finish() {
            self.receive_last(item, false, context).await;
        }
    }

    /// A message over the size limit came: fails the request that it may have answered.
    pub(super) async fn too_large(&self, id: Option<Id>, context: &mut Context<'_>) {
        let failure = self.size_failure();
        log::warn!("{failure}");
        context.invalid = Some(failure.clone());
        if let Some(ticket) = id.and_then(|id| self.ledger.find(&id)) {
            self.ledger.fail(&ticket, &failure).await;
        }
    }

    pub(super) fn size_failure(&self) -> Failure {
        let limit = self.settings.max_message;
        let text =
            format!("the server sent a message over {limit} bytes; raise --max-message-size");
        Failure::new(FailureKind::TooLarge, text).at(&self.endpoint.shown())
    }

    /// Relays a payload: one message, or a batch of them.
    ///
    /// # Errors
    /// The first member that is no message; the others are relayed all the same.
    pub(super) async fn receive(
        &self,
        payload: Received,
        context: &mut Context<'_>,
    ) -> Result<(), Invalid> {
        if !batch::is_batch(&payload) {
            return self.receive_one(payload, context).await;
        }
        let mut outcome = Ok(());
        for member in batch::split(&payload)? {
            let result = self.receive_one(member.into(), context).await;
            outcome = outcome.and(result);
        }
        outcome
    }

    async fn receive_one(
        &self,
        payload: Received,
        context: &mut Context<'_>,
    ) -> Result<(), Invalid> {
        let mut message = Message::of(payload, Source::Server)?;
        if let Some(listing) = &context.listed {
            message = self.listed(listing, message);
        }
        log::trace!("from the server: {}", self.described(&message));
        match message.kind() {
            Kind::Response { id, error } => {
                if context.replayed.is_some_and(|replayed| replayed.key() == id.key()) {
                    context.replay_answer = Some(message);
                    return Ok(());
                }
                if context.replays.is_some_and(|replays| replays.take(&message)) {
                    return Ok(());
                }
                if let Some(opening) = &context.opening
                    && opening.ticket.is_for(id)
                    && opening.ticket.is_open()
                    && !error
                {
                    self.established(&message, opening);
                }
                if *error && id.is_null() {
                    context.invalid = Some(self.nameless_error(&message));
                }
                if !self.ledger.answer(&message).await {
                    let id = self.redactor.clean(&id.to_string(), 40);
                    log::debug!("a response for {id} is for no open request; it is dropped");
                }
            }
            Kind::Request { id, .. } if self.paths.is_modern() => {
                // A modern server asks in its results (2026-07-28, basic/patterns/mrtr).
                let id = self.redactor.clean(&id.to_string(), 40);
                log::warn!("a stateless server must not send requests; {id} is dropped");
            }
            Kind::Request { id, .. } => {
                self.ledger.server_request(id, context.generation);
                self.relay_message(&message, context).await;
            }
            Kind::Notification { .. } => {
                if let Some(id) = message.takes_back() {
                    self.ledger.server_cancelled(&id, context.generation);
                }
                self.relay_message(&message, context).await;
            }
        }
        Ok(())
    }

    /// An error that names no request: what it says, for a request that gets no other answer.
    fn nameless_error(&self, message: &Message) -> Failure {
        let said =
            member::lookup_string(message.bytes(), &["error", "message"]).unwrap_or_default();
        let text = format!(
            "the server reported an error without naming the request: {}",
            self.redactor.clean(&said, MAX_EXCERPT)
        );
        Failure::new(FailureKind::InvalidResponse, text).at(&self.endpoint.shown())
    }

    /// A message in a few words, for the log.
    pub(super) fn described(&self, message: &Message) -> String {
        let id = message.id().map(|id| format!(" {id}")).unwrap_or_default();
        let text = format!(
            "{}{id}, {} bytes",
            message.method().unwrap_or("response"),
            message.bytes().len()
        );
        self.redactor.clean(&text, MAX_LOGGED_TEXT)
    }

    /// Writes a notification or request of the server. A translation wants to know where it came from.
    async fn relay_message(&self, message: &Message, context: &Context<'_>) {
        let message = message.bytes().clone();
        let Some(ticket) = context.during.filter(|_| self.is_link()) else {
            return self.to_client(message).await;
        };
        // Nobody reads any more where a link is closed.
        let _ = self.outbox.send_during(message, ticket.id().clone()).await;
    }

    /// Writes a message that is no response.
    pub(super) async fn to_client(&self, message: Bytes) {
        if let Some(shape) = &self.shape
            && memchr::memmem::find(&message, b"tools/list_changed").is_some()
        {
            shape.tools_changed();
        }
        if self.outbox.send(message).await.is_err() {
            log::debug!("stdout is closed");
        }
    }

    fn established(&self, response: &Message, opening: &Opening<'_>) {
        let session = opening.session.clone();
        self.learn_session(session.as_ref());
        let snapshot = self.session.establish(response, session);
        self.paths.settle();
        self.http_sse.established();
        self.verdict.confirm_legacy(self.is_http_sse());
        if let Some(initialize) = self.session.initialize() {
            self.access.remember(&initialize, response, &self.redactor);
        }
        let text = |path: &[&str]| {
            let text = member::lookup_string(response.bytes(), path).unwrap_or_else(|| "?".into());
            self.redactor.clean(&text, 60)
        };
        log::info!(
            "connected to {} {} at {} (MCP {}, {} ms)",
            text(&["result", "serverInfo", "name"]),
            text(&["result", "serverInfo", "version"]),
            self.endpoint.shown(),
            text(&["result", "protocolVersion"]),
            opening.started.elapsed().as_millis(),
        );
        log::debug!(
            "session {} established, id {}",
            snapshot.generation,
            if snapshot.headers.session.is_some() { "given" } else { "none" }
        );
    }

    /// A session id is as good as a password while it lives.
    pub(super) fn learn_session(&self, session: Option<&HeaderValue>) {
        if let Some(id) = session.and_then(|id| id.to_str().ok()) {
            self.redactor.learn_foreign(crate::secret::Secret::new(id.to_owned()));
        }
    }
}
