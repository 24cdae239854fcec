//! A resource or scope to the rules that take part for its records, and what is left to decide of each.
//!
//! A condition on a level is decided once for all records below it. Where a thousand rules ask for the service, what
//! they look for is found in one look at the resource, and the others are not asked. Next: `agenda.rs`.

use crate::compile::set::{BaseCells, RuleSet};
use crate::engine::agenda::Agenda;
use crate::engine::cells::RecordCells;
use crate::engine::frame::Frame;
use crate::engine::judge::Active;
use crate::engine::overlay::Overlay;
use crate::engine::request::Pass;
use crate::engine::resource::ResourceFate;
use dtq_record::otlp::fill::Level;
use dtq_record::slot::Buffers;
use fixedbitset::FixedBitSet;
use std::rc::Rc;

impl<'s> Frame<'s> {
    /// Returns the rules that take part for the records of a resource.
    pub(super) fn agenda(&mut self, pass: &mut Pass<'_>, buffers: Buffers<'_>, fate: &ResourceFate) -> Rc<Agenda<'s>> {
        let base = self.set.base(RuleSet::base_of(pass.signal));
        self.fill_level(pass, buffers, Level::Resource);
        let is_shared = !base.has_conditions_on[0] && fate.is_plain() && self.observer.is_none();
        if is_shared
            && let Some((of, from, agenda)) = &self.shared
            && (*of, *from) == (base.cells.base(), pass.from)
        {
            return Rc::clone(agenda);
        }
        let is_marked = !base.resource_guards.is_empty() && self.can_decide(pass, fate, Level::Resource);
        if is_marked {
            base.resource_guards.mark(pass.slots, &buffers, pass.marked);
        }
        let all = self.candidates(base, pass.from, is_marked.then_some(&*pass.marked));
        let active = self.decide(pass, buffers, fate, Level::Resource, all);
        let agenda = Rc::new(Agenda::new(self, base, active, fate));
        if is_shared {
            self.shared = Some((base.cells.base(), pass.from, Rc::clone(&agenda)));
        }
        agenda
    }

    /// Returns the rules from a position on with all their conditions; of those that are not marked as what the resource
    /// may match, only the ones that act on other records too.
    pub(crate) fn candidates(&self, base: &BaseCells, from: usize, marked: Option<&FixedBitSet>) -> Vec<Active> {
        let takes_part = |rule: usize| rule >= from && self.is_active[rule];
        let candidate = |(local, rule): (usize, &usize)| {
            let is_never = marked.is_some_and(|marked| !marked.contains(local));
            let compiled = &self.set.rules[*rule];
            let is_shown = takes_part(*rule) && (!is_never || compiled.acts_on_others());
            let conditions = || (0..compiled.conditions.len()).map(|at| at as u16).collect();
            is_shown.then(|| Active { rule: *rule, conditions: conditions(), is_never, is_of_record: false })
        };
        base.rules.iter().enumerate().filter_map(candidate).collect()
    }

    /// Says whether conditions on a level are decided once for all its records.
    fn can_decide(&self, pass: &Pass<'_>, fate: &ResourceFate, level: Level) -> bool {
        let is_filled = match level {
            Level::Resource => pass.unreadable.resource.is_none(),
            _ => pass.unreadable.scope.is_none(),
        };
        // With several versions of the resource, each record decides for itself.
        is_filled && fate.versions.len() < 2 && self.observer.is_none()
    }

    /// Fills a level's slots.
    pub(super) fn fill_level(&mut self, pass: &mut Pass<'_>, buffers: Buffers<'_>, level: Level) {
        let plan = &self.set.base(RuleSet::base_of(pass.signal)).plan;
        if level == Level::Scope && !plan.has_level(level) {
            return;
        }
        pass.cache.reset(plan.slot_count());
        match level {
            Level::Resource => pass.unreadable.resource = plan.fill_resource(buffers.resource, pass.slots).err(),
            _ => pass.unreadable.scope = plan.fill_scope(buffers.scope, pass.slots).err(),
        }
    }

    /// Decides conditions on a level, whose slots are filled: what is left for each rule, without those that cannot match.
    pub(super) fn decide(
        &mut self,
        pass: &Pass<'_>,
        buffers: Buffers<'_>,
        fate: &ResourceFate,
        level: Level,
        candidates: Vec<Active>,
    ) -> Vec<Active> {
        let set = self.set;
        let can_decide = self.can_decide(pass, fate, level);
        let cells = RecordCells {
            base: set.base(RuleSet::base_of(pass.signal)),
            slots: pass.slots,
            buffers,
            overlay: &Overlay::default(),
            cache: pass.cache,
            nesting_max: set.limits.value_nesting_max,
        };
        self.narrow(can_decide.then_some(&cells), level, candidates)
    }

    /// Returns what is left of rules once what they say of a level is decided, where it can be.
    pub(crate) fn narrow(
        &mut self,
        cells: Option<&RecordCells<'_>>,
        level: Level,
        candidates: Vec<Active>,
    ) -> Vec<Active> {
        let set = self.set;
        let mut active = Vec::with_capacity(candidates.len());
        for mut one in candidates {
            if let Some(cells) = cells
                && !one.is_never
            {
                self.decide_one(&mut one, level, cells);
            }
            let is_of_record = |at: &u16| set.rules[one.rule].conditions[usize::from(*at)].level == Level::Record;
            one.is_of_record = one.conditions.iter().all(is_of_record);
            if !one.is_never || set.rules[one.rule].acts_on_others() {
                active.push(one);
            }
        }
        active
    }

    /// Decides the conditions of a rule on one level; one that fails is left to each record.
    fn decide_one(&mut self, one: &mut Active, level: Level, cells: &RecordCells<'_>) {
        let rule = &self.set.rules[one.rule];
        let mut is_false = false;
        let position = one.rule;
        one.conditions.retain(|at| {
            let condition = rule.conditions[usize::from(*at)];
            if is_false || condition.level != level {
                return true;
            }
            match self.holds(position, condition.expr, cells) {
                Ok(true) => false,
                Ok(false) => {
                    is_false = true;
                    true
                }
                Err(_) => true,
            }
        });
        one.is_never = is_false;
    }
}
