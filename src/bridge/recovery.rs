//! Making a new session when the server lost the old one
//! (2025-11-25, basic/transports, "Session Management", point 4).
//!
//! The client's own `initialize` again, without a session id; its `initialized`; the standalone
//! stream; the log level and the subscriptions. Whoever was refused waits meanwhile, and then sends
//! again. The client learns only that lists may have changed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::Bridge;
use super::access::Manner;
use super::attempt::Offered;
use super::completion::{Missing, is_passing};
use super::detection::Asker;
use super::inbound::Context;
use super::path::Path;
use super::session::{Handshake, Since, Snapshot};
use super::translation::Translation;
use super::verdict::Protocol;
use crate::auth::Asking;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{Id, Kind, Message, Source, member};
use crate::limits::{LISTEN_HEAD_START, RECOVERY_STEP_TIMEOUT, REPEATED_AT_ONCE};
use crate::tasks;
use crate::transport::SessionHeaders;

/// How each step is sent. Whoever waits for the new session has a limit of their own.
pub(super) const STEP: Manner =
    Manner { limit: Some(RECOVERY_STEP_TIMEOUT), asking: Asking::Anybody };

impl Bridge {
    /// Makes a new session in the place of the one in `refused`, unless somebody has done so since.
    ///
    /// # Errors
    /// Why there is no new session. The next request tries again.
    pub(super) async fn recover(self: &Arc<Self>, refused: &Snapshot) -> Result<(), Failure> {
        let (bridge, refused) = (self.clone(), refused.clone());
        // A task of its own: half a session is none, and whoever asked for it may stop waiting.
        let task = tasks::spawn(async move { bridge.make_anew(&refused).await });
        task.await.unwrap_or_else(|_| {
            Err(Failure::new(FailureKind::Internal, "making a new session failed; try again"))
        })
    }

    async fn make_anew(self: &Arc<Self>, refused: &Snapshot) -> Result<(), Failure> {
        let (list_changed, ended) = {
            let _closed = self.session.close_gate().await;
            match self.session.since(refused) {
                Since::Renewed => return Ok(()),
                Since::Failed(failure) => return Err(failure),
                Since::Nothing => {}
            }
            if self.session.has_ended() {
                return Err(self.over());
            }
            self.listener.stop();
            self.give_up_stream();
            let started = Instant::now();
            let handshake = self.session.attempt();
            let handshakes = self.session.handshakes();
            let renewed = self.renew(&handshake, handshakes).await;
            if renewed.is_err() {
                self.http_sse.close("no session was made on the event stream");
            }
            match renewed {
                Ok(snapshot) if self.session.has_ended() => {
                    self.end_refused(snapshot.headers.session).await;
                    return Err(self.over());
                }
                Ok(snapshot) => {
                    let took = started.elapsed().as_millis();
                    if handshake.provisional {
                        log::info!("connected to the server, {took} ms after the client");
                    } else if snapshot.headers.channel.is_some() {
                        self.http_sse.renewed(took);
                    } else {
                        log::warn!(
                            "the server had lost the session; a new one was made in {took} ms"
                        );
                    }
                    self.restore(&handshake, &snapshot).await;
                    (
                        handshake.list_changed,
                        self.ledger.server_requests_before(snapshot.generation),
                    )
                }
                // What comes of the new handshake is not known yet.
                Err(failure) if self.session.handshakes() != handshakes => return Err(failure),
                Err(failure) if failure.kind == FailureKind::Unauthorized => {
                    self.session.failed(&failure);
                    return Err(failure);
                }
                Err(mut failure) => {
                    failure.kind = FailureKind::SessionLost;
                    failure.message = format!(
                        "the server lost the session and made no new one: {}",
                        failure.message
                    );
                    self.session.failed(&failure);
                    return Err(failure);
                }
            }
        };
        for id in ended {
            self.to_client(member::cancelled(&id, "the server lost the session")).await;
        }
        for method in list_changed {
            self.to_client(member::notification(method)).await;
        }
        Ok(())
    }

    fn over(&self) -> Failure {
        Failure::new(FailureKind::ShuttingDown, "the session is over").at(&self.endpoint.shown())
    }

    /// `initialize`, answered.
    async fn renew(
        self: &Arc<Self>,
        handshake: &Handshake,
        handshakes: u64,
    ) -> Result<Snapshot, Failure> {
        let Some(initialize) = &handshake.initialize else {
            return Err(Failure::new(
                FailureKind::SessionLost,
                "the client has not sent initialize",
            )
            .at(&self.endpoint.shown()));
        };
        let asker = Asker { message: initialize, ticket: None };
        if !matches!(self.path(asker).await?, Path::Legacy) {
            return Ok(self.session.is_elsewhere());
        }
        let (answer, session) = match self.repeat_initialize(initialize, STEP.asking).await {
            Err(failure) if self.may_be_modern_now(&failure) => {
                self.switch();
                let asker = Asker { message: initialize, ticket: None };
                if !matches!(self.path(asker).await?, Path::Legacy) {
                    return Ok(self.session.is_elsewhere());
                }
                return Err(failure);
            }
            outcome => outcome?,
        };
        if let Kind::Response { error: true, .. } = answer.kind() {
            self.end_refused(session).await;
            let said =
                member::lookup_string(answer.bytes(), &["error", "message"]).unwrap_or_default();
            let text = format!("initialize was refused: {}", self.redactor.clean(&said, 80));
            return Err(Failure::new(FailureKind::SessionLost, text).at(&self.endpoint.shown()));
        }
        if self.session.handshakes() != handshakes {
            self.end_refused(session).await;
            let text = "the client began anew while a new session was made";
            return Err(Failure::new(FailureKind::SessionLost, text).at(&self.endpoint.shown()));
        }
        self.learn_session(session.as_ref());
        self.access.remember(initialize, &answer, &self.redactor);
        let snapshot = self.session.establish(&answer, session);
        self.http_sse.established();
        self.verdict.confirm_legacy(self.is_http_sse());
        Ok(snapshot)
    }

    /// Ends a session that came with an answer by which nothing is made of it.
    async fn end_refused(&self, session: Option<http::HeaderValue>) {
        if session.as_ref().is_some_and(|session| self.session.disowned(session)) {
            self.end_session(&SessionHeaders { session, ..SessionHeaders::default() }).await;
        }
    }

    /// Everything that the client had set up. What the new session does not accept is logged.
    async fn restore(self: &Arc<Self>, handshake: &Handshake, snapshot: &Snapshot) {
        let Some(initialized) = &handshake.initialized else {
            return;
        };
        if let Some(Path::Translated(translation)) = self.paths.known() {
            self.session.initialized(snapshot.generation);
            return restore_translated(&translation, handshake, initialized).await;
        }
        let mut missing = Missing::default();
        let post = || self.post(initialized.clone(), &snapshot.headers, None, STEP);
        let reply = match post().await {
            // Everything that follows needs it, and twice does no harm.
            Err(failure) if is_passing(&failure) && failure.kind != FailureKind::Timeout => {
                post().await
            }
            reply => reply,
        };
        match reply {
            Ok(reply) if reply.status().is_success() => {
                self.session.initialized(snapshot.generation);
                let _ = timeout(LISTEN_HEAD_START, self.listen(snapshot.clone())).await;
            }
            Ok(reply) => {
                let failure = reply.failure(b"");
                log::debug!("initialized: {failure}");
                missing.initialized = is_passing(&failure);
            }
            Err(failure) => {
                log::debug!("initialized: {failure}");
                missing.initialized = is_passing(&failure);
            }
        }
        let state: Vec<_> =
            handshake.log_level.iter().chain(handshake.subscriptions.values()).collect();
        let settled = Mutex::new(HashSet::new());
        // Without `initialized` many servers answer none of them.
        if !missing.initialized {
            let each = stream::iter(state.iter().enumerate());
            let repeated = each.for_each_concurrent(REPEATED_AT_ONCE, async |(at, request)| {
                if let Err(failure) = self.repeat(request, &snapshot.headers, STEP).await {
                    let method = request.method().unwrap_or_default();
                    log::warn!("{method} could not be repeated in the new session: {failure}");
                    if is_passing(&failure) {
                        return;
                    }
                }
                settled.lock().unwrap_or_else(PoisonError::into_inner).insert(at);
            });
            if timeout(RECOVERY_STEP_TIMEOUT, repeated).await.is_err() {
                log::debug!("not all subscriptions could be repeated in time");
            }
        }
        let settled = settled.into_inner().unwrap_or_else(PoisonError::into_inner);
        let left = state.into_iter().enumerate().filter(|(at, _)| !settled.contains(at));
        missing.requests = left.map(|(_, request)| request.clone()).collect();
        self.complete_later(snapshot, missing);
    }

    /// Whether a refusal of `initialize` in the middle of things is worth asking the server about its
    /// era.
    fn may_be_modern_now(&self, failure: &Failure) -> bool {
        self.alarm.is_none()
            && self.verdict.protocol() == Protocol::Auto
            && matches!(failure.status, Some(400 | 404 | 405))
    }

    /// Sends a request of the client a second time and returns its answer, which the client has
    /// had already, with the session id of the response.
    pub(super) async fn repeat(
        self: &Arc<Self>,
        request: &Message,
        headers: &SessionHeaders,
        manner: Manner,
    ) -> Result<(Message, Option<http::HeaderValue>), Failure> {
        if let Some(channel) = &headers.channel {
            let answer = self.repeat_over(channel, request, headers, manner).await?;
            return Ok((answer, None));
        }
        let reply = self.post(request.bytes().clone(), headers, None, manner).await?;
        let end = Instant::now() + RECOVERY_STEP_TIMEOUT;
        if !reply.status().is_success() {
            return Err(reply.into_failure().await);
        }
        let session = reply.session_id();
        let no_answer = reply.invalid("no answer", b"");
        let opening = headers.session.is_none();
        let generation = self.session.snapshot().generation + u64::from(opening);
        let offered = opening.then(|| {
            let session = session.clone();
            Offered::new(self, generation, SessionHeaders { session, ..SessionHeaders::default() })
        });
        let mut context = Context { generation, replayed: request.id(), ..Context::default() };
        self.relay_body(reply, end, &mut context).await;
        let answer = context.replay_answer.ok_or(no_answer)?;
        // What becomes of it is for the caller to say.
        if let Some(offered) = offered {
            offered.keep();
        }
        Ok((answer, session))
    }
}

/// Tells a translation what the client had set up in a session of the time before it. The requests
/// among it get ids that nobody has, so that their answers reach nobody.
async fn restore_translated(
    translation: &Arc<Translation>,
    handshake: &Handshake,
    initialized: &Bytes,
) {
    let state = handshake.log_level.iter().chain(handshake.subscriptions.values());
    let renamed = state.enumerate().filter_map(|(at, request)| {
        let id = Id::from_raw(Bytes::from(format!("\"mcp-tether/restored/{at}\"")))?;
        Some(request.with_id(&id))
    });
    for message in std::iter::once(initialized.clone()).chain(renamed) {
        if let Ok(message) = Message::parse(message, Source::Client) {
            translation.take(&message).await;
        }
    }
}
