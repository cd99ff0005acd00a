//! Finding out of which era the server is (2026-07-28, basic/transports/streamable-http, "Backward
//! Compatibility"): it is asked `server/discover` in full modern form, before it sees anything else
//! from us, so that a modern server never meets a legacy request.
//!
//! A modern client's own `server/discover` is that question. The answer of a server that is of no
//! help (5xx, silence) is no answer: then the client's own message goes out, and nothing is
//! remembered.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::Bridge;
use super::access::Manner;
use super::ledger::Ticket;
use super::path::Path;
use super::translation::Translation;
use super::verdict::Protocol;
use crate::auth::Asking;
use crate::era::detect::{self, Finding};
use crate::era::headers::{self, ToolHeaders};
use crate::era::legacy_client::{self, LegacyClient};
use crate::era::modern_client::ModernClient;
use crate::era::revisions::{self, Revision};
use crate::era::{Era, PROTOCOL_VERSION};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{Id, Kind, Message, Source, member};
use crate::limits::PROBE_TIMEOUT;
use crate::random;
use crate::transport::reply::Body;
use crate::transport::sse::Item;
use crate::transport::{Content, Reply, SessionHeaders};

/// The id of our own question.
const ID: &str = r#""mcp-tether/discover""#;

/// What is known about the client that wants a way to the server.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// The message that needs it.
    pub message: &'a Message,
    /// That request, if it is one and may be answered here.
    pub ticket: Option<&'a Ticket>,
}

/// What came back.
struct Probed {
    status: u16,
    body: Bytes,
}

impl Bridge {
    /// The way to the server, found out if nobody knows it yet. A request that was the question
    /// itself may be answered when this returns.
    ///
    /// # Errors
    /// Why it cannot be found out.
    pub(super) async fn path(self: &Arc<Self>, asker: Asker<'_>) -> Result<Path, Failure> {
        loop {
            if let Some(path) = self.paths.known() {
                return Ok(path);
            }
            let _one = self.paths.finding.lock().await;
            if let Some(path) = self.paths.known() {
                return Ok(path);
            }
            let client = self.paths.client();
            // Boxed: it happens once, and would make the future of every request large.
            let (path, tentative) = self.find_out(client, asker).boxed().await?;
            if self.paths.found(client, path.clone(), tentative) {
                return Ok(path);
            }
            // The client fell back to `initialize` meanwhile.
            if asker.ticket.is_some_and(|ticket| !ticket.is_open()) {
                return Err(self.undecided());
            }
        }
    }

    /// The way for a client of this era, and whether that is a guess.
    async fn find_out(
        self: &Arc<Self>,
        client: Era,
        asker: Asker<'_>,
    ) -> Result<(Path, bool), Failure> {
        let known = self.verdict.known();
        self.presume_transport();
        let path = match (client, known) {
            (Era::Legacy, Some(Era::Legacy)) => Path::Legacy,
            (Era::Modern, Some(Era::Modern)) => Path::Modern,
            (Era::Modern, Some(Era::Legacy)) => self.in_front_of_legacy(),
            (_, None) | (Era::Legacy, Some(Era::Modern)) => return self.ask(client, asker).await,
        };
        Ok((path, false))
    }

    /// The transport of the last time is tried first.
    pub(super) fn presume_transport(&self) {
        if self.verdict.is_sse() {
            self.http_sse.presume();
        }
    }

    async fn ask(self: &Arc<Self>, client: Era, asker: Asker<'_>) -> Result<(Path, bool), Failure> {
        let started = Instant::now();
        let own = client == Era::Modern && asker.message.method() == Some("server/discover");
        let mut version = revisions::newest(Era::Modern);
        let mut again = false;
        loop {
            let question = match (client, own) {
                (Era::Modern, true) => asker.message.bytes().clone(),
                (Era::Modern, false) => question_of_modern_client(asker.message),
                (Era::Legacy, _) => {
                    let initialize = self.session.initialize();
                    legacy_client::discover_request(ID, initialize.as_ref(), version.name)
                }
            };
            let probed = self.probe(question, asker.message).await?;
            let finding = match &probed {
                Some(probed) => detect::classify(probed.status, &probed.body, version),
                None => Finding::Unknown,
            };
            return Ok(match finding {
                Finding::Modern { revision, result } => {
                    let result = String::from_utf8_lossy(&result).into_owned();
                    self.verdict.found(Era::Modern);
                    self.introduce(&result, revision, started);
                    let path = match client {
                        Era::Modern => {
                            if let (true, Some(probed)) = (own, probed) {
                                self.answer_own(asker.ticket, probed.body).await;
                            }
                            Path::Modern
                        }
                        Era::Legacy => self.in_front_of_modern(&result, asker.ticket).await,
                    };
                    (path, false)
                }
                // The client's own question is asked again only as it is.
                Finding::Refused { retry: Some(other), .. }
                    if !again && (!own || wants(asker.message, other)) =>
                {
                    (version, again) = (other, true);
                    continue;
                }
                Finding::Refused { .. } | Finding::Incompatible { .. } if own => {
                    // The client knows better than we do what to do about it.
                    if let Some(probed) = probed {
                        self.answer_own(asker.ticket, probed.body).await;
                    }
                    (Path::Modern, true)
                }
                Finding::Refused { error, .. } => {
                    let said = member::lookup_string(&error, &["message"]).unwrap_or_default();
                    return Err(self.incompatible(&format!("it refuses server/discover: {said}")));
                }
                Finding::Incompatible { supported } => {
                    return Err(self.incompatible(&format!("it speaks {}", supported.join(", "))));
                }
                Finding::Legacy if self.verdict.protocol() == Protocol::Only(Era::Modern) => {
                    return Err(self.incompatible("it does not answer server/discover"));
                }
                Finding::Legacy => {
                    self.verdict.found(Era::Legacy);
                    (self.towards_legacy(client), false)
                }
                Finding::Unknown => (self.towards_legacy(client), true),
            });
        }
    }

    /// Asks a server that has refused `request` as one that is not modern would. One in trouble is
    /// taken for what it was.
    pub(super) async fn is_modern_still(&self, request: &Message) -> bool {
        if request.method() == Some("server/discover") {
            return false;
        }
        match self.probe(question_of_modern_client(request), request).await {
            Ok(Some(Probed { status, body })) => {
                let finding = detect::classify(status, &body, revisions::newest(Era::Modern));
                finding != Finding::Legacy
            }
            Ok(None) | Err(_) => true,
        }
    }

    /// Whether a refusal of `initialize` shows that the server is modern, or puts in doubt that it
    /// is not, because that is only known from an earlier start.
    pub(super) fn is_other_era(&self, status: u16, body: &[u8]) -> bool {
        if self.verdict.protocol() != Protocol::Auto {
            return false;
        }
        let doubtful = self.verdict.is_remembered() && matches!(status, 400 | 404 | 405);
        let other = doubtful || detect::is_modern_refusal(status, body);
        if other && let Some(alarm) = &self.alarm {
            self.verdict.contradicted();
            alarm.raise();
        }
        other
    }

    /// The server is of the other era: what was known is forgotten, and the next message asks.
    pub(super) fn switch(&self) {
        log::debug!("the server is not of the era that it was taken for");
        self.verdict.contradicted();
        self.paths.forget();
    }

    /// The same for a translation that was wrong. A session has to be made by whoever needs one.
    pub(super) fn leave(&self, wrong: &Arc<Translation>) {
        if self.paths.forget_translation(wrong) {
            log::debug!("the server is not of the era that it was taken for");
            let translation = wrong.clone();
            self.see_off(async move { translation.close().await });
            if self.paths.client() == Era::Legacy && self.session.initialize().is_some() {
                self.session.failed(&self.undecided());
            }
        }
    }

    /// Looks at a translation that was a guess, when a request has gone through it.
    pub(super) fn judge(&self, translation: &Arc<Translation>) {
        if !self.paths.is_tentative() {
            return;
        }
        if translation.is_proven() {
            self.paths.settle();
        } else {
            translation.alarm().raise();
            self.leave(translation);
        }
    }

    /// What a request gets that finds the server changing.
    pub(super) fn undecided(&self) -> Failure {
        let text = "the server was replaced by one of another revision; try again";
        Failure::new(FailureKind::SessionLost, text).at(&self.endpoint.shown())
    }

    fn towards_legacy(self: &Arc<Self>, client: Era) -> Path {
        match client {
            Era::Legacy => Path::Legacy,
            Era::Modern => self.in_front_of_legacy(),
        }
    }

    fn in_front_of_legacy(self: &Arc<Self>) -> Path {
        log::debug!("a modern client and a legacy server: translating");
        let adapter = Box::new(ModernClient::new(random::number()));
        Path::Translated(Translation::new(self, Era::Legacy, adapter))
    }

    /// Answers the client's `initialize` too, unless it has an answer.
    async fn in_front_of_modern(self: &Arc<Self>, result: &str, ticket: Option<&Ticket>) -> Path {
        log::debug!("a legacy client and a modern server: translating");
        let initialize = self.session.initialize();
        let unanswered =
            ticket.is_some_and(|ticket| ticket.method() == "initialize" && ticket.is_open());
        let mut actions = Vec::new();
        let adapter = LegacyClient::open(initialize.as_ref(), result, !unanswered, &mut actions);
        let translation = Translation::new(self, Era::Modern, Box::new(adapter));
        translation.begin(actions).await;
        Path::Translated(translation)
    }

    /// Gives the client the server's answer to its own question.
    async fn answer_own(&self, ticket: Option<&Ticket>, answer: Bytes) {
        if ticket.is_some()
            && let Ok(answer) = Message::parse(answer, Source::Server)
        {
            self.ledger.answer(&answer).await;
        }
    }

    fn incompatible(&self, why: &str) -> Failure {
        let why = self.redactor.clean(why, crate::limits::MAX_EXCERPT);
        let text = format!("no revision of MCP is shared with the server: {why}");
        Failure::new(FailureKind::InvalidResponse, text).at(&self.endpoint.shown())
    }

    /// Asks once. `None` if the server has nothing to say about its era.
    async fn probe(&self, question: Bytes, asker: &Message) -> Result<Option<Probed>, Failure> {
        let Ok(question) = Message::parse(question, Source::Client) else {
            // Only a client whose metadata is no object could do that.
            return Ok(None);
        };
        let headers = SessionHeaders {
            mirrored: headers::of_request(&question, &ToolHeaders::default()),
            ..SessionHeaders::default()
        };
        let first = matches!(asker.method(), Some("initialize" | "server/discover"));
        let asking = if first { Asking::Anybody } else { self.manner(false).asking };
        let manner = Manner { limit: Some(PROBE_TIMEOUT), asking };
        let reply = match self.post(question.bytes().clone(), &headers, None, manner).await {
            Ok(reply) => reply,
            Err(failure) if says_nothing(&failure) => {
                log::debug!("server/discover: {failure}");
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let status = reply.status();
        let session = reply.session_id();
        let end = Instant::now() + PROBE_TIMEOUT;
        let id = question.id().cloned().unwrap_or(Id::NULL);
        let body = timeout_at(end, self.answer_to(&id, reply)).await;
        if session.is_some() && !matches!(&body, Ok(Ok(body)) if is_discovered(body)) {
            // A server that makes a session for whatever comes keeps it otherwise.
            let headers = SessionHeaders { session, ..SessionHeaders::default() };
            self.end_session(&headers).await;
        }
        match body {
            Ok(Ok(body)) => Ok(Some(Probed { status: status.as_u16(), body })),
            // What we cannot read may have been the answer of a modern server.
            Ok(Err(failure)) if failure.kind == FailureKind::TooLarge => Err(failure),
            Ok(Err(failure)) => {
                log::debug!("server/discover: {failure}");
                Ok(None)
            }
            Err(_) => {
                log::debug!("server/discover: no answer within {} s", PROBE_TIMEOUT.as_secs());
                Ok(None)
            }
        }
    }

    /// What a response says to the question `id`: the message that answers it, or its whole body.
    pub(super) async fn answer_to(&self, id: &Id, mut reply: Reply) -> Result<Bytes, Failure> {
        if reply.content() != Content::Events {
            if reply.status() != StatusCode::OK {
                return Ok(reply.read_beginning().await);
            }
            return Ok(match reply.read().await? {
                Body::Whole(body) => body.into_bytes(),
                Body::TooLarge(_) => return Err(self.size_failure()),
            });
        }
        let mut stream = reply.into_events(Bytes::new());
        let answers = |item: Item| match item {
            Item::Event(event) if event.is_message() => {
                let message = Message::of(event.data, Source::Server).ok()?;
                let Kind::Response { id: answered, .. } = message.kind() else { return None };
                (answered.key() == id.key() || answered.is_null()).then(|| message.bytes().clone())
            }
            _ => None,
        };
        loop {
            while let Some(item) = stream.buffered() {
                if matches!(item, Item::TooLarge { .. }) {
                    return Err(self.size_failure());
                }
                if let Some(answer) = answers(item) {
                    return Ok(answer);
                }
            }
            if !stream.wait().await? {
                return Ok(stream.finish().and_then(answers).unwrap_or_default());
            }
        }
    }

    /// One line in the log about a modern server.
    fn introduce(&self, result: &str, version: &Revision, started: Instant) {
        let info = ["_meta", crate::era::SERVER_INFO];
        let text = |name: &str| {
            let text = member::lookup_string(result.as_bytes(), &[info[0], info[1], name])
                .or_else(|| member::lookup_string(result.as_bytes(), &["serverInfo", name]));
            self.redactor.clean(&text.unwrap_or_else(|| "?".into()), 60)
        };
        log::info!(
            "connected to {} {} at {} (MCP {}, {} ms)",
            text("name"),
            text("version"),
            self.endpoint.shown(),
            version.name,
            started.elapsed().as_millis(),
        );
    }
}

/// Whether a failure to get an answer leaves the era open, so that the client's own message is worth
/// trying. The others would be the same for that.
fn says_nothing(failure: &Failure) -> bool {
    match failure.kind {
        // Not a connection that could not be made in time.
        FailureKind::Timeout => !failure.unsent,
        kind => kind == FailureKind::StreamLost,
    }
}

/// Whether a question of the client is in this revision.
fn wants(question: &Message, revision: &Revision) -> bool {
    let version = member::lookup_string(question.bytes(), &["params", "_meta", PROTOCOL_VERSION]);
    version.as_deref() == Some(revision.name)
}

fn is_discovered(body: &[u8]) -> bool {
    member::lookup(body, &["result", "supportedVersions"]).is_some()
}

/// `server/discover` with the metadata of another request of the client.
fn question_of_modern_client(message: &Message) -> Bytes {
    let meta = member::lookup(message.bytes(), &["params", "_meta"]).unwrap_or("{}");
    let version = format!("\"{}\"", revisions::newest(Era::Modern).name);
    let meta = Patch::new()
        .remove(&["progressToken"])
        .default_to(&[PROTOCOL_VERSION], version)
        .default_to(&[crate::era::CLIENT_CAPABILITIES], "{}")
        .apply(meta.as_bytes())
        .unwrap_or_else(|| Bytes::from_static(b"{}"));
    let meta = String::from_utf8_lossy(&meta);
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":{ID},"method":"server/discover","params":{{"_meta":{meta}}}}}"#
    ))
}
