use dtq_record::otlp::metric::{HistogramValue, MetricKind, MetricPoint, MetricStream, PointValue, Temporality};
use dtq_rules::state::aggregate::spec::{DEFAULT_BOUNDS, DEFAULT_CARDINALITY_MAX};
use dtq_rules::state::aggregate::{
    AggregationKind, Aggregator, InvalidSpec, MetricSpec, Number, Refusal, ResourceAggregators, ResourceBounds,
    SpanContext,
};
use dtq_value::{Str, Value};
use proptest::prelude::*;
use std::sync::Arc;

fn sum(temporality: Temporality) -> MetricSpec {
    MetricSpec { temporality, is_integer: true, ..MetricSpec::new("requests", AggregationKind::Sum) }
}

fn gauge(temporality: Temporality) -> MetricSpec {
    MetricSpec { temporality, ..MetricSpec::new("depth", AggregationKind::Gauge) }
}

fn histogram(bounds: &[f64]) -> MetricSpec {
    let kind = AggregationKind::Histogram { bounds: bounds.to_vec() };
    MetricSpec { temporality: Temporality::Delta, ..MetricSpec::new("duration", kind) }
}

fn attributes(pairs: &[(&str, i64)]) -> Vec<(Str, Value)> {
    pairs.iter().map(|(name, value)| (Str::from(*name), Value::Long(*value))).collect()
}

fn overflow() -> Vec<(Str, Value)> {
    vec![(Str::from("otel.metric.overflow"), Value::Bool(true))]
}

fn add(aggregator: &mut Aggregator, pairs: &[(&str, i64)], value: i64, time: i64) {
    aggregator.record(&attributes(pairs), Number::Long(value), time, None).unwrap();
}

fn point(attributes: Vec<(Str, Value)>, start_ticks: Option<i64>, time_ticks: i64, value: PointValue) -> MetricPoint {
    MetricPoint { attributes, start_ticks, time_ticks, value, exemplars: Vec::new() }
}

#[test]
fn a_delta_sum_begins_anew_with_each_interval() {
    let mut aggregator = Aggregator::new(sum(Temporality::Delta), 100).unwrap();
    add(&mut aggregator, &[("b", 1)], 5, 110);
    add(&mut aggregator, &[("a", 1)], 2, 120);
    add(&mut aggregator, &[("b", 1)], 3, 130);
    let stream = aggregator.collect(200);
    assert_eq!((stream.kind, stream.is_monotonic), (MetricKind::Sum, true));
    assert_eq!(
        stream.points,
        [
            point(attributes(&[("b", 1)]), Some(100), 200, PointValue::Long(8)),
            point(attributes(&[("a", 1)]), Some(100), 200, PointValue::Long(2)),
        ]
    );
    assert_eq!(aggregator.collect(300).points, []);
    add(&mut aggregator, &[("b", 1)], 1, 310);
    assert_eq!(aggregator.collect(400).points, [point(attributes(&[("b", 1)]), Some(300), 400, PointValue::Long(1))]);
}

#[test]
fn a_cumulative_sum_goes_on_from_its_first_measurement() {
    let mut aggregator = Aggregator::new(sum(Temporality::Cumulative), 100).unwrap();
    add(&mut aggregator, &[], 5, 110);
    assert_eq!(aggregator.collect(200).points, [point(vec![], Some(110), 200, PointValue::Long(5))]);
    add(&mut aggregator, &[], 2, 210);
    assert_eq!(aggregator.collect(300).points, [point(vec![], Some(110), 300, PointValue::Long(7))]);
    assert_eq!(aggregator.collect(400).points, [point(vec![], Some(110), 400, PointValue::Long(7))]);
}

#[test]
fn a_gauge_is_its_last_measurement() {
    let mut aggregator = Aggregator::new(gauge(Temporality::Delta), 0).unwrap();
    for (value, time) in [(1, 10), (2, 30), (3, 20), (4, 30)] {
        add(&mut aggregator, &[], value, time);
    }
    assert_eq!(aggregator.collect(100).points, [point(vec![], None, 30, PointValue::Real(4.0))]);
    assert_eq!(aggregator.collect(200).points, []);
    let mut kept = Aggregator::new(gauge(Temporality::Cumulative), 0).unwrap();
    add(&mut kept, &[], 1, 10);
    assert_eq!(kept.collect(100).points, kept.collect(200).points);
}

#[test]
fn attributes_are_the_same_in_any_order_and_the_last_of_a_name_counts() {
    let mut aggregator = Aggregator::new(sum(Temporality::Delta), 0).unwrap();
    add(&mut aggregator, &[("b", 2), ("a", 1)], 1, 0);
    add(&mut aggregator, &[("a", 1), ("b", 2)], 1, 0);
    add(&mut aggregator, &[("b", 9), ("a", 1), ("b", 2)], 1, 0);
    add(&mut aggregator, &[("a", 1)], 1, 0);
    let stream = aggregator.collect(1);
    assert_eq!(stream.points[0].attributes, attributes(&[("a", 1), ("b", 2)]));
    assert_eq!(stream.points[0].value, PointValue::Long(3));
    assert_eq!(stream.points.len(), 2);
}

/// Source: OpenTelemetry metrics SDK, "Cardinality limits".
#[test]
fn series_beyond_the_limit_are_one() {
    for temporality in [Temporality::Delta, Temporality::Cumulative] {
        let spec = MetricSpec { cardinality_max: 2, ..sum(temporality) };
        let mut aggregator = Aggregator::new(spec, 0).unwrap();
        add(&mut aggregator, &[("k", 1)], 1, 0);
        add(&mut aggregator, &[("k", 2)], 1, 0);
        assert_eq!(aggregator.counts().overflowed, 0, "as many as the limit are no excess");
        add(&mut aggregator, &[("k", 3)], 10, 0);
        add(&mut aggregator, &[("k", 4)], 10, 0);
        add(&mut aggregator, &[("k", 1)], 1, 0);
        aggregator.record(&overflow(), Number::Long(100), 0, None).unwrap();
        let stream = aggregator.collect(1);
        let values: Vec<_> =
            stream.points.iter().map(|point| (point.attributes.clone(), point.value.clone())).collect();
        assert_eq!(
            values,
            [
                (attributes(&[("k", 1)]), PointValue::Long(2)),
                (attributes(&[("k", 2)]), PointValue::Long(1)),
                (overflow(), PointValue::Long(120)),
            ]
        );
        add(&mut aggregator, &[("k", 3)], 1, 2);
        let is_anew = temporality == Temporality::Delta;
        assert_eq!(aggregator.counts().overflowed, if is_anew { 3 } else { 4 });
        assert_eq!(aggregator.collect(3).points.len(), if is_anew { 1 } else { 3 });
    }
    assert_eq!(MetricSpec::new("m", AggregationKind::Sum).cardinality_max, DEFAULT_CARDINALITY_MAX);
    assert_eq!(DEFAULT_CARDINALITY_MAX, 2000);
}

#[test]
fn series_beyond_the_bytes_are_one() {
    let spec = MetricSpec { bytes_max: 10_000, ..sum(Temporality::Delta) };
    let mut aggregator = Aggregator::new(spec, 0).unwrap();
    for number in 0..1000 {
        add(&mut aggregator, &[("k", number)], 1, 0);
    }
    let counts = aggregator.counts();
    assert!(counts.series > 2 && counts.series < 100 && counts.overflowed == 1000 - counts.series as u64, "{counts:?}");
    assert!(aggregator.collect(1).points.last().unwrap().attributes == overflow());
    assert_eq!(aggregator.counts().bytes, 0);
}

#[test]
fn what_cannot_be_aggregated_is_refused_and_counted() {
    let mut counter = Aggregator::new(sum(Temporality::Delta), 0).unwrap();
    let mut record = |number| counter.record(&[], number, 0, None);
    assert_eq!(record(Number::Real(f64::NAN)), Err(Refusal::NotFinite));
    assert_eq!(record(Number::Real(f64::INFINITY)), Err(Refusal::NotFinite));
    assert_eq!(record(Number::Long(-1)), Err(Refusal::Negative));
    assert_eq!(record(Number::Real(1.5)), Err(Refusal::NotInteger));
    assert_eq!(record(Number::Real(9_223_372_036_854_775_808.0)), Err(Refusal::NotInteger));
    assert_eq!(record(Number::Real(2.0)), Ok(()));
    assert_eq!(record(Number::Long(i64::MAX)), Ok(()));
    let counts = counter.counts();
    assert_eq!((counts.not_finite, counts.negative, counts.not_integer, counts.recorded), (2, 1, 2, 2));
    assert_eq!(counter.collect(1).points[0].value, PointValue::Long(i64::MAX), "the end of the range, not around it");
    let mut up_down = Aggregator::new(MetricSpec { is_monotonic: false, ..sum(Temporality::Delta) }, 0).unwrap();
    assert_eq!(up_down.record(&[], Number::Long(-1), 0, None), Ok(()));
    let mut measured = Aggregator::new(histogram(&DEFAULT_BOUNDS), 0).unwrap();
    assert_eq!(measured.record(&[], Number::Real(f64::NAN), 0, None), Err(Refusal::NotFinite));
    assert!(measured.is_empty());
}

/// Source: OpenTelemetry metrics SDK, "Explicit Bucket Histogram Aggregation": upper bounds are inclusive.
#[test]
fn a_histogram_counts_by_upper_bounds() {
    let mut aggregator = Aggregator::new(histogram(&[0.0, 5.0, 10.0]), 0).unwrap();
    for value in [0.0, 0.1, 5.0, 5.1, 10.0, 11.0] {
        aggregator.record(&[], Number::Real(value), 0, None).unwrap();
    }
    let expected = HistogramValue {
        count: 6,
        sum: Some(31.2),
        min: Some(0.0),
        max: Some(11.0),
        bounds: vec![0.0, 5.0, 10.0],
        counts: vec![1, 2, 2, 1],
    };
    assert_eq!(aggregator.collect(1).points[0].value, PointValue::Histogram(expected));
    aggregator.record(&[], Number::Real(-1.0), 0, None).unwrap();
    aggregator.record(&[], Number::Real(3.0), 0, None).unwrap();
    match &aggregator.collect(2).points[0].value {
        PointValue::Histogram(value) => assert_eq!((value.sum, value.min, value.count), (None, Some(-1.0), 2)),
        value => panic!("{value:?}"),
    }
}

#[test]
fn specs_that_make_no_sense_are_refused() {
    let check = |kind| MetricSpec::new("m", kind).check();
    let bounds = |bounds: &[f64]| AggregationKind::Histogram { bounds: bounds.to_vec() };
    let exponential = |max_size, max_scale| AggregationKind::ExponentialHistogram { max_size, max_scale };
    assert_eq!(check(bounds(&[])), Ok(()));
    assert_eq!(check(bounds(&[1.0, 1.0])), Err(InvalidSpec::Bounds));
    assert_eq!(check(bounds(&[1.0, f64::INFINITY])), Err(InvalidSpec::Bounds));
    assert_eq!(check(bounds(&[f64::NAN])), Err(InvalidSpec::Bounds));
    assert_eq!(check(bounds(&[0.0; 5000])), Err(InvalidSpec::BoundCount));
    assert_eq!(check(exponential(160, 20)), Ok(()));
    assert_eq!(check(exponential(1, 20)), Err(InvalidSpec::MaxSize));
    assert_eq!(check(exponential(160, 21)), Err(InvalidSpec::MaxScale));
    let many = MetricSpec { exemplars_max: 1 << 20, ..gauge(Temporality::Delta) };
    assert_eq!(Aggregator::new(many, 0).err(), Some(InvalidSpec::Exemplars));
}

fn context(trace_id: &[u8; 16]) -> SpanContext<'_> {
    SpanContext { trace_id, span_id: &[7; 8] }
}

/// Returns an id that looks random: its last bytes are those of a mixed number.
fn trace_id(number: u64) -> [u8; 16] {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u128::from(mixed ^ (mixed >> 29)).to_be_bytes()
}

#[test]
fn exemplars_are_the_last_of_each_bucket_or_an_even_choice() {
    let aligned = MetricSpec { exemplars_max: 4, ..histogram(&[0.0, 5.0, 10.0]) };
    let mut aggregator = Aggregator::new(aligned, 0).unwrap();
    for (number, value) in [1.0, 20.0, 2.0, 7.0, 3.0].into_iter().enumerate() {
        aggregator.record(&[], Number::Real(value), number as i64, Some(context(&trace_id(number as u64)))).unwrap();
    }
    let exemplars = aggregator.collect(10).points[0].exemplars.clone();
    assert_eq!(exemplars.iter().map(|exemplar| exemplar.value).collect::<Vec<_>>(), [3.0, 7.0, 20.0]);
    assert_eq!(exemplars[0].trace_id, trace_id(4));
    assert_eq!(exemplars[0].span_id, [7; 8]);

    // Of 1,000 measurements in each of 200 intervals, the mean position of the chosen is near the middle.
    let spec = MetricSpec { exemplars_max: 5, ..sum(Temporality::Cumulative) };
    let mut aggregator = Aggregator::new(spec, 0).unwrap();
    let (mut total, mut count) = (0.0, 0.0);
    for interval in 0..200_u64 {
        for index in 0..1000 {
            let id = trace_id(interval * 1000 + index);
            aggregator.record(&[], Number::Long(index as i64), 0, Some(context(&id))).unwrap();
        }
        let exemplars = aggregator.collect(1).points[0].exemplars.clone();
        assert_eq!(exemplars.len(), 5);
        total += exemplars.iter().map(|exemplar| exemplar.value).sum::<f64>();
        count += 5.0;
    }
    assert!((total / count - 499.5).abs() < 40.0, "{}", total / count);
    let no_id = SpanContext { trace_id: &[], span_id: &[] };
    aggregator.record(&[], Number::Long(1), 0, Some(no_id)).unwrap();
    assert_eq!(aggregator.collect(2).points[0].exemplars, []);
}

fn resource(name: &str) -> Arc<[u8]> {
    Arc::from(name.as_bytes())
}

#[test]
fn each_resource_has_its_points_and_the_excess_has_none() {
    let bounds = ResourceBounds { resources_max: 2, bytes_max: 1 << 20 };
    let mut aggregators = ResourceAggregators::new(sum(Temporality::Delta), bounds, 0).unwrap();
    for name in ["a", "b", "c", "d", "a"] {
        aggregators.record(&resource(name), &[], Number::Long(1), 5, None).unwrap();
    }
    let streams = aggregators.collect(10);
    let values: Vec<_> = streams.iter().map(|(name, stream)| (&name[..], stream.points[0].value.clone())).collect();
    let long = PointValue::Long;
    assert_eq!(values, [(&b"a"[..], long(2)), (&b"b"[..], long(1)), (&b""[..], long(2))]);
    assert_eq!((aggregators.unplaced(), aggregators.resource_count(), aggregators.counts().bytes), (2, 0, 0));
    assert_eq!((aggregators.counts().recorded, aggregators.counts().points), (5, 3));
    aggregators.record(&resource("e"), &[], Number::Long(1), 15, None).unwrap();
    assert_eq!(
        aggregators.collect(20)[0].1.points[0].start_ticks,
        Some(10),
        "the interval began with the last collection"
    );
}

#[test]
fn bytes_of_all_resources_together_are_bounded() {
    let bounds = ResourceBounds { resources_max: 5, bytes_max: 20_000 };
    let mut aggregators = ResourceAggregators::new(sum(Temporality::Delta), bounds, 0).unwrap();
    for number in 0..2000_i64 {
        let name = resource(&format!("resource {}", number % 10));
        aggregators.record(&name, &attributes(&[("k", number)]), Number::Long(1), 0, None).unwrap();
    }
    // Overflow series are not refused for lack of room, since each measurement has to be in some series.
    assert!(aggregators.counts().bytes <= bounds.bytes_max + 6 * 2000, "{:?}", aggregators.counts());
    let points: Vec<MetricPoint> = aggregators.collect(1).into_iter().flat_map(|(_, stream)| stream.points).collect();
    let total: i64 = points.iter().map(|point| if let PointValue::Long(value) = point.value { value } else { 0 }).sum();
    assert_eq!(total, 2000);
}

#[test]
fn series_move_to_other_bounds_and_not_to_another_metric() {
    let mut aggregator = Aggregator::new(sum(Temporality::Cumulative), 0).unwrap();
    add(&mut aggregator, &[("k", 1)], 1, 0);
    add(&mut aggregator, &[("k", 2)], 1, 0);
    assert_eq!(aggregator.set_spec(MetricSpec { cardinality_max: 1, ..sum(Temporality::Cumulative) }), Ok(()));
    add(&mut aggregator, &[("k", 2)], 1, 0);
    add(&mut aggregator, &[("k", 3)], 1, 0);
    assert_eq!(aggregator.collect(1).points.len(), 3);
    assert!(aggregator.set_spec(sum(Temporality::Delta)).is_err());
    assert!(aggregator.set_spec(MetricSpec::new("other", AggregationKind::Sum)).is_err());
}

proptest! {
    /// What delta sums say of all intervals together is what the cumulative sum says, wherever intervals end.
    #[test]
    fn each_measurement_is_in_one_series_once(
        measurements in prop::collection::vec((0..8_i64, -2..10_i64, any::<bool>()), 0..100),
        cardinality_max in 0..6_usize,
    ) {
        let spec = |temporality| MetricSpec { cardinality_max, ..sum(temporality) };
        let mut delta = Aggregator::new(spec(Temporality::Delta), 0).unwrap();
        let mut cumulative = Aggregator::new(spec(Temporality::Cumulative), 0).unwrap();
        let total = |stream: &MetricStream| -> i64 {
            stream.points.iter().map(|point| if let PointValue::Long(value) = point.value { value } else { 0 }).sum()
        };
        let (mut given, mut expected) = (0, 0);
        for (time, (number, value, is_interval_end)) in (0_i64..).zip(&measurements) {
            let pairs = attributes(&[("k", *number)]);
            let results = [&mut delta, &mut cumulative].map(|to| to.record(&pairs, Number::Long(*value), time, None));
            prop_assert_eq!(results[0], results[1]);
            expected += if results[0].is_ok() { *value } else { 0 };
            if *is_interval_end {
                given += total(&delta.collect(time));
                prop_assert_eq!(total(&cumulative.collect(time)), expected);
            }
            prop_assert!(delta.counts().series <= cardinality_max && cumulative.counts().series <= cardinality_max);
        }
        given += total(&delta.collect(1000));
        prop_assert_eq!(given, expected);
        let counts = cumulative.counts();
        prop_assert_eq!(counts.recorded + counts.negative, measurements.len() as u64);
    }
}
