//! The notes of probes that a program was built with (USDT) to where they are and where their arguments are.
//!
//! A note may hold anything: what is not understood of an argument is said when that argument is asked for. Next:
//! `arguments.rs`. Tests: `tests/sites.rs`.
//!
//! # Source
//! systemtap wiki, "UserSpaceProbeImplementation"; `includes/sys/sdt-v3.h` and, for operands, `tapsets.cxx`,
//! `sdt_uprobe_var_expanding_visitor`, of systemtap.

use crate::trace::registers::{Register, register};
use object::endian::Endian;
use object::read::elf::NoteIterator;
use object::{Endianness, elf};

/// The kind of the note (`_SDT_NOTE_TYPE`).
const NOTE_TYPE: u32 = 3;
/// Notes of a file that are looked at, at most.
const NOTES_MAX: usize = 1 << 16;
/// Bytes of what says where arguments are, at most.
const ARGUMENTS_SIZE_MAX: usize = 4_096;

/// Holds a probe that a program was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usdt<'d> {
    /// Who made it, such as `python`.
    pub provider: &'d str,
    /// Its name, such as `function__entry`.
    pub name: &'d str,
    /// Where it is, in the addresses of the file.
    pub address: u64,
    /// Where it is counted who looks, in the addresses of the file; the program skips the probe while that is 0.
    pub semaphore: Option<u64>,
    /// Where its arguments are, as the note writes it.
    pub arguments: &'d str,
}

/// Returns the probes of a section of notes; `base` is where the linker put `.stapsdt.base`, by which addresses are moved.
pub fn parse_notes(section: &[u8], endian: Endianness, base: Option<u64>) -> Vec<Usdt<'_>> {
    let Ok(notes) = NoteIterator::<elf::FileHeader64<Endianness>>::new(endian, 4, section) else { return Vec::new() };
    let notes = notes.take(NOTES_MAX).map_while(Result::ok);
    let probes = notes.filter(|note| note.name() == b"stapsdt" && note.n_type(endian).0 == NOTE_TYPE);
    probes.filter_map(|note| parse_probe(note.desc(), endian, base)).collect()
}

fn parse_probe(bytes: &[u8], endian: Endianness, base: Option<u64>) -> Option<Usdt<'_>> {
    let (numbers, texts) = bytes.split_at_checked(24)?;
    let number = |at: usize| Some(endian.read_u64(numbers.get(8 * at..8 * at + 8)?.try_into().ok()?));
    let moved = base.map_or(0, |base| base.wrapping_sub(number(1).unwrap_or(base)));
    let mut texts = texts.split(|byte| *byte == 0).map(|text| std::str::from_utf8(text).ok());
    let (provider, name) = (texts.next()??, texts.next()??);
    // Old versions end behind the name.
    let arguments = texts.next().flatten().filter(|text| text.len() <= ARGUMENTS_SIZE_MAX).unwrap_or_default();
    let semaphore = number(2).filter(|address| *address != 0).map(|address| address.wrapping_add(moved));
    let is_named = !provider.is_empty() && !name.is_empty();
    is_named.then_some(Usdt { provider, name, address: number(0)?.wrapping_add(moved), semaphore, arguments })
}

/// Says where an argument of a probe is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Its bytes: 1, 2, 4 or 8.
    pub size_bytes: u8,
    /// Whether its sign is extended.
    pub is_signed: bool,
    /// Where it is.
    pub place: Place,
}

/// Names a place that an argument is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register.
    Register(Register),
    /// In memory.
    Memory {
        /// What is added to the registers.
        displacement: i64,
        /// A register with an address.
        base: Option<Register>,
        /// A register that is multiplied by 1, 2, 4 or 8 and added.
        index: Option<(Register, u8)>,
    },
    /// In memory at a variable of the program.
    Global {
        /// The name of the variable.
        symbol: String,
        /// What is added to its address.
        displacement: i64,
    },
    /// The number itself.
    Constant(i64),
}

/// Returns the arguments of a probe of x86-64, each or why it is not understood.
///
/// # Example
/// ```
/// use dtq_kernel::trace::usdt::{Place, operands};
///
/// let operands = operands("-4@%edi 8@$5");
/// assert_eq!(operands[0].as_ref().unwrap().size_bytes, 4);
/// assert_eq!(operands[1].as_ref().unwrap().place, Place::Constant(5));
/// ```
pub fn operands(text: &str) -> Vec<Result<Operand, String>> {
    text.split_ascii_whitespace().map(|text| operand(text).map_err(|reason| format!("`{text}` {reason}"))).collect()
}

fn operand(text: &str) -> Result<Operand, &'static str> {
    let (size, place) = text.split_once('@').ok_or("does not say how large it is")?;
    let (is_signed, size) = match size.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, size),
    };
    let size_bytes = match size {
        "1" => 1,
        "2" => 2,
        "4" => 4,
        "8" => 8,
        _ if size.ends_with('f') => return Err("is a floating-point number, which the kernel does not save"),
        _ => return Err("has a size that is not 1, 2, 4 or 8 bytes"),
    };
    Ok(Operand { size_bytes, is_signed, place: self::place(place)? })
}

fn place(text: &str) -> Result<Place, &'static str> {
    if let Some(constant) = text.strip_prefix('$') {
        return number(constant).map(Place::Constant).ok_or("is a constant that is no number");
    }
    if let Some(name) = text.strip_prefix('%') {
        return register(name).map(Place::Register).ok_or("is in a register that the kernel does not save");
    }
    if text.contains(':') {
        return Err("is in a segment of its own, such as that of a thread");
    }
    let (displacement, registers) = match text.split_once('(') {
        Some((displacement, rest)) => (displacement, Some(rest.strip_suffix(')').ok_or("has no closing parenthesis")?)),
        None => (text, None),
    };
    let (symbol, displacement) = sum(displacement)?;
    let Some(registers) = registers else { return absolute(symbol, displacement) };
    let mut registers = registers.split(',').map(str::trim);
    let base = match registers.next().unwrap_or_default() {
        "" => None,
        name => Some(memory_register(name)?),
    };
    let index = registers.next().map(memory_register).transpose()?;
    let scale = match registers.next() {
        None | Some("1") => 1,
        Some("2") => 2,
        Some("4") => 4,
        Some("8") => 8,
        Some(_) => return Err("multiplies by something that is not 1, 2, 4 or 8"),
    };
    match symbol {
        // Beside the instruction pointer, a symbol is its own address.
        Some(symbol) if base == register("rip") && index.is_none() => Ok(Place::Global { symbol, displacement }),
        Some(_) => Err("is relative to a variable and to a register"),
        None if base.is_none() && index.is_none() => Err("is relative to nothing"),
        None if registers.next().is_some() => Err("has too many parts"),
        None => Ok(Place::Memory { displacement, base, index: index.map(|index| (index, scale)) }),
    }
}

fn absolute(symbol: Option<String>, displacement: i64) -> Result<Place, &'static str> {
    match symbol {
        Some(symbol) => Ok(Place::Global { symbol, displacement }),
        None => Err("is at a fixed address, which a program that is moved does not have"),
    }
}

fn memory_register(name: &str) -> Result<Register, &'static str> {
    let found = name.strip_prefix('%').and_then(register).filter(|register| !register.is_second_byte);
    found.ok_or("is relative to a register that the kernel does not save")
}

/// Reads a sum of numbers and at most one name, such as `8`, `-4`, `4+name`, `name-8`, or nothing.
fn sum(text: &str) -> Result<(Option<String>, i64), &'static str> {
    let (mut symbol, mut total, mut rest) = (None, 0_i64, text);
    while !rest.is_empty() {
        let (is_negative, unsigned) = match rest.as_bytes()[0] {
            b'-' => (true, &rest[1..]),
            b'+' => (false, &rest[1..]),
            _ => (false, rest),
        };
        let end = unsigned.find(['+', '-']).unwrap_or(unsigned.len());
        let (term, behind) = unsigned.split_at(end);
        match number(term) {
            Some(number) => total = if is_negative { total.wrapping_sub(number) } else { total.wrapping_add(number) },
            None if symbol.is_none() && !is_negative && is_name(term) => symbol = Some(term.to_owned()),
            None => return Err("has a place that is not understood"),
        }
        rest = behind;
    }
    Ok((symbol, total))
}

fn is_name(text: &str) -> bool {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '$');
    text.chars().all(is_fine) && text.starts_with(|first: char| !first.is_ascii_digit())
}

/// Reads a number of C, which may go over the bounds of a signed one.
fn number(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = match digits.strip_prefix("0x") {
        Some(digits) if digits.starts_with(|first: char| first.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()?
        }
        None if digits.starts_with(|first: char| first.is_ascii_digit()) => digits.parse::<u64>().ok()?,
        _ => return None,
    };
    Some(if is_negative { (magnitude as i64).wrapping_neg() } else { magnitude as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reg(name: &str) -> Register {
        register(name).unwrap()
    }

    /// Formats of `sdt-v3.h` as GCC fills them in; `%eax` and the like from `readelf -n` of programs of Debian.
    #[test]
    fn operands_are_read_in_all_their_forms() {
        let memory = |displacement, base: &str| Place::Memory { displacement, base: Some(reg(base)), index: None };
        let global = |displacement| Place::Global { symbol: "a_count".to_owned(), displacement };
        for (text, size_bytes, is_signed, place) in [
            ("-4@%edi", 4, true, Place::Register(reg("rdi"))),
            ("1@%ah", 1, false, Place::Register(reg("ah"))),
            ("8@-8(%rbp)", 8, false, memory(-8, "rbp")),
            ("8@(%rdx)", 8, false, memory(0, "rdx")),
            ("-4@0x10(%rsp)", 4, true, memory(16, "rsp")),
            ("-4@4(%rip)", 4, true, memory(4, "rip")),
            ("8@$5", 8, false, Place::Constant(5)),
            ("-8@$-1", 8, true, Place::Constant(-1)),
            ("8@$18446744073709551615", 8, false, Place::Constant(-1)),
            ("-4@a_count(%rip)", 4, true, global(0)),
            ("4@8+a_count(%rip)", 4, false, global(8)),
            ("4@a_count-8+4(%rip)", 4, false, global(-4)),
            ("4@a_count", 4, false, global(0)),
            (
                "2@16(%rdx,%rax,8)",
                2,
                false,
                Place::Memory { displacement: 16, base: Some(reg("rdx")), index: Some((reg("rax"), 8)) },
            ),
            ("2@(,%rax,4)", 2, false, Place::Memory { displacement: 0, base: None, index: Some((reg("rax"), 4)) }),
        ] {
            assert_eq!(operands(text), [Ok(Operand { size_bytes, is_signed, place })], "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_of_the_argument() {
        for (text, said) in [
            ("%edi", "how large"),
            ("3@%edi", "not 1, 2, 4 or 8"),
            ("8f@%xmm0", "floating-point"),
            ("8@%xmm0", "does not save"),
            ("8@%fs:16", "does not save"),
            ("8@%fs:(%rax)", "does not save"),
            ("8@fs:16(%rax)", "segment"),
            ("8@(%rax", "parenthesis"),
            ("8@8(%rax,%rbx,3)", "multiplies"),
            ("8@()", "relative to nothing"),
            ("8@12", "fixed address"),
            ("8@", "fixed address"),
            ("8@$", "no number"),
            ("8@$name", "no number"),
            ("8@-name(%rip)", "not understood"),
            ("8@name(%rax)", "variable and to a register"),
            ("8@1+(%rax)", "not understood"),
        ] {
            let found = operands(text);
            let error = found[0].as_ref().expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        assert_eq!(operands("").len(), 0);
        assert_eq!(operands("8@%rax nonsense -4@%eax").iter().filter(|operand| operand.is_ok()).count(), 2);
    }
}
