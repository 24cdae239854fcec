//! Slots read as what the readers of tables give, for every column and key, on recorded and generated requests.
#![allow(clippy::unwrap_used)]

mod requests;

use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{FieldPath, Level, SlotPlan};
use dtq_record::otlp::index::{MessagePlace, RequestIndex};
use dtq_record::slot::{Buffers, Slot, Tag};
use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::tables::{Base, standard};
use dtq_record::wire::read_varint;
use dtq_record::{Format, Input, Inputs, Options};
use dtq_source::Limits;
use dtq_value::{Str, Value};
use proptest::prelude::*;
use prost::Message;

const NESTING_MAX: usize = 100;

/// Keys that occur in recorded or generated requests, some that do not, and more than are compared one by one.
const KEYS: [&str; 18] = [
    "a",
    "b",
    "c",
    "d",
    "aa",
    "ab",
    "ba",
    "bb",
    "cc",
    "dd",
    "",
    "http.route",
    "EventName",
    "service.name",
    "Name",
    "http.response.status_code",
    "a-key-that-is-longer-than-all-the-others-and-that-nothing-ever-had-before",
    "x",
];

fn rows(request: &[u8], table: &str) -> Vec<Row> {
    let input = Input::from_bytes("in", "own", request.to_vec()).with_format(Format::Otlp);
    let inputs = Inputs::probe(vec![input], &Options::default(), &Limits::default()).unwrap();
    let width = standard(table).unwrap().columns.len();
    if inputs.schema(table).is_none() {
        return Vec::new();
    }
    let mut stream = inputs.scan(table, &Projection::all(width)).unwrap();
    let mut rows = Vec::new();
    while stream.read(&mut rows).unwrap() {}
    rows
}

/// Returns a path for each column, then for each key of each bag, in an order that mixes the levels.
fn paths(base: Base) -> Vec<FieldPath> {
    let columns = &standard(base.name()).unwrap().columns;
    let mut paths: Vec<FieldPath> = (0..columns.len()).map(|column| FieldPath { column, key: None }).collect();
    for key in KEYS {
        for (column, described) in columns.iter().enumerate() {
            if ["Attributes", "Resource", "Scope"].contains(&described.name.as_str()) {
                paths.push(FieldPath { column, key: Some(Str::from(key)) });
            }
        }
    }
    // The same once more: a plan may read a field twice.
    paths.extend(paths.clone());
    paths
}

fn expected(row: &Row, path: &FieldPath) -> Value {
    match (&path.key, &row[path.column]) {
        (None, value) => value.clone(),
        (Some(key), Value::Bag(bag)) => bag.get(key.as_bytes()).cloned().unwrap_or_default(),
        (Some(_), other) => panic!("{other:?}"),
    }
}

fn content(place: Option<MessagePlace>, request: &[u8]) -> &[u8] {
    place.map_or(&[], |place| place.content(request))
}

/// Returns for each record the values of the plan's slots, and checks that a plan of one path alone gives the same.
fn slot_values(signal: Signal, base: Base, request: &[u8], paths: &[FieldPath]) -> Vec<Vec<Value>> {
    let plan = SlotPlan::new(base, paths).unwrap();
    let singles: Vec<SlotPlan> =
        paths.iter().map(|path| SlotPlan::new(base, std::slice::from_ref(path)).unwrap()).collect();
    let mut index = RequestIndex::default();
    index.read(signal, request).unwrap();
    let mut out = Vec::new();
    for record in index.records() {
        let (scope_position, metric) = match signal {
            Signal::Metrics => {
                let metric = index.metrics()[record.parent as usize];
                (metric.scope, Some(metric))
            }
            _ => (record.parent, None),
        };
        let scope = index.scopes()[scope_position as usize];
        let resource = index.resources()[scope.resource as usize];
        let buffers = Buffers {
            record: record.place.content(request),
            resource: content(resource.resource, request),
            scope: content(scope.scope, request),
            metric: content(metric.map(|metric| metric.place), request),
            ..Buffers::default()
        };
        let fill = |plan: &SlotPlan| {
            let mut slots = vec![Slot::long(77); plan.slot_count()];
            plan.fill_resource(buffers.resource, &mut slots).unwrap();
            plan.fill_scope(buffers.scope, &mut slots).unwrap();
            match metric {
                Some(metric) => {
                    plan.fill_metric(buffers.metric, &mut slots).unwrap();
                    plan.fill_point(metric.data.unwrap().0, buffers.record, &mut slots).unwrap();
                }
                None => plan.fill_record(buffers.record, &mut slots).unwrap(),
            }
            slots
        };
        let value = |slot: &Slot| slot.value(&buffers, NESTING_MAX).unwrap();
        let slots = fill(&plan);
        let values: Vec<Value> = slots[..paths.len()].iter().map(value).collect();
        for (single, expected) in singles.iter().zip(&values) {
            assert_eq!(value(&fill(single)[0]), *expected);
        }
        out.push(values);
    }
    out
}

fn check(signal: Signal, request: &[u8]) -> usize {
    let base = Base::parse(signal.table()).unwrap();
    let paths = paths(base);
    let rows = rows(request, signal.table());
    let values = slot_values(signal, base, request, &paths);
    assert_eq!(rows.len(), values.len());
    for (row, values) in rows.iter().zip(&values) {
        for (path, value) in paths.iter().zip(values) {
            assert_eq!(*value, expected(row, path), "{path:?}");
        }
    }
    check_resources(signal, request);
    rows.len()
}

fn check_resources(signal: Signal, request: &[u8]) {
    let paths = paths(Base::Resources);
    let mut plan = SlotPlan::new(Base::Resources, &paths).unwrap();
    plan.set_signal(signal);
    let mut index = RequestIndex::default();
    index.read(signal, request).unwrap();
    let rows = rows(request, "resources");
    assert_eq!(rows.len(), index.resources().len());
    for (row, resource) in rows.iter().zip(index.resources()) {
        let buffers = Buffers { record: resource.place.content(request), ..Buffers::default() };
        let mut slots = vec![Slot::MISSING; plan.slot_count()];
        plan.fill_record(buffers.record, &mut slots).unwrap();
        for (path, slot) in paths.iter().zip(&slots) {
            // An input of generated bytes may be taken for another signal; its name is not what is tested here.
            if path.column != 0 {
                assert_eq!(slot.value(&buffers, NESTING_MAX).unwrap(), expected(row, path), "{path:?}");
            }
        }
        assert_eq!(slots[0].value(&buffers, NESTING_MAX).unwrap(), Value::string(signal.table()));
    }
}

#[test]
fn slots_of_recorded_requests_read_as_the_tables_do() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/telemetry");
    let mut count = 0;
    for (name, signal) in [
        ("logs-one.otlp", Signal::Logs),
        ("logs.otlp", Signal::Logs),
        ("metrics.otlp", Signal::Metrics),
        ("traces.otlp", Signal::Spans),
    ] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        if RequestIndex::default().read(signal, &bytes).is_ok() && bytes[0] == 0x0A {
            count += check(signal, &bytes);
            continue;
        }
        let mut rest = &bytes[..];
        while let Some((size, head)) = read_varint(rest) {
            let (request, after) = rest[head..].split_at(size as usize);
            count += check(signal, request);
            rest = after;
        }
    }
    assert_eq!(count, 18 + 134 + 132 + 235);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slots_of_generated_logs_read_as_the_table_does(request in requests::logs_request()) {
        check(Signal::Logs, &request.encode_to_vec());
    }

    #[test]
    fn slots_of_generated_spans_read_as_the_table_does(request in requests::spans_request()) {
        check(Signal::Spans, &request.encode_to_vec());
    }

    #[test]
    fn slots_of_generated_metrics_read_as_the_table_does(request in requests::metrics_request()) {
        check(Signal::Metrics, &request.encode_to_vec());
    }
}

#[test]
fn a_path_that_is_no_field_has_no_plan() {
    let plan = |base, column, key: Option<&str>| SlotPlan::new(base, &[FieldPath { column, key: key.map(Str::from) }]);
    assert!(plan(Base::Logs, 8, Some("k")).is_none());
    assert!(plan(Base::Logs, 99, None).is_none());
    assert!(plan(Base::Metrics, 2, Some("k")).is_none());
    assert_eq!(plan(Base::Logs, 10, Some("k")).unwrap().level(0), Level::Resource);
    assert_eq!(plan(Base::Metrics, 2, None).unwrap().level(0), Level::Metric);
    assert!(plan(Base::Metrics, 2, None).unwrap().fill_record(&[], &mut [Slot::MISSING; 9]).is_err());
}

#[test]
fn a_record_is_read_only_as_far_as_needed_and_of_what_repeats_the_first_counts() {
    // SeverityNumber 9, then 17, then a field whose length reaches beyond the end.
    let record = [0x10, 9, 0x10, 17, 0x2A, 0x7F];
    let plan = SlotPlan::new(Base::Logs, &[FieldPath { column: 5, key: None }]).unwrap();
    let mut slots = [Slot::MISSING];
    plan.fill_record(&record, &mut slots).unwrap();
    assert_eq!(slots[0], Slot::int(9));
    let plan = SlotPlan::new(Base::Logs, &[FieldPath { column: 6, key: None }]).unwrap();
    let error = plan.fill_record(&record, &mut slots).unwrap_err();
    assert_eq!((error.offset, error.reason), (4, "a length reaches beyond the end"));
    // A Timestamp that is there ends the search for the observed one.
    let record = [&[0x09][..], &1_700_000_000_000_000_000u64.to_le_bytes(), &[0x2A, 0x7F]].concat();
    let plan = SlotPlan::new(Base::Logs, &[FieldPath { column: 0, key: None }]).unwrap();
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    plan.fill_record(&record, &mut slots).unwrap();
    assert_eq!(slots[0].tag(), Tag::DateTime);
}

#[test]
fn keys_in_odd_forms_are_found_and_those_of_a_string_table_are_not() {
    let plan = |key: &str| SlotPlan::new(Base::Logs, &[FieldPath { column: 9, key: Some(Str::from(key)) }]).unwrap();
    let value = |record: &[u8], key: &str| {
        let mut slots = [Slot::MISSING];
        plan(key).fill_record(record, &mut slots).unwrap();
        slots[0].value(&Buffers { record, ..Buffers::default() }, 9).unwrap()
    };
    // Value before key; key with a padded length; key twice; an unknown field between; no key at all; an index as key.
    assert_eq!(value(&[0x32, 7, 0x12, 2, 0x18, 5, 0x0A, 1, b'k'], "k"), Value::Long(5));
    assert_eq!(value(&[0x32, 8, 0x0A, 0x81, 0, b'k', 0x12, 2, 0x18, 5], "k"), Value::Long(5));
    assert_eq!(value(&[0x32, 10, 0x0A, 1, b'k', 0x0A, 1, b'j', 0x12, 2, 0x18, 5], "k"), Value::Long(5));
    assert_eq!(value(&[0x32, 9, 0x0A, 1, b'k', 0x48, 1, 0x12, 2, 0x18, 5], "k"), Value::Long(5));
    assert_eq!(value(&[0x32, 4, 0x12, 2, 0x18, 5], ""), Value::Long(5));
    assert_eq!(value(&[0x32, 6, 0x18, 3, 0x12, 2, 0x18, 5], ""), Value::Null);
    // The first occurrence counts, even when it holds nothing.
    assert_eq!(value(&[0x32, 3, 0x0A, 1, b'k', 0x32, 7, 0x0A, 1, b'k', 0x12, 2, 0x18, 5], "k"), Value::Null);
}
