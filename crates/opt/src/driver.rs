//! The order of the passes, and when they end.

use crate::options::Options;
use crate::walk::{Asked, Rule, Walked, walk, walk_roots};
use crate::{chains, facts, fold, info, order, prune, simplify, strings};
use dtq_ir::{ExprId, Program};
use std::fmt;

/// How often all passes run at most: each round is linear in the program, and most programs need two.
const ROUNDS_MAX: usize = 4;

/// How deep a pass may make an expression that was not as deep before; interpreters take a thousand levels.
const DEPTH_MAX: u32 = 500;

/// How many operators a pass may put behind each other that were not before; engines take five hundred.
const REL_DEPTH_MAX: usize = 250;

/// A pass by its name.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Its name, for [`Options::disabled`] and [`Report`].
    pub name: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    kind: Kind,
}

/// What a pass goes through.
#[derive(Clone, Copy)]
enum Kind {
    /// Every expression, by a rule for one node.
    Exprs(fn(&Options) -> Box<dyn Rule + '_>),
    /// Relations too.
    Rels(fn(&Program) -> Box<dyn Rule>),
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn over_exprs(name: &'static str, doc: &'static str, rule: fn(&Options) -> Box<dyn Rule + '_>) -> Pass {
    Pass { name, doc, kind: Kind::Exprs(rule) }
}

/// The passes in the order in which they run.
pub static PASSES: &[Pass] = &[
    over_exprs("fold", "Computes what depends on nothing at run time.", |_| Box::new(fold::Fold)),
    over_exprs("simplify", "Says logic with null in fewer nodes.", |_| Box::new(simplify::Simplify)),
    over_exprs("strings", "Searches strings by the cheapest operator that finds the same.", |_| {
        Box::new(strings::Strings)
    }),
    over_exprs("facts", "Drops conditions that follow from others, and finds those that exclude each other.", |_| {
        Box::new(facts::Facts)
    }),
    over_exprs("chains", "Joins comparisons of one operand to a membership test.", |_| Box::new(chains::Chains)),
    Pass {
        name: "prune",
        doc: "Drops rows before anything is computed for them, and computes nothing that nobody looks at.",
        kind: Kind::Rels(|program| Box::new(prune::Prune::new(program))),
    },
    over_exprs("order", "Asks the cheapest and most deciding first.", |options| {
        Box::new(order::Order::new(&options.feedback))
    }),
];

/// Says what the passes did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How often each pass changed something, in the order of [`PASSES`].
    pub changes: Vec<(&'static str, usize)>,
    /// How often all passes ran.
    pub rounds: usize,
    /// How many nodes the program had before, expressions and relations.
    pub nodes_before: (usize, usize),
    /// How many it has now.
    pub nodes_after: (usize, usize),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = self.changes.iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = changed.map(|(name, count)| format!("{name} {count}")).collect();
        if parts.is_empty() { f.write_str("nothing to do") } else { f.write_str(&parts.join(", ")) }
    }
}

/// Returns the program that means the same and does less, and what was done.
///
/// Outputs keep names, columns and order; expressions keep the place where they were written.
///
/// # Panics
/// When a pass makes a program that [`dtq_ir::verify()`] refuses: a bug of ours.
pub fn optimize(program: &Program, options: &Options) -> (Program, Report) {
    let mut report = Report::new(program);
    let mut current = copied(program, options);
    for _ in 0..ROUNDS_MAX {
        report.rounds += 1;
        let mut has_changed = false;
        for (index, pass) in enabled(options) {
            let walked = pass.run(&current, options);
            if walked.changes == 0 || is_too_deep(&walked.program, &current) {
                continue;
            }
            verified(&walked.program, pass.name);
            report.changes[index].1 += walked.changes;
            (current, has_changed) = (walked.program, true);
        }
        if !has_changed {
            break;
        }
    }
    // What the last pass left behind is not copied.
    current = copied(&current, options);
    verified(&current, "copy");
    report.nodes_after = (current.exprs().len(), current.rels().len());
    (current, report)
}

/// Holds an expression over one row that is optimized by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The expression.
    pub expr: ExprId,
    /// Whether it is asked only whether it is true: null may become false.
    pub is_condition: bool,
}

/// Returns a program of expressions without relations in which these roots mean the same and do less, where they are
/// now, and what was done; relations that the expressions name keep their ids.
///
/// `is_column_null` says whether a column of the row can be null; columns of strings never are. Where columns may fail,
/// [`are_plain`](crate::are_plain) tells for a fraction of the time that nothing would be found.
///
/// # Panics
/// As [`optimize`].
pub fn optimize_roots(
    program: &Program,
    roots: &[Root],
    options: &Options,
    is_column_null: &dyn Fn(u32) -> bool,
) -> (Program, Vec<ExprId>, Report) {
    let mut report = Report::new(program);
    let asked = |is_condition: bool| if is_condition { Asked::Truth } else { Asked::Value };
    let mut at: Vec<(ExprId, Asked)> = roots.iter().map(|root| (root.expr, asked(root.is_condition))).collect();
    let mut current = program.clone();
    let step = |current: &mut Program, at: &mut Vec<(ExprId, Asked)>, rule: &mut dyn Rule, is_copy: bool| {
        let (walked, found) = walk_roots(current, at, rule, options, is_column_null);
        if !is_copy && (walked.changes == 0 || is_too_deep(&walked.program, current)) {
            return 0;
        }
        at.iter_mut().zip(found).for_each(|(root, found)| root.0 = found);
        *current = walked.program;
        walked.changes
    };
    step(&mut current, &mut at, &mut Copy, true);
    for _ in 0..ROUNDS_MAX {
        report.rounds += 1;
        let mut changes = 0;
        for (index, pass) in enabled(options) {
            let Kind::Exprs(rule) = pass.kind else { continue };
            let count = step(&mut current, &mut at, &mut *rule(options), false);
            report.changes[index].1 += count;
            changes += count;
        }
        if changes == 0 {
            break;
        }
    }
    step(&mut current, &mut at, &mut Copy, true);
    report.nodes_after = (current.exprs().len(), 0);
    (current, at.into_iter().map(|(root, _)| root).collect(), report)
}

impl Report {
    fn new(program: &Program) -> Self {
        Self {
            changes: PASSES.iter().map(|pass| (pass.name, 0)).collect(),
            nodes_before: (program.exprs().len(), program.rels().len()),
            ..Self::default()
        }
    }
}

impl Pass {
    fn run(&self, program: &Program, options: &Options) -> Walked {
        match self.kind {
            Kind::Exprs(rule) => walk(program, &mut *rule(options), options),
            Kind::Rels(rule) => walk(program, &mut *rule(program), options),
        }
    }
}

fn enabled(options: &Options) -> impl Iterator<Item = (usize, &'static Pass)> {
    PASSES.iter().enumerate().filter(|(_, pass)| !options.disabled.contains(pass.name))
}

/// The rule that changes nothing: equal expressions become one, and what nothing uses is left behind.
struct Copy;

impl Rule for Copy {
    fn apply(&mut self, _build: &mut crate::build::Builder<'_>, _node: &crate::walk::Node) -> Option<ExprId> {
        None
    }
}

fn copied(program: &Program, options: &Options) -> Program {
    walk(program, &mut Copy, options).program
}

fn verified(program: &Program, pass: &str) {
    if let Err(violation) = dtq_ir::verify(program) {
        panic!("the pass `{pass}` made a program that breaks the rules of IR: {violation}");
    }
}

/// Says whether a pass made an expression, or operators behind each other, so deep that engines might refuse it.
fn is_too_deep(new: &Program, old: &Program) -> bool {
    let depth = |program: &Program| info::all(program, false).iter().map(|info| info.depth).max().unwrap_or(0);
    let (exprs, rels) = (depth(new), rel_depth(new));
    (exprs > DEPTH_MAX && exprs > depth(old)) || (rels > REL_DEPTH_MAX && rels > rel_depth(old))
}

fn rel_depth(program: &Program) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(program.rels().len());
    for rel in program.rels() {
        depths.push(rel.kind.inputs().iter().map(|input| depths[input.0 as usize] + 1).max().unwrap_or(0));
    }
    depths.into_iter().max().unwrap_or(0)
}
