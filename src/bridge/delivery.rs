//! The life of one notification or response of the client: it is delivered, or its loss is logged.

use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout};

use super::Bridge;
use super::access::Manner;
use super::completion::{Missing, is_passing};
use super::http_sse::refuses_session;
use super::inbound::Context;
use super::order::Place;
use super::path::Path;
use super::session::Snapshot;
use crate::era::Era;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{Kind, Message, member};
use crate::limits::{
    BARRIER_TIMEOUT, DELIVERY_TIMEOUT, LISTEN_HEAD_START, RETRY_AFTER_MAX, TURN_TIMEOUT,
};
use crate::transport::{Reply, SessionHeaders};

const INITIALIZED: &str = "notifications/initialized";

/// What a session lacks that the server has not heard of the end of its handshake.
const UNINITIALIZED: Missing = Missing { initialized: true, requests: Vec::new() };

impl Bridge {
    /// Delivers a message that has no answer. Later messages wait until the server has taken it, but
    /// no longer than [`BARRIER_TIMEOUT`].
    pub(super) async fn deliver(self: &Arc<Self>, message: Message, place: Place) {
        // Its turn has come, or it has waited long enough.
        let _ = timeout(TURN_TIMEOUT, place.turn()).await;
        // Before the server hears of it: some servers answer a cancelled request, and the client
        // expects nothing any more.
        if let Some(id) = message.takes_back() {
            self.ledger.cancel(&id);
        }
        if let Err(failure) = self.try_deliver(&message, &place).await {
            let name = self.redactor.clean(message.method().unwrap_or("a response"), 60);
            log::warn!("{name} was not delivered: {failure}");
        }
    }

    async fn try_deliver(
        self: &Arc<Self>,
        message: &Message,
        place: &Place,
    ) -> Result<(), Failure> {
        let first = self.session.snapshot().generation;
        let asked_in = match message.kind() {
            Kind::Response { id, .. } => self.ledger.server_response(id, first),
            _ => None,
        };
        let (mut renewed, mut waited, mut repeated) = (false, false, false);
        let opening = message.method() == Some(INITIALIZED);
        if opening {
            // Before it is sent: whoever makes a session that is there only later sends it.
            self.session.remember(message);
        }
        loop {
            let snapshot = self.session.current().await;
            if opening && !snapshot.lost && self.session.is_initialized(snapshot.generation) {
                return Ok(());
            }
            match self.paths.known() {
                Some(Path::Translated(translation)) if !snapshot.lost => {
                    translation.take(message).await;
                    return Ok(());
                }
                // A modern server knows no messages of a client but requests; a request is taken
                // back by closing its stream (2026-07-28, basic/transports/streamable-http).
                Some(Path::Modern) => return Ok(()),
                None if self.paths.client() == Era::Modern => return Ok(()),
                _ => {}
            }
            if asked_in.is_some_and(|session| session < snapshot.generation) {
                log::debug!("a response for an earlier session is dropped");
                return Ok(());
            }
            if snapshot.lost {
                self.recover(&snapshot).await?;
                continue;
            }
            let headers = self.session.headers_in(asked_in, &snapshot);
            let mut reply = match self.hand_in(message, &headers, place).await {
                Err(failure) if opening && failure.kind == FailureKind::Unauthorized => {
                    // A session without it is of no use: a new one is made when there is a token.
                    self.session.failed(&failure);
                    self.http_sse.close("the server refused the handshake");
                    self.end_session(&snapshot.headers).await;
                    return Err(failure);
                }
                // As a request would be, where the server has seen nothing of it; and everything that follows needs
                // `initialized`, which does no harm twice.
                Err(failure)
                    if !repeated
                        && failure.kind != FailureKind::Unauthorized
                        && (failure.unsent || opening && is_passing(&failure)) =>
                {
                    repeated = true;
                    log::debug!("{failure}; sent again");
                    continue;
                }
                Err(failure) if opening && is_passing(&failure) => {
                    self.complete_later(&snapshot, UNINITIALIZED);
                    return Err(failure);
                }
                reply => reply?,
            };
            if reply.status().is_success() {
                return self.taken(message, &snapshot, reply, place).await;
            }
            let body = reply.read_beginning().await;
            let failure = reply.failure(&body);
            let status = reply.status().as_u16();
            if !renewed && refuses_session(&snapshot.headers, status, &body, None) {
                renewed = true;
                self.recover(&snapshot).await?;
                if !matters_in_a_new_session(message) {
                    return Ok(());
                }
            } else if let Some(wait) = failure.retry_after
                && wait <= RETRY_AFTER_MAX
                && !waited
                && matches!(status, 429 | 503)
            {
                waited = true;
                if message.method() != Some(INITIALIZED) {
                    // Only the handshake is worth holding everything else up.
                    place.left();
                }
                sleep(wait).await;
            } else {
                if opening && is_passing(&failure) {
                    self.complete_later(&snapshot, UNINITIALIZED);
                }
                return Err(failure);
            }
        }
    }

    /// Sends the message; later ones wait for the status for a while.
    async fn hand_in(
        &self,
        message: &Message,
        headers: &SessionHeaders,
        place: &Place,
    ) -> Result<Reply, Failure> {
        let manner = Manner { limit: Some(DELIVERY_TIMEOUT), ..self.manner(false) };
        let post = self.post(message.bytes().clone(), headers, None, manner);
        tokio::pin!(post);
        match timeout(BARRIER_TIMEOUT, &mut post).await {
            Ok(outcome) => outcome,
            Err(_) => {
                place.left();
                post.await
            }
        }
    }

    /// The server has taken the message. Some servers say more than 202.
    async fn taken(
        self: &Arc<Self>,
        message: &Message,
        snapshot: &Snapshot,
        reply: Reply,
        place: &Place,
    ) -> Result<(), Failure> {
        if message.method() == Some(INITIALIZED) {
            self.session.initialized(snapshot.generation);
            let opened = self.listen(snapshot.clone());
            // A stream that is slow to open must not hold up the client.
            let _ = timeout(LISTEN_HEAD_START, opened).await;
        }
        place.left();
        let mut context = Context { generation: snapshot.generation, ..Context::default() };
        self.relay_body(reply, Instant::now() + DELIVERY_TIMEOUT, &mut context).await;
        Ok(())
    }
}

/// Whether a message still means something to a session that was made after it was written. One
/// `initialized` is sent when a session is made, but not if the client's first one was refused.
fn matters_in_a_new_session(message: &Message) -> bool {
    match message.kind() {
        Kind::Notification { method } => &**method != member::CANCELLED,
        Kind::Request { .. } | Kind::Response { .. } => false,
    }
}
