//! What is measured side by side. All ways take turns, so that they see the same moods of the machine.

pub mod calls;
pub mod idle;
pub mod sizes;
pub mod start;

use std::cmp::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use self::calls::Call;
use super::Error;
use super::contender::Contender;
use super::page::Findings;
use super::process;
use super::report::Unit;
use super::server::Server;
use super::side::{Lane, Side};
use super::wire::Tool;

/// Requests under way at a time.
pub const CONCURRENCY: [usize; 4] = [1, 8, 64, 512];

/// How often everything is done.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub calls: usize,
    pub busy: Duration,
    pub notifications: usize,
    pub idle: Duration,
    pub largest: usize,
    /// Bridges that are idle at once.
    pub bridges: usize,
}

impl Effort {
    /// Some minutes for each bridge; the figures can be compared.
    pub const FULL: Effort = Effort {
        rounds: 5,
        calls: 200,
        busy: Duration::from_millis(500),
        notifications: 50_000,
        idle: Duration::from_secs(20),
        largest: 256 << 20,
        bridges: 30,
    };

    /// Shows that everything runs.
    pub const QUICK: Effort = Effort {
        rounds: 2,
        calls: 30,
        busy: Duration::from_millis(100),
        notifications: 2_000,
        idle: Duration::from_secs(3),
        largest: 1 << 20,
        bridges: 3,
    };
}

/// One figure of every way, in their order. Where there is none a text says why; an empty one, that it does not apply.
pub struct Figure {
    pub section: &'static str,
    pub name: String,
    pub unit: Unit,
    pub values: Vec<Result<f64, String>>,
}

/// The ways, the server and what the measurements have found so far.
pub struct Field {
    pub findings: Findings,
    lanes: Vec<Lane>,
    server: Server,
    home: TempDir,
    effort: Effort,
}

/// The measurements, by the names that `--only` takes.
pub const ALL: [(&str, Measurement); 6] = [
    ("start", start::measure),
    ("latency", Field::latency),
    ("requests", Field::requests),
    ("notifications", Field::notifications),
    ("sizes", sizes::measure),
    ("idle", idle::measure),
];

/// One measurement.
pub type Measurement = fn(&mut Field) -> Result<(), Error>;

/// What one round of requests took: how many there were, seconds, and seconds of processor time.
type Round = (f64, f64, f64);

impl Field {
    /// Starts the server; no way is connected yet.
    pub fn new(
        contenders: Vec<Contender>,
        effort: Effort,
        findings: Findings,
    ) -> Result<Field, Error> {
        let lanes =
            std::iter::once(None).chain(contenders.into_iter().map(Some)).map(Lane::new).collect();
        let (server, home) = (Server::start()?, tempfile::tempdir()?);
        Ok(Field { findings, lanes, server, home, effort })
    }

    fn connect(&mut self) {
        for lane in &mut self.lanes {
            lane.connect(&self.server.url(), self.home.path());
        }
    }

    /// What every way gives in so many rounds. One that has failed before gets another chance.
    fn rounds<T>(
        &mut self,
        count: usize,
        mut what: impl FnMut(&mut dyn Side) -> Result<T, Error>,
    ) -> Vec<Result<Vec<T>, String>> {
        for lane in self.lanes.iter_mut().filter(|lane| !lane.is_connected()) {
            lane.connect(&self.server.url(), self.home.path());
        }
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
    ) -> Result<(), Error> {
        self.findings.note(Figure { section, name, unit, values })
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
                )?;
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
            )?;
            self.note("Requests", cpu_name(in_flight), Unit::Microseconds, cpu)?;
        }
        Ok(())
    }

    fn notifications(&mut self) -> Result<(), Error> {
        self.connect();
        let sent = self.effort.notifications;
        let found = self.calls(Tool::Burst(sent), |_| Ok(()));
        let of = |what: fn(&Call) -> f64| {
            let values = found.iter().map(|calls| {
                Ok(middle(calls.as_ref().map_err(Clone::clone)?.iter().map(what).collect()))
            });
            values.collect::<Vec<Result<f64, String>>>()
        };
        let rates = of(|call| call.delivered as f64 / call.took.as_secs_f64());
        let mut share = of(|call| call.delivered as f64);
        share.iter_mut().flatten().for_each(|delivered| *delivered *= 100.0 / sent as f64);
        let section = "Notifications";
        self.note(section, "notifications/s to the client".to_owned(), Unit::PerSecond, rates)?;
        self.note(section, "of them before the answer".to_owned(), Unit::Percent, share)
    }
}

/// The name of the figure of processor time.
pub fn cpu_name(in_flight: usize) -> String {
    format!("CPU per request, {in_flight} in flight")
}

fn middle<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    values[values.len() / 2]
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64()
}
