//! One client's session: what was negotiated, what it has changed, and everything in flight.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::calls::Calls;
use super::limits::Limits;
use super::log_level::LogLevel;
use super::questions::Questions;
use super::revision::Revision;
use super::rpc;
use super::streams::Streams;
use crate::json;

/// What the client said it can do, as far as the server cares.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(from = "DeclaredCapabilities")]
pub struct ClientCapabilities {
    /// The user can be asked by a form.
    pub form_elicitation: bool,
    /// A model can be asked.
    pub sampling: bool,
}

/// The capabilities as declared: objects that may say more.
#[derive(Deserialize)]
struct DeclaredCapabilities {
    elicitation: Option<Value>,
    sampling: Option<Value>,
}

impl From<DeclaredCapabilities> for ClientCapabilities {
    fn from(declared: DeclaredCapabilities) -> Self {
        Self {
            // Without modes it stands for form mode only (client/elicitation, "Capabilities").
            form_elicitation: match declared.elicitation {
                Some(Value::Object(modes)) => {
                    modes.contains_key("form") || !modes.contains_key("url")
                }
                _ => false,
            },
            sampling: matches!(declared.sampling, Some(Value::Object(_))),
        }
    }
}

/// What a session can change: every session has its own copy of the server's contents.
#[derive(Debug, Default)]
pub struct Contents {
    /// Log messages below this level are not sent.
    pub log_level: LogLevel,
    /// URIs of the resources whose changes the client wants to hear of.
    pub subscriptions: BTreeSet<String>,
    /// Names of the tools that `add_tool` has added, oldest first.
    pub added_tools: Vec<String>,
    /// How often `touch_resource` has been called.
    pub touches: u64,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// The secret that names it.
    pub id: String,
    /// The negotiated revision.
    pub revision: Revision,
    /// What the client can do.
    pub client: ClientCapabilities,
    /// The bounds that apply.
    pub limits: Arc<Limits>,
    /// Its SSE streams.
    pub streams: Streams,
    /// Tool calls running.
    pub calls: Arc<Calls>,
    /// Requests to the client that wait for an answer.
    pub questions: Arc<Questions>,
    initialized: AtomicBool,
    contents: Mutex<Contents>,
    activity: Mutex<Activity>,
}

/// How recently a session was used, and what holds it in use.
#[derive(Debug)]
struct Activity {
    last_used: Instant,
    busy: usize,
}

impl Session {
    /// A fresh session; the client has yet to send `notifications/initialized`.
    pub fn new(
        id: String,
        revision: Revision,
        client: ClientCapabilities,
        limits: Arc<Limits>,
    ) -> Self {
        Self {
            id,
            revision,
            client,
            streams: Streams::new(Arc::clone(&limits)),
            limits,
            calls: Arc::default(),
            questions: Arc::default(),
            initialized: AtomicBool::new(false),
            contents: Mutex::default(),
            activity: Mutex::new(Activity { last_used: Instant::now(), busy: 0 }),
        }
    }

    /// Notes that the client has sent `notifications/initialized`.
    pub fn set_initialized(&self) {
        self.initialized.store(true, Ordering::Release);
    }

    /// Whether the client has sent `notifications/initialized`.
    pub fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Acquire)
    }

    /// What the session can change. Not to be held across an await.
    pub fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies the client on the standalone stream of something that belongs to no call.
    pub fn notify(&self, message: &str) {
        self.streams.standalone().send(message);
    }

    /// Tells a subscriber that a resource has changed; true if there is one.
    pub fn notify_update(&self, uri: &str) -> bool {
        let subscribed = self.contents().subscriptions.contains(uri);
        if subscribed {
            let params = json!({ "uri": uri });
            self.notify(&rpc::notification("notifications/resources/updated", &params));
        }
        subscribed
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the session as in use until the returned value is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        let mut activity = self.activity();
        activity.busy += 1;
        activity.last_used = Instant::now();
        drop(activity);
        Busy(Arc::clone(self))
    }

    /// How long the session has not been used; `None` while it is in use.
    pub fn idle(&self) -> Option<Duration> {
        let activity = self.activity();
        (activity.busy == 0).then(|| activity.last_used.elapsed())
    }

    /// Ends everything at once: calls are cancelled, streams closed.
    pub fn end(&self) {
        self.calls.cancel_all();
        self.questions.give_up();
        self.streams.finish_all();
    }

    /// Leaves running calls to finish on their open connections, but closes the standalone stream
    /// and gives up waiting for answers, which could no longer arrive.
    pub fn forget(&self) {
        self.questions.give_up();
        self.streams.standalone().finish();
    }
}

/// Holds a session in use: a request being handled, a call running, a stream connected.
#[derive(Debug)]
pub struct Busy(Arc<Session>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.busy -= 1;
        activity.last_used = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client(capabilities: Value) -> ClientCapabilities {
        serde_json::from_value(capabilities).unwrap()
    }

    #[test]
    fn form_elicitation_needs_to_be_declared() {
        assert!(client(json!({"elicitation": {}})).form_elicitation);
        assert!(client(json!({"elicitation": {"form": {}}})).form_elicitation);
        assert!(client(json!({"elicitation": {"form": {}, "url": {}}})).form_elicitation);
        assert!(!client(json!({"elicitation": {"url": {}}})).form_elicitation);
        assert!(!client(json!({"elicitation": null})).form_elicitation);
        assert!(!client(json!({"sampling": {}})).form_elicitation);
        assert!(client(json!({"sampling": {}})).sampling);
        assert!(!client(json!({"elicitation": {}})).sampling);
    }

    #[test]
    fn a_session_in_use_is_not_idle() {
        let session = Arc::new(Session::new(
            "id".into(),
            Revision::LATEST,
            ClientCapabilities::default(),
            Arc::default(),
        ));
        assert!(session.idle().is_some());
        let busy = session.busy();
        assert!(session.idle().is_none());
        drop(busy);
        assert!(session.idle().is_some());
    }
}
