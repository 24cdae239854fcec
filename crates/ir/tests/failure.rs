//! Functions that are said never to fail do not, whatever their arguments and however narrow the bounds.

use dtq_ir::function::{Failure, Signature};
use dtq_ir::{Effect, Nulls};
use dtq_source::Limits;
use dtq_value::scalar::{Call, Context};
use dtq_value::{Bag, Str, Type, Value};

/// Returns values of a type: ordinary, extreme, and null.
fn samples(ty: Type) -> Vec<Value> {
    let mut bag = Bag::new();
    bag.set(Str::from("a"), Value::array(vec![Value::Long(1), Value::string("two"), Value::Null]));
    let mut samples = match ty {
        Type::Bool => vec![Value::Bool(true), Value::Bool(false)],
        Type::Int => vec![Value::Int(0), Value::Int(7), Value::Int(i32::MIN), Value::Int(i32::MAX)],
        Type::Long => vec![Value::Long(0), Value::Long(-3), Value::Long(i64::MIN), Value::Long(i64::MAX)],
        Type::Real => vec![Value::Real(1.5), Value::Real(f64::NAN), Value::Real(f64::INFINITY), Value::Real(-1e300)],
        Type::Decimal => vec![Value::Decimal(7.into()), Value::Decimal(dtq_value::value::Decimal::MAX)],
        Type::String => vec![
            Value::string(""),
            Value::string("10.0.0.1/24, a longer text with \u{130}\u{e9} in it"),
            Value::String(Str::from(&b"\xff\xfe"[..])),
            Value::string("UTC"),
        ],
        Type::DateTime => vec![Value::DateTime(0), Value::DateTime(i64::MAX), Value::DateTime(638_396_640_000_000_000)],
        Type::TimeSpan => vec![Value::TimeSpan(0), Value::TimeSpan(i64::MIN), Value::TimeSpan(36_000_000_000)],
        Type::Guid => vec![Value::Guid([7; 16])],
        Type::Dynamic => vec![
            Value::bag(bag),
            Value::array(vec![Value::string("10.0.0.0/8"), Value::array(vec![Value::Null]), Value::Real(f64::NAN)]),
            Value::string("a text of a dynamic"),
            Value::Long(i64::MAX),
        ],
    };
    samples.extend((ty != Type::String).then_some(Value::Null));
    samples
}

/// Calls a signature with every combination of a few values for the first arguments.
fn call_all(name: &str, nulls: Nulls, signature: &Signature, count: usize) {
    let mut lists: Vec<Vec<Value>> = vec![Vec::new()];
    for index in 0..count {
        let param = signature.param(index).expect("the signature takes so many");
        let types = Type::ALL.into_iter().filter(|ty| param.kind.accepts(*ty));
        let values: Vec<Value> = types.flat_map(samples).collect();
        let step = (lists.len() * values.len() / 20_000).max(1);
        let longer = |list: &Vec<Value>, value: &Value| [list.as_slice(), std::slice::from_ref(value)].concat();
        let all = lists.iter().flat_map(|list| values.iter().map(move |value| longer(list, value)));
        lists = all.step_by(step).collect();
    }
    let limits = Limits { value_bytes_max: 8, value_nesting_max: 1, regex_bytes_max: 8, ..Limits::default() };
    let mut ctx = Context::new(limits, 638_396_640_000_000_000, 7);
    for args in lists {
        if nulls == Nulls::Propagate && args.iter().any(Value::is_null) {
            continue;
        }
        let answer = (signature.eval)(&mut Call { args: &args, pooled: None, ctx: &mut ctx });
        assert!(answer.is_ok(), "{name}({args:?}) fails: {answer:?}");
    }
}

#[test]
fn what_never_fails_does_not() {
    let mut count = 0;
    for function in dtq_ir::functions::all().filter(|function| function.failure == Failure::Never) {
        for signature in function.signatures {
            for args in (0..=4).filter(|args| signature.takes(*args)) {
                call_all(function.name, function.nulls, signature, args);
            }
        }
        count += 1;
    }
    assert!(count > 150, "only {count} functions never fail");
}

#[test]
fn what_has_state_may_fail_or_is_not_pure() {
    for name in ["rand", "new_guid", "now", "ago"] {
        let function = dtq_ir::functions::by_name(name);
        assert!(function.is_none_or(|function| function.effect != Effect::Pure), "{name} is pure");
    }
    assert_eq!(dtq_ir::functions::by_name("assert").map(|function| function.failure), Some(Failure::Possible));
}
