//! The life of one request of the client: sent, followed, resumed or repeated, until it is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::Bridge;
use super::detection::Asker;
use super::http_sse::{cut_off, refuses_session};
use super::inbound::{Context, Opening};
use super::ledger::Ticket;
use super::order::Place;
use super::path::Path;
use super::session::Snapshot;
use super::stateless::Stateless;
use super::translation::Seen;
use crate::error::{Failure, FailureKind};
use crate::http::OnSent;
use crate::jsonrpc::Message;
use crate::limits::{ERROR_BODY_TIMEOUT, INITIALIZE_TIMEOUT, LINGER, RETRY_AFTER_MAX};
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

/// Each way of sending a request again happens once.
#[derive(Default)]
struct Again {
    renewed: bool,
    waited: bool,
    repeated: bool,
    switched: bool,
}

impl Bridge {
    /// Sees a request through. Whatever happens in here, a panic included, the caller fails the
    /// request afterwards if it is still open.
    pub(super) async fn exchange(self: &Arc<Self>, ticket: Ticket, message: Message, place: Place) {
        if self.answer_ping(&ticket, &message).await {
            return;
        }
        let opening = message.method() == Some("initialize");
        tokio::select! {
            // In order: mostly its turn is now, and then nothing else need be set up.
            biased;
            () = place.turn() => {}
            () = ticket.closed() => return,
            failure = self.unseen_sign_in(), if !opening => {
                self.ledger.fail(&ticket, &failure).await;
                return;
            }
        }
        let place = Arc::new(place);
        // Before it is sent: a session that is lost while it is on its way needs it as well.
        self.session.remember(&message);
        let work = async {
            if opening {
                self.initialize(&ticket, &message, &place).await
            } else {
                self.pursue(&ticket, &message, &place).await
            }
        };
        let failure = tokio::select! {
            biased;
            failure = work => failure,
            // Later messages wait for the answer, not for the end of the stream that brought it.
            _ = async { ticket.closed().await; place.left(); std::future::pending::<()>().await } => None,
        };
        if opening && self.paths.is_tentative() {
            self.paths.forget();
        }
        if let Some(failure) = failure
            && self.ledger.fail(&ticket, &failure).await
        {
            tracing::warn!("{}: {failure}", self.redactor.clean(ticket.method(), 60));
        }
    }

    /// `initialize` goes out without a session, and is not pursued for ever: the client gives up
    /// after a minute, and then nobody tells the person why.
    async fn initialize(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
    ) -> Option<Failure> {
        self.http_sse.close("the client began anew");
        if let Some(left) = self.session.begin(message) {
            self.listener.stop();
            let bridge = self.clone();
            self.see_off(async move { bridge.end_session(&left).await });
        }
        let deadline = Instant::now() + self.settings.initialize_deadline;
        let failure = tokio::select! {
            failure = self.pursue(ticket, message, place) => failure,
            () = self.signing_in_since(deadline), if ticket.is_open() => {
                self.answer_provisionally(ticket, message).await;
                None
            }
            () = self.unanswered() => {
                let text = format!(
                    "the server did not answer initialize within {} s; is this its MCP endpoint?",
                    INITIALIZE_TIMEOUT.as_secs()
                );
                ticket.is_open().then(|| {
                    Failure::new(FailureKind::Timeout, text).at(&self.endpoint.shown())
                })
            }
        };
        if failure.is_some() {
            self.http_sse.close("initialize failed");
        }
        failure
    }

    /// Sends a request, again where that is allowed, until it is answered or nothing is left.
    async fn pursue(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
    ) -> Option<Failure> {
        let initialize = message.method() == Some("initialize");
        let mut again = Again::default();
        loop {
            if !ticket.is_open() {
                return None;
            }
            match self.way(ticket, message).await {
                Err(failure) => return Some(failure),
                Ok(Path::Legacy) => {}
                Ok(Path::Modern) => match self.stateless(ticket, message, place).await {
                    Stateless::Done => return None,
                    Stateless::Failed(failure) => return Some(failure),
                    Stateless::OtherEra if again.switched => return None,
                    Stateless::OtherEra => {
                        again.switched = true;
                        self.switch();
                        continue;
                    }
                },
                Ok(Path::Translated(translation)) => {
                    match translation.request(ticket, message, place).await {
                        Seen::Through => {
                            self.judge(&translation);
                            return None;
                        }
                        Seen::Again if !again.switched => {
                            again.switched = true;
                            self.leave(&translation);
                            continue;
                        }
                        Seen::Again => return Some(self.undecided()),
                        Seen::Lost(failure) => {
                            self.leave(&translation);
                            return Some(failure.at(&self.endpoint.shown()));
                        }
                    }
                }
            }
            let snapshot = match self.session_for(initialize.then_some(ticket)).await {
                Ok(snapshot) => snapshot,
                Err(failure) => return Some(failure),
            };
            let outcome = self.attempt(ticket, message, &snapshot, place, again.renewed).await;
            match outcome {
                Outcome::Done => return None,
                Outcome::SessionLost => {
                    again.renewed = true;
                    place.again();
                    let recovered = tokio::select! {
                        recovered = self.recover(&snapshot) => recovered,
                        failure = self.unseen_sign_in() => Err(failure),
                    };
                    if let Err(failure) = recovered {
                        return Some(failure);
                    }
                }
                Outcome::Later(wait, failure) if !again.waited && wait <= RETRY_AFTER_MAX => {
                    again.waited = true;
                    tracing::debug!("{failure}; waiting {wait:?}");
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = ticket.closed() => return None,
                    }
                }
                Outcome::Broken(failure)
                    if !again.repeated && (failure.unsent || is_read_only(ticket.method())) =>
                {
                    again.repeated = true;
                    place.again();
                    tracing::debug!("{failure}; sent again");
                }
                Outcome::OtherEra(_) if !again.switched && self.alarm.is_none() => {
                    again.switched = true;
                    place.again();
                    self.switch();
                }
                Outcome::Failed(failure) if initialize && self.may_speak_http_sse(&failure) => {
                    place.again();
                    let asking = self.manner(true).asking;
                    if let Err(failure) = self.fall_back(failure, Some(ticket), asking).await {
                        return Some(failure);
                    }
                }
                Outcome::Later(_, failure)
                | Outcome::Broken(failure)
                | Outcome::OtherEra(failure)
                | Outcome::Failed(failure) => {
                    return Some(failure);
                }
            }
        }
    }

    /// The way to the server; where finding it out takes a sign-in that nobody can see, not for ever.
    async fn way(self: &Arc<Self>, ticket: &Ticket, message: &Message) -> Result<Path, Failure> {
        if let Some(path) = self.paths.known() {
            return Ok(path);
        }
        let opening = message.method() == Some("initialize");
        let asker = Asker { message, ticket: Some(ticket) };
        tokio::select! {
            biased;
            path = self.path(asker) => path,
            failure = self.unseen_sign_in(), if !opening => Err(failure),
        }
    }

    /// The session to send a request in, made anew if it is lost; but not for ever, where that
    /// takes a sign-in which nobody can see. `initialize` begins one.
    async fn session_for(
        self: &Arc<Self>,
        initialize: Option<&Ticket>,
    ) -> Result<Snapshot, Failure> {
        if let Some(ticket) = initialize {
            let mut snapshot = self.session.current().await;
            let asking = self.manner(true).asking;
            snapshot.headers = self.opening_headers(Some(ticket), asking).await?;
            return Ok(snapshot);
        }
        let ready = async {
            loop {
                let snapshot = self.session.current().await;
                if !snapshot.lost {
                    return Ok(snapshot);
                }
                self.recover(&snapshot).await?;
            }
        };
        tokio::select! {
            biased;
            snapshot = ready => snapshot,
            failure = self.unseen_sign_in() => Err(failure),
        }
    }

    /// Sends a request once and follows its response to the end.
    async fn attempt(
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
        let on_sent = {
            let (place, ticket) = (place.clone(), ticket.clone());
            OnSent::new(move || {
                ticket.set_sent(true);
                place.handed_over();
            })
        };
        let reply = tokio::select! {
            reply = self.post_request(ticket, message, &headers, on_sent) => reply,
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
        if let (true, Some(session)) = (initialize, &headers.session) {
            self.session.offered(context.generation, session.clone());
        }
        let offered =
            initialize.then(|| Offered { bridge: self.clone(), headers: headers.clone() });
        let outcome = if !reply.status().is_success() {
            self.refused(ticket, message, &headers, reply, renewed, &mut context).await
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
            return self.await_answer(channel, ticket, reply, context).await;
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
                    _ => Bytes::new(),
                }
            }
            Content::Events | Content::Other => reply.read_beginning().await,
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
struct Offered {
    bridge: Arc<Bridge>,
    headers: SessionHeaders,
}

impl Drop for Offered {
    fn drop(&mut self) {
        let taken = self.bridge.session.snapshot().headers.session;
        if self.headers.session.is_some() && taken != self.headers.session {
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

/// Requests that change nothing by specification, and may therefore be sent again when it is not
/// known whether the server has seen them (2025-11-25, server/* and basic/utilities/ping).
pub fn is_read_only(method: &str) -> bool {
    matches!(
        method,
        "ping"
            | "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
            | "completion/complete"
    )
}
