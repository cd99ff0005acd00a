//! The deterministic simulation (docs/reliability.md, "Simulation"): schedules of a client, a bridge and a server with
//! faults, in virtual time, each from a seed.
//!
//! ```text
//! cargo bench --profile simulation --features simulation --bench simulate -- [options]
//!
//! --seconds N     how long (default 10)         --seed N       the first seed (default 1)
//! --schedules N   how many, in the place of that
//! --threads N     how many at once (default: as many as there are cores)
//! --replay SEED   one schedule, with everything that happens in it
//! --steps N       at most N steps of the client (with --replay)
//! --without LIST  without these faults, by number (with --replay)
//! --refresh       processes that share a sign-in, in the place of a bridge
//! ```
//!
//! The exit status is 1 if a schedule violates something; the first that does is made smaller and shown.

#[path = "../tests/simulation/sim/mod.rs"]
mod sim;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sim::world::FAULTS;
use sim::{Options, Outcome, schedule, shrink};

/// After so many no more are looked for.
const MAX_FAILED: u64 = 20;

struct Arguments {
    seconds: u64,
    threads: u64,
    schedules: u64,
    refresh: bool,
    replay: bool,
    options: Options,
}

fn main() -> ExitCode {
    match arguments() {
        Ok(arguments) if arguments.replay => replay(&arguments),
        Ok(arguments) => explore(&arguments),
        Err(text) => {
            eprintln!("simulate: {text}; see the head of benches/simulate.rs");
            ExitCode::FAILURE
        }
    }
}

fn run_with(arguments: &Arguments) -> fn(&Options) -> Outcome {
    if arguments.refresh { sim::refresh::run } else { schedule::run }
}

fn replay(arguments: &Arguments) -> ExitCode {
    let outcome = run_with(arguments)(&Options { traced: true, ..arguments.options });
    for line in &outcome.trace {
        println!("{line}");
    }
    println!("{} ms of virtual time, {} violations", outcome.took, outcome.violations.len());
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a number of schedules has come to.
struct Tally {
    count: u64,
    took: u64,
    faults: Vec<u64>,
    seen: BTreeMap<&'static str, u64>,
    failed: BTreeMap<u64, Vec<String>>,
}

impl Tally {
    fn new() -> Tally {
        Tally {
            count: 0,
            took: 0,
            faults: vec![0; FAULTS.len()],
            seen: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    fn add(&mut self, seed: u64, outcome: Outcome) {
        let failed = BTreeMap::from([(seed, outcome.violations)]);
        self.merge(Tally {
            count: 1,
            took: outcome.took,
            faults: outcome.faults,
            seen: outcome.seen,
            failed: failed.into_iter().filter(|(_, violations)| !violations.is_empty()).collect(),
        });
    }

    fn merge(&mut self, other: Tally) {
        self.count += other.count;
        self.took += other.took;
        for (sum, count) in self.faults.iter_mut().zip(&other.faults) {
            *sum += count;
        }
        for (what, count) in other.seen {
            *self.seen.entry(what).or_insert(0) += count;
        }
        self.failed.extend(other.failed);
    }
}

fn explore(arguments: &Arguments) -> ExitCode {
    let run = run_with(arguments);
    let started = Instant::now();
    let limit = Duration::from_secs(arguments.seconds);
    let first = arguments.options.seed;
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(0));
    // One after the other on each thread; a schedule never leaves its own.
    let work = || {
        let mut tally = Tally::new();
        let under_way = Arc::new(AtomicU64::new(first));
        watch(under_way.clone());
        while started.elapsed() < limit && failed.load(Ordering::Relaxed) < MAX_FAILED {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - first >= arguments.schedules {
                break;
            }
            under_way.store(seed, Ordering::Relaxed);
            let outcome = run(&Options::of(seed));
            failed.fetch_add(u64::from(!outcome.violations.is_empty()), Ordering::Relaxed);
            tally.add(seed, outcome);
        }
        under_way.store(u64::MAX, Ordering::Relaxed);
        tally
    };
    let tally = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(work)).collect();
        let mut sum = Tally::new();
        for thread in threads {
            match thread.join() {
                Ok(tally) => sum.merge(tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sum
    });
    let Tally { count, took, faults, seen, failed } = tally;
    let time = started.elapsed().as_secs_f64();
    println!(
        "{count} schedules in {time:.1} s on {} threads: {:.0} a second, {} h of virtual time",
        arguments.threads,
        count as f64 / time,
        took / 3_600_000
    );
    println!("\nwhat happened, all together:");
    for (what, count) in &seen {
        println!("{count:>10}  {what}");
    }
    println!("\nfaults:");
    for ((_, name), count) in FAULTS.iter().zip(&faults).filter(|(_, count)| **count > 0) {
        println!("{count:>10}  {name}");
    }
    let Some((seed, _)) = failed.first_key_value() else {
        println!("\nnothing was violated");
        return ExitCode::SUCCESS;
    };
    println!(
        "\n{} schedules violate something, the first after {} schedules:",
        failed.len(),
        seed - first + 1
    );
    for (seed, violations) in &failed {
        println!("  seed {seed}: {}", violations.join("; "));
    }
    let small = shrink::shrink(Options::of(*seed), run);
    let without: Vec<String> = FAULTS
        .iter()
        .map(|(f, _)| *f as usize)
        .filter(|f| small.without & (1 << f) != 0)
        .map(|f| f.to_string())
        .collect();
    println!(
        "\nsmaller: --replay {} --steps {} --without {}",
        small.seed,
        small.steps,
        without.join(",")
    );
    for line in run(&Options { traced: true, ..small }).trace {
        println!("{line}");
    }
    ExitCode::FAILURE
}

/// A schedule that goes in circles without any virtual time ends the program, with its seed.
fn watch(under_way: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        loop {
            let seed = under_way.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(60));
            if seed != u64::MAX && seed == under_way.load(Ordering::Relaxed) {
                println!("seed {seed} has been going in circles for a minute");
                std::process::exit(1);
            }
        }
    });
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        seconds: 10,
        threads: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        schedules: u64::MAX,
        refresh: false,
        replay: false,
        options: Options::of(1),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seconds" => parsed.seconds = number(value()?)?,
            "--schedules" => {
                parsed.schedules = number(value()?)?;
                parsed.seconds = u64::from(u32::MAX);
            }
            "--threads" => parsed.threads = number(value()?)?.max(1),
            "--seed" => parsed.options.seed = number(value()?)?,
            "--replay" => {
                parsed.options.seed = number(value()?)?;
                parsed.replay = true;
            }
            "--steps" => parsed.options.steps = number(value()?)? as usize,
            "--without" => {
                for fault in value()?.split(',').filter(|text| !text.is_empty()) {
                    parsed.options.without |= 1 << number(fault.to_owned())?;
                }
            }
            "--refresh" => parsed.refresh = true,
            // Cargo adds this one.
            "--bench" => {}
            _ => return Err(format!("unknown argument {word}")),
        }
    }
    Ok(parsed)
}
