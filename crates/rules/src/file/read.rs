//! Rule files to rules: every key read, every mistake of one file reported.
//!
//! Never compiles a query and never looks at other rule files: names that meet are `together.rs`'s. A rule with a
//! mistake is left out, and the others are read. Next: `destination.rs`, `examples.rs`, `checks.rs`.

use crate::file::beside::{self, Files};
use crate::file::fields::{Fields, Report, described, key_text, list, shortened, text};
use crate::file::keys::{Place, VERSION};
use crate::file::place::TextMap;
use crate::file::query::QueryText;
use crate::file::rule::{
    Above, Destination, Mode, OnError, Phase, Rule, RuleFile, RuleLimits, Spanned, StaticTable, Tier,
};
use crate::file::yaml::{self, Kind, Node, Scalar};
use crate::file::{checks, destination, examples, order, scalar};
use dtq_source::{Code, Diagnostic, Limits, SourceText, Span, diagnostic};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Holds what the host decides about reading rule files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// The present, in ticks: rules expire.
    pub now_ticks: i64,
}

/// What reading needs everywhere.
pub(crate) struct Context<'a> {
    /// Files beside the rule file.
    pub files: &'a dyn Files,
    /// What the host decides.
    pub options: &'a Options,
    /// Mistakes so far.
    pub report: Report,
}

/// Returns what a rule file says, and every mistake in it.
///
/// `name` is what messages call the file. Rules with a mistake are left out of the result, so that what is wrong with
/// the others can be said too; a file with an error is not to be run.
///
/// # Errors
/// Not as a `Result`: diagnostics `E50xx` come back beside what was understood.
///
/// # Example
/// ```
/// use dtq_rules::file::{self, NoFiles};
///
/// let yaml = "apiVersion: dtq/v1\nrules: [{name: low, to: drop, kqll: logs | where SeverityNumber < 9}]\n";
/// let (file, found) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// assert!(!file.is_complete);
/// assert!(found.iter().any(|one| one.code == dtq_source::Code::E5004));
/// ```
pub fn read(name: &str, bytes: &[u8], files: &dyn Files, options: &Options) -> (RuleFile, Vec<Diagnostic>) {
    let mut file =
        RuleFile { source: SourceText::new(name, ""), rules: Vec::new(), tables: Vec::new(), is_complete: false };
    let size_max = options.limits.rule_file_bytes_max;
    if bytes.len() > size_max {
        let message = format!("the rule file has {} bytes, more than {size_max}", bytes.len());
        let diagnostic = Diagnostic::error(Code::E5001, Span::default(), message).label("split it into several files");
        return (file, vec![diagnostic]);
    }
    file.source = SourceText::new(name, String::from_utf8_lossy(bytes));
    if let Err(error) = std::str::from_utf8(bytes) {
        return (file, vec![beside::not_utf8(error.valid_up_to())]);
    }
    let source = file.source.clone();
    let mut context = Context { files, options, report: Report::new(source.clone(), options.limits.diagnostics_max) };
    match yaml::parse(source.text(), &options.limits) {
        Ok(Some(root)) => read_file(&root, &mut file, &mut context),
        Ok(None) => {
            let label = "write `apiVersion: dtq/v1`, then `rules:` and a list";
            context.report.error(Code::E5006, Span::default(), "the rule file is empty", label);
        }
        Err(diagnostic) => context.report.add(diagnostic),
    }
    let diagnostics = context.report.finish();
    file.is_complete = !diagnostic::has_errors(&diagnostics);
    (file, diagnostics)
}

fn read_file(root: &Node, file: &mut RuleFile, context: &mut Context<'_>) {
    if let Some(diagnostic) = config_map(root) {
        context.report.add(diagnostic);
        return;
    }
    let Some(fields) = Fields::open(root, "a rule file", Place::File, &mut context.report) else { return };
    if let Some(version) = fields.get("apiVersion") {
        read_version(version, &mut context.report);
    }
    if let Some(tables) = fields.get("tables") {
        file.tables = read_tables(tables, context);
    }
    if let Some(rules) = fields.get("rules").and_then(|rules| list(rules, "`rules`", &mut context.report)) {
        file.rules = rules.iter().filter_map(|rule| read_rule(rule, context)).collect();
    }
}

/// Returns the diagnostic for a Kubernetes object given instead of the file that it holds.
fn config_map(root: &Node) -> Option<Diagnostic> {
    let Kind::Map(pairs) = &root.kind else { return None };
    let (key, _) = pairs.iter().find(|(key, _)| key_text(key) == Some("kind"))?;
    let message = "this is a Kubernetes object, not a rule file";
    let label = "give dtq the text below one key of its `data:`, as a mounted volume shows it";
    Some(Diagnostic::error(Code::E5004, key.span, message).label(label))
}

fn read_version(node: &Node, report: &mut Report) {
    let is_known = matches!(&node.kind, Kind::Scalar(scalar) if &*scalar.text == VERSION);
    if !is_known {
        let message = format!("this version of dtq reads `{VERSION}`, not {}", described(node));
        report.add(Diagnostic::error(Code::E5009, node.span, message).fix(node.span, VERSION));
    }
}

fn read_tables(node: &Node, context: &mut Context<'_>) -> Vec<StaticTable> {
    let mut tables: Vec<StaticTable> = Vec::new();
    for (name, value) in named(node, "`tables`", &mut context.report) {
        let what = "the name of a table";
        let name = scalar::checked_identifier(name.value, name.span, what, &mut context.report);
        let fields = Fields::open(value, "a table", Place::StaticTable, &mut context.report);
        let size_max = context.options.limits.document_bytes_max;
        let file = fields
            .and_then(|fields| fields.get("file"))
            .and_then(|path| beside::read(path, context.files, size_max, &mut context.report));
        if let (Some(name), Some(file)) = (name, file) {
            tables.push(StaticTable { name, path: file.path, content: Arc::from(file.content) });
        }
    }
    tables
}

/// Returns the entries of a mapping whose keys are names; what is none, and a name twice, is reported.
pub(crate) fn named<'n>(node: &'n Node, what: &str, report: &mut Report) -> Vec<(Spanned<String>, &'n Node)> {
    let Kind::Map(pairs) = &node.kind else {
        let message = format!("{what} is a mapping, not {}", described(node));
        report.error(Code::E5007, node.span, message, "write `name: {...}` for each");
        return Vec::new();
    };
    let mut entries: Vec<(Spanned<String>, &Node)> = Vec::new();
    let mut seen = BTreeMap::new();
    for (key, value) in pairs.iter() {
        match key_text(key) {
            None => report.error(Code::E5003, key.span, "a key of a rule file is a plain word", "write `key: value`"),
            Some(name) => match seen.get(name) {
                Some(first) => report.twice(&format!("the key `{}`", shortened(name)), key.span, *first),
                None => {
                    seen.insert(name, key.span);
                    entries.push((Spanned { value: name.to_owned(), span: key.span }, value));
                }
            },
        }
    }
    entries
}

fn read_rule(node: &Node, context: &mut Context<'_>) -> Option<Rule> {
    let fields = Fields::open(node, "a rule", Place::Rule, &mut context.report)?;
    let report = &mut context.report;
    let name = fields.get("name").and_then(|node| scalar::name(node, "the name of a rule", report));
    let owner = fields.get("owner").and_then(|node| text(node, "`owner`", report)).map(|(_, text)| text);
    let reason = fields.get("reason").and_then(|node| text(node, "`reason`", report)).map(|(_, text)| text);
    let expires_ticks = fields.get("expires").and_then(|node| scalar::moment(node, "`expires`", report));
    let mode = fields.get("mode").and_then(|node| scalar::word(node, "`mode`", Mode::WORDS, report));
    let phase = fields.get("phase").and_then(|node| scalar::word(node, "`phase`", Phase::WORDS, report));
    let on_error = fields.get("on_error").map(|node| read_on_error(node, report));
    let durable = fields.get("durable").and_then(|node| scalar::flag(node, "`durable`", report));
    let above = fields.get("above").map(|node| read_above(node, report));
    let limits = fields.get("limits").map(|node| read_limits(node, report));
    let tiers = fields.get("tiers").map(|node| read_tiers(node, report));
    let to = fields.get("to").and_then(|to| destination::read(to, &fields, context));
    let query = fields.get("kql").and_then(|node| read_query(node, context));
    let key = fields.get("key").and_then(|node| read_expression(node, "`key`", &mut context.report));
    let tests = fields.get("tests").map(|node| examples::read(node, context)).unwrap_or_default();
    let head = fields.head();
    let pass = Spanned { value: OnError::Pass, span: head };
    let to = to?;
    let idle_ticks = match &to.value {
        Destination::Metrics(metrics) => metrics.idle_ticks.clone(),
        _ => fields.get("idle").and_then(|node| scalar::duration(node, "`idle`", 1, &mut context.report)),
    };
    let is_shareable = matches!(to.value, Destination::Drop) && above.is_none();
    let tiers = tiers.unwrap_or_else(|| Some(Spanned { value: default_tiers(is_shareable), span: head }));
    let on_error = on_error.unwrap_or(Some(pass));
    let chosen = order::default_phase(&to.value, on_error.as_ref().is_some_and(|it| it.value != OnError::Pass));
    let rule = Rule {
        span: node.span,
        name: name?,
        owner,
        reason,
        expires_ticks,
        tiers: tiers?,
        mode: mode.map_or(Mode::Enforce, |mode| mode.value),
        to,
        on_error: on_error?,
        query: query?,
        key,
        above: above.flatten(),
        phase: phase.as_ref().map_or(chosen, |phase| phase.value),
        idle_ticks,
        limits: limits.unwrap_or_default(),
        is_durable: durable.unwrap_or(false),
        tests,
    };
    checks::check(&rule, &fields, context);
    Some(rule)
}

fn default_tiers(is_shareable: bool) -> Vec<Tier> {
    match is_shareable {
        true => Tier::WORDS.iter().map(|(_, tier)| *tier).collect(),
        false => vec![Tier::Collector],
    }
}

fn read_tiers(node: &Node, report: &mut Report) -> Option<Spanned<Vec<Tier>>> {
    let items = list(node, "`tiers`", report)?;
    let mut tiers: Vec<Spanned<Tier>> = Vec::new();
    for item in items {
        let Some(tier) = scalar::word(item, "a tier", Tier::WORDS, report) else { continue };
        match tiers.iter().find(|other| other.value == tier.value) {
            Some(first) => report.twice(&format!("the tier `{}`", tier.value), tier.span, first.span),
            None => tiers.push(tier),
        }
    }
    let mut tiers: Vec<Tier> = tiers.iter().map(|tier| tier.value).collect();
    if items.is_empty() {
        report.error(Code::E5010, node.span, "`tiers` names no tier", "name one, or write `mode: off`");
    }
    tiers.sort();
    (!tiers.is_empty()).then_some(Spanned { value: tiers, span: node.span })
}

fn read_on_error(node: &Node, report: &mut Report) -> Option<Spanned<OnError>> {
    let (scalar, written) = text(node, "`on_error`", report)?;
    let span = written.span;
    let columns = written.value.strip_prefix("strip:").filter(|columns| !columns.trim().is_empty());
    let Some(columns) = columns else {
        let words = [("pass", 0), ("drop", 1), ("strip:COLUMNS", 2), ("strip", 2), ("strip:", 2)];
        return scalar::word(node, "`on_error`", &words, report).and_then(|word| match word.value {
            0 => Some(Spanned { value: OnError::Pass, span }),
            1 => Some(Spanned { value: OnError::Drop, span }),
            _ => {
                report.error(
                    Code::E5009,
                    span,
                    "`on_error` names no column",
                    "write the columns: `strip:Body,Attributes`",
                );
                None
            }
        });
    };
    let mut offset = "strip:".len();
    let mut stripped = Vec::new();
    for column in columns.split(',') {
        let name = column.trim();
        let start = offset + (column.len() - column.trim_start().len());
        let place = scalar.map.span(Span::new(start, start + name.len()));
        stripped.extend(scalar::checked_identifier(name.to_owned(), place, "a column of `strip:`", report));
        offset += column.len() + 1;
    }
    (stripped.len() == columns.split(',').count()).then_some(Spanned { value: OnError::Strip(stripped), span })
}

fn read_above(node: &Node, report: &mut Report) -> Option<Spanned<Above>> {
    let fields = Fields::open(node, "`above`", Place::Above, report)?;
    let rate = fields.get("rate").and_then(|node| scalar::rate(node, "`rate`", report));
    let burst = fields.get("burst").map(|node| scalar::count(node, "`burst`", 1, i64::MAX, report));
    let rate = rate?;
    let burst = match burst {
        Some(burst) => burst?.value.unsigned_abs(),
        None => rate.count,
    };
    Some(Spanned { value: Above { rate, burst }, span: node.span })
}

fn read_limits(node: &Node, report: &mut Report) -> RuleLimits {
    let Some(fields) = Fields::open(node, "`limits`", Place::Limits, report) else { return RuleLimits::default() };
    let mut count = |name: &'static str| {
        let node = fields.get(name)?;
        scalar::count(node, &format!("`{name}`"), 1, i64::MAX, report).map(|count| count.value.unsigned_abs())
    };
    let ns_per_record = count("ns_per_record");
    let series = count("series");
    let state_bytes = fields.get("state_bytes").and_then(|node| scalar::size(node, "`state_bytes`", report));
    RuleLimits { ns_per_record, state_bytes, series }
}

/// Returns the query that stands in the rule file or in a file that it names.
fn read_query(node: &Node, context: &mut Context<'_>) -> Option<QueryText> {
    let Kind::Map(_) = &node.kind else {
        return read_expression(node, "`kql`", &mut context.report);
    };
    let fields = Fields::open(node, "a query in a file", Place::Query, &mut context.report)?;
    let size_max = context.options.limits.query_bytes_max;
    let (path, text) = beside::read_text(fields.get("file")?, context.files, size_max, &mut context.report)?;
    let map = Arc::new(TextMap::of_file(&text));
    let beside = Some(Arc::new(SourceText::new(path.value, text.as_str())));
    Some(QueryText { text, map, beside, span: node.span })
}

/// Returns KQL that stands in the rule file.
fn read_expression(node: &Node, what: &str, report: &mut Report) -> Option<QueryText> {
    let (scalar, written) = text(node, what, report)?;
    let Scalar { map, .. } = scalar;
    Some(QueryText { text: written.value, map: Arc::clone(map), beside: None, span: node.span })
}
