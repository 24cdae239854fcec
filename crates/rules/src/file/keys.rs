//! Every key of a rule file: where it stands, what it takes, its default, and a line about it.
//!
//! The reader, the JSON schema and the reference (`docs/rules.md`) come from this one table, so that none of them knows
//! a key that another does not. Next: `fields.rs`.

use crate::file::rule::{Count, Mode, OnFull, OnShutdown, Phase, Temporality, Tier};

/// Names a mapping of a rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The file itself.
    File,
    /// A rule.
    Rule,
    /// A table below `tables:`.
    StaticTable,
    /// `kql:` that names a file.
    Query,
    /// `limits:`
    Limits,
    /// `above:`
    Above,
    /// `recorder:`
    Recorder,
    /// A column below `metrics:`.
    Metric,
    /// A test.
    Test,
    /// A step of a test.
    Step,
    /// `given:` that is not a list of rows.
    Given,
    /// `then:`
    Then,
}

impl Place {
    /// Every mapping, in the order of the reference.
    pub const ALL: &'static [Place] = &[
        Place::File,
        Place::Rule,
        Place::StaticTable,
        Place::Query,
        Place::Limits,
        Place::Above,
        Place::Recorder,
        Place::Metric,
        Place::Test,
        Place::Step,
        Place::Given,
        Place::Then,
    ];

    /// Returns how messages and the reference call it.
    pub fn title(self) -> &'static str {
        match self {
            Place::File => "a rule file",
            Place::Rule => "a rule",
            Place::StaticTable => "a table",
            Place::Query => "a query in a file",
            Place::Limits => "`limits`",
            Place::Above => "`above`",
            Place::Recorder => "`recorder`",
            Place::Metric => "a metric",
            Place::Test => "a test",
            Place::Step => "a step of a test",
            Place::Given => "`given`",
            Place::Then => "`then`",
        }
    }

    /// Returns its keys in the order of the reference.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.place == self)
    }

    /// Returns a key by its name.
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

/// Holds what is known about one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Where it stands.
    pub place: Place,
    /// How it is written.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it must be there; what only some destinations need is said by `about`.
    pub is_required: bool,
    /// The destinations that take it; empty for all.
    pub destinations: &'static [&'static str],
    /// What holds without it, or `""`.
    pub default: &'static str,
    /// What it says, in one sentence.
    pub about: &'static str,
    /// How it may look.
    pub example: &'static str,
}

/// Says what a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any text.
    Text,
    /// A text of letters, digits, `_`, `-` and `.`.
    Name,
    /// The name of a table or column as KQL writes it without brackets.
    Identifier,
    /// One of these words.
    Words(&'static [&'static str]),
    /// What the rows mean.
    To,
    /// What happens to a record that cannot be judged.
    OnError,
    /// A date and time.
    Time,
    /// A length of time.
    Duration,
    /// A count of bytes.
    Size,
    /// A count for a length of time.
    Rate,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Count(i64, i64),
    /// Any number.
    Number,
    /// The path of a file beside the rule file.
    Path,
    /// The version of the format.
    Version,
    /// A list.
    List(&'static Shape),
    /// A mapping with the keys of this place.
    Map(Place),
    /// A mapping from names to mappings of this place.
    Named(Place),
    /// One or the other.
    Either(&'static Shape, &'static Shape),
    /// A mapping from columns to values.
    Row,
}

/// The version that `apiVersion` must name.
pub const VERSION: &str = "dtq/v1";

/// Returns the words of an enumeration as a list.
macro_rules! word_list {
    ($type:ident) => {{
        const COUNT: usize = $type::WORDS.len();
        const LIST: [&str; COUNT] = {
            let mut list = [""; COUNT];
            let mut index = 0;
            while index < COUNT {
                list[index] = $type::WORDS[index].0;
                index += 1;
            }
            list
        };
        &LIST
    }};
}

/// The words of `type:` of a metric.
pub(crate) const METRIC_TYPES: &[&str] = &["gauge", "sum", "histogram", "exponential_histogram"];

const REQUIRED: bool = true;
const OPTIONAL: bool = false;
const ANY: &[&str] = &[];

const fn key(
    place: Place,
    name: &'static str,
    is_required: bool,
    shape: Shape,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Key {
    Key { place, name, shape, is_required, destinations: ANY, default, about, example }
}

impl Key {
    /// Returns the key as one that only these destinations take.
    const fn only(mut self, destinations: &'static [&'static str]) -> Self {
        self.destinations = destinations;
        self
    }
}

const ROWS: Shape = Shape::List(&Shape::Row);
const COUNT: Shape = Shape::Count(0, i64::MAX);
const POSITIVE: Shape = Shape::Count(1, i64::MAX);

/// Every key.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key(Place::File, "apiVersion", REQUIRED, Shape::Version, "", "dtq/v1", "The version of this format."),
    key(Place::File, "rules", REQUIRED, Shape::List(&Shape::Map(Place::Rule)), "", "[{name: ..., to: drop, kql: ...}]", "The rules."),
    key(Place::File, "tables", OPTIONAL, Shape::Named(Place::StaticTable), "none", "{owners: {file: owners.csv}}", "Tables that queries of this file may name, each from a file beside it."),

    key(Place::Rule, "name", REQUIRED, Shape::Name, "", "no-health-checks", "The name of the rule, unique in a rule set, in every count and message about it."),
    key(Place::Rule, "owner", OPTIONAL, Shape::Text, "none", "web-team", "Who answers for the rule."),
    key(Place::Rule, "reason", OPTIONAL, Shape::Text, "none", "60 % of span volume, never looked at", "Why the rule exists."),
    key(Place::Rule, "expires", OPTIONAL, Shape::Time, "never", "2027-03-31T00:00:00Z", "When the rule stops acting; `check` warns from seven days before. A protective rule does not expire."),
    key(Place::Rule, "tiers", OPTIONAL, Shape::List(&Shape::Words(word_list!(Tier))), "all for `drop` without `above`, else `[collector]`", "[collector, gateway]", "Where the rule may run. Only `drop` and `replace` without `above` may name several."),
    key(Place::Rule, "mode", OPTIONAL, Shape::Words(word_list!(Mode)), "enforce", "observe", "Whether the rule acts: `off` does not run, `observe` counts and changes nothing."),
    key(Place::Rule, "to", REQUIRED, Shape::To, "", "drop", "What the rows of the query mean."),
    key(Place::Rule, "on_error", OPTIONAL, Shape::OnError, "pass", "strip:Body", "What happens to a record that the rule cannot judge: `pass`, `drop`, or `strip:` and the columns to empty. All but `pass` makes the rule protective.").only(&["drop", "replace", "route"]),
    key(Place::Rule, "kql", REQUIRED, Shape::Either(&Shape::Text, &Shape::Map(Place::Query)), "", "spans | where SpanName == \"ping\"", "The query, or the file beside the rule file that holds it."),
    key(Place::Rule, "key", OPTIONAL, Shape::Text, "one for all; of `table`, all columns", "tostring(Resource[\"service.name\"])", "A KQL expression: what `above`, `table`, `recorder` and `flush` keep apart."),
    key(Place::Rule, "above", OPTIONAL, Shape::Map(Place::Above), "the rule acts on every row", "{rate: 500/s, burst: 1000}", "Makes the rule act only on what comes in excess of a rate, for each `key`."),
    key(Place::Rule, "phase", OPTIONAL, Shape::Words(word_list!(Phase)), "by destination, see below", "reduce", "When the rule runs: all of `redact`, then all of `observe`, then all of `reduce`."),
    key(Place::Rule, "limits", OPTIONAL, Shape::Map(Place::Limits), "those of the processor", "{ns_per_record: 2000, state_bytes: 1MiB}", "What the rule may cost; past it, it turns itself off."),
    key(Place::Rule, "durable", OPTIONAL, Shape::Flag, "false", "true", "Whether held records and open windows outlive the process. Does not work yet: `true` is an error.").only(&["metrics", "table", "recorder"]),
    key(Place::Rule, "identity", OPTIONAL, Shape::Words(&["preserved"]), "attributes of points cannot change", "preserved", "On `metrics`: says that series stay apart although the rule removes or changes an attribute.").only(&["replace"]),
    key(Place::Rule, "for", OPTIONAL, Shape::Duration, "", "5m", "How long a row stays in the table. Required by `table`.").only(&["table"]),
    key(Place::Rule, "recorder", OPTIONAL, Shape::Map(Place::Recorder), "", "{keep: 1m}", "How much the recorder holds. Required by `recorder`.").only(&["recorder"]),
    key(Place::Rule, "after", OPTIONAL, Shape::Duration, "0s", "30s", "How long the key's records pass the recorder after a flush.").only(&["flush"]),
    key(Place::Rule, "cooldown", OPTIONAL, Shape::Duration, "0s", "5m", "How long after a flush further ones of the key do nothing.").only(&["flush"]),
    key(Place::Rule, "copy", OPTIONAL, Shape::Flag, "false", "true", "Whether the records also go on.").only(&["route"]),
    key(Place::Rule, "metrics", OPTIONAL, Shape::Named(Place::Metric), "", "{duration: {name: http.server.request.duration, type: histogram, unit: s}}", "How each value column becomes a metric. Required by `metrics`.").only(&["metrics"]),
    key(Place::Rule, "resource", OPTIONAL, Shape::List(&Shape::Text), "none", "[service]", "Columns that become attributes of the Resource, not of the points.").only(&["metrics"]),
    key(Place::Rule, "consume", OPTIONAL, Shape::Flag, "false", "true", "Whether the records counted are removed.").only(&["metrics"]),
    key(Place::Rule, "interval", OPTIONAL, Shape::Duration, "60s", "10s", "Without `summarize`: how often measurements become points.").only(&["metrics"]),
    key(Place::Rule, "lateness", OPTIONAL, Shape::Duration, "10s", "1m", "With `summarize`: how long a window waits for late records after its end, in record time.").only(&["metrics"]),
    key(Place::Rule, "idle", OPTIONAL, Shape::Duration, "10m with `scan`, 60s with `summarize`", "5m", "With `scan`: how long a partition waits for its next row, in record time. With `summarize`: after how long without records windows close, in wall time."),
    key(Place::Rule, "tests", OPTIONAL, Shape::List(&Shape::Map(Place::Test)), "none", "[{given: [{Body: hi}], then: {dropped: 0}}]", "Examples; `dtq test` wants one that matches and one that does not."),

    key(Place::StaticTable, "file", REQUIRED, Shape::Path, "", "owners.csv", "The file with the rows, in any format that `dtq run` reads."),

    key(Place::Query, "file", REQUIRED, Shape::Path, "", "no-health-checks.kql", "The file with the query."),

    key(Place::Limits, "ns_per_record", OPTIONAL, POSITIVE, "that of the processor", "2000", "Nanoseconds for each record, the median over ten seconds. Never turns off a protective rule."),
    key(Place::Limits, "state_bytes", OPTIONAL, Shape::Size, "that of the processor", "1MiB", "Bytes of what the rule remembers."),
    key(Place::Limits, "series", OPTIONAL, POSITIVE, "2000", "10000", "Count of series of each metric; the rest is counted in one series with `otel.metric.overflow`.").only(&["metrics"]),

    key(Place::Above, "rate", REQUIRED, Shape::Rate, "", "500/s", "The rate up to which the rule does nothing."),
    key(Place::Above, "burst", OPTIONAL, POSITIVE, "the count of `rate`", "1000", "How many may come at once."),

    key(Place::Recorder, "keep", REQUIRED, Shape::Duration, "", "1m", "How long a record is held."),
    key(Place::Recorder, "bytes_per_key", OPTIONAL, Shape::Size, "1MiB", "256KiB", "Bytes held for one key."),
    key(Place::Recorder, "keys", OPTIONAL, POSITIVE, "10000", "500", "Count of keys."),
    key(Place::Recorder, "on_full", OPTIONAL, Shape::Words(word_list!(OnFull)), "oldest", "oldest", "What makes room when a bound is reached."),
    key(Place::Recorder, "on_shutdown", OPTIONAL, Shape::Words(word_list!(OnShutdown)), "discard", "flush", "What happens to held records when the process ends."),

    key(Place::Metric, "name", REQUIRED, Shape::Text, "", "http.server.request.duration", "The name of the metric."),
    key(Place::Metric, "type", REQUIRED, Shape::Words(METRIC_TYPES), "", "histogram", "The kind of metric."),
    key(Place::Metric, "unit", OPTIONAL, Shape::Text, "none", "s", "The unit, as UCUM writes it."),
    key(Place::Metric, "description", OPTIONAL, Shape::Text, "none", "Duration of requests.", "What it measures."),
    key(Place::Metric, "temporality", OPTIONAL, Shape::Words(word_list!(Temporality)), "delta", "cumulative", "Since when a point counts: the point before, or the start. Not for gauges."),
    key(Place::Metric, "monotonic", OPTIONAL, Shape::Flag, "true", "false", "Whether a sum only grows. Only for sums."),
    key(Place::Metric, "bounds", OPTIONAL, Shape::List(&Shape::Number), "those of the OpenTelemetry specification", "[0.1, 0.5, 1, 5]", "Upper bounds of the buckets, ascending. Only for histograms."),
    key(Place::Metric, "max_size", OPTIONAL, Shape::Count(2, 10_000), "160", "40", "The most buckets for each sign. Only for exponential histograms."),
    key(Place::Metric, "max_scale", OPTIONAL, Shape::Count(-10, 20), "20", "5", "The finest scale. Only for exponential histograms."),

    key(Place::Test, "name", OPTIONAL, Shape::Text, "none", "an error is kept", "What the test shows."),
    key(Place::Test, "with", OPTIONAL, Shape::List(&Shape::Name), "none", "[remember-errors]", "Other rules of the set that run too, in their order."),
    key(Place::Test, "given", OPTIONAL, Shape::Either(&ROWS, &Shape::Map(Place::Given)), "", "[{SpanName: ping}]", "The records. Required without `steps`."),
    key(Place::Test, "at", OPTIONAL, Shape::Time, "2024-01-01T00:00:00Z", "2024-06-01T12:00:00Z", "The time at which they arrive."),
    key(Place::Test, "then", OPTIONAL, Shape::Map(Place::Then), "", "{dropped: 1}", "What is expected. Required without `steps`."),
    key(Place::Test, "steps", OPTIONAL, Shape::List(&Shape::Map(Place::Step)), "", "[{given: [...]}, {after: 5m, given: [...], then: {...}}]", "Instead of `given`, `at` and `then`: several, one after the other."),

    key(Place::Step, "at", OPTIONAL, Shape::Time, "the time of the step before", "2024-06-01T12:00:00Z", "The time of the step."),
    key(Place::Step, "after", OPTIONAL, Shape::Duration, "0s", "5m", "How long after the step before, instead of `at`."),
    key(Place::Step, "given", OPTIONAL, Shape::Either(&ROWS, &Shape::Map(Place::Given)), "nothing: time passes", "[{SpanName: ping}]", "The records."),
    key(Place::Step, "then", OPTIONAL, Shape::Map(Place::Then), "nothing is expected", "{dropped: 1}", "What this step is expected to do; counts are those of the step."),

    key(Place::Given, "table", OPTIONAL, Shape::Identifier, "that of the query", "spans", "The table whose rows these are."),
    key(Place::Given, "rows", OPTIONAL, ROWS, "", "[{SpanName: ping}]", "The rows, with the columns that are not empty."),
    key(Place::Given, "file", OPTIONAL, Shape::Path, "", "health.otlp", "A file of telemetry instead of rows."),

    key(Place::Then, "matched", OPTIONAL, COUNT, "not looked at", "1", "Records that the query of the rule gave."),
    key(Place::Then, "dropped", OPTIONAL, COUNT, "not looked at", "1", "Records removed."),
    key(Place::Then, "edited", OPTIONAL, COUNT, "not looked at", "1", "Records changed."),
    key(Place::Then, "created", OPTIONAL, COUNT, "not looked at", "1", "Records and points made."),
    key(Place::Then, "consumed", OPTIONAL, COUNT, "not looked at", "1", "Records removed because a metric counts them."),
    key(Place::Then, "rerouted", OPTIONAL, COUNT, "not looked at", "1", "Records that went to a named output instead."),
    key(Place::Then, "held", OPTIONAL, COUNT, "not looked at", "1", "Records that a recorder took."),
    key(Place::Then, "evicted", OPTIONAL, COUNT, "not looked at", "1", "Held records, rows of a table and partitions of `scan` that had to go for lack of room or, of records, time."),
    key(Place::Then, "late", OPTIONAL, COUNT, "not looked at", "1", "Records that came after their window had closed, and rows whose time in a table was over when they came."),
    key(Place::Then, "errors", OPTIONAL, COUNT, "not looked at", "1", "Records that the rule could not judge."),
    key(Place::Then, "records", OPTIONAL, ROWS, "not looked at", "[{Body: hi}]", "All records that come out, in order; only the columns written are compared."),
    key(Place::Then, "metrics", OPTIONAL, ROWS, "not looked at", "[{MetricName: errors, MetricValue: 3}]", "All points that rules make, in order; only the columns written are compared."),
];

/// Returns the counts that `then:` may expect, which are words of [`Count`].
pub(crate) fn counts() -> impl Iterator<Item = (&'static str, Count)> {
    Count::WORDS.iter().copied()
}
