//! Decoded records as slots of dtq, filled beforehand, and the questions over them: conditions and edits, each a loop in
//! generated code over all records, and the interpreter beside it.
//!
//! What stands in a field of the struct that code by hand reads stands in a slot here, texts in one arena for all
//! records. Next: [`crate::decoded`].

use crate::engine::{Engine, NOW_TICKS, files};
use crate::questions::{self, RuleText};
use crate::work::Work;
use dtq_interp::{Cells, Interpreter};
use dtq_ir::{Expr, ExprId, ExprKind, Program};
use dtq_jit::{Code, Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries};
use dtq_jit::{SlotChoice, SlotSource};
use dtq_record::checked::CheckedRecords;
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_record::slot::{Buffer, Buffers, Slot, Tag};
use dtq_record::tables::Base;
use dtq_rules::compile::RuleSet;
use dtq_rules::compile::cells::Cell;
use dtq_rules::compile::rule::CompiledRule;
use dtq_rules::engine::{Processor, SlotBuffers, SlotVerdict};
use dtq_source::{Limits, Span};
use dtq_value::scalar::{Context, Fault};
use dtq_value::{Str, Type, Value};
use dtq_workload::slots::Slots as Decoded;
use std::rc::Rc;
use std::sync::Arc;

/// What code by hand has in its struct, in the same order.
const FIELDS: [(usize, Option<&str>); 8] = [
    (column::SEVERITY_NUMBER, None),
    (column::ATTRIBUTES, Some("http.status_code")),
    (column::ATTRIBUTES, Some("duration_ms")),
    (column::ATTRIBUTES, Some("EventName")),
    (column::ATTRIBUTES, Some("http.route")),
    (column::RESOURCE, Some("service.name")),
    (column::BODY, None),
    (column::ATTRIBUTES, Some("secret")),
];

/// Where cells are found that decoded records do not have; code that would read one is refused.
const NO_INPUT: Input = Input::Slot(u32::MAX);

/// The slot of `secret`.
const SECRET: usize = 7;

/// Holds records as slots.
pub struct Filled {
    /// One record behind the other.
    pub slots: Vec<Slot>,
    /// Slots of a record.
    pub stride: usize,
    arena: Vec<u8>,
    /// The same records, checked.
    pub checked: CheckedRecords,
}

impl Filled {
    /// Returns the records with these fields.
    ///
    /// # Errors
    /// When a field is none that decoded records have.
    pub fn new(records: &[Decoded], paths: &[FieldPath], stride: usize) -> Result<Self, String> {
        let (slots, checked) = (vec![Slot::MISSING; stride * records.len()], CheckedRecords::new(stride));
        let mut filled = Self { slots, stride, arena: Vec::new(), checked };
        let mut service: (Arc<str>, Slot) = (Arc::from(""), Slot::EMPTY_STRING);
        for (index, record) in records.iter().enumerate() {
            if !Arc::ptr_eq(&service.0, &record.service) {
                service = (Arc::clone(&record.service), filled.text(&record.service));
            }
            for (position, path) in paths.iter().enumerate() {
                filled.slots[index * stride + position] = filled.slot(record, path, service.1)?;
            }
        }
        filled.checked.fill(&filled.slots, filled.arena.clone()).map_err(|misfit| misfit.to_string())?;
        Ok(filled)
    }

    fn text(&mut self, text: &str) -> Slot {
        let offset = u32::try_from(self.arena.len()).expect("records of a run have less than 4 GiB");
        self.arena.extend_from_slice(text.as_bytes());
        Slot::view(Tag::String, Buffer::Arena, 0, offset, text.len() as u32)
    }

    fn slot(&mut self, record: &Decoded, path: &FieldPath, service: Slot) -> Result<Slot, String> {
        let key = path.key.as_ref().map(Str::as_text);
        Ok(match (path.column, key.as_deref()) {
            (column::SEVERITY_NUMBER, None) => Slot::int(record.severity),
            (column::BODY, None) => self.text(&record.body),
            (column::RESOURCE, Some("service.name")) => service,
            (column::ATTRIBUTES, Some("http.status_code")) if record.status == i64::MIN => Slot::MISSING,
            (column::ATTRIBUTES, Some("http.status_code")) => Slot::long(record.status),
            (column::ATTRIBUTES, Some("duration_ms")) => Slot::real(record.duration_ms),
            (column::ATTRIBUTES, Some("EventName")) => self.text(&record.event),
            (column::ATTRIBUTES, Some("http.route")) => self.text(&record.route),
            (column::ATTRIBUTES, Some("secret")) => match &record.secret {
                Some(secret) => self.text(secret),
                None => Slot::MISSING,
            },
            other => return Err(format!("decoded records have no field {other:?}")),
        })
    }

    /// Returns the bytes that views are of.
    pub fn buffers(&self) -> Buffers<'_> {
        Buffers { arena: &self.arena, ..Buffers::default() }
    }

    fn record_count(&self) -> usize {
        self.slots.len() / self.stride
    }
}

/// Returns the records with the fields that code by hand has.
pub fn filled(work: &Work) -> Rc<Filled> {
    let paths = FIELDS.map(|(column, key)| FieldPath { column, key: key.map(Str::from) });
    Rc::new(Filled::new(&work.slots, &paths, FIELDS.len()).expect("decoded records have these fields"))
}

/// Returns what puts records that are decoded already into columns of slots that are checked, texts copied into the
/// arena as whoever decodes them would.
pub fn check(filled: Rc<Filled>) -> impl FnMut() -> u64 {
    let mut checked = CheckedRecords::new(filled.stride);
    move || {
        let mut arena = checked.clear();
        arena.extend_from_slice(&filled.arena);
        checked.fill(&filled.slots, arena).expect("texts lie in the arena");
        checked.record_count() as u64
    }
}

/// Holds conditions of a question, over the slots of [`filled`].
pub struct Question {
    program: Program,
    conditions: Vec<ExprId>,
    inputs: Vec<Input>,
}

impl Question {
    /// Returns the condition that a query filters by.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn filter(kql: &str) -> Result<Self, String> {
        let set = rule_set("drop", kql)?;
        let mut question = Self::of(&set)?;
        let conditions: Vec<ExprId> = set.rules[0].conditions.iter().map(|condition| condition.expr).collect();
        // As a rule set joins them: the second is not asked where the first is not true.
        let program = &mut question.program;
        let all = conditions.into_iter().rev().reduce(|rest, first| {
            let mut add = |kind| program.add_expr(Expr { kind, ty: Type::Bool, span: Span::default() });
            let otherwise = add(ExprKind::Const(Value::Bool(false)));
            add(ExprKind::Case { arms: vec![(first, rest)], otherwise })
        });
        question.conditions.extend(all);
        Ok(question)
    }

    /// Returns the conditions that decide what T1 edits: that the secret goes, and that the tier comes.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn edits() -> Result<Self, String> {
        let set = rule_set("replace", questions::T1)?;
        let mut question = Self::of(&set)?;
        for key in ["EventName", "duration_ms"] {
            let found = choices(&set.rules[0]).find(|choice| question.reads(*choice, key));
            question.conditions.push(found.ok_or("T1 does not decide by its fields")?);
        }
        Ok(question)
    }

    fn of(set: &RuleSet) -> Result<Self, String> {
        let cells = &set.base(Base::Logs).cells;
        let inputs = cells.cells().iter().map(|cell| match cell {
            Cell::Slot(slot) => {
                let path = &cells.paths()[*slot as usize];
                let is_it = |(column, key): &(usize, Option<&str>)| {
                    *column == path.column && *key == path.key.as_ref().map(Str::as_text).as_deref()
                };
                FIELDS.iter().position(is_it).map_or(NO_INPUT, |field| Input::Slot(field as u32))
            }
            _ => NO_INPUT,
        });
        let inputs = inputs.collect();
        Ok(Self { program: set.rules[0].flat.program.clone(), conditions: Vec::new(), inputs })
    }

    fn reads(&self, root: ExprId, key: &str) -> bool {
        match &self.program.expr(root).kind {
            ExprKind::Column(cell) => matches!(self.inputs[*cell as usize], Input::Slot(slot)
                if FIELDS.get(slot as usize).is_some_and(|field| field.1 == Some(key))),
            kind => kind.children().into_iter().any(|child| self.reads(child, key)),
        }
    }

    /// Returns the conditions as native code.
    ///
    /// # Errors
    /// Why there is none.
    pub fn code(&self) -> Result<Code, String> {
        let entry = |expr: &ExprId| Entry {
            program: &self.program,
            expr: *expr,
            inputs: &self.inputs,
            kind: EntryKind::Checked,
        };
        let entries: Vec<Entry<'_>> = self.conditions.iter().map(entry).collect();
        let compiler = Compiler::host().map_err(|refusal| refusal.to_string())?;
        compiler.compile(&entries).map_err(|refusal| refusal.to_string())
    }

    /// Says whether a condition is true of a record, by the interpreter.
    fn holds(&self, at: usize, record: &SlotCells<'_>, ctx: &mut Context) -> bool {
        let interpreter = Interpreter::resume(&self.program, dtq_interp::Subqueries::default());
        interpreter.holds(self.conditions[at], record, ctx).expect("records are well-formed")
    }
}

fn rule_set(to: &'static str, kql: &str) -> Result<RuleSet, String> {
    Engine::Native.rule_set(&files(&questions::one(to, kql)))
}

fn choices(rule: &CompiledRule) -> impl Iterator<Item = ExprId> + '_ {
    let conditions = rule.flat.program.exprs().iter().filter_map(|expr| match &expr.kind {
        ExprKind::Case { arms, .. } => Some(arms.iter().map(|(condition, _)| *condition)),
        _ => None,
    });
    conditions.flatten()
}

/// Gives the interpreter the cells of a record.
struct SlotCells<'r> {
    inputs: &'r [Input],
    slots: &'r [Slot],
    buffers: Buffers<'r>,
}

impl Cells for SlotCells<'_> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        let Input::Slot(slot) = self.inputs[index] else { unreachable!("questions read slots") };
        Ok(self.slots[slot as usize].value(&self.buffers, 64).expect("decoded records hold no messages"))
    }
}

/// Returns a context for evaluation.
pub fn context() -> Context {
    Context::new(Limits::default(), NOW_TICKS, 1)
}

/// Returns a count of the records that a question is true of, by native code.
///
/// # Errors
/// Why there is none.
pub fn count_natively(question: &Question, filled: Rc<Filled>) -> Result<impl FnMut() -> u64 + use<>, String> {
    let code = question.code()?;
    let mut native = NativeContext::new(context());
    let mut out = vec![0; filled.record_count()];
    Ok(move || {
        decide(&code, 0, &mut native, &filled, &mut out);
        count_ones(&out)
    })
}

/// Returns the sum of bytes that are 0 or 1, in parts whose sum fits a byte: as vectors add them.
fn count_ones(bytes: &[u8]) -> u64 {
    bytes.chunks(usize::from(u8::MAX)).map(|part| u64::from(part.iter().sum::<u8>())).sum()
}

/// Decides a condition of all records.
fn decide(code: &Code, at: u32, native: &mut NativeContext, filled: &Filled, out: &mut [u8]) {
    let (_, fault) = code.condition(at).decide_checked(native, &NoSubqueries, &filled.checked, out);
    assert!(fault.is_none(), "records are well-formed: {fault:?}");
}

/// Returns a count of the records that a question is true of, by the interpreter.
pub fn count_interpreted(question: Question, filled: Rc<Filled>) -> impl FnMut() -> u64 {
    let mut ctx = context();
    move || {
        let records = filled.slots.chunks_exact(filled.stride);
        let held = records.filter(|slots| {
            question.holds(0, &SlotCells { inputs: &question.inputs, slots, buffers: filled.buffers() }, &mut ctx)
        });
        held.count() as u64
    }
}

/// What T1 makes of a record: `secret` and `tier`.
pub type Edited = [Slot; 2];

/// The text that `tier` becomes.
const GOLD: Slot = Slot::view(Tag::String, Buffer::Pool, 0, 0, 4);

/// Returns what T1 makes of a record, given what was decided.
fn edited(slots: &[Slot], is_bare: bool, is_gold: bool) -> Edited {
    [if is_bare { Slot::MISSING } else { slots[SECRET] }, if is_gold { GOLD } else { Slot::MISSING }]
}

/// Returns what writes a column of what T1 makes of each record, by native code.
///
/// # Errors
/// Why there is none.
pub fn edit_natively(question: &Question, filled: Rc<Filled>) -> Result<impl FnMut(&mut Vec<Edited>) + use<>, String> {
    let (goes, comes) = (question.conditions[0], question.conditions[1]);
    let choices = [
        SlotChoice { arms: vec![(goes, SlotSource::Fixed(Slot::MISSING))], otherwise: SlotSource::Own(SECRET as u32) },
        SlotChoice { arms: vec![(comes, SlotSource::Fixed(GOLD))], otherwise: SlotSource::Fixed(Slot::MISSING) },
    ];
    let compiler = Compiler::host().map_err(|refusal| refusal.to_string())?;
    let chooser = compiler.compile_checked_choices(&question.program, &question.inputs, &choices);
    let chooser = chooser.map_err(|refusal| refusal.to_string())?;
    let mut native = NativeContext::new(context());
    Ok(move |column: &mut Vec<Edited>| {
        column.resize(filled.record_count(), [Slot::MISSING; 2]);
        let (_, fault) = chooser.choose(&mut native, &NoSubqueries, &filled.checked, column.as_flattened_mut());
        assert!(fault.is_none(), "records are well-formed: {fault:?}");
    })
}

/// Returns what writes a column of what T1 makes of each record, by the interpreter.
pub fn edit_interpreted(question: Question, filled: Rc<Filled>) -> impl FnMut(&mut Vec<Edited>) {
    let mut ctx = context();
    move |column| {
        column.clear();
        column.extend(filled.slots.chunks_exact(filled.stride).map(|slots| {
            let cells = SlotCells { inputs: &question.inputs, slots, buffers: filled.buffers() };
            edited(slots, question.holds(0, &cells, &mut ctx), question.holds(1, &cells, &mut ctx))
        }));
    }
}

/// Returns the texts of what T1 made of a record, as code by hand has them.
pub fn texts<'a>(edited: &Edited, filled: &'a Filled) -> [Option<&'a [u8]>; 2] {
    let buffers = Buffers { pool: b"gold", ..filled.buffers() };
    [edited[0].as_text(&buffers), edited[1].as_text(&buffers)]
}

/// Holds a rule set over the slots that it reads.
pub struct Judged {
    processor: Processor,
    filled: Filled,
    /// The slot of the service, where it is read: where it changes, another resource begins.
    service: Option<usize>,
}

impl Judged {
    /// Returns a rule set over records.
    ///
    /// # Errors
    /// What is wrong with a rule, or with the fields that rules read.
    pub fn new(engine: Engine, rules: &[RuleText], records: &[Decoded]) -> Result<Self, String> {
        let mut processor = engine.processor_of(rules)?;
        let judge = processor.slot_judge(Signal::Logs, NOW_TICKS);
        let filled = Filled::new(records, judge.paths(), judge.slot_count())?;
        let service = judge.paths().iter().position(|path| path.column == column::RESOURCE);
        Ok(Self { processor, filled, service })
    }

    /// Calls `each` with the rule that removes a record, for each record in order.
    pub fn judge(&mut self, mut each: impl FnMut(Option<usize>)) {
        let mut judge = self.processor.slot_judge(Signal::Logs, NOW_TICKS);
        let buffers = SlotBuffers::new(self.filled.buffers());
        let mut service = None;
        for slots in self.filled.slots.chunks_exact(self.filled.stride) {
            let own = self.service.map_or(Slot::MISSING, |slot| slots[slot]);
            if service != Some(own) {
                judge.enter(slots, &buffers);
                service = Some(own);
            }
            each(match judge.judge(slots, &buffers) {
                SlotVerdict::Removed(rule) => Some(rule),
                SlotVerdict::Pass => None,
                SlotVerdict::Undecided => unreachable!("rules drop records and do nothing else"),
            });
        }
    }

    /// Returns how many records are removed.
    pub fn count(&mut self) -> u64 {
        let mut count = 0;
        self.judge(|rule| count += u64::from(rule.is_some()));
        count
    }
}
