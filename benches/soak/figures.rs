//! Memory, descriptors and processor time of the bridges over the time of the run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process;

/// Bytes of a mebibyte.
const MIB: f64 = 1_048_576.0;

/// Samples of one process.
#[derive(Default)]
pub struct Series {
    samples: Vec<Sample>,
}

/// What a process has at one moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    resident: f64,
    descriptors: f64,
    cpu: Duration,
}

impl Series {
    /// Looks at the process, if the kernel tells of it.
    pub fn sample(&mut self, pid: u32, began: Instant) {
        let folder = std::fs::read_dir(format!("/proc/{pid}/fd"));
        let (Some(resident), Ok(folder), Some(cpu)) =
            (process::resident(pid), folder, process::cpu(pid))
        else {
            return;
        };
        self.samples.push(Sample {
            at: began.elapsed(),
            resident: resident as f64,
            descriptors: folder.count() as f64,
            cpu,
        });
    }

    fn after(&self, warm_up: Duration) -> &[Sample] {
        let first = self.samples.iter().position(|sample| sample.at >= warm_up);
        &self.samples[first.unwrap_or(self.samples.len())..]
    }
}

/// The figures of all, without the time before `warm_up`; nothing where the kernel says nothing.
pub fn report(series: &[Series], warm_up: Duration) -> Option<Value> {
    let samples: Vec<&[Sample]> = series.iter().map(|series| series.after(warm_up)).collect();
    if samples.iter().any(|samples| samples.len() < 4) {
        return None;
    }
    let describe = |get: fn(&Sample) -> f64, unit: f64| {
        let slopes = samples.iter().map(|samples| slope(samples, get) / unit);
        let slopes: Vec<f64> = slopes.collect();
        let part = |from: fn(&[Sample]) -> &[Sample]| {
            let values = samples.iter().flat_map(|samples| from(samples).iter().map(get));
            round(median(values.collect()) / unit)
        };
        let most = samples.iter().flat_map(|samples| samples.iter().map(get)).fold(0.0, f64::max);
        json!({
            "medianOfFirstQuarter": part(|samples| &samples[..samples.len() / 4]),
            "medianOfLastQuarter": part(|samples| &samples[samples.len() - samples.len() / 4..]),
            "most": round(most / unit),
            "perHour": round(slopes.iter().sum::<f64>() / slopes.len() as f64),
            "perHourOfTheWorst": round(slopes.iter().copied().fold(f64::MIN, f64::max)),
        })
    };
    let cpu = samples.iter().map(|samples| {
        let (first, last) = (samples[0], samples[samples.len() - 1]);
        (last.cpu - first.cpu).as_secs_f64() / (last.at - first.at).as_secs_f64()
    });
    Some(json!({
        "warmUpSeconds": warm_up.as_secs(),
        "samplesOfEach": samples[0].len(),
        "residentMiB": describe(|sample| sample.resident, MIB),
        "descriptors": describe(|sample| sample.descriptors, 1.0),
        "cpuPercentOfEach": round(100.0 * cpu.sum::<f64>() / samples.len() as f64),
    }))
}

/// The slope of the line that fits best, in the hour.
fn slope(samples: &[Sample], get: fn(&Sample) -> f64) -> f64 {
    let count = samples.len() as f64;
    let hours = |sample: &Sample| sample.at.as_secs_f64() / 3600.0;
    let mean_at = samples.iter().map(hours).sum::<f64>() / count;
    let mean = samples.iter().map(get).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for sample in samples {
        let from = hours(sample) - mean_at;
        above += from * (get(sample) - mean);
        below += from * from;
    }
    above / below
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Two decimals are enough for everybody.
pub fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
