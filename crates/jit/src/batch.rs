//! Many records at once: each is scanned, and the conditions that its slots decide make a number.
//!
//! What a call of a scan and a call of a condition check and set up is checked and set up once here. Nothing follows
//! from a record but its number; whoever looks it up knows what becomes of the record.

use crate::context::{NativeContext, Subqueries};
use crate::layout::BufferTable;
use crate::{Condition, RecordScan};
use dtq_record::otlp::index::RecordEntry;
use dtq_record::slot::Slot;

/// Conditions of one batch: as many bits as a `u64` has places for the numbers they make.
pub const ASKS_MAX: usize = 6;

/// Holds a condition of a batch. Where it is true its bit is set, by its position among all.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The condition.
    pub condition: Condition<'a>,
    /// What it looks up.
    pub subqueries: &'a dyn Subqueries,
    /// It is evaluated only where these bits of those before it are `bits`.
    pub mask: u8,
    /// See `mask`.
    pub bits: u8,
}

/// Holds what is asked of records.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// What fills their slots. A record that one of its guards settles has no bit.
    pub scan: &'a RecordScan,
    /// What the scan reads, by the bits of its layout.
    pub wanted: u64,
    /// The conditions, at most [`ASKS_MAX`].
    pub asks: &'a [Ask<'a>],
    /// Numbers, each as a bit, that end the batch: a record with such a number is not decided.
    pub stops: u64,
}

impl Batch<'_> {
    /// Decides records of a request, as many as `out` has room for: the bits of the conditions that are true of each.
    ///
    /// Returns how many were decided: all, or those in front of the first that the filler has to read, of which a
    /// condition fails or says nothing, or whose number is one of `stops`. Slots and buffers are those of the last record
    /// that was looked at then.
    ///
    /// # Panics
    /// If there are fewer slots than scan and conditions use, fewer records than room, over [`ASKS_MAX`] conditions, a
    /// condition that is not one over slots, or a record that does not lie in the request.
    pub fn decide<'r>(
        &self,
        ctx: &mut NativeContext,
        (slots, buffers): (&mut [Slot], &mut BufferTable<'r>),
        (request, records): (&'r [u8], &[RecordEntry]),
        out: &mut [u8],
    ) -> usize {
        assert!(self.asks.len() <= ASKS_MAX, "a batch has at most {ASKS_MAX} conditions");
        self.scan.decide(self, ctx, (slots, buffers), (request, &records[..out.len()]), out)
    }
}
