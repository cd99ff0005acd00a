//! Calls to the keyring that cannot stop anything: each has a limit, and at most one thread of a
//! process is ever stuck in one.
//!
//! Every keyring blocks for as long as a person looks at its dialogue, or for ever when its daemon
//! hangs. So calls run on a thread of their own, which nobody joins: tokio's blocking threads would
//! be waited for at the end of the process. After a call that has not come back, all fail at once,
//! until it does come back and has succeeded: the person has unlocked the keyring.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::items::{Items, KeyringError};
use crate::limits::KEYRING_TIMEOUT;
use crate::tasks;

type Open = dyn Fn() -> Result<Box<dyn Items>, KeyringError> + Send + Sync;
type Job = Box<dyn Fn(&dyn Items) -> Result<(), KeyringError> + Send>;

/// A keyring, opened by the first call and kept.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

struct Inner {
    open: Box<Open>,
    patience: Duration,
    /// One call at a time. The thread has the permit, not the caller, who may have gone.
    turn: Arc<Semaphore>,
    /// It has been opened once.
    opened: AtomicBool,
    /// A call has not come back in time.
    stuck: AtomicBool,
    items: Mutex<Option<Box<dyn Items>>>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

impl Calls {
    /// Calls that take at most `patience` each. Nothing is opened yet.
    pub fn new(
        open: impl Fn() -> Result<Box<dyn Items>, KeyringError> + Send + Sync + 'static,
        patience: Duration,
    ) -> Calls {
        Calls(Arc::new(Inner {
            open: Box::new(open),
            patience,
            turn: Arc::new(Semaphore::new(1)),
            opened: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            items: Mutex::default(),
        }))
    }

    /// Runs `job`, perhaps twice: on a connection that turned out to be dead and on a new one. It
    /// may go on after this has returned, or has been dropped.
    ///
    /// # Errors
    /// Those of the keyring, and [`KeyringError::Silent`] if there is no answer in time.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl Fn(&dyn Items) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        // What it finds is left here, so that all jobs are of one type and what carries them out is compiled once.
        let found = Arc::new(Mutex::new(None));
        let place = found.clone();
        let job = Box::new(move |items: &dyn Items| {
            let result = job(items)?;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            Ok(())
        });
        self.carry_out(job).await?;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.ok_or_else(|| KeyringError::Failed("it has found nothing".into()))
    }

    async fn carry_out(&self, job: Job) -> Result<(), KeyringError> {
        let patience = self.0.patience;
        if !self.0.opened.load(Ordering::SeqCst) {
            // Opening waits for nobody: only the keyring's items may have to be unlocked.
            self.within(patience.min(KEYRING_TIMEOUT), Box::new(|_| Ok(()))).await?;
            self.0.opened.store(true, Ordering::SeqCst);
        }
        self.within(patience, job).await
    }

    async fn within(&self, patience: Duration, job: Job) -> Result<(), KeyringError> {
        let silent = Err(KeyringError::Silent(patience));
        if self.0.stuck.load(Ordering::SeqCst) {
            return silent;
        }
        let (send, mut receive) = oneshot::channel();
        let attempt = async {
            let Ok(turn) = self.0.turn.clone().acquire_owned().await else {
                return Err(KeyringError::Failed("it has been closed".into()));
            };
            let inner = self.0.clone();
            let thread = move || {
                let result = inner.on_connection(job);
                let good = result.is_ok();
                let _ = send.send(result);
                drop(turn);
                if good {
                    inner.stuck.store(false, Ordering::SeqCst);
                }
            };
            tasks::thread("keyring", thread)
                .map_err(|error| KeyringError::Failed(error.to_string()))?;
            (&mut receive).await.unwrap_or_else(|_| {
                Err(KeyringError::Failed("the library for it has failed".into()))
            })
        };
        if let Ok(result) = timeout(patience, attempt).await {
            return result;
        }
        self.0.stuck.store(true, Ordering::SeqCst);
        // The thread frees the turn before it clears the mark: one of us two sees the other.
        if self.0.turn.available_permits() > 0 {
            self.0.stuck.store(false, Ordering::SeqCst);
        }
        receive.try_recv().unwrap_or(silent)
    }
}

impl Inner {
    /// A keyring's daemon may have been started anew since the last call.
    fn on_connection(&self, job: Job) -> Result<(), KeyringError> {
        let kept = self.items.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(items) = kept {
            match job(&*items) {
                Err(KeyringError::Failed(_)) => {}
                result => {
                    self.keep(items);
                    return result;
                }
            }
        }
        let items = (self.open)()?;
        let result = job(&*items);
        self.keep(items);
        result
    }

    fn keep(&self, items: Box<dyn Items>) {
        *self.items.lock().unwrap_or_else(PoisonError::into_inner) = Some(items);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::store::memory::Memory;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_connection_is_kept_and_renewed_when_it_fails() {
        let opened = Arc::new(AtomicUsize::new(0));
        let items = Memory::default();
        let calls = Calls::new(
            {
                let (opened, items) = (opened.clone(), items.clone());
                move || {
                    opened.fetch_add(1, Ordering::SeqCst);
                    items.fail_after(usize::MAX);
                    Ok(Box::new(items.clone()))
                }
            },
            LONG,
        );
        assert_eq!(opened.load(Ordering::SeqCst), 0);
        for _ in 0..3 {
            calls.run(|items| items.set("a", b"1")).await.unwrap();
        }
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        items.fail_after(0);
        assert_eq!(calls.run(|items| items.get("a")).await.unwrap().unwrap(), b"1");
        assert_eq!(opened.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_locked_keyring_is_asked_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let calls = Calls::new(|| Ok(Box::new(Memory::default())), LONG);
        calls.run(|_| Ok(())).await.unwrap();
        let counter = asked.clone();
        let result: Result<(), _> = calls
            .run(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
                Err(KeyringError::Locked("by a test".into()))
            })
            .await;
        assert_eq!(result, Err(KeyringError::Locked("by a test".into())));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn one_thread_is_stuck_until_the_keyring_answers() {
        let items = Memory::default();
        let calls = {
            let items = items.clone();
            Calls::new(move || Ok(Box::new(items.clone())), Duration::from_millis(50))
        };
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let waiting = move |_: &dyn Items| {
            let _ = gate.lock().unwrap().recv();
            Ok(())
        };
        let silent = Err(KeyringError::Silent(Duration::from_millis(50)));
        assert_eq!(calls.run(waiting).await, silent);
        for _ in 0..3 {
            assert_eq!(calls.run(|items| items.set("a", b"1")).await, silent);
        }
        assert_eq!(items.calls(), 0);
        drop(open);
        while calls.0.stuck.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        while calls.run(|items| items.set("a", b"1")).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(items.all()["a"], b"1");
    }

    #[tokio::test]
    async fn a_panic_of_the_library_is_a_failure() {
        let calls = Calls::new(|| Ok(Box::new(Memory::default())), LONG);
        // Opening has a short limit, and the trace of a panic takes long to write on a slow machine.
        calls.run(|_| Ok(())).await.unwrap();
        let result: Result<(), _> = calls.run(|_| panic!("by a test")).await;
        assert!(matches!(result, Err(KeyringError::Failed(_))), "{result:?}");
        calls.run(|items| items.set("a", b"1")).await.unwrap();
    }
}
