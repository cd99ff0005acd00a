//! The tool calls that are running in a session, so that they can be cancelled.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::rpc::RequestId;

/// The running calls of one session, by request id.
#[derive(Debug, Default)]
pub struct Calls {
    running: Mutex<HashMap<String, watch::Sender<bool>>>,
}

/// Why a call cannot begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A call with the same id is still running.
    Duplicate,
    /// As many calls as allowed are running.
    TooMany,
}

impl Calls {
    fn running(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<bool>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a call; it stays registered until the returned value is dropped.
    ///
    /// # Errors
    /// [`Refusal`], also when `max` calls are running.
    pub fn begin(self: &Arc<Self>, id: &RequestId, max: usize) -> Result<Running, Refusal> {
        let key = id.key();
        let mut running = self.running();
        let full = running.len() >= max;
        match running.entry(key.clone()) {
            Entry::Occupied(_) => Err(Refusal::Duplicate),
            Entry::Vacant(_) if full => Err(Refusal::TooMany),
            Entry::Vacant(place) => {
                let (sender, cancelled) = watch::channel(false);
                place.insert(sender);
                Ok(Running { calls: Arc::clone(self), key, cancelled })
            }
        }
    }

    /// Cancels the call with this id, if it is running.
    pub fn cancel(&self, id: &RequestId) {
        if let Some(sender) = self.running().get(&id.key()) {
            sender.send_replace(true);
        }
    }

    /// Cancels every running call.
    pub fn cancel_all(&self) {
        for sender in self.running().values() {
            sender.send_replace(true);
        }
    }
}

/// A registered call.
#[derive(Debug)]
pub struct Running {
    calls: Arc<Calls>,
    key: String,
    cancelled: watch::Receiver<bool>,
}

impl Running {
    /// Waits until the call is cancelled; for ever if it is not.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        // The sender lives as long as the registration, that is, longer than `self`.
        let _ = cancelled.wait_for(|cancelled| *cancelled).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.calls.running().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RequestId {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn only_the_named_call_is_cancelled() {
        let calls = Arc::new(Calls::default());
        let one = calls.begin(&id("1"), 10).unwrap();
        let text = calls.begin(&id("\"1\""), 10).unwrap();
        calls.cancel(&id("1"));
        calls.cancel(&id("99"));
        one.cancelled().await;
        assert!(!*text.cancelled.borrow());
        calls.cancel_all();
        text.cancelled().await;
    }

    #[test]
    fn ids_in_use_and_too_many_calls_are_refused() {
        let calls = Arc::new(Calls::default());
        let one = calls.begin(&id("1"), 2).unwrap();
        assert_eq!(calls.begin(&id("1"), 2).unwrap_err(), Refusal::Duplicate);
        let _two = calls.begin(&id("2"), 2).unwrap();
        assert_eq!(calls.begin(&id("3"), 2).unwrap_err(), Refusal::TooMany);
        drop(one);
        assert!(calls.begin(&id("1"), 2).is_ok());
    }
}
