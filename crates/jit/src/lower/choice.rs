//! A choice between slots to the two words of the one that was chosen.

use super::Lowering;
use super::emit::OUTPUT;
use crate::edit::{SlotChoice, SlotSource};
use crate::layout::{CELL_HEAD, CELL_PAYLOAD, CELL_SIZE};
use crate::operand::Any;
use crate::target::Refusal;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value as Clif, types};

impl Lowering<'_, '_> {
    /// Writes what a choice gives to a position behind an address.
    ///
    /// The last condition is no branch: both slots are there, and one is taken.
    pub fn choose_to(&mut self, choice: &SlotChoice, out: Clif, position: usize) -> Result<(), Refusal> {
        let (last, first) = match choice.arms.split_last() {
            Some((last, first)) => (Some(last), first),
            None => (None, &choice.arms[..]),
        };
        let join = self.b.create_block();
        let mut mark = None;
        for (condition, source) in first {
            let (taken, next) = (self.b.create_block(), self.b.create_block());
            let holds = self.outcome(*condition)?;
            mark.get_or_insert(self.known.len());
            self.b.ins().brif(holds, taken, &[], next, &[]);
            self.b.switch_to_block(taken);
            let chosen = self.source(*source)?;
            self.b.ins().jump(join, &[chosen.head, chosen.payload].map(BlockArg::Value));
            self.b.switch_to_block(next);
        }
        let mut chosen = self.source(choice.otherwise)?;
        if let Some((condition, source)) = last {
            let holds = self.outcome(*condition)?;
            let other = self.source(*source)?;
            let head = self.b.ins().select(holds, other.head, chosen.head);
            let payload = self.b.ins().select(holds, other.payload, chosen.payload);
            chosen = Any { head, payload };
        }
        if let Some(mark) = mark {
            self.known.truncate(mark);
            let [head, payload] = [0; 2].map(|_| self.b.append_block_param(join, types::I64));
            self.b.ins().jump(join, &[chosen.head, chosen.payload].map(BlockArg::Value));
            self.b.switch_to_block(join);
            chosen = Any { head, payload };
        } else {
            self.b.ins().jump(join, &[]);
            self.b.switch_to_block(join);
        }
        let offset = i32::try_from(position).ok().and_then(|position| position.checked_mul(CELL_SIZE));
        let offset = offset.ok_or_else(|| Refusal::Size("very many slots are chosen".to_owned()))?;
        self.b.ins().store(OUTPUT, chosen.head, out, offset + CELL_HEAD);
        self.b.ins().store(OUTPUT, chosen.payload, out, offset + CELL_PAYLOAD);
        Ok(())
    }

    fn source(&mut self, source: SlotSource) -> Result<Any, Refusal> {
        match source {
            SlotSource::Own(slot) => {
                let address = self.slot_address(slot)?;
                Ok(self.load_input(address))
            }
            SlotSource::Fixed(slot) => {
                let [head, payload] = slot.words();
                let head = self.int(types::I64, head.cast_signed());
                let payload = self.int(types::I64, payload.cast_signed());
                Ok(Any { head, payload })
            }
        }
    }
}
