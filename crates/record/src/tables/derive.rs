//! A table seen from one record: which columns of the standard table a column follows from, and what writing it means.
//!
//! For rules, which judge and edit records of a standard table under whichever name a query uses. A table whose rows are
//! not its records one to one (`exceptions`, `OTELMetrics`) has no such view.

use super::mapping::{Mapping, Source, Step};
use super::{Base, Part, Table};
use crate::convert::{fit, text_of};
use crate::stream::Row;
use dtq_value::{Bag, Str, Value};

/// Says how a column follows from the columns of the standard table.
#[derive(Clone, Debug, PartialEq)]
pub enum Derivation {
    /// It is that column.
    Same(usize),
    /// It is that bag with further properties, each of them a column, unless the bag has its key.
    BagWith {
        /// Position of the bag.
        bag: usize,
        /// Keys and positions.
        properties: Vec<(Str, usize)>,
    },
    /// It is computed from these columns.
    Computed(Vec<usize>),
}

/// Says what writing a column means for the standard table.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A column gets a value.
    Column(usize, Value),
    /// A key of a bag gets a value, or is removed.
    Key(usize, Str, Option<Value>),
}

impl Table {
    /// Returns the standard table whose records are this table's rows, one to one; `None` where they are not.
    pub fn record_base(&self) -> Option<Base> {
        match self.parts.as_slice() {
            [] => Base::parse(&self.name),
            [part] if part.each.is_none() && !part.is_expanded => Some(part.base),
            _ => None,
        }
    }

    /// Returns how a column follows from the standard table.
    pub fn derivation(&self, column: usize) -> Derivation {
        match self.mapping(column) {
            None => Derivation::Same(column),
            Some(Mapping::Column(index)) if self.has_type_of_base(column, *index) => Derivation::Same(*index),
            Some(Mapping::With { bag, properties }) => {
                let plain = |mapping: &Mapping| if let Mapping::Column(index) = mapping { Some(*index) } else { None };
                let all: Option<Vec<(Str, usize)>> =
                    properties.iter().map(|(key, mapping)| Some((key.clone(), plain(mapping)?))).collect();
                match (plain(bag), all) {
                    (Some(bag), Some(properties)) => Derivation::BagWith { bag, properties },
                    _ => self.computed(column),
                }
            }
            Some(_) => self.computed(column),
        }
    }

    /// Returns the columns of the standard table that decide whether a record is a row.
    pub fn condition_reads(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        if let Some(test) = self.parts.first().and_then(|part| part.test.as_ref()) {
            test.visit_columns(&mut |column| columns.push(column));
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Says whether a record is a row; `record` holds at least [`Table::condition_reads`].
    pub fn holds_record(&self, record: &Row) -> bool {
        let test = self.parts.first().and_then(|part| part.test.as_ref());
        test.is_none_or(|test| test.holds(Source { row: record, item: &Value::Null }))
    }

    /// Returns the value of a column; `record` holds at least the columns of its [`Derivation`].
    pub fn value_of(&self, column: usize, record: &Row) -> Value {
        match self.mapping(column) {
            None => record.get(column).cloned().unwrap_or_default(),
            Some(mapping) => {
                let ty = self.columns[column].ty;
                let value = mapping.value(Source { row: record, item: &Value::Null });
                fit(ty, value).unwrap_or_else(|| Value::missing(ty))
            }
        }
    }

    /// Returns what writing `new` into a column means, or `None` where its mapping has no inverse.
    ///
    /// `record` holds the columns of the column's [`Derivation`] as they are now.
    pub fn write(&self, column: usize, new: &Value, record: &Row) -> Option<Vec<Write>> {
        if !self.is_writable.get(column).copied().unwrap_or(false) {
            return None;
        }
        match self.mapping(column) {
            None => Some(vec![Write::Column(column, new.clone())]),
            Some(mapping) => invert(mapping, new, record),
        }
    }

    fn computed(&self, column: usize) -> Derivation {
        let mut reads = Vec::new();
        if let Some(mapping) = self.mapping(column) {
            mapping.visit_columns(&mut |column| reads.push(column));
        }
        reads.sort_unstable();
        reads.dedup();
        Derivation::Computed(reads)
    }

    fn has_type_of_base(&self, column: usize, index: usize) -> bool {
        let base = self.parts.first().and_then(|part| super::standard(part.base.name()));
        base.is_some_and(|base| base.columns[index].ty == self.columns[column].ty)
    }

    fn mapping(&self, column: usize) -> Option<&Mapping> {
        self.parts.first().and_then(|part: &Part| part.mappings.get(column))
    }
}

/// Returns what it means that a mapping has a new value; the kinds of mapping are those of `Mapping::has_inverse`.
fn invert(mapping: &Mapping, new: &Value, record: &Row) -> Option<Vec<Write>> {
    match mapping {
        Mapping::Column(index) => Some(vec![Write::Column(*index, new.clone())]),
        Mapping::Text(of) => invert(of, new, record),
        Mapping::Path(of, steps) => match (of.as_ref(), steps.as_slice()) {
            (Mapping::Column(bag), [Step::Key(key)]) => {
                Some(vec![Write::Key(*bag, key.clone(), Some(new.clone()).filter(|new| !new.is_null()))])
            }
            _ => None,
        },
        Mapping::Words { of, words, .. } => {
            let text = text_of(new);
            let word = words.iter().find(|(_, value)| text_of(value) == text);
            invert(of, &word.map_or_else(|| new.clone(), |(word, _)| Value::String(word.clone())), record)
        }
        Mapping::With { bag, properties } => {
            let Mapping::Column(at) = bag.as_ref() else { return None };
            invert_with(*at, properties, new, record)
        }
        _ => None,
    }
}

/// Returns the changes of a bag's keys, where some keys stand for columns unless the bag has them.
fn invert_with(bag: usize, properties: &[(Str, Mapping)], new: &Value, record: &Row) -> Option<Vec<Write>> {
    let empty = Bag::new();
    let (own, wanted) = match (record.get(bag), new) {
        (Some(Value::Bag(own)), Value::Bag(wanted)) => (own.as_ref(), wanted.as_ref()),
        (_, Value::Bag(wanted)) => (&empty, wanted.as_ref()),
        // A bag that is emptied loses its keys; anything else is no bag.
        (Some(Value::Bag(own)), Value::Null) => (own.as_ref(), &empty),
        _ => return None,
    };
    let mut writes = Vec::new();
    for (key, _) in own.iter().filter(|(key, _)| wanted.get(key.as_bytes()).is_none()) {
        writes.push(Write::Key(bag, key.clone(), None));
    }
    for (key, mapping) in properties.iter().filter(|(key, _)| own.get(key.as_bytes()).is_none()) {
        let Mapping::Column(index) = mapping else { return None };
        let value = wanted.get(key.as_bytes()).cloned().unwrap_or_else(|| Value::string(""));
        if record.get(*index) != Some(&value) {
            writes.push(Write::Column(*index, value));
        }
    }
    let is_property = |key: &Str| properties.iter().any(|(name, _)| name == key) && own.get(key.as_bytes()).is_none();
    for (key, value) in wanted.iter().filter(|(key, _)| !is_property(key)) {
        if own.get(key.as_bytes()) != Some(value) {
            writes.push(Write::Key(bag, key.clone(), Some(value.clone())));
        }
    }
    Some(writes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::logs::column;
    use crate::tables::alias;

    fn bag(entries: &[(&str, i64)]) -> Value {
        Value::bag(entries.iter().map(|(key, value)| (Str::from(*key), Value::Long(*value))).collect())
    }

    fn record(attributes: Value, event_name: &str) -> Row {
        let mut row = vec![Value::Null; column::COUNT];
        row[column::ATTRIBUTES] = attributes;
        row[column::EVENT_NAME] = Value::string(event_name);
        row
    }

    #[test]
    fn writing_custom_dimensions_changes_keys_and_the_event_name() {
        let traces = alias("traces").unwrap();
        let at = traces.columns.iter().position(|column| column.name == "customDimensions").unwrap();
        let record = record(bag(&[("a", 1), ("secret", 2)]), "Banner");
        let mut wanted = Bag::new();
        wanted.set(Str::from("a"), Value::Long(7));
        wanted.set(Str::from("EventName"), Value::string("Banner"));
        let writes = traces.write(at, &Value::bag(wanted), &record).unwrap();
        let expected = [
            Write::Key(column::ATTRIBUTES, Str::from("secret"), None),
            Write::Key(column::ATTRIBUTES, Str::from("a"), Some(Value::Long(7))),
        ];
        assert_eq!(writes, expected);
        let writes = traces.write(at, &bag(&[("a", 1), ("secret", 2)]), &record).unwrap();
        assert_eq!(writes, [Write::Column(column::EVENT_NAME, Value::string(""))]);
    }

    #[test]
    fn tables_whose_rows_are_not_records_have_no_base() {
        assert_eq!(alias("traces").unwrap().record_base(), Some(Base::Logs));
        assert_eq!(alias("requests").unwrap().record_base(), Some(Base::Spans));
        assert_eq!(alias("OTELMetrics").unwrap().record_base(), None);
        assert_eq!(alias("exceptions").unwrap().record_base(), None);
        let requests = alias("requests").unwrap();
        assert!(!requests.condition_reads().is_empty());
    }
}
