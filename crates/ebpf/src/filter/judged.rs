//! One record to its verdict: the rules in their order, and what is counted of a record that one of them drops.

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::{Emitter, SCRATCH};
use crate::filter::{Rule, Share};
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{self, State};
use crate::predicate;
use crate::predicate::field::Derived;
use crate::predicate::passes::Pass;
use crate::tally::{self, Planned, Tables, rate};

/// Holds what a record is judged by.
pub(super) struct Judged<'j> {
    pub(super) rules: &'j [Rule<'j>],
    pub(super) shares: &'j [Share],
    pub(super) passes: &'j [Pass],
    pub(super) derived: &'j [Derived],
    pub(super) tallies: Option<(&'j Planned, &'j Tables)>,
    /// The position of the map of rates.
    pub(super) rates: Option<u32>,
}

impl Judged<'_> {
    /// Adds the code that judges a record: it goes on at `next` when a rule surely drops it.
    pub(super) fn emit(&self, e: &mut Emitter, next: Label) -> Result<(), Unsupported> {
        e.store(layout::REASON, 0);
        self.derived.iter().for_each(|derived| derive(e, *derived));
        let counted = e.asm.label();
        for (rule, plan) in
            self.shares.iter().enumerate().filter_map(|(rule, share)| Some((rule, share.plan.as_ref()?)))
        {
            for (position, pass) in self.passes.iter().enumerate().filter(|(_, pass)| pass.first_plan == rule) {
                pass.emit(e, position)?;
            }
            let (drops, goes_on) = (e.asm.label(), e.asm.label());
            for field in &self.shares[rule].fragile {
                let is_whole = e.asm.label();
                e.load_state(Reg::R0, *field);
                e.asm.branch(Cond::Ne, Reg::R0, State::Undecided as i32, is_whole);
                e.asm.load(Size::Word, Reg::R0, SCRATCH, field + 4);
                e.store(layout::REASON, Reg::R0);
                e.asm.jump(goes_on);
                e.asm.bind(is_whole);
            }
            predicate::emit(e, plan, drops, goes_on)?;
            e.asm.bind(drops);
            if let Some(draw) = self.rules[rule].draw {
                draw.emit(e, goes_on);
            }
            if let Some((limit, map)) = self.shares[rule].limit.as_ref().zip(self.rates) {
                rate::emit_above(e, limit, (map, rule), goes_on);
            }
            let staged = layout::STAGED + 8 * rule as i16;
            e.load(Reg::R1, layout::RECORD_SIZE);
            e.asm.alu(Alu::Lsh, Reg::R1, 32);
            e.load(Reg::R0, staged);
            e.asm.alu(Alu::Add, Reg::R0, Reg::R1);
            e.asm.alu(Alu::Add, Reg::R0, 1);
            e.store(staged, Reg::R0);
            match self.rules[rule].tallies {
                0 => e.asm.jump(next),
                tallies => {
                    e.store(layout::TALLY_MASK, i32::try_from(tallies).expect("tallies are few"));
                    e.asm.jump(counted);
                }
            }
            e.asm.bind(goes_on);
        }
        let kept = e.kept();
        e.asm.jump(kept);
        e.asm.bind(counted);
        match self.tallies {
            Some((planned, tables)) => tally::emit_judge(e, planned, tables, next),
            None => {
                e.asm.jump(next);
                Ok(())
            }
        }
    }
}

/// Adds what fills a field from two others.
fn derive(e: &mut Emitter, Derived { field, key, other }: Derived) {
    let [done, take_other, missing, no_text] = [(); 4].map(|()| e.asm.label());
    let copy = |e: &mut Emitter, from: i16| {
        for offset in [0, 8] {
            e.load(Reg::R1, from + offset);
            e.store(field + offset, Reg::R1);
        }
    };
    // One that is there and holds nothing has a length.
    e.load(Reg::R0, key);
    e.asm.branch(Cond::Eq, Reg::R0, State::Missing as i32, take_other);
    copy(e, key);
    e.asm.jump(done);
    e.asm.bind(take_other);
    e.load_state(Reg::R0, other);
    e.asm.branch(Cond::Ne, Reg::R0, State::Text as i32, no_text);
    e.asm.load(Size::Word, Reg::R0, SCRATCH, other + 4);
    e.asm.branch(Cond::Eq, Reg::R0, 0, missing);
    e.asm.bind(no_text);
    copy(e, other);
    e.asm.jump(done);
    e.asm.bind(missing);
    e.store_state(field, State::Missing);
    e.asm.bind(done);
}
