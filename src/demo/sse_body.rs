//! The HTTP body that carries a stream over one connection, and its simulated ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::{sleep, timeout};

use super::body::Body;
use super::console::Console;
use super::fault::Cut;
use super::session::Busy;
use super::stream::Connection;

/// How long an aborted connection stays open after its last event, so that the event still leaves.
const FLUSH: Duration = Duration::from_millis(50);

/// Everything a body needs while it is being sent.
struct Carrier {
    connection: Connection,
    /// Keeps the session from being taken for idle.
    _busy: Busy,
    cut: Cut,
    sent: u64,
    keep_alive: Duration,
    console: Arc<Console>,
}

impl Carrier {
    /// The next piece of the body; `None` at its end, an error where it breaks off.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self.cut {
            Cut::Close(after) if self.sent >= after => {
                self.console.line("fault: answer stream closed, to be resumed by the client");
                return None;
            }
            Cut::Abort(after) if self.sent >= after => {
                sleep(FLUSH).await;
                self.console.line("fault: answer stream cut, to be resumed by the client");
                return Some(Err(io::Error::other("cut on purpose")));
            }
            _ => {}
        }
        match timeout(self.keep_alive, self.connection.next()).await {
            Ok(Some(event)) => {
                self.sent += 1;
                Some(Ok(event))
            }
            Ok(None) => None,
            Err(_) => Some(Ok(Bytes::from_static(b": keep-alive\n\n"))),
        }
    }
}

/// A body that delivers what the connection receives until the stream or `cut` ends it.
pub fn sse_body(
    connection: Connection,
    busy: Busy,
    cut: Cut,
    keep_alive: Duration,
    console: Arc<Console>,
) -> Body {
    let carrier = Carrier { connection, _busy: busy, cut, sent: 0, keep_alive, console };
    Body::pieces(stream::unfold(Some(carrier), |carrier| async {
        let mut carrier = carrier?;
        let piece = carrier.next().await?;
        let next = piece.is_ok().then_some(carrier);
        Some((piece, next))
    }))
}
