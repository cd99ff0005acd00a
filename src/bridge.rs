//! Wiring and life cycle: stdin on one side, a remote endpoint on the other.
//!
//! * [`access`]: the right to send, and what to do while a person signs in.
//! * [`router`]: what happens to a line from stdin.
//! * [`order`]: which message may leave when (pure but for the waiting).
//! * [`ledger`]: every request is answered exactly once.
//! * [`exchange`]: the life of one request: sending, repeating; [`attempt`]: sending it once.
//!   [`workspace`]: the memory for that.
//! * [`follow`]: the event stream of one request, and resuming it.
//! * [`delivery`]: the life of one notification or response of the client.
//! * [`inbound`]: what happens to a message from the server.
//! * [`listener`]: the standalone event stream.
//! * [`http_sse`]: sessions over the deprecated HTTP+SSE transport.
//! * [`session`]: what a session is, and [`recovery`]: making a new one when the server lost it;
//!   [`completion`]: what one still lacks after a fault of the network.
//! * [`shaping`]: what of the server the client gets to see; [`keep_alive`]: pings of ours.
//! * [`drain`]: the end.
//! * [`attached`]: a bridge whose client is in this process.
//!
//! Where the client and the server are of different eras:
//!
//! * [`path`]: how messages get to the server; [`detection`]: finding that out.
//! * [`verdict`]: of which era the server is, kept between starts.
//! * [`translation`]: carrying out what an adapter of [`crate::era`] asks for, [`timers`] among it.
//! * [`stateless`]: the life of one request to a modern server, and [`subscription`]: of one that
//!   stays open.

pub mod access;
pub mod attached;
pub mod attempt;
pub mod completion;
pub mod delivery;
pub mod detection;
pub mod drain;
pub mod exchange;
pub mod follow;
pub mod http_sse;
pub mod inbound;
pub mod keep_alive;
pub mod ledger;
pub mod listener;
pub mod order;
pub mod path;
pub mod recovery;
pub mod router;
pub mod session;
pub mod shaping;
pub mod stateless;
pub mod subscription;
pub mod timers;
pub mod translation;
pub mod verdict;
pub mod workspace;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{RwLock, Semaphore};

pub use attached::Attached;
pub use http_sse::TransportChoice;

use crate::era::Era;
use crate::era::headers::ToolHeaders;
use crate::error::ExitCode;
use crate::jsonrpc::Message;
use crate::limits::{
    MAX_LINK_REQUESTS, MAX_NOTIFICATIONS_IN_FLIGHT, MAX_REQUESTS_IN_FLIGHT,
    MAX_TRANSLATED_IN_FLIGHT,
};
use crate::platform::Signals;
use crate::secret::Redactor;
use crate::shape::Shape;
use crate::stdio::Streams;
use crate::stdio::reader::Input;
use crate::stdio::writer::Outbox;
use crate::tasks;
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
    /// The era of the server, if it need not be asked.
    pub protocol: verdict::Protocol,
    /// After how much time without a request the server is pinged, if it is.
    pub keep_alive: Option<Duration>,
}

/// Everything that the tasks of one bridge share. A translation has further bridges to the same
/// server, its links, whose output goes to it.
pub struct Bridge {
    endpoint: Arc<Endpoint>,
    access: Arc<access::Access>,
    settings: Settings,
    verdict: Arc<verdict::Verdict>,
    paths: path::Paths,
    /// What a modern server's tools want mirrored.
    tools: Mutex<ToolHeaders>,
    ledger: ledger::Ledger,
    outbox: Outbox,
    order: order::Order,
    workspaces: workspace::Workspaces,
    session: session::Session,
    listener: listener::Listener,
    /// How a modern server took a subscription.
    heard: subscription::Heard,
    http_sse: http_sse::HttpSse,
    redactor: Arc<Redactor>,
    /// One permit for each notification or response on its way to the server.
    deliveries: Arc<Semaphore>,
    /// How many there are.
    permits: usize,
    /// Held for reading while something is ended in the background.
    goodbyes: Arc<RwLock<()>>,
    /// Of a link: whom to tell that the server is of the other era after all.
    alarm: Option<translation::Alarm>,
    /// What the client gets to see.
    shape: Option<Arc<Shape>>,
}

/// Relays between `streams` and `endpoint` until the input ends, a signal comes, or the output
/// is closed, and then ends in good order.
///
/// # Errors
/// If the operating system gives no thread.
pub async fn run(
    endpoint: Endpoint,
    access: access::Access,
    verdict: verdict::Verdict,
    settings: Settings,
    shape: Option<Shape>,
    redactor: Arc<Redactor>,
    streams: Streams<impl Read + Send + 'static, impl Write + Send + 'static>,
) -> std::io::Result<ExitCode> {
    let signals = Signals::install()?;
    let (input, outbox) = streams.spawn(settings.max_message)?;
    let shape = shape.map(Arc::new);
    let bridge = Bridge::new(endpoint, access, verdict, settings, shape, redactor, outbox);
    // A task of its own: what is waited for outside of tasks has its turn after all of them.
    let relaying = tasks::spawn(async move { relay(&bridge, input, signals).await });
    match relaying.await {
        Ok(code) => Ok(code),
        Err(error) => Err(match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, which only its owner does.
            Err(error) => error.into(),
        }),
    }
}

/// From the first line to the end of the process.
async fn relay(bridge: &Arc<Bridge>, mut input: Input, mut signals: Signals) -> ExitCode {
    let stop = {
        let pinging = async {
            if let Some(interval) = bridge.settings.keep_alive {
                bridge.clone().keep_alive(interval).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            stop = router::route(bridge, &mut input, &mut signals) => stop,
            never = pinging => never,
        }
    };
    drain::end(bridge, input.lines, signals, stop).await
}

/// What is left of a bridge whose process has come to its end.
#[cfg(feature = "simulation")]
#[derive(Clone)]
pub struct Remains(std::sync::Weak<Bridge>);

#[cfg(feature = "simulation")]
impl Remains {
    /// Whether no task holds the bridge any more: its ledger, its order and its sessions are gone.
    pub fn are_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Requests of the client that are open.
    pub fn open(&self) -> usize {
        self.0.upgrade().map_or(0, |bridge| bridge.ledger.count())
    }
}

/// As [`run`], for a simulated process: over queues in the place of pipes. The second half is the process.
#[cfg(feature = "simulation")]
pub fn simulated(
    endpoint: Endpoint,
    access: access::Access,
    verdict: verdict::Verdict,
    settings: Settings,
    redactor: Arc<Redactor>,
    (input, outbox, signals): (Input, Outbox, Signals),
) -> (Remains, impl Future<Output = ExitCode>) {
    let bridge = Bridge::new(endpoint, access, verdict, settings, None, redactor, outbox);
    let remains = Remains(Arc::downgrade(&bridge));
    (remains, async move { relay(&bridge, input, signals).await })
}

impl Bridge {
    /// A bridge to a server about which nothing is known but `verdict`, whose output goes to
    /// `outbox`.
    fn new(
        endpoint: Endpoint,
        access: access::Access,
        verdict: verdict::Verdict,
        settings: Settings,
        shape: Option<Arc<Shape>>,
        redactor: Arc<Redactor>,
        outbox: Outbox,
    ) -> Arc<Bridge> {
        Arc::new(Bridge {
            endpoint: Arc::new(endpoint),
            access: Arc::new(access),
            settings,
            verdict: Arc::new(verdict),
            paths: path::Paths::default(),
            tools: Mutex::default(),
            ledger: ledger::Ledger::new(outbox.clone(), MAX_REQUESTS_IN_FLIGHT)
                .shaped(shape.clone()),
            outbox,
            order: order::Order::default(),
            workspaces: workspace::Workspaces::default(),
            session: session::Session::default(),
            listener: listener::Listener::default(),
            heard: subscription::Heard::default(),
            http_sse: http_sse::HttpSse::new(settings.transport),
            redactor,
            deliveries: Arc::new(Semaphore::new(MAX_NOTIFICATIONS_IN_FLIGHT)),
            permits: MAX_NOTIFICATIONS_IN_FLIGHT,
            goodbyes: Arc::default(),
            alarm: None,
            shape,
        })
    }

    /// Whether a request of the client opens a session.
    fn opens(&self, request: &Message) -> bool {
        request.method() == Some("initialize") && self.paths.client() == Era::Legacy
    }

    /// Whether this is a link of a translation.
    fn is_link(&self) -> bool {
        self.alarm.is_some()
    }

    /// A further bridge to the same server, in its own era, whose output goes to `outbox`.
    fn linked(&self, era: Era, outbox: Outbox, alarm: translation::Alarm) -> Arc<Bridge> {
        Arc::new(Bridge {
            endpoint: self.endpoint.clone(),
            access: self.access.clone(),
            settings: self.settings,
            verdict: self.verdict.clone(),
            paths: path::Paths::fixed(era),
            tools: Mutex::default(),
            ledger: ledger::Ledger::new(outbox.clone(), MAX_LINK_REQUESTS),
            outbox,
            order: order::Order::default(),
            workspaces: workspace::Workspaces::default(),
            session: session::Session::default(),
            listener: listener::Listener::default(),
            heard: subscription::Heard::default(),
            http_sse: http_sse::HttpSse::new(self.settings.transport),
            redactor: self.redactor.clone(),
            deliveries: Arc::new(Semaphore::new(MAX_TRANSLATED_IN_FLIGHT)),
            permits: MAX_TRANSLATED_IN_FLIGHT,
            goodbyes: self.goodbyes.clone(),
            alarm: Some(alarm),
            shape: None,
        })
    }
}
