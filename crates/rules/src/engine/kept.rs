//! What is decided about resources and scopes of records in slots, kept from one record to the next.
//!
//! A program that emits records one by one has few resources and scopes, each for many records. What rules say of one
//! depends on nothing but what it reads as, because no condition on a resource or scope asks for time, chance or a table;
//! so it is found again by that. Bounded, and forgotten when other rules take part. Next: `over_slots.rs`.

use crate::compile::RuleSet;
use crate::compile::set::BaseCells;
use crate::engine::agenda::Agenda;
use crate::engine::cells::Cache;
use crate::engine::frame::active_rules;
use dtq_record::otlp::fill::Level;
use dtq_record::slot::{Buffers, Slot, Tag};
use fixedbitset::FixedBitSet;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::ops::Range;

/// Resources and scopes that are remembered, of each signal.
const PLACES_MAX: usize = 32;
/// Bytes that one may read as; a longer one is decided anew each time.
const KEY_BYTES_MAX: usize = 1024;

/// Holds what judges of records in slots keep, and room for their work.
#[derive(Default)]
pub(super) struct Kept {
    /// Whether each rule takes part, at all times of `ticks` and while these are disabled.
    pub is_active: Vec<bool>,
    ticks: Range<i64>,
    is_disabled: Vec<bool>,
    pub places: Vec<Place>,
    /// The next place that is given to another resource or scope, once there are enough.
    next: usize,
    /// What the slots of the resource and scope at hand read as.
    key: Vec<u8>,
    pub marked: FixedBitSet,
    pub matched: Vec<usize>,
    pub cache: Cache,
}

/// Holds what is decided of a resource and scope.
pub(super) struct Place {
    hash: u64,
    /// None where it is too long to be kept.
    key: Option<Vec<u8>>,
    /// What is left of the rules; none where rules need more than slots.
    pub agenda: Option<Agenda<'static>>,
}

impl Kept {
    /// Finds out which rules take part at a time, where that may have changed; if it has, forgets what was decided.
    #[inline]
    pub fn renew(&mut self, set: &RuleSet, is_disabled: &[bool], ticks: i64) {
        if !self.ticks.contains(&ticks) || self.is_disabled != is_disabled {
            self.renew_at(set, is_disabled, ticks);
        }
    }

    #[cold]
    fn renew_at(&mut self, set: &RuleSet, is_disabled: &[bool], ticks: i64) {
        let expiries = || set.rules.iter().filter_map(|rule| rule.expires_ticks);
        let begin = expiries().filter(|expires| *expires <= ticks).max().unwrap_or(i64::MIN);
        let end = expiries().filter(|expires| *expires > ticks).min().unwrap_or(i64::MAX);
        self.ticks = begin..end;
        self.is_disabled = is_disabled.to_vec();
        self.is_active = active_rules(set, is_disabled, ticks);
        self.places.clear();
        self.next = 0;
    }

    /// Returns the place of the resource and scope that these slots are of, if it is kept.
    #[inline]
    pub fn find(&mut self, base: &BaseCells, slots: &[Slot], buffers: &Buffers<'_>) -> Found {
        self.key.clear();
        let is_key = base.has_conditions_on == [false; 2] || self.write_key(base, slots, buffers);
        if !is_key {
            return Found::Unkept;
        }
        let hash = hash_of(&self.key);
        let is_same = |place: &Place| place.hash == hash && place.key.as_ref() == Some(&self.key);
        self.places.iter().position(is_same).map_or(Found::New(hash), Found::At)
    }

    /// Writes what the slots of resource and scope read as; says whether that is short enough, and can be read.
    fn write_key(&mut self, base: &BaseCells, slots: &[Slot], buffers: &Buffers<'_>) -> bool {
        for (at, slot) in slots.iter().enumerate().take(base.cells.paths().len()) {
            if base.plan.level(at) > Level::Scope {
                continue;
            }
            let [head, payload] = slot.words();
            let is_view = slot.tag() as u8 >= Tag::String as u8 && slot.tag() != Tag::Word;
            if !is_view {
                self.key.extend_from_slice(&head.to_le_bytes());
                self.key.extend_from_slice(&payload.to_le_bytes());
                continue;
            }
            // The size of what follows is part of it.
            let Some(bytes) = slot.as_bytes(buffers) else { return false };
            if self.key.len() + bytes.len() > KEY_BYTES_MAX {
                return false;
            }
            self.key.extend_from_slice(&head.to_le_bytes());
            self.key.extend_from_slice(bytes);
        }
        true
    }

    /// Keeps what was decided of the resource and scope that were looked for last; returns its place.
    pub fn put(&mut self, found: Found, agenda: Option<Agenda<'static>>) -> usize {
        let place = match found {
            Found::At(at) => return at,
            Found::New(hash) => Place { hash, key: Some(self.key.clone()), agenda },
            Found::Unkept => Place { hash: 0, key: None, agenda },
        };
        if self.places.len() < PLACES_MAX {
            self.places.push(place);
            return self.places.len() - 1;
        }
        let at = self.next;
        self.next = (at + 1) % PLACES_MAX;
        self.places[at] = place;
        at
    }
}

/// Says what is known of a resource and scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What was decided is at this place.
    At(usize),
    /// Nothing yet; the hash of what they read as.
    New(u64),
    /// Nothing, and it is not to be kept.
    Unkept,
}

fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    hasher.finish()
}
