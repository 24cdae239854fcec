//! One field to its slot, by what the pass reads it as.
//!
//! Next: `scan/any.rs`.

use super::emit::{Emitter, Place};
use super::items::Items;
use super::message::{Here, Walk, wire_type};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::Switch;
use dtq_record::otlp::pass::{How, Read, UNIX_EPOCH_TICKS};
use dtq_record::slot::{Slot, Tag, WordList};

/// 2^66 / 25, rounded up: the upper half of a product with it is the 25th part of a number below 2^62, times 4.
const FOR_25TH: u64 = 0x28F5_C28F_5C28_F5C3;

impl Emitter<'_, '_> {
    /// Writes the code of a field that is read, and whose tag the loop is at.
    pub fn read(&mut self, walk: &mut Walk<'_>, here: Here, position: usize) -> Result<(), Refusal> {
        let read = &walk.pass.reads()[position];
        if read.how == How::Keys {
            self.key_value(walk, here);
            return Ok(());
        }
        let (bit, settles) = (walk.items.reads[position], walk.items.settles[position]);
        // Of a field that is there twice the first counts.
        let is_first = self.has_bit(here.left, bit);
        self.only_if(is_first, (here.skip(wire_type(read.how)), &[]));
        let left = self.without(here.left, bit);
        match wire_type(read.how) {
            0 => self.read_varint(walk, here, read, Found { left, settles }),
            2 => return self.read_bytes(walk, here, read, Found { left, settles }),
            _ => self.read_fixed(walk, here, read, Found { left, settles }),
        }
        Ok(())
    }

    fn read_varint(&mut self, walk: &mut Walk<'_>, here: Here, read: &Read, found: Found) {
        let behind_tag = self.add(here.at, 1);
        let [number, next] = self.varint(here.second, behind_tag, walk.end);
        let (model, payload) = match read.how {
            // An enum is an int32 on the wire, sign-extended to 64 bits; of two bytes it has no sign.
            How::Int => (Slot::int(0), number),
            How::Word(list) => (Slot::word(list, 0), number),
            How::Bool => {
                let is_true = self.compare_with(IntCC::NotEqual, number, 0);
                (Slot::bool(false), self.builder.ins().uextend(types::I64, is_true))
            }
            _ => (Slot::long(0), number),
        };
        self.fill(walk, read, model, payload, next, found);
    }

    fn read_fixed(&mut self, walk: &mut Walk<'_>, here: Here, read: &Read, found: Found) {
        let size = if wire_type(read.how) == 5 { 4 } else { 8 };
        let next = self.add(here.at, 1 + size as i64);
        let fits = self.compare(IntCC::UnsignedLessThanOrEqual, next, walk.end);
        self.require(fits);
        let bits = self.load(size, here.at, 1);
        match read.how {
            How::Time => {
                let [head, ticks, is_set] = self.datetime(bits);
                self.store_slot(Place::Number(read.slot), head, ticks);
                let settled = self.without(found.left, found.settles);
                let left = self.select(is_set, settled, found.left);
                let block = walk.then(self, read.slot);
                self.jump(block, &[next, left]);
            }
            How::TraceFlags => {
                let flags = self.and(bits, 0xFF);
                self.fill(walk, read, Slot::int(0), flags, next, found);
            }
            How::LongAsReal => {
                let real = self.builder.ins().fcvt_from_sint(types::F64, bits);
                let flags = cranelift_codegen::ir::MemFlagsData::new();
                let bits = self.builder.ins().bitcast(types::I64, flags, real);
                self.fill(walk, read, Slot::real(0.0), bits, next, found);
            }
            How::Count => self.fill(walk, read, Slot::long(0), bits, next, found),
            _ => self.fill(walk, read, Slot::real(0.0), bits, next, found),
        }
    }

    /// Returns the words of the slot of a time in nanoseconds since 1970, and whether there is one.
    fn datetime(&mut self, time_ns: Value) -> [Value; 3] {
        // A hundredth: a quarter, then a 25th.
        let quarter = self.builder.ins().ushr_imm_u(time_ns, 2);
        let factor = self.number(FOR_25TH);
        let product = self.builder.ins().umulhi(quarter, factor);
        let ticks = self.builder.ins().ushr_imm_u(product, 2);
        let ticks = self.add(ticks, UNIX_EPOCH_TICKS);
        let is_set = self.compare_with(IntCC::NotEqual, time_ns, 0);
        let [there, absent] = [Slot::datetime(Some(0)), Slot::MISSING].map(|slot| self.number(slot.words()[0]));
        let zero = self.number(0);
        [self.select(is_set, there, absent), self.select(is_set, ticks, zero), is_set]
    }

    fn read_bytes(&mut self, walk: &mut Walk<'_>, here: Here, read: &Read, found: Found) -> Result<(), Refusal> {
        let behind_tag = self.add(here.at, 1);
        let [start, size] = self.length(here.second, behind_tag, walk.end);
        let stop = self.sum(start, size);
        let fits = self.compare(IntCC::UnsignedLessThanOrEqual, stop, walk.end);
        self.require(fits);
        let place = Place::Number(read.slot);
        let left = self.without(found.left, found.settles);
        match read.how {
            How::Text => {
                self.store_view(place, Slot::view(Tag::String, walk.pass.buffer(), 0, 0, 0), start, size);
            }
            How::Id => self.id(walk, read.slot, start, size),
            How::Any => {
                let block = walk.any_of(self);
                let (address, slot) = (self.slot_address(read.slot), self.number(u64::from(read.slot)));
                walk.then(self, read.slot);
                self.jump(block, &[start, size, address, slot, stop, left]);
                return Ok(());
            }
            How::Data(kind, position) => {
                self.store_constant(place, Slot::word(WordList::MetricType, kind.field_number() as i32));
                self.nested(walk, position, [start, stop])?;
            }
            How::Message(position) => {
                self.nested(walk, position, [start, stop])?;
                self.jump(walk.advance, &[stop, left]);
                return Ok(());
            }
            how => return Err(Refusal::Construct(format!("{how:?} is no field with a length"))),
        }
        let block = walk.then(self, read.slot);
        self.jump(block, &[stop, left]);
        Ok(())
    }

    /// Writes the slot of an id: of only zeros it is not set (W3C Trace Context, "trace-id").
    fn id(&mut self, walk: &Walk<'_>, slot: u32, start: Value, size: Value) {
        let [done, zero, short, view] = [0; 4].map(|_| self.block(0));
        let not_empty = self.compare_with(IntCC::NotEqual, size, 0);
        self.only_if(not_empty, (zero, &[]));
        let is_long = self.compare_with(IntCC::Equal, size, 16);
        self.only_if(is_long, (short, &[]));
        let (low, high) = (self.load(8, start, 0), self.load(8, start, 8));
        let bits = self.builder.ins().bor(low, high);
        let is_set = self.compare_with(IntCC::NotEqual, bits, 0);
        self.branch(is_set, (view, &[]), (zero, &[]));
        self.enter::<0>(short);
        // Ids of any other size are left to the filler, which looks at each byte.
        let is_short = self.compare_with(IntCC::Equal, size, 8);
        self.require(is_short);
        let bits = self.load(8, start, 0);
        let is_set = self.compare_with(IntCC::NotEqual, bits, 0);
        self.branch(is_set, (view, &[]), (zero, &[]));
        self.enter::<0>(zero);
        self.store_constant(Place::Number(slot), Slot::EMPTY_STRING);
        self.jump(done, &[]);
        self.enter::<0>(view);
        self.store_view(Place::Number(slot), Slot::view(Tag::Id, walk.pass.buffer(), 0, 0, 0), start, size);
        self.jump(done, &[]);
        self.enter::<0>(done);
    }

    /// Writes the scan of a message in a field.
    fn nested(&mut self, walk: &Walk<'_>, position: usize, place: [Value; 2]) -> Result<(), Refusal> {
        let pass = &walk.pass.nested()[position];
        let items = Items::of(pass)?;
        let wanted = self.number(items.all);
        self.message((pass, &items, &[]), place, wanted).map(drop)
    }

    fn fill(&mut self, walk: &mut Walk<'_>, read: &Read, model: Slot, payload: Value, next: Value, found: Found) {
        let head = self.number(model.words()[0]);
        self.store_slot(Place::Number(read.slot), head, payload);
        let left = self.without(found.left, found.settles);
        let block = walk.then(self, read.slot);
        self.jump(block, &[next, left]);
    }

    /// Writes the block where an `AnyValue` becomes a slot, if some field leads there.
    pub fn any_block(&mut self, walk: &mut Walk<'_>) {
        let Some(block) = walk.any else { return };
        let [at, size, address, slot, next, left] = self.enter(block);
        let done = self.block(0);
        self.any([at, size], Place::Address(address), walk.pass.buffer(), (done, &[]));
        self.enter::<0>(done);
        let exit = self.block(0);
        let mut switch = Switch::new();
        let guarded = walk.guarded.clone();
        let to_guards: Vec<_> = guarded.iter().map(|(own, guard)| (*own, *guard, self.block(0))).collect();
        to_guards.iter().for_each(|(own, _, entry)| switch.set_entry(u128::from(*own), *entry));
        switch.emit(self.builder, slot, exit);
        for (_, guard, entry) in to_guards {
            self.enter::<0>(entry);
            self.jump(guard, &[next, left]);
        }
        self.enter::<0>(exit);
        self.jump(walk.advance, &[next, left]);
    }
}

/// Holds what is still to be found when a field was read.
#[derive(Clone, Copy)]
struct Found {
    left: Value,
    /// What else is settled when it holds something.
    settles: u64,
}

impl Walk<'_> {
    /// Returns the block where an `AnyValue` becomes a slot.
    pub fn any_of(&mut self, emitter: &mut Emitter<'_, '_>) -> cranelift_codegen::ir::Block {
        *self.any.get_or_insert_with(|| emitter.block(6))
    }
}
