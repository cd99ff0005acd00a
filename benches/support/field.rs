//! What is measured side by side. All ways take turns, so that they see the same moods of the machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Error;
use super::contender::Contender;
use super::process;
use super::report::Unit;
use super::server::Server;
use super::side::{Lane, Side};
use super::signed_in;
use super::start;
use super::wire::{self, Tool};

/// Requests under way at a time.
pub const CONCURRENCY: [usize; 4] = [1, 8, 64, 512];

/// Bytes of text in a result or an argument.
pub const SIZES: [usize; 5] = [1 << 10, 32 << 10, 1 << 20, 32 << 20, 256 << 20];

/// Bridges that are idle at once.
pub const IDLE_BRIDGES: usize = 30;

/// A bridge with nothing to do has settled after this long: connections that are kept for the next request are closed.
const SETTLED: Duration = Duration::from_secs(10);

/// How often everything is done.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub calls: usize,
    pub busy: Duration,
    pub notifications: usize,
    pub idle: Duration,
    pub largest: usize,
}

impl Effort {
    /// Some minutes for each bridge; the figures can be compared.
    pub const FULL: Effort = Effort {
        rounds: 5,
        calls: 200,
        busy: Duration::from_millis(600),
        notifications: 50_000,
        idle: Duration::from_secs(20),
        largest: 256 << 20,
    };

    /// Shows that everything runs.
    pub const QUICK: Effort = Effort {
        rounds: 2,
        calls: 30,
        busy: Duration::from_millis(100),
        notifications: 2_000,
        idle: Duration::from_secs(3),
        largest: 1 << 20,
    };
}

/// One figure of every way, in their order; a failure has its text.
pub struct Figure {
    pub section: &'static str,
    pub name: String,
    pub unit: Unit,
    pub values: Vec<Result<f64, String>>,
}

/// The ways, the server and what the measurements have found so far.
pub struct Field {
    pub lanes: Vec<Lane>,
    pub figures: Vec<Figure>,
    server: Server,
    home: TempDir,
    effort: Effort,
}

/// The measurements, by the names that `--only` takes.
pub const ALL: [(&str, Measurement); 6] = [
    ("start", Field::start),
    ("latency", Field::latency),
    ("requests", Field::requests),
    ("notifications", Field::notifications),
    ("sizes", Field::sizes),
    ("idle", Field::idle),
];

/// One measurement.
pub type Measurement = fn(&mut Field) -> Result<(), Error>;

/// What one round of requests took: how many there were, seconds, and seconds of processor time.
type Round = (f64, f64, f64);

impl Field {
    /// Starts the server; no way is connected yet.
    pub fn new(contenders: Vec<Contender>, effort: Effort) -> Result<Field, Error> {
        let lanes =
            std::iter::once(None).chain(contenders.into_iter().map(Some)).map(Lane::new).collect();
        Ok(Field {
            lanes,
            figures: Vec::new(),
            server: Server::start()?,
            home: tempfile::tempdir()?,
            effort,
        })
    }

    fn connect(&mut self) {
        for lane in &mut self.lanes {
            lane.connect(&self.server.url(), self.home.path());
        }
    }

    /// What every way gives in so many rounds.
    fn rounds<T>(
        &mut self,
        count: usize,
        mut what: impl FnMut(&mut dyn Side) -> Result<T, Error>,
    ) -> Vec<Result<Vec<T>, String>> {
        let mut found: Vec<Result<Vec<T>, String>> =
            self.lanes.iter().map(|_| Ok(Vec::new())).collect();
        for _ in 0..count {
            for (lane, found) in self.lanes.iter_mut().zip(&mut found) {
                if let Ok(values) = found {
                    match lane.run(&mut what) {
                        Ok(value) => values.push(value),
                        Err(error) => *found = Err(error),
                    }
                }
            }
        }
        found
    }

    fn note(
        &mut self,
        section: &'static str,
        name: String,
        unit: Unit,
        values: Vec<Result<f64, String>>,
    ) {
        self.figures.push(Figure { section, name, unit, values });
    }

    /// From exec to the first request, and to the first answer; with the files in memory, and without.
    fn start(&mut self) -> Result<(), Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let nowhere = format!("http://{}/mcp", listener.local_addr()?);
        let (url, secured) = (self.server.url(), self.server.secured_url());
        let cold = forget_files();
        for (temperature, times) in [("warm", self.effort.rounds), ("cold", 2)] {
            if temperature == "cold" && !cold {
                eprintln!("  cold starts need the right to drop the system's file cache");
                continue;
            }
            let mut values = [Vec::new(), Vec::new(), Vec::new()];
            for lane in &self.lanes {
                let Some(contender) = &lane.contender else {
                    values.iter_mut().for_each(|values| values.push(Err(String::new())));
                    continue;
                };
                let ready = || {
                    if temperature == "cold" {
                        forget_files();
                    }
                };
                let times = |one: &dyn Fn() -> Result<Duration, Error>| {
                    let found: Result<Vec<f64>, Error> =
                        (0..times).map(|_| one().map(|time| time.as_secs_f64())).collect();
                    found.map(middle).map_err(|error| error.to_string())
                };
                values[0].push(times(&|| {
                    ready();
                    start::once(contender.command(&nowhere, self.home.path()), &listener)
                }));
                values[1].push(times(&|| {
                    ready();
                    first_answer(contender, &url, self.home.path(), &[])
                }));
                let home = tempfile::tempdir()?;
                let prepared = signed_in::prepare(contender, &secured, home.path());
                values[2].push(prepared.map_err(|error| error.to_string()).and_then(|flags| {
                    times(&|| {
                        ready();
                        first_answer(contender, &secured, home.path(), flags)
                    })
                }));
            }
            let [post, answer, signed_in] = values;
            self.note(
                "Start",
                format!("exec to first request, {temperature}"),
                Unit::Milliseconds,
                post,
            );
            self.note(
                "Start",
                format!("exec to first answer, {temperature}"),
                Unit::Milliseconds,
                answer,
            );
            self.note(
                "Start",
                format!("exec to first answer with a stored token, {temperature}"),
                Unit::Milliseconds,
                signed_in,
            );
        }
        Ok(())
    }

    fn latency(&mut self) -> Result<(), Error> {
        self.connect();
        for (name, tool) in [("JSON", Tool::Small), ("an event", Tool::SmallSse)] {
            let calls = self.effort.calls;
            let found = self.rounds(self.effort.rounds + 1, |side| {
                (0..calls).map(|_| side.call(tool)).collect::<Result<Vec<_>, _>>()
            });
            let sorted: Vec<Result<Vec<Duration>, String>> = found
                .into_iter()
                .map(|rounds| {
                    // The first one is for getting warm.
                    let mut times: Vec<Duration> = rounds?.into_iter().skip(1).flatten().collect();
                    times.sort_unstable();
                    Ok(times)
                })
                .collect();
            for percent in [50, 99] {
                let values = sorted
                    .iter()
                    .map(|times| {
                        times.as_ref().map(|times| at(times, percent)).map_err(Clone::clone)
                    })
                    .collect();
                self.note(
                    "Latency",
                    format!("a call answered by {name}, p{percent}"),
                    Unit::Microseconds,
                    values,
                );
            }
        }
        Ok(())
    }

    fn requests(&mut self) -> Result<(), Error> {
        self.connect();
        for in_flight in CONCURRENCY {
            let busy = self.effort.busy.as_secs_f64();
            let found = self.rounds(self.effort.rounds, |side| {
                let few = (2 * in_flight).max(50);
                let rate = few as f64 / side.parallel(few, in_flight)?.as_secs_f64();
                let count = ((rate * busy) as usize).clamp(few, 100_000);
                let before = process::cpu(side.pid());
                let took = side.parallel(count, in_flight)?;
                let cpu = process::cpu(side.pid())
                    .zip(before)
                    .map(|(after, before)| after.saturating_sub(before));
                Ok((count as f64, took.as_secs_f64(), cpu.unwrap_or_default().as_secs_f64()))
            });
            let of = |what: &dyn Fn(&[Round]) -> f64| {
                found
                    .iter()
                    .map(|rounds| rounds.as_deref().map(what).map_err(Clone::clone))
                    .collect()
            };
            let rates =
                of(&|rounds| middle(rounds.iter().map(|(count, took, _)| count / took).collect()));
            let cpu = of(&|rounds| {
                let (count, cpu) =
                    rounds.iter().fold((0.0, 0.0), |sum, round| (sum.0 + round.0, sum.1 + round.2));
                cpu / count
            });
            self.note(
                "Requests",
                format!("requests/s, {in_flight} in flight"),
                Unit::PerSecond,
                rates,
            );
            self.note(
                "Requests",
                format!("CPU per request, {in_flight} in flight"),
                Unit::Microseconds,
                cpu,
            );
        }
        Ok(())
    }

    fn notifications(&mut self) -> Result<(), Error> {
        self.connect();
        let sent = self.effort.notifications;
        let found = self.rounds(self.effort.rounds, |side| {
            let took = side.call(Tool::Burst(sent))?;
            Ok((side.delivered(sent) as f64, took.as_secs_f64()))
        });
        let of = |what: fn(&(f64, f64)) -> f64| {
            found
                .iter()
                .map(|rounds| {
                    let rounds = rounds.as_ref().map_err(Clone::clone)?;
                    Ok(middle(rounds.iter().map(what).collect()))
                })
                .collect::<Vec<Result<f64, String>>>()
        };
        let rates = of(|(delivered, took)| delivered / took);
        let mut share = of(|(delivered, _)| *delivered);
        share.iter_mut().flatten().for_each(|delivered| *delivered *= 100.0 / sent as f64);
        self.note(
            "Notifications",
            "notifications/s to the client".to_owned(),
            Unit::PerSecond,
            rates,
        );
        self.note("Notifications", "of them before the answer".to_owned(), Unit::Percent, share);
        Ok(())
    }

    fn sizes(&mut self) -> Result<(), Error> {
        for (name, tool) in [
            ("result as JSON", Tool::Json as fn(usize) -> Tool),
            ("result as an event", Tool::Sse),
            ("argument", Tool::Upload),
        ] {
            self.connect();
            let largest = self.effort.largest;
            for size in SIZES.into_iter().filter(|size| *size <= largest) {
                let busy = self.effort.busy;
                let rounds = if size > 32 << 20 { 2 } else { self.effort.rounds };
                let found = self.rounds(rounds, |side| {
                    let (mut calls, mut took) = (0, Duration::ZERO);
                    while took < busy {
                        took += side.call(tool(size))?;
                        calls += 1;
                    }
                    Ok((calls * size) as f64 / took.as_secs_f64())
                });
                let values = found.into_iter().map(|rates| rates.map(middle)).collect();
                self.note(
                    "Sizes",
                    format!("{} as {name}", bytes(size)).replace("as argument", "as an argument"),
                    Unit::BytesPerSecond,
                    values,
                );
            }
        }
        Ok(())
    }

    /// Memory and wake-ups with nothing to do, and the peak for a large result.
    fn idle(&mut self) -> Result<(), Error> {
        let url = self.server.url();
        let large = self.effort.largest.min(wire::LARGE);
        let idle = self.effort.idle;
        let names = [
            ("resident, idle".to_owned(), Unit::Mebibytes),
            ("wake-ups a minute, idle".to_owned(), Unit::Count),
            (format!("peak resident, {} as JSON", bytes(large)), Unit::Mebibytes),
            (format!("peak resident, {} as an event", bytes(large)), Unit::Mebibytes),
            ("resident afterwards".to_owned(), Unit::Mebibytes),
            (format!("memory of {IDLE_BRIDGES} idle ones"), Unit::Mebibytes),
        ];
        let mut rows: Vec<Vec<Result<f64, String>>> = names.iter().map(|_| Vec::new()).collect();
        for lane in &mut self.lanes {
            let Some(contender) = lane.contender.clone() else {
                rows.iter_mut().for_each(|row| row.push(Err(String::new())));
                continue;
            };
            let mut known =
                |values: Result<Vec<Option<f64>>, String>, first: usize, count: usize| {
                    for (at, row) in rows[first..first + count].iter_mut().enumerate() {
                        row.push(
                            values
                                .clone()
                                .and_then(|values| values[at].ok_or_else(|| "unknown".to_owned())),
                        );
                    }
                };
            lane.connect(&url, self.home.path());
            let quiet = lane.run(|side| {
                sleep(SETTLED);
                let (before, started) = (process::waits(side.pid()), Instant::now());
                sleep(idle);
                let waits = process::waits(side.pid())
                    .zip(before)
                    .map(|(after, before)| (after - before) as f64);
                let minutes = started.elapsed().as_secs_f64() / 60.0;
                Ok(vec![
                    process::resident(side.pid()).map(|bytes| bytes as f64),
                    waits.map(|waits| waits / minutes),
                ])
            });
            known(quiet, 0, 2);
            for (row, tool) in [(2, Tool::Json as fn(usize) -> Tool), (3, Tool::Sse)] {
                lane.connect(&url, self.home.path());
                let peak = lane.run(|side| {
                    side.call(tool(large))?;
                    side.call(tool(large))?;
                    let peak = process::peak(side.pid());
                    sleep(SETTLED);
                    let after = process::resident(side.pid());
                    Ok(vec![peak.map(|bytes| bytes as f64), after.map(|bytes| bytes as f64)])
                });
                // What is left afterwards is told once.
                known(peak, row, if row == 3 { 2 } else { 1 });
            }
            lane.disconnect();
            known(many(&contender, &url, self.home.path()).map(|bytes| vec![bytes]), 5, 1);
        }
        for ((name, unit), values) in names.into_iter().zip(rows) {
            self.note("Memory", name, unit, values);
        }
        Ok(())
    }
}

/// The memory of several idle bridges together.
fn many(contender: &Contender, url: &str, home: &Path) -> Result<Option<f64>, String> {
    let mut lanes: Vec<Lane> =
        (0..IDLE_BRIDGES).map(|_| Lane::new(Some(contender.clone()))).collect();
    lanes.iter_mut().for_each(|lane| lane.connect(url, home));
    sleep(SETTLED);
    let sizes: Result<Vec<Option<u64>>, String> = lanes
        .iter_mut()
        .map(|lane| lane.run(|side| Ok(process::proportional(side.pid()))))
        .collect();
    Ok(sizes?.into_iter().sum::<Option<u64>>().map(|bytes| bytes as f64))
}

/// From exec to the line with the answer to `initialize`.
fn first_answer(
    contender: &Contender,
    url: &str,
    home: &Path,
    flags: &[&str],
) -> Result<Duration, Error> {
    let mut command = contender.command(url, home);
    command.args(flags);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (stdin, mut writer) = std::io::pipe()?;
    writer.write_all(format!("{}\n", wire::INITIALIZE).as_bytes())?;
    let started = Instant::now();
    let mut bridge = command.stdin(stdin).spawn()?;
    let stdout = bridge.stdout.take().ok_or("the bridge has no stdout")?;
    let mut line = Vec::new();
    let read = BufReader::new(stdout).read_until(b'\n', &mut line);
    let took = started.elapsed();
    bridge.kill()?;
    bridge.wait()?;
    read?;
    if wire::is_result(&line) { Ok(took) } else { Err("no answer to initialize".into()) }
}

/// Has the system forget what it keeps of files; whether that was allowed.
fn forget_files() -> bool {
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// The size as people write it.
pub fn bytes(size: usize) -> String {
    if size < 1 << 20 { format!("{} KiB", size >> 10) } else { format!("{} MiB", size >> 20) }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64()
}
