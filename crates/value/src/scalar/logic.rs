//! `not`, and the functions that ask whether there is a value.

use crate::Value;
use crate::scalar::{Call, Fault};
use dtq_source::Code;

/// Returns `left and right` of bools and nulls: false wins over null.
pub fn and(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Bool(false), _) | (_, Value::Bool(false)) => Value::Bool(false),
        (Value::Bool(true), Value::Bool(true)) => Value::Bool(true),
        _ => Value::Null,
    }
}

/// Returns `left or right` of bools and nulls: true wins over null.
pub fn or(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Bool(true), _) | (_, Value::Bool(true)) => Value::Bool(true),
        (Value::Bool(false), Value::Bool(false)) => Value::Bool(false),
        _ => Value::Null,
    }
}

/// Says whether a value has no content: null or `""`.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// `a and b`, both evaluated: the node of the same name evaluates the right one only when needed.
pub fn eval_and(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(and(&call.args[0], &call.args[1]))
}

/// `a or b`, both evaluated.
pub fn eval_or(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(or(&call.args[0], &call.args[1]))
}

/// `not(x)`
pub fn eval_not(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match &call.args[0] {
        Value::Bool(is_true) => Value::Bool(!is_true),
        _ => Value::Null,
    })
}

/// `iff(condition, then, otherwise)`, all evaluated.
pub fn eval_iff(call: &mut Call<'_>) -> Result<Value, Fault> {
    let is_true = call.args[0] == Value::Bool(true);
    Ok(call.args[if is_true { 1 } else { 2 }].clone())
}

/// `case(condition, value, ..., otherwise)`, all evaluated.
pub fn eval_case(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (arms, otherwise) = call.args.as_chunks::<2>();
    let chosen = arms.iter().find(|[condition, _]| *condition == Value::Bool(true)).map(|[_, value]| value);
    Ok(chosen.or(otherwise.first()).cloned().unwrap_or_default())
}

/// `coalesce(a, b, ...)`: the first that is not null and not `""`; else the last.
pub fn eval_coalesce(call: &mut Call<'_>) -> Result<Value, Fault> {
    let found = call.args.iter().find(|value| !is_empty(value));
    Ok(found.or(call.args.last()).cloned().unwrap_or_default())
}

/// `isnull(x)`: false for every string.
pub fn eval_isnull(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(call.args[0].is_null()))
}

/// `isnotnull(x)`
pub fn eval_isnotnull(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!call.args[0].is_null()))
}

/// `isempty(x)`
pub fn eval_isempty(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(is_empty(&call.args[0])))
}

/// `isnotempty(x)`
pub fn eval_isnotempty(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!is_empty(&call.args[0])))
}

/// `assert(condition, message)`: true, or the run fails with the message.
///
/// # Errors
/// `E3005` when the condition is not true.
pub fn eval_assert(call: &mut Call<'_>) -> Result<Value, Fault> {
    match (&call.args[0], &call.args[1]) {
        (Value::Bool(true), _) => Ok(Value::Bool(true)),
        (_, Value::String(message)) => Err(Fault::new(Code::E3005, format!("assert failed: {}", message.as_text()))),
        _ => Err(Fault::new(Code::E3005, "assert failed")),
    }
}
