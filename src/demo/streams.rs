//! All streams of a session: the standalone one, those being written, and some completed ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::Limits;
use super::stream::{STANDALONE, Stream};

/// The streams of one session, by number.
#[derive(Debug)]
pub struct Streams {
    standalone: Arc<Stream>,
    answers: Mutex<Answers>,
    limits: Arc<Limits>,
}

#[derive(Debug, Default)]
struct Answers {
    opened: u64,
    by_number: BTreeMap<u64, Arc<Stream>>,
}

impl Streams {
    /// Only the standalone stream, still empty.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { standalone: Stream::new(STANDALONE, &limits), answers: Mutex::default(), limits }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream that GET opens, for what belongs to no call.
    pub fn standalone(&self) -> &Arc<Stream> {
        &self.standalone
    }

    /// A new stream for the answer to a POST.
    pub fn open(&self) -> Arc<Stream> {
        let mut answers = self.answers();
        answers.opened += 1;
        let number = answers.opened;
        let stream = Stream::new(number, &self.limits);
        answers.by_number.insert(number, Arc::clone(&stream));
        stream
    }

    /// The stream of that number, unless it is unknown or no longer kept.
    pub fn get(&self, number: u64) -> Option<Arc<Stream>> {
        if number == STANDALONE {
            return Some(Arc::clone(&self.standalone));
        }
        self.answers().by_number.get(&number).cloned()
    }

    /// Completes a stream and drops the oldest completed ones beyond the bounds.
    pub fn finish(&self, stream: &Stream) {
        stream.finish();
        let mut answers = self.answers();
        let (mut count, mut bytes) = (0, 0);
        // From the newest to the oldest; the newest one stays whatever its size.
        let surplus: Vec<u64> = answers
            .by_number
            .iter()
            .rev()
            .filter(|(_, stream)| stream.is_finished())
            .filter_map(|(number, stream)| {
                count += 1;
                bytes += stream.bytes();
                let fits = count <= self.limits.kept_streams && bytes <= self.limits.kept_bytes;
                (count > 1 && !fits).then_some(*number)
            })
            .collect();
        for number in surplus {
            answers.by_number.remove(&number);
        }
    }

    /// Completes all streams, so that their connections close.
    pub fn finish_all(&self) {
        self.standalone.finish();
        for stream in self.answers().by_number.values() {
            stream.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limits: Limits, sizes: &[usize]) -> Vec<u64> {
        let streams = Streams::new(Arc::new(limits));
        for size in sizes {
            let stream = streams.open();
            stream.send(&"x".repeat(*size));
            streams.finish(&stream);
        }
        (1..=sizes.len() as u64).filter(|number| streams.get(*number).is_some()).collect()
    }

    #[test]
    fn the_oldest_completed_streams_go_first() {
        let limits = Limits { kept_streams: 3, ..Limits::default() };
        assert_eq!(kept(limits, &[1; 10]), [8, 9, 10]);
    }

    #[test]
    fn the_bytes_of_completed_streams_are_bounded() {
        let limits = || Limits { kept_bytes: 1000, ..Limits::default() };
        assert_eq!(kept(limits(), &[400; 5]), [4, 5]);
        assert_eq!(kept(limits(), &[400, 400, 5000]), [3]);
    }

    #[test]
    fn a_stream_still_being_written_is_never_dropped() {
        let limits = Limits { kept_streams: 1, ..Limits::default() };
        let streams = Streams::new(Arc::new(limits));
        let open = streams.open();
        for _ in 0..5 {
            let stream = streams.open();
            streams.finish(&stream);
        }
        assert!(streams.get(1).is_some_and(|stream| Arc::ptr_eq(&stream, &open)));
        assert!(streams.get(STANDALONE).is_some());
        assert!(streams.get(99).is_none());
    }
}
