//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_parse(&mut self, input: RelId, parse: &'a ast::Parse, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = parse;
        self.unsupported(span, "`parse`")
    }
    pub(crate) fn lower_parse_kv(
        &mut self,
        input: RelId,
        value: &'a ast::Expr,
        columns: &'a [ast::Column],
        properties: &'a [ast::Property],
        span: Span,
    ) -> Option<RelId> {
        let _ = input;
        let _ = value;
        let _ = columns;
        let _ = properties;
        self.unsupported(span, "`parse-kv`")
    }
}
