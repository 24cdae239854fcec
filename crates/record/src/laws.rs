//! What holds for any bytes whatever, as one function that fuzz targets and property tests call.

use crate::format::Format;
use crate::input::{Input, Inputs, Options};
use crate::otlp::logs::column;
use crate::stream::{Catalog, Column, Projection, Row};
use crate::text::rewrite::Rows;
use dtq_source::Limits;
use dtq_value::{Type, Value};

/// Name of the table with the input's own columns.
const OWN: &str = "own";

/// Reads all tables of an input and returns how many records it has in them.
///
/// The format is found when none is given. Bounds are small, so that inputs of a few kilobytes can pass them.
///
/// # Panics
/// When a row has not the width of its table, a value not the type of its column, a string is null, a second reading
/// gives other rows, a projection changes the values of the columns that it reads, or records as they stand are not the
/// input.
pub fn check(bytes: &[u8], format: Option<Format>) -> u64 {
    let limits = Limits {
        record_bytes_max: 16_384,
        document_bytes_max: 65_536,
        value_nesting_max: 20,
        sampled_records_max: 10,
        ..Limits::default()
    };
    let input = Input::from_bytes("fuzz", OWN, bytes.to_vec());
    let input = match format {
        Some(format) => input.with_format(format),
        None => input,
    };
    let options = Options { now_ticks: crate::time::UNIX_EPOCH_TICKS };
    let Ok(inputs) = Inputs::probe(vec![input], &options, &limits) else { return 0 };
    let mut record_count = 0;
    for table in inputs.table_names() {
        let schema = inputs.schema(&table).expect("a table that is named has columns");
        let rows = read(&inputs, &table, &Projection::all(schema.columns.len()));
        rows.iter().for_each(|row| check_row(row, &schema.columns));
        if table == OWN || crate::tables::standard(&table).is_some() {
            record_count += rows.len() as u64;
            // One column an input: over many inputs every column has its turn.
            check_projection(&inputs, &table, &schema.columns, &rows, bytes.len());
        }
    }
    check_originals(&inputs, bytes, limits.record_bytes_max);
    let report = inputs.report();
    assert!(report.skips.len() as u64 <= report.skipped_count, "skips are kept only when counted");
    record_count
}

fn read(inputs: &Inputs, table: &str, projection: &Projection) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Ok(mut stream) = inputs.scan(table, projection) {
        while let Ok(true) = stream.read(&mut rows) {}
    }
    rows
}

/// Reads records as they stand: together they are the input, and edits of them are written or refused.
fn check_originals(inputs: &Inputs, bytes: &[u8], record_bytes_max: usize) {
    let Ok(Some(mut originals)) = inputs.originals(0) else { return };
    let (Ok(mark), Ok(is_array)) = (originals.mark(), originals.is_array()) else { return };
    let mut rewriter = originals.rewriter();
    let mut whole = mark.to_vec();
    while let Ok(Some(original)) = originals.next_record() {
        whole.extend_from_slice(original.bytes);
        whole.extend_from_slice(original.end);
        let Some(row) = &original.row else { continue };
        let mut after = row.clone();
        after[column::BODY] = Value::string("\"a b\"=,\n[c");
        drop(rewriter.rewrite(original.bytes, &Rows { read: row, before: row, after: &after }));
        if let Value::Bag(bag) = &row[column::ATTRIBUTES] {
            let edited = bag.iter().map(|(key, _)| (key.clone(), Value::string("] \"'\\\t;=")));
            after = row.clone();
            after[column::ATTRIBUTES] = Value::bag(edited.collect());
            drop(rewriter.rewrite(original.bytes, &Rows { read: row, before: row, after: &after }));
        }
        let same = Rows { read: row, before: row, after: row };
        assert_eq!(rewriter.rewrite(original.bytes, &same).as_deref(), Ok(original.bytes), "what did not change stays");
    }
    let is_document = inputs.descriptions().iter().any(|input| input.format == Format::Json);
    let is_compressed = bytes.starts_with(&[0x1F, 0x8B]) || bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]);
    if !is_document && !is_array && !is_compressed && bytes.len() <= record_bytes_max {
        assert!(whole == bytes, "records as they stand are the input");
    }
}

fn check_row(row: &Row, columns: &[Column]) {
    assert_eq!(row.len(), columns.len(), "a row has the width of its table");
    for (value, column) in row.iter().zip(columns) {
        let is_typed = match (column.ty, value) {
            (Type::String, Value::String(_)) => true,
            (Type::String, _) => false,
            (Type::Dynamic, _) | (_, Value::Null) => true,
            (Type::Bool, Value::Bool(_))
            | (Type::Int, Value::Int(_))
            | (Type::Long, Value::Long(_))
            | (Type::Real, Value::Real(_))
            | (Type::Decimal, Value::Decimal(_))
            | (Type::DateTime, Value::DateTime(_))
            | (Type::TimeSpan, Value::TimeSpan(_))
            | (Type::Guid, Value::Guid(_)) => true,
            _ => false,
        };
        assert!(is_typed, "column {} is {}, not {value:?}", column.name, column.ty);
    }
}

/// Reads one column alone. A record whose fault lies in another column then counts, so only inputs in which both readings
/// give all records can be compared.
fn check_projection(inputs: &Inputs, table: &str, columns: &[Column], rows: &[Row], seed: usize) {
    let Some(chosen) = seed.checked_rem(columns.len()) else { return };
    let is_read = (0..columns.len()).map(|column| column == chosen).collect();
    let narrow = read(inputs, table, &Projection::columns(is_read));
    assert!(narrow.len() >= rows.len(), "reading less of {table} loses no record");
    if narrow.len() == rows.len() {
        let same = narrow.iter().zip(rows).all(|(narrow, row)| narrow[chosen] == row[chosen]);
        assert!(same, "column {} of {table} is the same alone", columns[chosen].name);
    }
}
