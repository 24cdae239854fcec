//! Operators that choose and compute columns: all of them become [`RelKind::Project`].

use crate::lowerer::Lowerer;
use crate::naming::{Projection, Style};
use crate::row::is_outer;
use dtq_ir::{ExprId, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Span};
use dtq_syntax::ast::{self, ReorderOrder};
use std::cmp::Ordering;

impl<'a> Lowerer<'a> {
    pub(super) fn lower_extend(&mut self, input: RelId, items: &'a [ast::Assignment], span: Span) -> Option<RelId> {
        let is_ordered = self.is_ordered(input);
        self.extend(input, items, is_ordered, span)
    }

    pub(super) fn lower_serialize(&mut self, input: RelId, items: &'a [ast::Assignment], span: Span) -> Option<RelId> {
        self.extend(input, items, true, span)
    }

    fn extend(&mut self, input: RelId, items: &'a [ast::Assignment], is_ordered: bool, span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let (rel, projection) = self.over_windows(input, is_ordered, span, |this| {
            let mut projection = this.kept(Style::Extend, &columns, span)?;
            for (position, item) in items.iter().enumerate() {
                let id = this.scalar(&item.value);
                this.project_one(&mut projection, item, id, position);
            }
            Some(projection)
        })?;
        self.project(rel, projection?, is_ordered, span)
    }

    /// Returns a projection that begins with all columns of the input.
    pub fn kept(&mut self, style: Style, columns: &[Column], span: Span) -> Option<Projection> {
        let mut projection = Projection::new(style);
        for (index, column) in columns.iter().enumerate() {
            let expr = self.column(columns, index, span)?;
            projection.keep(column, index as u32, expr);
        }
        Some(projection)
    }

    /// Adds the relation that computes a projection.
    pub fn project(&mut self, input: RelId, projection: Projection, is_ordered: bool, span: Span) -> Option<RelId> {
        let (columns, exprs) = projection.finish();
        self.add_rel(RelKind::Project { input, exprs }, columns, is_ordered, span)
    }

    pub(super) fn lower_project(&mut self, input: RelId, items: &'a [ast::Assignment], span: Span) -> Option<RelId> {
        let is_ordered = self.is_ordered(input);
        let columns = self.columns(input);
        let (rel, projection) = self.over_windows(input, is_ordered, span, |this| {
            let mut projection = Projection::new(Style::Project);
            for (position, item) in items.iter().enumerate() {
                match &item.value.kind {
                    ast::ExprKind::Star if item.names.is_empty() => {
                        this.project_star(&mut projection, &columns, item.span)?
                    }
                    _ => {
                        let id = this.scalar(&item.value);
                        this.project_one(&mut projection, item, id, position);
                    }
                }
            }
            Some(projection)
        })?;
        self.project(rel, projection?, is_ordered, span)
    }

    fn project_star(&mut self, projection: &mut Projection, columns: &[Column], span: Span) -> Option<()> {
        for (index, column) in columns.iter().enumerate().filter(|(_, column)| !is_outer(column)) {
            let expr = self.column(columns, index, span)?;
            projection.declare(&column.name, column.ty, expr, true);
        }
        Some(())
    }

    pub(super) fn lower_distinct(&mut self, input: RelId, items: &'a [ast::Expr], span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let projection = self.over(columns.clone(), |this| {
            let mut projection = Projection::new(Style::Project);
            let mut is_valid = true;
            for item in items {
                if matches!(item.kind, ast::ExprKind::Star) {
                    this.project_star(&mut projection, &columns, item.span)?;
                    is_valid &= this.refuse_dynamic_columns(&columns, item.span);
                    continue;
                }
                let (value, names) = match &item.kind {
                    ast::ExprKind::Assign(assignment) => (&assignment.value, assignment.names.first()),
                    _ => (item, None),
                };
                let id = this.scalar(value);
                is_valid &= id.is_some_and(|id| this.refuse_dynamic(id, value, "be compared by").is_some());
                this.project_key(&mut projection, value, names, id, item.span);
            }
            is_valid.then_some(projection)
        })?;
        let rel = self.project(input, projection, false, span)?;
        let columns = self.columns(rel);
        self.add_rel(RelKind::Distinct { input: rel }, columns, false, span)
    }

    /// Adds a key of `distinct`, as `project` would.
    fn project_key(
        &mut self,
        projection: &mut Projection,
        value: &'a ast::Expr,
        name: Option<&'a ast::Name>,
        id: Option<ExprId>,
        span: Span,
    ) {
        let Some(expr) = id.or_else(|| self.placeholder(span)) else { return };
        let ty = self.ty(expr);
        match (name, &value.kind) {
            (Some(name), _) => drop(projection.declare(&name.text, ty, expr, false)),
            (None, ast::ExprKind::Name(name)) => {
                if projection.declare(&name.text, ty, expr, false).is_none() {
                    self.duplicate(&name.text, span);
                }
            }
            _ => {
                let name = self.result_name(value).unwrap_or_else(|| self.default_name(false));
                projection.add(name, ty, expr);
            }
        }
    }

    fn refuse_dynamic_columns(&mut self, columns: &[Column], span: Span) -> bool {
        let found = columns.iter().find(|column| column.ty == dtq_value::Type::Dynamic && !is_outer(column));
        if let Some(column) = found {
            let message = format!("`{}` is a dynamic: rows can't be compared by it", column.name);
            let diagnostic = dtq_source::Diagnostic::error(Code::E2009, span, message);
            self.report(
                diagnostic
                    .label(format!("write `extend {0} = tostring({0})` before, or list the columns", column.name)),
            );
        }
        found.is_none()
    }

    /// Returns the positions of the columns that names and patterns mean, in the order of the list, each once.
    pub fn listed_columns(&mut self, columns: &[Column], items: &[&'a ast::Expr]) -> Option<Vec<Vec<usize>>> {
        let mut found = Vec::new();
        let mut is_valid = true;
        for item in items {
            match &item.kind {
                ast::ExprKind::Paren(inner) => found.extend(self.listed_columns(columns, &[inner])?),
                ast::ExprKind::Star => found.push((0..columns.len()).collect()),
                ast::ExprKind::Wildcard(pattern) => {
                    let matching = columns.iter().enumerate();
                    let matching =
                        matching.filter(|(_, column)| crate::pipeline::matches_wildcard(pattern, &column.name));
                    found.push(matching.map(|(index, _)| index).collect());
                }
                ast::ExprKind::Name(name) => match crate::row::find_column(columns, &name.text) {
                    Some(index) => found.push(vec![index as usize]),
                    None => {
                        is_valid = false;
                        if !self.is_open && !self.unknown.contains(&name.text) {
                            let diagnostic = self.over(columns.to_vec(), |this| this.unknown_column(name));
                            self.report(diagnostic);
                        }
                    }
                },
                ast::ExprKind::Call { name, args } if name.text.starts_with("column") => {
                    let id = self.over(columns.to_vec(), |this| {
                        let name = this.result_name(item);
                        this.lower_args_for_errors(args);
                        name
                    });
                    let index = id.and_then(|name| crate::row::find_column(columns, &name));
                    found.push(index.map(|index| index as usize).into_iter().collect());
                }
                _ => {
                    is_valid = false;
                    self.fail::<()>(Code::E2001, item.span, "the name of a column is needed here");
                }
            }
        }
        is_valid.then_some(found)
    }

    /// Adds the relation that has these input columns in this order.
    pub fn pick(&mut self, input: RelId, positions: &[usize], span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let is_ordered = self.is_ordered(input);
        let mut exprs = Vec::new();
        for index in positions {
            exprs.push(self.column(&columns, *index, span)?);
        }
        let picked = positions.iter().map(|index| columns[*index].clone()).collect();
        self.add_rel(RelKind::Project { input, exprs }, picked, is_ordered, span)
    }

    pub(super) fn lower_project_away(&mut self, input: RelId, items: &'a [ast::Expr], span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let listed = self.listed_columns(&columns, &items.iter().collect::<Vec<_>>())?.concat();
        let rest: Vec<usize> = (0..columns.len()).filter(|index| !listed.contains(index)).collect();
        self.pick(input, &rest, span)
    }

    pub(super) fn lower_project_keep(&mut self, input: RelId, items: &'a [ast::Expr], span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let listed = self.listed_columns(&columns, &items.iter().collect::<Vec<_>>())?.concat();
        let kept: Vec<usize> =
            (0..columns.len()).filter(|index| listed.contains(index) || is_outer(&columns[*index])).collect();
        self.pick(input, &kept, span)
    }

    pub(super) fn lower_project_rename(
        &mut self,
        input: RelId,
        items: &'a [ast::Assignment],
        span: Span,
    ) -> Option<RelId> {
        let mut columns = self.columns(input);
        let before = columns.clone();
        let mut is_valid = true;
        for item in items {
            let ([name], ast::ExprKind::Name(_)) = (item.names.as_slice(), &item.value.kind) else {
                is_valid = false;
                self.fail::<()>(Code::E2001, item.span, "write the new name, `=` and the name of a column");
                continue;
            };
            let Some(listed) = self.listed_columns(&before, &[&item.value]) else {
                is_valid = false;
                continue;
            };
            let index = listed[0][0];
            if columns.iter().enumerate().any(|(other, column)| other != index && column.name == name.text) {
                is_valid = false;
                self.fail::<()>(Code::E2007, name.span, format!("there is a column `{}` already", name.text));
                continue;
            }
            columns[index].name = name.text.clone();
        }
        if !is_valid {
            return None;
        }
        let is_ordered = self.is_ordered(input);
        let exprs: Option<Vec<ExprId>> = (0..columns.len()).map(|index| self.column(&before, index, span)).collect();
        self.add_rel(RelKind::Project { input, exprs: exprs? }, columns, is_ordered, span)
    }

    pub(super) fn lower_project_reorder(
        &mut self,
        input: RelId,
        items: &'a [ast::ReorderItem],
        span: Span,
    ) -> Option<RelId> {
        let columns = self.columns(input);
        let listed = self.listed_columns(&columns, &items.iter().map(|item| &item.column).collect::<Vec<_>>())?;
        let named: Vec<usize> = items
            .iter()
            .zip(&listed)
            .filter(|(item, _)| matches!(item.column.kind, ast::ExprKind::Name(_)))
            .flat_map(|(_, found)| found.clone())
            .collect();
        let mut order: Vec<usize> = Vec::new();
        for (item, mut found) in items.iter().zip(listed) {
            let is_pattern = !matches!(item.column.kind, ast::ExprKind::Name(_));
            found.retain(|index| !(order.contains(index) || is_pattern && named.contains(index)));
            if let Some(by) = item.order {
                found.sort_by(|left, right| compare(by, &columns[*left].name, &columns[*right].name));
            }
            order.extend(found);
        }
        let rest: Vec<usize> = (0..columns.len()).filter(|index| !order.contains(index)).collect();
        order.extend(rest);
        self.pick(input, &order, span)
    }
}

fn compare(by: ReorderOrder, left: &str, right: &str) -> Ordering {
    match by {
        ReorderOrder::Ascending => left.cmp(right),
        ReorderOrder::Descending => right.cmp(left),
        ReorderOrder::GrannyAscending => granny(left, right),
        ReorderOrder::GrannyDescending => granny(right, left),
    }
}

/// Compares names with runs of digits as numbers: `a2` before `a10`.
fn granny(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len());
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (digits_a, rest_a) = split_digits(left);
            let (digits_b, rest_b) = split_digits(right);
            let (trimmed_a, trimmed_b) = (digits_a.trim_start_matches('0'), digits_b.trim_start_matches('0'));
            let order = trimmed_a.len().cmp(&trimmed_b.len()).then_with(|| trimmed_a.cmp(trimmed_b));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (rest_a, rest_b);
            continue;
        }
        if a != b {
            return a.cmp(&b);
        }
        (left, right) = (&left[a.len_utf8()..], &right[b.len_utf8()..]);
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len()))
}
