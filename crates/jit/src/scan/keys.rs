//! One `KeyValue` to the slot of its key: a switch on the key's size, then compares of whole words.
//!
//! It must be a key and then a value and nothing else where the key is wanted, and begin with the key where it is not.
//! Next: `scan/items.rs`.

use super::any::{DOUBLE, INT};
use super::emit::{Emitter, Place, chunk_of, chunks};
use super::items::KeyItem;
use super::message::{Here, Walk};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::Switch;
use dtq_record::otlp::pass::How;
use dtq_record::slot::{Slot, Tag};
use std::collections::BTreeMap;

/// Tags of the key and the value of a `KeyValue` (common.proto).
const KEY: u64 = 0x0A;
const VALUE: u64 = 0x12;
/// Keys of this size and longer have a length of two bytes, which is left to the filler.
const KEY_SIZE_END: usize = 0x80;
/// So many sizes, or keys of one size, are compared one by one.
const FEW: usize = 3;

/// Holds the `KeyValue` that the loop is at.
#[derive(Clone, Copy)]
struct Pair {
    start: Value,
    size: Value,
    end: Value,
    left: Value,
}

impl Emitter<'_, '_> {
    /// Writes the code of attributes in the common form, of less than 128 bytes with their key in front; the others, and
    /// other fields, are left to `other`. Goes on where there are fewer than four bytes.
    ///
    /// Attributes are most of a record's fields: one load shows tags and lengths, and one compare the form.
    pub fn common_pair(&mut self, walk: &mut Walk<'_>, [at, left]: [Value; 2], other: Block) {
        let few = self.cold_block(0);
        let content = self.add(at, 4);
        let is_word = self.compare(IntCC::UnsignedLessThanOrEqual, content, walk.end);
        self.only_if(is_word, (few, &[]));
        let word = self.load(4, at, 0);
        let bits = self.and(word, 0x80FF_80FF);
        let numbers = walk.pass.reads().iter().filter(|read| read.how == How::Keys).map(|read| read.number);
        let tag = numbers.fold(2, |tag, number| tag | u64::from(number) << 3);
        let is_pair = self.compare_with(IntCC::Equal, bits, tag | KEY << 16);
        self.only_if(is_pair, (other, &[]));
        // Loaded once more, since everything waits for where the next field begins.
        let size = self.load(1, at, 1);
        let key_size = self.builder.ins().ushr_imm_u(word, 24);
        let start = self.add(at, 2);
        let stop = self.sum(start, size);
        self.pair(walk, Pair { start, size, end: stop, left }, key_size);
        self.enter::<0>(few);
    }

    /// Writes the code of a field of attributes, whose tag the loop is at.
    pub fn key_value(&mut self, walk: &mut Walk<'_>, here: Here) {
        let behind_tag = self.add(here.at, 1);
        let [start, size] = self.length(here.second, behind_tag, walk.end);
        let end = self.sum(start, size);
        let fits = self.compare(IntCC::UnsignedLessThanOrEqual, end, walk.end);
        self.require(fits);
        let has_key = self.compare_with(IntCC::UnsignedGreaterThan, size, 1);
        self.require(has_key);
        let head = self.load(2, start, 0);
        // The tag of the key, and a length of one byte.
        let bits = self.and(head, 0x80FF);
        let is_key = self.compare_with(IntCC::Equal, bits, KEY);
        self.require(is_key);
        let key_size = self.builder.ins().ushr_imm_u(head, 8);
        self.pair(walk, Pair { start, size, end, left: here.left }, key_size);
    }

    /// Leads a `KeyValue` with a key of a size to the code for all of them, which is written where the first one leads.
    fn pair(&mut self, walk: &mut Walk<'_>, Pair { start, size, end, left }: Pair, key_size: Value) {
        let is_first = walk.pair.is_none();
        let block = *walk.pair.get_or_insert_with(|| self.block(5));
        self.jump(block, &[start, size, end, left, key_size]);
        if !is_first {
            return;
        }
        let [start, size, end, left, key_size] = self.enter(block);
        let content = self.add(key_size, 2);
        let has_key = self.compare(IntCC::UnsignedLessThanOrEqual, content, size);
        self.require(has_key);
        self.switch_on_size(walk, Pair { start, size, end, left }, key_size);
    }

    fn switch_on_size(&mut self, walk: &mut Walk<'_>, pair: Pair, key_size: Value) {
        let mut sizes: BTreeMap<usize, Vec<&KeyItem>> = BTreeMap::new();
        for item in walk.items.keys.iter().filter(|item| item.key.len() < KEY_SIZE_END) {
            sizes.entry(item.key.len()).or_default().push(item);
        }
        let other = self.block(0);
        let blocks: Vec<Block> = sizes.keys().map(|_| self.block(0)).collect();
        if sizes.len() <= FEW {
            for (size, block) in sizes.keys().zip(&blocks) {
                let is_size = self.compare_with(IntCC::Equal, key_size, *size as u64);
                self.only_if_not(is_size, (*block, &[]));
            }
            self.jump(walk.head, &[pair.end, pair.left]);
        } else {
            let mut switch = Switch::new();
            sizes.keys().zip(&blocks).for_each(|(size, block)| switch.set_entry(*size as u128, *block));
            switch.emit(self.builder, key_size, other);
        }
        for (items, block) in sizes.into_values().zip(blocks) {
            self.enter::<0>(block);
            // Where one ends beyond the message that is read past, the loop notices.
            let fits = self.compare(IntCC::UnsignedLessThanOrEqual, pair.end, walk.end);
            self.require(fits);
            let key = self.add(pair.start, 2);
            let found: Vec<(&KeyItem, Block)> = items.into_iter().map(|item| (item, self.block(0))).collect();
            self.match_key(key, &found, other);
            for (item, block) in found {
                self.enter::<0>(block);
                self.value(walk, pair, item, other);
            }
        }
        self.enter::<0>(other);
        self.jump(walk.head, &[pair.end, pair.left]);
    }

    /// Leads a key to the block of the item that has it; all are of its size.
    fn match_key(&mut self, key: Value, items: &[(&KeyItem, Block)], other: Block) {
        if let Some((offset, size)) = best_chunk(items).filter(|_| items.len() > FEW) {
            let mut groups: BTreeMap<u64, Vec<(&KeyItem, Block)>> = BTreeMap::new();
            for item in items {
                groups.entry(chunk_of(&item.0.key, offset, size)).or_default().push(*item);
            }
            let blocks: Vec<Block> = groups.keys().map(|_| self.block(0)).collect();
            let mut switch = Switch::new();
            groups.keys().zip(&blocks).for_each(|(chunk, block)| switch.set_entry(u128::from(*chunk), *block));
            let chunk = self.load(size, key, offset as i32);
            switch.emit(self.builder, chunk, other);
            for (group, block) in groups.into_values().zip(blocks) {
                self.enter::<0>(block);
                self.match_key(key, &group, other);
            }
            return;
        }
        for (item, block) in items {
            let next = self.block(0);
            self.only_if_bytes(key, &item.key, (next, &[]));
            self.jump(*block, &[]);
            self.enter::<0>(next);
        }
        self.jump(other, &[]);
    }

    /// Writes the slot of a key that was found.
    fn value(&mut self, walk: &mut Walk<'_>, pair: Pair, item: &KeyItem, other: Block) {
        // Of a key that is there twice the first counts.
        let is_wanted = self.has_bit(pair.left, item.bit);
        self.only_if(is_wanted, (other, &[]));
        let mut left = pair.left;
        if item.is_shared(walk.items) {
            let address = self.slot_address(item.slot);
            // Tag, buffer and `aux`: what is absent has zeros there.
            let head = self.builder.ins().uload32(MemFlagsData::trusted(), address, 0);
            let is_absent = self.compare_with(IntCC::Equal, head, 0);
            self.only_if(is_absent, (other, &[]));
        } else {
            left = self.without(left, item.bit);
        }
        let offset = 2 + item.key.len();
        let next = walk.then(self, item.slot);
        let (scalar, general) = (self.block(0), self.block(0));
        // Nearly every value is a short string. Then tag and length of the value and of its string are one word, which
        // follows from the size.
        let text_size = self.add(pair.size, -(offset as i64 + 4));
        let is_short = self.compare_with(IntCC::UnsignedLessThan, text_size, 0x80 - 2);
        self.only_if(is_short, (general, &[]));
        let heads = self.load(4, pair.start, offset as i32);
        let expected = self.builder.ins().imul_imm_u(text_size, 0x0100_0100);
        let expected = self.add(expected, 0x000A_0212);
        let is_text = self.compare(IntCC::Equal, heads, expected);
        self.only_if(is_text, (scalar, &[]));
        let text = self.add(pair.start, offset as i64 + 4);
        let model = Slot::view(Tag::String, walk.pass.buffer(), 0, 0, 0);
        self.store_view(Place::Number(item.slot), model, text, text_size);
        self.jump(next, &[pair.end, left]);

        self.enter::<0>(scalar);
        let value = Common { start: pair.start, offset: offset as i32, heads, text_size };
        self.common_scalar(value, Place::Number(item.slot), (next, &[pair.end, left]));
        self.jump(general, &[]);

        self.enter::<0>(general);
        let rest = self.add(pair.size, -(offset as i64));
        let has_value = self.compare_with(IntCC::SignedGreaterThan, rest, 1);
        self.require(has_value);
        let tag = self.load(1, pair.start, offset as i32);
        let is_value = self.compare_with(IntCC::Equal, tag, VALUE);
        self.require(is_value);
        let (first, at) = (self.load(1, pair.start, offset as i32 + 1), self.add(pair.start, offset as i64 + 1));
        let [start, size] = self.length(first, at, pair.end);
        let stop = self.sum(start, size);
        let is_whole = self.compare(IntCC::Equal, stop, pair.end);
        self.require(is_whole);
        let block = walk.any_of(self);
        let (address, slot) =
            (self.slot_address(item.slot), self.builder.ins().iconst(types::I64, i64::from(item.slot)));
        self.jump(block, &[start, size, address, slot, pair.end, left]);
    }

    /// Writes the slot of a double, or of an integer of one or two bytes, and jumps to `next`; goes on for other values.
    fn common_scalar(&mut self, value: Common, place: Place, next: (Block, &[Value])) {
        let Common { start, offset, heads, text_size } = value;
        let (number, long, other) = (self.block(0), self.block(0), self.block(0));
        let form = self.and(heads, 0x00FF_FFFF);
        let is_real = self.compare_with(IntCC::Equal, form, VALUE | 9 << 8 | DOUBLE << 16);
        self.only_if(is_real, (number, &[]));
        let is_whole = self.compare_with(IntCC::Equal, text_size, 7);
        self.only_if(is_whole, (other, &[]));
        let (head, bits) = (self.number(Slot::real(0.0).words()[0]), self.load(8, start, offset + 3));
        self.store_slot(place, head, bits);
        self.jump(next.0, next.1);

        // Of one byte: the length says so, and no other follows.
        self.enter::<0>(number);
        let (form, head) = (self.and(heads, 0x80FF_FFFF), self.number(Slot::long(0).words()[0]));
        let is_short = self.compare_with(IntCC::Equal, form, VALUE | 2 << 8 | INT << 16);
        self.only_if(is_short, (long, &[]));
        let is_whole = self.compare_with(IntCC::Equal, text_size, 0);
        self.only_if(is_whole, (other, &[]));
        let number = self.builder.ins().ushr_imm_u(heads, 24);
        self.store_slot(place, head, number);
        self.jump(next.0, next.1);

        self.enter::<0>(long);
        let is_long = self.compare_with(IntCC::Equal, form, VALUE | 3 << 8 | INT << 16 | 0x8000_0000);
        self.only_if(is_long, (other, &[]));
        let is_whole = self.compare_with(IntCC::Equal, text_size, 1);
        self.only_if(is_whole, (other, &[]));
        let second = self.load(1, start, offset + 4);
        let is_last = self.compare_with(IntCC::UnsignedLessThan, second, 0x80);
        self.only_if(is_last, (other, &[]));
        let low = self.builder.ins().ushr_imm_u(heads, 24);
        let low = self.and(low, 0x7F);
        let high = self.builder.ins().ishl_imm_u(second, 7);
        let number = self.sum(low, high);
        self.store_slot(place, head, number);
        self.jump(next.0, next.1);

        self.enter::<0>(other);
    }
}

/// Holds the value of a `KeyValue` by its first four bytes.
#[derive(Clone, Copy)]
struct Common {
    /// Where the `KeyValue` begins, and how far behind that the value does.
    start: Value,
    offset: i32,
    heads: Value,
    /// How many bytes follow the four.
    text_size: Value,
}

/// Returns the piece of the keys in which most of them differ.
fn best_chunk(items: &[(&KeyItem, Block)]) -> Option<(usize, usize)> {
    let key_size = items.first()?.0.key.len();
    let distinct = |(offset, size): &(usize, usize)| {
        let values = items.iter().map(|(item, _)| chunk_of(&item.key, *offset, *size));
        values.collect::<std::collections::BTreeSet<_>>().len()
    };
    chunks(key_size).into_iter().max_by_key(distinct)
}
