//! What the project promises (the goal) and where it wants to be (the aim), on a quiet machine with two cores.

use super::field::Figure;
use super::report::{Target, Unit};

/// Bytes of text in the results that have a goal.
const LARGE: f64 = 32.0 * MEBIBYTE;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What is asked of one figure.
#[derive(Clone, Copy)]
pub struct Goal {
    /// The name of the figure.
    pub figure: &'static str,
    pub unit: Unit,
    pub goal: Target,
    pub aim: Target,
}

pub const FIRST_POST: Goal = Goal {
    figure: "exec to first request, warm",
    unit: Unit::Milliseconds,
    goal: Target::AtMost(0.010),
    aim: Target::AtMost(0.005),
};

pub const LATENCY: Goal = Goal {
    figure: "a call answered by JSON, p50",
    unit: Unit::Microseconds,
    goal: Target::AddsAtMost(0.000_080),
    aim: Target::AddsAtMost(0.000_040),
};

pub const REQUESTS: Goal = Goal {
    figure: "requests/s, 64 in flight",
    unit: Unit::PerSecond,
    goal: Target::RatioAtLeast(0.5),
    aim: Target::RatioAtLeast(0.8),
};

pub const CPU: Goal = Goal {
    figure: "CPU per request, 64 in flight",
    unit: Unit::Microseconds,
    goal: Target::AtMost(0.000_080),
    aim: Target::AtMost(0.000_040),
};

pub const NOTIFICATIONS: Goal = Goal {
    figure: "notifications/s to the client",
    unit: Unit::PerSecond,
    goal: Target::AtLeast(700_000.0),
    aim: Target::AtLeast(1_500_000.0),
};

pub const LARGE_JSON: Goal = Goal {
    figure: "32 MiB result as JSON",
    unit: Unit::BytesPerSecond,
    goal: Target::RatioAtLeast(0.6),
    aim: Target::RatioAtLeast(0.9),
};

pub const LARGE_EVENT: Goal = Goal { figure: "32 MiB result as an event", ..LARGE_JSON };

pub const RESIDENT: Goal = Goal {
    figure: "resident, idle",
    unit: Unit::Mebibytes,
    goal: Target::AtMost(8.0 * MEBIBYTE),
    aim: Target::AtMost(5.0 * MEBIBYTE),
};

pub const PEAK_JSON: Goal = Goal {
    figure: "peak resident, 32 MiB as JSON",
    unit: Unit::Mebibytes,
    goal: Target::AtMost(1.5 * LARGE + 8.0 * MEBIBYTE),
    aim: Target::AtMost(LARGE + 6.0 * MEBIBYTE),
};

pub const PEAK_EVENT: Goal = Goal { figure: "peak resident, 32 MiB as an event", ..PEAK_JSON };

pub const WAKE_UPS: Goal = Goal {
    figure: "wake-ups a minute, idle",
    unit: Unit::Count,
    goal: Target::AtMost(0.0),
    aim: Target::AtMost(0.0),
};

pub const BINARY: Goal = Goal {
    figure: "size of the binary",
    unit: Unit::Mebibytes,
    goal: Target::AtMost(8.0 * MEBIBYTE),
    aim: Target::AtMost(5.0 * MEBIBYTE),
};

/// All of them.
pub const GOALS: [Goal; 12] = [
    FIRST_POST,
    LATENCY,
    REQUESTS,
    CPU,
    NOTIFICATIONS,
    LARGE_JSON,
    LARGE_EVENT,
    RESIDENT,
    PEAK_JSON,
    PEAK_EVENT,
    WAKE_UPS,
    BINARY,
];

impl Goal {
    /// What was measured, in the way that it is asked for. Direct HTTP is the first of all ways.
    pub fn measured(&self, figures: &[Figure], ours: Option<usize>) -> Option<f64> {
        let figure = figures.iter().find(|figure| figure.name == self.figure)?;
        let value = |way: usize| figure.values.get(way)?.as_ref().ok().copied();
        self.goal.measured(value(0), ours.and_then(value))
    }
}
