//! Choosing a row or a value: `min`, `max`, `arg_min`, `arg_max`, `take_any`.

use super::Accumulator;
use crate::budget::{value_bytes, values_bytes};
use crate::order::compare_values;
use dtq_value::{Type, Value};
use std::cmp::Ordering;

/// Says whether a value is better than the best so far: NaN never is, unless there is nothing else.
fn is_better(is_max: bool, value: &Value, best: &Value) -> bool {
    match (is_nan(value), is_nan(best)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => compare_values(value, best) == if is_max { Ordering::Greater } else { Ordering::Less },
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Real(value) if value.is_nan())
}

/// `min` and `max`.
pub(super) struct Extreme {
    is_max: bool,
    ty: Type,
    best: Value,
}

impl Extreme {
    pub(super) fn new(is_max: bool, ty: Type) -> Self {
        Self { is_max, ty, best: Value::Null }
    }
}

impl Accumulator for Extreme {
    fn add(&mut self, args: &[Value]) -> usize {
        let value = &args[0];
        if value.is_null() || !(self.best.is_null() || is_better(self.is_max, value, &self.best)) {
            return 0;
        }
        let grown_bytes = value_bytes(value).saturating_sub(value_bytes(&self.best));
        self.best = value.clone();
        grown_bytes
    }

    fn absorb(&mut self, result: &Value) -> bool {
        self.add(std::slice::from_ref(result));
        true
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let best = std::mem::take(&mut self.best);
        outputs.push(if best.is_null() { Value::missing(self.ty) } else { best });
    }
}

/// `arg_min` and `arg_max`: the arguments of the row whose first argument is the least or the greatest.
///
/// # Source
/// Kusto documentation, "arg_max()": null is never the greatest, but a group of nulls only still gives a row.
pub(super) struct ArgExtreme {
    is_max: bool,
    types: Vec<Type>,
    best: Option<Vec<Value>>,
}

impl ArgExtreme {
    pub(super) fn new(is_max: bool, types: Vec<Type>) -> Self {
        Self { is_max, types, best: None }
    }

    fn is_better(&self, value: &Value) -> bool {
        match &self.best {
            None => true,
            Some(best) if best[0].is_null() => !value.is_null(),
            Some(best) => !value.is_null() && is_better(self.is_max, value, &best[0]),
        }
    }
}

impl Accumulator for ArgExtreme {
    fn add(&mut self, args: &[Value]) -> usize {
        if !self.is_better(&args[0]) {
            return 0;
        }
        let old_bytes = self.best.as_deref().map_or(0, values_bytes);
        self.best = Some(args.to_vec());
        values_bytes(args).saturating_sub(old_bytes)
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.extend(self.best.take().unwrap_or_else(|| missing_row(&self.types)));
    }
}

fn missing_row(types: &[Type]) -> Vec<Value> {
    types.iter().map(|ty| Value::missing(*ty)).collect()
}

/// `take_any`: the first row; with one argument the first value that is neither null nor empty, if there is one.
pub(super) struct TakeAny {
    types: Vec<Type>,
    chosen: Option<Vec<Value>>,
}

impl TakeAny {
    pub(super) fn new(types: Vec<Type>) -> Self {
        Self { types, chosen: None }
    }

    fn wants(&self) -> bool {
        match self.chosen.as_deref() {
            None => true,
            Some([Value::Null]) => true,
            Some([Value::String(text)]) => text.is_empty(),
            Some(_) => false,
        }
    }
}

impl Accumulator for TakeAny {
    fn add(&mut self, args: &[Value]) -> usize {
        if !self.wants() {
            return 0;
        }
        self.chosen = Some(args.to_vec());
        values_bytes(args)
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.extend(self.chosen.take().unwrap_or_else(|| missing_row(&self.types)));
    }
}
