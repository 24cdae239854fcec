//! What programs have counted, summed over processors, to numbers with names.
//!
//! Each processor counts for itself, so that programs need no step that others wait for; a sum is therefore exact when no
//! program runs, and else of a moment that is a little different on each processor. Next: `relay.rs`.

use crate::object::Map;
use dtq_ebpf::{MapDef, MapKind};
use std::io;
use std::ops::{Add, Sub};

/// Bytes of a value: two numbers of 64 bits.
const VALUE_SIZE: u32 = 16;

/// Holds how many records and bytes were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// Records, or datagrams.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { records: self.records.wrapping_add(other.records), bytes: self.bytes.wrapping_add(other.bytes) }
    }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { records: self.records.wrapping_sub(other.records), bytes: self.bytes.wrapping_sub(other.bytes) }
    }
}

/// Reads a map of counts, of which each position has a name.
///
/// A value is a `u64` of records and a `u64` of bytes, for each processor.
#[derive(Debug)]
pub struct Counters {
    map: Map,
    names: Vec<String>,
}

impl Counters {
    /// Returns the definition of the map of so many counts.
    pub fn def(name: &str, count: u32) -> MapDef {
        MapDef::new(name, MapKind::PerCpuArray, 4, VALUE_SIZE, count)
    }

    /// Returns the counts that stand in a map, whose positions have these names.
    ///
    /// # Errors
    /// When the map is laid out otherwise or has another number of positions, and when no descriptor is left.
    pub fn over(map: &Map, names: Vec<String>) -> io::Result<Self> {
        let def = map.def();
        let expected = u32::try_from(names.len()).map_err(io::Error::other)?;
        if (def.kind, def.key_size, def.value_size) != (MapKind::PerCpuArray, 4, VALUE_SIZE) {
            let message = format!("`{}` is laid out otherwise than counts", def.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if def.entries_max != expected {
            let message = format!("`{}` has {} counts, but {expected} names are given", def.name, def.entries_max);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { map: map.try_clone()?, names })
    }

    /// Returns the names, by position.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the count at a position, summed over processors.
    ///
    /// # Errors
    /// When there is no such position, and what the kernel says.
    pub fn get(&self, position: u32) -> io::Result<Count> {
        let values = self.map.get(&position.to_ne_bytes())?;
        let Some(values) = values else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no count {position}")));
        };
        Ok(values.iter().map(|value| count(value)).fold(Count::default(), Add::add))
    }

    /// Returns all counts, by position.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self) -> io::Result<Vec<Count>> {
        (0..self.map.def().entries_max).map(|position| self.get(position)).collect()
    }

    /// Returns all counts with their names.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn named(&self) -> io::Result<Vec<(&str, Count)>> {
        Ok(self.names.iter().map(String::as_str).zip(self.read()?).collect())
    }
}

/// Returns the count of one processor.
fn count(value: &[u8]) -> Count {
    let number = |at: usize| {
        let bytes = value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    };
    Count { records: number(0), bytes: number(8) }
}
