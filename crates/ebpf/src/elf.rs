//! A program and its maps to an ELF object that `bpftool` and libbpf load.
//!
//! # Source
//! The kernel's `Documentation/bpf/llvm_reloc.rst` and `Documentation/bpf/libbpf/program_types.rst` (names of sections).

use crate::btf;
use crate::encode::{EncodeError, encode};
use crate::insn::{Imm64, Insn};
use crate::map::{MapDef, MapKind};
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
};

/// The section of socket filters; a loader tells the kind of a program by it.
const SECTION: &[u8] = b"socket";
/// What the sections of tables begin with; libbpf makes a map of each, filled and only read by programs, and names it as the
/// section.
const TABLE_SECTION: &str = ".rodata.";

/// Returns the object of a socket filter, whose map of a position is that of the same position in `maps`.
///
/// Arrays of one value that is filled before a program runs become sections of their own, in which a program names bytes.
///
/// # Errors
/// When the program cannot be encoded, or names a byte in another map by its address, or a table as a map.
///
/// # Panics
/// Never: what the object consists of is bounded far below what ELF can hold.
pub fn object(name: &str, program: &[Insn], maps: &[MapDef]) -> Result<Vec<u8>, EncodeError> {
    check_names(program, maps)?;
    let mut encoded = encode(program)?;
    // Where a map goes, the loader writes what a map is too; what stays in front of a table's is the offset in it.
    for (slot, map) in &encoded.relocations {
        let offset = if is_table(&maps[*map as usize]) { encoded.slots[slot + 1].imm } else { 0 };
        (encoded.slots[*slot].src, encoded.slots[*slot].imm, encoded.slots[slot + 1].imm) = (0, offset, 0);
    }
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let code = object.add_section(Vec::new(), SECTION.to_vec(), SectionKind::Text);
    let bytes = encoded.to_bytes();
    let size = bytes.len() as u64;
    object.append_section_data(code, &bytes, 8);
    add_symbol(&mut object, name, SymbolKind::Text, (code, 0, size));
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    add_symbol(&mut object, "_license", SymbolKind::Data, (license, 0, 4));
    let symbols = add_maps(&mut object, maps);
    for (slot, map) in &encoded.relocations {
        let relocation = Relocation {
            offset: *slot as u64 * 8,
            symbol: symbols[*map as usize],
            addend: 0,
            flags: RelocationFlags::Elf { r_type: elf::R_BPF_64_64 },
        };
        object.add_relocation(code, relocation).expect("the kind of relocation is given");
    }
    let types = object.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
    let defined: Vec<MapDef> = maps.iter().filter(|map| !is_table(map)).cloned().collect();
    object.append_section_data(types, &btf::of_maps(&defined), 4);
    Ok(object.write().expect("names and sizes are far below what ELF can hold"))
}

/// Says whether a map is a section of its own.
fn is_table(map: &MapDef) -> bool {
    map.kind == MapKind::Array && map.entries_max == 1 && !map.initial.is_empty()
}

/// Checks that bytes are named in tables only, and tables in no other way.
fn check_names(program: &[Insn], maps: &[MapDef]) -> Result<(), EncodeError> {
    let is_table = |map: u32| maps.get(map as usize).is_some_and(is_table);
    for (position, insn) in program.iter().enumerate() {
        let reason = match insn {
            Insn::LoadImm { value: Imm64::MapValue { map, .. }, .. } if !is_table(*map) => {
                "an object names bytes in tables that are filled, and in no other map"
            }
            Insn::LoadImm { value: Imm64::Map(map), .. } if is_table(*map) => {
                "an object names bytes in a table that is filled, and not the table itself"
            }
            _ => continue,
        };
        return Err(EncodeError { position, reason });
    }
    Ok(())
}

/// Adds the definitions of maps and the sections of tables; returns the symbol of each.
fn add_maps(object: &mut Object<'_>, maps: &[MapDef]) -> Vec<SymbolId> {
    let size = u64::from(btf::DEFINITION_SIZE);
    let defined = maps.iter().filter(|map| !is_table(map)).count();
    let definitions = (defined > 0).then(|| {
        let section = object.add_section(Vec::new(), b".maps".to_vec(), SectionKind::Data);
        object.append_section_data(section, &vec![0; defined * size as usize], 8);
        section
    });
    let mut places = (0..).step_by(size as usize);
    let mut symbols = Vec::new();
    for map in maps {
        let place = if is_table(map) {
            let section = object.add_section(
                Vec::new(),
                format!("{TABLE_SECTION}{}", map.name).into_bytes(),
                SectionKind::ReadOnlyData,
            );
            let mut value = map.initial.clone();
            value.resize(map.value_size as usize, 0);
            object.append_section_data(section, &value, 8);
            (section, 0, u64::from(map.value_size))
        } else {
            (definitions.expect("there is a map that is defined"), places.next().expect("there is no last"), size)
        };
        symbols.push(add_symbol(object, &map.name, SymbolKind::Data, place));
    }
    symbols
}

/// Adds a symbol at section, offset and size.
fn add_symbol(
    object: &mut Object<'_>,
    name: &str,
    kind: SymbolKind,
    (section, value, size): (SectionId, u64, u64),
) -> SymbolId {
    object.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}
