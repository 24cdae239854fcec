//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_union(&mut self, input: Option<RelId>, union: &'a ast::Union, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = union;
        self.unsupported(span, "`union`")
    }
    pub(crate) fn union_of(
        &mut self,
        tables: Vec<(String, RelId)>,
        source: Option<&'a ast::Name>,
        is_inner: bool,
        span: Span,
    ) -> Option<RelId> {
        let _ = tables;
        let _ = source;
        let _ = is_inner;
        self.unsupported(span, "`union`")
    }
}
