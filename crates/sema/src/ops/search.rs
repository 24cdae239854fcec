//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_search(&mut self, input: Option<RelId>, search: &'a ast::Search, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = search;
        self.unsupported(span, "`search`")
    }
    pub(crate) fn lower_find(&mut self, find: &'a ast::Find, span: Span) -> Option<RelId> {
        let _ = find;
        self.unsupported(span, "`find`")
    }
}
