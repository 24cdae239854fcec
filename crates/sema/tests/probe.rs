//! Plugins whose columns depend on data: what a probe finds becomes the columns.
//!
//! Source: conformance `emu/bag-unpack-plugin-00` to `-05`; Kusto documentation, "pivot plugin".

use dtq_ir::{Program, RelId, RelKind};
use dtq_record::stream::{Catalog, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_sema::{Options, Probe, lower};
use dtq_source::Limits;

struct Empty;

impl Catalog for Empty {
    fn schema(&self, _: &str) -> Option<TableSchema> {
        None
    }

    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn scan(&self, _: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        unreachable!("nothing is run here")
    }
}

/// Gives the rows of a `datatable`, also behind operators that keep its first column first.
struct Constants;

impl Probe for Constants {
    fn rows(&self, program: &Program, rel: RelId) -> Result<Vec<Row>, String> {
        match &program.rel(rel).kind {
            RelKind::Values { rows } => Ok(rows.clone()),
            kind => kind.inputs().first().ok_or("no input".to_owned()).and_then(|input| self.rows(program, *input)),
        }
    }
}

fn columns(text: &str) -> Result<String, String> {
    let (query, _) = dtq_syntax::parse(text, &Limits::default());
    let options = Options { probe: Some(&Constants), ..Options::default() };
    let (program, found) = lower(&query, &Empty, &options);
    let Some(program) = program else {
        return Err(found.iter().map(|diagnostic| diagnostic.message.clone()).collect::<Vec<_>>().join("; "));
    };
    let rel = program.rel(program.outputs[0].rel);
    Ok(rel.columns.iter().map(|column| format!("{}:{}", column.name, column.ty)).collect::<Vec<_>>().join(" "))
}

#[test]
fn bags_become_columns_in_order_of_name() {
    let bags =
        "datatable(d:dynamic) [dynamic({\"Name\": \"John\", \"Age\": 20}), dynamic({\"Height\": 1.8, \"Age\": 1})]";
    let expected = Ok("Age:long Height:real Name:string".to_owned());
    assert_eq!(columns(&format!("{bags} | evaluate bag_unpack(d)")), expected);
    let expected = Ok("p_Age:long p_Height:real p_Name:string".to_owned());
    assert_eq!(columns(&format!("{bags} | evaluate bag_unpack(d, 'p_')")), expected);
}

#[test]
fn a_column_of_the_same_name_is_a_conflict_unless_said_otherwise() {
    let bags = "datatable(Name:string, d:dynamic) ['Old', dynamic({\"Name\": \"John\", \"Age\": 20})]";
    assert!(
        columns(&format!("{bags} | evaluate bag_unpack(d)")).is_err_and(|message| message.contains("declared twice"))
    );
    for conflict in ["replace_source", "keep_source"] {
        let query = format!("{bags} | evaluate bag_unpack(d, columnsConflict='{conflict}')");
        assert_eq!(columns(&query), Ok("Name:string Age:long".to_owned()), "{conflict}");
    }
}

#[test]
fn values_become_columns() {
    let table = "datatable(state:string, year:long) ['TEXAS', 1, 'IOWA', 2, 'TEXAS', 2]";
    assert_eq!(columns(&format!("{table} | evaluate pivot(state)")), Ok("year:long IOWA:long TEXAS:long".to_owned()));
    let expected = Ok("IOWA:long TEXAS:long".to_owned());
    assert_eq!(columns(&format!("{table} | evaluate pivot(state, sum(year))")), expected);
    let expected = Ok("TEXAS:long year:long".to_owned());
    assert_eq!(columns(&format!("{table} | evaluate pivot(state) : (TEXAS:long, year:long)")), expected);
}
