//! The dice for jitter, and numbers that nobody guesses.

/// A number from 0 to below 1. Where the system gives no randomness it is 0: jitter is a courtesy.
pub fn dice() -> f64 {
    getrandom::u32().map_or(0.0, |value| f64::from(value) / (f64::from(u32::MAX) + 1.0))
}

/// A number that others cannot guess, as long as the system gives randomness.
pub fn number() -> u64 {
    getrandom::u64().unwrap_or_default()
}
