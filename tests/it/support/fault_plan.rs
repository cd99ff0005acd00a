//! Which faults come, and when: all of it follows from a seed.

use std::time::Duration;

/// What goes wrong with one exchange: a request, and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed before the request has reached the server.
    Drop,
    /// It is closed after that, before the response.
    DropResponse,
    /// The response comes so much later.
    Delay(Duration),
    /// What the server sends comes twice: each event of a stream, or the whole response if it has a body,
    /// before the connection ends.
    Duplicate,
    /// The events of a stream change places by twos.
    Reorder,
    /// The connection ends after so many bytes of the response.
    Truncate(usize),
    /// It is reset after so many bytes of it.
    Reset(usize),
    /// Nothing more comes after so many bytes of it, and nothing tells; after this time the connection is
    /// reset, as by a middlebox that has forgotten it.
    HalfOpen(usize, Duration),
    /// The response comes byte by byte.
    Trickle,
    /// This status in place of a response; the server hears nothing.
    Status(u16),
}

impl Fault {
    /// Whether the answer comes all the same, and once.
    pub fn is_harmless(self) -> bool {
        matches!(self, Fault::Delay(_) | Fault::Trickle)
    }

    /// Whether what comes differs from what the server sent in more than where it ends.
    pub fn distorts(self) -> bool {
        matches!(self, Fault::Duplicate | Fault::Reorder)
    }
}

/// Random numbers of a seed (SplitMix64).
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// From the beginning.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// A schedule of faults.
pub struct Plan {
    random: Random,
    /// Exchanges of a hundred that suffer.
    percent: usize,
    /// How many may still do so.
    left: usize,
}

impl Plan {
    /// No faults.
    pub fn none() -> Plan {
        Plan { random: Random::new(0), percent: 0, left: 0 }
    }

    /// The schedule of a seed: up to `most` exchanges suffer one fault or two.
    pub fn of(seed: u64, most: usize) -> Plan {
        let mut random = Random::new(seed);
        let percent = 20 + random.below(80);
        Plan { random, percent, left: most }
    }

    /// What happens with the next exchange. What is `faithful` keeps its order and its number of events.
    pub fn next(&mut self, faithful: bool) -> Vec<Fault> {
        if self.left == 0 || self.random.below(100) >= self.percent {
            return Vec::new();
        }
        self.left -= 1;
        let count = 1 + self.random.below(2);
        (0..count).map(|_| self.one(faithful)).collect()
    }

    fn one(&mut self, faithful: bool) -> Fault {
        let bytes = self.random.below(900);
        let time = Duration::from_millis(1 + self.random.below(300) as u64);
        match self.random.below(if faithful { 8 } else { 10 }) {
            0 => Fault::Drop,
            1 => Fault::DropResponse,
            2 => Fault::Delay(time),
            3 => Fault::Truncate(bytes),
            4 => Fault::Reset(bytes),
            5 => Fault::HalfOpen(bytes, time),
            6 => Fault::Trickle,
            7 => Fault::Status([500, 502, 503, 504][self.random.below(4)]),
            8 => Fault::Duplicate,
            _ => Fault::Reorder,
        }
    }
}

/// The seeds of a test: `MCP_TETHER_FAULT_SEED` replays one, `MCP_TETHER_FAULT_RUNS` asks for so many.
pub fn seeds(usual: u64) -> Vec<u64> {
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    match number("MCP_TETHER_FAULT_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("MCP_TETHER_FAULT_RUNS").unwrap_or(usual)).collect(),
    }
}

/// Runs a test with each seed, and says how to replay the one with which it fails.
pub fn each_seed(usual: u64, test: impl Fn(u64)) {
    struct Name(u64);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("replay with MCP_TETHER_FAULT_SEED={}", self.0);
            }
        }
    }
    for seed in seeds(usual) {
        let _name = Name(seed);
        test(seed);
    }
}
