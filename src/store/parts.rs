//! Records that are larger than an item of the keyring, in several items (pure).
//!
//! The item of the record's name is then a header: the number of parts, their generation and a
//! digest of the whole. Parts are written first, under the generation that is not in use, and the
//! header last, so that a crash leaves the old record or the new one; a reader that the writer
//! overtakes sees a wrong digest and reads again.

use sha2::{Digest, Sha256};

use crate::limits::{KEYRING_PARTS, KEYRING_READS};
use crate::secret::wiped::{Growing, Wiped};

use super::items::{Items, KeyringError};

/// What a header begins with. A record is JSON and does not.
const MARK: &str = "mcp-tether-parts/1";

struct Header {
    generation: char,
    parts: usize,
    digest: String,
}

impl Header {
    /// The header in an item, if it is one.
    fn parse(item: &[u8]) -> Option<Header> {
        let mut words = std::str::from_utf8(item).ok()?.split(' ');
        let (mark, generation, parts, digest) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let generation = generation.parse().ok()?;
        let parts = parts.parse().ok().filter(|parts| *parts <= KEYRING_PARTS)?;
        (mark == MARK).then(|| Header { generation, parts, digest: digest.to_owned() })
    }

    fn text(&self) -> String {
        format!("{MARK} {} {} {}", self.generation, self.parts, self.digest)
    }
}

/// Reads what [`fn@write`] wrote, with any limit.
///
/// # Errors
/// If the keyring does not say, or parts are missing.
pub fn read(items: &dyn Items, name: &str) -> Result<Option<Wiped>, KeyringError> {
    for _ in 0..KEYRING_READS {
        let Some(item) = items.get(name)?.map(Wiped::new) else { return Ok(None) };
        let Some(header) = Header::parse(&item) else { return Ok(Some(item)) };
        let mut whole = Growing::default();
        for index in 0..header.parts {
            let part = items.get(&part(name, header.generation, index))?;
            let part = Wiped::new(part.unwrap_or_default());
            whole.add(&part);
        }
        let whole = whole.into_bytes();
        if digest(&whole) == header.digest {
            return Ok(Some(whole));
        }
    }
    Err(KeyringError::Damaged)
}

/// Writes a record as one item if it has at most `limit` bytes, else as several. One writer at a
/// time.
///
/// # Errors
/// If the keyring refuses, or the record needs more than [`KEYRING_PARTS`]. The old record is then
/// still there.
pub fn write(
    items: &dyn Items,
    name: &str,
    bytes: &[u8],
    limit: usize,
) -> Result<(), KeyringError> {
    let count = bytes.len().div_ceil(limit);
    if count > KEYRING_PARTS {
        return Err(KeyringError::TooLarge(limit * KEYRING_PARTS));
    }
    let old = items.get(name)?.map(Wiped::new).and_then(|item| Header::parse(&item));
    if count <= 1 {
        items.set(name, bytes)?;
    } else {
        let generation =
            if old.as_ref().is_some_and(|old| old.generation == 'a') { 'b' } else { 'a' };
        for (index, bytes) in bytes.chunks(limit).enumerate() {
            items.set(&part(name, generation, index), bytes)?;
        }
        let header = Header { generation, parts: count, digest: digest(bytes) };
        items.set(name, header.text().as_bytes())?;
        // What a writer that died before its header may have left.
        discard(items, name, generation, count);
    }
    if let Some(old) = old {
        discard(items, name, old.generation, 0);
    }
    Ok(())
}

/// Removes a record with all its parts.
///
/// # Errors
/// If it may still be there.
pub fn remove(items: &dyn Items, name: &str) -> Result<(), KeyringError> {
    items.delete(name)?;
    discard(items, name, 'a', 0);
    discard(items, name, 'b', 0);
    Ok(())
}

/// Removes the parts of a generation from number `first` on, the last one first, so that what an
/// interruption leaves can be found again. Best effort: nothing refers to them.
fn discard(items: &dyn Items, name: &str, generation: char, first: usize) {
    let there = |index: &usize| matches!(items.get(&part(name, generation, *index)), Ok(Some(_)));
    let end = first + (first..KEYRING_PARTS).take_while(there).count();
    for index in (first..end).rev() {
        let _ = items.delete(&part(name, generation, index));
    }
}

fn part(name: &str, generation: char, index: usize) -> String {
    format!("{name}.{generation}{index}")
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    fn count(items: &Memory) -> usize {
        items.all().len()
    }

    #[test]
    fn a_small_record_is_one_item() {
        let items = Memory::default();
        write(&items, "r", b"{}", 10).unwrap();
        assert_eq!(items.get("r").unwrap().unwrap(), b"{}");
        assert_eq!(*read(&items, "r").unwrap().unwrap(), b"{}");
        assert!(read(&items, "other").unwrap().is_none());
    }

    #[test]
    fn records_grow_and_shrink_without_remains() {
        let items = Memory::limited(200);
        for (size, expected) in
            [(200, 1), (201, 3), (1000, 6), (999, 6), (450, 4), (0, 1), (600, 4)]
        {
            let record = vec![b'{'; size];
            write(&items, "r", &record, 200).unwrap();
            assert_eq!(*read(&items, "r").unwrap().unwrap(), record);
            assert_eq!(count(&items), expected, "{size}");
        }
        write(&items, "other", &[b'{'; 500], 200).unwrap();
        remove(&items, "r").unwrap();
        assert_eq!(count(&items), 4);
        assert!(items.all().keys().all(|name| name.starts_with("other")));
    }

    #[test]
    fn a_crash_leaves_the_old_record_or_the_new_one() {
        let (old, new) = (vec![b'{'; 700], vec![b'['; 900]);
        let mut seen = [false; 2];
        for calls in 0..40 {
            let items = Memory::limited(200);
            write(&items, "r", &old, 200).unwrap();
            items.fail_after(calls);
            let _ = write(&items, "r", &new, 200);
            items.fail_after(usize::MAX);
            let found = read(&items, "r").unwrap().unwrap();
            let found = found.to_vec();
            assert!(found == old || found == new, "after {calls} calls");
            seen[usize::from(found == new)] = true;
            // The next writer finds its way, and clears up.
            write(&items, "r", &[b'{'; 300], 200).unwrap();
            write(&items, "r", &[b'{'; 350], 200).unwrap();
            assert_eq!(read(&items, "r").unwrap().unwrap()[..], [b'{'; 350]);
            assert_eq!(count(&items), 3, "after {calls} calls");
        }
        assert_eq!(seen, [true; 2]);
    }

    #[test]
    fn missing_and_changed_parts_are_noticed() {
        let items = Memory::limited(100);
        write(&items, "r", &[b'{'; 150], 100).unwrap();
        items.set("r.a1", b"other").unwrap();
        assert_eq!(read(&items, "r"), Err(KeyringError::Damaged));
        items.delete("r.a0").unwrap();
        assert_eq!(read(&items, "r"), Err(KeyringError::Damaged));
    }

    #[test]
    fn too_many_parts_are_refused_and_the_old_record_stays() {
        let items = Memory::limited(100);
        write(&items, "r", b"{}", 100).unwrap();
        let error = write(&items, "r", &[b'{'; 100 * KEYRING_PARTS + 1], 100).unwrap_err();
        assert_eq!(error, KeyringError::TooLarge(100 * KEYRING_PARTS));
        assert_eq!(*read(&items, "r").unwrap().unwrap(), b"{}");
        write(&items, "r", &[b'{'; 100 * KEYRING_PARTS], 100).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn any_sequence_of_records_is_kept(sizes in proptest::collection::vec(0usize..2000, 1..6), limit in 100usize..600) {
            let items = Memory::limited(limit);
            for (n, size) in sizes.into_iter().enumerate() {
                let record: Vec<u8> = std::iter::once(b'{').chain((0..size).map(|i| (i + n) as u8)).collect();
                write(&items, "r", &record, limit).unwrap();
                assert_eq!(*read(&items, "r").unwrap().unwrap(), record);
            }
            remove(&items, "r").unwrap();
            assert_eq!(count(&items), 0);
        }
    }
}
