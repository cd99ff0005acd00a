//! The standalone event stream (2025-11-25, basic/transports, "Listening for Messages from the
//! Server"): opened after `initialized`, kept open while the session lives, never twice at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

use super::Bridge;
use super::access::Manner;
use super::follow::is_passing;
use super::inbound::Context;
use super::session::{Snapshot, means_lost};
use crate::auth::Asking;
use crate::error::{Failure, FailureKind};
use crate::limits::STREAM_WORTHWHILE;
use crate::random;
use crate::tasks;
use crate::transport::backoff::Backoff;
use crate::transport::{Content, EventStream, Reply};

/// The stream is our wish, not the client's: nobody is asked to sign in for it.
const QUIET: Manner = Manner { limit: None, asking: Asking::Nobody };

/// The one standalone stream of a bridge.
#[derive(Debug)]
pub struct Listener {
    /// Dropping it tells the task to end at its next wait for the network, so that a message which
    /// has been received already still reaches the client.
    stop: Mutex<Option<watch::Sender<()>>>,
    /// The session that has a stream, or one that is being reopened.
    live: watch::Sender<Option<u64>>,
    /// How the server answered the last GET.
    answered: watch::Sender<Option<Answered>>,
}

/// How a server answered the GET for its standalone stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// With a stream.
    Stream,
    /// With this status, and none.
    Status(u16),
    /// Not at all.
    Failed(Failure),
}

impl Default for Listener {
    fn default() -> Self {
        Listener {
            stop: Mutex::default(),
            live: watch::channel(None).0,
            answered: watch::channel(None).0,
        }
    }
}

impl Listener {
    /// Closes the stream.
    pub fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.live.send_replace(None);
    }

    /// The session `generation` has no stream.
    fn closed(&self, generation: u64) {
        self.live.send_if_modified(|live| live.take_if(|live| *live == generation).is_some());
    }

    /// How the server answered the GET, once it has.
    pub async fn answered(&self) -> Option<Answered> {
        let mut answered = self.answered.subscribe();
        // The sender lives as long as `self`.
        let answered = answered.wait_for(Option::is_some).await.ok()?;
        answered.clone()
    }

    /// Returns when no stream of session `generation` is open or will be.
    pub async fn silent(&self, generation: u64) {
        let mut live = self.live.subscribe();
        // The sender lives as long as `self`, so that this can only end by the condition.
        let _ = live.wait_for(|live| *live != Some(generation)).await;
    }
}

impl Bridge {
    /// Opens the stream of a session, in place of any other. What is returned ends when the server
    /// has answered the first GET.
    pub(super) fn listen(self: &Arc<Self>, snapshot: Snapshot) -> oneshot::Receiver<()> {
        let (opened, first_answer) = oneshot::channel();
        if snapshot.headers.channel.is_some() {
            // HTTP+SSE has one stream for everything, and it is open.
            return first_answer;
        }
        if *self.listener.live.borrow() == Some(snapshot.generation) {
            // The client said `initialized` twice. Dropping `opened` ends the wait.
            return first_answer;
        }
        if !self.session.is_current(snapshot.generation) {
            // The answer to `initialized` was late: there is another session, with a stream of its own.
            return first_answer;
        }
        self.listener.stop();
        self.listener.live.send_replace(Some(snapshot.generation));
        let bridge = self.clone();
        let (stop, stopped) = watch::channel(());
        *self.listener.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        tasks::spawn(async move {
            let generation = snapshot.generation;
            bridge.keep_listening(snapshot, opened, stopped).await;
            bridge.listener.closed(generation);
        });
        first_answer
    }

    async fn keep_listening(
        self: &Arc<Self>,
        snapshot: Snapshot,
        opened: oneshot::Sender<()>,
        mut stopped: Stopped,
    ) {
        let mut opened = Some(opened);
        let mut cursor = Bytes::new();
        let mut retry = None;
        let mut backoff = Backoff::default();
        let mut ever_open = false;
        let mut complaints = 0_u32;
        loop {
            let get = self.get(&snapshot.headers, &cursor, QUIET);
            let Some(reply) = unless(&mut stopped, get).await else { return };
            // Nobody may be waiting for the first answer any more.
            let _ = opened.take().map(|opened| opened.send(()));
            self.listener.answered.send_replace(Some(match &reply {
                Ok(reply) if reply.status().is_success() && reply.content() == Content::Events => {
                    Answered::Stream
                }
                Ok(reply) => Answered::Status(reply.status().as_u16()),
                Err(failure) => Answered::Failed(failure.clone()),
            }));
            let mut asked_to_wait = None;
            match reply {
                Ok(reply) if reply.status().is_success() && reply.content() == Content::Events => {
                    ever_open = true;
                    let since = Instant::now();
                    let mut stream = reply.into_events(cursor.clone());
                    let messages =
                        self.relay_standalone(&mut stream, snapshot.generation, &mut stopped).await;
                    cursor = stream.cursor();
                    retry = stream.retry().or(retry);
                    if messages || since.elapsed() >= STREAM_WORTHWHILE {
                        backoff.fruitful();
                        complaints = 0;
                    } else {
                        backoff.fruitless();
                    }
                }
                Ok(reply) if is_passing(reply.status().as_u16()) => {
                    asked_to_wait = reply.retry_after();
                    complain(&mut complaints, &format!("HTTP {}", reply.status().as_u16()));
                    backoff.fruitless();
                }
                Ok(reply) if reply.status() == StatusCode::BAD_REQUEST && !cursor.is_empty() => {
                    // It may be the cursor that the server does not know.
                    log::debug!("the server's stream cannot be resumed; opening a new one");
                    cursor = Bytes::new();
                    backoff.fruitless();
                }
                Ok(reply) => return self.no_stream(reply, snapshot, ever_open).await,
                Err(failure) if failure.kind == FailureKind::Unauthorized => {
                    log::warn!("no messages from the server outside of requests: {failure}");
                    // A request may bring a sign-in about. Until then there is no stream, and
                    // whoever waits for an answer on it must know.
                    self.listener.closed(snapshot.generation);
                    if unless(&mut stopped, self.signed_in()).await.is_none() {
                        return;
                    }
                    self.listener.live.send_replace(Some(snapshot.generation));
                }
                Err(failure) if !ever_open && is_final(failure.kind) => {
                    log::debug!("no standalone stream: {failure}");
                    return;
                }
                Err(failure) => {
                    complain(&mut complaints, &failure.message);
                    backoff.fruitless();
                }
            }
            // The server's wish is a floor, but a stream is not given up for a long one.
            let wish = asked_to_wait
                .map(|wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            let pause = sleep(backoff.pause(retry.max(wish), random::dice()));
            if unless(&mut stopped, pause).await.is_none() {
                return;
            }
        }
    }

    /// Relays until the connection ends; tells whether a message came.
    async fn relay_standalone(
        &self,
        stream: &mut EventStream,
        generation: u64,
        stopped: &mut Stopped,
    ) -> bool {
        let mut context = Context { generation, ..Context::default() };
        let mut messages = false;
        loop {
            while let Some(item) = stream.buffered() {
                messages |= !matches!(&item, crate::transport::sse::Item::Event(event) if event.data.is_empty());
                self.receive_item(item, &mut context).await;
            }
            match unless(stopped, stream.wait()).await.unwrap_or(Ok(false)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(failure) => {
                    log::debug!("server stream: {failure}");
                    break;
                }
            }
        }
        if let Some(item) = stream.finish() {
            let resumable = !stream.cursor().is_empty();
            messages |= self.receive_last(item, resumable, &mut context).await;
        }
        messages
    }

    /// A status that ends listening. Where a stream was open before, the session may be lost; where
    /// none ever was, the server has none.
    async fn no_stream(self: &Arc<Self>, mut reply: Reply, snapshot: Snapshot, ever_open: bool) {
        let status = reply.status().as_u16();
        let body = reply.read_beginning().await;
        if ever_open && snapshot.headers.session.is_some() && means_lost(status, &body, None) {
            let bridge = self.clone();
            // A task of its own, because the new session's stream takes the place of this one.
            tasks::spawn(async move {
                if let Err(failure) = bridge.recover(&snapshot).await {
                    log::debug!("{failure}");
                }
            });
            return;
        }
        match status {
            401 | 403 => log::warn!(
                "no messages from the server outside of requests: {}",
                reply.failure(&body)
            ),
            _ if ever_open => {
                log::warn!("the server offers its stream no longer (HTTP {status})")
            }
            _ => log::debug!("the server has no standalone stream (HTTP {status})"),
        }
    }
}

/// Ends when the listener is to stop.
type Stopped = watch::Receiver<()>;

/// What `future` gives, or `None` if the listener is to stop before.
async fn unless<T>(stopped: &mut Stopped, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        // Nothing is ever sent: this ends when the sender is dropped.
        _ = stopped.changed() => None,
        value = future => Some(value),
    }
}

/// Failures that will be the same the next time. One of TLS is not: messages have reached the server over it.
fn is_final(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Redirect | FailureKind::InvalidResponse)
}

/// The first loss of a stream is worth a line, and that it goes on; after that nobody wants more.
fn complain(count: &mut u32, what: &str) {
    *count += 1;
    match count {
        1 => log::warn!("the server's stream is interrupted ({what}); trying again"),
        _ => log::debug!("the server's stream is still interrupted ({what})"),
    }
}
