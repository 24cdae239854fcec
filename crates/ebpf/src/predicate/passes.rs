//! Searches of one field, of all rules together, to one pass over its text.
//!
//! A pass costs as much as one search whatever it looks for, so that it is worth it from a few searches on. It runs before
//! the first rule that asks what it found. Next: `code.rs`.

use crate::Unsupported;
use crate::emit::{Emitter, SCRATCH};
use crate::insn::{Cond, Reg};
use crate::layout::{self, State};
use crate::predicate::Plan;
use crate::predicate::atom::{Atom, OnText};
use crate::search::TextTest;
use crate::search::dfa::{Automaton, NON_ASCII, PASS_DONE, PATTERNS_MAX};
use crate::search::many::emit_pass;
use std::collections::BTreeMap;

/// Searches of a field from which on a pass is worth it: over 1 KiB it takes 500 ns, and one of them 91 (docs/kernel.md).
const SEARCHES_MIN: usize = 6;

/// Holds a pass over the text of a field.
#[derive(Clone, Debug)]
pub struct Pass {
    field: i16,
    automaton: Automaton,
    /// The position of the first plan that asks what it found.
    pub(crate) first_plan: usize,
}

/// Turns searches into passes, and what asks for them into looks at what a pass found.
pub(crate) fn share_passes(plans: &mut [Option<&mut Plan>]) -> Vec<Pass> {
    let mut searches: BTreeMap<i16, Vec<(usize, TextTest)>> = BTreeMap::new();
    for (position, plan) in plans.iter_mut().enumerate() {
        let Some(plan) = plan else { continue };
        visit(plan, &mut |atom| {
            for test in tests(atom) {
                let of_field = searches.entry(atom.field).or_default();
                if !of_field.iter().any(|(_, known)| known == test) {
                    of_field.push((position, test.clone()));
                }
            }
        });
    }
    let mut passes = Vec::new();
    for (field, found) in searches {
        for group in found.chunks(PATTERNS_MAX) {
            if group.len() < SEARCHES_MIN || passes.len() >= layout::FACTS_MAX {
                continue;
            }
            let patterns: Vec<TextTest> = group.iter().map(|(_, test)| test.clone()).collect();
            // One that is too large leaves the searches as they are.
            let Ok(automaton) = Automaton::of_patterns(&patterns) else { continue };
            let pass = passes.len();
            passes.push(Pass { field, automaton, first_plan: group[0].0 });
            let bit = |test: &TextTest| patterns.iter().position(|pattern| pattern == test);
            for plan in plans.iter_mut().flatten() {
                visit(plan, &mut |atom| look_up(atom, field, pass, &bit));
            }
        }
    }
    passes
}

/// Returns the tests of an atom where all of them are searches.
fn tests(atom: &Atom) -> &[TextTest] {
    match &atom.text {
        OnText::Tests(tests, _) if tests.iter().all(is_search) => tests,
        _ => &[],
    }
}

fn is_search(test: &TextTest) -> bool {
    matches!(test, TextTest::Contains { .. } | TextTest::Has { .. })
}

/// Lets an atom look at what a pass found, where that finds all that it asks.
fn look_up(atom: &mut Atom, field: i16, pass: usize, bit: &impl Fn(&TextTest) -> Option<usize>) {
    let OnText::Tests(tests, all) = &atom.text else { return };
    if atom.field != field {
        return;
    }
    let bits: Option<u64> =
        tests.iter().map(|test| bit(test).map(|bit| 1 << bit)).try_fold(0, |bits, bit| Some(bits | bit?));
    if let Some(bits) = bits {
        atom.text = OnText::Found { pass, bits, all: *all };
    }
}

fn visit(plan: &mut Plan, to: &mut impl FnMut(&mut Atom)) {
    match plan {
        Plan::Atom(atom, _) => to(atom),
        Plan::All(plans) | Plan::Any(plans) => plans.iter_mut().for_each(|plan| visit(plan, to)),
        Plan::Known(_) | Plan::Comparison(..) => {}
    }
}

impl Pass {
    /// Adds the pass; where the field is no text, nothing looks at what it found.
    pub(crate) fn emit(&self, e: &mut Emitter, pass: usize) -> Result<(), Unsupported> {
        let [over, done] = [(); 2].map(|()| e.asm.label());
        e.load_state(Reg::R0, self.field);
        e.asm.branch(Cond::Ne, Reg::R0, State::Text as i32, done);
        e.load_text(Reg::R6, Reg::R7, self.field);
        emit_pass(e, &self.automaton, pass, over)?;
        e.asm.jump(done);
        e.asm.bind(over);
        // Nothing was found as far as it came, and of the rest nothing is known.
        e.asm.mov_imm(Reg::R0, PASS_DONE | NON_ASCII);
        e.asm.store(crate::insn::Size::Double, SCRATCH, layout::FACTS + 8 * pass as i16, Reg::R0);
        e.asm.bind(done);
        Ok(())
    }
}
