//! Sources that need no input: `print`, `range`, `datatable`; and `getschema`.

use crate::lowerer::Lowerer;
use crate::naming::{Projection, Style};
use crate::suggest;
use dtq_ir::{ExprId, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::scalar::convert as values;
use dtq_value::{Type, Value};

impl<'a> Lowerer<'a> {
    /// Lowers an operator that stands first.
    pub fn source(&mut self, source: &'a ast::Source, span: Span) -> Option<RelId> {
        match source {
            ast::Source::Print(items) => self.lower_print(items, span),
            ast::Source::Range { column, from, to, step } => self.lower_range(column, from, to, step.as_ref(), span),
            ast::Source::DataTable { columns, values } => self.lower_datatable(columns, values, span),
            ast::Source::Union(union) => self.lower_union(None, union, span),
            ast::Source::Search(search) => self.lower_search(None, search, span),
            ast::Source::Find(find) => self.lower_find(find, span),
            ast::Source::Evaluate(evaluate) => self.lower_evaluate(None, evaluate, span),
            ast::Source::ExternalData { .. } => self.unsupported(span, "`externaldata`"),
        }
    }

    fn lower_print(&mut self, items: &'a [ast::Assignment], span: Span) -> Option<RelId> {
        let input = self.one_row(span)?;
        let projection = self.over(Vec::new(), |this| {
            let mut projection = Projection::new(Style::Print);
            for (position, item) in items.iter().enumerate() {
                let id = this.scalar(&item.value);
                this.project_one(&mut projection, item, id, position);
            }
            projection
        });
        self.project(input, projection, false, span)
    }

    fn lower_range(
        &mut self,
        column: &'a ast::Name,
        from: &'a ast::Expr,
        to: &'a ast::Expr,
        step: Option<&'a ast::Expr>,
        span: Span,
    ) -> Option<RelId> {
        let (from_id, to_id, step_id) =
            self.over(Vec::new(), |this| (this.scalar(from), this.scalar(to), step.map(|step| this.scalar(step))));
        let (from_id, to_id) = (from_id?, to_id?);
        let bounds = crate::convert::common(self.ty(from_id), self.ty(to_id));
        let is_time = bounds == Some(Type::DateTime);
        let step_id = match step_id {
            Some(found) => found?,
            None if matches!(bounds, Some(Type::DateTime | Type::TimeSpan)) => {
                self.constant(Value::TimeSpan(36_000_000_000), Type::TimeSpan, span)?
            }
            None => self.constant(Value::Long(1), Type::Long, span)?,
        };
        let step_ty = self.ty(step_id);
        let ty = match bounds {
            Some(Type::DateTime) if step_ty == Type::TimeSpan => Some(Type::DateTime),
            Some(Type::TimeSpan) if step_ty == Type::TimeSpan => Some(Type::TimeSpan),
            Some(ty) if ty.is_numeric() && step_ty.is_numeric() => Some(ty.max(step_ty)),
            _ => None,
        };
        let Some(ty) = ty else {
            let message = format!(
                "`range` from a {} to a {} in steps of {step_ty:#}: these types do not fit",
                self.ty(from_id),
                self.ty(to_id)
            );
            let mut diagnostic = Diagnostic::error(Code::E2004, span, message);
            if bounds == Some(Type::DateTime) {
                diagnostic = diagnostic.label("the step between datetimes is a timespan, such as `1h`");
            } else if self.ty(from_id) == Type::Dynamic || self.ty(to_id) == Type::Dynamic {
                diagnostic.code = Code::E2009;
                diagnostic = diagnostic.label("convert the bounds, as in `tolong(...)`");
            }
            self.report(diagnostic);
            return None;
        };
        let from = self.convert(from_id, ty)?;
        let to = self.convert(to_id, ty)?;
        let step = self.convert(step_id, if is_time { Type::TimeSpan } else { ty })?;
        let columns = vec![Column::new(column.text.clone(), ty)];
        self.add_rel(RelKind::Range { from, to, step }, columns, true, span)
    }

    fn lower_datatable(&mut self, columns: &'a [ast::Column], values: &'a [ast::Expr], span: Span) -> Option<RelId> {
        let columns = self.declared_columns(columns)?;
        if columns.is_empty() {
            return self.fail(Code::E2015, span, "a `datatable` needs at least one column");
        }
        let width = columns.len();
        let mut cells: Vec<Option<ExprId>> = Vec::with_capacity(values.len());
        let scope = self.scope(Vec::new().into());
        self.rows.push(scope);
        for (index, value) in values.iter().enumerate() {
            let id = self.scalar(value);
            let cell = id.and_then(|id| self.cell(id, &columns[index % width], value));
            cells.push(cell);
        }
        self.rows.pop();
        if !values.len().is_multiple_of(width) {
            let message = format!("{} values do not fill rows of {width} columns", values.len());
            let at = values.last().map_or(span, |value| value.span);
            return self.fail(Code::E2015, at, message);
        }
        let cells = cells.into_iter().collect::<Option<Vec<ExprId>>>()?;
        let constants: Option<Vec<Value>> = cells.iter().map(|cell| self.constant_value(*cell)).collect();
        match constants {
            Some(constants) => {
                let rows = constants.chunks(width).map(<[Value]>::to_vec).collect();
                self.add_rel(RelKind::Values { rows }, columns, false, span)
            }
            None => self.computed_rows(&cells, columns, span),
        }
    }

    /// Brings a cell to the type of its column.
    fn cell(&mut self, id: ExprId, column: &Column, expr: &ast::Expr) -> Option<ExprId> {
        let from = self.ty(id);
        if from == column.ty {
            return Some(id);
        }
        if let Some(value) = self.constant_value(id) {
            let depth_max = self.options.limits.value_nesting_max;
            let converted = match &value {
                Value::Null => Value::missing(column.ty),
                _ if column.ty == Type::Dynamic => values::dynamic(&value, Type::Dynamic, depth_max),
                Value::String(text) if text.is_empty() => Value::missing(column.ty),
                _ => values::convert(&value, from, column.ty, depth_max),
            };
            if !value.is_null() && converted.is_null() && !matches!(&value, Value::String(text) if text.is_empty()) {
                let written = suggest::text(expr).unwrap_or_else(|| "this value".to_owned());
                let message = format!("{written} is {from:#}, but the column `{}` is a {}", column.name, column.ty);
                return self.fail(Code::E2015, expr.span, message);
            }
            return self.constant(converted, column.ty, expr.span);
        }
        self.convert(id, column.ty)
    }

    /// Rows whose cells are known only at run time, such as `now()`.
    fn computed_rows(&mut self, cells: &[ExprId], columns: Vec<Column>, span: Span) -> Option<RelId> {
        let mut inputs = Vec::new();
        for row in cells.chunks(columns.len()) {
            let input = self.one_row(span)?;
            let kind = RelKind::Project { input, exprs: row.to_vec() };
            inputs.push(self.add_rel(kind, columns.clone(), false, span)?);
        }
        self.add_rel(RelKind::Union { inputs }, columns, false, span)
    }

    /// Lowers `getschema` to the constant rows it gives.
    pub(super) fn lower_getschema(&mut self, input: RelId, span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let rows = columns.iter().enumerate().map(|(index, column)| {
            vec![
                Value::string(column.name.as_str()),
                Value::Int(index as i32),
                Value::string(clr_name(column.ty)),
                Value::string(column.ty.name()),
            ]
        });
        let schema = vec![
            Column::new("ColumnName", Type::String),
            Column::new("ColumnOrdinal", Type::Int),
            Column::new("DataType", Type::String),
            Column::new("ColumnType", Type::String),
        ];
        self.add_rel(RelKind::Values { rows: rows.collect() }, schema, true, span)
    }
}

/// Returns the .NET type that `getschema` shows.
///
/// # Source
/// Kusto documentation, "Scalar data types": equivalent .NET types.
fn clr_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "System.SByte",
        Type::Int => "System.Int32",
        Type::Long => "System.Int64",
        Type::Real => "System.Double",
        Type::Decimal => "System.Data.SqlTypes.SqlDecimal",
        Type::String => "System.String",
        Type::DateTime => "System.DateTime",
        Type::TimeSpan => "System.TimeSpan",
        Type::Guid => "System.Guid",
        Type::Dynamic => "System.Object",
    }
}
