//! Sorting, and maps that are sorted.
//!
//! The standard library compiles its sort, some 8 KB, once more for each type that is sorted, and for each iterator
//! that a `BTreeMap` is collected from. What is sorted here is short or seldom: places are sorted, which are always of
//! the same type, and the things then put there; entries of maps are inserted one by one (docs/decisions/0006).

use std::cmp::Ordering;

/// Sorts `items` by `compare`. Those that are equal keep their order.
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut from = places(items.len(), &mut |one, other| compare(&items[one], &items[other]));
    // Each circle of places in turn: what is at `from[at]` belongs to `at`.
    for start in 0..items.len() {
        let mut at = start;
        while from[at] != start {
            let next = from[at];
            items.swap(at, next);
            from[at] = at;
            at = next;
        }
        from[at] = at;
    }
}

/// Sorts `items`. Those that are equal keep their order.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Sorts `items` by what `key` gives for each. Those that are equal keep their order.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// A map of `entries`. Of those with the same key the last one is kept.
pub fn map<K, V, M: Default + Extend<(K, V)>>(entries: impl IntoIterator<Item = (K, V)>) -> M {
    let mut map = M::default();
    map.extend(entries);
    map
}

/// Which item belongs to each place.
fn places(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|one, other| compare(*one, *other));
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(keys in prop::collection::vec(0..20_u8, 0..60)) {
            let items: Vec<(u8, usize)> = keys.into_iter().enumerate().map(|(n, k)| (k, n)).collect();
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by_key(&mut ours, |item| item.0);
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}
