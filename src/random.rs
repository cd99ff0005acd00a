//! The dice for jitter.

/// A number from 0 to below 1. Where the system gives no randomness it is 0: jitter is a courtesy.
pub fn dice() -> f64 {
    getrandom::u32().map_or(0.0, |value| f64::from(value) / (f64::from(u32::MAX) + 1.0))
}
