//! Columns to loads of slots and cells.
//!
//! A view of a slot is checked against the size of its buffer each time it is loaded. What is not a plain view or
//! number (an id, a word, an array that has not been parsed) goes to a helper. Of checked records neither is so: see
//! `columns`.

use super::emit::FIXED;
use super::{Known, Lowering};
use crate::helpers::Helper;
use crate::layout::{CELL_HEAD, CELL_PAYLOAD, CELL_SIZE, VIEW_LENGTH, tag};
use crate::operand::{Any, Operand, Text};
use crate::target::Refusal;
use crate::unit::Input;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::Type;

/// The tag, and the length of a view; without the buffer and what the tag alone gives a meaning to.
pub(super) const TAG_AND_LENGTH: i64 = 0xffff_ffff_0000_00ff_u64.cast_signed();

/// The tag, and what it gives a meaning to.
const TAG_AND_AUX: i64 = 0xffff_00ff;

/// A slot or cell further behind has no room in the offset of a load.
const INPUTS_MAX: u32 = 1 << 20;

impl Lowering<'_, '_> {
    /// Returns the value of a column.
    pub(super) fn column(&mut self, index: u32, ty: Type) -> Result<Operand, Refusal> {
        let Some(input) = self.inputs.get(index as usize).copied() else {
            return Err(Refusal::Construct(format!("column {index} has no input")));
        };
        match input {
            Input::Slot(slot) => self.slot(slot, ty),
            Input::KeyOr { key, other } if ty == Type::Dynamic => self.key_or(key, other),
            Input::KeyOr { .. } => Err(Refusal::Construct("a key with a substitute is no dynamic".to_owned())),
            Input::Row(column) => self.row_cell(column, ty),
        }
    }

    /// Returns the address of a slot, which is one that the function needs from now on.
    pub(super) fn slot_address(&mut self, slot: u32) -> Result<Clif, Refusal> {
        self.need_slot(slot)?;
        Ok(self.slot_place(slot))
    }

    /// Notes that the function needs a slot.
    pub(super) fn need_slot(&mut self, slot: u32) -> Result<(), Refusal> {
        if slot >= INPUTS_MAX || self.needs.columns.is_some() {
            return Err(Refusal::Construct("slots and columns of rows are read by one expression".to_owned()));
        }
        self.needs.input_count = self.needs.input_count.max(slot as usize + 1);
        Ok(())
    }

    pub(super) fn load_input(&mut self, address: Clif) -> Any {
        let head = self.b.ins().load(types::I64, FIXED, address, CELL_HEAD);
        let payload = self.b.ins().load(types::I64, FIXED, address, CELL_PAYLOAD);
        Any { head, payload }
    }

    fn slot(&mut self, slot: u32, ty: Type) -> Result<Operand, Refusal> {
        let address = self.slot_address(slot)?;
        match ty {
            Type::String => Ok(Operand::Text(self.slot_text_or((slot, address), None))),
            Type::Dynamic | Type::Decimal | Type::Guid => Ok(Operand::Any(self.slot_any((slot, address)))),
            Type::Bool | Type::Int | Type::Long | Type::Real | Type::DateTime | Type::TimeSpan => {
                let any = self.load_input(address);
                Ok(self.narrowed(any, ty))
            }
        }
    }

    /// Returns the address and length of a view, and an `i8` that says whether it lies in its buffer.
    fn view(&mut self, slot: Any) -> (Text, Clif) {
        // The buffer stands in the second byte, and an entry of the table has 16.
        let shifted = self.b.ins().ushr_imm_u(slot.head, 4);
        let offset = self.b.ins().band_imm_u(shifted, 0xff0);
        let entry = self.b.ins().iadd(self.buffers, offset);
        let base = self.b.ins().load(types::I64, FIXED, entry, 0);
        let size = self.b.ins().load(types::I64, FIXED, entry, VIEW_LENGTH);
        let length = self.b.ins().ushr_imm_u(slot.head, 32);
        // Neither part of the sum has more than 32 bits: `Slot::view` takes no larger offset.
        let end = self.b.ins().iadd(slot.payload, length);
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, end, size);
        (Text { address: self.b.ins().iadd(base, slot.payload), length }, fits)
    }

    /// Returns the text of a slot; one with the other tag is a view of no bytes.
    fn slot_text_or(&mut self, (position, address): (u32, Clif), empty: Option<u8>) -> Text {
        let slot = self.load_input(address);
        if let Some(arena) = self.trusted_arena() {
            return self.granted_text((position, slot), arena);
        }
        let (plain, other) = (self.b.create_block(), self.b.create_block());
        let join = self.join(Type::String);
        let tag = self.tag_of(slot);
        let is_string = self.is_equal(tag, i64::from(tag::STRING));
        self.b.ins().brif(is_string, plain, &[], other, &[]);

        let slow = match empty {
            None => other,
            Some(empty) => {
                self.b.switch_to_block(other);
                let slow = self.b.create_block();
                let zero = self.int(types::I64, 0);
                let is_empty = self.is_equal(tag, i64::from(empty));
                self.b.ins().brif(is_empty, join, &[zero, zero].map(BlockArg::Value), slow, &[]);
                slow
            }
        };
        self.b.set_cold_block(slow);

        self.b.switch_to_block(plain);
        let (text, fits) = self.view(slot);
        self.b.ins().brif(fits, join, &[text.address, text.length].map(BlockArg::Value), slow, &[]);

        self.b.switch_to_block(slow);
        if !self.has_left() {
            let out = self.room(1);
            let answer = self.helper(Helper::SlotText, &[address, self.buffers, out]);
            self.unless_fault(answer);
            let text = self.load_view(out);
            self.jump_with(join, Operand::Text(text));
        }
        match self.enter(join, Type::String, false) {
            Operand::Text(text) => text,
            _ => unreachable!("the join is one of a string"),
        }
    }

    /// Returns the text of a column that is a dynamic in a slot, unless its value is there already or it is no such column.
    ///
    /// That of a key which is not there is empty.
    pub(super) fn dynamic_slot_text(&mut self, id: ExprId) -> Result<Option<Text>, Refusal> {
        let Some((index, slot)) = self.dynamic_slot(id) else { return Ok(None) };
        let known = Known::ColumnText(index);
        if let Some(Operand::Text(text)) = self.find_known(known) {
            return Ok(Some(text));
        }
        self.count_node()?;
        let address = self.slot_address(slot)?;
        let text = self.slot_text_or((slot, address), Some(tag::MISSING));
        self.known.push((known, Operand::Text(text)));
        Ok(Some(text))
    }

    /// Returns column and slot of an expression that is a dynamic in a slot, and whose value is not there yet.
    fn dynamic_slot(&self, id: ExprId) -> Option<(u32, u32)> {
        let expr = self.program.expr(id);
        match (&expr.kind, expr.ty) {
            (ExprKind::Column(index), Type::Dynamic) if self.find_known(Known::Column(*index)).is_none() => {
                match self.inputs.get(*index as usize) {
                    Some(Input::Slot(slot)) => Some((*index, *slot)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Returns what a slot holds as it stands there, of an expression as [`Lowering::dynamic_slot`] takes it.
    pub(super) fn raw_slot(&mut self, id: ExprId) -> Result<Option<Any>, Refusal> {
        let Some((_, slot)) = self.dynamic_slot(id) else { return Ok(None) };
        let address = self.slot_address(slot)?;
        Ok(Some(self.load_input(address)))
    }

    fn slot_any(&mut self, (position, address): (u32, Clif)) -> Any {
        let slot = self.load_input(address);
        if let Some(arena) = self.trusted_arena() {
            return self.granted_any((position, slot), arena);
        }
        let join = self.join(Type::Dynamic);
        let (plain, other, slow) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(slow);
        let tag = self.tag_of(slot);
        let is_string = self.is_equal(tag, i64::from(tag::STRING));
        self.b.ins().brif(is_string, plain, &[], other, &[]);

        self.b.switch_to_block(plain);
        let (text, fits) = self.view(slot);
        let head = self.b.ins().band_imm_s(slot.head, TAG_AND_LENGTH);
        self.b.ins().brif(fits, join, &[head, text.address].map(BlockArg::Value), slow, &[]);

        self.b.switch_to_block(other);
        let is_number = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, tag, i64::from(tag::STRING));
        self.b.ins().brif(is_number, join, &[tag, slot.payload].map(BlockArg::Value), slow, &[]);

        self.b.switch_to_block(slow);
        if !self.has_left() {
            let out = self.room(1);
            let answer = self.helper(Helper::SlotValue, &[address, self.buffers, out]);
            self.unless_fault(answer);
            let any = self.load_cell(out);
            self.jump_with(join, Operand::Any(any));
        }
        self.enter_any(join)
    }

    pub(super) fn enter_any(&mut self, join: cranelift_codegen::ir::Block) -> Any {
        match self.enter(join, Type::Dynamic, true) {
            Operand::Any(any) => any,
            _ => unreachable!("the join is one of a dynamic"),
        }
    }

    /// Returns a key of a bag, or another column when there is no such key: null when that is an empty string.
    fn key_or(&mut self, key: u32, other: u32) -> Result<Operand, Refusal> {
        let key = (key, self.slot_address(key)?);
        let other = (other, self.slot_address(other)?);
        let slot = self.load_input(key.1);
        let join = self.join(Type::Dynamic);
        let (present, absent) = (self.b.create_block(), self.b.create_block());
        let rest = self.b.ins().band_imm_u(slot.head, TAG_AND_AUX);
        self.b.ins().brif(rest, present, &[], absent, &[]);

        self.b.switch_to_block(present);
        let any = self.slot_any(key);
        self.jump_with(join, Operand::Any(any));

        self.b.switch_to_block(absent);
        let any = self.slot_any(other);
        let is_empty = self.is_equal(any.head, i64::from(tag::STRING));
        let missing = self.int(types::I64, i64::from(tag::MISSING));
        let head = self.b.ins().select(is_empty, missing, any.head);
        self.jump_with(join, Operand::Any(Any { head, payload: any.payload }));
        Ok(Operand::Any(self.enter_any(join)))
    }

    /// Returns a column of a row, which stands as a cell at the position that the column has among those read.
    fn row_cell(&mut self, column: u32, ty: Type) -> Result<Operand, Refusal> {
        if self.needs.input_count > self.needs.columns.as_ref().map_or(0, Vec::len) {
            return Err(Refusal::Construct("slots and columns of rows are read by one expression".to_owned()));
        }
        let columns = self.needs.columns.get_or_insert_default();
        let position = columns.iter().position(|known| *known == column).unwrap_or_else(|| {
            columns.push(column);
            columns.len() - 1
        });
        if position as u32 >= INPUTS_MAX {
            return Err(Refusal::Size("an expression reads very many columns".to_owned()));
        }
        self.needs.input_count = columns.len();
        let address = self.b.ins().iadd_imm_s(self.input, position as i64 * i64::from(CELL_SIZE));
        let any = self.load_input(address);
        if ty != Type::String {
            return Ok(self.narrowed(any, ty));
        }
        // A row that does not fit its schema has something else there.
        Ok(Operand::Text(self.text_of(any)))
    }
}
