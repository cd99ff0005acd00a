//! The state of one schedule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mcp_tether::random::simulated::step;
use tokio::time::Instant;

use super::client::Asked;
use super::server::{Arrival, Server};
use super::{Options, Outcome};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Fault {
    /// The connection is refused.
    Refuse,
    /// It breaks before the request gets there.
    CutBefore,
    /// It breaks after the request was carried out, before the response.
    CutAfter,
    /// A JSON body breaks off.
    CutJson,
    /// A stream breaks between two events.
    CutBody,
    /// A stream breaks within an event.
    CutEvent,
    /// The server closes a stream and names a `retry`.
    CloseRetry,
    /// It closes the standalone stream.
    GetEnds,
    /// It sends events again that it has sent before, when a stream is resumed.
    Duplicate,
    /// A request is on its way for 0.3 s to 70 s.
    Delay,
    /// A response never begins.
    Stall,
    /// A stream never goes on.
    StreamStall,
    /// The server restarts, and knows no session any more.
    Restart,
    /// The server cannot be reached for up to a minute.
    Down,
    /// 429, most with `Retry-After`.
    TooMany,
    /// 503, some with `Retry-After`.
    Unavailable,
    /// 500 or 502.
    ServerError,
    /// 401.
    Unauthorized,
    /// 202 to a request, whose answer comes on the standalone stream.
    Elsewhere,
    /// An answer of 300 KB.
    Large,
    /// The client does not read for a while.
    SlowClient,
    /// The client takes a request back.
    Cancel,
    /// The client begins anew.
    Anew,
    /// The input ends, or a signal comes, with requests in flight.
    EarlyEnd,
    /// A process is killed while it refreshes a token.
    Kill,
}

/// All of them, with their names.
pub const FAULTS: [(Fault, &str); 25] = [
    (Fault::Refuse, "connection refused"),
    (Fault::CutBefore, "cut before the request arrived"),
    (Fault::CutAfter, "cut after it was carried out"),
    (Fault::CutJson, "JSON body cut off"),
    (Fault::CutBody, "stream cut between events"),
    (Fault::CutEvent, "stream cut within an event"),
    (Fault::CloseRetry, "stream closed with `retry`"),
    (Fault::GetEnds, "standalone stream ended"),
    (Fault::Duplicate, "events sent again"),
    (Fault::Delay, "request delayed"),
    (Fault::Stall, "response never begins"),
    (Fault::StreamStall, "stream never goes on"),
    (Fault::Restart, "server restarted"),
    (Fault::Down, "server down"),
    (Fault::TooMany, "429"),
    (Fault::Unavailable, "503"),
    (Fault::ServerError, "500, 502"),
    (Fault::Unauthorized, "401"),
    (Fault::Elsewhere, "202, answer elsewhere"),
    (Fault::Large, "answer of 300 KB"),
    (Fault::SlowClient, "client does not read"),
    (Fault::Cancel, "request taken back"),
    (Fault::Anew, "client begins anew"),
    (Fault::EarlyEnd, "end with requests in flight"),
    (Fault::Kill, "process killed"),
];

/// Faults after which, on a server that resumes streams, every request is answered by the server all the same.
const HARMLESS: [Fault; 9] = [
    Fault::CutBody,
    Fault::CutEvent,
    Fault::CloseRetry,
    Fault::GetEnds,
    Fault::Duplicate,
    Fault::Large,
    Fault::SlowClient,
    Fault::Cancel,
    Fault::EarlyEnd,
];

/// One schedule. Nothing is ever locked across a wait.
pub struct World {
    state: Mutex<State>,
}

pub struct State {
    dice: u64,
    /// How likely each fault is, in thousandths.
    rates: [u64; FAULTS.len()],
    without: u32,
    struck: [u64; FAULTS.len()],
    /// No more faults.
    pub calm: bool,
    /// The client has closed its output, and reads what comes until the end.
    pub ending: bool,
    /// The bridge has ended: what it still does, no process would.
    pub over: bool,
    start: Instant,
    trace: Option<Vec<String>>,
    violations: Vec<String>,
    seen: BTreeMap<&'static str, u64>,
    pub server: Server,
    /// Requests of the client, by their number.
    pub asked: BTreeMap<u64, Asked>,
    /// The last event of each stream that the client has.
    pub streams: BTreeMap<String, i64>,
    /// Questions of the server that the client has not answered.
    pub questions: VecDeque<String>,
    /// What the server has taken, in order.
    pub arrivals: Vec<Arrival>,
    /// When each notification and response was written.
    pub written: BTreeMap<u64, Instant>,
    /// The `notifications/initialized` of the client, which the bridge repeats in new sessions.
    pub initialized: BTreeSet<u64>,
}

impl World {
    pub fn new(options: &Options) -> Arc<World> {
        let mut dice = options.seed;
        // Each schedule has some of the faults, with rates of its own: what hides a defect is often another fault.
        let mut rates = [0; FAULTS.len()];
        let quiet = step(&mut dice).is_multiple_of(10);
        let only_harmless = step(&mut dice).is_multiple_of(8);
        for (fault, _) in FAULTS {
            let (with, rate) =
                (step(&mut dice) % 100 < 35, [20, 80, 250][step(&mut dice) as usize % 3]);
            let barred = quiet || (only_harmless && !HARMLESS.contains(&fault));
            rates[fault as usize] = match fault {
                _ if barred || !with => 0,
                Fault::Large => rate / 5,
                Fault::Restart | Fault::Down | Fault::Anew => rate / 4,
                Fault::Unauthorized | Fault::Stall => rate / 2,
                Fault::EarlyEnd => rate * 4,
                _ => rate,
            };
        }
        let server = Server::new(&mut dice);
        Arc::new(World {
            state: Mutex::new(State {
                dice,
                rates,
                without: options.without,
                struck: [0; FAULTS.len()],
                calm: false,
                ending: false,
                over: false,
                start: Instant::now(),
                trace: options.traced.then(Vec::new),
                violations: Vec::new(),
                seen: BTreeMap::new(),
                server,
                asked: BTreeMap::new(),
                streams: BTreeMap::new(),
                questions: VecDeque::new(),
                arrivals: Vec::new(),
                written: BTreeMap::new(),
                initialized: BTreeSet::new(),
            }),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no schedule panics while it holds its state")
    }

    pub fn outcome(&self) -> Outcome {
        let mut state = self.state();
        let took = state.start.elapsed().as_millis() as u64;
        Outcome {
            violations: std::mem::take(&mut state.violations),
            faults: state.struck.to_vec(),
            seen: std::mem::take(&mut state.seen),
            trace: state.trace.take().unwrap_or_default(),
            took,
        }
    }
}

impl State {
    /// A number below `limit`.
    pub fn pick(&mut self, limit: u64) -> u64 {
        step(&mut self.dice) % limit
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        self.pick(1000) < thousandths
    }

    /// Whether a fault strikes here.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let drawn = self.pick(1000) < self.rates[fault as usize];
        let strikes =
            drawn && !self.calm && !self.over && self.without & (1 << fault as usize) == 0;
        if strikes {
            self.struck[fault as usize] += 1;
            self.note(|| format!("fault: {}", FAULTS[fault as usize].1));
        }
        strikes
    }

    /// Whether nothing has struck but what a server that resumes makes good.
    pub fn only_harmless(&self) -> bool {
        FAULTS
            .iter()
            .all(|(fault, _)| self.struck[*fault as usize] == 0 || HARMLESS.contains(fault))
    }

    /// Whether the bridge repeats a message in a new session, even where it never arrived before.
    pub fn is_repeated(&self, n: u64) -> bool {
        let state = ["logging/setLevel", "resources/subscribe"];
        self.initialized.contains(&n)
            || self.asked.get(&n).is_some_and(|asked| state.contains(&asked.method))
    }

    /// Whether nothing has struck.
    pub fn is_untouched(&self) -> bool {
        self.struck.iter().all(|count| *count == 0)
    }

    pub fn struck(&self, fault: Fault) -> u64 {
        self.struck[fault as usize]
    }

    /// How long something is on its way: less than the head start that requests have.
    pub fn latency(&mut self) -> Duration {
        Duration::from_millis(match self.pick(4) {
            0 => 0,
            1 => 1 + self.pick(3),
            _ => self.pick(40),
        })
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9} ms  {}", self.start.elapsed().as_millis(), text()));
        }
    }

    pub fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn violation(&mut self, text: String) {
        self.note(|| format!("VIOLATION: {text}"));
        self.violations.push(text);
    }
}
