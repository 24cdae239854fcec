//! The small words that lowering is written in: constants, cells, calls of helpers, joins.

use super::Lowering;
use crate::call::status;
use crate::frame::Frame;
use crate::helpers::Helper;
use crate::layout::{CELL_HEAD, CELL_PAYLOAD, CELL_SIZE, VIEW_LENGTH, VIEW_SIZE, tag};
use crate::operand::{Any, Number, Operand, Text, Truth, from_values, value_types};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Type as ClifType, Value as Clif, types,
};
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// Flags of what does not change during a call and is always there: slots, cells, buffers, texts' views.
pub(super) const FIXED: MemFlagsData = MemFlagsData::trusted().with_readonly().with_can_move();

/// Flags of the bytes of texts, which are at any address, and there only behind a check of the length.
pub(super) const BYTES: MemFlagsData = MemFlagsData::new().with_notrap().with_readonly();

/// Flags of what helpers write.
pub(super) const WRITTEN: MemFlagsData = MemFlagsData::trusted();

/// Flags of what is written for who called: it is there, and aligned where it is a slot.
pub(super) const OUTPUT: MemFlagsData = MemFlagsData::new().with_notrap();

impl Lowering<'_, '_> {
    pub(super) fn int(&mut self, ty: ClifType, number: i64) -> Clif {
        self.b.ins().iconst(ty, number)
    }

    pub(super) fn is_equal(&mut self, value: Clif, number: i64) -> Clif {
        self.b.ins().icmp_imm_s(IntCC::Equal, value, number)
    }

    pub(super) fn either(&mut self, left: Clif, right: Clif) -> Clif {
        self.b.ins().bor(left, right)
    }

    /// Returns an `i8` that says whether one of two numbers is null; none when neither can be.
    pub(super) fn either_null(&mut self, left: Option<Clif>, right: Option<Clif>) -> Option<Clif> {
        match (left, right) {
            (Some(left), Some(right)) => Some(self.either(left, right)),
            (left, right) => left.or(right),
        }
    }

    /// Returns a bool that is never null.
    pub(super) fn certain(value: Clif) -> Operand {
        Operand::Truth(Truth { value, null: None })
    }

    /// Returns a constant of a type.
    pub(super) fn constant(&mut self, value: &Value, ty: Type) -> Operand {
        let null = matches!(value, Value::Null).then(|| self.int(types::I8, 1));
        match (ty, value) {
            (Type::Bool, value) => {
                let flag = matches!(value, Value::Bool(true));
                Operand::Truth(Truth { value: self.int(types::I8, i64::from(flag)), null })
            }
            (Type::Real, value) => {
                let number = if let Value::Real(number) = value { *number } else { 0.0 };
                Operand::Number(Number { value: self.b.ins().f64const(number), null })
            }
            (Type::Int | Type::Long | Type::DateTime | Type::TimeSpan, value) => {
                let number = match value {
                    Value::Int(number) => i64::from(*number),
                    Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number) => *number,
                    _ => 0,
                };
                Operand::Number(Number { value: self.int(types::I64, number), null })
            }
            (Type::String, Value::String(text)) => {
                let index = self.pools.text(text);
                Operand::Text(self.pooled_text(index, text.size()))
            }
            (Type::String, _) => {
                let zero = self.int(types::I64, 0);
                Operand::Text(Text { address: zero, length: zero })
            }
            (Type::Dynamic | Type::Decimal | Type::Guid, value) => Operand::Any(self.constant_any(value)),
        }
    }

    fn constant_any(&mut self, value: &Value) -> Any {
        let fixed = |this: &mut Self, tag: u8, payload: i64| Any {
            head: this.int(types::I64, i64::from(tag)),
            payload: this.int(types::I64, payload),
        };
        match value {
            Value::Null => fixed(self, tag::MISSING, 0),
            Value::Bool(flag) => fixed(self, tag::BOOL, i64::from(*flag)),
            Value::Int(number) => fixed(self, tag::INT, i64::from(*number)),
            Value::Long(number) => fixed(self, tag::LONG, *number),
            Value::Real(number) => fixed(self, tag::REAL, number.to_bits().cast_signed()),
            Value::DateTime(ticks) => fixed(self, tag::DATETIME, *ticks),
            Value::TimeSpan(ticks) => fixed(self, tag::TIMESPAN, *ticks),
            Value::String(text) if u32::try_from(text.size()).is_ok() => {
                let index = self.pools.text(text);
                let text = self.pooled_text(index, text.size());
                self.text_any(text)
            }
            other => {
                let index = self.pools.value(other);
                let values = self.b.ins().load(types::I64, FIXED, self.frame, Frame::VALUES);
                let head = self.b.ins().load(types::I64, FIXED, values, index * CELL_SIZE + CELL_HEAD);
                let payload = self.b.ins().load(types::I64, FIXED, values, index * CELL_SIZE + CELL_PAYLOAD);
                Any { head, payload }
            }
        }
    }

    fn pooled_text(&mut self, index: i32, size: usize) -> Text {
        let views = self.b.ins().load(types::I64, FIXED, self.frame, Frame::TEXTS);
        let address = self.b.ins().load(types::I64, FIXED, views, index * VIEW_SIZE);
        let length = self.int(types::I64, size as i64);
        Text { address, length }
    }

    /// Returns a text as a value of any type.
    pub(super) fn text_any(&mut self, text: Text) -> Any {
        let high = self.b.ins().ishl_imm_u(text.length, 32);
        let head = self.b.ins().bor_imm_u(high, i64::from(tag::STRING));
        Any { head, payload: text.address }
    }

    /// Returns a value of a static type as one of any type.
    pub(super) fn widened(&mut self, operand: Operand, ty: Type) -> Any {
        match operand {
            Operand::Any(any) => any,
            Operand::Text(text) => self.text_any(text),
            Operand::Truth(truth) => {
                let payload = self.b.ins().uextend(types::I64, truth.value);
                self.tagged(tag::BOOL, payload, truth.null)
            }
            Operand::Number(number) => {
                let (tag, payload) = match ty {
                    Type::Int => (tag::INT, number.value),
                    Type::Long => (tag::LONG, number.value),
                    Type::DateTime => (tag::DATETIME, number.value),
                    Type::TimeSpan => (tag::TIMESPAN, number.value),
                    _ => (tag::REAL, self.b.ins().bitcast(types::I64, MemFlagsData::new(), number.value)),
                };
                self.tagged(tag, payload, number.null)
            }
        }
    }

    fn tagged(&mut self, tag: u8, payload: Clif, null: Option<Clif>) -> Any {
        let head = self.int(types::I64, i64::from(tag));
        let Some(null) = null else { return Any { head, payload } };
        let missing = self.int(types::I64, i64::from(tag::MISSING));
        Any { head: self.b.ins().select(null, missing, head), payload }
    }

    /// Returns a value of any type as one of a static type, which it is known to have.
    pub(super) fn narrowed(&mut self, any: Any, ty: Type) -> Operand {
        if matches!(ty, Type::Dynamic | Type::Decimal | Type::Guid) {
            return Operand::Any(any);
        }
        if ty == Type::String {
            let length = self.b.ins().ushr_imm_u(any.head, 32);
            return Operand::Text(Text { address: any.payload, length });
        }
        let tag = self.tag_of(any);
        let null = self.is_equal(tag, i64::from(tag::MISSING));
        match ty {
            Type::Bool => {
                let low = self.b.ins().ireduce(types::I8, any.payload);
                let value = self.b.ins().band_imm_u(low, 1);
                Operand::Truth(Truth { value, null: Some(null) })
            }
            Type::Real => {
                let value = self.b.ins().bitcast(types::F64, MemFlagsData::new(), any.payload);
                Operand::Number(Number { value, null: Some(null) })
            }
            _ => Operand::Number(Number { value: any.payload, null: Some(null) }),
        }
    }

    /// Returns the tag of a value as an `i64`.
    pub(super) fn tag_of(&mut self, any: Any) -> Clif {
        self.b.ins().band_imm_u(any.head, 0xff)
    }

    pub(super) fn store_cell(&mut self, any: Any, address: Clif, offset: i32) {
        self.b.ins().store(WRITTEN, any.head, address, offset + CELL_HEAD);
        self.b.ins().store(WRITTEN, any.payload, address, offset + CELL_PAYLOAD);
    }

    pub(super) fn load_cell(&mut self, address: Clif) -> Any {
        let head = self.b.ins().load(types::I64, WRITTEN, address, CELL_HEAD);
        let payload = self.b.ins().load(types::I64, WRITTEN, address, CELL_PAYLOAD);
        Any { head, payload }
    }

    /// Returns the text that a helper wrote as a view.
    pub(super) fn load_view(&mut self, address: Clif) -> Text {
        let start = self.b.ins().load(types::I64, WRITTEN, address, 0);
        let length = self.b.ins().load(types::I64, WRITTEN, address, VIEW_LENGTH);
        Text { address: start, length }
    }

    /// Returns the address of room for so many cells, shared by all calls that need as much.
    pub(super) fn room(&mut self, cells: u32) -> Clif {
        let room = *self.rooms.entry(cells).or_insert_with(|| {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, cells * CELL_SIZE as u32, 3);
            self.b.create_sized_stack_slot(data)
        });
        self.b.ins().stack_addr(types::I64, room, 0)
    }

    /// Calls a helper, and returns its answer.
    pub(super) fn helper(&mut self, helper: Helper, args: &[Clif]) -> Clif {
        self.may_hold |= helper.may_hold();
        let call_conv = self.b.func.signature.call_conv;
        let signature = match self.signatures.get(&helper) {
            Some(signature) => *signature,
            None => {
                let signature = self.b.import_signature(helper.signature(call_conv));
                self.signatures.insert(helper, signature);
                signature
            }
        };
        let table = self.b.ins().load(types::I64, FIXED, self.frame, Frame::HELPERS);
        let address = self.b.ins().load(types::I64, FIXED, table, helper.offset());
        let mut all: SmallVec<[Clif; 8]> = SmallVec::from_slice(&[self.frame]);
        all.extend_from_slice(args);
        let call = self.b.ins().call_indirect(signature, address, &all);
        self.b.inst_results(call)[0]
    }

    /// Goes on only if a helper's answer is no fault.
    pub(super) fn unless_fault(&mut self, answer: Clif) {
        let is_fault = self.is_equal(answer, status::FAULT);
        let next = self.b.create_block();
        self.b.ins().brif(is_fault, self.fault, &[], next, &[]);
        self.b.switch_to_block(next);
    }

    /// Calls a helper that answers with a verdict, which may be that of null.
    pub(super) fn verdict(&mut self, helper: Helper, args: &[Clif]) -> Operand {
        let answer = self.helper(helper, args);
        self.unless_fault(answer);
        let value = self.is_equal(answer, status::TRUE);
        let null = self.is_equal(answer, status::NULL);
        Operand::Truth(Truth { value, null: Some(null) })
    }

    /// Returns a block that is entered with a value of a type.
    pub(super) fn join(&mut self, ty: Type) -> Block {
        let block = self.b.create_block();
        for part in value_types(ty) {
            self.b.append_block_param(block, *part);
        }
        block
    }

    /// Leaves the current block for a join.
    pub(super) fn jump_with(&mut self, join: Block, operand: Operand) {
        let values = operand.values(|| self.b.ins().iconst(types::I8, 0));
        let args: SmallVec<[BlockArg; 2]> = values.into_iter().map(BlockArg::Value).collect();
        self.b.ins().jump(join, &args);
    }

    /// Goes on in a join, and returns the value that it was entered with.
    pub(super) fn enter(&mut self, join: Block, ty: Type, is_nullable: bool) -> Operand {
        self.b.switch_to_block(join);
        let values: SmallVec<[Clif; 2]> = SmallVec::from_slice(self.b.block_params(join));
        from_values(ty, &values, is_nullable)
    }
}
