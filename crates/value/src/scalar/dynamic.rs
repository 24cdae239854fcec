//! Property bags: packing, merging, reading and editing; and the canonical text of dynamics.
//!
//! What is not a bag where one is needed gives null. A key that is a JSONPath (`$.a.b`) reaches inside:
//! [`crate::scalar::json_path`].

use crate::json;
use crate::scalar::bounded;
use crate::scalar::json_path::{self, Step};
use crate::scalar::{Call, Fault, format};
use crate::{Bag, Str, Value};
use dtq_source::Limits;

/// `bag_pack(key, value, ...)`: a bag of alternating keys and values; of a key given twice the last value stays.
pub fn bag_pack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let pairs = call.args.chunks_exact(2).map(|pair| (key_of(&pair[0]), pair[1].clone()));
    bounded::bag(pairs.collect(), &call.ctx.limits)
}

fn key_of(value: &Value) -> Str {
    match value {
        Value::String(key) => key.clone(),
        other => Str::from(&*format::dynamic_text(other)),
    }
}

/// `bag_keys(bag)`: the keys of the top level.
pub fn bag_keys(call: &mut Call<'_>) -> Result<Value, Fault> {
    let keys = |bag: &Bag| bag.iter().map(|(key, _)| Value::String(key.clone())).collect();
    Ok(call.bag(0).map_or(Value::Null, |bag| Value::array(keys(bag))))
}

/// `bag_has_key(bag, key)`: whether there is such a property.
pub fn bag_has_key(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Value::Bag(_), Value::String(key)) = (call.arg(0), call.arg(1)) else { return Ok(Value::Null) };
    Ok(Value::Bool(json_path::get(call.arg(0), &json_path::of_key(key)).is_some()))
}

/// `bag_merge(a, b, ...)`: the properties of all bags, those further left first; what is not a bag is left out.
pub fn bag_merge(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut bags = call.args.iter().filter_map(|arg| if let Value::Bag(bag) = arg { Some(bag) } else { None });
    let Some(first) = bags.next() else { return Ok(Value::Null) };
    let mut merged = Bag::clone(first);
    for (key, value) in bags.flat_map(|bag| bag.iter()) {
        merged.set_if_absent(key.clone(), value.clone());
    }
    bounded::bag(merged, &call.ctx.limits)
}

/// `bag_remove_keys(bag, keys)`: the bag without some properties.
pub fn bag_remove_keys(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Value::Bag(bag) = call.arg(0) else { return Ok(Value::Null) };
    let Some(keys) = call.array(1) else { return Ok(call.arg(0).clone()) };
    let paths =
        keys.iter().filter_map(|key| if let Value::String(key) = key { Some(json_path::of_key(key)) } else { None });
    let present: Vec<Vec<Step>> = paths.filter(|path| json_path::get(call.arg(0), path).is_some()).collect();
    if present.is_empty() {
        return Ok(call.arg(0).clone());
    }
    let mut rest = Bag::clone(bag);
    present.iter().for_each(|path| json_path::remove(&mut rest, path));
    Ok(Value::bag(rest))
}

/// `bag_set_key(bag, key, value)`: the bag with one property set; null when the path runs into something else than a bag.
pub fn bag_set_key(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Some(bag), Value::String(key)) = (call.bag(0), call.arg(1)) else { return Ok(Value::Null) };
    let mut edited = bag.clone();
    match json_path::set(&mut edited, &json_path::of_key(key), call.arg(2)) {
        Some(()) => bounded::bag(edited, &call.ctx.limits),
        None => Ok(Value::Null),
    }
}

/// `bag_zip(keys, values)`: a bag of the strings of one array and the elements of another at the same position.
///
/// # Source
/// Conformance `emu/bag-zip-02`, `emu/bag-zip-04`: keys that are not strings are left out with their values, missing values are null.
pub fn bag_zip(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(keys) = call.array(0) else { return Ok(Value::Null) };
    let values = call.array(1).unwrap_or_default();
    let pairs = keys.iter().enumerate().filter_map(|(index, key)| match key {
        Value::String(key) => Some((key.clone(), values.get(index).cloned().unwrap_or_default())),
        _ => None,
    });
    bounded::bag(pairs.collect(), &call.ctx.limits)
}

/// `treepath(bag)`: the paths of all parts; elements of an array share the path of the first.
pub fn treepath(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Value::Bag(_) = call.arg(0) else { return Ok(Value::Null) };
    let mut paths = Paths { found: indexmap::IndexSet::new(), size: 0, limits: &call.ctx.limits };
    paths.collect(call.arg(0), "")?;
    let Paths { found, .. } = paths;
    Ok(Value::array(found.into_iter().map(Value::string).collect()))
}

struct Paths<'l> {
    found: indexmap::IndexSet<String>,
    size: usize,
    limits: &'l Limits,
}

impl Paths<'_> {
    fn collect(&mut self, value: &Value, prefix: &str) -> Result<(), Fault> {
        match value {
            Value::Bag(bag) => bag.iter().try_for_each(|(key, inner)| {
                let path = format!("{prefix}['{key}']");
                self.add(&path)?;
                self.collect(inner, &path)
            }),
            Value::Array(items) if !items.is_empty() => {
                let path = format!("{prefix}[0]");
                self.add(&path)?;
                items.iter().try_for_each(|inner| self.collect(inner, &path))
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, path: &str) -> Result<(), Fault> {
        self.size += path.len() + bounded::SLOT_BYTES;
        if self.size > self.limits.value_bytes_max {
            return Err(bounded::too_large(self.limits.value_bytes_max));
        }
        self.found.insert(path.to_owned());
        Ok(())
    }
}

/// `dynamic_to_json(dynamic)`: the text of a dynamic with the keys of bags in order.
pub fn dynamic_to_json(call: &mut Call<'_>) -> Result<Value, Fault> {
    let canonical = canonical(call.arg(0));
    Ok(match canonical {
        Value::String(_) => canonical,
        Value::Null => Value::string("null"),
        other => Value::string(json::to_bytes(&other)),
    })
}

/// `dynamic_to_json(text)`: any other scalar is its text.
pub fn text_to_json(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(call.arg(0).clone())
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(canonical).collect()),
        Value::Bag(bag) => {
            let mut pairs: Vec<(Str, Value)> = bag.iter().map(|(key, value)| (key.clone(), canonical(value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::bag(pairs.into_iter().collect())
        }
        other => other.clone(),
    }
}

/// `extract_json(path, text, type)`: the text of what a JSONPath leads to, or its value as another type.
pub fn extract_json(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = || Value::string("");
    let Some(steps) = json_path::parse(call.bytes(0)) else { return Ok(text()) };
    let Ok(document) = json::parse(call.bytes(1), call.ctx.limits.value_nesting_max) else { return Ok(text()) };
    let Some(found) = json_path::get(&document, &steps) else { return Ok(text()) };
    Ok(Value::string(&*format::dynamic_text(found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval};

    fn eval(function: Eval, args: &[&str]) -> String {
        let args: Vec<Value> = args.iter().map(|arg| json::parse(arg.as_bytes(), 9).unwrap()).collect();
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let result = function(&mut Call { args: &args, pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(json::to_bytes(&result)).unwrap()
    }

    // The examples of the functions' pages in Kusto's documentation and the conformance cases that bear their names.
    #[test]
    fn documented_examples() {
        let nested = r#"{"key1":123,"key2":{"prop1":"abc","prop2":"xyz"},"key3":[100,200]}"#;
        let cases: &[(Eval, &[&str], &str)] = &[
            (bag_pack, &[r#""Level""#, r#""Info""#, r#""Data""#, r#"{"u":1}"#], r#"{"Level":"Info","Data":{"u":1}}"#),
            (bag_keys, &[r#"{"a":"b","c":[{"d":123}]}"#], r#"["a","c"]"#),
            (bag_keys, &["[]"], "null"),
            (bag_keys, &["{}"], "[]"),
            (bag_has_key, &[r#"{"key1":123,"key2":"abc"}"#, r#""key2""#], "true"),
            (bag_has_key, &[r#"{"key1":123,"key3":"abc"}"#, r#""key2""#], "false"),
            (bag_has_key, &[nested, r#""$.key2.prop1""#], "true"),
            (
                bag_merge,
                &[r#"{"A1":12,"B1":2,"C1":3}"#, r#"{"A2":81,"B2":82,"A1":1}"#],
                r#"{"A1":12,"B1":2,"C1":3,"A2":81,"B2":82}"#,
            ),
            (bag_remove_keys, &[r#"{"key1":123,"key2":"abc"}"#, r#"["key2","key4"]"#], r#"{"key1":123}"#),
            (bag_remove_keys, &[nested, r#"["$.key2.prop1","key3"]"#], r#"{"key1":123,"key2":{"prop2":"xyz"}}"#),
            (bag_set_key, &[r#"{"key1":1,"key2":2}"#, r#""key3""#, "3"], r#"{"key1":1,"key2":2,"key3":3}"#),
            (bag_set_key, &[r#"{"key1":1,"key3":"abc"}"#, r#""key3""#, "3"], r#"{"key1":1,"key3":3}"#),
            (
                bag_set_key,
                &[r#"{"key1":123,"key2":{"prop1":123,"prop2":"xyz"}}"#, r#""$.key2.prop1""#, r#""abc""#],
                r#"{"key1":123,"key2":{"prop1":"abc","prop2":"xyz"}}"#,
            ),
            (
                bag_set_key,
                &[r#"{"key1":123}"#, r#""$.key2.prop1""#, r#""abc""#],
                r#"{"key1":123,"key2":{"prop1":"abc"}}"#,
            ),
            (bag_set_key, &["[]", r#""a""#, "1"], "null"),
            (bag_zip, &[r#"["a","b"]"#, r#"[1,"2",2.5]"#], r#"{"a":1,"b":"2"}"#),
            (bag_zip, &[r#"["a",8,"b"]"#, "1"], r#"{"a":null,"b":null}"#),
            (treepath, &[r#"{"a":"b","c":123}"#], r#"["['a']","['c']"]"#),
            (treepath, &[r#"{"prop1":[1,2,3,4],"prop2":"value2"}"#], r#"["['prop1']","['prop1'][0]","['prop2']"]"#),
            (
                treepath,
                &[r#"{"listProperty":[100,200,300,"abcde",{"x":"y"}]}"#],
                r#"["['listProperty']","['listProperty'][0]","['listProperty'][0]['x']"]"#,
            ),
            (dynamic_to_json, &[r#"{"Y":{},"A":{"c":1,"a":[2,1]}}"#], r#""{\"A\":{\"a\":[2,1],\"c\":1},\"Y\":{}}""#),
            (extract_json, &[r#""$.name""#, r#""{\"name\":\"John\"}""#], r#""John""#),
            (extract_json, &[r#""$.x""#, r#""{\"name\":\"John\"}""#], r#""""#),
        ];
        for (index, (function, args, expected)) in cases.iter().enumerate() {
            assert_eq!(eval(*function, args), *expected, "case {index}: {args:?}");
        }
    }
}
