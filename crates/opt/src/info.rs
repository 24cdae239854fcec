//! Expressions to what may be done with them: dropped, moved, asked whether they are null.
//!
//! Every answer errs to the careful side. Nothing here evaluates anything. Next: `build.rs`.

use dtq_ir::{Effect, Expr, ExprKind, Failure, Nulls, ParamKind, Program, Signature};
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// Holds what is known of an expression, operands included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Whether the same operands always give the same value.
    pub is_pure: bool,
    /// Whether evaluating it can fail.
    pub may_fail: bool,
    /// Whether a relation stands inside, which runs and may fail whether or not the expression is evaluated.
    pub has_rel: bool,
    /// Whether it can be null.
    pub may_be_null: bool,
    /// Whether it reads a column.
    pub reads_row: bool,
    /// How many nodes it has, a shared one counted each time.
    pub size: u32,
    /// How deep it nests along operands other than the first, as interpreters count it.
    pub depth: u32,
}

impl Info {
    /// Says whether it may be evaluated for other rows than before, at another place, or more often.
    pub fn is_movable(self) -> bool {
        self.is_pure && !self.may_fail
    }

    /// Says whether it may be left out.
    pub fn is_droppable(self) -> bool {
        self.is_movable() && !self.has_rel
    }

    /// Returns what is known of a node from what is known of its operands, in order.
    ///
    /// `column` says what is known of a column, for a node that is one.
    pub fn of(expr: &Expr, operands: &[Info], column: ColumnInfo) -> Self {
        let any = |holds: fn(&Info) -> bool| operands.iter().any(holds);
        let depths = operands.iter().enumerate().map(|(index, info)| info.depth.saturating_add(u32::from(index > 0)));
        let mut info = Info {
            is_pure: !any(|info| !info.is_pure),
            may_fail: any(|info| info.may_fail),
            has_rel: any(|info| info.has_rel),
            may_be_null: may_be_null(expr, operands, column.may_be_null),
            reads_row: any(|info| info.reads_row),
            size: operands.iter().fold(1, |sum, info| sum.saturating_add(info.size)),
            depth: depths.max().unwrap_or(0),
        };
        match &expr.kind {
            ExprKind::Column(_) => (info.reads_row, info.may_fail) = (true, column.may_fail),
            ExprKind::Call { function, pooled, .. } => {
                info.is_pure &= function.effect == Effect::Pure;
                info.may_fail |= match function.failure {
                    Failure::Never => false,
                    Failure::Unprepared => pooled.is_none(),
                    Failure::Possible => true,
                };
            }
            // One that depends on the rows around it fails when it is evaluated.
            ExprKind::Scalar(_) | ExprKind::InRel { .. } => (info.has_rel, info.may_fail) = (true, true),
            _ => {}
        }
        info
    }
}

/// Holds what is known of a column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnInfo {
    /// Whether it can be null.
    pub may_be_null: bool,
    /// Whether reading it can fail.
    pub may_fail: bool,
}

/// Returns what is known of every expression of a program, of whatever row.
pub(crate) fn all(program: &Program, columns_may_fail: bool) -> Vec<Info> {
    let column = ColumnInfo { may_be_null: true, may_fail: columns_may_fail };
    let mut infos: Vec<Info> = Vec::with_capacity(program.exprs().len());
    for expr in program.exprs() {
        let operands: SmallVec<[Info; 4]> = expr.kind.children().iter().map(|child| infos[child.0 as usize]).collect();
        infos.push(Info::of(expr, &operands, column));
    }
    infos
}

/// Says whether a node can be null.
///
/// A string nearly never is: only `substring` at a position that is null gives one (conformance `trap/854`).
fn may_be_null(expr: &Expr, operands: &[Info], is_column_null: bool) -> bool {
    let any = || operands.iter().any(|info| info.may_be_null);
    match &expr.kind {
        ExprKind::Const(value) => value.is_null(),
        ExprKind::Column(_) => is_column_null,
        ExprKind::Call { function, .. } if expr.ty == Type::String => function.name == "substring" && any(),
        ExprKind::Call { function, signature, .. } => match function.name {
            "==" | "!=" => operands.iter().all(|info| info.may_be_null),
            "in" | "!in" => operands[0].may_be_null,
            _ if function.is_certain() => false,
            name if is_total(name, &function.signatures[usize::from(*signature)], expr.ty) => any(),
            _ => true,
        },
        ExprKind::And(..) | ExprKind::Or(..) => any(),
        ExprKind::Case { arms, .. } => {
            let values = operands.iter().enumerate().filter(|(index, _)| index % 2 == 1 || *index == 2 * arms.len());
            values.map(|(_, info)| info).any(|info| info.may_be_null)
        }
        // It is the last where all before are `""`.
        ExprKind::Coalesce(_) if expr.ty == Type::String => operands.last().is_some_and(|info| info.may_be_null),
        ExprKind::Coalesce(_) => expr.ty == Type::Dynamic || operands.iter().all(|info| info.may_be_null),
        ExprKind::Property { .. } | ExprKind::Element { .. } | ExprKind::Scalar(_) => true,
        ExprKind::InRel { .. } => operands[0].may_be_null,
    }
}

/// Says whether an overload is null only when an operand is.
fn is_total(name: &str, signature: &Signature, ty: Type) -> bool {
    let has_dynamic = || signature.params.iter().any(|param| param.kind == ParamKind::Exactly(Type::Dynamic));
    match name {
        "not" | "strlen" | "string_size" | "isascii" | "strcmp" => true,
        "<" | "<=" | ">" | ">=" | "between" | "!between" => !has_dynamic(),
        // Longs wrap and reals have an infinity; decimals, datetimes and timespans out of range are null.
        "+" | "-" | "*" => matches!(ty, Type::Long | Type::Real),
        _ => false,
    }
}

/// Says whether a call of this function with a null operand gives null without being made.
pub(crate) fn propagates_null(kind: &ExprKind) -> bool {
    matches!(kind, ExprKind::Call { function, .. } if function.nulls == Nulls::Propagate)
}

/// Returns the constant that an expression is.
pub(crate) fn constant(program: &Program, id: dtq_ir::ExprId) -> Option<&Value> {
    match &program.expr(id).kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}
