//! What files say and what an operator ordered to the rules that run, each in its mode. Next: `governor.rs`.

use crate::rules::source::{self, Loaded};
use crate::rules::store::State;
use dtq_rules::compile::RuleSet;
use dtq_rules::file::rule::{Destination, Mode};
use dtq_rules::file::{Rule, RuleFile};
use dtq_source::Limits;

/// Rules in the modes in which they run, and their set.
pub(super) type Effective = (Vec<RuleFile>, RuleSet);

/// Returns rules in the modes in which they are to run, and their set.
///
/// Rules that are off are compiled all the same, so that a mistake in one is found before it is needed.
pub(super) fn effective(
    loaded: &Loaded,
    state: &State,
    limits: &Limits,
    now_ticks: i64,
) -> Result<Effective, Vec<String>> {
    let whole = loaded.compiled(limits, now_ticks)?;
    in_modes(loaded, state, limits, now_ticks, Some(whole))
}

/// Does the same with rules of which nothing is wrong; `whole` is the set of them as their files say.
pub(super) fn in_modes(
    loaded: &Loaded,
    state: &State,
    limits: &Limits,
    now_ticks: i64,
    whole: Option<RuleSet>,
) -> Result<Effective, Vec<String>> {
    if let Some(whole) = whole
        && *state == (State { pinned: state.pinned.clone(), ..State::default() })
    {
        return Ok((loaded.files.clone(), whole));
    }
    let files = source::with_modes(&loaded.files, |rule| mode(rule, state));
    match source::compiled(&files, limits, now_ticks) {
        Ok(set) => Ok((files, set)),
        Err(diagnostics) if state.ripcord.is_none() => Err(diagnostics),
        // A rule that stays needs a table that another fills; filling one changes no telemetry.
        Err(_) => {
            let fills = |rule: &Rule| matches!(rule.to.value, Destination::Table { .. });
            let keeps = State { ripcord: None, ..state.clone() };
            let mode = |rule: &Rule| if fills(rule) { mode(rule, &keeps) } else { mode(rule, state) };
            let files = source::with_modes(&loaded.files, mode);
            let set = source::compiled(&files, limits, now_ticks)?;
            Ok((files, set))
        }
    }
}

/// Returns the mode in which a rule is to run.
fn mode(rule: &Rule, state: &State) -> Mode {
    let name = &rule.name.value;
    let is_pulled = state.ripcord.as_ref().is_some_and(|ripcord| ripcord.also_protective || !rule.is_protective());
    if is_pulled || state.off.contains(name) {
        Mode::Off
    } else if rule.mode == Mode::Off && state.on.contains(name) {
        Mode::Enforce
    } else {
        rule.mode
    }
}
