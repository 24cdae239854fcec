//! An ELF file to what a site needs of it: functions, probes, and where in the file an address is.
//!
//! Reads only the tables it needs, each bounded by [`TABLE_SIZE_MAX`], from bytes that may be anything; it runs and maps
//! nothing. Next: `usdt.rs`. Tests: `tests/sites.rs`.
//!
//! # Source
//! System V ABI, "Object Files"; for programs as the kernel maps them, "Program Loading".

use crate::trace::registers::Machine;
use crate::trace::usdt::{self, Usdt};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, ReadRef};
use std::fmt;

/// Bytes of a table of symbols, names or notes at most; the largest programs known have tables of 300 MiB.
pub const TABLE_SIZE_MAX: u64 = 1 << 30;
/// Sections and segments that are looked at, at most.
const HEADERS_MAX: usize = 1 << 16;

type Header = elf::FileHeader64<Endianness>;
type Section = elf::SectionHeader64<Endianness>;
type Symbol = elf::Sym64<Endianness>;

/// Says why a file is not one that functions can be found in, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageError(pub(crate) String);

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ImageError {}

impl From<object::read::Error> for ImageError {
    fn from(error: object::read::Error) -> Self {
        Self(error.to_string())
    }
}

/// Names a function of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function<'d> {
    /// Its name, as the linker knows it.
    pub name: &'d [u8],
    /// Where it is, in the addresses of the file.
    pub address: u64,
    /// Its bytes, 0 where nobody said.
    pub size: u64,
    /// Whether the name stands for a function that chooses the real one when the program starts.
    pub is_chooser: bool,
}

/// Holds what was read of an ELF file.
#[derive(Debug)]
pub struct Image<'d> {
    /// Which processor it is for.
    pub machine: Machine,
    endian: Endianness,
    /// What is mapped: address, offset in the file, bytes in the file, whether it is code.
    loads: Vec<(u64, u64, u64, bool)>,
    /// Symbols with their names.
    tables: Vec<(&'d [Symbol], &'d [u8])>,
    /// The probes that the program was built with.
    pub probes: Vec<Usdt<'d>>,
}

impl<'d> Image<'d> {
    /// Reads an image from the bytes of a file.
    ///
    /// # Errors
    /// When they are no 64-bit ELF file of a processor that is known here, or its tables contradict each other.
    pub fn parse<R: ReadRef<'d>>(data: R) -> Result<Self, ImageError> {
        let header = Header::parse(data).map_err(|_| ImageError("it is no 64-bit ELF file".to_owned()))?;
        let endian = header.endian()?;
        let machine = match header.e_machine(endian) {
            elf::EM_X86_64 => Machine::X86_64,
            elf::EM_AARCH64 => Machine::Aarch64,
            other => return Err(ImageError(format!("it is for processor {} of ELF, not x86-64 or aarch64", other.0))),
        };
        let mut image = Image { machine, endian, loads: Vec::new(), tables: Vec::new(), probes: Vec::new() };
        for segment in header.program_headers(endian, data)?.iter().take(HEADERS_MAX) {
            if segment.p_type(endian) == elf::PT_LOAD {
                let is_code = segment.p_flags(endian).0 & elf::PF_X.0 != 0;
                let (address, offset) = (segment.p_vaddr(endian), segment.p_offset(endian));
                image.loads.push((address, offset, segment.p_filesz(endian), is_code));
            }
        }
        image.read_sections(header, data)?;
        Ok(image)
    }

    fn read_sections<R: ReadRef<'d>>(&mut self, header: &Header, data: R) -> Result<(), ImageError> {
        let endian = self.endian;
        let sections = header.sections(endian, data)?;
        let named = |wanted: &[u8]| {
            let mut named = sections.iter().take(HEADERS_MAX);
            named.find(|section| sections.section_name(endian, section).is_ok_and(|name| name == wanted))
        };
        for section in sections.iter().take(HEADERS_MAX) {
            if matches!(section.sh_type(endian), elf::SHT_SYMTAB | elf::SHT_DYNSYM) {
                bounded(section, endian)?;
                let symbols = section.data_as_array::<Symbol, R>(endian, data)?;
                let names = sections.section(section.link(endian))?;
                bounded(names, endian)?;
                self.tables.push((symbols, names.data(endian, data)?));
            }
        }
        let base = named(b".stapsdt.base").map(|section| section.sh_addr(endian));
        if let Some(section) = named(b".note.stapsdt") {
            bounded(section, endian)?;
            self.probes = usdt::parse_notes(section.data(endian, data)?, endian, base);
        }
        Ok(())
    }

    /// Returns the functions that are defined in the file; one that stands in two tables is there twice.
    pub fn functions(&self) -> impl Iterator<Item = Function<'d>> + '_ {
        let endian = self.endian;
        self.tables.iter().flat_map(move |(symbols, names)| {
            symbols.iter().filter_map(move |symbol| {
                let is_chooser = symbol.st_type() == elf::STT_GNU_IFUNC;
                let is_function = is_chooser || symbol.st_type() == elf::STT_FUNC;
                let name = is_function.then(|| name_at(names, symbol.st_name(endian))).flatten()?;
                let is_defined = !symbol.is_undefined(endian) && symbol.st_value(endian) != 0 && !name.is_empty();
                let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
                is_defined.then_some(Function { name, address, size, is_chooser })
            })
        })
    }

    /// Returns the address of any symbol of this name, such as a variable.
    pub fn address_of(&self, wanted: &[u8]) -> Option<u64> {
        let endian = self.endian;
        self.tables.iter().find_map(|(symbols, names)| {
            let found = symbols
                .iter()
                .find(|symbol| !symbol.is_undefined(endian) && name_at(names, symbol.st_name(endian)) == Some(wanted));
            found.map(|symbol| symbol.st_value(endian))
        })
    }

    /// Returns where in the file an address is, if it is mapped from there.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        self.loads.iter().find_map(|load| offset_in(load, address))
    }

    /// Returns where in the file an address is, if code is mapped from there.
    pub fn code_offset_of(&self, address: u64) -> Option<u64> {
        self.loads.iter().filter(|(.., is_code)| *is_code).find_map(|load| offset_in(load, address))
    }
}

fn offset_in((start, offset, size, _): &(u64, u64, u64, bool), address: u64) -> Option<u64> {
    let within = address.checked_sub(*start).filter(|within| within < size)?;
    offset.checked_add(within)
}

fn bounded(section: &Section, endian: Endianness) -> Result<(), ImageError> {
    match section.sh_size(endian) {
        size if size <= TABLE_SIZE_MAX => Ok(()),
        size => Err(ImageError(format!("it has a table of {size} bytes, more than {TABLE_SIZE_MAX}"))),
    }
}

/// Returns the name at an offset, without the zero that ends it.
fn name_at(names: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = names.get(offset as usize..)?;
    rest.iter().position(|byte| *byte == 0).map(|end| &rest[..end])
}
