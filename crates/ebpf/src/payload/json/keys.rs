//! Which of the keys that are read a key is, and where its value goes.
//!
//! Next: `severity.rs`.

use super::string::HAS_ESCAPES;
use super::{FLAGS, MESSAGE_RANK, Part, Reader, SEEN, SEVERITY, SEVERITY_RANK, STACK, STACK_TOP, START, TARGET};
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::Reason;
use dtq_record::{Role, known_keys};

/// Bytes of a key that is read.
pub(super) const KEY_SIZE_MAX: usize = 128;

/// Holds a key and what it does.
struct Known<'k> {
    key: &'k [u8],
    /// The cell that its value goes to.
    target: i16,
    action: Action,
}

/// Says when the value of a key is taken.
enum Action {
    /// The first time: the bit in [`SEEN`] says when it was.
    First(u32),
    /// When no better key was there: the cell of the best rank so far, and its own.
    Best(i16, usize),
}

impl Reader {
    /// Adds what sets the target of the value that follows, for the key from [`START`] to `r1`.
    pub(super) fn match_key(&self, e: &mut Emitter) {
        let known = self.known();
        let none = e.asm.label();
        e.load(Reg::R4, STACK);
        e.asm.branch(Cond::Ne, Reg::R4, STACK_TOP, none);
        e.load(Reg::R4, FLAGS);
        // It may write a key that is read.
        let escaped = e.undecided(Reason::Escaped);
        e.asm.branch(Cond::Set, Reg::R4, HAS_ESCAPES, escaped);
        e.load(Reg::R3, START);
        e.asm.alu(Alu::Sub, Reg::R1, Reg::R3);
        e.address(Reg::R2, Reg::R3);
        let mut sizes: Vec<usize> = known.iter().map(|known| known.key.len()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let sizes: Vec<(usize, Label)> = sizes.into_iter().map(|size| (size, e.asm.label())).collect();
        for (size, label) in &sizes {
            e.asm.branch(Cond::Eq, Reg::R1, *size as i32, *label);
        }
        for (size, label) in sizes {
            e.asm.jump(none);
            e.asm.bind(label);
            e.asm.load(Size::Double, Reg::R5, Reg::R2, 0);
            if size < 8 {
                e.asm.alu(Alu::Lsh, Reg::R5, 64 - 8 * size as i32);
            }
            for known in known.iter().filter(|known| known.key.len() == size) {
                match_one(e, known, none);
            }
        }
        e.asm.bind(none);
    }

    /// Returns the keys that are read.
    fn known(&self) -> Vec<Known<'_>> {
        let mut all: Vec<Known<'_>> = Vec::new();
        for (part, target) in &self.parts {
            let Part::Key(key) = part else { continue };
            if all.iter().all(|known| known.key != key) {
                all.push(Known { key, target: *target, action: Action::First(all.len() as u32) });
            }
        }
        let message = self.fields(&Part::Message).next().map(|target| (Role::Message, MESSAGE_RANK, target));
        let severity = self.wants_severity().then_some((Role::Severity, SEVERITY_RANK, SEVERITY));
        for (role, cell, target) in [message, severity].into_iter().flatten() {
            for (rank, key) in known_keys(role).iter().enumerate() {
                all.push(Known { key: key.as_bytes(), target, action: Action::Best(cell, rank) });
            }
        }
        all
    }
}

/// Adds the comparison with one key, whose length is right: the key is at `r2`, and its first bytes in `r5`.
fn match_one(e: &mut Emitter, known: &Known<'_>, none: Label) {
    let other = e.asm.label();
    let (key, size) = (known.key, known.key.len());
    let mut first = [0; 8];
    let begin = 8 - size.min(8);
    first[begin..].copy_from_slice(&key[..size.min(8)]);
    e.asm.mov_imm(Reg::R4, u64::from_le_bytes(first));
    e.asm.branch(Cond::Ne, Reg::R5, Reg::R4, other);
    for at in (8..size).step_by(8) {
        // The last eight may have been in the ones before.
        let at = at.min(size - 8);
        e.asm.load(Size::Double, Reg::R3, Reg::R2, at as i16);
        e.asm.mov_imm(Reg::R4, u64::from_le_bytes(key[at..at + 8].try_into().expect("there are eight")));
        e.asm.branch(Cond::Ne, Reg::R3, Reg::R4, other);
    }
    match known.action {
        Action::First(bit) => {
            e.load(Reg::R4, SEEN);
            e.asm.mov_imm(Reg::R3, 1 << bit);
            e.asm.branch(Cond::Set, Reg::R4, Reg::R3, none);
            e.asm.alu(Alu::Or, Reg::R4, Reg::R3);
            e.store(SEEN, Reg::R4);
        }
        Action::Best(cell, rank) => {
            let duplicate = e.undecided(Reason::Duplicate);
            e.load(Reg::R4, cell);
            e.asm.branch(Cond::Lt, Reg::R4, rank as i32, none);
            e.asm.branch(Cond::Eq, Reg::R4, rank as i32, duplicate);
            e.store(cell, rank as i32);
        }
    }
    e.store(TARGET, i32::from(known.target));
    e.asm.jump(none);
    e.asm.bind(other);
}
