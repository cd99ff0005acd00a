//! How long methods took: as the client sees it, and at the server.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json;
use crate::order;
use crate::trace::join::Joined;
use crate::trace::record::From;

/// Methods in the table; a server that makes names up has no more of it.
const MOST: usize = 200;

#[derive(Default)]
struct Times {
    took: Vec<f64>,
    bad: u64,
}

/// A row for each method and place, the slowest (by p95) first.
pub(super) fn methods(joined: &Joined) -> Vec<Value> {
    let mut all: BTreeMap<(&str, &str), Times> = BTreeMap::new();
    for call in &joined.calls {
        if let (Some(method), Some(took)) = (call.method(), call.took()) {
            let place =
                if call.message.from == From::Client { "client" } else { "client's answer" };
            let times = all.entry((method, place)).or_default();
            times.took.push(took);
            times.bad += u64::from(call.is_error());
        }
    }
    for exchange in &joined.exchanges {
        if let Some(method) = exchange.method().filter(|_| exchange.is_over()) {
            let times = all.entry((method, "server")).or_default();
            times.took.push(exchange.ended() - exchange.began());
            times.bad += u64::from(exchange.is_error());
        }
    }
    let mut rows: Vec<(f64, Value)> = all
        .into_iter()
        .map(|((method, place), mut times)| {
            order::sort_by(&mut times.took, f64::total_cmp);
            let [p50, p95, max] = [50, 95, 100].map(|part| percentile(&times.took, part));
            let row = json!({
                "m": method, "at": place, "count": times.took.len(), "bad": times.bad,
                "p50": p50, "p95": p95, "max": max,
            });
            (p95, row)
        })
        .collect();
    order::sort_by(&mut rows, |a, b| b.0.total_cmp(&a.0));
    rows.truncate(MOST);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The smallest value that so many percent are not above.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([50, 95, 100].map(|part| percentile(&hundred, part)), [50.0, 95.0, 100.0]);
        assert_eq!([50, 95, 100].map(|part| percentile(&[1.0, 9.0], part)), [1.0, 9.0, 9.0]);
        assert_eq!(percentile(&[3.0], 50), 3.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
