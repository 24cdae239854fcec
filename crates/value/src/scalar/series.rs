//! Series: arrays of numbers, element by element and as a whole.
//!
//! What is not a number gives null for its element, and for the whole where all elements are needed. Filling of gaps
//! and filters: [`crate::scalar::series_filter`].

use crate::scalar::args::{as_array, as_real};
use crate::scalar::{Call, Fault, arithmetic, compare};
use crate::{Bag, Str, Value};
use std::cmp::Ordering;

/// Returns the pairs of elements of two arguments, of which one may be a single number; null where one has no element.
fn pairwise(call: &Call<'_>, combine: impl Fn(&Value, &Value) -> Value) -> Value {
    let (a, b) = (call.arg(0), call.arg(1));
    let count = match (as_array(a), as_array(b)) {
        (Some(a), Some(b)) => a.len().max(b.len()),
        (Some(items), None) | (None, Some(items)) => items.len(),
        (None, None) => return Value::Null,
    };
    let element = |side: &Value, index: usize| match side {
        Value::Array(items) => items.get(index).filter(|item| as_real(item).is_some()).cloned().unwrap_or_default(),
        number => number.clone(),
    };
    let combined = (0..count).map(|index| match (element(a, index), element(b, index)) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (a, b) => combine(&a, &b),
    });
    Value::array(combined.collect())
}

/// Declares functions over pairs of elements.
macro_rules! pairwise {
    ($($(#[doc = $doc:literal])* $name:ident = $combine:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            Ok(pairwise(call, $combine))
        })*
    };
}

fn reals(combine: fn(f64, f64) -> f64) -> impl Fn(&Value, &Value) -> Value {
    move |a, b| as_real(a).zip(as_real(b)).map_or(Value::Null, |(a, b)| Value::Real(combine(a, b)))
}

fn ordered(test: fn(Ordering) -> bool) -> impl Fn(&Value, &Value) -> Value {
    // NaN has no order with anything.
    move |a, b| Value::Bool(compare::number_order(a, b).is_some_and(test))
}

pairwise! {
    /// `series_add(a, b)`: the sums of elements.
    series_add = arithmetic::add;
    /// `series_subtract(a, b)`: the differences of elements.
    series_subtract = arithmetic::subtract;
    /// `series_multiply(a, b)`: the products of elements.
    series_multiply = arithmetic::multiply;
    /// `series_divide(a, b)`: the quotients of elements, as reals.
    series_divide = reals(|a, b| a / b);
    /// `series_pow(a, b)`: the elements of one to the power of those of the other, as reals.
    series_pow = reals(f64::powf);
    /// `series_greater(a, b)`: whether elements are greater.
    series_greater = ordered(Ordering::is_gt);
    /// `series_greater_equals(a, b)`: whether elements are greater or equal.
    series_greater_equals = ordered(Ordering::is_ge);
    /// `series_less(a, b)`: whether elements are less.
    series_less = ordered(Ordering::is_lt);
    /// `series_less_equals(a, b)`: whether elements are less or equal.
    series_less_equals = ordered(Ordering::is_le);
    /// `series_equals(a, b)`: whether elements are equal.
    series_equals = ordered(Ordering::is_eq);
    /// `series_not_equals(a, b)`: whether elements differ.
    series_not_equals = |a, b| Value::Bool(compare::number_order(a, b) != Some(Ordering::Equal));
}

fn each(call: &Call<'_>, map: impl Fn(&Value) -> Value) -> Value {
    call.array(0).map_or(Value::Null, |items| Value::array(items.iter().map(map).collect()))
}

/// Declares functions over elements as reals.
macro_rules! each_real {
    ($($(#[doc = $doc:literal])* $name:ident = $map:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            let map: fn(f64) -> f64 = $map;
            Ok(each(call, |item| as_real(item).map_or(Value::Null, |number| Value::Real(map(number)))))
        })*
    };
}

each_real! {
    /// `series_exp(series)`: e to the power of the elements.
    series_exp = f64::exp;
    /// `series_log(series)`: the natural logarithms of the elements.
    series_log = f64::ln;
    /// `series_sin(series)`: the sines of the elements.
    series_sin = f64::sin;
    /// `series_cos(series)`: the cosines of the elements.
    series_cos = f64::cos;
    /// `series_tan(series)`: the tangents of the elements.
    series_tan = f64::tan;
    /// `series_asin(series)`: the arc sines of the elements.
    series_asin = f64::asin;
    /// `series_acos(series)`: the arc cosines of the elements.
    series_acos = f64::acos;
    /// `series_atan(series)`: the arc tangents of the elements.
    series_atan = f64::atan;
    /// `series_floor(series)`: the elements rounded down, as reals.
    series_floor = f64::floor;
    /// `series_ceiling(series)`: the elements rounded up, as reals.
    series_ceiling = f64::ceil;
}

/// `series_abs(series)`: the elements without their signs, of the type they have.
pub fn series_abs(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(each(call, |item| match item {
        Value::Int(number) => Value::Long(i64::from(*number).abs()),
        Value::Long(number) => Value::Long(number.wrapping_abs()),
        Value::Real(number) => Value::Real(number.abs()),
        Value::Decimal(number) => Value::Decimal(number.abs()),
        _ => Value::Null,
    }))
}

/// `series_sign(series)`: -1, 0 or 1 for each element.
pub fn series_sign(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(each(call, |item| {
        let order = compare::number_order(item, &Value::Long(0));
        order.filter(|_| as_real(item).is_some()).map_or(Value::Null, |order| Value::Long(order as i64))
    }))
}

/// Returns the elements of an array argument as reals, or `None` when one is not a number.
pub(super) fn real_items(call: &Call<'_>, index: usize) -> Option<Vec<f64>> {
    call.array(index)?.iter().map(as_real).collect()
}

fn real_or_null(number: Option<f64>) -> Value {
    number.map_or(Value::Null, Value::Real)
}

/// `series_sum(series)`: the sum of the elements.
pub fn series_sum(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(real_or_null(real_items(call, 0).map(|items| items.iter().sum())))
}

/// `series_product(series)`: the product of the elements.
pub fn series_product(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(real_or_null(real_items(call, 0).map(|items| items.iter().product())))
}

/// `series_magnitude(series)`: the square root of the sum of squares.
pub fn series_magnitude(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(real_or_null(real_items(call, 0).map(|items| magnitude(&items))))
}

fn magnitude(items: &[f64]) -> f64 {
    items.iter().map(|item| item * item).sum::<f64>().sqrt()
}

/// Returns the numbers that stand at the same positions, a single number at every one; `None` when there are no elements.
fn both(call: &Call<'_>) -> Option<Vec<(f64, f64)>> {
    let (a, b) = (call.arg(0), call.arg(1));
    let numbers = |a: &Value, b: &Value| as_real(a).zip(as_real(b));
    let (count, pairs): (usize, Vec<(f64, f64)>) = match (as_array(a), as_array(b)) {
        (Some(x), Some(y)) => (x.len().min(y.len()), x.iter().zip(y).filter_map(|(x, y)| numbers(x, y)).collect()),
        (Some(x), None) => (x.len(), x.iter().filter_map(|x| numbers(x, b)).collect()),
        (None, Some(y)) => (y.len(), y.iter().filter_map(|y| numbers(a, y)).collect()),
        (None, None) => return None,
    };
    (count > 0).then_some(pairs)
}

/// `series_dot_product(a, b)`: the sum of the products; what is not a number is left out, the longer one cut off.
pub fn series_dot_product(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(real_or_null(both(call).map(|pairs| pairs.iter().map(|(a, b)| a * b).sum())))
}

/// `series_cosine_similarity(a, b, magnitude_a, magnitude_b)`: the dot product over the product of the magnitudes.
pub fn series_cosine_similarity(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(pairs) = both(call) else { return Ok(Value::Null) };
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let dot: f64 = pairs.iter().map(|(a, b)| a * b).sum();
    let of = |index: usize, items: &[f64]| call.real(index).unwrap_or_else(|| magnitude(items));
    Ok(Value::Real(dot / (of(2, &a) * of(3, &b))))
}

/// `series_pearson_correlation(a, b)`: null when the lengths differ or an element is not a number.
pub fn series_pearson_correlation(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Some(a), Some(b)) = (real_items(call, 0), real_items(call, 1)) else { return Ok(Value::Null) };
    if a.len() != b.len() || a.is_empty() {
        return Ok(Value::Null);
    }
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(&b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum() };
    Ok(Value::Real(sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()))
}

fn mean(items: &[f64]) -> f64 {
    items.iter().sum::<f64>() / items.len() as f64
}

/// Returns the sum of squared distances from the mean over one less than the count.
fn variance(items: &[f64]) -> f64 {
    let mean = mean(items);
    let squares: f64 = items.iter().map(|item| (item - mean).powi(2)).sum();
    if items.len() > 1 { squares / (items.len() - 1) as f64 } else { 0.0 }
}

/// `series_stats_dynamic(series, ignore)`: a bag of statistics; null when something is not finite and not ignored.
///
/// # Source
/// Kusto documentation, `series_stats_dynamic()`; conformance `emu/series-stats-dynamic-function-00`.
pub fn series_stats_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let finite = |item: &Value| as_real(item).filter(|number| number.is_finite());
    let numbered: Vec<(usize, f64)> =
        items.iter().enumerate().filter_map(|(index, item)| Some((index, finite(item)?))).collect();
    let is_ignoring = call.bool(1).unwrap_or(false);
    if numbered.is_empty() || (numbered.len() < items.len() && !is_ignoring) {
        return Ok(Value::Null);
    }
    // Of equal values the first position counts.
    let least = numbered.iter().fold(numbered[0], |best, item| if item.1 < best.1 { *item } else { best });
    let most = numbered.iter().fold(numbered[0], |best, item| if item.1 > best.1 { *item } else { best });
    let numbers: Vec<f64> = numbered.iter().map(|(_, number)| *number).collect();
    let position = |index: usize| Value::Long(index as i64);
    let pairs = [
        ("min", Value::Real(least.1)),
        ("min_idx", position(least.0)),
        ("max", Value::Real(most.1)),
        ("max_idx", position(most.0)),
        ("avg", Value::Real(mean(&numbers))),
        ("stdev", Value::Real(variance(&numbers).sqrt())),
        ("variance", Value::Real(variance(&numbers))),
        ("sum", Value::Real(numbers.iter().sum())),
        ("len", position(numbers.len())),
    ];
    Ok(Value::bag(named(pairs)))
}

fn named<const N: usize>(pairs: [(&str, Value); N]) -> Bag {
    pairs.into_iter().map(|(key, value)| (Str::from(key), value)).collect()
}

/// `series_fit_line_dynamic(series)`: a bag that describes the straight line with the least squares of distances.
///
/// # Source
/// Kusto documentation, `series_fit_line_dynamic()`: its example, which shows sample variances.
pub fn series_fit_line_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = real_items(call, 0).filter(|items| items.len() > 1) else { return Ok(Value::Null) };
    let (middle, mean) = ((items.len() - 1) as f64 / 2.0, mean(&items));
    let centred = || items.iter().enumerate().map(|(index, item)| (index as f64 - middle, item));
    let slope = centred().map(|(x, item)| x * (item - mean)).sum::<f64>() / centred().map(|(x, _)| x * x).sum::<f64>();
    // In the example the first element stands at 1.
    let interception = mean - slope * (middle + 1.0);
    let line: Vec<f64> = (1..=items.len()).map(|position| interception + slope * position as f64).collect();
    let rest: Vec<f64> = items.iter().zip(&line).map(|(item, fitted)| item - fitted).collect();
    let (variance, rest_variance) = (variance(&items), variance(&rest));
    let pairs = [
        ("rsquare", Value::Real(1.0 - rest_variance / variance)),
        ("slope", Value::Real(slope)),
        ("variance", Value::Real(variance)),
        ("rvariance", Value::Real(rest_variance)),
        ("interception", Value::Real(interception)),
        ("line_fit", Value::array(line.into_iter().map(Value::Real).collect())),
    ];
    Ok(Value::bag(named(pairs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::scalar::{Context, Eval};
    use dtq_source::Limits;

    fn value(function: Eval, args: &[&str]) -> Value {
        let args: Vec<Value> = args.iter().map(|arg| json::parse(arg.as_bytes(), 9).unwrap()).collect();
        let mut ctx = Context::new(Limits::default(), 0, 0);
        function(&mut Call { args: &args, pooled: None, ctx: &mut ctx }).unwrap()
    }

    fn eval(function: Eval, args: &[&str]) -> String {
        String::from_utf8(json::to_bytes(&value(function, args))).unwrap()
    }

    // The examples of the functions' pages in Kusto's documentation.
    #[test]
    fn documented_examples() {
        let cases: &[(Eval, &[&str], &str)] = &[
            (series_add, &["[1,2,4]", "[4,2,1]"], "[5,4,5]"),
            (series_add, &["[1,2,4]", "[4,\"a\"]"], "[5,null,null]"),
            (series_multiply, &["[2,4,8]", "[8,4,2]"], "[16,16,16]"),
            (series_divide, &["[1,2,4]", "[4,2,1]"], "[0.25,1.0,4.0]"),
            (series_pow, &["[1,2,3,4]", "[1,2,3,0.5]"], "[1.0,4.0,27.0,2.0]"),
            (series_equals, &["[1,2,4]", "[4,2,1]"], "[false,true,false]"),
            (series_less_equals, &["[1,2,4]", "[4,2,1]"], "[true,true,false]"),
            (series_greater, &["[1,2,4]", "2"], "[false,false,true]"),
            (series_abs, &["[-6.5,0,8.2]"], "[6.5,0,8.2]"),
            (series_sign, &["[-6,0,8,\"a\"]"], "[-1,0,1,null]"),
            (series_floor, &["[-1.5,1,2.5]"], "[-2.0,1.0,2.0]"),
            (series_ceiling, &["[-1.5,1,2.5]"], "[-1.0,1.0,3.0]"),
            (series_sum, &["[1,2,3,4]"], "10.0"),
            (series_sum, &["[1,\"a\"]"], "null"),
            (series_product, &["[1,2,3,4]"], "24.0"),
            (series_dot_product, &["[1,2,4]", "[4,2,1]"], "12.0"),
            (series_dot_product, &["[2,4,8]", "2"], "28.0"),
            (series_dot_product, &["[]", "2"], "null"),
            (series_pearson_correlation, &["[1,2,3,4,5]", "[2,4,6,8,10]"], "1.0"),
            (series_pearson_correlation, &["[1,2]", "[2]"], "null"),
        ];
        for (function, args, expected) in cases {
            assert_eq!(eval(*function, args), *expected, "{args:?}");
        }
    }

    fn near(found: &Value, expected: f64, tolerance: f64) {
        let found = as_real(found).unwrap();
        assert!((found - expected).abs() <= tolerance, "{found} {expected}");
    }

    // The documentation's examples; the statistics are those of `emu/series-stats-dynamic-function-00`.
    #[test]
    fn statistics() {
        near(&value(series_magnitude, &["[1,2,3,4]"]), 5.477_225_575_051_661, 1e-12);
        let similar = value(series_cosine_similarity, &["[0.1,0.2,0.1,0.2]", "[0.11,0.2,0.11,0.21]"]);
        near(&similar, 0.999_353_438_255_04, 1e-12);
        let Value::Bag(stats) = value(series_stats_dynamic, &["[23,46,23,87,4,8,3,75,2,56,13,75,32,16,29]"]) else {
            panic!("a bag is expected")
        };
        let expected = [
            ("min", 2.0),
            ("min_idx", 8.0),
            ("max", 87.0),
            ("max_idx", 3.0),
            ("avg", 32.8),
            ("stdev", 28.503_633_853_548_27),
            ("variance", 812.457_142_857_142_9),
            ("sum", 492.0),
            ("len", 15.0),
        ];
        for (key, number) in expected {
            near(stats.get(key.as_bytes()).unwrap(), number, 1e-9);
        }
        assert_eq!(value(series_stats_dynamic, &["[1,null]"]), Value::Null);
        let Value::Bag(fit) = value(series_fit_line_dynamic, &["[2,5,6,8,11,15,17,18,25,26,30,30]"]) else {
            panic!("a bag is expected")
        };
        for (key, number) in
            [("rsquare", 0.982), ("slope", 2.730), ("variance", 98.628), ("rvariance", 1.686), ("interception", -1.666)]
        {
            near(fit.get(key.as_bytes()).unwrap(), number, 1e-3);
        }
    }
}
