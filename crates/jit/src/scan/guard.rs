//! Tests of single slots that end a scan early: the record cannot match, so the rest of it need not be read.
//!
//! A guard is only an optimisation: it fails where the condition it was taken from is certainly not true, and lets
//! everything else pass, which the caller then decides. Next: `scan/mod.rs`.

use super::emit::{Emitter, chunk_of, chunks};
use crate::entry::GuardTest;
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use dtq_record::slot::{Buffer, Slot, Tag};

/// Size in bytes of the texts that are compared inline.
const TEXT_BYTES_MAX: usize = 256;

impl GuardTest {
    /// Refuses what no code is made for.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match self {
            GuardTest::TextEquals(text) | GuardTest::TextDiffers(text) if text.len() > TEXT_BYTES_MAX => {
                Err(Refusal::Size(format!("a text of over {TEXT_BYTES_MAX} bytes guards a scan")))
            }
            _ => Ok(()),
        }
    }

    /// Says whether a default passes: a slot with no bytes behind it.
    pub(super) fn passes_default(&self, slot: &Slot) -> bool {
        let number = matches!(slot.tag(), Tag::Int | Tag::Long).then(|| slot.payload().cast_signed());
        let is_null = slot.tag() == Tag::Missing;
        match self {
            GuardTest::IntAtLeast(bound) => !is_null && number.is_none_or(|number| number >= *bound),
            GuardTest::IntAtMost(bound) => !is_null && number.is_none_or(|number| number <= *bound),
            GuardTest::IntEquals(other) => !is_null && number.is_none_or(|number| number == *other),
            GuardTest::TextEquals(text) => text.is_empty() || !matches!(slot.tag(), Tag::String | Tag::Missing),
            GuardTest::TextDiffers(text) => !text.is_empty() || slot.tag() != Tag::String,
        }
    }

    /// Goes on only where a slot passes, whose views are of `buffer`.
    pub(super) fn emit(&self, emitter: &mut Emitter<'_, '_>, [head, payload]: [Value; 2], buffer: Buffer) {
        match self {
            GuardTest::IntAtLeast(bound) => {
                emit_number(emitter, head, payload, IntCC::SignedGreaterThanOrEqual, *bound)
            }
            GuardTest::IntAtMost(bound) => emit_number(emitter, head, payload, IntCC::SignedLessThanOrEqual, *bound),
            GuardTest::IntEquals(other) => emit_number(emitter, head, payload, IntCC::Equal, *other),
            GuardTest::TextEquals(text) => emit_equals(emitter, head, payload, text, buffer),
            GuardTest::TextDiffers(text) => emit_differs(emitter, head, payload, text, buffer),
        }
    }
}

fn emit_number(emitter: &mut Emitter<'_, '_>, head: Value, payload: Value, how: IntCC, bound: i64) {
    let (number, other, passed) = (emitter.block(0), emitter.block(0), emitter.block(0));
    let settled = emitter.settled;
    let tag = emitter.and(head, 0xFF);
    let is_number = is_one_of(emitter, tag, [Tag::Int, Tag::Long]);
    emitter.branch(is_number, (number, &[]), (other, &[]));
    emitter.enter::<0>(number);
    let passes = emitter.compare_with(how, payload, bound.cast_unsigned());
    emitter.branch(passes, (passed, &[]), (settled, &[]));
    emitter.enter::<0>(other);
    let is_null = emitter.compare_with(IntCC::Equal, tag, Tag::Missing as u64);
    emitter.branch(is_null, (settled, &[]), (passed, &[]));
    emitter.enter::<0>(passed);
}

fn is_one_of(emitter: &mut Emitter<'_, '_>, tag: Value, tags: [Tag; 2]) -> Value {
    let [is_first, is_second] = tags.map(|one| emitter.compare_with(IntCC::Equal, tag, one as u64));
    emitter.builder.ins().bor(is_first, is_second)
}

/// Returns the head of the slot of a text of this size.
fn text_head(text: &[u8], buffer: Buffer) -> u64 {
    Slot::view(Tag::String, buffer, 0, 0, text.len() as u32).words()[0]
}

fn emit_equals(emitter: &mut Emitter<'_, '_>, head: Value, payload: Value, text: &[u8], buffer: Buffer) {
    let (other, passed) = (emitter.block(0), emitter.block(0));
    let settled = emitter.settled;
    if text.is_empty() {
        // A string without bytes may be a default, so its head says more than is known here.
        let tag_and_length = emitter.and(head, 0xFFFF_FFFF_0000_00FF);
        let is_text = emitter.and(head, 0xFF);
        let is_text = emitter.compare_with(IntCC::Equal, is_text, Tag::String as u64);
        let is_other = emitter.compare_with(IntCC::NotEqual, tag_and_length, Tag::String as u64);
        let fails = emitter.builder.ins().band(is_text, is_other);
        emitter.branch(fails, (settled, &[]), (passed, &[]));
        emitter.enter::<0>(passed);
        return;
    }
    let has_size = emitter.compare_with(IntCC::Equal, head, text_head(text, buffer));
    emitter.only_if(has_size, (other, &[]));
    let start = emitter.sum(emitter.record, payload);
    emitter.only_if_bytes(start, text, (settled, &[]));
    emitter.jump(passed, &[]);
    emitter.enter::<0>(other);
    let tag = emitter.and(head, 0xFF);
    let fails = is_one_of(emitter, tag, [Tag::String, Tag::Missing]);
    emitter.branch(fails, (settled, &[]), (passed, &[]));
    emitter.enter::<0>(passed);
}

fn emit_differs(emitter: &mut Emitter<'_, '_>, head: Value, payload: Value, text: &[u8], buffer: Buffer) {
    let passed = emitter.block(0);
    let mask = if text.is_empty() { 0xFFFF_FFFF_0000_00FF } else { u64::MAX };
    let head = emitter.and(head, mask);
    let has_size = emitter.compare_with(IntCC::Equal, head, text_head(text, buffer) & mask);
    emitter.only_if(has_size, (passed, &[]));
    let start = emitter.sum(emitter.record, payload);
    for (offset, size) in chunks(text.len()) {
        let chunk = emitter.load(size, start, offset as i32);
        let is_same = emitter.compare_with(IntCC::Equal, chunk, chunk_of(text, offset, size));
        emitter.only_if(is_same, (passed, &[]));
    }
    emitter.jump(emitter.settled, &[]);
    emitter.enter::<0>(passed);
}
