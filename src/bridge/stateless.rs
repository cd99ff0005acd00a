//! The life of one request to a modern server (2026-07-28, basic/transports/streamable-http): sent
//! once, with the headers that mirror it; its answer is one JSON object or the end of one event
//! stream. There is no session to lose and no stream to resume. A request is taken back by closing
//! its stream.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Bridge;
use super::access::Manner;
use super::attempt::{Outcome, soon};
use super::exchange::is_read_only;
use super::follow::lost;
use super::inbound::{Context, Listing};
use super::ledger::Ticket;
use super::order::Place;
use super::subscription::LISTEN;
use super::verdict::Protocol;
use crate::era::detect;
use crate::era::headers::{self, ToolHeaders, VERSION_HEADER};
use crate::era::{HEADER_MISMATCH, PROTOCOL_VERSION};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{INVALID_PARAMS, Id, Message, Source, member};
use crate::limits::{
    ERROR_BODY_TIMEOUT, MAX_LIST_PAGES, MAX_LOGGED_TEXT, RELIST_TIMEOUT, RETRY_AFTER_MAX,
};
use crate::transport::reply::Body;
use crate::transport::{Content, Reply, SessionHeaders};

/// How a request ended in here.
pub(super) enum Stateless {
    /// It is answered or taken back.
    Done,
    /// It cannot be answered by the server.
    Failed(Failure),
    /// The server is no modern one any more, and has not looked at the request. What it said.
    OtherEra(Failure),
}

/// Each way of sending a request again happens once.
#[derive(Default)]
struct Again {
    waited: bool,
    repeated: bool,
    relisted: bool,
}

/// What became of one attempt.
enum Attempt {
    Ended(Outcome),
    /// The headers and the body disagree for the server; it has not looked at the request. What it
    /// said, and what that means where it does not answer the request.
    Mismatch(Bytes, Failure),
}

impl Bridge {
    /// Sees a request through, with a modern server.
    pub(super) async fn stateless(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
    ) -> Stateless {
        let mut mirrored = headers::of_request(message, &self.tools());
        if !mirrored.contains_key(VERSION_HEADER) {
            self.refuse_unversioned(ticket).await;
            return Stateless::Done;
        }
        if ticket.method() == LISTEN {
            return self.subscribe(ticket, message, mirrored, place).await;
        }
        let mut again = Again::default();
        loop {
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt_once(ticket, message, &mirrored, place) => attempt,
                // Dropping the response closes its stream.
                () = ticket.cancelled() => return Stateless::Done,
            };
            let outcome = match attempt {
                Attempt::Ended(outcome) => outcome,
                Attempt::Mismatch(refusal, failure) => {
                    let calls = ticket.method() == "tools/call" && !again.relisted;
                    again.relisted = true;
                    if calls {
                        self.relist(ticket, message).await;
                        let corrected = headers::of_request(message, &self.tools());
                        if ticket.is_open() && corrected != mirrored {
                            mirrored = corrected;
                            place.again();
                            continue;
                        }
                    }
                    let _ = self.receive(refusal.into(), &mut Context::default()).await;
                    Outcome::Failed(failure)
                }
            };
            if !ticket.is_open() {
                return Stateless::Done;
            }
            match outcome {
                Outcome::Done => return Stateless::Done,
                Outcome::Later(wait, failure) if !again.waited && wait <= RETRY_AFTER_MAX => {
                    again.waited = true;
                    log::debug!("{failure}; waiting {wait:?}");
                    self.wait_for(ticket, wait).await;
                }
                Outcome::Broken(failure)
                    if !again.repeated && (failure.unsent || is_read_only(ticket.method())) =>
                {
                    again.repeated = true;
                    place.again();
                    log::debug!("{failure}; sent again");
                }
                Outcome::OtherEra(failure) => return Stateless::OtherEra(failure),
                Outcome::Later(_, failure)
                | Outcome::Broken(failure)
                | Outcome::Failed(failure) => return Stateless::Failed(failure),
                // There are no sessions.
                Outcome::SessionLost => return Stateless::Failed(self.undecided()),
            }
            if !ticket.is_open() {
                return Stateless::Done;
            }
        }
    }

    async fn wait_for(&self, ticket: &Ticket, wait: Duration) {
        tokio::select! {
            biased;
            () = sleep(wait) => {}
            () = ticket.closed() => {}
        }
    }

    async fn attempt_once(
        &self,
        ticket: &Ticket,
        message: &Message,
        mirrored: &HeaderMap,
        place: &Arc<Place>,
    ) -> Attempt {
        let manner = self.manner(false);
        let reply = match self.post_mirrored(ticket, message, mirrored, place, manner).await {
            Ok(reply) => reply,
            Err(failure) if failure.kind == FailureKind::StreamLost => {
                return Attempt::Ended(Outcome::Broken(failure));
            }
            Err(failure) => return Attempt::Ended(Outcome::Failed(failure)),
        };
        let listed = (ticket.method() == "tools/list").then(|| Listing {
            ticket,
            first: member::lookup(message.bytes(), &["params", "cursor"]).is_none(),
        });
        let mut context = Context { during: Some(ticket), listed, ..Context::default() };
        if !reply.status().is_success() {
            return self.refused_once(ticket, message, reply, &mut context).await;
        }
        Attempt::Ended(match reply.content() {
            Content::Events => {
                let mut stream = reply.into_events(Bytes::new());
                let ended = self.relay(ticket, &mut stream, &mut context).await;
                if ticket.is_open()
                    && let Some(item) = stream.finish()
                {
                    self.receive_last(item, false, &mut context).await;
                }
                if ticket.is_open() {
                    Outcome::Broken(lost(&stream, ended, &context))
                } else {
                    Outcome::Done
                }
            }
            Content::Json | Content::Unnamed => self.answered(ticket, reply, &mut context).await,
            Content::Other => Outcome::Failed(self.no_answer(reply).await),
        })
    }

    /// Sends a request with the headers that mirror it.
    pub(super) async fn post_mirrored(
        &self,
        ticket: &Ticket,
        message: &Message,
        mirrored: &HeaderMap,
        place: &Arc<Place>,
        manner: Manner,
    ) -> Result<Reply, Failure> {
        let headers = SessionHeaders { mirrored: mirrored.clone(), ..SessionHeaders::default() };
        let reply = self.post_request(ticket, message, &headers, place, manner).await;
        place.acknowledged();
        reply
    }

    pub(super) async fn no_answer(&self, mut reply: Reply) -> Failure {
        let body = reply.read_beginning().await;
        reply.invalid(
            "the server answered with something that is neither JSON nor an event stream",
            &body,
        )
    }

    /// A status that is an error. A JSON-RPC error for our request is its answer all the same.
    async fn refused_once(
        &self,
        ticket: &Ticket,
        message: &Message,
        mut reply: Reply,
        context: &mut Context<'_>,
    ) -> Attempt {
        if reply.content() == Content::Events {
            let failure = reply.failure(b"");
            self.relay_body(reply, soon(), context).await;
            let open = ticket.is_open();
            return Attempt::Ended(if open { Outcome::Failed(failure) } else { Outcome::Done });
        }
        let body = self.refusal(&mut reply).await;
        let failure = reply.failure(&body);
        if member::lookup(&body, &["error", "code"]) == Some(&HEADER_MISMATCH.to_string()) {
            return Attempt::Mismatch(body, failure);
        }
        if self.is_legacy_now(reply.status(), &body, message).await {
            return Attempt::Ended(Outcome::OtherEra(failure));
        }
        if !body.is_empty() && self.receive(body.into(), context).await.is_ok() && !ticket.is_open()
        {
            return Attempt::Ended(Outcome::Done);
        }
        Attempt::Ended(match (reply.status(), failure.retry_after) {
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
                Outcome::Later(wait, failure)
            }
            _ => Outcome::Failed(failure),
        })
    }

    /// The body of a refusal.
    pub(super) async fn refusal(&self, reply: &mut Reply) -> Bytes {
        if reply.content() == Content::Other {
            return reply.read_beginning().await;
        }
        match timeout(ERROR_BODY_TIMEOUT, reply.read()).await {
            Ok(Ok(Body::Whole(body))) => body.into_bytes(),
            _ => Bytes::new(),
        }
    }

    /// Whether a refusal shows that the server is modern no more. A proxy before it may have said
    /// the same of this one request, so that the server is asked. Whoever gets to know tells.
    pub(super) async fn is_legacy_now(
        &self,
        status: StatusCode,
        body: &[u8],
        message: &Message,
    ) -> bool {
        let other = self.verdict.protocol() == Protocol::Auto
            && detect::is_legacy_refusal(status.as_u16(), body)
            && !self.is_modern_still(message).await;
        if other && let Some(alarm) = &self.alarm {
            self.verdict.contradicted();
            alarm.raise();
        }
        other
    }

    /// Looks at the answer to a `tools/list`, and takes out the tools that nobody could call.
    pub(super) fn listed(&self, listing: &Listing<'_>, message: Message) -> Message {
        if !message.id().is_some_and(|id| listing.ticket.is_for(id)) {
            return message;
        }
        let learned = self.tools().learn(&message, listing.first);
        for rejected in &learned.rejected {
            let text = format!("the tool {} is left out: {}", rejected.tool, rejected.fault);
            log::warn!("{}", self.redactor.clean(&text, MAX_LOGGED_TEXT));
        }
        if learned.unremembered > 0 {
            log::warn!("{} tools with headers are too many", learned.unremembered);
        }
        let filtered = learned.filtered.and_then(|text| Message::parse(text, Source::Server).ok());
        filtered.unwrap_or(message)
    }

    pub(super) fn tools(&self) -> MutexGuard<'_, ToolHeaders> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request that does not say which revision it is written in, as a modern server must
    /// (2026-07-28, basic, "Per-request protocol fields"). Sent as it is, it would look like a legacy
    /// one, and the server's answer would say nothing about its era.
    async fn refuse_unversioned(&self, ticket: &Ticket) {
        let text = format!("params._meta must have \"{PROTOCOL_VERSION}\"");
        let refusal = member::error_response(ticket.id(), INVALID_PARAMS, &text, None);
        if let Ok(refusal) = Message::parse(refusal, Source::Server) {
            self.ledger.answer(&refusal).await;
        }
    }

    /// Reads the server's tools anew, for the headers of `call`.
    async fn relist(&self, ticket: &Ticket, call: &Message) {
        log::debug!("the server disagrees with the headers of a call; its tools are listed");
        let end = Instant::now() + RELIST_TIMEOUT;
        let listing = self.list_all(call);
        tokio::select! {
            biased;
            listed = timeout_at(end, listing) => {
                if !matches!(listed, Ok(Ok(()))) {
                    log::debug!("the tools could not be listed");
                }
            }
            () = ticket.closed() => {}
        }
    }

    async fn list_all(&self, call: &Message) -> Result<(), Failure> {
        let meta = member::lookup(call.bytes(), &["params", "_meta"]).unwrap_or("{}");
        let meta =
            Patch::new().remove(&["progressToken"]).apply(meta.as_bytes()).unwrap_or_default();
        let meta = String::from_utf8_lossy(&meta);
        let id = Id::from_raw(Bytes::from_static(br#""mcp-tether/tools""#)).unwrap_or(Id::NULL);
        let mut cursor: Option<String> = None;
        for page in 0..MAX_LIST_PAGES {
            let at = cursor.map(|cursor| format!(r#""cursor":{cursor},"#)).unwrap_or_default();
            let request = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{at}"_meta":{meta}}}}}"#
            );
            let Ok(request) = Message::parse(request.into(), Source::Client) else { break };
            let headers = SessionHeaders {
                mirrored: headers::of_request(&request, &ToolHeaders::default()),
                ..SessionHeaders::default()
            };
            let manner = self.manner(false);
            let reply = self.post(request.bytes().clone(), &headers, None, manner).await?;
            let body = self.answer_to(&id, reply).await?;
            if let Ok(answer) = Message::parse(body.clone(), Source::Server) {
                self.tools().learn(&answer, page == 0);
            }
            cursor = member::lookup(&body, &["result", "nextCursor"])
                .filter(|cursor| cursor.starts_with('"'))
                .map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}
