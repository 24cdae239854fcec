//! What the tests of native code share: expressions from text, rows of extremes, and the comparison of both engines.

#![allow(dead_code, unused_imports, reason = "each test uses a part")]

use dtq_generate::Events;
pub use dtq_generate::conditions::condition as hot_condition;
pub use dtq_generate::values::rows;
use dtq_interp::{Cells, Interpreter};
use dtq_ir::{ExprId, Program, RelKind};
use dtq_jit::{Code, Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries, Verdict};
use dtq_opt::{Root, optimize_roots};
use dtq_record::checked::CheckedRecords;
use dtq_record::slot::{Buffer, Buffers, Slot};
use dtq_sema::Options;
use dtq_source::Limits;
use dtq_source::diagnostic::has_errors;
use dtq_value::scalar::{Context, Fault};
use dtq_value::{Type, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// What was refused, with the reason.
    pub static REFUSED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

const NOW_TICKS: i64 = 638_396_640_000_000_000;

/// Returns a number that the environment sets.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub fn limits() -> Limits {
    Limits { value_bytes_max: 1 << 16, ..Limits::default() }
}

pub fn context() -> Context {
    Context::new(limits(), NOW_TICKS, 7)
}

/// Returns the program and expression of a text over the columns of `Events`, when it is accepted.
pub fn expression(text: &str) -> Option<(Program, ExprId)> {
    let options = Options { limits: limits(), params: BTreeMap::new(), probe: None, now_ticks: NOW_TICKS };
    let (ast, diagnostics) = dtq_syntax::parse(&format!("Events | project x = {text}"), &options.limits);
    if has_errors(&diagnostics) {
        return None;
    }
    let (program, _) = dtq_sema::lower(&ast, &Events, &options);
    let program = program?;
    let RelKind::Project { exprs, .. } = &program.rel(program.outputs[0].rel).kind else { return None };
    let expr = *exprs.first()?;
    Some((program, expr))
}

/// Says whether two results are the same: reals by bits but for NaN, faults by code.
pub fn same(left: &Result<Value, Fault>, right: &Result<Value, Fault>) -> bool {
    match (left, right) {
        (Ok(a), Ok(b)) => is_same(a, b),
        (Err(a), Err(b)) => a.code == b.code,
        _ => false,
    }
}

fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_same(a, b)),
        (Value::Bag(a), Value::Bag(b)) => {
            a.iter().len() == b.iter().len() && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1))
        }
        _ => left == right,
    }
}

/// How many pairs of expression and row were compared, by engine; each with the interpreter of the program as it is
/// written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs {
    pub optimized: usize,
    pub native: usize,
    pub native_optimized: usize,
}

impl Pairs {
    pub fn add(&mut self, other: Pairs) {
        self.optimized += other.optimized;
        self.native += other.native;
        self.native_optimized += other.native_optimized;
    }

    /// Returns how many there were on the engine that has the fewest.
    pub fn least(self) -> usize {
        self.optimized.min(self.native).min(self.native_optimized)
    }
}

/// Holds an expression as it is written, after the optimizer, and as native code of both.
pub struct Expression {
    program: Program,
    expr: ExprId,
    optimized: Program,
    /// The value, and for bools the condition of which only the truth counts.
    roots: Vec<ExprId>,
    code: Code,
}

/// A fault that says that a bound was passed, which the optimizer may do without.
pub fn is_bound(result: &Result<Value, Fault>) -> bool {
    use dtq_source::Code::{E2901, E3001, E3002, E3003};
    result.as_ref().is_err_and(|fault| matches!(fault.code, E2901 | E3001 | E3002 | E3003))
}

impl Expression {
    /// Returns the expression on every engine; `None` when there is no native code.
    pub fn new(
        compiler: &Compiler,
        (program, expr): (&Program, ExprId),
        inputs: &[Input],
        options: &dtq_opt::Options,
        text: &str,
    ) -> Option<Self> {
        let is_bool = program.expr(expr).ty == Type::Bool;
        let asked = if is_bool { &[false, true][..] } else { &[false] };
        let roots: Vec<Root> = asked.iter().map(|is_condition| Root { expr, is_condition: *is_condition }).collect();
        let (optimized, roots, _) = optimize_roots(program, &roots, options, &|_| true);
        let entry = |program, expr, kind| Entry { program, expr, inputs, kind };
        let mut entries = vec![entry(program, expr, EntryKind::Value), entry(&optimized, roots[0], EntryKind::Value)];
        if is_bool {
            entries.extend([EntryKind::Condition, EntryKind::Filter].map(|kind| entry(program, expr, kind)));
            entries.push(entry(&optimized, roots[1], EntryKind::Filter));
            entries.extend([(program, expr), (&optimized, roots[1])].map(|(program, expr)| {
                let is_over_rows = inputs.iter().any(|input| matches!(input, Input::Row(_)));
                // Many records are read from slots.
                entry(program, expr, if is_over_rows { EntryKind::Filter } else { EntryKind::Many })
            }));
            let firsts = [(program, expr), (&optimized, roots[1])];
            entries.extend(firsts.map(|(program, expr)| entry(program, expr, EntryKind::First)));
            if inputs.iter().all(|input| !matches!(input, Input::Row(_))) {
                entries.push(entry(program, expr, EntryKind::Checked));
                entries.push(entry(&optimized, roots[1], EntryKind::Checked));
            }
        }
        match compiler.compile(&entries) {
            Ok(code) => Some(Self { program: program.clone(), expr, optimized, roots, code }),
            Err(refusal) => {
                REFUSED.with_borrow_mut(|refused| refused.push(format!("{refusal}\n{text}")));
                None
            }
        }
    }

    pub fn is_bool(&self) -> bool {
        self.roots.len() > 1
    }

    /// Returns the code: values of both programs, and for bools condition and filter, the filter after the optimizer, both
    /// over many records, both without what is slow, and over slots both over many checked records.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Returns what the interpreter says, which it says of the optimized program too.
    pub fn interpreted<R: Cells + ?Sized>(&self, row: &R, text: &str) -> Result<Value, Fault> {
        let interpreter = Interpreter::new(&self.program).expect("it is not nested too deeply");
        let expected = interpreter.eval(self.expr, row, &mut context());
        let interpreter = Interpreter::new(&self.optimized).expect("it is not nested more deeply");
        let found = interpreter.eval(self.roots[0], row, &mut context());
        let is_same = same(&expected, &found) || is_bound(&expected);
        assert!(is_same, "{text}\nis {expected:?}\nbut optimized {found:?}\n{}", self.printed());
        if let Some(root) = self.roots.get(1) {
            let found = interpreter.holds(*root, row, &mut context()).map(Value::Bool);
            let wanted = truth(&expected);
            let is_same = same(&wanted, &found) || is_bound(&expected);
            assert!(is_same, "{text}\nas a condition is {wanted:?}\nbut optimized {found:?}\n{}", self.printed());
        }
        expected
    }

    /// Checks what native code says, given by the position of a function.
    pub fn check_native(
        &self,
        expected: &Result<Value, Fault>,
        value: impl Fn(u32) -> Result<Value, Fault>,
        verdict: impl Fn(u32) -> Result<Verdict, Fault>,
        text: &dyn Fn() -> String,
    ) {
        for (index, is_optimized) in [(0, false), (1, true)] {
            let found = value(index);
            let is_same = same(expected, &found) || (is_optimized && is_bound(expected));
            assert!(
                is_same,
                "{}\nis {expected:?}\nbut natively (optimized: {is_optimized}) {found:?}\n{}",
                text(),
                self.printed()
            );
        }
        if self.is_bool() {
            check_verdicts(expected, (verdict(2), verdict(3)), text);
            for index in [4, 7, 8] {
                let found = verdict(index);
                if found == Ok(Verdict::Left) && self.code.leaves(index) {
                    continue;
                }
                let found = found.map(|verdict| Value::Bool(verdict == Verdict::True));
                let is_same = same(&truth(expected), &found) || (index != 7 && is_bound(expected));
                let printed = self.printed();
                assert!(is_same, "{}\nis {expected:?}\nbut as filter {index} {found:?}\n{printed}", text());
            }
        }
    }

    pub fn printed(&self) -> String {
        format!("{}\n{}", dtq_ir::text::print(&self.program), dtq_ir::text::print(&self.optimized))
    }
}

/// Returns whether a condition is true, as a filter asks it.
pub fn truth(result: &Result<Value, Fault>) -> Result<Value, Fault> {
    result.clone().map(|value| Value::Bool(value == Value::Bool(true)))
}

/// Compares all engines over rows, and returns how many pairs there were; `None` when there is no native code.
pub fn compare(
    compiler: &Compiler,
    (program, expr): (&Program, ExprId),
    rows: &[Vec<Value>],
    text: &str,
) -> Option<Pairs> {
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Row).collect();
    let expression = Expression::new(compiler, (program, expr), &inputs, &dtq_opt::Options::default(), text)?;
    let code = expression.code();
    for row in rows {
        let expected = expression.interpreted(row.as_slice(), text);
        let fresh = || NativeContext::new(context());
        expression.check_native(
            &expected,
            |index| code.value(index).eval_row(&mut fresh(), &NoSubqueries, row),
            |index| code.condition(index).decide_row(&mut fresh(), &NoSubqueries, row),
            &|| format!("{text}\nover {row:?}"),
        );
    }
    Some(Pairs { optimized: rows.len(), native: rows.len(), native_optimized: rows.len() })
}

/// Returns slots that mean the same, all their views of one arena.
pub fn in_arena(slots: &[Slot], buffers: &Buffers<'_>, arena: &mut Vec<u8>) -> Vec<Slot> {
    let moved = slots.iter().map(|slot| match slot.as_bytes(buffers) {
        Some(bytes) => {
            let offset = arena.len() as u32;
            arena.extend_from_slice(bytes);
            Slot::view(slot.tag(), Buffer::Arena, slot.aux(), offset, bytes.len() as u32)
        }
        None => *slot,
    });
    moved.collect()
}

/// Checks the verdicts of checked records; where one fails, it goes on behind it.
pub fn check_checked(expression: &Expression, rows: &[Slot], arena: &[u8], all: &[Result<Value, Fault>], text: &str) {
    let width = rows.len() / all.len().max(1);
    for index in [9, 10] {
        let (mut ctx, mut start) = (NativeContext::new(context()), 0);
        while start < all.len() {
            let mut records = CheckedRecords::new(width);
            records.fill(&rows[start * width..], arena.to_vec()).expect("the views are of the arena");
            let mut out = vec![9; records.record_count()];
            let condition = expression.code().condition(index);
            let (done, fault) = condition.decide_checked(&mut ctx, &NoSubqueries, &records, &mut out);
            for (at, verdict) in out[..done].iter().enumerate() {
                let expected = &all[start + at];
                let wanted = truth(expected).map(|wanted| Value::Bool(true) == wanted);
                let is_same = wanted.is_ok_and(|wanted| *verdict == u8::from(wanted)) || is_bound(expected);
                let slots = &rows[(start + at) * width..][..width];
                let printed = expression.printed();
                assert!(is_same, "{text}\nis {expected:?}\nbut checked {verdict} ({index})\n{printed}\n{slots:?}");
            }
            start += done;
            match fault {
                Some(fault) => {
                    assert!(all[start].as_ref().is_err_and(|wanted| wanted.code == fault.code), "{text}\n{fault:?}");
                    start += 1;
                }
                None => assert_eq!(start, all.len(), "{text}"),
            }
        }
    }
}

fn check_verdicts(
    expected: &Result<Value, Fault>,
    (verdict, filter): (Result<Verdict, Fault>, Result<Verdict, Fault>),
    text: &dyn Fn() -> String,
) {
    match expected {
        Ok(value) => {
            let is_true = *value == Value::Bool(true);
            let wanted = match value {
                Value::Null => Verdict::Null,
                _ if is_true => Verdict::True,
                _ => Verdict::False,
            };
            assert_eq!(verdict, Ok(wanted), "as a condition: {}", text());
            assert_eq!(filter, Ok(if is_true { Verdict::True } else { Verdict::False }), "as a filter: {}", text());
        }
        Err(fault) => {
            assert_eq!(verdict.map_err(|found| found.code), Err(fault.code), "as a condition: {}", text());
            assert_eq!(filter.map_err(|found| found.code), Err(fault.code), "as a filter: {}", text());
        }
    }
}

/// Checks that a call panics with this message.
pub fn panics_with(wanted: &str, call: impl FnOnce(&mut NativeContext)) {
    let mut ctx = NativeContext::new(context());
    let caught = catch_unwind(AssertUnwindSafe(|| call(&mut ctx))).expect_err(wanted);
    let message = caught.downcast_ref::<String>().cloned();
    let message = message.or_else(|| caught.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    assert!(message.contains(wanted), "{message}");
}
