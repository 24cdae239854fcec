//! What a scan notes on its way: where the attributes begin that it has walked over, and how far it came.
//!
//! A scan ends where all that is wanted was found. Whoever edits attributes of the record looks at the noted ones and goes
//! on behind them, instead of walking over all of it once more. Next: `scan/keys.rs`, which notes them.

use dtq_record::otlp::key_places::Walked;
use std::mem::offset_of;

/// Attributes of one record that are noted; of more of them none counts.
pub const NOTES_MAX: usize = 64;

/// Holds what a scan has noted of one record.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FieldNotes {
    count: u32,
    end: u32,
    starts: [u32; NOTES_MAX],
}

impl FieldNotes {
    /// Offsets in bytes of what scans write.
    pub(crate) const COUNT: i32 = offset_of!(Self, count) as i32;
    pub(crate) const END: i32 = offset_of!(Self, end) as i32;
    pub(crate) const STARTS: i32 = offset_of!(Self, starts) as i32;

    /// Notes of a record that nobody has walked over.
    pub const NONE: Self = Self { count: 0, end: 0, starts: [0; NOTES_MAX] };

    /// Returns how far the record was walked, and the attributes up to there; when they were too many, that it was not.
    pub fn walked(&self) -> Walked<'_> {
        let starts = self.starts.get(..self.count as usize);
        starts.map_or(Walked::default(), |starts| Walked { starts, end: self.end })
    }

    /// Forgets what was noted.
    pub fn clear(&mut self) {
        (self.count, self.end) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_attributes_none_counts() {
        let full = FieldNotes { count: NOTES_MAX as u32, end: 9, ..FieldNotes::NONE };
        assert_eq!((full.walked().starts.len(), full.walked().end), (NOTES_MAX, 9));
        let over = FieldNotes { count: full.count + 1, ..full };
        assert_eq!((over.walked().starts.len(), over.walked().end), (0, 0));
    }
}
