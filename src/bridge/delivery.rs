//! The life of one notification or response of the client: it is delivered, or its loss is logged.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::Bridge;
use super::inbound::Context;
use super::order::Place;
use super::session::{Snapshot, means_lost};
use crate::error::Failure;
use crate::http::OnSent;
use crate::jsonrpc::{Id, Kind, Message, member};
use crate::limits::{BARRIER_TIMEOUT, LINGER, LISTEN_HEAD_START, RETRY_AFTER_MAX, TURN_TIMEOUT};
use crate::transport::reply::Body;
use crate::transport::{Content, Reply};

const INITIALIZED: &str = "notifications/initialized";
const CANCELLED: &str = "notifications/cancelled";

impl Bridge {
    /// Delivers a message that has no answer. Later messages wait until the server has taken it, but
    /// no longer than [`BARRIER_TIMEOUT`].
    pub(super) async fn deliver(self: &Arc<Self>, message: Message, place: Place) {
        // Its turn has come, or it has waited long enough.
        let _ = timeout(TURN_TIMEOUT, place.turn()).await;
        let delivery = self.try_deliver(&message);
        tokio::pin!(delivery);
        let outcome = match timeout(BARRIER_TIMEOUT, &mut delivery).await {
            Ok(outcome) => outcome,
            Err(_) => {
                drop(place);
                delivery.await
            }
        };
        let name = self.redactor.clean(message.method().unwrap_or("a response"), 60);
        if let Err(failure) = outcome {
            tracing::warn!("{name} was not delivered: {failure}");
        }
        if message.method() == Some(CANCELLED) {
            self.forget_cancelled(&message);
        }
    }

    async fn try_deliver(self: &Arc<Self>, message: &Message) -> Result<(), Failure> {
        let asked_in = match message.kind() {
            Kind::Response { id, .. } => self.ledger.server_response(id),
            _ => None,
        };
        let (mut renewed, mut waited) = (false, false);
        loop {
            let snapshot = self.session.current().await;
            if asked_in.is_some_and(|session| session < snapshot.generation) {
                tracing::debug!("a response for an earlier session is dropped");
                return Ok(());
            }
            if snapshot.lost {
                self.recover(&snapshot).await?;
                continue;
            }
            let on_sent: Option<OnSent> = None;
            let mut reply =
                self.endpoint.post(message.bytes().clone(), &snapshot.headers, on_sent).await?;
            if reply.status().is_success() {
                return self.taken(message, &snapshot, reply).await;
            }
            let body = reply.read_beginning().await;
            let failure = reply.failure(&body);
            let had_session = snapshot.headers.session.is_some();
            if had_session && !renewed && means_lost(reply.status().as_u16(), &body, None) {
                renewed = true;
                self.recover(&snapshot).await?;
                if !matters_in_a_new_session(message) {
                    return Ok(());
                }
            } else if let Some(wait) = failure.retry_after
                && wait <= RETRY_AFTER_MAX
                && !waited
                && matches!(reply.status().as_u16(), 429 | 503)
            {
                waited = true;
                sleep(wait).await;
            } else {
                return Err(failure);
            }
        }
    }

    /// The server has taken the message. Some servers say more than 202.
    async fn taken(
        self: &Arc<Self>,
        message: &Message,
        snapshot: &Snapshot,
        mut reply: Reply,
    ) -> Result<(), Failure> {
        if message.method() == Some(INITIALIZED) {
            self.session.remember(message);
            let opened = self.listen(snapshot.clone());
            // A stream that is slow to open must not hold up the client.
            let _ = timeout(LISTEN_HEAD_START, opened).await;
        }
        let mut context = Context { generation: snapshot.generation, ..Context::default() };
        if reply.content() == Content::Events {
            let bridge = self.clone();
            tokio::spawn(async move {
                let mut context = Context { generation: context.generation, ..Context::default() };
                let mut stream = reply.into_events(bytes::Bytes::new());
                loop {
                    while let Some(item) = stream.buffered() {
                        bridge.receive_item(item, &mut context).await;
                    }
                    match timeout(LINGER, stream.wait()).await {
                        Ok(Ok(true)) => {}
                        _ => break,
                    }
                }
            });
        } else if let Ok(Ok(Body::Whole(body))) = timeout(LINGER, reply.read()).await
            && !body.is_empty()
        {
            // Anything that is no message (`{}`, `null`, `{"result":{}}`) is politeness.
            let _ = self.receive(body, &mut context).await;
        }
        Ok(())
    }

    /// The client wants no answer any more (2025-11-25, basic/utilities/cancellation).
    fn forget_cancelled(&self, message: &Message) {
        let raw = member::lookup(message.bytes(), &["params", "requestId"]);
        let id = raw.and_then(|raw| Id::from_raw(message.bytes().slice_ref(raw.as_bytes())));
        if let Some(id) = id {
            self.ledger.cancel(&id);
        }
    }
}

/// Whether a message still means something to a session that was made after it was written. One
/// `initialized` is sent when a session is made, but not if the client's first one was refused.
fn matters_in_a_new_session(message: &Message) -> bool {
    match message.kind() {
        Kind::Notification { method } => &**method != CANCELLED,
        Kind::Request { .. } | Kind::Response { .. } => false,
    }
}
