//! Whole queries: a source and some operators, with the columns tracked from one to the next.

use crate::Choices;
use crate::scalar::{column, scalar};
use dtq_record::stream::{Column, TableSchema};
use dtq_value::Type;

/// How deep generated expressions nest.
const DEPTH: usize = 3;

/// Returns a query over these tables (or over none: `print`, `range`, `datatable`).
pub fn query(choices: &mut Choices<'_>, tables: &[TableSchema]) -> String {
    let (mut text, mut columns) = source(choices, tables);
    for index in 0..choices.below(5) {
        let operator = operator(choices, tables, &mut columns, index);
        text.push_str("\n| ");
        text.push_str(&operator);
        if columns.is_empty() {
            break;
        }
    }
    if choices.one_in(3) {
        text.push_str("\n| ");
        text.push_str(&unnamed(choices, &columns));
    }
    text
}

fn source(choices: &mut Choices<'_>, tables: &[TableSchema]) -> (String, Vec<Column>) {
    match choices.below(6) {
        0 | 1 if !tables.is_empty() => {
            let table = choices.pick(tables);
            (table.name.clone(), table.columns.clone())
        }
        2 => ("range x from 1 to 10 step 1".to_owned(), vec![Column::new("x", Type::Long)]),
        3 => datatable(choices),
        _ => print(choices),
    }
}

fn print(choices: &mut Choices<'_>) -> (String, Vec<Column>) {
    let count = 1 + choices.below(3);
    let columns: Vec<Column> =
        (0..count).map(|index| Column::new(format!("p{index}"), *choices.pick(&Type::ALL))).collect();
    let values: Vec<String> =
        columns.iter().map(|column| format!("{} = {}", column.name, scalar(choices, &[], column.ty, DEPTH))).collect();
    (format!("print {}", values.join(", ")), columns)
}

fn datatable(choices: &mut Choices<'_>) -> (String, Vec<Column>) {
    let columns: Vec<Column> = Type::ALL[..9]
        .iter()
        .filter(|ty| **ty != Type::Decimal)
        .map(|ty| Column::new(format!("c_{ty}"), *ty))
        .collect();
    let heads: Vec<String> = columns.iter().map(|column| format!("{}:{}", column.name, column.ty)).collect();
    let count = 1 + choices.below(4);
    let rows: Vec<String> = (0..count)
        .map(|_| {
            let row: Vec<String> = columns.iter().map(|column| crate::literal::literal(choices, column.ty)).collect();
            row.join(", ")
        })
        .collect();
    (format!("datatable({}) [{}]", heads.join(", "), rows.join(", ")), columns)
}

fn operator(choices: &mut Choices<'_>, tables: &[TableSchema], columns: &mut Vec<Column>, index: usize) -> String {
    match choices.below(12) {
        0..=2 => format!("where {}", scalar(choices, columns, Type::Bool, DEPTH)),
        3 | 4 => extend(choices, columns, index),
        5 => summarize(choices, columns, index),
        6 => format!("take {}", 1 + choices.below(20)),
        7 => sort(choices, columns),
        8 => project(choices, columns, index),
        9 => distinct(choices, columns),
        10 => union(choices, tables, columns, index),
        _ => mv_expand(choices, columns, index),
    }
}

fn extend(choices: &mut Choices<'_>, columns: &mut Vec<Column>, index: usize) -> String {
    let ty = *choices.pick(&Type::ALL);
    let value = scalar(choices, columns, ty, DEPTH);
    let name = format!("e{index}");
    columns.push(Column::new(name.clone(), ty));
    format!("extend {name} = {value}")
}

fn project(choices: &mut Choices<'_>, columns: &mut Vec<Column>, index: usize) -> String {
    let ty = *choices.pick(&Type::ALL);
    let value = scalar(choices, columns, ty, DEPTH);
    let name = format!("q{index}");
    let kept = choices.pick(columns).clone();
    let text = format!("project {}, {name} = {value}", column(&kept));
    *columns = vec![kept, Column::new(name, ty)];
    text
}

/// Returns columns that can be grouped, ordered and compared.
fn plain(columns: &[Column]) -> Vec<Column> {
    columns.iter().filter(|column| column.ty != Type::Dynamic).cloned().collect()
}

fn summarize(choices: &mut Choices<'_>, columns: &mut Vec<Column>, index: usize) -> String {
    let name = format!("s{index}");
    let value = |choices: &mut Choices<'_>, ty| scalar(choices, columns, ty, 1);
    let (call, ty) = match choices.below(8) {
        0 => ("count()".to_owned(), Type::Long),
        1 => (format!("countif({})", value(choices, Type::Bool)), Type::Long),
        2 => (format!("sum({})", value(choices, Type::Long)), Type::Long),
        3 => (format!("avg({})", value(choices, Type::Real)), Type::Real),
        4 => (format!("max({})", value(choices, Type::DateTime)), Type::DateTime),
        5 => (format!("dcount({})", value(choices, Type::String)), Type::Long),
        6 => (format!("make_set({})", value(choices, Type::String)), Type::Dynamic),
        _ => (format!("make_list({})", value(choices, Type::Long)), Type::Dynamic),
    };
    let keys = plain(columns);
    let mut result = Vec::new();
    let mut text = format!("summarize {name} = {call}");
    if !keys.is_empty() && choices.below(3) != 2 {
        let key = choices.pick(&keys).clone();
        text.push_str(&format!(" by {}", column(&key)));
        result.push(key);
    }
    result.push(Column::new(name, ty));
    *columns = result;
    text
}

fn sort(choices: &mut Choices<'_>, columns: &[Column]) -> String {
    let keys = plain(columns);
    match keys.is_empty() {
        true => "serialize".to_owned(),
        false => {
            format!("sort by {} {}", column(choices.pick(&keys)), choices.pick(&["asc", "desc", "asc nulls last"]))
        }
    }
}

fn distinct(choices: &mut Choices<'_>, columns: &mut Vec<Column>) -> String {
    let keys = plain(columns);
    if keys.is_empty() {
        return "serialize".to_owned();
    }
    let key = choices.pick(&keys).clone();
    let text = format!("distinct {}", column(&key));
    *columns = vec![key];
    text
}

fn union(choices: &mut Choices<'_>, tables: &[TableSchema], columns: &mut Vec<Column>, index: usize) -> String {
    if tables.is_empty() {
        return extend(choices, columns, index);
    }
    let name = format!("u{index}");
    columns.push(Column::new(name.clone(), Type::Long));
    format!("union (print {name} = {})", choices.below(100))
}

fn mv_expand(choices: &mut Choices<'_>, columns: &mut Vec<Column>, index: usize) -> String {
    let name = format!("m{index}");
    let value = scalar(choices, columns, Type::Dynamic, 1);
    let ty = *choices.pick(&[Type::Long, Type::String, Type::Real]);
    columns.push(Column::new(name.clone(), ty));
    format!("mv-expand {name} = {value} to typeof({ty})")
}

/// Returns a last operator whose columns have generated names.
fn unnamed(choices: &mut Choices<'_>, columns: &[Column]) -> String {
    let ty = *choices.pick(&Type::ALL);
    match choices.below(3) {
        0 => format!("extend {}", scalar(choices, columns, ty, 2)),
        1 => format!("project {}, {}", scalar(choices, columns, ty, 2), scalar(choices, columns, Type::Long, 2)),
        _ => format!("summarize count(), max({})", scalar(choices, columns, Type::Long, 2)),
    }
}
