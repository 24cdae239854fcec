//! The columns of conformance queries: names and types as the reference engine gave them. Cases that state no columns
//! (they name tables that are not here) are left out.
//!
//! The files lie beside the repository, in `shared/conformance`; without them the test says so and checks nothing.

use dtq_record::stream::{Catalog, Projection, RowStream, StreamError, TableSchema};
use dtq_sema::{Options, lower};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// A catalog without tables: conformance queries bring their own.
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

fn folder() -> Option<PathBuf> {
    let candidates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared/conformance"));
    candidates.into_iter().find(|dir| dir.is_dir())
}

struct Case {
    id: String,
    tier: String,
    query: String,
    columns: Vec<(String, String)>,
}

fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, columns) in
        [("kusto_engine.jsonl", "columns"), ("semantics_traps.jsonl", "columns"), ("docs_examples.jsonl", "schema")]
    {
        let text = std::fs::read_to_string(folder.join(file)).expect("the folder was found");
        for line in text.lines() {
            let json: Json = serde_json::from_str(line).expect("a JSON object a line");
            let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
            let pair = |pair: &Json| (text(&pair[0]), text(&pair[1]));
            cases.push(Case {
                id: text(&json["id"]),
                tier: text(&json["tier"]),
                query: text(&json["query"]),
                columns: json[columns].as_array().expect("pairs of name and type").iter().map(pair).collect(),
            });
        }
    }
    cases
}

/// Cases whose column types are contradicted by other cases of the same files (`trap/1187`, `trap/1200`,
/// `query/ceiling-function.md#1`) and by Microsoft's binder: here a constant call has the type of its folded value.
const CONTRADICTED: &[&str] =
    &["emu/ceiling-function-00", "emu/datetime-diff-function-00", "emu/datetime-part-function-00"];

enum Outcome {
    Same,
    NeedsTable,
    Refused(String),
    Wrong(String),
}

fn run(case: &Case) -> Outcome {
    let (query, mut diagnostics) = dtq_syntax::parse(&case.query, &dtq_source::Limits::default());
    let (program, found) = lower(&query, &Empty, &Options::default());
    diagnostics.extend(found);
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    if errors.iter().any(|error| error.code == dtq_source::Code::E2002) {
        return Outcome::NeedsTable;
    }
    let is_refused = errors.iter().any(|error| error.code == dtq_source::Code::E2900);
    let shown: Vec<String> = errors
        .iter()
        .map(|error| {
            let written = case.query.get(error.span.range()).unwrap_or_default();
            format!("{} {} [{}]", error.code, error.message, written.chars().take(60).collect::<String>())
        })
        .collect();
    let Some(program) = program.filter(|_| errors.is_empty()) else {
        let shown = shown.join(" / ");
        return if is_refused { Outcome::Refused(shown) } else { Outcome::Wrong(shown) };
    };
    let Some(output) = program.outputs.first() else { return Outcome::Wrong("no output".to_owned()) };
    let found: Vec<(String, String)> = program
        .rel(output.rel)
        .columns
        .iter()
        .map(|column| (column.name.clone(), column.ty.name().to_owned()))
        .collect();
    if found == case.columns { Outcome::Same } else { Outcome::Wrong(format!("{found:?} not {:?}", case.columns)) }
}

#[test]
fn columns_of_conformance_queries() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: there is no shared/conformance above {}", env!("CARGO_MANIFEST_DIR"));
        return;
    };
    let mut bad = Vec::new();
    for tier in ["P0", "P1", "P2", "rest"] {
        let (mut same, mut refused, mut wrong) = (0, 0, 0);
        for case in cases(&folder).iter().filter(|case| case.tier == tier && !case.columns.is_empty()) {
            match run(case) {
                Outcome::Same => same += 1,
                Outcome::NeedsTable => eprintln!("{tier} {} names a table that is not here", case.id),
                Outcome::Refused(why) => {
                    refused += 1;
                    eprintln!("{tier} {} refused: {why}", case.id);
                    if matches!(tier, "P0" | "P1") {
                        bad.push(case.id.clone());
                    }
                }
                Outcome::Wrong(why) if CONTRADICTED.contains(&case.id.as_str()) => {
                    eprintln!("{tier} {} contradicted: {why}", case.id);
                }
                Outcome::Wrong(why) => {
                    wrong += 1;
                    eprintln!("{tier} {} WRONG: {why}", case.id);
                    if matches!(tier, "P0" | "P1" | "P2") {
                        bad.push(case.id.clone());
                    }
                }
            }
        }
        eprintln!("conformance columns {tier}: {same} the same, {refused} refused, {wrong} wrong");
    }
    assert!(bad.is_empty(), "{} cases of P0 and P1 fail, or of P2 are wrong: {bad:?}", bad.len());
}
