//! `dtq check --profile kernel`: what the kernel decides of each rule, and why not the rest, as diagnostics.
//!
//! Formats of payloads of which the same is true share a diagnostic. Next: `compile.rs`.

use super::report::Extent;
use super::subject;
use crate::args::Payload;
use crate::rule_set::Loaded;
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_kernel::share::{ShareOptions, SharedRule, share};
use dtq_rules::compile::RuleSet;
use dtq_rules::file::rule::{Mode, Rule};
use dtq_rules::file::{Located, RuleFile};
use dtq_source::{Code, Diagnostic, Limits};

/// Adds to rule files that compile what the kernel does of them.
pub fn add(loaded: &mut Loaded, payloads: &[Payload], now_ticks: i64, limits: &Limits) {
    if loaded.set.is_none() {
        return;
    }
    let set = subject::as_written(&loaded.files, now_ticks, limits).expect("the same files were compiled before");
    let formats: Vec<Format> = match payloads {
        [] => Format::ALL.to_vec(),
        asked => asked.iter().map(|payload| Format::from(*payload)).collect(),
    };
    let mut shares: Vec<(Format, Vec<SharedRule>)> = Vec::new();
    for format in formats {
        // What goes down does not depend on where payloads begin.
        let options = ShareOptions {
            format,
            front: Front::UnixDatagram,
            has_lease: false,
            reads_counts: false,
            minds_expiry: true,
        };
        shares.push((format, share(&set, &options).rules));
    }
    for (file, one) in loaded.files.iter().enumerate() {
        for (position, rule) in one.rules.iter().enumerate() {
            let found = of_rule(one, rule, (file, position), &set, &shares);
            loaded.diagnostics.extend(found.into_iter().map(|diagnostic| Located { file, diagnostic }));
        }
    }
    loaded.diagnostics.sort_by_key(|located| (located.file, located.diagnostic.span));
}

/// Returns what is to be said of a rule.
fn of_rule(
    file: &RuleFile,
    rule: &Rule,
    place: (usize, usize),
    set: &RuleSet,
    shares: &[(Format, Vec<SharedRule>)],
) -> Vec<Diagnostic> {
    let Some(position) = set.rules.iter().position(|compiled| compiled.place == place) else {
        let reason = if rule.mode == Mode::Off { "it is off" } else { "it has expired" };
        return vec![nothing(file, rule, "", true).note(reason)];
    };
    let outcomes = grouped(shares.iter().map(|(format, rules)| (*format, &rules[position])));
    let is_nowhere = outcomes.iter().all(|(_, outcome)| Extent::of(outcome) == Extent::Nothing);
    let mut found = Vec::new();
    for (formats, outcome) in &outcomes {
        let of =
            if outcomes.len() > 1 || shares.len() < Format::ALL.len() { of_payloads(formats) } else { String::new() };
        let name = &rule.name.value;
        let mut diagnostic = match Extent::of(outcome) {
            Extent::Whole => remark(rule, format!("the kernel decides all of `{name}`{of}")),
            Extent::Part => remark(rule, format!("the kernel decides a part of `{name}`{of}")),
            Extent::Nothing => nothing(file, rule, &of, is_nowhere),
        };
        for part in &outcome.down {
            diagnostic = diagnostic.note(format!("goes down: {part}"));
        }
        for (part, reason) in &outcome.stays {
            diagnostic = diagnostic.note(format!("stays up: {part}: {reason}"));
        }
        if let Some(reason) = &outcome.reason {
            diagnostic = diagnostic.note(reason.clone());
        }
        found.push(diagnostic);
    }
    found
}

fn remark(rule: &Rule, message: String) -> Diagnostic {
    Diagnostic::remark(Code::E4201, rule.name.span, message)
}

/// Returns the diagnostic of a rule of which nothing goes down: a warning where its author says that it is for the kernel.
fn nothing(file: &RuleFile, rule: &Rule, of: &str, is_nowhere: bool) -> Diagnostic {
    let message = format!("nothing of `{}` goes into the kernel{of}", rule.name.value);
    // Without `tiers` a rule may run everywhere, and nobody has said that it is for the kernel.
    let names_kernel = file.source.slice(rule.tiers.span).contains("kernel");
    match names_kernel && is_nowhere && rule.mode != Mode::Off {
        true => Diagnostic::warning(Code::E4203, rule.tiers.span, message).label("`kernel` is without effect"),
        false => Diagnostic::remark(Code::E4202, rule.name.span, message),
    }
}

/// Returns outcomes with the formats that share them.
fn grouped<'s>(outcomes: impl Iterator<Item = (Format, &'s SharedRule)>) -> Vec<(Vec<Format>, &'s SharedRule)> {
    let mut groups: Vec<(Vec<Format>, &SharedRule)> = Vec::new();
    for (format, outcome) in outcomes {
        // The position among the rules of the filter may differ between formats.
        let is_same = |other: &SharedRule| {
            Extent::of(other) == Extent::of(outcome)
                && (&other.reason, &other.down, &other.stays) == (&outcome.reason, &outcome.down, &outcome.stays)
        };
        match groups.iter_mut().find(|(_, other)| is_same(other)) {
            Some((formats, _)) => formats.push(format),
            None => groups.push((vec![format], outcome)),
        }
    }
    groups
}

fn of_payloads(formats: &[Format]) -> String {
    let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
    let listed = match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    };
    format!(", of {listed} payloads")
}
