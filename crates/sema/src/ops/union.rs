//! `union`: tables brought to the same columns.

use super::join::property;
use crate::lowerer::Lowerer;
use crate::naming::UniqueNames;
use dtq_ir::{ExprId, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};

/// Holds an output column of a union: its name, and the column of the inputs that fills it.
struct Slot {
    name: String,
    source: Column,
}

impl<'a> Lowerer<'a> {
    pub(super) fn lower_union(&mut self, input: Option<RelId>, union: &'a ast::Union, span: Span) -> Option<RelId> {
        let is_fuzzy = property(&union.properties, "isfuzzy").is_some_and(|(text, _)| text == "true");
        let is_inner = property(&union.properties, "kind").is_some_and(|(text, _)| text == "inner");
        let with_source = union.properties.iter().find(|property| property.name.text == "withsource");
        let source = with_source.and_then(|property| property_name(&property.value));
        let mut tables: Vec<(String, RelId)> = Vec::new();
        let mut is_valid = true;
        if let Some(input) = input {
            tables.push((self.scanned_name(input).unwrap_or_else(|| "union_arg0".to_owned()), input));
        }
        for table in &union.tables {
            if let ast::ExprKind::Wildcard(pattern) = &table.kind {
                match self.matching_tables(pattern, table.span) {
                    Some(found) => tables.extend(found),
                    None => is_valid = is_fuzzy,
                }
                continue;
            }
            let rel = if is_fuzzy { self.silently(|this| this.subquery(table)) } else { self.subquery(table) };
            let default = format!("union_arg{}", tables.len());
            match rel {
                Some(rel) => tables.push((self.source_name(table, rel).unwrap_or(default), rel)),
                None => is_valid &= is_fuzzy,
            }
        }
        if !is_valid {
            return None;
        }
        if tables.is_empty() {
            return self.fail(Code::E2002, span, "none of the tables of this union exists");
        }
        self.union_of(tables, source, is_inner, span)
    }

    /// Returns the name that `withsource` shows for an argument.
    fn source_name(&self, expr: &ast::Expr, rel: RelId) -> Option<String> {
        match &expr.kind {
            ast::ExprKind::Name(name) => Some(name.text.clone()),
            ast::ExprKind::Paren(inner) => self.source_name(inner, rel),
            _ => self.scanned_name(rel),
        }
    }

    /// Returns the name that `as` gave a relation, or the table that it reads, through operators with one input.
    fn scanned_name(&self, rel: RelId) -> Option<String> {
        let mut rel = rel;
        loop {
            if let Some(name) = self.aliases.get(&rel) {
                return Some((*name).to_owned());
            }
            match &self.program.rel(rel).kind {
                RelKind::Scan { table } => return Some(table.clone()),
                kind => match kind.inputs().as_slice() {
                    [only] => rel = *only,
                    _ => return None,
                },
            }
        }
    }

    /// Unites tables; `source` names a column that says where each row comes from.
    pub fn union_of(
        &mut self,
        tables: Vec<(String, RelId)>,
        source: Option<&'a ast::Name>,
        is_inner: bool,
        span: Span,
    ) -> Option<RelId> {
        self.union_named(tables, source.map(|name| name.text.as_str()), is_inner, span)
    }

    /// Unites tables, with the name of the column of sources as text.
    pub fn union_named(
        &mut self,
        tables: Vec<(String, RelId)>,
        source: Option<&str>,
        is_inner: bool,
        span: Span,
    ) -> Option<RelId> {
        let schemas: Vec<Vec<Column>> = tables.iter().map(|(_, rel)| self.columns(*rel)).collect();
        let slots = slots(&schemas, source, is_inner);
        let mut columns: Vec<Column> = Vec::new();
        columns.extend(source.map(|name| Column::new(name, Type::String)));
        columns.extend(slots.iter().map(|slot| Column::new(slot.name.clone(), slot.source.ty)));
        let mut inputs = Vec::new();
        for ((name, rel), schema) in tables.iter().zip(&schemas) {
            if source.is_none() && *schema == columns {
                inputs.push(*rel);
                continue;
            }
            let mut exprs: Vec<ExprId> = Vec::new();
            if source.is_some() {
                exprs.push(self.constant(Value::string(name.as_str()), Type::String, span)?);
            }
            for slot in &slots {
                let found = schema.iter().position(|column| *column == slot.source);
                exprs.push(match found {
                    Some(index) => self.column(schema, index, span)?,
                    None => self.constant(Value::missing(slot.source.ty), slot.source.ty, span)?,
                });
            }
            let kind = RelKind::Project { input: *rel, exprs };
            inputs.push(self.add_rel(kind, columns.clone(), false, span)?);
        }
        self.add_rel(RelKind::Union { inputs }, columns, false, span)
    }
}

fn property_name(value: &ast::Expr) -> Option<&ast::Name> {
    match &value.kind {
        ast::ExprKind::Name(name) => Some(name),
        _ => None,
    }
}

/// Returns the output columns: a name with several types becomes one column a type, `x_long` and `x_string`.
fn slots(schemas: &[Vec<Column>], source: Option<&str>, is_inner: bool) -> Vec<Slot> {
    let mut all: Vec<Column> = Vec::new();
    for column in schemas.iter().flatten() {
        let is_everywhere = schemas.iter().all(|schema| schema.contains(column));
        if !all.contains(column) && (!is_inner || is_everywhere) {
            all.push(column.clone());
        }
    }
    let is_split = |name: &str| all.iter().filter(|column| column.name == name).count() > 1;
    let mut names = UniqueNames::default();
    source.into_iter().for_each(|name| names.reserve(name));
    all.iter().filter(|column| !is_split(&column.name)).for_each(|column| names.reserve(&column.name));
    let mut done: Vec<&str> = Vec::new();
    let mut slots = Vec::new();
    for column in &all {
        if done.contains(&column.name.as_str()) {
            continue;
        }
        done.push(&column.name);
        for same in all.iter().filter(|other| other.name == column.name) {
            let name = match is_split(&same.name) {
                true => names.take(&format!("{}_{}", same.name, same.ty)),
                false => same.name.clone(),
            };
            slots.push(Slot { name, source: same.clone() });
        }
    }
    slots
}
