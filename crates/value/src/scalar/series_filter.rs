//! Series with gaps filled, and filtered series.

use crate::Value;
use crate::scalar::args::as_real;
use crate::scalar::series::real_items;
use crate::scalar::{Call, Fault, compare};
use dtq_source::Code;

/// Says whether an element is missing: it equals the placeholder, which is null when it is left out.
fn is_missing(item: &Value, placeholder: &Value) -> bool {
    match placeholder {
        Value::Null => as_real(item).is_none(),
        placeholder => compare::number_order(item, placeholder) == Some(std::cmp::Ordering::Equal),
    }
}

/// `series_fill_forward(series, placeholder)`: missing elements become the last one before.
pub fn series_fill_forward(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let mut filled = items.to_vec();
    for index in 1..filled.len() {
        if is_missing(&filled[index], call.arg(1)) {
            filled[index] = filled[index - 1].clone();
        }
    }
    Ok(Value::array(filled))
}

/// `series_fill_backward(series, placeholder)`: missing elements become the next one behind.
pub fn series_fill_backward(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let mut filled = items.to_vec();
    for index in (1..filled.len()).rev() {
        if is_missing(&filled[index - 1], call.arg(1)) {
            filled[index - 1] = filled[index].clone();
        }
    }
    Ok(Value::array(filled))
}

/// `series_fill_const(series, constant, placeholder)`: missing elements become a constant.
pub fn series_fill_const(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let fill = |item: &Value| if is_missing(item, call.arg(2)) { call.arg(1).clone() } else { item.clone() };
    Ok(Value::array(items.iter().map(fill).collect()))
}

/// `series_fill_linear(series, placeholder, fill_edges, constant)`: missing elements lie on lines between the others.
///
/// # Source
/// Kusto documentation, `series_fill_linear()`. Between longs the values are cut off, and a series without any value
/// becomes `0.0`: conformance `emu/series-fill-linear-function-00`.
pub fn series_fill_linear(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let known: Vec<(usize, f64)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| !is_missing(item, call.arg(1)))
        .filter_map(|(index, item)| Some((index, as_real(item)?)))
        .collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        let constant = call.args.get(3).cloned().unwrap_or(Value::Real(0.0));
        return Ok(Value::array(vec![constant; items.len()]));
    };
    let mut filled = items.to_vec();
    for pair in known.windows(2) {
        let [(start, from), (end, to)] = [pair[0], pair[1]];
        let is_whole = [start, end].iter().all(|index| matches!(items[*index], Value::Int(_) | Value::Long(_)));
        let slope = (to - from) / (end - start) as f64;
        for (step, gap) in filled[start + 1..end].iter_mut().enumerate() {
            let number = from + slope * (step + 1) as f64;
            #[allow(clippy::cast_possible_truncation, reason = "cut off on purpose; between two longs")]
            let number = if is_whole { Value::Long(number as i64) } else { Value::Real(number) };
            *gap = number;
        }
    }
    if call.bool(2).unwrap_or(true) {
        filled[..first.0].fill(items[first.0].clone());
        filled[last.0 + 1..].fill(items[last.0].clone());
    }
    Ok(Value::array(filled))
}

/// The most multiplications of one filtering.
const STEPS_MAX: usize = 1 << 28;

fn check_steps(series: &[f64], coefficients: usize) -> Result<(), Fault> {
    if series.len().saturating_mul(coefficients) <= STEPS_MAX {
        return Ok(());
    }
    let message = format!("filtering {} values by {coefficients} coefficients takes too long", series.len());
    Err(Fault::new(Code::E3003, message))
}

/// `series_fir(series, filter, normalize, center)`: each value replaced by a weighted sum of it and those before it.
///
/// # Source
/// Kusto documentation, `series_fir()`. A filter with negative coefficients can't be normalised: null.
pub fn series_fir(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Some(series), Some(mut filter)) = (real_items(call, 0), real_items(call, 1)) else { return Ok(Value::Null) };
    check_steps(&series, filter.len())?;
    let has_negative = filter.iter().any(|coefficient| *coefficient < 0.0);
    if call.bool(2).unwrap_or(!has_negative) {
        let sum: f64 = filter.iter().sum();
        if has_negative || sum == 0.0 {
            return Ok(Value::Null);
        }
        filter.iter_mut().for_each(|coefficient| *coefficient /= sum);
    }
    let ahead = if call.bool(3).unwrap_or(false) { filter.len().saturating_sub(1) / 2 } else { 0 };
    let value = |index: usize| -> f64 {
        let term =
            |(back, coefficient): (usize, &f64)| Some(coefficient * series.get((index + ahead).checked_sub(back)?)?);
        filter.iter().enumerate().filter_map(term).sum()
    };
    Ok(Value::array((0..series.len()).map(|index| Value::Real(value(index))).collect()))
}

/// `series_iir(series, numerators, denominators)`: the recursive filter with these coefficients.
///
/// # Source
/// Kusto documentation, `series_iir()`: its formula; the first denominator must not be 0.
pub fn series_iir(call: &mut Call<'_>) -> Result<Value, Fault> {
    let items = (real_items(call, 0), real_items(call, 1), real_items(call, 2));
    let (Some(series), Some(numerators), Some(denominators)) = items else { return Ok(Value::Null) };
    check_steps(&series, numerators.len() + denominators.len())?;
    let Some(first) = denominators.first().filter(|first| **first != 0.0) else { return Ok(Value::Null) };
    let mut output: Vec<f64> = Vec::with_capacity(series.len());
    for index in 0..series.len() {
        let before = |values: &[f64], back: usize| Some(*values.get(index.checked_sub(back)?)?);
        let input = numerators.iter().enumerate().filter_map(|(back, b)| Some(b * before(&series, back)?));
        let fed_back = denominators.iter().enumerate().skip(1).filter_map(|(back, a)| Some(a * before(&output, back)?));
        let value = (input.sum::<f64>() - fed_back.sum::<f64>()) / first;
        output.push(value);
    }
    Ok(Value::array(output.into_iter().map(Value::Real).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::scalar::{Context, Eval};
    use dtq_source::Limits;

    fn eval(function: Eval, args: &[&str]) -> String {
        let args: Vec<Value> = args.iter().map(|arg| json::parse(arg.as_bytes(), 9).unwrap()).collect();
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let result = function(&mut Call { args: &args, pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(json::to_bytes(&result)).unwrap()
    }

    // Conformance `emu/series-fill-*`, `emu/series-iir-function-00`; the documentation's text on `series_fir()`.
    #[test]
    fn documented_examples() {
        let gaps = "[111,null,36,41,null,null,16,61,33,null,null]";
        let longs = "[null,111,null,36,41,null,null,16,61,33,null,null]";
        let cases: &[(Eval, &[&str], &str)] = &[
            (series_fill_backward, &[gaps], "[111,36,36,41,16,16,16,61,33,null,null]"),
            (series_fill_forward, &["[null,36,41,null,null,16]"], "[null,36,41,41,41,16]"),
            (series_fill_forward, &["[1,-1,2]", "-1"], "[1,1,2]"),
            (series_fill_const, &["[111,null,36]", "0.0"], "[111,0.0,36]"),
            (series_fill_linear, &[longs], "[111,111,73,36,41,32,24,16,61,33,33,33]"),
            (series_fill_linear, &[longs, "null", "false"], "[null,111,73,36,41,32,24,16,61,33,null,null]"),
            (series_fill_linear, &["[null,111.0,null,36.0]"], "[111.0,111.0,73.5,36.0]"),
            (series_fill_linear, &["[null,null]"], "[0.0,0.0]"),
            (series_fill_linear, &["[null,null]", "null", "true", "3.14159"], "[3.14159,3.14159]"),
            (series_iir, &["[1.0,2.0,3.0,4.0]", "[1]", "[1,-1]"], "[1.0,3.0,6.0,10.0]"),
            (series_iir, &["[1]", "[1]", "[0]"], "null"),
            (series_fir, &["[0,0,2,2,3,3]", "[1,-1]", "false", "false"], "[0.0,0.0,2.0,0.0,1.0,0.0]"),
            (series_fir, &["[0,0,5,0,0]", "[1,1,1,1,1]"], "[0.0,0.0,1.0,1.0,1.0]"),
            (series_fir, &["[0,0,5,0,0]", "[1,1,1,1,1]", "true", "true"], "[1.0,1.0,1.0,1.0,1.0]"),
            (series_fir, &["[1]", "[1,-1]", "true"], "null"),
        ];
        for (function, args, expected) in cases {
            assert_eq!(eval(*function, args), *expected, "{args:?}");
        }
    }

    #[test]
    fn work_is_bounded() {
        let args = vec![Value::array(vec![Value::Long(1); 100_000]); 3];
        let mut ctx = Context::new(Limits::default(), 0, 0);
        for function in [series_fir as Eval, series_iir] {
            let result = function(&mut Call { args: &args, pooled: None, ctx: &mut ctx });
            assert_eq!(result.map_err(|fault| fault.code), Err(Code::E3003));
        }
    }
}
