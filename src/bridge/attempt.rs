//! One attempt at a request to a legacy server: sent once, and its response followed to the end.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::Bridge;
use super::http_sse::{cut_off, refuses_session};
use super::inbound::{Context, Opening};
use super::ledger::Ticket;
use super::order::Place;
use super::session::Snapshot;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{Message, Received};
use crate::limits::{ERROR_BODY_TIMEOUT, LINGER};
use crate::transport::reply::Body;
use crate::transport::{Content, Reply, SessionHeaders};

/// What became of one attempt.
pub(super) enum Outcome {
    /// The request is answered.
    Done,
    /// The server no longer knows the session, for the first time.
    SessionLost,
    /// The server asked to come back after a while.
    Later(Duration, Failure),
    /// The request may be sent again if its method is read-only.
    Broken(Failure),
    /// The server is of the other era, and has not looked at the request.
    OtherEra(Failure),
    /// Nothing more can be done.
    Failed(Failure),
}

impl Bridge {
    /// Sends a request once and follows its response to the end.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        snapshot: &Snapshot,
        place: &Arc<Place>,
        renewed: bool,
    ) -> Outcome {
        let initialize = message.method() == Some("initialize");
        let headers = snapshot.headers.clone();
        let started = Instant::now();
        let manner = self.manner(initialize);
        let reply = tokio::select! {
            biased;
            reply = self.post_request(ticket, message, &headers, place, manner) => reply,
            // Where nobody wants the session any more, it must be known to be ended.
            () = lingered(ticket), if !initialize => return Outcome::Done,
            failure = cut_off(&headers, ticket) => return Outcome::Broken(failure),
        };
        place.acknowledged();
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) if failure.kind == FailureKind::StreamLost => {
                return Outcome::Broken(failure);
            }
            Err(failure) => return Outcome::Failed(failure),
        };
        let channel = headers.channel.clone();
        let session = if initialize && channel.is_none() { reply.session_id() } else { None };
        let mut context = Context {
            generation: snapshot.generation + u64::from(initialize),
            during: Some(ticket),
            opening: initialize.then(|| Opening { ticket, session: session.clone(), started }),
            ..Context::default()
        };
        let headers = if initialize {
            SessionHeaders { session, channel, ..SessionHeaders::default() }
        } else {
            headers
        };
        let offered = initialize.then(|| Offered::new(self, context.generation, headers.clone()));
        let outcome = if !reply.status().is_success() {
            let refused = self.refused(ticket, message, &headers, reply, renewed, &mut context);
            Box::pin(refused).await
        } else if initialize && !ticket.is_open() {
            Outcome::Done
        } else {
            self.accepted(ticket, &headers, reply, snapshot, &mut context).await
        };
        drop(offered);
        outcome
    }

    /// A status that is none: the answer comes here or elsewhere.
    async fn accepted(
        &self,
        ticket: &Ticket,
        headers: &SessionHeaders,
        reply: Reply,
        snapshot: &Snapshot,
        context: &mut Context<'_>,
    ) -> Outcome {
        if let Some(channel) = &headers.channel {
            return Box::pin(self.await_answer(channel, ticket, reply, context)).await;
        }
        if reply.status() == StatusCode::ACCEPTED && reply.content() != Content::Events {
            // What else is in such a response is politeness, unless it is the answer.
            self.relay_body(reply, within(ERROR_BODY_TIMEOUT), context).await;
            return self.await_elsewhere(ticket, snapshot).await;
        }
        match reply.content() {
            Content::Events => self.follow(ticket, headers, reply, context).await,
            Content::Json | Content::Unnamed => self.answered(ticket, reply, context).await,
            Content::Other => {
                let mut reply = reply;
                let body = reply.read_beginning().await;
                Outcome::Failed(reply.invalid(
                    "the server answered with something that is neither JSON nor an event stream",
                    &body,
                ))
            }
        }
    }

    /// A status that is an error. A JSON-RPC error for our request is its answer all the same.
    async fn refused(
        &self,
        ticket: &Ticket,
        message: &Message,
        headers: &SessionHeaders,
        mut reply: Reply,
        renewed: bool,
        context: &mut Context<'_>,
    ) -> Outcome {
        if reply.content() == Content::Events {
            let failure = reply.failure(b"");
            self.relay_body(reply, within(ERROR_BODY_TIMEOUT), context).await;
            return if ticket.is_open() { Outcome::Failed(failure) } else { Outcome::Done };
        }
        let body = match reply.content() {
            Content::Json | Content::Unnamed => {
                match timeout(ERROR_BODY_TIMEOUT, reply.read()).await {
                    Ok(Ok(Body::Whole(body))) => body,
                    _ => Received::default(),
                }
            }
            Content::Events | Content::Other => reply.read_beginning().await.into(),
        };
        let status = reply.status().as_u16();
        if context.opening.is_some() && self.is_other_era(status, &body) {
            return Outcome::OtherEra(reply.failure(&body));
        }
        let lost =
            context.opening.is_none() && refuses_session(headers, status, &body, Some(message));
        if lost && !renewed {
            return Outcome::SessionLost;
        }
        let mut failure = reply.failure(&body);
        if lost {
            failure.kind = FailureKind::SessionLost;
            failure.message = format!(
                "the server refuses the session that it has just made: {}",
                failure.message
            );
        }
        if !body.is_empty() && self.receive(body, context).await.is_ok() && !ticket.is_open() {
            return Outcome::Done;
        }
        match (reply.status(), failure.retry_after) {
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
                Outcome::Later(wait, failure)
            }
            _ => Outcome::Failed(failure),
        }
    }

    /// A successful response whose body is JSON, or nothing.
    pub(super) async fn answered(
        &self,
        ticket: &Ticket,
        mut reply: Reply,
        context: &mut Context<'_>,
    ) -> Outcome {
        let body = tokio::select! {
            biased;
            body = reply.read() => body,
            () = lingered(ticket) => return Outcome::Done,
        };
        let body = match body {
            Ok(Body::Whole(body)) => body,
            Ok(Body::TooLarge(id)) => {
                self.too_large(id, context).await;
                return Outcome::Failed(self.size_failure());
            }
            Err(cause) => {
                let mut failure = reply.invalid("the answer was cut off", cause.message.as_bytes());
                failure.kind = FailureKind::InvalidResponse;
                return Outcome::Broken(failure);
            }
        };
        if body.trim_ascii().is_empty() {
            return Outcome::Failed(reply.invalid("the server answered with an empty body", b""));
        }
        let invalid = self.receive(body.clone(), context).await.err();
        if !ticket.is_open() {
            return Outcome::Done;
        }
        Outcome::Failed(match invalid {
            Some(error) => reply.invalid(
                &format!("the server's answer is {}", self.redactor.clean(&error.to_string(), 60)),
                &body,
            ),
            None => {
                reply.invalid("the server answered another request than the one it was sent", &body)
            }
        })
    }

    /// 202 to a request: its answer comes on another stream, if there is one.
    async fn await_elsewhere(&self, ticket: &Ticket, snapshot: &Snapshot) -> Outcome {
        tokio::select! {
            biased;
            () = ticket.closed() => Outcome::Done,
            () = self.listener.silent(snapshot.generation) => Outcome::Failed(
                Failure::new(
                    FailureKind::StreamLost,
                    "the server accepted the request (HTTP 202), but has no open stream on which the answer could come",
                )
                .with_status(202)
                .at(&self.endpoint.shown()),
            ),
        }
    }
}

/// A session that came with the response to `initialize`. It is ended if nobody has taken it when the
/// exchange is over, however that ends.
pub(super) struct Offered {
    bridge: Arc<Bridge>,
    headers: SessionHeaders,
}

impl Offered {
    /// The session in `headers`, if there is one, is to be the one with this number.
    pub(super) fn new(bridge: &Arc<Bridge>, generation: u64, headers: SessionHeaders) -> Offered {
        if let Some(session) = &headers.session {
            bridge.session.offered(generation, session.clone());
        }
        Offered { bridge: bridge.clone(), headers }
    }

    /// Leaves it to the caller what becomes of it.
    pub(super) fn keep(mut self) {
        self.headers.session = None;
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        let taken = self.bridge.session.snapshot().headers.session;
        if let Some(session) = &self.headers.session
            && taken.as_ref() != Some(session)
            && self.bridge.session.disowned(session)
        {
            let (bridge, headers) = (self.bridge.clone(), self.headers.clone());
            self.bridge.see_off(async move { bridge.end_session(&headers).await });
        }
    }
}

/// The moment that lies `duration` ahead.
fn within(duration: Duration) -> Instant {
    Instant::now() + duration
}

/// Returns some time after the request was answered or cancelled: until then its response may go on,
/// because a connection that is read to its end can be used again.
pub(super) async fn lingered(ticket: &Ticket) {
    ticket.closed().await;
    sleep(LINGER).await;
}

/// The moment that lies [`ERROR_BODY_TIMEOUT`] ahead.
pub(super) fn soon() -> Instant {
    within(ERROR_BODY_TIMEOUT)
}
