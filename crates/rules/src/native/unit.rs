//! Expressions of rules to functions, a unit of many together: one that is refused does not take the others with it.

use crate::compile::cells::Cell;
use crate::compile::rule::{Action, CompiledRule};
use crate::compile::set::BaseCells;
use dtq_ir::{Expr, ExprId, ExprKind, Program};
use dtq_jit::{Code, Compiler, Condition, Entry, EntryKind, Input, Refusal};
use dtq_record::otlp::fill::Level;
use dtq_source::Span;
use dtq_value::{Type, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Holds an expression of a rule that is to become a function.
pub(super) struct Wanted<'s> {
    /// Position of the rule.
    pub rule: usize,
    /// The expression that it stands for; `None` for all conditions of the rule on its records.
    pub expr: Option<ExprId>,
    pub program: Arc<Program>,
    pub root: ExprId,
    /// Where the cells of its table are found.
    pub inputs: &'s [Input],
}

/// Holds a function of a unit.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub code: Arc<Code>,
    pub index: u32,
    /// Whether it is one that is there soon, and is to be replaced.
    pub is_begun: bool,
}

/// Returns where each cell of a table is found; a cell that is computed from several slots has no input.
pub(super) fn inputs(base: &BaseCells) -> (Vec<Input>, BTreeSet<u32>) {
    let mut computed = BTreeSet::new();
    let inputs = base.cells.cells().iter().enumerate().map(|(position, cell)| match cell {
        Cell::Slot(slot) => Input::Slot(*slot),
        Cell::KeyOr { key, other } => Input::KeyOr { key: *key, other: *other },
        Cell::Mapped { .. } => {
            computed.insert(u32::try_from(position).expect("cells are bounded by the IR nodes that name them"));
            Input::Slot(0)
        }
    });
    (inputs.collect(), computed)
}

/// Returns what a rule wants as functions, and why some of it cannot be.
pub(super) fn wanted<'s>(
    position: usize,
    rule: &CompiledRule,
    inputs: &'s [Input],
    computed: &BTreeSet<u32>,
) -> (Vec<Wanted<'s>>, Option<Refusal>) {
    let mut program = rule.flat.program.clone();
    let of_record: Vec<ExprId> = rule
        .conditions
        .iter()
        .filter(|condition| condition.level == Level::Record)
        .map(|condition| condition.expr)
        .collect();
    let all = of_record.into_iter().rev().reduce(|rest, first| all_true(&mut program, first, rest));
    let mut roots: Vec<(Option<ExprId>, ExprId)> = all.into_iter().map(|root| (None, root)).collect();
    if matches!(rule.action, Action::Replace { .. }) {
        let choices = rule.values.iter().flatten().flat_map(|value| choices(&program, *value));
        roots.extend(choices.collect::<BTreeSet<_>>().into_iter().map(|choice| (Some(choice), choice)));
    }
    let program = Arc::new(program);
    let (mut wanted, mut refusal) = (Vec::new(), None);
    for (expr, root) in roots {
        if reads_any(&program, root, computed) {
            refusal = Some(Refusal::Construct("a column is computed from several fields".to_owned()));
            continue;
        }
        wanted.push(Wanted { rule: position, expr, program: Arc::clone(&program), root, inputs });
    }
    (wanted, refusal)
}

/// Adds that two conditions are true; unlike with `and`, the second is not evaluated where the first one is null.
fn all_true(program: &mut Program, first: ExprId, second: ExprId) -> ExprId {
    let mut add = |kind| program.add_expr(Expr { kind, ty: Type::Bool, span: Span::default() });
    let otherwise = add(ExprKind::Const(Value::Bool(false)));
    add(ExprKind::Case { arms: vec![(first, second)], otherwise })
}

/// Returns the conditions that decide between values.
pub(super) fn choices(program: &Program, root: ExprId) -> BTreeSet<ExprId> {
    let (mut found, mut seen, mut pending) = (BTreeSet::new(), BTreeSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let kind = &program.expr(id).kind;
        if let ExprKind::Case { arms, .. } = kind {
            found.extend(arms.iter().map(|(condition, _)| *condition));
        }
        pending.extend(kind.children());
    }
    found
}

fn reads_any(program: &Program, root: ExprId, cells: &BTreeSet<u32>) -> bool {
    let (mut seen, mut pending) = (BTreeSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &program.expr(id).kind {
            ExprKind::Column(cell) if cells.contains(cell) => return true,
            kind => pending.extend(kind.children()),
        }
    }
    false
}

impl Function {
    /// Returns the condition that it is.
    #[inline]
    pub fn condition(&self) -> Condition<'_> {
        self.code.condition(self.index)
    }
}

/// Compiles a unit: for each expression its function, or why there is none.
pub(super) fn compile(compiler: &Compiler, wanted: &[&Wanted<'_>], kind: EntryKind) -> Vec<Result<Function, Refusal>> {
    let entries: Vec<Entry<'_>> =
        wanted.iter().map(|one| Entry { program: &one.program, expr: one.root, inputs: one.inputs, kind }).collect();
    match compiler.compile(&entries) {
        Ok(code) => {
            let (code, is_begun) = (Arc::new(code), kind == EntryKind::First);
            (0..wanted.len() as u32).map(|index| Ok(Function { code: Arc::clone(&code), index, is_begun })).collect()
        }
        Err(refusal) if wanted.len() < 2 || matches!(refusal, Refusal::Memory(_) | Refusal::Target(_)) => {
            wanted.iter().map(|_| Err(refusal.clone())).collect()
        }
        Err(_) => {
            let (left, right) = wanted.split_at(wanted.len() / 2);
            compile(compiler, left, kind).into_iter().chain(compile(compiler, right, kind)).collect()
        }
    }
}
