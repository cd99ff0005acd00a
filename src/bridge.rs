//! Wiring and life cycle: stdin on one side, a remote endpoint on the other.
//!
//! * [`access`]: the right to send, and what to do while a person signs in.
//! * [`router`]: what happens to a line from stdin.
//! * [`order`]: which message may leave when (pure but for the waiting).
//! * [`ledger`]: every request is answered exactly once.
//! * [`exchange`]: the life of one request: sending, resuming, repeating.
//! * [`follow`]: the event stream of one request, and resuming it.
//! * [`delivery`]: the life of one notification or response of the client.
//! * [`inbound`]: what happens to a message from the server.
//! * [`listener`]: the standalone event stream.
//! * [`http_sse`]: sessions over the deprecated HTTP+SSE transport.
//! * [`session`]: what a session is, and [`recovery`]: making a new one when the server lost it.
//! * [`drain`]: the end.

pub mod access;
pub mod delivery;
pub mod drain;
pub mod exchange;
pub mod follow;
pub mod http_sse;
pub mod inbound;
pub mod ledger;
pub mod listener;
pub mod order;
pub mod recovery;
pub mod router;
pub mod session;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use http_sse::TransportChoice;

use crate::error::ExitCode;
use crate::limits::MAX_NOTIFICATIONS_IN_FLIGHT;
use crate::platform::Signals;
use crate::secret::Redactor;
use crate::stdio::reader;
use crate::stdio::writer::Outbox;
use crate::transport::Endpoint;

/// What the bridge needs to know beside its endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Which transport a legacy server is spoken to with.
    pub transport: TransportChoice,
    /// Largest message, in bytes.
    pub max_message: usize,
    /// How long requests in flight may take after the end of stdin.
    pub drain_timeout: Duration,
    /// How long a stream that is being resumed may go without progress.
    pub resume_timeout: Duration,
    /// How long `initialize` may wait for a sign-in before it is answered by us.
    pub initialize_deadline: Duration,
}

/// Everything that the tasks of one bridge share.
pub struct Bridge {
    endpoint: Endpoint,
    access: access::Access,
    settings: Settings,
    ledger: ledger::Ledger,
    outbox: Outbox,
    order: order::Order,
    session: session::Session,
    listener: listener::Listener,
    http_sse: http_sse::HttpSse,
    redactor: Arc<Redactor>,
    /// One permit for each notification or response on its way to the server.
    deliveries: Arc<Semaphore>,
}

/// Relays between `input`/`output` and `endpoint` until `input` ends, a signal comes, or `output`
/// is closed, and then ends in good order.
///
/// # Errors
/// If the operating system gives no thread.
pub async fn run(
    endpoint: Endpoint,
    access: access::Access,
    settings: Settings,
    redactor: Arc<Redactor>,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> std::io::Result<ExitCode> {
    let mut signals = Signals::install()?;
    let mut input = reader::spawn(input, settings.max_message)?;
    let outbox = Outbox::spawn(output)?;
    let bridge = Arc::new(Bridge {
        endpoint,
        access,
        settings,
        ledger: ledger::Ledger::new(outbox.clone()),
        outbox,
        order: order::Order::default(),
        session: session::Session::default(),
        listener: listener::Listener::default(),
        http_sse: http_sse::HttpSse::new(settings.transport),
        redactor,
        deliveries: Arc::new(Semaphore::new(MAX_NOTIFICATIONS_IN_FLIGHT)),
    });
    let stop = router::route(&bridge, &mut input, &mut signals).await;
    Ok(drain::end(&bridge, input.lines, signals, stop).await)
}
