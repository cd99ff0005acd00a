//! What the server does to a bridge, at times that the seed decides, and what it says meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::random::Random;
use super::seat::Seat;

/// The mean time between two messages of the server to one bridge.
const SAYING: Duration = Duration::from_millis(1500);

/// How often each fault was injected.
pub type Counts = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// When the faults of one bridge come.
pub struct Schedule {
    /// Chooses them.
    pub random: Random,
    /// The mean time between two.
    pub mean: Duration,
    /// None comes later.
    pub end: Instant,
}

/// Injects faults into one bridge.
pub async fn inject(seat: Arc<Seat>, pid: u32, schedule: Schedule, counts: Counts) {
    let mut random = schedule.random;
    loop {
        let wait = random.arrival(schedule.mean);
        if Instant::now() + wait > schedule.end {
            return;
        }
        tokio::time::sleep(wait).await;
        let seconds = |from, to| (Duration::from_secs(from), Duration::from_secs(to));
        let name = match random.below(4) {
            0 => {
                seat.lock().fault(Duration::ZERO);
                seat.cut();
                "all connections reset"
            }
            1 => {
                let (from, to) = seconds(1, 4);
                let lasts = random.between(from, to);
                let mut state = seat.lock();
                state.fault(lasts);
                state.storm = Some(Instant::now() + lasts);
                "storm of 5xx"
            }
            2 => {
                let mut state = seat.lock();
                state.fault(Duration::ZERO);
                state.forget();
                "session forgotten"
            }
            _ => {
                let (from, to) = seconds(1, 5);
                let lasts = random.between(from, to);
                seat.lock().fault(lasts + Duration::from_secs(1));
                if signal(pid, true) {
                    seat.cut();
                    tokio::time::sleep(lasts).await;
                    signal(pid, false);
                }
                "sleep"
            }
        };
        *counts.lock().unwrap().entry(name).or_default() += 1;
    }
}

/// Stops a process, or lets it go on.
#[cfg(unix)]
fn signal(pid: u32, stop: bool) -> bool {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = if stop { Signal::STOP } else { Signal::CONT };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Elsewhere nothing sleeps.
#[cfg(not(unix))]
fn signal(_: u32, _: bool) -> bool {
    false
}

/// Sends numbered messages on the standalone stream until `end`: notifications of several kinds, and requests.
pub async fn say(seat: Arc<Seat>, mut random: Random, end: Instant) {
    while Instant::now() < end {
        tokio::time::sleep(random.arrival(SAYING)).await;
        let mut state = seat.lock();
        let now = Instant::now();
        let Some(session) = state.session.as_ref().filter(|session| session.initialized) else {
            continue;
        };
        let number = session.standalone.messages() + 1;
        let place = format!(r#""session":{},"number":{number}"#, session.number);
        let log = session.standalone.clone();
        let id = format!("{}.{number}", session.number);
        let notification = |method: &str| {
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{{place}}}}}"#)
        };
        let message = match random.below(10) {
            0..5 => notification("message"),
            5..7 if session.subscribed => notification("resources/updated"),
            5..7 => notification("message"),
            7 => notification("tools/list_changed"),
            _ => {
                state.asked.insert(id.clone(), (now, 0));
                format!(
                    r#"{{"jsonrpc":"2.0","id":"{id}","method":"roots/list","params":{{{place}}}}}"#
                )
            }
        };
        log.push(&message);
    }
}
