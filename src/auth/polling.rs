//! How long to wait between two questions whether somebody has entered the code (RFC 8628, section
//! 3.5; pure).

use std::time::Duration;

use crate::limits::{
    BACKOFF_MAX, DEVICE_INTERVAL, DEVICE_INTERVAL_MAX, DEVICE_INTERVAL_MIN, DEVICE_SLOW_DOWN,
};

/// What a question has brought, short of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// `authorization_pending`.
    Pending,
    /// `slow_down`.
    SlowDown,
    /// Nothing came, or trouble, perhaps with a time to wait.
    Trouble(Option<Duration>),
}

/// The pauses of one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    /// Doubled each time that there is trouble.
    trouble: Option<Duration>,
}

impl Schedule {
    /// With the `interval` that the authorization server has named.
    pub fn new(interval: Option<Duration>) -> Schedule {
        let interval = interval.unwrap_or(DEVICE_INTERVAL);
        Schedule { interval: within(interval), trouble: None }
    }

    /// The least pause, for another process that goes on.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The pause before the next question.
    pub fn after(&mut self, outcome: NotYet) -> Duration {
        match outcome {
            NotYet::Pending => self.trouble = None,
            NotYet::SlowDown => {
                self.trouble = None;
                self.interval = within(self.interval.saturating_add(DEVICE_SLOW_DOWN));
            }
            NotYet::Trouble(asked) => {
                let last = self.trouble.unwrap_or(self.interval);
                // What is longer than that already stays as it is.
                let longer = last.saturating_mul(2).min(BACKOFF_MAX.max(self.interval));
                self.trouble = Some(longer);
                return within(asked.unwrap_or_default().max(longer));
            }
        }
        self.interval
    }
}

fn within(interval: Duration) -> Duration {
    interval.clamp(DEVICE_INTERVAL_MIN, DEVICE_INTERVAL_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_interval_is_the_servers() {
        for (named, used) in
            [(None, 5), (Some(7), 7), (Some(0), 1), (Some(120), 120), (Some(u64::MAX), 86_400)]
        {
            let mut schedule = Schedule::new(named.map(seconds));
            assert_eq!(schedule.interval(), seconds(used));
            assert_eq!(schedule.after(NotYet::Pending), seconds(used));
        }
    }

    #[test]
    fn slowing_down_is_for_good() {
        let mut schedule = Schedule::new(None);
        assert_eq!(schedule.after(NotYet::SlowDown), seconds(10));
        assert_eq!(schedule.after(NotYet::Pending), seconds(10));
        assert_eq!(schedule.after(NotYet::SlowDown), seconds(15));
        assert_eq!(schedule.interval(), seconds(15));
    }

    #[test]
    fn trouble_doubles_the_pause_until_it_is_over() {
        let mut schedule = Schedule::new(None);
        let pauses: Vec<u64> =
            (0..6).map(|_| schedule.after(NotYet::Trouble(None)).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 60, 60, 60]);
        assert_eq!(schedule.after(NotYet::Trouble(Some(seconds(90)))), seconds(90));
        assert_eq!(schedule.after(NotYet::Trouble(Some(seconds(1)))), seconds(60));
        assert_eq!(schedule.after(NotYet::Pending), seconds(5));
        assert_eq!(schedule.after(NotYet::Trouble(None)), seconds(10));
        // Never more often than the server wants.
        let mut slow = Schedule::new(Some(seconds(300)));
        assert_eq!(slow.after(NotYet::Trouble(None)), seconds(300));
    }

    proptest::proptest! {
        #[test]
        fn never_below_the_interval(
            named: Option<u64>,
            outcomes in proptest::collection::vec(0..4u8, 0..40),
            asked: u64,
        ) {
            let mut schedule = Schedule::new(named.map(seconds));
            for outcome in outcomes {
                let least = schedule.interval();
                let pause = schedule.after(match outcome {
                    0 => NotYet::Pending,
                    1 => NotYet::SlowDown,
                    2 => NotYet::Trouble(None),
                    _ => NotYet::Trouble(Some(seconds(asked))),
                });
                assert!(pause >= least && pause <= DEVICE_INTERVAL_MAX);
            }
        }
    }
}
