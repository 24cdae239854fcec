//! Slots that follow from other slots, written when a message was read.
//!
//! Next: `scan/guard.rs`.

use super::emit::{Emitter, Place};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use dtq_record::otlp::metrics::NO_RECORDED_VALUE;
use dtq_record::otlp::pass::{Derived, How, Pass};
use dtq_record::slot::{Slot, Tag};

impl Emitter<'_, '_> {
    /// Writes what a pass derives, in its order.
    ///
    /// # Errors
    /// When it derives from fields of another shape than those of this version's tables.
    pub fn derive(&mut self, pass: &Pass) -> Result<(), Refusal> {
        for derived in pass.derived() {
            match *derived {
                Derived::Copy { from, to } => {
                    let [head, payload] = self.load_slot(from);
                    self.store_slot(Place::Number(to), head, payload);
                }
                Derived::Either { first, second, to } => {
                    let (first, second) = (self.load_slot(first), self.load_slot(second));
                    let is_null = self.is_null(first[0]);
                    self.store_either(to, is_null, second, first);
                }
                Derived::Between { start, end, to } => {
                    require_how(pass, &[start, end], How::Time)?;
                    let (start, end) = (self.load_slot(start), self.load_slot(end));
                    let (no_start, no_end) = (self.is_null(start[0]), self.is_null(end[0]));
                    let is_null = self.builder.ins().bor(no_start, no_end);
                    let ticks = self.builder.ins().isub(end[1], start[1]);
                    let head = self.number(Slot::timespan(0).words()[0]);
                    let missing = Slot::MISSING.words().map(|word| self.number(word));
                    self.store_either(to, is_null, missing, [head, ticks]);
                }
                Derived::IfRecorded { flags, slot } => {
                    require_how(pass, &[flags], How::PointFlags)?;
                    let (flags, value) = (self.load_slot(flags), self.load_slot(slot));
                    let bits = self.and(flags[1], NO_RECORDED_VALUE);
                    let is_null = self.compare_with(IntCC::NotEqual, bits, 0);
                    let missing = Slot::MISSING.words().map(|word| self.number(word));
                    self.store_either(slot, is_null, missing, value);
                }
            }
        }
        Ok(())
    }

    fn is_null(&mut self, head: Value) -> Value {
        let tag = self.and(head, 0xFF);
        self.compare_with(IntCC::Equal, tag, Tag::Missing as u64)
    }

    fn store_either(&mut self, to: u32, condition: Value, then: [Value; 2], other: [Value; 2]) {
        let head = self.select(condition, then[0], other[0]);
        let payload = self.select(condition, then[1], other[1]);
        self.store_slot(Place::Number(to), head, payload);
    }
}

fn require_how(pass: &Pass, slots: &[u32], how: How) -> Result<(), Refusal> {
    let is_read = |slot: &u32| pass.reads().iter().any(|read| read.slot == *slot && read.how == how);
    if slots.iter().all(is_read) {
        return Ok(());
    }
    Err(Refusal::Construct(format!("a slot follows from one that is not read as {how:?}")))
}
