//! A `LogRecord` to the cells of its fields.
//!
//! Its fields are asked for in the order in which encoders write them, each with the tag that follows the one before, so
//! that a record in order is read without going back. Next: `otlp/keys.rs`.

use super::message::{Level, tag};
use super::{AT, END, INNER_END, Reader, cell, id};
use crate::asm::Label;
use crate::emit::SCRATCH;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{FIELD_SIZE, State};
use crate::payload::Judge;
use dtq_record::otlp::logs::column;
use dtq_record::otlp::pass::UNIX_EPOCH_TICKS;

/// Numbers of the fields that a `LogRecord` has (logs.proto); none of them may have another wire type.
const NUMBERS: [u32; 11] = [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12];

/// What the length of a time's cell says: `time_unix_nano` was there, the observed one was, the first of them was not 0.
const HAD_TIME: i32 = 1;
const HAD_OBSERVED: i32 = 2;
const HAS_TIME: i32 = 4;

impl Reader<'_> {
    /// Writes what the cells of a record hold before it is read. Of a number, the length says whether it was found.
    pub(super) fn clear_record(&mut self) {
        for (column, field) in self.plan.record_fields() {
            match column {
                column::SEVERITY_NUMBER | column::TRACE_FLAGS => {
                    self.e.store(field, State::Long as i32);
                    self.e.store(field + 8, 0);
                }
                _ => self.e.store(field, 0),
            }
        }
    }

    /// Writes the reading of a record, and its judgement.
    pub(super) fn record(&mut self, judge: &mut Judge<'_>) {
        let [done, value, behind, attributes] = std::array::from_fn(|_| self.e.asm.label());
        self.head(Level::Record, done);
        self.fixed_field(1, 8, done, Self::time);
        self.fixed_field(11, 8, done, Self::observed_time);
        self.varint_field(2, column::SEVERITY_NUMBER, done);
        self.length_field(3, Some(column::SEVERITY_TEXT), done);
        let body = self.body(done, attributes);
        self.e.asm.bind(attributes);
        self.attributes(done, value, behind);
        self.varint_field(7, column::COUNT, done);
        self.fixed_field(8, 4, done, Self::trace_flags);
        let [trace, span] = self.id_texts;
        self.field(tag(9, 2), done, |reader| reader.id(column::TRACE_ID, id::TRACE_SIZE, trace));
        self.field(tag(10, 2), done, |reader| reader.id(column::SPAN_ID, id::SPAN_SIZE, span));
        self.length_field(12, Some(column::EVENT_NAME), done);
        self.out_of_order();
        if body.is_some() || !self.plan.attributes.is_empty() {
            self.e.asm.bind(behind);
            self.next_field(INNER_END, done);
            self.e.asm.jump(attributes);
            if !self.plan.attributes.is_empty() {
                self.value_of_key(value, behind);
            }
            self.any(body, behind);
        }
        self.e.asm.bind(done);
        self.judge(judge);
    }

    /// Writes the end of a record.
    fn judge(&mut self, judge: &mut Judge<'_>) {
        self.e.asm.branch(Cond::Ne, AT, END, self.malformed);
        self.e.store(cell::HAS_RECORD, 1);
        for (from, to) in self.plan.copies.clone() {
            for half in (0..FIELD_SIZE).step_by(8) {
                self.e.load(Reg::R1, from + half);
                self.e.store(to + half, Reg::R1);
            }
        }
        let next = self.e.asm.label();
        judge(self.e, next);
        self.e.asm.bind(next);
        self.e.load(AT, cell::RECORD_END);
        self.e.load(END, cell::SCOPE_LOGS_END);
        self.e.asm.jump(self.heads[Level::ScopeLogs as usize]);
    }

    /// Writes the way on from a field that is not the one asked for last: back to the first, or over it when all were asked
    /// for since then.
    fn out_of_order(&mut self) {
        for number in NUMBERS {
            let wire_type = match number {
                1 | 11 => 1,
                2 | 7 => 0,
                8 => 5,
                _ => 2,
            };
            self.e.asm.branch(Cond::Eq, Reg::R2, tag(number as i32, wire_type), self.heads[Level::Record as usize]);
        }
        self.pass_over(Level::Record, &NUMBERS);
    }

    /// Writes the reading of a field when it is the next; `read` leaves its offset behind it.
    fn field(&mut self, tag: i32, done: Label, read: impl FnOnce(&mut Self)) {
        let other = self.e.asm.label();
        self.e.asm.branch(Cond::Ne, Reg::R2, tag, other);
        read(self);
        self.next_field(AT, done);
        self.e.asm.bind(other);
    }

    /// Writes the reading of a field of a fixed size; `read` is called with its offset still at the tag.
    fn fixed_field(&mut self, number: i32, size: i32, done: Label, read: impl FnOnce(&mut Self)) {
        self.field(tag(number, if size == 8 { 1 } else { 5 }), done, |reader| {
            read(reader);
            reader.e.asm.alu(Alu::Add, AT, 1 + size);
        });
    }

    /// Writes the reading of a text, or the passing over a field that has a length.
    fn length_field(&mut self, number: i32, column: Option<usize>, done: Label) {
        let field = column.and_then(|column| self.plan.column(column));
        self.field(tag(number, 2), done, |reader| reader.text_field(field));
    }

    /// Writes the reading of a text into a cell that has none yet; goes behind the field.
    pub(super) fn text_field(&mut self, field: Option<i16>) {
        self.length(AT, Reg::R3);
        if let Some(field) = field {
            let had = self.e.asm.label();
            self.e.load_state(Reg::R4, field);
            self.e.asm.branch(Cond::Ne, Reg::R4, 0, had);
            self.e.store_text(field, AT, Reg::R3);
            self.e.asm.bind(had);
        }
        self.e.asm.alu(Alu::Add, AT, Reg::R3);
    }

    /// Writes the reading of an enum, or the passing over a varint.
    fn varint_field(&mut self, number: i32, column: usize, done: Label) {
        let field = (column < column::COUNT).then(|| self.plan.column(column)).flatten();
        self.field(tag(number, 0), done, |reader| {
            reader.e.asm.load(Size::Byte, Reg::R3, Reg::R1, 1);
            let Some(field) = field else {
                let short = reader.e.asm.label();
                reader.e.asm.branch(Cond::Lt, Reg::R3, 0x80, short);
                reader.pass_over(Level::Record, &[]);
                reader.e.asm.bind(short);
                reader.e.asm.alu(Alu::Add, AT, 2);
                return;
            };
            // Severities end at 24; what is beyond, and padded, is left to user space.
            reader.e.asm.branch(Cond::Ge, Reg::R3, 0x80, reader.malformed);
            reader.number(field);
            reader.e.asm.alu(Alu::Add, AT, 2);
        });
    }

    /// Writes the storing of the number in `r3` into a cell that has none yet.
    fn number(&mut self, field: i16) {
        let had = self.e.asm.label();
        self.e.asm.load(Size::Word, Reg::R4, SCRATCH, field + 4);
        self.e.asm.branch(Cond::Ne, Reg::R4, 0, had);
        self.e.asm.store(Size::Word, SCRATCH, field + 4, 1);
        self.e.store(field + 8, Reg::R3);
        self.e.asm.bind(had);
    }

    fn trace_flags(&mut self) {
        if let Some(field) = self.plan.column(column::TRACE_FLAGS) {
            // The low eight bits are the W3C trace flags; the others are reserved (logs.proto, `LogRecordFlags`).
            self.e.asm.load(Size::Byte, Reg::R3, Reg::R1, 1);
            self.number(field);
        }
    }

    fn time(&mut self) {
        if let Some(field) = self.plan.column(column::TIMESTAMP) {
            self.datetime(field, HAD_TIME, HAS_TIME, 0);
        }
    }

    fn observed_time(&mut self) {
        if let Some(field) = self.plan.column(column::TIMESTAMP) {
            self.datetime(field, HAD_OBSERVED, 0, HAS_TIME);
        }
        if let Some(field) = self.plan.column(column::OBSERVED_TIMESTAMP) {
            self.datetime(field, HAD_OBSERVED, 0, 0);
        }
    }

    /// Writes the storing of a time that was not there yet, if it is not 0 and the cell has none of the bits `unless`: a cell
    /// may be filled by one of two times.
    fn datetime(&mut self, field: i16, had: i32, has: i32, unless: i32) {
        let [done, unset] = std::array::from_fn(|_| self.e.asm.label());
        self.e.asm.load(Size::Word, Reg::R4, SCRATCH, field + 4);
        self.e.asm.branch(Cond::Set, Reg::R4, had, done);
        self.e.asm.alu(Alu::Or, Reg::R4, had);
        self.e.asm.load(Size::Double, Reg::R3, Reg::R1, 1);
        self.e.asm.branch(Cond::Eq, Reg::R3, 0, unset);
        if unless != 0 {
            self.e.asm.branch(Cond::Set, Reg::R4, unless, unset);
        }
        if has != 0 {
            self.e.asm.alu(Alu::Or, Reg::R4, has);
        }
        self.e.asm.alu(Alu::Div, Reg::R3, 100);
        self.e.asm.mov_imm(Reg::R5, UNIX_EPOCH_TICKS as u64);
        self.e.asm.alu(Alu::Add, Reg::R3, Reg::R5);
        self.e.store_number(field, State::DateTime, Reg::R3);
        self.e.asm.bind(unset);
        self.e.asm.store(Size::Word, SCRATCH, field + 4, Reg::R4);
        self.e.asm.bind(done);
    }

    /// Writes the reading of the body: where it is wanted and new, on to the label that is returned, with its offset in
    /// `r5` and its end in `r8`; from there it comes back at the attributes.
    fn body(&mut self, done: Label, attributes: Label) -> Option<Label> {
        let Some(field) = self.plan.column(column::BODY) else {
            self.length_field(5, None, done);
            return None;
        };
        let any = self.e.asm.label();
        self.e.asm.branch(Cond::Ne, Reg::R2, tag(5, 2), attributes);
        self.length(AT, Reg::R3);
        self.e.asm.mov(INNER_END, AT);
        self.e.asm.alu(Alu::Add, INNER_END, Reg::R3);
        self.e.asm.branch(Cond::Gt, INNER_END, END, self.malformed);
        let had = self.e.asm.label();
        self.e.load(Reg::R3, field);
        self.e.asm.branch(Cond::Ne, Reg::R3, 0, had);
        self.e.asm.mov(Reg::R5, AT);
        self.e.asm.mov(Reg::R4, SCRATCH);
        self.e.asm.alu(Alu::Add, Reg::R4, i32::from(field));
        self.e.asm.jump(any);
        self.e.asm.bind(had);
        self.next_field(INNER_END, done);
        Some(any)
    }

    /// Writes the reading of the attributes, those that follow each other in a loop of their own.
    fn attributes(&mut self, done: Label, value: Label, behind: Label) {
        let other = self.e.asm.label();
        self.e.asm.branch(Cond::Ne, Reg::R2, tag(6, 2), other);
        if self.plan.attributes.is_empty() {
            let again = self.e.asm.label();
            self.e.asm.bind(again);
            self.e.step();
            self.length(AT, Reg::R3);
            self.e.asm.alu(Alu::Add, AT, Reg::R3);
            self.next_field(AT, done);
            self.e.asm.branch(Cond::Eq, Reg::R2, tag(6, 2), again);
        } else {
            let keys = self.plan.attributes.clone();
            self.key_values(&keys, value, behind);
        }
        self.e.asm.bind(other);
    }
}
