//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_scan(&mut self, input: RelId, scan: &'a ast::Scan, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = scan;
        self.unsupported(span, "`scan`")
    }
}
