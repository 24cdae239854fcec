//! `KeyValue`s to the cells of wanted keys: the size of a key first, then its bytes. Next: `otlp/any.rs`.

use super::message::tag;
use super::{AT, END, INNER_END, Reader};
use crate::asm::Label;
use crate::emit::SCRATCH;
use crate::insn::{Alu, Cond, Reg, Size};
use std::collections::BTreeMap;

impl Reader<'_> {
    /// Writes the reading of the `KeyValue` at `r1`: a key that is wanted goes on at `value`, any other at `behind`, both with
    /// the end of the `KeyValue` in `r8`; for `value` also the cell's address in `r4` and the offset behind the key in `r5`.
    pub(super) fn key_values(&mut self, keys: &[(Vec<u8>, i16)], value: Label, behind: Label) {
        self.e.step();
        self.length(AT, Reg::R3);
        self.e.asm.mov(INNER_END, AT);
        self.e.asm.alu(Alu::Add, INNER_END, Reg::R3);
        self.e.asm.branch(Cond::Gt, INNER_END, END, self.malformed);
        self.e.address(Reg::R1, AT);
        // The tag of the key and its size in one.
        self.e.asm.load(Size::Half, Reg::R2, Reg::R1, 0);
        let mut sizes: BTreeMap<usize, Vec<&(Vec<u8>, i16)>> = BTreeMap::new();
        keys.iter().for_each(|key| sizes.entry(key.0.len()).or_default().push(key));
        let sizes: Vec<_> = sizes.into_iter().map(|(size, keys)| (size, keys, self.e.asm.label())).collect();
        for (size, _, label) in &sizes {
            let head = tag(1, 2) | (*size as i32) << 8;
            self.e.asm.branch(Cond::Eq, Reg::R2, head, *label);
        }
        let odd = self.e.asm.label();
        self.other_key(odd, behind);
        for (size, keys, label) in sizes {
            self.e.asm.bind(label);
            self.e.asm.mov(Reg::R5, AT);
            self.e.asm.alu(Alu::Add, Reg::R5, 2 + size as i32);
            self.e.asm.branch(Cond::Gt, Reg::R5, INNER_END, odd);
            for (key, field) in keys {
                let next = self.e.asm.label();
                self.compare(key, next);
                self.e.asm.mov(Reg::R4, SCRATCH);
                self.e.asm.alu(Alu::Add, Reg::R4, i32::from(*field));
                self.e.asm.jump(value);
                self.e.asm.bind(next);
            }
            self.e.asm.jump(behind);
        }
    }

    /// Writes what happens to a key of another size: nothing, if it is read as that by user space too.
    fn other_key(&mut self, odd: Label, behind: Label) {
        self.e.asm.mov(Reg::R3, Reg::R2);
        self.e.asm.alu(Alu::And, Reg::R3, 0x80FF);
        self.e.asm.branch(Cond::Ne, Reg::R3, tag(1, 2), odd);
        self.e.asm.alu(Alu::Rsh, Reg::R2, 8);
        self.e.asm.alu(Alu::Add, Reg::R2, AT);
        self.e.asm.alu(Alu::Add, Reg::R2, 2);
        self.e.asm.branch(Cond::Le, Reg::R2, INNER_END, behind);
        self.e.asm.bind(odd);
        self.odd_key(behind);
    }

    /// Writes what happens to a `KeyValue` that does not begin with a short key: it has none, which is the key `""`, or one
    /// longer than any that is wanted, and a value or none behind it. Anything else keeps the payload.
    fn odd_key(&mut self, behind: Label) {
        let no_key = self.e.asm.label();
        self.e.asm.branch(Cond::Eq, AT, INNER_END, behind);
        self.e.asm.mov(Reg::R5, AT);
        self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, 0);
        self.e.asm.branch(Cond::Ne, Reg::R2, tag(1, 2), no_key);
        self.length(Reg::R5, Reg::R3);
        // A shorter key with a padded length may be one that is wanted.
        self.e.asm.branch(Cond::Lt, Reg::R3, 0x80, self.malformed);
        self.e.asm.alu(Alu::Add, Reg::R5, Reg::R3);
        self.e.asm.branch(Cond::Eq, Reg::R5, INNER_END, behind);
        self.e.asm.branch(Cond::Gt, Reg::R5, INNER_END, self.malformed);
        self.e.address(Reg::R1, Reg::R5);
        self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, 0);
        self.e.asm.bind(no_key);
        self.e.asm.branch(Cond::Ne, Reg::R2, tag(2, 2), self.malformed);
        self.length(Reg::R5, Reg::R3);
        self.e.asm.alu(Alu::Add, Reg::R5, Reg::R3);
        self.e.asm.branch(Cond::Eq, Reg::R5, INNER_END, behind);
        self.e.asm.jump(self.malformed);
    }

    /// Writes the comparison of the bytes two behind `r1` with a key; goes on at `other` where they differ.
    fn compare(&mut self, key: &[u8], other: Label) {
        let mut position = 0;
        while position < key.len() {
            let left = key.len() - position;
            // The last bytes of a longer key are compared together with some of those before.
            let (at, size) = match left {
                8.. => (position, Size::Double),
                _ if key.len() >= 8 => (key.len() - 8, Size::Double),
                4.. => (position, Size::Word),
                2.. => (position, Size::Half),
                _ => (position, Size::Byte),
            };
            let mut bytes = [0; 8];
            bytes[..size.bytes()].copy_from_slice(&key[at..at + size.bytes()]);
            let number = u64::from_le_bytes(bytes);
            self.e.asm.load(size, Reg::R2, Reg::R1, 2 + at as i16);
            if size == Size::Double {
                self.e.asm.mov_imm(Reg::R3, number);
                self.e.asm.branch(Cond::Ne, Reg::R2, Reg::R3, other);
            } else {
                self.e.asm.branch32(Cond::Ne, Reg::R2, number as u32 as i32, other);
            }
            position = at + size.bytes();
        }
    }

    /// Writes the reading of what is behind a key, bound to `value`: one value and nothing else, or nothing.
    pub(super) fn value_of_key(&mut self, value: Label, behind: Label) {
        let there = self.e.asm.label();
        self.e.asm.bind(value);
        self.e.asm.load(Size::Double, Reg::R2, Reg::R4, 0);
        self.e.asm.branch(Cond::Ne, Reg::R2, 0, behind);
        self.e.asm.branch(Cond::Ne, Reg::R5, INNER_END, there);
        self.nothing(behind);
        self.e.asm.bind(there);
        self.e.address(Reg::R1, Reg::R5);
        self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, 0);
        self.e.asm.branch(Cond::Ne, Reg::R2, tag(2, 2), self.malformed);
        self.length(Reg::R5, Reg::R3);
        self.e.asm.alu(Alu::Add, Reg::R3, Reg::R5);
        self.e.asm.branch(Cond::Ne, Reg::R3, INNER_END, self.malformed);
    }
}
