//! Rule files, or a query, to the rule set that the kernel's share is taken from.
//!
//! A query is taken as a rule that drops the rows it gives. Next: `report.rs`.

use crate::console::Console;
use crate::failure::Failure;
use crate::rule_set;
use dtq_rules::compile::RuleSet;
use dtq_rules::file::rule::RuleFile;
use dtq_rules::file::{self, Files, Located};
use dtq_source::{Limits, SourceText, Span};
use std::path::PathBuf;

/// The file of the rule that stands for a query. What it says has no mistake; the query is read through [`OneFile`].
const RULE: &str = "\
apiVersion: dtq/v1
rules:
  - {name: query, to: drop, tiers: [kernel], kql: {file: query.kql}}
";

/// Returns the rule set of rule files, for all tiers and with conditions as they are written; diagnostics are written.
///
/// # Errors
/// As [`rule_set::ready`].
pub fn of_rules(paths: &[PathBuf], now_ticks: i64, limits: &Limits, console: &Console) -> Result<RuleSet, Failure> {
    let (files, _) = rule_set::ready(paths, now_ticks, limits, console)?;
    Ok(as_written(&files, now_ticks, limits).expect("the same files were compiled before"))
}

/// Returns the rule set of files that compile, with conditions as they are written.
pub fn as_written(files: &[RuleFile], now_ticks: i64, limits: &Limits) -> Option<RuleSet> {
    rule_set::compile(files, now_ticks, limits, true).set
}

/// Returns a query as a rule that drops, with what is wrong with it.
pub fn of_query(query: &SourceText, now_ticks: i64, limits: &Limits) -> rule_set::Loaded {
    let options = file::Options { limits: limits.clone(), now_ticks };
    let (mut file, mut found) = file::read("query", RULE.as_bytes(), &OneFile(query.text()), &options);
    let whole = Span::new(0, query.text().len());
    // What is said of the rule is said of the query, which is all that its author wrote.
    file.source = query.clone();
    for rule in &mut file.rules {
        rule.query.beside = None;
        rule.query.span = whole;
        (rule.span, rule.name.span, rule.to.span, rule.tiers.span) = (whole, whole, whole, whole);
    }
    found.iter_mut().for_each(|diagnostic| diagnostic.span = whole);
    let mut diagnostics: Vec<Located> = found.into_iter().map(|diagnostic| Located { file: 0, diagnostic }).collect();
    let files = vec![file];
    let compiled = rule_set::compile(&files, now_ticks, limits, true);
    diagnostics.extend(compiled.diagnostics);
    rule_set::Loaded { files, diagnostics, set: compiled.set, paths: Vec::new() }
}

/// The file beside the rule of a query.
struct OneFile<'q>(&'q str);

impl Files for OneFile<'_> {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.0.as_bytes().to_vec())
    }
}
