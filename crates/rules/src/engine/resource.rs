//! Rules over `resources`: one resource to its versions, as each rule after them sees it, or to its end.

use crate::compile::set::base_position;
use crate::engine::cells::{Cache, malformed};
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Active;
use crate::engine::overlay::Overlay;
use crate::engine::request::{Pass, Work};
use crate::engine::trace::Subject;
use crate::engine::wrap;
use dtq_record::otlp::edit::edit_attributes_message;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_record::wire::append_bytes_field;
use smallvec::SmallVec;

/// Holds a resource as the rules from a position on see it.
pub(super) struct Version {
    /// Position of the first rule that sees it.
    pub(super) from: usize,
    pub(super) message: Vec<u8>,
}

/// Holds what rules over `resources` make of one resource.
#[derive(Default)]
pub(crate) struct ResourceFate {
    /// The resource as it changes, the first as it came.
    pub(super) versions: Vec<Version>,
    /// The rule that drops it, with its records.
    pub(super) dropped_by: Option<usize>,
}

impl ResourceFate {
    /// Says whether the resource stays as it came.
    pub(super) fn is_plain(&self) -> bool {
        self.versions.len() < 2 && self.dropped_by.is_none()
    }
}

impl Frame<'_> {
    /// Runs the rules over `resources` on one resource.
    pub(super) fn judge_resource(&mut self, pass: &mut Pass<'_>, message: &[u8]) -> ResourceFate {
        self.spend(pass.changes);
        let set = self.set;
        let mut fate = ResourceFate::default();
        let base = set.base(Base::Resources);
        let rules: Vec<usize> =
            base.rules.iter().copied().filter(|rule| *rule >= pass.from && self.is_active[*rule]).collect();
        if rules.is_empty() {
            return fate;
        }
        fate.versions.push(Version { from: 0, message: message.to_vec() });
        self.log_subject(Subject::Resource(pass.resource));
        let container = pass.index.resources()[pass.resource].place.content(pass.request);
        let head = &wrap::container_head(container).unwrap_or_default();
        let mut plan = base.plan.clone();
        plan.set_signal(pass.signal);
        let flow = &mut self.state.flows[base_position(Base::Resources)].entered[pass.from];
        flow.0 += 1;
        flow.1 += message.len() as u64;
        let (mut slots, mut cache, mut overlay) =
            (vec![Slot::MISSING; plan.slot_count()], Cache::default(), Overlay::default());
        for rule in rules {
            let current = fate.versions.last().expect("one was pushed").message.clone();
            cache.reset(plan.slot_count());
            overlay.clear();
            let container = resource_container(head, &current);
            let filled = plan.fill_record(&container, &mut slots);
            let buffers = Buffers { record: &container, resource: &current, ..Buffers::default() };
            let unit = Unit {
                signal: pass.signal,
                base,
                request: pass.request,
                index: pass.index,
                position: 0,
                scope: 0,
                resource: pass.resource,
                buffers,
                kind: None,
                time_ticks: self.state.clock.of_made(None, self.arrival_ticks),
                said_ticks: self.arrival_ticks,
            };
            let conditions = (0..set.rules[rule].conditions.len()).map(|at| at as u16).collect();
            let active = Active { rule, conditions, is_never: false, is_of_record: false };
            let mut work =
                Work { slots: &mut slots, cache: &mut cache, overlay: &mut overlay, editors: SmallVec::new() };
            let outcome = match &filled {
                Ok(()) => self.settle(&active, &unit, &mut work),
                Err(error) => self.fail(rule, &malformed(error), &mut work),
            };
            if outcome.is_some() {
                fate.dropped_by = Some(rule);
                break;
            }
            if let Some((_, edit)) = work.overlay.edits().first() {
                match edit_attributes_message(&current, 1, edit, set.limits.value_nesting_max) {
                    Ok(message) => {
                        self.state.accounts[rule].edited += 1;
                        fate.versions.push(Version { from: rule + 1, message });
                    }
                    Err(error) => drop(self.fail(rule, &malformed(&error), &mut work)),
                }
            }
        }
        fate
    }
}

/// Returns a message like `ResourceLogs` with a version of its resource, and without records.
fn resource_container(head: &[u8], resource: &[u8]) -> Vec<u8> {
    let mut container = Vec::with_capacity(head.len() + resource.len() + 6);
    append_bytes_field(&mut container, 1, resource);
    container.extend_from_slice(head);
    container
}

/// Puts the version of the resource that a rule sees in the place of the one before.
pub(super) fn enter_version<'f>(fate: &'f ResourceFate, rule: usize, unit: &mut Unit<'f>, work: &mut Work<'_>) {
    if fate.versions.len() < 2 {
        return;
    }
    let version = fate.versions.iter().rev().find(|version| version.from <= rule);
    let message = version.map_or(unit.buffers.resource, |version| &version.message);
    if message != unit.buffers.resource {
        unit.buffers.resource = message;
        // What a rule wrote is well-formed, and what came was read before.
        let _ = unit.base.plan.fill_resource(message, work.slots);
        work.cache.reset(unit.base.plan.slot_count());
    }
}
