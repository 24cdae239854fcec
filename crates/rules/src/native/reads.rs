//! Conditions of a rule to what of a record has to be read to decide them: tests that end a scan, and the slots that are
//! needed once a resource is known.
//!
//! For sets of one rule, where a record is settled with that rule. Conditions that could fail are read in full, so that
//! they fail as they do on the interpreter. Next: [`super::set`].

use crate::compile::cells::{Cell, Cells};
use crate::compile::rule::{CompiledRule, Failure};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_jit::{Guard, GuardTest, ScanLayout};
use dtq_record::otlp::fill::{Level, SlotPlan};
use dtq_value::{Type, Value};
use std::collections::BTreeSet;

/// Returns tests each of which fails only for records that the rule does not match.
///
/// A rule that says what happens to records that cannot be read has none: a scan that ends early does not find out.
pub(super) fn guards(rule: &CompiledRule, cells: &Cells, plan: &SlotPlan) -> Vec<Guard> {
    let mut guards = Vec::new();
    if rule.on_error != Failure::Pass || !rule.membership.is_empty() {
        return guards;
    }
    let program = &rule.flat.program;
    for condition in rule.conditions.iter().filter(|condition| condition.level == Level::Record) {
        let Some((guard, ty)) = guard(program, condition.expr, cells) else { break };
        if plan.level(guard.slot as usize) != Level::Record {
            break;
        }
        guards.push(guard);
        // What is behind a dynamic may turn out unreadable where the interpreter would have looked.
        if ty == Type::Dynamic {
            break;
        }
    }
    guards
}

/// Returns the test that a comparison of a column with a constant is, and the type of the column.
fn guard(program: &Program, id: ExprId, cells: &Cells) -> Option<(Guard, Type)> {
    let ExprKind::Call { function, args, .. } = &program.expr(id).kind else { return None };
    let [subject, constant] = args[..] else { return None };
    let subject = program.expr(subject);
    let (ExprKind::Column(cell), ExprKind::Const(constant)) = (&subject.kind, &program.expr(constant).kind) else {
        return None;
    };
    let Cell::Slot(slot) = cells.cells()[*cell as usize] else { return None };
    let number = match constant {
        Value::Long(number) => Some(*number),
        Value::Int(number) => Some(i64::from(*number)),
        _ => None,
    };
    let is_number = matches!(subject.ty, Type::Int | Type::Long | Type::Dynamic);
    let is_text = matches!(subject.ty, Type::String | Type::Dynamic);
    let test = match (function.name, number, constant) {
        (">=", Some(number), _) if is_number => GuardTest::IntAtLeast(number),
        ("<=", Some(number), _) if is_number => GuardTest::IntAtMost(number),
        (">", Some(number), _) if is_number => GuardTest::IntAtLeast(number.checked_add(1)?),
        ("<", Some(number), _) if is_number => GuardTest::IntAtMost(number.checked_sub(1)?),
        ("==", Some(number), _) if is_number => GuardTest::IntEquals(number),
        ("==", None, Value::String(text)) if is_text => GuardTest::TextEquals(text.as_bytes().into()),
        ("!=", None, Value::String(text)) if is_text => GuardTest::TextDiffers(text.as_bytes().into()),
        _ => return None,
    };
    Some((Guard { slot, test }, subject.ty))
}

/// Says which slots are read, by the bits of a scan's layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// These.
    Bits(u64),
    /// What both read.
    Both(Box<Reads>, Box<Reads>),
    /// What is read when a condition on the resource or scope is true, and when it is not.
    Either { test: ExprId, if_true: Box<Reads>, if_false: Box<Reads> },
}

impl Reads {
    /// Returns the bits, given what the conditions on resource and scope are.
    pub(crate) fn bits(&self, holds: &mut dyn FnMut(ExprId) -> Option<bool>) -> u64 {
        match self {
            Reads::Bits(bits) => *bits,
            Reads::Both(left, right) => left.bits(holds) | right.bits(holds),
            Reads::Either { test, if_true, if_false } => match holds(*test) {
                Some(true) => if_true.bits(holds),
                Some(false) => if_false.bits(holds),
                None => if_true.bits(holds) | if_false.bits(holds),
            },
        }
    }
}

/// Returns what is read to decide a condition.
pub(super) fn reads(program: &Program, id: ExprId, cells: &Cells, plan: &SlotPlan, layout: &ScanLayout) -> Reads {
    let of = |id: ExprId| Box::new(reads(program, id, cells, plan, layout));
    let none = || Box::new(Reads::Bits(0));
    match program.expr(id).kind {
        ExprKind::Or(left, right) if is_settled_outside(program, left, cells, plan) => {
            Reads::Either { test: left, if_true: none(), if_false: of(right) }
        }
        ExprKind::And(left, right) if is_settled_outside(program, left, cells, plan) => {
            Reads::Either { test: left, if_true: of(right), if_false: of(right) }
        }
        ExprKind::Or(left, right) | ExprKind::And(left, right) => Reads::Both(of(left), of(right)),
        _ => Reads::Bits(bits(program, id, cells, layout)),
    }
}

/// Says whether an expression is decided by resource and scope alone.
fn is_settled_outside(program: &Program, root: ExprId, cells: &Cells, plan: &SlotPlan) -> bool {
    let is_outside = |cell: u32| cells.level(cell, plan) < Level::Metric;
    let is_pure = crate::compile::lookup::is_pure(program, root);
    is_pure && columns(program, root).into_iter().all(is_outside)
}

fn bits(program: &Program, root: ExprId, cells: &Cells, layout: &ScanLayout) -> u64 {
    let slots = columns(program, root).into_iter().flat_map(|cell| cells.slots_of(cell));
    slots.fold(0, |bits, slot| bits | layout.bits(slot as usize))
}

/// Returns the cells that an expression reads, some of them twice.
pub(super) fn columns(program: &Program, root: ExprId) -> Vec<u32> {
    let (mut columns, mut seen, mut pending) = (Vec::new(), BTreeSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &program.expr(id).kind {
            ExprKind::Column(cell) => columns.push(*cell),
            kind => pending.extend(kind.children()),
        }
    }
    columns
}
