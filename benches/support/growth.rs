//! How costs grow with size and concurrency: lines through what was measured.

use super::field::idle::{self, PEAKS};
use super::field::sizes::{self, KINDS, SIZES};
use super::field::{CONCURRENCY, Figure, cpu_name};
use super::report::Unit;

/// A line through points by least squares, and how well it fits.
#[derive(Clone, Copy)]
pub struct Fit {
    /// Cost of one more.
    pub slope: f64,
    /// Cost of none.
    pub base: f64,
    /// How much of the variation the line explains; 1 is all.
    pub fit: f64,
    /// The exponent of a power through the same points: 1 is linear, 2 quadratic.
    pub exponent: f64,
}

/// What grows.
#[derive(Clone, Copy)]
pub enum Cost {
    /// Seconds for bytes.
    Time,
    /// Seconds of processor time for requests.
    Processor,
    /// Bytes of memory for bytes.
    Memory,
}

impl Cost {
    /// What the slope is counted in.
    pub fn slope(self) -> &'static str {
        match self {
            Cost::Time => "s/byte",
            Cost::Processor => "s/request",
            Cost::Memory => "bytes/byte",
        }
    }

    /// A fit as people read it. Of memory the exponent says nothing: what is there without a message outweighs it.
    pub fn show(self, fit: Fit) -> String {
        let cost = match self {
            Cost::Time => {
                format!("{:.2} ms/MiB, n^{:.2}", fit.slope * 1e3 * MEBIBYTE, fit.exponent)
            }
            Cost::Processor => {
                format!("{} each, n^{:.2}", Unit::Microseconds.show(fit.slope), fit.exponent)
            }
            Cost::Memory => {
                let sign = if fit.base < 0.0 { '−' } else { '+' };
                format!("{:.2} n {sign} {}", fit.slope, Unit::Mebibytes.show(fit.base.abs()))
            }
        };
        format!("{cost}, R² {:.3}", fit.fit)
    }
}

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// A fit for every way, `None` where too little could be measured.
pub struct Growth {
    pub name: String,
    pub cost: Cost,
    pub fits: Vec<Option<Fit>>,
}

/// The growth of time and memory with size, and of processor time with concurrency.
pub fn of(figures: &[Figure]) -> Vec<Growth> {
    let mut growth = Vec::new();
    for (kind, _) in KINDS {
        // Below this, a call costs more than its bytes.
        let sizes = SIZES.into_iter().filter(|size| *size >= 1 << 20);
        let names = sizes.map(|size| (size as f64, sizes::name(size, kind)));
        growth.push(Growth {
            name: format!("time of {}, 1 MiB and more", plural(kind)),
            cost: Cost::Time,
            fits: fits(figures, names.collect(), |size, rate| size / rate),
        });
    }
    let names = CONCURRENCY.map(|in_flight| (in_flight as f64, cpu_name(in_flight)));
    growth.push(Growth {
        name: "processor time of n requests under way".to_owned(),
        cost: Cost::Processor,
        fits: fits(figures, names.to_vec(), |in_flight, cpu| in_flight * cpu),
    });
    for (kind, _) in idle::KINDS {
        let names = PEAKS.map(|size| (size as f64, idle::name(size, kind)));
        growth.push(Growth {
            name: format!("peak memory of a result {kind}"),
            cost: Cost::Memory,
            fits: fits(figures, names.to_vec(), |_, peak| peak),
        });
    }
    growth
}

/// "results as JSON", "arguments"
fn plural(kind: &str) -> String {
    match kind.split_once(' ') {
        Some((what, how)) => format!("{what}s {how}"),
        None => format!("{kind}s"),
    }
}

/// For every way, through the figures with these names; `cost` gives y for x and a figure's value.
fn fits(
    figures: &[Figure],
    names: Vec<(f64, String)>,
    cost: impl Fn(f64, f64) -> f64,
) -> Vec<Option<Fit>> {
    let found: Vec<(f64, &Figure)> = names
        .iter()
        .filter_map(|(x, name)| Some((*x, figures.iter().find(|figure| figure.name == *name)?)))
        .collect();
    let ways = figures.first().map_or(0, |figure| figure.values.len());
    (0..ways)
        .map(|way| {
            let points = found.iter().filter_map(|(x, figure)| {
                figure.values[way].as_ref().ok().map(|value| (*x, cost(*x, *value)))
            });
            fit(&points.collect::<Vec<_>>())
        })
        .collect()
}

fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    let (slope, base, fit) = line(points)?;
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let (exponent, ..) = line(&logarithms)?;
    Some(Fit { slope, base, fit, exponent })
}

/// Slope, value at zero and coefficient of determination.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    if points.len() < 3 || points.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
        return None;
    }
    let count = points.len() as f64;
    let (mean_x, mean_y) = points
        .iter()
        .fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let sum = |of: &dyn Fn(f64, f64) -> f64| {
        points.iter().map(|(x, y)| of(x - mean_x, y - mean_y)).sum::<f64>()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let slope = xy / xx;
    (xx > 0.0 && yy > 0.0).then(|| (slope, mean_y - slope * mean_x, xy * xy / (xx * yy)))
}
