//! `evaluate`: the plugins `bag_unpack`, `pivot` and `narrow`.
//!
//! Where a plugin's columns depend on data and no schema is written, the part before it is run ([`crate::Probe`]).

use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::rel::{AggregateCall, BagUnpackSource, SortKey, WindowCall, WindowFunction};
use dtq_ir::{ExprId, RelId, RelKind, aggregate};
use dtq_record::stream::{Column, Row};
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The plugins of the language, implemented or not.
///
/// # Source
/// Microsoft's language service, `@kusto/language-service-next` 12.4.1: `PlugIns.All`.
const PLUGINS: &str = "active_users_count activity_counts_metrics activity_engagement activity_metrics \
    autocluster autocluster_v2 azure_digital_twins_query_request bag_unpack basket cosmosdb_sql_request csharp \
    dcount_intersect diffpatterns funnel_sequence funnel_sequence_completion geo_line_lookup geo_polygon_lookup \
    graph_to_table http_request http_request_post identity identity_v3 infer_storage_schema ipv4_lookup ipv6_lookup \
    mysql_request narrow new_activity_metrics pivot postgresql_request preview python r rolling_percentile rows_near \
    schema_merge sequence_detect session_count sliding_window_counts sql_request ai_embeddings ai_embed_text";

impl<'a> Lowerer<'a> {
    pub(super) fn lower_evaluate(
        &mut self,
        input: Option<RelId>,
        evaluate: &'a ast::Evaluate,
        span: Span,
    ) -> Option<RelId> {
        let ast::ExprKind::Call { name, args } = &evaluate.call.kind else {
            return self.fail(Code::E2006, evaluate.call.span, "`evaluate` needs the call of a plugin");
        };
        let Some(input) = input else {
            return self.unsupported(name.span, format!("the plugin `{}` without input", name.text));
        };
        match name.text.as_str() {
            "bag_unpack" => self.lower_bag_unpack(input, args, evaluate.schema.as_deref(), span),
            "pivot" => self.lower_pivot(input, args, evaluate.schema.as_deref(), span),
            "narrow" => self.lower_narrow(input, span),
            other if PLUGINS.split_whitespace().any(|known| known == other) => {
                self.unsupported(name.span, format!("the plugin `{other}`"))
            }
            _ => {
                let known: Vec<String> = PLUGINS.split_whitespace().map(str::to_owned).collect();
                let diagnostic =
                    Diagnostic::error(Code::E2003, name.span, format!("no plugin is called `{}`", name.text));
                self.report(suggest::did_you_mean(diagnostic, name, &known));
                None
            }
        }
    }

    /// Returns the rows of a relation, to find columns.
    fn probe(&mut self, rel: RelId, span: Span) -> Option<Vec<Row>> {
        let Some(probe) = self.options.probe else {
            let diagnostic = Diagnostic::error(
                Code::E2900,
                span,
                "the columns of this plugin depend on the data, which is not looked at here",
            );
            self.report(diagnostic.label("write them after it: `evaluate ... : (name:type, ...)`"));
            return None;
        };
        match probe.rows(&self.program, rel) {
            Ok(rows) => Some(rows),
            Err(message) => {
                self.fail(Code::E2010, span, format!("finding the columns of this plugin failed: {message}"))
            }
        }
    }

    /// Returns the position of the column that an argument names.
    fn column_argument(&mut self, columns: &[Column], arg: &'a ast::Expr) -> Option<usize> {
        let id = self.over(columns.to_vec(), |this| this.scalar(arg))?;
        match self.column_index(id) {
            Some(index) => Some(index as usize),
            None => self.fail(Code::E2001, arg.span, "the name of a column is needed here"),
        }
    }

    fn text_argument(&mut self, args: &'a [ast::Arg], position: usize, name: &str) -> Option<Option<String>> {
        let named = args.iter().find(|arg| arg.name.as_ref().is_some_and(|written| written.text == name));
        let Some(arg) = named.or_else(|| args.get(position).filter(|arg| arg.name.is_none())) else {
            return Some(None);
        };
        let id = self.over(Vec::new(), |this| this.scalar(&arg.value))?;
        match self.constant_value(id) {
            Some(Value::String(text)) => Some(Some(text.as_text().into_owned())),
            _ => self.fail(Code::E2010, arg.value.span, "a constant string is needed here"),
        }
    }

    fn lower_bag_unpack(
        &mut self,
        input: RelId,
        args: &'a [ast::Arg],
        schema: Option<&'a [ast::Column]>,
        span: Span,
    ) -> Option<RelId> {
        let columns = self.columns(input);
        let Some(first) = args.first() else {
            return self.fail(Code::E2005, span, "`bag_unpack` needs the dynamic column to unpack");
        };
        let bag = self.column_argument(&columns, &first.value)?;
        if columns[bag].ty != Type::Dynamic {
            let message = format!(
                "{} is {:#}, but only a dynamic can be unpacked",
                suggest::quoted(&first.value),
                columns[bag].ty
            );
            return self.fail(Code::E2004, first.value.span, message);
        }
        let ignored = args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == "ignoredProperties"));
        if let Some(ignored) = ignored.or_else(|| args.get(3)) {
            return self.unsupported(ignored.value.span, "`ignoredProperties` of `bag_unpack`");
        }
        let prefix = self.text_argument(args, 1, "OutputColumnPrefix")?.unwrap_or_default();
        let conflict = self.text_argument(args, 2, "columnsConflict")?.unwrap_or_else(|| "error".to_owned());
        if !matches!(conflict.as_str(), "error" | "replace_source" | "keep_source") {
            let message = "`columnsConflict` is `error`, `replace_source` or `keep_source`";
            return self.fail(Code::E1015, span, message);
        }
        let properties = match schema {
            Some(schema) => self.schema_properties(&columns, bag, schema, &prefix, span)?,
            None => property_types(&self.probe(input, span)?, bag),
        };
        let mut output: Vec<(Column, BagUnpackSource)> = Vec::new();
        for (index, column) in columns.iter().enumerate().filter(|(index, _)| *index != bag) {
            output.push((column.clone(), BagUnpackSource::Column(index as u32)));
        }
        for (key, ty) in properties {
            let column = Column::new(format!("{prefix}{key}"), ty);
            let source = BagUnpackSource::Property(key, ty);
            match output.iter().position(|(other, _)| other.name == column.name) {
                None => output.push((column, source)),
                Some(_) if conflict == "keep_source" => {}
                Some(index) if conflict == "replace_source" => output[index] = (column, source),
                Some(_) => {
                    self.duplicate(&column.name, span);
                    return None;
                }
            }
        }
        let (columns, sources) = output.into_iter().unzip();
        self.add_rel(RelKind::BagUnpack { input, bag: bag as u32, sources }, columns, false, span)
    }

    /// Returns the properties that a written schema asks for: its columns that the input has not.
    fn schema_properties(
        &mut self,
        columns: &[Column],
        bag: usize,
        schema: &'a [ast::Column],
        prefix: &str,
        span: Span,
    ) -> Option<Vec<(String, Type)>> {
        let has_star = schema.iter().any(|column| column.ty.is_none());
        let declared = self.declared_columns(schema)?;
        if !has_star {
            let all: Vec<&str> = columns
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != bag)
                .map(|(_, column)| column.name.as_str())
                .collect();
            if !all.iter().all(|name| declared.iter().any(|column| column.name == *name)) {
                return self.unsupported(
                    span,
                    "a schema of `bag_unpack` that leaves out columns of the input (write `*` in it)",
                );
            }
        }
        let mut found = Vec::new();
        for column in declared {
            if columns.iter().enumerate().any(|(index, other)| index != bag && other.name == column.name) {
                continue;
            }
            let Some(key) = column.name.strip_prefix(prefix) else {
                return self.fail(
                    Code::E2001,
                    span,
                    format!("the column `{}` has not the prefix `{prefix}`", column.name),
                );
            };
            found.push((key.to_owned(), column.ty));
        }
        Some(found)
    }

    fn lower_pivot(
        &mut self,
        input: RelId,
        args: &'a [ast::Arg],
        schema: Option<&'a [ast::Column]>,
        span: Span,
    ) -> Option<RelId> {
        let columns = self.columns(input);
        let Some(first) = args.first() else {
            return self.fail(Code::E2005, span, "`pivot` needs the column whose values become columns");
        };
        let pivot_index = self.column_argument(&columns, &first.value)?;
        let is_aggregate = |arg: &ast::Arg| matches!(arg.value.kind, ast::ExprKind::Call { .. });
        let (call, used) = match args.get(1).filter(|arg| is_aggregate(arg)) {
            Some(arg) => {
                let (_, call) = self.one_aggregate(&columns, 0, &[], &arg.value, None)?;
                let used: Vec<usize> =
                    call.exprs().filter_map(|id| self.column_index(id)).map(|index| index as usize).collect();
                (call, used)
            }
            None => {
                let found = aggregate::by_name("count").expect("the table of aggregates has count");
                (
                    AggregateCall { aggregate: found, args: Vec::new(), condition: None, outputs: vec![Type::Long] },
                    Vec::new(),
                )
            }
        };
        let skip = if args.get(1).is_some_and(is_aggregate) { 2 } else { 1 };
        let mut listed = Vec::new();
        for arg in args.iter().skip(skip) {
            listed.push(self.column_argument(&columns, &arg.value)?);
        }
        let key_columns: Vec<usize> = match listed.is_empty() {
            true => (0..columns.len()).filter(|index| *index != pivot_index && !used.contains(index)).collect(),
            false => listed,
        };
        if let Some(index) = key_columns.iter().find(|index| columns[**index].ty == Type::Dynamic) {
            let message = format!("`{}` is a dynamic: rows can't be grouped by it", columns[*index].name);
            return self.fail(Code::E2009, span, message);
        }
        let column = self.column(&columns, pivot_index, first.value.span)?;
        let pivot = self.convert(column, Type::String)?;
        let keys: Option<Vec<ExprId>> = key_columns.iter().map(|index| self.column(&columns, *index, span)).collect();
        let mut output: Vec<Column> = key_columns.iter().map(|index| columns[*index].clone()).collect();
        let values = match schema {
            Some(schema) => {
                let declared = self.declared_columns(schema)?;
                declared
                    .into_iter()
                    .map(|column| column.name)
                    .filter(|name| !output.iter().any(|key| key.name == *name))
                    .collect()
            }
            None => self.pivot_values(input, pivot, span)?,
        };
        output.extend(values.iter().map(|value| Column::new(value.clone(), call.outputs[0])));
        crate::naming::make_unique(&mut output);
        let kind = RelKind::Pivot { input, keys: keys?, pivot, values, aggregate: call };
        let rel = self.add_rel(kind, output, false, span)?;
        match schema {
            Some(schema) => self.in_order_of(rel, schema, span),
            None => Some(rel),
        }
    }

    /// Brings columns into the order of a written schema.
    fn in_order_of(&mut self, rel: RelId, schema: &'a [ast::Column], span: Span) -> Option<RelId> {
        let columns = self.columns(rel);
        let declared = self.declared_columns(schema)?;
        let mut order = Vec::new();
        for column in declared {
            match columns.iter().position(|other| other.name == column.name) {
                Some(index) if columns[index].ty == column.ty => order.push(index),
                Some(index) => {
                    let message = format!("`{}` is {:#} here, not {:#}", column.name, columns[index].ty, column.ty);
                    return self.fail(Code::E2004, span, message);
                }
                None => return self.fail(Code::E2001, span, format!("`pivot` gives no column `{}`", column.name)),
            }
        }
        self.pick(rel, &order, span)
    }

    fn pivot_values(&mut self, input: RelId, pivot: ExprId, span: Span) -> Option<Vec<String>> {
        let column = vec![Column::new("value", Type::String)];
        let projected = self.add_rel(RelKind::Project { input, exprs: vec![pivot] }, column.clone(), false, span)?;
        let distinct = self.add_rel(RelKind::Distinct { input: projected }, column, false, span)?;
        let rows = self.probe(distinct, span)?;
        let texts = rows.iter().filter_map(|row| match row.first() {
            Some(Value::String(text)) => Some(text.as_text().into_owned()),
            _ => None,
        });
        Some(texts.collect::<BTreeSet<String>>().into_iter().collect())
    }

    /// Lowers `narrow()`: a row for each cell, with the number of its row, its column and its text.
    fn lower_narrow(&mut self, input: RelId, span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let start = self.constant(Value::Long(0), Type::Long, span)?;
        let restart = self.constant(Value::Bool(false), Type::Bool, span)?;
        let call = WindowCall { function: WindowFunction::RowNumber, args: vec![start, restart], ty: Type::Long };
        let mut numbered = columns.clone();
        numbered.push(Column::new("\u{2}row", Type::Long));
        let rel = self.add_rel(RelKind::Window { input, calls: vec![call] }, numbered.clone(), true, span)?;
        let output = vec![
            Column::new("Row", Type::Long),
            Column::new("Column", Type::String),
            Column::new("Value", Type::String),
        ];
        let mut inputs = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let row = self.column(&numbered, columns.len(), span)?;
            let name = self.constant(Value::string(column.name.as_str()), Type::String, span)?;
            let cell = self.column(&numbered, index, span)?;
            let exprs = vec![row, name, self.convert(cell, Type::String)?];
            inputs.push(self.add_rel(RelKind::Project { input: rel, exprs }, output.clone(), false, span)?);
        }
        let union = self.add_rel(RelKind::Union { inputs }, output.clone(), false, span)?;
        let expr = self.column(&output, 0, span)?;
        let keys = vec![SortKey { expr, is_ascending: true, is_nulls_first: true }];
        self.add_rel(RelKind::Sort { input: union, keys }, output, true, span)
    }
}

/// Returns the properties of all bags in a column in order of name, each with the one type its values have.
///
/// # Source
/// Conformance `emu/bag-unpack-plugin-00` and `-05`: columns stand in order of name.
fn property_types(rows: &[Row], bag: usize) -> Vec<(String, Type)> {
    let mut types: BTreeMap<String, Option<Type>> = BTreeMap::new();
    for row in rows {
        let Some(Value::Bag(bag)) = row.get(bag) else { continue };
        for (key, value) in bag.iter() {
            let found = types.entry(key.as_text().into_owned()).or_insert(None);
            *found = match (*found, type_of(value)) {
                (found, None) => found,
                (None, ty) => ty,
                (Some(Type::Long), Some(Type::Real)) | (Some(Type::Real), Some(Type::Long)) => Some(Type::Real),
                (Some(left), Some(right)) if left == right => Some(left),
                _ => Some(Type::Dynamic),
            };
        }
    }
    types.into_iter().map(|(key, ty)| (key, ty.unwrap_or(Type::Dynamic))).collect()
}

fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) | Value::Long(_) => Type::Long,
        Value::Real(_) => Type::Real,
        Value::Decimal(_) => Type::Decimal,
        Value::String(_) => Type::String,
        Value::DateTime(_) => Type::DateTime,
        Value::TimeSpan(_) => Type::TimeSpan,
        Value::Guid(_) => Type::Guid,
        Value::Array(_) | Value::Bag(_) => Type::Dynamic,
    })
}
