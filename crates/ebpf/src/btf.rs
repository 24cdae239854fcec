//! Maps to the type information from which loaders make them. Next: `elf.rs`.
//!
//! Only what a loader reads of maps: each is a variable of a struct whose members say, by the length of an array that they
//! point to, what the map is.
//!
//! # Source
//! The kernel's `Documentation/bpf/btf.rst`; `tools/lib/bpf/libbpf.c` for maps defined by BTF.

use crate::map::{MapDef, MapKind};

/// Bytes of the struct that defines a map: four pointers.
pub(crate) const DEFINITION_SIZE: u32 = 32;

/// Numbers of kinds of types.
mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
}

/// Bytes of the header.
const HEADER_SIZE: u32 = 24;

/// Collects types and strings.
struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Writer {
    /// Adds a type with what follows its first twelve bytes; returns its number.
    fn add(&mut self, name: &str, kind: u32, member_count: u32, size_or_type: u32, rest: &[u32]) -> u32 {
        let name = self.string(name);
        let head = [name, kind << 24 | member_count, size_or_type];
        self.types.extend(head.iter().chain(rest).flat_map(|number| number.to_le_bytes()));
        self.count += 1;
        self.count
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        offset
    }

    /// Adds a pointer to an array of so many: that is how a number is said.
    fn number(&mut self, int: u32, number: u32) -> u32 {
        let array = self.add("", kind::ARRAY, 0, 0, &[int, int, number]);
        self.add("", kind::PTR, 0, array, &[])
    }
}

/// Returns the type information of maps.
pub(crate) fn of_maps(maps: &[MapDef]) -> Vec<u8> {
    let mut writer = Writer { types: Vec::new(), strings: vec![0], count: 0 };
    // A signed int of 32 bits.
    let int = writer.add("int", kind::INT, 0, 4, &[1 << 24 | 32]);
    let mut places: Vec<u32> = Vec::new();
    for (index, map) in maps.iter().enumerate() {
        let is_ring = map.kind == MapKind::RingBuffer;
        let all = [
            ("type", map.kind.number()),
            ("max_entries", map.entries_max),
            ("key_size", map.key_size),
            ("value_size", map.value_size),
        ];
        // A ring buffer has neither keys nor values.
        let said = if is_ring { &all[..2] } else { &all[..] };
        let types: Vec<u32> = said.iter().map(|(_, number)| writer.number(int, *number)).collect();
        let mut members = Vec::new();
        for (at, ((name, _), ty)) in said.iter().zip(types).enumerate() {
            members.extend([writer.string(name), ty, at as u32 * 64]);
        }
        let definition = writer.add("", kind::STRUCT, said.len() as u32, DEFINITION_SIZE, &members);
        let variable = writer.add(&map.name, kind::VAR, 0, definition, &[1]);
        places.extend([variable, index as u32 * DEFINITION_SIZE, DEFINITION_SIZE]);
    }
    if !maps.is_empty() {
        writer.add(".maps", kind::DATASEC, maps.len() as u32, maps.len() as u32 * DEFINITION_SIZE, &places);
    }
    let (type_size, string_size) = (writer.types.len() as u32, writer.strings.len() as u32);
    let mut out = vec![0x9f, 0xeb, 1, 0];
    let header = [HEADER_SIZE, 0, type_size, type_size, string_size];
    out.extend(header.iter().flat_map(|number| number.to_le_bytes()));
    out.extend(writer.types);
    out.extend(writer.strings);
    out
}
