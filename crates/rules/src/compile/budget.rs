//! A budget to what compiling a rule set may take, and to what its rules may remember together.
//!
//! A rule whose `limits` say what it may remember is held to that; the others share what is left. Bounds are those of
//! each part of state, so that their sum holds whatever telemetry brings. Next: `set.rs`.

use crate::compile::rule::{Action, CompiledRule, RecorderDef};
use crate::engine::DEFAULT_STATE_BYTES;
use crate::file::{Located, RuleFile, RuleRef};
use dtq_source::{Code, Diagnostic};

/// Gives every rule that remembers something its share of the bytes, or says whose `limits` are above them together.
pub(super) fn share_state(
    rules: &mut [CompiledRule],
    recorders: &mut [RecorderDef],
    files: &[RuleFile],
    bytes_max: usize,
) -> Option<Located> {
    if bytes_max == usize::MAX {
        return None;
    }
    let parts: Vec<u64> = rules.iter().map(|rule| part_count(rule, rules)).collect();
    let mut left = bytes_max as u64;
    for (rule, parts) in rules.iter().zip(&parts) {
        let own = rule.state_bytes_max.map_or(0, |bytes| bytes.saturating_mul(*parts));
        match left.checked_sub(own) {
            Some(rest) => left = rest,
            None => return Some(too_much(files, rule.place, own, left, bytes_max)),
        }
    }
    let sharing = rules.iter().zip(&parts).filter(|(rule, _)| rule.state_bytes_max.is_none());
    let part_count: u64 = sharing.map(|(_, parts)| parts).sum();
    let share = (left / part_count.max(1)).min(DEFAULT_STATE_BYTES);
    for (rule, parts) in rules.iter_mut().zip(&parts) {
        if *parts == 0 || rule.state_bytes_max.is_some() {
            continue;
        }
        rule.state_bytes_max = Some(share);
        if let Action::Recorder { recorder } = rule.action {
            recorders[recorder].spec.bounds.bytes_max = usize::try_from(share).unwrap_or(usize::MAX);
        }
    }
    None
}

/// Returns the error that there is no time for a rule and those after it.
pub(super) fn late(files: &[RuleFile], place: RuleRef) -> Located {
    let message = "compiling the rules took longer than the time it was given";
    let diagnostic = Diagnostic::error(Code::E3006, files[place.file].rules[place.rule].name.span, message);
    Located { file: place.file, diagnostic: diagnostic.label("this rule and those after it are not compiled") }
}

/// Returns how many parts of state a rule has, each of which its bound on bytes holds for.
fn part_count(rule: &CompiledRule, all: &[CompiledRule]) -> u64 {
    let own = match &rule.action {
        // What others look up is kept with each of them too.
        Action::Table { table, .. } => {
            let lookups = all.iter().flat_map(|other| &other.lookups);
            1 + lookups.filter(|lookup| lookup.table == *table).count() as u64
        }
        // Its series, and the resources that they are of.
        Action::Measure(_) => 2,
        Action::Recorder { .. } | Action::Window(_) => 1,
        _ => 0,
    };
    own + u64::from(rule.above.is_some()) + u64::from(rule.scan.is_some())
}

fn too_much(files: &[RuleFile], (file, rule): (usize, usize), own: u64, left: u64, bytes_max: usize) -> Located {
    let rule = &files[file].rules[rule];
    let message = format!(
        "what `{}` may remember by its `limits` takes {own} bytes, and of the {bytes_max} bytes of the budget {left} are \
         left for it",
        rule.name.value
    );
    let label = "lower `state_bytes` of this rule or of those before it, or give the rule set more";
    Located { file, diagnostic: Diagnostic::error(Code::E5010, rule.name.span, message).label(label) }
}
