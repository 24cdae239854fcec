//! What an attached program has counted, to JSON that processes exchange and to lines for people.
//!
//! Counts of programs that were replaced are in it too. Next: `loaded.rs`.

use crate::output::table::TableSink;
use crate::output::{Header, Sink};
use dtq_kernel::Count;
use dtq_record::stream::{Column, Row};
use dtq_value::{Type, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// Holds how many datagrams, or records, and how many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Datagrams, or records of rules.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    /// Adds what a program has counted.
    pub fn add(&mut self, count: Count) {
        self.count = self.count.saturating_add(count.records);
        self.bytes = self.bytes.saturating_add(count.bytes);
    }

    /// Returns the sum of two.
    fn plus(self, other: Self) -> Self {
        Self { count: self.count.saturating_add(other.count), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// Holds the account of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleAccount {
    /// Its name.
    pub rule: String,
    /// How much of it the kernel decides: `whole`, `part`, `nothing`, or `removed` when the rules of now have none of the
    /// name.
    pub goes: String,
    /// Why nothing of it does.
    pub reason: Option<String>,
    /// Records that it dropped.
    pub dropped: Amount,
}

/// Holds what a relay has handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayAccount {
    /// Received.
    pub received: Amount,
    /// Taken by the target.
    pub forwarded: Amount,
    /// Not taken by the target, and lost.
    pub failed: Amount,
    /// How many of the received were cut.
    pub truncated: u64,
}

/// Holds the account of an attachment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The process that attached.
    pub pid: u32,
    /// The sockets.
    pub sockets: Vec<String>,
    /// The format of payloads.
    pub payload: String,
    /// For how long it is attached.
    pub attached_ms: u64,
    /// The kernel's number of the program.
    pub program: u32,
    /// Instructions of the program.
    pub instructions: usize,
    /// Whether the rules of now drop something in the kernel; if not, everything is kept.
    pub is_filtering: bool,
    /// The rules, in effective order.
    pub rules: Vec<RuleAccount>,
    /// Datagrams that a rule drops.
    pub dropped: Amount,
    /// Datagrams that no rule drops.
    pub kept: Amount,
    /// Datagrams that are kept because something could not be decided, by why.
    pub undecided: BTreeMap<String, Amount>,
    /// What a datagram costs, where it was measured.
    pub ns_per_datagram: Option<f64>,
    /// How often the rules were replaced.
    pub swaps: u64,
    /// How often they were not, because the new ones were wrong.
    pub refused_swaps: u64,
    /// What a relay has handed on.
    pub relay: Option<RelayAccount>,
}

impl Account {
    /// Returns all datagrams that the programs saw.
    pub fn seen(&self) -> Amount {
        self.undecided.values().fold(self.dropped.plus(self.kept), |sum, one| sum.plus(*one))
    }

    /// Returns the account as lines.
    ///
    /// # Errors
    /// Never in practice: a vector can be written to.
    pub fn text(&self, width: Option<usize>) -> io::Result<String> {
        let mut text = Vec::new();
        if !self.rules.is_empty() {
            let names =
                [("Rule", Type::String), ("Goes", Type::String), ("Dropped", Type::Long), ("DroppedBytes", Type::Long)];
            let columns: Vec<Column> = names.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
            let rows: Vec<Row> = self.rules.iter().map(row).collect();
            let mut sink = TableSink::new(width);
            sink.begin(&mut text, &Header { name: "Account", columns: &columns, is_one_of_several: false })?;
            sink.rows(&mut text, &rows)?;
            sink.end(&mut text)?;
            sink.finish(&mut text)?;
        }
        Ok(String::from_utf8_lossy(&text).into_owned() + &self.law())
    }

    /// Returns what came and where it went.
    fn law(&self) -> String {
        let seen = self.seen();
        let undecided = self.undecided.values().fold(Amount::default(), |sum, one| sum.plus(*one));
        let mut text =
            format!("datagrams: {} seen = {} dropped + {} kept", seen.count, self.dropped.count, self.kept.count);
        if undecided.count > 0 {
            let reasons: Vec<String> =
                self.undecided.iter().map(|(reason, amount)| format!("{reason} {}", amount.count)).collect();
            text += &format!(" + {} kept undecided ({})", undecided.count, reasons.join(", "));
        }
        text += &format!("; bytes: {} seen, {} dropped", seen.bytes, self.dropped.bytes);
        if let Some(ns) = self.ns_per_datagram {
            text += &format!("; {ns:.0} ns a datagram");
        }
        if let Some(relay) = &self.relay {
            text += &format!(
                "\nrelay: {} received = {} forwarded + {} failed + {} waiting; {} cut",
                relay.received.count,
                relay.forwarded.count,
                relay.failed.count,
                relay.received.count.saturating_sub(relay.forwarded.count).saturating_sub(relay.failed.count),
                relay.truncated
            );
        }
        if self.swaps + self.refused_swaps > 0 {
            text += &format!("\nrules: replaced {} times, {} wrong sets refused", self.swaps, self.refused_swaps);
        }
        if !self.is_filtering {
            text += "\nnothing of the rules of now goes into the kernel: everything is kept";
        }
        text
    }
}

fn row(rule: &RuleAccount) -> Row {
    let number = |count: u64| Value::Long(i64::try_from(count).unwrap_or(i64::MAX));
    let Amount { count, bytes } = rule.dropped;
    [Value::string(rule.rule.as_str()), Value::string(rule.goes.as_str()), number(count), number(bytes)]
        .into_iter()
        .collect()
}
