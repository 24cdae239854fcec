//! Many conditions to the first of them that follows from another one, without comparing it with each.
//!
//! Which claims follow from those that a condition makes about the same fields is found once for all conditions that
//! make the same ones, and what needs a claim that does not follow is passed over together with everything else that
//! needs it. The answer is that of [`Condition::implies`], asked of one after the other. Next: `condition/facts.rs`.

use super::Condition;
use super::clauses::Claim;
use super::facts::Facts;
use super::term::Term;
use crate::reads::Path;
use dtq_value::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

/// How many claims that follow from others are remembered; beyond, what is known is forgotten.
const REMEMBERED_MAX: usize = 1 << 20;

/// Finds, among many conditions in order, those that follow from one.
pub struct Implied<'c> {
    /// The conditions by position; `None` where nothing is to be found.
    wanted: Vec<Option<&'c Condition>>,
    claims: Claims<'c>,
    /// Number of each claim in the order of the tree; the rarest ones come first.
    ranks: Vec<Option<u32>>,
    /// For each set of fields the claims that are looked for.
    by_fields: Vec<Vec<u32>>,
    /// For each field the sets with it that have such claims.
    sets_with: Vec<Vec<u32>>,
    /// The alternatives of all conditions as paths of claims, from the root.
    nodes: Vec<Node>,
    /// For a set of fields, and the claims about no others, the ranks of what follows.
    follows: BTreeMap<(u32, Vec<u32>), Rc<[u32]>>,
    remembered_count: usize,
}

/// A step on the paths of claims.
#[derive(Default)]
struct Node {
    /// Next claims by rank, ascending, with their nodes.
    next: Vec<(u32, u32)>,
    /// Positions of the conditions that need nothing more, ascending.
    positions: Vec<u32>,
}

impl<'c> Implied<'c> {
    /// Returns what finds these conditions by their position.
    pub fn new(wanted: Vec<Option<&'c Condition>>) -> Self {
        let mut claims = Claims::default();
        let mut paths: Vec<(Vec<u32>, u32)> = Vec::new();
        for (position, condition) in wanted.iter().enumerate() {
            for clause in condition.iter().flat_map(|condition| condition.narrower()) {
                let ids = clause.iter().map(|claim| claims.id(claim)).collect();
                paths.push((ids, u32::try_from(position).expect("rules are bounded by the sizes of their files")));
            }
        }
        let ranks = ranks(&paths, claims.known.len());
        for (path, _) in &mut paths {
            path.iter_mut().for_each(|id| *id = ranks[*id as usize].expect("every claim of a path has a rank"));
            path.sort_unstable();
            path.dedup();
        }
        paths.sort_unstable();
        paths.dedup();
        let mut by_fields = vec![Vec::new(); claims.sets.len()];
        for (id, known) in claims.known.iter().enumerate() {
            by_fields[known.fields as usize].push(id as u32);
        }
        let mut sets_with = vec![Vec::new(); claims.fields.len()];
        for (set, fields) in claims.set_fields.iter().enumerate() {
            fields.iter().for_each(|field| sets_with[*field as usize].push(set as u32));
        }
        let (nodes, follows) = (nodes(&paths), BTreeMap::new());
        Self { wanted, claims, ranks, by_fields, sets_with, nodes, follows, remembered_count: 0 }
    }

    /// Returns the first position in the range whose condition is certain to be true of every record of which this one
    /// is, of those that are eligible.
    pub fn first(
        &mut self,
        condition: &'c Condition,
        range: Range<usize>,
        is_eligible: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let consequences = condition.consequences();
        // Every alternative has to imply the one that is found, so those are enough that follow from one of them.
        let found = consequences.facts.iter().map(|facts| self.paths_of(facts.claims(), &range));
        let Some(candidates) = found.min_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>()) else {
            return range.into_iter().find(|at| self.wanted[*at].is_some() && is_eligible(*at));
        };
        let of_lists = candidates.iter().map(|list| list.iter().copied().map(Reverse));
        let mut lists: Vec<_> = of_lists.collect();
        let heads = lists.iter_mut().enumerate();
        let mut heap: BinaryHeap<(Reverse<u32>, usize)> =
            heads.filter_map(|(list, positions)| Some((positions.next()?, list))).collect();
        let mut last = None;
        while let Some((Reverse(position), list)) = heap.pop() {
            heap.extend(lists[list].next().map(|next| (next, list)));
            let at = position as usize;
            if last.replace(at) != Some(at)
                && is_eligible(at)
                && self.wanted[at].is_some_and(|wanted| consequences.imply(wanted))
            {
                return Some(at);
            }
        }
        None
    }

    /// Returns the positions in the range that have an alternative which follows from these claims, in ascending lists.
    fn paths_of(&mut self, claims: &'c [Claim], range: &Range<usize>) -> Vec<Vec<u32>> {
        let implied = self.implied_by(claims);
        let is_inside = |position: &&u32| range.contains(&(**position as usize));
        let (mut found, mut open) = (Vec::new(), vec![0_u32]);
        while let Some(node) = open.pop() {
            let node = &self.nodes[node as usize];
            let positions: Vec<u32> = node.positions.iter().filter(is_inside).copied().collect();
            if !positions.is_empty() {
                found.push(positions);
            }
            if node.next.len() <= implied.len() {
                let follows = |(rank, _): &&(u32, u32)| implied.binary_search(rank).is_ok();
                open.extend(node.next.iter().filter(follows).map(|(_, next)| *next));
            } else {
                let next = |rank: &u32| node.next.binary_search_by_key(rank, |(own, _)| *own).ok();
                open.extend(implied.iter().filter_map(next).map(|at| node.next[at].1));
            }
        }
        found
    }

    /// Returns the ranks of all claims that follow from these, ascending.
    fn implied_by(&mut self, claims: &'c [Claim]) -> Vec<u32> {
        let ids: Vec<u32> = claims.iter().map(|claim| self.claims.id(claim)).collect();
        // Claims without any field follow from any others, or from none.
        let mut sets: Vec<u32> = self.claims.sets.get(&Vec::new()).copied().into_iter().collect();
        for id in &ids {
            let fields = &self.claims.set_fields[self.claims.known[*id as usize].fields as usize];
            let with_first = fields.first().and_then(|first| self.sets_with.get(*first as usize));
            let holds_all = |set: &&u32| is_part(fields, &self.claims.set_fields[**set as usize]);
            sets.extend(with_first.into_iter().flatten().filter(holds_all));
        }
        sets.sort_unstable();
        sets.dedup();
        let (mut implied, looked_for_count): (Vec<u32>, usize) = (Vec::new(), self.by_fields.len());
        // Sets of fields that only came with the claims given have no claims that are looked for.
        for set in sets.into_iter().filter(|set| (*set as usize) < looked_for_count) {
            implied.extend_from_slice(&self.followers(set, &ids));
        }
        implied.sort_unstable();
        implied.dedup();
        implied
    }

    /// Returns the ranks of the claims about a set of fields that follow from some claims.
    ///
    /// Only claims about nothing but these fields have a say (`Facts::imply`), so that what they give is the same beside
    /// any others.
    fn followers(&mut self, set: u32, ids: &[u32]) -> Rc<[u32]> {
        let fields = &self.claims.set_fields[set as usize];
        let known = &self.claims.known;
        let has_say = |id: &&u32| {
            let own = &self.claims.set_fields[known[**id as usize].fields as usize];
            fields.is_empty() || is_part(own, fields)
        };
        let key = (set, ids.iter().filter(has_say).copied().collect::<Vec<u32>>());
        if let Some(found) = self.follows.get(&key) {
            return Rc::clone(found);
        }
        let given: Vec<Claim> = key.1.iter().map(|id| known[*id as usize].claim.clone()).collect();
        let facts = Facts::of(&given);
        let wanted = self.by_fields[set as usize].iter();
        let found: Rc<[u32]> = wanted
            .filter(|id| facts.imply(known[**id as usize].claim))
            .filter_map(|id| self.ranks[*id as usize])
            .collect();
        self.remembered_count += found.len() + key.1.len() + 1;
        if self.remembered_count > REMEMBERED_MAX {
            (self.remembered_count, self.follows) = (0, BTreeMap::new());
        }
        self.follows.insert(key, Rc::clone(&found));
        found
    }
}

/// Numbers claims by how often paths have them, the rarest first, so that most paths end after one step.
fn ranks(paths: &[(Vec<u32>, u32)], count: usize) -> Vec<Option<u32>> {
    let mut counts = vec![0_usize; count];
    paths.iter().flat_map(|(path, _)| path).for_each(|id| counts[*id as usize] += 1);
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_key(|id| counts[*id as usize]);
    let mut ranks = vec![None; count];
    order.into_iter().zip(0..).for_each(|(id, rank)| ranks[id as usize] = Some(rank));
    ranks
}

/// Returns the tree of paths, which are sorted; its root is the first node.
fn nodes(paths: &[(Vec<u32>, u32)]) -> Vec<Node> {
    let mut nodes = vec![Node::default()];
    for (path, position) in paths {
        let mut at = 0;
        for rank in path {
            let last = nodes[at].next.last().filter(|(own, _)| own == rank).map(|(_, next)| *next as usize);
            at = last.unwrap_or_else(|| {
                let next = nodes.len();
                nodes[at].next.push((*rank, next as u32));
                nodes.push(Node::default());
                next
            });
        }
        nodes[at].positions.push(*position);
    }
    nodes
}

/// Says whether all of some sorted numbers are among others.
fn is_part(some: &[u32], all: &[u32]) -> bool {
    some.iter().all(|one| all.binary_search(one).is_ok())
}

/// Holds claims and fields by number.
#[derive(Default)]
struct Claims<'c> {
    known: Vec<Known<'c>>,
    by_hash: BTreeMap<u64, Vec<u32>>,
    fields: BTreeMap<&'c Path, u32>,
    /// Sets of fields, sorted, by number and back.
    sets: BTreeMap<Vec<u32>, u32>,
    set_fields: Vec<Vec<u32>>,
}

struct Known<'c> {
    claim: &'c Claim,
    /// The set of fields that it speaks of.
    fields: u32,
}

impl<'c> Claims<'c> {
    /// Returns the number of a claim; equal ones have the same.
    fn id(&mut self, claim: &'c Claim) -> u32 {
        let mut hasher = DefaultHasher::new();
        claim.is_true.hash(&mut hasher);
        let mut fields = Vec::new();
        let is_comparable = self.visit(&claim.term, &mut hasher, &mut fields);
        let same = self.by_hash.entry(hasher.finish()).or_default();
        // What is not known is like nothing else, and so looking for it would only take time.
        let found = same.iter().filter(|_| is_comparable).find(|id| self.known[**id as usize].claim == claim);
        if let Some(id) = found {
            return *id;
        }
        let id = self.known.len() as u32;
        if is_comparable {
            same.push(id);
        }
        fields.sort_unstable();
        fields.dedup();
        let fields = *self.sets.entry(fields).or_insert_with_key(|fields| {
            self.set_fields.push(fields.clone());
            self.set_fields.len() as u32 - 1
        });
        self.known.push(Known { claim, fields });
        id
    }

    /// Collects what terms that are equal have in common, and the fields; says whether the term equals itself.
    fn visit(&mut self, term: &'c Term, hasher: &mut DefaultHasher, fields: &mut Vec<u32>) -> bool {
        std::mem::discriminant(term).hash(hasher);
        match term {
            Term::Const(Value::String(text)) => text.hash(hasher),
            Term::Const(Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number)) => number.hash(hasher),
            Term::Const(Value::Int(number)) => number.hash(hasher),
            Term::Const(Value::Real(number)) => number.to_bits().hash(hasher),
            Term::Field(path, _) => {
                let next = self.fields.len() as u32;
                let field = *self.fields.entry(path).or_insert(next);
                field.hash(hasher);
                fields.push(field);
            }
            Term::Call { function, .. } => function.name.hash(hasher),
            _ => {}
        }
        let is_known = !matches!(term, Term::Unknown(_));
        term.children().into_iter().fold(is_known, |all, child| self.visit(child, hasher, fields) && all)
    }
}
