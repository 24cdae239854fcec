//! One expression of IR to instructions of the code generator.
//!
//! An expression is lowered where its value is needed: as a value, or as branches to where its outcome leads
//! ([`branch`]). What has no instructions of its own becomes a call of the function's meaning ([`call`]). Operands are
//! evaluated in the interpreter's order, and what the interpreter leaves out is left out. Read in order: [`emit`] (the
//! small words), [`input`], [`columns`], [`branch`], [`plain`], [`lanes`], [`nulls`], [`compare`], [`text`], [`arithmetic`], [`call`],
//! [`choice`], [`passes`].

mod emit;

mod input;

mod columns;

mod branch;

mod plain;

mod lanes;

mod nulls;

mod compare;

mod text;

mod arithmetic;

mod call;

mod choice;

mod passes;

use crate::call::status;
use crate::frame::Frame;
use crate::function::Needs;
use crate::helpers::Helper;
use crate::operand::Operand;
use crate::pools::Pools;
use crate::target::Refusal;
use crate::unit::{Input, Report};
use branch::Targets;
use columns::Columns;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, SigRef, StackSlot, Value as Clif, types};
use cranelift_frontend::FunctionBuilder;
use dtq_ir::{ExprId, ExprKind, Program};
pub use passes::{Checked, Passes, Trust};
use rustc_hash::FxHashMap;

/// Nesting of an expression that has native code; the operands of one chain of `and` or `or` count once.
const DEPTH_MAX: u32 = 250;

/// Nodes of one expression that are lowered, a shared one each time that it is.
const NODES_MAX: u32 = 20_000;

/// Writes the instructions of one function.
pub struct Lowering<'a, 'f> {
    b: &'a mut FunctionBuilder<'f>,
    program: &'a Program,
    inputs: &'a [Input],
    pools: &'a mut Pools,
    report: &'a mut Report,
    frame: Clif,
    /// Address of the slots or cells.
    input: Clif,
    buffers: Clif,
    /// Where the slots are when they stand in columns.
    columns: Option<Columns>,
    /// Bytes from the slots that `input` is the address of to those of the record, in a loop over several at a time.
    record_offset: i32,
    /// Where a fault goes; it has no parameters.
    fault: Block,
    /// What was evaluated where all of the current block's predecessors passed, the latest last.
    known: Vec<(Known, Operand)>,
    signatures: FxHashMap<Helper, SigRef>,
    /// Room for the arguments of helpers, by size.
    rooms: FxHashMap<u32, StackSlot>,
    depth: u32,
    node_count: u32,
    /// How many calls were lowered whose answer depends on more than their arguments.
    effect_count: u32,
    /// Where it is left for what is slow.
    leave: Option<Block>,
    /// Whether a helper that may keep a value through the call was lowered.
    may_hold: bool,
    needs: Needs,
}

/// Names what was evaluated before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The value of an expression.
    Expr(ExprId),
    /// The value of a column, which many expressions may be.
    Column(u32),
    /// The text of a dynamic with this head.
    Text(Clif),
    /// The text of a column that is a dynamic.
    ColumnText(u32),
    /// The head and the payload of a slot of checked records, as they stand there.
    Head(u32),
    Payload(u32),
    /// The heads and the payloads of a slot of two checked records, as lanes.
    Heads(u32),
    Payloads(u32),
}

/// Holds the parameters that a function works on.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The frame.
    pub frame: Clif,
    /// Address of the slots or cells.
    pub input: Clif,
    /// Address of the buffers.
    pub buffers: Clif,
}

impl<'a, 'f> Lowering<'a, 'f> {
    /// Returns a lowering into the current block of a function.
    pub fn new(
        b: &'a mut FunctionBuilder<'f>,
        (program, inputs): (&'a Program, &'a [Input]),
        pools: &'a mut Pools,
        report: &'a mut Report,
        params: Params,
    ) -> Self {
        let fault = b.create_block();
        b.set_cold_block(fault);
        let Params { frame, input, buffers } = params;
        Self {
            b,
            program,
            inputs,
            pools,
            report,
            frame,
            input,
            buffers,
            columns: None,
            record_offset: 0,
            fault,
            known: Vec::new(),
            signatures: FxHashMap::default(),
            rooms: FxHashMap::default(),
            depth: 0,
            node_count: 0,
            effect_count: 0,
            leave: None,
            may_hold: false,
            needs: Needs::default(),
        }
    }

    /// Writes a condition that returns its verdict; a null is that of false.
    pub fn filter(mut self, id: ExprId) -> Result<Needs, Refusal> {
        if self.is_branches(id) {
            let (yes, no) = (self.b.create_block(), self.b.create_block());
            self.branch(id, &Targets::to(yes, no, no))?;
            self.return_from(yes, status::TRUE);
            self.return_from(no, status::FALSE);
        } else {
            let outcome = self.outcome(id)?;
            let verdict = self.b.ins().uextend(types::I32, outcome);
            self.b.ins().return_(&[verdict]);
        }
        self.return_from(self.fault, status::FAULT);
        if let Some(leave) = self.leave {
            self.b.set_cold_block(leave);
            self.return_from(leave, status::LEFT);
        }
        self.b.seal_all_blocks();
        Ok(self.needs)
    }

    /// Writes a condition that returns its verdict; a null is a verdict of its own.
    pub fn condition(mut self, id: ExprId) -> Result<Needs, Refusal> {
        let (yes, no, null) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.branch(id, &Targets::to(yes, no, null))?;
        self.return_from(yes, status::TRUE);
        self.return_from(no, status::FALSE);
        self.return_from(null, status::NULL);
        self.return_from(self.fault, status::FAULT);
        self.b.seal_all_blocks();
        Ok(self.needs)
    }

    /// Writes a function that stores the cell of a value, and returns 0.
    pub fn value_to(mut self, id: ExprId, out: Clif) -> Result<Needs, Refusal> {
        let operand = self.value(id)?;
        let ty = self.program.expr(id).ty;
        let any = self.widened(operand, ty);
        self.store_cell(any, out, 0);
        let done = self.int(types::I32, 0);
        self.b.ins().return_(&[done]);
        self.return_from(self.fault, status::FAULT);
        self.b.seal_all_blocks();
        Ok(self.needs)
    }

    /// Writes a condition into a function that goes on, and returns 1 where it is true, else 0, as an `i8`.
    ///
    /// What needs no branches gets none: an outcome that varies from record to record is guessed wrong too often.
    pub fn outcome(&mut self, id: ExprId) -> Result<Clif, Refusal> {
        if self.is_plain(id) {
            return self.plain(id);
        }
        if !self.is_branches(id) {
            let truth = self.value(id)?.truth();
            return Ok(match truth.null {
                Some(null) => self.b.ins().band_not(truth.value, null),
                None => truth.value,
            });
        }
        let (yes, no, join) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.branch(id, &Targets::to(yes, no, no))?;
        let outcome = self.b.append_block_param(join, types::I8);
        for (block, number) in [(yes, status::TRUE), (no, status::FALSE)] {
            self.b.switch_to_block(block);
            let number = self.int(types::I8, number);
            self.b.ins().jump(join, &[BlockArg::Value(number)]);
        }
        self.b.switch_to_block(join);
        Ok(outcome)
    }

    /// Says whether a condition is lowered to branches wherever it stands.
    fn is_branches(&self, id: ExprId) -> bool {
        matches!(
            self.program.expr(id).kind,
            ExprKind::And(..) | ExprKind::Or(..) | ExprKind::Case { .. } | ExprKind::Const(_)
        )
    }

    /// Writes whether a condition is true as a byte at an offset from an address.
    pub fn outcome_to(&mut self, id: ExprId, out: Clif, offset: i32) -> Result<(), Refusal> {
        let outcome = self.outcome(id)?;
        self.b.ins().store(emit::OUTPUT, outcome, out, offset);
        Ok(())
    }

    /// Leaves the function, from here on, where what is slow would be done.
    pub fn leave_what_is_slow(&mut self) {
        self.leave = Some(self.b.create_block());
    }

    /// Leaves the function for what is slow, if it does so; else that is to be written here.
    fn has_left(&mut self) -> bool {
        let Some(leave) = self.leave else { return false };
        self.needs.leaves = true;
        self.b.ins().jump(leave, &[]);
        true
    }

    /// Returns what is needed, and the blocks in which the function ends early: with a fault, and before what is slow.
    pub fn end(self) -> (Needs, impl Iterator<Item = Block> + use<>) {
        if let Some(leave) = self.leave {
            self.b.set_cold_block(leave);
        }
        (self.needs, std::iter::once(self.fault).chain(self.leave))
    }

    /// Forgets what a record left in the call, where it can have left something.
    pub fn release_held(&mut self) {
        if !self.may_hold {
            return;
        }
        let (held, ready) = (self.b.create_block(), self.b.create_block());
        let count = self.b.ins().load(types::I64, emit::WRITTEN, self.frame, Frame::HELD_COUNT);
        self.b.ins().brif(count, held, &[], ready, &[]);
        self.b.switch_to_block(held);
        self.b.set_cold_block(held);
        self.helper(Helper::Release, &[]);
        self.b.ins().jump(ready, &[]);
        self.b.switch_to_block(ready);
    }

    fn return_from(&mut self, block: Block, number: i64) {
        self.b.switch_to_block(block);
        let verdict = self.int(types::I32, number);
        self.b.ins().return_(&[verdict]);
    }

    /// Returns the value of an expression.
    fn value(&mut self, id: ExprId) -> Result<Operand, Refusal> {
        let known = self.key_of(id);
        if let Some(operand) = self.find_known(known) {
            return Ok(operand);
        }
        self.count_node()?;
        self.depth += 1;
        self.check_depth()?;
        let effect_count = self.effect_count;
        let operand = self.lower(id)?;
        self.depth -= 1;
        // What depends on more than the record, anywhere inside, is evaluated each time.
        let is_constant = matches!(self.program.expr(id).kind, ExprKind::Const(_));
        if self.effect_count == effect_count && !is_constant {
            self.known.push((known, operand));
        }
        Ok(operand)
    }

    fn key_of(&self, id: ExprId) -> Known {
        match self.program.expr(id).kind {
            ExprKind::Column(index) => Known::Column(index),
            _ => Known::Expr(id),
        }
    }

    fn find_known(&self, known: Known) -> Option<Operand> {
        self.known.iter().rev().find(|(other, _)| *other == known).map(|(_, operand)| *operand)
    }

    fn check_depth(&self) -> Result<(), Refusal> {
        if self.depth > DEPTH_MAX {
            return Err(Refusal::Size(format!("an expression is nested deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    fn count_node(&mut self) -> Result<(), Refusal> {
        self.node_count += 1;
        if self.node_count > NODES_MAX {
            return Err(Refusal::Size(format!("an expression has more than {NODES_MAX} nodes")));
        }
        Ok(())
    }

    fn lower(&mut self, id: ExprId) -> Result<Operand, Refusal> {
        let program = self.program;
        let expr = program.expr(id);
        match &expr.kind {
            ExprKind::Const(value) => Ok(self.constant(value, expr.ty)),
            ExprKind::Column(index) => self.column(*index, expr.ty),
            ExprKind::Call { .. } => self.call(id),
            ExprKind::And(..) | ExprKind::Or(..) => self.branches_to_truth(id),
            ExprKind::Case { arms, otherwise } => self.case(arms, *otherwise, expr.ty),
            ExprKind::Coalesce(items) => self.coalesce(items, expr.ty),
            ExprKind::Property { base, key } => self.property(*base, key),
            ExprKind::Element { base, index } => self.element(*base, *index),
            ExprKind::Scalar(rel) => self.scalar(*rel, expr.ty),
            ExprKind::InRel { value, rel, is_negated, is_case_ignored } => {
                self.in_rel(*value, *rel, *is_negated, *is_case_ignored)
            }
        }
    }
}
