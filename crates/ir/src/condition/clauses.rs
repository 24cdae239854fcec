//! A term to alternatives, in each of which all of some claims hold (disjunctive normal form).

use super::term::Term;
use crate::function::FunctionRef;
use crate::functions;
use dtq_value::{Type, Value};

/// How many alternatives a condition is taken apart into.
const CLAUSES_MAX: usize = 256;

/// How many claims all alternatives have together.
const CLAIMS_MAX: usize = 8_192;

/// Holds that a bool term is true, or that it is false; neither holds when it is null.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    /// The term; of an operator and its negation, the one without `!`.
    pub term: Term,
    /// What it is.
    pub is_true: bool,
}

/// Claims that all hold.
pub(super) type Clause = Vec<Claim>;

/// Says to which side a condition that is too large to take apart errs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It becomes always true: it holds for more records.
    Wider,
    /// It becomes never true: it holds for fewer.
    Narrower,
}

/// Returns the alternatives in which a term is true.
pub(super) fn clauses(term: &Term, side: Side) -> Vec<Clause> {
    match alternatives(term, true) {
        Some(found) => found,
        None if side == Side::Wider => vec![Vec::new()],
        None => Vec::new(),
    }
}

/// Returns the alternatives in which a term is true, or false; `None` when they are too many.
fn alternatives(term: &Term, is_true: bool) -> Option<Vec<Clause>> {
    match term {
        Term::Const(Value::Bool(value)) if *value == is_true => Some(vec![Vec::new()]),
        Term::Const(_) => Some(Vec::new()),
        Term::And(left, right) if is_true => both(left, right, is_true),
        Term::Or(left, right) if !is_true => both(left, right, is_true),
        Term::And(left, right) | Term::Or(left, right) => {
            let mut found = alternatives(left, is_true)?;
            found.extend(alternatives(right, is_true)?);
            within_bounds(found)
        }
        Term::Call { function, args, .. } if function.name == "not" && args.len() == 1 => {
            alternatives(&args[0], !is_true)
        }
        _ => Some(vec![vec![claim(term, is_true)]]),
    }
}

fn both(left: &Term, right: &Term, is_true: bool) -> Option<Vec<Clause>> {
    let (left, right) = (alternatives(left, is_true)?, alternatives(right, is_true)?);
    if left.len().saturating_mul(right.len()) > CLAUSES_MAX {
        return None;
    }
    let joined = |left: &Clause, right: &Clause| -> Clause { left.iter().chain(right).cloned().collect() };
    within_bounds(left.iter().flat_map(|left| right.iter().map(move |right| joined(left, right))).collect())
}

fn within_bounds(clauses: Vec<Clause>) -> Option<Vec<Clause>> {
    let claims_count: usize = clauses.iter().map(Vec::len).sum();
    (clauses.len() <= CLAUSES_MAX && claims_count <= CLAIMS_MAX).then_some(clauses)
}

/// Operators with a name of their own for the negation.
///
/// Of each pair, one is true exactly when the other is false: both are null for the same operands, if at all.
const NEGATIONS: &[(&str, &str)] = &[("!=", "=="), ("!~", "=~"), ("isnotnull", "isnull"), ("isnotempty", "isempty")];

fn claim(term: &Term, is_true: bool) -> Claim {
    let Term::Call { function, signature, ty, args } = term else { return Claim { term: term.clone(), is_true } };
    let positive = |function: FunctionRef, is_true: bool| Claim {
        term: Term::Call { function, signature: *signature, ty: *ty, args: args.clone() },
        is_true,
    };
    let written = NEGATIONS.iter().find(|(negation, _)| *negation == function.name).map(|(_, positive)| *positive);
    if let Some(found) = written.or_else(|| function.name.strip_prefix('!')).and_then(functions::by_name) {
        return positive(found, !is_true);
    }
    // Of operands that are never NaN, `a < b` is false exactly when `a >= b` is true.
    let opposite = match function.name {
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        ">=" => "<",
        _ => "",
    };
    match functions::by_name(opposite) {
        Some(found) if !is_true && args.iter().all(is_never_nan) => positive(found, true),
        _ => Claim { term: term.clone(), is_true },
    }
}

fn is_never_nan(term: &Term) -> bool {
    match term {
        Term::Const(value) => !matches!(value, Value::Real(number) if number.is_nan()),
        other => other.ty().is_some_and(|ty| !matches!(ty, Type::Real | Type::Dynamic)),
    }
}
