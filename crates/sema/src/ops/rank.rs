//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_top_nested(&mut self, input: RelId, levels: &'a [ast::TopNested], span: Span) -> Option<RelId> {
        let _ = input;
        let _ = levels;
        self.unsupported(span, "`top-nested`")
    }
    pub(crate) fn lower_top_hitters(
        &mut self,
        input: RelId,
        count: &'a ast::Expr,
        of: &'a ast::Expr,
        by: Option<&'a ast::Expr>,
        span: Span,
    ) -> Option<RelId> {
        let _ = input;
        let _ = count;
        let _ = of;
        let _ = by;
        self.unsupported(span, "`top-hitters`")
    }
}
