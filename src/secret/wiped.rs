//! Bytes that hold secrets, and are overwritten before their memory is somebody else's (pure).
//!
//! What cannot be overwritten from here: the copies that the libraries for HTTP, TLS, OAuth, keyrings and AWS make on
//! their way, and what has been written to a swap device meanwhile.

use std::io;

use zeroize::Zeroizing;

/// Bytes that are overwritten when they are let go of.
pub type Wiped = Zeroizing<Vec<u8>>;

/// What takes a secret in pieces and leaves none behind where it has to move to grow, as a plain vector does.
#[derive(Debug, Default)]
pub struct Growing(Wiped);

/// Room at the beginning: most records fit.
const FIRST: usize = 4 << 10;

impl Growing {
    /// Adds to it.
    pub fn add(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Wiped::new(Vec::with_capacity((needed * 2).max(FIRST)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// What was written.
    pub fn into_bytes(self) -> Wiped {
        self.0
    }
}

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::secret::Secret;

    /// As long as a token of a large provider. Not so long that its memory would go back to the system.
    const LENGTH: usize = 3000;

    /// Of each test its own, which no other thread writes to where it looks.
    const KEPT: &str = "fake-kept-";
    const GROWN: &str = "fake-grown-";

    fn text(part: &str) -> String {
        part.repeat(LENGTH / part.len())
    }

    /// Whether there are several of the parts in it.
    fn has(bytes: &[u8], part: &str) -> bool {
        bytes.windows(part.len()).filter(|window| *window == part.as_bytes()).count() > 3
    }

    /// Whether there are several pieces of the text where it has been, after `place` was let go of. The first bytes
    /// of free memory are the allocator's.
    fn left_behind<T>(memory: &File, place: T, bytes: impl Fn(&T) -> &[u8]) -> bool {
        let (start, length) = (bytes(&place).as_ptr() as usize, bytes(&place).len());
        let mut found = vec![0; length];
        drop(place);
        memory.read_exact_at(&mut found, start as u64).expect("it is still ours");
        has(&found, KEPT)
    }

    #[test]
    fn nothing_is_left_in_memory() {
        let memory = File::open("/proc/self/mem").expect("a process may read its own");
        // Another thread may have written over it, but not every time.
        let plain = |_| left_behind(&memory, text(KEPT), |text| text.as_bytes());
        assert!((0..100).any(plain), "a plain text is not wiped, or this test sees nothing");
        for _ in 0..100 {
            let secret = Secret::new(text(KEPT));
            assert!(!left_behind(&memory, secret.clone(), |secret| secret.expose().as_bytes()));
            assert!(!left_behind(&memory, secret, |secret| secret.expose().as_bytes()));
            let bytes = Wiped::new(text(KEPT).into_bytes());
            assert!(!left_behind(&memory, bytes, |bytes| bytes.as_slice()));
        }
    }

    /// Whether the text is still where it was first, after more of it was added until all had to move. `add` says where
    /// all is.
    fn left_by_growing(memory: &File, mut add: impl FnMut(&[u8]) -> usize) -> bool {
        // Allocated before, so that neither comes to lie where the bytes have been.
        let more = text(GROWN);
        let mut found = vec![0; more.len()];
        let start = add(more.as_bytes());
        let moved = (0..10_000).any(|_| add(more.as_bytes()) != start);
        // What has gone back to the system cannot be read.
        let read = memory.read_exact_at(&mut found, start as u64);
        moved && read.is_ok() && has(&found, GROWN)
    }

    #[test]
    fn nothing_is_left_where_it_has_grown() {
        let memory = File::open("/proc/self/mem").expect("a process may read its own");
        let plain = |_| {
            let mut plain = Vec::new();
            left_by_growing(&memory, |bytes| {
                plain.extend_from_slice(bytes);
                plain.as_ptr() as usize
            })
        };
        assert!((0..100).any(plain), "a plain vector leaves nothing, or this test sees nothing");
        for _ in 0..100 {
            let mut growing = Growing::default();
            assert!(!left_by_growing(&memory, |bytes| {
                growing.add(bytes);
                growing.0.as_ptr() as usize
            }));
        }
    }
}
