//! The dice for jitter, and numbers that nobody guesses.

/// A number from 0 to below 1. Where the system gives no randomness it is 0: jitter is a courtesy.
pub fn dice() -> f64 {
    #[cfg(feature = "simulation")]
    if let Some(value) = simulated::next() {
        return (value >> 11) as f64 / (1_u64 << 53) as f64;
    }
    getrandom::u32().map_or(0.0, |value| f64::from(value) / (f64::from(u32::MAX) + 1.0))
}

/// A number that others cannot guess, as long as the system gives randomness.
pub fn number() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(value) = simulated::next() {
        return value;
    }
    getrandom::u64().unwrap_or_default()
}

/// A key for a keyed hash.
pub fn key() -> [u8; 16] {
    let mut key = [0; 16];
    // Without randomness the hash still shows nothing but what is equal.
    let _ = getrandom::fill(&mut key);
    key
}

/// Numbers that follow from a seed, so that a schedule can be had again. For the simulation only: whoever knows one of
/// them knows all that follow.
#[cfg(feature = "simulation")]
pub mod simulated {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From here on, on this thread, everything random follows from `seed`.
    pub fn seed(seed: u64) {
        STATE.set(Some(seed));
    }

    pub(super) fn next() -> Option<u64> {
        let mut state = STATE.get()?;
        let value = step(&mut state);
        STATE.set(Some(state));
        Some(value)
    }

    /// SplitMix64: small, and good enough to choose faults with.
    pub fn step(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = *state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}
