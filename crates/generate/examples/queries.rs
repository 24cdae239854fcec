//! Prints generated queries as JSON lines `{"id","query","tables"}`: `cargo run -p dtq-generate --example queries -- COUNT [SEED]`.
//!
//! The lines are what `dtq check --batch` and the comparison with Microsoft's binder in `grammar/kusto-peer` read.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use dtq_generate::{Choices, Events, query};
use serde_json::json;

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default: u64| args.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, seed) = (number(1000), number(1));
    let tables = [Events::table()];
    let columns: Vec<_> = tables[0].columns.iter().map(|column| json!([column.name, column.ty.name()])).collect();
    for index in 0..count {
        let text = query(&mut Choices::Seed(seed.wrapping_mul(1_000_003).wrapping_add(index)), &tables);
        let line = json!({
            "id": format!("generated/{seed}/{index}"),
            "query": text,
            "tables": [{"name": tables[0].name, "columns": columns}],
        });
        println!("{line}");
    }
}
