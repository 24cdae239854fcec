//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_join(&mut self, input: RelId, join: &'a ast::Join, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = join;
        self.unsupported(span, "`join`")
    }
    pub(crate) fn lower_lookup(&mut self, input: RelId, join: &'a ast::Join, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = join;
        self.unsupported(span, "`lookup`")
    }
}
