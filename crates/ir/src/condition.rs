//! Predicates to what can be said of them before any record is seen: what they need, exclude and imply.
//!
//! A [`Condition`] is a predicate over the fields of a table, columns between it and the table substituted, so that the
//! conditions of two programs can be compared. Every answer errs to one side, which its function states: where nothing
//! can be said the answer is the careful one. Nothing here reads a record, knows of rules, or changes a program. Two
//! conditions speak of the same record only while nothing between them edits a field that they read: that is the
//! caller's part. Read in order: [`term`], `clauses`, `facts`,
//! [`implied`], `nulls`.

pub mod term;

mod clauses;

mod facts;

mod patterns;

pub mod implied;

mod nulls;

use crate::expr::ExprId;
use crate::program::Program;
use crate::reads::Path;
use crate::rel::{RelId, RelKind};
use clauses::{Clause, Side, clauses};
use dtq_value::Value;
use facts::Facts;
use std::sync::OnceLock;
use term::{Builder, Term};

/// How many pairs of alternatives two conditions are compared in; beyond, nothing is said.
const PAIRS_MAX: usize = 1_024;

/// Holds a predicate over the fields of a table.
#[derive(Clone, Debug)]
pub struct Condition {
    term: Term,
    /// The alternatives in which it is true, too many and too few; taken apart when first asked for.
    wider: OnceLock<Vec<Clause>>,
    narrower: OnceLock<Vec<Clause>>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.term == other.term
    }
}

impl From<Term> for Condition {
    fn from(term: Term) -> Self {
        Self { term, wider: OnceLock::new(), narrower: OnceLock::new() }
    }
}

/// Holds what follows from a condition, to compare it with many others.
pub struct Consequences<'c> {
    /// Of each alternative that can be.
    facts: Vec<Facts<'c>>,
}

impl Consequences<'_> {
    /// Says whether it is certain that `other` is true of every record of which the condition is.
    pub fn imply(&self, other: &Condition) -> bool {
        let wanted = other.narrower();
        if self.facts.len().saturating_mul(wanted.len()) > PAIRS_MAX {
            return false;
        }
        self.facts.iter().all(|facts| wanted.iter().any(|wanted| wanted.iter().all(|one| facts.imply(one))))
    }
}

impl Condition {
    /// Returns the condition of a bool expression over the rows of `input`.
    pub fn of_predicate(program: &Program, input: RelId, predicate: ExprId) -> Self {
        Builder::new(program).expr(input, predicate).into()
    }

    /// Returns the condition of a bool expression over one row, whose columns are taken as they are.
    pub fn of_row(program: &Program, predicate: ExprId) -> Self {
        Builder::new(program).over_row(predicate).into()
    }

    /// Returns when a record of the table is among the rows of a relation, or `None` if the relation is not row-local.
    ///
    /// Row-local is made of `where`, `extend`, `project` and its relatives, `parse` and `as` over one table.
    pub fn of_relation(program: &Program, rel: RelId) -> Option<Self> {
        let mut builder = Builder::new(program);
        let (mut terms, mut at) = (Vec::new(), rel);
        loop {
            at = match &program.rel(at).kind {
                RelKind::Scan { .. } => break,
                RelKind::Filter { input, predicate } => {
                    terms.push(builder.expr(*input, *predicate));
                    *input
                }
                RelKind::Project { input, .. } | RelKind::Materialize { input } => *input,
                RelKind::Parse(parse) => {
                    if parse.is_where {
                        terms.push(Term::unknown());
                    }
                    parse.input
                }
                RelKind::ParseKv(parse) => parse.input,
                _ => return None,
            };
        }
        let all = terms.into_iter().rev().reduce(|left, right| Term::And(Box::new(left), Box::new(right)));
        Some(all.unwrap_or(Term::Const(Value::Bool(true))).into())
    }

    /// Returns what the condition is made of.
    pub fn term(&self) -> &Term {
        &self.term
    }

    /// Returns the conditions that must all be true, in order; one that is not a conjunction is its only part.
    pub fn conjuncts(&self) -> Vec<Condition> {
        parts(&self.term, |term| if let Term::And(left, right) = term { Some((left, right)) } else { None })
    }

    /// Returns the conditions of which one must be true, in order; one that is not a disjunction is its only part.
    pub fn disjuncts(&self) -> Vec<Condition> {
        parts(&self.term, |term| if let Term::Or(left, right) = term { Some((left, right)) } else { None })
    }

    /// Says whether it is certain that no record makes the condition true.
    pub fn is_never_true(&self) -> bool {
        self.wider().iter().all(|clause| Facts::of(clause).are_contradictory())
    }

    /// Says whether it is certain that the condition is true of every record.
    pub fn is_always_true(&self) -> bool {
        self.narrower().iter().any(Clause::is_empty)
    }

    /// Says whether it is certain that `other` is true of every record of which this condition is.
    ///
    /// If a rule that drops has this condition and stands first, then a later one with `other` loses these records; if
    /// `later.implies(first)`, the later one never sees a record.
    pub fn implies(&self, other: &Condition) -> bool {
        self.consequences().imply(other)
    }

    /// Returns what follows from the condition.
    pub fn consequences(&self) -> Consequences<'_> {
        let facts = self.wider().iter().map(|clause| Facts::of(clause));
        Consequences { facts: facts.filter(|facts| !facts.are_contradictory()).collect() }
    }

    fn wider(&self) -> &[Clause] {
        self.wider.get_or_init(|| clauses(&self.term, Side::Wider))
    }

    fn narrower(&self) -> &[Clause] {
        self.narrower.get_or_init(|| clauses(&self.term, Side::Narrower))
    }

    /// Says whether some record may make both conditions true: false only if it is certain that none does.
    pub fn may_overlap(&self, other: &Condition) -> bool {
        let (left, right) = (self.wider(), other.wider());
        if left.len().saturating_mul(right.len()) > PAIRS_MAX {
            return true;
        }
        left.iter().any(|left| {
            right.iter().any(|right| {
                let both: Clause = left.iter().chain(right).cloned().collect();
                !Facts::of(&both).are_contradictory()
            })
        })
    }

    /// Returns the fields without which the condition is null, not false: `Attributes.size > 5` of a record without it.
    ///
    /// `where` drops such a record, and so does its negation with `not`. Fields that always have a value (strings, and
    /// columns that are no dynamic) are not among them.
    pub fn null_traps(&self) -> Vec<Path> {
        nulls::traps(&self.term)
    }
}

/// Returns the parts of a tree of one kind of node, from left to right.
fn parts(term: &Term, split: impl Fn(&Term) -> Option<(&Term, &Term)>) -> Vec<Condition> {
    let (mut out, mut open) = (Vec::new(), vec![term]);
    while let Some(term) = open.pop() {
        match split(term) {
            Some((left, right)) => open.extend([right, left]),
            None => out.push(term.clone().into()),
        }
    }
    out
}
