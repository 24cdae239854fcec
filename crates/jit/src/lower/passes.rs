//! What is done with a checked record to counted loops over many.
//!
//! A condition that begins with comparisons becomes two passes: one that notes where these hold, without a branch or a
//! call, and one that asks the rest of the noted records alone. Next: `columns`, `plain`, `lanes`.

use super::columns::TEXT_TAGS;
use super::lanes::LANES;
use super::{Columns, Lowering, Params, emit};
use crate::edit::SlotChoice;
use crate::frame::Frame;
use crate::function::Needs;
use crate::layout::CELL_SIZE;
use crate::pools::Pools;
use crate::search::{Literal, Search};
use crate::target::Refusal;
use crate::unit::{Input, Report, enter};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value as Clif, types};
use cranelift_frontend::FunctionBuilder;
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::slot::Slot;

/// Bytes of a position.
const POSITION_SIZE: i64 = size_of::<u32>() as i64;

/// Bits that a count of positions, and one of slots in a column, is shifted by to be one of bytes.
const POSITION_SHIFT: i64 = POSITION_SIZE.trailing_zeros() as i64;
const CELL_SHIFT: i64 = CELL_SIZE.trailing_zeros() as i64;

/// Bits that a set of lanes is shifted by to be an offset in the table of what is set in which.
const SET_BITS_SHIFT: i64 = (LANES as i64 * POSITION_SIZE).trailing_zeros() as i64;

/// Records that a short loop goes over at a time: what it counts with is a third of its instructions.
const TURNS: i32 = 4;

/// Bytes that are written of a record at most, so that those of several have room in the offset of a store.
const OUTPUT_SIZE_MAX: i32 = 1 << 24;

/// How many operands behind one another a condition is taken apart into.
const SPLIT_DEPTH_MAX: u32 = 32;

/// Says what a loop does with what the records are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It takes that for granted, and of some slots what they hold.
    Whole,
    /// It checks each slot where it is used, as if nobody had.
    None,
}

/// Holds what the conditions of a pass are.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    /// The program that they belong to.
    pub program: &'a Program,
    /// Where its columns are.
    pub inputs: &'a [Input],
    /// What is taken for granted.
    pub trust: Trust,
}

/// Writes the passes of a function over checked records.
pub struct Passes<'a, 'f> {
    lowering: Lowering<'a, 'f>,
    /// Whether several records are compared at once.
    has_lanes: bool,
    /// Address of the first record's first slot.
    first: Clif,
    positions: Clif,
    out: Clif,
    count: Clif,
}

/// One operand of a condition that is only true when all are.
struct Operand {
    expr: ExprId,
    /// Whether it is asked although one before it was null.
    is_asked: bool,
}

impl<'a, 'f> Passes<'a, 'f> {
    /// Begins a function.
    pub fn new(
        builder: &'a mut FunctionBuilder<'f>,
        checked: Checked<'a>,
        (pools, report): (&'a mut Pools, &'a mut Report),
    ) -> Self {
        let [frame, first, step, buffers, positions, out, count] = enter(builder);
        let params = Params { frame, input: first, buffers };
        let mut lowering = Lowering::new(builder, (checked.program, checked.inputs), pools, report, params);
        lowering.read_columns(Columns::new(step), checked.trust == Trust::Whole);
        Self { lowering, has_lanes: false, first, positions, out, count }
    }

    /// Compares several records at once, where the target can.
    #[must_use]
    pub fn in_lanes(self, has_lanes: bool) -> Self {
        Self { has_lanes, ..self }
    }

    /// Decides a condition of all records, or only notes which may be true.
    pub fn decide(mut self, expr: ExprId) -> Result<Needs, Refusal> {
        if let Some((plain, rest)) = self.split(expr) {
            let search = self.lowering.only_search(&rest)?;
            return self.note(&plain, search);
        }
        let is_plain = self.lowering.is_plain(expr);
        self.each(1, is_plain, |lowering, out, offset| lowering.outcome_to(expr, out, offset))
    }

    /// Makes choices for all records.
    pub fn choose(self, choices: &[SlotChoice]) -> Result<Needs, Refusal> {
        let is_plain = choices.iter().all(|choice| self.lowering.is_plain_choice(choice));
        let needs = self.each(choices.len() * size_of::<Slot>(), is_plain, |lowering, out, offset| {
            let mut choices = choices.iter().enumerate();
            choices.try_for_each(|(position, choice)| lowering.choose_to(choice, (out, offset), position))
        })?;
        Ok(Needs { output_count: choices.len(), ..needs })
    }

    /// Does something with all records, which writes so many bytes for each; where it is short, several records at a time.
    fn each(
        mut self,
        size: usize,
        is_short: bool,
        mut emit: impl FnMut(&mut Lowering<'a, 'f>, Clif, i32) -> Result<(), Refusal>,
    ) -> Result<Needs, Refusal> {
        let size = i32::try_from(size).ok().filter(|size| (1..=OUTPUT_SIZE_MAX).contains(size));
        let size = size.ok_or_else(|| Refusal::Size("a loop writes nothing, or very much".to_owned()))?;
        let mut values = [self.out, self.first];
        for turns in if is_short { &[TURNS, 1][..] } else { &[1] } {
            let count = self.lowering.b.ins().band_imm_s(self.count, -i64::from(*turns));
            let bytes = self.lowering.b.ins().imul_imm_s(count, i64::from(size));
            let end = self.lowering.b.ins().iadd(self.out, bytes);
            values = self.lowering.counted(values, end, |lowering, [out, input]| {
                lowering.input = input;
                lowering.by_turns((*turns, 1), |lowering, turn| emit(lowering, out, turn * size))?;
                lowering.release_held();
                let out = lowering.b.ins().iadd_imm_s(out, i64::from(turns * size));
                Ok([out, lowering.b.ins().iadd_imm_s(input, i64::from(turns * CELL_SIZE))])
            })?;
        }
        let written = self.lowering.b.ins().isub(values[0], self.out);
        self.lowering.return_count(written)
    }

    /// Writes the positions of the records of which some comparisons hold.
    fn note(mut self, plain: &[ExprId], search: Option<Search>) -> Result<Needs, Refusal> {
        let zero = self.lowering.int(types::I64, 0);
        let begin = [zero, self.first, self.positions];
        let begin = if self.has_lanes { self.note_by_lanes(plain)? } else { begin };
        let [_, _, end] = self.lowering.counted(begin, self.count, |lowering, [position, input, room]| {
            lowering.input = input;
            let size = lowering.choose_by_all(plain, [POSITION_SIZE, 0])?;
            // Written each time, and written over where it does not count.
            lowering.b.ins().istore32(emit::WRITTEN, position, room, 0);
            let next = [(position, 1), (input, i64::from(CELL_SIZE))];
            let [position, input] = next.map(|(value, step)| lowering.b.ins().iadd_imm_s(value, step));
            Ok([position, input, lowering.b.ins().iadd(room, size)])
        })?;
        let written = self.lowering.b.ins().isub(end, self.positions);
        let noted = self.lowering.b.ins().ushr_imm_u(written, POSITION_SHIFT);
        self.lowering.needs.leaves = search.is_none();
        self.lowering.needs.search = search;
        self.lowering.return_count(noted)
    }

    /// Writes the positions of those of all whole groups of [`LANES`] records; returns position and slots of the record
    /// behind them, and where the next position is written.
    fn note_by_lanes(&mut self, plain: &[ExprId]) -> Result<[Clif; 3], Refusal> {
        let count = self.lowering.b.ins().band_imm_s(self.count, -i64::from(LANES));
        let size = self.lowering.b.ins().ishl_imm_u(count, CELL_SHIFT);
        let end = self.lowering.b.ins().iadd(self.first, size);
        let set_bits = self.lowering.b.ins().load(types::I64, emit::FIXED, self.lowering.frame, Frame::SET_BITS);
        let group = self.lowering.first_group();
        let begin = [self.first, self.positions, group];
        let [input, room, _] = self.lowering.counted(begin, end, |lowering, [input, room, group]| {
            lowering.input = input;
            let bits = lowering.bits_of_all(plain)?;
            let entry = lowering.b.ins().ishl_imm_u(bits, SET_BITS_SHIFT);
            let entry = lowering.b.ins().iadd(set_bits, entry);
            let chosen = lowering.b.ins().load(types::I32X4, emit::FIXED, entry, 0);
            let positions = lowering.b.ins().iadd(chosen, group);
            // Room for four is written, which there is: before it are no more positions than records in front of these.
            lowering.b.ins().store(emit::OUTPUT, positions, room, 0);
            let chosen = lowering.b.ins().popcnt(bits);
            let size = lowering.b.ins().ishl_imm_u(chosen, POSITION_SHIFT);
            let room = lowering.b.ins().iadd(room, size);
            let input = lowering.b.ins().iadd_imm_s(input, i64::from(LANES * CELL_SIZE));
            Ok([input, room, lowering.next_group(group)])
        })?;
        Ok([count, input, room])
    }

    /// Decides the rest of a condition, of which [`Passes::decide`] has only noted which records may be true.
    pub fn confirm(mut self, expr: ExprId) -> Result<Needs, Refusal> {
        let (_, rest) = self.split(expr).expect("only what was taken apart is confirmed");
        let size = self.lowering.b.ins().imul_imm_s(self.count, POSITION_SIZE);
        let end = self.lowering.b.ins().iadd(self.positions, size);
        let (first, out) = (self.first, self.out);
        let [done] = self.lowering.counted([self.positions], end, |lowering, [place]| {
            let position = lowering.b.ins().uload32(emit::WRITTEN, place, 0);
            let offset = lowering.b.ins().ishl_imm_u(position, CELL_SHIFT);
            lowering.input = lowering.b.ins().iadd(first, offset);
            let outcome = lowering.all_true(&rest)?;
            lowering.release_held();
            let out = lowering.b.ins().iadd(out, position);
            lowering.b.ins().store(emit::OUTPUT, outcome, out, 0);
            Ok([lowering.b.ins().iadd_imm_s(place, POSITION_SIZE)])
        })?;
        let read = self.lowering.b.ins().isub(done, self.positions);
        let confirmed = self.lowering.b.ins().ushr_imm_u(read, POSITION_SHIFT);
        self.lowering.return_count(confirmed)
    }

    /// Returns the comparisons that a condition begins with and the rest of it, when there are both and asking the rest
    /// only where they hold changes nothing.
    fn split(&self, expr: ExprId) -> Option<(Vec<ExprId>, Vec<ExprId>)> {
        let mut operands = Vec::new();
        self.lowering.take_apart(Operand { expr, is_asked: false }, SPLIT_DEPTH_MAX, &mut operands);
        let plain_count = operands.iter().take_while(|operand| self.lowering.is_plain(operand.expr)).count();
        let (plain, rest) = operands.split_at(plain_count);
        let is_asked_of_all = rest.iter().any(|operand| operand.is_asked && !self.lowering.is_quiet(operand.expr));
        if plain.is_empty() || rest.is_empty() || is_asked_of_all {
            return None;
        }
        let exprs = |operands: &[Operand]| operands.iter().map(|operand| operand.expr).collect();
        Some((exprs(plain), exprs(rest)))
    }
}

impl Lowering<'_, '_> {
    fn take_apart(&self, operand: Operand, depth: u32, into: &mut Vec<Operand>) {
        let Operand { expr, is_asked } = operand;
        let pair = match self.program.expr(expr).kind {
            _ if depth == 0 => None,
            ExprKind::And(left, right) => Some((left, right, true)),
            _ => self.joined(expr).map(|[condition, value]| (condition, value, is_asked)),
        };
        let Some((first, second, is_second_asked)) = pair else { return into.push(operand) };
        self.take_apart(Operand { expr: first, is_asked }, depth - 1, into);
        self.take_apart(Operand { expr: second, is_asked: is_second_asked }, depth - 1, into);
    }

    /// Returns the search of a text in a slot for a literal that conditions are, when they are that alone.
    fn only_search(&mut self, conditions: &[ExprId]) -> Result<Option<Search>, Refusal> {
        let program = self.program;
        let [id] = conditions else { return Ok(None) };
        let ExprKind::Call { function, args, .. } = &program.expr(*id).kind else { return Ok(None) };
        let [text, literal] = args.as_slice() else { return Ok(None) };
        let (Some(slot), Some(literal)) = (self.text_slot(*text), self.constant_text(*literal)) else {
            return Ok(None);
        };
        let literal = match function.name.trim_start_matches('!') {
            "contains_cs" => Literal::Exact(self.pools.finder(&literal)),
            "contains" => Literal::Folded(self.pools.folded(&literal)),
            _ => return Ok(None),
        };
        self.need_slot(slot)?;
        self.grant_tags(slot, TEXT_TAGS);
        self.report.inlined(function.name);
        Ok(Some(Search { slot, literal, is_negated: function.name.starts_with('!') }))
    }

    /// Returns the slot of a string or dynamic whose text an expression is, where that stands in one.
    fn text_slot(&self, id: ExprId) -> Option<u32> {
        let id = match &self.program.expr(id).kind {
            ExprKind::Call { function, args, .. } if function.name == "tostring" => args[0],
            _ => id,
        };
        self.plain_slot(id).filter(|_| self.is_textual(id))
    }

    /// Returns one of two numbers: the first where all of some comparisons are true.
    fn choose_by_all(&mut self, exprs: &[ExprId], [yes, no]: [i64; 2]) -> Result<Clif, Refusal> {
        let [mut chosen, no] = [yes, no].map(|number| self.same_small(types::I64, number));
        for expr in exprs.iter().rev() {
            chosen = self.choose((*expr, true), chosen, no)?;
        }
        Ok(chosen)
    }

    /// Returns an `i8` that says whether all of some conditions are true; behind one that is not none is asked.
    fn all_true(&mut self, exprs: &[ExprId]) -> Result<Clif, Refusal> {
        let (last, before) = exprs.split_last().expect("there are some");
        let join = self.b.create_block();
        let all = self.b.append_block_param(join, types::I8);
        for expr in before {
            let holds = self.outcome(*expr)?;
            let next = self.b.create_block();
            self.b.ins().brif(holds, next, &[], join, &[BlockArg::Value(holds)]);
            self.b.switch_to_block(next);
        }
        let holds = self.outcome(*last)?;
        self.b.ins().jump(join, &[BlockArg::Value(holds)]);
        self.b.switch_to_block(join);
        Ok(all)
    }

    /// Writes a loop over values of which the first counts up to an end, and returns them as they are behind it.
    ///
    /// It ends early with a fault.
    fn counted<const COUNT: usize>(
        &mut self,
        begin: [Clif; COUNT],
        end: Clif,
        body: impl FnOnce(&mut Self, [Clif; COUNT]) -> Result<[Clif; COUNT], Refusal>,
    ) -> Result<[Clif; COUNT], Refusal> {
        let (again, done) = (self.b.create_block(), self.b.create_block());
        let types = begin.map(|value| self.b.func.dfg.value_type(value));
        let values = types.map(|ty| self.b.append_block_param(again, ty));
        let last = types.map(|ty| self.b.append_block_param(done, ty));
        let is_any = self.b.ins().icmp(IntCC::UnsignedLessThan, begin[0], end);
        let begin = begin.map(BlockArg::Value);
        let ahead = self.b.ins().brif(is_any, again, &begin, done, &begin);
        self.columns.as_mut().expect("passes are over columns").begin(ahead);
        self.fault = self.b.create_block();
        self.b.set_cold_block(self.fault);
        self.b.switch_to_block(again);
        let next = body(self, values)?;
        let is_more = self.b.ins().icmp(IntCC::UnsignedLessThan, next[0], end);
        let next = next.map(BlockArg::Value);
        self.b.ins().brif(is_more, again, &next, done, &next);
        self.b.switch_to_block(self.fault);
        self.b.ins().jump(done, &values.map(BlockArg::Value));
        self.b.switch_to_block(done);
        Ok(last)
    }

    /// Writes the same for several records of columns, behind one another, so many in each turn.
    pub(super) fn by_turns(
        &mut self,
        (turns, width): (i32, i32),
        mut emit: impl FnMut(&mut Self, i32) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let begin = self.record_offset;
        for turn in 0..turns {
            let mark = self.known.len();
            self.record_offset = begin + turn * width * CELL_SIZE;
            emit(self, turn)?;
            self.known.truncate(mark);
        }
        self.record_offset = begin;
        Ok(())
    }

    fn return_count(self, count: Clif) -> Result<Needs, Refusal> {
        if self.needs.columns.is_some() {
            return Err(Refusal::Construct("checked records are read from slots".to_owned()));
        }
        self.b.ins().return_(&[count]);
        self.b.seal_all_blocks();
        Ok(self.needs)
    }
}
