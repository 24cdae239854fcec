//! Conditions of rules to plans of code that is certain of what it says, and to that code.
//!
//! A condition is true, false or null; from what the kernel sees of a record it may also be unknown. What a rule does rests
//! on one certainty ([`Want`]): that its condition is surely true, or surely not true. How certainties of `and`, `or` and
//! `not` follow from those of their operands is settled here, before any code: what cannot become certain is left out where
//! the rest decides without it, and refused with its reason where not. Nothing here knows rules or payloads. Read in
//! order: [`field`], [`atom`], `number`, `passes`, `code`.

pub mod field;

pub mod atom;

mod number;

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

/// Returns how a certainty about a condition is found, and adds what stays in user space.
///
/// # Errors
/// When nothing of it can become certain: what stays says why.
pub fn plan(term: &Term, want: Want, fields: &mut Fields<'_>, stays: &mut Vec<Stays>) -> Result<Plan, ()> {
    Planner { fields, stays }.plan(term, want, DEPTH_MAX)
}

struct Planner<'p, 'f> {
    fields: &'p mut Fields<'f>,
    stays: &'p mut Vec<Stays>,
}

impl Planner<'_, '_> {
    fn plan(&mut self, term: &Term, want: Want, depth_left: usize) -> Result<Plan, ()> {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return self.stays(term, Unsupported::new("the condition is nested too deep"));
        };
        match term {
            Term::Const(value) => match bool_of(value) {
                Some(value) => Ok(Plan::Known(want.holds(value))),
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
    fn two(&mut self, operands: [(&Term, Want); 2], both: bool, depth_left: usize) -> Result<Plan, ()> {
        let mut plans = Vec::new();
        for (term, want) in operands {
            match self.plan(term, want, depth_left) {
                Ok(plan) => plans.push(plan),
                Err(()) if both => return Err(()),
                Err(()) => {}
            }
        }
        if plans.is_empty() { Err(()) } else { Ok(joined(plans, both)) }
    }

    /// Plans `iff` and `case`: a condition that is true decides for its value, one that is not for what follows.
    fn case(&mut self, parts: &[Term], want: Want, depth_left: usize) -> Result<Plan, ()> {
        let [condition, value, rest @ ..] = parts else {
            return parts.first().ok_or(()).and_then(|last| self.plan(last, want, depth_left));
        };
        let Some(depth_left) = depth_left.checked_sub(1) else { return Err(()) };
        let taken = self
            .plan(condition, Want::True, depth_left)
            .and_then(|is_true| Ok(joined(vec![is_true, self.plan(value, want, depth_left)?], true)));
        let passed = self
            .plan(condition, Want::NotTrue, depth_left)
            .and_then(|is_not| Ok(joined(vec![is_not, self.case(rest, want, depth_left)?], true)));
        let plans: Vec<Plan> = [taken, passed].into_iter().flatten().collect();
        if plans.is_empty() { Err(()) } else { Ok(joined(plans, false)) }
    }

    fn leaf(&mut self, term: &Term, want: Want) -> Result<Plan, ()> {
        let atom = match Atom::of(term, self.fields) {
            Ok(atom) => return Ok(Plan::Atom(atom, want)),
            Err(reason) => reason,
        };
        match Comparison::of(term, self.fields) {
            Some(comparison) => Ok(Plan::Comparison(comparison, want)),
            None => self.stays(term, atom),
        }
    }

    fn stays(&mut self, term: &Term, reason: Unsupported) -> Result<Plan, ()> {
        self.stays.push(Stays { part: term.clone(), reason });
        Err(())
    }
}

/// Returns the plan of all or of one, what is known left out, the cheapest first.
fn joined(plans: Vec<Plan>, all: bool) -> Plan {
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
