//! How long to wait before connecting again.

use std::time::Duration;

use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, RECONNECT_AT_ONCE, RETRY_MAX, RETRY_MIN};

/// The pauses of one stream. Pure: the clock and the dice are the caller's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    fruitless: u32,
    polled: bool,
}

impl Backoff {
    /// The next pause. The server's `retry` field, in milliseconds, is its lower bound, clamped to
    /// [`RETRY_MIN`]..[`RETRY_MAX`]; beyond the first pause it doubles from [`BACKOFF_FIRST`] to
    /// [`BACKOFF_MAX`], shortened by up to half by `dice` (0..1), so that many clients do not come
    /// back at once. A server that asks to be polled decides alone.
    pub fn pause(&self, retry: Option<u64>, dice: f64) -> Duration {
        let floor = retry.map(|ms| Duration::from_millis(ms).clamp(RETRY_MIN, RETRY_MAX));
        if self.polled {
            return floor.unwrap_or(BACKOFF_FIRST);
        }
        if self.fruitless == 0 {
            return floor.unwrap_or(RECONNECT_AT_ONCE);
        }
        let doublings = 1_u32.checked_shl(self.fruitless - 1).unwrap_or(u32::MAX);
        let doubled = BACKOFF_FIRST.saturating_mul(doublings).min(BACKOFF_MAX);
        doubled.mul_f64(1.0 - dice.clamp(0.0, 1.0) / 2.0).max(floor.unwrap_or(Duration::ZERO))
    }

    /// The last connection brought nothing.
    pub fn fruitless(&mut self) {
        self.polled = false;
        self.fruitless = self.fruitless.saturating_add(1).min(16);
    }

    /// The last connection brought messages.
    pub fn fruitful(&mut self) {
        *self = Backoff::default();
    }

    /// The last connection brought a new event id but no message: the server is alive, and asks to
    /// be polled.
    pub fn polled(&mut self) {
        *self = Backoff { fruitless: 0, polled: true };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_wish_is_the_floor() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(Some(500), 1.0), Duration::from_millis(500));
        assert_eq!(backoff.pause(Some(0), 1.0), RETRY_MIN);
        assert_eq!(backoff.pause(Some(u64::MAX), 1.0), RETRY_MAX);
        assert_eq!(backoff.pause(None, 1.0), RECONNECT_AT_ONCE);
        let mut tired = backoff;
        tired.fruitless();
        assert_eq!(tired.pause(Some(30_000), 1.0), Duration::from_secs(30));
    }

    #[test]
    fn a_server_that_closes_at_once_is_asked_less_than_twice_a_minute_after_three() {
        let mut backoff = Backoff::default();
        let mut elapsed = Duration::ZERO;
        while elapsed < Duration::from_secs(180) {
            elapsed += backoff.pause(None, 1.0);
            backoff.fruitless();
        }
        assert!(backoff.pause(None, 1.0) >= Duration::from_secs(30));
        assert_eq!(backoff.pause(None, 0.0), BACKOFF_MAX);
        backoff.polled();
        assert_eq!(backoff.pause(None, 1.0), BACKOFF_FIRST);
        assert_eq!(backoff.pause(Some(500), 0.0), Duration::from_millis(500));
        backoff.fruitful();
        assert_eq!(backoff.pause(None, 0.0), RECONNECT_AT_ONCE);
    }
}
