//! The times at which an adapter wants to be woken.
//!
//! One list and one task for all of them. An adapter does not take a time back when it means nothing
//! any more; such times are swept out when there are many, so that they do not pile up until they
//! come.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits::STALE_TIMERS;

/// Times with a token each.
#[derive(Debug, Default)]
pub struct Timers {
    list: Mutex<List>,
    sooner: Notify,
}

#[derive(Debug, Default)]
struct List {
    due: BTreeSet<(Instant, u64)>,
    /// Times that meant something when the list was swept last.
    live: usize,
    /// Somebody waits for the next one.
    kept: bool,
}

impl Timers {
    /// Adds a time. `true` if nobody has ever waited for the next one: whoever is told must, from now
    /// on.
    pub fn set(&self, after: Duration, token: u64) -> bool {
        let mut list = self.list();
        list.due.insert((Instant::now() + after, token));
        self.sooner.notify_one();
        !std::mem::replace(&mut list.kept, true)
    }

    /// The token of the next time, when that has come.
    pub async fn next(&self) -> u64 {
        loop {
            let first = self.list().due.first().copied();
            let Some((time, token)) = first else {
                self.sooner.notified().await;
                continue;
            };
            tokio::select! {
                biased;
                () = self.sooner.notified() => {}
                () = sleep_until(time) => {
                    // Swept out meanwhile, it means nothing.
                    if self.list().due.remove(&(time, token)) {
                        return token;
                    }
                }
            }
        }
    }

    /// Forgets the times whose token is not awaited, if there may be more than [`STALE_TIMERS`] of
    /// them.
    pub fn sweep(&self, awaited: impl Fn(u64) -> bool) {
        let mut list = self.list();
        if list.due.len() > list.live + STALE_TIMERS {
            list.due.retain(|(_, token)| awaited(*token));
            list.live = list.due.len();
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn times_come_in_their_order() {
        let timers = Timers::default();
        assert!(timers.set(Duration::from_secs(600), 1));
        assert!(!timers.set(Duration::from_secs(1), 2));
        let begin = Instant::now();
        assert_eq!(timers.next().await, 2);
        // A sooner one is not missed while a later one is waited for.
        let (token, ()) = tokio::join!(timers.next(), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            timers.set(Duration::from_secs(1), 3);
        });
        assert_eq!((token, begin.elapsed().as_secs()), (3, 7));
        assert_eq!(timers.next().await, 1);
        assert_eq!(begin.elapsed().as_secs(), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn what_means_nothing_does_not_pile_up() {
        let timers = Timers::default();
        for token in 0..100_000 {
            timers.set(Duration::from_secs(600), token);
            timers.sweep(|token| token % 10_000 == 0);
            assert!(timers.list().due.len() <= STALE_TIMERS + 11);
        }
        let mut live = Vec::new();
        timers.sweep(|_| true);
        while live.len() < 10 {
            let token = timers.next().await;
            if token % 10_000 == 0 {
                live.push(token);
            }
        }
        assert_eq!(live, (0..10).map(|n| n * 10_000).collect::<Vec<_>>());
    }
}
