use dtq_record::otlp::metric::ExponentialValue;
use dtq_rules::state::aggregate::exponential::{ExponentialHistogram, bucket_index};
use proptest::prelude::*;
use std::f64::consts::SQRT_2;

fn histogram(max_size: usize, max_scale: i32, values: &[f64]) -> ExponentialValue {
    let mut histogram = ExponentialHistogram::new(max_size, max_scale);
    values.iter().for_each(|value| histogram.record(*value));
    histogram.value()
}

/// Returns the lower boundary of a bucket from its definition, `2^(index / 2^scale)`, as a logarithm to base 2.
fn lower_log2(index: i32, scale: i32) -> f64 {
    f64::from(index) / f64::from(scale).exp2()
}

/// The table of scale 3 and the neighbours of each boundary.
///
/// Source: OpenTelemetry metrics data model, "Exponential Buckets".
#[test]
fn the_table_of_the_data_model() {
    let bounds = [1.0, 1.09051, 1.18921, 1.29684, SQRT_2, 1.54221, 1.68179, 1.83401, 2.0];
    for (index, pair) in bounds.windows(2).enumerate() {
        let middle = (pair[0] + pair[1]) / 2.0;
        assert_eq!(bucket_index(middle, 3), index as i32);
        assert_eq!(bucket_index(middle, 2), index as i32 / 2);
        assert_eq!(bucket_index(middle, 0), 0);
        assert_eq!(bucket_index(pair[1] + 0.0001, 3), index as i32 + 1);
        assert_eq!(bucket_index(pair[1] - 0.0001, 3), index as i32);
    }
}

#[test]
fn powers_of_two_are_the_last_of_their_bucket_at_every_scale() {
    for exponent in -1074..=1023 {
        let value = libm::ldexp(1.0, exponent);
        let wide = i64::from(exponent);
        for scale in 0..=20 {
            assert_eq!(i64::from(bucket_index(value, scale)), (wide << scale) - 1);
            if exponent > -1022 {
                let above = i64::from(bucket_index(value.next_up(), scale));
                assert_eq!(above, wide << scale, "2^{exponent} and a little more at scale {scale}");
                assert_eq!(i64::from(bucket_index(value.next_down(), scale)), (wide << scale) - 1);
            }
        }
        for scale in -10..0 {
            let width = 1_i64 << -scale;
            assert_eq!(i64::from(bucket_index(value, scale)), (wide - 1).div_euclid(width));
        }
    }
}

#[test]
fn the_ends_of_the_range() {
    let least = f64::from_bits(1);
    assert_eq!(bucket_index(least, 0), -1075);
    assert_eq!(bucket_index(least, -10), -2);
    assert_eq!(bucket_index(f64::MIN_POSITIVE, -10), -1);
    assert_eq!(bucket_index(f64::MAX, -10), 0);
    assert_eq!(bucket_index(f64::MAX, 20), (1024 << 20) - 1);
    // With two buckets, everything above 1 and everything up to 1.
    let value = histogram(2, 20, &[least, f64::MAX, 1.0]);
    assert_eq!((value.scale, value.positive.clone()), (-11, (-1, vec![2, 1])));
}

/// Source: OpenTelemetry metrics SDK, "Base2 Exponential Bucket Histogram Aggregation": the table of ideal scales.
#[test]
fn the_scale_is_the_ideal_one() {
    let scale = |low: f64, high: f64| histogram(160, 20, &[low, high]).scale;
    assert_eq!(scale(0.001, 0.004), 6);
    assert_eq!(scale(0.001, 0.020), 5);
    assert_eq!(scale(0.001, 1.0), 4);
    assert_eq!(scale(0.001, 100.0), 3);
    assert_eq!(scale(0.000_001, 10.0), 2);
    assert_eq!(scale(5.0, 5.0), 20, "a single value has the finest");
    assert_eq!(histogram(160, 4, &[5.0]).scale, 4);
}

#[test]
fn zeros_signs_and_the_summary() {
    let value = histogram(160, 0, &[0.0, -0.0, 3.0, 4.0, 5.0, -1.0]);
    assert_eq!((value.count, value.zero_count, value.scale), (6, 2, 0));
    assert_eq!(value.positive, (1, vec![2, 1]), "4 is in (2, 4]");
    assert_eq!(value.negative, (-1, vec![1]));
    assert_eq!((value.sum, value.min, value.max), (None, Some(-1.0), Some(5.0)));
    assert_eq!(histogram(160, 0, &[0.0, 3.0]).sum, Some(3.0));
    assert_eq!(histogram(160, 20, &[]), ExponentialValue { scale: 20, ..ExponentialValue::default() }.without_sum());
}

trait WithoutSum {
    fn without_sum(self) -> Self;
}

impl WithoutSum for ExponentialValue {
    /// Of no measurements at all the sum is zero.
    fn without_sum(self) -> Self {
        Self { sum: Some(0.0), ..self }
    }
}

fn positive() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::POSITIVE | prop::num::f64::NORMAL,
        prop::num::f64::POSITIVE | prop::num::f64::SUBNORMAL,
        0.001..1000.0_f64,
        (1..100_u32).prop_map(f64::from),
    ]
    .prop_filter("finite and above zero", |value| value.is_finite() && *value > 0.0)
}

proptest! {
    #[test]
    fn a_value_is_between_the_boundaries_of_its_bucket(value in positive(), scale in -10..=20_i32) {
        let index = bucket_index(value, scale);
        // The logarithm of the whole value is exact to about 2^-42.
        let (log2, error) = (libm::log2(value), 1e-12);
        prop_assert!(lower_log2(index, scale) - error <= log2, "{} at {}: {}", value, scale, index);
        prop_assert!(log2 <= lower_log2(index + 1, scale) + error, "{} at {}: {}", value, scale, index);
    }

    #[test]
    fn buckets_of_a_lower_scale_are_buckets_of_a_higher_one_together(value in positive()) {
        let finest = bucket_index(value, 20);
        for scale in -10..20 {
            prop_assert_eq!(bucket_index(value, scale), finest >> (20 - scale));
        }
    }

    /// Compares with all values bucketed at once, at the greatest scale at which they fit.
    #[test]
    fn it_is_the_model_in_any_order(
        values in prop::collection::vec((positive(), any::<bool>()), 1..40),
        max_size in 2..40_usize,
        max_scale in -4..=20_i32,
    ) {
        let values: Vec<f64> = values.into_iter().map(|(value, is_negative)| if is_negative { -value } else { value }).collect();
        let indexes = |is_negative: bool, scale: i32| -> Vec<i32> {
            let side = values.iter().filter(|value| (**value < 0.0) == is_negative);
            side.map(|value| bucket_index(value.abs(), max_scale) >> (max_scale - scale).min(31)).collect()
        };
        let fits = |indexes: &[i32]| indexes.iter().max().zip(indexes.iter().min())
            .is_none_or(|(max, min)| i64::from(*max) - i64::from(*min) < max_size as i64);
        let scale = (-12..=max_scale).rev().find(|scale| fits(&indexes(true, *scale)) && fits(&indexes(false, *scale))).unwrap();
        let dense = |indexes: Vec<i32>| -> (i32, Vec<u64>) {
            let Some(first) = indexes.iter().min().copied() else { return (0, Vec::new()) };
            let mut counts = vec![0; (indexes.iter().max().unwrap() - first) as usize + 1];
            indexes.iter().for_each(|index| counts[(index - first) as usize] += 1);
            (first, counts)
        };
        let mut reversed = values.clone();
        reversed.reverse();
        for ordered in [&values, &reversed] {
            let value = histogram(max_size, max_scale, ordered);
            prop_assert_eq!(value.scale, scale);
            prop_assert_eq!(&value.positive, &dense(indexes(false, scale)));
            prop_assert_eq!(&value.negative, &dense(indexes(true, scale)));
        }
    }
}
