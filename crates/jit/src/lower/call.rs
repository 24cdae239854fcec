//! Calls: of what has instructions of its own, and of the meaning of every other function.
//!
//! A call of a meaning names its site: the function and what of its arguments is constant stand there, the others are
//! handed over as cells. So do keys of dynamics and subqueries.

use super::Lowering;
use crate::helpers::Helper;
use crate::layout::tag;
use crate::operand::{Any, Operand};
use crate::pools::{RelSite, Site};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, types};
use dtq_ir::{Effect, ExprId, ExprKind, RelId};
use dtq_value::{Str, Type};

/// Arguments of one call that are not constant.
const ARGS_MAX: usize = 250;

impl Lowering<'_, '_> {
    /// Returns the value of a call node.
    pub(super) fn call(&mut self, id: ExprId) -> Result<Operand, Refusal> {
        let program = self.program;
        let ExprKind::Call { function, args, .. } = &program.expr(id).kind else {
            unreachable!("only call nodes are given");
        };
        let name = function.name;
        self.effect_count += u32::from(function.effect != Effect::Pure);
        if let Some(operand) = self.literal_truth(id)? {
            self.report.inlined(name);
            return Ok(operand);
        }
        if self.literal_comparison(id).is_some() || self.few_words(id).is_some() {
            self.report.inlined(name);
            return self.text_branches_to_truth(id);
        }
        let is_negated = name == "!in";
        let inline = match name {
            "in" | "!in" => match self.in_integers(args, is_negated)? {
                Some(operand) => Some(operand),
                None => self.text_operator(id, name, args)?,
            },
            _ => match self.compare(id, name, args)? {
                Some(operand) => Some(operand),
                None => match self.arithmetic(id, name, args)? {
                    Some(operand) => Some(operand),
                    None => self.text_operator(id, name, args)?,
                },
            },
        };
        if let Some(operand) = inline {
            self.report.inlined(name);
            return Ok(operand);
        }
        self.report.called(name);
        let mut cells = Vec::with_capacity(args.len());
        for arg in args {
            cells.push(if self.is_constant(*arg) { None } else { Some(self.any_value(*arg)?) });
        }
        self.call_cells(id, &cells)
    }

    /// Returns the value of a bool that is lowered to branches, as a value.
    fn text_branches_to_truth(&mut self, id: ExprId) -> Result<Operand, Refusal> {
        let join = self.join(Type::Bool);
        let blocks = [0, 1].map(|number| (self.b.create_block(), number));
        let targets = super::branch::Targets::to(blocks[1].0, blocks[0].0, blocks[0].0);
        self.branch_text(id, &targets)?;
        for (block, number) in blocks {
            self.b.switch_to_block(block);
            let value = self.int(types::I8, number);
            self.jump_with(join, Self::certain(value));
        }
        Ok(self.enter(join, Type::Bool, false))
    }

    fn is_constant(&self, id: ExprId) -> bool {
        matches!(self.program.expr(id).kind, ExprKind::Const(_))
    }

    /// Calls the meaning of a call node whose arguments are these; constants are taken from the site all the same.
    pub(super) fn call_with(&mut self, id: ExprId, cells: &[Any]) -> Result<Operand, Refusal> {
        let program = self.program;
        let ExprKind::Call { args, .. } = &program.expr(id).kind else {
            unreachable!("only call nodes are given");
        };
        let cells: Vec<Option<Any>> =
            args.iter().zip(cells).map(|(arg, cell)| (!self.is_constant(*arg)).then_some(*cell)).collect();
        self.call_cells(id, &cells)
    }

    /// Calls the meaning of a call node; an argument without a cell is constant.
    fn call_cells(&mut self, id: ExprId, cells: &[Option<Any>]) -> Result<Operand, Refusal> {
        let program = self.program;
        let expr = program.expr(id);
        let ExprKind::Call { function, signature, args, pooled } = &expr.kind else {
            unreachable!("only call nodes are given");
        };
        let constants = args.iter().zip(cells).map(|(arg, cell)| match (cell, &program.expr(*arg).kind) {
            (None, ExprKind::Const(value)) => Some(value.clone()),
            _ => None,
        });
        let site = Site {
            function: *function,
            signature: *signature,
            ty: expr.ty,
            constants: constants.collect(),
            pooled: pooled.map(|id| program.pooled(id).clone()),
        };
        let handed: Vec<Any> = cells.iter().flatten().copied().collect();
        if handed.len() > ARGS_MAX {
            return Err(Refusal::Size(format!("a call of `{}` has more than {ARGS_MAX} arguments", function.name)));
        }
        let site = self.pools.site(site);
        let site = self.int(types::I32, i64::from(site));
        // One cell behind the arguments, or in their place, takes the result.
        let room = self.room(handed.len().max(1) as u32);
        for (index, any) in handed.iter().enumerate() {
            self.store_cell(*any, room, index as i32 * crate::layout::CELL_SIZE);
        }
        if expr.ty == Type::Bool {
            return Ok(self.verdict(Helper::CallCondition, &[site, room]));
        }
        let answer = self.helper(Helper::Call, &[site, room, room]);
        self.unless_fault(answer);
        let any = self.load_cell(room);
        Ok(self.narrowed(any, expr.ty))
    }

    /// Returns a property of a dynamic; what has no room in a cell is a bag or array, and nothing else has any.
    pub(super) fn property(&mut self, base: ExprId, key: &Str) -> Result<Operand, Refusal> {
        let any = self.any_value(base)?;
        let index = self.pools.text(key);
        let index = self.int(types::I32, i64::from(index));
        let join = self.join(Type::Dynamic);
        let slow = self.b.create_block();
        let tag = self.tag_of(any);
        let is_outside = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, tag, i64::from(tag::HELD));
        let null = self.int(types::I64, i64::from(tag::MISSING));
        self.b.ins().brif(is_outside, slow, &[], join, &[BlockArg::Value(null), BlockArg::Value(null)]);
        self.b.switch_to_block(slow);
        let room = self.room(1);
        let answer = self.helper(Helper::Property, &[index, any.head, any.payload, room]);
        self.unless_fault(answer);
        let found = self.load_cell(room);
        self.jump_with(join, Operand::Any(found));
        Ok(Operand::Any(self.enter_any(join)))
    }

    /// Returns an element of a dynamic.
    pub(super) fn element(&mut self, base: ExprId, index: ExprId) -> Result<Operand, Refusal> {
        let base = self.any_value(base)?;
        let index = self.any_value(index)?;
        let room = self.room(2);
        self.store_cell(base, room, 0);
        self.store_cell(index, room, crate::layout::CELL_SIZE);
        let answer = self.helper(Helper::Element, &[room]);
        self.unless_fault(answer);
        Ok(Operand::Any(self.load_cell(room)))
    }

    /// Returns the value of `toscalar`.
    pub(super) fn scalar(&mut self, rel: RelId, ty: Type) -> Result<Operand, Refusal> {
        let site = RelSite { rel, is_negated: false, is_case_ignored: false };
        let site = self.pools.rel(site);
        let site = self.int(types::I32, i64::from(site));
        let room = self.room(1);
        let answer = self.helper(Helper::Scalar, &[site, room]);
        self.unless_fault(answer);
        let any = self.load_cell(room);
        if ty == Type::String {
            return Ok(Operand::Text(self.text_of(any)));
        }
        Ok(self.narrowed(any, ty))
    }

    /// Returns whether a value is in a relation.
    pub(super) fn in_rel(
        &mut self,
        value: ExprId,
        rel: RelId,
        is_negated: bool,
        is_case_ignored: bool,
    ) -> Result<Operand, Refusal> {
        let any = self.any_value(value)?;
        let site = self.pools.rel(RelSite { rel, is_negated, is_case_ignored });
        let site = self.int(types::I32, i64::from(site));
        Ok(self.verdict(Helper::InRel, &[site, any.head, any.payload]))
    }

    /// Says whether those of some expressions that are strings are never null: a null one equals nothing, not even `""`.
    pub(super) fn are_never_null_texts(&self, ids: &[ExprId]) -> bool {
        ids.iter().all(|id| self.program.expr(*id).ty != Type::String || !self.may_be_null(*id))
    }
}
