//! Keys to entries that also stand in an order of rank, so that the next to expire or to evict is found at once.
//!
//! Knows no time and no bounds; what a rank means is the owner's. Every operation but [`Ranked::by_sequence`] takes
//! time logarithmic in the number of entries. Next: `clock.rs`.

use crate::state::bounds::values_bytes;
use dtq_interp::RowIdentity;
use hashbrown::HashTable;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Hashes keys of telemetry with SipHash, so that a sender cannot make keys collide by simple arithmetic.
///
/// Its seed is fixed, since randomness is a parameter; nothing that leaves state depends on it.
pub(crate) type KeyHasher = BuildHasherDefault<DefaultHasher>;

/// Names an entry for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryId(usize);

/// Orders entries: by ticks, and among equals by sequence, which no two entries share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) ticks: i64,
    pub(crate) sequence: u64,
}

struct Slot<E> {
    key: RowIdentity,
    hash: u64,
    rank: Rank,
    entry: E,
}

/// Maps keys to entries in an order of rank.
pub(crate) struct Ranked<E> {
    ids: HashTable<usize>,
    slots: Vec<Option<Slot<E>>>,
    free: Vec<usize>,
    order: BTreeSet<(Rank, EntryId)>,
}

const IS_THERE: &str = "an id is used only while its entry is there";

impl<E> Ranked<E> {
    pub(crate) fn new() -> Self {
        Self { ids: HashTable::new(), slots: Vec::new(), free: Vec::new(), order: BTreeSet::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Returns about how many bytes an entry takes with its key, apart from what the entry points to.
    pub(crate) fn entry_bytes(key: &RowIdentity) -> usize {
        /// Its places in the hash table and in the order, both with room to grow.
        const PLACE_BYTES: usize = 96;
        PLACE_BYTES + size_of::<Option<Slot<E>>>() + values_bytes(&key.0)
    }

    pub(crate) fn find(&self, key: &RowIdentity) -> Option<EntryId> {
        let hash = KeyHasher::default().hash_one(key);
        self.ids.find(hash, |id| is_key_of(&self.slots, *id, hash, key)).map(|id| EntryId(*id))
    }

    /// Adds an entry for a key that has none.
    pub(crate) fn insert(&mut self, key: RowIdentity, rank: Rank, entry: E) -> EntryId {
        let hash = KeyHasher::default().hash_one(&key);
        let slot = Some(Slot { key, hash, rank, entry });
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        let slots = &self.slots;
        self.ids.insert_unique(hash, id, |id| slots[*id].as_ref().expect(IS_THERE).hash);
        self.order.insert((rank, EntryId(id)));
        EntryId(id)
    }

    pub(crate) fn remove(&mut self, id: EntryId) -> (RowIdentity, E) {
        let slot = self.slots[id.0].take().expect(IS_THERE);
        if let Ok(place) = self.ids.find_entry(slot.hash, |other| *other == id.0) {
            place.remove();
        }
        self.order.remove(&(slot.rank, id));
        self.free.push(id.0);
        (slot.key, slot.entry)
    }

    pub(crate) fn entry(&self, id: EntryId) -> &E {
        &self.slot(id).entry
    }

    pub(crate) fn entry_mut(&mut self, id: EntryId) -> &mut E {
        &mut self.slots[id.0].as_mut().expect(IS_THERE).entry
    }

    pub(crate) fn key(&self, id: EntryId) -> &RowIdentity {
        &self.slot(id).key
    }

    pub(crate) fn rank(&self, id: EntryId) -> Rank {
        self.slot(id).rank
    }

    pub(crate) fn set_rank(&mut self, id: EntryId, rank: Rank) {
        let slot = self.slots[id.0].as_mut().expect(IS_THERE);
        if slot.rank != rank {
            self.order.remove(&(slot.rank, id));
            slot.rank = rank;
            self.order.insert((rank, id));
        }
    }

    /// Returns the entry of the least rank.
    pub(crate) fn first(&self) -> Option<(Rank, EntryId)> {
        self.order.first().copied()
    }

    /// Returns all entries by the sequence of their ranks.
    pub(crate) fn by_sequence(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> = self.order.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable_by_key(|id| self.rank(*id).sequence);
        ids
    }

    fn slot(&self, id: EntryId) -> &Slot<E> {
        self.slots[id.0].as_ref().expect(IS_THERE)
    }
}

fn is_key_of<E>(slots: &[Option<Slot<E>>], id: usize, hash: u64, key: &RowIdentity) -> bool {
    slots[id].as_ref().is_some_and(|slot| slot.hash == hash && slot.key == *key)
}
