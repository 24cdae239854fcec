//! A record of the ring buffer to a hit.
//!
//! Every length and place is checked: a record that no probe of ours writes is `None`. Next: `attach.rs`.

use crate::trace::arguments::{Argument, ArgumentType, TEXT_SIZE_MAX};
use crate::trace::layout::{self, RECORD};
use dtq_ebpf::layout::{FIELD_SIZE, Reason, State};

/// Holds a hit for which the condition holds, or may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<'r> {
    /// Nanoseconds since the machine started, with sleep.
    pub time_boot_ns: u64,
    /// The process, as the first pid namespace numbers it.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The name of the thread.
    pub command: &'r [u8],
    /// The position of the site among those of the trace.
    pub site: usize,
    /// Why the condition was not decided, if it was not.
    pub undecided: Option<Reason>,
    /// The arguments, in the order in which they were asked for.
    pub arguments: Vec<Captured<'r>>,
}

/// Holds an argument of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'r> {
    /// What it is; `None` where an address is 0 or could not be read.
    pub value: Option<CapturedValue<'r>>,
    /// Whether only its first [`TEXT_SIZE_MAX`] bytes are here.
    pub is_cut: bool,
    /// Whether it could not be read.
    pub has_failed: bool,
}

/// Holds the value of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapturedValue<'r> {
    /// A number.
    Long(i64),
    /// A text, which may be no UTF-8.
    Text(&'r [u8]),
    /// Bytes.
    Bytes(&'r [u8]),
}

impl<'r> Hit<'r> {
    /// Reads a record of a trace with these arguments.
    pub fn parse(record: &'r [u8], arguments: &[Argument]) -> Option<Self> {
        let at = |offset: i16| (offset - RECORD) as usize;
        let command = record.get(at(layout::COMMAND)..)?.get(..layout::COMMAND_SIZE)?;
        let command_size = command.iter().position(|byte| *byte == 0).unwrap_or(command.len());
        let reason = u32_at(record, at(layout::UNDECIDED))?;
        let (cut, failed) = (u16_at(record, at(layout::CUT))?, u16_at(record, at(layout::FAILED))?);
        let captured = |(index, argument): (usize, &Argument)| {
            let cell = record.get(at(layout::CELLS) + index * FIELD_SIZE as usize..)?;
            let is_set = |bits: u16| bits >> index & 1 == 1;
            Some(Captured {
                value: value(record, cell, argument.kind)?,
                is_cut: is_set(cut),
                has_failed: is_set(failed),
            })
        };
        Some(Hit {
            time_boot_ns: u64_at(record, at(layout::TIME))?,
            pid: u32_at(record, at(layout::PID))?,
            tid: u32_at(record, at(layout::TID))?,
            command: &command[..command_size],
            site: u32_at(record, at(layout::SITE))? as usize,
            undecided: Reason::ALL.into_iter().find(|known| *known as u32 == reason),
            arguments: arguments.iter().enumerate().map(captured).collect::<Option<_>>()?,
        })
    }
}

/// Reads a cell: `None` where it is broken, and `Some(None)` where it holds nothing.
fn value<'r>(record: &'r [u8], cell: &[u8], kind: ArgumentType) -> Option<Option<CapturedValue<'r>>> {
    let (state, length, held) = (u32_at(cell, 0)?, u32_at(cell, 4)? as usize, u64_at(cell, 8)?);
    if state == State::Missing as u32 {
        return Some(None);
    }
    if state == State::Long as u32 && !kind.is_pointer() {
        return Some(Some(CapturedValue::Long(held as i64)));
    }
    if state != State::Text as u32 || !kind.is_pointer() || length > TEXT_SIZE_MAX {
        return None;
    }
    let begin = usize::try_from(held).ok()?.checked_sub(RECORD as usize)?;
    let text = record.get(begin..)?.get(..length)?;
    let is_bytes = matches!(kind, ArgumentType::Bytes(_));
    Some(Some(if is_bytes { CapturedValue::Bytes(text) } else { CapturedValue::Text(text) }))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
