//! Fewer steps and fewer faults that still fail.

use super::world::FAULTS;
use super::{Options, Outcome};

/// The smallest schedule found that still violates something. Each attempt runs a whole schedule.
pub fn shrink(failing: Options, run: impl Fn(&Options) -> Outcome) -> Options {
    let fails = |options: &Options| !run(options).violations.is_empty();
    let mut best = failing;
    if best.steps == usize::MAX {
        best.steps = 40;
    }
    if !fails(&best) {
        return failing;
    }
    loop {
        let before = best;
        for fewer in [best.steps / 2, best.steps.saturating_sub(1)] {
            let smaller = Options { steps: fewer, ..best };
            if fewer < best.steps && fails(&smaller) {
                best = smaller;
                break;
            }
        }
        for (fault, _) in FAULTS {
            let bit = 1 << fault as usize;
            let smaller = Options { without: best.without | bit, ..best };
            if best.without & bit == 0 && fails(&smaller) {
                best = smaller;
            }
        }
        if best == before {
            return best;
        }
    }
}
