//! What the server knows of one bridge: its session, its streams, what it has carried out, and which faults
//! it has suffered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::log::Log;
use super::random::Random;

/// A request that was under way at most this long after a fault may have failed because of it.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Response streams that are kept, the latest ones.
const STREAMS: usize = 200;

/// One bridge, as the server sees it.
pub struct Seat {
    state: Mutex<State>,
    /// Changes when all of its connections are to break.
    pub cut: watch::Sender<u64>,
}

/// What changes.
pub struct State {
    /// Chooses faults and sizes.
    pub random: Random,
    /// The live session.
    pub session: Option<Session>,
    /// Sessions that were made.
    pub sessions: u64,
    /// Everything but `initialize` is refused until then.
    pub storm: Option<Instant>,
    /// How often each `tools/call` was carried out, by its number.
    pub executed: HashMap<u64, u32>,
    /// Requests that may fail, because their connection was broken at a moment at which nobody can know.
    pub doomed: HashSet<u64>,
    /// Whether single requests and streams suffer faults.
    pub hits: bool,
    /// Requests that a fault has hit already: each is hit once.
    pub hit: HashSet<u64>,
    /// Requests of the server, by session and number: when they were asked, and how often answered.
    pub asked: HashMap<String, (Instant, u32)>,
    /// What must not be.
    pub wrong: Vec<String>,
    faults: Vec<(Instant, Instant)>,
    streams: u64,
}

/// A session of the server.
pub struct Session {
    /// Its number, counted from 1.
    pub number: u64,
    /// `Mcp-Session-Id`.
    pub id: String,
    /// Whether `notifications/initialized` has come.
    pub initialized: bool,
    /// Whether the client has subscribed to the resource.
    pub subscribed: bool,
    /// The standalone stream.
    pub standalone: Arc<Log>,
    /// The response streams: name, events, and the JSON text of the id of the request.
    pub streams: VecDeque<(String, Arc<Log>, String)>,
}

impl Seat {
    /// A seat whose faults `random` chooses.
    pub fn new(random: Random) -> Seat {
        let state = State {
            random,
            session: None,
            sessions: 0,
            storm: None,
            executed: HashMap::new(),
            doomed: HashSet::new(),
            hits: false,
            hit: HashSet::new(),
            asked: HashMap::new(),
            wrong: Vec::new(),
            faults: Vec::new(),
            streams: 0,
        };
        Seat { state: Mutex::new(state), cut: watch::Sender::new(0) }
    }

    /// For a moment: nobody waits while holding it.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

impl State {
    /// A fault of the whole seat begins, and lasts so long.
    pub fn fault(&mut self, lasts: Duration) {
        let now = Instant::now();
        self.faults.push((now, now + lasts + AFTERMATH));
    }

    /// Whether something that took place between two moments may have failed by a fault of the seat.
    pub fn excuses(&self, from: Instant, to: Instant) -> bool {
        self.faults.iter().any(|(start, end)| *start <= to && from <= *end)
    }

    /// A new session in place of any other.
    pub fn start_session(&mut self) -> String {
        self.forget();
        self.sessions += 1;
        let number = self.sessions;
        let id = format!("soak-{number}-{:08x}", self.random.below(1 << 32));
        self.session = Some(Session {
            number,
            id: id.clone(),
            initialized: false,
            subscribed: false,
            standalone: Arc::new(Log::new(format!("{number}.s"))),
            streams: VecDeque::new(),
        });
        id
    }

    /// Ends the session and its streams.
    pub fn forget(&mut self) {
        let Some(session) = self.session.take() else { return };
        session.standalone.end();
        session.streams.iter().for_each(|(_, log, _)| log.end());
    }

    /// A stream for the answer to a request.
    pub fn open_stream(&mut self, id: &str) -> Arc<Log> {
        self.streams += 1;
        let session = self.session.as_mut().expect("requests without a session are refused");
        let name = format!("{}.r{}", session.number, self.streams);
        let log = Arc::new(Log::new(name.clone()));
        session.streams.push_back((name, log.clone(), id.to_owned()));
        if session.streams.len() > STREAMS {
            session.streams.pop_front();
        }
        log
    }

    /// Finds the stream and the place in it that an event id names.
    pub fn find(&self, event: &str) -> Option<(Arc<Log>, usize)> {
        let session = self.session.as_ref()?;
        let (name, number) = event.rsplit_once('.')?;
        let seen = number.parse::<usize>().ok()? + 1;
        if name == format!("{}.s", session.number) {
            return Some((session.standalone.clone(), seen));
        }
        let (_, log, _) = session.streams.iter().find(|(known, ..)| known == name)?;
        Some((log.clone(), seen))
    }
}
