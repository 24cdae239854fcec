//! What each rule did, counted; and the law that nothing is lost.

use serde::Serialize;

/// Counts what one rule did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Records that came to the rule: those of its table's signal that no rule before it took.
    pub seen: u64,
    /// Bytes of the records seen.
    pub seen_bytes: u64,
    /// Records that its query gives.
    pub matched: u64,
    /// Records removed, also those that `on_error: drop` removed.
    pub dropped: u64,
    /// Bytes of the records dropped.
    pub dropped_bytes: u64,
    /// Records changed.
    pub edited: u64,
    /// Records and points made.
    pub created: u64,
    /// Records removed because a metric counts them.
    pub consumed: u64,
    /// Records that went to a named output instead.
    pub rerouted: u64,
    /// Copies that went to a named output besides.
    pub copied: u64,
    /// Records taken into a recorder so far.
    pub recorded: u64,
    /// Records that a recorder let go on.
    pub released: u64,
    /// Records held now.
    pub held: u64,
    /// Held records that were lost for lack of room or time; rows of a table, and partitions of a scan, that had to go
    /// for lack of room.
    pub evicted: u64,
    /// Rows whose window was closed before they came, or whose time in a table was over.
    pub late: u64,
    /// Records within `above`, on which the rule did not act although they match.
    pub within_rate: u64,
    /// Records that the rule could not judge, or whose format has no place for what it wrote.
    pub errors: u64,
    /// Nanoseconds spent, estimated from samples; 0 where the host gives no clock.
    pub ns: u64,
    /// Bytes of what it remembers now.
    pub state_bytes: u64,
    /// Partitions of its scan that are within a sequence now.
    #[serde(skip_serializing_if = "is_zero")]
    pub partitions: u64,
    /// Why the rule no longer acts, when it turned itself off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    /// The first record that it could not judge, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

/// Says whether there is nothing to tell, as for all rules without a scan.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Counts records of all rules together. Nothing is lost: [`Totals::is_conserved`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records that came.
    pub records_in: u64,
    /// Records and points that rules made.
    pub created: u64,
    /// Records that left where requests go on.
    pub records_out: u64,
    /// Records removed.
    pub dropped: u64,
    /// Records removed because a metric counts them.
    pub consumed: u64,
    /// Records that went to a named output instead.
    pub rerouted: u64,
    /// Records held now.
    pub held: u64,
    /// Held records that were lost.
    pub evicted: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes that left where requests go on.
    pub bytes_out: u64,
    /// Requests that came.
    pub requests: u64,
    /// Requests that could not be read and passed as they were.
    pub malformed: u64,
    /// Requests that took more than their budget.
    #[serde(skip_serializing_if = "is_zero")]
    pub over_budget: u64,
    /// Records of such requests that only protective rules judged.
    #[serde(skip_serializing_if = "is_zero")]
    pub passed_over_budget: u64,
}

impl Totals {
    /// Says whether every record is somewhere: in + created = out + dropped + consumed + rerouted + held + evicted.
    pub fn is_conserved(&self) -> bool {
        self.records_in + self.created
            == self.records_out + self.dropped + self.consumed + self.rerouted + self.held + self.evicted
    }
}
