//! `+ - * / %`, and conversions between numbers.
//!
//! As `value::scalar::arithmetic` and `convert` have it: longs wrap, a quotient by zero is null, datetimes and timespans
//! out of range are null. A divisor that would trap is replaced before it divides.

use super::Lowering;
use crate::layout::tag;
use crate::operand::{Number, Operand, Text, Truth};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value as Clif, types};
use dtq_ir::ExprId;
use dtq_value::Type;
use dtq_value::scalar::calendar::TICKS_MAX;

impl Lowering<'_, '_> {
    /// Lowers arithmetic and conversions, or returns `None`.
    pub(super) fn arithmetic(&mut self, id: ExprId, name: &str, args: &[ExprId]) -> Result<Option<Operand>, Refusal> {
        let types: Vec<Type> = args.iter().map(|arg| self.program.expr(*arg).ty).collect();
        let result = self.program.expr(id).ty;
        match (name, types.as_slice()) {
            ("+" | "-" | "*" | "/" | "%", [left, right]) => {
                let both = |ty| *left == ty && *right == ty;
                let is_real = both(Type::Real) && name != "%";
                let is_long = left.is_integer() && right.is_integer();
                if !is_real && !is_long && !self.is_time(name, *left, *right) {
                    return Ok(None);
                }
                let left = self.value(args[0])?.number();
                let right = self.value(args[1])?.number();
                let null = self.either_null(left.null, right.null);
                let number = match (is_real, is_long) {
                    (true, _) => Number { value: self.real(name, left.value, right.value), null },
                    (_, true) => self.long(name, (left.value, right.value), null),
                    _ => self.time(name, (left.value, right.value), null, result),
                };
                Ok(Some(Operand::Number(number)))
            }
            ("tolong" | "toint", [Type::Int])
            | ("tolong", [Type::Long | Type::DateTime | Type::TimeSpan])
            | ("toreal", [Type::Real]) => self.value(args[0]).map(Some),
            ("toint", [Type::Long]) => {
                let number = self.value(args[0])?.number();
                let low = self.b.ins().ireduce(types::I32, number.value);
                let value = self.b.ins().sextend(types::I64, low);
                Ok(Some(Operand::Number(Number { value, ..number })))
            }
            ("toreal", [Type::Int | Type::Long]) => {
                let number = self.value(args[0])?.number();
                let value = self.b.ins().fcvt_from_sint(types::F64, number.value);
                Ok(Some(Operand::Number(Number { value, ..number })))
            }
            ("tolong", [Type::Real]) => {
                let number = self.value(args[0])?.number();
                Ok(Some(self.real_to_long(number)))
            }
            ("tolong" | "toint", [Type::Dynamic]) => self.any_to_integer(id, args[0], result).map(Some),
            ("toreal", [Type::Dynamic]) => self.any_to_real(id, args[0]).map(Some),
            ("isnull" | "isnotnull" | "tostring", [Type::String]) if !self.are_never_null_texts(args) => Ok(None),
            ("isempty" | "isnotempty" | "isnull" | "isnotnull", [ty]) => {
                let operand = self.value(args[0])?;
                let is_missing = match (name, ty, operand) {
                    ("isnull" | "isnotnull", Type::String, _) => self.int(types::I8, 0),
                    ("isnull" | "isnotnull", _, Operand::Any(any)) => self.is_null_any(any),
                    _ => self.is_missing(operand),
                };
                let is_negated = name.starts_with("isnot");
                let value = if is_negated { self.b.ins().bxor_imm_u(is_missing, 1) } else { is_missing };
                Ok(Some(Self::certain(value)))
            }
            ("tostring", [Type::String]) => self.value(args[0]).map(Some),
            ("tostring", [Type::Dynamic]) => {
                let text = self.text_value(args[0])?;
                // A text at no address is null; that of a missing key is not.
                let least = self.int(types::I64, 1);
                let address = self.b.ins().umax(text.address, least);
                Ok(Some(Operand::Text(Text { address, ..text })))
            }
            ("not", [Type::Bool]) => {
                let truth = self.value(args[0])?.truth();
                let opposite = self.b.ins().bxor_imm_u(truth.value, 1);
                Ok(Some(Operand::Truth(Truth { value: opposite, ..truth })))
            }
            _ => Ok(None),
        }
    }

    /// Says whether an operator over datetimes and timespans is lowered.
    fn is_time(&self, name: &str, left: Type, right: Type) -> bool {
        match name {
            "+" => matches!(
                (left, right),
                (Type::TimeSpan | Type::DateTime, Type::TimeSpan) | (Type::TimeSpan, Type::DateTime)
            ),
            "-" => matches!(
                (left, right),
                (Type::TimeSpan | Type::DateTime, Type::TimeSpan) | (Type::DateTime, Type::DateTime)
            ),
            _ => false,
        }
    }

    fn real(&mut self, name: &str, left: Clif, right: Clif) -> Clif {
        match name {
            "+" => self.b.ins().fadd(left, right),
            "-" => self.b.ins().fsub(left, right),
            "*" => self.b.ins().fmul(left, right),
            _ => self.b.ins().fdiv(left, right),
        }
    }

    fn long(&mut self, name: &str, (left, right): (Clif, Clif), null: Option<Clif>) -> Number {
        match name {
            "+" => Number { value: self.b.ins().iadd(left, right), null },
            "-" => Number { value: self.b.ins().isub(left, right), null },
            "*" => Number { value: self.b.ins().imul(left, right), null },
            _ => self.divided(name == "%", (left, right), null),
        }
    }

    /// Returns a quotient cut off toward zero, or a remainder that is never negative; null by zero.
    fn divided(&mut self, is_remainder: bool, (left, right): (Clif, Clif), null: Option<Clif>) -> Number {
        let by_zero = self.is_equal(right, 0);
        let by_minus_one = self.is_equal(right, -1);
        let is_special = self.either(by_zero, by_minus_one);
        let one = self.int(types::I64, 1);
        // Neither zero nor -1, whose quotient with the least long has no room.
        let divisor = self.b.ins().select(is_special, one, right);
        let value = if is_remainder {
            // By 1 it is 0, as by -1.
            let rest = self.b.ins().srem(left, divisor);
            let is_negative = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, rest, 0);
            let opposite = self.b.ins().ineg(divisor);
            let is_divisor_negative = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, divisor, 0);
            let size = self.b.ins().select(is_divisor_negative, opposite, divisor);
            let raised = self.b.ins().iadd(rest, size);
            self.b.ins().select(is_negative, raised, rest)
        } else {
            let quotient = self.b.ins().sdiv(left, divisor);
            let opposite = self.b.ins().ineg(left);
            self.b.ins().select(by_minus_one, opposite, quotient)
        };
        Number { value, null: self.either_null(null, Some(by_zero)) }
    }

    fn time(&mut self, name: &str, (left, right): (Clif, Clif), null: Option<Clif>, result: Type) -> Number {
        let value = if name == "+" { self.b.ins().iadd(left, right) } else { self.b.ins().isub(left, right) };
        // An overflow shows in the signs: of a sum, both operands differ from it; of a difference, its left one does
        // and so do the operands from each other.
        let first = self.b.ins().bxor(left, value);
        let second = if name == "+" { self.b.ins().bxor(right, value) } else { self.b.ins().bxor(left, right) };
        let both = self.b.ins().band(first, second);
        let overflows = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, both, 0);
        let is_outside = if result == Type::DateTime {
            let outside = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, value, TICKS_MAX);
            self.either(outside, overflows)
        } else {
            overflows
        };
        Number { value, null: self.either_null(null, Some(is_outside)) }
    }

    /// Cuts a real off; it saturates, and what is not finite is null.
    fn real_to_long(&mut self, number: Number) -> Operand {
        let value = self.b.ins().fcvt_to_sint_sat(types::I64, number.value);
        let size = self.b.ins().fabs(number.value);
        let infinity = self.b.ins().f64const(f64::INFINITY);
        let is_finite = self.b.ins().fcmp(FloatCC::LessThan, size, infinity);
        let outside = self.b.ins().bxor_imm_u(is_finite, 1);
        Operand::Number(Number { value, null: self.either_null(number.null, Some(outside)) })
    }

    /// Converts a dynamic to a long or int: an integer and a missing key at once, all else by the function's meaning.
    fn any_to_integer(&mut self, id: ExprId, arg: ExprId, ty: Type) -> Result<Operand, Refusal> {
        let any = self.any_value(arg)?;
        let join = self.join(ty);
        let (whole, other) = (self.b.create_block(), self.b.create_block());
        let tag = self.tag_of(any);
        let is_long = self.is_equal(tag, i64::from(tag::LONG));
        let is_missing = self.is_equal(tag, i64::from(tag::MISSING));
        let is_plain = self.either(is_long, is_missing);
        self.b.ins().brif(is_plain, whole, &[], other, &[]);

        self.b.switch_to_block(whole);
        let value = match ty {
            // An int wraps.
            Type::Int => {
                let low = self.b.ins().ireduce(types::I32, any.payload);
                self.b.ins().sextend(types::I64, low)
            }
            _ => any.payload,
        };
        self.jump_with(join, Operand::Number(Number { value, null: Some(is_missing) }));

        self.b.switch_to_block(other);
        if !self.has_left() {
            let converted = self.call_with(id, &[any])?;
            self.jump_with(join, converted);
        }
        Ok(self.enter(join, ty, true))
    }

    /// Converts a dynamic to a real: a number and a missing key at once, all else by the function's meaning.
    fn any_to_real(&mut self, id: ExprId, arg: ExprId) -> Result<Operand, Refusal> {
        let any = self.any_value(arg)?;
        let join = self.join(Type::Real);
        let (real, not_real) = (self.b.create_block(), self.b.create_block());
        let (whole, other) = (self.b.create_block(), self.b.create_block());
        let tag = self.tag_of(any);
        let is_real = self.is_equal(tag, i64::from(tag::REAL));
        self.b.ins().brif(is_real, real, &[], not_real, &[]);

        self.b.switch_to_block(real);
        let value = self.b.ins().bitcast(types::F64, MemFlagsData::new(), any.payload);
        self.jump_with(join, Operand::Number(Number { value, null: None }));

        self.b.switch_to_block(not_real);
        let is_long = self.is_equal(tag, i64::from(tag::LONG));
        let is_missing = self.is_equal(tag, i64::from(tag::MISSING));
        let is_plain = self.either(is_long, is_missing);
        self.b.ins().brif(is_plain, whole, &[], other, &[]);

        self.b.switch_to_block(whole);
        let value = self.b.ins().fcvt_from_sint(types::F64, any.payload);
        self.jump_with(join, Operand::Number(Number { value, null: Some(is_missing) }));

        self.b.switch_to_block(other);
        if !self.has_left() {
            let converted = self.call_with(id, &[any])?;
            self.jump_with(join, converted);
        }
        Ok(self.enter(join, Type::Real, true))
    }
}
