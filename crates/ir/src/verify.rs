//! Checks that a program keeps the rules its readers rely on; it runs after sema, after each pass, before each backend.
//!
//! A violation is our own bug, never the user's: callers may `assert!` on it. Checked: nodes refer only to nodes before
//! them; columns exist and have the type stated; calls fit their signature; conditions are bools; every relation has as
//! many expressions, of the types of its columns, as it says.

use crate::aggregate::AggregateKind;
use crate::expr::{ExprId, ExprKind};
use crate::function::{ParamKind, Returns, Signature};
use crate::program::Program;
use crate::rel::{AggregateCall, JoinKind, MakeSeries, MvItem, RelId, RelKind, SortKey, TopNestedLevel, WindowCall};
use dtq_record::stream::Column;
use dtq_value::{Type, Value};
use std::collections::HashSet;

/// Holds the first violation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The relation in whose context it was found; `None` for a node no relation uses.
    pub rel: Option<RelId>,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rel {
            Some(rel) => write!(f, "@{}: {}", rel.0, self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Violation {}

type Checked = Result<(), String>;

/// Checks a program.
///
/// # Errors
/// The first rule that is broken, with the relation in which it is.
pub fn verify(program: &Program) -> Result<(), Violation> {
    for index in 0..program.exprs().len() {
        let id = ExprId(index as u32);
        order_of_expr(program, id).map_err(|message| Violation { rel: None, message })?;
    }
    for index in 0..program.rels().len() {
        let id = RelId(index as u32);
        let checked = order_of_rel(program, id).and_then(|()| check_rel(program, id));
        checked.map_err(|message| Violation { rel: Some(id), message })?;
    }
    for output in &program.outputs {
        if output.rel.0 as usize >= program.rels().len() {
            return Err(Violation { rel: None, message: format!("output `{}` does not exist", output.name) });
        }
    }
    Ok(())
}

/// Checks the types of an expression over a row whose columns have the types that it states; relations inside that the
/// program does not have are somebody else's.
///
/// What is typed wrongly is misread by native code, which goes by types alone.
///
/// # Errors
/// The first rule that is broken.
pub fn verify_expr(program: &Program, root: ExprId) -> Result<(), Violation> {
    let mut row = Row { program, columns: None, seen: HashSet::new() };
    row.check(root).map(|_| ()).map_err(|message| Violation { rel: None, message })
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}

fn order_of_expr(program: &Program, id: ExprId) -> Checked {
    let kind = &program.expr(id).kind;
    for child in kind.children() {
        ensure(child < id, || format!("%{} refers to %{}, which is not before it", id.0, child.0))?;
    }
    match kind {
        ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. } => {
            ensure((rel.0 as usize) < program.rels().len(), || format!("%{} refers to @{}", id.0, rel.0))
        }
        ExprKind::Call { pooled: Some(pooled), .. } => {
            ensure((pooled.0 as usize) < program.pool().len(), || format!("%{} refers to pool {}", id.0, pooled.0))
        }
        _ => Ok(()),
    }
}

fn order_of_rel(program: &Program, id: RelId) -> Checked {
    let kind = &program.rel(id).kind;
    for child in kind.inputs() {
        ensure(child < id, || format!("it refers to @{}, which is not before it", child.0))?;
    }
    for expr in kind.exprs() {
        ensure((expr.0 as usize) < program.exprs().len(), || format!("there is no %{}", expr.0))?;
    }
    Ok(())
}

/// Checks expressions against the row they see; remembers what was checked, since nodes are shared.
struct Row<'a> {
    program: &'a Program,
    /// `None` where columns have the types that expressions state.
    columns: Option<&'a [Column]>,
    seen: HashSet<ExprId>,
}

impl<'a> Row<'a> {
    fn new(program: &'a Program, columns: &'a [Column]) -> Self {
        Self { program, columns: Some(columns), seen: HashSet::new() }
    }

    fn of(program: &'a Program, rel: RelId) -> Self {
        Self::new(program, &program.rel(rel).columns)
    }

    fn ty(&self, id: ExprId) -> Type {
        self.program.expr(id).ty
    }

    /// Checks a tree; iterative, since a chain can be long.
    fn check(&mut self, id: ExprId) -> Result<Type, String> {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if self.seen.insert(id) {
                self.check_node(id)?;
                open.extend(self.program.expr(id).kind.children());
            }
        }
        Ok(self.ty(id))
    }

    fn expect(&mut self, id: ExprId, ty: Type) -> Checked {
        let found = self.check(id)?;
        ensure(found == ty, || format!("%{} is a {found}, not a {ty}", id.0))
    }

    fn check_node(&self, id: ExprId) -> Checked {
        let expr = self.program.expr(id);
        let ty = expr.ty;
        let same = |other: ExprId, wanted: Type| {
            let found = self.ty(other);
            ensure(found == wanted, || format!("%{}: operand %{} is a {found}, not a {wanted}", id.0, other.0))
        };
        match &expr.kind {
            ExprKind::Const(value) => check_const(value, ty).map_err(|message| format!("%{}: {message}", id.0)),
            ExprKind::Column(index) => self.check_column(id, *index),
            ExprKind::Call { function, signature, args, .. } => {
                let found = function.signatures.get(*signature as usize);
                let found = found.ok_or_else(|| format!("%{}: no signature {signature}", id.0))?;
                let types: Vec<Type> = args.iter().map(|arg| self.ty(*arg)).collect();
                check_call(found, &types, ty).map_err(|message| format!("%{}: `{}` {message}", id.0, function.name))
            }
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                same(*left, Type::Bool)?;
                same(*right, Type::Bool)?;
                ensure(ty == Type::Bool, || format!("%{} must be a bool", id.0))
            }
            ExprKind::Case { arms, otherwise } => {
                for (condition, value) in arms {
                    same(*condition, Type::Bool)?;
                    same(*value, ty)?;
                }
                same(*otherwise, ty)
            }
            ExprKind::Coalesce(items) => items.iter().try_for_each(|item| same(*item, ty)),
            ExprKind::Property { base, .. } => same(*base, Type::Dynamic),
            ExprKind::Element { base, index } => {
                same(*base, Type::Dynamic)?;
                let index_type = self.ty(*index);
                let fits = matches!(index_type, Type::Long | Type::String);
                ensure(fits, || format!("%{}: the index is a {index_type}", id.0))
            }
            ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. }
                if self.columns.is_none() && rel.0 as usize >= self.program.rels().len() =>
            {
                Ok(())
            }
            ExprKind::Scalar(rel) => self.check_scalar(*rel, ty),
            ExprKind::InRel { value, rel, .. } => {
                let columns = &self.program.rel(*rel).columns;
                let first = columns.first().ok_or_else(|| format!("@{} has no column", rel.0))?;
                same(*value, first.ty)?;
                ensure(ty == Type::Bool, || format!("%{} must be a bool", id.0))
            }
        }
    }

    fn check_column(&self, id: ExprId, index: u32) -> Checked {
        let ty = self.ty(id);
        let Some(columns) = self.columns else { return Ok(()) };
        let column = columns.get(index as usize);
        let column = column.ok_or_else(|| format!("%{}: there is no column {index}", id.0))?;
        ensure(column.ty == ty, || format!("%{}: column `{}` is a {}, not a {ty}", id.0, column.name, column.ty))
    }

    fn check_scalar(&self, rel: RelId, ty: Type) -> Checked {
        let columns = &self.program.rel(rel).columns;
        let first = columns.first().ok_or_else(|| format!("@{} has no column", rel.0))?;
        ensure(first.ty == ty, || format!("@{} gives a {}, not a {ty}", rel.0, first.ty))
    }
}

fn check_const(value: &Value, ty: Type) -> Checked {
    let fits = match value {
        Value::Null => ty != Type::String,
        Value::Bool(_) => ty == Type::Bool,
        Value::Int(_) => ty == Type::Int,
        Value::Long(_) => ty == Type::Long,
        Value::Real(_) => ty == Type::Real,
        Value::Decimal(_) => ty == Type::Decimal,
        Value::String(_) => ty == Type::String,
        Value::DateTime(_) => ty == Type::DateTime,
        Value::TimeSpan(_) => ty == Type::TimeSpan,
        Value::Guid(_) => ty == Type::Guid,
        Value::Array(_) | Value::Bag(_) => false,
    };
    ensure(fits || ty == Type::Dynamic, || format!("the constant {value:?} is not a {ty}"))
}

fn check_call(signature: &Signature, types: &[Type], ty: Type) -> Checked {
    ensure(signature.takes(types.len()), || format!("does not take {} arguments", types.len()))?;
    let mut common = None;
    for (index, found) in types.iter().enumerate() {
        let param = signature.param(index).ok_or("has fewer parameters")?;
        ensure(param.kind.accepts(*found), || format!("does not take a {found} as argument {index}"))?;
        if param.kind == ParamKind::Common {
            let first = *common.get_or_insert(*found);
            ensure(first == *found, || format!("has arguments of types {first} and {found}"))?;
        }
    }
    let wanted = match signature.returns {
        Returns::Type(ty) => Some(ty),
        Returns::Param(index) => types.get(index).copied(),
        Returns::Common => common,
        Returns::Widened => common.map(|ty| if ty == Type::Int { Type::Long } else { ty }),
        Returns::TypeOf(_) => None,
    };
    ensure(wanted.is_none_or(|wanted| wanted == ty), || format!("does not give a {ty}"))
}

fn check_rel(program: &Program, id: RelId) -> Checked {
    let rel = program.rel(id);
    let constant = || Row::new(program, &[]);
    match &rel.kind {
        RelKind::Scan { .. } | RelKind::Input => Ok(()),
        RelKind::Values { rows } => check_values(rows, &rel.columns),
        RelKind::Range { from, to, step } => check_range(program, &rel.columns, [*from, *to, *step]),
        RelKind::Filter { input, predicate } => {
            Row::of(program, *input).expect(*predicate, Type::Bool)?;
            same_columns(program, &rel.columns, *input)
        }
        RelKind::Project { input, exprs } => check_project(&mut Row::of(program, *input), exprs, &rel.columns),
        RelKind::Take { input, count } | RelKind::Sample { input, count } => {
            constant().expect(*count, Type::Long)?;
            same_columns(program, &rel.columns, *input)
        }
        RelKind::Distinct { input } | RelKind::Materialize { input } => same_columns(program, &rel.columns, *input),
        RelKind::Aggregate { input, keys, aggregates } => {
            check_aggregates(Row::of(program, *input), keys, aggregates, &rel.columns)
        }
        RelKind::Sort { input, keys } => {
            check_sort(&mut Row::of(program, *input), keys)?;
            same_columns(program, &rel.columns, *input)
        }
        RelKind::Top { input, count, keys } => {
            constant().expect(*count, Type::Long)?;
            check_sort(&mut Row::of(program, *input), keys)?;
            same_columns(program, &rel.columns, *input)
        }
        RelKind::Join { left, right, kind, keys } => check_join(program, &rel.columns, (*left, *right), *kind, keys),
        RelKind::Union { inputs } => inputs.iter().try_for_each(|input| same_columns(program, &rel.columns, *input)),
        RelKind::MvExpand { input, items, limit, .. } => {
            limit.map_or(Ok(()), |limit| constant().expect(limit, Type::Long))?;
            check_mv_items(&mut Row::of(program, *input), items, &rel.columns)
        }
        RelKind::MvApply { input, body } => {
            let columns = program.rel(*input).columns.iter().chain(&program.rel(*body).columns);
            same_types(&rel.columns, &columns.map(|column| column.ty).collect::<Vec<_>>())
        }
        RelKind::Partition { input, key, body } => {
            Row::of(program, *input).check(*key)?;
            same_columns(program, &rel.columns, *body)
        }
        RelKind::Parse(parse) => Row::of(program, parse.input).expect(parse.value, Type::String),
        RelKind::ParseKv(parse) => Row::of(program, parse.input).expect(parse.value, Type::String),
        RelKind::Window { input, calls } => check_window(program, *input, calls, &rel.columns),
        RelKind::MakeSeries(series) => check_make_series(Row::of(program, series.input), series, &rel.columns),
        RelKind::TopNested { input, levels } => check_top_nested(Row::of(program, *input), levels, &rel.columns),
        RelKind::ScanSteps(scan) => check_all(&mut Row::of(program, scan.input), &scan.partition).map(|_| ()),
        RelKind::BagUnpack { input, bag, .. } => {
            let column = program.rel(*input).columns.get(*bag as usize);
            let is_dynamic = column.is_some_and(|column| column.ty == Type::Dynamic);
            ensure(is_dynamic, || format!("input column {bag} is not a dynamic"))
        }
        RelKind::Pivot { input, keys, pivot, values, aggregate } => {
            let mut row = Row::of(program, *input);
            let mut types = check_all(&mut row, keys)?;
            row.expect(*pivot, Type::String)?;
            check_aggregate(&mut row, aggregate)?;
            types.extend(values.iter().map(|_| aggregate.outputs[0]));
            same_types(&rel.columns, &types)
        }
    }
}

fn check_aggregates(mut row: Row<'_>, keys: &[ExprId], aggregates: &[AggregateCall], columns: &[Column]) -> Checked {
    let mut types = check_all(&mut row, keys)?;
    for call in aggregates {
        check_aggregate(&mut row, call)?;
        types.extend(&call.outputs);
    }
    same_types(columns, &types)
}

fn check_window(program: &Program, input: RelId, calls: &[WindowCall], columns: &[Column]) -> Checked {
    let mut row = Row::of(program, input);
    let mut types: Vec<Type> = program.rel(input).columns.iter().map(|column| column.ty).collect();
    for call in calls {
        check_all(&mut row, &call.args)?;
        types.push(call.ty);
    }
    same_types(columns, &types)
}

fn check_make_series(mut row: Row<'_>, series: &MakeSeries, columns: &[Column]) -> Checked {
    check_all(&mut row, &series.keys)?;
    row.check(series.axis)?;
    series.aggregates.iter().try_for_each(|(call, _)| check_aggregate(&mut row, call))?;
    let width = series.keys.len() + series.aggregates.len() + 1;
    ensure(columns.len() == width, || format!("it has {} columns, not {width}", columns.len()))
}

fn check_top_nested(mut row: Row<'_>, levels: &[TopNestedLevel], columns: &[Column]) -> Checked {
    for level in levels {
        row.check(level.of)?;
        check_aggregate(&mut row, &level.by)?;
    }
    ensure(columns.len() == 2 * levels.len(), || "it needs two columns a level".to_owned())
}

fn check_values(rows: &[Vec<Value>], columns: &[Column]) -> Checked {
    for row in rows {
        ensure(row.len() == columns.len(), || format!("a row has {} values", row.len()))?;
        for (value, column) in row.iter().zip(columns) {
            check_const(value, column.ty)?;
        }
    }
    Ok(())
}

fn check_range(program: &Program, columns: &[Column], [from, to, step]: [ExprId; 3]) -> Checked {
    let [column] = columns else { return Err("it must have one column".to_owned()) };
    let step_type = if column.ty == Type::DateTime { Type::TimeSpan } else { column.ty };
    let mut row = Row::new(program, &[]);
    row.expect(from, column.ty)?;
    row.expect(to, column.ty)?;
    row.expect(step, step_type)
}

fn check_all(row: &mut Row<'_>, exprs: &[ExprId]) -> Result<Vec<Type>, String> {
    exprs.iter().map(|expr| row.check(*expr)).collect()
}

fn check_project(row: &mut Row<'_>, exprs: &[ExprId], columns: &[Column]) -> Checked {
    let types = check_all(row, exprs)?;
    same_types(columns, &types)
}

fn check_sort(row: &mut Row<'_>, keys: &[SortKey]) -> Checked {
    keys.iter().try_for_each(|key| row.check(key.expr).map(|_| ()))
}

fn check_aggregate(row: &mut Row<'_>, call: &AggregateCall) -> Checked {
    check_all(row, &call.args)?;
    if let Some(condition) = call.condition {
        row.expect(condition, Type::Bool)?;
    }
    let each_argument =
        matches!(call.aggregate.kind, AggregateKind::ArgMax | AggregateKind::ArgMin | AggregateKind::TakeAny);
    ensure(each_argument || !call.outputs.is_empty(), || format!("`{}` has no output", call.aggregate.name))
}

fn check_mv_items(row: &mut Row<'_>, items: &[MvItem], columns: &[Column]) -> Checked {
    for item in items {
        row.expect(item.expr, Type::Dynamic)?;
        let column = columns.get(item.column as usize);
        let fits = column.is_some_and(|column| column.ty == item.ty);
        ensure(fits, || format!("item column {} is not a {}", item.column, item.ty))?;
    }
    Ok(())
}

fn check_join(
    program: &Program,
    columns: &[Column],
    (left, right): (RelId, RelId),
    kind: JoinKind,
    keys: &[(ExprId, ExprId)],
) -> Checked {
    let (mut left_row, mut right_row) = (Row::of(program, left), Row::of(program, right));
    for (left_key, right_key) in keys {
        let ty = left_row.check(*left_key)?;
        right_row.expect(*right_key, ty)?;
    }
    let [lefts, rights] = [left, right].map(|rel| &program.rel(rel).columns);
    let wanted: Vec<Type> = match kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti => lefts.iter().map(|column| column.ty).collect(),
        JoinKind::RightSemi | JoinKind::RightAnti => rights.iter().map(|column| column.ty).collect(),
        _ => lefts.iter().chain(rights).map(|column| column.ty).collect(),
    };
    same_types(columns, &wanted)
}

fn same_types(columns: &[Column], types: &[Type]) -> Checked {
    let found: Vec<Type> = columns.iter().map(|column| column.ty).collect();
    ensure(found == types, || format!("its columns are {found:?}, but its values {types:?}"))
}

fn same_columns(program: &Program, columns: &[Column], input: RelId) -> Checked {
    let types: Vec<Type> = program.rel(input).columns.iter().map(|column| column.ty).collect();
    same_types(columns, &types)
}
