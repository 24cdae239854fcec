//! Native code over checked records: columns of one kind and of many decide as their values do, records that do not fit
//! a call panic before any code runs, and choices give the slots that conditions say.
//!
//! `DTQ_PAIRS=10000000 DTQ_ROWS=300 cargo test --release -p dtq-jit --test checked -- --nocapture` makes the run longer,
//! `DTQ_SEED` another one.

#![allow(clippy::print_stdout, reason = "its numbers are for people")]

mod common;

use common::{Expression, check_checked, context, expression, hot_condition, number, panics_with};
use dtq_generate::Choices;
use dtq_interp::{Cells, Interpreter};
use dtq_ir::ExprKind;
use dtq_jit::{
    CheckedChooser, Code, Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries, SlotChoice, SlotSource,
};
use dtq_record::checked::CheckedRecords;
use dtq_record::slot::{Buffer, Slot, Tag, WordList};
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};

/// Texts of every length that is compared in another way, which are literals too.
const TEXTS: &[&str] = &[
    "",
    "a",
    "ab",
    "abc",
    "abcd",
    "error",
    "Error1",
    "seven77",
    "eight888",
    "nine99999",
    "SessionOpened",
    "fifteen15letter",
    "LogWelcomeBanner",
    "seventeen17letter",
    "twentyfive letters of {X}",
    "thirty-one letters, all of them",
    "thirty-two letters, all of them!",
    "thirty-three letters, all of them",
];

/// Says what a column of dynamics or strings holds.
#[derive(Clone, Copy)]
enum Kind {
    Texts,
    Integers,
    Reals,
    Plain,
    Anything,
}

/// Holds records to be checked, with what their views are of.
#[derive(Default)]
struct Rows {
    slots: Vec<Slot>,
    arena: Vec<u8>,
}

impl Rows {
    /// Returns some records, each of whose columns holds one kind of slot or any.
    fn new(choices: &mut Choices<'_>, count: usize) -> Self {
        let mut rows = Rows::default();
        let text = *choices.pick(&[Kind::Texts, Kind::Texts, Kind::Anything]);
        let dynamic =
            *choices.pick(&[Kind::Texts, Kind::Texts, Kind::Integers, Kind::Reals, Kind::Plain, Kind::Anything]);
        for _ in 0..count {
            for ty in Type::ALL {
                let is_null = choices.below(6) == 0;
                let slot = match ty {
                    Type::String => rows.text(choices, text),
                    Type::Dynamic => rows.dynamic(choices, dynamic),
                    _ if is_null => Slot::MISSING,
                    Type::Bool => Slot::bool(choices.below(2) == 1),
                    Type::Int => Slot::int(*choices.pick(&[0, 5, -7, i32::MIN])),
                    Type::Long => Slot::long(*choices.pick(&[0, 5, -1, i64::MIN, 1 << 40])),
                    Type::Real => Slot::real(*choices.pick(&[0.0, -0.0, 1.5, -2.0, f64::NAN])),
                    Type::DateTime => Slot::datetime(Some(638_396_640_000_000_000)),
                    Type::TimeSpan => Slot::timespan(*choices.pick(&[0, -1, i64::MAX])),
                    Type::Decimal | Type::Guid => Slot::MISSING,
                };
                rows.slots.push(slot);
            }
        }
        rows
    }

    fn view(&mut self, tag: Tag, bytes: &[u8]) -> Slot {
        let offset = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        Slot::view(tag, Buffer::Arena, 0, offset, bytes.len() as u32)
    }

    /// Returns a text that is a literal, or nearly one.
    fn near_text(&mut self, choices: &mut Choices<'_>) -> Slot {
        let mut bytes = choices.pick(TEXTS).as_bytes().to_vec();
        let at = choices.below(bytes.len().max(1));
        match choices.below(8) {
            0 => bytes.make_ascii_uppercase(),
            1 => bytes.extend_from_slice(choices.pick(TEXTS).as_bytes()),
            2 => bytes.truncate(at),
            3 if !bytes.is_empty() => bytes[at] ^= 1,
            4 if !bytes.is_empty() => bytes[at] ^= 0x20,
            5 => bytes.insert(at, b' '),
            _ => {}
        }
        self.view(Tag::String, &bytes)
    }

    fn text(&mut self, choices: &mut Choices<'_>, kind: Kind) -> Slot {
        match (kind, choices.below(8)) {
            (Kind::Anything, 0) => self.view(Tag::Id, &[1, 2]),
            (Kind::Anything, 1) => self.view(Tag::Bytes, b"abc"),
            (Kind::Anything, 2) => Slot::word(WordList::SpanKind, choices.below(8) as i32),
            (_, 3) => Slot::EMPTY_STRING,
            _ => self.near_text(choices),
        }
    }

    fn dynamic(&mut self, choices: &mut Choices<'_>, kind: Kind) -> Slot {
        let missing = *choices.pick(&[Slot::MISSING, Slot::EMPTY]);
        if choices.below(6) == 0 {
            return missing;
        }
        let integer = *choices.pick(&[0, 5, -1, 404, i64::MAX, (1 << 32) + 5]);
        let real = *choices.pick(&[0.0, -0.0, 5.0, 1.5, -1.0, f64::NAN, f64::INFINITY]);
        match (kind, choices.below(9)) {
            (Kind::Texts, _) => self.text(choices, kind),
            (Kind::Integers, 0) => Slot::int(integer as i32),
            (Kind::Integers, _) => Slot::long(integer),
            (Kind::Reals, _) => Slot::real(real),
            (_, 0) => Slot::bool(choices.below(2) == 1),
            (_, 1) => Slot::long(integer),
            (_, 2) => Slot::real(real),
            (Kind::Anything, 3) => self.view(Tag::Any, b"\x2a\x07\x0a\x02\x18\x05\x0a\x01\x0a"),
            (Kind::Anything, 4) => self.view(Tag::Any, b"\xff\xff\xff"),
            (Kind::Anything, 5) => self.view(Tag::Id, &[1, 2]),
            (_, _) => self.near_text(choices),
        }
    }

    fn checked(&self) -> CheckedRecords {
        let mut records = CheckedRecords::new(Type::ALL.len());
        records.fill(&self.slots, self.arena.clone()).expect("the views are of the arena");
        records
    }
}

/// Searches of a text for a literal.
const SEARCHES: &[&str] = &[
    "string_column contains_cs 'e'",
    "string_column !contains_cs ''",
    "string_column contains 'ELEVEN'",
    "dynamic_column !contains 'E'",
    "tostring(dynamic_column) contains_cs 'letter'",
];

/// Gives the cells of a checked record.
struct RecordCells<'a> {
    records: &'a CheckedRecords,
    at: usize,
}

impl Cells for RecordCells<'_> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        let value = self.records.slot(self.at, index).value(&self.records.buffers(), 100);
        value.map_err(|error| Fault::new(dtq_source::Code::E3008, error.reason))
    }
}

fn inputs() -> Vec<Input> {
    (0..Type::ALL.len() as u32).map(Input::Slot).collect()
}

/// Returns a comparison of a column with a constant.
fn comparison(choices: &mut Choices<'_>) -> String {
    let order = *choices.pick(&["==", "!=", "<", "<=", ">", ">="]);
    let integer = *choices.pick(&["0", "5", "-1", "404", "int(5)", "4294967301", "-7"]);
    let real = *choices.pick(&["0.0", "1.5", "-1.0", "5.0", "real(nan)", "5"]);
    match choices.below(10) {
        0..=4 => {
            let column = *choices.pick(&["string_column", "dynamic_column"]);
            let operator = *choices.pick(&[
                "==",
                "!=",
                "==",
                "!=",
                "=~",
                "!~",
                "startswith",
                "!startswith",
                "startswith_cs",
                "!startswith_cs",
                "endswith",
                "!endswith",
                "endswith_cs",
                "!endswith_cs",
            ]);
            format!("({column} {operator} '{}')", choices.pick(TEXTS))
        }
        5 => format!("({} {order} {integer})", choices.pick(&["int_column", "long_column"])),
        6 => format!("(real_column {order} {real})"),
        7 => format!("(dynamic_column {order} {integer})"),
        8 => format!("({}(dynamic_column) {order} {integer})", choices.pick(&["toint", "tolong"])),
        _ => format!("(todouble(dynamic_column) {order} {real})"),
    }
}

/// Returns what `and`, `or`, `not` and `iff` make of comparisons.
fn plain(choices: &mut Choices<'_>, depth: usize) -> String {
    if depth == 0 || choices.below(4) == 0 {
        return comparison(choices);
    }
    let mut operand = || plain(choices, depth - 1);
    let (first, second) = (operand(), operand());
    match choices.below(6) {
        0 | 1 => format!("({first} and {second})"),
        2 | 3 => format!("({first} or {second})"),
        4 => format!("not({first})"),
        _ => format!("iff({first}, {second}, false)"),
    }
}

/// Returns comparisons, then what is asked only where they hold.
fn text(choices: &mut Choices<'_>) -> String {
    let depth = choices.below(4);
    let first = plain(choices, depth);
    match choices.below(8) {
        0..=2 => first,
        3 => format!("({first} and {})", choices.pick(SEARCHES)),
        4 => format!("({first} and dynamic_column contains 'E' and {})", comparison(choices)),
        5 => format!("iff({first}, {}, false)", hot_condition(choices, 1)),
        6 => format!("({first} and {})", hot_condition(choices, 1)),
        _ => hot_condition(choices, 2),
    }
}

#[test]
fn checked_records_decide_as_their_values() {
    let compiler = Compiler::host().unwrap();
    let (wanted, row_count) = (number("DTQ_PAIRS", 18_000) as usize, number("DTQ_ROWS", 60) as usize);
    let mut seed = number("DTQ_SEED", 0).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(17);
    let (mut pair_count, mut expression_count) = (0, 0);
    while pair_count < wanted {
        seed = seed.wrapping_add(104_729);
        let mut choices = Choices::Seed(seed);
        let rows = Rows::new(&mut choices, row_count);
        let records = rows.checked();
        for _ in 0..6 {
            let text = text(&mut choices);
            let Some((program, expr)) = expression(&text).filter(|_| !text.contains("rand")) else { continue };
            let options = dtq_opt::Options { columns_may_fail: true, ..dtq_opt::Options::default() };
            let expression = Expression::new(&compiler, (&program, expr), &inputs(), &options, &text);
            let expression = expression.unwrap_or_else(|| panic!("{:?}", common::REFUSED.take()));
            let cells = |at| RecordCells { records: &records, at };
            let expected: Vec<_> = (0..row_count).map(|at| expression.interpreted(&cells(at), &text)).collect();
            check_checked(&expression, &rows.slots, &rows.arena, &expected, &text);
            pair_count += row_count;
            expression_count += 1;
        }
    }
    println!(
        "checked: {expression_count} expressions, {pair_count} pairs with records, each without the optimizer and with"
    );
}

/// Checks a condition of all records, as bytes, in one pass and in two, and as what is chosen by it.
fn check_all(text: &str, records: &CheckedRecords) {
    let (program, expr) = expression(text).unwrap_or_else(|| panic!("{text}"));
    let interpreter = Interpreter::new(&program).expect("it is not nested too deeply");
    let holds = |at| interpreter.holds(expr, &RecordCells { records, at }, &mut context()) == Ok(true);
    let expected: Vec<bool> = (0..records.record_count()).map(holds).collect();
    let mut ctx = NativeContext::new(context());
    for text in [text.to_owned(), format!("{text} and string_column !contains_cs 'is in no text'")] {
        let mut out = vec![9; expected.len()];
        code(&text).condition(0).decide_checked(&mut ctx, &NoSubqueries, records, &mut out);
        assert_eq!(out, expected.iter().map(|holds| u8::from(*holds)).collect::<Vec<_>>(), "{text}");
    }
    let arms = vec![(expr, SlotSource::Fixed(Slot::long(1)))];
    let choice = SlotChoice { arms, otherwise: SlotSource::Fixed(Slot::MISSING) };
    let compiler = Compiler::host().expect("tests run on a machine that has native code");
    let chooser = compiler.compile_checked_choices(&program, &inputs(), &[choice]).expect("it has native code");
    let mut chosen = vec![Slot::EMPTY; expected.len()];
    chooser.choose(&mut ctx, &NoSubqueries, records, &mut chosen);
    let wanted = expected.iter().map(|holds| if *holds { Slot::long(1) } else { Slot::MISSING });
    assert_eq!(chosen, wanted.collect::<Vec<_>>(), "{text}");
}

#[test]
fn texts_are_compared_to_their_ends() {
    let mut rows = Rows::default();
    for text in TEXTS {
        let longer = [text.as_bytes(), b"x"].concat();
        let mut near = vec![text.as_bytes().to_vec(), longer, text.to_uppercase().into_bytes()];
        for at in [0, text.len() / 2, text.len().saturating_sub(1)] {
            let mut other = text.as_bytes().to_vec();
            other.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
            near.push(other);
            near.push(text.as_bytes()[..at].to_vec());
        }
        for bytes in near {
            let text = rows.view(Tag::String, &bytes);
            rows.slots.extend([Slot::MISSING; 10]);
            let start = rows.slots.len() - 10;
            (rows.slots[start + 5], rows.slots[start + 9]) = (text, text);
        }
    }
    rows.slots.extend([Slot::MISSING; 10]);
    let records = rows.checked();
    for (index, text) in TEXTS.iter().enumerate() {
        let operators = [["==", "startswith_cs"], ["=~", "!endswith_cs"], ["==", "endswith"]][index % 3];
        for operator in operators {
            let column = if index % 2 == 0 { "dynamic_column" } else { "string_column" };
            check_all(&format!("({column} {operator} '{text}')"), &records);
            check_all(&format!("not({column} {operator} '{text}')"), &records);
        }
        check_all(&format!("(dynamic_column == '{text}')"), &records);
    }
    check_all("not(iff(string_column startswith_cs 's', string_column == 'seven77', false))", &records);
}

#[test]
fn null_is_no_number() {
    let mut rows = Rows::default();
    for (integer, real) in [(0, 0.0), (5, 1.5), (-5, -1.5)] {
        let mut slots = [Slot::MISSING; 10];
        (slots[1], slots[2], slots[3]) = (Slot::int(integer), Slot::long(i64::from(integer)), Slot::real(real));
        slots[9] = Slot::long(i64::from(integer));
        rows.slots.extend(slots);
    }
    rows.slots.extend([Slot::MISSING; 10]);
    let records = rows.checked();
    for column in ["int_column", "long_column", "dynamic_column"] {
        for (order, number) in [("==", 0), ("!=", 0), ("<", 5), (">=", 0), (">", 0)] {
            check_all(&format!("({column} {order} {number})"), &records);
            check_all(&format!("not({column} {order} {number})"), &records);
        }
    }
    for order in ["<", "<=", ">", ">="] {
        check_all(&format!("(real_column {order} 0.0)"), &records);
        check_all(&format!("not(real_column {order} 0.0)"), &records);
    }
}

fn code(text: &str) -> Code {
    let (program, expr) = expression(text).expect("the text is one");
    let inputs = inputs();
    let entry = |kind| Entry { program: &program, expr, inputs: &inputs, kind };
    let compiler = Compiler::host().expect("tests run on a machine that has native code");
    compiler.compile(&[entry(EntryKind::Checked), entry(EntryKind::Many)]).expect("all of it has native code")
}

#[test]
fn noted_records_are_decided_part_by_part() {
    are_decided("int_column >= 5 and string_column contains_cs 'error'");
    are_decided("int_column >= 5 and (string_column contains_cs 'error' or string_column contains_cs 'err.r')");
}

fn are_decided(text: &str) {
    let code = code(text);
    let mut rows = Rows::default();
    let (yes, no) = (rows.view(Tag::String, b"an error"), rows.view(Tag::String, b"none"));
    for count in [0, 1, 3, 4, 6, 1_023, 1_024, 1_025, 3_000] {
        rows.slots.clear();
        let mut expected = Vec::new();
        for at in 0..count {
            let mut slots = [Slot::MISSING; 10];
            slots[1] = Slot::int(if at % 3 == 0 { 4 } else { 5 });
            slots[5] = if at % 5 == 0 { no } else { yes };
            rows.slots.extend(slots);
            expected.push(u8::from(at % 3 != 0 && at % 5 != 0));
        }
        let mut out = vec![9; count];
        let mut ctx = NativeContext::new(context());
        let done = code.condition(0).decide_checked(&mut ctx, &NoSubqueries, &rows.checked(), &mut out);
        assert_eq!((done, out), ((count, None), expected), "{count} records");
    }
}

#[test]
fn what_does_not_hold_what_is_taken_for_granted_is_decided_all_the_same() {
    let code = code("dynamic_column == '5' and string_column contains_cs 'x'");
    let mut rows = Rows::default();
    let (x, five) = (rows.view(Tag::String, b"x"), rows.view(Tag::String, b"5"));
    let broken = rows.view(Tag::Any, b"\xff\xff\xff");
    let mut decide = |dynamics: &[Slot]| {
        rows.slots.clear();
        for dynamic in dynamics {
            let mut slots = [Slot::MISSING; 10];
            (slots[5], slots[9]) = (x, *dynamic);
            rows.slots.extend(slots);
        }
        let (mut ctx, mut out) = (NativeContext::new(context()), vec![9; dynamics.len()]);
        let done = code.condition(0).decide_checked(&mut ctx, &NoSubqueries, &rows.checked(), &mut out);
        (done.0, done.1.map(|fault| fault.code), out)
    };
    assert_eq!(decide(&[five, Slot::MISSING, x]), (3, None, vec![1, 0, 0]));
    assert_eq!(decide(&[five, Slot::long(5), x]), (3, None, vec![1, 1, 0]));
    assert_eq!(decide(&[five, broken, x]), (1, Some(dtq_source::Code::E3008), vec![1, 9, 9]));
}

#[test]
fn calls_that_do_not_fit_panic_before_any_code_runs() {
    // The text is the sixth column.
    let code = code("string_column == 'error'");
    let records = |width: usize, count: usize| {
        let mut records = CheckedRecords::new(width);
        records.fill(&vec![Slot::MISSING; width * count], Vec::new()).expect("there are no views");
        records
    };
    let decide = |ctx: &mut NativeContext, at, width, count, room| {
        let mut out = vec![9; room];
        code.condition(at).decide_checked(ctx, &NoSubqueries, &records(width, count), &mut out)
    };
    assert_eq!(decide(&mut NativeContext::new(context()), 0, 6, 3, 3), (3, None));
    assert_eq!(decide(&mut NativeContext::new(context()), 0, 6, 3, 2), (2, None));
    panics_with("as many records as", |ctx| drop(decide(ctx, 0, 6, 3, 4)));
    panics_with("as many records as", |ctx| drop(decide(ctx, 0, 6, 0, 1)));
    panics_with("all slots that it reads", |ctx| drop(decide(ctx, 0, 5, 3, 3)));
    panics_with("as what it was defined as", |ctx| drop(decide(ctx, 1, 6, 3, 3)));
    panics_with("as what it was defined as", |ctx| {
        let slots = [Slot::MISSING; 6];
        let buffers = [dtq_jit::BufferTable::default()];
        let records = dtq_jit::Records { slots: &slots, stride: 6, buffers: &buffers };
        drop(code.condition(0).decide_many(ctx, &NoSubqueries, records, &mut [0]));
    });
}

#[test]
fn rows_are_no_checked_records() {
    let (program, expr) = expression("string_column == 'error'").unwrap();
    let row: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Row).collect();
    let entry = Entry { program: &program, expr, inputs: &row, kind: EntryKind::Checked };
    let refusal = Compiler::host().unwrap().compile(&[entry]).unwrap_err();
    assert!(refusal.to_string().contains("checked records are read from slots"), "{refusal}");
}

const SOURCES: [SlotSource; 5] = [
    SlotSource::Own(1),
    SlotSource::Fixed(Slot::long(7)),
    SlotSource::Own(9),
    SlotSource::Fixed(Slot::MISSING),
    SlotSource::Fixed(Slot::view(Tag::String, Buffer::Pool, 0, 3, 4)),
];

#[test]
fn slots_are_chosen_as_conditions_say() {
    for seed in 0..300 {
        let mut choices = Choices::Seed(seed * 32_452_843 + 7);
        let texts: Vec<String> = (0..4).map(|_| text(&mut choices)).collect();
        if texts.iter().any(|text| text.contains("rand")) {
            continue;
        }
        let Some((program, expr)) = expression(&format!("pack_array({})", texts.join(", "))) else { continue };
        let ExprKind::Call { args, .. } = &program.expr(expr).kind else { continue };
        let mut source = || *choices.pick(&SOURCES);
        let wanted = [
            SlotChoice { arms: vec![(args[0], source()), (args[1], source())], otherwise: source() },
            SlotChoice { arms: vec![(args[2], source())], otherwise: source() },
            SlotChoice { arms: vec![(args[3], source())], otherwise: source() },
            SlotChoice { arms: Vec::new(), otherwise: source() },
        ];
        let chooser = Compiler::host().unwrap().compile_checked_choices(&program, &inputs(), &wanted).unwrap();
        let records = Rows::new(&mut choices, 9).checked();
        let interpreter = Interpreter::new(&program).unwrap();
        let chosen = |at: usize, choice: &SlotChoice| -> Result<Slot, Fault> {
            let read = |source: SlotSource| match source {
                SlotSource::Own(slot) => records.slot(at, slot as usize),
                SlotSource::Fixed(slot) => slot,
            };
            for (condition, source) in &choice.arms {
                if interpreter.holds(*condition, &RecordCells { records: &records, at }, &mut context())? {
                    return Ok(read(*source));
                }
            }
            Ok(read(choice.otherwise))
        };
        let expected: Vec<Result<Vec<Slot>, Fault>> =
            (0..9).map(|at| wanted.iter().map(|choice| chosen(at, choice)).collect()).collect();
        check_chosen(&chooser, &records, &expected, &texts);
    }
}

/// Checks what is chosen up to the first record that fails.
fn check_chosen(
    chooser: &CheckedChooser,
    records: &CheckedRecords,
    expected: &[Result<Vec<Slot>, Fault>],
    texts: &[String],
) {
    let mut ctx = NativeContext::new(context());
    let mut out = vec![Slot::MISSING; expected.len() * 4];
    let (done, fault) = chooser.choose(&mut ctx, &NoSubqueries, records, &mut out);
    let fine: Vec<Slot> = expected.iter().map_while(|slots| slots.as_ref().ok()).flatten().copied().collect();
    assert_eq!((done * 4, &out[..done * 4]), (fine.len(), fine.as_slice()), "{texts:?}");
    let wanted = expected.get(done).and_then(|slots| slots.as_ref().err()).map(|fault| fault.code);
    assert_eq!(fault.map(|fault| fault.code), wanted, "{texts:?}");
}

#[test]
fn choices_have_room_for_whole_records() {
    let choice = SlotChoice { arms: Vec::new(), otherwise: SlotSource::Own(5) };
    let (program, _) = expression("true").unwrap();
    let compiler = Compiler::host().unwrap();
    let chooser = compiler.compile_checked_choices(&program, &inputs(), &[choice.clone(), choice]).unwrap();
    let mut records = CheckedRecords::new(6);
    records.fill(&[Slot::long(3); 12], Vec::new()).unwrap();
    let choose = |ctx: &mut NativeContext, room: usize| {
        let mut out = vec![Slot::MISSING; room];
        let done = chooser.choose(ctx, &NoSubqueries, &records, &mut out);
        (done, out)
    };
    let mut ctx = NativeContext::new(context());
    assert_eq!(choose(&mut ctx, 4), ((2, None), vec![Slot::long(3); 4]));
    assert_eq!(choose(&mut ctx, 0), ((0, None), Vec::new()));
    panics_with("room for whole records", |ctx| drop(choose(ctx, 3)));
    panics_with("as many records as", |ctx| drop(choose(ctx, 6)));
}
