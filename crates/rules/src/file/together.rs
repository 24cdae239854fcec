//! Rule files that run together to mistakes about names: used twice, or used and nowhere defined.
//!
//! Never looks into a query: which tables it reads is known when it is compiled. Next: `schema.rs`.

use crate::file::fields::{listed, nearest};
use crate::file::order::{RuleRef, order};
use crate::file::rule::{Destination, Rule, RuleFile, Spanned};
use dtq_record::tables;
use dtq_source::{Code, Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Holds a diagnostic and the file it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Position of the file.
    pub file: usize,
    /// What is wrong.
    pub diagnostic: Diagnostic,
}

/// Returns what is wrong between rules, in the order of the files.
///
/// A rule with a mistake is not in its file; as long as one is missing, a name that nothing defines is not reported.
///
/// # Example
/// ```
/// use dtq_rules::file::{self, NoFiles, check_together};
///
/// let yaml = "apiVersion: dtq/v1\nrules: [{name: one, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}]\n";
/// let read = |name| file::read(name, yaml.as_bytes(), &NoFiles, &file::Options::default()).0;
/// let found = check_together(&[read("a.yaml"), read("b.yaml")]);
/// assert_eq!(found[0].diagnostic.code, dtq_source::Code::E5013);
/// ```
pub fn check_together(files: &[RuleFile]) -> Vec<Located> {
    let mut checker = Checker { files, found: Vec::new(), lookups_left: LOOKUPS_MAX };
    checker.names_once();
    if files.iter().all(|file| file.is_complete) {
        checker.flushes();
        checker.companions();
    }
    checker.found.sort_by_key(|located| (located.file, located.diagnostic.span));
    checker.found
}

/// How many names are compared with all others to find what was meant; further ones get no suggestion.
const LOOKUPS_MAX: usize = 100;

struct Checker<'f> {
    files: &'f [RuleFile],
    found: Vec<Located>,
    lookups_left: usize,
}

impl<'f> Checker<'f> {
    fn add(&mut self, file: usize, diagnostic: Diagnostic) {
        self.found.push(Located { file, diagnostic });
    }

    /// Returns the name that is surely meant.
    fn near<'n>(&mut self, name: &str, names: &[&'n str]) -> Option<&'n str> {
        self.lookups_left = self.lookups_left.checked_sub(1)?;
        nearest(name, names)
    }

    fn rules(&self) -> impl Iterator<Item = (usize, &'f Rule)> + use<'f> {
        self.files.iter().enumerate().flat_map(|(index, file)| file.rules.iter().map(move |rule| (index, rule)))
    }

    /// Reports rules, recorders and tables with the name of another.
    fn names_once(&mut self) {
        let rules = self.rules().map(|(file, rule)| (file, &rule.name)).collect();
        self.once("rule", rules, "give each rule a name of its own");
        let recorders = self.rules().filter_map(|(file, rule)| match &rule.to.value {
            Destination::Recorder { name, .. } => Some((file, name)),
            _ => None,
        });
        self.once("recorder", recorders.collect(), "give each recorder a name of its own: one rule fills it");
        let fixed =
            self.files.iter().enumerate().flat_map(|(file, it)| it.tables.iter().map(move |one| (file, &one.name)));
        let filled = self.rules().filter_map(|(file, rule)| match &rule.to.value {
            Destination::Table { name, .. } => Some((file, name)),
            _ => None,
        });
        let filled: Vec<(usize, &Spanned<String>)> = fixed.chain(filled).collect();
        for (file, name) in &filled {
            if tables::standard(&name.value).or_else(|| tables::alias(&name.value)).is_some() {
                let message = format!("`{}` is the name of a table of telemetry", name.value);
                self.add(
                    *file,
                    Diagnostic::error(Code::E5013, name.span, message).label("give the table another name"),
                );
            }
        }
        self.once("table", filled, "give each table a name of its own: one rule or file fills it");
    }

    fn once(&mut self, kind: &str, names: Vec<(usize, &'f Spanned<String>)>, label: &str) {
        let mut first: BTreeMap<&str, (usize, Span)> = BTreeMap::new();
        for (file, name) in names {
            let Some((other_file, other)) = first.get(name.value.as_str()).copied() else {
                first.insert(&name.value, (file, name.span));
                continue;
            };
            let source = &self.files[other_file].source;
            let (line, _) = source.line_column(other.start);
            let message = format!("another {kind} is called `{}`", name.value);
            let note = format!("it is at {}:{line}", source.name());
            self.add(file, Diagnostic::error(Code::E5013, name.span, message).label(label).note(note));
        }
    }

    /// Reports flushes without a recorder, recorders without a flush, and pairs that cannot work.
    fn flushes(&mut self) {
        let order = order(self.files);
        let mut recorders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut flushes: Vec<(usize, RuleRef, &Spanned<String>)> = Vec::new();
        let mut holders: Vec<(RuleRef, &Spanned<String>)> = Vec::new();
        for (position, reference) in order.iter().enumerate() {
            match &self.rule(*reference).to.value {
                Destination::Recorder { name, .. } => {
                    recorders.insert(&name.value, (position, holders.len()));
                    holders.push((*reference, name));
                }
                Destination::Flush { name, .. } => flushes.push((position, *reference, name)),
                _ => {}
            }
        }
        // A recorder that is surely meant by another name is not reported a second time.
        let names: Vec<&str> = recorders.keys().copied().collect();
        let mut meant: BTreeSet<&str> = BTreeSet::new();
        for (position, reference, name) in &flushes {
            match recorders.get(name.value.as_str()) {
                Some((held_at, holder)) => self.pair(*reference, holders[*holder].0, position > held_at),
                None => {
                    let near = self.near(&name.value, &names);
                    meant.extend(near);
                    self.add(reference.file, no_recorder(name, near, &names));
                }
            }
        }
        let flushed: BTreeSet<&str> = flushes.iter().map(|(.., name)| name.value.as_str()).collect();
        for (reference, name) in holders {
            if !flushed.contains(name.value.as_str()) && !meant.contains(name.value.as_str()) {
                let message = format!("no rule flushes the recorder `{}`: what it holds is lost", name.value);
                let label = format!("add a rule with `to: flush:{}`", name.value);
                self.add(reference.file, Diagnostic::warning(Code::E5014, name.span, message).label(label));
            }
        }
    }

    fn rule(&self, reference: RuleRef) -> &'f Rule {
        &self.files[reference.file].rules[reference.rule]
    }

    /// Reports what keeps a flush from working with its recorder.
    fn pair(&mut self, flush: RuleRef, recorder: RuleRef, is_after: bool) {
        let (flushing, holding) = (self.rule(flush), self.rule(recorder));
        if flushing.key.is_some() != holding.key.is_some() {
            let (with, without) = if holding.key.is_some() { (holding, flushing) } else { (flushing, holding) };
            let message = format!("`{}` has a `key` and `{}` has none", with.name.value, without.name.value);
            let label = "give both a `key` of the same values, or neither";
            self.add(flush.file, Diagnostic::error(Code::E5012, flushing.to.span, message).label(label));
        }
        if is_after {
            let name = &holding.name.value;
            let message = format!("runs after `{name}`, which holds the records that should cause the flush");
            let label = "leave out `phase`, or move the rule before the recorder";
            let message = format!("`{}` {message}", flushing.name.value);
            self.add(flush.file, Diagnostic::warning(Code::E5015, flushing.to.span, message).label(label));
        }
    }

    /// Reports tests that want rules which are not there.
    fn companions(&mut self) {
        let names: Vec<&str> = self.rules().map(|(_, rule)| rule.name.value.as_str()).collect();
        let known: BTreeSet<&str> = names.iter().copied().collect();
        for (file, rule) in self.rules() {
            for name in rule.tests.iter().flat_map(|test| &test.with) {
                if known.contains(name.value.as_str()) {
                    continue;
                }
                let diagnostic =
                    Diagnostic::error(Code::E5014, name.span, format!("no rule is called `{}`", name.value));
                let diagnostic = match self.near(&name.value, &names) {
                    Some(near) => diagnostic.fix(name.span, near),
                    None => diagnostic.label("write the name of a rule of this set"),
                };
                self.add(file, diagnostic);
            }
        }
    }
}

fn no_recorder(name: &Spanned<String>, near: Option<&str>, names: &[&str]) -> Diagnostic {
    const SHOWN: usize = 10;
    let message = format!("no rule has `to: recorder:{}`", name.value);
    let diagnostic = Diagnostic::error(Code::E5014, name.span, message);
    match near {
        Some(near) => diagnostic.fix(name.span, near),
        None if names.is_empty() => diagnostic.label("add the rule that fills the recorder"),
        None => diagnostic.label(format!("the recorders are {}", listed(&names[..names.len().min(SHOWN)]))),
    }
}
