//! What a map is: the memory that a program shares with user space and keeps between runs. Next: `asm.rs`.
//!
//! # Source
//! `include/uapi/linux/bpf.h`, `enum bpf_map_type`.

/// Says how a map is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// Values by key.
    Hash,
    /// Values by position, all there from the beginning.
    Array,
    /// Values by key, one for each processor.
    PerCpuHash,
    /// Values by position, one for each processor.
    PerCpuArray,
    /// Values by key, of which the one not used for longest goes when the map is full.
    LruHash,
    /// Records in the order in which they were written, for user space to read.
    RingBuffer,
}

impl MapKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Hash, Self::Array, Self::PerCpuHash, Self::PerCpuArray, Self::LruHash, Self::RingBuffer];

    /// Returns the kernel's number.
    pub fn number(self) -> u32 {
        match self {
            MapKind::Hash => 1,
            MapKind::Array => 2,
            MapKind::PerCpuHash => 5,
            MapKind::PerCpuArray => 6,
            MapKind::LruHash => 9,
            MapKind::RingBuffer => 27,
        }
    }

    /// Says whether values stand by position.
    pub fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::PerCpuArray)
    }
}

/// Holds what is known of a map before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MapDef {
    /// Its name: at most fifteen ASCII letters, digits and underscores, as the kernel takes it.
    pub name: String,
    /// How it is laid out.
    pub kind: MapKind,
    /// Bytes of a key: four of an array, none of a ring buffer.
    pub key_size: u32,
    /// Bytes of a value: none of a ring buffer.
    pub value_size: u32,
    /// How many values it holds at most; bytes of a ring buffer.
    pub entries_max: u32,
    /// What the value of an array of one value begins with, before a program runs; the rest of it is zero, and empty stands
    /// for zeros alone.
    pub initial: Vec<u8>,
}

impl MapDef {
    /// Returns a definition with all that it says.
    pub fn new(name: &str, kind: MapKind, key_size: u32, value_size: u32, entries_max: u32) -> Self {
        Self { name: name.to_owned(), kind, key_size, value_size, entries_max, initial: Vec::new() }
    }

    /// Returns the definition of an array of one value that holds these bytes before a program runs.
    ///
    /// # Panics
    /// When there are no bytes, or 4 GiB and more.
    pub fn of_value(name: &str, bytes: Vec<u8>) -> Self {
        let size = u32::try_from(bytes.len()).expect("a table is far smaller");
        assert!(size > 0, "a value has at least one byte");
        Self { initial: bytes, ..Self::new(name, MapKind::Array, 4, size, 1) }
    }
}
