//! Runs generated queries: whatever is accepted runs without a panic, gives values of the types it states, and its
//! program prints and parses back.

use dtq_engine::{Options, Query, compile};
use dtq_generate::{Choices, Events, query};
use dtq_record::stream::TableSchema;
use dtq_source::Limits;
use dtq_value::{Type, Value};

fn is_of(value: &Value, ty: Type) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => matches!(ty, Type::Bool | Type::Dynamic),
        Value::Int(_) => matches!(ty, Type::Int | Type::Dynamic),
        Value::Long(_) => matches!(ty, Type::Long | Type::Dynamic),
        Value::Real(_) => matches!(ty, Type::Real | Type::Dynamic),
        Value::Decimal(_) => matches!(ty, Type::Decimal | Type::Dynamic),
        Value::String(_) => matches!(ty, Type::String | Type::Dynamic),
        Value::DateTime(_) => matches!(ty, Type::DateTime | Type::Dynamic),
        Value::TimeSpan(_) => matches!(ty, Type::TimeSpan | Type::Dynamic),
        Value::Guid(_) => matches!(ty, Type::Guid | Type::Dynamic),
        Value::Array(_) | Value::Bag(_) => ty == Type::Dynamic,
    }
}

fn check(text: &str, query: &Query, options: &Options<'_>) {
    let printed = dtq_ir::text::print(query.program());
    let parsed = dtq_ir::text::parse(&printed, &options.limits).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(dtq_ir::text::print(&parsed), printed, "{text}");
    // A fault (a bound, a failed `assert`) is an answer; a panic or a wrong type is not.
    let Ok(mut run) = query.run(&Events, options) else { return };
    let columns = run.columns(0).to_vec();
    while let Ok(Some(rows)) = run.next_batch(0) {
        for row in rows {
            assert_eq!(row.len(), columns.len(), "{text}");
            for (value, column) in row.iter().zip(&columns) {
                assert!(is_of(value, column.ty), "{} is {value:?}, not a {}:\n{text}", column.name, column.ty);
            }
        }
    }
}

#[test]
fn what_is_accepted_runs_and_keeps_its_types() {
    let limits =
        Limits { held_bytes_max: 8 << 20, produced_rows_max: 10_000, value_bytes_max: 1 << 16, ..Limits::default() };
    let options = Options { limits, now_ticks: 638_396_640_000_000_000, ..Options::default() };
    let tables: [TableSchema; 1] = [Events::table()];
    let count = 3_000;
    let mut accepted_count = 0;
    for seed in 0..count {
        let text = query(&mut Choices::Seed(seed * 7919), &tables);
        if let (Some(compiled), _) = compile(&text, &Events, &options) {
            accepted_count += 1;
            check(&text, &compiled, &options);
        }
    }
    println!("{accepted_count} of {count} generated queries were accepted");
    assert!(accepted_count * 2 > count, "only {accepted_count} of {count}: the generator is the bug");
}
