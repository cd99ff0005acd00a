//! Sessions over the deprecated HTTP+SSE transport (2024-11-05, basic/transports, "HTTP with SSE").
//!
//! A session is one open stream and its address: the stream is opened before `initialize`, all
//! answers come on it, and when it ends the session is over. It cannot be resumed; a new one is made
//! in the way of [`recovery`](super::recovery), by whoever sends next, or after a pause on our own,
//! because the client waits for notifications.

mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use tokio::time::{Instant as Deadline, sleep, sleep_until};

use super::Bridge;
use super::access::Manner;
use super::attempt::{Outcome, lingered};
use super::inbound::Context;
use super::ledger::Ticket;
use super::recovery::STEP;
use super::session::{means_lost, names_request};
use crate::auth::Asking;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::Message;
use crate::limits::{ENDPOINT_EVENT_TIMEOUT, RECOVERY_STEP_TIMEOUT, RETRY_AFTER_MAX};
use crate::tasks;
use crate::transport::backoff::Backoff;
use crate::transport::{Channel, EventStream, Reply, SessionHeaders};

use line::Line;
pub use line::Replays;

/// Which transport a legacy server is spoken to with (`--transport`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// Streamable HTTP, and HTTP+SSE where that is refused
    /// (2025-11-25, basic/transports, "Backwards Compatibility").
    #[default]
    Auto,
    /// Streamable HTTP only.
    Http,
    /// HTTP+SSE only.
    Sse,
    /// HTTP+SSE, and Streamable HTTP where that is refused.
    SseFirst,
}

/// What is known about the server's transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    Http,
    /// From an earlier time, and may have changed.
    PresumablySse,
    Sse,
}

/// The HTTP+SSE side of a bridge. Idle with servers that speak Streamable HTTP.
#[derive(Debug, Default)]
pub struct HttpSse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: Known,
    /// The newest stream.
    line: Option<Arc<Line>>,
    /// A stream that was opened ahead for the next session.
    ahead: Option<(Arc<Channel>, EventStream)>,
    backoff: Backoff,
    /// Sessions that were made anew.
    renewals: u32,
    /// The bridge ends: no stream is opened any more.
    ended: bool,
}

impl HttpSse {
    /// A server about which nothing is known but what a person says.
    pub fn new(choice: TransportChoice) -> HttpSse {
        let known = match choice {
            TransportChoice::Auto => Known::Nothing,
            TransportChoice::Http => Known::Http,
            TransportChoice::Sse => Known::Sse,
            TransportChoice::SseFirst => Known::PresumablySse,
        };
        HttpSse(Mutex::new(State { known, ..State::default() }))
    }

    /// Whether this transport is in use.
    pub fn is_in_use(&self) -> bool {
        matches!(self.state().known, Known::Sse | Known::PresumablySse)
    }

    /// The server spoke HTTP+SSE the last time: it is tried first.
    pub fn presume(&self) {
        let mut state = self.state();
        if state.known == Known::Nothing {
            state.known = Known::PresumablySse;
        }
    }

    /// A session was established: no other transport will be tried.
    pub fn established(&self) {
        let mut state = self.state();
        state.known = match state.known {
            Known::Nothing | Known::Http => Known::Http,
            Known::PresumablySse | Known::Sse => Known::Sse,
        };
    }

    /// Speaking HTTP+SSE, which was presumed, failed in a way that a server of it does not have: it
    /// may speak the other transport now. `false` if that is not to be tried.
    fn contradicted(&self, failure: &Failure) -> bool {
        use FailureKind::{HttpStatus, InvalidResponse, Redirect, Timeout};
        let mut state = self.state();
        let contradicts = matches!(failure.kind, HttpStatus | InvalidResponse | Redirect | Timeout)
            && failure.status.is_none_or(|status| status < 500);
        if state.known != Known::PresumablySse || !contradicts {
            return false;
        }
        log::debug!("the server does not speak HTTP+SSE any longer: {failure}");
        state.known = Known::Nothing;
        true
    }

    /// Closes the stream, if there is one; whoever waits on it learns `why`. No new one is opened
    /// because of that. Gives the session that it was.
    pub fn close(&self, why: &str) -> Option<u64> {
        let line = self.state().line.take()?;
        let closed = line.channel.close(Failure::new(FailureKind::StreamLost, why));
        closed.then_some(line.generation)
    }

    /// Closes the stream for good.
    pub fn end(&self) {
        {
            let mut state = self.state();
            state.ended = true;
            state.ahead = None;
        }
        self.close("the bridge ends");
    }

    /// A session was made anew in `took` milliseconds. A server that ends its streams all the time
    /// must not fill the log.
    pub fn renewed(&self, took: u128) {
        let mut state = self.state();
        state.renewals += 1;
        let text = format!("the event stream had ended; a new session was made in {took} ms");
        match state.renewals {
            1 => log::warn!("{text}"),
            _ => log::debug!("{text}"),
        }
    }

    fn line(&self) -> Option<Arc<Line>> {
        self.state().line.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bridge {
    /// Whether the server is spoken to by HTTP+SSE. Settled once a session is established.
    pub fn is_http_sse(&self) -> bool {
        self.http_sse.is_in_use()
    }

    /// What `initialize` is sent with: over Streamable HTTP nothing, over HTTP+SSE an open stream,
    /// which this opens. `ticket` is the client's request, or nothing where it is repeated.
    ///
    /// # Errors
    /// If there is no stream.
    pub(super) async fn opening_headers(
        self: &Arc<Self>,
        ticket: Option<&Ticket>,
        asking: Asking,
    ) -> Result<SessionHeaders, Failure> {
        if !self.is_http_sse() {
            return Ok(SessionHeaders::default());
        }
        if let (Some(line), Some(ticket)) = (self.http_sse.line(), ticket)
            && line.channel.is_open()
            && line.opening.as_ref().is_some_and(|(other, _)| other.is(ticket))
        {
            return Ok(over(&line.channel));
        }
        let manner = Manner { limit: Some(RECOVERY_STEP_TIMEOUT), asking };
        let mut opened = self.open_http_sse(ticket, manner).await;
        if let Err(failure) = &opened
            && let Some(wait) = failure.retry_after.filter(|wait| *wait <= RETRY_AFTER_MAX)
        {
            log::debug!("{failure}; waiting {wait:?}");
            sleep(wait).await;
            opened = self.open_http_sse(ticket, manner).await;
        }
        match opened {
            Ok(channel) => Ok(over(&channel)),
            Err(failure) if self.http_sse.contradicted(&failure) => Ok(SessionHeaders::default()),
            Err(failure) => Err(failure),
        }
    }

    /// Opens the stream of a new session in the place of any other, and relays what comes on it from
    /// now on. `ticket` is the client's `initialize` that will be sent over it.
    ///
    /// # Errors
    /// If the server does not open one.
    pub(super) async fn open_http_sse(
        self: &Arc<Self>,
        ticket: Option<&Ticket>,
        manner: Manner,
    ) -> Result<Arc<Channel>, Failure> {
        let ahead = self.http_sse.state().ahead.take();
        let connected = match ahead {
            Some(ahead) => ahead,
            None => self.connect(manner).await?,
        };
        self.take_over(ticket, connected)
    }

    /// Makes a stream the one of the next session.
    fn take_over(
        self: &Arc<Self>,
        ticket: Option<&Ticket>,
        (channel, stream): (Arc<Channel>, EventStream),
    ) -> Result<Arc<Channel>, Failure> {
        self.http_sse.close("a new session takes the place of the one of the request");
        let line = Arc::new(Line {
            channel: channel.clone(),
            generation: self.session.snapshot().generation + 1,
            opening: ticket.map(|ticket| (ticket.clone(), Deadline::now())),
            replays: Replays::default(),
        });
        {
            let mut state = self.http_sse.state();
            if state.ended {
                return Err(Failure::new(FailureKind::ShuttingDown, "the bridge ends"));
            }
            state.line = Some(line.clone());
        }
        self.session.over(channel.clone());
        let bridge = self.clone();
        tasks::spawn(async move { bridge.relay_line(line, stream).await });
        Ok(channel)
    }

    /// The server refuses the session although its stream is open: closes that, and sees to it that
    /// there is a new one even if the first attempt fails.
    pub(super) fn give_up_stream(self: &Arc<Self>) {
        let why = "the server no longer knew the session of the event stream; the request may or may not have been carried out";
        if let Some(generation) = self.http_sse.close(why) {
            let bridge = self.clone();
            tasks::spawn(async move { bridge.reconnect(generation, None).await });
        }
    }

    /// GET, and the `endpoint` event.
    async fn connect(&self, manner: Manner) -> Result<(Arc<Channel>, EventStream), Failure> {
        let reply = self.get(&SessionHeaders::default(), b"", manner).await?;
        self.endpoint.channel(reply, ENDPOINT_EVENT_TIMEOUT).await
    }

    /// `initialize` was not answered over Streamable HTTP, but refused with `failure`: tries HTTP+SSE.
    ///
    /// # Errors
    /// `failure`, if the server does not speak HTTP+SSE either, or why a person could not sign in.
    pub(super) async fn fall_back(
        self: &Arc<Self>,
        failure: Failure,
        ticket: Option<&Ticket>,
        asking: Asking,
    ) -> Result<SessionHeaders, Failure> {
        if !self.may_speak_http_sse(&failure) {
            return Err(failure);
        }
        let manner = Manner { limit: Some(ENDPOINT_EVENT_TIMEOUT), asking };
        let connected = match self.get(&SessionHeaders::default(), b"", manner).await {
            Ok(reply) => self.endpoint.channel(reply, ENDPOINT_EVENT_TIMEOUT).await,
            // There is something, and signing in to it is the next step.
            Err(second) if second.kind == FailureKind::Unauthorized => return Err(second),
            Err(second) => Err(second),
        };
        match connected {
            Ok(connected) => {
                log::info!("the server speaks HTTP+SSE (2024-11-05), not Streamable HTTP");
                self.http_sse.state().known = Known::Sse;
                self.take_over(ticket, connected).map(|channel| over(&channel))
            }
            Err(second) => {
                log::debug!("it does not speak HTTP+SSE either: {second}");
                Err(failure)
            }
        }
    }

    /// The statuses that an HTTP+SSE server has for a POST to the address of its stream
    /// (2025-11-25, basic/transports, "Backwards Compatibility").
    pub(super) fn may_speak_http_sse(&self, failure: &Failure) -> bool {
        matches!(failure.status, Some(400 | 404 | 405))
            && self.http_sse.state().known == Known::Nothing
    }

    /// A POST was accepted: the answer comes on the stream, or is in the response itself.
    pub(super) async fn await_answer(
        &self,
        channel: &Channel,
        ticket: &Ticket,
        reply: Reply,
        context: &mut Context<'_>,
    ) -> Outcome {
        // What else is in such a response, `Accepted` for example, is politeness.
        let end = Deadline::now() + self.settings.resume_timeout;
        let ended = tokio::select! {
            biased;
            () = lingered(ticket) => return Outcome::Done,
            failure = channel.closed() => Some(failure),
            () = self.relay_body(reply, end, context) => None,
        };
        let failure = match ended {
            Some(failure) => failure,
            None => tokio::select! {
                biased;
                () = ticket.closed() => return Outcome::Done,
                failure = channel.closed() => failure,
            },
        };
        if ticket.is_open() { Outcome::Broken(failure) } else { Outcome::Done }
    }

    /// Sends a request of the client a second time, over a stream, and returns its answer.
    pub(super) async fn repeat_over(
        &self,
        channel: &Arc<Channel>,
        request: &Message,
        headers: &SessionHeaders,
        manner: Manner,
    ) -> Result<Message, Failure> {
        let line = self.http_sse.line().filter(|line| line.channel == *channel);
        let Some((line, mut answer)) =
            line.and_then(|line| line.replays.expect(request).map(|answer| (line, answer)))
        else {
            return Err(channel.closed().await);
        };
        let exchange = async {
            let reply = match self.post(request.bytes().clone(), headers, None, manner).await {
                Ok(reply) => reply,
                Err(failure) => return failure,
            };
            if !reply.status().is_success() {
                return reply.into_failure().await;
            }
            let end = Deadline::now() + RECOVERY_STEP_TIMEOUT;
            self.relay_body(reply, end, &mut line.context()).await;
            sleep_until(end).await;
            let text = format!("no answer within {} s", RECOVERY_STEP_TIMEOUT.as_secs());
            Failure::new(FailureKind::Timeout, text).at(&self.endpoint.shown())
        };
        let outcome = tokio::select! {
            biased;
            Ok(answer) = &mut answer => Ok(answer),
            failure = channel.closed() => Err(failure),
            failure = exchange => Err(failure),
        };
        line.replays.forget(request);
        outcome
    }

    /// Sends the client's `initialize` for a new session, by the transport of the server.
    ///
    /// # Errors
    /// If it is not answered.
    pub(super) async fn repeat_initialize(
        self: &Arc<Self>,
        initialize: &Message,
        asking: Asking,
    ) -> Result<(Message, Option<HeaderValue>), Failure> {
        let headers = self.opening_headers(None, asking).await?;
        match self.repeat(initialize, &headers, STEP).await {
            Err(failure) if headers.channel.is_none() => {
                let headers = self.fall_back(failure, None, asking).await?;
                self.repeat(initialize, &headers, STEP).await
            }
            outcome => outcome,
        }
    }
}

fn over(channel: &Arc<Channel>) -> SessionHeaders {
    SessionHeaders { channel: Some(channel.clone()), ..SessionHeaders::default() }
}

/// Returns when the stream is over on which the answer was to come; never without one.
pub(super) async fn cut_off(headers: &SessionHeaders, ticket: &Ticket) -> Failure {
    let Some(channel) = &headers.channel else { return std::future::pending().await };
    let mut failure = channel.closed().await;
    failure.unsent = !ticket.is_sent();
    failure
}

/// Whether a refusal of a message that was sent with `headers` means that the server no longer knows
/// the session that they name.
pub fn refuses_session(
    headers: &SessionHeaders,
    status: u16,
    body: &[u8],
    request: Option<&Message>,
) -> bool {
    if headers.channel.is_none() {
        return headers.session.is_some() && means_lost(status, body, request);
    }
    // This transport has no rule. Servers say 404, 410, or 400 with a text about the session.
    let said = String::from_utf8_lossy(&body[..body.len().min(1024)]).to_ascii_lowercase();
    match status {
        404 | 410 => !names_request(body, request),
        400 => said.contains("session") && !names_request(body, request),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::jsonrpc::Source;

    #[test]
    fn refused_sessions_are_told_from_answers() {
        let text = Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#);
        let call = Message::parse(text, Source::Client).unwrap();
        let address = url::Url::parse("https://h.example/messages").unwrap();
        let sse = over(&Arc::new(Channel::new(address)));
        let none = SessionHeaders::default();
        for (status, body, refused) in [
            (404, "Could not find session", true),
            (404, "", true),
            (410, "Gone", true),
            (400, "No transport found for sessionId", true),
            (400, r#"{"error":{"message":"Invalid session ID"},"id":null}"#, true),
            (400, "Could not parse message", false),
            (400, r#"{"id":7.0,"error":{"code":-32602,"message":"no such session"}}"#, false),
            (404, r#"{"id":7,"error":{"code":-32601,"message":"Unknown method"}}"#, false),
            (401, "session", false),
            (500, "session", false),
        ] {
            let body = body.as_bytes();
            assert_eq!(refuses_session(&sse, status, body, Some(&call)), refused, "{status}");
            assert!(!refuses_session(&none, status, body, Some(&call)));
        }
    }

    #[test]
    fn what_is_known_about_a_server() {
        let auto = HttpSse::new(TransportChoice::Auto);
        auto.presume();
        assert!(auto.is_in_use());
        auto.established();
        assert_eq!(auto.state().known, Known::Sse);
        let auto = HttpSse::new(TransportChoice::Auto);
        auto.established();
        auto.presume();
        assert_eq!(auto.state().known, Known::Http);
        let http = HttpSse::new(TransportChoice::Http);
        http.presume();
        assert!(!http.is_in_use());
        assert!(HttpSse::new(TransportChoice::Sse).is_in_use());
        // What was presumed can be wrong; what was said or seen is not given up.
        let refused = Failure::new(FailureKind::HttpStatus, "HTTP 405");
        for (failure, given_up) in [
            (refused.clone(), true),
            (Failure::new(FailureKind::Timeout, "no endpoint event"), true),
            (Failure::new(FailureKind::Connect, "down"), false),
            (Failure::new(FailureKind::Unauthorized, "sign in"), false),
            (Failure::new(FailureKind::RateLimited, "HTTP 503"), false),
            (refused.clone().with_status(502), false),
        ] {
            let auto = HttpSse::new(TransportChoice::Auto);
            auto.presume();
            assert_eq!(auto.contradicted(&failure), given_up, "{failure}");
            assert_eq!(auto.is_in_use(), !given_up);
        }
        assert!(!HttpSse::new(TransportChoice::Sse).contradicted(&refused));
    }
}
