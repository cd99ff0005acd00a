//! Starting tasks and threads.
//!
//! tokio and the standard library compile all that they do for a task or a thread once more for each type that is run
//! there, some 2 KB each. Here everything is run in a box, which is always of the same type, and is moved by its
//! address instead of whole (docs/decisions/0006).

use std::io;
use std::pin::Pin;
use std::thread;

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
