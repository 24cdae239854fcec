//! The most frequent of any number of keys, in bounded memory.
//!
//! # Source
//! Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams (Space-Saving):
//! when there is no room, a new key takes the place of the least one, and may have missed as much as that counted.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Holds what is counted of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Records since the key was taken in.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What may have been counted of it before, in what leaders are ordered by.
    pub missed_at_most: u64,
    /// By what it is ordered: what is counted and what may have been missed.
    weight: u64,
}

/// Counts keys.
#[derive(Debug)]
pub(crate) struct Leaders<K> {
    entries_max: usize,
    by_bytes: bool,
    places: HashMap<K, usize>,
    entries: Vec<(K, Counted)>,
    /// Weight and position, the least first.
    order: BTreeSet<(u64, usize)>,
}

impl<K: Clone + Eq + Hash> Leaders<K> {
    /// Returns what counts at most so many keys apart.
    pub fn new(entries_max: usize, by_bytes: bool) -> Self {
        let entries_max = entries_max.max(1);
        Self { entries_max, by_bytes, places: HashMap::new(), entries: Vec::new(), order: BTreeSet::new() }
    }

    /// Counts a record.
    pub fn add(&mut self, key: &K, bytes: u64) {
        let at = match self.places.get(key) {
            Some(at) => *at,
            None => self.take_in(key),
        };
        let counted = &mut self.entries[at].1;
        self.order.remove(&(counted.weight, at));
        counted.records += 1;
        counted.bytes += bytes;
        counted.weight += if self.by_bytes { bytes } else { 1 };
        self.order.insert((counted.weight, at));
    }

    fn take_in(&mut self, key: &K) -> usize {
        if self.entries.len() < self.entries_max {
            self.entries.push((key.clone(), Counted::default()));
            self.places.insert(key.clone(), self.entries.len() - 1);
            return self.entries.len() - 1;
        }
        let (weight, at) = self.order.pop_first().expect("there is no room, so there are entries");
        let counted = Counted { missed_at_most: weight, weight, ..Counted::default() };
        let (gone, _) = std::mem::replace(&mut self.entries[at], (key.clone(), counted));
        self.places.remove(&gone);
        self.places.insert(key.clone(), at);
        at
    }

    /// Returns the first keys, the largest first, and forgets all.
    pub fn take(&mut self, count: usize) -> Vec<(K, Counted)> {
        let first = self.order.iter().rev().take(count).map(|(_, at)| self.entries[*at].clone()).collect();
        *self = Self::new(self.entries_max, self.by_bytes);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frequent_stays_and_what_was_missed_is_said() {
        let mut leaders = Leaders::new(10, false);
        for round in 0..10_000_u64 {
            leaders.add(&(round % 3), 10);
            // As many rare keys as there are rounds.
            leaders.add(&(1_000 + round), 1);
        }
        let first = leaders.take(3);
        let mut keys: Vec<u64> = first.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        assert_eq!(keys, [0, 1, 2]);
        for (key, counted) in first {
            let is = 10_000 / 3 + u64::from(key == 0);
            assert!(counted.records <= is && counted.records + counted.missed_at_most >= is, "{counted:?}");
            assert_eq!(counted.bytes, counted.records * 10);
        }
        assert!(leaders.take(1).is_empty());
    }

    #[test]
    fn what_may_have_been_missed_is_a_share_of_all_and_who_has_more_is_there() {
        const PLACES: u64 = 50;
        for by_bytes in [false, true] {
            let mut leaders = Leaders::new(PLACES as usize, by_bytes);
            let (mut exact, mut all) = (HashMap::<u64, Counted>::new(), 0);
            let mut state = 0x9E37_79B9_7F4A_7C15_u64;
            for _ in 0..20_000 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Few keys with much and thousands with little.
                let key = 1_000_000 / (1 + state % 10_000);
                let bytes = 1 + state % 300;
                leaders.add(&key, bytes);
                let counted = exact.entry(key).or_default();
                (counted.records, counted.bytes) = (counted.records + 1, counted.bytes + bytes);
                all += if by_bytes { bytes } else { 1 };
            }
            let shown: HashMap<u64, Counted> = leaders.take(PLACES as usize).into_iter().collect();
            assert!(exact.len() > 500);
            let weight = |counted: &Counted| if by_bytes { counted.bytes } else { counted.records };
            for (key, counted) in &shown {
                let is = weight(&exact[key]);
                assert!(counted.missed_at_most <= all / PLACES, "{counted:?} of {all}");
                assert!(weight(counted) <= is && is <= weight(counted) + counted.missed_at_most, "{counted:?}, {is}");
            }
            for (key, counted) in &exact {
                assert!(weight(counted) <= all / PLACES || shown.contains_key(key), "{key}: {counted:?}");
            }
        }
    }

    #[test]
    fn bytes_order_them_too() {
        let mut leaders = Leaders::new(10, true);
        leaders.add(&"large", 100);
        (0..10).for_each(|_| leaders.add(&"small", 1));
        assert_eq!(leaders.take(5).iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["large", "small"]);
    }
}
