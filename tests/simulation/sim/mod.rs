//! A deterministic simulation of the relay core (docs/reliability.md, "Simulation").
//!
//! * [`world`]: one schedule's state: dice, faults, what went wrong; no clock but tokio's, which is paused.
//! * [`server`]: a Streamable HTTP server behind `mcp_tether::http::simulated`, with faults.
//! * [`client`]: a client on stdio, and what it may see.
//! * [`schedule`]: one run of the two with a whole bridge between them, and what is checked at the end.
//! * [`refresh`]: several processes with one store and an authorization server whose refresh tokens are good once.
//! * [`shrink`]: fewer steps and fewer faults that still fail.

pub mod client;
pub mod refresh;
pub mod schedule;
pub mod server;
pub mod shrink;
pub mod world;

/// Which schedule, and what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// At most so many steps of the client.
    pub steps: usize,
    /// Faults that are left out, a bit each.
    pub without: u32,
    /// Whether what happens is written down.
    pub traced: bool,
}

impl Options {
    /// The whole schedule of a seed.
    pub fn of(seed: u64) -> Options {
        Options { seed, steps: usize::MAX, without: 0, traced: false }
    }
}

/// What came of a schedule.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What must not have happened.
    pub violations: Vec<String>,
    /// How often each fault struck.
    pub faults: Vec<u64>,
    /// What happened on the way: transitions by name.
    pub seen: std::collections::BTreeMap<&'static str, u64>,
    /// What happened, if it was written down.
    pub trace: Vec<String>,
    /// Virtual time, in milliseconds.
    pub took: u64,
}

/// A runtime of one thread whose clock stands still until nothing else is left to do.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}
