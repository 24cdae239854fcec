//! What scanning code is made of: loads, checks, varints, texts that are compared, and slots that are written.
//!
//! Every check that fails leads to one block, which gives up. Nothing here can trap: there is no division, and a load
//! stands behind the check of its bound. Addresses do not wrap: they are those of a record and at most 4 GiB more.
//! Next: `scan/any.rs`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use dtq_record::slot::Slot;

/// Size in bytes of a slot.
pub(super) const SLOT_SIZE: i64 = size_of::<Slot>() as i64;
/// Offset in bytes of a slot's second word.
pub(super) const PAYLOAD: i32 = 8;

/// Writes the code of one scan.
pub(super) struct Emitter<'a, 'f> {
    pub builder: &'a mut FunctionBuilder<'f>,
    /// Address of the message that views are offsets into.
    pub record: Value,
    /// Address of the slots.
    pub slots: Value,
    /// Where what is not handled here ends.
    pub irregular: Block,
    /// Where a guard that fails ends.
    pub settled: Block,
}

/// Names where a slot is.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The slot of this number.
    Number(u32),
    /// The slot at this address.
    Address(Value),
}

impl Emitter<'_, '_> {
    /// Returns a block with some parameters, all of 64 bits.
    pub fn block(&mut self, param_count: usize) -> Block {
        let block = self.builder.create_block();
        for _ in 0..param_count {
            self.builder.append_block_param(block, types::I64);
        }
        block
    }

    /// Returns a block that is seldom entered, and so laid out behind the others.
    pub fn cold_block(&mut self, param_count: usize) -> Block {
        let block = self.block(param_count);
        self.builder.set_cold_block(block);
        block
    }

    /// Goes on writing in a block, and returns its parameters.
    pub fn enter<const COUNT: usize>(&mut self, block: Block) -> [Value; COUNT] {
        self.builder.switch_to_block(block);
        let params = self.builder.block_params(block);
        params.try_into().expect("the block was made with so many")
    }

    pub fn jump(&mut self, block: Block, args: &[Value]) {
        let args: Vec<BlockArg> = args.iter().map(|arg| BlockArg::from(*arg)).collect();
        self.builder.ins().jump(block, &args);
    }

    pub fn branch(&mut self, condition: Value, then: (Block, &[Value]), other: (Block, &[Value])) {
        let block_args = |args: &[Value]| args.iter().map(|arg| BlockArg::from(*arg)).collect::<Vec<_>>();
        let (then_args, other_args) = (block_args(then.1), block_args(other.1));
        self.builder.ins().brif(condition, then.0, &then_args, other.0, &other_args);
    }

    /// Goes on only where the condition holds, and elsewhere in `other`.
    pub fn only_if(&mut self, condition: Value, other: (Block, &[Value])) {
        let block = self.block(0);
        self.branch(condition, (block, &[]), other);
        self.enter::<0>(block);
    }

    /// Gives up where the condition does not hold.
    pub fn require(&mut self, condition: Value) {
        self.only_if(condition, (self.irregular, &[]));
    }

    pub fn number(&mut self, number: u64) -> Value {
        self.builder.ins().iconst(types::I64, number.cast_signed())
    }

    pub fn compare(&mut self, how: IntCC, a: Value, b: Value) -> Value {
        self.builder.ins().icmp(how, a, b)
    }

    pub fn compare_with(&mut self, how: IntCC, a: Value, number: u64) -> Value {
        self.builder.ins().icmp_imm_s(how, a, number.cast_signed())
    }

    pub fn add(&mut self, a: Value, number: i64) -> Value {
        self.builder.ins().iadd_imm_s(a, number)
    }

    pub fn sum(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().iadd(a, b)
    }

    pub fn and(&mut self, a: Value, mask: u64) -> Value {
        let mask = self.number(mask);
        self.builder.ins().band(a, mask)
    }

    pub fn or(&mut self, a: Value, bits: u64) -> Value {
        let bits = self.number(bits);
        self.builder.ins().bor(a, bits)
    }

    /// Reads bytes of a record as a little-endian number, with zeros above it.
    pub fn load(&mut self, size: usize, address: Value, offset: i32) -> Value {
        let flags = MemFlagsData::new().with_notrap();
        match size {
            1 => self.builder.ins().uload8(types::I64, flags, address, offset),
            2 => self.builder.ins().uload16(types::I64, flags, address, offset),
            4 => self.builder.ins().uload32(flags, address, offset),
            8 => self.builder.ins().load(types::I64, flags, address, offset),
            _ => unreachable!("numbers have a size that is a power of two"),
        }
    }

    /// Returns the two words of a slot.
    pub fn load_slot(&mut self, slot: u32) -> [Value; 2] {
        let offset = slot_offset(slot);
        [0, PAYLOAD].map(|word| self.builder.ins().load(types::I64, slot_flags(), self.slots, offset + word))
    }

    pub fn store_slot(&mut self, place: Place, head: Value, payload: Value) {
        let (address, offset) = match place {
            Place::Number(slot) => (self.slots, slot_offset(slot)),
            Place::Address(address) => (address, 0),
        };
        self.builder.ins().store(slot_flags(), head, address, offset);
        self.builder.ins().store(slot_flags(), payload, address, offset + PAYLOAD);
    }

    pub fn store_constant(&mut self, place: Place, slot: Slot) {
        let [head, payload] = slot.words().map(|word| self.number(word));
        self.store_slot(place, head, payload);
    }

    /// Writes a view of `size` bytes at an address in the record; `model` has everything but size and offset.
    pub fn store_view(&mut self, place: Place, model: Slot, start: Value, size: Value) {
        let size = self.builder.ins().ishl_imm_u(size, 32);
        let head = self.or(size, model.words()[0]);
        let offset = self.builder.ins().isub(start, self.record);
        self.store_slot(place, head, offset);
    }

    /// Reads a varint of one or two bytes whose first one is known, up to `limit`; returns it and the address behind it.
    ///
    /// Nearly all tags, lengths and small numbers have so few. A record with a longer one is left to the filler, which
    /// costs it little beside its size: code for them at each place would be most of the code.
    pub fn varint(&mut self, first: Value, at: Value, limit: Value) -> [Value; 2] {
        let (done, long) = (self.block(2), self.cold_block(0));
        let is_short = self.compare_with(IntCC::UnsignedLessThan, first, 0x80);
        let next = self.add(at, 1);
        self.branch(is_short, (done, &[first, next]), (long, &[]));
        self.enter::<0>(long);
        let [number, next] = self.long_varint(first, at, limit);
        self.jump(done, &[number, next]);
        self.enter(done)
    }

    /// Reads a varint of two bytes whose first one is known, up to `limit`; returns it and the address behind it.
    pub fn long_varint(&mut self, first: Value, at: Value, limit: Value) -> [Value; 2] {
        let second_at = self.add(at, 1);
        let is_inside = self.compare(IntCC::UnsignedLessThan, second_at, limit);
        self.require(is_inside);
        let second = self.load(1, at, 1);
        let is_last = self.compare_with(IntCC::UnsignedLessThan, second, 0x80);
        self.require(is_last);
        let low = self.and(first, 0x7F);
        let high = self.builder.ins().ishl_imm_u(second, 7);
        [self.sum(low, high), self.add(at, 2)]
    }

    /// Reads a varint as `wire::read_varint` does: at most ten bytes, at most 64 bits; the first one is there.
    pub fn any_varint(&mut self, at: Value, limit: Value) -> [Value; 2] {
        let (done, each, more) = (self.block(2), self.block(3), self.block(0));
        let zero = self.number(0);
        self.jump(each, &[at, zero, zero]);
        let [at, shift, sum] = self.enter(each);
        let byte = self.load(1, at, 0);
        // The tenth byte has one bit of the number; as it ends the number, so the loop ends.
        let is_before_tenth = self.compare_with(IntCC::NotEqual, shift, 63);
        let is_one_bit = self.compare_with(IntCC::UnsignedLessThan, byte, 2);
        let fits = self.builder.ins().bor(is_before_tenth, is_one_bit);
        self.require(fits);
        let low = self.and(byte, 0x7F);
        let bits = self.builder.ins().ishl(low, shift);
        let sum = self.builder.ins().bor(sum, bits);
        let (next, shift) = (self.add(at, 1), self.add(shift, 7));
        let is_last = self.compare_with(IntCC::UnsignedLessThan, byte, 0x80);
        self.branch(is_last, (done, &[sum, next]), (more, &[]));
        self.enter::<0>(more);
        let is_inside = self.compare(IntCC::UnsignedLessThan, next, limit);
        self.branch(is_inside, (each, &[next, shift, sum]), (self.irregular, &[]));
        self.enter(done)
    }

    /// Reads a length whose first byte is known; returns where the content begins, and its size.
    ///
    /// Neither has been checked against the limit: the content may reach behind it, by less than 16 KiB.
    pub fn length(&mut self, first: Value, at: Value, limit: Value) -> [Value; 2] {
        let [size, start] = self.varint(first, at, limit);
        [start, size]
    }

    /// Goes on only where the bytes at an address, which are there, are these.
    pub fn only_if_bytes(&mut self, at: Value, bytes: &[u8], other: (Block, &[Value])) {
        for (offset, size) in chunks(bytes.len()) {
            let chunk = self.load(size, at, offset as i32);
            let is_same = self.compare_with(IntCC::Equal, chunk, chunk_of(bytes, offset, size));
            self.only_if(is_same, other);
        }
    }

    pub fn select(&mut self, condition: Value, a: Value, b: Value) -> Value {
        self.builder.ins().select(condition, a, b)
    }

    /// Returns the address of a slot.
    pub fn slot_address(&mut self, slot: u32) -> Value {
        self.add(self.slots, i64::from(slot_offset(slot)))
    }
}

fn slot_flags() -> MemFlagsData {
    MemFlagsData::trusted()
}

fn slot_offset(slot: u32) -> i32 {
    i32::try_from(i64::from(slot) * SLOT_SIZE).expect("a scan has a bounded number of slots")
}

/// Returns how a text of some size is cut to be compared: offsets and sizes, powers of two that may overlap.
pub(super) fn chunks(size: usize) -> Vec<(usize, usize)> {
    let width = match size {
        0 => return Vec::new(),
        1 => 1,
        2..4 => 2,
        4..8 => 4,
        _ => 8,
    };
    let mut chunks: Vec<_> = (0..size / width).map(|index| (index * width, width)).collect();
    if !size.is_multiple_of(width) {
        chunks.push((size - width, width));
    }
    chunks
}

/// Returns a piece of a text as the number that a load gives.
pub(super) fn chunk_of(bytes: &[u8], offset: usize, size: usize) -> u64 {
    let mut word = [0; 8];
    word[..size].copy_from_slice(&bytes[offset..offset + size]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_byte_and_no_other() {
        for size in 0..200 {
            let mut covered = vec![false; size];
            for (offset, width) in chunks(size) {
                covered[offset..offset + width].fill(true);
            }
            assert!(covered.into_iter().all(|one| one), "{size}");
        }
        assert_eq!(chunk_of(b"abc", 1, 2), 0x6362);
    }
}
