//! Bytes of records to verdicts and values: scan, slots and code against filler, slots and interpreter, one record at a
//! time and many, with the optimizer and without; several conditions of a batch against each alone.
//!
//! `DTQ_PAIRS=10000000 DTQ_ROWS=300 cargo test --release -p dtq-jit --test wire -- --nocapture` makes the run longer,
//! `DTQ_SEED` another one.

#![allow(clippy::print_stdout, reason = "its numbers are for people")]

mod common;

#[path = "scan/messages.rs"]
mod messages;

#[path = "wire/batch.rs"]
mod batch;

use common::{Expression, Pairs, expression, number, truth};
use dtq_generate::{Choices, conditions, scalar, values};
use dtq_interp::Cells;
use dtq_jit::{BufferTable, Compiler, Filled, Input, NativeContext, NoSubqueries, RecordScan, Records, Target};
use dtq_record::otlp::fill::{FieldPath, Level, SlotPlan};
use dtq_record::otlp::metrics::Kind;
use dtq_record::slot::{Buffer, Buffers, Slot, Tag, WordList};
use dtq_record::tables::{Base, standard};
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Str, Type, Value};
use messages::{Maker, Random, mutate};

/// Expressions that are asked of the same records.
const EXPRESSIONS_A_SOURCE: usize = 12;

/// Holds where the columns of generated expressions are found: in slots that a scan fills, or beside them.
struct Source {
    base: Base,
    kind: Option<Kind>,
    plan: SlotPlan,
    scan: RecordScan,
    /// The slot of each column.
    slots: Vec<u32>,
}

/// Holds the slots of one record, filled by the filler, and natively.
struct Record {
    slots: Vec<Slot>,
    native_slots: Vec<Slot>,
    message: Vec<u8>,
    beside: Vec<u8>,
    is_scanned: bool,
}

impl Source {
    /// Returns a source of records of one kind; each column is of a field that has its type, if there is one.
    fn new(choices: &mut Choices<'_>) -> Self {
        let (base, kind) = match choices.below(6) {
            0..=2 => (Base::Logs, None),
            3 | 4 => (Base::Spans, None),
            _ => (Base::Metrics, Some(*choices.pick(&Kind::ALL))),
        };
        let (mut paths, mut found) = (Vec::new(), Vec::new());
        for ty in Type::ALL {
            let fitting = Self::fields(base, ty);
            found.push(if fitting.is_empty() || choices.one_in(12) {
                None
            } else {
                paths.push(choices.pick(&fitting).clone());
                Some(paths.len() as u32 - 1)
            });
        }
        let plan = SlotPlan::new(base, &paths).expect("the paths are of the table");
        let pass = plan.pass(Level::Record, kind).expect("kinds are given for metrics alone");
        let target = Target::host().expect("tests run on a machine that has native code");
        let scan = RecordScan::compile(&target, pass, plan.slot_count(), &[]).expect("there is a scan of it");
        let beside = plan.slot_count() as u32..;
        let slots = found.into_iter().zip(beside).map(|(slot, other)| slot.unwrap_or(other)).collect();
        Source { base, kind, plan, scan, slots }
    }

    fn fields(base: Base, ty: Type) -> Vec<FieldPath> {
        let columns = &standard(base.name()).expect("a standard table").columns;
        let mut fields: Vec<FieldPath> = Vec::new();
        for (column, _) in columns.iter().enumerate().filter(|(_, column)| column.ty == ty) {
            fields.push(FieldPath { column, key: None });
            if columns[column].name == "Attributes" {
                let keys = ["a", "b", "c", "a", "b", "EventName", "http.route", "never"];
                fields.extend(keys.map(|key| FieldPath { column, key: Some(Str::from(key)) }));
            }
        }
        fields.retain(|path| {
            SlotPlan::new(base, std::slice::from_ref(path)).is_some_and(|plan| plan.level(0) == Level::Record)
        });
        fields
    }

    /// Returns a record, or `None` where its bytes are malformed; a scan never says that it filled the slots of such a one.
    fn record(&self, choices: &mut Choices<'_>) -> Option<Record> {
        let mut random = Random(choices.below(usize::MAX) as u64);
        let odd = random.one_in(3);
        let pass = self.plan.pass(Level::Record, self.kind).expect("as above");
        let mut message = Maker { random: &mut random, odd }.message(pass);
        if odd && random.one_in(4) {
            mutate(&mut random, &mut message);
        }
        let mut slots = vec![Slot::MISSING; self.plan.slot_count() + Type::ALL.len()];
        let mut beside = b"..".to_vec();
        for (ty, slot) in Type::ALL.into_iter().zip(&self.slots) {
            slots[*slot as usize] = slot_beside(choices, ty, &mut beside);
        }
        let mut native_slots = slots.clone();
        let filled = match self.kind {
            Some(kind) => self.plan.fill_point(kind, &message, &mut slots),
            None => self.plan.fill_record(&message, &mut slots),
        };
        let is_scanned = match self.scan.fill(&message, &mut native_slots, self.scan.layout().all()) {
            Filled::Done => true,
            Filled::Irregular => {
                native_slots.clone_from(&slots);
                false
            }
            Filled::Settled => unreachable!("there are no guards"),
        };
        assert!(filled.is_ok() || !is_scanned, "{:?} {message:02x?}", self.base);
        filled.ok()?;
        Some(Record { slots, native_slots, message, beside, is_scanned })
    }
}

/// Returns a slot that is not filled from the record.
fn slot_beside(choices: &mut Choices<'_>, ty: Type, bytes: &mut Vec<u8>) -> Slot {
    let mut view = |tag, content: &[u8]| {
        let offset = bytes.len() as u32;
        bytes.extend_from_slice(content);
        Slot::view(tag, Buffer::Resource, 0, offset, content.len() as u32)
    };
    match (values::value(choices, ty), choices.below(8)) {
        (Value::Bool(flag), _) => Slot::bool(flag),
        (Value::Int(number), _) => Slot::int(number),
        (Value::Long(number), _) => Slot::long(number),
        (Value::Real(number), _) => Slot::real(number),
        (Value::DateTime(ticks), _) => Slot::datetime(Some(ticks)),
        (Value::TimeSpan(ticks), _) => Slot::timespan(ticks),
        (Value::String(_), 0) => Slot::word(WordList::SpanKind, 2),
        (Value::String(_), 1) => view(Tag::Id, &[1, 2]),
        (Value::String(text), _) => view(Tag::String, text.as_bytes()),
        (_, 0) if ty == Type::Dynamic => Slot::EMPTY,
        _ => Slot::MISSING,
    }
}

impl Record {
    fn buffers(&self) -> Buffers<'_> {
        Buffers { record: &self.message, resource: &self.beside, ..Buffers::default() }
    }
}

/// Gives the cells of a record as rules do on the interpreter: decoded from slots, when they are asked for.
struct FilledCells<'a> {
    record: &'a Record,
    slots: &'a [u32],
}

impl Cells for FilledCells<'_> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        let slot = &self.record.slots[self.slots[index] as usize];
        slot.value(&self.record.buffers(), 100).map_err(|error| Fault::new(Code::E3008, error.reason))
    }
}

/// Compares one expression over records.
fn compare(compiler: &Compiler, source: &Source, records: &[Record], text: &str) -> Option<Expression> {
    let (program, expr) = expression(text)?;
    let inputs: Vec<Input> = source.slots.iter().map(|slot| Input::Slot(*slot)).collect();
    // A slot may turn out unreadable when it is looked into.
    let options = dtq_opt::Options { columns_may_fail: true, ..dtq_opt::Options::default() };
    let expression = Expression::new(compiler, (&program, expr), &inputs, &options, text);
    let expression = expression.unwrap_or_else(|| panic!("{:?}", common::REFUSED.take()));
    let code = expression.code();
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let expected = expression.interpreted(&FilledCells { record, slots: &source.slots }, text);
        let table = BufferTable::new(&record.buffers());
        let fresh = || NativeContext::new(common::context());
        expression.check_native(
            &expected,
            |index| code.value(index).eval(&mut fresh(), &NoSubqueries, &record.native_slots, &table),
            |index| code.condition(index).decide(&mut fresh(), &NoSubqueries, &record.native_slots, &table),
            &|| format!("{text}\nover {:?} {:02x?}\n{:?}", source.base, record.message, record.native_slots),
        );
        all.push(expected);
    }
    if expression.is_bool() {
        check_many(&expression, records, &all, text);
    }
    Some(expression)
}

/// Checks the verdicts of many records at once, as they are and checked; where one fails, it goes on behind it.
fn check_many(expression: &Expression, records: &[Record], all: &[Result<Value, Fault>], text: &str) {
    if is_random(text) {
        return;
    }
    let stride = records.first().map_or(0, |record| record.native_slots.len());
    let slots: Vec<Slot> = records.iter().flat_map(|record| record.native_slots.iter().copied()).collect();
    let tables: Vec<BufferTable<'_>> = records.iter().map(|record| BufferTable::new(&record.buffers())).collect();
    for index in [5, 6] {
        let (mut ctx, mut start) = (NativeContext::new(common::context()), 0);
        while start < records.len() {
            let mut out = vec![9; records.len() - start];
            let rest = Records { slots: &slots[start * stride..], stride, buffers: &tables[start..] };
            let condition = expression.code().condition(index);
            let (done, fault) = condition.decide_many(&mut ctx, &NoSubqueries, rest, &mut out);
            for (verdict, expected) in out[..done].iter().zip(&all[start..]) {
                let wanted = truth(expected).map(|wanted| Value::Bool(true) == wanted);
                let is_same = wanted.is_ok_and(|wanted| *verdict == u8::from(wanted)) || common::is_bound(expected);
                assert!(
                    is_same,
                    "{text}\nis {expected:?}\nbut among many {verdict} ({index})\n{}",
                    expression.printed()
                );
            }
            start += done;
            match fault {
                Some(fault) => {
                    assert!(all[start].as_ref().is_err_and(|wanted| wanted.code == fault.code), "{text}\n{fault:?}");
                    start += 1;
                }
                None => assert_eq!(start, records.len(), "{text}"),
            }
        }
    }
    let mut arena = Vec::new();
    let moved = records.iter().flat_map(|record| common::in_arena(&record.native_slots, &record.buffers(), &mut arena));
    let rows: Vec<Slot> = moved.collect();
    common::check_checked(expression, &rows, &arena, all, text);
}

/// Says whether each record would draw what the one before left.
fn is_random(text: &str) -> bool {
    text.contains("rand") || text.contains("new_guid")
}

fn text(choices: &mut Choices<'_>) -> String {
    match choices.below(5) {
        0 => {
            let depth = 1 + choices.below(3);
            scalar::scalar(choices, &dtq_generate::Events::table().columns, Type::Bool, depth)
        }
        1 => conditions::value(choices),
        _ => {
            let depth = choices.below(4);
            conditions::condition(choices, depth)
        }
    }
}

#[test]
fn records_decide_as_what_they_decode_to() {
    let compiler = Compiler::host().expect("tests run on a machine that has native code");
    let (wanted, row_count) = (number("DTQ_PAIRS", 18_000) as usize, number("DTQ_ROWS", 18));
    let mut seed = number("DTQ_SEED", 0).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(11);
    let (mut pairs, mut scanned_count, mut expression_count) = (Pairs::default(), 0, 0);
    while scanned_count < wanted {
        seed = seed.wrapping_add(104_729);
        let mut choices = Choices::Seed(seed);
        let source = Source::new(&mut choices);
        let records: Vec<Record> = (0..row_count).filter_map(|_| source.record(&mut choices)).collect();
        let mut conditions = Vec::new();
        for _ in 0..EXPRESSIONS_A_SOURCE {
            let text = text(&mut choices);
            if let Some(expression) = compare(&compiler, &source, &records, &text) {
                let count = records.len();
                pairs.add(Pairs { optimized: count, native: count, native_optimized: count });
                scanned_count += records.iter().filter(|record| record.is_scanned).count();
                expression_count += 1;
                if expression.is_bool() && !is_random(&text) {
                    conditions.push(expression);
                }
            }
        }
        batch::check(&source, &conditions, &records, &mut Random(seed));
    }
    println!("slots: {expression_count} expressions; {pairs:?}; {scanned_count} of them over slots that a scan filled");
}
