//! What came out at the backend to what the demonstration says of it.

use crate::telemetry::{Telemetry, sum_of};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use std::collections::{BTreeMap, BTreeSet};

/// Holds what arrived in some time.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Log records.
    pub records: usize,
    /// Log records with an attribute `secret`.
    pub secrets: usize,
    /// Log records of severity ERROR and above.
    pub errors: usize,
    /// How many log records there are of each event.
    pub events: BTreeMap<String, usize>,
    /// A log record of a customer who signed in.
    pub signed_in: Option<String>,
    /// The metrics, with the sum of their points.
    pub metrics: BTreeMap<String, f64>,
    /// The services of spans.
    pub services: BTreeSet<String>,
}

impl Arrived {
    /// Returns what is in these requests.
    pub fn of(all: &[Telemetry]) -> Self {
        let mut arrived = Self::default();
        for one in all {
            one.each_log(|_, _, record| {
                let named = text(&record.attributes, "EventName");
                let event = if record.event_name.is_empty() { named } else { record.event_name.clone() };
                arrived.records += 1;
                arrived.secrets += usize::from(record.attributes.iter().any(|one| one.key == "secret"));
                arrived.errors += usize::from(record.severity_number >= 17);
                if event == "UserSignedIn" {
                    let keys: Vec<_> = record.attributes.iter().map(shown).collect();
                    arrived.signed_in = Some(format!("{event} {{{}}}", keys.join(", ")));
                }
                let event = if event.is_empty() { "(without a name)".to_owned() } else { event };
                *arrived.events.entry(event).or_default() += 1;
            });
            one.each_metric(|_, _, metric| {
                *arrived.metrics.entry(metric.name.clone()).or_default() += sum_of(metric);
            });
            one.each_span(|resource, _, _| {
                let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
                arrived.services.insert(text(attributes, "service.name"));
            });
        }
        arrived
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|one| one.key == key).and_then(|one| one.value.as_ref());
    match found {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        _ => String::new(),
    }
}

fn shown(one: &KeyValue) -> String {
    format!("{}: {}", one.key, text(std::slice::from_ref(one), &one.key))
}
