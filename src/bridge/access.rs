//! The right to send: every request to the server goes out with it, and a refusal is answered here
//! before anything else hears of it.
//!
//! While a person signs in, `initialize` is answered after a while from the last result of this
//! server, or from a minimal one, because clients give up after half a minute. The session is then
//! one that has to be made, as if the server had lost it; everything else waits for that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Bridge;
use super::ledger::Ticket;
use super::order::Place;
use crate::auth::{Asking, AuthError, Authorizer, Credential, Login, Progress};
use crate::cache::Cache;
use crate::era::revisions;
use crate::error::{Failure, FailureKind};
use crate::http::{OnSent, Sign};
use crate::json;
use crate::jsonrpc::{Message, Source, member};
use crate::limits::INITIALIZE_TIMEOUT;
use crate::secret::Redactor;
use crate::supply::{Supplier, SupplyError};
use crate::tasks;
use crate::transport::{Reply, SessionHeaders};

/// The kind of entry in the cache.
const INITIALIZE: &str = "initialize";

/// What the bridge knows about signing in.
pub struct Access {
    authorizer: Arc<Authorizer>,
    supplier: Supplier,
    cache: Option<Cache>,
    /// The server's URL and the profile.
    name: String,
}

/// How one request is sent.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How long the response may take to begin, sign-in not included.
    pub limit: Option<Duration>,
    /// Whether a person may be asked.
    pub asking: Asking,
}

/// What is sent.
enum Outgoing<'a> {
    Message(Bytes, Option<OnSent>),
    Stream(&'a [u8]),
}

impl Access {
    /// Without a cache nothing is remembered.
    pub fn new(authorizer: Arc<Authorizer>, supplier: Supplier, cache: Option<Cache>) -> Access {
        let (server, profile) = authorizer.name();
        let name = format!("{server}\n{profile}");
        Access { authorizer, supplier, cache, name }
    }

    /// Nobody waits for a sign-in any more.
    pub fn give_up(&self) {
        self.authorizer.give_up();
    }

    /// What to send at the end, when there is no time to obtain anything.
    pub fn credential(&self) -> Option<Credential> {
        self.authorizer.at_hand()
    }

    /// Returns when the process may end without losing a token.
    pub async fn settled_down(&self) {
        self.authorizer.settled_down().await;
    }

    /// Keeps a successful answer to `initialize`, of a server that one signs in to.
    pub fn remember(&self, initialize: &Message, answer: &Message, redactor: &Redactor) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.authorizer.is_signed_in()) else {
            return;
        };
        let requested = member::lookup_string(initialize.bytes(), &VERSION).unwrap_or_default();
        let result = member::lookup(answer.bytes(), &["result"]);
        let Some(result) = result.and_then(|raw| serde_json::from_str::<&RawValue>(raw).ok())
        else {
            return;
        };
        let text = json!({ "requested": requested, "result": json::of(&result) }).to_string();
        // A server may repeat what it was sent.
        if !redactor.knows_part_of(&text) {
            cache.put(INITIALIZE, &self.name, text.as_bytes());
        }
    }

    /// The result that `initialize` gets while the server cannot be asked: the last one for the same
    /// revision, or a minimal one which promises that lists change.
    fn provisional_result(&self, initialize: &Message) -> String {
        let requested = member::lookup_string(initialize.bytes(), &VERSION).unwrap_or_default();
        let kept = self.cache.as_ref().and_then(|cache| cache.get(INITIALIZE, &self.name));
        if let Some(kept) = kept
            && member::lookup_string(&kept, &["requested"]).as_deref() == Some(&requested)
            && let Some(result) = member::lookup(&kept, &["result"])
        {
            return result.to_owned();
        }
        let changing = json!({ "listChanged": true });
        let result: Value = json!({
            "protocolVersion": revisions::negotiated(&requested).name,
            "capabilities": { "tools": changing, "resources": changing, "prompts": changing },
            "serverInfo": { "name": self.authorizer.host(), "version": "unknown" },
        });
        result.to_string()
    }
}

const VERSION: [&str; 2] = ["params", "protocolVersion"];

/// The refusal that other headers may mend.
const UNAUTHORIZED: u16 = 401;

/// Returns when nobody wants the answer any more.
async fn closed(ticket: Option<&Ticket>) {
    match ticket {
        Some(ticket) => ticket.closed().await,
        None => std::future::pending().await,
    }
}

impl Bridge {
    /// Sends a message of the client, with the right to do so.
    ///
    /// # Errors
    /// If no response came, or none that was not a refusal; every other status is the caller's.
    pub(super) async fn post(
        &self,
        message: Bytes,
        session: &SessionHeaders,
        on_sent: Option<OnSent>,
        manner: Manner,
    ) -> Result<Reply, Failure> {
        self.with_access(session, Outgoing::Message(message, on_sent), manner, None).await
    }

    /// The same for a request, which is not sent again once nobody wants its answer any more. Its place
    /// hears when it was handed to a connection.
    ///
    /// # Errors
    /// As [`Bridge::post`].
    pub(super) async fn post_request(
        &self,
        ticket: &Ticket,
        message: &Message,
        session: &SessionHeaders,
        place: &Arc<Place>,
        manner: Manner,
    ) -> Result<Reply, Failure> {
        let on_sent = {
            let (place, ticket) = (place.clone(), ticket.clone());
            OnSent::new(move || {
                ticket.set_sent(true);
                place.handed_over();
            })
        };
        let outgoing = Outgoing::Message(message.bytes().clone(), Some(on_sent));
        self.with_access(session, outgoing, manner, Some(ticket)).await
    }

    /// Opens an event stream, with the right to do so.
    ///
    /// # Errors
    /// As [`Bridge::post`].
    pub(super) async fn get(
        &self,
        session: &SessionHeaders,
        last_event_id: &[u8],
        manner: Manner,
    ) -> Result<Reply, Failure> {
        self.with_access(session, Outgoing::Stream(last_event_id), manner, None).await
    }

    async fn with_access(
        &self,
        session: &SessionHeaders,
        outgoing: Outgoing<'_>,
        manner: Manner,
        ticket: Option<&Ticket>,
    ) -> Result<Reply, Failure> {
        let authorizer = &self.access.authorizer;
        let supplier = &self.access.supplier;
        let unsupplied = |error: SupplyError| error.failure(&self.endpoint.shown());
        let mut progress = Progress::default();
        let mut renewed = false;
        loop {
            // What a command or the keyring takes is not the server's.
            let supplied = supplier.ready().await.map_err(unsupplied)?;
            self.endpoint.ready().await?;
            let credential = authorizer.credential().await;
            if let Some(ticket) = ticket
                && !ticket.is_open()
            {
                return Err(self.taken_back());
            }
            let sent = self.send(session, &outgoing, credential.as_ref().map(Credential::signer));
            let mut sent = pin!(sent);
            let reply = match manner.limit {
                None => sent.await?,
                Some(limit) => timeout(limit, sent.as_mut()).await.unwrap_or_else(|_| {
                    let text = format!("the server did not answer within {} s", limit.as_secs());
                    Err(Failure::new(FailureKind::Timeout, text).at(&self.endpoint.shown()))
                })?,
            };
            let status = reply.status().as_u16();
            if !renewed && status == UNAUTHORIZED {
                if let Some(ticket) = ticket {
                    // It was refused: the server has nothing that could be cancelled.
                    ticket.set_sent(false);
                }
                let other = tokio::select! {
                    biased;
                    other = supplier.refused(status, supplied) => other,
                    () = closed(ticket) => return Err(self.taken_back()),
                };
                let refused = |error| {
                    let mut failure = unsupplied(error);
                    failure.status.get_or_insert(status);
                    failure
                };
                if other.map_err(refused)? {
                    renewed = true;
                    continue;
                }
            }
            let Some(refused) = authorizer.refused(status, reply.authenticate()) else {
                return Ok(reply);
            };
            let asking = manner.asking;
            let answer = authorizer.answer(&refused, credential.as_ref(), &mut progress, asking);
            // In a box, for it is larger than all the rest of a request's way, and seldom needed.
            let answer = Box::pin(answer);
            if let Some(ticket) = ticket {
                ticket.set_sent(false);
            }
            let answer = tokio::select! {
                biased;
                answer = answer => answer,
                () = closed(ticket) => return Err(self.taken_back()),
            };
            match answer {
                Ok(()) => {}
                // Then the server's own words are the answer.
                Err(error) if error.is_not_offered() => return Ok(reply),
                Err(error) => {
                    let mut failure = error.failure(&self.endpoint.shown());
                    failure.status.get_or_insert(status);
                    return Err(failure);
                }
            }
        }
    }

    /// What a refused request that nobody wants an answer to ends with.
    fn taken_back(&self) -> Failure {
        let text = "the client took the request back";
        log::debug!("{text} while it waited to be sent again");
        Failure::new(FailureKind::Internal, text).at(&self.endpoint.shown())
    }

    async fn send(
        &self,
        session: &SessionHeaders,
        outgoing: &Outgoing<'_>,
        sign: Option<&dyn Sign>,
    ) -> Result<Reply, Failure> {
        match outgoing {
            Outgoing::Message(message, on_sent) => {
                self.endpoint.post(message.clone(), session, sign, on_sent.clone()).await
            }
            Outgoing::Stream(last_event_id) => {
                self.endpoint.get(session, last_event_id, sign).await
            }
        }
    }

    /// How messages of the client are sent. `initialize` gets an answer of its own when it has
    /// waited long enough.
    pub(super) fn manner(&self, initialize: bool) -> Manner {
        let patience = self.settings.initialize_deadline;
        let asking = if initialize { Asking::Anybody } else { Asking::Within(patience) };
        Manner { limit: None, asking }
    }

    /// Returns when nobody has answered for [`INITIALIZE_TIMEOUT`], a sign-in not included.
    pub(super) async fn unanswered(&self) {
        let mut login = self.access.authorizer.watch();
        loop {
            // The sender lives as long as the bridge.
            let _ = login.wait_for(|login| !login.is_running()).await;
            tokio::select! {
                biased;
                () = sleep(INITIALIZE_TIMEOUT) => return,
                _ = login.wait_for(|login| login.is_running()) => {}
            }
        }
    }

    /// Returns when somebody has been signing in at `deadline`, or begins to later.
    pub(super) async fn signing_in_since(&self, deadline: Instant) {
        sleep_until(deadline).await;
        let mut login = self.access.authorizer.watch();
        let _ = login.wait_for(|login| login.is_busy()).await;
    }

    /// What a request gets that waits for others which wait for a sign-in that nobody can see:
    /// returns after a while, or never.
    pub(super) async fn unseen_sign_in(&self) -> Failure {
        let deadline = Instant::now() + self.settings.initialize_deadline;
        sleep_until(deadline).await;
        let mut login = self.access.authorizer.watch();
        let place = match login.wait_for(|login| login.unseen().is_some()).await {
            Ok(login) => login.unseen().cloned(),
            Err(_) => None,
        };
        let host = self.access.authorizer.host();
        AuthError::SignInNeeded { host, place: place.unwrap_or_default() }
            .failure(&self.endpoint.shown())
    }

    /// Returns when somebody has signed in after now.
    pub(super) async fn signed_in(&self) {
        let mut login = self.access.authorizer.watch();
        login.mark_unchanged();
        while login.changed().await.is_ok() {
            if matches!(*login.borrow_and_update(), Login::Done) {
                return;
            }
        }
    }

    /// Answers `initialize` in the place of the server, and goes on connecting behind the client's
    /// back.
    pub(super) async fn answer_provisionally(self: &Arc<Self>, ticket: &Ticket, request: &Message) {
        if !ticket.is_open() {
            // The server has answered, and somebody signs in for another request.
            return;
        }
        let result = self.access.provisional_result(request);
        let mut text = Vec::from(&br#"{"jsonrpc":"2.0","id":"#[..]);
        text.extend_from_slice(request.id().map(|id| id.raw().as_ref()).unwrap_or(b"null"));
        text.extend_from_slice(br#","result":"#);
        text.extend_from_slice(result.as_bytes());
        text.push(b'}');
        let Ok(answer) = Message::parse(text.into(), Source::Server) else {
            // Only a damaged cache could do that, and what is read from it was JSON.
            return;
        };
        let waiting = Failure::new(FailureKind::Unauthorized, "waiting for the sign-in");
        let snapshot = self.session.provisional(&answer, &waiting.at(&self.endpoint.shown()));
        if !self.ledger.answer(&answer).await {
            return;
        }
        log::info!("initialize was answered for the server while somebody signs in to it");
        let bridge = self.clone();
        tasks::spawn(async move {
            if let Err(failure) = bridge.recover(&snapshot).await {
                log::warn!("{failure}");
            }
        });
    }

    /// Whether requests wait for somebody to sign in.
    pub(super) fn is_waiting_for_sign_in(&self) -> bool {
        self.access.authorizer.is_signing_in() || self.session.is_provisional()
    }

    /// Answers a `ping` in the place of a server that waits for a sign-in.
    pub(super) async fn answer_ping(&self, ticket: &Ticket, message: &Message) -> bool {
        if ticket.method() != "ping" || !self.is_waiting_for_sign_in() {
            return false;
        }
        let Some(id) = message.id() else { return false };
        let id = String::from_utf8_lossy(id.raw());
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        match Message::parse(text.into(), Source::Server) {
            Ok(answer) => self.ledger.answer(&answer).await,
            Err(_) => false,
        }
    }
}
