//! Which message may leave when.
//!
//! Messages leave in the order in which they were read, as far as it matters: requests go out side
//! by side, but nothing overtakes a notification or a response that was read before it, and those
//! overtake nothing. HTTP gives no order between two requests, so that "left" means for a
//! notification or response that its HTTP status has come, for `initialize` that it was answered,
//! and for any other request that its response has begun or that it was handed to a connection
//! [`HEAD_START`] ago. The head start is for the server: it may read two connections in any order.

use std::collections::BTreeMap;
use std::ops::RangeTo;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits::HEAD_START;

/// What a message is to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `initialize`: what was read later waits for its answer.
    Initialize,
    /// Any other request.
    Request,
    /// A notification.
    Notification,
    /// A response to a request of the server. It does not wait for `initialize`, whose answer may
    /// depend on it.
    Response,
}

/// The order of the messages of one client.
#[derive(Clone, Debug, Default)]
pub struct Order(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

/// The pure part: which messages have not left yet.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// Notifications, responses and `initialize` (`true`) that have not left.
    barriers: BTreeMap<u64, bool>,
    /// Requests whose response has not begun, and when they were handed to a connection.
    unsent: BTreeMap<u64, Option<Instant>>,
}

/// Whether a message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// When this time has come, if nothing changes before.
    At(Instant),
    /// When something changes.
    Later,
}

impl Queue {
    fn enter(&mut self, kind: Kind) -> u64 {
        let place = self.next;
        self.next += 1;
        if kind != Kind::Request {
            self.barriers.insert(place, kind == Kind::Initialize);
        }
        if matches!(kind, Kind::Request | Kind::Initialize) {
            self.unsent.insert(place, None);
        }
        place
    }

    fn turn(&self, place: u64, kind: Kind, now: Instant) -> Turn {
        let before = match kind {
            Kind::Request | Kind::Initialize => {
                let first = self.barriers.range(..place).next();
                return if first.is_none() { Turn::Now } else { Turn::Later };
            }
            Kind::Notification => ..place,
            // What waits for `initialize` cannot be what this answers.
            Kind::Response => ..self.first_initialize().map_or(place, |first| first.min(place)),
        };
        if self.barriers.range(before).next().is_some() {
            return Turn::Later;
        }
        self.head_starts(before, now)
    }

    fn first_initialize(&self) -> Option<u64> {
        self.barriers.iter().find(|(_, initialize)| **initialize).map(|(place, _)| *place)
    }

    /// The turn of a message that leaves after the requests in `before`.
    fn head_starts(&self, before: RangeTo<u64>, now: Instant) -> Turn {
        let mut turn = Turn::Now;
        for handed_over in self.unsent.range(before).map(|(_, at)| at) {
            let Some(handed_over) = handed_over else { return Turn::Later };
            let end = *handed_over + HEAD_START;
            turn = match turn {
                _ if end <= now => turn,
                Turn::At(other) => Turn::At(other.max(end)),
                _ => Turn::At(end),
            };
        }
        turn
    }
}

/// One message's place. Dropping it counts as having left, so that nothing waits for a message
/// whose task has ended.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    place: u64,
    kind: Kind,
}

impl Order {
    /// Takes the next place.
    pub fn enter(&self, kind: Kind) -> Place {
        let place = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).enter(kind);
        Place { shared: self.0.clone(), place, kind }
    }
}

impl Place {
    /// Waits until this message may leave.
    pub async fn turn(&self) {
        loop {
            let changed = self.shared.changed.notified();
            match self.with_queue(|queue| queue.turn(self.place, self.kind, Instant::now())) {
                Turn::Now => return,
                Turn::Later => changed.await,
                Turn::At(time) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(time) => {}
                },
            }
        }
    }

    /// The request was handed to a connection.
    pub fn handed_over(&self) {
        let changed = self.with_queue(|queue| {
            queue.unsent.get_mut(&self.place).is_some_and(|at| at.replace(Instant::now()).is_none())
        });
        if changed {
            self.shared.changed.notify_waiters();
        }
    }

    /// The response to the request has begun.
    pub fn acknowledged(&self) {
        if self.with_queue(|queue| queue.unsent.remove(&self.place).is_some()) {
            self.shared.changed.notify_waiters();
        }
    }

    /// The request was refused and will be sent again: it has not left after all.
    pub fn again(&self) {
        self.with_queue(|queue| queue.unsent.insert(self.place, None));
    }

    /// The message has left for good: nothing waits for it any more.
    pub fn left(&self) {
        let changed = self.with_queue(|queue| {
            let unsent = queue.unsent.remove(&self.place).is_some();
            queue.barriers.remove(&self.place).is_some() || unsent
        });
        if changed {
            self.shared.changed.notify_waiters();
        }
    }

    fn with_queue<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.left();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turn(place: &Place, now: Instant) -> Turn {
        place.with_queue(|queue| queue.turn(place.place, place.kind, now))
    }

    fn ready(place: &Place) -> bool {
        turn(place, Instant::now()) == Turn::Now
    }

    #[test]
    fn requests_go_side_by_side() {
        let order = Order::default();
        let (a, b) = (order.enter(Kind::Request), order.enter(Kind::Request));
        assert!(ready(&a) && ready(&b));
    }

    #[test]
    fn a_notification_waits_for_requests_and_stops_later_ones() {
        let order = Order::default();
        let request = order.enter(Kind::Request);
        let notification = order.enter(Kind::Notification);
        let later = order.enter(Kind::Request);
        assert!(!ready(&notification) && !ready(&later));
        request.acknowledged();
        assert!(ready(&notification) && !ready(&later));
        drop(notification);
        assert!(ready(&later));
    }

    #[test]
    fn a_request_without_a_response_has_a_head_start() {
        let order = Order::default();
        let (first, second) = (order.enter(Kind::Request), order.enter(Kind::Request));
        let response = order.enter(Kind::Response);
        let start = Instant::now();
        first.handed_over();
        assert_eq!(turn(&response, start), Turn::Later);
        second.handed_over();
        first.handed_over();
        assert!(matches!(turn(&response, start), Turn::At(time) if time >= start + HEAD_START));
        assert_eq!(turn(&response, Instant::now() + HEAD_START), Turn::Now);
        first.acknowledged();
        second.acknowledged();
        assert_eq!(turn(&response, start), Turn::Now);
    }

    #[test]
    fn everything_waits_for_initialize_but_a_response() {
        let order = Order::default();
        let initialize = order.enter(Kind::Initialize);
        let initialized = order.enter(Kind::Notification);
        let list = order.enter(Kind::Request);
        let response = order.enter(Kind::Response);
        initialize.acknowledged();
        assert!(!ready(&initialized) && !ready(&list) && ready(&response));
        drop(initialize);
        assert!(ready(&initialized) && !ready(&list));
        drop((initialized, response));
        assert!(ready(&list));
    }

    #[tokio::test]
    async fn waiting_ends_when_a_task_dies() {
        let order = Order::default();
        let first = order.enter(Kind::Notification);
        let second = order.enter(Kind::Request);
        let waiting = tokio::spawn(async move { second.turn().await });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
    }

    proptest! {
        /// Whatever the kinds and however sending is interleaved: everything leaves in the end, and
        /// nothing leaves before a notification that was read earlier.
        #[test]
        fn nothing_overtakes_and_nothing_is_stuck(kinds in proptest::collection::vec(0..4u8, 1..30), picks: Vec<prop::sample::Index>) {
            let order = Order::default();
            let mut waiting: Vec<(usize, Kind, Place)> = kinds.iter().enumerate().map(|(i, k)| {
                let kind = [Kind::Initialize, Kind::Request, Kind::Notification, Kind::Response][usize::from(*k)];
                (i, kind, order.enter(kind))
            }).collect();
            let mut picks = picks.into_iter();
            while !waiting.is_empty() {
                let free: Vec<usize> = (0..waiting.len()).filter(|i| ready(&waiting[*i].2)).collect();
                prop_assert!(!free.is_empty(), "stuck: {waiting:?}");
                let pick = free[picks.next().map_or(0, |p| p.index(free.len()))];
                let (read, kind, place) = waiting.remove(pick);
                for (earlier, other, _) in &waiting {
                    let overtaken = *earlier < read;
                    prop_assert!(!(overtaken && *other == Kind::Notification && kind != Kind::Response));
                    prop_assert!(!(overtaken && kind == Kind::Notification));
                }
                drop(place);
            }
        }
    }
}
