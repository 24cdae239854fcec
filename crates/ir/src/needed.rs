//! A program to the columns of each relation that something looks at, so that nothing need produce the others.
//!
//! Walks the program from its outputs to its tables. What is not listed here as passing columns through is taken to
//! look at all of them. A column nobody looks at may hold anything, null included.

use crate::expr::{ExprId, ExprKind};
use crate::program::Program;
use crate::rel::{BagUnpackSource, RelId, RelKind, ScanSteps};
use std::collections::HashSet;

/// For each relation, whether each of its columns is looked at.
pub type Needed = Vec<Vec<bool>>;

/// Returns which columns of each relation are looked at.
pub fn of(program: &Program) -> Needed {
    let mut walk = Walk::new(program);
    for output in &program.outputs {
        walk.need_all(output.rel);
    }
    walk.finish()
}

/// Returns which columns of each relation are looked at when only these columns of one are wanted.
pub fn of_some(program: &Program, top: RelId, wanted: impl IntoIterator<Item = usize>) -> Needed {
    let mut walk = Walk::new(program);
    walk.need(top, wanted);
    walk.finish()
}

struct Walk<'p> {
    program: &'p Program,
    needed: Needed,
    is_reached: Vec<bool>,
}

impl<'p> Walk<'p> {
    fn new(program: &'p Program) -> Self {
        Self {
            program,
            needed: program.rels().iter().map(|rel| vec![false; rel.columns.len()]).collect(),
            is_reached: vec![false; program.rels().len()],
        }
    }

    fn finish(mut self) -> Needed {
        // A relation refers only to relations before it: from the last to the first, all readers come before what they
        // read.
        for index in (0..self.program.rels().len()).rev() {
            if self.is_reached[index] {
                let own = std::mem::take(&mut self.needed[index]);
                self.pass_on(&self.program.rels()[index].kind, &own);
                self.needed[index] = own;
            }
        }
        self.needed
    }

    fn need_all(&mut self, rel: RelId) {
        self.is_reached[rel.0 as usize] = true;
        self.needed[rel.0 as usize].fill(true);
    }

    /// Notes that a relation is read, and these of its columns.
    fn need(&mut self, rel: RelId, columns: impl IntoIterator<Item = usize>) {
        self.is_reached[rel.0 as usize] = true;
        for column in columns {
            if let Some(is_needed) = self.needed[rel.0 as usize].get_mut(column) {
                *is_needed = true;
            }
        }
    }

    /// Passes the columns that are needed of a relation on to its inputs, with those that it looks at itself.
    fn pass_on(&mut self, kind: &RelKind, own: &[bool]) {
        let through = || own.iter().enumerate().filter(|(_, is_needed)| **is_needed).map(|(index, _)| index);
        match kind {
            RelKind::Filter { input, .. }
            | RelKind::Take { input, .. }
            | RelKind::Sort { input, .. }
            | RelKind::Top { input, .. }
            | RelKind::Sample { input, .. }
            | RelKind::Materialize { input }
            | RelKind::MvExpand { input, .. }
            | RelKind::Window { input, .. } => {
                self.need(*input, through());
                self.need_exprs(*input, kind.exprs());
            }
            RelKind::Parse(parse) => {
                self.need(parse.input, through());
                self.need_exprs(parse.input, vec![parse.value]);
            }
            RelKind::ParseKv(parse) => {
                self.need(parse.input, through());
                self.need_exprs(parse.input, vec![parse.value]);
            }
            RelKind::Project { input, exprs } => self.pass_project(*input, exprs, own),
            RelKind::Union { inputs } => inputs.iter().for_each(|input| self.need(*input, through())),
            RelKind::Aggregate { input, .. } | RelKind::TopNested { input, .. } | RelKind::Pivot { input, .. } => {
                self.need(*input, []);
                self.need_exprs(*input, kind.exprs());
            }
            RelKind::MakeSeries(series) => {
                self.need(series.input, []);
                self.need_exprs(series.input, kind.exprs());
            }
            RelKind::BagUnpack { input, bag, sources } => {
                self.need(*input, [*bag as usize]);
                let columns = sources.iter().filter_map(|source| match source {
                    BagUnpackSource::Column(index) => Some(*index as usize),
                    BagUnpackSource::Property(..) => None,
                });
                self.need(*input, columns);
            }
            RelKind::Join { left, right, keys, .. } => self.pass_join(*left, *right, keys, own),
            RelKind::ScanSteps(scan) => self.pass_scan(scan, own),
            kind => {
                kind.inputs().into_iter().for_each(|input| self.need_all(input));
                self.need_subqueries(kind.exprs());
            }
        }
    }

    /// A plain column counts only when it is needed; what is computed is computed in any case.
    fn pass_project(&mut self, input: RelId, exprs: &[ExprId], own: &[bool]) {
        self.need(input, []);
        let is_looked_at =
            |index: usize, expr: &ExprId| own[index] || !matches!(self.program.expr(*expr).kind, ExprKind::Column(_));
        let looked_at = exprs.iter().enumerate().filter(|(index, expr)| is_looked_at(*index, expr));
        let looked_at = looked_at.map(|(_, expr)| *expr).collect();
        self.need_exprs(input, looked_at);
    }

    /// Columns of a join are those of the left side, then those of the right; or those of one side alone.
    fn pass_join(&mut self, left: RelId, right: RelId, keys: &[(ExprId, ExprId)], own: &[bool]) {
        let (left_width, right_width) = (self.needed[left.0 as usize].len(), self.needed[right.0 as usize].len());
        if own.len() == left_width + right_width {
            self.need(left, (0..left_width).filter(|index| own[*index]));
            self.need(right, (0..right_width).filter(|index| own[left_width + *index]));
            self.need_exprs(left, keys.iter().map(|(key, _)| *key).collect());
            self.need_exprs(right, keys.iter().map(|(_, key)| *key).collect());
        } else {
            self.need_all(left);
            self.need_all(right);
            self.need_subqueries(keys.iter().flat_map(|(left, right)| [*left, *right]).collect());
        }
    }

    /// Steps see the columns of the input, then for each step those and the declared ones once more, as it remembers them.
    fn pass_scan(&mut self, scan: &ScanSteps, own: &[bool]) {
        let width = self.needed[scan.input.0 as usize].len();
        self.need(scan.input, (0..width).filter(|index| own[*index]));
        self.need_exprs(scan.input, scan.partition.clone());
        self.need_exprs(scan.input, scan.order.iter().map(|key| key.expr).collect());
        let steps = scan.steps.iter();
        let seen = steps.flat_map(|step| step.assignments.iter().map(|(_, value)| *value).chain([step.condition]));
        let seen = self.need_subqueries(seen.collect());
        let remembered_width = width + scan.declared.len();
        let of_input = |index: usize| index.checked_sub(width).map_or(index, |index| index % remembered_width);
        self.need(scan.input, seen.into_iter().map(of_input).filter(|index| *index < width));
    }

    /// Notes the columns of a relation that expressions over its rows look at.
    fn need_exprs(&mut self, input: RelId, exprs: Vec<ExprId>) {
        let columns = self.need_subqueries(exprs);
        self.need(input, columns);
    }

    /// Notes the relations inside expressions, of which the first column is looked at; returns the columns of the row.
    fn need_subqueries(&mut self, exprs: Vec<ExprId>) -> Vec<usize> {
        let mut columns = Vec::new();
        let mut seen = HashSet::new();
        let mut pending = exprs;
        while let Some(expr) = pending.pop() {
            if !seen.insert(expr) {
                continue;
            }
            let kind = &self.program.expr(expr).kind;
            match kind {
                ExprKind::Column(index) => columns.push(*index as usize),
                ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. } => self.need(*rel, [0]),
                _ => {}
            }
            pending.extend(kind.children());
        }
        columns
    }
}
