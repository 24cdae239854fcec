//! Phases by destination, and rule files to the order in which their rules run.
//!
//! The order is stable: phase, then file, then place in the file. Reasons: `docs/rules.md`, "Order". Next:
//! `together.rs`.

use crate::file::rule::{Destination, Phase, RuleFile};

/// Names a rule among several files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// Position of the file.
    pub file: usize,
    /// Position of the rule in the file.
    pub rule: usize,
}

/// Returns the phase of a rule that names none.
pub fn default_phase(to: &Destination, is_protective: bool) -> Phase {
    if is_protective {
        return Phase::Redact;
    }
    match to {
        // An edit is often a redaction that does not say so, and what counts or copies should see its result.
        Destination::Replace { .. } => Phase::Redact,
        _ if to.takes_records() => Phase::Reduce,
        _ => Phase::Observe,
    }
}

/// Returns the rules of all files in the order in which they run; rules that are off stand in it, too.
///
/// # Example
/// ```
/// use dtq_rules::file::{self, NoFiles, order};
///
/// let yaml = "apiVersion: dtq/v1
/// rules:
///   - {name: drops, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
///   - {name: edits, to: replace, kql: logs | extend Body = 'gone'}
/// ";
/// let (file, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// let names: Vec<String> = order(&[file.clone()]).iter().map(|at| file.rules[at.rule].name.value.clone()).collect();
/// assert_eq!(names, ["edits", "drops"]);
/// ```
pub fn order(files: &[RuleFile]) -> Vec<RuleRef> {
    let rules_of = |file: usize| (0..files[file].rules.len()).map(move |rule| RuleRef { file, rule });
    let mut order: Vec<RuleRef> = (0..files.len()).flat_map(rules_of).collect();
    order.sort_by_key(|reference| files[reference.file].rules[reference.rule].phase);
    order
}
