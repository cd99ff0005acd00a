//! The time of day, for what is compared with other machines or other processes. Everything else is measured with
//! `tokio::time`, whose clock a simulation can hold.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in seconds.
pub fn unix() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(time) = simulated::unix() {
        return time;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A time of day that goes with the clock of tokio.
#[cfg(feature = "simulation")]
pub mod simulated {
    use std::cell::Cell;

    use tokio::time::Instant;

    /// What it is at the start of a schedule.
    pub const START: u64 = 1_800_000_000;

    thread_local! {
        static EPOCH: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// From here on, on this thread, the time of day is [`START`] and goes with tokio's clock.
    pub fn start() {
        EPOCH.set(Some(Instant::now()));
    }

    pub(super) fn unix() -> Option<u64> {
        EPOCH.get().map(|epoch| START + epoch.elapsed().as_secs())
    }
}
