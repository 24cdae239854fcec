//! Comparisons of two numbers that are computed: sums, differences and products of integers, differences of datetimes.
//!
//! Integers wrap as in `dtq_value::scalar::arithmetic`. A field that holds anything but the number that is asked for makes
//! the comparison unknown. Next: `code.rs`.

use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Insn, Reg, Size, Width};
use crate::layout::{self, Reason, State};
use crate::predicate::atom::cond;
use crate::predicate::field::Fields;
use dtq_ir::condition::term::Term;
use dtq_value::{Type, Value};
use std::collections::BTreeSet;

/// How deep numbers are computed: each level needs a cell.
const DEPTH_MAX: usize = 5;

/// Holds a comparison of two numbers.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub(super) cond: Cond,
    pub(super) is_negated: bool,
    left: Number,
    right: Number,
}

/// Holds how a number of 64 bits is computed.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Const(i64),
    Field { field: i16, state: State, is_int: bool },
    Of(Alu, Box<Number>, Box<Number>),
}

impl Comparison {
    /// Returns the comparison that a term is, if it is one of these.
    pub(super) fn of(term: &Term, fields: &mut Fields<'_>) -> Option<Self> {
        let Term::Call { function, args, .. } = term else { return None };
        let [left, right] = args.as_slice() else { return None };
        let (name, is_negated) = if function.name == "!=" { ("==", true) } else { (function.name, false) };
        let cond = cond(name)?;
        let (left, left_type) = number(left, fields, DEPTH_MAX)?;
        let (right, right_type) = number(right, fields, DEPTH_MAX)?;
        (left_type == right_type).then_some(Self { cond, is_negated, left, right })
    }

    /// Returns the fields that it reads, all of which it needs.
    pub(super) fn fields(&self) -> BTreeSet<i16> {
        let mut found = BTreeSet::new();
        let mut open = vec![&self.left, &self.right];
        while let Some(number) = open.pop() {
            match number {
                Number::Const(_) => {}
                Number::Field { field, .. } => _ = found.insert(*field),
                Number::Of(_, left, right) => open.extend([&**left, &**right]),
            }
        }
        found
    }

    /// Adds what brings the numbers into `r6` and `r7`.
    pub(super) fn emit(&self, e: &mut Emitter, unknown: Label) {
        self.left.emit(e, 0, unknown);
        e.store(layout::JUDGE, Reg::R6);
        self.right.emit(e, 1, unknown);
        e.asm.mov(Reg::R7, Reg::R6);
        e.load(Reg::R6, layout::JUDGE);
    }
}

/// Returns how a number is computed, and whether it is an integer, a datetime or a timespan.
fn number(term: &Term, fields: &mut Fields<'_>, depth_left: usize) -> Option<(Number, Type)> {
    let depth_left = depth_left.checked_sub(1)?;
    match term {
        Term::Const(Value::Int(number)) => Some((Number::Const(i64::from(*number)), Type::Long)),
        Term::Const(Value::Long(number)) => Some((Number::Const(*number), Type::Long)),
        Term::Const(Value::DateTime(ticks)) => Some((Number::Const(*ticks), Type::DateTime)),
        Term::Const(Value::TimeSpan(ticks)) => Some((Number::Const(*ticks), Type::TimeSpan)),
        Term::Field(path, ty @ (Type::Int | Type::Long | Type::DateTime)) => {
            let field = fields.cell(path).ok()?;
            let is_datetime = *ty == Type::DateTime;
            let state = if is_datetime { State::DateTime } else { State::Long };
            let ty = if is_datetime { Type::DateTime } else { Type::Long };
            Some((Number::Field { field, state, is_int: false }, ty))
        }
        Term::Call { function, args, .. } => match (function.name, args.as_slice()) {
            ("tolong" | "toint", [Term::Field(path, Type::Dynamic)]) => {
                let field = fields.cell(path).ok()?;
                let is_int = function.name == "toint";
                Some((Number::Field { field, state: State::Long, is_int }, Type::Long))
            }
            // An int widens by itself.
            ("tolong", [inner @ Term::Field(_, Type::Int | Type::Long)]) => number(inner, fields, depth_left),
            (name, [left, right]) => {
                let (left, left_type) = number(left, fields, depth_left)?;
                let (right, right_type) = number(right, fields, depth_left)?;
                let (op, ty) = match (name, left_type, right_type) {
                    ("+", Type::Long, Type::Long) => (Alu::Add, Type::Long),
                    ("-", Type::Long, Type::Long) => (Alu::Sub, Type::Long),
                    ("*", Type::Long, Type::Long) => (Alu::Mul, Type::Long),
                    ("-", Type::DateTime, Type::DateTime) => (Alu::Sub, Type::TimeSpan),
                    _ => return None,
                };
                Some((Number::Of(op, Box::new(left), Box::new(right)), ty))
            }
            _ => None,
        },
        _ => None,
    }
}

impl Number {
    /// Returns how an integer is computed, if it is one of those.
    pub(crate) fn of_integer(term: &Term, fields: &mut Fields<'_>) -> Option<Self> {
        number(term, fields, DEPTH_MAX).filter(|(_, ty)| *ty == Type::Long).map(|(number, _)| number)
    }

    /// Adds what brings it into `r6`; cells of the judge from `depth` on are free.
    pub(crate) fn emit(&self, e: &mut Emitter, depth: i16, unknown: Label) {
        match self {
            Number::Const(number) => e.asm.mov_imm(Reg::R6, number.cast_unsigned()),
            Number::Field { field, state, is_int } => {
                let is_known = e.asm.label();
                e.load_state(Reg::R0, *field);
                e.asm.branch(Cond::Eq, Reg::R0, *state as i32, is_known);
                e.unknown(Reason::Condition, unknown);
                e.asm.bind(is_known);
                e.load(Reg::R6, field + 8);
                if *is_int {
                    let (dst, src) = (Reg::R6, Reg::R6);
                    e.asm.add(Insn::MovSigned { width: Width::Double, from: Size::Word, dst, src });
                }
            }
            Number::Of(op, left, right) => {
                let cell = layout::JUDGE + 8 * depth;
                left.emit(e, depth, unknown);
                e.store(cell, Reg::R6);
                right.emit(e, depth + 1, unknown);
                e.load(Reg::R7, cell);
                e.asm.alu(*op, Reg::R7, Reg::R6);
                e.asm.mov(Reg::R6, Reg::R7);
            }
        }
    }
}
