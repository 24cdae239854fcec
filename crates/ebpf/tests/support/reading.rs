//! Programs that only read a payload, and what they and user space say of its fields.

use dtq_ebpf::asm::Label;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::Emitter;
use dtq_ebpf::insn::{Alu, Cond, Insn, Reg, Size};
use dtq_ebpf::payload::{Judge, Wanted};
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{MapDef, Unsupported, layout, text};
use dtq_record::input::{Options, originals::Original};
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_record::{Format, Inputs};
use dtq_source::Limits;
use dtq_value::{Str, Value};

/// What writes the code that reads a payload.
pub type Emit = fn(&mut Emitter, &[Wanted], &mut Judge<'_>, Label) -> Result<(), Unsupported>;

/// Holds a program that reads a payload: it returns 0 when its fields are known, and all bits when it is undecided.
pub struct Reading {
    pub paths: Vec<FieldPath>,
    pub program: Vec<Insn>,
    pub maps: Vec<MapDef>,
    /// What the scratch holds before the first run.
    pub scratch: Vec<u8>,
}

/// What a program says of a payload: the fields, or why not.
pub type Fields = Result<Vec<Field>, u64>;

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    Known(Value),
    Undecided(u32),
}

impl Reading {
    pub fn new(paths: &[FieldPath], emit: Emit) -> Self {
        let judge = |e: &mut Emitter, dropped: Label| e.asm.jump(dropped);
        Self::judged(paths, emit, judge)
    }

    /// Returns one that judges the record.
    pub fn judged(paths: &[FieldPath], emit: Emit, mut judge: impl FnMut(&mut Emitter, Label)) -> Self {
        let mut e = Emitter::new(1);
        prologue(&mut e);
        let dropped = e.asm.label();
        let wanted: Vec<Wanted> =
            (0..paths.len()).map(|index| Wanted { path: paths[index].clone(), field: layout::field(index) }).collect();
        emit(&mut e, &wanted, &mut judge, dropped).expect("the fields can be read");
        e.asm.bind(dropped);
        e.asm.mov(Reg::R0, 0);
        e.asm.exit();
        let kept = e.kept();
        e.bind_undecided();
        e.asm.bind(kept);
        e.asm.mov(Reg::R0, -1);
        e.asm.exit();
        let mut scratch = vec![0xA5; layout::SIZE];
        let words = layout::WORDS as usize + 8;
        scratch[words..words + e.words().len()].copy_from_slice(e.words());
        let (program, maps) = e.finish();
        dtq_ebpf::check::check(&program, &maps).unwrap_or_else(|wrong| panic!("{wrong}\n{}", text::print(&program)));
        Self { paths: paths.to_vec(), program, maps, scratch }
    }

    /// Runs it in user space, with what an earlier run left where nothing was written.
    pub fn run(&self, maps: &mut Maps, payload: &[u8]) -> Fields {
        let mut context = [0; 192];
        context[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let input = Input { context: &context, packet: payload, steps_max: 1_000_000, ..Input::default() };
        let outcome = Machine::new(&self.program, maps).run(&input);
        let outcome = outcome
            .unwrap_or_else(|trap| panic!("{trap}\n{:?}\n{}", payload.escape_ascii(), text::print(&self.program)));
        let scratch = maps.get(0, &[0; 4]).expect("there is one scratch");
        self.fields(outcome.result as u32, scratch)
    }

    pub fn maps(&self) -> Maps {
        let mut maps = Maps::new(&self.maps);
        assert!(maps.set(0, &[0; 4], &self.scratch));
        maps
    }

    /// Returns what a run left.
    pub fn fields(&self, result: u32, scratch: &[u8]) -> Fields {
        let cell = |at: usize| u64::from_le_bytes(scratch[at..at + 8].try_into().expect("eight bytes"));
        if result != 0 {
            return Err(cell(layout::REASON as usize));
        }
        let field = |index: usize| {
            let at = layout::field(index) as usize;
            let (state, length, value) = (cell(at) as u32, (cell(at) >> 32) as u32, cell(at + 8));
            Field::Known(match state {
                0 => Value::Null,
                1 => Value::string(&scratch[value as usize..value as usize + length as usize]),
                2 => Value::Long(value as i64),
                3 => Value::Bool(value != 0),
                4 => Value::Real(f64::from_bits(value)),
                5 => Value::DateTime(value as i64),
                _ => return Field::Undecided(length),
            })
        };
        Ok((0..self.paths.len()).map(field).collect())
    }
}

/// Adds what every filter begins with.
fn prologue(e: &mut Emitter) {
    let (begin, end) = (e.asm.label(), e.asm.label());
    e.asm.mov(Reg::R6, Reg::R1);
    e.asm.store(Size::Word, Reg::FRAME, -4, 0);
    e.asm.mov_map(Reg::R1, 0);
    e.asm.mov_frame(Reg::R2, -4);
    e.asm.call(Helper::MapLookup);
    e.asm.branch(Cond::Eq, Reg::R0, 0, end);
    e.asm.mov(Reg::R9, Reg::R0);
    e.asm.load(Size::Word, Reg::R8, Reg::R6, 0);
    e.asm.branch(Cond::Eq, Reg::R8, 0, end);
    e.asm.branch(Cond::Gt, Reg::R8, layout::PAYLOAD_MAX as i32, end);
    e.store(layout::LENGTH, Reg::R8);
    e.asm.mov(Reg::R1, Reg::R6);
    e.asm.mov(Reg::R2, 0);
    e.asm.mov(Reg::R3, Reg::R9);
    e.asm.alu(Alu::Add, Reg::R3, i32::from(layout::PAYLOAD));
    e.asm.mov(Reg::R4, Reg::R8);
    e.asm.call(Helper::SkbLoadBytes);
    e.asm.branch(Cond::Eq, Reg::R0, 0, begin);
    e.asm.bind(end);
    e.asm.mov(Reg::R0, -2);
    e.asm.exit();
    e.asm.bind(begin);
    e.asm.mov(Reg::R1, Reg::R9);
    e.asm.alu(Alu::Add, Reg::R1, Reg::R8);
    for at in (0..layout::PADDING as i16).step_by(8) {
        e.asm.store(Size::Double, Reg::R1, layout::PAYLOAD + at, 0);
    }
    e.store(layout::STEPS, layout::STEPS_MAX);
    e.store(layout::REASON, 0);
}

/// Returns a path.
pub fn path(column: usize, key: Option<&str>) -> FieldPath {
    FieldPath { column, key: key.map(Str::from) }
}

/// Returns the rows that user space reads of a payload.
pub fn rows(format: Format, payload: &[u8], now_ticks: i64) -> Vec<Vec<Value>> {
    let input = dtq_record::Input::from_bytes("payload", "T", payload.to_vec()).with_format(format);
    let inputs =
        Inputs::probe(vec![input], &Options { now_ticks }, &Limits::default()).expect("it is read from memory");
    let Some(mut originals) = inputs.originals(0).expect("it is read from memory") else { return Vec::new() };
    let mut rows = Vec::new();
    let _ = originals.mark();
    while let Some(Original { row, is_malformed, .. }) = originals.next_record().expect("it is read from memory") {
        // What is malformed counts as a record, so that there is not one alone.
        rows.extend(row);
        if is_malformed {
            rows.push(Vec::new());
        }
    }
    rows
}

/// Returns what user space reads in a field.
pub fn expected(row: &[Value], path: &FieldPath) -> Value {
    let found = match (&row[path.column], &path.key) {
        (Value::Bag(bag), Some(key)) => bag.get(key.as_bytes()).cloned().unwrap_or(Value::Null),
        (_, Some(_)) => Value::Null,
        (value, None) => value.clone(),
    };
    if let Value::Int(number) = found { Value::Long(number.into()) } else { found }
}

/// Compares what a program says with what user space does; returns how many fields were decided.
pub fn compare(reading: &Reading, format: Format, payload: &[u8], now_ticks: i64, found: &Fields) -> usize {
    let Ok(fields) = found else { return 0 };
    let rows = rows(format, payload, now_ticks);
    let shown = payload.escape_ascii();
    assert!(rows.len() == 1 && rows[0].len() > column::SCOPE, "{} records decided as one: {shown}", rows.len());
    let mut decided = 0;
    for (path, field) in reading.paths.iter().zip(fields) {
        if let Field::Known(value) = field {
            assert_eq!(*value, expected(&rows[0], path), "{path:?} of {shown}");
            decided += 1;
        }
    }
    decided
}
