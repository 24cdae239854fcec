//! Partitions to what the steps of `scan` remember of them: `T | scan ... partition by k` over records as they come.
//!
//! Matches nothing: a state is whatever the owner pushes rows into, and knows what it owes when it ends. A partition
//! ends when record time has passed it by, when no records come, or for lack of room. This is the last part of state.

use crate::state::activity::Activity;
use crate::state::bounds::{Bounds, Incompatible, KeyShape};
use crate::state::ranked::{EntryId, Rank, Ranked};
use dtq_interp::RowIdentity;
use dtq_value::{Str, Type};

/// Says what partitions are and how much they may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanSpec {
    /// What names a partition.
    pub key: KeyShape,
    /// The query from its table up to the steps, as the formatter writes it.
    pub pipeline: Str,
    /// Names and types of the columns that steps remember.
    pub columns: Vec<(Str, Type)>,
    /// How long a partition waits for its next row, in record time; and by wall time when no records come at all.
    pub idle_ticks: i64,
    /// Partitions, and bytes of their states, at most.
    pub bounds: Bounds,
}

/// Holds the states of partitions that are within a sequence.
///
/// When there are too many, the partition that was idle longest is evicted.
pub struct ScanStates<G> {
    spec: ScanSpec,
    /// By when they had their last row, by the greatest record time seen then.
    partitions: Ranked<Partition<G>>,
    bytes_of: fn(&G) -> usize,
    watermark: i64,
    activity: Activity,
    sequence_next: u64,
    next_match_id: i64,
    counts: ScanCounts,
}

struct Partition<G> {
    state: G,
    bytes: usize,
}

/// Holds a partition that is over; its owner asks the state what it owes.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedPartition<G> {
    /// What names it.
    pub key: RowIdentity,
    /// What its steps remembered.
    pub state: G,
}

/// Holds what a row led to, in the order in which it goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed<R, G> {
    /// Partitions whose time was over before the row, the longest idle first.
    pub ended: Vec<EndedPartition<G>>,
    /// What the state gave for the row.
    pub given: R,
    /// Partitions removed for lack of room, perhaps that of the row.
    pub evicted: Vec<EndedPartition<G>>,
}

/// Counts what partitions did: begun = partitions + ended + evicted + emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanCounts {
    /// Partitions held now.
    pub partitions: usize,
    /// Bytes held now.
    pub bytes: usize,
    /// Rows that came.
    pub rows: u64,
    /// Partitions that began to remember something.
    pub begun: u64,
    /// Partitions whose time was over, or that were there at the end.
    pub ended: u64,
    /// Partitions removed for lack of room.
    pub evicted: u64,
    /// Partitions that remembered nothing any more.
    pub emptied: u64,
}

impl<G> ScanStates<G> {
    /// Returns no partitions.
    ///
    /// `bytes_of` gives about how many bytes a state takes: 0 for one that remembers nothing, which is not kept.
    pub fn new(spec: ScanSpec, bytes_of: fn(&G) -> usize) -> Self {
        Self {
            spec,
            partitions: Ranked::new(),
            bytes_of,
            watermark: i64::MIN,
            activity: Activity::new(),
            sequence_next: 0,
            next_match_id: 0,
            counts: ScanCounts::default(),
        }
    }

    /// Pushes a row into the state of its partition by `step`, made by `start` when it is the first.
    ///
    /// `now` is the record's time; one out of order is taken to come at the greatest time seen. `step` gets the number
    /// that the next sequence of any partition takes as its match id, and moves it on. A state that alone takes more
    /// than there is room for is evicted at once.
    ///
    /// # Cost
    /// Counts the bytes of the whole state.
    pub fn push<R>(
        &mut self,
        key: RowIdentity,
        now: i64,
        start: impl FnOnce() -> G,
        step: impl FnOnce(&mut G, &mut i64) -> R,
    ) -> Pushed<R, G> {
        let ended = self.advance(now);
        self.counts.rows += 1;
        let (given, own) = match self.partitions.find(&key) {
            Some(id) => {
                let given = step(&mut self.partitions.entry_mut(id).state, &mut self.next_match_id);
                (given, self.touch(id))
            }
            None => {
                let mut state = start();
                let given = step(&mut state, &mut self.next_match_id);
                (given, self.add(key, state))
            }
        };
        let is_too_large = |id: &EntryId| self.partitions.entry(*id).bytes > self.spec.bounds.bytes_max;
        let mut evicted = Vec::new();
        if let Some(id) = own.filter(is_too_large) {
            evicted.push(self.evict(id));
        }
        evicted.extend(self.shrink());
        Pushed { ended, given, evicted }
    }

    /// Takes note of a record's time and returns the partitions whose time is over, the longest idle first.
    ///
    /// To be called with the time of each record, also of one that is pushed nowhere: then it depends on the records and
    /// their order alone when a partition ends. Costs nothing when no partition is over.
    pub fn advance(&mut self, now: i64) -> Vec<EndedPartition<G>> {
        self.watermark = self.watermark.max(now);
        self.activity.note_record();
        let mut ended = Vec::new();
        while let Some((rank, id)) = self.partitions.first() {
            if self.watermark.saturating_sub(rank.ticks) < self.spec.idle_ticks {
                break;
            }
            ended.push(self.end(id));
        }
        ended
    }

    /// Takes note of wall time and returns all partitions when there were no records for the idle time.
    pub fn tick(&mut self, now: i64) -> Vec<EndedPartition<G>> {
        if self.activity.is_idle(now, self.spec.idle_ticks) { self.shutdown() } else { Vec::new() }
    }

    /// Returns all partitions, over or not, the longest idle first.
    pub fn shutdown(&mut self) -> Vec<EndedPartition<G>> {
        let mut ended = Vec::with_capacity(self.counts.partitions);
        while let Some((_, id)) = self.partitions.first() {
            ended.push(self.end(id));
        }
        ended
    }

    /// Returns what they did so far.
    pub fn counts(&self) -> ScanCounts {
        self.counts
    }

    /// Returns their spec.
    pub fn spec(&self) -> &ScanSpec {
        &self.spec
    }

    /// Says whether the states can move to a rule of another spec: all has to be the same but the idle time and the bounds.
    pub fn is_compatible(&self, spec: &ScanSpec) -> bool {
        self.spec.key == spec.key && self.spec.pipeline == spec.pipeline && self.spec.columns == spec.columns
    }

    /// Changes the spec and returns the partitions for which there is no longer room.
    ///
    /// A shorter idle time ends partitions at the next record. Match ids go on.
    ///
    /// # Errors
    /// When the spec wants another key, pipeline or columns; then nothing changes.
    pub fn set_spec(&mut self, spec: ScanSpec) -> Result<Vec<EndedPartition<G>>, Incompatible> {
        if !self.is_compatible(&spec) {
            return Err(Incompatible);
        }
        self.spec = spec;
        Ok(self.shrink())
    }

    /// Holds a new partition, unless it remembers nothing.
    fn add(&mut self, key: RowIdentity, state: G) -> Option<EntryId> {
        let state_bytes = (self.bytes_of)(&state);
        if state_bytes == 0 {
            return None;
        }
        let bytes = state_bytes + Ranked::<Partition<G>>::entry_bytes(&key);
        self.counts.begun += 1;
        self.counts.partitions += 1;
        self.counts.bytes += bytes;
        let rank = self.next_rank();
        Some(self.partitions.insert(key, rank, Partition { state, bytes }))
    }

    /// Takes note of what a partition takes after a row, and forgets it when it remembers nothing.
    fn touch(&mut self, id: EntryId) -> Option<EntryId> {
        let state_bytes = (self.bytes_of)(&self.partitions.entry(id).state);
        if state_bytes == 0 {
            self.counts.emptied += 1;
            self.remove(id);
            return None;
        }
        let bytes = state_bytes + Ranked::<Partition<G>>::entry_bytes(self.partitions.key(id));
        let partition = self.partitions.entry_mut(id);
        self.counts.bytes = self.counts.bytes - partition.bytes + bytes;
        partition.bytes = bytes;
        let rank = self.next_rank();
        self.partitions.set_rank(id, rank);
        Some(id)
    }

    fn next_rank(&mut self) -> Rank {
        self.sequence_next += 1;
        Rank { ticks: self.watermark, sequence: self.sequence_next }
    }

    fn shrink(&mut self) -> Vec<EndedPartition<G>> {
        let mut evicted = Vec::new();
        let bounds = self.spec.bounds;
        while self.counts.partitions > bounds.entries_max || self.counts.bytes > bounds.bytes_max {
            let Some((_, id)) = self.partitions.first() else {
                break;
            };
            evicted.push(self.evict(id));
        }
        evicted
    }

    fn evict(&mut self, id: EntryId) -> EndedPartition<G> {
        self.counts.evicted += 1;
        self.remove(id)
    }

    fn end(&mut self, id: EntryId) -> EndedPartition<G> {
        self.counts.ended += 1;
        self.remove(id)
    }

    fn remove(&mut self, id: EntryId) -> EndedPartition<G> {
        let (key, partition) = self.partitions.remove(id);
        self.counts.partitions -= 1;
        self.counts.bytes -= partition.bytes;
        EndedPartition { key, state: partition.state }
    }
}
