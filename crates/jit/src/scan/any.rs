//! The value of an attribute, or a body, to a slot: scalars at once, arrays and bags as views.
//!
//! An `AnyValue` has one member and nothing else, or the scan gives up. Next: `scan/keys.rs`.

use super::emit::{Emitter, Place};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use dtq_record::slot::{Buffer, Slot, Tag};

/// Tags of the members of `AnyValue` (common.proto).
const STRING: u64 = 0x0A;
const BOOL: u64 = 0x10;
const INT: u64 = 0x18;
const DOUBLE: u64 = 0x21;
const ARRAY: u64 = 0x2A;
const BAG: u64 = 0x32;
const BYTES: u64 = 0x3A;

impl Emitter<'_, '_> {
    /// Writes the slot of the `AnyValue` at an address, and then jumps to `done`.
    ///
    /// Its `size` bytes are there. The block where this begins has just been entered.
    pub fn any(&mut self, [at, size]: [Value; 2], place: Place, buffer: Buffer, done: (Block, &[Value])) {
        let (empty, text, int, real) = (self.cold_block(0), self.block(0), self.block(0), self.block(0));
        let is_empty = self.compare_with(IntCC::Equal, size, 0);
        self.only_if_not(is_empty, (empty, &[]));
        let end = self.sum(at, size);
        let tag = self.load(1, at, 0);
        for (member, block) in [(STRING, text), (INT, int), (DOUBLE, real)] {
            let is_member = self.compare_with(IntCC::Equal, tag, member);
            self.only_if_not(is_member, (block, &[]));
        }
        self.any_rare([at, end, size, tag], place, buffer, done);

        self.enter::<0>(empty);
        self.store_constant(place, Slot::EMPTY);
        self.jump(done.0, done.1);

        self.enter::<0>(text);
        let [start, length] = self.member_content(at, end, size);
        self.store_view(place, Slot::view(Tag::String, buffer, 0, 0, 0), start, length);
        self.jump(done.0, done.1);

        self.enter::<0>(int);
        let number = self.member_number(at, end, size);
        let head = self.number(Slot::long(0).words()[0]);
        self.store_slot(place, head, number);
        self.jump(done.0, done.1);

        self.enter::<0>(real);
        let is_whole = self.compare_with(IntCC::Equal, size, 9);
        self.require(is_whole);
        let bits = self.load(8, at, 1);
        let head = self.number(Slot::real(0.0).words()[0]);
        self.store_slot(place, head, bits);
        self.jump(done.0, done.1);
    }

    fn any_rare(&mut self, [at, end, size, tag]: [Value; 4], place: Place, buffer: Buffer, done: (Block, &[Value])) {
        let (flag, nested, bytes) = (self.cold_block(0), self.cold_block(0), self.cold_block(0));
        for (member, block) in [(BOOL, flag), (ARRAY, nested), (BAG, nested), (BYTES, bytes)] {
            let is_member = self.compare_with(IntCC::Equal, tag, member);
            self.only_if_not(is_member, (block, &[]));
        }
        self.jump(self.irregular, &[]);

        self.enter::<0>(flag);
        let number = self.member_number(at, end, size);
        let is_true = self.compare_with(IntCC::NotEqual, number, 0);
        let (yes, no) = (self.number(1), self.number(0));
        let payload = self.select(is_true, yes, no);
        let head = self.number(Slot::bool(false).words()[0]);
        self.store_slot(place, head, payload);
        self.jump(done.0, done.1);

        self.enter::<0>(nested);
        self.member_content(at, end, size);
        self.store_view(place, Slot::view(Tag::Any, buffer, 0, 0, 0), at, size);
        self.jump(done.0, done.1);

        self.enter::<0>(bytes);
        let [start, length] = self.member_content(at, end, size);
        self.store_view(place, Slot::view(Tag::Bytes, buffer, 0, 0, 0), start, length);
        self.jump(done.0, done.1);
    }

    /// Returns the content of the only member, which has a length.
    fn member_content(&mut self, at: Value, end: Value, size: Value) -> [Value; 2] {
        let is_there = self.compare_with(IntCC::UnsignedGreaterThan, size, 1);
        self.require(is_there);
        let (first, behind_tag) = (self.load(1, at, 1), self.add(at, 1));
        let [start, length] = self.length(first, behind_tag, end);
        let stop = self.sum(start, length);
        let is_whole = self.compare(IntCC::Equal, stop, end);
        self.require(is_whole);
        [start, length]
    }

    /// Returns the number of the only member, which is a varint.
    fn member_number(&mut self, at: Value, end: Value, size: Value) -> Value {
        let is_there = self.compare_with(IntCC::UnsignedGreaterThan, size, 1);
        self.require(is_there);
        let (first, behind_tag) = (self.load(1, at, 1), self.add(at, 1));
        let [number, next] = self.varint(first, behind_tag, end);
        let is_whole = self.compare(IntCC::Equal, next, end);
        self.require(is_whole);
        number
    }

    /// Goes on only where the condition does not hold, and elsewhere in `other`.
    pub fn only_if_not(&mut self, condition: Value, other: (Block, &[Value])) {
        let block = self.block(0);
        self.branch(condition, other, (block, &[]));
        self.enter::<0>(block);
    }

    /// Returns whether a bit of the ones still to be found is there.
    pub fn has_bit(&mut self, left: Value, bit: u64) -> Value {
        let masked = self.and(left, bit);
        self.compare_with(IntCC::NotEqual, masked, 0)
    }

    /// Returns the bits without one.
    pub fn without(&mut self, left: Value, bits: u64) -> Value {
        let mask = self.number(!bits);
        self.builder.ins().band(left, mask)
    }
}
