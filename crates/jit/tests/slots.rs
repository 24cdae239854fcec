//! Native code over slots: what a record's slots hold decides as the values that they read as, one by one and in bulk;
//! slots and buffers that do not belong together are faults.

mod common;

use common::{context, expression, hot_condition, panics_with};
use dtq_generate::Choices;
use dtq_interp::Interpreter;
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_jit::{
    BufferTable, Code, Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries, Records, SlotChoice, SlotSource,
    Verdict,
};
use dtq_record::slot::{Buffer, Buffers, Slot, Tag, WordList};
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};

const TEXTS: &[&[u8]] =
    &[b"", b"a", b"error", b"5", b"true", b"LogWelcomeBanner", b"Some text with words, and 42 numbers", b"\xff\xfe"];

/// `AnyValue`s: an array of a long and a string, a bag of a long, and bytes that are none.
const ANY_VALUES: &[&[u8]] = &[
    b"\x2a\x07\x0a\x02\x18\x05\x0a\x01\x0a",
    b"\x2a\x09\x0a\x02\x18\x05\x0a\x03\x0a\x01x",
    b"\x32\x09\x0a\x07\x0a\x01a\x12\x02\x18\x05",
    b"\xff\xff\xff",
];

/// Holds the slots of a record and the bytes that they are views of.
struct Record {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    resource: Vec<u8>,
}

impl Record {
    fn buffers(&self) -> Buffers<'_> {
        Buffers { record: &self.bytes, resource: &self.resource, ..Buffers::default() }
    }

    fn view(&mut self, choices: &mut Choices<'_>, tag: Tag, bytes: &[u8]) -> Slot {
        let (buffer, into) = if choices.below(2) == 0 {
            (Buffer::Record, &mut self.bytes)
        } else {
            (Buffer::Resource, &mut self.resource)
        };
        let offset = into.len() as u32;
        into.extend_from_slice(bytes);
        Slot::view(tag, buffer, 0, offset, bytes.len() as u32)
    }

    fn text(&mut self, choices: &mut Choices<'_>) -> Slot {
        let bytes = *choices.pick(TEXTS);
        match choices.below(8) {
            0 => self.view(choices, Tag::Id, &[1, 2]),
            1 => self.view(choices, Tag::Bytes, bytes),
            2 => Slot::word(WordList::SpanKind, choices.below(8) as i32),
            _ => self.view(choices, Tag::String, bytes),
        }
    }

    fn dynamic(&mut self, choices: &mut Choices<'_>) -> Slot {
        match choices.below(9) {
            0 => Slot::bool(choices.below(2) == 1),
            1 => Slot::long(*choices.pick(&[0, 5, -1, i64::MAX])),
            2 => Slot::real(*choices.pick(&[5.0, 1.5, f64::NAN])),
            3 => Slot::EMPTY,
            4 => Slot::MISSING,
            5 => {
                let bytes = *choices.pick(ANY_VALUES);
                self.view(choices, Tag::Any, bytes)
            }
            _ => self.text(choices),
        }
    }
}

fn record(choices: &mut Choices<'_>) -> Record {
    let mut record = Record { slots: Vec::new(), bytes: b"..".to_vec(), resource: Vec::new() };
    for ty in Type::ALL {
        let is_null = choices.below(6) == 0;
        let slot = match ty {
            Type::String => record.text(choices),
            Type::Dynamic => record.dynamic(choices),
            _ if is_null => Slot::MISSING,
            Type::Bool => Slot::bool(choices.below(2) == 1),
            Type::Int => Slot::int(*choices.pick(&[0, 5, -7, i32::MIN])),
            Type::Long => Slot::long(*choices.pick(&[0, 5, -1, i64::MIN])),
            Type::Real => Slot::real(*choices.pick(&[0.0, 1.5, f64::NAN])),
            Type::DateTime => Slot::datetime(Some(638_396_640_000_000_000)),
            Type::TimeSpan => Slot::timespan(*choices.pick(&[0, -1, i64::MAX])),
            Type::Decimal | Type::Guid => Slot::MISSING,
        };
        record.slots.push(slot);
    }
    record
}

fn code(compiler: &Compiler, (program, expr): (&Program, ExprId), inputs: &[Input]) -> Code {
    let kinds = [EntryKind::Condition, EntryKind::Filter, EntryKind::Many, EntryKind::Value, EntryKind::First];
    let entries = kinds.map(|kind| Entry { program, expr, inputs, kind });
    compiler.compile(&entries).unwrap_or_else(|refusal| panic!("{refusal}\n{}", dtq_ir::text::print(program)))
}

/// Gives the cells of a record as the rules do: from its slots, when they are asked for.
struct SlotCells<'a>(&'a Record);

impl dtq_interp::Cells for SlotCells<'_> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        let value = self.0.slots[index].value(&self.0.buffers(), 100);
        value.map_err(|error| Fault::new(dtq_source::Code::E3008, error.reason))
    }
}

#[test]
fn slots_decide_as_their_values() {
    let compiler = Compiler::host().unwrap();
    let quick = compiler.quick();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    for seed in 0..600 {
        let mut choices = Choices::Seed(seed * 15_485_863 + 3);
        let depth = choices.below(4);
        let text = hot_condition(&mut choices, depth);
        let Some((program, expr)) = expression(&text) else { continue };
        let code = code(if seed % 2 == 0 { &compiler } else { &quick }, (&program, expr), &inputs);
        let interpreter = Interpreter::new(&program).unwrap();
        let records: Vec<Record> = (0..16).map(|_| record(&mut choices)).collect();
        let expected: Vec<Result<Value, Fault>> =
            records.iter().map(|record| interpreter.eval(expr, &SlotCells(record), &mut context())).collect();
        for (record, expected) in records.iter().zip(&expected) {
            check_one(&code, record, expected, &text);
        }
        // Among many, each draws what the one before left.
        if !text.contains("rand") {
            check_many(&code, &records, &expected, &text);
        }
    }
}

fn check_one(code: &Code, record: &Record, expected: &Result<Value, Fault>, text: &str) {
    let buffers = BufferTable::new(&record.buffers());
    // Each draws the same random numbers.
    let fresh = || NativeContext::new(context());
    let value = code.value(3).eval(&mut fresh(), &NoSubqueries, &record.slots, &buffers);
    assert!(common::same(expected, &value), "{text}\nover {:?}\nis {expected:?}\nbut natively {value:?}", record.slots);
    let verdict = code.condition(0).decide(&mut fresh(), &NoSubqueries, &record.slots, &buffers);
    let wanted = expected.as_ref().map(|value| match value {
        Value::Null => Verdict::Null,
        Value::Bool(true) => Verdict::True,
        _ => Verdict::False,
    });
    assert_eq!(verdict.map_err(|fault| fault.code), wanted.map_err(|fault| fault.code), "{text}");
    let filter = code.condition(1).decide(&mut fresh(), &NoSubqueries, &record.slots, &buffers);
    let is_true = wanted.map(|wanted| wanted == Verdict::True);
    let is_true = is_true.map_err(|fault| fault.code);
    assert_eq!(filter.map(|is| is == Verdict::True).map_err(|fault| fault.code), is_true, "{text}");
    check_first(code, record, is_true, text);
}

/// Checks a condition that leaves what is slow, where it does not leave.
fn check_first(code: &Code, record: &Record, is_true: Result<bool, dtq_source::Code>, text: &str) {
    let buffers = BufferTable::new(&record.buffers());
    let mut ctx = NativeContext::new(context());
    match code.condition(4).decide(&mut ctx, &NoSubqueries, &record.slots, &buffers) {
        Ok(Verdict::Left) => assert!(code.leaves(4), "{text}"),
        first => {
            let first = first.map(|is| is == Verdict::True).map_err(|fault| fault.code);
            assert_eq!(first, is_true, "{text}");
        }
    }
}

fn check_many(code: &Code, records: &[Record], expected: &[Result<Value, Fault>], text: &str) {
    let slots: Vec<Slot> = records.iter().flat_map(|record| record.slots.iter().copied()).collect();
    let tables: Vec<BufferTable<'_>> = records.iter().map(|record| BufferTable::new(&record.buffers())).collect();
    let stride = Type::ALL.len();
    let mut ctx = NativeContext::new(context());
    let mut start = 0;
    while start < records.len() {
        let mut out = vec![9; records.len() - start];
        let rest = Records { slots: &slots[start * stride..], stride, buffers: &tables[start..] };
        let (done, fault) = code.condition(2).decide_many(&mut ctx, &NoSubqueries, rest, &mut out);
        for (index, verdict) in out[..done].iter().enumerate() {
            let wanted = expected[start + index] == Ok(Value::Bool(true));
            assert_eq!(*verdict, u8::from(wanted), "{text}\nrecord {}", start + index);
            assert!(expected[start + index].is_ok(), "{text}");
        }
        if let Some(fault) = &fault {
            let wanted = expected[start + done].as_ref().map_err(|fault| fault.code);
            assert_eq!(wanted, Err(fault.code), "{text}");
        }
        assert!(fault.is_some() || start + done == records.len());
        start += done + usize::from(fault.is_some());
    }
}

#[test]
fn slots_are_chosen_as_conditions_say() {
    let compiler = Compiler::host().unwrap();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let sources =
        [SlotSource::Own(1), SlotSource::Fixed(Slot::long(7)), SlotSource::Own(8), SlotSource::Fixed(Slot::EMPTY)];
    let source = |source: SlotSource, record: &Record| match source {
        SlotSource::Own(slot) => record.slots[slot as usize],
        SlotSource::Fixed(slot) => slot,
    };
    for seed in 0..150 {
        let mut choices = Choices::Seed(seed * 32_452_843 + 7);
        let texts: Vec<String> = (0..3).map(|_| hot_condition(&mut choices, 2)).collect();
        let Some((program, expr)) = expression(&format!("pack_array({})", texts.join(", "))) else { continue };
        let ExprKind::Call { args, .. } = &program.expr(expr).kind else { continue };
        let wanted = [
            SlotChoice { arms: vec![(args[0], sources[0]), (args[1], sources[1])], otherwise: sources[2] },
            SlotChoice { arms: vec![(args[2], sources[3])], otherwise: sources[0] },
            SlotChoice { arms: Vec::new(), otherwise: sources[1] },
        ];
        let chooser = compiler.compile_choices(&program, &inputs, &wanted).unwrap();
        let interpreter = Interpreter::new(&program).unwrap();
        for record in (0..16).map(|_| record(&mut choices)) {
            let mut ctx = NativeContext::new(context());
            let buffers = [BufferTable::new(&record.buffers())];
            let records = Records { slots: &record.slots, stride: record.slots.len(), buffers: &buffers };
            let mut out = [Slot::MISSING; 3];
            let (done, fault) = chooser.choose(&mut ctx, &NoSubqueries, records, &mut out);
            let expected: Result<Vec<Slot>, Fault> = wanted
                .iter()
                .map(|choice| {
                    for (condition, chosen) in &choice.arms {
                        if interpreter.holds(*condition, &SlotCells(&record), &mut context())? {
                            return Ok(source(*chosen, &record));
                        }
                    }
                    Ok(source(choice.otherwise, &record))
                })
                .collect();
            assert_eq!(done, usize::from(expected.is_ok()), "{texts:?}");
            match expected {
                Ok(expected) => assert_eq!(out.as_slice(), expected, "{texts:?} over {:?}", record.slots),
                Err(expected) => assert_eq!(fault.map(|fault| fault.code), Some(expected.code), "{texts:?}"),
            }
        }
    }
}

#[test]
fn a_key_is_read_or_what_stands_in_for_it() {
    let compiler = Compiler::host().unwrap();
    let (program, expr) = expression("dynamic_column").unwrap();
    let mut inputs: Vec<Input> = (0..9).map(Input::Slot).collect();
    inputs.push(Input::KeyOr { key: 0, other: 1 });
    let entry = Entry { program: &program, expr, inputs: &inputs, kind: EntryKind::Value };
    let code = compiler.compile(&[entry]).unwrap();
    let buffers = Buffers { record: b"xy", ..Buffers::default() };
    let (x, y) = (Slot::view(Tag::String, Buffer::Record, 0, 0, 1), Slot::view(Tag::String, Buffer::Record, 0, 1, 1));
    for (key, other, expected) in [
        (x, y, Value::string("x")),
        (Slot::MISSING, y, Value::string("y")),
        (Slot::EMPTY, y, Value::Null),
        (Slot::MISSING, Slot::EMPTY_STRING, Value::Null),
        (Slot::EMPTY_STRING, y, Value::string("")),
        (Slot::MISSING, Slot::word(WordList::SpanKind, 2), Value::string("Server")),
        (Slot::long(5), y, Value::Long(5)),
    ] {
        let mut ctx = NativeContext::new(context());
        let found = code.value(0).eval(&mut ctx, &NoSubqueries, &[key, other], &BufferTable::new(&buffers));
        assert_eq!(found, Ok(expected), "{key:?} {other:?}");
    }
}

#[test]
fn views_of_other_bytes_are_faults() {
    let compiler = Compiler::host().unwrap();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    for text in ["(string_column contains 'x')", "(string_column == 'error')", "(dynamic_column == 'error')"] {
        let (program, expr) = expression(text).unwrap();
        let code = code(&compiler, (&program, expr), &inputs);
        // Bytes that are there lie behind the buffer too.
        let table = BufferTable::new(&Buffers { scope: &b"an error and more"[3..8], ..Buffers::default() });
        for (offset, length) in [(3, u32::MAX), (1, 5), (5, 1), (0, 6), (u32::MAX, 5), (u32::MAX, u32::MAX)] {
            let slots = vec![Slot::view(Tag::String, Buffer::Scope, 0, offset, length); Type::ALL.len()];
            let mut ctx = NativeContext::new(context());
            let verdict = code.condition(0).decide(&mut ctx, &NoSubqueries, &slots, &table);
            assert_eq!(verdict.map_err(|fault| fault.code), Err(dtq_source::Code::E3008), "{text} {offset} {length}");
        }
    }
}

#[test]
fn what_follows_a_null_is_read_where_it_may_be_malformed() {
    let text = "bool_column and dynamic_column == 'x'";
    let (program, expr) = expression(text).unwrap();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let code = code(&Compiler::host().unwrap(), (&program, expr), &inputs);
    let mut record =
        Record { slots: vec![Slot::MISSING; Type::ALL.len()], bytes: ANY_VALUES[3].to_vec(), resource: Vec::new() };
    record.slots[9] = Slot::view(Tag::Any, Buffer::Record, 0, 0, 3);
    let expected = Interpreter::new(&program).unwrap().eval(expr, &SlotCells(&record), &mut context());
    assert!(expected.is_err(), "{expected:?}");
    check_one(&code, &record, &expected, text);
}

#[test]
fn slots_of_other_types_are_no_undefined_behaviour() {
    let compiler = Compiler::host().unwrap();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    for seed in 0..200 {
        let mut choices = Choices::Seed(seed);
        let text = hot_condition(&mut choices, 2);
        let Some((program, expr)) = expression(&text) else { continue };
        let code = code(&compiler, (&program, expr), &inputs);
        let mut record = record(&mut choices);
        let turn = choices.below(10);
        record.slots.rotate_left(turn);
        let table = BufferTable::new(&record.buffers());
        let mut ctx = NativeContext::new(context());
        // Whatever the answer is: there is one.
        let _ = code.condition(0).decide(&mut ctx, &NoSubqueries, &record.slots, &table);
        let _ = code.value(3).eval(&mut ctx, &NoSubqueries, &record.slots, &table);
    }
}

/// Returns the code of one expression as a filter, a value, a condition over many records, and a filter over rows.
fn every_kind(compiler: &Compiler, text: &str) -> Code {
    let (program, expr) = expression(text).expect("the text is one");
    let slots: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let row: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Row).collect();
    let entry = |inputs, kind| Entry { program: &program, expr, inputs, kind };
    let entries = [
        entry(&slots, EntryKind::Filter),
        entry(&slots, EntryKind::Value),
        entry(&slots, EntryKind::Many),
        entry(&row, EntryKind::Filter),
        entry(&row, EntryKind::Value),
    ];
    compiler.compile(&entries).expect("all of it has native code")
}

#[test]
fn calls_that_do_not_fit_panic_before_any_code_runs() {
    // The text is the sixth column.
    let code = every_kind(&Compiler::host().unwrap(), "string_column == 'error'");
    let table = BufferTable::new(&Buffers::default());
    let (five, six) = ([Slot::MISSING; 5], [Slot::MISSING; 6]);
    let row = vec![Value::Null; 10];
    assert!(code.condition(0).decide(&mut NativeContext::new(context()), &NoSubqueries, &six, &table).is_ok());
    panics_with("all slots that it reads", |ctx| drop(code.condition(0).decide(ctx, &NoSubqueries, &five, &table)));
    panics_with("all slots that it reads", |ctx| drop(code.value(1).eval(ctx, &NoSubqueries, &five, &table)));
    panics_with("over slots gets slots", |ctx| drop(code.condition(0).decide_row(ctx, &NoSubqueries, &row)));
    panics_with("over slots gets slots", |ctx| drop(code.value(1).eval_row(ctx, &NoSubqueries, &row)));
    panics_with("over rows gets rows", |ctx| drop(code.condition(3).decide(ctx, &NoSubqueries, &six, &table)));
    panics_with("over rows gets rows", |ctx| drop(code.value(4).eval(ctx, &NoSubqueries, &six, &table)));
    panics_with("index out of bounds", |ctx| drop(code.condition(3).decide_row(ctx, &NoSubqueries, &row[..5])));
    panics_with("index out of bounds", |ctx| drop(code.condition(99).decide(ctx, &NoSubqueries, &six, &table)));
    for other in [1, 2] {
        panics_with("as what it was defined as", |ctx| {
            drop(code.condition(other).decide(ctx, &NoSubqueries, &six, &table));
        });
    }
    panics_with("as what it was defined as", |ctx| drop(code.value(0).eval(ctx, &NoSubqueries, &six, &table)));
    panics_with("as what it was defined as", |ctx| {
        let records = Records { slots: &six, stride: 6, buffers: &[table] };
        drop(code.condition(0).decide_many(ctx, &NoSubqueries, records, &mut [0]));
    });
}

#[test]
fn many_records_have_slots_and_buffers_each() {
    let code = every_kind(&Compiler::host().unwrap(), "string_column == 'error'");
    let table = BufferTable::new(&Buffers { record: b"error", ..Buffers::default() });
    let mut slots = vec![Slot::MISSING; 30];
    slots[5] = Slot::view(Tag::String, Buffer::Record, 0, 0, 5);
    slots[25] = slots[5];
    let decide = |ctx: &mut NativeContext, slots: &[Slot], stride, buffers: &[BufferTable<'_>]| {
        let mut out = [9; 3];
        let done = code.condition(2).decide_many(ctx, &NoSubqueries, Records { slots, stride, buffers }, &mut out);
        (out, done)
    };
    let mut ctx = NativeContext::new(context());
    assert_eq!(decide(&mut ctx, &slots[..26], 10, &[table]), ([1, 0, 1], (3, None)));
    assert_eq!(decide(&mut ctx, &slots[..26], 10, &[table; 3]), ([1, 0, 1], (3, None)));
    // Without a distance all are the first.
    assert_eq!(decide(&mut ctx, &slots[..6], 0, &[table]), ([1, 1, 1], (3, None)));
    panics_with("all slots that it reads", |ctx| drop(decide(ctx, &slots[..25], 10, &[table])));
    panics_with("slots for all records", |ctx| drop(decide(ctx, &slots[..19], 10, &[table])));
    panics_with("slots for all records", |ctx| drop(decide(ctx, &slots, usize::MAX, &[table])));
    panics_with("buffers for all records", |ctx| drop(decide(ctx, &slots, 10, &[table; 2])));
    panics_with("buffers for all records", |ctx| drop(decide(ctx, &slots, 10, &[])));
}

#[test]
fn many_records_hold_no_more_than_one() {
    let (program, expr) = expression("strcat(string_column, 'x') == 'errorx'").unwrap();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let entry = Entry { program: &program, expr, inputs: &inputs, kind: EntryKind::Many };
    let code = Compiler::host().unwrap().compile(&[entry]).unwrap();
    let table = BufferTable::new(&Buffers { record: b"error", ..Buffers::default() });
    let slots = [Slot::view(Tag::String, Buffer::Record, 0, 0, 5); 6];
    let held = |count: usize| {
        let (mut ctx, mut out) = (NativeContext::new(context()), vec![0; count]);
        let records = Records { slots: &slots, stride: 0, buffers: &[table] };
        assert_eq!(code.condition(0).decide_many(&mut ctx, &NoSubqueries, records, &mut out), (count, None));
        assert!(out.iter().all(|verdict| *verdict == 1));
        format!("{ctx:?}").len()
    };
    assert_eq!(held(1_000), held(1));
}
