//! A site, its arguments and a condition to a program that writes a record of each hit for which the condition holds.
//!
//! What the condition reads is read first, the rest only of hits that are wanted. A hit of which the kernel cannot tell
//! whether the condition holds, since a text was cut or could not be read, is delivered and says so. Nothing is loaded
//! here. Next: `record.rs`. Tests: `tests/probe/main.rs`, `tests/live/trace.rs`.

use crate::trace::arguments::{self, ARGUMENTS_MAX, Argument, ArgumentType, Source};
use crate::trace::error::TraceError;
use crate::trace::layout;
use crate::trace::reading::{CONTEXT, VALUE, narrow, read_operand};
use crate::trace::site::Site;
use dtq_ebpf::asm::Label;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::{COUNTS_MAP, Emitter, Outcome, SCRATCH, SCRATCH_MAP};
use dtq_ebpf::insn::{Alu, AtomicOp, Cond, Insn, Reg, Size};
use dtq_ebpf::layout::{BUSY, PAYLOAD_MAX, READER, REASON, Reason, STEPS, STEPS_MAX, State, field};
use dtq_ebpf::reached::reached;
use dtq_ebpf::{MapDef, MapKind, Unsupported};

/// Runs that may be under way on one processor: a thread may be put aside in the middle of one for another thread.
const SLOT_COUNT: u32 = 4;
/// Holds how long the record is, over calls.
const SIZE: Reg = Reg::R7;
/// The position of the ring buffer among a program's maps.
pub const RING_MAP: u32 = 2;

/// Says what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Hits.
    Hits,
    /// Hits for which the condition holds, or may hold, and their bytes in the ring buffer.
    Matched,
    /// Matched ones for which the ring buffer had no room.
    Lost,
    /// Reads of memory that failed.
    FailedReads,
    /// Matched ones for which the condition was not decided.
    Undecided,
    /// Hits that were not looked at, since too many runs were under way on the same processor.
    Busy,
}

impl Count {
    /// All counts.
    pub const ALL: [Self; 6] = [Self::Hits, Self::Matched, Self::Lost, Self::FailedReads, Self::Undecided, Self::Busy];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Count::Hits => "hits",
            Count::Matched => "matched",
            Count::Lost => "lost",
            Count::FailedReads => "failed-reads",
            Count::Undecided => "undecided",
            Count::Busy => "busy",
        }
    }

    /// Returns its position in the map of counts.
    pub fn position(self, site: usize) -> u32 {
        let index = Self::ALL.iter().position(|count| *count == self).expect("all are there");
        u32::try_from(site * Self::ALL.len() + index).expect("sites are few")
    }
}

/// Names what a condition may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// `Function`, a string.
    Function,
    /// `Pid`, a long, as the first pid namespace numbers it.
    Pid,
    /// `Tid`, a long.
    Tid,
    /// `Command`, a string: the name of the thread.
    Command,
    /// An argument that goes into the log: `arg0`, `ret`.
    Argument(Source),
}

impl Column {
    /// Returns the column of a name, among these arguments.
    pub fn of_name(name: &str, arguments: &[Argument]) -> Option<Self> {
        match name {
            "Function" => Some(Column::Function),
            "Pid" => Some(Column::Pid),
            "Tid" => Some(Column::Tid),
            "Command" => Some(Column::Command),
            _ => {
                let argument = arguments.iter().find(|argument| argument.source.to_string() == name)?;
                Some(Column::Argument(argument.source))
            }
        }
    }
}

/// Writes the code of a condition.
///
/// It finds the address of the scratch in [`SCRATCH`], which it leaves there, and the columns in cells of the scratch, by
/// their positions in [`Condition::columns`]: [`dtq_ebpf::layout::field`]. Every other register and the stack are its own,
/// as are the cells of `SEARCH`, `JUDGE` and `FACTS`, which hold what runs before have left. It goes on at a label of the outcome.
pub type WriteCondition<'c> = dyn FnMut(&mut Emitter, Outcome) -> Result<(), Unsupported> + 'c;

/// Holds what the kernel decides about a hit.
pub struct Condition<'c> {
    /// What it reads.
    pub columns: Vec<Column>,
    /// Writes its code, once for each site.
    pub write: Box<WriteCondition<'c>>,
}

impl std::fmt::Debug for Condition<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// Holds a program with its maps.
#[derive(Debug)]
pub struct Probe {
    /// The program.
    pub insns: Vec<Insn>,
    /// Its maps: the scratch, the counts, the ring buffer, those of the condition. Sites of a trace share the second and the
    /// third.
    pub maps: Vec<MapDef>,
    /// What the scratch holds before the first run.
    pub scratch: Vec<u8>,
}

/// Holds what a program is made for.
#[derive(Clone, Copy, Debug)]
pub struct Task<'t> {
    /// The site.
    pub site: &'t Site,
    /// Its position among those of the trace.
    pub site_index: usize,
    /// How many the trace has.
    pub site_count: usize,
    /// What goes into the log.
    pub arguments: &'t [Argument],
    /// Bytes of the ring buffer: a power of two, and whole pages.
    pub ring_size_bytes: u32,
}

/// Returns the program of a site.
///
/// # Errors
/// When the site has no such arguments, and when the condition is not decided in the kernel.
pub fn probe(task: &Task<'_>, mut condition: Option<&mut Condition<'_>>) -> Result<Probe, TraceError> {
    let columns = condition.as_ref().map(|condition| condition.columns.clone()).unwrap_or_default();
    check(task, &columns)?;
    let mut writer = Writer { emitter: Emitter::new(Count::ALL.len() * task.site_count), task, columns: &columns };
    let ring = writer.emitter.add_map(MapDef::new("hits", MapKind::RingBuffer, 0, 0, task.ring_size_bytes));
    assert_eq!(ring, RING_MAP, "a new emitter has two maps");
    writer.begin();
    writer.read_arguments()?;
    writer.read_texts(true);
    let released = writer.emitter.asm.label();
    if let Some(condition) = &mut condition {
        writer.fill_columns()?;
        writer.decide(condition, released)?;
    }
    writer.read_texts(false);
    writer.deliver();
    writer.emitter.asm.bind(released);
    writer.release();
    let mut emitter = writer.emitter;
    emitter.bind_undecided();
    let mut scratch = vec![0; dtq_ebpf::layout::SIZE];
    let words = dtq_ebpf::layout::WORDS as usize;
    scratch[words..words + 8].copy_from_slice(&1_u64.to_le_bytes());
    scratch[words + 8..words + 8 + emitter.words().len()].copy_from_slice(emitter.words());
    let (insns, mut maps) = emitter.finish();
    maps[SCRATCH_MAP as usize].entries_max = SLOT_COUNT;
    // A condition need not use all of its outcomes.
    let insns = reached(&insns);
    Ok(Probe { insns, maps, scratch })
}

fn check(task: &Task<'_>, columns: &[Column]) -> Result<(), TraceError> {
    assert!(task.arguments.len() <= ARGUMENTS_MAX, "`arguments::parse` gives no more");
    for column in columns {
        let Column::Argument(source) = column else { continue };
        match task.arguments.iter().find(|argument| argument.source == *source) {
            None => return Err(TraceError::Condition(format!("`{source}` is not among the arguments of the log"))),
            Some(Argument { kind: ArgumentType::Bytes(_), .. }) => {
                return Err(TraceError::Condition(format!(
                    "`{source}` is bytes, not text: write `{source}: string(...)`"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Writes the code of a probe. The context is in [`super::reading::CONTEXT`] until arguments were read.
pub(super) struct Writer<'w> {
    pub(super) emitter: Emitter,
    task: &'w Task<'w>,
    columns: &'w [Column],
}

impl Writer<'_> {
    /// Adds one to a count, and the number in a register to its bytes. Clobbers `r0` to `r5`; the register is none of them.
    fn count(&mut self, count: Count, bytes: Option<Reg>) {
        let asm = &mut self.emitter.asm;
        let missing = asm.label();
        asm.store(Size::Word, Reg::FRAME, -4, count.position(self.task.site_index) as i32);
        asm.mov_map(Reg::R1, COUNTS_MAP);
        asm.mov_frame(Reg::R2, -4);
        asm.call(Helper::MapLookup);
        asm.branch(Cond::Eq, Reg::R0, 0, missing);
        asm.mov(Reg::R1, 1);
        // In one step, since a thread may be put aside in between for one that counts too.
        let add = |offset, src| {
            let (size, op, base) = (Size::Double, AtomicOp::Add, Reg::R0);
            Insn::Atomic { size, op, is_fetched: false, base, offset, src }
        };
        asm.add(add(0, Reg::R1));
        if let Some(bytes) = bytes {
            asm.add(add(8, bytes));
        }
        asm.bind(missing);
    }

    /// Counts the hit and takes a scratch that no other run on this processor has.
    fn begin(&mut self) {
        self.emitter.asm.mov(CONTEXT, Reg::R1);
        self.count(Count::Hits, None);
        let asm = &mut self.emitter.asm;
        let (taken, missing) = (asm.label(), asm.label());
        for slot in 0..SLOT_COUNT {
            asm.store(Size::Word, Reg::FRAME, -4, slot as i32);
            asm.mov_map(Reg::R1, SCRATCH_MAP);
            asm.mov_frame(Reg::R2, -4);
            asm.call(Helper::MapLookup);
            asm.branch(Cond::Eq, Reg::R0, 0, missing);
            asm.mov(SCRATCH, Reg::R0);
            asm.mov(Reg::R1, 1);
            let (op, base, src) = (AtomicOp::Exchange, SCRATCH, Reg::R1);
            asm.add(Insn::Atomic { size: Size::Double, op, is_fetched: true, base, offset: BUSY, src });
            asm.branch(Cond::Eq, Reg::R1, 0, taken);
        }
        asm.bind(missing);
        self.count(Count::Busy, None);
        let asm = &mut self.emitter.asm;
        asm.mov(Reg::R0, 0);
        asm.exit();
        asm.bind(taken);
        self.emitter.store(REASON, 0);
        let asm = &mut self.emitter.asm;
        asm.store(Size::Word, SCRATCH, layout::END, i32::from(layout::texts(self.task.arguments.len())));
        // Both halves: nothing is cut, nothing failed.
        asm.store(Size::Word, SCRATCH, layout::CUT, 0);
    }

    /// Reads what the registers hold, or memory that they name, into the cells of arguments; an address stays one.
    fn read_arguments(&mut self) -> Result<(), TraceError> {
        for (index, argument) in self.task.arguments.iter().enumerate() {
            if let Some(length) = argument.kind.length() {
                self.read_length(index, length)?;
            }
            let operand = arguments::operand(self.task.site, argument.source)?;
            let (failed, done) = (self.emitter.asm.label(), self.emitter.asm.label());
            let may_fail = read_operand(&mut self.emitter.asm, &operand, failed);
            if argument.kind == ArgumentType::Int {
                narrow(&mut self.emitter.asm, 4, true);
            }
            // What an address leads to is not known yet.
            let state = if argument.kind.is_pointer() { State::Missing } else { State::Long };
            self.emitter.store(layout::cell(index), state as i32);
            self.emitter.store(layout::cell(index) + 8, VALUE);
            if may_fail {
                self.emitter.asm.jump(done);
                self.emitter.asm.bind(failed);
                self.fail(index);
                self.emitter.asm.bind(done);
            }
        }
        Ok(())
    }

    /// Reads how long an argument is; where that cannot be read, no length is right.
    fn read_length(&mut self, index: usize, length: Source) -> Result<(), TraceError> {
        let operand = arguments::operand(self.task.site, length)?;
        let (failed, done) = (self.emitter.asm.label(), self.emitter.asm.label());
        if read_operand(&mut self.emitter.asm, &operand, failed) {
            self.emitter.asm.jump(done);
            self.emitter.asm.bind(failed);
            self.emitter.asm.mov(VALUE, -1);
            self.emitter.asm.bind(done);
        }
        self.emitter.store(length_cell(index), VALUE);
        Ok(())
    }

    /// Says of an argument that it could not be read.
    pub(super) fn fail(&mut self, index: usize) {
        self.emitter.store(layout::cell(index), State::Missing as i32);
        self.emitter.store(layout::cell(index) + 8, 0);
        self.mark(index, layout::FAILED);
        self.count(Count::FailedReads, None);
    }

    /// Sets the bit of an argument.
    pub(super) fn mark(&mut self, index: usize, bits: i16) {
        let asm = &mut self.emitter.asm;
        asm.load(Size::Half, Reg::R1, SCRATCH, bits);
        asm.alu(Alu::Or, Reg::R1, 1 << index);
        asm.store(Size::Half, SCRATCH, bits, Reg::R1);
    }

    /// Says whether the condition reads an argument.
    pub(super) fn is_in_condition(&self, index: usize) -> bool {
        self.columns.contains(&Column::Argument(self.task.arguments[index].source))
    }

    /// Reads what addresses lead to, of arguments that the condition reads or of the others.
    fn read_texts(&mut self, of_condition: bool) {
        for (index, argument) in self.task.arguments.iter().enumerate() {
            if argument.kind.is_pointer() && self.is_in_condition(index) == of_condition {
                self.read_text(index, argument.kind.length().is_some());
            }
        }
    }

    /// Fills the cells of the columns that the condition reads.
    fn fill_columns(&mut self) -> Result<(), TraceError> {
        for (position, column) in self.columns.iter().enumerate() {
            let to = field(position);
            match column {
                Column::Function => {
                    let name = self.task.site.function.as_bytes();
                    let offset = self.emitter.word(name).map_err(|error| {
                        TraceError::Condition(format!("`Function` is not read there: {}", error.reason()))
                    })?;
                    self.emitter.asm.mov(Reg::R1, i32::from(offset));
                    self.emitter.asm.mov(Reg::R2, name.len() as i32);
                    self.emitter.store_text(to, Reg::R1, Reg::R2);
                }
                Column::Pid => self.fill_id(to, true),
                Column::Tid => self.fill_id(to, false),
                Column::Command => self.fill_command(to),
                Column::Argument(source) => {
                    let index = self.task.arguments.iter().position(|argument| argument.source == *source);
                    self.fill_argument(to, index.expect("`check` has looked for it"));
                }
            }
        }
        Ok(())
    }

    /// Copies the cell of an argument; one that is cut or could not be read is there, and what it is cannot be told.
    fn fill_argument(&mut self, to: i16, index: usize) {
        for half in [0, 8] {
            self.emitter.load(Reg::R1, layout::cell(index) + half);
            self.emitter.store(to + half, Reg::R1);
        }
        for (bits, reason) in [(layout::CUT, Reason::Length), (layout::FAILED, Reason::Unreadable)] {
            let asm = &mut self.emitter.asm;
            let fine = asm.label();
            asm.load(Size::Half, Reg::R1, SCRATCH, bits);
            asm.alu(Alu::And, Reg::R1, 1 << index);
            asm.branch(Cond::Eq, Reg::R1, 0, fine);
            self.emitter.store_undecided(to, reason);
            self.emitter.asm.bind(fine);
        }
    }

    fn fill_id(&mut self, to: i16, is_process: bool) {
        self.emitter.asm.call(Helper::GetCurrentPidTgid);
        if !is_process {
            self.emitter.asm.alu(Alu::Lsh, Reg::R0, 32);
        }
        self.emitter.asm.alu(Alu::Rsh, Reg::R0, 32);
        self.emitter.store_number(to, State::Long, Reg::R0);
    }

    fn fill_command(&mut self, to: i16) {
        self.read_command(layout::COMMAND_TEXT);
        let asm = &mut self.emitter.asm;
        let known = asm.label();
        for length in 0..layout::COMMAND_SIZE as i16 {
            asm.mov(Reg::R2, i32::from(length));
            asm.load(Size::Byte, Reg::R1, SCRATCH, layout::COMMAND_TEXT + length);
            asm.branch(Cond::Eq, Reg::R1, 0, known);
        }
        asm.bind(known);
        asm.mov(Reg::R1, i32::from(layout::COMMAND_TEXT));
        self.emitter.store_text(to, Reg::R1, Reg::R2);
    }

    fn read_command(&mut self, to: i16) {
        let asm = &mut self.emitter.asm;
        asm.mov(Reg::R1, SCRATCH);
        asm.alu(Alu::Add, Reg::R1, i32::from(to));
        asm.mov(Reg::R2, layout::COMMAND_SIZE as i32);
        asm.call(Helper::GetCurrentComm);
    }

    /// Decides whether the hit is wanted: goes on when it is, or may be, and at `unwanted` when it is not.
    fn decide(&mut self, condition: &mut Condition<'_>, unwanted: Label) -> Result<(), TraceError> {
        let wanted = self.emitter.asm.label();
        let unknown = self.emitter.kept();
        self.emitter.store(STEPS, STEPS_MAX);
        let outcome = Outcome { is_true: wanted, is_false: unwanted, is_null: unwanted, unknown };
        let written = (condition.write)(&mut self.emitter, outcome);
        written.map_err(|error| TraceError::Condition(error.reason().to_owned()))?;
        self.emitter.asm.bind(unknown);
        self.count(Count::Undecided, None);
        self.emitter.asm.bind(wanted);
        Ok(())
    }

    /// Completes the record and hands it to the ring buffer.
    fn deliver(&mut self) {
        self.emitter.load(Reg::R1, REASON);
        let asm = &mut self.emitter.asm;
        asm.store(Size::Word, SCRATCH, layout::UNDECIDED, Reg::R1);
        asm.store(Size::Word, SCRATCH, layout::SITE, self.task.site_index as i32);
        asm.call(Helper::KtimeGetBootNs);
        asm.store(Size::Double, SCRATCH, layout::TIME, Reg::R0);
        asm.call(Helper::GetCurrentPidTgid);
        asm.store(Size::Word, SCRATCH, layout::TID, Reg::R0);
        asm.alu(Alu::Rsh, Reg::R0, 32);
        asm.store(Size::Word, SCRATCH, layout::PID, Reg::R0);
        self.read_command(layout::COMMAND);
        let asm = &mut self.emitter.asm;
        let (lost, written) = (asm.label(), asm.label());
        asm.load(Size::Word, SIZE, SCRATCH, layout::END);
        asm.alu(Alu::Sub, SIZE, i32::from(layout::RECORD));
        self.count(Count::Matched, Some(SIZE));
        let asm = &mut self.emitter.asm;
        // It is never so large; the verifier does not know.
        asm.branch(Cond::Gt, SIZE, PAYLOAD_MAX as i32, lost);
        asm.mov_map(Reg::R1, RING_MAP);
        asm.mov(Reg::R2, SCRATCH);
        asm.alu(Alu::Add, Reg::R2, i32::from(layout::RECORD));
        asm.mov(Reg::R3, SIZE);
        asm.mov(Reg::R4, 0);
        asm.call(Helper::RingbufOutput);
        asm.branch(Cond::Eq, Reg::R0, 0, written);
        asm.bind(lost);
        self.count(Count::Lost, None);
        self.emitter.asm.bind(written);
    }

    /// Gives the scratch back.
    fn release(&mut self) {
        self.emitter.store(BUSY, 0);
        self.emitter.asm.mov(Reg::R0, 0);
        self.emitter.asm.exit();
    }
}

/// Returns where it is kept how long an argument is.
pub(super) fn length_cell(index: usize) -> i16 {
    READER + 8 * index as i16
}
