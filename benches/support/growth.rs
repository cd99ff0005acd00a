//! How costs grow with size and concurrency: lines through what was measured.

use super::field::{CONCURRENCY, Figure, SIZES, bytes};

/// A line through points by least squares, and how well it fits.
#[derive(Clone, Copy)]
pub struct Fit {
    /// Cost of one more.
    pub slope: f64,
    /// How much of the variation the line explains; 1 is all.
    pub fit: f64,
    /// The exponent of a power through the same points: 1 is linear, 2 quadratic.
    pub exponent: f64,
}

/// A fit for every way, `None` where too little could be measured.
pub struct Growth {
    pub name: String,
    pub of: &'static str,
    pub fits: Vec<Option<Fit>>,
}

/// The growth of time with size, and of processor time with concurrency.
pub fn of(figures: &[Figure]) -> Vec<Growth> {
    let find = |name: &str| figures.iter().find(|figure| figure.name == name);
    let ways = figures.first().map_or(0, |figure| figure.values.len());
    let mut growth = Vec::new();
    for kind in ["as JSON", "as an event", "as an argument"] {
        let fits = (0..ways).map(|way| {
            // Below this, a call costs more than its bytes.
            let sizes = SIZES.into_iter().filter(|size| *size >= 1 << 20);
            let points = sizes.filter_map(|size| {
                let names = [
                    format!("{} as result {kind}", bytes(size)),
                    format!("{} {kind}", bytes(size)),
                ];
                let rate = names.iter().find_map(|name| find(name))?.values[way].as_ref().ok()?;
                Some((size as f64, size as f64 / rate))
            });
            fit(&points.collect::<Vec<_>>())
        });
        growth.push(Growth {
            name: format!("time of 1 MiB and more {kind}"),
            of: "s/byte",
            fits: fits.collect(),
        });
    }
    let fits = (0..ways).map(|way| {
        let points = CONCURRENCY.into_iter().filter_map(|in_flight| {
            let cpu = find(&format!("CPU per request, {in_flight} in flight"))?.values[way]
                .as_ref()
                .ok()?;
            Some((in_flight as f64, cpu * in_flight as f64))
        });
        fit(&points.collect::<Vec<_>>())
    });
    growth.push(Growth {
        name: "processor time of so many requests under way".to_owned(),
        of: "s/request",
        fits: fits.collect(),
    });
    growth
}

fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    let (slope, fit) = line(points)?;
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let (exponent, _) = line(&logarithms)?;
    Some(Fit { slope, fit, exponent })
}

/// Slope and coefficient of determination.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
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
    (xx > 0.0 && yy > 0.0).then(|| (xy / xx, xy * xy / (xx * yy)))
}
