//! What a projection asks for of OTLP: narrowed rows are the whole rows without what was not asked for.
#![allow(clippy::unwrap_used)]

mod requests;

use dtq_record::otlp::{logs, metrics, spans};
use dtq_record::stream::{Catalog, Inside, NeededRange, NeededText, Projection, Row};
use dtq_record::{Format, Input, Inputs, Options};
use dtq_source::Limits;
use dtq_value::{Str, Value};
use proptest::prelude::*;
use prost::Message;
use requests::{logs_request, metrics_request, spans_request};

fn read(bytes: &[u8], table: &str, projection: &Projection, is_narrow: bool) -> Vec<Row> {
    let input = Input::from_bytes("request", "own", bytes.to_vec()).with_format(Format::Otlp);
    let inputs = Inputs::probe(vec![input], &Options::default(), &Limits::default()).unwrap();
    let mut rows = Vec::new();
    let mut stream = inputs.scan(table, projection).unwrap();
    if is_narrow {
        stream.narrow(true);
    }
    let mut passed_over = 0;
    while stream.read(&mut rows).unwrap() {
        passed_over += stream.take_passed_over();
    }
    passed_over += stream.take_passed_over();
    drop(stream);
    assert_eq!(inputs.report().records_passed_over, passed_over);
    rows
}

/// Returns some keys of a bag column, as the first row with any has them, and one that is nowhere.
fn some_keys(rows: &[Row], column: usize, count: usize) -> Vec<Str> {
    let bag = rows.iter().find_map(|row| match &row[column] {
        Value::Bag(bag) if !bag.is_empty() => Some(bag.clone()),
        _ => None,
    });
    let keys = bag.iter().flat_map(|bag| bag.iter().map(|(key, _)| key.clone()).take(count).collect::<Vec<_>>());
    keys.chain([Str::from("no such key")]).collect()
}

fn inside(keys: &[Str]) -> Inside {
    Inside::Keys(keys.iter().map(|key| (key.clone(), Inside::Whole)).collect())
}

/// Takes from a bag what is not asked for, and the order of keys with it.
fn keep_keys(value: &mut Value, keys: &[Str]) {
    if let Value::Bag(bag) = &value {
        let kept = keys.iter().filter_map(|key| Some((key.clone(), bag.get(key.as_bytes())?.clone())));
        *value = Value::bag(kept.collect());
    }
}

fn compare(
    bytes: &[u8],
    table: &str,
    (attributes, resource): (usize, usize),
    more: Projection,
    is_lacking: impl Fn(&Row) -> bool,
) -> Result<(), TestCaseError> {
    let whole = read(bytes, table, &Projection { insides: Vec::new(), ..more.clone() }, false);
    let keys = [some_keys(&whole, attributes, 2), some_keys(&whole, resource, 1)];
    let mut projection = more;
    projection.insides = vec![Inside::Whole; projection.is_read.len()];
    projection.insides[attributes] = inside(&keys[0]);
    projection.insides[resource] = inside(&keys[1]);
    let keep = |mut row: Row| {
        keep_keys(&mut row[attributes], &keys[0]);
        keep_keys(&mut row[resource], &keys[1]);
        row
    };
    let found: Vec<Row> = read(bytes, table, &projection, true).into_iter().map(keep).collect();
    let mut next = found.iter().peekable();
    for row in whole {
        let can_be_left_out = is_lacking(&row);
        let row = keep(row);
        if next.next_if_eq(&&row).is_none() {
            prop_assert!(can_be_left_out, "{row:?}");
        }
    }
    prop_assert_eq!(next.next(), None);
    Ok(())
}

#[test]
fn records_that_lack_something_are_passed_over() {
    let path = format!("{}/../../fixtures/telemetry/logs.otlp", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let all = Projection::all(logs::column::COUNT);
    let count = read(&bytes, "logs", &all, true).len();
    let mut needing = all.clone();
    needing.ranges.push(NeededRange { column: logs::column::SEVERITY_NUMBER, least: 25, greatest: 99 });
    assert_eq!((count > 0, read(&bytes, "logs", &needing, false).len()), (true, count));
    assert_eq!(read(&bytes, "logs", &needing, true).len(), 0);
    let mut needing = all;
    let text = Str::from("no such text in any body");
    needing.texts.push(vec![NeededText { column: logs::column::BODY, text, is_case_ignored: false }]);
    let found = read(&bytes, "logs", &needing, true);
    assert!(found.len() < count && found.iter().all(|row| !matches!(row[logs::column::BODY], Value::String(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn logs_are_narrowed(request in logs_request(), least in -1_i64..25, letter in "[a-e]", is_case_ignored: bool) {
        use logs::column;
        let mut projection = Projection::all(column::COUNT);
        projection.ranges.push(NeededRange { column: column::SEVERITY_NUMBER, least, greatest: i64::MAX });
        let needed = |column| NeededText { column, text: Str::from(letter.as_str()), is_case_ignored };
        projection.texts.push(vec![needed(column::BODY), needed(column::SEVERITY_TEXT)]);
        projection.texts.push(vec![needed(column::BODY), needed(column::ATTRIBUTES)]);
        let lacks_text = |value: &Value| match value {
            Value::String(text) => {
                let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
                !if is_case_ignored { text.to_ascii_lowercase().contains(&letter) } else { text.contains(&letter) }
            }
            other => other.is_null(),
        };
        let is_lacking = |row: &Row| {
            let is_low = matches!(row[column::SEVERITY_NUMBER], Value::Int(number) if i64::from(number) < least);
            is_low || lacks_text(&row[column::BODY]) && lacks_text(&row[column::SEVERITY_TEXT])
        };
        compare(&request.encode_to_vec(), "logs", (column::ATTRIBUTES, column::RESOURCE), projection, is_lacking)?;
    }

    #[test]
    fn spans_are_narrowed(request in spans_request(), letter in "[a-e]") {
        use spans::column;
        let mut projection = Projection::all(column::COUNT);
        let text = Str::from(letter.as_str());
        projection.texts.push(vec![NeededText { column: column::SPAN_NAME, text, is_case_ignored: false }]);
        let lacks = |text: &Str| !String::from_utf8_lossy(text.as_bytes()).contains(&letter);
        let is_lacking = |row: &Row| matches!(&row[column::SPAN_NAME], Value::String(text) if lacks(text));
        compare(&request.encode_to_vec(), "spans", (column::ATTRIBUTES, column::RESOURCE), projection, is_lacking)?;
    }

    #[test]
    fn points_are_narrowed(request in metrics_request()) {
        use metrics::column;
        let projection = Projection::all(column::COUNT);
        compare(&request.encode_to_vec(), "metrics", (column::ATTRIBUTES, column::RESOURCE), projection, |_| false)?;
    }
}
