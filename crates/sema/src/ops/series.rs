//! Not yet.

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_source::Span;
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(crate) fn lower_make_series(&mut self, input: RelId, series: &'a ast::MakeSeries, span: Span) -> Option<RelId> {
        let _ = input;
        let _ = series;
        self.unsupported(span, "`make-series`")
    }
}
