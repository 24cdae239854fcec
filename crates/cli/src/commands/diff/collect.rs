//! Records and what happened to each, to groups: in total and by rule, with examples, and fields that were never there.

use super::fields::{Change, changes};
use dtq_record::otlp::rows::rows;
use dtq_record::otlp::{Signal, logs, metrics, spans};
use dtq_record::stream::Row;
use dtq_record::tables::{self, Base};
use dtq_rules::compile::RuleSet;
use dtq_rules::compile::rule::Action;
use dtq_rules::compile::set::base_position;
use dtq_rules::engine::{Account, Fate, Observer, Passage, Processor};
use dtq_rules::file::RuleFile;
use dtq_source::Limits;
use dtq_value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Examples kept of each rule.
const EXAMPLES_MAX: usize = 5;
/// Different fields counted of each rule; a rule that edits by pattern could otherwise name any number.
const FIELDS_MAX: usize = 1_000;
/// Keys beside a missing one that are remembered, to suggest the one that was meant.
const KEYS_MAX: usize = 1_000;

/// Counts records and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub records: u64,
    /// Bytes of the records as they came; of those made, as they are made.
    pub bytes: u64,
    /// Bytes of the records as they go on.
    pub bytes_after: u64,
}

impl Tally {
    fn add(&mut self, before: usize, after: usize) {
        self.records += 1;
        self.bytes += before as u64;
        self.bytes_after += after as u64;
    }
}

/// Holds the five groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groups {
    /// Records that go on as they came.
    pub unmodified: Tally,
    /// Records that go on with other fields.
    pub modified: Tally,
    /// Records that do not go on: removed, counted by a metric instead, or held.
    pub dropped: Tally,
    /// Records and points that are made.
    pub created: Tally,
    /// Records that go to a named output instead.
    pub rerouted: Tally,
}

/// Holds what one rule would change.
pub struct RuleDiff {
    /// Its name.
    pub name: String,
    /// Its destination, as the file writes it.
    pub to: String,
    /// Its mode.
    pub mode: String,
    /// Records by group; those left alone are not counted by rule.
    pub groups: Groups,
    /// How often each field was changed, in the order in which they were seen.
    pub fields: BTreeMap<String, u64>,
    /// The first records.
    pub examples: Vec<Example>,
    /// The counts of the engine.
    pub account: Account,
    /// The columns that it writes; empty when it writes none.
    writes: BTreeSet<String>,
    /// Whether records that it gives are those that it held.
    is_recorder: bool,
}

/// Names a group of records that rules change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Changed.
    Modified,
    /// Removed.
    Dropped,
    /// Removed because a metric counts it.
    Consumed,
    /// Taken by a recorder.
    Held,
    /// Made.
    Created,
    /// Sent elsewhere.
    Rerouted,
}

impl Group {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Group::Modified => "modified",
            Group::Dropped => "dropped",
            Group::Consumed => "consumed",
            Group::Held => "held",
            Group::Created => "created",
            Group::Rerouted => "rerouted",
        }
    }
}

/// Holds a record as an example.
pub struct Example {
    /// What happens to it.
    pub group: Group,
    /// Its signal.
    pub signal: Signal,
    /// Its row: as it came, or as it was made.
    pub row: Row,
    /// The fields that change.
    pub changes: Vec<Change>,
}

/// Says that rules read a field that was null in every record.
pub struct AlwaysNull {
    /// The table.
    pub table: &'static str,
    /// How many records it has.
    pub records: u64,
    /// The field; `None` when the table has no records.
    pub field: Option<String>,
    /// A key that was there and may be meant.
    pub nearest: Option<String>,
}

/// Holds all that rules would change.
pub struct Diff {
    /// Records of all rules together.
    pub groups: Groups,
    /// By rule, in effective order.
    pub rules: Vec<RuleDiff>,
    /// Records that came, and their bytes.
    pub came: Tally,
    /// The time of the first record and of the last, in ticks.
    pub times: Option<(i64, i64)>,
    /// Fields that were never there.
    pub always_null: Vec<AlwaysNull>,
}

impl Diff {
    /// Says whether the rules change anything.
    pub fn has_changes(&self) -> bool {
        let Groups { modified, dropped, created, rerouted, .. } = self.groups;
        [modified, dropped, created, rerouted].iter().any(|tally| tally.records > 0)
    }

    /// Returns by what to multiply to get a day; `None` when the telemetry covers no time.
    pub fn day_factor(&self) -> Option<f64> {
        const DAY_TICKS: f64 = 864_000_000_000.0;
        let (first, last) = self.times?;
        (last > first).then(|| DAY_TICKS / (last - first) as f64)
    }
}

/// Takes records as they pass.
pub struct Collector {
    set: Arc<RuleSet>,
    limits: Limits,
    diff: Diff,
    bases: Vec<Seen>,
}

/// What was seen of the records of a standard table.
struct Seen {
    records: u64,
    is_there: Vec<bool>,
    /// Keys of the bags by column.
    keys: BTreeMap<usize, BTreeSet<String>>,
}

impl Collector {
    /// Returns a collector that has seen nothing.
    pub fn new(set: Arc<RuleSet>, files: &[RuleFile], limits: &Limits) -> Self {
        let rules = set.rules.iter().map(|rule| {
            let (file, at) = rule.place;
            let writes = match &rule.action {
                Action::Replace { writes } => {
                    let names = &tables::standard(rule.base.name()).expect("every base is a standard table").columns;
                    let reads = writes.iter().flat_map(|write| &write.reads);
                    reads.map(|(column, _)| names[*column].name.clone()).collect()
                }
                _ => BTreeSet::new(),
            };
            let writes = if rule.base == Base::Resources { BTreeSet::from(["Resource".to_owned()]) } else { writes };
            RuleDiff {
                name: rule.name.to_string(),
                to: files[file].rules[at].to.value.to_string(),
                mode: rule.mode.to_string(),
                groups: Groups::default(),
                fields: BTreeMap::new(),
                examples: Vec::new(),
                account: Account::default(),
                writes,
                is_recorder: matches!(rule.action, Action::Recorder { .. }),
            }
        });
        let rules = rules.collect();
        let diff =
            Diff { groups: Groups::default(), rules, came: Tally::default(), times: None, always_null: Vec::new() };
        let seen = |base: &dtq_rules::compile::set::BaseCells| Seen {
            records: 0,
            is_there: vec![false; base.cells.paths().len()],
            keys: BTreeMap::new(),
        };
        let bases = set.bases.iter().map(seen).collect();
        Self { set, limits: limits.clone(), diff, bases }
    }

    /// Returns what was collected.
    pub fn finish(mut self, processor: &Processor) -> Diff {
        for (rule, account) in self.diff.rules.iter_mut().zip(processor.accounts()) {
            rule.account = account;
        }
        self.diff.always_null = self.always_null();
        self.diff
    }

    fn always_null(&self) -> Vec<AlwaysNull> {
        let mut found = Vec::new();
        for (base, seen) in self.set.bases.iter().zip(&self.bases) {
            // A resource is looked at once for all its records, and is not observed by itself.
            if base.rules.is_empty() || base.cells.base() == Base::Resources {
                continue;
            }
            let table = base.cells.base().name();
            if seen.records == 0 {
                found.push(AlwaysNull { table, records: 0, field: None, nearest: None });
                continue;
            }
            let columns = &tables::standard(table).expect("every base is a standard table").columns;
            for (path, _) in base.cells.paths().iter().zip(&seen.is_there).filter(|(_, is_there)| !**is_there) {
                let Some(key) = &path.key else { continue };
                let key = key.as_text().into_owned();
                let nearest = seen.keys.get(&path.column).and_then(|keys| nearest(&key, keys));
                let field = Some(format!("{}[{}]", columns[path.column].name, serde_json::Value::from(key)));
                found.push(AlwaysNull { table, records: seen.records, field, nearest });
            }
        }
        found
    }

    /// Notes time, keys and fields of a record that came.
    fn see(&mut self, passage: &Passage<'_>, row: &Row) {
        self.diff.came.add(passage.size_before, 0);
        let time = match passage.signal {
            Signal::Logs => logs::column::TIMESTAMP,
            Signal::Metrics => metrics::column::TIMESTAMP,
            Signal::Spans => spans::column::END_TIME,
        };
        if let Some(Value::DateTime(ticks)) = row.get(time) {
            let (first, last) = self.diff.times.unwrap_or((*ticks, *ticks));
            self.diff.times = Some((first.min(*ticks), last.max(*ticks)));
        }
        let seen = &mut self.bases[base_position(passage.base())];
        seen.records += 1;
        for (slot, is_there) in seen.is_there.iter_mut().enumerate() {
            *is_there = *is_there || passage.is_there(slot);
        }
        for (column, value) in row.iter().enumerate() {
            let Value::Bag(bag) = value else { continue };
            let keys = seen.keys.entry(column).or_default();
            for (key, _) in bag.iter() {
                if keys.len() < KEYS_MAX && !keys.contains(&*key.as_text()) {
                    keys.insert(key.as_text().into_owned());
                }
            }
        }
    }

    fn rows_of(&self, signal: Signal, request: &[u8]) -> Row {
        // The record was framed and read by the rules; what cannot be decoded as a whole shows as an empty row.
        rows(signal, request, &self.limits).ok().and_then(|mut rows| rows.pop()).unwrap_or_default()
    }

    fn count(&mut self, rule: usize, group: Group, (before, after): (usize, usize)) {
        for groups in [&mut self.diff.groups, &mut self.diff.rules[rule].groups] {
            tally(groups, group).add(before, after);
        }
    }

    fn example(&mut self, rule: usize, group: Group, signal: Signal, row: &Row, changes: Vec<Change>) {
        let examples = &mut self.diff.rules[rule].examples;
        if examples.len() < EXAMPLES_MAX {
            examples.push(Example { group, signal, row: row.clone(), changes });
        }
    }

    fn modified(&mut self, passage: &Passage<'_>, before: &Row, after: &[u8]) {
        let sizes = (passage.size_before, passage.size_after);
        self.diff.groups.modified.add(sizes.0, sizes.1);
        let after = self.rows_of(passage.signal, after);
        let columns = &tables::standard(passage.signal.table()).expect("each signal has a standard table").columns;
        let all = changes(columns, before, &after);
        for rule in passage.editors {
            let writes = &self.diff.rules[*rule].writes;
            let own: Vec<Change> =
                all.iter().filter(|change| writes.is_empty() || writes.contains(&change.column)).cloned().collect();
            let of_rule = &mut self.diff.rules[*rule];
            of_rule.groups.modified.add(sizes.0, sizes.1);
            for change in &own {
                if of_rule.fields.len() < FIELDS_MAX || of_rule.fields.contains_key(&change.field) {
                    *of_rule.fields.entry(change.field.clone()).or_default() += 1;
                }
            }
            self.example(*rule, Group::Modified, passage.signal, before, own);
        }
    }
}

fn tally(groups: &mut Groups, group: Group) -> &mut Tally {
    match group {
        Group::Modified => &mut groups.modified,
        Group::Dropped | Group::Consumed | Group::Held => &mut groups.dropped,
        Group::Created => &mut groups.created,
        Group::Rerouted => &mut groups.rerouted,
    }
}

impl Observer for Collector {
    fn condition(&mut self, _: usize, _: dtq_ir::ExprId, _: Option<bool>) {}

    fn record(&mut self, passage: &Passage<'_>) {
        let row = self.rows_of(passage.signal, passage.before);
        match passage.maker {
            None => self.see(passage, &row),
            Some(rule) if self.diff.rules[rule].is_recorder => self.let_go(rule, passage.size_before),
            Some(rule) => {
                self.count(rule, Group::Created, (passage.size_before, passage.size_after));
                self.example(rule, Group::Created, passage.signal, &row, Vec::new());
                if passage.taken.is_none() {
                    return;
                }
            }
        }
        match (passage.taken, passage.after) {
            (Some((rule, fate)), _) => {
                let group = match fate {
                    Fate::Dropped => Group::Dropped,
                    Fate::Consumed => Group::Consumed,
                    Fate::Rerouted => Group::Rerouted,
                    Fate::Held => Group::Held,
                };
                self.count(rule, group, (passage.size_before, 0));
                self.example(rule, group, passage.signal, &row, Vec::new());
            }
            (None, Some(after)) if after != passage.before => self.modified(passage, &row, after),
            (None, _) => self.diff.groups.unmodified.add(passage.size_before, passage.size_after),
        }
    }
}

impl Collector {
    /// Takes a record that a recorder lets go on out of those that it held.
    fn let_go(&mut self, rule: usize, size: usize) {
        for groups in [&mut self.diff.groups, &mut self.diff.rules[rule].groups] {
            groups.dropped.records = groups.dropped.records.saturating_sub(1);
            groups.dropped.bytes = groups.dropped.bytes.saturating_sub(size as u64);
        }
    }
}

fn nearest(wanted: &str, keys: &BTreeSet<String>) -> Option<String> {
    let folded = wanted.to_lowercase();
    let distances = keys.iter().map(|key| (strsim::osa_distance(&folded, &key.to_lowercase()), key));
    let (distance, key) = distances.min()?;
    (distance <= 1 + wanted.chars().count() / 4).then(|| key.clone())
}
