//! Which columns of each relation are looked at, and which keys inside of them, so that a table need not produce the
//! rest.
//!
//! Walks the program from its outputs to its tables. What is not listed here as passing columns through is taken to
//! look at all of them. A column nobody looks at may hold anything, null included.

use crate::expr::{ExprId, ExprKind};
use crate::program::Program;
use crate::rel::{BagUnpackSource, RelId, RelKind, ScanSteps};
use dtq_record::stream::Inside;
use dtq_value::{Str, Value};
use std::collections::{BTreeMap, HashSet};

/// For each relation, what of each of its columns is looked at.
pub type Needed = Vec<Vec<Need>>;

/// How many keys of one value are told apart; when more are looked at, the value is.
const KEYS_MAX: usize = 64;
/// How many keys into each other are followed.
const PATH_KEYS_MAX: usize = 16;

/// Says what of a column is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    #[default]
    Nothing,
    /// Values of keys.
    Keys(BTreeMap<Str, Need>),
    /// Everything.
    All,
}

impl Need {
    /// Returns the need of what stands behind keys, the outermost first.
    fn behind(keys: Vec<Str>) -> Self {
        keys.into_iter().rev().fold(Need::All, |inner, key| Need::Keys(BTreeMap::from([(key, inner)])))
    }

    fn add(&mut self, other: Need) {
        match (&mut *self, other) {
            (Need::All, _) | (_, Need::Nothing) => {}
            (Need::Keys(own), Need::Keys(more)) => {
                for (key, need) in more {
                    own.entry(key).or_default().add(need);
                }
                if own.len() > KEYS_MAX {
                    *self = Need::All;
                }
            }
            (_, other) => *self = other,
        }
    }

    /// Says whether anything is looked at.
    pub fn is_some(&self) -> bool {
        *self != Need::Nothing
    }

    /// Returns what a table is told.
    pub fn inside(&self) -> Inside {
        match self {
            Need::Nothing | Need::All => Inside::Whole,
            Need::Keys(keys) => Inside::Keys(keys.iter().map(|(key, need)| (key.clone(), need.inside())).collect()),
        }
    }
}

/// Returns what of each column of each relation is looked at.
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
    walk.need(top, wanted.into_iter().map(|column| (column, Need::All)));
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
            needed: program.rels().iter().map(|rel| vec![Need::Nothing; rel.columns.len()]).collect(),
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
        self.needed[rel.0 as usize].fill(Need::All);
    }

    /// Notes that a relation is read, and these of its columns.
    fn need(&mut self, rel: RelId, columns: impl IntoIterator<Item = (usize, Need)>) {
        self.is_reached[rel.0 as usize] = true;
        for (column, more) in columns {
            if let Some(need) = self.needed[rel.0 as usize].get_mut(column) {
                need.add(more);
            }
        }
    }

    /// Passes the columns that are needed of a relation on to its inputs, with those that it looks at itself.
    fn pass_on(&mut self, kind: &RelKind, own: &[Need]) {
        let through = || own.iter().cloned().enumerate();
        // Of columns that the operator may replace: what is read inside of the new is not what is read of the old.
        let whole = || own.iter().enumerate().filter(|(_, need)| need.is_some()).map(|(index, _)| (index, Need::All));
        match kind {
            RelKind::Filter { input, .. }
            | RelKind::Take { input, .. }
            | RelKind::Sort { input, .. }
            | RelKind::Top { input, .. }
            | RelKind::Sample { input, .. }
            | RelKind::Materialize { input } => {
                self.need(*input, through());
                self.need_exprs(*input, kind.exprs());
            }
            RelKind::MvExpand { input, .. } | RelKind::Window { input, .. } => {
                self.need(*input, whole());
                self.need_exprs(*input, kind.exprs());
            }
            RelKind::Parse(parse) => {
                self.need(parse.input, whole());
                self.need_exprs(parse.input, vec![parse.value]);
            }
            RelKind::ParseKv(parse) => {
                self.need(parse.input, whole());
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
                self.need(*input, [(*bag as usize, Need::All)]);
                let columns = sources.iter().filter_map(|source| match source {
                    BagUnpackSource::Column(index) => Some((*index as usize, Need::All)),
                    BagUnpackSource::Property(..) => None,
                });
                self.need(*input, columns);
            }
            RelKind::ScanSteps(scan) => self.pass_scan(scan, own),
            RelKind::Join { left, right, keys, .. } => self.pass_join(*left, *right, keys, own),
            kind => {
                kind.inputs().into_iter().for_each(|input| self.need_all(input));
                self.need_subqueries(kind.exprs());
            }
        }
    }

    /// Of a plain column counts what is needed of it; what is computed is computed in any case.
    fn pass_project(&mut self, input: RelId, exprs: &[ExprId], own: &[Need]) {
        let mut computed = Vec::new();
        for (index, expr) in exprs.iter().enumerate() {
            match self.program.expr(*expr).kind {
                ExprKind::Column(from) => self.need(input, [(from as usize, own[index].clone())]),
                _ => computed.push(*expr),
            }
        }
        self.need(input, []);
        self.need_exprs(input, computed);
    }

    /// Columns of a join are those of the left side, then those of the right; or those of one side alone.
    fn pass_join(&mut self, left: RelId, right: RelId, keys: &[(ExprId, ExprId)], own: &[Need]) {
        let (left_width, right_width) = (self.needed[left.0 as usize].len(), self.needed[right.0 as usize].len());
        if own.len() == left_width + right_width {
            self.need(left, own[..left_width].iter().cloned().enumerate());
            self.need(right, own[left_width..].iter().cloned().enumerate());
            self.need_exprs(left, keys.iter().map(|(key, _)| *key).collect());
            self.need_exprs(right, keys.iter().map(|(_, key)| *key).collect());
        } else {
            self.need_all(left);
            self.need_all(right);
            self.need_subqueries(keys.iter().flat_map(|(left, right)| [*left, *right]).collect());
        }
    }

    /// Steps see the columns of the input, then for each step those and the declared ones once more, as it remembers them.
    fn pass_scan(&mut self, scan: &ScanSteps, own: &[Need]) {
        let width = self.needed[scan.input.0 as usize].len();
        let whole = |index: usize| (index, Need::All);
        self.need(scan.input, (0..width).filter(|index| own[*index].is_some()).map(whole));
        self.need_exprs(scan.input, scan.partition.clone());
        self.need_exprs(scan.input, scan.order.iter().map(|key| key.expr).collect());
        let steps = scan.steps.iter();
        let seen = steps.flat_map(|step| step.assignments.iter().map(|(_, value)| *value).chain([step.condition]));
        let seen = self.need_subqueries(seen.collect());
        let remembered_width = width + scan.declared.len();
        let of_input = |index: usize| index.checked_sub(width).map_or(index, |index| index % remembered_width);
        let columns = seen.into_iter().map(|(index, _)| of_input(index));
        self.need(scan.input, columns.filter(|index| *index < width).map(whole));
    }

    /// Notes the columns of a relation that expressions over its rows look at.
    fn need_exprs(&mut self, input: RelId, exprs: Vec<ExprId>) {
        let columns = self.need_subqueries(exprs);
        self.need(input, columns);
    }

    /// Notes the relations inside expressions, of which the first column is looked at; returns what of the row is.
    fn need_subqueries(&mut self, exprs: Vec<ExprId>) -> Vec<(usize, Need)> {
        let mut columns = Vec::new();
        let mut seen = HashSet::new();
        let mut pending = exprs;
        while let Some(expr) = pending.pop() {
            if !seen.insert(expr) {
                continue;
            }
            if let Some((column, keys)) = path(self.program, expr) {
                columns.push((column, Need::behind(keys)));
                continue;
            }
            let kind = &self.program.expr(expr).kind;
            if let ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. } = kind {
                self.need(*rel, [(0, Need::All)]);
            }
            pending.extend(kind.children());
        }
        columns
    }
}

/// Returns the column and the keys inside of it that an expression reads, when it reads that and nothing else.
pub fn path(program: &Program, mut expr: ExprId) -> Option<(usize, Vec<Str>)> {
    let mut keys = Vec::new();
    while keys.len() <= PATH_KEYS_MAX {
        expr = match &program.expr(expr).kind {
            ExprKind::Column(column) => {
                keys.reverse();
                return Some((*column as usize, keys));
            }
            ExprKind::Property { base, key } => {
                keys.push(key.clone());
                *base
            }
            ExprKind::Element { base, index } => match &program.expr(*index).kind {
                ExprKind::Const(Value::String(key)) => {
                    keys.push(key.clone());
                    *base
                }
                _ => return None,
            },
            _ => return None,
        };
    }
    None
}
