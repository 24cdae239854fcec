//! Constants that types, names and the pool depend on. Folding in general is the optimizer's.

use crate::lowerer::Lowerer;
use dtq_ir::expr::ExprKind;
use dtq_ir::function::Effect;
use dtq_ir::{ExprId, FunctionRef, PoolId};
use dtq_source::{Code, Diagnostic, Span};
use dtq_value::Value;
use dtq_value::scalar::{Call, Context, bad_pattern};

impl Lowerer<'_> {
    /// Returns the value of an expression that is the same for every row and every run.
    pub fn constant_value(&self, id: ExprId) -> Option<Value> {
        let mut context = Context::new(self.options.limits.clone(), self.options.now_ticks, 0);
        self.evaluate(id, &mut context)
    }

    fn evaluate(&self, id: ExprId, context: &mut Context) -> Option<Value> {
        match &self.program.expr(id).kind {
            ExprKind::Const(value) => Some(value.clone()),
            ExprKind::Call { function, signature, args, pooled } if function.effect == Effect::Pure => {
                let args: Option<Vec<Value>> = args.iter().map(|arg| self.evaluate(*arg, context)).collect();
                let args = args?;
                if function.nulls == dtq_ir::Nulls::Propagate && args.iter().any(Value::is_null) {
                    return Some(Value::missing(self.ty(id)));
                }
                let signature = &function.signatures[*signature as usize];
                let pooled = pooled.map(|id| self.program.pooled(id));
                (signature.eval)(&mut Call { args: &args, pooled, ctx: context }).ok()
            }
            _ => None,
        }
    }

    /// Builds what a function can build once from its constant arguments; an error is reported at the argument.
    pub fn prepare(&mut self, function: FunctionRef, args: &[ExprId]) -> Option<Option<PoolId>> {
        let Some(prepare) = function.prepare else { return Some(None) };
        let constants: Vec<Option<Value>> = args
            .iter()
            .map(|arg| match &self.program.expr(*arg).kind {
                ExprKind::Const(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        let views: Vec<Option<&Value>> = constants.iter().map(Option::as_ref).collect();
        match prepare(&views, &self.options.limits) {
            Ok(Some(pooled)) => Some(Some(self.program.add_pooled(pooled))),
            Ok(None) => Some(None),
            Err(fault) => {
                let blamed = self.blame(function, args);
                let code = if fault.code.number() < 3000 { fault.code } else { Code::E2011 };
                match (code, self.constant_value(blamed)) {
                    (Code::E2011, Some(Value::String(pattern))) => {
                        self.refuse_pattern(pattern.as_bytes(), self.span(blamed), fault.message)
                    }
                    _ => self.fail(code, self.span(blamed), fault.message),
                }
            }
        }
    }

    /// Reports a pattern that is no regular expression, with what to write instead.
    pub fn refuse_pattern<T>(&mut self, pattern: &[u8], span: Span, message: String) -> Option<T> {
        let remedy = bad_pattern::remedy(pattern).unwrap_or_default();
        self.report(Diagnostic::error(Code::E2011, span, message).label(remedy));
        None
    }

    /// Returns the constant argument that the signature asks for: the one that did not compile.
    fn blame(&self, function: FunctionRef, args: &[ExprId]) -> ExprId {
        let is_constant_param = |index: usize| {
            function.signatures.iter().any(|signature| signature.param(index).is_some_and(|param| param.is_constant))
        };
        let found = args.iter().enumerate().find(|(index, _)| is_constant_param(*index)).map(|(_, arg)| *arg);
        found.unwrap_or_else(|| *args.last().expect("a function with a pooled part has arguments"))
    }
}
