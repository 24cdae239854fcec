//! Whether a text is one of many.
//!
//! A table holds the hash, the place and the length of each text in sixteen bytes, at most half of them taken, and behind
//! those the texts, small letters for capitals where case is ignored. A text whose hash and length are there is compared in
//! full. Next: `payload`.

use super::{COUNT_MAX, IN_TURN_MAX, MULTIPLIER, PLACE};
use crate::Unsupported;
use crate::asm::Label;
use crate::emit::{Emitter, Outcome};
use crate::insn::{Alu, Cond, Insn, Reg, Size, Width};
use crate::layout::{self, Reason};
use crate::search::check_length;
use crate::search::compare::emit_compare;
use std::collections::BTreeMap;

/// Bytes that the texts of a set have together.
const BYTES_MAX: usize = 256 << 10;
/// Bytes of an entry: a hash, odd where it is taken, the offset of the text behind the entries, and its length.
const ENTRY_SIZE: usize = 16;
/// Where the text begins.
const START: i16 = layout::SEARCH + 8;
/// The bit that tells capitals from small letters of ASCII, in each byte.
const CASE_BITS: u64 = 0x2020_2020_2020_2020;

const TEXT: Reg = Reg::R6;
const LENGTH: Reg = Reg::R7;
const HASH: Reg = Reg::R0;
/// The offset of the entry that is looked at.
const ENTRY: Reg = Reg::R8;
/// The offset of the last eight bytes of the text.
const LAST: Reg = Reg::R4;
/// What an offset in the text is to be moved by to be one in the table.
const DISTANCE: Reg = Reg::R5;

/// Adds a test whether the text at `r6` with the length in `r7` is one of these.
///
/// # Errors
/// When there are more than 4,096 of them, or they have more than 256 KiB together, or one is too long.
pub fn emit_text_in(
    e: &mut Emitter,
    texts: &[Vec<u8>],
    is_case_ignored: bool,
    outcome: &Outcome,
) -> Result<(), Unsupported> {
    let fold = |text: &Vec<u8>| if is_case_ignored { text.to_ascii_lowercase() } else { text.clone() };
    let mut texts: Vec<Vec<u8>> = texts.iter().map(fold).collect();
    texts.sort();
    texts.dedup();
    let (count, size) = (texts.len(), texts.iter().map(Vec::len).sum::<usize>());
    if count > COUNT_MAX || size > BYTES_MAX {
        let bounds = format!("a set has at most {COUNT_MAX} texts of {} KiB together", BYTES_MAX >> 10);
        return Err(Unsupported::new(format!("{bounds}, and this one has {count} of {size} bytes")));
    }
    texts.iter().try_for_each(|text| check_length(text))?;
    let is_case_ignored = is_case_ignored && texts.iter().flatten().any(u8::is_ascii_alphabetic);
    if count <= IN_TURN_MAX {
        emit_in_turn(e, &texts, is_case_ignored, outcome);
    } else {
        emit_lookup(e, &texts, is_case_ignored, outcome);
    }
    Ok(())
}

fn emit_in_turn(e: &mut Emitter, texts: &[Vec<u8>], is_case_ignored: bool, outcome: &Outcome) {
    let mut by_length: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
    for text in texts {
        by_length.entry(text.len()).or_default().push(text);
    }
    for (length, texts) in by_length {
        let longer = e.asm.label();
        e.asm.branch(Cond::Ne, LENGTH, length as i32, longer);
        for text in texts {
            let next = e.asm.label();
            emit_compare(e, TEXT, text, is_case_ignored, next);
            e.asm.jump(outcome.is_true);
            if !text.is_empty() {
                e.asm.bind(next);
            }
        }
        if length > 0 {
            e.asm.jump(outcome.is_false);
        }
        e.asm.bind(longer);
    }
    e.asm.jump(outcome.is_false);
}

/// Holds what the code looks texts up in.
struct Lookup {
    /// The table, by its position among maps.
    map: u32,
    entry_count: usize,
    /// Bytes of the room for texts, a power of two, behind which eight more may be read.
    room: usize,
    is_case_ignored: bool,
    over: Label,
}

fn emit_lookup(e: &mut Emitter, texts: &[Vec<u8>], is_case_ignored: bool, outcome: &Outcome) {
    let has_empty = texts.first().is_some_and(Vec::is_empty);
    let texts = if has_empty { &texts[1..] } else { texts };
    let length_max = texts.iter().map(Vec::len).max().unwrap_or(0);
    let (bytes, entry_count, room) = table(texts, is_case_ignored);
    let lookup = Lookup { map: e.add_table("texts", bytes), entry_count, room, is_case_ignored, over: e.asm.label() };
    e.asm.branch(Cond::Gt, LENGTH, length_max as i32, outcome.is_false);
    e.asm.branch(Cond::Eq, LENGTH, 0, if has_empty { outcome.is_true } else { outcome.is_false });
    e.store(START, TEXT);
    e.load(TEXT, START);
    emit_hash(e, &lookup);
    emit_probes(e, &lookup, outcome);
    e.asm.bind(lookup.over);
    e.unknown(Reason::Budget, outcome.unknown);
}

/// Adds what brings the hash of the text into a register, and the offset of its last eight bytes into another one if it has
/// so many.
fn emit_hash(e: &mut Emitter, lookup: &Lookup) {
    let (head, last, short, done) = (e.asm.label(), e.asm.label(), e.asm.label(), e.asm.label());
    e.asm.mov_imm(Reg::R3, MULTIPLIER);
    e.asm.mov(HASH, LENGTH);
    e.asm.alu(Alu::Mul, HASH, Reg::R3);
    e.asm.mov(LAST, TEXT);
    e.asm.alu(Alu::Add, LAST, LENGTH);
    e.asm.alu(Alu::Sub, LAST, 8);
    e.asm.branch(Cond::Lt, LENGTH, 8, short);
    e.asm.bind(head);
    e.asm.may_goto(lookup.over);
    e.asm.branch(Cond::Ge, TEXT, LAST, last);
    emit_hash_word(e, lookup, TEXT);
    emit_mix(e);
    e.asm.alu(Alu::Add, TEXT, 8);
    e.asm.jump(head);
    e.asm.bind(last);
    emit_hash_word(e, lookup, LAST);
    e.asm.jump(done);
    e.asm.bind(short);
    emit_hash_word(e, lookup, TEXT);
    emit_shift(e, Reg::R1);
    e.asm.bind(done);
    emit_mix(e);
    e.asm.alu(Alu::Or, HASH, 1);
}

/// Adds the load of eight bytes of the text into `r1`; capitals and small letters are the same where case is ignored, and so
/// are some other bytes, which does no harm in a hash.
fn emit_hash_word(e: &mut Emitter, lookup: &Lookup, at: Reg) {
    e.address(Reg::R1, at);
    e.asm.load(Size::Double, Reg::R1, Reg::R1, 0);
    if lookup.is_case_ignored {
        e.asm.mov_imm(Reg::R2, CASE_BITS);
        e.asm.alu(Alu::Or, Reg::R1, Reg::R2);
    }
}

/// Adds what keeps, of eight bytes in a register, as many as a text has that is shorter, and moves zeros in. Clobbers `r2`.
fn emit_shift(e: &mut Emitter, word: Reg) {
    e.asm.mov(Reg::R2, LENGTH);
    e.asm.alu(Alu::Lsh, Reg::R2, 3);
    e.asm.add(Insn::Neg { width: Width::Double, dst: Reg::R2 });
    e.asm.alu(Alu::Add, Reg::R2, 64);
    e.asm.alu(Alu::Lsh, word, Reg::R2);
}

/// Adds what brings eight bytes in `r1` into the hash.
fn emit_mix(e: &mut Emitter) {
    e.asm.alu(Alu::Xor, HASH, Reg::R1);
    e.asm.alu(Alu::Mul, HASH, Reg::R3);
    e.asm.mov(Reg::R1, HASH);
    e.asm.alu(Alu::Rsh, Reg::R1, 32);
    e.asm.alu(Alu::Xor, HASH, Reg::R1);
}

/// Returns the hash that the code makes of a text.
fn hash(text: &[u8], is_case_ignored: bool) -> u64 {
    let bits = if is_case_ignored { CASE_BITS } else { 0 };
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(MULTIPLIER);
        hash ^ hash >> 32
    };
    let word = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("there are eight bytes")) | bits;
    let first = (text.len() as u64).wrapping_mul(MULTIPLIER);
    let hash = match text.len().checked_sub(8) {
        Some(last) => mix((0..last).step_by(8).fold(first, |hash, at| mix(hash, word(at))), word(last)),
        None => {
            let mut bytes = [0; 8];
            bytes[..text.len()].copy_from_slice(text);
            mix(first, (u64::from_le_bytes(bytes) | bits) << (64 - 8 * text.len()))
        }
    };
    hash | 1
}

/// Returns the bytes of a table, how many entries it has, and the size of the room for texts.
fn table(texts: &[Vec<u8>], is_case_ignored: bool) -> (Vec<u8>, usize, usize) {
    let entry_count = (texts.len() * 2).next_power_of_two();
    let room = texts.iter().map(Vec::len).sum::<usize>().next_power_of_two();
    let mut bytes = vec![0; entry_count * ENTRY_SIZE + room + 8];
    let mut is_taken = vec![false; entry_count];
    let mut offset = 0;
    for text in texts {
        let hash = hash(text, is_case_ignored);
        let mut place = (hash >> 32) as usize % entry_count;
        while is_taken[place] {
            place = (place + 1) % entry_count;
        }
        is_taken[place] = true;
        let entry = &mut bytes[place * ENTRY_SIZE..][..ENTRY_SIZE];
        entry[..8].copy_from_slice(&hash.to_le_bytes());
        entry[8..12].copy_from_slice(&(offset as u32).to_le_bytes());
        entry[12..].copy_from_slice(&(text.len() as u32).to_le_bytes());
        bytes[entry_count * ENTRY_SIZE + offset..][..text.len()].copy_from_slice(text);
        offset += text.len();
    }
    (bytes, entry_count, room)
}

/// Adds the search of the hash among the entries, and the comparison of texts that have it.
fn emit_probes(e: &mut Emitter, lookup: &Lookup, outcome: &Outcome) {
    let head = e.asm.label();
    e.asm.mov(ENTRY, HASH);
    e.asm.alu(Alu::Rsh, ENTRY, 32);
    e.asm.alu(Alu::Lsh, ENTRY, ENTRY_SIZE.trailing_zeros() as i32);
    e.store(PLACE, ENTRY);
    e.load(ENTRY, PLACE);
    e.asm.bind(head);
    // There is a free entry, so that the loop ends by itself; what the kernel counts is for its verifier.
    e.asm.may_goto(lookup.over);
    e.asm.alu(Alu::And, ENTRY, ((lookup.entry_count - 1) * ENTRY_SIZE) as i32);
    e.load_table(Reg::R1, lookup.map, 0);
    e.asm.alu(Alu::Add, Reg::R1, ENTRY);
    e.asm.alu(Alu::Add, ENTRY, ENTRY_SIZE as i32);
    e.asm.load(Size::Double, Reg::R2, Reg::R1, 0);
    e.asm.branch(Cond::Eq, Reg::R2, 0, outcome.is_false);
    e.asm.branch(Cond::Ne, Reg::R2, HASH, head);
    e.asm.load(Size::Word, Reg::R2, Reg::R1, 12);
    e.asm.branch(Cond::Ne, Reg::R2, LENGTH, head);
    e.asm.load(Size::Word, DISTANCE, Reg::R1, 8);
    e.load(TEXT, START);
    e.asm.alu(Alu::Sub, DISTANCE, TEXT);
    emit_same(e, lookup, head, outcome.is_true);
}

/// Adds a jump to `same` if the text is that of the entry, else to `differs`.
fn emit_same(e: &mut Emitter, lookup: &Lookup, differs: Label, same: Label) {
    let (head, inside, short) = (e.asm.label(), e.asm.label(), e.asm.label());
    e.asm.branch(Cond::Lt, LENGTH, 8, short);
    e.asm.mov(LAST, TEXT);
    e.asm.alu(Alu::Add, LAST, LENGTH);
    e.asm.alu(Alu::Sub, LAST, 8);
    e.asm.bind(head);
    e.asm.may_goto(lookup.over);
    e.asm.branch(Cond::Le, TEXT, LAST, inside);
    e.asm.mov(TEXT, LAST);
    e.asm.bind(inside);
    emit_difference(e, lookup);
    e.asm.branch(Cond::Ne, Reg::R1, 0, differs);
    e.asm.branch(Cond::Eq, TEXT, LAST, same);
    e.asm.alu(Alu::Add, TEXT, 8);
    e.asm.jump(head);
    e.asm.bind(short);
    emit_difference(e, lookup);
    emit_shift(e, Reg::R1);
    e.asm.branch(Cond::Ne, Reg::R1, 0, differs);
    e.asm.jump(same);
}

/// Adds what brings into `r1` a number that is 0 if eight bytes of the text are those of the table. Clobbers `r2` and `r3`.
fn emit_difference(e: &mut Emitter, lookup: &Lookup) {
    e.address(Reg::R1, TEXT);
    e.asm.load(Size::Double, Reg::R1, Reg::R1, 0);
    if lookup.is_case_ignored {
        emit_fold(e);
    }
    e.asm.mov(Reg::R2, TEXT);
    e.asm.alu(Alu::Add, Reg::R2, DISTANCE);
    e.asm.alu(Alu::And, Reg::R2, lookup.room as i32 - 1);
    e.load_table(Reg::R3, lookup.map, (lookup.entry_count * ENTRY_SIZE) as u32);
    e.asm.alu(Alu::Add, Reg::R3, Reg::R2);
    e.asm.load(Size::Double, Reg::R3, Reg::R3, 0);
    e.asm.alu(Alu::Xor, Reg::R1, Reg::R3);
}

/// Adds what makes small letters of the capitals of ASCII in the eight bytes in `r1`, and of nothing else. Clobbers `r2` and
/// `r3`.
fn emit_fold(e: &mut Emitter) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    e.asm.mov(Reg::R2, Reg::R1);
    e.asm.mov_imm(Reg::R3, EACH * 0x7f);
    e.asm.alu(Alu::And, Reg::R2, Reg::R3);
    // The highest bit of a byte is set here if it is behind `Z`, and below if it is `A` or behind it.
    e.asm.mov_imm(Reg::R3, EACH * (0x7f - u64::from(b'Z')));
    e.asm.alu(Alu::Add, Reg::R2, Reg::R3);
    e.asm.mov_imm(Reg::R3, EACH * u64::from(b'Z' - b'A' + 1));
    e.asm.alu(Alu::Add, Reg::R3, Reg::R2);
    e.asm.alu(Alu::Xor, Reg::R2, Reg::R3);
    // Bytes beyond ASCII stay.
    e.asm.mov(Reg::R3, Reg::R1);
    e.asm.alu(Alu::Xor, Reg::R3, -1);
    e.asm.alu(Alu::And, Reg::R2, Reg::R3);
    e.asm.mov_imm(Reg::R3, EACH * 0x80);
    e.asm.alu(Alu::And, Reg::R2, Reg::R3);
    e.asm.alu(Alu::Rsh, Reg::R2, 2);
    e.asm.alu(Alu::Or, Reg::R1, Reg::R2);
}
