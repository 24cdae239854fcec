//! Reads JSON lines `{"id","query","tables":[{"name","columns":[[name,type]]}]}`; prints `{"id","columns","diags"}`: what
//! the comparison with another binder reads.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use dtq_record::stream::{Catalog, Column, Projection, RowStream, StreamError, TableSchema};
use dtq_sema::{Options, lower};
use dtq_source::Limits;
use dtq_value::Type;
use serde_json::{Value as Json, json};

struct Tables(Vec<TableSchema>);

impl Catalog for Tables {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        self.0.iter().find(|schema| schema.name == table).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.0.iter().map(|schema| schema.name.clone()).collect()
    }

    fn scan(&self, _: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        unreachable!("nothing is run here")
    }
}

fn schema(table: &Json) -> TableSchema {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let column = |pair: &Json| Column::new(text(&pair[0]), Type::parse(&text(&pair[1])).unwrap_or(Type::Dynamic));
    let columns = table["columns"].as_array().map(|columns| columns.iter().map(column).collect());
    TableSchema { name: text(&table["name"]), columns: columns.unwrap_or_default() }
}

fn main() {
    for line in std::io::stdin().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
        let Ok(case) = serde_json::from_str::<Json>(&line) else { continue };
        let tables =
            Tables(case["tables"].as_array().map(|tables| tables.iter().map(schema).collect()).unwrap_or_default());
        let text = case["query"].as_str().unwrap_or_default();
        let (query, mut found) = dtq_syntax::parse(text, &Limits::default());
        let (program, lowered) = lower(&query, &tables, &Options::default());
        found.extend(lowered);
        let diags: Vec<Json> = found
            .iter()
            .map(|d| json!([d.code.to_string(), format!("{:?}", d.severity), d.span.start, d.message]))
            .collect();
        let columns = program.as_ref().and_then(|program| program.outputs.last().map(|output| program.rel(output.rel)));
        let columns =
            columns.map(|rel| rel.columns.iter().map(|c| json!([c.name, c.ty.name()])).collect::<Vec<Json>>());
        println!("{}", json!({"id": case["id"], "columns": columns, "diags": diags}));
    }
}
