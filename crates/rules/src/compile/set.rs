//! The rules of all files to one set in effective order.
//!
//! A table that rules fill is known to others once the rule that fills it is compiled, so rules that fill tables come
//! first, in the order in which they need each other.

use crate::compile::action::{Places, Rows, action, failure, origins};
use crate::compile::budget::{late, share_state};
use crate::compile::catalog::{RuleCatalog, read_table};
use crate::compile::cells::Cells;
use crate::compile::flatten::{BagEdit, Flat, FlatColumn, cell_expr, flatten};
use crate::compile::guard::Guards;
use crate::compile::lookup::{Lookups, find_lookups, is_pure};
use crate::compile::optimize::optimize;
use crate::compile::query::{RuleQuery, compile_query};
use crate::compile::rule::{Action, ColumnWrite, CompiledRule, Condition, LookedUp, RecorderDef};
use crate::compile::scan::scan_rule;
use crate::compile::settings::{check_settings, key_shape, recorder_spec, types_text};
use crate::compile::warnings::warnings;
use crate::file::rule::{Destination, Mode, Tier};
use crate::file::{Located, Rule, RuleFile, RuleRef, check_together, order};
use crate::state::bounds::KeyShape;
use dtq_exec::feed::{needed_columns, needed_columns_for};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{Level, SlotPlan};
use dtq_record::stream::Column;
use dtq_record::tables::derive::Derivation;
use dtq_record::tables::{self, Base};
use dtq_source::{Budget, Code, Diagnostic, Limits, Timer, diagnostic};
use std::collections::BTreeSet;

/// Holds what compiling a rule set depends on besides the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// The time, in ticks, by which `expires` is judged.
    pub now_ticks: i64,
    /// Where the set is to run; `None` takes the rules of all tiers.
    pub tier: Option<Tier>,
    /// Whether every rule looks at every record by itself, which gives the same more slowly.
    pub is_unoptimized: bool,
}

/// Holds the rules that run together.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// In effective order.
    pub rules: Vec<CompiledRule>,
    /// What the rules of each standard table read, in the order of [`Base::ALL`].
    pub bases: Vec<BaseCells>,
    /// The tables that rules look up.
    pub looked_up: Vec<LookedUp>,
    /// The recorders.
    pub recorders: Vec<RecorderDef>,
    /// How many rules have aggregators or windows.
    pub metric_count: usize,
    /// The bounds.
    pub limits: Limits,
}

/// Holds what the rules of a standard table read.
#[derive(Clone, Debug)]
pub struct BaseCells {
    /// The cells.
    pub cells: Cells,
    /// How their slots are filled.
    pub plan: SlotPlan,
    /// The slot of a record's time, when some rule needs it.
    pub time_slot: Option<u32>,
    /// Positions of the rules over the table, in effective order.
    pub rules: Vec<usize>,
    /// Whether some rule has a condition on the resource, and on the scope.
    pub has_conditions_on: [bool; 2],
    /// Whether some rule has no condition on resource or scope, so that every record is read for it.
    pub reads_every_record: bool,
    /// What has to be found in a record before each of these rules can match.
    pub guards: Guards,
    /// What has to be found in a resource before each of these rules can match one of its records.
    pub resource_guards: Guards,
}

/// Holds a compiled rule set, or why there is none.
#[derive(Debug)]
pub struct Compiled {
    /// The set, unless there are errors.
    pub set: Option<RuleSet>,
    /// What is wrong and what looks wrong, in the order of the files.
    pub diagnostics: Vec<Located>,
}

/// Returns the rule set of these files; `entry.rs` says all of it.
pub(super) fn compiled(files: &[RuleFile], options: &Options, budget: &Budget<'_>) -> Compiled {
    let mut compiler = Compiler {
        files,
        options,
        catalog: RuleCatalog::default(),
        bases: Base::ALL.map(Cells::new).to_vec(),
        recorders: Vec::new(),
        metric_count: 0,
        diagnostics: check_together(files),
        timer: budget.start(),
        late: None,
    };
    let mut rules = compiler.rules();
    rules.sort_by_key(|(position, _)| *position);
    let mut rules: Vec<CompiledRule> = rules.into_iter().map(|(_, rule)| rule).collect();
    compiler.diagnostics.extend(compiler.late.map(|rule| late(files, rule)));
    compiler.diagnostics.extend(share_state(&mut rules, &mut compiler.recorders, files, budget.bytes_max));
    let is_refused = compiler.diagnostics.iter().any(|located| located.diagnostic.is_error())
        || files.iter().any(|file| !file.is_complete);
    if !is_refused {
        compiler.diagnostics.extend(warnings(files, &rules));
    }
    compiler.diagnostics.sort_by_key(|located| (located.file, located.diagnostic.span));
    let set = (!is_refused).then(|| compiler.finish(rules));
    Compiled { set, diagnostics: compiler.diagnostics }
}

struct Compiler<'f> {
    files: &'f [RuleFile],
    options: &'f Options,
    catalog: RuleCatalog,
    bases: Vec<Cells>,
    recorders: Vec<RecorderDef>,
    metric_count: usize,
    diagnostics: Vec<Located>,
    timer: Timer<'f>,
    /// The first rule for which there was no time.
    late: Option<RuleRef>,
}

impl<'f> Compiler<'f> {
    /// Compiles all rules that can run; each comes with its place in the effective order.
    fn rules(&mut self) -> Vec<(usize, CompiledRule)> {
        self.load_files();
        let all: Vec<(usize, RuleRef)> = order(self.files).into_iter().enumerate().collect();
        let runs = |(_, reference): &(usize, RuleRef)| self.runs(self.rule(*reference));
        let all: Vec<(usize, RuleRef)> = all.into_iter().filter(runs).collect();
        let fills_table = |reference: &RuleRef| matches!(self.rule(*reference).to.value, Destination::Table { .. });
        let (filling, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, reference)| fills_table(reference));
        let mut rules = self.filling_rules(filling);
        // Recorders before the rules that empty them.
        let (holding, others): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|(_, reference)| matches!(self.rule(*reference).to.value, Destination::Recorder { .. }));
        for (position, reference) in holding.into_iter().chain(others) {
            let mut found = Vec::new();
            let rule = self.compile_rule(reference, &mut found);
            self.take(reference, found);
            rules.extend(rule.map(|rule| (position, rule)));
        }
        rules
    }

    /// Compiles the rules that fill tables: those first that need no table which is not known yet.
    fn filling_rules(&mut self, mut waiting: Vec<(usize, RuleRef)>) -> Vec<(usize, CompiledRule)> {
        let mut rules = Vec::new();
        while !waiting.is_empty() {
            let mut next = Vec::new();
            let before = waiting.len();
            let names: BTreeSet<String> = waiting
                .iter()
                .filter_map(|(_, reference)| self.rule(*reference).to.value.name())
                .map(|name| name.value.clone())
                .collect();
            let mut withheld = Vec::new();
            for (position, reference) in waiting {
                let mut found = Vec::new();
                let rule = self.compile_rule(reference, &mut found);
                let waits = found.iter().any(|one| {
                    one.code == Code::E2002 && names.iter().any(|name| one.message.contains(&format!("`{name}`")))
                });
                if rule.is_none() && waits {
                    next.push((position, reference));
                    withheld.push((reference, found));
                } else {
                    self.take(reference, found);
                    rules.extend(rule.map(|rule| (position, rule)));
                }
            }
            if next.len() == before {
                for (reference, found) in withheld {
                    let note = "tables that need each other cannot be filled: none of them comes first";
                    self.take(reference, found.into_iter().map(|one| one.note(note)).collect());
                }
                break;
            }
            waiting = next;
        }
        rules
    }

    fn rule(&self, reference: RuleRef) -> &'f Rule {
        &self.files[reference.file].rules[reference.rule]
    }

    /// Says whether a rule takes part: it is on, has not expired, and may run where the set is to run.
    fn runs(&self, rule: &Rule) -> bool {
        rule.mode != Mode::Off
            && rule.expires_ticks.as_ref().is_none_or(|expires| expires.value > self.options.now_ticks)
            && self.options.tier.is_none_or(|tier| rule.tiers.value.contains(&tier))
    }

    fn take(&mut self, reference: RuleRef, found: Vec<Diagnostic>) {
        self.diagnostics.extend(found.into_iter().map(|diagnostic| Located { file: reference.file, diagnostic }));
    }

    fn engine_options(&self) -> dtq_engine::Options<'static> {
        dtq_engine::Options {
            limits: self.options.limits.clone(),
            now_ticks: self.options.now_ticks,
            // What is built on the parts of a query is optimized by itself.
            without_optimizer: true,
            ..dtq_engine::Options::default()
        }
    }

    /// Reads the tables that stand in files.
    fn load_files(&mut self) {
        for (file, table) in
            self.files.iter().enumerate().flat_map(|(at, file)| file.tables.iter().map(move |one| (at, one)))
        {
            match read_table(&table.path.value, &table.content, self.options) {
                Ok((columns, rows)) => {
                    let name = table.name.value.as_str().into();
                    self.catalog.looked_up.push(LookedUp { name, columns, rows, filled_by: None });
                }
                Err(message) => {
                    let label = "give a file with a record a row, such as CSV with a header";
                    let diagnostic = Diagnostic::error(Code::E5110, table.path.span, message).label(label);
                    self.diagnostics.push(Located { file, diagnostic });
                }
            }
        }
    }

    fn compile_rule(&mut self, reference: RuleRef, found: &mut Vec<Diagnostic>) -> Option<CompiledRule> {
        if self.timer.is_over() {
            self.late.get_or_insert(reference);
            return None;
        }
        let rule = self.rule(reference);
        let query = compile_query(rule, &self.catalog, &self.engine_options(), found)?;
        if diagnostic::has_errors(found) {
            return None;
        }
        check_settings(rule, &query, found);
        let lookups = match find_lookups(&query.program, &self.catalog) {
            Ok(lookups) => lookups,
            Err(one) => {
                found.push(rule.query.locate(one));
                return None;
            }
        };
        let has_key = rule.key.is_some();
        let all = &query.program.rel(query.top).columns;
        let columns: Vec<Column> = all[..all.len() - usize::from(has_key)].to_vec();
        let mut origins = origins(&query.program, &query.chain);
        origins.truncate(columns.len());
        let rows = Rows { query: &query, columns: &columns, origins };
        let key = key_shape(rule.key.as_ref(), all);
        let places = self.places(reference, &columns, &key, found)?;
        let mut in_query = Vec::new();
        let action = action(rule, &rows, places, &mut in_query);
        found.extend(in_query.into_iter().map(|one| rule.query.locate(one)));
        let on_error = failure(rule, &rows, found);
        let action = action.filter(|_| !diagnostic::has_errors(found))?;
        Some(self.assemble(reference, query, columns, lookups, action, on_error))
    }

    /// Makes the tables, recorders and metric states that a rule fills, and finds the recorder that it empties.
    fn places(
        &mut self,
        reference: RuleRef,
        columns: &[Column],
        key: &KeyShape,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Places> {
        let rule = self.rule(reference);
        let mut places = Places { state: self.metric_count, ..Places::default() };
        match &rule.to.value {
            Destination::Table { name, .. } => {
                places.table = Some(self.catalog.looked_up.len());
                let name = name.value.as_str().into();
                let filled_by = Some(reference.rule);
                self.catalog.looked_up.push(LookedUp { name, columns: columns.to_vec(), rows: Vec::new(), filled_by });
            }
            Destination::Recorder { name, bounds } => {
                places.recorder = Some(self.recorders.len());
                self.recorders.push(RecorderDef {
                    name: name.value.as_str().into(),
                    spec: recorder_spec(bounds, key.clone(), rule.limits.state_bytes),
                    filled_by: reference.rule,
                    on_shutdown: bounds.on_shutdown,
                });
            }
            Destination::Flush { name, .. } => {
                places.recorder =
                    self.recorders.iter().position(|recorder| recorder.name.as_bytes() == name.value.as_bytes());
                // Why there is none was said where the rule that fills it is wrong.
                let recorder = &self.recorders[places.recorder?];
                if recorder.spec.key.types != key.types {
                    let message = format!(
                        "the key of `{}` is {}, and that of its recorder {}",
                        rule.name.value,
                        types_text(&key.types),
                        types_text(&recorder.spec.key.types)
                    );
                    let label = "give both keys the same type, with `tostring(...)` for instance";
                    found.push(Diagnostic::error(Code::E5111, rule.to.span, message).label(label));
                    return None;
                }
            }
            Destination::Metrics(_) => self.metric_count += 1,
            _ => {}
        }
        Some(places)
    }

    fn assemble(
        &mut self,
        reference: RuleRef,
        query: RuleQuery,
        columns: Vec<Column>,
        lookups: Lookups,
        mut action: Action,
        on_error: crate::compile::rule::Failure,
    ) -> CompiledRule {
        let rule = self.rule(reference);
        let cells = &mut self.bases[base_position(query.base)];
        let flat_end = query.aggregate.unwrap_or(query.chain.len());
        let mut flat = flatten(&query.program, &query.chain[..flat_end], query.table, cells);
        let last = query.chain[flat_end - 1];
        let has_pipeline = flat.end != last;
        let scan = scan_rule(rule, &query, flat.end);
        let needed = needed(&query, &flat, &action, rule.key.is_some(), has_pipeline);
        let values = values(&mut flat, &needed, query.table, cells);
        if let Action::Replace { writes } = &mut action {
            writes.iter_mut().for_each(|write| find_sources(write, query.table, cells));
            writes.iter().for_each(|write| find_keys(write, &flat, &values, query.table, cells));
        }
        let membership =
            query.table.condition_reads().into_iter().map(|column| (column, cells.slot(column, None))).collect();
        CompiledRule {
            name: rule.name.value.as_str().into(),
            place: (reference.file, reference.rule),
            mode: rule.mode,
            tiers: rule.tiers.value.clone(),
            expires_ticks: rule.expires_ticks.as_ref().map(|expires| expires.value),
            on_error,
            base: query.base,
            table: query.table,
            top: query.top,
            columns,
            has_key: rule.key.is_some(),
            query_text: rule.query.text.as_str().into(),
            key_text: rule.key.as_ref().map_or("", |key| key.text.as_str()).into(),
            conditions: Vec::new(),
            membership,
            values,
            has_pipeline,
            scan,
            action,
            above: rule.above.as_ref().map(|above| above.value),
            lookups: lookups.members,
            tables_read: if has_pipeline { lookups.tables_read } else { Vec::new() },
            ns_per_record_max: rule.limits.ns_per_record,
            state_bytes_max: rule.limits.state_bytes,
            series_max: rule.limits.series,
            flat,
            program: query.program,
        }
    }

    fn finish(&mut self, mut rules: Vec<CompiledRule>) -> RuleSet {
        let has_state = rules.iter().any(CompiledRule::has_state);
        let time_slot = |cells: &mut Cells| {
            let column = time_column(cells.base()).filter(|_| has_state);
            column.map(|column| cells.slot(column, None))
        };
        let time_slots: Vec<Option<u32>> = self.bases.iter_mut().map(time_slot).collect();
        let plans: Vec<SlotPlan> = self.bases.iter().map(Cells::plan).collect();
        for rule in &mut rules {
            let at = base_position(rule.base);
            if !self.options.is_unoptimized {
                optimize(rule, &self.options.limits);
            }
            rule.conditions = conditions(&rule.flat, &self.bases[at], &plans[at]);
        }
        let bases = self.bases.drain(..).zip(plans).zip(time_slots).map(|((cells, plan), time_slot)| {
            let is_over = |rule: &CompiledRule| rule.base == cells.base();
            let positions = rules.iter().enumerate().filter(|(_, rule)| is_over(rule)).map(|(at, _)| at).collect();
            let own: Vec<&CompiledRule> = rules.iter().filter(|rule| is_over(rule)).collect();
            let guards = |level: Level| match self.options.is_unoptimized {
                true => Guards::default(),
                false => Guards::new(&own, &cells, &plan, level),
            };
            let (guards, resource_guards) = (guards(Level::Record), guards(Level::Resource));
            let is_of_record =
                |rule: &&CompiledRule| rule.conditions.iter().all(|condition| condition.level >= Level::Metric);
            let reads_every_record = own.iter().any(is_of_record);
            let has_conditions_on = [Level::Resource, Level::Scope].map(|level| {
                let mut conditions = own.iter().flat_map(|rule| &rule.conditions);
                conditions.any(|condition| condition.level == level)
            });
            BaseCells {
                cells,
                plan,
                time_slot,
                rules: positions,
                has_conditions_on,
                reads_every_record,
                guards,
                resource_guards,
            }
        });
        let bases = bases.collect();
        let mut looked_up = std::mem::take(&mut self.catalog.looked_up);
        let mut recorders = std::mem::take(&mut self.recorders);
        for (position, rule) in rules.iter().enumerate() {
            match rule.action {
                Action::Table { table, .. } => looked_up[table].filled_by = Some(position),
                Action::Recorder { recorder } => recorders[recorder].filled_by = position,
                _ => {}
            }
        }
        RuleSet {
            rules,
            bases,
            looked_up,
            recorders,
            metric_count: self.metric_count,
            limits: self.options.limits.clone(),
        }
    }
}

impl RuleSet {
    /// Returns what the rules of a standard table read.
    pub fn base(&self, base: Base) -> &BaseCells {
        &self.bases[base_position(base)]
    }

    /// Returns the standard table that the records of a signal fill.
    pub fn base_of(signal: Signal) -> Base {
        match signal {
            Signal::Logs => Base::Logs,
            Signal::Metrics => Base::Metrics,
            Signal::Spans => Base::Spans,
        }
    }
}

/// Returns the position of a standard table in [`RuleSet::bases`].
pub fn base_position(base: Base) -> usize {
    Base::ALL.iter().position(|one| *one == base).expect("ALL has every base")
}

/// Returns the conditions with the level that each is decided on.
fn conditions(flat: &Flat, cells: &Cells, plan: &SlotPlan) -> Vec<Condition> {
    let level = |expr: ExprId| {
        if !is_pure(&flat.program, expr) {
            return Level::Record;
        }
        let columns = columns_read(&flat.program, expr);
        columns.into_iter().map(|cell| cells.level(cell, plan)).max().unwrap_or(Level::Resource)
    };
    flat.conditions.iter().map(|expr| Condition { expr: *expr, level: level(*expr) }).collect()
}

fn columns_read(program: &Program, root: ExprId) -> BTreeSet<u32> {
    let (mut cells, mut seen, mut pending) = (BTreeSet::new(), BTreeSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            match &program.expr(id).kind {
                ExprKind::Column(cell) => drop(cells.insert(*cell)),
                kind => pending.extend(kind.children()),
            }
        }
    }
    cells
}

/// Returns which columns of the flat part's end are looked at.
fn needed(query: &RuleQuery, flat: &Flat, action: &Action, has_key: bool, has_pipeline: bool) -> Vec<bool> {
    if query.aggregate.is_some() {
        return needed_columns(&query.program, flat.end);
    }
    let width = query.program.rel(query.top).columns.len();
    let mut needed = match action {
        Action::Drop | Action::Recorder { .. } | Action::Flush { .. } | Action::Route { .. } => vec![false; width],
        Action::Replace { writes } => {
            let mut needed = vec![false; width];
            writes.iter().filter_map(|write| write.row_column).for_each(|at| needed[at] = true);
            needed
        }
        _ => vec![true; width],
    };
    if has_key && let Some(last) = needed.last_mut() {
        *last = true;
    }
    match has_pipeline {
        true => needed_columns_for(&query.program, flat.end, query.top, &needed),
        false => needed,
    }
}

/// Returns how each needed column is computed.
fn values(flat: &mut Flat, needed: &[bool], table: &'static tables::Table, cells: &mut Cells) -> Vec<Option<ExprId>> {
    let mut values = Vec::new();
    for (at, is_needed) in needed.iter().enumerate() {
        values.push(match flat.columns[at] {
            _ if !is_needed => None,
            FlatColumn::Computed(expr) => Some(expr),
            FlatColumn::Same(column) => {
                let cell = cells.cell(table, column, None).expect("a whole column is a cell");
                Some(cell_expr(flat, cell, table.columns[column].ty))
            }
        });
    }
    values
}

/// Finds what a written column follows from.
fn find_sources(write: &mut ColumnWrite, table: &'static tables::Table, cells: &mut Cells) {
    write.own_cell = cells.cell(table, write.column, None);
    let columns = match table.derivation(write.column) {
        Derivation::Same(column) => vec![column],
        Derivation::BagWith { bag, properties } => {
            std::iter::once(bag).chain(properties.into_iter().map(|(_, column)| column)).collect()
        }
        Derivation::Computed(columns) => columns,
    };
    let is_attributes = |column: &&usize| {
        let base = tables::standard(cells.base().name()).expect("every base is a standard table");
        base.columns[**column].name == "Attributes"
    };
    write.bag = columns.first().filter(is_attributes).copied();
    write.reads = columns.into_iter().map(|column| (column, cells.slot(column, None))).collect();
}

/// Makes cells of the keys that an edit of a bag sets or removes, so that it is known whether they are there.
fn find_keys(
    write: &ColumnWrite,
    flat: &Flat,
    values: &[Option<ExprId>],
    table: &'static tables::Table,
    cells: &mut Cells,
) {
    let root = write.row_column.and_then(|at| values[at]);
    let (mut seen, mut pending) = (BTreeSet::new(), Vec::from_iter(root.filter(|_| write.bag.is_some())));
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let kind = &flat.program.expr(id).kind;
        let keys = match BagEdit::of(&flat.program, kind) {
            Some(BagEdit::Set { key, .. }) => vec![key],
            Some(BagEdit::Remove { keys, .. }) => keys,
            Some(BagEdit::Merge { pairs, .. }) => pairs.into_iter().map(|(key, _)| key).collect(),
            None => Vec::new(),
        };
        for key in keys {
            cells.cell(table, write.column, Some(&key));
        }
        pending.extend(kind.children());
    }
}

/// Returns the column that says when a record of a standard table happened.
fn time_column(base: Base) -> Option<usize> {
    let name = match base {
        Base::Logs | Base::Metrics => "Timestamp",
        // A span is known when it has ended.
        Base::Spans => "EndTime",
        Base::Resources => return None,
    };
    tables::standard(base.name())?.columns.iter().position(|column| column.name == name)
}
