//! One stream of HTTP+SSE while it is open, and what follows when it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::super::Bridge;
use super::super::access::Manner;
use super::super::inbound::{Context, Opening};
use super::super::ledger::Ticket;
use super::super::session::Snapshot;
use crate::auth::Asking;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{IdKey, Message, salvage};
use crate::limits::{RECOVERY_STEP_TIMEOUT, STREAM_WORTHWHILE};
use crate::random;
use crate::transport::sse::Item;
use crate::transport::{Channel, EventStream};

/// An open stream that is being relayed, and who waits for what on it beside the ledger.
#[derive(Debug)]
pub struct Line {
    pub(super) channel: Arc<Channel>,
    /// The session that it is.
    pub(super) generation: u64,
    /// The client's `initialize` that it was opened for, and when.
    pub(super) opening: Option<(Ticket, Instant)>,
    pub(super) replays: Replays,
}

/// Requests that the bridge repeats on its own, whose answers are not for the client.
#[derive(Debug, Default)]
pub struct Replays(Mutex<HashMap<IdKey, oneshot::Sender<Message>>>);

impl Replays {
    pub(super) fn expect(&self, request: &Message) -> Option<oneshot::Receiver<Message>> {
        let (sender, answer) = oneshot::channel();
        self.table().insert(request.id()?.key(), sender);
        Some(answer)
    }

    pub(super) fn forget(&self, request: &Message) {
        if let Some(id) = request.id() {
            self.table().remove(&id.key());
        }
    }

    /// Takes a response that is the answer to one of them.
    pub fn take(&self, response: &Message) -> bool {
        let waiting = response.id().and_then(|id| self.table().remove(&id.key()));
        // Whoever waited may have stopped.
        waiting.map(|waiting| drop(waiting.send(response.clone()))).is_some()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<IdKey, oneshot::Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            generation: self.generation,
            opening: self.opening.as_ref().map(|(ticket, started)| Opening {
                ticket,
                session: None,
                started: *started,
            }),
            replays: Some(&self.replays),
            ..Context::default()
        }
    }
}

impl Bridge {
    /// Relays a stream until it ends or is closed.
    pub(super) async fn relay_line(self: &Arc<Self>, line: Arc<Line>, mut stream: EventStream) {
        let since = Instant::now();
        let mut closed = std::pin::pin!(line.channel.closed());
        let cause = loop {
            while let Some(item) = stream.buffered() {
                self.receive_from(&line, item).await;
            }
            tokio::select! {
                biased;
                _ = &mut closed => return,
                more = stream.wait() => match more {
                    Ok(true) => {}
                    Ok(false) => break None,
                    Err(failure) => break Some(failure),
                }
            }
        };
        if let Some(item) = stream.finish() {
            self.receive_last(item, false, &mut line.context()).await;
        }
        if !line.channel.is_open() {
            // Meanwhile there may be a session in its place.
            return;
        }
        let failure = lost(stream.shown(), cause);
        // First, so that whoever learns that the stream has ended finds the session lost.
        let current = self.session.lose(line.generation, &failure);
        if !line.channel.close(failure) || !current {
            return;
        }
        {
            let mut state = self.http_sse.state();
            // Messages do not count: every new session brings some.
            if since.elapsed() >= STREAM_WORTHWHILE {
                state.backoff.fruitful();
            } else {
                state.backoff.fruitless();
            }
        }
        self.reconnect(line.generation, stream.retry()).await;
    }

    async fn receive_from(&self, line: &Line, item: Item) {
        let data = match &item {
            Item::Event(event) => bytes::Bytes::clone(&event.data),
            Item::TooLarge { .. } => bytes::Bytes::new(),
        };
        let mut context = line.context();
        self.receive_item(item, &mut context).await;
        // There is no end of a response that would tell that this was to be the answer.
        if let Some(failure) = context.invalid
            && memchr::memmem::find(&data, b"\"method\"").is_none()
            && let Some(ticket) = salvage::salvage_id(&data).and_then(|id| self.ledger.find(&id))
        {
            self.ledger.fail(&ticket, &failure).await;
        }
    }

    /// Makes a new session in the place of `generation`, which ended with its stream, unless somebody
    /// else does: a message of the client does not wait for this. As long as it takes, with pauses.
    pub(super) async fn reconnect(self: &Arc<Self>, generation: u64, retry: Option<u64>) {
        let mut complaints = 0_u32;
        let mut wish = None;
        loop {
            // The server's wish is a floor, but the connection is not given up for a long one.
            let pause = self.http_sse.state().backoff.pause(retry.max(wish), random::dice());
            sleep(pause).await;
            let Some(_) = self.still_lost(generation).await else { return };
            let Err(failure) = self.renew_on_our_own(generation).await else { return };
            if failure.kind == FailureKind::Unauthorized {
                log::warn!("no messages from the server: {failure}");
                self.signed_in().await;
                continue;
            }
            wish = failure.retry_after.map(|w| u64::try_from(w.as_millis()).unwrap_or(u64::MAX));
            complaints += 1;
            match complaints {
                1 => log::warn!("no connection to the server ({failure}); trying again"),
                _ => log::debug!("still no connection to the server ({failure})"),
            }
            self.http_sse.state().backoff.fruitless();
        }
    }

    /// The stream is opened first, and quietly: a client that sends nothing has not asked for a
    /// sign-in, and nobody has to wait at the gate while the server cannot be reached.
    async fn renew_on_our_own(self: &Arc<Self>, generation: u64) -> Result<(), Failure> {
        let quiet = Manner { limit: Some(RECOVERY_STEP_TIMEOUT), asking: Asking::Nobody };
        let connected = self.connect(quiet).await?;
        let Some(snapshot) = self.still_lost(generation).await else { return Ok(()) };
        self.http_sse.state().ahead = Some(connected);
        let outcome = self.recover(&snapshot).await;
        self.http_sse.state().ahead = None;
        outcome
    }

    /// The session, if it is still the lost one and somebody wants another.
    async fn still_lost(&self, generation: u64) -> Option<Snapshot> {
        let snapshot = self.session.current().await;
        let wanted = !self.http_sse.state().ended;
        (wanted && snapshot.lost && snapshot.generation == generation).then_some(snapshot)
    }
}

/// The failure of a stream that has ended.
fn lost(shown: &str, cause: Option<Failure>) -> Failure {
    let text = match cause {
        Some(cause) => format!(
            "the event stream broke, and the request may or may not have been carried out ({})",
            cause.message
        ),
        None => "the server ended the event stream before the answer; the request may or may not have been carried out".into(),
    };
    Failure::new(FailureKind::StreamLost, text).at(shown)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::jsonrpc::Source;

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes()), Source::Server).unwrap()
    }

    #[tokio::test]
    async fn answers_to_repeated_requests_are_taken_once() {
        let replays = Replays::default();
        let request = message(r#"{"jsonrpc":"2.0","id":1.0,"method":"initialize"}"#);
        let answer = replays.expect(&request).unwrap();
        assert!(!replays.take(&message(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#)));
        let response = message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert!(replays.take(&response));
        assert_eq!(answer.await.unwrap(), response);
        assert!(!replays.take(&response));
        drop(replays.expect(&request));
        assert!(replays.take(&response), "late, but not for the client");
        drop(replays.expect(&request));
        replays.forget(&request);
        assert!(!replays.take(&response));
    }
}
