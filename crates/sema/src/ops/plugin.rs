//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_evaluate(
        &mut self,
        input: Option<RelId>,
        evaluate: &'a ast::Evaluate,
        span: Span,
    ) -> Option<RelId> {
        let _ = input;
        let _ = evaluate;
        self.unsupported(span, "`evaluate`")
    }
}
