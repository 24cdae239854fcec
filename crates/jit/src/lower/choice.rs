//! A choice between slots to the two words of the one that was chosen.

use super::Lowering;
use super::emit::OUTPUT;
use super::plain::LITTLE;
use crate::edit::{SlotChoice, SlotSource};
use crate::layout::{CELL_HEAD, CELL_PAYLOAD, CELL_SIZE};
use crate::operand::Any;
use crate::target::Refusal;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value as Clif, types};
use dtq_record::slot::Slot;

impl Lowering<'_, '_> {
    /// Says whether a choice is one of two slots, by a condition that is evaluated without branches.
    pub(super) fn is_plain_choice(&self, choice: &SlotChoice) -> bool {
        match choice.arms.as_slice() {
            [(condition, _)] => self.is_plain(*condition),
            arms => arms.is_empty() && self.trusted_arena().is_some(),
        }
    }

    /// Writes what a choice gives to a position behind an offset from an address.
    ///
    /// The last condition is no branch: both slots are there, and one is taken.
    pub fn choose_to(
        &mut self,
        choice: &SlotChoice,
        (out, start): (Clif, i32),
        position: usize,
    ) -> Result<(), Refusal> {
        let offset = i32::try_from(position).ok().and_then(|position| position.checked_mul(CELL_SIZE));
        let offset = offset.and_then(|offset| offset.checked_add(start));
        let offset = offset.ok_or_else(|| Refusal::Size("very many slots are chosen".to_owned()))?;
        if self.is_plain_choice(choice) {
            let chosen = self.choose_whole(choice)?;
            self.b.ins().store(OUTPUT, chosen, out, offset);
            return Ok(());
        }
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
        self.b.ins().store(OUTPUT, chosen.head, out, offset + CELL_HEAD);
        self.b.ins().store(OUTPUT, chosen.payload, out, offset + CELL_PAYLOAD);
        Ok(())
    }

    /// Returns the 16 bytes of one of two slots.
    ///
    /// What is chosen beside [`Slot::MISSING`], whose bytes are zeros, takes one instruction more than what is not.
    fn choose_whole(&mut self, choice: &SlotChoice) -> Result<Clif, Refusal> {
        let [(condition, source)] = choice.arms.as_slice() else { return self.whole_source(choice.otherwise) };
        let mask = self.plain_mask(*condition)?;
        match (*source, choice.otherwise) {
            (SlotSource::Fixed(Slot::MISSING), other) => {
                let other = self.whole_source(other)?;
                Ok(self.b.ins().band_not(other, mask))
            }
            (source, SlotSource::Fixed(Slot::MISSING)) => {
                let source = self.whole_source(source)?;
                Ok(self.b.ins().band(source, mask))
            }
            (source, otherwise) => {
                let (source, otherwise) = (self.whole_source(source)?, self.whole_source(otherwise)?);
                Ok(self.b.ins().bitselect(mask, source, otherwise))
            }
        }
    }

    fn whole_source(&mut self, source: SlotSource) -> Result<Clif, Refusal> {
        match source {
            SlotSource::Own(slot) => self.load_slot(types::I64X2, slot, CELL_HEAD),
            SlotSource::Fixed(slot) => {
                let mut bytes = [0; 16];
                for (half, word) in bytes.chunks_exact_mut(8).zip(slot.words()) {
                    half.copy_from_slice(&word.to_le_bytes());
                }
                let bytes = self.same_bytes(bytes);
                Ok(self.b.ins().bitcast(types::I64X2, LITTLE, bytes))
            }
        }
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
