//! What was counted of a trace, to JSON and to lines for people. Next: `line.rs`.

use super::choice::{Choice, Tally};
use super::out::cannot_write;
use super::place::Place;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::output::table::TableSink;
use crate::output::{Header, Sink};
use dtq_kernel::trace::{Counts, Trace, TraceError};
use dtq_record::stream::{Column, Row};
use dtq_value::{Type, Value};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Holds the account of a site.
#[derive(Clone, Debug, Serialize)]
pub struct SiteAccount {
    /// As it was asked for.
    pub site: String,
    /// The function, or the probe.
    pub function: String,
    /// Where it is, in the addresses of the file.
    pub address: u64,
    /// Hits.
    pub hits: u64,
    /// Of these, the kernel did not look, since too many were under way on the same processor.
    pub busy: u64,
    /// Of hits, the condition holds, or may hold.
    pub matched: u64,
    /// Their bytes in the ring buffer.
    pub matched_bytes: u64,
    /// Of matched, there was no room in the ring buffer.
    pub lost: u64,
    /// Of matched, user space has found the condition not to be true.
    pub refuted: u64,
    /// Of matched, there were more than `--rate` says.
    pub over_rate: u64,
    /// Of matched, they went out.
    pub delivered: u64,
    /// Of matched, they came after what `--count` says, or when nobody read any more.
    pub left: u64,
    /// Of matched, the kernel could not decide.
    pub undecided: u64,
    /// Of delivered, nobody could decide.
    pub delivered_undecided: u64,
    /// Arguments that could not be read.
    pub unreadable: u64,
}

impl SiteAccount {
    fn new((name, function, address): (&str, &str, u64), counts: Counts, tally: Tally) -> Self {
        let gone = [counts.lost, tally.refuted, tally.over_rate, tally.delivered];
        Self {
            site: name.to_owned(),
            function: function.to_owned(),
            address,
            hits: counts.hits,
            busy: counts.busy,
            matched: counts.matched,
            matched_bytes: counts.matched_bytes,
            lost: counts.lost,
            refuted: tally.refuted,
            over_rate: tally.over_rate,
            delivered: tally.delivered,
            left: gone.into_iter().fold(counts.matched, u64::saturating_sub),
            undecided: counts.undecided,
            delivered_undecided: tally.delivered_undecided,
            unreadable: counts.failed_reads,
        }
    }

    /// Returns what is shown, with the names of columns.
    fn numbers(&self) -> [(&'static str, u64); 9] {
        [
            ("Hits", self.hits),
            ("Matched", self.matched),
            ("Delivered", self.delivered),
            ("Refuted", self.refuted),
            ("OverRate", self.over_rate),
            ("Lost", self.lost),
            ("Left", self.left),
            ("Undecided", self.undecided),
            ("Unreadable", self.unreadable),
        ]
    }
}

/// Holds the account of a trace.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// The process whose hits were wanted; `None` for all.
    pub pid: Option<u32>,
    /// The file.
    pub file: PathBuf,
    /// For how long it was traced.
    pub traced_ms: u64,
    /// The sites.
    pub sites: Vec<SiteAccount>,
}

impl Account {
    /// Returns the account of a trace.
    ///
    /// # Errors
    /// When the kernel does not give its counts.
    pub fn new(trace: &Trace, choice: &Choice, place: &Place, traced: Duration) -> Result<Self, TraceError> {
        let sites = trace.sites().iter().zip(choice.tallies()).enumerate().map(|(position, (site, tally))| {
            let names = (site.name.as_str(), site.function.as_str(), site.address);
            Ok(SiteAccount::new(names, trace.counts(position)?, *tally))
        });
        Ok(Self {
            pid: place.pid,
            file: place.path.clone(),
            traced_ms: u64::try_from(traced.as_millis()).unwrap_or(u64::MAX),
            sites: sites.collect::<Result<_, TraceError>>()?,
        })
    }

    /// Writes the account to stderr, or as JSON where that is asked for.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, report: Option<&Path>, console: &Console) -> Outcome {
        let json = || serde_json::to_string(self).map_err(|error| Failure::Output(io::Error::other(error)));
        match report {
            None => console.say(self.text(console.width())?.trim_end()),
            Some(path) if path == Path::new("-") => console.say(&json()?),
            Some(path) => std::fs::write(path, json()? + "\n").map_err(|error| cannot_write(path, &error))?,
        }
        Ok(())
    }

    fn text(&self, width: Option<usize>) -> io::Result<String> {
        let Some(first) = self.sites.first() else { return Ok(String::new()) };
        let numbers = first.numbers().map(|(name, _)| Column::new(name, Type::Long));
        let columns: Vec<Column> = std::iter::once(Column::new("Site", Type::String)).chain(numbers).collect();
        let rows: Vec<Row> = self.sites.iter().map(row).collect();
        let (mut sink, mut text) = (TableSink::new(width), Vec::new());
        sink.begin(&mut text, &Header { name: "Account", columns: &columns, is_one_of_several: false })?;
        sink.rows(&mut text, &rows)?;
        sink.end(&mut text)?;
        sink.finish(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned() + &self.remarks())
    }

    /// Returns what the table does not say.
    fn remarks(&self) -> String {
        let sum = |of: fn(&SiteAccount) -> u64| self.sites.iter().map(of).fold(0, u64::saturating_add);
        let mut text = String::new();
        if sum(|site| site.lost) > 0 {
            text += "lost: hits came faster than they were taken; a narrower --where leaves fewer\n";
        }
        if sum(|site| site.delivered_undecided) > 0 {
            let count = sum(|site| site.delivered_undecided);
            text += &format!("{count} delivered undecided: `dtq.undecided` says why\n");
        }
        if sum(|site| site.busy) > 0 {
            text += &format!("{} hits were not looked at: too many at once on one processor\n", sum(|site| site.busy));
        }
        text
    }
}

fn row(site: &SiteAccount) -> Row {
    let number = |count: u64| Value::Long(i64::try_from(count).unwrap_or(i64::MAX));
    let numbers = site.numbers().map(|(_, count)| number(count));
    std::iter::once(Value::string(site.site.as_str())).chain(numbers).collect()
}
