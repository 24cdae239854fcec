//! Functions of numbers: rounding, powers, trigonometry, bits, chance.
//!
//! # Source
//! Kusto documentation, the page of each function. Where a page says null outside of the domain, null it is (`sqrt`,
//! `log`, `asin`: conformance `trap/1123` to `trap/1139`); elsewhere IEEE 754 rules.

use crate::scalar::args::as_real;
use crate::scalar::arithmetic::{self, Pair};
use crate::scalar::{Call, Fault, compare};
use crate::{Decimal, Value};
use rust_decimal::MathematicalOps;
use std::cmp::Ordering;

/// Declares functions of one real.
macro_rules! of_one_real {
    ($($(#[doc = $doc:literal])* $name:ident = $compute:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            let compute: fn(f64) -> Option<f64> = $compute;
            Ok(call.real(0).and_then(compute).map_or(Value::Null, Value::Real))
        })*
    };
}

of_one_real! {
    /// `sqrt(x)`: null below zero.
    eval_sqrt = |x| (x.is_nan() || x >= 0.0).then(|| x.sqrt());
    /// `exp(x)`
    eval_exp = |x| Some(x.exp());
    /// `exp2(x)`
    eval_exp2 = |x| Some(x.exp2());
    /// `exp10(x)`
    eval_exp10 = |x| Some(10_f64.powf(x));
    /// `log(x)`: null below zero.
    eval_log = |x| (x.is_nan() || x >= 0.0).then(|| x.ln());
    /// `log2(x)`: null below zero.
    eval_log2 = |x| (x.is_nan() || x >= 0.0).then(|| x.log2());
    /// `log10(x)`: null below zero.
    eval_log10 = |x| (x.is_nan() || x >= 0.0).then(|| x.log10());
    /// `gamma(x)`
    eval_gamma = |x| Some(libm::tgamma(x));
    /// `loggamma(x)`
    eval_loggamma = |x| Some(libm::lgamma(x));
    /// `erf(x)`
    eval_erf = |x| Some(libm::erf(x));
    /// `erfc(x)`
    eval_erfc = |x| Some(libm::erfc(x));
    /// `sin(x)`
    eval_sin = |x| Some(x.sin());
    /// `cos(x)`
    eval_cos = |x| Some(x.cos());
    /// `tan(x)`
    eval_tan = |x| Some(x.tan());
    /// `cot(x)`
    eval_cot = |x| Some(1.0 / x.tan());
    /// `asin(x)`: null outside of -1 to 1.
    eval_asin = |x| (x.is_nan() || x.abs() <= 1.0).then(|| x.asin());
    /// `acos(x)`: null outside of -1 to 1.
    eval_acos = |x| (x.is_nan() || x.abs() <= 1.0).then(|| x.acos());
    /// `atan(x)`
    eval_atan = |x| Some(x.atan());
    /// `degrees(x)`
    eval_degrees = |x| Some(x.to_degrees());
    /// `radians(x)`
    eval_radians = |x| Some(x.to_radians());
}

/// Declares predicates of one real.
macro_rules! about_one_real {
    ($($(#[doc = $doc:literal])* $name:ident = $holds:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            let holds: fn(f64) -> bool = $holds;
            Ok(call.real(0).map_or(Value::Null, |x| Value::Bool(holds(x))))
        })*
    };
}

about_one_real! {
    /// `isnan(x)`
    eval_isnan = f64::is_nan;
    /// `isinf(x)`
    eval_isinf = f64::is_infinite;
    /// `isfinite(x)`
    eval_isfinite = f64::is_finite;
}

/// `pi()`
pub fn eval_pi(_call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Real(std::f64::consts::PI))
}

/// `pow(base, exponent)`
pub fn eval_pow(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(two_reals(call, f64::powf))
}

/// `atan2(y, x)`
pub fn eval_atan2(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(two_reals(call, f64::atan2))
}

fn two_reals(call: &Call<'_>, compute: fn(f64, f64) -> f64) -> Value {
    match (call.real(0), call.real(1)) {
        (Some(a), Some(b)) => Value::Real(compute(a, b)),
        _ => Value::Null,
    }
}

/// `abs(x)` of a number or a timespan; that of an int is a long.
pub fn eval_abs(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match call.arg(0) {
        Value::Int(number) => Value::Long(i64::from(*number).abs()),
        Value::Long(number) => Value::Long(number.wrapping_abs()),
        Value::Real(number) => Value::Real(number.abs()),
        Value::Decimal(number) => Value::Decimal(number.abs()),
        Value::TimeSpan(ticks) => ticks.checked_abs().map_or(Value::Null, Value::TimeSpan),
        _ => Value::Null,
    })
}

/// `sign(x)`: -1, 0 or 1 as a real; that of null is 0.
///
/// # Source
/// Conformance `trap/526` for null.
pub fn eval_sign(call: &mut Call<'_>) -> Result<Value, Fault> {
    let number = call.real(0).unwrap_or(0.0);
    Ok(Value::Real(f64::from(i8::from(number > 0.0) - i8::from(number < 0.0))))
}

/// `ceiling(x)`, of the type of `x`.
pub fn eval_ceiling(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match call.arg(0) {
        Value::Real(number) => Value::Real(number.ceil()),
        Value::Decimal(number) => Value::Decimal(number.ceil()),
        other => other.clone(),
    })
}

/// `round(x, digits)`, of the type of `x`; halves go away from zero.
pub fn eval_round(call: &mut Call<'_>) -> Result<Value, Fault> {
    let digits = if call.args.len() > 1 { call.long(1) } else { Some(0) };
    let Some(digits) = digits else { return Ok(Value::Null) };
    // Beyond these no real has digits, and powers of ten end.
    let digits = i32::try_from(digits.clamp(-310, 310)).expect("clamped");
    Ok(match call.arg(0) {
        Value::Int(number) => i32::try_from(round_long(i64::from(*number), digits)).map_or(Value::Null, Value::Int),
        Value::Long(number) => i64::try_from(round_long(*number, digits)).map_or(Value::Null, Value::Long),
        Value::Real(number) => Value::Real(round_real(*number, digits)),
        Value::Decimal(number) => round_decimal(*number, digits),
        _ => Value::Null,
    })
}

fn round_long(number: i64, digits: i32) -> i128 {
    let number = i128::from(number);
    if digits >= 0 {
        return number;
    }
    let Some(unit) = 10_i128.checked_pow(digits.unsigned_abs()) else { return 0 };
    let half = unit / 2;
    (number + number.signum() * half) / unit * unit
}

fn round_real(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits.abs());
    let rounded = if digits >= 0 { (number * scale).round() / scale } else { (number / scale).round() * scale };
    // A number too large to scale has no digits to round.
    if rounded.is_finite() { rounded } else { number }
}

fn round_decimal(number: Decimal, digits: i32) -> Value {
    use rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    if let Ok(places) = u32::try_from(digits) {
        return Value::Decimal(number.round_dp_with_strategy(places.min(28), MidpointAwayFromZero));
    }
    let Some(unit) = Decimal::TEN.checked_powi(i64::from(digits.unsigned_abs())) else {
        return Value::Decimal(Decimal::ZERO);
    };
    let scaled = number.checked_div(unit).map(|n| n.round_dp_with_strategy(0, MidpointAwayFromZero));
    scaled.and_then(|n| n.checked_mul(unit)).map_or(Value::Null, Value::Decimal)
}

/// `bin(x, size)`: the multiple of `size` at or below `x`, null when `size` is null or 0.
///
/// Of numbers it is `floor(x / size) * size`, also for a negative size; of times a negative size gives null.
///
/// # Source
/// Conformance `trap/502` to `trap/525`.
pub fn eval_bin(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(bin(call.arg(0), call.arg(1)))
}

/// Returns the multiple of `size` at or below `value`.
pub fn bin(value: &Value, size: &Value) -> Value {
    match (value, size) {
        (Value::TimeSpan(ticks), Value::TimeSpan(size)) => {
            bin_ticks(*ticks, *size).map_or(Value::Null, Value::TimeSpan)
        }
        (Value::DateTime(ticks), Value::TimeSpan(size)) => {
            bin_ticks(*ticks, *size).map_or(Value::Null, Value::DateTime)
        }
        (a, b) => match arithmetic::widen(a, b) {
            Some(Pair::Long(_, 0)) | None => Value::Null,
            Some(Pair::Long(number, size)) => Value::Long(floor_multiple(number, size)),
            Some(Pair::Real(number, size)) => Value::Real((number / size).floor() * size),
            Some(Pair::Decimal(number, size)) => {
                let count = number.checked_div(size).map(|count| count.floor());
                count.and_then(|count| count.checked_mul(size)).map_or(Value::Null, Value::Decimal)
            }
        },
    }
}

fn floor_multiple(number: i64, size: i64) -> i64 {
    let rest = i128::from(number).rem_euclid(i128::from(size));
    // A positive rest is what lies above the multiple below; with a negative size the multiple is the one above.
    let multiple =
        if rest != 0 && size < 0 { i128::from(number) - rest - i128::from(size) } else { i128::from(number) - rest };
    #[allow(clippy::cast_possible_truncation, reason = "wrapping, as all arithmetic of longs")]
    {
        multiple as i64
    }
}

/// Returns the multiple of `size` at or below `ticks`, or `None` when `size` is not positive.
fn bin_ticks(ticks: i64, size: i64) -> Option<i64> {
    if size <= 0 { None } else { ticks.checked_sub(ticks.rem_euclid(size)) }
}

/// `bin_at(x, size, fixed)`: the greatest `fixed + n * size` at or below `x`, null when `size` is not positive.
pub fn eval_bin_at(call: &mut Call<'_>) -> Result<Value, Fault> {
    let is_positive = compare::number_order(call.arg(1), &Value::Long(0)) == Some(Ordering::Greater)
        || matches!(call.arg(1), Value::TimeSpan(ticks) if *ticks > 0);
    if !is_positive {
        return Ok(Value::Null);
    }
    let (value, fixed) = (call.arg(0), call.arg(2));
    let apart = arithmetic::subtract(value, fixed);
    Ok(arithmetic::add(fixed, &bin(&apart, call.arg(1))))
}

/// `max_of(a, b, ...)`: nulls are passed over.
pub fn eval_max_of(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(pick(call.args, Ordering::Greater))
}

/// `min_of(a, b, ...)`: nulls are passed over.
pub fn eval_min_of(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(pick(call.args, Ordering::Less))
}

fn pick(values: &[Value], wanted: Ordering) -> Value {
    let present = values.iter().filter(|value| !value.is_null());
    let best = present.reduce(|best, value| if compare::sort_order(value, best) == wanted { value } else { best });
    best.cloned().unwrap_or_default()
}

/// Declares functions of the bits of two longs.
macro_rules! of_two_longs {
    ($($(#[doc = $doc:literal])* $name:ident = $compute:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            let compute: fn(i64, i64) -> Option<i64> = $compute;
            let answer = call.long(0).zip(call.long(1)).and_then(|(a, b)| compute(a, b));
            Ok(answer.map_or(Value::Null, Value::Long))
        })*
    };
}

of_two_longs! {
    /// `binary_and(a, b)`
    eval_binary_and = |a, b| Some(a & b);
    /// `binary_or(a, b)`
    eval_binary_or = |a, b| Some(a | b);
    /// `binary_xor(a, b)`
    eval_binary_xor = |a, b| Some(a ^ b);
    /// `binary_shift_left(a, n)`: by `n % 64`, null when `n` is negative.
    eval_binary_shift_left = |a, n| u32::try_from(n.rem_euclid(64)).ok().filter(|_| n >= 0).map(|n| a << n);
    /// `binary_shift_right(a, n)`: by `n % 64`, the sign stays; null when `n` is negative.
    eval_binary_shift_right = |a, n| u32::try_from(n.rem_euclid(64)).ok().filter(|_| n >= 0).map(|n| a >> n);
}

/// `binary_not(a)`
pub fn eval_binary_not(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(call.long(0).map_or(Value::Null, |number| Value::Long(!number)))
}

/// `bitset_count_ones(a)`
pub fn eval_bitset_count_ones(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(call.long(0).map_or(Value::Null, |number| Value::Long(i64::from(number.count_ones()))))
}

/// `rand()`: a real from 0 to below 1; `rand(n)`: a whole one from 0 to below `n`, null when `n` is not positive.
#[allow(clippy::cast_precision_loss, reason = "53 bits are what a real in 0..1 has")]
pub fn eval_rand(call: &mut Call<'_>) -> Result<Value, Fault> {
    if call.args.is_empty() {
        return Ok(Value::Real((call.ctx.next_random() >> 11) as f64 / (1_u64 << 53) as f64));
    }
    let Some(count) = as_real(call.arg(0)).filter(|count| *count >= 1.0) else { return Ok(Value::Null) };
    let share = (call.ctx.next_random() >> 11) as f64 / (1_u64 << 53) as f64;
    Ok(Value::Real((share * count).floor()))
}

/// `new_guid()`: a random one, version 4.
///
/// # Source
/// RFC 9562, section 5.4.
pub fn eval_new_guid(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (high, low) = (call.ctx.next_random(), call.ctx.next_random());
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id[6] = id[6] & 0x0F | 0x40;
    id[8] = id[8] & 0x3F | 0x80;
    Ok(Value::Guid(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins() {
        let (long, real) = (Value::Long, Value::Real);
        // Conformance trap/502 to trap/525, kql.md 6, and the documentation of bin().
        for (value, size, expected) in [
            (long(7), long(5), long(5)),
            (long(-7), long(5), long(-10)),
            (long(-7), long(-5), long(-5)),
            (long(7), long(-5), long(10)),
            (long(7), long(0), Value::Null),
            (real(-7.5), long(2), real(-8.0)),
            (real(0.3), real(0.1), real(0.2)),
            (real(5.0), real(-2.0), real(6.0)),
            (real(-0.3), real(0.1), real(-0.300_000_000_000_000_04)),
            (real(1e300), real(1e-300), real(f64::INFINITY)),
            (long(9_007_199_254_740_993), real(1.0), real(9_007_199_254_740_992.0)),
            (Value::Int(-7), Value::Int(5), long(-10)),
            (
                Value::TimeSpan(12_204_000_000_000),
                Value::TimeSpan(864_000_000_000),
                Value::TimeSpan(12_096_000_000_000),
            ),
            (Value::TimeSpan(1), Value::TimeSpan(-1), Value::Null),
            (long(i64::MIN), long(3), long(i64::MAX)),
        ] {
            assert_eq!(bin(&value, &size), expected, "{value:?} {size:?}");
        }
        for (value, size) in [(7.0, 0.0), (0.0, 0.0), (1.0, f64::INFINITY), (f64::NAN, 1.0)] {
            assert!(matches!(bin(&real(value), &real(size)), Value::Real(n) if n.is_nan()), "{value} {size}");
        }
    }

    #[test]
    fn rounding() {
        // Kusto documentation, round().
        for (number, digits, expected) in
            [(2.98765, 3, 2.988), (2.15, 1, 2.2), (2.15, 0, 2.0), (-50.55, -2, -100.0), (21.5, -1, 20.0), (2.5, 0, 3.0)]
        {
            assert!((round_real(number, digits) - expected).abs() < 1e-12, "{number} {digits}");
        }
        assert_eq!(round_real(1e300, 300), 1e300);
        assert_eq!(round_long(15, -1), 20);
        assert_eq!(round_long(-15, -1), -20);
        assert_eq!(round_long(i64::MAX, -300), 0);
        assert_eq!(round_decimal("2.15".parse().unwrap(), 1), Value::Decimal("2.2".parse().unwrap()));
        assert_eq!(round_decimal("-50.55".parse().unwrap(), -2), Value::Decimal("-100".parse().unwrap()));
        assert_eq!(round_decimal("5".parse().unwrap(), -300), Value::Decimal(Decimal::ZERO));
    }

    #[test]
    fn picking_passes_over_nulls() {
        // Kusto documentation, min_of().
        let (int, null) = (Value::Int, Value::Null);
        assert_eq!(pick(&[int(10), int(1), int(-3), int(17)], Ordering::Less), int(-3));
        assert_eq!(pick(&[null.clone(), int(3)], Ordering::Less), int(3));
        assert_eq!(pick(&[null.clone(), null.clone()], Ordering::Greater), null);
    }
}
