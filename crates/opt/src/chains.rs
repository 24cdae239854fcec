//! Many comparisons of one operand with constants as one membership test.
//!
//! `x == 1 or x == 2` is `x in (1, 2)`, `x != 1 and x != 2` is `x !in (1, 2)`, `x has "a" or x has "b"` is
//! `x has_any ("a", "b")`: the constants become one set or one automaton. Only operands whose `==` and `in` agree: those
//! of strings, integers, datetimes, timespans and guids, and dynamics beside strings by their text. A comparison moves to
//! the place of the first one of its kind if everything between can neither fail nor be noticed.
//! Fixtures: `fixtures/opt/chains.md`.

use crate::build::{Builder, Link};
use crate::walk::{Node, Rule};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::{Type, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// The pass.
pub(crate) struct Chains;

impl Rule for Chains {
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
        match &node.kind {
            ExprKind::And(left, right) if !node.is_inner => chain(build, Link::And, *left, *right),
            ExprKind::Or(left, right) if !node.is_inner => chain(build, Link::Or, *left, *right),
            ExprKind::Call { function, args, .. } => list(build, node, function.0.name, args),
            _ => None,
        }
    }
}

/// Names what comparisons are joined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Joined {
    /// `in`, `!in`
    Values,
    /// `in~`, `!in~`
    Words,
    /// `has_any`, `has_all`
    Terms,
}

/// A comparison of one operand with constants.
struct Member {
    subject: ExprId,
    joined: Joined,
    constants: Vec<ExprId>,
}

/// How many constants make it worth to turn a dynamic into a string once.
const TEXTS_MIN: usize = 3;

/// Joins the comparisons of a chain, between operands that must stay where they are.
fn chain(build: &mut Builder<'_>, link: Link, left: ExprId, right: ExprId) -> Option<ExprId> {
    let operands = [build.chain(left, link), build.chain(right, link)].concat();
    let mut kept: Vec<ExprId> = Vec::with_capacity(operands.len());
    let members: Vec<Option<Member>> = operands.iter().map(|one| member(build, *one, link)).collect();
    let mut start = 0;
    while start < operands.len() {
        let end = part_end(build, &operands, &members, start);
        kept.extend(joined(build, link, &operands[start..end], &members[start..end]));
        start = end;
    }
    (kept.len() < operands.len()).then(|| build.join(&kept, link))
}

/// Returns where the operands end that can be joined with the one at `start`.
///
/// They are movable, or neighbours of one kind: the subject of the second has been evaluated by the first.
fn part_end(build: &Builder<'_>, operands: &[ExprId], members: &[Option<Member>], start: usize) -> usize {
    let is_alike = |index: usize| match (&members[index - 1], &members[index]) {
        (Some(one), Some(next)) => {
            (one.subject, one.joined) == (next.subject, next.joined) && build.info(one.subject).is_pure
        }
        _ => false,
    };
    let are_movable = |index: usize| [index - 1, index].iter().all(|at| build.info(operands[*at]).is_movable());
    let joins: &dyn Fn(usize) -> bool = if build.info(operands[start]).is_movable() { &are_movable } else { &is_alike };
    (start + 1..operands.len()).find(|index| !joins(*index)).unwrap_or(operands.len())
}

/// Returns movable operands with those of one subject joined at the place of the first.
fn joined(build: &mut Builder<'_>, link: Link, operands: &[ExprId], members: &[Option<Member>]) -> Vec<ExprId> {
    let mut groups: FxHashMap<(ExprId, Joined), Vec<usize>> = FxHashMap::default();
    for (index, member) in members.iter().enumerate() {
        if let Some(member) = member {
            groups.entry((member.subject, member.joined)).or_default().push(index);
        }
    }
    let mut kept = Vec::with_capacity(operands.len());
    for (index, (operand, member)) in operands.iter().zip(members).enumerate() {
        let Some(member) = member else {
            kept.push(*operand);
            continue;
        };
        let group = &groups[&(member.subject, member.joined)];
        match group.as_slice() {
            [first, _, ..] if *first == index => {
                let constants = group.iter().filter_map(|at| members[*at].as_ref()).flat_map(|one| &one.constants);
                let mut seen: FxHashSet<ExprId> = FxHashSet::default();
                let constants: Vec<ExprId> = constants.copied().filter(|id| seen.insert(*id)).collect();
                match test(build, link, member, &constants) {
                    Some(found) => kept.push(found),
                    None => kept.extend(group.iter().map(|at| operands[*at])),
                }
            }
            [_, _, ..] => {}
            _ => kept.push(*operand),
        }
    }
    kept
}

/// Returns the membership test of a subject among constants.
fn test(build: &mut Builder<'_>, link: Link, member: &Member, constants: &[ExprId]) -> Option<ExprId> {
    let name = match (member.joined, link) {
        (Joined::Values, Link::Or) => "in",
        (Joined::Values, Link::And) => "!in",
        (Joined::Words, Link::Or) => "in~",
        (Joined::Words, Link::And) => "!in~",
        (Joined::Terms, Link::Or) => "has_any",
        (Joined::Terms, Link::And) => "has_all",
    };
    let mut subject = member.subject;
    let span = build.span(subject).to(constants.iter().fold(build.span(subject), |span, id| span.to(build.span(*id))));
    if member.joined == Joined::Values && build.ty(subject) == Type::Dynamic {
        if constants.len() < TEXTS_MIN {
            return None;
        }
        // A dynamic equals a string if its text does; `in` compares what it holds.
        subject = build.call("tostring", &[subject], Type::String, build.span(subject))?;
    }
    let args: Vec<ExprId> = std::iter::once(subject).chain(constants.iter().copied()).collect();
    build.call(name, &args, Type::Bool, span)
}

/// Returns what an operand of a chain compares, if it can be joined with others.
fn member(build: &Builder<'_>, id: ExprId, link: Link) -> Option<Member> {
    let (name, args) = build.as_call(id)?;
    let (subject, constants) = args.split_first()?;
    let joined = match (name, link) {
        ("==" | "in", Link::Or) | ("!=" | "!in", Link::And) => Joined::Values,
        ("=~" | "in~", Link::Or) | ("!~" | "!in~", Link::And) => Joined::Words,
        ("has" | "has_any", Link::Or) | ("has" | "has_all", Link::And) => Joined::Terms,
        _ => return None,
    };
    let ty = build.ty(*subject);
    let is_list = !matches!(name, "==" | "!=");
    let fits = |constant: &ExprId| match (build.constant(*constant), joined) {
        (Some(Value::String(_)), Joined::Values) => is_text(build, *subject) || (ty == Type::Dynamic && !is_list),
        (Some(value), Joined::Values) => is_of(value, ty),
        (Some(Value::String(_)), _) => matches!(ty, Type::String | Type::Dynamic),
        _ => false,
    };
    (!constants.is_empty() && constants.iter().all(fits)).then(|| Member {
        subject: *subject,
        joined,
        constants: constants.to_vec(),
    })
}

/// Says whether `==` and `in` agree on a value of this type beside a constant, which is not null.
fn is_of(value: &Value, ty: Type) -> bool {
    match value {
        Value::Int(_) | Value::Long(_) => ty.is_integer(),
        Value::DateTime(_) => ty == Type::DateTime,
        Value::TimeSpan(_) => ty == Type::TimeSpan,
        Value::Guid(_) => ty == Type::Guid,
        _ => false,
    }
}

/// Says whether an expression is a string and never null: a null one equals nothing, but is in a list that has `""`.
fn is_text(build: &Builder<'_>, id: ExprId) -> bool {
    build.ty(id) == Type::String && !build.info(id).may_be_null
}

/// A list with one item is a comparison, and an item that stands there twice counts once.
fn list(build: &mut Builder<'_>, node: &Node, name: &str, args: &[ExprId]) -> Option<ExprId> {
    let single = match name {
        "in" => "==",
        "!in" => "!=",
        "in~" => "=~",
        "!in~" => "!~",
        "has_any" | "has_all" => "has",
        _ => return None,
    };
    let (subject, items) = args.split_first()?;
    let ty = build.ty(*subject);
    let fits = |item: &ExprId| match build.constant(*item) {
        Some(Value::String(_)) => is_text(build, *subject) || !matches!(name, "in" | "!in"),
        Some(value) => matches!(name, "in" | "!in") && is_of(value, ty),
        None => false,
    };
    if items.is_empty() || !items.iter().all(fits) {
        return None;
    }
    let mut seen: FxHashSet<ExprId> = FxHashSet::default();
    let unique: Vec<ExprId> = items.iter().copied().filter(|item| seen.insert(*item)).collect();
    if let [only] = *unique {
        return build.call(single, &[*subject, only], Type::Bool, node.span);
    }
    if unique.len() == items.len() {
        return None;
    }
    let args: Vec<ExprId> = std::iter::once(*subject).chain(unique).collect();
    build.call(name, &args, Type::Bool, node.span)
}
