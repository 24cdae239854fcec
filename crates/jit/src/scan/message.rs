//! A pass over one message to a loop over its fields: tags that are read lead to their own code, others are read past.
//!
//! What only odd senders write (padded tags, groups, wrong wire types) is not handled: the scan gives up, and the filler
//! of `record` decides. A position strictly grows from field to field, so the loop ends. Next: `scan/field.rs`.

use super::emit::{Emitter, Place};
use super::items::Items;
use crate::entry::Guard;
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use cranelift_frontend::Switch;
use dtq_record::otlp::pass::{How, Pass, Read};
use dtq_record::slot::Slot;

/// The fields that a `LogRecord` (logs.proto) and a `Span` (trace.proto) have in front of their attributes, by the number of
/// these: number and wire type.
const LEADING: [(u32, &[(u32, u32)]); 2] =
    [(6, &[(1, 1), (2, 0), (3, 2), (5, 2)]), (9, &[(1, 2), (2, 2), (4, 2), (5, 2), (6, 0), (7, 1), (8, 1)])];
/// So many tags are compared one by one.
const FEW_TAGS: usize = 6;

/// Holds the blocks of the loop over one message.
pub(super) struct Walk<'p> {
    pub pass: &'p Pass,
    pub items: &'p Items,
    /// The tests that are made as soon as their slot is filled.
    pub guards: &'p [Guard],
    /// Address behind the message.
    pub end: Value,
    /// Begins with the next field: address, and what is still to be found. The address may lie beyond the end.
    pub head: Block,
    /// As `head`, where something was found.
    pub advance: Block,
    /// For each slot with guards the block that makes the tests; its parameters are those of `advance`.
    pub guarded: Vec<(u32, Block)>,
    /// Where a key leads to its slot, if keys are read: the parameters are those of a `Pair`, and the size of the key.
    pub pair: Option<Block>,
    /// Where an `AnyValue` of any kind becomes a slot: address, size, address of the slot, its number, then as `head`.
    pub any: Option<Block>,
}

/// Holds the field that the loop is at.
#[derive(Clone, Copy)]
pub(super) struct Here {
    /// Address of its tag, which has one byte.
    pub at: Value,
    /// What is still to be found.
    pub left: Value,
    /// Its tag.
    pub tag: Value,
    /// The byte behind the tag.
    pub second: Value,
    /// Where a field is read past, by wire type.
    pub skips: [Block; 4],
}

impl Here {
    /// Returns where this field is read past.
    pub fn skip(&self, wire_type: u32) -> Block {
        match wire_type {
            0 => self.skips[0],
            1 => self.skips[1],
            2 => self.skips[2],
            _ => self.skips[3],
        }
    }
}

/// Returns the wire type of what is read.
pub(super) fn wire_type(how: How) -> u32 {
    match how {
        How::Time | How::Real | How::LongAsReal | How::Count => 1,
        How::Int | How::Word(_) | How::Bool | How::PointFlags => 0,
        How::TraceFlags => 5,
        How::Text | How::Id | How::Any | How::Keys | How::Message(_) | How::Data(..) => 2,
    }
}

fn tag_of(read: &Read) -> u64 {
    u64::from(read.number << 3 | wire_type(read.how))
}

impl<'p> Walk<'p> {
    /// Returns where the loop goes on when a slot was filled.
    pub fn then(&mut self, emitter: &mut Emitter<'_, '_>, slot: u32) -> Block {
        if let Some((_, block)) = self.guarded.iter().find(|(own, _)| *own == slot) {
            return *block;
        }
        if !self.guards.iter().any(|guard| guard.slot == slot) {
            return self.advance;
        }
        let block = emitter.block(2);
        self.guarded.push((slot, block));
        block
    }
}

impl Emitter<'_, '_> {
    /// Writes the scan of the message between two addresses, and goes on behind it; returns what was not found.
    ///
    /// # Errors
    /// When the pass has what no code is made for.
    pub fn message(
        &mut self,
        (pass, items, guards): (&Pass, &Items, &[Guard]),
        [at, end]: [Value; 2],
        wanted: Value,
    ) -> Result<Value, Refusal> {
        self.begin(pass, [at, end]);
        if pass.reads().is_empty() {
            return Ok(wanted);
        }
        let [head, advance] = [0; 2].map(|_| self.block(2));
        let finish = self.block(1);
        let mut walk = Walk { pass, items, guards, end, head, advance, guarded: Vec::new(), pair: None, any: None };
        let is_wanted = self.compare_with(IntCC::NotEqual, wanted, 0);
        self.only_if(is_wanted, (finish, &[wanted]));
        self.skip_leading(&walk, at, wanted);

        let [at, left] = self.enter(head);
        let (body, tail) = (self.block(0), self.cold_block(0));
        if pass.reads().iter().any(|read| read.how == How::Keys) {
            self.common_pair(&mut walk, [at, left], body);
        }
        let content = self.add(at, 2);
        let is_field = self.compare(IntCC::UnsignedLessThanOrEqual, content, end);
        self.branch(is_field, (body, &[]), (tail, &[]));
        self.enter::<0>(tail);
        // Fewer than two bytes are no field. Beyond the end is where a field came to that is cut.
        let is_end = self.compare(IntCC::Equal, at, end);
        self.branch(is_end, (finish, &[left]), (self.irregular, &[]));

        self.enter::<0>(body);
        let (tag, second) = (self.load(1, at, 0), self.load(1, at, 1));
        let skips = [0; 4].map(|_| self.block(0));
        let here = Here { at, left, tag, second, skips };
        self.dispatch(&mut walk, here)?;
        self.skip_known(&walk, here);
        self.any_block(&mut walk);
        self.guard_blocks(&walk);

        let [at, left] = self.enter(advance);
        let is_done = self.compare_with(IntCC::Equal, left, 0);
        self.branch(is_done, (finish, &[left]), (head, &[at, left]));
        let [left] = self.enter(finish);
        self.derive(pass)?;
        Ok(left)
    }

    /// Writes what slots hold when nothing is found.
    fn begin(&mut self, pass: &Pass, [at, end]: [Value; 2]) {
        for (position, (slot, default)) in pass.defaults().iter().enumerate() {
            if pass.defaults()[position + 1..].iter().all(|(later, _)| later != slot) {
                self.store_constant(Place::Number(*slot), *default);
            }
        }
        for (slot, tag, aux) in pass.wholes() {
            let size = self.builder.ins().isub(end, at);
            self.store_view(Place::Number(*slot), Slot::view(*tag, pass.buffer(), *aux, 0, 0), at, size);
        }
    }

    /// Reads past the fields that encoders write first, each where it is expected, and goes on at the head of the loop.
    ///
    /// The loop would do the same: here one compare says what a field is. What is not as expected is left to it.
    fn skip_leading(&mut self, walk: &Walk<'_>, mut at: Value, left: Value) {
        let reads = walk.pass.reads();
        let attributes = reads.iter().find(|read| read.how == How::Keys).map(|read| read.number);
        let is_read = |number: u32| reads.iter().any(|read| read.number == number);
        let leading = LEADING.iter().find(|(number, _)| Some(*number) == attributes).map_or(&[][..], |found| found.1);
        for (number, wire_type) in leading.iter().take_while(|(number, _)| !is_read(*number)) {
            let next = self.block(1);
            let content = self.add(at, 2);
            let is_field = self.compare(IntCC::UnsignedLessThanOrEqual, content, walk.end);
            self.only_if(is_field, (walk.head, &[at, left]));
            let tag = self.load(1, at, 0);
            let is_expected = self.compare_with(IntCC::Equal, tag, u64::from(number << 3 | wire_type));
            self.only_if(is_expected, (next, &[at]));
            let behind = if *wire_type == 1 {
                self.add(at, 9)
            } else {
                let second = self.load(1, at, 1);
                let is_short = self.compare_with(IntCC::UnsignedLessThan, second, 0x80);
                self.only_if(is_short, (walk.head, &[at, left]));
                if *wire_type == 2 { self.sum(content, second) } else { content }
            };
            self.jump(next, &[behind]);
            [at] = self.enter(next);
        }
        self.jump(walk.head, &[at, left]);
    }

    /// Leads each tag that is read to its code, and all others past.
    fn dispatch(&mut self, walk: &mut Walk<'_>, here: Here) -> Result<(), Refusal> {
        let mut order: Vec<usize> = (0..walk.pass.reads().len()).collect();
        // Of attributes only those come here that do not have the common form.
        order.sort_by_key(|position| {
            let read = &walk.pass.reads()[*position];
            (read.how == How::Keys, read.number)
        });
        let blocks: Vec<Block> = order.iter().map(|_| self.block(0)).collect();
        let other = self.block(0);
        if order.len() <= FEW_TAGS {
            for (position, block) in order.iter().zip(&blocks) {
                let is_tag = self.compare_with(IntCC::Equal, here.tag, tag_of(&walk.pass.reads()[*position]));
                self.only_if_not(is_tag, (*block, &[]));
            }
            self.jump(other, &[]);
        } else {
            let mut switch = Switch::new();
            for (position, block) in order.iter().zip(&blocks) {
                switch.set_entry(u128::from(tag_of(&walk.pass.reads()[*position])), *block);
            }
            switch.emit(self.builder, here.tag, other);
        }
        for (position, block) in order.into_iter().zip(blocks) {
            self.enter::<0>(block);
            self.read(walk, here, position)?;
        }
        self.enter::<0>(other);
        self.skip_other(walk, here);
        Ok(())
    }

    /// Reads past a field that is not read, or gives up.
    fn skip_other(&mut self, walk: &Walk<'_>, here: Here) {
        // A field that is read and has come here has the wrong wire type; number 0 is malformed; from number 16 on a tag
        // has two bytes, of which the first has its highest bit.
        let odd = self.cold_block(0);
        let numbers = walk.pass.reads().iter().fold(0xFFFF_0001, |bits, read| bits | 1 << read.number);
        let number = self.builder.ins().ushr_imm_u(here.tag, 3);
        let numbers = self.number(numbers);
        let bit = self.builder.ins().ushr(numbers, number);
        let bit = self.and(bit, 1);
        let is_unread = self.compare_with(IntCC::Equal, bit, 0);
        self.only_if(is_unread, (odd, &[]));
        let wire_type = self.and(here.tag, 7);
        for known in [2, 1, 0, 5] {
            let is_known = self.compare_with(IntCC::Equal, wire_type, known);
            self.only_if_not(is_known, (here.skip(known as u32), &[]));
        }
        self.jump(self.irregular, &[]);
        self.enter::<0>(odd);
        let is_long = self.compare_with(IntCC::UnsignedGreaterThanOrEqual, here.tag, 0x80);
        self.require(is_long);
        self.skip_long_tag(walk, here);
    }

    /// Reads past the field that the loop is at, of each wire type.
    fn skip_known(&mut self, walk: &Walk<'_>, here: Here) {
        let is_short = |emitter: &mut Self| emitter.compare_with(IntCC::UnsignedLessThan, here.second, 0x80);
        self.enter::<0>(here.skip(0));
        let (is_one_byte, next) = (is_short(self), self.add(here.at, 2));
        self.only_if_not(is_one_byte, (walk.head, &[next, here.left]));
        let behind_tag = self.add(here.at, 1);
        let [_, next] = self.long_varint(here.second, behind_tag, walk.end);
        self.jump(walk.head, &[next, here.left]);
        self.enter::<0>(here.skip(1));
        let next = self.add(here.at, 9);
        self.jump(walk.head, &[next, here.left]);
        self.enter::<0>(here.skip(2));
        let (is_one_byte, start) = (is_short(self), self.add(here.at, 2));
        let next = self.sum(start, here.second);
        self.only_if_not(is_one_byte, (walk.head, &[next, here.left]));
        let behind_tag = self.add(here.at, 1);
        let [size, start] = self.long_varint(here.second, behind_tag, walk.end);
        let next = self.sum(start, size);
        self.jump(walk.head, &[next, here.left]);
        self.enter::<0>(here.skip(5));
        let next = self.add(here.at, 5);
        self.jump(walk.head, &[next, here.left]);
    }

    /// Reads past a field with a tag of two bytes, which is from number 16 on and so never read.
    ///
    /// Of these OTLP has the flags of spans, 32 bits; anything else is left to the filler.
    fn skip_long_tag(&mut self, walk: &Walk<'_>, here: Here) {
        let beyond_zero = self.add(here.second, -1);
        let is_shortest = self.compare_with(IntCC::UnsignedLessThan, beyond_zero, 0x7F);
        self.require(is_shortest);
        let wire_type = self.and(here.tag, 7);
        let is_fixed = self.compare_with(IntCC::Equal, wire_type, 5);
        self.require(is_fixed);
        let next = self.add(here.at, 6);
        self.jump(walk.head, &[next, here.left]);
    }

    /// Writes the tests of the slots that were filled.
    fn guard_blocks(&mut self, walk: &Walk<'_>) {
        for (slot, block) in &walk.guarded {
            let [at, left] = self.enter(*block);
            for guard in walk.guards.iter().filter(|guard| guard.slot == *slot) {
                let words = self.load_slot(*slot);
                guard.test.emit(self, words, walk.pass.buffer());
            }
            self.jump(walk.advance, &[at, left]);
        }
    }
}
