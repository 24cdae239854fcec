//! Functions over neighbouring rows: split out of expressions into relations that append hidden columns.

use crate::lowerer::Lowerer;
use dtq_ir::expr::ExprKind;
use dtq_ir::rel::{RelKind, WindowCall, WindowFunction};
use dtq_ir::{ExprId, RelId};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};

/// Holds the calls found in the expressions of one operator.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// How many columns the input has: the position of the first hidden column.
    pub base: u32,
    /// Whether the order of the input means something.
    pub is_ordered: bool,
    /// The calls; each is a hidden column.
    pub calls: Vec<WindowCall>,
}

/// Returns the function over neighbouring rows with this name.
pub(crate) fn by_name(name: &str) -> Option<WindowFunction> {
    Some(match name {
        "row_number" => WindowFunction::RowNumber,
        "prev" => WindowFunction::Prev,
        "next" => WindowFunction::Next,
        "row_cumsum" => WindowFunction::RowCumsum,
        "row_rank_dense" => WindowFunction::RowRankDense,
        "row_rank_min" => WindowFunction::RowRankMin,
        "row_window_session" => WindowFunction::RowWindowSession,
        _ => return None,
    })
}

impl<'a> Lowerer<'a> {
    /// Lowers a call to a reference to its hidden column.
    pub fn window_call(
        &mut self,
        function: WindowFunction,
        name: &'a ast::Name,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<ExprId> {
        let state = self.row().and_then(|row| row.windows.as_ref()).map(|windows| windows.is_ordered);
        match state {
            None => {
                let message = format!("`{}` can stand only in `extend`, `project`, `where` or `serialize`", name.text);
                return self.fail(Code::E2014, name.span, message);
            }
            Some(false) => {
                let message = format!("`{}` looks at neighbouring rows, but the rows here have no order", name.text);
                let diagnostic = Diagnostic::error(Code::E2014, name.span, message);
                self.report(diagnostic.label("write `| sort by ...` or `| serialize` before"));
                self.lower_args_for_errors(args);
                return None;
            }
            Some(true) => {}
        }
        let ids = self.args(args)?;
        let (least, most) = argument_counts(function);
        if !(least..=most).contains(&ids.len()) {
            let message = format!("`{}` takes {least} to {most} arguments, not {}", name.text, ids.len());
            return self.fail(Code::E2005, span, message);
        }
        let (args, ty) = self.window_args(function, &ids, args)?;
        let row = self.rows.last_mut().expect("the row was found above");
        let windows = row.windows.as_mut().expect("the state was found above");
        let index = windows.base + windows.calls.len() as u32;
        windows.calls.push(WindowCall { function, args, ty });
        self.add(ExprKind::Column(index), ty, span)
    }

    fn window_args(
        &mut self,
        function: WindowFunction,
        ids: &[ExprId],
        args: &'a [ast::Arg],
    ) -> Option<(Vec<ExprId>, Type)> {
        let mut converted = ids.to_vec();
        let wanted: Vec<Option<Type>> = match function {
            WindowFunction::RowNumber => vec![Some(Type::Long), Some(Type::Bool)],
            WindowFunction::Prev | WindowFunction::Next => vec![None, Some(Type::Long), Some(self.ty(ids[0]))],
            WindowFunction::RowCumsum => vec![None, Some(Type::Bool)],
            WindowFunction::RowRankDense | WindowFunction::RowRankMin => vec![None, Some(Type::Bool)],
            WindowFunction::RowWindowSession => {
                vec![Some(Type::DateTime), Some(Type::TimeSpan), Some(Type::TimeSpan), Some(Type::Bool)]
            }
        };
        for (index, ty) in wanted.iter().enumerate().take(ids.len()) {
            if let Some(ty) = ty {
                let is_default = index == 2 && matches!(function, WindowFunction::Prev | WindowFunction::Next);
                converted[index] = match is_default {
                    true => self.convert(ids[index], *ty)?,
                    false => self.coerce(ids[index], *ty, &args[index].value)?,
                };
            }
        }
        let ty = match function {
            WindowFunction::Prev | WindowFunction::Next => self.ty(ids[0]),
            WindowFunction::RowCumsum => self.summable(ids[0], &args[0].value)?,
            WindowFunction::RowWindowSession => Type::DateTime,
            _ => Type::Long,
        };
        if function == WindowFunction::RowCumsum {
            converted[0] = self.convert(converted[0], ty)?;
        }
        self.window_defaults(function, &mut converted, args.first().map_or(Span::default(), |arg| arg.value.span))?;
        Some((converted, ty))
    }

    /// Writes the arguments that were left out.
    fn window_defaults(&mut self, function: WindowFunction, args: &mut Vec<ExprId>, span: Span) -> Option<()> {
        let defaults: Vec<(Value, Type)> = match function {
            WindowFunction::RowNumber => vec![(Value::Long(1), Type::Long), (Value::Bool(false), Type::Bool)],
            WindowFunction::Prev | WindowFunction::Next => {
                let ty = self.ty(args[0]);
                vec![(Value::Null, ty), (Value::Long(1), Type::Long), (Value::missing(ty), ty)]
            }
            WindowFunction::RowWindowSession => {
                vec![(Value::Null, Type::DateTime); 3].into_iter().chain([(Value::Bool(false), Type::Bool)]).collect()
            }
            _ => vec![(Value::Null, Type::Dynamic), (Value::Bool(false), Type::Bool)],
        };
        for (value, ty) in defaults.into_iter().skip(args.len()) {
            args.push(self.constant(value, ty, span)?);
        }
        Some(())
    }

    fn summable(&mut self, id: ExprId, expr: &ast::Expr) -> Option<Type> {
        match self.ty(id) {
            Type::Int => Some(Type::Long),
            ty if ty.is_numeric() || ty == Type::TimeSpan => Some(ty),
            ty => {
                let code = if ty == Type::Dynamic { Code::E2009 } else { Code::E2005 };
                let message = format!("{} is {ty:#}, but a number is summed here", crate::suggest::quoted(expr));
                self.report(crate::suggest::cast(Diagnostic::error(code, expr.span, message), expr, Type::Real));
                None
            }
        }
    }

    /// Appends the hidden columns of calls to a relation; calls that use hidden columns come after them.
    pub fn apply_windows(&mut self, input: RelId, windows: Windows, span: Span) -> Option<RelId> {
        let mut rel = input;
        let mut group: Vec<WindowCall> = Vec::new();
        let mut start = windows.base;
        for call in windows.calls {
            if self.reads_from(&call.args, start) {
                let count = group.len() as u32;
                rel = self.add_windows(rel, std::mem::take(&mut group), span)?;
                start += count;
            }
            group.push(call);
        }
        if group.is_empty() { Some(rel) } else { self.add_windows(rel, group, span) }
    }

    fn add_windows(&mut self, input: RelId, calls: Vec<WindowCall>, span: Span) -> Option<RelId> {
        let mut columns = self.columns(input);
        for call in &calls {
            columns.push(Column::new(format!("\u{2}window{}", columns.len()), call.ty));
        }
        self.add_rel(RelKind::Window { input, calls }, columns, true, span)
    }

    /// Says whether expressions read a column at or past a position.
    fn reads_from(&self, exprs: &[ExprId], start: u32) -> bool {
        let mut open = exprs.to_vec();
        let mut seen = std::collections::HashSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match &self.program.expr(id).kind {
                ExprKind::Column(index) if *index >= start => return true,
                kind => open.extend(kind.children()),
            }
        }
        false
    }
}

fn argument_counts(function: WindowFunction) -> (usize, usize) {
    match function {
        WindowFunction::RowNumber => (0, 2),
        WindowFunction::Prev | WindowFunction::Next => (1, 3),
        WindowFunction::RowCumsum | WindowFunction::RowRankDense | WindowFunction::RowRankMin => (1, 2),
        WindowFunction::RowWindowSession => (3, 4),
    }
}
