//! The tables in which a filter counts by keys to rows of metrics rules, without losing a count.
//!
//! There are two tables, and [`Counts::take`] empties them in turn: it has the program use the other one, waits until no run
//! can still use the first, and takes that one's entries out. A program reads which table to use behind setting the busy flag
//! of its processor, with a barrier between; so once the choice is written, a processor that is seen not to be busy uses the
//! other table from then on. Next: `meter.rs`.

use crate::object::Map;
use crate::share::{Reading, merged};
use dtq_ebpf::tally::Tables;
use dtq_rules::engine::Counted;
use std::io;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

/// How long a run may take before counts are left for the next time: far longer than any does, unless its processor has
/// other things to do.
const QUIET_TRIES_TIME: Duration = Duration::from_millis(500);
/// How long to wait before a processor is looked at again.
const QUIET_PAUSE: Duration = Duration::from_micros(50);

/// Takes out what a filter counted.
#[derive(Debug)]
pub struct Counts {
    tables: Tables,
    readings: Vec<Reading>,
    /// The table that programs use.
    in_use: usize,
    /// Whether the other one may still hold counts, since a processor was busy for too long.
    is_behind: bool,
}

impl Counts {
    /// Returns what takes out the counts of a new filter.
    pub fn new(tables: &Tables, readings: &[Reading]) -> Self {
        Self { tables: tables.clone(), readings: readings.to_vec(), in_use: 0, is_behind: false }
    }

    /// Takes out all that was counted so far, of the filter whose maps these are; several calls give all counts, each once.
    ///
    /// # Errors
    /// What the kernel says; with [`io::ErrorKind::TimedOut`] a processor was busy for too long. Nothing is lost, and
    /// the next call goes on.
    pub fn take(&mut self, maps: &[Map]) -> io::Result<Vec<Counted>> {
        let mut rows = Vec::new();
        if self.is_behind {
            self.take_other(maps, &mut rows)?;
        }
        let next = 1 - self.in_use;
        maps[self.tables.choice_map as usize].set(&[0; 4], &(next as u64).to_le_bytes())?;
        (self.in_use, self.is_behind) = (next, true);
        match self.take_other(maps, &mut rows) {
            Err(error) if rows.is_empty() => Err(error),
            // What was behind is there, and the rest comes the next time.
            _ => Ok(rows),
        }
    }

    fn take_other(&mut self, maps: &[Map], rows: &mut Vec<Counted>) -> io::Result<()> {
        wait_until_quiet(&maps[Tables::SCRATCH_MAP as usize])?;
        let table = &maps[self.tables.maps[1 - self.in_use] as usize];
        for key in table.keys()? {
            let Some(values) = table.get(&key)? else { continue };
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            rows.extend(counted(&self.tables, &self.readings, &key, &values));
            table.remove(&key)?;
        }
        self.is_behind = false;
        Ok(())
    }
}

/// Returns what an entry of a table stands for, if for anything.
pub fn counted(tables: &Tables, readings: &[Reading], key: &[u8], values: &[&[u8]]) -> Option<Counted> {
    let tally = usize::from(*key.first()?);
    let places = tables.places.get(tally)?;
    readings.get(tally)?.counted(places, key, &merged(places, values))
}

/// Waits until each processor was seen without a run that began before.
fn wait_until_quiet(scratch: &Map) -> io::Result<()> {
    // The choice of table is written before flags are read, also for other processors.
    fence(Ordering::SeqCst);
    let end = Instant::now() + QUIET_TRIES_TIME;
    let mut was_quiet: Vec<bool> = Vec::new();
    loop {
        let values = scratch.get(&[0; 4])?.unwrap_or_default();
        was_quiet.resize(values.len(), false);
        for (was_quiet, value) in was_quiet.iter_mut().zip(&values) {
            *was_quiet |= value[..8] == [0; 8];
        }
        if was_quiet.iter().all(|was_quiet| *was_quiet) {
            fence(Ordering::SeqCst);
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a processor was busy with a filter for too long"));
        }
        std::thread::sleep(QUIET_PAUSE);
    }
}
