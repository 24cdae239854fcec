//! Metrics rules to what a filter counts for them of records that it drops, and what it counted to rows of those rules.
//!
//! A rule stays up as a whole where its rows are more than fields of the record: then nothing that it may count is dropped.
//! Adds nothing to metrics: `dtq_rules::engine::Processor::add_counted` does. Next: `counts.rs`.

use crate::share::{Sources, condition, reads, term, written};
use dtq_ebpf::Unsupported;
use dtq_ebpf::filter::Effect;
use dtq_ebpf::layout::State;
use dtq_ebpf::predicate::describe;
use dtq_ebpf::predicate::field::missing;
use dtq_ebpf::tally::{Amount, AmountPlace, Key, Places, TEXT_MAX, Tables, Tally, greatest, least};
use dtq_ir::RelKind;
use dtq_ir::aggregate::AggregateKind;
use dtq_ir::condition::Condition;
use dtq_ir::condition::term::Term;
use dtq_ir::reads::Path;
use dtq_ir::rel::AggregateCall;
use dtq_record::tables::Base;
use dtq_rules::compile::cells::Cells;
use dtq_rules::compile::rule::{Action, CompiledRule, Measure, WindowRule};
use dtq_rules::engine::{Counted, CountedRow};
use dtq_rules::file::rule::{MetricKind, Mode};
use dtq_value::{Str, Type, Value};

/// Holds how what a filter counted for a rule is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The position of the rule in effective order.
    pub rule: usize,
    /// What it counts, in words.
    pub text: String,
    keys: Vec<KeyReading>,
    amounts: Vec<AmountReading>,
    row: RowReading,
}

/// Holds how a key of the table becomes a value of a row.
#[derive(Clone, Debug)]
enum KeyReading {
    Window,
    /// A value that follows from one field, and what that is where the record has none.
    Of {
        value: Term,
        field: Term,
        ty: Type,
        missing: Value,
    },
    /// The same for all records, and not in the table.
    Const(Value),
}

#[derive(Clone, Copy, Debug)]
enum AmountReading {
    Count,
    Sum,
    Extreme(Type),
}

/// Says what rows are made of.
#[derive(Clone, Debug)]
enum RowReading {
    Window,
    /// So many columns; those of keys and of amounts.
    Columns {
        count: usize,
        keys: Vec<usize>,
        amounts: Vec<usize>,
    },
}

/// Holds what goes into the filter, and how it is read.
pub(super) struct Candidate {
    pub(super) tally: Tally,
    pub(super) reading: Reading,
}

/// Says whether a rule removes the records that it counts.
pub(super) fn is_consuming(rule: &CompiledRule) -> bool {
    match &rule.action {
        Action::Measure(measure) => measure.output.is_consumed,
        Action::Window(window) => window.measure.output.is_consumed,
        _ => false,
    }
}

/// Returns what is counted for the metrics rule at a position.
///
/// # Errors
/// Why it is counted in user space only.
pub(super) fn candidate(
    rules: &[CompiledRule],
    position: usize,
    cells: &Cells,
    sources: &mut Sources,
) -> Result<Candidate, Unsupported> {
    let rule = &rules[position];
    let no = |reason: &'static str| Err(Unsupported::new(reason));
    if rule.mode != Mode::Enforce || rule.base != Base::Logs || !rule.membership.is_empty() {
        return no("it observes, or counts other records than those of `logs`");
    }
    if rule.above.is_some() || rule.scan.is_some() || !rule.lookups.is_empty() || !rule.tables_read.is_empty() {
        return no("what it counts depends on more than the record");
    }
    let condition = term(rule, cells, sources);
    let mut made = match &rule.action {
        Action::Window(window) => of_window(rule, position, window)?,
        Action::Measure(measure) => of_measurements(rule, position, measure, cells, sources)?,
        _ => return no("it is no metrics rule"),
    };
    if is_consuming(rule) && rule.has_pipeline && reads_keys(&made.tally) {
        // An attribute that is malformed, and that nobody asks for, keeps a record from being consumed.
        return no(
            "it removes what it counts by keys of a bag, which user space reads as a whole in front of `summarize`",
        );
    }
    made.tally.condition = condition;
    made.tally.before = before(rules, position, &made.tally, cells, sources)?;
    for key in &made.reading.keys {
        check_key(key)?;
    }
    Ok(made)
}

/// Returns what takes records away before the rule at a position sees them.
fn before(
    rules: &[CompiledRule],
    position: usize,
    tally: &Tally,
    cells: &Cells,
    sources: &mut Sources,
) -> Result<Vec<(Term, Effect)>, Unsupported> {
    let own = Condition::from(tally.condition.clone());
    let mut before = Vec::new();
    for earlier in &rules[..position] {
        if earlier.mode == Mode::Observe || !matches!(earlier.base, Base::Logs | Base::Resources) {
            continue;
        }
        let effect = match &earlier.action {
            Action::Drop => Effect::Drops,
            Action::Replace { writes } => {
                let written: Vec<&str> = writes.iter().flat_map(|write| written(earlier, write)).collect();
                if is_read(tally, &written) {
                    let name = earlier.name.as_text();
                    return Err(Unsupported::new(format!("`{name}` edits before it what it reads")));
                }
                Effect::Keeps
            }
            _ if is_consuming(earlier) => Effect::Drops,
            _ => continue,
        };
        let condition = condition(earlier, cells, sources);
        if effect == Effect::Drops && condition.as_ref().is_some_and(|earlier| !earlier.may_overlap(&own)) {
            continue;
        }
        match condition {
            Some(condition) if earlier.above.is_none() => before.push((condition.term().clone(), effect)),
            _ => {
                let name = earlier.name.as_text();
                return Err(Unsupported::new(format!("`{name}` may take records away before it, by more than them")));
            }
        }
    }
    Ok(before)
}

/// Says whether keys or amounts of a tally read keys of a bag.
fn reads_keys(tally: &Tally) -> bool {
    let is_key = |term: &Term| matches!(term, Term::Field(path, _) if !path.keys.is_empty());
    let of_amount = |amount: &Amount| match amount {
        Amount::Count(None) => false,
        Amount::Count(Some(term)) | Amount::Sum { of: term, .. } | Amount::Least(term) | Amount::Greatest(term) => {
            let mut fields = Vec::new();
            fields_of(term, &mut fields);
            fields.iter().any(is_key)
        }
    };
    let of_key = |key: &Key| matches!(key, Key::Field(path, _) if !path.keys.is_empty());
    tally.keys.iter().any(of_key) || tally.amounts.iter().any(of_amount)
}

/// Says whether a tally may read one of these columns.
fn is_read(tally: &Tally, written: &[&str]) -> bool {
    let is_key = |key: &Key| match key {
        Key::Field(path, _) | Key::Window(path, _) => written.contains(&path.column.as_str()),
    };
    let is_amount = |amount: &Amount| match amount {
        Amount::Count(None) => false,
        Amount::Count(Some(term)) | Amount::Sum { of: term, .. } | Amount::Least(term) | Amount::Greatest(term) => {
            reads(term, written)
        }
    };
    reads(&tally.condition, written) || tally.keys.iter().any(is_key) || tally.amounts.iter().any(is_amount)
}

fn made(rule: usize, row: RowReading) -> Candidate {
    let tally =
        Tally { condition: Term::Const(Value::Bool(true)), before: Vec::new(), keys: Vec::new(), amounts: Vec::new() };
    Candidate { tally, reading: Reading { rule, text: String::new(), keys: Vec::new(), amounts: Vec::new(), row } }
}

fn of_window(rule: &CompiledRule, position: usize, window: &WindowRule) -> Result<Candidate, Unsupported> {
    let RelKind::Aggregate { input, keys, aggregates } = &rule.program.rel(window.aggregate).kind else {
        unreachable!("the relation of a window is a summarize");
    };
    if rule.flat.end != *input {
        return Err(Unsupported::new("its query is more than conditions and columns in front of `summarize`"));
    }
    let term = |expr| Condition::of_predicate(&rule.program, *input, expr).term().clone();
    let mut made = made(position, RowReading::Window);
    let (mut words, mut by) = (Vec::new(), Vec::new());
    for (key, expr) in keys.iter().enumerate() {
        let term = term(*expr);
        by.push(describe(&term));
        match key == window.window_key {
            true => {
                let path = window_field(&term)?;
                made.tally.keys.push(Key::Window(path, window.width_ticks));
                made.reading.keys.push(KeyReading::Window);
            }
            false => made.add_key(term)?,
        }
    }
    for call in aggregates {
        let args: Vec<Term> = call.args.iter().map(|arg| term(*arg)).collect();
        let (amount, reading) = amount(call, &args, call.condition.map(term))?;
        let shown: Vec<String> = args.iter().map(describe).collect();
        words.push(format!("{}({})", call.aggregate.name, shown.join(", ")));
        made.tally.amounts.push(amount);
        made.reading.amounts.push(reading);
    }
    made.reading.text = format!("{} by {}", words.join(", "), by.join(", "));
    Ok(made)
}

fn of_measurements(
    rule: &CompiledRule,
    position: usize,
    measure: &Measure,
    cells: &Cells,
    sources: &mut Sources,
) -> Result<Candidate, Unsupported> {
    if rule.has_pipeline {
        return Err(Unsupported::new("its query is more than conditions and columns"));
    }
    if rule.columns.iter().any(|column| column.name == "TraceId") {
        return Err(Unsupported::new("its points have exemplars, which are made of records"));
    }
    let mut column = |at: usize| {
        let value = rule.values.get(at).copied().flatten();
        let value = value.map(|expr| Condition::of_row(&rule.flat.program, expr));
        let value = value.map(|over_cells| over_cells.term().map_fields(&mut |path| sources.name(path, cells)));
        value.ok_or_else(|| Unsupported::new("a column of its rows is not computed from the record"))
    };
    let keys: Vec<usize> = measure.attributes.iter().chain(&measure.resource).copied().collect();
    let row = RowReading::Columns { count: rule.columns.len(), keys: keys.clone(), amounts: measure.values.clone() };
    let mut made = made(position, row);
    let mut words = Vec::new();
    for (metric, at) in measure.output.columns.iter().zip(&measure.values) {
        let MetricKind::Sum { is_monotonic, .. } = metric.kind.value else {
            return Err(Unsupported::new(
                "only sums are made of what the kernel counts; this is another kind of metric",
            ));
        };
        let of = column(*at)?;
        words.push(format!("sum({})", describe(&of)));
        made.tally.amounts.push(Amount::Sum { of, is_positive: is_monotonic });
        made.reading.amounts.push(AmountReading::Sum);
    }
    let mut by = Vec::new();
    for at in keys {
        let term = column(at)?;
        by.push(describe(&term));
        made.add_key(term)?;
    }
    let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
    made.reading.text = format!("{}{by}", words.join(", "));
    Ok(made)
}

impl Candidate {
    /// Adds what is kept apart by a value that follows from one field.
    fn add_key(&mut self, value: Term) -> Result<(), Unsupported> {
        if let Term::Const(value) = value {
            self.reading.keys.push(KeyReading::Const(value));
            return Ok(());
        }
        let mut fields = Vec::new();
        fields_of(&value, &mut fields);
        let [field @ Term::Field(path, ty)] = fields.as_slice() else {
            return Err(Unsupported::new("it counts by more than values of single fields"));
        };
        self.tally.keys.push(Key::Field(path.clone(), *ty));
        let missing = missing(&path.column, !path.keys.is_empty(), *ty);
        self.reading.keys.push(KeyReading::Of { field: field.clone(), ty: *ty, missing, value });
        Ok(())
    }
}

/// Adds the fields of a term, each once.
fn fields_of(term: &Term, fields: &mut Vec<Term>) {
    if matches!(term, Term::Field(..)) && !fields.contains(term) {
        fields.push(term.clone());
    }
    term.children().into_iter().for_each(|child| fields_of(child, fields));
}

/// Checks that a key follows from its field by functions alone.
fn check_key(key: &KeyReading) -> Result<(), Unsupported> {
    match key {
        KeyReading::Of { value, field, missing, .. } if value.value_with(field, missing).is_none() => {
            Err(Unsupported::new("it counts by a value that follows from a field by more than functions"))
        }
        _ => Ok(()),
    }
}

/// Returns the field whose time a window is of.
fn window_field(term: &Term) -> Result<Path, Unsupported> {
    match term {
        Term::Call { function, args, .. } if function.name == "bin" => match args.as_slice() {
            [Term::Field(path, Type::DateTime), Term::Const(_)] => Ok(path.clone()),
            _ => Err(Unsupported::new("its window is of a time that is computed")),
        },
        _ => Err(Unsupported::new("its window is of a time that is computed")),
    }
}

fn amount(
    call: &AggregateCall,
    args: &[Term],
    condition: Option<Term>,
) -> Result<(Amount, AmountReading), Unsupported> {
    let ty = call.outputs.first().copied().unwrap_or(Type::Long);
    match (call.aggregate.kind, args, condition) {
        (AggregateKind::Count, [], condition) => Ok((Amount::Count(condition), AmountReading::Count)),
        (AggregateKind::Sum, [of], None) if ty == Type::Long => {
            Ok((Amount::Sum { of: of.clone(), is_positive: false }, AmountReading::Sum))
        }
        (AggregateKind::Min, [of], None) if matches!(ty, Type::Int | Type::Long) => {
            Ok((Amount::Least(of.clone()), AmountReading::Extreme(ty)))
        }
        (AggregateKind::Max, [of], None) if matches!(ty, Type::Int | Type::Long) => {
            Ok((Amount::Greatest(of.clone()), AmountReading::Extreme(ty)))
        }
        _ => Err(Unsupported::new(format!("`{}` of such values is not counted in the kernel", call.aggregate.name))),
    }
}

impl Reading {
    /// Returns what an entry of a table stands for: its key, and its cells of all processors together from [`merged`].
    ///
    /// `None` where it counts nothing: an entry that was made for a payload that was kept after all.
    pub fn counted(&self, places: &Places, key: &[u8], cells: &[u64]) -> Option<Counted> {
        let records = cells[Tables::COUNT_CELL];
        if records == 0 {
            return None;
        }
        let (mut start_ticks, mut keys) = (0, Vec::new());
        let mut at = places.keys.iter();
        for reading in &self.keys {
            match reading {
                KeyReading::Const(value) => keys.push(value.clone()),
                KeyReading::Window => start_ticks = number(key, at.next()?.offset + 8).cast_signed(),
                KeyReading::Of { value, field, ty, missing } => {
                    let held = held(key, at.next()?.offset, *ty, missing);
                    keys.push(value.value_with(field, &held).unwrap_or(Value::Null));
                }
            }
        }
        let results = self.amounts.iter().zip(&places.amounts).map(|(reading, place)| result(*reading, *place, cells));
        let results: Vec<Value> = results.collect();
        let row = match &self.row {
            RowReading::Window => {
                let time_ticks = places.time.map_or(start_ticks, |cell| cells[cell].cast_signed());
                CountedRow::Window { start_ticks, time_ticks, keys, results }
            }
            RowReading::Columns { count, keys: key_columns, amounts } => {
                let mut row = vec![Value::Null; *count];
                key_columns.iter().zip(keys).for_each(|(at, value)| row[*at] = value);
                amounts.iter().zip(results).for_each(|(at, value)| row[*at] = value);
                CountedRow::Measurements(row)
            }
        };
        Some(Counted { rule: self.rule, records, row })
    }
}

/// Returns the cells of all processors together.
pub fn merged(places: &Places, values: &[&[u8]]) -> Vec<u64> {
    let count = values.first().map_or(0, |value| value.len() / 8);
    let is_greatest = |cell: usize| {
        let of_amount = |place: &AmountPlace| matches!(place, AmountPlace::Least(at, _) | AmountPlace::Greatest(at, _) if *at == cell);
        places.time == Some(cell) || places.amounts.iter().any(of_amount)
    };
    let merge = |cell: usize| {
        let of_all = values.iter().map(|value| number(value, 8 * cell));
        if is_greatest(cell) { of_all.max().unwrap_or(0) } else { of_all.fold(0, u64::wrapping_add) }
    };
    (0..count).map(merge).collect()
}

fn number(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..offset + 8).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("there are eight")))
}

/// Returns the value of a field that a key holds.
fn held(key: &[u8], offset: usize, ty: Type, missing: &Value) -> Value {
    let (head, bits) = (number(key, offset), number(key, offset + 8));
    let state = head as u32;
    match state {
        _ if state == State::Text as u32 => {
            let size = ((head >> 32) as usize).min(TEXT_MAX);
            Value::String(Str::from(&key[offset + 8..offset + 8 + size]))
        }
        _ if state == State::Long as u32 && ty == Type::Int => {
            i32::try_from(bits.cast_signed()).map_or(Value::Null, Value::Int)
        }
        _ if state == State::Long as u32 => Value::Long(bits.cast_signed()),
        _ if state == State::Bool as u32 => Value::Bool(bits != 0),
        _ if state == State::Real as u32 => Value::Real(f64::from_bits(bits)),
        _ if state == State::DateTime as u32 => Value::DateTime(bits.cast_signed()),
        _ => missing.clone(),
    }
}

fn result(reading: AmountReading, place: AmountPlace, cells: &[u64]) -> Value {
    let (number, count) = match place {
        AmountPlace::Count(cell) => (cells[cell].cast_signed(), 1),
        AmountPlace::Sum(cell, count) => (cells[cell].cast_signed(), cells[count]),
        AmountPlace::Least(cell, count) => (least(cells[cell]), cells[count]),
        AmountPlace::Greatest(cell, count) => (greatest(cells[cell]), cells[count]),
    };
    match reading {
        AmountReading::Count => Value::Long(number),
        _ if count == 0 => Value::Null,
        AmountReading::Extreme(Type::Int) => i32::try_from(number).map_or(Value::Null, Value::Int),
        AmountReading::Sum | AmountReading::Extreme(_) => Value::Long(number),
    }
}
