//! Conditions of rules to plans of code that is certain of what it says, and to that code.
//!
//! A condition is true, false or null; from what the kernel sees of a record it may also be unknown. What a rule does rests
//! on one certainty ([`Want`]): that its condition is surely true, or surely not true. How certainties of `and`, `or` and
//! `not` follow from those of their operands is settled here, before any code: what cannot become certain is left out where
//! the rest decides without it, and refused with its reason where not. Nothing here knows rules or payloads. Read in
//! order: [`field`], [`atom`], `number`, `passes`, `code`.

pub mod field;

pub mod atom;

pub(crate) mod number;

pub(crate) mod passes;

mod code;

mod describe;

pub use code::emit;
pub use describe::describe;

use crate::Unsupported;
use atom::Atom;
use dtq_ir::condition::term::{NodeKind, Term};
use dtq_value::Value;
use field::Fields;
use number::Comparison;
use std::collections::BTreeSet;

/// Says what is to be certain of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It is false or null.
    NotTrue,
    /// It is true or null.
    NotFalse,
}

impl Want {
    /// Returns what has to be certain of the operand of `not`.
    fn negated(self) -> Self {
        match self {
            Want::True => Want::False,
            Want::False => Want::True,
            Want::NotTrue => Want::NotFalse,
            Want::NotFalse => Want::NotTrue,
        }
    }

    /// Says whether a value is what is wanted.
    fn holds(self, value: Option<bool>) -> bool {
        match self {
            Want::True => value == Some(true),
            Want::False => value == Some(false),
            Want::NotTrue => value != Some(true),
            Want::NotFalse => value != Some(false),
        }
    }

    /// Says whether `and` is certain only when both of its operands are; else one of them is enough.
    fn needs_both_of_and(self) -> bool {
        matches!(self, Want::True | Want::NotFalse)
    }
}

/// Holds how a certainty is found.
#[derive(Clone, Debug)]
pub enum Plan {
    /// It holds of every record, or of none.
    Known(bool),
    /// One look at a field.
    Atom(Atom, Want),
    /// A comparison of two numbers.
    Comparison(Comparison, Want),
    /// All of them.
    All(Vec<Plan>),
    /// One of them.
    Any(Vec<Plan>),
}

/// Holds a part of a condition that stays in user space.
#[derive(Clone, Debug, PartialEq)]
pub struct Stays {
    /// The part.
    pub part: Term,
    /// Why.
    pub reason: Unsupported,
}

/// How deep a condition is followed.
const DEPTH_MAX: usize = 64;

/// Returns how a certainty about a condition is found, and adds what stays in user space; `None` when nothing of it can
/// become certain, for which what stays says why.
pub fn plan(term: &Term, want: Want, fields: &mut Fields<'_>, stays: &mut Vec<Stays>) -> Option<Plan> {
    Planner { fields, stays }.plan(term, want, DEPTH_MAX)
}

struct Planner<'p, 'f> {
    fields: &'p mut Fields<'f>,
    stays: &'p mut Vec<Stays>,
}

impl Planner<'_, '_> {
    fn plan(&mut self, term: &Term, want: Want, depth_left: usize) -> Option<Plan> {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return self.stays(term, Unsupported::new("the condition is nested too deep"));
        };
        match term {
            Term::Const(value) => match bool_of(value) {
                Some(value) => Some(Plan::Known(want.holds(value))),
                None => self.stays(term, Unsupported::new("it is no condition")),
            },
            Term::And(left, right) => {
                let both = want.needs_both_of_and();
                self.two([left, right].map(|term| (&**term, want)), both, depth_left)
            }
            Term::Or(left, right) => {
                let both = !want.needs_both_of_and();
                self.two([left, right].map(|term| (&**term, want)), both, depth_left)
            }
            Term::Call { function, args, .. } if function.name == "not" && args.len() == 1 => {
                self.plan(&args[0], want.negated(), depth_left)
            }
            Term::Node(NodeKind::Case, parts) => self.case(parts, want, depth_left),
            _ => self.leaf(term, want),
        }
    }

    /// Plans two operands of which both have to be certain, or one.
    fn two(&mut self, operands: [(&Term, Want); 2], both: bool, depth_left: usize) -> Option<Plan> {
        let mut plans = Vec::new();
        for (term, want) in operands {
            match self.plan(term, want, depth_left) {
                Some(plan) => plans.push(plan),
                None if both => return None,
                None => {}
            }
        }
        (!plans.is_empty()).then(|| joined(plans, both))
    }

    /// Plans `iff` and `case`: a condition that is true decides for its value, one that is not for what follows.
    fn case(&mut self, parts: &[Term], want: Want, depth_left: usize) -> Option<Plan> {
        let [condition, value, rest @ ..] = parts else { return self.plan(parts.first()?, want, depth_left) };
        let depth_left = depth_left.checked_sub(1)?;
        let is_true = self.plan(condition, Want::True, depth_left);
        let taken = is_true.and_then(|is_true| Some(vec![is_true, self.plan(value, want, depth_left)?]));
        let is_not = self.plan(condition, Want::NotTrue, depth_left);
        let passed = is_not.and_then(|is_not| Some(vec![is_not, self.case(rest, want, depth_left)?]));
        let plans: Vec<Plan> = [taken, passed].into_iter().flatten().map(|both| joined(both, true)).collect();
        (!plans.is_empty()).then(|| joined(plans, false))
    }

    fn leaf(&mut self, term: &Term, want: Want) -> Option<Plan> {
        let reason = match Atom::of(term, self.fields) {
            Ok(atom) => return Some(Plan::Atom(atom, want)),
            Err(reason) => reason,
        };
        match Comparison::of(term, self.fields) {
            Some(comparison) => Some(Plan::Comparison(comparison, want)),
            None => self.stays(term, reason),
        }
    }

    fn stays(&mut self, term: &Term, reason: Unsupported) -> Option<Plan> {
        self.stays.push(Stays { part: term.clone(), reason });
        None
    }
}

/// Returns the plan of all or of one, what is known left out, the cheapest first.
pub(crate) fn joined(plans: Vec<Plan>, all: bool) -> Plan {
    let mut parts = Vec::new();
    for plan in plans {
        match plan {
            Plan::Known(known) if known == all => {}
            Plan::Known(known) => return Plan::Known(known),
            Plan::All(inner) if all => parts.extend(inner),
            Plan::Any(inner) if !all => parts.extend(inner),
            other => parts.push(other),
        }
    }
    parts.sort_by_key(Plan::cost);
    match parts.len() {
        0 => Plan::Known(all),
        1 => parts.swap_remove(0),
        _ if all => Plan::All(parts),
        _ => Plan::Any(parts),
    }
}

impl Plan {
    /// Returns the fields of which each is known wherever the plan says yes.
    pub(crate) fn sure_fields(&self) -> BTreeSet<i16> {
        match self {
            Plan::Known(_) => BTreeSet::new(),
            Plan::Atom(atom, _) => BTreeSet::from([atom.field]),
            Plan::Comparison(comparison, _) => comparison.fields(),
            Plan::All(plans) => plans.iter().flat_map(Plan::sure_fields).collect(),
            Plan::Any(plans) => {
                let mut all = plans.iter().map(Plan::sure_fields);
                let first = all.next().unwrap_or_default();
                all.fold(first, |common, fields| common.intersection(&fields).copied().collect())
            }
        }
    }

    /// Returns what it costs, roughly, in steps.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Plan::Known(_) => 0,
            Plan::Atom(atom, _) => atom.cost(),
            Plan::Comparison(..) => 8,
            Plan::All(plans) | Plan::Any(plans) => plans.iter().map(Plan::cost).fold(0, u32::saturating_add),
        }
    }
}

/// Returns the bool that a value is, null as `None`; nothing for what is no bool.
fn bool_of(value: &Value) -> Option<Option<bool>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(value) => Some(Some(*value)),
        _ => None,
    }
}
