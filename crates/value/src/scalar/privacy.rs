//! What must not be seen taken out of texts: by a regular expression, or card numbers.
//!
//! A dynamic is redacted in every string inside of it, at any depth; keys and what is not a string stay as they are, so
//! that types never change. Nothing here finds a number that is split over several strings.
//! Next: [`crate::scalar::sampling`].

use crate::scalar::bounded::{self, Text};
use crate::scalar::{Call, Fault, regex};
use crate::{Bag, Str, Value};
use dtq_source::{Code, Limits};

/// How many digits a card number has.
///
/// # Source
/// ISO/IEC 7812-1 allows up to 19 digits; no issuer has ones of fewer than 13.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Digits of a card number that stay legible at its end.
///
/// # Source
/// PCI DSS 4.0, requirement 3.4.1: at most the first six and the last four are shown. The last four are what people
/// tell their cards apart by.
const LEGIBLE_DIGITS: usize = 4;

/// `redact(value, regex, mask)`: every match replaced; in a dynamic, in every string inside of it.
///
/// The mask is a rewrite as `replace_regex` has it: `\1` is the first group.
///
/// # Errors
/// [`Code::E3003`] when the result would be too large, [`Code::E3004`] when the pattern does not compile.
pub fn redact(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (value, mask, limits) = (call.arg(0), call.bytes(2), call.ctx.limits.clone());
    let regex = call.regex(1)?;
    of_leaves(value, &limits, &|text| regex::replace_matches(regex, text, mask, &limits))
}

/// `redact_card(value, mask)`: every card number masked; in a dynamic, in every string inside of it.
///
/// A card number is 13 to 19 digits that pass the Luhn check, with single spaces or dashes between them or none, and no
/// digit beside them. Without a mask (or with `""`) its digits but the last four become `*` and the rest stays; with
/// one, the mask stands for the whole number.
///
/// # Errors
/// [`Code::E3003`] when the result would be too large.
///
/// # Source
/// ISO/IEC 7812-1, annex B: the Luhn check.
pub fn redact_card(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (value, mask, limits) = (call.arg(0), call.bytes(1), call.ctx.limits.clone());
    of_leaves(value, &limits, &|text| without_cards(text, mask, &limits))
}

/// Gives the new text of a leaf, or `None` when it stays.
type Edit<'e> = dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, Fault> + 'e;

fn of_leaves(value: &Value, limits: &Limits, edit: &Edit<'_>) -> Result<Value, Fault> {
    match edited(value, limits.value_nesting_max, edit)? {
        None => Ok(value.clone()),
        Some(changed) => {
            bounded::check(&changed, limits)?;
            Ok(changed)
        }
    }
}

/// Returns the value with its texts edited, or `None` when nothing changes: what stays is shared, not copied.
fn edited(value: &Value, depth_left: usize, edit: &Edit<'_>) -> Result<Option<Value>, Fault> {
    match value {
        Value::String(text) => Ok(edit(text.as_bytes())?.map(Value::string)),
        Value::Array(_) | Value::Bag(_) if depth_left == 0 => {
            Err(Fault::new(Code::E3003, "a value is nested too deep to be redacted"))
        }
        Value::Array(items) => {
            let mut changed: Option<Vec<Value>> = None;
            for (index, item) in items.iter().enumerate() {
                if let Some(item) = edited(item, depth_left - 1, edit)? {
                    changed.get_or_insert_with(|| items.to_vec())[index] = item;
                }
            }
            Ok(changed.map(Value::array))
        }
        Value::Bag(bag) => {
            let mut changed: Option<Bag> = None;
            for (key, item) in bag.iter() {
                if let Some(item) = edited(item, depth_left - 1, edit)? {
                    changed.get_or_insert_with(|| Bag::clone(bag)).set(Str::clone(key), item);
                }
            }
            Ok(changed.map(Value::bag))
        }
        _ => Ok(None),
    }
}

/// Returns the text with every card number in it masked, or `None` when there is none.
fn without_cards(text: &[u8], mask: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, Fault> {
    let mut out = Text::new(limits);
    let (mut copied, mut at) = (0, 0);
    let mut is_changed = false;
    while let Some(start) = next_number(text, at) {
        match card_end(&text[start..]) {
            Some(size) => {
                out.push(&text[copied..start])?;
                push_masked(&text[start..start + size], mask, &mut out)?;
                copied = start + size;
                at = copied;
                is_changed = true;
            }
            None => at = start + digits(&text[start..]),
        }
    }
    if !is_changed {
        return Ok(None);
    }
    out.push(&text[copied..])?;
    Ok(Some(out.into_bytes()))
}

/// Returns where the next run of digits begins.
fn next_number(text: &[u8], at: usize) -> Option<usize> {
    text[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset)
}

/// Returns how many digits a text begins with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Returns the size of the longest card number that a text, which begins with a digit, begins with.
fn card_end(text: &[u8]) -> Option<usize> {
    let (mut size, mut numerals) = (0, Vec::with_capacity(*CARD_DIGITS.end()));
    let mut found = None;
    loop {
        let run = digits(&text[size..]);
        if run == 0 || numerals.len() + run > *CARD_DIGITS.end() {
            return found;
        }
        numerals.extend(text[size..size + run].iter().map(|digit| digit - b'0'));
        size += run;
        if numerals.len() >= *CARD_DIGITS.start() && is_luhn(&numerals) {
            found = Some(size);
        }
        if !matches!(text.get(size), Some(b' ' | b'-')) {
            return found;
        }
        size += 1;
    }
}

/// Says whether the last of these digits is the check digit of the others.
fn is_luhn(numerals: &[u8]) -> bool {
    let weighed = numerals.iter().rev().enumerate().map(|(position, digit)| match (position % 2, digit * 2) {
        (0, _) => u32::from(*digit),
        (_, double) => u32::from(if double > 9 { double - 9 } else { double }),
    });
    weighed.sum::<u32>().is_multiple_of(10)
}

fn push_masked(number: &[u8], mask: &[u8], out: &mut Text) -> Result<(), Fault> {
    if !mask.is_empty() {
        return out.push(mask);
    }
    let count = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    let mut seen_count = 0;
    for byte in number {
        seen_count += usize::from(byte.is_ascii_digit());
        let is_masked = byte.is_ascii_digit() && seen_count <= count - LEGIBLE_DIGITS;
        out.push(if is_masked { b"*" } else { std::slice::from_ref(byte) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::scalar::{Context, Eval};

    fn eval(function: Eval, args: &[Value], limits: Limits) -> Result<Value, Fault> {
        let mut ctx = Context::new(limits, 0, 0);
        function(&mut Call { args, pooled: None, ctx: &mut ctx })
    }

    fn card(text: &str) -> String {
        match eval(redact_card, &[Value::string(text)], Limits::default()) {
            Ok(Value::String(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    // Numbers that payment services publish for tests (Stripe, "Test card numbers"): 13, 14, 15, 16 and 19 digits.
    #[test]
    fn published_test_numbers_are_found() {
        for number in [
            "4222222222222",
            "30569309025904",
            "378282246310005",
            "4242424242424242",
            "5555555555554444",
            "6011111111111117",
            "6205500000000000004",
        ] {
            let masked = card(number);
            assert_eq!(masked.len(), number.len());
            assert!(masked.ends_with(&number[number.len() - 4..]), "{masked}");
            assert!(masked[..number.len() - 4].bytes().all(|byte| byte == b'*'), "{masked}");
            let mut wrong = number.to_owned();
            let last = wrong.pop().unwrap().to_digit(10).unwrap();
            wrong.push(char::from_digit((last + 1) % 10, 10).unwrap());
            assert_eq!(card(&wrong), wrong, "the check digit is wrong");
        }
    }

    #[test]
    fn separators_stay_and_neighbours_hide_nothing() {
        let cases = [
            ("4242 4242 4242 4242", "**** **** **** 4242"),
            ("3782-822463-10005", "****-******-*0005"),
            ("id 7 4242424242424242, 12 left", "id 7 ************4242, 12 left"),
            ("123 4242 4242 4242 4242 567", "123 **** **** **** 4242 567"),
            ("4242424242424242 5555555555554444", "************4242 ************4444"),
            ("card=4242424242424242.", "card=************4242."),
            // Not card numbers: a digit beside it, two separators, too short, too long.
            ("14242424242424242", "14242424242424242"),
            ("4242  4242 4242 4242", "4242  4242 4242 4242"),
            ("424242424242", "424242424242"),
            ("42424242424242424242424242424242", "42424242424242424242424242424242"),
            ("", ""),
            ("- -", "- -"),
        ];
        for (given, expected) in cases {
            assert_eq!(card(given), expected);
        }
        let masked = eval(redact_card, &[Value::string("a 4242424242424242 b"), Value::string("X")], Limits::default());
        assert_eq!(masked, Ok(Value::string("a X b")));
    }

    #[test]
    fn every_leaf_is_reached_and_nothing_else() {
        let parse = |text: &str| json::parse(text.as_bytes(), 9).unwrap();
        let given = parse(r#"{"a1":"a1","n":1,"b":[true,"x a2",{"c":"a3"},null],"d":1.5}"#);
        let args = [given.clone(), Value::string("a([0-9])"), Value::string(r"<\1>")];
        let expected = parse(r#"{"a1":"<1>","n":1,"b":[true,"x <2>",{"c":"<3>"},null],"d":1.5}"#);
        assert_eq!(eval(redact, &args, Limits::default()), Ok(expected));
        let unchanged = [given.clone(), Value::string("zz"), Value::string("")];
        assert_eq!(eval(redact, &unchanged, Limits::default()), Ok(given));
    }

    #[test]
    fn bounds_hold() {
        let limits = Limits { value_bytes_max: 64, value_nesting_max: 2, ..Limits::default() };
        let long = [Value::string("aaaaaaaaaaaaaaaa"), Value::string("a"), Value::string("bbbbbbbbbb")];
        assert_eq!(eval(redact, &long, limits.clone()).map_err(|fault| fault.code), Err(Code::E3003));
        let deep = (0..5).fold(Value::string("a"), |inner, _| Value::array(vec![inner]));
        let args = [deep, Value::string("a"), Value::string("b")];
        assert_eq!(eval(redact, &args, limits).map_err(|fault| fault.code), Err(Code::E3003));
    }

    /// A run of digits and separators of any size takes time linear in it.
    #[test]
    fn long_runs_are_quick() {
        let run = "1 ".repeat(200_000);
        assert_eq!(card(&run), run);
    }
}
