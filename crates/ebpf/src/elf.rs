//! A program and its maps to an ELF object that `bpftool` and libbpf load.
//!
//! # Source
//! The kernel's `Documentation/bpf/llvm_reloc.rst` and `Documentation/bpf/libbpf/program_types.rst` (names of sections).

use crate::btf;
use crate::encode::{EncodeError, encode};
use crate::insn::{Imm64, Insn};
use crate::map::MapDef;
use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
};

/// The section of socket filters; a loader tells the kind of a program by it.
const SECTION: &[u8] = b"socket";

/// Returns the object of a socket filter, whose map of a position is that of the same position in `maps`.
///
/// # Errors
/// When the program cannot be encoded, or names a byte in a map by its address.
///
/// # Panics
/// Never: what the object consists of is bounded far below what ELF can hold.
pub fn object(name: &str, program: &[Insn], maps: &[MapDef]) -> Result<Vec<u8>, EncodeError> {
    let names_byte = |insn: &Insn| matches!(insn, Insn::LoadImm { value: Imm64::MapValue { .. }, .. });
    if let Some(position) = program.iter().position(names_byte) {
        return Err(EncodeError { position, reason: "an object names maps, and no bytes in them" });
    }
    let mut encoded = encode(program)?;
    // Where a map goes, the loader writes what a map is too.
    for (slot, _) in &encoded.relocations {
        (encoded.slots[*slot].src, encoded.slots[*slot].imm) = (0, 0);
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
    if !maps.is_empty() {
        let section = object.add_section(Vec::new(), b".maps".to_vec(), SectionKind::Data);
        let definition = u64::from(btf::DEFINITION_SIZE);
        object.append_section_data(section, &vec![0; maps.len() * definition as usize], 8);
        let mut symbols = Vec::new();
        for (index, map) in maps.iter().enumerate() {
            let place = (section, index as u64 * definition, definition);
            symbols.push(add_symbol(&mut object, &map.name, SymbolKind::Data, place));
        }
        for (slot, map) in &encoded.relocations {
            let relocation = Relocation {
                offset: *slot as u64 * 8,
                symbol: symbols[*map as usize],
                addend: 0,
                flags: RelocationFlags::Elf { r_type: elf::R_BPF_64_64 },
            };
            object.add_relocation(code, relocation).expect("the kind of relocation is given");
        }
    }
    let types = object.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
    object.append_section_data(types, &btf::of_maps(maps), 4);
    Ok(object.write().expect("names and sizes are far below what ELF can hold"))
}

/// Adds a symbol at section, offset and size.
fn add_symbol(
    object: &mut Object<'_>,
    name: &str,
    kind: SymbolKind,
    (section, value, size): (object::write::SectionId, u64, u64),
) -> object::write::SymbolId {
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
