//! What a rule file says, as plain data with places.
//!
//! A combination that the contract refuses cannot be written here: what only one destination takes stands in that
//! destination. Nothing is computed; queries are text. Next: `query.rs`, `read.rs`.

use crate::file::query::QueryText;
use dtq_source::{SourceText, Span};
use dtq_value::Value;
use std::fmt;
use std::sync::Arc;

/// Holds a value and the place where the rule file says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the rule file.
    pub span: Span,
}

/// Holds one rule file.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// The text, under the name that messages show.
    pub source: SourceText,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// The tables that the file brings along.
    pub tables: Vec<StaticTable>,
    /// Whether it had no mistake; with one, rules and tables may be missing here.
    pub is_complete: bool,
}

/// Holds a table whose rows stand in a file beside the rule file.
#[derive(Clone, Debug)]
pub struct StaticTable {
    /// The name under which queries read it.
    pub name: Spanned<String>,
    /// The path of the file, as written.
    pub path: Spanned<String>,
    /// The content of the file.
    pub content: Arc<[u8]>,
}

/// Holds one rule: a named query and what its rows mean.
#[derive(Clone, Debug)]
pub struct Rule {
    /// All of the rule in its file.
    pub span: Span,
    /// The name, unique in a rule set.
    pub name: Spanned<String>,
    /// Who answers for the rule.
    pub owner: Option<Spanned<String>>,
    /// Why it exists.
    pub reason: Option<Spanned<String>>,
    /// When it stops acting, in ticks.
    pub expires_ticks: Option<Spanned<i64>>,
    /// Where it may run, each once, in the order in which telemetry passes them.
    pub tiers: Spanned<Vec<Tier>>,
    /// Whether it acts.
    pub mode: Mode,
    /// What the rows of the query mean; its place is that of `to:`.
    pub to: Spanned<Destination>,
    /// What happens to a record that the rule cannot judge.
    pub on_error: Spanned<OnError>,
    /// The query.
    pub query: QueryText,
    /// An expression that tells apart what `above` and the destination count or hold separately.
    pub key: Option<QueryText>,
    /// Makes the rule act only on what passes a rate.
    pub above: Option<Spanned<Above>>,
    /// When it runs in a rule set, written or by the default of its destination.
    pub phase: Phase,
    /// How long a partition of `scan` waits for its next row, in ticks of record time.
    pub idle_ticks: Option<Spanned<i64>>,
    /// What the rule may cost.
    pub limits: RuleLimits,
    /// Whether what it remembers outlives the process.
    pub is_durable: bool,
    /// Its examples.
    pub tests: Vec<RuleTest>,
}

impl Rule {
    /// The `idle` of a rule with `scan` that says none: 10 minutes.
    pub const SCAN_IDLE_TICKS: i64 = 6_000_000_000;

    /// Says whether no cost bound may disable it, because it protects what telemetry must not show.
    pub fn is_protective(&self) -> bool {
        self.on_error.value != OnError::Pass
    }
}

/// Names a place where rules run, in the order in which telemetry passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// In the process that emits the telemetry.
    InProcess,
    /// In the kernel of its host.
    Kernel,
    /// In a collector.
    Collector,
    /// At the point of ingestion.
    Gateway,
}

/// Says whether a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It does not run.
    Off,
    /// It counts, keeps a few samples and changes nothing.
    Observe,
    /// It acts.
    Enforce,
}

/// Names the first key of the order in which rules run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// What telemetry must not show goes away.
    Redact,
    /// What is there is counted, copied and remembered.
    Observe,
    /// What is not wanted goes away.
    Reduce,
}

/// Says what happens to a record that a rule cannot judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It goes on as it is.
    Pass,
    /// It is dropped.
    Drop,
    /// It goes on with these columns emptied.
    Strip(Vec<Spanned<String>>),
}

/// Says what the rows of a rule's query mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// These records are removed.
    Drop,
    /// The rows take the place of the input.
    Replace {
        /// On `metrics`: series stay apart although the rule removes or changes an attribute.
        is_identity_preserved: bool,
    },
    /// New log records beside the input.
    Logs,
    /// Data points or measurements.
    Metrics(MetricsOutput),
    /// Rows that other rules look up.
    Table {
        /// The name under which queries read it.
        name: Spanned<String>,
        /// How long a row stays, in ticks.
        for_ticks: i64,
    },
    /// Records are held instead of going on.
    Recorder {
        /// The name that `flush:` refers to.
        name: Spanned<String>,
        /// How much it holds.
        bounds: RecorderBounds,
    },
    /// Records held for the row's key are let go.
    Flush {
        /// The name of the recorder.
        name: Spanned<String>,
        /// How long the key's records pass the recorder afterwards, in ticks.
        after_ticks: i64,
        /// How long further flushes of the key do nothing, in ticks.
        cooldown_ticks: i64,
    },
    /// Records go to a named output.
    Route {
        /// The name of the output.
        name: Spanned<String>,
        /// Whether they also go on.
        is_copy: bool,
    },
}

/// Holds how rows become metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsOutput {
    /// How each value column becomes a metric.
    pub columns: Vec<MetricColumn>,
    /// Columns that become attributes of the Resource.
    pub resource: Vec<Spanned<String>>,
    /// Whether the records counted are removed.
    pub is_consumed: bool,
    /// Of measurements: the time after which points are made, in ticks.
    pub interval_ticks: Option<Spanned<i64>>,
    /// Of windows: how long one waits for late records after its end, in ticks of record time.
    pub lateness_ticks: Option<Spanned<i64>>,
    /// Of windows: after how long without records they are closed, in ticks of wall time.
    pub idle_ticks: Option<Spanned<i64>>,
}

impl MetricsOutput {
    /// The `interval` of a rule that says none: 60 s, as the OpenTelemetry SDK specification has it for periodic export.
    pub const INTERVAL_TICKS: i64 = 600_000_000;
    /// The `lateness` of a rule that says none: 10 s.
    pub const LATENESS_TICKS: i64 = 100_000_000;
    /// The `idle` of a rule that says none: 60 s.
    pub const IDLE_TICKS: i64 = 600_000_000;
}

/// Holds how one value column becomes a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricColumn {
    /// The column.
    pub column: Spanned<String>,
    /// The name of the metric.
    pub name: Spanned<String>,
    /// Its kind.
    pub kind: Spanned<MetricKind>,
    /// The unit in UCUM, or `""`.
    pub unit: String,
    /// What it measures, or `""`.
    pub description: String,
}

/// Says what kind of metric a column becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricKind {
    /// The last value counts.
    Gauge,
    /// Values add up.
    Sum {
        /// Since when points count.
        temporality: Temporality,
        /// Whether the sum only grows.
        is_monotonic: bool,
    },
    /// Values are counted in buckets.
    Histogram {
        /// Since when points count.
        temporality: Temporality,
        /// Upper bounds of the buckets, ascending; `None` for those of the OpenTelemetry SDK specification.
        bounds: Option<Vec<f64>>,
    },
    /// Values are counted in buckets that grow exponentially.
    ExponentialHistogram {
        /// Since when points count.
        temporality: Temporality,
        /// The count of buckets for each sign.
        max_size: u32,
        /// The finest scale.
        max_scale: i8,
    },
}

/// Says since when a point counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Temporality {
    /// Since the point before.
    Delta,
    /// Since the start.
    Cumulative,
}

/// Holds how much a recorder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderBounds {
    /// How long a record stays, in ticks.
    pub keep_ticks: i64,
    /// Bytes of records for one key.
    pub bytes_per_key: u64,
    /// Count of keys.
    pub keys: u64,
    /// What makes room when a bound is reached.
    pub on_full: OnFull,
    /// What happens to held records at the end of the process.
    pub on_shutdown: OnShutdown,
}

/// Says what makes room in a recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// The oldest record goes.
    Oldest,
}

/// Says what happens to held records at the end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnShutdown {
    /// They are discarded.
    Discard,
    /// They go on.
    Flush,
}

/// Holds the rate above which a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Above {
    /// How many records, in how many ticks.
    pub rate: Rate,
    /// How many may come at once.
    pub burst: u64,
}

/// Holds a count for each length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The count, at least 1.
    pub count: u64,
    /// The length of time in ticks, at least 1.
    pub period_ticks: i64,
}

/// Holds what a rule may cost; `None` is the bound of the processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleLimits {
    /// Nanoseconds for each record.
    pub ns_per_record: Option<u64>,
    /// Bytes of what it remembers.
    pub state_bytes: Option<u64>,
    /// Count of series of each metric, the rest going to one.
    pub series: Option<u64>,
}

impl RuleLimits {
    /// The `series` of a rule that says none: the default of the OpenTelemetry SDK specification, "Cardinality limits".
    pub const SERIES: u64 = 2_000;
}

/// Holds an example of what a rule does.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// All of the test in its file.
    pub span: Span,
    /// Its name, or `""`.
    pub name: String,
    /// The rules that run besides this one.
    pub with: Vec<Spanned<String>>,
    /// What is given and expected, in order of time.
    pub steps: Vec<TestStep>,
}

/// Holds what a test gives at one time, and what it expects.
#[derive(Clone, Debug)]
pub struct TestStep {
    /// All of the step in its file.
    pub span: Span,
    /// When it happens.
    pub at: TestTime,
    /// The records; nothing only lets time pass.
    pub given: Given,
    /// What is expected.
    pub then: Then,
}

/// Says when a step of a test happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestTime {
    /// At the time of the step before; of the first, at [`TestTime::START_TICKS`].
    Same,
    /// At this time, in ticks.
    At(i64),
    /// This long after the step before, in ticks.
    Later(i64),
}

impl TestTime {
    /// When a test starts that says no time: 2024-01-01T00:00:00Z, in ticks.
    pub const START_TICKS: i64 = 638_396_640_000_000_000;
}

/// Holds the records that a test gives.
#[derive(Clone, Debug)]
pub enum Given {
    /// None.
    Nothing,
    /// Rows, of the table named or else of the table that the rule's query reads.
    Rows {
        /// The table.
        table: Option<Spanned<String>>,
        /// The rows; columns not written are empty.
        rows: Vec<TestRow>,
    },
    /// A file beside the rule file, in any format that `dtq` reads.
    File {
        /// Its path as written.
        path: Spanned<String>,
        /// Its content.
        content: Arc<[u8]>,
    },
}

/// Holds a row that a test gives or expects.
#[derive(Clone, Debug)]
pub struct TestRow {
    /// All of the row in its file.
    pub span: Span,
    /// The columns written and their values, a dynamic each.
    pub columns: Vec<(Spanned<String>, Value)>,
}

/// Holds what a test expects; what is `None` is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Then {
    /// All of it in its file.
    pub span: Span,
    /// Counts of the rule's account.
    pub counts: Vec<(Count, Spanned<u64>)>,
    /// Records that come out, in order; columns not written are not compared.
    pub records: Option<Vec<TestRow>>,
    /// Points that come out, in order; columns not written are not compared.
    pub metrics: Option<Vec<TestRow>>,
}

/// Names a count of a rule's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Records that the query gave.
    Matched,
    /// Records removed.
    Dropped,
    /// Records changed.
    Edited,
    /// Records made.
    Created,
    /// Records removed because a metric counts them.
    Consumed,
    /// Records that went to a named output instead.
    Rerouted,
    /// Records held.
    Held,
    /// Held records, rows of a table and partitions that had to go.
    Evicted,
    /// Records that came after their window closed, and rows whose time in a table was over when they came.
    Late,
    /// Records that the rule could not judge.
    Errors,
}

/// Declares how the variants of an enum are written, both ways.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal,)* }) => {
        impl $type {
            /// How each is written, in order.
            pub const WORDS: &'static [(&'static str, $type)] = &[$(($word, $type::$variant),)*];
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($type::$variant => $word,)*
                })
            }
        }
    };
}

words!(Tier { InProcess = "in-process", Kernel = "kernel", Collector = "collector", Gateway = "gateway", });
words!(Mode { Off = "off", Observe = "observe", Enforce = "enforce", });
words!(Phase { Redact = "redact", Observe = "observe", Reduce = "reduce", });
words!(Temporality { Delta = "delta", Cumulative = "cumulative", });
words!(OnFull { Oldest = "oldest", });
words!(OnShutdown { Discard = "discard", Flush = "flush", });
words!(Count {
    Matched = "matched",
    Dropped = "dropped",
    Edited = "edited",
    Created = "created",
    Consumed = "consumed",
    Rerouted = "rerouted",
    Held = "held",
    Evicted = "evicted",
    Late = "late",
    Errors = "errors",
});

impl Destination {
    /// Returns the word before the colon of `to:`.
    pub fn word(&self) -> &'static str {
        match self {
            Destination::Drop => "drop",
            Destination::Replace { .. } => "replace",
            Destination::Logs => "logs",
            Destination::Metrics(_) => "metrics",
            Destination::Table { .. } => "table",
            Destination::Recorder { .. } => "recorder",
            Destination::Flush { .. } => "flush",
            Destination::Route { .. } => "route",
        }
    }

    /// Returns the name after the colon of `to:`, where there is one.
    pub fn name(&self) -> Option<&Spanned<String>> {
        match self {
            Destination::Table { name, .. }
            | Destination::Recorder { name, .. }
            | Destination::Flush { name, .. }
            | Destination::Route { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Says whether a matching record does not go on to the rules after it as it came.
    pub fn takes_records(&self) -> bool {
        match self {
            Destination::Drop | Destination::Replace { .. } | Destination::Recorder { .. } => true,
            Destination::Route { is_copy, .. } => !is_copy,
            Destination::Metrics(metrics) => metrics.is_consumed,
            Destination::Logs | Destination::Table { .. } | Destination::Flush { .. } => false,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{}:{}", self.word(), name.value),
            None => f.write_str(self.word()),
        }
    }
}
