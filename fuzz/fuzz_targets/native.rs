//! Queries and rows from choices to four answers: interpreter and native code, each with the optimizer and without. They
//! have the same values, bit by bit, or the same fault.
#![no_main]

use dtq_engine::{Engine, Options, compile};
use dtq_fuzz::Share;
use dtq_generate::{Choices, Events, Patterns, conditions, scalar, values};
use dtq_record::stream::{Catalog, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::{Code, Limits};
use dtq_value::Type;
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

/// The table `Events` with rows of a fuzzer's choices.
struct Rows(Vec<Row>);

struct Once(Option<Vec<Row>>);

impl RowStream for Once {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.extend(self.0.take().into_iter().flatten());
        Ok(false)
    }
}

impl Catalog for Rows {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        Events.schema(table)
    }

    fn table_names(&self) -> Vec<String> {
        Events.table_names()
    }

    fn scan(&self, _table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Ok(Box::new(Once(Some(self.0.clone()))))
    }
}

/// Returns what a query gives, written so that no two values look alike, or the code with which it fails; `None` when it
/// is not accepted.
fn answer(text: &str, catalog: &dyn Catalog, engine: Engine, without_optimizer: bool) -> Option<Result<String, Code>> {
    let limits =
        Limits { held_bytes_max: 64 << 20, produced_rows_max: 1_000, value_bytes_max: 1 << 16, ..Limits::default() };
    let now_ticks = 638_396_640_000_000_000;
    let options = Options { limits, now_ticks, without_optimizer, engine, ..Options::default() };
    let query = compile(text, catalog, &options).0?;
    let rows = query.run(catalog, &options).and_then(|mut run| run.rest(0));
    Some(rows.map(|rows| format!("{rows:?}")).map_err(|fault| fault.code))
}

/// Returns a query over one row at a time.
fn expressions(choices: &mut Choices<'_>) -> String {
    let columns = Events::table().columns;
    let items: Vec<String> = (0..1 + choices.below(3))
        .map(|index| {
            let text = match choices.below(4) {
                0 => {
                    let ty = *choices.pick(&Type::ALL);
                    scalar::scalar(choices, &columns, ty, 3)
                }
                1 => conditions::value(choices),
                _ => conditions::condition(choices, 3),
            };
            format!("x{index} = {text}")
        })
        .collect();
    match choices.below(3) {
        0 => format!("Events | where {} | project {}", conditions::condition(choices, 2), items.join(", ")),
        _ => format!("Events | project {}", items.join(", ")),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let choices = &mut Choices::Bytes(rest);
    let rows;
    let (text, catalog): (String, &dyn Catalog) = match kind % 8 {
        0 => (dtq_generate::query(choices, &[Events::table()]), &Events),
        1 => (dtq_generate::patterns::query(choices), &Patterns { seed: 7, row_count: 40 }),
        _ => {
            let text = expressions(choices);
            let count = 1 + choices.below(12);
            rows = Rows(values::rows(choices, count));
            (text, &rows)
        }
    };
    let expected = answer(&text, catalog, Engine::Interp, true);
    SHARE.count(expected.is_some());
    if expected.is_none() {
        return;
    }
    // A bound that is not passed any more is no difference.
    let is_bound = matches!(expected, Some(Err(Code::E2901 | Code::E3001 | Code::E3002 | Code::E3003)));
    for (engine, without_optimizer) in [(Engine::Jit, true), (Engine::Interp, false), (Engine::Jit, false)] {
        let found = answer(&text, catalog, engine, without_optimizer);
        let is_same = found == expected || (is_bound && !without_optimizer);
        assert!(is_same, "{engine:?}, without optimizer: {without_optimizer}\n{text}\n{expected:?}\n{found:?}");
    }
});
