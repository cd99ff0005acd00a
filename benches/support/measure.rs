//! The measurements. Each alternates between direct HTTP and the bridge, so that both see the
//! same moods of the machine, and gives rows for the report.

use std::ffi::OsStr;
use std::time::Duration;

use super::direct::Direct;
use super::report::{Row, Target, Unit};
use super::server::Server;
use super::stdio::Bridge;
use super::wire::{self, Tool};
use super::{Error, goals, process, start};

/// Requests under way at a time in the measurement of throughput.
const IN_FLIGHT: usize = 64;

/// A bridge with nothing to do has settled after this long.
const SETTLED: Duration = Duration::from_secs(1);

/// How often everything is done.
#[derive(Clone, Copy)]
pub struct Effort {
    starts: usize,
    rounds: usize,
    sequential: usize,
    parallel: usize,
    notifications: usize,
}

impl Effort {
    /// Takes about half a minute; the figures can be compared.
    pub const FULL: Effort = Effort {
        starts: 20,
        rounds: 7,
        sequential: 1000,
        parallel: 20_000,
        notifications: 1_000_000,
    };

    /// Takes a few seconds; shows that everything runs.
    pub const QUICK: Effort =
        Effort { starts: 5, rounds: 2, sequential: 200, parallel: 2_000, notifications: 100_000 };
}

/// The measurements, by the names that `--only` takes.
pub const ALL: [(&str, Measurement); 8] = [
    ("start", start),
    ("latency", latency),
    ("requests", requests),
    ("notifications", notifications),
    ("traced", traced),
    ("large", large),
    ("memory", memory),
    ("size", size),
];

/// One measurement.
pub type Measurement = fn(&OsStr, &Server, Effort) -> Result<Vec<Row>, Error>;

fn start(program: &OsStr, _: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let median = |times: Vec<Duration>| middle(times.iter().map(Duration::as_secs_f64).collect());
    // The first ones fill the page cache.
    start::to_version(program, 2)?;
    let version = median(start::to_version(program, effort.starts)?);
    let http = median(start::to_first_byte(program, "http", effort.starts)?);
    let https = median(start::to_first_byte(program, "https", effort.starts)?);
    Ok(vec![
        Row::new("exec to end of --version", Unit::Milliseconds).bridged(version),
        Row::new("exec to first POST", Unit::Milliseconds)
            .bridged(http)
            .target(goals::FIRST_POST.goal),
        Row::new("exec to first TLS byte (https)", Unit::Milliseconds).bridged(https),
    ])
}

fn latency(program: &OsStr, server: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let mut direct = Direct::connect(&server.url())?;
    let mut bridge = Bridge::connect(program, &server.url())?;
    direct.sequential(effort.sequential)?;
    bridge.sequential(effort.sequential)?;
    let (mut alone, mut bridged) = (Vec::new(), Vec::new());
    // Short turns: a disturbance then falls on both.
    for _ in 0..effort.rounds * 10 {
        alone.extend(direct.sequential(effort.sequential / 10)?);
        bridged.extend(bridge.sequential(effort.sequential / 10)?);
    }
    alone.sort_unstable();
    bridged.sort_unstable();
    let row = |name, percent| {
        Row::new(name, Unit::Microseconds)
            .direct(percentile(&alone, percent).as_secs_f64())
            .bridged(percentile(&bridged, percent).as_secs_f64())
    };
    Ok(vec![
        row("latency of a call, p50", 50).target(goals::LATENCY.goal),
        row("latency of a call, p99", 99),
    ])
}

fn requests(program: &OsStr, server: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let mut direct = Direct::connect(&server.url())?;
    let mut bridge = Bridge::connect(program, &server.url())?;
    // Opens the connections.
    direct.parallel(effort.parallel / 10, IN_FLIGHT)?;
    bridge.parallel(effort.parallel / 10, IN_FLIGHT)?;
    compare(
        ["requests/s, 64 in flight", "CPU per request"],
        effort,
        &mut direct,
        &mut bridge,
        effort.parallel,
        |direct| direct.parallel(effort.parallel, IN_FLIGHT),
        |bridge| bridge.parallel(effort.parallel, IN_FLIGHT),
    )
    .map(|[rate, cpu]| vec![rate.target(goals::REQUESTS.goal), cpu.target(goals::CPU.goal)])
}

fn notifications(program: &OsStr, server: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let mut direct = Direct::connect(&server.url())?;
    let mut bridge = Bridge::connect(program, &server.url())?;
    let burst = Tool::Burst(effort.notifications);
    compare(
        ["notifications/s to the client", "CPU per notification"],
        effort,
        &mut direct,
        &mut bridge,
        effort.notifications,
        |direct| direct.call(burst),
        |bridge| bridge.call(burst),
    )
    .map(|[rate, cpu]| vec![rate.target(goals::NOTIFICATIONS.goal), cpu])
}

/// Requests and notifications with `--trace`.
fn traced(program: &OsStr, server: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("trace");
    let more = [OsStr::new("--trace"), file.as_os_str()];
    let mut direct = Direct::connect(&server.url())?;
    let mut bridge = Bridge::connect_with(program, &server.url(), &more)?;
    direct.parallel(effort.parallel / 10, IN_FLIGHT)?;
    bridge.parallel(effort.parallel / 10, IN_FLIGHT)?;
    let requests = compare(
        ["requests/s, with --trace", "CPU per request, with --trace"],
        effort,
        &mut direct,
        &mut bridge,
        effort.parallel,
        |direct| direct.parallel(effort.parallel, IN_FLIGHT),
        |bridge| bridge.parallel(effort.parallel, IN_FLIGHT),
    )?;
    let burst = Tool::Burst(effort.notifications);
    let notifications = compare(
        ["notifications/s, with --trace", "CPU per notification, with --trace"],
        effort,
        &mut direct,
        &mut bridge,
        effort.notifications,
        |direct| direct.call(burst),
        |bridge| bridge.call(burst),
    )?;
    Ok(requests.into_iter().chain(notifications).collect())
}

fn large(program: &OsStr, server: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (name, cpu_name, tool) in [
        ("32 MiB result as JSON", "CPU per JSON result", Tool::Json(wire::LARGE)),
        ("32 MiB result as SSE", "CPU per SSE result", Tool::Sse(wire::LARGE)),
    ] {
        let mut direct = Direct::connect(&server.url())?;
        let mut bridge = Bridge::connect(program, &server.url())?;
        // Until memory that nobody has touched yet, which costs a virtual machine several times as much, is there.
        for _ in 0..12 {
            direct.call(tool)?;
            bridge.call(tool)?;
        }
        let effort = Effort { rounds: 3 * effort.rounds, ..effort };
        let [mut rate, mut cpu] = compare(
            [name, cpu_name],
            effort,
            &mut direct,
            &mut bridge,
            1,
            |direct| direct.call(tool),
            |bridge| bridge.call(tool),
        )?;
        rate.scale(wire::LARGE as f64, Unit::BytesPerSecond);
        cpu.scale(1.0, Unit::Milliseconds);
        rows.extend([rate.target(goals::LARGE_JSON.goal), cpu]);
    }
    Ok(rows)
}

/// Lets the two do the same `count` things in turn. Gives the medians of the rates, and the
/// processor time of each for one of the things.
fn compare(
    [rate, cpu]: [&'static str; 2],
    effort: Effort,
    direct: &mut Direct,
    bridge: &mut Bridge,
    count: usize,
    mut directly: impl FnMut(&mut Direct) -> Result<Duration, Error>,
    mut bridged: impl FnMut(&mut Bridge) -> Result<Duration, Error>,
) -> Result<[Row; 2], Error> {
    let own = std::process::id();
    let (mut direct_rates, mut bridge_rates) = (Vec::new(), Vec::new());
    let (mut direct_cpu, mut bridge_cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..effort.rounds {
        let before = process::cpu(own).unwrap_or_default();
        direct_rates.push(count as f64 / directly(direct)?.as_secs_f64());
        direct_cpu += process::cpu(own).unwrap_or_default() - before;
        let before = bridge.cpu().unwrap_or_default();
        bridge_rates.push(count as f64 / bridged(bridge)?.as_secs_f64());
        bridge_cpu += bridge.cpu().unwrap_or_default() - before;
    }
    let things = (count * effort.rounds) as f64;
    let rate =
        Row::new(rate, Unit::PerSecond).direct(middle(direct_rates)).bridged(middle(bridge_rates));
    let mut cpu = Row::new(cpu, Unit::Microseconds);
    if bridge.cpu().is_some() {
        cpu = cpu
            .direct(direct_cpu.as_secs_f64() / things)
            .bridged(bridge_cpu.as_secs_f64() / things);
    }
    Ok([rate, cpu])
}

fn memory(program: &OsStr, server: &Server, effort: Effort) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut add = |name, value: Option<u64>, target| {
        let row = Row::new(name, Unit::Mebibytes);
        rows.push(value.map_or(row, |bytes| row.bridged(bytes as f64)).target(target));
    };
    let bridge = Bridge::connect(program, &server.url())?;
    std::thread::sleep(SETTLED);
    add("resident, idle", process::resident(bridge.pid()), goals::RESIDENT.goal);
    drop(bridge);
    for (name, after, tool) in [
        ("peak resident, 32 MiB as JSON", "resident afterwards, JSON", Tool::Json(wire::LARGE)),
        ("peak resident, 32 MiB as SSE", "resident afterwards, SSE", Tool::Sse(wire::LARGE)),
    ] {
        let mut bridge = Bridge::connect(program, &server.url())?;
        for _ in 0..effort.rounds {
            bridge.call(tool)?;
        }
        add(name, process::peak(bridge.pid()), goals::PEAK_JSON.goal);
        std::thread::sleep(SETTLED);
        add(after, process::resident(bridge.pid()), Target::None);
    }
    let mut bridge = Bridge::connect(program, &server.url())?;
    bridge.call(Tool::Burst(effort.notifications))?;
    add("peak resident, burst of notifications", process::peak(bridge.pid()), Target::None);
    Ok(rows)
}

fn size(program: &OsStr, _: &Server, _: Effort) -> Result<Vec<Row>, Error> {
    let bytes = std::fs::metadata(program)?.len() as f64;
    Ok(vec![
        Row::new("size of the binary", Unit::Mebibytes).bridged(bytes).target(goals::BINARY.goal),
    ])
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value below which `percent` per cent of `sorted` lie.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
