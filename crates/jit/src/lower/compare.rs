//! `==` and its kin, order, and membership in a list of constants.
//!
//! What has no instructions here (decimals, a long beside a real, text beside a number) is left to
//! `value::scalar::compare`. Next: `text.rs` for texts.

use super::Lowering;
use super::branch::{Target, Targets};
use crate::layout::tag;
use crate::operand::{Any, Number, Operand, Truth};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::{Type, Value};

/// Items of a list that are compared one by one; a longer list is a set.
const LIST_INLINE_MAX: usize = 8;

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "<" => Order::Less,
            "<=" => Order::LessOrEqual,
            ">" => Order::Greater,
            ">=" => Order::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) fn integer(self) -> IntCC {
        match self {
            Order::Less => IntCC::SignedLessThan,
            Order::LessOrEqual => IntCC::SignedLessThanOrEqual,
            Order::Greater => IntCC::SignedGreaterThan,
            Order::GreaterOrEqual => IntCC::SignedGreaterThanOrEqual,
        }
    }

    pub(super) fn real(self) -> FloatCC {
        match self {
            Order::Less => FloatCC::LessThan,
            Order::LessOrEqual => FloatCC::LessThanOrEqual,
            Order::Greater => FloatCC::GreaterThan,
            Order::GreaterOrEqual => FloatCC::GreaterThanOrEqual,
        }
    }

    /// Says whether two numbers stand in this order.
    pub(super) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Order::Less => left < right,
            Order::LessOrEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterOrEqual => left >= right,
        }
    }

    fn reversed(self) -> Self {
        match self {
            Order::Less => Order::Greater,
            Order::LessOrEqual => Order::GreaterOrEqual,
            Order::Greater => Order::Less,
            Order::GreaterOrEqual => Order::LessOrEqual,
        }
    }
}

/// Holds what a slot says of an order with a constant; all of it without branches.
struct SlotOrder {
    /// An `i8` that says whether the slot holds a number that is compared as it stands.
    is_plain: Clif,
    /// Whether the order holds then.
    holds: Clif,
    /// Whether nothing is there: the order is null.
    is_missing: Clif,
    order: Order,
}

/// Says whether values of two types are compared as two `i64`.
fn are_both_integers(left: Type, right: Type) -> bool {
    (left.is_integer() && right.is_integer()) || (left == right && matches!(left, Type::DateTime | Type::TimeSpan))
}

impl Lowering<'_, '_> {
    /// Lowers a comparison, or returns `None` when it has no instructions.
    pub(super) fn compare(&mut self, id: ExprId, name: &str, args: &[ExprId]) -> Result<Option<Operand>, Refusal> {
        let types: Vec<Type> = args.iter().map(|arg| self.program.expr(*arg).ty).collect();
        match (name, types.as_slice()) {
            ("==" | "!=", [left, right]) => self.equality(id, args, (*left, *right), name == "!="),
            ("<" | "<=" | ">" | ">=", [left, right]) => {
                if let Some(operand) = self.slot_order_truth(id, name, args)? {
                    return Ok(Some(operand));
                }
                let order = Order::of(name).expect("one of the four");
                self.ordering(id, args, (*left, *right), order)
            }
            ("between" | "!between", [value, low, high]) => {
                if !are_both_integers(*value, *low) || !are_both_integers(*value, *high) {
                    return Ok(None);
                }
                self.between(args, name == "!between").map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Lowers what most records decide of the order of a dynamic in a slot, or of what it is as a number, and a constant;
    /// `None` for any other comparison.
    fn slot_order(&mut self, name: &str, args: &[ExprId]) -> Result<Option<SlotOrder>, Refusal> {
        let program = self.program;
        let (Some(order), [left, right]) = (Order::of(name), args) else { return Ok(None) };
        let (subject, conversion) = match &program.expr(*left).kind {
            ExprKind::Call { function, args, .. } if args.len() == 1 => (args[0], Some(function.name)),
            _ => (*left, None),
        };
        let is_real = match conversion {
            None | Some("toint" | "tolong") => false,
            Some("toreal") => true,
            Some(_) => return Ok(None),
        };
        let integer = if is_real { None } else { self.constant_integer(*right) };
        let real = if is_real { self.constant_real(*right) } else { None };
        if integer.is_none() && real.is_none() {
            return Ok(None);
        }
        let Some(slot) = self.raw_slot(subject)? else { return Ok(None) };
        let tag = self.tag_of(slot);
        let holds = match (integer, real) {
            (Some(number), _) => {
                let mut content = slot.payload;
                if conversion == Some("toint") {
                    // An int wraps.
                    let low = self.b.ins().ireduce(types::I32, content);
                    content = self.b.ins().sextend(types::I64, low);
                }
                self.b.ins().icmp_imm_s(order.integer(), content, number)
            }
            (None, number) => {
                let content = self.b.ins().bitcast(types::F64, MemFlagsData::new(), slot.payload);
                let number = self.b.ins().f64const(number.expect("one of the two is there"));
                self.b.ins().fcmp(order.real(), content, number)
            }
        };
        let is_plain = self.is_equal(tag, i64::from(if is_real { tag::REAL } else { tag::LONG }));
        let is_missing = self.is_equal(tag, i64::from(tag::MISSING));
        Ok(Some(SlotOrder { is_plain, holds, is_missing, order }))
    }

    /// Lowers an order to branches where a slot decides it for most records, or says that it has none.
    pub(super) fn branch_order(&mut self, id: ExprId, targets: &Targets) -> Result<bool, Refusal> {
        let program = self.program;
        let ExprKind::Call { function, args, .. } = &program.expr(id).kind else { return Ok(false) };
        let Some(fast) = self.slot_order(function.name, args)? else { return Ok(false) };
        self.count_node()?;
        self.report.inlined(function.name);
        let (plain, other, slow) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.branch_if(fast.is_plain, &Target::to(plain), &Target::to(other));
        self.b.switch_to_block(plain);
        self.branch_if(fast.holds, &targets.yes, &targets.no);
        self.b.switch_to_block(other);
        self.branch_if(fast.is_missing, &targets.null, &Target::to(slow));
        self.b.switch_to_block(slow);
        self.b.set_cold_block(slow);
        if !self.has_left() {
            let mark = self.known.len();
            let truth = self.slow_order(id, args, fast.order)?.truth();
            self.branch_on(truth, targets);
            self.known.truncate(mark);
        }
        Ok(true)
    }

    /// Lowers an order to a value where a slot decides it for most records, or returns `None`.
    fn slot_order_truth(&mut self, id: ExprId, name: &str, args: &[ExprId]) -> Result<Option<Operand>, Refusal> {
        let Some(fast) = self.slot_order(name, args)? else { return Ok(None) };
        let join = self.join(Type::Bool);
        let (other, slow) = (self.b.create_block(), self.b.create_block());
        let (zero, one) = (self.int(types::I8, 0), self.int(types::I8, 1));
        self.b.ins().brif(fast.is_plain, join, &[fast.holds, zero].map(BlockArg::Value), other, &[]);
        self.b.switch_to_block(other);
        self.b.ins().brif(fast.is_missing, join, &[zero, one].map(BlockArg::Value), slow, &[]);
        self.b.switch_to_block(slow);
        self.b.set_cold_block(slow);
        if !self.has_left() {
            let mark = self.known.len();
            let order = self.slow_order(id, args, fast.order)?;
            self.known.truncate(mark);
            self.jump_with(join, order);
        }
        Ok(Some(self.enter(join, Type::Bool, true)))
    }

    /// Lowers an order of whatever a dynamic may hold.
    fn slow_order(&mut self, id: ExprId, args: &[ExprId], order: Order) -> Result<Operand, Refusal> {
        let types = (self.program.expr(args[0]).ty, self.program.expr(args[1]).ty);
        match self.ordering(id, args, types, order)? {
            Some(operand) => Ok(operand),
            None => {
                let cells = [self.any_value(args[0])?, self.any_value(args[1])?];
                self.call_with(id, &cells)
            }
        }
    }

    pub(super) fn constant_real(&self, id: ExprId) -> Option<f64> {
        match self.program.expr(id).kind {
            ExprKind::Const(Value::Real(number)) => Some(number),
            _ => self.exact_real(id),
        }
    }

    fn equality(
        &mut self,
        id: ExprId,
        args: &[ExprId],
        (left, right): (Type, Type),
        is_negated: bool,
    ) -> Result<Option<Operand>, Refusal> {
        match (left, right) {
            (Type::Dynamic, right) if right.is_integer() => {
                let any = self.any_value(args[0])?;
                let number = self.value(args[1])?.number();
                self.any_equality((id, true), any, (number, right), is_negated).map(Some)
            }
            (left, Type::Dynamic) if left.is_integer() => {
                let number = self.value(args[0])?.number();
                let any = self.any_value(args[1])?;
                self.any_equality((id, false), any, (number, left), is_negated).map(Some)
            }
            (Type::Bool, Type::Bool) => {
                let left = self.value(args[0])?.truth();
                let right = self.value(args[1])?.truth();
                let [left, right] = [left, right].map(|Truth { value, null }| Number { value, null });
                Ok(Some(self.number_equality(left, right, is_negated)))
            }
            (Type::Real, Type::Real) => self.two_numbers_equal(args, is_negated).map(Some),
            (left, right) if are_both_integers(left, right) => self.two_numbers_equal(args, is_negated).map(Some),
            _ => Ok(None),
        }
    }

    fn two_numbers_equal(&mut self, args: &[ExprId], is_negated: bool) -> Result<Operand, Refusal> {
        let left = self.value(args[0])?.number();
        let right = self.value(args[1])?.number();
        Ok(self.number_equality(left, right, is_negated))
    }

    pub(super) fn any_value(&mut self, id: ExprId) -> Result<Any, Refusal> {
        let operand = self.value(id)?;
        let ty = self.program.expr(id).ty;
        Ok(self.widened(operand, ty))
    }

    /// Returns whether two numbers of one type are equal: null when both are null, false when one is.
    fn number_equality(&mut self, left: Number, right: Number, is_negated: bool) -> Operand {
        let ty = self.b.func.dfg.value_type(left.value);
        let same = match (ty == types::F64, is_negated) {
            (true, false) => self.b.ins().fcmp(FloatCC::Equal, left.value, right.value),
            (true, true) => self.b.ins().fcmp(FloatCC::NotEqual, left.value, right.value),
            (false, false) => self.b.ins().icmp(IntCC::Equal, left.value, right.value),
            (false, true) => self.b.ins().icmp(IntCC::NotEqual, left.value, right.value),
        };
        let Some(one_null) = self.either_null(left.null, right.null) else { return Self::certain(same) };
        let value = if is_negated { self.either(same, one_null) } else { self.b.ins().band_not(same, one_null) };
        let null = match (left.null, right.null) {
            (Some(left), Some(right)) => Some(self.b.ins().band(left, right)),
            _ => None,
        };
        Operand::Truth(Truth { value, null })
    }

    /// Compares a dynamic with an integer: what is no number is null.
    fn any_equality(
        &mut self,
        (id, is_left): (ExprId, bool),
        any: Any,
        (number, ty): (Number, Type),
        is_negated: bool,
    ) -> Result<Operand, Refusal> {
        let join = self.join(Type::Bool);
        let (whole, other, slow) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(slow);
        let tag = self.tag_of(any);
        let is_whole = self.is_integer_tag(tag);
        self.b.ins().brif(is_whole, whole, &[], other, &[]);

        self.b.switch_to_block(whole);
        let content = Number { value: any.payload, null: None };
        let equal = self.number_equality(content, number, is_negated);
        self.jump_with(join, equal);

        self.b.switch_to_block(other);
        let (plain, is_slow) = (self.b.create_block(), self.is_real_or_outside(tag));
        self.b.ins().brif(is_slow, slow, &[], plain, &[]);
        self.b.switch_to_block(plain);
        // What is no number equals no number; that nothing is there equals a null number as null equals null.
        let differs = self.int(types::I8, i64::from(is_negated));
        let null = number.null.map(|null| {
            let is_missing = self.is_equal(tag, i64::from(tag::MISSING));
            self.b.ins().band(null, is_missing)
        });
        self.jump_with(join, Operand::Truth(Truth { value: differs, null }));

        self.b.switch_to_block(slow);
        if !self.has_left() {
            let typed = self.widened(Operand::Number(number), ty);
            let cells = if is_left { [any, typed] } else { [typed, any] };
            let answer = self.call_with(id, &cells)?;
            self.jump_with(join, answer);
        }
        Ok(self.enter(join, Type::Bool, number.null.is_some()))
    }

    fn is_integer_tag(&mut self, tag: Clif) -> Clif {
        let from_int = self.b.ins().iadd_imm_s(tag, -i64::from(tag::INT));
        self.b.ins().icmp_imm_u(IntCC::UnsignedLessThanOrEqual, from_int, i64::from(tag::LONG - tag::INT))
    }

    /// Says whether a tag is that of a real, or of a value that stands elsewhere (a decimal, an array).
    fn is_real_or_outside(&mut self, tag: Clif) -> Clif {
        let is_real = self.is_equal(tag, i64::from(tag::REAL));
        let is_outside = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, tag, i64::from(tag::HELD));
        self.either(is_real, is_outside)
    }

    fn ordering(
        &mut self,
        id: ExprId,
        args: &[ExprId],
        (left, right): (Type, Type),
        order: Order,
    ) -> Result<Option<Operand>, Refusal> {
        if (left == Type::Real && right == Type::Real) || are_both_integers(left, right) {
            let left = self.value(args[0])?.number();
            let right = self.value(args[1])?.number();
            return Ok(Some(self.number_order(left, right, order)));
        }
        if left == Type::Real
            && let Some(constant) = self.exact_real(args[1])
        {
            let left = self.value(args[0])?.number();
            let right = Number { value: self.b.ins().f64const(constant), null: None };
            return Ok(Some(self.number_order(left, right, order)));
        }
        if left == Type::Dynamic && right.is_integer() {
            let any = self.any_value(args[0])?;
            let number = self.value(args[1])?.number();
            return self.any_order((id, true), any, (number, right), order).map(Some);
        }
        if right == Type::Dynamic && left.is_integer() {
            let number = self.value(args[0])?.number();
            let any = self.any_value(args[1])?;
            return self.any_order((id, false), any, (number, left), order.reversed()).map(Some);
        }
        Ok(None)
    }

    /// Returns a constant integer as the real that it is exactly, if it is one.
    fn exact_real(&self, id: ExprId) -> Option<f64> {
        let number = match self.program.expr(id).kind {
            ExprKind::Const(Value::Long(number)) => number,
            ExprKind::Const(Value::Int(number)) => i64::from(number),
            _ => return None,
        };
        #[allow(clippy::cast_precision_loss, reason = "it has at most 53 bits")]
        (number.unsigned_abs() <= 1 << 53).then_some(number as f64)
    }

    /// Returns whether two numbers of one type stand in an order: null when one is null, false beside NaN.
    fn number_order(&mut self, left: Number, right: Number, order: Order) -> Operand {
        let holds = if self.b.func.dfg.value_type(left.value) == types::F64 {
            self.b.ins().fcmp(order.real(), left.value, right.value)
        } else {
            self.b.ins().icmp(order.integer(), left.value, right.value)
        };
        let null = self.either_null(left.null, right.null);
        Operand::Truth(Truth { value: holds, null })
    }

    /// Returns the order of a dynamic and an integer: null when it holds no number (a bool is one).
    fn any_order(
        &mut self,
        (id, is_left): (ExprId, bool),
        any: Any,
        (number, ty): (Number, Type),
        order: Order,
    ) -> Result<Operand, Refusal> {
        let join = self.join(Type::Bool);
        let (whole, other, slow) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(slow);
        let tag = self.tag_of(any);
        let is_whole = self.is_integer_tag(tag);
        self.b.ins().brif(is_whole, whole, &[], other, &[]);

        self.b.switch_to_block(whole);
        let content = Number { value: any.payload, null: None };
        let holds = self.number_order(content, number, order);
        self.jump_with(join, holds);

        self.b.switch_to_block(other);
        let is_bool = self.is_equal(tag, i64::from(tag::BOOL));
        let is_outside = self.is_real_or_outside(tag);
        let is_slow = self.either(is_bool, is_outside);
        let one = self.int(types::I8, 1);
        self.b.ins().brif(is_slow, slow, &[], join, &[one, one].map(BlockArg::Value));

        self.b.switch_to_block(slow);
        if !self.has_left() {
            let typed = self.widened(Operand::Number(number), ty);
            let cells = if is_left { [any, typed] } else { [typed, any] };
            let answer = self.call_with(id, &cells)?;
            self.jump_with(join, answer);
        }
        Ok(self.enter(join, Type::Bool, true))
    }

    /// `value between (low .. high)`: both orders, with the nulls of `and`.
    fn between(&mut self, args: &[ExprId], is_negated: bool) -> Result<Operand, Refusal> {
        let mut numbers = Vec::with_capacity(3);
        for arg in args {
            numbers.push(self.value(*arg)?.number());
        }
        let from = self.number_order(numbers[0], numbers[1], Order::GreaterOrEqual).truth();
        let to = self.number_order(numbers[0], numbers[2], Order::LessOrEqual).truth();
        // False wins over null.
        let from_false = self.certainly_false(from);
        let to_false = self.certainly_false(to);
        let one_false = self.either(from_false, to_false);
        let null = self.either_null(from.null, to.null).map(|null| self.b.ins().band_not(null, one_false));
        let value = if is_negated { one_false } else { self.b.ins().bxor_imm_u(one_false, 1) };
        Ok(Operand::Truth(Truth { value, null }))
    }

    /// Returns an `i8` that says whether a bool is false and not null.
    fn certainly_false(&mut self, truth: Truth) -> Clif {
        let opposite = self.b.ins().bxor_imm_u(truth.value, 1);
        match truth.null {
            Some(null) => self.b.ins().band_not(opposite, null),
            None => opposite,
        }
    }

    /// Lowers membership of an integer in a few constant integers, or returns `None`.
    ///
    /// A null is in no list of integers, and so outside of each.
    pub(super) fn in_integers(&mut self, args: &[ExprId], is_negated: bool) -> Result<Option<Operand>, Refusal> {
        let (value, items) = args.split_first().expect("`in` has a value");
        let numbers: Option<Vec<i64>> = items.iter().map(|item| self.constant_integer(*item)).collect();
        let Some(numbers) = numbers else { return Ok(None) };
        if !self.program.expr(*value).ty.is_integer() || items.is_empty() || items.len() > LIST_INLINE_MAX {
            return Ok(None);
        }
        let number = self.value(*value)?.number();
        let mut found = self.int(types::I8, 0);
        for item in numbers {
            let is_item = self.b.ins().icmp_imm_s(IntCC::Equal, number.value, item);
            found = self.either(found, is_item);
        }
        if let Some(null) = number.null {
            found = self.b.ins().band_not(found, null);
        }
        let value = if is_negated { self.b.ins().bxor_imm_u(found, 1) } else { found };
        Ok(Some(Self::certain(value)))
    }

    pub(super) fn constant_integer(&self, id: ExprId) -> Option<i64> {
        match &self.program.expr(id).kind {
            ExprKind::Const(Value::Long(number)) => Some(*number),
            ExprKind::Const(Value::Int(number)) => Some(i64::from(*number)),
            _ => None,
        }
    }

    /// Returns the texts of the items of a list when they are few constant strings.
    pub(super) fn few_texts(&self, items: &[ExprId]) -> Option<Vec<dtq_value::Str>> {
        if items.len() > LIST_INLINE_MAX {
            return None;
        }
        items.iter().map(|item| self.constant_text(*item)).collect()
    }

    /// Returns the outcomes of a bool that is never null as a pair.
    pub(super) fn two_ways(targets: &Targets, is_negated: bool) -> (Target, Target) {
        if is_negated { (targets.no.clone(), targets.yes.clone()) } else { (targets.yes.clone(), targets.no.clone()) }
    }
}
