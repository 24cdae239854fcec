//! Where a probe keeps what in its scratch, and with that what a record of the ring buffer looks like.
//!
//! The scratch is that of filters (`dtq_ebpf::layout`); a record is the part of it from [`RECORD`] on, so that the place of
//! a text in a record is its place in the scratch less that. Next: `program.rs`.

use crate::trace::arguments::{ARGUMENTS_MAX, TEXT_SIZE_MAX};
use dtq_ebpf::layout::{FIELD_SIZE, PADDING, PAYLOAD, PAYLOAD_MAX};

/// The record that is being made.
pub const RECORD: i16 = PAYLOAD;
/// Nanoseconds since start, with sleep (u64).
pub const TIME: i16 = RECORD;
/// The process (u32).
pub const PID: i16 = RECORD + 8;
/// The thread (u32).
pub const TID: i16 = RECORD + 12;
/// The name of the thread, with zeros behind it.
pub const COMMAND: i16 = RECORD + 16;
/// Bytes of a name of a thread (`TASK_COMM_LEN`).
pub const COMMAND_SIZE: usize = 16;
/// The position of the site among those of the trace (u32).
pub const SITE: i16 = RECORD + 32;
/// Where the record ends so far, from the beginning of the scratch (u32).
pub const END: i16 = RECORD + 36;
/// Why the condition was not decided, a `dtq_ebpf::layout::Reason` (u32); 0 if it was.
pub const UNDECIDED: i16 = RECORD + 40;
/// A bit for each argument that was cut (u16).
pub const CUT: i16 = RECORD + 44;
/// A bit for each argument that could not be read (u16).
pub const FAILED: i16 = RECORD + 46;
/// The arguments, each a cell as fields have it.
pub const CELLS: i16 = RECORD + 48;
/// The name of the thread for conditions, with zeros behind it; behind what a record may be.
pub const COMMAND_TEXT: i16 = PAYLOAD + PAYLOAD_MAX as i16 + 2 * PADDING as i16;
/// Bytes that a text is written with: one more than are kept, and a zero, so that a longer one is told from one that fits.
pub const TEXT_ROOM: usize = TEXT_SIZE_MAX + 2;
/// The last place where a text may begin, so that it and zeros behind it are within the payload.
pub const TEXT_BEGIN_MAX: i32 = PAYLOAD as i32 + (PAYLOAD_MAX - TEXT_ROOM - PADDING) as i32;

/// Returns where the cell of an argument is.
pub fn cell(index: usize) -> i16 {
    debug_assert!(index < ARGUMENTS_MAX, "arguments are counted before code is made");
    CELLS + index as i16 * FIELD_SIZE
}

/// Returns where texts begin behind so many arguments.
pub fn texts(argument_count: usize) -> i16 {
    CELLS + argument_count as i16 * FIELD_SIZE
}

// All texts have room, each with zeros behind it, and the name of the thread is where conditions may look.
const _: () = assert!(48 + ARGUMENTS_MAX * (FIELD_SIZE as usize + TEXT_SIZE_MAX + PADDING) + TEXT_ROOM <= PAYLOAD_MAX);
const _: () = assert!(COMMAND_TEXT as i32 + (COMMAND_SIZE + PADDING) as i32 <= dtq_ebpf::layout::MASK + 1);
