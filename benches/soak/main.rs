//! Soak: many bridges at once, for a long time, with mixed traffic and faults, against a server that can
//! resume streams. Nothing may be lost or doubled, and memory and descriptors stay flat.
//!
//! ```text
//! cargo bench --bench soak -- --minutes 60 --bridges 30 --seed 1
//!     --rate 3             requests in a second of each bridge
//!     --fault-every 45     seconds between two faults of one bridge, on average
//!     --faults all         or none: a quiet network; or requests: those that hit one request at a time
//!     --no-sign-in         a server that asks for no token
//! MCP_TETHER_BIN=/path/to/mcp-tether …            another binary
//! ```
//!
//! Prints one JSON object. The exit status is 1 if something was lost, doubled or wrong; what memory does
//! is for the reader to judge, because a short run says little of it. The seed decides traffic and faults;
//! how they interleave is up to the machine.
//!
//! * [`bridge`]: a bridge and its client, with the account of what was sent and what came.
//! * [`server`], [`seat`], [`log`], [`answers`]: the server, what it knows of each bridge, its streams.
//! * [`realm`]: the authorization server.
//! * [`faults`]: what goes wrong, and when.
//! * [`figures`]: memory, descriptors and processor time.
//! * [`random`]: what the seed decides.

mod answers;
mod bridge;
mod faults;
mod figures;
mod log;
#[expect(dead_code, reason = "the benchmark of the bridge measures more")]
#[path = "../support/process.rs"]
mod process;
mod random;
mod realm;
mod seat;
mod server;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use bridge::Bridge;
use figures::Series;
use random::Random;
use realm::Realm;
use seat::Seat;

/// A soak of a few seconds in which no answer depends on how fast the machine is, for the tests.
#[cfg(test)]
pub fn short() -> Result<bool, Error> {
    let options = Options {
        time: Duration::from_secs(6),
        bridges: 4,
        rate: 8.0,
        faults: Faults::Requests,
        sign_in: false,
        ..Options::default()
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&options))
}

/// An error of the program; the text is all that is needed of it.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Between two looks at memory.
const SAMPLE: Duration = Duration::from_secs(5);

/// A fault that has begun is over after this long.
const CALM: Duration = Duration::from_secs(6);

/// What goes wrong is shown up to so many times.
const SHOWN: usize = 50;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(Error::from).and_then(|runtime| {
        let mut arguments = std::env::args().skip(1);
        if arguments.next().as_deref() == Some("--browse") {
            let address = arguments.next().unwrap_or_default();
            return runtime.block_on(realm::browse(&address)).map(|()| true);
        }
        let options = Options::parse()?;
        runtime.block_on(run(&options))
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the soak and prints what came of it. Gives whether nothing is wrong.
async fn run(options: &Options) -> Result<bool, Error> {
    let program = std::env::var_os("MCP_TETHER_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_mcp-tether")));
    let home = tempfile::tempdir()?;
    let random = |purpose: u64, number: usize| {
        Random::new(options.seed, purpose << 32 | u64::try_from(number).unwrap_or_default())
    };
    let seats = (0..options.bridges).map(|number| Arc::new(Seat::new(random(1, number))));
    let seats: Arc<Vec<Arc<Seat>>> = Arc::new(seats.collect());
    let (listener, origin) = server::listen().await?;
    let realm = if options.sign_in {
        let (listener, issuer) = server::listen().await?;
        let realm = Arc::new(Realm::new(&origin, &issuer));
        tokio::spawn(realm.clone().serve(listener));
        Some(realm)
    } else {
        None
    };
    tokio::spawn(server::serve(listener, seats.clone(), realm.clone()));

    let url = format!("{origin}/mcp");
    let mut bridges = Vec::new();
    for (number, seat) in seats.iter().enumerate() {
        let random = random(2, number);
        bridges.push(Bridge::start(&program, &url, number, home.path(), seat.clone(), random)?);
    }
    for bridge in &mut bridges {
        bridge.ready().await?;
    }
    let began = Instant::now();
    let end = began + options.time;
    let counts = faults::Counts::default();
    for (number, (seat, bridge)) in seats.iter().zip(&bridges).enumerate() {
        tokio::spawn(faults::say(seat.clone(), random(3, number), end));
        seat.lock().hits = options.faults != Faults::None;
        if options.faults == Faults::All {
            let random = random(4, number);
            let schedule = faults::Schedule { random, mean: options.fault_every, end };
            tokio::spawn(faults::inject(seat.clone(), bridge.pid, schedule, counts.clone()));
        }
    }
    let series: Arc<Mutex<Vec<Series>>> =
        Arc::new(Mutex::new(bridges.iter().map(|_| Series::default()).collect()));
    let pids: Vec<u32> = bridges.iter().map(|bridge| bridge.pid).collect();
    let samples = series.clone();
    tokio::spawn(async move {
        while Instant::now() < end {
            for (series, pid) in samples.lock().unwrap().iter_mut().zip(&pids) {
                series.sample(*pid, began);
            }
            tokio::time::sleep(SAMPLE).await;
        }
    });
    let running: Vec<_> = bridges
        .into_iter()
        .map(|mut bridge| {
            let rate = options.rate;
            let rest = if options.faults == Faults::All { CALM } else { Duration::ZERO };
            tokio::spawn(async move {
                bridge.traffic(rate, end).await;
                tokio::time::sleep(end.saturating_duration_since(Instant::now()) + rest).await;
                bridge.settle().await;
                bridge.finish().await
            })
        })
        .collect();
    let mut accounts = Vec::new();
    for account in running {
        accounts.push(account.await?);
    }
    let figures = figures::report(&series.lock().unwrap(), options.time / 5);
    let report = report(options, &accounts, &seats, realm.as_deref(), &counts.lock().unwrap());
    let (mut report, fine) = report;
    report["process"] = json!(figures);
    println!("{report:#}");
    if !fine {
        let kept = home.keep();
        eprintln!("soak: logs of the bridges are kept in {}", kept.display());
    }
    Ok(fine)
}

/// Everything but the figures of the processes, and whether nothing is wrong.
fn report(
    options: &Options,
    accounts: &[bridge::Account],
    seats: &[Arc<Seat>],
    realm: Option<&Realm>,
    counts: &std::collections::BTreeMap<&'static str, u64>,
) -> (Value, bool) {
    let sum = |get: fn(&bridge::Account) -> u64| accounts.iter().map(get).sum::<u64>();
    let mut errors = std::collections::BTreeMap::<&str, u64>::new();
    for (kind, count) in accounts.iter().flat_map(|account| &account.errors) {
        *errors.entry(kind).or_default() += count;
    }
    let mut wrong: Vec<String> = Vec::new();
    let (mut sessions, mut hits, mut unanswered, mut calls) = (0, 0, 0, 0);
    for (number, (account, seat)) in accounts.iter().zip(seats).enumerate() {
        let state = seat.lock();
        wrong.extend(account.wrong.iter().chain(&state.wrong).map(|w| format!("{number}: {w}")));
        sessions += state.sessions;
        hits += state.hit.len();
        calls += state.executed.len();
        for (id, (asked, answers)) in &state.asked {
            if *answers == 0 {
                unanswered += 1;
                if !state.excuses(*asked, *asked + Duration::from_secs(5)) {
                    wrong.push(format!("{number}: the answer to request {id} is lost"));
                }
            }
        }
    }
    let sign_in = realm.map(|realm| {
        realm.state(|state| {
            wrong.extend(state.wrong.iter().cloned());
            if state.sign_ins != 1 {
                wrong.push(format!("a person had to sign in {} times", state.sign_ins));
            }
            json!({
                "signIns": state.sign_ins,
                "refreshes": state.refreshed,
                "requestsWithATokenThatIsOver": state.refused,
            })
        })
    });
    let report = json!({
        "seed": options.seed,
        "minutes": figures::round(options.time.as_secs_f64() / 60.0),
        "bridges": options.bridges,
        "ratePerBridge": options.rate,
        "secondsBetweenFaults": (options.faults == Faults::All).then_some(options.fault_every.as_secs_f64()),
        "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "load": process::load(),
        "traffic": {
            "requests": sum(|a| a.requests),
            "results": sum(|a| a.results),
            "errors": errors,
            "cancelled": sum(|a| a.cancelled),
            "callsCarriedOut": calls,
            "progressNotifications": sum(|a| a.progress),
            "serverMessages": sum(|a| a.notifications),
            "serverRequests": sum(|a| a.questions),
            "serverRequestsWithoutAnswer": unanswered,
            "mebibytesToClients": sum(|a| a.bytes) >> 20,
        },
        "faults": { "ofBridges": counts, "ofRequests": hits, "sessionsMade": sessions },
        "signIn": sign_in,
        "wrong": wrong.iter().take(SHOWN).collect::<Vec<_>>(),
        "wrongInAll": wrong.len(),
    });
    (report, wrong.is_empty())
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Faults {
    None,
    /// Single requests and streams: whatever the machine does, it is known which of them may fail.
    Requests,
    All,
}

struct Options {
    time: Duration,
    bridges: usize,
    seed: u64,
    rate: f64,
    fault_every: Duration,
    faults: Faults,
    sign_in: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            time: Duration::from_secs(60),
            bridges: 30,
            seed: 1,
            rate: 3.0,
            fault_every: Duration::from_secs(45),
            faults: Faults::All,
            sign_in: true,
        }
    }
}

impl Options {
    fn parse() -> Result<Options, Error> {
        let mut options = Options::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--minutes" => options.time = Duration::from_secs(60).mul_f64(value()?.parse()?),
                "--bridges" => options.bridges = value()?.parse()?,
                "--seed" => options.seed = value()?.parse()?,
                "--rate" => options.rate = value()?.parse()?,
                "--fault-every" => {
                    options.fault_every = Duration::from_secs(1).mul_f64(value()?.parse()?);
                }
                "--faults" => {
                    options.faults = match value()?.as_str() {
                        "all" => Faults::All,
                        "requests" => Faults::Requests,
                        "none" => Faults::None,
                        other => {
                            return Err(
                                format!("--faults is all, requests or none, not {other}").into()
                            );
                        }
                    }
                }
                "--no-sign-in" => options.sign_in = false,
                // Cargo adds this one.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "unknown argument {argument}; see the head of benches/soak/main.rs"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}
