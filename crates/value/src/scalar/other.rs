//! What fits under no other heading: sizes for people, words in arrays.

use crate::Value;
use crate::scalar::bounded::Text;
use crate::scalar::{Call, Fault, format};
use crate::search::{self, TermEdges};

/// The units of `format_bytes`, each 1,024 of the one before.
const UNITS: [&str; 7] = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB"];

/// `format_bytes(size, precision, unit)`: a size with its unit, the largest of which there is at least one.
///
/// # Source
/// Kusto documentation, `format_bytes()`: its five examples. An unknown unit gives `""`: our choice.
pub fn format_bytes(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(size) = call.real(0).filter(|size| size.is_finite()) else { return Ok(Value::string("")) };
    let fitting = (0..UNITS.len()).rev().find(|unit| size.abs() >= scale(*unit)).unwrap_or(0);
    let unit = match call.bytes(2) {
        b"" => Some(fitting),
        name => UNITS.iter().position(|unit| unit.as_bytes() == name),
    };
    let Some(unit) = unit else { return Ok(Value::string("")) };
    let digits = call.real(1).unwrap_or(0.0).clamp(0.0, 15.0) as i32;
    let power = 10_f64.powi(digits);
    let rounded = (size / scale(unit) * power).round() / power;
    let number = format::real(rounded);
    let mut out = Text::new(&call.ctx.limits);
    out.push(number.strip_suffix(".0").unwrap_or(&number).as_bytes())?;
    out.push(b" ")?;
    out.push(UNITS[unit].as_bytes())?;
    Ok(out.into_value())
}

fn scale(unit: usize) -> f64 {
    1024_f64.powi(unit as i32)
}

/// `has_any_index(text, words)`: the position of the first word that the text has, -1 when it has none.
///
/// # Source
/// Kusto documentation, `has_any_index()`: its five examples.
pub fn has_any_index(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = format::dynamic_text(call.arg(0));
    let words = call.array(1).unwrap_or_default();
    let is_in = |word: &Value| search::has_ignore_case(&text, &format::dynamic_text(word), TermEdges::Both);
    Ok(Value::Long(words.iter().position(is_in).map_or(-1, |index| index as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval};
    use dtq_source::Limits;

    fn eval(function: Eval, args: &[Value]) -> Value {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        function(&mut Call { args, pooled: None, ctx: &mut ctx }).unwrap()
    }

    // The documentation's examples of `format_bytes()` and `has_any_index()`.
    #[test]
    fn documented_examples() {
        let long = Value::Long;
        let unit = |size: i64, args: &[Value]| eval(format_bytes, &[&[long(size)], args].concat());
        assert_eq!(unit(564, &[]), Value::string("564 Bytes"));
        assert_eq!(unit(10332, &[long(1)]), Value::string("10.1 KB"));
        assert_eq!(unit(20_010_332, &[]), Value::string("19 MB"));
        assert_eq!(unit(20_010_332, &[long(2)]), Value::string("19.08 MB"));
        assert_eq!(unit(20_010_332, &[long(0), Value::string("KB")]), Value::string("19541 KB"));
        let words = |words: &[&str]| Value::array(words.iter().map(|word| Value::string(*word)).collect());
        let text = Value::string("this is an example");
        let cases = [(words(&["this", "example"]), 0), (words(&["not", "example"]), 1), (words(&["not", "found"]), -1)];
        for (words, expected) in cases {
            assert_eq!(eval(has_any_index, &[text.clone(), words]), long(expected));
        }
        let numbers = Value::array(vec![long(1), long(2), long(3)]);
        assert_eq!(eval(has_any_index, &[Value::string("Example number 2"), numbers]), long(1));
    }
}
