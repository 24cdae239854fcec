//! A pass to the bits that say what is still to be found: one for each field and each key.
//!
//! Next: `scan/message.rs`, which clears them.

use crate::target::Refusal;
use dtq_record::otlp::pass::{Derived, How, Pass, Read};

/// Keys that one message may be scanned for; code grows with each.
const KEYS_MAX: usize = 2048;
/// The bit that the last items share when there are more than 64.
const SHARED: u64 = 1 << 63;

/// Says which bits of `wanted` belong to which slot.
///
/// Each field and each key that is read has a bit; members of one `oneof` share one. When there are more than 64, fields
/// come first and the last keys share the highest bit: while it is wanted, a scan reads on to the end of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanLayout {
    slots: Vec<u64>,
    all: u64,
}

impl ScanLayout {
    /// Returns the layout of a pass over `slot_count` slots.
    pub(super) fn of(pass: &Pass, items: &Items, slot_count: usize) -> Self {
        let mut slots = vec![0; slot_count];
        for (read, bit) in pass.reads().iter().zip(&items.reads) {
            match read.how {
                How::Message(position) => mark_nested(&pass.nested()[position], *bit, &mut slots),
                How::Data(_, position) => {
                    slots[read.slot as usize] |= bit;
                    mark_nested(&pass.nested()[position], *bit, &mut slots);
                }
                How::Keys => {}
                _ => slots[read.slot as usize] |= bit,
            }
        }
        for key in &items.keys {
            slots[key.slot as usize] |= key.bit;
        }
        for derived in pass.derived() {
            let (sources, to) = parts(derived);
            slots[to as usize] |= sources.iter().map(|source| slots[*source as usize]).fold(0, |a, b| a | b);
        }
        Self { slots, all: items.all }
    }

    /// Returns the bits of what a slot is filled from: 0 for one that is always filled.
    pub fn bits(&self, slot: usize) -> u64 {
        self.slots[slot]
    }

    /// Returns the bits of everything.
    pub fn all(&self) -> u64 {
        self.all
    }
}

fn mark_nested(pass: &Pass, bit: u64, slots: &mut [u64]) {
    slots_of(pass).into_iter().for_each(|slot| slots[slot as usize] |= bit);
}

/// Returns the slots that a pass reads or writes.
pub(super) fn slots_of(pass: &Pass) -> Vec<u32> {
    let mut slots: Vec<u32> = pass.defaults().iter().map(|(slot, _)| *slot).collect();
    slots.extend(pass.wholes().iter().map(|(slot, ..)| *slot));
    slots.extend(pass.reads().iter().filter(|read| super::has_slot(read.how)).map(|read| read.slot));
    slots.extend(pass.keys().map(|(_, slot)| slot));
    for derived in pass.derived() {
        let (sources, to) = parts(derived);
        slots.extend(sources);
        slots.push(to);
    }
    pass.nested().iter().for_each(|inner| slots.extend(slots_of(inner)));
    slots
}

/// Returns the slots that a derived one follows from, and that one.
pub(super) fn parts(derived: &Derived) -> (Vec<u32>, u32) {
    match *derived {
        Derived::Copy { from, to } => (vec![from], to),
        Derived::Either { first, second, to } => (vec![first, second], to),
        Derived::Between { start, end, to } => (vec![start, end], to),
        Derived::IfRecorded { flags, slot } => (vec![flags, slot], slot),
    }
}

/// Holds a key that is looked for.
#[derive(Clone, Debug)]
pub(super) struct KeyItem {
    pub key: Box<[u8]>,
    pub slot: u32,
    pub bit: u64,
}

impl KeyItem {
    /// Says whether the bit stays when the key was found, as others have it too.
    pub fn is_shared(&self, items: &Items) -> bool {
        items.shares && self.bit == SHARED
    }
}

/// Holds the bits of one pass.
#[derive(Clone, Debug)]
pub(super) struct Items {
    /// For each read its bit; 0 for that of the keys.
    pub reads: Vec<u64>,
    /// For each read what is settled too when it found something.
    pub settles: Vec<u64>,
    pub keys: Vec<KeyItem>,
    pub all: u64,
    /// Whether the highest bit stands for several keys.
    pub shares: bool,
}

impl Items {
    /// Returns the bits of a pass.
    ///
    /// # Errors
    /// When it has more keys than code is made for, or something that no table of this version has.
    pub fn of(pass: &Pass) -> Result<Self, Refusal> {
        if pass.keys().len() > KEYS_MAX {
            return Err(Refusal::Size(format!("over {KEYS_MAX} keys of one bag are read")));
        }
        let mut numbered: Vec<u32> = Vec::new();
        let mut reads = Vec::new();
        for read in pass.reads() {
            // A field from 16 on has a tag of two bytes, which is only read past.
            if !(1..16).contains(&read.number) {
                return Err(Refusal::Construct(format!("field {} of a record is read", read.number)));
            }
            if read.how == How::Keys {
                reads.push(0);
                continue;
            }
            let position = numbered.iter().position(|bit| *bit == read.bit).unwrap_or_else(|| {
                numbered.push(read.bit);
                numbered.len() - 1
            });
            reads.push(1 << position);
        }
        let settled_by = |settles: u32| {
            let others = pass.reads().iter().zip(&reads).filter(|(other, _)| other.bit & settles != 0);
            others.fold(0, |bits, (_, bit)| bits | bit)
        };
        let settles: Vec<u64> = pass.reads().iter().map(|read| settled_by(read.settles)).collect();
        let is_unknown = |(read, settles): (&Read, &u64)| *settles != 0 && read.how == How::Any;
        if pass.reads().iter().zip(&settles).any(is_unknown) {
            return Err(Refusal::Construct("an `AnyValue` settles another field".to_owned()));
        }
        let field_count = numbered.len();
        let shares = field_count + pass.keys().len() > 64;
        let bit = |position: usize| {
            if shares { 1 << (field_count + position).min(63) } else { 1 << (field_count + position) }
        };
        let keys = pass.keys().enumerate();
        let keys: Vec<_> =
            keys.map(|(position, (key, slot))| KeyItem { key: key.into(), slot, bit: bit(position) }).collect();
        let all = reads.iter().copied().chain(keys.iter().map(|key| key.bit)).fold(0, |a, b| a | b);
        Ok(Self { reads, settles, keys, all, shares })
    }
}
