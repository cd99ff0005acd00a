//! The same call over and over, through all ways in turn. Some need a minute for what others do in a moment: each is
//! asked for as much as it has shown that it can do.

use std::time::{Duration, Instant};

use super::Field;
use super::sizes::bytes;
use crate::support::Error;
use crate::support::side::{PATIENCE, Side};
use crate::support::wire::Tool;

/// A call that takes longer is made once: the figure is not worth more.
pub const SLOW: Duration = Duration::from_secs(2);

/// Calls that are not counted: memory that nobody has touched yet costs a virtual machine several times as much.
const UNCOUNTED: usize = 4;

/// They end after this time, too.
const WARM: Duration = Duration::from_millis(500);

/// How long a call took, and how many notifications came before its answer.
#[derive(Clone, Copy)]
pub struct Call {
    pub took: Duration,
    pub delivered: usize,
}

impl Call {
    fn make(side: &mut dyn Side, tool: Tool) -> Result<Call, Error> {
        let took = side.call(tool)?;
        let delivered = if let Tool::Burst(sent) = tool { side.delivered(sent) } else { 0 };
        Ok(Call { took, delivered })
    }
}

impl Field {
    /// The calls of every way. `may` says of each whether it is asked at all.
    pub fn calls(
        &mut self,
        tool: Tool,
        mut may: impl FnMut(usize) -> Result<(), String>,
    ) -> Vec<Result<Vec<Call>, String>> {
        let (rounds, busy) = (self.effort.rounds, self.effort.busy / 2);
        let lanes = self.lanes.iter_mut().enumerate();
        let mut found: Vec<Result<Vec<Call>, String>> = lanes
            .map(|(way, lane)| {
                may(way)?;
                lane.run(|side| first(side, tool))
            })
            .collect();
        for _ in 0..rounds {
            for (lane, found) in self.lanes.iter_mut().zip(&mut found) {
                let Ok(calls) = found else { continue };
                if calls.first().is_some_and(|call| call.took >= SLOW) {
                    continue;
                }
                match lane.run(|side| one_round(side, tool, busy)) {
                    Ok(more) => calls.extend(more),
                    Err(error) => *found = Err(error),
                }
            }
        }
        found
    }
}

/// The first call, if it is so slow that it stays the only one; else calls that are not counted.
fn first(side: &mut dyn Side, tool: Tool) -> Result<Vec<Call>, Error> {
    let started = Instant::now();
    for _ in 0..UNCOUNTED {
        let call = Call::make(side, tool)?;
        if call.took >= SLOW {
            return Ok(vec![call]);
        }
        if started.elapsed() > WARM {
            break;
        }
    }
    Ok(Vec::new())
}

fn one_round(side: &mut dyn Side, tool: Tool, busy: Duration) -> Result<Vec<Call>, Error> {
    let (mut calls, started) = (Vec::new(), Instant::now());
    while calls.is_empty() || started.elapsed() < busy {
        calls.push(Call::make(side, tool)?);
    }
    Ok(calls)
}

/// What one way has shown so far of growing sizes.
#[derive(Clone, Default)]
pub struct Shown {
    last: Option<(usize, Duration)>,
    /// The exponent with which time has grown, 1 at least.
    growth: f64,
    over: Option<String>,
}

impl Shown {
    /// Whether a call of this size can be expected to end in time; else why it is left out, and all larger ones.
    pub fn may_try(&mut self, size: usize) -> Result<(), String> {
        if let (None, Some((last, took))) = (&self.over, self.last) {
            let took = took.as_secs_f64();
            let expected = took * (size as f64 / last as f64).powf(self.growth.max(1.0));
            if expected > PATIENCE.as_secs_f64() {
                self.over = Some(format!("left out: {} took {took:.0} s", bytes(last)));
            }
        }
        self.over.clone().map_or(Ok(()), Err)
    }

    /// Notes how long a call of this size took, or that it failed.
    pub fn see(&mut self, size: usize, time: Option<Duration>) {
        match time {
            Some(time) => {
                if let Some((last, took)) = self.last {
                    let times = time.as_secs_f64() / took.as_secs_f64();
                    self.growth = times.ln() / (size as f64 / last as f64).ln();
                }
                self.last = Some((size, time));
            }
            None if self.over.is_none() => {
                self.over = Some(format!("left out: failed at {}", bytes(size)));
            }
            None => {}
        }
    }
}
