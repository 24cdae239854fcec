//! An `AnyValue` to a cell. Next: `otlp/id.rs`.
//!
//! # Source
//! OpenTelemetry's common.proto, `AnyValue`; `dtq_record::otlp::pass::any_slot`.

use super::message::tag;
use super::{AT, INNER_END, Reader};
use crate::asm::Label;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{Reason, State};

impl Reader<'_> {
    /// Writes the reading of an `AnyValue` from the offset in `r5` to `r8` into the cell at `r4`; reached from above, and at
    /// `entry`. Goes on at `behind`.
    ///
    /// What holds more than one member, or a field that is none, keeps the payload: what is behind the first may be malformed.
    pub(super) fn any(&mut self, entry: Option<Label>, behind: Label) {
        let [there, text, number, real] = std::array::from_fn(|_| self.e.asm.label());
        if let Some(entry) = entry {
            self.e.asm.bind(entry);
        }
        self.e.asm.branch(Cond::Ne, Reg::R5, INNER_END, there);
        self.nothing(behind);
        self.e.asm.bind(there);
        self.e.address(Reg::R1, Reg::R5);
        self.e.asm.load(Size::Byte, Reg::R0, Reg::R1, 0);
        self.e.asm.branch(Cond::Eq, Reg::R0, tag(1, 2), text);
        self.e.asm.branch(Cond::Eq, Reg::R0, tag(2, 0), number);
        self.e.asm.branch(Cond::Eq, Reg::R0, tag(3, 0), number);
        self.e.asm.branch(Cond::Eq, Reg::R0, tag(4, 1), real);
        for other in 5..7 {
            self.e.asm.branch(Cond::Eq, Reg::R0, tag(other, 2), text);
        }
        self.e.asm.branch(Cond::Ne, Reg::R0, tag(7, 2), self.malformed);
        self.e.asm.bind(text);
        self.text(behind);
        self.e.asm.bind(number);
        self.varint(behind);
        self.e.asm.bind(real);
        self.real(behind);
    }

    /// Writes the storing of what is there and holds nothing, which what comes later does not fill.
    pub(super) fn nothing(&mut self, behind: Label) {
        self.e.asm.store(Size::Word, Reg::R4, 4, 1);
        self.e.asm.jump(behind);
    }

    /// Writes the reading of a text, and of others with a length, which are not looked into.
    fn text(&mut self, behind: Label) {
        self.length(Reg::R5, Reg::R3);
        self.e.asm.mov(Reg::R2, Reg::R5);
        self.e.asm.alu(Alu::Add, Reg::R2, Reg::R3);
        self.e.asm.branch(Cond::Ne, Reg::R2, INNER_END, self.malformed);
        let other = self.e.asm.label();
        self.e.asm.branch(Cond::Ne, Reg::R0, tag(1, 2), other);
        self.e.asm.store(Size::Word, Reg::R4, 0, State::Text as i32);
        self.e.asm.store(Size::Word, Reg::R4, 4, Reg::R3);
        self.e.asm.store(Size::Double, Reg::R4, 8, Reg::R5);
        self.e.asm.jump(behind);
        self.e.asm.bind(other);
        self.e.asm.store(Size::Word, Reg::R4, 0, State::Undecided as i32);
        self.e.asm.store(Size::Word, Reg::R4, 4, Reason::Type as i32);
        self.e.asm.jump(behind);
    }

    /// Writes the reading of a bool or a long. The offset of the `KeyValue` is not needed anymore.
    fn varint(&mut self, behind: Label) {
        let [done, long] = std::array::from_fn(|_| self.e.asm.label());
        self.e.asm.alu(Alu::Add, Reg::R1, 1);
        self.e.asm.alu(Alu::Add, Reg::R5, 1);
        self.e.asm.mov(Reg::R3, 0);
        self.varint_bytes(Reg::R5, done, |reader, position| {
            reader.e.asm.mov(AT, Reg::R2);
            reader.e.asm.alu(Alu::And, AT, 0x7F);
            reader.e.asm.alu(Alu::Lsh, AT, 7 * i32::from(position));
            reader.e.asm.alu(Alu::Or, Reg::R3, AT);
        });
        self.e.asm.bind(done);
        self.e.asm.branch(Cond::Ne, Reg::R5, INNER_END, self.malformed);
        self.e.asm.store(Size::Word, Reg::R4, 0, State::Long as i32);
        self.e.asm.branch(Cond::Eq, Reg::R0, tag(3, 0), long);
        self.e.asm.store(Size::Word, Reg::R4, 0, State::Bool as i32);
        self.e.asm.branch(Cond::Eq, Reg::R3, 0, long);
        self.e.asm.mov(Reg::R3, 1);
        self.e.asm.bind(long);
        self.e.asm.store(Size::Double, Reg::R4, 8, Reg::R3);
        self.e.asm.jump(behind);
    }

    fn real(&mut self, behind: Label) {
        self.e.asm.alu(Alu::Add, Reg::R5, 9);
        self.e.asm.branch(Cond::Ne, Reg::R5, INNER_END, self.malformed);
        self.e.asm.load(Size::Double, Reg::R3, Reg::R1, 1);
        self.e.asm.store(Size::Word, Reg::R4, 0, State::Real as i32);
        self.e.asm.store(Size::Double, Reg::R4, 8, Reg::R3);
        self.e.asm.jump(behind);
    }
}
