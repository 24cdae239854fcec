//! `mv-expand`: one row an element of a dynamic.

use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use dtq_ir::rel::{MvItem, Rel, RelKind};
use dtq_record::stream::Row;
use dtq_value::scalar::Fault;
use dtq_value::scalar::convert::text_of;
use dtq_value::{Bag, Type, Value};

/// Expands the items of each row side by side.
pub(crate) struct MvExpand<'a> {
    input: BoxedOperator<'a>,
    items: &'a [MvItem],
    has_index: bool,
    is_bag_to_array: bool,
    limit: u64,
    width: usize,
    types: Vec<Type>,
    batch: std::vec::IntoIter<Row>,
    current: Option<Expansion>,
    produced: u64,
}

/// Holds a row that is being expanded.
struct Expansion {
    row: Row,
    elements: Vec<Elements>,
    next_index: u64,
    count: u64,
}

/// The elements of one item of a row.
enum Elements {
    /// One element: a null, or a scalar.
    One(Value),
    Array(std::sync::Arc<Vec<Value>>),
    Bag(std::sync::Arc<Bag>),
}

impl Elements {
    fn new(value: Value) -> Self {
        match value {
            Value::Array(items) => Elements::Array(items),
            Value::Bag(bag) => Elements::Bag(bag),
            value => Elements::One(value),
        }
    }

    fn count(&self) -> u64 {
        match self {
            Elements::One(_) => 1,
            Elements::Array(items) => items.len() as u64,
            Elements::Bag(bag) => bag.count() as u64,
        }
    }

    /// Returns the element at a position, null past the last.
    fn get(&self, index: u64, is_bag_to_array: bool) -> Value {
        let index = usize::try_from(index).expect("below a count of elements in memory");
        match self {
            Elements::One(value) if index == 0 => value.clone(),
            Elements::One(_) => Value::Null,
            Elements::Array(items) => items.get(index).cloned().unwrap_or_default(),
            Elements::Bag(bag) => match bag.at(index) {
                None => Value::Null,
                Some((key, value)) if is_bag_to_array => Value::array(vec![Value::String(key.clone()), value.clone()]),
                Some((key, value)) => Value::bag(Bag::from_iter([(key.clone(), value.clone())])),
            },
        }
    }
}

impl<'a> MvExpand<'a> {
    /// Returns the operator of an [`RelKind::MvExpand`].
    pub(crate) fn new(env: &mut Env<'a>, input: BoxedOperator<'a>, rel: &'a Rel) -> Result<Self, Fault> {
        let RelKind::MvExpand { items, has_index, limit, is_bag_to_array, .. } = &rel.kind else {
            unreachable!("called for mv-expand");
        };
        let limit = limit.map_or(Ok(u64::MAX), |limit| env.eval_count(limit))?;
        Ok(Self {
            input,
            items,
            has_index: *has_index,
            is_bag_to_array: *is_bag_to_array,
            limit,
            width: rel.columns.len(),
            types: rel.columns.iter().map(|column| column.ty).collect(),
            batch: Vec::new().into_iter(),
            current: None,
            produced: 0,
        })
    }

    fn start(&self, env: &mut Env<'a>, mut row: Row) -> Result<Expansion, Fault> {
        let mut elements = Vec::with_capacity(self.items.len());
        for item in self.items {
            elements.push(Elements::new(env.eval(item.expr, &row)?));
        }
        let count = elements.iter().map(Elements::count).max().unwrap_or(0).min(self.limit);
        row.truncate(self.width);
        row.extend(self.types[row.len()..].iter().map(|ty| Value::missing(*ty)));
        Ok(Expansion { row, elements, next_index: 0, count })
    }

    fn row_at(&self, expansion: &Expansion, index: u64) -> Row {
        let mut row = expansion.row.clone();
        for (item, elements) in self.items.iter().zip(&expansion.elements) {
            row[item.column as usize] = cast(elements.get(index, self.is_bag_to_array), item.ty);
        }
        if self.has_index {
            row[self.width - 1] = Value::Long(i64::try_from(index).expect("below a count of elements in memory"));
        }
        row
    }
}

impl<'a> Operator<'a> for MvExpand<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        env.check_time()?;
        let mut output = Vec::new();
        while output.len() < env.batch_rows {
            if let Some(mut expansion) = self.current.take() {
                let room = (env.batch_rows - output.len()) as u64;
                let end = expansion.count.min(expansion.next_index.saturating_add(room));
                output.extend((expansion.next_index..end).map(|index| self.row_at(&expansion, index)));
                expansion.next_index = end;
                self.current = (end < expansion.count).then_some(expansion);
            } else if let Some(row) = self.batch.next() {
                self.current = Some(self.start(env, row)?);
            } else if let Some(batch) = self.input.next(env)? {
                self.batch = batch.into_iter();
            } else {
                break;
            }
        }
        self.produced += output.len() as u64;
        env.check_produced("mv-expand", self.produced)?;
        Ok((!output.is_empty()).then_some(output))
    }
}

/// Returns an element as a value of a type: cast only, no parsing; what does not conform is null.
///
/// # Source
/// Kusto documentation, "mv-expand operator", *Typename*: "cast-only and doesn't include parsing or type-conversion".
pub(crate) fn cast(value: Value, ty: Type) -> Value {
    match (ty, value) {
        (Type::Dynamic, value) => value,
        (Type::Bool, Value::Bool(value)) => Value::Bool(value),
        (Type::Bool, Value::Int(value)) => Value::Bool(value != 0),
        (Type::Bool, Value::Long(value)) => Value::Bool(value != 0),
        (Type::Int, value) => cast_integer(&value).map_or(Value::Null, |value| Value::Int(value as i32)),
        (Type::Long, value) => cast_integer(&value).map_or(Value::Null, Value::Long),
        (Type::Real, Value::Int(value)) => Value::Real(f64::from(value)),
        (Type::Real, Value::Long(value)) => Value::Real(value as f64),
        (Type::Real, Value::Real(value)) => Value::Real(value),
        (Type::Decimal, value) => cast_decimal(value),
        // Every dynamic has a text, so that none fails to conform.
        (Type::String, value) => Value::string(&*text_of(&value, Type::Dynamic)),
        (Type::DateTime, Value::DateTime(value)) => Value::DateTime(value),
        (Type::TimeSpan, Value::TimeSpan(value)) => Value::TimeSpan(value),
        (Type::Guid, Value::Guid(value)) => Value::Guid(value),
        (ty, _) => Value::missing(ty),
    }
}

/// Returns a number without its fraction; `None` for what is no number or does not fit.
fn cast_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) => Some(*value),
        // 2^63 itself does not fit; every real below it does.
        Value::Real(value) if value.abs() < 9_223_372_036_854_775_808.0 => Some(*value as i64),
        _ => None,
    }
}

fn cast_decimal(value: Value) -> Value {
    match value {
        Value::Decimal(value) => Value::Decimal(value),
        Value::Int(value) => Value::Decimal(value.into()),
        Value::Long(value) => Value::Decimal(value.into()),
        Value::Real(value) => dtq_value::Decimal::try_from(value).map_or(Value::Null, Value::Decimal),
        _ => Value::Null,
    }
}
