//! What an operator should know of rules, said once: each notice with what it is about, and all of them as log records.
//!
//! Makes OTLP of notices for hosts that send it on; sends nothing itself.

use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::logs::column;
use dtq_value::scalar::calendar::{TICKS_MAX, TICKS_UNIX_EPOCH};
use dtq_value::scalar::format;
use dtq_value::{Bag, Str, Value};

/// Says what a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// A rule turned itself off because records cost it more than `limits.ns_per_record`.
    DisabledCost,
    /// A rule turned itself off because it would remember more than `limits.state_bytes`.
    DisabledState,
    /// A rule turned itself off because it fails on most records.
    DisabledErrors,
    /// The time of a rule is over.
    Expired,
    /// A rule could not judge a record; said of the first only.
    FirstError,
    /// A table cannot be looked up.
    LookupFailed,
    /// A request cannot be read; said of the first only.
    MalformedRequest,
    /// A request took more than its budget; said of the first only.
    OverBudget,
}

impl NoticeKind {
    /// Returns the event name of the log record.
    pub fn event_name(self) -> &'static str {
        match self {
            Self::DisabledCost | Self::DisabledState | Self::DisabledErrors => "dtq.rule.disabled",
            Self::Expired => "dtq.rule.expired",
            Self::FirstError => "dtq.rule.error",
            Self::LookupFailed => "dtq.table.error",
            Self::MalformedRequest => "dtq.request.malformed",
            Self::OverBudget => "dtq.request.over_budget",
        }
    }

    /// Returns number and text of the severity of the log record: an error when a rule no longer acts as it should.
    fn severity(self) -> (i32, &'static str) {
        match self {
            Self::DisabledCost | Self::DisabledState | Self::DisabledErrors | Self::LookupFailed => (17, "ERROR"),
            Self::Expired | Self::FirstError | Self::MalformedRequest | Self::OverBudget => (13, "WARN"),
        }
    }
}

/// Says which bound was passed and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The bound: a key of a rule, `errors`, or a field of the budget of a request.
    pub bound: &'static str,
    /// Its value, in the unit that its name says.
    pub limit: u64,
    /// What was measured instead.
    pub measured: u64,
}

/// Says something that an operator should know, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The rule; `None` when it is about a request or a table.
    pub rule: Option<Str>,
    /// What it is about.
    pub kind: NoticeKind,
    /// When it was noticed, in ticks.
    pub time_ticks: i64,
    /// Since when it is so, in ticks: for a cost the beginning of what was measured, for errors the first.
    pub since_ticks: i64,
    /// The bound that was passed.
    pub excess: Option<Excess>,
    /// What happened, what was measured, and what it means for telemetry.
    pub message: String,
}

/// Returns an `ExportLogsServiceRequest` with a log record for each notice, observed at `observed_ticks`.
///
/// Without notices it is empty. The records come from a resource with the `service.name` dtq and a scope of the same name.
///
/// # Example
/// ```
/// assert!(dtq_rules::engine::notices_request(&[], 0).is_empty());
/// ```
pub fn notices_request(notices: &[Notice], observed_ticks: i64) -> Vec<u8> {
    let mut builder = RequestBuilder::new(Signal::Logs);
    for notice in notices {
        builder.push_row(&row(notice, observed_ticks)).expect("every cell is of its column's type and in range");
    }
    builder.take()
}

/// Returns the row of `logs` that a notice is.
fn row(notice: &Notice, observed_ticks: i64) -> Vec<Value> {
    let (number, text) = notice.kind.severity();
    let bag = |pairs: &[(&'static str, Value)]| {
        let mut bag = Bag::new();
        pairs.iter().for_each(|(key, value)| bag.set(Str::from(*key), value.clone()));
        Value::bag(bag)
    };
    let version = Value::string(env!("CARGO_PKG_VERSION"));
    let cells = [
        (column::TIMESTAMP, time(notice.time_ticks)),
        (column::OBSERVED_TIMESTAMP, time(observed_ticks)),
        (column::SEVERITY_NUMBER, Value::Int(number)),
        (column::SEVERITY_TEXT, Value::string(text)),
        (column::EVENT_NAME, Value::string(notice.kind.event_name())),
        (column::BODY, Value::string(notice.message.as_str())),
        (column::ATTRIBUTES, attributes(notice)),
        (column::RESOURCE, bag(&[("service.name", Value::string("dtq")), ("service.version", version.clone())])),
        (column::SCOPE, bag(&[("Name", Value::string("dtq")), ("Version", version)])),
    ];
    let mut row = vec![Value::Null; column::COUNT];
    cells.into_iter().for_each(|(at, value)| row[at] = value);
    row
}

fn attributes(notice: &Notice) -> Value {
    let long = |number: u64| Value::Long(i64::try_from(number).unwrap_or(i64::MAX));
    let mut bag = Bag::new();
    if let Some(rule) = &notice.rule {
        bag.set("dtq.rule".into(), Value::String(rule.clone()));
    }
    if let Some(Excess { bound, limit, measured }) = notice.excess {
        bag.set("dtq.bound".into(), Value::string(bound));
        bag.set("dtq.bound.limit".into(), long(limit));
        bag.set("dtq.bound.measured".into(), long(measured));
    }
    bag.set("dtq.since".into(), Value::string(&*shown(notice.since_ticks)));
    Value::bag(bag)
}

/// Returns a time as the log record holds it: null where OTLP has none, which is before 1970 and after 2554.
fn time(ticks: i64) -> Value {
    let nanos = ticks.checked_sub(TICKS_UNIX_EPOCH).and_then(|ticks| u64::try_from(ticks).ok()?.checked_mul(100));
    if nanos.is_some() { Value::DateTime(ticks) } else { Value::Null }
}

/// Returns a time as people read it.
pub(crate) fn shown(ticks: i64) -> String {
    String::from_utf8_lossy(&format::text(&Value::DateTime(ticks.clamp(0, TICKS_MAX)))).into_owned()
}
