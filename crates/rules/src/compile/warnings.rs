//! A compiled rule set to what it probably does not mean: rules that never act, and rules that take each other's records.
//!
//! Every warning is certain of what it says about conditions; where nothing can be said there is none. Refuses nothing
//! and changes no rule. What can be said of conditions: `dtq_ir::condition`. Next: `set.rs`.

use crate::compile::catalog::RuleCatalog;
use crate::compile::rule::{Action, CompiledRule};
use crate::compile::set::base_position;
use crate::file::rule::{MetricKind, Mode};
use crate::file::{Located, RuleFile};
use dtq_ir::condition::Condition;
use dtq_ir::condition::implied::Implied;
use dtq_ir::{ExprId, ExprKind, Program, RelId, RelKind};
use dtq_record::tables::Base;
use dtq_source::{Code, Diagnostic, Span};
use std::collections::BTreeSet;

/// Returns what looks wrong about rules in effective order.
pub fn warnings(files: &[RuleFile], rules: &[CompiledRule]) -> Vec<Located> {
    let conditions: Vec<Option<Condition>> = rules.iter().map(condition).collect();
    let mut set = Set { files, rules, conditions, takers: Vec::new(), edits_before: edits_before(rules) };
    set.takers = (0..rules.len()).filter(|position| set.taken(*position).is_some()).collect();
    let mut taken = Implied::new((0..rules.len()).map(|position| set.taken(position)).collect());
    let mut found = Vec::new();
    let mut is_parent_said = false;
    for position in 0..rules.len() {
        let one = set
            .never_matches(position)
            .or_else(|| set.shadowed(position, &mut taken))
            .or_else(|| set.uncounted(position));
        found.extend(one);
        found.extend(set.null_trap(position));
        if !is_parent_said && let Some(orphans) = set.orphans(position) {
            is_parent_said = true;
            found.push(orphans);
        }
        found.extend(set.cumulative_sum(position));
    }
    found
}

struct Set<'s> {
    files: &'s [RuleFile],
    rules: &'s [CompiledRule],
    /// When a record of the table gives a row; `None` where nothing can be said.
    conditions: Vec<Option<Condition>>,
    /// The rules that take records for certain, by position; mostly fewer than there are.
    takers: Vec<usize>,
    /// For each table how many rules in front of a position edit its records; one more than there are rules.
    edits_before: Vec<[u32; Base::ALL.len()]>,
}

/// Counts the rules that edit records of each table.
fn edits_before(rules: &[CompiledRule]) -> Vec<[u32; Base::ALL.len()]> {
    let mut counts = [0; Base::ALL.len()];
    let mut before = vec![counts];
    for rule in rules {
        counts[base_position(rule.base)] += u32::from(matches!(rule.action, Action::Replace { .. }));
        before.push(counts);
    }
    before
}

impl Set<'_> {
    /// Returns a warning placed at the query of a rule.
    fn warn(&self, position: usize, code: Code, span: Span, message: String, label: &str) -> Located {
        let (file, rule) = self.rules[position].place;
        let warning = Diagnostic::warning(code, span, message).label(label);
        Located { file, diagnostic: self.files[file].rules[rule].query.locate(warning) }
    }

    fn span(&self, position: usize) -> Span {
        let rule = &self.rules[position];
        let (file, at) = rule.place;
        let end = self.files[file].rules[at].query.text.trim_end().len();
        last_filter(rule).map_or(Span::new(0, end), |(id, _)| rule.program.rel(id).span)
    }

    fn never_matches(&self, position: usize) -> Option<Located> {
        let condition = self.conditions[position].as_ref()?;
        if !condition.is_never_true() {
            return None;
        }
        let name = &self.rules[position].name;
        let message = format!("no record can be a row of this query, so `{name}` never acts");
        let label = "look for conditions that exclude each other, such as two values of one field joined by `and`";
        Some(self.warn(position, Code::E5151, self.span(position), message, label))
    }

    /// Finds an earlier rule that takes every record of this one, among what rules take.
    fn shadowed<'s>(&'s self, position: usize, taken: &mut Implied<'s>) -> Option<Located> {
        let rule = &self.rules[position];
        let condition = self.conditions[position].as_ref()?;
        // Every rule is unreachable behind one that takes all; of one without conditions nothing is peculiar.
        let takes_all = |taker: usize| self.takes_before(taker, position) && runs_wherever(&self.rules[taker], rule);
        let by = taken.first(condition, self.comparable_from(position)..position, takes_all)?;
        let (name, by) = (&rule.name, &self.rules[by].name);
        let message = format!("`{by}` runs first and takes every record that `{name}` means");
        let label = "narrow the earlier rule, move this one in front of it, or remove it";
        Some(self.warn(position, Code::E5152, self.span(position), message, label))
    }

    /// Finds an earlier rule or tier that takes records which this rule counts.
    fn uncounted(&self, position: usize) -> Option<Located> {
        let rule = &self.rules[position];
        if !counts(rule) {
            return None;
        }
        let condition = self.conditions[position].as_ref()?;
        let (by, is_tier) = self
            .takers(position)
            .map(|(taker, taken)| (taker, taken, false))
            .chain(self.earlier_tiers(position).map(|(taker, taken)| (taker, taken, true)))
            .find(|(_, taken, _)| condition.may_overlap(taken))
            .map(|(taker, _, is_tier)| (taker, is_tier))?;
        let (name, by) = (&rule.name, &self.rules[by].name);
        let (message, label) = match is_tier {
            false => (
                format!("`{by}` runs first and takes records that `{name}` counts"),
                "let this rule run first: leave out `phase:` of both, or exclude those records here",
            ),
            true => (
                format!("`{by}` may run at a tier before that of `{name}` and take records that it counts"),
                "give the other rule `tiers: [collector]`, or exclude those records here",
            ),
        };
        Some(self.warn(position, Code::E5153, self.span(position), message, label))
    }

    /// Returns the rules that run before one and take records for certain, each with when it does.
    fn takers(&self, position: usize) -> impl Iterator<Item = (usize, &Condition)> {
        let first = self.takers.partition_point(|taker| *taker < self.comparable_from(position));
        let before = self.takers[first..].iter().copied().take_while(move |taker| *taker < position);
        let is_same = move |taker: &usize| self.takes_before(*taker, position);
        before.filter(is_same).filter_map(|taker| Some((taker, self.taken(taker)?)))
    }

    /// Says whether a rule, if it takes records, takes them before an other one sees them.
    fn takes_before(&self, taker: usize, position: usize) -> bool {
        self.is_comparable(taker, position) && shares_tier(&self.rules[taker], &self.rules[position])
    }

    /// Returns the first position that may be comparable with one: none before it is.
    fn comparable_from(&self, position: usize) -> usize {
        let bases = [base_position(self.rules[position].base), base_position(Base::Resources)];
        let now = &self.edits_before[position];
        self.edits_before.partition_point(|before| bases.iter().any(|at| before[*at] < now[*at]))
    }

    /// Returns the rules that take records at a tier before all those of one.
    fn earlier_tiers(&self, position: usize) -> impl Iterator<Item = (usize, &Condition)> {
        let rule = &self.rules[position];
        let first = rule.tiers.iter().min_by_key(|tier| **tier as u8).map_or(0, |tier| *tier as u8);
        let is_before = move |taker: &usize| self.rules[*taker].tiers.iter().any(|tier| (*tier as u8) < first);
        let is_same = move |taker: &usize| {
            let (low, high) = (position.min(*taker), position.max(*taker));
            *taker != position && self.is_comparable(low, high)
        };
        let takers = self.takers.iter().copied().filter(is_before).filter(is_same);
        takers.filter_map(|taker| Some((taker, self.taken(taker)?)))
    }

    /// Says whether two rules speak of the same fields of the same records: no rule between them edits any.
    fn is_comparable(&self, first: usize, second: usize) -> bool {
        let (left, right) = (&self.rules[first], &self.rules[second]);
        let edited = |base: Base| {
            let at = base_position(base);
            self.edits_before[second][at] > self.edits_before[first][at]
        };
        std::ptr::eq(left.table, right.table) && !edited(left.base) && !edited(Base::Resources)
    }

    /// Returns when a rule takes a record away, whatever else it depends on.
    fn taken(&self, position: usize) -> Option<&Condition> {
        let rule = &self.rules[position];
        let takes = match &rule.action {
            Action::Drop => true,
            Action::Route { is_copy, .. } => !is_copy,
            Action::Measure(measure) => measure.output.is_consumed,
            Action::Window(window) => window.measure.output.is_consumed,
            // Of a recorder a flush lets records pass; an edit leaves them.
            _ => false,
        };
        let is_always = rule.mode == Mode::Enforce
            && rule.above.is_none()
            && rule.expires_ticks.is_none()
            // What a scan takes follows from other records.
            && rule.scan.is_none();
        if takes && is_always { self.conditions[position].as_ref() } else { None }
    }

    /// Finds a `where` in front of an edit that drops records for lack of a field.
    fn null_trap(&self, position: usize) -> Option<Located> {
        let rule = &self.rules[position];
        if !matches!(rule.action, Action::Replace { .. }) {
            return None;
        }
        let trap = self.conditions[position].as_ref()?.null_traps().into_iter().next()?;
        let (id, predicate) = last_filter(rule)?;
        let (file, at) = rule.place;
        let text = &self.files[file].rules[at].query.text;
        let written = text.get(rule.program.expr(predicate).span.range()).unwrap_or("...");
        let keys: String = trap.keys.iter().map(|key| format!("[\"{key}\"]")).collect();
        let message = format!("records without `{}{keys}` are dropped: this `where` is null for them", trap.column);
        let label = format!("to drop only what is certain, write a rule `to: drop` with `| where not({written})`");
        Some(self.warn(position, Code::E5154, rule.program.rel(id).span, message, &label))
    }

    /// Finds spans that are dropped although others of their trace stay.
    fn orphans(&self, position: usize) -> Option<Located> {
        let rule = &self.rules[position];
        let is_drop = matches!(rule.action, Action::Drop) && rule.base == Base::Spans && rule.mode == Mode::Enforce;
        let has_condition = chain_filters(rule).next().is_some();
        if !is_drop || !has_condition || reads_only_trace(rule) {
            return None;
        }
        let message = format!("spans below those that `{}` drops are left without their parent", rule.name);
        let label =
            "to drop whole traces, decide by TraceId: `where not(trace_ratio(TraceId) < 0.1)` or a table of traces";
        Some(self.warn(position, Code::E5155, self.span(position), message, label))
    }

    /// Finds points that count from a start added up as if each counted since the last.
    fn cumulative_sum(&self, position: usize) -> Option<Located> {
        let rule = &self.rules[position];
        if rule.base != Base::Metrics {
            return None;
        }
        let span = summed(rule)?;
        let cumulative = "metrics | where Temporality == \"Cumulative\"";
        let accumulating = "metrics | where MetricType in (\"Sum\", \"Histogram\", \"ExponentialHistogram\")";
        let may_be = |text: &str| match (&self.conditions[position], condition_of(text)) {
            (Some(own), Some(other)) => own.may_overlap(&other),
            _ => true,
        };
        if rule.table.name != "metrics" || !may_be(cumulative) || !may_be(accumulating) {
            return None;
        }
        let message =
            "cumulative points count from a start, so adding them up counts the same again and again".to_owned();
        let label = "add `| where Temporality == \"Delta\"`, or take the last value with `max(...)` as a gauge";
        Some(self.warn(position, Code::E5156, span, message, label))
    }
}

/// Returns when a record of its table gives a row of the rule, or `None` where that cannot be said; of a rule with a scan
/// when it may give one.
fn condition(rule: &CompiledRule) -> Option<Condition> {
    if !rule.lookups.is_empty() {
        return None;
    }
    Condition::of_relation(&rule.program, if rule.scan.is_some() { rule.flat.end } else { rule.pipeline_top() })
}

/// Returns the condition of a query that is ours.
fn condition_of(text: &str) -> Option<Condition> {
    let (query, _) = dtq_engine::compile(text, &RuleCatalog::default(), &dtq_engine::Options::default());
    let query = query?;
    let program = query.program();
    Condition::of_relation(program, program.outputs.first()?.rel)
}

/// Says whether a rule makes something of records that it leaves.
fn counts(rule: &CompiledRule) -> bool {
    let is_counting = match &rule.action {
        Action::Logs { .. } | Action::Table { .. } | Action::Measure(_) | Action::Window(_) => true,
        Action::Route { is_copy, .. } => *is_copy,
        _ => false,
    };
    is_counting && rule.mode == Mode::Enforce
}

fn shares_tier(left: &CompiledRule, right: &CompiledRule) -> bool {
    left.tiers.iter().any(|tier| right.tiers.contains(tier))
}

/// Says whether a rule runs at every tier of another.
fn runs_wherever(rule: &CompiledRule, other: &CompiledRule) -> bool {
    other.tiers.iter().all(|tier| rule.tiers.contains(tier))
}

/// Returns the filters of a rule's query, the last first.
fn chain_filters(rule: &CompiledRule) -> impl Iterator<Item = (RelId, ExprId)> {
    let chain =
        crate::compile::flatten::chain(&rule.program, if rule.scan.is_some() { rule.flat.end } else { rule.top });
    let filters = chain.into_iter().rev().filter_map(|id| match &rule.program.rel(id).kind {
        RelKind::Filter { predicate, .. } => Some((id, *predicate)),
        _ => None,
    });
    filters.collect::<Vec<_>>().into_iter()
}

fn last_filter(rule: &CompiledRule) -> Option<(RelId, ExprId)> {
    chain_filters(rule).next()
}

/// Says whether a rule decides by the trace alone, so that all spans of one share their fate.
fn reads_only_trace(rule: &CompiledRule) -> bool {
    let names = ["TraceId", "TraceID", "operation_Id", "OperationId"];
    let is_trace = |read: &dtq_ir::reads::Read| names.contains(&read.path.column.as_str());
    dtq_ir::reads::of(&rule.program).iter().filter(|read| read.path.table == rule.table.name).all(is_trace)
}

/// Returns where a rule over points adds up what they hold.
fn summed(rule: &CompiledRule) -> Option<Span> {
    match &rule.action {
        Action::Measure(measure) => {
            let is_sum = |kind: &MetricKind| matches!(kind, MetricKind::Sum { .. });
            let mut metrics = measure.output.columns.iter().zip(&measure.values);
            let last = rule.program.rel(rule.top);
            let reads = |at: usize| match &last.kind {
                RelKind::Project { exprs, .. } => holds_value(&rule.program, exprs[at], rule),
                _ => true,
            };
            metrics.any(|(metric, at)| is_sum(&metric.kind.value) && reads(*at)).then_some(last.span)
        }
        Action::Window(window) => match &rule.program.rel(window.aggregate).kind {
            RelKind::Aggregate { aggregates, .. } => {
                let sums = |call: &&dtq_ir::rel::AggregateCall| matches!(call.aggregate.name, "sum" | "sumif");
                let mut sums = aggregates.iter().filter(sums);
                let arg =
                    sums.find_map(|call| call.args.iter().copied().find(|arg| holds_value(&rule.program, *arg, rule)))?;
                Some(rule.program.expr(arg).span)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Says whether an expression is made of the value of a point.
fn holds_value(program: &Program, root: ExprId, rule: &CompiledRule) -> bool {
    let names: BTreeSet<&str> = ["MetricValue", "Count", "Sum"].into();
    let is_value = |name: &str| names.contains(name) && rule.table.columns.iter().any(|column| column.name == name);
    let input = |expr: &ExprKind| match expr {
        ExprKind::Column(at) => Some(*at as usize),
        _ => None,
    };
    let columns = &program.rel(crate::compile::flatten::chain(program, rule.top)[0]).columns;
    let mut pending = vec![root];
    let mut seen = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let kind = &program.expr(id).kind;
        match input(kind) {
            Some(at) if columns.get(at).is_some_and(|column| is_value(&column.name)) => return true,
            _ => pending.extend(kind.children()),
        }
    }
    false
}
