//! The connections that are served, each by a task of its own, until they end or the server does.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::listener::BoundedConnection;
use super::response::Response;
use super::server::{self, Server};

/// The open connections.
pub struct Connections {
    server: Arc<Server>,
    tasks: JoinSet<()>,
    /// Its end tells every task that the server ends.
    running: watch::Sender<()>,
}

impl Connections {
    /// None so far.
    pub fn new(server: Arc<Server>) -> Self {
        Self { server, tasks: JoinSet::new(), running: watch::Sender::new(()) }
    }

    /// Begins to serve a connection.
    pub fn begin(&mut self, connection: BoundedConnection) {
        // Those that have ended; the listener bounds how many have not.
        while self.tasks.try_join_next().is_some() {}
        let server = Arc::clone(&self.server);
        self.tasks.spawn(serve(server, connection, self.running.subscribe()));
    }

    /// Waits until every connection has sent the response it is at, but no longer than `patience`;
    /// what is still open then is cut.
    pub async fn end(self, patience: Duration) {
        let Self { mut tasks, running, .. } = self;
        drop(running);
        let _ = timeout(patience, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

/// Serves a connection to its end, which comes after the current response if the server ends.
async fn serve(
    server: Arc<Server>,
    connection: BoundedConnection,
    mut running: watch::Receiver<()>,
) {
    // Dropped after what is below, so that the place is free when the connection is closed.
    let BoundedConnection { stream, place: _place } = connection;
    let service = service_fn(move |request| answer(Arc::clone(&server), request));
    let mut serving = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = running.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        log::debug!("a connection of the demo server has failed: {error}");
    }
}

/// Boxed, so that hyper's connection is compiled for a pointer instead of all that answers.
fn answer(
    server: Arc<Server>,
    request: Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>> {
    Box::pin(async move { Ok(server::handle(&server, request).await) })
}
