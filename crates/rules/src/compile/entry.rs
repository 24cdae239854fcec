//! The entry: rule files to a rule set, or to all that is wrong with them.
//!
//! Reads no file and runs no rule. Next: `cells.rs`, the first of what it is made of.

use crate::compile::set::{self, Compiled, Options};
use crate::file::RuleFile;
use dtq_source::Budget;

/// Returns the rule set of these files, and all that is wrong with them; see [`compile_within`].
///
/// # Example
/// ```
/// use dtq_rules::compile::{Options, compile};
/// use dtq_rules::file::{self, NoFiles};
///
/// let yaml = "apiVersion: dtq/v1
/// rules:
///   - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
///   - {name: wrong, to: drop, kql: logs | where SeverityNumbr > 8}
/// ";
/// let (rules, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// let compiled = compile(&[rules], &Options::default());
/// assert!(compiled.set.is_none());
/// assert!(compiled.diagnostics[0].diagnostic.message.contains("SeverityNumbr"));
/// ```
pub fn compile(files: &[RuleFile], options: &Options) -> Compiled {
    compile_within(files, options, &Budget::UNLIMITED)
}

/// Does what [`compile`] does, within a budget of time, and of bytes that the rules may remember.
///
/// Rules whose `limits` say nothing share what the others leave of the bytes, each part of their state at most
/// [`crate::engine::DEFAULT_STATE_BYTES`]. The bytes are estimates that count every text and allocation as if nothing
/// shared it. Time is asked for between the rules.
///
/// # Errors
/// Not as a `Result`: in [`Compiled::diagnostics`], `E5010` where the `limits` of rules are above the bytes together,
/// `E3006` when the time is over, and all that is wrong with the rules.
///
/// # Example
/// ```
/// use dtq_rules::compile::{Options, compile_within};
/// use dtq_rules::file::{self, NoFiles};
/// use dtq_rules::Budget;
///
/// let yaml = "apiVersion: dtq/v1
/// rules:
///   - {name: calm, tiers: [collector], to: drop, key: SeverityText, above: {rate: 500/s}, kql: logs | where true}
/// ";
/// let (rules, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// let compiled = compile_within(&[rules], &Options::default(), &Budget::of_bytes(1 << 20));
/// assert_eq!(compiled.set.expect("nothing is wrong").rules[0].state_bytes_max, Some(1 << 20));
/// ```
pub fn compile_within(files: &[RuleFile], options: &Options, budget: &Budget<'_>) -> Compiled {
    set::compiled(files, options, budget)
}
