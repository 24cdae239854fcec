//! `mv-expand` and `mv-apply`.

use super::join::property;
use crate::lowerer::Lowerer;
use crate::naming::{Projection, Style, UniqueNames};
use crate::row::{OUTER, is_outer};
use crate::suggest;
use dtq_ir::rel::MvItem;
use dtq_ir::{ExprId, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::Type;

impl<'a> Lowerer<'a> {
    pub(super) fn lower_mv_expand(&mut self, input: RelId, expand: &'a ast::MvExpand, span: Span) -> Option<RelId> {
        let mut columns = self.columns(input);
        let limit = expand.limit.as_ref().map(|limit| self.constant_expr(limit, Type::Long, "the limit"));
        let items = self.mv_items(&mut columns, &expand.items)?;
        if let Some(name) = &expand.item_index {
            columns.push(Column::new(unique(&columns, &name.text), Type::Long));
        }
        let by_kind = property(&expand.properties, "kind").or_else(|| property(&expand.properties, "bagexpansion"));
        let kind = RelKind::MvExpand {
            input,
            items,
            has_index: expand.item_index.is_some(),
            limit: match limit {
                Some(limit) => Some(limit?),
                None => None,
            },
            is_bag_to_array: by_kind.is_some_and(|(text, _)| text == "array"),
            drops_empty: false,
        };
        let is_ordered = self.is_ordered(input);
        self.add_rel(kind, columns, is_ordered, span)
    }

    /// Lowers what is expanded, and puts its columns in place of or after those of the input.
    fn mv_items(&mut self, columns: &mut Vec<Column>, items: &'a [ast::MvItem]) -> Option<Vec<MvItem>> {
        let before = columns.clone();
        let mut found = Vec::new();
        let mut is_valid = true;
        for item in items {
            let lowered = self.over(before.clone(), |this| this.mv_item(columns, item));
            match lowered {
                Some(lowered) => found.push(lowered),
                None => is_valid = false,
            }
        }
        is_valid.then_some(found)
    }

    fn mv_item(&mut self, columns: &mut Vec<Column>, item: &'a ast::MvItem) -> Option<MvItem> {
        let value = &item.value.value;
        let ty = match &item.ty {
            Some(ty) => self.type_name(ty)?,
            None => Type::Dynamic,
        };
        let name = match item.value.names.first() {
            Some(name) => name.text.clone(),
            None => self.result_name(value).unwrap_or_else(|| self.default_name(true)),
        };
        let id = self.scalar(value);
        let Some(expr) = id else {
            self.unknown.insert(name.clone());
            return None;
        };
        let found = self.ty(expr);
        if found != Type::Dynamic {
            let message =
                format!("{} is {found:#}, but only a dynamic array or bag can be expanded", suggest::quoted(value));
            let diagnostic = Diagnostic::error(Code::E2004, value.span, message);
            let fixed = if found == Type::String { suggest::wrap(diagnostic, value, "parse_json") } else { diagnostic };
            self.report(fixed);
            return None;
        }
        let position = columns.iter().position(|column| column.name == name);
        let column = match position {
            Some(index) => {
                columns[index].ty = ty;
                index
            }
            None => {
                columns.push(Column::new(name, ty));
                columns.len() - 1
            }
        };
        Some(MvItem { expr, column: column as u32, ty })
    }

    pub(super) fn lower_mv_apply(
        &mut self,
        input: RelId,
        operator: &'a ast::OperatorKind,
        span: Span,
    ) -> Option<RelId> {
        let ast::OperatorKind::MvApply { properties, items, item_index, limit, id, body } = operator else {
            unreachable!("the caller matched the operator")
        };
        if let Some(id) = id {
            return self.unsupported(id.span, "`id` of `mv-apply`");
        }
        if let Some(source) = &body.source {
            return self.unsupported(source.span, "`mv-apply` with a source of its own");
        }
        let limit = match limit {
            Some(limit) => Some(self.constant_expr(limit, Type::Long, "the limit")?),
            None => None,
        };
        let outer = self.columns(input);
        let mut columns: Vec<Column> = outer
            .iter()
            .map(|column| Column::new(format!("{OUTER}{}", column.name.trim_start_matches(OUTER)), column.ty))
            .collect();
        let leaf = self.add_rel(RelKind::Input, columns.clone(), true, body.span)?;
        let items = self.mv_items(&mut columns, items)?;
        let names: Vec<String> = items.iter().map(|item| columns[item.column as usize].name.clone()).collect();
        if let Some(name) = item_index {
            columns.push(Column::new(unique(&columns, &name.text), Type::Long));
        }
        let is_bag_to_array = property(properties, "kind").is_some_and(|(text, _)| text == "array");
        let has_index = item_index.is_some();
        let kind = RelKind::MvExpand { input: leaf, items, has_index, limit, is_bag_to_array, drops_empty: true };
        let expanded = self.add_rel(kind, columns, true, body.span)?;
        let result = self.operators(expanded, &body.operators)?;
        let result = self.without_outer(result, body.span)?;
        self.join_applied(input, result, &names, span)
    }

    /// Drops the columns of the row around the body.
    fn without_outer(&mut self, rel: RelId, span: Span) -> Option<RelId> {
        let columns = self.columns(rel);
        let kept: Vec<usize> = (0..columns.len()).filter(|index| !is_outer(&columns[*index])).collect();
        if kept.len() == columns.len() { Some(rel) } else { self.pick(rel, &kept, span) }
    }

    /// Puts the columns of the body after those of the input that were neither expanded nor given by the body.
    fn join_applied(&mut self, input: RelId, body: RelId, expanded: &[String], span: Span) -> Option<RelId> {
        let (outer, inner) = (self.columns(input), self.columns(body));
        let mut columns = outer.clone();
        columns.extend(inner.iter().cloned());
        let rel = self.add_rel(RelKind::MvApply { input, body }, columns.clone(), false, span)?;
        let mut projection = Projection::new(Style::Project);
        for (index, column) in columns.iter().enumerate() {
            let is_replaced = index < outer.len()
                && (expanded.contains(&column.name) || inner.iter().any(|other| other.name == column.name));
            if !is_replaced {
                let expr: ExprId = self.column(&columns, index, span)?;
                projection.append(column.name.clone(), column.ty, expr);
            }
        }
        self.project(rel, projection, false, span)
    }
}

fn unique(columns: &[Column], name: &str) -> String {
    let mut names = UniqueNames::default();
    columns.iter().for_each(|column| names.reserve(&column.name));
    names.take(name)
}
