//! The severity: the text of whatever stands under the best key for it, and the number that it names.
//!
//! # Source
//! `settle_candidates` of `crates/record/src/record.rs`; `severity_number` of `known.rs`.

use super::{CURSOR, Part, Reader, SEVERITY, START, copy};
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{Reason, State};
use dtq_record::severity_words;

/// The bit that makes letters small, and leaves digits.
const SMALL: u64 = 0x2020_2020_2020_2020;
/// Bytes of a word that names a severity.
const WORD_SIZE_MAX: usize = 16;

impl Reader {
    /// Adds a store of the bytes from [`START`] to the cursor as severity; of a literal, nothing where its state is none.
    pub(super) fn store_raw_severity(&self, e: &mut Emitter, literal: Option<Reg>) {
        let done = e.asm.label();
        if let Some(state) = literal {
            e.store_state(SEVERITY, State::Missing);
            e.asm.branch(Cond::Eq, state, State::Missing as i32, done);
        }
        e.load(Reg::R2, START);
        e.load(Reg::R3, CURSOR);
        e.asm.alu(Alu::Sub, Reg::R3, Reg::R2);
        e.store_text(SEVERITY, Reg::R2, Reg::R3);
        e.asm.bind(done);
    }

    /// Adds what fills the fields of the severity, which hold nothing yet.
    pub(super) fn store_severity(&self, e: &mut Emitter) {
        if !self.wants_severity() {
            return;
        }
        let (is_text, done) = (e.asm.label(), e.asm.label());
        e.load_state(Reg::R4, SEVERITY);
        e.asm.branch(Cond::Eq, Reg::R4, State::Missing as i32, done);
        for field in self.fields(&Part::SeverityText) {
            copy(e, SEVERITY, field);
        }
        if self.fields(&Part::SeverityNumber).next().is_some() {
            e.asm.branch(Cond::Eq, Reg::R4, State::Text as i32, is_text);
            for field in self.fields(&Part::SeverityNumber) {
                copy(e, SEVERITY, field);
            }
            e.asm.jump(done);
            e.asm.bind(is_text);
            self.store_number(e, done);
        }
        e.asm.bind(done);
    }

    /// Adds the way from the text to its number; what names none goes on at `done`.
    fn store_number(&self, e: &mut Emitter, done: Label) {
        let [is_trimmed, is_odd, is_short, found] = std::array::from_fn(|_| e.asm.label());
        e.load_text(Reg::R3, Reg::R4, SEVERITY);
        e.asm.branch(Cond::Eq, Reg::R4, 0, done);
        e.address(Reg::R2, Reg::R3);
        e.asm.load(Size::Byte, Reg::R5, Reg::R2, 0);
        e.asm.branch(Cond::Eq, Reg::R5, i32::from(b' '), is_odd);
        e.asm.alu(Alu::Add, Reg::R3, Reg::R4);
        e.asm.alu(Alu::Sub, Reg::R3, 1);
        e.address(Reg::R3, Reg::R3);
        e.asm.load(Size::Byte, Reg::R5, Reg::R3, 0);
        e.asm.branch(Cond::Ne, Reg::R5, i32::from(b' '), is_trimmed);
        e.asm.bind(is_odd);
        for field in self.fields(&Part::SeverityNumber) {
            e.store_undecided(field, Reason::Type);
        }
        e.asm.jump(done);
        e.asm.bind(is_trimmed);
        e.asm.branch(Cond::Gt, Reg::R4, WORD_SIZE_MAX as i32, done);
        e.asm.mov_imm(Reg::R8, SMALL);
        e.asm.load(Size::Double, Reg::R5, Reg::R2, 0);
        e.asm.alu(Alu::Or, Reg::R5, Reg::R8);
        e.asm.branch(Cond::Le, Reg::R4, 8, is_short);
        e.asm.load(Size::Double, Reg::R6, Reg::R2, 8);
        e.asm.alu(Alu::Or, Reg::R6, Reg::R8);
        keep_bytes(e, Reg::R6, 16);
        let words = severity_words().into_iter().map(|(word, number)| (chunks(word), number));
        let words: Vec<([u64; 2], i32)> = words.collect();
        for ([low, high], number) in words.iter().filter(|([_, high], _)| *high != 0) {
            let other = e.asm.label();
            e.asm.mov_imm(Reg::R7, *low);
            e.asm.branch(Cond::Ne, Reg::R5, Reg::R7, other);
            e.asm.mov_imm(Reg::R7, *high);
            e.asm.branch(Cond::Ne, Reg::R6, Reg::R7, other);
            e.asm.mov(Reg::R0, *number);
            e.asm.jump(found);
            e.asm.bind(other);
        }
        e.asm.jump(done);
        e.asm.bind(is_short);
        keep_bytes(e, Reg::R5, 8);
        let mut short: Vec<(u64, i32)> =
            words.iter().filter(|([_, high], _)| *high == 0).map(|([low, _], number)| (*low, *number)).collect();
        short.sort_unstable();
        search(e, &short, found, done);
        e.asm.bind(found);
        for field in self.fields(&Part::SeverityNumber) {
            e.store_number(field, State::Long, Reg::R0);
        }
    }
}

/// Adds what makes the bytes zero that are at `r4` and behind, of those up to `end` of which the last eight are in a register.
fn keep_bytes(e: &mut Emitter, reg: Reg, end: i32) {
    e.asm.mov(Reg::R7, end);
    e.asm.alu(Alu::Sub, Reg::R7, Reg::R4);
    e.asm.alu(Alu::Lsh, Reg::R7, 3);
    e.asm.alu(Alu::Lsh, reg, Reg::R7);
    e.asm.alu(Alu::Rsh, reg, Reg::R7);
}

/// Returns a word as two numbers, its letters small.
fn chunks(word: &str) -> [u64; 2] {
    assert!(word.len() <= WORD_SIZE_MAX, "a longer word would not be found");
    let small = |at: usize| word.as_bytes().get(at).map_or(0, |byte| u64::from(*byte | 0x20));
    [0, 8].map(|begin| (begin..begin + 8).rev().fold(0, |number, at| number << 8 | small(at)))
}

/// Adds a search for `r5` among sorted words: the number of it is in `r0` at `found`.
fn search(e: &mut Emitter, words: &[(u64, i32)], found: Label, none: Label) {
    if words.len() > 4 {
        let (low, high) = words.split_at(words.len() / 2);
        let is_high = e.asm.label();
        e.asm.mov_imm(Reg::R7, high[0].0);
        e.asm.branch(Cond::Ge, Reg::R5, Reg::R7, is_high);
        search(e, low, found, none);
        e.asm.bind(is_high);
        search(e, high, found, none);
        return;
    }
    for (word, number) in words {
        let other = e.asm.label();
        e.asm.mov_imm(Reg::R7, *word);
        e.asm.branch(Cond::Ne, Reg::R5, Reg::R7, other);
        e.asm.mov(Reg::R0, *number);
        e.asm.jump(found);
        e.asm.bind(other);
    }
    e.asm.jump(none);
}
