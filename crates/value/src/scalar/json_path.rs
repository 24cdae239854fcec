//! JSONPath as Kusto has it: `$.a.b`, `$['a'][0]`; no wildcards, no filters.

use crate::{Bag, Str, Value};
use std::sync::Arc;

/// Holds a step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The property with this key.
    Key(Str),
    /// The element at this position; negative from the end.
    Index(i64),
}

/// The most steps of a path.
const STEPS_MAX: usize = 1_000;

/// Returns the steps of a path, or `None` when it is not one.
///
/// # Source
/// Kusto documentation, "JSONPath expressions": `$`, `.`, `['property']`, `[index]`.
pub fn parse(path: &[u8]) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix(b"$")?;
    let mut steps = Vec::new();
    while !rest.is_empty() && steps.len() < STEPS_MAX {
        let (step, after) = match rest {
            [b'.', name @ ..] => dotted(name)?,
            [b'[', quote @ (b'\'' | b'"'), quoted @ ..] => bracketed(quoted, *quote)?,
            [b'[', index @ ..] => indexed(index)?,
            _ => return None,
        };
        steps.push(step);
        rest = after;
    }
    rest.is_empty().then_some(steps)
}

fn dotted(name: &[u8]) -> Option<(Step, &[u8])> {
    let end = name.iter().position(|byte| matches!(byte, b'.' | b'[')).unwrap_or(name.len());
    (end > 0).then(|| (Step::Key(Str::from(&name[..end])), &name[end..]))
}

fn bracketed(quoted: &[u8], quote: u8) -> Option<(Step, &[u8])> {
    let end = memchr::memchr(quote, quoted)?;
    let after = quoted[end + 1..].strip_prefix(b"]")?;
    Some((Step::Key(Str::from(&quoted[..end])), after))
}

fn indexed(index: &[u8]) -> Option<(Step, &[u8])> {
    let end = memchr::memchr(b']', index)?;
    let number = std::str::from_utf8(&index[..end]).ok()?.trim().parse().ok()?;
    Some((Step::Index(number), &index[end + 1..]))
}

/// Returns the steps that a key of `bag_has_key` and its relatives means: a path when it starts with `$.` or `$[` and is
/// well-formed, else the key itself.
pub fn of_key(key: &Str) -> Vec<Step> {
    let is_path = matches!(key.as_bytes(), [b'$', b'.' | b'[', ..]);
    let steps = if is_path { parse(key.as_bytes()) } else { None };
    steps.unwrap_or_else(|| vec![Step::Key(key.clone())])
}

/// Returns what a path leads to, or `None`.
pub fn get<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |inner, step| match (inner, step) {
        (Value::Bag(bag), Step::Key(key)) => bag.get(key.as_bytes()),
        (Value::Array(items), Step::Index(index)) => {
            let index = if *index < 0 { index.checked_add(items.len() as i64)? } else { *index };
            items.get(usize::try_from(index).ok()?)
        }
        _ => None,
    })
}

/// Removes what a path of keys leads to; copies only the bags on the way.
pub fn remove(bag: &mut Bag, steps: &[Step]) {
    match steps {
        [Step::Key(key)] => drop(bag.remove(key.as_bytes())),
        [Step::Key(key), inner @ ..] => {
            let Some(Value::Bag(child)) = bag.get(key.as_bytes()) else { return };
            let mut child = Arc::clone(child);
            remove(Arc::make_mut(&mut child), inner);
            bag.set(key.clone(), Value::Bag(child));
        }
        _ => {}
    }
}

/// Sets what a path of keys leads to, making the bags on the way; `None` when an index or something that is not a bag
/// stands there.
pub fn set(bag: &mut Bag, steps: &[Step], value: &Value) -> Option<()> {
    match steps {
        [Step::Key(key)] => bag.set(key.clone(), value.clone()),
        [Step::Key(key), inner @ ..] => {
            let mut child = match bag.get(key.as_bytes()) {
                None | Some(Value::Null) => Arc::new(Bag::new()),
                Some(Value::Bag(child)) => Arc::clone(child),
                Some(_) => return None,
            };
            set(Arc::make_mut(&mut child), inner, value)?;
            bag.set(key.clone(), Value::Bag(child));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused() {
        let key = |text: &str| Step::Key(Str::from(text));
        let cases: &[(&str, Option<Vec<Step>>)] = &[
            ("$", Some(vec![])),
            ("$.a.b", Some(vec![key("a"), key("b")])),
            ("$['a.b'][0]", Some(vec![key("a.b"), Step::Index(0)])),
            (r#"$["a"].b[-1]"#, Some(vec![key("a"), key("b"), Step::Index(-1)])),
            ("a.b", None),
            ("$.", None),
            ("$.a.", None),
            ("$['a'", None),
            ("$[*]", None),
            ("$a", None),
        ];
        for (path, expected) in cases {
            assert_eq!(parse(path.as_bytes()), *expected, "{path}");
        }
    }
}
