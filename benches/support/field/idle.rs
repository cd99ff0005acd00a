//! Memory and wake-ups with nothing to do, the memory that large results take, and the size of the program. All ways
//! wait at the same time: those that do nothing do not disturb each other.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::Field;
use super::calls::{SLOW, Shown};
use super::sizes::{Kind, bytes};
use crate::support::contender::Contender;
use crate::support::report::Unit;
use crate::support::side::{Lane, Side};
use crate::support::wire::Tool;
use crate::support::{Error, process};

/// Bytes of text in the results whose peaks are taken, each by a bridge of its own.
pub const PEAKS: [usize; 3] = [1 << 20, 8 << 20, 32 << 20];

/// What carries them.
pub const KINDS: [Kind; 2] = [("as JSON", Tool::Json), ("as an event", Tool::Sse)];

/// A bridge with nothing to do has settled after this long: connections that are kept for the next request are closed.
const SETTLED: Duration = Duration::from_secs(10);

const SECTION: &str = "Memory and size";

/// The name of the figure of a peak.
pub fn name(size: usize, kind: &str) -> String {
    format!("peak resident, {} {kind}", bytes(size))
}

/// All of it, for every bridge.
pub fn measure(field: &mut Field) -> Result<(), Error> {
    field.connect();
    sleep(SETTLED);
    let waits = |side: &mut dyn Side| Ok(process::waits(side.pid()).map(|waits| waits as f64));
    let resident = |side: &mut dyn Side| Ok(process::resident(side.pid()).map(|size| size as f64));
    let before = each(field, waits);
    sleep(field.effort.idle);
    let minutes = field.effort.idle.as_secs_f64() / 60.0;
    let wakes = each(field, waits).into_iter().zip(before).map(|(after, before)| {
        // A thread that has ended is not counted any more.
        Ok((after? - before?).max(0.0) / minutes)
    });
    let wakes = wakes.collect();
    let idle = each(field, resident);
    field.note(SECTION, "resident, idle".to_owned(), Unit::Mebibytes, idle)?;
    field.note(SECTION, "wake-ups a minute, idle".to_owned(), Unit::Count, wakes)?;

    for (kind, tool) in KINDS {
        let mut shown = vec![Shown::default(); field.lanes.len()];
        let largest = field.effort.largest;
        for size in PEAKS.into_iter().filter(|size| *size <= largest) {
            field.connect();
            let peaks = peaks(field, &mut shown, size, tool(size));
            field.note(SECTION, name(size, kind), Unit::Mebibytes, peaks)?;
        }
    }
    sleep(SETTLED);
    let afterwards = each(field, resident);
    field.note(SECTION, "resident afterwards".to_owned(), Unit::Mebibytes, afterwards)?;

    field.lanes.iter_mut().for_each(Lane::disconnect);
    let count = field.effort.bridges;
    let memory = of_bridges(field, |contender| {
        many(contender, count, &field.server.url(), field.home.path())
    });
    field.note(SECTION, format!("memory of {count} idle ones"), Unit::Mebibytes, memory)?;
    let sizes = of_bridges(field, |contender| {
        contender.size().map(|size| size as f64).ok_or_else(String::new)
    });
    field.note(SECTION, "size of the binary".to_owned(), Unit::Mebibytes, sizes)
}

/// What every bridge gives.
fn each(
    field: &mut Field,
    mut what: impl FnMut(&mut dyn Side) -> Result<Option<f64>, Error>,
) -> Vec<Result<f64, String>> {
    let values = field.lanes.iter_mut().map(|lane| {
        if lane.contender.is_none() {
            return Err(String::new());
        }
        lane.run(&mut what)?.ok_or_else(|| "unknown".to_owned())
    });
    values.collect()
}

/// The most memory that every bridge has had after two such calls.
fn peaks(
    field: &mut Field,
    shown: &mut [Shown],
    size: usize,
    tool: Tool,
) -> Vec<Result<f64, String>> {
    let values = field.lanes.iter_mut().zip(shown).map(|(lane, shown)| {
        if lane.contender.is_none() {
            return Err(String::new());
        }
        // It has nothing to tell of afterwards, either.
        shown.may_try(size).inspect_err(|why| lane.leave_out(why))?;
        let found = lane.run(|side| {
            let took = side.call(tool)?;
            if took < SLOW {
                side.call(tool)?;
            }
            Ok((took, process::peak(side.pid())))
        });
        shown.see(size, found.as_ref().ok().map(|(took, _)| *took));
        found?.1.map(|size| size as f64).ok_or_else(|| "unknown".to_owned())
    });
    values.collect()
}

/// The same of those that run nothing.
fn of_bridges(
    field: &Field,
    what: impl Fn(&Contender) -> Result<f64, String>,
) -> Vec<Result<f64, String>> {
    let contenders = field.lanes.iter().map(|lane| lane.contender.as_ref());
    contenders.map(|contender| contender.map_or(Err(String::new()), &what)).collect()
}

/// The memory of several idle bridges together.
fn many(contender: &Contender, count: usize, url: &str, home: &Path) -> Result<f64, String> {
    let mut lanes = Vec::new();
    for _ in 0..count {
        let mut lane = Lane::new(Some(contender.clone()));
        lane.connect(url, home);
        // Without this the others would wait as long as this one has.
        lane.run(|_| Ok(()))?;
        lanes.push(lane);
    }
    sleep(SETTLED);
    let sizes = lanes.iter_mut().map(|lane| lane.run(|side| Ok(process::proportional(side.pid()))));
    let sizes: Option<u64> = sizes.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    sizes.map(|size| size as f64).ok_or_else(|| "unknown".to_owned())
}
