//! Claims that hold together to what follows from them, and to whether they can hold together at all.

use super::clauses::Claim;
use super::patterns::Pattern;
use super::term::Term;
use dtq_value::scalar::compare;
use dtq_value::{Type, Value};
use std::cmp::Ordering;

/// How many values a claim such as `in` may leave to try.
const VALUES_MAX: usize = 256;

/// Holds what some claims say together.
pub(super) struct Facts<'c> {
    claims: &'c [Claim],
    pins: Vec<Pin<'c>>,
    ranges: Vec<Range<'c>>,
}

/// A subject that has one of a few values.
struct Pin<'c> {
    subject: &'c Term,
    values: Vec<Value>,
}

/// A subject between two bounds.
struct Range<'c> {
    subject: &'c Term,
    from: Option<Bound>,
    to: Option<Bound>,
}

#[derive(Clone)]
struct Bound {
    value: Value,
    is_inclusive: bool,
}

impl<'c> Facts<'c> {
    /// Returns what the claims of a clause say together.
    pub fn of(claims: &'c [Claim]) -> Self {
        let mut facts = Self { claims, pins: Vec::new(), ranges: Vec::new() };
        for claim in claims {
            if let Some((subject, values)) = pinned(claim) {
                facts.pin(subject, values);
            }
            for (subject, from, to) in ranged(claim) {
                facts.narrow(subject, from, to);
            }
        }
        facts
    }

    /// Returns the claims.
    pub fn claims(&self) -> &'c [Claim] {
        self.claims
    }

    fn pin(&mut self, subject: &'c Term, values: Vec<Value>) {
        match self.pins.iter_mut().find(|pin| pin.subject == subject) {
            Some(pin) => pin.values.retain(|value| values.contains(value)),
            None => self.pins.push(Pin { subject, values }),
        }
    }

    fn narrow(&mut self, subject: &'c Term, from: Option<Bound>, to: Option<Bound>) {
        match self.ranges.iter_mut().find(|range| range.subject == subject) {
            Some(range) => {
                range.from = tighter(range.from.take(), from, Ordering::Greater);
                range.to = tighter(range.to.take(), to, Ordering::Less);
            }
            None => self.ranges.push(Range { subject, from, to }),
        }
    }

    /// Says whether it is certain that not all claims hold.
    pub fn are_contradictory(&self) -> bool {
        let opposed =
            |claim: &Claim| self.claims.iter().any(|other| other.is_true != claim.is_true && other.term == claim.term);
        self.claims.iter().any(|claim| claim.is_true && opposed(claim))
            || self.ranges.iter().any(Range::is_empty)
            || self.pins.iter().any(|pin| !pin.values.iter().any(|value| self.may_have(pin.subject, value)))
            || self.patterns_clash()
    }

    /// Says whether a subject may have a value: no claim that depends on it alone says otherwise.
    fn may_have(&self, subject: &Term, value: &Value) -> bool {
        self.claims.iter().all(|claim| match claim.term.value_with(subject, value) {
            Some(Value::Bool(found)) => found == claim.is_true,
            Some(_) => false,
            None => true,
        })
    }

    fn patterns_clash(&self) -> bool {
        let patterns = || self.claims.iter().filter_map(|claim| Some((claim.is_true, Pattern::of(&claim.term)?)));
        patterns().filter(|(is_true, _)| *is_true).any(|(_, one)| {
            patterns().any(|(is_true, other)| if is_true { one.excludes(&other) } else { one.implies(&other) })
        })
    }

    /// Says whether it is certain that a claim holds when these do.
    ///
    /// Claims about a field that `wanted` does not speak of have no say, unless it speaks of none at all.
    pub fn imply(&self, wanted: &Claim) -> bool {
        self.claims.contains(wanted)
            || self.pins.iter().any(|pin| pin.settles(wanted))
            || self.ranges.iter().any(|range| range.settles(wanted))
            || self.patterns_imply(wanted)
            || self.has_value(wanted)
            || self.is_in_larger_list(wanted)
    }

    fn patterns_imply(&self, wanted: &Claim) -> bool {
        let Some(pattern) = Pattern::of(&wanted.term) else { return false };
        self.claims.iter().filter(|claim| claim.is_true == wanted.is_true).any(|claim| match Pattern::of(&claim.term) {
            Some(given) if wanted.is_true => given.implies(&pattern),
            Some(given) => pattern.implies(&given),
            None => false,
        })
    }

    /// `isnotnull(x)` follows from a comparison with `x`, `isnotempty(x)` from any text found in it.
    fn has_value(&self, wanted: &Claim) -> bool {
        let Term::Call { function, args, .. } = &wanted.term else { return false };
        let [subject] = args.as_slice() else { return false };
        match function.name {
            "isnull" if !wanted.is_true => self.ranges.iter().any(|range| range.subject == subject),
            "isempty" if !wanted.is_true && subject.ty() == Some(Type::String) => {
                let patterns = self.claims.iter().filter(|claim| claim.is_true);
                patterns
                    .filter_map(|claim| Pattern::of(&claim.term))
                    .any(|found| !found.needle.is_empty() && found.subject == subject)
            }
            _ => false,
        }
    }

    /// `x in (a, b)` follows from `x in (a)`, and `x != a` from `x !in (a, b)`.
    fn is_in_larger_list(&self, wanted: &Claim) -> bool {
        let Some((subject, items)) = compared_values(&wanted.term) else { return false };
        self.claims.iter().filter(|claim| claim.is_true == wanted.is_true).any(|claim| {
            let Some((other, given)) = compared_values(&claim.term) else { return false };
            // Of a dynamic, `in` and `==` do not compare alike.
            let is_alike = subject.ty() != Some(Type::Dynamic) || is_same_operator(&claim.term, &wanted.term);
            other == subject
                && is_alike
                && match wanted.is_true {
                    true => given.iter().all(|item| items.contains(item)),
                    false => items.iter().all(|item| given.contains(item)),
                }
        })
    }
}

fn is_same_operator(left: &Term, right: &Term) -> bool {
    match (left, right) {
        (Term::Call { function: left, .. }, Term::Call { function: right, .. }) => left == right,
        _ => false,
    }
}

impl Pin<'_> {
    fn settles(&self, wanted: &Claim) -> bool {
        let holds = |value| wanted.term.value_with(self.subject, value) == Some(Value::Bool(wanted.is_true));
        !self.values.is_empty() && self.values.iter().all(holds)
    }
}

impl Range<'_> {
    fn is_empty(&self) -> bool {
        let (Some(from), Some(to)) = (&self.from, &self.to) else { return false };
        match compare::order(&from.value, &to.value) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !(from.is_inclusive && to.is_inclusive),
            _ => false,
        }
    }

    /// Says whether a claim about the subject holds everywhere in the range.
    fn settles(&self, wanted: &Claim) -> bool {
        if let Some((subject, values)) = compared_values(&wanted.term) {
            return !wanted.is_true && subject == self.subject && values.iter().all(|value| self.excludes(value));
        }
        let bounds = ranged(wanted);
        !bounds.is_empty()
            && bounds.iter().all(|(subject, from, to)| {
                let reaches = |inner: &Option<Bound>, outer: &Option<Bound>, side| match (inner, outer) {
                    (_, None) => true,
                    (None, Some(_)) => false,
                    (Some(inner), Some(outer)) => inner.is_within(outer, side),
                };
                *subject == self.subject
                    && reaches(&self.from, from, Ordering::Greater)
                    && reaches(&self.to, to, Ordering::Less)
            })
    }

    fn excludes(&self, value: &Value) -> bool {
        let is_outside = |bound: &Bound, side| match compare::order(value, &bound.value) {
            Some(Ordering::Equal) => !bound.is_inclusive,
            Some(order) => order == side,
            None => false,
        };
        self.from.as_ref().is_some_and(|bound| is_outside(bound, Ordering::Less))
            || self.to.as_ref().is_some_and(|bound| is_outside(bound, Ordering::Greater))
    }
}

impl Bound {
    /// Says whether this bound is as tight as the other; `side` is where tighter ones lie.
    fn is_within(&self, other: &Bound, side: Ordering) -> bool {
        match compare::order(&self.value, &other.value) {
            Some(Ordering::Equal) => other.is_inclusive || !self.is_inclusive,
            Some(order) => order == side,
            None => false,
        }
    }
}

fn tighter(known: Option<Bound>, new: Option<Bound>, side: Ordering) -> Option<Bound> {
    match (known, new) {
        (Some(known), Some(new)) => Some(if new.is_within(&known, side) { new } else { known }),
        (known, new) => known.or(new),
    }
}

/// Returns the subject of a claim and the only values with which it holds.
fn pinned(claim: &Claim) -> Option<(&Term, Vec<Value>)> {
    if !claim.is_true {
        return None;
    }
    if let Some((subject, values)) = compared_values(&claim.term) {
        let ty = subject.ty()?;
        let values: Option<Vec<Value>> = values.into_iter().map(|value| of_type(value, ty)).collect();
        return Some((subject, values.filter(|values| values.len() <= VALUES_MAX)?));
    }
    let Term::Call { function, args, .. } = &claim.term else { return None };
    match (function.name, args.as_slice()) {
        ("isnull", [subject]) if subject.ty() != Some(Type::String) => Some((subject, vec![Value::Null])),
        ("isempty", [subject]) if subject.ty() == Some(Type::String) => Some((subject, vec![Value::string("")])),
        _ => None,
    }
}

/// Returns a constant as the one value of a type that equals it, or `None` when that is not so simple.
///
/// A dynamic is never pinned: `== 5` and `== "5"` hold for several of its values.
fn of_type(value: &Value, ty: Type) -> Option<Value> {
    match (value, ty) {
        (Value::Int(number), Type::Long) => Some(Value::Long(i64::from(*number))),
        (Value::Long(number), Type::Int) => i32::try_from(*number).ok().map(Value::Int),
        (Value::Int(_), Type::Int)
        | (Value::Long(_), Type::Long)
        | (Value::Bool(_), Type::Bool)
        | (Value::String(_), Type::String)
        | (Value::DateTime(_), Type::DateTime)
        | (Value::TimeSpan(_), Type::TimeSpan)
        | (Value::Guid(_), Type::Guid) => Some(value.clone()),
        _ => None,
    }
}

/// Returns the subject and the constants of `x == c` and `x in (c, ...)`.
fn compared_values(term: &Term) -> Option<(&Term, Vec<&Value>)> {
    if let Some((subject, items)) = listed(term) {
        return Some((subject, items));
    }
    let Term::Call { function, args, .. } = term else { return None };
    match (function.name, args.as_slice()) {
        ("==", [subject, Term::Const(value)] | [Term::Const(value), subject]) => Some((subject, vec![value])),
        _ => None,
    }
}

/// Returns the subject and the items of `x in (c, ...)`, all constants.
fn listed(term: &Term) -> Option<(&Term, Vec<&Value>)> {
    let Term::Call { function, args, .. } = term else { return None };
    let (subject, items) = args.split_first().filter(|_| function.name == "in")?;
    Some((subject, items.iter().map(constant).collect::<Option<_>>()?))
}

/// Returns the value that a list can be compared by.
fn constant(item: &Term) -> Option<&Value> {
    match item {
        Term::Const(value) if !matches!(value, Value::Array(_) | Value::Bag(_) | Value::Null) => Some(value),
        _ => None,
    }
}

/// Returns the subject of a comparison with constants and the bounds that it sets.
fn ranged(claim: &Claim) -> Vec<(&Term, Option<Bound>, Option<Bound>)> {
    let Term::Call { function, args, .. } = &claim.term else { return Vec::new() };
    if !claim.is_true {
        return Vec::new();
    }
    let (subject, from, to) = match (function.name, args.as_slice()) {
        (">", [subject, Term::Const(value)]) | ("<", [Term::Const(value), subject]) => {
            (subject, Some((value, false)), None)
        }
        (">=", [subject, Term::Const(value)]) | ("<=", [Term::Const(value), subject]) => {
            (subject, Some((value, true)), None)
        }
        ("<", [subject, Term::Const(value)]) | (">", [Term::Const(value), subject]) => {
            (subject, None, Some((value, false)))
        }
        ("<=", [subject, Term::Const(value)]) | (">=", [Term::Const(value), subject]) => {
            (subject, None, Some((value, true)))
        }
        ("between", [subject, Term::Const(from), Term::Const(to)])
            if !matches!((from, to), (Value::DateTime(_), Value::TimeSpan(_))) =>
        {
            (subject, Some((from, true)), Some((to, true)))
        }
        ("==", [subject, Term::Const(value)] | [Term::Const(value), subject]) => {
            (subject, Some((value, true)), Some((value, true)))
        }
        _ => return Vec::new(),
    };
    let bound = |given: Option<(&Value, bool)>, step: i64| match given {
        None => Some(None),
        Some((value, is_inclusive)) => ordered(value).map(|value| Some(whole(subject.ty(), value, is_inclusive, step))),
    };
    match (bound(from, 1), bound(to, -1)) {
        (Some(from), Some(to)) => vec![(subject, from, to)],
        _ => Vec::new(),
    }
}

/// Returns a constant that has an order with all of its kind.
fn ordered(value: &Value) -> Option<Value> {
    match value {
        Value::Int(_) | Value::Long(_) | Value::Decimal(_) | Value::DateTime(_) | Value::TimeSpan(_) => {
            Some(value.clone())
        }
        Value::Real(number) if !number.is_nan() => Some(value.clone()),
        _ => None,
    }
}

/// Returns a bound, made inclusive where the subject has whole values only: `> 9` is `>= 10`.
fn whole(ty: Option<Type>, value: Value, is_inclusive: bool, step: i64) -> Bound {
    let moved = match (&value, ty) {
        _ if is_inclusive => None,
        (Value::Int(number), Some(Type::Int | Type::Long)) => i64::from(*number).checked_add(step).map(Value::Long),
        (Value::Long(number), Some(Type::Int | Type::Long)) => number.checked_add(step).map(Value::Long),
        (Value::DateTime(ticks), Some(Type::DateTime)) => ticks.checked_add(step).map(Value::DateTime),
        (Value::TimeSpan(ticks), Some(Type::TimeSpan)) => ticks.checked_add(step).map(Value::TimeSpan),
        _ => None,
    };
    match moved {
        Some(value) => Bound { value, is_inclusive: true },
        None => Bound { value, is_inclusive },
    }
}
