//! A channel that is bounded by bytes as well as by messages.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::limits::STDIO_QUEUE_MESSAGES;

/// The sending half.
#[derive(Debug)]
pub struct Sender<T> {
    channel: mpsc::Sender<Queued<T>>,
    budget: Arc<Semaphore>,
    capacity: usize,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            channel: self.channel.clone(),
            budget: self.budget.clone(),
            capacity: self.capacity,
        }
    }
}

/// The receiving half.
pub type Receiver<T> = mpsc::Receiver<Queued<T>>;

/// A value in the queue; its bytes are given back when this is dropped, which has to be once all is done with it.
#[derive(Debug)]
pub struct Queued<T> {
    /// The value.
    pub value: T,
    _share: OwnedSemaphorePermit,
}

/// The other half is gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

/// A queue of at most `capacity` bytes and [`STDIO_QUEUE_MESSAGES`] messages. A message that is
/// larger than the whole queue passes when the queue is empty.
pub fn queue<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (channel, receiver) = mpsc::channel(STDIO_QUEUE_MESSAGES);
    (Sender { channel, budget: Arc::new(Semaphore::new(capacity)), capacity }, receiver)
}

impl<T> Sender<T> {
    /// Waits for room for `size` bytes.
    ///
    /// # Errors
    /// [`Closed`] if the receiver is gone.
    pub async fn reserve(&self, size: usize) -> Result<Room<'_, T>, Closed> {
        let share = u32::try_from(size.clamp(1, self.capacity)).unwrap_or(u32::MAX);
        let share = self.budget.clone().acquire_many_owned(share).await.map_err(|_| Closed)?;
        let place = self.channel.reserve().await.map_err(|_| Closed)?;
        Ok(Room { place, share, capacity: self.capacity })
    }

    /// Waits for room, then appends `value`, which stands for `size` bytes.
    ///
    /// # Errors
    /// [`Closed`] if the receiver is gone.
    pub async fn send(&self, value: T, size: usize) -> Result<(), Closed> {
        self.reserve(size).await.map(|room| room.put(value))
    }
}

/// Room in the queue, given back if it is dropped.
#[derive(Debug)]
pub struct Room<'a, T> {
    place: mpsc::Permit<'a, Queued<T>>,
    share: OwnedSemaphorePermit,
    capacity: usize,
}

impl<T> Room<'_, T> {
    /// Whether everything sent before is done with, and nobody else has room.
    pub fn is_alone(&self) -> bool {
        self.share.semaphore().available_permits() + self.share.num_permits() == self.capacity
    }

    /// Appends the value for which the room was reserved.
    pub fn put(self, value: T) {
        self.place.send(Queued { value, _share: self.share });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn bounded_by_bytes() {
        let (sender, mut receiver) = queue(10);
        sender.send('a', 6).await.unwrap();
        assert!(sender.send('b', 6).now_or_never().is_none());
        assert_eq!(receiver.recv().await.map(|q| q.value), Some('a'));
        sender.send('c', 6).await.unwrap();
    }

    #[tokio::test]
    async fn one_large_message_passes_alone() {
        let (sender, mut receiver) = queue(10);
        sender.send('a', 1).await.unwrap();
        assert!(sender.send('b', 1000).now_or_never().is_none());
        drop(receiver.recv().await);
        sender.send('c', 1000).await.unwrap();
        assert!(sender.send('d', 1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn alone_is_who_comes_after_everything_is_done_with() {
        let (sender, mut receiver) = queue(10);
        let room = sender.reserve(3).await.unwrap();
        assert!(room.is_alone());
        let other = sender.reserve(3).await.unwrap();
        assert!(!room.is_alone() && !other.is_alone());
        room.put('a');
        assert!(!other.is_alone());
        let taken = receiver.recv().await;
        assert!(!other.is_alone());
        drop(taken);
        assert!(other.is_alone());
        drop(other);
        assert!(sender.reserve(1000).await.unwrap().is_alone());
    }

    #[tokio::test]
    async fn a_dropped_receiver_is_noticed() {
        let (sender, receiver) = queue(10);
        drop(receiver);
        assert_eq!(sender.send('a', 1).await, Err(Closed));
    }
}
