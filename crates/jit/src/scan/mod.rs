//! What a plan reads of a message to machine code that fills its slots from the message's bytes.
//!
//! The code does what the filler of `record` does (`otlp/pass.rs`), which defines it, for bytes as encoders write them,
//! and gives up on others, and on records with a field of 16 KiB or more: then the filler decides. It never says that a
//! message is filled that the filler finds malformed. Each field and each key has a bit ([`ScanLayout`]), and a scan ends
//! when all bits that are wanted are settled. Read in order: `message` (the loop over fields), `field`, `any`, `keys`,
//! `derive`, `guard`, `items` (the bits), `emit` (loads, checks, varints).

mod message;

mod field;

mod any;

mod keys;

mod derive;

mod guard;

mod items;

mod emit;

pub use items::ScanLayout;

use crate::batch::Batch;
use crate::call::{Module, filled};
use crate::context::NativeContext;
use crate::entry::{Filled, Guard, Listing};
use crate::function::{EntryPoint, FunctionId, Needs};
use crate::layout::BufferTable;
use crate::module::ModuleBuilder;
use crate::pools::Tables;
use crate::target::{Refusal, Target};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;
use dtq_record::otlp::index::RecordEntry;
use dtq_record::otlp::pass::{How, Pass};
use dtq_record::slot::Slot;
use emit::Emitter;
use items::{Items, parts, slots_of};

/// Slots that a scan may fill; more than any set of rules reads.
const SLOTS_MAX: usize = 1 << 16;

/// Holds the code that fills the slots of one level, and which bits stand for which slots.
///
/// # Example
/// ```
/// use dtq_jit::{Filled, RecordScan, Target};
/// use dtq_record::otlp::fill::{FieldPath, Level, SlotPlan};
/// use dtq_record::{slot::Slot, tables::Base};
///
/// let severity = FieldPath { column: dtq_record::otlp::logs::column::SEVERITY_NUMBER, key: None };
/// let plan = SlotPlan::new(Base::Logs, &[severity]).unwrap();
/// let pass = plan.pass(Level::Record, None).unwrap();
/// let scan = RecordScan::compile(&Target::host()?, pass, plan.slot_count(), &[])?;
/// let mut slots = vec![Slot::MISSING; plan.slot_count()];
/// assert_eq!(scan.fill(&[0x10, 17], &mut slots, scan.layout().all()), Filled::Done);
/// assert_eq!(slots[0], Slot::int(17));
/// # Ok::<(), dtq_jit::Refusal>(())
/// ```
#[derive(Debug)]
pub struct RecordScan {
    code: Module,
    function: FunctionId,
    layout: ScanLayout,
}

impl RecordScan {
    /// Compiles the scan of a pass for this machine, in memory of its own.
    ///
    /// # Errors
    /// [`Refusal::Size`] for very many slots or keys, or a guard with a long text; [`Refusal::Construct`] for what no table
    /// of this version reads; and when the code cannot be run here.
    pub fn compile(target: &Target, pass: &Pass, slot_count: usize, guards: &[Guard]) -> Result<Self, Refusal> {
        let mut module = ModuleBuilder::new(target);
        let (function, layout) = define(&mut module, pass, slot_count, guards)?;
        Ok(Self { code: module.finish(Tables::default())?, function, layout })
    }

    /// Returns what the code of a scan looks like, for this machine or another.
    ///
    /// # Errors
    /// As [`RecordScan::compile`], but for memory.
    pub fn listing(target: &Target, pass: &Pass, slot_count: usize, guards: &[Guard]) -> Result<Listing, Refusal> {
        let mut module = ModuleBuilder::new(target).with_listings();
        define(&mut module, pass, slot_count, guards)?;
        Ok(module.listings()[0].clone())
    }

    /// Returns which bits stand for which slots.
    pub fn layout(&self) -> &ScanLayout {
        &self.layout
    }

    /// Returns the size of the code in bytes.
    pub fn code_size(&self) -> usize {
        self.code.size()
    }

    /// Fills the slots that are wanted from a message, by the bits of [`RecordScan::layout`].
    ///
    /// Slots of the pass that are not wanted hold what they hold when nothing is found, or what was found on the way;
    /// those of other passes stay as they are. Guards of slots that are not wanted are not looked at. What is wanted
    /// reads as a plan of these fields alone reads it; of a message that a guard settled, the rest has not been looked
    /// at.
    ///
    /// # Panics
    /// If there are fewer slots than the scan was compiled for.
    #[inline]
    pub fn fill(&self, message: &[u8], slots: &mut [Slot], wanted: u64) -> Filled {
        self.code.scan(self.function, message, slots, wanted)
    }

    /// Does what [`Batch::decide`] does, with its own slots and records.
    pub(crate) fn decide<'r>(
        &self,
        batch: &Batch<'_>,
        ctx: &mut NativeContext,
        filled: (&mut [Slot], &mut BufferTable<'r>),
        records: (&'r [u8], &[RecordEntry]),
        out: &mut [u8],
    ) -> usize {
        self.code.decide_scanned(self.function, (batch, ctx), filled, records, out)
    }
}

/// Adds the scan of a pass to a module; [`Module`]'s `scan` calls it.
///
/// # Errors
/// [`Refusal::Size`] for very many slots or keys, or a guard with a long text; [`Refusal::Construct`] for what no table
/// of this version reads.
pub fn define(
    module: &mut ModuleBuilder,
    pass: &Pass,
    slot_count: usize,
    guards: &[Guard],
) -> Result<(FunctionId, ScanLayout), Refusal> {
    if slot_count > SLOTS_MAX {
        return Err(Refusal::Size(format!("over {SLOTS_MAX} slots are filled")));
    }
    guards.iter().try_for_each(|guard| guard.test.check())?;
    // Code writes without asking, so what it writes to must be there.
    let used = slots_of(pass).into_iter().chain(guards.iter().map(|guard| guard.slot));
    if let Some(slot) = used.max().filter(|slot| *slot as usize >= slot_count) {
        return Err(Refusal::Construct(format!("slot {slot} is used, of {slot_count}")));
    }
    let items = Items::of(pass)?;
    let layout = ScanLayout::of(pass, &items, slot_count);
    let id = module.define(EntryPoint::Scan, |builder| {
        emit_scan(builder, pass, &items, &layout, guards)?;
        Ok(Needs { input_count: slot_count, ..Needs::default() })
    })?;
    Ok((id, layout))
}

fn emit_scan(
    builder: &mut FunctionBuilder<'_>,
    pass: &Pass,
    items: &Items,
    layout: &ScanLayout,
    guards: &[Guard],
) -> Result<(), Refusal> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let [record, size, slots, wanted]: [Value; 4] =
        builder.block_params(entry).try_into().expect("the signature has four parameters");
    let (irregular, settled) = (builder.create_block(), builder.create_block());
    builder.set_cold_block(irregular);
    let mut emitter = Emitter { builder, record, slots, irregular, settled };
    let wanted = emitter.and(wanted, items.all);
    let end = emitter.sum(record, size);
    let (early, late): (Vec<Guard>, Vec<Guard>) =
        guards.iter().cloned().partition(|guard| is_settled_when_filled(pass, items, guard.slot));
    let left = emitter.message((pass, items, &early), [record, end], wanted)?;

    // Where a guarded slot was not found its default decides, which is known now.
    let fails = early.iter().filter(|guard| !guard.test.passes_default(&default_of(pass, guard.slot)));
    let fails = fails.fold(0, |bits, guard| bits | layout.bits(guard.slot as usize));
    if fails != 0 {
        let has_failed = emitter.has_bit(left, fails);
        emitter.only_if_not(has_failed, (settled, &[]));
    }
    for guard in &late {
        emit_late_guard(&mut emitter, pass, layout.bits(guard.slot as usize), wanted, guard);
    }
    for (status, block) in
        [(filled::DONE, None), (filled::IRREGULAR, Some(irregular)), (filled::SETTLED, Some(settled))]
    {
        block.into_iter().for_each(|block| emitter.builder.switch_to_block(block));
        let status = emitter.builder.ins().iconst(types::I32, status);
        emitter.builder.ins().return_(&[status]);
    }
    emitter.builder.seal_all_blocks();
    Ok(())
}

fn emit_late_guard(emitter: &mut Emitter<'_, '_>, pass: &Pass, bits: u64, wanted: Value, guard: &Guard) {
    let next = emitter.block(0);
    if bits != 0 {
        let is_wanted = emitter.has_bit(wanted, bits);
        emitter.only_if(is_wanted, (next, &[]));
    }
    let words = emitter.load_slot(guard.slot);
    guard.test.emit(emitter, words, pass.buffer());
    emitter.jump(next, &[]);
    emitter.enter::<0>(next);
}

/// Says whether a slot has its value as soon as its field or key was found, and its default if it was not.
fn is_settled_when_filled(pass: &Pass, items: &Items, slot: u32) -> bool {
    let is_derived = pass.derived().iter().any(|derived| parts(derived).1 == slot);
    let is_field = pass.reads().iter().any(|read| read.slot == slot && read.how != How::Keys && has_slot(read.how));
    let is_key = items.keys.iter().any(|item| item.slot == slot && !item.is_shared(items));
    !is_derived && (is_field || is_key)
}

/// Says whether what is read so is put into the slot that the read names.
fn has_slot(how: How) -> bool {
    !matches!(how, How::Keys | How::Message(_))
}

fn default_of(pass: &Pass, slot: u32) -> Slot {
    let default = pass.defaults().iter().rev().find(|(own, _)| *own == slot);
    default.map_or(Slot::MISSING, |(_, default)| *default)
}
