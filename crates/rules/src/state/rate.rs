//! Keys to whether they are within a rate: the token buckets behind `above: {rate: 500/s, burst: 1000}`.
//!
//! Decides nothing about records: a rule acts where [`RateLimiter::admit`] says no. Next: `recorder.rs`.

use crate::state::bounds::{Bounds, Incompatible, KeyShape};
use crate::state::ranked::{EntryId, Rank, Ranked};
use dtq_interp::RowIdentity;

/// Says how many records a key may have in a time.
///
/// A fraction rather than a real, so that 500 records of which one comes every 2 ms are within 500/s to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Records in each period.
    pub count: u64,
    /// The period, at least one tick.
    pub per_ticks: i64,
    /// Records at once after a quiet time.
    pub burst: u64,
}

/// Says what a rate limiter counts and how much it may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct RateSpec {
    /// What keys are made of.
    pub key: KeyShape,
    /// The rate of each key.
    pub rate: Rate,
    /// How much it may hold.
    pub bounds: Bounds,
}

/// Holds a token bucket for each key.
///
/// A key is a burst before it is limited: its bucket starts full. When there are too many keys, the one that was idle
/// longest is evicted and will start full again.
pub struct RateLimiter {
    spec: RateSpec,
    /// By when they were last asked for.
    buckets: Ranked<Bucket>,
    sequence_next: u64,
    marked: Option<Mark>,
    counts: RateCounts,
}

/// Holds what the last sequence was at a wall time.
struct Mark {
    ticks: i64,
    sequence: u64,
}

/// For how long keys that are idle are kept at least, by wall time: 10 min.
const IDLE_MIN_TICKS: i64 = 600 * 10_000_000;

/// A bucket's level in parts of a record: as many make one record as a period has ticks.
struct Bucket {
    level: u128,
    ticks: i64,
    bytes: usize,
}

/// Counts what a rate limiter did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateCounts {
    /// Keys held now.
    pub keys: usize,
    /// Bytes held now.
    pub bytes: usize,
    /// Records within the rate.
    pub admitted: u64,
    /// Records in excess.
    pub excess: u64,
    /// Keys that were added; keys + expired + evicted.
    pub added: u64,
    /// Keys forgotten after no record came for so long that their bucket was full again.
    pub expired: u64,
    /// Keys removed for lack of room.
    pub evicted: u64,
}

impl Rate {
    fn record_level(self) -> u128 {
        u128::from(self.per_ticks.max(1).unsigned_abs())
    }

    fn full_level(self) -> u128 {
        u128::from(self.burst) * self.record_level()
    }

    /// Returns how long it takes until an empty bucket is full; `None` when it never is.
    fn full_ticks(self) -> Option<i64> {
        let ticks = self.full_level().checked_add(u128::from(self.count))?.saturating_sub(1);
        Some(i64::try_from(ticks.checked_div(u128::from(self.count))?).unwrap_or(i64::MAX))
    }
}

impl RateLimiter {
    /// Returns a limiter that has seen no key.
    pub fn new(spec: RateSpec) -> Self {
        Self { spec, buckets: Ranked::new(), sequence_next: 0, marked: None, counts: RateCounts::default() }
    }

    /// Counts a record of a key and says whether it is within the rate.
    ///
    /// Time that goes back does not refill.
    pub fn admit(&mut self, key: &RowIdentity, now: i64) -> bool {
        let id = self.buckets.find(key).unwrap_or_else(|| self.add(key, now));
        let rate = self.spec.rate;
        let bucket = self.buckets.entry_mut(id);
        let elapsed_ticks = i128::from(now).saturating_sub(i128::from(bucket.ticks)).max(0).unsigned_abs();
        bucket.level =
            elapsed_ticks.saturating_mul(u128::from(rate.count)).saturating_add(bucket.level).min(rate.full_level());
        bucket.ticks = bucket.ticks.max(now);
        let is_admitted = bucket.level >= rate.record_level();
        if is_admitted {
            bucket.level -= rate.record_level();
        }
        self.touch(id);
        self.shrink();
        self.counts.admitted += u64::from(is_admitted);
        self.counts.excess += u64::from(!is_admitted);
        is_admitted
    }

    /// Takes note of wall time and forgets the keys of which no record came for as long as it takes to fill a bucket, and
    /// for ten minutes at least; returns how many.
    ///
    /// A key that comes back is judged as if it had stayed, if its records are as much later. Each key has a time of its own,
    /// so that one sender's clock cannot stop the refill of all others; when a record came last is told by wall time
    /// alone, since records may be late.
    pub fn tick(&mut self, now: i64) -> usize {
        let idle_ticks = self.spec.rate.full_ticks().map_or(i64::MAX, |full_ticks| full_ticks.max(IDLE_MIN_TICKS));
        let next = Mark { ticks: now, sequence: self.sequence_next };
        let Some(mark) = &mut self.marked else {
            self.marked = Some(next);
            return 0;
        };
        // Wall clocks are set back at times.
        mark.ticks = mark.ticks.min(now);
        if idle_ticks == i64::MAX || now.saturating_sub(mark.ticks) < idle_ticks {
            return 0;
        }
        let sequence = mark.sequence;
        self.marked = Some(next);
        let mut expired = 0;
        while let Some((_, id)) = self.buckets.first().filter(|(rank, _)| rank.sequence <= sequence) {
            self.remove(id);
            self.counts.expired += 1;
            expired += 1;
        }
        expired
    }

    /// Returns what it did so far.
    pub fn counts(&self) -> RateCounts {
        self.counts
    }

    /// Returns its spec.
    pub fn spec(&self) -> &RateSpec {
        &self.spec
    }

    /// Says whether the buckets can move to a limiter of another spec: keys have to be the same, the rate need not.
    pub fn is_compatible(&self, spec: &RateSpec) -> bool {
        self.spec.key == spec.key
    }

    /// Changes the spec: buckets keep the records left in them, up to the new burst; keys without room are evicted.
    ///
    /// # Errors
    /// When the spec wants another key; then nothing changes.
    pub fn set_spec(&mut self, spec: RateSpec) -> Result<(), Incompatible> {
        if !self.is_compatible(&spec) {
            return Err(Incompatible);
        }
        let (old, new) = (self.spec.rate, spec.rate);
        for id in self.buckets.by_sequence() {
            let bucket = self.buckets.entry_mut(id);
            let level = bucket.level.saturating_mul(new.record_level()) / old.record_level();
            bucket.level = level.min(new.full_level());
        }
        self.spec = spec;
        self.shrink();
        Ok(())
    }

    fn add(&mut self, key: &RowIdentity, now: i64) -> EntryId {
        let bytes = Ranked::<Bucket>::entry_bytes(key);
        self.counts.keys += 1;
        self.counts.added += 1;
        self.counts.bytes += bytes;
        let bucket = Bucket { level: self.spec.rate.full_level(), ticks: now, bytes };
        let rank = self.next_rank();
        self.buckets.insert(key.clone(), rank, bucket)
    }

    /// Puts a key last in the order of eviction.
    fn touch(&mut self, id: EntryId) {
        let rank = self.next_rank();
        self.buckets.set_rank(id, rank);
    }

    fn next_rank(&mut self) -> Rank {
        self.sequence_next += 1;
        Rank { ticks: 0, sequence: self.sequence_next }
    }

    fn shrink(&mut self) {
        while self.counts.keys > self.spec.bounds.entries_max || self.counts.bytes > self.spec.bounds.bytes_max {
            let Some((_, id)) = self.buckets.first() else {
                break;
            };
            self.remove(id);
            self.counts.evicted += 1;
        }
    }

    fn remove(&mut self, id: EntryId) {
        let (_, bucket) = self.buckets.remove(id);
        self.counts.keys -= 1;
        self.counts.bytes -= bucket.bytes;
    }
}
