//! Groups by window and key, until the window is closed: `summarize ... by bin(Timestamp, w), k` in record time.
//!
//! Aggregates nothing: a group is whatever the owner makes, and becomes a point there. A window is closed once, and
//! what comes for it later is late: counted, never a second point. Next: `scan.rs`.

use crate::state::activity::Activity;
use crate::state::bounds::{Incompatible, KeyShape, values_bytes};
use crate::state::ranked::KeyHasher;
use dtq_interp::RowIdentity;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt;

/// Says what windows are and how much they may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSpec {
    /// What keys are made of, without the window.
    pub key: KeyShape,
    /// How long a window is.
    pub width_ticks: i64,
    /// How long after its end it waits, in record time.
    pub lateness_ticks: i64,
    /// After how long without records, by wall time, all windows are closed.
    pub idle_ticks: i64,
    /// Open windows at most; beyond, the oldest is closed early.
    pub windows_max: usize,
    /// Groups of a window at most, without the one for the excess.
    pub cardinality_max: usize,
    /// Bytes of all groups at most.
    pub bytes_max: usize,
    /// The key of the group that takes the excess of a window.
    pub overflow_key: RowIdentity,
}

/// Holds the groups of open windows.
pub struct Windows<G> {
    spec: WindowSpec,
    open: BTreeMap<i64, Window<G>>,
    /// Windows that [`Windows::close`] has yet to give, by start.
    closed: Vec<ClosedWindow<G>>,
    /// The greatest record time seen.
    watermark: i64,
    /// Every window that starts before is closed.
    closed_before: i64,
    activity: Activity,
    counts: WindowCounts,
}

struct Window<G> {
    groups: IndexMap<RowIdentity, G, KeyHasher>,
    overflow: Option<G>,
    bytes: usize,
}

/// Holds a window that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedWindow<G> {
    /// When it begins.
    pub start_ticks: i64,
    /// When it ends, exclusive.
    pub end_ticks: i64,
    /// Its groups in the order in which they began, the one for the excess last.
    pub groups: Vec<(RowIdentity, G)>,
}

/// Says that a row came after its window was closed; it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the window of the row was closed before it came")
    }
}

impl std::error::Error for Late {}

/// Counts what windows did: rows = late + those in some group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCounts {
    /// Open windows now.
    pub windows: usize,
    /// Groups of open windows now.
    pub groups: usize,
    /// Bytes of open windows now.
    pub bytes: usize,
    /// Rows that came.
    pub rows: u64,
    /// Rows whose window was closed.
    pub late: u64,
    /// Rows in a group for the excess.
    pub overflowed: u64,
    /// Windows closed.
    pub closed: u64,
    /// Windows closed early because there were too many.
    pub closed_early: u64,
    /// Windows closed because no records came.
    pub closed_idle: u64,
}

impl<G> Windows<G> {
    /// Returns windows without any open.
    pub fn new(spec: WindowSpec) -> Self {
        Self {
            spec,
            open: BTreeMap::new(),
            closed: Vec::new(),
            watermark: i64::MIN,
            closed_before: i64::MIN,
            activity: Activity::new(),
            counts: WindowCounts::default(),
        }
    }

    /// Returns the window for a row of a window: its own, or where that has yet to begin, the one that `latest` is in.
    ///
    /// `latest` is the latest time that the row can have. A window far ahead would stay open for as long as records come,
    /// and many of them would leave no room for any other.
    pub fn begun(&self, window_start: i64, latest: i64) -> i64 {
        let width_ticks = i128::from(self.spec.width_ticks.max(1));
        let ahead_ticks = i128::from(window_start) - i128::from(latest);
        let ahead_count = (ahead_ticks.max(0) + width_ticks - 1) / width_ticks;
        i64::try_from(i128::from(window_start) - ahead_count * width_ticks).unwrap_or(i64::MIN)
    }

    /// Returns the group of a row, made by `make` and taken to be of `group_bytes` when it is the first.
    ///
    /// `now` is the record's time. Groups that grow later are charged by [`Windows::charge`].
    ///
    /// # Errors
    /// When the window is closed already.
    pub fn entry(
        &mut self,
        window_start: i64,
        key: RowIdentity,
        now: i64,
        group_bytes: usize,
        make: impl FnOnce() -> G,
    ) -> Result<&mut G, Late> {
        self.advance(now);
        self.counts.rows += 1;
        if self.is_late(window_start) {
            self.counts.late += 1;
            return Err(Late);
        }
        if !self.open.contains_key(&window_start) {
            while self.open.len() >= self.spec.windows_max {
                self.close_first();
                self.counts.closed_early += 1;
            }
        }
        let window = self.open.entry(window_start).or_insert_with(Window::new);
        if let Some(index) = window.groups.get_index_of(&key) {
            return Ok(&mut window.groups[index]);
        }
        let bytes = group_bytes.saturating_add(key_bytes(&key));
        let has_room = window.groups.len() < self.spec.cardinality_max
            && self.counts.bytes.saturating_add(bytes) <= self.spec.bytes_max;
        if has_room && key != self.spec.overflow_key {
            window.bytes += bytes;
            self.counts.bytes += bytes;
            return Ok(window.groups.entry(key).or_insert_with(make));
        }
        self.counts.overflowed += 1;
        if window.overflow.is_none() {
            let bytes = group_bytes.saturating_add(key_bytes(&self.spec.overflow_key));
            window.bytes += bytes;
            self.counts.bytes += bytes;
        }
        Ok(window.overflow.get_or_insert_with(make))
    }

    /// Charges bytes by which a group of an open window grew, and says whether all is still within the bound.
    ///
    /// What is there cannot be taken back; a rule whose groups grow past the bound has to be stopped by its owner.
    pub fn charge(&mut self, window_start: i64, grown_bytes: usize) -> bool {
        if let Some(window) = self.open.get_mut(&window_start) {
            window.bytes += grown_bytes;
            self.counts.bytes += grown_bytes;
        }
        self.counts.bytes <= self.spec.bytes_max
    }

    /// Takes note of a record's time, also of one that no group wants.
    pub fn advance(&mut self, now: i64) {
        self.watermark = self.watermark.max(now);
        self.activity.note_record();
        while self.first().is_some_and(|start_ticks| self.is_over(start_ticks)) {
            self.close_first();
        }
    }

    /// Takes note of wall time; when there were no records for the idle time, every window is over.
    pub fn tick(&mut self, now: i64) {
        if self.activity.is_idle(now, self.spec.idle_ticks) {
            self.counts.closed_idle += self.open.len() as u64;
            self.close_first_windows(0);
        }
    }

    /// Returns the windows that are over, by start.
    ///
    /// To be called after each batch: until then they are held outside the bounds, so that these work the same however
    /// records are batched.
    pub fn close(&mut self) -> Vec<ClosedWindow<G>> {
        std::mem::take(&mut self.closed)
    }

    /// Returns all windows, by start, over or not.
    pub fn shutdown(&mut self) -> Vec<ClosedWindow<G>> {
        self.close_first_windows(0);
        std::mem::take(&mut self.closed)
    }

    /// Returns what they did so far.
    pub fn counts(&self) -> WindowCounts {
        let groups =
            self.open.values().map(|window| window.groups.len() + usize::from(window.overflow.is_some())).sum();
        WindowCounts { windows: self.open.len(), groups, ..self.counts }
    }

    /// Returns their spec.
    pub fn spec(&self) -> &WindowSpec {
        &self.spec
    }

    /// Says whether open windows can move to a rule of another spec; what groups are is the owner's to compare.
    pub fn is_compatible(&self, spec: &WindowSpec) -> bool {
        self.spec.key == spec.key && self.spec.width_ticks == spec.width_ticks
    }

    /// Changes the spec; when fewer windows may be open, the oldest are closed early. Groups stay.
    ///
    /// # Errors
    /// When the spec wants other keys or windows; then nothing changes.
    pub fn set_spec(&mut self, spec: WindowSpec) -> Result<(), Incompatible> {
        if !self.is_compatible(&spec) {
            return Err(Incompatible);
        }
        self.spec = spec;
        self.counts.closed_early += self.open.len().saturating_sub(self.spec.windows_max) as u64;
        self.close_first_windows(self.spec.windows_max);
        Ok(())
    }

    /// Closes the oldest windows until this many are left.
    fn close_first_windows(&mut self, left: usize) {
        while self.open.len() > left {
            self.close_first();
        }
    }

    fn close_first(&mut self) {
        let Some((start_ticks, window)) = self.open.pop_first() else {
            return;
        };
        self.counts.closed += 1;
        self.counts.bytes -= window.bytes;
        self.closed_before = self.closed_before.max(start_ticks.saturating_add(1));
        let overflow = window.overflow.map(|group| (self.spec.overflow_key.clone(), group));
        let groups = window.groups.into_iter().chain(overflow).collect();
        self.closed.push(ClosedWindow { start_ticks, end_ticks: self.end_of(start_ticks), groups });
    }

    fn first(&self) -> Option<i64> {
        self.open.first_key_value().map(|(start_ticks, _)| *start_ticks)
    }

    /// Says whether a window is closed, or would have to be opened and closed at once for lack of room.
    fn is_late(&self, start_ticks: i64) -> bool {
        let is_beyond_room =
            self.open.len() >= self.spec.windows_max && self.first().is_none_or(|first| start_ticks < first);
        start_ticks < self.closed_before || self.is_over(start_ticks) || is_beyond_room
    }

    fn end_of(&self, start_ticks: i64) -> i64 {
        start_ticks.saturating_add(self.spec.width_ticks)
    }

    /// Says whether record time has passed a window's end and lateness.
    fn is_over(&self, start_ticks: i64) -> bool {
        self.end_of(start_ticks).saturating_add(self.spec.lateness_ticks) <= self.watermark
    }
}

impl<G> Window<G> {
    fn new() -> Self {
        Self { groups: IndexMap::default(), overflow: None, bytes: 0 }
    }
}

/// Returns how many bytes a key takes with its place in a window.
fn key_bytes(key: &RowIdentity) -> usize {
    /// The place in the map, with room to grow.
    const PLACE_BYTES: usize = 128;
    PLACE_BYTES + values_bytes(&key.0)
}
