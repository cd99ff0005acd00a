//! A TCP listener that serves a bounded number of connections at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// How long nothing is accepted after the system has refused to, as when too many files are open.
const PAUSE: Duration = Duration::from_secs(1);

/// Accepts a further connection only when one of the allowed ones has ended.
pub struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl BoundedListener {
    /// Bounds `listener` to that many connections at once.
    pub fn new(listener: TcpListener, connections: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(connections)) }
    }

    /// The next connection, once there is one and a place for it.
    pub async fn accept(&self) -> BoundedConnection {
        let place =
            Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let stream = self.accept_stream().await;
        // Messages are small and waited for.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("cannot set TCP_NODELAY: {error}");
        }
        BoundedConnection { stream, place }
    }

    /// Goes on after errors: one of a connection concerns that one only, any other may pass.
    async fn accept_stream(&self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    log::error!("the demo server cannot accept a connection: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Whether an error of accepting is that of a connection which has ended before it was accepted.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A connection, and its place among those at once, which is free again when this is dropped.
pub struct BoundedConnection {
    /// The connection.
    pub stream: TcpStream,
    /// To be kept as long as the connection.
    pub place: OwnedSemaphorePermit,
}
