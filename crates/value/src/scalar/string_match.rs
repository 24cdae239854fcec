//! The operators that look into strings: `contains`, `has`, `startswith`, `matches regex` and their relatives.
//!
//! Both operands may be dynamics, which stand for their text; a missing property is `""`. So nothing here is ever null.

use crate::Value;
use crate::scalar::args::as_long;
use crate::scalar::{Call, Fault, Pooled, format};
use crate::search::{self, Needles, TermEdges, WordSet};
use dtq_source::Limits;

/// Declares an operator and its negation from what holds between the bytes of its operands.
macro_rules! matching {
    ($($name:ident, $negated:ident, $text:literal = $holds:expr;)*) => {
        $(
            #[doc = concat!("`a ", $text, " b`")]
            pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
                Ok(Value::Bool(holds(call, $holds)))
            }

            #[doc = concat!("`a !", $text, " b`")]
            pub fn $negated(call: &mut Call<'_>) -> Result<Value, Fault> {
                Ok(Value::Bool(!holds(call, $holds)))
            }
        )*
    };
}

fn holds(call: &Call<'_>, holds: fn(&[u8], &[u8]) -> bool) -> bool {
    holds(&format::dynamic_text(&call.args[0]), &format::dynamic_text(&call.args[1]))
}

matching! {
    eval_equal_ignore_case, eval_not_equal_ignore_case, "=~" = |a, b| a.eq_ignore_ascii_case(b);
    eval_contains, eval_not_contains, "contains" = search::contains_ignore_case;
    eval_contains_cs, eval_not_contains_cs, "contains_cs" = search::contains;
    eval_startswith, eval_not_startswith, "startswith" = search::starts_with_ignore_case;
    eval_startswith_cs, eval_not_startswith_cs, "startswith_cs" = |a, b| a.starts_with(b);
    eval_endswith, eval_not_endswith, "endswith" = search::ends_with_ignore_case;
    eval_endswith_cs, eval_not_endswith_cs, "endswith_cs" = |a, b| a.ends_with(b);
    eval_has, eval_not_has, "has" = |a, b| search::has_ignore_case(a, b, TermEdges::Both);
    eval_has_cs, eval_not_has_cs, "has_cs" = |a, b| search::has(a, b, TermEdges::Both);
    eval_hasprefix, eval_not_hasprefix, "hasprefix" = |a, b| search::has_ignore_case(a, b, TermEdges::Start);
    eval_hasprefix_cs, eval_not_hasprefix_cs, "hasprefix_cs" = |a, b| search::has(a, b, TermEdges::Start);
    eval_hassuffix, eval_not_hassuffix, "hassuffix" = |a, b| search::has_ignore_case(a, b, TermEdges::End);
    eval_hassuffix_cs, eval_not_hassuffix_cs, "hassuffix_cs" = |a, b| search::has(a, b, TermEdges::End);
}

/// Returns the texts of the items of a list operator; arrays among them count as their elements, however nested.
fn texts(items: &[Value]) -> Vec<std::borrow::Cow<'_, [u8]>> {
    let mut out = Vec::new();
    // Values are at most `Limits::value_nesting_max` deep, and so is this stack.
    let mut open = vec![items.iter()];
    while let Some(level) = open.last_mut() {
        match level.next() {
            None => {
                open.pop();
            }
            Some(Value::Array(inner)) => open.push(inner.iter()),
            Some(item) => out.push(format::dynamic_text(item)),
        }
    }
    out
}

/// `s has_any (...)`: at least one item is a term; `""` and null are terms of every text.
pub fn eval_has_any(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = format::dynamic_text(&call.args[0]);
    Ok(Value::Bool(match call.pooled {
        Some(Pooled::Needles(needles)) => needles.has_any(&text),
        _ => texts(&call.args[1..]).iter().any(|item| search::has_ignore_case(&text, item, TermEdges::Both)),
    }))
}

/// `s has_all (...)`: every item is a term.
pub fn eval_has_all(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = format::dynamic_text(&call.args[0]);
    Ok(Value::Bool(match call.pooled {
        Some(Pooled::Needles(needles)) => needles.has_all(&text),
        _ => texts(&call.args[1..]).iter().all(|item| search::has_ignore_case(&text, item, TermEdges::Both)),
    }))
}

/// Builds the automaton of `has_any` and `has_all` when all items are constants.
///
/// # Errors
/// None; an automaton that would be too large is left out.
pub fn prepare_needles(args: &[Option<&Value>], _limits: &Limits) -> Result<Option<Pooled>, Fault> {
    Ok(constant_items(args).and_then(|items| {
        let items = texts(&items);
        Needles::new(items.iter().map(|item| &**item), true).map(Pooled::Needles)
    }))
}

/// Builds the set of `in` when all items are constant strings, or all constant integers.
///
/// # Errors
/// None.
pub fn prepare_words(args: &[Option<&Value>], _limits: &Limits) -> Result<Option<Pooled>, Fault> {
    Ok(words(args, false).or_else(|| longs(args)))
}

fn longs(args: &[Option<&Value>]) -> Option<Pooled> {
    let items = args.get(1..)?.iter();
    let longs: Option<_> = items.map(|item| item.and_then(as_long)).collect();
    longs.map(Pooled::Longs)
}

/// Builds the set of `in~` when all items are constant strings.
///
/// # Errors
/// None.
pub fn prepare_words_ignore_case(args: &[Option<&Value>], _limits: &Limits) -> Result<Option<Pooled>, Fault> {
    Ok(words(args, true))
}

fn words(args: &[Option<&Value>], is_case_ignored: bool) -> Option<Pooled> {
    let items = constant_items(args)?;
    let is_text = |item: &Value| match item {
        Value::String(_) => true,
        Value::Array(inner) => inner.iter().all(|item| matches!(item, Value::String(_))),
        _ => false,
    };
    if !items.iter().all(is_text) {
        return None;
    }
    let items = texts(&items);
    Some(Pooled::Words(WordSet::new(items.iter().map(|item| &**item), is_case_ignored)))
}

fn constant_items(args: &[Option<&Value>]) -> Option<Vec<Value>> {
    args.get(1..)?.iter().map(|item| item.cloned()).collect()
}

/// `s matches regex pattern`, the pattern a string.
///
/// # Errors
/// `E3004` when a pattern computed at run time does not compile.
pub fn eval_matches_regex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let args = call.args;
    let text = format::dynamic_text(&args[0]);
    Ok(Value::Bool(call.regex(1)?.is_match(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Context;

    fn eval(function: crate::scalar::Eval, args: &[Value], pooled: Option<&Pooled>) -> bool {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        function(&mut Call { args, pooled, ctx: &mut ctx }).unwrap() == Value::Bool(true)
    }

    #[test]
    fn dynamics_stand_for_their_text() {
        let (null, x) = (Value::Null, Value::string("x"));
        assert!(eval(eval_not_contains, &[null.clone(), x.clone()], None));
        assert!(eval(eval_contains, &[Value::array(vec![x.clone()]), Value::string("[\"x")], None));
        // TRANSLATION.md: a null needle matches every row.
        assert!(eval(eval_has_any, &[x, null], None));
    }

    #[test]
    fn prepared_lists_answer_as_unprepared_ones() {
        let lists = [
            vec![],
            vec![Value::string("fox"), Value::string("DOG")],
            vec![Value::array(vec![Value::string("fox"), Value::array(vec![Value::Long(5)])])],
            vec![Value::Null],
        ];
        for text in ["the quick fox", "5 dogs", "a dog", "", "foxes"] {
            for list in &lists {
                let args: Vec<Value> = std::iter::once(Value::string(text)).chain(list.iter().cloned()).collect();
                let constants: Vec<Option<&Value>> =
                    args.iter().enumerate().map(|(index, arg)| (index > 0).then_some(arg)).collect();
                let pooled = prepare_needles(&constants, &Limits::default()).unwrap();
                assert!(pooled.is_some());
                for function in [eval_has_any, eval_has_all] {
                    assert_eq!(eval(function, &args, pooled.as_ref()), eval(function, &args, None), "{text} {list:?}");
                }
            }
        }
    }

    #[test]
    fn prepared_sets_answer_as_unprepared_ones() {
        use crate::scalar::compare::{eval_in, eval_in_ignore_case};
        let text = Value::string;
        let lists = [
            vec![Value::Long(2), Value::Int(5)],
            vec![text("a"), Value::array(vec![text("B")])],
            vec![text("a"), Value::Long(2)],
            vec![text("a"), Value::Null],
        ];
        for value in [Value::Long(5), Value::Int(2), Value::Real(2.0), text("a"), text("A"), text("b"), Value::Null] {
            for list in &lists {
                let args: Vec<Value> = std::iter::once(value.clone()).chain(list.iter().cloned()).collect();
                let constants: Vec<Option<&Value>> = args.iter().map(Some).collect();
                let limits = Limits::default();
                let exact = prepare_words(&constants, &limits).unwrap();
                assert_eq!(eval(eval_in, &args, exact.as_ref()), eval(eval_in, &args, None), "{value:?} {list:?}");
                let folded = prepare_words_ignore_case(&constants, &limits).unwrap();
                let answers = [folded.as_ref(), None].map(|pooled| eval(eval_in_ignore_case, &args, pooled));
                assert_eq!(answers[0], answers[1], "{value:?} {list:?}");
            }
        }
    }
}
