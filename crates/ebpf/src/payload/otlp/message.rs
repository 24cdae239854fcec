//! What all messages have: their next field, the way into one and out of it, and fields that are passed over.
//!
//! Next: `otlp/record.rs`.

use super::{AT, END, Reader, cell};
use crate::asm::Label;
use crate::insn::{Alu, Cond, Reg, Size};

/// Bytes of the longest varint.
const VARINT_SIZE_MAX: i16 = 10;

/// Names a kind of message, each read by a loop of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// `ExportLogsServiceRequest`.
    Request,
    /// `ResourceLogs`.
    ResourceLogs,
    /// `Resource`.
    Resource,
    /// `ScopeLogs`.
    ScopeLogs,
    /// `InstrumentationScope`.
    Scope,
    /// `LogRecord`.
    Record,
}

impl Level {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// All of them, in order.
    const ALL: [Self; Self::COUNT] =
        [Self::Request, Self::ResourceLogs, Self::Resource, Self::ScopeLogs, Self::Scope, Self::Record];

    /// Returns the cell with the end of such a message.
    fn end(self) -> i16 {
        match self {
            Level::Request => cell::REQUEST_END,
            Level::ResourceLogs => cell::RESOURCE_LOGS_END,
            Level::Resource | Level::Scope => cell::HEAD_END,
            Level::ScopeLogs => cell::SCOPE_LOGS_END,
            Level::Record => cell::RECORD_END,
        }
    }
}

/// Returns the tag of a field, which is one byte for those that are read.
pub(super) fn tag(number: i32, wire_type: i32) -> i32 {
    number << 3 | wire_type
}

impl Reader<'_> {
    /// Writes the head of a loop over a message's fields: `r1` is the address of the next one, `r2` its tag.
    pub(super) fn head(&mut self, level: Level, done: Label) {
        self.e.asm.bind(self.heads[level as usize]);
        self.e.step();
        self.next_field(AT, done);
    }

    /// Writes the way to the field at an offset, or to `done` when the message ends there or has ended before.
    pub(super) fn next_field(&mut self, at: Reg, done: Label) {
        if at != AT {
            self.e.asm.mov(AT, at);
        }
        self.e.asm.branch(Cond::Ge, AT, END, done);
        self.e.address(Reg::R1, AT);
        self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, 0);
    }

    /// Writes the reading of a length behind the tag at `r1`: `at`, the offset of the tag, becomes that of the content.
    /// Clobbers `r2`.
    pub(super) fn length(&mut self, at: Reg, length: Reg) {
        let [short, done] = std::array::from_fn(|_| self.e.asm.label());
        self.e.asm.load(Size::Byte, length, Reg::R1, 1);
        self.e.asm.branch(Cond::Lt, length, 0x80, short);
        // More than two bytes are padded, or say more than a payload has.
        self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, 2);
        self.e.asm.branch(Cond::Ge, Reg::R2, 0x80, self.malformed);
        self.e.asm.alu(Alu::And, length, 0x7F);
        self.e.asm.alu(Alu::Lsh, Reg::R2, 7);
        self.e.asm.alu(Alu::Or, length, Reg::R2);
        self.e.asm.alu(Alu::Add, at, 3);
        self.e.asm.jump(done);
        self.e.asm.bind(short);
        self.e.asm.alu(Alu::Add, at, 2);
        self.e.asm.bind(done);
    }

    /// Writes the way into the message at `r1`, whose end goes into a cell.
    pub(super) fn enter(&mut self, end: i16) {
        self.length(AT, Reg::R3);
        self.enter_at(end);
    }

    /// Writes the way into the message that begins here and is `r3` bytes long.
    pub(super) fn enter_at(&mut self, end: i16) {
        self.e.asm.alu(Alu::Add, Reg::R3, AT);
        self.e.asm.branch(Cond::Gt, Reg::R3, END, self.malformed);
        self.e.store(end, Reg::R3);
        self.e.asm.mov(END, Reg::R3);
    }

    /// Writes the way out of a message to the one around it, which goes on where this one ends.
    pub(super) fn leave(&mut self, outer_end: i16, outer: Level) {
        self.e.asm.branch(Cond::Ne, AT, END, self.malformed);
        self.e.load(END, outer_end);
        self.e.asm.jump(self.heads[outer as usize]);
    }

    /// Writes the passing over the field here, which is none of these numbers or malformed.
    pub(super) fn pass_over(&mut self, level: Level, known: &[u32]) {
        let known = known.iter().fold(0, |bits, number| bits | 1 << number);
        self.e.asm.mov(Reg::R3, known);
        self.e.asm.mov(Reg::R4, level as i32);
        self.e.asm.jump(self.skip);
    }

    /// Writes the passing over a field of any number: `r3` has the bits of numbers that it must not have, `r4` the kind of
    /// message.
    pub(super) fn skipping(&mut self) {
        let [two, content] = std::array::from_fn(|_| self.e.asm.label());
        self.e.asm.bind(self.skip);
        self.e.address(Reg::R1, AT);
        self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, 0);
        self.e.asm.branch(Cond::Ge, Reg::R2, 0x80, two);
        self.e.asm.mov(Reg::R5, Reg::R2);
        self.e.asm.alu(Alu::Rsh, Reg::R5, 3);
        self.e.asm.branch(Cond::Eq, Reg::R5, 0, self.malformed);
        self.e.asm.mov(Reg::R0, 1);
        self.e.asm.alu(Alu::Lsh, Reg::R0, Reg::R5);
        self.e.asm.branch(Cond::Set, Reg::R0, Reg::R3, self.malformed);
        self.e.asm.alu(Alu::Add, AT, 1);
        self.e.asm.jump(content);
        self.e.asm.bind(two);
        // From 16 on numbers take two bytes; a padded tag may be that of a known field.
        self.e.asm.load(Size::Byte, Reg::R5, Reg::R1, 1);
        self.e.asm.branch(Cond::Ge, Reg::R5, 0x80, self.malformed);
        self.e.asm.branch(Cond::Eq, Reg::R5, 0, self.malformed);
        self.e.asm.alu(Alu::Add, AT, 2);
        self.e.asm.bind(content);
        self.skip_content();
    }

    /// Writes the passing over the content of the wire type in the lower bits of `r2`, and the way back.
    fn skip_content(&mut self) {
        let [resume, varint, fixed, short] = std::array::from_fn(|_| self.e.asm.label());
        self.e.asm.alu(Alu::And, Reg::R2, 7);
        self.e.address(Reg::R1, AT);
        self.e.asm.branch(Cond::Eq, Reg::R2, 0, varint);
        self.e.asm.branch(Cond::Ne, Reg::R2, 2, fixed);
        self.e.asm.load(Size::Byte, Reg::R5, Reg::R1, 0);
        self.e.asm.alu(Alu::Add, AT, 1);
        self.e.asm.branch(Cond::Lt, Reg::R5, 0x80, short);
        self.e.asm.load(Size::Byte, Reg::R0, Reg::R1, 1);
        self.e.asm.branch(Cond::Ge, Reg::R0, 0x80, self.malformed);
        self.e.asm.alu(Alu::And, Reg::R5, 0x7F);
        self.e.asm.alu(Alu::Lsh, Reg::R0, 7);
        self.e.asm.alu(Alu::Or, Reg::R5, Reg::R0);
        self.e.asm.alu(Alu::Add, AT, 1);
        self.e.asm.bind(short);
        self.e.asm.alu(Alu::Add, AT, Reg::R5);
        self.e.asm.jump(resume);
        self.e.asm.bind(fixed);
        // Groups are not known to OTLP, and nothing here counts how deep they nest.
        self.e.asm.alu(Alu::Add, AT, 4);
        self.e.asm.branch(Cond::Eq, Reg::R2, 5, resume);
        self.e.asm.alu(Alu::Add, AT, 4);
        self.e.asm.branch(Cond::Eq, Reg::R2, 1, resume);
        self.e.asm.jump(self.malformed);
        self.e.asm.bind(varint);
        self.varint_bytes(AT, resume, |_, _| {});
        self.e.asm.bind(resume);
        self.resume();
    }

    /// Writes the reading of a varint at `r1`, whose size is added to `at`: `each` is called for each byte, which is in `r2`,
    /// with its position. Goes on at `done`.
    pub(super) fn varint_bytes(&mut self, at: Reg, done: Label, mut each: impl FnMut(&mut Self, i16)) {
        for position in 0..VARINT_SIZE_MAX {
            self.e.asm.load(Size::Byte, Reg::R2, Reg::R1, position);
            self.e.asm.alu(Alu::Add, at, 1);
            each(self, position);
            if position + 1 == VARINT_SIZE_MAX {
                // The tenth byte has the 64th bit, and no other.
                self.e.asm.branch(Cond::Gt, Reg::R2, 1, self.malformed);
            } else {
                self.e.asm.branch(Cond::Lt, Reg::R2, 0x80, done);
            }
        }
        self.e.asm.jump(done);
    }

    /// Writes the way back into the message of the kind in `r4`.
    fn resume(&mut self) {
        let is_read = |level: &Level| match level {
            Level::Resource => !self.plan.resource.is_empty(),
            Level::Scope => self.plan.has_scope(),
            _ => true,
        };
        let levels: Vec<Level> = Level::ALL.into_iter().filter(is_read).collect();
        for (index, level) in levels.iter().enumerate() {
            let next = self.e.asm.label();
            if index + 1 < levels.len() {
                self.e.asm.branch(Cond::Ne, Reg::R4, *level as i32, next);
            }
            self.e.load(END, level.end());
            self.e.asm.jump(self.heads[*level as usize]);
            self.e.asm.bind(next);
        }
    }
}
