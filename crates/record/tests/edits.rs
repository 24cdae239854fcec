//! Edited columns read as what they were set to, everything else reads and stands as before, and prost agrees.
#![allow(clippy::unwrap_used)]

mod requests;

use dtq_record::otlp::edit::{
    ColumnEdit, edit_attributes_message, edit_metric_head, edit_point, edit_record, is_editable,
};
use dtq_record::otlp::key_places::KeyPlaces;
use dtq_record::otlp::logs::{self, LogView};
use dtq_record::otlp::metrics::{self, Kind, MetricHead, PointView};
use dtq_record::otlp::spans::{self, SpanView};
use dtq_record::tables::Base;
use dtq_record::wire::{Fields, append_bytes_field, append_fixed64_field, append_varint_field};
use dtq_value::{Bag, Str, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use opentelemetry_proto::tonic::trace::v1::{Span, span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

const NESTING_MAX: usize = 100;
/// 2024-01-01T00:00Z
const TICKS: i64 = 638_396_640_000_000_000;

fn message(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_bytes_field(&mut out, number, content);
    out
}

fn read(base: Base, record: &[u8], column: usize) -> Value {
    match base {
        Base::Logs => LogView::parse(record, 0).unwrap().value(column, NESTING_MAX).unwrap(),
        _ => SpanView::parse(record, 0).unwrap().value(column, NESTING_MAX).unwrap(),
    }
}

fn set(base: Base, record: &[u8], column: usize, value: impl Into<Value>) -> Vec<u8> {
    edit_record(base, record, &[(column, ColumnEdit::Set(value.into()))], NESTING_MAX).unwrap()
}

fn error(base: Base, column: usize, edit: ColumnEdit) -> &'static str {
    edit_record(base, &[], &[(column, edit)], NESTING_MAX).unwrap_err().reason
}

fn bag(pairs: &[(&str, Value)]) -> Value {
    Value::bag(pairs.iter().map(|(key, value)| (Str::from(*key), value.clone())).collect())
}

fn any_value(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: any_value(value), ..Default::default() }
}

/// Returns a value that a column of a type can have.
fn value_of_column(base: Base, column: usize) -> BoxedStrategy<Value> {
    let text = || ".{0,8}".prop_map(Value::string).boxed();
    let time = || {
        prop_oneof![Just(Value::Null), (1..10_000_000_000i64).prop_map(|ticks| Value::DateTime(TICKS + ticks))].boxed()
    };
    let id = |size: usize| {
        prop_oneof![
            Just(Value::string("")),
            vec(1..=255u8, size)
                .prop_map(|id| Value::string(id.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
        ]
        .boxed()
    };
    let word = |words: &'static [&'static str]| proptest::sample::select(words).prop_map(Value::string).boxed();
    match (base, column) {
        (Base::Logs, logs::column::OBSERVED_TIMESTAMP) => time(),
        (Base::Logs, logs::column::TRACE_ID) => id(16),
        (Base::Logs, logs::column::SPAN_ID) => id(8),
        (Base::Logs, logs::column::TRACE_FLAGS) => (0..256i32).prop_map(Value::Int).boxed(),
        (Base::Logs, logs::column::SEVERITY_NUMBER) => any::<i32>().prop_map(Value::Int).boxed(),
        (Base::Logs, logs::column::BODY) => dynamic().boxed(),
        (Base::Logs, logs::column::ATTRIBUTES) | (Base::Spans, spans::column::ATTRIBUTES) => attributes().boxed(),
        (Base::Logs, _) => text(),
        (_, spans::column::TRACE_ID) => id(16),
        (_, spans::column::SPAN_ID | spans::column::PARENT_SPAN_ID) => id(8),
        (_, spans::column::SPAN_KIND) => word(&["", "Internal", "Server", "Client", "Producer", "Consumer"]),
        (_, spans::column::STATUS_CODE) => word(&["Unset", "Ok", "Error"]),
        (_, spans::column::START_TIME | spans::column::END_TIME) => time(),
        (_, spans::column::EVENTS) => {
            let event = (time(), text(), attributes()).prop_map(|(time, name, attributes)| {
                bag(&[("Timestamp", time), ("Name", name), ("Attributes", attributes)])
            });
            vec(event, 0..4).prop_map(Value::array).boxed()
        }
        (_, spans::column::LINKS) => {
            let link = (id(16), id(8), text(), attributes()).prop_map(|(trace, span, state, attributes)| {
                bag(&[("TraceId", trace), ("SpanId", span), ("TraceState", state), ("Attributes", attributes)])
            });
            vec(link, 0..4).prop_map(Value::array).boxed()
        }
        _ => text(),
    }
}

fn dynamic() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Long),
        (-1e9..1e9f64).prop_map(Value::Real),
        ".{0,6}".prop_map(Value::string),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::array),
            vec(("[a-d]{0,2}", inner), 0..3)
                .prop_map(|pairs| Value::bag(pairs.into_iter().map(|(key, value)| (Str::from(key), value)).collect())),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Value> {
    vec(("[a-d]{1,2}|http.route", dynamic()), 0..5)
        .prop_map(|pairs| Value::bag(pairs.into_iter().map(|(key, value)| (Str::from(key), value)).collect()))
}

/// Returns a column that can be edited and a value for it.
fn edit(base: Base) -> impl Strategy<Value = (usize, Value)> {
    let columns: Vec<usize> = (0..16).filter(|column| is_editable(base, *column)).collect();
    proptest::sample::select(columns).prop_flat_map(move |column| (Just(column), value_of_column(base, column)))
}

/// Checks that setting columns one after the other changes what they read as, and nothing else.
fn check(base: Base, record: &[u8], count: usize, edits: &[(usize, Value)]) -> Vec<u8> {
    let before: Vec<Value> = (0..count).map(|column| read(base, record, column)).collect();
    // What is set to what it is already leaves as it came.
    for (column, value) in before.iter().enumerate().filter(|(column, _)| is_editable(base, *column)) {
        assert_eq!(set(base, record, column, value.clone()), record, "column {column}");
    }
    let list: Vec<(usize, ColumnEdit)> =
        edits.iter().map(|(column, value)| (*column, ColumnEdit::Set(value.clone()))).collect();
    let edited = edit_record(base, record, &list, NESTING_MAX).unwrap();
    for (column, old) in before.iter().enumerate() {
        let expected = edits.iter().rev().find(|(own, _)| *own == column).map_or(old, |(_, value)| value);
        let is_derived = (base, column) == (Base::Logs, logs::column::TIMESTAMP)
            || (base, column) == (Base::Spans, spans::column::DURATION);
        if !is_derived {
            assert_eq!(read(base, &edited, column), *expected, "column {column}");
        }
    }
    edited
}

/// Returns a message's fields without those with certain numbers.
fn others<'a>(bytes: &'a [u8], numbers: &[u32]) -> Vec<&'a [u8]> {
    Fields::new(bytes)
        .map(|field| field.unwrap())
        .filter(|field| !numbers.contains(&field.number))
        .map(|field| &bytes[field.offset..field.end])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn columns_of_logs_read_as_they_were_set(record in requests::log_record(), edits in vec(edit(Base::Logs), 1..4)) {
        let unknown = message(900, b"unknown");
        let bytes = [unknown.clone(), record.encode_to_vec()].concat();
        let edited = check(Base::Logs, &bytes, logs::column::COUNT, &edits);
        prop_assert!(edited.starts_with(&unknown));
        let decoded = LogRecord::decode(&edited[..]).unwrap();
        prop_assert_eq!(decoded.time_unix_nano, record.time_unix_nano);
        prop_assert_eq!(decoded.dropped_attributes_count, record.dropped_attributes_count);
    }

    #[test]
    fn columns_of_spans_read_as_they_were_set(span in requests::span(), edits in vec(edit(Base::Spans), 1..4)) {
        let unknown = message(900, b"unknown");
        let bytes = [span.encode_to_vec(), unknown.clone()].concat();
        let edited = check(Base::Spans, &bytes, spans::column::COUNT, &edits);
        prop_assert!(others(&edited, &[]).contains(&&unknown[..]));
        prop_assert_eq!(Span::decode(&edited[..]).unwrap().flags, span.flags);
    }

    #[test]
    fn keys_are_set_and_removed_and_the_others_stay(
        record in requests::log_record(),
        list in vec(("[a-d]{1,2}|http.route|new", proptest::option::of(dynamic())), 0..12),
    ) {
        let bytes = record.encode_to_vec();
        let list: Vec<(Str, Option<Value>)> = list.into_iter().map(|(key, value)| (Str::from(key), value)).collect();
        let Value::Bag(before) = read(Base::Logs, &bytes, logs::column::ATTRIBUTES) else { panic!() };
        let mut expected = (*before).clone();
        for (key, value) in &list {
            match value {
                Some(value) => expected.set(key.clone(), value.clone()),
                None => drop(expected.remove(key.as_bytes())),
            }
        }
        let edit = [(logs::column::ATTRIBUTES, ColumnEdit::Keys(list.clone()))];
        let edited = edit_record(Base::Logs, &bytes, &edit, NESTING_MAX).unwrap();
        prop_assert_eq!(read(Base::Logs, &edited, logs::column::ATTRIBUTES), Value::bag(expected));
        let decoded = LogRecord::decode(&edited[..]).unwrap();
        let is_named = |key: &str| list.iter().any(|(own, _)| own.as_bytes() == key.as_bytes());
        let untouched = |record: &LogRecord| -> Vec<KeyValue> {
            record.attributes.iter().filter(|pair| !is_named(&pair.key)).cloned().collect()
        };
        prop_assert_eq!(untouched(&decoded), untouched(&record));
        for (key, value) in &list {
            let count = decoded.attributes.iter().filter(|pair| pair.key.as_bytes() == key.as_bytes()).count();
            let is_removed = list.iter().rev().find(|(own, _)| own == key).unwrap().1.is_none();
            prop_assert!(!is_removed || count == 0, "{value:?}");
        }
    }
}

#[test]
fn types_that_read_alike_stay_what_they_were_beside_what_changes() {
    let inner = vec![
        pair("id", Any::IntValue(5)),
        pair("raw", Any::BytesValue(vec![1, 2, 3])),
        pair("x", Any::BoolValue(true)),
    ];
    let body = Any::KvlistValue(opentelemetry_proto::tonic::common::v1::KeyValueList { values: inner });
    let record = LogRecord { body: any_value(body), ..Default::default() }.encode_to_vec();
    let new = bag(&[("id", Value::Long(5)), ("raw", Value::string("AQID")), ("y", Value::Int(1))]);
    let edited = set(Base::Logs, &record, logs::column::BODY, new);
    let Some(Any::KvlistValue(list)) = LogRecord::decode(&edited[..]).unwrap().body.unwrap().value else { panic!() };
    let expected =
        vec![pair("id", Any::IntValue(5)), pair("raw", Any::BytesValue(vec![1, 2, 3])), pair("y", Any::IntValue(1))];
    assert_eq!(list.values, expected);
    // The same deep in an array, where one item is taken out in front.
    let bytes = AnyValue { value: Some(Any::BytesValue(vec![255])) };
    let values =
        vec![AnyValue { value: Some(Any::IntValue(1)) }, bytes.clone(), AnyValue { value: Some(Any::IntValue(2)) }];
    let array = Any::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue { values });
    let record = LogRecord { attributes: vec![pair("list", array)], ..Default::default() }.encode_to_vec();
    let list = Value::array(vec![Value::string("/w=="), Value::Real(2.0)]);
    let edited = set(Base::Logs, &record, logs::column::ATTRIBUTES, bag(&[("list", list)]));
    let decoded = LogRecord::decode(&edited[..]).unwrap();
    let Some(Any::ArrayValue(array)) = decoded.attributes[0].value.clone().unwrap().value else { panic!() };
    assert_eq!(array.values[0], bytes);
    assert_eq!(array.values[1], AnyValue { value: Some(Any::DoubleValue(2.0)) });
}

#[test]
fn nanoseconds_and_unknown_fields_of_other_events_survive() {
    let event = |name: &str, time_unix_nano| span::Event {
        name: name.into(),
        time_unix_nano,
        dropped_attributes_count: 9,
        ..Default::default()
    };
    let events = vec![
        event("a", 1_700_000_000_000_000_001),
        event("b", 1_700_000_000_000_000_002),
        event("c", 1_700_000_000_000_000_003),
    ];
    let record = Span { events, ..Default::default() }.encode_to_vec();
    let Value::Array(list) = read(Base::Spans, &record, spans::column::EVENTS) else { panic!() };
    let Value::Bag(last) = &list[2] else { panic!() };
    let mut renamed: Bag = (**last).clone();
    renamed.set(Str::from("Name"), Value::string("C"));
    let new = Value::array(vec![list[1].clone(), Value::bag(renamed)]);
    let edited = Span::decode(&set(Base::Spans, &record, spans::column::EVENTS, new)[..]).unwrap();
    assert_eq!(edited.events, [event("b", 1_700_000_000_000_000_002), event("C", 1_700_000_000_000_000_003)]);
    // One put in front leaves the others as they are.
    let made = bag(&[("Name", Value::string("new")), ("Timestamp", Value::string("2024-01-01"))]);
    let new = Value::array([vec![made], list.to_vec()].concat());
    let edited = Span::decode(&set(Base::Spans, &record, spans::column::EVENTS, new)[..]).unwrap();
    assert_eq!((edited.events.len(), edited.events[0].time_unix_nano), (4, 1_704_067_200_000_000_000));
    assert_eq!(edited.events[3], event("c", 1_700_000_000_000_000_003));
}

#[test]
fn of_what_repeats_an_edit_leaves_one_and_a_key_of_a_string_table_stays() {
    let text = |text: &str| message(1, text.as_bytes());
    let attribute = |key: &str, value: &str| message(6, &[text(key), message(2, &text(value))].concat());
    let mut indexed = Vec::new();
    append_varint_field(&mut indexed, 3, 4);
    let indexed = message(6, &[indexed, message(2, &text("kept"))].concat());
    let record =
        [attribute("k", "1"), indexed.clone(), message(3, b"a"), attribute("k", "2"), message(3, b"b")].concat();
    let keys = |edits: &[(&str, Option<Value>)]| {
        let list = edits.iter().map(|(key, value)| (Str::from(*key), value.clone())).collect();
        edit_record(Base::Logs, &record, &[(logs::column::ATTRIBUTES, ColumnEdit::Keys(list))], NESTING_MAX).unwrap()
    };
    assert_eq!(keys(&[("k", None)]), [indexed.clone(), message(3, b"a"), message(3, b"b")].concat());
    assert_eq!(
        keys(&[("k", Some(Value::string("3")))]),
        [attribute("k", "3"), indexed.clone(), message(3, b"a"), message(3, b"b")].concat()
    );
    assert_eq!(keys(&[("k", Some(Value::string("1")))]), record);
    assert_eq!(keys(&[("", None)]), record);
    let emptied = set(Base::Logs, &record, logs::column::ATTRIBUTES, Value::Null);
    assert_eq!(emptied, [indexed, message(3, b"a"), message(3, b"b")].concat());
    let edited = set(Base::Logs, &record, logs::column::SEVERITY_TEXT, Value::string("c"));
    assert_eq!(others(&edited, &[6]), [message(3, b"c")]);
}

#[test]
fn what_a_column_cannot_hold_is_an_error() {
    let set = |value| ColumnEdit::Set(value);
    let text = |text: &str| ColumnEdit::Set(Value::string(text));
    let wrong_type = "a column cannot hold a value of this type";
    for column in [logs::column::TIMESTAMP, logs::column::RESOURCE, logs::column::SCOPE, 99] {
        assert_eq!(error(Base::Logs, column, set(Value::Null)), "the column is read-only");
    }
    assert_eq!(error(Base::Spans, spans::column::DURATION, set(Value::Null)), "the column is read-only");
    assert_eq!(error(Base::Logs, logs::column::ATTRIBUTES, text("x")), wrong_type);
    assert_eq!(error(Base::Logs, logs::column::SEVERITY_TEXT, set(Value::Long(1))), wrong_type);
    assert_eq!(error(Base::Logs, logs::column::SEVERITY_NUMBER, set(Value::Long(1 << 40))), wrong_type);
    assert_eq!(error(Base::Logs, logs::column::SEVERITY_TEXT, ColumnEdit::Keys(Vec::new())), wrong_type);
    assert_eq!(error(Base::Logs, logs::column::TRACE_FLAGS, set(Value::Int(256))), "trace flags are 0 to 255");
    for id in ["abc", "zz", "00", "0102030405060708"] {
        assert_eq!(error(Base::Logs, logs::column::TRACE_ID, text(id)), "an id is not the hex text of its size");
    }
    assert_eq!(error(Base::Spans, spans::column::SPAN_KIND, text("Sever")), "an enumeration does not have this word");
    for ticks in [0, 621_355_968_000_000_000, i64::MAX, i64::MIN] {
        let reason = error(Base::Spans, spans::column::START_TIME, set(Value::DateTime(ticks)));
        assert_eq!(reason, "a time is not between 1970 and 2554");
    }
    let event = Value::array(vec![bag(&[("Nmae", Value::string("x"))])]);
    assert_eq!(error(Base::Spans, spans::column::EVENTS, set(event)), "an event or link does not have this key");
    let keys = ColumnEdit::Keys(vec![(Str::from("k"), None)]);
    assert_eq!(error(Base::Logs, logs::column::BODY, keys), "keys of a value that is no bag cannot be edited");
}

#[test]
fn numbers_of_points_keep_their_type_and_heads_lose_their_data() {
    let value = |point: &[u8]| {
        let view = PointView::parse(Kind::Gauge, point, 0).unwrap();
        view.value(&MetricHead::default(), metrics::column::METRIC_VALUE, 9).unwrap()
    };
    let edit = |point: &[u8], number: Value| {
        edit_point(Kind::Gauge, point, &[(metrics::column::METRIC_VALUE, ColumnEdit::Set(number))], 9).unwrap()
    };
    let mut integer = Vec::new();
    append_fixed64_field(&mut integer, 6, 5);
    append_varint_field(&mut integer, 8, 1);
    assert_eq!(value(&integer), Value::Null);
    let edited = edit(&integer, Value::Real(7.0));
    let decoded = NumberDataPoint::decode(&edited[..]).unwrap();
    assert_eq!(decoded.value, Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(7)));
    assert_eq!((decoded.flags, value(&edited)), (0, Value::Real(7.0)));
    assert_eq!(value(&edit(&edited, Value::Real(0.5))), Value::Real(0.5));
    assert_eq!(edit(&edited, Value::Real(7.0)), edited);
    assert_eq!(value(&edit(&edited, Value::Null)), Value::Null);
    let refused = edit_point(Kind::Summary, &[], &[(metrics::column::METRIC_VALUE, ColumnEdit::Set(Value::Null))], 9);
    assert!(refused.is_err());

    let metric = [message(1, b"old"), message(5, &message(1, b"")), message(77, b"?"), message(7, b"")].concat();
    let name = [(metrics::column::METRIC_NAME, ColumnEdit::Set(Value::string("new")))];
    let head = edit_metric_head(&metric, &name, 9).unwrap();
    assert_eq!(head, [message(1, b"new"), message(77, b"?")].concat());
    assert_eq!(Metric::decode(&head[..]).unwrap().name, "new");
}

#[test]
fn a_resource_gets_and_loses_keys() {
    let resource = [message(1, &message(1, b"a")), message(9, b"?")].concat();
    let edit = ColumnEdit::Keys(vec![(Str::from("b"), Some(Value::Bool(true))), (Str::from("a"), None)]);
    let edited = edit_attributes_message(&resource, 1, &edit, 9).unwrap();
    let added = message(1, &[message(1, b"b"), message(2, &[0x10, 1])].concat());
    assert_eq!(edited, [message(9, b"?"), added].concat());
    assert!(edit_attributes_message(&resource, 1, &ColumnEdit::Set(Value::Long(1)), 9).is_err());
}

#[test]
fn text_that_is_no_utf_8_and_values_without_end_still_decode() {
    let edited = set(Base::Logs, &[], logs::column::SEVERITY_TEXT, Value::String(Str::from(&b"a\xFF"[..])));
    assert_eq!(LogRecord::decode(&edited[..]).unwrap().severity_text, "a\u{FFFD}");
    let mut deep = Value::string("leaf");
    for _ in 0..99 {
        deep = bag(&[("k", deep)]);
    }
    let edited = set(Base::Logs, &[], logs::column::ATTRIBUTES, bag(&[("deep", deep.clone())]));
    let request = message(1, &message(2, &message(2, &edited)));
    assert!(opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest::decode(&request[..]).is_ok());
}

#[test]
fn a_key_that_is_not_looked_for_may_be_there_twice() {
    let attribute = |key: &str| message(6, &[message(1, key.as_bytes()), message(2, b"")].concat());
    let mut same_size = KeyPlaces::new(Base::Logs, logs::column::ATTRIBUTES).unwrap();
    assert_eq!(["a", "d"].map(|key| same_size.add(&key.into())), [Some(0), Some(1)]);
    let twice = [attribute("d"), attribute("d"), attribute("a")].concat();
    let mut places = [None; 2];
    assert_eq!(same_size.find(&twice, 0b11, &mut places), None);
    let mut places = [None; 2];
    assert_eq!(same_size.find(&twice, 0b01, &mut places), Some(()));
    assert!(places[0].is_some() && places[1].is_none());
}

#[test]
fn places_of_keys_are_found_in_what_encoders_write_and_nowhere_else() {
    let attribute = |key: &str, value: &[u8]| message(6, &[message(1, key.as_bytes()), message(2, value)].concat());
    let text = |text: &str| message(1, text.as_bytes());
    let mut keys = KeyPlaces::new(Base::Logs, logs::column::ATTRIBUTES).unwrap();
    assert!(KeyPlaces::new(Base::Logs, logs::column::BODY).is_none());
    assert_eq!([keys.add(&"a".into()), keys.add(&"bc".into()), keys.add(&"a".into())], [Some(0), Some(1), Some(0)]);
    assert_eq!(keys.add(&"k".repeat(128).into()), None);
    let find = |record: &[u8]| {
        let mut places = [None; 2];
        keys.find(record, u64::MAX, &mut places)?;
        Some(places.map(|place| place.map(|place| (place.start, place.end))))
    };
    let before = message(5, &text("body"));
    let record =
        [&before[..], &attribute("bc", &text("x")), &attribute("c", b"\x0A\x09"), &attribute("a", b"")].concat();
    let [start, size] = [before.len() as u32, attribute("bc", &text("x")).len() as u32];
    let end = record.len() as u32;
    let places = [Some((end - attribute("a", b"").len() as u32, end)), Some((start, start + size))];
    assert_eq!(find(&record), Some(places));
    assert_eq!(find(&before), Some([None, None]));
    for odd in [
        attribute("a", &text("x")),
        message(6, &[message(2, b""), message(1, b"z")].concat()),
        message(6, &[0x18, 1]),
        vec![0x30, 1],
        vec![0x2A, 0x7F, 0],
        vec![0x2B],
    ] {
        assert_eq!(find(&[&record[..], &odd].concat()), None, "{odd:?}");
    }
    // Only a key that is looked for has to be there once, and to have a value that is read.
    let mut only_a = [None; 2];
    let twice = [&record[..], &attribute("bc", &text("y")), &attribute("bc", b"\x0A\x09")].concat();
    assert_eq!((find(&twice), keys.find(&twice, 0b01, &mut only_a)), (None, Some(())));
    assert!(only_a[0].is_some() && only_a[1].is_none());
    // Fields of every form are read past where they are whole, and only there.
    let forms = [
        vec![0x10, 9],
        vec![0x10, 0x89, 1],
        [&[0x09][..], &[1; 8]].concat(),
        [&[0x45][..], &[1; 4]].concat(),
        message(5, &[b'x'; 127]),
        message(5, &[b'x'; 128]),
        message(5, &[b'x'; 16_384]),
        message(16, b"x"),
        attribute("k", &[0; 130]),
        attribute(&"k".repeat(66), b""),
    ];
    for form in forms {
        let whole = [&form[..], &attribute("a", b"")].concat();
        let [start, end] = [form.len() as u32, whole.len() as u32];
        assert_eq!(find(&whole), Some([Some((start, end)), None]), "{form:?}");
        for size in 1..form.len().min(20) {
            assert_eq!(find(&form[..size]), None, "{size} bytes of {form:?}");
        }
    }
    for odd in [text("x").repeat(2), vec![0x10], vec![0x21, 0], vec![0x42, 0], b"\x0A\x09".to_vec()] {
        assert_eq!(find(&attribute("bc", &odd)), None, "{odd:?}");
    }
    // What stands for an attribute is what an edit appends.
    let edit = ColumnEdit::Keys(vec![("a".into(), Some(Value::Long(7)))]);
    let edited = edit_record(Base::Logs, &before, &[(logs::column::ATTRIBUTES, edit)], 8).unwrap();
    assert_eq!(edited, [before, keys.encoded(&"a".into(), &Value::Long(7)).unwrap()].concat());
    assert_eq!(keys.encoded(&"a".into(), &Value::array(Vec::new())), None);
}
