//! Starting tasks and threads, and waiting for what a thread gives.
//!
//! tokio and the standard library compile all that they do for a task or a thread once more for each type that is run
//! there, some 2 KB each. Here everything is run in a box, which is always of the same type, and is moved by its
//! address instead of whole (docs/decisions/0006).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;

/// Runs `work` as a task of the runtime, as [`tokio::spawn`] does.
///
/// # Panics
/// Outside of a runtime.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
    tokio::spawn(work)
}

/// Runs `work` on a thread of its own that has this name.
///
/// # Errors
/// If the system gives no thread.
pub fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let work: Box<dyn FnOnce() + Send> = Box::new(work);
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// A value that one thread hands to another, which waits for it with a limit: tokio's channels have none for threads, and
/// those of the standard library are compiled in all their kinds for each type.
pub fn handover<T>() -> (Giver<T>, Taker<T>) {
    let place = Arc::new(Place { state: Mutex::new(State::Expected), changed: Condvar::new() });
    (Giver(place.clone()), Taker(place))
}

/// The end of a [`handover`] that gives.
#[derive(Debug)]
pub struct Giver<T>(Arc<Place<T>>);

/// The end of a [`handover`] that waits.
#[derive(Debug)]
pub struct Taker<T>(Arc<Place<T>>);

#[derive(Debug)]
struct Place<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum State<T> {
    Expected,
    There(T),
    /// The giver has gone.
    Never,
}

impl<T> Giver<T> {
    /// Gives it, whether it is still waited for or not.
    pub fn give(self, value: T) {
        *self.0.state() = State::There(value);
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(*state, State::Expected) {
            *state = State::Never;
        }
        drop(state);
        self.0.changed.notify_one();
    }
}

impl<T> Taker<T> {
    /// Waits for it, at most for `limit`; `None` if it has not come by then or will not come.
    pub fn take(self, limit: Duration) -> Option<T> {
        let state = self.0.state();
        let (mut state, _) = self
            .0
            .changed
            .wait_timeout_while(state, limit, |state| matches!(state, State::Expected))
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Never) {
            State::There(value) => Some(value),
            State::Expected | State::Never => None,
        }
    }
}

impl<T> Place<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn what_is_given_is_taken() {
        let (giver, taker) = handover();
        thread("giver", move || giver.give(7)).unwrap();
        assert_eq!(taker.take(LONG), Some(7));
        let (giver, taker) = handover();
        giver.give(8);
        assert_eq!(taker.take(Duration::ZERO), Some(8));
    }

    #[test]
    fn what_will_not_come_is_not_waited_for() {
        let (giver, taker) = handover::<u8>();
        thread("giver", move || drop(giver)).unwrap();
        assert_eq!(taker.take(LONG), None);
        let (_giver, taker) = handover::<u8>();
        assert_eq!(taker.take(Duration::from_millis(1)), None);
    }
}
