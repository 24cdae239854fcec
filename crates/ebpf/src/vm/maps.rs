//! Maps and what is in them, kept from run to run. Next: `alu.rs`.

use crate::map::{MapDef, MapKind};
use rustc_hash::FxHashMap;

/// Holds the maps of a program and what is in them, as one processor sees it.
#[derive(Clone, Debug)]
pub struct Maps {
    maps: Vec<Map>,
}

#[derive(Clone, Debug)]
struct Map {
    def: MapDef,
    /// Position of the value of each key, in maps that are no arrays.
    keys: FxHashMap<Box<[u8]>, u32>,
    /// Values, and behind the first `None` in `free` those that were given back.
    values: Vec<Vec<u8>>,
    free: Vec<u32>,
    records: Vec<Vec<u8>>,
}

/// The kernel's errors, negated as helpers return them (`include/uapi/asm-generic/errno-base.h`).
mod errno {
    pub const ENOENT: i64 = -2;
    pub const E2BIG: i64 = -7;
    pub const EEXIST: i64 = -17;
    pub const EINVAL: i64 = -22;
}

/// `BPF_NOEXIST` and `BPF_EXIST` of `include/uapi/linux/bpf.h`.
const NO_EXIST: u64 = 1;
const EXIST: u64 = 2;

/// Returns the values that a map has before a program runs.
fn first_values(def: &MapDef) -> Vec<Vec<u8>> {
    if !def.kind.is_array() {
        return Vec::new();
    }
    let mut value = def.initial.clone();
    value.resize(def.value_size as usize, 0);
    vec![value; def.entries_max as usize]
}

impl Maps {
    /// Returns maps without entries, those of arrays zero or as they begin.
    pub fn new(defs: &[MapDef]) -> Self {
        let map = |def: &MapDef| Map {
            def: def.clone(),
            keys: FxHashMap::default(),
            values: first_values(def),
            free: Vec::new(),
            records: Vec::new(),
        };
        Self { maps: defs.iter().map(map).collect() }
    }

    /// Returns what a map is.
    pub fn def(&self, map: usize) -> Option<&MapDef> {
        self.maps.get(map).map(|map| &map.def)
    }

    /// Returns the value of a key.
    pub fn get(&self, map: usize, key: &[u8]) -> Option<&[u8]> {
        let index = self.find(map, key)?;
        self.value(map, index)
    }

    /// Sets the value of a key, as a program does with no flags; says whether that could be done.
    pub fn set(&mut self, map: usize, key: &[u8], value: &[u8]) -> bool {
        self.update(map, key, value, 0) == 0
    }

    /// Returns the keys and values of a map that is no array, in no order.
    pub fn entries(&self, map: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
        let map = &self.maps[map];
        map.keys.iter().map(|(key, index)| (&**key, map.values[*index as usize].as_slice()))
    }

    /// Removes a key; says whether it was there.
    pub fn remove(&mut self, map: usize, key: &[u8]) -> bool {
        self.delete(map, key) == 0
    }

    /// Takes the records out of a ring buffer.
    pub fn take_records(&mut self, map: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.maps[map].records)
    }

    /// Returns the position of a key's value.
    pub(super) fn find(&self, map: usize, key: &[u8]) -> Option<u32> {
        let map = self.maps.get(map)?;
        if !map.def.kind.is_array() {
            return map.keys.get(key).copied();
        }
        let index = u32::from_le_bytes(key.try_into().ok()?);
        (index < map.def.entries_max).then_some(index)
    }

    /// Returns a value by its position.
    pub(super) fn value(&self, map: usize, index: u32) -> Option<&[u8]> {
        self.maps.get(map)?.values.get(index as usize).map(Vec::as_slice)
    }

    /// Returns a value by its position, to be written.
    pub(super) fn value_mut(&mut self, map: usize, index: u32) -> Option<&mut [u8]> {
        self.maps.get_mut(map)?.values.get_mut(index as usize).map(Vec::as_mut_slice)
    }

    /// Sets the value of a key; returns 0 or an error.
    pub(super) fn update(&mut self, map: usize, key: &[u8], value: &[u8], flags: u64) -> i64 {
        let found = self.find(map, key);
        let map = &mut self.maps[map];
        match (found, flags) {
            (_, flags) if flags > EXIST => return errno::EINVAL,
            (Some(_), NO_EXIST) => return errno::EEXIST,
            (None, EXIST) => return errno::ENOENT,
            (None, _) if map.def.kind.is_array() => return errno::E2BIG,
            (Some(index), _) => {
                map.values[index as usize].copy_from_slice(value);
                return 0;
            }
            (None, _) => {}
        }
        if map.keys.len() >= map.def.entries_max as usize {
            if map.def.kind != MapKind::LruHash {
                return errno::E2BIG;
            }
            // Which one goes is the kernel's affair; nothing may depend on it.
            let gone = map.keys.keys().next().cloned().expect("a full map has a key");
            map.remove(&gone);
        }
        let index = map.free.pop().unwrap_or_else(|| {
            map.values.push(Vec::new());
            map.values.len() as u32 - 1
        });
        map.values[index as usize] = value.to_vec();
        map.keys.insert(key.into(), index);
        0
    }

    /// Removes a key; returns 0 or an error.
    pub(super) fn delete(&mut self, map: usize, key: &[u8]) -> i64 {
        let map = &mut self.maps[map];
        match map.def.kind.is_array() {
            true => errno::EINVAL,
            false if map.remove(key) => 0,
            false => errno::ENOENT,
        }
    }

    /// Adds a record to a ring buffer.
    pub(super) fn push_record(&mut self, map: usize, record: &[u8]) {
        self.maps[map].records.push(record.to_vec());
    }
}

impl Map {
    fn remove(&mut self, key: &[u8]) -> bool {
        let index = self.keys.remove(key);
        self.free.extend(index);
        index.is_some()
    }
}
