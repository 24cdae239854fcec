//! The calls of a batch: a scan and its conditions, record by record, with what each call checks and sets up done once.
//!
//! Next: [`crate::batch`], which says what a batch is.
#![allow(unsafe_code, reason = "machine code is called here, as in `call.rs`")]

use super::{ConditionFn, EntryPoint, Frame, FunctionId, Module, ScanFn, check_slots, filled, status};
use crate::batch::{ASKS_MAX, Ask, Batch};
use crate::context::{NativeContext, NoSubqueries, Subqueries};
use crate::layout::BufferTable;
use dtq_record::otlp::index::RecordEntry;
use dtq_record::slot::Slot;
use smallvec::SmallVec;
use std::mem::transmute;

impl Module {
    /// Calls a scan and the conditions of a batch for one record after the other; returns how many were decided.
    ///
    /// # Panics
    /// If there are fewer slots than one of them uses, a condition is none over slots, or a record lies elsewhere.
    pub(crate) fn decide_scanned<'r>(
        &self,
        id: FunctionId,
        (batch, context): (&Batch<'_>, &mut NativeContext),
        (slots, buffers): (&mut [Slot], &mut BufferTable<'r>),
        (request, records): (&'r [u8], &[RecordEntry]),
        out: &mut [u8],
    ) -> usize {
        let entry = self.entry(id);
        assert!(slots.len() >= entry.needs.input_count, "a scan gets all slots that it fills");
        let address = self.address(entry, EntryPoint::Scan);
        // SAFETY: as in `scan`.
        let scan = unsafe { transmute::<*const u8, ScanFn>(address) };
        let asked: SmallVec<[Asked<'_>; ASKS_MAX]> =
            batch.asks.iter().enumerate().map(|(at, ask)| Asked::new(ask, 1 << at, slots.len())).collect();
        let mut frame = self.frame(context, &NoSubqueries);
        for (done, (record, out)) in records.iter().zip(out.iter_mut()).enumerate() {
            let message = record.place.content(request);
            // SAFETY: as in `scan`; places are numbers of 32 bits, so that no message is larger.
            let status = unsafe { scan(message.as_ptr(), message.len() as u64, slots.as_mut_ptr(), batch.wanted) };
            let bits = match i64::from(status) {
                filled::DONE => {
                    buffers.set_record(message);
                    // SAFETY: they were made ready for these slots.
                    unsafe { ask_all(&asked, &mut frame, slots, buffers) }
                }
                filled::SETTLED => Some(0),
                _ => None,
            };
            match bits {
                Some(bits) if batch.stops >> bits & 1 == 0 => *out = bits,
                _ => return done,
            }
        }
        records.len().min(out.len())
    }
}

/// Holds a condition of a batch, ready to be called over as many slots as its batch has.
struct Asked<'a> {
    function: ConditionFn,
    /// What is set where it is true.
    bit: u8,
    mask: u8,
    bits: u8,
    module: &'a Module,
    subqueries: &'a dyn Subqueries,
}

impl<'a> Asked<'a> {
    /// Returns a condition that is called over so many slots.
    ///
    /// # Panics
    /// If it reads more slots, or is none over slots.
    fn new(ask: &'a Ask<'a>, bit: u8, slot_count: usize) -> Self {
        let (module, id) = ask.condition.parts();
        let entry = module.entry(id);
        check_slots(&entry.needs, slot_count);
        let address = module.address(entry, EntryPoint::Condition);
        // SAFETY: as in `run_condition`.
        let function = unsafe { transmute::<*const u8, ConditionFn>(address) };
        let Ask { mask, bits, subqueries, .. } = *ask;
        Self { function, bit, mask, bits, module, subqueries }
    }
}

/// Calls the conditions of a batch; `None` when one leaves the record, or fails, which is forgotten.
///
/// # Safety
/// There are as many slots as the conditions were made ready for.
#[inline]
unsafe fn ask_all<'a>(
    asked: &[Asked<'a>],
    frame: &mut Frame<'a>,
    slots: &[Slot],
    buffers: &BufferTable<'_>,
) -> Option<u8> {
    let mut bits = 0;
    for Asked { function, bit, mask, bits: wanted, module, subqueries } in asked {
        if bits & mask != *wanted {
            continue;
        }
        frame.enter(module.constants(), *subqueries);
        // SAFETY: as in `run_condition`; there are enough slots, as the caller promises.
        match i64::from(unsafe { function(frame, slots.as_ptr().cast(), buffers) }) {
            status::TRUE => bits |= bit,
            status::FALSE | status::NULL => {}
            _ => {
                frame.forget_fault();
                return None;
            }
        }
    }
    Some(bits)
}
