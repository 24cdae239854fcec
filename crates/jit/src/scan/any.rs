//! The value of an attribute, or a body, to a slot: scalars at once, arrays and bags as views.
//!
//! An `AnyValue` has one member and nothing else, or the scan gives up. Next: `scan/keys.rs`.

use super::emit::{Emitter, Place};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use dtq_record::slot::{Buffer, Slot, Tag};

/// Tags of the members of `AnyValue` (common.proto).
const STRING: u64 = 0x0A;
const BOOL: u64 = 0x10;
pub(super) const INT: u64 = 0x18;
pub(super) const DOUBLE: u64 = 0x21;
const ARRAY: u64 = 0x2A;
const BAG: u64 = 0x32;
const BYTES: u64 = 0x3A;

impl Emitter<'_, '_> {
    /// Writes the slot of the `AnyValue` at an address, and then jumps to `done`.
    ///
    /// Its `size` bytes are there. The block where this begins has just been entered.
    pub fn any(&mut self, [at, size]: [Value; 2], place: Place, buffer: Buffer, done: (Block, &[Value])) {
        let (empty, sized, number, real) = (self.cold_block(0), self.block(0), self.block(0), self.block(0));
        let is_empty = self.compare_with(IntCC::Equal, size, 0);
        self.only_if_not(is_empty, (empty, &[]));
        let end = self.sum(at, size);
        let tag = self.load(1, at, 0);
        for (member, block) in [(STRING, sized), (INT, number), (DOUBLE, real)] {
            let is_member = self.compare_with(IntCC::Equal, tag, member);
            self.only_if_not(is_member, (block, &[]));
        }
        for (member, block) in [(BOOL, number), (ARRAY, sized), (BAG, sized), (BYTES, sized)] {
            let is_member = self.compare_with(IntCC::Equal, tag, member);
            self.only_if_not(is_member, (block, &[]));
        }
        self.jump(self.irregular, &[]);

        self.enter::<0>(empty);
        self.store_constant(place, Slot::EMPTY);
        self.jump(done.0, done.1);

        self.enter::<0>(sized);
        self.any_sized([at, end, size, tag], place, buffer, done);

        self.enter::<0>(number);
        self.any_number([at, end, size, tag], place, done);

        self.enter::<0>(real);
        let is_whole = self.compare_with(IntCC::Equal, size, 9);
        self.require(is_whole);
        let bits = self.load(8, at, 1);
        let head = self.number(Slot::real(0.0).words()[0]);
        self.store_slot(place, head, bits);
        self.jump(done.0, done.1);
    }

    /// Writes the slot of the only member, which has a length: of strings and bytes the content, of others all of it.
    fn any_sized(&mut self, [at, end, size, tag]: [Value; 4], place: Place, buffer: Buffer, done: (Block, &[Value])) {
        let is_there = self.compare_with(IntCC::UnsignedGreaterThan, size, 1);
        self.require(is_there);
        let (first, behind_tag) = (self.load(1, at, 1), self.add(at, 1));
        let [start, length] = self.length(first, behind_tag, end);
        let stop = self.sum(start, length);
        let is_whole = self.compare(IntCC::Equal, stop, end);
        self.require(is_whole);
        let (other, bytes) = (self.cold_block(0), self.cold_block(0));
        let is_text = self.compare_with(IntCC::Equal, tag, STRING);
        self.only_if(is_text, (other, &[]));
        self.store_view(place, Slot::view(Tag::String, buffer, 0, 0, 0), start, length);
        self.jump(done.0, done.1);

        self.enter::<0>(other);
        let is_bytes = self.compare_with(IntCC::Equal, tag, BYTES);
        self.only_if_not(is_bytes, (bytes, &[]));
        self.store_view(place, Slot::view(Tag::Any, buffer, 0, 0, 0), at, size);
        self.jump(done.0, done.1);

        self.enter::<0>(bytes);
        self.store_view(place, Slot::view(Tag::Bytes, buffer, 0, 0, 0), start, length);
        self.jump(done.0, done.1);
    }

    /// Writes the slot of the only member, which is a varint: an integer or a bool.
    fn any_number(&mut self, [at, end, size, tag]: [Value; 4], place: Place, done: (Block, &[Value])) {
        let is_there = self.compare_with(IntCC::UnsignedGreaterThan, size, 1);
        self.require(is_there);
        let behind_tag = self.add(at, 1);
        let [number, next] = self.any_varint(behind_tag, end);
        let is_whole = self.compare(IntCC::Equal, next, end);
        self.require(is_whole);
        let flag = self.cold_block(0);
        let is_integer = self.compare_with(IntCC::Equal, tag, INT);
        self.only_if(is_integer, (flag, &[]));
        let head = self.number(Slot::long(0).words()[0]);
        self.store_slot(place, head, number);
        self.jump(done.0, done.1);

        self.enter::<0>(flag);
        let is_true = self.compare_with(IntCC::NotEqual, number, 0);
        let payload = self.builder.ins().uextend(types::I64, is_true);
        let head = self.number(Slot::bool(false).words()[0]);
        self.store_slot(place, head, payload);
        self.jump(done.0, done.1);
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
