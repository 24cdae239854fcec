//! The time until which an attached program may drop, renewed by the process that attached it.
//!
//! A program that outlives its process keeps everything once the time has run out: it compares the lease with
//! `ktime_get_boot_ns` before it decides. Renewing is for the host's loop, more often than the lease is long. Next:
//! `counters.rs`.

use crate::object::Map;
use crate::sys::wait;
use dtq_ebpf::{MapDef, MapKind};
use std::io;
use std::time::Duration;

/// The only key.
const KEY: [u8; 4] = [0; 4];

/// Holds the map in which the time stands until when a program may drop.
///
/// Its only value is one `u64` in the order of the machine's bytes: nanoseconds since start, with sleep. A new one is 0,
/// which has run out.
#[derive(Debug)]
pub struct Lease {
    map: Map,
}

impl Lease {
    /// Returns the definition of the map.
    pub fn def() -> MapDef {
        MapDef::new("lease", MapKind::Array, 4, 8, 1)
    }

    /// Returns the lease that stands in a map.
    ///
    /// # Errors
    /// When the map is laid out otherwise, and when no descriptor is left.
    pub fn over(map: &Map) -> io::Result<Self> {
        let (def, expected) = (map.def(), Self::def());
        let shape = |def: &MapDef| (def.kind, def.key_size, def.value_size, def.entries_max);
        if shape(def) != shape(&expected) {
            let message = format!("`{}` is laid out otherwise than a lease", def.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { map: map.try_clone()? })
    }

    /// Lets the program drop for so long from now on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn renew(&self, duration: Duration) -> io::Result<()> {
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.map.set(&KEY, &wait::boot_ns().saturating_add(duration_ns).to_ne_bytes())
    }

    /// Has the program keep everything from now on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn end(&self) -> io::Result<()> {
        self.map.set(&KEY, &0_u64.to_ne_bytes())
    }

    /// Returns for how long the program may still drop.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remaining(&self) -> io::Result<Duration> {
        let values = self.map.get(&KEY)?.unwrap_or_default();
        let value = values.first().and_then(|value| <[u8; 8]>::try_from(value.as_slice()).ok()).unwrap_or_default();
        Ok(Duration::from_nanos(u64::from_ne_bytes(value).saturating_sub(wait::boot_ns())))
    }
}
