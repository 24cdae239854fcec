//! Arrays and sets: slicing, moving, sorting, combining.
//!
//! What is not an array where one is needed gives null. Next: [`crate::scalar::dynamic`] for bags.

use crate::Value;
use crate::json;
use crate::scalar::args::{as_array, as_long};
use crate::scalar::bounded;
use crate::scalar::{Call, Fault, compare};
use hashbrown::HashSet;
use std::cmp::Ordering;

/// `array_length(array)`: the count of elements.
pub fn array_length(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(call.array(0).map_or(Value::Null, |items| Value::Long(items.len() as i64)))
}

/// `array_concat(a, b, ...)`: the elements of all, in order.
pub fn array_concat(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut all = Vec::new();
    for arg in call.args {
        let Some(items) = as_array(arg) else { return Ok(Value::Null) };
        all.extend_from_slice(items);
        if all.len() > bounded::count_max(&call.ctx.limits) {
            return Err(bounded::too_large(call.ctx.limits.value_bytes_max));
        }
    }
    bounded::array(all, &call.ctx.limits)
}

/// `array_slice(array, start, end)`: the elements from one position to another, both inclusive.
///
/// # Source
/// Kusto documentation, `array_slice()`: negative positions count from the end, those out of bounds are ignored.
pub fn array_slice(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Some(items), Some(start), Some(end)) = (call.array(0), call.long(1), call.long(2)) else {
        return Ok(Value::Null);
    };
    let count = items.len() as i64;
    let from = from_start(start, count).max(0);
    let to = from_start(end, count).saturating_add(1).min(count);
    if from >= to {
        return Ok(Value::array(Vec::new()));
    }
    Ok(Value::array(items[from as usize..to as usize].to_vec()))
}

fn from_start(position: i64, count: i64) -> i64 {
    if position < 0 { position.saturating_add(count) } else { position }
}

/// `array_split(array, positions)`: the arrays between the positions, a long or an array of longs.
pub fn array_split(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let positions = match call.arg(1) {
        Value::Array(positions) => positions.as_slice(),
        position => std::slice::from_ref(position),
    };
    let mut parts = Vec::with_capacity(positions.len().saturating_add(1));
    let mut start = 0;
    for position in positions {
        let Some(position) = as_long(position) else { return Ok(Value::Null) };
        let end = from_start(position, items.len() as i64).clamp(start as i64, items.len() as i64) as usize;
        parts.push(Value::array(items[start..end].to_vec()));
        start = end;
    }
    parts.push(Value::array(items[start..].to_vec()));
    bounded::array(parts, &call.ctx.limits)
}

/// `array_reverse(array)`: the elements in reverse order.
pub fn array_reverse(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(call.array(0).map_or(Value::Null, |items| Value::array(items.iter().rev().cloned().collect())))
}

/// `array_rotate_left(array, count)`: every element so many positions nearer to the start, around the end.
pub fn array_rotate_left(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(rotated(call, 1))
}

/// `array_rotate_right(array, count)`: every element so many positions nearer to the end, around the start.
pub fn array_rotate_right(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(rotated(call, -1))
}

fn rotated(call: &Call<'_>, direction: i64) -> Value {
    let (Some(items), Some(count)) = (call.array(0), call.long(1)) else { return Value::Null };
    let mut items = items.to_vec();
    if !items.is_empty() {
        let size = items.len() as i64;
        let left = (count % size * direction).rem_euclid(size);
        items.rotate_left(left as usize);
    }
    Value::array(items)
}

/// `array_shift_left(array, count, default)`: every element so many positions nearer to the start, the default behind.
pub fn array_shift_left(call: &mut Call<'_>) -> Result<Value, Fault> {
    shifted(call, 1)
}

/// `array_shift_right(array, count, default)`: every element so many positions nearer to the end, the default before.
pub fn array_shift_right(call: &mut Call<'_>) -> Result<Value, Fault> {
    shifted(call, -1)
}

fn shifted(call: &Call<'_>, direction: i64) -> Result<Value, Fault> {
    let (Some(items), Some(count)) = (call.array(0), call.long(1)) else { return Ok(Value::Null) };
    // The documentation: null "or an empty string depending on the type of elements".
    let is_text = !items.is_empty() && items.iter().all(|item| matches!(item, Value::String(_)));
    let default = match call.args.get(2) {
        Some(default) => default.clone(),
        None if is_text => Value::string(""),
        None => Value::Null,
    };
    let left = count.saturating_mul(direction);
    let distance = usize::try_from(left.unsigned_abs()).unwrap_or(usize::MAX).min(items.len());
    let filler = std::iter::repeat_n(default, distance);
    let kept = items.len() - distance;
    let shifted: Vec<Value> = if left >= 0 {
        items[distance..].iter().cloned().chain(filler).collect()
    } else {
        filler.chain(items[..kept].iter().cloned()).collect()
    };
    bounded::array(shifted, &call.ctx.limits)
}

/// `array_index_of(array, value, start, length, occurrence)`: the position of an element, -1 when it is not there.
///
/// # Source
/// Kusto documentation, `array_index_of()`: its nine examples.
pub fn array_index_of(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(items) = call.array(0) else { return Ok(Value::Null) };
    let optional = |index: usize, default: i64| {
        if call.args.len() > index { call.long(index) } else { Some(default) }
    };
    let (Some(start), Some(length), Some(occurrence)) = (optional(2, 0), optional(3, -1), optional(4, 1)) else {
        return Ok(Value::Null);
    };
    if length < -1 || occurrence < 1 {
        return Ok(Value::Null);
    }
    let first = from_start(start, items.len() as i64).max(0) as usize;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut positions = items.iter().enumerate().skip(first).take(length);
    let nth = usize::try_from(occurrence - 1).unwrap_or(usize::MAX);
    let found = positions.by_ref().filter(|(_, item)| is_same(item, call.arg(1))).nth(nth);
    Ok(Value::Long(found.map_or(-1, |(index, _)| index as i64)))
}

/// Says whether an element is a value; text is never a number, though `==` would convert it, but it may be a time or guid.
fn is_same(item: &Value, value: &Value) -> bool {
    let is_number = |value: &Value| {
        matches!(value, Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_))
    };
    match (item, value) {
        (Value::String(_), value) | (value, Value::String(_)) if is_number(value) => false,
        (Value::Bool(_), value) | (value, Value::Bool(_)) if !matches!(value, Value::Bool(_)) => false,
        _ => compare::equal(item, value).unwrap_or(true),
    }
}

/// `array_iff(conditions, when_true, when_false)`: for each condition the element of one array or the other.
///
/// # Source
/// Kusto documentation, `array_iff()`: numbers are true unless 0, other conditions give null, missing elements are null.
pub fn array_iff(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(conditions) = call.array(0) else { return Ok(Value::Null) };
    let chosen = conditions.iter().enumerate().map(|(index, condition)| {
        let branch = match condition {
            Value::Bool(is_true) => call.arg(if *is_true { 1 } else { 2 }),
            Value::Int(_) | Value::Long(_) => call.arg(if as_long(condition) == Some(0) { 2 } else { 1 }),
            Value::Real(number) => call.arg(if *number == 0.0 { 2 } else { 1 }),
            _ => return Value::Null,
        };
        match branch {
            Value::Array(items) => items.get(index).cloned().unwrap_or_default(),
            single => single.clone(),
        }
    });
    bounded::array(chosen.collect(), &call.ctx.limits)
}

/// `array_sort_asc(array, ..., nulls_last)`: the array in rising order, and the others in the same order as it.
///
/// Of several arrays the result is an array of arrays; one of another length than the first becomes null.
///
/// # Source
/// Kusto documentation, `array_sort_asc()`: numbers and times, then strings, then guids, then the rest.
pub fn array_sort_asc(call: &mut Call<'_>) -> Result<Value, Fault> {
    sorted(call, |ordering| ordering)
}

/// `array_sort_desc(array, ..., nulls_last)`: the array in falling order, and the others in the same order as it.
pub fn array_sort_desc(call: &mut Call<'_>) -> Result<Value, Fault> {
    sorted(call, Ordering::reverse)
}

fn sorted(call: &Call<'_>, direct: fn(Ordering) -> Ordering) -> Result<Value, Fault> {
    let (arrays, is_nulls_last) = match call.args.split_last() {
        Some((Value::Bool(is_last), arrays)) => (arrays, *is_last),
        _ => (call.args, true),
    };
    let Some(keys) = arrays.first().and_then(as_array) else { return Ok(Value::Null) };
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&keys[*a], &keys[*b]);
        match (a.is_null(), b.is_null()) {
            (false, false) => sort_class(a).cmp(&sort_class(b)).then_with(|| direct(compare::sort_order(a, b))),
            (a_null, b_null) if is_nulls_last => a_null.cmp(&b_null),
            (a_null, b_null) => b_null.cmp(&a_null),
        }
    });
    let arranged = |array: &Value| match as_array(array) {
        Some(items) if items.len() == order.len() => {
            Value::array(order.iter().map(|index| items[*index].clone()).collect())
        }
        _ => Value::Null,
    };
    match arrays {
        [array] => Ok(arranged(array)),
        arrays => bounded::array(arrays.iter().map(arranged).collect(), &call.ctx.limits),
    }
}

fn sort_class(value: &Value) -> u8 {
    match value {
        Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_) => 0,
        Value::DateTime(_) | Value::TimeSpan(_) => 0,
        Value::String(_) => 1,
        Value::Guid(_) => 2,
        _ => 3,
    }
}

/// The steps of `range` without a third argument, in ticks.
///
/// # Source
/// Kusto documentation, `range()` function: "`1h` for `timespan` or `datetime`".
const HOUR_TICKS: i64 = 36_000_000_000;

/// `range(start, stop, step)`: the values from start to stop, inclusive; cut off at the bound on the size of a value.
///
/// A zero step, or arguments whose types do not go together, give null.
///
/// # Source
/// Kusto documentation, `range()` function: "The array is truncated if the maximum number of results allowed is reached".
pub fn range(call: &mut Call<'_>) -> Result<Value, Fault> {
    let count_max = bounded::count_max(&call.ctx.limits);
    let step = call.args.get(2);
    let items = match (call.arg(0), call.arg(1), step) {
        (Value::DateTime(start), Value::DateTime(stop), None) => {
            steps(*start, *stop, HOUR_TICKS, count_max, Value::DateTime)
        }
        (Value::DateTime(start), Value::DateTime(stop), Some(Value::TimeSpan(step))) => {
            steps(*start, *stop, *step, count_max, Value::DateTime)
        }
        (Value::TimeSpan(start), Value::TimeSpan(stop), None) => {
            steps(*start, *stop, HOUR_TICKS, count_max, Value::TimeSpan)
        }
        (Value::TimeSpan(start), Value::TimeSpan(stop), Some(Value::TimeSpan(step))) => {
            steps(*start, *stop, *step, count_max, Value::TimeSpan)
        }
        (start, stop, step) => {
            let step = step.cloned().unwrap_or(Value::Long(1));
            match (as_long(start), as_long(stop), as_long(&step)) {
                (Some(start), Some(stop), Some(step)) => steps(start, stop, step, count_max, Value::Long),
                _ => real_steps([call.real(0), call.real(1), super::args::as_real(&step)], count_max),
            }
        }
    };
    Ok(items.map_or(Value::Null, Value::array))
}

fn steps(start: i64, stop: i64, step: i64, count_max: usize, wrap: fn(i64) -> Value) -> Option<Vec<Value>> {
    if step == 0 {
        return None;
    }
    let is_within = |value: &i64| if step > 0 { *value <= stop } else { *value >= stop };
    let values = std::iter::successors(Some(start), |value| value.checked_add(step));
    Some(values.take_while(is_within).take(count_max).map(wrap).collect())
}

fn real_steps([start, stop, step]: [Option<f64>; 3], count_max: usize) -> Option<Vec<Value>> {
    let (start, stop, step) = (start?, stop?, step?);
    if step == 0.0 || !step.is_finite() || !start.is_finite() || stop.is_nan() {
        return None;
    }
    let is_within = |value: &f64| if step > 0.0 { *value <= stop } else { *value >= stop };
    let values = (0..count_max).map(|index| start + index as f64 * step);
    Some(values.take_while(is_within).map(Value::Real).collect())
}

/// `repeat(value, count)`: the value so many times; null when the count is negative.
pub fn repeat(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(count) = call.long(1).and_then(|count| usize::try_from(count).ok()) else { return Ok(Value::Null) };
    if count > bounded::count_max(&call.ctx.limits) {
        return Err(bounded::too_large(call.ctx.limits.value_bytes_max));
    }
    bounded::array(vec![call.arg(0).clone(); count], &call.ctx.limits)
}

/// `zip(a, b, ...)`: arrays of the elements at the same position; missing ones are null.
pub fn zip(call: &mut Call<'_>) -> Result<Value, Fault> {
    let arrays: Option<Vec<&[Value]>> = call.args.iter().map(as_array).collect();
    let Some(arrays) = arrays else { return Ok(Value::Null) };
    let count = arrays.iter().map(|items| items.len()).max().unwrap_or(0);
    if count.saturating_mul(arrays.len()) > bounded::count_max(&call.ctx.limits) {
        return Err(bounded::too_large(call.ctx.limits.value_bytes_max));
    }
    let row = |index: usize| arrays.iter().map(|items| items.get(index).cloned().unwrap_or_default()).collect();
    bounded::array((0..count).map(|index| Value::array(row(index))).collect(), &call.ctx.limits)
}

/// `pack_array(a, b, ...)`: an array of the arguments.
pub fn pack_array(call: &mut Call<'_>) -> Result<Value, Fault> {
    bounded::array(call.args.to_vec(), &call.ctx.limits)
}

/// `set_has_element(array, value)`: whether an element equals a value.
pub fn set_has_element(call: &mut Call<'_>) -> Result<Value, Fault> {
    let items = call.array(0);
    Ok(items.map_or(Value::Null, |items| Value::Bool(items.iter().any(|item| is_same(item, call.arg(1))))))
}

/// `set_union(a, b, ...)`: the different elements of all arrays.
pub fn set_union(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(sets) = sets(call) else { return Ok(Value::Null) };
    let mut seen = HashSet::new();
    let items = sets.iter().flat_map(|items| items.iter()).filter(|item| seen.insert(identity(item)));
    bounded::array(items.cloned().collect(), &call.ctx.limits)
}

/// `set_intersect(a, b, ...)`: the different elements that every array has.
pub fn set_intersect(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(sets) = sets(call) else { return Ok(Value::Null) };
    let others: Vec<HashSet<Vec<u8>>> = sets[1..].iter().map(|items| identities(items)).collect();
    let is_in_all = |key: &Vec<u8>| others.iter().all(|other| other.contains(key));
    Ok(chosen(sets[0], is_in_all))
}

/// `set_difference(a, b, ...)`: the different elements of the first array that no other has.
pub fn set_difference(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(sets) = sets(call) else { return Ok(Value::Null) };
    let others: HashSet<Vec<u8>> = sets[1..].iter().flat_map(|items| items.iter().map(identity)).collect();
    Ok(chosen(sets[0], |key| !others.contains(key)))
}

/// `set_equals(a, b)`: whether two arrays have the same different elements.
pub fn set_equals(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(sets) = sets(call) else { return Ok(Value::Null) };
    Ok(Value::Bool(identities(sets[0]) == identities(sets[1])))
}

/// `jaccard_index(a, b)`: the count of elements in both sets over the count of those in either.
pub fn jaccard_index(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(sets) = sets(call) else { return Ok(Value::Null) };
    let (a, b) = (identities(sets[0]), identities(sets[1]));
    Ok(Value::Real(a.intersection(&b).count() as f64 / a.union(&b).count() as f64))
}

fn sets<'a>(call: &Call<'a>) -> Option<Vec<&'a [Value]>> {
    call.args.iter().map(as_array).collect()
}

fn chosen(items: &[Value], is_chosen: impl Fn(&Vec<u8>) -> bool) -> Value {
    let mut seen = HashSet::new();
    let kept = items.iter().filter(|item| {
        let key = identity(item);
        is_chosen(&key) && seen.insert(key)
    });
    Value::array(kept.cloned().collect())
}

fn identities(items: &[Value]) -> HashSet<Vec<u8>> {
    items.iter().map(identity).collect()
}

/// Returns bytes that are equal when two elements are: the JSON text, whole reals written as longs.
fn identity(value: &Value) -> Vec<u8> {
    match value {
        Value::Real(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            #[allow(clippy::cast_possible_truncation, reason = "whole and in range")]
            let whole = *number as i64;
            json::to_bytes(&Value::Long(whole))
        }
        other => json::to_bytes(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval};
    use dtq_source::{Code, Limits};

    fn eval(function: Eval, args: &[&str]) -> String {
        let args: Vec<Value> = args.iter().map(|arg| json::parse(arg.as_bytes(), 9).unwrap()).collect();
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let result = function(&mut Call { args: &args, pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(json::to_bytes(&result)).unwrap()
    }

    // The examples of the functions' pages in Kusto's documentation, confirmed by the conformance cases that bear their names.
    #[test]
    fn documented_examples() {
        let five = "[1,2,3,4,5]";
        let words = r#"["this","is","an","example","an","example"]"#;
        let cases: &[(Eval, &[&str], &str)] = &[
            (array_slice, &["[1,2,3]", "1", "2"], "[2,3]"),
            (array_slice, &[five, "2", "-1"], "[3,4,5]"),
            (array_slice, &[five, "-3", "-2"], "[3,4]"),
            (array_slice, &[five, "-30", "70"], five),
            (array_slice, &[five, "4", "1"], "[]"),
            (array_split, &[five, "2"], "[[1,2],[3,4,5]]"),
            (array_split, &[five, "[1,3]"], "[[1],[2,3],[4,5]]"),
            (array_rotate_left, &[five, "2"], "[3,4,5,1,2]"),
            (array_rotate_left, &[five, "-2"], "[4,5,1,2,3]"),
            (array_rotate_right, &[five, "-2"], "[3,4,5,1,2]"),
            (array_rotate_left, &[five, "-9223372036854775808"], "[3,4,5,1,2]"),
            (array_shift_left, &[five, "2"], "[3,4,5,null,null]"),
            (array_shift_left, &[five, "2", "-1"], "[3,4,5,-1,-1]"),
            (array_shift_left, &[five, "-2", "-1"], "[-1,-1,1,2,3]"),
            (array_shift_right, &[five, "2"], "[null,null,1,2,3]"),
            (array_shift_right, &[five, "-2", "-1"], "[3,4,5,-1,-1]"),
            (array_shift_left, &[five, "9"], "[null,null,null,null,null]"),
            (array_index_of, &[words, r#""an""#], "2"),
            (array_index_of, &[words, r#""example""#, "1", "3"], "3"),
            (array_index_of, &[words, r#""example""#, "1", "2"], "-1"),
            (array_index_of, &[words, r#""is""#, "2", "4"], "-1"),
            (array_index_of, &[words, r#""example""#, "2", "-1"], "3"),
            (array_index_of, &[words, r#""an""#, "1", "-1", "2"], "4"),
            (array_index_of, &[words, r#""an""#, "1", "-1", "3"], "-1"),
            (array_index_of, &[words, r#""an""#, "-3"], "4"),
            (array_index_of, &[words, r#""is""#, "-4"], "-1"),
            (array_index_of, &[r#"["1",true,1.0]"#, "1"], "2"),
            (array_iff, &["[true,false,true]", "[1,2,3]", "[4,5,6]"], "[1,5,3]"),
            (array_iff, &["[1,0,50]", r#""yes""#, r#""no""#], r#"["yes","no","yes"]"#),
            (array_iff, &[r#"["some string value",null]"#, "1", "0"], "[null,null]"),
            (array_iff, &["[true,true,true]", "[1,2]", "[3,4]"], "[1,2,null]"),
            (array_sort_asc, &["[1,3,4,5,2]", r#"["a","b","c","d","e"]"#], r#"[[1,2,3,4,5],["a","e","b","c","d"]]"#),
            (
                array_sort_asc,
                &[r#"[null,"blue","yellow","green",null]"#, "false"],
                r#"[null,null,"blue","green","yellow"]"#,
            ),
            (
                array_sort_desc,
                &[r#"[null,"blue","yellow","green",null]"#, "false"],
                r#"[null,null,"yellow","green","blue"]"#,
            ),
            (array_sort_desc, &["[null,1,2]"], "[2,1,null]"),
            (range, &["1", "8", "3"], "[1,4,7]"),
            (range, &["1", "3"], "[1,2,3]"),
            (range, &["5", "1"], "[]"),
            (range, &["1.0", "3", "1"], "[1.0,2.0,3.0]"),
            (range, &["1", "3", "0"], "null"),
            (repeat, &["1", "3"], "[1,1,1]"),
            (repeat, &["1", "-1"], "null"),
            (zip, &["[1,3,5]", "[2,4,6]"], "[[1,2],[3,4],[5,6]]"),
            (zip, &[r#"["A",1,1.5]"#, r#"[{},"B"]"#], r#"[["A",{}],[1,"B"],[1.5,null]]"#),
            (set_union, &["[1,2,1,4]", "[1,2]", "[8]"], "[1,2,4,8]"),
            (set_intersect, &["[1,2,1,4]", "[1,2]", "[8,1]"], "[1]"),
            (set_difference, &["[1,2,1,4]", "[1,2]", "[1,2,8]"], "[4]"),
            (set_difference, &["[1,2,3]", "[1,2,3]"], "[]"),
            (set_has_element, &[r#"["this","is","an","example"]"#, r#""example""#], "true"),
            (jaccard_index, &["[1,2,3]", "[1,2,3,4]"], "0.75"),
            (array_reverse, &[r#"["this","is"]"#], r#"["is","this"]"#),
            (array_length, &[r#"[1,2,3,"four"]"#], "4"),
            (array_length, &["{}"], "null"),
        ];
        for (index, (function, args, expected)) in cases.iter().enumerate() {
            assert_eq!(eval(*function, args), *expected, "case {index}: {args:?}");
        }
    }

    // Conformance `emu/range-function-04`.
    #[test]
    fn range_is_cut_off_and_repeat_refused() {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let args = [Value::Long(1), Value::Long(1_000_000_000)];
        let result = range(&mut Call { args: &args, pooled: None, ctx: &mut ctx }).unwrap();
        assert_eq!(as_array(&result).map(<[Value]>::len), Some(1_048_576));
        let result = repeat(&mut Call { args: &args, pooled: None, ctx: &mut ctx });
        assert_eq!(result.map_err(|fault| fault.code), Err(Code::E3003));
    }
}
