//! Records held back in a ring for each key until a flush lets them go on: what `to: recorder:NAME` fills.
//!
//! Holds encoded records and never looks into them. Next: `aggregate/mod.rs`.

use crate::state::bounds::{Bounds, Incompatible, KeyShape};
use crate::state::ranked::{EntryId, Rank, Ranked};
use dtq_interp::RowIdentity;
use dtq_record::otlp::Signal;
use std::collections::VecDeque;
use std::sync::Arc;

/// Holds a record with what is needed to put it into a request again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRecord {
    /// What it is.
    pub signal: Signal,
    /// The encoded Resource with its schema.
    pub resource: Arc<[u8]>,
    /// The encoded scope with its schema.
    pub scope: Arc<[u8]>,
    /// For a data point, what its metric says besides its points.
    pub metric: Option<Arc<[u8]>>,
    /// The encoded record.
    pub record: Vec<u8>,
    /// Its own time.
    pub time_ticks: i64,
}

/// Says what a recorder holds and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderSpec {
    /// What keys are made of.
    pub key: KeyShape,
    /// How long a record is held.
    pub keep_ticks: i64,
    /// Bytes of the records of one key.
    pub bytes_per_key_max: usize,
    /// Keys, and bytes of all keys together.
    pub bounds: Bounds,
}

/// Names what happens with held records when the process ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShutdown {
    /// They are given up and counted.
    #[default]
    Discard,
    /// They go on.
    Flush,
}

/// Holds records in a ring for each key.
///
/// When a ring is full its oldest record is evicted; when all rings together are, the oldest record of all; when there
/// are too many keys, the ring with the oldest record. Age counts from when a record was held, not from its own time,
/// so records that come out of order stay in the order in which they came.
pub struct Recorder {
    spec: RecorderSpec,
    rings: Ranked<Ring>,
    gates: Ranked<Gate>,
    watermark: i64,
    sequence_next: u64,
    counts: RecorderCounts,
}

/// The records of a key; a ring is there only while it has some. Its rank is that of its oldest record.
struct Ring {
    records: VecDeque<Kept>,
    /// Of the records, without the key.
    bytes: usize,
    key_bytes: usize,
}

struct Kept {
    record: HeldRecord,
    rank: Rank,
    bytes: usize,
}

/// What a flush left behind for its key; its rank says until when it matters.
struct Gate {
    open_until: i64,
    flushed_at: i64,
    bytes: usize,
}

/// Counts what a recorder did: recorded = held + evicted + flushed + discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderCounts {
    /// Records taken in so far.
    pub recorded: u64,
    /// Records held now.
    pub held: usize,
    /// Bytes held now, keys included.
    pub held_bytes: usize,
    /// Keys with records now.
    pub keys: usize,
    /// Records that grew too old or had no room.
    pub evicted: u64,
    /// Records that a flush let go on.
    pub flushed: u64,
    /// Records given up at shutdown.
    pub discarded: u64,
    /// Flushes that did something or opened a key.
    pub flushes: u64,
    /// Flushes that came within the cooldown of another.
    pub flushes_ignored: u64,
}

/// Holds what a flush let out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// The key's records in the order in which they were held; they go on.
    pub records: Vec<HeldRecord>,
    /// Records of any key that had grown too old by now; they are lost.
    pub evicted: Vec<HeldRecord>,
    /// Whether the flush came within the cooldown of another and did nothing.
    pub is_ignored: bool,
}

/// What a held record takes besides the bytes it was encoded as.
const KEPT_BYTES: usize = size_of::<Kept>() + 32;

impl Recorder {
    /// Returns an empty recorder.
    pub fn new(spec: RecorderSpec) -> Self {
        Self {
            spec,
            rings: Ranked::new(),
            gates: Ranked::new(),
            watermark: i64::MIN,
            sequence_next: 0,
            counts: RecorderCounts::default(),
        }
    }

    /// Holds a record and returns the ones that had to leave, oldest first; a record too large to hold is one of them.
    ///
    /// The caller asks [`Recorder::is_open`] first: a record of an open key goes on and is not held.
    pub fn hold(&mut self, key: RowIdentity, record: HeldRecord, now: i64) -> Vec<HeldRecord> {
        let mut evicted = self.expire(now);
        self.counts.recorded += 1;
        if self.is_too_large(&key, &record) {
            self.counts.evicted += 1;
            evicted.push(record);
            return evicted;
        }
        let rank = self.next_rank(self.watermark);
        let id = self.rings.find(&key).unwrap_or_else(|| self.add_ring(key, rank));
        self.push(id, record, rank);
        evicted.extend(self.shrink_ring(id));
        evicted.extend(self.shrink());
        evicted
    }

    /// Lets the records of a key go on, and its later ones until `now + after_ticks`.
    ///
    /// Within `cooldown_ticks` of the key's last flush it does nothing.
    pub fn flush(&mut self, key: &RowIdentity, now: i64, after_ticks: i64, cooldown_ticks: i64) -> Flushed {
        let mut flushed = Flushed { evicted: self.expire(now), ..Flushed::default() };
        let now = self.watermark;
        let gate = self.gates.find(key);
        if gate.is_some_and(|id| self.gates.entry(id).flushed_at.saturating_add(cooldown_ticks) > now) {
            self.counts.flushes_ignored += 1;
            flushed.is_ignored = true;
            return flushed;
        }
        self.counts.flushes += 1;
        if let Some(id) = self.rings.find(key) {
            flushed.records = self.remove_ring(id).into_iter().map(|kept| kept.record).collect();
            self.counts.flushed += flushed.records.len() as u64;
        }
        let open_until = now.saturating_add(after_ticks);
        self.open(key, gate, open_until, open_until.max(now.saturating_add(cooldown_ticks)));
        flushed.evicted.extend(self.shrink());
        flushed
    }

    /// Says whether a flush lets the records of a key through.
    ///
    /// A record of such a key goes on and is not held.
    pub fn is_open(&self, key: &RowIdentity, now: i64) -> bool {
        let now = now.max(self.watermark);
        self.gates.find(key).is_some_and(|id| self.gates.entry(id).open_until > now)
    }

    /// Removes the records that were held too long and returns them, oldest first.
    ///
    /// To be called with the time of each record, before anything is asked about its key: then answers depend on the
    /// records and their order alone. Costs nothing when nothing is over.
    pub fn expire(&mut self, now: i64) -> Vec<HeldRecord> {
        self.watermark = self.watermark.max(now);
        self.idle_out(self.watermark)
    }

    /// Removes the records that would be held too long at a time that no record has reached, and returns them, oldest
    /// first; keys that a flush has opened are closed in the same way.
    ///
    /// For when no records come. The time stays where it is: records that come after all are held for as long as ever.
    pub fn idle_out(&mut self, passed: i64) -> Vec<HeldRecord> {
        let mut evicted = Vec::new();
        while let Some((rank, id)) = self.rings.first() {
            if rank.ticks.saturating_add(self.spec.keep_ticks) > passed {
                break;
            }
            evicted.push(self.evict_first(id));
        }
        while let Some((rank, id)) = self.gates.first() {
            if rank.ticks > passed {
                break;
            }
            self.close(id);
        }
        evicted
    }

    /// Empties all rings and returns the records that go on, in the order in which they were held.
    pub fn shutdown(&mut self, on_shutdown: OnShutdown) -> Vec<HeldRecord> {
        let mut kept = Vec::with_capacity(self.counts.held);
        while let Some((_, id)) = self.rings.first() {
            kept.extend(self.remove_ring(id));
        }
        match on_shutdown {
            OnShutdown::Discard => {
                self.counts.discarded += kept.len() as u64;
                Vec::new()
            }
            OnShutdown::Flush => {
                self.counts.flushed += kept.len() as u64;
                kept.sort_unstable_by_key(|kept| kept.rank);
                kept.into_iter().map(|kept| kept.record).collect()
            }
        }
    }

    /// Returns what it did so far.
    pub fn counts(&self) -> RecorderCounts {
        self.counts
    }

    /// Returns its spec.
    pub fn spec(&self) -> &RecorderSpec {
        &self.spec
    }

    /// Says whether held records can move to a recorder of another spec: keys have to be the same, bounds need not.
    pub fn is_compatible(&self, spec: &RecorderSpec) -> bool {
        self.spec.key == spec.key
    }

    /// Changes the spec and returns the records for which there is no longer room, ring by ring, oldest first.
    ///
    /// # Errors
    /// When the spec wants another key; then nothing changes.
    pub fn set_spec(&mut self, spec: RecorderSpec) -> Result<Vec<HeldRecord>, Incompatible> {
        if !self.is_compatible(&spec) {
            return Err(Incompatible);
        }
        self.spec = spec;
        let mut evicted = self.expire(self.watermark);
        for id in self.rings.by_sequence() {
            evicted.extend(self.shrink_ring(id));
        }
        evicted.extend(self.shrink());
        Ok(evicted)
    }

    fn next_rank(&mut self, ticks: i64) -> Rank {
        self.sequence_next += 1;
        Rank { ticks, sequence: self.sequence_next }
    }

    /// Says whether there would be no room for a record even if it were alone.
    fn is_too_large(&self, key: &RowIdentity, record: &HeldRecord) -> bool {
        let bytes = KEPT_BYTES + record.record.len() + shared_bytes(record, None);
        bytes > self.spec.bytes_per_key_max || Ranked::<Ring>::entry_bytes(key) + bytes > self.spec.bounds.bytes_max
    }

    fn add_ring(&mut self, key: RowIdentity, rank: Rank) -> EntryId {
        let key_bytes = Ranked::<Ring>::entry_bytes(&key);
        self.counts.keys += 1;
        self.counts.held_bytes += key_bytes;
        // Most keys hold one record, and room for four would take more than is counted.
        let records = VecDeque::with_capacity(1);
        self.rings.insert(key, rank, Ring { records, bytes: 0, key_bytes })
    }

    fn push(&mut self, id: EntryId, mut record: HeldRecord, rank: Rank) {
        let ring = self.rings.entry_mut(id);
        if let Some(last) = ring.records.back() {
            share(&mut record, &last.record);
        }
        let bytes = KEPT_BYTES + record.record.len() + shared_bytes(&record, ring.records.back());
        ring.bytes += bytes;
        ring.records.push_back(Kept { record, rank, bytes });
        self.counts.held += 1;
        self.counts.held_bytes += bytes;
    }

    fn shrink_ring(&mut self, id: EntryId) -> Vec<HeldRecord> {
        let mut evicted = Vec::new();
        let mut excess_bytes = self.excess_bytes(id);
        while excess_bytes > 0 {
            // The ring and its id are gone with its last record.
            let is_last = self.rings.entry(id).records.len() == 1;
            evicted.push(self.evict_first(id));
            excess_bytes = if is_last { 0 } else { self.excess_bytes(id) };
        }
        evicted
    }

    fn excess_bytes(&self, id: EntryId) -> usize {
        self.rings.entry(id).bytes.saturating_sub(self.spec.bytes_per_key_max)
    }

    /// Evicts until keys and bytes are within the bounds: first records, then what flushes left behind.
    fn shrink(&mut self) -> Vec<HeldRecord> {
        let mut evicted = Vec::new();
        while self.rings.count() > self.spec.bounds.entries_max {
            let Some((_, id)) = self.rings.first() else {
                break;
            };
            let kept = self.remove_ring(id);
            self.counts.evicted += kept.len() as u64;
            evicted.extend(kept.into_iter().map(|kept| kept.record));
        }
        while self.counts.held_bytes > self.spec.bounds.bytes_max {
            let Some((_, id)) = self.rings.first() else {
                break;
            };
            evicted.push(self.evict_first(id));
        }
        while self.gates.count() > self.spec.bounds.entries_max || self.counts.held_bytes > self.spec.bounds.bytes_max {
            let Some((_, id)) = self.gates.first() else {
                break;
            };
            self.close(id);
        }
        evicted
    }

    /// Removes the oldest record of a ring, and with the last record the ring.
    fn evict_first(&mut self, id: EntryId) -> HeldRecord {
        self.counts.evicted += 1;
        if self.rings.entry(id).records.len() == 1 {
            let mut kept = self.remove_ring(id);
            return kept.pop_front().expect("a ring is there only while it has records").record;
        }
        let ring = self.rings.entry_mut(id);
        let first = ring.records.pop_front().expect("a ring is there only while it has records");
        let next = ring.records.front_mut().expect("it has another record");
        // What the two shared was charged to the first, and is held by the next from now on.
        let grown_bytes = KEPT_BYTES + next.record.record.len() + shared_bytes(&next.record, None) - next.bytes;
        next.bytes += grown_bytes;
        ring.bytes = ring.bytes + grown_bytes - first.bytes;
        self.counts.held_bytes = self.counts.held_bytes + grown_bytes - first.bytes;
        self.counts.held -= 1;
        let rank = next.rank;
        self.rings.set_rank(id, rank);
        first.record
    }

    fn remove_ring(&mut self, id: EntryId) -> VecDeque<Kept> {
        let (_, ring) = self.rings.remove(id);
        self.counts.keys -= 1;
        self.counts.held -= ring.records.len();
        self.counts.held_bytes -= ring.bytes + ring.key_bytes;
        ring.records
    }

    fn open(&mut self, key: &RowIdentity, gate: Option<EntryId>, open_until: i64, ends: i64) {
        if let Some(id) = gate {
            self.close(id);
        }
        let now = self.watermark;
        if ends > now {
            let bytes = Ranked::<Gate>::entry_bytes(key);
            let rank = self.next_rank(ends);
            self.counts.held_bytes += bytes;
            self.gates.insert(key.clone(), rank, Gate { open_until, flushed_at: now, bytes });
        }
    }

    fn close(&mut self, id: EntryId) {
        let (_, gate) = self.gates.remove(id);
        self.counts.held_bytes -= gate.bytes;
    }
}

/// Lets a record share what it has in common with the one before it.
///
/// By content, since records of different requests come with copies: what is held must not depend on where one ends.
fn share(record: &mut HeldRecord, last: &HeldRecord) {
    share_part(&mut record.resource, &last.resource);
    share_part(&mut record.scope, &last.scope);
    if let (Some(metric), Some(last)) = (&mut record.metric, &last.metric) {
        share_part(metric, last);
    }
}

fn share_part(part: &mut Arc<[u8]>, last: &Arc<[u8]>) {
    if part == last {
        *part = Arc::clone(last);
    }
}

/// Returns the bytes of a record's parts that it does not share with the one before it.
fn shared_bytes(record: &HeldRecord, last: Option<&Kept>) -> usize {
    let last = last.map(|kept| &kept.record);
    let part_bytes = |part: &Arc<[u8]>, last: Option<&Arc<[u8]>>| {
        if last.is_some_and(|last| Arc::ptr_eq(part, last)) { 0 } else { part.len() }
    };
    part_bytes(&record.resource, last.map(|last| &last.resource))
        + part_bytes(&record.scope, last.map(|last| &last.scope))
        + record.metric.as_ref().map_or(0, |part| part_bytes(part, last.and_then(|last| last.metric.as_ref())))
}
