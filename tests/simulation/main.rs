//! The deterministic simulation in the test suite: some hundred schedules, the same ones each time. `cargo bench
//! --features simulation --bench simulate` runs as many as one likes (docs/reliability.md).

mod sim;

use sim::{Options, refresh, schedule, shrink};

/// Runs schedules, and makes the first that fails smaller.
fn all_hold(seeds: impl IntoIterator<Item = u64>, run: fn(&Options) -> sim::Outcome) {
    for seed in seeds {
        let violations = run(&Options::of(seed)).violations;
        if !violations.is_empty() {
            let small = shrink::shrink(Options::of(seed), run);
            let trace = run(&Options { traced: true, ..small }).trace.join("\n");
            panic!("{violations:#?}\n{small:?}:\n{trace}");
        }
    }
}

#[test]
fn schedules_keep_what_is_promised() {
    all_hold(0..300, schedule::run);
}

#[test]
fn one_refresh_at_a_time_whoever_is_killed() {
    all_hold(0..60, refresh::run);
}

/// Each of these has found a defect once.
#[test]
fn what_was_found_stays_found() {
    all_hold([12_946, 13_823, 13_828, 32_688, 100_110], schedule::run);
}

#[test]
fn a_seed_is_the_same_schedule_each_time() {
    for seed in 0..40 {
        let options = Options { traced: true, ..Options::of(seed) };
        let (first, second) = (schedule::run(&options), schedule::run(&options));
        assert_eq!(
            (first.took, &first.faults, &first.seen),
            (second.took, &second.faults, &second.seen)
        );
        let differs = first.trace.iter().zip(&second.trace).find(|(a, b)| a != b);
        assert!(
            differs.is_none() && first.trace.len() == second.trace.len(),
            "seed {seed}: {differs:?}"
        );
    }
}
