//! Trace ids to ratios that sampling compares with a probability.
//!
//! Only the trace id is looked at: explicit randomness in a trace state (`rv`) and thresholds that an earlier sampler
//! left there (`th`) are not.

use crate::Value;
use crate::scalar::{Call, Fault};

/// Bits of randomness in a trace id.
///
/// # Source
/// OpenTelemetry specification, "TraceState: Probability Sampling": the least significant 56 bits, as W3C Trace Context
/// Level 2 has them.
const RANDOM_BITS: u32 = 56;

/// Digits of a trace id, and those before its randomness.
const ID_DIGITS: usize = 32;
const FIXED_DIGITS: usize = 18;

/// `trace_ratio(TraceId)`: where a trace stands in [0, 1), the same wherever it is asked; null for what is no trace id.
///
/// `trace_ratio(TraceId) < p` holds for exactly the traces that a consistent probability sampler with the probability
/// `p` keeps. With randomness R and rejection threshold T = (1 - p) * 2^56 that sampler keeps R >= T. The ratio is
/// (2^56 - 1 - R) / 2^56, so that the order is turned around: it is below `p` if and only if 2^56 - 1 - R < p * 2^56,
/// which is R >= T where T is whole, and else R >= T rounded down. Samplers that round T to fewer digits keep other
/// traces in that last digit.
///
/// # Source
/// OpenTelemetry specification, "TraceState: Probability Sampling", "Rejection Threshold" and "Decision algorithm". An
/// id of zeros is not valid: W3C Trace Context, "trace-id".
pub fn trace_ratio(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(randomness(call.bytes(0)).map_or(Value::Null, |random| Value::Real(ratio(random))))
}

/// Returns the 56 random bits of a trace id, or `None` when it is not one.
fn randomness(id: &[u8]) -> Option<u64> {
    if id.len() != ID_DIGITS || id.iter().all(|digit| *digit == b'0') {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(u64::from);
    // All digits are checked, only the last ones count.
    let digits: Option<Vec<u64>> = id.iter().map(digit).collect();
    Some(digits?[FIXED_DIGITS..].iter().fold(0, |bits, digit| bits << 4 | digit))
}

/// Returns the ratio, rounded toward zero: then it is below a probability (a real) exactly when the true one is.
fn ratio(random: u64) -> f64 {
    let rank = (1_u64 << RANDOM_BITS) - 1 - random;
    let surplus_bits = (u64::BITS - rank.leading_zeros()).saturating_sub(f64::MANTISSA_DIGITS);
    let kept = rank >> surplus_bits << surplus_bits;
    kept as f64 / (1_u64 << RANDOM_BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Context;
    use dtq_source::Limits;

    const WHOLE: u64 = 1 << RANDOM_BITS;

    fn ratio_of(id: &str) -> Option<f64> {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let args = [Value::string(id)];
        match trace_ratio(&mut Call { args: &args, pooled: None, ctx: &mut ctx }) {
            Ok(Value::Real(ratio)) => Some(ratio),
            Ok(Value::Null) => None,
            other => panic!("{other:?}"),
        }
    }

    fn id(random: u64) -> String {
        format!("{:018x}{random:014x}", 0xabcd)
    }

    /// The thresholds of the specification's table, "Converting floating-point probability to threshold value", with
    /// four digits of precision, and the probability that it states for each.
    #[test]
    fn what_the_specification_keeps_is_kept() {
        let table = [
            ("8", 0.5),
            ("aaab", 0.333_328_247_070_312_5),
            ("c", 0.25),
            ("cccd", 0.199_996_948_242_187_5),
            ("e", 0.125),
            ("e666", 0.100_006_103_515_625),
            ("f", 0.0625),
            ("fd70a", 0.010_000_228_881_835_938),
            ("ffbe77", 0.000_999_987_125_396_728_5),
            ("fff9724", 0.000_100_001_692_771_911_62),
        ];
        for (digits, probability) in table {
            let threshold = u64::from_str_radix(&format!("{digits:0<14}"), 16).unwrap();
            // The specification's own formula, in case the decimal above is rounded.
            let exact = (WHOLE - threshold) as f64 / WHOLE as f64;
            assert!((exact - probability).abs() < 1e-15, "{digits}");
            for random in [0, 1, threshold - 1, threshold, threshold + 1, WHOLE - 1] {
                let is_kept = random >= threshold;
                assert_eq!(ratio_of(&id(random)).unwrap() < exact, is_kept, "{digits}: {random:014x}");
            }
        }
    }

    /// Any real as a probability, against (1 - p) * 2^56 in whole numbers.
    #[test]
    fn any_probability_is_consistent() {
        let mut ctx = Context::new(Limits::default(), 0, 7);
        for _ in 0..20_000 {
            let probability = ctx.next_random() as f64 / u64::MAX as f64 / (1_u64 << (ctx.next_random() % 20)) as f64;
            let kept_count = (probability * WHOLE as f64).ceil() as u64;
            let threshold = WHOLE - kept_count.min(WHOLE);
            for random in [threshold.saturating_sub(1), threshold.min(WHOLE - 1), ctx.next_random() % WHOLE] {
                let is_kept = random >= threshold;
                assert_eq!(ratio_of(&id(random)).unwrap() < probability, is_kept, "{probability} {random:014x}");
            }
        }
    }

    #[test]
    fn ratios_are_in_range_and_malformed_ids_are_null() {
        assert_eq!(ratio_of(&id(WHOLE - 1)), Some(0.0));
        assert!(ratio_of(&id(0)).unwrap() < 1.0);
        assert_eq!(ratio_of("4BF92F3577B34DA6A3CE929D0E0E4736"), ratio_of("4bf92f3577b34da6a3ce929d0e0e4736"));
        let zeros = "0".repeat(32);
        for wrong in ["", "4bf9", "4bf92f3577b34da6a3ce929d0e0e473", "4bf92f3577b34da6a3ce929d0e0e4736a", &zeros] {
            assert_eq!(ratio_of(wrong), None, "{wrong}");
        }
        assert_eq!(ratio_of("g bf92f3577b34da6a3ce929d0e0e4736"), None);
        assert_eq!(ratio_of("4bf92f3577b34da6a3ce929d0e0e473\u{e9}"), None);
    }
}
