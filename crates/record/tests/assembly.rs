//! Assembled requests are what prost gives for the same changes; what no change touches leaves byte for byte.
#![allow(clippy::unwrap_used)]

mod requests;

use dtq_record::otlp::Signal;
use dtq_record::otlp::assemble::{Assembled, Changes, Cut, assemble};
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::metrics::Kind;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

fn index(signal: Signal, request: &[u8]) -> RequestIndex {
    let mut index = RequestIndex::default();
    index.read(signal, request).unwrap();
    index
}

fn message(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    dtq_record::wire::append_bytes_field(&mut out, number, content);
    out
}

/// Names what a test does to one record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Keep,
    Drop,
    Replace,
    Insert,
    DropAndInsert,
    /// For points: moved to the metric with this name.
    Move(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => Just(Act::Keep),
        3 => Just(Act::Drop),
        1 => Just(Act::Replace),
        1 => Just(Act::Insert),
        1 => Just(Act::DropAndInsert),
        1 => (0..2u8).prop_map(Act::Move),
    ];
    vec(act, 40)
}

fn new_record() -> LogRecord {
    LogRecord { severity_text: "new".into(), ..Default::default() }
}

fn new_resource() -> Resource {
    let value = Some(AnyValue { value: Some(any_value::Value::IntValue(7)) });
    Resource { attributes: vec![KeyValue { key: "new".into(), value, ..Default::default() }], ..Default::default() }
}

/// Notes the acts on all records, whose replacements and insertions are `made`.
fn note(changes: &mut Changes, acts: &[Act], count: usize, made: &[u8]) {
    // In another order than they stand: the order of the calls must not matter.
    for record in (0..count).rev() {
        let act = acts[record % acts.len()];
        match act {
            Act::Keep | Act::Move(_) => {}
            Act::Drop | Act::DropAndInsert => changes.drop_record(record),
            Act::Replace => changes.replace_record(record, made),
            Act::Insert => {}
        }
        if matches!(act, Act::Insert | Act::DropAndInsert) {
            changes.insert_after(record, made);
        }
    }
}

/// Does the same with prost's structs; `position` counts records. Says whether the list is to stay.
fn retain<T: Clone>(records: &mut Vec<T>, position: &mut usize, acts: &[Act], made: &T, appended: Option<&T>) -> bool {
    let was_empty = records.is_empty();
    let mut kept = Vec::new();
    for record in records.drain(..) {
        let act = acts[*position % acts.len()];
        *position += 1;
        match act {
            Act::Drop | Act::DropAndInsert => {}
            Act::Replace => kept.push(made.clone()),
            Act::Keep | Act::Insert | Act::Move(_) => kept.push(record),
        }
        if matches!(act, Act::Insert | Act::DropAndInsert) {
            kept.push(made.clone());
        }
    }
    kept.extend(appended.cloned());
    *records = kept;
    was_empty || !records.is_empty()
}

fn decode<T: Message + Default>(assembled: Assembled, request: &[u8]) -> T {
    match assembled {
        Assembled::Unchanged => T::decode(request).unwrap(),
        Assembled::Empty => T::default(),
        Assembled::Bytes(bytes) => T::decode(&bytes[..]).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn logs_are_what_prost_gives(
        request in requests::logs_request(),
        acts in acts(),
        append in 0..9usize,
        resource in 0..4usize,
        is_dropped: bool,
    ) {
        let bytes = request.encode_to_vec();
        let index = index(Signal::Logs, &bytes);
        let mut changes = Changes::default();
        note(&mut changes, &acts, index.records().len(), &new_record().encode_to_vec());
        changes.append_to_scope(append, &new_record().encode_to_vec());
        match is_dropped {
            true => changes.drop_resource(resource),
            false => changes.replace_resource(resource, &new_resource().encode_to_vec()),
        }
        let mut expected = request.clone();
        let (mut record, mut scope) = (0, 0);
        let mut kept = Vec::new();
        for (position, mut container) in expected.resource_logs.drain(..).enumerate() {
            let was_empty = container.scope_logs.is_empty();
            container.scope_logs.retain_mut(|logs| {
                let appended = (scope == append).then(new_record);
                scope += 1;
                retain(&mut logs.log_records, &mut record, &acts, &new_record(), appended.as_ref())
            });
            if position == resource && !is_dropped {
                container.resource = Some(new_resource());
            }
            if !(position == resource && is_dropped) && (was_empty || !container.scope_logs.is_empty()) {
                kept.push(container);
            }
        }
        expected.resource_logs = kept;
        let assembled = assemble(&bytes, &index, &changes);
        if let Assembled::Bytes(out) = &assembled {
            check_untouched(Signal::Logs, &bytes, out, &acts)?;
        }
        prop_assert_eq!(decode::<ExportLogsServiceRequest>(assembled, &bytes), expected);
    }

    #[test]
    fn spans_are_what_prost_gives(request in requests::spans_request(), acts in acts()) {
        let bytes = request.encode_to_vec();
        let index = index(Signal::Spans, &bytes);
        let mut changes = Changes::default();
        note(&mut changes, &acts, index.records().len(), &Vec::new());
        let mut expected = request.clone();
        let mut record = 0;
        expected.resource_spans.retain_mut(|container| {
            let was_empty = container.scope_spans.is_empty();
            container
                .scope_spans
                .retain_mut(|spans| retain(&mut spans.spans, &mut record, &acts, &Default::default(), None));
            was_empty || !container.scope_spans.is_empty()
        });
        let assembled = assemble(&bytes, &index, &changes);
        prop_assert_eq!(decode::<ExportTraceServiceRequest>(assembled, &bytes), expected);
    }

    #[test]
    fn metrics_are_what_prost_gives(request in requests::metrics_request(), acts in acts()) {
        let bytes = request.encode_to_vec();
        let index = index(Signal::Metrics, &bytes);
        let mut changes = Changes::default();
        note(&mut changes, &acts, index.records().len(), &[]);
        for point in 0..index.records().len() {
            if let Act::Move(name) = acts[point % acts.len()] {
                changes.move_point(point, &renamed(name).encode_to_vec());
            }
        }
        let mut expected = request.clone();
        let mut point = 0;
        expected.resource_metrics.retain_mut(|container| {
            let was_empty = container.scope_metrics.is_empty();
            container.scope_metrics.retain_mut(|scope| {
                let was_empty = scope.metrics.is_empty();
                scope.metrics =
                    scope.metrics.drain(..).flat_map(|metric| change_metric(metric, &mut point, &acts)).collect();
                was_empty || !scope.metrics.is_empty()
            });
            was_empty || !container.scope_metrics.is_empty()
        });
        let assembled = assemble(&bytes, &index, &changes);
        prop_assert_eq!(decode::<ExportMetricsServiceRequest>(assembled, &bytes), expected);
    }
}

/// Checks that the records that were only kept are in the output as they came, in order.
fn check_untouched(signal: Signal, request: &[u8], out: &[u8], acts: &[Act]) -> Result<(), TestCaseError> {
    let kept = index(signal, out);
    let mut contents = kept.records().iter().map(|record| record.place.field(out));
    for (position, record) in index(signal, request).records().iter().enumerate() {
        if kept.resources().len() == index(signal, request).resources().len()
            && acts[position % acts.len()] == Act::Keep
        {
            let field = record.place.field(request);
            prop_assert!(contents.any(|own| own == field), "record {position}");
        }
    }
    Ok(())
}

fn renamed(name: u8) -> Metric {
    Metric { name: format!("renamed {name}"), ..Default::default() }
}

/// Applies the acts to one metric: what is left of it, and the metrics that its points moved to.
fn change_metric(metric: Metric, point: &mut usize, acts: &[Act]) -> Vec<Metric> {
    let Some(mut data) = metric.data.clone() else { return vec![metric] };
    let first = *point;
    let mut moved: Vec<(u8, Data)> = Vec::new();
    let stays = match &mut data {
        Data::Gauge(gauge) => change_points(&mut gauge.data_points, point, acts),
        Data::Sum(sum) => change_points(&mut sum.data_points, point, acts),
        Data::Histogram(histogram) => change_points(&mut histogram.data_points, point, acts),
        Data::ExponentialHistogram(histogram) => change_points(&mut histogram.data_points, point, acts),
        Data::Summary(summary) => change_points(&mut summary.data_points, point, acts),
    };
    for position in first..*point {
        let Act::Move(name) = acts[position % acts.len()] else { continue };
        if moved.iter().any(|(own, _)| *own == name) {
            continue;
        }
        let mut data = metric.data.clone().unwrap();
        let is_moved = |index: usize| acts[(first + index) % acts.len()] == Act::Move(name);
        match &mut data {
            Data::Gauge(gauge) => select(&mut gauge.data_points, is_moved),
            Data::Sum(sum) => select(&mut sum.data_points, is_moved),
            Data::Histogram(histogram) => select(&mut histogram.data_points, is_moved),
            Data::ExponentialHistogram(histogram) => select(&mut histogram.data_points, is_moved),
            Data::Summary(summary) => select(&mut summary.data_points, is_moved),
        }
        moved.push((name, data));
    }
    let mut out: Vec<Metric> = Vec::new();
    if stays {
        out.push(Metric { data: Some(data), ..metric });
    }
    out.extend(moved.into_iter().map(|(name, data)| Metric { data: Some(data), ..renamed(name) }));
    out
}

fn select<T>(points: &mut Vec<T>, is_moved: impl Fn(usize) -> bool) {
    let mut index = 0;
    points.retain(|_| {
        index += 1;
        is_moved(index - 1)
    });
}

fn change_points<T: Clone + Default>(points: &mut Vec<T>, point: &mut usize, acts: &[Act]) -> bool {
    let first = *point;
    let mut stays = retain(points, point, acts, &T::default(), None);
    // Those that move are kept by `retain`; each is one point, but others may have been put in between.
    let mut kept = Vec::new();
    let mut rest = std::mem::take(points).into_iter();
    for position in first..*point {
        let count = match acts[position % acts.len()] {
            Act::Drop => 0,
            Act::Insert => 2,
            _ => 1,
        };
        let own: Vec<T> = rest.by_ref().take(count).collect();
        if !matches!(acts[position % acts.len()], Act::Move(_)) {
            kept.extend(own);
        }
    }
    stays &= first == *point || !kept.is_empty();
    *points = kept;
    stays
}

#[test]
fn no_change_and_equal_replacements_are_no_copy() {
    let record = message(3, b"text");
    let request = message(1, &message(2, &message(2, &record)));
    let index = index(Signal::Logs, &request);
    let mut changes = Changes::default();
    assert_eq!(assemble(&request, &index, &changes), Assembled::Unchanged);
    changes.replace_record(0, &record);
    assert_eq!(assemble(&request, &index, &changes), Assembled::Unchanged);
    changes.drop_record(0);
    assert_eq!(assemble(&request, &index, &changes), Assembled::Empty);
    changes.clear();
    changes.drop_record(5);
    changes.append_to_scope(7, b"");
    changes.drop_resource(3);
    assert_eq!(assemble(&request, &index, &changes), Assembled::Unchanged);
}

#[test]
fn unknown_fields_and_padded_lengths_stay_where_nothing_changed() {
    let scope = [
        message(90, b"in scope"),
        message(2, b"a"),
        message(91, b"between"),
        vec![0x12, 0x81, 0x00, b'b'],
        message(2, b"c"),
        message(1, b"scope"),
    ]
    .concat();
    let padded = [&[0x92, 0x00, 0x80 | scope.len() as u8, 0x00][..], &scope].concat();
    let other = [message(2, &padded), message(1, b"other")].concat();
    let container = [message(92, b"in container"), message(2, &scope), padded.clone(), message(1, b"res")].concat();
    let request = [message(93, b"in request"), message(1, &container), message(1, &other)].concat();
    let index = index(Signal::Logs, &request);
    let mut changes = Changes::default();
    changes.drop_record(0);
    let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { panic!() };
    let scope = [message(90, b"in scope"), scope[message(90, b"in scope").len() + 3..].to_vec()].concat();
    let container = [message(92, b"in container"), message(2, &scope), padded, message(1, b"res")].concat();
    assert_eq!(out, [message(93, b"in request"), message(1, &container), message(1, &other)].concat());
}

#[test]
fn a_replaced_resource_stands_where_the_first_stood_and_the_others_go() {
    let container = [message(1, b"first"), message(2, b""), message(1, b"second"), message(9, b"unknown")].concat();
    let request = [message(1, &container), message(1, &message(2, b""))].concat();
    let index = index(Signal::Logs, &request);
    let mut changes = Changes::default();
    changes.replace_resource(0, b"new");
    changes.replace_resource(1, b"made");
    let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { panic!() };
    let first = [message(1, b"new"), message(2, b""), message(9, b"unknown")].concat();
    let second = [message(1, b"made"), message(2, b"")].concat();
    assert_eq!(out, [message(1, &first), message(1, &second)].concat());
}

#[test]
fn what_came_empty_stays_and_what_was_emptied_goes() {
    let full = message(2, &message(2, b"r"));
    let request = [message(1, &[full.clone(), message(2, b"")].concat()), message(1, b""), message(1, &full)].concat();
    let index = index(Signal::Spans, &request);
    let mut changes = Changes::default();
    changes.drop_record(0);
    changes.drop_record(1);
    let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { panic!() };
    assert_eq!(out, [message(1, &message(2, b"")), message(1, b"")].concat());
}

#[test]
fn points_move_with_what_their_data_has_besides_points() {
    let data = [message(1, b"p0"), message(1, b"p1"), vec![0x10, 1], message(1, b"p2"), message(60, b"?")].concat();
    let second = message(Kind::Gauge.field_number(), &message(1, b"unread"));
    let metric = [message(1, b"name"), message(7, &data), second, message(12, b"meta")].concat();
    let request = message(1, &message(2, &message(2, &metric)));
    let index = index(Signal::Metrics, &request);
    let mut changes = Changes::default();
    changes.move_point(2, &message(1, b"x"));
    changes.move_point(0, &message(1, b"y"));
    changes.move_point(0, &message(1, b"x"));
    changes.replace_record(2, b"P2");
    let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { panic!() };
    let old = [message(1, b"p1"), vec![0x10, 1], message(60, b"?")].concat();
    let old = [message(1, b"name"), message(7, &old), message(12, b"meta")].concat();
    let new = [vec![0x10, 1], message(60, b"?"), message(1, b"p0"), message(1, b"P2")].concat();
    let new = [message(1, b"x"), message(7, &new)].concat();
    assert_eq!(out, message(1, &message(2, &[message(2, &old), message(2, &new)].concat())));
}

#[test]
fn cuts_of_a_record_change_what_is_between_them_and_the_lengths_around() {
    let text = "long ".repeat(24);
    let record = [message(3, b"text"), message(5, text.as_bytes()), message(90, b"unknown")].concat();
    let end = record.len() as u32;
    let request = message(1, &message(2, &[message(2, &record), message(2, b"other")].concat()));
    let index = index(Signal::Logs, &request);
    for (cuts, expected) in [
        (vec![(0, 6, &b""[..])], record[6..].to_vec()),
        (vec![(6, end, b"")], record[..6].to_vec()),
        (vec![(0, 0, b"ab"), (6, 6, b"cd"), (end, end, b"ef")], {
            [&b"ab"[..], &record[..6], b"cd", &record[6..], b"ef"].concat()
        }),
        (vec![(0, 6, b"a"), (6, end, b"")], b"a".to_vec()),
        (vec![(0, end, b"")], Vec::new()),
        // Not of this record: it ends where the record ends.
        (vec![(6, end + 9, b"x")], [&record[..6], b"x"].concat()),
    ] {
        let mut changes = Changes::default();
        changes.splice_record(0, cuts.iter().map(|(start, end, put)| Cut { start: *start, end: *end, put }));
        assert_eq!(changes.record_becomes(0, &record).as_deref(), Some(&expected[..]));
        let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { panic!() };
        assert_eq!(out, message(1, &message(2, &[message(2, &expected), message(2, b"other")].concat())));
        changes.drop_record(0);
        let Assembled::Bytes(out) = assemble(&request, &index, &changes) else { panic!() };
        assert_eq!(out, message(1, &message(2, &message(2, b"other"))));
    }
}
