//! What can be said of an expression before it is lowered: whether it may be null, and whether it may fail.
//!
//! Both err on the safe side. Neither looks deeper than [`LOOK_DEPTH_MAX`], since chains may be long.

use super::Lowering;
use dtq_ir::{Effect, Expr, ExprId, ExprKind, Failure, Nulls};
use dtq_value::{Type, Value};

/// How deep is looked; what lies deeper may be null and may fail.
const LOOK_DEPTH_MAX: u32 = 6;

impl Lowering<'_, '_> {
    /// Says whether an expression may be null.
    pub(super) fn may_be_null(&self, id: ExprId) -> bool {
        self.null_below(id, LOOK_DEPTH_MAX)
    }

    fn null_below(&self, id: ExprId, depth: u32) -> bool {
        let expr = self.program.expr(id);
        if expr.ty == Type::String {
            return self.null_text_below(id, depth);
        }
        if depth == 0 {
            return true;
        }
        match &expr.kind {
            ExprKind::Const(value) => matches!(value, Value::Null),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                self.null_below(*left, depth - 1) || self.null_below(*right, depth - 1)
            }
            ExprKind::Call { function, args, .. } => match function.name {
                "==" | "!=" => args.iter().all(|arg| self.null_below(*arg, depth - 1)) && !self.has_text(args),
                "not" => self.null_below(args[0], depth - 1),
                _ => !function.is_certain(),
            },
            _ => true,
        }
    }

    /// Says whether one of some expressions is a string: a comparison with it is never null.
    fn has_text(&self, args: &[ExprId]) -> bool {
        args.iter().any(|arg| self.program.expr(*arg).ty == Type::String && !self.may_be_null(*arg))
    }

    /// Says whether a string may be null, which only some functions give (`substring` beside a null position).
    fn null_text_below(&self, id: ExprId, depth: u32) -> bool {
        if depth == 0 {
            return true;
        }
        match &self.program.expr(id).kind {
            ExprKind::Const(value) => matches!(value, Value::Null),
            ExprKind::Column(_) => false,
            ExprKind::Call { function, args, .. } if function.name == "substring" => {
                args.iter().any(|arg| self.null_below(*arg, depth - 1))
            }
            ExprKind::Call { function, .. } => {
                function.nulls == Nulls::Handled && !matches!(function.name, "tostring" | "strcat")
            }
            ExprKind::Case { arms, otherwise } => {
                arms.iter().map(|(_, value)| value).chain([otherwise]).any(|id| self.null_text_below(*id, depth - 1))
            }
            _ => true,
        }
    }

    /// Says whether an expression never fails and has no effect, so that leaving it out changes nothing.
    pub(super) fn is_quiet(&self, id: ExprId) -> bool {
        self.quiet_below(id, LOOK_DEPTH_MAX)
    }

    fn quiet_below(&self, id: ExprId, depth: u32) -> bool {
        let expr: &Expr = self.program.expr(id);
        if depth == 0 {
            return false;
        }
        let all = |ids: &[ExprId]| ids.iter().all(|id| self.quiet_below(*id, depth - 1));
        match &expr.kind {
            ExprKind::Const(_) => true,
            // A dynamic that has not been parsed may be malformed; where tags are taken for granted, it is none.
            ExprKind::Column(_) => expr.ty != Type::Dynamic || self.trusted_arena().is_some(),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => all(&[*left, *right]),
            ExprKind::Call { function, args, .. } => {
                function.failure == Failure::Never && function.effect == Effect::Pure && all(args)
            }
            _ => false,
        }
    }
}
