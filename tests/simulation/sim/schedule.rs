//! One schedule: a client, a whole bridge, a server, and what must hold at the end.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use mcp_tether::auth::client::Identity;
use mcp_tether::auth::{Authorizer, settings};
use mcp_tether::bridge::access::Access;
use mcp_tether::bridge::verdict::{Protocol, Verdict};
use mcp_tether::bridge::{self, Settings, TransportChoice};
use mcp_tether::era::Era;
use mcp_tether::http::simulated::Network;
use mcp_tether::http::{Http, client as connection};
use mcp_tether::limits::{
    DELETE_TIMEOUT, DRAIN_TIMEOUT, INITIALIZE_DEADLINE, MAX_MESSAGE_SIZE, RESUME_TIMEOUT,
    TURN_TIMEOUT,
};
use mcp_tether::platform::Signals;
use mcp_tether::random::simulated as random;
use mcp_tether::secret::Redactor;
use mcp_tether::stdio::reader;
use mcp_tether::stdio::writer::Outbox;
use mcp_tether::supply::{Sources, Supplier};
use mcp_tether::transport::Endpoint;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::client::{Writer, read};
use super::server::Wire;
use super::world::{Fault, State, World};
use super::{Options, Outcome, runtime};

/// How long everything may take once nothing goes wrong any more: resuming, its last chance, a delivery, recovery.
const CALM: Duration = Duration::from_secs(900);

/// From the end of input to the end of the process (docs/reference.md, "The end"), with what rounding takes.
const END: Duration = Duration::from_millis(7200);

/// When nothing may be left of a bridge whose process has ended: the longest of its tasks.
const GONE: Duration = Duration::from_secs(900);

/// Runs a schedule.
pub fn run(options: &Options) -> Outcome {
    let runtime = runtime();
    let outcome = runtime.block_on(run_here(options));
    drop(runtime);
    outcome
}

async fn run_here(options: &Options) -> Outcome {
    random::seed(options.seed ^ 0x5eed);
    mcp_tether::clock::simulated::start();
    let world = World::new(options);
    let (lines, input) = reader::simulated();
    let (outbox, inbox) = Outbox::channel(None);
    let (signal, signals) = unbounded_channel();
    let modern = world.state().server.modern;
    let protocol = match world.state().pick(3) {
        _ if modern => Protocol::Only(Era::Modern),
        0 => Protocol::Auto,
        _ => Protocol::Only(Era::Legacy),
    };
    let network: Arc<dyn Network> = Arc::new(Wire(world.clone()));
    let parts = (input, outbox, Signals::simulated(signals));
    let (remains, process) = the_bridge(network, protocol, parts);
    let mut process = tokio::spawn(process);
    tokio::spawn(read(world.clone(), inbox));

    let mut writer = Writer::new(world.clone(), lines);
    let steps = {
        let mut state = world.state();
        (3 + state.pick(30) as usize).min(options.steps)
    };
    writer.open().await;
    for _ in 0..steps {
        writer.step().await;
        if process.is_finished() {
            break;
        }
    }
    let early = world.state().strikes(Fault::EarlyEnd);
    if !early {
        world.state().calm = true;
        writer.wait_for(CALM, |state| waiting(state).next().is_none()).await;
        waited_for(&mut world.state());
    }
    world.state().ending = true;
    let ends = Instant::now();
    world.state().note(|| "the end begins".into());
    let signalled = early && world.state().chance(300);
    if signalled {
        let _ = signal.send(15);
    } else {
        writer.end();
    }
    let ended = timeout(Duration::from_secs(120), &mut process).await;
    {
        let mut state = world.state();
        match ended {
            Ok(Ok(code)) => state.note(|| format!("ended: {code:?}")),
            Ok(Err(error)) => state.violation(format!("the bridge panicked: {error}")),
            Err(_) => state.violation("the bridge did not end".into()),
        }
        let took = ends.elapsed();
        if took > END {
            state.violation(format!("the end took {} ms", took.as_millis()));
        }
        at_the_end(&mut state);
        state.over = true;
    }
    // A request to a stateless server that never answers is closed by the end of the process alone.
    let excused = modern && !world.state().server.stalled.is_empty();
    let gone = Instant::now() + if excused { Duration::ZERO } else { GONE };
    while !remains.are_gone() && Instant::now() < gone {
        sleep(Duration::from_secs(1)).await;
    }
    if !remains.are_gone() && !excused {
        let open = remains.open();
        world
            .state()
            .violation(format!("something of the bridge is left, and {open} requests are open"));
    }
    world.outcome()
}

/// A bridge as `mcp-tether URL` makes it, without sign-in.
fn the_bridge(
    network: Arc<dyn Network>,
    protocol: Protocol,
    parts: (reader::Input, Outbox, Signals),
) -> (bridge::Remains, impl Future<Output = mcp_tether::error::ExitCode>) {
    let url = Url::parse("http://server.example:80/mcp").expect("a URL");
    let redactor = Arc::new(Redactor::default());
    let connection = connection(network);
    let http = Http::new(&connection, &url, redactor.clone()).expect("no TLS is set up");
    let supplier = Supplier::new(Sources::default(), None, redactor.clone());
    let endpoint =
        Endpoint::new(http, url.clone(), HeaderMap::new(), MAX_MESSAGE_SIZE, redactor.clone())
            .with_supplied(supplier.headers());
    let authorizer = Authorizer::new(
        sign_in(url.clone(), settings::Mode::Off),
        &connection,
        None,
        redactor.clone(),
    );
    let access = Access::new(Arc::new(authorizer), supplier, None);
    let verdict = Verdict::new(protocol, None, url.to_string());
    let settings = Settings {
        transport: TransportChoice::Http,
        max_message: MAX_MESSAGE_SIZE,
        drain_timeout: DRAIN_TIMEOUT,
        resume_timeout: RESUME_TIMEOUT,
        initialize_deadline: INITIALIZE_DEADLINE,
        protocol,
        keep_alive: None,
    };
    bridge::simulated(endpoint, access, verdict, settings, redactor, parts)
}

/// How to connect: over `network`.
pub fn connection(network: Arc<dyn Network>) -> connection::Settings {
    connection::Settings {
        connect_timeout: Duration::from_secs(10),
        ca_certs: Vec::new(),
        ambient_ca_certs: Vec::new(),
        client_cert: None,
        withholds_cert: false,
        ipv4: false,
        cookies: false,
        public_only: false,
        observer: None,
        signs_in: false,
        network: Some(network),
    }
}

/// How to sign in to `server`: with what is stored, or not at all.
pub fn sign_in(server: Url, mode: settings::Mode) -> settings::Settings {
    settings::Settings {
        mode,
        server,
        called: None,
        profile: String::new(),
        identity: Identity {
            given: None,
            auth: None,
            basic: false,
            metadata_url: None,
            name: "model".into(),
            members: Default::default(),
        },
        client_secret: None,
        unattended: None,
        openid: None,
        managed: None,
        scope: None,
        resource: settings::ResourceParameter::AsPublished,
        auth_params: Vec::new(),
        token_params: Vec::new(),
        allow_missing_pkce_metadata: false,
        allow_http: true,
        dpop: Default::default(),
        use_id_token: false,
        callback: Default::default(),
        success_url: None,
        browser: None,
        device_code: false,
        auth_timeout: Duration::from_secs(300),
    }
}

/// The requests that are open, and not because the server never answers them.
fn waiting(state: &State) -> impl Iterator<Item = (u64, &'static str)> {
    let open = state
        .asked
        .iter()
        .filter(|(n, asked)| asked.is_open() && !state.server.stalled.contains(n));
    open.map(|(n, asked)| (*n, asked.method))
}

/// Nothing has gone wrong for a long time: who has no answer waits for a server that gives none.
fn waited_for(state: &mut State) {
    let open: Vec<(u64, &str)> = waiting(state).collect();
    for (n, method) in open {
        state.violation(format!("{n} ({method}) waits for nothing"));
    }
    // Then everything was answered by the server, unless something has happened that it cannot make good.
    if state.only_harmless() && state.server.never_loses() {
        state.see("schedules where every answer must be the server's");
        let failed: Vec<u64> = state
            .asked
            .iter()
            .filter(|(_, asked)| asked.answers > 0 && !asked.by_server)
            .map(|(n, _)| *n)
            .collect();
        for n in failed {
            state.violation(format!("{n} failed, but every stream could be resumed"));
        }
    }
}

/// Whether what sets a session up may have been sent again, after others: in another session, or because two
/// connections for it were refused.
fn may_come_later(state: &State) -> bool {
    state.struck(Fault::Restart) > 0 || state.struck(Fault::Refuse) > 1
}

/// What holds for every schedule.
fn at_the_end(state: &mut State) {
    let mut wrong = Vec::new();
    for (n, asked) in &state.asked {
        if asked.is_open() {
            wrong.push(format!("{n} ({}) is not answered", asked.method));
        }
    }
    for (name, session) in &state.server.sessions {
        // What came in the last moment of a process is ended by nobody.
        let told = session.told.is_some_and(|at| at.elapsed() > DELETE_TIMEOUT);
        if *name > 0 && session.alive && told && !session.ended {
            wrong.push(format!("session {name} is left behind"));
        }
    }
    for (at, later) in state.arrivals.iter().enumerate() {
        // Who comes here later was overtaken.
        for overtaken in &state.arrivals[at + 1..] {
            // Who has waited that long leaves all the same.
            let waited = state.written.get(&later.n).map(|at| later.at.duration_since(*at));
            let excused = later.early
                || waited.is_some_and(|waited| waited >= TURN_TIMEOUT)
                || (state.is_repeated(overtaken.n) && may_come_later(state))
                || state.server.touched.contains(&overtaken.n)
                || state.server.touched.contains(&later.n)
                || overtaken.at.duration_since(later.at) > Duration::from_secs(10);
            if overtaken.n < later.n && (overtaken.barrier || later.barrier) && !excused {
                wrong.push(format!("{} has overtaken {}", later.n, overtaken.n));
            }
        }
    }
    for text in wrong {
        state.violation(text);
    }
}
