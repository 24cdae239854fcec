//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_mv_expand(&mut self, input: RelId, expand: &'a ast::MvExpand, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = expand;
        self.unsupported(span, "`mv-expand`")
    }
    pub(crate) fn lower_mv_apply(
        &mut self,
        input: RelId,
        operator: &'a ast::OperatorKind,
        span: Span,
    ) -> Option<RelId> {
        let _ = input;
        let _ = operator;
        self.unsupported(span, "`mv-apply`")
    }
}
