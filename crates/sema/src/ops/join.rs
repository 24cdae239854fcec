//! `join` and `lookup`.

use crate::convert::common;
use crate::lowerer::Lowerer;
use crate::naming::make_unique;
use crate::suggest;
use dtq_ir::rel::JoinKind;
use dtq_ir::{Effect, ExprId, ExprKind, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast::{self, BinaryOp};
use dtq_value::Type;

const KINDS: &[(&str, JoinKind)] = &[
    ("innerunique", JoinKind::InnerUnique),
    ("inner", JoinKind::Inner),
    ("leftouter", JoinKind::LeftOuter),
    ("rightouter", JoinKind::RightOuter),
    ("fullouter", JoinKind::FullOuter),
    ("leftsemi", JoinKind::LeftSemi),
    ("rightsemi", JoinKind::RightSemi),
    ("leftanti", JoinKind::LeftAnti),
    ("leftantisemi", JoinKind::LeftAnti),
    ("anti", JoinKind::LeftAnti),
    ("rightanti", JoinKind::RightAnti),
    ("rightantisemi", JoinKind::RightAnti),
];

/// Holds a condition: where each side's key stands, and the key.
struct Key {
    left: (usize, Span),
    right: (usize, Span),
}

/// Returns the text of a property such as `kind=inner` and where it stands.
pub(super) fn property<'p>(properties: &'p [ast::Property], name: &str) -> Option<(&'p str, Span)> {
    let found = properties.iter().find(|property| property.name.text == name)?;
    let text = match &found.value.kind {
        ast::ExprKind::Name(name) => name.text.as_str(),
        ast::ExprKind::Literal(ast::Literal::String { value, .. }) => value.as_str(),
        ast::ExprKind::Literal(ast::Literal::Bool(true)) => "true",
        ast::ExprKind::Literal(ast::Literal::Bool(false)) => "false",
        _ => "",
    };
    Some((text, found.value.span))
}

impl<'a> Lowerer<'a> {
    fn join_kind(&mut self, join: &ast::Join, default: JoinKind, allowed: &[&str]) -> Option<JoinKind> {
        let Some((text, span)) = property(&join.properties, "kind") else { return Some(default) };
        // The parser has reported a kind that is none.
        let found = KINDS.iter().find(|(name, _)| *name == text && (allowed.is_empty() || allowed.contains(name)));
        if found.is_none() && KINDS.iter().any(|(name, _)| *name == text) {
            return self.fail(
                Code::E1015,
                span,
                format!("`lookup` has no kind `{text}`, only `leftouter` and `inner`"),
            );
        }
        found.map(|(_, kind)| *kind)
    }

    pub(super) fn lower_join(&mut self, left: RelId, join: &'a ast::Join, span: Span) -> Option<RelId> {
        let kind = self.join_kind(join, JoinKind::InnerUnique, &[]);
        let right = self.subquery(&join.right)?;
        let keys = self.join_keys(left, right, join)?;
        let kind = kind?;
        let columns = self.joined_columns(left, right, kind);
        let keys = self.key_exprs(left, right, &keys)?;
        self.add_rel(RelKind::Join { left, right, kind, keys }, columns, false, span)
    }

    /// Filters the left side of an `innerunique` join by those parts of a later filter that only look at it.
    ///
    /// Which left row stands for a key is decided among the rows that such a filter keeps.
    ///
    /// # Source
    /// Kusto documentation, "innerunique join", "Two possible outputs": a filter on the left side after the join "will
    /// never give the first result".
    pub(super) fn filter_before_innerunique(&mut self, rel: RelId, predicate: ExprId, span: Span) -> Option<RelId> {
        let (columns, kind) = (self.columns(rel), self.program.rel(rel).kind.clone());
        match kind {
            RelKind::Filter { input, predicate: earlier } => {
                let filtered = self.filter_before_innerunique(input, predicate, span)?;
                if filtered == input {
                    return Some(rel);
                }
                let is_ordered = self.is_ordered(rel);
                self.add_rel(RelKind::Filter { input: filtered, predicate: earlier }, columns, is_ordered, span)
            }
            RelKind::Join { left, right, kind: JoinKind::InnerUnique, keys } => {
                let left_columns = self.columns(left);
                let mut filtered = left;
                for predicate in self.conjuncts(predicate) {
                    if self.reads_only(predicate, left_columns.len()) {
                        let kind = RelKind::Filter { input: filtered, predicate };
                        let is_ordered = self.is_ordered(left);
                        filtered = self.add_rel(kind, left_columns.clone(), is_ordered, span)?;
                    }
                }
                if filtered == left {
                    return Some(rel);
                }
                let kind = RelKind::Join { left: filtered, right, kind: JoinKind::InnerUnique, keys };
                self.add_rel(kind, columns, false, span)
            }
            _ => Some(rel),
        }
    }

    /// Returns the operands of a chain of `and`.
    fn conjuncts(&self, predicate: ExprId) -> Vec<ExprId> {
        let mut found = Vec::new();
        let mut open = vec![predicate];
        while let Some(id) = open.pop() {
            match &self.program.expr(id).kind {
                ExprKind::And(left, right) => open.extend([*right, *left]),
                _ => found.push(id),
            }
        }
        found
    }

    /// Says whether an expression reads only the first `count` columns, at least one, and gives the same each time.
    fn reads_only(&self, expr: ExprId, count: usize) -> bool {
        let mut reads_column = false;
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![expr];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match &self.program.expr(id).kind {
                ExprKind::Column(index) if *index as usize >= count => return false,
                ExprKind::Column(_) => reads_column = true,
                ExprKind::Call { function, .. } if function.effect > Effect::Time => return false,
                _ => {}
            }
            open.extend(self.program.expr(id).kind.children());
        }
        reads_column
    }

    fn joined_columns(&self, left: RelId, right: RelId, kind: JoinKind) -> Vec<Column> {
        let mut columns = match kind {
            JoinKind::RightSemi | JoinKind::RightAnti => Vec::new(),
            _ => self.columns(left),
        };
        if !matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
            columns.extend(self.columns(right));
        }
        make_unique(&mut columns);
        columns
    }

    pub(super) fn lower_lookup(&mut self, left: RelId, join: &'a ast::Join, span: Span) -> Option<RelId> {
        let kind = self.join_kind(join, JoinKind::LeftOuter, &["leftouter", "inner"]);
        let right = self.subquery(&join.right)?;
        let keys = self.join_keys(left, right, join)?;
        let kind = kind?;
        let rights: Vec<usize> = keys.iter().map(|key| key.right.0).collect();
        let exprs = self.key_exprs(left, right, &keys)?;
        let mut columns = self.columns(left);
        let left_count = columns.len();
        columns.extend(self.columns(right));
        let joined = RelKind::Join { left, right, kind, keys: exprs };
        let rel = self.add_rel(joined, columns.clone(), false, span)?;
        let kept: Vec<usize> =
            (0..columns.len()).filter(|index| *index < left_count || !rights.contains(&(index - left_count))).collect();
        let rel = self.pick(rel, &kept, span)?;
        let mut named = self.columns(rel);
        make_unique(&mut named);
        let exprs: Option<Vec<ExprId>> = (0..named.len()).map(|index| self.column(&named, index, span)).collect();
        self.add_rel(RelKind::Project { input: rel, exprs: exprs? }, named, false, span)
    }

    fn join_keys(&mut self, left: RelId, right: RelId, join: &'a ast::Join) -> Option<Vec<Key>> {
        let (lefts, rights) = (self.columns(left), self.columns(right));
        let keys: Vec<Option<Key>> = join.on.iter().map(|on| self.join_key(&lefts, &rights, on)).collect();
        keys.into_iter().collect()
    }

    fn join_key(&mut self, lefts: &[Column], rights: &[Column], on: &'a ast::Expr) -> Option<Key> {
        match &on.kind {
            ast::ExprKind::Paren(inner) => self.join_key(lefts, rights, inner),
            ast::ExprKind::Name(name) => {
                let left = self.side(lefts, name, "left");
                let right = self.side(rights, name, "right");
                Some(Key { left: (left?, name.span), right: (right?, name.span) })
            }
            ast::ExprKind::Binary { op: BinaryOp::Equal, left, right, .. } => {
                let (first, second) = (side_of(left), side_of(right));
                match (first, second) {
                    (Some(("$left", a)), Some(("$right", b))) | (Some(("$right", b)), Some(("$left", a))) => {
                        let left = self.side(lefts, a, "left");
                        let right = self.side(rights, b, "right");
                        Some(Key { left: (left?, a.span), right: (right?, b.span) })
                    }
                    _ => self.refuse_condition(on),
                }
            }
            ast::ExprKind::Binary { op: BinaryOp::And, .. } => {
                let message = "conditions of a join are separated by commas, not joined by `and`";
                let diagnostic = Diagnostic::error(Code::E2012, on.span, message);
                self.report(diagnostic.label("write `on a, b`, or `on $left.a == $right.b, $left.c == $right.d`"));
                None
            }
            _ => self.refuse_condition(on),
        }
    }

    fn refuse_condition(&mut self, on: &ast::Expr) -> Option<Key> {
        let message = "a join condition is a column of both tables, or `$left.a == $right.b`";
        self.fail(Code::E2012, on.span, message)
    }

    fn side(&mut self, columns: &[Column], name: &ast::Name, side: &str) -> Option<usize> {
        if self.unknown.contains(&name.text) {
            return None;
        }
        let found = crate::row::find_column(columns, &name.text);
        if found.is_none() && !self.is_open {
            let known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            let message = format!("the {side} table of the join has no column `{}`", name.text);
            let mut diagnostic =
                suggest::did_you_mean(Diagnostic::error(Code::E2001, name.span, message), name, &known);
            if diagnostic.fix.is_none() {
                diagnostic = diagnostic.note(suggest::listing("its columns", &known));
            }
            self.report(diagnostic);
        }
        found.map(|index| index as usize)
    }

    /// Brings both sides of each key to one type.
    fn key_exprs(&mut self, left: RelId, right: RelId, keys: &[Key]) -> Option<Vec<(ExprId, ExprId)>> {
        let (lefts, rights) = (self.columns(left), self.columns(right));
        let mut exprs = Vec::new();
        for key in keys {
            let (a, b) = (lefts[key.left.0].ty, rights[key.right.0].ty);
            let Some(ty) = common(a, b).filter(|_| a != Type::Dynamic && b != Type::Dynamic) else {
                let is_dynamic = a == Type::Dynamic || b == Type::Dynamic;
                let code = if is_dynamic { Code::E2009 } else { Code::E2004 };
                let names = (&lefts[key.left.0].name, &rights[key.right.0].name);
                let message = format!("the keys `{}` ({a:#}) and `{}` ({b:#}) can't be joined", names.0, names.1);
                let label = "bring both to one type before, as in `extend key = tostring(...)`";
                self.report(Diagnostic::error(code, key.left.1.to(key.right.1), message).label(label));
                return None;
            };
            let left = self.column(&lefts, key.left.0, key.left.1)?;
            let right = self.column(&rights, key.right.0, key.right.1)?;
            exprs.push((self.convert(left, ty)?, self.convert(right, ty)?));
        }
        Some(exprs)
    }
}

/// Returns the side and the column of `$left.a`.
fn side_of(expr: &ast::Expr) -> Option<(&str, &ast::Name)> {
    match &expr.kind {
        ast::ExprKind::Paren(inner) => side_of(inner),
        ast::ExprKind::Path { base, name } => match &base.kind {
            ast::ExprKind::Name(side) => Some((side.text.as_str(), name)),
            _ => None,
        },
        _ => None,
    }
}
