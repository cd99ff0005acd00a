//! A small MCP client in front of a bridge in this process, for commands that ask a server something.
//!
//! It speaks 2025-11-25 (basic/lifecycle); the bridge translates where the server is of the other era.
//! Results are handed on as the JSON text that came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::auth::Authorizer;
use crate::bridge::Attached;
use crate::era::{Era, revisions};
use crate::error::{ExitCode, Failure, FailureKind};
use crate::json;
use crate::jsonrpc::{Id, IdKey, Kind, METHOD_NOT_FOUND, Message, Source, member};
use crate::limits::{MAX_QUESTIONS, NOTIFICATION_QUEUE_BYTES};
use crate::stdio::queue;
use crate::stdio::writer::Inbox;
use crate::tasks;

/// Why a request has no result.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The server answered with an error: its JSON text, unchanged.
    Server(String),
    /// There is no answer of the server.
    Failed(Failure),
}

impl Refusal {
    /// The error code and message of the server.
    pub fn said(&self) -> Option<(i64, String)> {
        let Refusal::Server(error) = self else { return None };
        let code = member::lookup(error.as_bytes(), &["code"]).and_then(|code| code.parse().ok());
        let message = member::lookup_string(error.as_bytes(), &["message"]).unwrap_or_default();
        Some((code.unwrap_or_default(), message))
    }
}

impl From<&Refusal> for ExitCode {
    fn from(refusal: &Refusal) -> ExitCode {
        match refusal {
            Refusal::Server(_) => ExitCode::Refused,
            Refusal::Failed(failure) => failure.into(),
        }
    }
}

/// The answer to a request of the server: the JSON text of a result, or code and message of an error.
pub type Answer = Result<String, (i32, String)>;

/// Answers requests of the server other than `ping`. `None` says that there is no such method here.
/// What is being answered is dropped when the server takes its request back.
pub type Handler = Arc<dyn Fn(Message) -> BoxFuture<'static, Option<Answer>> + Send + Sync>;

/// The JSON text of what we declare: capabilities, and the extension that signing in makes use of.
pub fn declared(mut capabilities: Value, authorizer: &Authorizer) -> String {
    if let Some(extension) = authorizer.extension() {
        capabilities["extensions"] = json!({ extension: {} });
    }
    capabilities.to_string()
}

/// Who has no answers.
pub fn no_handler() -> Handler {
    Arc::new(|_| Box::pin(async { None }))
}

/// Notifications of the server, in order. Whoever keeps this has to read it all the time, requests of
/// their own included: while it is full, nothing else is read. Dropping it drops what comes.
pub struct Notifications(queue::Receiver<Message>);

impl Notifications {
    /// The next one; `None` after the end of the peer.
    pub async fn next(&mut self) -> Option<Message> {
        Some(self.0.recv().await?.value)
    }
}

/// What the server said of itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The result of `initialize`, as it came or as the bridge made it of a modern server's answer.
    pub result: String,
    /// The revision that the server is spoken to in.
    pub revision: String,
    /// Its era.
    pub era: Era,
    /// Whether it is spoken to by the deprecated HTTP+SSE.
    pub http_sse: bool,
}

impl Introduction {
    /// `serverInfo.name`, or another member of it.
    pub fn info(&self, name: &str) -> Option<String> {
        member::lookup_string(self.result.as_bytes(), &["serverInfo", name])
    }

    /// The JSON text of the capabilities.
    pub fn capabilities(&self) -> &str {
        member::lookup(self.result.as_bytes(), &["capabilities"]).unwrap_or("{}")
    }

    /// Whether the server has declared a capability.
    pub fn declares(&self, capability: &str) -> bool {
        member::lookup(self.capabilities().as_bytes(), &[capability])
            .is_some_and(|declared| declared != "null")
    }

    /// The word for its transport.
    pub fn transport(&self) -> &'static str {
        if self.http_sse { "http+sse" } else { "streamable-http" }
    }

    /// What the server wants models to know.
    pub fn instructions(&self) -> Option<String> {
        member::lookup_string(self.result.as_bytes(), &["instructions"])
    }
}

/// A session with one server.
pub struct Peer {
    shared: Arc<Shared>,
    introduction: Introduction,
    _reader: Reader,
}

/// The task that reads. It keeps alive what it reads from, and so has to be ended with the peer.
struct Reader(AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared {
    bridge: Attached,
    next: AtomicU64,
    waiting: Mutex<HashMap<IdKey, oneshot::Sender<Message>>>,
    /// Requests of the server that are being answered.
    answering: Mutex<HashMap<IdKey, AbortHandle>>,
    handler: Handler,
    /// One permit for each of them.
    room: Arc<Semaphore>,
}

impl Peer {
    /// Opens a session within `limit`. `capabilities` is the JSON text of what we declare.
    ///
    /// # Errors
    /// Why there is none. The bridge is the caller's to end then.
    pub async fn connect(
        bridge: (Attached, Inbox),
        capabilities: &str,
        handler: Handler,
        limit: Duration,
    ) -> Result<(Peer, Notifications), Refusal> {
        let (bridge, inbox) = bridge;
        let (sender, notifications) = queue::queue(NOTIFICATION_QUEUE_BYTES);
        let shared = Arc::new(Shared {
            bridge,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            answering: Mutex::default(),
            handler,
            room: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        });
        let reader = Reader(tasks::spawn(shared.clone().read(inbox, sender)).abort_handle());
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{capabilities},"clientInfo":{}}}"#,
            revisions::newest(Era::Legacy).name,
            json!({ "name": "mcp-tether", "version": env!("CARGO_PKG_VERSION") }),
        );
        let result = shared.request("initialize", Some(&params), limit).await?;
        shared.bridge.send(member::notification("notifications/initialized")).await;
        let era = shared.bridge.era().unwrap_or(Era::Legacy);
        let revision = match era {
            Era::Modern => Some(revisions::newest(Era::Modern).name.to_owned()),
            Era::Legacy => member::lookup_string(result.as_bytes(), &["protocolVersion"]),
        };
        let introduction = Introduction {
            revision: revision.unwrap_or_default(),
            era,
            http_sse: shared.bridge.is_http_sse(),
            result,
        };
        Ok((Peer { shared, introduction, _reader: reader }, Notifications(notifications)))
    }

    /// What the server said of itself.
    pub fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// The bridge in between.
    pub fn bridge(&self) -> &Attached {
        &self.shared.bridge
    }

    /// Asks, and gives the JSON text of the result as it came. `params` is JSON text. After `limit`,
    /// and when the future is dropped, the request is taken back.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn request(
        &self,
        method: &str,
        params: Option<&str>,
        limit: Duration,
    ) -> Result<String, Refusal> {
        self.shared.request(method, params, limit).await
    }

    /// The same, with the whole response as it came, be it a result or an error of the server.
    ///
    /// # Errors
    /// Why there is no answer of the server.
    pub async fn exchange(
        &self,
        method: &str,
        params: Option<&str>,
        limit: Duration,
    ) -> Result<Message, Failure> {
        self.shared.exchange(method, params, limit).await
    }

    /// Sends a notification. `params` is JSON text.
    pub async fn notify(&self, method: &str, params: Option<&str>) {
        self.shared.bridge.send(message(None, method, params)).await;
    }

    /// Ends the session, within a few seconds.
    pub async fn end(self) {
        let answering = std::mem::take(&mut *lock(&self.shared.answering));
        answering.values().for_each(AbortHandle::abort);
        self.shared.bridge.end().await;
    }
}

impl Shared {
    async fn request(
        self: &Arc<Self>,
        method: &str,
        params: Option<&str>,
        limit: Duration,
    ) -> Result<String, Refusal> {
        let answer = self.exchange(method, params, limit).await.map_err(Refusal::Failed)?;
        result_of(&answer)
    }

    async fn exchange(
        self: &Arc<Self>,
        method: &str,
        params: Option<&str>,
        limit: Duration,
    ) -> Result<Message, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let id = id(number);
        let (sender, answered) = oneshot::channel();
        lock(&self.waiting).insert(id.key(), sender);
        let asked = Asked { shared: self, id: &id };
        let exchange = async {
            self.bridge.send(message(Some(&id), method, params)).await;
            answered.await
        };
        let answer = match timeout(limit, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return Err(ending()),
            Err(_) => {
                let text = format!(
                    "the server did not answer {method} within {:.1} s; raise --timeout or look at its log",
                    limit.as_secs_f32()
                );
                return Err(Failure::new(FailureKind::Timeout, text));
            }
        };
        drop(asked);
        let error = member::lookup(answer.bytes(), &["error"]).unwrap_or_default();
        match Failure::from_error(error.as_bytes()) {
            Some(failure) => Err(failure),
            None => Ok(answer),
        }
    }

    async fn read(self: Arc<Self>, mut inbox: Inbox, notifications: queue::Sender<Message>) {
        let mut wanted = true;
        while let Some((bytes, _)) = inbox.next().await {
            // It was a message when it was queued.
            let Ok(message) = Message::parse(bytes, Source::Server) else { continue };
            match message.kind() {
                Kind::Response { id, .. } => {
                    let waiting = lock(&self.waiting).remove(&id.key());
                    // Nobody may want it any more.
                    let _ = waiting.map(|waiting| waiting.send(message));
                }
                Kind::Request { .. } => self.answer(message),
                Kind::Notification { .. } => {
                    if let Some(id) = message.takes_back() {
                        let task = lock(&self.answering).remove(&id.key());
                        let _ = task.map(|task| task.abort());
                    }
                    let size = message.bytes().len();
                    wanted = wanted && notifications.send(message, size).await.is_ok();
                }
            }
        }
    }

    /// Answers a request of the server in the background.
    fn answer(self: &Arc<Self>, question: Message) {
        let Some(id) = question.id().cloned() else { return };
        let shared = self.clone();
        let key = id.key();
        let permit = self.room.clone().try_acquire_owned();
        let (begin, begun) = oneshot::channel::<()>();
        let task = tasks::spawn(async move {
            // Not before it can be found.
            let _ = begun.await;
            let answer = match (&permit, question.method()) {
                (_, Some("ping")) => Some(Ok("{}".to_owned())),
                (Ok(_), _) => (shared.handler)(question).await,
                (Err(_), _) => Some(Err((FailureKind::Overloaded.code(), "too busy".into()))),
            };
            let absent = || Err((METHOD_NOT_FOUND, "there is no such method here".to_owned()));
            let response = match answer.unwrap_or_else(absent) {
                Ok(result) => {
                    let id = String::from_utf8_lossy(id.raw()).into_owned();
                    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
                }
                Err((code, message)) => member::error_response(&id, code, &message, None),
            };
            if lock(&shared.answering).remove(&id.key()).is_some() {
                shared.bridge.send(response).await;
            }
        });
        lock(&self.answering).insert(key, task.abort_handle());
        let _ = begin.send(());
    }
}

/// A request that waits for its answer.
struct Asked<'a> {
    shared: &'a Arc<Shared>,
    id: &'a Id,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if lock(&self.shared.waiting).remove(&self.id.key()).is_some() {
            let bridge = self.shared.bridge.clone();
            let cancelled = member::cancelled(self.id, "nobody waits any longer");
            tasks::spawn(async move { bridge.send(cancelled).await });
        }
    }
}

/// The JSON text of the result in a response of the server.
///
/// # Errors
/// The error that is in it instead.
pub fn result_of(answer: &Message) -> Result<String, Refusal> {
    if let Some(result) = member::lookup(answer.bytes(), &["result"])
        && matches!(answer.kind(), Kind::Response { error: false, .. })
    {
        return Ok(result.to_owned());
    }
    let error = member::lookup(answer.bytes(), &["error"]).unwrap_or("{}");
    Err(Refusal::Server(error.to_owned()))
}

fn ending() -> Failure {
    Failure::new(FailureKind::ShuttingDown, "the connection was ended")
}

fn id(number: u64) -> Id {
    Id::from_raw(Bytes::from(number.to_string())).unwrap_or(Id::NULL)
}

fn message(id: Option<&Id>, method: &str, params: Option<&str>) -> Bytes {
    let mut text = String::from(r#"{"jsonrpc":"2.0""#);
    if let Some(id) = id {
        text.push_str(&format!(r#","id":{}"#, String::from_utf8_lossy(id.raw())));
    }
    text.push_str(&format!(r#","method":{}"#, serde_json::Value::from(method)));
    if let Some(params) = params {
        text.push_str(&format!(r#","params":{params}"#));
    }
    text.push('}');
    Bytes::from(text)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
