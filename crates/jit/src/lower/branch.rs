//! Bools to branches: where each outcome leads. `and`, `or`, `not`, `case`, `coalesce`.
//!
//! A null goes its own way, or that of false where the two lead to the same block. Operands behind an outcome that
//! decides are not evaluated; behind a null they are, as the interpreter does it, since they may fail.

use super::Lowering;
use crate::operand::{Number, Operand, Truth};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// Holds where an outcome leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    block: Block,
    args: SmallVec<[BlockArg; 1]>,
}

impl Target {
    /// Returns a block without parameters.
    pub fn to(block: Block) -> Self {
        Target { block, args: SmallVec::new() }
    }

    fn with(block: Block, arg: Option<Clif>) -> Self {
        Target { block, args: arg.into_iter().map(BlockArg::Value).collect() }
    }
}

/// Holds where the three outcomes of a bool lead.
#[derive(Clone, Debug)]
pub struct Targets {
    /// When it is true.
    pub yes: Target,
    /// When it is false.
    pub no: Target,
    /// When it is null.
    pub null: Target,
}

impl Targets {
    /// Returns three blocks without parameters.
    pub fn to(yes: Block, no: Block, null: Block) -> Self {
        Targets { yes: Target::to(yes), no: Target::to(no), null: Target::to(null) }
    }

    /// Returns where the outcomes of the opposite lead.
    pub fn opposite(&self) -> Self {
        Targets { yes: self.no.clone(), no: self.yes.clone(), null: self.null.clone() }
    }
}

impl Lowering<'_, '_> {
    /// Leaves the current block for where the outcome of a bool leads.
    pub(super) fn branch(&mut self, id: ExprId, targets: &Targets) -> Result<(), Refusal> {
        self.depth += 1;
        self.check_depth()?;
        self.branch_kind(id, targets)?;
        self.depth -= 1;
        Ok(())
    }

    fn branch_kind(&mut self, id: ExprId, targets: &Targets) -> Result<(), Refusal> {
        let program = self.program;
        if targets.no == targets.null && self.is_plain(id) {
            let is_true = self.plain(id)?;
            self.branch_if(is_true, &targets.yes, &targets.no);
            return Ok(());
        }
        match &program.expr(id).kind {
            ExprKind::And(..) | ExprKind::Or(..) => self.branch_chain(id, targets),
            ExprKind::Case { arms, otherwise } if !self.is_known(id) => {
                self.count_node()?;
                self.branch_case(arms, *otherwise, targets)
            }
            ExprKind::Const(Value::Bool(flag)) => {
                let target = if *flag { &targets.yes } else { &targets.no };
                self.b.ins().jump(target.block, &target.args);
                Ok(())
            }
            ExprKind::Call { function, args, .. } if function.name == "not" => {
                self.count_node()?;
                self.branch(args[0], &targets.opposite())
            }
            ExprKind::Call { .. } if !self.is_known(id) => {
                if self.branch_text(id, targets)? || self.branch_order(id, targets)? {
                    return Ok(());
                }
                let truth = self.value(id)?.truth();
                self.branch_on(truth, targets);
                Ok(())
            }
            _ => {
                let truth = self.value(id)?.truth();
                self.branch_on(truth, targets);
                Ok(())
            }
        }
    }

    fn is_known(&self, id: ExprId) -> bool {
        self.find_known(self.key_of(id)).is_some()
    }

    /// Leaves the current block for one of two targets.
    pub(super) fn branch_if(&mut self, condition: Clif, yes: &Target, no: &Target) {
        self.b.ins().brif(condition, yes.block, &yes.args, no.block, &no.args);
    }

    /// Leaves the current block for where a bool leads.
    pub(super) fn branch_on(&mut self, truth: Truth, targets: &Targets) {
        let Some(null) = truth.null else {
            return self.branch_if(truth.value, &targets.yes, &targets.no);
        };
        if targets.no == targets.null {
            let is_true = self.b.ins().band_not(truth.value, null);
            return self.branch_if(is_true, &targets.yes, &targets.no);
        }
        if targets.yes == targets.null {
            let is_not_false = self.either(truth.value, null);
            return self.branch_if(is_not_false, &targets.yes, &targets.no);
        }
        let rest = self.b.create_block();
        self.branch_if(null, &targets.null, &Target::to(rest));
        self.b.switch_to_block(rest);
        self.branch_if(truth.value, &targets.yes, &targets.no);
    }

    /// Returns a bool whose branches are lowered, as a value.
    pub(super) fn branches_to_truth(&mut self, id: ExprId) -> Result<Operand, Refusal> {
        let is_nullable = self.may_be_null(id);
        let join = self.join(Type::Bool);
        let blocks = [(0, 0), (1, 0), (0, 1)].map(|outcome| (self.b.create_block(), outcome));
        self.branch(id, &Targets::to(blocks[1].0, blocks[0].0, blocks[2].0))?;
        for (block, (flag, null)) in blocks {
            self.b.switch_to_block(block);
            let value = self.int(types::I8, flag);
            let null = Some(self.int(types::I8, null));
            self.jump_with(join, Operand::Truth(Truth { value, null }));
        }
        Ok(self.enter(join, Type::Bool, is_nullable))
    }

    /// Lowers `a and b and c...` or `a or b or c...`, however long.
    fn branch_chain(&mut self, id: ExprId, targets: &Targets) -> Result<(), Refusal> {
        let (operands, is_and) = self.chain_operands(id)?;
        // The outcome that ends the chain, and the one that goes on to the next operand.
        let (decisive, passing) = if is_and { (&targets.no, &targets.yes) } else { (&targets.yes, &targets.no) };
        let mut mark = None;
        // Whether an operand before was null: an `i8`, none when none can have been.
        let mut seen: Option<Clif> = None;
        for (index, operand) in operands.iter().enumerate() {
            let rest = &operands[index + 1..];
            let may_be_null = self.may_be_null(*operand) && targets.null != *passing;
            let is_settled = targets.null == *decisive && rest.iter().all(|other| self.is_quiet(*other));
            if rest.is_empty() && seen.is_none() {
                // None before was null, and none decided: the last one does.
                self.branch(*operand, targets)?;
                break;
            }
            let next = self.b.create_block();
            let carries = seen.is_some() || (may_be_null && !is_settled);
            let (go_on, after_null) = if carries {
                let one = self.int(types::I8, 1);
                let before = seen.unwrap_or_else(|| self.int(types::I8, 0));
                (Target::with(next, Some(before)), Target::with(next, Some(one)))
            } else {
                (Target::to(next), if is_settled { decisive.clone() } else { Target::to(next) })
            };
            let after_null = if targets.null == *passing { go_on.clone() } else { after_null };
            seen = carries.then(|| self.b.append_block_param(next, types::I8));
            let operand_targets = if is_and {
                Targets { yes: go_on, no: decisive.clone(), null: after_null }
            } else {
                Targets { yes: decisive.clone(), no: go_on, null: after_null }
            };
            self.branch(*operand, &operand_targets)?;
            self.b.switch_to_block(next);
            // What the first operand evaluated is known behind the chain; what the others did, only inside it.
            mark.get_or_insert(self.known.len());
        }
        self.known.truncate(mark.expect("a chain has two operands or more"));
        if let Some(seen) = seen {
            self.branch_if(seen, &targets.null, passing);
        }
        Ok(())
    }

    /// Returns the operands of a chain in order, and whether it is one of `and`.
    fn chain_operands(&mut self, id: ExprId) -> Result<(Vec<ExprId>, bool), Refusal> {
        let program = self.program;
        let is_and = matches!(program.expr(id).kind, ExprKind::And(..));
        let mut operands = Vec::new();
        let mut open = id;
        loop {
            self.count_node()?;
            match (&program.expr(open).kind, is_and) {
                (ExprKind::And(left, right), true) | (ExprKind::Or(left, right), false) => {
                    operands.push(*right);
                    open = *left;
                }
                _ => break,
            }
        }
        operands.push(open);
        operands.reverse();
        Ok((operands, is_and))
    }

    /// `iff` and `case` of bools: the bool after the first condition that is true leads on.
    fn branch_case(&mut self, arms: &[(ExprId, ExprId)], otherwise: ExprId, targets: &Targets) -> Result<(), Refusal> {
        let mut mark = None;
        for (condition, value) in arms {
            let (then, next) = (self.b.create_block(), self.b.create_block());
            self.branch(*condition, &Targets::to(then, next, next))?;
            mark.get_or_insert(self.known.len());
            let inside = self.known.len();
            self.b.switch_to_block(then);
            self.branch(*value, targets)?;
            self.known.truncate(inside);
            self.b.switch_to_block(next);
        }
        self.branch(otherwise, targets)?;
        if let Some(mark) = mark {
            self.known.truncate(mark);
        }
        Ok(())
    }

    /// `iff` and `case`: the value after the first condition that is true.
    pub(super) fn case(&mut self, arms: &[(ExprId, ExprId)], otherwise: ExprId, ty: Type) -> Result<Operand, Refusal> {
        let join = self.join(ty);
        let mut mark = None;
        for (condition, value) in arms {
            let (then, next) = (self.b.create_block(), self.b.create_block());
            self.branch(*condition, &Targets::to(then, next, next))?;
            mark.get_or_insert(self.known.len());
            let inside = self.known.len();
            self.b.switch_to_block(then);
            let operand = self.value(*value)?;
            self.jump_with(join, operand);
            self.known.truncate(inside);
            self.b.switch_to_block(next);
        }
        let operand = self.value(otherwise)?;
        self.jump_with(join, operand);
        if let Some(mark) = mark {
            self.known.truncate(mark);
        }
        Ok(self.enter(join, ty, true))
    }

    /// `coalesce`: the first that is not null and not `""`, or the last.
    pub(super) fn coalesce(&mut self, items: &[ExprId], ty: Type) -> Result<Operand, Refusal> {
        let Some((last, first)) = items.split_last() else {
            return Ok(self.constant(&Value::missing(ty), ty));
        };
        let join = self.join(ty);
        let mut mark = None;
        for item in first {
            let operand = self.value(*item)?;
            mark.get_or_insert(self.known.len());
            let is_missing = self.is_missing(operand);
            let next = self.b.create_block();
            let done = self.b.create_block();
            self.b.ins().brif(is_missing, next, &[], done, &[]);
            self.b.switch_to_block(done);
            self.jump_with(join, operand);
            self.b.switch_to_block(next);
        }
        let operand = self.value(*last)?;
        self.jump_with(join, operand);
        if let Some(mark) = mark {
            self.known.truncate(mark);
        }
        Ok(self.enter(join, ty, true))
    }

    /// Returns an `i8` that says whether a value is null or an empty string.
    pub(super) fn is_missing(&mut self, operand: Operand) -> Clif {
        match operand {
            Operand::Truth(Truth { null, .. }) | Operand::Number(Number { null, .. }) => {
                null.unwrap_or_else(|| self.int(types::I8, 0))
            }
            Operand::Text(text) => self.is_equal(text.length, 0),
            Operand::Any(any) => {
                // The head of null is 0; that of an empty string is the tag alone.
                let is_null = self.is_null_any(any);
                let is_empty = self.is_equal(any.head, i64::from(crate::layout::tag::STRING));
                self.either(is_null, is_empty)
            }
        }
    }

    /// Returns an `i8` that says whether a value of any type is null.
    pub(super) fn is_null_any(&mut self, any: crate::operand::Any) -> Clif {
        let tag = self.tag_of(any);
        self.b.ins().icmp_imm_s(IntCC::Equal, tag, i64::from(crate::layout::tag::MISSING))
    }
}
